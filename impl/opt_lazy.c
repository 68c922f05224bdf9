// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batched barriers for kernel mappings, as asm/pgtable.h does them since 6.16.
 *
 * Property: when a valid kernel entry has been stored outside lazy MMU mode, DSB ISHST and ISB follow before the
 * call returns; inside, they follow before the flush, the leave or the pause returns that comes next in the same
 * task, wherever that task runs by then. A task that is preempted in between needs nothing: __switch_to() has a
 * DSB, and the ISB comes before the task's own next access to what it mapped.
 */
#include <stddef.h>

#include "../hw/hook.h"
#include "opt_lazy.h"

static struct {
	enum pt_lazy lazy;
	enum lazy_queue queue;
	struct pt_task *switched; /* bug pending-wrong-task: who a CPU went on with last */
} opt_variant;

void lazy_select(enum pt_lazy lazy, enum lazy_queue queue)
{
	opt_variant.lazy = lazy;
	opt_variant.queue = queue;
	opt_variant.switched = NULL;
}

/*
 * The DSB lets every walker see the entry. The ISB discards what this CPU may have looked up before, including that
 * there was nothing: without FEAT_ETS2 a walk made earlier may still be used (DDI 0487 D8.2.6, B2.3.12).
 */
void emit_pte_barriers(void)
{
	if (!BUG(publish_missing_dsb))
		hw_barrier(HW_DSB, BUG(publish_wrong_domain) ? HW_NSH : HW_ISH, HW_BAR_ST, __func__, __LINE__);
	if (!BUG(publish_missing_isb))
		hw_barrier(HW_ISB, HW_SY, HW_BAR_FULL, __func__, __LINE__);
}

static uint64_t read_thread_flags(const struct pt_task *t)
{
	return hw_load(&t->flags, HW_RELAXED, __func__, __LINE__);
}

static void set_pending(struct pt_task *t)
{
	if (BUG(pending_wrong_task) && opt_variant.switched)
		t = opt_variant.switched;
	hw_fetch_or(&t->flags, _TIF_LAZY_MMU_PENDING, HW_RELAXED, __func__, __LINE__);
}

/* The count says it without a look at the flags. */
static bool test_mode(const struct pt_task *t)
{
	if (opt_variant.lazy == PT_LAZY_COUNTER)
		return lazy_count_active(t);
	return read_thread_flags(t) & _TIF_LAZY_MMU;
}

static bool test_pending(const struct pt_task *t)
{
	return read_thread_flags(t) & _TIF_LAZY_MMU_PENDING;
}

/* An atomic for every entry. */
static void queue_v1(struct pt_task *t)
{
	if (test_mode(t))
		set_pending(t);
	else
		emit_pte_barriers();
}

/* One atomic a section, but two loads for every entry where both bits are flags. */
static void queue_v2(struct pt_task *t)
{
	if (!test_mode(t))
		emit_pte_barriers();
	else if (!test_pending(t))
		set_pending(t);
}

/* One load for every entry, one atomic a section. */
static void queue_v3(struct pt_task *t)
{
	uint64_t flags;

	if (opt_variant.lazy == PT_LAZY_COUNTER) {
		queue_v2(t); /* there one load is all that this form has */
		return;
	}
	flags = read_thread_flags(t);
	if (!(flags & _TIF_LAZY_MMU))
		emit_pte_barriers();
	else if (!(flags & _TIF_LAZY_MMU_PENDING))
		set_pending(t);
}

/* Bugs queue-v2-wrong and queue-v3-wrong: one condition for two questions, so the second entry finds the flag set
 * and takes the branch for "not lazy". */
static void queue_v2_wrong(struct pt_task *t)
{
	if (test_mode(t) && !test_pending(t))
		set_pending(t);
	else
		emit_pte_barriers();
}

static void queue_v3_wrong(struct pt_task *t)
{
	uint64_t flags = read_thread_flags(t);

	if (opt_variant.lazy == PT_LAZY_COUNTER && lazy_count_active(t))
		flags |= _TIF_LAZY_MMU;
	if ((flags & (_TIF_LAZY_MMU | _TIF_LAZY_MMU_PENDING)) == _TIF_LAZY_MMU)
		set_pending(t);
	else
		emit_pte_barriers();
}

