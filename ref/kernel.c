/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Contracts of kernel mappings and of lazy MMU mode, and the mechanism under them. kernel_judge.c judges
 * observations by it; kernel_clip.c says what callers must guarantee.
 *
 * Property: a kernel mapping is usable without a fault from its publication on, and unusable from its promised
 * flush on; what lies between is either old or new. Nothing is excused that does not count one of
 * enum ref_k_legal, and nothing is a finding that the kernel's callers do not rely on.
 *
 * Three times tell the life of a version: `stored` (it is in the table), `visible` (every walker finds it, and a
 * CPU that has synchronised its context since, too), and for the version before it `dead` (nobody uses it).
 * Unlike user mappings these have no lock in common: each open operation owns its pages, and the callers
 * guarantee that no two touch the same ones [vmalloc.c: an area belongs to one caller].
 */
#include "kernel.h"

#include <stddef.h>
#include <string.h>

#define EVERY_CPU 0xffu

const struct ref_k_legal_row ref_k_legals[REF_K_NLEGAL] = {
	[REF_K_L_IGNORED_FAULT] = {"kernel-ignored-fault",
				   "one translation fault after publication on a CPU that has not synchronised",
				   "arch/arm64/mm/fault.c, is_spurious_el1_translation_fault(): AT S1E1R succeeds"},
	[REF_K_L_UNPUBLISHED] = {"kernel-unpublished", "a fault on a mapping that nobody has published yet",
				 "queue_pte_barriers(): barriers wait for flush, leave or pause of the section"},
	[REF_K_L_BEFORE_FLUSH] = {"kernel-before-flush",
				  "an old translation or permission is used before the promised flush",
				  "DDI 0487 D8.14: a TLB entry lives until a TLBI that covers it completes"},
	[REF_K_L_QUEUED] =
		{"kernel-queued", "the table still shows what a queued store will replace",
		 "linux/pgtable.h, lazy MMU mode: an update may be deferred until it is left or flushed"},
	[REF_K_L_MIGRATED] = {"kernel-migrated", "a task moved inside a call: its barriers ran on some other CPU",
			      "__switch_to(): a DSB, but no context synchronisation"},
	[REF_K_L_OTHERS_STORE] = {"kernel-others-store",
				  "a flush proves nothing about a removal by another task, not handed over",
				  "DDI 0487 D8.14: a TLBI covers stores made visible before it"},
	[REF_K_L_RING] = {"kernel-history-overflow", "a page had more unflushed versions than are remembered",
			  "ref.h REF_RING: widens what is accepted, never invents a finding"},
};

const struct ref_k_version ref_k_never_mapped = {.visible = REF_NEVER, .gone = REF_NEVER, .dead = REF_NEVER};

void ref_k_reset(struct ref_kernel *k, unsigned cont, unsigned profile, bool queues_stores, bool ets2)
{
	k->cont = cont;
	k->cont_bits = (unsigned)__builtin_ctz(cont);
	k->npages = REF_BLOCKS * cont;
	k->profile = (uint8_t)profile;
	k->queues_stores = queues_stores;
	k->ets2 = ets2;
	k->now = 0;
	memset(k->sync, 0, sizeof(k->sync));
	memset(k->task, 0, sizeof(k->task));
	memset(k->busy, 0, sizeof(k->busy));
	if (++k->gen == 0) {
		memset(k->page, 0, sizeof(k->page));
		k->gen = 1;
	}
}

/* --- versions */

static struct ref_k_page *page_of(struct ref_kernel *k, unsigned page)
{
	struct ref_k_page *pg = &k->page[page];

	if (pg->gen != k->gen) {
		*pg = (struct ref_k_page){.gen = k->gen, .n = 1};
		k->ring[page][0] = ref_k_never_mapped;
	}
	return pg;
}

static struct ref_k_version *head_of(struct ref_kernel *k, unsigned page)
{
	return &k->ring[page][page_of(k, page)->head];
}

