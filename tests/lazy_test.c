// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lazy MMU mode: kernel mappings in sections, and the back end that queues stores.
 *
 * Property: all variants of queue_pte_barriers() leave the same tables and publish at the same points, at the costs
 * that opt_lazy.h lists; interrupts, nesting, pause and migration defer nothing that somebody may use; `deferred`
 * stores what it queued, in order, and atomics see what their task has set.
 */
#include "lazy.h"

static const struct pt_impl *const impls[] = {&impl_opt,    &impl_opt_v1,   &impl_opt_v2,
					      &impl_opt_v3, &impl_opt_none, &impl_deferred};
#define NIMPLS (sizeof(impls) / sizeof(impls[0]))

static bool has_lazy(const struct pt_impl *i)
{
	return i->profile.lazy != PT_LAZY_NONE;
}

/* ---- what is stored ---- */

static void script(void)
{
	const bool lazy = has_lazy(t.impl);

	if (lazy)
		enter();
	map(0, 3);
	t.impl->set_ptes(&kernel, kva(3), t.pte + 3, PT_MAKE(PFN + 3, KRO | PT_EXEC), 1);
	if (lazy)
		enter();
	map_run(4);
	if (lazy)
		leave();
	map(8, 4);
	t.impl->huge_ptep_get_and_clear(&kernel, kva(4), t.pte + 4, CONT_PTES);
	t.impl->ptep_get_and_clear(&kernel, kva(9), t.pte + 9);
	map(12, 4);
	if (lazy)
		leave();
	t.impl->flush_tlb_kernel_range(kva(4), kva(10));
}

static void test_same_tables(void **s)
{
	uint64_t want[16];

	(void)s;
	for (unsigned i = 0; i < NIMPLS; i++) {
		start(impls[i]);
		script();
		assert_int_equal(t.queued, 0);
		assert_int_equal(t.findings, 0);
		for (unsigned p = 0; p < 16; p++) {
			if (i == 0)
				want[p] = hw_peek(t.pte + p);
			assert_int_equal(hw_peek(t.pte + p), want[p]);
		}
		assert_published(0, 10, 6);
		for (unsigned n = 0; n < NTASKS; n++)
			assert_int_equal(t.task[n].flags, 0);
	}
}

/* ---- costs: the table in opt_lazy.h ---- */

static const struct {
	const struct pt_impl *impl;
	/* n times the first plus the second */
	unsigned load[2], atomic[2], barrier[2];
} costs[] = {
	{&impl_opt_none, {0, 0}, {0, 0}, {1, 0}}, {&impl_opt_v1, {1, 0}, {1, 3}, {0, 1}},
	{&impl_opt_v2, {2, 0}, {0, 4}, {0, 1}},	  {&impl_opt_v3, {1, 0}, {0, 4}, {0, 1}},
	{&impl_opt, {1, 0}, {0, 2}, {0, 1}},	  {&impl_deferred, {0, 0}, {0, 0}, {0, 1}},
};

static void test_costs(void **s)
{
	static const unsigned ns[] = {1, 16, 512};

	(void)s;
	for (unsigned i = 0; i < sizeof(costs) / sizeof(costs[0]); i++)
		for (unsigned j = 0; j < sizeof(ns) / sizeof(ns[0]); j++) {
			start_at(costs[i].impl, HW_GEO_4K);
			if (has_lazy(t.impl))
				enter();
			for (unsigned p = 0; p < ns[j]; p++)
				map(p, 1);
			if (has_lazy(t.impl))
				leave();
			assert_int_equal(t.loads, ns[j] * costs[i].load[0] + costs[i].load[1]);
			assert_int_equal(t.atomics, ns[j] * costs[i].atomic[0] + costs[i].atomic[1]);
			assert_barriers(ns[j] * costs[i].barrier[0] + costs[i].barrier[1]);
			assert_published(0, 0, ns[j]);
		}
}

