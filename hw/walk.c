/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walker, accesses, and the AF/dirty updater.
 *
 * Property: an access is served by one value that its agent may use now (a stale value, a neighbour of the
 * contiguous block, or a walk), and changes memory only by an atomic compare-and-update of a current
 * descriptor: AF on a first access, dirty only for a store that executes, neither ever on an invalid one
 * (DDI 0487 D8.5).
 */
#include "internal.h"

#define CAND_MAX 40
#define TRIES	 4

enum { PICK_XLATE = 1, PICK_BLOCK, PICK_ALLOC };

enum cand_kind {
	CAND_LEAF,    /* stale value of a leaf, or of an invalid entry seen by an early walk */
	CAND_TABLE,   /* stale table descriptor: the walk goes on in the table it points to */
	CAND_SIBLING, /* another current entry of the contiguous block */
	CAND_WALK,    /* a walk now */
};

struct cand {
	uint64_t val, tick;
	uint32_t loc;
	int8_t level;
	uint8_t kind, view;
	bool tlb;   /* stale: held by a TLB, not only by an early walk */
	uint16_t i; /* stale: place in the list */
};

struct cands {
	unsigned n;
	bool dep; /* the address came from a load: no walk began before it */
	struct cand c[CAND_MAX];
};

static uint32_t entry_loc(uint32_t frame, int level, uint64_t va)
{
	return frame << LOC_BITS | ((uint32_t)((va & VA_WIDE) >> level_shift(level)) & (hw_m.nentries - 1));
}

/*
 * What the walker of `cpu` reads. Its own pending stores may be visible to it or not, but (a named assumption,
 * no rule covers it) in the order that a DMB gave them: an older group is seen wherever a newer one is.
 */
static uint64_t walk_read(uint32_t loc, int level, int cpu, enum walk_view view, uint32_t *seen)
{
	struct hw_cpu *c;
	uint32_t group;
	uint64_t v;

	if (cpu < 0 || !hw_m.cpu[cpu].npend)
		return coh_read(loc);
	c = &hw_m.cpu[cpu];
	if (view == VIEW_MEM)
		return pend_forward(c, loc, &v, true, NULL) ? v : coh_read(loc);
	if (!pend_forward(c, loc, &v, false, &group))
		return coh_read(loc);
	if (view == VIEW_OWN || level < 3) {
		if (group > *seen)
			*seen = group;
		return v;
	}
	return pend_forward_older(c, loc, &v, *seen) ? v : coh_read(loc);
}

/* Blames who freed the table, or who linked one that was not cleared. */
static void walk_report(enum hw_finding find, const struct hw_frame *f, bool quiet)
{
	const bool freed = find == HW_F_FREED_WALK && f->state == FRAME_FREED;

	if (quiet)
		return;
	if (!freed && f->link_fn)
		hw_find(find, f->link_fn, f->link_line);
	else
		hw_find(find, f->fn ? f->fn : "walker", f->line);
}

struct hw_leaf walk_from(uint32_t frame, int level, uint64_t va, int cpu, enum walk_view view, bool quiet)
{
	struct hw_leaf l = {.level = (int8_t)level};
	uint32_t seen = 0;

	for (;; level++) {
		const struct hw_frame *f = &hw_m.frame[frame];
		uint64_t next;

		l.level = (int8_t)level;
		l.loc = entry_loc(frame, level, va);
		l.desc = walk_read(l.loc, level, cpu, view, &seen);
		if (f->state != FRAME_LIVE || desc_is_poison(l.desc)) {
			walk_report(f->state == FRAME_LIVE ? HW_F_POISON_WALK : HW_F_FREED_WALK, f, quiet);
			l.desc = 0;
			l.odd = true;
			return l;
		}
		if (!desc_is_table(l.desc, level))
			break;
		next = desc_oa(l.desc) >> HW_FRAME_SHIFT;
		if (!next || next >= HW_MAX_FRAMES) { /* not table memory at all */
			walk_report(HW_F_FREED_WALK, f, quiet);
			l.desc = 0;
			l.odd = true;
			return l;
		}
		l.misfit |= f->level == 3;
		frame = (uint32_t)next;
	}
	if (!desc_is_leaf(l.desc, level))
		l.desc = 0;
	return l;
}

