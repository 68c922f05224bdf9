// SPDX-License-Identifier: GPL-2.0-only
/*
 * The built-in implementation, op by op, on the machine's table memory.
 *
 * Property: callers see one entry a page whatever is folded; a run folds exactly when one folio, alignment and
 * protection allow it; no access or dirty bit that hardware sets between any two steps is lost; invalidation
 * operands say what they mean.
 *
 * Pictures: one run a group, one character an entry, small geometry (runs of 4):
 *	.  none   m  marker   p  page   r  read-only page   C  in a folded run   R  the same, read-only
 * and below them what the descriptor itself records: y accessed, d dirty, b both, - neither.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../hw/hw.h"
#include "../impl/bug.h"
#include "../impl/opt_pte.h"
#include "../impl/seam.h"

#define I	impl_opt
#define ASID	0x42u
#define PFN	0x10000ull  /* folio of two runs */
#define SINGLES (PFN + 512) /* order-0 folios, one run of them */
#define RW	(PT_PRESENT | PT_WRITE)
#define RO	PT_PRESENT

static struct {
	uint64_t *pte, *pmd;
	uint64_t va;
	struct hw_trace log[16384];
	unsigned nlog;
	/* An update by hardware, or anything else, before the n-th step of a class. */
	void (*event)(void);
	enum hw_class event_class;
	unsigned event_at;
	uint64_t *slot;
	unsigned findings, unflushed;
} t;

static struct pt_folio folios[1 + 128];
static struct pt_mm mm, kernel;
static struct pt_task task;

static void on_trace(const struct hw_trace *r)
{
	assert_true(t.nlog < sizeof(t.log) / sizeof(t.log[0]));
	t.log[t.nlog++] = *r;
}

static void on_step(enum hw_class c, const void *p, const char *fn, int line)
{
	(void)p;
	assert_non_null(fn);
	assert_true(line > 0);
	if (t.event && (c == t.event_class || t.event_class == HW_C_ANY) && t.event_at-- == 1) {
		void (*event)(void) = t.event;

		t.event = NULL;
		event();
	}
}

static void on_finding(enum hw_finding f, const char *fn, int line)
{
	(void)f, (void)fn, (void)line;
	t.findings++;
}

static void start(enum hw_geo_id geo, bool ttl, bool range)
{
	struct hw_config cfg = {.geo = geo, .ncpu = 2, .ttl = ttl, .tlbirange = range, .bbml = 0};
	const struct hw_geo *g = &hw_geos[geo];
	unsigned ncont = 1u << g->cont_bits;
	struct pt_env env;
	uint64_t *table;

	for (unsigned i = 0; i < HW_MAX_AGENT; i++)
		cfg.update[i] = HW_UPD_AF_DIRTY;
	memset(&t, 0, sizeof(t));
	hw_reset(&cfg);
	hw.on_step = on_step;
	hw.on_finding = on_finding;
	hw.trace = on_trace;

	t.va = 1ull << (g->page_shift + g->table_bits);
	table = hw_setup_table(4 - g->levels);
	mm = (struct pt_mm){PT_MM_FIRST, ASID, table};
	kernel = (struct pt_mm){PT_MM_KERNEL, 0, table};
	for (unsigned level = 4 - g->levels; level < 3; level++) {
		unsigned index = level == 2 ? 1 : 0;
		uint64_t *next = hw_setup_table(level + 1);

		t.pmd = table + index;
		hw_setup_write(t.pmd, hw_table_pa(next) | PMD_TYPE_TABLE);
		table = next;
	}
	t.pte = table;
	for (unsigned i = 0; i < HW_MAX_AGENT; i++)
		hw_set_context(i, mm.root, ASID);
	memset(&task, 0, sizeof(task));
	hw_set_current(0, &task);
	hw_run_on(0);

	folios[0] = (struct pt_folio){PFN, g->cont_bits + 1u};
	for (unsigned i = 0; i < ncont; i++)
		folios[1 + i] = (struct pt_folio){SINGLES + i, 0};
	env.page_shift = g->page_shift;
	env.table_bits = g->table_bits;
	env.levels = g->levels;
	env.cont_bits = g->cont_bits;
	env.mm = &mm;
	env.kernel = &kernel;
	env.folios = folios;
	env.nfolios = 1 + ncont;
	I.reset(&env);
}

static void start_small(void)
{
	start(HW_GEO_SMALL, false, false);
}

static uint64_t va(unsigned page)
{
	return t.va + page * PAGE_SIZE;
}

static uint64_t raw(unsigned page)
{
	return hw_peek(t.pte + page);
}

static void set(unsigned page, uint64_t pfn, uint64_t flags, unsigned nr)
{
	I.set_ptes(&mm, va(page), t.pte + page, PT_MAKE(pfn, flags), nr);
}

/* Map run `block` of the folio folded, old and clean unless flags say so. */
static void set_run(unsigned block, uint64_t flags)
{
	unsigned n = CONT_PTES;

	set(block * n, PFN + block * n, flags, n);
	assert_true(raw(block * n) & PTE_CONT);
}

/* Hardware records a write (or an access) in descriptor `page`. */
static void hw_dirties(unsigned page)
{
	hw_setup_write(t.pte + page, (raw(page) | PTE_AF) & ~PTE_RDONLY);
}

static void hw_accesses(unsigned page)
{
	hw_setup_write(t.pte + page, raw(page) | PTE_AF);
}

static void expect(const char *shape, const char *state)
{
	unsigned page = 0;

	for (; *shape; shape++) {
		uint64_t d = raw(page);
		char s, a;

		if (*shape == '|') {
			if (state)
				state++;
			continue;
		}
		s = !d		    ? '.'
		    : !pte_valid(d) ? 'm'
		    : pte_cont(d)   ? (pte_write(d) ? 'C' : 'R')
		    : pte_write(d)  ? 'p'
				    : 'r';
		a = !pte_valid(d) ? '-' : pte_dirty(d) ? (pte_young(d) ? 'b' : 'd') : pte_young(d) ? 'y' : '-';
		if (s != *shape || (state && a != *state))
			fail_msg("entry %u is %c%c (%#llx), expected %c%c", page, s, a, (unsigned long long)d,
				 *shape, state ? *state : ' ');
		if (state)
			state++;
		page++;
	}
}

static void assert_run(unsigned block, bool folded)
{
	for (unsigned i = 0; i < CONT_PTES; i++) {
		uint64_t d = raw(block * CONT_PTES + i);

		assert_int_equal(pte_valid_cont(d), folded);
		if (pte_valid(d))
			assert_true(pte_pfn(d) - pte_pfn(raw(block * CONT_PTES)) == i);
	}
}

static void before(enum hw_class c, unsigned nth, void (*event)(void))
{
	t.event = event;
	t.event_class = c;
	t.event_at = nth;
}

static unsigned count(int kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t.nlog; i++)
		n += (int)t.log[i].kind == kind;
	return n;
}

