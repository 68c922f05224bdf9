/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Property: a program of a table of such cases is found with its bug, with a signature of the
 * bug's row of bugs.def, and agrees without the bug, on the implementation that has it.
 */
#ifndef TESTS_BUGTEST_H
#define TESTS_BUGTEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../fuzz/exec.h"
#include "../impl/bug.h"

struct bug_case {
	const char *bug, *text;
};

static inline bool is_named(const struct pt_bug *b, const char *sig)
{
	const size_t n = strlen(sig);

	if (!strcmp(b->signature, sig))
		return true;
	for (const char *p = b->also; n && p && (p = strstr(p, sig)); p += n)
		if (p[n] == ' ' || !p[n])
			return true;
	return false;
}

static inline void run_case(const struct bug_case *c)
{
	static struct prog p;
	struct outcome o;
	char err[256] = "";
	const struct pt_impl *impl = impl_find(bug_impl(c->bug), err, sizeof(err));
	bool named;

	if (!impl || prog_parse(&p, c->bug, c->text, strlen(c->text), err, sizeof(err)))
		fail_msg("%s: %s", c->bug, err);
	pt_bug_on = -1;
	exec_run(&p, impl, &o);
	if (o.sig[0])
		fail_msg("%s: '%s' without it", c->bug, o.sig);
	assert_int_equal(bug_select(c->bug), 0);
	exec_run(&p, impl, &o);
	named = is_named(&pt_bugs[pt_bug_on], o.sig);
	pt_bug_on = -1;
	if (!named)
		fail_msg("%s: '%s' is not what its row says", c->bug, o.sig);
}

/* main() of a test of the table `cases`. */
#define BUGTEST_MAIN                                                                                               \
	static void test_each(void **state)                                                                        \
	{                                                                                                          \
		(void)state;                                                                                       \
		for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)                                    \
			run_case(&cases[i]);                                                                       \
	}                                                                                                          \
                                                                                                                   \
	int main(void)                                                                                             \
	{                                                                                                          \
		static const struct CMUnitTest tests[] = {cmocka_unit_test(test_each)};                            \
                                                                                                                   \
		exec_init();                                                                                       \
		return cmocka_run_group_tests(tests, NULL, NULL);                                                  \
	}

#endif
