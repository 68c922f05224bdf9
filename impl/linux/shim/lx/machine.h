/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for asm/{barrier,cmpxchg}.h, asm-generic/rwonce.h and the two instruction macros of tlbflush.h.
 *
 * Property: every load, store, atomic, barrier and TLBI of the kernel code that concerns a page table becomes
 * exactly one call of hw/hook.h, made from the kernel function and line that wrote it. An access to the
 * kernel's other memory (mm, page structs) is plain and costs no machine step.
 */
#ifndef LX_MACHINE_H
#define LX_MACHINE_H

#include "hw/hook.h"

extern const struct hw_hooks *lx_hooks;
extern unsigned long lx_arena; /* host address of table memory, PA 0 */
/* hw/hw.h: HW_MAX_FRAMES frames, 1 << HW_FRAME_SHIFT bytes apart. */
#define LX_ARENA_SIZE (128ul << 16)
extern unsigned long lx_alias; /* host address of fixmap slot 0; HW_ALIAS_SLOTS of them, as far apart */
#define LX_ALIAS_SIZE (16ul << 16)

/* ---- the hooks whose names the kernel uses for macros of its own */
static __always_inline uint64_t lx_xchg(void *q, uint64_t val, enum hw_order o, const char *fn, int line)
{
	return lx_hooks->xchg(q, val, o, fn, line);
}

static __always_inline uint64_t lx_cmpxchg(void *q, uint64_t old, uint64_t val, enum hw_order o, const char *fn,
					   int line)
{
	return lx_hooks->cmpxchg(q, old, val, o, fn, line);
}

static __always_inline void lx_barrier(enum hw_barrier_kind kind, enum hw_domain domain, enum hw_access_type type,
				       const char *fn, int line)
{
	lx_hooks->barrier(kind, domain, type, fn, line);
}

static __always_inline void *lx_running(void)
{
	return lx_hooks->current();
}

/* ---- which accesses concern page tables. An entry type always does, wherever it points: a store that has
 * run off its table must reach the machine, which reports it, and not the host's memory. */
#define LX_TYPE_IS(obj, t) __builtin_types_compatible_p(typeof(obj), t)
#define LX_IS_ENTRY(obj)                                                                                           \
	(LX_TYPE_IS(obj, pte_t) || LX_TYPE_IS(obj, pmd_t) || LX_TYPE_IS(obj, pud_t) || LX_TYPE_IS(obj, p4d_t) ||   \
	 LX_TYPE_IS(obj, pgd_t))
#define LX_IN_ARENA(q) ((unsigned long)(q)-lx_arena < LX_ARENA_SIZE)
#define LX_IN_ALIAS(q) ((unsigned long)(q)-lx_alias < LX_ALIAS_SIZE)
#ifdef LX_LEVELS
extern unsigned *
	lx_flag; /* of the repainting: low half of a word of the driver's, which only whole words are accessed of */
#define LX_IS_FLAG(q) ((const void *)(q) == (const void *)lx_flag)
#else
#define LX_IS_FLAG(q) false
#endif
#define LX_IS_TABLE(obj, q)                                                                                        \
	(LX_IS_ENTRY(obj) || (sizeof(obj) == 8 && (LX_IN_ARENA(q) || LX_IN_ALIAS(q))) || LX_IS_FLAG(q))

/* ---- rwonce.h. Entries are one-member structs: the union carries them through an integer. */
#define LX_READ(obj, order)                                                                                        \
	({                                                                                                         \
		typeof(&(obj)) lx_p = &(obj);                                                                      \
		union {                                                                                            \
			typeof(obj) lx_obj;                                                                        \
			uint64_t lx_raw;                                                                           \
		} lx_u = {.lx_raw = 0};                                                                            \
		if (LX_IS_TABLE(obj, lx_p))                                                                        \
			lx_u.lx_raw = lx_hooks->load((const void *)lx_p, order, __func__, __LINE__);               \
		else                                                                                               \
			lx_u.lx_obj = *(const volatile typeof(obj) *)lx_p;                                         \
		lx_u.lx_obj;                                                                                       \
	})
#define LX_WRITE(obj, val, order)                                                                                  \
	do {                                                                                                       \
		typeof(&(obj)) lx_p = &(obj);                                                                      \
		union {                                                                                            \
			typeof(obj) lx_obj;                                                                        \
			uint64_t lx_raw;                                                                           \
		} lx_u = {.lx_raw = 0};                                                                            \
		lx_u.lx_obj = (val);                                                                               \
		if (LX_IS_TABLE(obj, lx_p))                                                                        \
			lx_hooks->store((void *)lx_p, lx_u.lx_raw, order, __func__, __LINE__);                     \
		else                                                                                               \
			*(volatile typeof(obj) *)lx_p = lx_u.lx_obj;                                               \
	} while (0)
#define READ_ONCE(obj)		  LX_READ(obj, HW_RELAXED)
#define WRITE_ONCE(obj, val)	  LX_WRITE(obj, val, HW_RELAXED)
#define smp_load_acquire(q)	  LX_READ(*(q), HW_ACQUIRE)
#define smp_store_release(q, val) LX_WRITE(*(q), val, HW_RELEASE)

/* ---- cmpxchg.h: the included code uses atomics on entries only (atomic_t is in mm.h) */
#define LX_CHECK_ATOMIC(q) _Static_assert(sizeof(*(q)) == 8, "atomic on something that is not an entry")
#define LX_XCHG(q, n, order)                                                                                       \
	({                                                                                                         \
		LX_CHECK_ATOMIC(q);                                                                                \
		(typeof(*(q)))lx_xchg((q), (uint64_t)(n), order, __func__, __LINE__);                              \
	})
