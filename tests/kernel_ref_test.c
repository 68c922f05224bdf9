// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: each contract of ref/kernel.c, with an observation that it explains and beside it the nearest one that
 * it does not; findings name the operation that owes.
 *
 * Links: ref/kernel*.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ref/kernel.h"

enum { CONT = 4, PFN = 100, TR = REF_K_TRANSLATION, PERM = REF_K_PERMISSION };

static struct ref_kernel k;
static struct ref_verdict v;
static uint8_t ids;	  /* of the last call */
static bool in_interrupt; /* the calls below come from there */
static uint8_t ran;

static struct ref_k_op op_at(unsigned task, unsigned cpu, unsigned page, unsigned nr)
{
	struct ref_k_op op = {.id = ++ids, .task = (uint8_t)task, .cpu = (uint8_t)cpu, .page = page, .nr = nr};

	op.in_interrupt = in_interrupt;
	op.ran = ran;
	op.val = (struct ref_val){.kind = REF_PRESENT, .pfn = PFN + page, .write = true};
	return op;
}

static unsigned done(struct ref_k_op *op, enum ref_k_kind kind)
{
	ref_k_begin(&k, op, kind);
	assert_null(ref_k_end(&k, op, NULL).cls);
	return op->id;
}

static unsigned set(unsigned task, unsigned cpu, unsigned page, unsigned nr)
{
	struct ref_k_op op = op_at(task, cpu, page, nr);

	assert_int_equal(ref_k_clip_set(&k, &op), REF_K_FITS);
	assert_true(op.page == page && op.nr == nr);
	return done(&op, REF_K_SET);
}

static unsigned clear(unsigned task, unsigned cpu, unsigned page, bool flush_too)
{
	struct ref_k_op op = op_at(task, cpu, page, 1);

	op.flush = flush_too;
	return done(&op, REF_K_CLEAR);
}

static unsigned flush(unsigned task, unsigned cpu, unsigned page, unsigned nr)
{
	struct ref_k_op op = op_at(task, cpu, page, nr);

	return done(&op, REF_K_FLUSH);
}

/* Takes write away or gives it back. */
static unsigned protect(unsigned task, unsigned cpu, unsigned page, bool write, bool flush_too)
{
	struct ref_k_op op = op_at(task, cpu, page, 1);

	op.flush = flush_too;
	op.grant = write ? REF_K_W : 0;
	op.revoke = write ? 0 : REF_K_W;
	return done(&op, REF_K_PROTECT);
}

static unsigned lazy(unsigned task, unsigned cpu, enum ref_k_verb verb)
{
	struct ref_k_op op = op_at(task, cpu, 0, 1);

	assert_true(ref_k_clip_lazy(&k, &op, verb));
	ref_k_lazy(&k, &op, verb);
	return op.id;
}

static enum ref_k_result try_access(unsigned cpu, unsigned page, bool write, unsigned fault, bool fresh)
{
	struct ref_k_access a = {.cpu = (uint8_t)cpu, .page = page, .write = write, .fault = (uint8_t)fault};

	a.fresh = fresh;
	a.pfn = PFN + page;
	return ref_k_access(&k, &a, &v);
}

static void assert_fault(unsigned cpu, unsigned page, enum ref_k_result want)
{
	assert_int_equal(try_access(cpu, page, false, TR, false), want);
}

static void assert_finding(enum ref_k_result r, const char *what, unsigned debtor)
{
	assert_int_equal(r, REF_K_FINDING);
	assert_string_equal(v.what, what);
	assert_int_equal(v.debtor, debtor);
}

static void start(unsigned profile, bool queues)
{
	ref_k_reset(&k, CONT, profile, queues, false);
	memset(k.legal, 0, sizeof(k.legal));
	ids = 0;
	in_interrupt = false;
	ran = 0;
}

