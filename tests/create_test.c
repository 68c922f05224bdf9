// SPDX-License-Identifier: GPL-2.0-only
/*
 * Creation of kernel mappings: in pictures, at every geometry and number of levels, in the three designs.
 *
 * Property: leaves are as large as alignment and flags allow, and no larger; what must be refused leaves what was there;
 * slots of the fixmap mean what they map at each access.
 *
 * Pictures: one character a page, one group a run (small geometry, runs of 4, blocks of 16):
 *	.  nothing   p  page   c  page of a contiguous run   b  block   B  of a contiguous run of blocks   P  level 1
 * and capitals become x where the page is read-only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../fuzz/callers/kmap.h"
#include "../fuzz/exec.h"
#include "../hw/hw.h"
#include "../ref/kmap.h"

static struct prog prog;
static char picture[128];
static uint64_t drawn_from;
static unsigned drawn;

static char letter(const struct ref_km_leaf_obs *o)
{
	if (!ref_km_writes(o->state))
		return 'x';
	if (!o->leaf)
		return o->cont ? 'c' : 'p';
	if (o->leaf > 4)
		return 'P';
	return o->cont ? 'B' : 'b';
}

static void draw(void)
{
	char *s = picture;

	for (unsigned i = 0; i < drawn; i++) {
		struct ref_km_leaf_obs o;

		if (i && i % 4 == 0)
			*s++ = ' ';
		*s++ = kmap_lookup(kmap.first + drawn_from + i, 0, &o) ? letter(&o) : '.';
	}
	*s = '\0';
}

static struct outcome run(const char *text, const struct pt_impl *impl)
{
	struct outcome out;
	char err[256];

	assert_int_equal(prog_parse(&prog, "test", text, strlen(text), err, sizeof(err)), 0);
	exec_run(&prog, impl, &out);
	return out;
}

static void looks(const char *text, uint64_t from, const char *want)
{
	struct outcome out;

	drawn_from = from;
	drawn = 0;
	for (const char *c = want; *c; c++)
		drawn += *c != ' ';
	exec_at_end = draw;
	out = run(text, &impl_opt);
	exec_at_end = NULL;
	assert_string_equal(out.sig, "");
	assert_string_equal(picture, want);
}

#define MAP "create_map cpu=0 "

static void test_shapes(void **s)
{
	(void)s;
	looks("ptdiff 1\n" MAP "page=0.0 nr=1\n", 0, "p... ....");
	looks("ptdiff 1\n" MAP "page=0.0 nr=4\n", 0, "cccc ....");
	looks("ptdiff 1\n" MAP "page=0.1 nr=8\n", 0, ".ppp cccc p...");
	looks("ptdiff 1\n" MAP "page=0.0 nr=8 nocont\n", 0, "pppp pppp ....");
	looks("ptdiff 1\n" MAP "page=0.0 nr=4 shift=1\n", 0, "pppp ....");
	looks("ptdiff 1\n" MAP "page=0.0 nr=1 unit=2\n", 0, "bbbb bbbb bbbb bbbb ....");
	looks("ptdiff 1\n" MAP "page=0.0 nr=1 unit=2 noblock\n", 0, "cccc cccc cccc cccc ....");
	looks("ptdiff 1\n" MAP "page=0.0 nr=1 unit=2 shift=2\n", 0, "cccc cccc cccc cccc ....");
	looks("ptdiff 1\n" MAP "page=0.0 nr=1 unit=3\n", 0, "BBBB BBBB");
	looks("ptdiff 1\n" MAP "page=0.0 nr=1 unit=3 nocont\n", 0, "bbbb bbbb");
	looks("ptdiff 1\n" MAP "page=0.0 nr=1 unit=4\n", 252, "PPPP ....");
	looks("ptdiff 1\n" MAP "page=0.3 nr=18\n", 0, "...p cccc cccc cccc cccc p...");
}

#define FIVE "ptdiff 1\ncreate_boot cpu=0 levels=4\n"

/*
 * Five levels: pages of the region, small geometry. Between | another table of level 0, between : another of level 1.
 *
 *	0    256    512            4608           8704           12288
 *	| : P    P   |   16 P's     :   16 P's     :   14 P's
 *	             level -1       level 0        level 0
 */
