/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fork(): dup_mmap() and copy_page_range().
 *
 * Property: the child maps what the parent mapped, entry by entry: the same pages with the same rights, without write
 * permission on both sides if the mapping is private, never young, and dirty as the parent's or, of a shared mapping,
 * clean; the parent loses no dirty state. When fork returns no store of the parent succeeds through what it could do
 * before.
 */
#include "entries.h"

#include <string.h>

/* Entries read as present: what a batch may differ in, on top of young and what is ignored [pte_batch_hint()]. */
static unsigned batch_hint(unsigned page)
{
	const uint64_t raw = hw_peek(ex_ptep(page));
	const unsigned off = page & (ex.cont - 1);

	return raw & HW_D_VALID && raw & HW_D_CONT ? ex.cont - off : 1;
}

/* How many entries from `page` on, below `end`, continue `val` in one folio: the same apart from young and what
 * `ignore` names. It reads entries as the kernel does: one for each that is not in a contiguous run. */
static unsigned folio_pte_batch(unsigned page, unsigned end, uint64_t val, uint64_t ignore, uint64_t *any)
{
	const uint64_t same = ~(ignore | PT_YOUNG);
	const struct ref_val *first = &ref_now(&ex.sp->mm, page)->val;
	unsigned left = (1u << ex.folio[ex.p->h.geo][first->folio].order), nr = batch_hint(page);

	*any = val;
	left -= (unsigned)(first->pfn & (left - 1)); /* pages of the folio from here on */
	end = end - page < left ? end : page + left;
	while (page + nr < end) {
		const uint64_t v = seam_ptep_get(page + nr);

		if ((v & same) != ((val + PT_MAKE(nr, 0)) & same))
			break;
		*any |= v & PT_FLAGS;
		nr += batch_hint(page + nr);
	}
	return page + nr < end ? nr : end - page;
}

struct copy {
	struct space *parent, *child;
	bool shared;
	uint64_t
		dirty[REF_WORDS]; /* pages of the parent that were dirty for sure when the table's lock was taken */
};

static void note_dirty(struct copy *c, unsigned page, unsigned end)
{
	memset(c->dirty, 0, sizeof(c->dirty));
	for (; (page = ref_next(c->parent->mm.present, page, end)) < end; page++)
		if (ref_now(&c->parent->mm, page)->dirty.must)
			c->dirty[page / 64] |= 1ull << (page % 64);
}

/* What is wrong with the copy of a page, or NULL. */
static const char *copy_diff(const struct copy *c, unsigned page)
{
	const struct ref_version *p = ref_now(&c->parent->mm, page), *n = ref_now(&c->child->mm, page);

	if (n->val.kind != p->val.kind || n->val.pfn != p->val.pfn || n->val.special != p->val.special)
		return "wrong-copy";
	if (p->val.kind != REF_PRESENT)
		return NULL;
	if (p->val.write && !c->shared)
		return "write-kept";
	if (n->val.exec != p->val.exec || n->val.protnone != p->val.protnone || n->val.write != p->val.write)
		return "wrong-permission";
	return NULL;
}

static const char *copy_ad_diff(const struct copy *c, unsigned page)
{
	const struct ref_version *p = ref_now(&c->parent->mm, page), *n = ref_now(&c->child->mm, page);
	const bool dirty = ref_in_set(c->dirty, page);

	if (p->val.kind != REF_PRESENT)
		return NULL;
	if (dirty && !p->dirty.must)
		return "dirty-lost";
	if (dirty && !c->shared && !n->dirty.must)
		return "child-dirty-lost";
	if (n->dirty.must && (c->shared || !p->dirty.may))
		return "child-dirty-invented";
	return n->young.must ? "child-young-invented" : NULL;
}

/* The specification of the copy: of what the operations did, page by page. */
static void check_copy(const struct copy *c, unsigned page, unsigned nr)
{
	for (unsigned end = page + nr; page < end && !ex.stop; page++) {
		const char *state = copy_diff(c, page), *ad = copy_ad_diff(c, page);

		if (!state && !ad)
			continue;
		ex.out->page = (int)page;
		ex_finding(state ? "state" : "ad", "fork", state ? state : ad,
			   "page %u.%u: the child's entry does not follow from the parent's", page / ex.cont,
			   page % ex.cont);
	}
}

static void copy_set(struct copy *c, uint8_t id, unsigned page, uint64_t val, unsigned nr)
{
	struct ref_op op = {.young = val & PT_YOUNG, .dirty = val & PT_DIRTY};

	op.val = seam_obs(val).val;
	op.val.folio = ref_now(&c->parent->mm, page)->val.folio;
	ex_use(c->child);
	seam_begin(&op, id, page, nr);
	ex.impl->set_ptes(&ex.sp->pt, ex_addr(page), ex_ptep(page), val, nr);
	seam_done(&op);
	ex_use(c->parent);
}

static void copy_wrprotect(unsigned page, unsigned nr)
{
	struct ref_op op = {.id = 0};

	if (BUG(fork_wrprotect_first_only))
		nr = 1;
	seam_begin(&op, OP_wrprotect_ptes, page, nr);
	ex.impl->wrprotect_ptes(&ex.sp->pt, ex_addr(page), ex_ptep(page), nr);
	seam_done(&op);
}

