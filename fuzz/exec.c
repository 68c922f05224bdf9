/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The executor: schedule, events, findings.
 *
 * Property: see exec.h. Each op runs on its CPU's task (a fiber); an event fires before the step its anchor
 * names; a parked task goes on when its CPU has its next op, when somebody needs a lock of its, or at the end.
 */
#include "callers/kmap.h"
#include "callers/kernel.h"
#include "callers/split.h"
#include "exec_internal.h"
#include "tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct exec ex;
struct exec_stats exec_stats;
static uint8_t feature_sink[EXEC_NFEATURES];
uint8_t *exec_features = feature_sink;
void (*exec_at_end)(void);

/* --- findings */

void ex_finding(const char *cls, const char *op, const char *what, const char *fmt, ...)
{
	va_list ap;

	if (ex.stop)
		return;
	ex.stop = true;
	hw.calm = 0;
	snprintf(ex.out->sig, sizeof(ex.out->sig), "%s/%s/%s", cls, op, what);
	va_start(ap, fmt);
	vsnprintf(ex.out->detail, sizeof(ex.out->detail), fmt, ap);
	va_end(ap);
	ex.out->op = ex.cur ? ex.cur->op.rec : ex.p->n;
	ex.out->step = hw.step;
	if (ex.log) {
		fprintf(ex.log, ">>> %s: %s\n", ex.out->sig, ex.out->detail);
		tree_finding();
	}
}

static void put_val(char *buf, size_t cap, const struct ref_val *v)
{
	if (v->kind == REF_NONE)
		snprintf(buf, cap, "none");
	else if (v->kind == REF_PAYLOAD)
		snprintf(buf, cap, "payload %#llx", (unsigned long long)v->pfn);
	else
		snprintf(buf, cap, "pfn %#llx %s%s%s", (unsigned long long)v->pfn, v->write ? "rw" : "ro",
			 v->exec ? " x" : "", v->special ? " special" : "");
}

void ex_verdict(const struct ref_verdict *v)
{
	const unsigned page = (unsigned)v->page;
	const struct ref_version *now;
	char want[64];

	if (!v->cls || ex.stop)
		return;
	now = ref_now(&ex.sp->mm, page);
	put_val(want, sizeof(want), &now->val);
	ex.out->page = (int)page;
	ex_finding(v->cls, seam_name(v->debtor), v->what,
		   "page %u.%u%s: the specification has %s, dirty %s, young %s", page / ex.cont, page % ex.cont,
		   ex.sp == ex.space ? "" : " of the child", want,
		   now->dirty.must  ? "must"
		   : now->dirty.may ? "may"
				    : "no",
		   now->young.must  ? "must"
		   : now->young.may ? "may"
				    : "no");
}

static const struct {
	const char *cls;
	bool warn;
} finding_class[HW_NFINDING] = {
	[HW_F_BBM_OA] = {"bbm", false},
	[HW_F_BBM_CONT] = {"bbm", false},
	[HW_F_OUTSIDE] = {"lifetime", false},
	[HW_F_FREED_STORE] = {"lifetime", false},
	[HW_F_FREED_WALK] = {"lifetime", false},
	[HW_F_POISON_WALK] = {"lifetime", false},
	[HW_F_FREE_REACHABLE] = {"lifetime", false},
	[HW_F_DOUBLE_FREE] = {"lifetime", false},
	[HW_F_PAGE_REACHABLE] = {"lifetime", false},
	[HW_F_BBM_CONFLICT] = {"bbm", false},
	[HW_F_FIXMAP_EMPTY] = {"fixmap", false},
	[HW_F_FIXMAP_STALE] = {"fixmap", false},
	[HW_F_FIXMAP_UNPUBLISHED] = {"fixmap", false},
	[HW_F_CONTEXT] = {"context", false},
	[HW_F_LOCK] = {"context", false},
	[HW_F_WARN] = {"crash", false},
	[HW_F_BUG] = {"crash", false},
};

