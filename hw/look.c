/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a drawing of the tables asks: table frames, what each CPU has stored and nobody else sees, what is cached.
 *
 * Property: looking changes nothing: no step, no trace, no line of memory is materialized, and the state hash is the same
 * before and after.
 */
#include "internal.h"
#include "tables.h"

_Static_assert(HW_ASID_KERNEL == ASID_KERNEL, "one name for drivers, one here");

const void *look_refused;

const void *hw_refused(void)
{
	return look_refused;
}

static uint32_t loc_of(const void *p)
{
	return (uint32_t)((const uint64_t *)p - hw_m.mem);
}

uint64_t hw_coherent(const void *p)
{
	return coh_read(loc_of(p));
}

bool hw_is_poison(uint64_t v)
{
	return desc_is_poison(v);
}

uint64_t hw_canon_va(uint64_t va)
{
	return va_canon(va);
}

const void *hw_kernel_table(void)
{
	return hw_m.kernel_root ? loc_ptr(hw_m.kernel_root << LOC_BITS) : NULL;
}

bool hw_look_frame(unsigned frame, struct hw_frame_look *out)
{
	const struct hw_frame *f = &hw_m.frame[frame];

	if (frame >= HW_MAX_FRAMES || f->state == FRAME_NEVER)
		return false;
	*out = (struct hw_frame_look){.asid = f->asid,
				      .level = f->level,
				      .live = f->state == FRAME_LIVE,
				      .cleared = f->zero,
				      .fn = f->fn,
				      .line = f->line};
	return true;
}

bool hw_look_pending(unsigned cpu, const void *p, uint64_t *v)
{
	return pend_forward(&hw_m.cpu[cpu], loc_of(p), v, false, NULL);
}

bool hw_look_late(const void *p, unsigned *agent, uint64_t *v)
{
	for (unsigned i = 0; i < hw_m.nlate; i++) {
		const struct hw_late *l = &hw_m.late[i];

		if (l->loc != loc_of(p))
			continue;
		*agent = l->agent;
		*v = (coh_read(l->loc) | l->set) & ~l->clear;
		return true;
	}
	return false;
}

/* The part of a run that is left: of the CPUs, or of the SMMU when it alone has it. */
static void look_run(const struct hw_stale *e, struct hw_cached *c)
{
	const unsigned agent = c->tlb == 1u << HW_SMMU ? HW_SMMU : 0, size = level_shift(stale_level(e));

	c->n = run_hi(e, agent) - run_lo(e, agent);
	c->va += (uint64_t)run_lo(e, agent) << size;
	c->val += (uint64_t)run_lo(e, agent) << size;
}

bool hw_look_cached(unsigned *at, struct hw_cached *c)
{
	const struct hw_stale *e;

	for (; *at < hw_m.stale_top; ++*at)
		if (hw_m.stale[*at].live && (hw_m.stale[*at].tlb | hw_m.stale[*at].early) & hw_m.agents)
			break;
	if (*at >= hw_m.stale_top)
		return false;
	e = &hw_m.stale[(*at)++];
	*c = (struct hw_cached){.va = e->va,
				.val = e->val,
				.n = 1,
				.asid = stale_asid(e),
				.level = (int8_t)stale_level(e),
				.tlb = (uint8_t)(e->tlb & hw_m.agents),
				.early = (uint8_t)(e->early & hw_m.agents),
				.run = stale_cont(e),
				.ending = e->kill_b || e->kill_l};
	if (c->run)
		look_run(e, c);
	return true;
}
