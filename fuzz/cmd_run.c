// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that execute programs: run, min, save, stats, hazards.
 *
 * Property: the verdict printed is the executor's on exactly the program in the file.
 */
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/cmd.h"
#include "fuzz/features.h"
#include "fuzz/hazard.h"

static struct prog input, work;

static int status_of(const struct outcome *o)
{
	return !o->sig[0] ? EXIT_AGREES : o->timeout ? EXIT_TIMEOUT : EXIT_DIVERGES;
}

static void print_verdict(const char *path, const struct outcome *o)
{
	printf("%s: %s (%u ops, %u effective)\n", path, o->sig[0] ? o->sig : "agrees", o->ops, o->effective);
	if (o->detail[0])
		printf("  %s\n", o->detail);
}

static int run_one(const char *path, const struct pt_impl *impl, const struct cmd_args *a)
{
	struct outcome o;
	int r = cmd_read(&input, path);
	if (r)
		return r;
	work = input;
	exec_run(&work, impl, &o);
	if (!a->quiet && (o.sig[0] || a->trace || a->tables)) {
		work = input;
		exec_replay(&work, impl, &o, stdout,
			    (a->trace ? REPLAY_STEPS : 0) | (a->tables ? REPLAY_TABLES : 0));
	}
	print_verdict(path, &o);
	return status_of(&o);
}

int cmd_run(const struct cmd_args *a)
{
	const struct pt_impl *impl;
	int worst = cmd_setup(a, &impl);
	if (worst)
		return worst;
	for (unsigned i = 0; i < a->nfile; i++)
		worst = cmd_worse(worst, run_one(a->file[i], impl, a));
	return worst;
}

/* Runs the file into `input`; `o` says what happened. 0, or the exit status when it shows nothing. */
static int run_for_signature(const char *path, const struct pt_impl *impl, struct outcome *o)
{
	int r = cmd_read(&input, path);
	if (r)
		return r;
	work = input;
	exec_run(&work, impl, o);
	if (o->sig[0])
		return 0;
	return cmd_fail(EXIT_INPUT, "%s: agrees, so there is nothing to minimize", path);
}

static int write_program(const struct prog *p, const char *path)
{
	size_t len = strlen(path);
	bool text = len > 3 && strcmp(path + len - 3, ".pt") == 0;
	static uint8_t bytes[PROG_MAX_BYTES];
	FILE *f = fopen(path, "w");
	bool bad = !f;

	if (f && text)
		prog_print(p, f);
	else if (f)
		fwrite(bytes, 1, prog_encode(p, bytes), f);
	if (f) {
		bad = fflush(f) != 0 || ferror(f);
		bad |= fclose(f) != 0;
	}
	if (!bad)
		return 0;
	cmd_fail(EXIT_OUTPUT, "%s: cannot write: %s; here is the program:", path, strerror(errno));
	prog_print(p, stdout);
	return EXIT_OUTPUT;
}

int cmd_min(const struct cmd_args *a)
{
	const struct pt_impl *impl;
	struct outcome o;
	int r = a->out ? cmd_setup(a, &impl) : cmd_fail(EXIT_USAGE, "min: needs -o OUT");
	if (r || (r = run_for_signature(a->file[0], impl, &o)))
		return r;
	char sig[SIG_MAX];
	memcpy(sig, o.sig, sizeof(sig));
	uint64_t runs = min_program(&input, impl, sig, NULL, NULL);
	r = write_program(&input, a->out);
	if (r)
		return r;
	work = input;
	exec_run(&work, impl, &o);
	printf("%s: %s (%u ops, %u effective), after %llu executions\n", a->out, o.sig, o.ops, o.effective,
	       (unsigned long long)runs);
	return 0;
}

int cmd_save(const struct cmd_args *a)
{
	const struct pt_impl *impl;
	struct outcome o;
	int worst = a->out ? cmd_setup(a, &impl) : cmd_fail(EXIT_USAGE, "save: needs -o OUT, a folder");
	if (worst)
		return worst;
	for (unsigned i = 0; i < a->nfile; i++) {
		int r = run_for_signature(a->file[i], impl, &o);
		if (r) {
			worst = cmd_worse(worst, r);
			continue;
		}
		r = find_save(a->out, &input, impl, &o);
		if (r < 0)
			worst = EXIT_OUTPUT;
		else
			printf("%s: %s: %s\n", a->file[i], o.sig, r ? "new" : "known");
	}
	return worst;
}

static bool is_program(const FTSENT *e)
{
	const char *dot = strrchr(e->fts_name, '.');
	return e->fts_info == FTS_F && e->fts_name[0] != '.' &&
	       (!dot || strcmp(dot, ".pt") == 0 || strcmp(dot, ".bin") == 0);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int run_folder(char *dir, const struct pt_impl *impl, unsigned *programs)
{
	char *roots[] = {dir, NULL};
	struct outcome o;
	int worst = 0;
	FTS *t = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);

	if (!t || access(dir, R_OK) != 0)
		return cmd_fail(EXIT_INPUT, "%s: %s", dir, strerror(errno));
	for (FTSENT *e; (e = fts_read(t));) {
		if (!is_program(e))
			continue;
		int r = cmd_read(&input, e->fts_path);
		if (!r) {
			++*programs;
			exec_run(&input, impl, &o);
			r = status_of(&o);
			if (r)
				print_verdict(e->fts_path, &o);
		}
		worst = cmd_worse(worst, r);
	}
	fts_close(t);
	return worst;
}

