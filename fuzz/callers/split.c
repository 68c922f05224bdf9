/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Callers of the split code: boundaries, ranges, set_memory_*() and set_direct_map_*(), the repainting by all CPUs, walks.
 *
 * Property: each caller owns the pages that it changes; atomic context is entered only for what is mapped by pages; no
 * permission of the tables' own memory, of text or of the flag is touched; what a call may not be asked for is refused
 * or skipped, and must-refuse requests are part of the game.
 */
#include "split.h"

#include "callers.h"
#include "hw/hook_mmu.h"
#include "hw/tables.h"

#define ATOMIC_LOCK (60 + me()) /* of whoever calls in atomic context: a spinlock, or interrupts off */

/* --- what an op works on */

static unsigned spot_of(const struct rec *r)
{
	return (r->a & 15) % SPOT_N;
}

/* Page of the spot: near its start, by runs, near its middle, near its end. */
static uint64_t offset_of(const struct rec *r, const struct split_place *s)
{
	const uint64_t off = page_of_rec(r);

	switch (r->a >> 4 & 3) {
	case 0:
		return off % s->n;
	case 1:
		return off * ex.cont % s->n;
	case 2:
		return (s->n / 2 + off) % s->n;
	default:
		return s->n - 1 - off % s->n;
	}
}

/* How many: as they are, runs, halves of a table, all that is left. Beyond the spot only in areas of vmalloc. */
static uint64_t length_of(const struct rec *r, const struct split_place *s, uint64_t off)
{
	const uint64_t left = s->n - off;
	/* Not as far as address 0: no area lies there, and nobody's sums have to bear it. */
	const uint64_t to_top = ((0 - s->va) >> ex.geo->page_shift) - off - 1;
	uint64_t n = r->nr;

	if ((r->a >> 6 & 3) == 1)
		n *= ex.cont;
	else if ((r->a >> 6 & 3) == 2)
		n <<= ex.geo->table_bits - 1u;
	else if ((r->a >> 6 & 3) == 3)
		n = left;
	if (n > left && s->linear)
		return left;
	return n > to_top ? to_top : n;
}

static struct split_range range_of(const struct rec *r)
{
	const struct split_place *s = &lin.spot[spot_of(r)];
	uint64_t off, lo;

	if (!lin.on) /* there are no places: whoever asks returns at once */
		return (struct split_range){0, 1};
	off = offset_of(r, s);
	lo = lin_page(s->va) + off;
	return (struct split_range){lo, lo + length_of(r, s, off)};
}

static bool overlap(const struct split_range *a, const struct split_range *b)
{
	return a->lo < b->hi && b->lo < a->hi;
}

static unsigned me(void)
{
	return (unsigned)(ex.cur - ex.task);
}

/* Does another task own some of it? */
static bool is_busy(const struct split_range *a)
{
	for (unsigned i = 0; i < HW_MAX_CPU; i++)
		for (unsigned k = 0; k < 2; k++)
			if (i != me() && overlap(a, &lin.busy[i][k]))
				return true;
	return false;
}

static bool others_work(void)
{
	for (unsigned i = 0; i < HW_MAX_CPU; i++)
		if (i != me() && exec_is_active(i) && ex.task[i].op.watched)
			return true;
	return false;
}

/* All CPUs tolerate a change of size. */
static bool system_splits(void)
{
	return !lin.env.force_pte && !lin.lacks;
}

/* What begins now could not end before the limit. */
static bool out_of_steps(void)
{
	return hw.step > ex.step_limit - EX_STEP_LIMIT / 2;
}

/*
 * While some CPU lacks FEAT_BBM level 2 nothing of the map is changed before the repainting (the features are not
 * final), and afterwards only what it has repainted; after a failed one the kernel is dead.
 */
static bool may_ask(void)
{
	return lin.on && !lin.repainting && !lin.exclusive && !lin.dead && !out_of_steps();
}

static bool may_change(const struct split_place *s)
{
	if (!may_ask())
		return false;
	return !lin.lacks || (lin.repainted && (s->memory || !s->linear));
}

static unsigned action_of(const struct rec *r)
{
	switch (r->kind) {
	case OP_split:
		return 0;
	case OP_split_range:
		return 1;
	case OP_repaint:
		return 2;
	case OP_walk:
		return 3;
	case OP_walk_free:
		return 4;
	default:
		return 5 + (r->b & 15) % PT_NSETMEM;
	}
}
_Static_assert(5 + PT_NSETMEM <= (int)FN_ACTION && (int)SPOT_N <= (int)FN_SPOT,
	       "every action and spot has a place");

