/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The checked seam: specification begins the op, the implementation runs, specification ends it, the touched
 * blocks are audited.
 *
 * Property: every call into an implementation passes here, also from callers made of several calls, so one
 * contract an operation judges every implementation and every caller; the audit has no side effect and blames
 * the op that has just ended.
 */
#include "exec_internal.h"

#include <stddef.h>
#include <string.h>

/* What the flags of an entry say, by their value: asked for each entry that is looked at. */
#define OBS(f)                                                                                                     \
	{                                                                                                          \
		.val = {.kind = (f)&PT_PRESENT ? REF_PRESENT : REF_PAYLOAD,                                        \
			.write = ((f)&PT_PRESENT) && ((f)&PT_WRITE),                                               \
			.exec = ((f)&PT_PRESENT) && ((f)&PT_EXEC),                                                 \
			.special = ((f)&PT_PRESENT) && ((f)&PT_SPECIAL),                                           \
			.protnone = ((f)&PT_PRESENT) && ((f)&PT_PROTNONE)},                                        \
		.young = ((f)&PT_PRESENT) && ((f)&PT_YOUNG), .dirty = ((f)&PT_PRESENT) && ((f)&PT_DIRTY),          \
	}
#define OBS4(f)	 OBS(f), OBS((f) + 1), OBS((f) + 2), OBS((f) + 3)
#define OBS16(f) OBS4(f), OBS4((f) + 4), OBS4((f) + 8), OBS4((f) + 12)
#define OBS64(f) OBS16(f), OBS16((f) + 16), OBS16((f) + 32), OBS16((f) + 48)
static const struct ref_obs obs_flags[] = {OBS64(0), OBS64(64)};
_Static_assert(PT_PROTNONE < 128 && PT_EXEC < 128 && PT_SPECIAL < 128 && PT_DIRTY < 128, "all of them");

static inline struct ref_obs obs_of(uint64_t val)
{
	struct ref_obs o = obs_flags[val & 127];

	o.val.pfn = PT_PFN(val);
	if (!val)
		o.val.kind = REF_NONE;
	return o;
}

struct ref_obs seam_obs(uint64_t val)
{
	return obs_of(val);
}

void seam_lock(unsigned page)
{
	const unsigned table = ex_table(page), id = EX_LOCK_PT + REF_TABLES * ex_space_id(ex.sp) + table;

	while (ex.lock[id].owner >= 0 && !ex.stop)
		task_wait(id, false);
	/* As at the begin of an op: what this CPU's earlier sections have stored is visible by now. */
	if (!exec_holds_lock((unsigned)(ex.cur - ex.task)))
		hw_do_drain((unsigned)(ex.cur - ex.task), -1);
	ex.lock[id].owner = (int8_t)(ex.cur - ex.task);
	hw_lock(id, "spin_lock", 0);
	ref_lock(&ex.sp->mm, table);
}

void seam_unlock(unsigned page)
{
	const unsigned table = ex_table(page), id = EX_LOCK_PT + REF_TABLES * ex_space_id(ex.sp) + table;

	hw_unlock(id, "spin_unlock", 0);
	ref_unlock(&ex.sp->mm, table);
	ex.lock[id].owner = EX_NOBODY;
}

void seam_unlock_early(unsigned page)
{
	const unsigned table = ex_table(page), id = EX_LOCK_PT + REF_TABLES * ex_space_id(ex.sp) + table;

	hw_unlock_early(id, "spin_unlock", 0);
	ref_unlock(&ex.sp->mm, table);
	ex.lock[id].owner = EX_NOBODY;
}

void seam_mmap_lock(bool shared)
{
	const unsigned id = EX_LOCK_MM + ex_space_id(ex.sp), me = (unsigned)(ex.cur - ex.task);
	struct ex_lock *l = &ex.lock[id];

	while ((l->owner >= 0 || (l->readers && !shared)) && !ex.stop)
		task_wait(id, shared);
	if (shared)
		l->readers |= (uint8_t)(1u << me);
	else
		l->owner = (int8_t)me;
}

void seam_mmap_unlock(bool shared)
{
	struct ex_lock *l = &ex.lock[EX_LOCK_MM + ex_space_id(ex.sp)];

	if (shared)
		l->readers &= (uint8_t) ~(1u << (ex.cur - ex.task));
	else
		l->owner = EX_NOBODY;
}

/* An invalidation that is complete only when somebody waits for it. */
static void promises_nothing(struct ref_mm *mm, struct ref_op *op)
{
	(void)mm;
	op->flushes = true;
}

