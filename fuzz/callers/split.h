/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The linear map under the executor: what it consists of, who works on it, and how it is judged.
 *
 * Property: every store into its tables is followed by an audit, and every access of its tables by a CPU is also an
 * access through the map itself, by whatever that CPU has loaded at that moment.
 */
#ifndef FUZZ_CALLERS_SPLIT_H
#define FUZZ_CALLERS_SPLIT_H

#include "../exec_internal.h"
#include "impl/seam_split.h"
#include "ref/ksplit.h"

/* What the map is made of; each has a shape of its own. See docs/programs.md. */
enum split_spot {
	SPOT_TABLES, /* the memory that the tables are in */
	SPOT_PUD,    /* one leaf of level 1, where the geometry has them */
	SPOT_RUN2,   /* a contiguous run of blocks */
	SPOT_BLOCK,
	SPOT_BLOCK_RO,
	SPOT_BLOCK_INVALID, /* present, not valid */
	SPOT_RUN3,	    /* contiguous runs of pages */
	SPOT_RUN3_RO,
	SPOT_PAGES, /* KFENCE's: never anything but pages */
	SPOT_PAGES_INVALID,
	SPOT_HOLE,
	SPOT_TEXT,    /* linear alias of kernel text */
	SPOT_VM,      /* vmalloc area of pages; its linear alias is in SPOT_BLOCK */
	SPOT_VM_HUGE, /* vmalloc area that holds a block */
	SPOT_WALK,    /* two tables of pages that come and go */
	SPOT_N
};
struct split_place {
	uint64_t va, n; /* pages */
	bool linear;
	bool memory; /* repainted */
};

struct split_range {
	uint64_t lo, hi; /* pages, of the map */
};

struct linear {
	bool on;
	const struct pt_split *impl;
	struct pt_split_env env;
	struct ref_kmap ref;
	struct ref_ks_area area[PT_VM_AREAS];
	struct split_place spot[SPOT_N];
	uint64_t base, half;	   /* address of page 0; of the kernel's half */
	uint64_t flag_va;	   /* of the flag, in the linear map */
	uint64_t mutex, flag, ptl; /* words of kernel data */
	/* Sets of frames: stored to since the last audit; tables at the last audit; of the identity map. */
	uint64_t touched[2], known[2], other[2];
	unsigned noted;				/* how many ops had begun when `other` was true last */
	struct split_range busy[HW_MAX_CPU][2]; /* what tasks own, while their ops last */
	struct split_range at;			/* of the latest op, for events */
	bool rox[HW_MAX_CPU]; /* tasks that make what they own executable, which it was not: never writable as well */
	const uint64_t *stored; /* entry that the last step stored to */
	uint8_t stored_by;	/* task */
	bool exclusive;		/* an op that tolerates no other is under way */
	bool lacks;		/* a secondary lacks FEAT_BBM level 2, so the map must be repainted first */
	bool repainting, repainted, dead;
	bool text_is_block;	    /* before the repainting */
	unsigned rec;		    /* op that started it */
	uint8_t left;		    /* CPUs still inside the repainting */
	int err;		    /* of the boot CPU */
	unsigned idle;		    /* rounds of waiting without anybody doing anything */
	unsigned since[HW_MAX_CPU]; /* loads of tables by each task since it waited last */
	uint64_t *walk_pmdp;	    /* level-2 entries of SPOT_WALK */
	unsigned walk_changes;	    /* of its tables */
};
extern struct linear lin;

static inline bool split_on(void)
{
	return lin.on;
}

static inline uint64_t lin_page(uint64_t va)
{
	return (va - lin.base) >> ex.geo->page_shift;
}

static inline uint64_t lin_va(uint64_t page)
{
	return lin.base + (page << ex.geo->page_shift);
}

/* --- split_cost.c: what an op has to do, for its budget; before it begins */
enum { SPLIT_PLAN_MAX = 64 };
struct split_plan {
	struct cost_map_facts f;
	unsigned n; /* runs and leaves that edges cut */
	uint64_t done[SPLIT_PLAN_MAX];
	bool full; /* too many: not judged */
};
void split_plan_begin(struct split_plan *p);
/* Both ends become edges; all of it pages; its permissions change, after its ends; all memory becomes pages. */
void split_plan_edges(struct split_plan *p, const struct split_range *a);
void split_plan_range(struct split_plan *p, const struct split_range *a);
void split_plan_change(struct split_plan *p, const struct split_range *a, bool flush);
void split_plan_repaint(struct split_plan *p);
/* Against what it took. */
void split_plan_end(const struct split_plan *p, const struct cost_map_mark *m, unsigned op, bool shared);

/* --- linear.c */
void split_config(const struct prog *p, struct hw_config *cfg);
void split_reset(void);
void split_step(enum hw_class cls, const void *p, const char *fn);
bool split_event(const struct rec *r, unsigned agent);
void split_check_end(void);
/* The leaf at va, without a step: its level; -1: nothing. */
int lin_leaf(uint64_t va, uint64_t *desc);
/* First page from there on that a block or a contiguous run maps; `end`: none before it. */
uint64_t lin_not_pages(uint64_t page, uint64_t end);
/* Where the leaf or contiguous run at va begins; va itself if nothing is there. */
uint64_t lin_leaf_start(uint64_t va);
/* And where it ends; the next page if nothing is there. */
uint64_t lin_leaf_end(uint64_t va);
void lin_audit(unsigned id);
void lin_note_others(void);
void lin_access(unsigned cpu, uint64_t va, enum ex_kuse use);
void lin_wait(const char *fn);
uint8_t lin_state(uint64_t desc);

#endif
