/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words of the drawing: descriptors by their fields, agents, names of places.
 *
 * Property: a descriptor is decoded as hardware takes it; what only software takes it for is said to be so.
 */
#include <stdarg.h>

#include "tree_priv.h"

/* --- words */

void tree_add(char *buf, size_t cap, const char *fmt, ...)
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

	tree_add(buf, cap, " r%c%c", v & HW_D_RDONLY ? '-' : 'w', v & own_xn ? '-' : 'x');
	tree_add(buf, cap, "%s%s", v & HW_D_DBM ? " DBM" : "", v & HW_D_AF ? " AF" : "");
	if (!kernel && !idmap) {
		tree_add(buf, cap, "%s%s", sw & PT_DIRTY ? " dirty" : "", sw & PT_SPECIAL ? " special" : "");
		tree_add(buf, cap, "%s%s", v & HW_D_USER ? "" : " no user", v & HW_D_PXN ? "" : " kernel x");
		tree_add(buf, cap, "%s", v & HW_D_NG || !(v & HW_D_VALID) ? "" : " global");
	} else {
		tree_add(buf, cap, "%s%s", v & HW_D_USER ? " user" : "", v & HW_D_UXN ? "" : " user x");
		tree_add(buf, cap, "%s", v & HW_D_NG && v & HW_D_VALID ? " nG" : "");
	}
	if (v & HW_D_ATTRIDX)
		tree_add(buf, cap, " attr %u", (unsigned)(v & HW_D_ATTRIDX) >> 2);
	tree_add(buf, cap, "%s", v & HW_D_CONT ? " CONT" : "");
}

static void add_size(char *buf, size_t cap, int level)
{
	const unsigned s = shift_of(level);

	if (s >= 30)
		tree_add(buf, cap, "%uG", 1u << (s - 30));
	else if (s >= 20)
		tree_add(buf, cap, "%uM", 1u << (s - 20));
	else
		tree_add(buf, cap, "%uK", 1u << (s - 10));
}

/* n leaves, or what software alone takes for leaves. */
static void add_leaf(char *buf, size_t cap, const struct root *r, uint64_t v, int level, unsigned n)
{
	const uint64_t size = 1ull << (shift_of(level) - ex.geo->page_shift);
	const uint64_t pfn = address_of(v) >> ex.geo->page_shift;

	if (!(v & HW_D_VALID))
		tree_add(buf, cap, "%s", is_kernel(r) ? "not valid, " : "PROT_NONE, ");
	tree_add(buf, cap, "%s", level == 3 ? "page" : "block");
	tree_add(buf, cap, "%s", n > 1 ? "s" : "");
	if (level < 3) {
		tree_add(buf, cap, " ");
		add_size(buf, cap, level);
	}
	tree_add(buf, cap, " pfn %#llx", (unsigned long long)pfn);
	if (pfn & (size - 1)) /* hardware ignores the lowest bits (DDI 0487 D8.3.1) */
		tree_add(buf, cap, " misaligned");
	else if (n * size > 1)
		tree_add(buf, cap, "..%#llx", (unsigned long long)(pfn + n * size - 1));
	add_attributes(buf, cap, r, v);
}

static void add_table(char *buf, size_t cap, uint64_t v, int level)
{
	const uint64_t *t = table_of(v, level);
	struct hw_frame_look f;

	if (!t || !hw_look_frame(frame_of(t), &f)) {
		tree_add(buf, cap, "table at %#llx, where there is none", (unsigned long long)address_of(v));
		return;
	}
	tree_add(buf, cap, "-> table %u (level %d)", frame_of(t), level + 1);
	if (!f.live)
		tree_add(buf, cap, ", freed by %s:%d", f.fn, f.line);
	else if (f.level != level + 1)
		tree_add(buf, cap, ", allocated for level %d", f.level);
}

void tree_add_value(char *buf, size_t cap, const struct table *t, uint64_t v, int level, unsigned n)
{
	if (!v)
		tree_add(buf, cap, "none");
	else if (hw_is_poison(v))
		tree_add(buf, cap, t->live ? "never written" : "memory of a freed table");
	else if (is_table(v, level))
		add_table(buf, cap, v, level);
	else if (maps(t->root, v, level))
		add_leaf(buf, cap, t->root, v, level, n);
	else if (v & HW_D_VALID)
		tree_add(buf, cap, "reserved %#llx", (unsigned long long)v);
	else
		tree_add(buf, cap, "swap or marker, payload %#llx",
			 (unsigned long long)PT_PFN(ex.impl->entry_read(v)));
}

