/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Contracts of splits and permission changes of the kernel's map, and of walks over it.
 *
 * Property: see ksplit.h.
 */
#include "ksplit.h"

#include <stddef.h>
#include <string.h>

static unsigned state_after(unsigned s, unsigned change)
{
	switch (change) {
	case REF_KS_RO:
		return s & ~(unsigned)REF_KS_W;
	case REF_KS_RW:
		return s | REF_KS_W;
	case REF_KS_MKX:
		return s | REF_KS_X;
	case REF_KS_NX:
		return s & ~(unsigned)REF_KS_X;
	case REF_KS_ROX:
		return (s & ~(unsigned)REF_KS_W) | REF_KS_X;
	case REF_KS_VALID:
		return s | REF_KS_V;
	case REF_KS_INVALID:
	case REF_KS_DIRECT_INVALID:
		return s & ~(unsigned)REF_KS_V;
	default:
		return s | REF_KS_V | REF_KS_W;
	}
}

uint8_t ref_ks_after(uint8_t states, unsigned change)
{
	uint8_t out = 0;

	for (unsigned s = 0; s < REF_KS_NSTATES; s++)
		if (states >> s & 1)
			out |= REF_KS_SET(state_after(s, change));
	return out;
}

void ref_ks_map(struct ref_kmap *k, uint64_t lo, uint64_t hi, uint64_t pfn, uint8_t state)
{
	const struct ref_km_range r = {.now = REF_KS_SET(state), .may = REF_KS_SET(state), .pub_cpus = 0xff};

	ref_km_put(k, lo, hi, pfn, &r);
}

/* One range of a change. */
struct change {
	unsigned change, cpu;
	uint8_t by;
	uint32_t now;
};

static void begin_range(struct ref_km_range *r, void *arg)
{
	const struct change *c = arg;

	r->now |= ref_ks_after(r->now, c->change);
	r->may |= r->now;
	r->by = c->by;
}

/* ROX: what is possible on the way is read-only without execution; nothing is writable and executable that was not. */
static void begin_rox(struct ref_km_range *r, void *arg)
{
	const struct change *c = arg;
	const uint8_t was = r->now;

	r->now = (uint8_t)(was | ref_ks_after(was, REF_KS_RO) | ref_ks_after(was, REF_KS_ROX));
	r->may |= r->now;
	r->by = c->by;
}

void ref_ks_begin(struct ref_kmap *k, uint64_t lo, uint64_t hi, unsigned change, uint8_t by)
{
	struct change c = {.change = change, .by = by};

	k->now++;
	ref_km_each(k, lo, hi, change == REF_KS_ROX ? begin_rox : begin_range, &c);
}

static bool flushes(unsigned change)
{
	return change != REF_KS_VALID && change != REF_KS_DIRECT_INVALID && change != REF_KS_DIRECT_DEFAULT;
}

/* Without a flush what was valid lingers; what was not is in no TLB, and publication ends it. */
static void done_range(struct ref_km_range *r, void *arg)
{
	const struct change *c = arg;
	const bool publishes = (c->change == REF_KS_VALID || c->change == REF_KS_DIRECT_DEFAULT) && (r->may & 0x0f);

	r->now = ref_ks_after(r->now, c->change);
	if (flushes(c->change))
		r->may = r->now;
	else if (publishes || c->change != REF_KS_DIRECT_INVALID)
		r->may = (uint8_t)((r->may & 0xf0) | r->now);
	else
		r->may |= r->now;
	if (publishes) {
		r->pub = c->now;
		r->pub_cpus = (uint8_t)(1u << c->cpu);
	}
}

void ref_ks_done(struct ref_kmap *k, uint64_t lo, uint64_t hi, unsigned change, unsigned cpu)
{
	struct change c = {.change = change, .cpu = cpu, .now = ++k->now};

	ref_km_each(k, lo, hi, done_range, &c);
}

/* How far it came nobody knows: begin has made all possible. It may have published what it made valid, or not. */
void ref_ks_failed(struct ref_kmap *k, uint64_t lo, uint64_t hi)
{
	(void)lo, (void)hi;
	k->now++;
}

