/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's map as a whole: what the callers of mmu.c and pageattr.c share.
 *
 * Property: one region of the kernel's half, apart from everything else, is changed by these callers alone; each change
 * is judged against the specification's ranges, and so is each access, whoever makes it and whenever.
 */
#ifndef FUZZ_CALLERS_KMAP_H
#define FUZZ_CALLERS_KMAP_H

#include "../exec_internal.h"
#include "impl/seam_mmu.h"
#include "ref/kmap.h"

#define KMAP_UNITS                                                                                                 \
	5 /* page, contiguous run of pages, block of level 2, contiguous run of those, block of level 1 */

struct kmap {
	bool on; /* the program has ops on it, and the implementation offers them */
	const struct pt_mmu *mmu;
	struct ref_kmap ref;
	struct pt_mmu_env env;
	uint64_t first, npages; /* the region, in pages of the kernel's half */
	uint64_t pfn;		/* page frame that the region's first page maps, in a request that is not shifted */
	uint64_t va;		/* address of page 0 of the half */
	uint8_t unit[KMAP_UNITS]; /* log2 pages */
	unsigned tables;	  /* below the top one, at the last audit */
	uint8_t last_cpu;	  /* that held fixmap_lock last */
	struct ref_km_req req;	  /* the latest request, for events */
};
extern struct kmap kmap;

void kmap_reset(void);
void kmap_check_end(void);
/* An event of an op on the map is about the map too. Returns whether it was. */
bool kmap_event(const struct rec *r, unsigned agent);

static inline uint64_t kmap_addr(uint64_t page)
{
	return kmap.va + (page << ex.geo->page_shift);
}

/* The page that block, off, unit and at of a record name. */
uint64_t kmap_page_of(const struct rec *r);
/* fixmap_lock, which serialises all that changes tables of the map; may sleep. */
void kmap_lock(void);
void kmap_unlock(void);
/* What the tables say about one page, and up to where entries of the same table go on like it, no further than the first
 * that reaches `to`. 0: nothing. */
uint64_t kmap_lookup(uint64_t page, uint64_t to, struct ref_km_leaf_obs *o);
/* An access by the kernel on that CPU, judged; retried once where that is legal. */
void kmap_access(unsigned cpu, uint64_t page, enum ex_kuse use);
/* All tables against all ranges, without those that nothing can have changed unless `all`; `id` is to blame. Under the lock. Returns the tables below the top one. */
unsigned kmap_audit(uint8_t id, bool all);
/* flush_tlb_kernel_range() of pages [lo, hi), and what it promises. */
void kmap_flush(uint64_t lo, uint64_t hi);
void kmap_verdict(const struct ref_verdict *v);
enum ref_km_state kmap_state(bool ro, bool exec);
/* The seam value with the permissions of a state. */
uint64_t kmap_prot(unsigned state);

#endif
