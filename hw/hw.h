/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The simulated machine, seen by whoever drives it (fuzz/, tests/). Implementations see hook.h only.
 *
 * Property: whatever an agent (CPU, SMMU) observes here is allowed by the Arm architecture, and what the
 * architecture allows and page-table code can notice is reachable by some choice of events and personality.
 * Everything is a function of (configuration, calls made): no clock, no randomness, no host addresses.
 *
 * How staleness is represented (economical, adversarial): memory holds coherent values; each CPU has a set of
 * pending plain stores; and one *stale list* holds every replaced descriptor value that some agent may still
 * use: a valid AF=1 leaf or table value until a TLBI that covers it completes (DDI 0487 D8.14), any other
 * value ("early walk") until that CPU's next context synchronisation. An access may use any matching stale
 * value or walk now.
 */
#ifndef HW_H
#define HW_H

#include "hook.h"

#define HW_MAX_CPU     4
#define HW_SMMU	       4    /* agent number of the SMMU */
#define HW_MAX_AGENT   5    /* CPUs 0..3, SMMU 4 */
#define HW_MAX_FRAMES  128  /* table frames */
#define HW_ALIAS_SLOTS 16   /* temporary mappings of tables, see hw_alias_setup() */
#define HW_MAX_TABLE   8192 /* entries of the largest table (64K) */
#define HW_FRAME_SHIFT 16   /* table frames are 64 KiB apart in the arena whatever the granule is: PA = i << 16 */

/* Descriptor fields, stage 1 level 3 / block (DDI 0487 D8.3). */
#define HW_D_VALID   (1ull << 0)
#define HW_D_TABLE   (1ull << 1) /* levels 0-2: table; level 3: page (must be 1) */
#define HW_D_ATTRIDX (7ull << 2)
#define HW_D_USER    (1ull << 6) /* AP[1] */
#define HW_D_RDONLY  (1ull << 7) /* AP[2] */
#define HW_D_AF	     (1ull << 10)
#define HW_D_NG	     (1ull << 11)
#define HW_D_DBM     (1ull << 51)
#define HW_D_CONT    (1ull << 52)
#define HW_D_PXN     (1ull << 53)
#define HW_D_UXN     (1ull << 54)
#define HW_D_OA	     0x0000fffffffff000ull /* output address; low bits below the granule are zero */

enum hw_geo_id { HW_GEO_SMALL, HW_GEO_4K, HW_GEO_16K, HW_GEO_64K, HW_NGEO };

struct hw_geo {
	const char *name;
	uint8_t page_shift; /* log2 of the page size in bytes */
	uint8_t table_bits; /* log2 of the entries of a table */
	uint8_t levels;	    /* lookup levels; leaves are level 3, the root is level 4 - levels */
	uint8_t cont_bits;  /* log2 of the entries of a contiguous run at level 3 */
	uint8_t tg;	    /* TG field of TLBI range operands: 1 = 4K, 2 = 16K, 3 = 64K */
	uint8_t cont2_bits; /* log2 of the entries of a contiguous run at level 2 */
};
/* small: 4K pages, 16 entries a table, 3 levels, contiguous runs of 4. */
extern const struct hw_geo hw_geos[HW_NGEO];

/* Who updates access flag and dirty state (FEAT_HAFDBS, TCR_EL1.{HA,HD}; SMMU: HTTU). */
enum hw_update { HW_UPD_NONE, HW_UPD_AF, HW_UPD_AF_DIRTY };

/* Personalities: defaults for choices that no event decides. 0 is the benign one. */
enum hw_drain {
	HW_DRAIN_EAGER,
	HW_DRAIN_LAZY,
	HW_DRAIN_REVERSED,
	HW_NDRAIN
}; /* at once; only when forced; one a step, newest first as far as DMB and coherence allow */
enum hw_xlate { HW_XLATE_FRESH, HW_XLATE_STALE, HW_XLATE_ALTERNATE, HW_XLATE_HASHED, HW_NXLATE };
enum hw_pickmode {
	HW_PICK_ACCESSED,
	HW_PICK_FIRST,
	HW_PICK_LAST,
	HW_PICK_HASHED,
	HW_NPICK
}; /* entry of a contiguous block that is updated */

