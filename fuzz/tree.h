/* SPDX-License-Identifier: GPL-2.0-only */
/* Page tables drawn as a tree: see tree.c. */
#ifndef FUZZ_TREE_H
#define FUZZ_TREE_H

#include <stdio.h>

#include "hw/hw.h"

enum { TREE_SHORT = 16 }; /* lines of a short drawing */

/* Begins anew: nothing is marked. */
void tree_reset(void);
/* An entry (level 0 to 3) or, with `whole`, the table that `p` is in, is drawn with "<-- text". */
void tree_mark(const void *p, bool whole, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The entry that translates `va` from `root`, or the last one on the way that leads nowhere. */
void tree_mark_va(const void *root, uint64_t va, const char *text);
/* Every table, or no more than TREE_SHORT lines around what is marked; without a mark then nothing. */
void tree_draw(FILE *f, bool all);

/* --- for the replay: what a finding is about */
void tree_begin(void);
void tree_event(const struct hw_trace *t);
void tree_finding(void);
/* Draws once: `all`, or, if tables are what the finding is about, around it. */
void tree_of_finding(FILE *f, bool all);

#endif
