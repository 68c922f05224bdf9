/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables drawn as a tree: user address spaces, the kernel's half with its fixmap slots, the identity map.
 *
 * Property: each entry is drawn with its value in coherent memory; what an agent may see instead stands below it (stores
 * that others may not see yet, translations that are replaced and not invalidated). Entries that continue each other are
 * one line. Drawing is no step and changes nothing.
 */
#include "tree.h"

#include <stdarg.h>
#include <string.h>

#include "callers/kernel.h"
#include "callers/kmap.h"
#include "callers/split.h"
#include "exec_internal.h"
#include "hw/tables.h"

enum { MAX_MARKS = 8, MAX_NOTES = 6, MAX_CACHED = 512, WHOLE = -1, OPENED = 4 };

struct root {
	const char *name;
	const uint64_t *t;
	unsigned asid;
	uint64_t va; /* of its first entry, as the machine keeps addresses */
};

/* A table on the way down. `open`: the entry above is marked, so that its first entries are shown. */
struct table {
	const struct root *root;
	const uint64_t *t;
	int level;
	uint64_t va;
	bool live, open;
};

/* What somebody may see instead of the entry. */
struct note {
	enum { N_PENDING, N_LATE, N_TLB, N_EARLY } kind;
	int8_t level;
	uint8_t agents;
	bool ending;
	unsigned n;    /* entries of a run, else 1 */
	unsigned more; /* of a table that is gone: pages that continue this one */
	uint64_t va, val;
};

struct cell {
	const uint64_t *p;
	uint64_t v, va;
	unsigned nnote, lost;
	struct note note[MAX_NOTES];
};

/* Entries first..last that say the same of consecutive pages. */
struct group {
	unsigned first, last;
	struct cell c; /* the first */
};

static struct mark {
	unsigned frame;
	int index; /* WHOLE: the table */
	char text[120];
} marks[MAX_MARKS];
static unsigned nmarks;

static struct hw_cached cached[MAX_CACHED];
static unsigned ncached;
static bool drawn[HW_MAX_FRAMES];
static bool draw_all, draw_early;
static struct {
	FILE *f;
	unsigned n, lost;
} out;

/* --- geometry */

static unsigned entries(void)
{
	return 1u << ex.geo->table_bits;
}

static unsigned shift_of(int level)
{
	return ex.geo->page_shift + (unsigned)(3 - level) * ex.geo->table_bits;
}

static unsigned frame_of(const void *p)
{
	return (unsigned)(hw_table_pa(p) >> HW_FRAME_SHIFT);
}

static unsigned index_of(const void *p)
{
	return (unsigned)(hw_table_pa(p) & ((1u << HW_FRAME_SHIFT) - 1)) / 8;
}

static bool in_arena(const void *p)
{
	return p && hw_table_pa(p) < (uint64_t)HW_MAX_FRAMES << HW_FRAME_SHIFT;
}

/* With 52-bit addresses bits [51:50] lie in [9:8] (DDI 0487 D8.3.1). */
static uint64_t address_of(uint64_t v)
{
	const uint64_t high = kmap.on && kmap.env.lpa2 ? (v & 3ull << 48) | (v & 3ull << 8) << 42 : 0;

	return (v & HW_D_OA & ~((1ull << ex.geo->page_shift) - 1)) | high;
}

static bool is_kernel(const struct root *r)
{
	return r->asid == HW_ASID_KERNEL;
}

/* DDI 0487 D8.3.1. */
static bool is_leaf(uint64_t v, int level)
{
	return (v & 3) == (level == 3 ? 3 : 1) && level >= 0 && !hw_is_poison(v);
}

static bool is_table(uint64_t v, int level)
{
	return level < 3 && (v & 3) == 3 && !hw_is_poison(v);
}

/* The table that an entry leads to, or NULL. */
static const uint64_t *table_of(uint64_t v, int level)
{
	const uint64_t *t = hw_table_va(address_of(v));

	return is_table(v, level) && frame_of(t) && in_arena(t) ? t : NULL;
}

/* In memory, or as soon as a pending store of its has got through. */
static const uint64_t *child_of(const struct cell *c, int level)
{
	const uint64_t *t = table_of(c->v, level);

	return t ? t : table_of(hw_peek(c->p), level);
}

/* Present for software, whether hardware may use it or not. */
static bool maps(const struct root *r, uint64_t v, int level)
{
	if (!v || hw_is_poison(v))
		return false;
	if (v & HW_D_VALID)
		return is_leaf(v, level);
	return is_kernel(r) || ex.impl->entry_read(v) & PT_PRESENT;
}

/* --- marks */