/* Nothing is like an entry that permits nothing. */
static void vanish_range(struct ref_km_range *r, void *arg)
{
	(void)arg;
	r->now |= REF_KS_SET(0);
	r->may |= REF_KS_SET(0);
}

void ref_ks_vanish(struct ref_kmap *k, uint64_t lo, uint64_t hi)
{
	ref_km_each(k, lo, hi, vanish_range, NULL);
}

bool ref_ks_may_be_gone(const struct ref_km_range *r)
{
	return r->now & REF_KS_SET(0);
}

/* What a state must have for the access. */
static unsigned needed(const struct ref_ks_access *a)
{
	return REF_KS_V | (a->write ? REF_KS_W : 0u) | (a->fetch ? REF_KS_X : 0u);
}

static bool some_has(uint8_t states, unsigned bits)
{
	for (unsigned s = 0; s < REF_KS_NSTATES; s++)
		if ((states >> s & 1) && (s & bits) == bits)
			return true;
	return false;
}

/* A valid one that lacks what the access needs. */
static bool some_denies(uint8_t states, unsigned bits)
{
	for (unsigned s = REF_KS_V; s < REF_KS_NSTATES; s++)
		if ((states >> s & 1) && (s & bits) != bits)
			return true;
	return false;
}

bool ref_ks_some_executes(const struct ref_kmap *k, uint64_t lo, uint64_t hi)
{
	for (const struct ref_km_range *r; lo < hi && (r = ref_km_above(k, lo)) && r->lo < hi; lo = r->hi)
		if (some_has(r->now, REF_KS_V | REF_KS_X))
			return true;
	return false;
}

static enum ref_km_result finding(const char **what, const char *which)
{
	*what = which;
	return REF_KM_FINDING;
}

/* One translation fault on a mapping that others have published since this CPU synchronised; nothing else. */
static enum ref_km_result judge_missing(const struct ref_kmap *k, const struct ref_km_range *r,
					const struct ref_ks_access *a, const char **what)
{
	if (!r || (r->now & 0x0f))
		return REF_KM_EXPLAINED;
	if (r->may & 0x0f)
		return ref_km_legally(REF_KM_L_OLD);
	if (a->fresh || (r->pub_cpus >> a->cpu & 1) || k->sync[a->cpu % REF_KM_CPUS] > r->pub)
		return finding(what, "spurious-kernel-fault");
	return ref_km_legally(REF_KM_L_IGNORED_FAULT);
}

enum ref_km_result ref_ks_access(struct ref_kmap *k, const struct ref_ks_access *a, const char **what)
{
	const struct ref_km_range *r = ref_km_find_again(k, a->page);

	if (k->full)
		return ref_km_legally(REF_KM_L_FULL);
	if (a->fault == REF_KM_F_TRANSLATION)
		return judge_missing(k, r, a, what);
	if (a->fault != REF_KM_F_OK) {
		if (!r || !some_denies(r->may, needed(a)))
			return finding(what, "permission-lost");
		return some_denies(r->now, needed(a)) ? REF_KM_EXPLAINED : ref_km_legally(REF_KM_L_OLD);
	}
	if (!r || !some_has(r->may, REF_KS_V))
		return finding(what, r ? "stale-after-flush" : "not-mapped-but-translated");
	if (a->pfn != r->pfn + (a->page - r->lo))
		return finding(what, "wrong-pfn");
	if (!some_has(r->may, needed(a)))
		return finding(what, "permission-gained");
	return some_has(r->now, needed(a)) ? REF_KM_EXPLAINED : ref_km_legally(REF_KM_L_OLD);
}

const char *ref_ks_check(const struct ref_kmap *k, uint64_t page, uint64_t nr, uint64_t pfn, uint8_t state)
{
	for (uint64_t p = page; p < page + nr && !k->full;) {
		const struct ref_km_range *r = ref_km_find(k, p);

		if (!r)
			return "mapped-too-much";
		if (pfn + (p - page) != r->pfn + (p - r->lo))
			return "wrong-pfn";
		if (!(r->now >> state & 1)) {
			if ((state & (REF_KS_W | REF_KS_X | REF_KS_V)) == (REF_KS_W | REF_KS_X | REF_KS_V))
				return "writable-and-executable";
			return (r->now & 0xf0) && (state & REF_KS_V) ? "wrong-permission" : "wrong-validity";
		}
		p = r->hi;
	}
	return NULL;
}

