/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's map as a whole: set-up, accesses, audit.
 *
 * Property: see kmap.h. The audit reads table memory without a step and visits only lines that something was written to.
 */
#include "kmap.h"

#include <string.h>

#include "callers.h"

struct kmap kmap;

/* What the last audit has found in a table that holds no others: pages from `base` on. */
static struct {
	uint64_t base, pages;
	bool known;
} found[HW_MAX_FRAMES];

/* Contiguous runs of level-2 blocks, by geometry: 16, 32, 32 as the architecture has them. */
static const uint8_t cont_pmd_bits[HW_NGEO] = {
	[HW_GEO_SMALL] = 2, [HW_GEO_4K] = 4, [HW_GEO_16K] = 5, [HW_GEO_64K] = 5};

#define PHYS_BASE (1ull << 36) /* of what the region maps: memory that nothing else knows */

enum ref_km_state kmap_state(bool ro, bool exec)
{
	if (exec)
		return ro ? REF_KM_RX : REF_KM_RWX;
	return ro ? REF_KM_RO : REF_KM_RW;
}

uint64_t kmap_prot(unsigned state)
{
	return PT_PRESENT | PT_KERNEL | (ref_km_writes(state) ? PT_WRITE : 0) | (ref_km_execs(state) ? PT_EXEC : 0);
}

/* FEAT_LPA2 with TCR_EL1.DS = 1 comes with level -1, and makes addresses longer (DDI 0487 D8.2). */
static unsigned va_limit(unsigned levels)
{
	return levels == 5 ? 52 : 48;
}

/* What the program says, or the geometry's; as many as 48 bits of address have room for. A fifth level, -1, takes 52
 * bits, 4K pages and an implementation that knows their descriptors. */
static unsigned levels_of(const struct prog *p)
{
	const struct hw_geo *g = ex.geo;
	unsigned levels = g->levels;
	const bool five = g->page_shift == 12 && kmap.mmu->five_levels;

	for (unsigned i = 0; i < p->n; i++) {
		if (p->r[i].is_event || p->r[i].kind != OP_create_boot)
			continue;
		if (p->r[i].a & 7)
			levels = 1u + (p->r[i].a & 7);
		break;
	}
	if (levels > 4)
		levels = five ? 5 : 4;
	while (g->page_shift + (levels - 1) * g->table_bits >= va_limit(levels))
		levels--;
	return levels;
}

/* Entries of the top table that addresses reach. */
static unsigned top_entries(unsigned levels)
{
	const unsigned shift = ex.geo->page_shift + (levels - 1) * ex.geo->table_bits;

	return 1u << (shift + ex.geo->table_bits > va_limit(levels) ? va_limit(levels) - shift
								    : ex.geo->table_bits);
}

/* Tables that lead to the fixmap: the last entry of the top table, then the first of each. */
static void build_fixmap(unsigned levels)
{
	const unsigned bits = ex.geo->table_bits;
	uint64_t *t = kmap.env.pgdir;
	unsigned slot = top_entries(levels) - 1;

	for (int l = 4 - (int)levels; l < 3; l++, slot = 0) {
		uint64_t *next = hw_setup_table(l + 1);

		hw_setup_write(t + slot, hw_table_pa(next) | HW_D_TABLE | HW_D_VALID);
		t = next;
	}
	kmap.env.fixmap_ptep = t;
	kmap.env.fixmap_va =
		kmap.va + ((uint64_t)(top_entries(levels) - 1) << (ex.geo->page_shift + (levels - 1) * bits));
	hw_alias_setup(kmap.env.fixmap_va, t);
}

/* With four levels the region lies across an entry of the top table, if there are enough; elsewhere it begins at one.
 * With five it lies across one of the top table and, behind that, two of level 0. */
static void choose_region(unsigned levels)
{
	const unsigned bits = ex.geo->table_bits;
	const uint64_t top = 1ull << ((levels - 1) * bits), pud = 1ull << (2 * bits), p4d = pud << bits;

	kmap.first = levels == 2	       ? 0
		     : levels == 3	       ? 2 * top
		     : top_entries(levels) > 4 ? 3 * top - 2 * pud
					       : 2 * pud;
	kmap.npages = levels == 2 ? 12 * top : levels == 3 ? 4 * top : levels == 4 ? 6 * pud : 3 * p4d;
	kmap.pfn = PHYS_BASE >> ex.geo->page_shift;
	kmap.unit[0] = 0;
	kmap.unit[1] = (uint8_t)kmap.env.cont_pte_bits;
	kmap.unit[2] = (uint8_t)bits;
	kmap.unit[3] = (uint8_t)(bits + kmap.env.cont_pmd_bits);
	kmap.unit[4] = (uint8_t)(levels == 2 ? kmap.unit[3] : 2 * bits);
}