static const ref_contract contracts[API_END] = {
#define X(name) [OP_##name] = ref_##name,
	REF_OPS(X)
#undef X
		[API_tlb_flush] = ref_flush_tlb_range,
	[API_flush_tlb_mm] = ref_flush_tlb_range,
	[API_arch_tlbbatch_flush] = ref_flush_tlb_range,
	[API_arch_flush_tlb_batched_pending] = ref_flush_tlb_range,
	[API_arch_tlbbatch_add_pending] = promises_nothing,
};

static const uint8_t sorts[API_END] = {
#define X(name) [OP_##name] = FU_##name,
	FEATURE_USER(X)
#undef X
};

const char *seam_name(unsigned id)
{
	static const char *const api[] = {
#define X(name) #name,
		EX_APIS(X)
#undef X
	};

	return id < OP_NKINDS ? op_descs[id].name : api[id - OP_NKINDS];
}

/* The sort of an entry, as one in a field of eight bits a sort: payload, valid, valid and contiguous. */
static inline uint32_t tally_of(uint64_t v)
{
	if (!(v & HW_D_VALID))
		return v != 0;
	return v & HW_D_CONT ? 1u << 8 | 1u << 16 : 1u << 8;
}

/* What an op meets decides which path it takes: for coverage. */
static uint8_t coarse_state(uint32_t tally)
{
	const unsigned payload = tally & 0xff, present = tally >> 8 & 0xff, cont = tally >> 16;

	if (cont)
		return cont == ex.cont ? 3 : 4;
	if (present)
		return present == ex.cont ? 2 : payload ? 6 : 1;
	return payload ? 5 : 0;
}

/* The A/D that a block's folded entries show. */
static uint64_t gather_of(const uint64_t *raw)
{
	uint64_t gather = 0, like = 0;

	for (unsigned i = 0; i < ex.cont; i++) {
		if ((raw[i] & (HW_D_VALID | HW_D_CONT)) != (HW_D_VALID | HW_D_CONT) ||
		    !((raw[i] ^ like) & ~HW_D_OA))
			continue; /* A/D is no matter of the address */
		gather |= ex.impl->entry_read(raw[i]) & (PT_YOUNG | PT_DIRTY);
		like = raw[i];
	}
	return gather;
}

/* Reads a block. Entries that read differently than at the last audit are to be checked; when the A/D gathered
 * from the folded ones has changed, all of them are. */
static void view_block(struct space *sp, unsigned block, const uint64_t *p)
{
	const unsigned first = block << ex.cont_bits;
	uint64_t buf[EX_MAX_CONT], gather = 0, *seen = sp->seen + first;
	const uint64_t *raw = p ? hw_view_run(p, ex.cont, buf) : memset(buf, 0, ex.cont * sizeof(buf[0]));
	uint32_t tally = sp->tally[block];
	bool same = true;

	for (unsigned i = 0; i < ex.cont; i++) {
		if (raw[i] == seen[i])
			continue;
		same = false;
		tally += tally_of(raw[i]) - tally_of(seen[i]);
		seen[i] = raw[i];
		ref_recheck(&sp->mm, first + i);
	}
	if (same)
		return; /* a store that was pending has drained */
	if (tally >> 16)
		gather = gather_of(raw);
	for (unsigned i = 0; gather != sp->gather[block] && i < ex.cont; i++)
		if (raw[i] & HW_D_CONT)
			ref_recheck(&sp->mm, first + i);
	sp->gather[block] = gather;
	sp->tally[block] = tally;
	sp->block_state[block] = coarse_state(tally);
}

void(seam_begin)(struct ref_op *op, uint8_t id, unsigned page, unsigned nr)
{
	unsigned b = page >> ex.cont_bits, off = page & (ex.cont - 1), shape;
	struct opctx *c = &ex.cur->op;

	op->id = id;
	op->page = page;
	op->nr = nr;
	shape = off ? 1u : nr & (ex.cont - 1) ? 2u : 0u;
	feature_state(sorts[id], ex.sp->block_prev[b], ex.sp->block_state[b], shape);
	ex.sp->block_prev[b] = sorts[id];
	c->outside_n = 0;
	ref_begin(&ex.sp->mm, op, contracts[id]);
	if (op->ret != REF_RET_LOCKLESS && !op->flushes) {
		c->own = (uintptr_t)ex_ptep(op->lo);
		c->own_bytes = c->own ? (op->hi - op->lo) * sizeof(uint64_t) : 0;
	}
	exec_listen();
	cost_begin(&c->cost);
}