/* Where that walk has gone. */
static void walk_note(struct hw_walked *w, uint32_t root, uint64_t va, const struct hw_leaf *l)
{
	uint32_t frame = root;

	*w = (struct hw_walked){.key = va >> level_shift(2),
				.root = root,
				.epoch = hw_m.epoch,
				.frame = (uint16_t)(l->loc >> LOC_BITS),
				.level = l->level};
	for (int level = hw_m.frame[root].level; level < l->level; level++) {
		w->up[w->nup] = entry_loc(frame, level, va);
		frame = (uint32_t)(desc_oa(coh_read(w->up[w->nup++])) >> HW_FRAME_SHIFT);
	}
}

/* The same in coherent memory, mostly by looking at the last entry alone. */
static struct hw_leaf walk_coherent(uint32_t root, uint64_t va, bool quiet)
{
	const uint64_t key = va >> level_shift(2);
	struct hw_walked *w = &hw_m.walked[key & (WALKED - 1)];
	struct hw_leaf l = {.loc = LOC_NONE};

	if (likely(w->key == key && w->root == root && w->epoch == hw_m.epoch)) {
		l.level = w->level;
		l.loc = entry_loc(w->frame, l.level, va);
		l.desc = coh_read(l.loc);
		if (likely(!desc_is_poison(l.desc) && !desc_is_table(l.desc, l.level))) {
			l.desc = desc_is_leaf(l.desc, l.level) ? l.desc : 0;
			return l;
		}
	}
	l = walk_from(root, hw_m.frame[root].level, va, -1, VIEW_MEM, quiet);
	if (!l.odd && !l.misfit)
		walk_note(w, root, va, &l);
	return l;
}

/* Bit 55 selects the table base register (DDI 0487 D8.2.2). The SMMU has the user's half alone. */
static inline uint32_t root_of(unsigned agent, uint64_t va)
{
	if (unlikely(va & VA_KERNEL))
		return agent < HW_MAX_CPU && !(hw_m.reserved >> agent & 1) ? hw_m.kernel_root : 0;
	return hw_m.ctx[agent].root;
}

static struct hw_leaf walk_agent(unsigned agent, uint64_t va, enum walk_view view, bool quiet)
{
	const uint32_t root = root_of(agent, va);
	const struct hw_leaf none = {.level = (int8_t)hw_m.root_level};

	if (!root)
		return none;
	if (agent >= HW_MAX_CPU || !hw_m.cpu[agent].npend)
		return walk_coherent(root, va, quiet);
	return walk_from(root, hw_m.frame[root].level, va, (int)agent, view, quiet);
}

/* Coherent memory alone, silently. */
static struct hw_leaf walk_now(unsigned agent, uint64_t va)
{
	const uint32_t root = root_of(agent, va);
	const struct hw_leaf none = {.level = (int8_t)hw_m.root_level};

	return root ? walk_coherent(root, va, true) : none;
}

uint64_t *hw_leaf_slot(void *root, uint64_t va)
{
	const uint32_t frame = (uint32_t)(((uint64_t *)root - hw_m.mem) >> LOC_BITS);
	uint32_t f = frame;

	va = va_canon(va);
	for (int level = hw_m.frame[frame].level; level < 3; level++) {
		const uint64_t v = hw_peek(loc_ptr(entry_loc(f, level, va)));
		const uint64_t next = desc_oa(v) >> HW_FRAME_SHIFT;

		if (!desc_is_table(v, level) || !next || next >= HW_MAX_FRAMES)
			return NULL;
		f = (uint32_t)next;
	}
	return hw_m.frame[f].state == FRAME_LIVE ? loc_ptr(entry_loc(f, 3, va)) : NULL;
}