static void put(uint64_t *set, unsigned page, bool in)
{
	uint64_t bit = 1ull << (page % 64);

	set[page / 64] = in ? set[page / 64] | bit : set[page / 64] & ~bit;
}

/* An operation begins to replace what `page` holds. A change of permission keeps the page mapped: who could rely
 * on finding it still can. */
static void target(struct ref_kernel *k, const struct ref_k_op *op, unsigned page, const struct ref_val *val)
{
	struct ref_k_page *pg = page_of(k, page);
	struct ref_k_version *old = &k->ring[page][pg->head], v;

	if (ref_k_same(&old->val, val))
		return;
	v = op->kind == REF_K_PROTECT ? *old : ref_k_never_mapped;
	v.val = *val;
	v.run = op->kind == REF_K_SET && op->run;
	v.task = op->task;
	v.by = op->id;
	v.stored = v.gone = v.dead = REF_NEVER;
	if (op->kind == REF_K_SET)
		v.owes = op->id;
	old->gone_task = op->task;
	old->gone_by = op->id;
	pg->head = (pg->head + 1) % REF_RING;
	if (pg->n < REF_RING) {
		pg->n++;
	} else if (ref_k_present(&k->ring[page][pg->head]) && k->ring[page][pg->head].dead == REF_NEVER) {
		pg->lost = true;
		ref_k_note(k, REF_K_L_RING);
	}
	k->ring[page][pg->head] = v;
}

/* The store has been made: what was there before is out of the table. */
static void settle(struct ref_kernel *k, unsigned page)
{
	head_of(k, page)->stored = k->now;
	for (unsigned i = 1; i < ref_k_nversions(k, page); i++) {
		struct ref_k_version *v = &k->ring[page][(k->page[page].head + REF_RING - i) % REF_RING];

		if (v->gone == REF_NEVER)
			v->gone = k->now;
	}
}

static void publish(struct ref_kernel *k, unsigned page, uint8_t cpus, uint8_t owes)
{
	struct ref_k_version *v = head_of(k, page);

	if (v->visible == REF_NEVER) {
		v->visible = k->now;
		v->owes = owes;
	}
	v->pub |= cpus;
}

/* --- what a call promises to which CPUs: barriers ran where the task was, and it may have moved between them */

static uint8_t ran_on(const struct ref_k_op *op)
{
	return (uint8_t)(op->ran | 1u << op->cpu);
}

static bool moved(const struct ref_k_op *op)
{
	return ran_on(op) & (ran_on(op) - 1);
}

/* DSB, ISB: this CPU. */
static uint8_t here(const struct ref_k_op *op)
{
	return moved(op) ? 0 : ran_on(op);
}

/* Broadcast TLBI, DSB, ISB: early walks end elsewhere too; the issuer's own end with its ISB. */
static uint8_t everywhere(const struct ref_k_op *op)
{
	return moved(op) ? (uint8_t)(EVERY_CPU & ~ran_on(op)) : EVERY_CPU;
}

/* --- contracts of the operations */

/*
 * REF_K_SET, none to present. Caller: the pages are none, and nobody can use an older translation of them.
 * Outside lazy mode the mapping is published at return: the executing CPU never faults on it afterwards, every
 * walker finds it; another CPU may take a translation fault unless it has synchronised its context since, or has
 * FEAT_ETS2, or computed the address from what it was handed. Inside: the same, at flush, leave or pause.
 * [__set_ptes_anysz(), emit_pte_barriers()]
 */
static void begin_set(struct ref_kernel *k, const struct ref_k_op *op)
{
	struct ref_val v = op->val;

	for (unsigned i = 0; i < op->nr; i++, v.pfn++)
		target(k, op, op->page + i, &v);
}

/*
 * REF_K_CLEAR, to none. Old translations may be used until the promised flush: that of the operation
 * (vunmap_range) or a later REF_K_FLUSH (vfree: the purge). No barrier follows an invalid entry.
 */