/* Contracts.md, Publication; trap 1. */
static void test_published_at_return(void **state)
{
	unsigned id;

	(void)state;
	start(REF_K_COUNTER, false);
	assert_fault(0, 3, REF_K_EXPLAINED); /* nothing there */
	id = set(0, 0, 3, 1);
	assert_int_equal(try_access(0, 3, true, REF_K_OK, false), REF_K_EXPLAINED);
	assert_finding(try_access(0, 3, false, TR, false), "spurious-kernel-fault", id);
	assert_finding(try_access(0, 3, false, PERM, false), "spurious-kernel-fault", id);
	assert_fault(1, 3, REF_K_RETRY);
	assert_int_equal(k.legal[REF_K_L_IGNORED_FAULT], 1);
	assert_finding(try_access(1, 3, false, TR, true), "not-published", id);
	assert_finding(try_access(1, 3, false, PERM, false), "spurious-kernel-fault", id);
}

static void test_others_after_context_sync(void **state)
{
	struct ref_k_access a = {.cpu = 2, .page = 3, .fault = TR, .dep = true};
	unsigned id;

	(void)state;
	start(REF_K_COUNTER, false);
	ref_k_context_sync(&k, 1); /* before: worth nothing */
	id = set(0, 0, 3, 1);
	assert_fault(1, 3, REF_K_RETRY);
	assert_finding(ref_k_access(&k, &a, &v), "spurious-kernel-fault", id);
	ref_k_context_sync(&k, 1);
	assert_finding(try_access(1, 3, false, TR, false), "spurious-kernel-fault", id);
	assert_fault(2, 3, REF_K_RETRY);
	ref_k_reset(&k, CONT, REF_K_COUNTER, false, true); /* FEAT_ETS2 */
	id = set(0, 0, 3, 1);
	assert_finding(try_access(2, 3, false, TR, false), "spurious-kernel-fault", id);
}

static void test_wrong_page_and_permission(void **state)
{
	struct ref_k_op op;
	struct ref_k_access a = {.page = 3, .pfn = PFN + 4};
	unsigned id;

	(void)state;
	start(REF_K_EACH, false);
	id = set(0, 0, 3, 1);
	assert_finding(ref_k_access(&k, &a, &v), "wrong-pfn", id);
	op = op_at(0, 0, 8, 1);
	op.val.write = false;
	id = done(&op, REF_K_SET);
	assert_int_equal(try_access(0, 8, true, PERM, false), REF_K_EXPLAINED);
	assert_int_equal(try_access(0, 8, false, REF_K_OK, false), REF_K_EXPLAINED);
	assert_finding(try_access(0, 8, true, REF_K_OK, false), "permission-gained", id);
	a = (struct ref_k_access){.page = 8, .pfn = PFN + 8, .exec = true};
	assert_finding(ref_k_access(&k, &a, &v), "permission-gained", id);
}

/* Inside a section: at leave, on the CPU that leaves. */
static void test_lazy_leave_publishes(void **state)
{
	unsigned id;

	(void)state;
	start(REF_K_COUNTER, false);
	lazy(0, 0, REF_K_ENTER);
	set(0, 0, 3, 2);
	assert_fault(0, 3, REF_K_EXPLAINED);
	assert_int_equal(try_access(1, 3, false, TR, true), REF_K_EXPLAINED);
	assert_false(ref_k_may_access(&k, 0, 0, 3));
	ref_k_switch(&k, 0); /* to CPU 1: seen by every walker, published to none */
	assert_fault(1, 3, REF_K_RETRY);
	assert_int_equal(try_access(1, 3, false, TR, true), REF_K_FINDING);
	assert_false(ref_k_may_access(&k, 1, 0, 3) || ref_k_may_access(&k, 1, 1, 3));
	ref_k_context_sync(&k, 2); /* not for the task's own use, but no fault can be excused there */
	assert_false(ref_k_may_access(&k, 2, 0, 3));
	assert_true(ref_k_may_access(&k, 2, 1, 3));
	id = lazy(0, 1, REF_K_LEAVE);
	assert_true(ref_k_may_access(&k, 1, 0, 3));
	assert_int_equal(try_access(1, 4, false, TR, false), REF_K_FINDING);
	assert_fault(0, 3, REF_K_RETRY);
	set(0, 1, 6, 1);
	assert_int_equal(try_access(1, 6, false, TR, false), REF_K_FINDING);
	lazy(0, 1, REF_K_ENTER);
	set(0, 1, 7, 1);
	id = lazy(0, 1, REF_K_LAZY_FLUSH);
	assert_finding(try_access(1, 7, false, TR, false), "spurious-kernel-fault", id);
	assert_true(ref_k_is_lazy(&k, 0, false));
	assert_false(ref_k_is_lazy(&k, 1, false));
	assert_false(ref_k_lazy_balanced(&k, 0));
	lazy(0, 1, REF_K_LEAVE);
	assert_true(ref_k_lazy_balanced(&k, 0));
}

