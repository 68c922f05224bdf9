/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's future, as a hash.
 *
 * Property: two machines of one configuration with equal hw_future_hash(), both between two ops (no lock held, no
 * TLBI operand under evaluation), answer every later sequence of calls alike, with the same findings. So all
 * that the code of hw/ ever reads again is hashed, and nothing that it only counts:
 *
 * - memory: the value of every entry of every live table (a materialized line and one that is not read alike), and
 *   what decides how a frame reads, links and is blamed: state, level, zero, root, ASID, its users, parent, numbers of links
 *   and of cached links, who allocated and who linked it;
 * - pending stores in program order with the number of DMBs between them, and their order among CPUs;
 * - the stale list in order of age. Of ticks only their order is ever read: between two stale values (the
 *   order of the list) and between a stale value and a DSB (hashed as what covered() in tlbi.c would answer);
 * - locks: who released last, where that CPU still has stores that the next owner would have to see;
 * - the choice counters, where a personality reads them.
 *
 * Left out: steps and other statistics, caches of what is hashed (reachability, block counts), hints, positions
 * in free lists, and the number of stale values forgotten.
 */
#include "future.h"
#include "internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t add(uint64_t h, const void *p, size_t n)
{
	return XXH3_64bits_withSeed(p, n, h);
}

/* Names are blamed by their text; their addresses differ from one run of the tool to the next. */
static uint64_t add_name(uint64_t h, const char *fn)
{
	for (; fn && *fn; fn++)
		h = (h ^ (unsigned char)*fn) * 1099511628211ull;
	return h * 31 + 1;
}

static uint64_t future_frames(uint64_t h)
{
	for (uint32_t i = 1; i < hw_m.frame_top; i++) {
		const struct hw_frame *f = &hw_m.frame[i];
		const uint64_t head[] = {i,	    f->state,  f->level, f->zero,    f->is_root, f->nlink,
					 f->nstale, f->parent, f->asid,	 f->retired, f->users};

		h = add(h, head, sizeof(head));
		h = add_name(add_name(h, f->fn), f->link_fn);
		for (uint32_t l = 0; f->state == FRAME_LIVE && l < hw_m.nentries; l += 8) {
			const uint32_t loc = i << LOC_BITS | l;
			uint64_t v[8];

			if (!line_is_real(loc) && f->zero)
				continue;
			for (unsigned k = 0; k < 8; k++)
				v[k] = coh_read(loc + k);
			for (unsigned k = 0; k < 8; k++) {
				if (v[k])
					h = add(h + l + k, &v[k], sizeof(v[k]));
			}
		}
	}
	return h * 31 + hw_m.frame_rotor;
}

static unsigned pend_rank(uint64_t seq)
{
	unsigned n = 0;

	for (unsigned c = 0; c < HW_MAX_CPU; c++)
		for (unsigned i = 0; i < hw_m.cpu[c].npend; i++)
			n += pend_of(&hw_m.cpu[c])[i].seq < seq;
	return n;
}

static uint64_t future_cpu(uint64_t h, unsigned n)
{
	struct hw_cpu *c = &hw_m.cpu[n];

	h = h * 31 + c->nlocks;
	for (unsigned i = 0; i < c->npend; i++) {
		const struct hw_pend *p = pend_of(c) + i;
		const uint64_t rec[] = {n,	p->val,	 pend_rank(p->seq), p->loc, c->group - p->group,
					p->own, p->clear};

		h = add_name(add(h, rec, sizeof(rec)), p->fn);
	}
	return h;
}

static uint64_t future_stale(uint64_t h)
{
	for (unsigned i = hw_m.oldest; i != NIL; i = hw_m.stale[i].newer) {
		const struct hw_stale *e = &hw_m.stale[i];
		uint64_t rec[] = {e->va,    e->val,    e->loc,	  e->shape,  e->tlb,
				  e->early, e->kill_b, e->kill_l, e->writer, 0};

		for (unsigned n = 0; n < hw.cfg.ncpu; n++)
			for (unsigned ish = 0; ish < 2; ish++) {
				const struct hw_cpu *c = &hw_m.cpu[n];
				const uint64_t dsb = e->writer == n ? c->dsb_st[ish] : c->dsb_all[ish];

				rec[9] |= (uint64_t)(e->tick <= dsb) << (2 * n + ish);
			}
		h = add(h, rec, sizeof(rec));
		if (hw.cfg.bbml < 3 && hw.cfg.xlate != HW_XLATE_FRESH)
			h = add_name(h, hw_m.stale_by[i].fn);
		if (stale_cont(e))
			h = add(h, &e->lo, 2 + sizeof(e->plo) + sizeof(e->phi));
	}
	return h;
}

uint64_t hw_future_hash(void)
{
	uint64_t h = future_frames(hw.cfg.geo + 1);

	for (unsigned n = 0; n < hw.cfg.ncpu; n++)
		h = future_cpu(h, n);
	for (unsigned a = 0; a < HW_MAX_AGENT; a++)
		h = h * 31 + ((uint64_t)hw_m.ctx[a].root << 16 | hw_m.ctx[a].asid);
	h = h * 31 + hw_m.kernel_root;
	h = (h * 31 + hw_m.reserved) * 31 + hw_m.flushed;
	for (unsigned l = 0; hw_m.npend && l < LOCK_MAX; l++)
		h = h * 31 + (uint64_t)(int64_t)hw_m.lock[l].last;
	if (hw.cfg.xlate == HW_XLATE_ALTERNATE)
		h = h * 31 + (hw_m.alt & 0xff); /* taken modulo the number of candidates, which is small */
	if (hw.cfg.xlate == HW_XLATE_HASHED || hw.cfg.pick == HW_PICK_HASHED || hw.cfg.alloc_fails)
		h = (h * 31 + hw_m.pick_last) * 31 + hw_m.pick_ord;
	return future_stale(h);
}

bool hw_any_pending(void)
{
	return hw_m.npend != 0;
}