/* Output address of the page of va. */
static uint64_t leaf_pa(const struct hw_leaf *l, uint64_t va, bool as_block)
{
	const uint64_t oa = desc_oa(l->desc), page = ~((1ull << hw_m.page_shift) - 1);
	uint64_t low = (1ull << level_shift(l->level)) - 1;

	if (as_block)
		low = (1ull << run_shift(l->level)) - 1;
	return ((oa & ~low) | (va & low)) & page;
}

static void cand_add(struct cands *s, const struct cand *c)
{
	unsigned i = s->n;

	if (s->n == CAND_MAX)
		return;
	/* Stale ones come first, the stalest at the front. */
	for (; i && c->kind <= CAND_TABLE && s->c[i - 1].tick > c->tick; i--)
		s->c[i] = s->c[i - 1];
	s->c[i] = *c;
	s->n++;
}

static unsigned entry_in_run(uint64_t va, int level)
{
	return (unsigned)(va >> level_shift(level)) & (run_entries(level) - 1);
}

/* May the agent translate va by it now? */
static inline bool may_use(const struct hw_stale *e, unsigned agent, uint64_t va, unsigned asid, bool dep)
{
	const int level = stale_level(e);

	if (!((e->tlb | (dep ? 0 : e->early)) >> agent & 1) ||
	    (va - e->va) >> (stale_cont(e) ? run_shift(level) : level_shift(level)))
		return false;
	if (stale_cont(e) &&
	    (entry_in_run(va, level) < run_lo(e, agent) || entry_in_run(va, level) >= run_hi(e, agent)))
		return false;
	return stale_asid(e) == asid || (desc_is_leaf(e->val, level) && !(e->val & HW_D_NG));
}

static unsigned asid_of(unsigned agent, uint64_t va)
{
	return va & VA_KERNEL ? ASID_KERNEL : hw_m.ctx[agent].asid;
}

static void collect_bucket(struct cands *s, unsigned bucket, unsigned agent, uint64_t va)
{
	const unsigned asid = asid_of(agent, va);

	for (uint16_t i = hw_m.head[bucket]; i != NIL; i = hw_m.stale[i].next) {
		const struct hw_stale *e = &hw_m.stale[i];
		const int level = stale_level(e);

		if (may_use(e, agent, va, asid, s->dep))
			cand_add(s, &(struct cand){.val = e->val,
						   .tick = e->tick,
						   .loc = e->loc,
						   .level = (int8_t)level,
						   .kind = desc_is_table(e->val, level) ? CAND_TABLE : CAND_LEAF,
						   .tlb = e->tlb >> agent & 1,
						   .i = i});
	}
}

static bool any_in_bucket(unsigned bucket, const struct hw_access *a, uint64_t va)
{
	const unsigned asid = asid_of(a->agent, va);

	for (uint16_t i = hw_m.head[bucket]; i != NIL; i = hw_m.stale[i].next)
		if (may_use(&hw_m.stale[i], a->agent, va, asid, a->dep))
			return true;
	return false;
}

/*
 * A TLB may have been filled from any current entry of a contiguous block (DDI 0487 D8.7.1), and translates
 * the whole block with it. Entries that would say the same are one candidate.
 */
static void collect_siblings(struct cands *s, const struct hw_leaf *own, uint64_t va)
{
	const bool whole = (own->desc & HW_D_CONT) && leaf_pa(own, va, false) == leaf_pa(own, va, true);
	const uint64_t mine = whole ? desc_block(own->desc) : 0; /* a misaligned entry has two meanings */
	const uint32_t first = loc_block(own->loc);
	const unsigned from = s->n;

	for (uint32_t l = first; l < first + hw_m.ncont && s->n < from + 6; l++) {
		const uint64_t v = coh_read(l);
		struct cand c = {.val = desc_block(v), .tick = ~0ull, .loc = l, .level = 3, .kind = CAND_SIBLING};
		bool seen = c.val == mine;

		if (!desc_is_leaf(v, 3) || !(v & HW_D_CONT) || !(v & HW_D_AF) || desc_is_poison(v))
			continue;
		for (unsigned i = from; i < s->n; i++)
			seen |= s->c[i].val == c.val;
		if (!seen)
			cand_add(s, &c);
	}
}

