/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Swap-out with batched unmap and swap-in, as shrink_folio_list(), try_to_unmap_one() and do_swap_page() do them.
 *
 * Property: a page is written out and given back only when nobody uses it any more: what hardware recorded until its
 * entry was removed is known (a dirty page is written), and stores through what is still cached are over when the write
 * begins. The flush may be batched, so another operation may meet the gap: whoever relies on a page being unmapped
 * completes it first (complete_batched()).
 */
#include "entries.h"

struct unmapped {
	unsigned page, nr;
	uint64_t pfn;
	uint32_t when;	/* it was removed */
	uint32_t added; /* to the batch; 0: flushed already */
	bool dirty;	/* as the caller took it */
	bool was_dirty; /* as the removal said */
};

/* What one record reclaims: folios are unmapped one after the other, and flushed together. */
#define RECLAIM_MAX 8
struct reclaim {
	struct unmapped u[RECLAIM_MAX];
	unsigned n;
};

/* A swap entry: somewhere in the 40 bits, so that it meets all that a descriptor keeps there. */
static uint64_t swap_payload(uint64_t pfn)
{
	return 1 + (pfn * 0x9e3779b1ull) % ((1ull << 39) - 1);
}

/* try_to_unmap_one(), under the lock. */
static void unmap(struct unmapped *u, bool batch)
{
	const uint64_t early = BUG(swap_out_clear_after_read) ? seam_ptep_get(u->page) : 0;
	const uint32_t since = ex.sp->mm.now;
	uint64_t val = 0;

	if (batch)
		val = take_ptes(u->page, u->nr);
	for (unsigned i = 0; !batch && i < u->nr && !ex.stop; i++)
		val |= take_and_flush(u->page + i) & PT_DIRTY;
	u->when = ex.sp->mm.now;
	u->added = batch ? batch_add(u->page, u->nr, since) : 0;
	u->was_dirty = val & PT_DIRTY;
	u->dirty = early ? early & PT_DIRTY : u->was_dirty;
	for (unsigned i = 0; i < u->nr && !ex.stop; i++)
		put_payload(u->page + i, swap_payload(u->pfn + i), "swap_out");
}

/* try_to_unmap_flush(), and its _dirty form before a write: all that is in the batch. */
static void unmap_flush(struct reclaim *rc)
{
	struct ref_op op = {.nr = 0};
	bool pending = false;

	for (unsigned i = 0; i < rc->n; i++)
		pending |= rc->u[i].added != 0;
	if (!pending)
		return;
	seam_begin(&op, API_arch_tlbbatch_flush, rc->u[0].page, 0);
	ex.impl->arch_tlbbatch_flush();
	seam_done(&op);
	for (unsigned i = 0; i < rc->n; i++) {
		struct unmapped *u = &rc->u[i];

		if (!u->added)
			continue;
		ref_promise_flush(&ex.sp->mm, API_arch_tlbbatch_flush, u->page, u->nr, 0, u->added);
		u->added = 0;
		ex.sp->batches--;
	}
}

static void free_pages_of(const struct unmapped *u, const char *fn)
{
	for (unsigned i = 0; i < u->nr && !ex.stop; i++)
		page_free(u->pfn + i, u->page + i, u->when, fn);
}

static void check_written(const struct unmapped *u)
{
	if (!u->was_dirty || u->dirty)
		return;
	ex.out->page = (int)u->page;
	ex_finding("ad", "swap_out", "dirty-lost", "page %u.%u was dirty when it was unmapped, and is dropped",
		   u->page / ex.cont, u->page % ex.cont);
}

