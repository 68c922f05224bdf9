// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which changes of a live descriptor are legal without break-before-make: the specification's table against the machine,
 * and both against lists of bits that are written down once more, here.
 *
 * Property: for every pair of descriptors and each level of FEAT_BBM the three agree: ref_km_changes, by the fields in which
 * the two differ; hw/bbm.c, by what it reports when the one replaces the other; `masks`, by which bits may be set and
 * cleared. Whatever pgattr_change_is_safe() lets through is among what is legal at level 0.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../fuzz/exec.h"
#include "../hw/hook_mmu.h"
#include "../hw/hw.h"
#include "../ref/kmap.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define BASE (1ull << 36) /* an output address; aligned to everything */
#define SH   (3ull << 8)

static unsigned findings;

static void on_finding(enum hw_finding f, const char *fn, int line)
{
	(void)fn;
	(void)line;
	findings += f == HW_F_BBM_OA || f == HW_F_BBM_CONT;
}

/* Small geometry, two levels: one table of level 2, below its entry 1 one of level 3. Stores are visible at once. */
static uint64_t *root, *leaf;

static void start(unsigned bbml, const uint8_t *less)
{
	struct hw_config cfg = {.ncpu = 2, .bbml = (uint8_t)bbml};

	for (unsigned c = 0; less && c < 2; c++)
		cfg.bbml_less[c] = less[c];
	hw_reset(&cfg);
	hw.on_step = NULL;
	hw.on_finding = on_finding;
	root = hw_setup_table(2);
	leaf = hw_setup_table(3);
	hw_setup_write(root + 1, hw_table_pa(leaf) | HW_D_TABLE | HW_D_VALID);
	hw_set_kernel_root(root);
	findings = 0;
}

static void put(uint64_t *p, uint64_t v)
{
	hw_store(p, v, HW_RELAXED, "t", 0);
}

static void dsb(void)
{
	hw_barrier(HW_DSB, HW_ISH, HW_BAR_FULL, "t", 0);
	hw_barrier(HW_ISB, HW_SY, HW_BAR_FULL, "t", 0);
}

/* --- single pages */

/* Fields, and the row of the table that setting and clearing them is. */
static const struct {
	uint64_t bit;
	enum ref_km_change_id set, clear;
} fields[] = {
	/* those on which a verdict can depend */
	{HW_D_AF, REF_KM_CH_ACCESS, REF_KM_CH_ACCESS},
	{1ull << 20, REF_KM_CH_OA, REF_KM_CH_OA},
	{1ull << 2, REF_KM_CH_TYPE, REF_KM_CH_TYPE},
	{1ull << 8, REF_KM_CH_SHARE, REF_KM_CH_SHARE},
	{HW_D_NG, REF_KM_CH_TO_NG, REF_KM_CH_TO_GLOBAL},
	{HW_D_CONT, REF_KM_CH_CONT, REF_KM_CH_CONT},
	/* and others */
	{HW_D_RDONLY, REF_KM_CH_WRITE, REF_KM_CH_WRITE},
	{HW_D_DBM, REF_KM_CH_DIRTY, REF_KM_CH_DIRTY},
	{HW_D_PXN, REF_KM_CH_EXEC, REF_KM_CH_EXEC},
	{HW_D_UXN, REF_KM_CH_EXEC, REF_KM_CH_EXEC},
	{1ull << 56, REF_KM_CH_SOFTWARE, REF_KM_CH_SOFTWARE},
};
enum { HARD = 6, SOFT = N(fields) - HARD };

static bool cached(uint64_t v)
{
	return (v & HW_D_VALID) && (v & HW_D_AF);
}

