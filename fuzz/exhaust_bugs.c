/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The minimizer against the optimum.
 *
 * Property: `minimized` is what min_program() made of the first generated program that shows the bug, as the
 * fuzzer would; there is a shorter program with the same signature within the bounds iff `shorter` says so, as far as
 * `complete` reaches.
 */
#include "exhaust.h"

#include <string.h>

#ifdef PTDIFF_BUGS

#define PROGRAMS 50000 /* to generate, at most */

static void run_with(int bug, const struct exh_opts *o, const struct prog *p, struct outcome *out)
{
	static struct prog q;

	q = *p;
	pt_bug_on = bug;
	exec_run(&q, o->impl, out);
}

/* Leaves the ops that can be explored, so that the result can be compared with the optimum. */
static void keep_explored(struct prog *p)
{
	for (unsigned i = 0; i < p->n;) {
		const unsigned end = prog_op_end(p, i);

		if (exh_explores(1ull << p->r[i].kind))
			i = end;
		else
			prog_cut(p, i, end);
	}
}

/* A generated program that diverges with the bug, and agrees without it. */
static bool hunt(int bug, const struct exh_opts *o, bool all, struct prog *p, char *sig)
{
	struct outcome out;

	for (uint32_t seed = 1; seed <= PROGRAMS; seed++) {
		mut_generate(p, 4 + seed % 13, seed * 7);
		if (!all)
			keep_explored(p);
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

/* All programs shorter than the minimized one. */
static void explore(const struct exh_opts *from, struct exh_row *row)
{
	static struct exh_result r;
	struct exh_opts o = *from;

	o.want = row->sig;
	o.records = row->minimized - 1;
	if (!o.records)
		return;
	exh_run(&o, &r);
	row->seconds = r.seconds;
	row->runs = r.runs;
	row->complete = r.complete;
	row->other = r.other_records;
	memcpy(row->other_sig, r.other_sig, SIG_MAX);
	if (r.end == EXH_FOUND) {
		row->shorter = r.found.n;
		row->complete = r.found.n - 1;
	}
}

/* Four records and more are too many for every op: take the ones that matter, as the program itself has them. */
static void own_core(const struct prog *p, struct exh_opts *o)
{
	o->core = exh_cores[0];
	o->core.ops = o->core.events = 0;
	for (unsigned i = 0; i < p->n; i++) {
		if (p->r[i].is_event)
			o->core.events |= 1u << p->r[i].kind;
		else
			o->core.ops |= 1ull << p->r[i].kind;
	}
	o->variants &= 3; /* plain, dirty */
}

/* Otherwise nothing is known of shorter programs, but that the empty one is clean. */
static bool is_explored(const struct prog *p)
{
	uint64_t ops = 0;

	for (unsigned i = 0; i < p->n; i++)
		ops |= p->r[i].is_event ? 0 : 1ull << p->r[i].kind;
	return exh_explores(ops);
}

void exh_bug(int bug, const struct exh_opts *from, struct exh_row *row)
{
	static struct prog p;
	struct exh_opts o = *from;

	memset(row, 0, sizeof(*row));
	if (!hunt(bug, &o, false, &p, row->sig) && !hunt(bug, &o, true, &p, row->sig)) {
		pt_bug_on = -1;
		return;
	}
	pt_bug_on = bug;
	min_program(&p, o.impl, row->sig, NULL, NULL);
	row->minimized = p.n;
	row->own = p.n > 4;
	if (row->own)
		own_core(&p, &o);
	if (is_explored(&p))
		explore(&o, row);
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
