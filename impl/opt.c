// SPDX-License-Identifier: GPL-2.0-only
/*
 * `opt`: the built-in implementation under test.
 *
 * Property: behind each entry of the seam stands the arm64 kernel function of that name (6.12, and
 * the ptep_get_and_clear_full() proposed for it): the contiguous bit is used wherever one folio allows it, and no caller can
 * tell by anything but speed.
 */
#include <stddef.h>

#include "../hw/hook.h"
#include "opt_contpte.h"
#include "opt_pte.h"
#include "opt_tlb.h"

struct opt_env opt_env;

static int opt_init(const struct hw_hooks *hooks)
{
	(void)hooks; /* linked in: calls the hook functions */
	return 0;
}

static void opt_reset(const struct pt_env *env)
{
	opt_env = (struct opt_env){
		.page_shift = env->page_shift,
		.table_bits = env->table_bits,
		.cont_bits = env->cont_bits,
		.asid = env->asid,
		.folios = env->folios,
		.nfolios = env->nfolios,
	};
}

static uint64_t opt_entry_read(uint64_t raw)
{
	return entry_read(raw);
}

static uint64_t opt_entry_make(uint64_t val)
{
	return entry_make(val);
}

/* User entries need no barrier: a walker that comes too early faults, and the fault handler retries. */
static void set_ptes(uint64_t addr, uint64_t *ptep, uint64_t val, unsigned nr)
{
	uint64_t pte = entry_make(val);

	if (nr == 1) {
		contpte_try_unfold(addr, ptep, __ptep_get(ptep));
		__set_ptes(ptep, pte, 1);
		contpte_try_fold(addr, ptep, pte);
	} else {
		contpte_set_ptes(addr, ptep, pte, nr);
	}
}

static uint64_t ptep_get(uint64_t addr, uint64_t *ptep)
{
	uint64_t pte = __ptep_get(ptep);

	(void)addr;
	return entry_read(pte_valid_cont(pte) ? contpte_ptep_get(ptep, pte) : pte);
}

static uint64_t ptep_get_lockless(uint64_t addr, uint64_t *ptep)
{
	uint64_t pte = __ptep_get(ptep);

	(void)addr;
	return entry_read(pte_valid_cont(pte) ? contpte_ptep_get_lockless(ptep) : pte);
}

static uint64_t ptep_get_and_clear_full(uint64_t addr, uint64_t *ptep, int full)
{
	uint64_t orig_pte = __ptep_get(ptep);

	if (pte_valid_cont(orig_pte) && full)
		return entry_read(contpte_ptep_get_and_clear_full(ptep));
	contpte_try_unfold(addr, ptep, orig_pte);
	return entry_read(__ptep_get_and_clear(ptep));
}

static uint64_t ptep_get_and_clear(uint64_t addr, uint64_t *ptep)
{
	return ptep_get_and_clear_full(addr, ptep, 0);
}

static uint64_t get_and_clear_full_ptes(uint64_t addr, uint64_t *ptep, unsigned nr, int full)
{
	(void)full; /* a batch loses nothing by the one unfold at either end */
	if (nr == 1)
		return ptep_get_and_clear(addr, ptep);
	return entry_read(contpte_get_and_clear_full_ptes(addr, ptep, nr));
}

static void clear_full_ptes(uint64_t addr, uint64_t *ptep, unsigned nr, int full)
{
	(void)full;
	if (nr == 1)
		ptep_get_and_clear(addr, ptep);
	else
		contpte_clear_full_ptes(addr, ptep, nr);
}

static void wrprotect_ptes(uint64_t addr, uint64_t *ptep, unsigned nr)
{
	if (nr == 1) {
		/* Present by contract, and unfolding changes one bit of it: fork need not read it twice. */
		uint64_t orig_pte = __ptep_get(ptep);

		if (pte_cont(orig_pte) && !BUG(wrprotect_no_unfold)) {
			__contpte_try_unfold(addr, ptep, orig_pte);
			orig_pte = pte_mknoncont(orig_pte);
		}
		___ptep_set_wrprotect(ptep, orig_pte);
	} else {
		contpte_wrprotect_ptes(addr, ptep, nr);
	}
}

static int ptep_set_access_flags(uint64_t addr, uint64_t *ptep, uint64_t entry, int dirty)
{
	entry = entry_make(entry);
	if (pte_valid_cont(__ptep_get(ptep)))
		return contpte_ptep_set_access_flags(addr, ptep, entry, dirty);
	return __ptep_set_access_flags(addr, ptep, entry, dirty);
}

static int ptep_test_and_clear_young(uint64_t addr, uint64_t *ptep)
{
	(void)addr;
	if (pte_valid_cont(__ptep_get(ptep)))
		return contpte_ptep_test_and_clear_young(ptep);
	return __ptep_test_and_clear_young(ptep);
}

