/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Break-before-make: the rules, checked when a valid leaf becomes coherent, and what an access meets.
 *
 * Property: a finding is exactly a change that DDI 0487 D8.16.1 allows only by break-before-make while an old
 * translation of the same address may still be used: another output address, memory type, shareability, or
 * global where it was not, at any level of FEAT_BBM; another contiguous bit only below level 1, a block in place of a table
 * or a table in place of a block below level 2 (at level 1 that needs the nT bit, which nothing here sets).
 * Permissions, AF, DBM, dirty and software bits may change in place.
 */
#include "internal.h"

#define HELD_MAX 16

struct xlation {
	uint64_t va, size, oa, val;
	int8_t level;
	bool cont;
	bool pages; /* cached page by page: no size to disagree about */
};

static struct xlation xlation_of(uint64_t va, uint64_t v, int level)
{
	struct xlation x = {
		.va = va, .size = 1ull << level_shift(level), .oa = desc_oa(v), .val = v, .level = (int8_t)level};

	if (level >= 2 && (v & HW_D_CONT)) {
		x.cont = true;
		x.size = 1ull << run_shift(level);
		x.va &= ~(x.size - 1);
		x.oa &= ~(x.size - 1);
	} else if (level < 3) {
		x.oa &= ~(x.size - 1);
	}
	return x;
}

static enum hw_finding bbm_compare(const struct xlation *old, const struct xlation *new)
{
	const uint64_t attrs = HW_D_ATTRIDX | D_SH;

	if (old->va >= new->va + new->size || new->va >= old->va + old->size)
		return HW_F_NONE;
	if (old->oa - old->va != new->oa - new->va)
		return HW_F_BBM_OA;
	if ((old->val ^ new->val) & attrs)
		return HW_F_BBM_OA;
	if ((old->val & HW_D_NG) && !(new->val &HW_D_NG))
		return HW_F_BBM_OA;
	if (old->size != new->size && !old->pages && !new->pages)
		return HW_F_BBM_CONT;
	return HW_F_NONE;
}

static struct xlation xlation_of_stale(const struct hw_stale *e)
{
	struct xlation x = xlation_of(e->va, e->val, stale_level(e));

	if (stale_partial(e)) {
		const unsigned unit = level_shift(stale_level(e));

		x.va += (uint64_t)e->lo << unit;
		x.oa += (uint64_t)e->lo << unit;
		x.size = (uint64_t)(e->hi - e->lo) << unit;
		x.pages = stale_level(e) == 3;
	}
	return x;
}

/* What a store must not do: another contiguous bit is permitted where all CPUs that may hold the old one have level 1 and
 * above, another size where they have level 2. */
static inline enum hw_finding bbm_rule(const struct xlation *old, const struct xlation *new, unsigned cpus)
{
	const enum hw_finding f = bbm_compare(old, new);

	return f == HW_F_BBM_CONT && hw_bbml_of(cpus) >= (old->level == new->level ? 1u : 2u) ? HW_F_NONE : f;
}

/*
 * What two translations of one address do to an access that finds both. Permitted or not, up to level 2 it may take a
 * TLB conflict abort (DDI 0487 R_NGLXZ, R_JQQTC: at levels 1 and 2 that or one of the programmed values, at level 0 a
 * mixture as well). Only CPUs that promise never to abort are free of it.
 */
bool bbm_conflict(const struct hw_stale *old, const struct hw_stale *new)
{
	const struct xlation a = xlation_of_stale(old), b = xlation_of_stale(new);

	return bbm_compare(&a, &b) != HW_F_NONE;
}

bool bbm_conflict_now(const struct hw_stale *old, uint64_t va, uint64_t desc, int level)
{
	const struct xlation a = xlation_of_stale(old);
	const struct xlation b = xlation_of(va & ~((1ull << level_shift(level)) - 1), desc, level);

	return bbm_compare(&a, &b) != HW_F_NONE;
}

static enum hw_finding worse(enum hw_finding a, enum hw_finding b)
{
	if (a == HW_F_NONE)
		return b;
	return b != HW_F_NONE && b < a ? b : a; /* OA before CONT in the enum */
}

static enum hw_finding check_stale(const struct hw_stale *e, const struct xlation *x, unsigned asid)
{
	const int level = stale_level(e);
	struct xlation old;

