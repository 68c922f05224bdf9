/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What callers of kernel mappings must guarantee, and where a request is moved to be legal.
 *
 * Property: whatever a clip function lets through, no correct kernel may fail on; it refuses only when no legal
 * place is left. An illegal call would prove nothing.
 */
#include "kernel.h"

bool ref_k_lingers(const struct ref_kernel *k, unsigned page, unsigned nr)
{
	for (unsigned p = page; p < page + nr; p++) {
		for (unsigned i = 1; i < ref_k_nversions(k, p); i++)
			if (ref_k_present(ref_k_back(k, p, i)) && ref_k_back(k, p, i)->dead == REF_NEVER)
				return true;
		if (ref_k_nversions(k, p) && k->page[p].lost)
			return true;
	}
	return false;
}

/* Has somebody else a section open in which this page was changed? An interrupt is somebody else. */
static bool pending_elsewhere(const struct ref_kernel *k, const struct ref_k_op *op, unsigned page)
{
	for (unsigned t = 0; t < REF_K_TASKS; t++)
		if ((t != op->task || op->in_interrupt) && ref_in_set(k->task[t].pending, page))
			return true;
	return false;
}

static bool is_mine(const struct ref_kernel *k, const struct ref_k_op *op, unsigned page)
{
	return !ref_in_set(k->busy, page) && !pending_elsewhere(k, op, page);
}

/* Nothing there, and what was is dead or would be after a flush by this task. */
static bool can_set(const struct ref_kernel *k, const struct ref_k_op *op, unsigned page)
{
	const struct ref_k_version *h = ref_k_now(k, page);

	if (ref_k_present(h) || h->stored == REF_NEVER || !is_mine(k, op, page))
		return false;
	for (unsigned i = 1; i < ref_k_nversions(k, page); i++) {
		const struct ref_k_version *v = ref_k_back(k, page, i);

		if (ref_k_present(v) && v->dead == REF_NEVER && !ref_k_covers(k, op->task, v))
			return false;
	}
	return true;
}

static bool can_set_run(const struct ref_kernel *k, const struct ref_k_op *op, unsigned page)
{
	if (page & (k->cont - 1))
		return false;
	for (unsigned p = page; p < page + k->cont; p++)
		if (!can_set(k, op, p))
			return false;
	return true;
}

static bool can_clear(const struct ref_kernel *k, const struct ref_k_op *op, unsigned page)
{
	return ref_k_present(ref_k_now(k, page)) && is_mine(k, op, page);
}

/* One entry of a run must not be changed alone; set_memory_*() refuses areas that may hold runs. */
static bool can_protect(const struct ref_kernel *k, const struct ref_k_op *op, unsigned page)
{
	return can_clear(k, op, page) && !ref_k_now(k, page)->run;
}

static bool can_access(const struct ref_kernel *k, const struct ref_k_op *op, unsigned page)
{
	return ref_k_may_access(k, op->cpu, op->task, page);
}

static bool can_use(const struct ref_kernel *k, const struct ref_k_op *op, unsigned page)
{
	return ref_k_present(ref_k_now(k, page)) && can_access(k, op, page);
}

typedef bool (*page_test)(const struct ref_kernel *k, const struct ref_k_op *op, unsigned page);

/* The nearest page at or after op->page (then from the start) that passes. */
static bool seek(const struct ref_kernel *k, struct ref_k_op *op, page_test test)
{
	for (unsigned i = 0; i < k->npages; i++) {
		unsigned p = (op->page + i) & (k->npages - 1);

		if (test(k, op, p)) {
			op->page = p;
			return true;
		}
	}
	return false;
}

/* As much of the range as passes inside one table (two blocks). */
static bool seek_range(const struct ref_kernel *k, struct ref_k_op *op, page_test test)
{
	unsigned end, n = 1;

	if (!seek(k, op, test))
		return false;
	end = (op->page | (2 * k->cont - 1)) + 1;
	while (n < op->nr && op->page + n < end && test(k, op, op->page + n))
		n++;
	op->nr = n;
	return true;
}

static enum ref_k_clip fits(const struct ref_kernel *k, const struct ref_k_op *op)
{
	return ref_k_lingers(k, op->page, op->nr) ? REF_K_FLUSH_FIRST : REF_K_FITS;
}

enum ref_k_clip ref_k_clip_set(const struct ref_kernel *k, struct ref_k_op *op)
{
	op->run = false;
	return seek_range(k, op, can_set) ? fits(k, op) : REF_K_REFUSED;
}

enum ref_k_clip ref_k_clip_set_run(const struct ref_kernel *k, struct ref_k_op *op)
{
	op->page &= ~(k->cont - 1);
	op->nr = k->cont;
	op->run = true;
	return seek(k, op, can_set_run) ? fits(k, op) : REF_K_REFUSED;
}

bool ref_k_clip_clear(const struct ref_kernel *k, struct ref_k_op *op)
{
	if (!seek(k, op, can_clear))
		return false;
	op->run = ref_k_now(k, op->page)->run;
	if (!op->run)
		return seek_range(k, op, can_protect);
	op->page &= ~(k->cont - 1);
	op->nr = k->cont;
	return true;
}

bool ref_k_clip_protect(const struct ref_kernel *k, struct ref_k_op *op)
{
	return seek_range(k, op, can_protect);
}

bool ref_k_clip_access(const struct ref_kernel *k, struct ref_k_op *op)
{
	op->nr = 1;
	return seek(k, op, can_use) || seek(k, op, can_access);
}

/* Anybody may flush anything at any time: purging does. */
bool ref_k_clip_flush(const struct ref_kernel *k, struct ref_k_op *op)
{
	op->page &= k->npages - 1;
	if (op->nr > k->npages - op->page)
		op->nr = k->npages - op->page;
	return op->nr;
}

/* Sections nest properly; a section in an interrupt changes nothing, so it may do anything. */
bool ref_k_clip_lazy(const struct ref_kernel *k, const struct ref_k_op *op, enum ref_k_verb verb)
{
	const struct ref_k_task *t = &k->task[op->task];

	if (op->in_interrupt)
		return true;
	if (verb == REF_K_LEAVE)
		return t->depth || t->paused;
	if (verb == REF_K_PAUSE)
		return k->profile == REF_K_COUNTER;
	return verb != REF_K_RESUME || t->paused;
}
