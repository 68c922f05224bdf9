/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the callers of the page-table operations share.
 *
 * Property: a caller is generic mm code as the kernel has it: it reaches entries only through the checked seam, takes
 * the locks that the kernel takes in their order, and owes the flushes and the freeing that its comment names. It knows
 * nothing of descriptors, so any implementation runs under it.
 *
 * Planted bugs of callers are BUG(name) here as in impl/.
 */
#ifndef FUZZ_CALLERS_H
#define FUZZ_CALLERS_H

#include "../exec_internal.h"
#include "impl/bug.h"

#define OP(name, weight, args, fields, help)
#define CALLER(name, weight, args, fields, help) int run_##name(const struct rec *r, struct rec *eff);
#include "fuzz/ops.def"

/* struct mmu_gather: what has been removed, to be flushed, then freed. One a caller, on its stack. */
#define GATHER_PAGES 64
struct gather {
	struct pt_gather g;
	unsigned npages;
	struct {
		uint64_t pfn;
		unsigned page; /* of the window: where it was mapped */
		uint32_t when; /* it was removed */
	} page[GATHER_PAGES];  /* to give back */
	void *table[REF_TABLES + 3];
	unsigned ntables;
	const char *fn; /* the caller, for blame */
	bool exit;	/* the whole address space goes */
	bool all;	/* also what an earlier op has begun to tear down an entry a call */
	bool file;   /* its pages are a file's: dirty state is kept, and dirty pages are flushed under the lock */
	bool single; /* it removes an entry a call, where the implementation offers that */
	bool nested; /* another gather ran when this one ended, which therefore flushed everything that */
	uint32_t before; /* was gone then */
};

/* tlb_gather_mmu(), and its _fullmm form: the address space has no user left. */
void gather_start(struct gather *g, bool fullmm, const char *fn);
/* tlb_remove_tlb_entries(): entries [page, page + nr) were cleared. */
void gather_entries(struct gather *g, unsigned page, unsigned nr);
/* __tlb_remove_page(): to be given back after the flush, when nothing maps it. */
void gather_page(struct gather *g, unsigned page, uint64_t pfn);
/* pte_free_tlb(): the table was unlinked; `page`: first of the window below it. */
void gather_table(struct gather *g, void *table, unsigned page);
/* tlb_flush_mmu_tlbonly(): flush what is owed. */
void gather_flush_tlb(struct gather *g);
/* tlb_flush_mmu(): and give back what waited for it. */
void gather_flush(struct gather *g);
/* tlb_finish_mmu(): the same, over everything if another gather runs in this address space. */
void gather_finish(struct gather *g);

/* Gives a page frame back that was mapped at `page` of the present space until time `removed`, unless something maps it still, in any address
 * space, or an op that did not flush keeps it: "fn" is to blame if a cached translation leads there. */
void page_free(uint64_t pfn, unsigned page, uint32_t removed, const char *fn);

/* Entries of [page, end) below one table are removed under its lock, into the gather [zap_pte_range()]. */
void zap_pte_range(struct gather *g, unsigned page, unsigned end);
/* The tables of the present space are unlinked, into the gather [free_pgtables()]. */
void free_table_of(struct gather *g, unsigned table);

bool page_is_mapped(uint64_t pfn);
/* Somebody removed a mapping of it and has yet to flush, so he holds the page; not who removed it from `page` of the present
 * space at time `removed`. */
bool page_is_held(uint64_t pfn, unsigned page, uint32_t removed);

/* Everything in a retired address space goes, tables and all [exit_mmap()]. */
void space_teardown(struct space *sp, bool single, const char *fn);

#endif
