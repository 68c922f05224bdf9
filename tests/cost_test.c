// SPDX-License-Identifier: GPL-2.0-only
/*
 * The budgets of fuzz/cost.def.
 *
 * Property: they say what the threads argue for (a full clear costs no invalidation, a batch is linear, a section has one
 * pair of barriers), one step more exceeds them, and right code keeps to them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../fuzz/exec_internal.h"

#define NIMPLS 6
static const struct pt_impl *const impls[NIMPLS] = {&impl_opt,	  &impl_opt_v1,	  &impl_opt_v2,
						    &impl_opt_v3, &impl_opt_none, &impl_deferred};

static void test_tlbis(void **s)
{
	(void)s;
	assert_int_equal(cost_tlbis(1, false), 1);
	assert_int_equal(cost_tlbis(16, false), 16);
	assert_int_equal(cost_tlbis(511, false), 511);
	assert_int_equal(cost_tlbis(1, true), 1);
	assert_int_equal(cost_tlbis(2, true), 1);
	assert_int_equal(cost_tlbis(16, true), 1);
	assert_int_equal(cost_tlbis(17, true), 2);
	assert_int_equal(cost_tlbis(64, true), 1);   /* one of scale 1 */
	assert_int_equal(cost_tlbis(67, true), 3);   /* 64, 2, 1 */
	assert_int_equal(cost_tlbis(2048, true), 1); /* scale 2 */
}

/* C entries of 16, whole or one short at the end, of a folded run. */
static struct cost_facts run_of(unsigned n)
{
	const unsigned cut = n % 16 != 0;

	return (struct cost_facts){.n = n,
				   .C = 16,
				   .m = 16,
				   .ends = cut * (n < 16 ? 2 : 1),
				   .cuts = cut,
				   .folded = true,
				   .batch = true,
				   .convert_flushes = true};
}

static void test_whole_runs(void **s)
{
	static const unsigned ids[] = {OP_get_and_clear_full_ptes, OP_clear_full_ptes, OP_wrprotect_ptes};
	struct cost_budget b;

	(void)s;
	for (unsigned i = 0; i < 3; i++) {
		const struct cost_facts whole = run_of(16), part = run_of(15);

		assert_true(cost_budget(ids[i], &whole, &b));
		assert_int_equal(b.tlbis + b.dsbs + b.stores + b.wide, 0);
		assert_int_equal(b.atomics, 16);
		assert_int_equal(b.loads, ids[i] == OP_wrprotect_ptes ? 16 : 0);
		assert_true(cost_budget(ids[i], &part, &b));
		assert_int_equal(b.tlbis, 16);
		assert_int_equal(b.dsbs, 2);
		assert_int_equal(b.atomics, 15 + 16);
	}
}

static void test_flushes_do_not_widen(void **s)
{
	struct cost_facts f = {.n = 511, .C = 16};
	struct cost_budget b;

	(void)s;
	assert_true(cost_budget(OP_flush_tlb_range, &f, &b));
	assert_int_equal(b.wide, 0);
	f.n = 512;
	assert_true(cost_budget(OP_flush_tlb_range, &f, &b));
	assert_int_equal(b.wide, 1);
	assert_true(cost_budget(API_flush_tlb_mm, &f, &b));
	assert_int_equal(b.wide, 1);
}

static void test_exceeded(void **s)
{
	const struct cost_budget b = {.loads = 2, .atomics = 3, .stores = 1, .dsbs = 2, .tlbis = 4, .notifies = 1};
	const uint32_t most[HW_NCOUNT] = {[HW_C_LOAD] = 2, [HW_C_ATOMIC] = 3, [HW_C_STORE] = 1,
					  [HW_N_DSB] = 2,  [HW_C_TLBI] = 5,   [HW_N_NOTIFY] = 1};
	static const struct {
		unsigned count;
		enum cost_class c;
	} more[] = {{HW_C_LOAD, COST_LOADS},   {HW_C_ATOMIC, COST_ATOMICS}, {HW_C_STORE, COST_STORES},
		    {HW_N_DSB, COST_BARRIERS}, {HW_N_ISB, COST_BARRIERS},   {HW_C_TLBI, COST_TLBIS},
		    {HW_N_WIDE, COST_WIDE}};
	uint32_t n[HW_NCOUNT];

	(void)s;
	assert_int_equal(cost_exceeded(&b, most), COST_NCLASS);
	for (unsigned i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		memcpy(n, most, sizeof(n));
		n[more[i].count]++;
		assert_int_equal(cost_exceeded(&b, n), more[i].c);
	}
	memcpy(n, most, sizeof(n)); /* an atomic done by a load and a store is another oracle's business */
	n[HW_C_ATOMIC]--, n[HW_C_LOAD]++, n[HW_C_STORE]++;
	assert_int_equal(cost_exceeded(&b, n), COST_NCLASS);
}

