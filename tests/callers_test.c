// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callers made of several operations, on the built-in implementation: what each leaves behind in each address space.
 *
 * Property: removal, fork, exit, copy on write and lockless references leave the tables that the pictures show, also when they
 * fail or are preempted half way, and nothing diverges.
 *
 * Pictures: one contiguous block a group, one character an entry:
 *	.  none   m  marker   p  page   r  read-only page   C  in a folded run   R  the same, read-only   -  no table
 * and what the entry records: y accessed, d dirty, b both, - neither.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../fuzz/exec_internal.h"

static struct outcome out;
static char shape[EX_SPACES][64], state[EX_SPACES][64];

static char shape_of(uint64_t raw)
{
	const uint64_t v = impl_opt.entry_read(raw);

	if (!raw)
		return '.';
	if (!(v & PT_PRESENT))
		return 'm';
	if (raw & HW_D_CONT)
		return v & PT_WRITE ? 'C' : 'R';
	return v & PT_WRITE ? 'p' : 'r';
}

static char state_of(uint64_t raw)
{
	const uint64_t v = impl_opt.entry_read(raw);

	if (!(v & PT_PRESENT))
		return '.';
	return "-ydb"[(v & PT_YOUNG ? 1 : 0) + (v & PT_DIRTY ? 2 : 0)];
}

static void draw(const struct space *sp, char *s, char *a)
{
	for (unsigned p = 0; p < PROG_BLOCKS * ex.cont; p++) {
		const uint64_t *ptep = ex_ptep_in(sp, p);
		const uint64_t raw = ptep ? hw_peek(ptep) : 0;

		if (p && p % ex.cont == 0)
			*s++ = *a++ = ' ';
		*s++ = ptep ? shape_of(raw) : '-';
		*a++ = state_of(raw);
	}
	*s = *a = '\0';
}

static void draw_all(void)
{
	for (unsigned i = 0; i < EX_SPACES; i++) {
		strcpy(shape[i], "gone");
		if (ex.space[i].alive)
			draw(&ex.space[i], shape[i], state[i]);
	}
}

/* Nothing diverges, and all but `skipped` ops take effect. */
static void run(const char *text, unsigned skipped)
{
	static struct prog p;
	char err[300] = "";

	if (prog_parse(&p, "test", text, strlen(text), err, sizeof(err)))
		fail_msg("%s", err);
	exec_at_end = draw_all;
	exec_run(&p, &impl_opt, &out);
	exec_at_end = NULL;
	if (out.sig[0])
		fail_msg("%s: %s\n%s", out.sig, out.detail, text);
	assert_int_equal(out.skipped, skipped);
}

#define assert_parent(s, a) (assert_string_equal(shape[0], s), assert_string_equal(state[0], a))
#define assert_child(s, a)  (assert_string_equal(shape[1], s), assert_string_equal(state[1], a))

#define TWO "ptdiff 1\ncpus 2\nupdate af+dirty\nxlate stale\n"
/* A block on each side of the border between the two tables. */
#define EIGHT                                                                                                      \
	"set_ptes cpu=0 page=1.0 nr=4 folio=9 write young dirty\n"                                                 \
	"set_ptes cpu=0 page=2.0 nr=4 folio=9 write young dirty\n"
#define FOLDED ".... CCCC CCCC ...."

static void test_zap(void **s)
{
	(void)s;
	run(TWO EIGHT "zap cpu=0 page=1.0 nr=8\n", 0);
	assert_parent(".... .... .... ....", ".... .... .... ....");
	/* Part of a folded run at either end, and a marker. */
	run(TWO EIGHT "set_marker cpu=0 page=3.1 payload=3\nzap cpu=0 page=1.2 nr=4\n", 0);
	assert_parent(".... pp.. ..pp .m..", ".... bb.. ..bb ....");
	run(TWO EIGHT "zap cpu=0 page=1.2 nr=4 file single\n", 0);
	assert_parent(".... pp.. ..pp ....", ".... bb.. ..bb ....");
	run(TWO EIGHT "set_marker cpu=0 page=3.1 payload=3\nzap cpu=0 page=3.0 nr=4\n", 0);
	assert_parent(".... CCCC CCCC ....", ".... bbbb bbbb ....");
	run(TWO "zap cpu=0 page=3.0 nr=4\n", 1);
}

