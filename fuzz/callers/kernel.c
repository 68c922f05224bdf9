/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Callers of kernel mappings: mm/vmalloc.c, set_memory_*(), and interrupts that map what they need.
 *
 * Property: each caller owns the pages it works on, leaves every lazy section that it has entered, also on errors,
 * uses nothing of a section before it has left it, and flushes before an address is used again.
 */
#include "kernel.h"

#include "callers.h"

#define K (&ex.kernel.ref)

static unsigned in_field(const struct rec *r)
{
	return r->a >> 4 & 3;
}

static uint64_t entry(unsigned region, unsigned page, bool ro, bool exec)
{
	uint64_t flags = PT_PRESENT | PT_KERNEL | PT_YOUNG | PT_DIRTY;

	flags |= ro ? 0 : PT_WRITE;
	flags |= exec ? PT_EXEC : 0;
	return PT_MAKE(KERNEL_PFN + region * REF_MAX_PAGES + page, flags);
}

static uint64_t entry_of(const struct rec *r, unsigned page)
{
	return entry(r->a & 3, page, r->b & 4, r->b & 2);
}

/* May [op->page, nr) be set now, exactly there? Flushes first what somebody removed and did not. */
static bool make_settable(struct ref_k_op *op)
{
	const struct ref_k_op ask = *op;

	for (unsigned try = 0; try < 3 && !ex.stop; try++) {
		enum ref_k_clip fit;

		*op = kseam_op(ask.id, ask.page, ask.nr);
		fit = ask.run ? ref_k_clip_set_run(K, op) : ref_k_clip_set(K, op);
		if (fit == REF_K_REFUSED || op->page != ask.page)
			return false;
		if (fit == REF_K_FITS)
			return true;
		kseam_flush(op->page, op->nr, 0);
	}
	return false;
}

/* An op in interrupt context, or with bottom halves off, uses what it has mapped there and then. */
static void use_in_context(const struct rec *r, unsigned page)
{
	const struct ref_k_version *v = ref_k_now(K, page);

	if (in_field(r) != IN_TASK && !ex.stop && ref_k_present(v) &&
	    ref_k_may_access(K, ex.cur->cpu, kseam_op(0, page, 1).task, page))
		kseam_access(page, v->val.write, false, false);
}

/* --- vmap */

/* Entries of one table: a page a call at first, as vmap_pages_pte_range() does, then batches; runs where they fit.
 * Returns where it stopped: before a page that is mapped already (-EBUSY). */
static unsigned map_entries(const struct rec *r, unsigned page, unsigned end)
{
	unsigned done = 0;

	while (page < end && !ex.stop) {
		const bool run =
			r->b & 1 && ex.impl->set_huge_pte_at && !(page & (ex.cont - 1)) && end - page >= ex.cont;
		struct ref_k_op op = {.page = page, .nr = run ? ex.cont : 1, .run = run};

		if (!run && done >= 8)
			op.nr = end - page < ex.cont ? end - page : ex.cont;
		if (!make_settable(&op)) {
			op = (struct ref_k_op){.page = page, .nr = 1};
			if (!run || !make_settable(&op))
				break;
		}
		kseam_set(&op, entry_of(r, page));
		page += op.nr;
		done++;
	}
	return page;
}

static void map_tables(const struct rec *r, unsigned page, unsigned end)
{
	while (page < end && !ex.stop) {
		unsigned stop = (page | (2 * ex.cont - 1)) + 1;

		stop = stop < end ? stop : end;
		if (!kseam_table(page))
			return;
		kseam_lazy(REF_K_ENTER);
		page = map_entries(r, page, stop);
		if (page < stop && BUG(kmap_error_leaves_lazy))
			return;
		kseam_lazy(REF_K_LEAVE);
		if (page < stop)
			return;
	}
}

/* The first page that it could map at all; it may meet one that is mapped on its way. */
static bool clip_map(const struct rec *r, unsigned *page, unsigned *end)
{
	struct ref_k_op op = kseam_op(OP_kmap, page_of_rec(r), r->nr);
	unsigned nr = r->nr;

	if (r->b & 1 && ref_k_clip_set_run(K, &op) != REF_K_REFUSED) {
		nr = nr < ex.cont ? ex.cont : nr;
	} else {
		op = kseam_op(OP_kmap, page_of_rec(r), r->nr);
		if (ref_k_clip_set(K, &op) == REF_K_REFUSED)
			return false;
	}
	*page = op.page;
	*end = nr < K->npages - op.page ? op.page + nr : K->npages;
	return true;
}

/* vmap_range(). Error: a prefix stays mapped, and published. */
int run_kmap(const struct rec *r, struct rec *eff)
{
	const struct ref_k_task *t = &K->task[ex.cur - ex.task];
	unsigned page, end, depth;

	if (!kernel_offered())
		return -1;
	kernel_enter_context(in_field(r));
	if (!clip_map(r, &page, &end)) {
		kernel_leave_context(in_field(r));
		return 0;
	}
	write_back(eff, r, page, end - page);
	depth = t->depth;
	map_tables(r, page, end);
	if (t->depth != depth)
		ex_finding("context", op_descs[OP_kmap].name, "unbalanced-lazy",
			   "it returns with %u lazy sections open, and was called with %u", t->depth, depth);
	use_in_context(r, page);
	kernel_leave_context(in_field(r));
	return 1;
}

