// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contiguous runs of user mappings, as mm/contpte.c manages them.
 *
 * Property: callers see one entry a page; whether an aligned run of CONT_PTES entries of one folio carries the
 * contiguous bit (is folded) shows nowhere but in the TLB. Hardware may record access and dirty state of any
 * page of a folded run in any descriptor of it (DDI 0487 D8.7.1), so the state of each page is the OR over
 * the run, and no step here drops a bit that another page of the run still owes.
 */
#include "opt_contpte.h"
#include "opt_tlb.h"

static uint64_t *contpte_align_down(const uint64_t *ptep)
{
	return (uint64_t *)((uintptr_t)ptep & ~(sizeof(*ptep) * CONT_PTES - 1));
}

static uint64_t cont_addr(uint64_t addr)
{
	return addr & CONT_PTE_MASK;
}

/* Does one folio cover the whole run that maps [pfn, pfn + CONT_PTES)? */
static bool folio_covers(uint64_t pfn)
{
	unsigned lo = 0, hi = opt_env.nfolios;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		const struct pt_folio *f = &opt_env.folios[mid];

		if (pfn < f->pfn)
			hi = mid;
		else if (pfn >= f->pfn + (1ull << f->order))
			lo = mid + 1;
		else
			return pfn + CONT_PTES <= f->pfn + (1ull << f->order);
	}
	return false;
}

/* Before a range changes: unfold the runs that it covers in part, at its begin and its end. */
static void contpte_try_unfold_partial(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	if (ptep != contpte_align_down(ptep) || nr < CONT_PTES)
		contpte_try_unfold(mm, addr, ptep, __ptep_get(ptep));

	if (ptep + nr != contpte_align_down(ptep + nr)) {
		uint64_t *last = ptep + nr - 1;

		contpte_try_unfold(mm, addr + (uint64_t)(nr - 1) * PAGE_SIZE, last, __ptep_get(last));
	}
}

/*
 * Where every CPU bears a change of the contiguous bit without a break (FEAT_BBM level 2, and no conflict aborts:
 * DDI 0487 D8.16.1), old entries of the other size may stay: they say the same, and the caller's flush removes them
 * with the new ones. Level 2 alone may abort.
 */
static bool convert_needs_flush(void)
{
	if (BUG(fold_trusts_bbml2))
		return !hw_feature(HW_FEAT_BBML2);
	return !BUG(unfold_no_flush) && !hw_feature(HW_FEAT_BBML2_NOABORT);
}

/*
 * Break-before-make of a run: clear all entries, collecting what hardware recorded up to that instant, then
 * invalidate (where the CPUs need it), then write them back with `pte`'s contiguous bit and protection and the OR of access and dirty.
 * Entries that a teardown has already cleared (or made markers) stay as they are.
 */
static void contpte_convert(const struct pt_mm *mm, uint64_t addr, const uint64_t *ptep, uint64_t pte)
{
	uint64_t *start = contpte_align_down(ptep);
	uint64_t holes[OPT_MAX_CONT / 64] = {0};

	pte = pfn_pte(pte_pfn(pte) - (uint64_t)(ptep - start), pte_pgprot(pte));
	addr = cont_addr(addr);

	for (unsigned i = 0; i < CONT_PTES; i++) {
		uint64_t ptent = __ptep_get_and_clear(start + i);

		if (!pte_valid(ptent)) {
			holes[i / 64] |= 1ull << i % 64;
			if (ptent)
				__set_pte(start + i, ptent);
		} else if (!BUG(convert_no_gather)) {
			pte = pte_gather(pte, ptent);
		}
	}

	if (convert_needs_flush())
		__flush_tlb_range(mm, addr, addr + CONT_PTE_SIZE, PAGE_SIZE, true, 3);

	for (unsigned i = 0; i < CONT_PTES; i++)
		if (!(holes[i / 64] >> i % 64 & 1))
			__set_pte(start + i, pte_advance_pfn(pte, i));
}

/*
 * Alignment and specialness are checked (contpte_try_fold()); left are: one folio covers the run, and all
 * entries are valid, consecutive and equal but for access and dirty state, which the fold merges.
 */
