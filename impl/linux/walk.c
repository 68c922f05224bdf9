// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's side of the seam for page walks: mm/pagewalk.c, whole (build.sh writes its plain loads as lx_plain()).
 *
 * Property: the driver's callbacks see what the kernel's see. Two things differ in form: the kernel calls for each entry
 * of level 3, none or not, and the driver's callbacks know those that are none as holes; and a walk that takes the lock of a table is one
 * of an area of user space [walk_page_range_vma()], a walk that takes none one of the kernel's map.
 */
#include "pagewalk.c"
#include "map.h"

static struct mm_struct lx_walk_mm;

/* mm/pgtable-generic.c says so and clears the entry. */
#define LX_CLEAR_BAD(level)                                                                                        \
	void level##_clear_bad(level##_t *p)                                                                       \
	{                                                                                                          \
		WARN_ON(p);                                                                                        \
		level##_clear(p);                                                                                  \
	}
LX_CLEAR_BAD(pgd)
#ifndef __PAGETABLE_P4D_FOLDED
LX_CLEAR_BAD(p4d)
#endif
#ifndef __PAGETABLE_PUD_FOLDED
LX_CLEAR_BAD(pud)
#endif
LX_CLEAR_BAD(pmd)

/* Level of the driver's callbacks from that of the kernel's [real_depth()]. */
static int lx_level_of(int depth)
{
	return depth ? depth - 1 : 4 - CONFIG_PGTABLE_LEVELS;
}

static int lx_call(unsigned level, void *p, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	struct pt_walk *w = walk->private;
	int err;

	_Static_assert(PT_ACTION_SUBTREE == ACTION_SUBTREE && PT_ACTION_CONTINUE == ACTION_CONTINUE &&
			       PT_ACTION_AGAIN == ACTION_AGAIN,
		       "actions");
	if (!w->ops->entry[level])
		return 0;
	w->action = PT_ACTION_SUBTREE;
	err = w->ops->entry[level](p, addr, next, w);
	walk->action = (enum page_walk_action)w->action;
	return err;
}

static int lx_pgd_entry(pgd_t *p, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	return CONFIG_PGTABLE_LEVELS == 4 ? lx_call(0, p, addr, next, walk) : 0;
}

static int lx_pud_entry(pud_t *p, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	return CONFIG_PGTABLE_LEVELS >= 3 ? lx_call(1, p, addr, next, walk) : 0;
}

static int lx_pmd_entry(pmd_t *p, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	return lx_call(2, p, addr, next, walk);
}

static int lx_hole(unsigned long addr, unsigned long next, int depth, struct mm_walk *walk)
{
	struct pt_walk *w = walk->private;

	return w->ops->hole ? w->ops->hole(addr, next, lx_level_of(depth), w) : 0;
}

static int lx_pte_entry(pte_t *p, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	struct pt_walk *w = walk->private;

	if (pte_none(__ptep_get(p)))
		return w->ops->hole ? w->ops->hole(addr, next, 3, w) : 0;
	return lx_call(3, p, addr, next, walk);
}

static const struct mm_walk_ops lx_walk_ops = {
	.pgd_entry = lx_pgd_entry,
	.pud_entry = lx_pud_entry,
	.pmd_entry = lx_pmd_entry,
	.pte_entry = lx_pte_entry,
	.pte_hole = lx_hole,
	.walk_lock = PGWALK_RDLOCK,
};

void lx_walk_reset(const struct pt_split_env *env)
{
	lx_walk_mm = (struct mm_struct){.pgd = (pgd_t *)env->pgdir};
}

int lx_walk_page_range(struct pt_walk *walk, uint64_t start, uint64_t end)
{
	struct vm_area_struct vma = {.vm_start = start, .vm_end = end, .vm_mm = &lx_walk_mm};

	if (walk->ptl) {
		lx_walk_mm.page_table_lock.word = walk->ptl;
		return walk_page_range_vma(&vma, start, end, &lx_walk_ops, walk);
	}
#if LX_HAVE_WALK_LOCKLESS
	return walk_kernel_page_table_range_lockless(start, end, &lx_walk_ops, NULL, walk);
#else
	return walk_kernel_page_table_range(start, end, &lx_walk_ops, NULL, walk);
#endif
}
