// SPDX-License-Identifier: GPL-2.0-only
/*
 * Structured mutation: one source for both engines.
 *
 * Property: the output is an encoded program (encode(decode(out)) == out) of at most max_size bytes, and a
 * function of input, max_size and seed alone. max_size < size only shrinks.
 *
 * The biases matter more than speed: bugs of page-table code sit where ops meet the same block, where a range
 * covers a block exactly or crosses its edge by one, and where hardware acts between two steps of one op.
 * Programs stay short (SOFT_OPS), because every execution pays for every op.
 */
#include "prog.h"

#include <string.h>

#include "hw/hw.h"

enum { SOFT_OPS = 16, HARD_OPS = 24 };
enum {
	MAP_OPS = 8
}; /* of programs on the kernel's map, whose ops write whole tables: they cost ten times as much */

/* What a program is about. Mixed evenly, each part would find a fraction of what it finds by itself. */
enum group {
	GROUP_USER,
	GROUP_IRQ,    /* and interrupts that map kernel pages */
	GROUP_KERNEL, /* kernel mappings, with some user ops between them */
	GROUP_CREATE, /* the kernel's map is created */
	GROUP_SPLIT,  /* and taken apart */
};

struct mut {
	uint64_t rng;
	enum group group;
	struct prog p;
	unsigned max; /* records that fit into the engine's buffer */
	uint64_t ops_allowed, evs_allowed;
};

/* ---- choice ---- */

/* splitmix64 */
static uint64_t next(struct mut *m)
{
	uint64_t z = (m->rng += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static unsigned below(struct mut *m, unsigned n)
{
	return n ? (unsigned)((next(m) >> 32) * n >> 32) : 0;
}

static bool percent(struct mut *m, unsigned p)
{
	return below(m, 100) < p;
}

static unsigned weighted(struct mut *m, const uint8_t *w, unsigned n)
{
	unsigned sum = 0, x;

	for (unsigned i = 0; i < n; i++)
		sum += w[i];
	x = below(m, sum);
	for (unsigned i = 0; i < n; i++) {
		if (x < w[i])
			return i;
		x -= w[i];
	}
	return 0;
}

/* 1, 2, 3, ... each half as likely as the one before, at most `max`. */
static unsigned geometric(struct mut *m, unsigned max)
{
	unsigned n = 1;

	while (n < max && next(m) & 1)
		n++;
	return n;
}

static bool on_map(const struct mut *m)
{
	return m->group == GROUP_CREATE || m->group == GROUP_SPLIT;
}

static uint64_t kinds_with(const struct op_desc *d, unsigned n, unsigned args)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < n; i++)
		if (d[i].args & args)
			mask |= 1ull << i;
	return mask;
}

static uint64_t kernel_kinds(const struct op_desc *d, unsigned n)
{
	return kinds_with(d, n, A_KERNEL);
}

/* By what it contains; sometimes something else comes in. */
static enum group group_of(struct mut *m)
{
	bool irq = false;

	for (unsigned i = 0; i < m->p.n; i++) {
		if (!m->p.r[i].is_event && op_descs[m->p.r[i].kind].args & A_KERNEL)
			return GROUP_KERNEL;
		if (!m->p.r[i].is_event && op_descs[m->p.r[i].kind].args & (A_KMAP | A_SPLIT))
			return op_descs[m->p.r[i].kind].args & A_KMAP ? GROUP_CREATE : GROUP_SPLIT;
		irq |= m->p.r[i].is_event && m->p.r[i].kind == EV_irq;
	}
	if (percent(m, 3))
		return percent(m, 50) ? GROUP_KERNEL : GROUP_IRQ;
	return irq ? GROUP_IRQ : GROUP_USER;
}

static void read_masks(struct mut *m)
{
	uint64_t ops = (1ull << OP_NKINDS) - 1, evs = (1u << EV_NKINDS) - 1;

	if (m->group != GROUP_KERNEL) {
		ops &= ~kernel_kinds(op_descs, OP_NKINDS);
		evs &= ~kernel_kinds(ev_descs, EV_NKINDS);
	}
	if (on_map(m))
		ops = kinds_with(op_descs, OP_NKINDS, m->group == GROUP_CREATE ? A_KMAP : A_SPLIT);
	else
		ops &= ~kinds_with(op_descs, OP_NKINDS, A_KMAP | A_SPLIT);
	if (m->group == GROUP_IRQ)
		evs |= 1u << EV_irq;
	m->ops_allowed = ops & ~m->p.h.ops_off;
	m->evs_allowed = evs & ~(uint64_t)m->p.h.evs_off;
	if (!m->ops_allowed)
		m->ops_allowed = ops;
}

static unsigned pick_kind(struct mut *m, const struct op_desc *d, unsigned n, uint64_t allowed)
{
	uint8_t w[(int)OP_NKINDS + (int)EV_NKINDS];

	for (unsigned i = 0; i < n; i++)
		w[i] = allowed >> i & 1 ? d[i].weight : 0;
	for (unsigned i = 0; i < n && m->group == GROUP_KERNEL; i++)
		w[i] = d[i].args & A_KERNEL ? 8 * w[i] : (w[i] + 3) / 4;
	return weighted(m, w, n);
}

/* ---- pages and ranges ---- */

/* A record to be near to: late ones more often, or NULL in an empty program. */
static const struct rec *near_rec(struct mut *m, unsigned at)
{
	unsigned back;

	if (!m->p.n)
		return NULL;
	at = at < m->p.n ? at : m->p.n - 1;
	back = percent(m, 70) ? geometric(m, 8) - 1 : below(m, m->p.n);
	return &m->p.r[back <= at ? at - back : below(m, m->p.n)];
}

/* Offsets where things happen: edges and their neighbours, the middle. */
static unsigned pick_off(struct mut *m)
{
	const unsigned cont = prog_cont(&m->p.h);

	switch (below(m, 8)) {
	case 0:
	case 1:
		return 0;
	case 2:
		return 1;
	case 3:
		return cont - 1;
	case 4:
		return cont - 2;
	case 5:
		return cont / 2;
	default:
		return below(m, cont);
	}
}

static void pick_page(struct mut *m, struct rec *r, const struct rec *by)
{
	const unsigned cont = prog_cont(&m->p.h);

	if (by && percent(m, 80)) {
		r->block = by->block;
		r->off = by->off;
		if (percent(m, 20)) /* the neighbour, maybe across the edge */
			r->off = (uint8_t)((by->off + (percent(m, 50) ? 1u : cont - 1)) % cont);
		else if (percent(m, 40))
			r->off = (uint8_t)pick_off(m);
		if (percent(m, 6))
			r->block = (uint8_t)((by->block + 1) % PROG_BLOCKS);
		return;
	}
	r->block = (uint8_t)(percent(m, 60) ? 0 : below(m, PROG_BLOCKS));
	r->off = (uint8_t)pick_off(m);
}

static void set_nr(struct rec *r, unsigned nr)
{
	r->nr = (uint16_t)(nr < 1 ? 1 : nr > 256 ? 256 : nr);
}

/* Whole blocks. */
static void range_align(struct mut *m, struct rec *r)
{
	const unsigned cont = prog_cont(&m->p.h);

	r->off = 0;
	set_nr(r, cont * (percent(m, 80) ? 1 : 1 + below(m, PROG_BLOCKS)));
}

/* A few entries on both sides of a block edge. */
static void range_straddle(struct mut *m, struct rec *r)
{
	const unsigned cont = prog_cont(&m->p.h);
	const unsigned left = percent(m, 50) ? 1 : 1 + below(m, cont - 1);
	const unsigned right = percent(m, 40) ? 1 : percent(m, 50) ? cont : 1 + below(m, cont);

	r->off = (uint8_t)(cont - left);
	set_nr(r, left + right);
	if (r->block == PROG_BLOCKS - 1)
		r->block--;
}