void tree_mark(const void *p, bool whole, const char *fmt, ...)
{
	struct mark *m = &marks[nmarks];
	va_list ap;

	if (!in_arena(p) || nmarks == MAX_MARKS)
		return;
	m->frame = frame_of(p);
	m->index = whole ? WHOLE : (int)index_of(p);
	for (unsigned i = 0; i < nmarks; i++)
		if (marks[i].frame == m->frame && marks[i].index == m->index)
			return;
	va_start(ap, fmt);
	vsnprintf(m->text, sizeof(m->text), fmt, ap);
	va_end(ap);
	nmarks++;
}

/* The entry at `level`, or the last on the way to it. */
static const uint64_t *locate(const void *root, uint64_t va, int level)
{
	const uint64_t *t = root, *p;
	struct hw_frame_look f;

	if (!root || !hw_look_frame(frame_of(root), &f))
		return NULL;
	va &= ~(1ull << 55); /* which half, and no index of level -1 */
	for (int l = f.level;; l++) {
		p = t + (va >> shift_of(l) & (entries() - 1));
		t = table_of(hw_peek(p), l);
		if (l >= level || !t)
			return p;
	}
}

void tree_mark_va(const void *root, uint64_t va, const char *text)
{
	tree_mark(locate(root, hw_canon_va(va), 3), false, "%s", text);
}

static const struct mark *mark_at(unsigned frame, int index)
{
	for (unsigned i = 0; i < nmarks; i++)
		if (marks[i].frame == frame && marks[i].index == index)
			return &marks[i];
	return NULL;
}

/* Is something in the table marked, or below it? */
static bool leads_to_mark(const uint64_t *t, int level)
{
	for (unsigned i = 0; i < nmarks; i++)
		if (marks[i].frame == frame_of(t))
			return true;
	for (unsigned i = 0; level < 3 && i < entries(); i++) {
		const struct cell c = {.p = t + i, .v = hw_coherent(t + i)};
		const uint64_t *next = child_of(&c, level);

		if (next && leads_to_mark(next, level + 1))
			return true;
	}
	return false;
}

/* --- what an entry is */

/* Does b say of the next page, run or block what a says? */
static bool value_follows(const struct root *r, uint64_t a, uint64_t b, int level)
{
	if (hw_is_poison(a) || hw_is_poison(b))
		return hw_is_poison(a) && hw_is_poison(b);
	if (maps(r, a, level))
		return b == a + (1ull << shift_of(level));
	return a == b && !table_of(a, level);
}

/* What is left of a table that is gone: does n continue the note? */
static bool continues(const struct table *t, const struct note *a, const struct note *n)
{
	const uint64_t off = (uint64_t)a->more << shift_of(n->level);

	return n->level != t->level && a->kind == n->kind && a->agents == n->agents && a->level == n->level &&
	       a->ending == n->ending && a->n == 1 && n->n == 1 &&
	       n->va == a->va + off + (1ull << shift_of(n->level)) &&
	       value_follows(t->root, maps(t->root, a->val, a->level) ? a->val + off : a->val, n->val, n->level);
}

static void add_note(const struct table *t, struct cell *c, const struct note *n)
{
	if (n->kind == N_EARLY && !draw_early)
		return;
	for (unsigned i = 0; i < c->nnote; i++)
		if (continues(t, &c->note[i], n)) {
			c->note[i].more++;
			return;
		}
	if (c->nnote < MAX_NOTES)
		c->note[c->nnote++] = *n;
	else
		c->lost++;
}

/* A translation below this entry whose table is gone stands beside the entry. */
static bool covers(const struct table *t, const struct cell *c, const struct hw_cached *k)
{
	const uint64_t size = 1ull << shift_of(t->level);

	if (k->asid != t->root->asid || k->level < t->level)
		return false;
	if (k->level > t->level)
		return !table_of(c->v, t->level) && k->va - c->va < size;
	return c->va - k->va < (uint64_t)k->n << shift_of(k->level);
}

static void note_cached(const struct table *t, struct cell *c)
{
	for (unsigned i = 0; i < ncached; i++) {
		const struct hw_cached *k = &cached[i];
		struct note n = {.level = k->level, .n = k->n, .va = k->va, .val = k->val, .ending = k->ending};

		if (!covers(t, c, k))
			continue;
		n.kind = N_TLB;
		n.agents = k->tlb;
		if (n.agents)
			add_note(t, c, &n);
		n.kind = N_EARLY;
		n.agents = k->early & (uint8_t)~k->tlb;
		if (n.agents)
			add_note(t, c, &n);
	}
}

static struct cell look(const struct table *t, unsigned i)
{
	struct cell c = {
		.p = t->t + i, .v = hw_coherent(t->t + i), .va = t->va + ((uint64_t)i << shift_of(t->level))};
	struct note n = {.level = (int8_t)t->level, .n = 1, .va = c.va};
	unsigned agent;