/* For coverage: what is done to which leaf, where. */
static void features(const struct split_range *a)
{
	const struct rec *r = ex.cur->op.r;
	const unsigned action = action_of(r), spot = spot_of(r);
	const uint64_t lo = lin_va(a->lo), hi = lin_va(a->hi);
	uint64_t desc;
	const int level = lin_leaf(lo, &desc);
	const unsigned leaf = level < 0		     ? 0
			      : !(desc & HW_D_VALID) ? 1
						     : feature_leaf((unsigned)level, desc & HW_D_CONT);
	const unsigned edges = 2u * (lin_leaf_start(lo) == lo) + (lin_leaf_start(hi) == hi);

	ex_feature(FEATURE_SPOT + action * FN_SPOT + spot);
	ex_feature(FEATURE_FROM + spot * FN_FROM + (r->a >> 4 & 7));
	ex_feature(FEATURE_SPLIT + (action * FN_LEAF + leaf) * FN_EDGES + edges);
}

static void op_begin(const struct split_range *a)
{
	lin_note_others();
	lin.at = *a;
	lin.busy[me()][0] = *a;
	ex.cur->op.watched = true;
	exec_listen();
	features(a);
}

static void audit(void)
{
	if (!ex.stop)
		lin_audit(ex.cur->op.r->kind);
}

static void op_end(void)
{
	audit();
	lin.busy[me()][0] = lin.busy[me()][1] = (struct split_range){0, 0};
	lin.rox[me()] = false;
	lin.stored = NULL;
	ex.cur->op.watched = false;
	exec_listen();
}

static int needs(const void *entry)
{
	return lin.on && entry ? 0 : -1;
}

/* An error must be one that the machine gives reason for. */
static bool may_lack_memory(void)
{
	return hw.cfg.alloc_fails || hw_live_tables() + 2 >= HW_MAX_FRAMES;
}

static void bad_value(const char *what, int ret)
{
	ex_finding("value", op_descs[ex.cur->op.r->kind].name, what, "it returned %d", ret);
}

/* --- splits */

static void check_edge(uint64_t va)
{
	if (!ex.stop && lin_leaf_start(va) != va) {
		ex_about(va);
		ex_finding("state", op_descs[ex.cur->op.r->kind].name, "no-edge", "%#llx lies inside a leaf or run",
			   (unsigned long long)va);
	}
}

/* Another task inside its op may make or free tables, or make this one wait for the mutex. */
static bool shared(const struct cost_map_mark *m)
{
	return m->all.turn != ex.cur->turn;
}

/* Atomic context is for what is mapped by pages: DEBUG_PAGEALLOC and KFENCE. */
static bool atomic_legal(const struct split_range *a)
{
	return !system_splits() || (lin_va(a->lo) >= lin.env.kfence.start && lin_va(a->lo) < lin.env.kfence.end);
}

int run_split(const struct rec *r, struct rec *eff)
{
	const struct split_range a = {range_of(r).lo, range_of(r).hi};
	const bool atomic = r->b & 1 && atomic_legal(&a);
	struct cost_map_mark mark;
	struct split_plan plan;
	int ret;

	if (needs(lin.on ? (const void *)(uintptr_t)lin.impl->split_kernel_leaf_mapping : NULL))
		return ex.impl->split ? 0 : -1;
	if (!may_ask() || is_busy(&a)) /* at any time: while some CPU cannot, it does nothing */
		return 0;
	*eff = *r;
	op_begin(&a);
	split_plan_begin(&plan);
	split_plan_edges(&plan, &a);
	cost_map_begin(&mark);
	if (atomic)
		hw_lock(ATOMIC_LOCK, "spin_lock", 0);
	ret = lin.impl->split_kernel_leaf_mapping(lin_va(a.lo), lin_va(a.hi));
	if (atomic)
		hw_unlock(ATOMIC_LOCK, "spin_unlock", 0);
	if (ret && (ret != -PT_ENOMEM || !may_lack_memory()))
		bad_value("failed", ret);
	if (!ret && system_splits()) {
		check_edge(lin_va(a.lo));
		check_edge(lin_va(a.hi));
	}
	audit(); /* a table that is lost is more than a cost */
	split_plan_end(&plan, &mark, OP_split, shared(&mark));
	op_end();
	return 1;
}

