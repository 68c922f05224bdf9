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

struct ref_obs seam_obs(uint64_t val)
{
	struct ref_obs o = {.val = {.kind = REF_NONE}};

	if (!val)
		return o;
	o.val.pfn = PT_PFN(val);
	if (!(val & PT_PRESENT)) {
		o.val.kind = REF_PAYLOAD;
		return o;
	}
	o.val.kind = REF_PRESENT;
	o.val.write = val & PT_WRITE;
	o.val.exec = val & PT_EXEC;
	o.val.special = val & PT_SPECIAL;
	o.young = val & PT_YOUNG;
	o.dirty = val & PT_DIRTY;
	return o;
}

void seam_lock(void)
{
	while (ex.lock_owner >= 0 && !ex.stop)
		task_wait();
	ex.lock_owner = (int)(ex.cur - ex.task);
	hw_lock(EX_LOCK_PT, "spin_lock", 0);
	ref_lock(&ex.mm);
}

void seam_unlock(void)
{
	hw_unlock(EX_LOCK_PT, "spin_unlock", 0);
	ref_unlock(&ex.mm);
	ex.lock_owner = -1;
}

static const ref_contract contracts[OP_NKINDS] = {
#define X(name) [OP_##name] = ref_##name,
	REF_OPS(X)
#undef X
};

/* What an op meets decides which path it takes: for coverage. */
static uint8_t coarse_state(unsigned present, unsigned cont, unsigned payload)
{
	if (cont)
		return cont == ex.cont ? 3 : 4;
	if (present)
		return present == ex.cont ? 2 : payload ? 6 : 1;
	return payload ? 5 : 0;
}

/* Reads a block. Entries that read differently than at the last audit are to be checked; when the A/D gathered
 * from the folded ones has changed, all of them are. */
static void view_block(unsigned block, const uint64_t *p)
{
	unsigned present = 0, cont = 0, payload = 0, first = block << ex.cont_bits;
	uint64_t raw[EX_MAX_CONT], gather = 0, like = 0;

	if (p)
		hw_peek_run(p, ex.cont, raw);
	else
		memset(raw, 0, ex.cont * sizeof(raw[0]));
	if (!memcmp(raw, ex.seen + first, ex.cont * sizeof(raw[0])))
		return; /* a store that was pending has drained */
	for (unsigned i = 0; i < ex.cont; i++) {
		if (raw[i] != ex.seen[first + i]) {
			ex.seen[first + i] = raw[i];
			ref_recheck(&ex.mm, first + i);
		}
		if (!(raw[i] & HW_D_VALID)) {
			payload += raw[i] != 0;
			continue;
		}
		present++;
		if (!(raw[i] & HW_D_CONT))
			continue;
		cont++;
		if ((raw[i] ^ like) & ~HW_D_OA) { /* A/D is no matter of the address */
			gather |= ex.impl->entry_read(raw[i]) & (PT_YOUNG | PT_DIRTY);
			like = raw[i];
		}
	}
	for (unsigned i = 0; gather != ex.gather[block] && i < ex.cont; i++)
		if (raw[i] & HW_D_CONT)
			ref_recheck(&ex.mm, first + i);
	ex.gather[block] = gather;
	ex.block_state[block] = coarse_state(present, cont, payload);
}

void seam_begin(struct ref_op *op, uint8_t id, unsigned page, unsigned nr)
{
	unsigned b = page >> ex.cont_bits, off = page & (ex.cont - 1), shape;

	op->id = id;
	op->page = page;
	op->nr = nr;
	shape = off ? 1u : nr & (ex.cont - 1) ? 2u : 0u;
	ex_feature((id * 8u + ex.block_state[b]) * 4 + shape);
	ex_feature(1024 + (id * 32u + ex.block_prev[b]) % 1024);
	ex.block_prev[b] = id;
	ex.outside_n = 0;
	ref_begin(&ex.mm, op, contracts[id]);
	if (op->ret != REF_RET_LOCKLESS) {
		ex.own = (uintptr_t)ex_ptep(op->lo);
		ex.own_bytes = ex.own ? (op->hi - op->lo) * sizeof(uint64_t) : 0;
	}
}

/* A/D of a folded block live in any of its entries. */
static struct ref_obs observe_with(uint64_t raw, uint64_t gather)
{
	if (!raw)
		return seam_obs(0);
	if ((raw & HW_D_VALID) && (raw & HW_D_CONT))
		return seam_obs(ex.impl->entry_read(raw) | gather);
	return seam_obs(ex.impl->entry_read(raw));
}

