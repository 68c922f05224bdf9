/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The executor: runs one program on machine, specification and implementation and judges the difference.
 *
 * Property: the outcome is a function of (program, implementation); running twice gives the same outcome,
 * steps and picks; no memory is allocated after exec_init.
 */
#ifndef FUZZ_EXEC_H
#define FUZZ_EXEC_H

#include "prog.h"
#include "impl/seam.h"

enum { EXIT_AGREES = 0, EXIT_DIVERGES = 77, EXIT_TIMEOUT = 70, EXIT_USAGE = 64, EXIT_INPUT = 65, EXIT_OUTPUT = 74 };

#define SIG_MAX 96

struct outcome {
	char sig[SIG_MAX]; /* "" = agrees; otherwise class/op/what (constant words only) */
	char detail[256];  /* one line for people: page, expected, observed (replay only, else "") */
	int page;	   /* page it is about, -1 none */
	unsigned op;	   /* index of the record during which it was found */
	uint64_t step;	   /* machine step of the finding */
	uint64_t steps;	   /* machine steps in all */
	uint64_t hash;	   /* xxh3 over every observation: equal on every run of the same input */
	uint16_t ops, effective, skipped, unsupported;
	bool timeout; /* step limit reached (signature crash/<op>/timeout) */
};

struct exec_stats { /* sums over executions, per op kind */
	uint64_t runs, ops[OP_NKINDS], effective[OP_NKINDS], unsupported[OP_NKINDS], events[EV_NKINDS], steps;
};
extern struct exec_stats exec_stats;

/* Once. Prepares machine, specification, stacks. */
void exec_init(void);
/* Runs `p` on `impl`; when the implementation lacks the program's geometry its first one is used (p is
 * normalized for it). Never fails; never exits; findings are in `out`. */
void exec_run(struct prog *p, const struct pt_impl *impl, struct outcome *out);
/* Replay: as exec_run, and prints the step trace, the blocks drawn entry by entry, and the first differing
 * step marked ">>>" to f. Two passes: the first finds the step. `what`: REPLAY_STEPS prints every step, REPLAY_TABLES all tables
 * as they are in the end or at the finding; without it a finding about tables has those around it drawn. */
enum { REPLAY_STEPS = 1, REPLAY_TABLES = 2 };
void exec_replay(struct prog *p, const struct pt_impl *impl, struct outcome *out, FILE *f, unsigned what);
/* After exec_run: the program with effective (clipped) arguments written back. */
void exec_effective(struct prog *p);

/* Called after the last record has run, before parked tasks finish and the last checks (NULL: nobody looks). */
extern void (*exec_at_end)(void);

/* State features: index < EXEC_NFEATURES, set to 1 when seen (never incremented); engines read the array. */
#define EXEC_NFEATURES 4736    /* features.h lays it out */
extern uint8_t *exec_features; /* points at a sink unless the engine provides its array */

/* Legal differences: named, with reason and citation, and how often each was used. */
struct legal {
	const char *name, *why, *cite;
	uint64_t hits;
};
extern struct legal legals[];
extern const unsigned nlegals;
void legal_update(void); /* brings the hit counters up to date */

/* Implementations by name: linked in ("opt") or loaded ("linux-6.12.117" = the .so files of all granules in
 * build/linux/, or a path to one .so). NULL with a line in err. */
const struct pt_impl *impl_find(const char *name, char *err, size_t errcap);
/* A kernel tree comes as one .so a granule: the member of `impl`'s set that runs geometry `geo`, `impl` itself when it
 * is no set, NULL when no member does. exec_run resolves its argument with it. */
const struct pt_impl *impl_for_geo(const struct pt_impl *impl, unsigned geo);
void impl_list(FILE *f);
int bug_select(const char *name); /* 0; -1 unknown; -2 this binary has no bugs compiled in */
const char *
bug_impl(const char *name); /* the implementation that has it; "opt" when there is no such bug, or NULL */

/* Minimizer: p is replaced by a 1-minimal program with signature `sig`. Different signatures met on the way go
 * to `bank` (may be NULL). Returns the number of executions. */
typedef void (*min_bank_fn)(void *ctx, const struct prog *p, const struct outcome *o);
uint64_t min_program(struct prog *p, const struct pt_impl *impl, const char *sig, min_bank_fn bank, void *ctx);
/* Is no single change (drop a record, simplify a field) able to keep the signature? */
bool min_is_minimal(const struct prog *p, const struct pt_impl *impl, const char *sig);

/* Findings: minimizes, replays 10 times, and writes dir/<class>-<op>-<what>/{input.pt,NOTE.md}; a known signature keeps the
 * shorter program. 1 new, 0 known, -1 could not write (errno kept, one line on stderr, program printed there
 * so that nothing is lost). */
int find_save(const char *dir, const struct prog *p, const struct pt_impl *impl, const struct outcome *o);

#endif
