/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The checked seam of kernel mappings, and the CPUs that kernel code runs on.
 *
 * Property: see callers/kernel.h. Every call into an implementation is an operation of ref/kernel.h; the entries it
 * touched are audited when it ends, those that lazy mode holds back when they must be there.
 */
#include "callers/kernel.h"

#include <string.h>

#define K (&ex.kernel.ref)

static const uint8_t sorts[API_END] = {
#define X(name) [OP_##name] = FK_##name,
	FEATURE_KERNEL(X)
#undef X
};

static unsigned task_id(const struct task *t)
{
	return (unsigned)(t - ex.task);
}

static struct ref_val value(uint64_t val)
{
	return seam_obs(val).val;
}

bool kernel_offered(void)
{
	const struct pt_impl *i = ex.impl;

	return i->set_ptes && i->ptep_get && i->ptep_get_and_clear && i->flush_tlb_kernel_range;
}

/* --- verdicts and audits */

static void kernel_verdict(const struct ref_verdict *v)
{
	const unsigned page = (unsigned)v->page;
	const struct ref_val *now;

	if (!v->cls || ex.stop)
		return;
	now = &ref_k_now(K, page)->val;
	ex_about(kernel_addr(page));
	ex_finding(v->cls, seam_name(v->debtor), v->what,
		   "kernel page %u.%u on cpu%u: the specification has %s%#llx%s%s", page / ex.cont, page % ex.cont,
		   hw.cpu, now->kind == REF_PRESENT ? "pfn " : "none ", (unsigned long long)now->pfn,
		   now->write ? " rw" : "", now->exec ? " x" : "");
}

/* `raw`: what its entry is. One that is as it was, and was as specified, still is until an operation begins there. */
static inline void audit_entry(unsigned page, uint64_t raw, unsigned id)
{
	struct ref_val obs = {.kind = REF_NONE};
	struct ref_verdict v;

	ex_observe(raw);
	if (ref_in_set(ex.kernel.known, page) && raw == ex.kernel.seen[page])
		return;
	if (raw)
		obs = value(ex.impl->entry_read(raw));
	if (ref_k_same(&ref_k_now(K, page)->val, &obs)) {
		ex.kernel.seen[page] = raw;
		ex.kernel.known[page / 64] |= 1ull << (page % 64);
		return;
	}
	if (ref_k_entry_explained(K, page, &obs))
		return;
	v = ref_k_check_entry(K, page, &obs, (uint8_t)id);
	kernel_verdict(&v);
}

static void audit_page(unsigned page, unsigned id)
{
	const uint64_t *p = kernel_ptep(page);

	audit_entry(page, p ? hw_peek(p) : 0, id);
}

/* The entries of a block, until the next step or event. */
static const uint64_t *view_block(unsigned page, uint64_t *buf)
{
	const uint64_t *p = kernel_ptep(page);

	return p ? hw_view_run(p, ex.cont, buf) : memset(buf, 0, ex.cont * sizeof(buf[0]));
}

/* Its own pages and the rest of their blocks: nothing else changed there. */
static void audit(const struct ref_k_op *op)
{
	const unsigned end = (op->page + op->nr - 1) | (ex.cont - 1);
	uint64_t buf[EX_MAX_CONT];

	for (unsigned b = op->page & ~(ex.cont - 1); b <= end; b += ex.cont) {
		const uint64_t *raw = view_block(b, buf);

		for (unsigned i = 0; i < ex.cont && !ex.stop; i++)
			audit_entry(b + i, raw[i], op->id);
	}
}

/* --- operations */

struct ref_k_op kseam_op(unsigned id, unsigned page, unsigned nr)
{
	return (struct ref_k_op){.id = (uint8_t)id,
				 .task = (uint8_t)task_id(ex.cur),
				 .cpu = ex.cur->cpu,
				 .in_interrupt = PT_IN_INTERRUPT(&ex.cur->pt),
				 .page = page,
				 .nr = nr};
}

/* The task may be elsewhere when the call returns. */
static void call_starts(struct kcall *c)
{
	struct opctx *o = &ex.cur->op;

	c->outer = o->ran;
	o->ran = (uint8_t)(1u << ex.cur->cpu);
}

static void call_ends(struct kcall *c)
{
	struct opctx *o = &ex.cur->op;

	c->op.ran = o->ran;
	c->op.cpu = ex.cur->cpu;
	o->ran |= c->outer;
}

/* The specification of these pages may change. */
static void note_begin(unsigned page, unsigned end)
{
	for (; page < end; page++) {
		ex.kernel.known[page / 64] &= ~(1ull << (page % 64));
		ex.kernel.used |= (uint8_t)(1u << (page >> ex.cont_bits));
	}
}

