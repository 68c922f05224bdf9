/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Importers: real traces become text programs of the corpus.
 *
 * Property: every line of a trace is used, known to need nothing, or skipped, and counted as such (none is
 * fatal); what was written is complete and parses; what could not be written or read is said in one line.
 */
#ifndef FUZZ_IMPORT_H
#define FUZZ_IMPORT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct import_stats {
	unsigned long lines;	/* lines read */
	unsigned long used;	/* became ops, or changed the picture of the address space */
	unsigned long noted;	/* understood, nothing to translate (returns, internals, failed calls) */
	unsigned long skipped;	/* not understood */
	unsigned long programs; /* files written */
	unsigned long dropped;	/* programs not written: they show nothing that an earlier one does not */
	unsigned long ops;	/* ops in the files written */
	char sample[96];	/* the first skipped line, cut to fit */
	bool truncated;		/* the compressed stream ended early or is damaged from some line on */
};

/*
 * `path` is plain or gzip-compressed, "-" is stdin. Files are outdir/<base>-NNN.pt, the most diverse first,
 * so that the first few are the distillate. 0, or -1 with one line in err: what, where, what to do. 0 with
 * a non-empty err is a warning (a truncated trace, a trace without a program).
 */
int import_strace(const char *path, const char *outdir, struct import_stats *st, char *err, size_t errcap);
int import_ftrace(const char *path, const char *outdir, struct import_stats *st, char *err, size_t errcap);
int import_lackey(const char *path, const char *outdir, struct import_stats *st, char *err, size_t errcap);

/* Creates the folder and those above it. 0, or -1 with errno. */
int import_make_dir(const char *path);
/* While a FIFO is read its descriptor, else -1: a signal handler ends the input by putting /dev/null there. */
extern volatile sig_atomic_t import_fd;

#endif