/* Planted: the parent's entries are taken out and put back clean, as if only the child's were to be. */
static void copy_wrprotect_clean(struct copy *c, unsigned page, unsigned nr)
{
	struct ref_op op = {.id = 0};
	uint64_t v;

	seam_begin(&op, OP_get_and_clear_full_ptes, page, nr);
	v = ex.impl->get_and_clear_full_ptes(&ex.sp->pt, ex_addr(page), ex_ptep(page), nr, 0);
	seam_done_entry(&op, v);
	op = (struct ref_op){.young = v & PT_YOUNG};
	v &= ~(PT_WRITE | PT_DIRTY);
	op.val = seam_obs(v).val;
	op.val.folio = ref_now(&c->child->mm, page)->val.folio;
	seam_begin(&op, OP_set_ptes, page, nr);
	ex.impl->set_ptes(&ex.sp->pt, ex_addr(page), ex_ptep(page), v, nr);
	seam_done(&op);
}

/* A batch of present entries: copy_present_ptes(). Returns the pages done. */
static unsigned copy_present(struct copy *c, unsigned page, unsigned end)
{
	const uint64_t val = seam_ptep_get(page);
	const bool special = ref_now(&ex.sp->mm, page)->val.special;
	uint64_t any = val, copy = val & ~(PT_YOUNG | (c->shared ? PT_DIRTY : PT_WRITE));
	unsigned nr = 1;

	if (!special)
		nr = folio_pte_batch(page, end, val, c->shared ? PT_DIRTY : PT_WRITE, &any);
	if (!c->shared && any & PT_WRITE && !BUG(fork_parent_dirty_lost))
		copy_wrprotect(page, nr);
	if (BUG(fork_child_dirty_wrong))
		copy &= ~PT_DIRTY;
	copy_set(c, OP_set_ptes, page, copy, nr);
	if (!c->shared && any & PT_WRITE && BUG(fork_parent_dirty_lost))
		copy_wrprotect_clean(c, page, nr);
	if (!ex.stop)
		check_copy(c, page, nr);
	return nr;
}

/* A half cleared block is nothing to copy. */
static unsigned copy_end(unsigned page, unsigned end)
{
	for (unsigned p = (page | (ex.cont - 1)) + 1; p < end; p += ex.cont)
		if (ref_in_teardown(&ex.sp->mm, p))
			return p;
	return end;
}

static unsigned copy_entry(struct copy *c, unsigned page, unsigned end)
{
	const unsigned kind = ref_now(&ex.sp->mm, page)->val.kind;

	if (kind == REF_NONE || ref_in_teardown(&ex.sp->mm, page))
		return 1;
	if (kind == REF_PRESENT)
		return copy_present(c, page, copy_end(page, end));
	if (is_device_exclusive(ref_now(&ex.sp->mm, page)->val.pfn)) { /* try_restore_exclusive_pte() */
		restore_exclusive_pte(page, PT_PFN(seam_ptep_get(page)));
		if (!HAZARD_BUG(hazard_fork_exclusive))
			seam_lazy_flush(); /* rare enough: what was set is read again as a present entry */
		return copy_present(c, page, page + 1);
	}
	copy_set(c, OP_set_marker, page, seam_ptep_get(page), 1); /* copy_nonpresent_pte() */
	return 1;
}

/* copy_pte_range(). False: no memory for the child's table. */
static bool copy_table(struct copy *c, unsigned table)
{
	const unsigned lo = table * 2 * ex.cont, end = lo + 2 * ex.cont;
	unsigned page = lo;
	bool ok;

	if (!c->parent->leaf[table])
		return true;
	ex_use(c->child);
	ok = table_for(lo);
	if (ok) {
		seam_lock(lo);
		ex_use(c->parent);
		seam_lock(lo);
		note_dirty(c, lo, end);
		seam_lazy_enter();
		while (page < end && !ex.stop)
			page += copy_entry(c, page, end);
		ex_use(c->child);
		seam_lazy_leave();
		ex_use(c->parent);
		seam_unlock(lo);
		ex_use(c->child);
		seam_unlock(lo);
	}
	ex_use(c->parent);
	return ok;
}

/* Also when it failed: what was copied was write-protected [dup_mmap()]. */
static void fork_flush(uint32_t since)
{
	const uint32_t before = ex.sp->mm.now + 1;

	if (!BUG(fork_no_flush))
		seam_flush_mm();
	ref_promise_flush(&ex.sp->mm, OP_fork, 0, ex.sp->mm.npages, since, before);
}

int run_fork(const struct rec *r, struct rec *eff)
{
	struct copy c = {.parent = &ex.space[0], .child = &ex.space[1], .shared = r->b & 1};
	uint32_t since;
	bool ok = true;

	*eff = *r;
	if (!ex.impl->pte_alloc || !ex.impl->wrprotect_ptes || !ex.impl->set_ptes || !ex.impl->flush_tlb_mm ||
	    !ex.impl->pmd_clear || !ex.impl->tlb_flush || !ex.impl->get_and_clear_full_ptes || !ex.impl->ptep_get)
		return -1;
	if (ex.sp != c.parent)
		return 0;
	seam_mmap_lock(false);
	if (c.child->alive || c.child->dying) {
		seam_mmap_unlock(false);
		return 0;
	}
	exec_space_create(c.child);
	ex_use(c.child);
	seam_mmap_lock(false); /* dup_mmap() holds it too: nobody can use what is half copied */
	ex_use(c.parent);
	since = c.parent->mm.now;
	for (unsigned t = 0; t < REF_TABLES && ok && !ex.stop; t++)
		ok = copy_table(&c, t);
	fork_flush(since);
	ex_use(c.child);
	seam_mmap_unlock(false);
	ex_use(c.parent);
	seam_mmap_unlock(false);
	if (!ok) {
		exec_space_retire(c.child);
		space_teardown(c.child, false, "fork");
	}
	return 1;
}
