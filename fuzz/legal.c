/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Legal differences: the only places where an observation that differs from the newest state is accepted.
 *
 * Property: one row for each enum ref_legal, with reason and citation, those of kernel mappings (ref/kernel.c) and of kernel maps
 * (ref/kmap.c); each
 * use is counted by the specification, and nothing is excused anywhere else.
 */
#include "exec_internal.h"
#include "ref/kmap.h"

struct legal legals[REF_NLEGAL + REF_K_NLEGAL + REF_KM_NLEGAL] = {
	[REF_L_BEFORE_FLUSH] = {"before-flush", "an old translation is used before the flush that was promised",
				"DDI 0487 D8.14: a TLB entry lives until a TLBI that covers it completes", 0},
	[REF_L_UNRECORDED] = {"unrecorded-hit", "a cached entry serves an access and leaves no trace in the table",
			      "DDI 0487 D8.5: hardware updates happen on a walk, not on a TLB hit", 0},
	[REF_L_SPURIOUS_FAULT] =
		{"spurious-user-fault", "a user access faults on an entry that permits it; a retry succeeds",
		 "arch/arm64/mm/fault.c, handle_pte_fault(): user faults are re-evaluated under the PTL", 0},
	[REF_L_TRANSIENT_NONE] = {"transient-none",
				  "a lockless reader finds nothing while a writer is in the block",
				  "contpte_convert(): break-before-make clears the whole block first", 0},
	[REF_L_UNDER_REPORT] = {"lockless-under-report", "a lockless reader misses A/D",
				"contpte_ptep_get_lockless(): only guaranteed when nobody changes the block", 0},
	[REF_L_SPREAD] = {"ad-spread", "A/D recorded for another page of the folio is reported for this one",
			  "contpte.c: access and dirty are tracked per folio, and a fold keeps one of each", 0},
	[REF_L_WIDENED] = {"widened-collect", "ageing or cleaning also collects for neighbours of the folio",
			   "contpte_ptep_test_and_clear_young(), contpte_clear_young_dirty_ptes()", 0},
	[REF_L_IN_FLIGHT] = {"in-flight-clean",
			     "a record made right after cleaning vanishes under a store still on its way",
			     "__clear_young_dirty_ptes(): plain stores, complete at the caller's flush", 0},
	[REF_L_TEARDOWN_FLUSH] = {"teardown-flush", "a flush of a half cleared block promises nothing yet",
				  "thread 004: every entry is cleared by the time the final TLBI is issued", 0},
	[REF_L_RING] = {"history-overflow", "a page had more unflushed versions than are remembered",
			"ref.h REF_RING: widens what is accepted, never invents a finding", 0},
};
const unsigned nlegals = REF_NLEGAL + REF_K_NLEGAL + REF_KM_NLEGAL;

void legal_update(void)
{
	for (unsigned i = 0; i < REF_NLEGAL; i++)
		legals[i].hits = ex.sp->mm.legal[i];
	for (unsigned i = 0; i < REF_K_NLEGAL; i++)
		legals[REF_NLEGAL + i] = (struct legal){ref_k_legals[i].name, ref_k_legals[i].why,
							ref_k_legals[i].cite, ex.kernel.ref.legal[i]};
	for (unsigned i = 0; i < REF_KM_NLEGAL; i++)
		legals[REF_NLEGAL + REF_K_NLEGAL + i] = (struct legal){ref_km_legals[i].name, ref_km_legals[i].why,
								       ref_km_legals[i].cite, ref_km_hits[i]};
}
