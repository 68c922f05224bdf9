/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lazy MMU mode of the running task (opt_lazy.c), and what `deferred` shares with it.
 *
 * Property: in an interrupt the mode does not exist, neither for what is asked nor for what is changed: whatever
 * runs there may need its mapping at once, and the interrupted task knows nothing of it.
 *
 * What a section that maps n pages of one table costs, entries by set_ptes(), the thread flags being touched as
 * often as said and the barriers being DSB ISHST and ISB alike. L loads, A atomics, B barriers of each kind;
 * "flag" and "counter" are where the mode is kept. The count is plain memory of the task and not counted here.
 *
 *	                     n = 1       n = 16        n = 512        in general
 *	                   L  A  B     L   A   B     L    A    B     L    A    B
 *	no lazy mode       0  0  1     0   0  16     0    0  512     0    0    n
 *	v1, flag           1  4  1    16  19   1   512  515    1     n   n+3   1
 *	v2, flag           2  4  1    32   4   1  1024    4    1    2n    4    1
 *	v3, flag           1  4  1    16   4   1   512    4    1     n    4    1
 *	v3, counter        1  2  1    16   2   1   512    2    1     n    2    1
 *	v2 wrong, counter  1  2  1    16   2  16   512    2  512     n    2    n
 *	v3 wrong, counter  1  2  1    16   2  16   512    2  512     n    2    n
 *
 * Of the atomics one sets the pending flag and one tests and clears it; the mode flag adds two. v1 sets the
 * pending flag for each entry, v2 loads the flags twice. A section without a valid entry keeps the atomics but the
 * one that sets, and has no barrier. A wrong variant stores n entries and publishes n - 1 of them at once.
 */
#ifndef IMPL_OPT_LAZY_H
#define IMPL_OPT_LAZY_H

#include <stdbool.h>
#include <stdint.h>

#include "bug.h"
#include "seam.h"

/* Thread flags: the mode (flag generation), and that entries wait for barriers. */
#define _TIF_LAZY_MMU	      (1ull << 31)
#define _TIF_LAZY_MMU_PENDING (1ull << 32)

/* Which queue_pte_barriers(): the three that thread 000 compares, as corrected there. */
enum lazy_queue { LAZY_QUEUE_V1, LAZY_QUEUE_V2, LAZY_QUEUE_V3 };

/* The setting of the implementation that runs; reset() chooses. */
void lazy_select(enum pt_lazy lazy, enum lazy_queue queue);

void emit_pte_barriers(void);
/* After the store of a valid kernel entry: barriers now, or owed at the next flush of this task's section. */
void queue_pte_barriers(void);

void arch_enter_lazy_mmu_mode(void);
void arch_leave_lazy_mmu_mode(void);
void arch_flush_lazy_mmu_mode(void);
void lazy_mmu_mode_pause(void);
void lazy_mmu_mode_resume(void);
void switch_to(struct pt_task *prev, struct pt_task *next);

/*
 * Counter generation: pt_task.arch[]. Only the task itself changes them, never an interrupt on it, so they are
 * plain memory; a call within a pause is ignored as a pair.
 */
enum { LAZY_ENABLED, LAZY_PAUSED };

static inline bool lazy_in_interrupt(const struct pt_task *t)
{
	if (BUG(lazy_batches_in_irq))
		return false;
	if (BUG(lazy_batches_bh_off))
		return t->preempt_count >= PT_HARDIRQ_OFFSET;
	return PT_IN_INTERRUPT(t);
}

static inline bool lazy_count_active(const struct pt_task *t)
{
	return !lazy_in_interrupt(t) && t->arch[LAZY_ENABLED] && !t->arch[LAZY_PAUSED];
}

void lazy_count_enter(struct pt_task *t);
/* These two say whether what has been deferred must happen now. */
bool lazy_count_leave(struct pt_task *t);
bool lazy_count_pause(struct pt_task *t);
void lazy_count_resume(struct pt_task *t);

#endif
