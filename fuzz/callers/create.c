/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Creation of kernel mappings: requests to __create_pgd_mapping(), as map_mem(), create_mapping_noalloc() and
 * update_mapping_prot() make them, and requests that no caller may make.
 *
 * Property: whatever is asked for, what is served is exactly what the contract allows; what must be refused changes
 * nothing that was there; every slot is empty afterwards, no table is lost, and the design's budget is kept.
 */
#include "callers.h"
#include "kmap.h"

#define LEAVES_MAX 600 /* descriptors of a request: keeps an execution short */

/* One call under way. */
struct call {
	struct ref_km_req q;
	struct ref_km_fate fate;
	unsigned alloc, flags;
	/* before it */
	unsigned tables, live, ops, tops;
	struct cost_map_mark mark;
	bool alone; /* nobody else was inside an op */
};

static bool others_idle(void)
{
	for (unsigned i = 0; i < HW_MAX_CPU; i++)
		if (&ex.task[i] != ex.cur && ex.task[i].state != TASK_IDLE)
			return false;
	return true;
}

static unsigned tables_of(const struct ref_km_fate *f)
{
	return f->tables[0] + f->tables[1] + f->tables[2] + f->tables[3];
}

/* Shortens the request until it is short enough for an execution and for the frames there are. */
static void clip(struct ref_km_req *q, unsigned unit)
{
	const uint64_t end = kmap.first + kmap.npages;
	struct ref_km_fate f;

	if (q->nr > end - q->page)
		q->nr = end - q->page;
	for (;;) {
		f = ref_km_fate(&kmap.ref, q);
		if (q->nr == 1 || (f.leaves <= LEAVES_MAX && tables_of(&f) + hw_live_tables() + 8 <= HW_MAX_FRAMES))
			return;
		if (q->nr > 1ull << kmap.unit[unit])
			q->nr = (q->nr >> kmap.unit[unit] >> 1) << kmap.unit[unit];
		else if (unit)
			unit--, q->nr = q->nr > 8ull << kmap.unit[unit] ? 8ull << kmap.unit[unit] : q->nr;
		else
			q->nr = q->nr > 1 ? q->nr / 2 : 1;
		if (!q->nr)
			q->nr = 1;
	}
}

/* How much of the request the tables show as asked, from its start on. */
static uint64_t prefix(const struct ref_km_req *q)
{
	uint64_t p = q->page;
	const uint64_t end = q->page + q->nr;

	while (p < end) {
		struct ref_km_leaf_obs o;
		bool cont;
		const unsigned leaf = ref_km_leaf(&kmap.ref, q, p, &cont);
		const uint64_t to = p + ref_km_stretch(&kmap.ref, q, p, leaf, cont);

		while (p < to) {
			const uint64_t next = kmap_lookup(p, to, &o);

			if (!next || o.pfn != q->pfn + (p - q->page) || o.state != q->state || o.leaf != leaf ||
			    o.cont != cont)
				return p - q->page;
			p = next;
		}
	}
	return (p < end ? p : end) - q->page;
}

static void check_slots(uint8_t id)
{
	for (unsigned i = 0; i < FIX_NSLOTS; i++) {
		if (!hw_peek(kmap.env.fixmap_ptep + i))
			continue;
		ex_about(kmap.env.fixmap_va + ((uint64_t)i << ex.geo->page_shift));
		ex_finding("fixmap", seam_name(id), "slot-left", "slot %u still maps a table", i);
	}
}

/* Entries of the top table that the request sets, or whose block it changes: the others lead to tables already. */
static unsigned top_entries(const struct ref_km_req *q)
{
	const unsigned bits = (kmap.env.levels - 1) * ex.geo->table_bits;
	const uint64_t mask = (1ull << (kmap.env.va_bits - ex.geo->page_shift - bits)) - 1;
	unsigned n = 0;

	for (uint64_t i = q->page >> bits; i <= (q->page + q->nr - 1) >> bits; i++)
		n += (hw_peek(kmap.env.pgdir + (i & mask)) & 3) != 3;
	return n;
}

static void check_cost(const struct call *c, unsigned made)
{
	const struct pt_mmu_cost *cost = &kmap.mmu->cost;
	const struct cost_map_facts f = {
		.visited = tables_of(&c->fate),
		.made = made,
		.leaves = c->fate.leaves,
		.blocks = c->fate.blocks,
		.tops = c->tops,
		.map = cost->maps[c->alloc],
		.map_new = cost->maps_new[c->alloc],
		.clear_new = cost->clears_new,
	};

	cost_map_end(&c->mark, c->q.id, &f, false);
}

