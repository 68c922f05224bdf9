// SPDX-License-Identifier: GPL-2.0-only
/*
 * ptdiff, the command line.
 *
 * Property: every command has --help; every failure is one line that says what, where and what to do, and has
 * the exit status of docs/exit-status.md; commands and options are rows of tables, listed from those tables.
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/cmd.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
/* An abandoned fiber would leak its fake stack. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_stack_use_after_return=0:detect_leaks=0:exitcode=76:abort_on_error=0";
}
#endif
#endif

enum {
	O_IMPL = 1,
	O_BUG = 2,
	O_TRACE = 4,
	O_OUT = 8,
	O_QUIET = 16,
	O_CHECK = 32,
	O_EXHAUST = 64,
	O_FORMAT = 128,
	O_ACCESSES = 256,
	O_TABLES = 512
};
/* Options without a letter. */
enum {
	K_OPS = 256,
	K_PAGES,
	K_EVENTS,
	K_CORE,
	K_HEADERS,
	K_RESUME,
	K_TIME,
	K_ALL_BUGS,
	K_LIST,
	K_FORMAT,
	K_TABLES
};

static const struct cmd {
	const char *name, *args;
	unsigned min_files, max_files;
	unsigned options;
	int (*fn)(const struct cmd_args *);
	const char *help, *more;
} cmds[] = {
	{"run", "FILE...", 1, UINT_MAX, O_IMPL | O_BUG | O_TRACE | O_TABLES | O_QUIET, cmd_run,
	 "replay programs and judge them",
	 "One verdict line a file. A divergence is drawn, with the first differing step marked >>>; one about "
	 "tables with those around it as a tree "
	 "(docs/replay.md). The exit "
	 "status is "
	 "the worst of all files: 65 unreadable, 70 timeout, 77 divergence, 0 agrees."},
	{"show", "FILE", 1, 1, O_OUT, cmd_show, "print a program as text", "The file may have either form."},
	{"asm", "FILE", 1, 1, O_OUT, cmd_asm, "turn a program into bytes", "The file may have either form."},
	{"min", "FILE", 1, 1, O_IMPL | O_BUG | O_OUT, cmd_min, "minimize a diverging program",
	 "Writes the shortest program found with the same signature to OUT (text if it ends in .pt, else bytes)."},
	{"save", "FILE...", 1, UINT_MAX, O_IMPL | O_BUG | O_OUT, cmd_save,
	 "minimize diverging programs, replay them ten times, file them",
	 "Writes OUT/<class>-<op>-<what>/{input.pt,NOTE.md}; a known signature keeps the shorter program."},
	{"import", "strace|ftrace|lackey FILE", 2, 2, O_OUT, cmd_import, "make programs from a real trace",
	 "FILE is plain or gzip-compressed, - is standard input. Unknown lines are skipped and counted. strace: "
	 "made "
	 "with `strace -f`; ftrace: a trace of an arm64 kernel's page-table functions. Programs go to the folder "
	 "OUT."},
	{"record", "-- CMD...", 1, UINT_MAX, O_OUT | O_ACCESSES, cmd_record,
	 "make programs from a command that runs now",
	 "Runs CMD under strace and imports its system calls into the folder OUT while they come: no log is "
	 "stored. With "
	 "--accesses CMD runs under valgrind (hundreds to thousands of times slower) and its memory accesses are "
	 "reduced to what "
	 "changes "
	 "a page. Ctrl-C ends CMD and keeps what was traced. CMD's exit status is reported and is no failure."},
	{"distill", "DIR", 1, 1, O_IMPL | O_BUG | O_OUT | O_QUIET, cmd_distill,
	 "keep the few programs that show all",
	 "Runs every program under DIR and copies those that add a state feature, effective op or event to the "
	 "folder OUT; "
	 "says which it drops. Deletes nothing; without -o only says. Edge coverage needs fuzz-libfuzzer -merge=1. "
	 "The "
	 "exit status is 77 if one diverges (it is kept)."},
	{"stats", "DIR", 1, 1, O_IMPL | O_BUG | O_CHECK, cmd_stats, "run a corpus; how many ops take effect",
	 "Runs every program under DIR. The exit status is 77 if one diverges."},
	{"ops", "", 0, 0, 0, cmd_ops, "list operations and events", NULL},
	{"impls", "", 0, 0, 0, cmd_impls, "list implementations", NULL},
	{"litmus", "FILE|DIR...", 1, UINT_MAX, O_TRACE | O_QUIET, cmd_litmus,
	 "explore litmus tests on the machine alone",
	 "Every choice of the machine, without and with FEAT_ETS2, against the verdict in the file "
	 "(docs/litmus.md). "
	 "With --trace all outcomes are printed, those asked about with *. The exit status is 77 if a test "
	 "disagrees."},
	{"exhaust", "", 0, 0, O_IMPL | O_BUG | O_QUIET | O_EXHAUST, cmd_exhaust,
	 "run every small program, up to equal states",
	 "Breadth-first by number of records: the first finding is as short as any. Progress goes to standard "
	 "error; Ctrl-C stops, and --resume FILE goes on from there (docs/exhaust.md). The exit status is 77 if a "
	 "program diverges."},
	{"export", "FILE", 1, 1, O_IMPL | O_BUG | O_OUT | O_FORMAT, cmd_export,
	 "write a replay's page-table events for another tool",
	 "--format casemate: the trace lines of that checker of break-before-make, to OUT or standard output "
	 "(docs/export.md says what it can judge). What ptdiff says of the program goes to standard error."},
	{"hazards", "FILE|DIR...", 1, UINT_MAX, O_IMPL | O_BUG, cmd_hazards,
	 "list reads of entries whose store is queued in lazy MMU mode",
	 "Runs every program on an implementation that queues stores (`deferred`) and lists each pair of places "
	 "once: "
	 "who set the entry, who reads it before arch_flush_lazy_mmu_mode(), and how often. After each the flush "
	 "is "
	 "made and the program goes on. The exit status is 77 if there is one."},
	{"bugs", "", 0, 0, O_QUIET, cmd_bugs, "list planted bugs", NULL},
};
enum { NCMDS = sizeof(cmds) / sizeof(cmds[0]) };

