// SPDX-License-Identifier: GPL-2.0-only
/*
 * The minimizer.
 *
 * Property: the result has the signature it was asked for and is 1-minimal: no single change of change_make()
 * keeps that signature and makes the program simpler. min_is_minimal() checks exactly that, over the same list.
 * Beyond it, joint changes are tried within a budget of machine steps, because people want the shortest program,
 * not a local minimum.
 *
 * "Simpler" is one total order (cost): fewer records, then a more benign header, then smaller arguments. Every
 * accepted step lowers it, so the search ends. A candidate is judged by its effective arguments: an op that the
 * executor clips reads as it ran.
 */
#include "exec.h"

#include <string.h>

#include "hw/hw.h"

#define JOINT_STEPS  (40u * 1000 * 1000) /* machine steps for joint changes: about half a second */
#define RUN_OVERHEAD 300		 /* an execution's fixed cost, in steps */

struct min {
	struct prog best;
	uint64_t cost;
	const struct pt_impl *impl;
	const char *sig;
	min_bank_fn bank;
	void *ctx;
	uint64_t runs, steps, budget;
	struct outcome out;
};

/* Candidates that failed once: executions are repeatable and the bar only rises, so they fail again. */
#define SEEN_BITS 14
static uint64_t seen[1u << SEEN_BITS];

/* ---- the order ---- */

#define COST_REC (1ull << 40)
#define COST_HDR (1ull << 24)

static uint64_t hdr_cost(const struct prog_hdr *h)
{
	uint64_t c = (h->salt ? 4 : 0) + !!h->ops_off + !!h->evs_off;

	for (unsigned i = 0; i < HDR_NKEYS; i++) {
		const unsigned v = hdr_get(h, &hdr_keys[i]);

		if (hdr_keys[i].at == offsetof(struct prog_hdr, update_odd))
			c += v == h->update ? 0 : 3; /* CPUs that are all alike are simpler */
		else
			c += v ? v + 2 : 0;
	}
	return c;
}

/* "at the end" and "before the first step" read best, then a low ordinal of a class. */
static unsigned anchor_cost(const struct rec *r)
{
	if (r->anchor == HW_C_OTHER)
		return 0;
	if (r->anchor == HW_C_ANY)
		return r->nr == 1 ? 1 : 2 * r->nr + 2u;
	return r->nr + 1u;
}

static uint64_t rec_cost(const struct rec *r)
{
	const struct op_desc *d = rec_desc(r);
	uint64_t c = r->off + 4u * r->block + (r->is_event ? 2u : 3u) * r->cpu + (r->salt ? 4 : 0);

	c += r->is_event ? anchor_cost(r) : 2u * (r->nr - 1u);
	for (unsigned i = 0; i < OP_MAX_FIELDS && d->field[i].name; i++) {
		const unsigned v = rec_field(r, &d->field[i]);

		c += v ? 2 + v : 0;
	}
	return c;
}

static uint64_t cost(const struct prog *p)
{
	uint64_t c = p->n * COST_REC + hdr_cost(&p->h) * COST_HDR;

	for (unsigned i = 0; i < p->n; i++)
		c += rec_cost(&p->r[i]);
	return c;
}

static void copy(struct prog *to, const struct prog *from)
{
	to->h = from->h;
	to->n = from->n;
	memcpy(to->r, from->r, from->n * sizeof(from->r[0]));
}

/* ---- one execution ---- */

static bool run(struct min *m, struct prog *p)
{
	exec_run(p, m->impl, &m->out);
	m->runs++;
	m->steps += m->out.steps + RUN_OVERHEAD;
	if (!strcmp(m->out.sig, m->sig))
		return true;
	if (m->out.sig[0] && m->bank)
		m->bank(m->ctx, p, &m->out);
	return false;
}

