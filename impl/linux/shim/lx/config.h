/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Kconfig choice of the simulated kernel, force-included into every unit that sees kernel headers.
 *
 * Property: one choice for all granules; only -DLX_PAGE_SHIFT={12,14,16} differs, -DLX_CONT_PTE_SHIFT and
 * -DLX_CONT_PMD_SHIFT where the machine's small geometry has shorter contiguous runs, and -DLX_LEVELS and -DLX_VA_BITS
 * where whole kernel maps are made (map.c): that code is compiled once for each number of levels. Everything not defined here
 * is off: page_table_check (it would need page_ext), MTE, POE, LPA2, KPTI.
 */
#ifndef LX_CONFIG_H
#define LX_CONFIG_H

#define __KERNEL__	   1
#define CONFIG_MMU	   1
#define CONFIG_64BIT	   1
#define CONFIG_ARM64	   1
#define BITS_PER_LONG	   64
#define BITS_PER_LONG_LONG 64

/* arch/arm64/Kconfig: ARM64_CONT_PTE_SHIFT and ARM64_CONT_PMD_SHIFT defaults, and a 3-level VA size of each. */
#if LX_PAGE_SHIFT == 12
#define CONFIG_ARM64_4K_PAGES 1
#define LX_VA_BITS_3	      39
#ifdef LX_CONT_PTE_SHIFT
#define CONFIG_ARM64_CONT_PTE_SHIFT LX_CONT_PTE_SHIFT
#else
#define CONFIG_ARM64_CONT_PTE_SHIFT 4
#endif
#ifdef LX_CONT_PMD_SHIFT
#define CONFIG_ARM64_CONT_PMD_SHIFT LX_CONT_PMD_SHIFT
#else
#define CONFIG_ARM64_CONT_PMD_SHIFT 4
#endif
#elif LX_PAGE_SHIFT == 14
#define CONFIG_ARM64_16K_PAGES	    1
#define LX_VA_BITS_3		    47
#define CONFIG_ARM64_CONT_PTE_SHIFT 7
#define CONFIG_ARM64_CONT_PMD_SHIFT 5
#elif LX_PAGE_SHIFT == 16
#define CONFIG_ARM64_64K_PAGES	    1
#define LX_VA_BITS_3		    48
#define CONFIG_ARM64_CONT_PTE_SHIFT 5
#define CONFIG_ARM64_CONT_PMD_SHIFT 5
#else
#error "LX_PAGE_SHIFT must be 12, 14 or 16"
#endif
#define CONFIG_PAGE_SHIFT	LX_PAGE_SHIFT
#define CONFIG_ARM64_PAGE_SHIFT LX_PAGE_SHIFT
#ifdef LX_LEVELS
#define CONFIG_PGTABLE_LEVELS LX_LEVELS
#define CONFIG_ARM64_VA_BITS  LX_VA_BITS
#else
#define CONFIG_PGTABLE_LEVELS 3
#define CONFIG_ARM64_VA_BITS  LX_VA_BITS_3
#endif
#define CONFIG_ARM64_PA_BITS 48

#define CONFIG_ARM64_CONTPTE		 1
#define CONFIG_TRANSPARENT_HUGEPAGE	 1
#define CONFIG_ARCH_ENABLE_THP_MIGRATION 1
#define CONFIG_HAVE_ARCH_HUGE_VMAP	 1
#define CONFIG_HAVE_ARCH_USERFAULTFD_WP	 1
#define CONFIG_NUMA_BALANCING		 1
#define CONFIG_ARCH_HAS_PTE_DEVMAP	 1
#define CONFIG_SPARSEMEM_VMEMMAP	 1
#define CONFIG_ARCH_HAS_LAZY_MMU_MODE	 1
#define CONFIG_ARCH_HAS_MEM_ENCRYPT	 1
#define CONFIG_ARCH_HAS_SET_MEMORY	 1
#define CONFIG_ARCH_HAS_SET_DIRECT_MAP	 1
/* The kernel's own assertions are oracles: __check_safe_pte_update(), VM_WARN_ON(), VM_BUG_ON(). */
#define CONFIG_DEBUG_VM 1

#endif
