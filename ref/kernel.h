/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The specification of kernel mappings and of lazy MMU mode: what callers may rely on, and nothing else.
 *
 * Property: after any sequence of legal operations by any tasks, every kernel access and every entry left behind
 * is explained by a version of the page that was live then: a mapping from its publication on, without a fault
 * that the kernel cannot ignore; a removed or weaker one never again once the promised flush is done.
 *
 * There are no descriptors, translation caches or barriers here, and no code shared with impl/ or hw/. The caller
 * (fuzz/) tells what happened, in the order in which it happened; contracts and mechanism are in kernel.c.
 */
#ifndef REF_KERNEL_H
#define REF_KERNEL_H

#include "ref.h"

#define REF_K_CPUS  8 /* sets of CPUs are one byte */
#define REF_K_TASKS 8

/* enum pt_lazy of impl/seam.h, as plain numbers. */
enum ref_k_profile {
	REF_K_EACH,    /* no lazy mode: every operation publishes at return */
	REF_K_FLAG,    /* an inner leave publishes and ends the mode */
	REF_K_COUNTER, /* an inner leave publishes, the outer mode goes on; pause and resume exist */
};

enum ref_k_kind {
	REF_K_SET,     /* none -> present (set_ptes; set_huge_pte_at with `run`) */
	REF_K_CLEAR,   /* -> none (ptep_get_and_clear, huge_ptep_get_and_clear; vunmap_range with `flush`) */
	REF_K_PROTECT, /* permissions of present pages change (set_memory_* with `flush`, *_noflush without) */
	REF_K_FLUSH,   /* flush_tlb_kernel_range */
};

enum ref_k_verb { REF_K_ENTER, REF_K_LEAVE, REF_K_LAZY_FLUSH, REF_K_PAUSE, REF_K_RESUME };

#define REF_K_W 1u /* of ref_k_op.grant and revoke: write, execute */
#define REF_K_X 2u

/* An operation, or a call of lazy mode, by a task. */
struct ref_k_op {
	uint8_t id;	   /* opaque name, given back as debtor */
	uint8_t task, cpu; /* who; where it runs now (at the end: where it returned) */
	uint8_t ran;	   /* set of CPUs the task ran on inside the call; 0: `cpu` alone */
	bool in_interrupt; /* hard or soft interrupt on top of `task`, or bottom halves disabled */
	unsigned page, nr;
	struct ref_val val; /* SET: first page's value, pfn advances */
	bool run;	    /* SET: one whole aligned block with the contiguous bit */
	bool flush; /* CLEAR, PROTECT: ends with the broadcast flush of its range, after any lazy section of its own */
	uint8_t grant, revoke; /* PROTECT: REF_K_W | REF_K_X; everything else stays */
	/* filled by the mechanism */
	uint8_t kind; /* enum ref_k_kind */
	uint32_t begin;
	struct ref_val first; /* what the first page held before */
};

/* An access by the kernel and its outcome. */
enum ref_k_fault { REF_K_OK, REF_K_TRANSLATION, REF_K_PERMISSION /* and every other kind */ };
struct ref_k_access {
	uint8_t cpu;
	unsigned page;
	bool write, exec;
	bool fresh;    /* walked anew, nothing cached used: the retry after a fault */
	bool dep;      /* the address depends on a load that saw the mapping's hand-over */
	uint8_t fault; /* enum ref_k_fault */
	uint64_t pfn;  /* REF_K_OK: page frame reached */
};
enum ref_k_result {
	REF_K_EXPLAINED,
	REF_K_RETRY, /* explained, if the same access with `fresh` now is too */
	REF_K_FINDING,
};

