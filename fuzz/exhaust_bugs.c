/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The minimizer against the optimum.
 *
 * Property: `minimized` is what min_program() made of the first generated program that shows the bug, as the
 * fuzzer would; `optimum` is the length of the shortest program with the same signature, of all within the bounds.
 */
#include "exhaust.h"

#include <string.h>

#ifdef PTDIFF_BUGS

#define PROGRAMS 100000 /* to generate, at most */

static void run_with(int bug, const struct exh_opts *o, const struct prog *p, struct outcome *out)
{
	static struct prog q;

	q = *p;
	pt_bug_on = bug;
	exec_run(&q, o->impl, out);
}

/* A generated program that diverges with the bug, and agrees without it. */
static bool hunt(int bug, const struct exh_opts *o, struct prog *p, char *sig)
{
	struct outcome out;

	for (uint32_t seed = 1; seed <= PROGRAMS; seed++) {
		mut_generate(p, 4 + seed % 13, seed * 7);
		run_with(bug, o, p, &out);
		if (!out.sig[0] || out.timeout)
			continue;
		memcpy(sig, out.sig, SIG_MAX);
		run_with(-1, o, p, &out);
		if (!out.sig[0])
			return true;
	}
	return false;
}

static void explore(const struct exh_opts *from, const char *want, unsigned records, struct exh_result *r,
		    struct exh_row *row)
{
	struct exh_opts o = *from;

	o.want = want;
	if (records)
		o.records = records;
	exh_run(&o, r);
	row->seconds += r->seconds;
	row->runs += r->runs;
}

void exh_bug(int bug, const struct exh_opts *o, struct exh_row *row)
{
	static struct exh_result r;
	static struct prog p;

	memset(row, 0, sizeof(*row));
	if (hunt(bug, o, &p, row->sig)) {
		pt_bug_on = bug;
		min_program(&p, o->impl, row->sig, NULL, NULL);
		row->minimized = p.n;
	}
	pt_bug_on = bug;
	explore(o, NULL, row->minimized, &r, row);
	row->complete = r.complete;
	if (r.end == EXH_FOUND) {
		row->shortest = r.found.n;
		memcpy(row->shortest_sig, r.outcome.sig, SIG_MAX);
		row->complete = r.found.n - 1;
	}
	if (row->minimized && row->shortest && !strcmp(row->sig, row->shortest_sig)) {
		row->optimum = row->shortest;
	} else if (row->minimized && row->shortest) {
		explore(o, row->sig, row->minimized, &r, row);
		row->complete = r.complete;
		if (r.end == EXH_FOUND)
			row->optimum = r.found.n;
	}
	pt_bug_on = -1;
}

#else

void exh_bug(int bug, const struct exh_opts *o, struct exh_row *row)
{
	(void)bug;
	(void)o;
	memset(row, 0, sizeof(*row));
}

#endif