static void collect(struct cands *s, unsigned agent, uint64_t va)
{
	const uint64_t page = va >> hw_m.page_shift << hw_m.page_shift;
	struct cand c = {.kind = CAND_WALK, .tick = ~0ull, .view = VIEW_OWN};
	struct hw_leaf own;

	s->n = 0;
	if (hw_m.nstale && (root_of(agent, va) || va & VA_KERNEL)) { /* a TLB outlives its TTBR1 */
		collect_bucket(s, stale_bucket_page(page), agent, page);
		collect_bucket(s, stale_bucket_block(page), agent, page);
		collect_bucket(s, STALE_UP, agent, page);
	}
	if (agent != HW_SMMU) {
		own = walk_now(agent, va);
		if (own.level == 3 && own.loc != LOC_NONE && block_of(own.loc)->ncont)
			collect_siblings(s, &own, va);
	}
	if (agent < HW_MAX_CPU && hw_m.cpu[agent].npend) {
		c.view = VIEW_MEM;
		cand_add(s, &c);
		c.view = VIEW_UPPER;
		cand_add(s, &c);
		c.view = VIEW_OWN;
	}
	cand_add(s, &c);
}

static const struct cand *choose(const struct cands *s)
{
	switch (hw.cfg.xlate) {
	case HW_XLATE_STALE:
		return &s->c[0];
	case HW_XLATE_ALTERNATE:
		return &s->c[hw_m.alt++ % s->n];
	case HW_XLATE_HASHED:
		return &s->c[hw_pick(PICK_XLATE, s->n)];
	default:
		return &s->c[s->n - 1];
	}
}

/* One access while it is being evaluated. */
struct eval {
	struct hw_access *a;
	struct hw_leaf l;
	enum cand_kind kind;
	bool block;  /* translate as a contiguous block */
	bool own;    /* the walk saw own pending stores */
	bool plain;  /* the walk read coherent memory alone, so it is what walk_now() would find */
	uint32_t at; /* and ended here */
};

static void eval_walk(struct eval *e, enum walk_view view)
{
	e->l = e->a->fresh ? walk_now(e->a->agent, e->a->va) : walk_agent(e->a->agent, e->a->va, view, true);
	if (e->l.odd) /* once more, reporting what it meets */
		walk_agent(e->a->agent, e->a->va, e->a->fresh ? VIEW_MEM : view, false);
	e->kind = CAND_WALK;
	e->plain = e->a->fresh || e->a->agent >= HW_MAX_CPU || !hw_m.cpu[e->a->agent].npend;
	e->at = e->l.loc;
	e->own = view != VIEW_MEM && !e->a->fresh;
	e->block = false;
}

/*
 * An access that hits a cached leaf while another translation of the address, cached or present, contradicts it: it may
 * abort, and that is the finding. Blamed on who replaced the older of the two. What the access then does is what it may
 * do otherwise, use the one that was picked. The SMMU has rules of its own, which tolerate this.
 */
static void eval_conflict(const struct hw_access *a, const struct cands *s, const struct cand *c)
{
	const struct hw_stale *mine = &hw_m.stale[c->i], *old = NULL;
	struct hw_leaf now;

	for (const struct cand *o = s->c; !old && o < s->c + s->n; o++) {
		const struct hw_stale *other = &hw_m.stale[o->i];

		if (o == c || o->kind != CAND_LEAF || !o->tlb || !desc_is_leaf(o->val, o->level))
			continue;
		if (other->tick < mine->tick ? bbm_conflict(other, mine) : bbm_conflict(mine, other))
			old = other->tick < mine->tick ? other : mine;
	}
	if (!old) {
		now = walk_now(a->agent, a->va);
		if ((now.desc & HW_D_AF) && bbm_conflict_now(mine, a->va, now.desc, now.level))
			old = mine;
	}
	if (old)
		hw_find(HW_F_BBM_CONFLICT, hw_m.stale_by[old - hw_m.stale].fn,
			hw_m.stale_by[old - hw_m.stale].line);
}