static void check_ptes(const struct split_range *a)
{
	const uint64_t p = lin_not_pages(a->lo, a->hi);
	uint64_t desc;
	int level;

	if (p >= a->hi || ex.stop)
		return;
	level = lin_leaf(lin_va(p), &desc);
	ex_about(lin_va(p));
	ex_finding("state", op_descs[ex.cur->op.r->kind].name, "not-ptes", "%#llx is mapped by %s of level %d",
		   (unsigned long long)lin_va(p), desc & HW_D_CONT ? "a run" : "a block", level);
}

/* Not more than a few tables: this is for ranges, the repainting for all. */
static void limit_range(struct split_range *a)
{
	const uint64_t max = 4ull << ex.geo->table_bits;

	if (a->hi - a->lo > max)
		a->hi = a->lo + max;
	if (ex.geo->table_bits > 9 && a->hi - a->lo > 1ull << ex.geo->table_bits)
		a->hi = a->lo + (1ull << ex.geo->table_bits);
}

int run_split_range(const struct rec *r, struct rec *eff)
{
	struct split_range a = range_of(r);
	struct cost_map_mark mark;
	struct split_plan plan;
	int ret;

	if (needs(lin.on ? (const void *)(uintptr_t)lin.impl->range_split_to_ptes : NULL))
		return ex.impl->split ? 0 : -1;
	/* It promises nothing where a level-1 leaf would take more tables than there are. */
	if (!may_change(&lin.spot[spot_of(r)]) || !system_splits() || others_work() || spot_of(r) == SPOT_HOLE)
		return 0;
	limit_range(&a);
	*eff = *r;
	lin.exclusive = true;
	op_begin(&a);
	split_plan_begin(&plan);
	split_plan_range(&plan, &a);
	cost_map_begin(&mark);
	if (r->b & 1)
		hw_lock(ATOMIC_LOCK, "spin_lock", 0);
	ret = lin.impl->range_split_to_ptes(lin_va(a.lo), lin_va(a.hi), r->b & 1);
	if (r->b & 1)
		hw_unlock(ATOMIC_LOCK, "spin_unlock", 0);
	if (ret && (ret != -PT_ENOMEM || !may_lack_memory()))
		bad_value("failed", ret);
	if (!ret)
		check_ptes(&a);
	audit(); /* a table that is lost is more than a cost */
	split_plan_end(&plan, &mark, OP_split_range, shared(&mark));
	op_end();
	lin.exclusive = false;
	return 1;
}

/* --- set_memory_*() */

/* Not what the kernel itself lives on. */
static bool touchable(unsigned spot)
{
	return spot != SPOT_TABLES && spot != SPOT_TEXT && spot != SPOT_WALK;
}

struct setmem {
	unsigned what;
	struct split_range main, alias;
	bool area; /* of those that want one area of vmalloc */
	bool legal;
};

static void setmem_plan(struct setmem *s, const struct rec *r)
{
	s->what = (r->b & 15) % PT_NSETMEM;
	s->main = range_of(r);
	if (s->what > PT_SET_INVALID && s->main.hi - s->main.lo > 4ull * ex.cont)
		s->main.hi = s->main.lo + 4ull * ex.cont;
	s->area = s->what <= PT_SET_ROX;
	s->legal = s->area ? ref_ks_area_legal(lin.area, PT_VM_AREAS, s->main.lo, s->main.hi - s->main.lo)
			   : lin.spot[spot_of(r)].linear;
	s->alias = (struct split_range){0, 0};
	if (s->area && s->legal && ref_ks_alias_follows(s->what)) {
		s->alias.lo = lin.area[0].alias + (s->main.lo - lin.area[0].lo);
		s->alias.hi = s->alias.lo + (s->main.hi - s->main.lo);
	}
}

static void setmem_judge(struct setmem *s, int ret)
{
	if (!s->legal) {
		if (ret != -PT_EINVAL)
			bad_value("must-refuse-served", ret);
		return;
	}
	if (ret && (ret != -PT_ENOMEM || !may_lack_memory()))
		bad_value("legal-refused", ret);
	if (ret) {
		ref_ks_failed(&lin.ref, s->main.lo, s->main.hi);
		return;
	}
	ref_ks_done(&lin.ref, s->main.lo, s->main.hi, s->what, hw.cpu);
	if (s->alias.hi)
		ref_ks_done(&lin.ref, s->alias.lo, s->alias.hi, s->what == PT_SET_ROX ? PT_SET_RO : s->what,
			    hw.cpu);
}

