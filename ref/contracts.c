/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contracts of the operations on user mappings.
 *
 * Property: each function says what callers of the kernel operation of that name may rely on; its clip
 * function says what they must guarantee, and moves a request to the nearest place where it is legal.
 * Sources are named in brackets. Common to all: the caller holds the page-table lock; a range lies in one
 * table and one folio; nothing outside the range changes except access/dirty state of present entries of the
 * same folio and block; a touched block may look empty to others for a moment [linux/pgtable.h, contpte.c].
 */
#include "ref.h"

typedef bool (*page_test)(const struct ref_mm *mm, unsigned page);

static bool is_free(const struct ref_mm *mm, unsigned page)
{
	return !ref_present(mm, page) && !ref_in_teardown(mm, page);
}

static bool is_absent(const struct ref_mm *mm, unsigned page)
{
	return !ref_present(mm, page);
}

/* A half cleared block takes no operation but the rest of its teardown [thread 004]. */
static bool is_live(const struct ref_mm *mm, unsigned page)
{
	return ref_present(mm, page) && !ref_in_teardown(mm, page);
}

/* And hardware translates with it. */
static bool is_valid(const struct ref_mm *mm, unsigned page)
{
	return is_live(mm, page) && !ref_now(mm, page)->val.protnone;
}

static bool is_used(const struct ref_mm *mm, unsigned page)
{
	return ref_used(mm, page);
}

static bool is_used_live(const struct ref_mm *mm, unsigned page)
{
	return is_used(mm, page) && !ref_in_teardown(mm, page);
}

static bool not_teardown(const struct ref_mm *mm, unsigned page)
{
	return !ref_in_teardown(mm, page);
}

/* The nearest page at or after op->page (then from the start) that passes. */
static inline bool seek(const struct ref_mm *mm, struct ref_op *op, page_test test)
{
	if (test(mm, op->page)) /* mostly */
		return true;
	for (unsigned i = 1; i < mm->npages; i++) {
		unsigned p = (op->page + i) & (mm->npages - 1);

		if (test(mm, p)) {
			op->page = p;
			return true;
		}
	}
	return false;
}

/* Two blocks share a table: a range stays inside it. */
static unsigned table_end(const struct ref_mm *mm, unsigned page)
{
	unsigned span = 2 * mm->cont;

	return (page | (span - 1)) + 1;
}

static inline void clip_run(const struct ref_mm *mm, struct ref_op *op, page_test test)
{
	unsigned end = table_end(mm, op->page), n = 1;

	while (n < op->nr && op->page + n < end && test(mm, op->page + n))
		n++;
	op->nr = n;
}

/* A batch is consecutive pages of one folio, all present [folio_pte_batch()]. */
static void clip_batch(const struct ref_mm *mm, struct ref_op *op)
{
	const struct ref_val *first = &ref_now(mm, op->page)->val;
	unsigned want = op->nr;

	clip_run(mm, op, is_live);
	want = op->nr;
	for (op->nr = 1; op->nr < want; op->nr++) {
		const struct ref_val *v = &ref_now(mm, op->page + op->nr)->val;

		if (v->folio != first->folio || v->pfn != first->pfn + op->nr)
			break;
	}
}

static inline bool clip_one(const struct ref_mm *mm, struct ref_op *op, page_test test)
{
	op->nr = 1;
	return seek(mm, op, test);
}

/*
 * set_ptes: installs nr entries, pfn advancing, A/D as given for each. nr > 1: none was present. nr == 1:
 * here too the slot must not be present: replacing a live entry needs the caller to break it first (DDI 0487
 * D8.16, break-before-make), and before anything new is mapped the caller has flushed what was there.
 * May merge A/D with neighbours of the folio (fold). No publication for user entries: faults retry.
 */
bool ref_clip_set_ptes(const struct ref_mm *mm, struct ref_op *op)
{
	if (!seek(mm, op, is_free))
		return false;
	if (op->nr > op->max_nr)
		op->nr = op->max_nr;
	clip_run(mm, op, is_free);
	return true;
}

void ref_set_ptes(struct ref_mm *mm, struct ref_op *op)
{
	struct ref_val v = op->val;

	op->changes = true;
	for (unsigned i = 0; i < op->nr; i++, v.pfn++)
		ref_target(mm, op, op->page + i, &v, false);
}

/* A swap entry or marker over a slot that maps nothing; also over entries already cleared by a teardown. */
bool ref_clip_set_marker(const struct ref_mm *mm, struct ref_op *op)
{
	return clip_one(mm, op, is_absent);
}

