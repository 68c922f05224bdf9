/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables drawn as a tree: user address spaces, the kernel's half with its fixmap slots, the identity map.
 *
 * Property: each entry is drawn with its value in coherent memory; what an agent may see instead stands below it (stores
 * that others may not see yet, translations that are replaced and not invalidated). Entries that continue each other are
 * one line. Drawing is no step and changes nothing.
 */
#include <stdarg.h>

#include "tree_priv.h"

enum { MAX_MARKS = 8, MAX_CACHED = 512, WHOLE = -1, OPENED = 4 };

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

/* In memory, or as soon as a pending store of its has got through. */
static const uint64_t *child_of(const struct cell *c, int level)
{
	const uint64_t *t = table_of(c->v, level);

	return t ? t : table_of(hw_peek(c->p), level);
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
const uint64_t *tree_locate(const void *root, uint64_t va, int level)
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
	tree_mark(tree_locate(root, hw_canon_va(va), 3), false, "%s", text);
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
		tree_add(text, sizeof(text), "[%u]", g->first);
	else
		tree_add(text, sizeof(text), "[%u..%u]", g->first, g->last);
	tree_add_place(text, sizeof(text), t, g, mark_at(frame_of(t->t), (int)g->first) != NULL);
	tree_add(text, sizeof(text), " ");
	if (slot_of(g->c.p) >= 0)
		tree_add_slot(text, sizeof(text), t, g->c.v);
	else
		tree_add_value(text, sizeof(text), t, g->c.v, t->level, g->last - g->first + 1);
	put(prefix, last ? "`- " : "|- ", text, m);
	snprintf(below, sizeof(below), "%s%s", prefix, last ? "   " : "|  ");
	for (unsigned i = 0; i < g->c.nnote; i++) {
		if (is_said(prev, &g->c.note[i]))
			continue;
		tree_add_note(text, sizeof(text), t, g, &g->c.note[i]);
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

bool tree_is_marked(void)
{
	return nmarks != 0;
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
	tree_add(buf, cap, "%s", mask ? ", in use by " : "");
	tree_add_agents(buf, cap, mask);
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
		tree_add(text, sizeof(text), ", freed by %s:%d", f.fn, f.line);
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

void tree_draw_around(FILE *f, bool all, bool lost, bool early)
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
	tree_draw_around(f, all, false, true);
}
