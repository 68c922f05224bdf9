/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for what arch/arm64/mm/{mmu,pageattr}.c and mm/pagewalk.c include beyond the headers that are read from the tree.
 *
 * Property: what those files do to page tables goes to the machine as in machine.h; locks that can sleep say so. What
 * is only declared here is never reached by what map.c offers: the linker drops its callers, and refuses the object if not.
 */
#ifndef LX_WIDE_H
#define LX_WIDE_H

#include <lx/kernel.h>
#include "impl/seam_split.h"
#include "lx_have.h"

/* ---- errno.h, gfp.h, vmalloc.h, mman.h */
#define EPERM		   1
#define ENOENT		   2
#define ENOMEM		   12
#define EBUSY		   16
#define EINVAL		   22
#define ENOSPC		   28
#define __GFP_ZERO	   0x100u
#define GFP_ATOMIC	   1u
#define GFP_KERNEL	   2u
#define GFP_PGTABLE_KERNEL (GFP_KERNEL | __GFP_ZERO)
#define VM_ALLOC	   2
#define VM_MAP		   4
#define VM_NO_GUARD	   0x40
#define VM_ALLOW_HUGE_VMAP 0x400
#define VM_PFNMAP	   0x400
#define O_SYNC		   04010000
#define TASK_SIZE	   (1ul << VA_BITS)

/* ---- attributes */
#define noinstr
#define __initdata
#define __meminit
#define __section(s)
#define __aligned(n)	   __attribute__((aligned(n)))
#define __page_aligned_bss __aligned(4096)
#define early_initcall(f)  struct lx_unused_initcall
#define core_initcall(f)   struct lx_unused_initcall
#define early_param(s, f)  struct lx_unused_initcall

/* ---- types that are only named, or of which a member is */
typedef u64 ptdesc_t;
struct file {
	unsigned f_flags;
};
struct vm_struct {
	struct vm_struct *next;
	void *addr;
	unsigned long size, flags;
	struct page **pages;
	unsigned nr_pages;
	phys_addr_t phys_addr;
	const void *caller;
};
struct rb_root_cached {
	int unused;
};
struct address_space {
	struct rb_root_cached i_mmap;
};
struct vmem_altmap;
struct arm64_mem_crypt_ops {
	int (*encrypt)(unsigned long addr, int numpages);
	int (*decrypt)(unsigned long addr, int numpages);
};

/* ---- locks: a word of the driver's where there is one; else nobody competes for it, by what the driver serialises */
struct mutex {
	uint64_t *word;
};
#define DEFINE_MUTEX(n)	   struct mutex n
#define DEFINE_SPINLOCK(n) spinlock_t n
#define LX_SPINLOCK	   40 /* swapper_pgdir_lock: nothing is taken inside it */

static inline void lx_word_lock(uint64_t *word, const char *fn, int line)
{
	while (lx_cmpxchg(word, 0, 1, HW_ACQUIRE, fn, line))
		(*lx_hooks->cpu_relax)(fn, line);
}

static inline void lx_word_unlock(uint64_t *word, const char *fn, int line)
{
	lx_hooks->store(word, 0, HW_RELEASE, fn, line);
}

static inline void lx_spin_lock(spinlock_t *l, const char *fn, int line)
{
	if (l->word)
		lx_word_lock(l->word, fn, line);
	else
		lx_hooks->lock(LX_SPINLOCK, fn, line);
}

static inline void lx_spin_unlock(spinlock_t *l, const char *fn, int line)
{
	if (l->word)
		lx_word_unlock(l->word, fn, line);
	else
		lx_hooks->unlock(LX_SPINLOCK, fn, line);
}
#define spin_lock(l)   lx_spin_lock(l, __func__, __LINE__)
#define spin_unlock(l) lx_spin_unlock(l, __func__, __LINE__)

static inline void lx_mutex_lock(struct mutex *m, const char *fn, int line)
{
	lx_hooks->might_sleep(fn, line);
	if (m->word)
		lx_word_lock(m->word, fn, line);
}

