// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: exhaustive exploration finds planted bugs by their shortest program, and the minimizer's result is that
 * long, or one record longer. Built with PTDIFF_BUGS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz/exhaust.h"

static const struct pt_impl *impl;

static int bug_named(const char *name)
{
	for (unsigned b = 0; b < pt_nbugs; b++)
		if (!strcmp(pt_bugs[b].name, name))
			return (int)b;
	fail_msg("no bug %s", name);
	return -1;
}

static struct exh_opts bounds(const char *core, unsigned ops, unsigned events, const char *header)
{
	struct exh_opts o = {.impl = impl, .ops = ops, .pages = 4, .events = events, .memory = 256u << 20};

	assert_int_equal(exh_core_find(&o.core, core), 0);
	for (unsigned i = 0; i < exh_nvariants; i++)
		if (!header || !strcmp(exh_variants[i].name, header))
			o.variants |= 1u << i;
	assert_true(o.variants != 0);
	return o;
}

/* The shortest program of each within a core that has what it takes; nothing shorter exists there. */
static const struct {
	const char *bug, *core, *header;
	unsigned ops, events, records;
} known[] = {
	{"fold-misaligned", "set_ptes", "plain", 1, 0, 1},
	{"table-leaf-only-free", "free_table", "plain", 1, 0, 1},
	{"flush-no-notify", "free_table", "smmu", 1, 0, 1},
	{"convert-no-gather", "set_ptes", "plain", 2, 0, 2},
	{"fold-permission-blind", "set_ptes", "plain", 2, 0, 2},
	{"unfold-no-flush", "base", "plain", 2, 0, 2},
	{"young-no-widen", "set_ptes,ptep_test_and_clear_young", "plain", 2, 0, 2},
	{"wrprotect-plain-store", "base", "dirty", 2, 1, 3},
	{"wrprotect-loses-dirty", "base", "dirty", 2, 1, 3},
	{"clear-by-store", "base", "dirty", 2, 1, 3},
	{"stash-plain-store", "set_ptes,ptep_get_and_clear_full", "dirty", 2, 1, 3},
	{"stash-missing", "set_ptes,ptep_get_and_clear_full", "last", 2, 1, 3},
	{"tlbi-before-dsb", "base", "plain", 2, 0, 2},
	{"tlbi-no-completion", "base", "plain", 2, 0, 2},
	{"tlbi-local", "base", "plain", 2, 0, 2},
	{"full-clear-no-unfold-partial", "base", "plain", 3, 0, 3},
	{"wrprotect-no-unfold", "set_ptes,wrprotect_ptes,ptep_set_access_flags", "plain", 3, 0, 3},
	{"table-clear-unordered", "set_ptes,free_table", "reversed", 2, 1, 3},
};

static void finds_the_shortest(void **state)
{
	static struct exh_result r;
	struct outcome out;

	(void)state;
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct exh_opts o = bounds(known[i].core, known[i].ops, known[i].events, known[i].header);
		const int bug = bug_named(known[i].bug);

		pt_bug_on = bug;
		exh_run(&o, &r);
		if (r.end != EXH_FOUND || r.found.n != known[i].records) {
			if (r.end == EXH_FOUND)
				prog_print(&r.found, stderr);
			fail_msg("%s: %u records instead of %u", known[i].bug, r.end == EXH_FOUND ? r.found.n : 0,
				 known[i].records);
		}
		exec_run(&r.found, impl, &out);
		assert_string_equal(out.sig, r.outcome.sig);
		pt_bug_on = -1;
		exec_run(&r.found, impl, &out);
		assert_string_equal(out.sig, "");
	}
}

/* Every shorter program is tried: of all ops under every header, or, from five records on, of those that the program has. */
static void minimizer_is_near_the_optimum(void **state)
{
	static const char *const bugs[] = {"convert-no-gather",	   "fold-permission-blind",
					   "wrprotect-no-unfold",  "full-clear-no-unfold-partial",
					   "tlbi-no-completion",   "flush-short-range",
					   "table-leaf-only-free", "table-linked-uncleared",
					   "gather-write-back",	   "stash-plain-store",
					   "table-freed-early"};
	struct exh_opts o = bounds("full", 3, 1, NULL);
	struct exh_row row;

	(void)state;
	for (unsigned i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++) {
		exh_bug(bug_named(bugs[i]), &o, &row);
		assert_true(row.minimized > 0);
		if (row.minimized > 5)
			fail_msg("%s: %u records left", bugs[i], row.minimized);
		if (row.shorter)
			assert_int_equal(row.minimized, row.shorter + 1);
		else
			assert_int_equal(row.complete + 1, row.minimized);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(finds_the_shortest),
					   cmocka_unit_test(minimizer_is_near_the_optimum)};
	char err[256];

	exec_init();
	impl = impl_find("opt", err, sizeof(err));
	if (!impl) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
