/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was observed of kernel mappings, judged.
 *
 * Property: a fault is excused only before publication, or once, as a translation fault, on a CPU that may still
 * use an early walk; an access only by a version that its CPU may still use. The debtor is the operation that
 * owed the publication or the flush, not the observer.
 */
#include "kernel.h"

#include <stddef.h>

static bool permits(const struct ref_k_version *v, const struct ref_k_access *a)
{
	return ref_k_present(v) && (!a->write || v->val.write) && (!a->exec || v->val.exec);
}

/* Does every walk that this access may use find the page mapped? */
static bool published(const struct ref_kernel *k, const struct ref_k_version *v, unsigned cpu)
{
	if (v->visible == REF_NEVER)
		return false;
	return k->ets2 || (v->pub >> cpu & 1) || k->sync[cpu] > v->visible;
}

static bool is_dead(const struct ref_kernel *k, const struct ref_k_version *v, unsigned cpu)
{
	return v->dead != REF_NEVER && ((v->dead_on >> cpu & 1) || k->sync[cpu] > v->dead);
}

static struct ref_verdict judge_ok(struct ref_kernel *k, const struct ref_k_access *a)
{
	const struct ref_k_version *dead = NULL, *weak = NULL;

	for (unsigned i = 0; i < ref_k_nversions(k, a->page); i++) {
		const struct ref_k_version *v = ref_k_back(k, a->page, i);

		if (!ref_k_present(v) || v->val.pfn != a->pfn)
			continue;
		if (!permits(v, a)) {
			weak = weak ? weak : v;
		} else if (is_dead(k, v, a->cpu)) {
			dead = dead ? dead : v;
		} else {
			if (i)
				ref_k_note(k, REF_K_L_BEFORE_FLUSH);
			return ref_k_explained;
		}
	}
	if (k->page[a->page].gen == k->gen && k->page[a->page].lost)
		return ref_k_explained;
	if (dead)
		return ref_k_verdict("access", "stale-after-flush", dead->dead_by, a->page);
	if (weak)
		return ref_k_verdict("access", "permission-gained", weak->by, a->page);
	return ref_k_verdict("access", "wrong-pfn", ref_k_now(k, a->page)->by, a->page);
}

/* A mapped page was not found. */
static enum ref_k_result judge_missing(struct ref_kernel *k, const struct ref_k_access *a, struct ref_verdict *out)
{
	const struct ref_k_version *v = ref_k_now(k, a->page);

	if (v->visible == REF_NEVER) {
		ref_k_note(k, REF_K_L_UNPUBLISHED);
		return REF_K_EXPLAINED;
	}
	if (a->fresh) {
		*out = ref_k_verdict("access", "not-published", v->owes, a->page);
		return REF_K_FINDING;
	}
	if (published(k, v, a->cpu) || a->dep) {
		*out = ref_k_verdict("access", "spurious-kernel-fault", v->owes, a->page);
		return REF_K_FINDING;
	}
	ref_k_note(k, REF_K_L_IGNORED_FAULT);
	return REF_K_RETRY;
}

/* A permitted access was refused: only a translation with the permissions of before the flush may do that. No
 * retry helps, the kernel dies of it. */
static struct ref_verdict judge_refused(struct ref_kernel *k, const struct ref_k_access *a)
{
	const struct ref_k_version *v = ref_k_now(k, a->page);
	bool old = k->page[a->page].lost;

	for (unsigned i = 1; i < ref_k_nversions(k, a->page); i++) {
		const struct ref_k_version *w = ref_k_back(k, a->page, i);

		old |= ref_k_present(w) && !permits(w, a) && !is_dead(k, w, a->cpu);
	}
	if (!old)
		return ref_k_verdict("access", "spurious-kernel-fault", v->by, a->page);
	ref_k_note(k, REF_K_L_BEFORE_FLUSH);
	return ref_k_explained;
}

enum ref_k_result ref_k_access(struct ref_kernel *k, const struct ref_k_access *a, struct ref_verdict *v)
{
	const struct ref_k_version *head = ref_k_now(k, a->page);

	k->now++;
	*v = ref_k_explained;
	if (a->fault == REF_K_OK)
		*v = judge_ok(k, a);
	else if (ref_k_present(head) && a->fault == REF_K_TRANSLATION)
		return judge_missing(k, a, v);
	else if (permits(head, a))
		*v = judge_refused(k, a);
	return v->cls ? REF_K_FINDING : REF_K_EXPLAINED;
}

/* Old and new explain the entry while its store may or may not have been made. */
bool ref_k_entry_explained(struct ref_kernel *k, unsigned page, const struct ref_val *obs)
{
	if (ref_k_same(&ref_k_now(k, page)->val, obs))
		return true;
	for (unsigned i = 1; i < ref_k_nversions(k, page); i++) {
		const struct ref_k_version *v = ref_k_back(k, page, i);

		if (v->gone != REF_NEVER || !ref_k_same(&v->val, obs))
			continue;
		if (!ref_in_set(k->busy, page))
			ref_k_note(k, REF_K_L_QUEUED);
		return true;
	}
	return false;
}

struct ref_verdict ref_k_check_entry(struct ref_kernel *k, unsigned page, const struct ref_val *obs, uint8_t op)
{
	const struct ref_val *want = &ref_k_now(k, page)->val;

	if (ref_k_entry_explained(k, page, obs))
		return ref_k_explained;
	if (want->kind == REF_NONE)
		return ref_k_verdict("state", "entry-left", op, page);
	if (obs->kind == REF_NONE)
		return ref_k_verdict("state", "entry-lost", op, page);
	if (obs->kind != want->kind)
		return ref_k_verdict("state", "wrong-kind", op, page);
	return ref_k_verdict("state", want->pfn != obs->pfn ? "wrong-pfn" : "wrong-permission", op, page);
}

/* A page that this task has changed in its open section is not for its use; nor is one being mapped or unmapped
 * by anybody. What another task's section has changed proves something once no fault on it can be excused. */
bool ref_k_may_access(const struct ref_kernel *k, unsigned cpu, unsigned task, unsigned page)
{
	const struct ref_k_version *v = ref_k_now(k, page);
	bool pending = false;

	for (unsigned t = 0; t < REF_K_TASKS; t++)
		pending |= ref_in_set(k->task[t].pending, page);
	if (!ref_k_present(v))
		return !pending && !ref_in_set(k->busy, page);
	if (v->visible == REF_NEVER || ref_in_set(k->task[task].pending, page))
		return false;
	return !pending || published(k, v, cpu);
}
