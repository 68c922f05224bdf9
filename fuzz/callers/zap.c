/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Removal of ranges and tables, as zap_pte_range() and free_pgtables() do it.
 *
 * Property: on return nobody uses what was mapped in the range; pages and tables are given back only after the gathered
 * flush.
 */
#include "callers.h"

/* One batch of present entries, or one other entry. Returns the pages done. */
static unsigned zap_entries(struct gather *g, unsigned page, unsigned end)
{
	struct ref_op op = {.page = page, .nr = end - page};
	const struct ref_val *v = &ref_now(&ex.sp->mm, page)->val;
	uint64_t pfn = v->pfn;

	if (v->kind == REF_PAYLOAD) {
		seam_begin(&op, OP_ptep_get_and_clear, page, 1);
		seam_done_entry(&op, ex.impl->ptep_get_and_clear(&ex.sp->pt, ex_addr(page), ex_ptep(page)));
		return 1;
	}
	if (v->kind == REF_NONE)
		return 1;
	ref_clip_get_and_clear_full_ptes(&ex.sp->mm, &op);
	seam_begin(&op, OP_get_and_clear_full_ptes, page, op.nr);
	seam_done_entry(&op, ex.impl->get_and_clear_full_ptes(&ex.sp->pt, ex_addr(page), ex_ptep(page), op.nr,
							      g->g.fullmm));
	gather_entries(g, page, op.nr);
	for (unsigned i = 0; i < op.nr; i++)
		gather_page(g, page + i, pfn + i);
	return op.nr;
}

void zap_pte_range(struct gather *g, unsigned page, unsigned end)
{
	seam_lock(page);
	while (page < end && ex_ptep(page) && !ex.stop)
		page += zap_entries(g, page, end);
	seam_unlock(page - 1);
}

void free_table_of(struct gather *g, unsigned table)
{
	unsigned lo = table * 2 * ex.cont;
	void *t = ex.sp->leaf[table];

	if (!t)
		return;
	seam_lock(lo);
	ex.impl->pmd_clear(ex.sp->pmdp[table]);
	ex.sp->leaf[table] = NULL;
	seam_unlock(lo);
	gather_table(g, t, lo);
}

/* Everything below one table goes, is flushed, and the table is unlinked and freed [munmap(): unmap_region()]. */
int run_free_table(const struct rec *r, struct rec *eff)
{
	unsigned half = 2 * ex.cont, t = r->block / 2, lo = t * half;
	struct gather g;

	if (!ex.impl->pmd_clear || !ex.impl->tlb_flush)
		return -1;
	write_back(eff, r, page_of_rec(r), 1);
	seam_mmap_lock(false);
	if (!ex.sp->leaf[t] || ref_in_teardown(&ex.sp->mm, lo) || ref_in_teardown(&ex.sp->mm, lo + ex.cont)) {
		seam_mmap_unlock(false);
		return 0;
	}
	gather_start(&g, false, "free_pgtables");
	zap_pte_range(&g, lo, lo + half);
	free_table_of(&g, t);
	gather_finish(&g);
	seam_mmap_unlock(false);
	return 1;
}