	for (unsigned cpu = 0; cpu < ex.p->h.ncpu; cpu++) {
		n.kind = N_PENDING;
		n.agents = (uint8_t)(1u << cpu);
		if (hw_look_pending(cpu, c.p, &n.val) && n.val != c.v)
			add_note(t, &c, &n);
	}
	if (hw_look_late(c.p, &agent, &n.val)) {
		n.kind = N_LATE;
		n.agents = (uint8_t)(1u << agent);
		add_note(t, &c, &n);
	}
	if (ncached)
		note_cached(t, &c);
	return c;
}

static bool note_follows(const struct root *r, const struct note *a, const struct note *b)
{
	if (a->kind != b->kind || a->agents != b->agents || a->level != b->level || a->ending != b->ending ||
	    a->n != b->n || a->more != b->more)
		return false;
	if (a->va == b->va)
		return a->val == b->val;
	return a->n == 1 && value_follows(r, a->val, b->val, a->level);
}

static bool follows(const struct root *r, const struct cell *a, const struct cell *b, int level)
{
	if (!value_follows(r, a->v, b->v, level) || a->nnote != b->nnote || a->lost || b->lost)
		return false;
	for (unsigned i = 0; i < a->nnote; i++)
		if (!note_follows(r, &a->note[i], &b->note[i]))
			return false;
	return true;
}

/* Also those that no level has. */
static int slot_of(const uint64_t *p)
{
	if (!kmap.on || p < kmap.env.fixmap_ptep || p >= kmap.env.fixmap_ptep + HW_ALIAS_SLOTS)
		return -1;
	return (int)(p - kmap.env.fixmap_ptep);
}

/* Place of the linear map, SPOT_N: none. */
static unsigned spot_of(uint64_t va)
{
	unsigned s = 0;

	while (s < SPOT_N && va - hw_canon_va(lin.spot[s].va) >= lin.spot[s].n << ex.geo->page_shift)
		s++;
	return s;
}

/* A slot of the fixmap stands alone, and so does what is known by a name of its own. */
static bool same_place(const struct root *r, const struct cell *a, const struct cell *b)
{
	if (slot_of(a->p) >= 0)
		return false;
	return !split_on() || !is_kernel(r) || spot_of(a->va) == spot_of(b->va);
}

/* The next group from entry i on that says something. */
static bool next_group(const struct table *t, unsigned i, struct group *g)
{
	const unsigned frame = frame_of(t->t);
	struct cell prev, c;

	for (;; i++) {
		if (i >= entries())
			return false;
		g->c = look(t, i);
		if (g->c.v || g->c.nnote || mark_at(frame, (int)i))
			break;
	}
	g->first = g->last = i;
	prev = g->c;
	while (!mark_at(frame, (int)i) && ++i < entries() && !mark_at(frame, (int)i)) {
		c = look(t, i);
		if (!follows(t->root, &prev, &c, t->level) || !same_place(t->root, &prev, &c))
			break;
		g->last = i;
		prev = c;
	}
	return true;
}

/* --- words */

static void add(char *buf, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add(char *buf, size_t cap, const char *fmt, ...)
{
	const size_t n = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + n, cap - n, fmt, ap);
	va_end(ap);
}

/* Attributes by hardware's meaning (DDI 0487 D8.3.2, D8.4), what is usual for the half left out. */
static void add_attributes(char *buf, size_t cap, const struct root *r, uint64_t v)
{
	const bool kernel = is_kernel(r), idmap = !kernel && !(v & HW_D_USER) && !r->asid;
	const uint64_t sw = ex.impl->entry_read(v);
	const uint64_t own_xn = kernel || idmap ? HW_D_PXN : HW_D_UXN;

	add(buf, cap, " r%c%c", v & HW_D_RDONLY ? '-' : 'w', v & own_xn ? '-' : 'x');
	add(buf, cap, "%s%s", v & HW_D_DBM ? " DBM" : "", v & HW_D_AF ? " AF" : "");
	if (!kernel && !idmap) {
		add(buf, cap, "%s%s", sw & PT_DIRTY ? " dirty" : "", sw & PT_SPECIAL ? " special" : "");
		add(buf, cap, "%s%s", v & HW_D_USER ? "" : " no user", v & HW_D_PXN ? "" : " kernel x");
		add(buf, cap, "%s", v & HW_D_NG || !(v & HW_D_VALID) ? "" : " global");
	} else {
		add(buf, cap, "%s%s", v & HW_D_USER ? " user" : "", v & HW_D_UXN ? "" : " user x");
		add(buf, cap, "%s", v & HW_D_NG && v & HW_D_VALID ? " nG" : "");
	}
	if (v & HW_D_ATTRIDX)
		add(buf, cap, " attr %u", (unsigned)(v & HW_D_ATTRIDX) >> 2);
	add(buf, cap, "%s", v & HW_D_CONT ? " CONT" : "");
}

static void add_size(char *buf, size_t cap, int level)
{
	const unsigned s = shift_of(level);

	if (s >= 30)
		add(buf, cap, "%uG", 1u << (s - 30));
	else if (s >= 20)
		add(buf, cap, "%uM", 1u << (s - 20));
	else
		add(buf, cap, "%uK", 1u << (s - 10));
}