/* After an inner leave: REF_K_FLAG publishes each at return, REF_K_COUNTER at the outer leave. */
static void test_nesting(void **state)
{
	(void)state;
	for (unsigned profile = REF_K_EACH; profile <= REF_K_COUNTER; profile++) {
		bool lasts = profile == REF_K_COUNTER;

		start(profile, false);
		lazy(0, 0, REF_K_ENTER);
		set(0, 0, 3, 1);
		lazy(0, 0, REF_K_ENTER);
		set(0, 0, 4, 1);
		assert_fault(0, 4, profile == REF_K_EACH ? REF_K_FINDING : REF_K_EXPLAINED);
		lazy(0, 0, REF_K_LEAVE);
		assert_fault(0, 3, REF_K_FINDING);
		assert_fault(0, 4, REF_K_FINDING);
		set(0, 0, 5, 1);
		assert_fault(0, 5, lasts ? REF_K_EXPLAINED : REF_K_FINDING);
		assert_false(ref_k_lazy_balanced(&k, 0));
		lazy(0, 0, REF_K_LEAVE);
		assert_fault(0, 5, REF_K_FINDING);
		assert_true(ref_k_lazy_balanced(&k, 0));
	}
}

static void test_pause(void **state)
{
	struct ref_k_op op;
	unsigned id;

	(void)state;
	start(REF_K_COUNTER, false);
	op = op_at(0, 0, 0, 1);
	assert_false(ref_k_clip_lazy(&k, &op, REF_K_LEAVE));
	assert_false(ref_k_clip_lazy(&k, &op, REF_K_RESUME));
	lazy(0, 0, REF_K_ENTER);
	set(0, 0, 3, 1);
	id = lazy(0, 0, REF_K_PAUSE);
	assert_finding(try_access(0, 3, false, TR, false), "spurious-kernel-fault", id);
	lazy(0, 0, REF_K_ENTER); /* ignored */
	id = set(0, 0, 4, 1);
	assert_finding(try_access(0, 4, false, TR, false), "spurious-kernel-fault", id);
	lazy(0, 0, REF_K_LEAVE);
	lazy(0, 0, REF_K_RESUME);
	set(0, 0, 5, 1);
	assert_fault(0, 5, REF_K_EXPLAINED);
	lazy(0, 0, REF_K_LEAVE);
	assert_fault(0, 5, REF_K_FINDING);
	assert_true(ref_k_lazy_balanced(&k, 0));
}

/* Historical bug: an interrupt's mapping went into the interrupted task's section. */
static void test_interrupt(void **state)
{
	struct ref_k_op op;
	unsigned id;

	(void)state;
	for (unsigned profile = REF_K_FLAG; profile <= REF_K_COUNTER; profile++) {
		start(profile, false);
		lazy(0, 0, REF_K_ENTER);
		set(0, 0, 3, 1);
		in_interrupt = true;
		id = set(0, 0, 4, 1);
		assert_finding(try_access(0, 4, false, TR, false), "spurious-kernel-fault", id);
		lazy(0, 0, REF_K_ENTER);
		set(0, 0, 5, 1);
		assert_fault(0, 5, REF_K_FINDING);
		lazy(0, 0, REF_K_LEAVE);
		assert_fault(0, 3, REF_K_EXPLAINED); /* still the task's to publish */
		op = op_at(0, 0, 3, 1);
		assert_true(ref_k_clip_clear(&k, &op));
		assert_int_equal(op.page, 4); /* and not the interrupt's to touch */
		in_interrupt = false;
		assert_true(ref_k_is_lazy(&k, 0, false));
		lazy(0, 0, REF_K_LEAVE);
		assert_fault(0, 3, REF_K_FINDING);
	}
}

