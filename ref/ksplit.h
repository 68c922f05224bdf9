/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The specification of taking the kernel's map apart: splits, permission changes, repainting, walks.
 *
 * Property: splits change nothing that an access could tell; a permission change makes old and new possible while it
 * lasts, leaves the new one alone when it has succeeded and promised a flush, and either when it has failed.
 *
 * Built on the ranges of kmap.h, with sets of states in place of one: after an error nobody knows how far it came. In a
 * range `now` is the set of states that the table may show, `may` the set that an access may meet.
 */
#ifndef REF_KSPLIT_H
#define REF_KSPLIT_H

#include "kmap.h"

/* A state: bits. A mapping that is present but not valid keeps its permissions. */
enum { REF_KS_W = 1, REF_KS_X = 2, REF_KS_V = 4, REF_KS_NSTATES = 8 };
#define REF_KS_SET(state) ((uint8_t)(1u << (state)))

enum ref_ks_change {
	REF_KS_RO,
	REF_KS_RW,
	REF_KS_MKX,
	REF_KS_NX,
	REF_KS_ROX, /* read-only, then executable: never writable and executable */
	REF_KS_VALID,
	REF_KS_INVALID,
	REF_KS_DIRECT_INVALID, /* no flush */
	REF_KS_DIRECT_DEFAULT, /* valid and writable; no flush */
	REF_KS_NCHANGE
};

/* The set of states that these become. */
uint8_t ref_ks_after(uint8_t states, unsigned change);

/* Maps [lo, hi) to frames from pfn on in one state, as something that has long been there. */
void ref_ks_map(struct ref_kmap *k, uint64_t lo, uint64_t hi, uint64_t pfn, uint8_t state);
/* A change by `by` begins, ends well (on `cpu`), or fails. */
void ref_ks_begin(struct ref_kmap *k, uint64_t lo, uint64_t hi, unsigned change, uint8_t by);
void ref_ks_done(struct ref_kmap *k, uint64_t lo, uint64_t hi, unsigned change, unsigned cpu);
void ref_ks_failed(struct ref_kmap *k, uint64_t lo, uint64_t hi);

/* [lo, hi) is about to go. */
void ref_ks_vanish(struct ref_kmap *k, uint64_t lo, uint64_t hi);
bool ref_ks_may_be_gone(const struct ref_km_range *r);
/* May some page of [lo, hi) be executed already? */
bool ref_ks_some_executes(const struct ref_kmap *k, uint64_t lo, uint64_t hi);

struct ref_ks_access {
	uint8_t cpu, fault; /* enum ref_km_fault */
	uint64_t page, pfn;
	bool write, fetch, fresh;
};
/* EXPLAINED, RETRY with fresh, or FINDING with *what. */
enum ref_km_result ref_ks_access(struct ref_kmap *k, const struct ref_ks_access *a, const char **what);
/* What the tables show at [page, page + nr): a leaf in `state`. NULL: as specified; else what is wrong. */
const char *ref_ks_check(const struct ref_kmap *k, uint64_t page, uint64_t nr, uint64_t pfn, uint8_t state);

/* --- which calls must succeed, and which must be refused */
struct ref_ks_area {
	uint64_t lo, hi, alias; /* alias: first page of its linear alias */
	bool huge;
};
/* set_memory_ro() and its like: inside one area that is mapped by pages alone. */
bool ref_ks_area_legal(const struct ref_ks_area *a, unsigned n, uint64_t page, uint64_t nr);
/* Does the linear alias follow this change? */
bool ref_ks_alias_follows(unsigned change);

/* --- walks: what callbacks may come, in order */
struct ref_ks_walk {
	uint64_t pos, end; /* delivered up to here; of the range */
	uint64_t seen[4];  /* by level: the entry that was announced last, or ~0 */
	uint64_t again;	   /* an entry that its callback wants once more, */
	int again_level;   /* of this level; -1 none */
	bool open[3];	   /* by level: what is below the entry in `seen` is not done */
	unsigned changes;  /* of the tables, at the last entry above them */
	bool over;	   /* a callback has ended it */
	bool may_vanish;   /* tables of pages may go away under it */
	bool no_post;	   /* this walker does not say what is done */
};
void ref_ks_walk_begin(struct ref_ks_walk *w, uint64_t start, uint64_t end, bool may_vanish);
/* An entry callback at `level`; leaf: nothing is below, or it is skipped; changes: how often a table went or came so far.
 * NULL or what is wrong. */
const char *ref_ks_walk_entry(struct ref_ks_walk *w, unsigned level, uint64_t addr, uint64_t next, bool leaf,
			      unsigned changes);
const char *ref_ks_walk_hole(struct ref_ks_walk *w, unsigned level, uint64_t addr, uint64_t next);
/* What is below an entry is done. */
const char *ref_ks_walk_post(struct ref_ks_walk *w, unsigned level, uint64_t addr, uint64_t next);
const char *ref_ks_walk_end(const struct ref_ks_walk *w, int wanted, int ret);

#endif