/* A step commits these: blame the function that made it. */
static void on_finding(enum hw_finding f, const char *fn, int line)
{
	ex_finding(finding_class[f].cls, fn ? fn : "walker", hw_finding_str(f), "at %s:%d, step %llu",
		   fn ? fn : "walker", line, (unsigned long long)hw.step);
}

/* --- tasks */

static _Noreturn void task_abort(void)
{
	if (ex.log)
		replay_tables();
	ex.cur->started = false;
	fiber_switch(&ex.cur->fb, &ex.main);
	__builtin_unreachable(); /* its fiber starts anew */
}

static void on_bug(const char *what, const char *fn, int line)
{
	ex_finding("crash", fn, "bug", "%s at %s:%d", what, fn, line);
	if (ex.cur)
		task_abort();
}

void exec_context_sync(unsigned cpu)
{
	hw_do_context_sync(cpu);
	if (ex.kernel.on)
		ref_k_context_sync(&ex.kernel.ref, cpu);
}

static void task_stop(enum task_state s)
{
	struct task *t = ex.cur;

	t->state = s;
	fiber_switch(&t->fb, &ex.main);
}

void task_wait(unsigned lock, bool shared)
{
	struct task *t = ex.cur;

	t->waits = (uint8_t)lock;
	t->waits_shared = shared;
	task_stop(TASK_WAITS);
}

static bool is_active(const struct task *t)
{
	return t->state == TASK_PARKED || t->state == TASK_WAITS || t->state == TASK_WAITS_READERS ||
	       t->state == TASK_SPINS;
}

static bool is_reading(const struct task *t)
{
	return is_active(t) && (t->op.lockless || t->op.rcu);
}

/* Tables are freed when every reader that runs with interrupts off has left [tlb_remove_table()]. */
static void on_free(void)
{
	for (unsigned i = 0; ex.cur && i < HW_MAX_CPU; i++)
		while (is_reading(&ex.task[i]) && !ex.stop)
			task_stop(TASK_WAITS_READERS);
}

bool exec_holds_lock(unsigned cpu)
{
	const int task = (int)(ex.on[cpu] - ex.task);

	for (unsigned l = EX_LOCK_PT; l < EX_LOCK_MM; l++)
		if (ex.lock[l].owner == task)
			return true;
	return false;
}

bool exec_anyone_parked(void)
{
	for (unsigned i = 0; i < HW_MAX_CPU; i++)
		if (is_active(&ex.task[i]))
			return true;
	return false;
}

/* --- events */

static void fire(struct opctx *c, unsigned i)
{
	const struct rec *e = &ex.p->r[c->ev_lo + i];

	c->fired |= 1ull << i;
	exec_stats.events[e->kind]++;
	if (e->kind == EV_park) {
		if (!c->inside || ex.p->h.ncpu < 2)
			return;
		if (ex.log)
			fprintf(ex.log, "    -- cpu%u is preempted here\n", ex.cur->cpu);
		task_stop(TASK_PARKED);
		if (ex.log)
			fprintf(ex.log, "    -- cpu%u goes on\n", ex.cur->cpu);
		return;
	}
	if (e->kind == EV_move) {
		if (c->inside)
			kernel_move(e, &ex.eff[c->ev_lo + i]);
		return;
	}
	if (!c->inside) { /* it had no such step: that is what "end" means */
		ex.eff[c->ev_lo + i].anchor = HW_C_OTHER;
		ex.eff[c->ev_lo + i].nr = 1;
	}
	hw.pick_salt = e->salt;
	run_event(e, &ex.eff[c->ev_lo + i]);
	hw.pick_salt = c->r->salt;
}