static void test_removal(void **state)
{
	struct ref_k_op op;
	unsigned id;

	(void)state;
	start(REF_K_COUNTER, false);
	set(0, 0, 3, 1);
	clear(0, 0, 3, false);
	assert_int_equal(try_access(1, 3, true, REF_K_OK, false), REF_K_EXPLAINED);
	assert_int_equal(k.legal[REF_K_L_BEFORE_FLUSH], 1);
	assert_fault(0, 3, REF_K_EXPLAINED);
	op = op_at(0, 0, 3, 1);
	assert_int_equal(ref_k_clip_set(&k, &op), REF_K_FLUSH_FIRST);
	assert_int_equal(op.page, 3);
	id = flush(0, 0, 0, CONT);
	assert_finding(try_access(1, 3, false, REF_K_OK, false), "stale-after-flush", id);
	assert_false(ref_k_lingers(&k, 0, CONT));
	set(0, 0, 3, 1);
	id = clear(0, 0, 3, true); /* vunmap_range: flushed on return */
	assert_finding(try_access(0, 3, false, REF_K_OK, false), "stale-after-flush", id);
}

/* A flush covers what was removed before it began, by its own task or handed over. */
static void test_flush_of_others(void **state)
{
	struct ref_k_op op, fl;

	(void)state;
	start(REF_K_COUNTER, false);
	set(0, 0, 3, 3);
	clear(0, 0, 3, false);
	flush(1, 1, 3, 1);
	assert_int_equal(try_access(2, 3, false, REF_K_OK, false), REF_K_EXPLAINED);
	assert_int_equal(k.legal[REF_K_L_OTHERS_STORE], 1);
	op = op_at(1, 1, 3, 1);
	assert_int_equal(ref_k_clip_set(&k, &op), REF_K_FITS);
	assert_int_equal(op.page, 6); /* task 1 cannot make page 3 fit */
	ref_k_handover(&k, 0);
	flush(1, 1, 3, 1);
	assert_int_equal(try_access(2, 3, false, REF_K_OK, false), REF_K_FINDING);
	fl = op_at(0, 0, 4, 4);
	ref_k_begin(&k, &fl, REF_K_FLUSH);
	clear(0, 0, 4, false); /* by an interrupt inside the flush */
	set(0, 0, 7, 1);
	ref_k_end(&k, &fl, NULL);
	assert_int_equal(try_access(2, 4, false, REF_K_OK, false), REF_K_EXPLAINED);
	assert_fault(2, 7, REF_K_RETRY);
}

/* A broadcast flush ends early walks everywhere, so it publishes everywhere: but not another task's section. */
static void test_flush_publishes_everywhere(void **state)
{
	unsigned id;

	(void)state;
	start(REF_K_COUNTER, false);
	set(0, 0, 3, 1);
	assert_fault(1, 3, REF_K_RETRY);
	flush(1, 1, 3, 1);
	assert_fault(2, 3, REF_K_FINDING);
	lazy(0, 0, REF_K_ENTER);
	set(0, 0, 4, 1);
	flush(1, 1, 4, 1);
	assert_fault(1, 4, REF_K_EXPLAINED);
	id = flush(0, 0, 4, 1);
	assert_finding(try_access(2, 4, false, TR, false), "spurious-kernel-fault", id);
	assert_true(ref_k_may_access(&k, 0, 0, 4));
}

