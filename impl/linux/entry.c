// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one symbol of a loaded kernel: its table of operations.
 *
 * Property: no kernel header is seen here; an operation that the tree lacks is NULL. 6.12 has no per-entry
 * teardown with an access/dirty stash (ptep_get_and_clear_full) and its flush_tlb_fix_spurious_fault is empty.
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
	.flush_tlb_range = lx_flush_tlb_range,
	.flush_tlb_fix_spurious_fault = NULL,
	.pte_alloc = lx_pte_alloc,
	.pte_free_tlb = lx_pte_free_tlb,
};
