// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost of creating a linear map in pages: the three designs of thread 001 side by side, and what its series began with.
 *
 * Property: the very code of impl/mmu.c runs here, on plain memory (bench_mem.h): counts are its own. Times in the first
 * table are measured; those in the second are a model, whose two prices come from figures published for real hardware.
 *
 *	bench create	4K pages, 4 levels (and 5: final5), 1 to 64 GiB
 */
#include <stdio.h>

#include "bench_mem.h"
#include "fuzz/bench.h"
#include "impl/opt_pte.h"
#include "impl/opt_tlb.h"

/* What the kernel did before the series, and its first patch ended; and what the second ended. */
static struct {
	bool remaps, publishes;
} before;

static inline bool old_way(enum pt_bug_id id)
{
	return (id == PT_BUG_table_remapped_per_run && before.remaps) ||
	       (id == PT_BUG_create_barrier_per_entry && before.publishes);
}

/* A DSB before and after the TLBI, then an ISB, as the real one. */
static void b_flush(void)
{
	bench_mem.n.tlbis++;
	bench_mem.n.dsbs += 2;
	bench_mem.n.isbs++;
}

/* Names of its own for what impl/mmu.c defines. */
#undef BUG
#define BUG(id)				   old_way(PT_BUG_##id)
#define flush_tlb_kernel_range(start, end) ((void)(start), (void)(end), b_flush())
#define mmu				   bench_mmu
#define mmu_shift			   bench_mmu_shift
#define mmu_publish			   bench_mmu_publish
#define mmu_final			   bench_mmu_final
#define mmu_remap			   bench_mmu_remap
#define mmu_ops				   bench_mmu_ops
#include "impl/mmu.c"

struct result {
	struct bench_count n;
	double ms;
};

static unsigned levels = 4;

static bool once(const struct pt_mmu *m, unsigned alloc, unsigned gib)
{
	struct pt_mmu_env env = {.page_shift = 12,
				 .table_bits = BENCH_TABLE_BITS,
				 .levels = levels,
				 .va_bits = levels == 5 ? 52 : 48,
				 .lpa2 = levels == 5,
				 .cont_pte_bits = 4,
				 .cont_pmd_bits = 4};

	bench_mem_reset(gib);
	env.pgdir = b_alloc();
	env.fixmap_ptep = bench_mem.fixmap = b_alloc();
	env.fixmap_va = ~0ull << 32;
	memset(env.pgdir, 0, 2 * BENCH_PAGE);
	bench_mem.n = (struct bench_count){.tables = 0};
	m->reset(&env);
	return !m->create_pgd_mapping(env.pgdir, 1ull << 36, ~0ull << env.va_bits, (uint64_t)gib << 30,
				      PT_PRESENT | PT_KERNEL | PT_WRITE, alloc,
				      PT_NO_BLOCK_MAPPINGS | PT_NO_CONT_MAPPINGS);
}

/* 0: done. */
static int run(struct result *r, const struct pt_mmu *m, unsigned alloc, unsigned gib)
{
	r->ms = 1e9;
	for (unsigned i = 0; i < bench_rounds(gib); i++) {
		const double t = bench_now_ms();

		if (!once(m, alloc, gib))
			return 1;
		r->ms = bench_now_ms() - t < r->ms ? bench_now_ms() - t : r->ms;
	}
	r->n = bench_mem.n;
	return 0;
}

static void print_row(const char *name, const char *alloc, unsigned gib, const struct result *r,
		      const struct result *first)
{
	const struct bench_count *n = &r->n;
	const double g = gib;

	printf("%-6s %-5s %4u %7u %7.1f %7.1f %7.1f %7.1f %9.1f %9.4f %8.2f %7.3f %7.2f\n", name, alloc, gib,
	       n->tables, n->slots / g, n->tlbis / g, n->dsbs / g, n->isbs / g, (n->clears - n->tables) / g,
	       bench_sum(n) / g / bench_sum(&first->n), r->ms, r->ms / g, r->ms / g / first->ms);
}

static int growth(const struct pt_mmu *m, const char *name, unsigned alloc)
{
	struct result first, r;

	for (unsigned gib = 1; gib <= 64; gib *= 8) {
		if (run(&r, m, alloc, gib))
			return 1;
		if (gib == 1)
			first = r;
		print_row(name, alloc == PT_ALLOC_EARLY ? "early" : "late", gib, &r, &first);
	}
	return 0;
}

