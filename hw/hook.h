/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seam, downwards: all that an implementation under test may call.
 *
 * Property: every effect of page-table code on the machine passes through one of these calls, so each is
 * a *step*: the schedule may run a machine event or another task before it, and it carries the function
 * and line that made it. Plain integers and pointers only; no kernel types.
 *
 * Linked implementations call the functions; loaded ones (dlopen) receive `struct hw_hooks`.
 */
#ifndef HW_HOOK_H
#define HW_HOOK_H

#include <stdbool.h>
#include <stdint.h>

/* Memory ordering of an atomic or a plain access. */
enum hw_order {
	HW_RELAXED, /* no ordering beyond coherence */
	HW_ACQUIRE, /* load-acquire (LDAR) */
	HW_RELEASE, /* store-release (STLR): earlier accesses are visible first */
	HW_ACQ_REL, /* both, a full-strength kernel atomic */
};

/* Barrier instructions. */
enum hw_barrier_kind { HW_DSB, HW_DMB, HW_ISB };

/* Shareability domain of a DSB/DMB; ISB ignores it. */
enum hw_domain { HW_NSH, HW_ISH, HW_OSH, HW_SY };

/* Which accesses a DSB/DMB waits for. */
enum hw_access_type { HW_BAR_FULL, HW_BAR_ST, HW_BAR_LD };

/*
 * TLBI instructions of the EL1&0 regime (DDI 0487 C5.5 / D8.14). VA forms take
 * Xt = ASID[63:48] TTL[47:44] VA[55:12]; range forms Xt = ASID[63:48] TG[47:46] SCALE[45:44] NUM[43:39]
 * TTL[38:37] BaseADDR[36:0]. The IS bit makes the operation broadcast to the Inner Shareable domain.
 */
enum hw_tlbi_op {
	HW_TLBI_VMALLE1, /* everything, this CPU */
	HW_TLBI_ASIDE1,	 /* all non-global entries of one ASID */
	HW_TLBI_VAE1,	 /* one VA and ASID, leaf and table entries */
	HW_TLBI_VALE1,	 /* one VA and ASID, leaf entries only */
	HW_TLBI_VAAE1,	 /* one VA, all ASIDs */
	HW_TLBI_VAALE1,	 /* one VA, all ASIDs, leaf only */
	HW_TLBI_RVAE1,	 /* FEAT_TLBIRANGE forms of the four above */
	HW_TLBI_RVALE1,
	HW_TLBI_RVAAE1,
	HW_TLBI_RVAALE1,
	HW_TLBI_NOPS,
	HW_TLBI_IS = 0x80, /* broadcast variant, OR-ed in */
};

/* Optional CPU features an implementation may ask for. */
enum hw_feature {
	HW_FEAT_HAFDBS_AF,     /* hardware sets the Access flag */
	HW_FEAT_HAFDBS_DBM,    /* hardware manages dirty state */
	HW_FEAT_TTL,	       /* FEAT_TTL: TLBI VA operands carry a level hint */
	HW_FEAT_TLBIRANGE,     /* FEAT_TLBIRANGE */
	HW_FEAT_BBML2,	       /* FEAT_BBM level 2; a conflict may still abort */
	HW_FEAT_BBML2_NOABORT, /* every CPU tolerates changes of block size / contiguous bit, no aborts */
	HW_FEAT_ETS2,
	HW_FEAT_BBML2_NOABORT_CPU, /* this CPU does, whatever the others do */
};

/* `fn`/`line`: place of the call; `fn` must be a string constant (it becomes part of signatures). */
uint64_t hw_load(const void *p, enum hw_order o, const char *fn, int line);
void hw_store(void *p, uint64_t v, enum hw_order o, const char *fn, int line);
/* Returns the old value. Acts on coherent memory at once. */
uint64_t hw_xchg(void *p, uint64_t v, enum hw_order o, const char *fn, int line);
/* Returns the old value; stored `n` iff it equals `old`. */
uint64_t hw_cmpxchg(void *p, uint64_t old, uint64_t n, enum hw_order o, const char *fn, int line);
/* The same, of bits (STSET/LDSET, STCLR/LDCLR): one step each, never a loop. */
uint64_t hw_fetch_or(void *p, uint64_t bits, enum hw_order o, const char *fn, int line);
uint64_t hw_fetch_andnot(void *p, uint64_t bits, enum hw_order o, const char *fn, int line);
void hw_clear_page(void *table, const char *fn, int line);
void hw_barrier(enum hw_barrier_kind k, enum hw_domain d, enum hw_access_type t, const char *fn, int line);
/* `op` is enum hw_tlbi_op, optionally | HW_TLBI_IS; `xt` the encoded operand (ignored by VMALLE1). */
void hw_tlbi(unsigned op, uint64_t xt, const char *fn, int line);
/* mmu_notifier_arch_invalidate_secondary_tlbs: [start, end) in bytes; the only way to reach the SMMU's TLB
 * when it does not listen to broadcasts. */
