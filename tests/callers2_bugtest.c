// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: each planted bug of mprotect, mremap, madvise, reclaim and migration is found by the shortest program that
 * shows it, with the signature of its row of bugs.def, and the same program agrees without it. Built with PTDIFF_BUGS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz/exec.h"
#include "hw/hw.h"

#define HEADER	"ptdiff 1\ncpus 2\nupdate af+dirty\nxlate stale\n"
#define ONE	"set_ptes cpu=0 page=0.0 nr=1 folio=5 write young\n"
#define AT_END	"  end: read agent=1 page=0.0\n"
#define PREEMPT "  barrier#2: park agent=0\n"

static const struct {
	const char *bug, *ops, *sig;
} cases[] = {
	{"protect-no-flush",
	 "set_ptes cpu=0 page=0.0 nr=1 folio=5 write young dirty\nmprotect cpu=0 page=0.0 nr=1\n"
	 "  end: write agent=1 page=0.0\n",
	 NULL},
	{"protect-commit-stale-value", ONE "mprotect cpu=0 page=0.0 nr=1\n  atomic#1: write agent=1 page=0.0\n",
	 NULL},
	{"protnone-flushless-when-valid", ONE "mprotect cpu=0 page=0.0 nr=1 none\n" AT_END, NULL},
	{"numa-hint-as-none", ONE "numa cpu=0 page=0.0 nr=1\nnuma_fault cpu=0 page=0.0\n", NULL},
	{"mremap-no-flush", ONE "mremap cpu=0 page=0.0 nr=1 toblock=1\n" AT_END, NULL},
	{"mremap-flush-after-unlock",
	 ONE "mremap cpu=0 page=0.0 nr=1 toblock=1\n  barrier#1: read agent=1 page=0.0\n", NULL},
	{"batched-pending-not-completed",
	 ONE "swap_out cpu=0 page=0.0 nr=1 batch\n" PREEMPT "madvise_free cpu=1 page=0.0 nr=1\n" AT_END, NULL},
	{"batched-pending-not-completed",
	 ONE "swap_out cpu=0 page=0.0 nr=1 batch\n" PREEMPT "zap cpu=1 page=0.0 nr=1\n" AT_END,
	 "access/zap/stale-after-flush"},
	{"madvise-free-neighbours",
	 "set_ptes cpu=0 page=0.0 nr=4 folio=1 write young dirty\nmadvise_free cpu=0 page=0.1 nr=2\n", NULL},
	{"swap-out-clear-after-read",
	 ONE "swap_out cpu=0 page=0.0 nr=1 batch\n  atomic#1: write agent=1 page=0.0\n", NULL},
	{"swap-out-write-before-flush",
	 "set_ptes cpu=0 page=0.0 nr=1 folio=5 write young dirty\nswap_out cpu=0 page=0.0 nr=1 batch\n", NULL},
	{"swap-out-freed-before-flush", ONE "swap_out cpu=0 page=0.0 nr=1 batch\n", NULL},
	{"migrate-drops-dirty",
	 "set_ptes cpu=0 page=0.0 nr=1 folio=5 write young dirty\nmigrate cpu=0 page=0.0 nr=1 folio=6\n", NULL},
};

static void run(const char *ops, struct outcome *o)
{
	static struct prog p;
	char text[1024], err[256];

	snprintf(text, sizeof(text), HEADER "%s", ops);
	if (prog_parse(&p, "test", text, strlen(text), err, sizeof(err)))
		fail_msg("%s", err);
	exec_run(&p, &impl_opt, o);
}

static void test_found(void **state)
{
	struct outcome o;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned b = 0;

		pt_bug_on = -1;
		run(cases[i].ops, &o);
		assert_string_equal(o.sig, "");
		while (b < pt_nbugs && strcmp(pt_bugs[b].name, cases[i].bug) != 0)
			b++;
		assert_true(b < pt_nbugs);
		pt_bug_on = (int)b;
		run(cases[i].ops, &o);
		pt_bug_on = -1;
		if (strcmp(o.sig, cases[i].sig ? cases[i].sig : pt_bugs[b].signature) != 0)
			fail_msg("%s: %s", cases[i].bug, o.sig);
	}
}

static int setup(void **state)
{
	(void)state;
	exec_init();
	return impl_opt.init(&hw_hooks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_found)};

	return cmocka_run_group_tests(tests, setup, NULL);
}
