// SPDX-License-Identifier: GPL-2.0-only
/*
 * Creating kernel mappings, as arch/arm64/mm/mmu.c does it: level by level, each table reached through a fixmap slot.
 *
 * Property: a table is cleared, and the clearing ordered before the link, before a walker can reach it; every slot is
 * empty again when the function that set it returns, on errors too; a live entry changes in permissions or not at all.
 *
 * Levels that the configuration lacks are folded: their "table" is the entry of the level above, reached by the
 * parent's pointer, and they own no slot. The kernel decides that by its headers, here at run time. With five levels none
 * is folded, and descriptors have 52-bit addresses (lpa2): frames here stay below 48 bits, so bits [49:48] and [9:8] are 0.
 *
 * The three designs of thread 001 differ in who maps a table how often:
 *	remap	allocation maps a new table to clear it, population maps it again (up to 6.9)
 *	ops	allocation returns it mapped; tables of the page allocator are reached by their linear address (the
 *		series' second version)
 *	final	one slot for clearing and population, whoever allocated (6.10 on)
 */
#include <stddef.h>

#include "../hw/hook.h"
#include "mmu.h"
#include "opt_pte.h"
#include "opt_tlb.h"

struct mmu_state mmu;

/* One request on its way down. */
struct create {
	uint64_t prot;
	unsigned alloc, flags;
};

/* --- geometry. Table `k` is named by its slot; the top table is k == levels - 1, whatever lies above is folded. */

static bool folded(enum pt_fixmap k)
{
	return k >= mmu.env.levels - 1;
}

unsigned mmu_shift(enum pt_fixmap k)
{
	return mmu.env.page_shift + (folded(k) ? mmu.env.levels - 1 : k) * mmu.env.table_bits;
}

static uint64_t size_of(enum pt_fixmap k)
{
	return 1ull << mmu_shift(k);
}

static unsigned long index_of(enum pt_fixmap k, uint64_t addr)
{
	const uint64_t ptrs = 1ull << mmu.env.table_bits;

	if (BUG(index_not_masked))
		return addr >> mmu_shift(k) & (4 * ptrs - 1); /* as far as the slots go */
	return addr >> mmu_shift(k) & (ptrs - 1);
}

static unsigned long pgd_index(uint64_t addr)
{
	return (addr & ((1ull << mmu.env.va_bits) - 1)) >> mmu_shift(FIX_PGD);
}

/* p?d_addr_end(): the next boundary of `size`, or the end. */
static uint64_t addr_end(uint64_t addr, uint64_t end, uint64_t size)
{
	const uint64_t boundary = (addr + size) & ~(size - 1);

	return boundary - 1 < end - 1 ? boundary : end;
}

static bool aligned(uint64_t addr, uint64_t next, uint64_t phys, uint64_t size)
{
	if (BUG(cont_misaligned) && size != PAGE_SIZE)
		phys = 0;
	return !((addr | next | phys) & (size - 1));
}

/* --- entries */

static uint64_t entry_load(const uint64_t *p, const char *fn)
{
	return hw_load(p, HW_RELAXED, fn, __LINE__);
}

static bool entry_is_table(uint64_t v)
{
	return (v & PTE_TYPE_PAGE) == PMD_TYPE_TABLE;
}

void mmu_publish(const char *fn)
{
	hw_barrier(HW_DSB, HW_ISH, HW_BAR_ST, fn, __LINE__);
	hw_barrier(HW_ISB, HW_SY, HW_BAR_FULL, fn, __LINE__);
}

/* --- fixmap */

static uint64_t *__set_fixmap(enum pt_fixmap slot, uint64_t phys)
{
	uint64_t *entry = mmu.env.fixmap_ptep + slot;

	hw_store(entry, phys | entry_make_kernel(PT_WRITE), HW_RELAXED, __func__, __LINE__);
	if (!BUG(fixmap_set_unpublished))
		mmu_publish(__func__);
	return hw_alias_ptr(slot);
}

static void clear_fixmap(enum pt_fixmap slot)
{
	const uint64_t va = mmu.env.fixmap_va + slot * PAGE_SIZE;

	if (BUG(fixmap_slot_reused_without_clear) && slot == FIX_PTE && mmu.busy) {
		mmu.left = true;
		return;
	}
	hw_store(mmu.env.fixmap_ptep + slot, 0, HW_RELAXED, __func__, __LINE__);
	if (!BUG(fixmap_clear_no_flush))
		flush_tlb_kernel_range(va, va + PAGE_SIZE);
}

