// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: each planted bug of a caller is found by the shortest program that shows it, with the signature its row in
 * bugs.def names, and the same program agrees without it. Built with PTDIFF_BUGS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz/exec.h"
#include "impl/bug.h"

#define ONE  "ptdiff 1\nset_ptes cpu=0 page=0.0 "
#define TWO  "ptdiff 1\ncpus 2\nxlate stale\nset_ptes cpu=0 page=0.0 "
#define FORK "nr=4 folio=2 write young dirty\nfork cpu=0\n"

static const struct {
	enum pt_bug_id bug;
	const char *text;
} shows[] = {
	{PT_BUG_zap_no_gathered_flush, ONE "nr=1 young\nzap cpu=0 page=0.0 nr=1\n"},
	{PT_BUG_pages_freed_before_flush, ONE "nr=1 young\nzap cpu=0 page=0.0 nr=1\n"},
	{PT_BUG_zap_dirty_flush_late,
	 TWO "nr=1 write young dirty\nzap cpu=0 page=0.0 nr=1 file\n  barrier#1: write agent=1 page=0.0\n"},
	{PT_BUG_gather_nested_ignored,
	 TWO "nr=1 write young dirty\nzap cpu=0 page=0.0 nr=1\n  barrier#1: park agent=0\n"
	     "zap cpu=1 page=0.0 nr=1\ntouch cpu=1 page=0.0 write\n"},
	{PT_BUG_table_freed_early, "ptdiff 1\nfree_table cpu=0 page=0.0\n"},
	{PT_BUG_table_freed_under_reader,
	 "ptdiff 1\ncpus 2\ngup_fast cpu=1 page=0.0\n  load#2: park agent=0\nfree_table cpu=0 page=0.0\n"},
	{PT_BUG_exit_no_table_flush, "ptdiff 1\nfork cpu=0\nswitch cpu=0 to=child\nexit cpu=0\n"},
	{PT_BUG_exit_root_under_lazy, "ptdiff 1\nfork cpu=0\nswitch cpu=0 to=child\nexit cpu=0\n"},
	{PT_BUG_tlb_flush_ignores_freed_tables, "ptdiff 1\nfork cpu=0\nswitch cpu=0 to=child\nexit cpu=0\n"},
	{PT_BUG_fork_no_flush, TWO FORK "  end: write agent=0 page=0.0\n"},
	{PT_BUG_fork_wrprotect_first_only, ONE FORK},
	{PT_BUG_fork_child_dirty_wrong, ONE FORK},
	{PT_BUG_fork_parent_dirty_lost, ONE FORK},
	{PT_BUG_cow_set_before_flush, ONE "nr=1 young\ncow cpu=0 page=0.0\n"},
	{PT_BUG_unlock_before_visible,
	 "ptdiff 1\ncpus 2\ndrain lazy\nset_ptes cpu=0 page=0.0 nr=1\ncow cpu=0 page=0.0\ntouch cpu=1 page=0.0\n"},
	{PT_BUG_gup_no_recheck, TWO "nr=1\ngup_fast cpu=0 page=0.0\n  atomic#1: park agent=0\n"
				    "ptep_get_and_clear cpu=1 page=0.0\n"},
};

static void run(struct prog *p, const char *text, struct outcome *o)
{
	char err[300] = "";

	if (prog_parse(p, "test", text, strlen(text), err, sizeof(err)))
		fail_msg("%s", err);
	exec_run(p, &impl_opt, o);
}

static void test_found(void **state)
{
	static struct prog p;
	struct outcome o;

	(void)state;
	for (unsigned i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
		pt_bug_on = -1;
		run(&p, shows[i].text, &o);
		assert_string_equal(o.sig, "");
		pt_bug_on = (int)shows[i].bug;
		run(&p, shows[i].text, &o);
		if (strcmp(o.sig, pt_bugs[shows[i].bug].signature) != 0)
			fail_msg("%s: %s", pt_bugs[shows[i].bug].name, o.sig);
	}
	pt_bug_on = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_found)};

	exec_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
