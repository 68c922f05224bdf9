/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults, as do_user_addr_fault() and handle_pte_fault() handle them.
 *
 * Property: an access that its entry permits gets there after finitely many rounds of the handler, for each kind of walker.
 */
#include "callers.h"

/* What do_user_addr_fault() and handle_pte_fault() do with a fault on an entry that permits the access.
 * Returns false when the fault is legitimate. */
static bool handle_fault(unsigned page, bool write)
{
	uint64_t entry;
	bool handled = false;

	seam_mmap_lock(true);
	seam_lock(page);
	if (ex_ptep(page)) {
		entry = seam_ptep_get(page);
		if ((entry & PT_PRESENT) && !(entry & PT_PROTNONE) && (!write || (entry & PT_WRITE)) &&
		    !ref_in_teardown(&ex.sp->mm, page)) {
			uint64_t add = PT_YOUNG | (write ? PT_DIRTY : 0);

			handled = true;
			if (!seam_set_access_flags(page, entry, add) && write &&
			    ex.impl->flush_tlb_fix_spurious_fault)
				ex.impl->flush_tlb_fix_spurious_fault(&ex.sp->pt, ex_addr(page), ex_ptep(page));
		}
	}
	seam_unlock(page);
	seam_mmap_unlock(true);
	return handled;
}

/* An access with the handler's loop: the agent must get there once the entry permits it. The second retry
 * walks afresh: no cached entry lives for ever. */
int run_touch(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.page = page_of_rec(r), .nr = 1};
	bool write = r->b & 1, smmu = r->b & 2 && ex.p->h.smmu && ex.sp == ex.space; /* it walks the first */

	if (!ex.impl->ptep_set_access_flags)
		return -1;
	ref_clip_ptep_get(&ex.sp->mm, &op);
	write_back(eff, r, op.page, 1);
	for (unsigned try = 0; try < 4 && !ex.stop; try++) {
		struct hw_access a = {.agent = smmu ? HW_SMMU : r->cpu, .write = write, .fresh = try >= 2};

		if (a.fresh)
			for (unsigned c = 0; c < ex.p->h.ncpu; c++)
				if (!exec_holds_lock(c))
					hw_do_drain(c, -1);
		exec_context_sync(r->cpu); /* exception return to the user */
		if (seam_access(&a, op.page) == HW_OK || ex.stop)
			return 1;
		exec_context_sync(r->cpu); /* exception entry */
		if (!handle_fault(op.page, write))
			return 1;
		if (try == 3)
			ex_finding("livelock", op_descs[OP_ptep_set_access_flags].name, "no-progress",
				   "page %u.%u: %s by %s still takes a %s fault after the handler ran 4 times",
				   op.page / ex.cont, op.page % ex.cont, write ? "write" : "read",
				   smmu ? "the SMMU" : "the CPU", hw_fault_str(a.fault));
	}
	return 1;
}

/* A page that nothing maps or may still reach, of the folio if there is one: what the allocator would give. None: 0. */
static uint64_t new_page(const struct rec *r, unsigned page, unsigned *folio)
{
	for (unsigned i = 0; i < EX_FOLIOS; i++) {
		const struct pt_folio *f;
		uint64_t pfn;

		*folio = ((r->a & 15) + i) % EX_FOLIOS;
		f = &ex.folio[ex.p->h.geo][*folio];
		pfn = f->pfn + folio_offset(f, page, r->a >> 4);
		if (!page_is_mapped(pfn) && !page_is_held(pfn, page, 0))
			return pfn;
	}
	return 0;
}

static bool mapped_once(uint64_t pfn)
{
	unsigned n = 0;

	for (unsigned i = 0; i < EX_SPACES; i++) {
		const struct ref_mm *mm = &ex.space[i].mm;

		if (!ex.space[i].alive && !ex.space[i].dying)
			continue;
		for (unsigned p = 0; (p = ref_next(mm->present, p, mm->npages)) < mm->npages; p++)
			n += ref_now(mm, p)->val.pfn == pfn;
	}
	return n == 1;
}

static void cow_set(unsigned page, uint64_t val, unsigned folio)
{
	struct ref_op op = {.young = true, .dirty = true};

	op.val = seam_obs(val).val;
	op.val.folio = (uint16_t)folio;
	seam_begin(&op, OP_set_ptes, page, 1);
	ex.impl->set_ptes(&ex.sp->pt, ex_addr(page), ex_ptep(page), val, 1);
	seam_done(&op);
}

static void cow_clear_flush(unsigned page)
{
	struct ref_op op = {.id = 0};

	seam_begin(&op, OP_ptep_clear_flush, page, 1);
	seam_done_entry(&op, ex.impl->ptep_clear_flush(&ex.sp->pt, ex_addr(page), ex_ptep(page)));
}

/* wp_page_copy(), under the lock. Returns whether there was a page to copy to. */
static bool cow_copy(const struct rec *r, unsigned page, uint64_t entry)
{
	unsigned folio;
	const uint64_t pfn = new_page(r, page, &folio);
	const uint64_t val = PT_MAKE(pfn, PT_PRESENT | PT_WRITE | PT_YOUNG | PT_DIRTY | (entry & PT_EXEC));

	if (!pfn)
		return false;
	if (BUG(cow_set_before_flush)) {
		cow_set(page, val, folio);
		seam_flush(page, 1, false);
		return true;
	}
	cow_clear_flush(page);
	cow_set(page, val, folio);
	return true;
}

/* A read-only page that a fault can make writable: a special one has no other page to go to. */
static bool may_cow(const struct ref_mm *mm, unsigned page)
{
	const struct ref_val *v = &ref_now(mm, page)->val;

	return ref_present(mm, page) && !v->write && !v->protnone && !v->special && !ref_in_teardown(mm, page);
}

static bool clip_cow(const struct ref_mm *mm, struct ref_op *op)
{
	for (unsigned i = 0; i < mm->npages; i++) {
		const unsigned page = (op->page + i) % mm->npages;

		if (may_cow(mm, page)) {
			op->page = page;
			op->nr = 1;
			return true;
		}
	}
	return false;
}

/* do_wp_page(): a private page that others map too, or may, is copied; the last one to map it just goes on writing. */
int run_cow(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	uint64_t entry, pfn;
	uint32_t removed = 0;
	bool done = true;

	if (!ex.impl->ptep_clear_flush || !ex.impl->set_ptes || !ex.impl->ptep_set_access_flags)
		return -1;
	seam_mmap_lock(true);
	if (!prepare(&op, r, clip_cow, eff)) {
		seam_mmap_unlock(true);
		return 0;
	}
	entry = seam_ptep_get(op.page);
	pfn = PT_PFN(entry);
	if (r->b & 1 && mapped_once(pfn)) {
		seam_set_access_flags(op.page, entry, PT_YOUNG | PT_DIRTY | PT_WRITE);
	} else {
		done = cow_copy(r, op.page, entry);
		removed = ex.sp->mm.now;
	}
	if (BUG(unlock_before_visible))
		seam_unlock_early(op.page);
	else
		seam_unlock(op.page);
	if (removed && done)
		page_free(pfn, op.page, removed, "cow");
	seam_mmap_unlock(true);
	return done;
}
