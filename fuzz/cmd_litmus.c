// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ptdiff litmus`: explores litmus tests and compares with what their files say.
 *
 * Property: one row a test and architecture, whatever its outcome; every outcome of a test that disagrees is
 * printed; the totals say how many tests agree, have no oracle, are exceptions (with the reason) or disagree.
 */
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/cmd.h"
#include "fuzz/litmus.h"

static struct {
	unsigned tests, n[LIT_DISAGREES + 1], listed, found;
	unsigned long states;
	double seconds;
} total;

static const char *verdict_str(enum lit_verdict v)
{
	return v == LIT_ALLOWED ? "allowed" : v == LIT_FORBIDDEN ? "forbidden" : "-";
}

static void print_outcomes(const struct lit_test *t, const struct lit_result *r)
{
	for (unsigned i = 0; i < r->noutcome; i++) {
		printf("    %c", r->outcome[i].asked ? '*' : ' ');
		for (unsigned k = 0; k < t->nkey; k++)
			printf(" %s=%s", litmus_key_str(&t->key[k]),
			       litmus_value_str(&t->key[k], r->outcome[i].v[k]));
		putchar('\n');
	}
}

static const char *judgement_str(const struct lit_test *t, bool ets2, const struct lit_result *r,
				 enum lit_judgement j)
{
	if (j == LIT_AGREES)
		return "ok";
	if (j == LIT_NO_ORACLE)
		return "no oracle";
	if (j == LIT_EXCEPTION)
		return "exception";
	if (r->incomplete)
		return "DISAGREES: not explored to the end";
	if (r->outside)
		return "DISAGREES: final states beyond the oracle's";
	if (t->expect[ets2] == LIT_FORBIDDEN && r->reached)
		return "DISAGREES: forbidden, but reached";
	if (t->expect[ets2] == LIT_ALLOWED && !r->reached)
		return "DISAGREES: allowed, but never reached";
	return "DISAGREES: break-before-make";
}

static enum lit_judgement one(const struct lit_test *t, bool ets2, const struct cmd_args *a)
{
	static struct lit_result r;
	enum lit_judgement j;
	char finals[16] = "-";

	litmus_explore(t, ets2, &r);
	j = litmus_judge(t, ets2, &r);
	total.n[j]++;
	total.states += r.states;
	total.seconds += r.seconds;
	total.listed += r.listed;
	total.found += r.found;
	if (r.listed)
		snprintf(finals, sizeof(finals), "%u/%u", r.found, r.listed);
	if (a->quiet && j != LIT_DISAGREES)
		return j;
	printf("%-40s %-4s %7lu %8.1f  %-9s  %-9s  %6s  %s\n", t->name, ets2 ? "ets2" : "base", r.states,
	       r.seconds * 1e3, r.reached ? "allowed" : "forbidden", verdict_str(t->expect[ets2]), finals,
	       judgement_str(t, ets2, &r, j));
	if (j == LIT_EXCEPTION)
		printf("    %s\n", t->why);
	if (a->trace || j == LIT_DISAGREES)
		print_outcomes(t, &r);
	return j;
}

static int run_file(const char *path, const struct cmd_args *a)
{
	static struct lit_test t;
	char err[512];
	int status = 0;

	if (litmus_read(&t, path, err, sizeof(err)))
		return cmd_fail(EXIT_INPUT, "%s", err);
	total.tests++;
	for (int ets2 = 0; ets2 < 2; ets2++)
		if (one(&t, ets2, a) == LIT_DISAGREES)
			status = EXIT_DIVERGES;
	return status;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool is_litmus(const FTSENT *e)
{
	const size_t n = e->fts_namelen;

	return e->fts_level == 0 || (n > 7 && !strcmp(e->fts_name + n - 7, ".litmus"));
}

static int run_tree(FTS *fts, const struct cmd_args *a)
{
	FTSENT *e;
	int status = 0;

	while ((e = fts_read(fts))) {
		if (e->fts_info == FTS_F && is_litmus(e))
			status = cmd_worse(status, run_file(e->fts_path, a));
		else if (e->fts_info == FTS_NS || e->fts_info == FTS_ERR || e->fts_info == FTS_DNR)
			status = cmd_worse(status, cmd_fail(EXIT_INPUT, "%s: cannot read: %s", e->fts_path,
							    strerror(e->fts_errno)));
	}
	return status;
}

int cmd_litmus(const struct cmd_args *a)
{
	char **paths = calloc(a->nfile + 1, sizeof(*paths));
	FTS *fts;
	int status;

	if (!paths)
		return cmd_fail(EXIT_TIMEOUT, "out of memory");
	memcpy(paths, a->file, a->nfile * sizeof(*paths));
	fts = fts_open(paths, FTS_NOCHDIR | FTS_LOGICAL, by_name);
	if (!fts)
		return cmd_fail(EXIT_INPUT, "%s: cannot read: %s", paths[0], strerror(errno));
	if (!a->quiet)
		printf("%-40s %-4s %7s %8s  %-9s  %-9s  %6s\n", "test", "arch", "states", "ms", "machine",
		       "expected", "finals");
	status = run_tree(fts, a);
	fts_close(fts);
	free(paths);
	if (!total.tests && !status)
		return cmd_fail(EXIT_INPUT, "no .litmus file there");
	printf("%u tests, twice each: %u agree, %u without an oracle, %u exceptions, %u disagree; "
	       "final states reached: %u of %u; %lu states in %.1f s\n",
	       total.tests, total.n[LIT_AGREES], total.n[LIT_NO_ORACLE], total.n[LIT_EXCEPTION],
	       total.n[LIT_DISAGREES], total.found, total.listed, total.states, total.seconds);
	return status;
}