static int ptep_clear_flush_young(uint64_t addr, uint64_t *ptep)
{
	if (pte_valid_cont(__ptep_get(ptep)))
		return contpte_ptep_clear_flush_young(addr, ptep);
	return __ptep_clear_flush_young(addr, ptep);
}

static void clear_young_dirty_ptes(uint64_t addr, uint64_t *ptep, unsigned nr, unsigned cydp)
{
	if (nr == 1 && !pte_valid_cont(__ptep_get(ptep)))
		__clear_young_dirty_ptes(ptep, nr, cydp);
	else
		contpte_clear_young_dirty_ptes(addr, ptep, nr, cydp);
}

static uint64_t ptep_clear_flush(uint64_t addr, uint64_t *ptep)
{
	uint64_t val = ptep_get_and_clear(addr, ptep);
	/* Whether it may be cached says the valid bit alone: an old entry may have been young when it was. */
	bool accessible = BUG(accessible_tests_young) ? val & PT_YOUNG : val & PT_PRESENT;

	if (accessible)
		flush_tlb_page(addr);
	return val;
}

static void flush_tlb_range(uint64_t start, uint64_t end, bool last_level)
{
	__flush_tlb_range(start, end, PAGE_SIZE, last_level, last_level ? 3 : TLBI_TTL_UNKNOWN);
}

/* As for user entries, nothing publishes the link: whoever walks too early faults and retries. (Linux adds DSB
 * and ISB in set_pmd(), which kernel tables need.) */
static void pmd_populate(uint64_t *pmdp, const void *table)
{
	hw_store(pmdp, hw_table_pa(table) | PMD_TYPE_TABLE, HW_RELAXED, __func__, __LINE__);
}

/* A walker that sees the new table must see it empty: the zeroes are ordered before the link. */
static int pte_alloc(uint64_t addr, uint64_t *pmdp)
{
	void *table;

	(void)addr;
	if (BUG(table_alloc_sleeps))
		hw_might_sleep(__func__, __LINE__);
	table = hw_table_alloc(3, __func__, __LINE__);
	if (!table)
		return -1;
	if (BUG(table_linked_uncleared))
		pmd_populate(pmdp, table);
	hw_clear_page(table, __func__, __LINE__);
	if (!BUG(table_clear_unordered))
		hw_barrier(HW_DMB, HW_ISH, HW_BAR_ST, __func__, __LINE__);
	if (!BUG(table_linked_uncleared))
		pmd_populate(pmdp, table);
	return 0;
}

/*
 * Unlink, then invalidate what was cached of the link, then free. The invalidation must not be leaf-only and
 * carries no level: it is for the table entry, not for pages. One a table does: it covers the whole span.
 */
static void pte_free_tlb(uint64_t addr, uint64_t *pmdp)
{
	uint64_t pmd = hw_load(pmdp, HW_RELAXED, __func__, __LINE__);
	uint64_t start = addr & ~(PMD_SIZE - 1);
	void *table = hw_table_va(pmd & PTE_ADDR);

	hw_store(pmdp, 0, HW_RELAXED, __func__, __LINE__);
	if (BUG(table_freed_early))
		hw_table_free(table, __func__, __LINE__);
	__flush_tlb_range(start, start + PMD_SIZE, PMD_SIZE, BUG(table_leaf_only_free), TLBI_TTL_UNKNOWN);
	if (!BUG(table_freed_early))
		hw_table_free(table, __func__, __LINE__);
}

const struct pt_impl impl_opt = {
	.name = "opt",
	.what = "built-in: contiguous user mappings as in Linux 6.12, teardown with an A/D stash",
	.geometries = 0xf, /* small, 4K, 16K, 64K */
	.profile = {.relax_flush_local = false, .fold_no_tlbi = false, .young_batched = false},
	.init = opt_init,
	.reset = opt_reset,
	.entry_read = opt_entry_read,
	.entry_make = opt_entry_make,
	.set_ptes = set_ptes,
	.ptep_get = ptep_get,
	.ptep_get_lockless = ptep_get_lockless,
	.ptep_get_and_clear = ptep_get_and_clear,
	.ptep_get_and_clear_full = ptep_get_and_clear_full,
	.get_and_clear_full_ptes = get_and_clear_full_ptes,
	.clear_full_ptes = clear_full_ptes,
	.wrprotect_ptes = wrprotect_ptes,
	.ptep_set_access_flags = ptep_set_access_flags,
	.ptep_test_and_clear_young = ptep_test_and_clear_young,
	.ptep_clear_flush_young = ptep_clear_flush_young,
	.clear_young_dirty_ptes = clear_young_dirty_ptes,
	.ptep_clear_flush = ptep_clear_flush,
	.flush_tlb_range = flush_tlb_range,
	.flush_tlb_fix_spurious_fault = NULL, /* relaxing flushes are broadcast */
	.pte_alloc = pte_alloc,
	.pte_free_tlb = pte_free_tlb,
};