bool ref_ks_area_legal(const struct ref_ks_area *a, unsigned n, uint64_t page, uint64_t nr)
{
	for (unsigned i = 0; i < n; i++)
		if (page >= a[i].lo && page < a[i].hi)
			return page + nr <= a[i].hi && !a[i].huge;
	return false;
}

bool ref_ks_alias_follows(unsigned change)
{
	return change == REF_KS_RO || change == REF_KS_RW || change == REF_KS_ROX;
}

/* --- walks */

void ref_ks_walk_begin(struct ref_ks_walk *w, uint64_t start, uint64_t end, bool may_vanish)
{
	*w = (struct ref_ks_walk){.pos = start, .end = end, .again_level = -1, .may_vanish = may_vanish};
	memset(w->seen, 0xff, sizeof(w->seen));
}

/* Everything at or below `level` that lies before `addr` has been left with its callback. */
static bool left_open(const struct ref_ks_walk *w, unsigned level, uint64_t addr)
{
	for (unsigned l = level; l < 3 && !w->no_post; l++)
		if (w->open[l] && w->seen[l] != addr)
			return true;
	return false;
}

/* An entry is looked at again if it asked for it, or if the table below it has gone: once a change, so a walk ends. */
static bool may_repeat(const struct ref_ks_walk *w, unsigned level, bool again, unsigned changes)
{
	return again || (w->may_vanish && level == 2 && changes != w->changes);
}

const char *ref_ks_walk_entry(struct ref_ks_walk *w, unsigned level, uint64_t addr, uint64_t next, bool leaf,
			      unsigned changes)
{
	const bool again = w->again_level == (int)level && w->again == addr;

	if (w->over)
		return "callback-after-end";
	if (w->again_level >= 0 && !again)
		return "again-ignored";
	w->again_level = -1;
	if (addr != w->pos)
		return addr < w->pos ? "visited-twice" : "skipped";
	if (next <= addr || next > w->end)
		return "out-of-range";
	if (left_open(w, level, addr))
		return "post-missing";
	if (w->seen[level] == addr && !may_repeat(w, level, again, changes))
		return "visited-twice";
	if (level == 2)
		w->changes = changes;
	w->seen[level] = addr;
	for (unsigned l = level + 1; l < 4; l++)
		w->seen[l] = ~0ull;
	if (level < 3)
		w->open[level] = !leaf;
	if (leaf)
		w->pos = next;
	return NULL;
}

const char *ref_ks_walk_hole(struct ref_ks_walk *w, unsigned level, uint64_t addr, uint64_t next)
{
	if (w->over)
		return "callback-after-end";
	if (addr != w->pos)
		return addr < w->pos ? "visited-twice" : "skipped";
	if (level < 3 && w->seen[level] == addr)
		w->open[level] = false; /* what was below has gone with it */
	if (left_open(w, level, ~0ull))
		return "post-missing";
	w->again_level = -1; /* what was there is gone */
	w->pos = next;
	return NULL;
}

const char *ref_ks_walk_post(struct ref_ks_walk *w, unsigned level, uint64_t addr, uint64_t next)
{
	if (w->over)
		return "callback-after-end";
	if (w->again_level >= 0)
		return "again-ignored";
	if (level > 2 || !w->open[level] || w->seen[level] != addr)
		return "post-unexpected";
	if (w->pos != next)
		return w->pos < next ? "skipped" : "visited-twice";
	w->open[level] = false;
	return left_open(w, level + 1, ~0ull) ? "post-missing" : NULL;
}

const char *ref_ks_walk_end(const struct ref_ks_walk *w, int wanted, int ret)
{
	if (ret != wanted)
		return "wrong-result";
	if (w->over)
		return NULL;
	return w->pos != w->end ? "skipped" : left_open(w, 0, ~0ull) ? "post-missing" : NULL;
}
