// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs from a command that runs now (record), and from many programs the few that show all (distill).
 *
 * Property: a trace is read while it is made and never stored; whatever ends the command (itself, Ctrl-C, a
 * signal), the programs of what was traced until then are written. Distilling deletes nothing, and the kept
 * programs show every state feature, effective op and event of all.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz/cmd.h"
#include "fuzz/import.h"

/* ---- record */

enum { GRACE = 3, STOP_TERM = 1, STOP_KILL };

static struct {
	char dir[256], fifo[512];
	bool accesses;
	int null, keep;	    /* /dev/null; the FIFO's write end, open until the tracer has ended */
	volatile pid_t pid; /* tracer */
	volatile sig_atomic_t stage, interrupted;
} rec = {.null = -1, .keep = -1};

/* valgrind is the command; of strace it is a child, and when that ends, strace does. Safe in a signal handler. */
static void signal_command(int sig)
{
	char name[64], buf[512];
	bool any = false;
	ssize_t n = 0;
	int fd = -1;

	if (!rec.accesses) {
		snprintf(name, sizeof(name), "/proc/%d/task/%d/children", (int)rec.pid, (int)rec.pid);
		fd = open(name, O_RDONLY | O_CLOEXEC);
	}
	if (fd >= 0) {
		n = read(fd, buf, sizeof(buf));
		close(fd);
	}
	for (ssize_t i = 0, pid = 0; i < n; i++) {
		if (buf[i] >= '0' && buf[i] <= '9') {
			pid = pid * 10 + (buf[i] - '0');
		} else if (pid) {
			kill((pid_t)pid, sig);
			any = true;
			pid = 0;
		}
	}
	if (!any)
		kill(rec.pid, sig);
}

/* From here on the trace is at its end. */
static void end_input(void)
{
	if (rec.keep >= 0)
		close(rec.keep);
	rec.keep = -1;
	if (rec.stage >= STOP_KILL && import_fd >= 0)
		dup2(rec.null, import_fd);
}

static void stop(void)
{
	rec.stage++;
	if (rec.keep >= 0)
		signal_command(rec.stage == STOP_TERM ? SIGTERM : SIGKILL);
	if (rec.stage >= STOP_KILL)
		end_input();
	else
		alarm(GRACE);
}

