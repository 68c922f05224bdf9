/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each op of the table does: clip to a legal request, take the lock, call the checked seam, do what the kernel's caller does.
 *
 * Property: an implementation is only ever asked for what its contract allows; where the caller owes something
 * (a flush before anything new is mapped) it is done here.
 */
#include "callers/callers.h"
#include "callers/kmap.h"
#include "callers/kernel.h"
#include "callers/split.h"
#include "hw/tables.h"

#include <string.h>

unsigned page_of_rec(const struct rec *r)
{
	return r->block * ex.cont + r->off;
}

void write_back(struct rec *eff, const struct rec *r, unsigned page, unsigned nr)
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

	if (noflush || ref_in_teardown(&ex.sp->mm, page))
		return;
	if (ex.sp->mm.block[b].teardown)
		seam_flush(b * ex.cont, ex.cont, false);
	else
		seam_flush(page, nr, false);
}

/* Before anything new is mapped nobody may still use what was there. */
static void flush_leftovers(unsigned page, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		if (ref_lingers(&ex.sp->mm, page + i)) {
			seam_flush(page, nr, false);
			return;
		}
	}
}

/*
 * Clips, takes the lock of the table where the op is to happen, and clips again: the state may have changed while it
 * waited. False, with no lock held: there is nowhere to do it, or no table.
 */
static bool lock_clip(struct ref_op *op, const struct ref_op *ask, ref_clip clip)
{
	for (unsigned tries = 0; tries < 3 && !ex.stop; tries++) {
		unsigned page;

		*op = *ask;
		if (!clip(&ex.sp->mm, op))
			return false;
		page = op->page;
		seam_lock(page);
		*op = *ask;
		if (clip(&ex.sp->mm, op) && ex_table(op->page) == ex_table(page))
			return true;
		seam_unlock(page);
	}
	return false;
}

/* The op of a record with the lock held; the entries have a table. */
bool prepare(struct ref_op *op, const struct rec *r, ref_clip clip, struct rec *eff)
{
	struct ref_op ask = *op;

	ask.page = page_of_rec(r);
	ask.nr = r->nr;
	if (!lock_clip(op, &ask, clip))
		return false;
	write_back(eff, r, op->page, op->nr);
	if (ex_ptep(op->page))
		return true;
	seam_unlock(op->page);
	return false;
}

#define NEED(member)                                                                                               \
	do {                                                                                                       \
		if (!ex.impl->member)                                                                              \
			return -1;                                                                                 \
	} while (0)

bool table_for(unsigned page)
{
	unsigned t = page / (2 * ex.cont);

	if (ex.sp->leaf[t])
		return true;
	if (!ex.impl->pte_alloc || ex.impl->pte_alloc(&ex.sp->pt, ex_addr(page), ex.sp->pmdp[t]))
		return false;
	ex.sp->leaf[t] = hw_table_va(hw_peek(ex.sp->pmdp[t]) & HW_D_OA);
	return true;
}

/* The page of folio `f` with the VA page's own alignment, `shift` pages off. */
unsigned folio_offset(const struct pt_folio *f, unsigned page, unsigned shift)
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

/* One function an op of the table; those that are callers made of several calls are in callers/. */
#define OP(name, weight, args, fields, help) static int run_##name(const struct rec *r, struct rec *eff);
#define CALLER(name, weight, args, fields, help)
#include "ops.def"

static int run_set_ptes(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.page = page_of_rec(r), .nr = 1, .max_nr = 1};
	const struct pt_folio *f;
	const struct ref_op ask = op;
	unsigned id = (r->a & 15) % EX_FOLIOS, off;
	uint64_t val;

	NEED(set_ptes);
	seam_mmap_lock(true);
	if (!lock_clip(&op, &ask, ref_clip_set_ptes)) {
		seam_mmap_unlock(true);
		return 0;
	}
	if (!table_for(op.page)) {
		seam_unlock(op.page);
		seam_mmap_unlock(true);
		return 0;
	}
	f = &ex.folio[ex.p->h.geo][id];
	off = folio_offset(f, op.page, r->a >> 4 & 3);
	op.max_nr = (1u << f->order) - off;
	op.nr = r->nr;
	ref_clip_set_ptes(&ex.sp->mm, &op);
	write_back(eff, r, op.page, op.nr);
	flush_leftovers(op.page, op.nr);
	val = PT_MAKE(f->pfn + off, entry_flags(r));
	op.val = seam_obs(val).val;
	op.val.folio = (uint16_t)id;
	op.young = val & PT_YOUNG;
	op.dirty = val & PT_DIRTY;
	seam_begin(&op, OP_set_ptes, op.page, op.nr);
	ex.impl->set_ptes(&ex.sp->pt, ex_addr(op.page), ex_ptep(op.page), val, op.nr);
	seam_done(&op);
	seam_unlock(op.page);
	seam_mmap_unlock(true);
	return 1;
}

