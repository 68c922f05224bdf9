/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The linear map: set-up, accesses, audit.
 *
 * Property: see split.h. Table memory is part of what the map maps, so whoever loads or stores there needs its own map
 * to be whole; a CPU that has the kernel's half switched off needs the identity map.
 */
#include "callers.h"
#include "hw/tables.h"
#include "split.h"

#include <stdio.h>
#include <string.h>

struct linear lin;

#define D_SHARED (3ull << 8)
#define ARENA	 ((uint64_t)HW_MAX_FRAMES << HW_FRAME_SHIFT)
#define IDLE_MAX 256
#define LOOKS	 8 /* loads between two waits that still are nothing but waiting */

static unsigned bits(void)
{
	return ex.geo->table_bits;
}

static unsigned shift_of(unsigned level)
{
	return ex.geo->page_shift + (3 - level) * bits();
}

static unsigned index_of(uint64_t va, unsigned level)
{
	return (unsigned)((va & ((1ull << 48) - 1)) >> shift_of(level)) & ((1u << bits()) - 1);
}

/* Which CPUs lack FEAT_BBM level 2 the first repainting of the program says. */
void split_config(const struct prog *p, struct hw_config *cfg)
{
	lin.on = lin.lacks = false;
	for (unsigned i = 0; ex.half == A_SPLIT && i < p->n; i++) {
		if (p->r[i].is_event || p->r[i].kind != OP_repaint)
			continue;
		for (unsigned c = 1; c < HW_MAX_CPU && cfg->bbml == 3; c++)
			if (p->r[i].a >> (c - 1) & 1 && c < cfg->ncpu) {
				cfg->bbml_less[c] = (uint8_t)(1 + (p->r[i].a >> 3 & 3) % 3);
				lin.lacks = true;
			}
		return;
	}
}

/* --- set-up: no steps */

static uint64_t desc_of(uint64_t pa, unsigned level, uint8_t state, bool cont)
{
	uint64_t v = pa | D_SHARED | HW_D_AF | HW_D_UXN;

	v |= level == 3 ? HW_D_TABLE : 0;
	v |= state & REF_KS_V ? HW_D_VALID : HW_D_NG;
	v |= state & REF_KS_W ? HW_D_DBM : HW_D_RDONLY;
	v |= state & REF_KS_X ? 0 : HW_D_PXN;
	return v | (cont ? HW_D_CONT : 0);
}

uint8_t lin_state(uint64_t desc)
{
	return (uint8_t)((desc & HW_D_VALID ? REF_KS_V : 0) |
			 (!(desc & HW_D_RDONLY) || desc & HW_D_DBM ? REF_KS_W : 0) |
			 (desc & HW_D_PXN ? 0 : REF_KS_X));
}

static uint64_t *setup_slot(uint64_t *root, uint64_t va, unsigned level)
{
	uint64_t *t = root;

	for (unsigned l = 4u - ex.geo->levels; l < level; l++) {
		uint64_t *p = t + index_of(va, l), v = hw_peek(p);

		if (!v) {
			v = hw_table_pa(hw_setup_table(l + 1)) | HW_D_TABLE | HW_D_VALID;
			hw_setup_write(p, v);
		}
		t = hw_table_va(v & HW_D_OA & ~((1ull << ex.geo->page_shift) - 1));
	}
	return t + index_of(va, level);
}

/* n leaves of a level from va on. Where the map is made of pages, as many pages as fit into 8 runs. */
static void setup_map(uint64_t va, uint64_t pa, unsigned level, unsigned n, uint8_t state, bool cont)
{
	const unsigned shift = shift_of(level);
	uint64_t page = lin_page(va), size = (uint64_t)n << (shift - ex.geo->page_shift);

	ref_ks_map(&lin.ref, page, page + size, pa >> ex.geo->page_shift, state);
	for (unsigned i = 0; i < n; i++)
		hw_setup_write(setup_slot(lin.env.pgdir, va + ((uint64_t)i << shift), level),
			       desc_of(pa + ((uint64_t)i << shift), level, state, cont));
}

static void place(enum split_spot s, uint64_t va, uint64_t n, bool linear, bool memory)
{
	lin.spot[s] = (struct split_place){.va = va, .n = n, .linear = linear, .memory = memory};
}

