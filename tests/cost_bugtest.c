// SPDX-License-Identifier: GPL-2.0-only
/*
 * Planted bugs that only cost.
 *
 * Property: each is found, with the signature of its catalogue row, and no other oracle ever speaks: what is slow and
 * right must not look wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../fuzz/exec.h"

enum { PROGRAMS = 3000 };

static const struct pt_bug *bug_on(const char *name)
{
	assert_int_equal(bug_select(name), 0);
	return &pt_bugs[pt_bug_on];
}

static void assert_expected(const struct pt_bug *b, const struct outcome *o)
{
	if (strcmp(o->sig, b->signature) && !(b->also && strstr(b->also, o->sig)))
		fail_msg("%s: %s: %s", b->name, o->sig, o->detail);
}

/* Generated programs; all that is found is what the row names. How often anything was, and how often its signature. */
static unsigned hunt(const char *name, const struct pt_impl *impl, unsigned *exact)
{
	static struct prog p;
	const struct pt_bug *b = bug_on(name);
	struct outcome o;
	unsigned found = 0;

	*exact = 0;
	for (unsigned seed = 0; seed < PROGRAMS; seed++) {
		mut_generate(&p, 16, 1 + seed);
		exec_run(&p, impl, &o);
		if (!o.sig[0])
			continue;
		assert_expected(b, &o);
		found++;
		*exact += !strcmp(o.sig, b->signature);
	}
	pt_bug_on = -1;
	return found;
}

static void only_costs(const char *name, const struct pt_impl *impl)
{
	unsigned exact;

	hunt(name, impl, &exact);
	assert_true(exact > 0);
}

static void text_costs(const char *name, const char *text)
{
	static struct prog p;
	const struct pt_bug *b = bug_on(name);
	char err[512];
	struct outcome o;

	assert_int_equal(prog_parse(&p, name, text, strlen(text), err, sizeof(err)), 0);
	exec_run(&p, &impl_opt, &o);
	assert_string_equal(o.sig, b->signature);
	pt_bug_on = -1;
	exec_run(&p, &impl_opt, &o);
	assert_string_equal(o.sig, "");
}

static void test_operations(void **s)
{
	(void)s;
	only_costs("needless-unfold", &impl_opt);
	only_costs("over-flush", &impl_opt);
	only_costs("quadratic-batch", &impl_opt);
}

static void test_maps(void **s)
{
	static const char *const names[] = {
		"table-remapped-per-run",  "create-barrier-per-entry",
		"split-barrier-per-entry", "split-needless-flush",
		"split-at-edge",	   "setmem-flush-per-page",
		"repaint-flush-per-page",
	};
	unsigned exact;

	(void)s;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_true(hunt(names[i], &impl_opt, &exact) > 0);
}

/* Single calls, where whoever reads the budget can count along; signatures are those of the rows. */
static void test_single_calls(void **s)
{
	(void)s;
	text_costs("table-remapped-per-run", "ptdiff 1\ncreate_map cpu=0 page=0.0 nr=8 nocont\n");
	text_costs("create-barrier-per-entry", "ptdiff 1\ncreate_map cpu=0 page=0.0 nr=1\n");
	text_costs("split-barrier-per-entry", "ptdiff 1\nbbml 2-noabort\nsplit cpu=0 page=0.1 nr=1 spot=block\n");
	text_costs("split-needless-flush", "ptdiff 1\nbbml 2-noabort\nsplit cpu=0 page=0.1 nr=1 spot=block\n");
	text_costs("split-at-edge", "ptdiff 1\nbbml 2-noabort\nsplit cpu=0 page=0.0 nr=1 unit=3 spot=block\n");
	text_costs("setmem-flush-per-page", "ptdiff 1\nset_memory cpu=0 page=0.0 nr=1 spot=vmalloc what=nx\n");
	text_costs("repaint-flush-per-page", "ptdiff 1\nbbml 2-noabort\nrepaint cpu=0\n");
}

static void test_sections(void **s)
{
	(void)s;
	only_costs("queue-v2-wrong", &impl_opt);
	only_costs("queue-v3-wrong", &impl_opt);
	only_costs("deferred-flush-every-entry", &impl_deferred);
	text_costs("lazy-inner-leave-ends-mode", "ptdiff 1\n"
						 "lazy cpu=0 verb=enter\nkmap cpu=0 page=0.0 nr=1\n"
						 "kset cpu=0 page=1.0\nkset cpu=0 page=1.1\n"
						 "lazy cpu=0 verb=leave\n");
}

static int setup(void **s)
{
	(void)s;
	exec_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_single_calls),
		cmocka_unit_test(test_sections),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