static void range_inside(struct mut *m, struct rec *r)
{
	const unsigned cont = prog_cont(&m->p.h), rest = cont - r->off;

	switch (below(m, 5)) {
	case 0:
	case 1:
		set_nr(r, 1);
		break;
	case 2:
		set_nr(r, rest);
		break;
	case 3:
		set_nr(r, rest - 1);
		break;
	default:
		set_nr(r, 1 + below(m, rest));
	}
}

static void pick_range(struct mut *m, struct rec *r, const struct rec *by)
{
	if (by && !by->is_event && op_descs[by->kind].args & A_NR && percent(m, 30)) {
		r->nr = by->nr; /* exactly an earlier op's range */
		r->off = by->off;
		r->block = by->block;
		return;
	}
	switch (below(m, 6)) {
	case 0:
	case 1:
		range_align(m, r);
		break;
	case 2:
		range_straddle(m, r);
		break;
	default:
		range_inside(m, r);
	}
}

/* ---- records ---- */

/* How often a field is not zero; others are drawn evenly. */
static const struct {
	const char *name;
	uint8_t percent;
} field_bias[] = {
	{"write", 75},	 {"young", 60},	 {"dirty", 40},	 {"exec", 15}, {"special", 6}, {"shift", 10},
	{"noflush", 12}, {"full", 50},	 {"tables", 25}, {"high", 25}, {"smmu", 30},   {"xlate", 30},
	{"pick", 30},	 {"in", 30},	 {"cont", 30},	 {"ro", 25},   {"fetch", 25},  {"pfn", 50},
	{"unit", 60},	 {"from", 50},	 {"again", 40},	 {"skip", 15}, {"end", 15},    {"atomic", 30},
	{"noblock", 30}, {"nocont", 30},
};

static uint8_t bias_of(const char *name)
{
	for (unsigned i = 0; i < sizeof(field_bias) / sizeof(field_bias[0]); i++)
		if (!strcmp(name, field_bias[i].name))
			return field_bias[i].percent;
	return 85;
}

/* Names are compared once, not at every mutation. */
static const uint8_t *biases(const struct rec *r)
{
	static uint8_t table[2][(int)OP_NKINDS > (int)EV_NKINDS ? (int)OP_NKINDS : (int)EV_NKINDS][OP_MAX_FIELDS];
	const struct op_desc *d = rec_desc(r);
	uint8_t *row = table[r->is_event][r->kind];

	for (unsigned i = 0; i < OP_MAX_FIELDS && d->field[i].name && !row[i]; i++)
		row[i] = bias_of(d->field[i].name);
	return row;
}

static void pick_field(struct mut *m, struct rec *r, const struct op_field *f, unsigned p)
{
	const unsigned max = (1u << f->bits) - 1;

	rec_set_field(r, f, percent(m, p) ? 1 + below(m, max) : 0);
}

static void pick_fields(struct mut *m, struct rec *r)
{
	const struct op_desc *d = rec_desc(r);
	const uint8_t *p = biases(r);

	for (unsigned i = 0; i < OP_MAX_FIELDS && d->field[i].name; i++)
		pick_field(m, r, &d->field[i], p[i]);
}

static void pick_salt(struct mut *m, struct rec *r)
{
	r->salt = percent(m, 15) ? (uint8_t)next(m) : 0;
}

/* Another set_ptes of the block, whose folio a new one may continue. */
static const struct rec *same_block_set(const struct prog *p, unsigned block)
{
	const struct rec *hit = NULL;

	for (unsigned i = 0; i < p->n; i++)
		if (!p->r[i].is_event && p->r[i].kind == OP_set_ptes && p->r[i].block == block)
			hit = &p->r[i];
	return hit;
}

/* Values of spot and what (fuzz/prog.c) that go together: verbs for an area of vmalloc, and those for the linear map. */
enum { AT_VMALLOC = 12, AT_VMALLOC_HUGE = 13, AT_WALK = 14, AREA_VERBS = 5, LINEAR_VERBS = 4 };

static void pair_verb(struct mut *m, struct rec *r)
{
	const unsigned spot = r->a & 15;

	if (r->kind == OP_set_memory && percent(m, 80))
		r->b = (uint8_t)(spot == AT_VMALLOC || spot == AT_VMALLOC_HUGE
					 ? below(m, AREA_VERBS)
					 : AREA_VERBS + below(m, LINEAR_VERBS));
}

static void fill_map_op(struct mut *m, struct rec *r)
{
	if (r->kind == OP_set_memory && percent(m, 25))
		r->a = (uint8_t)((r->a & 0xf0) | (percent(m, 80) ? AT_VMALLOC : AT_VMALLOC_HUGE));
	pair_verb(m, r);
	if (m->p.h.alloc_fails && percent(m, 60)) /* which ones fail the salt says */
		r->salt = (uint8_t)next(m);
}

static void fill_op(struct mut *m, struct rec *r, unsigned kind, const struct rec *by)
{
	const struct rec *set;

	*r = (struct rec){.kind = (uint8_t)kind, .nr = 1};
	r->cpu = (uint8_t)(percent(m, 65) ? 0 : below(m, m->p.h.ncpu));
	pick_page(m, r, by);
	if (op_descs[kind].args & A_NR)
		pick_range(m, r, by);
	pick_fields(m, r);
	pick_salt(m, r);
	if (op_descs[kind].args & (A_KMAP | A_SPLIT))
		fill_map_op(m, r);
	set = kind == OP_set_ptes ? same_block_set(&m->p, r->block) : NULL;
	if (set && percent(m, 50)) /* the folio: low nibble of a, with the shift above it */
		r->a = set->a;
}

/* Somebody uses the map while its tables are in the making: where stores are ordered, with one of them ahead. */
static void fill_map_event(struct mut *m, struct rec *r)
{
	static const uint8_t anchors[HW_NCLASS] = {2, 1, 4, 1, 8, 3, 3};

	r->kind = percent(m, 50) ? EV_read : EV_write;
	r->anchor = (uint8_t)weighted(m, anchors, HW_NCLASS);
	/* a table more is five barriers more */
	r->nr = (uint16_t)(percent(m, 50) ? geometric(m, 8) : 1 + below(m, 24));
	r->a = (uint8_t)((percent(m, 30) ? below(m, 4) : 0) | (percent(m, 70) ? 1 + below(m, 3) : 0) << 2);
	r->b = r->kind == EV_read && percent(m, 25);
	r->block = (uint8_t)(percent(m, 50) ? 0 : below(m, PROG_BLOCKS));
}

/* An event for the op at record i: in the op's block, by somebody else, at a step where memory changes. */
static void fill_event(struct mut *m, struct rec *r, unsigned i)
{
	static const uint8_t anchors[HW_NCLASS] = {2, 6, 4, 8, 2, 3, 1};
	const struct rec *op = &m->p.r[i];
	const struct prog_hdr *h = &m->p.h;

	*r = (struct rec){.is_event = 1, .kind = (uint8_t)pick_kind(m, ev_descs, EV_NKINDS, m->evs_allowed)};
	if (op_descs[op->kind].args & A_KERNEL && percent(m, 70)) {
		static const uint8_t kinds[] = {EV_irq, EV_move, EV_park, EV_drain};

		r->kind = kinds[below(m, sizeof(kinds))];
	}
	r->anchor = (uint8_t)weighted(m, anchors, HW_NCLASS);
	r->nr = (uint16_t)(percent(m, 90) ? geometric(m, 12) : 1 + below(m, 2 * prog_cont(h)));
	if (h->smmu && percent(m, 25))
		r->cpu = HW_SMMU;
	else if (h->ncpu > 1)
		r->cpu = (uint8_t)((op->cpu + 1 + below(m, h->ncpu - 1u)) % h->ncpu);
	if (percent(m, 15) || r->kind == EV_drain || r->kind == EV_park)
		r->cpu = op->cpu;
	pick_page(m, r, op);
	if (percent(m, 90))
		r->block = op->block;
	if (!(op_descs[op->kind].args & A_NR) || op->nr == 1) {
		/* Inside a block any entry may carry the state; the op's own is still the likeliest. */
		if (percent(m, 40))
			r->off = op->off;
	}
	pick_fields(m, r);
	pick_salt(m, r);
	if (op_descs[op->kind].args & (A_KMAP | A_SPLIT) && percent(m, 60))
		fill_map_event(m, r);
}

