/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stale list: replaced descriptor values that an agent may still use.
 *
 * Property: a value is in the list for an agent exactly as long as the architecture lets that agent use it:
 * valid AF=1 values until a TLBI that covers them completes (DDI 0487 D8.14), any value read by an early walk
 * until that CPU's context synchronisation (DDI 0487 D8.2.6), and nothing else.
 */
#include <string.h>
#include "internal.h"

void stale_reset(void)
{
	memset(hw_m.head, 0xff, sizeof(hw_m.head));
	hw_m.free_head = hw_m.newest = hw_m.oldest = NIL;
	hw_m.stale_top = 0;
	hw_m.nstale = hw_m.npages = 0;
	memset(hw_m.nearly, 0, sizeof(hw_m.nearly));
}

/* Counts what other parts ask for in constant time: table targets, cached pages, early values. */
static void stale_account(const struct hw_stale *e, unsigned tlb, unsigned early, int sign)
{
	const uint64_t frame = desc_oa(e->val) >> HW_FRAME_SHIFT;

	if (tlb && desc_is_table(e->val, stale_level(e)) && frame && frame < HW_MAX_FRAMES) {
		hw_m.frame[frame].nstale = (uint16_t)(hw_m.frame[frame].nstale + sign);
		hw_m.epoch++;
	}
	if (tlb && stale_level(e) == 3 && !stale_cont(e))
		hw_m.npages += (unsigned)sign;
	for (unsigned c = 0; early; c++, early >>= 1)
		if (early & 1)
			hw_m.nearly[c] += (unsigned)sign;
}

static void stale_age_unlink(struct hw_stale *e)
{
	if (e->newer != NIL)
		hw_m.stale[e->newer].older = e->older;
	else
		hw_m.newest = e->older;
	if (e->older != NIL)
		hw_m.stale[e->older].newer = e->newer;
	else
		hw_m.oldest = e->newer;
}

static void stale_age_newest(struct hw_stale *e, uint16_t i)
{
	e->older = hw_m.newest;
	e->newer = NIL;
	if (hw_m.newest != NIL)
		hw_m.stale[hw_m.newest].newer = i;
	else
		hw_m.oldest = i;
	hw_m.newest = i;
}

static void stale_remove(uint16_t i)
{
	struct hw_stale *e = &hw_m.stale[i];

	stale_account(e, e->tlb, e->early, -1);
	stale_age_unlink(e);
	if (e->next != NIL)
		hw_m.stale[e->next].prev = e->prev;
	if (e->prev != NIL)
		hw_m.stale[e->prev].next = e->next;
	else
		hw_m.head[e->bucket] = e->next;
	e->live = 0;
	e->kill_b = e->kill_l = 0;
	e->next = hw_m.free_head;
	hw_m.free_head = i;
	hw_m.nstale--;
}

static uint16_t stale_new(unsigned bucket)
{
	uint16_t i;
	struct hw_stale *e;

	if (hw_m.nstale == STALE_MAX) {
		hw.stale_overflow++;
		stale_remove(hw_m.oldest);
	}
	if (hw_m.free_head != NIL) {
		i = hw_m.free_head;
		hw_m.free_head = hw_m.stale[i].next;
	} else {
		i = hw_m.stale_top++;
	}
	e = &hw_m.stale[i];
	e->live = 1;
	e->tlb = e->early = 0;
	e->bucket = (uint16_t)bucket;
	e->prev = NIL;
	e->next = hw_m.head[bucket];
	if (e->next != NIL)
		hw_m.stale[e->next].prev = i;
	hw_m.head[bucket] = i;
	stale_age_newest(e, i);
	hw_m.nstale++;
	return i;
}

/*
 * An entry's value was visible again until now: what a TLBI issued earlier promises does not cover it.
 */
static void stale_refresh(struct hw_stale *e, const struct hw_stale *key)
{
	const uint16_t i = (uint16_t)(e - hw_m.stale);
	const unsigned tlb = !e->tlb && key->tlb, early = key->early & ~(unsigned)e->early;

	if (hw_m.newest != i) {
		stale_age_unlink(e);
		stale_age_newest(e, i);
	}
	e->kill_b = e->kill_l = 0;
	if (stale_cont(e)) {
		e->lo = 0;
		e->hi = (uint8_t)run_entries(stale_level(e));
		memset(e->plo, 0, sizeof(e->plo));
		memset(e->phi, e->hi, sizeof(e->phi));
	}
	hw_m.stale_by[i] = hw_m.by;
	hw_m.stale_gen[e->bucket]++;
	e->loc = key->loc;
	e->tick = ++hw_m.tick;
	e->writer = key->writer;
	if (tlb || early)
		stale_account(e, tlb, early, 1);
	e->tlb |= key->tlb;
	e->early |= key->early;
}

