/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seam, upwards: what an implementation under test offers.
 *
 * Property: names and meanings are the kernel's; arguments are plain integers and pointers into table memory;
 * an entry an implementation lacks is NULL and the op that needs it is skipped and counted, never failed.
 * The caller (fuzz/) holds the page-table lock, keeps each range inside one table and one folio, and issues
 * the flushes that the kernel's callers issue.
 */
#ifndef IMPL_SEAM_H
#define IMPL_SEAM_H

#include <stdbool.h>
#include <stdint.h>

struct hw_hooks;

/*
 * An entry as callers see it, independent of the descriptor layout ("seam value"). 0 is none.
 * Present: flags plus pfn << 12. Not present: PT_PRESENT clear, payload << 12 (swap entry or marker).
 */
#define PT_PRESENT	    (1ull << 0)
#define PT_WRITE	    (1ull << 1) /* pte_write(): software may write (VM_WRITE and not write-protected) */
#define PT_YOUNG	    (1ull << 2) /* pte_young() */
#define PT_DIRTY	    (1ull << 3) /* pte_dirty(), software or hardware */
#define PT_SPECIAL	    (1ull << 4) /* pte_special(): no struct page, never folded */
#define PT_EXEC		    (1ull << 5) /* user executable */
#define PT_PFN(v)	    ((v) >> 12)
#define PT_FLAGS	    0xfffull
#define PT_MAKE(pfn, flags) (((uint64_t)(pfn) << 12) | (flags))

struct pt_folio {
	uint64_t pfn;
	unsigned order;
}; /* first page frame, naturally aligned; log2 pages */

/* What an implementation promises, where kernels differ. The specification judges by it. */
struct pt_profile {
	bool relax_flush_local; /* ptep_set_access_flags flushes this CPU only (7.x), not broadcast (6.12) */
	bool fold_no_tlbi;	/* contpte_convert omits its TLBI under BBML2_NOABORT (7.x) */
	bool young_batched;	/* test_and_clear_young_ptes exists */
};

/* Facts of one execution, given before the first call. */
struct pt_env {
	unsigned page_shift, table_bits, levels, cont_bits;
	unsigned asid;
	void *root;		       /* top table of the user address space */
	const struct pt_folio *folios; /* all folios of the data memory, ascending pfn */
	unsigned nfolios;
};

/* clear_young_dirty_ptes flags. */
#define PT_CYDP_YOUNG 1u
#define PT_CYDP_DIRTY 2u

/* addr: user VA in bytes; ptep: its level-3 entry in table memory; nr: consecutive entries. */
struct pt_impl {
	const char *name;
	const char *what;    /* one line for `ptdiff impls` */
	uint32_t geometries; /* bit set of enum hw_geo_id */
	struct pt_profile profile;
	int (*init)(const struct hw_hooks *hooks); /* once; 0 or -1 */
	void (*reset)(const struct pt_env *env);   /* before each execution */
	/* Pure, no steps: seam value of a raw descriptor (A/D of this entry alone) and back (no CONT bit). */
	uint64_t (*entry_read)(uint64_t raw);
	uint64_t (*entry_make)(uint64_t val);

	void (*set_ptes)(uint64_t addr, uint64_t *ptep, uint64_t val, unsigned nr);
	uint64_t (*ptep_get)(uint64_t addr, uint64_t *ptep);
	uint64_t (*ptep_get_lockless)(uint64_t addr, uint64_t *ptep);
	uint64_t (*ptep_get_and_clear)(uint64_t addr, uint64_t *ptep);
	/* One entry a call during teardown, with the A/D stash of thread 004; a later call or ptep_get for
	 * another entry of the block still returns the block's A/D. */
	uint64_t (*ptep_get_and_clear_full)(uint64_t addr, uint64_t *ptep, int full);
	uint64_t (*get_and_clear_full_ptes)(uint64_t addr, uint64_t *ptep, unsigned nr, int full);
	void (*clear_full_ptes)(uint64_t addr, uint64_t *ptep, unsigned nr, int full);
	void (*wrprotect_ptes)(uint64_t addr, uint64_t *ptep, unsigned nr);
	int (*ptep_set_access_flags)(uint64_t addr, uint64_t *ptep, uint64_t entry, int dirty);
	int (*ptep_test_and_clear_young)(uint64_t addr, uint64_t *ptep);
	int (*ptep_clear_flush_young)(uint64_t addr, uint64_t *ptep);
	void (*clear_young_dirty_ptes)(uint64_t addr, uint64_t *ptep, unsigned nr, unsigned cydp);
	uint64_t (*ptep_clear_flush)(uint64_t addr, uint64_t *ptep);
	/* Caller-side flushes, complete on return: leaf entries of [start, end) bytes; tables too if !last_level. */
	void (*flush_tlb_range)(uint64_t start, uint64_t end, bool last_level);
	/* After a write fault that found nothing to do. NULL: nothing needed. */
	void (*flush_tlb_fix_spurious_fault)(uint64_t addr, uint64_t *ptep);
	/* Table callers: link a new level-3 table under `pmdp` (returns 0, or -1 when out of memory); unlink the
	 * one that is there, make it unreachable for every walker, and free it. */
	int (*pte_alloc)(uint64_t addr, uint64_t *pmdp);
	void (*pte_free_tlb)(uint64_t addr, uint64_t *pmdp);
};

/* The built-in optimized implementation. The -DPTDIFF_BUGS build compiles it with selectable bugs. */
extern const struct pt_impl impl_opt;

/* Catalogue of planted bugs (also in production builds, as a list; selectable only under PTDIFF_BUGS). */
struct pt_bug {
	const char *name;      /* kebab-case */
	const char *what;      /* one sentence: the mistake */
	const char *from;      /* thread or notes entry it comes from */
	const char *signature; /* expected signature */
	const char *also;      /* secondary signatures, space separated, or NULL */
};
extern const struct pt_bug pt_bugs[];
extern const unsigned pt_nbugs;
/* Index in pt_bugs of the bug that is on, -1 none. Constant -1 in production builds. */
#ifdef PTDIFF_BUGS
extern int pt_bug_on;
#else
enum { pt_bug_on = -1 };
#endif

#endif
