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
	uint64_t *word; /* of the driver's, where it has one (wide.h) */
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
	unsigned long vm_flags, vm_pgoff;
};
/* A view of the driver's struct pt_task (impl/seam.h; glue.c asserts the layout). Its `arch` is zero at the start of an
 * execution: no lazy section, and no mm that anything here compares with. */
struct lazy_mmu_state {
	u8 enable_count, pause_count;
};
struct task_struct {
	unsigned long flags; /* thread_info.flags */
	u32 preempt_count, id;
	struct lazy_mmu_state lazy_mmu_state;
	struct mm_struct *mm, *active_mm;
};
struct file;
struct vm_fault;
extern struct mm_struct init_mm;
#define current	       ((struct task_struct *)lx_running())
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

/* ---- thread flags: memory of the task that an interrupt may change, so each access is a step of the machine */
#define TIF_LAZY_MMU_PENDING	      31
#define TIF_LAZY_MMU		      32 /* 6.16 to 6.19: the mode itself */
#define LX_FLAGS(hook, ...)	      lx_hooks->hook(&current->flags, __VA_ARGS__, __func__, __LINE__)
#define test_thread_flag(f)	      (!!(LX_FLAGS(load, HW_RELAXED) & BIT(f)))
#define set_thread_flag(f)	      ((void)LX_FLAGS(fetch_or, BIT(f), HW_RELAXED))
#define clear_thread_flag(f)	      ((void)LX_FLAGS(fetch_andnot, BIT(f), HW_RELAXED))
#define test_and_clear_thread_flag(f) (!!(LX_FLAGS(fetch_andnot, BIT(f), HW_ACQ_REL) & BIT(f)))
/* linux/preempt.h; the masks are PT_IN_INTERRUPT() of impl/seam.h. */
#define in_interrupt() (current->preempt_count & 0x1ff00u)

/* clear_young_dirty_ptes() (linux/mm_types.h) */
typedef unsigned cydp_t;
#define CYDP_CLEAR_YOUNG 1u
#define CYDP_CLEAR_DIRTY 2u

/* ---- secondary TLBs: the only way to one that does not listen to broadcasts */
#define mmu_notifier_arch_invalidate_secondary_tlbs(m, start, end)                                                 \
	lx_hooks->notify_secondary(ASID(m), start, end, __func__, __LINE__)

/* ---- fixmap: only named in the kernel-mapping half of pgtable.h, which no entry of the seam reaches but map.c's */
#include "impl/seam_mmu.h"
#define fixed_addresses pt_fixmap
#ifndef LX_LEVELS
#define set_fixmap_offset(slot, pa) ((unsigned long)__va(pa))
#define clear_fixmap(slot)                                                                                         \
	do {                                                                                                       \
	} while (0)
#endif

#endif
