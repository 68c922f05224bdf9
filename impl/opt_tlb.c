// SPDX-License-Identifier: GPL-2.0-only
/*
 * TLB invalidation, as asm/tlbflush.h does it.
 *
 * Property: when a flush returns, no CPU and no secondary walker uses a translation of the range that was
 * replaced before the call: a DSB makes the replaced entries visible, TLBIs that together address every page
 * of the range are broadcast, secondaries are told, and a DSB waits (DDI 0487 D8.14.5, D8.16.1).
 */
#include "../hw/hook.h"
#include "opt_pte.h"
#include "opt_tlb.h"

#define dsb(domain, type)      hw_barrier(HW_DSB, domain, type, __func__, __LINE__)
#define __tlbi(op, arg)	       hw_tlbi(op, arg, __func__, __LINE__)
#define notify(mm, start, end) hw_notify_secondary((mm)->asid, start, end, __func__, __LINE__)

/* Beyond this many operations invalidating the whole ASID is cheaper. */
#define MAX_DVM_OPS 512

/* Operand fields (DDI 0487 C5.5). */
#define TLBI_ASID_SHIFT	  48
#define TLBI_TTL_SHIFT	  44
#define TLBI_VA_MASK	  ((1ull << 44) - 1)
#define TLBIR_TG_SHIFT	  46
#define TLBIR_SCALE_SHIFT 44
#define TLBIR_NUM_SHIFT	  39
#define TLBIR_TTL_SHIFT	  37
#define TLBIR_BADDR_MASK  ((1ull << 37) - 1)

/* TG of TTL and range operands: 4K 1, 16K 2, 64K 3. */
static uint64_t get_trans_granule(void)
{
	return (PAGE_SHIFT - 10) / 2;
}

static uint64_t tlbi_vaddr(uint64_t asid, uint64_t addr)
{
	return asid << TLBI_ASID_SHIFT | (addr >> 12 & TLBI_VA_MASK);
}

static uint64_t tlbi_vaddr_level(uint64_t asid, uint64_t addr, int level)
{
	uint64_t arg = tlbi_vaddr(asid, addr);

	if (level < 0 || level > 3 || !hw_feature(HW_FEAT_TTL))
		return arg;
	arg &= ~(0xfull << TLBI_TTL_SHIFT);
	return arg | (get_trans_granule() << 2 | (uint64_t)level) << TLBI_TTL_SHIFT;
}

/* The base counts pages, or with TCR_EL1.DS = 1 units of 64 KiB at every granule. */
static unsigned tlbi_range_shift(void)
{
	return opt_env.lpa2 && !BUG(lpa2_range_base_in_pages) ? 16 : PAGE_SHIFT;
}

static uint64_t tlbi_vaddr_range(uint64_t asid, uint64_t addr, int scale, int num, int level)
{
	uint64_t ttl = level >= 1 && level <= 3 ? (uint64_t)level : 0;

	return asid << TLBI_ASID_SHIFT | get_trans_granule() << TLBIR_TG_SHIFT |
	       (uint64_t)scale << TLBIR_SCALE_SHIFT | (uint64_t)num << TLBIR_NUM_SHIFT | ttl << TLBIR_TTL_SHIFT |
	       (addr >> tlbi_range_shift() & TLBIR_BADDR_MASK);
}

/* Pages that one range operation covers: (num + 1) * 2^(5 * scale + 1). */
static uint64_t tlbi_range_pages(int num, int scale)
{
	return (uint64_t)(num + 1) << (5 * scale + 1);
}

/* Largest `num` of this scale that stays within `pages`; -1: even the smallest is too long. */
static int tlbi_range_num(uint64_t pages, int scale)
{
	uint64_t max = tlbi_range_pages(31, scale);

	return (int)((pages < max ? pages : max) >> (5 * scale + 1)) - 1;
}

/* More operations than one would issue: `pages` in steps of `stride` bytes. */
static bool flush_limit_excess(uint64_t pages, uint64_t stride)
{
	return (pages << PAGE_SHIFT) / stride >= MAX_DVM_OPS &&
	       (!hw_feature(HW_FEAT_TLBIRANGE) || pages > tlbi_range_pages(31, 3));
}

static void flush_tlb_mm_nosync(const struct pt_mm *mm)
{
	dsb(HW_ISH, HW_BAR_ST);
	__tlbi(HW_TLBI_ASIDE1 | HW_TLBI_IS, tlbi_vaddr(mm->asid, 0));
	notify(mm, 0, ~0ull);
}

void flush_tlb_mm(const struct pt_mm *mm)
{
	flush_tlb_mm_nosync(mm);
	dsb(HW_ISH, HW_BAR_FULL);
}

/*
 * Range operations cover even numbers of pages: from the largest scale down, and a last odd page by its own. Where
 * their base is coarser than a page, pages up to the first address that it can name go one by one too.
 */
static void __flush_tlb_range_op(unsigned op, unsigned rop, uint64_t asid, uint64_t start, uint64_t pages,
				 uint64_t stride, int tlb_level)
{
	const uint64_t unaligned = (1ull << tlbi_range_shift()) - 1;
	bool ranges = hw_feature(HW_FEAT_TLBIRANGE);
	int scale = 3;

	while (pages > 0) {
		int num;

		if (!ranges || pages == 1 || (start & unaligned)) {
			__tlbi(op, tlbi_vaddr_level(asid, start, tlb_level));
			start += stride;
			pages -= stride >> PAGE_SHIFT;
			continue;
		}
		num = tlbi_range_num(pages, scale);
		if (num >= 0) {
			__tlbi(rop, tlbi_vaddr_range(asid, start, scale, num, tlb_level));
			start += tlbi_range_pages(num, scale) << PAGE_SHIFT;
			pages -= tlbi_range_pages(num, scale);
		}
		scale--;
	}
}

