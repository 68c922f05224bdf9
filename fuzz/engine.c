// SPDX-License-Identifier: GPL-2.0-only
/*
 * One input of a fuzzing engine.
 *
 * Property: no finding is lost and none stops a campaign: the first input of each signature is in the spool
 * folder, or printed when it cannot be written. Without a spool folder (OSS-Fuzz, ClusterFuzzLite, a replay by
 * hand) a finding aborts, after a DEDUP_TOKEN line: all our stacks look alike, the signature does not.
 *
 * Environment, all optional:
 *	PTDIFF_IMPL	implementation under test (opt, or the one that has the bug)
 *	PTDIFF_BUG	planted bug; its expected finding ends the process with status 77
 *	PTDIFF_SPOOL	folder for raw findings, <class>-<op>-<what>.bin
 *	PTDIFF_STATS	file that gets one line of figures about twice a second and at the end: executions, ops,
 *			effective ops, executions with a finding, state features, seconds, edges (AFL++), CPU seconds
 *	PTDIFF_SAY_FD	descriptor for findings that cannot be written (2)
 *	PTDIFF_EMPTY	set: decode and return, to measure the engine alone
 */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/exec.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_SEEN = 256, STATS_EVERY = 512, STATS_NS = 500000000 };

static struct {
	const struct pt_impl *impl;
	const char *bug, *spool;
	int stats_fd, say_fd;
	bool empty;
	unsigned nseen;
	char seen[MAX_SEEN][SIG_MAX];
	uint64_t runs, findings; /* executions; those with a finding */
	uint64_t base[4];	 /* runs, ops, effective, findings of earlier processes with the same stats file */
	int64_t t0, last;
	pid_t pid;
	uint8_t features[EXEC_NFEATURES]; /* union over all executions */
} eng = {.stats_fd = -1, .say_fd = 2};

unsigned (*engine_cov)(void);

static struct prog input;

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
/* An abandoned fiber would leak its fake stack; leaks of the engine itself are no findings. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_stack_use_after_return=0:detect_leaks=0:exitcode=76:abort_on_error=0";
}
#endif
#endif

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

_Noreturn static void die(const char *what)
{
	fprintf(stderr, "ptdiff: %s\n", what);
	exit(EXIT_USAGE);
}

static void stats_write(void)
{
	char line[256];
	uint64_t ops = eng.base[1], effective = eng.base[2];
	unsigned features = 0;

	for (unsigned i = 0; i < OP_NKINDS; i++) {
		ops += exec_stats.ops[i] - exec_stats.unsupported[i];
		effective += exec_stats.effective[i];
	}
	for (unsigned i = 0; i < EXEC_NFEATURES; i++)
		features += eng.features[i];
	int n = snprintf(line, sizeof(line), "%20llu %20llu %20llu %20llu %8u %12.3f %8u %12.3f\n",
			 (unsigned long long)(eng.base[0] + eng.runs), (unsigned long long)ops,
			 (unsigned long long)effective, (unsigned long long)(eng.base[3] + eng.findings), features,
			 (double)(now_ns(CLOCK_MONOTONIC) - eng.t0) / 1e9, engine_cov ? engine_cov() : 0,
			 (double)now_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9);
	/* Figures only: a full disk must not stop the campaign. */
	if (pwrite(eng.stats_fd, line, (size_t)n, 0) != n)
		return;
}

static void stats_at_exit(void)
{
	if (eng.stats_fd >= 0 && eng.pid == getpid())
		stats_write();
}