/*
 * map_mem() of 64 GiB on an Ampere Altra, a virtual machine, after each patch of the series, in ms: cover letter of its
 * second version, linux-arm-kernel, 4 April 2024 (lists.infradead.org, 2024-April/917613).
 */
static const struct {
	const char *name;
	bool remaps, publishes;
	const struct pt_mmu *m;
	unsigned alloc;
	double ms; /* published; 0: none */
} steps[] = {
	{"up to 6.9", true, true, &mmu_remap, PT_ALLOC_EARLY, 2227},
	{"no remap per run", false, true, &mmu_remap, PT_ALLOC_EARLY, 431},
	{"no barrier per entry: remap", false, false, &mmu_remap, PT_ALLOC_EARLY, 162},
	{"no remap after allocation: final", false, false, &mmu_final, PT_ALLOC_EARLY, 109},
	{"ops, tables of the page allocator", false, false, &mmu_ops, PT_ALLOC_LATE, 0},
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

/* Barriers other than those of a slot, of which setting takes a DSB and clearing two: those of links, clears, entries. */
static double published_alone(const struct bench_count *n)
{
	return (double)n->dsbs - 3.0 * n->slots;
}

/* The prices are those that the first three rows ask for; the last published row tells whether they hold. */
static int model(void)
{
	struct result r[STEPS];
	double slot, barrier, rest;

	for (unsigned i = 0; i < STEPS; i++) {
		before.remaps = steps[i].remaps;
		before.publishes = steps[i].publishes;
		if (run(&r[i], steps[i].m, steps[i].alloc, 64))
			return 1;
	}
	before.remaps = before.publishes = false;
	slot = (steps[0].ms - steps[1].ms) / ((double)r[0].n.slots - r[1].n.slots);
	barrier = (steps[1].ms - steps[2].ms) / (published_alone(&r[1].n) - published_alone(&r[2].n));
	rest = steps[2].ms - slot * r[2].n.slots - barrier * published_alone(&r[2].n);
	printf("\nthe same, 64 GiB, after each patch of the series. MODEL: a slot set and cleared (3 DSBs, 2 ISBs, "
	       "a TLBI) %.2f us, "
	       "another barrier %.1f ns,\nthe rest %.0f ms: solved from the first three published times (Ampere "
	       "Altra); what they "
	       "say of the rows below is a prediction\n",
	       slot * 1e3, barrier * 1e6, rest);
	printf("%-34s %9s %9s %9s %9s %10s %10s\n", "", "slots", "barriers", "host ms", "model ms", "published",
	       "of it");
	for (unsigned i = 0; i < STEPS; i++) {
		const double b = published_alone(&r[i].n), ms = rest + slot * r[i].n.slots + barrier * b;

		printf("%-34s %9u %9.0f %9.1f %9.0f", steps[i].name, r[i].n.slots, b, r[i].ms, ms);
		if (steps[i].ms > 0)
			printf(" %10.0f %10s\n", steps[i].ms, i < 3 ? "solved" : "predicted");
		else
			printf(" %10s %10s\n", "-", "predicted");
	}
	return 0;
}

int bench_create(void)
{
	static const struct {
		const struct pt_mmu *m;
		const char *name;
	} designs[] = {{&mmu_remap, "remap"}, {&mmu_ops, "ops"}, {&mmu_final, "final"}};
	int err = 0;

	if (bench_mem_get())
		return 1;
	printf("linear map in 4K pages; fixmap slots set, TLBIs, DSBs, ISBs and redundant clears a GiB; x1: all "
	       "counts, and time, "
	       "a GiB to that of 1 GiB\n");
	printf("%-6s %-5s %4s %7s %7s %7s %7s %7s %9s %9s %8s %7s %7s\n", "design", "alloc", "GiB", "tables",
	       "slots", "TLBIs", "DSBs", "ISBs", "redundant", "counts x1", "ms", "ms/GiB", "time x1");
	for (unsigned d = 0; d < 3; d++)
		for (unsigned alloc = PT_ALLOC_EARLY; alloc <= PT_ALLOC_LATE; alloc++)
			err |= growth(designs[d].m, designs[d].name, alloc);
	levels = 5;
	err |= growth(&mmu_final, "final5", PT_ALLOC_EARLY);
	levels = 4;
	err |= model();
	bench_mem_put();
	return err;
}