static int run_set_marker(const struct rec *r, struct rec *eff)
{
	const struct ref_op ask = {.page = page_of_rec(r), .nr = 1};
	struct ref_op op;
	/* 40 payload bits from 16, spread so that they alias every descriptor bit an entry's flags live in. */
	uint64_t payload = 1 + (((uint64_t)r->a | (uint64_t)r->b << 8) * 0x10001ull) % ((1ull << 40) - 1);
	uint64_t val = payload << 12;

	NEED(set_ptes);
	seam_mmap_lock(true);
	if (!lock_clip(&op, &ask, ref_clip_set_marker)) {
		seam_mmap_unlock(true);
		return 0;
	}
	if (!table_for(op.page)) {
		seam_unlock(op.page);
		seam_mmap_unlock(true);
		return 0;
	}
	write_back(eff, r, op.page, 1);
	op.val = seam_obs(val).val;
	seam_begin(&op, OP_set_marker, op.page, 1);
	ex.impl->set_ptes(&ex.sp->pt, ex_addr(op.page), ex_ptep(op.page), val, 1);
	seam_done(&op);
	seam_unlock(op.page);
	seam_mmap_unlock(true);
	return 1;
}

static int run_ptep_get(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};

	NEED(ptep_get);
	if (!prepare(&op, r, ref_clip_ptep_get, eff))
		return 0;
	seam_ptep_get(op.page);
	seam_unlock(op.page);
	return 1;
}

/* A reader reaches the entry through the level above, as GUP-fast does: a table not yet linked for it is none. */
static uint64_t walk_lockless(unsigned page)
{
	const uint64_t *pmdp = ex.sp->pmdp[page / (2 * ex.cont)];
	uint64_t pmd = hw_load(pmdp, HW_RELAXED, "pmdp_get_lockless", 0);

	if (!(pmd & HW_D_VALID))
		return 0;
	return ex.impl->ptep_get_lockless(ex_addr(page), ex_ptep_below(pmd, page));
}

bool prepare_lockless(struct ref_op *op, const struct rec *r, struct rec *eff)
{
	*op = (struct ref_op){.page = page_of_rec(r), .nr = 1};
	for (unsigned c = 0; c < ex.p->h.ncpu; c++)
		if (!exec_holds_lock(c))
			hw_do_drain(c, -1);
	if (!ref_clip_ptep_get_lockless(&ex.sp->mm, op))
		return false;
	write_back(eff, r, op->page, 1);
	if (!ex_ptep(op->page))
		return false;
	ex.cur->op.lockless = true;
	exec_listen();
	return true;
}

static int run_ptep_get_lockless(const struct rec *r, struct rec *eff)
{
	struct ref_op op;
	uint64_t v;

	NEED(ptep_get_lockless);
	if (!prepare_lockless(&op, r, eff))
		return 0;
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
	if (!prepare(&op, r, ref_clip_ptep_get_and_clear, eff))
		return 0;
	seam_begin(&op, OP_ptep_get_and_clear, op.page, 1);
	v = ex.impl->ptep_get_and_clear(&ex.sp->pt, ex_addr(op.page), ex_ptep(op.page));
	seam_done_entry(&op, v);
	caller_flush(op.page, 1, r->b & 1);
	seam_unlock(op.page);
	return 1;
}