#define FOR_GEOS(geo)	     for (enum hw_geo_id geo = 0; geo < HW_NGEO; geo++)
#define FOR_FEATS(f)	     for (unsigned f = 0; f < 4; f++)
#define assert_flag(v, f)    assert_int_equal(!!((v) & (f)), 1)
#define assert_no_flag(v, f) assert_int_equal(!!((v) & (f)), 0)

/* ---- descriptors ---- */

static void test_entries_round_trip(void **s)
{
	(void)s;
	FOR_GEOS(geo)
	{
		start(geo, false, false);
		for (unsigned f = 0; f < 256; f++) {
			uint64_t v = PT_MAKE(PFN + f, f | PT_PRESENT), d = I.entry_make(v);

			if (f & PT_KERNEL)
				v |= PT_YOUNG | PT_DIRTY;
			assert_int_equal(I.entry_read(d), v);
			assert_int_equal(d & 3, f & PT_PROTNONE ? 2 : 3);
			assert_no_flag(d, PTE_CONT);
			if (f & PT_KERNEL) {
				assert_no_flag(d, PTE_USER);
				assert_flag(d, PTE_UXN);
				assert_int_equal(!(d & PTE_PXN), !!(f & PT_EXEC));
				assert_int_equal(!!(d & PTE_NG), !!(f & PT_PROTNONE));
				continue;
			}
			assert_flag(d, PTE_NG);
			if (!(f & PT_DIRTY) || !(f & PT_WRITE))
				assert_flag(d, PTE_RDONLY);
		}
		for (unsigned bit = 0; bit < 40; bit++) {
			uint64_t v = PT_MAKE(1ull << bit, 0);

			assert_int_equal(I.entry_read(I.entry_make(v)), v);
			assert_no_flag(I.entry_make(v), PTE_VALID);
		}
		assert_int_equal(I.entry_make(0), 0);
		assert_int_equal(I.entry_read(0), 0);
		/* A marker taken for a page looks young and dirty. */
		assert_true(pte_young(I.entry_make(PT_MAKE(1, 0))));
		assert_true(pte_dirty(I.entry_make(PT_MAKE(2, 0))));
		assert_true(pte_dirty(I.entry_make(PT_MAKE(4, 0))));
	}
}

/* ---- fold ---- */

static void test_fold_when_last_entry_set(void **s)
{
	(void)s;
	start_small();
	for (unsigned i = 0; i < 3; i++)
		set(i, PFN + i, RW, 1);
	expect("|ppp.|....|", "|----|----|");
	assert_int_equal(count(HW_T_TLBI), 0);
	hw_dirties(1);
	set(3, PFN + 3, RW | PT_YOUNG, 1);
	/* |-b-y| are merged. */
	expect("|CCCC|....|", "|bbbb|----|");
	assert_int_equal(count(HW_T_TLBI), 4);
}

static void test_no_fold_downwards(void **s)
{
	(void)s;
	start_small();
	for (unsigned i = 4; i-- > 0;)
		set(i, PFN + i, RW, 1);
	expect("|pppp|....|", NULL);
}

static void test_fold_at_every_geometry(void **s)
{
	(void)s;
	FOR_GEOS(geo)
	{
		start(geo, true, true);
		for (unsigned i = 0; i < CONT_PTES; i++)
			set(i, PFN + i, RW, 1);
		assert_run(0, true);
		set(CONT_PTES, PFN + CONT_PTES, RW, CONT_PTES);
		assert_run(1, true);
		assert_int_equal(t.findings, 0);
	}
}

static void test_batch_folds_whole_runs(void **s)
{
	(void)s;
	start_small();
	set(2, PFN + 2, RW, 6);
	expect("|..pp|CCCC|", NULL);
	assert_int_equal(count(HW_T_TLBI), 0);
}

static void test_no_fold_across_folios(void **s)
{
	(void)s;
	start_small();
	for (unsigned i = 0; i < 4; i++)
		set(i, SINGLES + i, RW, 1);
	expect("|pppp|....|", NULL);
	/* Beyond all folios. */
	for (unsigned i = 0; i < 4; i++)
		set(4 + i, 4 * PFN + i, RW, 1);
	expect("|pppp|pppp|", NULL);
}

static void test_no_fold_misaligned(void **s)
{
	(void)s;
	start_small();
	for (unsigned i = 0; i < 4; i++)
		set(i, PFN + 1 + i, RW, 1);
	set(4, PFN + 1, RW, 4);
	expect("|pppp|pppp|", NULL);
}

static void test_no_fold_of_mixed_runs(void **s)
{
	static const uint64_t other[] = {RO, RW | PT_EXEC};

	(void)s;
	for (unsigned k = 0; k < 2; k++)
		for (unsigned odd = 0; odd < 3; odd++) {
			start_small();
			for (unsigned i = 0; i < 4; i++)
				set(i, PFN + i, i == odd ? other[k] : RW, 1);
			assert_run(0, false);
		}
	/* A hole, a marker, a wrong page. */
	for (unsigned k = 0; k < 3; k++) {
		start_small();
		for (unsigned i = 0; i < 4; i++) {
			if (i == 1 && k == 0)
				continue;
			if (i == 1 && k == 1)
				I.set_ptes(&mm, va(1), t.pte + 1, PT_MAKE(7, 0), 1);
			else
				set(i, PFN + i + (i == 1 ? 4 : 0), RW, 1);
		}
		assert_false(pte_cont(raw(3)));
	}
}

static void test_special_never_folds(void **s)
{
	(void)s;
	start_small();
	set(0, PFN, RW | PT_SPECIAL, 4);
	for (unsigned i = 0; i < 4; i++)
		set(4 + i, PFN + 4 + i, RW | PT_SPECIAL, 1);
	expect("|pppp|pppp|", NULL);
}

/* ---- get ---- */

static void test_get_gathers(void **s)
{
	(void)s;
	FOR_GEOS(geo)
	{
		start(geo, false, false);
		set_run(0, RW);
		assert_int_equal(I.ptep_get(va(1), t.pte + 1), PT_MAKE(PFN + 1, RW));
		hw_accesses(0);
		hw_dirties(CONT_PTES - 1);
		assert_int_equal(I.ptep_get(va(1), t.pte + 1), PT_MAKE(PFN + 1, RW | PT_YOUNG | PT_DIRTY));
		assert_int_equal(I.ptep_get_lockless(va(1), t.pte + 1), PT_MAKE(PFN + 1, RW | PT_YOUNG | PT_DIRTY));
		assert_int_equal(I.ptep_get(va(CONT_PTES), t.pte + CONT_PTES), 0);
	}
}

/* Another folio's dirty run replaces ours between two loads. */
static void replace_run(void)
{
	for (unsigned i = 0; i < 4; i++)
		hw_setup_write(t.pte + i, I.entry_make(PT_MAKE(4 * PFN + i, RW | PT_YOUNG | PT_DIRTY)) | PTE_CONT);
}