static uint64_t *seen_slot(const struct prog *p, uint64_t *key)
{
	uint8_t b[PROG_MAX_BYTES];
	const size_t n = prog_encode(p, b);
	uint64_t h = n, w;

	for (size_t i = 0; i < n; i += sizeof(w)) { /* header and records are multiples of 8 */
		memcpy(&w, b + i, sizeof(w));
		h = (h ^ w) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	*key = h | 1;
	return &seen[h >> (64 - SEEN_BITS)];
}

/* Does `q` keep the signature at a lower cost than `limit`? `q` becomes what really ran. */
static bool keeps(struct min *m, struct prog *q, uint64_t limit)
{
	struct prog eff;

	if (!run(m, q))
		return false;
	copy(&eff, q);
	exec_effective(&eff);
	prog_normalize(&eff);
	if (!prog_equal(&eff, q)) {
		struct prog raw;

		copy(&raw, q);
		copy(q, &eff);
		if (!run(m, q))
			copy(q, &raw);
	}
	return cost(q) < limit;
}

/* Takes `q` (changed) as the new best if it is simpler and keeps the signature. */
static bool try(struct min *m, struct prog *q)
{
	uint64_t *slot, key;

	prog_normalize(q);
	if (cost(q) >= m->cost)
		return false;
	slot = seen_slot(q, &key);
	if (*slot == key)
		return false;
	if (!keeps(m, q, m->cost)) {
		*slot = key;
		return false;
	}
	copy(&m->best, q);
	m->cost = cost(q);
	return true;
}

/* ---- single changes: the list that 1-minimal refers to ---- */

enum change { CH_NONE, CH_MADE, CH_END };

/* Drops the record; an op with its events. */
static void drop(struct prog *q, unsigned i)
{
	prog_cut(q, i, q->r[i].is_event ? i + 1 : prog_op_end(q, i));
}

static void set_hdr(struct prog *q, const struct hdr_key *k, unsigned v)
{
	const bool alike = q->h.update_odd == q->h.update;

	if (k->at == offsetof(struct prog_hdr, geo))
		prog_set_geo(q, v);
	else
		hdr_set(&q->h, k, v);
	if (k->at == offsetof(struct prog_hdr, update) && alike)
		q->h.update_odd = q->h.update;
}

enum { HDR_VALUES = 3, HDR_CHANGES = HDR_NKEYS * HDR_VALUES + 3 };

/* Each key to each lower value (update_odd: to be as update), salt and masks to nothing. */
static void change_hdr(struct prog *q, unsigned j)
{
	const struct hdr_key *k;

	if (j == HDR_NKEYS * HDR_VALUES) {
		q->h.salt = 0;
	} else if (j == HDR_NKEYS * HDR_VALUES + 1) {
		q->h.ops_off = 0;
	} else if (j == HDR_NKEYS * HDR_VALUES + 2) {
		q->h.evs_off = 0;
	} else {
		k = &hdr_keys[j / HDR_VALUES];
		if (k->at == offsetof(struct prog_hdr, update_odd))
			q->h.update_odd = q->h.update;
		else if (j % HDR_VALUES < hdr_get(&q->h, k))
			set_hdr(q, k, j % HDR_VALUES);
	}
}

/* The number of a field: to nothing, to half, one less. */
static unsigned less(unsigned v, unsigned how)
{
	return !v ? 0 : how == 0 ? 0 : how == 1 ? v / 2 : v - 1;
}

enum { ARG_CHANGES = 16, EV_ANCHORS = 5 * 4, REC_CHANGES = ARG_CHANGES + 3 * OP_MAX_FIELDS + EV_ANCHORS };

static void change_nr(struct rec *r, unsigned how, unsigned cont)
{
	switch (how) {
	case 0:
	case 1:
	case 2:
		r->nr = (uint16_t)(1 + less(r->nr - 1u, how));
		break;
	case 3: /* one block */
		r->nr = r->nr > cont ? (uint16_t)cont : r->nr;
		break;
	default: /* off the front: the end stays */
		if (!r->is_event && r->nr > 1 && r->off + 1u < cont) {
			r->nr--;
			r->off++;
		}
	}
}

static void change_rec(struct prog *q, unsigned i, unsigned j)
{
	struct rec *r = &q->r[i];

	if (j < 5) {
		change_nr(r, j, prog_cont(&q->h));
	} else if (j < 8) {
		r->block = (uint8_t)less(r->block, j - 5);
	} else if (j < 11) {
		r->off = (uint8_t)less(r->off, j - 8);
	} else if (j < 13) {
		r->cpu = (uint8_t)less(r->cpu, j == 11 ? 0 : 2);
	} else if (j == 13) {
		r->salt = 0;
	} else if (j == 14 && r->is_event) {
		r->anchor = HW_C_OTHER;
	} else if (j == 15 && r->is_event) {
		r->anchor = HW_C_ANY;
		r->nr = 1;
	} else if (j >= ARG_CHANGES && j < ARG_CHANGES + 3 * OP_MAX_FIELDS) {
		const struct op_field *f = &rec_desc(r)->field[(j - ARG_CHANGES) / 3];

		if (f->name)
			rec_set_field(r, f, less(rec_field(r, f), (j - ARG_CHANGES) % 3));
	} else if (j >= ARG_CHANGES + 3 * OP_MAX_FIELDS && r->is_event) {
		/* A class and a low ordinal instead of "any" step. */
		j -= ARG_CHANGES + 3 * OP_MAX_FIELDS;
		r->anchor = (uint8_t)(HW_C_LOAD + j / 4);
		r->nr = (uint16_t)(1 + j % 4);
	}
}

/* The idx-th single change of p, in q. */
static enum change change_make(const struct prog *p, unsigned idx, struct prog *q)
{
	if (idx >= p->n + HDR_CHANGES + p->n * REC_CHANGES)
		return CH_END;
	copy(q, p);
	if (idx < p->n)
		drop(q, idx);
	else if (idx < p->n + HDR_CHANGES)
		change_hdr(q, idx - p->n);
	else
		change_rec(q, (idx - p->n - HDR_CHANGES) / REC_CHANGES, (idx - p->n - HDR_CHANGES) % REC_CHANGES);
	prog_normalize(q);
	return cost(q) < cost(p) ? CH_MADE : CH_NONE;
}

/* Applies single changes until a whole round finds none. */
static void singles(struct min *m)
{
	struct prog q;
	bool any;

	do {
		enum change c;

		any = false;
		for (unsigned idx = 0; (c = change_make(&m->best, idx, &q)) != CH_END;) {
			if (c == CH_MADE && try(m, &q))
				any = true; /* the same index again: the list has moved up */
			else
				idx++;
		}
	} while (any);
}

/* ---- coarse steps first: they save most of the executions ---- */

static void coarse_header(struct min *m)
{
	static const uint8_t masks[] = {7, 3, 2, 1}; /* personality, features, geometry */
	struct prog q;

	for (unsigned i = 0; i < sizeof(masks); i++) {
		const unsigned k = masks[i];

		copy(&q, &m->best);
		if (k & 1) {
			q.h.drain = q.h.xlate = q.h.pick = q.h.early = q.h.alloc_fails = 0;
			q.h.salt = 0;
		}
		if (k & 2) {
			q.h.smmu = q.h.ets2 = q.h.ttl = q.h.tlbirange = q.h.bbml = 0;
			q.h.ops_off = 0;
			q.h.evs_off = 0;
		}
		if (k & 4)
			prog_set_geo(&q, HW_GEO_SMALL);
		try(m, &q);
	}
}

static void coarse_salts(struct min *m)
{
	struct prog q;

	copy(&q, &m->best);
	q.h.salt = 0;
	for (unsigned i = 0; i < q.n; i++)
		q.r[i].salt = 0;
	try(m, &q);
}

/* Drops runs of ops (with events), or of events alone, of halving length. */
static void coarse_chunks(struct min *m, bool events)
{
	struct prog q;

	for (unsigned len = m->best.n; len; len /= 2) {
		for (unsigned from = 0; from < m->best.n;) {
			unsigned n = 0, i = 0, k = 0;

			copy(&q, &m->best);
			while (i < q.n) { /* the k-th unit of this kind */
				const bool unit = q.r[i].is_event == events;

				if (unit && k >= from && n < len) {
					drop(&q, i);
					n++;
					k++;
					continue;
				}
				k += unit;
				i++;
			}
			if (!n)
				break;
			if (!try(m, &q))
				from += len;
		}
	}
}

/* ---- joint changes ---- */

static bool spent(const struct min *m)
{
	return m->steps > m->budget;
}

/* Sets of records that one thing may bind together. */
enum set { SET_ALL, SET_BLOCK, SET_PAGE, SET_OP, SET_RANGE, SET_KIND, SET_OPS_CPU, SET_CPU, NSETS };

static bool in_set(const struct prog *p, enum set s, unsigned by, unsigned i)
{
	const struct rec *a = &p->r[by], *r = &p->r[i];

	switch (s) {
	case SET_ALL:
		return true;
	case SET_BLOCK:
		return r->block == a->block;
	case SET_PAGE:
		return r->block == a->block && r->off == a->off;
	case SET_OP:
		return i >= by && i < prog_op_end(p, by);
	case SET_RANGE:
		return r->is_event == a->is_event && r->nr == a->nr;
	case SET_KIND:
		return r->is_event == a->is_event && r->kind == a->kind;
	case SET_OPS_CPU:
		return !r->is_event && r->cpu == a->cpu;
	default:
		return r->cpu == a->cpu;
	}
}

/* What is done to all of them: argument changes as above, and shifts that keep the distances. */
enum { JOINT_CHANGES = 14 + 4 };

static void joint_rec(struct prog *q, unsigned i, unsigned t, unsigned least)
{
	struct rec *r = &q->r[i];

	switch (t) {
	case 14: /* all offsets down by the least */
		r->off = (uint8_t)(r->off - least);
		break;
	case 15: /* a range of events stays: only ops shrink */
		if (!r->is_event)
			change_nr(r, 1, 0);
		break;
	case 16:
		if (!r->is_event)
			r->nr = 1;
		break;
	case 17: /* one entry further left, unless at the edge */
		r->off = r->off ? (uint8_t)(r->off - 1) : 0;
		break;
	default:
		change_rec(q, i, t);
	}
}

static bool joint_sets(struct min *m)
{
	struct prog q;

	for (unsigned s = 0; s < NSETS; s++)
		for (unsigned by = 0; by < (s == SET_ALL ? 1 : m->best.n); by++)
			for (unsigned t = 0; t < JOINT_CHANGES && m->best.n; t++) {
				unsigned least = 255;

				copy(&q, &m->best);
				for (unsigned i = 0; i < q.n; i++)
					if (in_set(&m->best, s, by, i) && q.r[i].off < least)
						least = q.r[i].off;
				for (unsigned i = 0; i < q.n; i++)
					if (in_set(&m->best, s, by, i))
						joint_rec(&q, i, t, least);
				if (try(m, &q))
					return true;
				if (spent(m))
					return false;
			}
	return false;
}

static void swap_values(uint8_t *v, unsigned a, unsigned b)
{
	*v = (uint8_t)(*v == a ? b : *v == b ? a : *v);
}

/* Two blocks, or two CPUs, change places: in the whole program (by == n), or in one op and its events. */
static bool joint_swap(struct min *m)
{
	static const uint8_t pairs[][2] = {{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}};
	struct prog q;

	for (unsigned by = 0; by <= m->best.n; by++)
		for (unsigned k = 0; k < 2 * sizeof(pairs) / sizeof(pairs[0]); k++) {
			copy(&q, &m->best);
			for (unsigned i = 0; i < q.n; i++)
				if (by == q.n || in_set(&m->best, SET_OP, by, i))
					swap_values(k & 1 ? &q.r[i].cpu : &q.r[i].block, pairs[k / 2][0],
						    pairs[k / 2][1]);
			if (try(m, &q))
				return true;
		}
	return false;
}

/* Two or three records at once. Records fall from the highest index down, so that lower indices stay valid. */
static bool joint_drops(struct min *m)
{
	const unsigned n = m->best.n;
	struct prog q;

	for (unsigned i = 0; i < n && n <= 64; i++)
		for (unsigned j = i + 1; j < n; j++)
			for (unsigned k = j; k < (n <= 12 ? n : j + 1); k++) {
				copy(&q, &m->best);
				if (k > j)
					drop(&q, k);
				drop(&q, j);
				drop(&q, i);
				if (try(m, &q))
					return true;
				if (spent(m))
					return false;
			}
	return false;
}

/* An op goes but its events stay, with the op before or the op behind. */
static bool joint_rehome(struct min *m)
{
	struct prog q;
	struct rec moved[PROG_MAX_RECS];

	for (unsigned i = 0; i < m->best.n; i++) {
		unsigned end, n;

		if (m->best.r[i].is_event)
			continue;
		copy(&q, &m->best);
		prog_cut(&q, i, i + 1);
		if (try(m, &q))
			return true;
		copy(&q, &m->best);
		end = prog_op_end(&q, i);
		n = end - i - 1;
		if (!n || end == q.n)
			continue;
		memcpy(moved, &q.r[i + 1], n * sizeof(moved[0]));
		prog_cut(&q, i, end);
		prog_insert(&q, i + 1, moved, n);
		if (try(m, &q))
			return true;
	}
	return false;
}

/* Makes one argument larger or different, in exchange for a record: the j-th way, or false. */
static bool enrich(struct prog *q, unsigned i, unsigned j)
{
	const unsigned cont = prog_cont(&q->h);
	struct rec *r = &q->r[i];
	const struct op_desc *d = rec_desc(r);

	if (r->is_event) { /* another moment, or another agent */
		if (j >= HW_NCLASS * 4 + HW_MAX_AGENT)
			return false;
		if (j >= HW_NCLASS * 4) {
			r->cpu = (uint8_t)(j - HW_NCLASS * 4);
			return true;
		}
		r->anchor = (uint8_t)(j / 4);
		r->nr = (uint16_t)(1 + j % 4);
		return true;
	}
	if (j < 4) {
		if (j == 0 || j == 1)
			r->off = 0;
		if (j == 0 || j == 2)
			r->nr = (uint16_t)(cont - r->off);
		else if (j == 1)
			r->nr = (uint16_t)(r->nr < 256 ? r->nr + 1 : 256);
		else
			r->nr = (uint16_t)(2 * cont <= 256 ? 2 * cont : 256);
		return true;
	}
	j -= 4;
	for (unsigned k = 0; k < OP_MAX_FIELDS && d->field[k].name; k++) {
		const unsigned max = d->field[k].bits > 4 ? 1 : (1u << d->field[k].bits) - 1;

		if (j < max) {
			rec_set_field(r, &d->field[k], j + 1);
			return true;
		}
		j -= max;
	}
	return false;
}

/* A record less, one argument more: a flag of set_ptes instead of an access, one range instead of two. */
static bool joint_trade(struct min *m)
{
	struct prog base, q;

	for (unsigned i = 0; i < m->best.n && m->best.n <= 12; i++) {
		copy(&base, &m->best);
		drop(&base, i);
		for (unsigned k = 0; k < base.n; k++)
			for (unsigned j = 0;; j++) {
				copy(&q, &base);
				if (!enrich(&q, k, j))
					break;
				if (try(m, &q))
					return true;
				if (spent(m))
					return false;
			}
		for (unsigned j = 0; j < HDR_NKEYS * 4; j++) {
			copy(&q, &base);
			if (j % 4 < hdr_keys[j / 4].n)
				set_hdr(&q, &hdr_keys[j / 4], j % 4);
			if (try(m, &q))
				return true;
		}
	}
	return false;
}

/* Any two header values together, on `base`. */
static bool hdr_pairs(struct min *m, const struct prog *base)
{
	struct prog q;

	for (unsigned a = 0; a < HDR_NKEYS * 4; a++)
		for (unsigned b = a / 4 * 4 + 4; b < HDR_NKEYS * 4; b++) {
			if (a % 4 >= hdr_keys[a / 4].n || b % 4 >= hdr_keys[b / 4].n)
				continue;
			copy(&q, base);
			set_hdr(&q, &hdr_keys[b / 4], b % 4);
			set_hdr(&q, &hdr_keys[a / 4], a % 4);
			if (try(m, &q))
				return true;
			if (spent(m))
				return false;
		}
	return false;
}

/* The other personalities in exchange for features, other CPUs and so on; and in exchange for a record. */
static bool joint_hdr(struct min *m)
{
	struct prog base;

	copy(&base, &m->best);
	if (hdr_pairs(m, &base))
		return true;
	for (unsigned i = 0; i < m->best.n && m->best.n <= 8; i++) {
		copy(&base, &m->best);
		drop(&base, i);
		if (hdr_pairs(m, &base))
			return true;
	}
	return false;
}

/* Any two single changes. */
static bool joint_pairs(struct min *m)
{
	struct prog one, two;
	enum change c;

	for (unsigned a = 0; (c = change_make(&m->best, a, &one)) != CH_END; a++) {
		if (c == CH_NONE)
			continue;
		for (unsigned b = 0; (c = change_make(&one, b, &two)) != CH_END; b++) {
			if (c == CH_MADE && try(m, &two))
				return true;
			if (spent(m))
				return false;
		}
	}
	return false;
}

/* An access by another CPU at some step near the beginning of an op: the commonest of all reproducers. */
static bool make_access(struct rec *r, const struct rec *op, unsigned j, unsigned cont)
{
	static const uint8_t classes[] = {HW_C_LOAD, HW_C_STORE, HW_C_ATOMIC};
	const unsigned off = j / 24, offs = cont < 4 ? cont : 4;

	if (off >= offs)
		return false;
	*r = (struct rec){.is_event = 1, .kind = j & 1 ? EV_read : EV_write, .cpu = !op->cpu, .block = op->block};
	r->off = (uint8_t)off;
	r->anchor = classes[j / 2 % 3];
	r->nr = (uint16_t)(1 + j / 6 % 4);
	return true;
}

/* The j-th replacement of record k of `q`: another op at the same place, or such an access instead of an event. */
static bool replace(struct prog *q, unsigned k, unsigned j)
{
	struct rec *r = &q->r[k];
	const unsigned cont = prog_cont(&q->h);
	unsigned op = k;

	if (!r->is_event) {
		if (j >= OP_NKINDS)
			return false;
		*r = (struct rec){.kind = (uint8_t)j, .cpu = r->cpu, .block = r->block, .off = r->off, .nr = r->nr};
		return true;
	}
	while (op && q->r[op].is_event)
		op--;
	if (q->h.ncpu < 2)
		q->h.ncpu = 2;
	return make_access(r, &q->r[op], j, cont);
}

/* An access added to op k. */
static bool add_access(struct prog *q, unsigned k, unsigned j)
{
	struct rec r;

	if (q->r[k].is_event || !make_access(&r, &q->r[k], j, prog_cont(&q->h)))
		return false;
	if (q->h.ncpu < 2)
		q->h.ncpu = 2;
	prog_insert(q, k + 1, &r, 1);
	return true;
}

static bool try_each(struct min *m, const struct prog *base, bool (*make)(struct prog *, unsigned, unsigned))
{
	struct prog q;

	for (unsigned k = 0; k < base->n; k++)
		for (unsigned j = 0;; j++) {
			copy(&q, base);
			if (!make(&q, k, j))
				break;
			if (try(m, &q))
				return true;
			if (spent(m))
				return false;
		}
	return false;
}

/* One or two records less, another op or a plain race instead: the way from a detour to the mistake itself. */
static bool joint_replace(struct min *m)
{
	struct prog one, two;

	for (unsigned i = 0; i < m->best.n && m->best.n <= 8; i++) {
		copy(&one, &m->best);
		drop(&one, i);
		if (try_each(m, &one, replace) || try_each(m, &one, add_access))
			return true;
		for (unsigned j = 0; j < one.n; j++) {
			copy(&two, &one);
			drop(&two, j);
			if (try_each(m, &two, add_access))
				return true;
			if (spent(m))
				return false;
		}
	}
	return false;
}

static bool joint(struct min *m)
{
	return joint_drops(m) || joint_rehome(m) || joint_swap(m) || joint_sets(m) || joint_trade(m) ||
	       joint_replace(m) || joint_hdr(m) || joint_pairs(m);
}

/* ---- */

static bool start(struct min *m, const struct prog *p)
{
	struct prog q;

	copy(&q, p);
	prog_normalize(&q);
	if (!keeps(m, &q, UINT64_MAX))
		return false;
	copy(&m->best, &q);
	m->cost = cost(&q);
	return true;
}

uint64_t min_program(struct prog *p, const struct pt_impl *impl, const char *sig, min_bank_fn bank, void *ctx)
{
	struct min m = {.impl = impl, .sig = sig, .bank = bank, .ctx = ctx};
	struct prog q;

	memset(seen, 0, sizeof(seen));
	if (!start(&m, p))
		return m.runs;
	/* Nothing behind the op that shows it. */
	if (m.out.op < m.best.n) {
		copy(&q, &m.best);
		q.n = prog_op_end(&q, m.out.op);
		try(&m, &q);
	}
	coarse_header(&m);
	coarse_salts(&m);
	coarse_chunks(&m, false);
	coarse_chunks(&m, true);
	singles(&m);
	m.budget = m.steps + JOINT_STEPS;
	while (!spent(&m) && joint(&m))
		singles(&m);
	copy(p, &m.best);
	return m.runs;
}

bool min_is_minimal(const struct prog *p, const struct pt_impl *impl, const char *sig)
{
	struct min m = {.impl = impl, .sig = sig};
	const uint64_t limit = cost(p);
	struct prog q;
	enum change c;

	copy(&q, p);
	if (!run(&m, &q))
		return false;
	for (unsigned idx = 0; (c = change_make(p, idx, &q)) != CH_END; idx++)
		if (c == CH_MADE && keeps(&m, &q, limit))
			return false;
	return true;
}
