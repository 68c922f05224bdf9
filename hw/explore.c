/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an exhaustive exploration needs of the machine: all ways an access can go, late hardware updates, and a
 * hash of the state up to renaming of clocks.
 *
 * Property: two machines with the same hash behave alike under every continuation; clocks, counters, hints and
 * the order of the stale list do not enter it, only what is decided by comparing them.
 */
#include "internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

unsigned hw_explore_access(struct hw_access *a, unsigned k)
{
	const uint8_t xlate = hw.cfg.xlate;

	hw.cfg.xlate = HW_XLATE_ALTERNATE;
	hw_m.alt = k;
	hw_m.ncand = 1;
	hw_do_access(a);
	hw.cfg.xlate = xlate;
	return hw_m.ncand;
}

unsigned hw_drainable(unsigned cpu)
{
	const struct hw_cpu *c = &hw_m.cpu[cpu];
	unsigned n = 0;

	for (unsigned i = 0; i < c->npend; i++)
		n += pend_can_drain(&hw_m.cpu[cpu], i);
	return n;
}

/* ---- late updates ----
 *
 * The walker's update is an atomic of its own: it reaches memory after the access that needed it, no later than a
 * full DSB of that CPU (DDI 0487 D8.5.7, B2.3.11). It has been promised, so nobody else's write to the descriptor
 * comes between: whoever writes the location waits for it.
 */

static void late_apply(unsigned i)
{
	const struct hw_late l = hw_m.late[i];

	hw_m.late[i] = hw_m.late[--hw_m.nlate];
	mem_update_now(l.loc, (coh_read(l.loc) & ~l.clear) | l.set, l.agent);
}

void late_add(uint32_t loc, uint64_t v, unsigned agent)
{
	const uint64_t old = coh_read(loc);

	for (unsigned i = 0; i < hw_m.nlate; i++) {
		struct hw_late *l = &hw_m.late[i];

		if (l->loc == loc && l->agent == agent) {
			l->set |= v & ~old;
			l->clear |= old & ~v;
			return;
		}
	}
	late_force(loc);
	if (hw_m.nlate == LATE_MAX)
		late_apply(0);
	hw_m.late[hw_m.nlate++] = (struct hw_late){
		.set = v & ~old,
		.clear = old & ~v,
		.loc = loc,
		.agent = (uint8_t)agent,
	};
}

void late_force(uint32_t loc)
{
	for (unsigned i = hw_m.nlate; i-- > 0;)
		if (hw_m.late[i].loc == loc)
			late_apply(i);
}

bool late_pending(uint32_t loc)
{
	for (unsigned i = 0; i < hw_m.nlate; i++)
		if (hw_m.late[i].loc == loc)
			return true;
	return false;
}

void late_force_frame(uint32_t frame)
{
	for (unsigned i = hw_m.nlate; i-- > 0;)
		if (hw_m.late[i].loc >> LOC_BITS == frame)
			late_apply(i);
}

void late_force_cpu(unsigned cpu)
{
	for (unsigned i = hw_m.nlate; i-- > 0;)
		if (hw_m.late[i].agent == cpu)
			late_apply(i);
}

unsigned hw_late_count(void)
{
	return hw_m.nlate;
}

void hw_do_late(unsigned i)
{
	if (i < hw_m.nlate)
		late_apply(i);
}

/* ---- canonical hash ---- */

static uint64_t canon_frames(uint64_t h)
{
	for (uint32_t i = 1; i < hw_m.frame_top; i++) {
		const struct hw_frame *f = &hw_m.frame[i];
		const uint64_t head[] = {f->state,   f->level,	f->zero,   f->is_root,
					 f->nlink,   f->nstale, f->parent, f->is_root ? f->asid : 0u,
					 f->retired, f->users};

		h = XXH3_64bits_withSeed(head, sizeof(head), h);
		for (uint32_t l = 0; l < hw_m.nentries; l += 8)
			if (line_is_real(i << LOC_BITS | l))
				h = XXH3_64bits_withSeed(loc_ptr(i << LOC_BITS | l), 64, h + l);
	}
	return h;
}

/* Of the numbers of DMBs only the steps between neighbours matter. */
static uint64_t canon_pending(struct hw_cpu *c, uint64_t h)
{
	for (unsigned i = 0; i < c->npend; i++) {
		const struct hw_pend *p = pend_of(c) + i;
		const uint32_t next = i + 1 < c->npend ? p[1].group : c->group;
		const uint64_t rec[] = {p->val, p->loc, p->own, p->clear, next != p->group};

		h = XXH3_64bits_withSeed(rec, sizeof(rec), h);
	}
	return h + c->npend;
}

/* The list is a set; of the ticks only the comparisons of covered() matter. */
static uint64_t canon_stale(void)
{
	uint64_t sum = 0;

	for (unsigned i = hw_m.oldest; i != NIL; i = hw_m.stale[i].newer) {
		const struct hw_stale *e = &hw_m.stale[i];
		uint64_t seen = 0;

		for (unsigned n = 0; n < hw.cfg.ncpu; n++) {
			const struct hw_cpu *c = &hw_m.cpu[n];

			for (unsigned d = 0; d < 2; d++)
				seen = seen << 1 | (e->tick <= (e->writer == n ? c->dsb_st[d] : c->dsb_all[d]));
		}
		const uint64_t rec[] = {e->va,	  e->val,    e->shape,	e->loc,	   e->tlb,
					e->early, e->kill_b, e->kill_l, e->writer, seen};
		const bool cont = stale_cont(e);
		const uint64_t h = cont ? XXH3_64bits(&e->lo, 2 + sizeof(e->plo) + sizeof(e->phi)) : 0;

		sum += XXH3_64bits_withSeed(rec, sizeof(rec), h);
	}
	return sum;
}

uint64_t hw_canon_hash(void)
{
	uint64_t h = canon_frames(canon_stale());

	for (unsigned i = 0; i < hw.cfg.ncpu; i++)
		h = canon_pending(&hw_m.cpu[i], h * 31 + i);
	for (unsigned a = 0; a < HW_MAX_AGENT; a++)
		h = h * 31 + ((uint64_t)hw_m.ctx[a].root << 16 | hw_m.ctx[a].asid);
	h = h * 31 + hw_m.kernel_root;
	for (unsigned i = 0; i < hw_m.nlate; i++) {
		const uint64_t rec[] = {hw_m.late[i].set, hw_m.late[i].clear, hw_m.late[i].loc, hw_m.late[i].agent};

		h = h * 31 + XXH3_64bits(rec, sizeof(rec));
	}
	return XXH3_64bits_withSeed(hw_m.lock, sizeof(hw_m.lock), h);
}
