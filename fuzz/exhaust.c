/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exhaustive exploration: breadth-first over quiescent states, by number of records.
 *
 * Property: level L is complete when every program of L records (ops and events) within the bounds either ran, or
 * is one that ran under another name (symmetry), or goes on from a state that was reached with no more ops and no
 * more events by a program that was extended instead (equivalence). A state is re-created by replaying its program.
 *
 * Where an event may fire: an access commutes with every step that touches neither its own entry nor, once the
 * block has been folded, an entry of the block, and that is no barrier, invalidation or change of a table above; so
 * it is tried before each step that does, and at the end. A preempted op is no quiescent state: such programs are
 * extended but never merged.
 *
 * Symmetries cut: the two folios of one shape (the second is used only after the first), the CPUs (the first op
 * runs on CPU 0), headers that differ only in what an access meets (programs without an access are judged under one
 * of them), the agents that stand for the op's own CPU inside the kernel, and preemption where nothing could
 * run meanwhile.
 */
#include "exhaust.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exec_internal.h"
#include "hw/future.h"

#define MAX_SPACES 32
#define MAX_STEPS  250
#define AT_END	   255
#define NO_NODE	   UINT32_MAX

enum { N_PARKED = 1, N_FOLIO0 = 2, N_TABLES = 4, N_PARKED_READER = 8, N_ACCESS = 16 };

struct event {
	uint8_t letter, at; /* before the at-th step, or AT_END */
};

/* A quiescent state: the program that first reached it. */
struct node {
	uint32_t parent;
	uint16_t letter;
	uint8_t cpu, flags, ops, nev, events; /* events of the last op; of the whole program */
	struct event ev[EXH_MAX_EVENTS];
	float weight; /* programs that end here */
};

/* States known, by hash: fewest ops that reach it, for each number of events. */
struct known {
	uint64_t key;
	uint32_t node;
	uint8_t ops[EXH_MAX_EVENTS + 1];
};

/* One header's states, in order of records. */
struct search {
	const struct exh_variant *v;
	bool covered; /* another space judges its programs without accesses */
	struct node *node;
	uint32_t n, cap;
	uint32_t level[EXH_LEVELS + 2]; /* nodes of L records are [level[L], level[L + 1]) */
};

/* Where the search stands; with the spaces and what is known, all that a stopped search is resumed from. */
struct place {
	uint32_t records, space, with, node;
};

struct step {
	uint32_t pages; /* entries touched */
	bool all;	/* concerns every page */
	bool pending, lock;
};

static struct {
	const struct exh_opts *o;
	struct exh_result *r;
	struct exh_alphabet a;
	struct search space[MAX_SPACES];
	unsigned nspace;
	struct known *known;
	uint64_t nknown, cap;
	unsigned last; /* the last level: nothing is extended */
	struct place at;
	double began, shown, before; /* seconds; `before`: of earlier runs of a resumed search */
	double spent[EXH_MAX_EVENTS + 1];
	uint64_t expanded[EXH_MAX_EVENTS + 1];
	/* of the program that runs */
	void (*step)(enum hw_class, const void *, const char *, int);
	uint64_t hash;
	bool parked, parked_reader;
	uint32_t present; /* pages that some version mapped */
	uint8_t *legal;	  /* wanted: which letters are legal at the end */
	unsigned rec;	  /* op whose steps are noted */
	struct step steps[MAX_STEPS + 1];
	unsigned nsteps, folded;
} S;

static volatile sig_atomic_t stop_asked;

void exh_stop(void)
{
	stop_asked = 1;
}