static inline void lx_mutex_unlock(struct mutex *m, const char *fn, int line)
{
	if (m->word)
		lx_word_unlock(m->word, fn, line);
}
#define mutex_lock(m)		    lx_mutex_lock(m, __func__, __LINE__)
#define mutex_unlock(m)		    lx_mutex_unlock(m, __func__, __LINE__)
#define lockdep_assert_held(l)	    ((void)0)
#define mmap_assert_locked(m)	    ((void)(m))
#define mmap_assert_write_locked(m) ((void)(m))
#define vma_start_write(v)	    ((void)(v))
#define vma_assert_write_locked(v)  ((void)(v))
#define vma_assert_locked(v)	    ((void)(v))
#define cond_resched()		    ((void)0)
#define rcu_read_lock()		    lx_hooks->rcu(true, __func__, __LINE__)
#define rcu_read_unlock()	    lx_hooks->rcu(false, __func__, __LINE__)

/* ---- tables. Their level is what the allocating function's own parameter says: the machine wants to know it. */
phys_addr_t lx_table_new(unsigned level, const char *fn, int line);
#define INVALID_PHYS_ADDR (~(phys_addr_t)0)
#if LX_HAVE_PGTABLE_LEVEL
#define LX_LEVEL (3u - (unsigned)pgtable_level)
#else
#define LX_LEVEL (3u - (unsigned)(shift - PAGE_SHIFT) / (unsigned)__builtin_ctzl(PTRS_PER_PTE))
#endif
#define MEMBLOCK_ALLOC_NOLEAKTRACE     1
#define memblock_phys_alloc_range(...) lx_table_new(LX_LEVEL, __func__, __LINE__)
#define lx_table_late(gfp)                                                                                         \
	({                                                                                                         \
		if ((gfp)&GFP_KERNEL)                                                                              \
			lx_hooks->might_sleep(__func__, __LINE__);                                                 \
		lx_table_new(LX_LEVEL, __func__, __LINE__);                                                        \
	})
/* Both are named by their physical address, 0 for none. */
#define __get_free_page(gfp)	    lx_virt(lx_table_late(gfp))
#define pagetable_alloc(gfp, order) lx_ptdesc(lx_table_late(gfp))
#define ptdesc_page(pt)		    ((struct page *)(pt))
#define virt_to_page(q)		    phys_to_page(__pa(q))
#define page_address(pg)	    ((void *)lx_linear(page_to_phys(pg)))
#define pagetable_pte_ctor(...)	    true
#define pagetable_pmd_ctor(...)	    true
#define pagetable_pud_ctor(...)	    ((void)0)
#define pagetable_p4d_ctor(...)	    ((void)0)
#define clear_page(q)		    lx_hooks->clear_page(q, __func__, __LINE__)

/* ---- fixmap: slots of the driver, in ascending order; __set_fixmap() is the tree's */
void __set_fixmap(enum pt_fixmap idx, phys_addr_t phys, pgprot_t flags);
extern struct pt_mmu_env lx_mmu_env;
#define FIX_HOLE		 (-1ll)
#define __end_of_fixed_addresses FIX_NSLOTS
#define __fix_to_virt(idx)	 (lx_mmu_env.fixmap_va + (unsigned long)(idx)*PAGE_SIZE)
#define fixmap_pte(addr)	 ((pte_t *)lx_mmu_env.fixmap_ptep + (((addr)-lx_mmu_env.fixmap_va) >> PAGE_SHIFT))
#define set_fixmap_offset(slot, pa)                                                                                \
	({                                                                                                         \
		phys_addr_t lx_pa = (pa);                                                                          \
		__set_fixmap(slot, lx_pa &PAGE_MASK, PAGE_KERNEL);                                                 \
		(unsigned long)lx_hooks->alias_ptr(slot) + (lx_pa & (PAGE_SIZE - 1));                              \
	})