static void clear_run(void)
{
	for (unsigned i = 0; i < 4; i++)
		hw_setup_write(t.pte + i, 0);
}

static void test_lockless_get_is_consistent(void **s)
{
	(void)s;
	for (unsigned nth = 1; nth <= 6; nth++) {
		uint64_t v;

		start_small();
		set_run(0, RW);
		before(HW_C_LOAD, nth, replace_run);
		v = I.ptep_get_lockless(va(2), t.pte + 2);
		assert_true(v == PT_MAKE(PFN + 2, RW) || v == PT_MAKE(4 * PFN + 2, RW | PT_YOUNG | PT_DIRTY));

		start_small();
		set_run(0, RW | PT_DIRTY);
		before(HW_C_LOAD, nth, clear_run);
		v = I.ptep_get_lockless(va(2), t.pte + 2);
		assert_true(v == 0 || v == PT_MAKE(PFN + 2, RW | PT_DIRTY));
	}
}

/* ---- unfold and clear ---- */

static void test_clear_one_unfolds(void **s)
{
	(void)s;
	start_small();
	set_run(0, RW);
	hw_dirties(3);
	/* |CCCC| |---b| */
	assert_int_equal(I.ptep_get_and_clear(&mm, va(1), t.pte + 1), PT_MAKE(PFN + 1, RW | PT_YOUNG | PT_DIRTY));
	expect("|p.pp|....|", "|b-bb|----|");
	assert_int_equal(t.findings, 0);
}

static void test_clear_batches(void **s)
{
	(void)s;
	start_small();
	set(0, PFN, RW, 8);
	hw_dirties(6);
	t.nlog = 0;
	/* |CCCC|CCCC| |----|--b-| whole runs go without unfolding */
	assert_int_equal(I.get_and_clear_full_ptes(&mm, va(0), t.pte, 8, 1),
			 PT_MAKE(PFN, RW | PT_YOUNG | PT_DIRTY));
	expect("|....|....|", NULL);
	assert_int_equal(count(HW_T_TLBI), 0);
	assert_int_equal(count(HW_T_XCHG), 8);
	assert_true(count(HW_T_LOAD) <= 4);

	start_small();
	set(0, PFN, RW, 8);
	hw_dirties(0);
	hw_dirties(7);
	/* |CCCC|CCCC| |b---|---b| parts are unfolded first */
	assert_int_equal(I.get_and_clear_full_ptes(&mm, va(2), t.pte + 2, 4, 0),
			 PT_MAKE(PFN + 2, RW | PT_YOUNG | PT_DIRTY));
	expect("|pp..|..pp|", "|bb--|--bb|");

	start_small();
	set(0, PFN, RW, 8);
	hw_dirties(0);
	I.clear_full_ptes(&mm, va(1), t.pte + 1, 2, 0);
	I.clear_full_ptes(&mm, va(4), t.pte + 4, 4, 0);
	expect("|p..p|....|", "|b--b|----|");
}

static void test_clear_keeps_batch_linear(void **s)
{
	(void)s;
	start(HW_GEO_16K, false, true);
	set(0, PFN, RW, 2 * CONT_PTES);
	t.nlog = 0;
	I.get_and_clear_full_ptes(&mm, va(0), t.pte, 2 * CONT_PTES, 1);
	assert_true(t.nlog <= 2 * CONT_PTES + 4);
}

static void write_3(void)
{
	hw_dirties(3);
}

static void write_1(void)
{
	hw_dirties(1);
}

static void write_0(void)
{
	hw_dirties(0);
}

/* A write to page 0 as long as it is mapped; `slot` says that it took place. */
static void write_valid(void)
{
	if (!pte_valid(raw(0)))
		return;
	hw_dirties(0);
	t.slot = t.pte;
}

/* Hardware writes at each possible moment: nothing is lost, neither here nor for a sibling. */
static void test_clear_races_with_hardware(void **s)
{
	(void)s;
	for (unsigned nth = 1; nth <= 4; nth++) {
		start_small();
		set_run(0, RW);
		before(HW_C_ATOMIC, nth, write_3);
		assert_flag(I.ptep_get_and_clear(&mm, va(0), t.pte), PT_DIRTY);
		assert_flag(I.ptep_get(va(3), t.pte + 3), PT_DIRTY);
	}
	start_small();
	set(0, PFN, RW, 1);
	before(HW_C_ATOMIC, 1, write_0);
	assert_flag(I.ptep_get_and_clear(&mm, va(0), t.pte), PT_DIRTY);
}

static void test_clear_flush(void **s)
{
	(void)s;
	start_small();
	set(0, PFN, RW, 1);
	assert_int_equal(I.ptep_clear_flush(&mm, va(0), t.pte), PT_MAKE(PFN, RW)); /* old, yet flushed */
	assert_int_equal(count(HW_T_TLBI), 1);
	assert_int_equal(t.log[t.nlog - 1].kind, HW_T_BARRIER);
	I.set_ptes(&mm, va(0), t.pte, PT_MAKE(5, 0), 1);
	t.nlog = 0;
	assert_int_equal(I.ptep_clear_flush(&mm, va(0), t.pte), PT_MAKE(5, 0));
	assert_int_equal(count(HW_T_TLBI), 0);
}

/* ---- teardown with the stash (thread 004) ---- */

static void test_full_clear_stashes(void **s)
{
	(void)s;
	start_small();
	set_run(0, RW);
	hw_dirties(0);
	t.nlog = 0;
	/* |CCCC| |b---| */
	assert_int_equal(I.ptep_get_and_clear_full(&mm, va(0), t.pte, 1), PT_MAKE(PFN, RW | PT_YOUNG | PT_DIRTY));
	expect("|.CCC|", "|---b|");
	assert_int_equal(I.ptep_get(va(1), t.pte + 1), PT_MAKE(PFN + 1, RW | PT_YOUNG | PT_DIRTY));
	assert_int_equal(I.ptep_get_and_clear_full(&mm, va(3), t.pte + 3, 1),
			 PT_MAKE(PFN + 3, RW | PT_YOUNG | PT_DIRTY));
	expect("|.CC.|", "|--b-|");
	assert_flag(I.ptep_get_and_clear_full(&mm, va(1), t.pte + 1, 1), PT_DIRTY);
	assert_flag(I.ptep_get_and_clear_full(&mm, va(2), t.pte + 2, 1), PT_DIRTY);
	expect("|....|", NULL);
	assert_int_equal(count(HW_T_TLBI), 0);
}