/* The top table is written through a slot of its own [set_swapper_pgd()]. */
static void set_swapper(uint64_t *p, uint64_t v, const char *fn)
{
	const uint64_t pa = hw_table_pa(p), offset = pa & (PAGE_SIZE - 1);
	uint64_t *table = __set_fixmap(FIX_PGD, pa - offset);

	hw_store(table + offset / sizeof(*p), v, HW_RELAXED, fn, __LINE__);
	clear_fixmap(FIX_PGD);
}

/* set_pmd(), set_pud(), ...: an entry above level 3, published at once. */
static void set_entry(enum pt_fixmap k, uint64_t *p, uint64_t v, const char *fn)
{
	if (folded(k)) {
		set_swapper(p, v, fn);
		return;
	}
	hw_store(p, v, HW_RELAXED, fn, __LINE__);
	mmu_publish(fn);
}

/* --- tables */

/* Is a table reached by its linear address? */
static bool is_linear(const struct create *c)
{
	return mmu.design == MMU_OPS && c->alloc != PT_ALLOC_EARLY;
}

static uint64_t *table_map(enum pt_fixmap k, uint64_t phys, const struct create *c)
{
	return is_linear(c) ? hw_table_va(phys) : __set_fixmap(k, phys);
}

/* What a level leaves behind: its slot empty, whose TLBI and barriers publish all entries too; without a slot, that. */
static void table_unmap(enum pt_fixmap k, const struct create *c)
{
	if (folded(k))
		return;
	if (!is_linear(c))
		clear_fixmap(k);
	else if (!BUG(table_entries_late))
		mmu_publish(__func__);
}

/* As before 6.10: each contiguous run maps its table anew. The slot's address stays. */
static void remap_for_run(enum pt_fixmap k, const uint64_t *parentp, const struct create *c)
{
	if (!BUG(table_remapped_per_run) || folded(k))
		return;
	table_unmap(k, c);
	table_map(k, entry_load(parentp, __func__) & PTE_ADDR, c);
}

static void init_clear_pgtable(uint64_t *table)
{
	hw_clear_page(table, __func__, __LINE__);
	if (!BUG(table_clear_not_ordered))
		hw_barrier(HW_DSB, HW_ISH, HW_BAR_ST, __func__, __LINE__);
}

/* A new table's address, or 0. Boot memory does not run out here, or there is no boot. */
static uint64_t pgtable_alloc(enum pt_fixmap k, const struct create *c)
{
	const void *table = hw_table_alloc(3 - k, __func__, __LINE__);

	if (!table && c->alloc == PT_ALLOC_EARLY)
		hw_bug("failed to allocate page table page", __func__, __LINE__);
	return table ? hw_table_pa(table) : 0;
}

/* remap: the allocator's part. Any slot will do to clear it, and that of level 3 is free. */
static void alloc_clear(uint64_t phys, const struct create *c)
{
	if (c->alloc == PT_ALLOC_LATE) { /* __GFP_ZERO */
		init_clear_pgtable(hw_table_va(phys));
		return;
	}
	init_clear_pgtable(__set_fixmap(FIX_PTE, phys));
	clear_fixmap(FIX_PTE);
}

static void populate(enum pt_fixmap k, uint64_t *parentp, uint64_t phys, const char *fn)
{
	set_entry(k + 1, parentp, phys | PMD_TYPE_TABLE, fn);
}

/* Allocates, clears, links and maps, in the design's order. NULL: out of memory. */
static uint64_t *table_new(enum pt_fixmap k, uint64_t *parentp, const struct create *c, const char *fn)
{
	const uint64_t phys = pgtable_alloc(k, c);
	uint64_t *table;

	if (!phys)
		return NULL;
	if (mmu.design == MMU_REMAP || BUG(redundant_clear))
		alloc_clear(phys, c);
	if (mmu.design == MMU_REMAP || BUG(table_linked_before_clear))
		populate(k, parentp, phys, fn);
	table = table_map(k, phys, c);
	if (mmu.design == MMU_REMAP)
		return table;
	init_clear_pgtable(table);
	if (!BUG(table_linked_before_clear))
		populate(k, parentp, phys, fn);
	return table;
}

