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
#include "opt_kernel.h"
#include "opt_lazy.h"
#include "opt_pte.h"
#include "opt_tlb.h"
#include "seam_mmu.h"
#include "split.h"

struct opt_env opt_env;

static int opt_init(const struct hw_hooks *hooks)
{
	(void)hooks; /* linked in: calls the hook functions */
	return 0;
}

static void reset(const struct pt_env *env, enum pt_lazy lazy, enum lazy_queue queue)
{
	lazy_select(lazy, queue);
	opt_env = (struct opt_env){
		.page_shift = env->page_shift,
		.table_bits = env->table_bits,
		.cont_bits = env->cont_bits,
		.folios = env->folios,
		.nfolios = env->nfolios,
	};
}

static void opt_reset(const struct pt_env *env)
{
	reset(env, PT_LAZY_COUNTER, LAZY_QUEUE_V3);
}

static void opt_v1_reset(const struct pt_env *env)
{
	reset(env, PT_LAZY_FLAG, LAZY_QUEUE_V1);
}

static void opt_v2_reset(const struct pt_env *env)
{
	reset(env, PT_LAZY_FLAG, LAZY_QUEUE_V2);
}

static void opt_v3_reset(const struct pt_env *env)
{
	reset(env, PT_LAZY_FLAG, LAZY_QUEUE_V3);
}

static void opt_none_reset(const struct pt_env *env)
{
	reset(env, PT_LAZY_NONE, LAZY_QUEUE_V3);
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
static void set_raw_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t pte, unsigned nr)
{
	if (BUG(protnone_as_valid) && pte_present_invalid(pte))
		pte |= PTE_VALID;
	if (!mm_is_user(mm)) {
		__set_ptes(ptep, pte, nr);
	} else if (nr == 1) {
		contpte_try_unfold(mm, addr, ptep, __ptep_get(ptep));
		__set_ptes(ptep, pte, 1);
		contpte_try_fold(mm, addr, ptep, pte);
	} else {
		contpte_set_ptes(mm, addr, ptep, pte, nr);
	}
}

static void set_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t val, unsigned nr)
{
	set_raw_ptes(mm, addr, ptep, entry_make(val), nr);
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

/* What a removal reports. */
static uint64_t removed(uint64_t pte)
{
	if (BUG(protnone_as_none) && pte_present_invalid(pte))
		return 0;
	return entry_read(pte);
}

static uint64_t ptep_get_and_clear_full(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, int full)
{
	uint64_t orig_pte = __ptep_get(ptep);

	if (pte_valid_cont(orig_pte) && full)
		return entry_read(contpte_ptep_get_and_clear_full(ptep));
	contpte_try_unfold(mm, addr, ptep, orig_pte);
	return removed(__ptep_get_and_clear(ptep));
}

static uint64_t ptep_get_and_clear(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	return ptep_get_and_clear_full(mm, addr, ptep, 0);
}

static uint64_t get_and_clear_full_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr,
					int full)
{
	(void)full; /* a batch loses nothing by the one unfold at either end */
	if (nr == 1)
		return ptep_get_and_clear(mm, addr, ptep);
	if (BUG(quadratic_batch))
		for (unsigned i = 0; i < nr; i++)
			ptep_get(addr + i * PAGE_SIZE, ptep + i);
	return removed(contpte_get_and_clear_full_ptes(mm, addr, ptep, nr));
}

static void clear_full_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr, int full)
{
	(void)full;
	if (nr == 1)
		ptep_get_and_clear(mm, addr, ptep);
	else
		contpte_clear_full_ptes(mm, addr, ptep, nr);
}

static void wrprotect_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	if (nr == 1) {
		/* Present by contract, and unfolding changes one bit of it: fork need not read it twice. */
		uint64_t orig_pte = __ptep_get(ptep);

		if (pte_cont(orig_pte) && !BUG(wrprotect_no_unfold)) {
			__contpte_try_unfold(mm, addr, ptep, orig_pte);
			orig_pte = pte_mknoncont(orig_pte);
		}
		___ptep_set_wrprotect(ptep, orig_pte);
	} else {
		contpte_wrprotect_ptes(mm, addr, ptep, nr);
	}
}

