/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for asm-generic/tlb.h and for what asm/tlb.h takes from linux/{pagemap,swap}.h.
 *
 * Property: the real tlb_flush() of asm/tlb.h reads from a gather what the driver says it collected. The functions that
 * give pages back are named in asm/tlb.h and never reached: the driver frees tables itself.
 */
#ifndef LX_TLB_H
#define LX_TLB_H

extern unsigned long lx_pmd_size;

struct mmu_gather {
	struct mm_struct *mm;
	unsigned long start, end;
	unsigned int fullmm : 1;
	unsigned int freed_tables : 1;
	unsigned int unshared_tables : 1;
	unsigned int cleared_ptes : 1;
	unsigned int cleared_pmds : 1;
	unsigned int cleared_puds : 1;
	unsigned int cleared_p4ds : 1;
};

/* Bytes that the smallest kind of entry cleared maps: a step of the flush. */
static inline unsigned long tlb_get_unmap_size(struct mmu_gather *tlb)
{
	return tlb->cleared_pmds && !tlb->cleared_ptes ? lx_pmd_size : PAGE_SIZE;
}

struct ptdesc;
#define page_ptdesc(pg)		    ((struct ptdesc *)(pg))
#define virt_to_ptdesc(q)	    ((struct ptdesc *)(q))
#define pagetable_pte_dtor(pt)	    ((void)(pt))
#define pagetable_pmd_dtor(pt)	    ((void)(pt))
#define pagetable_pud_dtor(pt)	    ((void)(pt))
#define pagetable_dtor(pt)	    ((void)(pt))
#define tlb_remove_ptdesc(tlb, pt)  ((void)(tlb), (void)(pt), BUILD_BUG())
#define free_page_and_swap_cache(p) ((void)(p), BUILD_BUG())

#endif
