// SPDX-License-Identifier: GPL-2.0-only
/*
 * The symbols of a loaded kernel: its table of operations, and what tables it was built with (impl/layout.h).
 *
 * Property: no kernel header is seen here; an operation that the tree lacks is NULL, and the profile says what the
 * tree's text says (lx_have.h). No tree has a per-entry teardown with an access/dirty stash
 * (ptep_get_and_clear_full). Lazy MMU mode of 6.12 does nothing and counts as none.
 */
#include <stddef.h>

#include "hw/hook.h"
#include "hw/hw.h"
#include "impl/layout.h"
#include "glue.h"
#include "lx_have.h"
#include "map.h"

#define LX_HAVE_LAZY (LX_HAVE_LAZY_COUNTER || LX_HAVE_LAZY_FLAG)

extern const uint32_t pt_layout;
extern const struct pt_impl pt_impl;

__attribute__((visibility("default"))) const uint32_t pt_layout = PT_LAYOUT;

__attribute__((visibility("default"))) const struct pt_impl pt_impl = {
	.name = LX_NAME,
	.what = LX_MAPS ? "unmodified arm64 contpte.c, pgtable.h, tlbflush.h, mmu.c and pagewalk.c of "
			  "Linux " LX_VERSION
			: "unmodified arm64 contpte.c, pgtable.h and tlbflush.h of Linux " LX_VERSION,
	.geometries = 1u << LX_GEO,
	.profile = {.relax_flush_local = LX_HAVE_RELAX_LOCAL,
		    .fold_no_tlbi = LX_HAVE_FOLD_NO_TLBI,
		    .young_batched = LX_HAVE_YOUNG_PTES,
		    .lazy = LX_HAVE_LAZY_COUNTER ? PT_LAZY_COUNTER
			    : LX_HAVE_LAZY_FLAG	 ? PT_LAZY_FLAG
						 : PT_LAZY_NONE,
		    .lazy_form = LX_HAVE_LAZY ? 3 : 0},
	.init = lx_init,
	.reset = lx_reset,
	.entry_read = lx_entry_read,
	.entry_make = lx_entry_make,
	.set_ptes = lx_set_ptes,
	.ptep_get = lx_ptep_get,
	.ptep_get_lockless = lx_ptep_get_lockless,
	.ptep_get_and_clear = lx_ptep_get_and_clear,
	.ptep_get_and_clear_full = NULL,
	.get_and_clear_full_ptes = lx_get_and_clear_full_ptes,
	.clear_full_ptes = lx_clear_full_ptes,
	.wrprotect_ptes = lx_wrprotect_ptes,
	.ptep_set_access_flags = lx_ptep_set_access_flags,
	.ptep_test_and_clear_young = lx_ptep_test_and_clear_young,
	.ptep_clear_flush_young = lx_ptep_clear_flush_young,
	.clear_young_dirty_ptes = lx_clear_young_dirty_ptes,
	.ptep_clear_flush = lx_ptep_clear_flush,
	.test_and_clear_young_ptes = LX_HAVE_YOUNG_PTES ? lx_test_and_clear_young_ptes : NULL,
	.clear_flush_young_ptes = LX_HAVE_YOUNG_PTES ? lx_clear_flush_young_ptes : NULL,
	.modify_prot_start_ptes = lx_modify_prot_start_ptes,
	.modify_prot_commit_ptes = lx_modify_prot_commit_ptes,
	.flush_tlb_range = lx_flush_tlb_range,
	.flush_tlb_mm = lx_flush_tlb_mm,
	.tlb_flush = lx_tlb_flush,
	.arch_tlbbatch_add_pending = lx_arch_tlbbatch_add_pending,
	.arch_tlbbatch_flush = lx_arch_tlbbatch_flush,
	.arch_flush_tlb_batched_pending = lx_arch_flush_tlb_batched_pending,
	.flush_tlb_fix_spurious_fault = LX_HAVE_FIX_SPURIOUS ? lx_flush_tlb_fix_spurious_fault : NULL,
	.pte_alloc = lx_pte_alloc,
	.pmd_clear = lx_pmd_clear,
	.arch_enter_lazy_mmu_mode = LX_HAVE_LAZY ? lx_lazy_enter : NULL,
	.arch_leave_lazy_mmu_mode = LX_HAVE_LAZY ? lx_lazy_leave : NULL,
	.arch_flush_lazy_mmu_mode = LX_HAVE_LAZY ? lx_lazy_flush : NULL,
	.lazy_mmu_mode_pause = LX_HAVE_LAZY_COUNTER ? lx_lazy_pause : NULL,
	.lazy_mmu_mode_resume = LX_HAVE_LAZY_COUNTER ? lx_lazy_resume : NULL,
	.flush_tlb_kernel_range = lx_flush_tlb_kernel_range,
	.mmu = LX_MAPS ? &lx_mmu : NULL,
	.split = LX_MAPS ? &lx_split : NULL,
};
