/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ageing by batches, and madvise(MADV_COLD, MADV_FREE), as madvise.c does them.
 *
 * Property: MADV_FREE cleans whole folios or nothing: the implementation may clean all that shares a contiguous run, so
 * what it does to pages that nobody named is the caller's mistake, and loses data.
 */
#include "entries.h"

/* folio_referenced(): one batch, with or without an invalidation that nobody waits for. */
int run_young_ptes(const struct rec *r, struct rec *eff)
{
	const bool flush = r->b & 1;
	int (*const fn)(const struct pt_mm *, uint64_t, uint64_t *, unsigned) =
		flush ? ex.impl->clear_flush_young_ptes : ex.impl->test_and_clear_young_ptes;
	struct ref_op op = {.nr = 1};
	int young;

	if (!fn)
		return -1;
	if (!prepare(&op, r, ref_clip_test_and_clear_young_ptes, eff))
		return 0;
	seam_begin(&op, flush ? API_clear_flush_young_ptes : API_test_and_clear_young_ptes, op.page, op.nr);
	young = fn(&ex.sp->pt, ex_addr(op.page), ex_ptep(op.page), op.nr);
	seam_done_young(&op, young);
	seam_unlock(op.page);
	return 1;
}

/* madvise_cold_or_pageout_pte_range(): the age of the folio is one, so a part of it may be widened. */
static void make_cold(struct gather *g, const struct batch *b)
{
	if (!batch_is_normal(b) || !(seam_ptep_get(b->page) & PT_YOUNG))
		return;
	clean_ptes(b, true, false);
	gather_entries(g, b->page, b->nr);
}

static bool reads_dirty(unsigned page)
{
	const unsigned lo = page & ~(ex.cont - 1);
	uint64_t raw = hw_peek(ex_ptep(page));

	if (ex.impl->entry_read(raw) & PT_DIRTY)
		return true;
	for (unsigned i = 0; raw & HW_D_CONT && i < ex.cont; i++)
		if (ex.impl->entry_read(hw_peek(ex_ptep(lo + i))) & PT_DIRTY)
			return true;
	return false;
}

/* Pages of the folio that nobody named: those that were dirty are so still. */
static void check_neighbours(const struct batch *b, const uint64_t *dirty, unsigned lo)
{
	for (unsigned i = 0; i < 64 * REF_WORDS && lo + i < ex.sp->mm.npages; i++) {
		if (!ref_in_set(dirty, i) || ref_now(&ex.sp->mm, lo + i)->dirty.must || reads_dirty(lo + i))
			continue;
		ex.out->page = (int)(lo + i);
		ex_finding("ad", "madvise_free", "dirty-lost",
			   "page %u.%u was dirty, and only %u pages from %u.%u on are to go", (lo + i) / ex.cont,
			   (lo + i) % ex.cont, b->nr, b->page / ex.cont, b->page % ex.cont);
		return;
	}
}

static void clean_batch(const struct batch *b)
{
	const unsigned lo = b->page & ~(ex.cont - 1), end = (b->page + b->nr + ex.cont - 1) & ~(ex.cont - 1);
	uint64_t dirty[REF_WORDS] = {0};

	for (unsigned p = lo; (p = ref_next(ex.sp->mm.present, p, end)) < end; p++)
		if ((p < b->page || p >= b->page + b->nr) && ref_now(&ex.sp->mm, p)->dirty.must)
			dirty[(p - lo) / 64] |= 1ull << (p - lo) % 64;
	clean_ptes(b, true, true);
	check_neighbours(b, dirty, lo);
}

static bool whole_folio(const struct batch *b)
{
	const struct pt_folio *f = data_folio(b->val.folio);

	return b->val.pfn == f->pfn && b->nr == 1u << f->order;
}

/* madvise_free_pte_range(): a folio that is named in part is split first; folios are never split here, so it stays. */
static void make_free(struct gather *g, struct batch *b)
{
	const unsigned left = 1u << data_folio(b->val.folio)->order;

	if (b->nr > left)
		b->nr = left;
	if (!batch_is_normal(b) || !(seam_ptep_get(b->page) & (PT_YOUNG | PT_DIRTY)))
		return;
	for (unsigned i = 0; i < b->nr; i++)
		if (page_is_shared(b->val.pfn + i))
			return;
	if (!whole_folio(b) && !BUG(madvise_free_neighbours))
		return;
	clean_batch(b);
	gather_entries(g, b->page, b->nr);
}

/* Swap entries go at once [free_swap_and_cache()]; migration entries and the like (bit 39, migrate.c) stay. */
static void drop_payload(unsigned page)
{
	if (ref_now(&ex.sp->mm, page)->val.pfn >> 39)
		return;
	if (ex_ptep(page) && ref_used(&ex.sp->mm, page) && !ref_present(&ex.sp->mm, page) &&
	    !ref_in_teardown(&ex.sp->mm, page))
		take_ptes(page, 1);
}

static void advise_range(struct gather *g, uint8_t id, unsigned page, unsigned end)
{
	const unsigned lo = page;
	struct batch b;

	seam_lock(lo);
	complete_batched(id, lo, end - lo);
	seam_lazy_enter();
	while (page < end && !ex.stop) {
		b.nr = 1;
		if (!batch_at(&b, page, end)) {
			if (id == OP_madvise_free)
				drop_payload(page);
		} else if (id == OP_madvise_free) {
			make_free(g, &b);
		} else {
			make_cold(g, &b);
		}
		page += b.nr;
	}
	seam_lazy_leave();
	seam_unlock(lo);
}

/* MADV_FREE needs folios from their first page on. */
static bool clip_free(const struct ref_mm *mm, struct ref_op *op)
{
	for (unsigned i = 0; i < mm->npages; i++) {
		const unsigned p = (op->page + i) & (mm->npages - 1);
		struct batch b;

		if (batch_at(&b, p, p + 1) && b.val.pfn == data_folio(b.val.folio)->pfn) {
			op->page = p;
			return true;
		}
	}
	return ref_clip_ptep_get_lockless(mm, op);
}

static int madvise(const struct rec *r, struct rec *eff, ref_clip clip)
{
	struct ref_op op = {.page = page_of_rec(r), .nr = 1};
	struct gather g;
	unsigned end;

	if (!ex.impl->clear_young_dirty_ptes || !ex.impl->tlb_flush)
		return -1;
	seam_mmap_lock(true);
	if (!clip(&ex.sp->mm, &op) || !ref_used(&ex.sp->mm, op.page)) {
		seam_mmap_unlock(true);
		return 0;
	}
	end = op.page + r->nr < ex.sp->mm.npages ? op.page + r->nr : ex.sp->mm.npages;
	write_back(eff, r, op.page, end - op.page);
	gather_start(&g, false, "madvise");
	for (unsigned p = op.page; p < end && !ex.stop; p = table_end_of(p))
		advise_range(&g, r->kind, p, end < table_end_of(p) ? end : table_end_of(p));
	gather_finish(&g);
	seam_mmap_unlock(true);
	return 1;
}

int run_madvise_cold(const struct rec *r, struct rec *eff)
{
	return madvise(r, eff, ref_clip_ptep_get_lockless);
}

int run_madvise_free(const struct rec *r, struct rec *eff)
{
	return madvise(r, eff, r->b & 1 ? clip_free : ref_clip_ptep_get_lockless);
}