/* Checks what has changed since the last audit of the block: in the table, or in the specification. */
static void audit_block(unsigned block, uint8_t id)
{
	unsigned page = block << ex.cont_bits, end = page + ex.cont;
	const uint64_t *p = ex_ptep(page);
	uint64_t sum = 0;

	if (!p || hw_touched(p))
		view_block(block, p);
	for (; (page = ref_next(ex.mm.changed, page, end)) < end && !ex.stop; page++) {
		struct ref_obs o = observe_with(ex.seen[page], ex.gather[block]);
		struct ref_verdict bad;

		sum = sum * 31 + (o.val.pfn << 4 | o.dirty << 3 | o.young << 2 | o.val.kind);
		if (ref_entry_explained(&ex.mm, page, &o))
			continue;
		bad = ref_check_entry(&ex.mm, page, &o, id);
		ex_verdict(&bad);
	}
	ex_observe(sum);
}

/* Entries the op stored to outside its blocks: the frame rule says nothing there changed but A/D. */
static void audit_outside(uint8_t id)
{
	unsigned half = 2 * ex.cont, n = 1u << ex.geo->table_bits;

	for (unsigned i = 0; i < ex.outside_n && !ex.stop; i++) {
		unsigned t = ex.leaf[1] && ex.outside[i] >= ex.leaf[1] && ex.outside[i] < ex.leaf[1] + n;
		size_t idx = (size_t)(ex.outside[i] - ex.leaf[t]);

		if (t ? idx < half : idx >= n - half)
			audit_block((unsigned)(t ? half + idx : idx - (n - half)) / ex.cont, id);
		else if (hw_peek(ex.outside[i]))
			ex_finding("state", op_descs[id].name, "entry-outside",
				   "entry %zu of table %u is not of the window", idx, t);
	}
}

void seam_audit(const struct ref_op *op)
{
	for (unsigned b = op->lo >> ex.cont_bits; b < op->hi >> ex.cont_bits && !ex.stop; b++)
		audit_block(b, op->id);
	if (ex.outside_n)
		audit_outside(op->id);
}

static void seam_end(struct ref_op *op, const struct ref_obs *ret)
{
	struct ref_verdict v = ref_end(&ex.mm, op, ret);

	if (ret)
		ex_observe(ret->val.pfn << 3 | ret->dirty << 2 | ret->young << 1 | ret->val.write);
	if (v.cls)
		ex_verdict(&v);
	if (op->ret != REF_RET_LOCKLESS) {
		ex.own_bytes = 0;
		if (!ex.stop)
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

uint64_t seam_ptep_get(unsigned page)
{
	struct ref_op op = {.id = 0};
	uint64_t v;

	seam_begin(&op, OP_ptep_get, page, 1);
	v = ex.impl->ptep_get(ex_addr(page), ex_ptep(page));
	seam_done_entry(&op, v);
	return v;
}

void seam_flush(unsigned page, unsigned nr, bool tables)
{
	struct ref_op op = {.id = 0};

	seam_begin(&op, OP_flush_tlb_range, page, nr);
	ex.impl->flush_tlb_range(ex_addr(page), ex_addr(page + nr), !tables);
	seam_done(&op);
}

int seam_set_access_flags(unsigned page, uint64_t entry, uint64_t add)
{
	struct ref_op op = {.id = 0};
	int changed;

	op.write = add & PT_WRITE;
	op.young = (entry | add) & PT_YOUNG;
	op.dirty = (entry | add) & PT_DIRTY;
	seam_begin(&op, OP_ptep_set_access_flags, page, 1);
	changed = ex.impl->ptep_set_access_flags(ex_addr(page), ex_ptep(page), entry | add,
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
	v = ref_access(&ex.mm, page, a->write, ok, a->pa >> ex.geo->page_shift, a->stale);
	if (v.cls)
		ex_verdict(&v);
	if (ok && !a->recorded && !a->recorded_dirty)
		ref_note(&ex.mm, REF_L_UNRECORDED);
	if (ok)
		ref_recorded(&ex.mm, page, a->recorded, a->recorded_dirty);
	else if (a->set_af)
		ref_speculated(&ex.mm, page);
	return a->fault;
}
