/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the executor's files (exec.c schedule and oracles, seam.c the checked seam, run.c the ops, replay.c the pictures).
 *
 * Property: one execution at a time; everything in `ex` is reset by exec_run.
 */
#ifndef FUZZ_EXEC_INTERNAL_H
#define FUZZ_EXEC_INTERNAL_H

#include "cost.h"
#include "exec.h"
#include "features.h"
#include "fiber.h"
#include "hazard.h"
#include "hw/hw.h"
#include "ref/kernel.h"
#include "ref/ref.h"

#define EX_ASID	      0x42   /* of the first address space; each later one gets the next */
#define EX_STEP_LIMIT 200000 /* a 16K teardown of all four blocks takes about 70,000 */
#define EX_MAX_CONT   128
#define EX_FOLIOS     12
#define EX_SPACES     2 /* user address spaces: the first, and its child */
#define EX_NOBODY     (-1)

/* Locks, by hw_lock id. Order: mmap locks, first space first; then table locks, the child's before the parent's (fork). That of
 * the kernel's tables is taken alone. */
enum {
	EX_LOCK_PT = 0,
	EX_LOCK_MM = EX_SPACES * REF_TABLES,
	EX_LOCK_KERNEL = EX_LOCK_MM + EX_SPACES,
	EX_LOCK_FIXMAP,
	EX_NLOCKS
};

enum task_state { TASK_IDLE, TASK_READY, TASK_PARKED, TASK_WAITS, TASK_WAITS_READERS, TASK_SPINS };

/* A user address space and what the driver knows of it. */
struct space {
	struct ref_mm mm;
	struct pt_mm pt;
	bool alive;
	bool dying;	   /* being torn down: nobody runs in it, but its pages and tables are still its own */
	uint8_t unaudited; /* blocks with queued stores at their last audit */
	bool batched; /* a batched unmap has left invalidations that nobody has completed (mm_tlb_flush_batched) */
	uint8_t batches;		  /* of those, which their own tasks have still to flush */
	uint32_t batched_since;		  /* when the first of these was removed */
	uint8_t gathers;		  /* gathers under way (mm_tlb_flush_pending) */
	uint64_t *leaf[REF_TABLES];	  /* level-3 tables, NULL when freed */
	uint64_t *pmdp[REF_TABLES];	  /* level-2 entries above them */
	uint8_t block_state[PROG_BLOCKS]; /* coarse state, for features */
	uint8_t block_prev[PROG_BLOCKS];  /* enum feature_user of the op before on that block */
	/* What the last audit of each block read, and the A/D it gathered from folded entries. */
	uint64_t seen[REF_MAX_PAGES];
	uint64_t gather[PROG_BLOCKS];
	uint32_t tally[PROG_BLOCKS]; /* how many of its entries are of each sort: see tally_of() */
};

/* The kernel's half: a window of the same shape as a user's. */
struct kspace {
	bool on; /* the program has ops or events on it */
	struct ref_kernel ref;
	struct pt_mm pt;
	uint64_t va;		    /* address of page 0 */
	uint64_t *leaf[REF_TABLES]; /* level-3 tables, NULL until made */
	uint8_t linker[REF_TABLES]; /* CPU + 1 that has linked it and may have told nobody yet, 0 all see it */
	uint64_t *pmdp[REF_TABLES];
	uint8_t in_kernel;	   /* set of CPUs that have not returned to the user since a kernel op */
	uint8_t used;		   /* set of blocks that an operation began on */
	uint64_t known[REF_WORDS]; /* pages whose entry, as in `seen`, is as specified */
	uint64_t seen[REF_MAX_PAGES];
	struct pt_task idle[HW_MAX_CPU]; /* who runs on a CPU while its task is switched out */
};

struct ex_lock {
	int8_t owner;	 /* task that holds it (for writing), EX_NOBODY */
	uint8_t readers; /* mmap lock: tasks that hold it for reading */
};

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
	bool watched; /* an op on the linear map: callers/split.c sees each step */
	bool rcu;     /* it reads tables that may not be freed meanwhile */
	bool effective;
	bool nested; /* steps are not the op's: an interrupt's, a context switch's */
	uint8_t ran; /* CPUs the task ran on inside the innermost call of the kernel's seam */
	/* Entries of the open seam call's blocks: stores to them are its own. */
	uintptr_t own;
	size_t own_bytes;
	unsigned outside_n; /* stores to entries outside the open call's blocks */
	const uint64_t *outside[16];
	struct code_place at;		/* the caller's line of the seam call under way */
	struct cost_mark cost;		/* where the open seam call began */
	const struct pt_gather *gather; /* what an open tlb_flush() was given */
};

struct task {
	struct fiber fb;
	enum task_state state;
	bool started;	   /* its fiber is set up */
	uint8_t waits;	   /* TASK_WAITS: lock it needs */
	bool waits_shared; /* for reading */
	uint8_t spin;	   /* TASK_SPINS: whose turn it was last */
	int8_t waits_for;  /* waits == EX_NLOCKS: until that task's op is over */
	uint8_t cpu;	   /* that it runs on: its own number until it migrates */
	struct space *sp;  /* address space that it works on now */
	struct pt_task pt;
	unsigned turn; /* times it was let run */
	struct cost_section section;
	struct opctx op;
};