	if (!(e->tlb & CPUS_MASK) || !desc_is_leaf(e->val, level))
		return HW_F_NONE;
	if (e->va >= x->va + x->size ||
	    x->va >= e->va + (1ull << (stale_cont(e) ? run_shift(level) : level_shift(level))))
		return HW_F_NONE;
	if (e->va == x->va && x->size <= 1ull << block_shift() && stale_cont(e) == x->cont && level == 3 &&
	    !((e->val ^ (x->oa | (x->val & ~HW_D_OA))) & (HW_D_OA | HW_D_ATTRIDX | D_SH | HW_D_NG)))
		return HW_F_NONE;
	if (stale_asid(e) != asid && (e->val & HW_D_NG) && (x->val & HW_D_NG))
		return HW_F_NONE;
	old = xlation_of_stale(e);
	return bbm_rule(&old, x, e->tlb);
}

static enum hw_finding check_list(unsigned bucket, const struct xlation *x, unsigned asid)
{
	enum hw_finding worst = HW_F_NONE;

	for (uint16_t i = hw_m.head[bucket]; i != NIL; i = hw_m.stale[i].next)
		worst = worse(worst, check_stale(&hw_m.stale[i], x, asid));
	return worst;
}

static enum hw_finding check_all(const struct xlation *x, unsigned asid)
{
	enum hw_finding worst = HW_F_NONE;

	for (uint16_t i = hw_m.oldest; i != NIL; i = hw_m.stale[i].newer)
		worst = worse(worst, check_stale(&hw_m.stale[i], x, asid));
	return worst;
}

/* Against valid neighbours of the block, which a TLB may hold at any time. */
static enum hw_finding check_siblings(uint32_t loc, const struct xlation *x, uint64_t va)
{
	const struct hw_frame *f = frame_of(loc);
	const unsigned users = hw_m.frame[f->home].users;
	const int level = f->level;
	const uint32_t first = loc & ~(run_entries(level) - 1);
	const uint64_t base = va & ~((1ull << run_shift(level)) - 1);
	enum hw_finding worst = HW_F_NONE;

	for (uint32_t l = first; l < first + run_entries(level); l++) {
		const uint64_t v = coh_read(l);
		struct xlation old;

		if (l == loc || !desc_is_leaf(v, level) || desc_is_poison(v) || !((v | x->val) & HW_D_CONT))
			continue;
		old = xlation_of(base + ((uint64_t)(l - first) << level_shift(level)), v, level);
		worst = worse(worst, bbm_rule(&old, x, users));
	}
	return worst;
}

/* Does the whole block agree with it already? Then the first entry of the run was checked against all of it. */
static bool joins_run(uint32_t loc, const struct xlation *x)
{
	const struct hw_block *b = block_of(loc);
	bool misaligned;

	return x->cont && b->ncont && !b->mixed && bbm_norm(loc, x->val, &misaligned) == b->norm && !misaligned;
}

static enum hw_finding check_block3(uint32_t loc, const struct xlation *x, uint64_t va)
{
	const struct hw_block *b = block_of(loc);
	bool look = b->ncont || b->nsingle;

	if (!x->cont)
		look = b->ncont;
	else if (joins_run(loc, x))
		look = b->nsingle;
	return look ? check_siblings(loc, x, va) : HW_F_NONE;
}

static enum hw_finding check_level3(uint32_t loc, const struct hw_frame *f, const struct xlation *x, uint64_t va)
{
	enum hw_finding worst = worse(check_list(stale_bucket_page(va), x, f->asid),
				      check_list(stale_bucket_block(va), x, f->asid));

	worst = worse(worst, check_block3(loc, x, va));
	if (!x->cont || joins_run(loc, x))
		return worst;
	for (unsigned i = 0; hw_m.npages && i < hw_m.ncont; i++)
		worst = worse(worst,
			      check_list(stale_bucket_page(x->va + ((uint64_t)i << hw_m.page_shift)), x, f->asid));
	return worst;
}

/* `v` has just replaced another value at loc, whose block counts do not include either. */
void bbm_check(uint32_t loc, const struct hw_frame *f, uint64_t v, const char *fn, int line)
{
	const uint64_t va = f->va + ((uint64_t)(loc & (HW_MAX_TABLE - 1)) << level_shift(f->level));
	enum hw_finding worst;
	struct xlation x;

	if (!desc_is_leaf(v, f->level))
		return;
	x = xlation_of(va, v, f->level);
	if (f->level == 3)
		worst = worse(check_list(STALE_UP, &x, f->asid), check_level3(loc, f, &x, va));
	else /* a block: smaller ones anywhere in it */
		worst = check_all(&x, f->asid);
	if (f->level == 2)
		worst = worse(worst, check_siblings(loc, &x, va));
	if (worst != HW_F_NONE)
		hw_find(worst, fn, line);
}

