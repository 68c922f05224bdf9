/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steps that several callers make on entries.
 *
 * Property: each step is one call of the checked seam. What generic code asserts about entries is asserted here: a page
 * that is present is never mapped over, since that would lose it and what hardware recorded of it.
 */
#include "entries.h"

static bool same_batch(const struct ref_val *a, const struct ref_val *b, unsigned n)
{
	return b->folio == a->folio && b->pfn == a->pfn + n && b->protnone == a->protnone &&
	       b->special == a->special && b->write == a->write && b->exec == a->exec;
}

bool batch_at(struct batch *b, unsigned page, unsigned end)
{
	const struct ref_mm *mm = &ex.sp->mm;

	if (!ex_ptep(page) || !ref_present(mm, page) || ref_in_teardown(mm, page))
		return false;
	if (end > table_end_of(page))
		end = table_end_of(page);
	b->page = page;
	b->val = ref_now(mm, page)->val;
	for (b->nr = 1; page + b->nr < end; b->nr++) {
		const unsigned next = page + b->nr;

		if (!ref_present(mm, next) || ref_in_teardown(mm, next) ||
		    !same_batch(&b->val, &ref_now(mm, next)->val, b->nr))
			break;
	}
	return true;
}

uint64_t take_ptes(unsigned page, unsigned nr)
{
	struct ref_op op = {.nr = nr};
	uint64_t v;

	if (nr == 1) {
		seam_begin(&op, OP_ptep_get_and_clear, page, 1);
		v = ex.impl->ptep_get_and_clear(&ex.sp->pt, ex_addr(page), ex_ptep(page));
	} else {
		seam_begin(&op, OP_get_and_clear_full_ptes, page, nr);
		v = ex.impl->get_and_clear_full_ptes(&ex.sp->pt, ex_addr(page), ex_ptep(page), nr, 0);
	}
	seam_done_entry(&op, v);
	return v;
}

uint64_t take_and_flush(unsigned page)
{
	struct ref_op op = {.nr = 1};
	uint64_t v;

	seam_begin(&op, OP_ptep_clear_flush, page, 1);
	v = ex.impl->ptep_clear_flush(&ex.sp->pt, ex_addr(page), ex_ptep(page));
	seam_done_entry(&op, v);
	return v;
}

void flush_old(unsigned page, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		if (ref_lingers(&ex.sp->mm, page + i)) {
			seam_flush(page, nr, false);
			return;
		}
	}
}

/* rmap and page_table_check would notice: the page is still mapped as far as its counts go. */
static void assert_absent(unsigned page, unsigned nr, const char *fn)
{
	unsigned p = ref_next(ex.sp->mm.present, page, page + nr);

	if (p == page + nr)
		return;
	ex.out->page = (int)p;
	ex_finding("state", fn, "mapped-over", "page %u.%u is present: mapping over it loses the page", p / ex.cont,
		   p % ex.cont);
}

void(put_payload)(unsigned page, uint64_t payload, const char *fn)
{
	struct ref_op op = {.nr = 1};
	const uint64_t val = payload << 12;

	assert_absent(page, 1, fn);
	op.val = seam_obs(val).val;
	(seam_begin)(&op, OP_set_marker, page, 1);
	ex.impl->set_ptes(&ex.sp->pt, ex_addr(page), ex_ptep(page), val, 1);
	seam_done(&op);
}

static void install(uint8_t id, struct ref_op *op, unsigned page, unsigned nr, uint64_t val, unsigned folio)
{
	op->val = seam_obs(val).val;
	op->val.folio = (uint16_t)folio;
	op->young = val & PT_YOUNG;
	op->dirty = val & PT_DIRTY;
	(seam_begin)(op, id, page, nr);
}

void(put_ptes)(unsigned page, unsigned nr, uint64_t val, unsigned folio, const char *fn)
{
	struct ref_op op = {.nr = nr};

	assert_absent(page, nr, fn);
	install(OP_set_ptes, &op, page, nr, val, folio);
	ex.impl->set_ptes(&ex.sp->pt, ex_addr(page), ex_ptep(page), val, nr);
	seam_done(&op);
}