struct exec {
	struct prog *p;
	const struct pt_impl *impl;
	struct outcome *out;
	struct fiber main;
	struct task task[HW_MAX_CPU];
	struct task *on[HW_MAX_CPU]; /* the task of each CPU */
	struct task *cur;
	struct space *sp; /* address space of the running task or event */
	struct space space[EX_SPACES];
	unsigned step_limit; /* EX_STEP_LIMIT, and as much again for one repainting */
	uint8_t half;	     /* whose tables translate the kernel's half: A_KERNEL, A_KMAP, A_SPLIT, or nobody's */
	struct kspace kernel;
	int cpu_space[HW_MAX_CPU];  /* whose user code runs there; EX_NOBODY: a kernel thread (lazy TLB) */
	int cpu_loaded[HW_MAX_CPU]; /* whose tables it has loaded, also when lazy; EX_NOBODY: those of a dead one */
	void *cpu_root[HW_MAX_CPU];
	void *dead_root[HW_MAX_CPU]; /* top tables that only lazy CPUs hold */
	unsigned next_asid;
	struct ex_lock lock[EX_NLOCKS];
	bool stop; /* a finding was made: end this execution */
	const struct hw_geo *geo;
	unsigned cont, cont_bits;
	uint64_t va; /* address of page 0 of the window, the same in all spaces */
	uint64_t hash;
	struct pt_folio folio[HW_NGEO][EX_FOLIOS];
	struct rec eff[PROG_MAX_RECS]; /* records with effective arguments */
	FILE *log;		       /* replay: trace goes here, else NULL */
	uint64_t mark;		       /* replay: step to mark */
	uint64_t about;		       /* address that a finding is about, if it says so; 0: none */
};
extern struct exec ex;

static inline uint64_t ex_addr(unsigned page)
{
	return ex.va + ((uint64_t)page << ex.geo->page_shift);
}

static inline unsigned ex_table(unsigned page)
{
	return page >> ex.cont_bits >> 1;
}

/* The page's place in its level-3 table. */
static inline unsigned ex_index(unsigned page)
{
	const unsigned half = 2 * ex.cont;

	return ex_table(page) ? page - half : (1u << ex.geo->table_bits) - half + page;
}

/* NULL when the page's table has been freed. */
static inline uint64_t *ex_ptep_in(const struct space *sp, unsigned page)
{
	uint64_t *leaf = sp->leaf[ex_table(page)];

	return leaf ? leaf + ex_index(page) : NULL;
}

/* For a walk without locks: the table may have been unlinked since the level above was read. */
static inline uint64_t *ex_ptep_below(uint64_t pmd, unsigned page)
{
	return (uint64_t *)hw_table_va(pmd & HW_D_OA) + ex_index(page);
}

static inline uint64_t *ex_ptep(unsigned page)
{
	return ex_ptep_in(ex.sp, page);
}

static inline unsigned ex_space_id(const struct space *sp)
{
	return (unsigned)(sp - ex.space);
}

/* How the kernel's half is used by a CPU: a load, a store, an instruction. */
enum ex_kuse { USE_READ, USE_WRITE, USE_FETCH };
static inline enum ex_kuse ex_kuse_of(const struct rec *r)
{
	return r->kind == EV_write ? USE_WRITE : r->b & 1 ? USE_FETCH : USE_READ;
}

/* The running task goes on in `sp`. */
static inline void ex_use(struct space *sp)
{
	ex.sp = sp;
	if (ex.cur)
		ex.cur->sp = sp;
}

/* The next finding is about that address, of which the page of a window is not the name. */
static inline void ex_about(uint64_t va)
{
	if (!ex.stop)
		ex.about = va;
}

static inline void ex_observe(uint64_t x)
{
	ex.hash = (ex.hash ^ x) * 0x9e3779b97f4a7c15ull;
	ex.hash ^= ex.hash >> 29;
}