static bool block_cached(const struct hw_frame *f)
{
	for (uint16_t i = hw_m.head[STALE_UP]; i != NIL; i = hw_m.stale[i].next)
		if (hw_m.stale[i].tlb && desc_is_leaf(hw_m.stale[i].val, stale_level(&hw_m.stale[i])) &&
		    stale_level(&hw_m.stale[i]) < f->level)
			return true;
	return false;
}

/* What CPUs may hold of the addresses of a table. */
struct held {
	unsigned n;
	struct {
		struct xlation x;
		const struct hw_stale *e;
	} h[HELD_MAX];
	/* An entry that agreed with all of it: those that follow with the same attributes do, as far as `to`. */
	uint64_t val, va, to;
};

/* False: too much. */
static bool held_collect(struct held *h, uint64_t va, uint64_t size)
{
	h->n = 0;
	h->to = 0;
	for (uint16_t i = hw_m.oldest; i != NIL; i = hw_m.stale[i].newer) {
		const struct hw_stale *e = &hw_m.stale[i];
		struct xlation x;

		if (!(e->tlb & CPUS_MASK) || !desc_is_leaf(e->val, stale_level(e)))
			continue;
		x = xlation_of_stale(e);
		if (x.va >= va + size || va >= x.va + x.size)
			continue;
		if (h->n == HELD_MAX)
			return false;
		h->h[h->n].x = x;
		h->h[h->n++].e = e;
	}
	return true;
}

/* How far from x on nothing begins or ends in what is held: 0 if something does inside x. */
static uint64_t held_uniform(const struct held *h, const struct xlation *x)
{
	const uint64_t end = x->va + x->size;
	uint64_t to = ~0ull;

	for (unsigned i = 0; i < h->n; i++) {
		const uint64_t lo = h->h[i].x.va, hi = lo + h->h[i].x.size;

		if ((lo > x->va && lo < end) || (hi > x->va && hi < end))
			return 0;
		if (lo >= end && lo < to)
			to = lo;
		if (hi >= end && hi < to)
			to = hi;
	}
	return to;
}

/* bbm_check() of one entry, against that; not of its neighbours. */
static enum hw_finding held_check(struct held *h, const struct hw_frame *f, const struct xlation *x, uint64_t va,
				  bool joins)
{
	enum hw_finding worst = HW_F_NONE;
	bool all = true;

	if (x->va + x->size <= h->to && x->val - h->val == va - h->va && va > h->va)
		return HW_F_NONE;
	for (unsigned i = 0; i < h->n; i++) {
		const struct hw_stale *e = h->h[i].e;

		if (joins && e->bucket != STALE_UP && e->bucket != stale_bucket_page(va) &&
		    e->bucket != stale_bucket_block(va)) {
			all = false;
			continue;
		}
		if (stale_asid(e) != f->asid && (e->val & HW_D_NG) && (x->val & HW_D_NG))
			continue;
		worst = worse(worst, bbm_rule(&h->h[i].x, x, e->tlb));
	}
	h->to = worst == HW_F_NONE && all ? held_uniform(h, x) : 0;
	h->val = x->val;
	h->va = va;
	return worst;
}

static void held_entry(struct held *h, uint32_t loc, const struct hw_frame *f, const char *fn, int line)
{
	const uint64_t v = hw_m.mem[loc];
	const uint64_t va = f->va + ((uint64_t)(loc & (HW_MAX_TABLE - 1)) << level_shift(f->level));
	enum hw_finding worst;
	struct xlation x;

	if (!desc_is_leaf(v, f->level))
		return;
	x = xlation_of(va, v, f->level);
	worst = held_check(h, f, &x, va, f->level == 3 && joins_run(loc, &x));
	if (f->level == 3)
		worst = worse(worst, check_block3(loc, &x, va));
	else if (f->level == 2)
		worst = worse(worst, check_siblings(loc, &x, va));
	if (worst != HW_F_NONE)
		hw_find(worst, fn, line);
}

/* A table that was filled before has just been linked: what it maps is translated from now on. */
void bbm_check_table(const struct hw_frame *f, uint32_t frame, const char *fn, int line)
{
	struct held held;
	bool all;

	if (f->state != FRAME_LIVE || !block_cached(f))
		return;
	all = held_collect(&held, f->va, (uint64_t)hw_m.nentries << level_shift(f->level));
	for (uint32_t loc = frame << LOC_BITS, end = loc + hw_m.nentries; loc < end; loc++) {
		if (!line_is_real(loc) || !(hw_m.mem[loc] & HW_D_VALID) || desc_is_poison(hw_m.mem[loc]))
			continue;
		if (all)
			held_entry(&held, loc, f, fn, line);
		else
			bbm_check(loc, f, hw_m.mem[loc], fn, line);
	}
}
