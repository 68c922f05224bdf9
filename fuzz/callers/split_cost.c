/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an op on the linear map has to do, by the shape of the map before it.
 *
 * Property: looks at the tables without a step, and never at what the implementation does; an edge that is one already
 * needs nothing, two edges in one leaf need that leaf's table once. Maps only ever get finer, so what others do meanwhile
 * takes work away.
 */
#include "split.h"

#include <string.h>

#include "hw/tables.h"

static unsigned shift_of(unsigned level)
{
	return ex.geo->page_shift + (3 - level) * ex.geo->table_bits;
}

static unsigned run_shift(unsigned level)
{
	return shift_of(level) + (level == 3 ? ex.geo->cont_bits : ex.geo->cont2_bits);
}

static bool is_edge(uint64_t va, unsigned shift)
{
	return !(va & ((1ull << shift) - 1));
}

void split_plan_begin(struct split_plan *p)
{
	const struct pt_profile *profile = &ex.impl->profile;

	memset(p, 0, sizeof(*p));
	p->f.E = 1u << ex.geo->table_bits;
	p->f.lazy = profile->lazy;
	p->f.lazy_form = profile->lazy_form;
}

/* True the first time: a run is unfolded once, a leaf gets one table. */
static bool is_new(struct split_plan *p, uint64_t key)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->done[i] == key)
			return false;
	if (p->n == SPLIT_PLAN_MAX)
		p->full = true;
	else
		p->done[p->n++] = key;
	return true;
}

static bool unfold(struct split_plan *p, uint64_t va, unsigned level)
{
	if (!is_new(p, va >> run_shift(level) << 8 | level << 1 | 1))
		return false;
	p->f.runs += 1u << (run_shift(level) - shift_of(level));
	return true;
}

/* An entry of the top table is published at once [set_swapper_pgd()]. */
static void count_top(struct split_plan *p, int level)
{
	p->f.tops += level == 4 - ex.geo->levels;
}

/* From the leaf at va down: smaller leaves come as runs, until va lies between two. Whether there is anything to do. */
static bool plan_edge(struct split_plan *p, uint64_t va)
{
	uint64_t desc;
	int level = lin_leaf(va, &desc);
	bool cont = desc & HW_D_CONT, work = false;

	for (; level > 0; level++, cont = true) {
		if (cont && !is_edge(va, run_shift((unsigned)level)))
			work |= unfold(p, va, (unsigned)level);
		if (is_edge(va, cont ? run_shift((unsigned)level) : shift_of((unsigned)level)) ||
		    is_edge(va, shift_of((unsigned)level)))
			return work;
		if (is_new(p, va >> shift_of((unsigned)level) << 8 | (unsigned)level << 1)) {
			p->f.cuts++;
			count_top(p, level);
			work = true;
		}
	}
	return work;
}

/* Where no leaf may be cut nothing is: all is mapped by pages, or has to be before. */
static bool plan_is_pages(uint64_t va)
{
	return lin.env.force_pte || lin.lacks || (va >= lin.env.kfence.start && va < lin.env.kfence.end);
}

void split_plan_edges(struct split_plan *p, const struct split_range *a)
{
	bool lo, hi;

	if (plan_is_pages(lin_va(a->lo)))
		return;
	p->f.locks++;
	p->f.modes++;
	lo = plan_edge(p, lin_va(a->lo));
	hi = plan_edge(p, lin_va(a->hi));
	p->f.busy += lo || hi;
}

/* Leaves of [va, end), inside one leaf of a level, once it has been cut at its edges. */
static unsigned pieces(uint64_t va, uint64_t end, unsigned level)
{
	const uint64_t size = 1ull << shift_of(level);
	unsigned n = 0;

	if (level == 3 || (is_edge(va, shift_of(level)) && end - va == size))
		return 1;
	for (uint64_t next, sub = 1ull << shift_of(level + 1); va < end; va = next) {
		next = (va & ~(sub - 1)) + sub;
		if (next > end)
			next = end;
		if (level == 2 || next - va == sub)
			n++;
		else
			n += (unsigned)((next - va) >> ex.geo->page_shift);
	}
	return n;
}

