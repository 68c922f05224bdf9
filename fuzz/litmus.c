// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exhaustive exploration of a litmus test.
 *
 * Property: every interleaving of the threads, every drain of a pending store, every way an access can be served,
 * every late hardware update and every speculative AF update is tried; a state met before is not explored again,
 * where a state is all that decides the rest (hw_canon_hash, the threads' progress, registers and memory).
 *
 * A path is a list of choices and is run from the start each time: a run takes a few microseconds, and nothing of
 * the machine has to be copied.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "fuzz/litmus.h"

enum { DEPTH = 512, STATES_MAX = 4000000, RUNS_UNREDUCED = 30000 };

bool litmus_reduction = true;

struct data {
	uint32_t done[LIT_THREADS]; /* steps done; all when stopped */
	uint32_t ooo[LIT_THREADS];  /* loads done before an earlier one */
	uint64_t reg[LIT_THREADS][LIT_REGS];
	uint16_t pa[LIT_THREADS][LIT_STEPS]; /* data read by a load that overtook */
	uint64_t mem[LIT_PHYS * LIT_PAGES];
	uint8_t fault[LIT_LABELS], level[LIT_LABELS];
	uint32_t findings;
};

static struct {
	uint8_t c[DEPTH], n[DEPTH];
	unsigned len, pos;
} path;

static struct {
	uint64_t *v;
	unsigned long n, cap;
} seen;

static const struct lit_test *t;
static struct data d;
static bool cut;

static unsigned choose(unsigned n)
{
	if (n < 2)
		return 0;
	if (path.pos == DEPTH) {
		cut = true;
		return 0;
	}
	if (path.pos == path.len) {
		path.c[path.len] = 0;
		path.n[path.len++] = (uint8_t)n;
	}
	return path.c[path.pos++];
}

/* The next path, depth first; false after the last. */
static bool next_path(void)
{
	path.len = path.pos;
	while (path.len && path.c[path.len - 1] + 1 >= path.n[path.len - 1])
		path.len--;
	path.pos = 0;
	if (!path.len)
		return false;
	path.c[path.len - 1]++;
	return true;
}

static bool seen_grow(void)
{
	const unsigned long cap = seen.cap ? seen.cap * 2 : 1 << 14;
	uint64_t *v = calloc(cap, sizeof(*v));

	if (!v)
		return false;
	for (unsigned long i = 0; i < seen.cap; i++) {
		unsigned long j = seen.v[i] & (cap - 1);

		if (!seen.v[i])
			continue;
		while (v[j])
			j = (j + 1) & (cap - 1);
		v[j] = seen.v[i];
	}
	free(seen.v);
	seen.v = v;
	seen.cap = cap;
	return true;
}

/* Adds a state; false if it was there. */
static bool seen_add(uint64_t h)
{
	unsigned long j;

	h += !h;
	if (seen.n * 2 >= seen.cap && !seen_grow()) {
		cut = true;
		return false;
	}
	for (j = h & (seen.cap - 1); seen.v[j]; j = (j + 1) & (seen.cap - 1))
		if (seen.v[j] == h)
			return false;
	seen.v[j] = h;
	seen.n++;
	return true;
}

static uint64_t *slot_ptr(struct lit_slot s)
{
	const uint64_t va = lit_va(s.page) >> 12;
	unsigned frame = LIT_ROOT;

	if (s.level == 3)
		frame = LIT_PT + s.page.var;
	else if (s.level == 2)
		frame = s.page.var ? LIT_PMD : LIT_PMD_X;
	return (uint64_t *)hw_table_va((uint64_t)frame << HW_FRAME_SHIFT) + (va >> (3u - s.level) * 4 & 15);
}

static void on_finding(enum hw_finding f, const char *fn, int line)
{
	(void)fn;
	(void)line;
	d.findings |= 1u << f;
}

static void setup(bool ets2)
{
	struct hw_config cfg = t->cfg;

	cfg.ets2 = ets2;
	hw_reset(&cfg);
	hw.on_finding = on_finding;
	hw_setup_table(1);
	hw_setup_table(2);
	hw_setup_table(2);
	for (unsigned v = 0; v < LIT_VARS; v++)
		hw_setup_table(3);
	for (unsigned i = 0; i < t->nslot; i++)
		hw_setup_write(slot_ptr(t->slot[i].at), t->slot[i].val);
	for (unsigned a = 0; a < cfg.ncpu; a++)
		hw_set_context(a, hw_table_va((uint64_t)LIT_ROOT << HW_FRAME_SHIFT), 1);
	if (cfg.smmu)
		hw_set_context(HW_SMMU, hw_table_va((uint64_t)LIT_ROOT << HW_FRAME_SHIFT), 1);
	memset(&d, 0, sizeof(d));
	for (unsigned i = 0; i < t->nmem; i++)
		d.mem[t->mem[i].phys] = t->mem[i].val;
	for (unsigned th = 0; th < t->nthread; th++)
		d.done[th] = ~0u << t->nstep[th];
}

static unsigned next_step(unsigned th)
{
	return ~d.done[th] ? (unsigned)__builtin_ctz(~d.done[th]) : 32;
}

static bool finished(unsigned th)
{
	return next_step(th) >= t->nstep[th];
}

/*
 * Loads to different places are not ordered (DDI 0487 B2.3): may step i go before the ones left undone before it?
 * Same page: never, so that coherence of one location needs no second look.
 */
static bool may_overtake(unsigned th, unsigned i)
{
	const struct lit_step *s = &t->step[th][i];

	if ((s->kind != LIT_LOAD && s->kind != LIT_LOAD_PTE) || (d.done[th] >> i & 1))
		return false;
	for (unsigned j = next_step(th); j < i; j++) {
		const struct lit_step *e = &t->step[th][j];

		if (!(d.done[th] >> j & 1) &&
		    (!e->plain || (e->kind == s->kind && lit_va(e->slot.page) == lit_va(s->slot.page))))
			return false;
	}
	return true;
}

/* A fault ends the thread; loads that had overtaken it never were. Those that it overtook still execute. */
static void take_fault(unsigned th, unsigned i)
{
	for (unsigned j = i + 1; j < t->nstep[th]; j++) {
		const struct lit_step *s = &t->step[th][j];

		if (!(d.ooo[th] >> j & 1))
			continue;
		d.reg[th][s->reg] = 0;
		if (s->label >= 0)
			d.fault[s->label] = d.level[s->label] = 0;
	}
	d.done[th] |= ~0u << i;
}

/* Two loads of one thread that found the same data location must agree with program order: drop what does not. */
static bool coherent(unsigned th, unsigned i, uint16_t pa, uint64_t v)
{
	for (unsigned j = i + 1; j < t->nstep[th]; j++)
		if ((d.ooo[th] >> j & 1) && d.pa[th][j] == pa + 1 && d.reg[th][t->step[th][j].reg] != v)
			return false;
	return true;
}

/* False: this path cannot be. */
static bool do_access(unsigned th, unsigned i, bool early)
{
	const struct lit_step *s = &t->step[th][i];
	struct hw_access a = {.agent = t->agent[th], .write = s->kind == LIT_STORE, .va = lit_va(s->slot.page)};
	unsigned k, n;
	uint16_t pa;

	if (t->cont)
		hw.cfg.pick = (uint8_t)choose(3);
	k = choose(64); /* narrowed to what there is */
	n = hw_explore_access(&a, k);
	if (path.pos)
		path.n[path.pos - 1] = (uint8_t)n;
	if (a.fault != HW_OK) {
		/* FEAT_ETS2: no such fault from a walk before earlier accesses are done (DDI 0487 D8.2.7). */
		if (early && hw.cfg.ets2)
			return false;
		if (s->label >= 0) {
			d.fault[s->label] = (uint8_t)a.fault;
			d.level[s->label] = a.level;
		}
		take_fault(th, i);
		return true;
	}
	pa = (uint16_t)((a.pa >> 12) - 0x400);
	if (pa >= LIT_PHYS * LIT_PAGES)
		return true;
	if (a.write) {
		d.mem[pa] = s->val;
		return true;
	}
	d.reg[th][s->reg] = d.mem[pa];
	d.pa[th][i] = early ? pa + 1 : 0;
	return early || coherent(th, i, pa, d.mem[pa]);
}

static bool do_step(unsigned th, unsigned i)
{
	const struct lit_step *s = &t->step[th][i];
	const bool early = i != next_step(th);
	uint64_t *slot = slot_ptr(s->slot), *reg = &d.reg[th][s->reg];
	const uint64_t va = lit_va(s->slot.page);

	if (t->agent[th] < HW_MAX_CPU)
		hw_run_on(t->agent[th]);
	d.done[th] |= 1u << i;
	if (early)
		d.ooo[th] |= 1u << i;
	switch ((enum lit_kind)s->kind) {
	case LIT_NOP:
		break;
	case LIT_STORE_PTE:
		hw_store(slot, s->val, s->order, __func__, __LINE__);
		break;
	case LIT_LOAD_PTE:
		*reg = hw_load(slot, s->order, __func__, __LINE__);
		break;
	case LIT_SWAP:
		*reg = hw_xchg(slot, s->val, s->order, __func__, __LINE__);
		break;
	case LIT_CAS:
		*reg = hw_cmpxchg(slot, s->cmp, s->val, s->order, __func__, __LINE__);
		break;
	case LIT_BARRIER:
		hw_barrier(s->bar, s->dom, s->type, __func__, __LINE__);
		break;
	case LIT_TLBI:
		hw_tlbi((unsigned)s->val, s->cmp, __func__, __LINE__);
		break;
	case LIT_NOTIFY:
		hw_notify_secondary(1, va, va + (s->val << 12), __func__, __LINE__);
		break;
	case LIT_SYNC:
		hw_do_context_sync(t->agent[th]);
		break;
	case LIT_SWITCH: /* TTBR written: no synchronisation by itself (DDI 0487 D8.2.6) */
		hw_set_context(t->agent[th], hw_table_va((uint64_t)LIT_ROOT << HW_FRAME_SHIFT), 1);
		break;
	case LIT_LOAD:
	case LIT_STORE:
		return do_access(th, i, early);
	}
	return true;
}

static uint64_t key_value(const struct lit_key *k)
{
	switch ((enum lit_key_kind)k->kind) {
	case LIT_FAULT:
		return d.fault[k->reg];
	case LIT_LEVEL:
		return d.level[k->reg];
	case LIT_REG:
		return d.reg[k->thread][k->reg];
	case LIT_MEM:
		return d.mem[k->phys];
	case LIT_PTE:
		return hw_peek(slot_ptr(k->slot));
	case LIT_FINDING:
		return d.findings >> k->reg & 1;
	}
	return 0;
}

static bool asked(const uint64_t *v)
{
	bool stack[LIT_CODE];
	unsigned n = 0;

	for (unsigned i = 0; i < t->ncode; i++) {
		const struct lit_op *o = &t->code[i];

		if (o->op == LIT_C_TERM) {
			stack[n++] = o->nonzero ? v[o->key] != 0 : v[o->key] == o->val;
		} else if (o->op == LIT_C_NOT) {
			stack[n - 1] = !stack[n - 1];
		} else {
			n--;
			stack[n - 1] = o->op == LIT_C_AND ? stack[n - 1] && stack[n] : stack[n - 1] || stack[n];
		}
	}
	return n && stack[0];
}

static void record(struct lit_result *r)
{
	struct lit_outcome o;

	memset(&o, 0, sizeof(o));
	for (unsigned i = 0; i < t->nkey; i++)
		o.v[i] = key_value(&t->key[i]);
	r->bbm |= d.findings >> HW_F_BBM_OA & 1;
	for (unsigned i = 0; i < r->noutcome; i++)
		if (!memcmp(r->outcome[i].v, o.v, sizeof(o.v)))
			return;
	o.asked = asked(o.v);
	r->reached |= o.asked;
	if (r->noutcome == LIT_OUTCOMES)
		r->incomplete = true;
	else
		r->outcome[r->noutcome++] = o;
}

/* Pages whose AF the walker may set on its own: those the test names. */
static unsigned spurious(bool go, unsigned want)
{
	unsigned n = 0, agent = 0;

	while (agent < HW_MAX_CPU && hw.cfg.update[agent] < HW_UPD_AF)
		agent++;
	if (agent == HW_MAX_CPU)
		return 0;
	for (unsigned i = 0; i < t->nslot; i++) {
		const struct lit_slot *s = &t->slot[i].at;
		const uint64_t v = s->level == 3 ? hw_peek(slot_ptr(*s)) : 0;

		if (!(v & HW_D_VALID) || (v & HW_D_AF))
			continue;
		if (go && n == want)
			hw_do_spurious_af(agent, lit_va(s->page));
		n++;
	}
	return n;
}

struct actions {
	unsigned n, nstep;
	struct {
		uint8_t thread, step;
	} step[64];
	unsigned drain[HW_MAX_CPU], late, af;
};

static void actions(struct actions *a)
{
	a->nstep = 0;
	for (unsigned th = 0; th < t->nthread; th++) {
		const unsigned first = next_step(th);

		for (unsigned i = first; !finished(th) && i < t->nstep[th] && a->nstep < 64; i++) {
			if (i != first && !may_overtake(th, i))
				continue;
			a->step[a->nstep].thread = (uint8_t)th;
			a->step[a->nstep++].step = (uint8_t)i;
		}
	}
	a->n = a->nstep;
	for (unsigned c = 0; c < hw.cfg.ncpu; c++)
		a->n += a->drain[c] = hw_drainable(c);
	a->n += a->late = hw_late_count();
	a->n += a->af = spurious(false, 0);
}

static bool act(const struct actions *a, unsigned k)
{
	if (k < a->nstep)
		return do_step(a->step[k].thread, a->step[k].step);
	k -= a->nstep;
	for (unsigned c = 0; c < hw.cfg.ncpu; k -= a->drain[c++]) {
		if (k < a->drain[c]) {
			hw_do_drain(c, (int)k);
			return true;
		}
	}
	if (k < a->late)
		hw_do_late(k);
	else
		spurious(true, k - a->late);
	return true;
}

static uint64_t state_hash(void)
{
	return XXH3_64bits_withSeed(&d, sizeof(d), hw_canon_hash());
}

/* One path, until a state met before or the end. */
static void run(struct lit_result *r, bool ets2)
{
	struct actions a;

	setup(ets2);
	for (;;) {
		if (litmus_reduction && path.pos == path.len && !seen_add(state_hash()))
			return;
		actions(&a);
		if (a.n == a.af)
			record(r); /* nothing has to happen any more */
		if (!a.n || !act(&a, choose(a.n)) || cut)
			return;
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void count_finals(bool ets2, struct lit_result *r)
{
	for (unsigned f = 0; f < t->nfinal; f++)
		r->listed += t->final[f].in[ets2];
	for (unsigned i = 0; r->listed && i < r->noutcome; i++) {
		bool in = false;

		for (unsigned f = 0; f < t->nfinal; f++)
			in |= t->final[f].in[ets2] &&
			      !memcmp(t->final[f].v, r->outcome[i].v, sizeof(r->outcome[i].v));
		if (in)
			r->found++;
		else
			r->outside++;
	}
}

void litmus_explore(const struct lit_test *test, bool ets2, struct lit_result *r)
{
	const double start = now();

	t = test;
	cut = false;
	memset(r, 0, sizeof(*r));
	path.len = path.pos = 0;
	seen.n = 0;
	if (seen.cap)
		memset(seen.v, 0, seen.cap * sizeof(*seen.v));
	hw_init();
	do {
		run(r, ets2);
		r->runs++;
		cut |= !litmus_reduction && r->runs == RUNS_UNREDUCED;
	} while (!cut && seen.n < STATES_MAX && next_path());
	r->incomplete |= cut || seen.n >= STATES_MAX;
	r->states = seen.n;
	count_finals(ets2, r);
	r->seconds = now() - start;
	hw.on_finding = NULL;
}

enum lit_judgement litmus_judge(const struct lit_test *test, bool ets2, const struct lit_result *r)
{
	const enum lit_verdict want = test->expect[ets2];

	if (r->incomplete || r->outside || (want == LIT_FORBIDDEN && r->reached))
		return LIT_DISAGREES;
	if (!ets2 && test->bbm >= 0 && test->bbm != r->bbm)
		return LIT_DISAGREES;
	if (want == LIT_UNKNOWN)
		return LIT_NO_ORACLE;
	if (want == LIT_ALLOWED && !r->reached)
		return test->why[0] ? LIT_EXCEPTION : LIT_DISAGREES;
	return LIT_AGREES;
}