/* The entry for `addr` in the table below *parentp: mapped, made if need be. A folded level is its parent. */
static int table_enter(enum pt_fixmap k, uint64_t *parentp, uint64_t addr, const struct create *c,
		       uint64_t **entryp, const char *fn)
{
	uint64_t parent, *table;

	*entryp = parentp;
	if (folded(k)) {
		if (BUG(folded_slot_pointer_advance)) /* the slot's setter is defined as NULL then */
			*entryp = (uint64_t *)(index_of(k, addr) * sizeof(**entryp));
		return 0;
	}
	parent = entry_load(parentp, fn);
	if (!parent) {
		if (c->alloc == PT_ALLOC_NONE)
			return -PT_EINVAL;
		table = table_new(k, parentp, c, fn);
		if (!table)
			return -PT_ENOMEM;
	} else {
		if (!entry_is_table(parent))
			return -PT_EINVAL;
		if (BUG(table_alloc_before_look) && c->alloc == PT_ALLOC_LATE)
			pgtable_alloc(k, c);
		table = table_map(k, parent & PTE_ADDR, c);
	}
	*entryp = table + index_of(k, addr);
	return 0;
}

/* --- leaves */

/*
 * What a live entry may become without break-before-make, at every level of FEAT_BBM (DDI 0487 D8.16.1): the same with
 * other permissions. A contiguous one is left alone: its run would disagree with itself half way.
 */
static bool pgattr_change_is_safe(uint64_t old, uint64_t new)
{
	const uint64_t mask = PTE_PXN | PTE_RDONLY | PTE_WRITE | PTE_DIRTY;

	if (!pte_valid(old) || !pte_valid(new))
		return true;
	if (BUG(live_change_beyond_permissions))
		return !((old | new) & PTE_CONT) && (old & PTE_TYPE_PAGE) == (new &PTE_TYPE_PAGE);
	if ((old | new) & PTE_CONT)
		return false;
	return !((old ^ new) & ~mask);
}

/* Nothing of a run is stored unless all of it can be. */
static bool run_is_safe(const uint64_t *p, unsigned n, const char *fn)
{
	for (unsigned i = 0; i < n; i++)
		if (pte_valid(entry_load(p + i, fn)))
			return false;
	return true;
}

static int init_pte(uint64_t *ptep, uint64_t addr, uint64_t end, uint64_t phys, uint64_t prot)
{
	const bool safe = !pte_cont(prot) || BUG(cont_beside_noncont) ||
			  run_is_safe(ptep, (unsigned)((end - addr) >> PAGE_SHIFT), __func__);
	const bool late = !safe && BUG(refusal_too_late);

	if (!safe && !late)
		return -PT_EINVAL;
	for (; addr != end; ptep++, addr += PAGE_SIZE, phys += PAGE_SIZE) {
		const uint64_t old = entry_load(ptep, __func__);

		if (BUG(create_page_too_few) && !pte_cont(prot) && addr + PAGE_SIZE == end)
			continue;
		if (BUG(cont_beside_noncont) && pte_valid(old) && (old | PTE_CONT) == (phys | prot))
			continue;
		if (!pgattr_change_is_safe(old, phys | prot) && !late)
			return -PT_EINVAL;
		hw_store(ptep, phys | prot, HW_RELAXED, __func__, __LINE__);
		if (BUG(create_barrier_per_entry))
			mmu_publish(__func__);
	}
	return late ? -PT_EINVAL : 0;
}

/* May the run up to `next` be contiguous? It is whole, and both addresses are aligned to it. */
static uint64_t run_prot(const struct create *c, uint64_t addr, uint64_t next, uint64_t phys, uint64_t size)
{
	if (BUG(create_never_cont) || (c->flags & PT_NO_CONT_MAPPINGS && !BUG(create_nocont_ignored)))
		return 0;
	if (BUG(cont_across_hole))
		return (addr | phys) & (size - 1) ? 0 : PTE_CONT;
	return aligned(addr, next, phys, size) ? PTE_CONT : 0;
}

