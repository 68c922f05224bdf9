/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's private state, shared by the files of hw/ only.
 *
 * Property: one struct holds everything that an execution can change, so that reset and the state hash see
 * all of it; table memory is addressed by `loc` (frame << 13 | entry), never by host address.
 *
 * Levels are the architecture's, -1 to 3, so they are signed everywhere; only arrays and stale_shape() count from 0, and
 * helpers add the 1. Level -1 is a root's alone: implementations allocate tables of levels 0 to 3.
 */
#ifndef HW_INTERNAL_H
#define HW_INTERNAL_H

#include <stddef.h>
#include "hw.h"

#define LOC_BITS     13 /* log2 HW_MAX_TABLE */
#define LOC_NONE     0u /* frame 0 is never a table */
#define LINE_BITS    3	/* entries of a 64-byte line */
#define MAP_WORDS    (HW_MAX_TABLE >> LINE_BITS >> 6)
#define ARENA_BYTES  ((uint64_t)HW_MAX_FRAMES << HW_FRAME_SHIFT)
#define MAX_BLOCKS   256 /* contiguous blocks of the largest table */
#define PEND_MAX     64
#define PEND_HASH    1024
#define STALE_MAX    512
#define STALE_HASH   256
#define STALE_UP     STALE_HASH /* the list of everything above level 3 */
#define STALE_BUCKET (STALE_HASH + 1)
#define LATE_MAX     8
#define WALKED	     16
#define SERVED	     16
#define NIL	     0xffffu
#define LOCK_MAX     64
#define CPUS_MASK    ((1u << HW_MAX_CPU) - 1)
#define VA_LOW	     0x0000ffffffffffffull
#define VA_WIDE	     0x000fffffffffffffull /* 52 bits: the kernel's half with five levels */
#define NLEVELS	     5			   /* -1 to 3, so arrays are indexed by level + 1 */
#define VA_KERNEL    (1ull << 55)	   /* selects TTBR1, the kernel's half (DDI 0487 D8.2.2) */
#define ASID_KERNEL  0xffffu		   /* of stale values of the kernel's half: no TLBI by ASID names it */
#define D_SH	     (3ull << 8)

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

enum frame_state {
	FRAME_NEVER, /* not allocated since reset */
	FRAME_LIVE,
	FRAME_FREED, /* reads as the freed poison; a store is a finding */
};

struct hw_frame {
	uint8_t state;	 /* enum frame_state */
	int8_t level;	 /* level of the table it was allocated as */
	bool zero;	 /* untouched lines read as zero; otherwise as poison */
	bool is_root;	 /* some agent's translation context points here, or once did */
	bool retired;	 /* root: nobody runs in its ASID any more */
	uint8_t users;	 /* root: agents that may have cached what it translates */
	uint8_t home;	 /* cache: its root's frame */
	bool reach;	 /* cache: a walker can get here (valid while epoch matches) */
	uint16_t asid;	 /* root: its ASID; others: cache of the root's */
	uint16_t nlink;	 /* coherent table descriptors that point here */
	uint16_t nstale; /* cached table descriptors that point here */
	uint32_t parent; /* the latest table descriptor that pointed here, or LOC_NONE */
	uint32_t epoch;
	uint64_t va;		  /* cache: first VA translated */
	const char *fn, *link_fn; /* who allocated or freed it, who linked it last: for blame only */
	int line, link_line;
};

/* What the level-3 entries of one contiguous block hold now, so that no store has to scan its siblings. */
struct hw_block {
	uint16_t ncont;	  /* valid entries with the contiguous bit */
	uint16_t nsingle; /* valid entries without */
	uint16_t last;	  /* stale entry that the latest replaced contiguous value went to (a hint) */
	bool mixed;	  /* the contiguous ones do not all agree: scan */
	uint64_t norm;	  /* what they agree on: block address, memory attributes, nG */
};

/* A plain store that its CPU executed and other observers do not see yet. */
struct hw_pend {
	uint64_t val;
	uint64_t seq; /* global order of execution */
	uint32_t loc;
	uint32_t group; /* number of the CPU's DMBs before it: a later group never drains first */
	uint8_t own;	/* 0 own walker may miss it; 1 DSB NSH done; 2 and context synchronised: must see it */
	bool clear;	/* clear_page: the whole frame of loc */
	const char *fn;
	int line;
};

