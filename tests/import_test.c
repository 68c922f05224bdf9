// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: an import counts every line once, writes programs that parse, run and agree, keeps alignment and
 * batch borders of the trace, and says in one line what it could not read or write.
 *
 * Run from the repository's root (it reads tests/data and corpus). Links: fuzz/, hw/, ref/, impl/.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "fuzz/exec.h"
#include "fuzz/import.h"
#include "hw/hw.h"

#define STRACE "tests/data/small.strace"
#define FTRACE "tests/data/small.ftrace"
#define LACKEY "tests/data/small.lackey"

static char tmp[64], out[96], err[512];
static struct import_stats st;

static int setup(void **state)
{
	(void)state;
	strcpy(tmp, "/tmp/import_test.XXXXXX");
	if (!mkdtemp(tmp))
		return -1;
	snprintf(out, sizeof(out), "%s/a/out", tmp);
	return 0;
}

static void remove_all(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char name[512];

		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", dir, e->d_name);
		if (unlink(name))
			remove_all(name);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

static int teardown(void **state)
{
	(void)state;
	remove_all(tmp);
	return 0;
}

/* Counts files; each must parse, agree and be effective. `kinds` collects the op kinds. */
static unsigned check_dir(const char *dir, uint64_t *kinds, uint64_t *events)
{
	static struct prog p;
	struct outcome o;
	unsigned n = 0;
	struct dirent *e;
	DIR *d = opendir(dir);

	assert_non_null(d);
	while ((e = readdir(d))) {
		char name[512];

		if (e->d_name[0] == '.' || !strstr(e->d_name, ".pt"))
			continue;
		snprintf(name, sizeof(name), "%s/%s", dir, e->d_name);
		if (prog_read_file(&p, name, err, sizeof(err)))
			fail_msg("%s", err);
		for (unsigned i = 0; i < p.n; i++)
			*(p.r[i].is_event ? events : kinds) |= 1ull << p.r[i].kind;
		exec_run(&p, &impl_opt, &o);
		if (o.sig[0])
			fail_msg("%s: %s", name, o.sig);
		if (o.effective * 10 < o.ops * 8 &&
		    strcmp(dir, "corpus/hand") != 0) /* some of those run out of memory */
			fail_msg("%s: %u of %u ops took effect", name, o.effective, o.ops);
		n++;
	}
	closedir(d);
	return n;
}

static void assert_counted(void)
{
	assert_int_equal(st.used + st.noted + st.skipped, st.lines);
}

static void test_strace(void **state)
{
	uint64_t kinds = 0, events = 0;

	(void)state;
	assert_int_equal(import_strace(STRACE, out, &st, err, sizeof(err)), 0);
	assert_string_equal(err, "");
	assert_int_equal(st.lines, 29);
	assert_int_equal(st.skipped, 1);
	assert_string_equal(st.sample, "this line is not strace's");
	assert_counted();
	assert_int_equal(check_dir(out, &kinds, &events), st.programs);
	assert_true(st.programs >= 3);
	for (unsigned k = 0; k < OP_NKINDS; k++) {
		const bool want = k == OP_set_ptes || k == OP_ptep_get_and_clear || k == OP_mprotect ||
				  k == OP_clear_full_ptes || k == OP_mremap || k == OP_ptep_set_access_flags ||
				  k == OP_touch || k == OP_zap || k == OP_fork || k == OP_switch || k == OP_cow ||
				  k == OP_exit || k == OP_madvise_free || k == OP_madvise_cold ||
				  k == OP_swap_out || k == OP_swap_in || k == OP_free_table;

		if (want && !(kinds >> k & 1))
			fail_msg("no %s", op_descs[k].name);
	}
}

static void test_ftrace(void **state)
{
	uint64_t kinds = 0, events = 0;

	(void)state;
	assert_int_equal(import_ftrace(FTRACE, out, &st, err, sizeof(err)), 0);
	assert_string_equal(err, "");
	assert_int_equal(st.skipped, 2);
	assert_string_equal(st.sample, "no event at all");
	assert_counted();
	assert_int_equal(check_dir(out, &kinds, &events), st.programs);
	assert_true(kinds >> OP_wrprotect_ptes & 1);
	assert_true(kinds >> OP_clear_young_dirty_ptes & 1);
	assert_true(kinds >> OP_ptep_test_and_clear_young & 1);
}

static char *slurp(const char *name);

/* Accesses that change nothing are noted; a failed call, a forked child's call and a half one too. */
static void test_lackey(void **state)
{
	uint64_t kinds = 0, events = 0;
	char name[128];
	const char *s;

	(void)state;
	assert_int_equal(import_lackey(LACKEY, out, &st, err, sizeof(err)), 0);
	assert_string_equal(err, "");
	assert_int_equal(st.lines, 25);
	assert_int_equal(st.used, 15);
	assert_int_equal(st.skipped, 1);
	assert_string_equal(st.sample, "this line is not lackey's");
	assert_counted();
	assert_int_equal(check_dir(out, &kinds, &events), st.programs);
	snprintf(name, sizeof(name), "%s/small-002.pt", out);
	s = slurp(name);
	assert_non_null(strstr(s, "# lackey of demo, lines 4-15 of small.lackey\n"));
	/* a large folio at the first write, the zero page at a read, its copy at the write after that */
	assert_non_null(strstr(s, "set_ptes cpu=0 page=2.0 nr=16 folio=2 write young dirty\n"
				  "touch cpu=0 page=2.0 write\n"
				  "set_ptes cpu=0 page=3.0 nr=1 folio=5 young special\n"
				  "touch cpu=0 page=3.0\n"
				  "ptep_clear_flush cpu=0 page=3.0\n"
				  "set_ptes cpu=0 page=3.0 nr=1 folio=5 write young dirty\n"));
	/* mprotect acts at once where it takes, at the next write where it gives */
	assert_non_null(strstr(s, "mprotect cpu=0 page=2.0 nr=4\n"
				  "ptep_set_access_flags cpu=0 page=2.2 write young dirty\n"
				  "touch cpu=0 page=2.2 write\n"));
	assert_true(kinds >> OP_madvise_free & 1);
	assert_true(kinds >> OP_fork & 1);
	assert_true(kinds >> OP_zap & 1);
}

/*
 * |yyyyyyyyyyyyyyyy|  all written, aged, then two read:
 * |YY..............|  hardware sets their access flags, as the other CPU's reads
 */
static void test_lackey_ageing(void **state)
{
	uint64_t kinds = 0, events = 0;
	char in[128];
	FILE *f;

	(void)state;
	snprintf(in, sizeof(in), "%s/t.lackey", tmp);
	f = fopen(in, "w");
	assert_non_null(f);
	fputs("SYSCALL[70,1](9) sys_mmap ( 0x0, 65536, 3, 34, 4294967295, 0 ) --> [pre-success] Success(0x40000)\n",
	      f);
	for (unsigned i = 0; i < 1u << 17; i++)
		fputs(" S 40000,8\n", f);
	fputs(" L 40000,8\n L 41000,8\n", f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(import_lackey(in, out, &st, err, sizeof(err)), 0);
	assert_int_equal(st.programs, 1);
	assert_int_equal(st.used, 4);
	assert_int_equal(check_dir(out, &kinds, &events), 1);
	assert_int_equal(events, 1u << EV_read);
	assert_true(kinds >> OP_ptep_test_and_clear_young & 1);
}

static char *slurp(const char *name)
{
	static char buf[65536];
	FILE *f = fopen(name, "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = '\0';
	fclose(f);
	return buf;
}

static void write_text(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/*
 * pages 0x24..0x3b:  |....CCCCCCCCCCCC|CCCCCCCC........|  an area that begins and ends inside a block
 *                         ^^^^ mprotect
 */
static void test_alignment(void **state)
{
	char in[128], name[128];
	const char *s;

	(void)state;
	snprintf(in, sizeof(in), "%s/t.strace", tmp);
	write_text(in, "mmap(NULL, 81920, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x24000\n"
		       "mprotect(0x24000, 16384, PROT_READ) = 0\n"
		       "munmap(0x24000, 81920) = 0\n");
	assert_int_equal(import_strace(in, out, &st, err, sizeof(err)), 0);
	assert_int_equal(st.programs, 1);
	snprintf(name, sizeof(name), "%s/t-001.pt", out);
	s = slurp(name);
	assert_non_null(strstr(s, "# strace, lines 1-3 of t.strace\n"));
	assert_non_null(strstr(s, "page=2.4 nr=12 "));
	assert_non_null(strstr(s, "page=3.0 nr=8 folio=3 "));
	assert_non_null(strstr(s, "mprotect cpu=0 page=2.4 nr=4\n"));
	assert_non_null(strstr(s, "zap cpu=0 page=2.4 nr=20\n"));
}

/* A frame that is not congruent with its address keeps its misalignment: such a block must never fold. */
static void test_shift(void **state)
{
	char in[128], name[128];

	(void)state;
	snprintf(in, sizeof(in), "%s/t.ftrace", tmp);
	write_text(
		in,
		"a-1 [001] d.... 1.0: set_ptes: (x) mm=0x1000 addr=0x40000 ptep=0x2000 pte=0xe8000000102f43 nr=16 "
		"old=0x0\n"
		"a-1 [001] d.... 1.1: wrprotect: (x) mm=0x1000 addr=0x42000 ptep=0x2010 nr=3 "
		"old=0xe8000000104f43\n"
		"a-1 [001] d.... 1.2: ptep_get: (x) ptep=0x2018 orig=0xe8000000105f43\n"
		"a-1 [001] d.... 1.3: clear_full: (x) mm=0x1000 addr=0x40000 ptep=0x2000 nr=16 full=0 "
		"old=0xe8000000102f43\n");
	assert_int_equal(import_ftrace(in, out, &st, err, sizeof(err)), 0);
	assert_int_equal(st.programs, 1);
	snprintf(name, sizeof(name), "%s/t-001.pt", out);
	assert_non_null(strstr(slurp(name), "set_ptes cpu=1 page=0.0 nr=16 folio=10 shift=2 write young dirty\n"
					    "wrprotect_ptes cpu=1 page=0.2 nr=3\n"
					    "ptep_get cpu=1 page=0.3\n"
					    "clear_full_ptes cpu=1 page=0.0 nr=16\n"));
}

static void test_same_twice(void **state)
{
	char again[128], a[256], b[256];
	struct import_stats st2;

	(void)state;
	snprintf(again, sizeof(again), "%s/again", tmp);
	assert_int_equal(import_strace(STRACE, out, &st, err, sizeof(err)), 0);
	assert_int_equal(import_strace(STRACE, again, &st2, err, sizeof(err)), 0);
	assert_memory_equal(&st, &st2, sizeof(st));
	snprintf(a, sizeof(a), "%s/small-001.pt", out);
	snprintf(b, sizeof(b), "%s/small-001.pt", again);
	char *first = strdup(slurp(a));

	assert_string_equal(first, slurp(b));
	free(first);
}

/* The fixture, many times over and compressed, cut after `keep` per cent of the bytes. */
static void make_gz(const char *name, unsigned keep)
{
	const char *text = slurp(STRACE);
	gzFile z = gzopen(name, "wb");
	struct stat sb;

	assert_non_null(z);
	for (unsigned i = 0; i < 200; i++) {
		gzputs(z, text);
		gzprintf(z, "%u mmap(NULL, %u, PROT_READ, MAP_PRIVATE, 3, 0) = 0x%x\n", i * 7919, i * 104729,
			 i << 12);
		gzflush(z, Z_SYNC_FLUSH);
	}
	assert_int_equal(gzclose(z), Z_OK);
	assert_int_equal(stat(name, &sb), 0);
	assert_int_equal(truncate(name, sb.st_size * keep / 100), 0);
}

static void test_gzip(void **state)
{
	char in[128];

	(void)state;
	snprintf(in, sizeof(in), "%s/t.strace.gz", tmp);
	make_gz(in, 100);
	assert_int_equal(import_strace(in, out, &st, err, sizeof(err)), 0);
	assert_false(st.truncated);
	assert_int_equal(st.lines, 200 * 30);
	assert_counted();
	make_gz(in, 60);
	assert_int_equal(import_strace(in, out, &st, err, sizeof(err)), 0);
	assert_true(st.truncated);
	assert_true(st.programs > 0 && st.lines > 1000 && st.lines < 200 * 30);
	assert_non_null(strstr(err, "truncated trace after "));
	assert_null(strchr(err, '\n'));
}

static void test_unreadable(void **state)
{
	(void)state;
	assert_int_equal(import_strace("/nonexistent/x", out, &st, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "/nonexistent/x: cannot open: No such file"));
	assert_int_equal(import_strace(tmp, out, &st, err, sizeof(err)), -1); /* a folder */
	assert_non_null(strstr(err, "cannot read"));
	assert_int_equal(import_ftrace("fuzz/ops.def", out, &st, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "is a ftrace event that can be used; record with"));
	assert_int_equal(st.used, 0);
	assert_counted();
}

static void test_unwritable(void **state)
{
	char file[128];
	struct rlimit old, none = {0, RLIM_INFINITY};
	struct stat sb;

	(void)state;
	snprintf(file, sizeof(file), "%s/file", tmp);
	write_text(file, "x");
	assert_int_equal(import_strace(STRACE, file, &st, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "cannot create the output folder: Not a directory"));

	/* A limit of no bytes a file stands for a full disk. */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	const int r = import_strace(STRACE, out, &st, err, sizeof(err));

	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(r, -1);
	assert_non_null(strstr(err, "small-001.pt: cannot write: "));
	assert_null(strchr(err, '\n'));
	snprintf(file, sizeof(file), "%s/small-001.pt", out);
	assert_int_equal(stat(file, &sb), -1); /* no half program */
}

/* Anything may be in a file: bytes, endless lines, half calls. */
static void test_garbage(void **state)
{
	static const char *const bad[] = {
		"1 mmap(",
		"1 mmap(1, 2) = ",
		"1 <... mmap resumed>) = 0",
		"1 mmap(NULL, 0xffffffffffffffff, PROT_WRITE, MAP_ANON, -1, 0) = 0xfffffffff000",
		"1 munmap(0xfffffffffffff000, 0xffffffffffffffff) = 0",
		"1 mremap(0x1000, 0, 0x7fffffffffff) = 0x1000",
		"1 brk() = 0xffffffffffff",
		"1 clone() = 1",
		"1 execve() = 0",
		"1 \"\\",
		"[pid",
		"1 madvise(,,) = 0",
		"a-1 [0] d 1: set_ptes: mm=1 addr=0xffffffffffffffff pte=0x1 nr=4294967295",
		"a-1 [0] d 1: clear_full: mm=1 addr=0xfffffffffffff000 nr=512 full=1 old=1",
		"a-1 [0] d 1: set_ptes: mm=1 addr=0 nr=0",
		"a-1 [",
		"-[0]: :",
		" [0",
		"@@PHASE ",
		"I  ffffffffffffffff,9999999999",
		" S ,",
		" L ffffffffffffff,4096",
		" M 0,1",
		"I",
		" ",
		"SYSCALL[",
		"SYSCALL[1,1](9) sys_mmap",
		"SYSCALL[1,1](9) sys_mmap ( 0, ) --> Success(",
		"SYSCALL[1,1](9) sys_mmap ( 0, 0xffffffffffffffff, 7, 34 ) --> Success(0xfffffffffffff000)",
		"SYSCALL[1,1](11) sys_munmap ( 0, 0xffffffffffffffff ) --> Success(0x0)",
		"SYSCALL[1,1](9) mremap ( 4096, 0, 0x7fffffffffff ) --> Success(0x1000)",
		"SYSCALL[1,1](56) sys_clone ( 0 ) clone(fork): created child"};
	char in[128];
	FILE *f;

	(void)state;
	snprintf(in, sizeof(in), "%s/bad", tmp);
	f = fopen(in, "w");
	assert_non_null(f);
	for (unsigned i = 0; i < 4000; i++) {
		fputs(bad[i * 7 % (sizeof(bad) / sizeof(*bad))], f);
		if (i % 500 == 0)
			for (unsigned k = 0; k < 9000; k++)
				fputc((int)(k * 31 + i), f);
		fputc(i % 97 ? '\n' : '\0', f);
	}
	assert_int_equal(fclose(f), 0);
	(void)import_strace(in, out, &st, err, sizeof(err));
	assert_counted();
	(void)import_ftrace(in, out, &st, err, sizeof(err));
	assert_counted();
	(void)import_lackey(in, out, &st, err, sizeof(err));
	assert_counted();
}

/* What is committed: every seed runs and agrees; the hand-written ones use each op and each event. */
static void test_corpus(void **state)
{
	uint64_t kinds = 0, events = 0, hk = 0, he = 0;
	struct dirent *e;
	DIR *d = opendir("corpus");

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d))) {
		char dir[300];

		if (e->d_name[0] == '.' || strchr(e->d_name, '.'))
			continue;
		snprintf(dir, sizeof(dir), "corpus/%s", e->d_name);
		check_dir(dir, &kinds, &events);
	}
	closedir(d);
	check_dir("corpus/contpte", &hk, &he);
	check_dir("corpus/hand", &hk, &he);
	assert_int_equal(hk, (1ull << OP_NKINDS) - 1);
	assert_int_equal(he, (1u << EV_NKINDS) - 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {T(test_lackey),     T(test_lackey_ageing), T(test_strace),
					   T(test_ftrace),     T(test_alignment),     T(test_shift),
					   T(test_same_twice), T(test_gzip),	      T(test_unreadable),
					   T(test_unwritable), T(test_garbage),	      T(test_corpus)};

	exec_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
