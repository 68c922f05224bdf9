/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pending plain stores of each CPU.
 *
 * Property: stores drain in every order that coherence and DMB allow and in no other: two stores to one
 * location in program order, and no store before one that a DMB orders before it (DDI 0487 B2.3).
 */
#include <string.h>
#include "internal.h"

static bool pend_overlaps(const struct hw_pend *a, const struct hw_pend *b)
{
	if (a->clear || b->clear)
		return a->loc >> LOC_BITS == b->loc >> LOC_BITS;
	return a->loc == b->loc;
}

/* The newest own pending store to loc; `must`: only if the own walker can no longer miss it. */
bool pend_forward(struct hw_cpu *c, uint32_t loc, uint64_t *v, bool must, uint32_t *group)
{
	if (!pend_maybe(c, loc) || (must && !c->nown))
		return false;
	for (unsigned i = c->npend; i-- > 0;) {
		const struct hw_pend *p = pend_of(c) + i;

		if (p->clear ? p->loc >> LOC_BITS != loc >> LOC_BITS : p->loc != loc)
			continue;
		if (must && p->own != 2 && !(p->own && hw.cfg.ets2))
			continue;
		*v = p->val;
		if (group)
			*group = p->group;
		return true;
	}
	return false;
}

/* The newest own pending store to loc that a walker sees once it has seen one of `group`: those of older groups,
 * and those it can no longer miss anyway. */
bool pend_forward_older(struct hw_cpu *c, uint32_t loc, uint64_t *v, uint32_t group)
{
	if (!pend_maybe(c, loc))
		return false;
	for (unsigned i = c->npend; i-- > 0;) {
		const struct hw_pend *p = pend_of(c) + i;

		if (p->clear ? p->loc >> LOC_BITS != loc >> LOC_BITS : p->loc != loc)
			continue;
		if (p->group >= group && p->own != 2 && !(p->own && hw.cfg.ets2))
			continue;
		*v = p->val;
		return true;
	}
	return false;
}

static __attribute__((noinline)) void pend_trace(const struct hw_pend *p, unsigned cpu, uint64_t old)
{
	const struct hw_trace t = {.kind = HW_T_DRAIN,
				   .cpu = (uint8_t)cpu,
				   .step = hw.step,
				   .p = loc_ptr(p->loc),
				   .old = old,
				   .val = p->val,
				   .ok = true,
				   .fn = p->fn,
				   .line = p->line};

	hw.trace(&t);
}

static void pend_apply(const struct hw_pend *p, unsigned cpu)
{
	const unsigned agents = hw_m.agents;
	const uint64_t old = unlikely(hw.trace != NULL) ? coh_read(p->loc) : 0;

	if (unlikely(hw_m.nlate)) {
		if (p->clear)
			late_force_frame(p->loc >> LOC_BITS);
		else
			late_force(p->loc);
	}
	if (p->own && !p->clear) /* to the own walker the old value was replaced at the DSB NSH */
		hw_m.agents &= ~(1u << cpu);
	if (p->clear)
		mem_clear(p->loc, cpu, p->fn, p->line);
	else
		mem_write(p->loc, p->val, cpu, p->fn, p->line);
	hw_m.agents = agents;
	if (unlikely(hw.trace != NULL))
		pend_trace(p, cpu, old);
}

static void pend_tally(struct hw_cpu *c, const struct hw_pend *p, int n)
{
	uint8_t *const count = p->clear ? &c->clears[p->loc >> LOC_BITS] : pend_count(c, p->loc);

	*count = (uint8_t)(*count + n);
	hw_m.pending[p->loc >> LOC_BITS] = (uint16_t)(hw_m.pending[p->loc >> LOC_BITS] + n);
	c->nclear += p->clear ? (unsigned)n : 0;
	c->nown += p->own ? (unsigned)n : 0;
}

void pend_reset(struct hw_cpu *c)
{
	for (unsigned i = 0; i < c->npend; i++)
		pend_tally(c, pend_of(c) + i, -1);
	c->first = c->npend = 0;
}

static void pend_take(unsigned cpu, unsigned i)
{
	struct hw_cpu *c = &hw_m.cpu[cpu];
	const struct hw_pend p = pend_of(c)[i];

	c->npend--;
	hw_m.npend--;
	if (i == 0)
		c->first++;
	else
		memmove(pend_of(c) + i, pend_of(c) + i + 1, (c->npend - i) * sizeof(p));
	pend_tally(c, &p, -1);
	pend_apply(&p, cpu);
}

