/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The specification of the kernel's own map: its creation, splitting, repainting and permission changes, as ranges.
 *
 * Property: at every moment each address of the region translates, for every CPU that may access it, as one of the
 * states in its range says: the present one, or one that a flush or a publication still to come has not ended.
 *
 * Ranges, not pages, because one request covers up to gigabytes. There are no descriptors, tables or barriers here, and
 * no code shared with impl/ or hw/; only the *shape* of leaves is known (how many pages one translates, and whether it
 * belongs to a contiguous run), since which changes are legal depends on it. Page numbers are those of the region.
 */
#ifndef REF_KMAP_H
#define REF_KMAP_H

#include "ref.h"

#define REF_KM_RANGES 4096 /* a request adds a dozen at most: enough for any program */
#define REF_KM_CPUS   8
#define REF_KM_TABLED 256 /* failed requests of a program */
#define REF_KM_LEAVES 1024

/* What an address is. INVALID: mapped for software, not for hardware (pte_present() but not valid). */
enum ref_km_state { REF_KM_NONE, REF_KM_RO, REF_KM_RW, REF_KM_RX, REF_KM_RWX, REF_KM_INVALID };

static inline bool ref_km_writes(unsigned state)
{
	return state == REF_KM_RW || state == REF_KM_RWX;
}

static inline bool ref_km_execs(unsigned state)
{
	return state == REF_KM_RX || state == REF_KM_RWX;
}

static inline bool ref_km_valid(unsigned state)
{
	return state >= REF_KM_RO && state <= REF_KM_RWX;
}

/* Powers of two, in pages, of what one leaf can translate. */
struct ref_km_geo {
	uint8_t levels, table_bits, cont_pte_bits, cont_pmd_bits;
	bool pud_leaf; /* the level above 2 can hold leaves */
};

struct ref_km_range {
	uint64_t lo, hi;  /* pages [lo, hi) */
	uint64_t pfn;	  /* of lo; advances */
	uint8_t now;	  /* enum ref_km_state */
	uint8_t may;	  /* set of states (1 << state) that somebody may still meet; holds `now` */
	uint8_t type;	  /* memory type, a plain number */
	uint8_t leaf;	  /* log2 pages of one descriptor */
	bool cont;	  /* of a contiguous run */
	bool any_shape;	  /* an operation under way or failed has left the shape open */
	uint8_t by;	  /* operation that made it what it is */
	uint8_t pub_cpus; /* CPUs for which it is published without context synchronisation */
	uint32_t pub;	  /* when it was published */
};

/* A request to create mappings, as __create_pgd_mapping() gets it. */
struct ref_km_req {
	uint8_t id, cpu;
	uint64_t page, nr, pfn;
	uint8_t state, type; /* wanted; state is a valid one */
	bool no_block, no_cont;
	bool may_allocate; /* false: only tables that exist (an update of permissions) */
};

/* What a request has to come to. */
enum ref_km_must {
	REF_KM_SERVE,  /* all of it is legal */
	REF_KM_EITHER, /* legal, but an empty table or an identical run may stand in the way */
	REF_KM_REFUSE, /* must fail no later than at page `at` */
};
struct ref_km_fate {
	enum ref_km_must must;
	uint64_t at;	    /* REFUSE: first page that must not change */
	unsigned leaves;    /* descriptors it comes to, at most; beyond REF_KM_LEAVES nothing is said of the rest */
	unsigned blocks;    /* those of them that translate more than a page */
	unsigned tables[4]; /* tables visited whose entries have size [i] (0: pages, 1: level 2, ...) */
};

/* One kind of change of a live descriptor, and the lowest FEAT_BBM level that lets it happen without a break. */
enum { REF_KM_NEVER = 9 };
struct ref_km_change {
	const char *what;
	uint8_t bbml; /* 0: always legal; REF_KM_NEVER */
	const char *cite;
};
enum ref_km_change_id {
	REF_KM_CH_CREATE,
	REF_KM_CH_REMOVE,
	REF_KM_CH_WRITE,
	REF_KM_CH_EXEC,
	REF_KM_CH_DIRTY,
	REF_KM_CH_ACCESS,
	REF_KM_CH_SOFTWARE,
	REF_KM_CH_TO_NG,
	REF_KM_CH_TO_GLOBAL,
	REF_KM_CH_TYPE,
	REF_KM_CH_SHARE,
	REF_KM_CH_OA,
	REF_KM_CH_CONT,
	REF_KM_CH_SIZE,
	REF_KM_NCHANGE
};
extern const struct ref_km_change ref_km_changes[REF_KM_NCHANGE];
bool ref_km_change_legal(enum ref_km_change_id c, unsigned bbml);

/* --- judgement */
enum ref_km_fault { REF_KM_F_OK, REF_KM_F_TRANSLATION, REF_KM_F_OTHER };
struct ref_km_access {
	uint8_t cpu, fault; /* enum ref_km_fault */
	uint64_t page, pfn; /* pfn: F_OK */
	bool write;
	bool fetch; /* of an instruction, instead of a load */
	bool fresh; /* walked anew: the retry after a fault */
};
enum ref_km_result { REF_KM_EXPLAINED, REF_KM_RETRY, REF_KM_FINDING };

