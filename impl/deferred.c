// SPDX-License-Identifier: GPL-2.0-only
/*
 * `deferred`: a back end that queues entry stores in lazy MMU mode, as sparc, powerpc and Xen do in their ways.
 *
 * Property: between enter and the next flush, leave or pause of a task, what its set_ptes() stores is in a queue and
 * not in memory; at that point it is stored, in order, and kernel entries are published after it. A plain read sees
 * memory, so reading an entry whose store is queued is the mistake that lazy mode forbids its callers. Anything
 * that changes an entry makes the queued stores to it first, so atomics act on what the task has set. Neither TLB
 * flushes nor the end of a locked section look at the queue: callers leave lazy mode before.
 *
 * Nothing is folded (reading neighbours of a queued entry would be such a mistake of its own).
 */
#include <stddef.h>

#include "opt_contpte.h"
#include "opt_kernel.h"
#include "opt_lazy.h"
#include "opt_tlb.h"

#define MAX_TASKS 16
#define QUEUE_LEN 64

/* A store that waits: in which call of the seam it was asked for names it until it is made, and after. */
struct queued {
	uint64_t *ptep; /* NULL: made already, before its turn */
	uint64_t pte;
	const char *fn;
	int line;
};

struct queue {
	struct queued q[QUEUE_LEN];
	unsigned n;
	bool publish; /* a valid kernel entry was queued since the last barriers */
};

static struct queue queues[MAX_TASKS];

static struct queue *queue_of(const struct pt_task *t)
{
	return &queues[t->id % MAX_TASKS];
}

static void queued_store(struct queued *e)
{
	uint64_t *ptep = e->ptep;

	e->ptep = NULL;
	hw_store(ptep, e->pte, HW_RELAXED, e->fn, e->line);
	hw_executed(ptep);
}

static void queue_execute(struct queue *q)
{
	for (unsigned i = 0; i < q->n; i++)
		if (q->q[i].ptep)
			queued_store(&q->q[i]);
	q->n = 0;
}

static void queue_flush(struct queue *q)
{
	queue_execute(q);
	if (q->publish)
		emit_pte_barriers();
	q->publish = false;
}

/* Read-through: nr entries are about to be changed in memory. */
static void queue_sync(const uint64_t *ptep, unsigned nr)
{
	struct queue *q = queue_of(hw_current());

	for (unsigned i = 0; i < q->n; i++)
		if (q->q[i].ptep >= ptep && q->q[i].ptep < ptep + nr)
			queued_store(&q->q[i]);
}

/* A full queue is executed and goes on; its barriers can wait, for the caller has been promised nothing yet. */
static void queue_add(struct queue *q, uint64_t *ptep, uint64_t pte, const char *fn, int line)
{
	if (q->n == QUEUE_LEN)
		queue_execute(q);
	q->q[q->n++] = (struct queued){.ptep = ptep, .pte = pte, .fn = fn, .line = line};
	q->publish |= pte_valid_not_user(pte);
	hw_queued(ptep, fn, line);
	if (BUG(deferred_flush_every_entry))
		queue_flush(q);
}

static void store_entries(uint64_t *ptep, uint64_t pte, unsigned nr, const char *fn, int line)
{
	const struct pt_task *t = hw_current();
	const bool lazy = lazy_count_active(t), present = pte_present(pte), publish = pte_valid_not_user(pte);

	if (!lazy)
		queue_sync(ptep, nr); /* an interrupt may store over what its task has queued */
	for (; nr; nr--, ptep++) {
		if (lazy)
			queue_add(queue_of(t), ptep, pte, fn, line);
		else
			hw_store(ptep, pte, HW_RELAXED, fn, line);
		if (present)
			pte = pte_advance_pfn(pte, 1);
	}
	if (publish && !lazy)
		emit_pte_barriers();
}

static void deferred_reset(const struct pt_env *env)
{
	impl_opt.reset(env);
	for (unsigned i = 0; i < MAX_TASKS; i++) {
		queues[i].n = 0;
		queues[i].publish = false;
	}
}