/* n leaves, or what software alone takes for leaves. */
static void add_leaf(char *buf, size_t cap, const struct root *r, uint64_t v, int level, unsigned n)
{
	const uint64_t size = 1ull << (shift_of(level) - ex.geo->page_shift);
	const uint64_t pfn = address_of(v) >> ex.geo->page_shift;

	if (!(v & HW_D_VALID))
		add(buf, cap, "%s", is_kernel(r) ? "not valid, " : "PROT_NONE, ");
	add(buf, cap, "%s", level == 3 ? "page" : "block");
	add(buf, cap, "%s", n > 1 ? "s" : "");
	if (level < 3) {
		add(buf, cap, " ");
		add_size(buf, cap, level);
	}
	add(buf, cap, " pfn %#llx", (unsigned long long)pfn);
	if (pfn & (size - 1)) /* hardware ignores the lowest bits (DDI 0487 D8.3.1) */
		add(buf, cap, " misaligned");
	else if (n * size > 1)
		add(buf, cap, "..%#llx", (unsigned long long)(pfn + n * size - 1));
	add_attributes(buf, cap, r, v);
}

static void add_table(char *buf, size_t cap, uint64_t v, int level)
{
	const uint64_t *t = table_of(v, level);
	struct hw_frame_look f;

	if (!t || !hw_look_frame(frame_of(t), &f)) {
		add(buf, cap, "table at %#llx, where there is none", (unsigned long long)address_of(v));
		return;
	}
	add(buf, cap, "-> table %u (level %d)", frame_of(t), level + 1);
	if (!f.live)
		add(buf, cap, ", freed by %s:%d", f.fn, f.line);
	else if (f.level != level + 1)
		add(buf, cap, ", allocated for level %d", f.level);
}

static void add_value(char *buf, size_t cap, const struct table *t, uint64_t v, int level, unsigned n)
{
	if (!v)
		add(buf, cap, "none");
	else if (hw_is_poison(v))
		add(buf, cap, t->live ? "never written" : "memory of a freed table");
	else if (is_table(v, level))
		add_table(buf, cap, v, level);
	else if (maps(t->root, v, level))
		add_leaf(buf, cap, t->root, v, level, n);
	else if (v & HW_D_VALID)
		add(buf, cap, "reserved %#llx", (unsigned long long)v);
	else
		add(buf, cap, "swap or marker, payload %#llx", (unsigned long long)PT_PFN(ex.impl->entry_read(v)));
}

/* What a slot of the fixmap maps is a table. */
static void add_slot(char *buf, size_t cap, const struct table *t, uint64_t v)
{
	const uint64_t frame = address_of(v) >> HW_FRAME_SHIFT;
	struct hw_frame_look f;

	if (!is_leaf(v, 3) || frame >= HW_MAX_FRAMES || !hw_look_frame((unsigned)frame, &f))
		add_value(buf, cap, t, v, 3, 1);
	else
		add(buf, cap, "maps table %u (level %d%s)", (unsigned)frame, f.level, f.live ? "" : ", freed");
}

static void add_agents(char *buf, size_t cap, unsigned mask)
{
	const char *sep = "cpu";

	for (unsigned c = 0; c < HW_MAX_CPU; c++) {
		if (!(mask >> c & 1))
			continue;
		add(buf, cap, "%s%u", sep, c);
		sep = ",";
	}
	if (mask >> HW_SMMU & 1)
		add(buf, cap, "%sSMMU", mask & ((1u << HW_SMMU) - 1) ? ", " : "");
}

static void note_text(char *buf, size_t cap, const struct table *t, const struct group *g, const struct note *n)
{
	static const char *const of[] = {"pending in ", "promised by hardware of ", "TLB of ", "early walk of "};
	const bool walk = n->kind == N_TLB && is_table(n->val, n->level);
	const unsigned count = n->n > 1 ? n->n : n->level == t->level ? g->last - g->first + 1 : n->more + 1;

	const unsigned i = g->first - (unsigned)((g->c.va - n->va) >> shift_of(t->level));

	*buf = '\0';
	add(buf, cap, "%s", walk ? "walk cache of " : of[n->kind]);
	add_agents(buf, cap, n->agents);
	add(buf, cap, ": ");
	if (n->level != t->level)
		add(buf, cap, "level %d: ", n->level);
	else if (n->n > 1)
		add(buf, cap, "[%u..%u] ", i, i + n->n - 1);
	if (slot_of(g->c.p) >= 0)
		add_slot(buf, cap, t, n->val);
	else
		add_value(buf, cap, t, n->val, n->level, count);
	if (n->ending)
		add(buf, cap, " (TLBI issued, not complete)");
}

/* --- names of places */

