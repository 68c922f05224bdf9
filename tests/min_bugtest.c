// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: on the real executor, what random generation finds of a planted bug is brought down to a handful of
 * records that is 1-minimal, shows the same signature ten times out of ten, and agrees without the bug.
 *
 * Budgets are executions with fixed seeds, not seconds. Built with PTDIFF_BUGS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz/exec.h"

enum { PROGRAMS = 25000, RECORDS = 6 };

static const struct pt_impl *impl; /* the one that has the bug */

static void run_with(int bug, const struct prog *p, struct outcome *o)
{
	static struct prog q;
	const int was = pt_bug_on;

	q = *p;
	pt_bug_on = bug;
	exec_run(&q, impl, o);
	pt_bug_on = was;
}

/* A generated program that diverges with the bug and agrees without it. */
static bool hunt(int bug, struct prog *p, char *sig)
{
	struct outcome o;

	for (uint32_t seed = 1; seed <= PROGRAMS; seed++) {
		mut_generate(p, 4 + seed % 13, seed * 7);
		run_with(bug, p, &o);
		if (!o.sig[0] || o.timeout)
			continue;
		memcpy(sig, o.sig, SIG_MAX);
		run_with(-1, p, &o);
		if (!o.sig[0])
			return true;
	}
	return false;
}

static void check_minimized(int bug, struct prog *p, const char *sig)
{
	struct outcome o, first;
	uint64_t runs;

	pt_bug_on = bug;
	runs = min_program(p, impl, sig, NULL, NULL);
	if (p->n > RECORDS) {
		prog_print(p, stderr);
		fail_msg("%s: %u records left", sig, p->n);
	}
	assert_true(runs < 100000);
	assert_true(min_is_minimal(p, impl, sig));
	run_with(bug, p, &first);
	for (unsigned i = 0; i < 10; i++) {
		run_with(bug, p, &o);
		assert_string_equal(o.sig, sig);
		assert_true(o.hash == first.hash);
		assert_int_equal(o.steps, first.steps);
	}
}

static void minimizes_planted_bugs(void **state)
{
	static struct prog p;
	char sig[SIG_MAX], err[256];
	unsigned found = 0;

	(void)state;
	for (unsigned b = 0; b < pt_nbugs; b++) {
		impl = impl_find(pt_bugs[b].impl, err, sizeof(err));
		assert_non_null(impl);
		if (!hunt((int)b, &p, sig))
			continue;
		found++;
		check_minimized((int)b, &p, sig);
	}
	pt_bug_on = -1;
	/* Generation alone, without an engine, shows nearly all of them. */
	assert_true(found * 5 >= pt_nbugs * 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(minimizes_planted_bugs)};

	exec_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
