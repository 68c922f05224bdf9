/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each op of the table does: clip to a legal request, take the lock, call the checked seam, do what the kernel's caller does.
 *
 * Property: an implementation is only ever asked for what its contract allows; where the caller owes something
 * (a flush before anything new is mapped) it is done here.
 */
#include "exec_internal.h"

#include <string.h>

static unsigned page_of_rec(const struct rec *r)
{
	return r->block * ex.cont + r->off;
}

static void write_back(struct rec *eff, const struct rec *r, unsigned page, unsigned nr)
{
	*eff = *r;
	eff->block = (uint8_t)(page / ex.cont);
	eff->off = (uint8_t)(page % ex.cont);
	if (op_descs[r->kind].args & A_NR)
		eff->nr = (uint16_t)nr;
}

/* The caller's flush after a removal or a write-protection. A half cleared block is flushed when its last
 * entry is gone: a flush in the middle of a teardown would promise nothing (thread 004). */
static void caller_flush(unsigned page, unsigned nr, bool noflush)
{
	unsigned b = page / ex.cont;

	if (noflush || ref_in_teardown(&ex.mm, page))
		return;
	if (ex.mm.block[b].teardown)
		seam_flush(b * ex.cont, ex.cont, false);
	else
		seam_flush(page, nr, false);
}

/* Before anything new is mapped nobody may still use what was there. */
static void flush_leftovers(unsigned page, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		if (ref_lingers(&ex.mm, page + i)) {
			seam_flush(page, nr, false);
			return;
		}
	}
}

/* Clips and, where the op needs entries, makes sure that they have a table. */
static bool prepare(struct ref_op *op, const struct rec *r, ref_clip clip, struct rec *eff)
{
	op->page = page_of_rec(r);
	op->nr = r->nr;
	if (!clip(&ex.mm, op))
		return false;
	write_back(eff, r, op->page, op->nr);
	return ex_ptep(op->page) != NULL;
}

#define NEED(member)                                                                                               \
	do {                                                                                                       \
		if (!ex.impl->member)                                                                              \
			return -1;                                                                                 \
	} while (0)

static bool table_for(unsigned page)
{
	unsigned t = page / (2 * ex.cont);

	if (ex.leaf[t])
		return true;
	if (!ex.impl->pte_alloc || ex.impl->pte_alloc(ex_addr(page), ex.pmdp[t]))
		return false;
	ex.leaf[t] = hw_table_va(hw_peek(ex.pmdp[t]) & HW_D_OA);
	return true;
}

/* The page of folio `f` with the VA page's own alignment, `shift` pages off. */
static unsigned folio_offset(const struct pt_folio *f, unsigned page, unsigned shift)
{
	unsigned size = 1u << f->order;
	uint64_t vpn = ex_addr(page) >> ex.geo->page_shift;

	return (unsigned)((vpn + shift) & (size - 1));
}

static uint64_t entry_flags(const struct rec *r)
{
	uint64_t v = PT_PRESENT;

	v |= r->b & 1 ? PT_WRITE : 0;
	v |= r->b & 2 ? PT_YOUNG : 0;
	v |= r->b & 4 ? PT_DIRTY : 0;
	v |= r->b & 8 ? PT_EXEC : 0;
	v |= r->b & 16 ? PT_SPECIAL : 0;
	return v;
}

