// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cost: what a call of the seam took, against the formulas of cost.def.
 *
 * Property: a budget depends on what the call was asked, on what its blocks looked like before it and on the profile,
 * never on what the implementation did; where another task ran inside a call nothing is judged (and counted as
 * skipped), and each event inside it, with which hardware may win a race, pays for one more round.
 */
#include "callers/kmap.h"
#include "cost.h"

#include <stdio.h>
#include <string.h>

#include "exec_internal.h"

#define MAX_DVM_OPS 512 /* operations for a range, above which the kernel invalidates the whole address space */

const char *const cost_words[COST_NCLASS] = {
	[COST_WIDE] = "over-flush", [COST_TLBIS] = "tlbis",   [COST_BARRIERS] = "barriers",
	[COST_ATOMICS] = "atomics", [COST_STORES] = "stores", [COST_LOADS] = "loads",
};
struct cost_stats cost_stats;

/* The first finding, kept until it is known that there is no other. */
static struct {
	const char *fn, *what;
	char detail[128];
	unsigned op;
	uint64_t step;
} found;

/* --- formulas */

/*
 * Range operations cover (num + 1) * 2^(5 * scale + 1) pages, so one a scale of 5 bits, and a last odd page has one of
 * its own (DDI 0487 C5.5, __flush_tlb_range_op()).
 */
__attribute__((noinline)) unsigned cost_tlbis(unsigned long pages, bool ranges)
{
	unsigned n = pages & 1;

	if (!ranges)
		return (unsigned)pages;
	for (pages >>= 1; pages; pages >>= 5)
		n += (pages & 31) != 0;
	return n;
}

/* With TCR_EL1.DS = 1 the base of a range counts units of 64 KiB, and pages before the first of them go one by one: what
 * the worst place of the range costs. */
static unsigned tlbis_of(unsigned long pages, bool ranges)
{
	const unsigned lead = ranges && kmap.on && kmap.env.lpa2 ? (1u << (16 - kmap.env.page_shift)) - 1 : 0;
	unsigned most = cost_tlbis(pages, ranges);

	for (unsigned i = 1; i <= lead && i <= pages; i++) {
		const unsigned n = i + cost_tlbis(pages - i, true);

		most = n > most ? n : most;
	}
	return most;
}

/* Pages and operations of a gather's range: with no leaf cleared, one a table is enough. */
static unsigned gather_steps(const struct cost_facts *f, unsigned *tlbis)
{
	const struct pt_gather *g = f->gather;
	const unsigned shift = f->page_shift, stride = g->cleared_ptes ? 1 : f->table_pages;
	const uint64_t step = (uint64_t)stride << shift;
	const uint64_t pages = ((g->end + step - 1) / step - g->start / step) * stride;

	*tlbis = f->ranges ? tlbis_of(pages, true) : (unsigned)(pages / stride);
	return (unsigned)(pages / stride);
}

static void gather_budget(const struct cost_facts *f, struct cost_budget *b)
{
	const struct pt_gather *g = f->gather;

	if (g->fullmm) {
		*b = g->freed_tables ? (struct cost_budget){.dsbs = 2, .tlbis = 1, .notifies = 1, .wide = 1}
				     : (struct cost_budget){.loads = 0};
		return;
	}
	b->wide = gather_steps(f, &b->tlbis) >= MAX_DVM_OPS;
	b->notifies = 1;
}

/* One line of the table, its conversions included. */
struct cost_line {
	unsigned loads, atomics, stores, dsbs, tlbis, conversions;
};

static void budget(struct cost_budget *b, const struct cost_facts *f, const struct cost_line *l)
{
	const unsigned conversions = l->conversions, flushes = f->convert_flushes ? conversions : 0;

	*b = (struct cost_budget){
		.loads = l->loads,
		.atomics = l->atomics + conversions * f->C,
		.stores = l->stores + conversions * f->C,
		.dsbs = l->dsbs + 2 * flushes,
		.tlbis = l->tlbis + (flushes ? flushes * tlbis_of(f->C, f->ranges) : 0),
		.notifies = (l->dsbs && l->tlbis) + flushes,
		.wide = l->tlbis >= MAX_DVM_OPS,
	};
}

