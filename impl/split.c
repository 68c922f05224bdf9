// SPDX-License-Identifier: GPL-2.0-only
/*
 * Splitting leaves of the live kernel map, as arch/arm64/mm/mmu.c does it.
 *
 * Property: what an address translates to never changes, for no CPU and at no moment: a table is filled, and its entries
 * are visible to walkers, before it takes the place of the leaf (DDI 0487 B2.3.11); only the size of leaves and the
 * contiguous bit change, which every CPU that has the map loaded must tolerate (FEAT_BBM level 2 without conflict
 * aborts, DDI 0487 D8.16.2). A leaf that is present but not valid stays so.
 */
#include "../hw/hook_mmu.h"
#include "opt_lazy.h"
#include "opt_tlb.h"
#include "pagewalk.h"
#include "split.h"

struct pt_split_env split_env;

#define PMD_TABLE_BITS (PMD_TYPE_TABLE | PTE_AF | PTE_UXN)

static void set_entry(uint64_t *p, uint64_t v)
{
	hw_store(p, v, HW_RELAXED, __func__, __LINE__);
	if (pte_valid(v))
		queue_pte_barriers();
}

static uint64_t *alloc_table(unsigned level, bool atomic)
{
	if (!atomic)
		hw_might_sleep(__func__, __LINE__);
	return hw_table_alloc(level, __func__, __LINE__); /* not cleared: every entry is about to be written */
}

/* The protection of leaves one level below `leaf`, which is of `level`. */
static uint64_t child_prot(uint64_t leaf, unsigned level, bool to_cont)
{
	uint64_t prot = leaf & ~(PTE_ADDR | PTE_TYPE_PAGE | PTE_CONT);

	if (BUG(split_wrong_permission))
		prot &= ~PTE_PXN;
	if (level == 2)
		prot |= PTE_TYPE_PAGE & ~PTE_VALID;
	if (pte_valid(leaf) || BUG(split_invalid_to_valid))
		prot |= PTE_VALID;
	if (BUG(split_invalid_to_valid))
		prot &= ~PTE_PRESENT_INVALID;
	return to_cont && !BUG(split_loses_cont) ? prot | PTE_CONT : prot;
}

static void fill_table(uint64_t *table, uint64_t leaf, unsigned level, bool to_cont)
{
	const uint64_t prot = child_prot(leaf, level, to_cont),
		       base = leaf & PTE_ADDR & ~((1ull << level_shift(level)) - 1);
	const uint64_t step = 1ull << (BUG(split_wrong_oa) ? PAGE_SHIFT : level_shift(level + 1));

	for (unsigned i = 0; i < 1u << split_env.table_bits; i++) {
		hw_store(table + i, (base + i * step) | prot, HW_RELAXED, __func__, __LINE__);
		if (BUG(split_barrier_per_entry))
			hw_barrier(HW_DSB, HW_ISH, HW_BAR_ST, __func__, __LINE__);
	}
}

/* split_pud(), split_pmd(): a table of smaller leaves takes the place of a leaf. */
static int split_leaf(uint64_t *p, uint64_t leaf, unsigned level, bool atomic, bool to_cont)
{
	uint64_t *table = alloc_table(level + 1, atomic);

	if (!table)
		return -PT_ENOMEM;
	if (BUG(split_link_before_fill))
		set_entry(p, hw_table_pa(table) | PMD_TABLE_BITS);
	fill_table(table, leaf, level, to_cont);
	if (!BUG(split_fill_unordered))
		hw_barrier(HW_DSB, HW_ISH, HW_BAR_ST, __func__, __LINE__);
	if (!BUG(split_link_before_fill))
		set_entry(p, hw_table_pa(table) | PMD_TABLE_BITS);
	return 0;
}

/* split_contpmd(), split_contpte(): the same leaves, without the contiguous bit. */
static void split_run(uint64_t *p, unsigned level)
{
	const unsigned n = 1u << (cont_shift(level) - level_shift(level));

	p = (uint64_t *)((uintptr_t)p & ~(uintptr_t)(n * sizeof(*p) - 1));
	for (unsigned i = 0; i < n; i++)
		set_entry(p + i, hw_load(p + i, HW_RELAXED, __func__, __LINE__) & ~PTE_CONT);
}

static bool aligned(uint64_t addr, unsigned shift)
{
	return !(addr & ((1ull << shift) - 1));
}

/* Below level 2 there is a table. */
static void split_ptes_at(uint64_t *table, uint64_t addr)
{
	uint64_t *p = entry_of(table, addr, 3), pte;

	if (aligned(addr, cont_shift(3)))
		return;
	pte = hw_load(p, HW_RELAXED, __func__, __LINE__);
	if (pte_present(pte) && (pte & PTE_CONT))
		split_run(p, 3);
}

