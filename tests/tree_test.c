// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drawings of page tables, line by line, in the small geometry (16 entries a table, runs of 4).
 *
 * Property: what is drawn is what the tables hold and what each agent may see instead; drawing changes no state of the
 * machine, and a replay that draws has the outcome of one that does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz/callers/kmap.h"
#include "fuzz/callers/split.h"
#include "fuzz/exec_internal.h"
#include "fuzz/tree.h"

static char *picture;
static size_t len;

static void draw(bool all)
{
	const uint64_t before = hw_state_hash();
	FILE *f = open_memstream(&picture, &len);

	tree_draw(f, all);
	fclose(f);
	assert_int_equal(hw_state_hash(), before);
}

/* Places in the code move. */
static void cut_line_numbers(void)
{
	char *to = picture;

	for (const char *from = picture; *from; from++) {
		*to++ = *from;
		if (*from == ':' && from[1] >= '0' && from[1] <= '9')
			from += strspn(from + 1, "0123456789");
	}
	*to = '\0';
}

/* Runs the text; `at_end` marks and draws. */
static void looks(const char *text, void (*at_end)(void), const char *want)
{
	static struct prog p;
	struct outcome o;
	char err[200];

	assert_int_equal(prog_parse(&p, "test", text, strlen(text), err, sizeof(err)), 0);
	exec_init();
	tree_reset();
	picture = NULL;
	exec_at_end = at_end;
	exec_run(&p, &impl_opt, &o);
	exec_at_end = NULL;
	cut_line_numbers();
	assert_string_equal(picture, want);
	free(picture);
}

/* CPU 1 has put a page into 0.1, and nobody else sees it yet; CPU 0 had the run in its TLB. */
static void user_end(void)
{
	hw_run_on(1);
	hw_store(ex_ptep(1), 0, HW_RELAXED, "test", 1);
	hw_do_drain(1, -1);
	hw_store(ex_ptep(1), 0x1001000 | HW_D_USER | HW_D_NG | HW_D_TABLE | HW_D_VALID, HW_RELAXED, "test", 2);
	draw(true);
}

static void user(void **state)
{
	(void)state;
	looks("ptdiff 1\ncpus 2\ndrain lazy\nset_ptes cpu=0 page=0.0 nr=4 write young\n"
	      "set_ptes cpu=0 page=1.0 nr=2 folio=5 exec\nmprotect cpu=0 page=1.0 nr=1 none\n"
	      "set_marker cpu=0 page=2.0 payload=9\n",
	      user_end,
	      "      user tables: table 1 (level 1), in use by cpu0,1\n"
	      "      `- [1] -> table 2 (level 2)\n"
	      "         |- [4] -> table 3 (level 3)\n"
	      "         |  |- [8] (0.0) page pfn 0x1000 r-- DBM AF CONT\n"
	      "         |  |      TLB of cpu0,1: [8..11] pages pfn 0x1000..0x1003 r-- DBM AF CONT\n"
	      "         |  |- [9] (0.1) none\n"
	      "         |  |      pending in cpu1: page pfn 0x1001 rwx kernel x\n"
	      "         |  |- [10..11] (0.2..0.3) pages pfn 0x1002..0x1003 r-- DBM AF CONT\n"
	      "         |  `- [12] (1.0) PROT_NONE, page pfn 0x1014 r--\n"
	      "         `- [5] -> table 4 (level 3)\n"
	      "            `- [0] (2.0) none\n"
	      "                   pending in cpu0: swap or marker, payload 0x9000a\n");
}

static void split_end(void)
{
	tree_mark_va(lin.env.pgdir, lin.spot[SPOT_PUD].va, "the leaf");
	tree_mark(hw_table_va(15ull << HW_FRAME_SHIFT), true, "what becomes of it");
	draw(false);
}