/* Page of a window of four blocks that begins at `base`; as programs write it. */
static bool add_window(char *buf, size_t cap, uint64_t base, uint64_t va, unsigned n)
{
	const uint64_t page = (va - hw_canon_va(base)) >> ex.geo->page_shift;
	const unsigned c = ex.cont, last = (unsigned)page + n - 1;

	if (va < hw_canon_va(base) || page >= PROG_BLOCKS * c)
		return false;
	add(buf, cap, " (%u.%u", (unsigned)page / c, (unsigned)page % c);
	if (n > 1)
		add(buf, cap, "..%u.%u", last / c, last % c);
	add(buf, cap, ")");
	return true;
}

/* Words of the op table. */
static void add_spot(char *buf, size_t cap, uint64_t va)
{
	const struct op_field *f = op_descs[OP_split].field;
	const unsigned s = spot_of(va);

	while (f->name && strcmp(f->name, "spot") != 0)
		f++;
	if (f->name && s < SPOT_N)
		add(buf, cap, " (%s)", f->words[s]);
}

static void add_place(char *buf, size_t cap, const struct table *t, const struct group *g)
{
	static const char *const slots[] = {"FIX_PTE", "FIX_PMD", "FIX_PUD", "FIX_P4D", "FIX_PGD"};
	const unsigned n = g->last - g->first + 1;
	const uint64_t va = g->c.va;
	const int slot = slot_of(g->c.p);

	if (slot >= FIX_NSLOTS)
		add(buf, cap, " (no slot)");
	else if (slot >= 0)
		add(buf, cap, " (slot %s)", slots[slot]);
	else if (!is_kernel(t->root) && t->root->asid && t->level == 3)
		add_window(buf, cap, ex.va, va, n);
	else if (is_kernel(t->root) && ex.kernel.on && t->level == 3)
		add_window(buf, cap, ex.kernel.va, va, n);
	else if (is_kernel(t->root) && split_on() && !table_of(g->c.v, t->level))
		add_spot(buf, cap, va);
	if (!mark_at(frame_of(t->t), (int)g->first) || !is_kernel(t->root) || slot >= 0)
		return;
	if (kmap.on)
		add(buf, cap, " (page %#llx)",
		    (unsigned long long)(va - hw_canon_va(kmap.va)) >> ex.geo->page_shift);
	else if (split_on())
		add(buf, cap, " (%#llx)", (unsigned long long)(lin.half | (va & ~(1ull << 55))));
}

/* --- lines */

static void put(const char *prefix, const char *joint, const char *text, const struct mark *m)
{
	if (!draw_all && out.n >= TREE_SHORT - 1) {
		out.lost++;
		return;
	}
	out.n++;
	fprintf(out.f, "      %s%s%s%s%s\n", prefix, joint, text, m ? "   <-- " : "", m ? m->text : "");
}

/* Is the group near something marked in this table: in its contiguous run, or beside it? */
static bool near_mark(const struct table *t, const struct group *g)
{
	const unsigned run = 1u << (t->level == 3 ? ex.geo->cont_bits : t->level == 2 ? ex.geo->cont2_bits : 0);

	for (unsigned i = 0; i < nmarks; i++) {
		const int at = marks[i].index & ~(int)(run - 1);

		if (marks[i].frame == frame_of(t->t) && marks[i].index != WHOLE && (int)g->last >= at - 1 &&
		    (int)g->first <= at + (int)run)
			return true;
	}
	return false;
}

static bool is_shown(const struct table *t, const struct group *g, unsigned before)
{
	const uint64_t *next = child_of(&g->c, t->level);

	if (draw_all || near_mark(t, g) || (t->open && before < OPENED))
		return true;
	return next && leads_to_mark(next, t->level + 1);
}

static void draw_table(const struct table *t, const char *prefix);

/* The table that the entry leads to, if it is drawn. */
static bool child_table(const struct table *t, const struct group *g, struct table *child)
{
	const uint64_t *next = child_of(&g->c, t->level);
	struct hw_frame_look f;

	if (!next || !hw_look_frame(frame_of(next), &f))
		return false;
	*child = (struct table){.root = t->root, .t = next, .level = t->level + 1, .va = g->c.va, .live = f.live};
	child->open = mark_at(frame_of(t->t), (int)g->first) || mark_at(frame_of(next), WHOLE);
	return draw_all || child->open || leads_to_mark(next, child->level);
}

/* Of a run, beside the entry before. */
static bool is_said(const struct group *prev, const struct note *n)
{
	for (unsigned i = 0; n->n > 1 && i < prev->c.nnote; i++)
		if (prev->c.note[i].va == n->va && prev->c.note[i].val == n->val &&
		    prev->c.note[i].kind == n->kind && prev->c.note[i].agents == n->agents)
			return true;
	return false;
}