#define LX_CMPXCHG(q, o, n, order)                                                                                 \
	({                                                                                                         \
		LX_CHECK_ATOMIC(q);                                                                                \
		(typeof(*(q)))lx_cmpxchg((q), (uint64_t)(o), (uint64_t)(n), order, __func__, __LINE__);            \
	})
#define xchg_relaxed(q, n)	 LX_XCHG(q, n, HW_RELAXED)
#define xchg(q, n)		 LX_XCHG(q, n, HW_ACQ_REL)
#define cmpxchg_relaxed(q, o, n) LX_CMPXCHG(q, o, n, HW_RELAXED)
#define cmpxchg(q, o, n)	 LX_CMPXCHG(q, o, n, HW_ACQ_REL)
#define LX_TRY_CMPXCHG(q, expected, n, order)                                                                      \
	({                                                                                                         \
		typeof(*(q)) lx_old = *(expected);                                                                 \
		typeof(*(q)) lx_was = LX_CMPXCHG(q, lx_old, n, order);                                             \
		*(expected) = lx_was;                                                                              \
		lx_was == lx_old;                                                                                  \
	})
#define try_cmpxchg_relaxed(q, expected, n) LX_TRY_CMPXCHG(q, expected, n, HW_RELAXED)
#define try_cmpxchg(q, expected, n)	    LX_TRY_CMPXCHG(q, expected, n, HW_ACQ_REL)

/* ---- barrier.h. The option names of the instruction, split into domain and access type (DDI 0487 C6.2:
 * DSB, DMB). An option that is missing here fails to compile. */
#define LX_OPT_sy    HW_SY, HW_BAR_FULL
#define LX_OPT_st    HW_SY, HW_BAR_ST
#define LX_OPT_ld    HW_SY, HW_BAR_LD
#define LX_OPT_ish   HW_ISH, HW_BAR_FULL
#define LX_OPT_ishst HW_ISH, HW_BAR_ST
#define LX_OPT_ishld HW_ISH, HW_BAR_LD
#define LX_OPT_nsh   HW_NSH, HW_BAR_FULL
#define LX_OPT_nshst HW_NSH, HW_BAR_ST
#define LX_OPT_nshld HW_NSH, HW_BAR_LD
#define LX_OPT_osh   HW_OSH, HW_BAR_FULL
#define LX_OPT_oshst HW_OSH, HW_BAR_ST
#define LX_OPT_oshld HW_OSH, HW_BAR_LD
#define dsb(opt)     lx_barrier(HW_DSB, LX_OPT_##opt, __func__, __LINE__)
#define dmb(opt)     lx_barrier(HW_DMB, LX_OPT_##opt, __func__, __LINE__)
#define isb()	     lx_barrier(HW_ISB, HW_SY, HW_BAR_FULL, __func__, __LINE__)
#define barrier()    __asm__ volatile("" ::: "memory")
#define mb()	     dsb(sy)
#define wmb()	     dsb(st)
#define smp_mb()     dmb(ish)
#define smp_rmb()    dmb(ishld)
#define smp_wmb()    dmb(ishst)
#define cpu_relax()  lx_hooks->cpu_relax(__func__, __LINE__)

/* ---- TLBI. build.sh makes __TLBI_0 and __TLBI_1 of the real tlbflush.h expand to this. */
enum lx_tlbi {
	LX_TLBI_vmalle1 = HW_TLBI_VMALLE1,
	LX_TLBI_vmalle1is = HW_TLBI_VMALLE1 | HW_TLBI_IS,
	LX_TLBI_aside1 = HW_TLBI_ASIDE1,
	LX_TLBI_aside1is = HW_TLBI_ASIDE1 | HW_TLBI_IS,
	LX_TLBI_vae1 = HW_TLBI_VAE1,
	LX_TLBI_vae1is = HW_TLBI_VAE1 | HW_TLBI_IS,
	LX_TLBI_vale1 = HW_TLBI_VALE1,
	LX_TLBI_vale1is = HW_TLBI_VALE1 | HW_TLBI_IS,
	LX_TLBI_vaae1 = HW_TLBI_VAAE1,
	LX_TLBI_vaae1is = HW_TLBI_VAAE1 | HW_TLBI_IS,
	LX_TLBI_vaale1 = HW_TLBI_VAALE1,
	LX_TLBI_vaale1is = HW_TLBI_VAALE1 | HW_TLBI_IS,
	LX_TLBI_rvae1 = HW_TLBI_RVAE1,
	LX_TLBI_rvae1is = HW_TLBI_RVAE1 | HW_TLBI_IS,
	LX_TLBI_rvale1 = HW_TLBI_RVALE1,
	LX_TLBI_rvale1is = HW_TLBI_RVALE1 | HW_TLBI_IS,
	LX_TLBI_rvaae1is = HW_TLBI_RVAAE1 | HW_TLBI_IS,
	LX_TLBI_rvaale1is = HW_TLBI_RVAALE1 | HW_TLBI_IS,
	/* EL2 regime and stage 2: named by tlbflush.h, never executed. */
	LX_TLBI_vale2is = HW_TLBI_NOPS,
	LX_TLBI_vae2is = HW_TLBI_NOPS,
	LX_TLBI_ipas2e1 = HW_TLBI_NOPS,
	LX_TLBI_ipas2e1is = HW_TLBI_NOPS,
	LX_TLBI_ripas2e1is = HW_TLBI_NOPS,
};
#define lx_tlbi(op, operand) lx_hooks->tlbi(op, operand, __func__, __LINE__)

#endif
