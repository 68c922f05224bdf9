/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cost: steps of each call of the seam against its budget (cost.def).
 *
 * Property: an optimisation that stopped optimising is a finding, `cost/FUNCTION/CLASS`, though nothing else goes
 * wrong; and since it is the least of all mistakes it is reported only when the execution shows no other.
 */
#ifndef FUZZ_COST_H
#define FUZZ_COST_H

#include "hw/hw.h"
#include "ref/ref.h"

struct pt_impl;
struct pt_gather;
struct opctx;

/* The last words of signatures, dearest first: of several exceeded budgets one is reported. */
enum cost_class {
	COST_WIDE, /* "over-flush": the whole address space for a range */
	COST_TLBIS,
	COST_BARRIERS,
	COST_ATOMICS,
	COST_STORES,
	COST_LOADS,
	COST_NCLASS
};
extern const char *const cost_words[COST_NCLASS];

struct cost_budget {
	unsigned loads, atomics, stores, dsbs, isbs, tlbis, notifies, wide;
};

/* Where a call begins. */
struct cost_mark {
	uint32_t n[HW_NCOUNT]; /* steps of the machine so far */
	unsigned turn;	       /* of the task: it has changed if somebody else ran */
	unsigned fired;	       /* events of the op so far */
};

/* What a lazy section of a task has cost and may. */
struct cost_section {
	bool open, due, disturbed;
	struct cost_budget may;
	uint32_t n[HW_NCOUNT];
};

/* What decides about a budget. */
struct cost_facts {
	unsigned n, C, m, ends, cuts, runs, fills;
	bool folded, gains, full, batch, loose;
	bool convert_flushes; /* a conversion needs its TLBIs */
	bool ranges;	      /* FEAT_TLBIRANGE */
	unsigned table_pages; /* pages that a table spans */
	unsigned tracks;      /* races that cost a round */
	const struct pt_gather *gather;
	unsigned page_shift;
};

/* Budgets alone, for tests. `id` as in struct ref_op; false: it has none. */
bool cost_budget(unsigned id, const struct cost_facts *f, struct cost_budget *b);
unsigned cost_tlbis(unsigned long pages, bool ranges);
/* Is `n` within it? COST_NCLASS: yes. */
enum cost_class cost_exceeded(const struct cost_budget *b, const uint32_t *n);

/* --- the executor's part: calls on user mappings */
void cost_reset(void);
void cost_begin(struct cost_mark *m);
/* Before the audit: the blocks as they were when the call began are known until then. */
void cost_end(const struct ref_op *op);
/* At the end of an execution that shows nothing else. */
void cost_report(void);

/* --- kernel mappings and lazy MMU mode, by the running task */
enum cost_kernel {
#define KCOST(fn, ...) COST_K_##fn,
#include "cost.def"
	COST_K_END
};
/*
 * After a call that began at `m`. `n`: entries it named; `valid`: whether it stored valid ones; `lazy`: the mode was on
 * (not paused, not in an interrupt). Of calls in lazy mode the section is charged; others must keep to their own budget.
 */
void cost_kernel_end(const struct cost_mark *m, enum cost_kernel fn, unsigned n, bool valid, bool lazy);
/* The outermost section of the running task begins before its enter and ends after the leave that ends the mode. */
void cost_section_begin(void);
void cost_section_end(void);
/* An interrupt or a switch came between begin and end of the running task's call: what it cost is not its own. */
void cost_disturbed(void);

struct cost_stats {
	uint64_t checked, skipped, sections, sections_skipped;
	/* For each function, how much of each budget was left at least (tests: are the budgets reached?). */
};
extern struct cost_stats cost_stats;

#endif
