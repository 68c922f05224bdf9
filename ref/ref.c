/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mechanism under the contracts: versions, windows, must and may.
 *
 * Property: an observation is explained iff some version of the page was live in its window; before the
 * promised flush either old or new, after it only new. Nothing is excused that does not count one of
 * enum ref_legal.
 */
#include "ref.h"

#include <stddef.h>
#include <string.h>

#define REF_MAX_FOLIOS 32

const struct ref_version ref_never_mapped = {
	.gone_from = REF_NEVER,
	.gone = REF_NEVER,
	.dead = REF_NEVER,
};

void ref_note(struct ref_mm *mm, enum ref_legal l)
{
	mm->legal[l]++;
}

void ref_reset(struct ref_mm *mm, unsigned cont)
{
	mm->cont = cont;
	mm->cont_bits = (unsigned)__builtin_ctz(cont);
	mm->npages = REF_BLOCKS * cont;
	mm->now = 0;
	memset(mm->section, 0, sizeof(mm->section));
	memset(mm->held_since, 0, sizeof(mm->held_since));
	memset(mm->open, 0, sizeof(mm->open));
	memset(mm->block, 0, sizeof(mm->block));
	memset(mm->present, 0, sizeof(mm->present));
	memset(mm->used, 0, sizeof(mm->used));
	memset(mm->changed, 0, sizeof(mm->changed));
	if (++mm->gen == 0) {
		memset(mm->page, 0, sizeof(mm->page));
		mm->gen = 1;
	}
}

static struct ref_page *page_of(struct ref_mm *mm, unsigned page)
{
	struct ref_page *pg = &mm->page[page];

	if (pg->gen != mm->gen) {
		*pg = (struct ref_page){.gen = mm->gen, .n = 1};
		mm->ring[page][0] = ref_never_mapped;
	}
	return pg;
}

static struct ref_version *head_of(struct ref_mm *mm, unsigned page)
{
	return &mm->ring[page][page_of(mm, page)->head];
}

/* The i-th version back from the head; i < n. */
static struct ref_version *version_back(struct ref_mm *mm, unsigned page, unsigned i)
{
	return &mm->ring[page][(mm->page[page].head + REF_RING - i) % REF_RING];
}

/* Does hardware translate with it? */
static bool is_mapped(const struct ref_val *v)
{
	return v->kind == REF_PRESENT && !v->protnone;
}

bool ref_lingers(const struct ref_mm *mm, unsigned page)
{
	const struct ref_page *pg = &mm->page[page];

	if (pg->gen != mm->gen)
		return false;
	for (unsigned i = 1; i < pg->n; i++) {
		const struct ref_version *v = &mm->ring[page][(pg->head + REF_RING - i) % REF_RING];

		if (is_mapped(&v->val) && v->dead == REF_NEVER)
			return true;
	}
	return pg->lost;
}

bool ref_lingers_at(const struct ref_mm *mm, unsigned page, uint64_t pfn, uint32_t after)
{
	const struct ref_page *pg = &mm->page[page];

	if (pg->gen != mm->gen)
		return false;
	for (unsigned i = 1; i < pg->n; i++) {
		const struct ref_version *v = &mm->ring[page][(pg->head + REF_RING - i) % REF_RING];

		if (is_mapped(&v->val) && v->val.pfn == pfn && v->dead == REF_NEVER && v->born > after)
			return true;
	}
	return pg->lost;
}

bool ref_mapped_since(const struct ref_mm *mm, unsigned page, uint64_t pfn, uint32_t since)
{
	const struct ref_page *pg = &mm->page[page];

	for (unsigned i = 0; pg->gen == mm->gen && i < pg->n; i++) {
		const struct ref_version *v = &mm->ring[page][(pg->head + REF_RING - i) % REF_RING];

		if (v->val.kind == REF_PRESENT && v->val.pfn == pfn && v->gone > since)
			return true;
	}
	return pg->gen == mm->gen && pg->n == REF_RING;
}

static bool same_val(const struct ref_val *a, const struct ref_val *b)
{
	if (ref_val_equal(a, b))
		return true;
	if (a->kind != b->kind)
		return false;
	if (a->kind == REF_NONE)
		return true;
	if (a->pfn != b->pfn)
		return false;
	return a->kind == REF_PAYLOAD || (a->write == b->write && a->exec == b->exec && a->special == b->special &&
					  a->protnone == b->protnone);
}