/* vunmap_range(); noflush: vfree(), whose purge comes when the address is wanted again. */
int run_kunmap(const struct rec *r, struct rec *eff)
{
	struct ref_k_op op;
	unsigned p;

	if (!kernel_offered())
		return -1;
	kernel_enter_context(in_field(r));
	op = kseam_op(OP_kunmap, page_of_rec(r), r->nr);
	if (!ref_k_clip_clear(K, &op)) {
		kernel_leave_context(in_field(r));
		return 0;
	}
	write_back(eff, r, op.page, op.nr);
	kseam_lazy(REF_K_ENTER);
	for (p = op.page; p < op.page + op.nr && !ex.stop;)
		p += kseam_clear(p);
	kseam_lazy(REF_K_LEAVE);
	if (BUG(kunmap_no_flush) && !(r->b & 1))
		kseam_promise_only(op.page, op.nr, OP_kunmap);
	else if (!(r->b & 1))
		kseam_flush(op.page, op.nr, OP_kunmap);
	kernel_leave_context(in_field(r));
	return 1;
}

/* --- set_memory_*() */

static const struct {
	uint8_t grant, revoke;
	uint64_t set, clear;
} perms[] = {
	{0, REF_K_W, 0, PT_WRITE}, /* ro */
	{REF_K_W, 0, PT_WRITE, 0}, /* rw */
	{REF_K_X, 0, PT_EXEC, 0},  /* x */
	{0, REF_K_X, 0, PT_EXEC},  /* nx */
};

static void change_entries(unsigned page, unsigned nr, unsigned perm)
{
	kseam_lazy(REF_K_ENTER);
	for (unsigned p = page; p < page + nr; p++) {
		struct kcall c = {.op = kseam_op(OP_set_ptes, p, 1)};
		uint64_t v;

		SEAM_AT();
		v = ex.impl->ptep_get(kernel_addr(p), kernel_ptep(p));
		v = (v & ~perms[perm].clear) | perms[perm].set;
		cost_begin(&c.cost);
		ex.impl->set_ptes(&ex.kernel.pt, kernel_addr(p), kernel_ptep(p), v, 1);
		c.op.val.kind = REF_PRESENT;
		cost_kernel_end(&c.cost, &c.op, ref_k_is_lazy(K, c.op.task, c.op.in_interrupt));
	}
	kseam_lazy(REF_K_LEAVE);
}

/* change_memory_common(). What this task's own section has set is flushed first: entries are read. */
int run_kprotect(const struct rec *r, struct rec *eff)
{
	struct kcall c;

	if (!kernel_offered())
		return -1;
	c.op = kseam_op(OP_kprotect, 0, 0);
	if (ref_k_is_lazy(K, c.op.task, false))
		kseam_lazy(REF_K_LAZY_FLUSH);
	c.op = kseam_op(OP_kprotect, page_of_rec(r), r->nr);
	if (!ref_k_clip_protect(K, &c.op))
		return 0;
	write_back(eff, r, c.op.page, c.op.nr);
	c.op.flush = true;
	c.op.grant = perms[r->a & 3].grant;
	c.op.revoke = perms[r->a & 3].revoke;
	kseam_begin(&c, REF_K_PROTECT);
	change_entries(c.op.page, c.op.nr, r->a & 3);
	if (!BUG(kprotect_no_flush))
		ex.impl->flush_tlb_kernel_range(kernel_addr(c.op.page), kernel_addr(c.op.page + c.op.nr));
	kseam_end(&c, NULL);
	return 1;
}

/* --- single entries */

int run_kset(const struct rec *r, struct rec *eff)
{
	struct ref_k_op op;
	int done = 0;

	if (!kernel_offered())
		return -1;
	kernel_enter_context(in_field(r));
	op = kseam_op(OP_kset, page_of_rec(r), 1);
	if (ref_k_clip_set(K, &op) != REF_K_REFUSED && kseam_table(op.page) && make_settable(&op)) {
		write_back(eff, r, op.page, 1);
		kseam_set(&op, entry_of(r, op.page));
		use_in_context(r, op.page);
		done = 1;
	}
	kernel_leave_context(in_field(r));
	return done;
}

int run_kclear(const struct rec *r, struct rec *eff)
{
	struct ref_k_op op;
	int done = 0;

	if (!kernel_offered())
		return -1;
	kernel_enter_context(in_field(r));
	op = kseam_op(OP_kclear, page_of_rec(r), 1);
	if (ref_k_clip_clear(K, &op)) {
		write_back(eff, r, op.page, 1);
		kseam_clear(op.page);
		done = 1;
	}
	kernel_leave_context(in_field(r));
	return done;
}

/* --- lazy mode, switches, accesses */