static int run_set_ptes(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.page = page_of_rec(r), .nr = 1, .max_nr = 1};
	const struct pt_folio *f;
	unsigned id = (r->a & 15) % EX_FOLIOS, off;
	uint64_t val;

	NEED(set_ptes);
	seam_lock();
	if (!ref_clip_set_ptes(&ex.mm, &op) || !table_for(op.page)) {
		seam_unlock();
		return 0;
	}
	f = &ex.folio[ex.p->h.geo][id];
	off = folio_offset(f, op.page, r->a >> 4 & 3);
	op.max_nr = (1u << f->order) - off;
	op.nr = r->nr;
	ref_clip_set_ptes(&ex.mm, &op);
	write_back(eff, r, op.page, op.nr);
	flush_leftovers(op.page, op.nr);
	val = PT_MAKE(f->pfn + off, entry_flags(r));
	op.val = seam_obs(val).val;
	op.val.folio = (uint16_t)id;
	op.young = val & PT_YOUNG;
	op.dirty = val & PT_DIRTY;
	seam_begin(&op, OP_set_ptes, op.page, op.nr);
	ex.impl->set_ptes(ex_addr(op.page), ex_ptep(op.page), val, op.nr);
	seam_done(&op);
	seam_unlock();
	return 1;
}

static int run_set_marker(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	/* 40 payload bits from 16, spread so that they alias every descriptor bit an entry's flags live in. */
	uint64_t payload = 1 + (((uint64_t)r->a | (uint64_t)r->b << 8) * 0x10001ull) % ((1ull << 40) - 1);
	uint64_t val = payload << 12;

	NEED(set_ptes);
	seam_lock();
	op.page = page_of_rec(r);
	if (!ref_clip_set_marker(&ex.mm, &op) || !table_for(op.page)) {
		seam_unlock();
		return 0;
	}
	write_back(eff, r, op.page, 1);
	op.val = seam_obs(val).val;
	seam_begin(&op, OP_set_marker, op.page, 1);
	ex.impl->set_ptes(ex_addr(op.page), ex_ptep(op.page), val, 1);
	seam_done(&op);
	seam_unlock();
	return 1;
}

static int run_ptep_get(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};

	NEED(ptep_get);
	seam_lock();
	if (!prepare(&op, r, ref_clip_ptep_get, eff)) {
		seam_unlock();
		return 0;
	}
	seam_ptep_get(op.page);
	seam_unlock();
	return 1;
}

/* A reader reaches the entry through the level above, as GUP-fast does: a table not yet linked for it is none. */
static uint64_t walk_lockless(unsigned page)
{
	const uint64_t *pmdp = ex.pmdp[page / (2 * ex.cont)];
	uint64_t pmd = hw_load(pmdp, HW_RELAXED, "pmdp_get_lockless", 0);

	if (!(pmd & HW_D_VALID))
		return 0;
	return ex.impl->ptep_get_lockless(ex_addr(page), ex_ptep(page));
}

static int run_ptep_get_lockless(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	uint64_t v;

	NEED(ptep_get_lockless);
	/* The reader comes after every section that has ended (it has seen its lock released); stores of a
	 * writer that is inside one stay late. */
	for (unsigned c = 0; c < ex.p->h.ncpu; c++)
		if (ex.lock_owner != (int)c)
			hw_do_drain(c, -1);
	if (!prepare(&op, r, ref_clip_ptep_get_lockless, eff))
		return 0;
	ex.cur->op.lockless = true;
	seam_begin(&op, OP_ptep_get_lockless, op.page, 1);
	v = walk_lockless(op.page);
	ex.cur->op.lockless = false;
	seam_done_entry(&op, v);
	return 1;
}

static int run_ptep_get_and_clear(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	uint64_t v;

	NEED(ptep_get_and_clear);
	seam_lock();
	if (!prepare(&op, r, ref_clip_ptep_get_and_clear, eff)) {
		seam_unlock();
		return 0;
	}
	seam_begin(&op, OP_ptep_get_and_clear, op.page, 1);
	v = ex.impl->ptep_get_and_clear(ex_addr(op.page), ex_ptep(op.page));
	seam_done_entry(&op, v);
	caller_flush(op.page, 1, r->b & 1);
	seam_unlock();
	return 1;
}