static void test_costs_outside_and_empty(void **s)
{
	(void)s;
	for (unsigned i = 0; i < NIMPLS; i++) {
		const bool flag = impls[i]->profile.lazy == PT_LAZY_FLAG;

		start(impls[i]);
		for (unsigned p = 0; p < 4; p++)
			map(p, 1);
		assert_int_equal(t.loads, flag ? 4 : 0);
		assert_int_equal(t.atomics, 0);
		assert_barriers(4);
		reset_counts();
		if (!has_lazy(t.impl))
			continue;
		enter();
		t.impl->ptep_get_and_clear(&kernel, kva(1), t.pte + 1);
		leave();
		assert_barriers(0);
		assert_int_equal(t.atomics, flag ? 3 : t.impl == &impl_deferred ? 0 : 1);
	}
}

/* User entries have a fault handler: nothing is published, nothing is owed. */
static void test_user_entries_cost_nothing(void **s)
{
	(void)s;
	for (unsigned i = 0; i < NIMPLS; i++) {
		start(impls[i]);
		if (has_lazy(t.impl))
			enter();
		reset_counts();
		t.impl->set_ptes(&mm, 0, t.upte, PT_MAKE(PFN, PT_PRESENT | PT_WRITE), 3);
		assert_int_equal(t.loads + t.atomics, 0);
		if (has_lazy(t.impl))
			leave();
		assert_barriers(0);
		assert_int_equal(t.impl->ptep_get(0x1000, t.upte + 1), PT_MAKE(PFN + 1, PT_PRESENT | PT_WRITE));
	}
}

/* ---- the bit atomics under it ---- */

static void test_bit_atomics(void **s)
{
	uint64_t own = 6;

	(void)s;
	start(&impl_opt);
	hw_store(t.pte, 4, HW_RELAXED, __func__, __LINE__); /* pending: an atomic acts after it */
	assert_int_equal(hw_fetch_or(t.pte, 3, HW_RELAXED, __func__, __LINE__), 4);
	assert_int_equal(hw_fetch_andnot(t.pte, 6, HW_ACQ_REL, __func__, __LINE__), 7);
	assert_int_equal(hw_peek(t.pte), 1);
	assert_int_equal(hw_fetch_or(&own, 1, HW_RELAXED, __func__, __LINE__), 6);
	assert_int_equal(hw_hooks.fetch_andnot(&own, 2, HW_RELAXED, __func__, __LINE__), 7);
	assert_int_equal(own, 5);
	assert_int_equal(hw.n[HW_C_ATOMIC], 4);
	hw_fetch_or(t.pte + 16, 1, HW_RELAXED, __func__, __LINE__);
	assert_int_equal(t.findings, 1);
}

/* ---- who sees what when ---- */

/* The machine can show the mistake: within a section an access may fault; after it, it does not. */
static void test_published_at_leave_and_flush(void **s)
{
	(void)s;
	for (unsigned i = 0; i < NIMPLS; i++) {
		start(impls[i]);
		if (!has_lazy(t.impl))
			continue;
		enter();
		map(0, 4);
		assert_int_equal(touch(0, 1), HW_FAULT_TRANSLATION);
		assert_barriers(0);
		t.impl->arch_flush_lazy_mmu_mode();
		assert_published(0, 0, 4);
		assert_barriers(1);
		map_run(4);
		assert_int_equal(touch(0, 5), HW_FAULT_TRANSLATION);
		assert_barriers(1);
		leave();
		assert_published(0, 4, 4);
		assert_barriers(2);
	}
}

/*
 *	task      enter, map 0              map 3, leave
 *	irq                   map 1, map 2
 */