/* First finding wins. `op` is an op name or a kernel function; words only. */
void ex_finding(const char *cls, const char *op, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void ex_verdict(const struct ref_verdict *v);

/* Functions of the seam that are no op of the table by themselves: ids after those of the ops. */
#define EX_APIS(X)                                                                                                 \
	X(modify_prot_start_ptes)                                                                                  \
	X(modify_prot_commit_ptes)                                                                                 \
	X(test_and_clear_young_ptes)                                                                               \
	X(clear_flush_young_ptes)                                                                                  \
	X(tlb_flush)                                                                                               \
	X(flush_tlb_mm)                                                                                            \
	X(arch_tlbbatch_flush)                                                                                     \
	X(arch_flush_tlb_batched_pending)                                                                          \
	X(arch_tlbbatch_add_pending)                                                                               \
	X(set_huge_pte_at)                                                                                         \
	X(huge_ptep_get_and_clear)                                                                                 \
	X(flush_tlb_kernel_range)                                                                                  \
	X(arch_enter_lazy_mmu_mode)                                                                                \
	X(arch_leave_lazy_mmu_mode)                                                                                \
	X(arch_flush_lazy_mmu_mode)                                                                                \
	X(lazy_mmu_mode_pause)                                                                                     \
	X(lazy_mmu_mode_resume)
enum ex_api {
	API_FIRST = OP_NKINDS - 1,
#define X(name) API_##name,
	EX_APIS(X)
#undef X
		API_END
};
enum { /* so that the specification's list names either */
#define X(name) OP_##name = API_##name,
       EX_APIS(X)
#undef X
};
const char *seam_name(unsigned id); /* of an op or a seam function */

/* --- seam.c: the checked seam */
struct ref_obs seam_obs(uint64_t val);
/* The lock of the table of `page` in the present space. */
void seam_lock(unsigned page);
void seam_unlock(unsigned page);
void seam_unlock_early(unsigned page); /* a mistake: as a plain store, ahead of the section's stores */
void seam_mmap_lock(bool shared);
void seam_mmap_unlock(bool shared);
/* Each notes the line of the caller that it is called from. */
#define seam_begin(op, id, page, nr)   (SEAM_AT(), (seam_begin)(op, id, page, nr))
#define seam_ptep_get(page)	       (SEAM_AT(), (seam_ptep_get)(page))
#define seam_set_access_flags(p, e, a) (SEAM_AT(), (seam_set_access_flags)(p, e, a))
#define SEAM_AT()                                                                                                  \
	((void)(ex.cur->op.at = (struct code_place){__func__, __FILE_NAME__, __LINE__, ex.cur->op.r->kind}))
void(seam_begin)(struct ref_op *op, uint8_t id, unsigned page, unsigned nr);
uint64_t(seam_ptep_get)(unsigned page);
void seam_flush(unsigned page, unsigned nr, bool tables);
void seam_flush_mm(void);
void seam_tlb_flush(const struct pt_gather *g);
int(seam_set_access_flags)(unsigned page, uint64_t entry, uint64_t add);
/* Lazy MMU mode of the running task around entries of the present space, if the implementation has it. */
void seam_lazy_enter(void);
void seam_lazy_leave(void);
void seam_lazy_flush(void);
/* Ends an op: what it returned is judged, then its blocks are audited. */
void seam_done(struct ref_op *op);
void seam_done_entry(struct ref_op *op, uint64_t val);
void seam_done_young(struct ref_op *op, int young);
void seam_audit(const struct ref_op *op);
/* An access by `agent`, judged; returns the fault. */
enum hw_fault seam_access(struct hw_access *a, unsigned page);

/* --- run.c: ops, and callers/ */
unsigned page_of_rec(const struct rec *r);
/* The op of a record with the lock held; the entries have a table. False: no lock is held. */
bool prepare(struct ref_op *op, const struct rec *r, ref_clip clip, struct rec *eff);
/* A reader of the page of a record begins, as with interrupts off. It comes after every section that has ended (it has seen
 * the lock released); stores of a writer that is inside one stay late. False: nothing may be read there. */
bool prepare_lockless(struct ref_op *op, const struct rec *r, struct rec *eff);
void write_back(struct rec *eff, const struct rec *r, unsigned page, unsigned nr);
bool table_for(unsigned page); /* its table, made if need be; under the lock */
/* The page of folio `f` with the VA page's own alignment, `shift` pages off. */
unsigned folio_offset(const struct pt_folio *f, unsigned page, unsigned shift);
/* Ops. Returns whether the op took effect; -1: the implementation lacks it. */
typedef int (*run_fn)(const struct rec *r, struct rec *eff);
extern const run_fn run_fns[OP_NKINDS];
void run_event(const struct rec *r, struct rec *eff);

/* --- exec.c for run.c and callers/ */
/* What the running op's steps are watched for may have changed: the machine tells of no others (hw.calm). Not needed where
 * less is wanted than before. */
void exec_listen(void);
void task_wait(unsigned lock, bool shared);	   /* lets its owner go on, then returns */
void exec_wait_for_others(const struct space *sp); /* until no other task is inside an op on that space */
bool exec_anyone_parked(void);
/* Lets another task go on that can, and comes back; the caller waits for what others do, or is preempted. */
void exec_spin(void);
/* Starts the op of the running task on the idle task of another CPU too, without events. */
void exec_start(unsigned cpu);
bool exec_is_active(unsigned task);
bool exec_holds_lock(unsigned cpu); /* its task does, of a table */
/* Exception entry or return, or the effect of ISB, on this CPU. */
void exec_context_sync(unsigned cpu);
/* A new address space with tables above level 3 but none there. */
void exec_space_create(struct space *sp);
/* Nobody runs in it any more; its CPUs keep it loaded as kernel threads do (lazy TLB). It is dying until it is gone. */
void exec_space_retire(struct space *sp);
void exec_space_gone(struct space *sp);
void exec_cpu_switch(unsigned cpu, int space);

/* --- replay.c */
void replay_op(const struct rec *r);
void replay_result(const struct rec *r, const struct rec *eff, int result);
void replay_blocks(void);
void replay_kernel(void);
void replay_hw(const struct hw_trace *t);
void replay_tables(void); /* after a finding, once */

#endif
