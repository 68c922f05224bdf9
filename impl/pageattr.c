// SPDX-License-Identifier: GPL-2.0-only
/*
 * Permission changes of kernel mappings, as arch/arm64/mm/pageattr.c does them.
 *
 * Property: only the bits of the two masks change, in leaves that lie in the range as a whole; on success, and unless the
 * name says noflush, nobody uses the old permissions on return. An area that may hold larger leaves is refused.
 */
#include <stddef.h>

#include "../hw/hook_mmu.h"
#include "opt_lazy.h"
#include "opt_tlb.h"
#include "pagewalk.h"
#include "split.h"

struct page_change_data {
	uint64_t set_mask, clear_mask;
};

static int change_leaf(uint64_t *p, unsigned level, uint64_t addr, uint64_t next, struct pt_walk *walk)
{
	const struct page_change_data *cdata = walk->priv;
	uint64_t v = hw_load(p, HW_RELAXED, __func__, __LINE__);

	if (!entry_leaf(v, level))
		return 0;
	if (next - addr != 1ull << level_shift(level)) {
		if (BUG(split_failure_ignored)) {
			walk->action = PT_ACTION_CONTINUE;
			return 0;
		}
		return -PT_EINVAL;
	}
	v = (v & ~cdata->clear_mask) | cdata->set_mask;
	hw_store(p, v, HW_RELAXED, __func__, __LINE__);
	if (pte_valid(v))
		queue_pte_barriers();
	walk->action = PT_ACTION_CONTINUE;
	return 0;
}

static int pageattr_pud_entry(uint64_t *p, uint64_t addr, uint64_t next, struct pt_walk *walk)
{
	return change_leaf(p, 1, addr, next, walk);
}

static int pageattr_pmd_entry(uint64_t *p, uint64_t addr, uint64_t next, struct pt_walk *walk)
{
	return change_leaf(p, 2, addr, next, walk);
}

static int pageattr_pte_entry(uint64_t *p, uint64_t addr, uint64_t next, struct pt_walk *walk)
{
	return change_leaf(p, 3, addr, next, walk);
}

static const struct pt_walk_ops pageattr_ops = {
	.entry = {[1] = pageattr_pud_entry, [2] = pageattr_pmd_entry, [3] = pageattr_pte_entry},
};

static int update_range_prot(uint64_t start, uint64_t size, uint64_t set_mask, uint64_t clear_mask)
{
	struct page_change_data data = {set_mask, clear_mask};
	struct pt_walk walk = {.ops = &pageattr_ops, .priv = &data};
	int ret = split_kernel_leaf_mapping(start, start + size);

	if (ret && !BUG(split_failure_ignored))
		return ret;
	arch_enter_lazy_mmu_mode();
	ret = walk_page_range(&walk, start, start + size);
	arch_leave_lazy_mmu_mode();
	return ret;
}

/* What becomes valid, and changes in nothing else, was in no TLB. The masks are exactly those of set_memory_valid(). */
static int __change_memory_common(uint64_t start, uint64_t size, uint64_t set_mask, uint64_t clear_mask)
{
	const int ret = update_range_prot(start, size, set_mask, clear_mask);

	for (uint64_t a = start; BUG(setmem_flush_per_page) && !ret && size <= CONT_PTE_SIZE && a < start + size;
	     a += PAGE_SIZE)
		flush_tlb_kernel_range(a, a + PAGE_SIZE);
	if (!ret && (set_mask != PTE_VALID || clear_mask != PTE_PRESENT_INVALID) && !BUG(setmem_no_flush) &&
	    !(set_mask == PTE_PXN && BUG(setmem_nx_no_flush)))
		flush_tlb_kernel_range(start, start + size);
	return ret;
}

static const struct pt_vm_area *find_vm_area(uint64_t addr)
{
	for (unsigned i = 0; i < PT_VM_AREAS; i++)
		if (addr >= split_env.area[i].start && addr < split_env.area[i].end)
			return &split_env.area[i];
	return NULL;
}

/* One area that is mapped by pages alone, and holds all of it (fcf8dda8cc48); NULL: there is none. */
static const struct pt_vm_area *area_of(uint64_t addr, uint64_t size)
{
	const struct pt_vm_area *area = find_vm_area(addr);

	if (!area || size > area->end - addr || (area->huge && !BUG(setmem_accepts_huge)))
		return NULL;
	return area;
}

/* Page by page: the linear alias of an area's pages may be anywhere. */
static int change_alias(const struct pt_vm_area *area, uint64_t addr, unsigned numpages, uint64_t set_mask,
			uint64_t clear_mask)
{
	const uint64_t alias = split_env.page_offset + area->phys + (addr - area->start);

	for (unsigned i = 0; i < numpages; i++) {
		const int ret = __change_memory_common(alias + i * PAGE_SIZE, PAGE_SIZE, set_mask, clear_mask);

		if (ret)
			return ret;
	}
	return 0;
}