static void test_interrupts_defer_nothing(void **s)
{
	static const uint32_t in[] = {PT_HARDIRQ_OFFSET, PT_SOFTIRQ_OFFSET, PT_BH_OFF};

	(void)s;
	for (unsigned i = 0; i < NIMPLS; i++)
		for (unsigned j = 0; has_lazy(impls[i]) && j < 3; j++) {
			start(impls[i]);
			enter();
			map(0, 1);
			reset_counts();
			t.task[0].preempt_count += in[j];
			map(1, 1);
			assert_published(0, 1, 1);
			enter();
			map(2, 1);
			assert_published(0, 2, 1);
			leave();
			t.impl->arch_flush_lazy_mmu_mode();
			assert_barriers(2);
			assert_int_equal(t.loads + t.atomics, 0);
			t.task[0].preempt_count -= in[j];
			map(3, 1);
			assert_int_equal(touch(0, 3), HW_FAULT_TRANSLATION);
			assert_barriers(2);
			leave();
			assert_published(0, 0, 4);
			assert_barriers(3);
		}
}

/* |enter enter map0 leave| map1 |leave| */
static void test_nesting(void **s)
{
	(void)s;
	for (unsigned i = 0; i < NIMPLS; i++) {
		start(impls[i]);
		if (!has_lazy(t.impl))
			continue;
		enter();
		enter();
		map(0, 1);
		leave();
		assert_published(0, 0, 1);
		assert_barriers(1);
		map(1, 1);
		if (t.impl->profile.lazy == PT_LAZY_FLAG) {
			assert_published(0, 1, 1); /* the mode has ended */
			leave();
			assert_barriers(2);
		} else {
			assert_int_equal(touch(0, 1), HW_FAULT_TRANSLATION);
			assert_barriers(1);
			leave();
			assert_published(0, 1, 1);
			assert_barriers(2);
		}
		map(2, 1);
		assert_published(0, 2, 1);
	}
}

/* |enter map0 pause| map1, enter map2 leave |resume map3 leave| */
static void test_pause(void **s)
{
	(void)s;
	for (unsigned i = 0; i < NIMPLS; i++) {
		start(impls[i]);
		assert_int_equal(!!t.impl->lazy_mmu_mode_pause, t.impl->profile.lazy == PT_LAZY_COUNTER);
		if (!t.impl->lazy_mmu_mode_pause)
			continue;
		enter();
		map(0, 1);
		t.impl->lazy_mmu_mode_pause();
		assert_published(0, 0, 1);
		map(1, 1);
		assert_published(0, 1, 1);
		enter();
		map(2, 1);
		assert_published(0, 2, 1);
		leave();
		t.impl->lazy_mmu_mode_pause();
		t.impl->lazy_mmu_mode_resume();
		assert_barriers(3);
		t.impl->lazy_mmu_mode_resume();
		map(3, 1);
		assert_int_equal(touch(0, 3), HW_FAULT_TRANSLATION);
		leave();
		assert_published(0, 3, 1);
		assert_int_equal(t.findings, 0);
		t.impl->lazy_mmu_mode_pause();
		enter();
		t.impl->lazy_mmu_mode_resume();
		map(4, 1);
		assert_published(0, 4, 1);
		assert_int_equal(t.task[0].arch[LAZY_ENABLED] + t.task[0].arch[LAZY_PAUSED], 0);
	}
}

static void test_unbalanced_is_a_warning(void **s)
{
	(void)s;
	start(&impl_opt);
	leave();
	assert_int_equal(t.findings, 1);
	t.impl->lazy_mmu_mode_resume();
	assert_int_equal(t.findings, 2);
}

/*
 *	cpu0   task 0: enter, map 0   | switch to 2: map 1, publishes its own
 *	cpu1                          | switch to 0: map 2, leave, access
 */
static void test_migration(void **s)
{
	(void)s;
	for (unsigned i = 0; i < NIMPLS; i++) {
		start(impls[i]);
		if (!has_lazy(t.impl))
			continue;
		enter();
		map(0, 1);
		migrate(0, 0, 1, 2);
		assert_int_equal(t.isb, 0);
		hw_run_on(0);
		map(1, 1);
		assert_published(0, 1, 1);
		hw_run_on(1);
		map(2, 1);
		assert_int_equal(touch(1, 2), HW_FAULT_TRANSLATION);
		leave();
		assert_published(1, 0, 1);
		assert_published(1, 2, 1);
		assert_int_equal(t.task[0].flags | t.task[2].flags, 0);
	}
}

