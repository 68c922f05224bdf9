/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for linux/{mm,mm_types,sched,efi,mmu_notifier,jump_label,atomic}.h and asm/{mmu,fixmap}.h.
 *
 * Property: the few members that the included code touches, with the meaning they have in the kernel. No state
 * of an execution lives here except what lx_reset() writes.
 */
#ifndef LX_MM_H
#define LX_MM_H

#include <asm/pgtable-types.h>

/* ---- atomics and locks: the caller of the seam holds the locks (impl/seam.h) */
typedef struct {
	int counter;
} atomic_t;
typedef struct {
	s64 counter;
} atomic64_t;
#define atomic_read(a)	 ((a)->counter)
#define atomic64_read(a) ((a)->counter)
typedef struct {
	int unused;
} spinlock_t;
struct static_key_true {
	int unused;
};
struct static_key_false {
	int unused;
};

/* ---- pages and folios */
struct page {
	struct page *head; /* NULL: this page is the head of its folio */
	unsigned long order;
	unsigned long pad[2]; /* 32 bytes: page - page is a shift */
};
struct folio {
	struct page page;
};
typedef struct page *pgtable_t;
typedef struct {
	unsigned long val;
} swp_entry_t;
struct folio *lx_page_folio(struct page *page);
long lx_folio_nr_pages(const struct folio *folio);
#define page_folio(pg)	   lx_page_folio(pg)
#define folio_nr_pages(fo) lx_folio_nr_pages(fo)

/* ---- address spaces and tasks */
typedef struct {
	atomic64_t id; /* ASID */
	unsigned long flags;
} mm_context_t;
struct mm_struct {
	pgd_t *pgd;
	atomic_t mm_users;
	mm_context_t context;
	spinlock_t page_table_lock;
};
struct vm_area_struct {
	unsigned long vm_start, vm_end;
	struct mm_struct *vm_mm;
	pgprot_t vm_page_prot;
	unsigned long vm_flags;
};
struct task_struct {
	struct mm_struct *mm, *active_mm;
};
struct file;
struct vm_fault;
extern struct mm_struct init_mm;
extern struct task_struct lx_task;
#define current	       (&lx_task)
#define ASID(m)	       ((unsigned long)((m)->context.id.counter & 0xffff))
#define USER_ASID_FLAG (UL(1) << 48)
#define TLB_FLUSH_VMA(m, flags)                                                                                    \
	{                                                                                                          \
		.vm_mm = (m), .vm_flags = (flags)                                                                  \
	}
#define mm_is_efi(m) false
/* Who counts pending flushes is the driver: assume one, so that what was present may be cached. */
#define mm_tlb_flush_pending(m) true
struct arch_tlbflush_unmap_batch {
	int unused;
};
#define VM_NONE	  0
#define VM_READ	  1
#define VM_WRITE  2
#define VM_EXEC	  4
#define VM_SHARED 8

/* clear_young_dirty_ptes() (linux/mm_types.h) */
typedef unsigned cydp_t;
#define CYDP_CLEAR_YOUNG 1u
#define CYDP_CLEAR_DIRTY 2u

/* ---- secondary TLBs: the only way to one that does not listen to broadcasts */
#define mmu_notifier_arch_invalidate_secondary_tlbs(m, start, end)                                                 \
	lx_hooks->notify_secondary(ASID(m), start, end, __func__, __LINE__)

/* ---- fixmap: only named in the kernel-mapping half of pgtable.h, which no entry of the seam reaches */
enum fixed_addresses { FIX_PTE, FIX_PMD, FIX_PUD, FIX_P4D, FIX_PGD };
#define set_fixmap_offset(slot, pa) ((unsigned long)__va(pa))
#define clear_fixmap(slot)                                                                                         \
	do {                                                                                                       \
	} while (0)

#endif