static bool stale_same(const struct hw_stale *e, const struct hw_stale *key)
{
	return e->val == key->val && e->va == key->va && e->shape == key->shape;
}

static uint16_t stale_push(const struct hw_stale *key, unsigned bucket)
{
	struct hw_stale *e;
	uint16_t i;

	for (i = hw_m.head[bucket]; i != NIL; i = e->next) {
		e = &hw_m.stale[i];
		if (stale_same(e, key)) {
			stale_refresh(e, key);
			return i;
		}
	}
	i = stale_new(bucket);
	e = &hw_m.stale[i];
	e->va = key->va;
	e->val = key->val;
	e->shape = key->shape;
	stale_refresh(e, key);
	return i;
}

/* CPUs whose early walk of `old` could make a difference. */
static unsigned early_mask(uint64_t old, bool leaf_af0)
{
	unsigned mask = (1u << hw.cfg.ncpu) - 1;

	if (!hw.cfg.early || hw.cfg.ets2) /* FEAT_ETS2: faults come from a descriptor read again */
		return 0;
	if (!leaf_af0 || !(old & HW_D_VALID))
		return mask;
	for (unsigned c = 0; c < hw.cfg.ncpu; c++)
		if (hw.cfg.update[c] != HW_UPD_NONE) /* it updates AF instead, in the current descriptor */
			mask &= ~(1u << c);
	return mask;
}

/* The whole block may have been cached from any entry, so equal ones make one stale value. */
static void replaced_cont(struct hw_stale *key)
{
	struct hw_block *b = block_of(key->loc);
	struct hw_stale *e = &hw_m.stale[b->last];

	key->shape |= 1;
	key->va &= ~((1ull << block_shift()) - 1);
	key->val = desc_block(key->val);
	key->loc = loc_block(key->loc);
	if (b->last < hw_m.stale_top && e->live && stale_same(e, key))
		stale_refresh(e, key);
	else
		b->last = stale_push(key, stale_bucket_block(key->va));
}

/* `old` at loc stopped being the coherent value of a reachable table. */
void stale_replaced(uint32_t loc, const struct hw_frame *f, uint64_t old, unsigned writer, unsigned tlb_mask)
{
	const int level = f->level;
	const bool leaf = desc_is_leaf(old, level), table = desc_is_table(old, level);
	const bool cached = table || (leaf && (old & HW_D_AF)); /* DDI 0487 D8.5.3: AF=0 is never cached */
	const struct hw_frame *root = &hw_m.frame[f->home];
	struct hw_stale key;

	if (desc_is_poison(old))
		return;
	tlb_mask &= root->users;
	if (unlikely(root->retired) && leaf && (old & HW_D_NG)) /* nobody asks for it again */
		return;
	key.early = (uint8_t)(hw.cfg.early ? early_mask(old, leaf && !cached) & tlb_mask : 0);
	key.tlb = (uint8_t)(cached ? tlb_mask : 0);
	if (!key.tlb && !key.early)
		return;
	key.val = leaf || table ? old : 0; /* all invalid values mean the same to a walker */
	key.loc = loc;
	key.shape = stale_shape(f->asid, level, false);
	key.writer = (uint8_t)writer;
	key.va = f->va + ((uint64_t)(loc & (HW_MAX_TABLE - 1)) << level_shift(level));
	if (level < 3) {
		if (leaf && cached && (old & HW_D_CONT) && run_entries(level) > 1) {
			key.shape |= 1;
			key.va &= ~((1ull << run_shift(level)) - 1);
			key.val &= ~(((1ull << run_shift(level)) - 1) & hw_m.oa_mask);
		}
		stale_push(&key, STALE_UP);
	} else if (cached && (old & HW_D_CONT))
		replaced_cont(&key);
	else
		stale_push(&key, stale_bucket_page(key.va));
}

/*
 * A table was unlinked: whatever its entries translated may be cached on its own (DDI 0487 D8.14), and outlives the
 * path to it. Its lines that nobody touched hold nothing.
 */
void stale_unlinked(uint32_t frame, unsigned writer)
{
	struct hw_frame *f = &hw_m.frame[frame];

	if (f->state != FRAME_LIVE || !frame_resolve(f))
		return;
	for (uint32_t loc = frame << LOC_BITS, end = loc + hw_m.nentries; loc < end; loc++) {
		const uint64_t v = line_is_real(loc) ? hw_m.mem[loc] : 0;
		const uint64_t next = desc_oa(v) >> HW_FRAME_SHIFT;

		if (!(v & HW_D_VALID)) {
			if (!line_is_real(loc))
				loc |= 7;
			continue;
		}
		stale_replaced(loc, f, v, writer, hw_m.agents);
		if (desc_is_table(v, f->level) && next && next < HW_MAX_FRAMES && hw_m.frame[next].level > f->level)
			stale_unlinked((uint32_t)next, writer);
	}
}