/* shrink_folio_list(): what is written must not change any more, so "free" asks the right question of it too. */
static void reclaim(struct reclaim *rc)
{
	for (unsigned i = 0; i < rc->n && !ex.stop; i++) {
		check_written(&rc->u[i]);
		if (!rc->u[i].dirty)
			continue;
		if (!BUG(swap_out_write_before_flush))
			unmap_flush(rc);
		free_pages_of(&rc->u[i], "pageout");
	}
	if (!BUG(swap_out_freed_before_flush))
		unmap_flush(rc);
	for (unsigned i = 0; i < rc->n && !ex.stop; i++)
		free_pages_of(&rc->u[i], "shrink_folio_list");
	unmap_flush(rc);
}

/* The next folio of [page, end), whose table is locked. Returns the pages done. */
static unsigned unmap_at(struct reclaim *rc, unsigned page, unsigned end, bool batch)
{
	struct unmapped *u = &rc->u[rc->n];
	struct batch b;

	if (!batch_at(&b, page, end) || !batch_is_normal(&b))
		return 1;
	*u = (struct unmapped){.page = b.page, .nr = b.nr, .pfn = b.val.pfn};
	rc->n++;
	unmap(u, batch);
	return b.nr;
}

static bool lacks_batch(void)
{
	return !ex.impl->arch_tlbbatch_add_pending || !ex.impl->arch_tlbbatch_flush || !ex.impl->ptep_clear_flush ||
	       !ex.impl->get_and_clear_full_ptes;
}

int run_swap_out(const struct rec *r, struct rec *eff)
{
	const bool batch = r->b & 2;
	struct ref_op op = {.nr = 1};
	struct reclaim rc = {.n = 0};
	unsigned page, end;

	if (lacks_batch())
		return -1;
	rmap_space(r->b & 1);
	if (!prepare(&op, r, ref_clip_get_and_clear_full_ptes, eff))
		return 0;
	page = op.page;
	end = page + r->nr < ex.sp->mm.npages ? page + r->nr : ex.sp->mm.npages;
	page += unmap_at(&rc, page, end, batch);
	seam_unlock(op.page);
	while ((page = ref_next(ex.sp->mm.present, page, end)) < end && rc.n < RECLAIM_MAX && !ex.stop) {
		const unsigned at = page;

		seam_lock(at);
		page += unmap_at(&rc, at, end, batch);
		seam_unlock(at);
	}
	write_back(eff, r, op.page, page - op.page);
	reclaim(&rc);
	return rc.n > 0;
}

/* Swap entries and the like from the page on. */
static bool clip_payload(const struct ref_mm *mm, struct ref_op *op)
{
	for (unsigned i = 0; i < mm->npages; i++) {
		const unsigned p = (op->page + i) & (mm->npages - 1);
		unsigned n = 0;

		while (p + n < table_end_of(p) && n < op->nr && ref_used(mm, p + n) && !ref_present(mm, p + n) &&
		       !ref_in_teardown(mm, p + n))
			n++;
		if (!n)
			continue;
		op->page = p;
		op->nr = n;
		return true;
	}
	return false;
}

/* do_swap_page(): pages of one folio over swap entries. */
int run_swap_in(const struct rec *r, struct rec *eff)
{
	const unsigned id = (r->a & 15) % EX_FOLIOS;
	const struct pt_folio *f = data_folio(id);
	struct ref_op op = {.nr = 1};
	unsigned off;

	if (!ex.impl->set_ptes)
		return -1;
	seam_mmap_lock(true);
	if (!prepare(&op, r, clip_payload, eff)) {
		seam_mmap_unlock(true);
		return 0;
	}
	off = folio_page_for(f, op.page, r->a >> 4 & 3);
	if (op.nr > (1u << f->order) - off)
		op.nr = (1u << f->order) - off;
	write_back(eff, r, op.page, op.nr);
	flush_old(op.page, op.nr); /* here waits for the folio lock what Linux has still to flush */
	put_ptes(op.page, op.nr,
		 PT_MAKE(f->pfn + off, PT_PRESENT | PT_YOUNG | (r->b & 1 ? PT_WRITE | PT_DIRTY : 0)), id,
		 "swap_in");
	seam_unlock(op.page);
	seam_mmap_unlock(true);
	return 1;
}