/* A linear spot of `n` leaves; by pages where large leaves may not be used. */
static void spot_linear(enum split_spot s, uint64_t pa, unsigned level, unsigned n, uint8_t state, bool cont,
			bool memory)
{
	uint64_t pages = (uint64_t)n << ((3 - level) * bits());

	if (lin.env.force_pte) {
		if (pages > 8 * ex.cont)
			pages = 8 * ex.cont;
		setup_map(lin.env.page_offset + pa, pa, 3, (unsigned)pages, state, false);
	} else {
		setup_map(lin.env.page_offset + pa, pa, level, n, state, cont);
	}
	place(s, lin.env.page_offset + pa, pages, true, memory);
}

static void setup_pages(uint64_t pa)
{
	const unsigned page = ex.geo->page_shift, c = ex.cont;
	const bool run = !lin.env.force_pte;
	const uint8_t rw = REF_KS_V | REF_KS_W;

	spot_linear(SPOT_RUN3, pa, 3, 2 * c, rw, run, true);
	spot_linear(SPOT_RUN3_RO, pa + ((uint64_t)(2 * c) << page), 3, c, REF_KS_V, run, true);
	spot_linear(SPOT_PAGES, pa + ((uint64_t)(3 * c) << page), 3, c / 2, rw, false, true);
	spot_linear(SPOT_PAGES_INVALID, pa + (((uint64_t)(3 * c) + c / 2) << page), 3, c / 2 - 1, REF_KS_W, false,
		    true);
	lin.env.flag_pa = pa + ((uint64_t)(4 * c - 1) << page);
	setup_map(lin.env.page_offset + lin.env.flag_pa, lin.env.flag_pa, 3, 1, rw, false);
	lin.flag_va = lin.env.page_offset + lin.env.flag_pa;
	lin.env.kfence.start = lin.spot[SPOT_PAGES].va;
	lin.env.kfence.end = lin.env.kfence.start + (lin.spot[SPOT_PAGES].n << page);
}

/*
 * One table of level 2: a contiguous run, blocks, a table of pages, the alias of text. In large geometries the run is
 * not memory to repaint: it would take as many tables as it has blocks.
 */
static void setup_linear(uint64_t pa, uint64_t arena)
{
	const unsigned c2 = 1u << ex.geo->cont2_bits, small = ex.geo->table_bits < 8;
	const uint64_t block = 1ull << shift_of(2);
	const uint8_t rw = REF_KS_V | REF_KS_W;
	uint64_t at = small ? pa + c2 * block : pa;

	lin.env.mem[lin.env.nmem++] = (struct pt_mem_range){0, arena};
	spot_linear(SPOT_RUN2, small ? pa : pa + c2 * block, 2, c2, rw, true, small);
	lin.env.mem[lin.env.nmem].start = pa;
	spot_linear(SPOT_BLOCK, at, 2, 1, rw, false, true);
	spot_linear(SPOT_BLOCK_RO, at + block, 2, 1, REF_KS_V, false, true);
	lin.env.text = (struct pt_mem_range){at + 2 * block, at + 3 * block};
	spot_linear(SPOT_TEXT, at + 2 * block, 2, 1, REF_KS_V, false, true);
	spot_linear(SPOT_BLOCK_INVALID, at + 3 * block, 2, 1, REF_KS_W, false, true);
	setup_pages(at + 4 * block);
	lin.env.mem[lin.env.nmem++].end = at + 5 * block;
	place(SPOT_HOLE, lin.env.page_offset + at + 5 * block, 4 * ex.cont, true, false);
	at = (pa | ((1ull << shift_of(1)) - 1)) + 1;
	if (ex.geo->page_shift == 12 && !lin.env.force_pte)
		spot_linear(SPOT_PUD, at, 1, 1, rw, false, false);
	else
		lin.spot[SPOT_PUD] = lin.spot[SPOT_RUN2];
}