static void test_full_clear_invents_nothing(void **s)
{
	(void)s;
	start_small();
	set_run(0, RW);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(I.ptep_get_and_clear_full(&mm, va(i), t.pte + i, 1), PT_MAKE(PFN + i, RW));
		/* Markers whose payload looks young and dirty. */
		I.set_ptes(&mm, va(i), t.pte + i, PT_MAKE(3, 0), 1);
		if (i < 3)
			assert_int_equal(I.ptep_get(va(i + 1), t.pte + i + 1), PT_MAKE(PFN + i + 1, RW));
	}
	expect("|mmmm|", NULL);
}

/* A write between any two steps, in any entry that remains. */
static void test_full_clear_races_with_hardware(void **s)
{
	(void)s;
	for (unsigned pre = 0; pre < 2; pre++)
		for (unsigned k = 0; k < 2; k++)
			for (unsigned nth = 1; nth <= 16; nth++) {
				start_small();
				set_run(0, RW);
				if (pre)
					hw_accesses(0);
				before(HW_C_ANY, nth, k ? write_1 : write_3);
				I.ptep_get_and_clear_full(&mm, va(0), t.pte, 1);
				if (t.event)
					break; /* fewer steps than that */
				assert_flag(I.ptep_get(va(2), t.pte + 2), PT_DIRTY);
				assert_flag(I.ptep_get_and_clear_full(&mm, va(1), t.pte + 1, 1), PT_DIRTY);
				assert_flag(I.ptep_get_and_clear_full(&mm, va(2), t.pte + 2, 1), PT_DIRTY);
				assert_flag(I.ptep_get_and_clear_full(&mm, va(3), t.pte + 3, 1), PT_DIRTY);
			}
}

static void test_unfold_of_half_cleared_run_keeps_holes(void **s)
{
	(void)s;
	start_small();
	set_run(0, RW);
	hw_dirties(0);
	I.ptep_get_and_clear_full(&mm, va(0), t.pte, 1);
	I.ptep_get_and_clear_full(&mm, va(1), t.pte + 1, 1);
	I.set_ptes(&mm, va(1), t.pte + 1, PT_MAKE(1, 0), 1);
	expect("|.mCC|", "|---b|");
	assert_int_equal(I.ptep_get_and_clear_full(&mm, va(2), t.pte + 2, 0),
			 PT_MAKE(PFN + 2, RW | PT_YOUNG | PT_DIRTY));
	expect("|.m.p|", "|---b|");
	assert_int_equal(I.ptep_get(va(1), t.pte + 1), PT_MAKE(1, 0));
}

/* ---- write protection ---- */

static void test_wrprotect(void **s)
{
	(void)s;
	start_small();
	set(0, PFN, RW, 8);
	hw_dirties(1);
	I.wrprotect_ptes(&mm, va(0), t.pte, 4);
	expect("|RRRR|CCCC|", "|-b--|----|");
	assert_int_equal(count(HW_T_TLBI), 0);
	I.wrprotect_ptes(&mm, va(6), t.pte + 6, 1);
	expect("|RRRR|pprp|", "|-b--|----|");

	start_small();
	set(0, PFN, RW, 8);
	hw_dirties(1);
	I.wrprotect_ptes(&mm, va(2), t.pte + 2, 4);
	expect("|pprr|rrpp|", "|bbbb|----|");
	assert_int_equal(t.findings, 0);
}

static void test_wrprotect_races_with_hardware(void **s)
{
	(void)s;
	for (unsigned nth = 1; nth <= 2; nth++) {
		start_small();
		set_run(0, RW);
		before(HW_C_ATOMIC, nth, write_1);
		I.wrprotect_ptes(&mm, va(0), t.pte, 4);
		expect("|RRRR|", "|-b--|");
	}
	start_small();
	set(0, PFN, RW, 1);
	before(HW_C_ATOMIC, 1, write_0);
	I.wrprotect_ptes(&mm, va(0), t.pte, 1);
	expect("|r...|", "|b---|");
}

/* ---- PROT_NONE ---- */

static void test_protnone(void **s)
{
	const uint64_t none = PT_PRESENT | PT_PROTNONE | PT_YOUNG | PT_DIRTY;
	struct hw_access a = {.agent = 1};

	(void)s;
	FOR_GEOS(geo)
	{
		start(geo, false, false);
		set(0, PFN, none, CONT_PTES);
		assert_run(0, false);
		a.va = va(1);
		a.fault = HW_OK;
		hw_do_access(&a);
		assert_int_equal(a.fault, HW_FAULT_TRANSLATION);
		for (unsigned i = 0; i < CONT_PTES; i++)
			assert_int_equal(I.ptep_get(va(i), t.pte + i), PT_MAKE(PFN + i, none));
		assert_int_equal(I.ptep_get_lockless(va(1), t.pte + 1), PT_MAKE(PFN + 1, none));
		assert_int_equal(I.ptep_test_and_clear_young(&mm, va(0), t.pte), 1);
		I.wrprotect_ptes(&mm, va(0), t.pte, 2);
		assert_int_equal(I.ptep_get_and_clear(&mm, va(0), t.pte), PT_MAKE(PFN, none & ~PT_YOUNG));
		assert_int_equal(I.get_and_clear_full_ptes(&mm, va(1), t.pte + 1, 2, 0), PT_MAKE(PFN + 1, none));
		assert_int_equal(raw(1) | raw(2), 0);
		/* It may have been valid, and the flush still to come. */
		t.nlog = 0;
		assert_int_equal(I.ptep_clear_flush(&mm, va(3), t.pte + 3), PT_MAKE(PFN + 3, none));
		assert_int_equal(count(HW_T_TLBI), 1);
		assert_int_equal(t.findings, 0);
	}
}

/* One entry of a run that is not valid keeps the run from folding; its neighbours unfold. */
static void test_protnone_in_a_run(void **s)
{
	(void)s;
	start_small();
	for (unsigned i = 0; i < 4; i++)
		set(i, PFN + i, i == 2 ? RW | PT_PROTNONE : RW, 1);
	expect("|ppmp|....|", NULL);
	set(2, PFN + 2, RW, 1);
	set(3, PFN + 3, RW, 1);
	expect("|CCCC|....|", NULL);
	set(1, PFN + 1, RW | PT_PROTNONE, 1);
	expect("|pmpp|....|", NULL);
	assert_int_equal(I.ptep_get(va(1), t.pte + 1), PT_MAKE(PFN + 1, RW | PT_PROTNONE));
}

/* ---- kernel mappings ---- */

static void test_kernel_mappings(void **s)
{
	const uint64_t v = PT_PRESENT | PT_KERNEL | PT_WRITE | PT_YOUNG | PT_DIRTY;

	(void)s;
	start_small();
	I.set_ptes(&kernel, va(0), t.pte, PT_MAKE(PFN, v), 4);
	assert_run(0, false);
	/* Published: no fault handler waits for a walk that comes too early. */
	assert_int_equal(t.log[t.nlog - 1].kind, HW_T_BARRIER);
	assert_int_equal(count(HW_T_BARRIER), 8);
	I.set_ptes(&kernel, va(3), t.pte + 3, PT_MAKE(PFN + 3, v), 1);
	assert_run(0, false);
	assert_int_equal(I.ptep_get(va(1), t.pte + 1), PT_MAKE(PFN + 1, v));
	t.nlog = 0;
	assert_int_equal(I.ptep_get_and_clear(&kernel, va(1), t.pte + 1), PT_MAKE(PFN + 1, v));
	assert_int_equal(count(HW_T_BARRIER), 0);
}