static int run_ptep_get_and_clear_full(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	uint64_t v;

	NEED(ptep_get_and_clear_full);
	seam_lock();
	op.full = r->b & 2 && !exec_anyone_parked(); /* full: no lockless reader is left */
	if (!prepare(&op, r, ref_clip_ptep_get_and_clear_full, eff)) {
		seam_unlock();
		return 0;
	}
	seam_begin(&op, OP_ptep_get_and_clear_full, op.page, 1);
	v = ex.impl->ptep_get_and_clear_full(ex_addr(op.page), ex_ptep(op.page), op.full);
	seam_done_entry(&op, v);
	caller_flush(op.page, 1, r->b & 1);
	seam_unlock();
	return 1;
}

static int run_get_and_clear_full_ptes(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	uint64_t v;

	NEED(get_and_clear_full_ptes);
	seam_lock();
	if (!prepare(&op, r, ref_clip_get_and_clear_full_ptes, eff)) {
		seam_unlock();
		return 0;
	}
	seam_begin(&op, OP_get_and_clear_full_ptes, op.page, op.nr);
	v = ex.impl->get_and_clear_full_ptes(ex_addr(op.page), ex_ptep(op.page), op.nr, r->b >> 1 & 1);
	seam_done_entry(&op, v);
	caller_flush(op.page, op.nr, r->b & 1);
	seam_unlock();
	return 1;
}

static void clear_run(unsigned page, unsigned nr, int full)
{
	struct ref_op op = {.nr = 1};

	seam_begin(&op, OP_clear_full_ptes, page, nr);
	ex.impl->clear_full_ptes(ex_addr(page), ex_ptep(page), nr, full);
	seam_done(&op);
}

static int run_clear_full_ptes(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};

	NEED(clear_full_ptes);
	seam_lock();
	if (!prepare(&op, r, ref_clip_clear_full_ptes, eff)) {
		seam_unlock();
		return 0;
	}
	clear_run(op.page, op.nr, r->b >> 1 & 1);
	caller_flush(op.page, op.nr, r->b & 1);
	seam_unlock();
	return 1;
}

static int run_ptep_clear_flush(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	uint64_t v;

	NEED(ptep_clear_flush);
	seam_lock();
	if (!prepare(&op, r, ref_clip_ptep_clear_flush, eff)) {
		seam_unlock();
		return 0;
	}
	seam_begin(&op, OP_ptep_clear_flush, op.page, 1);
	v = ex.impl->ptep_clear_flush(ex_addr(op.page), ex_ptep(op.page));
	seam_done_entry(&op, v);
	seam_unlock();
	return 1;
}

static int run_wrprotect_ptes(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};

	NEED(wrprotect_ptes);
	seam_lock();
	if (!prepare(&op, r, ref_clip_wrprotect_ptes, eff)) {
		seam_unlock();
		return 0;
	}
	seam_begin(&op, OP_wrprotect_ptes, op.page, op.nr);
	ex.impl->wrprotect_ptes(ex_addr(op.page), ex_ptep(op.page), op.nr);
	seam_done(&op);
	caller_flush(op.page, op.nr, r->b & 1);
	seam_unlock();
	return 1;
}

static int run_ptep_set_access_flags(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	uint64_t add = PT_YOUNG; /* every fault handler marks the entry young */

	NEED(ptep_set_access_flags);
	add |= r->b & 1 ? PT_WRITE | PT_DIRTY : 0; /* wp_page_reuse(): write comes with dirty */
	add |= r->b & 4 ? PT_DIRTY : 0;
	seam_lock();
	if (!prepare(&op, r, ref_clip_ptep_set_access_flags, eff)) {
		seam_unlock();
		return 0;
	}
	seam_set_access_flags(op.page, seam_ptep_get(op.page), add);
	seam_unlock();
	return 1;
}

static int run_young(const struct rec *r, struct rec *eff, uint8_t id, int (*fn)(uint64_t, uint64_t *))
{
	struct ref_op op = {.nr = 1};
	int young;

	if (!fn)
		return -1;
	seam_lock();
	if (!prepare(&op, r, ref_clip_ptep_test_and_clear_young, eff)) {
		seam_unlock();
		return 0;
	}
	seam_begin(&op, id, op.page, 1);
	young = fn(ex_addr(op.page), ex_ptep(op.page));
	seam_done_young(&op, young);
	seam_unlock();
	return 1;
}

