// SPDX-License-Identifier: GPL-2.0-only
/*
 * Findings on disk.
 *
 * Property: what is under a signature's folder is 1-minimal, was replayed ten times with that signature, and is
 * the shortest program seen so far; a file is replaced whole or not at all; a finding that cannot be written is
 * printed, so that a full disk loses nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/exec.h"

enum { REPLAYS = 10, MAX_BANK = 8 };

/* Other findings met while minimizing one. */
struct bank {
	unsigned n;
	char sig[MAX_BANK][SIG_MAX];
	struct prog prog[MAX_BANK];
};

struct facts {
	const struct prog *p;
	const struct pt_impl *impl;
	const struct outcome *o;
	unsigned ops, same;
	bool minimal;
};

static void bank_add(void *ctx, const struct prog *p, const struct outcome *o)
{
	struct bank *b = ctx;
	for (unsigned i = 0; i < b->n; i++)
		if (strcmp(b->sig[i], o->sig) == 0)
			return;
	if (b->n == MAX_BANK)
		return;
	memcpy(b->sig[b->n], o->sig, SIG_MAX);
	b->prog[b->n++] = *p;
}

static unsigned count_ops(const struct prog *p)
{
	unsigned n = 0;
	for (unsigned i = 0; i < p->n; i++)
		n += !p->r[i].is_event;
	return n;
}

/* class/op/what -> class-op-what */
static void sig_folder(char *out, size_t cap, const char *dir, const char *sig)
{
	int n = snprintf(out, cap, "%s/", dir);
	for (char *c = out + n; (size_t)(c - out) + 1 < cap; c++, sig++) {
		*c = *sig == '/' ? '-' : *sig;
		if (!*sig)
			return;
	}
	out[cap - 1] = '\0';
}

static int make_dirs(const char *path)
{
	char part[PATH_MAX];
	snprintf(part, sizeof(part), "%s", path);
	for (char *c = part + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		if (mkdir(part, 0777) != 0 && errno != EEXIST)
			return -1;
		*c = '/';
	}
	return mkdir(part, 0777) != 0 && errno != EEXIST ? -1 : 0;
}

static void write_note(FILE *f, const struct facts *k, const char *folder)
{
	const char *bug = pt_bug_on >= 0 ? pt_bugs[pt_bug_on].name : NULL;
	struct prog p = *k->p;
	struct outcome o;

	fprintf(f, "# %s\n\n", k->o->sig);
	fprintf(f, "- Signature: `%s`\n", k->o->sig);
	fprintf(f, "- Description: %s\n", bug ? pt_bugs[pt_bug_on].what : "(not yet understood)");
	fprintf(f, "- Implementation: %s\n", k->impl->name);
	fprintf(f, "- Bug: %s\n", bug ? bug : "none planted");
	fprintf(f, "- Size: %u ops, %u events; 1-minimal: %s\n", k->ops, k->p->n - k->ops,
		k->minimal ? "yes" : "no");
	fprintf(f, "- Replay: %u of %d with this signature\n", k->same, REPLAYS);
	fprintf(f, "- Reproduce: `build/ptdiff run%s%s%s%s %s/input.pt`\n", bug ? " --bug " : "", bug ? bug : "",
		strcmp(k->impl->name, "opt") ? " --impl " : "", strcmp(k->impl->name, "opt") ? k->impl->name : "",
		folder);
	fprintf(f, "- Fixed by: %s\n\n", bug ? "not applicable (planted)" : "(open)");
	fprintf(f, "## Program\n\n```\n");
	prog_print(&p, f);
	fprintf(f, "```\n\n## Replay\n\n```\n");
	exec_replay(&p, k->impl, &o, f, 0);
	fprintf(f, "```\n");
}

/* Writes folder/name through a temporary file. */
static int replace_file(const char *folder, const char *name, const struct facts *k, bool note)
{
	char tmp[PATH_MAX + 32], final[PATH_MAX + 32];
	snprintf(tmp, sizeof(tmp), "%s/.%s.%ld", folder, name, (long)getpid());
	snprintf(final, sizeof(final), "%s/%s", folder, name);
	FILE *f = fopen(tmp, "w");
	if (!f)
		return -1;
	if (note)
		write_note(f, k, folder);
	else
		prog_print(k->p, f);
	int bad = fflush(f) != 0 || ferror(f);
	int saved = errno;
	bad |= fclose(f) != 0;
	if (!bad && rename(tmp, final) == 0)
		return 0;
	if (bad)
		errno = saved;
	saved = errno;
	unlink(tmp);
	errno = saved;
	return -1;
}

/* Is the program that the folder holds already at least as short? */
static bool known_shorter(const char *folder, const struct prog *p)
{
	static struct prog old;
	char path[PATH_MAX + 32], err[256];
	snprintf(path, sizeof(path), "%s/input.pt", folder);
	if (access(path, R_OK) != 0 || prog_read_file(&old, path, err, sizeof(err)) != 0)
		return false;
	return old.n <= p->n;
}

static int write_finding(const char *dir, const struct facts *k)
{
	char folder[PATH_MAX], input[PATH_MAX + 32];
	sig_folder(folder, sizeof(folder), dir, k->o->sig);
	snprintf(input, sizeof(input), "%s/input.pt", folder);
	bool known = access(input, F_OK) == 0;
	if (known && known_shorter(folder, k->p))
		return 0;
	if (make_dirs(folder) == 0 && replace_file(folder, "input.pt", k, false) == 0 &&
	    replace_file(folder, "NOTE.md", k, true) == 0)
		return known ? 0 : 1;
	int saved = errno;
	fprintf(stderr, "ptdiff: %s: cannot write the finding %s: %s; here it is, save it by hand:\n", folder,
		k->o->sig, strerror(saved));
	prog_print(k->p, stderr);
	errno = saved;
	return -1;
}

/* Minimizes, replays and writes one finding. */
static int save_one(const char *dir, const struct prog *p, const struct pt_impl *impl, const char *sig,
		    struct bank *bank)
{
	static struct prog m;
	struct outcome o = {0};
	struct facts k = {.p = &m, .impl = impl, .o = &o};

	m = *p;
	min_program(&m, impl, sig, bank ? bank_add : NULL, bank);
	for (unsigned i = 0; i < REPLAYS; i++) {
		struct prog copy = m;
		exec_run(&copy, impl, &o);
		k.same += strcmp(o.sig, sig) == 0;
	}
	snprintf(o.sig, sizeof(o.sig), "%s", sig);
	k.minimal = min_is_minimal(&m, impl, sig);
	k.ops = count_ops(&m);
	return write_finding(dir, &k);
}

int find_save(const char *dir, const struct prog *p, const struct pt_impl *impl, const struct outcome *o)
{
	static struct bank bank;
	char sig[SIG_MAX];
	bank.n = 0;
	memcpy(sig, o->sig, sizeof(sig));
	int r = save_one(dir, p, impl, sig, &bank);
	for (unsigned i = 0; i < bank.n; i++)
		save_one(dir, &bank.prog[i], impl, bank.sig[i], NULL);
	return r;
}
