/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Removal of ranges and tables, as zap_pte_range() and free_pgtables() do it.
 *
 * Property: on return nobody uses what was mapped in the range, also what another removal had cleared before; pages
 * and tables are given back only after the gathered flush; of a file's dirty page nobody uses the old translation once
 * the table's lock is free, for then it may be cleaned and written back.
 */
#include "entries.h"

/* A batch whose flush cannot wait for the end. */
struct forced {
	unsigned page, nr;
	uint32_t since, before; /* when it went */
};

/* The batch that starts at the page, by what is known of it; an entry a call if so wished, or if a teardown began so. */
static unsigned zap_batch(const struct gather *g, unsigned page, unsigned end)
{
	struct ref_op op = {.page = page, .nr = end - page};

	if (g->single || ref_in_teardown(&ex.sp->mm, page))
		return 1;
	ref_clip_get_and_clear_full_ptes(&ex.sp->mm, &op);
	return op.nr;
}

/* Removes the batch; returns the first entry with the A/D of all, or 0 when nobody wants to know
 * [zap_present_folio_ptes()]. */
static uint64_t zap_clear(const struct gather *g, unsigned page, unsigned nr, struct forced *f)
{
	const bool rest = ref_in_teardown(&ex.sp->mm, page);
	struct ref_op op = {.full = g->g.fullmm || rest};
	const struct pt_mm *mm = &ex.sp->pt;
	uint64_t v = 0;

	if (g->single || rest) {
		seam_begin(&op, OP_ptep_get_and_clear_full, page, 1);
		v = ex.impl->ptep_get_and_clear_full(mm, ex_addr(page), ex_ptep(page), op.full);
		seam_done_entry(&op, v);
	} else if (g->file || !ex.impl->clear_full_ptes) {
		seam_begin(&op, OP_get_and_clear_full_ptes, page, nr);
		v = ex.impl->get_and_clear_full_ptes(mm, ex_addr(page), ex_ptep(page), nr, g->g.fullmm);
		seam_done_entry(&op, v);
	} else {
		seam_begin(&op, OP_clear_full_ptes, page, nr);
		ex.impl->clear_full_ptes(mm, ex_addr(page), ex_ptep(page), nr, g->g.fullmm);
		seam_done(&op);
	}
	*f = (struct forced){page, nr, op.begin, ex.sp->mm.now + 1};
	return v;
}

/* One batch of present entries, or one other entry. Returns the pages done. */
static unsigned zap_entries(struct gather *g, unsigned page, unsigned end, struct forced *force)
{
	const struct ref_val was = ref_now(&ex.sp->mm, page)->val;
	struct ref_op op = {.id = 0};
	struct forced f;
	unsigned nr;
	uint64_t v;

	if (was.kind == REF_NONE || (ref_in_teardown(&ex.sp->mm, page) && !g->all))
		return 1;
	if (was.kind == REF_PAYLOAD) {
		seam_begin(&op, OP_ptep_get_and_clear, page, 1);
		seam_done_entry(&op, ex.impl->ptep_get_and_clear(&ex.sp->pt, ex_addr(page), ex_ptep(page)));
		if (HAZARD_BUG(hazard_zap_marker) && !g->all) {
			put_payload(page, 1, "zap");
			seam_ptep_get(page);
		}
		return 1;
	}
	nr = zap_batch(g, page, end);
	v = zap_clear(g, page, nr, &f);
	gather_entries(g, page, nr);
	for (unsigned i = 0; i < nr && !was.special; i++)
		gather_page(g, page + i, was.pfn + i);
	if (g->file && v & PT_DIRTY)
		*force = f;
	return nr;
}

/* One section under the lock of the table. Returns where it stopped. */
static unsigned zap_section(struct gather *g, unsigned page, unsigned end)
{
	const unsigned first = page;
	struct forced force = {.nr = 0};

	seam_lock(first);
	complete_batched(ex.cur->op.r->kind, page, end - page);
	seam_lazy_enter();
	while (page < end && ex_ptep(page) && !force.nr && !ex.stop)
		page += zap_entries(g, page, end, &force);
	if (!ex_ptep(first))
		page = end;
	seam_lazy_leave();
	if (force.nr && !BUG(zap_dirty_flush_late))
		gather_flush_tlb(g);
	if (force.nr) /* the page may be cleaned from here on */
		ref_promise_flush(&ex.sp->mm, ex.cur->op.r->kind, force.page, force.nr, force.since, force.before);
	seam_unlock(first);
	if (force.nr)
		gather_flush(g);
	return page;
}

void zap_pte_range(struct gather *g, unsigned page, unsigned end)
{
	while (page < end && !ex.stop)
		page = zap_section(g, page, end);
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
	gather_start(&g, false, "free_table");
	g.file = g.all = true;
	zap_pte_range(&g, lo, lo + half);
	free_table_of(&g, t);
	gather_finish(&g);
	seam_mmap_unlock(false);
	return 1;
}

static bool any_used(unsigned page, unsigned end)
{
	return ref_next(ex.sp->mm.used, page, end) < end;
}

/* madvise(MADV_DONTNEED): zap_page_range_single(). The lock is shared, so two may run at once. */
int run_zap(const struct rec *r, struct rec *eff)
{
	unsigned page = page_of_rec(r), end = page + r->nr;
	struct gather g;

	if (!ex.impl->tlb_flush || !ex.impl->get_and_clear_full_ptes || !ex.impl->ptep_get_and_clear)
		return -1;
	if (end > ex.sp->mm.npages)
		end = ex.sp->mm.npages;
	seam_mmap_lock(true);
	if (!any_used(page, end) && ex.sp->gathers == 0) { /* nothing there: the nearest batch that is */
		struct ref_op op = {.page = page, .nr = r->nr};

		if (!ref_clip_get_and_clear_full_ptes(&ex.sp->mm, &op)) {
			seam_mmap_unlock(true);
			return 0;
		}
		page = op.page;
		end = op.page + op.nr;
	}
	write_back(eff, r, page, end - page);
	gather_start(&g, false, "zap");
	g.file = r->b & 1;
	g.single = r->b & 2 && ex.impl->ptep_get_and_clear_full;
	for (unsigned p = page, next; p < end && !ex.stop; p = next) {
		next = (p | (2 * ex.cont - 1)) + 1;
		next = next < end ? next : end;
		zap_pte_range(&g, p, next);
	}
	gather_finish(&g);
	if (g.nested) /* what it found gone already, nobody uses either */
		ref_promise_flush(&ex.sp->mm, OP_zap, page, end - page, 0, g.before);
	seam_mmap_unlock(true);
	return 1;
}