static int run_ptep_test_and_clear_young(const struct rec *r, struct rec *eff)
{
	return run_young(r, eff, OP_ptep_test_and_clear_young, ex.impl->ptep_test_and_clear_young);
}

static int run_ptep_clear_flush_young(const struct rec *r, struct rec *eff)
{
	return run_young(r, eff, OP_ptep_clear_flush_young, ex.impl->ptep_clear_flush_young);
}

static int run_clear_young_dirty_ptes(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.young = r->b & 1, .dirty = r->b >> 1 & 1};

	NEED(clear_young_dirty_ptes);
	seam_lock();
	if (!prepare(&op, r, ref_clip_clear_young_dirty_ptes, eff)) {
		seam_unlock();
		return 0;
	}
	seam_begin(&op, OP_clear_young_dirty_ptes, op.page, op.nr);
	ex.impl->clear_young_dirty_ptes(ex_addr(op.page), ex_ptep(op.page), op.nr,
					(op.young ? PT_CYDP_YOUNG : 0) | (op.dirty ? PT_CYDP_DIRTY : 0));
	seam_done(&op);
	seam_unlock();
	return 1;
}

static int run_flush_tlb_range(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.page = page_of_rec(r), .nr = r->nr};

	NEED(flush_tlb_range);
	seam_lock();
	ref_clip_flush_tlb_range(&ex.mm, &op);
	write_back(eff, r, op.page, op.nr);
	seam_flush(op.page, op.nr, r->b & 1);
	seam_unlock();
	return 1;
}

/* --- callers */

/* What do_user_addr_fault() and handle_pte_fault() do with a fault on an entry that permits the access.
 * Returns false when the fault is legitimate. */
static bool handle_fault(unsigned page, bool write)
{
	uint64_t entry;
	bool handled = false;

	seam_lock();
	if (ex_ptep(page)) {
		entry = seam_ptep_get(page);
		if ((entry & PT_PRESENT) && (!write || (entry & PT_WRITE)) && !ref_in_teardown(&ex.mm, page)) {
			uint64_t add = PT_YOUNG | (write ? PT_DIRTY : 0);

			handled = true;
			if (!seam_set_access_flags(page, entry, add) && write &&
			    ex.impl->flush_tlb_fix_spurious_fault)
				ex.impl->flush_tlb_fix_spurious_fault(ex_addr(page), ex_ptep(page));
		}
	}
	seam_unlock();
	return handled;
}

/* An access with the handler's loop: the agent must get there once the entry permits it. The second retry
 * walks afresh: no cached entry lives for ever. */
static int run_touch(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.page = page_of_rec(r), .nr = 1};
	bool write = r->b & 1, smmu = r->b & 2 && ex.p->h.smmu;

	NEED(ptep_set_access_flags);
	ref_clip_ptep_get(&ex.mm, &op);
	write_back(eff, r, op.page, 1);
	for (unsigned try = 0; try < 4 && !ex.stop; try++) {
		struct hw_access a = {.agent = smmu ? HW_SMMU : r->cpu, .write = write, .fresh = try >= 2};

		if (a.fresh)
			for (unsigned c = 0; c < ex.p->h.ncpu; c++)
				if (ex.lock_owner != (int)c)
					hw_do_drain(c, -1);
		hw_do_context_sync(r->cpu); /* exception return to the user */
		if (seam_access(&a, op.page) == HW_OK || ex.stop)
			return 1;
		hw_do_context_sync(r->cpu); /* exception entry */
		if (!handle_fault(op.page, write))
			return 1;
		if (try == 3)
			ex_finding("livelock", op_descs[OP_ptep_set_access_flags].name, "no-progress",
				   "page %u.%u: %s by %s still takes a %s fault after the handler ran 4 times",
				   op.page / ex.cont, op.page % ex.cont, write ? "write" : "read",
				   smmu ? "the SMMU" : "the CPU", hw_fault_str(a.fault));
	}
	return 1;
}