static void eval_start(struct eval *e)
{
	const struct cand *c;
	struct cands s;

	if (e->a->fresh) {
		eval_walk(e, VIEW_MEM);
		return;
	}
	if (hw.cfg.xlate == HW_XLATE_FRESH) {
		eval_walk(e, VIEW_OWN);
		return;
	}
	s.dep = e->a->dep;
	collect(&s, e->a->agent, e->a->va);
	hw_m.ncand = s.n;
	c = choose(&s);
	if (c->kind == CAND_WALK) {
		eval_walk(e, c->view);
		return;
	}
	e->kind = c->kind;
	e->plain = e->own = false;
	if (c->kind == CAND_TABLE) {
		const uint32_t frame = (uint32_t)(desc_oa(c->val) >> HW_FRAME_SHIFT);

		e->l = walk_from(frame, c->level + 1, e->a->va, -1, VIEW_MEM, false);
		e->block = false;
		return;
	}
	e->l = (struct hw_leaf){.desc = c->val, .loc = c->loc, .level = c->level};
	e->block = c->level >= 2 && (c->val & HW_D_CONT) && (c->val & HW_D_AF);
	if (c->tlb && c->kind == CAND_LEAF && e->a->agent < HW_MAX_CPU && hw_bbml(e->a->agent) < 3 &&
	    desc_is_leaf(c->val, c->level))
		eval_conflict(e->a, &s, c);
}

/*
 * The entry of the contiguous block that hardware updates: any valid one that agrees with `like` (DDI 0487
 * D8.7.1). The SMMU, and a fair re-walk, look at the accessed one only.
 */
static uint32_t block_entry(const struct hw_access *a, uint32_t loc, uint64_t like, uint64_t need)
{
	const uint32_t first = loc_block(loc);
	bool mis;
	const uint64_t norm = bbm_norm(loc, like, &mis);
	uint32_t can[1 << 7], n = 0;

	if (!(like & HW_D_CONT) || hw.cfg.pick == HW_PICK_ACCESSED || a->fresh || a->agent == HW_SMMU || mis)
		return loc;
	for (uint32_t l = first; l < first + hw_m.ncont; l++) {
		const uint64_t v = coh_read(l);

		if (desc_is_leaf(v, 3) && (v & HW_D_CONT) && (v & need) == need && bbm_norm(l, v, &mis) == norm &&
		    !mis)
			can[n++] = l;
	}
	if (!n)
		return loc;
	if (hw.cfg.pick == HW_PICK_HASHED)
		return can[hw_pick(PICK_BLOCK, n)];
	return hw.cfg.pick == HW_PICK_FIRST ? can[0] : can[n - 1];
}

/* AF=0: false if the access must walk again or has faulted. */
static bool eval_af(struct eval *e)
{
	struct hw_access *a = e->a;
	uint32_t target;

	if (hw.cfg.update[a->agent] < HW_UPD_AF) {
		a->fault = HW_FAULT_AF;
		return false;
	}
	if (e->own && a->agent < HW_MAX_CPU)
		pend_drain_loc(a->agent, e->l.loc);
	if (coh_read(e->l.loc) != e->l.desc)
		return false; /* the compare of the update fails */
	target = e->l.level == 3 ? block_entry(a, e->l.loc, e->l.desc, 0) : e->l.loc;
	if (!(coh_read(target) & HW_D_AF)) {
		mem_update(target, coh_read(target) | HW_D_AF, a->agent);
		a->set_af = true;
	}
	if (target != e->l.loc)
		e->block = true;
	e->l.desc = coh_read(target);
	e->l.loc = target;
	return true;
}