static void draw_group(const struct table *t, const struct group *g, const struct group *prev, const char *prefix,
		       bool last)
{
	const uint64_t *next = child_of(&g->c, t->level);
	const struct mark *m = mark_at(frame_of(t->t), (int)g->first);
	char text[400] = "", below[32];
	struct table child;
	const bool deeper = child_table(t, g, &child);

	if (!m && next)
		m = mark_at(frame_of(next), WHOLE);
	if (g->first == g->last)
		add(text, sizeof(text), "[%u]", g->first);
	else
		add(text, sizeof(text), "[%u..%u]", g->first, g->last);
	add_place(text, sizeof(text), t, g);
	add(text, sizeof(text), " ");
	if (slot_of(g->c.p) >= 0)
		add_slot(text, sizeof(text), t, g->c.v);
	else
		add_value(text, sizeof(text), t, g->c.v, t->level, g->last - g->first + 1);
	put(prefix, last ? "`- " : "|- ", text, m);
	snprintf(below, sizeof(below), "%s%s", prefix, last ? "   " : "|  ");
	for (unsigned i = 0; i < g->c.nnote; i++) {
		if (is_said(prev, &g->c.note[i]))
			continue;
		note_text(text, sizeof(text), t, g, &g->c.note[i]);
		put(below, deeper ? "|   " : "    ", text, NULL);
	}
	snprintf(text, sizeof(text), "... and %u more of that kind", g->c.lost);
	if (g->c.lost)
		put(below, deeper ? "|   " : "    ", text, NULL);
	if (deeper)
		draw_table(&child, below);
}

/* Marked places that run out of the table. */
static unsigned draw_beyond(const struct table *t, const char *prefix, bool last)
{
	unsigned n = 0;
	char text[60];

	for (unsigned i = 0; i < nmarks; i++) {
		if (marks[i].frame != frame_of(t->t) || marks[i].index < (int)entries())
			continue;
		snprintf(text, sizeof(text), "[%d] beyond the table's %u entries", marks[i].index, entries());
		put(prefix, last ? "`- " : "|- ", text, &marks[i]);
		n++;
	}
	return n;
}

/* Twice through the entries: the first time finds the last one that is shown. */
static void draw_table(const struct table *t, const char *prefix)
{
	unsigned shown = 0, others = 0, end = 0;
	struct group g, prev = {.first = 0};
	bool beyond = false;
	char text[40];

	for (unsigned i = 0; i < nmarks; i++)
		beyond |= marks[i].frame == frame_of(t->t) && marks[i].index >= (int)entries();
	drawn[frame_of(t->t)] = true;
	for (unsigned i = 0; next_group(t, i, &g); i = g.last + 1) {
		if (is_shown(t, &g, shown)) {
			shown++;
			end = g.first;
		} else {
			others++;
		}
	}
	shown = 0;
	for (unsigned i = 0; next_group(t, i, &g); i = g.last + 1)
		if (is_shown(t, &g, shown)) {
			shown++;
			draw_group(t, &g, &prev, prefix, g.first == end && !others && !beyond);
			prev = g;
		}
	snprintf(text, sizeof(text), "%s%u other%s", others ? "... " : "", others, others == 1 ? "" : "s");
	shown += draw_beyond(t, prefix, !others);
	if (others)
		put(prefix, "`- ", text, NULL);
	else if (!shown)
		put(prefix, "`- ", "empty", NULL);
}

/* --- whole drawings */

void tree_reset(void)
{
	nmarks = 0;
}

/* Which agents walk user tables from there. */
static void add_loaded(char *buf, size_t cap, const uint64_t *root)
{
	unsigned mask = 0, asid;
	void *t;

	for (unsigned a = 0; a < HW_MAX_AGENT; a++) {
		hw_get_context(a, &t, &asid);
		if (t == root && (a < HW_SMMU ? a < hw.cfg.ncpu : hw.cfg.smmu))
			mask |= 1u << a;
	}
	add(buf, cap, "%s", mask ? ", in use by " : "");
	add_agents(buf, cap, mask);
}

static void draw_root(const struct root *r)
{
	const struct mark *m;
	struct hw_frame_look f;
	struct table t = {.root = r, .t = r->t, .va = r->va};
	char text[160];

	if (!r->t || !hw_look_frame(frame_of(r->t), &f) || drawn[frame_of(r->t)])
		return;
	if (!draw_all && !leads_to_mark(r->t, f.level))
		return;
	t.level = f.level;
	t.live = f.live;
	m = mark_at(frame_of(r->t), WHOLE);
	t.open = m != NULL;
	snprintf(text, sizeof(text), "%s: table %u (level %d)", r->name, frame_of(r->t), f.level);
	if (!f.live)
		add(text, sizeof(text), ", freed by %s:%d", f.fn, f.line);
	add_loaded(text, sizeof(text), r->t);
	put("", "", text, m);
	if (f.live || draw_all)
		draw_table(&t, "");
}