static int alloc_init_cont_pte(uint64_t *pmdp, uint64_t addr, uint64_t end, uint64_t phys, const struct create *c)
{
	const uint64_t run = PAGE_SIZE << mmu.env.cont_pte_bits;
	uint64_t *ptep, next;
	int err = table_enter(FIX_PTE, pmdp, addr, c, &ptep, __func__);

	if (err)
		return err;
	for (; addr != end && !err; phys += next - addr, ptep += (next - addr) >> PAGE_SHIFT, addr = next) {
		next = addr_end(addr, end, run);
		if (BUG(fixmap_use_after_clear) && next == end)
			table_unmap(FIX_PTE, c);
		err = init_pte(ptep, addr, next, phys, c->prot | run_prot(c, addr, next, phys, run));
		if (next != end)
			remap_for_run(FIX_PTE, pmdp, c);
	}
	if (BUG(create_page_too_many) && !err && end & (size_of(FIX_PMD) - 1))
		err = init_pte(ptep, end, end + PAGE_SIZE, phys, c->prot);
	if (!BUG(fixmap_use_after_clear))
		table_unmap(FIX_PTE, c);
	return err;
}

/* pmd_set_huge(), pud_set_huge(). */
static int set_huge(enum pt_fixmap k, uint64_t *p, uint64_t phys, uint64_t prot, const char *fn)
{
	const uint64_t new = (phys | prot) & ~(PTE_TYPE_PAGE ^ PTE_VALID);

	if (!pgattr_change_is_safe(entry_load(p, fn), BUG(block_change_refused) ? phys | prot : new) &&
	    !BUG(must_refuse_served))
		return -PT_EINVAL;
	set_entry(k, p, new, fn);
	return 0;
}

static bool want_block(enum pt_fixmap k, uint64_t addr, uint64_t next, uint64_t phys, const struct create *c)
{
	if (BUG(create_never_block))
		return false;
	if (BUG(create_noblock_ignored) && k == FIX_PMD)
		return aligned(addr, next, phys, size_of(k));
	if (k == FIX_PUD && (PAGE_SHIFT != 12 || mmu.env.levels < 3))
		return false;
	return !(c->flags & PT_NO_BLOCK_MAPPINGS) && aligned(addr, next, phys, size_of(k));
}

static int init_pmd(uint64_t *pmdp, uint64_t addr, uint64_t end, uint64_t phys, uint64_t cont,
		    const struct create *c)
{
	uint64_t next;
	int err = 0;

	if (cont && !(c->flags & PT_NO_BLOCK_MAPPINGS) && !BUG(must_refuse_served) &&
	    !run_is_safe(pmdp, (unsigned)((end - addr) >> mmu_shift(FIX_PMD)), __func__))
		return -PT_EINVAL;
	for (; addr != end && !err; phys += next - addr, pmdp++, addr = next) {
		next = addr_end(addr, end, size_of(FIX_PMD));
		if (want_block(FIX_PMD, addr, next, phys, c))
			err = set_huge(FIX_PMD, pmdp, phys, c->prot | cont, __func__);
		else
			err = alloc_init_cont_pte(pmdp, addr, next, phys, c);
	}
	return err;
}

static int alloc_init_cont_pmd(uint64_t *pudp, uint64_t addr, uint64_t end, uint64_t phys, const struct create *c)
{
	const uint64_t run = size_of(FIX_PMD) << mmu.env.cont_pmd_bits;
	const bool made = BUG(create_failure_frees_linked) && !folded(FIX_PMD) && !entry_load(pudp, __func__);
	uint64_t *pmdp, next;
	int err = table_enter(FIX_PMD, pudp, addr, c, &pmdp, __func__);

	if (err)
		return err;
	for (; addr != end && !err; phys += next - addr, addr = next) {
		next = addr_end(addr, end, run);
		err = init_pmd(pmdp, addr, next, phys, run_prot(c, addr, next, phys, run), c);
		pmdp += ((next - 1) >> mmu_shift(FIX_PMD)) - (addr >> mmu_shift(FIX_PMD)) + 1;
		if (next != end)
			remap_for_run(FIX_PMD, pudp, c);
	}
	if (err != -PT_ENOMEM || !BUG(alloc_failure_leaks_slot))
		table_unmap(FIX_PMD, c);
	if (made && err == -PT_ENOMEM)
		hw_table_free(hw_table_va(entry_load(pudp, __func__) & PTE_ADDR), __func__, __LINE__);
	return err;
}