static void test_lazy_budgets(void **s)
{
	const struct ref_k_op set = {.id = OP_set_ptes, .nr = 16, .val.kind = REF_PRESENT};
	const struct ref_k_op leave = {.id = API_arch_leave_lazy_mmu_mode};
	struct pt_profile p = impl_opt.profile;
	struct cost_budget b;

	(void)s;
	assert_true(cost_kernel_budget(&set, &p, false, false, &b));
	assert_int_equal(b.dsbs, 16);
	assert_true(cost_kernel_budget(&set, &p, true, false, &b));
	assert_int_equal(b.dsbs + b.isbs, 0);
	assert_int_equal(b.atomics, 1);
	assert_true(cost_kernel_budget(&set, &p, true, true, &b));
	assert_int_equal(b.atomics, 0);
	assert_true(cost_kernel_budget(&leave, &p, true, true, &b));
	assert_int_equal(b.dsbs, 1);
	assert_int_equal(b.isbs, 1);
	assert_int_equal(b.atomics, 1);
	assert_true(cost_kernel_budget(&leave, &p, true, false, &b));
	assert_int_equal(b.dsbs, 0);
	p.lazy_form = 1;
	assert_true(cost_kernel_budget(&set, &p, true, true, &b));
	assert_int_equal(b.atomics, 16);
}

/* Every variant keeps to them, in generated programs of all geometries; most calls are judged. */
/* A GiB in pages, 4K with four levels: what `bench create` counts. */
static void test_creation(void **s)
{
	struct cost_map_facts f = {
		.visited = 514, .made = 514, .leaves = 512 * 512, .tops = 1, .map = 1, .clear_new = 1};
	unsigned b[CM_N];

	(void)s;
	assert_true(cost_map_budget(OP_create_map, &f, b)); /* final */
	assert_int_equal(b[CM_TABLES], 514);
	assert_int_equal(b[CM_CLEARS], 514);
	assert_int_equal(b[CM_TLBIS], 515);
	assert_int_equal(b[CM_BARRIERS], 2572 + 1543);
	f.map_new = 1;
	assert_true(cost_map_budget(OP_create_map, &f, b)); /* remap, at boot */
	assert_int_equal(b[CM_TLBIS], 1029);
	assert_int_equal(b[CM_BARRIERS], 4114 + 2571);
	f.map = f.map_new = 0;
	assert_true(cost_map_budget(OP_create_map, &f, b)); /* ops, late */
	assert_int_equal(b[CM_TLBIS], 1);
	assert_int_equal(b[CM_BARRIERS], 1544 + 1029);
}

/* One page out of 1 GiB, and 1 GiB to pages: what `bench split` counts. */
static void test_splits(void **s)
{
	struct cost_map_facts f = {.cuts = 2,
				   .E = 512,
				   .runs = 32,
				   .modes = 1,
				   .busy = 1,
				   .locks = 1,
				   .lazy = PT_LAZY_COUNTER,
				   .lazy_form = 3};
	unsigned b[CM_N];

	(void)s;
	ex.geo = &hw_geos[HW_GEO_4K];
	assert_true(cost_map_budget(OP_split, &f, b));
	assert_int_equal(b[CM_TABLES], 2);
	assert_int_equal(b[CM_STORES], 1058 + 1); /* and the mutex */
	assert_int_equal(b[CM_BARRIERS], 3 + 1);
	assert_int_equal(b[CM_ATOMICS], 3);
	assert_int_equal(b[CM_TLBIS], 0);
	f.lazy = PT_LAZY_NONE;
	assert_true(cost_map_budget(OP_split, &f, b)); /* each link and each entry of a run by itself */
	assert_int_equal(b[CM_BARRIERS], 2 + 2 * 34);
	f = (struct cost_map_facts){.cuts = 513, .E = 512, .modes = 1, .busy = 1, .flushes = 1, .ranges = 1};
	f.lazy = PT_LAZY_COUNTER;
	assert_true(cost_map_budget(OP_repaint, &f, b));
	assert_int_equal(b[CM_STORES], 263169 + 1); /* and the flag */
	assert_int_equal(b[CM_BARRIERS], 517 + 2);
	assert_int_equal(b[CM_TLBIS], 1);
	assert_false(cost_map_budget(OP_walk, &f, b));
	assert_int_equal(cost_kernel_flush(16, false), 16);
	assert_int_equal(cost_kernel_flush(512, false), 1); /* everything */
	assert_int_equal(cost_kernel_flush(512, true), 1);
	assert_int_equal(cost_kernel_flush(1ull << 24, true), 1);
}

static void test_right_code_is_within(void **s)
{
	static struct prog p;
	struct outcome o;

	(void)s;
	memset(&cost_stats, 0, sizeof(cost_stats));
	for (unsigned i = 0; i < NIMPLS; i++) {
		for (unsigned seed = 0; seed < 400; seed++) {
			mut_generate(&p, 16, 7000 + seed);
			exec_run(&p, impls[i], &o);
			if (!strncmp(o.sig, "cost/", 5))
				fail_msg("%s, seed %u: %s: %s", impls[i]->name, 7000 + seed, o.sig, o.detail);
		}
	}
	assert_true(cost_stats.checked > 20 * cost_stats.skipped);
	assert_true(cost_stats.sections > 100);
}

static int setup(void **s)
{
	(void)s;
	exec_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tlbis),
		cmocka_unit_test(test_whole_runs),
		cmocka_unit_test(test_flushes_do_not_widen),
		cmocka_unit_test(test_exceeded),
		cmocka_unit_test(test_lazy_budgets),
		cmocka_unit_test(test_creation),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_right_code_is_within),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