static void log_call(const struct call *c, int err, uint64_t done)
{
	static const char *const must[] = {"legal", "may be refused", "must be refused"};

	if (ex.log)
		fprintf(ex.log, "    pages [%#llx, %#llx) to %#llx: %s, returned %d, %#llx pages as asked\n",
			(unsigned long long)c->q.page, (unsigned long long)(c->q.page + c->q.nr),
			(unsigned long long)c->q.pfn, must[c->fate.must], err, (unsigned long long)done);
}

static int ask(const struct call *c)
{
	const unsigned shift = ex.geo->page_shift;
	const bool fails = hw.cfg.alloc_fails;
	int err;

	if (c->alloc == PT_ALLOC_EARLY || (kmap.mmu->dies & PT_DIES_NOMEM))
		hw.cfg.alloc_fails = false; /* boot memory does not run out */
	err = kmap.mmu->create_pgd_mapping(kmap.env.pgdir, c->q.pfn << shift, kmap_addr(c->q.page),
					   c->q.nr << shift, kmap_prot(c->q.state), c->alloc, c->flags);
	hw.cfg.alloc_fails = fails;
	return err;
}

/* Nobody may ask a kernel for what it answers with BUG(). Under the lock. */
static bool may_ask(struct call *c)
{
	c->fate = ref_km_fate(&kmap.ref, &c->q);
	return c->fate.must == REF_KM_SERVE || !(kmap.mmu->dies & PT_DIES_REFUSING);
}

static unsigned sort_of(unsigned leaf, bool cont)
{
	return feature_leaf(!leaf ? 3 : leaf == ex.geo->table_bits ? 2 : 1, cont);
}

/* For coverage: what is mapped at the page. */
static unsigned sort_there(uint64_t page)
{
	const struct ref_km_range *r = ref_km_find(&kmap.ref, page);

	if (!r || r->now == REF_KM_NONE)
		return 0;
	return r->now == REF_KM_INVALID ? 1 : sort_of(r->leaf, r->cont);
}

static void features_before(const struct call *c, unsigned there)
{
	const unsigned flags = c->q.no_block * 4u + c->q.no_cont * 2u + !c->q.may_allocate;
	bool cont;
	const unsigned leaf = ref_km_leaf(&kmap.ref, &c->q, c->q.page, &cont);

	ex_feature(FEATURE_SHAPE + (sort_of(leaf, cont) * FN_FLAGS + flags) * FN_LEAF + there);
}

static void features_after(const struct call *c, unsigned there, int err)
{
	const unsigned result = !err ? 0 : err == -PT_ENOMEM ? 1 : 2;

	ex_feature(FEATURE_CREATE + (there * FN_FATE + c->fate.must) * FN_RESULT + result);
}

/* The call, judged. Under the lock. Returns whether it was served. */
static bool create(struct call *c)
{
	const unsigned there = sort_there(c->q.page);
	struct ref_verdict v;
	unsigned tables;
	uint64_t done;
	int err;

	kmap.req = c->q;
	features_before(c, there);
	c->tables = kmap.tables;
	c->alone = others_idle();
	c->live = hw_live_tables();
	c->ops = ex.out->ops;
	c->tops = top_entries(&c->q);
	c->q.cpu = hw.cpu;
	ref_km_create_begin(&kmap.ref, &c->q);
	cost_map_begin(&c->mark);
	err = ask(c);
	if (ex.stop)
		return false;
	features_after(c, there, err);
	done = prefix(&c->q);
	ref_km_create_end(&kmap.ref, &c->q, err ? done : c->q.nr);
	log_call(c, err, done);
	ex_observe((uint64_t)(unsigned)err << 32 ^ done);
	if (!err && done != c->q.nr) /* says what is there instead */
		kmap_audit(c->q.id, false);
	if (ex.stop)
		return false;
	v = ref_km_create_judge(&c->fate, &c->q, err != 0, err == -PT_ENOMEM, done);
	kmap_verdict(&v);
	check_slots(c->q.id);
	if (ex.stop)
		return false;
	tables = kmap_audit(c->q.id, false);
	if (!c->alone || c->ops != ex.out->ops || ex.stop)
		return !err;
	if (hw_live_tables() - c->live != tables - c->tables)
		ex_finding("lifetime", seam_name(c->q.id), "table-leaked", "%u tables made, %u more linked",
			   hw_live_tables() - c->live, tables - c->tables);
	else if (!err)
		check_cost(c, tables - c->tables);
	return !err;
}

