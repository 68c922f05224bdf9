/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands of `ptdiff`: one row in main.c's table, one function in a cmd_*.c. */
#ifndef FUZZ_CMD_H
#define FUZZ_CMD_H

#include "fuzz/exec.h"

/* What the command line said; options that a command does not take keep their default. */
struct cmd_args {
	const char *impl, *bug, *out;
	bool trace, tables, quiet, check;
	const char *ops, *pages, *events, *core, *headers, *resume, *time; /* exhaust */
	bool all_bugs, list;
	const char *format; /* export */
	bool accesses;	    /* record */
	unsigned nfile;
	char **file;
};

/* Each returns the exit status. */
int cmd_run(const struct cmd_args *a);
int cmd_show(const struct cmd_args *a);
int cmd_asm(const struct cmd_args *a);
int cmd_min(const struct cmd_args *a);
int cmd_save(const struct cmd_args *a);
int cmd_import(const struct cmd_args *a);
int cmd_record(const struct cmd_args *a);
int cmd_distill(const struct cmd_args *a);
int cmd_stats(const struct cmd_args *a);
int cmd_ops(const struct cmd_args *a);
int cmd_impls(const struct cmd_args *a);
int cmd_hazards(const struct cmd_args *a);
int cmd_bugs(const struct cmd_args *a);
int cmd_litmus(const struct cmd_args *a);
int cmd_exhaust(const struct cmd_args *a);
int cmd_export(const struct cmd_args *a);

enum { EXIT_PACKAGE = 69 }; /* a program that the command needs is not installed */

/* One line "ptdiff: ..." on stderr; returns `status`. */
__attribute__((format(printf, 2, 3))) int cmd_fail(int status, const char *fmt, ...);
/* Of two exit statuses the one to report: unreadable input, then timeout, divergence, agreement. */
int cmd_worse(int a, int b);
/* Reads one program; 0 or the exit status, with its line printed. */
int cmd_read(struct prog *p, const char *path);
/* Selects bug (starts the sibling binary that has bugs, if this one has none) and implementation, and makes the
 * executor ready. 0 or the exit status. */
int cmd_setup(const struct cmd_args *a, const struct pt_impl **impl);
/* Standard output is flushed; 0, or the exit status when it could not be written. */
int cmd_flush(void);

#endif