static bool legal_by_ref(uint64_t old, uint64_t new, unsigned bbml)
{
	if (!cached(old))
		return ref_km_change_legal(REF_KM_CH_CREATE, bbml);
	if (!(new &HW_D_VALID))
		return ref_km_change_legal(REF_KM_CH_REMOVE, bbml);
	for (unsigned i = 0; i < N(fields); i++)
		if ((old ^ new) & fields[i].bit &&
		    !ref_km_change_legal(new &fields[i].bit ? fields[i].set : fields[i].clear, bbml))
			return false;
	return true;
}

/* The other list: bits of a live leaf that may be set, and cleared, by level. All others must stay. */
static const struct {
	uint64_t set, clear;
} masks[4] = {
	{0x01e8000000000cc0, 0x01e80000000004c0},
	{0x01f8000000000cc0, 0x01f80000000004c0},
	{0x01f8000000000cc0, 0x01f80000000004c0},
	{0x01f8000000000cc0, 0x01f80000000004c0},
};

static bool legal_by_masks(uint64_t old, uint64_t new, unsigned bbml)
{
	if ((old & 0x401) != 0x401 || !(new & 1))
		return true;
	return !((new & ~old) & ~masks[bbml].set) && !((old & ~new) & ~masks[bbml].clear);
}

static bool legal_by_machine(uint64_t old, uint64_t new, unsigned bbml)
{
	start(bbml, NULL);
	put(leaf + 4, old);
	put(leaf + 4, new);
	return !findings;
}

/*
 * pgattr_change_is_safe(): entries come and go freely; live ones change permissions (bits 7, 51, 53), become non-global
 * (bit 11), and change what hardware ignores (bits 55 to 58); never global, never as part of a run (bit 52).
 */
static bool kernel_says_safe(uint64_t old, uint64_t new)
{
	const uint64_t mask = 0x07a8000000000880;

	if (!((old & new) & 1))
		return true;
	if ((old | new) >> 52 & 1 || ((old & ~new) >> 11 & 1))
		return false;
	return !((old ^ new) & ~mask);
}

/* Descriptor by number: bit 0 valid, then the fields. */
static uint64_t page_of(unsigned n)
{
	uint64_t v = BASE | HW_D_TABLE | (2ull << 8) | (n & 1);

	for (unsigned i = 0; i < N(fields); i++)
		v |= n >> (i + 1) & 1 ? fields[i].bit : 0;
	return v;
}

static void compare(uint64_t old, uint64_t new)
{
	for (unsigned bbml = 0; bbml < 4; bbml++) {
		const bool ref = legal_by_ref(old, new, bbml), list = legal_by_masks(old, new, bbml),
			   machine = legal_by_machine(old, new, bbml);

		if (ref != list || ref != machine || (kernel_says_safe(old, new) && cached(old) && !ref))
			fail_msg("%#llx -> %#llx at level %u: specification %d, masks %d, machine %d",
				 (unsigned long long)old, (unsigned long long)new, bbml, ref, list, machine);
	}
}

/* All pairs in what a verdict can depend on; of the other fields each alone, all, and none. */
static void test_pages(void **s)
{
	const unsigned hard = 1u << (HARD + 1), all = (1u << SOFT) - 1;

	(void)s;
	for (unsigned a = 0; a < hard; a++)
		for (unsigned b = 0; b < hard; b++)
			for (unsigned i = 0; i < SOFT + 2; i++) {
				const unsigned from = (a ^ b) & 1 ? all : 0;
				const unsigned diff = i == SOFT ? all : i > SOFT ? 0 : 1u << i;

				compare(page_of(a | from << (HARD + 1)), page_of(b | (from ^ diff) << (HARD + 1)));
			}
}

/* --- runs */

/* Entry i of a run, of pages or of blocks. */
static uint64_t in_run(unsigned i, unsigned level, uint64_t bits)
{
	const unsigned shift = level == 3 ? 12 : 16;

	return (BASE + ((uint64_t)i << shift)) | SH | HW_D_AF | HW_D_UXN | (level == 3 ? HW_D_TABLE : 0) |
	       HW_D_VALID | bits;
}

