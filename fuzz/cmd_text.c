// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that execute nothing: show, asm, import, ops, impls, bugs.
 *
 * Property: a conversion loses nothing (prog.h), and a list shows the very table that the fuzzer uses.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/cmd.h"
#include "fuzz/import.h"

static struct prog input;

/* Writes the program in one form, to OUT or standard output. */
static int convert(const struct cmd_args *a, bool text)
{
	static uint8_t bytes[PROG_MAX_BYTES];
	int r = cmd_read(&input, a->file[0]);
	if (r)
		return r;
	if (!text && !a->out && isatty(STDOUT_FILENO))
		return cmd_fail(EXIT_USAGE, "asm: bytes would go to a terminal; use -o OUT");
	FILE *f = a->out ? fopen(a->out, "w") : stdout;
	if (!f)
		return cmd_fail(EXIT_OUTPUT, "%s: cannot write: %s", a->out, strerror(errno));
	if (text)
		prog_print(&input, f);
	else
		fwrite(bytes, 1, prog_encode(&input, bytes), f);
	if (f == stdout)
		return 0;
	bool bad = fflush(f) != 0 || ferror(f);
	int saved = errno;
	bad |= fclose(f) != 0;
	return bad ? cmd_fail(EXIT_OUTPUT, "%s: cannot write: %s", a->out, strerror(saved ? saved : errno)) : 0;
}

int cmd_show(const struct cmd_args *a)
{
	return convert(a, true);
}

int cmd_asm(const struct cmd_args *a)
{
	return convert(a, false);
}

int cmd_import(const struct cmd_args *a)
{
	int (*fn)(const char *, const char *, struct import_stats *, char *, size_t) = NULL;
	struct import_stats st = {0};
	char err[512] = "";

	if (strcmp(a->file[0], "strace") == 0)
		fn = import_strace;
	else if (strcmp(a->file[0], "ftrace") == 0)
		fn = import_ftrace;
	else if (strcmp(a->file[0], "lackey") == 0)
		fn = import_lackey;
	else
		return cmd_fail(EXIT_USAGE, "import: %s: unknown kind of trace; it is strace, ftrace or lackey",
				a->file[0]);
	if (!a->out)
		return cmd_fail(EXIT_USAGE, "import: needs -o DIR");
	if (access(a->file[1], R_OK) != 0 && strcmp(a->file[1], "-") != 0)
		return cmd_fail(EXIT_INPUT, "%s: %s", a->file[1], strerror(errno));
	if (fn(a->file[1], a->out, &st, err, sizeof(err)) != 0)
		return cmd_fail(access(a->out, W_OK) != 0 ? EXIT_OUTPUT : EXIT_INPUT, "%s", err);
	if (err[0])
		fprintf(stderr, "ptdiff: %s\n", err);
	printf("%s: %lu lines: %lu used, %lu noted, %lu skipped; %lu programs with %lu ops in %s, %lu more show "
	       "nothing "
	       "new\n",
	       a->file[1], st.lines, st.used, st.noted, st.skipped, st.programs, st.ops, a->out, st.dropped);
	if (st.skipped)
		printf("first skipped line: %s\n", st.sample);
	return st.truncated ? EXIT_INPUT : 0;
}

static void print_desc(const struct op_desc *d, const char *common)
{
	printf("%-24s %3u  %s\n%31s%s%s%s", d->name, d->weight, d->help, "",
	       d->args & A_PAGE ? "BLOCK.OFFSET " : "", d->args & A_NR ? "nr=N " : "", common);
	for (const struct op_field *f = d->field; f < d->field + OP_MAX_FIELDS && f->name; f++) {
		if (f->words)
			printf(" %s=%s", f->name, f->words[0]);
		for (unsigned i = 1; f->words && f->words[i]; i++)
			printf("|%s", f->words[i]);
		if (!f->words)
			printf(f->bits == 1 ? " [%s]" : " %s=0..%u", f->name, (1u << f->bits) - 1);
	}
	putchar('\n');
}

int cmd_ops(const struct cmd_args *a)
{
	(void)a;
	printf("operation             weight\n");
	for (unsigned i = 0; i < OP_NKINDS; i++)
		print_desc(&op_descs[i], "cpu=N");
	printf("\nevent                 weight\n");
	for (unsigned i = 0; i < EV_NKINDS; i++)
		print_desc(&ev_descs[i], "anchor agent=N");
	return 0;
}

int cmd_impls(const struct cmd_args *a)
{
	(void)a;
	exec_init();
	impl_list(stdout);
	return 0;
}

int cmd_bugs(const struct cmd_args *a)
{
	for (unsigned i = 0; i < pt_nbugs; i++) {
		const struct pt_bug *b = &pt_bugs[i];
		if (a->quiet)
			puts(b->name);
		else
			printf("%s\n    %s\n    in %s; from %s; expected %s%s%s\n", b->name, b->what, b->impl,
			       b->from, b->signature, b->also ? ", or " : "", b->also ? b->also : "");
	}
	return 0;
}
