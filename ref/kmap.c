/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel maps: ranges, contracts and judgement.
 *
 * Property: see kmap.h. An operation that has begun makes the states before and after it possible; its end leaves the
 * one that it promises, and what only a flush may end.
 */
#include "kmap.h"

#include <string.h>

#define ONLY(state) ((uint8_t)(1u << (state)))

/*
 * Which change of a live descriptor is legal without break-before-make, and from which FEAT_BBM level on. Levels relax
 * the size of blocks and the contiguous bit, nothing else (DDI 0487 D8.16.1 and D8.16.2).
 */
const struct ref_km_change ref_km_changes[REF_KM_NCHANGE] = {
	[REF_KM_CH_CREATE] = {"invalid, or without access flag, becomes anything", 0,
			      "DDI 0487 D8.16.1, D8.5.3: the old entry was never cached"},
	[REF_KM_CH_REMOVE] = {"valid becomes invalid", 0, "DDI 0487 D8.16.1: this is the break"},
	[REF_KM_CH_WRITE] = {"write permission", 0, "DDI 0487 D8.16.1: permissions are not in the list"},
	[REF_KM_CH_EXEC] = {"execute permission", 0, "DDI 0487 D8.16.1: permissions are not in the list"},
	[REF_KM_CH_DIRTY] = {"dirty state and its management", 0, "DDI 0487 D8.5.4: hardware does it itself"},
	[REF_KM_CH_ACCESS] = {"access flag", 0, "DDI 0487 D8.5.3: hardware does it itself"},
	[REF_KM_CH_SOFTWARE] = {"bits that hardware ignores", 0, "DDI 0487 D8.3.2"},
	[REF_KM_CH_TO_NG] = {"global becomes non-global", 0,
			     "DDI 0487 D8.16.1: only the other direction is listed"},
	[REF_KM_CH_TO_GLOBAL] = {"non-global becomes global", REF_KM_NEVER, "DDI 0487 D8.16.1"},
	[REF_KM_CH_TYPE] = {"memory type", REF_KM_NEVER, "DDI 0487 D8.16.1"},
	[REF_KM_CH_SHARE] = {"shareability", REF_KM_NEVER, "DDI 0487 D8.16.1"},
	[REF_KM_CH_OA] = {"output address", REF_KM_NEVER, "DDI 0487 D8.16.1"},
	[REF_KM_CH_CONT] = {"contiguous bit", 1, "DDI 0487 D8.16.2, FEAT_BBM level 1"},
	[REF_KM_CH_SIZE] =
		{"block to table, or table to block", 2,
		 "DDI 0487 D8.16.2, FEAT_BBM level 2; level 1 asks for nT in the block, which nobody sets"},
};

const struct ref_km_legal_row ref_km_legals[REF_KM_NLEGAL] = {
	[REF_KM_L_IGNORED_FAULT] =
		{"map-ignored-fault", "one translation fault after publication on a CPU that has not synchronised",
		 "arch/arm64/mm/fault.c, is_spurious_el1_translation_fault(): AT S1E1R succeeds"},
	[REF_KM_L_OLD] = {"map-before-flush",
			  "a state is met that an operation is replacing, or that no flush has ended",
			  "DDI 0487 D8.14: a TLB entry lives until a TLBI that covers it completes"},
	[REF_KM_L_FULL] = {"map-overflow", "a kernel map had more ranges than are remembered",
			   "kmap.h REF_KM_RANGES: widens what is accepted, never invents a finding"},
};
uint64_t ref_km_hits[REF_KM_NLEGAL];

enum ref_km_result ref_km_legally(enum ref_km_legal l)
{
	ref_km_hits[l]++;
	return l == REF_KM_L_IGNORED_FAULT ? REF_KM_RETRY : REF_KM_EXPLAINED;
}

bool ref_km_change_legal(enum ref_km_change_id c, unsigned bbml)
{
	return c < REF_KM_NCHANGE && bbml >= ref_km_changes[c].bbml;
}

void ref_km_reset(struct ref_kmap *k, const struct ref_km_geo *geo)
{
	k->geo = *geo;
	k->now = 1;
	k->n = k->ntabled = k->hint = 0;
	k->full = false;
	memset(k->sync, 0, sizeof(k->sync));
}

