/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Litmus tests: small programs for a few CPUs and an SMMU, explored over every choice of the machine.
 *
 * Property: uses hw/ alone. The outcomes found are all that this machine can show, none of them twice; a test
 * holds everything its file says, or is not read at all.
 */
#ifndef FUZZ_LITMUS_H
#define FUZZ_LITMUS_H

#include <stddef.h>
#include <stdint.h>

#include "hw/hw.h"

enum {
	LIT_THREADS = 5,
	LIT_STEPS = 24,
	LIT_VARS = 6,	/* x y z a w f */
	LIT_PHYS = 16,	/* Px Py Pz Pa Pw Pf P0..P9 */
	LIT_PAGES = 16, /* of one variable, and of one physical area */
	LIT_REGS = 10,
	LIT_LABELS = 8, /* A..H */
	LIT_SLOTS = 40,
	LIT_KEYS = 8,
	LIT_CODE = 32,
	LIT_FINALS = 16,
	LIT_OUTCOMES = 64,
};

/* A page of a variable. */
struct lit_page {
	uint8_t var, off;
};

/* A descriptor's place: the entry of `level` that translates the page. */
struct lit_slot {
	struct lit_page page;
	uint8_t level;
};

enum lit_kind {
	LIT_NOP,
	LIT_STORE_PTE,
	LIT_LOAD_PTE,
	LIT_SWAP,
	LIT_CAS,
	LIT_LOAD,
	LIT_STORE,
	LIT_BARRIER,
	LIT_TLBI,
	LIT_NOTIFY,
	LIT_SYNC,
	LIT_SWITCH,
};

struct lit_step {
	uint8_t kind; /* enum lit_kind */
	uint8_t reg;
	int8_t label;		/* 0 for A, -1 none */
	bool plain;		/* a load that may be overtaken by a later one, and overtake */
	uint8_t order;		/* enum hw_order */
	uint8_t bar, dom, type; /* enum hw_barrier_kind, hw_domain, hw_access_type */
	struct lit_slot slot;	/* descriptor, or the page accessed */
	uint64_t val, cmp;	/* stored; compared. tlbi: op, operand. notify: pages */
};

enum lit_key_kind { LIT_FAULT, LIT_LEVEL, LIT_REG, LIT_MEM, LIT_PTE, LIT_FINDING };

/* Something observed: part of an outcome. */
struct lit_key {
	uint8_t kind, thread, reg; /* reg: also label, finding */
	uint16_t phys;
	struct lit_slot slot;
};

enum { LIT_C_TERM, LIT_C_NOT, LIT_C_AND, LIT_C_OR };

struct lit_op {
	uint8_t op, key;
	bool nonzero; /* the key is not zero; otherwise it equals val */
	uint64_t val;
};

enum lit_verdict { LIT_UNKNOWN, LIT_ALLOWED, LIT_FORBIDDEN };

struct lit_final {
	bool in[2]; /* base, ETS2 */
	uint64_t v[LIT_KEYS];
};

struct lit_test {
	char name[48], oracle[48], why[128]; /* why: an exception */
	struct hw_config cfg;
	unsigned nthread, nslot, nmem, nkey, ncode, nfinal;
	uint8_t agent[LIT_THREADS];
	uint8_t nstep[LIT_THREADS];
	struct lit_step step[LIT_THREADS][LIT_STEPS];
	struct {
		struct lit_slot at;
		uint64_t val;
	} slot[LIT_SLOTS]; /* initial descriptors; the whole default too */
	struct {
		uint16_t phys;
		uint64_t val;
	} mem[LIT_SLOTS];
	struct lit_key key[LIT_KEYS];
	struct lit_op code[LIT_CODE]; /* the question, in postfix order */
	enum lit_verdict expect[2];   /* base, ETS2 */
	int8_t bbm;		      /* break-before-make needed: 0, 1; -1 the oracle does not say */
	bool cont;		      /* contiguous entries: the pick of the updated entry is a choice too */
	struct lit_final final[LIT_FINALS];
};

struct lit_outcome {
	uint64_t v[LIT_KEYS];
	bool asked; /* the question is true of it */
};

struct lit_result {
	unsigned long states, runs;
	double seconds;
	bool reached, bbm, incomplete;
	unsigned noutcome;
	struct lit_outcome outcome[LIT_OUTCOMES];
	unsigned listed, found, outside; /* final states of the oracle: all, found here; found here beyond them */
};

/* What is said of a test under one of the two architectures. */
enum lit_judgement { LIT_AGREES, LIT_EXCEPTION, LIT_NO_ORACLE, LIT_DISAGREES };

/* 0, or -1 with one line in err. */
int litmus_read(struct lit_test *t, const char *path, char *err, size_t n);
/* False, for tests of the exploration itself: no state is skipped, and it gives up early. */
extern bool litmus_reduction;
/* Explores the test to the end, with or without FEAT_ETS2. */
void litmus_explore(const struct lit_test *t, bool ets2, struct lit_result *r);
enum lit_judgement litmus_judge(const struct lit_test *t, bool ets2, const struct lit_result *r);
/* "fault(A)", "P1.r0"; "Translation", "{oa:Px,w:0}": static text, overwritten by the fourth next call. */
const char *litmus_key_str(const struct lit_key *k);
const char *litmus_value_str(const struct lit_key *k, uint64_t v);

/* The machine of a test: frames of its tables. Every variable has a level-3 table of its own; x has a level-2 table
 * of its own as well. */
enum { LIT_ROOT = 1, LIT_PMD_X = 2, LIT_PMD = 3, LIT_PT = 4 };
static inline uint64_t lit_va(struct lit_page p)
{
	return (uint64_t)(p.var * 16 + p.off + (p.var ? 256 : 0)) << 12;
}

#endif
