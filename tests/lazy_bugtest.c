// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: each planted bug of lazy MMU mode is visible on the machine in the way its row of bugs.def says, and in
 * that way only: cost bugs publish all that they should. Built with PTDIFF_BUGS.
 */
#include "lazy.h"

static void with_bug(enum pt_bug_id bug, const struct pt_impl *impl)
{
	pt_bug_on = (int)bug;
	start(impl);
}

static int teardown(void **s)
{
	(void)s;
	pt_bug_on = -1;
	return 0;
}

/* One section of n pages; returns the barriers of each kind. */
static unsigned section(unsigned n)
{
	reset_counts();
	enter();
	for (unsigned p = 0; p < n; p++)
		map(p, 1);
	leave();
	assert_published(0, 0, n);
	assert_int_equal(t.dsb, t.isb);
	return t.dsb;
}

static void test_costs(void **s)
{
	static const enum pt_bug_id bugs[] = {PT_BUG_queue_v2_wrong, PT_BUG_queue_v3_wrong};
	static const struct pt_impl *const impls[] = {&impl_opt, &impl_opt_v1, &impl_opt_v3};

	(void)s;
	for (unsigned b = 0; b < 2; b++)
		for (unsigned i = 0; i < 3; i++) {
			with_bug(bugs[b], impls[i]);
			/* The first entry sets the flag, the others publish; the flag is still due at the end. */
			assert_int_equal(section(16), 16);
			assert_int_equal(section(1), 1);
			assert_int_equal(t.task[0].flags, 0);
			map(0, 1);
			assert_published(0, 0, 1);
		}
	with_bug(PT_BUG_deferred_flush_every_entry, &impl_deferred);
	assert_int_equal(section(16), 16);
	assert_int_equal(t.queued, 0);
}

static void test_inner_leave_ends_mode(void **s)
{
	(void)s;
	with_bug(PT_BUG_lazy_inner_leave_ends_mode, &impl_opt);
	enter();
	enter();
	map(0, 1);
	leave();
	for (unsigned p = 1; p < 5; p++)
		map(p, 1);
	leave();
	assert_barriers(5);
	assert_published(0, 0, 5);
	assert_int_equal(t.findings, 0);
}

static void test_interrupts(void **s)
{
	(void)s;
	for (unsigned b = 0; b < 2; b++) {
		with_bug(b ? PT_BUG_lazy_batches_bh_off : PT_BUG_lazy_batches_in_irq, &impl_opt);
		enter();
		t.task[0].preempt_count = PT_HARDIRQ_OFFSET;
		map(0, 1);
		assert_int_equal(touch(0, 0), b ? HW_OK : HW_FAULT_TRANSLATION);
		t.task[0].preempt_count = PT_BH_OFF;
		map(1, 1);
		assert_int_equal(touch(0, 1), HW_FAULT_TRANSLATION);
		t.task[0].preempt_count = 0;
		leave();
		assert_published(0, 0, 2);
	}
}

/* Who publishes too little, by where an access then faults. */
static void test_unpublished(void **s)
{
	(void)s;
	with_bug(PT_BUG_lazy_inner_leave_no_flush, &impl_opt);
	enter();
	enter();
	map(0, 1);
	leave();
	assert_int_equal(touch(0, 0), HW_FAULT_TRANSLATION);
	leave();
	assert_published(0, 0, 1);

	with_bug(PT_BUG_lazy_pause_no_flush, &impl_opt);
	enter();
	map(0, 1);
	t.impl->lazy_mmu_mode_pause();
	assert_int_equal(touch(0, 0), HW_FAULT_TRANSLATION);

	with_bug(PT_BUG_publish_missing_dsb, &impl_opt);
	map(0, 1);
	assert_int_equal(touch(0, 0), HW_FAULT_TRANSLATION);

	with_bug(PT_BUG_barrier_before_store, &impl_opt);
	map(0, 1);
	assert_int_equal(touch(0, 0), HW_FAULT_TRANSLATION);
	assert_int_equal(section(4), 1);

	with_bug(PT_BUG_kernel_store_bypasses_queue, &impl_opt);
	map_run(4);
	assert_int_equal(touch(0, 5), HW_FAULT_TRANSLATION);
}

static void test_missing_isb_needs_no_ets2(void **s)
{
	(void)s;
	for (unsigned ets2 = 0; ets2 < 2; ets2++) {
		with_bug(PT_BUG_publish_missing_isb, &impl_opt);
		hw.cfg.ets2 = ets2;
		map(0, 1);
		assert_int_equal(touch(0, 0), ets2 ? HW_OK : HW_FAULT_TRANSLATION);
	}
}

/* The own walker sees the store; another CPU that was told of it, by whatever means, still may not. */
static void test_wrong_domain(void **s)
{
	(void)s;
	with_bug(PT_BUG_publish_wrong_domain, &impl_opt);
	map(0, 1);
	assert_published(0, 0, 1);
	hw_do_context_sync(1);
	assert_int_equal(touch(1, 0), HW_FAULT_TRANSLATION);
	pt_bug_on = -1;
	map(1, 1);
	hw_do_context_sync(1);
	assert_published(1, 1, 1);
}

static void test_pending(void **s)
{
	(void)s;
	with_bug(PT_BUG_pending_lost_at_switch, &impl_opt);
	enter();
	map(0, 1);
	migrate(0, 0, 1, 2);
	leave();
	assert_int_equal(t.isb, 0);
	assert_int_equal(touch(1, 0), HW_FAULT_TRANSLATION);

	with_bug(PT_BUG_pending_wrong_task, &impl_opt);
	run_task(0, 2);
	t.impl->switch_to(&t.task[2], &t.task[0]);
	run_task(0, 0);
	run_task(1, 2);
	t.impl->switch_to(&t.task[2], &t.task[1]); /* task 1 begins on the other CPU */
	run_task(1, 1);
	hw_run_on(0);
	enter();
	map(0, 1);
	leave();
	assert_int_equal(touch(0, 0), HW_FAULT_TRANSLATION);
	assert_true(t.task[1].flags & _TIF_LAZY_MMU_PENDING);
}

static void test_kernel_flush_local(void **s)
{
	(void)s;
	with_bug(PT_BUG_kernel_flush_local, &impl_opt);
	map(0, 1);
	hw_do_context_sync(1);
	assert_published(1, 0, 1);
	t.impl->ptep_get_and_clear(&kernel, kva(0), t.pte);
	t.impl->flush_tlb_kernel_range(kva(0), kva(1));
	assert_int_equal(touch(0, 0), HW_FAULT_TRANSLATION);
	hw_do_context_sync(1);
	assert_int_equal(touch(1, 0), HW_OK);
}

static void test_deferred_leave(void **s)
{
	(void)s;
	with_bug(PT_BUG_deferred_leave_no_flush, &impl_deferred);
	enter();
	map(0, 1);
	leave();
	assert_int_equal(get(0), 0);
	assert_int_equal(t.queued, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_costs, teardown),
		cmocka_unit_test_teardown(test_inner_leave_ends_mode, teardown),
		cmocka_unit_test_teardown(test_interrupts, teardown),
		cmocka_unit_test_teardown(test_unpublished, teardown),
		cmocka_unit_test_teardown(test_missing_isb_needs_no_ets2, teardown),
		cmocka_unit_test_teardown(test_wrong_domain, teardown),
		cmocka_unit_test_teardown(test_pending, teardown),
		cmocka_unit_test_teardown(test_kernel_flush_local, teardown),
		cmocka_unit_test_teardown(test_deferred_leave, teardown),
	};

	hw_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
