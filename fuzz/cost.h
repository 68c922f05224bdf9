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
#include "ref/kernel.h"
#include "ref/ref.h"

struct pt_profile;
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
	bool open; /* the mode is on */
	bool due;  /* entries wait for their barriers */
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
/* Of kernel mappings. `lazy`: the mode is on; `due`: entries wait for their barriers already. */
bool cost_kernel_budget(const struct ref_k_op *op, const struct pt_profile *p, bool lazy, bool due,
			struct cost_budget *b);
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

/* --- kernel mappings and lazy MMU mode, by the running task; `lazy`: the mode is on for it (no pause, no interrupt) */
void cost_kernel_end(const struct cost_mark *m, const struct ref_k_op *op, bool lazy);
/* After a call of lazy mode: whether it was on and is. Between the one that turns it on and the one that turns it off
 * lies a section, which is judged as a whole. */
void cost_lazy_end(const struct cost_mark *m, const struct ref_k_op *op, bool was, bool is);
/* An interrupt or a switch came: what an open call of the running task costs is not all its own. */
void cost_disturbed(void);

/* --- ops on the kernel's own map: creation, splits, permission changes, the repainting */

/* Facts of MCOST and SCOST; names as there. */
struct cost_map_facts {
	unsigned visited, made, leaves, blocks, tops, map, map_new, clear_new;
	unsigned cuts, runs, changes, modes, busy, locks, flushes, ranges, E;
	uint8_t lazy, lazy_form; /* of the profile */
};
/* Dearest first: of several exceeded budgets one is reported. */
enum cost_map_class { CM_TABLES, CM_CLEARS, CM_TLBIS, CM_BARRIERS, CM_ATOMICS, CM_STORES, CM_N };
extern const char *const cost_map_words[CM_N];
/* False: `op` has no budget of this kind. */
bool cost_map_budget(unsigned op, const struct cost_map_facts *f, unsigned budget[CM_N]);
/* TLBIs of a flush of the kernel's range of so many pages. */
unsigned cost_kernel_flush(uint64_t pages, bool ranges);

/* Where an op's call begins; what of it is judged. */
struct cost_map_mark {
	struct cost_mark all;	 /* of the machine: right unless another task runs meanwhile */
	uint32_t ord[HW_NCLASS]; /* of the op alone: right if all its steps are watched */
	unsigned live, clears;
};
void cost_map_begin(struct cost_map_mark *m);
/* `shared`: others may have made or freed tables meanwhile; then, and where another task ran, tables and atomics (which
 * waiting for a lock takes) are not judged. */
void cost_map_end(const struct cost_map_mark *m, unsigned op, const struct cost_map_facts *f, bool shared);

struct cost_stats {
	uint64_t checked, skipped, sections;
};
extern struct cost_stats cost_stats;

#endif