void __contpte_try_fold(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t pte)
{
	uint64_t *start = contpte_align_down(ptep);
	uint64_t pfn = pte_pfn(pte) - (uint64_t)(ptep - start);
	uint64_t ignore = BUG(fold_permission_blind) ? PTE_WRITE : 0;
	uint64_t prot = pte_common_prot(pte) & ~ignore;

	if (!mm_is_user(mm) || (!folio_covers(pfn) && !BUG(fold_across_folios)))
		return;

	for (unsigned i = 0; i < CONT_PTES; i++) {
		uint64_t subpte = __ptep_get(start + i);

		if (pte_pfn(subpte) != pfn + i || (pte_common_prot(subpte) & ~ignore) != prot)
			return;
	}
	contpte_convert(mm, addr, ptep, pte_mkcont(pte));
}

void __contpte_try_unfold(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t pte)
{
	if (mm_is_user(mm))
		contpte_convert(mm, addr, ptep, pte_mknoncont(pte));
}

/*
 * Under the page-table lock nothing but access and dirty state moves. Entries that a teardown has cleared are
 * skipped: they may hold markers by now, whose payload must not be taken for state.
 */
uint64_t contpte_ptep_get(uint64_t *ptep, uint64_t orig_pte)
{
	if (BUG(get_no_gather))
		return orig_pte;

	ptep = contpte_align_down(ptep);
	for (unsigned i = 0; i < CONT_PTES || BUG(gather_unbounded); i++) {
		uint64_t pte;

		if (pte_young(orig_pte) && pte_dirty(orig_pte))
			break; /* nothing left to find */
		pte = __ptep_get(ptep + i % CONT_PTES);
		if (!pte_valid_cont(pte) && !BUG(get_counts_markers))
			continue;
		orig_pte = pte_gather(orig_pte, pte);
	}
	return orig_pte;
}

/*
 * Without the lock the run may be unfolded, zapped or folded anew between any two loads. So gather only from
 * a run that is consistent throughout: any entry that does not belong to the one read first means a race, and
 * a new start. An entry without the contiguous bit is consistent by itself.
 */
uint64_t contpte_ptep_get_lockless(uint64_t *orig_ptep)
{
	uint64_t *start = contpte_align_down(orig_ptep);
	uint64_t orig_pte, prot, pfn;
	unsigned i;

retry:
	orig_pte = __ptep_get(orig_ptep);
	if (!pte_valid_cont(orig_pte))
		return orig_pte;
	prot = pte_common_prot(orig_pte);
	pfn = pte_pfn(orig_pte) - (uint64_t)(orig_ptep - start);

	for (i = 0; i < CONT_PTES; i++) {
		uint64_t pte = __ptep_get(start + i);

		/* `prot` holds the valid and contiguous bits too. */
		if ((pte_common_prot(pte) != prot || pte_pfn(pte) != pfn + i) && !BUG(lockless_no_recheck))
			goto retry;
		orig_pte = pte_gather(orig_pte, pte);
	}
	return orig_pte;
}

/* nr > 1 entries, none present before: nothing to unfold. Whole aligned runs are written folded at once; the
 * caller's range is one folio, so the folio covers them. */
void contpte_set_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t pte, unsigned nr)
{
	uint64_t end = addr + nr * PAGE_SIZE;
	uint64_t pfn = pte_pfn(pte), prot = pte_pgprot(pte);

	/* Kernel mappings are folded by set_huge_pte_at() alone, which is told so. */
	if (!mm_is_user(mm) || !pte_valid(pte)) {
		__set_ptes(ptep, pte, nr);
		return;
	}

	while (addr != end) {
		uint64_t boundary = cont_addr(addr + CONT_PTE_SIZE);
		uint64_t next = boundary < end ? boundary : end;
		uint64_t align = addr | next | (BUG(fold_misaligned) ? 0 : pfn << PAGE_SHIFT);

		nr = (unsigned)((next - addr) >> PAGE_SHIFT);
		pte = pfn_pte(pfn, prot);
		if (!(align & ~CONT_PTE_MASK) && !pte_special(pte))
			pte = pte_mkcont(pte);
		__set_ptes(ptep, pte, nr);

		addr = next;
		ptep += nr;
		pfn += nr;
	}
}

