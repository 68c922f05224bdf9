// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contiguous runs of kernel mappings, as vmalloc makes them (arch/arm64/mm/hugetlbpage.c).
 *
 * Property: callers say how long a run is; nothing about it is guessed from an entry, which need not be present. A
 * run that is set is published as a whole, one that is removed stays usable until the caller's flush.
 */
#include "opt_contpte.h"
#include "opt_kernel.h"
#include "opt_lazy.h"
#include "opt_tlb.h"

/* The contiguous bit and the output address change together here, so a valid run is removed for everybody first. */
static void clear_flush(uint64_t addr, uint64_t *ptep, unsigned nr)
{
	__clear_full_ptes(ptep, nr);
	flush_tlb_kernel_range(addr, addr + nr * PAGE_SIZE);
}

/* Barriers once: nobody can rely on a part of the run. */
void set_huge_pte_at(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t val, unsigned nr)
{
	uint64_t pte = entry_make(val);
	const bool present = pte_present(pte);

	(void)mm;
	if (pte_valid(__ptep_get(ptep)))
		clear_flush(addr, ptep, nr);
	if (present && nr > 1)
		pte = pte_mkcont(pte);
	for (unsigned i = 0; i < nr; i++)
		hw_store(ptep + i, present ? pte_advance_pfn(pte, i) : pte, HW_RELAXED, __func__, __LINE__);
	if (pte_valid_not_user(pte) && !BUG(kernel_store_bypasses_queue))
		queue_pte_barriers();
}

uint64_t huge_ptep_get_and_clear(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	(void)mm, (void)addr;
	return entry_read(__get_and_clear_full_ptes(ptep, nr));
}