/* Takes agents away from an entry, and the entry when nobody is left. */
void stale_drop(struct hw_stale *e, unsigned tlb, unsigned early)
{
	const unsigned was = e->tlb;

	stale_account(e, 0, e->early & early, -1);
	e->early &= (uint8_t)~early;
	e->tlb &= (uint8_t)~tlb;
	if (was && !e->tlb)
		stale_account(e, 1, 0, -1);
	if (!e->tlb && !e->early)
		stale_remove((uint16_t)(e - hw_m.stale));
}

/* Leaves of a retired ASID serve nobody; its tables, whoever still has it loaded. Global leaves serve everybody. */
void stale_retire(unsigned asid, unsigned loaded)
{
	uint16_t next;

	for (uint16_t i = hw_m.oldest; i != NIL; i = next) {
		struct hw_stale *e = &hw_m.stale[i];
		const bool leaf = desc_is_leaf(e->val, stale_level(e));

		next = e->newer;
		if (stale_asid(e) != asid || (leaf && !(e->val & HW_D_NG)))
			continue;
		if (leaf)
			stale_drop(e, ~0u, ~0u);
		else
			stale_drop(e, ~loaded, ~loaded);
	}
}

/* Does what this agent holds of the run or leaf translate to the page? */
static bool holds_page(const struct hw_stale *e, unsigned agent, uint64_t pa)
{
	uint64_t size = 1ull << level_shift(stale_level(e)), oa = desc_oa(e->val) & ~(size - 1);

	if (!(e->tlb & hw_m.agents & 1u << agent))
		return false;
	if (stale_cont(e)) {
		const unsigned unit = level_shift(stale_level(e));

		size = (uint64_t)(run_hi(e, agent) - run_lo(e, agent)) << unit;
		oa += (uint64_t)run_lo(e, agent) << unit;
	}
	return pa - oa < size;
}

/* Does a cached leaf translate to this page? */
bool stale_reaches_page(uint64_t pa)
{
	for (uint16_t i = hw_m.oldest; i != NIL; i = hw_m.stale[i].newer) {
		const struct hw_stale *e = &hw_m.stale[i];

		if (!e->tlb || !desc_is_leaf(e->val, stale_level(e)))
			continue;
		if (e->va & VA_KERNEL) /* its linear map holds every page, and that is no hazard */
			continue;
		for (unsigned a = 0; a < HW_MAX_AGENT; a++)
			if (holds_page(e, a, pa))
				return true;
	}
	return false;
}

/* DDI 0487 D8.2.6, B2.3.12: context synchronisation discards translations of instructions not yet executed. */
void stale_sync(unsigned cpu)
{
	uint16_t next;

	/* Most have been replaced since the last one. */
	for (uint16_t i = hw_m.newest; hw_m.nearly[cpu] && i != NIL; i = next) {
		struct hw_stale *e = &hw_m.stale[i];

		next = e->older;
		if (e->early >> cpu & 1)
			stale_drop(e, 0, 1u << cpu);
	}
}

void hw_do_context_sync(unsigned cpu)
{
	if (hw_m.nearly[cpu])
		stale_sync(cpu);
	if (hw_m.cpu[cpu].npend)
		pend_mark_sync(cpu);
	if (unlikely(hw.trace != NULL)) {
		const struct hw_trace t = {.kind = HW_T_CTXSYNC, .cpu = (uint8_t)cpu, .step = hw.step, .ok = true};

		hw.trace(&t);
	}
}

static unsigned count_pending(uint32_t loc)
{
	unsigned n = 0;

	for (unsigned c = 0; hw_m.npend && c < hw.cfg.ncpu; c++)
		for (unsigned i = 0; i < hw_m.cpu[c].npend; i++)
			n += !pend_of(&hw_m.cpu[c])[i].clear && pend_of(&hw_m.cpu[c])[i].loc == loc;
	return n;
}

unsigned hw_stale_count(uint64_t va)
{
	const uint64_t page = va_canon(va) & ~((1ull << hw_m.page_shift) - 1);
	const uint64_t block = page & ~((1ull << block_shift()) - 1);
	const uint32_t root = page & VA_KERNEL ? hw_m.kernel_root : hw_m.ctx[0].root;
	const uint64_t *slot = root ? hw_leaf_slot(loc_ptr(root << LOC_BITS), va) : NULL;
	unsigned n = slot ? count_pending((uint32_t)(slot - hw_m.mem)) : 0;

	for (uint16_t i = hw_m.head[stale_bucket_page(page)]; i != NIL; i = hw_m.stale[i].next)
		n += !stale_cont(&hw_m.stale[i]) && hw_m.stale[i].va == page;
	for (uint16_t i = hw_m.head[stale_bucket_block(block)]; i != NIL; i = hw_m.stale[i].next)
		n += stale_cont(&hw_m.stale[i]) && hw_m.stale[i].va == block;
	return n;
}