void __flush_tlb_range_nosync(const struct pt_mm *mm, uint64_t start, uint64_t end, uint64_t stride,
			      bool last_level, int tlb_level)
{
	unsigned is = BUG(tlbi_local) ? 0 : HW_TLBI_IS;
	uint64_t pages;

	start &= ~(stride - 1);
	end = (end + stride - 1) & ~(stride - 1);
	if (BUG(flush_short_range) && end - start > stride)
		end -= stride;
	pages = (end - start) >> PAGE_SHIFT;
	if (flush_limit_excess(pages, stride)) {
		flush_tlb_mm_nosync(mm);
		return;
	}

	if (!BUG(tlbi_before_dsb))
		dsb(HW_ISH, HW_BAR_ST);
	if (BUG(tlbi_wrong_ttl) && last_level)
		tlb_level = 2;
	if (last_level)
		__flush_tlb_range_op(HW_TLBI_VALE1 | is, HW_TLBI_RVALE1 | is, mm->asid, start, pages, stride,
				     tlb_level);
	else
		__flush_tlb_range_op(HW_TLBI_VAE1 | is, HW_TLBI_RVAE1 | is, mm->asid, start, pages, stride,
				     tlb_level);
	if (!BUG(flush_no_notify))
		notify(mm, start, end);
}

void __flush_tlb_range(const struct pt_mm *mm, uint64_t start, uint64_t end, uint64_t stride, bool last_level,
		       int tlb_level)
{
	__flush_tlb_range_nosync(mm, start, end, stride, last_level, tlb_level);
	/* Only a DSB for loads and stores waits for TLB maintenance. */
	dsb(HW_ISH, BUG(tlbi_no_completion) ? HW_BAR_ST : HW_BAR_FULL);
}

void flush_tlb_page_nosync(const struct pt_mm *mm, uint64_t uaddr)
{
	uint64_t page = uaddr & ~(PAGE_SIZE - 1);

	dsb(HW_ISH, HW_BAR_ST);
	__tlbi(HW_TLBI_VALE1 | HW_TLBI_IS, tlbi_vaddr(mm->asid, page));
	notify(mm, page, page + PAGE_SIZE);
}

void flush_tlb_page(const struct pt_mm *mm, uint64_t uaddr)
{
	flush_tlb_page_nosync(mm, uaddr);
	dsb(HW_ISH, HW_BAR_FULL);
}

/* Global entries match whatever the ASID is. Secondary walkers have no kernel mappings. The ISB is for what this CPU
 * looked up before: its own TLBIs do not reach that. */
void flush_tlb_kernel_range(uint64_t start, uint64_t end)
{
	unsigned is = BUG(kernel_flush_local) ? 0 : HW_TLBI_IS;
	uint64_t pages;

	start &= ~(PAGE_SIZE - 1);
	pages = (end - start + PAGE_SIZE - 1) >> PAGE_SHIFT;
	dsb(HW_ISH, HW_BAR_ST);
	if (flush_limit_excess(pages, PAGE_SIZE))
		__tlbi(HW_TLBI_VMALLE1 | is, 0);
	else
		__flush_tlb_range_op(HW_TLBI_VAALE1 | is, HW_TLBI_RVAALE1 | is, 0, start, pages, PAGE_SIZE,
				     TLBI_TTL_UNKNOWN);
	dsb(HW_ISH, HW_BAR_FULL);
	hw_barrier(HW_ISB, HW_SY, HW_BAR_FULL, __func__, __LINE__);
}

/*
 * The level hint describes leaves, so it is given only when leaves alone were cleared. Of a dying address space no
 * leaf can be used again: its ASID is not given out before a flush of everything. Its tables are freed, though, and
 * a CPU that still has its root loaded may walk through a cached table entry.
 */
void tlb_flush(const struct pt_mm *mm, const struct pt_gather *g)
{
	bool last_level = !g->freed_tables || BUG(table_leaf_only_free);
	int level = g->cleared_ptes && last_level ? 3 : TLBI_TTL_UNKNOWN;

	if (BUG(over_flush)) {
		flush_tlb_mm(mm);
	} else if (g->fullmm) {
		if (g->freed_tables && !BUG(tlb_flush_ignores_freed_tables))
			flush_tlb_mm(mm);
	} else {
		/* Only tables: one operation each is enough, since any address that a table spans hits what
		 * leads to it. */
		__flush_tlb_range(mm, g->start, g->end, g->cleared_ptes ? PAGE_SIZE : PMD_SIZE, last_level, level);
	}
}

/* No wait here: reclaim unmaps many pages before it needs them gone. */
void arch_tlbbatch_add_pending(const struct pt_mm *mm, uint64_t start, uint64_t end)
{
	__flush_tlb_range_nosync(mm, start, end, PAGE_SIZE, true, 3);
}

/* This CPU's DSB waits for this CPU's TLBIs; a task that moved had one in the context switch. */
void arch_tlbbatch_flush(void)
{
	dsb(HW_ISH, HW_BAR_FULL);
}

/* Another CPU may have issued the TLBIs, and no DSB here waits for those: invalidate again, and wait for that. */
void arch_flush_tlb_batched_pending(const struct pt_mm *mm)
{
	if (BUG(tlbbatch_pending_local_dsb))
		dsb(HW_ISH, HW_BAR_FULL);
	else
		flush_tlb_mm(mm);
}