/* Makes room for a new version at the head. */
static struct ref_version *push_version(struct ref_mm *mm, unsigned page)
{
	struct ref_page *pg = &mm->page[page]; /* somebody has asked for its head */

	if (pg->n == REF_RING) {
		const struct ref_version *oldest = version_back(mm, page, REF_RING - 1);

		if (is_mapped(&oldest->val) && oldest->dead == REF_NEVER) {
			pg->lost = true;
			ref_note(mm, REF_L_RING);
		}
	} else {
		pg->n++;
	}
	pg->head = (pg->head + 1) % REF_RING;
	return &mm->ring[page][pg->head];
}

static void ad_set(struct ref_ad *ad)
{
	ad->must = ad->may = true;
}

static void count_block(struct ref_mm *mm, unsigned page, unsigned from, unsigned to)
{
	struct ref_block *b = &mm->block[ref_block_of(mm, page)];
	const bool present = to == REF_PRESENT, used = to != REF_NONE;
	const unsigned w = page / 64, at = page % 64;

	if (!b->present && present)
		b->teardown = b->any_ad = false;
	b->present += present - (unsigned)(from == REF_PRESENT);
	mm->present[w] = (mm->present[w] & ~(1ull << at)) | (uint64_t)present << at;
	mm->used[w] = (mm->used[w] & ~(1ull << at)) | (uint64_t)used << at;
}

/* The page's next version, after `old`. */
static struct ref_version *replace(struct ref_mm *mm, const struct ref_op *op, unsigned page,
				   struct ref_version *old, const struct ref_val *val, bool keep_ad)
{
	static const struct ref_ad nothing;
	struct ref_version *v;

	old->gone_from = op->begin;
	old->gone_by = op->id;
	v = push_version(mm, page);
	v->val = *val;
	v->young = keep_ad ? old->young : nothing;
	v->dirty = keep_ad ? old->dirty : nothing;
	v->born = op->begin;
	v->gone_from = v->gone = v->dead = REF_NEVER;
	v->by = op->id;
	v->gone_by = v->dead_by = 0;
	return v;
}

void ref_target(struct ref_mm *mm, struct ref_op *op, unsigned page, const struct ref_val *val, bool keep_ad)
{
	struct ref_version *v = head_of(mm, page);

	ref_recheck(mm, page);
	if (v->val.kind != val->kind)
		count_block(mm, page, v->val.kind, val->kind);
	if (!keep_ad || !same_val(&v->val, val))
		v = replace(mm, op, page, v, val, keep_ad);
	if (val->kind == REF_PRESENT && (op->young | op->dirty)) {
		mm->block[ref_block_of(mm, page)].any_ad = true;
		if (op->young)
			ad_set(&v->young);
		if (op->dirty)
			ad_set(&v->dirty);
	}
}

/* A/D of one page may move to every present page of the same folio in its block (fold, unfold, hardware's
 * choice of the entry to update). */
static void spread_block(struct ref_mm *mm, unsigned block)
{
	unsigned lo = block * mm->cont, end = lo + mm->cont;
	uint32_t young = 0, dirty = 0; /* sets of folios */

	for (unsigned p = lo; (p = ref_next(mm->present, p, end)) < end; p++) {
		const struct ref_version *v = head_of(mm, p);

		young |= (uint32_t)v->young.may << v->val.folio % REF_MAX_FOLIOS;
		dirty |= (uint32_t)v->dirty.may << v->val.folio % REF_MAX_FOLIOS;
	}
	if (!(young | dirty))
		return;
	for (unsigned p = lo; (p = ref_next(mm->present, p, end)) < end; p++) {
		struct ref_version *v = head_of(mm, p);

		v->young.may |= young >> v->val.folio % REF_MAX_FOLIOS & 1;
		v->dirty.may |= dirty >> v->val.folio % REF_MAX_FOLIOS & 1;
	}
}

void ref_lock(struct ref_mm *mm, unsigned table)
{
	mm->held_since[table] = ++mm->now;
	mm->section[table]++;
}

void ref_unlock(struct ref_mm *mm, unsigned table)
{
	mm->now++;
	mm->held_since[table] = 0;
}

