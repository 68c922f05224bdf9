/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for asm/memory.h, asm/page.h and asm-generic/memory_model.h.
 *
 * Property: a table's physical address is the machine's and its kernel address is where the machine keeps it.
 * Data pages have frame numbers and page structs but no memory: nothing here reads them.
 */
#ifndef LX_MEMORY_H
#define LX_MEMORY_H

#define PAGE_SHIFT    CONFIG_PAGE_SHIFT
#define PAGE_SIZE     (_AC(1, UL) << PAGE_SHIFT)
#define PAGE_MASK     (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(a) ALIGN(a, PAGE_SIZE)

#define VA_BITS		 CONFIG_ARM64_VA_BITS
#define VA_BITS_MIN	 VA_BITS
#define vabits_actual	 ((u64)VA_BITS)
#define _PAGE_OFFSET(va) (-(UL(1) << (va)))
#define PAGE_OFFSET	 _PAGE_OFFSET(VA_BITS)
#define PAGE_END	 (-(UL(1) << (VA_BITS - 1)))
#define MODULES_VADDR	 PAGE_END
#define MODULES_END	 (MODULES_VADDR + SZ_2G)

/* Memory types: MAIR_EL1 indices as in asm/memory.h, they are part of the descriptors. */
#define MT_NORMAL	   0
#define MT_NORMAL_TAGGED   1
#define MT_NORMAL_NC	   2
#define MT_DEVICE_nGnRnE   3
#define MT_DEVICE_nGnRE	   4
#define MT_S2_NORMAL	   0xf
#define MT_S2_NORMAL_NC	   0x5
#define MT_S2_DEVICE_nGnRE 0x1

#define memstart_addr	   0ul
#define PHYS_OFFSET	   0ul
#define __va(pa)	   lx_hooks->table_va(pa)
#define __pa(q)		   lx_hooks->table_pa((const void *)(q))
#define __pa_symbol(s)	   __pa(s)
#define __phys_to_virt(pa) ((unsigned long)__va(pa))
#define __phys_to_kimg(pa) ((unsigned long)__va(pa))
#define phys_to_virt(pa)   __va(pa)
#define virt_to_phys(q)	   __pa(q)
#define lm_alias(q)	   (q)
#define __phys_to_pfn(pa)  ((unsigned long)((pa) >> PAGE_SHIFT))
#define __pfn_to_phys(pfn) ((phys_addr_t)(pfn) << PAGE_SHIFT)

/* vmemmap (asm/pgtable.h) is VMEMMAP_START as a struct page array indexed by pfn; glue.c places it so that the
 * first data page is the first element of its own array. Only arithmetic is done on other elements. */
extern unsigned long lx_vmemmap;
#define VMEMMAP_START	lx_vmemmap
#define pfn_to_page(n)	(vmemmap + (n))
#define page_to_pfn(pg) ((unsigned long)((pg)-vmemmap))
#define phys_to_page(p) pfn_to_page((p) >> PAGE_SHIFT)
#define page_to_phys(p) ((phys_addr_t)page_to_pfn(p) << PAGE_SHIFT)

#endif