static void setup_areas(uint64_t va)
{
	const uint64_t page = 1ull << ex.geo->page_shift, block = 1ull << shift_of(2);
	const uint8_t rw = REF_KS_V | REF_KS_W;
	struct pt_vm_area *a = lin.env.area;

	a[0] = (struct pt_vm_area){.start = va, .end = va + 2 * ex.cont * page};
	a[0].phys = lin.spot[SPOT_BLOCK].va - lin.env.page_offset + (ex.cont + 1) * page;
	a[1] = (struct pt_vm_area){.start = va + block, .end = va + 2 * block, .huge = true};
	a[1].phys = lin.spot[SPOT_RUN2].va - lin.env.page_offset;
	setup_map(a[0].start, a[0].phys, 3, 2 * ex.cont, rw, false);
	setup_map(a[1].start, a[1].phys, 2, 1, rw, false);
	place(SPOT_VM, a[0].start, 2 * ex.cont, false, false);
	place(SPOT_VM_HUGE, a[1].start, block / page, false, false);
	for (unsigned i = 0; i < PT_VM_AREAS; i++)
		lin.area[i] = (struct ref_ks_area){lin_page(a[i].start), lin_page(a[i].end),
						   lin_page(lin.env.page_offset + a[i].phys), a[i].huge};
	va += 4 * block;
	for (unsigned t = 0; t < 2; t++)
		setup_map(va + t * block, 0x5a0000000000ull + t * block, 3, ex.cont, rw, false);
	place(SPOT_WALK, va, (2 * block) / page, false, false);
	lin.walk_pmdp = setup_slot(lin.env.pgdir, va, 2);
}

/* The page of the code that waits, and no other; the implementation adds the flag. */
static void setup_idmap(void)
{
	uint64_t *root = hw_setup_table(4u - ex.geo->levels);
	const uint64_t text = lin.env.flag_pa ^ (1ull << ex.geo->page_shift);

	hw_setup_write(setup_slot(root, text, 3), desc_of(text, 3, REF_KS_V | REF_KS_X, false));
	lin.env.idmap = root;
	lin.env.idmap_asid = 0;
	lin.env.idmap_flag_ptep = setup_slot(root, lin.env.flag_pa, 3);
}

/* Physical memory at `pa`, the vmalloc space: far from each other and from everything else, by geometry. */
static const struct {
	uint64_t base, vmalloc, pa, arena;
} layout[HW_NGEO] = {
	[HW_GEO_SMALL] = {8ull << 20, 14ull << 20, 4ull << 20, 1ull << 20},
	[HW_GEO_4K] = {1ull << 39, 1ull << 40, 1ull << 37, ARENA},
	[HW_GEO_16K] = {1ull << 47, 3ull << 46, 1ull << 37, 1ull << 25},
	[HW_GEO_64K] = {1ull << 44, 1ull << 45, 1ull << 37, 1ull << 29},
};

static void on_relax(const char *fn, int line)
{
	(void)line;
	lin_wait(fn);
}

static void on_rcu(bool reading)
{
	if (ex.cur)
		ex.cur->op.rcu = reading;
}

/* What has been set up is what there is. */
static void note_tables(void)
{
	uint64_t va;
	unsigned level;

	lin.touched[0] = lin.touched[1] = lin.known[0] = lin.known[1] = lin.other[0] = lin.other[1] = 0;
	for (unsigned i = 1; i < HW_MAX_FRAMES; i++)
		if (hw_in_table(hw_table_va((uint64_t)i << HW_FRAME_SHIFT)))
			lin.other[i / 64] |= 1ull << (i % 64);
	for (unsigned i = 1; i < HW_MAX_FRAMES; i++)
		if (hw_table_where(i, &va, &level)) {
			lin.known[i / 64] |= 1ull << (i % 64);
			lin.other[i / 64] &= ~(1ull << (i % 64));
		}
}

