// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: an execution is a function of its program, the implementation and the bug: whatever ran before it, to its end
 * or abandoned at a finding, leaves no trace.
 *
 * Generated programs of every family run in two orders, and in a third one with planted bugs between them; each must do
 * the same every time. Built with PTDIFF_BUGS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz/exec.h"

enum { FAMILIES = 5, EACH = 60, N = FAMILIES * EACH };

static struct prog programs[N];
static struct outcome first[N];

/* Whose program it is; the repainting, which all CPUs work on, counts by itself. */
static unsigned family(const struct prog *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		const unsigned args = p->r[i].is_event ? 0 : op_descs[p->r[i].kind].args;

		if (!p->r[i].is_event && p->r[i].kind == OP_repaint && p->h.ncpu > 2)
			return 4;
		if (args & A_HALF)
			return args & A_KERNEL ? 1 : args & A_KMAP ? 2 : 3;
	}
	return 0;
}

static void collect(void)
{
	unsigned have[FAMILIES] = {0}, all = 0;

	for (uint32_t seed = 1; all < N; seed++) {
		static struct prog p;
		unsigned f;

		mut_generate(&p, 8, seed);
		f = family(&p);
		if (have[f] == EACH)
			continue;
		programs[f * EACH + have[f]++] = p;
		all++;
	}
}

static void run(unsigned i, int bug, struct outcome *o)
{
	static struct prog p;

	p = programs[i];
	pt_bug_on = bug;
	exec_run(&p, &impl_opt, o);
	pt_bug_on = -1;
}

static void same_again(unsigned i, const char *when)
{
	struct outcome o;

	run(i, -1, &o);
	if (o.hash == first[i].hash && o.steps == first[i].steps && !strcmp(o.sig, first[i].sig))
		return;
	prog_print(&programs[i], stderr);
	fail_msg("another outcome %s: %llu steps '%s', and before %llu steps '%s'", when,
		 (unsigned long long)o.steps, o.sig, (unsigned long long)first[i].steps, first[i].sig);
}

/* Families alternate: each program follows one of every other. */
static unsigned mixed(unsigned k)
{
	return k % FAMILIES * EACH + k / FAMILIES;
}

static void leaves_no_trace(void **state)
{
	struct outcome o;

	(void)state;
	collect();
	for (unsigned i = 0; i < N; i++)
		run(i, -1, &first[i]);
	for (unsigned i = N; i-- > 0;)
		same_again(i, "in descending order");
	for (unsigned k = 0; k < N; k++)
		same_again(mixed(k), "in mixed order");
	for (unsigned k = 0; k < 4 * N; k++) {
		run((k * 7 + k / N) % N, (int)(k % pt_nbugs), &o);
		same_again(mixed(k % N), "after one that ended at a finding");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(leaves_no_trace)};

	exec_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