static void on_signal(int sig)
{
	const int saved = errno;
	siginfo_t si = {0};

	if (sig == SIGCHLD) {
		if (rec.keep >= 0 && waitid(P_PID, (id_t)rec.pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    si.si_pid) {
			rec.stage = STOP_TERM; /* a daemon that it left may hold the FIFO: not for long */
			end_input();
			alarm(GRACE);
		}
	} else if (sig == SIGINT && !rec.interrupted) {
		rec.interrupted = 1; /* the command has it too, from the terminal; else it is told soon */
		alarm(GRACE);
	} else {
		rec.interrupted |= sig != SIGALRM;
		stop();
	}
	errno = saved;
}

static void handle_signals(void)
{
	static const int sigs[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGCHLD};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	sigemptyset(&sa.sa_mask);
	for (unsigned i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaddset(&sa.sa_mask, sigs[i]);
	for (unsigned i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaction(sigs[i], &sa, NULL);
}

static bool in_path(const char *name)
{
	const char *path = getenv("PATH");
	char file[4096];

	if (strchr(name, '/'))
		return access(name, X_OK) == 0;
	for (const char *s = path ? path : "/usr/bin:/bin"; s; s = strchr(s, ':') ? strchr(s, ':') + 1 : NULL) {
		struct stat sb;

		if (snprintf(file, sizeof(file), "%.*s/%s", (int)strcspn(s, ":"), s, name) < (int)sizeof(file) &&
		    access(file, X_OK) == 0 && stat(file, &sb) == 0 && S_ISREG(sb.st_mode))
			return true;
	}
	return false;
}

/* The FIFO's name names the programs: "sort.strace" makes sort-001.pt. */
static int make_fifo(const char *command)
{
	const char *tmp = getenv("TMPDIR"), *s = strrchr(command, '/');

	s = s ? s + 1 : command;
	snprintf(rec.dir, sizeof(rec.dir), "%.200s/ptdiff-record.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(rec.dir)) {
		const int e = errno;

		return cmd_fail(EXIT_OUTPUT, "%s: cannot create a folder: %s; set TMPDIR", rec.dir, strerror(e));
	}
	snprintf(rec.fifo, sizeof(rec.fifo), "%s/%.100s.%s", rec.dir, s, rec.accesses ? "lackey" : "strace");
	rec.null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (mkfifo(rec.fifo, 0600) == 0) /* both ends: no open of it ever waits */
		rec.keep = open(rec.fifo, O_RDWR | O_CLOEXEC);
	if (rec.keep >= 0 && rec.null >= 0)
		return 0;
	return cmd_fail(EXIT_OUTPUT, "%s: cannot create the FIFO: %s; set TMPDIR", rec.fifo, strerror(errno));
}

static void remove_fifo(void)
{
	unlink(rec.fifo);
	rmdir(rec.dir);
}

static int start_tracer(const struct cmd_args *a)
{
	static const char *const how_strace[] = {"strace", "-f", "-q", "-e", "trace=memory,process", "-o", NULL};
	static const char *const how_valgrind[] = {"valgrind",
						   "--tool=lackey",
						   "--trace-mem=yes",
						   "--trace-syscalls=yes",
						   "--child-silent-after-fork=yes",
						   NULL};
	char log[sizeof(rec.fifo) + 16];
	char **argv = calloc(a->nfile + 10, sizeof(*argv));
	unsigned n = 0;

	if (!argv)
		return cmd_fail(EXIT_TIMEOUT, "out of memory");
	for (const char *const *s = rec.accesses ? how_valgrind : how_strace; *s; s++)
		argv[n++] = strdup(*s);
	snprintf(log, sizeof(log), "%s%s", rec.accesses ? "--log-file=" : "", rec.fifo);
	argv[n++] = log;
	argv[n++] = strdup("--");
	for (unsigned i = 0; i < a->nfile; i++)
		argv[n++] = a->file[i];
	rec.pid = fork();
	if (rec.pid == 0) {
		signal(SIGINT, SIG_DFL);
		signal(SIGHUP, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		execvp(argv[0], argv);
		_exit(127);
	}
	free(argv);
	return rec.pid > 0 ? 0 : cmd_fail(EXIT_TIMEOUT, "%s: cannot start it: %s", a->file[0], strerror(errno));
}

static int check_before(const struct cmd_args *a)
{
	const char *tool = rec.accesses ? "valgrind" : "strace";

	if (!a->out)
		return cmd_fail(EXIT_USAGE, "record: needs -o DIR");
	if (!in_path(tool))
		return cmd_fail(EXIT_PACKAGE,
				"%s: not installed; run: sudo apt-get install -y --no-install-recommends %s", tool,
				tool);
	if (!in_path(a->file[0]))
		return cmd_fail(EXIT_INPUT, "%s: no such command", a->file[0]);
	if (import_make_dir(a->out) != 0 || access(a->out, W_OK | X_OK) != 0)
		return cmd_fail(EXIT_OUTPUT, "%s: cannot write there: %s; choose another folder with -o", a->out,
				strerror(errno));
	return 0;
}

static void report(const struct cmd_args *a, const struct import_stats *st, int status)
{
	if (WIFSIGNALED(status))
		printf("%s: ended by signal %d (%s)\n", a->file[0], WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		printf("%s: exit status %d\n", a->file[0], WEXITSTATUS(status));
	printf("%s: %lu lines traced: %lu used, %lu noted, %lu skipped; %lu programs with %lu ops in %s, %lu more "
	       "show "
	       "nothing new\n",
	       a->file[0], st->lines, st->used, st->noted, st->skipped, st->programs, st->ops, a->out, st->dropped);
	if (st->skipped)
		printf("first skipped line: %s\n", st->sample);
	if (rec.interrupted)
		printf("interrupted: this is what was traced until then\n");
}

int cmd_record(const struct cmd_args *a)
{
	struct import_stats st = {0};
	char err[512] = "";
	int r, status = 0, bad;

	rec.accesses = a->accesses;
	r = check_before(a);
	if (r || (r = make_fifo(a->file[0]))) {
		if (rec.fifo[0])
			remove_fifo();
		return r;
	}
	fflush(stdout);
	handle_signals();
	r = start_tracer(a);
	if (!r) {
		bad = (rec.accesses ? import_lackey : import_strace)(rec.fifo, a->out, &st, err, sizeof(err));
		while (waitpid(rec.pid, &status, 0) < 0 && errno == EINTR)
			;
		alarm(0);
		report(a, &st, status);
		if (err[0]) /* a trace without a program is no failure */
			r = cmd_fail(!bad ? 0 : st.programs || st.used ? EXIT_OUTPUT : EXIT_INPUT, "%s", err);
	}
	remove_fifo();
	return r;
}

/* ---- distill */

enum { WORDS = (EXEC_NFEATURES + OP_NKINDS + EV_NKINDS + 63) / 64 };

struct seed {
	char *path;
	unsigned gain, ops; /* gain: features not yet in the kept ones; only ever falls */
	bool kept, diverges;
	uint64_t has[WORDS];
};

static struct {
	struct seed *seed;
	unsigned n, cap, unreadable;
	uint64_t have[WORDS];
} set;

static unsigned count_bits(const uint64_t *w, const uint64_t *without)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WORDS; i++)
		n += (unsigned)__builtin_popcountll(w[i] & ~without[i]);
	return n;
}

static void set_bit(uint64_t *w, unsigned i)
{
	w[i / 64] |= 1ull << i % 64;
}

/* Runs the program; what it shows: state features, ops that took effect, events that fired. */
static void run_seed(struct seed *s, struct prog *p, const struct pt_impl *impl)
{
	static uint8_t features[EXEC_NFEATURES];
	struct exec_stats was = exec_stats;
	struct outcome o;

	memset(features, 0, sizeof(features));
	exec_features = features;
	exec_run(p, impl, &o);
	for (unsigned i = 0; i < EXEC_NFEATURES; i++)
		if (features[i])
			set_bit(s->has, i);
	for (unsigned i = 0; i < OP_NKINDS; i++)
		if (exec_stats.effective[i] != was.effective[i])
			set_bit(s->has, EXEC_NFEATURES + i);
	for (unsigned i = 0; i < EV_NKINDS; i++)
		if (exec_stats.events[i] != was.events[i])
			set_bit(s->has, EXEC_NFEATURES + OP_NKINDS + i);
	s->ops = o.ops;
	s->gain = count_bits(s->has, (uint64_t[WORDS]){0});
	s->diverges = o.sig[0] != '\0';
	if (s->diverges)
		printf("%s: %s: diverges, so it is kept\n", s->path, o.sig);
}

static int add_seed(const char *path, const struct pt_impl *impl)
{
	static struct prog p;
	struct seed *s;

	if (cmd_read(&p, path)) {
		set.unreadable++;
		return 0;
	}
	if (set.n == set.cap) {
		const unsigned cap = set.cap ? 2 * set.cap : 256;

		s = realloc(set.seed, cap * sizeof(*s));
		if (!s)
			return cmd_fail(EXIT_TIMEOUT, "out of memory after %u programs; distill a part of them",
					set.n);
		set.seed = s;
		set.cap = cap;
	}
	s = &set.seed[set.n];
	memset(s, 0, sizeof(*s));
	s->path = strdup(path);
	if (!s->path)
		return cmd_fail(EXIT_TIMEOUT, "out of memory after %u programs; distill a part of them", set.n);
	set.n++;
	run_seed(s, &p, impl);
	return 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int read_seeds(char *dir, const struct pt_impl *impl)
{
	char *roots[] = {dir, NULL};
	struct stat sb;
	int r = 0;
	FTS *t;

	if (stat(dir, &sb) || access(dir, R_OK))
		return cmd_fail(EXIT_INPUT, "%s: %s", dir, strerror(errno));
	if (!S_ISDIR(sb.st_mode))
		return cmd_fail(EXIT_INPUT, "%s: not a folder", dir);
	t = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	if (!t)
		return cmd_fail(EXIT_INPUT, "%s: %s", dir, strerror(errno));
	for (FTSENT *e; !r && (e = fts_read(t));) {
		const char *dot = strrchr(e->fts_name, '.');

		if (e->fts_info == FTS_F && e->fts_name[0] != '.' &&
		    (!dot || !strcmp(dot, ".pt") || !strcmp(dot, ".bin")))
			r = add_seed(e->fts_path, impl);
	}
	fts_close(t);
	return r;
}

/* A diverging program first; then most news, fewest ops, first name. */
static bool better(const struct seed *a, const struct seed *b)
{
	if (!b || a->diverges != b->diverges)
		return !b || a->diverges;
	return a->gain != b->gain ? a->gain > b->gain : a->ops < b->ops;
}

static struct seed *next_seed(void)
{
	struct seed *best = NULL;

	for (unsigned i = 0; i < set.n; i++) {
		struct seed *s = &set.seed[i];

		if (s->kept || !(s->gain || s->diverges) || !better(s, best))
			continue;
		s->gain = count_bits(s->has, set.have);
		if ((s->gain || s->diverges) && better(s, best))
			best = s;
	}
	return best;
}

static bool copy_bytes(FILE *in, FILE *out)
{
	char buf[4096];
	size_t n;

	while ((n = fread(buf, 1, sizeof(buf), in)))
		if (fwrite(buf, 1, n, out) != n)
			return false;
	return !ferror(in) && fflush(out) == 0;
}

/* OUT/a-b.pt for DIR/a/b.pt. A half file does not stay. */
static int copy_seed(const struct seed *s, const char *dir, const char *out)
{
	const char *rest = s->path + strlen(dir);
	char name[4096];
	struct stat a, b;
	FILE *in, *f;
	bool good;
	int e;

	rest += strspn(rest, "/");
	if (snprintf(name, sizeof(name), "%s/%s", out, rest) >= (int)sizeof(name))
		return cmd_fail(EXIT_OUTPUT, "%s: the name is too long", rest);
	for (char *c = name + strlen(out) + 1; *c; c++)
		*c = *c == '/' ? '-' : *c;
	if (stat(s->path, &a) == 0 && stat(name, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return 0;
	in = fopen(s->path, "r");
	f = in ? fopen(name, "w") : NULL;
	good = f && copy_bytes(in, f);
	e = errno;
	if (in)
		fclose(in);
	if (f && fclose(f) != 0)
		good = false;
	if (f && !good)
		unlink(name);
	return good ? 0 : cmd_fail(EXIT_OUTPUT, "%s: cannot write: %s; free space or use -o", name, strerror(e));
}

static int keep_seeds(const struct cmd_args *a, unsigned *kept)
{
	struct seed *s;
	int r = 0;

	while (!r && (s = next_seed())) {
		s->kept = true;
		++*kept;
		if (!a->quiet)
			printf("keep %s: %u new features\n", s->path, count_bits(s->has, set.have));
		for (unsigned i = 0; i < WORDS; i++)
			set.have[i] |= s->has[i];
		if (a->out)
			r = copy_seed(s, a->file[0], a->out);
	}
	return r;
}

int cmd_distill(const struct cmd_args *a)
{
	const struct pt_impl *impl;
	unsigned kept = 0;
	bool diverges = false;
	int r = cmd_setup(a, &impl);

	if (!r && a->out && import_make_dir(a->out) != 0)
		r = cmd_fail(EXIT_OUTPUT, "%s: cannot create the folder: %s; choose another with -o", a->out,
			     strerror(errno));
	if (r || (r = read_seeds(a->file[0], impl)))
		return r;
	if (!set.n)
		return set.unreadable ? EXIT_INPUT : cmd_fail(EXIT_INPUT, "%s: no programs there", a->file[0]);
	r = keep_seeds(a, &kept);
	for (unsigned i = 0; i < set.n && !r; i++) {
		diverges |= set.seed[i].diverges;
		if (!set.seed[i].kept && !a->quiet)
			printf("drop %s: shows nothing that the kept ones do not\n", set.seed[i].path);
	}
	if (!r)
		printf("%u of %u programs kept%s%s, %u dropped, %u unreadable; %u features (states, effective ops, "
		       "events; "
		       "edge coverage only in fuzz-libfuzzer -merge=1)\n",
		       kept, set.n, a->out ? " in " : " (nothing written: no -o)", a->out ? a->out : "",
		       set.n - kept, set.unreadable, count_bits(set.have, (uint64_t[WORDS]){0}));
	return r ? r : diverges ? EXIT_DIVERGES : set.unreadable ? EXIT_INPUT : 0;
}
