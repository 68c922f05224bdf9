/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seam for whole kernel maps: what mmu.c and pageattr.c offer.
 *
 * Property: names and meanings are the kernel's; an entry that an implementation lacks is NULL. The caller owns the top
 * table and the fixmap's level-3 table, and issues the flushes that the kernel's callers issue.
 */
#ifndef IMPL_SEAM_MMU_H
#define IMPL_SEAM_MMU_H

#include <stdbool.h>
#include <stdint.h>

#define PT_ENOMEM 12
#define PT_EINVAL 22

/* Slots of the fixmap for tables, one a level (enum fixed_addresses). */
enum pt_fixmap { FIX_PTE, FIX_PMD, FIX_PUD, FIX_P4D, FIX_PGD, FIX_NSLOTS };

/* Facts of one execution, given before the first call. */
struct pt_mmu_env {
	unsigned page_shift, table_bits;
	unsigned levels;  /* of the kernel's half; levels that it lacks are folded into the one above */
	unsigned va_bits; /* that the kernel's half translates: the top table may be smaller than a page */
	bool lpa2;	  /* TCR_EL1.DS: 52-bit descriptors without SH, TLBI ranges in units of 64 KiB */
	unsigned cont_pte_bits, cont_pmd_bits;
	uint64_t *pgdir;       /* swapper_pg_dir */
	uint64_t fixmap_va;    /* of slot 0; slot i is i pages above */
	uint64_t *fixmap_ptep; /* entries of the slots, in table memory that is always mapped */
};

/* flags of create_pgd_mapping */
#define PT_NO_BLOCK_MAPPINGS (1u << 0)
#define PT_NO_CONT_MAPPINGS  (1u << 1)
#define PT_NO_EXEC_MAPPINGS  (1u << 2)

/* Where tables come from. */
enum pt_mmu_alloc {
	PT_ALLOC_NONE,	/* nowhere: permissions are updated (update_mapping_prot) */
	PT_ALLOC_EARLY, /* boot memory, which nothing maps yet: reached through the fixmap; never fails */
	PT_ALLOC_LATE,	/* the page allocator; may fail */
};

/* What a design spends on the tables of a request, for the op's budget. */
struct pt_mmu_cost {
	uint8_t maps[3];     /* fixmap slots set for a table that it visits, by enum pt_mmu_alloc */
	uint8_t maps_new[3]; /* and in addition for one that it makes */
	uint8_t clears_new;  /* pages cleared for a table that it makes */
};

/* What a kernel answers with BUG() or panic(), by design: nobody may ask for it, so the driver does not. */
#define PT_DIES_REFUSING (1u << 0) /* a request that is to be refused, or may be */
#define PT_DIES_NOMEM	 (1u << 1) /* no memory for a table */

struct pt_mmu {
	const char *design;
	bool five_levels; /* 52-bit addresses: otherwise it is given four levels at most, without lpa2 */
	struct pt_mmu_cost cost;
	uint8_t dies; /* PT_DIES_*; 0: errors are returned */
	void (*reset)(const struct pt_mmu_env *env);
	/*
	 * __create_pgd_mapping(): [virt, virt + size) translates to phys on, with the permissions of seam value `val`
	 * (PT_KERNEL | PT_WRITE | PT_EXEC; its pfn is not looked at). Holes are filled, permissions of identical leaves
	 * changed, anything else refused: -PT_EINVAL. -PT_ENOMEM: no table; a prefix is mapped. Complete on return; may
	 * sleep with PT_ALLOC_LATE. The caller holds fixmap_lock.
	 */
	int (*create_pgd_mapping)(uint64_t *pgdir, uint64_t phys, uint64_t virt, uint64_t size, uint64_t val,
				  unsigned alloc, unsigned flags);
	/* split_kernel_leaf_mapping(): both addresses become leaf edges. 0 or negative. */
	int (*split_kernel_leaf_mapping)(uint64_t start, uint64_t end);
	/* range_split_to_ptes(): only page entries without the contiguous bit remain in [start, end). */
	int (*range_split_to_ptes)(uint64_t start, uint64_t end, bool atomic);
};

/* mmu.c in the three forms of thread 001. */
extern const struct pt_mmu mmu_final, mmu_remap, mmu_ops;

#endif