/* A store through a clean DBM entry: false if the access must walk again or has faulted. */
static bool eval_dirty(struct eval *e)
{
	struct hw_access *a = e->a;
	const uint64_t pa = leaf_pa(&e->l, a->va, e->block);
	struct hw_leaf now;
	uint32_t target;
	uint64_t v;

	if (!(e->l.desc & HW_D_DBM) || hw.cfg.update[a->agent] < HW_UPD_AF_DIRTY) {
		a->fault = HW_FAULT_PERMISSION;
		return false;
	}
	if (e->own && a->agent < HW_MAX_CPU)
		pend_drain_loc(a->agent, e->l.loc);
	now = walk_now(a->agent, a->va);
	if (!now.desc && e->own && a->agent < HW_MAX_CPU) { /* the path to it is pending as well */
		pend_drain_all(a->agent);
		now = walk_now(a->agent, a->va);
	}
	if (!now.desc || leaf_pa(&now, a->va, false) != pa || !(now.desc & HW_D_DBM) ||
	    !(a->priv || (now.desc & HW_D_USER)))
		return false;
	target = now.level == 3 ? block_entry(a, now.loc, now.desc, HW_D_DBM) : now.loc;
	v = coh_read(target);
	if (v & HW_D_RDONLY) {
		a->set_af |= !(v & HW_D_AF);
		a->set_dirty = true;
		mem_update(target, (v & ~HW_D_RDONLY) | HW_D_AF, a->agent);
	}
	e->l.desc = coh_read(target);
	e->l.loc = target;
	return true;
}

/* The bit that forbids to execute what this access fetches (DDI 0487 D8.4.1). */
static uint64_t no_exec(const struct hw_access *a)
{
	return a->priv ? HW_D_PXN : HW_D_UXN;
}

/* False: walk again, unless there is a fault. */
static bool eval_once(struct eval *e)
{
	struct hw_access *a = e->a;

	a->fault = HW_OK;
	if (!e->l.desc) {
		a->fault = HW_FAULT_TRANSLATION;
		return false;
	}
	if (!(e->l.desc & HW_D_AF) && !eval_af(e))
		return false;
	if (!(e->l.desc & HW_D_USER) && !a->priv) { /* PAN is not modelled */
		a->fault = HW_FAULT_PERMISSION;
		return false;
	}
	if (a->fetch && (e->l.desc & no_exec(a))) {
		a->fault = HW_FAULT_PERMISSION;
		return false;
	}
	a->pa = leaf_pa(&e->l, a->va, e->block);
	if (a->write && (e->l.desc & HW_D_RDONLY) && !eval_dirty(e))
		return false;
	return true;
}

static void eval_run(struct eval *e)
{
	struct hw_access *a = e->a;
	const bool cpu = a->agent < HW_MAX_CPU;

	eval_start(e);
	for (int i = 0; i < TRIES; i++) {
		const bool done = eval_once(e);
		const bool refault = a->fault == HW_FAULT_TRANSLATION || a->fault == HW_FAULT_AF;

		/* FEAT_ETS2: such a fault is taken only on a walk after all earlier stores of this CPU. */
		if (refault && hw.cfg.ets2 && cpu && hw_m.cpu[a->agent].npend && !a->fresh &&
		    e->kind == CAND_WALK && i == 0) {
			eval_walk(e, VIEW_OWN);
			continue;
		}
		if (done || a->fault != HW_OK)
			return;
		eval_walk(e, e->own ? VIEW_OWN : VIEW_MEM);
	}
	a->fault = HW_FAULT_TRANSLATION; /* not reached: nothing changes memory between two tries */
}

/* What a current descriptor that translates the page says about this access. */
static void show_access(struct hw_access *a, uint64_t v)
{
	a->recorded |= (v & HW_D_AF) != 0;
	a->recorded_dirty |= a->write && !(v & HW_D_RDONLY);
}