/* ---- changes; each returns whether it changed the program ---- */

static bool insert(struct mut *m, unsigned at, const struct rec *r, unsigned n)
{
	return m->p.n + n <= m->max && !prog_insert(&m->p, at, r, n);
}

/* Record index of the k-th op, or n. */
static unsigned op_at(const struct prog *p, unsigned k)
{
	unsigned i;

	for (i = 0; i < p->n; i++)
		if (!p->r[i].is_event && !k--)
			break;
	return i;
}

static unsigned any_op(struct mut *m)
{
	return op_at(&m->p, below(m, prog_count_ops(&m->p)));
}

/* An op boundary: late in the program more often, since state builds up. */
static unsigned any_boundary(struct mut *m)
{
	const unsigned ops = prog_count_ops(&m->p);

	return percent(m, 40) ? m->p.n : op_at(&m->p, below(m, ops + 1));
}

static bool do_insert_op(struct mut *m)
{
	const unsigned at = any_boundary(m);
	struct rec r;
	unsigned kind;

	kind = pick_kind(m, op_descs, OP_NKINDS, m->ops_allowed); /* drawn first: arguments are in no order */
	fill_op(m, &r, kind, near_rec(m, at));
	return insert(m, at, &r, 1);
}

static bool do_insert_event(struct mut *m)
{
	struct rec r[2];
	unsigned i, n;

	if (!m->evs_allowed || !m->p.n)
		return false;
	i = any_op(m);
	fill_event(m, &r[0], i);
	n = percent(m, 25) ? 2 : 1;
	if (n == 2)
		fill_event(m, &r[1], i);
	if (n == 2 && m->p.h.drain != HW_DRAIN_EAGER && m->evs_allowed >> EV_drain & 1 && percent(m, 60)) {
		/* One store overtakes another, and somebody looks at once. */
		r[0].kind = EV_drain;
		r[0].cpu = m->p.r[i].cpu;
		r[0].a = (uint8_t)(geometric(m, 4) - 1);
		r[1].anchor = r[0].anchor;
		r[1].nr = r[0].nr;
	}
	return insert(m, prog_op_end(&m->p, i), r, n);
}

/* Map a range, then do something to it (or to a part of it), with hardware acting meanwhile. */
static bool do_insert_pair(struct mut *m)
{
	const unsigned at = any_boundary(m), cont = prog_cont(&m->p.h);
	const uint64_t others = m->ops_allowed & ~(1ull << OP_set_ptes);
	struct rec r[2];

	if (!others)
		return false;
	fill_op(m, &r[0], OP_set_ptes, near_rec(m, at));
	if (percent(m, 60)) {
		range_align(m, &r[0]);
		r[0].a &= 0x0f; /* naturally aligned: foldable */
		r[0].b &= (uint8_t) ~(1u << 4);
	}
	fill_op(m, &r[1], pick_kind(m, op_descs, OP_NKINDS, others), &r[0]);
	if (others >> OP_free_table & 1 && percent(m, 4)) { /* the map gets a new table */
		r[1] = r[0];
		r[0].kind = OP_free_table;
	} else if (percent(m, 50)) {
		r[1].block = r[0].block;
		r[1].off = (uint8_t)((r[0].off + below(m, r[0].nr)) % cont);
		if (op_descs[r[1].kind].args & A_NR && percent(m, 60)) {
			r[1].off = r[0].off;
			r[1].nr = r[0].nr;
		}
	}
	if (!insert(m, at, r, 2))
		return false;
	if (m->evs_allowed && percent(m, 60)) {
		fill_event(m, &r[0], at + 1);
		insert(m, at + 2, r, 1);
	}
	return true;
}

/* Where a block is cut: before its last entry (folding looks at an op that ends a block), in the middle, anywhere. */
static unsigned pick_cut(struct mut *m, unsigned cont)
{
	return percent(m, 40) ? cont - 1 : percent(m, 50) ? cont / 2 : 1 + below(m, cont - 1);
}

/* One block mapped in pieces that differ in at most one thing: the last completes (or must not) a fold. */
static bool do_insert_pieces(struct mut *m)
{
	const unsigned at = any_boundary(m), cont = prog_cont(&m->p.h), cut = pick_cut(m, cont);
	struct rec r[3], t;
	unsigned n = 2;

	fill_op(m, &r[0], OP_set_ptes, near_rec(m, at));
	r[0].off = 0;
	r[0].a &= 0x0f; /* naturally aligned, with struct page: foldable */
	r[0].b &= (uint8_t) ~(1u << 4);
	r[1] = r[0];
	r[0].nr = (uint16_t)cut;
	r[1].nr = (uint16_t)(cont - cut);
	r[1].off = (uint8_t)cut;
	switch (below(m, 4)) {
	case 0: /* another folio; the next one may well continue the frame numbers */
		r[1].a = percent(m, 60) ? (r[0].a + 1) & 0x0f : (uint8_t)below(m, 16);
		break;
	case 1: /* another permission, or access/dirty state */
		r[1].b ^= (uint8_t)(1u << below(m, 5));
		break;
	case 2: /* the first piece comes last */
		t = r[0];
		r[0] = r[1];
		r[1] = t;
		break;
	}
	if (r[1].nr > 1 && percent(m, 60)) { /* and its last page alone */
		r[2] = r[1];
		r[1].nr--;
		r[2].off = (uint8_t)(r[1].off + r[1].nr);
		r[2].nr = 1;
		n = 3;
	}
	return insert(m, at, r, n);
}

static void fill_park(struct mut *m, struct rec *r, const struct rec *op)
{
	static const uint8_t anchors[HW_NCLASS] = {2, 8, 2, 4, 1, 1, 0};

	*r = (struct rec){.is_event = 1, .kind = EV_park, .cpu = op->cpu};
	r->anchor = (uint8_t)weighted(m, anchors, HW_NCLASS);
	r->nr = (uint16_t)(percent(m, 60) ? geometric(m, 8) : 1 + below(m, 2 * prog_cont(&m->p.h)));
}

/* An op is preempted between two of its steps, and another CPU works on the same block meanwhile. */
static bool do_insert_race(struct mut *m)
{
	const unsigned at = any_boundary(m);
	const bool reader = m->ops_allowed >> OP_ptep_get_lockless & 1 && percent(m, 60);
	struct rec r[4];
	unsigned n = 2, kind;

	if (!(m->evs_allowed >> EV_park & 1))
		return false;
	if (m->p.h.ncpu < 2)
		m->p.h.ncpu = 2;
	kind = reader ? (unsigned)OP_ptep_get_lockless : pick_kind(m, op_descs, OP_NKINDS, m->ops_allowed);
	fill_op(m, &r[0], kind, near_rec(m, at));
	fill_park(m, &r[1], &r[0]);
	for (unsigned k = 1 + below(m, 2); k; k--, n++) {
		fill_op(m, &r[n], pick_kind(m, op_descs, OP_NKINDS, m->ops_allowed), &r[0]);
		r[n].block = r[0].block;
		r[n].cpu = (uint8_t)((r[0].cpu + 1 + below(m, m->p.h.ncpu - 1u)) % m->p.h.ncpu);
	}
	return insert(m, at, r, n);
}

/* ---- sequences: what a caller needs before or after it to show anything ---- */

enum { SEQ_STEPS = 5, SEQ_ANY = -2, SEQ_GONE = -1 };
enum { ON_OTHER = 1, WHOLE = 2, PARKED = 4, WATCHED = 8 }; /* CPU; range; preempted inside; used at its end */