void kmap_reset(void)
{
	const struct hw_geo *g = ex.geo;
	unsigned levels, va_bits;

	kmap.mmu = ex.impl->mmu;
	kmap.on = ex.half == A_KMAP;
	if (!kmap.on)
		return;
	levels = levels_of(ex.p);
	va_bits = g->page_shift + levels * g->table_bits;
	if (va_bits > va_limit(levels))
		va_bits = va_limit(levels);
	kmap.va = ~0ull << va_bits;
	kmap.last_cpu = 0;
	kmap.tables = 0;
	kmap.env = (struct pt_mmu_env){.page_shift = g->page_shift,
				       .table_bits = g->table_bits,
				       .levels = levels,
				       .va_bits = va_bits,
				       .lpa2 = levels == 5,
				       .cont_pte_bits = g->cont_bits,
				       .cont_pmd_bits = cont_pmd_bits[ex.p->h.geo],
				       .pgdir = hw_setup_table(4 - (int)levels)};
	hw_set_kernel_root(kmap.env.pgdir);
	build_fixmap(levels);
	choose_region(levels);
	memset(&kmap.req, 0, sizeof(kmap.req));
	kmap.req.page = kmap.first;
	kmap.req.nr = 1;
	memset(found, 0, sizeof(found));
	ref_km_reset(&kmap.ref, &(struct ref_km_geo){.levels = (uint8_t)levels,
						     .table_bits = g->table_bits,
						     .cont_pte_bits = g->cont_bits,
						     .cont_pmd_bits = cont_pmd_bits[ex.p->h.geo],
						     .pud_leaf = g->page_shift == 12});
	kmap.mmu->reset(&kmap.env);
}

uint64_t kmap_page_of(const struct rec *r)
{
	const unsigned unit = (r->a & 7) % KMAP_UNITS, at = r->a >> 3 & 7;
	const unsigned bits =
		at == KMAP_UNITS && kmap.env.levels == 5 ? 3 * ex.geo->table_bits : kmap.unit[at % KMAP_UNITS];
	const uint64_t page = ((uint64_t)r->block << bits) + ((uint64_t)r->off << kmap.unit[unit]);

	return kmap.first + page % kmap.npages;
}

void kmap_lock(void)
{
	struct ex_lock *l = &ex.lock[EX_LOCK_FIXMAP];

	while (l->owner >= 0 && !ex.stop)
		task_wait(EX_LOCK_FIXMAP, false);
	l->owner = (int8_t)(ex.cur - ex.task);
	if (kmap.last_cpu != hw.cpu)
		hw_do_drain(kmap.last_cpu, -1); /* what its last holder did has been released to us */
}

void kmap_unlock(void)
{
	ex.lock[EX_LOCK_FIXMAP].owner = EX_NOBODY;
	kmap.last_cpu = hw.cpu;
}

void kmap_verdict(const struct ref_verdict *v)
{
	if (!v->cls)
		return;
	ex_about(kmap_addr(v->page));
	ex_finding(v->cls, seam_name(v->debtor), v->what, "page %#llx of the kernel's half",
		   (unsigned long long)v->page);
}

void kmap_access(unsigned cpu, uint64_t page, enum ex_kuse use)
{
	static const char *const uses[] = {"reads", "writes", "fetches from"};
	const bool write = use == USE_WRITE, fetch = use == USE_FETCH;

	for (unsigned fresh = 0; fresh < 2; fresh++) {
		struct hw_access a = {
			.agent = (uint8_t)cpu, .write = write, .fetch = fetch, .priv = true, .fresh = fresh};
		struct ref_km_access k = {
			.cpu = (uint8_t)cpu, .page = page, .write = write, .fetch = fetch, .fresh = fresh};
		struct ref_verdict v = {.cls = NULL};
		enum ref_km_result r;

		a.va = kmap_addr(page);
		hw_do_access(&a);
		k.pfn = a.pa >> ex.geo->page_shift;
		k.fault = a.fault == HW_OK		    ? REF_KM_F_OK
			  : a.fault == HW_FAULT_TRANSLATION ? REF_KM_F_TRANSLATION
							    : REF_KM_F_OTHER;
		ex_observe((uint64_t)a.fault << 60 ^ a.pa);
		r = ref_km_access(&kmap.ref, &k, &v);
		if (ex.log)
			fprintf(ex.log, "    cpu%u %s page %#llx: %s\n", cpu, uses[use], (unsigned long long)page,
				hw_fault_str(a.fault));
		if (r == REF_KM_FINDING)
			kmap_verdict(&v);
		if (r != REF_KM_RETRY)
			return;
	}
}

/*
 * What the agent meets depends on which stores of the op have got through. One store gets through first: the oldest with
 * pick 1, the newest with more (entries of the kernel's map have no access flag to update, which pick is for elsewhere).
 */