static void begin_clear(struct ref_kernel *k, const struct ref_k_op *op)
{
	const struct ref_val none = {.kind = REF_NONE};

	for (unsigned i = 0; i < op->nr; i++)
		target(k, op, op->page + i, &none);
}

/*
 * REF_K_PROTECT, the named permissions of present pages. The page is mapped throughout: no translation fault. Old
 * or new permissions until the flush; after it only the new ones, everywhere [set_memory_*()].
 */
static void begin_protect(struct ref_kernel *k, const struct ref_k_op *op)
{
	for (unsigned i = 0; i < op->nr; i++) {
		struct ref_val v = ref_k_now(k, op->page + i)->val;

		if (v.kind != REF_PRESENT)
			continue;
		v.write = (op->grant & REF_K_W) || (v.write && !(op->revoke & REF_K_W));
		v.exec = (op->grant & REF_K_X) || (v.exec && !(op->revoke & REF_K_X));
		target(k, op, op->page + i, &v);
	}
}

/*
 * REF_K_FLUSH: on return nobody uses what was removed or weakened in the range before it began, and what was
 * mapped there is published on every CPU. It covers stores made visible before it: this task's, and those that
 * another task has completed or handed over [flush_tlb_kernel_range()].
 */
static void flush_page(struct ref_kernel *k, const struct ref_k_op *op, unsigned page, uint32_t limit)
{
	struct ref_k_version *h = head_of(k, page);

	for (unsigned i = 1; i < ref_k_nversions(k, page); i++) {
		struct ref_k_version *v = &k->ring[page][(k->page[page].head + REF_RING - i) % REF_RING];

		if (!ref_k_present(v) || v->gone > limit || v->dead != REF_NEVER)
			continue;
		if (!ref_k_covers(k, op->task, v)) {
			ref_k_note(k, REF_K_L_OTHERS_STORE);
			continue;
		}
		v->dead = k->now;
		v->dead_by = op->id;
		v->dead_on = everywhere(op);
	}
	k->page[page].lost = false;
	if (ref_k_present(h) && h->stored <= limit && (h->task == op->task || h->visible <= limit)) {
		publish(k, page, everywhere(op), op->id);
		put(k->task[op->task].pending, page, false);
	}
}

void ref_k_begin(struct ref_kernel *k, struct ref_k_op *op, enum ref_k_kind kind)
{
	op->kind = (uint8_t)kind;
	op->begin = ++k->now;
	op->first = ref_k_now(k, op->page)->val;
	if (kind == REF_K_SET)
		begin_set(k, op);
	else if (kind == REF_K_CLEAR)
		begin_clear(k, op);
	else if (kind == REF_K_PROTECT)
		begin_protect(k, op);
	else
		return;
	for (unsigned i = 0; i < op->nr; i++)
		put(k->busy, op->page + i, true);
}

/* A changed page at the end of its operation. Published now: true. */
static bool end_page(struct ref_kernel *k, const struct ref_k_op *op, unsigned page, bool lazy)
{
	const struct ref_k_version *v = ref_k_now(k, page);

	put(k->busy, page, false);
	if (v->stored != REF_NEVER)
		return false;
	if (lazy && (k->queues_stores || ref_k_present(v)))
		put(k->task[op->task].pending, page, true);
	if (lazy && k->queues_stores)
		return false;
	settle(k, page);
	if (lazy || !ref_k_present(v))
		return false;
	publish(k, page, here(op), op->id);
	return true;
}

struct ref_verdict ref_k_end(struct ref_kernel *k, struct ref_k_op *op, const struct ref_val *ret)
{
	bool flush = op->kind == REF_K_FLUSH || op->flush, barrier = flush;
	bool lazy = !flush && ref_k_is_lazy(k, op->task, op->in_interrupt);