void kseam_begin(struct kcall *c, enum ref_k_kind kind)
{
	const struct ref_k_op *op = &c->op;
	const bool lazy = ref_k_is_lazy(K, op->task, op->in_interrupt);

	feature_kseam(sorts[op->id], lazy * 4u + op->in_interrupt * 2u + op->run, op->nr > 1);
	call_starts(c);
	ref_k_begin(K, &c->op, kind);
	note_begin(op->page, op->page + op->nr);
	cost_begin(&c->cost);
}

void kseam_end(struct kcall *c, const struct ref_val *ret)
{
	struct ref_verdict v;

	cost_kernel_end(&c->cost, &c->op, ref_k_is_lazy(K, c->op.task, c->op.in_interrupt));
	call_ends(c);
	v = ref_k_end(K, &c->op, ret);
	if (ret)
		ex_observe(ret->pfn << 2 | ret->kind);
	kernel_verdict(&v);
	audit(&c->op);
	if (ex.log)
		replay_kernel();
}

void(kseam_set)(const struct ref_k_op *op, uint64_t val)
{
	struct kcall c = {.op = *op};
	const uint64_t addr = kernel_addr(op->page);
	uint64_t *ptep = kernel_ptep(op->page);

	c.op.id = op->run ? API_set_huge_pte_at : OP_set_ptes;
	c.op.val = value(val);
	kseam_begin(&c, REF_K_SET);
	if (op->run)
		ex.impl->set_huge_pte_at(&ex.kernel.pt, addr, ptep, val, op->nr);
	else
		ex.impl->set_ptes(&ex.kernel.pt, addr, ptep, val, op->nr);
	kseam_end(&c, NULL);
}

unsigned(kseam_clear)(unsigned page)
{
	struct kcall c = {.op = kseam_op(OP_ptep_get_and_clear, page, 1)};
	struct ref_val ret;
	uint64_t val;

	if (!ref_k_clip_clear(K, &c.op) || c.op.page != page)
		return 1;
	if (c.op.run)
		c.op.id = API_huge_ptep_get_and_clear;
	kseam_begin(&c, REF_K_CLEAR);
	if (c.op.run)
		val = ex.impl->huge_ptep_get_and_clear(&ex.kernel.pt, kernel_addr(page), kernel_ptep(page),
						       c.op.nr);
	else
		val = ex.impl->ptep_get_and_clear(&ex.kernel.pt, kernel_addr(page), kernel_ptep(page));
	ret = value(val);
	kseam_end(&c, &ret);
	return c.op.nr;
}

void(kseam_flush)(unsigned page, unsigned nr, unsigned by)
{
	struct kcall caller = {.op = kseam_op(by, page, nr)};
	struct kcall c = {.op = kseam_op(API_flush_tlb_kernel_range, page, nr)};

	if (by)
		kseam_begin(&caller, REF_K_FLUSH);
	kseam_begin(&c, REF_K_FLUSH);
	ex.impl->flush_tlb_kernel_range(kernel_addr(page), kernel_addr(page + nr));
	kseam_end(&c, NULL);
	if (by)
		kseam_end(&caller, NULL);
}

void kseam_promise_only(unsigned page, unsigned nr, unsigned by)
{
	struct kcall c = {.op = kseam_op(by, page, nr)};

	kseam_begin(&c, REF_K_FLUSH);
	kseam_end(&c, NULL);
}

/* pmd_none(), as this CPU reads it: in lazy MMU mode the link too may wait for its barrier. */
static bool sees_table(unsigned t)
{
	return ex.kernel.leaf[t] && (!ex.kernel.linker[t] || ex.kernel.linker[t] == hw.cpu + 1);
}

/* Under the lock, which whoever linked it has held: [__pte_alloc_kernel()]. */
static void link_table(unsigned t, unsigned page, uint64_t *pmdp)
{
	ex.kernel.linker[t] = 0;
	if (ex.kernel.leaf[t] || ex.impl->pte_alloc(&ex.kernel.pt, kernel_addr(page), pmdp))
		return;
	ex.kernel.leaf[t] = hw_table_va(hw_peek(pmdp) & HW_D_OA);
	ex.kernel.linker[t] = (uint8_t)(hw_drainable(hw.cpu) ? hw.cpu + 1 : 0);
}