/* A/D of a folded block live in any of its entries. */
static inline struct ref_obs observe_with(uint64_t raw, uint64_t gather)
{
	const uint64_t folded = HW_D_VALID | HW_D_CONT;

	if (!raw)
		return (struct ref_obs){.val = {.kind = REF_NONE}};
	return obs_of(ex.impl->entry_read(raw) | ((raw & folded) == folded ? gather : 0));
}

static void audit_page(struct space *sp, unsigned page, const struct ref_obs *o, uint8_t id)
{
	struct ref_verdict bad;

	if (ref_entry_explained(&sp->mm, page, o))
		return;
	bad = ref_check_entry(&sp->mm, page, o, id);
	ex_verdict(&bad);
}

/* Checks what has changed since the last audit of the block: in the table, or in the specification. */
static void audit_block(unsigned block, uint8_t id)
{
	const unsigned page = block << ex.cont_bits, end = page + ex.cont;
	struct space *sp = ex.sp;
	const uint64_t *p = ex_ptep(page);
	uint64_t sum = 0, todo;

	if (hazard_queued && p && hazard_pending(p, ex.cont)) {
		sp->unaudited |= (uint8_t)(1u << block); /* the table shows it when the task leaves lazy mode */
		return;
	}
	if (!p || hw_touched(p))
		view_block(sp, block, p);
	for (unsigned from = page; from < end; from = (from | 63) + 1) {
		for (todo = ref_take_changed(&sp->mm, from, end); todo && !ex.stop; todo &= todo - 1) {
			const unsigned at = (from & ~63u) + (unsigned)__builtin_ctzll(todo);
			const struct ref_obs o = observe_with(sp->seen[at], sp->gather[block]);

			sum = sum * 31 + (o.val.pfn << 4 | o.dirty << 3 | o.young << 2 | o.val.kind);
			audit_page(sp, at, &o, id);
		}
	}
	ex_observe(sum);
}

/* Entries the op stored to outside its blocks: the frame rule says nothing there changed but A/D. */
static void audit_outside(uint8_t id)
{
	const unsigned half = 2 * ex.cont, n = 1u << ex.geo->table_bits;
	const struct opctx *c = &ex.cur->op;
	struct space *self = ex.sp;

	for (unsigned i = 0; i < c->outside_n && !ex.stop; i++) {
		for (unsigned k = 0; k < EX_SPACES * REF_TABLES; k++) {
			const uint64_t *leaf = ex.space[k / REF_TABLES].leaf[k % REF_TABLES];
			const unsigned t = k % REF_TABLES;
			size_t idx;

			if (!leaf || c->outside[i] < leaf || c->outside[i] >= leaf + n)
				continue;
			idx = (size_t)(c->outside[i] - leaf);
			ex.sp = &ex.space[k / REF_TABLES];
			if (t ? idx < half : idx >= n - half)
				audit_block((unsigned)(t ? half + idx : idx - (n - half)) / ex.cont, id);
			else if (hw_peek(c->outside[i]))
				ex_finding("state", seam_name(id), "entry-outside",
					   "entry %zu of table %u is not of the window", idx, t);
			break;
		}
	}
	if (!ex.stop)
		ex.sp = self;
}

void seam_audit(const struct ref_op *op)
{
	for (unsigned b = op->lo >> ex.cont_bits; b < op->hi >> ex.cont_bits && !ex.stop; b++)
		/* A flush needs no lock: another op may be half way there. */
		if (!op->flushes || !ex.sp->mm.open[b / 2])
			audit_block(b, op->id);
	if (ex.cur && ex.cur->op.outside_n)
		audit_outside(op->id);
}

static void seam_end(struct ref_op *op, const struct ref_obs *ret)
{
	struct ref_verdict v = ref_end(&ex.sp->mm, op, ret);

	if (ret)
		ex_observe(ret->val.pfn << 3 | ret->dirty << 2 | ret->young << 1 | ret->val.write);
	if (v.cls)
		ex_verdict(&v);
	if (!ex.stop)
		cost_end(op);
	if (op->ret != REF_RET_LOCKLESS) {
		ex.cur->op.own_bytes = hw.own_bytes = 0;
		if (op->flushes) /* others may be at work there: it has no business with entries */
			audit_outside(op->id);
		else if (!ex.stop)
			seam_audit(op);
	}
	if (ex.log)
		replay_blocks();
}

void seam_done(struct ref_op *op)
{
	seam_end(op, NULL);
}

void seam_done_entry(struct ref_op *op, uint64_t val)
{
	struct ref_obs o = seam_obs(val);

	seam_end(op, &o);
}

void seam_done_young(struct ref_op *op, int young)
{
	struct ref_obs o = {.young = young};

	seam_end(op, &o);
}

