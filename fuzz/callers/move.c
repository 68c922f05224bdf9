/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mremap(), as move_ptes() does it.
 *
 * Property: entries move with their access and dirty state; when the table lock is released nobody uses the old place,
 * for whoever takes it next may find the page at the new one, unmap and free it, and flush only there.
 */
#include "entries.h"

/* Pages from `to` on that are unused, below one table and outside [from, from + nr). */
static unsigned room_at(unsigned to, unsigned from, unsigned nr)
{
	const unsigned end = table_end_of(to);
	unsigned n = 0;

	while (n < nr && to + n < end && !ref_used(&ex.sp->mm, to + n) && !ref_in_teardown(&ex.sp->mm, to + n) &&
	       (to + n < from || to + n >= from + nr))
		n++;
	return n;
}

/* The ranges of a record: from the next used page on, to the next place with room. False: there is none. */
static bool choose_ranges(const struct rec *r, unsigned *from, unsigned *to, unsigned *nr)
{
	struct ref_op op = {.page = page_of_rec(r), .nr = 1};
	const unsigned want = (r->a & 3u) * ex.cont + (r->b & (ex.cont - 1)), npages = ex.sp->mm.npages;

	if (!ref_clip_ptep_get_lockless(&ex.sp->mm, &op) || !ref_used(&ex.sp->mm, op.page))
		return false;
	*from = op.page;
	*nr = *from + r->nr < table_end_of(*from) ? r->nr : table_end_of(*from) - *from;
	for (unsigned i = 0; i < npages; i++) {
		const unsigned n = room_at((want + i) & (npages - 1), *from, *nr);

		if (!n)
			continue;
		*to = (want + i) & (npages - 1);
		*nr = n;
		return true;
	}
	return false;
}

/* Returns whether somebody may have cached what was there. */
static bool move_one(unsigned from, unsigned to)
{
	const struct ref_val v = ref_now(&ex.sp->mm, from)->val;
	uint64_t val;

	if (v.kind == REF_NONE || ref_in_teardown(&ex.sp->mm, from) || ref_in_teardown(&ex.sp->mm, to) ||
	    ref_used(&ex.sp->mm, to))
		return false;
	flush_old(to, 1);
	val = take_ptes(from, 1);
	if (v.kind == REF_PAYLOAD)
		put_payload(to, PT_PFN(val), "mremap");
	else
		put_ptes(to, 1, val, v.folio, "mremap");
	if (HAZARD_BUG(hazard_move_verify)) /* to see that it has arrived */
		seam_ptep_get(to);
	return v.kind == REF_PRESENT;
}

static void lock_both(unsigned a, unsigned b)
{
	if (ex_table(a) != ex_table(b))
		seam_lock(a < b ? a : b);
	seam_lock(a < b ? b : a);
}

static void unlock_both(unsigned a, unsigned b)
{
	seam_unlock(a < b ? b : a);
	if (ex_table(a) != ex_table(b))
		seam_unlock(a < b ? a : b);
}

static void move_ptes(unsigned from, unsigned to, unsigned nr)
{
	const uint32_t since = ex.sp->mm.now;
	bool force_flush = false;
	uint32_t before;

	complete_batched(OP_mremap, from, nr);
	seam_lazy_enter();
	for (unsigned i = 0; i < nr && !ex.stop; i++)
		force_flush |= move_one(from + i, to + i);
	seam_lazy_leave();
	before = ++ex.sp->mm.now;
	if (force_flush && !BUG(mremap_no_flush) && !BUG(mremap_flush_after_unlock))
		seam_flush(from, nr, false);
	ref_promise_flush(&ex.sp->mm, OP_mremap, from, nr, since, before);
	unlock_both(from, to);
	if (force_flush && BUG(mremap_flush_after_unlock))
		seam_flush(from, nr, false);
}

int run_mremap(const struct rec *r, struct rec *eff)
{
	unsigned from, to, nr;

	if (!ex.impl->ptep_get_and_clear || !ex.impl->set_ptes)
		return -1;
	seam_mmap_lock(false);
	if (!choose_ranges(r, &from, &to, &nr)) {
		seam_mmap_unlock(false);
		return 0;
	}
	write_back(eff, r, from, nr);
	eff->a = (uint8_t)(to >> ex.cont_bits);
	eff->b = (uint8_t)(to & (ex.cont - 1));
	lock_both(from, to);
	if (ex_ptep(from) && table_for(to))
		move_ptes(from, to, nr);
	else
		unlock_both(from, to);
	seam_mmap_unlock(false);
	return 1;
}