/* The alias goes page by page; ROX is two changes, of which the second has no alias. VALID needs no flush, DIRECT promises none. */
static void setmem_budget(struct split_plan *p, const struct setmem *s)
{
	const bool flush = s->what != PT_SET_VALID && s->what != PT_DIRECT_INVALID && s->what != PT_DIRECT_DEFAULT;

	split_plan_begin(p);
	if (!s->legal)
		return;
	for (uint64_t i = s->alias.lo; i < s->alias.hi; i++)
		split_plan_change(p, &(struct split_range){i, i + 1}, flush);
	if (s->what > PT_SET_INVALID) {
		for (uint64_t i = s->main.lo; i < s->main.hi; i++)
			split_plan_change(p, &(struct split_range){i, i + 1}, flush);
		return;
	}
	split_plan_change(p, &s->main, flush);
	if (s->what == PT_SET_ROX)
		split_plan_change(p, &s->main, flush);
}

/* set_direct_map_*() know one page: who changes more calls for each. */
static int setmem_call(const struct setmem *s)
{
	const unsigned n = (unsigned)(s->main.hi - s->main.lo);
	int ret = 0;

	if (s->what <= PT_SET_INVALID)
		return lin.impl->set_memory(s->what, lin_va(s->main.lo), n);
	for (unsigned i = 0; i < n && !ret; i++)
		ret = lin.impl->set_memory(s->what, lin_va(s->main.lo + i), 1);
	return ret;
}

int run_set_memory(const struct rec *r, struct rec *eff)
{
	struct cost_map_mark mark;
	struct split_plan plan;
	struct setmem s;
	int ret;

	if (needs(lin.on ? (const void *)(uintptr_t)lin.impl->set_memory : NULL))
		return ex.impl->split ? 0 : -1;
	setmem_plan(&s, r);
	if (!may_change(&lin.spot[spot_of(r)]) || !touchable(spot_of(r)) || is_busy(&s.main) || is_busy(&s.alias) ||
	    (!s.area && !s.legal))
		return 0;
	*eff = *r;
	op_begin(&s.main);
	lin.busy[me()][1] = s.alias;
	if (s.legal) {
		lin.rox[me()] = s.what == PT_SET_ROX && !ref_ks_some_executes(&lin.ref, s.main.lo, s.main.hi);
		ref_ks_begin(&lin.ref, s.main.lo, s.main.hi, s.what, OP_set_memory);
		if (s.alias.hi)
			ref_ks_begin(&lin.ref, s.alias.lo, s.alias.hi, s.what == PT_SET_ROX ? PT_SET_RO : s.what,
				     OP_set_memory);
	}
	setmem_budget(&plan, &s);
	cost_map_begin(&mark);
	ret = setmem_call(&s);
	setmem_judge(&s, ret);
	audit(); /* a table that is lost is more than a cost */
	split_plan_end(&plan, &mark, OP_set_memory, shared(&mark));
	op_end();
	return 1;
}

/* --- the repainting */

static bool everybody_idle(void)
{
	for (unsigned i = 0; i < HW_MAX_CPU; i++)
		if (i != me() && exec_is_active(i))
			return false;
	return true;
}

/* Nobody but CPU 0 allocates meanwhile. */
static int repaint_call(unsigned cpu)
{
	const bool fails = hw.cfg.alloc_fails;
	int ret;

	if (cpu)
		return lin.impl->linear_map_split_to_ptes(cpu);
	if (lin.impl->repaint_dies & PT_DIES_NOMEM)
		hw.cfg.alloc_fails = false;
	ret = lin.impl->linear_map_split_to_ptes(cpu);
	hw.cfg.alloc_fails = fails;
	return ret;
}