void ref_begin(struct ref_mm *mm, struct ref_op *op, ref_contract contract)
{
	const struct ref_version *v = ref_now(mm, op->page);
	const unsigned table = ref_table_of(mm, op->page);

	op->begin = ++mm->now;
	op->lo = op->page & ~(mm->cont - 1);
	op->hi = (op->page + op->nr + mm->cont - 1) & ~(mm->cont - 1);
	op->horizon = mm->held_since[table] ? mm->held_since[table] : op->begin;
	op->must_young = v->young.must;
	op->must_dirty = v->dirty.must;
	contract(mm, op);
	if (op->ret != REF_RET_LOCKLESS && !op->flushes) {
		mm->open[table] = op;
		if (!mm->held_since[table]) /* by itself: a section of one */
			mm->section[table]++;
	}
	if (op->changes && !op->removes)
		for (unsigned b = ref_block_of(mm, op->lo), end = ref_block_of(mm, op->hi); b < end; b++)
			if (mm->block[b].any_ad)
				spread_block(mm, b);
}

static struct ref_verdict verdict(const char *cls, const char *what, uint8_t debtor, unsigned page)
{
	return (struct ref_verdict){.cls = cls, .what = what, .debtor = debtor, .page = page};
}

static const struct ref_verdict explained;

/* How an entry differs from what it should be, or NULL. */
static const char *val_diff(const struct ref_val *want, const struct ref_val *got)
{
	if (want->kind != got->kind) {
		if (got->kind == REF_NONE)
			return "entry-lost";
		return want->kind == REF_NONE ? "entry-left" : "wrong-kind";
	}
	if (same_val(want, got))
		return NULL;
	if (want->kind == REF_PAYLOAD)
		return "wrong-payload";
	return want->pfn != got->pfn ? "wrong-pfn" : "wrong-permission";
}

struct bounds {
	bool must_young, may_young, must_dirty, may_dirty;
};

static bool ad_explained(const struct bounds *b, const struct ref_obs *o)
{
	return o->dirty >= b->must_dirty && o->dirty <= b->may_dirty && o->young >= b->must_young &&
	       o->young <= b->may_young;
}

static struct ref_verdict check_ad(const struct bounds *b, const struct ref_obs *o, uint8_t op, unsigned page)
{
	if (ad_explained(b, o))
		return explained;
	if (b->must_dirty && !o->dirty)
		return verdict("ad", "dirty-lost", op, page);
	if (o->dirty && !b->may_dirty)
		return verdict("ad", "dirty-invented", op, page);
	if (b->must_young && !o->young)
		return verdict("ad", "young-lost", op, page);
	return verdict("ad", "young-invented", op, page);
}

/* The version a return value speaks about: what was there before a removal, what is there otherwise. */
static const struct ref_version *subject(struct ref_mm *mm, const struct ref_op *op, unsigned page)
{
	const struct ref_page *pg = page_of(mm, page);

	return version_back(mm, page, op->removes && pg->n > 1 ? 1 : 0);
}

/* Hardware events inside a removal must have come before its last access; inside anything else they may count
 * before or after. */
static struct bounds bounds_of(const struct ref_version *v, bool removes)
{
	return (struct bounds){
		.must_young = v->young.must || (removes && v->young.ev_must),
		.may_young = v->young.may || v->young.ev,
		.must_dirty = v->dirty.must || (removes && v->dirty.ev_must),
		.may_dirty = v->dirty.may || v->dirty.ev,
	};
}

static struct ref_verdict end_entry(struct ref_mm *mm, const struct ref_op *op, const struct ref_obs *ret)
{
	const struct ref_version *first = subject(mm, op, op->page);
	struct bounds b = bounds_of(first, op->removes);
	const char *diff = val_diff(&first->val, &ret->val);

	if (diff)
		return verdict("value", diff, op->id, op->page);
	if (first->val.kind != REF_PRESENT)
		return explained;
	if (ret->dirty && !first->dirty.must)
		ref_note(mm, REF_L_SPREAD);
	for (unsigned i = 1; i < op->nr; i++) {
		struct bounds c = bounds_of(subject(mm, op, op->page + i), op->removes);

		b.must_young |= c.must_young;
		b.may_young |= c.may_young;
		b.must_dirty |= c.must_dirty;
		b.may_dirty |= c.may_dirty;
	}
	return check_ad(&b, ret, op->id, op->page);
}