/* Legal differences that the mechanism counts when it uses them. */
enum ref_k_legal {
	REF_K_L_IGNORED_FAULT, /* one translation fault on a CPU without context synchronisation since publication */
	REF_K_L_UNPUBLISHED,   /* a fault on a mapping that nobody has published yet */
	REF_K_L_BEFORE_FLUSH,  /* an old translation or permission used before the promised flush */
	REF_K_L_QUEUED,	       /* the table still shows what a queued store will replace */
	REF_K_L_MIGRATED,      /* the task moved inside the call: which CPU ran the barriers is not known */
	REF_K_L_OTHERS_STORE,  /* a flush proves nothing about another task's removal that was not handed over */
	REF_K_L_RING,	       /* version history overflowed */
	REF_K_NLEGAL
};
/* Name, reason and citation of each; the table is in kernel.c. */
struct ref_k_legal_row {
	const char *name, *why, *cite;
};
extern const struct ref_k_legal_row ref_k_legals[REF_K_NLEGAL];

struct ref_k_version {
	struct ref_val val;
	bool run;
	uint8_t task, by;	  /* who installed it, in which operation */
	uint8_t owes;		  /* operation that owed its publication */
	uint8_t pub;		  /* CPUs that never take a translation fault on it */
	uint8_t gone_task;	  /* who replaced it, */
	uint8_t gone_by, dead_by; /* in which operation, and which flush ended it */
	uint8_t dead_on;	  /* CPUs on which `dead` needs no context synchronisation */
	uint32_t stored;  /* end of the operation that installed it (queued: when the queue ran) or REF_NEVER */
	uint32_t visible; /* since when every walker sees the page mapped, or REF_NEVER */
	uint32_t gone;	  /* since when it is out of the table, or REF_NEVER */
	uint32_t dead;	  /* since when nobody may use it, or REF_NEVER */
};

struct ref_k_page {
	uint32_t gen;
	uint8_t head, n;
	bool lost; /* a version that nobody had flushed fell out of the ring */
};

struct ref_k_task {
	unsigned depth;		     /* enter calls not yet left */
	unsigned paused;	     /* pause calls not yet resumed */
	bool mode;		     /* REF_K_FLAG: the flag */
	uint32_t drained;	     /* what it did before is complete for every observer */
	uint64_t pending[REF_WORDS]; /* pages it has changed and still has to publish */
};

struct ref_kernel {
	unsigned npages, cont, cont_bits;
	uint8_t profile; /* enum ref_k_profile */
	bool queues_stores, ets2;
	uint32_t gen, now;
	uint32_t sync[REF_K_CPUS]; /* last context synchronisation */
	struct ref_k_task task[REF_K_TASKS];
	uint64_t busy[REF_WORDS]; /* pages inside an open operation */
	uint64_t legal[REF_K_NLEGAL];
	struct ref_k_page page[REF_MAX_PAGES];
	struct ref_k_version ring[REF_MAX_PAGES][REF_RING];
};

extern const struct ref_k_version ref_k_never_mapped;

void ref_k_reset(struct ref_kernel *k, unsigned cont, unsigned profile, bool queues_stores, bool ets2);

/* The version now in force (the target, while an operation on the page is open). */
static inline const struct ref_k_version *ref_k_now(const struct ref_kernel *k, unsigned page)
{
	const struct ref_k_page *pg = &k->page[page];

	return pg->gen == k->gen ? &k->ring[page][pg->head] : &ref_k_never_mapped;
}

static inline bool ref_k_present(const struct ref_k_version *v)
{
	return v->val.kind == REF_PRESENT;
}

static const struct ref_verdict ref_k_explained;

static inline struct ref_verdict ref_k_verdict(const char *cls, const char *what, uint8_t debtor, unsigned page)
{
	return (struct ref_verdict){.cls = cls, .what = what, .debtor = debtor, .page = page};
}

static inline void ref_k_note(struct ref_kernel *k, enum ref_k_legal l)
{
	k->legal[l]++;
}

static inline bool ref_k_same(const struct ref_val *a, const struct ref_val *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == REF_NONE || (a->pfn == b->pfn && a->write == b->write && a->exec == b->exec);
}

