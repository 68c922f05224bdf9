/* SPDX-License-Identifier: GPL-2.0-only */
/* TLB invalidation of `opt` (opt_tlb.c): [start, end) in bytes of the user address space. */
#ifndef IMPL_OPT_TLB_H
#define IMPL_OPT_TLB_H

#include <stdbool.h>
#include <stdint.h>

#define TLBI_TTL_UNKNOWN (-1)

/* Invalidate, one step a `stride`; last_level: leaf entries only; tlb_level: level hint of the leaves. The
 * plain form is complete on return, the _nosync form at the next full DSB of this CPU. */
void __flush_tlb_range(uint64_t start, uint64_t end, uint64_t stride, bool last_level, int tlb_level);
void __flush_tlb_range_nosync(uint64_t start, uint64_t end, uint64_t stride, bool last_level, int tlb_level);
void flush_tlb_page(uint64_t uaddr);
void flush_tlb_page_nosync(uint64_t uaddr);

#endif