void ref_set_marker(struct ref_mm *mm, struct ref_op *op)
{
	op->changes = true;
	ref_target(mm, op, op->page, &op->val, false);
}

/* ptep_get: the entry exactly, A/D between must and may. Legal for what a teardown has left. */
bool ref_clip_ptep_get(const struct ref_mm *mm, struct ref_op *op)
{
	op->nr = 1;
	if (!seek(mm, op, is_used))
		return true; /* reading nothing is legal too */
	return true;
}

void ref_ptep_get(struct ref_mm *mm, struct ref_op *op)
{
	(void)mm;
	op->ret = REF_RET_ENTRY;
}

/*
 * ptep_get_lockless: one version that was live in the window, or none while a writer is in the block; A/D may
 * be under-reported only then, and never invented. Not concurrent with full=1.
 */
bool ref_clip_ptep_get_lockless(const struct ref_mm *mm, struct ref_op *op)
{
	op->nr = 1;
	return seek(mm, op, is_used_live) || seek(mm, op, not_teardown);
}

void ref_ptep_get_lockless(struct ref_mm *mm, struct ref_op *op)
{
	(void)mm;
	op->ret = REF_RET_LOCKLESS;
}

static void remove_range(struct ref_mm *mm, struct ref_op *op)
{
	const struct ref_val none = {.kind = REF_NONE};

	op->changes = op->removes = true;
	for (unsigned i = 0; i < op->nr; i++)
		ref_target(mm, op, op->page + i, &none, false);
}

/* ptep_get_and_clear: atomically none; returns A/D up to that instant; collects for this page alone. The
 * caller flushes. */
bool ref_clip_ptep_get_and_clear(const struct ref_mm *mm, struct ref_op *op)
{
	return clip_one(mm, op, is_live);
}

void ref_ptep_get_and_clear(struct ref_mm *mm, struct ref_op *op)
{
	op->ret = REF_RET_ENTRY;
	remove_range(mm, op);
}

/*
 * ptep_get_and_clear_full: the same. full: the address space has no user left and the caller promises to
 * clear every entry of the block before its flush; siblings keep their obligations, so every later call still
 * answers dirty for what was dirty [thread 004].
 */
bool ref_clip_ptep_get_and_clear_full(const struct ref_mm *mm, struct ref_op *op)
{
	if (!clip_one(mm, op, ref_present))
		return false;
	if (ref_in_teardown(mm, op->page))
		op->full = true;
	return true;
}

void ref_ptep_get_and_clear_full(struct ref_mm *mm, struct ref_op *op)
{
	if (op->full)
		mm->block[ref_block_of(mm, op->page)].teardown = true;
	ref_ptep_get_and_clear(mm, op);
}

/* get_and_clear_full_ptes: removes nr entries; returns the first with the OR of A/D; permissions may differ
 * within. Collects for exactly nr pages. */
bool ref_clip_get_and_clear_full_ptes(const struct ref_mm *mm, struct ref_op *op)
{
	if (!seek(mm, op, is_live))
		return false;
	clip_batch(mm, op);
	return true;
}

void ref_get_and_clear_full_ptes(struct ref_mm *mm, struct ref_op *op)
{
	op->ret = REF_RET_ENTRY;
	remove_range(mm, op);
}

/* clear_full_ptes: the same, nothing returned. */
bool ref_clip_clear_full_ptes(const struct ref_mm *mm, struct ref_op *op)
{
	return ref_clip_get_and_clear_full_ptes(mm, op);
}

void ref_clear_full_ptes(struct ref_mm *mm, struct ref_op *op)
{
	remove_range(mm, op);
}

/* ptep_clear_flush: get_and_clear; on return nobody uses the old translation, and what earlier stores through
 * it recorded is in the result. */
bool ref_clip_ptep_clear_flush(const struct ref_mm *mm, struct ref_op *op)
{
	return clip_one(mm, op, is_live);
}

void ref_ptep_clear_flush(struct ref_mm *mm, struct ref_op *op)
{
	ref_ptep_get_and_clear(mm, op);
	op->flush_lo = op->page;
	op->flush_hi = op->page + 1;
}

/* wrprotect_ptes: present entries lose write, keep dirty, atomically. Stores may succeed until the caller's
 * flush, none after. */
bool ref_clip_wrprotect_ptes(const struct ref_mm *mm, struct ref_op *op)
{
	return ref_clip_get_and_clear_full_ptes(mm, op);
}

void ref_wrprotect_ptes(struct ref_mm *mm, struct ref_op *op)
{
	op->changes = true;
	for (unsigned i = 0; i < op->nr; i++) {
		struct ref_val v = ref_now(mm, op->page + i)->val;

		v.write = false;
		ref_target(mm, op, op->page + i, &v, true);
	}
}