/* Short names make a stable feature: addresses of strings would not. */
static unsigned name_hash(const char *s)
{
	unsigned h = 2166136261u;

	for (; s && *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

static void fire_at(struct opctx *c, enum hw_class cls, const char *fn)
{
	uint8_t armed = 0;

	for (unsigned i = 0; i < c->ev_hi - c->ev_lo && i < 64; i++) {
		const struct rec *e = &ex.p->r[c->ev_lo + i];

		if (c->fired >> i & 1 || e->anchor == HW_C_OTHER)
			continue;
		if ((e->anchor == HW_C_ANY || e->anchor == cls) && c->ord[e->anchor] == e->nr) {
			feature_event(name_hash(fn) * 31 + cls * 8 + e->kind);
			fire(c, i);
		} else {
			armed |= (uint8_t)(1u << e->anchor);
		}
	}
	c->armed = armed;
	exec_listen();
}

static void fire_rest(struct opctx *c)
{
	c->inside = false;
	for (unsigned i = 0; i < c->ev_hi - c->ev_lo && i < 64 && !ex.stop; i++)
		if (!(c->fired >> i & 1))
			fire(c, i);
}

/* --- the hook before every step of software */

/* A store to an entry that is none of the open op's blocks: to be audited when it ends. */
static void note_outside(struct opctx *c, const uint64_t *p)
{
	unsigned n = 1u << ex.geo->table_bits;

	if ((uintptr_t)p - c->own < c->own_bytes)
		return;
	for (unsigned i = 0; i < EX_SPACES * REF_TABLES && c->outside_n < 16; i++) {
		const uint64_t *leaf = ex.space[i / REF_TABLES].leaf[i % REF_TABLES];

		if (leaf && p >= leaf && p < leaf + n)
			c->outside[c->outside_n++] = p;
	}
}

/* A lockless reader retries for as long as the writer that holds the block is parked: let it go on. */
static void lockless_progress(const struct opctx *c)
{
	unsigned steps = c->ord[HW_C_ANY], lock;

	if (steps % (4 * ex.cont + 64))
		return;
	for (unsigned i = 0; i < ex.p->h.ncpu; i++) /* stores become visible in finite time */
		if (!exec_holds_lock(i))
			hw_do_drain(i, -1);
	lock = EX_LOCK_PT + REF_TABLES * ex_space_id(ex.sp) + ex.eff[c->rec].block / 2u;
	if (ex.lock[lock].owner >= 0) {
		if (ex.task[ex.lock[lock].owner].state != TASK_WAITS_READERS) /* else it waits for us */
			task_wait(lock, false);
	} else if (steps >= 16 * (4 * ex.cont + 64)) {
		ex_finding("livelock", op_descs[c->r->kind].name, "no-progress", "%u steps and no writer is active",
			   steps);
	}
}

static void step_limit(const struct opctx *c)
{
	ex.out->timeout = true;
	ex_finding("crash", op_descs[c->r->kind].name, "timeout", "more than %u steps", ex.step_limit);
	task_abort();
}

/* What is seldom wanted of a step. */
static __attribute__((noinline)) void step_slow(struct task *t, enum hw_class cls, const void *p, const char *fn)
{
	struct opctx *c = &t->op;

	if (cls == HW_C_STORE || cls == HW_C_ATOMIC)
		note_outside(c, p);
	else if (cls == HW_C_LOAD && hazard_queued)
		hazard_load(p);
	if (c->armed & (1u << cls | 1u << HW_C_ANY))
		fire_at(c, cls, fn);
	if (c->lockless)
		lockless_progress(c);
	hw.cpu = t->cpu;
	if (c->watched)
		split_step(cls, p, fn);
}

/* Steps that somebody waits for; the ordinals of other classes need no counting. */
static void on_step(enum hw_class cls, const void *p, const char *fn, int line)
{
	struct task *t = ex.cur;
	struct opctx *c;
	bool store = cls == HW_C_STORE || cls == HW_C_ATOMIC;

	(void)line;
	if (!t)
		return;
	c = &t->op;
	if (ex.stop)
		task_abort();
	if (hw.step > ex.step_limit)
		step_limit(c);
	if (c->nested)
		return;
	c->ord[HW_C_ANY]++;
	c->ord[cls]++;
	if ((store && (uintptr_t)p - c->own >= c->own_bytes) || c->armed & (1u << cls | 1u << HW_C_ANY) ||
	    c->lockless || c->watched || hazard_queued)
		step_slow(t, cls, p, fn);
}

void exec_listen(void)
{
	const struct opctx *c = &ex.cur->op;

	hw.calm = 0;
	if (ex.stop || c->lockless || c->watched || hazard_queued || c->armed & 1u << HW_C_ANY ||
	    hw.on_step != on_step)
		return;
	hw.own = c->own;
	hw.own_bytes = c->own_bytes;
	hw.calm = ~(unsigned)c->armed;
}

/* --- running ops */

/* A kernel thread works for itself; everything else is done for a user. The kernel's half is one owner's. */
static bool may_run(const struct rec *r)
{
	const unsigned half = op_descs[r->kind].args & A_HALF;

	if (half && ex.half && half != ex.half)
		return false;
	return ex.cpu_space[r->cpu] >= 0 || op_descs[r->kind].args & ~(A_PAGE | A_NR);
}

static void task_main(void *arg)
{
	struct task *t = arg;

	for (;;) {
		struct opctx *c = &t->op;
		int r;

		hw.pick_salt = c->r->salt;
		c->inside = true;
		if (ex.log)
			replay_op(c->r);
		if (ex.kernel.on)
			kernel_op_starts(c->r);
		r = may_run(c->r) ? run_fns[c->r->kind](c->r, &ex.eff[c->rec]) : 0;
		if (ex.log)
			replay_result(c->r, &ex.eff[c->rec], r);
		c->effective = r > 0;
		if (r < 0)
			ex.out->unsupported++;
		else if (r == 0)
			ex.out->skipped++;
		else
			ex.out->effective++;
		exec_stats.effective[c->r->kind] += r > 0;
		exec_stats.unsupported[c->r->kind] += r < 0;
		if (!(op_descs[c->r->kind].args & A_KERNEL))
			exec_context_sync(t->cpu); /* back to the user */
		if (!ex.stop)
			fire_rest(c);
		t->state = TASK_IDLE;
		fiber_switch(&t->fb, &ex.main);
	}
}

static void task_switch_in(struct task *t)
{
	if (!t->started) {
		fiber_init(&t->fb, task_main, t);
		t->started = true;
	}
	t->state = TASK_READY;
	t->turn++;
	ex.cur = t;
	ex.sp = t->sp;
	hw_run_on(t->cpu);
	hw.pick_salt = t->op.r->salt;
	exec_listen();
	fiber_switch(&ex.main, &t->fb);
	hw.calm = 0;
	ex.cur = NULL;
}

/* Somebody whom `t` waits for, or NULL: it can go on. */
static struct task *task_blocker(const struct task *t)
{
	const struct ex_lock *l = &ex.lock[t->waits % EX_NLOCKS];

	if (t->state == TASK_WAITS_READERS) {
		for (unsigned i = 0; i < HW_MAX_CPU; i++)
			if (is_reading(&ex.task[i]))
				return &ex.task[i];
		return NULL;
	}
	if (t->state != TASK_WAITS)
		return NULL;
	if (t->waits == EX_NLOCKS)
		return is_active(&ex.task[t->waits_for]) ? &ex.task[t->waits_for] : NULL;
	if (l->owner >= 0)
		return &ex.task[l->owner];
	return l->readers && !t->waits_shared ? &ex.task[__builtin_ctz(l->readers)] : NULL;
}

/* `t` waits for what others do: the next one that can goes on, in turn, then `t`. */
static void task_spin(struct task *t)
{
	static const unsigned n = HW_MAX_CPU;
	const unsigned me = (unsigned)(t - ex.task);

	for (unsigned i = 1; i <= n; i++) {
		struct task *u = &ex.task[(me + t->spin + i) % n];

		if (u == t || !is_active(u) || task_blocker(u))
			continue;
		t->spin = (uint8_t)((t->spin + i) % n);
		task_switch_in(u);
		break;
	}
	if (!ex.stop && t->state == TASK_SPINS)
		task_switch_in(t);
}

/* Lets `t` go on until its op is done, it parks or it waits; first whoever it waits for, and whom that one waits
 * for. Locks have an order, so the chain ends; a reader that waits for a writer that waits for readers is let go. */
static void task_step(struct task *t)
{
	struct task *b;

	for (unsigned depth = 0; depth < HW_MAX_CPU && (b = task_blocker(t)); depth++) {
		if (b->state == TASK_IDLE || b->state == TASK_READY)
			break; /* it is whoever let us run */
		t = b;
	}
	if (t->state == TASK_SPINS)
		task_spin(t);
	else
		task_switch_in(t);
}

/* Runs `t` until its op is done or it is parked again. */
static void task_run(struct task *t)
{
	task_switch_in(t);
	while ((t->state == TASK_WAITS || t->state == TASK_WAITS_READERS || t->state == TASK_SPINS) && !ex.stop)
		task_step(t);
}

void exec_spin(void)
{
	task_stop(TASK_SPINS);
}

bool exec_is_active(unsigned task)
{
	return is_active(&ex.task[task]);
}

void exec_start(unsigned cpu)
{
	struct task *t = ex.on[cpu];

	memset(&t->op, 0, sizeof(t->op));
	t->op.rec = ex.cur->op.rec;
	t->op.r = ex.cur->op.r;
	t->op.ev_lo = t->op.ev_hi = ex.cur->op.ev_lo;
	t->sp = ex.cpu_space[cpu] >= 0 ? &ex.space[ex.cpu_space[cpu]] : &ex.space[0];
	t->state = TASK_PARKED;
	ex.out->ops++;
	exec_stats.ops[t->op.r->kind]++;
}

void exec_wait_for_others(const struct space *sp)
{
	for (unsigned i = 0; i < HW_MAX_CPU && !ex.stop; i++)
		while (&ex.task[i] != ex.cur && is_active(&ex.task[i]) && !ex.stop &&
		       (ex.task[i].sp == sp || ex.cpu_space[ex.task[i].cpu] == (int)ex_space_id(sp))) {
			ex.cur->waits = EX_NLOCKS;
			ex.cur->waits_for = (int8_t)i;
			task_stop(TASK_WAITS);
		}
}

static void task_finish(struct task *t)
{
	while (is_active(t) && !ex.stop) /* parked, or left waiting when it made way for another */
		task_run(t);
}

static void arm(struct opctx *c)
{
	c->armed = 0;
	for (unsigned i = c->ev_lo; i < c->ev_hi; i++)
		if (ex.p->r[i].anchor != HW_C_OTHER)
			c->armed |= (uint8_t)(1u << ex.p->r[i].anchor);
}

static unsigned run_record(unsigned i)
{
	const struct rec *r = &ex.p->r[i];
	struct task *t = ex.on[r->cpu];
	unsigned end = i + 1;

	while (end < ex.p->n && ex.p->r[end].is_event)
		end++;
	task_finish(t);
	if (ex.stop)
		return end;
	memset(&t->op, 0, sizeof(t->op));
	t->sp = ex.cpu_space[r->cpu] >= 0 ? &ex.space[ex.cpu_space[r->cpu]] : &ex.space[0];
	t->op.rec = i;
	t->op.r = r;
	t->op.ev_lo = i + 1;
	t->op.ev_hi = end;
	arm(&t->op);
	ex.out->ops++;
	exec_stats.ops[r->kind]++;
	/* What this CPU's earlier sections left pending is visible by now: the window in which others see it late
	 * is the op's own (the lock's release has ordered it before anything that follows). Nothing of that for what the
	 * kernel maps for itself. */
	if (!(op_descs[r->kind].args & A_HALF))
		hw_do_drain(r->cpu, -1);
	task_run(t);
	return end;
}

/* --- set-up */

static const uint8_t folio_order[EX_FOLIOS] = {0, 0, 1, 0xff, 0xff, 0x80, 0x80, 0x80, 0x80, 2, 9, 0x81};

/* Fixed data memory: see the table in docs/programs.md. Orders are relative to the contiguous size (0, 1, 2, -1),
 * absolute with 0x80, or the largest folio (9). Each folio is naturally aligned. */
static void layout_folios(unsigned geo)
{
	unsigned c = hw_geos[geo].cont_bits;
	uint64_t pfn = 1u << 12;

	for (unsigned i = 0; i < EX_FOLIOS; i++) {
		unsigned o = folio_order[i], order;

		order = o & 0x80 && o != 0xff ? o & 0x7f
			: o == 0xff	      ? c - 1
			: o == 9	      ? (c + 2 > 9 ? c + 2 : 9)
					      : c + o;
		if (i == 5 || i == 11) /* the four single pages share an aligned block; the pair starts another */
			pfn = (pfn + (1u << c) - 1) >> c << c;
		pfn = (pfn + (1ull << order) - 1) >> order << order;
		ex.folio[geo][i] = (struct pt_folio){.pfn = pfn, .order = order};
		pfn += 1ull << order;
	}
}

void exec_init(void)
{
	hw_init();
	for (unsigned g = 0; g < HW_NGEO; g++)
		layout_folios(g);
	hw.on_step = on_step;
	hw.on_finding = on_finding;
	hw.on_bug = on_bug;
	hw.on_free = on_free;
	hw.trace = NULL;
	hazard_init();
}

static void machine_config(const struct prog *p, struct hw_config *cfg)
{
	const struct prog_hdr *h = &p->h;

	memset(cfg, 0, sizeof(*cfg));
	cfg->geo = h->geo;
	cfg->ncpu = h->ncpu;
	for (unsigned i = 0; i < HW_MAX_CPU; i++)
		cfg->update[i] = i & 1 ? h->update_odd : h->update;
	cfg->smmu = h->smmu != 0;
	cfg->update[HW_SMMU] = h->smmu ? h->smmu - 1 : 0;
	cfg->smmu_btm = h->smmu_btm;
	cfg->ets2 = h->ets2;
	cfg->ttl = h->ttl;
	cfg->tlbirange = h->tlbirange;
	cfg->bbml = h->bbml;
	cfg->drain = h->drain;
	cfg->xlate = h->xlate;
	cfg->pick = h->pick;
	cfg->early = h->early;
	cfg->alloc_fails = h->alloc_fails;
	cfg->salt = h->salt;
	split_config(p, cfg); /* knows ex.half */
}

/* The window straddles two level-3 tables below one level-2 table: its first two blocks end the one, the
 * last two begin the other. */
static void build_upper(struct space *sp)
{
	const struct hw_geo *g = ex.geo;
	unsigned root_level = 4 - g->levels;
	uint64_t *t = hw_setup_table(root_level);

	sp->pt.root = t;
	for (unsigned l = root_level; l < 2; l++) {
		uint64_t *next = hw_setup_table(l + 1);
		unsigned shift = g->page_shift + (3 - l) * g->table_bits;

		hw_setup_write(t + (ex.va >> shift & ((1u << g->table_bits) - 1)),
			       hw_table_pa(next) | HW_D_TABLE | HW_D_VALID);
		t = next;
	}
	for (unsigned i = 0; i < REF_TABLES; i++) {
		sp->pmdp[i] = t + 4 + i;
		sp->leaf[i] = NULL;
	}
}

void exec_space_create(struct space *sp)
{
	sp->alive = true;
	sp->dying = false;
	sp->unaudited = 0;
	sp->batched = false;
	sp->batches = 0;
	sp->gathers = 0;
	sp->pt.id = ex_space_id(sp);
	sp->pt.asid = ex.next_asid++;
	memset(sp->seen, 0, PROG_BLOCKS * ex.cont * sizeof(sp->seen[0]));
	memset(sp->gather, 0, sizeof(sp->gather));
	memset(sp->tally, 0, sizeof(sp->tally));
	memset(sp->block_state, 0, sizeof(sp->block_state));
	memset(sp->block_prev, 0, sizeof(sp->block_prev));
	ref_reset(&sp->mm, ex.cont);
	build_upper(sp);
}

void exec_space_retire(struct space *sp)
{
	sp->alive = false;
	sp->dying = true;
	for (unsigned c = 0; c < HW_MAX_CPU; c++)
		if (ex.cpu_space[c] == (int)ex_space_id(sp))
			ex.cpu_space[c] = EX_NOBODY;
	hw_retire_asid(sp->pt.asid);
}

void exec_space_gone(struct space *sp)
{
	sp->dying = false;
	for (unsigned c = 0; c < HW_MAX_CPU; c++)
		if (ex.cpu_loaded[c] == (int)ex_space_id(sp))
			ex.cpu_loaded[c] = EX_NOBODY;
}

void exec_cpu_switch(unsigned cpu, int space)
{
	ex.cpu_space[cpu] = space;
	if (space < 0)
		return;
	ex.cpu_loaded[cpu] = space;
	ex.cpu_root[cpu] = ex.space[space].pt.root;
	hw_set_context(cpu, ex.space[space].pt.root, ex.space[space].pt.asid);
}

/* The first address space comes with its tables, and every agent runs in it. */
static void build_first(void)
{
	const struct hw_geo *g = ex.geo;
	unsigned span = g->page_shift + g->table_bits;
	struct space *sp = &ex.space[0];

	ex.va = (1ull << (span + g->table_bits)) + (5ull << span) - ((uint64_t)(2 * ex.cont) << g->page_shift);
	ex.next_asid = EX_ASID;
	ex.space[1].alive = ex.space[1].dying = false;
	ex.space[1].unaudited = 0;
	memset(ex.dead_root, 0, sizeof(ex.dead_root));
	memset(ex.space[1].leaf, 0, sizeof(ex.space[1].leaf));
	exec_space_create(sp);
	for (unsigned i = 0; i < REF_TABLES; i++) {
		sp->leaf[i] = hw_setup_table(3);
		hw_setup_write(sp->pmdp[i], hw_table_pa(sp->leaf[i]) | HW_D_TABLE | HW_D_VALID);
	}
	for (unsigned a = 0; a < HW_MAX_AGENT; a++)
		hw_set_context(a, sp->pt.root, sp->pt.asid);
	for (unsigned c = 0; c < HW_MAX_CPU; c++) {
		ex.cpu_space[c] = ex.cpu_loaded[c] = 0;
		ex.cpu_root[c] = sp->pt.root;
	}
}

static void choose_geometry(struct prog *p, const struct pt_impl *impl)
{
	if (impl->geometries >> p->h.geo & 1)
		return;
	p->h.geo = (uint8_t)__builtin_ctz(impl->geometries);
	prog_normalize(p);
}

/*
 * There is one kernel root: it belongs to the first op or event of the program that uses the kernel's half and whose code
 * the implementation has. Ops of the other kinds are skipped.
 */
static uint8_t kernel_half(const struct prog *p)
{
	const unsigned offered =
		(kernel_offered() ? A_KERNEL : 0u) | (ex.impl->mmu ? A_KMAP : 0u) | (ex.impl->split ? A_SPLIT : 0u);

	for (unsigned i = 0; i < p->n; i++)
		if (rec_desc(&p->r[i])->args & offered)
			return (uint8_t)(rec_desc(&p->r[i])->args & A_HALF);
	return 0;
}

static void reset(struct prog *p, const struct pt_impl *impl, struct outcome *out)
{
	struct hw_config cfg;
	struct pt_env env;

	memset(out, 0, sizeof(*out));
	out->page = -1;
	choose_geometry(p, impl);
	impl = impl_for_geo(impl, p->h.geo);
	ex.impl = impl;
	ex.half = kernel_half(p);
	machine_config(p, &cfg);
	hw_reset(&cfg);
	hw.calm_until = ex.step_limit = EX_STEP_LIMIT;
	ex.p = p;
	ex.out = out;
	ex.geo = &hw_geos[p->h.geo];
	ex.cont_bits = ex.geo->cont_bits;
	ex.cont = 1u << ex.cont_bits;
	ex.cur = NULL;
	ex.sp = &ex.space[0];
	for (unsigned l = 0; l < EX_NLOCKS; l++)
		ex.lock[l] = (struct ex_lock){.owner = EX_NOBODY};
	ex.stop = false;
	ex.about = 0;
	ex.hash = 0x9e3779b97f4a7c15ull;
	memcpy(ex.eff, p->r, p->n * sizeof(p->r[0]));
	for (unsigned i = 0; i < HW_MAX_CPU; i++) {
		if (ex.task[i].state != TASK_IDLE)
			ex.task[i].started = false; /* abandoned in the last execution */
		ex.task[i].state = TASK_IDLE;
		ex.task[i].spin = 0;
		ex.task[i].sp = &ex.space[0];
		ex.task[i].cpu = (uint8_t)i;
		ex.on[i] = &ex.task[i];
		ex.task[i].pt = (struct pt_task){.id = i};
		hw_set_current(i, &ex.task[i].pt);
	}
	hazard_reset();
	cost_reset();
	build_first();
	kernel_reset();
	env = (struct pt_env){.page_shift = ex.geo->page_shift,
			      .table_bits = ex.geo->table_bits,
			      .levels = ex.geo->levels,
			      .cont_bits = ex.geo->cont_bits,
			      .mm = &ex.space[0].pt,
			      .kernel = &ex.kernel.pt,
			      .folios = ex.folio[p->h.geo],
			      .nfolios = EX_FOLIOS};
	impl->reset(&env);
	kmap_reset();
	split_reset();
}

/* At the end everything is quiescent: each page of the window must read, and translate, as specified. */
static void final_check(struct space *sp)
{
	const struct ref_op all = {.id = OP_ptep_get, .lo = 0, .hi = sp->mm.npages};

	ex.sp = sp;
	exec_cpu_switch(0, (int)ex_space_id(sp));
	seam_audit(&all);
	for (unsigned p = 0; p < sp->mm.npages && !ex.stop; p += ex.cont) {
		struct hw_access a = {.agent = 0, .fresh = true, .va = ex_addr(p)};
		const struct ref_version *now = ref_now(&sp->mm, p);

		seam_access(&a, p);
		if (!ex.stop && now->val.kind == REF_PRESENT && !now->val.protnone &&
		    a.fault == HW_FAULT_TRANSLATION)
			ex_finding("state", "walk", "not-translated",
				   "page %u.0 faults at level %d on a fresh walk", p / ex.cont, a.level);
	}
}

static void check_end(void)
{
	if (ex.log)
		fprintf(ex.log, "end: all stores drained, every page compared, one page of each block walked\n");
	if (ex.kernel.on)
		kernel_check_end();
	for (unsigned c = 0; c < ex.p->h.ncpu; c++)
		hw_do_drain(c, -1);
	if (kmap.on)
		kmap_check_end();
	if (split_on())
		split_check_end();
	for (unsigned i = 0; i < EX_SPACES && !ex.stop; i++)
		if (ex.space[i].alive)
			final_check(&ex.space[i]);
}

void exec_run(struct prog *p, const struct pt_impl *impl, struct outcome *out)
{
	reset(p, impl, out);
	for (unsigned i = 0; i < p->n && !ex.stop;)
		i = p->r[i].is_event ? i + 1 : run_record(i);
	if (exec_at_end && !ex.stop)
		exec_at_end();
	for (unsigned i = 0; i < HW_MAX_CPU && !ex.stop; i++)
		task_finish(&ex.task[i]);
	if (!ex.stop)
		check_end();
	cost_report();
	out->steps = hw.step;
	ex_observe(out->steps);
	out->hash = ex.hash;
	exec_stats.runs++;
	exec_stats.steps += out->steps;
}

void exec_effective(struct prog *p)
{
	for (unsigned i = 0; i < p->n; i++)
		if (i < ex.p->n)
			p->r[i] = ex.eff[i];
}
