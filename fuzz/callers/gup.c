/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reference on a mapped page, without locks: gup_fast_pte_range().
 *
 * Property: when it succeeds the page was mapped there at some moment after the reference was taken, so that whoever
 * unmaps it and would free it has seen the reference.
 */
#include "callers.h"

/* pte_access_permitted(), and a page that references can be taken on. */
static bool may_pin(uint64_t v, bool write)
{
	return v & PT_PRESENT && !(v & (PT_PROTNONE | PT_SPECIAL)) && (v & PT_WRITE || !write);
}

static uint64_t load_pmd(unsigned page)
{
	return hw_load(ex.sp->pmdp[ex_table(page)], HW_RELAXED, "pmdp_get_lockless", __LINE__);
}

/* Interrupts are off: a table that was found linked stays until we have left. */
static bool pin(unsigned page, bool write, uint64_t *val, uint32_t *when)
{
	uint64_t *ptep, refs = 0, pmd;
	struct ref_op op = {.id = 0};

	seam_begin(&op, OP_ptep_get_lockless, page, 1);
	pmd = load_pmd(page);
	ptep = ex_ptep_below(pmd, page);
	*val = pmd & HW_D_VALID ? ex.impl->ptep_get_lockless(ex_addr(page), ptep) : 0;
	seam_done_entry(&op, *val);
	if (ex.stop || !may_pin(*val, write))
		return false;
	hw_fetch_or(&refs, 1, HW_ACQ_REL, "try_grab_folio", __LINE__);
	*when = ex.sp->mm.now;
	if (BUG(gup_no_recheck))
		return true;
	return load_pmd(page) == pmd && ex.impl->ptep_get(ex_addr(page), ptep) == *val;
}

int run_gup_fast(const struct rec *r, struct rec *eff)
{
	struct ref_op op;
	uint32_t when = 0;
	uint64_t val = 0;
	bool ok;

	if (!ex.impl->ptep_get_lockless || !ex.impl->ptep_get)
		return -1;
	if (!prepare_lockless(&op, r, eff))
		return 0;
	ok = pin(op.page, r->b & 1, &val, &when);
	ex.cur->op.lockless = false;
	ex_observe(ok);
	if (ok && !ref_mapped_since(&ex.sp->mm, op.page, PT_PFN(val), when)) {
		ex.out->page = (int)op.page;
		ex_finding("lifetime", "gup_fast", "page-unmapped",
			   "page %u.%u: the reference on pfn %#llx was taken when nothing mapped it there any more",
			   op.page / ex.cont, op.page % ex.cont, (unsigned long long)PT_PFN(val));
	}
	return 1;
}