bool exh_stopped(void)
{
	return stop_asked != 0;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- one execution */

static void at_end(void)
{
	S.parked = exec_anyone_parked();
	S.parked_reader = false;
	for (unsigned i = 0; S.parked && i < HW_MAX_CPU; i++)
		S.parked_reader |= ex.task[i].state == TASK_PARKED && ex.task[i].op.lockless;
	if (!S.parked)
		S.hash = exh_state_hash();
	S.present = 0;
	for (unsigned p = 0; p < S.o->pages; p++)
		for (unsigned i = 0; ex.sp->mm.page[p].gen == ex.sp->mm.gen && i < ex.sp->mm.page[p].n; i++)
			S.present |= (uint32_t)(ex.sp->mm.ring[p][i].val.kind == REF_PRESENT) << p;
	for (unsigned i = 0; S.legal && i < S.a.nop; i++)
		S.legal[i] = S.parked || exh_legal(&S.a.op[i].r);
}

static int page_of(const void *p)
{
	const unsigned half = 2 * ex.cont, n = 1u << ex.geo->table_bits;
	const uint64_t *e = p;

	for (unsigned t = 0; t < 2; t++) {
		const uint64_t *lo = ex.sp->leaf[t] ? ex.sp->leaf[t] + (t ? 0 : n - half) : NULL;

		if (lo && e >= lo && e < lo + half)
			return (int)((unsigned)(e - lo) + t * half);
	}
	return -1;
}

static bool is_folded(unsigned block)
{
	const uint64_t *p = ex_ptep(block * ex.cont);

	for (unsigned i = 0; p && i < ex.cont; i++)
		if ((hw_peek(p + i) & (HW_D_VALID | HW_D_CONT)) == (HW_D_VALID | HW_D_CONT))
			return true;
	return false;
}

/* Before a step: notes what it touches. A block that was folded once may be cached as one for the rest. */
static void note_step(enum hw_class c, const void *p, const char *fn, int line)
{
	const int page = p ? page_of(p) : -1;

	if (page >= 0 && !(S.folded >> page / (int)ex.cont & 1))
		S.folded |= (unsigned)is_folded((unsigned)page / ex.cont) << (unsigned)page / ex.cont;
	if (ex.cur && ex.cur->op.rec == S.rec && S.nsteps < MAX_STEPS) {
		struct step *s = &S.steps[++S.nsteps]; /* ordinals begin at 1 */

		s->pages = page >= 0 ? 1u << page : 0;
		s->all = c == HW_C_BARRIER || c == HW_C_TLBI || (p && page < 0);
		s->pending = hw_any_pending();
		s->lock = c == HW_C_OTHER && !p;
	}
	S.step(c, p, fn, line);
}

static bool run(struct prog *p, struct outcome *out, bool note)
{
	if (note) {
		S.rec = p->n - 1;
		while (p->r[S.rec].is_event)
			S.rec--;
		S.nsteps = S.folded = 0;
		hw.on_step = note_step;
	}
	exec_run(p, S.o->impl, out);
	hw.on_step = S.step;
	return !out->sig[0];
}

/* Does the program agree without the planted bug? Without bugs compiled in every finding counts. */
static bool is_the_bugs(const struct prog *p)
{
#ifdef PTDIFF_BUGS
	const int bug = pt_bug_on;
	struct prog q = *p;
	struct outcome out;

	pt_bug_on = -1;
	exec_run(&q, S.o->impl, &out);
	pt_bug_on = bug;
	return bug < 0 || !out.sig[0];
#else
	(void)p;
	return true;
#endif
}

static void found(const struct prog *p, const struct outcome *out)
{
	struct exh_result *r = S.r;
	struct prog q = *p;

	if (S.o->want && strcmp(S.o->want, out->sig)) {
		r->other++;
		if (!r->other_records && is_the_bugs(p)) {
			r->other_records = p->n;
			memcpy(r->other_sig, out->sig, SIG_MAX);
		}
		return;
	}
	if (!is_the_bugs(p)) {
		r->other++;
		return;
	}
	exec_run(&q, S.o->impl, &r->outcome);
	r->end = EXH_FOUND;
	r->found = *p;
}

/* --- known states */

static struct known *lookup(uint64_t key)
{
	uint64_t i = key & (S.cap - 1);

	while (S.known[i].key && S.known[i].key != key)
		i = (i + 1) & (S.cap - 1);
	return &S.known[i];
}

static uint64_t bytes_used(void)
{
	uint64_t n = S.cap * sizeof(S.known[0]);

	for (unsigned i = 0; i < S.nspace; i++)
		n += S.space[i].cap * sizeof(struct node);
	return n;
}

static void grow_known(void)
{
	struct known *old = S.known;
	const uint64_t n = S.cap;

	S.cap *= 2;
	S.known = calloc(S.cap, sizeof(*S.known));
	if (!S.known) {
		S.known = old;
		S.cap = n;
		S.r->end = EXH_MEMORY;
		return;
	}
	for (uint64_t i = 0; i < n; i++)
		if (old[i].key)
			*lookup(old[i].key) = old[i];
	free(old);
}

static struct node *new_node(struct search *s)
{
	if (s->n == s->cap) {
		const uint32_t cap = s->cap ? 2 * s->cap : 1024;
		struct node *p = bytes_used() > S.o->memory ? NULL : realloc(s->node, cap * sizeof(*p));

		if (!p) {
			S.r->end = EXH_MEMORY;
			return NULL;
		}
		s->node = p;
		s->cap = cap;
	}
	return &s->node[s->n++];
}

/* Is there a way to this state with no more ops and no more events? Otherwise this one is remembered. */
static bool is_known(struct search *s, const struct node *n)
{
	const uint64_t key = (S.hash ^ (uint64_t)(s - S.space + 1) * 0x9e3779b97f4a7c15ull) | 1;
	struct known *k;

	if (S.nknown * 2 > S.cap)
		grow_known();
	k = lookup(key);
	if (!k->key) {
		k->key = key;
		memset(k->ops, 0xff, sizeof(k->ops));
		S.nknown++;
	}
	for (unsigned e = 0; e <= n->events; e++) {
		if (k->ops[e] > n->ops)
			continue;
		S.r->equivalent++;
		if (k->node >= s->level[S.at.records]) /* not extended yet */
			s->node[k->node].weight += n->weight;
		return true;
	}
	k->ops[n->events] = n->ops;
	k->node = s->n;
	return false;
}

/* --- programs */

static void write_event(struct rec *r, const struct event *e)
{
	*r = S.a.ev[e->letter].r;
	r->anchor = e->at == AT_END ? HW_C_OTHER : HW_C_ANY;
	r->nr = e->at == AT_END ? 1 : e->at;
}

static void write_op(struct prog *p, const struct node *n)
{
	p->r[p->n] = S.a.op[n->letter].r;
	p->r[p->n++].cpu = n->cpu;
	for (unsigned i = 0; i < n->nev; i++)
		write_event(&p->r[p->n++], &n->ev[i]);
}

static void write_program(const struct search *s, uint32_t i, struct prog *p)
{
	uint32_t chain[EXH_MAX_OPS];
	unsigned n = 0;

	p->h = s->v->h;
	p->n = 0;
	for (; i; i = s->node[i].parent) /* node 0 is the empty program */
		chain[n++] = i;
	while (n--)
		write_op(p, &s->node[chain[n]]);
}

static bool is_last(const struct node *n)
{
	return n->ops == S.o->ops || S.at.records == S.last;
}

/* A program within the bounds that has been run without a finding: may it go on? */
static void keep(struct search *s, const struct node *n)
{
	struct node *to;

	if (is_last(n) || S.r->end != EXH_COMPLETE)
		return;
	if (!S.parked && is_known(s, n))
		return;
	to = new_node(s);
	if (!to)
		return;
	*to = *n;
	if (S.parked)
		to->flags |= N_PARKED | (S.parked_reader ? N_PARKED_READER : 0);
	S.r->states++;
}

static void try_program(struct search *s, struct prog *p, const struct node *n)
{
	struct outcome out;

	S.r->programs += n->weight;
	if (s->covered && is_last(n) && !(n->flags & N_ACCESS)) {
		S.r->symmetric++;
		return;
	}
	S.r->runs++;
	if (run(p, &out, false))
		keep(s, n);
	else
		found(p, &out);
}

/* --- events */

static bool fits_variant(const struct search *s, const struct exh_letter *l)
{
	return !l->smmu || s->v->h.smmu;
}

static bool is_access(unsigned kind)
{
	return kind == EV_read || kind == EV_write || kind == EV_age;
}

/* Can the event make a difference in this op at all? */
static bool event_matters(const struct search *s, const struct node *n, const struct exh_letter *l)
{
	const struct prog_hdr *h = &s->v->h;
	const unsigned page = l->r.block * ex.cont + l->r.off;

	if (!fits_variant(s, l))
		return false;
	switch (l->r.kind) {
	case EV_drain:
		return h->drain != HW_DRAIN_EAGER;
	case EV_sync:
		return h->early;
	case EV_age:
		if (!h->update)
			return false;
		break;
	case EV_park:
		return !(n->flags & N_PARKED);
	default:
		break;
	}
	/* Where nothing was ever mapped an access faults and leaves everything as it was. */
	return S.present >> page & 1 || n->flags & N_TABLES;
}

static bool event_at(const struct node *n, const struct exh_letter *l, unsigned at)
{
	const struct step *s = &S.steps[at];
	const unsigned page = l->r.block * ex.cont + l->r.off, block = l->r.block;
	const uint32_t entries = S.folded >> block & 1 ? ((1u << ex.cont) - 1) << block * ex.cont : 1u << page;

	if (l->r.kind == EV_drain)
		return s->pending && !s->lock;
	if (l->r.kind == EV_park)
		return s->pages || s->all;
	if (l->r.kind == EV_sync)
		return l->r.cpu != n->cpu && (s->pages || s->all);
	if (l->r.cpu == n->cpu && l->r.kind != EV_age)
		return false; /* that CPU is in the kernel: another would be taken */
	return s->all || s->pages & entries;
}

static bool event_at_end(const struct exh_letter *l)
{
	uint32_t pages = 0;
	bool all = false;

	if (l->r.kind == EV_park)
		return false;
	if (!is_access(l->r.kind))
		return true;
	for (unsigned i = 1; i <= S.nsteps; i++) {
		pages |= S.steps[i].pages;
		all |= S.steps[i].all;
	}
	return all || !S.nsteps || pages >> l->r.block * ex.cont & ((1u << ex.cont) - 1);
}

static void with_events(struct search *s, struct prog *p, struct node *n, unsigned more);

static void add_event(struct search *s, struct prog *p, struct node *n, unsigned more, struct event e)
{
	struct prog *q = p;
	const unsigned was = p->n;
	const uint8_t flags = n->flags;

	n->ev[n->nev++] = e;
	n->events++;
	if (is_access(S.a.ev[e.letter].r.kind))
		n->flags |= N_ACCESS;
	write_event(&q->r[q->n++], &e);
	if (more == 1)
		try_program(s, q, n);
	else
		with_events(s, q, n, more - 1);
	q->n = was;
	n->nev--;
	n->events--;
	n->flags = flags;
}

/* All ways to add `more` events to the op at the end of p, none before the ones it has. */
static void with_events(struct search *s, struct prog *p, struct node *n, unsigned more)
{
	const unsigned from = n->nev ? n->ev[n->nev - 1].at : 1;
	struct {
		uint8_t letter, at;
	} can[MAX_STEPS * 8];
	unsigned ncan = 0;
	struct outcome out;

	if (!run(p, &out, true))
		return; /* has a finding with fewer events */
	for (unsigned l = 0; l < S.a.nev; l++) {
		if (!event_matters(s, n, &S.a.ev[l])) {
			S.r->symmetric++;
			continue;
		}
		for (unsigned at = from; at <= S.nsteps && from != AT_END; at++)
			if (event_at(n, &S.a.ev[l], at) && ncan < sizeof(can) / sizeof(can[0])) {
				can[ncan].letter = (uint8_t)l;
				can[ncan++].at = (uint8_t)at;
			}
		if (event_at_end(&S.a.ev[l]) && ncan < sizeof(can) / sizeof(can[0])) {
			can[ncan].letter = (uint8_t)l;
			can[ncan++].at = AT_END;
		}
	}
	for (unsigned i = 0; i < ncan && S.r->end == EXH_COMPLETE; i++)
		add_event(s, p, n, more, (struct event){can[i].letter, can[i].at});
}

/* --- ops */

/* CPUs that the op must be tried on: a second one where stores may be pending or a task is inside an op. */
static unsigned cpus_for(const struct search *s, const struct node *from, const struct rec *op)
{
	if (from->flags & N_PARKED_READER)
		return 3;
	if (from->flags & N_PARKED) /* it holds the lock: only a lockless reader does not wait for its end */
		return op->kind == OP_ptep_get_lockless ? 3 : 1;
	if (!from->ops)
		return 1;
	return s->v->h.drain == HW_DRAIN_EAGER ? 1 : 3;
}

static bool letter_matters(const struct search *s, const struct node *from, const struct exh_letter *l)
{
	if (!fits_variant(s, l))
		return false;
	return l->r.kind != OP_set_ptes || (l->r.a & 15) != 1 || from->flags & N_FOLIO0;
}

static void extend(struct search *s, uint32_t i, struct prog *p, unsigned letter, unsigned cpu, unsigned with)
{
	const struct node from = s->node[i];
	const struct rec *op = &S.a.op[letter].r;
	struct node n = {.parent = i,
			 .letter = (uint16_t)letter,
			 .cpu = (uint8_t)cpu,
			 .flags = from.flags & (N_FOLIO0 | N_TABLES | N_ACCESS),
			 .ops = from.ops + 1,
			 .events = from.events,
			 .weight = from.weight};
	const unsigned was = p->n;

	if (op->kind == OP_set_ptes && (op->a & 15) == 0)
		n.flags |= N_FOLIO0;
	if (op->kind == OP_touch)
		n.flags |= N_ACCESS;
	if (op->kind == OP_free_table)
		n.flags |= N_TABLES;
	p->r[p->n] = *op;
	p->r[p->n++].cpu = (uint8_t)cpu;
	if (!with)
		try_program(s, p, &n);
	else
		with_events(s, p, &n, with);
	p->n = was;
}

static void expand(struct search *s, uint32_t i, unsigned with)
{
	static uint8_t legal[EXH_LETTERS];
	static struct prog p;
	struct outcome out;

	write_program(s, i, &p);
	S.legal = legal;
	run(&p, &out, false);
	S.legal = NULL;
	for (unsigned l = 0; l < S.a.nop && S.r->end == EXH_COMPLETE; l++) {
		const struct node from = s->node[i];
		unsigned cpus;

		if (!legal[l]) {
			S.r->illegal++;
			continue;
		}
		if (!letter_matters(s, &from, &S.a.op[l])) {
			S.r->symmetric++;
			continue;
		}
		cpus = cpus_for(s, &from, &S.a.op[l].r);
		for (unsigned c = 0; c < 2 && S.r->end == EXH_COMPLETE; c++) {
			if (cpus >> c & 1)
				extend(s, i, &p, l, c, with);
			else
				S.r->symmetric++;
		}
	}
}

/* --- levels */

static uint64_t nodes_at(const struct search *s, unsigned records, unsigned with)
{
	return records > with ? s->level[records - with] - s->level[records - with - 1] : 0;
}

/* Seconds that this level still needs, from what a state took so far with as many events. */
static double estimate(void)
{
	double t = 0, per = 0;

	for (unsigned w = 0; w <= S.o->events; w++) {
		uint64_t left = 0;

		per = S.expanded[w] ? S.spent[w] / (double)S.expanded[w] : per * 30;
		for (unsigned v = S.at.space; v < S.nspace; v++) {
			const uint64_t n = nodes_at(&S.space[v], S.at.records, w);

			if (v > S.at.space || w > S.at.with)
				left += n;
			else if (w == S.at.with)
				left += n - (S.at.node - S.space[v].level[S.at.records - w - 1]);
		}
		t += per * (double)left;
	}
	return t;
}

static void progress(double now)
{
	const struct exh_result *r = S.r;

	if (!S.o->progress || now - S.shown < 2)
		return;
	S.shown = now;
	fprintf(S.o->progress,
		"exhaust: %u records, header %s, %u event%s: %.0f s, %.1f M programs run (%.0f k/s), %.1f k "
		"states, "
		"%.1f M equivalent, about %.0f s left in this level\n",
		S.at.records, S.space[S.at.space].v->name, S.at.with, S.at.with == 1 ? "" : "s",
		S.before + now - S.began, (double)r->runs / 1e6, (double)r->runs / (S.before + now - S.began) / 1e3,
		(double)r->states / 1e3, (double)r->equivalent / 1e6, estimate());
}

static bool expand_range(struct search *s, unsigned with)
{
	const unsigned base = S.at.records - with - 1;
	double last = seconds();

	if (S.at.node < s->level[base])
		S.at.node = s->level[base];
	for (; S.at.node < s->level[base + 1]; S.at.node++) {
		const struct node *n = &s->node[S.at.node];
		double now;

		if (n->ops < S.o->ops && n->events + with <= S.o->events)
			expand(s, S.at.node, with);
		if (S.r->end != EXH_COMPLETE)
			return false;
		now = seconds();
		S.spent[with] += now - last;
		S.expanded[with]++;
		last = now;
		progress(now);
		if (stop_asked || (S.o->seconds > 0 && now - S.began > S.o->seconds)) {
			S.at.node++;
			S.r->end = EXH_STOPPED;
			return false;
		}
	}
	return true;
}

static void search(void)
{
	for (; S.at.records <= S.last; S.at.records++, S.at.space = 0) {
		for (; S.at.space < S.nspace; S.at.space++, S.at.with = 0) {
			struct search *s = &S.space[S.at.space];

			if (!S.at.with && !S.at.node)
				s->level[S.at.records] = s->n;
			for (; S.at.with <= S.o->events && S.at.with < S.at.records; S.at.with++, S.at.node = 0)
				if (!expand_range(s, S.at.with))
					return;
			s->level[S.at.records + 1] = s->n;
		}
		S.r->complete = S.at.records;
	}
}

/* --- a stopped search in a file */

struct file_head {
	char magic[8];
	uint64_t core_ops;
	uint32_t ops, pages, events, core_events, folios, variants, nop, nev, sizes;
	int32_t bug;
	char impl[32];
	struct place at;
	uint32_t nspace, complete;
	uint64_t nknown, cap, runs, states, equivalent, symmetric, illegal, other;
	double programs, seconds;
};

static void fill_head(struct file_head *h)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, "ptdiffX1", 8);
	h->ops = S.o->ops;
	h->pages = S.o->pages;
	h->events = S.o->events;
	h->core_ops = S.o->core.ops;
	h->core_events = S.o->core.events;
	h->folios = S.o->core.folios;
	h->variants = S.o->variants;
	h->nop = S.a.nop;
	h->nev = S.a.nev;
	h->sizes = sizeof(struct node) << 16 | sizeof(struct known);
	h->bug = pt_bug_on;
	strncpy(h->impl, S.o->impl->name, sizeof(h->impl) - 1);
}