static double percent(uint64_t part, uint64_t all)
{
	return all ? 100.0 * (double)part / (double)all : 0.0;
}

/* Prints the table; returns whether the bars are met (ops that never occur are shown, not judged). */
static bool print_shares(void)
{
	uint64_t ops = 0, effective = 0;
	bool good = true;

	printf("%-26s %10s %10s %8s %12s\n", "op", "executed", "effective", "share", "unsupported");
	for (unsigned i = 0; i < OP_NKINDS; i++) {
		uint64_t n = exec_stats.ops[i] - exec_stats.unsupported[i];
		double share = percent(exec_stats.effective[i], n);
		printf("%-26s %10llu %10llu %6.1f %% %12llu%s\n", op_descs[i].name, (unsigned long long)n,
		       (unsigned long long)exec_stats.effective[i], share,
		       (unsigned long long)exec_stats.unsupported[i],
		       !n	    ? "  never"
		       : share < 30 ? "  below 30 %"
				    : "");
		good &= !n || share >= 30;
		ops += n;
		effective += exec_stats.effective[i];
	}
	printf("%-26s %10llu %10llu %6.1f %%\n", "all", (unsigned long long)ops, (unsigned long long)effective,
	       percent(effective, ops));
	return good && percent(effective, ops) >= 80;
}

static unsigned count_features(const uint8_t *seen, unsigned from, unsigned to)
{
	unsigned n = 0;

	for (unsigned i = from; i < to; i++)
		n += seen[i] != 0;
	return n;
}

/* What the engines see beside edges of the implementation: see features.h. */
static void print_features(const uint8_t *seen)
{
	static const struct {
		const char *what;
		unsigned from, to;
	} family[] = {{"of ops on states of a block", FEATURE_STATE, FEATURE_PREV},
		      {"of ops after ops", FEATURE_PREV, FEATURE_KSEAM},
		      {"of kernel calls", FEATURE_KSEAM, FEATURE_CREATE},
		      {"of creation", FEATURE_CREATE, FEATURE_SPOT},
		      {"of splits", FEATURE_SPOT, FEATURE_EVENT},
		      {"of events at steps of a function", FEATURE_EVENT, FEATURE_END}};

	printf("\nstate features:");
	for (unsigned i = 0; i < sizeof(family) / sizeof(family[0]); i++)
		printf("%s %u %s (room for %u)", i ? "," : "", count_features(seen, family[i].from, family[i].to),
		       family[i].what, family[i].to - family[i].from);
	printf("\n");
}

int cmd_stats(const struct cmd_args *a)
{
	static uint8_t seen[EXEC_NFEATURES];
	const struct pt_impl *impl;
	unsigned programs = 0;
	int r = cmd_setup(a, &impl);
	if (r)
		return r;
	exec_features = seen;
	r = run_folder(a->file[0], impl, &programs);
	if (!programs)
		return r ? r : cmd_fail(EXIT_INPUT, "%s: no programs there", a->file[0]);
	bool good = print_shares();
	printf("\n%-26s %10s\n", "event", "executed");
	for (unsigned i = 0; i < EV_NKINDS; i++)
		printf("%-26s %10llu\n", ev_descs[i].name, (unsigned long long)exec_stats.events[i]);
	legal_update();
	printf("\n%-26s %10s  %s\n", "legal difference", "hits", "why");
	for (unsigned i = 0; i < nlegals; i++)
		printf("%-26s %10llu  %s [%s]\n", legals[i].name, (unsigned long long)legals[i].hits, legals[i].why,
		       legals[i].cite);
	print_features(seen);
	printf("%u programs, mean %.0f steps\n", programs, (double)exec_stats.steps / programs);
	if (a->check && !good && !r)
		return 1;
	return r;
}

static int print_hazard(const struct hazard *h)
{
	return printf("%8llu  %s (%s:%d, op %s) sets, %s (%s:%d, op %s) reads\n", (unsigned long long)h->count,
		      h->store.fn, h->store.file, h->store.line, op_descs[h->store.op].name, h->read.fn,
		      h->read.file, h->read.line, op_descs[h->read.op].name);
}

int cmd_hazards(const struct cmd_args *a)
{
	struct cmd_args b = *a;
	const struct pt_impl *impl;
	const struct hazard *list;
	unsigned programs = 0, n;
	int r;

	b.impl = a->impl ? a->impl : "deferred";
	r = cmd_setup(&b, &impl);
	if (r)
		return r;
	if (!impl->profile.queues_stores)
		return cmd_fail(EXIT_USAGE,
				"hazards: %s queues no stores, so there is nothing to read too early; try deferred",
				impl->name);
	hazard_collect(true);
	for (unsigned i = 0; i < a->nfile; i++)
		r = cmd_worse(r, run_folder(a->file[i], impl, &programs));
	if (!programs)
		return r ? r : cmd_fail(EXIT_INPUT, "%s: no programs there", a->file[0]);
	n = hazard_list(&list);
	for (unsigned i = 0; i < n; i++)
		print_hazard(&list[i]);
	printf("%u places in %u programs read an entry whose store is queued%s\n", n, programs,
	       n ? "; each needs arch_flush_lazy_mmu_mode() before it, or must not read" : "");
	return n ? cmd_worse(r, EXIT_DIVERGES) : r;
}