/* Everything below one table goes, is flushed, and the table is unlinked and freed [free_pgtables()]. */
static int run_free_table(const struct rec *r, struct rec *eff)
{
	unsigned half = 2 * ex.cont, t = r->block / 2, lo = t * half;

	NEED(pte_free_tlb);
	write_back(eff, r, page_of_rec(r), 1);
	seam_lock();
	if (!ex.leaf[t] || ref_in_teardown(&ex.mm, lo) || ref_in_teardown(&ex.mm, lo + ex.cont)) {
		seam_unlock();
		return 0;
	}
	for (unsigned p = lo; p < lo + half && !ex.stop;) {
		struct ref_op op = {.page = p, .nr = half};

		if (ref_present(&ex.mm, p)) {
			ref_clip_clear_full_ptes(&ex.mm, &op);
			clear_run(op.page, op.nr, 0);
			p += op.nr;
			continue;
		}
		if (ref_now(&ex.mm, p)->val.kind == REF_PAYLOAD) {
			seam_begin(&op, OP_ptep_get_and_clear, p, 1);
			seam_done_entry(&op, ex.impl->ptep_get_and_clear(ex_addr(p), ex_ptep(p)));
		}
		p++;
	}
	seam_flush(lo, half, false);
	ex.impl->pte_free_tlb(ex_addr(lo), ex.pmdp[t]);
	ex.leaf[t] = NULL;
	seam_unlock();
	return 1;
}

const run_fn run_fns[OP_NKINDS] = {
#define OP(name, weight, args, fields, help) [OP_##name] = run_##name,
#include "ops.def"
};

/* --- events */

/* The named agent, or the next CPU that is not inside the kernel: one that is runs no user code. -1: none. */
static int agent_of(const struct rec *r)
{
	if (r->cpu == HW_SMMU)
		return ex.p->h.smmu ? HW_SMMU : -1;
	for (unsigned i = 0; i < ex.p->h.ncpu; i++) {
		unsigned a = (r->cpu + i) % ex.p->h.ncpu;
		const struct task *t = &ex.task[a];

		if (t->state == TASK_IDLE || (t == ex.cur && !t->op.inside))
			return (int)a;
	}
	return -1;
}

static void run_access(const struct rec *r, int agent, bool write)
{
	struct hw_access a = {.write = write};
	uint8_t xlate = hw.cfg.xlate, pick = hw.cfg.pick;

	if (r->a & 3)
		hw.cfg.xlate = (uint8_t)((r->a & 3) - 1);
	if (r->a >> 2 & 3)
		hw.cfg.pick = r->a >> 2 & 3;
	a.agent = (uint8_t)agent;
	seam_access(&a, page_of_rec(r));
	hw.cfg.xlate = xlate;
	hw.cfg.pick = pick;
}

void run_event(const struct rec *r, struct rec *eff)
{
	int agent = agent_of(r);

	if (r->kind == EV_drain) {
		hw_do_drain(r->cpu % ex.p->h.ncpu, r->a & 7);
		return;
	}
	if (agent < 0)
		return;
	eff->cpu = (uint8_t)agent;
	switch (r->kind) {
	case EV_read:
	case EV_write:
		run_access(r, agent, r->kind == EV_write);
		break;
	case EV_age:
		if (hw_do_spurious_af((unsigned)agent, ex_addr(page_of_rec(r))))
			ref_speculated(&ex.mm, page_of_rec(r));
		break;
	case EV_sync:
		if (agent != HW_SMMU)
			hw_do_context_sync((unsigned)agent);
		break;
	default:
		break;
	}
}