/* Ageing may answer for the blocks' pages of the same folio; dirty is not its business. */
static struct ref_verdict end_young(struct ref_mm *mm, const struct ref_op *op, const struct ref_obs *ret)
{
	uint16_t folio = ref_now(mm, op->page)->val.folio;
	bool may = false;

	for (unsigned p = op->page; p < op->page + op->nr && !ret->young; p++)
		if (ref_now(mm, p)->young.must)
			return verdict("ad", "young-lost", op->id, p);
	for (unsigned p = op->lo; (p = ref_next(mm->present, p, op->hi)) < op->hi; p++) {
		const struct ref_version *q = ref_now(mm, p);

		may |= q->val.folio == folio && (q->young.may || q->young.ev);
	}
	if (ret->young && !may)
		return verdict("ad", "young-invented", op->id, op->page);
	return explained;
}

/* A/D of a version may be reported by a reader whose window began at `from`. */
static bool may_since(const struct ref_ad *ad, uint32_t from)
{
	return ad->may || ad->ev || ad->may_until >= from;
}

static bool writer_inside(const struct ref_mm *mm, const struct ref_op *op)
{
	const struct ref_op *w = mm->open[ref_table_of(mm, op->page)];

	return (w && w->lo < op->hi && op->lo < w->hi) ||
	       mm->block[ref_block_of(mm, op->page)].written >= op->horizon;
}

static struct ref_verdict end_lockless(struct ref_mm *mm, struct ref_op *op, const struct ref_obs *ret)
{
	struct ref_page *pg = page_of(mm, op->page);
	bool raced = writer_inside(mm, op), match = false, same_pfn = false;
	struct bounds b = {false, false, false, false};

	op->raced = raced;
	for (unsigned i = 0; i < pg->n; i++) {
		const struct ref_version *v = version_back(mm, op->page, i);

		if (v->gone < op->horizon)
			continue;
		match |= same_val(&v->val, &ret->val);
		if (v->val.kind != REF_PRESENT || v->val.pfn != ret->val.pfn)
			continue;
		same_pfn = true;
		b.may_young |= may_since(&v->young, op->horizon);
		b.may_dirty |= may_since(&v->dirty, op->horizon);
	}
	if (!match && ret->val.kind == REF_NONE && raced) {
		ref_note(mm, REF_L_TRANSIENT_NONE);
		return explained;
	}
	if (pg->n == REF_RING && version_back(mm, op->page, REF_RING - 1)->born > op->horizon) {
		ref_note(mm, REF_L_RING); /* what the reader met first is forgotten */
		if (!match)
			return explained;
		b.may_young = b.may_dirty = true;
	}
	if (!match)
		return verdict("value", same_pfn ? "wrong-permission" : "no-such-version", op->id, op->page);
	if (ret->val.kind != REF_PRESENT)
		return explained;
	b.must_young = op->must_young && !raced;
	b.must_dirty = op->must_dirty && !raced;
	if ((op->must_young && !ret->young) || (op->must_dirty && !ret->dirty))
		ref_note(mm, REF_L_UNDER_REPORT);
	return check_ad(&b, ret, op->id, op->page);
}

static void collect_one(struct ref_mm *mm, struct ref_ad *ad, bool requested, uint32_t section)
{
	if (!requested && ad->must)
		ref_note(mm, REF_L_WIDENED);
	ad->must = false;
	ad->loose = section;
	if (requested) {
		if (ad->may)
			ad->may_until = mm->now;
		ad->may = false;
	}
	ad->may |= ad->ev;
	ad->ev = ad->ev_must = false;
}

static void settle_one(struct ref_ad *ad)
{
	ad->must |= ad->ev_must;
	ad->may |= ad->ev;
	ad->ev = ad->ev_must = false;
}