static const struct {
	unsigned bit;
	struct argp_option o;
} options[] = {
	{O_IMPL,
	 {"impl", 'i', "NAME", 0,
	  "implementation under test (default opt, or the one that has the bug; `ptdiff impls`)", 0}},
	{O_BUG, {"bug", 'b', "NAME", 0, "with this planted bug (`ptdiff bugs`)", 0}},
	{O_TRACE, {"trace", 't', NULL, 0, "print every step, also of programs that agree", 0}},
	{O_TABLES,
	 {"tables", K_TABLES, NULL, 0, "draw all page tables as a tree: at the divergence, else at the end", 0}},
	{O_OUT, {"output", 'o', "OUT", 0, "where to write", 0}},
	{O_QUIET, {"quiet", 'q', NULL, 0, "one line each, nothing more", 0}},
	{O_EXHAUST, {"ops", K_OPS, "N", 0, "programs of up to N ops (default 3)", 1}},
	{O_EXHAUST, {"pages", K_PAGES, "P", 0, "on P pages, 4 a block (default 4)", 1}},
	{O_EXHAUST, {"events", K_EVENTS, "E", 0, "with up to E events in all (default 1)", 1}},
	{O_EXHAUST, {"core", K_CORE, "CORE", 0, "ops: a named core (default full) or a comma separated list", 1}},
	{O_EXHAUST, {"headers", K_HEADERS, "LIST", 0, "headers, comma separated (default all)", 1}},
	{O_EXHAUST, {"list", K_LIST, NULL, 0, "list cores and headers", 1}},
	{O_EXHAUST, {"time", K_TIME, "SECONDS", 0, "stop after SECONDS", 1}},
	{O_EXHAUST, {"resume", K_RESUME, "FILE", 0, "go on from FILE if it exists; written when stopped", 1}},
	{O_EXHAUST, {"all-bugs", K_ALL_BUGS, NULL, 0, "optimum of every planted bug against the minimizer", 1}},
	{O_ACCESSES, {"accesses", 'a', NULL, 0, "trace memory accesses too, with valgrind", 0}},
	{O_FORMAT, {"format", K_FORMAT, "FORMAT", 0, "casemate", 1}},
	{O_CHECK, {"check", 'c', NULL, 0, "exit 1 unless 80 % of all ops and 30 % of each take effect", 0}},
};

static const struct cmd *cmd;
static char **cmd_argv;

int cmd_fail(int status, const char *fmt, ...)
{
	va_list ap;
	fflush(stdout);
	fputs("ptdiff: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

int cmd_worse(int a, int b)
{
	static const int rank[] = {EXIT_INPUT, EXIT_TIMEOUT, EXIT_DIVERGES};
	for (unsigned i = 0; i < sizeof(rank) / sizeof(rank[0]); i++)
		if (a == rank[i] || b == rank[i])
			return rank[i];
	return a > b ? a : b;
}

int cmd_read(struct prog *p, const char *path)
{
	char err[512];
	if (prog_read_file(p, path, err, sizeof(err)) == 0)
		return 0;
	return cmd_fail(EXIT_INPUT, "%s", err);
}

int cmd_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return cmd_fail(EXIT_OUTPUT, "standard output: cannot write: %s", strerror(errno));
}

/* Production code has no bugs compiled in: the same command line goes on in the binary beside this one. */
static int exec_sibling(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("-bugs"));
	if (n > 0) {
		strcpy(path + n, "-bugs");
		execv(path, cmd_argv);
	}
	return cmd_fail(EXIT_USAGE, "%s: cannot start it: %s; planted bugs need ./build.sh build",
			n > 0 ? path : "ptdiff-bugs", strerror(errno));
}

