/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whole kernel maps: between the three units that are compiled once for each number of levels (map.c, attr.c, walk.c), and
 * towards entry.c, which chooses one of them.
 *
 * Property: plain integers and the seam's types only.
 */
#ifndef LX_MAP_H
#define LX_MAP_H

#include <stdbool.h>
#include <stdint.h>

struct pt_mmu;
struct pt_split;
struct pt_split_env;
struct pt_walk;

/* Of one number of levels. */
struct lx_map {
	const struct pt_mmu *mmu;
	const struct pt_split *split;
};

/* levels.c */
extern const struct pt_mmu lx_mmu;
extern const struct pt_split lx_split;

void lx_attr_reset(const struct pt_split_env *env);
int lx_set_memory(unsigned what, uint64_t addr, unsigned numpages);
void lx_walk_reset(const struct pt_split_env *env);
int lx_walk_page_range(struct pt_walk *walk, uint64_t start, uint64_t end);

#endif
