// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's side of the seam: compiled with the kernel's headers, offers each API function under a plain
 * signature, and defines what the kernel code links against.
 *
 * Property: every function here is one call of the kernel's own function plus the translation of seam values;
 * only pte_alloc follows core-mm code that the build does not include (mm/memory.c), and where a tree has a function for
 * one entry but the seam one for many, it is called for each. What a tree has is asked by name (lx_have.h).
 */
#include <linux/mm.h>
#include <asm/tlbflush.h>
#include <asm/pgalloc.h>
#include <asm/tlb.h>
#include "impl/seam.h"
#include "glue.h"
#include "lx_have.h"

/* ---- what the kernel code links against */

const struct hw_hooks *lx_hooks;
unsigned long lx_arena;
unsigned long lx_alias = ~0ul / 2; /* nothing, until a map is made (map.c) */
struct mm_struct init_mm;	   /* != the user mm: mm_is_user() in contpte.c compares with it */
unsigned long prot_ns_shared;	   /* no realm */
bool arm64_use_ng_mappings;	   /* KPTI off: kernel mappings are global */
pgd_t swapper_pg_dir[PTRS_PER_PGD] __attribute__((aligned(PAGE_SIZE)));
static struct mm_struct lx_user_mms[PT_NMM];
static struct vm_area_struct lx_vmas[PT_NMM];

/* Caches and memory tags are not modelled; D-cache maintenance has no effect on page tables. */
void __sync_icache_dcache(pte_t pte)
{
	(void)pte;
}

void set_swapper_pgd(pgd_t *pgdp, pgd_t pgd)
{
	(void)pgdp;
	(void)pgd;
	lx_bug("write to swapper_pg_dir", __func__, __LINE__);
}

_Static_assert(offsetof(struct task_struct, flags) == offsetof(struct pt_task, flags) &&
		       offsetof(struct task_struct, preempt_count) == offsetof(struct pt_task, preempt_count) &&
		       offsetof(struct task_struct, lazy_mmu_state) == offsetof(struct pt_task, arch) &&
		       sizeof(struct task_struct) <= sizeof(struct pt_task),
	       "struct task_struct is a view of struct pt_task");

/* ---- page structs of the data memory, indexed by pfn - first pfn */

enum { LX_MAX_PAGES = 8192, LX_MAX_FOLIOS = 256 };
static struct page lx_pages[LX_MAX_PAGES];
static struct pt_folio lx_folios[LX_MAX_FOLIOS]; /* what lx_pages describes now */
static unsigned lx_nfolios;
static uint64_t lx_first_pfn;
unsigned long lx_vmemmap;

/* A pfn outside the data memory (the program may make one up) has a page of its own: order 0, never folded. */
static bool page_is_data(const struct page *page)
{
	return (unsigned long)page - (unsigned long)lx_pages < sizeof(lx_pages);
}

struct folio *lx_page_folio(struct page *page)
{
	if (page_is_data(page) && page->head)
		page = page->head;
	return container_of(page, struct folio, page);
}

long lx_folio_nr_pages(const struct folio *folio)
{
	return page_is_data(&folio->page) ? 1l << folio->page.order : 1;
}

static void folio_set(const struct pt_folio *f, bool on)
{
	uint64_t first = f->pfn - lx_first_pfn;
	uint64_t nr = 1ull << f->order;

	if (first >= LX_MAX_PAGES || nr > LX_MAX_PAGES - first)
		lx_bug("folio beyond the page array", __func__, __LINE__);
	for (uint64_t i = 0; i < nr; i++) {
		lx_pages[first + i].head = on && i ? &lx_pages[first] : NULL;
		lx_pages[first + i].order = on ? f->order : 0;
	}
}

static bool folios_same(const struct pt_env *env)
{
	if (env->nfolios != lx_nfolios)
		return false;
	for (unsigned i = 0; i < lx_nfolios; i++)
		if (env->folios[i].pfn != lx_folios[i].pfn || env->folios[i].order != lx_folios[i].order)
			return false;
	return true;
}

static void folios_reset(const struct pt_env *env)
{
	if (folios_same(env))
		return;
	if (env->nfolios > LX_MAX_FOLIOS)
		lx_bug("more folios than the page array describes", __func__, __LINE__);
	for (unsigned i = 0; i < lx_nfolios; i++)
		folio_set(&lx_folios[i], false);
	lx_nfolios = env->nfolios;
	lx_first_pfn = lx_nfolios ? env->folios[0].pfn : 0;
	lx_vmemmap = (unsigned long)lx_pages - lx_first_pfn * sizeof(struct page);
	for (unsigned i = 0; i < lx_nfolios; i++) {
		lx_folios[i] = env->folios[i];
		folio_set(&lx_folios[i], true);
	}
}