static bool write_all(FILE *f)
{
	struct file_head h;

	fill_head(&h);
	h.at = S.at;
	h.nspace = S.nspace;
	h.complete = S.r->complete;
	h.nknown = S.nknown;
	h.cap = S.cap;
	h.runs = S.r->runs;
	h.states = S.r->states;
	h.equivalent = S.r->equivalent;
	h.symmetric = S.r->symmetric;
	h.illegal = S.r->illegal;
	h.other = S.r->other;
	h.programs = S.r->programs;
	h.seconds = S.before + seconds() - S.began;
	if (fwrite(&h, sizeof(h), 1, f) != 1 || fwrite(S.known, sizeof(*S.known), S.cap, f) != S.cap)
		return false;
	for (unsigned i = 0; i < S.nspace; i++) {
		const struct search *s = &S.space[i];

		if (fwrite(&s->n, sizeof(s->n), 1, f) != 1 || fwrite(s->level, sizeof(s->level), 1, f) != 1 ||
		    fwrite(s->node, sizeof(*s->node), s->n, f) != s->n)
			return false;
	}
	return true;
}

static void save(void)
{
	FILE *f = fopen(S.o->resume, "w");
	const bool good = f && write_all(f);

	if ((!f || fclose(f)) || !good) {
		S.r->end = EXH_BAD_FILE;
		snprintf(S.r->why, sizeof(S.r->why), "cannot be written");
	}
}