struct hw_config {
	enum hw_geo_id geo;
	uint8_t ncpu;		      /* 1..HW_MAX_CPU */
	uint8_t update[HW_MAX_AGENT]; /* enum hw_update, per agent */
	bool smmu;		      /* an SMMU walks this address space too */
	bool smmu_btm;		      /* it listens to broadcast TLBIs (otherwise notifiers only) */
	bool ets2, ttl, tlbirange;
	uint8_t bbml;		       /* 0, 1, 2; 3 = level 2 and never a conflict abort */
	uint8_t bbml_less[HW_MAX_CPU]; /* how much less this CPU has */
	uint8_t drain, xlate, pick;    /* personalities */
	bool early;		       /* early walks happen (never with ets2) */
	bool late;	  /* a CPU's AF/dirty update may reach memory after its access (needs a lazy drain) */
	bool alloc_fails; /* hashed failures of hw_table_alloc */
	uint32_t salt;
};

/* Hook classes: where events anchor. */
enum hw_class { HW_C_ANY, HW_C_LOAD, HW_C_STORE, HW_C_ATOMIC, HW_C_BARRIER, HW_C_TLBI, HW_C_OTHER, HW_NCLASS };

/* Kinds of steps within a class, counted too: they differ in cost. WIDE: TLBIs of a whole ASID or of everything. */
enum hw_count { HW_N_DSB = HW_NCLASS, HW_N_ISB, HW_N_NOTIFY, HW_N_WIDE, HW_NCOUNT };

/* What the machine itself reports. The string of each is the last word of the signature. */
enum hw_finding {
	HW_F_NONE,
	HW_F_BBM_OA,	   /* bbm: output address (or attributes) changed while an old translation may be cached */
	HW_F_BBM_CONFLICT, /* bbm: an access met two translations that disagree, and aborts or may mix them */
	HW_F_BBM_CONT,	   /* bbm: contiguous bit / size changed so, below the BBM level that permits it */
	HW_F_OUTSIDE,	   /* lifetime: store outside any table */
	HW_F_FREED_STORE,  /* lifetime: store to a freed table */
	HW_F_FREED_WALK,   /* lifetime: a walker read a freed table */
	HW_F_POISON_WALK,  /* lifetime: a walker read a table entry never written nor visibly cleared */
	HW_F_FREE_REACHABLE, /* lifetime: freed while a walk cache or a table entry still reaches it */
	HW_F_DOUBLE_FREE,    /* lifetime */
	HW_F_PAGE_REACHABLE, /* lifetime: a data page freed while a cached translation still reaches it */
	HW_F_FIXMAP_EMPTY,   /* fixmap: an access through a slot that maps nothing (or through a null pointer) */
	HW_F_FIXMAP_STALE,   /* fixmap: through what is left of an earlier page of the slot */
	HW_F_FIXMAP_UNPUBLISHED, /* fixmap: the slot has an entry that this CPU may not see yet */
	HW_F_CONTEXT,		 /* context: might_sleep where it must not */
	HW_F_LOCK,		 /* context: unlock of a lock not held */
	HW_F_WARN,		 /* crash: WARN */
	HW_F_BUG,		 /* crash: BUG */
	HW_NFINDING
};

enum hw_fault { HW_OK, HW_FAULT_TRANSLATION, HW_FAULT_AF, HW_FAULT_PERMISSION, HW_FAULT_ABORT };