#define clear_fixmap(slot) __set_fixmap(slot, 0, __pgprot(0))

/* ---- addresses. The linear map ends where the driver's memory does. */
extern struct pt_split_env lx_split_env;

static inline unsigned long lx_linear(phys_addr_t phys)
{
	return lx_split_env.page_offset + (unsigned long)phys;
}

/* Of a symbol: a table of the driver's, or code, whose address in the identity map is the one it has. */
static inline unsigned long lx_pa_symbol(unsigned long s)
{
	return LX_IN_ARENA(s) ? __pa(s) : s;
}
#undef __pa_symbol
#undef _PAGE_OFFSET
#undef PAGE_END
#define __pa_symbol(s)	   lx_pa_symbol((unsigned long)(s))
#define _PAGE_OFFSET(va)   lx_linear(0)
#define PAGE_END	   lx_linear(lx_split_env.nmem ? lx_split_env.mem[lx_split_env.nmem - 1].end : 0)
#define _PAGE_END(va)	   (-(UL(1) << ((va)-1)))
#define PAGE_ALIGNED(a)	   IS_ALIGNED((unsigned long)(a), PAGE_SIZE)
#define __virt_to_phys(va) ((phys_addr_t)((va)-lx_split_env.page_offset))
#define __is_lm_address(a) ((void)(a), true)
#define VMEMMAP_END	   (-SZ_8M)
#define KIMAGE_VADDR	   MODULES_END
#define PAGES_PER_SECTION  32768
#define TTBRx_EL1_CnP	   1
#define kasan_reset_tag(q) (q)
#define __ffs(n)	   ((unsigned long)__builtin_ctzl(n))
/* Kernel text, by its linear alias. */
#define _stext	     ((char *)lx_linear(lx_split_env.text.start))
#define __init_begin ((char *)lx_linear(lx_split_env.text.end))
extern char _text[], _etext[], _data[], _end[], __start_rodata[], __init_end[], __inittext_begin[],
	__inittext_end[];
extern char __initdata_begin[], __initdata_end[], __bss_stop[], __idmap_text_start[], __idmap_text_end[];

/*
 * ---- the flag of the repainting is the driver's word, and swapper_pg_dir the driver's table: where the tree defines or
 * declares one, these make it a pointer.
 */
#define idmap_kpti_bbml2_flag (*lx_flag)
#define swapper_pg_dir	      (*lx_swapper)

/*
 * ---- plain loads of entries, which build.sh writes as calls of this. One of a copy on the stack is no step.
 */
#define lx_plain(obj)                                                                                              \
	({                                                                                                         \
		typeof(&(obj)) lx_q = &(obj);                                                                      \
		lx_on_stack(lx_q) ? *lx_q : READ_ONCE(*lx_q);                                                      \
	})
static __always_inline bool lx_on_stack(const void *q)
{
	return (unsigned long)q - (unsigned long)__builtin_frame_address(0) + 4096 < 16384;
}

/* ---- the rest of the kernel: what is asked of it, and what is off */
#define panic(...)			  lx_bug("panic", __func__, __LINE__)
#define debug_pagealloc_enabled()	  false
#define arm64_kfence_can_set_direct_map() false
#define system_capabilities_finalized()	  true
#define cpu_supports_bbml2_noabort()	  lx_hooks->feature(HW_FEAT_BBML2_NOABORT_CPU)
#define page_alloc_available		  true
#define num_online_cpus()		  lx_split_env.ncpu
#define vm_unmap_aliases()		  ((void)0)
#define is_vm_hugetlb_page(vma)		  ((void)(vma), false)
#define is_pmd_migration_entry(pmd)	  ((void)(pmd), false)
#define split_huge_pmd(vma, pmd, addr)	  ((void)(pmd))
#define split_huge_pud(vma, pud, addr)	  ((void)(pud))
#define is_kfence_address(q)                                                                                       \
	((unsigned long)(q) >= lx_split_env.kfence.start && (unsigned long)(q) < lx_split_env.kfence.end)