/* ---- protection change ---- */

static void protect(unsigned page, unsigned nr, uint64_t flags)
{
	uint64_t old = I.modify_prot_start_ptes(&mm, va(page), t.pte + page, nr);

	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(raw(page + i), 0);
	I.modify_prot_commit_ptes(&mm, va(page), t.pte + page, old, PT_MAKE(PT_PFN(old), flags), nr);
	t.unflushed = count(HW_T_TLBI);
	I.flush_tlb_range(&mm, va(page), va(page + nr), true);
	t.nlog = 0;
}

static void test_modify_prot(void **s)
{
	(void)s;
	start_small();
	set(0, PFN, RW, 8);
	hw_dirties(1);
	/* |CCCC|CCCC| |-b--|----| read-only and back */
	protect(0, 8, RO);
	expect("|RRRR|RRRR|", "|bbbb|bbbb|");
	assert_int_equal(t.unflushed, 0);
	protect(2, 4, RW);
	expect("|rrpp|pprr|", "|bbbb|bbbb|");
	for (unsigned i = 2; i < 6; i++)
		assert_no_flag(raw(i), PTE_RDONLY); /* dirty and writable is writable at once */
	protect(0, 4, PT_PRESENT | PT_PROTNONE);
	expect("|mmmm|pprr|", NULL);
	protect(0, 4, RO | PT_EXEC);
	expect("|RRRR|pprr|", "|bbbb|bbbb|");
	assert_int_equal(I.ptep_get(va(3), t.pte + 3), PT_MAKE(PFN + 3, RO | PT_EXEC | PT_YOUNG | PT_DIRTY));
	/* A clean entry becomes neither dirty nor young by what the caller asks for. */
	set(8, SINGLES, RW, 1);
	protect(8, 1, RW | PT_YOUNG | PT_DIRTY);
	expect("|RRRR|pprr|p...|", "|bbbb|bbbb|----|");
	assert_flag(raw(8), PTE_RDONLY);
	assert_int_equal(t.findings, 0);
}

/* An update by hardware before any step of start, of a page in the range: commit keeps it. */
static void test_modify_prot_races_with_hardware(void **s)
{
	(void)s;
	for (unsigned nr = 1; nr <= 4; nr++)
		for (unsigned nth = 1; nth <= 32; nth++) {
			uint64_t old;

			start_small();
			set_run(0, RW);
			before(HW_C_ANY, nth, write_valid);
			old = I.modify_prot_start_ptes(&mm, va(0), t.pte, nr);
			if (t.event)
				break;
			if (!t.slot) /* gone by then */
				continue;
			assert_flag(old, PT_DIRTY);
			I.modify_prot_commit_ptes(&mm, va(0), t.pte, old, PT_MAKE(PFN, RO), nr);
			assert_flag(I.ptep_get(va(0), t.pte), PT_DIRTY);
		}
}

/* ---- access flags ---- */

static void test_access_flags_of_a_page(void **s)
{
	(void)s;
	start_small();
	set(0, PFN, RW, 1);
	assert_int_equal(I.ptep_set_access_flags(&mm, va(0), t.pte, PT_MAKE(PFN, RW), 0), 0);
	assert_int_equal(I.ptep_set_access_flags(&mm, va(0), t.pte, PT_MAKE(PFN, RW | PT_YOUNG), 0), 1);
	expect("|p...|", "|y---|");
	assert_int_equal(count(HW_T_TLBI), 0);
	before(HW_C_ATOMIC, 1, write_0);
	assert_int_equal(I.ptep_set_access_flags(&mm, va(0), t.pte, PT_MAKE(PFN, RW | PT_YOUNG | PT_DIRTY), 1), 1);
	expect("|p...|", "|b---|");
	assert_int_equal(count(HW_T_TLBI), 1);
	assert_int_equal(I.ptep_set_access_flags(&mm, va(0), t.pte, PT_MAKE(PFN, RW | PT_YOUNG), 1), 0);

	/* Hardware dirties while only the access flag is asked for. */
	start_small();
	set(0, PFN, RW, 1);
	before(HW_C_ATOMIC, 1, write_0);
	I.ptep_set_access_flags(&mm, va(0), t.pte, PT_MAKE(PFN, RW | PT_YOUNG), 0);
	expect("|p...|", "|b---|");
}

static void test_access_flags_of_a_run(void **s)
{
	(void)s;
	start_small();
	set_run(0, RW);
	/* |CCCC| |b---|: a walker without hardware update still faults on entry 2 */
	hw_dirties(0);
	assert_int_equal(
		I.ptep_set_access_flags(&mm, va(2), t.pte + 2, PT_MAKE(PFN + 2, RW | PT_YOUNG | PT_DIRTY), 1), 1);
	expect("|CCCC|", "|bbbb|");
	assert_int_equal(count(HW_T_TLBI), 4);
	assert_int_equal(
		I.ptep_set_access_flags(&mm, va(2), t.pte + 2, PT_MAKE(PFN + 2, RW | PT_YOUNG | PT_DIRTY), 1), 0);

	/* Write for one page of a read-only run. */
	start_small();
	set_run(0, RO | PT_YOUNG);
	I.ptep_set_access_flags(&mm, va(2), t.pte + 2, PT_MAKE(PFN + 2, RW | PT_YOUNG | PT_DIRTY), 1);
	expect("|rrpr|", "|yyby|");
	assert_int_equal(t.findings, 0);
}

/* ---- ageing ---- */

static void test_young_widens_to_the_run(void **s)
{
	(void)s;
	FOR_GEOS(geo)
	{
		start(geo, false, false);
		set(0, PFN, RW, 2 * CONT_PTES);
		hw_dirties(CONT_PTES - 1);
		hw_accesses(CONT_PTES);
		assert_int_equal(I.ptep_test_and_clear_young(&mm, va(0), t.pte), 1);
		assert_int_equal(I.ptep_test_and_clear_young(&mm, va(1), t.pte + 1), 0);
		assert_int_equal(I.ptep_get(va(0), t.pte), PT_MAKE(PFN, RW | PT_DIRTY));
		assert_flag(I.ptep_get(va(CONT_PTES), t.pte + CONT_PTES), PT_YOUNG);
		assert_int_equal(count(HW_T_TLBI), 0);
	}
}