/* One hardware access and its outcome. */
struct hw_access {
	uint8_t agent; /* CPU or HW_SMMU */
	bool write;
	bool fetch; /* of an instruction; never with write */
	bool priv;  /* by the kernel (EL1); `va` has bit 55 set for the kernel's half (TTBR1) */
	bool dep;   /* the address came from a load: no early walk can have begun before it */
	bool fresh; /* re-walk with nothing cached (a fair TLB does that eventually); drains nothing */
	uint64_t va;
	/* outcome */
	enum hw_fault fault;
	int8_t level;		/* of the fault or leaf: -1 to 3 */
	bool stale;		/* served by a stale (cached or early) value */
	bool set_af, set_dirty; /* a descriptor was updated by this access */
	bool recorded; /* ok: a current descriptor of the page or its contiguous block shows AF; false: a cached
			* entry left no trace */
	bool recorded_dirty; /* ok, write: the same for dirty state */
	uint64_t pa;	     /* ok: output address of the page (page aligned) */
	uint64_t desc;	     /* descriptor value used */
	uint64_t *slot;	     /* descriptor it came from or that was updated */
};

/* A machine step or event, for the trace. Only built when `hw.trace` is set. */
struct hw_trace {
	enum {
		HW_T_LOAD,
		HW_T_STORE,
		HW_T_XCHG,
		HW_T_CMPXCHG,
		HW_T_BARRIER,
		HW_T_TLBI,
		HW_T_NOTIFY,
		HW_T_ALLOC,
		HW_T_FREE,
		HW_T_CLEAR,
		HW_T_LOCK,
		HW_T_UNLOCK,
		HW_T_DRAIN,
		HW_T_ACCESS,
		HW_T_SPURIOUS_AF,
		HW_T_CTXSYNC
	} kind;
	uint8_t cpu;
	uint64_t step;
	const void *p;		/* table memory touched, or NULL */
	uint64_t old, val, cmp; /* value before, value stored, value compared with; barrier: kind, domain, type in
				* old, val, cmp; tlbi: op in old, operand in val */
	bool ok;
	const char *fn;
	int line;
	const struct hw_access *access; /* HW_T_ACCESS */
};

struct hw_machine {
	struct hw_config cfg;
	const struct hw_geo *geo;
	uint64_t step;	    /* machine steps since reset */
	uint8_t cpu;	    /* CPU whose software runs now */
	uint32_t pick_salt; /* salt of the current op or event; the driver sets it */
	/* Called before each step takes effect, with the step's class and the memory it is about (or NULL); not for a
	 * step of a class in `calm` (a bit each, none by default) up to step `calm_until`, which for a store or an
	 * atomic must be to the `own_bytes` from `own`. */
	unsigned calm;
	uint64_t calm_until;
	uintptr_t own;
	uint64_t own_bytes;
	void (*on_step)(enum hw_class c, const void *p, const char *fn, int line);
	/* Called at a finding; it may not return (the driver usually records the first and goes on). */
	void (*on_finding)(enum hw_finding f, const char *fn, int line);
	void (*on_bug)(const char *what, const char *fn, int line); /* must not return */
	/* Called before a table is freed: the driver lets readers that run with interrupts off leave first (RCU). */
	void (*on_free)(void);
	/* A store to an entry was deferred by its implementation; it has been made (hook.h). NULL: nobody listens. */
	void (*on_queued)(void *p, const char *fn, int line);
	void (*on_executed)(void *p);
	void (*trace)(const struct hw_trace *t); /* NULL: no trace */
	uint32_t nclears;			 /* pages cleared since reset (cost accounting) */
	uint64_t stale_overflow; /* stale values forgotten because the list was full: fewer behaviours, counted */
	uint32_t n[HW_NCOUNT];	 /* steps since reset, by class and by kind (cost accounting) */
};
extern struct hw_machine hw;

void hw_init(void);			    /* once: maps the arena */
void hw_reset(const struct hw_config *cfg); /* to the pristine machine; undoes only what was touched */
uint64_t hw_state_hash(void);		    /* xxh3 of all machine state: equal after every reset to the same cfg */

/* Set-up without steps (pristine state of an execution): a zeroed table frame; a raw coherent write. */
void *hw_setup_table(int level); /* -1 to 3 */
void hw_setup_write(void *p, uint64_t v);
/* Translation context of an agent: root table and ASID; NULL: none, every user access faults. Also in the middle of
 * an execution: a change of a CPU's context is a context synchronisation (TTBR0 is written, then ISB). */
