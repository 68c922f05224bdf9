/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operations of `opt` on single descriptors (opt_pte.c) and on contiguous runs (opt_contpte.c). Values are
 * descriptors, not seam values. All but the lockless get expect the page-table lock to be held.
 */
#ifndef IMPL_OPT_CONTPTE_H
#define IMPL_OPT_CONTPTE_H

#include "../hw/hook.h"
#include "opt_lazy.h"
#include "opt_pte.h"

/* Macros, so that each step carries the kernel function that makes it. A valid kernel entry is published, for nobody
 * handles a fault on it. */
#define __ptep_get(ptep) hw_load(ptep, HW_RELAXED, __func__, __LINE__)
#define __set_pte(ptep, pte)                                                                                       \
	do {                                                                                                       \
		uint64_t set_ = (pte);                                                                             \
                                                                                                                   \
		if (BUG(barrier_before_store) && pte_valid_not_user(set_))                                         \
			queue_pte_barriers();                                                                      \
		hw_store(ptep, set_, HW_RELAXED, __func__, __LINE__);                                              \
		if (!BUG(barrier_before_store) && pte_valid_not_user(set_))                                        \
			queue_pte_barriers();                                                                      \
	} while (0)
#define pte_cmpxchg(ptep, old, new) hw_cmpxchg(ptep, old, new, HW_RELAXED, __func__, __LINE__)

/*
 * What an operation costs when nothing races with it (each lost race of a cmpxchg adds one atomic). n: entries named;
 * C: CONT_PTES; m: n widened to whole folded runs at both ends; T(k): TLBIs for k pages, which is k, or with
 * FEAT_TLBIRANGE one for each scale used (at most 4, and one for a last odd page), or 1 for the ASID from 512 pages on.
 * "Partly" is a folded run that the range covers in part: at most one at either end. Conversion is fold or unfold;
 * K stands for its cost, and p for the number of ends (0 to 2) that cut a run, folded or not.
 *
 *	                           loads            atomics    stores  barriers  TLBIs
 *	conversion (K)             0                C          C       2         T(C)   none of the last two: BBML2_NOABORT
 *	set_ptes, n = 1            1                0          1       0         0      partly: + K
 *	  ... last of a run        1 + C at most    0          1       0         0      folds: + K
 *	set_ptes, n > 1            0                0          n       0         0      folded at once
 *	  ... kernel               0                0          n       2n        0      or as opt_lazy.h says
 *	ptep_get                   1                0          0       0         0
 *	  ... folded               1 + C at most    0          0       0         0      ends when young and dirty
 *	ptep_get_lockless          1                0          0       0         0      folded: 2 + C
 *	ptep_get_and_clear         1                1          0       0         0      partly: + K
 *	  _full of a folded entry  3 + 2C at most   2 at most  0       0         0
 *	get_and_clear_full_ptes,
 *	clear_full_ptes, n > 1     p                n          0       0         0      partly: + K an end
 *	modify_prot_start_ptes     as get_and_clear_full_ptes; commit as set_ptes
 *	wrprotect_ptes, n = 1      1                1          0       0         0      partly: + K
 *	  n > 1                    p + n            n          0       0         0      partly: + K an end
 *	set_access_flags           2                1          0       2         1      the last two if `dirty`
 *	  ... folded, same write   2 + 2C at most   C at most  0       2         T(C)   nothing to do: 1 + C loads alone
 *	  ... folded, gains write  4 to 3 + C       1          0       2         1      + K
 *	(test_and_)clear(_flush)_
 *	young(_ptes), n = 1        2                1 at most  0       0         0      flush, was young: 1 barrier, 1 TLBI
 *	  n > 1 or folded          3 + m at most    m at most  0       0         0      flush, was young: 1 barrier, T(m)
 *	clear_young_dirty_ptes     3 + m at most    m at most  0       0         0
 *	ptep_clear_flush           1                1          0       2         1      partly: + K; none before: no flush
 *	flush_tlb_range, tlb_flush 0                0          0       2         T(n)   fullmm: 0, with freed tables 2 and 1
 *	flush_tlb_mm               0                0          0       2         1      also ..._batched_pending()
 *	tlbbatch: add, flush       0                0          0       1         T(n)   flush: 1 barrier alone
 *	pte_alloc                  0                0          1       1         0      and clears a page; pmd_clear 1 store
 */

/* One descriptor at a time; CONT is as in the value given. */
void __set_ptes(uint64_t *ptep, uint64_t pte, unsigned nr);
uint64_t __ptep_get_and_clear(uint64_t *ptep);
uint64_t __get_and_clear_full_ptes(uint64_t *ptep, unsigned nr);
void __clear_full_ptes(uint64_t *ptep, unsigned nr);
int __ptep_test_and_clear_young(uint64_t *ptep);
int __test_and_clear_young_ptes(uint64_t *ptep, unsigned nr);
int __ptep_clear_flush_young(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep);
void ___ptep_set_wrprotect(uint64_t *ptep, uint64_t pte);
void __wrprotect_ptes(uint64_t *ptep, unsigned nr);
void __clear_young_dirty_ptes(uint64_t *ptep, unsigned nr, unsigned cydp);
int __ptep_set_access_flags_notlbi(uint64_t *ptep, uint64_t entry);
int __ptep_set_access_flags(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t entry, int dirty);

/* Whole runs. */
void __contpte_try_fold(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t pte);
void __contpte_try_unfold(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t pte);
uint64_t contpte_ptep_get(uint64_t *ptep, uint64_t orig_pte);
uint64_t contpte_ptep_get_lockless(uint64_t *orig_ptep);
void contpte_set_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t pte, unsigned nr);
uint64_t contpte_ptep_get_and_clear_full(uint64_t *ptep);
uint64_t contpte_get_and_clear_full_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
void contpte_clear_full_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
int contpte_test_and_clear_young_ptes(uint64_t addr, uint64_t *ptep, unsigned nr);
int contpte_clear_flush_young_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
void contpte_wrprotect_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
void contpte_clear_young_dirty_ptes(uint64_t addr, uint64_t *ptep, unsigned nr, unsigned cydp);
int contpte_ptep_set_access_flags(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t entry, int dirty);

/*
 * Fold when the last entry of a run has been set: core code maps upwards, so that is when a run completes.
 * Special mappings have no folio and never fold.
 */
static inline void contpte_try_fold(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t pte)
{
	if (BUG(fold_asserts_valid) && !pte_valid(pte))
		hw_bug("VM_BUG_ON(!pte_valid(pte))", __func__, __LINE__);
	const uint64_t contmask = CONT_PTES - 1;

	if (((addr >> PAGE_SHIFT) & contmask) != contmask)
		return;
	if ((pte_pfn(pte) & contmask) != contmask && !BUG(fold_misaligned))
		return;
	if (pte_valid(pte) && !pte_cont(pte) && !pte_special(pte))
		__contpte_try_fold(mm, addr, ptep, pte);
}

static inline void contpte_try_unfold(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t pte)
{
	if (pte_valid_cont(pte))
		__contpte_try_unfold(mm, addr, ptep, pte);
}

#endif