/* Tables that no root leads to: live ones are lost or not linked yet, freed ones are drawn when marked. */
static void draw_unlinked(bool lost)
{
	static const struct root user = {.name = "not linked", .asid = EX_ASID}, kernel = {.asid = HW_ASID_KERNEL};
	struct root r;
	struct hw_frame_look f;

	for (int level = -1; level < 4; level++)
		for (unsigned i = 1; i < HW_MAX_FRAMES; i++) {
			const uint64_t *t = hw_table_va((uint64_t)i << HW_FRAME_SHIFT);

			if (drawn[i] || !hw_look_frame(i, &f) || f.level != level)
				continue;
			if (!(lost && f.live) && !leads_to_mark(t, level))
				continue;
			r = kmap.on || split_on() ? kernel : user;
			r.name = user.name;
			r.t = t;
			draw_root(&r);
		}
}

static void draw_roots(void)
{
	static const char *const names[EX_SPACES] = {"user tables", "the child's tables"};
	struct hw_frame_look f;

	for (unsigned i = 0; i < EX_SPACES; i++)
		if (ex.space[i].alive || ex.space[i].dying)
			draw_root(&(struct root){names[i], ex.space[i].pt.root, ex.space[i].pt.asid, 0});
	draw_root(&(struct root){"kernel tables", hw_kernel_table(), HW_ASID_KERNEL, hw_canon_va(1ull << 55)});
	if (split_on())
		draw_root(&(struct root){"identity map", lin.env.idmap, lin.env.idmap_asid, 0});
	for (unsigned c = 0; c < HW_MAX_CPU; c++)
		if (ex.dead_root[c] && hw_look_frame(frame_of(ex.dead_root[c]), &f))
			draw_root(&(struct root){"a dead address space's tables", ex.dead_root[c], f.asid, 0});
}

static void draw(FILE *f, bool all, bool lost, bool early)
{
	draw_all = all;
	draw_early = all || early;
	out.f = f;
	out.n = out.lost = ncached = 0;
	memset(drawn, 0, sizeof(drawn));
	for (unsigned at = 0; ncached < MAX_CACHED && hw_look_cached(&at, &cached[ncached]);)
		ncached++;
	draw_roots();
	draw_unlinked(all || lost);
	if (out.lost)
		fprintf(f, "      ... %u more line%s; --tables draws everything\n", out.lost,
			out.lost == 1 ? "" : "s");
}

void tree_draw(FILE *f, bool all)
{
	draw(f, all, false, true);
}

/* --- what a finding is about */

static struct {
	bool found, done;
	uint64_t step;
	struct space *sp;
	unsigned cpu;
	const void *refused;
	struct hw_trace culprit, marked, load; /* kind HW_T_CTXSYNC: none */
	struct hw_access access;
	bool accessed;
} at;

void tree_begin(void)
{
	memset(&at, 0, sizeof(at));
	at.culprit.kind = at.marked.kind = at.load.kind = HW_T_CTXSYNC;
}

static bool changes_table(const struct hw_trace *t)
{
	switch (t->kind) {
	case HW_T_STORE:
	case HW_T_XCHG:
	case HW_T_CMPXCHG:
	case HW_T_CLEAR:
	case HW_T_ALLOC:
	case HW_T_FREE:
	case HW_T_DRAIN:
	case HW_T_SPURIOUS_AF:
		return in_arena(t->p);
	default:
		return false;
	}
}

/* The machine reports before it traces: the first event after a finding is what made it. */
void tree_event(const struct hw_trace *t)
{
	if (t->kind == HW_T_ACCESS && (!at.found || at.culprit.kind == HW_T_CTXSYNC)) {
		at.access = *t->access;
		at.accessed = true;
	}
	if (t->kind == HW_T_LOAD && !at.found && in_arena(t->p))
		at.load = *t;
	if (t->step == ex.mark && !at.found && changes_table(t))
		at.marked = *t;
	if (at.found && at.culprit.kind == HW_T_CTXSYNC && t->step == at.step &&
	    (changes_table(t) || t->kind == HW_T_ACCESS))
		at.culprit = *t;
}

void tree_finding(void)
{
	at.found = true;
	at.step = hw.step;
	at.sp = ex.sp;
	at.cpu = hw.cpu;
	at.refused = hw_refused();
	/* The machine reports in the middle of a step; what is found by comparing is found between two. */
	if (!strncmp(ex.out->sig, "access/", 7) || !strncmp(ex.out->sig, "state/", 6))
		replay_tables();
}