struct hw_cpu {
	struct hw_pend buf[2 * PEND_MAX]; /* a window of it, in program order: pend_of() */
	unsigned first, npend, nclear;
	/* Pending stores by pend_hash() of their place, page clears by frame, those with `own`: fast reject of forwarding. */
	uint8_t cnt[PEND_HASH], clears[HW_MAX_FRAMES];
	unsigned nown;
	uint32_t pending_up; /* how often a store to a table above level 3 became pending (not state) */
	uint32_t group;
	/* Ticks of this CPU's last DSBs: [0] any domain, [1] inner shareable or wider. */
	uint64_t dsb_st[2];  /* that order its own stores (full or ST) */
	uint64_t dsb_all[2]; /* of any kind */
	unsigned nlocks;     /* spinlocks held by software on this CPU */
	uint16_t marked[STALE_MAX];
	unsigned nmarked; /* > STALE_MAX: the list overflowed, scan everything */
};

/* A replaced descriptor value that some agent may still use. */
struct hw_stale {
	uint64_t va;   /* first address it translates (block start if cont) */
	uint64_t val;  /* cont: output address rounded down to the block */
	uint64_t tick; /* when it was last replaced: before that it was visible */
	uint32_t loc;
	uint32_t shape; /* ASID, level, contiguous: see stale_shape() */
	uint8_t tlb;	/* agents whose TLB may hold it, until a TLBI completes */
	uint8_t early;	/* CPUs that may use it through an early walk, until context synchronisation */
	uint8_t kill_b; /* CPUs with an incomplete broadcast TLBI that covers it */
	uint8_t kill_l; /* CPUs with an incomplete local TLBI that covers it */
	uint8_t writer; /* agent that replaced it */
	uint8_t live;
	/* Contiguous: the pages [lo, hi) are left, the others invalidated one by one; what is left for each agent
	 * once its TLBIs complete. */
	uint8_t lo, hi, plo[HW_MAX_AGENT], phi[HW_MAX_AGENT];
	uint16_t bucket, next, prev; /* neighbours in the bucket */
	uint16_t newer, older;	     /* neighbours by age */
};

/* Who replaced it: for blame only, and beside the list so that an entry stays one cache line. */
struct hw_place {
	const char *fn;
	int line;
};
_Static_assert(sizeof(struct hw_stale) == 64, "one cache line");

static inline uint32_t stale_shape(unsigned asid, int level, bool cont)
{
	return asid << 16 | (unsigned)(level + 1) << 8 | cont;
}

static inline unsigned stale_asid(const struct hw_stale *e)
{
	return e->shape >> 16;
}

static inline int stale_level(const struct hw_stale *e)
{
	return (int)(e->shape >> 8 & 7) - 1;
}

static inline bool stale_cont(const struct hw_stale *e)
{
	return e->shape & 1;
}

/* An AF or dirty update that hardware has promised and not made yet. */
struct hw_late {
	uint64_t set, clear;
	uint32_t loc;
	uint8_t agent;
};

struct hw_agent_ctx {
	uint32_t root; /* frame, 0 none */
	uint16_t asid;
};

/* Where a walk of coherent memory has found the last table of an address, and its level; nothing on the way has changed
 * while the epoch is the same. */
struct hw_walked {
	uint64_t key;		     /* address bits above a level-3 table */
	uint32_t root, epoch, up[4]; /* the entries above that table, root first */
	uint16_t frame;
	int8_t level;
	uint8_t nup;
};

/* An access that a walk served and nothing else could: the next one to the page is the same while the epoch, the entry
 * and these counts are. A cache, by page and agent. */
struct hw_served {
	uint64_t page, desc, pa;
	uint32_t epoch, loc;
	uint32_t stale; /* sum of stale_gen of the three buckets that the page can be in */
	uint32_t upper; /* pending_up of the CPU */
	int8_t level;
	uint8_t agent;
	bool seen;  /* nothing that was pending on its CPU was in the way */
	bool alone; /* no stale value could serve it either, whatever the personality */
};