/* ---- address spaces: the driver makes new ones during an execution, so each call brings ours up to date */

static struct mm_struct *to_mm(const struct pt_mm *mm)
{
	struct mm_struct *m = mm->id == PT_MM_KERNEL ? &init_mm : &lx_user_mms[mm->id];

	m->pgd = mm->root;
	m->context.id.counter = mm->asid;
	/* Two users: __check_safe_pte_update() looks at entries of live address spaces only. */
	m->mm_users.counter = 2;
	return m;
}

static struct vm_area_struct *to_vma(const struct pt_mm *mm)
{
	struct vm_area_struct *vma = &lx_vmas[mm->id];

	vma->vm_mm = to_mm(mm);
	vma->vm_end = ULONG_MAX;
	return vma;
}

/* ---- life cycle */

unsigned long lx_pmd_size; /* bytes that one level-3 table maps; PMD_SIZE but in the small geometry */

int lx_init(const struct hw_hooks *hooks)
{
	if (hooks->abi != HW_HOOKS_ABI)
		return -1;
	lx_hooks = hooks;
	return 0;
}

void lx_reset(const struct pt_env *env)
{
	if (env->page_shift != PAGE_SHIFT || env->cont_bits != CONFIG_ARM64_CONT_PTE_SHIFT)
		lx_bug("environment of another granule", __func__, __LINE__);
	lx_arena = (unsigned long)lx_hooks->table_va(0);
	lx_pmd_size = PAGE_SIZE << env->table_bits;
	folios_reset(env);
}

/* ---- seam values */

/*
 * A payload becomes a swap entry (the encoding is described at __swp_entry() in asm/pgtable.h): the low 5 bits
 * are the type, the rest the offset. So payloads reach the bits that would be AF (10) and dirty (55) in a
 * present entry, and never bits 0, 1 and 11.
 */
static pte_t payload_make(uint64_t payload)
{
	swp_entry_t swp = __swp_entry(payload & __SWP_TYPE_MASK, payload >> __SWP_TYPE_BITS);

	return __swp_entry_to_pte(swp);
}

static uint64_t payload_read(pte_t pte)
{
	swp_entry_t swp = __pte_to_swp_entry(pte);

	return __swp_type(swp) | __swp_offset(swp) << __SWP_TYPE_BITS;
}

static pgprot_t val_prot(uint64_t val)
{
	bool exec = val & PT_EXEC;

	if (val & PT_KERNEL) {
		if (val & PT_WRITE)
			return exec ? PAGE_KERNEL_EXEC : PAGE_KERNEL;
		return exec ? PAGE_KERNEL_ROX : PAGE_KERNEL_RO;
	}
	if (val & PT_WRITE)
		return exec ? PAGE_SHARED_EXEC : PAGE_SHARED;
	return exec ? PAGE_READONLY_EXEC : PAGE_READONLY;
}

/* PAGE_NONE for a page without permissions, as mprotect() and NUMA hinting make it; others only in programs. */
static pte_t val_pte(uint64_t val)
{
	pte_t pte;

	if (!(val & PT_PRESENT))
		return payload_make(PT_PFN(val));
	if (val & PT_PROTNONE && !(val & (PT_KERNEL | PT_WRITE | PT_EXEC)))
		pte = pfn_pte(PT_PFN(val), PAGE_NONE);
	else
		pte = pfn_pte(PT_PFN(val), val_prot(val));
	if (!(val & PT_KERNEL)) {
		pte = val & PT_YOUNG ? pte_mkyoung(pte) : pte_mkold(pte);
		if (val & PT_DIRTY)
			pte = pte_mkdirty(pte);
	}
	if (val & PT_PROTNONE)
		pte = pte_mkinvalid(pte);
	return val & PT_SPECIAL ? pte_mkspecial(pte) : pte;
}

static uint64_t pte_read(pte_t pte)
{
	uint64_t flags = PT_PRESENT;
	bool exec = pte_user_exec(pte);

	if (!pte_present(pte))
		return PT_MAKE(payload_read(pte), 0);
	if (pte_valid_not_user(pte)) {
		flags |= PT_KERNEL;
		exec = !(pte_val(pte) & PTE_PXN);
	}
	flags |= pte_valid(pte) ? 0 : PT_PROTNONE;
	flags |= pte_write(pte) ? PT_WRITE : 0;
	flags |= pte_young(pte) ? PT_YOUNG : 0;
	flags |= pte_dirty(pte) ? PT_DIRTY : 0;
	flags |= pte_special(pte) ? PT_SPECIAL : 0;
	flags |= exec ? PT_EXEC : 0;
	return PT_MAKE(pte_pfn(pte), flags);
}