/* Some entries of a run, in either order, take or lose the contiguous bit, and change in other ways with it. */
static bool run_changes(unsigned level, unsigned bbml, unsigned which, bool back, uint64_t from, uint64_t to)
{
	uint64_t *t;

	start(bbml, NULL);
	t = level == 3 ? leaf + 4 : root + 4;
	for (unsigned i = 0; i < 4; i++)
		put(t + i, in_run(i, level, from));
	dsb();
	for (unsigned k = 0; k < 4; k++) {
		const unsigned i = back ? 3 - k : k;

		if (which >> i & 1)
			put(t + i, in_run(i, level, to));
	}
	return !findings;
}

static void test_runs(void **s)
{
	static const struct {
		uint64_t bit;
		enum ref_km_change_id row;
	} with[] = {
		{0, REF_KM_CH_SOFTWARE},     {HW_D_RDONLY, REF_KM_CH_WRITE}, {HW_D_PXN, REF_KM_CH_EXEC},
		{1ull << 32, REF_KM_CH_OA},  {1ull << 2, REF_KM_CH_TYPE},    {HW_D_NG, REF_KM_CH_TO_NG},
		{HW_D_DBM, REF_KM_CH_DIRTY},
	};

	(void)s;
	for (unsigned n = 0; n < 4 * 2 * 2 * 2 * 15 * N(with); n++) {
		const unsigned bbml = n & 3, level = n & 4 ? 3 : 2, which = 1 + (n >> 5) % 15, w = (n >> 5) / 15;
		const bool back = n & 8, lose = n & 16;
		const uint64_t from = lose ? HW_D_CONT : 0, to = (lose ? 0 : HW_D_CONT) | with[w].bit;
		const bool ref =
			ref_km_change_legal(REF_KM_CH_CONT, bbml) && ref_km_change_legal(with[w].row, bbml);

		if (run_changes(level, bbml, which, back, from, to) != ref)
			fail_msg("run of level %u, entries %#x %s the contiguous bit at level %u, with %s: "
				 "specification %d",
				 level, which, lose ? "lose" : "take", bbml, ref_km_changes[with[w].row].what, ref);
	}
}

/* --- sizes */

enum content { SAME, PERMS, RUNS, HALF, EMPTY, OTHER_OA, OTHER_TYPE, NONGLOBAL, GLOBAL, NCONTENT };

/* What the pages of a table are to the block: by the table of the specification. */
static bool size_legal(enum content c, bool to_table, unsigned bbml)
{
	static const enum ref_km_change_id also[NCONTENT] = {
		[SAME] = REF_KM_CH_SOFTWARE,   [PERMS] = REF_KM_CH_WRITE,      [RUNS] = REF_KM_CH_SOFTWARE,
		[HALF] = REF_KM_CH_SOFTWARE,   [OTHER_OA] = REF_KM_CH_OA,      [OTHER_TYPE] = REF_KM_CH_TYPE,
		[NONGLOBAL] = REF_KM_CH_TO_NG, [GLOBAL] = REF_KM_CH_TO_GLOBAL,
	};
	enum ref_km_change_id row = also[c];

	if (c == EMPTY) /* nothing is translated: the break, or what follows it */
		return ref_km_change_legal(to_table ? REF_KM_CH_REMOVE : REF_KM_CH_CREATE, bbml);
	if (!to_table && (c == NONGLOBAL || c == GLOBAL))
		row = c == NONGLOBAL ? REF_KM_CH_TO_GLOBAL : REF_KM_CH_TO_NG;
	return ref_km_change_legal(REF_KM_CH_SIZE, bbml) && ref_km_change_legal(row, bbml);
}