void split_reset(void)
{
	const struct hw_geo *g = ex.geo;
	const unsigned va_bits = g->page_shift + g->levels * g->table_bits, id = ex.p->h.geo;
	const uint64_t half = ~0ull << (va_bits < 48 ? va_bits : 48);

	lin.impl = ex.impl->split;
	lin.on = ex.half == A_SPLIT;
	hw_on_relax = on_relax;
	hw_on_rcu = on_rcu;
	if (!lin.on)
		return;
	lin.repainting = lin.repainted = lin.dead = lin.exclusive = false;
	lin.mutex = lin.ptl = 0;
	lin.flag = 1;
	lin.idle = lin.walk_changes = 0;
	memset(lin.busy, 0, sizeof(lin.busy));
	memset(lin.rox, 0, sizeof(lin.rox));
	lin.noted = ~0u;
	memset(lin.since, 0, sizeof(lin.since));
	lin.stored = NULL;
	lin.env = (struct pt_split_env){.page_shift = g->page_shift,
					.table_bits = g->table_bits,
					.levels = g->levels,
					.cont_pte_bits = g->cont_bits,
					.cont_pmd_bits = g->cont2_bits,
					.ncpu = ex.p->h.ncpu,
					.pgdir = hw_setup_table(4u - g->levels),
					.page_offset = half + layout[id].base,
					.force_pte = ex.p->h.bbml < 3,
					.rodata_full = true,
					.mutex = &lin.mutex,
					.flag = &lin.flag};
	lin.base = lin.env.page_offset;
	lin.half = half;
	ref_km_reset(&lin.ref, &(struct ref_km_geo){.levels = g->levels, .table_bits = g->table_bits});
	hw_set_kernel_root(lin.env.pgdir);
	if (id == HW_GEO_SMALL)
		spot_linear(SPOT_TABLES, 0, lin.env.force_pte ? 2 : 1, lin.env.force_pte ? 16 : 1,
			    REF_KS_V | REF_KS_W, false, true);
	else
		spot_linear(SPOT_TABLES, 0, 2, (unsigned)(layout[id].arena >> shift_of(2)), REF_KS_V | REF_KS_W,
			    false, true);
	setup_linear(layout[id].pa, layout[id].arena);
	setup_areas(half + layout[id].vmalloc);
	setup_idmap();
	note_tables();
	lin.at = (struct split_range){0, 1};
	lin.impl->reset(&lin.env);
}

/* --- reading the tables, without a step */

static const uint64_t *slot_of(uint64_t va, unsigned *level, uint64_t *desc)
{
	const uint64_t *t = lin.env.pgdir;

	for (*level = 4u - ex.geo->levels;; ++*level) {
		const uint64_t *p = t + index_of(va, *level), v = *desc = hw_peek(p);

		if (*level == 3 || !v || (v & 3) != 3)
			return p;
		t = hw_table_va(v & HW_D_OA & ~((1ull << ex.geo->page_shift) - 1));
	}
}

int lin_leaf(uint64_t va, uint64_t *desc)
{
	unsigned level;

	slot_of(va, &level, desc);
	return *desc ? (int)level : -1;
}

uint64_t lin_not_pages(uint64_t page, uint64_t end)
{
	while (page < end) {
		unsigned level, left;
		uint64_t desc;
		const uint64_t *p = slot_of(lin_va(page), &level, &desc);

		if (desc && (level < 3 || desc & HW_D_CONT))
			break;
		left = level < 3 ? 1 : (1u << bits()) - index_of(lin_va(page), 3);
		for (page++, p++; --left && page < end && !(hw_peek(p) & HW_D_CONT); page++)
			p++;
	}
	return page;
}

/* log2 of the bytes that the leaf or run at va translates; nothing: 0. */
static unsigned leaf_shift(uint64_t va)
{
	uint64_t desc;
	const int level = lin_leaf(va, &desc);
	unsigned shift;

	if (level < 0)
		return 0;
	shift = shift_of((unsigned)level);
	if (desc & HW_D_CONT)
		shift += level == 3 ? ex.geo->cont_bits : ex.geo->cont2_bits;
	return shift;
}

uint64_t lin_leaf_start(uint64_t va)
{
	return va & ~((1ull << leaf_shift(va)) - 1);
}

uint64_t lin_leaf_end(uint64_t va)
{
	const unsigned shift = leaf_shift(va);

	return shift ? lin_leaf_start(va) + (1ull << shift) : va + (1ull << ex.geo->page_shift);
}

/* Who works on the map now. */
static const char *debtor(unsigned id)
{
	if (ex.cur && op_descs[ex.cur->op.r->kind].args & A_SPLIT)
		return op_descs[ex.cur->op.r->kind].name;
	for (unsigned i = 0; i < HW_MAX_CPU; i++)
		if (exec_is_active(i) && ex.task[i].op.watched)
			return op_descs[ex.task[i].op.r->kind].name;
	return op_descs[id].name;
}