struct seq_step {
	const char *op; /* "any": whatever the program may have */
	uint8_t how;
};
static const struct seq {
	uint8_t weight;
	struct seq_step step[SEQ_STEPS];
} seqs[] = {
	/* Parent and child share pages, and each has its CPU. */
	{8, {{"set_ptes", WHOLE}, {"fork", 0}, {"switch", ON_OTHER}, {"any", ON_OTHER}, {"any", 0}}},
	{4, {{"fork", 0}, {"switch", ON_OTHER}, {"touch", ON_OTHER}, {"cow", 0}, {"any", ON_OTHER}}},
	{3, {{"fork", 0}, {"switch", ON_OTHER}, {"any", ON_OTHER}, {"exit", ON_OTHER}, {"any", 0}}},
	{3, {{"fork", PARKED}, {"touch", ON_OTHER}, {"any", ON_OTHER}}},
	/* Swapped out with the flush put off; somebody else trusts the empty entry. */
	{4, {{"set_ptes", WHOLE}, {"swap_out", PARKED}, {"any", ON_OTHER}, {"touch", ON_OTHER}}},
	{3, {{"set_ptes", WHOLE}, {"swap_out", PARKED}, {"madvise_free", ON_OTHER | WATCHED}}},
	{3, {{"set_ptes", WHOLE}, {"swap_out", PARKED}, {"mremap", ON_OTHER | WATCHED}}},
	{3, {{"set_ptes", WHOLE}, {"swap_out", PARKED}, {"zap", ON_OTHER | WATCHED}}},
	{3, {{"swap_out", PARKED}, {"touch", ON_OTHER}, {"swap_in", ON_OTHER}}},
	{2, {{"set_ptes", WHOLE}, {"swap_out", 0}, {"swap_in", 0}, {"touch", ON_OTHER}}},
	{2, {{"set_ptes", WHOLE}, {"migrate", PARKED}, {"any", ON_OTHER}, {"touch", ON_OTHER}}},
	/* Present to software only, and back. */
	{3, {{"set_ptes", WHOLE}, {"numa", 0}, {"touch", ON_OTHER}}},
	{3, {{"set_ptes", WHOLE}, {"mprotect", 0}, {"touch", ON_OTHER}, {"mprotect", 0}, {"touch", ON_OTHER}}},
	{2, {{"touch", 0}, {"mprotect", PARKED}, {"touch", ON_OTHER}}},
	/* Two removals at once, neither of which sees the other's entries. */
	{4, {{"set_ptes", WHOLE}, {"zap", PARKED}, {"zap", ON_OTHER}, {"touch", ON_OTHER}}},
	{2, {{"set_ptes", WHOLE}, {"madvise_free", 0}, {"touch", ON_OTHER}, {"zap", 0}}},
	{2, {{"gup_fast", PARKED | ON_OTHER}, {"any", 0}, {"any", 0}}},
	{2, {{"gup_fast", PARKED | ON_OTHER}, {"free_table", 0}, {"set_ptes", 0}}},
	{2, {{"set_ptes", WHOLE}, {"mremap", 0}, {"touch", ON_OTHER}, {"set_ptes", 0}}},
	{2, {{"touch", ON_OTHER}, {"young_ptes", 0}, {"zap", 0}}},
};
enum { NSEQS = sizeof(seqs) / sizeof(seqs[0]) };

static int8_t seq_kinds[NSEQS][SEQ_STEPS];
static uint8_t seq_weights[NSEQS]; /* 0: it has lost the point, since an op of it is not in the table */

static int8_t kind_named(const char *name)
{
	if (!name)
		return SEQ_GONE;
	if (!strcmp(name, "any"))
		return SEQ_ANY;
	for (int i = 0; i < OP_NKINDS; i++)
		if (!strcmp(op_descs[i].name, name))
			return (int8_t)i;
	return SEQ_GONE;
}

/* Names are compared once. */
static void resolve_seqs(void)
{
	static bool done;

	for (unsigned s = 0; s < NSEQS && !done; s++) {
		seq_weights[s] = seqs[s].weight;
		for (unsigned i = 0; i < SEQ_STEPS; i++) {
			seq_kinds[s][i] = kind_named(seqs[s].step[i].op);
			if (seqs[s].step[i].op && seq_kinds[s][i] == SEQ_GONE)
				seq_weights[s] = 0;
		}
	}
	done = true;
}

/* Whoever has cached what was there uses it. */
static void fill_watch(struct mut *m, struct rec *r, const struct rec *op)
{
	*r = (struct rec){.is_event = 1, .cpu = (uint8_t)below(m, m->p.h.ncpu), .anchor = HW_C_OTHER, .nr = 1};
	r->kind = percent(m, 50) ? EV_read : EV_write;
	r->block = op->block;
	r->off = op->off;
	r->a = 2; /* a cached translation */
}

static unsigned fill_step(struct mut *m, struct rec *r, int kind, uint8_t how, const struct rec *by, unsigned cpu)
{
	const bool on_range = by && percent(m, 70);
	unsigned n = 1;

	fill_op(m, r, kind == SEQ_ANY ? pick_kind(m, op_descs, OP_NKINDS, m->ops_allowed) : (unsigned)kind, by);
	r->cpu = (uint8_t)((cpu + (how & ON_OTHER ? 1 : 0)) % m->p.h.ncpu);
	if (how & WHOLE && percent(m, 75)) {
		range_align(m, r);
		if (kind == OP_set_ptes)
			r->a &= 0x0f; /* naturally aligned: foldable */
	} else if (how & WHOLE) {
		range_straddle(m, r);
	} else if (on_range) {
		r->block = by->block;
		if (op_descs[r->kind].args & A_NR) {
			r->off = by->off;
			r->nr = by->nr;
		}
	}
	if (how & PARKED)
		fill_park(m, r + n++, r);
	if (how & WATCHED)
		fill_watch(m, r + n++, r);
	return n;
}

static bool do_insert_seq(struct mut *m)
{
	const unsigned at = any_boundary(m);
	struct rec r[3 * SEQ_STEPS];
	unsigned n = 0, s, cpu;

	resolve_seqs();
	s = weighted(m, seq_weights, NSEQS);
	if (!seq_weights[s])
		return do_insert_op(m);
	if (m->p.h.ncpu < 2)
		m->p.h.ncpu = 2;
	cpu = percent(m, 80) ? 0 : below(m, m->p.h.ncpu);
	for (unsigned i = 0; i < SEQ_STEPS && seq_kinds[s][i] != SEQ_GONE; i++) {
		const int kind = seq_kinds[s][i];
		uint8_t how = seqs[s].step[i].how;

		if (kind >= 0 && !(m->ops_allowed >> kind & 1) && percent(m, 50))
			continue; /* the swarm has it off: half of the time it is meant */
		if (!(m->evs_allowed >> EV_park & 1))
			how &= (uint8_t) ~(PARKED | WATCHED);
		n += fill_step(m, r + n, kind, how, n ? r : near_rec(m, at), cpu);
	}
	return n && insert(m, at, r, n);
}

