/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What exhaustive exploration writes programs with: headers, ops, events.
 *
 * Property: within the pages asked for, every request that a core's ops can be made to carry out is a letter,
 * each effect once: a request that the executor would clip is not legal, because the clipped one is a letter too.
 */
#include "exhaust.h"

#include <string.h>

#include "exec_internal.h"

#define OPS(x)	(1ull << OP_##x)
#define EVS(x)	(1u << EV_##x)
#define SHIFTED (1u << 16)

static const uint8_t flags_few[] = {1, 7, 0xff};	/* write; write young dirty */
static const uint8_t flags_most[] = {0, 1, 3, 7, 0xff}; /* none; write; write young; all three */
static const uint8_t flags_all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 0xff};

#define EV_HW	 (EVS(read) | EVS(write) | EVS(drain) | EVS(sync))
#define OPS_BASE (OPS(set_ptes) | OPS(ptep_get) | OPS(wrprotect_ptes) | OPS(get_and_clear_full_ptes))
#define OPS_USER                                                                                                   \
	(OPS_BASE | OPS(ptep_get_and_clear_full) | OPS(ptep_clear_flush) | OPS(ptep_set_access_flags) |            \
	 OPS(ptep_test_and_clear_young) | OPS(clear_young_dirty_ptes) | OPS(touch))
/* What can be explored: ops of one address space that leave nothing undone for a later op, whose legality and
 * arguments are known here. Whole callers (fork, swap-out, lazy sections) are for the fuzzer. */
#define OPS_KNOWN                                                                                                  \
	(OPS_USER | OPS(set_marker) | OPS(ptep_get_lockless) | OPS(ptep_get_and_clear) | OPS(clear_full_ptes) |    \
	 OPS(ptep_clear_flush_young) | OPS(flush_tlb_range) | OPS(free_table))

/* Those before the callers made of many calls, whose states are not in the hash of states. */
#define ALL_OPS ((1u << (OP_free_table + 1)) - 1)
#define ALL_EVS ((1u << (EV_park + 1)) - 1)

const struct exh_core exh_cores[] = {
	{"base", "map, read, write-protect, remove", OPS_BASE, EV_HW, 1u << 0 | 1u << 1, flags_few, false},
	{"contpte", "what a folded block goes through in one table", OPS_USER, EV_HW, 1u << 0 | 1u << 1, flags_few,
	 false},
	{"full", "every op of one address space, every event and kind of folio", OPS_KNOWN, (1u << EV_NKINDS) - 1,
	 1u << 0 | 1u << 1 | 1u << 3 | 1u << 4 | SHIFTED << 2, flags_most, false},
	{"everything", "and every flag and folio", OPS_KNOWN, (1u << EV_NKINDS) - 1, 0xfffu | SHIFTED << 2,
	 flags_all, true},
};
const unsigned exh_ncores = sizeof(exh_cores) / sizeof(exh_cores[0]);

#define DIRTY .ncpu = 2, .update = HW_UPD_AF_DIRTY, .update_odd = HW_UPD_AF_DIRTY

/*
 * Each row adds what one kind of mistake needs to show to a machine that updates descriptors: single settings,
 * except that a wrong invalidation shows only to who prefers a cached translation.
 */
const struct exh_variant exh_variants[] = {
	{"plain", "nobody updates descriptors: faults do", NULL, {.ncpu = 2}},
	{"dirty", "hardware updates access and dirty state", NULL, {DIRTY}},
	{"stale", "and prefers cached translations", "dirty", {DIRTY, .xlate = HW_XLATE_STALE}},
	{"first", "in the first entry of a block", "dirty", {DIRTY, .pick = HW_PICK_FIRST}},
	{"last", "in the last", "dirty", {DIRTY, .pick = HW_PICK_LAST}},
	{"odd", "on CPU 0 only", NULL, {.ncpu = 2, .update = HW_UPD_AF_DIRTY}},
	{"lazy", "stores become visible when forced", NULL, {DIRTY, .drain = HW_DRAIN_LAZY}},
	{"lazy-stale",
	 "and walks see the oldest",
	 "lazy",
	 {DIRTY, .drain = HW_DRAIN_LAZY, .xlate = HW_XLATE_STALE}},
	{"reversed", "newest first", NULL, {DIRTY, .drain = HW_DRAIN_REVERSED}},
	{"smmu",
	 "an SMMU that updates nothing and hears notifiers only",
	 NULL,
	 {DIRTY, .xlate = HW_XLATE_STALE, .smmu = 1}},
	{"ttl", "level hints count", NULL, {DIRTY, .xlate = HW_XLATE_STALE, .ttl = 1}},
	{"range", "range invalidations", NULL, {DIRTY, .xlate = HW_XLATE_STALE, .tlbirange = 1}},
	{"bbml2", "size and contiguous bit change in place", "dirty", {DIRTY, .xlate = HW_XLATE_STALE, .bbml = 2}},
	{"early", "faults come from early walks", NULL, {.ncpu = 2, .xlate = HW_XLATE_STALE, .early = 1}},
};
const unsigned exh_nvariants = sizeof(exh_variants) / sizeof(exh_variants[0]);