/* From the top down, as far as needed for `addr` to become an edge. */
static int split_kernel_leaf_mapping_locked(uint64_t addr)
{
	uint64_t *table = split_env.pgdir;
	bool made = false;

	for (unsigned level = 4 - split_env.levels; level < 3; level++) {
		uint64_t *p = entry_of(table, addr, level), v;

		if (BUG(split_alloc_before_look))
			alloc_table(level + 1, false);
		if (aligned(addr, level == 2 ? cont_shift(2) : level_shift(level)) && !BUG(split_at_edge))
			return 0;
		v = hw_load(p, HW_RELAXED, __func__, __LINE__);
		if (!pte_present(v))
			return 0;
		if (entry_leaf(v, level)) {
			if (v & PTE_CONT)
				split_run(p, level);
			if (aligned(addr, level_shift(level)) && !BUG(split_at_edge))
				return 0;
			if (split_leaf(p, v & ~PTE_CONT, level, false, true)) {
				if (BUG(split_failure_frees_linked) && made)
					hw_table_free(table, __func__, __LINE__);
				return -PT_ENOMEM;
			}
			made = true;
			v = hw_load(p, HW_RELAXED, __func__, __LINE__);
		}
		table = table_below(v);
	}
	split_ptes_at(table, addr);
	return 0;
}

static void mutex_lock(uint64_t *m)
{
	hw_might_sleep(__func__, __LINE__);
	while (hw_cmpxchg(m, 0, 1, HW_ACQUIRE, __func__, __LINE__))
		hw_cpu_relax(__func__, __LINE__);
}

static void mutex_unlock(uint64_t *m)
{
	hw_store(m, 0, HW_RELEASE, __func__, __LINE__);
}

/* Whoever may use a leaf while its size changes must tolerate that, not only who changes it. */
static bool all_cpus_split(void)
{
	if (BUG(split_gate_this_cpu))
		return hw_feature(HW_FEAT_BBML2_NOABORT_CPU);
	return hw_feature(BUG(split_gate_aborts) ? HW_FEAT_BBML2 : HW_FEAT_BBML2_NOABORT);
}

/*
 * Where all is mapped by pages nothing is to be done, and this may be called in atomic context: then the mutex must not
 * be taken (ce2b3a50ad92).
 */
static bool is_pte_mapped(uint64_t start)
{
	if (BUG(split_sleeps_in_atomic))
		return false;
	if (!all_cpus_split() || split_env.force_pte)
		return true;
	return start >= split_env.kfence.start && start < split_env.kfence.end;
}

/* One page out of a leaf needs one split: at the less aligned of its ends. The other is an edge then, since both are in
 * one contiguous block of pages. */
int split_kernel_leaf_mapping(uint64_t start, uint64_t end)
{
	int ret;

	if (is_pte_mapped(start))
		return 0;
	mutex_lock(split_env.mutex);
	arch_enter_lazy_mmu_mode();
	if (end - start == PAGE_SIZE) {
		const bool first = (__builtin_ctzll(start) < __builtin_ctzll(end)) != BUG(split_wrong_side);

		ret = split_kernel_leaf_mapping_locked(first ? start : end);
	} else {
		ret = split_kernel_leaf_mapping_locked(start);
		if (!ret)
			ret = split_kernel_leaf_mapping_locked(end);
	}
	arch_leave_lazy_mmu_mode();
	if (BUG(split_needless_flush))
		flush_tlb_kernel_range(start, end);
	mutex_unlock(split_env.mutex);
	return ret;
}

/* --- whole ranges */

static int range_split_leaf(uint64_t *p, unsigned level, struct pt_walk *walk)
{
	const bool *atomic = walk->priv;
	const uint64_t v = hw_load(p, HW_RELAXED, __func__, __LINE__);

	if (!entry_leaf(v, level))
		return 0;
	if (v & PTE_CONT)
		split_run(p, level);
	return split_leaf(p, v & ~PTE_CONT, level, *atomic, false);
}

static int split_to_ptes_pud_entry(uint64_t *p, uint64_t addr, uint64_t next, struct pt_walk *walk)
{
	(void)addr, (void)next;
	return range_split_leaf(p, 1, walk);
}

/* What has just become a table of pages needs no second look. */
static int split_to_ptes_pmd_entry(uint64_t *p, uint64_t addr, uint64_t next, struct pt_walk *walk)
{
	const bool leaf = entry_leaf(hw_load(p, HW_RELAXED, __func__, __LINE__), 2);

	(void)addr, (void)next;
	if (leaf)
		walk->action = PT_ACTION_CONTINUE;
	return leaf ? range_split_leaf(p, 2, walk) : 0;
}

static int split_to_ptes_pte_entry(uint64_t *p, uint64_t addr, uint64_t next, struct pt_walk *walk)
{
	const uint64_t pte = hw_load(p, HW_RELAXED, __func__, __LINE__);

	(void)addr, (void)next, (void)walk;
	if (pte_present(pte) && (pte & PTE_CONT) && !BUG(split_range_keeps_runs))
		split_run(p, 3);
	return 0;
}

static const struct pt_walk_ops split_to_ptes_ops = {
	.entry = {[1] = split_to_ptes_pud_entry, [2] = split_to_ptes_pmd_entry, [3] = split_to_ptes_pte_entry},
};

int range_split_to_ptes(uint64_t start, uint64_t end, bool atomic)
{
	struct pt_walk walk = {.ops = &split_to_ptes_ops, .priv = &atomic};
	int ret;

	arch_enter_lazy_mmu_mode();
	ret = walk_page_range(&walk, start, end);
	arch_leave_lazy_mmu_mode();
	return ret;
}