void pend_add(unsigned cpu, uint32_t loc, uint64_t v, bool clear, const char *fn, int line)
{
	struct hw_cpu *c = &hw_m.cpu[cpu];

	if (clear)
		frame_touch(loc >> LOC_BITS);
	else
		block_touch(loc);
	if (c->npend == PEND_MAX)
		pend_take(cpu, 0);
	if (c->first + c->npend == 2 * PEND_MAX || !c->npend) {
		memmove(c->buf, pend_of(c), c->npend * sizeof(c->buf[0]));
		c->first = 0;
	}
	pend_of(c)[c->npend++] = (struct hw_pend){
		.val = v,
		.seq = ++hw_m.seq,
		.loc = loc,
		.group = c->group,
		.clear = clear,
		.fn = fn,
		.line = line,
	};
	hw_m.npend++;
	c->pending_up += frame_of(loc)->level < 3;
	pend_tally(c, &pend_of(c)[c->npend - 1], 1);
}

/* May entry i drain now? */
bool pend_can_drain(struct hw_cpu *c, unsigned i)
{
	const struct hw_pend *p = pend_of(c) + i;

	if (p->group != pend_of(c)[0].group)
		return false;
	if (!p->clear && *pend_count(c, p->loc) == 1 && !c->clears[p->loc >> LOC_BITS])
		return true; /* it overlaps none */
	for (unsigned j = 0; j < i; j++)
		if (pend_overlaps(pend_of(c) + j, p))
			return false;
	return true;
}

static unsigned pend_newest(struct hw_cpu *c)
{
	unsigned i = c->npend;

	while (i-- > 1)
		if (pend_can_drain(c, i))
			return i;
	return 0;
}

void pend_drain_all(unsigned cpu)
{
	struct hw_cpu *c = &hw_m.cpu[cpu];

	while (c->npend)
		pend_take(cpu, hw.cfg.drain == HW_DRAIN_REVERSED ? pend_newest(c) : 0);
}

void pend_drain_older(unsigned cpu)
{
	struct hw_cpu *c = &hw_m.cpu[cpu];

	while (c->npend && pend_of(c)[0].group != c->group)
		pend_take(cpu, hw.cfg.drain == HW_DRAIN_REVERSED ? pend_newest(c) : 0);
}

/* Drains the last store that overlaps `loc`, and before it only what must come before it. */
void pend_drain_loc(unsigned cpu, uint32_t loc)
{
	struct hw_cpu *c = &hw_m.cpu[cpu];
	const struct hw_pend probe = {.loc = loc};

	if (!pend_maybe(c, loc))
		return;
	for (unsigned i = c->npend; i-- > 0;) {
		if (!pend_overlaps(pend_of(c) + i, &probe))
			continue;
		while (!pend_can_drain(c, i)) {
			pend_take(cpu, 0);
			i--;
		}
		pend_take(cpu, i);
		return;
	}
}

void pend_drain_frame(uint32_t frame)
{
	for (unsigned cpu = 0; hw_m.npend && cpu < HW_MAX_CPU; cpu++) {
		struct hw_cpu *c = &hw_m.cpu[cpu];

		for (unsigned i = c->npend; i-- > 0;) {
			if (pend_of(c)[i].loc >> LOC_BITS != frame)
				continue;
			for (unsigned n = i + 1; n; n--)
				pend_take(cpu, 0);
			break;
		}
	}
}

/* One store of the running CPU, or else of the next that has any. */
void pend_drain_newest(void)
{
	for (unsigned n = 0; n < hw.cfg.ncpu; n++) {
		const unsigned cpu = (hw.cpu + n) % hw.cfg.ncpu;

		if (hw_m.cpu[cpu].npend) {
			pend_take(cpu, pend_newest(&hw_m.cpu[cpu]));
			return;
		}
	}
}

void pend_mark_nsh(unsigned cpu)
{
	struct hw_cpu *c = &hw_m.cpu[cpu];

	for (unsigned i = 0; i < c->npend; i++) {
		struct hw_pend *p = pend_of(c) + i;
		struct hw_frame *f = frame_of(p->loc);

		if (p->own)
			continue;
		p->own = 1;
		c->nown++;
		hw_m.by = (struct hw_place){p->fn, p->line};
		/* From here on the old value is a stale one to this CPU, and its local TLBI removes it. */
		if (!p->clear && frame_resolve(f) && coh_read(p->loc) != p->val)
			stale_replaced(p->loc, f, coh_read(p->loc), cpu, 1u << cpu);
	}
}

void pend_mark_sync(unsigned cpu)
{
	struct hw_cpu *c = &hw_m.cpu[cpu];

	for (unsigned i = 0; i < c->npend; i++)
		if (pend_of(c)[i].own)
			pend_of(c)[i].own = 2;
}

int hw_do_drain(unsigned cpu, int i)
{
	struct hw_cpu *c = &hw_m.cpu[cpu];
	unsigned n = 0, can[PEND_MAX];
	const int all = (int)c->npend;

	if (!c->npend)
		return 0;
	if (i < 0) {
		pend_drain_all(cpu);
		return all;
	}
	for (unsigned k = 0; k < c->npend; k++)
		if (pend_can_drain(c, k))
			can[n++] = k;
	pend_take(cpu, can[(unsigned)i % n]);
	return 1;
}