/* What stop_machine() runs on each CPU. User mappings come back when it is over. Only the boot CPU has work to do. */
static void repaint_here(void)
{
	const unsigned cpu = ex.cur->cpu;
	struct cost_map_mark mark;
	struct split_plan plan;
	unsigned asid;
	void *root;
	int ret;

	hw_get_context(cpu, &root, &asid);
	split_plan_begin(&plan);
	if (!cpu)
		split_plan_repaint(&plan);
	cost_map_begin(&mark);
	hw_lock(ATOMIC_LOCK, "stop_machine", 0); /* interrupts are off */
	ret = repaint_call(cpu);
	hw_unlock(ATOMIC_LOCK, "stop_machine", 0);
	if (!cpu) {
		lin.err = ret;
		split_plan_end(&plan, &mark, OP_repaint, false);
	}
	hw_set_context(cpu, root, asid);
	lin.left--;
	while (lin.left && !ex.stop) /* multi_cpu_stop(): nobody leaves before all are done */
		lin_wait("stop_machine");
}

static void repaint_judge(void)
{
	const uint64_t base = lin.env.page_offset;
	uint64_t desc;

	if (lin.err && (lin.err != -PT_ENOMEM || !may_lack_memory()))
		bad_value("failed", lin.err);
	lin.dead = lin.err != 0;
	for (unsigned i = 0; i < lin.env.nmem && !lin.err; i++) {
		struct split_range a = {lin_page(base + lin.env.mem[i].start), lin_page(base + lin.env.mem[i].end)};
		const uint64_t text = lin_page(base + lin.env.text.start),
			       etext = lin_page(base + lin.env.text.end);

		if (text >= a.lo && text < a.hi) {
			struct split_range b = {a.lo, text};

			check_ptes(&b);
			a.lo = etext;
		}
		check_ptes(&a);
	}
	if (lin.text_is_block && !ex.stop && lin_leaf(base + lin.env.text.start, &desc) == 3) {
		ex_about(base + lin.env.text.start);
		ex_finding("cost", op_descs[OP_repaint].name, "text-split", "the alias of text is mapped by pages");
	}
}

int run_repaint(const struct rec *r, struct rec *eff)
{
	const struct split_range all = {0, 1};
	uint64_t desc;

	if (needs(lin.on ? (const void *)(uintptr_t)lin.impl->linear_map_split_to_ptes : NULL))
		return ex.impl->split ? 0 : -1;
	if (lin.repainting) { /* started by another CPU's op, or an op of its own */
		if (ex.cur->op.rec != lin.rec)
			return 0;
		ex.cur->op.watched = true;
		exec_listen();
		repaint_here();
		ex.cur->op.watched = false;
		return 1;
	}
	if (lin.repainted || lin.dead || lin.exclusive || lin.env.force_pte || out_of_steps())
		return 0;
	lin.repainting = true;
	lin.rec = ex.cur->op.rec;
	while (!everybody_idle() && !ex.stop)
		exec_spin();
	*eff = *r;
	lin.left = ex.p->h.ncpu;
	lin.flag = 1;
	hw.calm_until = ex.step_limit +=
		EX_STEP_LIMIT; /* 64K pages: four tables of 8192 entries, hardware's accesses included */
	op_begin(&all);
	lin.text_is_block = lin_leaf(lin.env.page_offset + lin.env.text.start, &desc) == 2;
	lin.impl->repaint_prepare();
	for (unsigned c = 0; c < ex.p->h.ncpu; c++)
		if (c != ex.cur->cpu)
			exec_start(c);
	repaint_here();
	lin.repainted = true;
	repaint_judge();
	op_end();
	lin.repainting = false;
	return 1;
}

/* --- walks */

struct walk_probe {
	struct ref_ks_walk ref;
	unsigned calls, again, skip, end; /* what the n-th entry does; 0: never */
	unsigned afters;		  /* holes and entries whose children are done, so far */
	bool late;			  /* it is the n-th of those that ends the walk */
};

/* An error from a callback, which the walk has to return. */
static int probe_error(struct walk_probe *w, unsigned n, bool late)
{
	if (n != w->end || late != w->late)
		return 0;
	w->ref.over = true;
	return 77;
}

