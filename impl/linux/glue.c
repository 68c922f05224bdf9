// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's side of the seam: compiled with the kernel's headers, offers each API function under a plain
 * signature, and defines what the kernel code links against.
 *
 * Property: every function here is one call of the kernel's own function plus the translation of seam values;
 * only pte_alloc and pte_free_tlb follow core-mm code that the build does not include (mm/memory.c, mm_gather).
 */
#include <linux/mm.h>
#include <asm/tlbflush.h>
#include <asm/pgalloc.h>
#include "impl/seam.h"
#include "glue.h"

/* ---- what the kernel code links against */

const struct hw_hooks *lx_hooks;
unsigned long lx_arena;
struct mm_struct init_mm; /* != the user mm: mm_is_user() in contpte.c compares with it */
struct task_struct lx_task;
bool arm64_use_ng_mappings; /* KPTI off: kernel mappings are global */
pgd_t swapper_pg_dir[PTRS_PER_PGD] __attribute__((aligned(PAGE_SIZE)));
static struct mm_struct lx_user_mm;
static struct vm_area_struct lx_vma;

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

/* ---- life cycle */

static unsigned long lx_pmd_size; /* bytes that one level-3 table maps; PMD_SIZE but in the small geometry */

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
	lx_user_mm.pgd = env->root;
	lx_user_mm.context.id.counter = env->asid;
	/* Two users: __check_safe_pte_update() looks at entries of live address spaces only. */
	lx_user_mm.mm_users.counter = 2;
	lx_vma.vm_mm = &lx_user_mm;
	lx_vma.vm_end = ULONG_MAX;
	lx_task.mm = lx_task.active_mm = &lx_user_mm;
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
	if (val & PT_WRITE)
		return val & PT_EXEC ? PAGE_SHARED_EXEC : PAGE_SHARED;
	return val & PT_EXEC ? PAGE_READONLY_EXEC : PAGE_READONLY;
}

static pte_t val_pte(uint64_t val)
{
	pte_t pte;

	if (!(val & PT_PRESENT))
		return payload_make(PT_PFN(val));
	pte = pfn_pte(PT_PFN(val), val_prot(val));
	pte = val & PT_YOUNG ? pte_mkyoung(pte) : pte_mkold(pte);
	if (val & PT_DIRTY)
		pte = pte_mkdirty(pte);
	return val & PT_SPECIAL ? pte_mkspecial(pte) : pte;
}

static uint64_t pte_read(pte_t pte)
{
	if (!pte_present(pte))
		return PT_MAKE(payload_read(pte), 0);
	return PT_MAKE(pte_pfn(pte), PT_PRESENT | (pte_write(pte) ? PT_WRITE : 0) |
					     (pte_young(pte) ? PT_YOUNG : 0) | (pte_dirty(pte) ? PT_DIRTY : 0) |
					     (pte_special(pte) ? PT_SPECIAL : 0) |
					     (pte_user_exec(pte) ? PT_EXEC : 0));
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

void lx_set_ptes(uint64_t addr, uint64_t *ptep, uint64_t val, unsigned nr)
{
	set_ptes(&lx_user_mm, addr, to_ptep(ptep), val_pte(val), nr);
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

uint64_t lx_ptep_get_and_clear(uint64_t addr, uint64_t *ptep)
{
	return pte_read(ptep_get_and_clear(&lx_user_mm, addr, to_ptep(ptep)));
}

uint64_t lx_get_and_clear_full_ptes(uint64_t addr, uint64_t *ptep, unsigned nr, int full)
{
	return pte_read(get_and_clear_full_ptes(&lx_user_mm, addr, to_ptep(ptep), nr, full));
}

void lx_clear_full_ptes(uint64_t addr, uint64_t *ptep, unsigned nr, int full)
{
	clear_full_ptes(&lx_user_mm, addr, to_ptep(ptep), nr, full);
}

void lx_wrprotect_ptes(uint64_t addr, uint64_t *ptep, unsigned nr)
{
	wrprotect_ptes(&lx_user_mm, addr, to_ptep(ptep), nr);
}

int lx_ptep_set_access_flags(uint64_t addr, uint64_t *ptep, uint64_t entry, int dirty)
{
	return ptep_set_access_flags(&lx_vma, addr, to_ptep(ptep), val_pte(entry), dirty);
}

int lx_ptep_test_and_clear_young(uint64_t addr, uint64_t *ptep)
{
	return ptep_test_and_clear_young(&lx_vma, addr, to_ptep(ptep));
}

int lx_ptep_clear_flush_young(uint64_t addr, uint64_t *ptep)
{
	return ptep_clear_flush_young(&lx_vma, addr, to_ptep(ptep));
}

void lx_clear_young_dirty_ptes(uint64_t addr, uint64_t *ptep, unsigned nr, unsigned cydp)
{
	_Static_assert(PT_CYDP_YOUNG == CYDP_CLEAR_YOUNG && PT_CYDP_DIRTY == CYDP_CLEAR_DIRTY, "cydp flags");
	clear_young_dirty_ptes(&lx_vma, addr, to_ptep(ptep), nr, cydp);
}

uint64_t lx_ptep_clear_flush(uint64_t addr, uint64_t *ptep)
{
	return pte_read(ptep_clear_flush(&lx_vma, addr, to_ptep(ptep)));
}

/* tlb_flush() in asm/tlb.h: a leaf-only flush names level 3 since no other level was cleared. */
void lx_flush_tlb_range(uint64_t start, uint64_t end, bool last_level)
{
	__flush_tlb_range(&lx_vma, start, end, PAGE_SIZE, last_level, last_level ? 3 : TLBI_TTL_UNKNOWN);
}

/* pte_alloc_one() and pmd_install(): a zeroed table, ordered before the store that links it. */
int lx_pte_alloc(uint64_t addr, uint64_t *pmdp)
{
	void *table = lx_hooks->table_alloc(3, __func__, __LINE__);

	(void)addr;
	if (!table)
		return -1;
	lx_hooks->clear_page(table, __func__, __LINE__);
	smp_wmb();
	pmd_populate(&lx_user_mm, (pmd_t *)pmdp, phys_to_page(__pa(table)));
	return 0;
}

/*
 * free_pte_range() and pte_free_tlb(): unlink, then what tlb_flush() sends for a gather that freed a table:
 * one non-leaf TLBI per table without level, complete before the page is given back.
 */
void lx_pte_free_tlb(uint64_t addr, uint64_t *pmdp)
{
	pmd_t pmd = READ_ONCE(*(pmd_t *)pmdp);

	addr = ALIGN_DOWN(addr, lx_pmd_size);
	pmd_clear((pmd_t *)pmdp);
	__flush_tlb_range(&lx_vma, addr, addr + lx_pmd_size, lx_pmd_size, false, TLBI_TTL_UNKNOWN);
	lx_hooks->table_free((void *)pmd_page_vaddr(pmd), __func__, __LINE__);
}