/* How many versions are remembered, and the i-th back from the one in force. */
static inline unsigned ref_k_nversions(const struct ref_kernel *k, unsigned page)
{
	return k->page[page].gen == k->gen ? k->page[page].n : 0;
}

static inline const struct ref_k_version *ref_k_back(const struct ref_kernel *k, unsigned page, unsigned i)
{
	return &k->ring[page][(k->page[page].head + REF_RING - i) % REF_RING];
}

/* Would a flush by `task` end this replaced version? It covers removals of its own, and what others had completed
 * before it [DDI 0487 D8.14]. */
static inline bool ref_k_covers(const struct ref_kernel *k, unsigned task, const struct ref_k_version *v)
{
	return v->gone_task == task || v->gone <= k->task[v->gone_task].drained;
}

/* Around an operation (several may be open, on different pages). end: `ret` is what CLEAR returned, or NULL. */
void ref_k_begin(struct ref_kernel *k, struct ref_k_op *op, enum ref_k_kind kind);
struct ref_verdict ref_k_end(struct ref_kernel *k, struct ref_k_op *op, const struct ref_val *ret);

/* After a call of lazy mode has returned. Uses id, task, cpu, ran, in_interrupt of `op`. */
void ref_k_lazy(struct ref_kernel *k, const struct ref_k_op *op, enum ref_k_verb verb);
/* Does an operation by this task now publish at return, or later? */
bool ref_k_is_lazy(const struct ref_kernel *k, unsigned task, bool in_interrupt);
/* Has the task left every section that it entered? To be asked at the end of the outermost caller. */
bool ref_k_lazy_balanced(const struct ref_kernel *k, unsigned task);

/* Exception entry, exception return or ISB on this CPU. */
void ref_k_context_sync(struct ref_kernel *k, unsigned cpu);
/* `prev` stops running: the switch makes its stores visible to every walker, and synchronises nothing. */
void ref_k_switch(struct ref_kernel *k, unsigned prev);
/* What the task has done so far was handed to others: it released a lock or flag that they have acquired. */
void ref_k_handover(struct ref_kernel *k, unsigned task);

/* Judges an access. `v` is set when the result is REF_K_FINDING. */
enum ref_k_result ref_k_access(struct ref_kernel *k, const struct ref_k_access *a, struct ref_verdict *v);
/* Would an access by this task on this CPU now prove anything, and may a correct program make it? */
bool ref_k_may_access(const struct ref_kernel *k, unsigned cpu, unsigned task, unsigned page);

/* Is what the table shows for `page` as specified (also while operations are open)? If not, check says how. */
bool ref_k_entry_explained(struct ref_kernel *k, unsigned page, const struct ref_val *obs);
struct ref_verdict ref_k_check_entry(struct ref_kernel *k, unsigned page, const struct ref_val *obs, uint8_t op);

/* Can anybody still use an older translation of one of the pages? They must be flushed before anything is set. */
bool ref_k_lingers(const struct ref_kernel *k, unsigned page, unsigned nr);

/* Clips: whether an op is legal near its page, and move it there. */
enum ref_k_clip {
	REF_K_REFUSED,
	REF_K_FITS,
	REF_K_FLUSH_FIRST, /* legal after a REF_K_FLUSH of exactly the range now in op */
};
enum ref_k_clip ref_k_clip_set(const struct ref_kernel *k, struct ref_k_op *op);
enum ref_k_clip ref_k_clip_set_run(const struct ref_kernel *k, struct ref_k_op *op);
bool ref_k_clip_clear(const struct ref_kernel *k, struct ref_k_op *op); /* a run whole, or single pages */
bool ref_k_clip_protect(const struct ref_kernel *k, struct ref_k_op *op);
bool ref_k_clip_access(const struct ref_kernel *k, struct ref_k_op *op);
bool ref_k_clip_flush(const struct ref_kernel *k, struct ref_k_op *op);
bool ref_k_clip_lazy(const struct ref_kernel *k, const struct ref_k_op *op, enum ref_k_verb verb);

#endif