bool kseam_table(unsigned page)
{
	const unsigned t = ex_table(page);
	uint64_t *pmdp = ex.kernel.pmdp[t];
	struct ex_lock *l = &ex.lock[EX_LOCK_KERNEL];

	if (sees_table(t))
		return true;
	if (PT_IN_INTERRUPT(&ex.cur->pt)) /* no memory can be had there */
		return false;
	while (l->owner >= 0 && !ex.stop)
		task_wait(EX_LOCK_KERNEL, false);
	l->owner = (int8_t)task_id(ex.cur);
	hw_lock(EX_LOCK_KERNEL, "spin_lock", 0);
	link_table(t, page, pmdp);
	hw_unlock(EX_LOCK_KERNEL, "spin_unlock", 0);
	l->owner = EX_NOBODY;
	return ex.kernel.leaf[t];
}

/* --- lazy mode */

typedef void (*lazy_fn)(void);

static lazy_fn lazy_function(enum ref_k_verb verb, unsigned *id)
{
	static const uint8_t ids[] = {
		[REF_K_ENTER] = API_arch_enter_lazy_mmu_mode,	   [REF_K_LEAVE] = API_arch_leave_lazy_mmu_mode,
		[REF_K_LAZY_FLUSH] = API_arch_flush_lazy_mmu_mode, [REF_K_PAUSE] = API_lazy_mmu_mode_pause,
		[REF_K_RESUME] = API_lazy_mmu_mode_resume,
	};
	const lazy_fn fns[] = {
		[REF_K_ENTER] = ex.impl->arch_enter_lazy_mmu_mode,
		[REF_K_LEAVE] = ex.impl->arch_leave_lazy_mmu_mode,
		[REF_K_LAZY_FLUSH] = ex.impl->arch_flush_lazy_mmu_mode,
		[REF_K_PAUSE] = ex.impl->lazy_mmu_mode_pause,
		[REF_K_RESUME] = ex.impl->lazy_mmu_mode_resume,
	};

	*id = ids[verb];
	return fns[verb];
}

void(kseam_lazy)(enum ref_k_verb verb)
{
	struct kcall c = {.op = kseam_op(0, 0, 0)};
	uint64_t pending[REF_WORDS];
	unsigned id;
	const lazy_fn fn = lazy_function(verb, &id);
	bool was;

	if (!fn)
		return;
	c.op.id = (uint8_t)id;
	memcpy(pending, K->task[c.op.task].pending, sizeof(pending));
	feature_kseam(sorts[id], K->task[c.op.task].depth % 4 * 2u + c.op.in_interrupt, false);
	was = ref_k_is_lazy(K, c.op.task, c.op.in_interrupt);
	call_starts(&c);
	cost_begin(&c.cost);
	fn();
	call_ends(&c);
	ref_k_lazy(K, &c.op, verb);
	cost_lazy_end(&c.cost, &c.op, was, ref_k_is_lazy(K, c.op.task, c.op.in_interrupt));
	for (unsigned p = 0; (p = ref_next(pending, p, K->npages)) < K->npages && !ex.stop; p++)
		audit_page(p, id);
}

/* Whatever the task has entered is left. No task need be running. */
static void leave_sections(unsigned task, unsigned cpu)
{
	struct ref_k_op op = {.task = (uint8_t)task, .cpu = (uint8_t)cpu};
	const struct ref_k_task *t = &K->task[task];

	while (!ref_k_lazy_balanced(K, task) && !ex.stop) {
		const enum ref_k_verb verb = t->paused ? REF_K_RESUME : REF_K_LEAVE;
		unsigned id;

		lazy_function(verb, &id)();
		op.id = (uint8_t)id;
		ref_k_lazy(K, &op, verb);
	}
}

/* --- accesses */

static enum ref_k_fault access_once(struct hw_access *a)
{
	hw_do_access(a);
	ex_observe((uint64_t)a->fault << 60 ^ (a->fault == HW_OK ? a->pa : 0));
	if (a->fault == HW_OK)
		return REF_K_OK;
	return a->fault == HW_FAULT_TRANSLATION ? REF_K_TRANSLATION : REF_K_PERMISSION;
}

/* A translation fault is ignored if a walk finds the page then [is_spurious_el1_translation_fault()]. */
void kseam_access(unsigned page, bool write, bool exec, bool dep)
{
	struct hw_access a = {.agent = ex.cur->cpu,
			      .write = write && !exec,
			      .fetch = exec,
			      .priv = true,
			      .dep = dep,
			      .va = kernel_addr(page)};
	struct ref_k_access k = {.cpu = ex.cur->cpu, .page = page, .write = a.write, .exec = exec, .dep = dep};
	enum ref_k_result r = REF_K_RETRY;
	struct ref_verdict v;

	for (unsigned try = 0; try < 2 && r == REF_K_RETRY; try++) {
		k.fresh = a.fresh = try;
		k.fault = (uint8_t)access_once(&a);
		k.pfn = a.pa >> ex.geo->page_shift;
		r = ref_k_access(K, &k, &v);
		if (r == REF_K_RETRY)
			exec_context_sync(ex.cur->cpu); /* the exception */
	}
	if (r == REF_K_FINDING)
		kernel_verdict(&v);
}

