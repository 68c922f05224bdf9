// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost of splitting and repainting the linear map: what thread 003 is about, counted.
 *
 * Property: the very code of impl/ (split.c, pagewalk.c, pageattr.c, repaint.c, with its barriers from opt_lazy.c and its
 * flushes from opt_tlb.c) runs here, on plain memory (bench_mem.h): counts are its own, and times are measured.
 *
 *	bench split	4K pages, 4 levels: a page out of 1 GiB, permission changes on top; the repainting of 1 to 64 GiB
 */
/* Names of its own for what the files of impl/ define. */
#define lazy_select		       bench_lazy_select
#define emit_pte_barriers	       bench_emit_pte_barriers
#define queue_pte_barriers	       bench_queue_pte_barriers
#define lazy_count_enter	       bench_lazy_count_enter
#define lazy_count_leave	       bench_lazy_count_leave
#define lazy_count_pause	       bench_lazy_count_pause
#define lazy_count_resume	       bench_lazy_count_resume
#define arch_enter_lazy_mmu_mode       bench_enter_lazy_mmu_mode
#define arch_flush_lazy_mmu_mode       bench_flush_lazy_mmu_mode
#define arch_leave_lazy_mmu_mode       bench_leave_lazy_mmu_mode
#define lazy_mmu_mode_pause	       bench_lazy_mmu_mode_pause
#define lazy_mmu_mode_resume	       bench_lazy_mmu_mode_resume
#define switch_to		       bench_switch_to
#define __flush_tlb_range	       bench___flush_tlb_range
#define __flush_tlb_range_nosync       bench___flush_tlb_range_nosync
#define flush_tlb_page		       bench_flush_tlb_page
#define flush_tlb_page_nosync	       bench_flush_tlb_page_nosync
#define flush_tlb_mm		       bench_flush_tlb_mm
#define flush_tlb_kernel_range	       bench_flush_tlb_kernel_range
#define tlb_flush		       bench_tlb_flush
#define arch_tlbbatch_add_pending      bench_tlbbatch_add_pending
#define arch_tlbbatch_flush	       bench_tlbbatch_flush
#define arch_flush_tlb_batched_pending bench_flush_tlb_batched_pending
#define split_env		       bench_split_env
#define table_below		       bench_table_below
#define walk_page_range		       bench_walk_page_range
#define split_kernel_leaf_mapping      bench_split_kernel_leaf_mapping
#define range_split_to_ptes	       bench_range_split_to_ptes
#define set_memory		       bench_set_memory
#define repaint_prepare		       bench_repaint_prepare
#define linear_map_split_to_ptes       bench_linear_map_split_to_ptes
#define split_opt		       bench_split_opt

#include <stdio.h>

#include "bench_mem.h"
#include "fuzz/bench.h"
#include "impl/opt_lazy.h"
#include "impl/opt_pte.h"
#include "impl/opt_tlb.h"
#include "impl/pagewalk.h"
#include "impl/split.h"

/* Smaller leaves without the contiguous bit, to compare. */
static bool plain_children;

static inline bool other_way(enum pt_bug_id id)
{
	return id == PT_BUG_split_loses_cont && plain_children;
}

#undef BUG
#define BUG(id) other_way(PT_BUG_##id)
#include "impl/opt_lazy.c"
#include "impl/opt_tlb.c"
#include "impl/pageattr.c"
#include "impl/pagewalk.c"
#include "impl/repaint.c"
#include "impl/split.c"

#define GIB	(1ull << 30)
#define MEM	(64 * GIB) /* physical address of the memory, in one table of level 1 */
#define OFFSET	(~0ull << 48)
#define VMALLOC (OFFSET + (1ull << 40))

/* A page inside a run of pages, of a block, of a run of blocks: no edge of any. */
#define PAGE_AT	 (OFFSET + MEM + 0x1a5a3ull * BENCH_PAGE)
#define EDGE(at) (PAGE_AT & ~((at)-1))

enum shape { LEVEL1, RUNS, BLOCKS };
static const char *const shape_names[] = {"level-1 leaves", "runs of blocks", "blocks"};

static uint64_t mutex, flag;

/* --- the map, without a count */

static uint64_t *new_table(uint64_t *parentp)
{
	uint64_t *table = b_alloc();

	memset(table, 0, BENCH_PAGE);
	if (parentp)
		*parentp = b_pa(table) | PMD_TYPE_TABLE;
	return table;
}

static void map_blocks(uint64_t *pudp, uint64_t pa, uint64_t cont)
{
	uint64_t *pmd = new_table(pudp);
	const uint64_t prot = (entry_make_kernel(PT_WRITE) & ~PTE_TYPE_PAGE) | PTE_VALID | cont;

	for (unsigned i = 0; i < 512; i++)
		pmd[i] = (pa + i * (GIB / 512)) | prot;
}

