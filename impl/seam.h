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
struct pt_mmu;
struct pt_split;

/*
 * An entry as callers see it, independent of the descriptor layout ("seam value"). 0 is none.
 * Present: flags plus pfn << 12. Not present: PT_PRESENT clear, payload << 12 (swap entry or marker).
 */
#define PT_PRESENT	    (1ull << 0) /* pte_present(): maps a page, for software at least */
#define PT_WRITE	    (1ull << 1) /* pte_write(): software may write (VM_WRITE and not write-protected) */
#define PT_YOUNG	    (1ull << 2) /* pte_young() */
#define PT_DIRTY	    (1ull << 3) /* pte_dirty(), software or hardware */
#define PT_SPECIAL	    (1ull << 4) /* pte_special(): no struct page, never folded */
#define PT_EXEC		    (1ull << 5) /* executable (user; kernel with PT_KERNEL) */
#define PT_PROTNONE	    (1ull << 6) /* present for software, invalid for hardware: PROT_NONE, NUMA hinting */
#define PT_KERNEL	    (1ull << 7) /* a kernel mapping: global, no user access; always young and dirty */
#define PT_PFN(v)	    ((v) >> 12)
#define PT_FLAGS	    0xfffull
#define PT_MAKE(pfn, flags) (((uint64_t)(pfn) << 12) | (flags))

struct pt_folio {
	uint64_t pfn;
	unsigned order;
}; /* first page frame, naturally aligned; log2 pages */

/*
 * An address space: what the kernel's functions take as mm, or reach through vma->vm_mm. The driver owns it; an
 * implementation finds what it keeps of its own by `id`.
 */
enum { PT_MM_FIRST, PT_MM_CHILD, PT_MM_KERNEL, PT_NMM };
struct pt_mm {
	unsigned id;   /* PT_MM_* */
	unsigned asid; /* a new one for each new address space; PT_MM_KERNEL: none, its entries are global */
	void *root;    /* top table */
};

/*
 * The running task, as arch code sees `current`: hw_current() gives it on the running CPU. A task keeps it when
 * it moves to another CPU.
 */
struct pt_task {
	uint64_t flags;		/* thread_info.flags: bits are the implementation's; reach it through the hooks */
	uint32_t preempt_count; /* PT_*_OFFSET: 0 in plain task context */
	uint32_t id;
	uint64_t arch[6]; /* the implementation's, zero at the start of an execution */
};
#define PT_SOFTIRQ_OFFSET 0x100u /* one bottom half running, or bottom halves disabled once with PT_BH_OFF */
#define PT_BH_OFF	  0x200u
#define PT_HARDIRQ_OFFSET 0x10000u
/* in_interrupt(): hard or soft interrupt, or bottom halves disabled. */
#define PT_IN_INTERRUPT(t) ((t)->preempt_count & 0x1ff00u)

/* How pte barriers of kernel mappings are published. */
enum pt_lazy {
	PT_LAZY_NONE,	 /* after each store (up to 6.15) */
	PT_LAZY_FLAG,	 /* one mode flag a task: an inner leave ends the mode (6.16 to 6.19) */
	PT_LAZY_COUNTER, /* nesting is counted, pause and resume exist (7.0 on) */
};

/* What an implementation promises, where kernels differ. The specification judges by it. */
struct pt_profile {
	bool relax_flush_local; /* ptep_set_access_flags flushes this CPU only (7.x), not broadcast (6.12) */
	bool fold_no_tlbi;	/* contpte_convert omits its TLBI under BBML2_NOABORT (7.x) */
	bool young_batched;	/* test_and_clear_young_ptes exists */
	uint8_t lazy;		/* enum pt_lazy */
	bool queues_stores;	/* lazy mode defers the stores themselves (`deferred`) */
	uint8_t lazy_form;	/* of queue_pte_barriers() in thread 000: 1 and 2 cost more than 3 (or 0) */
};

/* Facts of one execution, given before the first call. */
struct pt_env {
	unsigned page_shift, table_bits, levels, cont_bits;
	const struct pt_mm *mm;	       /* the first address space (`asid`, `root` of it) */
	const struct pt_mm *kernel;    /* init_mm */
	const struct pt_folio *folios; /* all folios of the data memory, ascending pfn */
	unsigned nfolios;
};

/* clear_young_dirty_ptes flags. */
#define PT_CYDP_YOUNG 1u
#define PT_CYDP_DIRTY 2u

/* What a gather has collected when it is flushed (struct mmu_gather, asm/tlb.h tlb_flush()). */
struct pt_gather {
	uint64_t start, end; /* bytes */
	bool fullmm;	     /* the whole address space goes: no user is left */
	bool freed_tables;   /* tables were unlinked: walk caches must go too */
	bool cleared_ptes;   /* leaf entries of level 3 were cleared */
};

