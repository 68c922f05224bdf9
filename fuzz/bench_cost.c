// SPDX-License-Identifier: GPL-2.0-only
/*
 * Costs that the mailing list argued about, counted on the machine.
 *
 * Property: every number is counted from steps of an implementation's own code on a fresh machine, none is computed;
 * so whoever changes the code sees the argument change.
 *
 *	bench teardown		loads and atomics to remove a contiguous run, one entry a call and batched
 *	bench lazy		flag loads, atomics, DSB and ISB to map n kernel pages in one lazy section
 */
#include <string.h>

#include "fuzz/bench.h"
#include "fuzz/exec.h"
#include "hw/hw.h"
#include "impl/bug.h"

enum { PFN = 0x10000, MAX_PAGES = 512, ASID = 7 };

static struct {
	const struct pt_impl *impl;
	struct pt_mm user, kernel;
	struct pt_task task;
	uint64_t *upte, *kpte; /* level-3 tables at the start of either half */
	unsigned flag_loads, flag_atomics;
} b;

static void on_step(enum hw_class c, const void *p, const char *fn, int line)
{
	const bool flags = p == &b.task.flags;

	(void)fn, (void)line;
	b.flag_loads += flags && c == HW_C_LOAD;
	b.flag_atomics += flags && c == HW_C_ATOMIC;
}

static void *make_tables(uint64_t **pte)
{
	const unsigned top = 4 - hw.geo->levels;
	uint64_t *root = hw_setup_table(top), *table = root;

	for (unsigned level = top; level < 3; level++) {
		uint64_t *next = hw_setup_table(level + 1);

		hw_setup_write(table, hw_table_pa(next) | HW_D_TABLE | HW_D_VALID);
		table = next;
	}
	*pte = table;
	return root;
}

static void start(const struct pt_impl *set, unsigned geo)
{
	static const struct pt_folio folio = {.pfn = PFN, .order = 12};
	const struct hw_config cfg = {
		.geo = (enum hw_geo_id)geo, .ncpu = 1, .update = {HW_UPD_AF_DIRTY}, .bbml = 3};
	struct pt_env env;

	hw_reset(&cfg);
	hw.on_step = on_step;
	b.impl = impl_for_geo(set, geo);
	b.user = (struct pt_mm){.id = PT_MM_FIRST, .asid = ASID, .root = make_tables(&b.upte)};
	b.kernel = (struct pt_mm){.id = PT_MM_KERNEL, .root = make_tables(&b.kpte)};
	b.task = (struct pt_task){.id = 0};
	hw_set_context(0, b.user.root, ASID);
	hw_set_kernel_root(b.kernel.root);
	hw_set_current(0, &b.task);
	hw_run_on(0);
	env = (struct pt_env){.page_shift = hw.geo->page_shift,
			      .table_bits = hw.geo->table_bits,
			      .levels = hw.geo->levels,
			      .cont_bits = hw.geo->cont_bits,
			      .mm = &b.user,
			      .kernel = &b.kernel,
			      .folios = &folio,
			      .nfolios = 1};
	b.impl->reset(&env);
}

static uint64_t page_addr(unsigned i)
{
	return (uint64_t)i << hw.geo->page_shift;
}

/* --- thread 004: what one entry a call costs */

enum way { ONE_BY_ONE, ONE_BY_ONE_FULL, BATCHED };

static void teardown(const struct pt_impl *impl, unsigned geo, enum way way, bool recorded)
{
	const uint64_t val = PT_MAKE(PFN, PT_PRESENT | PT_WRITE | (recorded ? PT_YOUNG | PT_DIRTY : 0));
	unsigned cont;

	start(impl, geo);
	cont = 1u << hw.geo->cont_bits;
	b.impl->set_ptes(&b.user, 0, b.upte, val, cont);
	memset(hw.n, 0, sizeof(hw.n));
	if (way == BATCHED)
		b.impl->get_and_clear_full_ptes(&b.user, 0, b.upte, cont, 1);
	for (unsigned i = 0; way != BATCHED && i < cont; i++) {
		if (way == ONE_BY_ONE_FULL)
			b.impl->ptep_get_and_clear_full(&b.user, page_addr(i), b.upte + i, 1);
		else
			b.impl->ptep_get_and_clear(&b.user, page_addr(i), b.upte + i);
	}
	printf(" %6u %6u", hw.n[HW_C_LOAD], hw.n[HW_C_ATOMIC]);
}