void hw_set_context(unsigned agent, void *root, unsigned asid);
/* Root of the kernel's half (TTBR1), the same on every CPU. Its table's level decides how many levels that half has; a root
 * of level -1 takes FEAT_LPA2 and sets TCR_EL1.DS: 52-bit addresses there, and another format of descriptors and range
 * operands in both halves (DDI 0487 D8.2, D8.3.1, C5.5). */
void hw_set_kernel_root(void *root);
/* Temporary mappings: slot i of the fixmap is page i from `va` on (kernel's half), its descriptor ptep[i]; see
 * hw_alias_ptr(). */
void hw_alias_setup(uint64_t va, const uint64_t *ptep);
/* First entry from i on that may be other than zero; the number of entries: none. Of live, once cleared tables. */
unsigned hw_next_entry(const void *table, unsigned i);
unsigned hw_live_tables(void);
/* Nobody runs in `asid` any more, and it is not given out again: cached leaves of it harm nobody. What leads to its
 * tables matters for agents that still have it loaded (lazy TLB). */
void hw_retire_asid(unsigned asid);
/* Software gives a data page back (`pa`: page address): HW_F_PAGE_REACHABLE if a cached translation still leads there. */
void hw_page_free(uint64_t pa, const char *fn, int line);
bool hw_page_reachable(uint64_t pa);	       /* would it? */
void hw_set_current(unsigned cpu, void *task); /* SP_EL0 */
/* A wrong hw_unlock(): a plain store, which the next holder may see before what the section stored. */
void hw_unlock_early(unsigned id, const char *fn, int line);
void hw_run_on(unsigned cpu); /* software now runs on `cpu` (no step) */

/* Perform an access now. Not a step of software; never calls on_step. */
void hw_do_access(struct hw_access *a);
/* Hardware sets AF spontaneously in the leaf for `va` if it is valid, AF=0 and `agent` has HA. Returns whether. */
bool hw_do_spurious_af(unsigned agent, uint64_t va);
/* Drain pending stores of `cpu`: the i-th drainable one (modulo), or all (i < 0). Returns how many drained. */
int hw_do_drain(unsigned cpu, int i);
void hw_do_context_sync(unsigned cpu); /* exception entry/return, ISB effect */

/* For exhaustive exploration. The access in the k-th of all ways it can go now; returns how many there are. */
unsigned hw_explore_access(struct hw_access *a, unsigned k);
unsigned hw_drainable(unsigned cpu); /* different stores that hw_do_drain can drain now */
unsigned hw_late_count(void);	     /* AF/dirty updates promised and not made yet (config.late) */
void hw_do_late(unsigned i);	     /* make one */
uint64_t hw_canon_hash(void);	     /* equal states behave alike: clocks and counters do not enter */

/* Value a location will have once all pending stores drained; no step, no side effect. */
uint64_t hw_peek(const void *p);
/* The same for n entries (at most 128) of one table. */
void hw_peek_run(const uint64_t *p, unsigned n, uint64_t *out);
/* The same, as a place where they can be read until the next step or event: their own, or `buf`. */
const uint64_t *hw_view_run(const uint64_t *p, unsigned n, uint64_t *buf);
/* Could the contiguous block of level-3 entries that begins at p read differently than at the last call? */
bool hw_touched(const uint64_t *p);
/* The same of a whole table. */
bool hw_table_touched(const uint64_t *table);
/* Leaf descriptor location for `va` from `root` by coherent memory (peek semantics), or NULL. */
uint64_t *hw_leaf_slot(void *root, uint64_t va);
/* True if table memory [p, p+8) is inside a live table frame. */
bool hw_in_table(const void *p);
/* Is any pending store or stale value left for the page of `va`? (for the drawing of a block) */
unsigned hw_stale_count(uint64_t va);
const char *hw_finding_str(enum hw_finding f);
const char *hw_fault_str(enum hw_fault f);
const char *hw_tlbi_str(unsigned op); /* "vale1is" */

#endif