static int probe_entry(unsigned level, uint64_t *p, uint64_t addr, uint64_t next, struct pt_walk *walk)
{
	struct walk_probe *w = walk->priv;
	const uint64_t v = hw_load(p, HW_RELAXED, "walk_callback", __LINE__);
	const bool leaf = level == 3 || (v && (v & 3) != 3); /* none: it goes right now */
	const bool asks = !(lin.impl->walk_mute >> level & 1);
	const char *bad;

	w->calls++;
	bad = ref_ks_walk_entry(&w->ref, level, addr, next, leaf || (asks && w->calls == w->skip),
				lin.walk_changes);
	if (bad) {
		ex_about(addr);
		ex_finding("value", op_descs[OP_walk].name, bad, "level %u entry of %#llx", level,
			   (unsigned long long)addr);
	}
	if (asks && w->calls == w->skip)
		walk->action = PT_ACTION_CONTINUE;
	if (asks && w->calls == w->again) {
		walk->action = PT_ACTION_AGAIN;
		w->ref.again = addr;
		w->ref.again_level = (int)level;
		w->ref.pos = addr;
	}
	return probe_error(w, w->calls, false);
}

#define PROBE(level)                                                                                               \
	static int probe##level(uint64_t *p, uint64_t addr, uint64_t next, struct pt_walk *walk)                   \
	{                                                                                                          \
		return probe_entry(level, p, addr, next, walk);                                                    \
	}
PROBE(0)
PROBE(1)
PROBE(2)
PROBE(3)

static int probe_hole(uint64_t addr, uint64_t next, int depth, struct pt_walk *walk)
{
	struct walk_probe *w = walk->priv;
	const char *bad = ref_ks_walk_hole(&w->ref, (unsigned)depth, addr, next);

	if (bad) {
		ex_about(addr);
		ex_finding("value", op_descs[OP_walk].name, bad, "hole of level %d at %#llx", depth,
			   (unsigned long long)addr);
	}
	return probe_error(w, ++w->afters, true);
}

static int probe_post(unsigned level, uint64_t addr, uint64_t next, struct pt_walk *walk)
{
	struct walk_probe *w = walk->priv;
	const char *bad = ref_ks_walk_post(&w->ref, level, addr, next);

	if (bad) {
		ex_about(addr);
		ex_finding("value", op_descs[OP_walk].name, bad, "after what is below the level %u entry of %#llx",
			   level, (unsigned long long)addr);
	}
	return probe_error(w, ++w->afters, true);
}

#define PROBE_POST(level)                                                                                          \
	static int post##level(uint64_t *p, uint64_t addr, uint64_t next, struct pt_walk *walk)                    \
	{                                                                                                          \
		(void)p;                                                                                           \
		return probe_post(level, addr, next, walk);                                                        \
	}
PROBE_POST(0)
PROBE_POST(1)
PROBE_POST(2)

static const struct pt_walk_ops probe_ops = {
	.entry = {probe0, probe1, probe2, probe3}, .hole = probe_hole, .post = {post0, post1, post2}};

/*
 * Who walks without a lock vouches that nothing changes under the walk [walk_kernel_page_table_range_lockless()]: not only its
 * own pages are kept from splits, but all of the leaves and runs that they lie in.
 */
static struct split_range whole_leaves(const struct split_range *a)
{
	const uint64_t last = lin_va(a->hi - 1);

	return (struct split_range){lin_page(lin_leaf_start(lin_va(a->lo))), lin_page(lin_leaf_end(last))};
}

int run_walk(const struct rec *r, struct rec *eff)
{
	struct split_range a = range_of(r), kept;
	const bool locked = spot_of(r) == SPOT_WALK;
	struct walk_probe w = {
		.again = r->b >> 1 & 7, .skip = r->b >> 4 & 3, .end = r->b >> 6 & 3, .late = r->b & 1};
	struct pt_walk walk = {.ops = &probe_ops, .priv = &w, .ptl = locked ? &lin.ptl : NULL};
	int ret;

	if (needs(lin.on ? (const void *)(uintptr_t)lin.impl->walk_page_range : NULL))
		return ex.impl->split ? 0 : -1;
	if (lin.repainting || lin.exclusive)
		return 0;
	if (a.hi - a.lo > 4ull * ex.cont && !locked)
		a.hi = a.lo + 4ull * ex.cont;
	if (a.hi > lin_page(lin.spot[spot_of(r)].va) + lin.spot[spot_of(r)].n)
		a.hi = lin_page(lin.spot[spot_of(r)].va) + lin.spot[spot_of(r)].n;
	if (locked && a.hi - a.lo > 1ull << (ex.geo->table_bits > 9 ? 9 : ex.geo->table_bits))
		a.lo = a.hi - (1ull << (ex.geo->table_bits > 9 ? 9 : ex.geo->table_bits));
	kept = locked ? (struct split_range){0, 0} : whole_leaves(&a);
	if (is_busy(&kept))
		return 0;
	*eff = *r;
	op_begin(&a);
	lin.busy[me()][0] = kept;
	ref_ks_walk_begin(&w.ref, lin_va(a.lo), lin_va(a.hi), locked);
	w.ref.no_post = lin.impl->walk_no_post;
	ret = lin.impl->walk_page_range(&walk, lin_va(a.lo), lin_va(a.hi));
	if (!ex.stop) {
		const char *bad = ref_ks_walk_end(&w.ref, w.ref.over ? 77 : 0, ret);

		if (bad)
			bad_value(bad, ret);
	}
	op_end();
	return 1;
}