bool cost_budget(unsigned id, const struct cost_facts *f, struct cost_budget *b)
{
	const unsigned n = f->n, C = f->C, m = f->m, ends = f->ends, cuts = f->cuts, runs = f->runs,
		       fills = f->fills;
	const bool folded = f->folded, gains = f->gains, full = f->full, batch = f->batch, loose = f->loose;

	struct cost_line l;

#define T(k) tlbis_of(k, f->ranges)
	switch (id) {
#define COST(fn, ...)                                                                                              \
	case OP_##fn:                                                                                              \
		l = (struct cost_line){__VA_ARGS__};                                                               \
		break;
#include "cost.def"
	default:
		return false;
	}
#undef T
	budget(b, f, &l);
	if (f->gather)
		gather_budget(f, b);
	if (id == API_arch_tlbbatch_add_pending)
		b->notifies = b->dsbs;
	b->wide |= id == API_flush_tlb_mm || id == API_arch_flush_tlb_batched_pending;
	/* A lost race is one more atomic, or a reader's new start. */
	b->atomics += f->tracks;
	b->loads += b->stores + f->tracks * (id == OP_ptep_get_lockless ? 3 + C : 1);
	return true;
}

enum cost_class cost_exceeded(const struct cost_budget *b, const uint32_t *n)
{
	const unsigned atomics = n[HW_C_ATOMIC];
	const unsigned spare = atomics < b->atomics ? b->atomics - atomics : 0;

	if (n[HW_N_WIDE] > b->wide)
		return COST_WIDE;
	if (n[HW_C_TLBI] - n[HW_N_NOTIFY] > b->tlbis || n[HW_N_NOTIFY] > b->notifies)
		return COST_TLBIS;
	if (n[HW_N_DSB] > b->dsbs || n[HW_N_ISB] > b->isbs)
		return COST_BARRIERS;
	if (atomics > b->atomics)
		return COST_ATOMICS;
	if (n[HW_C_STORE] > b->stores + spare)
		return COST_STORES;
	if (n[HW_C_LOAD] > b->loads + spare)
		return COST_LOADS;
	return COST_NCLASS;
}

/* --- findings */

static unsigned count_of(enum cost_class c, const uint32_t *n)
{
	switch (c) {
	case COST_WIDE:
		return n[HW_N_WIDE];
	case COST_TLBIS:
		return n[HW_C_TLBI];
	case COST_BARRIERS:
		return n[HW_N_DSB] + n[HW_N_ISB];
	case COST_ATOMICS:
		return n[HW_C_ATOMIC];
	case COST_STORES:
		return n[HW_C_STORE];
	default:
		return n[HW_C_LOAD];
	}
}

static unsigned budget_of(enum cost_class c, const struct cost_budget *b)
{
	switch (c) {
	case COST_WIDE:
		return b->wide;
	case COST_TLBIS:
		return b->tlbis + b->notifies;
	case COST_BARRIERS:
		return b->dsbs + b->isbs;
	case COST_ATOMICS:
		return b->atomics;
	case COST_STORES:
		return b->stores;
	default:
		return b->loads;
	}
}

static void keep(const char *fn, const char *what, const char *where, unsigned is, unsigned may)
{
	if (ex.log)
		fprintf(ex.log, "    -- %s: %u %s, its budget is %u\n", fn, is, what, may);
	if (found.fn)
		return;
	found.fn = fn;
	found.what = what;
	found.op = ex.cur ? ex.cur->op.rec : ex.p->n;
	found.step = hw.step;
	snprintf(found.detail, sizeof(found.detail), "%s%u %s, the budget is %u", where, is, what, may);
}

static __attribute__((noinline)) void note(const char *fn, enum cost_class c, const struct cost_budget *b,
					   const uint32_t *n, const char *where)
{
	keep(fn, cost_words[c], where, count_of(c, n), budget_of(c, b));
}

void cost_reset(void)
{
	found.fn = NULL;
	for (unsigned i = 0; i < HW_MAX_CPU; i++)
		ex.task[i].section.open = ex.task[i].section.due = false;
}

void cost_report(void)
{
	if (!found.fn || ex.stop)
		return;
	ex_finding("cost", found.fn, found.what, "%s", found.detail);
	ex.out->op = found.op;
	ex.out->step = found.step;
}

/* --- user mappings */

static unsigned events_fired(const struct opctx *c)
{
	return c->fired ? (unsigned)__builtin_popcountll(c->fired) : 0;
}