static void test_protect(void **state)
{
	unsigned a, b;

	(void)state;
	start(REF_K_COUNTER, false);
	a = set(0, 0, 3, 1);
	b = protect(0, 0, 3, false, false);
	assert_int_equal(try_access(1, 3, true, REF_K_OK, false), REF_K_EXPLAINED);
	assert_int_equal(try_access(1, 3, true, PERM, false), REF_K_EXPLAINED);
	assert_fault(1, 3, REF_K_RETRY); /* CPU 1 never synchronised */
	assert_finding(try_access(0, 3, false, TR, false), "spurious-kernel-fault", a); /* mapped throughout */
	assert_finding(try_access(0, 3, false, PERM, false), "spurious-kernel-fault", b);
	b = flush(0, 0, 3, 1);
	assert_int_equal(try_access(1, 3, true, REF_K_OK, false), REF_K_FINDING);
	assert_string_equal(v.what, "stale-after-flush");
	assert_fault(1, 3, REF_K_FINDING);
	b = protect(0, 0, 3, true, false);
	assert_int_equal(try_access(1, 3, true, PERM, false), REF_K_EXPLAINED); /* old, until the flush */
	flush(0, 0, 3, 1);
	assert_finding(try_access(1, 3, true, PERM, false), "spurious-kernel-fault", b);
	b = protect(0, 0, 3, false, true); /* set_memory_ro */
	assert_finding(try_access(1, 3, true, REF_K_OK, false), "stale-after-flush", b);
	assert_int_equal(try_access(1, 3, true, PERM, false), REF_K_EXPLAINED);
}

/* A task that moved inside a call: nobody knows where its barriers ran. */
static void test_migration_inside_call(void **state)
{
	unsigned id;

	(void)state;
	start(REF_K_COUNTER, false);
	ran = 3; /* CPUs 0 and 1 */
	id = set(0, 1, 3, 1);
	assert_fault(0, 3, REF_K_RETRY);
	assert_fault(1, 3, REF_K_RETRY);
	assert_finding(try_access(1, 3, false, TR, true), "not-published", id);
	assert_int_equal(k.legal[REF_K_L_MIGRATED], 1);
	id = clear(0, 1, 3, true);
	assert_finding(try_access(2, 3, false, REF_K_OK, false), "stale-after-flush", id);
	assert_int_equal(try_access(0, 3, false, REF_K_OK, false), REF_K_EXPLAINED);
	ref_k_context_sync(&k, 0);
	assert_finding(try_access(0, 3, false, REF_K_OK, false), "stale-after-flush", id);
}

static void test_ownership(void **state)
{
	struct ref_k_op a, b;

	(void)state;
	start(REF_K_COUNTER, false);
	a = op_at(0, 0, 0, 2);
	ref_k_begin(&k, &a, REF_K_SET);
	b = op_at(1, 1, 0, 8);
	assert_int_equal(ref_k_clip_set(&k, &b), REF_K_FITS);
	assert_true(b.page == 2 && b.nr == 6);
	b = op_at(1, 1, 1, 1);
	assert_int_equal(ref_k_clip_set_run(&k, &b), REF_K_FITS);
	assert_true(b.page == CONT && b.nr == CONT);
	done(&b, REF_K_SET);
	b = op_at(1, 1, 0, 1);
	assert_false(ref_k_clip_protect(&k, &b)); /* busy, or a run */
	assert_true(ref_k_clip_access(&k, &b));
	assert_int_equal(b.page, CONT);
	b = op_at(1, 1, CONT + 1, 1);
	assert_true(ref_k_clip_clear(&k, &b)); /* a run goes whole */
	assert_true(b.page == CONT && b.nr == CONT && b.run);
	ref_k_end(&k, &a, NULL);
	b = op_at(1, 1, 0, 9);
	assert_true(ref_k_clip_protect(&k, &b));
	assert_true(b.page == 0 && b.nr == 2);
	b = op_at(1, 1, 14, 9);
	assert_true(ref_k_clip_flush(&k, &b));
	assert_int_equal(b.nr, 2);
}

static void test_entries(void **state)
{
	const struct ref_val none = {.kind = REF_NONE};
	struct ref_val is = {.kind = REF_PRESENT, .pfn = PFN + 3, .write = true}, ro = is;
	struct ref_k_op op;

	(void)state;
	ro.write = false;
	start(REF_K_COUNTER, false);
	lazy(0, 0, REF_K_ENTER);
	op = op_at(0, 0, 3, 1);
	ref_k_begin(&k, &op, REF_K_SET);
	assert_true(ref_k_entry_explained(&k, 3, &none)); /* either, while open */
	ref_k_end(&k, &op, NULL);
	assert_true(ref_k_entry_explained(&k, 3, &is));
	assert_string_equal(ref_k_check_entry(&k, 3, &none, 1).what, "entry-lost");
	assert_string_equal(ref_k_check_entry(&k, 3, &ro, 1).what, "wrong-permission");
	assert_string_equal(ref_k_check_entry(&k, 4, &is, 1).what, "entry-left");
	op = op_at(0, 0, 3, 1);
	ref_k_begin(&k, &op, REF_K_CLEAR);
	assert_string_equal(ref_k_end(&k, &op, &ro).what, "wrong-entry");
}