static void mark_access(const struct hw_access *a)
{
	char text[100] = "", who[16] = "";
	const void *root;
	unsigned asid;
	void *user;

	hw_get_context(a->agent, &user, &asid);
	root = a->va >> 55 & 1 ? hw_kernel_table() : user;
	add_agents(who, sizeof(who), 1u << a->agent);
	add(text, sizeof(text), "%s %s: ", who, a->write ? "writes" : a->fetch ? "fetches" : "reads");
	if (a->fault != HW_OK)
		add(text, sizeof(text), "%s", hw_fault_str(a->fault));
	else
		add(text, sizeof(text), "reaches pfn %#llx", (unsigned long long)(a->pa >> ex.geo->page_shift));
	if (a->stale)
		add(text, sizeof(text), " by %s",
		    a->fault == HW_FAULT_TRANSLATION ? "an earlier walk" : "what it has cached");
	tree_mark_va(root, a->va, text);
}

/* Where a cached table descriptor that leads to the frame was. */
static void mark_cached_links(unsigned frame)
{
	struct hw_frame_look f;
	struct hw_cached c;

	for (unsigned i = 0; hw_look_cached(&i, &c);) {
		const uint64_t *t = table_of(c.val, c.level);
		const void *root = c.asid == HW_ASID_KERNEL ? hw_kernel_table() : at.sp->pt.root;

		if (t && frame_of(t) == frame && hw_look_frame(frame_of(root), &f) && f.asid == c.asid)
			tree_mark(locate(root, c.va, c.level), false, "led to table %u", frame);
	}
}

static void mark_event(const struct hw_trace *t)
{
	static const char *const words[] = {
		[HW_T_DRAIN] = "visible now, stored by cpu",
		[HW_T_SPURIOUS_AF] = "AF set by hardware of cpu",
		[HW_T_CLEAR] = "cleared by cpu",
		[HW_T_ALLOC] = "allocated by cpu",
		[HW_T_FREE] = "freed by cpu",
		[HW_T_CTXSYNC] = NULL,
	};
	const bool whole = t->kind == HW_T_CLEAR || t->kind == HW_T_ALLOC || t->kind == HW_T_FREE;

	if (t->kind == HW_T_ACCESS) {
		mark_access(&at.access);
		return;
	}
	tree_mark(t->p, whole, "%s%u, step %llu, %s:%d", words[t->kind] ? words[t->kind] : "stored by cpu", t->cpu,
		  (unsigned long long)t->step, t->fn ? t->fn : "hardware", t->line);
	if (t->kind == HW_T_FREE)
		mark_cached_links(frame_of(t->p));
}

static bool is_class(const struct outcome *o, const char *cls)
{
	return !strncmp(o->sig, cls, strlen(cls));
}

/* What the machine refused, or what was read and followed to no table, has no event. */
static void mark_refused(const struct outcome *o)
{
	if (is_class(o, "fixmap/") && !ex.about)
		tree_mark(at.refused, false, "cpu%u goes through it", at.cpu);
	if (strstr(o->sig, "/store-outside") || strstr(o->sig, "/freed-store"))
		tree_mark(at.refused, false, "cpu%u stores there", at.cpu);
	if ((strstr(o->sig, "/freed-read") || strstr(o->sig, "/not-a-table")) && at.load.kind == HW_T_LOAD)
		tree_mark(at.load.p, false, "cpu%u has read it before, and follows it", at.cpu);
}

static void mark_finding(const struct outcome *o)
{
	mark_refused(o);
	if (at.culprit.kind != HW_T_CTXSYNC && !is_class(o, "fixmap/"))
		mark_event(&at.culprit);
	else if (is_class(o, "access/") && at.accessed)
		mark_access(&at.access);
	if (ex.about)
		tree_mark_va(ex.about >> 55 & 1 ? hw_kernel_table() : at.sp->pt.root, ex.about, "the finding");
	if (at.marked.kind != HW_T_CTXSYNC && at.marked.step != at.step)
		mark_event(&at.marked);
	if (o->page >= 0)
		tree_mark_va(at.sp->pt.root, ex_addr((unsigned)o->page), "the finding");
}

/* What is not in the tables: numbers, return values, who waits. */
static bool is_about_tables(const char *sig)
{
	static const char *const cls[] = {"bbm/", "lifetime/", "fixmap/", "access/", "state/"};

	for (unsigned i = 0; i < sizeof(cls) / sizeof(cls[0]); i++)
		if (!strncmp(sig, cls[i], strlen(cls[i])))
			return true;
	return strstr(sig, "writable-and-executable") || !strncmp(sig, "value/walk/", 11) ||
	       strstr(sig, "cont-lost") || strstr(sig, "text-split");
}

void tree_of_finding(FILE *f, bool all)
{
	const char *sig = ex.out->sig;
	const bool lost = strstr(sig, "leak") != NULL;

	if (at.done || (!all && !is_about_tables(sig)))
		return;
	at.done = true;
	tree_reset();
	if (at.found)
		mark_finding(ex.out);
	if (!all && !nmarks && !lost)
		return;
	fprintf(f, "    %s:\n", all ? "all tables" : at.found ? "tables at this step" : "tables");
	draw(f, all, lost, !strncmp(sig, "access/", 7) || strstr(sig, "unpublished"));
}