uint64_t lx_entry_read(uint64_t raw)
{
	return pte_read(__pte(raw));
}

uint64_t lx_entry_make(uint64_t val)
{
	return pte_val(val_pte(val));
}

/* ---- the API, in the order of impl/seam.h */

static pte_t *to_ptep(uint64_t *p)
{
	return (pte_t *)p;
}

void lx_set_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t val, unsigned nr)
{
	set_ptes(to_mm(mm), addr, to_ptep(ptep), val_pte(val), nr);
}

uint64_t lx_ptep_get(uint64_t addr, uint64_t *ptep)
{
	(void)addr;
	return pte_read(ptep_get(to_ptep(ptep)));
}

uint64_t lx_ptep_get_lockless(uint64_t addr, uint64_t *ptep)
{
	(void)addr;
	return pte_read(ptep_get_lockless(to_ptep(ptep)));
}

uint64_t lx_ptep_get_and_clear(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	return pte_read(ptep_get_and_clear(to_mm(mm), addr, to_ptep(ptep)));
}

uint64_t lx_get_and_clear_full_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr, int full)
{
	return pte_read(get_and_clear_full_ptes(to_mm(mm), addr, to_ptep(ptep), nr, full));
}

void lx_clear_full_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr, int full)
{
	clear_full_ptes(to_mm(mm), addr, to_ptep(ptep), nr, full);
}

void lx_wrprotect_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	wrprotect_ptes(to_mm(mm), addr, to_ptep(ptep), nr);
}

int lx_ptep_set_access_flags(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t entry, int dirty)
{
	return ptep_set_access_flags(to_vma(mm), addr, to_ptep(ptep), val_pte(entry), dirty);
}

int lx_ptep_test_and_clear_young(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	return ptep_test_and_clear_young(to_vma(mm), addr, to_ptep(ptep));
}

int lx_ptep_clear_flush_young(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	return ptep_clear_flush_young(to_vma(mm), addr, to_ptep(ptep));
}

void lx_clear_young_dirty_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr, unsigned cydp)
{
	_Static_assert(PT_CYDP_YOUNG == CYDP_CLEAR_YOUNG && PT_CYDP_DIRTY == CYDP_CLEAR_DIRTY, "cydp flags");
	clear_young_dirty_ptes(to_vma(mm), addr, to_ptep(ptep), nr, cydp);
}

uint64_t lx_ptep_clear_flush(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	return pte_read(ptep_clear_flush(to_vma(mm), addr, to_ptep(ptep)));
}

int lx_test_and_clear_young_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
#if LX_HAVE_YOUNG_PTES
	return test_and_clear_young_ptes(to_vma(mm), addr, to_ptep(ptep), nr);
#else
	(void)mm, (void)addr, (void)ptep, (void)nr;
	return 0; /* not offered (entry.c) */
#endif
}

int lx_clear_flush_young_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
#if LX_HAVE_YOUNG_PTES
	return clear_flush_young_ptes(to_vma(mm), addr, to_ptep(ptep), nr);
#else
	(void)mm, (void)addr, (void)ptep, (void)nr;
	return 0;
#endif
}

/*
 * mprotect(): a batch, or start and commit of each page where the tree does not know one. There, what hardware recorded
 * is merged as get_and_clear_full_ptes() does. pte_modify() makes the new entry.
 */
uint64_t lx_modify_prot_start_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
#if LX_HAVE_PROT_PTES
	return pte_read(modify_prot_start_ptes(to_vma(mm), addr, to_ptep(ptep), nr));
#else
	pte_t pte = ptep_modify_prot_start(to_vma(mm), addr, to_ptep(ptep));

	while (--nr) {
		pte_t next = ptep_modify_prot_start(to_vma(mm), addr += PAGE_SIZE, to_ptep(++ptep));

		if (pte_dirty(next))
			pte = pte_mkdirty(pte);
		if (pte_young(next))
			pte = pte_mkyoung(pte);
	}
	return pte_read(pte);
#endif
}

void lx_modify_prot_commit_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t old, uint64_t val,
				unsigned nr)
{
	pgprot_t newprot = pte_pgprot(val_pte(val & ~(uint64_t)(PT_YOUNG | PT_DIRTY)));
	pte_t old_pte = val_pte(old);
	pte_t pte = pte_modify(old_pte, newprot);

#if LX_HAVE_PROT_PTES
	modify_prot_commit_ptes(to_vma(mm), addr, to_ptep(ptep), old_pte, pte, nr);
#else
	for (unsigned i = 0; i < nr; i++, addr += PAGE_SIZE)
		ptep_modify_prot_commit(to_vma(mm), addr, to_ptep(ptep + i), pte_advance_pfn(old_pte, i),
					pte_advance_pfn(pte, i));
#endif
}