/* `deferred`: the store itself waits for the leave. */
static void test_queued_stores(void **state)
{
	const struct ref_val none = {.kind = REF_NONE};
	const struct ref_val is = {.kind = REF_PRESENT, .pfn = PFN + 3, .write = true};

	struct ref_k_op op;

	(void)state;
	start(REF_K_COUNTER, true);
	lazy(0, 0, REF_K_ENTER);
	set(0, 0, 3, 1);
	assert_true(ref_k_entry_explained(&k, 3, &none) && ref_k_entry_explained(&k, 3, &is));
	assert_int_equal(k.legal[REF_K_L_QUEUED], 1);
	ref_k_switch(&k, 0); /* a queue is no store */
	assert_int_equal(try_access(1, 3, false, TR, true), REF_K_EXPLAINED);
	lazy(0, 0, REF_K_LEAVE);
	assert_false(ref_k_entry_explained(&k, 3, &none));
	assert_int_equal(try_access(1, 3, false, TR, true), REF_K_FINDING);
	lazy(0, 0, REF_K_ENTER);
	clear(0, 0, 3, false);
	flush(0, 0, 3, 1); /* too early: proves nothing */
	op = op_at(0, 0, 3, 1);
	assert_int_equal(ref_k_clip_set(&k, &op), REF_K_FITS);
	assert_int_equal(op.page, 4);
	assert_int_equal(try_access(1, 3, false, REF_K_OK, false), REF_K_EXPLAINED);
	lazy(0, 0, REF_K_LEAVE);
	flush(0, 0, 3, 1);
	assert_int_equal(try_access(1, 3, false, REF_K_OK, false), REF_K_FINDING);
}

static void test_reset_and_ring(void **state)
{
	struct ref_k_op op;

	(void)state;
	start(REF_K_COUNTER, false);
	set(0, 0, 3, 1);
	for (unsigned i = 0; i < 2 * REF_RING; i++)
		protect(0, 0, 3, i & 1, false);
	assert_true(k.legal[REF_K_L_RING] > 0);
	assert_int_equal(try_access(1, 3, true, PERM, false), REF_K_EXPLAINED);
	flush(0, 0, 3, 1);
	assert_int_equal(try_access(1, 3, true, PERM, false), REF_K_FINDING);
	protect(0, 0, 3, false, false); /* read-only falls out of the ring */
	for (unsigned i = 0; i < REF_RING; i++) {
		op = op_at(0, 0, 3, 1);
		op.grant = i & 1 ? REF_K_W : REF_K_W | REF_K_X;
		op.revoke = i & 1 ? REF_K_X : 0;
		done(&op, REF_K_PROTECT);
	}
	assert_int_equal(try_access(1, 3, true, PERM, false), REF_K_EXPLAINED);
	ref_k_reset(&k, CONT, REF_K_COUNTER, false, false);
	assert_false(ref_k_lingers(&k, 0, 4 * CONT));
	assert_fault(0, 3, REF_K_EXPLAINED);
	op = op_at(0, 0, 0, 4 * CONT);
	assert_int_equal(ref_k_clip_set(&k, &op), REF_K_FITS);
	assert_int_equal(op.nr, 2 * CONT); /* one table */
	for (unsigned i = 0; i < REF_K_NLEGAL; i++)
		assert_true(ref_k_legals[i].name && ref_k_legals[i].why && ref_k_legals[i].cite);
}

/* --- any legal program on a machine without delays: nothing is ever a finding, and nobody's pages are taken */

static uint64_t rng;

