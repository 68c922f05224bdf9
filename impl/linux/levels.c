// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole kernel maps of a loaded kernel: for each execution, the code that was compiled for its number of levels.
 *
 * Property: no kernel header is seen here; what the tree's text lacks (lx_have.h) is NULL.
 */
#include <stddef.h>

#include "hw/hook.h"
#include "impl/seam_mmu.h"
#include "impl/seam_split.h"
#include "lx_have.h"
#include "map.h"

extern const struct hw_hooks *lx_hooks;

#define LX_MAP(levels) extern const struct lx_map lx_map_##levels;
#include "lx_maps.h"
#undef LX_MAP

static const struct lx_map *const maps[] = {
#define LX_MAP(levels) [levels] = &lx_map_##levels,
#include "lx_maps.h"
#undef LX_MAP
};
static const struct lx_map *map;

static void map_choose(unsigned levels)
{
	map = levels < sizeof(maps) / sizeof(*maps) ? maps[levels] : NULL;
	if (!map)
		lx_hooks->bug("no map of so many levels", __func__, __LINE__);
}

static void mmu_reset(const struct pt_mmu_env *env)
{
	map_choose(env->levels);
	map->mmu->reset(env);
}

static int mmu_create_pgd_mapping(uint64_t *pgdir, uint64_t phys, uint64_t virt, uint64_t size, uint64_t val,
				  unsigned alloc, unsigned flags)
{
	return map->mmu->create_pgd_mapping(pgdir, phys, virt, size, val, alloc, flags);
}

static void split_reset(const struct pt_split_env *env)
{
	map_choose(env->levels);
	map->split->reset(env);
}

static int split_walk_page_range(struct pt_walk *walk, uint64_t start, uint64_t end)
{
	return map->split->walk_page_range(walk, start, end);
}

#if LX_HAVE_SPLIT
static int split_kernel_leaf_mapping(uint64_t start, uint64_t end)
{
	return map->split->split_kernel_leaf_mapping(start, end);
}

static int split_range_split_to_ptes(uint64_t start, uint64_t end, bool atomic)
{
	return map->split->range_split_to_ptes(start, end, atomic);
}

static int split_set_memory(unsigned what, uint64_t addr, unsigned numpages)
{
	return map->split->set_memory(what, addr, numpages);
}

static void split_repaint_prepare(void)
{
	map->split->repaint_prepare();
}

static int split_linear_map_split_to_ptes(unsigned cpu)
{
	return map->split->linear_map_split_to_ptes(cpu);
}
#endif

const struct pt_mmu lx_mmu = {
	.design = "the tree's own",
	.cost = {.maps = {1, 1, 1}, .maps_new = {0, LX_HAVE_REMAP, 0}, .clears_new = 1},
	.dies = PT_DIES_REFUSING | (LX_HAVE_CREATE_INT ? 0 : PT_DIES_NOMEM),
	.reset = mmu_reset,
	.create_pgd_mapping = mmu_create_pgd_mapping,
};

/* Callbacks of the top level of four, and of pages, are not asked what comes next. */
const struct pt_split lx_split = {
	.repaint_dies = PT_DIES_NOMEM,
	.walk_mute = 1u << 0 | 1u << 3,
	.walk_no_post = true,
	.reset = split_reset,
	.walk_page_range = split_walk_page_range,
#if LX_HAVE_SPLIT
	.split_kernel_leaf_mapping = split_kernel_leaf_mapping,
	.range_split_to_ptes = split_range_split_to_ptes,
	.set_memory = split_set_memory,
	.repaint_prepare = split_repaint_prepare,
	.linear_map_split_to_ptes = split_linear_map_split_to_ptes,
#endif
};
