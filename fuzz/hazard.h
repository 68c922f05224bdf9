/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read hazards of lazy MMU mode: reads of entries whose store is still queued.
 *
 * Property: every load of an entry that the running task has queued a store to is seen, with the place in the caller
 * that made the store and the place that reads; nothing else is. [thread 002: "the debug feature that could help
 * spotting all troubled locations"]
 */
#ifndef FUZZ_HAZARD_H
#define FUZZ_HAZARD_H

#include <stdbool.h>
#include <stdint.h>

/* A place in generic mm code (fuzz/callers/, fuzz/run.c) and the op it worked for. */
struct code_place {
	const char *fn, *file;
	int line;
	uint8_t op;
};

struct hazard {
	struct code_place store, read;
	uint64_t count;
};

void hazard_init(void);	       /* once: hooks into the machine */
void hazard_reset(void);       /* before each execution */
extern unsigned hazard_queued; /* stores that are queued now */
/* The running task is about to load `p`. */
void hazard_load(const void *p);
/* Is a store to one of the n entries from p queued? */
bool hazard_pending(const uint64_t *p, unsigned n);

/* Collecting: a hazard is no finding; it is counted, the flush that is missing is made, and the program goes on. */
void hazard_collect(bool on);
unsigned hazard_list(const struct hazard **list); /* distinct places so far */

#endif