static void check_entry(uint64_t va, unsigned level, uint64_t v, unsigned id)
{
	const unsigned shift = ex.geo->page_shift;
	const uint64_t page = lin_page(va), n = 1ull << (shift_of(level) - shift);
	const struct ref_km_range *r;
	const char *what;

	if (v && (level == 3 || (v & 3) != 3)) {
		what = ref_ks_check(&lin.ref, page, n, (v & HW_D_OA & ~((1ull << shift) - 1)) >> shift,
				    lin_state(v));
	} else {
		r = v ? NULL : ref_km_above(&lin.ref, page);
		what = r && r->lo < page + n && !ref_ks_may_be_gone(r) ? "entry-lost" : NULL;
	}
	if (what) {
		ex_about(va);
		ex_finding(!strcmp(what, "writable-and-executable") ? "context" : "state", op_descs[id].name, what,
			   "kernel address %#llx: the level %u entry is %#llx", (unsigned long long)va, level,
			   (unsigned long long)v);
	}
}

/* Runs of a table made by a split that could have the contiguous bit, and have not: one at each boundary may. */
static void check_runs(const uint64_t *t, uint64_t va, unsigned level, unsigned id)
{
	const unsigned run = 1u << (level == 3 ? ex.geo->cont_bits : ex.geo->cont2_bits);
	unsigned without = 0;

	for (unsigned i = 0; i < 1u << bits(); i += run) {
		const uint64_t v = hw_peek(t + i);

		without += (v & HW_D_VALID) && !(v & HW_D_CONT) && (level == 3 || (v & 3) == 1);
	}
	if (without <= 2u + lin.exclusive || id != OP_split)
		return;
	ex_about(va);
	ex_finding("cost", op_descs[id].name, "cont-lost", "%u runs of the new level %u table are not contiguous",
		   without, level);
}

/* What an audit of one table has found right, and what is therefore right without another look. */
struct audit {
	uint64_t va, entry; /* a leaf; others up to `to` are right if they lead as much further */
	uint64_t to;
	uint64_t hole; /* up to here nothing need be */
	unsigned level, id;
};

static void audit_entry(struct audit *a, uint64_t va, uint64_t v)
{
	const uint64_t end = va + (1ull << shift_of(a->level));
	const struct ref_km_range *r;

	if (v ? va >= a->va && end <= a->to && v - a->entry == va - a->va : end <= a->hole)
		return;
	check_entry(va, a->level, v, a->id);
	r = ref_km_above(&lin.ref, lin_page(va));
	if (!v) {
		a->hole = !r ? ~0ull : r->lo > lin_page(va) ? lin_va(r->lo) : 0;
	} else if (a->level == 3 || (v & 3) != 3) {
		a->va = va;
		a->entry = v;
		a->to = r && r->lo <= lin_page(va) ? lin_va(r->hi) : 0;
	}
}

static void audit_table(unsigned frame, uint64_t va, unsigned level, unsigned id)
{
	const uint64_t *t = hw_table_va((uint64_t)frame << HW_FRAME_SHIFT);
	struct audit a = {.level = level, .id = id};
	uint64_t buf[8];

	for (unsigned i = hw_next_entry(t, 0); i < 1u << bits() && !ex.stop; i = hw_next_entry(t, i + 8)) {
		const uint64_t *line = hw_view_run(t + i, 8, buf);

		for (unsigned k = 0; k < 8 && !ex.stop; k++) {
			if (line[k])
				ex_observe(line[k]);
			audit_entry(&a, va + ((uint64_t)(i + k) << shift_of(level)), line[k]);
		}
	}
}

static bool anyone_else(void)
{
	for (unsigned i = 0; i < HW_MAX_CPU; i++)
		if (&ex.task[i] != ex.cur && exec_is_active(i))
			return true;
	return false;
}

/* Tables that are there before an op on the map begins, and none of the map's: address spaces have theirs. */
void lin_note_others(void)
{
	if (anyone_else())
		return;
	lin.noted = ex.out->ops;
	for (unsigned i = 1; i < HW_MAX_FRAMES; i++) {
		const uint64_t bit = 1ull << (i % 64);

		if (!hw_in_table(hw_table_va((uint64_t)i << HW_FRAME_SHIFT)))
			lin.other[i / 64] &= ~bit;
		else if (!((lin.known[i / 64] | lin.touched[i / 64]) & bit))
			lin.other[i / 64] |= bit;
	}
}

