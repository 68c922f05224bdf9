// SPDX-License-Identifier: GPL-2.0-only
/*
 * Plain memory in place of the machine: the arena.
 *
 * Property: see bench_mem.h; the host pays for a page of the arena before any time is taken.
 */
#include <sys/mman.h>
#include <time.h>

#include "bench_mem.h"
#include "impl/opt_pte.h"

struct bench_mem bench_mem;

int bench_mem_get(void)
{
	bench_mem.arena =
		mmap(NULL, BENCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bench_mem.arena == MAP_FAILED)
		return 1;
	memset(bench_mem.arena, 0x55, BENCH_BYTES); /* a table that is not cleared must not look cleared */
	return 0;
}

void bench_mem_put(void)
{
	munmap(bench_mem.arena, BENCH_BYTES);
}

void bench_mem_reset(unsigned gib)
{
	const uint64_t need = (gib * 514ull + 16) * BENCH_PAGE;

	opt_env.page_shift = 12;
	opt_env.table_bits = BENCH_TABLE_BITS;
	opt_env.cont_bits = 4;
	if (bench_mem.start + 2 * need <= BENCH_BYTES)
		bench_mem.start += need;
	else
		bench_mem.start = 0;
	bench_mem.used = bench_mem.start;
	bench_mem.fixmap = NULL;
	bench_mem.task = (struct pt_task){.id = 0};
	bench_mem.n = (struct bench_count){.tables = 0};
}

double bench_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

unsigned bench_rounds(unsigned gib)
{
	return 4 + 16 / gib;
}

double bench_sum(const struct bench_count *n)
{
	return (double)n->tables + n->slots + n->tlbis + n->dsbs + n->isbs + (double)n->entries;
}