/* The leaf of level 1, whose table is half filled and not linked. */
static void half_split(void **state)
{
	(void)state;
	looks("ptdiff 1\ncpus 2\nbbml 2-noabort\nsplit cpu=0 page=0.1 nr=1 spot=pud\n  store#12: park agent=0\n",
	      split_end,
	      "      kernel tables: table 5 (level 1)\n"
	      "      |- [12] -> table 6 (level 2)\n"
	      "      |- [13] (pud) (0xffffffffffd00000) block 1M pfn 0x500..0x5ff rw- DBM AF   <-- the leaf\n"
	      "      |- [14] -> table 8 (level 2)\n"
	      "      `- ... 1 other\n"
	      "      not linked: table 15 (level 2)   <-- what becomes of it\n"
	      "      |- [0..10] blocks 64K pfn 0x500..0x5af rw- DBM AF CONT\n"
	      "      `- [11..15] never written\n");
}

static void freed_end(void)
{
	tree_mark_va(ex.sp->pt.root, ex_addr(0), "page 0.0");
	tree_mark(hw_table_va(3ull << HW_FRAME_SHIFT), true, "its table was");
	draw(false);
}

static void freed(void **state)
{
	(void)state;
	looks("ptdiff 1\nset_ptes cpu=0 page=0.0 nr=1 young\nfree_table cpu=0 page=0.0\n", freed_end,
	      "      user tables: table 1 (level 1), in use by cpu0\n"
	      "      `- [1] -> table 2 (level 2)\n"
	      "         |- [4] none   <-- page 0.0\n"
	      "         `- [5] -> table 4 (level 3)\n"
	      "      not linked: table 3 (level 3), freed by free_pgtables:   <-- its table was\n");
}

/* The slot goes from one table to none, and CPU 1 has used it. */
static void slot_end(void)
{
	uint64_t *slot = kmap.env.fixmap_ptep + FIX_PMD;
	struct hw_access a = {.agent = 1, .priv = true, .va = kmap.env.fixmap_va + (1ull << ex.geo->page_shift)};

	hw_setup_write(slot, 6ull << HW_FRAME_SHIFT | HW_D_AF | HW_D_TABLE | HW_D_VALID | HW_D_UXN | HW_D_PXN);
	hw_do_access(&a);
	hw_store(slot, 0, HW_RELAXED, "test", 1);
	tree_mark(slot, false, "cleared");
	draw(false);
}

static void stale_slot(void **state)
{
	(void)state;
	looks("ptdiff 1\ncpus 2\ncreate_map cpu=0 page=0.0 nr=2 unit=2\n", slot_end,
	      "      kernel tables: table 5 (level 1)\n"
	      "      |- [15] -> table 6 (level 2)\n"
	      "      |  `- [0] -> table 7 (level 3)\n"
	      "      |     `- [1] (slot FIX_PMD) none   <-- cleared\n"
	      "      |            TLB of cpu0,1: maps table 6 (level 2)\n"
	      "      `- ... 1 other\n");
}

/* Drawing or not, the same happens. */
static void same_outcome(void **state)
{
	static const char *const texts[] = {
		("ptdiff 1\ncpus 2\ndrain lazy\nset_ptes cpu=0 page=0.0 nr=4 write young\n"
		 "wrprotect_ptes cpu=1 page=0.1 nr=1\n"),
		"ptdiff 1\ncpus 3\nbbml 2-noabort\ndrain lazy\nrepaint cpu=1 lack=3 salt=9\n",
		"ptdiff 1\ngeometry 64k\ncreate_map cpu=0 page=0.0 nr=3 unit=2\n",
	};
	static struct prog p;
	struct outcome plain, drawn;
	char err[200], *first, *again;
	FILE *f;

	(void)state;
	exec_init();
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(prog_parse(&p, "test", texts[i], strlen(texts[i]), err, sizeof(err)), 0);
		exec_run(&p, &impl_opt, &plain);
		f = open_memstream(&first, &len);
		exec_replay(&p, &impl_opt, &drawn, f, REPLAY_TABLES);
		fclose(f);
		assert_true(plain.hash == drawn.hash && plain.steps == drawn.steps);
		f = open_memstream(&again, &len);
		exec_replay(&p, &impl_opt, &drawn, f, REPLAY_TABLES);
		fclose(f);
		assert_string_equal(first, again);
		assert_non_null(strstr(first, "user tables: table 1"));
		free(first);
		free(again);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(user),	      cmocka_unit_test(half_split),   cmocka_unit_test(freed),
		cmocka_unit_test(stale_slot), cmocka_unit_test(same_outcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