static void drain_one(const struct rec *r)
{
	const unsigned n = hw_drainable(hw.cpu), pick = r->a >> 2 & 3;

	if (n && pick)
		hw_do_drain(hw.cpu, pick == 1 ? 0 : (int)n - 1);
}

bool kmap_event(const struct rec *r, unsigned agent)
{
	const uint8_t xlate = hw.cfg.xlate;
	uint64_t page;

	if (!ex.cur || !(op_descs[ex.cur->op.r->kind].args & A_KMAP))
		return false;
	if ((r->kind != EV_read && r->kind != EV_write) || agent >= HW_MAX_CPU)
		return r->kind == EV_age;
	page = kmap.req.page + kmap.req.nr * r->block / 3 + r->off;
	if (r->block == 3)
		page = kmap.req.page + kmap.req.nr - 1 + r->off;
	drain_one(r);
	if (r->a & 3)
		hw.cfg.xlate = (uint8_t)((r->a & 3) - 1);
	kmap_access(agent, kmap.first + (page - kmap.first) % kmap.npages, ex_kuse_of(r));
	hw.cfg.xlate = xlate;
	return true;
}

/* --- audit */

static uint8_t state_of(uint64_t desc)
{
	return (uint8_t)kmap_state((desc & HW_D_RDONLY) && !(desc & HW_D_DBM), !(desc & HW_D_PXN));
}

/* What a table or leaf descriptor leads to: with 52-bit addresses bits [51:50] lie in [9:8] (DDI 0487 D8.3.1). */
static uint64_t oa_of(uint64_t desc)
{
	return (desc & HW_D_OA) | (kmap.env.lpa2 ? (desc & 3ull << 48) | (desc & 3ull << 8) << 42 : 0);
}

static void describe(struct ref_km_leaf_obs *o, uint64_t page, uint64_t desc, int level)
{
	const unsigned bits = (unsigned)(3 - level) * ex.geo->table_bits;
	const uint64_t low = (1ull << (bits + ex.geo->page_shift)) - 1;

	o->page = page;
	o->pfn = (oa_of(desc) & ~low) >> ex.geo->page_shift;
	o->state = desc & HW_D_VALID ? state_of(desc) : REF_KM_INVALID;
	o->type = desc >> 2 & 7;
	o->leaf = (uint8_t)bits;
	o->cont = desc & HW_D_CONT;
}

static bool is_table(uint64_t desc, int level)
{
	return level < 3 && (desc & (HW_D_TABLE | HW_D_VALID)) == (HW_D_TABLE | HW_D_VALID);
}

uint64_t kmap_lookup(uint64_t page, uint64_t to, struct ref_km_leaf_obs *o)
{
	const uint64_t *t = kmap.env.pgdir;
	const unsigned last = (1u << ex.geo->table_bits) - 1;

	for (int level = 4 - (int)kmap.env.levels;; level++) {
		const unsigned bits = (unsigned)(3 - level) * ex.geo->table_bits;
		unsigned i = (unsigned)(page >> bits) & last;
		const uint64_t v = hw_peek(t + i), first = page >> bits << bits,
			       step = 1ull << bits << ex.geo->page_shift;
		uint64_t end = first + (1ull << bits), like = v + step;

		if (!v)
			return 0;
		if (is_table(v, level)) {
			t = hw_table_va(oa_of(v));
			if (!hw_in_table(t))
				return 0;
			continue;
		}
		describe(o, first, v, level);
		o->pfn += page - first;
		for (; end < to && i < last && hw_peek(t + ++i) == like; like += step)
			end += 1ull << bits;
		return end;
	}
}

struct audit {
	uint8_t id;
	bool all; /* every table is read */
	unsigned tables;
	uint64_t pages;
	/* An entry that was right: others of its level, up to page `to`, are if they lead as much further. */
	uint64_t page, to, entry;
	int level;
};

static void audit_entry(struct audit *a, uint64_t page, uint64_t v, int level)
{
	const struct ref_km_range *r;
	struct ref_km_leaf_obs o;
	const char *bad;

	describe(&o, page, v, level);
	bad = ref_km_check_leaf(&kmap.ref, &o);
	if (bad) {
		ex_about(kmap_addr(page));
		ex_finding("state", seam_name(a->id), bad, "page %#llx: level %d entry %#llx",
			   (unsigned long long)page, level, (unsigned long long)v);
	}
	a->pages += 1ull << o.leaf;
	r = ref_km_find(&kmap.ref, page);
	a->page = page;
	a->to = r ? r->hi : 0;
	a->entry = v;
	a->level = level;
}

static inline bool audit_alike(const struct audit *a, uint64_t page, uint64_t v, int level, uint64_t size)
{
	return level == a->level && page >= a->page && page + size <= a->to &&
	       v - a->entry == (page - a->page) << ex.geo->page_shift;
}