static int op_named(const char *s, size_t n)
{
	for (unsigned i = 0; i < OP_NKINDS; i++)
		if (strlen(op_descs[i].name) == n && !memcmp(op_descs[i].name, s, n))
			return (int)i;
	return -1;
}

bool exh_explores(uint64_t ops)
{
	return !(ops & ~OPS_KNOWN);
}

int exh_core_find(struct exh_core *c, const char *name)
{
	for (unsigned i = 0; i < exh_ncores; i++) {
		if (!strcmp(exh_cores[i].name, name)) {
			*c = exh_cores[i];
			return 0;
		}
		if (!strcmp(exh_cores[i].name, "full"))
			*c = exh_cores[i];
	}
	c->name = name;
	c->ops = 0;
	for (const char *s = name; *s;) {
		const size_t n = strcspn(s, ",");
		const int op = op_named(s, n);

		if (op < 0)
			return -1;
		c->ops |= 1ull << op;
		s += n + (s[n] != 0);
	}
	if (!exh_explores(c->ops))
		return -2;
	return c->ops ? 0 : -1;
}

/* --- letters */

static struct rec *put(struct exh_alphabet *a, unsigned kind, unsigned page, unsigned nr)
{
	struct rec *r = &a->op[a->nop].r;

	if (a->nop == EXH_LETTERS)
		return r; /* the last one is lost: EXH_LETTERS is too small for this core, see exh_spell() */
	a->nop++;
	*r = (struct rec){.kind = (uint8_t)kind,
			  .block = (uint8_t)(page / 4),
			  .off = (uint8_t)(page % 4),
			  .nr = (uint16_t)nr};
	return r;
}

static void spell_set_ptes(struct exh_alphabet *a, const struct exh_core *c, unsigned page, unsigned nr)
{
	for (unsigned f = 0; f < 32; f++) {
		if (!(c->folios >> f & 1))
			continue;
		for (const uint8_t *b = c->flags; *b != 0xff; b++) {
			struct rec *r = put(a, OP_set_ptes, page, nr);

			r->a = (uint8_t)(f % 16 | f / 16 << 4);
			r->b = *b;
		}
	}
}

/* Values of the fields of every other op: byte b, and how many there are. */
static unsigned values(const struct exh_core *c, unsigned kind, uint8_t *v)
{
	static const uint8_t flag[] = {0, 1}, pair[] = {0, 1, 2, 3}, relax[] = {0, 1, 4}, clean[] = {1, 2, 3};
	const uint8_t *from = flag;
	unsigned n = 1;

	switch (kind) {
	case OP_ptep_get_and_clear:
	case OP_wrprotect_ptes:
	case OP_flush_tlb_range:
		n = 2;
		break;
	case OP_get_and_clear_full_ptes:
	case OP_clear_full_ptes:
		from = pair;
		n = c->arguments ? 4 : 2;
		break;
	case OP_ptep_get_and_clear_full:
	case OP_touch:
		from = pair;
		n = 4;
		break;
	case OP_ptep_set_access_flags:
		from = relax;
		n = 3;
		break;
	case OP_clear_young_dirty_ptes:
		from = clean;
		n = 3;
		break;
	default:
		break;
	}
	memcpy(v, from, n);
	return n;
}