static int run_ptep_get_and_clear_full(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	uint64_t v;

	NEED(ptep_get_and_clear_full);
	op.full = r->b & 2;
	if (!prepare(&op, r, ref_clip_ptep_get_and_clear_full, eff))
		return 0;
	if (!ref_in_teardown(&ex.sp->mm, op.page) && exec_anyone_parked())
		op.full = false; /* full: no lockless reader is left */
	seam_begin(&op, OP_ptep_get_and_clear_full, op.page, 1);
	v = ex.impl->ptep_get_and_clear_full(&ex.sp->pt, ex_addr(op.page), ex_ptep(op.page), op.full);
	seam_done_entry(&op, v);
	caller_flush(op.page, 1, r->b & 1);
	seam_unlock(op.page);
	return 1;
}

static int run_get_and_clear_full_ptes(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	uint64_t v;

	NEED(get_and_clear_full_ptes);
	if (!prepare(&op, r, ref_clip_get_and_clear_full_ptes, eff))
		return 0;
	seam_begin(&op, OP_get_and_clear_full_ptes, op.page, op.nr);
	v = ex.impl->get_and_clear_full_ptes(&ex.sp->pt, ex_addr(op.page), ex_ptep(op.page), op.nr, r->b >> 1 & 1);
	seam_done_entry(&op, v);
	caller_flush(op.page, op.nr, r->b & 1);
	seam_unlock(op.page);
	return 1;
}

static void clear_run(unsigned page, unsigned nr, int full)
{
	struct ref_op op = {.nr = 1};

	seam_begin(&op, OP_clear_full_ptes, page, nr);
	ex.impl->clear_full_ptes(&ex.sp->pt, ex_addr(page), ex_ptep(page), nr, full);
	seam_done(&op);
}

static int run_clear_full_ptes(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};

	NEED(clear_full_ptes);
	if (!prepare(&op, r, ref_clip_clear_full_ptes, eff))
		return 0;
	clear_run(op.page, op.nr, r->b >> 1 & 1);
	caller_flush(op.page, op.nr, r->b & 1);
	seam_unlock(op.page);
	return 1;
}

static int run_ptep_clear_flush(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	uint64_t v;

	NEED(ptep_clear_flush);
	if (!prepare(&op, r, ref_clip_ptep_clear_flush, eff))
		return 0;
	seam_begin(&op, OP_ptep_clear_flush, op.page, 1);
	v = ex.impl->ptep_clear_flush(&ex.sp->pt, ex_addr(op.page), ex_ptep(op.page));
	seam_done_entry(&op, v);
	seam_unlock(op.page);
	return 1;
}

static int run_wrprotect_ptes(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};

	NEED(wrprotect_ptes);
	if (!prepare(&op, r, ref_clip_wrprotect_ptes, eff))
		return 0;
	seam_begin(&op, OP_wrprotect_ptes, op.page, op.nr);
	ex.impl->wrprotect_ptes(&ex.sp->pt, ex_addr(op.page), ex_ptep(op.page), op.nr);
	seam_done(&op);
	caller_flush(op.page, op.nr, r->b & 1);
	seam_unlock(op.page);
	return 1;
}

static int run_ptep_set_access_flags(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	uint64_t add = PT_YOUNG; /* every fault handler marks the entry young */

	NEED(ptep_set_access_flags);
	add |= r->b & 1 ? PT_WRITE | PT_DIRTY : 0; /* wp_page_reuse(): write comes with dirty */
	add |= r->b & 4 ? PT_DIRTY : 0;
	if (!prepare(&op, r, ref_clip_ptep_set_access_flags, eff))
		return 0;
	seam_set_access_flags(op.page, seam_ptep_get(op.page), add);
	seam_unlock(op.page);
	return 1;
}

static int run_young(const struct rec *r, struct rec *eff, uint8_t id,
		     int (*fn)(const struct pt_mm *, uint64_t, uint64_t *))
{
	struct ref_op op = {.nr = 1};
	int young;

	if (!fn)
		return -1;
	if (!prepare(&op, r, ref_clip_ptep_test_and_clear_young, eff))
		return 0;
	seam_begin(&op, id, op.page, 1);
	young = fn(&ex.sp->pt, ex_addr(op.page), ex_ptep(op.page));
	seam_done_young(&op, young);
	seam_unlock(op.page);
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
	if (!prepare(&op, r, ref_clip_clear_young_dirty_ptes, eff))
		return 0;
	seam_begin(&op, OP_clear_young_dirty_ptes, op.page, op.nr);
	ex.impl->clear_young_dirty_ptes(&ex.sp->pt, ex_addr(op.page), ex_ptep(op.page), op.nr,
					(op.young ? PT_CYDP_YOUNG : 0) | (op.dirty ? PT_CYDP_DIRTY : 0));
	seam_done(&op);
	seam_unlock(op.page);
	return 1;
}