static int ptep_set_access_flags(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t entry, int dirty)
{
	entry = entry_make(entry);
	if (pte_valid_cont(__ptep_get(ptep)))
		return contpte_ptep_set_access_flags(mm, addr, ptep, entry, dirty);
	return __ptep_set_access_flags(mm, addr, ptep, entry, dirty);
}

static int test_and_clear_young_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	(void)mm;
	if (nr == 1 && !pte_cont(__ptep_get(ptep)))
		return __ptep_test_and_clear_young(ptep);
	return contpte_test_and_clear_young_ptes(addr, ptep, nr);
}

static int clear_flush_young_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	if (nr == 1 && !pte_cont(__ptep_get(ptep)))
		return __ptep_clear_flush_young(mm, addr, ptep);
	return contpte_clear_flush_young_ptes(mm, addr, ptep, nr);
}

static int ptep_test_and_clear_young(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	return test_and_clear_young_ptes(mm, addr, ptep, 1);
}

static int ptep_clear_flush_young(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	return clear_flush_young_ptes(mm, addr, ptep, 1);
}

static void clear_young_dirty_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr,
				   unsigned cydp)
{
	(void)mm;
	if (nr == 1 && !pte_cont(__ptep_get(ptep)))
		__clear_young_dirty_ptes(ptep, nr, cydp);
	else
		contpte_clear_young_dirty_ptes(addr, ptep, nr, cydp);
}

/* Present rather than valid: a page may have become PROT_NONE under a flush that is still to come. */
static uint64_t ptep_clear_flush(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	uint64_t val = ptep_get_and_clear(mm, addr, ptep);
	/* Whether it may be cached says presence alone: an old entry may have been young when it was. */
	bool accessible = BUG(accessible_tests_young) ? val & PT_YOUNG : val & PT_PRESENT;

	if (accessible)
		flush_tlb_page(mm, addr);
	return val;
}

/* Single entries that fill whole runs of [addr, end): where they begin and end. Alignment of the page alone may still
 * forbid that they fold. */
static void find_unfolded(uint64_t addr, uint64_t end, uint64_t *ptep, uint64_t *lo, uint64_t *hi)
{
	*lo = *hi = 0;
	for (uint64_t a = (addr + CONT_PTE_SIZE - 1) & CONT_PTE_MASK; a + CONT_PTE_SIZE <= end;
	     a += CONT_PTE_SIZE) {
		uint64_t pte = __ptep_get(ptep + ((a - addr) >> PAGE_SHIFT));

		if (!pte_valid(pte) || pte_cont(pte))
			continue;
		*lo = *hi ? *lo : a;
		*hi = a + CONT_PTE_SIZE;
	}
}

/*
 * Nothing is there between start and commit, so that hardware cannot record anything that commit would undo. Commit
 * stores whole runs folded; where they were not, the single entries must be out of all TLBs by then, on CPUs that do
 * not bear a change of size (DDI 0487 D8.16.1). (Linux 7.x leaves that to the caller's flush, which comes later.)
 */
static uint64_t modify_prot_start_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	uint64_t lo = 0, hi = 0, val;

	if (BUG(modify_prot_commit_loses_dirty)) {
		val = ptep_get(addr, ptep);
		clear_full_ptes(mm, addr, ptep, nr, 0);
		return val;
	}
	if (nr > 1 && !hw_feature(HW_FEAT_BBML2_NOABORT))
		find_unfolded(addr, addr + nr * PAGE_SIZE, ptep, &lo, &hi);
	val = get_and_clear_full_ptes(mm, addr, ptep, nr, 0);
	if (hi)
		__flush_tlb_range(mm, lo, hi, PAGE_SIZE, true, 3);
	return val;
}