static unsigned rnd(unsigned n)
{
	rng = rng * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(rng >> 33) % n;
}

static bool random_clip(struct ref_k_op *op, enum ref_k_kind kind)
{
	enum ref_k_clip c;

	op->flush = kind != REF_K_SET && rnd(2);
	op->grant = (uint8_t)rnd(4);
	op->revoke = (uint8_t)rnd(4);
	if (kind == REF_K_CLEAR)
		return ref_k_clip_clear(&k, op);
	if (kind == REF_K_PROTECT)
		return ref_k_clip_protect(&k, op);
	if (kind == REF_K_FLUSH)
		return ref_k_clip_flush(&k, op);
	c = rnd(4) ? ref_k_clip_set(&k, op) : ref_k_clip_set_run(&k, op);
	if (c == REF_K_FLUSH_FIRST) {
		flush(op->task, op->cpu, op->page, op->nr);
		assert_false(ref_k_lingers(&k, op->page, op->nr));
	}
	op->val.pfn = PFN + op->page;
	return c != REF_K_REFUSED;
}

static void random_access(unsigned task)
{
	struct ref_k_op op = op_at(task, rnd(4), rnd(k.npages), 1);
	const struct ref_k_version *now;
	struct ref_k_access a;

	if (!ref_k_clip_access(&k, &op))
		return;
	now = ref_k_now(&k, op.page);
	a = (struct ref_k_access){.cpu = op.cpu, .page = op.page, .write = rnd(2), .pfn = PFN + op.page};
	if (!ref_k_present(now))
		a.fault = TR;
	else if (a.write && !now->val.write)
		a.fault = PERM;
	assert_int_equal(ref_k_access(&k, &a, &v), REF_K_EXPLAINED);
	assert_true(ref_k_entry_explained(&k, op.page, &now->val));
}

static void random_step(struct ref_k_op open[4], bool is_open[4])
{
	unsigned t = rnd(4), kind = rnd(4);
	enum ref_k_verb verb = (enum ref_k_verb)rnd(5);

	if (is_open[t]) {
		assert_null(ref_k_end(&k, &open[t], kind & 1 ? &open[t].first : NULL).cls);
		is_open[t] = false;
		return;
	}
	in_interrupt = !rnd(8);
	open[t] = op_at(t, rnd(4), rnd(k.npages), 1 + rnd(9));
	if (!rnd(4)) {
		if (ref_k_clip_lazy(&k, &open[t], verb))
			ref_k_lazy(&k, &open[t], verb);
	} else if (random_clip(&open[t], (enum ref_k_kind)kind)) {
		for (unsigned i = 0; i < open[t].nr; i++) {
			bool there = ref_k_present(ref_k_now(&k, open[t].page + i));

			assert_true(kind == REF_K_FLUSH || !ref_in_set(k.busy, open[t].page + i));
			assert_true(kind == REF_K_FLUSH || there == (kind != REF_K_SET));
		}
		ref_k_begin(&k, &open[t], (enum ref_k_kind)kind);
		is_open[t] = true;
	}
}

static void test_random(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		struct ref_k_op open[4];
		bool is_open[4] = {false};

		start(round % 3, round % 3 && round & 1);
		rng = round;
		for (unsigned i = 0; i < 100; i++) {
			random_step(open, is_open);
			random_access(rnd(4));
			if (!rnd(8))
				ref_k_switch(&k, rnd(4));
			if (!rnd(8))
				ref_k_handover(&k, rnd(4));
			if (!rnd(8))
				ref_k_context_sync(&k, rnd(4));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_at_return),
		cmocka_unit_test(test_others_after_context_sync),
		cmocka_unit_test(test_wrong_page_and_permission),
		cmocka_unit_test(test_lazy_leave_publishes),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_removal),
		cmocka_unit_test(test_flush_of_others),
		cmocka_unit_test(test_flush_publishes_everywhere),
		cmocka_unit_test(test_protect),
		cmocka_unit_test(test_migration_inside_call),
		cmocka_unit_test(test_ownership),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_queued_stores),
		cmocka_unit_test(test_reset_and_ring),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