/* --- contexts */

static const uint32_t context_count[] = {0, PT_HARDIRQ_OFFSET, PT_SOFTIRQ_OFFSET, PT_BH_OFF};

/* An interrupt is an exception; disabling bottom halves is none. Soft interrupts run when the hard one leaves. */
void kernel_enter_context(enum kernel_context in)
{
	if (in == IN_HARDIRQ || in == IN_SOFTIRQ)
		exec_context_sync(ex.cur->cpu);
	ex.cur->pt.preempt_count += context_count[in];
}

void kernel_leave_context(enum kernel_context in)
{
	ex.cur->pt.preempt_count -= context_count[in];
	if (in == IN_HARDIRQ || in == IN_SOFTIRQ)
		exec_context_sync(ex.cur->cpu);
}

/* --- context switches */

static void switch_on(unsigned cpu, struct pt_task *prev, struct pt_task *next)
{
	hw_run_on(cpu);
	if (ex.impl->switch_to)
		ex.impl->switch_to(prev, next);
	else
		hw_barrier(HW_DSB, HW_ISH, HW_BAR_FULL, "__switch_to", 0);
	hw_set_current(cpu, next);
}

/* Two tasks change places. User code stays where it is: these are kernel threads. */
static void swap_tasks(struct task *a, struct task *b)
{
	const uint8_t ca = a->cpu, cb = b->cpu;

	switch_on(ca, &a->pt, &b->pt);
	ref_k_switch(K, task_id(a));
	switch_on(cb, &b->pt, &a->pt);
	ref_k_switch(K, task_id(b));
	a->cpu = cb;
	b->cpu = ca;
	ex.on[ca] = b;
	ex.on[cb] = a;
	ex.kernel.in_kernel |= (uint8_t)(1u << ca | 1u << cb);
	a->op.ran |= (uint8_t)(1u << cb);
	if (ex.log)
		fprintf(ex.log, "    -- the task goes on on cpu%u\n", cb);
}

void kernel_switch(unsigned to)
{
	struct task *t = ex.cur;

	cost_disturbed();
	t->op.nested = true;
	if (to != t->cpu && ex.on[to]->state == TASK_IDLE) {
		swap_tasks(t, ex.on[to]);
	} else {
		switch_on(t->cpu, &t->pt, &ex.kernel.idle[t->cpu]);
		ref_k_switch(K, task_id(t));
		switch_on(t->cpu, &ex.kernel.idle[t->cpu], &t->pt);
	}
	t->op.nested = false;
	cost_disturbed();
}

/* Preemption and migration between any two steps, where neither is disabled. */
void kernel_move(const struct rec *r, struct rec *eff)
{
	struct task *t = ex.cur;
	unsigned to = r->cpu % ex.p->h.ncpu;

	if (to == t->cpu)
		to = (to + 1) % ex.p->h.ncpu;
	if (!ex.kernel.on || !(op_descs[t->op.r->kind].args & A_KERNEL) || t->pt.preempt_count || to == t->cpu ||
	    ex.lock[EX_LOCK_KERNEL].owner == (int)task_id(t) || ex.on[to]->state != TASK_IDLE)
		return;
	eff->cpu = (uint8_t)to;
	kernel_switch(to);
}

/* --- for the executor */

/* A task that has run kernel code gets back to the user: it leaves what it has entered, and the exception returns. */
void kernel_op_starts(const struct rec *r)
{
	struct task *t = ex.cur;
	const uint8_t bit = (uint8_t)(1u << t->cpu);

	if (op_descs[r->kind].args & A_KERNEL) {
		ex.kernel.in_kernel |= bit;
	} else if (ex.kernel.in_kernel & bit) {
		t->op.nested = true;
		leave_sections(task_id(t), t->cpu);
		t->op.nested = false;
		exec_context_sync(t->cpu);
		ex.kernel.in_kernel &= (uint8_t)~bit;
	}
}

