/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exhaustive exploration of small programs (`ptdiff exhaust`).
 *
 * Property: when a level is complete, no program of the stated bounds with that many records has a finding; the
 * first finding is therefore as short as programs within the bounds can be. docs/exhaust.md states the bounds.
 */
#ifndef FUZZ_EXHAUST_H
#define FUZZ_EXHAUST_H

#include "exec.h"

#define EXH_MAX_OPS    8
#define EXH_MAX_EVENTS 3
#define EXH_MAX_PAGES  8
#define EXH_LEVELS     (EXH_MAX_OPS * (EXH_MAX_EVENTS + 1) + 1)

/* A named set of ops, with the values that are tried for them. */
struct exh_core {
	const char *name, *what;
	uint64_t ops;	      /* bit set of op_kind */
	uint32_t events;      /* of ev_kind */
	uint32_t folios;      /* bit set: 0..11 naturally aligned; 16 + i: folio i one page off */
	const uint8_t *flags; /* of set_ptes (byte b); ends at 0xff */
	bool arguments;	      /* also values that only some implementations look at */
};
extern const struct exh_core exh_cores[];
extern const unsigned exh_ncores;
/* A header. Every one has the small geometry and two CPUs. */
struct exh_variant {
	const char *name, *why;
	const char *like; /* differs from it only in what an access meets: programs without one are that one's */
	struct prog_hdr h;
};
extern const struct exh_variant exh_variants[];
extern const unsigned exh_nvariants;

struct exh_opts {
	const struct pt_impl *impl;
	unsigned ops, pages, events; /* bounds */
	unsigned records;	     /* bound on ops + events, 0: none but theirs */
	struct exh_core core;
	uint32_t variants;  /* bit set */
	const char *want;   /* go on until this signature is found; NULL: any */
	const char *resume; /* state file: read if it exists, written when stopped */
	double seconds;	    /* 0: no limit */
	FILE *progress;	    /* a line now and then; NULL: none */
	uint64_t memory;    /* bytes for states */
};

enum exh_end { EXH_COMPLETE, EXH_FOUND, EXH_STOPPED, EXH_MEMORY, EXH_BAD_FILE };

struct exh_result {
	enum exh_end end;
	unsigned complete;	/* records up to which every program was covered */
	uint64_t runs;		/* programs executed */
	double programs;	/* programs covered: executed, and those that reach a state by another way */
	uint64_t states;	/* quiescent states kept */
	uint64_t equivalent;	/* programs that ended in a known state: not extended */
	uint64_t symmetric;	/* continuations not tried: another naming, position or spelling of one that is */
	uint64_t illegal;	/* continuations that clip to another one, or to nothing */
	uint64_t other;		/* findings with another signature than the wanted one */
	unsigned other_records; /* the shortest of those */
	char other_sig[SIG_MAX];
	double seconds;
	struct prog found; /* EXH_FOUND */
	struct outcome outcome;
	char why[128]; /* EXH_BAD_FILE */
};

/* The core called `name`, or a comma separated list of ops with the values of core "full". 0; -1: no such; -2: one of
 * the ops cannot be explored. */
int exh_core_find(struct exh_core *c, const char *name);
bool exh_explores(uint64_t ops);
void exh_run(const struct exh_opts *o, struct exh_result *r);
void exh_stop(void); /* from a signal handler: stop at the next state */
bool exh_stopped(void);

/* One planted bug, the minimizer against the optimum. Only where bugs are compiled in. */
struct exh_row {
	char sig[SIG_MAX];  /* what the minimizer kept */
	unsigned minimized; /* its records; 0: generation found nothing */
	unsigned shorter;   /* records of a shorter program with that signature; 0: there is none */
	unsigned complete;  /* programs up to so many records were all tried */
	bool own;	    /* only with the minimized program's own ops */
	unsigned other;	    /* records of the shortest program with any signature, if shorter; 0: none */
	char other_sig[SIG_MAX];
	double seconds;
	uint64_t runs;
};
void exh_bug(int bug, const struct exh_opts *o, struct exh_row *row);

/* --- shared by the exhaust_*.c files */
struct exh_letter {
	struct rec r;
	bool smmu; /* needs one */
};
#define EXH_LETTERS 4096
struct exh_alphabet {
	unsigned nop, nev;
	struct exh_letter op[EXH_LETTERS], ev[64];
};
void exh_spell(const struct exh_opts *o, struct exh_alphabet *a);
/* Is the op legal as it stands in the state the executor is in (not clipped, not skipped)? */
bool exh_legal(const struct rec *r);
/* Of the executor's state between two ops. */
uint64_t exh_state_hash(void);

#endif