static void test_zap_twice(void **s)
{
	(void)s;
	run(TWO "set_ptes cpu=0 page=0.0 nr=4 folio=2 write young\n"
		"zap cpu=0 page=0.0 nr=4\n  tlbi#1: park agent=0\n"
		"zap cpu=1 page=0.0 nr=4\ntouch cpu=1 page=0.1 write\n"
		"set_ptes cpu=1 page=0.0 nr=4 folio=9 write young\ntouch cpu=1 page=0.1 write\n",
	    0);
	assert_parent("CCCC .... .... ....", "ybyy .... .... ....");
}

static void test_fork(void **s)
{
	(void)s;
	run(TWO EIGHT "set_marker cpu=0 page=3.1 payload=3\nfork cpu=0\n", 0);
	assert_parent(".... RRRR RRRR .m..", ".... bbbb bbbb ....");
	assert_child(".... RRRR RRRR .m..", ".... dddd dddd ....");
	run(TWO EIGHT "fork cpu=0 shared\n", 0);
	assert_parent(FOLDED, ".... bbbb bbbb ....");
	assert_child(FOLDED, ".... ---- ---- ....");
	/* Dirty and clean pages are batches of their own; without a table there is nothing to copy. */
	run(TWO "set_ptes cpu=0 page=0.0 nr=2 folio=2 write dirty\nset_ptes cpu=0 page=0.2 nr=2 folio=2 write\n"
		"free_table cpu=0 page=2.0\nfork cpu=0\n",
	    0);
	assert_parent("rrrr .... ---- ----", "dd-- .... .... ....");
	assert_child("rrrr .... ---- ----", "dd-- .... .... ....");
	run(TWO "fork cpu=0\nfork cpu=0\n", 1);
}

/* A store just before the flush counts for the parent alone. */
static void test_fork_race(void **s)
{
	(void)s;
	run(TWO "set_ptes cpu=0 page=0.0 nr=1 folio=5 write young\ntouch cpu=1 page=0.0\n"
		"fork cpu=0\n  atomic#1: write agent=1 page=0.0\n",
	    0);
	assert_parent("r... .... .... ....", "b... .... .... ....");
	assert_child("r... .... .... ....", "-... .... .... ....");
}

static void test_fork_no_memory(void **s)
{
	unsigned failed[2] = {0, 0};

	(void)s;
	for (unsigned salt = 0; salt < 64; salt++) {
		char text[400];

		snprintf(text, sizeof(text),
			 TWO "alloc_fails on\n" EIGHT "fork cpu=0 salt=%u\ntouch cpu=1 page=1.0 write\n", salt);
		run(text, 0);
		if (strcmp(shape[1], "gone") != 0) {
			assert_parent(".... RRRR RRRR ....", ".... bbbb bbbb ....");
			continue;
		}
		failed[shape[0][5] == 'R']++; /* at the first table, or at the second, when the first was done */
		assert_string_equal(shape[0] + 10, "CCCC ....");
	}
	assert_in_range(failed[0], 2, 60);
	assert_in_range(failed[1], 2, 60);
}