/* ---- runs, and the flush ---- */

static void test_runs(void **s)
{
	(void)s;
	for (unsigned i = 0; i < NIMPLS; i++) {
		start(impls[i]);
		map_run(4);
		assert_barriers(1);
		for (unsigned p = 4; p < 8; p++) {
			assert_true(pte_valid_cont(hw_peek(t.pte + p)));
			assert_int_equal(get(p), PT_MAKE(PFN + p, KRW));
		}
		assert_published(0, 4, 4);
		hw_do_context_sync(1);
		assert_published(1, 4, 4);
		reset_counts();
		assert_int_equal(t.impl->huge_ptep_get_and_clear(&kernel, kva(4), t.pte + 4, CONT_PTES),
				 PT_MAKE(PFN + 4, KRW));
		assert_int_equal(t.dsb + t.isb + t.tlbis, 0);
		for (unsigned p = 4; p < 8; p++)
			assert_int_equal(hw_peek(t.pte + p), 0);
		t.impl->flush_tlb_kernel_range(kva(4), kva(8));
		hw_do_context_sync(1);
		for (unsigned cpu = 0; cpu < 2; cpu++)
			assert_int_equal(touch(cpu, 5), HW_FAULT_TRANSLATION);
		map(4, 4);
		assert_int_equal(t.findings, 0);
	}
}

static void test_flush_kernel_range(void **s)
{
	(void)s;
	start_at(&impl_opt, HW_GEO_4K);
	t.impl->flush_tlb_kernel_range(kva(1), kva(2));
	assert_int_equal(t.tlbis, 1);
	assert_int_equal(t.dsb, 2);
	assert_int_equal(t.isb, 1);
	t.impl->flush_tlb_kernel_range(kva(0), kva(0) + (1ull << 40));
	assert_int_equal(t.vmall, 1);
	assert_int_equal(t.local_tlbis, 0);
	hw.cfg.tlbirange = false;
	t.impl->flush_tlb_kernel_range(kva(0), kva(511));
	assert_int_equal(t.vmall, 1);
	t.impl->flush_tlb_kernel_range(kva(0), kva(0) + (512ull << 12));
	assert_int_equal(t.vmall, 2);
}

/* ---- deferred ---- */

static void test_deferred_queues(void **s)
{
	(void)s;
	start(&impl_deferred);
	enter();
	map(0, 4);
	assert_int_equal(t.queued, 4);
	assert_int_equal(get(0), 0); /* the hazard */
	t.impl->set_ptes(&kernel, kva(1), t.pte + 1, PT_MAKE(PFN + 9, KRW), 1);
	leave();
	assert_int_equal(t.queued, 0);
	assert_int_equal(get(0), PT_MAKE(PFN, KRW));
	assert_int_equal(get(1), PT_MAKE(PFN + 9, KRW)); /* in order */
	map(5, 1);
	assert_int_equal(t.nqueued, 5);
	assert_int_equal(get(5), PT_MAKE(PFN + 5, KRW));
}