/* The same for kernel mappings. `arg`: byte a. */
enum { K_SAME = 1, K_OTHER = 2, K_ANYCPU = 4, K_ARGS = 8 }; /* CPU; arguments drawn instead of `arg` */
enum { IN_ANY = 0, VERB_ENTER = 0, VERB_LEAVE, VERB_FLUSH, VERB_PAUSE, VERB_RESUME, BY_SAME = 1 };
static const struct kseq {
	uint8_t weight, n;
	struct {
		uint8_t kind, how, arg;
	} step[6];
} kseqs[] = {
	{6, 2, {{OP_kmap, K_ARGS, 0}, {OP_kaccess, 0, BY_SAME}}},
	{4, 2, {{OP_kmap, K_ARGS, 0}, {OP_kaccess, K_OTHER | K_ARGS, 0}}},
	{3, 2, {{OP_kset, K_ARGS, 0}, {OP_kaccess, 0, BY_SAME}}},
	{3, 2, {{OP_kset, K_ARGS, 0}, {OP_kaccess, K_OTHER | K_ARGS, 0}}},
	{6, 4, {{OP_lazy, 0, VERB_ENTER}, {OP_kset, 0, 0}, {OP_lazy, 0, VERB_LEAVE}, {OP_kaccess, 0, BY_SAME}}},
	{3,
	 4,
	 {{OP_lazy, 0, VERB_ENTER}, {OP_kset, 0, 0}, {OP_lazy, 0, VERB_FLUSH}, {OP_kaccess, K_ANYCPU, BY_SAME}}},
	{3, 4, {{OP_lazy, 0, VERB_ENTER}, {OP_kset, 0, 0}, {OP_lazy, 0, VERB_PAUSE}, {OP_kaccess, 0, BY_SAME}}},
	{4,
	 5,
	 {{OP_lazy, 0, VERB_ENTER},
	  {OP_lazy, 0, VERB_ENTER},
	  {OP_kset, 0, 0},
	  {OP_lazy, 0, VERB_LEAVE},
	  {OP_kaccess, 0, BY_SAME}}},
	{4,
	 5,
	 {{OP_lazy, 0, VERB_ENTER},
	  {OP_kset, 0, 0},
	  {OP_kswitch, K_ARGS, 0},
	  {OP_lazy, K_ANYCPU, VERB_LEAVE},
	  {OP_kaccess, K_ANYCPU, BY_SAME}}},
	{3,
	 5,
	 {{OP_kswitch, K_OTHER | K_ARGS, 0},
	  {OP_lazy, 0, VERB_ENTER},
	  {OP_kset, 0, 0},
	  {OP_lazy, 0, VERB_LEAVE},
	  {OP_kaccess, 0, BY_SAME}}},
	{3, 3, {{OP_lazy, 0, VERB_ENTER}, {OP_kset, K_ARGS, 0}, {OP_kmap, K_ARGS, 0}}},
	{3,
	 4,
	 {{OP_kmap, 0, 0},
	  {OP_kaccess, K_ANYCPU | K_ARGS, 0},
	  {OP_kprotect, K_ARGS, 0},
	  {OP_kaccess, K_ANYCPU | K_ARGS, 0}}},
	{4,
	 4,
	 {{OP_kmap, 0, 0},
	  {OP_kaccess, K_ANYCPU | K_ARGS, 0},
	  {OP_kunmap, K_ARGS, 0},
	  {OP_kaccess, K_ANYCPU | K_ARGS, 0}}},
	{3,
	 5,
	 {{OP_kmap, 0, 0},
	  {OP_kaccess, K_ANYCPU, 0},
	  {OP_kunmap, K_ARGS, 0},
	  {OP_kmap, K_ARGS, 0},
	  {OP_kaccess, K_ANYCPU | K_ARGS, 0}}},
	{3, 2, {{OP_kset, 0, 0}, {OP_kmap, K_ARGS, 0}}},
};
enum { NKSEQS = sizeof(kseqs) / sizeof(kseqs[0]) };

static void fill_kernel_step(struct mut *m, struct rec *r, const struct kseq *s, unsigned i, const struct rec *by,
			     unsigned cpu)
{
	const unsigned how = s->step[i].how;

	fill_op(m, r, s->step[i].kind, by);
	if (!(how & K_ARGS) || percent(m, 20)) {
		r->a = s->step[i].arg;
		r->b &= r->kind == OP_kaccess ? 1 : 0xff;
	}
	r->cpu =
		(uint8_t)(how & K_ANYCPU && percent(m, 50) ? below(m, m->p.h.ncpu) : cpu + (how & K_OTHER ? 1 : 0));
	r->cpu %= m->p.h.ncpu;
	if (i && by && percent(m, 80)) {
		r->block = by->block;
		r->off = by->off;
		if (op_descs[r->kind].args & A_NR && op_descs[by->kind].args & A_NR && percent(m, 60))
			r->nr = by->nr;
	}
}

static bool do_insert_kernel(struct mut *m)
{
	const unsigned at = any_boundary(m);
	const struct kseq *s;
	uint8_t w[NKSEQS];
	struct rec r[6];
	unsigned cpu;

	if (m->group != GROUP_KERNEL)
		return do_insert_seq(m);
	for (unsigned i = 0; i < NKSEQS; i++)
		w[i] = kseqs[i].weight;
	s = &kseqs[weighted(m, w, NKSEQS)];
	cpu = percent(m, 70) ? 0 : below(m, m->p.h.ncpu);
	for (unsigned i = 0; i < s->n; i++)
		fill_kernel_step(m, &r[i], s, i, i ? &r[r[0].kind == OP_lazy && i > 1 ? 1 : 0] : near_rec(m, at),
				 cpu);
	return insert(m, at, r, s->n);
}

/* An area of vmalloc changes its permissions twice, and another CPU uses it, or its linear alias, in the way that only the
 * old ones allowed. */
static bool insert_permissions(struct mut *m, unsigned at)
{
	struct rec r[3];

	fill_op(m, &r[0], OP_set_memory, NULL);
	r[0].a = (uint8_t)(AT_VMALLOC | (r[0].a & 0x30)); /* as many pages as it says */
	r[0].nr = (uint16_t)(1 + below(m, 4));
	r[1] = r[0];
	r[0].b = (uint8_t)(percent(m, 50) ? 2 : r[0].b);
	r[1].b = (uint8_t)(percent(m, 50) ? 3 + below(m, 2) : below(m, 5));
	r[2] = (struct rec){.is_event = 1, .kind = EV_read, .anchor = percent(m, 50) ? HW_C_OTHER : HW_C_STORE};
	r[2].kind = percent(m, 35) ? EV_write : EV_read;
	r[2].nr = (uint16_t)geometric(m, 8);
	r[2].cpu = (uint8_t)((r[1].cpu + 1) % m->p.h.ncpu);
	r[2].block = (uint8_t)(percent(m, 50) ? 2 : 0); /* the alias, or the area itself */
	r[2].off = (uint8_t)below(m, r[1].nr);
	r[2].a = 2; /* what a TLB holds */
	r[2].b = percent(m, 80);
	return insert(m, at, r, 3);
}

/* The same for the kernel's map. The park of a walk comes anywhere, that of others where they store. */
enum {
	M_SAME = 1,   /* place as the first step */
	M_OTHER = 2,  /* by another CPU */
	M_PARK = 4,   /* preempted inside */
	M_SEEN = 8,   /* another CPU uses the map meanwhile */
	M_FAILS = 16, /* there may be no memory */
};
static const struct mseq {
	uint8_t half, weight, n;
	struct {
		uint8_t kind, how;
	} step[4];
} mseqs[] = {
	{A_KMAP, 4, 2, {{OP_create_map, 0}, {OP_create_access, M_SAME | M_OTHER}}},
	{A_KMAP, 4, 1, {{OP_create_map, M_SEEN}}},
	{A_KMAP, 4, 2, {{OP_create_map, 0}, {OP_create_map, M_SEEN}}},
	{A_KMAP, 3, 2, {{OP_create_map, 0}, {OP_create_map, M_SAME}}},
	{A_KMAP, 3, 2, {{OP_create_map, M_FAILS}, {OP_create_map, M_SAME}}},
	{A_KMAP, 3, 3, {{OP_create_map, 0}, {OP_create_perm, M_SAME}, {OP_create_access, M_SAME | M_OTHER}}},
	{A_KMAP, 3, 2, {{OP_create_boot, 0}, {OP_create_map, M_SEEN}}},
	{A_SPLIT, 4, 2, {{OP_split, 0}, {OP_set_memory, M_SAME}}},
	{A_SPLIT, 3, 2, {{OP_split_range, 0}, {OP_set_memory, M_SAME}}},
	{A_SPLIT, 4, 2, {{OP_set_memory, 0}, {OP_split, M_SAME | M_SEEN}}},
	{A_SPLIT, 3, 1, {{OP_set_memory, M_SEEN}}},
	{A_SPLIT, 5, 2, {{OP_set_memory, M_FAILS}, {OP_set_memory, M_SAME}}},
	{A_SPLIT, 2, 2, {{OP_split, M_FAILS}, {OP_split, M_SAME}}},
	{A_SPLIT, 2, 2, {{OP_repaint, 0}, {OP_set_memory, M_OTHER}}},
	{A_SPLIT, 1, 1, {{OP_repaint, M_FAILS}}},
	{A_SPLIT, 2, 2, {{OP_split, M_PARK}, {OP_set_memory, M_SAME | M_OTHER}}},
	{A_SPLIT, 2, 2, {{OP_set_memory, M_PARK}, {OP_split, M_SAME | M_OTHER}}},
	{A_SPLIT, 5, 2, {{OP_walk, M_PARK}, {OP_walk_free, M_OTHER}}},
	{A_SPLIT, 2, 3, {{OP_walk_free, 0}, {OP_walk, M_PARK}, {OP_walk_free, M_OTHER}}},
	{A_SPLIT, 2, 2, {{OP_walk_free, 0}, {OP_walk, 0}}},
	{A_SPLIT, 3, 2, {{OP_walk_free, M_PARK}, {OP_walk, M_OTHER}}},
};
enum { NMSEQS = sizeof(mseqs) / sizeof(mseqs[0]) };

