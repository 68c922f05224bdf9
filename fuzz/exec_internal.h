/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the executor's files (exec.c schedule and oracles, seam.c the checked seam, run.c the ops, replay.c the pictures).
 *
 * Property: one execution at a time; everything in `ex` is reset by exec_run.
 */
#ifndef FUZZ_EXEC_INTERNAL_H
#define FUZZ_EXEC_INTERNAL_H

#include "exec.h"
#include "fiber.h"
#include "hw/hw.h"
#include "ref/ref.h"

#define EX_ASID	      0x42
#define EX_STEP_LIMIT 200000 /* a 16K teardown of all four blocks takes about 70,000 */
#define EX_MAX_CONT   128
#define EX_FOLIOS     12
#define EX_LOCK_PT    0 /* hw_lock id of the page-table lock */

enum task_state { TASK_IDLE, TASK_READY, TASK_PARKED, TASK_WAITS, TASK_WAITS_READERS };

/* The op a task is executing. */
struct opctx {
	unsigned rec; /* index of its record */
	const struct rec *r;
	unsigned ev_lo, ev_hi;	 /* its events: records [ev_lo, ev_hi) */
	uint64_t fired;		 /* bit i: event ev_lo + i has fired */
	uint8_t armed;		 /* bit c: an unfired event anchors at class c */
	uint32_t ord[HW_NCLASS]; /* steps of each class so far */
	bool inside;		 /* between begin and end of the op (events at its end come later) */
	bool lockless;
	bool effective;
};

struct task {
	struct fiber fb;
	enum task_state state;
	bool started; /* its fiber is set up */
	struct opctx op;
};

struct exec {
	struct prog *p;
	const struct pt_impl *impl;
	struct outcome *out;
	struct ref_mm mm;
	struct fiber main;
	struct task task[HW_MAX_CPU];
	struct task *cur;
	int lock_owner; /* task that holds the page-table lock, -1 none */
	bool stop;	/* a finding was made: end this execution */
	const struct hw_geo *geo;
	unsigned cont, cont_bits;
	uint64_t va;	   /* address of page 0 of the window */
	uint64_t *leaf[2]; /* level-3 tables, NULL when freed */
	uint64_t *pmdp[2]; /* level-2 entries above them */
	void *root;
	uint64_t hash;
	struct pt_folio folio[HW_NGEO][EX_FOLIOS];
	/* Entries of the open op's blocks: stores to them are its own. */
	uintptr_t own;
	size_t own_bytes;
	unsigned outside_n; /* stores to entries outside the open op's blocks */
	const uint64_t *outside[16];
	uint8_t block_state[PROG_BLOCKS]; /* coarse state, for features */
	uint8_t block_prev[PROG_BLOCKS];  /* op before on that block */
	/* What the last audit of each block read, and the A/D it gathered from folded entries. */
	uint64_t seen[REF_MAX_PAGES];
	uint64_t gather[PROG_BLOCKS];
	struct rec eff[PROG_MAX_RECS]; /* records with effective arguments */
	FILE *log;		       /* replay: trace goes here, else NULL */
	uint64_t mark;		       /* replay: step to mark */
};
extern struct exec ex;

static inline uint64_t ex_addr(unsigned page)
{
	return ex.va + ((uint64_t)page << ex.geo->page_shift);
}

/* NULL when the page's table has been freed. */
static inline uint64_t *ex_ptep(unsigned page)
{
	unsigned half = 2 * ex.cont, t = page >> ex.cont_bits >> 1, n = 1u << ex.geo->table_bits;

	return ex.leaf[t] ? ex.leaf[t] + (t ? page - half : n - half + page) : NULL;
}

static inline void ex_observe(uint64_t x)
{
	ex.hash = (ex.hash ^ x) * 0x9e3779b97f4a7c15ull;
	ex.hash ^= ex.hash >> 29;
}

static inline void ex_feature(unsigned i)
{
	exec_features[i % EXEC_NFEATURES] = 1;
}

/* First finding wins. `op` is an op name or a kernel function; words only. */
void ex_finding(const char *cls, const char *op, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void ex_verdict(const struct ref_verdict *v);

/* --- seam.c: the checked seam */
struct ref_obs seam_obs(uint64_t val);
void seam_lock(void);
void seam_unlock(void);
void seam_begin(struct ref_op *op, uint8_t id, unsigned page, unsigned nr);
uint64_t seam_ptep_get(unsigned page);
void seam_flush(unsigned page, unsigned nr, bool tables);
int seam_set_access_flags(unsigned page, uint64_t entry, uint64_t add);
/* Ends an op: what it returned is judged, then its blocks are audited. */
void seam_done(struct ref_op *op);
void seam_done_entry(struct ref_op *op, uint64_t val);
void seam_done_young(struct ref_op *op, int young);
void seam_audit(const struct ref_op *op);
/* An access by `agent`, judged; returns the fault. */
enum hw_fault seam_access(struct hw_access *a, unsigned page);

/* --- run.c: ops. Returns whether the op took effect; -1: the implementation lacks it. */
typedef int (*run_fn)(const struct rec *r, struct rec *eff);
extern const run_fn run_fns[OP_NKINDS];
void run_event(const struct rec *r, struct rec *eff);

/* --- exec.c for run.c */
void task_wait(void); /* lets the lock's owner go on, then returns */
bool exec_anyone_parked(void);

/* --- replay.c */
void replay_op(const struct rec *r);
void replay_result(const struct rec *r, const struct rec *eff, int result);
void replay_blocks(void);
void replay_hw(const struct hw_trace *t);

#endif