uint64_t(seam_ptep_get)(unsigned page)
{
	struct ref_op op = {.id = 0};
	uint64_t v;

	(seam_begin)(&op, OP_ptep_get, page, 1);
	v = ex.impl->ptep_get(ex_addr(page), ex_ptep(page));
	seam_done_entry(&op, v);
	return v;
}

void seam_flush(unsigned page, unsigned nr, bool tables)
{
	struct ref_op op = {.id = 0};

	seam_begin(&op, OP_flush_tlb_range, page, nr);
	ex.impl->flush_tlb_range(&ex.sp->pt, ex_addr(page), ex_addr(page + nr), !tables);
	seam_done(&op);
}

void seam_flush_mm(void)
{
	struct ref_op op = {.id = 0};

	seam_begin(&op, API_flush_tlb_mm, 0, ex.sp->mm.npages);
	ex.impl->flush_tlb_mm(&ex.sp->pt);
	seam_done(&op);
}

void seam_lazy_enter(void)
{
	if (ex.impl->arch_enter_lazy_mmu_mode)
		ex.impl->arch_enter_lazy_mmu_mode();
}

/* What was queued is in the table now: it is looked at. */
static void audit_late(void)
{
	struct space *self = ex.sp;

	for (unsigned i = 0; i < EX_SPACES && !ex.stop; i++) {
		unsigned blocks = ex.space[i].unaudited;

		ex.sp = &ex.space[i];
		ex.sp->unaudited = 0;
		for (; blocks && !ex.stop; blocks &= blocks - 1)
			audit_block((unsigned)__builtin_ctz(blocks), ex.cur->op.r->kind);
	}
	if (!ex.stop)
		ex.sp = self;
}

void seam_lazy_leave(void)
{
	if (ex.impl->arch_leave_lazy_mmu_mode)
		ex.impl->arch_leave_lazy_mmu_mode();
	audit_late();
}

void seam_lazy_flush(void)
{
	if (ex.impl->arch_flush_lazy_mmu_mode)
		ex.impl->arch_flush_lazy_mmu_mode();
	audit_late();
}

/*
 * What is promised of pages: with fullmm alone nothing (there is no user left), and with freed tables as well
 * everything; otherwise the range, if entries were cleared there [asm/tlb.h].
 */
void seam_tlb_flush(const struct pt_gather *g)
{
	const unsigned shift = ex.geo->page_shift;
	struct ref_op op = {.id = 0};
	unsigned lo = 0, hi = ex.sp->mm.npages;

	if (!g->fullmm && g->start > ex.va)
		lo = (unsigned)((g->start - ex.va) >> shift);
	if (!g->fullmm && g->end - ex.va < (uint64_t)hi << shift)
		hi = (unsigned)((g->end - ex.va) >> shift);
	if (g->fullmm ? !g->freed_tables : !g->cleared_ptes)
		hi = lo;
	ex.cur->op.gather = g;
	seam_begin(&op, API_tlb_flush, lo, hi - lo);
	ex.impl->tlb_flush(&ex.sp->pt, g);
	seam_done(&op);
}

int(seam_set_access_flags)(unsigned page, uint64_t entry, uint64_t add)
{
	struct ref_op op = {.id = 0};
	int changed;

	op.write = add & PT_WRITE;
	op.young = (entry | add) & PT_YOUNG;
	op.dirty = (entry | add) & PT_DIRTY;
	(seam_begin)(&op, OP_ptep_set_access_flags, page, 1);
	changed = ex.impl->ptep_set_access_flags(&ex.sp->pt, ex_addr(page), ex_ptep(page), entry | add,
						 (add & (PT_DIRTY | PT_WRITE)) != 0);
	seam_done(&op);
	return changed;
}

enum hw_fault seam_access(struct hw_access *a, unsigned page)
{
	struct ref_verdict v;
	bool ok;

	a->va = ex_addr(page);
	hw_do_access(a);
	ok = a->fault == HW_OK;
	ex_observe((uint64_t)a->fault << 60 ^ (ok ? a->pa : 0) ^ a->recorded);
	v = ref_access(&ex.sp->mm, page, a->write, ok, a->pa >> ex.geo->page_shift, a->stale);
	if (v.cls)
		ex_verdict(&v);
	if (ok && !a->recorded && !a->recorded_dirty)
		ref_note(&ex.sp->mm, REF_L_UNRECORDED);
	if (ok)
		ref_recorded(&ex.sp->mm, page, a->recorded, a->recorded_dirty, a->stale);
	else if (a->set_af)
		ref_speculated(&ex.sp->mm, page);
	return a->fault;
}