static unsigned flags_of(const struct ref_km_req *q)
{
	return (q->no_block ? PT_NO_BLOCK_MAPPINGS : 0) | (q->no_cont ? PT_NO_CONT_MAPPINGS : 0);
}

int run_create_boot(const struct rec *r, struct rec *eff)
{
	*eff = *r;
	return kmap.on ? 1 : -1;
}

int run_create_map(const struct rec *r, struct rec *eff)
{
	static const uint8_t shifted[4] = {KMAP_UNITS, 0, 1, 2};
	const unsigned unit = (r->a & 7) % KMAP_UNITS, shift = shifted[r->a >> 6];
	struct call c = {.alloc = r->b & 4 ? PT_ALLOC_EARLY : PT_ALLOC_LATE};
	struct ref_km_req *q = &c.q;
	bool asked;

	if (!kmap.on || !kmap.mmu->create_pgd_mapping)
		return -1;
	kmap_lock();
	*eff = *r;
	q->id = OP_create_map;
	q->page = kmap_page_of(r);
	q->nr = (uint64_t)(1 + (r->nr - 1) % 32) << kmap.unit[unit];
	q->pfn = kmap.pfn + (q->page - kmap.first) + (shift < KMAP_UNITS ? 1ull << kmap.unit[shift] : 0);
	q->state = (uint8_t)kmap_state(r->b & 8, r->b & 16);
	q->no_block = r->b & 1;
	q->no_cont = r->b & 2;
	q->may_allocate = true;
	clip(q, unit);
	c.flags = flags_of(q);
	asked = may_ask(&c);
	if (asked &&
	    hw_live_tables() + tables_of(&(struct ref_km_fate){.tables = {1, 1, 1, 1}}) + 4 < HW_MAX_FRAMES)
		create(&c);
	kmap_unlock();
	return asked;
}

/* What is mapped at or above the page, with the request that names its leaves. */
static bool find_leaves(struct ref_km_req *q, uint64_t page, uint64_t nr)
{
	const struct ref_km_range *r = ref_km_above(&kmap.ref, page);
	uint64_t size;

	if (!r && kmap.ref.n)
		r = &kmap.ref.r[kmap.ref.n - 1];
	if (!r)
		return false;
	size = 1ull << r->leaf;
	q->page = page > r->lo && page < r->hi ? page & ~(size - 1) : r->lo;
	q->nr = (nr + size - 1) & ~(size - 1);
	if (q->nr > r->hi - q->page)
		q->nr = r->hi - q->page;
	if (q->nr > (uint64_t)LEAVES_MAX << r->leaf)
		q->nr = (uint64_t)LEAVES_MAX << r->leaf;
	q->pfn = r->pfn + (q->page - r->lo);
	q->no_block = !r->leaf;
	q->no_cont = !r->cont;
	q->type = r->type;
	return true;
}

int run_create_perm(const struct rec *r, struct rec *eff)
{
	const unsigned unit = (r->a & 7) % KMAP_UNITS;
	struct call c = {.alloc = PT_ALLOC_NONE};
	bool asked;

	if (!kmap.on || !kmap.mmu->create_pgd_mapping)
		return -1;
	kmap_lock();
	*eff = *r;
	asked = find_leaves(&c.q, kmap_page_of(r), (uint64_t)r->nr << kmap.unit[unit]);
	c.q.id = OP_create_perm;
	c.q.state = (uint8_t)kmap_state(r->b & 8, r->b & 16);
	c.flags = flags_of(&c.q);
	if (!asked || !may_ask(&c)) {
		kmap_unlock();
		return 0;
	}
	create(&c);
	if (!ex.stop && !(r->b & 1))
		kmap_flush(c.q.page, c.q.page + c.q.nr);
	kmap_unlock();
	return 1;
}

int run_create_access(const struct rec *r, struct rec *eff)
{
	uint64_t page;
	const struct ref_km_range *k;

	if (!kmap.on)
		return -1;
	*eff = *r;
	page = kmap_page_of(r);
	k = ref_km_above(&kmap.ref, page);
	if (k && r->a >> 6)
		page = r->a >> 6 == 1 ? k->lo : r->a >> 6 == 2 ? k->hi - 1 : k->hi;
	if (page >= kmap.first + kmap.npages)
		page = kmap.first;
	if (r->b & 2) {
		hw_do_context_sync(hw.cpu);
		ref_km_sync(&kmap.ref, hw.cpu);
	}
	kmap_access(hw.cpu, page, r->b & 4 ? USE_FETCH : r->b & 1 ? USE_WRITE : USE_READ);
	return 1;
}