/* Where pages of the first step are. A walk of tables that come and go is over all that is left, without tricks. */
static void place_map_step(struct mut *m, struct rec *r, unsigned how, const struct rec *first)
{
	if (how & M_SAME && percent(m, 85)) {
		const uint8_t keep = op_descs[r->kind].args & A_KMAP ? 0x3f : 0xff;

		r->a = (uint8_t)((r->a & ~keep) | (first->a & keep));
		r->block = first->block;
		r->off = first->off;
		if (percent(m, 60))
			r->nr = first->nr;
		pair_verb(m, r);
	}
	if (r->kind == OP_walk && percent(m, 85)) {
		r->a = (uint8_t)(AT_WALK | below(m, 2) << 4 | 3 << 6);
		r->b = percent(m, 70) ? 0 : r->b;
	}
	if (r->kind == OP_walk_free)
		r->a = percent(m, 80) ? 0 : 1;
}

static unsigned fill_map_step(struct mut *m, struct rec *r, const struct mseq *s, unsigned i,
			      const struct rec *first)
{
	const unsigned how = s->step[i].how;
	unsigned n = 1;

	if (how & M_FAILS)
		m->p.h.alloc_fails = percent(m, 90);
	fill_op(m, r, s->step[i].kind, NULL);
	place_map_step(m, r, how, first);
	r->cpu = (uint8_t)(how & M_OTHER && percent(m, 85) ? 1 : 0);
	if (how & M_PARK) {
		r[n] = (struct rec){.is_event = 1, .kind = EV_park, .anchor = HW_C_ANY};
		r[n++].nr = (uint16_t)(1 + below(m, r->kind == OP_walk || r->kind == OP_walk_free ? 12 : 40));
	}
	if (how & M_SEEN && m->p.h.ncpu > 1) {
		r[n] = (struct rec){.is_event = 1, .cpu = 1 - r->cpu};
		fill_map_event(m, &r[n++]);
		if (m->p.h.drain == HW_DRAIN_EAGER && percent(m, 60))
			m->p.h.drain = HW_DRAIN_LAZY;
	}
	return n;
}

static bool do_insert_map(struct mut *m)
{
	const uint8_t half = m->group == GROUP_CREATE ? A_KMAP : A_SPLIT;
	const unsigned at = any_boundary(m);
	const struct mseq *s;
	uint8_t w[NMSEQS];
	struct rec r[3 * 4];
	unsigned n = 0;

	if (m->p.h.ncpu < 2)
		m->p.h.ncpu = 2;
	if (half == A_SPLIT && percent(m, 15))
		return insert_permissions(m, at);
	for (unsigned i = 0; i < NMSEQS; i++)
		w[i] = mseqs[i].half == half ? mseqs[i].weight : 0;
	s = &mseqs[weighted(m, w, NMSEQS)];
	for (unsigned i = 0; i < s->n; i++)
		n += fill_map_step(m, r + n, s, i, r);
	return insert(m, at, r, n);
}

static bool do_delete_op(struct mut *m)
{
	const unsigned i = any_op(m);

	if (prog_count_ops(&m->p) < 2)
		return false;
	prog_cut(&m->p, i, prog_op_end(&m->p, i));
	return true;
}

static bool do_delete_event(struct mut *m)
{
	unsigned from = below(m, m->p.n);

	for (unsigned k = 0; k < m->p.n; k++) {
		const unsigned i = (from + k) % m->p.n;

		if (m->p.r[i].is_event) {
			prog_cut(&m->p, i, i + 1);
			return true;
		}
	}
	return false;
}

/* A copy of an op with its events, right behind or somewhere else, often slightly changed. */
static bool do_duplicate(struct mut *m)
{
	const unsigned i = any_op(m), n = prog_op_end(&m->p, i) - i;
	const unsigned at = percent(m, 50) ? i + n : any_boundary(m);
	struct rec r[8];

	if (n > 8)
		return false;
	memcpy(r, &m->p.r[i], n * sizeof(r[0]));
	if (percent(m, 30))
		r[0].cpu = (uint8_t)below(m, m->p.h.ncpu);
	if (percent(m, 30))
		pick_page(m, &r[0], &r[0]);
	return insert(m, at, r, n);
}

static bool do_swap_ops(struct mut *m)
{
	const unsigned i = any_op(m), j = prog_op_end(&m->p, i);
	struct rec r[8];

	if (j >= m->p.n || j - i > 8)
		return false;
	memcpy(r, &m->p.r[i], (j - i) * sizeof(r[0]));
	prog_cut(&m->p, i, j);
	return insert(m, prog_op_end(&m->p, i), r, j - i);
}

/* Another op on the same range: the cheapest way to compare paths through the implementation. */
static bool do_change_kind(struct mut *m)
{
	struct rec *r = &m->p.r[any_op(m)];

	r->kind = (uint8_t)pick_kind(m, op_descs, OP_NKINDS, m->ops_allowed);
	pick_fields(m, r);
	if (op_descs[r->kind].args & A_NR && r->nr == 1)
		pick_range(m, r, r);
	return true;
}

static struct rec *any_event(struct mut *m)
{
	const unsigned from = below(m, m->p.n);

	for (unsigned k = 0; k < m->p.n; k++)
		if (m->p.r[(from + k) % m->p.n].is_event)
			return &m->p.r[(from + k) % m->p.n];
	return NULL;
}

/* One step earlier or later, another class, another ordinal. */
static bool do_move_event(struct mut *m)
{
	struct rec *r = any_event(m);

	if (!r)
		return false;
	switch (below(m, 4)) {
	case 0:
		r->nr = r->nr < 256 ? (uint16_t)(r->nr + 1) : r->nr;
		break;
	case 1:
		r->nr = r->nr > 1 ? (uint16_t)(r->nr - 1) : (uint16_t)2;
		break;
	case 2:
		r->anchor = (uint8_t)below(m, HW_NCLASS);
		break;
	default:
		r->nr = (uint16_t)geometric(m, 16);
	}
	return true;
}

/* The event goes to the op before or behind its own. */
static bool do_rehome_event(struct mut *m)
{
	struct rec *e = any_event(m), r;
	unsigned i, at;

	if (!e || prog_count_ops(&m->p) < 2)
		return false;
	r = *e;
	i = (unsigned)(e - m->p.r);
	prog_cut(&m->p, i, i + 1);
	at = percent(m, 50) ? any_op(m) : i;
	while (at && (at >= m->p.n || m->p.r[at].is_event))
		at--;
	return insert(m, prog_op_end(&m->p, at), &r, 1);
}

static bool do_change_event(struct mut *m)
{
	struct rec *r = any_event(m);
	unsigned i;

	if (!r)
		return false;
	for (i = (unsigned)(r - m->p.r); m->p.r[i].is_event;)
		i--;
	switch (below(m, 4)) {
	case 0:
		if (!m->evs_allowed)
			return false;
		r->kind = (uint8_t)pick_kind(m, ev_descs, EV_NKINDS, m->evs_allowed);
		break;
	case 1:
		r->cpu = (uint8_t)below(m, HW_MAX_AGENT);
		break;
	case 2:
		pick_page(m, r, &m->p.r[i]);
		break;
	default:
		fill_event(m, r, i);
	}
	return true;
}