/* What a slot of the fixmap maps is a table. */
void tree_add_slot(char *buf, size_t cap, const struct table *t, uint64_t v)
{
	const uint64_t frame = address_of(v) >> HW_FRAME_SHIFT;
	struct hw_frame_look f;

	if (!is_leaf(v, 3) || frame >= HW_MAX_FRAMES || !hw_look_frame((unsigned)frame, &f))
		tree_add_value(buf, cap, t, v, 3, 1);
	else
		tree_add(buf, cap, "maps table %u (level %d%s)", (unsigned)frame, f.level, f.live ? "" : ", freed");
}

void tree_add_agents(char *buf, size_t cap, unsigned mask)
{
	const char *sep = "cpu";

	for (unsigned c = 0; c < HW_MAX_CPU; c++) {
		if (!(mask >> c & 1))
			continue;
		tree_add(buf, cap, "%s%u", sep, c);
		sep = ",";
	}
	if (mask >> HW_SMMU & 1)
		tree_add(buf, cap, "%sSMMU", mask & ((1u << HW_SMMU) - 1) ? ", " : "");
}

void tree_add_note(char *buf, size_t cap, const struct table *t, const struct group *g, const struct note *n)
{
	static const char *const of[] = {"pending in ", "promised by hardware of ", "TLB of ", "early walk of "};
	const bool walk = n->kind == N_TLB && is_table(n->val, n->level);
	const unsigned count = n->n > 1 ? n->n : n->level == t->level ? g->last - g->first + 1 : n->more + 1;

	const unsigned i = g->first - (unsigned)((g->c.va - n->va) >> shift_of(t->level));

	*buf = '\0';
	tree_add(buf, cap, "%s", walk ? "walk cache of " : of[n->kind]);
	tree_add_agents(buf, cap, n->agents);
	tree_add(buf, cap, ": ");
	if (n->level != t->level)
		tree_add(buf, cap, "level %d: ", n->level);
	else if (n->n > 1)
		tree_add(buf, cap, "[%u..%u] ", i, i + n->n - 1);
	if (slot_of(g->c.p) >= 0)
		tree_add_slot(buf, cap, t, n->val);
	else
		tree_add_value(buf, cap, t, n->val, n->level, count);
	if (n->ending)
		tree_add(buf, cap, " (TLBI issued, not complete)");
}

/* --- names of places */

/* Page of a window of four blocks that begins at `base`; as programs write it. */
static bool add_window(char *buf, size_t cap, uint64_t base, uint64_t va, unsigned n)
{
	const uint64_t page = (va - hw_canon_va(base)) >> ex.geo->page_shift;
	const unsigned c = ex.cont, last = (unsigned)page + n - 1;

	if (va < hw_canon_va(base) || page >= PROG_BLOCKS * c)
		return false;
	tree_add(buf, cap, " (%u.%u", (unsigned)page / c, (unsigned)page % c);
	if (n > 1)
		tree_add(buf, cap, "..%u.%u", last / c, last % c);
	tree_add(buf, cap, ")");
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
		tree_add(buf, cap, " (%s)", f->words[s]);
}

void tree_add_place(char *buf, size_t cap, const struct table *t, const struct group *g, bool marked)
{
	static const char *const slots[] = {"FIX_PTE", "FIX_PMD", "FIX_PUD", "FIX_P4D", "FIX_PGD"};
	const unsigned n = g->last - g->first + 1;
	const uint64_t va = g->c.va;
	const int slot = slot_of(g->c.p);

	if (slot >= FIX_NSLOTS)
		tree_add(buf, cap, " (no slot)");
	else if (slot >= 0)
		tree_add(buf, cap, " (slot %s)", slots[slot]);
	else if (!is_kernel(t->root) && t->root->asid && t->level == 3)
		add_window(buf, cap, ex.va, va, n);
	else if (is_kernel(t->root) && ex.kernel.on && t->level == 3)
		add_window(buf, cap, ex.kernel.va, va, n);
	else if (is_kernel(t->root) && split_on() && !table_of(g->c.v, t->level))
		add_spot(buf, cap, va);
	if (!marked || !is_kernel(t->root) || slot >= 0)
		return;
	if (kmap.on)
		tree_add(buf, cap, " (page %#llx)",
			 (unsigned long long)(va - hw_canon_va(kmap.va)) >> ex.geo->page_shift);
	else if (split_on())
		tree_add(buf, cap, " (%#llx)", (unsigned long long)(lin.half | (va & ~(1ull << 55))));
}
