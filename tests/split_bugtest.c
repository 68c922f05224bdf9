/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Property: planted bugs of splits, permission changes, repainting and walks are found by programs of one to three ops, with
 * a signature that their rows in bugs.def name, and the same programs say nothing of the right code. Built with PTDIFF_BUGS.
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
	{"split-gate-this-cpu", "ptdiff 1\n"
				"cpus 2\n"
				"bbml 2-noabort\n"
				"split cpu=0 page=0.1 nr=1 spot=block\n"
				"repaint cpu=0 lack=1 level=1\n"},
	{"split-gate-aborts", "ptdiff 1\n"
			      "cpus 2\n"
			      "bbml 2-noabort\n"
			      "split cpu=0 page=0.1 nr=1 spot=block\n"
			      "  end: read agent=1 page=0.0 xlate=2\n"
			      "repaint cpu=0 lack=1\n"},
	{"split-alloc-before-look", "ptdiff 1\n"
				    "bbml 2-noabort\n"
				    "split cpu=0 page=0.0 nr=1 spot=block unit=3\n"},
	{"split-failure-frees-linked", "ptdiff 1\n"
				       "alloc_fails on\n"
				       "bbml 2-noabort\n"
				       "salt 3267030098\n"
				       "split cpu=0 page=0.0 nr=1 spot=tables\n"},
	{"walk-again-when-locked", "ptdiff 1\n"
				   "cpus 2\n"
				   "walk_free cpu=0\n"
				   "  store#1: park agent=0\n"
				   "walk cpu=1 page=0.0 nr=1 spot=walk\n"},
	{"walk-waits-for-table", "ptdiff 1\n"
				 "cpus 2\n"
				 "walk cpu=0 page=0.0 nr=1 spot=walk\n"
				 "  any#7: park agent=0\n"
				 "walk_free cpu=1\n"},
	{"walk-hole-error-lost", "ptdiff 1\n"
				 "walk cpu=0 page=0.0 nr=16 spot=walk end=1 late\n"},
	{"walk-post-forgotten", "ptdiff 1\n"
				"walk cpu=0 page=0.0 nr=1 spot=walk\n"},
	{"setmem-rox-x-first", "ptdiff 1\n"
			       "set_memory cpu=0 page=0.0 nr=1 spot=vmalloc what=rox\n"},
	{"setmem-rox-alias-last", "ptdiff 1\n"
				  "set_memory cpu=0 page=0.0 nr=1 spot=vmalloc what=rox\n"},
	{"setmem-nx-no-flush", "ptdiff 1\n"
			       "set_memory cpu=0 page=0.0 nr=1 spot=vmalloc what=x\n"
			       "set_memory cpu=0 page=0.0 nr=1 spot=vmalloc what=nx\n"
			       "  end: read agent=0 page=0.0 xlate=2 fetch\n"},
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
	if (impl_opt.init)
		impl_opt.init(NULL);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = cases[i].text;

		assert_int_equal(prog_parse(&prog, cases[i].bug, text, strlen(text), err, sizeof(err)), 0);
		pt_bug_on = -1;
		exec_run(&prog, &impl_opt, &out);
		assert_string_equal(out.sig, "");
		assert_int_equal(bug_select(cases[i].bug), 0);
		exec_run(&prog, &impl_opt, &out);
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
