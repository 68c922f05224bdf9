// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times of the executor and the minimizer, without an engine.
 *
 * Property: every figure is of generated programs of a stated mean length, decoded from bytes each time, as an
 * engine does; the same programs in every run.
 *
 *	bench create		the cost of creating a linear map (bench_create.c)
 *	bench split		the cost of splitting and repainting it (bench_split.c)
 *	bench exec GEOMETRY [ROUNDS]	microseconds an execution (best of five rounds), steps, effective share, findings
 *	bench teardown, lazy	see bench_cost.c
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz/bench.h"
#include "fuzz/exec.h"
#include "hw/hw.h"

enum { PROGRAMS = 2000, ROUNDS = 5, OPS = 16 };

static uint8_t bytes[PROGRAMS][PROG_MAX_BYTES];
static size_t sizes[PROGRAMS];

/* CPU time: other load on the host does not count. */
static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void make_programs(unsigned geo)
{
	static struct prog p;
	for (unsigned i = 0; i < PROGRAMS; i++) {
		mut_generate(&p, OPS, i + 1);
		p.h.geo = (uint8_t)geo;
		prog_normalize(&p);
		sizes[i] = prog_encode(&p, bytes[i]);
	}
}

static double one_round(const struct pt_impl *impl, uint64_t *diverged)
{
	static struct prog p;
	struct outcome o;
	double t = now_us();
	for (unsigned i = 0; i < PROGRAMS; i++) {
		prog_decode(&p, bytes[i], sizes[i]);
		exec_run(&p, impl, &o);
		*diverged += o.sig[0] != '\0';
	}
	return (now_us() - t) / PROGRAMS;
}

static int bench_exec(const char *name, unsigned rounds, const struct pt_impl *impl)
{
	unsigned geo = 0;
	uint64_t ops = 0, effective = 0, diverged = 0;
	double best = 1e9;

	while (geo < HW_NGEO && strcmp(prog_geo_name(geo), name) != 0)
		geo++;
	if (geo == HW_NGEO || !rounds)
		return EXIT_USAGE;
	make_programs(geo);
	for (unsigned r = 0; r < rounds; r++) {
		double t = one_round(impl, &diverged);
		best = t < best ? t : best;
	}
	for (unsigned i = 0; i < OP_NKINDS; i++) {
		ops += exec_stats.ops[i];
		effective += exec_stats.effective[i];
	}
	printf("%.2f %.1f %.0f %.1f %llu\n", best, (double)ops / (double)exec_stats.runs,
	       (double)exec_stats.steps / (double)exec_stats.runs, 100.0 * (double)effective / (double)ops,
	       (unsigned long long)diverged / rounds);
	return 0;
}

int main(int argc, char **argv)
{
	char err[512];
	const char *name = getenv("PTDIFF_IMPL");

	exec_init();
	const struct pt_impl *impl = impl_find(name && *name ? name : "opt", err, sizeof(err));
	if (!impl) {
		fprintf(stderr, "bench: %s\n", err);
		return EXIT_USAGE;
	}
	if ((argc == 3 || argc == 4) && strcmp(argv[1], "exec") == 0)
		return bench_exec(argv[2], argc == 4 ? (unsigned)atoi(argv[3]) : ROUNDS, impl);
	if (argc == 2 && strcmp(argv[1], "create") == 0)
		return bench_create();
	if (argc == 2 && strcmp(argv[1], "split") == 0)
		return bench_split();
	if (argc == 2 && strcmp(argv[1], "teardown") == 0)
		return bench_teardown(impl);
	if (argc == 2 && strcmp(argv[1], "lazy") == 0)
		return bench_lazy();
	fprintf(stderr, "usage: bench exec small|4k|16k|64k [ROUNDS]\n       bench create|split|teardown|lazy\n");
	return EXIT_USAGE;
}
