// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one symbol of a loaded kernel: its table of operations.
 *
 * Property: no kernel header is seen here; an operation that the tree lacks is NULL. 6.12 has no per-entry
 * teardown with an access/dirty stash (ptep_get_and_clear_full), no batched ageing, no lazy MMU mode, and its
 * flush_tlb_fix_spurious_fault is empty.
 */
#include <stddef.h>

#include "hw/hook.h"
#include "hw/hw.h"
#include "impl/seam.h"
#include "glue.h"

extern const struct pt_impl pt_impl;

__attribute__((visibility("default"))) const struct pt_impl pt_impl = {
	.name = LX_NAME,
	.what = "unmodified arm64 contpte.c, pgtable.h and tlbflush.h of Linux " LX_VERSION,
	.geometries = 1u << LX_GEO,
	/* 6.12: permission-relaxing flushes are broadcast and contpte_convert() always flushes. */
	.profile = {.relax_flush_local = false, .fold_no_tlbi = false, .young_batched = false},
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
	.test_and_clear_young_ptes = NULL,
	.clear_flush_young_ptes = NULL,
	.modify_prot_start_ptes = lx_modify_prot_start_ptes,
	.modify_prot_commit_ptes = lx_modify_prot_commit_ptes,
	.flush_tlb_range = lx_flush_tlb_range,
	.flush_tlb_mm = lx_flush_tlb_mm,
	.tlb_flush = lx_tlb_flush,
	.arch_tlbbatch_add_pending = lx_arch_tlbbatch_add_pending,
	.arch_tlbbatch_flush = lx_arch_tlbbatch_flush,
	.arch_flush_tlb_batched_pending = lx_arch_flush_tlb_batched_pending,
	.flush_tlb_fix_spurious_fault = NULL,
	.pte_alloc = lx_pte_alloc,
	.pmd_clear = lx_pmd_clear,
	.flush_tlb_kernel_range = lx_flush_tlb_kernel_range,
};