struct vm_struct *find_vm_area(const void *addr);
extern bool rodata_full, rodata_enabled;
unsigned lx_cpu(void);
#define smp_processor_id() lx_cpu()
#define smp_cond_load_acquire(q, c)                                                                                \
	({                                                                                                         \
		typeof(*(q)) VAL;                                                                                  \
		while (VAL = smp_load_acquire(q), !(c))                                                            \
			cpu_relax();                                                                               \
		VAL;                                                                                               \
	})
void cpu_install_idmap(void);
void cpu_uninstall_idmap(void);
bool can_set_direct_map(void);
bool pfn_is_map_memory(unsigned long pfn);
enum { BOOT_CPU_MODE_EL1, BOOT_CPU_MODE_EL2 };
extern const int *cpu_online_mask;
#define for_each_mem_range(i, start, end) for ((void)(i); lx_unused_next((start), (end));)
bool lx_unused_next(phys_addr_t *start, phys_addr_t *end);
#define vma_interval_tree_foreach(vma, root, first, last) for ((vma) = lx_unused_vma(root, first, last); (vma);)
struct vm_area_struct *lx_unused_vma(const struct rb_root_cached *root, unsigned long first, unsigned long last);
struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr);
#define vma_pages(vma) (((vma)->vm_end - (vma)->vm_start) >> PAGE_SHIFT)
/* Not constant expressions to the letter: what is reached of them has to be folded, or the object does not link. */
#undef BUILD_BUG_ON
#define BUILD_BUG_ON(c)                                                                                            \
	do {                                                                                                       \
		if (c)                                                                                             \
			lx_build_bug_on();                                                                         \
	} while (0)
void lx_build_bug_on(void);

#include <linux/mm.h>

static inline unsigned long lx_virt(phys_addr_t phys)
{
	return phys ? (unsigned long)__va(phys) : 0;
}

static inline struct ptdesc *lx_ptdesc(phys_addr_t phys)
{
	return phys ? (struct ptdesc *)phys_to_page(phys) : NULL;
}

swp_entry_t pmd_to_swp_entry(pmd_t pmd);
swp_entry_t pte_to_swp_entry(pte_t pte);
spinlock_t *pmd_lock(struct mm_struct *mm, pmd_t *pmd);
spinlock_t *pud_lock(struct mm_struct *mm, pud_t *pud);
struct page *vm_normal_page(struct vm_area_struct *vma, unsigned long addr, pte_t pte);
struct page *vm_normal_page_pmd(struct vm_area_struct *vma, unsigned long addr, pmd_t pmd);
struct page *vm_normal_page_pud(struct vm_area_struct *vma, unsigned long addr, pud_t pud);
/* Walks that make tables, and those of user space without a lock: no entry of the seam asks for them. */
#define lx_unreached(value)                                                                                        \
	({                                                                                                         \
		BUG();                                                                                             \
		value;                                                                                             \
	})
#define pte_offset_map(pmd, addr)  lx_unreached((pte_t *)NULL)
#define __p4d_alloc(mm, pgd, addr) lx_unreached(-ENOMEM)
#define __pud_alloc(mm, p4d, addr) lx_unreached(-ENOMEM)
#define __pmd_alloc(mm, pud, addr) lx_unreached(-ENOMEM)
#define __pte_alloc(mm, pmd)	   lx_unreached(-ENOMEM)
pte_t *__pte_offset_map(pmd_t *pmd, unsigned long addr, pmd_t *pmdvalp);
pte_t *__pte_offset_map_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, spinlock_t **ptlp);
pte_t *pte_offset_map_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, spinlock_t **ptlp);
#define pte_lockptr(mm, pmd)	     (&(mm)->page_table_lock)
#define pte_unmap_unlock(pte, ptl)   (spin_unlock(ptl), pte_unmap(pte))
#define pmdp_get_lockless_start()    0ul
#define pmdp_get_lockless_end(flags) ((void)(flags))
#endif