static void spell_at(struct exh_alphabet *a, const struct exh_core *c, unsigned kind, unsigned page, unsigned nr)
{
	uint8_t v[4];
	const unsigned n = values(c, kind, v);

	if (kind == OP_set_ptes) {
		spell_set_ptes(a, c, page, nr);
		return;
	}
	if (kind == OP_set_marker) { /* a payload whose bits alias no flag, and one that aliases all */
		put(a, kind, page, nr)->a = 15;
		put(a, kind, page, nr)->a = 14;
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		struct rec *r = put(a, kind, page, nr);

		r->b = v[i];
		a->op[a->nop - 1].smmu = kind == OP_touch && v[i] & 2;
	}
}

static void spell_event(struct exh_alphabet *a, unsigned kind, unsigned agent, unsigned page, unsigned which)
{
	struct exh_letter *l = &a->ev[a->nev++];

	l->smmu = agent == HW_SMMU;
	l->r = (struct rec){.is_event = 1,
			    .kind = (uint8_t)kind,
			    .cpu = (uint8_t)agent,
			    .nr = 1,
			    .block = (uint8_t)(page / 4),
			    .off = (uint8_t)(page % 4),
			    .a = (uint8_t)which};
}

static void spell_events(struct exh_alphabet *a, const struct exh_opts *o)
{
	static const uint8_t agents[] = {0, 1, HW_SMMU};

	for (unsigned i = 0; i < sizeof(agents); i++) {
		for (unsigned p = 0; p < o->pages; p++) {
			if (o->core.events & EVS(write))
				spell_event(a, EV_write, agents[i], p, 0);
			if (o->core.events & EVS(read))
				spell_event(a, EV_read, agents[i], p, 0);
			if (o->core.events & EVS(age) && !i) /* whoever sets it: only the descriptor shows it */
				spell_event(a, EV_age, agents[i], p, 0);
		}
		if (agents[i] == HW_SMMU)
			break;
		for (unsigned w = 0; w < 2 && o->core.events & EVS(drain); w++)
			spell_event(a, EV_drain, agents[i], 0, w);
		if (o->core.events & EVS(sync))
			spell_event(a, EV_sync, agents[i], 0, 0);
	}
	if (o->core.events & EVS(park) && o->core.ops & OPS(ptep_get_lockless))
		spell_event(a, EV_park, 0, 0, 0);
}

void exh_spell(const struct exh_opts *o, struct exh_alphabet *a)
{
	memset(a, 0, sizeof(*a));
	for (unsigned k = 0; k < OP_NKINDS; k++) {
		if (!(o->core.ops >> k & 1))
			continue;
		for (unsigned page = 0; page < o->pages; page++) {
			const unsigned max = op_descs[k].args & A_NR ? o->pages - page : 1;

			if (k == OP_free_table && page)
				break;
			for (unsigned nr = 1; nr <= max; nr++)
				spell_at(a, &o->core, k, page, nr);
		}
	}
	spell_events(a, o);
}

/* --- legality */

static const ref_clip clips[API_END] = {
#define X(name) [OP_##name] = ref_clip_##name,
	REF_OPS(X)
#undef X
		[OP_touch] = ref_clip_ptep_get,
};

static unsigned room_in_folio(const struct rec *r, unsigned page)
{
	const struct pt_folio *f = &ex.folio[HW_GEO_SMALL][(r->a & 15) % EX_FOLIOS];
	const uint64_t vpn = ex_addr(page) >> ex.geo->page_shift;
	const unsigned size = 1u << f->order;

	return size - ((vpn + (r->a >> 4 & 3)) & (size - 1));
}

bool exh_legal(const struct rec *r)
{
	const unsigned page = r->block * ex.cont + r->off;
	struct ref_op op = {.page = page, .nr = r->nr, .max_nr = r->nr};

	if (r->kind == OP_free_table)
		return ex.sp->leaf[r->block / 2] != NULL;
	op.full = r->kind == OP_ptep_get_and_clear_full && r->b & 2;
	if (op.full != true && r->kind == OP_ptep_get_and_clear_full && ref_in_teardown(&ex.sp->mm, page))
		return false; /* would be full */
	if (r->kind == OP_set_ptes && r->nr > room_in_folio(r, page))
		return false;
	if (r->kind == OP_clear_young_dirty_ptes) {
		op.young = r->b & 1;
		op.dirty = r->b >> 1 & 1;
	}
	return clips[r->kind](&ex.sp->mm, &op) && op.page == page && op.nr == r->nr;
}