static int run_flush_tlb_range(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.page = page_of_rec(r), .nr = r->nr};

	NEED(flush_tlb_range);
	ref_clip_flush_tlb_range(&ex.sp->mm, &op);
	seam_lock(op.page);
	write_back(eff, r, op.page, op.nr);
	seam_flush(op.page, op.nr, r->b & 1);
	seam_unlock(op.page);
	return 1;
}

const run_fn run_fns[OP_NKINDS] = {
#define OP(name, weight, args, fields, help) [OP_##name] = run_##name,
#include "ops.def"
};

/* --- events */

/* The named agent, or the next CPU that is not inside the kernel: one that is runs no user code. Nor does one with a
 * kernel thread, but it may look ahead. -1: none. */
static int agent_of(const struct rec *r)
{
	const bool user = r->kind == EV_read || r->kind == EV_write;

	if (r->cpu == HW_SMMU)
		return ex.p->h.smmu ? HW_SMMU : -1;
	for (unsigned i = 0; i < ex.p->h.ncpu; i++) {
		unsigned a = (r->cpu + i) % ex.p->h.ncpu;
		const struct task *t = ex.on[a];

		if ((ex.kernel.in_kernel >> a & 1 && r->kind != EV_sync) || (user && ex.cpu_space[a] < 0))
			continue;
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

/* Speculation goes through whatever tables are loaded. */
static void run_age(const struct rec *r, int agent)
{
	const int sp = agent == HW_SMMU ? 0 : ex.cpu_loaded[agent];

	if (!hw_do_spurious_af((unsigned)agent, ex_addr(page_of_rec(r))) || sp < 0)
		return;
	ex.sp = &ex.space[sp];
	ref_speculated(&ex.sp->mm, page_of_rec(r));
}

/* The kernel's map is used by whatever runs on a CPU, interrupts included; not while it runs from the identity map. */
static int kernel_agent_of(const struct rec *r)
{
	for (unsigned i = 0; i < ex.p->h.ncpu; i++) {
		const unsigned a = (r->cpu + i) % ex.p->h.ncpu;

		if (!hw_ttbr1_reserved(a))
			return (int)a;
	}
	return -1;
}

/* An op on a map that the program does not have is skipped, and its events are about user pages. */
static bool uses_map(const struct rec *r)
{
	return ex.cur && op_descs[ex.cur->op.r->kind].args & ex.half & (A_KMAP | A_SPLIT) && r->cpu != HW_SMMU &&
	       (r->kind == EV_read || r->kind == EV_write);
}

void run_event(const struct rec *r, struct rec *eff)
{
	struct space *self = ex.sp;
	int agent = uses_map(r) ? kernel_agent_of(r) : agent_of(r);

	if (r->kind == EV_irq) {
		if (ex.kernel.on)
			kernel_irq(r, eff);
		return;
	}
	if (r->kind == EV_drain) {
		hw_do_drain(r->cpu % ex.p->h.ncpu, r->a & 7);
		return;
	}
	if (agent < 0)
		return;
	eff->cpu = (uint8_t)agent;
	if (kmap.on && kmap_event(r, (unsigned)agent))
		return;
	if (split_on() && split_event(r, (unsigned)agent))
		return;
	switch (r->kind) {
	case EV_read:
	case EV_write:
		ex.sp = &ex.space[agent == HW_SMMU ? 0 : ex.cpu_space[agent]];
		run_access(r, agent, r->kind == EV_write);
		break;
	case EV_age:
		run_age(r, agent);
		break;
	case EV_sync:
		if (agent != HW_SMMU)
			exec_context_sync((unsigned)agent);
		break;
	default:
		break;
	}
	ex.sp = self;
}