/* Does memory show the access, in a descriptor that translates the page now? Is that translation another one? */
static void eval_record(const struct eval *e)
{
	struct hw_access *a = e->a;
	const struct hw_leaf again = {.desc = e->plain ? coh_read(e->at) : 0, .loc = e->at, .level = e->l.level};
	const struct hw_leaf now = e->plain ? again : walk_now(a->agent, a->va);
	const bool same = now.desc && leaf_pa(&now, a->va, false) == a->pa;
	uint32_t first;

	a->recorded |= a->set_af;
	a->recorded_dirty |= a->set_dirty;
	if (same)
		show_access(a, now.desc);
	a->stale |= !same;
	if (now.level != 3 || now.loc == LOC_NONE || !block_of(now.loc)->ncont)
		return;
	first = loc_block(now.loc);
	for (uint32_t l = first; l < first + hw_m.ncont && !(a->recorded && (a->recorded_dirty || !a->write));
	     l++) {
		const struct hw_leaf sib = {.desc = coh_read(l), .loc = l, .level = 3};

		if (desc_is_leaf(sib.desc, 3) && (sib.desc & HW_D_CONT) && !desc_is_poison(sib.desc) &&
		    leaf_pa(&sib, a->va, true) == a->pa)
			show_access(a, sib.desc);
	}
}

static void access_trace(const struct hw_access *a)
{
	const struct hw_trace t = {.kind = HW_T_ACCESS,
				   .cpu = a->agent,
				   .step = hw.step,
				   .p = a->slot,
				   .val = a->desc,
				   .ok = a->fault == HW_OK,
				   .access = a};

	hw.trace(&t);
}

/* Can something else than a walk serve the access? */
static bool any_stale(const struct hw_access *a)
{
	const uint64_t page = a->va >> hw_m.page_shift << hw_m.page_shift;

	return hw_m.nstale &&
	       (any_in_bucket(stale_bucket_page(page), a, page) ||
		any_in_bucket(stale_bucket_block(page), a, page) || any_in_bucket(STALE_UP, a, page));
}

/* Can one of the CPU's own pending stores be to what a walk has read? */
static bool own_on_path(struct hw_cpu *c, const struct hw_leaf *l, uint64_t va)
{
	const struct hw_walked *w = &hw_m.walked[va >> level_shift(2) & (WALKED - 1)];

	if (pend_maybe(c, l->loc))
		return true;
	for (unsigned i = 0; i < w->nup; i++)
		if (pend_maybe(c, w->up[i]))
			return true;
	return false;
}

/* One candidate, or a walk with and without own stores that it does not meet: it counts as a choice. */
static void choose_walk(bool pending)
{
	hw_m.ncand = pending ? 3 : 1;
	if (hw.cfg.xlate == HW_XLATE_ALTERNATE)
		hw_m.alt++;
	else if (hw.cfg.xlate == HW_XLATE_HASHED)
		hw_pick(PICK_XLATE, 1);
}

static uint32_t stale_gens(uint64_t page)
{
	return hw_m.stale_gen[stale_bucket_page(page)] + hw_m.stale_gen[stale_bucket_block(page)] +
	       hw_m.stale_gen[STALE_UP];
}

/* The leaf needs no update and permits the access. */
static inline bool suffices(const struct hw_access *a, uint64_t desc)
{
	const uint64_t need = HW_D_AF | (a->priv ? 0 : HW_D_USER);
	const uint64_t must = need | (a->write ? HW_D_RDONLY : 0) | (a->fetch ? no_exec(a) : 0);

	return (desc & must) == need;
}

static inline bool picks(const struct hw_access *a)
{
	return !a->fresh && hw.cfg.xlate != HW_XLATE_FRESH;
}

/* Does the access see what is pending on its CPU? */
static inline bool sees_pending(const struct hw_access *a)
{
	return !a->fresh && a->agent < HW_MAX_CPU && hw_m.cpu[a->agent].npend;
}

static inline void access_done(struct hw_access *a, const struct hw_served *s)
{
	const bool pending = sees_pending(a);

	if (picks(a))
		choose_walk(pending);
	a->fault = HW_OK;
	a->stale = a->set_af = a->set_dirty = false;
	a->recorded = true;
	a->recorded_dirty = a->write;
	a->level = s->level;
	a->desc = s->desc;
	a->slot = loc_ptr(s->loc);
	a->pa = s->pa;
	if (pending && a->write)
		pend_drain_older(a->agent);
}