void queue_pte_barriers(void)
{
	static void (*const queue[])(struct pt_task *) = {queue_v1, queue_v2, queue_v3};
	struct pt_task *t = hw_current();

	if (opt_variant.lazy == PT_LAZY_NONE || lazy_in_interrupt(t))
		emit_pte_barriers();
	else if (BUG(queue_v2_wrong))
		queue_v2_wrong(t);
	else if (BUG(queue_v3_wrong))
		queue_v3_wrong(t);
	else
		queue[opt_variant.queue](t);
}

/* Cleared before the barriers: an entry stored after them sets it again. */
static void publish_pending(struct pt_task *t)
{
	uint64_t flags = hw_fetch_andnot(&t->flags, _TIF_LAZY_MMU_PENDING, HW_ACQ_REL, __func__, __LINE__);

	if (flags & _TIF_LAZY_MMU_PENDING)
		emit_pte_barriers();
}

void lazy_count_enter(struct pt_task *t)
{
	if (!lazy_in_interrupt(t) && !t->arch[LAZY_PAUSED])
		t->arch[LAZY_ENABLED]++;
}

bool lazy_count_leave(struct pt_task *t)
{
	if (lazy_in_interrupt(t) || t->arch[LAZY_PAUSED])
		return false;
	if (BUG(lazy_inner_leave_ends_mode)) {
		t->arch[LAZY_ENABLED] = 0;
		return true;
	}
	if (!t->arch[LAZY_ENABLED]) {
		hw_warn("lazy MMU mode left without being entered", __func__, __LINE__);
		return false;
	}
	t->arch[LAZY_ENABLED]--;
	return !t->arch[LAZY_ENABLED] || !BUG(lazy_inner_leave_no_flush);
}

/* Outside a section too: so that a section entered meanwhile is none. */
bool lazy_count_pause(struct pt_task *t)
{
	if (lazy_in_interrupt(t))
		return false;
	return t->arch[LAZY_PAUSED]++ == 0 && t->arch[LAZY_ENABLED] && !BUG(lazy_pause_no_flush);
}

void lazy_count_resume(struct pt_task *t)
{
	if (lazy_in_interrupt(t))
		return;
	if (t->arch[LAZY_PAUSED])
		t->arch[LAZY_PAUSED]--;
	else
		hw_warn("lazy MMU mode resumed without a pause", __func__, __LINE__);
}

void arch_enter_lazy_mmu_mode(void)
{
	struct pt_task *t = hw_current();

	if (opt_variant.lazy == PT_LAZY_COUNTER)
		lazy_count_enter(t);
	else if (!lazy_in_interrupt(t))
		hw_fetch_or(&t->flags, _TIF_LAZY_MMU, HW_RELAXED, __func__, __LINE__);
}

void arch_flush_lazy_mmu_mode(void)
{
	struct pt_task *t = hw_current();

	if (!lazy_in_interrupt(t))
		publish_pending(t);
}

/* In the flag generation an inner leave ends the mode for the outer section as well: what that maps from then on is
 * published entry by entry, which costs but harms nobody. */
void arch_leave_lazy_mmu_mode(void)
{
	struct pt_task *t = hw_current();

	if (opt_variant.lazy == PT_LAZY_COUNTER) {
		if (lazy_count_leave(t))
			publish_pending(t);
	} else if (!lazy_in_interrupt(t)) {
		publish_pending(t);
		hw_fetch_andnot(&t->flags, _TIF_LAZY_MMU, HW_RELAXED, __func__, __LINE__);
	}
}

void lazy_mmu_mode_pause(void)
{
	struct pt_task *t = hw_current();

	if (lazy_count_pause(t))
		publish_pending(t);
}

void lazy_mmu_mode_resume(void)
{
	lazy_count_resume(hw_current());
}

/* Completes on this CPU the stores and the TLB maintenance of `prev`, which may go on elsewhere. No ISB: a context
 * switch is no context synchronisation of its own. The flags belong to the task and stay. */
void switch_to(struct pt_task *prev, struct pt_task *next)
{
	if (BUG(pending_lost_at_switch))
		hw_fetch_andnot(&prev->flags, _TIF_LAZY_MMU_PENDING, HW_RELAXED, __func__, __LINE__);
	opt_variant.switched = next;
	hw_barrier(HW_DSB, HW_ISH, HW_BAR_FULL, __func__, __LINE__);
}
