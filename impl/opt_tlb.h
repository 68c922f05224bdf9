/* SPDX-License-Identifier: GPL-2.0-only */
/* TLB invalidation of `opt` (opt_tlb.c): [start, end) in bytes of the address space `mm`. */
#ifndef IMPL_OPT_TLB_H
#define IMPL_OPT_TLB_H

#include <stdbool.h>
#include <stdint.h>

#include "seam.h"

#define TLBI_TTL_UNKNOWN (-1)

/* Invalidate, one step a `stride`; last_level: leaf entries only; tlb_level: level hint of the leaves. The
 * plain form is complete on return, the _nosync form at the next full DSB of this CPU. */
void __flush_tlb_range(const struct pt_mm *mm, uint64_t start, uint64_t end, uint64_t stride, bool last_level,
		       int tlb_level);
void __flush_tlb_range_nosync(const struct pt_mm *mm, uint64_t start, uint64_t end, uint64_t stride,
			      bool last_level, int tlb_level);
void flush_tlb_page(const struct pt_mm *mm, uint64_t uaddr);
void flush_tlb_page_nosync(const struct pt_mm *mm, uint64_t uaddr);
/* All of one address space, tables too; complete on return. */
void flush_tlb_mm(const struct pt_mm *mm);
/* Kernel mappings: every CPU, every ASID; complete on return, also for what this CPU looked up before. */
void flush_tlb_kernel_range(uint64_t start, uint64_t end);
/* What a gather owes. */
void tlb_flush(const struct pt_mm *mm, const struct pt_gather *g);
/* Batched unmap. */
void arch_tlbbatch_add_pending(const struct pt_mm *mm, uint64_t start, uint64_t end);
void arch_tlbbatch_flush(void);
void arch_flush_tlb_batched_pending(const struct pt_mm *mm);

#endif