/* Every table that was stored to, or is new if no other op can have made it. Nobody else is there: one that nothing reaches is lost. */
void lin_audit(unsigned id)
{
	uint64_t va;
	unsigned level;

	for (unsigned i = 1; i < HW_MAX_FRAMES && !ex.stop; i++) {
		const uint64_t bit = 1ull << (i % 64);

		if (!(lin.touched[i / 64] & bit) &&
		    (lin.noted != ex.out->ops || (lin.known[i / 64] | lin.other[i / 64]) & bit))
			continue;
		if (!hw_in_table(hw_table_va((uint64_t)i << HW_FRAME_SHIFT))) {
			lin.known[i / 64] &= ~bit;
			lin.touched[i / 64] &= ~bit;
			continue;
		}
		if (!hw_table_where(i, &va, &level)) {
			if (!anyone_else() && !(lin.other[i / 64] & bit))
				ex_finding("lifetime", op_descs[id].name, "leak",
					   "a table that nothing leads to is left");
			continue;
		}
		lin.touched[i / 64] &= ~bit;
		if (!(va >> 55 & 1))
			continue; /* of the identity map */
		va |= lin.half;
		audit_table(i, va, level, id);
		if (!(lin.known[i / 64] & bit) && level >= 2 && !ex.stop)
			check_runs(hw_table_va((uint64_t)i << HW_FRAME_SHIFT), va, level, id);
		lin.known[i / 64] |= bit;
	}
}

/* --- writable and executable */

static bool has_now(uint64_t va, unsigned bits)
{
	uint64_t desc;

	return lin_leaf(va, &desc) >= 0 && (lin_state(desc) & bits) == bits;
}

static void wx_finding(uint64_t va, const char *how)
{
	ex_about(va);
	ex_finding("context", op_descs[OP_set_memory].name, "writable-and-executable", "kernel address %#llx: %s",
		   (unsigned long long)va, how);
}

/* Page i of what the task makes executable is, and can be written by another address, or by what a TLB holds. */
static void wx_alias(const struct split_range *own, uint64_t page)
{
	const uint64_t i = page - own[0].lo;

	if (own[1].hi && has_now(lin_va(own[0].lo + i), REF_KS_V | REF_KS_X) &&
	    has_now(lin_va(own[1].lo + i), REF_KS_V | REF_KS_W))
		wx_finding(lin_va(page), "executable, and writable by its linear alias");
}

/*
 * After each store to an entry: nothing is writable and executable that was not asked to be. What becomes executable by
 * set_memory_rox() is by then read-only at every address that it has (rodata_full).
 */
static void wx_store(void)
{
	const uint64_t *p = lin.stored;
	const unsigned frame = (unsigned)(hw_table_pa(p) >> HW_FRAME_SHIFT), by = lin.stored_by;
	const struct ref_km_range *r;
	uint64_t va, v;
	unsigned level, state;

	lin.stored = NULL;
	v = hw_peek(p);
	state = lin_state(v);
	if (!(state & REF_KS_X) || !(state & REF_KS_V) || !hw_in_table(p) || !hw_table_where(frame, &va, &level) ||
	    !(va >> 55 & 1) || (level < 3 && (v & 3) == 3))
		return;
	va = (va | lin.half) + ((hw_table_pa(p) & ((1u << HW_FRAME_SHIFT) - 1)) / sizeof(v) << shift_of(level));
	r = ref_km_find(&lin.ref, lin_page(va));
	if (state & REF_KS_W && (!r || !(r->now >> state & 1)))
		wx_finding(va, "one entry is both");
	if (lin.rox[by] && lin_page(va) >= lin.busy[by][0].lo && lin_page(va) < lin.busy[by][0].hi)
		wx_alias(lin.busy[by], lin_page(va));
}

/* A store that some translation has let through, at either address. */
static void wx_write(uint64_t page)
{
	for (unsigned i = 0; i < HW_MAX_CPU && !ex.stop; i++)
		for (unsigned k = 0; lin.rox[i] && k < 2; k++) {
			const struct split_range *own = lin.busy[i];

			if (page >= own[k].lo && page < own[k].hi &&
			    has_now(lin_va(own[0].lo + (page - own[k].lo)), REF_KS_V | REF_KS_X))
				wx_finding(lin_va(page), "executable, and still written through a TLB");
		}
}

