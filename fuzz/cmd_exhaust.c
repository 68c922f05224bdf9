// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ptdiff exhaust`: all small programs.
 *
 * Property: what is printed as covered was covered; exit status 0 only if no program within the bounds, as far as
 * they were reached, has a finding; a stopped search says so, and goes on from its file.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/cmd.h"
#include "fuzz/exhaust.h"

static int number(const char *what, const char *text, unsigned lo, unsigned hi, unsigned base, unsigned *to)
{
	char *end;
	unsigned long v;

	*to = base;
	if (!text)
		return 0;
	v = strtoul(text, &end, 10);
	if (!*text || *end || *text == '-' || v < lo || v > hi)
		return cmd_fail(EXIT_USAGE, "exhaust: --%s %s: needs a number from %u to %u", what, text, lo, hi);
	*to = (unsigned)v;
	return 0;
}

static int headers(const char *list, uint32_t *set)
{
	*set = list ? 0 : (1u << exh_nvariants) - 1;
	for (const char *s = list; s && *s;) {
		const size_t n = strcspn(s, ",");
		unsigned i = 0;

		while (i < exh_nvariants &&
		       (strlen(exh_variants[i].name) != n || memcmp(exh_variants[i].name, s, n)))
			i++;
		if (i == exh_nvariants)
			return cmd_fail(EXIT_USAGE, "exhaust: --headers %s: no such header; --list shows them", s);
		*set |= 1u << i;
		s += n + (s[n] != 0);
	}
	return 0;
}

static int options(const struct cmd_args *a, const struct pt_impl *impl, struct exh_opts *o)
{
	unsigned secs;
	int r;

	memset(o, 0, sizeof(*o));
	o->impl = impl;
	if ((r = number("ops", a->ops, 1, EXH_MAX_OPS, 3, &o->ops)) ||
	    (r = number("pages", a->pages, 1, EXH_MAX_PAGES, 4, &o->pages)) ||
	    (r = number("events", a->events, 0, EXH_MAX_EVENTS, 1, &o->events)) ||
	    (r = number("time", a->time, 0, 1000000, 0, &secs)) || (r = headers(a->headers, &o->variants)))
		return r;
	r = exh_core_find(&o->core, a->core ? a->core : "full");
	if (r)
		return cmd_fail(EXIT_USAGE, "exhaust: --core %s: %s", a->core,
				r == -2 ? "has an op that spans address spaces or leaves work to later ops; "
					  "explored are those of core full"
					: "neither a core (--list shows them) nor a list of ops");
	if (!(impl->geometries & 1))
		return cmd_fail(EXIT_USAGE, "exhaust: %s lacks the small geometry", impl->name);
	o->seconds = secs;
	o->resume = a->resume;
	o->progress = a->quiet ? NULL : stderr;
	o->memory = 2ull << 30;
	return 0;
}

static void list(void)
{
	printf("%-12s %s\n", "core", "what");
	for (unsigned i = 0; i < exh_ncores; i++)
		printf("%-12s %s\n", exh_cores[i].name, exh_cores[i].what);
	printf("\n%-12s %s\n", "header", "what it adds");
	for (unsigned i = 0; i < exh_nvariants; i++)
		printf("%-12s %s\n", exh_variants[i].name, exh_variants[i].why);
}

static const char *const ends[] = {"complete", "found", "stopped", "out of memory", "state file"};

static void print_figures(const struct exh_opts *o, const struct exh_result *r)
{
	printf("bounds: %u ops, %u pages, %u events, core %s, %d headers, %s\n", o->ops, o->pages, o->events,
	       o->core.name, __builtin_popcount(o->variants), o->impl->name);
	printf("programs run           %14llu\n", (unsigned long long)r->runs);
	printf("programs covered       %14.0f (at least)\n", r->programs);
	printf("states                 %14llu\n", (unsigned long long)r->states);
	printf("cut by equivalence     %14llu programs end in a state known\n", (unsigned long long)r->equivalent);
	printf("cut by symmetry        %14llu continuations\n", (unsigned long long)r->symmetric);
	printf("not legal as written   %14llu continuations\n", (unsigned long long)r->illegal);
	if (r->other)
		printf("other findings         %14llu\n", (unsigned long long)r->other);
	printf("seconds                %14.1f (%.0f programs/s)\n", r->seconds,
	       r->seconds > 0 ? (double)r->runs / r->seconds : 0.0);
}