static void settle_events(struct ref_mm *mm, const struct ref_op *op)
{
	const uint32_t section = mm->section[ref_table_of(mm, op->page)];
	uint16_t folio = ref_now(mm, op->page)->val.folio;

	if (!op->events && !op->collects_young && !op->collects_dirty)
		return;
	for (unsigned p = op->lo; (p = ref_next(mm->present, p, op->hi)) < op->hi; p++) {
		bool in = p >= op->page && p < op->page + op->nr;
		struct ref_version *v = head_of(mm, p);

		ref_recheck(mm, p);
		if (op->collects_young && (in || v->val.folio == folio))
			collect_one(mm, &v->young, in, section);
		if (op->collects_dirty && (in || v->val.folio == folio))
			collect_one(mm, &v->dirty, in, section);
		settle_one(&v->young);
		settle_one(&v->dirty);
	}
}

static void stamp_gone(struct ref_mm *mm, const struct ref_op *op)
{
	for (unsigned p = op->page, end = p + op->nr; p < end; p++) {
		struct ref_version *old;

		if (mm->page[p].gen != mm->gen || mm->page[p].n < 2)
			continue;
		old = version_back(mm, p, 1);
		if (old->gone == REF_NEVER)
			old->gone = mm->now;
	}
}

static void stamp_dead(struct ref_mm *mm, const struct ref_op *op)
{
	const uint32_t before = op->before ? op->before : op->begin;

	for (unsigned p = op->flush_lo; p < op->flush_hi; p++) {
		struct ref_page *pg = &mm->page[p];

		if (ref_in_teardown(mm, p)) {
			ref_note(mm, REF_L_TEARDOWN_FLUSH);
			continue;
		}
		if (pg->gen != mm->gen)
			continue;
		for (unsigned i = 1; i < pg->n; i++) {
			struct ref_version *v = version_back(mm, p, i);

			/* Replaced before this flush began, or by this very operation. */
			if (v->dead == REF_NEVER && v->gone_from >= op->since &&
			    (v->gone < before || v->gone_from == op->begin)) {
				v->dead = mm->now;
				v->dead_by = op->id;
			}
		}
		if (!op->since)
			pg->lost = false;
	}
}

struct ref_verdict ref_end(struct ref_mm *mm, struct ref_op *op, const struct ref_obs *ret)
{
	struct ref_verdict v = explained;

	mm->now++;
	if (op->ret == REF_RET_LOCKLESS)
		return ret ? end_lockless(mm, op, ret) : explained;
	if (ret && op->ret == REF_RET_ENTRY)
		v = end_entry(mm, op, ret);
	else if (ret && op->ret == REF_RET_YOUNG)
		v = end_young(mm, op, ret);
	if (op->changes)
		stamp_gone(mm, op);
	settle_events(mm, op);
	if (op->changes || op->collects_young || op->collects_dirty)
		for (unsigned b = ref_block_of(mm, op->lo), end = ref_block_of(mm, op->hi); b < end; b++)
			mm->block[b].written = mm->now;
	if (op->flush_hi > op->flush_lo)
		stamp_dead(mm, op);
	if (!op->flushes)
		mm->open[ref_table_of(mm, op->page)] = NULL;
	return v;
}

void ref_promise_flush(struct ref_mm *mm, uint8_t id, unsigned page, unsigned nr, uint32_t since, uint32_t before)
{
	const struct ref_op op = {.id = id,
				  .flush_lo = page,
				  .flush_hi = page + nr,
				  .since = since,
				  .before = before,
				  .begin = ++mm->now};

	stamp_dead(mm, &op);
}

struct ref_verdict ref_check_entry(struct ref_mm *mm, unsigned page, const struct ref_obs *o, uint8_t op)
{
	const struct ref_version *v = ref_now(mm, page);
	const char *diff = val_diff(&v->val, &o->val);
	struct bounds b;

	if (diff)
		return verdict("state", diff, op, page);
	if (v->val.kind != REF_PRESENT)
		return explained;
	b = bounds_of(v, false);
	return check_ad(&b, o, op, page);
}