void cost_begin(struct cost_mark *m)
{
	memcpy(m->n, hw.n, sizeof(m->n));
	m->turn = ex.cur->turn;
	m->fired = events_fired(&ex.cur->op);
}

static bool is_folded(unsigned page)
{
	return (ex.sp->seen[page] & (HW_D_VALID | HW_D_CONT)) == (HW_D_VALID | HW_D_CONT);
}

static unsigned folded_runs(unsigned page, unsigned end)
{
	unsigned runs = 0;

	for (unsigned b = page >> ex.cont_bits; b << ex.cont_bits < end; b++) {
		unsigned first = b << ex.cont_bits, last = first + ex.cont - 1;

		runs += is_folded(first < page ? page : first) || is_folded(last >= end ? end - 1 : last);
	}
	return runs;
}

/* Edges that cut a block, and folded runs they cut: at the begin a short range counts too, as in
 * contpte_try_unfold_partial(). One run cut at both edges is unfolded once. */
static void facts_of_edges(struct cost_facts *f, unsigned page, unsigned end)
{
	const unsigned mask = ex.cont - 1;
	const bool lo = page & mask || f->n < ex.cont, hi = end & mask;
	const bool cut_lo = lo && f->folded, cut_hi = hi && is_folded(end - 1);
	const bool same = page >> ex.cont_bits == (end - 1) >> ex.cont_bits;
	unsigned a = page, z = end;

	f->ends = lo + hi;
	f->cuts = cut_lo + (cut_hi && !(cut_lo && same));
	if (f->folded)
		a &= ~mask;
	if (is_folded(end - 1))
		z = (z + mask) & ~mask;
	f->m = z - a;
	f->fills = (end >> ex.cont_bits) - (page >> ex.cont_bits);
}

/* Single entries that fill a whole block. */
static bool loose_blocks(unsigned page, unsigned end)
{
	for (page = (page + ex.cont - 1) & ~(ex.cont - 1); page + ex.cont <= end; page += ex.cont)
		if ((ex.sp->seen[page] & (HW_D_VALID | HW_D_CONT)) == HW_D_VALID)
			return true;
	return false;
}

static __attribute__((noinline)) void facts_of(struct cost_facts *f, const struct ref_op *op)
{
	const struct pt_profile *p = &ex.impl->profile;
	const unsigned page = op->page, end = page + op->nr;

	*f = (struct cost_facts){
		.n = op->nr,
		.C = ex.cont,
		.full = op->full,
		.batch = p->young_batched,
		.convert_flushes = !(p->fold_no_tlbi && hw_feature(HW_FEAT_BBML2_NOABORT)),
		.ranges = hw.cfg.tlbirange,
		.table_pages = 1u << ex.geo->table_bits,
		.page_shift = ex.geo->page_shift,
		.tracks = events_fired(&ex.cur->op) - ex.cur->op.cost.fired,
		.gather = op->id == API_tlb_flush ? ex.cur->op.gather : NULL,
	};
	if (op->flushes || !op->nr)
		return;
	f->folded = is_folded(page);
	facts_of_edges(f, page, end);
	if (op->id == API_modify_prot_start_ptes && !f->batch)
		f->runs = folded_runs(page, end);
	if (op->id == API_modify_prot_start_ptes && f->batch && f->n > 1 && f->convert_flushes)
		f->loose = loose_blocks(page, end);
	f->gains = op->write && f->folded && !(ex.impl->entry_read(ex.sp->seen[page]) & PT_WRITE);
}

/* What the call may cost whatever its blocks look like: most calls need no more, and are spared the look. */
static struct cost_facts least_facts(const struct ref_op *op)
{
	return (struct cost_facts){.n = op->nr,
				   .C = ex.cont,
				   .m = op->nr,
				   .batch = ex.impl->profile.young_batched,
				   .ranges = hw.cfg.tlbirange};
}

void cost_end(const struct ref_op *op)
{
	const struct cost_mark *m = &ex.cur->op.cost;
	struct cost_facts f = least_facts(op);
	struct cost_budget b;
	uint32_t n[HW_NCOUNT];
	enum cost_class c;

	if (m->turn != ex.cur->turn || (op->ret == REF_RET_LOCKLESS && exec_anyone_parked())) {
		cost_stats.skipped++;
		return;
	}
	if (!cost_budget(op->id, &f, &b))
		return;
	cost_stats.checked++;
	for (unsigned i = 0; i < HW_NCOUNT; i++)
		n[i] = hw.n[i] - m->n[i];
	if (ex.impl->profile.queues_stores) /* it makes here what it was asked for earlier */
		n[HW_C_STORE] = 0;
	if (op->id != API_tlb_flush && cost_exceeded(&b, n) == COST_NCLASS)
		return;
	facts_of(&f, op);
	cost_budget(op->id, &f, &b);
	c = cost_exceeded(&b, n);
	if (c != COST_NCLASS)
		note(seam_name(op->id), c, &b, n, "");
}