/* Bug gather-write-back: the first version in thread 004. Hardware may update an entry between the loops. */
static uint64_t contpte_gather_write_back(uint64_t *ptep)
{
	uint64_t *start = contpte_align_down(ptep);
	uint64_t pte = contpte_ptep_get(ptep, __ptep_get(ptep));
	uint64_t first = pfn_pte(pte_pfn(pte) - (uint64_t)(ptep - start), pte_pgprot(pte));

	for (unsigned i = 0; i < CONT_PTES; i++)
		if (start + i != ptep && pte_valid_cont(__ptep_get(start + i)))
			__set_pte(start + i, pte_advance_pfn(first, i));
	return pte_gather(pte, __ptep_get_and_clear(ptep));
}

/*
 * One entry of a folded run, in a teardown that will clear all of them before it flushes: leave the run
 * folded. The state of the whole run may be in this one descriptor, and later calls for its siblings must
 * still return it. So take the entry with one atomic (no update of it can be lost), and if it held state,
 * accumulate that atomically into an entry that is still to be cleared; hardware updates of that one survive
 * too. The last valid entry is preferred: core code clears upwards, so the bits move once, not at every call.
 * The result is this entry and the state of all that remain.
 */
uint64_t contpte_ptep_get_and_clear_full(uint64_t *ptep)
{
	uint64_t *start = contpte_align_down(ptep);
	uint64_t orig_pte;

	if (BUG(gather_write_back))
		return contpte_gather_write_back(ptep);

	orig_pte = __ptep_get_and_clear(ptep);
	if ((!pte_dirty(orig_pte) && !pte_young(orig_pte)) || BUG(stash_missing))
		return contpte_ptep_get(ptep, orig_pte);

	for (unsigned i = CONT_PTES; i-- > 0;) {
		uint64_t pte = __ptep_get(start + i);

		if (!pte_valid_cont(pte))
			continue;
		if (BUG(stash_plain_store))
			__set_pte(start + i, pte_gather(pte, orig_pte));
		else
			__ptep_set_access_flags_notlbi(start + i, pte_gather(pte, orig_pte));
		return contpte_ptep_get(ptep, orig_pte);
	}
	return orig_pte;
}

uint64_t contpte_get_and_clear_full_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	if (!BUG(full_clear_no_unfold_partial))
		contpte_try_unfold_partial(mm, addr, ptep, nr);
	return __get_and_clear_full_ptes(ptep, nr);
}

void contpte_clear_full_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	contpte_try_unfold_partial(mm, addr, ptep, nr);
	__clear_full_ptes(ptep, nr);
}

/*
 * Widen to the whole of the runs at both ends, which are of the same folio. Access and dirty state can be cleared
 * there without unfolding; which descriptor of a run holds it says nothing about the page.
 */
static unsigned contpte_widen(uint64_t *addr, uint64_t **ptep, unsigned nr)
{
	uint64_t end = *addr + nr * PAGE_SIZE;

	if (pte_valid_cont(__ptep_get(*ptep + nr - 1)))
		end = cont_addr(end + CONT_PTE_SIZE - 1);
	if (pte_valid_cont(__ptep_get(*ptep))) {
		*addr = cont_addr(*addr);
		*ptep = contpte_align_down(*ptep);
	}
	return (unsigned)((end - *addr) >> PAGE_SHIFT);
}

/* Core code ages folios, not pages, and one folio covers each run: age all of it rather than unfold. */
int contpte_test_and_clear_young_ptes(uint64_t addr, uint64_t *ptep, unsigned nr)
{
	if (!BUG(young_no_widen))
		nr = contpte_widen(&addr, &ptep, nr);
	return __test_and_clear_young_ptes(ptep, nr);
}