/* Legal differences of kernel maps: the only observations accepted that are not the newest state. */
enum ref_km_legal {
	REF_KM_L_IGNORED_FAULT, /* one translation fault on a CPU without context synchronisation since publication */
	REF_KM_L_OLD,  /* a state that an operation is replacing, or has replaced without the flush so far */
	REF_KM_L_FULL, /* more ranges than are remembered */
	REF_KM_NLEGAL
};
struct ref_km_legal_row {
	const char *name, *why, *cite;
};
extern const struct ref_km_legal_row ref_km_legals[REF_KM_NLEGAL];
extern uint64_t ref_km_hits[REF_KM_NLEGAL]; /* statistics, of all executions: no outcome depends on them */
enum ref_km_result ref_km_legally(enum ref_km_legal l); /* counts; EXPLAINED, or RETRY for a fault */

struct ref_kmap {
	struct ref_km_geo geo;
	uint32_t now;
	uint32_t sync[REF_KM_CPUS];
	unsigned n;    /* ranges, ascending and disjoint; what lies between them is REF_KM_NONE */
	unsigned hint; /* range that was asked for last */
	bool full;     /* too many ranges: nothing is judged any more (counted by the caller) */
	/* Pages at which requests have failed: tables that lead there may be linked and map nothing. */
	uint64_t tabled[REF_KM_TABLED];
	unsigned ntabled;
	struct ref_km_range r[REF_KM_RANGES];
};

void ref_km_reset(struct ref_kmap *k, const struct ref_km_geo *geo);

/* The range that holds `page`, or NULL: nothing is mapped there. */
const struct ref_km_range *ref_km_find(const struct ref_kmap *k, uint64_t page);
/* The same, quicker if it is the one of the last time. */
const struct ref_km_range *ref_km_find_again(struct ref_kmap *k, uint64_t page);
/* First range that ends above `page`, or NULL. */
const struct ref_km_range *ref_km_above(const struct ref_kmap *k, uint64_t page);
/* Pages mapped (valid or not) in [lo, hi). */
uint64_t ref_km_mapped(const struct ref_kmap *k, uint64_t lo, uint64_t hi);

/* --- mechanism: contracts are made of these */
/* Cuts at both ends; then fn sees each range inside [lo, hi) (holes are not visited). */
void ref_km_each(struct ref_kmap *k, uint64_t lo, uint64_t hi, void (*fn)(struct ref_km_range *r, void *arg),
		 void *arg);
/* [lo, hi) becomes one range made from *like (its lo, hi and pfn replaced). Whatever was there is forgotten. */
void ref_km_put(struct ref_kmap *k, uint64_t lo, uint64_t hi, uint64_t pfn, const struct ref_km_range *like);
/* Nothing is there any more and nobody can still use it. */
void ref_km_drop(struct ref_kmap *k, uint64_t lo, uint64_t hi);
/* States that [lo, hi) is about to get, or had, become possible as well (an operation has begun). */
void ref_km_open(struct ref_kmap *k, uint64_t lo, uint64_t hi, unsigned states);

/* --- contracts */
/* The leaf that a request uses at `page`: log2 pages of the descriptor; *cont: in a run. */
unsigned ref_km_leaf(const struct ref_kmap *k, const struct ref_km_req *q, uint64_t page, bool *cont);
/* For how many pages from there on, where one begins, it uses leaves of that shape: whole leaves, or runs. */
uint64_t ref_km_stretch(const struct ref_kmap *k, const struct ref_km_req *q, uint64_t page, unsigned leaf,
			bool cont);
struct ref_km_fate ref_km_fate(const struct ref_kmap *k, const struct ref_km_req *q);
/*
 * Creation. Callers may rely on: success: every page of the request translates as asked, published to this CPU, to
 * others after a context synchronisation; holes were filled, identical leaves changed in permissions only (an old
 * permission stays possible until the caller's flush). Failure: a prefix of `done` pages is as asked, the rest as it
 * was; whatever is not a hole or an identical leaf is never changed.
 */
void ref_km_create_begin(struct ref_kmap *k, const struct ref_km_req *q);
void ref_km_create_end(struct ref_kmap *k, const struct ref_km_req *q, uint64_t done);
/* Is the outcome legal? err: it failed; nomem: an allocation had failed. */
struct ref_verdict ref_km_create_judge(const struct ref_km_fate *f, const struct ref_km_req *q, bool err,
				       bool nomem, uint64_t done);
/* A broadcast flush of [lo, hi) by the kernel: only the present state is left. */
void ref_km_flush(struct ref_kmap *k, uint64_t lo, uint64_t hi);
/* Exception entry or return, ISB. */
void ref_km_sync(struct ref_kmap *k, unsigned cpu);

enum ref_km_result ref_km_access(struct ref_kmap *k, const struct ref_km_access *a, struct ref_verdict *v);

/* A leaf found in the tables: 1 << leaf pages from `page`. */
struct ref_km_leaf_obs {
	uint64_t page, pfn;
	uint8_t state, type, leaf;
	bool cont;
};
/* NULL: as specified; else what is wrong, a constant. */
const char *ref_km_check_leaf(const struct ref_kmap *k, const struct ref_km_leaf_obs *o);

#endif
