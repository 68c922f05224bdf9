/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel mappings under the executor: their checked seam (fuzz/seam_kernel.c), and who runs where.
 *
 * Property: kernel code runs on its CPU without context synchronisation but for the exceptions that are taken, so
 * what an implementation forgets stays visible; what the specification (ref/kernel.h) is told is what happened, in
 * the order in which it happened.
 */
#ifndef FUZZ_CALLERS_KERNEL_H
#define FUZZ_CALLERS_KERNEL_H

#include "../exec_internal.h"

/* Frames that only the kernel maps: page p of region r is KERNEL_PFN + r * REF_MAX_PAGES + p. */
#define KERNEL_PFN 0x10000u
enum { KERNEL_REGION_IRQ = 3 }; /* what interrupts map; ops choose among all four */

/* Where an op runs: field `in`. */
enum kernel_context { IN_TASK, IN_HARDIRQ, IN_SOFTIRQ, IN_BHOFF };

/* A call of the seam: the specification's operation, and CPUs of the call around it. */
struct kcall {
	struct ref_k_op op;
	uint8_t outer;
	struct cost_mark cost;
};

static inline uint64_t kernel_addr(unsigned page)
{
	return ex.kernel.va + ((uint64_t)page << ex.geo->page_shift);
}

/* NULL while there is no table. */
static inline uint64_t *kernel_ptep(unsigned page)
{
	const unsigned half = 2 * ex.cont, t = ex_table(page), n = 1u << ex.geo->table_bits;

	return ex.kernel.leaf[t] ? ex.kernel.leaf[t] + (t ? page - half : n - half + page) : NULL;
}

bool kernel_offered(void); /* by the implementation */

/* --- seam_kernel.c: operations, each judged and audited */
struct ref_k_op kseam_op(unsigned id, unsigned page, unsigned nr);
void kseam_begin(struct kcall *c, enum ref_k_kind kind);
void kseam_end(struct kcall *c, const struct ref_val *ret);
#define kseam_set(op, val)	  (SEAM_AT(), (kseam_set)(op, val))
#define kseam_clear(page)	  (SEAM_AT(), (kseam_clear)(page))
#define kseam_flush(page, nr, by) (SEAM_AT(), (kseam_flush)(page, nr, by))
#define kseam_lazy(verb)	  (SEAM_AT(), (kseam_lazy)(verb))
/* set_ptes(), or set_huge_pte_at() if op->run. */
void(kseam_set)(const struct ref_k_op *op, uint64_t val);
/* Removes the entry, or the run that begins there; returns the pages done, 1 if it may not be touched. */
unsigned(kseam_clear)(unsigned page);
/* flush_tlb_kernel_range(); `by`: op that promises its caller the same, or 0. */
void(kseam_flush)(unsigned page, unsigned nr, unsigned by);
/* That promise when the op (a planted bug) does not flush. */
void kseam_promise_only(unsigned page, unsigned nr, unsigned by);
/* A call of lazy mode; nothing where the implementation has none. */
void(kseam_lazy)(enum ref_k_verb verb);
/* A table for `page`; false: none can be had. */
bool kseam_table(unsigned page);
/* An access by the running CPU, with what the kernel does about a fault. */
void kseam_access(unsigned page, bool write, bool exec, bool dep);

/* --- who runs where */
void kernel_enter_context(enum kernel_context in);
void kernel_leave_context(enum kernel_context in);
/* The running task is switched out and in again: here, or on the CPU `to` if the task there can come here. */
void kernel_switch(unsigned to);

/* --- for the executor */
void kernel_reset(void);
void kernel_op_starts(const struct rec *r);
void kernel_irq(const struct rec *r, struct rec *eff);
void kernel_move(const struct rec *r, struct rec *eff);
void kernel_check_end(void);

#endif
