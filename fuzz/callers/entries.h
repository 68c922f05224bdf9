/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steps that several callers make on entries (entries.c), in the present space, with the lock of the table held.
 *
 * Property: each is one call of the checked seam, and what a step may rely on is asserted where it relies on it.
 */
#ifndef FUZZ_CALLERS_ENTRIES_H
#define FUZZ_CALLERS_ENTRIES_H

#include "callers.h"

/* A run of entries that one call may take: see batch_at(). */
struct batch {
	unsigned page, nr;
	struct ref_val val; /* of the first, as specified */
};

static inline unsigned table_end_of(unsigned page)
{
	return (page | (2 * ex.cont - 1)) + 1;
}

/* The batch that begins at `page`: consecutive pages of one folio, present, with the same permissions
 * [folio_pte_batch()]. False: nothing is present there, or a teardown is half done. */
bool batch_at(struct batch *b, unsigned page, unsigned end);
/* Pages that struct page stands for: what reclaim, migration and madvise() work on [vm_normal_page()]. */
static inline bool batch_is_normal(const struct batch *b)
{
	return !b->val.special;
}

/* Removal; what it returns, with the state of all merged. */
uint64_t take_ptes(unsigned page, unsigned nr);
uint64_t take_and_flush(unsigned page); /* ptep_clear_flush() */
/* Installs a payload, or nr entries of data folio `folio`: where nothing is present, or `fn` has mapped over a page. */
void(put_payload)(unsigned page, uint64_t payload, const char *fn);
void(put_ptes)(unsigned page, unsigned nr, uint64_t val, unsigned folio, const char *fn);
uint64_t prot_start(const struct batch *b);
/* `removed`: what prot_start() said; its state must be in the new entries. `old`, `val`: as the caller passes them on. */
void(prot_commit)(const struct batch *b, uint64_t removed, uint64_t old, uint64_t val);
/* What sets entries notes the line of the caller, for hazards of lazy MMU mode. */
#define put_payload(page, payload, fn)	      (SEAM_AT(), (put_payload)(page, payload, fn))
#define put_ptes(page, nr, val, folio, fn)    (SEAM_AT(), (put_ptes)(page, nr, val, folio, fn))
#define prot_commit(batch, removed, old, val) (SEAM_AT(), (prot_commit)(batch, removed, old, val))

/* Entries of a page that a device has to itself: put back before they are used (exclusive.c). */
bool is_device_exclusive(uint64_t payload);
void restore_exclusive_pte(unsigned page, uint64_t payload);
void clean_ptes(const struct batch *b, bool young, bool dirty); /* clear_young_dirty_ptes() */
/* Before something is mapped nobody may use what was there: its caller's flush. */
void flush_old(unsigned page, unsigned nr);

/*
 * flush_tlb_batched_pending(): before an operation trusts that a page which is not mapped is out of use, what batched
 * unmaps have left is completed. `id` promises it for pages [page, page + nr).
 */
void complete_batched(uint8_t id, unsigned page, unsigned nr);
/* arch_tlbbatch_add_pending() for what was removed from time `since` on; the time from which its flush counts. */
uint32_t batch_add(unsigned page, unsigned nr, uint32_t since);
/* try_to_unmap_flush(): completes it, for what was gone at time `added`. */
void batch_flush(unsigned page, unsigned nr, uint32_t added);

/* Is it mapped in another address space? */
bool page_is_shared(uint64_t pfn);
/* The page of folio `f` that has the alignment of `page`, `shift` pages off. */
unsigned folio_page_for(const struct pt_folio *f, unsigned page, unsigned shift);
const struct pt_folio *data_folio(unsigned id);
/* An op whose walk of the reverse map leads to the other address space, if `other` and it lives. */
void rmap_space(bool other);

#endif
