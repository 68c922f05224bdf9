/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel mappings on the machine, for lazy_test.c and lazy_bugtest.c.
 *
 * Property: the machine is as unkind as it may be: early walks, stores that drain only when forced, stale values
 * preferred; every step on a task's flags and every barrier is counted.
 */
#ifndef TESTS_LAZY_H
#define TESTS_LAZY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../hw/hw.h"
#include "../impl/bug.h"
#include "../impl/opt_lazy.h"
#include "../impl/opt_pte.h"
#include "../impl/seam.h"

#define PFN    0x10000ull
#define KRW    (PT_PRESENT | PT_KERNEL | PT_WRITE | PT_YOUNG | PT_DIRTY)
#define KRO    (PT_PRESENT | PT_KERNEL | PT_YOUNG | PT_DIRTY)
#define NTASKS 3

static struct {
	const struct pt_impl *impl;
	uint64_t *pte;	/* the kernel's level-3 table */
	uint64_t *upte; /* the user's */
	uint64_t uva;
	struct pt_task task[NTASKS];
	unsigned loads, atomics, dsb, isb, tlbis; /* flag loads and atomics; barriers */
	unsigned local_tlbis, vmall;
	int queued; /* on_queued minus on_executed */
	unsigned nqueued, findings;
	void (*event)(void); /* once, before the next step on `event_at` */
	const void *event_at;
} t;

static struct pt_mm mm, kernel;

static inline bool is_flags(const void *p)
{
	return p >= (const void *)t.task && p < (const void *)(t.task + NTASKS);
}

static inline void on_step(enum hw_class c, const void *p, const char *fn, int line)
{
	assert_non_null(fn);
	assert_true(line > 0);
	t.loads += c == HW_C_LOAD && is_flags(p);
	t.atomics += c == HW_C_ATOMIC && is_flags(p);
	if (t.event && p == t.event_at) {
		void (*event)(void) = t.event;

		t.event = NULL;
		event();
	}
}

static inline void on_trace(const struct hw_trace *r)
{
	t.dsb += r->kind == HW_T_BARRIER && r->old == HW_DSB;
	t.isb += r->kind == HW_T_BARRIER && r->old == HW_ISB;
	if (r->kind != HW_T_TLBI)
		return;
	t.tlbis++;
	t.local_tlbis += !(r->old & HW_TLBI_IS);
	t.vmall += (r->old & ~(uint64_t)HW_TLBI_IS) == HW_TLBI_VMALLE1;
}

static inline void on_finding(enum hw_finding f, const char *fn, int line)
{
	(void)f, (void)fn, (void)line;
	t.findings++;
}

static inline void on_queued(void *p, const char *fn, int line)
{
	(void)p;
	assert_non_null(fn);
	assert_true(line > 0);
	t.queued++;
	t.nqueued++;
}

static inline void on_executed(void *p)
{
	(void)p;
	t.queued--;
}

static inline void reset_counts(void)
{
	t.loads = t.atomics = t.dsb = t.isb = t.tlbis = t.local_tlbis = t.vmall = t.nqueued = 0;
}

/* A root with one level-3 table at the start of the half. */
static inline uint64_t *make_tables(uint64_t **pte)
{
	const struct hw_geo *g = hw.geo;
	uint64_t *root = hw_setup_table(4 - g->levels), *table = root;

	for (unsigned level = 4 - g->levels; level < 3; level++) {
		uint64_t *next = hw_setup_table(level + 1);

		hw_setup_write(table, hw_table_pa(next) | PMD_TYPE_TABLE);
		table = next;
	}
	*pte = table;
	return root;
}

static inline void run_task(unsigned cpu, unsigned task)
{
	hw_run_on(cpu);
	hw_set_current(cpu, &t.task[task]);
}

static inline void start_at(const struct pt_impl *impl, enum hw_geo_id geo)
{
	struct hw_config cfg = {.geo = geo,
				.ncpu = 2,
				.early = true,
				.tlbirange = true,
				.drain = HW_DRAIN_LAZY,
				.xlate = HW_XLATE_STALE};
	struct pt_env env;

	memset(&t, 0, sizeof(t));
	hw_reset(&cfg);
	hw.on_step = on_step;
	hw.on_finding = on_finding;
	hw.on_queued = on_queued;
	hw.on_executed = on_executed;
	hw.trace = on_trace;
	mm = (struct pt_mm){PT_MM_FIRST, 0x42, make_tables(&t.upte)};
	kernel = (struct pt_mm){PT_MM_KERNEL, 0, make_tables(&t.pte)};
	hw_set_kernel_root(kernel.root);
	for (unsigned i = 0; i < HW_MAX_AGENT; i++)
		hw_set_context(i, mm.root, mm.asid);
	for (unsigned i = 0; i < NTASKS; i++)
		t.task[i].id = i;
	run_task(1, 1);
	run_task(0, 0);
	env = (struct pt_env){.page_shift = hw.geo->page_shift,
			      .table_bits = hw.geo->table_bits,
			      .levels = hw.geo->levels,
			      .cont_bits = hw.geo->cont_bits,
			      .mm = &mm,
			      .kernel = &kernel};
	t.impl = impl;
	impl->reset(&env);
}

static inline void start(const struct pt_impl *impl)
{
	start_at(impl, HW_GEO_SMALL);
}

static inline uint64_t kva(unsigned page)
{
	const unsigned bits = hw.geo->page_shift + hw.geo->levels * hw.geo->table_bits;

	return ~0ull << (bits < 48 ? bits : 48) | (uint64_t)page << hw.geo->page_shift;
}

static inline void map(unsigned page, unsigned nr)
{
	t.impl->set_ptes(&kernel, kva(page), t.pte + page, PT_MAKE(PFN + page, KRW), nr);
}

static inline void map_run(unsigned page)
{
	t.impl->set_huge_pte_at(&kernel, kva(page), t.pte + page, PT_MAKE(PFN + page, KRW), CONT_PTES);
}

static inline uint64_t get(unsigned page)
{
	return t.impl->ptep_get(kva(page), t.pte + page);
}

/* What an access by the kernel meets at worst. */
static inline enum hw_fault touch(unsigned cpu, unsigned page)
{
	struct hw_access a = {.agent = (uint8_t)cpu, .priv = true, .va = kva(page)};

	hw_do_access(&a);
	if (a.fault == HW_OK)
		assert_int_equal(a.pa, (PFN + page) << hw.geo->page_shift);
	return a.fault;
}

static inline void assert_published(unsigned cpu, unsigned page, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(touch(cpu, page + i), HW_OK);
}

static inline void enter(void)
{
	t.impl->arch_enter_lazy_mmu_mode();
}

static inline void leave(void)
{
	t.impl->arch_leave_lazy_mmu_mode();
}

/* The running task stops on `from`; task `next` goes on there, and `moves` on the CPU `to`. */
static inline void migrate(unsigned task, unsigned from, unsigned to, unsigned next)
{
	hw_run_on(from);
	t.impl->switch_to(&t.task[task], &t.task[next]);
	hw_set_current(from, &t.task[next]);
	hw_run_on(to);
	t.impl->switch_to(hw_current(), &t.task[task]);
	hw_set_current(to, &t.task[task]);
}

static inline void assert_barriers(unsigned n)
{
	assert_int_equal(t.dsb, n);
	assert_int_equal(t.isb, n);
}

#endif