static int deferred_init(const struct hw_hooks *hooks)
{
	return impl_opt.init(hooks);
}

static uint64_t deferred_entry_read(uint64_t raw)
{
	return entry_read(raw);
}

static uint64_t deferred_entry_make(uint64_t val)
{
	return entry_make(val);
}

static void set_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t val, unsigned nr)
{
	(void)mm, (void)addr;
	store_entries(ptep, entry_make(val), nr, __func__, __LINE__);
}

static uint64_t ptep_get(uint64_t addr, uint64_t *ptep)
{
	(void)addr;
	return entry_read(__ptep_get(ptep));
}

static uint64_t ptep_get_lockless(uint64_t addr, uint64_t *ptep)
{
	(void)addr;
	return entry_read(__ptep_get(ptep));
}

static uint64_t ptep_get_and_clear(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	(void)mm, (void)addr;
	queue_sync(ptep, 1);
	return entry_read(__ptep_get_and_clear(ptep));
}

static uint64_t ptep_get_and_clear_full(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, int full)
{
	(void)full;
	return ptep_get_and_clear(mm, addr, ptep);
}

static uint64_t get_and_clear_full_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr,
					int full)
{
	(void)mm, (void)addr, (void)full;
	queue_sync(ptep, nr);
	return entry_read(__get_and_clear_full_ptes(ptep, nr));
}

static void clear_full_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr, int full)
{
	(void)mm, (void)addr, (void)full;
	queue_sync(ptep, nr);
	__clear_full_ptes(ptep, nr);
}

static void wrprotect_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	(void)mm, (void)addr;
	queue_sync(ptep, nr);
	__wrprotect_ptes(ptep, nr);
}

static int ptep_set_access_flags(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t entry, int dirty)
{
	queue_sync(ptep, 1);
	return __ptep_set_access_flags(mm, addr, ptep, entry_make(entry), dirty);
}

static int test_and_clear_young_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	(void)mm, (void)addr;
	queue_sync(ptep, nr);
	return __test_and_clear_young_ptes(ptep, nr);
}

static int clear_flush_young_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	int young = test_and_clear_young_ptes(mm, addr, ptep, nr);

	if (young)
		__flush_tlb_range_nosync(mm, addr, addr + nr * PAGE_SIZE, PAGE_SIZE, true, 3);
	return young;
}

static int ptep_test_and_clear_young(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	return test_and_clear_young_ptes(mm, addr, ptep, 1);
}

static int ptep_clear_flush_young(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	return clear_flush_young_ptes(mm, addr, ptep, 1);
}

static void clear_young_dirty_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr,
				   unsigned cydp)
{
	(void)mm, (void)addr;
	queue_sync(ptep, nr);
	__clear_young_dirty_ptes(ptep, nr, cydp);
}

static uint64_t ptep_clear_flush(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep)
{
	uint64_t val = ptep_get_and_clear(mm, addr, ptep);

	if (val & PT_PRESENT)
		flush_tlb_page(mm, addr);
	return val;
}

static uint64_t modify_prot_start_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	return get_and_clear_full_ptes(mm, addr, ptep, nr, 0);
}

static void modify_prot_commit_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t old,
				    uint64_t val, unsigned nr)
{
	(void)mm, (void)addr;
	store_entries(ptep, pte_modify(entry_make(old), entry_make(val)), nr, __func__, __LINE__);
}

static void flush_tlb_range(const struct pt_mm *mm, uint64_t start, uint64_t end, bool last_level)
{
	__flush_tlb_range(mm, start, end, PAGE_SIZE, last_level, last_level ? 3 : TLBI_TTL_UNKNOWN);
}

/* Tables are linked at once. */
static int pte_alloc(const struct pt_mm *mm, uint64_t addr, uint64_t *pmdp)
{
	return impl_opt.pte_alloc(mm, addr, pmdp);
}

static void pmd_clear(uint64_t *pmdp)
{
	impl_opt.pmd_clear(pmdp);
}

static void enter_lazy_mmu_mode(void)
{
	lazy_count_enter(hw_current());
}

