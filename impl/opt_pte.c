// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations on single descriptors, as asm/pgtable.h and fault.c do them.
 *
 * Property: hardware may set AF or clear RDONLY of a valid descriptor between any two steps; every change of
 * a valid descriptor here is one atomic that either returns such an update or preserves it. The exception
 * is __set_ptes(), whose callers own the entry.
 */
#include "opt_contpte.h"
#include "opt_tlb.h"

/* The whole cmpxchg loop: `new` is an expression of `old`, evaluated again after each lost race. */
#define pte_update(ptep, old, new)                                                                                 \
	do {                                                                                                       \
		uint64_t seen_;                                                                                    \
                                                                                                                   \
		while ((seen_ = pte_cmpxchg(ptep, old, new)) != (old))                                             \
			(old) = seen_;                                                                             \
	} while (0)

void __set_ptes(uint64_t *ptep, uint64_t pte, unsigned nr)
{
	for (;;) {
		__set_pte(ptep, pte);
		if (--nr == 0)
			break;
		ptep++;
		if (pte_present(pte))
			pte = pte_advance_pfn(pte, 1);
	}
}

uint64_t __ptep_get_and_clear(uint64_t *ptep)
{
	if (BUG(clear_by_store)) {
		uint64_t pte = __ptep_get(ptep);

		__set_pte(ptep, 0);
		return pte;
	}
	return hw_xchg(ptep, 0, HW_RELAXED, __func__, __LINE__);
}

uint64_t __get_and_clear_full_ptes(uint64_t *ptep, unsigned nr)
{
	uint64_t pte = __ptep_get_and_clear(ptep);

	while (--nr) {
		uint64_t next = __ptep_get_and_clear(++ptep);

		pte = BUG(clear_returns_last) ? pte_gather(next, pte) : pte_gather(pte, next);
	}
	return pte;
}

void __clear_full_ptes(uint64_t *ptep, unsigned nr)
{
	for (; nr; nr--, ptep++)
		__ptep_get_and_clear(ptep);
}

int __ptep_test_and_clear_young(uint64_t *ptep)
{
	uint64_t pte = __ptep_get(ptep);

	/* Not present: a cleared entry of a run in teardown, whose payload is no access flag. */
	if (!pte_present(pte) || !pte_young(pte))
		return 0;
	if (BUG(young_by_store))
		__set_pte(ptep, pte_mkold(pte));
	else
		pte_update(ptep, pte, pte_mkold(pte));
	return pte_young(pte);
}

int __test_and_clear_young_ptes(uint64_t *ptep, unsigned nr)
{
	int young = 0;

	for (; nr; nr--, ptep++)
		young |= __ptep_test_and_clear_young(ptep);
	return young;
}

int __ptep_clear_flush_young(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	int young = __ptep_test_and_clear_young(ptep);

	/* No DSB to complete it: until this CPU's next one (latest at a context switch) an access through a
	 * cached entry leaves the page looking old, which costs no more than a needless reclaim. */
	if (young)
		flush_tlb_page_nosync(mm, addr);
	return young;
}

void ___ptep_set_wrprotect(uint64_t *ptep, uint64_t pte)
{
	if (BUG(wrprotect_plain_store)) {
		__set_pte(ptep, pte_wrprotect(pte));
		return;
	}
	pte_update(ptep, pte, pte_wrprotect(pte));
}

void __wrprotect_ptes(uint64_t *ptep, unsigned nr)
{
	for (; nr; nr--, ptep++)
		___ptep_set_wrprotect(ptep, __ptep_get(ptep));
}

static uint64_t pte_clear_young_dirty(uint64_t pte, unsigned cydp)
{
	if (cydp & PT_CYDP_YOUNG)
		pte = pte_mkold(pte);
	if (cydp & PT_CYDP_DIRTY)
		pte = pte_mkclean(pte);
	return pte;
}

void __clear_young_dirty_ptes(uint64_t *ptep, unsigned nr, unsigned cydp)
{
	for (; nr; nr--, ptep++) {
		uint64_t pte = __ptep_get(ptep);

		if (!pte_present(pte))
			continue;
		/* Linux stores plainly when both kinds go. Such a store may become visible after the call, and
		 * undo an update that hardware made after it; an atomic costs little more. */
		pte_update(ptep, pte, pte_clear_young_dirty(pte, cydp));
	}
}

/* Access, dirty and write of `entry` added to `pte`. RDONLY is inverted for the OR: clear is more permissive. */
static uint64_t pte_accumulate(uint64_t pte, uint64_t entry)
{
	entry &= PTE_RDONLY | PTE_AF | PTE_WRITE | PTE_DIRTY;
	return ((pte ^ PTE_RDONLY) | (entry ^ PTE_RDONLY)) ^ PTE_RDONLY;
}

int __ptep_set_access_flags_notlbi(uint64_t *ptep, uint64_t entry)
{
	uint64_t pte = __ptep_get(ptep);

	if (!pte_present(pte) || pte_satisfies(pte, entry))
		return 0;
	pte_update(ptep, pte, pte_accumulate(pte, entry));
	return 1;
}

/* Bug access-flags-plain-store: as it was before hardware could change an entry meanwhile. */
static int ptep_overwrite_access_flags(uint64_t *ptep, uint64_t entry)
{
	const uint64_t mask = PTE_RDONLY | PTE_AF | PTE_WRITE | PTE_DIRTY;
	uint64_t pte = __ptep_get(ptep);

	if (!pte_present(pte) || pte_satisfies(pte, entry))
		return 0;
	__set_pte(ptep, (pte & ~mask) | (entry & mask));
	return 1;
}

int __ptep_set_access_flags(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t entry, int dirty)
{
	int changed = BUG(access_flags_plain_store) ? ptep_overwrite_access_flags(ptep, entry)
						    : __ptep_set_access_flags_notlbi(ptep, entry);

	/* A read-only translation may be cached; with the entry changed, nobody else would remove it. */
	if (changed && dirty)
		flush_tlb_page(mm, addr);
	return changed;
}