static void test_five_levels(void **s)
{
	(void)s;
	looks(FIVE MAP "page=0.0 nr=1\n", 0, "p... ....");
	looks(FIVE MAP "page=1.3 nr=2 unit=3 at=4\n", 444, ".... BBBB");
	looks(FIVE MAP "page=1.3 nr=2 unit=3 at=4\n", 508, "BBBB BBBB");
	looks(FIVE MAP "page=1.3 nr=2 unit=3 at=4\n", 572, "BBBB ....");
	looks(FIVE MAP "page=1.3 nr=2 unit=3 at=4 noblock nocont early\n", 508, "pppp pppp");
	looks(FIVE MAP "page=1.0 nr=3 unit=4 at=4\n", 252, ".... PPPP");
	looks(FIVE MAP "page=1.0 nr=3 unit=4 at=4\n", 1020, "PPPP ....");
	looks(FIVE MAP "page=1.3 nr=8 unit=3 at=5 nocont\n", 4604, "PPPP bbbb");
	looks(FIVE MAP "page=1.1 nr=2 unit=4 at=5\n", 4604, "PPPP PPPP");
	looks(FIVE MAP "page=2.1 nr=1 unit=4 at=5 shift=1\n", 8444, ".... pppp pppp"); /* one page off: no runs */
	looks(FIVE MAP "page=1.3 nr=2 unit=3 at=4 nocont\ncreate_perm cpu=0 page=1.3 nr=2 unit=3 at=4 ro\n", 508,
	      "xxxx xxxx");
}

/* What was there decides: holes are filled, pages change permissions, everything else is refused. */
static void test_refusals(void **s)
{
	(void)s;
	looks("ptdiff 1\n" MAP "page=0.1 nr=1\n" MAP "page=0.0 nr=4\n", 0, ".p.. ....");
	looks("ptdiff 1\n" MAP "page=0.1 nr=1\n" MAP "page=0.0 nr=4 nocont\n", 0, "pppp ....");
	looks("ptdiff 1\n" MAP "page=0.1 nr=1\n" MAP "page=0.0 nr=3 ro\n", 0, "xxx. ....");
	looks("ptdiff 1\n" MAP "page=0.0 nr=4\n" MAP "page=0.0 nr=4 ro\n", 0, "cccc ....");
	looks("ptdiff 1\n" MAP "page=0.1 nr=1\n" MAP "page=0.0 nr=3 shift=1\n", 0, "pp.. ....");
	looks("ptdiff 1\n" MAP "page=0.0 nr=1\n" MAP "page=0.0 nr=1 unit=2\n", 0, "p... .... .... .... ....");
	looks("ptdiff 1\n" MAP "page=0.0 nr=1 unit=2\n" MAP "page=0.0 nr=1\n", 0, "bbbb bbbb bbbb bbbb ....");
	looks("ptdiff 1\n" MAP "page=0.0 nr=1 unit=2\n" MAP "page=0.0 nr=1 unit=2 ro\n", 0,
	      "xxxx xxxx xxxx xxxx ....");
}

static unsigned levels;

static void note_levels(void)
{
	levels = kmap.env.levels;
	assert_int_equal(kmap.env.lpa2, levels == 5);
	assert_int_equal(kmap.va >> 63, 1);
}

/* 0: the geometry's own; else one more, as far as 48 bits go, with a fifth level at 4K pages only. */
static unsigned levels_want(unsigned geo, unsigned field)
{
	static const uint8_t own[HW_NGEO] = {3, 4, 4, 3}, most[HW_NGEO] = {5, 5, 4, 3};
	const unsigned n = field ? (field < 4 ? field + 1 : 5) : own[geo];

	return n < most[geo] ? n : most[geo];
}