/* Each atomic by what it does to a page that is queued as |w--|, writable, young and dirty where that matters. */
static void test_deferred_reads_through(void **s)
{
	const uint64_t rw = PT_PRESENT | PT_WRITE, v = PT_MAKE(PFN, rw | PT_YOUNG | PT_DIRTY);
	const struct pt_impl *i = &impl_deferred;

	(void)s;
	for (unsigned op = 0; op < 9; op++) {
		start(i);
		enter();
		i->set_ptes(&mm, 0, t.upte, v, 4);
		switch (op) {
		case 0:
			assert_int_equal(i->ptep_get_and_clear(&mm, 0, t.upte), v);
			break;
		case 1:
			assert_int_equal(i->get_and_clear_full_ptes(&mm, 0, t.upte, 1, 0), v);
			break;
		case 2:
			i->wrprotect_ptes(&mm, 0, t.upte, 1);
			assert_int_equal(i->ptep_get(0, t.upte), v & ~PT_WRITE);
			break;
		case 3:
			assert_int_equal(i->ptep_set_access_flags(&mm, 0, t.upte, v, 1), 0);
			break;
		case 4:
			assert_int_equal(i->ptep_test_and_clear_young(&mm, 0, t.upte), 1);
			break;
		case 5:
			i->clear_young_dirty_ptes(&mm, 0, t.upte, 1, PT_CYDP_DIRTY);
			assert_int_equal(i->ptep_get(0, t.upte), v & ~PT_DIRTY);
			break;
		case 6:
			assert_int_equal(i->ptep_clear_flush(&mm, 0, t.upte), v);
			break;
		case 7:
			assert_int_equal(i->modify_prot_start_ptes(&mm, 0, t.upte, 1), v);
			i->modify_prot_commit_ptes(&mm, 0, t.upte, v, v & ~PT_WRITE, 1);
			assert_int_equal(i->ptep_get(0, t.upte), 0);
			break;
		case 8:
			i->clear_full_ptes(&mm, 0, t.upte, 1, 0);
			break;
		}
		/* Only that entry was executed. */
		assert_int_equal(t.queued, op == 7 ? 4 : 3);
		assert_int_equal(i->ptep_get(0x1000, t.upte + 1), 0);
		leave();
		assert_int_equal(t.queued, 0);
		assert_int_equal(i->ptep_get(0x1000, t.upte + 1), v + (1 << 12));
		assert_int_equal(!!(i->ptep_get(0, t.upte) & PT_PRESENT), op != 0 && op != 1 && op != 6 && op != 8);
	}
}

static void test_deferred_full_queue(void **s)
{
	(void)s;
	start_at(&impl_deferred, HW_GEO_4K);
	enter();
	for (unsigned p = 0; p < 512; p++) {
		map(p, 1);
		assert_true(t.queued <= 64);
	}
	assert_barriers(0);
	leave();
	assert_barriers(1);
	assert_published(0, 0, 512);
}

/* Two tasks, two queues; an interrupt on one of them stores at once, over what is queued. */
static void test_deferred_tasks_and_interrupts(void **s)
{
	(void)s;
	start(&impl_deferred);
	enter();
	map(0, 1);
	run_task(1, 1);
	enter();
	map(1, 1);
	leave();
	assert_published(1, 1, 1);
	assert_int_equal(t.queued, 1);
	run_task(0, 0);
	t.task[0].preempt_count = PT_HARDIRQ_OFFSET;
	map(2, 1);
	assert_int_equal(get(2), PT_MAKE(PFN + 2, KRW));
	assert_int_equal(t.queued, 1);
	assert_int_equal(t.impl->ptep_get_and_clear(&kernel, kva(0), t.pte), PT_MAKE(PFN, KRW));
	assert_int_equal(t.queued, 0);
	t.task[0].preempt_count = 0;
	leave();
	assert_int_equal(get(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_tables),
		cmocka_unit_test(test_costs),
		cmocka_unit_test(test_costs_outside_and_empty),
		cmocka_unit_test(test_user_entries_cost_nothing),
		cmocka_unit_test(test_bit_atomics),
		cmocka_unit_test(test_published_at_leave_and_flush),
		cmocka_unit_test(test_interrupts_defer_nothing),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_unbalanced_is_a_warning),
		cmocka_unit_test(test_migration),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_flush_kernel_range),
		cmocka_unit_test(test_deferred_queues),
		cmocka_unit_test(test_deferred_reads_through),
		cmocka_unit_test(test_deferred_full_queue),
		cmocka_unit_test(test_deferred_tasks_and_interrupts),
	};

	hw_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