void hw_notify_secondary(unsigned asid, uint64_t start, uint64_t end, const char *fn, int line);
/* A table page of `level` (0..3), contents poisoned; NULL when the program makes the allocation fail. */
void *hw_table_alloc(unsigned level, const char *fn, int line);
void hw_table_free(void *table, const char *fn, int line);
/* Physical address of table memory and back. */
uint64_t hw_table_pa(const void *table);
void *hw_table_va(uint64_t pa);
/* A pointer through which slot i of the fixmap is accessed: what it reaches is what the slot maps at that moment. */
void *hw_alias_ptr(unsigned slot);
bool hw_feature(enum hw_feature f);
/* The running task (SP_EL0): what the driver gave hw_set_current() for this CPU. No step. */
void *hw_current(void);
/* An implementation that defers stores says so: the store to `p` that `fn` asked for waits, and has been made. One
 * call each a store, nested like the stores (an entry may be queued twice). No steps. */
void hw_queued(void *p, const char *fn, int line);
void hw_executed(void *p);
void hw_lock(unsigned id, const char *fn, int line);
void hw_unlock(unsigned id, const char *fn, int line);
void hw_might_sleep(const char *fn, int line);
void hw_warn(const char *what, const char *fn, int line);
/* Kernel BUG(): ends the execution as a `crash` finding; does not return. */
_Noreturn void hw_bug(const char *what, const char *fn, int line);

/* The same, for a loaded implementation. */
struct hw_hooks {
	uint32_t abi; /* HW_HOOKS_ABI */
	uint64_t (*load)(const void *, enum hw_order, const char *, int);
	void (*store)(void *, uint64_t, enum hw_order, const char *, int);
	uint64_t (*xchg)(void *, uint64_t, enum hw_order, const char *, int);
	uint64_t (*cmpxchg)(void *, uint64_t, uint64_t, enum hw_order, const char *, int);
	uint64_t (*fetch_or)(void *, uint64_t, enum hw_order, const char *, int);
	uint64_t (*fetch_andnot)(void *, uint64_t, enum hw_order, const char *, int);
	void (*clear_page)(void *, const char *, int);
	void (*barrier)(enum hw_barrier_kind, enum hw_domain, enum hw_access_type, const char *, int);
	void (*tlbi)(unsigned, uint64_t, const char *, int);
	void (*notify_secondary)(unsigned, uint64_t, uint64_t, const char *, int);
	void *(*table_alloc)(unsigned, const char *, int);
	void (*table_free)(void *, const char *, int);
	uint64_t (*table_pa)(const void *);
	void *(*table_va)(uint64_t);
	bool (*feature)(enum hw_feature);
	void *(*current)(void);
	void (*queued)(void *, const char *, int);
	void (*executed)(void *);
	void (*lock)(unsigned, const char *, int);
	void (*unlock)(unsigned, const char *, int);
	void (*might_sleep)(const char *, int);
	void (*warn)(const char *, const char *, int);
	void (*bug)(const char *, const char *, int); /* does not return */
	/* Whole kernel maps: hw_alias_ptr(), and hook_mmu.h. */
	void *(*alias_ptr)(unsigned);
	void (*write_ttbr1)(bool, const char *, int);
	void (*write_ttbr0)(void *, unsigned, const char *, int);
	void (*cpu_relax)(const char *, int);
	void (*rcu)(bool, const char *, int);
};
#define HW_HOOKS_ABI 3
extern const struct hw_hooks hw_hooks;

#endif