/* As the last access of this page by this agent. */
static bool access_again(struct hw_access *a, const struct hw_served *s)
{
	if (s->page != a->va >> hw_m.page_shift || s->epoch != hw_m.epoch || s->agent != a->agent ||
	    coh_read(s->loc) != s->desc || !suffices(a, s->desc))
		return false;
	if (sees_pending(a) &&
	    (hw_m.cpu[a->agent].pending_up != s->upper || pend_maybe(&hw_m.cpu[a->agent], s->loc)))
		return false;
	if (picks(a) && (!s->alone || s->stale != stale_gens(s->page << hw_m.page_shift) ||
			 (s->level == 3 && block_of(s->loc)->ncont)))
		return false;
	access_done(a, s);
	return true;
}

/*
 * Most accesses: only a walk of memory can serve them, and its leaf needs no update and permits them. False: nothing has
 * happened yet. What this does is what the evaluation above comes to.
 */
static bool access_plain(struct hw_access *a)
{
	struct hw_served *s = &hw_m.served[((a->va >> hw_m.page_shift) + 5 * a->agent) & (SERVED - 1)];
	const uint32_t root = root_of(a->agent, a->va);
	struct hw_leaf l;

	if (unlikely(hw.trace != NULL) || !root)
		return false;
	if (access_again(a, s))
		return true;
	l = walk_coherent(root, a->va, true);
	if (l.odd || l.misfit || !suffices(a, l.desc) ||
	    (sees_pending(a) && own_on_path(&hw_m.cpu[a->agent], &l, a->va)))
		return false;
	if (picks(a) && ((a->agent != HW_SMMU && l.level == 3 && block_of(l.loc)->ncont) || any_stale(a)))
		return false;
	*s = (struct hw_served){.page = a->va >> hw_m.page_shift,
				.desc = l.desc,
				.pa = leaf_pa(&l, a->va, false),
				.epoch = hw_m.epoch,
				.loc = l.loc,
				.stale = stale_gens(a->va),
				.agent = a->agent,
				.level = l.level,
				.upper = a->agent < HW_MAX_CPU ? hw_m.cpu[a->agent].pending_up : 0,
				.seen = !a->fresh,
				.alone = picks(a) && !a->dep};
	access_done(a, s);
	return true;
}

void hw_do_access(struct hw_access *a)
{
	struct eval e = {.a = a};

	a->va = va_canon(a->va);
	if (likely(access_plain(a)))
		return;
	a->fault = HW_OK;
	a->stale = a->set_af = a->set_dirty = a->recorded = a->recorded_dirty = false;
	a->pa = 0;
	eval_run(&e);
	a->level = e.l.level;
	a->desc = e.l.desc;
	a->slot = e.l.loc == LOC_NONE ? NULL : loc_ptr(e.l.loc);
	a->stale |= e.kind == CAND_LEAF || e.kind == CAND_TABLE;
	if (a->fault == HW_OK)
		eval_record(&e);
	else
		a->pa = 0;
	/* The data is visible at once, so whatever a DMB orders before this store is too. */
	if (a->fault == HW_OK && a->write && !a->fresh && a->agent < HW_MAX_CPU && hw_m.cpu[a->agent].npend)
		pend_drain_older(a->agent);
	if (hw.trace)
		access_trace(a);
}

/* DDI 0487 D8.5.3: hardware may set AF speculatively in any valid descriptor, never in an invalid one. */
bool hw_do_spurious_af(unsigned agent, uint64_t va)
{
	const struct hw_leaf l = walk_now(agent, va_canon(va));

	if (hw.cfg.update[agent] < HW_UPD_AF || !l.desc || (l.desc & HW_D_AF) || late_pending(l.loc))
		return false;
	mem_update_now(l.loc, l.desc | HW_D_AF, agent);
	if (hw.trace) {
		const struct hw_trace t = {.kind = HW_T_SPURIOUS_AF,
					   .cpu = (uint8_t)agent,
					   .step = hw.step,
					   .ok = true,
					   .p = loc_ptr(l.loc),
					   .old = l.desc,
					   .val = l.desc | HW_D_AF};

		hw.trace(&t);
	}
	return true;
}