/* Bytes and text keep the number of levels, whatever it is. */
static void test_round_trip(void **s)
{
	static struct prog again;
	static uint8_t bytes[PROG_MAX_BYTES];
	char text[64], err[256];

	(void)s;
	for (unsigned l = 0; l < 8; l++) {
		size_t n;

		snprintf(text, sizeof(text), "ptdiff 1\ngeometry 4k\ncreate_boot cpu=0 levels=%u\n", l);
		assert_int_equal(prog_parse(&prog, "test", text, strlen(text), err, sizeof(err)), 0);
		assert_int_equal(prog.r[0].a & 7, l);
		n = prog_encode(&prog, bytes);
		prog_decode(&again, bytes, n);
		assert_int_equal(again.n, 1);
		assert_int_equal(again.r[0].kind, OP_create_boot);
		assert_int_equal(again.r[0].a, prog.r[0].a);
	}
}

/* The same program at each geometry with each number of levels that it has room for, in each design. */
static void test_levels(void **s)
{
	static const struct pt_impl *const impls[] = {&impl_opt, &impl_opt_remap, &impl_opt_ops};
	static const char *const early[] = {"", " early"};
	char text[1024];

	(void)s;
	for (unsigned i = 0; i < 3 * 4 * 8 * 2; i++) {
		const char *e = early[i & 1];
		struct outcome out;

		if ((i >> 1 & 7) > 5)
			continue;

		snprintf(text, sizeof(text),
			 "ptdiff 1\ngeometry %s\ncpus 2\ndrain lazy\nxlate stale\ntlbirange on\n"
			 "create_boot cpu=0 levels=%u\n" MAP "page=1.0 nr=2 unit=2 at=3%s\n" MAP
			 "page=0.1 nr=20 at=2%s\n" MAP "page=2.0 nr=3 unit=1 at=2 noblock%s\n"
			 "create_perm cpu=1 page=0.0 nr=16 ro\ncreate_access cpu=1 page=0.0 near=2\n"
			 "create_access cpu=0 page=1.0 at=3 near=1 write\n",
			 prog_geo_name(i >> 4 & 3), i >> 1 & 7, e, e, e);
		levels = 0;
		exec_at_end = note_levels;
		out = run(text, impls[i >> 6]);
		exec_at_end = NULL;
		assert_int_equal(levels, levels_want(i >> 4 & 3, i >> 1 & 7));
		assert_string_equal(out.sig, "");
		assert_int_equal(out.unsupported, 0);
	}
}

/* TCR_EL1.DS is the user's half's too: entries without SH, range TLBIs that begin on 64 KiB and cost no more than that. */
static void test_user_half(void **s)
{
	static const char *const ops[] = {
		"set_ptes cpu=0 page=0.1 nr=2\nmigrate cpu=0 page=0.1 nr=2 batch\n",
		"set_ptes cpu=0 page=0.3 nr=29 folio=5 write young\nclear_full_ptes cpu=0 page=0.5 nr=20\ntouch "
		"cpu=1 page=0.6\n",
		"set_ptes cpu=0 page=0.0 nr=16 folio=4 write\ntouch cpu=1 page=0.4 write\nwrprotect_ptes cpu=0 "
		"page=0.3 nr=7\n"
		"touch cpu=1 page=0.4 write\nptep_get cpu=0 page=0.4\n",
	};
	char text[512];

	(void)s;
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		for (unsigned l = 3; l < 5; l++) {
			struct outcome out;

			snprintf(text, sizeof(text),
				 "ptdiff 1\ngeometry 4k\ncpus 2\ntlbirange on\nxlate stale\ncreate_boot cpu=0 "
				 "levels=%u\n%s",
				 l, ops[i]);
			out = run(text, &impl_opt);
			assert_string_equal(out.sig, "");
			assert_true(out.effective > 2);
		}
}

/* --- fixmap slots */

static enum hw_finding found;

static void on_finding(enum hw_finding f, const char *fn, int line)
{
	(void)fn;
	(void)line;
	found = f;
}