struct hw_priv {
	uint64_t *mem;				 /* the arena; mem[loc] */
	uint64_t map[HW_MAX_FRAMES * MAP_WORDS]; /* by loc >> 3: lines of memory that are materialized */
	/* Geometry, unpacked. */
	unsigned page_shift, table_bits, cont_bits, nentries, ncont;
	int root_level;
	unsigned run_bits[NLEVELS]; /* by level + 1: log2 of the entries of a contiguous run */
	unsigned shift[NLEVELS];    /* by level + 1: log2 of the bytes that one entry translates */
	bool ds;		    /* TCR_EL1.DS: see desc_oa() */
	uint64_t oa_mask, oa_high;
	uint64_t block_low;		 /* output address bits inside a contiguous block */
	uint64_t norm_mask;		 /* what the entries of a contiguous block agree on */
	unsigned agents;		 /* bit set of the agents there are */
	uint64_t kernel_low;		 /* VA bits that the kernel's half translates */
	uint32_t kernel_root;		 /* frame, 0 none */
	uint8_t reserved;		 /* CPUs whose TTBR1 leads nowhere */
	uint8_t flushed;		 /* of those: an invalidation of everything is under way */
	uint64_t alias_va;		 /* of fixmap slot 0; 0 none */
	const uint64_t *alias_ptep;	 /* descriptors of the slots */
	void *current[HW_MAX_CPU];	 /* SP_EL0 */
	uint16_t limit[HW_MAX_FRAMES];	 /* entries that a store may hit: 0 unless the frame is live */
	unsigned frame_top, frame_rotor; /* frames ever used are below frame_top */
	uint32_t epoch;			 /* changes whenever reachability or a VA base may */
	uint64_t tick, seq;
	unsigned npend;			 /* of all CPUs */
	uint16_t pending[HW_MAX_FRAMES]; /* of those, by frame */
	unsigned nlate;
	/* Blocks with a store, a drain or an update since hw_touched() asked (not state: the driver's shortcut). */
	uint64_t touched[HW_MAX_FRAMES][MAX_BLOCKS / 64];
	unsigned ncand; /* ways the last access could have gone (for exhaustive tests; not state) */
	struct hw_walked walked[WALKED]; /* a cache, by the low bits of the key */
	struct hw_served served[SERVED];
	uint32_t pick_last, pick_ord, alt;
	struct hw_agent_ctx ctx[HW_MAX_AGENT];
	struct hw_late late[LATE_MAX];
	struct hw_frame frame[HW_MAX_FRAMES];
	struct hw_block block[HW_MAX_FRAMES][MAX_BLOCKS];
	struct hw_cpu cpu[HW_MAX_CPU];
	struct {
		int8_t held, last; /* CPU + 1 that holds it; CPU + 1 that released it last */
	} lock[LOCK_MAX];
	uint16_t head[STALE_BUCKET];
	uint32_t stale_gen[STALE_BUCKET]; /* how often a value came, or became usable again (not state) */
	uint16_t free_head, newest, oldest, stale_top;
	unsigned nstale, npages, nearly[HW_MAX_CPU]; /* all; cached single pages; early ones by CPU */
	struct hw_stale stale[STALE_MAX];
	struct hw_place stale_by[STALE_MAX], by; /* of each; of the store that is being made */
};
extern struct hw_priv hw_m;

/* log2 of the bytes that one entry translates. */
static inline unsigned level_shift(int level)
{
	return hw_m.shift[level + 1];
}

/* Descriptors. */
static inline bool desc_is_table(uint64_t v, int level)
{
	return level < 3 && (v & 3) == 3;
}

/* DDI 0487 D8.3.1: level 3 needs bits[1:0] == 0b11; above, 0b01 is a block, which level -1 has not. */
static inline bool desc_is_leaf(uint64_t v, int level)
{
	return (v & 3) == (level == 3 ? 3 : 1) && level >= 0;
}

/*
 * Output or next-level table address. With TCR_EL1.DS = 1 it has 52 bits: bits [49:48] are where they belong, bits
 * [51:50] take the place of SH in bits [9:8] of blocks, pages and tables alike, and shareability comes from TCR_EL1.SH1
 * and SH0 (DDI 0487 D8.3.1, TCR_EL1.DS). What is said of SH elsewhere holds of those bits too: they never change live.
 */
static inline uint64_t desc_oa(uint64_t v)
{
	return (v & hw_m.oa_mask) | (v << 42 & hw_m.oa_high);
}

/* Poison is recognised by its output address, which no data page has. */
static inline bool desc_is_poison(uint64_t v)
{
	const unsigned top = (v >> 40) & 0xff;

	return (v & 1) && (top == 0xde || top == 0xfe);
}

/* The VA as the model keeps it: bit 55 tells the halves apart; what lies between is a copy of it in the kernel's. */
static inline uint64_t va_canon(uint64_t va)
{
	if (unlikely(va & VA_KERNEL))
		return (va & hw_m.kernel_low) | VA_KERNEL;
	return va & VA_LOW;
}

/* Entries of a contiguous run, and log2 of the bytes that it translates. */
static inline unsigned run_entries(int level)
{
	return 1u << hw_m.run_bits[level + 1];
}

static inline unsigned run_shift(int level)
{
	return level_shift(level) + hw_m.run_bits[level + 1];
}