static void map_memory(uint64_t *pgdir, unsigned gib, enum shape shape)
{
	uint64_t *pud = new_table(entry_of(pgdir, OFFSET + MEM, 0));
	const uint64_t prot = (entry_make_kernel(PT_WRITE) & ~PTE_TYPE_PAGE) | PTE_VALID;

	for (unsigned g = 0; g < gib; g++) {
		uint64_t *p = entry_of(pud, OFFSET + MEM + g * GIB, 1);

		if (shape == LEVEL1)
			*p = (MEM + g * GIB) | prot;
		else
			map_blocks(p, MEM + g * GIB, shape == RUNS ? PTE_CONT : 0);
	}
}

/* Two runs of pages; their linear alias lies where PAGE_AT is. */
static void map_vmalloc(uint64_t *pgdir)
{
	uint64_t *pte = new_table(new_table(new_table(entry_of(pgdir, VMALLOC, 0))));

	for (unsigned i = 0; i < 32; i++)
		pte[i] = (PAGE_AT - OFFSET + i * BENCH_PAGE) | entry_make_kernel(PT_WRITE);
}

static void set_up(unsigned gib, enum shape shape, enum pt_lazy lazy)
{
	struct pt_split_env env = {.page_shift = 12,
				   .table_bits = BENCH_TABLE_BITS,
				   .levels = 4,
				   .cont_pte_bits = 4,
				   .cont_pmd_bits = 4,
				   .ncpu = 1,
				   .page_offset = OFFSET,
				   .rodata_full = true,
				   .mem = {{MEM, MEM + gib * GIB}},
				   .nmem = 1,
				   .area = {{VMALLOC, VMALLOC + 32 * BENCH_PAGE, PAGE_AT - OFFSET, false}},
				   .mutex = &mutex,
				   .flag = &flag};

	bench_mem_reset(gib);
	bench_mem.ranges = true;
	env.pgdir = new_table(NULL);
	mutex = 0;
	flag = 1;
	split_opt.reset(&env);
	lazy_select(lazy, LAZY_QUEUE_V3);
	map_memory(env.pgdir, gib, shape);
	map_vmalloc(env.pgdir);
	bench_mem.n = (struct bench_count){.tables = 0};
}

/* Contiguous runs of 16 leaves that there are. */
static unsigned runs_left(void)
{
	unsigned n = 0;

	for (const uint64_t *p = b_va(bench_mem.start); (const char *)p < bench_mem.arena + bench_mem.used; p++)
		n += (*p & (PTE_VALID | PTE_CONT)) == (PTE_VALID | PTE_CONT);
	return n / 16;
}

/* --- one page out of 1 GiB */

/* What was done before: the cuts from the top down as far as that one, or the page itself. */
enum before { FRESH, CUT_RUNS, CUT_BLOCKS, CUT_PAGE_RUNS, CUT_PAGE };
enum act { CUT, ONE_PAGE, SET, RANGE };

/* The other end is an edge already. */
static int cut(enum before where)
{
	static const uint64_t edge[] = {[CUT_RUNS] = GIB / 32,
					[CUT_BLOCKS] = GIB / 512,
					[CUT_PAGE_RUNS] = 16 * BENCH_PAGE,
					[CUT_PAGE] = BENCH_PAGE};

	return split_kernel_leaf_mapping(EDGE(edge[where]), EDGE(GIB) + GIB);
}

static const struct {
	const char *name;
	enum before before;
	enum act act;
	uint64_t arg, addr;
	unsigned nr;
} rows[] = {
	{"level-1 leaf, cut between runs of blocks", FRESH, CUT, CUT_RUNS, 0, 0},
	{"run of blocks, cut between blocks", CUT_RUNS, CUT, CUT_BLOCKS, 0, 0},
	{"block, cut between runs of pages", CUT_BLOCKS, CUT, CUT_PAGE_RUNS, 0, 0},
	{"run of pages, cut between pages", CUT_PAGE_RUNS, CUT, CUT_PAGE, 0, 0},
	{"one page, all in one call", FRESH, ONE_PAGE, 0, PAGE_AT, 1},
	{"  then the page after it", CUT_PAGE, ONE_PAGE, 0, PAGE_AT + BENCH_PAGE, 1},
	{"  or a page of another run", CUT_PAGE, ONE_PAGE, 0, PAGE_AT + 17 * BENCH_PAGE, 1},
	{"  or a page of another block", CUT_PAGE, ONE_PAGE, 0, PAGE_AT + 513 * BENCH_PAGE, 1},
	{"  or a page of another run of blocks", CUT_PAGE, ONE_PAGE, 0, PAGE_AT + 16 * 513 * BENCH_PAGE, 1},
	{"set_memory_valid(page, 0)", FRESH, SET, PT_SET_INVALID, PAGE_AT, 1},
	{"  of a page that is split", CUT_PAGE, SET, PT_SET_INVALID, PAGE_AT, 1},
	{"set_direct_map_invalid_noflush(page)", FRESH, SET, PT_DIRECT_INVALID, PAGE_AT, 1},
	{"set_memory_ro(vmalloc page) and its alias", FRESH, SET, PT_SET_RO, VMALLOC, 1},
	{"set_memory_rox(32 vmalloc pages), aliases", FRESH, SET, PT_SET_ROX, VMALLOC, 32},
	{"the whole GiB to pages", FRESH, RANGE, 0, 0, 0},
};