/* The pages below one entry of SPOT_WALK. */
static struct split_range walk_pages(unsigned t)
{
	const uint64_t n = 1ull << ex.geo->table_bits, lo = lin_page(lin.spot[SPOT_WALK].va) + t * n;

	return (struct split_range){lo, lo + ex.cont};
}

static void walk_lock(void)
{
	while (hw_cmpxchg(&lin.ptl, 0, 1, HW_ACQUIRE, "pmd_lock", __LINE__))
		hw_cpu_relax("pmd_lock", __LINE__);
}

static void flush_all(void)
{
	hw_barrier(HW_DSB, HW_ISH, HW_BAR_ST, "flush_tlb_all", __LINE__);
	hw_tlbi(HW_TLBI_VMALLE1 | HW_TLBI_IS, 0, "flush_tlb_all", __LINE__);
	hw_barrier(HW_DSB, HW_ISH, HW_BAR_FULL, "flush_tlb_all", __LINE__);
	hw_barrier(HW_ISB, HW_SY, HW_BAR_FULL, "flush_tlb_all", __LINE__);
}

/* The table goes, and its memory when nobody can read it any more [retract_page_tables(), pte_free_defer()]. */
static void walk_unlink(unsigned t)
{
	const struct split_range pages = walk_pages(t);
	void *table;

	walk_lock();
	ref_ks_vanish(&lin.ref, pages.lo, pages.hi);
	table = hw_table_va(hw_load(lin.walk_pmdp + t, HW_RELAXED, "pmd_clear", __LINE__) & HW_D_OA);
	hw_store(lin.walk_pmdp + t, 0, HW_RELAXED, "pmd_clear", __LINE__);
	flush_all();
	ref_km_drop(&lin.ref, pages.lo, pages.hi);
	lin.walk_changes++;
	hw_store(&lin.ptl, 0, HW_RELEASE, "pmd_unlock", __LINE__);
	if (!ex.stop)
		hw_table_free(table, "pte_free_defer", __LINE__);
}

/* An empty table comes. */
static void walk_link(unsigned t)
{
	void *table = hw_table_alloc(3, "pte_alloc_one", __LINE__);

	if (!table)
		return;
	hw_clear_page(table, "pte_alloc_one", __LINE__);
	hw_barrier(HW_DSB, HW_ISH, HW_BAR_ST, "pte_alloc_one", __LINE__);
	walk_lock();
	if (hw_load(lin.walk_pmdp + t, HW_RELAXED, "pmd_populate", __LINE__)) {
		hw_store(&lin.ptl, 0, HW_RELEASE, "pmd_unlock", __LINE__);
		hw_table_free(table, "pte_free", __LINE__);
		return;
	}
	hw_store(lin.walk_pmdp + t, hw_table_pa(table) | HW_D_TABLE | HW_D_VALID, HW_RELAXED, "pmd_populate",
		 __LINE__);
	lin.walk_changes++;
	hw_store(&lin.ptl, 0, HW_RELEASE, "pmd_unlock", __LINE__);
}

int run_walk_free(const struct rec *r, struct rec *eff)
{
	const unsigned t = r->a & 1;
	const struct split_range pages = walk_pages(t), table = {pages.lo, pages.lo + (1ull << ex.geo->table_bits)};

	if (needs(lin.on ? (const void *)(uintptr_t)lin.impl->walk_page_range : NULL))
		return ex.impl->split ? 0 : -1;
	if (lin.repainting || lin.exclusive || is_busy(&table) || (lin.lacks && !lin.repainted))
		return 0;
	*eff = *r;
	op_begin(&table);
	lin.at = pages;
	if (hw_peek(lin.walk_pmdp + t))
		walk_unlink(t);
	else
		walk_link(t);
	op_end();
	return 1;
}