static inline unsigned hw_bbml(unsigned cpu)
{
	const unsigned less = hw.cfg.bbml_less[cpu & (HW_MAX_CPU - 1)];

	return hw.cfg.bbml > less ? hw.cfg.bbml - less : 0;
}

/* The least that one of these CPUs has. */
static inline unsigned hw_bbml_of(unsigned mask)
{
	unsigned min = 3;

	for (unsigned c = 0; c < hw.cfg.ncpu; c++)
		if (mask >> c & 1 && hw_bbml(c) < min)
			min = hw_bbml(c);
	return min;
}

/* Some of its pages are gone, so it is cached page by page. */
static inline bool stale_partial(const struct hw_stale *e)
{
	return stale_cont(e) && (e->lo || e->hi != run_entries(stale_level(e)));
}

/* Pages [lo, hi) of a contiguous run that an agent may still hold. Broadcasts trim the CPUs' alike, notifiers the SMMU's. */
static inline unsigned run_lo(const struct hw_stale *e, unsigned agent)
{
	return agent == HW_SMMU ? e->plo[agent] : e->lo;
}

static inline unsigned run_hi(const struct hw_stale *e, unsigned agent)
{
	return agent == HW_SMMU ? e->phi[agent] : e->hi;
}

static inline struct hw_frame *frame_of(uint32_t loc)
{
	return &hw_m.frame[loc >> LOC_BITS];
}

static inline struct hw_block *block_of(uint32_t loc)
{
	return &hw_m.block[loc >> LOC_BITS][(loc & (HW_MAX_TABLE - 1)) >> hw_m.cont_bits];
}

static inline void block_touch(uint32_t loc)
{
	const unsigned block = (loc & (HW_MAX_TABLE - 1)) >> hw_m.cont_bits;

	hw_m.touched[loc >> LOC_BITS][(block / 64) & (MAX_BLOCKS / 64 - 1)] |= 1ull << (block % 64);
}

static inline void frame_touch(uint32_t frame)
{
	for (unsigned w = 0; w < MAX_BLOCKS / 64; w++)
		hw_m.touched[frame][w] = ~0ull;
}

static inline uint32_t loc_block(uint32_t loc)
{
	return loc & ~(hw_m.ncont - 1);
}

static inline unsigned block_shift(void)
{
	return hw_m.page_shift + hw_m.cont_bits;
}

/* Output address as a contiguous block: the low bits come from the VA (DDI 0487 D8.7.1). */
static inline uint64_t desc_block(uint64_t v)
{
	return v & ~hw_m.block_low;
}

/* What all entries of a contiguous block must agree on. */
static inline uint64_t bbm_norm(uint32_t loc, uint64_t v, bool *misaligned)
{
	*misaligned = ((v >> hw_m.page_shift) ^ loc) & (hw_m.ncont - 1);
	return v & hw_m.norm_mask;
}

static inline uint64_t frame_synth(const struct hw_frame *f, uint32_t loc)
{
	const uint64_t top = f->state == FRAME_LIVE ? 0xde : 0xfe;

	if (f->state == FRAME_LIVE && f->zero)
		return 0;
	return top << 40 | (uint64_t)loc << 16 | HW_D_NG | HW_D_AF | D_SH | HW_D_USER | HW_D_TABLE | HW_D_VALID;
}

static inline bool line_is_real(uint32_t loc)
{
	return hw_m.map[loc >> (LINE_BITS + 6)] >> (loc >> LINE_BITS & 63) & 1;
}

/* The coherent value: what an observer without pending stores of its own reads. */
static inline uint64_t coh_read(uint32_t loc)
{
	return likely(line_is_real(loc)) ? hw_m.mem[loc] : frame_synth(frame_of(loc), loc);
}

static inline uint64_t *loc_ptr(uint32_t loc)
{
	return &hw_m.mem[loc];
}

static inline unsigned stale_bucket_page(uint64_t va)
{
	return (unsigned)(va >> hw_m.page_shift) & (STALE_HASH - 1);
}

static inline unsigned stale_bucket_block(uint64_t va)
{
	return (unsigned)((va >> block_shift()) * 7 + 128) & (STALE_HASH - 1);
}

static inline struct hw_pend *pend_of(struct hw_cpu *c)
{
	return &c->buf[c->first];
}

static inline uint8_t *pend_count(struct hw_cpu *c, uint32_t loc)
{
	return &c->cnt[(loc + (loc >> LOC_BITS) * 37) & (PEND_HASH - 1)];
}

/* Can one of its stores be to loc? */
static inline bool pend_maybe(struct hw_cpu *c, uint32_t loc)
{
	return c->npend && (*pend_count(c, loc) | c->clears[loc >> LOC_BITS]);
}