/* --- kernel mappings and lazy MMU mode */

static void kernel_line(struct cost_budget *b, unsigned loads, unsigned atomics, unsigned stores, unsigned dsbs,
			unsigned isbs, unsigned tlbis)
{
	*b = (struct cost_budget){
		.loads = loads + stores,
		.atomics = atomics,
		.stores = stores,
		.dsbs = dsbs,
		.isbs = isbs,
		.tlbis = tlbis,
		.wide = tlbis >= MAX_DVM_OPS,
	};
}

static bool stores_entries(const struct ref_k_op *op)
{
	return op->id == OP_set_ptes || op->id == API_set_huge_pte_at;
}

bool cost_kernel_budget(const struct ref_k_op *op, const struct pt_profile *p, bool lazy, bool due,
			struct cost_budget *b)
{
	const unsigned n = op->nr;
	const bool mode = p->lazy == PT_LAZY_FLAG, batch = p->young_batched;
	/* Flags: read for each entry, or (form 2) twice; set once, or (form 1) for each entry. */
	const unsigned queue_loads = p->lazy_form == 2 ? 2 : 1;
	const unsigned queue_atomics = p->lazy_form == 1 ? (op->run ? 1 : n) : !due;

	if (stores_entries(op) && op->val.kind != REF_PRESENT) {
		kernel_line(b, 1, 0, n, 0, 0, 0);
		return true;
	}
#define T(k) tlbis_of(k, hw.cfg.tlbirange)
	switch (op->id) {
#define KCOST(fn, loads, atomics, stores, dsbs, isbs, tlbis)                                                       \
	case OP_##fn:                                                                                              \
		kernel_line(b, loads, atomics, stores, dsbs, isbs, tlbis);                                         \
		return true;
#include "cost.def"
	default:
		return false;
	}
#undef T
}

static void add_to_section(struct cost_section *s, const struct cost_budget *b, const uint32_t *n)
{
	for (unsigned i = 0; i < HW_NCOUNT; i++)
		s->n[i] += n[i];
	s->may.loads += b->loads;
	s->may.atomics += b->atomics;
	s->may.stores += b->stores;
	s->may.dsbs += b->dsbs;
	s->may.isbs += b->isbs;
	s->may.tlbis += b->tlbis;
	s->may.wide += b->wide;
}

void cost_kernel_end(const struct cost_mark *m, const struct ref_k_op *op, bool lazy)
{
	struct cost_section *s = &ex.cur->section;
	struct cost_budget b;
	uint32_t took[HW_NCOUNT];
	enum cost_class c;
	const bool known = cost_kernel_budget(op, &ex.impl->profile, lazy, s->due, &b);

	if (lazy && stores_entries(op))
		s->due |= op->val.kind == REF_PRESENT;
	if (!known || m->turn != ex.cur->turn) {
		cost_stats.skipped += known;
		return;
	}
	for (unsigned i = 0; i < HW_NCOUNT; i++)
		took[i] = hw.n[i] - m->n[i];
	if (ex.impl->profile.queues_stores)
		took[HW_C_STORE] = 0;
	if (lazy && s->open) {
		add_to_section(s, &b, took);
		return;
	}
	cost_stats.checked++;
	c = cost_exceeded(&b, took);
	if (c != COST_NCLASS)
		note(seam_name(op->id), c, &b, took, "");
}

static void section_end(struct cost_section *s)
{
	const enum cost_class c = cost_exceeded(&s->may, s->n);

	s->open = false;
	cost_stats.sections++;
	if (c != COST_NCLASS)
		note("lazy_section", c, &s->may, s->n, "from enter to leave: ");
}

