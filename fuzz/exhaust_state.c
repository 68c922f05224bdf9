/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state between two ops, as a hash.
 *
 * Property: two executions with one header that have equal exh_state_hash() between two ops, no task inside an
 * op, answer every continuation alike: the same steps, the same verdict, the same signature. It has four parts.
 *
 * - The machine: hw_future_hash().
 * - The specification. It is asked about three kinds of time only. "Now or later" (begin and lock times of what
 *   is still to come) lies after every time stored, so of a stored time counts whether it is set: all versions
 *   that were replaced are gone, and whether one is dead is hashed; what a lockless reader may look back to
 *   (gone, may_until, a block's last writer) lies before every window still to be opened. `loose` is compared
 *   with the number of the present section: hashed as that comparison. What a version that was replaced recorded
 *   (access, dirty) is read by nobody any more. Its value, and who replaced and flushed it, is: for blame.
 * - The executor: which address spaces live, which tables they have, what is still owed in them, and whose user code
 *   each CPU runs. Tasks are idle, locks are free, so no operation is open in any table.
 * - The implementation: assumed to keep no state between ops but in table memory (true of `opt` and of
 *   contpte.c; an implementation with state of its own, such as queued stores, must not be explored like this).
 *
 * tests/exhaust_test.c runs continuations from pairs of programs whose states hash alike.
 */
#include "exhaust.h"

#include "exec_internal.h"
#include "hw/future.h"

static uint64_t mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

static uint64_t hash_val(uint64_t h, const struct ref_val *v)
{
	if (v->kind == REF_NONE)
		return mix(h, 1);
	h = mix(h, v->pfn << 8 | v->kind << 4 | v->write << 2 | v->exec << 1 | v->special |
			   (uint64_t)v->protnone << 3);
	return v->kind == REF_PRESENT ? mix(h, v->folio) : h;
}

static uint64_t ad_bits(const struct ref_mm *mm, unsigned page, const struct ref_ad *ad)
{
	const uint32_t section = mm->section[ref_table_of(mm, page)]; /* each table has its own */

	return ad->must | ad->may << 1 | ad->ev << 2 | ad->ev_must << 3 |
	       (uint64_t)(ad->loose && ad->loose == section) << 4;
}

static uint64_t hash_page(const struct ref_mm *mm, unsigned page)
{
	const struct ref_page *pg = &mm->page[page];
	const struct ref_version *v;
	uint64_t h;

	if (pg->gen != mm->gen)
		return 0;
	v = &mm->ring[page][pg->head];
	if (pg->n == 1 && v->val.kind == REF_NONE)
		return 0;
	h = hash_val(pg->n << 1 | pg->lost, &v->val);
	h = mix(h, (uint64_t)v->by << 16 | ad_bits(mm, page, &v->young) << 8 | ad_bits(mm, page, &v->dirty));
	for (unsigned i = 1; i < pg->n; i++) {
		v = &mm->ring[page][(pg->head + REF_RING - i) % REF_RING];
		h = mix(h, v->val.kind);
		if (v->val.kind != REF_PRESENT)
			continue;
		h = hash_val(h, &v->val);
		h = mix(h, (uint64_t)(v->dead == REF_NEVER) << 24 | (uint64_t)(v->gone == REF_NEVER) << 25 |
				   v->by << 16 | v->gone_by << 8 | (v->dead == REF_NEVER ? 0 : v->dead_by));
	}
	return mix(h, page + 1);
}

static uint64_t hash_space(uint64_t h, const struct space *sp)
{
	const struct ref_mm *mm = &sp->mm;

	if (!sp->alive)
		return mix(h, 1); /* whatever it was before */
	h = mix(h, sp->pt.asid);
	for (unsigned p = 0; p < mm->npages; p++) {
		const uint64_t x = hash_page(mm, p);

		if (x)
			h = mix(h, x);
	}
	for (unsigned b = 0; b < REF_BLOCKS; b++)
		h = mix(h, mm->block[b].any_ad | mm->block[b].teardown << 1);
	for (unsigned t = 0; t < REF_TABLES; t++)
		h = mix(h, (sp->leaf[t] != NULL) | (mm->open[t] != NULL) << 1 | (mm->held_since[t] != 0) << 2);
	return mix(h, sp->batched | sp->gathers << 1 | (unsigned)sp->unaudited << 9);
}

uint64_t exh_state_hash(void)
{
	uint64_t h = hw_future_hash();

	for (unsigned i = 0; i < EX_SPACES; i++)
		h = hash_space(h, &ex.space[i]);
	for (unsigned c = 0; c < ex.p->h.ncpu; c++)
		h = mix(h, (uint64_t)(int64_t)ex.cpu_space[c]);
	return mix(h, ex.next_asid);
}