int cmd_setup(const struct cmd_args *a, const struct pt_impl **impl)
{
	char err[512];
	int r = a->bug ? bug_select(a->bug) : 0;
	if (r == -1)
		return cmd_fail(EXIT_USAGE, "%s: no such bug; `ptdiff bugs` lists them", a->bug);
	if (r == -2)
		return exec_sibling();
	exec_init();
	*impl = impl_find(a->impl ? a->impl : bug_impl(a->bug), err, sizeof(err));
	return *impl ? 0 : cmd_fail(EXIT_USAGE, "%s", err);
}

static error_t take_files(struct cmd_args *a, struct argp_state *s, char **file, int n)
{
	a->file = file;
	a->nfile = n > 0 ? (unsigned)n : 0;
	if (a->nfile < cmd->min_files || a->nfile > cmd->max_files)
		argp_error(s, "takes %s", *cmd->args ? cmd->args : "no arguments");
	return 0;
}

/* Options that are a word kept as it is. */
static const char **take_word(struct cmd_args *a, int key)
{
	switch (key) {
	case K_OPS:
		return &a->ops;
	case K_PAGES:
		return &a->pages;
	case K_EVENTS:
		return &a->events;
	case K_CORE:
		return &a->core;
	case K_HEADERS:
		return &a->headers;
	case K_RESUME:
		return &a->resume;
	case K_TIME:
		return &a->time;
	case K_FORMAT:
		return &a->format;
	default:
		return NULL;
	}
}

static error_t take(int key, char *arg, struct argp_state *s)
{
	struct cmd_args *a = s->input;
	const char **word = take_word(a, key);

	if (word) {
		*word = arg;
		return 0;
	}
	switch (key) {
	case 'i':
		a->impl = arg;
		return 0;
	case 'b':
		a->bug = arg;
		return 0;
	case 'o':
		a->out = arg;
		return 0;
	case 't':
		a->trace = true;
		return 0;
	case 'q':
		a->quiet = true;
		return 0;
	case 'a':
		a->accesses = true;
		return 0;
	case 'c':
		a->check = true;
		return 0;
	case K_ALL_BUGS:
		a->all_bugs = true;
		return 0;
	case K_TABLES:
		a->tables = true;
		return 0;
	case K_LIST:
		a->list = true;
		return 0;
	case ARGP_KEY_ARGS:
		return take_files(a, s, s->argv + s->next, s->argc - s->next);
	case ARGP_KEY_NO_ARGS:
		return take_files(a, s, NULL, 0);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int run_command(int argc, char **argv)
{
	static char name[64], doc[1024];
	struct argp_option opt[sizeof(options) / sizeof(options[0]) + 1] = {0};
	struct argp argp = {opt, take, cmd->args, doc, NULL, NULL, NULL};
	struct cmd_args a = {0};
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (cmd->options & options[i].bit)
			opt[n++] = options[i].o;
	snprintf(name, sizeof(name), "ptdiff %s", cmd->name);
	snprintf(doc, sizeof(doc), "ptdiff %s: %s.%s%s\v%s", cmd->name, cmd->help, cmd->more ? " " : "",
		 cmd->more ? cmd->more : "", "Exit status: see docs/exit-status.md.");
	program_invocation_name = program_invocation_short_name = argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	int r = cmd->fn(&a);
	int w = cmd_flush();
	return w ? w : r;
}

static void print_help(FILE *f)
{
	fputs("Usage: ptdiff COMMAND [OPTION...] [ARGUMENT...]\n"
	      "Differential fuzzing of arm64 Linux page-table code: replay, minimize, convert.\n\n",
	      f);
	for (unsigned i = 0; i < NCMDS; i++)
		fprintf(f, "  %-7s %-25s %s\n", cmds[i].name, cmds[i].args, cmds[i].help);
	fputs("\n`ptdiff COMMAND --help` says more. Exit status: 0 agrees or done, 77 divergence, 70 timeout,\n"
	      "64 usage, 65 unreadable input, 69 missing package, 74 output that cannot be written.\n",
	      f);
}

int main(int argc, char **argv)
{
	argp_err_exit_status = EXIT_USAGE;
	cmd_argv = malloc(((size_t)argc + 1) * sizeof(*argv));
	if (!cmd_argv)
		return cmd_fail(EXIT_TIMEOUT, "out of memory");
	memcpy(cmd_argv, argv, ((size_t)argc + 1) * sizeof(*argv));
	if (argc < 2)
		return cmd_fail(EXIT_USAGE, "no command; `ptdiff --help` lists them");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return cmd_flush();
	}
	for (unsigned i = 0; i < NCMDS; i++) {
		if (strcmp(argv[1], cmds[i].name) != 0)
			continue;
		cmd = &cmds[i];
		return run_command(argc - 1, argv + 1);
	}
	return cmd_fail(EXIT_USAGE, "%s: no such command; `ptdiff --help` lists them", argv[1]);
}