static unsigned leaves_of(struct split_plan *p, const struct split_range *a)
{
	const uint64_t end = lin_va(a->hi);
	unsigned n = 0;
	uint64_t desc;

	for (uint64_t va = lin_va(a->lo), next; va < end; va = next) {
		const int level = lin_leaf(va, &desc);
		const unsigned shift = shift_of(level < 0 ? 3 : (unsigned)level);

		count_top(p, level);
		next = ((va >> shift) + 1) << shift;
		if (next > end)
			next = end;
		n += level < 0 ? 0 : pieces(va, next, (unsigned)level);
	}
	return n;
}

void split_plan_change(struct split_plan *p, const struct split_range *a, bool flush)
{
	const unsigned n = leaves_of(p, a);

	split_plan_edges(p, a);
	p->f.modes++;
	p->f.busy += n > 0;
	p->f.changes += n;
	if (!flush)
		return;
	p->f.flushes++;
	p->f.ranges += cost_kernel_flush(a->hi - a->lo, hw.cfg.tlbirange);
}

/* Where the leaf at va ends; a level-1 leaf becomes blocks first, of which those in the range are cut. */
static uint64_t plan_leaf(struct split_plan *p, uint64_t va, uint64_t end, uint64_t *last_run)
{
	uint64_t desc, next;
	const int level = lin_leaf(va, &desc);
	const unsigned shift = shift_of(level < 0 ? 3 : (unsigned)level);

	next = ((va >> shift) + 1) << shift;
	if (level >= 2 && desc & HW_D_CONT && va >> run_shift((unsigned)level) != *last_run) {
		*last_run = va >> run_shift((unsigned)level);
		p->f.runs += 1u << (run_shift((unsigned)level) - shift);
	}
	if (level >= 0 && level < 3)
		p->f.cuts++;
	count_top(p, level);
	if (level == 1)
		p->f.cuts += (unsigned)((((next < end ? next : end) - 1) >> shift_of(2)) - (va >> shift_of(2)) + 1);
	return next;
}

void split_plan_range(struct split_plan *p, const struct split_range *a)
{
	const unsigned before = p->f.cuts + p->f.runs;
	const uint64_t end = lin_va(a->hi);
	uint64_t last_run = ~0ull;

	if (a->lo >= a->hi)
		return;
	for (uint64_t va = lin_va(a->lo); va < end;)
		va = plan_leaf(p, va, end, &last_run);
	p->f.modes++;
	p->f.busy += p->f.cuts + p->f.runs > before;
}

/* All memory but kernel text, a flush a range of memory. */
void split_plan_repaint(struct split_plan *p)
{
	const struct split_range text = {lin_page(lin.env.page_offset + lin.env.text.start),
					 lin_page(lin.env.page_offset + lin.env.text.end)};

	for (unsigned i = 0; i < lin.env.nmem; i++) {
		const struct split_range a = {lin_page(lin.env.page_offset + lin.env.mem[i].start),
					      lin_page(lin.env.page_offset + lin.env.mem[i].end)};
		struct split_range lo = a, hi = a;

		if (text.lo >= a.lo && text.hi <= a.hi) {
			lo.hi = text.lo;
			hi.lo = text.hi;
			split_plan_range(p, &hi);
		}
		split_plan_range(p, &lo);
		p->f.flushes++;
		p->f.ranges += cost_kernel_flush(a.hi - a.lo, hw.cfg.tlbirange);
	}
}

void split_plan_end(const struct split_plan *p, const struct cost_map_mark *m, unsigned op, bool shared)
{
	if (p->full)
		cost_stats.skipped++;
	else
		cost_map_end(m, op, &p->f, shared);
}