static void modify_prot_commit_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t old,
				    uint64_t val, unsigned nr)
{
	set_raw_ptes(mm, addr, ptep, pte_modify(entry_make(old), entry_make(val)), nr);
}

static void flush_tlb_range(const struct pt_mm *mm, uint64_t start, uint64_t end, bool last_level)
{
	__flush_tlb_range(mm, start, end, PAGE_SIZE, last_level, last_level ? 3 : TLBI_TTL_UNKNOWN);
}

/* As for user entries, nothing publishes the link of a user table: whoever walks too early faults and retries. (Linux
 * adds DSB and ISB there too.) */
static void pmd_populate(const struct pt_mm *mm, uint64_t *pmdp, const void *table)
{
	hw_store(pmdp, hw_table_pa(table) | PMD_TYPE_TABLE, HW_RELAXED, __func__, __LINE__);
	if (!mm_is_user(mm))
		emit_pte_barriers();
}

/* A walker that sees the new table must see it empty: the zeroes are ordered before the link. */
static int pte_alloc(const struct pt_mm *mm, uint64_t addr, uint64_t *pmdp)
{
	void *table;

	(void)addr;
	if (BUG(table_alloc_sleeps))
		hw_might_sleep(__func__, __LINE__);
	table = hw_table_alloc(3, __func__, __LINE__);
	if (!table)
		return -1;
	if (BUG(table_linked_uncleared))
		pmd_populate(mm, pmdp, table);
	hw_clear_page(table, __func__, __LINE__);
	if (!BUG(table_clear_unordered))
		hw_barrier(HW_DMB, HW_ISH, HW_BAR_ST, __func__, __LINE__);
	if (!BUG(table_linked_uncleared))
		pmd_populate(mm, pmdp, table);
	return 0;
}

/* Nothing waits for it: the gather orders, invalidates and frees. */
static void pmd_clear(uint64_t *pmdp)
{
	hw_store(pmdp, 0, HW_RELAXED, __func__, __LINE__);
}

/* What all variants share; relaxing flushes are broadcast, so no spurious fault needs fixing. */
#define OPT_COMMON                                                                                                 \
	.geometries = 0xf, /* small, 4K, 16K, 64K */                                                               \
		.init = opt_init, .entry_read = opt_entry_read, .entry_make = opt_entry_make,                      \
	.set_ptes = set_ptes, .ptep_get = ptep_get, .ptep_get_lockless = ptep_get_lockless,                        \
	.ptep_get_and_clear = ptep_get_and_clear, .ptep_get_and_clear_full = ptep_get_and_clear_full,              \
	.get_and_clear_full_ptes = get_and_clear_full_ptes, .clear_full_ptes = clear_full_ptes,                    \
	.wrprotect_ptes = wrprotect_ptes, .ptep_set_access_flags = ptep_set_access_flags,                          \
	.ptep_test_and_clear_young = ptep_test_and_clear_young, .ptep_clear_flush_young = ptep_clear_flush_young,  \
	.test_and_clear_young_ptes = test_and_clear_young_ptes, .clear_flush_young_ptes = clear_flush_young_ptes,  \
	.clear_young_dirty_ptes = clear_young_dirty_ptes, .ptep_clear_flush = ptep_clear_flush,                    \
	.modify_prot_start_ptes = modify_prot_start_ptes, .modify_prot_commit_ptes = modify_prot_commit_ptes,      \
	.flush_tlb_range = flush_tlb_range, .flush_tlb_mm = flush_tlb_mm, .tlb_flush = tlb_flush,                  \
	.arch_tlbbatch_add_pending = arch_tlbbatch_add_pending, .arch_tlbbatch_flush = arch_tlbbatch_flush,        \
	.arch_flush_tlb_batched_pending = arch_flush_tlb_batched_pending, .flush_tlb_fix_spurious_fault = NULL,    \
	.pte_alloc = pte_alloc, .pmd_clear = pmd_clear, .switch_to = switch_to,                                    \
	.set_huge_pte_at = set_huge_pte_at, .huge_ptep_get_and_clear = huge_ptep_get_and_clear,                    \
	.flush_tlb_kernel_range = flush_tlb_kernel_range