/* --- accesses */

void lin_access(unsigned cpu, uint64_t va, enum ex_kuse use)
{
	static const char *const uses[] = {"reads", "writes", "fetches from"};
	const bool write = use == USE_WRITE, fetch = use == USE_FETCH;

	for (unsigned fresh = 0; fresh < 2; fresh++) {
		struct hw_access a = {.agent = (uint8_t)cpu,
				      .write = write,
				      .fetch = fetch,
				      .priv = true,
				      .fresh = fresh,
				      .va = va};
		struct ref_ks_access k = {
			.cpu = (uint8_t)cpu, .page = lin_page(va), .write = write, .fetch = fetch, .fresh = fresh};
		const char *what = NULL;
		enum ref_km_result r;

		hw_do_access(&a);
		k.pfn = a.pa >> ex.geo->page_shift;
		k.fault = a.fault == HW_OK		    ? REF_KM_F_OK
			  : a.fault == HW_FAULT_TRANSLATION ? REF_KM_F_TRANSLATION
							    : REF_KM_F_OTHER;
		ex_observe((uint64_t)a.fault << 60 ^ a.pa);
		r = ref_ks_access(&lin.ref, &k, &what);
		if (r == REF_KM_FINDING)
			ex_finding("access", debtor(OP_split), what, "cpu%u %s kernel address %#llx: %s, level %u",
				   cpu, uses[use], (unsigned long long)va, hw_fault_str(a.fault), a.level);
		if (r == REF_KM_EXPLAINED && write && a.fault == HW_OK)
			wx_write(k.page);
		if (r != REF_KM_RETRY)
			return;
		hw_do_context_sync(cpu); /* the exception */
		ref_km_sync(&lin.ref, cpu);
	}
}

/* The flag of the repainting, by whichever map this CPU has. */
static void flag_access(bool write, const char *fn)
{
	struct hw_access a = {.agent = hw.cpu, .write = write, .priv = true, .va = lin.env.flag_pa};

	if (!hw_ttbr1_reserved(hw.cpu)) {
		lin_access(hw.cpu, lin.flag_va, write ? USE_WRITE : USE_READ);
		return;
	}
	hw_do_access(&a);
	if (a.fault != HW_OK || a.pa != lin.env.flag_pa)
		ex_finding("access", fn, "flag-unreachable", "cpu%u: %s of the flag in the identity map: %s",
			   hw.cpu, write ? "write" : "read", hw_fault_str(a.fault));
}

static void step_table(enum hw_class cls, const void *p, const char *fn)
{
	const uint64_t pa = hw_table_pa(p);
	const unsigned frame = (unsigned)(pa >> HW_FRAME_SHIFT);

	if (cls != HW_C_LOAD || ++lin.since[ex.cur - ex.task] > LOOKS)
		lin.idle = 0;
	if (cls != HW_C_LOAD) {
		lin.stored = p;
		lin.stored_by = (uint8_t)(ex.cur - ex.task);
	}
	if (cls != HW_C_LOAD)
		lin.touched[frame / 64] |= 1ull << (frame % 64);
	else if (!hw_in_table(p))
		ex_finding("lifetime", fn, "freed-read", "a table that was freed, or no table, is read");
	if (!ex.stop && pa < lin.spot[SPOT_TABLES].n << ex.geo->page_shift)
		lin_access(hw.cpu, lin.env.page_offset + (pa & ~((1ull << ex.geo->page_shift) - 1)),
			   cls != HW_C_LOAD ? USE_WRITE : USE_READ);
}

static bool is_kernel_data(const void *p)
{
	return (uintptr_t)p - (uintptr_t)&ex < sizeof(ex) || (uintptr_t)p - (uintptr_t)&lin < sizeof(lin);
}