/* Index of the first range that ends above `page`. */
static unsigned above(const struct ref_kmap *k, uint64_t page)
{
	unsigned lo = 0, hi = k->n;

	while (lo < hi) {
		const unsigned mid = (lo + hi) / 2;

		if (k->r[mid].hi > page)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

const struct ref_km_range *ref_km_above(const struct ref_kmap *k, uint64_t page)
{
	const unsigned i = above(k, page);

	return i < k->n ? &k->r[i] : NULL;
}

const struct ref_km_range *ref_km_find(const struct ref_kmap *k, uint64_t page)
{
	const struct ref_km_range *r = ref_km_above(k, page);

	return r && r->lo <= page ? r : NULL;
}

const struct ref_km_range *ref_km_find_again(struct ref_kmap *k, uint64_t page)
{
	const struct ref_km_range *r;

	if (k->hint >= k->n || page < k->r[k->hint].lo || page >= k->r[k->hint].hi)
		k->hint = above(k, page);
	r = &k->r[k->hint];
	return k->hint < k->n && r->lo <= page ? r : NULL;
}

uint64_t ref_km_mapped(const struct ref_kmap *k, uint64_t lo, uint64_t hi)
{
	uint64_t n = 0;

	for (unsigned i = above(k, lo); i < k->n && k->r[i].lo < hi; i++) {
		const struct ref_km_range *r = &k->r[i];

		if (r->now != REF_KM_NONE)
			n += (r->hi < hi ? r->hi : hi) - (r->lo > lo ? r->lo : lo);
	}
	return n;
}

/* Room for one more before i. False: there is none, and nothing is judged from now on. */
static bool insert(struct ref_kmap *k, unsigned i)
{
	if (k->n == REF_KM_RANGES) {
		k->full = true;
		return false;
	}
	memmove(&k->r[i + 1], &k->r[i], (k->n - i) * sizeof(k->r[0]));
	k->n++;
	return true;
}

static void cut(struct ref_kmap *k, uint64_t page)
{
	const unsigned i = above(k, page);

	if (i == k->n || k->r[i].lo >= page || !insert(k, i))
		return;
	k->r[i].hi = page;
	k->r[i + 1].pfn += page - k->r[i + 1].lo;
	k->r[i + 1].lo = page;
}

static bool alike(const struct ref_km_range *a, const struct ref_km_range *b)
{
	return a->hi == b->lo && a->pfn + (a->hi - a->lo) == b->pfn && a->now == b->now && a->may == b->may &&
	       a->type == b->type && a->leaf == b->leaf && a->cont == b->cont && a->any_shape == b->any_shape &&
	       a->by == b->by && a->pub == b->pub && a->pub_cpus == b->pub_cpus;
}

/* Neighbours that say the same become one, so that the number of ranges follows the number of requests. */
static void join(struct ref_kmap *k, uint64_t lo, uint64_t hi)
{
	unsigned i = above(k, lo ? lo - 1 : 0), out;

	out = i;
	for (i++; i < k->n && k->r[i].lo <= hi; i++) {
		if (alike(&k->r[out], &k->r[i]))
			k->r[out].hi = k->r[i].hi;
		else
			k->r[++out] = k->r[i];
	}
	if (out + 1 >= i || out + 1 > k->n)
		return;
	memmove(&k->r[out + 1], &k->r[i], (k->n - i) * sizeof(k->r[0]));
	k->n -= i - out - 1;
}

void ref_km_drop(struct ref_kmap *k, uint64_t lo, uint64_t hi)
{
	unsigned i, j;

	cut(k, lo);
	cut(k, hi);
	for (i = j = above(k, lo); j < k->n && k->r[j].lo < hi;)
		j++;
	memmove(&k->r[i], &k->r[j], (k->n - j) * sizeof(k->r[0]));
	k->n -= j - i;
}

void ref_km_put(struct ref_kmap *k, uint64_t lo, uint64_t hi, uint64_t pfn, const struct ref_km_range *like)
{
	const struct ref_km_range new = *like;
	unsigned i;

	if (lo >= hi)
		return;
	ref_km_drop(k, lo, hi);
	i = above(k, lo);
	if (!insert(k, i))
		return;
	k->r[i] = new;
	k->r[i].lo = lo;
	k->r[i].hi = hi;
	k->r[i].pfn = pfn;
	join(k, lo, hi);
}

void ref_km_each(struct ref_kmap *k, uint64_t lo, uint64_t hi, void (*fn)(struct ref_km_range *r, void *arg),
		 void *arg)
{
	cut(k, lo);
	cut(k, hi);
	for (unsigned i = above(k, lo); i < k->n && k->r[i].lo < hi; i++)
		fn(&k->r[i], arg);
	join(k, lo, hi);
}

static void widen(struct ref_km_range *r, void *arg)
{
	r->may |= (uint8_t) * (const unsigned *)arg;
}

void ref_km_open(struct ref_kmap *k, uint64_t lo, uint64_t hi, unsigned states)
{
	ref_km_each(k, lo, hi, widen, &states);
}

/* --- creation */

static bool fits(const struct ref_km_req *q, uint64_t page, unsigned bits)
{
	const uint64_t pfn = q->pfn + (page - q->page), mask = (1ull << bits) - 1;

	return !((page | pfn) & mask) && q->page + q->nr - page > mask;
}

/* Does the aligned run around `page` lie in the request, with aligned frames? */
static bool run_fits(const struct ref_km_req *q, uint64_t page, unsigned bits)
{
	const uint64_t first = page & ~((1ull << bits) - 1);

	return first >= q->page && fits(q, first, bits);
}

/* As large as alignment of both addresses and the rest of the request allow, from the top down. */
unsigned ref_km_leaf(const struct ref_kmap *k, const struct ref_km_req *q, uint64_t page, bool *cont)
{
	const struct ref_km_geo *g = &k->geo;

	*cont = false;
	if (!q->no_block && g->pud_leaf && g->levels >= 3 && fits(q, page, 2u * g->table_bits))
		return 2u * g->table_bits;
	if (!q->no_block && g->levels >= 2 && fits(q, page, g->table_bits)) {
		*cont = !q->no_cont && g->levels > 2 && run_fits(q, page, g->table_bits + g->cont_pmd_bits);
		return g->table_bits;
	}
	*cont = !q->no_cont && run_fits(q, page, g->cont_pte_bits);
	return 0;
}

/* Pages that are created as one: a run, or one leaf. */
static uint64_t unit(const struct ref_km_geo *g, unsigned leaf, bool cont)
{
	return 1ull << (leaf + (cont ? leaf ? g->cont_pmd_bits : g->cont_pte_bits : 0));
}

/* log2 of the pages at whose multiples alone a request may begin to use other leaves, as long as these fit. */
static unsigned next_shape(const struct ref_km_geo *g, const struct ref_km_req *q, unsigned leaf, bool cont)
{
	if (leaf > g->table_bits)
		return 63;
	if (cont || q->no_cont)
		return leaf ? 2u * g->table_bits : g->table_bits;
	return leaf + (leaf ? g->cont_pmd_bits : g->cont_pte_bits);
}

uint64_t ref_km_stretch(const struct ref_kmap *k, const struct ref_km_req *q, uint64_t page, unsigned leaf,
			bool cont)
{
	const unsigned next = next_shape(&k->geo, q, leaf, cont);
	const uint64_t size = unit(&k->geo, leaf, cont), end = q->page + q->nr;
	uint64_t to = ((page >> next) + 1) << next;

	if (next == 63 || to > end)
		to = end;
	return to - page > size ? (to - page) & ~(size - 1) : size;
}

static bool is_tabled(const struct ref_kmap *k, uint64_t lo, uint64_t hi)
{
	for (unsigned i = 0; i < k->ntabled; i++)
		if (k->tabled[i] >= lo && k->tabled[i] < hi)
			return true;
	return false;
}

/*
 * What may be done with [page, page + size), where the request wants leaves of one shape: a hole is filled; leaves that
 * are identical but for permissions change, unless they are contiguous, which stay as they are [pgattr_change_is_safe()].
 */
static enum ref_km_must piece_fate(const struct ref_km_range *r, const struct ref_km_req *q, uint64_t page,
				   unsigned leaf, bool cont)
{
	if (r->any_shape)
		return REF_KM_EITHER;
	if (r->leaf != leaf || r->cont != cont || r->type != q->type ||
	    r->pfn + (page - r->lo) != q->pfn + (page - q->page))
		return REF_KM_REFUSE;
	if (cont)
		return r->now == q->state ? REF_KM_EITHER : REF_KM_REFUSE;
	return REF_KM_SERVE;
}

static enum ref_km_must hole_fate(const struct ref_kmap *k, const struct ref_km_req *q, uint64_t page,
				  uint64_t size, unsigned leaf)
{
	if (!q->may_allocate) /* tables may be missing, or be there from something else */
		return REF_KM_EITHER;
	return leaf && is_tabled(k, page, page + size) ? REF_KM_EITHER : REF_KM_SERVE;
}

/* Of one unit at `page`, and of all that follow it, up to `*to`, of which the same is true for the same reason. */
static enum ref_km_must unit_fate(const struct ref_kmap *k, const struct ref_km_req *q, uint64_t page,
				  uint64_t size, unsigned leaf, bool cont, uint64_t *to)
{
	const struct ref_km_range *r = ref_km_above(k, page);
	enum ref_km_must worst = REF_KM_SERVE;

	if (!r || r->lo >= page + size) {
		if (r && r->lo < *to)
			*to = page + ((r->lo - page) & ~(size - 1));
		return hole_fate(k, q, page, *to - page, leaf);
	}
	if (r->lo <= page && r->hi >= page + size) {
		if (r->hi < *to)
			*to = page + ((r->hi - page) & ~(size - 1));
		return piece_fate(r, q, page, leaf, cont);
	}
	*to = page + size;
	/* One leaf, or run, may be several ranges that differ in their past. */
	for (uint64_t p = page; p < page + size; p = r->hi) {
		enum ref_km_must m;

		r = ref_km_find(k, p);
		if (!r)
			return REF_KM_REFUSE;
		m = piece_fate(r, q, p, leaf, cont);
		worst = m > worst ? m : worst;
	}
	return worst;
}

static void count_tables(struct ref_km_fate *f, const struct ref_km_geo *g, uint64_t page, uint64_t nr,
			 unsigned leaf, uint64_t *last)
{
	for (unsigned i = 0; i + 1u < g->levels && i < 4; i++) {
		const uint64_t first = page >> ((i + 1u) * g->table_bits),
			       t = (page + nr - 1) >> ((i + 1u) * g->table_bits);

		if (leaf >= (i + 1u) * g->table_bits)
			continue;
		f->tables[i] += (unsigned)(t - first) + (last[i] != first);
		last[i] = t;
	}
}

/* Pages [page, page + nr) of the request: units of one shape. */
static void stretch_fate(struct ref_km_fate *f, const struct ref_kmap *k, const struct ref_km_req *q, uint64_t page,
			 uint64_t nr, unsigned leaf, bool cont)
{
	const uint64_t size = unit(&k->geo, leaf, cont), end = page + nr;
	uint64_t to;

	for (; page < end && f->must != REF_KM_REFUSE; page = to) {
		enum ref_km_must m;

		to = end;
		m = unit_fate(k, q, page, size, leaf, cont, &to);
		if (m == REF_KM_REFUSE)
			f->at = page;
		if (m > f->must)
			f->must = m;
	}
}

struct ref_km_fate ref_km_fate(const struct ref_kmap *k, const struct ref_km_req *q)
{
	struct ref_km_fate f = {.must = REF_KM_SERVE};
	uint64_t last[4] = {~0ull, ~0ull, ~0ull, ~0ull}, nr;

	for (uint64_t page = q->page, end = q->page + q->nr; page < end; page += nr) {
		bool cont;
		const unsigned leaf = ref_km_leaf(k, q, page, &cont);
		const unsigned each = (unsigned)(unit(&k->geo, leaf, cont) >> leaf); /* leaves of a unit */
		uint64_t room = (REF_KM_LEAVES - f.leaves) / each * each;

		nr = ref_km_stretch(k, q, page, leaf, cont);
		if (room > nr >> leaf)
			room = nr >> leaf;
		if (room) {
			count_tables(&f, &k->geo, page, room << leaf, leaf, last);
			stretch_fate(&f, k, q, page, room << leaf, leaf, cont);
		}
		f.leaves += (unsigned)room;
		f.blocks += leaf ? (unsigned)room : 0;
		if (room < nr >> leaf) {
			f.leaves += each;
			return f;
		}
	}
	return f;
}

/* Where there is nothing, a range says that there may be something soon. */
static void open_hole(struct ref_kmap *k, const struct ref_km_req *q, uint64_t lo, uint64_t hi)
{
	const struct ref_km_range r = {
		.now = REF_KM_NONE,
		.may = (uint8_t)(ONLY(REF_KM_NONE) | ONLY(q->state)),
		.type = q->type,
		.any_shape = true,
		.by = q->id,
		.pub = REF_NEVER,
	};

	ref_km_put(k, lo, hi, q->pfn + (lo - q->page), &r);
}

static void open_same(struct ref_km_range *r, void *arg)
{
	const struct ref_km_req *q = arg;

	if (r->now != REF_KM_NONE && r->pfn == q->pfn + (r->lo - q->page))
		r->may |= ONLY(q->state);
}

void ref_km_create_begin(struct ref_kmap *k, const struct ref_km_req *q)
{
	const uint64_t end = q->page + q->nr;

	k->now++;
	ref_km_each(k, q->page, end, open_same, (void *)(uintptr_t)q);
	for (uint64_t p = q->page; p < end && !k->full;) {
		const struct ref_km_range *r = ref_km_above(k, p);
		const uint64_t to = r && r->lo < end ? r->lo : end;

		if (to > p) {
			open_hole(k, q, p, to);
			p = to;
		} else {
			p = r->hi;
		}
	}
}

/* The part of the request that was reached: old states stay possible until a flush. */
static void close_done(struct ref_kmap *k, const struct ref_km_req *q, uint64_t lo, uint64_t hi, unsigned leaf,
		       bool cont)
{
	for (uint64_t p = lo; p < hi && !k->full;) {
		const struct ref_km_range *r = ref_km_above(k, p);
		struct ref_km_range new = {.now = q->state,
					   .may = ONLY(q->state),
					   .type = q->type,
					   .leaf = (uint8_t)leaf,
					   .cont = cont,
					   .by = q->id,
					   .pub_cpus = (uint8_t)(1u << q->cpu),
					   .pub = k->now};
		uint64_t to = hi;

		if (r && (r->lo > p ? r->lo : r->hi) < hi)
			to = r->lo > p ? r->lo : r->hi;
		if (r && r->lo <= p && r->now != REF_KM_NONE) {
			new.may = r->now == q->state ? (uint8_t)(r->may) : (uint8_t)(r->may | ONLY(q->state));
			new.pub = r->pub;
			new.pub_cpus = r->pub_cpus;
			new.by = r->now == q->state ? r->by : q->id;
		}
		ref_km_put(k, p, to, q->pfn + (p - q->page), &new);
		p = to;
	}
}

static void close_hole(struct ref_kmap *k, uint64_t lo, uint64_t hi)
{
	for (uint64_t p = lo; p < hi;) {
		const struct ref_km_range *r = ref_km_above(k, p);
		const uint64_t from = r && r->lo > p ? r->lo : p, to = r && r->hi < hi ? r->hi : hi;

		if (!r || r->lo >= hi)
			return;
		if (r->now == REF_KM_NONE)
			ref_km_drop(k, from, to);
		p = to;
	}
}

/* Tables are made from the top down for one address at a time: those that a failure leaves empty all lead to `page`. */
static void note_tables(struct ref_kmap *k, uint64_t page)
{
	for (unsigned i = 0; i < k->ntabled; i++)
		if (k->tabled[i] == page)
			return;
	if (k->ntabled == REF_KM_TABLED)
		k->full = true;
	else
		k->tabled[k->ntabled++] = page;
}

void ref_km_create_end(struct ref_kmap *k, const struct ref_km_req *q, uint64_t done)
{
	const uint64_t end = q->page + q->nr;
	uint64_t size;

	k->now++;
	for (uint64_t p = q->page; p < q->page + done && !k->full; p += size) {
		bool cont;
		const unsigned leaf = ref_km_leaf(k, q, p, &cont);

		size = ref_km_stretch(k, q, p, leaf, cont);
		if (size > q->page + done - p)
			size = q->page + done - p;
		close_done(k, q, p, p + size, leaf, cont);
	}
	close_hole(k, q->page + done, end);
	if (done != q->nr)
		note_tables(k, q->page + done);
}

static struct ref_verdict verdict(const char *cls, const char *what, uint8_t debtor, uint64_t page)
{
	return (struct ref_verdict){.cls = cls, .what = what, .debtor = debtor, .page = page};
}

struct ref_verdict ref_km_create_judge(const struct ref_km_fate *f, const struct ref_km_req *q, bool err,
				       bool nomem, uint64_t done)
{
	const struct ref_verdict fine = {.cls = NULL};

	if (f->must == REF_KM_REFUSE && !err)
		return verdict("value", "must-refuse-served", q->id, f->at);
	if (f->must == REF_KM_REFUSE && q->page + done > f->at)
		return verdict("state", "refused-but-changed", q->id, f->at);
	if (f->must == REF_KM_SERVE && err && !nomem)
		return verdict("value", "legal-refused", q->id, q->page);
	if (!err && done != q->nr)
		return verdict("state", "not-mapped", q->id, q->page + done);
	return fine;
}

static void flush_one(struct ref_km_range *r, void *arg)
{
	(void)arg;
	if (r->pub != REF_NEVER) /* not one that an operation has under way */
		r->may = ONLY(r->now);
}

/* Only what replaced an older state before the flush began; the caller flushes its own changes. */
void ref_km_flush(struct ref_kmap *k, uint64_t lo, uint64_t hi)
{
	k->now++;
	ref_km_each(k, lo, hi, flush_one, NULL);
}

void ref_km_sync(struct ref_kmap *k, unsigned cpu)
{
	k->sync[cpu % REF_KM_CPUS] = ++k->now;
}

/* --- judgement */

static enum ref_km_result finding(struct ref_verdict *v, const char *what, uint8_t debtor, uint64_t page)
{
	*v = verdict("access", what, debtor, page);
	return REF_KM_FINDING;
}

static bool permits(unsigned state, const struct ref_km_access *a)
{
	return (!a->write || ref_km_writes(state)) && (!a->fetch || ref_km_execs(state));
}

static enum ref_km_result judge_ok(const struct ref_km_range *r, const struct ref_km_access *a,
				   struct ref_verdict *v)
{
	bool allowed = false;

	if (!r || !(r->may & ~(ONLY(REF_KM_NONE) | ONLY(REF_KM_INVALID))))
		return finding(v, "not-mapped-but-translated", r ? r->by : 0, a->page);
	if (a->pfn != r->pfn + (a->page - r->lo))
		return finding(v, "wrong-pfn", r->by, a->page);
	for (unsigned s = REF_KM_RO; s <= REF_KM_RWX; s++)
		allowed |= (r->may >> s & 1) && permits(s, a);
	if (!allowed)
		return finding(v, "permission-gained", r->by, a->page);
	return ref_km_valid(r->now) && permits(r->now, a) ? REF_KM_EXPLAINED : ref_km_legally(REF_KM_L_OLD);
}

/*
 * A CPU that did not run the barriers, nor synchronised its context since, may still use a walk that it began before:
 * one translation fault, which the kernel ignores if a new walk succeeds [is_spurious_el1_translation_fault()].
 */
static enum ref_km_result judge_translation(struct ref_kmap *k, const struct ref_km_range *r,
					    const struct ref_km_access *a, struct ref_verdict *v)
{
	if (!r || !ref_km_valid(r->now))
		return REF_KM_EXPLAINED;
	if (r->may & (ONLY(REF_KM_NONE) | ONLY(REF_KM_INVALID)))
		return ref_km_legally(REF_KM_L_OLD);
	if (a->fresh)
		return finding(v, "not-published", r->by, a->page);
	if (r->pub_cpus >> a->cpu & 1 || k->sync[a->cpu % REF_KM_CPUS] > r->pub)
		return finding(v, "spurious-kernel-fault", r->by, a->page);
	return ref_km_legally(REF_KM_L_IGNORED_FAULT);
}

enum ref_km_result ref_km_access(struct ref_kmap *k, const struct ref_km_access *a, struct ref_verdict *v)
{
	const struct ref_km_range *r = ref_km_find_again(k, a->page);

	if (k->full)
		return ref_km_legally(REF_KM_L_FULL);
	if (a->fault == REF_KM_F_OK)
		return judge_ok(r, a, v);
	if (a->fault == REF_KM_F_TRANSLATION)
		return judge_translation(k, r, a, v);
	for (unsigned s = REF_KM_RO; r && s <= REF_KM_RWX; s++)
		if ((r->may >> s & 1) && !permits(s, a))
			return ref_km_valid(r->now) && !permits(r->now, a) ? REF_KM_EXPLAINED
									   : ref_km_legally(REF_KM_L_OLD);
	return finding(v, "permission-lost", r ? r->by : 0, a->page);
}

const char *ref_km_check_leaf(const struct ref_kmap *k, const struct ref_km_leaf_obs *o)
{
	const uint64_t size = 1ull << o->leaf;

	for (uint64_t p = o->page; p < o->page + size && !k->full;) {
		const struct ref_km_range *r = ref_km_find(k, p);

		if (!r || r->now == REF_KM_NONE)
			return "mapped-too-much";
		if (o->pfn + (p - o->page) != r->pfn + (p - r->lo))
			return "wrong-pfn";
		if (o->state != r->now)
			return "wrong-permission";
		if (o->type != r->type)
			return "wrong-type";
		if (!r->any_shape && o->leaf != r->leaf)
			return o->leaf > r->leaf ? "leaf-too-large" : "leaf-too-small";
		if (!r->any_shape && o->cont != r->cont)
			return o->cont ? "cont-unexpected" : "cont-missing";
		p = r->hi;
	}
	return NULL;
}
