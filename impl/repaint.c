// SPDX-License-Identifier: GPL-2.0-only
/*
 * Repainting the linear map to pages when a secondary CPU lacks FEAT_BBM level 2: linear_map_split_to_ptes().
 *
 * Property: no CPU but the boot CPU has the map loaded, or anything of it in its TLB, while leaves change their size; each
 * of them waits in the identity map, on a flag that it reaches there, until all splits are complete or have failed.
 */
#include <stddef.h>

#include "../hw/hook_mmu.h"
#include "opt_lazy.h"
#include "opt_tlb.h"
#include "pagewalk.h"
#include "split.h"

/* Writable data of the kernel, not for execution. */
void repaint_prepare(void)
{
	const uint64_t pte = entry_make_kernel(PT_WRITE) | (split_env.flag_pa & PTE_ADDR);

	if (BUG(repaint_flag_not_in_idmap))
		return;
	hw_store(split_env.idmap_flag_ptep, pte, HW_RELAXED, __func__, __LINE__);
	emit_pte_barriers();
}

/* All but the linear alias of kernel text, which stays in blocks: it is read-only. stop_machine() has interrupts off. */
static int repaint_range(uint64_t start, uint64_t end)
{
	const bool atomic = !BUG(repaint_sleeps_in_atomic);
	const uint64_t text = split_env.page_offset + split_env.text.start,
		       etext = split_env.page_offset + split_env.text.end;
	int ret = 0;

	if (start >= etext || end <= text || BUG(kernel_alias_split))
		return range_split_to_ptes(start, end, atomic);
	if (start < text)
		ret = range_split_to_ptes(start, text, atomic);
	if (!ret && end > etext)
		ret = range_split_to_ptes(etext, end, atomic);
	return ret;
}

static void release(void)
{
	hw_store(split_env.flag, 0, HW_RELAXED, __func__, __LINE__);
}

static int repaint_all(void)
{
	for (unsigned i = 0; i < split_env.nmem; i++) {
		const uint64_t start = split_env.page_offset + split_env.mem[i].start;
		const uint64_t end = split_env.page_offset + split_env.mem[i].end;
		const int ret = repaint_range(start, end);

		if (ret)
			return ret;
		for (uint64_t a = start; BUG(repaint_flush_per_page) && a < end; a += PAGE_SIZE)
			flush_tlb_kernel_range(a, a + PAGE_SIZE);
		flush_tlb_kernel_range(start, end);
		if (BUG(release_before_split_complete))
			release();
	}
	return 0;
}

/* The flag counts those that are ready, this CPU included. What it orders is the DSB of the flush before the release;
 * without memory to flush there is none. */
static int repaint_boot_cpu(void)
{
	int ret;

	while (hw_load(split_env.flag, HW_ACQUIRE, __func__, __LINE__) != split_env.ncpu &&
	       !BUG(split_while_secondary_on_old_map))
		hw_cpu_relax(__func__, __LINE__);
	ret = repaint_all();
	if (ret && BUG(repaint_error_no_release))
		return ret;
	hw_barrier(HW_DSB, HW_ISH, HW_BAR_FULL, __func__, __LINE__);
	release();
	return ret;
}

/* bbml2_wait_for_repainting(): runs from the identity map, where nothing of the kernel's half can be reached. */
static void wait_for_repainting(void)
{
	uint64_t n;

	hw_write_ttbr1(true, __func__, __LINE__);
	if (!BUG(secondary_no_local_flush)) {
		hw_tlbi(HW_TLBI_VMALLE1, 0, __func__, __LINE__);
		hw_barrier(HW_DSB, HW_NSH, HW_BAR_FULL, __func__, __LINE__);
		hw_barrier(HW_ISB, HW_SY, HW_BAR_FULL, __func__, __LINE__);
	}
	do
		n = hw_load(split_env.flag, HW_RELAXED, __func__, __LINE__);
	while (hw_cmpxchg(split_env.flag, n, n + 1, HW_ACQ_REL, __func__, __LINE__) != n);
	while (hw_load(split_env.flag, HW_ACQUIRE, __func__, __LINE__))
		hw_cpu_relax(__func__, __LINE__);
	hw_write_ttbr1(false, __func__, __LINE__);
}

int linear_map_split_to_ptes(unsigned cpu)
{
	if (!cpu)
		return repaint_boot_cpu();
	hw_write_ttbr0(split_env.idmap, split_env.idmap_asid, __func__, __LINE__);
	wait_for_repainting();
	hw_write_ttbr0(NULL, 0, __func__, __LINE__);
	return 0;
}