static struct ref_verdict judge_ok(struct ref_mm *mm, struct ref_page *pg, unsigned page, bool write, uint64_t pfn,
				   bool cached)
{
	const struct ref_version *dead = NULL, *weak = NULL, *head = version_back(mm, page, 0);

	for (unsigned i = 0; i < pg->n; i++) {
		const struct ref_version *v = version_back(mm, page, i);

		if (!is_mapped(&v->val) || v->val.pfn != pfn)
			continue;
		if (write && !v->val.write) {
			weak = weak ? weak : v;
			continue;
		}
		if (v->dead == REF_NEVER) {
			if (i)
				ref_note(mm, REF_L_BEFORE_FLUSH);
			return explained;
		}
		dead = dead ? dead : v;
	}
	if (pg->lost)
		return explained;
	if (dead) /* A leftover is the flush's debt; a way still in the table is that of whoever replaced it. */
		return verdict("access", "stale-after-flush", cached ? dead->dead_by : dead->gone_by, page);
	if (weak)
		return verdict("access", "permission-gained", weak->by, page);
	return verdict("access", "wrong-pfn", head->by, page);
}

struct ref_verdict ref_access(struct ref_mm *mm, unsigned page, bool write, bool ok, uint64_t pfn, bool cached)
{
	struct ref_page *pg = page_of(mm, page);
	const struct ref_version *head = version_back(mm, page, 0);

	mm->now++;
	if (ok)
		return judge_ok(mm, pg, page, write, pfn, cached);
	if (is_mapped(&head->val) && (!write || head->val.write))
		ref_note(mm, REF_L_SPURIOUS_FAULT);
	return explained;
}

/* The version that a hardware record now belongs to: the present one, or the one being removed. */
static struct ref_version *recordable(struct ref_mm *mm, unsigned page)
{
	struct ref_version *v;

	if (ref_present(mm, page) && !head_of(mm, page)->val.protnone)
		return head_of(mm, page);
	if (mm->page[page].gen == mm->gen && mm->page[page].n > 1) {
		v = version_back(mm, page, 1);
		if (v->gone == REF_NEVER && is_mapped(&v->val))
			return v;
	}
	return NULL;
}

static struct ref_op *inside_open(const struct ref_mm *mm, unsigned page)
{
	struct ref_op *op = mm->open[ref_table_of(mm, page)];

	return op && page >= op->lo && page < op->hi ? op : NULL;
}

/*
 * A record made right after its kind was collected may still be undone by a store of the collecting operation
 * that is on its way: until the next section under the lock begins (which has seen this one released) or the
 * caller's flush is done [clear_young_dirty_ptes: "until the caller's flush stores may go unrecorded"].
 */
static void record_one(struct ref_mm *mm, struct ref_ad *ad, bool open, bool must, uint32_t section)
{
	if (must && ad->loose && ad->loose == section) {
		must = false;
		ref_note(mm, REF_L_IN_FLIGHT);
	}
	if (open) {
		ad->ev = true;
		ad->ev_must |= must;
	} else {
		ad->may = true;
		ad->must |= must;
	}
}

static void record(struct ref_mm *mm, unsigned page, bool young, bool dirty, bool must)
{
	const struct ref_version *self = recordable(mm, page);
	unsigned lo = page & ~(mm->cont - 1);
	struct ref_op *open = inside_open(mm, page);
	const uint32_t section = mm->section[ref_table_of(mm, page)];

	if (!self)
		return;
	mm->block[ref_block_of(mm, page)].any_ad = true;
	if (open)
		open->events = true;
	/* Outside an operation nothing is being removed: what maps nothing takes no record. */
	for (unsigned p = lo; p < lo + mm->cont; p++) {
		struct ref_version *v;

		if (!open && (p = ref_next(mm->present, p, lo + mm->cont)) == lo + mm->cont)
			break;
		v = recordable(mm, p);
		if (!v || v->val.folio != self->val.folio)
			continue;
		ref_recheck(mm, p);
		if (young)
			record_one(mm, &v->young, open, must && p == page, section);
		if (dirty)
			record_one(mm, &v->dirty, open, must && p == page, section);
	}
}

/* With the entry of the page on its way out, a cached translation serves an access after the entry was read for the
 * last time, and what the table shows is another page's of the block. */
void ref_recorded(struct ref_mm *mm, unsigned page, bool young, bool dirty, bool cached)
{
	const struct ref_op *open = inside_open(mm, page);

	mm->now++;
	if (young || dirty)
		record(mm, page, young, dirty, !(cached && open && open->removes));
}

void ref_speculated(struct ref_mm *mm, unsigned page)
{
	mm->now++;
	record(mm, page, true, false, false);
}