/* addr: VA in bytes; ptep: its level-3 entry in table memory; nr: consecutive entries. */
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

	void (*set_ptes)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t val, unsigned nr);
	uint64_t (*ptep_get)(uint64_t addr, uint64_t *ptep);
	uint64_t (*ptep_get_lockless)(uint64_t addr, uint64_t *ptep);
	uint64_t (*ptep_get_and_clear)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep);
	/* One entry a call during teardown, with the A/D stash of thread 004; a later call or ptep_get for
	 * another entry of the block still returns the block's A/D. */
	uint64_t (*ptep_get_and_clear_full)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, int full);
	uint64_t (*get_and_clear_full_ptes)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr,
					    int full);
	void (*clear_full_ptes)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr, int full);
	void (*wrprotect_ptes)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
	int (*ptep_set_access_flags)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t entry,
				     int dirty);
	int (*ptep_test_and_clear_young)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep);
	int (*ptep_clear_flush_young)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep);
	/* Batched ageing (7.x): the OR over nr entries; clear_flush also invalidates, without completion. */
	int (*test_and_clear_young_ptes)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
	int (*clear_flush_young_ptes)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
	void (*clear_young_dirty_ptes)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr,
				       unsigned cydp);
	uint64_t (*ptep_clear_flush)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep);
	/* Protection change: start removes nr entries and returns the first with merged A/D; commit installs them
	 * with `val` (its permissions, the A/D of `old` kept). The caller flushes. */
	uint64_t (*modify_prot_start_ptes)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
	void (*modify_prot_commit_ptes)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t old,
					uint64_t val, unsigned nr);
	/* Caller-side flushes, complete on return: leaf entries of [start, end) bytes; tables too if !last_level. */
	void (*flush_tlb_range)(const struct pt_mm *mm, uint64_t start, uint64_t end, bool last_level);
	void (*flush_tlb_mm)(const struct pt_mm *mm);
	/* asm/tlb.h: all that a gather owes, complete on return. */
	void (*tlb_flush)(const struct pt_mm *mm, const struct pt_gather *g);
	/* Batched unmap: invalidates without completion; completes what this task (and wherever it ran) added. */
	void (*arch_tlbbatch_add_pending)(const struct pt_mm *mm, uint64_t start, uint64_t end);
	void (*arch_tlbbatch_flush)(void);
	/* Another task trusts a none entry that a batched unmap may have left: on return nobody uses what any
	 * batch of this address space has removed. */
	void (*arch_flush_tlb_batched_pending)(const struct pt_mm *mm);
	/* After a fault that found nothing to do. NULL: nothing needed. */
	void (*flush_tlb_fix_spurious_fault)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep);
	/* Table callers: link a new level-3 table under `pmdp` (returns 0, or -1 when out of memory); unlink the
	 * one that is there (the gather invalidates and frees). */
	int (*pte_alloc)(const struct pt_mm *mm, uint64_t addr, uint64_t *pmdp);
	void (*pmd_clear)(uint64_t *pmdp);

	/* Lazy MMU mode of the running task. NULL: there is none. */
	void (*arch_enter_lazy_mmu_mode)(void);
	void (*arch_leave_lazy_mmu_mode)(void);
	void (*arch_flush_lazy_mmu_mode)(void);
	void (*lazy_mmu_mode_pause)(void);
	void (*lazy_mmu_mode_resume)(void);
	/* What arch code does when `prev` stops and `next` goes on, on this CPU (__switch_to()). */
	void (*switch_to)(struct pt_task *prev, struct pt_task *next);
	/* Kernel mappings go through set_ptes, ptep_get, ptep_get_and_clear with PT_MM_KERNEL, and: a run with the
	 * contiguous bit, its removal, the broadcast flush. */
	void (*set_huge_pte_at)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t val, unsigned nr);
	uint64_t (*huge_ptep_get_and_clear)(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
	void (*flush_tlb_kernel_range)(uint64_t start, uint64_t end);
	/* Whole kernel maps (seam_mmu.h). */
	const struct pt_mmu *mmu;
	/* Splits of the linear map, and what is built on them (seam_split.h). */
	const struct pt_split *split;
};

/* The built-in optimized implementation. The -DPTDIFF_BUGS build compiles it with selectable bugs. */
extern const struct pt_impl impl_opt;
/* The same with lazy MMU mode as a thread flag, in the three right forms of thread 000, and without lazy mode. */
extern const struct pt_impl impl_opt_v1, impl_opt_v2, impl_opt_v3, impl_opt_none;
/* The same with the two earlier designs of thread 001 for creating kernel maps. */
extern const struct pt_impl impl_opt_remap, impl_opt_ops;
/* A back end that queues the stores themselves in lazy mode, as some architectures do. */
extern const struct pt_impl impl_deferred;

/* Catalogue of planted bugs (also in production builds, as a list; selectable only under PTDIFF_BUGS). */
struct pt_bug {
	const char *name;      /* kebab-case */
	const char *what;      /* one sentence: the mistake */
	const char *from;      /* thread or notes entry it comes from */
	const char *signature; /* expected signature */
	const char *also;      /* secondary signatures, space separated, or NULL */
	const char *impl;      /* implementation that has it */
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