static int alloc_init_pud(uint64_t *p4dp, uint64_t addr, uint64_t end, uint64_t phys, const struct create *c)
{
	uint64_t *pudp, next;
	int err = table_enter(FIX_PUD, p4dp, addr, c, &pudp, __func__);

	if (err)
		return err;
	for (; addr != end && !err; phys += next - addr, pudp++, addr = next) {
		next = addr_end(addr, end, size_of(FIX_PUD));
		if (want_block(FIX_PUD, addr, next, phys, c))
			err = set_huge(FIX_PUD, pudp, phys, c->prot, __func__);
		else
			err = alloc_init_cont_pmd(pudp, addr, next, phys, c);
	}
	table_unmap(FIX_PUD, c);
	return err;
}

static int alloc_init_p4d(uint64_t *pgdp, uint64_t addr, uint64_t end, uint64_t phys, const struct create *c)
{
	uint64_t *p4dp, next;
	int err = table_enter(FIX_P4D, pgdp, addr, c, &p4dp, __func__);

	if (err)
		return err;
	for (; addr != end && !err; phys += next - addr, p4dp++, addr = next) {
		next = addr_end(addr, end, size_of(FIX_P4D));
		err = alloc_init_pud(p4dp, addr, next, phys, c);
	}
	table_unmap(FIX_P4D, c);
	return err;
}

static int __create_pgd_mapping(enum mmu_design design, uint64_t *pgdir, uint64_t phys, uint64_t virt,
				uint64_t size, const struct create *c)
{
	const uint64_t end = virt + size;
	uint64_t next;
	int err = 0;

	if ((phys ^ virt) & (PAGE_SIZE - 1))
		return -PT_EINVAL;
	if (c->alloc == PT_ALLOC_LATE)
		hw_might_sleep(__func__, __LINE__);
	mmu.design = design;
	mmu.busy = true;
	for (; virt != end && !err; phys += next - virt, virt = next) {
		next = addr_end(virt, end, size_of(FIX_PGD));
		err = alloc_init_p4d(pgdir + pgd_index(virt), virt, next, phys, c);
	}
	mmu.busy = false;
	if (BUG(fixmap_slot_reused_without_clear) && mmu.left)
		clear_fixmap(FIX_PTE);
	mmu.left = false;
	return err;
}

static struct create request(uint64_t val, unsigned alloc, unsigned flags)
{
	struct create c = {.alloc = alloc, .flags = flags};

	if (flags & PT_NO_EXEC_MAPPINGS)
		val &= ~PT_EXEC;
	c.prot = entry_make_kernel(val);
	if (BUG(create_wrong_type) && alloc == PT_ALLOC_LATE)
		c.prot |= 1ull << 2; /* AttrIndx */
	if (BUG(lpa2_shareability_in_entry))
		c.prot |= PTE_SHARED;
	return c;
}

#define CREATE(name, design)                                                                                       \
	static int create_##name(uint64_t *pgdir, uint64_t phys, uint64_t virt, uint64_t size, uint64_t val,       \
				 unsigned alloc, unsigned flags)                                                   \
	{                                                                                                          \
		const struct create c = request(val, alloc, flags);                                                \
                                                                                                                   \
		return __create_pgd_mapping(design, pgdir, phys, virt, size, &c);                                  \
	}
CREATE(final, MMU_FINAL)
CREATE(remap, MMU_REMAP)
CREATE(ops, MMU_OPS)

static void mmu_reset(const struct pt_mmu_env *env)
{
	mmu = (struct mmu_state){.env = *env};
	opt_env.lpa2 = env->lpa2;
}

const struct pt_mmu mmu_final = {
	.design = "one slot a table, cleared and populated through it",
	.five_levels = true,
	.cost = {.maps = {1, 1, 1}, .maps_new = {0, 0, 0}, .clears_new = 1},
	.reset = mmu_reset,
	.create_pgd_mapping = create_final,
};

const struct pt_mmu mmu_remap = {
	.design = "a slot to clear a new table, then one to populate it",
	.five_levels = true,
	.cost = {.maps = {1, 1, 1}, .maps_new = {0, 1, 0}, .clears_new = 1},
	.reset = mmu_reset,
	.create_pgd_mapping = create_remap,
};

const struct pt_mmu mmu_ops = {
	.design = "one slot a table at boot, linear addresses later",
	.five_levels = true,
	.cost = {.maps = {0, 1, 0}, .maps_new = {0, 0, 0}, .clears_new = 1},
	.reset = mmu_reset,
	.create_pgd_mapping = create_ops,
};
