/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State features: what engines see beside edges of the implementation.
 *
 * Property: every feature has a place of its own, each family a range of its own, without gaps between them: engines read
 * the whole array after each execution, so its size costs time, and two meanings in one place hide one of them. Only events
 * at steps of functions are hashed, because functions of a loaded implementation have no numbers.
 */
#ifndef FUZZ_FEATURES_H
#define FUZZ_FEATURES_H

#include "exec.h"
#include "ref/ref.h"

/* Operations that begin on a block of a user's space (seam_begin). */
#define FEATURE_USER(X)                                                                                            \
	REF_OPS(X)                                                                                                 \
	X(tlb_flush)                                                                                               \
	X(flush_tlb_mm)                                                                                            \
	X(arch_tlbbatch_flush)                                                                                     \
	X(arch_flush_tlb_batched_pending)                                                                          \
	X(arch_tlbbatch_add_pending)
/* Operations of the kernel's mappings (kseam_begin), and the verbs of lazy MMU mode. */
#define FEATURE_KERNEL(X)                                                                                          \
	X(set_ptes)                                                                                                \
	X(ptep_get_and_clear)                                                                                      \
	X(set_huge_pte_at)                                                                                         \
	X(huge_ptep_get_and_clear)                                                                                 \
	X(flush_tlb_kernel_range)                                                                                  \
	X(kunmap)                                                                                                  \
	X(kprotect)                                                                                                \
	X(arch_enter_lazy_mmu_mode)                                                                                \
	X(arch_leave_lazy_mmu_mode)                                                                                \
	X(arch_flush_lazy_mmu_mode)                                                                                \
	X(lazy_mmu_mode_pause)                                                                                     \
	X(lazy_mmu_mode_resume)

enum feature_user {
	FU_NONE,
#define X(name) FU_##name,
	FEATURE_USER(X)
#undef X
		FU_N
};
enum feature_kernel {
	FK_OTHER,
#define X(name) FK_##name,
	FEATURE_KERNEL(X)
#undef X
		FK_N
};

/* How many of each dimension. */
enum {
	FN_BLOCK = 7,	/* coarse states of a block */
	FN_RANGE = 3,	/* whole blocks, begins inside one, ends inside one */
	FN_CONTEXT = 8, /* a kernel call: lazy, in an interrupt, run; or depth of sections, in an interrupt */
	FN_LEAF = 7,	/* nothing, invalid, a leaf of level 1; of level 2, 3, alone or in a run */
	FN_FATE = 3,	/* served, may be refused, must be */
	FN_RESULT = 3,	/* done, out of memory, refused */
	FN_FLAGS = 8,	/* no blocks, no runs; permissions only */
	FN_SPOT = 16,	/* places of the linear map */
	FN_FROM = 8,	/* where a range of one begins, in what it is counted */
	FN_ACTION = 16, /* split, split_range, repaint, walk, walk_free; then set_memory by what it sets */
	FN_EDGES = 4,	/* the range begins, ends with a leaf or run */
	FN_EVENT = 2048
};

/* Where each family begins; it ends where the next one does. */
enum {
	FEATURE_STATE = 0,						/* FU, block, range */
	FEATURE_PREV = FEATURE_STATE + FU_N * FN_BLOCK * FN_RANGE,	/* FU, FU before it on that block */
	FEATURE_KSEAM = FEATURE_PREV + FU_N * FU_N,			/* FK, context, more than one page */
	FEATURE_CREATE = FEATURE_KSEAM + FK_N * FN_CONTEXT * 2,		/* what was there, fate, result */
	FEATURE_SHAPE = FEATURE_CREATE + FN_LEAF * FN_FATE * FN_RESULT, /* leaf asked for, flags, what was there */
	FEATURE_SPOT = FEATURE_SHAPE + FN_LEAF * FN_FLAGS * FN_LEAF,	/* action, spot */
	FEATURE_FROM = FEATURE_SPOT + FN_ACTION * FN_SPOT,		/* spot, from */
	FEATURE_SPLIT = FEATURE_FROM + FN_SPOT * FN_FROM,		/* action, leaf it begins in, edges */
	FEATURE_EVENT = FEATURE_SPLIT + FN_ACTION * FN_LEAF * FN_EDGES, /* hash of function, class, event */
	FEATURE_END = FEATURE_EVENT + FN_EVENT
};
/* A range that another runs into, or the end, would be seen here. */
_Static_assert(FEATURE_END <= EXEC_NFEATURES, "every family has room");
_Static_assert(EXEC_NFEATURES - FEATURE_END < 512, "and no more than that");

static inline void ex_feature(unsigned i)
{
	exec_features[i] = 1;
}

/* `sort`: enum feature_user of the operation; of the one before it. */
static inline void feature_state(unsigned sort, unsigned before, unsigned block, unsigned range)
{
	ex_feature(FEATURE_STATE + (sort * FN_BLOCK + block) * FN_RANGE + range);
	ex_feature(FEATURE_PREV + sort * FU_N + before);
}

static inline void feature_kseam(unsigned sort, unsigned context, bool many)
{
	ex_feature(FEATURE_KSEAM + (sort * FN_CONTEXT + context) * 2 + many);
}

static inline void feature_event(unsigned hash)
{
	ex_feature(FEATURE_EVENT + hash % FN_EVENT);
}

/* The sort of a leaf of that level, as FN_LEAF counts; `mapped` false: nothing, or (level 3) invalid. */
static inline unsigned feature_leaf(unsigned level, bool cont)
{
	return level < 2 ? 2 : 1 + 2 * (level - 1) + cont;
}

#endif