/* As for user spaces, the window straddles two level-3 tables; the second one is made when it is needed. */
static void build_tables(void)
{
	const struct hw_geo *g = ex.geo;
	const unsigned root_level = 4 - g->levels, bits = g->page_shift + g->levels * g->table_bits;
	struct kspace *k = &ex.kernel;
	uint64_t *t = hw_setup_table(root_level);

	k->pt = (struct pt_mm){.id = PT_MM_KERNEL, .root = t};
	k->va = ex.va | ~0ull << (bits < 48 ? bits : 48);
	hw_set_kernel_root(t);
	for (unsigned l = root_level; l < 2; l++) {
		const unsigned shift = g->page_shift + (3 - l) * g->table_bits;
		uint64_t *next = hw_setup_table(l + 1);

		hw_setup_write(t + (ex.va >> shift & ((1u << g->table_bits) - 1)),
			       hw_table_pa(next) | HW_D_TABLE | HW_D_VALID);
		t = next;
	}
	for (unsigned i = 0; i < REF_TABLES; i++) {
		k->pmdp[i] = t + 4 + i;
		k->leaf[i] = NULL;
		if (i && ex.impl->pte_alloc)
			break;
		k->leaf[i] = hw_setup_table(3);
		hw_setup_write(k->pmdp[i], hw_table_pa(k->leaf[i]) | HW_D_TABLE | HW_D_VALID);
		for (unsigned b = 2 * i; b < 2 * i + 2; b++)
			hw_touched(kernel_ptep(b << ex.cont_bits)); /* from now on */
	}
}

void kernel_reset(void)
{
	struct kspace *k = &ex.kernel;
	const struct pt_profile *f = &ex.impl->profile;

	k->on = ex.half == A_KERNEL;
	k->in_kernel = k->used = 0;
	memset(k->known, 0, sizeof(k->known));
	k->pt = (struct pt_mm){.id = PT_MM_KERNEL};
	k->leaf[0] = k->leaf[1] = NULL;
	if (!k->on)
		return;
	for (unsigned i = 0; i < HW_MAX_CPU; i++)
		k->idle[i] = (struct pt_task){.id = HW_MAX_CPU + i};
	ref_k_reset(&k->ref, ex.cont, f->lazy, f->queues_stores, ex.p->h.ets2);
	build_tables();
}

/* A present page must be found by every CPU that has synchronised, without a fault. */
static void check_page(unsigned page)
{
	const struct ref_val *v = &ref_k_now(K, page)->val;

	for (unsigned c = 0; c < ex.p->h.ncpu && !ex.stop; c++) {
		struct hw_access a = {
			.agent = (uint8_t)c, .write = v->write, .priv = true, .va = kernel_addr(page)};
		struct ref_k_access k = {.cpu = (uint8_t)c, .page = page, .write = v->write};
		struct ref_verdict bad;

		k.fault = (uint8_t)access_once(&a);
		k.pfn = a.pa >> ex.geo->page_shift;
		if (ref_k_access(K, &k, &bad) != REF_K_FINDING && k.fault == REF_K_TRANSLATION)
			bad = ref_k_verdict("access", "not-published", ref_k_now(K, page)->owes, page);
		hw_run_on(c);
		kernel_verdict(&bad);
	}
}

/* No operation began there, and no store was made. */
static bool is_untouched(unsigned block)
{
	const uint64_t *p = kernel_ptep(block << ex.cont_bits);

	return !(ex.kernel.used >> block & 1) && !(p && hw_touched(p));
}

static void check_block(unsigned block)
{
	const unsigned page = block << ex.cont_bits, end = page + ex.cont;
	uint64_t buf[EX_MAX_CONT];
	const uint64_t *raw;

	if (is_untouched(block)) {
		for (unsigned p = page; p < end; p++)
			ex_observe(0);
		return;
	}
	raw = view_block(page, buf);
	for (unsigned p = page; p < end && !ex.stop; p++) {
		const struct ref_k_version *v = ref_k_now(K, p);

		audit_entry(p, raw[p - page], v->by);
		if (!ref_k_present(v) || (p != page && p != end - 1 && ref_k_present(ref_k_now(K, p - 1))))
			continue;
		check_page(p);
		raw = view_block(page, buf); /* hardware may have written there */
	}
}

void kernel_check_end(void)
{
	for (unsigned c = 0; c < ex.p->h.ncpu && !ex.stop; c++) {
		hw_run_on(c);
		leave_sections(task_id(ex.on[c]), c);
	}
	for (unsigned c = 0; c < ex.p->h.ncpu && !ex.stop; c++) {
		hw_do_drain(c, -1);
		exec_context_sync(c);
	}
	for (unsigned b = 0; b < PROG_BLOCKS && !ex.stop; b++)
		check_block(b);
}