static void leave_lazy_mmu_mode(void)
{
	struct pt_task *t = hw_current();

	if (lazy_count_leave(t) && !BUG(deferred_leave_no_flush))
		queue_flush(queue_of(t));
}

static void flush_lazy_mmu_mode(void)
{
	const struct pt_task *t = hw_current();

	if (!lazy_in_interrupt(t))
		queue_flush(queue_of(t));
}

static void pause_lazy_mmu_mode(void)
{
	struct pt_task *t = hw_current();

	if (lazy_count_pause(t))
		queue_flush(queue_of(t));
}

static void deferred_set_huge_pte_at(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t val,
				     unsigned nr)
{
	uint64_t pte = entry_make(val);

	(void)mm;
	queue_sync(ptep, nr);
	if (pte_valid(__ptep_get(ptep))) {
		__clear_full_ptes(ptep, nr);
		flush_tlb_kernel_range(addr, addr + nr * PAGE_SIZE);
	}
	store_entries(ptep, pte_present(pte) && nr > 1 ? pte_mkcont(pte) : pte, nr, "set_huge_pte_at", __LINE__);
}

static uint64_t deferred_huge_ptep_get_and_clear(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr)
{
	return get_and_clear_full_ptes(mm, addr, ptep, nr, 0);
}

const struct pt_impl impl_deferred = {
	.name = "deferred",
	.what = "queues entry stores in lazy MMU mode until flush or leave; folds nothing",
	.geometries = 0xf, /* small, 4K, 16K, 64K */
	.profile = {.young_batched = true, .lazy = PT_LAZY_COUNTER, .queues_stores = true},
	.init = deferred_init,
	.reset = deferred_reset,
	.entry_read = deferred_entry_read,
	.entry_make = deferred_entry_make,
	.set_ptes = set_ptes,
	.ptep_get = ptep_get,
	.ptep_get_lockless = ptep_get_lockless,
	.ptep_get_and_clear = ptep_get_and_clear,
	.ptep_get_and_clear_full = ptep_get_and_clear_full,
	.get_and_clear_full_ptes = get_and_clear_full_ptes,
	.clear_full_ptes = clear_full_ptes,
	.wrprotect_ptes = wrprotect_ptes,
	.ptep_set_access_flags = ptep_set_access_flags,
	.ptep_test_and_clear_young = ptep_test_and_clear_young,
	.ptep_clear_flush_young = ptep_clear_flush_young,
	.test_and_clear_young_ptes = test_and_clear_young_ptes,
	.clear_flush_young_ptes = clear_flush_young_ptes,
	.clear_young_dirty_ptes = clear_young_dirty_ptes,
	.ptep_clear_flush = ptep_clear_flush,
	.modify_prot_start_ptes = modify_prot_start_ptes,
	.modify_prot_commit_ptes = modify_prot_commit_ptes,
	.flush_tlb_range = flush_tlb_range,
	.flush_tlb_mm = flush_tlb_mm,
	.tlb_flush = tlb_flush,
	.arch_tlbbatch_add_pending = arch_tlbbatch_add_pending,
	.arch_tlbbatch_flush = arch_tlbbatch_flush,
	.arch_flush_tlb_batched_pending = arch_flush_tlb_batched_pending,
	.pte_alloc = pte_alloc,
	.pmd_clear = pmd_clear,
	.arch_enter_lazy_mmu_mode = enter_lazy_mmu_mode,
	.arch_leave_lazy_mmu_mode = leave_lazy_mmu_mode,
	.arch_flush_lazy_mmu_mode = flush_lazy_mmu_mode,
	.lazy_mmu_mode_pause = pause_lazy_mmu_mode,
	.lazy_mmu_mode_resume = lazy_mmu_mode_resume,
	.switch_to = switch_to,
	.set_huge_pte_at = deferred_set_huge_pte_at,
	.huge_ptep_get_and_clear = deferred_huge_ptep_get_and_clear,
	.flush_tlb_kernel_range = flush_tlb_kernel_range,
};