/* AFL++ starts a new process after each crash or timeout: go on from the figures of the one before. */
static void stats_adopt(void)
{
	char line[256] = "";
	unsigned long long v[4] = {0};
	eng.pid = getpid();
	eng.t0 = now_ns(CLOCK_MONOTONIC);
	if (pread(eng.stats_fd, line, sizeof(line) - 1, 0) > 0 &&
	    sscanf(line, "%llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3]) == 4)
		for (unsigned i = 0; i < 4; i++)
			eng.base[i] = v[i];
}

static void stats_tick(void)
{
	if (eng.stats_fd < 0 || (eng.runs % STATS_EVERY && eng.runs > 1))
		return;
	if (eng.pid != getpid())
		stats_adopt();
	int64_t t = now_ns(CLOCK_MONOTONIC);
	if (t - eng.last < STATS_NS)
		return;
	eng.last = t;
	stats_write();
}

void engine_init(void)
{
	const char *name = getenv("PTDIFF_IMPL"), *stats = getenv("PTDIFF_STATS"), *say = getenv("PTDIFF_SAY_FD");
	char err[512];

	exec_init();
	eng.impl = impl_find(name && *name ? name : bug_impl(getenv("PTDIFF_BUG")), err, sizeof(err));
	if (!eng.impl)
		die(err);
	eng.bug = getenv("PTDIFF_BUG");
	if (eng.bug && !*eng.bug)
		eng.bug = NULL;
	if (eng.bug && bug_select(eng.bug) != 0)
		die("PTDIFF_BUG: no such bug in this program (`ptdiff bugs` lists them; build/fuzz-bugs has them)");
	eng.spool = getenv("PTDIFF_SPOOL");
	eng.empty = getenv("PTDIFF_EMPTY") != NULL;
	if (say)
		eng.say_fd = atoi(say);
	if (stats) {
		eng.stats_fd = open(stats, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
		atexit(stats_at_exit);
	}
}

/* Prints the program where a person sees it. */
static void say_program(const char *why)
{
	int fd = dup(eng.say_fd);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f)
		f = stderr;
	fprintf(f, "ptdiff: %s/: cannot write a finding: %s; here it is, save it by hand:\n", eng.spool, why);
	prog_print(&input, f);
	fflush(f);
	if (f != stderr)
		fclose(f);
}

static void spool_write(const char *sig)
{
	static uint8_t bytes[PROG_MAX_BYTES];
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/", eng.spool);
	for (char *c = path + n; (size_t)(c - path) + 8 < sizeof(path) && *sig; sig++, c[0] = '\0')
		*c++ = *sig == '/' ? '-' : *sig;
	strncat(path, ".bin", sizeof(path) - strlen(path) - 1);
	size_t len = prog_encode(&input, bytes);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		return; /* another engine, or an earlier campaign, was first */
	if (fd < 0) {
		say_program(strerror(errno));
		return;
	}
	ssize_t done = write(fd, bytes, len);
	int saved = done < 0 ? errno : ENOSPC;
	close(fd);
	if (done == (ssize_t)len)
		return;
	unlink(path);
	say_program(strerror(saved));
}

/* Is `sig` what the planted bug is expected to give? */
static bool is_expected(const char *sig)
{
	if (pt_bug_on < 0)
		return false;
	const struct pt_bug *b = &pt_bugs[pt_bug_on];
	size_t n = strlen(sig);
	if (strcmp(b->signature, sig) == 0)
		return true;
	for (const char *s = b->also; s && (s = strstr(s, sig)); s += n)
		if ((s == b->also || s[-1] == ' ') && (s[n] == ' ' || s[n] == '\0'))
			return true;
	return false;
}

static void report(const struct outcome *o)
{
	eng.findings++;
	for (unsigned i = 0; i < eng.nseen; i++)
		if (strcmp(eng.seen[i], o->sig) == 0)
			return;
	if (eng.nseen < MAX_SEEN)
		memcpy(eng.seen[eng.nseen++], o->sig, SIG_MAX);
	fprintf(stderr, "DEDUP_TOKEN: %s\n", o->sig);
	if (!eng.spool) {
		prog_print(&input, stderr);
		abort();
	}
	spool_write(o->sig);
	if (eng.bug && is_expected(o->sig)) {
		stats_at_exit();
		_exit(EXIT_DIVERGES);
	}
}

/* Inputs are bytes, but a text program replays too. */
static bool take_input(const uint8_t *data, size_t size)
{
	char err[256];
	if (!prog_is_text(data, size)) {
		prog_decode(&input, data, size);
		return true;
	}
	return prog_parse(&input, "input", (const char *)data, size, err, sizeof(err)) == 0;
}

static void features_merge(void)
{
	uint8_t *restrict all = eng.features;
	const uint8_t *restrict f = exec_features;
	for (unsigned i = 0; i < EXEC_NFEATURES; i++)
		all[i] |= f[i];
}

void engine_one(const uint8_t *data, size_t size)
{
	static struct prog run;
	struct outcome o;

	if (!take_input(data, size))
		return;
	eng.runs++;
	if (eng.empty) {
		exec_features[input.n % 16] = 1; /* libFuzzer wants something to look for */
		exec_stats.ops[0] += input.n;
	} else {
		run = input;
		exec_run(&run, eng.impl, &o);
		if (eng.stats_fd >= 0)
			features_merge();
		if (o.sig[0])
			report(&o);
	}
	stats_tick();
}