/* Two levels; slot 0 of the fixmap is page 0 of the kernel's half. */
static uint64_t *alias_start(unsigned xlate)
{
	struct hw_config cfg = {.ncpu = 2, .drain = HW_DRAIN_LAZY, .xlate = (uint8_t)xlate, .bbml = 3};
	uint64_t *root, *leaf;

	hw_reset(&cfg);
	hw.on_step = NULL;
	hw.on_finding = on_finding;
	root = hw_setup_table(2);
	leaf = hw_setup_table(3);
	hw_setup_write(root, hw_table_pa(leaf) | HW_D_TABLE | HW_D_VALID);
	hw_set_kernel_root(root);
	hw_alias_setup(~0ull << 20, leaf);
	found = HW_F_NONE;
	return leaf;
}

static uint64_t kernel_page(const void *table)
{
	return hw_table_pa(table) | 3ull << 8 | HW_D_AF | HW_D_TABLE | HW_D_VALID;
}

static void dsb_isb(void)
{
	hw_barrier(HW_DSB, HW_ISH, HW_BAR_FULL, "t", 0);
	hw_barrier(HW_ISB, HW_SY, HW_BAR_FULL, "t", 0);
}

static void test_alias(void **s)
{
	uint64_t *leaf = alias_start(HW_XLATE_FRESH), *slot = hw_alias_ptr(0), *a = hw_setup_table(3);

	(void)s;
	assert_int_equal(hw_load(slot, HW_RELAXED, "t", 0), 0);
	assert_int_equal(found, HW_F_FIXMAP_EMPTY);
	found = HW_F_NONE;
	hw_store(leaf, kernel_page(a), HW_RELAXED, "t", 0);
	dsb_isb();
	hw_store(slot + 3, 0x123, HW_RELAXED, "t", 0);
	assert_int_equal(hw_peek(a + 3), 0x123);
	assert_int_equal(hw_load(slot + 3, HW_RELAXED, "t", 0), 0x123);
	assert_int_equal(hw_xchg(slot + 3, 0x124, HW_RELAXED, "t", 0), 0x123);
	hw_clear_page(slot, "t", 0);
	assert_int_equal(hw_peek(a + 3), 0);
	assert_int_equal(found, HW_F_NONE);
	hw_store((uint64_t *)8, 1, HW_RELAXED, "t", 0); /* a folded level's null pointer */
	assert_int_equal(found, HW_F_FIXMAP_EMPTY);
	found = HW_F_NONE;
	hw_store(slot + 16, 1, HW_RELAXED, "t", 0); /* behind the table's last entry */
	assert_int_equal(found, HW_F_OUTSIDE);
}

static void test_alias_stale(void **s)
{
	uint64_t *leaf = alias_start(HW_XLATE_STALE), *slot = hw_alias_ptr(0), *a = hw_setup_table(3),
		 *b = hw_setup_table(3);

	(void)s;
	hw_store(leaf, kernel_page(a), HW_RELAXED, "t", 0);
	dsb_isb();
	hw_store(leaf, 0, HW_RELAXED, "t", 0); /* no TLBI */
	dsb_isb();
	hw_store(leaf, kernel_page(b), HW_RELAXED, "t", 0);
	dsb_isb();
	found = HW_F_NONE;
	hw_store(slot, 1, HW_RELAXED, "t", 0);
	assert_int_equal(found, HW_F_FIXMAP_STALE);
	assert_int_equal(hw_peek(a), 0);
}

static int setup(void **s)
{
	(void)s;
	exec_init();
	return 0;
}

int main(void)
{
	static const struct CMUnitTest programs[] = {
		cmocka_unit_test(test_shapes),	 cmocka_unit_test(test_five_levels),
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_levels),	 cmocka_unit_test(test_user_half),
	};
	static const struct CMUnitTest machine[] = {
		cmocka_unit_test(test_alias),
		cmocka_unit_test(test_alias_stale),
	};

	return cmocka_run_group_tests(programs, setup, NULL) + cmocka_run_group_tests(machine, setup, NULL);
}