static inline void hw_find(enum hw_finding f, const char *fn, int line)
{
	if (hw.on_finding)
		hw.on_finding(f, fn, line);
}

/* geo.c */
uint32_t hw_pick(unsigned what, uint32_t n); /* stateless choice among n */
/* mem.c: frames and coherent memory */
void mem_write(uint32_t loc, uint64_t v, unsigned writer, const char *fn, int line);
void mem_update(uint32_t loc, uint64_t v, unsigned agent); /* by the AF/dirty updater */
void mem_update_now(uint32_t loc, uint64_t v, unsigned agent);
void mem_clear(uint32_t loc, unsigned writer, const char *fn, int line);
void *mem_alloc(int level, bool zero, const char *fn, int line);
void mem_free(uint32_t frame, const char *fn, int line);
bool frame_resolve(struct hw_frame *f); /* is it reachable; fills va, asid, home */
/* pend.c: pending stores */
bool pend_forward(struct hw_cpu *c, uint32_t loc, uint64_t *v, bool must, uint32_t *group);
bool pend_forward_older(struct hw_cpu *c, uint32_t loc, uint64_t *v, uint32_t group);
void pend_add(unsigned cpu, uint32_t loc, uint64_t v, bool clear, const char *fn, int line);
void pend_reset(struct hw_cpu *c);
void pend_drain_all(unsigned cpu);
void pend_drain_older(unsigned cpu); /* those that a DMB orders before what comes now */
void pend_drain_loc(unsigned cpu, uint32_t loc);
void pend_drain_frame(uint32_t frame); /* of all CPUs */
bool pend_can_drain(struct hw_cpu *c, unsigned i);
void pend_drain_newest(void);
void pend_mark_nsh(unsigned cpu);
void pend_mark_sync(unsigned cpu);
/* explore.c: late updates */
void late_add(uint32_t loc, uint64_t v, unsigned agent);
void late_force(uint32_t loc); /* before anybody writes there */
bool late_pending(uint32_t loc);
void late_force_frame(uint32_t frame);
void late_force_cpu(unsigned cpu);
/* stale.c: the stale list */
void stale_reset(void);
void stale_replaced(uint32_t loc, const struct hw_frame *f, uint64_t old, unsigned writer, unsigned tlb_mask);
void stale_unlinked(uint32_t frame, unsigned writer);
void stale_drop(struct hw_stale *e, unsigned tlb, unsigned early);
void stale_sync(unsigned cpu);
void stale_retire(unsigned asid, unsigned loaded);
bool stale_reaches_page(uint64_t pa);
/* look.c: entry of the slot, or place of the store, that was refused last (not state: a drawing asks) */
extern const void *look_refused;
/* alias.c: pointers into temporary mappings */
enum alias_result {
	ALIAS_NONE,    /* p is none of them */
	ALIAS_TABLE,   /* p is table memory now */
	ALIAS_REFUSED, /* reported: the access has no effect */
};
enum alias_result alias_resolve(const void **p, bool write, const char *fn, int line);
/* bbm.c: break-before-make rules */
void bbm_check(uint32_t loc, const struct hw_frame *f, uint64_t v, const char *fn, int line);
bool bbm_conflict(const struct hw_stale *old, const struct hw_stale *new);
bool bbm_conflict_now(const struct hw_stale *old, uint64_t va, uint64_t desc, int level);
void bbm_check_table(const struct hw_frame *f, uint32_t frame, const char *fn, int line);
/* tlbi.c */
void tlbi_issue(unsigned cpu, unsigned op, uint64_t xt, const char *fn, int line);
void tlbi_complete(unsigned cpu, bool ish);
void tlbi_notify(unsigned cpu, unsigned asid, uint64_t start, uint64_t end);
/* ttbr.c: this CPU holds nothing of the kernel's half any more */
void kernel_forgotten(unsigned cpu);
/* walk.c */
struct hw_leaf {
	uint64_t desc;
	uint32_t loc; /* LOC_NONE: the walk ended outside table memory */
	int8_t level;
	bool odd;    /* it met a freed table or poison */
	bool misfit; /* it went on from a table that was allocated as one of leaves: its stores change no epoch */
};
enum walk_view {
	VIEW_MEM,   /* coherent memory */
	VIEW_UPPER, /* own pending stores above level 3; below only what a DMB orders before them */
	VIEW_OWN,   /* and all own pending stores */
};
/* `cpu` < 0: no pending stores; `quiet`: reports nothing. */
struct hw_leaf walk_from(uint32_t frame, int level, uint64_t va, int cpu, enum walk_view view, bool quiet);

#endif