/* Between two steps of a CPU others may run: how often, the salts say. */
static bool preempts(void)
{
	const struct opctx *c = &ex.cur->op;
	uint64_t x = ((uint64_t)c->r->salt << 40) + ((uint64_t)ex.p->h.salt << 8) + ex.cur->cpu;

	x = (x + c->ord[HW_C_ANY] * 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
	return x >> 61 == 0;
}

void split_step(enum hw_class cls, const void *p, const char *fn)
{
	if (lin.stored)
		wx_store();
	if (cls == HW_C_LOAD || cls == HW_C_STORE || cls == HW_C_ATOMIC) {
		if (hw_table_pa(p) < ARENA) {
			step_table(cls, p, fn);
		} else if (p == &lin.flag) {
			flag_access(cls != HW_C_LOAD, fn);
		} else if (!is_kernel_data(p)) {
			ex_finding("lifetime", fn, "not-a-table", "what a leaf maps is taken for a table");
			hw_bug("wild access", fn, 0);
		}
	}
	if (cls == HW_C_STORE || cls == HW_C_BARRIER || cls == HW_C_TLBI || (cls == HW_C_ATOMIC && p == &lin.flag))
		lin.idle = 0;
	if (lin.repainting && !ex.stop && ex.cur->op.r->kind == OP_repaint && preempts())
		exec_spin();
}

/* Stores become visible in finite time; if then nobody does anything, nobody ever will. */
void lin_wait(const char *fn)
{
	lin.idle++;
	if (ex.cur)
		lin.since[ex.cur - ex.task] = 0;
	if (lin.idle % (IDLE_MAX / 4) == 0)
		for (unsigned c = 0; c < ex.p->h.ncpu; c++)
			hw_do_drain(c, -1);
	if (lin.idle > IDLE_MAX) {
		ex_finding("livelock", ex.cur ? op_descs[ex.cur->op.r->kind].name : fn, "no-progress",
			   "cpu%u waits in %s() for what no other will do", hw.cpu, fn);
		hw_bug("waits for ever", fn, 0);
	}
	exec_spin();
}

/* Where an event of the repainting goes: the first, the last, or another page of any spot. */
static uint64_t page_of_spot(const struct rec *r)
{
	const struct split_place *s = &lin.spot[(r->block * 4u + r->off) % SPOT_N];
	const uint64_t off[] = {0, s->n - 1, s->n / 2, r->salt % s->n};

	return lin_page(s->va) + off[r->salt & 3];
}

/* An event of an op on the map is an access of the map, near what the op works on. */
bool split_event(const struct rec *r, unsigned agent)
{
	const uint8_t xlate = hw.cfg.xlate;
	const struct split_range *alias;
	uint64_t page;

	if (!ex.cur || !(op_descs[ex.cur->op.r->kind].args & A_SPLIT))
		return false;
	if (r->kind == EV_sync && agent < HW_MAX_CPU) {
		ref_km_sync(&lin.ref, agent);
		return false;
	}
	if ((r->kind != EV_read && r->kind != EV_write) || agent >= HW_MAX_CPU)
		return r->kind == EV_age;
	alias = &lin.busy[ex.cur - ex.task][1];
	page = lin.at.lo + r->off;
	if (r->block == 1)
		page = lin.at.hi - 1 - (r->off < lin.at.hi - lin.at.lo ? r->off : 0);
	else if (r->block == 2)
		page = alias->hi ? alias->lo + r->off % (alias->hi - alias->lo) : lin.at.hi + r->off;
	else if (r->block == 3)
		page = lin.at.lo >= r->off + 1u ? lin.at.lo - 1 - r->off : 0;
	if (ex.cur->op.r->kind == OP_repaint)
		page = page_of_spot(r);
	if (r->a & 3)
		hw.cfg.xlate = (uint8_t)((r->a & 3) - 1);
	lin_access(agent, lin_va(page), ex_kuse_of(r));
	hw.cfg.xlate = xlate;
	return true;
}

void split_check_end(void)
{
	for (unsigned c = 0; c < ex.p->h.ncpu; c++) {
		hw_do_context_sync(c);
		ref_km_sync(&lin.ref, c);
	}
	lin_note_others();
	if (!lin.dead)
		lin_audit(OP_split);
	for (unsigned s = 0; s < SPOT_N && !ex.stop; s++) {
		hw_run_on(s % ex.p->h.ncpu);
		lin_access(s % ex.p->h.ncpu, lin.spot[s].va, USE_READ);
		if (!ex.stop)
			lin_access(s % ex.p->h.ncpu, lin.spot[s].va + ((lin.spot[s].n - 1) << ex.geo->page_shift),
				   s & 1 ? USE_FETCH : USE_READ);
	}
}