/* Lazy MMU mode, and with a count that it can be paused. */
#define OPT_LAZY                                                                                                   \
	.arch_enter_lazy_mmu_mode = arch_enter_lazy_mmu_mode,                                                      \
	.arch_leave_lazy_mmu_mode = arch_leave_lazy_mmu_mode, .arch_flush_lazy_mmu_mode = arch_flush_lazy_mmu_mode
#define OPT_PAUSE .lazy_mmu_mode_pause = lazy_mmu_mode_pause, .lazy_mmu_mode_resume = lazy_mmu_mode_resume
#define OPT_PROFILE(lazy_, form)                                                                                   \
	{                                                                                                          \
		.fold_no_tlbi = true, .young_batched = true, .lazy = lazy_, .lazy_form = form                      \
	}

const struct pt_impl impl_opt = {
	.name = "opt",
	.what = "built-in: contiguous user mappings as in Linux 6.12 to 7.x, teardown with an A/D stash, batched "
		"barriers",
	.profile = OPT_PROFILE(PT_LAZY_COUNTER, 3),
	.reset = opt_reset,
	OPT_COMMON,
	OPT_LAZY,
	OPT_PAUSE,
	.mmu = &mmu_final,
	.split = &split_opt,
};

/* How mmu.c reached the tables that it makes, before (thread 001). */
const struct pt_impl impl_opt_remap = {
	.name = "opt-remap",
	.what = "opt with kernel tables mapped twice, to clear and to populate them (up to 6.9)",
	.profile = OPT_PROFILE(PT_LAZY_COUNTER, 3),
	.reset = opt_reset,
	OPT_COMMON,
	OPT_LAZY,
	OPT_PAUSE,
	.mmu = &mmu_remap,
};

const struct pt_impl impl_opt_ops = {
	.name = "opt-ops",
	.what = "opt with kernel tables mapped once at boot, by linear address later",
	.profile = OPT_PROFILE(PT_LAZY_COUNTER, 3),
	.reset = opt_reset,
	OPT_COMMON,
	OPT_LAZY,
	OPT_PAUSE,
	.mmu = &mmu_ops,
};

/* The forms of queue_pte_barriers() that thread 000 compares, in the generation that it is about. */
const struct pt_impl impl_opt_v1 = {
	.name = "opt-v1",
	.what = "opt with lazy MMU mode as a thread flag; barriers are queued by an atomic for each entry",
	.profile = OPT_PROFILE(PT_LAZY_FLAG, 1),
	.reset = opt_v1_reset,
	OPT_COMMON,
	OPT_LAZY,
	.mmu = &mmu_final,
	.split = &split_opt,
};

const struct pt_impl impl_opt_v2 = {
	.name = "opt-v2",
	.what = "opt with lazy MMU mode as a thread flag; barriers are queued by two loads for each entry",
	.profile = OPT_PROFILE(PT_LAZY_FLAG, 2),
	.reset = opt_v2_reset,
	OPT_COMMON,
	OPT_LAZY,
	.mmu = &mmu_final,
	.split = &split_opt,
};

const struct pt_impl impl_opt_v3 = {
	.name = "opt-v3",
	.what = "opt with lazy MMU mode as a thread flag; barriers are queued by one load for each entry (6.16 to "
		"6.19)",
	.profile = OPT_PROFILE(PT_LAZY_FLAG, 3),
	.reset = opt_v3_reset,
	OPT_COMMON,
	OPT_LAZY,
	.mmu = &mmu_final,
	.split = &split_opt,
};

const struct pt_impl impl_opt_none = {
	.name = "opt-none",
	.what = "opt without lazy MMU mode: barriers after each kernel entry (up to 6.15)",
	.profile = OPT_PROFILE(PT_LAZY_NONE, 0),
	.reset = opt_none_reset,
	OPT_COMMON,
	.mmu = &mmu_final,
	.split = &split_opt,
};