static void test_young_races_with_hardware(void **s)
{
	(void)s;
	start_small();
	set_run(0, RW | PT_YOUNG);
	before(HW_C_ATOMIC, 2, write_1);
	assert_int_equal(I.ptep_test_and_clear_young(&mm, va(0), t.pte), 1);
	expect("|CCCC|", "|-d--|");
}

static void test_clear_flush_young(void **s)
{
	(void)s;
	start_small();
	set_run(0, RW | PT_YOUNG);
	assert_int_equal(I.ptep_clear_flush_young(&mm, va(2), t.pte + 2), 1);
	expect("|CCCC|", "|----|");
	assert_int_equal(count(HW_T_TLBI), 4);
	assert_int_equal(count(HW_T_BARRIER), 1); /* none to complete it */
	t.nlog = 0;
	assert_int_equal(I.ptep_clear_flush_young(&mm, va(2), t.pte + 2), 0);
	assert_int_equal(count(HW_T_TLBI), 0);
	set(4, PFN + 4, RW | PT_YOUNG, 1);
	assert_int_equal(I.ptep_clear_flush_young(&mm, va(4), t.pte + 4), 1);
	assert_int_equal(count(HW_T_TLBI), 1);
}

static void test_young_batch(void **s)
{
	(void)s;
	start_small();
	set(0, PFN, RW | PT_YOUNG, 8);
	for (unsigned i = 0; i < 4; i++)
		set(8 + i, SINGLES + i, RW | PT_YOUNG, 1);
	/* Both runs are widened to. */
	assert_int_equal(I.test_and_clear_young_ptes(&mm, va(3), t.pte + 3, 2), 1);
	expect("|CCCC|CCCC|pppp|", "|----|----|yyyy|");
	assert_int_equal(I.test_and_clear_young_ptes(&mm, va(0), t.pte, 8), 0);
	assert_int_equal(count(HW_T_TLBI), 0);
	hw_dirties(6);
	assert_int_equal(I.clear_flush_young_ptes(&mm, va(3), t.pte + 3, 2), 1);
	expect("|CCCC|CCCC|pppp|", "|----|--d-|yyyy|");
	assert_int_equal(count(HW_T_TLBI), 8);
	assert_int_equal(count(HW_T_BARRIER), 1);
	assert_int_equal(I.test_and_clear_young_ptes(&mm, va(9), t.pte + 9, 2), 1);
	expect("|CCCC|CCCC|pppp|", "|----|--d-|y--y|");
	t.nlog = 0;
	assert_int_equal(I.clear_flush_young_ptes(&mm, va(9), t.pte + 9, 2), 0);
	assert_int_equal(count(HW_T_TLBI), 0);
}

static void test_clear_young_dirty(void **s)
{
	(void)s;
	start_small();
	set(0, PFN, RW | PT_YOUNG | PT_DIRTY, 8);
	set(8, SINGLES, RW | PT_YOUNG | PT_DIRTY, 1);
	I.clear_young_dirty_ptes(&mm, va(1), t.pte + 1, 1, PT_CYDP_YOUNG);
	expect("|CCCC|CCCC|p...|", "|dddd|bbbb|b---|");
	I.clear_young_dirty_ptes(&mm, va(6), t.pte + 6, 2, PT_CYDP_DIRTY);
	expect("|CCCC|CCCC|p...|", "|dddd|yyyy|b---|");
	I.clear_young_dirty_ptes(&mm, va(3), t.pte + 3, 2, PT_CYDP_YOUNG | PT_CYDP_DIRTY);
	expect("|CCCC|CCCC|p...|", "|----|----|b---|");
	I.clear_young_dirty_ptes(&mm, va(8), t.pte + 8, 1, PT_CYDP_YOUNG | PT_CYDP_DIRTY);
	expect("|CCCC|CCCC|p...|", "|----|----|----|");
}

/* ---- invalidation ---- */

/* Pages [lo, hi) that the TLBIs in the log address, decoded from their operands. */
static void check_coverage(unsigned lo, unsigned hi, bool leaf, bool ttl)
{
	const struct hw_geo *g = hw.geo;
	uint8_t hit[1024] = {0};

	for (unsigned i = 0; i < t.nlog; i++) {
		uint64_t x = t.log[i].val, first, n = 1;
		unsigned op = (unsigned)t.log[i].old;

		if (t.log[i].kind != HW_T_TLBI)
			continue;
		assert_flag(op, HW_TLBI_IS);
		assert_int_equal(x >> 48, ASID);
		op &= ~(unsigned)HW_TLBI_IS;
		if (op == HW_TLBI_RVALE1 || op == HW_TLBI_RVAE1) {
			assert_int_equal(op == HW_TLBI_RVALE1, leaf);
			assert_int_equal(x >> 46 & 3, g->tg);
			assert_int_equal(x >> 37 & 3, leaf ? 3 : 0);
			n = ((x >> 39 & 31) + 1) << (5 * (x >> 44 & 3) + 1);
			first = (x & ((1ull << 37) - 1)) - (t.va >> g->page_shift);
		} else {
			assert_int_equal(op, leaf ? HW_TLBI_VALE1 : HW_TLBI_VAE1);
			assert_int_equal(x >> 44 & 15, ttl && leaf ? g->tg << 2 | 3 : 0);
			first = ((x & ((1ull << 44) - 1)) << 12) - t.va;
			assert_int_equal(first % PAGE_SIZE, 0);
			first /= PAGE_SIZE;
		}
		for (; n; n--, first++) {
			assert_true(first >= lo && first < hi);
			assert_int_equal(hit[first]++, 0);
		}
	}
	for (unsigned i = lo; i < hi; i++)
		assert_int_equal(hit[i], 1);
}

static void test_flush_operands(void **s)
{
	static const unsigned lens[] = {1, 2, 3, 16, 63, 64, 65, 127, 511};

	(void)s;
	FOR_GEOS(geo) FOR_FEATS(f) for (unsigned k = 0; k < sizeof(lens) / sizeof(lens[0]); k++)
	{
		for (unsigned leaf = 0; leaf < 2; leaf++) {
			start(geo, f & 1, f & 2);
			I.flush_tlb_range(&mm, va(3), va(3 + lens[k]), leaf);
			check_coverage(3, 3 + lens[k], leaf, f & 1);
			if (f & 2)
				assert_true(count(HW_T_TLBI) <= 4);
			/* dsb ishst; tlbi...; notify; dsb ish */
			assert_int_equal(t.log[0].kind, HW_T_BARRIER);
			assert_int_equal(t.log[0].val, HW_ISH);
			assert_int_equal(t.log[0].cmp, HW_BAR_ST);
			assert_int_equal(t.log[t.nlog - 2].kind, HW_T_NOTIFY);
			assert_int_equal(t.log[t.nlog - 1].kind, HW_T_BARRIER);
			assert_int_equal(t.log[t.nlog - 1].val, HW_ISH);
			assert_int_equal(t.log[t.nlog - 1].cmp, HW_BAR_FULL);
		}
	}
}

