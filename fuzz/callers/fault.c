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
		if ((entry & PT_PRESENT) && !(entry & PT_PROTNONE) && (!write || (entry & PT_WRITE)) && !ref_in_teardown(&ex.sp->mm, page)) {
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
	bool write = r->b & 1, smmu = r->b & 2 && ex.p->h.smmu;

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
