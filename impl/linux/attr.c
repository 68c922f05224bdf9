// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's side of the seam for permission changes: arch/arm64/mm/pageattr.c, whole.
 *
 * Property: each change is one call of the kernel's own function. Areas of vmalloc are the driver's; their page arrays are filled here.
 */
#include <linux/set_memory.h>

/*
 * update_range_prot() warns of an error of the split that it hands on. That there was no memory is the program's doing, and no
 * finding; the driver judges whether it may have been so. Any other error, and every condition (0 or 1), warns as ever.
 */
#undef WARN_ON_ONCE
#define WARN_ON_ONCE(c)                                                                                            \
	({                                                                                                         \
		typeof(c) lx_c = (c);                                                                              \
		(long)lx_c == -ENOMEM ? true : LX_WARN(lx_c, #c);                                                  \
	})
#include "arch/arm64/mm/pageattr.c"
#include "map.h"

enum { LX_AREA_PAGES = 1024 }; /* areas that may hold blocks are refused before a page of them is looked for */
static struct vm_struct lx_area[PT_VM_AREAS];
static struct page *lx_area_pages[PT_VM_AREAS][LX_AREA_PAGES];

struct vm_struct *find_vm_area(const void *addr)
{
	const unsigned long va = (unsigned long)addr;

	for (unsigned i = 0; i < PT_VM_AREAS; i++)
		if (va >= (unsigned long)lx_area[i].addr && va - (unsigned long)lx_area[i].addr < lx_area[i].size)
			return &lx_area[i];
	return NULL;
}

void lx_attr_reset(const struct pt_split_env *env)
{
	rodata_full = env->rodata_full;
	for (unsigned i = 0; i < PT_VM_AREAS; i++) {
		const struct pt_vm_area *a = &env->area[i];
		const unsigned long n = (a->end - a->start) >> PAGE_SHIFT;

		lx_area[i] = (struct vm_struct){.addr = (void *)a->start,
						.size = a->end - a->start,
						.flags = VM_ALLOC | (a->huge ? VM_ALLOW_HUGE_VMAP : 0),
						.pages = lx_area_pages[i],
						.nr_pages = (unsigned)n};
		for (unsigned long k = 0; k < n && k < LX_AREA_PAGES; k++)
			lx_area_pages[i][k] = phys_to_page(a->phys + (k << PAGE_SHIFT));
	}
}

int lx_set_memory(unsigned what, uint64_t addr, unsigned numpages)
{
	switch (what) {
	case PT_SET_RO:
		return set_memory_ro(addr, (int)numpages);
	case PT_SET_RW:
		return set_memory_rw(addr, (int)numpages);
	case PT_SET_X:
		return set_memory_x(addr, (int)numpages);
	case PT_SET_NX:
		return set_memory_nx(addr, (int)numpages);
	case PT_SET_ROX:
		return set_memory_rox(addr, (int)numpages);
	case PT_SET_VALID:
		return set_memory_valid(addr, (int)numpages, 1);
	case PT_SET_INVALID:
		return set_memory_valid(addr, (int)numpages, 0);
	case PT_DIRECT_INVALID:
		return set_direct_map_invalid_noflush(phys_to_page(__virt_to_phys(addr)));
	case PT_DIRECT_DEFAULT:
		return set_direct_map_default_noflush(phys_to_page(__virt_to_phys(addr)));
	default:
		return -EINVAL;
	}
}