/* As tlb_flush() calls it: a leaf-only flush names level 3 since no other level was cleared. */
void lx_flush_tlb_range(const struct pt_mm *mm, uint64_t start, uint64_t end, bool last_level)
{
	int level = last_level ? 3 : TLBI_TTL_UNKNOWN;

#if LX_HAVE_TLBF
	__flush_tlb_range(to_vma(mm), start, end, PAGE_SIZE, level, last_level ? TLBF_NOWALKCACHE : TLBF_NONE);
#else
	__flush_tlb_range(to_vma(mm), start, end, PAGE_SIZE, last_level, level);
#endif
}

void lx_flush_tlb_mm(const struct pt_mm *mm)
{
	flush_tlb_mm(to_mm(mm));
}

/* pte_free_tlb() (asm-generic/tlb.h) notes a cleared level-2 entry besides the freed table. */
void lx_tlb_flush(const struct pt_mm *mm, const struct pt_gather *g)
{
	struct mmu_gather tlb = {
		.mm = to_mm(mm),
		.start = g->start,
		.end = g->end,
		.fullmm = g->fullmm,
		.freed_tables = g->freed_tables,
		.cleared_ptes = g->cleared_ptes,
		.cleared_pmds = g->freed_tables,
	};

	tlb_flush(&tlb);
}

static struct arch_tlbflush_unmap_batch lx_batch; /* empty on arm64 */

void lx_arch_tlbbatch_add_pending(const struct pt_mm *mm, uint64_t start, uint64_t end)
{
#if LX_HAVE_BATCH_RANGE
	arch_tlbbatch_add_pending(&lx_batch, to_mm(mm), start, end);
#else
	for (; start < end; start += PAGE_SIZE)
		arch_tlbbatch_add_pending(&lx_batch, to_mm(mm), start);
#endif
}

void lx_arch_tlbbatch_flush(void)
{
	arch_tlbbatch_flush(&lx_batch);
}

/* A tree without a function of the architecture calls flush_tlb_mm() itself [flush_tlb_batched_pending()]. */
void lx_arch_flush_tlb_batched_pending(const struct pt_mm *mm)
{
#if LX_HAVE_BATCHED_PENDING
	arch_flush_tlb_batched_pending(to_mm(mm));
#else
	flush_tlb_mm(to_mm(mm));
#endif
}

void lx_flush_tlb_fix_spurious_fault(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	(void)mm, (void)addr, (void)ptep; /* a macro, which may look at none of them */
	flush_tlb_fix_spurious_fault(to_vma(mm), addr, to_ptep(ptep));
}

/* ---- lazy MMU mode. The core's functions count where the tree has them; before, the architecture's are the interface. */

void lx_lazy_enter(void)
{
#if LX_HAVE_LAZY_COUNTER
	lazy_mmu_mode_enable();
#else
	arch_enter_lazy_mmu_mode();
#endif
}

void lx_lazy_leave(void)
{
#if LX_HAVE_LAZY_COUNTER
	lazy_mmu_mode_disable();
#else
	arch_leave_lazy_mmu_mode();
#endif
}

/* Where the core counts it alone calls this function, and in an interrupt not at all. */
void lx_lazy_flush(void)
{
#if LX_HAVE_LAZY_COUNTER
	if (in_interrupt())
		return;
#endif
	arch_flush_lazy_mmu_mode();
}

void lx_lazy_pause(void)
{
#if LX_HAVE_LAZY_COUNTER
	lazy_mmu_mode_pause();
#endif
}

void lx_lazy_resume(void)
{
#if LX_HAVE_LAZY_COUNTER
	lazy_mmu_mode_resume();
#endif
}

void lx_flush_tlb_kernel_range(uint64_t start, uint64_t end)
{
	flush_tlb_kernel_range(start, end);
}

/* pte_alloc_one() and pmd_install() or __pte_alloc_kernel(): a zeroed table, ordered before the store that links it. */
int lx_pte_alloc(const struct pt_mm *mm, uint64_t addr, uint64_t *pmdp)
{
	void *table = lx_hooks->table_alloc(3, __func__, __LINE__);

	(void)addr;
	if (!table)
		return -1;
	lx_hooks->clear_page(table, __func__, __LINE__);
	smp_wmb();
	if (mm->id == PT_MM_KERNEL)
		pmd_populate_kernel(to_mm(mm), (pmd_t *)pmdp, table);
	else
		pmd_populate(to_mm(mm), (pmd_t *)pmdp, phys_to_page(__pa(table)));
	return 0;
}

void lx_pmd_clear(uint64_t *pmdp)
{
	pmd_clear((pmd_t *)pmdp);
}
