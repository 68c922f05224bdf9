/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plain memory in place of the machine, for the cost tables of bench_create.c and bench_split.c.
 *
 * Property: the text of impl/ runs unchanged: whoever includes this file and then a file of impl/ has each hook of
 * hw/hook.h and hw/hook_mmu.h as a plain access that is counted. What costs on hardware (barriers, TLBIs) is counted and
 * costs nothing, so a time is that of the code's own loads and stores.
 */
#ifndef FUZZ_BENCH_MEM_H
#define FUZZ_BENCH_MEM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "hw/hook_mmu.h"
#include "impl/seam.h"

enum { BENCH_PAGE = 4096, BENCH_TABLE_BITS = 9, BENCH_TABLES_MAX = 33000 };
#define BENCH_BYTES ((uint64_t)BENCH_TABLES_MAX * BENCH_PAGE)

struct bench_count {
	unsigned tables, tlbis, dsbs, isbs, clears, slots;
	unsigned long entries, atomics;
};
/* Tables lie in the arena, one a page; their physical address is the offset. */
struct bench_mem {
	struct bench_count n;
	char *arena;
	uint64_t start, used; /* offsets: of the first table of this run, behind its last */
	uint64_t *fixmap;     /* entries of the fixmap's slots: a table of the arena, or NULL */
	bool ranges;	      /* FEAT_TLBIRANGE */
	struct pt_task task;
};
extern struct bench_mem bench_mem;

/* 0: done. */
int bench_mem_get(void);
void bench_mem_put(void);
/*
 * All tables are given back; the facts of opt_pte.h are those of 4K pages. The next ones lie elsewhere, as far as there is
 * room for those of `gib` GiB: at boot no table is in a cache either, and small maps would gain by it most.
 */
void bench_mem_reset(unsigned gib);
/* CPU time; how often to take it for so much memory, of which the best counts: other load only ever slows down. */
double bench_now_ms(void);
unsigned bench_rounds(unsigned gib);
/* What counts on hardware, in one figure: to compare sizes. */
double bench_sum(const struct bench_count *n);

static inline uint64_t b_load(const void *p)
{
	return *(const volatile uint64_t *)p;
}

static inline bool b_is_table(const void *p)
{
	return (uintptr_t)p - (uintptr_t)bench_mem.arena < BENCH_BYTES;
}

static inline void b_store(void *p, uint64_t v)
{
	*(volatile uint64_t *)p = v;
	if (bench_mem.fixmap && (uintptr_t)p - (uintptr_t)bench_mem.fixmap < BENCH_PAGE)
		bench_mem.n.slots += v != 0;
	else
		bench_mem.n.entries += b_is_table(p);
}

/* Nobody else runs. */
static inline uint64_t b_cmpxchg(uint64_t *p, uint64_t old, uint64_t v)
{
	const uint64_t is = *p;

	bench_mem.n.atomics++;
	if (is == old)
		*p = v;
	return is;
}

static inline uint64_t b_fetch(uint64_t *p, uint64_t set, uint64_t clear)
{
	const uint64_t is = *p;

	bench_mem.n.atomics++;
	*p = (is | set) & ~clear;
	return is;
}

static inline void b_barrier(enum hw_barrier_kind k)
{
	if (k == HW_ISB)
		bench_mem.n.isbs++;
	else
		bench_mem.n.dsbs++;
}

static inline void *b_alloc(void)
{
	if (bench_mem.used == BENCH_BYTES)
		return NULL;
	bench_mem.n.tables++;
	bench_mem.used += BENCH_PAGE;
	return bench_mem.arena + bench_mem.used - BENCH_PAGE;
}

static inline void b_clear(void *p)
{
	bench_mem.n.clears++;
	memset(p, 0, BENCH_PAGE);
}

static inline void *b_va(uint64_t pa)
{
	return bench_mem.arena + (pa & 0x0000fffffffff000ull);
}

static inline uint64_t b_pa(const void *p)
{
	return (uint64_t)((const char *)p - bench_mem.arena);
}

static inline bool b_feature(enum hw_feature f)
{
	return f == HW_FEAT_TLBIRANGE ? bench_mem.ranges : true;
}

#define hw_load(p, order, fn, line)		     ((void)(fn), b_load(p))
#define hw_store(p, v, order, fn, line)		     ((void)(fn), b_store(p, v))
#define hw_cmpxchg(p, old, v, order, fn, line)	     b_cmpxchg(p, old, v)
#define hw_fetch_or(p, bits, order, fn, line)	     b_fetch(p, bits, 0)
#define hw_fetch_andnot(p, bits, order, fn, line)    b_fetch(p, 0, bits)
#define hw_barrier(kind, domain, type, fn, line)     ((void)(fn), b_barrier(kind))
#define hw_tlbi(op, xt, fn, line)		     ((void)(op), (void)(xt), (void)bench_mem.n.tlbis++)
#define hw_notify_secondary(asid, start, end, fn, l) ((void)(asid), (void)(start), (void)(end))
#define hw_clear_page(p, fn, line)		     b_clear(p)
#define hw_table_alloc(level, fn, line)		     ((void)(level), b_alloc())
#define hw_table_pa				     b_pa
#define hw_table_va				     b_va
#define hw_alias_ptr(slot)			     b_va(bench_mem.fixmap[slot])
#define hw_feature				     b_feature
#define hw_current()				     ((void *)&bench_mem.task)
#define hw_might_sleep(fn, line)		     ((void)0)
#define hw_cpu_relax(fn, line)			     ((void)0)
#define hw_rcu(reading, fn, line)		     ((void)0)
#define hw_write_ttbr0(root, asid, fn, line)	     ((void)(root), (void)(asid))
#define hw_write_ttbr1(reserved, fn, line)	     ((void)(reserved))

#endif