/*
 * ptep_set_access_flags: same page, only adds young, dirty and write; atomic against hardware; may spread
 * young and dirty over the block. Afterwards every walker, also one that evaluates each descriptor on its own, makes progress
 * (judged by the fault loop).
 */
bool ref_clip_ptep_set_access_flags(const struct ref_mm *mm, struct ref_op *op)
{
	return clip_one(mm, op, is_valid);
}

void ref_ptep_set_access_flags(struct ref_mm *mm, struct ref_op *op)
{
	struct ref_val v = ref_now(mm, op->page)->val;

	v.write |= op->write;
	op->changes = true;
	ref_target(mm, op, op->page, &v, true);
}

/* test_and_clear_young: says whether young, and clears it; widenable to the block (same folio), for which it
 * then collects too. Dirty is untouched. No flush. */
bool ref_clip_ptep_test_and_clear_young(const struct ref_mm *mm, struct ref_op *op)
{
	return clip_one(mm, op, is_live);
}

void ref_ptep_test_and_clear_young(struct ref_mm *mm, struct ref_op *op)
{
	(void)mm;
	op->ret = REF_RET_YOUNG;
	op->collects_young = true;
}

/* clear_flush_young: the same, plus an invalidation that some later barrier completes: it promises nothing by
 * itself. */
bool ref_clip_ptep_clear_flush_young(const struct ref_mm *mm, struct ref_op *op)
{
	return clip_one(mm, op, is_live);
}

void ref_ptep_clear_flush_young(struct ref_mm *mm, struct ref_op *op)
{
	ref_ptep_test_and_clear_young(mm, op);
}

/* test_and_clear_young_ptes, clear_flush_young_ptes: the same two for a batch; the answer is the OR over it. */
bool ref_clip_test_and_clear_young_ptes(const struct ref_mm *mm, struct ref_op *op)
{
	return ref_clip_get_and_clear_full_ptes(mm, op);
}

void ref_test_and_clear_young_ptes(struct ref_mm *mm, struct ref_op *op)
{
	ref_ptep_test_and_clear_young(mm, op);
}

bool ref_clip_clear_flush_young_ptes(const struct ref_mm *mm, struct ref_op *op)
{
	return ref_clip_get_and_clear_full_ptes(mm, op);
}

void ref_clear_flush_young_ptes(struct ref_mm *mm, struct ref_op *op)
{
	ref_ptep_test_and_clear_young(mm, op);
}

/* clear_young_dirty_ptes: clears the named kinds for the batch, widenable to blocks at both ends; hardware
 * events of those kinds during the operation may vanish. */
bool ref_clip_clear_young_dirty_ptes(const struct ref_mm *mm, struct ref_op *op)
{
	if (!op->young && !op->dirty)
		op->young = true;
	return ref_clip_get_and_clear_full_ptes(mm, op);
}

void ref_clear_young_dirty_ptes(struct ref_mm *mm, struct ref_op *op)
{
	(void)mm;
	op->collects_young = op->young;
	op->collects_dirty = op->dirty;
}

/*
 * Protection change. start: removes nr entries, returns the first with merged A/D. commit: installs them with the new
 * permissions and at least that A/D; the lock is held from one to the other. The caller flushes.
 */
bool ref_clip_modify_prot_start_ptes(const struct ref_mm *mm, struct ref_op *op)
{
	return ref_clip_get_and_clear_full_ptes(mm, op);
}

void ref_modify_prot_start_ptes(struct ref_mm *mm, struct ref_op *op)
{
	ref_get_and_clear_full_ptes(mm, op);
}

bool ref_clip_modify_prot_commit_ptes(const struct ref_mm *mm, struct ref_op *op)
{
	(void)mm;
	(void)op;
	return true; /* where start was */
}

void ref_modify_prot_commit_ptes(struct ref_mm *mm, struct ref_op *op)
{
	ref_set_ptes(mm, op);
}

/* flush_tlb_range: on return nobody uses a translation of the range that is no longer in the table. */
bool ref_clip_flush_tlb_range(const struct ref_mm *mm, struct ref_op *op)
{
	unsigned end = table_end(mm, op->page);

	if (op->page + op->nr > end)
		op->nr = end - op->page;
	return true;
}

void ref_flush_tlb_range(struct ref_mm *mm, struct ref_op *op)
{
	(void)mm;
	op->flushes = true;
	op->flush_lo = op->page;
	op->flush_hi = op->page + op->nr;
}
