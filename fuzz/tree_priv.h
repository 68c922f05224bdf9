/* SPDX-License-Identifier: GPL-2.0-only */
/* What the three parts of the drawing share: tables (tree.c), their words (tree_text.c), the finding (tree_find.c). */
#ifndef FUZZ_TREE_PRIV_H
#define FUZZ_TREE_PRIV_H

#include "tree.h"

#include <string.h>

#include "callers/kernel.h"
#include "callers/kmap.h"
#include "callers/split.h"
#include "exec_internal.h"
#include "hw/tables.h"

enum { MAX_NOTES = 6 };

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

/* --- geometry */

static inline unsigned entries(void)
{
	return 1u << ex.geo->table_bits;
}

static inline unsigned shift_of(int level)
{
	return ex.geo->page_shift + (unsigned)(3 - level) * ex.geo->table_bits;
}

static inline unsigned frame_of(const void *p)
{
	return (unsigned)(hw_table_pa(p) >> HW_FRAME_SHIFT);
}

static inline unsigned index_of(const void *p)
{
	return (unsigned)(hw_table_pa(p) & ((1u << HW_FRAME_SHIFT) - 1)) / 8;
}

static inline bool in_arena(const void *p)
{
	return p && hw_table_pa(p) < (uint64_t)HW_MAX_FRAMES << HW_FRAME_SHIFT;
}

/* With 52-bit addresses bits [51:50] lie in [9:8] (DDI 0487 D8.3.1). */
static inline uint64_t address_of(uint64_t v)
{
	const uint64_t high = kmap.on && kmap.env.lpa2 ? (v & 3ull << 48) | (v & 3ull << 8) << 42 : 0;

	return (v & HW_D_OA & ~((1ull << ex.geo->page_shift) - 1)) | high;
}

static inline bool is_kernel(const struct root *r)
{
	return r->asid == HW_ASID_KERNEL;
}

/* DDI 0487 D8.3.1. */
static inline bool is_leaf(uint64_t v, int level)
{
	return (v & 3) == (level == 3 ? 3 : 1) && level >= 0 && !hw_is_poison(v);
}

static inline bool is_table(uint64_t v, int level)
{
	return level < 3 && (v & 3) == 3 && !hw_is_poison(v);
}

/* The table that an entry leads to, or NULL. */
static inline const uint64_t *table_of(uint64_t v, int level)
{
	const uint64_t *t = hw_table_va(address_of(v));

	return is_table(v, level) && frame_of(t) && in_arena(t) ? t : NULL;
}

/* Present for software, whether hardware may use it or not. */
static inline bool maps(const struct root *r, uint64_t v, int level)
{
	if (!v || hw_is_poison(v))
		return false;
	if (v & HW_D_VALID)
		return is_leaf(v, level);
	return is_kernel(r) || ex.impl->entry_read(v) & PT_PRESENT;
}
/* Also those that no level has. */
static inline int slot_of(const uint64_t *p)
{
	if (!kmap.on || p < kmap.env.fixmap_ptep || p >= kmap.env.fixmap_ptep + HW_ALIAS_SLOTS)
		return -1;
	return (int)(p - kmap.env.fixmap_ptep);
}

/* Place of the linear map, SPOT_N: none. */
static inline unsigned spot_of(uint64_t va)
{
	unsigned s = 0;

	while (s < SPOT_N && va - hw_canon_va(lin.spot[s].va) >= lin.spot[s].n << ex.geo->page_shift)
		s++;
	return s;
}

/* --- words. They are put behind what `buf`, of `cap` bytes, holds. */
void tree_add(char *buf, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void tree_add_agents(char *buf, size_t cap, unsigned mask);
/* n entries of the table that continue each other, the first of value v. */
void tree_add_value(char *buf, size_t cap, const struct table *t, uint64_t v, int level, unsigned n);
/* What a slot of the fixmap maps. */
void tree_add_slot(char *buf, size_t cap, const struct table *t, uint64_t v);
/* The name that programs have for the place, with its address where it is `marked`. */
void tree_add_place(char *buf, size_t cap, const struct table *t, const struct group *g, bool marked);
/* Begins anew in `buf`. */
void tree_add_note(char *buf, size_t cap, const struct table *t, const struct group *g, const struct note *n);

/* The entry at `level` that translates va, or the last on the way to it. */
const uint64_t *tree_locate(const void *root, uint64_t va, int level);
bool tree_is_marked(void);
/* Around what is marked, or all; also live tables that are lost, also walks made early. */
void tree_draw_around(FILE *f, bool all, bool lost, bool early);

#endif
