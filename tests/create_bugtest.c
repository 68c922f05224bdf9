// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: each planted bug of creation is found by a program of one or two calls, with a signature that its row in
 * bugs.def names, and the same program says nothing of the right code. Built with PTDIFF_BUGS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../fuzz/exec.h"
#include "../impl/bug.h"

static const struct {
	const char *bug, *text;
} cases[] = {
	{"table-linked-before-clear", "ptdiff 1\n"
				      "cpus 2\n"
				      "create_map cpu=0 page=0.0 nr=1\n"
				      "  tlbi#1: read agent=1 page=0.0\n"},
	{"table-entries-late", "ptdiff 1\n"
			       "cpus 2\n"
			       "drain lazy\n"
			       "create_map cpu=0 page=0.0 nr=1\n"
			       "  end: write agent=1 page=0.0\n"},
	{"fixmap-use-after-clear", "ptdiff 1\n"
				   "create_map cpu=0 page=0.0 nr=1\n"},
	{"fixmap-slot-reused-without-clear", "ptdiff 1\n"
					     "create_map cpu=0 page=0.0 nr=2 unit=2 noblock\n"},
	{"folded-slot-pointer-advance", "ptdiff 1\n"
					"create_map cpu=0 page=0.0 nr=1\n"},
	{"folded-slot-pointer-advance", "ptdiff 1\n" /* four levels: the P4D's alone is folded */
					"geometry 4k\n"
					"create_map cpu=0 page=0.0 nr=1\n"},
	{"index-not-masked", "ptdiff 1\n" /* into the table of level 0 */
			     "create_boot cpu=0 levels=4\n"
			     "create_map cpu=0 page=0.0 nr=1\n"},
	{"table-linked-before-clear", "ptdiff 1\n" /* the same */
				      "cpus 2\n"
				      "create_boot cpu=0 levels=4\n"
				      "create_map cpu=0 page=0.0 nr=1\n"
				      "  tlbi#1: read agent=1 page=0.0\n"},
	{"lpa2-shareability-in-entry", "ptdiff 1\n"
				       "create_boot cpu=0 levels=4\n"
				       "create_map cpu=0 page=0.0 nr=1\n"},
	{"lpa2-range-base-in-pages", "ptdiff 1\n"
				     "cpus 2\n"
				     "xlate stale\n"
				     "tlbirange on\n"
				     "create_boot cpu=0 levels=4\n"
				     "create_map cpu=0 page=0.0 nr=2\n"
				     "create_perm cpu=0 page=0.0 nr=2 ro\n"
				     "create_access cpu=1 page=0.0 write\n"},
	{"index-not-masked", "ptdiff 1\n"
			     "create_map cpu=0 page=0.0 nr=1\n"},
	{"cont-across-hole", "ptdiff 1\n"
			     "create_map cpu=0 page=0.0 nr=1\n"},
	{"cont-misaligned", "ptdiff 1\n"
			    "create_map cpu=0 page=0.0 nr=1 unit=2 shift=1\n"},
	{"cont-beside-noncont", "ptdiff 1\n"
				"bbml 1\n"
				"create_map cpu=0 page=0.1 nr=1\n"
				"create_map cpu=0 page=0.0 nr=4 exec\n"},
	{"live-change-beyond-permissions", "ptdiff 1\n"
					   "create_map cpu=0 page=0.0 nr=1\n"
					   "create_map cpu=0 page=0.0 nr=1 shift=1\n"},
	{"must-refuse-served", "ptdiff 1\n"
			       "create_map cpu=0 page=0.0 nr=1\n"
			       "create_map cpu=0 page=0.0 nr=1 unit=4\n"},
	{"alloc-failure-leaks-slot", "ptdiff 1\n"
				     "alloc_fails on\n"
				     "create_map cpu=0 page=0.0 nr=1 unit=4 noblock\n"},
	{"table-alloc-before-look", "ptdiff 1\n"
				    "create_map cpu=0 page=0.0 nr=1\n"
				    "create_map cpu=0 page=0.1 nr=1\n"},
	{"block-change-refused", "ptdiff 1\n"
				 "create_map cpu=0 page=0.0 nr=1 unit=2\n"
				 "create_perm cpu=0 page=0.0 nr=16 ro\n"},
	{"create-failure-frees-linked", "ptdiff 1\n"
					"alloc_fails on\n"
					"create_map cpu=0 page=0.0 nr=1 unit=4 noblock\n"},
	{"redundant-clear", "ptdiff 1\n"
			    "create_map cpu=0 page=0.0 nr=1\n"},
	{"table-clear-not-ordered", "ptdiff 1\n"
				    "cpus 2\n"
				    "drain lazy\n"
				    "create_map cpu=0 page=0.0 nr=1\n"
				    "create_map cpu=0 page=1.0 nr=1 at=2\n"
				    "  barrier#5: read agent=1 page=0.0 pick=2\n"},
};

static bool is_named(const struct pt_bug *b, const char *sig)
{
	const size_t n = strlen(sig);

	if (!strcmp(b->signature, sig))
		return true;
	for (const char *p = b->also; p && (p = strstr(p, sig)); p += n)
		if (p[n] == ' ' || !p[n])
			return true;
	return false;
}

static void test_each(void **s)
{
	static struct prog prog;
	struct outcome out;
	char err[256];

	(void)s;
	exec_init();
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct pt_impl *impl = impl_find(bug_impl(cases[i].bug), err, sizeof(err));

		assert_non_null(impl);
		assert_int_equal(
			prog_parse(&prog, cases[i].bug, cases[i].text, strlen(cases[i].text), err, sizeof(err)), 0);
		pt_bug_on = -1;
		exec_run(&prog, impl, &out);
		assert_string_equal(out.sig, "");
		assert_int_equal(bug_select(cases[i].bug), 0);
		exec_run(&prog, impl, &out);
		if (!is_named(&pt_bugs[pt_bug_on], out.sig))
			fail_msg("%s: '%s' is not in its row", cases[i].bug, out.sig);
	}
	pt_bug_on = -1;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(test_each)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