static void test_flush_of_much_takes_the_asid(void **s)
{
	(void)s;
	start(HW_GEO_4K, true, false);
	I.flush_tlb_range(&mm, va(0), va(512), true);
	assert_int_equal(count(HW_T_TLBI), 1);
	assert_int_equal(t.log[1].old, HW_TLBI_ASIDE1 | HW_TLBI_IS);
	assert_int_equal(t.log[1].val, (uint64_t)ASID << 48);
	start(HW_GEO_4K, true, true);
	I.flush_tlb_range(&mm, va(0), va(512), true);
	assert_int_equal(count(HW_T_TLBI), 1);
	check_coverage(0, 512, true, true);
}

static void gather(unsigned lo, unsigned hi, bool fullmm, bool tables, bool ptes)
{
	struct pt_gather g = {va(lo), va(hi), fullmm, tables, ptes};

	t.nlog = 0;
	I.tlb_flush(&mm, &g);
}

static void expect_asid_flush(void)
{
	assert_int_equal(count(HW_T_TLBI), 1);
	assert_int_equal(t.log[1].old, HW_TLBI_ASIDE1 | HW_TLBI_IS);
	assert_int_equal(t.log[1].val, (uint64_t)ASID << 48);
	assert_int_equal(t.log[t.nlog - 1].kind, HW_T_BARRIER);
	assert_int_equal(t.log[t.nlog - 1].cmp, HW_BAR_FULL);
}

static void test_tlb_flush(void **s)
{
	(void)s;
	FOR_GEOS(geo) FOR_FEATS(f)
	{
		start(geo, f & 1, f & 2);
		gather(2, 9, false, false, true);
		check_coverage(2, 9, true, f & 1);
		gather(2, 9, false, true, true);
		check_coverage(2, 9, false, f & 1);
		assert_int_equal(t.log[t.nlog - 1].kind, HW_T_BARRIER);
		gather(0, 9, true, false, true);
		assert_int_equal(t.nlog, 0);
		gather(0, 9, true, true, true);
		expect_asid_flush();
		/* Only a table: one operation covers it. */
		t.nlog = 0;
		I.tlb_flush(&mm, &(struct pt_gather){va(0), va(0) + PMD_SIZE, false, true, false});
		assert_true(count(HW_T_TLBI) == 1 || f & 2);
		for (unsigned i = 0; i < t.nlog; i++)
			if (t.log[i].kind == HW_T_TLBI)
				assert_true((t.log[i].old | HW_TLBI_IS) == (HW_TLBI_VAE1 | HW_TLBI_IS) ||
					    (t.log[i].old | HW_TLBI_IS) == (HW_TLBI_RVAE1 | HW_TLBI_IS));
		t.nlog = 0;
		I.flush_tlb_mm(&mm);
		expect_asid_flush();
	}
}

static void test_batched_unmap(void **s)
{
	(void)s;
	start_small();
	I.arch_tlbbatch_add_pending(&mm, va(1), va(4));
	check_coverage(1, 4, true, false);
	assert_int_equal(count(HW_T_BARRIER), 1); /* nothing completes it yet */
	t.nlog = 0;
	I.arch_tlbbatch_flush();
	assert_int_equal(t.nlog, 1);
	assert_int_equal(t.log[0].kind, HW_T_BARRIER);
	assert_int_equal(t.log[0].cmp, HW_BAR_FULL);
	t.nlog = 0;
	I.arch_flush_tlb_batched_pending(&mm);
	expect_asid_flush();
}

/* CPUs that bear both sizes at once need no invalidation in between. */
static void test_fold_under_bbml2(void **s)
{
	(void)s;
	for (unsigned bbml = 0; bbml <= 3; bbml++) {
		start_small();
		hw.cfg.bbml = (uint8_t)bbml;
		for (unsigned i = 0; i < 4; i++)
			set(i, PFN + i, RW, 1);
		expect("|CCCC|....|", NULL);
		assert_int_equal(count(HW_T_TLBI), bbml == 3 ? 0 : 4);
		t.nlog = 0;
		set(1, PFN + 1, RO, 1);
		expect("|prpp|....|", NULL);
		assert_int_equal(count(HW_T_TLBI), bbml == 3 ? 0 : 4);
	}
}

/* ---- tables ---- */

static void test_table_alloc_and_unlink(void **s)
{
	(void)s;
	FOR_GEOS(geo)
	{
		uint64_t *pmd;

		start(geo, true, false);
		pmd = t.pmd + 1;
		t.va += PMD_SIZE;
		assert_int_equal(I.pte_alloc(&mm, t.va, pmd), 0);
		assert_int_equal(hw_peek(pmd) & 3, 3);
		assert_int_equal(hw_peek(hw_table_va(hw_peek(pmd) & PTE_ADDR)), 0);
		t.nlog = 0;
		I.pmd_clear(pmd);
		assert_int_equal(hw_peek(pmd), 0);
		assert_int_equal(count(HW_T_BARRIER), 0);
		assert_int_equal(t.findings, 0);
	}
}

static void walk_new_table(void)
{
	struct hw_access a = {.agent = 1, .va = t.va};

	hw_do_drain(0, 1); /* the second of the stores that may become visible next */
	hw_do_access(&a);
	assert_int_equal(a.fault, HW_FAULT_TRANSLATION);
}

/* Another CPU walks between any two steps, with stores that drain in any order: never what was there before. */
static void test_table_alloc_races_with_walks(void **s)
{
	(void)s;
	for (unsigned drain = 0; drain < HW_NDRAIN; drain++)
		for (unsigned nth = 1; nth <= 8; nth++) {
			start_small();
			hw.cfg.drain = (uint8_t)drain;
			t.va += PMD_SIZE;
			before(HW_C_ANY, nth, walk_new_table);
			assert_int_equal(I.pte_alloc(&mm, t.va, t.pmd + 1), 0);
			walk_new_table();
			assert_int_equal(t.findings, 0);
		}
}

/* ---- costs (opt_contpte.h) ---- */

static unsigned loads, atomics, stores, barriers, tlbis;

static void measured(void)
{
	loads = count(HW_T_LOAD);
	atomics = count(HW_T_XCHG) + count(HW_T_CMPXCHG);
	stores = count(HW_T_STORE);
	barriers = count(HW_T_BARRIER);
	tlbis = count(HW_T_TLBI);
	t.nlog = 0;
}

#define assert_cost(l, a, s, b, i)                                                                                 \
	do {                                                                                                       \
		measured();                                                                                        \
		assert_int_equal(loads, l);                                                                        \
		assert_int_equal(atomics, a);                                                                      \
		assert_int_equal(stores, s);                                                                       \
		assert_int_equal(barriers, b);                                                                     \
		assert_int_equal(tlbis, i);                                                                        \
	} while (0)