static uint64_t page_below(unsigned i, enum content c)
{
	uint64_t v = in_run(i, 3, 0);

	if (c == EMPTY || (c == HALF && i & 1))
		return 0;
	if (c == RUNS)
		v |= HW_D_CONT;
	else if (c == PERMS)
		v |= HW_D_RDONLY;
	else if (c == NONGLOBAL)
		v |= HW_D_NG;
	else if (i == 11)
		v ^= c == OTHER_OA ? 1ull << 32 : c == OTHER_TYPE ? 1ull << 2 : 0;
	return v;
}

static bool size_changes(enum content c, bool to_table, unsigned bbml, const uint8_t *less)
{
	const uint64_t block = in_run(0, 2, c == GLOBAL ? HW_D_NG : 0);
	uint64_t table;

	start(bbml, less);
	if (to_table) {
		put(root + 2, block);
		dsb();
	}
	leaf = hw_table_alloc(3, "t", 0);
	table = hw_table_pa(leaf) | HW_D_TABLE | HW_D_VALID;
	for (unsigned i = 0; i < 16; i++)
		put(leaf + i, page_below(i, c));
	dsb();
	put(root + 2, table);
	if (!to_table) {
		dsb();
		put(root + 2, block);
	}
	return !findings;
}

static void test_sizes(void **s)
{
	(void)s;
	for (unsigned n = 0; n < NCONTENT * 2 * 4; n++) {
		const enum content c = (enum content)(n >> 3);
		const bool to_table = n & 4, ref = size_legal(c, to_table, n & 3);

		if (size_changes(c, to_table, n & 3, NULL) != ref)
			fail_msg("contents %u, %s, level %u: specification %d", c,
				 to_table ? "block to table" : "table to block", n & 3, ref);
	}
}

/* It is the least of the CPUs that may hold the old translation that counts. */
static void test_least_cpu(void **s)
{
	(void)s;
	for (unsigned bbml = 0; bbml < 4; bbml++)
		for (unsigned less = 0; less < 4; less++) {
			const uint8_t of[2] = {0, (uint8_t)less};
			const unsigned least = bbml > less ? bbml - less : 0;

			assert_int_equal(size_changes(SAME, true, bbml, of),
					 ref_km_change_legal(REF_KM_CH_SIZE, least));
		}
}

/* One that has the map switched off holds nothing of it once it has flushed, and everything until then. */
static void test_absent_cpu(void **s)
{
	static const uint8_t less[2] = {0, 3};
	uint64_t *table;

	(void)s;
	for (unsigned flush = 0; flush < 2; flush++) {
		start(3, less);
		put(root + 2, in_run(0, 2, 0));
		dsb();
		table = hw_setup_table(3);
		for (unsigned i = 0; i < 16; i++)
			put(table + i, in_run(i, 3, 0));
		dsb();
		hw_run_on(1);
		hw_write_ttbr1(true, "t", 0);
		if (flush)
			hw_tlbi(HW_TLBI_VMALLE1, 0, "t", 0);
		dsb();
		hw_run_on(0);
		put(root + 2, hw_table_pa(table) | HW_D_TABLE | HW_D_VALID);
		assert_int_equal(findings != 0, !flush);
	}
}

/* Every row is cited, and only the two that FEAT_BBM is about depend on its level. */
static void test_rows(void **s)
{
	(void)s;
	for (unsigned i = 0; i < REF_KM_NCHANGE; i++) {
		const struct ref_km_change *c = &ref_km_changes[i];

		assert_non_null(strstr(c->cite, "DDI 0487 D8."));
		assert_int_equal(c->bbml != 0 && c->bbml != REF_KM_NEVER,
				 i == REF_KM_CH_CONT || i == REF_KM_CH_SIZE);
		assert_int_equal(ref_km_change_legal((enum ref_km_change_id)i, 3), c->bbml != REF_KM_NEVER);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),  cmocka_unit_test(test_pages),	cmocka_unit_test(test_runs),
		cmocka_unit_test(test_sizes), cmocka_unit_test(test_least_cpu), cmocka_unit_test(test_absent_cpu),
	};

	exec_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
