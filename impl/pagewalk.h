/* SPDX-License-Identifier: GPL-2.0-only */
/* A walk over a range of the kernel's tables with callbacks by level, as mm/pagewalk.c has it. See seam_split.h. */
#ifndef IMPL_PAGEWALK_H
#define IMPL_PAGEWALK_H

#include "opt_pte.h"
#include "seam_split.h"

extern struct pt_split_env split_env;

#define VA_MASK ((1ull << 48) - 1) /* VA_BITS: the top table of a geometry may have fewer entries that count */

/* log2 of the bytes that an entry of a level translates, and that a contiguous run of it does. */
static inline unsigned level_shift(unsigned level)
{
	return split_env.page_shift + (3 - level) * split_env.table_bits;
}

static inline unsigned cont_shift(unsigned level)
{
	return level_shift(level) + (level == 3 ? split_env.cont_pte_bits : split_env.cont_pmd_bits);
}

static inline bool entry_table(uint64_t v, unsigned level)
{
	return level < 3 && (v & 3) == 3;
}

/* Maps memory for software: a valid leaf, or one that is present without being valid. The type says nothing when bit 0 is
 * clear. */
static inline bool entry_leaf(uint64_t v, unsigned level)
{
	return pte_present(v) && !entry_table(v, level);
}

static inline uint64_t *entry_of(uint64_t *table, uint64_t addr, unsigned level)
{
	return table + ((addr & VA_MASK) >> level_shift(level) & ((1u << split_env.table_bits) - 1));
}

uint64_t *table_below(uint64_t v);
int walk_page_range(struct pt_walk *walk, uint64_t start, uint64_t end);

#endif