int contpte_clear_flush_young_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	int young;

	if (!BUG(young_no_widen))
		nr = contpte_widen(&addr, &ptep, nr);
	young = __test_and_clear_young_ptes(ptep, nr);
	/* No completing DSB, as in __ptep_clear_flush_young(). */
	if (young)
		__flush_tlb_range_nosync(mm, addr, addr + nr * PAGE_SIZE, PAGE_SIZE, true, 3);
	return young;
}

/* Bug needless-unfold. */
static void contpte_unfold_all(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		contpte_try_unfold(mm, addr + i * PAGE_SIZE, ptep + i, __ptep_get(ptep + i));
}

/*
 * A run that is protected as a whole stays folded: until the caller's flush either permission may be in use,
 * after it only the new one. Of a part of a run that would never become true, so that is unfolded.
 */
void contpte_wrprotect_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	if (BUG(needless_unfold))
		contpte_unfold_all(mm, addr, ptep, nr);
	else if (!BUG(wrprotect_no_unfold))
		contpte_try_unfold_partial(mm, addr, ptep, nr);
	__wrprotect_ptes(ptep, nr);
}

/* Bug young-dirty-range: pages added to a byte address, then bytes taken for a count; two tables long here, the real
 * one went on. */
static void contpte_clear_bytes(uint64_t addr, uint64_t *ptep, unsigned nr, unsigned cydp)
{
	uint64_t end = addr + nr;

	if (pte_valid_cont(__ptep_get(ptep + nr - 1)))
		end = cont_addr(end + CONT_PTE_SIZE - 1);
	if (pte_valid_cont(__ptep_get(ptep))) {
		addr = cont_addr(addr);
		ptep = contpte_align_down(ptep);
	}
	nr = (unsigned)(end - addr);
	if (nr > 2u << opt_env.table_bits)
		nr = 2u << opt_env.table_bits;
	__clear_young_dirty_ptes(ptep, nr, cydp);
}

void contpte_clear_young_dirty_ptes(uint64_t addr, uint64_t *ptep, unsigned nr, unsigned cydp)
{
	if (BUG(young_dirty_range)) {
		contpte_clear_bytes(addr, ptep, nr, cydp);
		return;
	}
	nr = contpte_widen(&addr, &ptep, nr);
	__clear_young_dirty_ptes(ptep, nr, cydp);
}

/* The raw descriptors, not their OR: a walker that cannot update state itself (SMMU, no FEAT_HAFDBS) judges
 * each by itself and would fault for ever on one that a gathered view calls good enough. */
static bool contpte_all_subptes_satisfy(uint64_t *ptep, uint64_t entry)
{
	ptep = contpte_align_down(ptep);
	for (unsigned i = 0; i < CONT_PTES; i++) {
		uint64_t pte = __ptep_get(ptep + i);

		if (pte_valid_cont(pte) && !pte_satisfies(pte, entry))
			return false;
	}
	return true;
}

int contpte_ptep_set_access_flags(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t entry, int dirty)
{
	uint64_t orig_pte;

	if (BUG(access_flags_gathered_noop)) {
		if (pte_satisfies(contpte_ptep_get(ptep, __ptep_get(ptep)), entry))
			return 0;
	} else if (contpte_all_subptes_satisfy(ptep, entry)) {
		return 0;
	}

	/* A permission of part of a run: no longer a run. */
	orig_pte = pte_mknoncont(__ptep_get(ptep));
	if (pte_write(orig_pte) != pte_write(entry)) {
		__contpte_try_unfold(mm, addr, ptep, orig_pte);
		__ptep_set_access_flags(mm, addr, ptep, entry, dirty);
		return 1;
	}

	/* Software that manages state must update all entries, or take a fault for each; one flush for all. */
	ptep = contpte_align_down(ptep);
	addr = cont_addr(addr);
	for (unsigned i = 0; i < CONT_PTES; i++)
		__ptep_set_access_flags(mm, addr + i * PAGE_SIZE, ptep + i, entry, 0);
	if (dirty)
		__flush_tlb_range(mm, addr, addr + CONT_PTE_SIZE, PAGE_SIZE, true, 3);
	return 1;
}