/* What sections do not allow now becomes what they do: leave or resume with nothing to leave enters. */
int run_lazy(const struct rec *r, struct rec *eff)
{
	const bool pause = ex.impl->lazy_mmu_mode_pause;
	unsigned verb = r->a & 7;
	struct ref_k_op op;

	if (!kernel_offered() || !ex.impl->arch_enter_lazy_mmu_mode || (verb >= REF_K_PAUSE && !pause))
		return -1;
	kernel_enter_context(in_field(r));
	op = kseam_op(OP_lazy, 0, 0);
	if (!ref_k_clip_lazy(K, &op, verb))
		verb = verb == REF_K_RESUME ? REF_K_PAUSE : REF_K_ENTER;
	*eff = *r;
	eff->a = (uint8_t)((r->a & ~7u) | verb);
	kseam_lazy(verb);
	kernel_leave_context(in_field(r));
	return 1;
}

int run_kswitch(const struct rec *r, struct rec *eff)
{
	if (!kernel_offered())
		return -1;
	*eff = *r;
	eff->a = (uint8_t)((r->a & 3) % ex.p->h.ncpu);
	kernel_switch(eff->a);
	return 1;
}

enum { HAND_PLAIN, HAND_SAME, HAND_RELEASE, HAND_DEP };

/* The nearest page that this task itself has mapped, or the one asked for. */
static unsigned own_page(unsigned page)
{
	const unsigned me = (unsigned)(ex.cur - ex.task);

	for (unsigned i = 0; i < K->npages; i++) {
		const unsigned p = (page + i) & (K->npages - 1);
		const struct ref_k_version *v = ref_k_now(K, p);

		if (ref_k_present(v) && v->task == me && ref_k_may_access(K, ex.cur->cpu, me, p))
			return p;
	}
	return page;
}

/* A page that was removed is worth an access too. */
static bool was_mapped(const struct ref_k_op *op)
{
	return ref_k_nversions(K, op->page) > 1 && ref_k_may_access(K, op->cpu, op->task, op->page);
}

/* Who mapped the page releases a lock, and this task acquires it: its stores are there. Not in the middle of an op. */
static void take_over(unsigned page)
{
	const unsigned by = ref_k_now(K, page)->task;

	if (&ex.task[by] == ex.cur || ex.task[by].state != TASK_IDLE)
		return;
	hw_do_drain(ex.task[by].cpu, -1);
	ref_k_handover(K, by);
}

int run_kaccess(const struct rec *r, struct rec *eff)
{
	struct ref_k_op op;
	const unsigned hand = r->a & 3, page = page_of_rec(r);

	if (!kernel_offered())
		return -1;
	op = kseam_op(OP_kaccess, hand == HAND_SAME ? own_page(page) : page, 1);
	if (!was_mapped(&op) && !ref_k_clip_access(K, &op))
		return 0;
	write_back(eff, r, op.page, 1);
	if (hand == HAND_RELEASE)
		take_over(op.page);
	kseam_access(op.page, r->b & 1, r->b & 2, hand == HAND_DEP);
	return 1;
}

/* --- interrupts */

/* A handler maps a free page, uses it at once, unmaps it and flushes. */
static void irq_handler(unsigned page, bool bare)
{
	struct ref_k_op op = kseam_op(OP_set_ptes, page, 1);

	if (ref_k_clip_set(K, &op) == REF_K_REFUSED || !kseam_table(op.page) || !make_settable(&op))
		return;
	if (!bare)
		kseam_lazy(REF_K_ENTER);
	kseam_set(&op, entry(KERNEL_REGION_IRQ, op.page, false, false));
	if (!bare)
		kseam_lazy(REF_K_LEAVE);
	if (!ex.stop)
		kseam_access(op.page, true, false, false);
	if (ex.stop)
		return;
	kseam_clear(op.page);
	kseam_flush(op.page, 1, 0);
}

/* Readers without the lock run with interrupts off, and so do handlers; bottom halves hold off soft ones. */
static bool irq_allowed(bool soft)
{
	const uint32_t busy = ex.cur->pt.preempt_count;

	return ex.kernel.on && !ex.cur->op.lockless && !(busy & PT_HARDIRQ_OFFSET) && !(soft && busy);
}

void kernel_irq(const struct rec *r, struct rec *eff)
{
	const enum kernel_context in = r->a & 1 ? IN_SOFTIRQ : IN_HARDIRQ;
	struct opctx *c = &ex.cur->op;
	const struct code_place at = c->at;

	if (!irq_allowed(r->a & 1))
		return;
	eff->cpu = ex.cur->cpu;
	if (ex.log)
		fprintf(ex.log, "    -- %s interrupt on cpu%u\n", r->a & 1 ? "soft" : "hard", ex.cur->cpu);
	cost_disturbed();
	c->nested = true;
	kernel_enter_context(in);
	irq_handler(page_of_rec(r), r->a & 2);
	kernel_leave_context(in);
	c->nested = false;
	c->at = at;
	cost_disturbed();
	if (ex.log)
		fprintf(ex.log, "    -- interrupt over\n");
}