static void test_costs_unfolded(void **s)
{
	(void)s;
	FOR_GEOS(geo)
	{
		unsigned n = 3;

		start(geo, false, true);
		set(0, PFN, RW, n);
		assert_cost(0, 0, n, 0, 0);
		I.ptep_get(va(0), t.pte);
		assert_cost(1, 0, 0, 0, 0);
		I.ptep_get_lockless(va(0), t.pte);
		assert_cost(1, 0, 0, 0, 0);
		I.wrprotect_ptes(&mm, va(0), t.pte, n);
		assert_cost(2 + n, n, 0, 0, 0);
		I.ptep_set_access_flags(&mm, va(0), t.pte, PT_MAKE(PFN, RW | PT_YOUNG | PT_DIRTY), 1);
		assert_cost(2, 1, 0, 2, 1);
		I.ptep_clear_flush_young(&mm, va(0), t.pte);
		assert_cost(2, 1, 0, 1, 1);
		I.test_and_clear_young_ptes(&mm, va(0), t.pte, n);
		assert_cost(2 + n, 0, 0, 0, 0);
		I.get_and_clear_full_ptes(&mm, va(0), t.pte, n, 0);
		assert_cost(2, n, 0, 0, 0);
		I.ptep_clear_flush(&mm, va(0), t.pte);
		assert_cost(1, 1, 0, 0, 0);
		set(0, PFN, RW, 1);
		assert_cost(1, 0, 1, 0, 0);
		I.ptep_clear_flush(&mm, va(0), t.pte);
		assert_cost(1, 1, 0, 2, 1);
	}
}

static void test_costs_folded(void **s)
{
	(void)s;
	FOR_GEOS(geo)
	{
		unsigned C;

		start(geo, false, true);
		C = CONT_PTES;
		set(0, PFN, RW, 2 * C);
		assert_cost(0, 0, 2 * C, 0, 0);
		I.ptep_get(va(1), t.pte + 1);
		assert_cost(1 + C, 0, 0, 0, 0);
		I.ptep_get_lockless(va(1), t.pte + 1);
		assert_cost(2 + C, 0, 0, 0, 0);
		I.ptep_set_access_flags(&mm, va(1), t.pte + 1, PT_MAKE(PFN + 1, RW | PT_YOUNG | PT_DIRTY), 1);
		assert_cost(3 + C, C, 0, 2, 1);
		I.ptep_set_access_flags(&mm, va(1), t.pte + 1, PT_MAKE(PFN + 1, RW | PT_YOUNG | PT_DIRTY), 1);
		assert_cost(1 + C, 0, 0, 0, 0);
		I.ptep_get(va(1), t.pte + 1); /* the first load says all */
		assert_cost(1, 0, 0, 0, 0);
		I.clear_flush_young_ptes(&mm, va(C - 1), t.pte + C - 1, 2);
		assert_cost(2 + 2 * C, C, 0, 1, 1);
		I.wrprotect_ptes(&mm, va(0), t.pte, 2 * C);
		assert_cost(2 * C, 2 * C, 0, 0, 0);
		/* One end cuts a run: it unfolds. */
		I.get_and_clear_full_ptes(&mm, va(0), t.pte, C + 1, 0);
		assert_cost(1, 2 * C + 1, C, 2, 1);
		start(geo, false, true);
		hw.cfg.bbml = 3;
		set_run(0, RW);
		t.nlog = 0;
		set(0, PFN, RO, 1);
		assert_cost(1, C, C + 1, 0, 0);
	}
}

/* ---- the catalogue ---- */

static void test_catalogue(void **s)
{
	(void)s;
	assert_int_equal(pt_nbugs, PT_NBUG);
	assert_int_equal(pt_bug_on, -1);
	for (unsigned i = 0; i < pt_nbugs; i++) {
		assert_non_null(strchr(pt_bugs[i].signature, '/'));
		assert_int_equal(strspn(pt_bugs[i].name, "abcdefghijklmnopqrstuvwxyz0123456789-"),
				 strlen(pt_bugs[i].name));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(pt_bugs[i].name, pt_bugs[j].name);
	}
	assert_string_equal(pt_bugs[PT_BUG_stash_plain_store].name, "stash-plain-store");
	assert_string_equal(pt_bugs[PT_BUG_table_clear_unordered].name, "table-clear-unordered");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_round_trip),
		cmocka_unit_test(test_fold_when_last_entry_set),
		cmocka_unit_test(test_no_fold_downwards),
		cmocka_unit_test(test_fold_at_every_geometry),
		cmocka_unit_test(test_batch_folds_whole_runs),
		cmocka_unit_test(test_no_fold_across_folios),
		cmocka_unit_test(test_no_fold_misaligned),
		cmocka_unit_test(test_no_fold_of_mixed_runs),
		cmocka_unit_test(test_special_never_folds),
		cmocka_unit_test(test_get_gathers),
		cmocka_unit_test(test_lockless_get_is_consistent),
		cmocka_unit_test(test_clear_one_unfolds),
		cmocka_unit_test(test_clear_batches),
		cmocka_unit_test(test_clear_keeps_batch_linear),
		cmocka_unit_test(test_clear_races_with_hardware),
		cmocka_unit_test(test_clear_flush),
		cmocka_unit_test(test_full_clear_stashes),
		cmocka_unit_test(test_full_clear_invents_nothing),
		cmocka_unit_test(test_full_clear_races_with_hardware),
		cmocka_unit_test(test_unfold_of_half_cleared_run_keeps_holes),
		cmocka_unit_test(test_wrprotect),
		cmocka_unit_test(test_wrprotect_races_with_hardware),
		cmocka_unit_test(test_protnone),
		cmocka_unit_test(test_protnone_in_a_run),
		cmocka_unit_test(test_kernel_mappings),
		cmocka_unit_test(test_modify_prot),
		cmocka_unit_test(test_modify_prot_races_with_hardware),
		cmocka_unit_test(test_access_flags_of_a_page),
		cmocka_unit_test(test_access_flags_of_a_run),
		cmocka_unit_test(test_young_widens_to_the_run),
		cmocka_unit_test(test_young_races_with_hardware),
		cmocka_unit_test(test_clear_flush_young),
		cmocka_unit_test(test_young_batch),
		cmocka_unit_test(test_clear_young_dirty),
		cmocka_unit_test(test_flush_operands),
		cmocka_unit_test(test_flush_of_much_takes_the_asid),
		cmocka_unit_test(test_tlb_flush),
		cmocka_unit_test(test_batched_unmap),
		cmocka_unit_test(test_fold_under_bbml2),
		cmocka_unit_test(test_table_alloc_and_unlink),
		cmocka_unit_test(test_table_alloc_races_with_walks),
		cmocka_unit_test(test_costs_unfolded),
		cmocka_unit_test(test_costs_folded),
		cmocka_unit_test(test_catalogue),
	};

	hw_init();
	return cmocka_run_group_tests_name("impl", tests, NULL, NULL);
}