static void audit_table(struct audit *a, const uint64_t *t, int level, uint64_t base);

static void audit_below(struct audit *a, uint64_t page, uint64_t v, int level)
{
	const uint64_t *t = hw_table_va(oa_of(v));

	a->tables++;
	if (hw_in_table(t) && a->tables <= HW_MAX_FRAMES) {
		audit_table(a, t, level + 1, page);
		return;
	}
	ex_about(kmap_addr(page));
	ex_finding("lifetime", seam_name(a->id), "table-not-live", "level %d entry %#llx", level,
		   (unsigned long long)v);
}

/* Not of the region: the fixmap's entry, and what the region does not reach. */
static bool elsewhere(uint64_t page, uint64_t size)
{
	const uint64_t fixmap = (kmap.env.fixmap_va - kmap.va) >> ex.geo->page_shift;

	return page == fixmap || page + size <= kmap.first || page >= kmap.first + kmap.npages;
}

/*
 * As at the last audit: nobody has stored to it, and the request since then was about other addresses. What it says is as
 * specified, still.
 */
static bool audit_known(struct audit *a, const uint64_t *t, uint64_t base, uint64_t size)
{
	const unsigned frame = (unsigned)(hw_table_pa(t) >> HW_FRAME_SHIFT);
	const bool touched = hw_table_touched(t);

	if (touched || a->all || !found[frame].known || found[frame].base != base ||
	    (base < kmap.req.page + kmap.req.nr && kmap.req.page < base + size))
		return false;
	a->pages += found[frame].pages;
	return true;
}

static void audit_line(struct audit *a, const uint64_t *line, uint64_t page, int level, bool top)
{
	const uint64_t size = 1ull << (unsigned)(3 - level) * ex.geo->table_bits;

	for (unsigned k = 0; k < 8 && !ex.stop; k++, page += size) {
		const uint64_t v = line[k];

		if (!v || (top && elsewhere(page, size)))
			continue;
		if (is_table(v, level))
			audit_below(a, page, v, level);
		else if (audit_alike(a, page, v, level, size))
			a->pages += size;
		else
			audit_entry(a, page, v, level);
	}
}

static void audit_table(struct audit *a, const uint64_t *t, int level, uint64_t base)
{
	const unsigned n = 1u << ex.geo->table_bits, bits = (unsigned)(3 - level) * ex.geo->table_bits;
	const unsigned frame = (unsigned)(hw_table_pa(t) >> HW_FRAME_SHIFT), tables = a->tables;
	const uint64_t pages = a->pages;
	const bool top = t == kmap.env.pgdir;
	uint64_t buf[8];

	if (!top && audit_known(a, t, base, (uint64_t)n << bits))
		return;
	for (unsigned i = hw_next_entry(t, 0); i < n && !ex.stop; i = hw_next_entry(t, i + 8))
		audit_line(a, hw_view_run(t + i, 8, buf), base + ((uint64_t)i << bits), level, top);
	found[frame].base = base;
	found[frame].pages = a->pages - pages;
	found[frame].known = !top && a->tables == tables;
}

unsigned kmap_audit(uint8_t id, bool all)
{
	struct audit a = {.id = id, .all = all};

	audit_table(&a, kmap.env.pgdir, 4 - (int)kmap.env.levels, 0);
	ex_observe(a.pages);
	if (!ex.stop && !kmap.ref.full &&
	    a.pages != ref_km_mapped(&kmap.ref, kmap.first, kmap.first + kmap.npages)) {
		ex_about(kmap_addr(kmap.req.page));
		ex_finding("state", seam_name(id), "not-mapped", "%#llx pages in the tables, %#llx specified",
			   (unsigned long long)a.pages,
			   (unsigned long long)ref_km_mapped(&kmap.ref, kmap.first, kmap.first + kmap.npages));
	}
	kmap.tables = a.tables;
	return a.tables;
}

void kmap_flush(uint64_t lo, uint64_t hi)
{
	ex.impl->flush_tlb_kernel_range(kmap_addr(lo), kmap_addr(hi));
	ref_km_flush(&kmap.ref, lo, hi);
}

/* Everything is quiescent: tables as specified, and the first and last page of each range translates so. */
void kmap_check_end(void)
{
	for (unsigned c = 0; c < ex.p->h.ncpu; c++)
		hw_do_drain(c, -1);
	kmap_audit(OP_create_map, true);
	for (unsigned i = 0; i < kmap.ref.n && !ex.stop; i++) {
		kmap_access(0, kmap.ref.r[i].lo, USE_READ);
		kmap_access(0, kmap.ref.r[i].hi - 1, ref_km_execs(kmap.ref.r[i].now) ? USE_FETCH : USE_READ);
	}
}