/* Whatever waits is published by every call but the one that enters or resumes. */
void cost_lazy_end(const struct cost_mark *m, const struct ref_k_op *op, bool was, bool is)
{
	struct cost_section *s = &ex.cur->section;

	cost_kernel_end(m, op, was);
	if (was && op->id != API_arch_enter_lazy_mmu_mode && op->id != API_lazy_mmu_mode_resume)
		s->due = false;
	if (was && !is && s->open)
		section_end(s);
	if (!was && is)
		*s = (struct cost_section){.open = true};
}

void cost_disturbed(void)
{
	ex.cur->turn++;
}

/* --- the kernel's own map */

const char *const cost_map_words[CM_N] = {
	[CM_TABLES] = "tables",	    [CM_CLEARS] = "clears",   [CM_TLBIS] = "tlbis",
	[CM_BARRIERS] = "barriers", [CM_ATOMICS] = "atomics", [CM_STORES] = "stores",
};

/* Kernels put the limit at the entries of a table. */
unsigned cost_kernel_flush(uint64_t pages, bool ranges)
{
	const uint64_t entries = 1ull << ex.geo->table_bits;

	if (pages >= (entries > MAX_DVM_OPS ? entries : MAX_DVM_OPS) && (!ranges || pages > 32ull << 16))
		return 1;
	return cost_tlbis((unsigned long)pages, ranges);
}

bool cost_map_budget(unsigned op, const struct cost_map_facts *f, unsigned budget[CM_N])
{
	const unsigned visited = f->visited, made = f->made, leaves = f->leaves, blocks = f->blocks, tops = f->tops,
		       slots = visited * f->map + made * f->map_new + tops, clear_new = f->clear_new;
	const bool linear = !f->map;
	const unsigned cuts = f->cuts, E = f->E, links = cuts + f->runs + f->changes, modes = f->modes,
		       locks = f->locks, flushes = f->flushes, ranges = f->ranges;
	const unsigned mode = f->lazy == PT_LAZY_COUNTER ? 1 : 3;
	const unsigned queue = f->lazy == PT_LAZY_NONE ? 0 : f->lazy_form == 1 ? links : f->busy;
	const unsigned publish = 2 * (f->lazy == PT_LAZY_NONE ? links : f->busy);

	switch (op) {
#define MCOST(op_, clears, stores, barriers, tlbis)                                                                \
	case OP_##op_:                                                                                             \
		memcpy(budget, (unsigned[CM_N]){made, clears, tlbis, barriers, ~0u, stores},                       \
		       CM_N * sizeof(*budget));                                                                    \
		return true;
#define SCOST(op_, tables, stores, atomics, barriers, tlbis)                                                       \
	case OP_##op_:                                                                                             \
		memcpy(budget, (unsigned[CM_N]){tables, 0, tlbis, barriers, atomics, stores},                      \
		       CM_N * sizeof(*budget));                                                                    \
		return true;
#include "cost.def"
	default:
		return false;
	}
}

void cost_map_begin(struct cost_map_mark *m)
{
	cost_begin(&m->all);
	memcpy(m->ord, ex.cur->op.ord, sizeof(m->ord));
	m->live = hw_live_tables();
	m->clears = hw.nclears;
}

/* Steps of a class since then, by this op. */
static unsigned since(const struct cost_map_mark *m, enum hw_class c)
{
	if (m->all.turn == ex.cur->turn)
		return hw.n[c] - m->all.n[c];
	return ex.cur->op.ord[c] - m->ord[c];
}

void cost_map_end(const struct cost_map_mark *m, unsigned op, const struct cost_map_facts *f, bool shared)
{
	const unsigned live = hw_live_tables();
	const unsigned took[CM_N] = {
		[CM_TABLES] = live > m->live && !shared ? live - m->live : 0,
		[CM_CLEARS] = shared ? 0 : hw.nclears - m->clears,
		[CM_TLBIS] = since(m, HW_C_TLBI),
		[CM_BARRIERS] = since(m, HW_C_BARRIER),
		[CM_ATOMICS] = m->all.turn == ex.cur->turn ? since(m, HW_C_ATOMIC) : 0,
		[CM_STORES] = since(m, HW_C_STORE),
	};
	unsigned may[CM_N];

	if (ex.stop || !cost_map_budget(op, f, may))
		return;
	cost_stats.checked++;
	for (unsigned c = 0; c < CM_N; c++)
		if (took[c] > may[c]) {
			keep(op_descs[op].name, cost_map_words[c], "", took[c], may[c]);
			return;
		}
}
