// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost of creating a linear map in pages: the three designs of thread 001 side by side.
 *
 * Property: the very code of impl/mmu.c runs here, on plain memory instead of the machine: every operation that costs on
 * hardware is counted, and the time is that of the code's own loads and stores.
 *
 *	bench create	4K pages, 4 levels, 1 to 64 GiB
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench_create.h"
#include "hw/hook.h"
#include "impl/opt_pte.h"
#include "impl/opt_tlb.h"

enum { PAGE = 4096, TABLE_BITS = 9, TABLES_MAX = 33000 };

static struct count {
	unsigned tables, maps, tlbis, dsbs, isbs, clears;
	unsigned long stores;
} count;

static char *arena; /* tables, one a page; physical address: the offset */
static uint64_t used;
static uint64_t *fixmap;

static uint64_t b_load(const uint64_t *p)
{
	return *(const volatile uint64_t *)p;
}

static void b_store(uint64_t *p, uint64_t v)
{
	*(volatile uint64_t *)p = v;
	if (p >= fixmap && p < fixmap + PAGE / 8)
		count.maps += v != 0;
	else
		count.stores++;
}

static void b_barrier(enum hw_barrier_kind k)
{
	if (k == HW_ISB)
		count.isbs++;
	else
		count.dsbs++;
}

/* A DSB before and after the TLBI, then an ISB, as the real one. */
static void b_flush(void)
{
	count.tlbis++;
	count.dsbs += 2;
	count.isbs++;
}

static void *b_alloc(void)
{
	if (used == (uint64_t)TABLES_MAX * PAGE)
		return NULL;
	count.tables++;
	used += PAGE;
	return arena + used - PAGE;
}

static void b_clear(void *p)
{
	count.clears++;
	memset(p, 0, PAGE);
}

static void *b_va(uint64_t pa)
{
	return arena + (pa & PTE_ADDR);
}

static uint64_t b_pa(const void *p)
{
	return (uint64_t)((const char *)p - arena);
}

/* What the hooks of impl/mmu.c are here, and names of its own for what it defines. */
#define hw_load(p, order, fn, line)		 ((void)(fn), b_load(p))
#define hw_store(p, v, order, fn, line)		 ((void)(fn), b_store(p, v))
#define hw_barrier(kind, domain, type, fn, line) ((void)(fn), b_barrier(kind))
#define hw_clear_page(p, fn, line)		 b_clear(p)
#define hw_table_alloc(level, fn, line)		 ((void)(level), b_alloc())
#define hw_table_pa				 b_pa
#define hw_table_va				 b_va
#define hw_alias_ptr(slot)			 b_va(fixmap[slot])
#define hw_might_sleep(fn, line)		 ((void)0)
#define flush_tlb_kernel_range(start, end)	 ((void)(start), (void)(end), b_flush())
#define mmu					 bench_mmu
#define mmu_shift				 bench_mmu_shift
#define mmu_publish				 bench_mmu_publish
#define mmu_final				 bench_mmu_final
#define mmu_remap				 bench_mmu_remap
#define mmu_ops					 bench_mmu_ops
#include "impl/mmu.c"

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double run(const struct pt_mmu *m, unsigned alloc, unsigned gib)
{
	struct pt_mmu_env env = {.page_shift = 12,
				 .table_bits = TABLE_BITS,
				 .levels = 4,
				 .va_bits = 48,
				 .cont_pte_bits = 4,
				 .cont_pmd_bits = 4};
	double t;

	used = 0;
	env.pgdir = b_alloc();
	env.fixmap_ptep = fixmap = b_alloc();
	env.fixmap_va = ~0ull << 32;
	memset(arena, 0, 2 * PAGE);
	memset(&count, 0, sizeof(count));
	m->reset(&env);
	t = now_ms();
	if (m->create_pgd_mapping(env.pgdir, 1ull << 36, ~0ull << 48, (uint64_t)gib << 30,
				  PT_PRESENT | PT_KERNEL | PT_WRITE, alloc,
				  PT_NO_BLOCK_MAPPINGS | PT_NO_CONT_MAPPINGS))
		return -1;
	return now_ms() - t;
}

static int one(const struct pt_mmu *m, const char *name, unsigned alloc, unsigned gib)
{
	const double ms = run(m, alloc, gib);

	if (ms < 0)
		return 1;
	printf("%-6s %-5s %4u %7u %8.1f %8.1f %8.1f %8.1f %9.1f %9.2f %8.2f\n", name,
	       alloc == PT_ALLOC_EARLY ? "early" : "late", gib, count.tables, (double)count.maps / gib,
	       (double)count.tlbis / gib, (double)count.dsbs / gib, (double)count.isbs / gib,
	       (double)(count.clears - count.tables) / gib, ms, ms / gib);
	return 0;
}

int bench_create(void)
{
	static const struct {
		const struct pt_mmu *m;
		const char *name;
	} designs[] = {{&mmu_remap, "remap"}, {&mmu_ops, "ops"}, {&mmu_final, "final"}};
	int err = 0;

	arena = mmap(NULL, (size_t)TABLES_MAX * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena == MAP_FAILED)
		return 1;
	opt_env.page_shift = 12;
	opt_env.table_bits = TABLE_BITS;
	run(&mmu_final, PT_ALLOC_LATE, 64); /* so that no design pays for the host's page faults */
	printf("linear map in 4K pages; fixmap slots set, TLBIs, DSBs, ISBs and redundant clears a GiB\n");
	printf("%-6s %-5s %4s %7s %8s %8s %8s %8s %9s %9s %8s\n", "design", "alloc", "GiB", "tables", "slots",
	       "TLBIs", "DSBs", "ISBs", "redundant", "ms", "ms/GiB");
	for (unsigned d = 0; d < 3; d++)
		for (unsigned alloc = PT_ALLOC_EARLY; alloc <= PT_ALLOC_LATE; alloc++)
			for (unsigned gib = 1; gib <= 64; gib *= 8)
				err |= one(designs[d].m, designs[d].name, alloc, gib);
	munmap(arena, (size_t)TABLES_MAX * PAGE);
	return err;
}