uint64_t prot_start(const struct batch *b)
{
	struct ref_op op = {.nr = b->nr};
	uint64_t v;

	seam_begin(&op, API_modify_prot_start_ptes, b->page, b->nr);
	v = ex.impl->modify_prot_start_ptes(&ex.sp->pt, ex_addr(b->page), ex_ptep(b->page), b->nr);
	seam_done_entry(&op, v);
	return v;
}

void(prot_commit)(const struct batch *b, uint64_t removed, uint64_t old, uint64_t val)
{
	const uint64_t kept = (removed | old) & (PT_YOUNG | PT_DIRTY);
	struct ref_op op = {.nr = b->nr};

	install(API_modify_prot_commit_ptes, &op, b->page, b->nr, val | kept, b->val.folio);
	ex.impl->modify_prot_commit_ptes(&ex.sp->pt, ex_addr(b->page), ex_ptep(b->page), old, val, b->nr);
	seam_done(&op);
}

void clean_ptes(const struct batch *b, bool young, bool dirty)
{
	struct ref_op op = {.nr = b->nr, .young = young, .dirty = dirty};

	seam_begin(&op, OP_clear_young_dirty_ptes, b->page, b->nr);
	ex.impl->clear_young_dirty_ptes(&ex.sp->pt, ex_addr(b->page), ex_ptep(b->page), b->nr,
					(young ? PT_CYDP_YOUNG : 0) | (dirty ? PT_CYDP_DIRTY : 0));
	seam_done(&op);
}

void complete_batched(uint8_t id, unsigned page, unsigned nr)
{
	const uint32_t before = ex.sp->mm.now + 1;
	struct ref_op op = {.nr = 0};

	if (!ex.sp->batched || !ex.impl->arch_flush_tlb_batched_pending)
		return;
	ex.sp->batched = false;
	if (!BUG(batched_pending_not_completed)) {
		seam_begin(&op, API_arch_flush_tlb_batched_pending, 0, ex.sp->mm.npages);
		ex.impl->arch_flush_tlb_batched_pending(&ex.sp->pt);
		seam_done(&op);
	}
	if (ex.sp->batches)
		ref_promise_flush(&ex.sp->mm, id, page, nr, ex.sp->batched_since, before);
}

uint32_t batch_add(unsigned page, unsigned nr, uint32_t since)
{
	struct ref_op op = {.nr = nr};

	if (!ex.sp->batches++)
		ex.sp->batched_since = since;
	ex.sp->batched = true;
	seam_begin(&op, API_arch_tlbbatch_add_pending, page, nr);
	ex.impl->arch_tlbbatch_add_pending(&ex.sp->pt, ex_addr(page), ex_addr(page + nr));
	seam_done(&op);
	return op.begin;
}

void batch_flush(unsigned page, unsigned nr, uint32_t added)
{
	struct ref_op op = {.before = added};

	ex.sp->batches--;
	seam_begin(&op, API_arch_tlbbatch_flush, page, nr);
	ex.impl->arch_tlbbatch_flush();
	seam_done(&op);
}

bool page_is_shared(uint64_t pfn)
{
	for (unsigned i = 0; i < EX_SPACES; i++) {
		const struct ref_mm *mm = &ex.space[i].mm;

		if (!ex.space[i].alive || &ex.space[i] == ex.sp)
			continue;
		for (unsigned p = 0; (p = ref_next(mm->present, p, mm->npages)) < mm->npages; p++)
			if (ref_now(mm, p)->val.pfn == pfn)
				return true;
	}
	return false;
}

unsigned folio_page_for(const struct pt_folio *f, unsigned page, unsigned shift)
{
	const uint64_t vpn = ex_addr(page) >> ex.geo->page_shift;

	return (unsigned)((vpn + shift) & ((1u << f->order) - 1));
}

const struct pt_folio *data_folio(unsigned id)
{
	return &ex.folio[ex.p->h.geo][id % EX_FOLIOS];
}

void rmap_space(bool other)
{
	struct space *sp = &ex.space[!ex_space_id(ex.sp)];

	if (other && sp->alive)
		ex_use(sp);
}