static void test_exit(void **s)
{
	static const char *const how[] = {"", " single", " drop", " single drop"};

	(void)s;
	for (unsigned i = 0; i < 4; i++) {
		char text[500];

		snprintf(text, sizeof(text),
			 TWO EIGHT "fork cpu=0\nswitch cpu=1 to=child\ntouch cpu=1 page=1.1\nexit cpu=0%s\n"
				   "  atomic#2: age agent=1 page=1.0\n  tlbi#1: age agent=1 page=2.0\n"
				   "fork cpu=0 shared\nswitch cpu=1 to=child\ntouch cpu=1 page=2.0\n",
			 how[i]);
		run(text, 0);
		assert_parent(".... RRRR RRRR ....", ".... bbbb bbbb ....");
		assert_child(".... RRRR RRRR ....", ".... ---- y--- ....");
	}
	/* A CPU without a user does nothing for one, and one that never was in the child goes on. */
	run(TWO "fork cpu=0\nswitch cpu=1 to=child\nexit cpu=1\nset_ptes cpu=1 page=0.0 nr=1\nset_ptes cpu=0 "
		"page=0.0 nr=1\n",
	    1);
	run(TWO "fork cpu=0\nswitch cpu=1 to=child\nexit cpu=1 drop\nset_ptes cpu=1 page=0.0 nr=1\n", 0);
	run(TWO "exit cpu=0\nswitch cpu=1 to=child\nswitch cpu=1 to=parent\n", 3);
}

/* Many children, each abandoned by a CPU that keeps its top table: none of the frames is lost. */
static void test_exit_often(void **s)
{
	static char text[16384];
	unsigned n = (unsigned)snprintf(text, sizeof(text), TWO EIGHT);

	(void)s;
	for (unsigned i = 0; i < 40; i++)
		n += (unsigned)snprintf(text + n, sizeof(text) - n,
					"fork cpu=0\nswitch cpu=1 to=child\nexit cpu=%u\n", i & 1);
	run(text, 0);
	assert_string_equal(shape[1], "gone");
}

static void test_cow(void **s)
{
	(void)s;
	run(TWO "set_ptes cpu=0 page=0.0 nr=4 folio=2 young exec\ncow cpu=0 page=0.1 folio=9\n", 0);
	assert_parent("rprr .... .... ....", "ybyy .... .... ....");
}

static void test_cow_of_both(void **s)
{
	(void)s;
	/* The parent copies, for the child maps the page too; then the child is the last and goes on with it. */
	run(TWO "set_ptes cpu=0 page=0.0 nr=1 folio=5 write young dirty\nfork cpu=0\nswitch cpu=1 to=child\n"
		"cow cpu=0 page=0.0 folio=6 reuse\ncow cpu=1 page=0.0 folio=6 reuse\n"
		"touch cpu=0 page=0.0 write\ntouch cpu=1 page=0.0 write\n",
	    0);
	assert_parent("p... .... .... ....", "b... .... .... ....");
	assert_child("p... .... .... ....", "b... .... .... ....");
	assert_int_not_equal(ref_now(&ex.space[0].mm, 0)->val.pfn, ref_now(&ex.space[1].mm, 0)->val.pfn);
}

/* Preempted before the reference, and between the level above and the entry. */
static void test_gup(void **s)
{
	(void)s;
	run(TWO "set_ptes cpu=0 page=0.0 nr=4 folio=2 write young\ngup_fast cpu=1 page=0.1 write\n  atomic#1: park "
		"agent=1\n"
		"zap cpu=0 page=0.0 nr=4\nset_ptes cpu=0 page=0.0 nr=4 folio=9 write young\n"
		"gup_fast cpu=1 page=0.2\n  load#2: park agent=1\nfree_table cpu=0 page=0.0\n",
	    0);
	assert_parent("---- ---- .... ....", ".... .... .... ....");
}

static void test_two_spaces_one_lock_order(void **s)
{
	(void)s;
	/* Fork waits for a writer in the parent's second table while that is preempted; nobody is stuck. */
	run(TWO EIGHT "wrprotect_ptes cpu=1 page=2.0 nr=2\n  atomic#1: park agent=1\nfork cpu=0\nexit cpu=0\n", 0);
	assert_parent(".... RRRR rrrr ....", ".... bbbb bbbb ....");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zap),
		cmocka_unit_test(test_zap_twice),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_fork_race),
		cmocka_unit_test(test_fork_no_memory),
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_exit_often),
		cmocka_unit_test(test_cow),
		cmocka_unit_test(test_cow_of_both),
		cmocka_unit_test(test_gup),
		cmocka_unit_test(test_two_spaces_one_lock_order),
	};

	exec_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