/* With rodata_full the linear alias follows when pages become read-only, or writable again. */
static int change_memory_common(uint64_t addr, unsigned numpages, uint64_t set_mask, uint64_t clear_mask)
{
	const uint64_t size = (uint64_t)numpages << PAGE_SHIFT;
	const struct pt_vm_area *area = area_of(addr, size);
	int ret;

	if (!area)
		return -PT_EINVAL;
	if (!numpages)
		return 0;
	if (split_env.rodata_full && (set_mask == PTE_RDONLY || clear_mask == PTE_RDONLY) &&
	    !BUG(setmem_forgets_alias)) {
		ret = change_alias(area, addr, numpages, set_mask, clear_mask);
		if (ret)
			return ret;
	}
	return __change_memory_common(addr, size, set_mask, clear_mask);
}

static int set_memory_ro(uint64_t addr, unsigned numpages)
{
	return change_memory_common(addr, numpages, PTE_RDONLY, PTE_WRITE);
}

static int set_memory_rw(uint64_t addr, unsigned numpages)
{
	return change_memory_common(addr, numpages, PTE_WRITE, PTE_RDONLY);
}

static int set_memory_nx(uint64_t addr, unsigned numpages)
{
	return change_memory_common(addr, numpages, PTE_PXN, 0);
}

static int set_memory_x(uint64_t addr, unsigned numpages)
{
	return change_memory_common(addr, numpages, 0, PTE_PXN);
}

/* A mistake: the area itself first, its alias when it can be executed already. */
static int rox_alias_last(uint64_t addr, unsigned numpages)
{
	const uint64_t size = (uint64_t)numpages << PAGE_SHIFT;
	const struct pt_vm_area *area = area_of(addr, size);
	int ret = area ? __change_memory_common(addr, size, PTE_RDONLY, PTE_WRITE) : -PT_EINVAL;

	if (!ret)
		ret = set_memory_x(addr, numpages);
	return ret ? ret : change_alias(area, addr, numpages, PTE_RDONLY, PTE_WRITE);
}

/* Never writable and executable: what did not become read-only, at all its addresses, must not become executable. */
static int set_memory_rox(uint64_t addr, unsigned numpages)
{
	int ret;

	if (BUG(setmem_rox_alias_last))
		return rox_alias_last(addr, numpages);
	if (BUG(setmem_rox_x_first)) {
		ret = set_memory_x(addr, numpages);
		return ret ? ret : set_memory_ro(addr, numpages);
	}
	ret = set_memory_ro(addr, numpages);
	if (ret && !BUG(setmem_rox_ignores_error))
		return ret;
	return set_memory_x(addr, numpages);
}

/* Linear map only. The two bits alias: NG of a valid entry is PRESENT_INVALID of another. */
static int set_memory_valid(uint64_t addr, unsigned numpages, bool enable)
{
	const uint64_t size = (uint64_t)numpages << PAGE_SHIFT;

	if (enable)
		return __change_memory_common(addr, size, PTE_VALID, PTE_PRESENT_INVALID);
	return __change_memory_common(addr, size, PTE_PRESENT_INVALID, PTE_VALID);
}

int set_memory(unsigned what, uint64_t addr, unsigned numpages)
{
	switch (what) {
	case PT_SET_RO:
		return set_memory_ro(addr, numpages);
	case PT_SET_RW:
		return set_memory_rw(addr, numpages);
	case PT_SET_X:
		return set_memory_x(addr, numpages);
	case PT_SET_NX:
		return set_memory_nx(addr, numpages);
	case PT_SET_ROX:
		return set_memory_rox(addr, numpages);
	case PT_SET_VALID:
		return set_memory_valid(addr, numpages, true);
	case PT_SET_INVALID:
		return set_memory_valid(addr, numpages, false);
	case PT_DIRECT_INVALID:
		return update_range_prot(addr, (uint64_t)numpages << PAGE_SHIFT, PTE_PRESENT_INVALID, PTE_VALID);
	case PT_DIRECT_DEFAULT:
		return update_range_prot(addr, (uint64_t)numpages << PAGE_SHIFT, PTE_VALID | PTE_WRITE,
					 PTE_PRESENT_INVALID | PTE_RDONLY);
	default:
		return -PT_EINVAL;
	}
}

static void split_reset(const struct pt_split_env *env)
{
	split_env = *env;
}

const struct pt_split split_opt = {
	.reset = split_reset,
	.walk_page_range = walk_page_range,
	.split_kernel_leaf_mapping = split_kernel_leaf_mapping,
	.range_split_to_ptes = range_split_to_ptes,
	.set_memory = set_memory,
	.repaint_prepare = repaint_prepare,
	.linear_map_split_to_ptes = linear_map_split_to_ptes,
};