static bool read_spaces(FILE *f)
{
	for (unsigned i = 0; i < S.nspace; i++) {
		struct search *s = &S.space[i];

		if (fread(&s->n, sizeof(s->n), 1, f) != 1 || fread(s->level, sizeof(s->level), 1, f) != 1)
			return false;
		s->cap = s->n + 1024;
		s->node = realloc(s->node, s->cap * sizeof(*s->node));
		if (!s->node || fread(s->node, sizeof(*s->node), s->n, f) != s->n)
			return false;
	}
	return true;
}

static bool read_all(FILE *f)
{
	struct file_head h, mine;

	fill_head(&mine);
	if (fread(&h, sizeof(h), 1, f) != 1 || memcmp(&h, &mine, offsetof(struct file_head, at)) ||
	    h.nspace != S.nspace) {
		snprintf(S.r->why, sizeof(S.r->why),
			 "is of another search: other bounds, bug, implementation or version");
		return false;
	}
	free(S.known);
	S.known = calloc(h.cap, sizeof(*S.known));
	S.cap = h.cap;
	S.nknown = h.nknown;
	S.at = h.at;
	S.before = h.seconds;
	S.r->complete = h.complete;
	S.r->runs = h.runs;
	S.r->states = h.states;
	S.r->equivalent = h.equivalent;
	S.r->symmetric = h.symmetric;
	S.r->illegal = h.illegal;
	S.r->other = h.other;
	S.r->programs = h.programs;
	snprintf(S.r->why, sizeof(S.r->why), "is cut off");
	return S.known && fread(S.known, sizeof(*S.known), S.cap, f) == S.cap && read_spaces(f);
}