int bench_teardown(const struct pt_impl *impl)
{
	static const struct {
		const char *what;
		enum way way;
		bool recorded;
	} rows[] = {
		{"one entry a call, folded, nothing to find", ONE_BY_ONE_FULL, false},
		{"one entry a call, folded, ends when it has found all", ONE_BY_ONE_FULL, true},
		{"one entry a call, unfolded first", ONE_BY_ONE, true},
		{"batched", BATCHED, true},
	};

	printf("%-54s %13s %13s %13s %13s\n", "loads and atomics to tear down one contiguous run", "small (4)",
	       "4k (16)", "64k (32)", "16k (128)");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const uint8_t order[] = {HW_GEO_SMALL, HW_GEO_4K, HW_GEO_64K, HW_GEO_16K};

		printf("%-54s", rows[i].what);
		for (unsigned g = 0; g < HW_NGEO; g++) {
			const struct pt_impl *m = impl_for_geo(impl, order[g]);

			if (!m || (rows[i].way == ONE_BY_ONE_FULL && !m->ptep_get_and_clear_full))
				printf(" %13s", "-");
			else
				teardown(impl, order[g], rows[i].way, rows[i].recorded);
		}
		putchar('\n');
	}
	return 0;
}

/* --- thread 000: what publication costs */

static void map_pages(const struct pt_impl *impl, unsigned n)
{
	start(impl, HW_GEO_4K);
	if (b.impl->arch_enter_lazy_mmu_mode)
		b.impl->arch_enter_lazy_mmu_mode();
	for (unsigned i = 0; i < n; i++)
		b.impl->set_ptes(&b.kernel, page_addr(i), b.kpte + i,
				 PT_MAKE(PFN + i, PT_PRESENT | PT_KERNEL | PT_WRITE | PT_YOUNG | PT_DIRTY), 1);
	if (b.impl->arch_leave_lazy_mmu_mode)
		b.impl->arch_leave_lazy_mmu_mode();
}

static void lazy_row(const char *name, const struct pt_impl *impl)
{
	static const unsigned sizes[] = {1, 16, MAX_PAGES};

	printf("%-28s", name);
	for (unsigned i = 0; i < 3; i++) {
		const double n = sizes[i];

		b.flag_loads = b.flag_atomics = 0;
		map_pages(impl, sizes[i]);
		printf("  %5.2f %5.2f %5.2f %5.2f", b.flag_loads / n, b.flag_atomics / n, hw.n[HW_N_DSB] / n,
		       hw.n[HW_N_ISB] / n);
	}
	putchar('\n');
}

#ifdef PTDIFF_BUGS
static void lazy_wrong(const char *name, const char *bug)
{
	if (bug_select(bug) == 0)
		lazy_row(name, &impl_opt);
	pt_bug_on = -1;
}
#endif

int bench_lazy(void)
{
	printf("%-28s  %-23s  %-23s  %-23s\n%-28s", "a mapped page, in a section of", "1 page", "16 pages",
	       "512 pages", "");
	for (unsigned i = 0; i < 3; i++)
		printf("  %5s %5s %5s %5s", "loads", "atom", "dsb", "isb");
	putchar('\n');
	lazy_row("no lazy mode", &impl_opt_none);
	lazy_row("v1, flag", &impl_opt_v1);
	lazy_row("v2, flag", &impl_opt_v2);
	lazy_row("v3, flag", &impl_opt_v3);
	lazy_row("v3, counter (opt)", &impl_opt);
	lazy_row("deferred", &impl_deferred);
#ifdef PTDIFF_BUGS
	lazy_wrong("v2 wrong, counter", "queue-v2-wrong");
	lazy_wrong("v3 wrong, counter", "queue-v3-wrong");
#endif
	return 0;
}
