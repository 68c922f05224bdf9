/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Protection changes: mprotect() and NUMA hinting, as change_pte_range() and do_numa_page() do them.
 *
 * Property: when mprotect() returns no access exceeds the new permission, for any agent, and nothing that hardware
 * recorded meanwhile is lost. An entry without permission (PROT_NONE) stays present for software and is of no use to
 * hardware; making one valid again needs no flush, since nobody can have cached it.
 */
#include "entries.h"

/* What a pass over a range does to each entry. */
struct change {
	uint64_t perm; /* PT_WRITE, PT_EXEC, PT_PROTNONE */
	bool numa;     /* hint only: pages without a permission already stay as they are */
	struct gather g;
};

/* pte_modify(): the page and its A/D stay. */
static uint64_t modified(uint64_t old, uint64_t perm)
{
	return (old & ~(uint64_t)(PT_WRITE | PT_EXEC | PT_PROTNONE)) | perm;
}

/* can_change_pte_writable(): a page that another address space maps is written to after a copy only. */
static uint64_t perm_for(const struct batch *b, unsigned i, uint64_t perm)
{
	return perm & PT_WRITE && page_is_shared(b->val.pfn + i) ? perm & ~(uint64_t)PT_WRITE : perm;
}

static void change_batch(struct change *c, struct batch *b)
{
	const uint64_t perm = perm_for(b, 0, c->perm);
	uint64_t early, old;

	for (unsigned i = 1; i < b->nr; i++)
		if (perm_for(b, i, c->perm) != perm)
			b->nr = i;
	if (c->numa && (b->val.protnone || b->val.special))
		return;
	early = BUG(protect_commit_stale_value) ? seam_ptep_get(b->page) : 0;
	old = prot_start(b);
	prot_commit(b, old, early ? early : old, modified(early ? early : old, perm));
	if (HAZARD_BUG(hazard_protect_reread)) /* to count what has become writable */
		seam_ptep_get(b->page);
	/* pte_needs_flush(): nobody has cached an entry that was not valid. */
	if (b->val.protnone || BUG(protect_no_flush) || (perm & PT_PROTNONE && BUG(protnone_flushless_when_valid)))
		return;
	gather_entries(&c->g, b->page, b->nr);
}

/* Below one table [change_pte_range()]. Says when the lock was held. */
static void change_pte_range(struct change *c, uint8_t id, unsigned page, unsigned end, uint32_t when[2])
{
	const unsigned lo = page;
	struct batch b;

	seam_lock(lo);
	when[0] = ex.sp->mm.now;
	complete_batched(id, lo, end - lo);
	seam_lazy_enter();
	while (page < end && !ex.stop) {
		b.nr = 1;
		if (batch_at(&b, page, end))
			change_batch(c, &b);
		page += b.nr;
	}
	seam_lazy_leave();
	when[1] = ++ex.sp->mm.now;
	seam_unlock(lo);
}

static void change_protection(struct change *c, uint8_t id, unsigned page, unsigned end)
{
	uint32_t when[REF_TABLES][2];
	unsigned n = 0;

	gather_start(&c->g, false, "change_protection");
	for (unsigned p = page; p < end && !ex.stop; p = table_end_of(p), n++)
		change_pte_range(c, id, p, end < table_end_of(p) ? end : table_end_of(p), when[n]);
	gather_finish(&c->g);
	n = 0;
	for (unsigned p = page; p < end && !ex.stop; p = table_end_of(p), n++)
		ref_promise_flush(&ex.sp->mm, id, p, (end < table_end_of(p) ? end : table_end_of(p)) - p,
				  when[n][0], when[n][1]);
}

/* The range of a record, from the next page on that holds anything, under the mmap lock, which is released where there is none. */
static bool range_of(const struct rec *r, struct rec *eff, bool shared, unsigned *end)
{
	struct ref_op op = {.page = page_of_rec(r), .nr = 1};

	seam_mmap_lock(shared);
	if (!ref_clip_ptep_get_lockless(&ex.sp->mm, &op) || !ref_used(&ex.sp->mm, op.page)) {
		seam_mmap_unlock(shared);
		return false;
	}
	*end = op.page + r->nr < ex.sp->mm.npages ? op.page + r->nr : ex.sp->mm.npages;
	write_back(eff, r, op.page, *end - op.page);
	return true;
}

static bool lacks_protection(void)
{
	return !ex.impl->modify_prot_start_ptes || !ex.impl->modify_prot_commit_ptes || !ex.impl->tlb_flush;
}

int run_mprotect(const struct rec *r, struct rec *eff)
{
	struct change c = {.numa = false};
	unsigned end;

	if (lacks_protection())
		return -1;
	if (!range_of(r, eff, false, &end))
		return 0;
	c.perm = r->b & 4 ? PT_PROTNONE : (r->b & 1 ? PT_WRITE : 0) | (r->b & 2 ? PT_EXEC : 0);
	change_protection(&c, OP_mprotect, page_of_rec(eff), end);
	seam_mmap_unlock(false);
	return 1;
}

/* task_numa_work(): the next access to each page is to fault, so that it tells where the page is used. */
int run_numa(const struct rec *r, struct rec *eff)
{
	struct change c = {.perm = PT_PROTNONE, .numa = true};
	unsigned end;

	if (lacks_protection())
		return -1;
	if (!range_of(r, eff, true, &end))
		return 0;
	change_protection(&c, OP_numa, page_of_rec(eff), end);
	seam_mmap_unlock(true);
	return 1;
}

static bool clip_protnone(const struct ref_mm *mm, struct ref_op *op)
{
	op->nr = 1;
	for (unsigned i = 0; i < mm->npages; i++) {
		const unsigned p = (op->page + i) & (mm->npages - 1);

		if (ref_present(mm, p) && !ref_in_teardown(mm, p) && ref_now(mm, p)->val.protnone) {
			op->page = p;
			return true;
		}
	}
	return false;
}

/* Bug: pte_none() asked of hardware's view. The handler maps a new page. */
static void map_over(unsigned page, uint64_t perm)
{
	const struct pt_folio *f = data_folio(0);

	put_ptes(page, 1, PT_MAKE(f->pfn, PT_PRESENT | PT_YOUNG | perm), 0, "numa_fault");
}

/* do_numa_page(): the entry gets the permissions of its mapping back (here: of the record). No flush: it was invalid. */
static void make_valid(unsigned page, uint64_t perm)
{
	struct batch b;
	uint64_t old;

	if (BUG(numa_hint_as_none)) {
		map_over(page, perm);
		return;
	}
	if (!batch_at(&b, page, page + 1))
		return;
	seam_ptep_get(page); /* pte_same() */
	/* The flush of the hint may be still to come, and a run that was cached as one must not meet a single entry
	 * (DDI 0487 D8.16.1); Linux omits this. */
	flush_old(page, 1);
	old = prot_start(&b) | PT_YOUNG;
	prot_commit(&b, old, old, modified(old, perm_for(&b, 0, perm)));
}

int run_numa_fault(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};

	if (lacks_protection())
		return -1;
	seam_mmap_lock(true);
	if (!prepare(&op, r, clip_protnone, eff)) {
		seam_mmap_unlock(true);
		return 0;
	}
	make_valid(op.page, (r->b & 1 ? PT_WRITE : 0) | (r->b & 2 ? PT_EXEC : 0));
	seam_unlock(op.page);
	seam_mmap_unlock(true);
	return 1;
}