static bool do_change_arg(struct mut *m)
{
	struct rec *r = &m->p.r[any_op(m)];
	const struct op_desc *d = rec_desc(r);
	unsigned nf = 0;

	while (nf < OP_MAX_FIELDS && d->field[nf].name)
		nf++;
	switch (below(m, 3 + 3 * nf)) {
	case 0:
		r->cpu = (uint8_t)below(m, m->p.h.ncpu);
		return true;
	case 1:
		r->block = (uint8_t)below(m, PROG_BLOCKS);
		return true;
	case 2:
		pick_page(m, r, near_rec(m, m->p.n));
		return true;
	}
	if (nf) {
		const unsigned i = below(m, nf);

		pick_field(m, r, &d->field[i], biases(r)[i]);
	}
	return nf;
}

static bool do_range(struct mut *m)
{
	const unsigned cont = prog_cont(&m->p.h);
	struct rec *r = &m->p.r[any_op(m)];

	if (!(op_descs[r->kind].args & A_NR)) {
		r->off = (uint8_t)pick_off(m);
		return true;
	}
	switch (below(m, 8)) {
	case 0:
	case 1:
		range_align(m, r);
		break;
	case 2:
		range_straddle(m, r);
		break;
	case 3: /* drop the first entry, keep the end */
		r->off = (uint8_t)((r->off + 1) % cont);
		set_nr(r, r->nr - 1u);
		break;
	case 4:
		set_nr(r, r->nr - 1u);
		break;
	case 5:
		set_nr(r, r->nr + 1u);
		break;
	case 6:
		pick_range(m, r, near_rec(m, m->p.n));
		break;
	default:
		range_inside(m, r);
	}
	return true;
}

static bool do_salt(struct mut *m)
{
	if (percent(m, 30) || !m->p.n) {
		m->p.h.salt = percent(m, 30) ? 0 : (uint32_t)next(m);
	} else {
		const unsigned i = below(m, m->p.n); /* drawn first: C does not order the sides of an assignment */

		m->p.r[i].salt = (uint8_t)next(m);
	}
	return true;
}

/* ---- header ---- */

static unsigned pick_geo(struct mut *m)
{
	static const uint8_t w[HW_NGEO] = {50, 30, 8, 12};

	return weighted(m, w, HW_NGEO);
}

/* Swarm testing: a campaign whose programs each lack some ops reaches states that mixing all ops dilutes. */
static void draw_swarm(struct mut *m)
{
	struct prog_hdr *h = &m->p.h;

	h->ops_off = 0;
	h->evs_off = 0;
	if (percent(m, 50))
		return;
	for (unsigned i = 0; i < OP_NKINDS; i++)
		if (percent(m, 40) && i != OP_set_ptes && i != OP_kmap &&
		    i != OP_kaccess) /* nothing happens on an empty table */
			h->ops_off |= 1ull << i;
	for (unsigned i = 0; i < EV_NKINDS; i++)
		if (percent(m, 25))
			h->evs_off |= (uint8_t)(1u << i);
}

static void draw_personality(struct mut *m)
{
	static const uint8_t drain[HW_NDRAIN] = {45, 35, 20}, xlate[HW_NXLATE] = {40, 25, 15, 20},
			     pick[HW_NPICK] = {40, 15, 15, 30};
	struct prog_hdr *h = &m->p.h;

	h->drain = (uint8_t)weighted(m, drain, HW_NDRAIN);
	h->xlate = (uint8_t)weighted(m, xlate, HW_NXLATE);
	h->pick = (uint8_t)weighted(m, pick, HW_NPICK);
	h->early = percent(m, 40);
	h->alloc_fails = percent(m, 4);
}

static void draw_features(struct mut *m)
{
	static const uint8_t ncpu[HW_MAX_CPU] = {15, 65, 10, 10}, update[] = {12, 13, 75},
			     bbml[] = {30, 15, 30, 25};
	struct prog_hdr *h = &m->p.h;

	h->ncpu = (uint8_t)(1 + weighted(m, ncpu, HW_MAX_CPU));
	h->update = (uint8_t)weighted(m, update, 3);
	h->update_odd = percent(m, 85) ? h->update : (uint8_t)below(m, h->update + 1u);
	h->smmu = percent(m, 25) ? (uint8_t)(1 + below(m, 3)) : 0;
	h->smmu_btm = percent(m, 30);
	h->ets2 = percent(m, 25);
	h->ttl = percent(m, 50);
	h->tlbirange = percent(m, 50);
	h->bbml = (uint8_t)weighted(m, bbml, 4);
}

static bool do_header(struct mut *m)
{
	switch (below(m, 8)) {
	case 0:
		prog_set_geo(&m->p, pick_geo(m));
		break;
	case 1:
		draw_features(m);
		break;
	case 2:
		draw_personality(m);
		break;
	case 3:
		draw_swarm(m);
		read_masks(m);
		break;
	case 4:
		m->p.h.ncpu = (uint8_t)(1 + below(m, HW_MAX_CPU));
		break;
	default: {
		const struct hdr_key *k = &hdr_keys[1 + below(m, HDR_NKEYS - 1)];

		hdr_set(&m->p.h, k, below(m, k->n));
	}
	}
	return true;
}

/* ---- whole programs ---- */

/* Removes whole ops until the program has at most `ops` ops and fits; old ones (set-up) go last. */
static void shorten(struct mut *m, unsigned ops)
{
	while (m->p.n && (prog_count_ops(&m->p) > ops || m->p.n > m->max)) {
		const unsigned n = prog_count_ops(&m->p);
		const unsigned i = op_at(&m->p, n - 1 - (percent(m, 50) ? 0 : below(m, n)));

		if (n == 1) { /* one op and more events than fit */
			m->p.n = m->p.n < m->max ? m->p.n : m->max;
			return;
		}
		prog_cut(&m->p, i, prog_op_end(&m->p, i));
	}
}

static bool do_truncate(struct mut *m)
{
	const unsigned n = prog_count_ops(&m->p);

	if (n < 4)
		return false;
	shorten(m, 1 + below(m, n - 1));
	return true;
}

/* Everything into one block, or one block's records into another: more meetings. */
static bool do_gather(struct mut *m)
{
	const unsigned to = below(m, PROG_BLOCKS), from = below(m, PROG_BLOCKS);
	const bool all = percent(m, 40);

	for (unsigned i = 0; i < m->p.n; i++)
		if (all || m->p.r[i].block == from)
			m->p.r[i].block = (uint8_t)to;
	return true;
}

static void fill_program(struct mut *m, unsigned nops)
{
	unsigned tries = 8 * nops + 8;

	while (prog_count_ops(&m->p) < nops && tries--) {
		const unsigned x = below(m, 100);

		if (m->group == GROUP_KERNEL && x < 55)
			do_insert_kernel(m);
		else if (on_map(m) && x < 50)
			do_insert_map(m);
		else if (m->group >= GROUP_KERNEL)
			do_insert_op(m);
		else if (x < 20 || !m->p.n)
			do_insert_pair(m);
		else if (x < 28)
			do_insert_pieces(m);
		else if (x < 35)
			do_insert_race(m);
		else if (x < 43)
			do_insert_seq(m);
		else
			do_insert_op(m);
		if (percent(m, 45))
			do_insert_event(m);
	}
	shorten(m, nops);
}

/* Missing barriers show on CPUs that walk early, where stores are slow to drain. */
static void draw_group(struct mut *m, bool any)
{
	struct prog_hdr *h = &m->p.h;
	const unsigned x = below(m, any ? 100 : 84);

	m->group = x < 62   ? GROUP_USER
		   : x < 66 ? GROUP_IRQ
		   : x < 84 ? GROUP_KERNEL
		   : x < 92 ? GROUP_CREATE
			    : GROUP_SPLIT;
	if (on_map(m)) {
		h->ops_off &= ~kinds_with(op_descs, OP_NKINDS, A_KMAP | A_SPLIT);
		h->bbml = percent(m, 75) ? 3 : h->bbml;
		h->alloc_fails = percent(m, 30);
		h->drain = percent(m, 40) ? HW_DRAIN_LAZY : h->drain;
		h->geo = percent(m, 75) ? HW_GEO_SMALL : percent(m, 60) ? HW_GEO_4K : h->geo;
		return;
	}
	if (m->group != GROUP_KERNEL) {
		h->ops_off &= ~kernel_kinds(op_descs, OP_NKINDS);
		return;
	}
	h->ets2 = percent(m, 15);
	h->early = percent(m, 85);
	h->drain = percent(m, 60) ? HW_DRAIN_LAZY : h->drain;
	h->xlate = percent(m, 50) ? HW_XLATE_STALE : h->xlate;
	h->ncpu = (uint8_t)(1 + (percent(m, 85) ? 1 + below(m, 2) : 0));
}