	k->now++;
	if (op->kind != REF_K_FLUSH)
		for (unsigned i = 0; i < op->nr; i++)
			barrier |= end_page(k, op, op->page + i, lazy);
	if (flush)
		for (unsigned i = 0; i < op->nr; i++)
			flush_page(k, op, op->page + i, op->kind == REF_K_FLUSH ? op->begin : k->now);
	if (barrier)
		k->task[op->task].drained = k->now;
	if (barrier && moved(op))
		ref_k_note(k, REF_K_L_MIGRATED);
	if (op->kind == REF_K_CLEAR && ret && !ref_k_same(&op->first, ret))
		return ref_k_verdict("value", "wrong-entry", op->id, op->page);
	return ref_k_explained;
}

/* --- lazy mode */

bool ref_k_is_lazy(const struct ref_kernel *k, unsigned task, bool in_interrupt)
{
	const struct ref_k_task *t = &k->task[task];

	if (in_interrupt || k->profile == REF_K_EACH)
		return false;
	return k->profile == REF_K_FLAG ? t->mode : t->depth && !t->paused;
}

/* What the task has changed in its section is now in the table, and published on the CPU that executes this. */
static void publish_pending(struct ref_kernel *k, const struct ref_k_op *op)
{
	struct ref_k_task *t = &k->task[op->task];
	bool barrier = false;

	for (unsigned p = 0; (p = ref_next(t->pending, p, k->npages)) < k->npages; p++) {
		if (ref_k_now(k, p)->stored == REF_NEVER)
			settle(k, p);
		if (ref_k_present(ref_k_now(k, p))) {
			publish(k, p, here(op), op->id);
			barrier = true;
		}
	}
	memset(t->pending, 0, sizeof(t->pending));
	if (barrier)
		t->drained = k->now;
	if (barrier && moved(op))
		ref_k_note(k, REF_K_L_MIGRATED);
}

/*
 * Lazy mode belongs to the task, not to the CPU; it may be preempted and migrate. In interrupt context, and with
 * bottom halves disabled, every call is ignored. An inner leave publishes; then the outer mode ends
 * (REF_K_FLAG) or goes on (REF_K_COUNTER). Pause publishes and suspends; enter and leave are ignored until
 * resume.
 */
void ref_k_lazy(struct ref_kernel *k, const struct ref_k_op *op, enum ref_k_verb verb)
{
	struct ref_k_task *t = &k->task[op->task];

	k->now++;
	if (op->in_interrupt || ((verb == REF_K_ENTER || verb == REF_K_LEAVE) && t->paused))
		return;
	if ((verb == REF_K_PAUSE || verb == REF_K_RESUME) && k->profile != REF_K_COUNTER)
		return;
	if (verb == REF_K_ENTER)
		t->depth++;
	else if (verb == REF_K_LEAVE && t->depth)
		t->depth--;
	else if (verb == REF_K_PAUSE)
		t->paused++;
	else if (verb == REF_K_RESUME && t->paused)
		t->paused--;
	if (verb == REF_K_ENTER || verb == REF_K_LEAVE)
		t->mode = verb == REF_K_ENTER;
	if (verb == REF_K_LEAVE || verb == REF_K_LAZY_FLUSH || verb == REF_K_PAUSE)
		publish_pending(k, op);
}

bool ref_k_lazy_balanced(const struct ref_kernel *k, unsigned task)
{
	return !k->task[task].depth && !k->task[task].paused;
}

/* --- what else happens to CPUs and tasks */

void ref_k_context_sync(struct ref_kernel *k, unsigned cpu)
{
	k->sync[cpu] = ++k->now;
}

void ref_k_switch(struct ref_kernel *k, unsigned prev)
{
	struct ref_k_task *t = &k->task[prev];

	t->drained = ++k->now;
	for (unsigned p = 0; (p = ref_next(t->pending, p, k->npages)) < k->npages; p++) {
		const struct ref_k_version *v = ref_k_now(k, p);

		if (ref_k_present(v) && v->stored != REF_NEVER)
			publish(k, p, 0, v->owes);
	}
}

void ref_k_handover(struct ref_kernel *k, unsigned task)
{
	k->task[task].drained = ++k->now;
}