static int report(const struct exh_opts *o, const struct exh_result *r)
{
	if (r->end == EXH_BAD_FILE)
		return cmd_fail(EXIT_INPUT, "%s: %s", o->resume, r->why);
	print_figures(o, r);
	if (r->end == EXH_FOUND) {
		printf("\n%s: %u records, no program with fewer has a finding\n", r->outcome.sig, r->found.n);
		if (r->outcome.detail[0])
			printf("  %s\n", r->outcome.detail);
		prog_print(&r->found, stdout);
		return EXIT_DIVERGES;
	}
	printf("%s: no finding in any program of up to %u records within the bounds\n", ends[r->end], r->complete);
	if (r->end == EXH_STOPPED)
		printf(o->resume ? "go on with the same command and --resume %s\n"
				 : "not saved: --resume FILE would\n",
		       o->resume);
	return r->end == EXH_MEMORY ? EXIT_TIMEOUT : 0;
}

static void on_signal(int sig)
{
	(void)sig;
	exh_stop();
}

enum verdict { V_OPTIMUM, V_LONGER, V_TOO_LONG, V_OPEN, V_NONE, NVERDICTS };

static enum verdict judge(const struct exh_row *row)
{
	if (!row->minimized)
		return V_NONE;
	if (row->shorter)
		return row->minimized == row->shorter + 1 ? V_LONGER : V_TOO_LONG;
	return row->complete + 1 >= row->minimized ? V_OPTIMUM : V_OPEN;
}

static int all_bugs(const struct exh_opts *o, const char *one)
{
	static const char *const words[] = {"optimum", "one more than the optimum", "TOO LONG", "open",
					    "not generated"};
	unsigned n[NVERDICTS] = {0};
	struct exh_row row;

	printf("%-30s %9s %8s %8s  %-26s %s\n", "bug", "minimized", "optimum", "seconds", "verdict", "signature");
	for (unsigned b = 0; b < pt_nbugs && !exh_stopped(); b++) {
		enum verdict v;

		if (one && strcmp(one, pt_bugs[b].name))
			continue;
		exh_bug((int)b, o, &row);
		if (exh_stopped())
			break;
		v = judge(&row);
		n[v]++;
		printf("%-30s %9u %5s%3u %8.1f  %-26s %s%s", pt_bugs[b].name, row.minimized, v == V_OPEN ? ">" : "",
		       row.shorter   ? row.shorter
		       : v == V_OPEN ? row.complete
				     : row.minimized,
		       row.seconds, words[v], row.sig, row.own ? " (own ops)" : "");
		if (row.other && row.other != row.shorter)
			printf("; %u: %s", row.other, row.other_sig);
		putchar('\n');
		if (cmd_flush())
			return EXIT_OUTPUT;
	}
	printf("%u optimum, %u one more, %u too long, %u open, %u not generated\n", n[V_OPTIMUM], n[V_LONGER],
	       n[V_TOO_LONG], n[V_OPEN], n[V_NONE]);
	return n[V_TOO_LONG] != 0;
}

int cmd_exhaust(const struct cmd_args *a)
{
	static struct exh_result r;
	struct cmd_args with = *a;
	const struct pt_impl *impl;
	struct exh_opts o;
	int bad;

	if (a->list) {
		list();
		return 0;
	}
	if (a->all_bugs && !with.bug)
		with.bug = pt_bugs[0].name; /* any: it takes the binary that has them */
	if ((bad = cmd_setup(&with, &impl)) || (bad = options(a, impl, &o)))
		return bad;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (a->all_bugs)
		return all_bugs(&o, a->bug);
	exh_run(&o, &r);
	return report(&o, &r);
}