static int act(unsigned i)
{
	switch (rows[i].act) {
	case CUT:
		return cut((enum before)rows[i].arg);
	case ONE_PAGE:
		return split_kernel_leaf_mapping(rows[i].addr, rows[i].addr + BENCH_PAGE);
	case SET:
		return set_memory((unsigned)rows[i].arg, rows[i].addr, rows[i].nr);
	default:
		return range_split_to_ptes(EDGE(GIB), EDGE(GIB) + GIB, true);
	}
}

static int one_way(unsigned i, bool plain)
{
	const struct bench_count *n = &bench_mem.n;
	int err = 0;

	plain_children = plain;
	set_up(1, LEVEL1, PT_LAZY_COUNTER);
	if (rows[i].before != FRESH)
		err = cut(rows[i].before);
	bench_mem.n = (struct bench_count){.tables = 0};
	err |= act(i);
	plain_children = false;
	printf(" %6u %7lu %4u %4u %5u %7lu %5u", n->tables, n->entries, n->dsbs, n->isbs, n->tlbis, n->atomics,
	       runs_left());
	return err != 0;
}

static int one_page(void)
{
	int err = 0;

	printf("one page of 4K out of a leaf of 1 GiB; smaller leaves get the contiguous bit (left), or not "
	       "(right)\n%-42s",
	       "");
	for (unsigned i = 0; i < 2; i++)
		printf(" %6s %7s %4s %4s %5s %7s %5s", "tables", "entries", "DSBs", "ISBs", "TLBIs", "atomics",
		       "runs");
	putchar('\n');
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		printf("%-42s", rows[i].name);
		err |= one_way(i, false) | one_way(i, true);
		putchar('\n');
	}
	return err;
}

/* --- the repainting */

struct result {
	struct bench_count n;
	double ms;
};

static int repaint(struct result *r, unsigned gib, enum shape shape, enum pt_lazy lazy)
{
	r->ms = 1e9;
	for (unsigned i = 0; i < bench_rounds(gib); i++) {
		double t;

		set_up(gib, shape, lazy);
		t = bench_now_ms();
		if (linear_map_split_to_ptes(0))
			return 1;
		t = bench_now_ms() - t;
		r->ms = t < r->ms ? t : r->ms;
	}
	r->n = bench_mem.n;
	return 0;
}

static int growth(enum shape shape, enum pt_lazy lazy, unsigned factor)
{
	struct result first, r;

	for (unsigned gib = 1; gib <= 64; gib *= factor) {
		const struct bench_count *n = &r.n;
		const double g = gib;

		if (repaint(&r, gib, shape, lazy))
			return 1;
		if (gib == 1)
			first = r;
		printf("%-24s %4u %8.2f %9.1f %8.2f %8.2f %6u %7lu %9.4f %8.2f %7.3f %7.2f\n",
		       lazy == PT_LAZY_NONE ? "same, no lazy MMU mode" : shape_names[shape], gib, n->tables / g,
		       n->entries / g, n->dsbs / g, n->isbs / g, n->tlbis, n->atomics,
		       bench_sum(n) / g / bench_sum(&first.n), r.ms, r.ms / g, r.ms / g / first.ms);
	}
	return 0;
}

static int repainting(void)
{
	int err;

	printf("\nrepainting by the boot CPU; tables, entries, DSBs and ISBs a GiB, TLBIs and atomics in all; x1: "
	       "all counts, and "
	       "time, a GiB to that of 1 GiB\n");
	printf("%-24s %4s %8s %9s %8s %8s %6s %7s %9s %8s %7s %7s\n", "from", "GiB", "tables", "entries", "DSBs",
	       "ISBs", "TLBIs", "atomics", "counts x1", "ms", "ms/GiB", "time x1");
	err = growth(LEVEL1, PT_LAZY_COUNTER, 2);
	err |= growth(LEVEL1, PT_LAZY_NONE, 8);
	err |= growth(RUNS, PT_LAZY_COUNTER, 8);
	err |= growth(BLOCKS, PT_LAZY_COUNTER, 8);
	return err;
}

int bench_split(void)
{
	int err;

	if (bench_mem_get())
		return 1;
	err = one_page() | repainting();
	bench_mem_put();
	return err;
}
