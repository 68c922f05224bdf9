/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device-exclusive entries, as make_device_exclusive() and restore_exclusive_pte() handle them.
 *
 * Property: while a device has a page to itself no CPU translates it; the entry that is put back has the permissions it
 * had, and what is set in lazy MMU mode is not read before it is flushed [thread 002].
 */
#include "entries.h"

/* No other payload has both bits: swap_payload() has 39 bits, migration entries have few page frames. */
#define EXCL_TAG   (3ull << 38)
#define EXCL_FLAGS 4

static const uint64_t excl_flag[EXCL_FLAGS] = {PT_DIRTY, PT_WRITE, PT_EXEC, PT_YOUNG};

static uint64_t exclusive_make(uint64_t val)
{
	uint64_t p = EXCL_TAG | PT_PFN(val) << EXCL_FLAGS;

	for (unsigned i = 0; i < EXCL_FLAGS; i++)
		p |= val & excl_flag[i] ? 1ull << i : 0;
	return p;
}

bool is_device_exclusive(uint64_t payload)
{
	return (payload & EXCL_TAG) == EXCL_TAG;
}

static unsigned folio_of(uint64_t pfn)
{
	unsigned id = 0;

	for (unsigned i = 0; i < EX_FOLIOS; i++) {
		const struct pt_folio *f = data_folio(i);

		if (pfn >= f->pfn && pfn < f->pfn + (1ull << f->order))
			id = i;
	}
	return id;
}

void restore_exclusive_pte(unsigned page, uint64_t payload)
{
	const uint64_t pfn = (payload & ~EXCL_TAG) >> EXCL_FLAGS;
	uint64_t flags = PT_PRESENT;

	for (unsigned i = 0; i < EXCL_FLAGS; i++)
		flags |= payload >> i & 1 ? excl_flag[i] : 0;
	flush_old(page, 1);
	put_ptes(page, 1, PT_MAKE(pfn, flags & ~(uint64_t)PT_YOUNG), folio_of(pfn), "device_exclusive");
}

/* A page of an ordinary folio that nobody else maps, or an entry to be put back. */
static bool clip_exclusive(const struct ref_mm *mm, struct ref_op *op)
{
	op->nr = 1;
	for (unsigned i = 0; i < mm->npages; i++) {
		const unsigned p = (op->page + i) & (mm->npages - 1);
		const struct ref_val *v = &ref_now(mm, p)->val;

		if (!ref_used(mm, p) || ref_in_teardown(mm, p))
			continue;
		if (v->kind == REF_PAYLOAD ? is_device_exclusive(v->pfn) : !v->special && !v->protnone) {
			op->page = p;
			return true;
		}
	}
	return false;
}

int run_device_exclusive(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	uint64_t val;

	if (!ex.impl->ptep_clear_flush || !ex.impl->set_ptes || !ex.impl->ptep_get)
		return -1;
	seam_mmap_lock(true);
	if (!prepare(&op, r, clip_exclusive, eff)) {
		seam_mmap_unlock(true);
		return 0;
	}
	val = seam_ptep_get(op.page);
	if (val & PT_PRESENT)
		put_payload(op.page, exclusive_make(take_and_flush(op.page)), "device_exclusive");
	else
		restore_exclusive_pte(op.page, PT_PFN(val));
	seam_unlock(op.page);
	seam_mmap_unlock(true);
	return 1;
}