static void load(void)
{
	FILE *f = fopen(S.o->resume, "r");

	if (!f)
		return; /* a new search */
	if (!read_all(f))
		S.r->end = EXH_BAD_FILE;
	fclose(f);
}

/* --- */

static void set_up(const struct exh_opts *o, struct exh_result *r)
{
	memset(&S, 0, sizeof(S));
	memset(r, 0, sizeof(*r));
	S.o = o;
	S.r = r;
	S.step = hw.on_step;
	S.cap = 1u << 16;
	S.known = calloc(S.cap, sizeof(*S.known));
	exh_spell(o, &S.a);
	for (unsigned i = 0; i < exh_nvariants; i++) {
		struct search *s = &S.space[S.nspace];

		if (!(o->variants >> i & 1))
			continue;
		s->v = &exh_variants[i];
		for (unsigned k = 0; k < S.nspace; k++)
			s->covered |= s->v->like && !strcmp(S.space[k].v->name, s->v->like);
		s->node = calloc(1024, sizeof(*s->node));
		s->cap = 1024;
		s->n = 1;
		s->node[0].weight = 1;
		s->level[1] = 1; /* level 0: the empty program */
		S.nspace++;
	}
	S.at.records = 1;
	S.last = o->ops + o->events;
	if (o->records && o->records < S.last)
		S.last = o->records;
}

void exh_run(const struct exh_opts *o, struct exh_result *r)
{
	set_up(o, r);
	S.began = S.shown = seconds();
	if (o->resume)
		load();
	exec_at_end = at_end;
	if (r->end == EXH_COMPLETE)
		search();
	exec_at_end = NULL;
	hw.on_step = S.step;
	if (r->end == EXH_STOPPED && o->resume)
		save();
	r->seconds = S.before + seconds() - S.began;
	free(S.known);
	for (unsigned i = 0; i < S.nspace; i++)
		free(S.space[i].node);
}