/* `any`: on the kernel's map, too. */
static void generate(struct mut *m, unsigned nops, bool any)
{
	memset(&m->p.h, 0, sizeof(m->p.h));
	m->p.n = 0;
	draw_features(m);
	m->p.h.geo = (uint8_t)pick_geo(m);
	draw_personality(m);
	draw_swarm(m);
	m->p.h.salt = percent(m, 30) ? (uint32_t)next(m) : 0;
	draw_group(m, any);
	read_masks(m);
	prog_normalize(&m->p);
	fill_program(m, on_map(m) && nops > MAP_OPS ? MAP_OPS : nops);
	prog_normalize(&m->p);
}

void mut_generate(struct prog *p, unsigned nops, uint32_t seed)
{
	struct mut m = {.rng = seed, .max = PROG_MAX_RECS};

	generate(&m, nops, true);
	*p = m.p;
}

static const struct {
	bool (*fn)(struct mut *);
	uint8_t weight, grows;
} changes[] = {
	{do_insert_op, 16, 1},	  {do_insert_pair, 8, 1},   {do_insert_pieces, 3, 1}, {do_insert_race, 3, 1},
	{do_insert_seq, 5, 1},	  {do_insert_event, 16, 1}, {do_duplicate, 5, 1},     {do_delete_op, 10, 0},
	{do_delete_event, 4, 0},  {do_swap_ops, 5, 0},	    {do_change_kind, 6, 0},   {do_move_event, 8, 0},
	{do_change_event, 8, 0},  {do_rehome_event, 3, 0},  {do_change_arg, 12, 0},   {do_range, 12, 0},
	{do_insert_kernel, 4, 1}, {do_insert_map, 24, 1},   {do_salt, 3, 0},	      {do_header, 9, 0},
	{do_truncate, 2, 0},	  {do_gather, 2, 0},
};
enum { NCHANGES = sizeof(changes) / sizeof(changes[0]) };

/* What inserts user mappings, or what the half's other owner has. */
static bool is_for_users(bool (*fn)(struct mut *))
{
	return fn == do_insert_pair || fn == do_insert_pieces || fn == do_insert_race || fn == do_insert_seq ||
	       fn == do_insert_kernel;
}

static void change(struct mut *m)
{
	uint8_t w[NCHANGES];
	const unsigned ops = prog_count_ops(&m->p);
	const unsigned soft = on_map(m) ? MAP_OPS : SOFT_OPS, hard = on_map(m) ? MAP_OPS + 2 : HARD_OPS;
	const bool full = ops >= hard || m->p.n >= m->max;

	for (unsigned i = 0; i < NCHANGES; i++) {
		w[i] = changes[i].weight;
		if (on_map(m) ? is_for_users(changes[i].fn) : changes[i].fn == do_insert_map)
			w[i] = 0;
		if (changes[i].grows)
			w[i] = full ? 0 : ops >= soft ? w[i] / 4 : w[i];
	}
	for (unsigned tries = 0; tries < 8; tries++) {
		if (!m->p.n) {
			if (m->max)
				fill_program(m, 1 + below(m, m->max < 6 ? m->max : 6));
			return;
		}
		if (changes[weighted(m, w, NCHANGES)].fn(m))
			return;
	}
}

/* Text seeds become bytes here, so that an engine can start from the committed corpus as it is. */
static void load(struct prog *p, const uint8_t *data, size_t size)
{
	if (!prog_is_text(data, size) || prog_parse(p, "", (const char *)data, size, NULL, 0))
		prog_decode(p, data, size);
}

static unsigned fits(size_t max_size)
{
	const size_t n = (max_size - PROG_HDR_BYTES) / PROG_REC_BYTES;

	return n < PROG_MAX_RECS ? (unsigned)n : PROG_MAX_RECS;
}

size_t mut_mutate(uint8_t *data, size_t size, size_t max_size, uint32_t seed)
{
	struct mut m;
	uint8_t out[PROG_MAX_BYTES];
	size_t n;

	if (max_size < PROG_HDR_BYTES) /* no program fits; both engines take 0 as "no mutation" */
		return 0;
	m.rng = seed;
	m.max = fits(max_size);
	load(&m.p, data, size);
	m.group = group_of(&m);
	read_masks(&m);
	if (m.p.n > m.max || max_size < size) {
		shorten(&m, max_size < size ? prog_count_ops(&m.p) / 2 : PROG_MAX_RECS);
		if (max_size < size && m.p.n < m.max)
			m.max = m.p.n;
	} else if (prog_count_ops(&m.p) > 2 * HARD_OPS && percent(&m, 50)) {
		shorten(&m, HARD_OPS); /* an imported trace, or another fuzzer's liking */
	}
	/* What no seed is about comes in, too. Engines like programs on the map, which have features and edges of their own:
	 * others make up for it. */
	if (max_size >= size && percent(&m, m.p.n < 2 ? 30 : 1))
		generate(&m, 2 + below(&m, SOFT_OPS / 2), true);
	else if (max_size >= size && on_map(&m) && percent(&m, 50))
		generate(&m, 2 + below(&m, SOFT_OPS), false);
	shorten(&m, on_map(&m) && percent(&m, 90) ? MAP_OPS : PROG_MAX_RECS);
	if (on_map(&m) && percent(&m, 60)) /* and in large tables ten times that */
		prog_set_geo(&m.p, HW_GEO_SMALL);
	for (unsigned k = geometric(&m, 6); k; k--) {
		change(&m);
		prog_normalize(&m.p);
	}
	n = prog_encode(&m.p, out);
	memcpy(data, out, n);
	return n;
}

/* Copies ops [i, j) of `from` (geometry and CPUs of `to`) into `to` at record `at`, as far as they fit. */
static void graft(struct prog *to, unsigned at, const struct prog *from, unsigned i, unsigned j, unsigned max)
{
	while (i < j) {
		const unsigned end = prog_op_end(from, i);

		if (to->n + (end - i) > max || prog_insert(to, at, &from->r[i], end - i))
			return;
		at += end - i;
		i = end;
	}
}

size_t mut_crossover(const uint8_t *a, size_t na, const uint8_t *b, size_t nb, uint8_t *out, size_t max,
		     uint32_t seed)
{
	struct mut m = {.rng = seed};
	struct prog other;
	uint8_t buf[PROG_MAX_BYTES];
	unsigned ops, i, j, at;
	size_t n;

	if (max < PROG_HDR_BYTES)
		return 0;
	m.max = fits(max);
	load(&m.p, a, na);
	load(&other, b, nb);
	prog_set_geo(&other, m.p.h.geo);
	/* A segment of b... */
	ops = prog_count_ops(&other);
	i = below(&m, ops);
	j = i + 1 + below(&m, ops - i);
	i = op_at(&other, i);
	j = op_at(&other, j);
	/* ... instead of a's tail, or between two ops of a. */
	at = any_boundary(&m);
	if (percent(&m, 50))
		m.p.n = at;
	shorten(&m, HARD_OPS);
	at = at < m.p.n ? at : m.p.n;
	while (at < m.p.n && m.p.r[at].is_event)
		at++;
	graft(&m.p, at, &other, i, j, m.max);
	if (percent(&m, 25))
		m.p.h = other.h;
	shorten(&m, HARD_OPS);
	prog_normalize(&m.p);
	n = prog_encode(&m.p, buf);
	memcpy(out, buf, n);
	return n;
}
