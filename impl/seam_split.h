/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seam for what takes the kernel's map apart: page walks, splits, permission changes, repainting.
 *
 * Property: names and meanings are the kernel's (mm/pagewalk.c, arch/arm64/mm/mmu.c, pageattr.c); an entry that an
 * implementation lacks is NULL. Errors are negative: -PT_ENOMEM, -PT_EINVAL.
 */
#ifndef IMPL_SEAM_SPLIT_H
#define IMPL_SEAM_SPLIT_H

#include "seam_mmu.h"

/* An area of vmalloc [struct vm_struct]. */
struct pt_vm_area {
	uint64_t start, end, phys; /* phys: of its first page; the others follow */
	bool huge;		   /* VM_ALLOW_HUGE_VMAP: it may hold leaves above level 3 */
};
struct pt_mem_range {
	uint64_t start, end;
};
#define PT_MEM_RANGES 4
#define PT_VM_AREAS   2

/* Facts of one execution, given before the first call. Pointers are to plain memory unless they say table. */
struct pt_split_env {
	unsigned page_shift, table_bits, levels, cont_pte_bits, cont_pmd_bits, ncpu;
	uint64_t *pgdir;      /* table: swapper_pg_dir */
	uint64_t page_offset; /* linear address = page_offset + physical address */
	bool force_pte;	      /* the linear map was made of pages (rodata=full without FEAT_BBM level 2) */
	bool rodata_full;     /* linear aliases follow read-only changes of vmalloc areas */
	struct pt_mem_range mem[PT_MEM_RANGES]; /* memblock ranges, physical */
	unsigned nmem;
	struct pt_mem_range text;   /* physical: kernel text, whose linear alias stays read-only in blocks */
	struct pt_mem_range kfence; /* linear addresses: always mapped by pages */
	struct pt_vm_area area[PT_VM_AREAS];
	uint64_t *mutex; /* pgtable_split_lock */
	/* Identity map, and the flag of the repainting: a word of plain memory at physical address flag_pa. */
	void *idmap;
	unsigned idmap_asid;
	uint64_t *idmap_flag_ptep; /* table: level-3 entry of flag_pa in the identity map */
	uint64_t flag_pa;
	uint64_t *flag;
};

enum pt_walk_action {
	PT_ACTION_SUBTREE,  /* descend */
	PT_ACTION_CONTINUE, /* skip what is below */
	PT_ACTION_AGAIN,    /* this entry once more */
};

struct pt_walk;
/* Callbacks; each may be NULL. Not zero: the walk ends and returns that. */
struct pt_walk_ops {
	/* Before descent; by level of the entry, 3 for pages. */
	int (*entry[4])(uint64_t *p, uint64_t addr, uint64_t next, struct pt_walk *walk);
	/* Nothing is there; depth: level of the entry. */
	int (*hole)(uint64_t addr, uint64_t next, int depth, struct pt_walk *walk);
	/* After what is below. */
	int (*post[3])(uint64_t *p, uint64_t addr, uint64_t next, struct pt_walk *walk);
};
struct pt_walk {
	const struct pt_walk_ops *ops;
	void *priv;
	enum pt_walk_action action; /* set by entry callbacks; SUBTREE at each attempt */
	uint64_t *
		ptl; /* page-table lock word to take around the entries of a table, or NULL: lockless, tables live */
};

enum pt_setmem {
	PT_SET_RO,
	PT_SET_RW,
	PT_SET_X,
	PT_SET_NX,
	PT_SET_ROX, /* set_memory_rox() */
	PT_SET_VALID,
	PT_SET_INVALID,	   /* set_memory_valid(.., 0) */
	PT_DIRECT_INVALID, /* set_direct_map_invalid_noflush() */
	PT_DIRECT_DEFAULT, /* set_direct_map_default_noflush() */
	PT_NSETMEM
};

struct pt_split {
	uint8_t repaint_dies; /* PT_DIES_NOMEM: the repainting does not survive a failed allocation */
	uint8_t walk_mute; /* levels (1 << level) whose callbacks have no say in what comes next, but to end the walk */
	bool walk_no_post; /* there are no callbacks for what is done (pt_walk_ops.post) */
	void (*reset)(const struct pt_split_env *env);
	int (*walk_page_range)(struct pt_walk *walk, uint64_t start, uint64_t end);
	/* Both addresses become leaf edges; translations stay. May sleep, but for what is mapped by pages. */
	int (*split_kernel_leaf_mapping)(uint64_t start, uint64_t end);
	/* Nothing but page entries without the contiguous bit in [start, end). */
	int (*range_split_to_ptes)(uint64_t start, uint64_t end, bool atomic);
	int (*set_memory)(unsigned what, uint64_t addr, unsigned numpages);
	/* Puts the flag into the identity map, before any CPU repaints. */
	void (*repaint_prepare)(void);
	/* Executed by every CPU, as stop_machine() does; CPU 0 repaints. */
	int (*linear_map_split_to_ptes)(unsigned cpu);
};

#endif
