/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine keeps its promises: what an observer may see, and only that, for each rule in isolation
 * (litmus_test.c has them together, under every schedule).
 *
 * In the pictures V is a valid entry, C one with the contiguous bit, . an invalid one; lower case is read-only,
 * a number an entry of the block; "mem|" is coherent memory and "tlb|" what some TLB may still hold.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "hw/internal.h"

#define HERE	 __func__, __LINE__
#define ISH_FULL HW_DSB, HW_ISH, HW_BAR_FULL
#define ISH_ST	 HW_DSB, HW_ISH, HW_BAR_ST
#define BASE	 (HW_D_VALID | HW_D_TABLE | HW_D_USER | HW_D_NG | 3ull << 8)
#define CLEAN	 (HW_D_DBM | HW_D_RDONLY)
#define ASID	 1

static struct {
	uint64_t *root, *pmd, *pt, *pt2; /* pt translates [0, ..), pt2 the next table's range */
	struct hw_config cfg;
	enum hw_finding found;
	const char *fn;
	int nfound;
	unsigned steps;
} T;

static void on_finding(enum hw_finding f, const char *fn, int line)
{
	(void)line;
	if (!T.nfound++) {
		T.found = f;
		T.fn = fn;
	}
}

/* Tables for the first two ranges, both linked; cfg in T.cfg. */
static void machine(void)
{
	uint64_t *up = NULL, *t;

	hw_reset(&T.cfg);
	hw.on_finding = on_finding;
	T.nfound = 0;
	T.found = HW_F_NONE;
	for (unsigned level = 4u - hw.geo->levels; level <= 3; level++) {
		t = hw_setup_table(level);
		if (up)
			hw_setup_write(up, hw_table_pa(t) | 3);
		else
			T.root = t;
		T.pmd = level == 2 ? t : T.pmd;
		up = T.pt = t;
	}
	T.pt2 = hw_setup_table(3);
	hw_setup_write(T.pmd + 1, hw_table_pa(T.pt2) | 3);
	for (unsigned a = 0; a < T.cfg.ncpu; a++)
		hw_set_context(a, T.root, ASID);
	if (T.cfg.smmu)
		hw_set_context(HW_SMMU, T.root, ASID);
}

static int setup(void **state)
{
	(void)state;
	memset(&T, 0, sizeof(T));
	T.cfg.ncpu = 2;
	T.cfg.ttl = T.cfg.tlbirange = true;
	T.cfg.drain = HW_DRAIN_LAZY;
	machine();
	return 0;
}

static uint64_t leaf(uint64_t pfn, uint64_t bits)
{
	return pfn << hw.geo->page_shift | BASE | HW_D_AF | bits;
}

static uint64_t va_of(unsigned page)
{
	return (uint64_t)page << hw.geo->page_shift;
}

static void put(unsigned i, uint64_t v)
{
	hw_store(T.pt + i, v, HW_RELAXED, HERE);
}

static uint64_t get(unsigned i)
{
	return hw_load(T.pt + i, HW_RELAXED, HERE);
}

static void bar(enum hw_barrier_kind k, enum hw_domain d, enum hw_access_type t)
{
	hw_barrier(k, d, t, HERE);
}

static struct hw_access touch(unsigned agent, unsigned page, bool write, enum hw_xlate how)
{
	struct hw_access a = {.agent = (uint8_t)agent, .write = write, .va = va_of(page)};

	hw.cfg.xlate = (uint8_t)how;
	hw_do_access(&a);
	return a;
}

/* Can an access by this agent still reach pfn when served by the stalest value? */
static bool reaches(unsigned agent, unsigned page, uint64_t pfn)
{
	const struct hw_access a = touch(agent, page, false, HW_XLATE_STALE);

	return a.fault == HW_OK && a.pa == pfn << hw.geo->page_shift;
}

static uint64_t xt_va(unsigned page, unsigned ttl)
{
	return (uint64_t)ASID << 48 | (uint64_t)ttl << 44 | va_of(page) >> 12;
}

static uint64_t xt_range(unsigned page, unsigned num, unsigned scale, unsigned ttl, unsigned tg)
{
	return (uint64_t)ASID << 48 | (uint64_t)tg << 46 | (uint64_t)scale << 44 | (uint64_t)num << 39 |
	       (uint64_t)ttl << 37 | va_of(page) >> hw.geo->page_shift;
}

static unsigned ttl3(void)
{
	return hw.geo->tg << 2 | 3u;
}

/* dsb; tlbi; dsb: the sequence that works. */
static void flush(unsigned op, uint64_t xt)
{
	bar(ISH_ST);
	hw_tlbi(op, xt, HERE);
	bar(ISH_FULL);
}

static void expect(enum hw_finding f)
{
	assert_string_equal(hw_finding_str(T.found), hw_finding_str(f));
	T.nfound = 0;
	T.found = HW_F_NONE;
}

/* ---- pending stores ---- */

/*
 *	cpu0:  store 0 = V      own load V   cpu1 load .   until the drain
 */
static void pend_visibility(void **state)
{
	(void)state;
	put(0, leaf(7, 0));
	assert_int_equal(get(0), leaf(7, 0));
	hw_run_on(1);
	assert_int_equal(get(0), 0);
	assert_int_equal(hw_peek(T.pt), leaf(7, 0));
	assert_int_equal(touch(1, 0, false, HW_XLATE_FRESH).fault, HW_FAULT_TRANSLATION);
	assert_int_equal(hw_do_drain(0, 0), 1);
	assert_int_equal(get(0), leaf(7, 0));
	assert_int_equal(touch(1, 0, false, HW_XLATE_FRESH).fault, HW_OK);
}

/*
 *	store 0, store 1, DMB, store 2:  2 drains after both, 1 may overtake 0
 */
static void pend_dmb_order(void **state)
{
	(void)state;
	put(0, leaf(7, 0));
	put(1, leaf(8, 0));
	bar(HW_DMB, HW_ISH, HW_BAR_ST);
	put(2, leaf(9, 0));
	assert_int_equal(hw_do_drain(0, 1), 1);
	hw_run_on(1);
	assert_int_equal(get(0), 0);
	assert_int_equal(get(1), leaf(8, 0));
	assert_int_equal(hw_do_drain(0, 1), 1); /* only store 0 is drainable: 1 modulo 1 */
	assert_int_equal(get(0), leaf(7, 0));
	assert_int_equal(get(2), 0);
	assert_int_equal(hw_do_drain(0, -1), 1);
	assert_int_equal(get(2), leaf(9, 0));
}

/*
 *	store 0 = A, store 0 = B:  A never follows B;  DMB LD and DMB NSH start no new group
 */
static void pend_same_slot(void **state)
{
	(void)state;
	put(0, leaf(7, 0));
	put(0, leaf(8, 0));
	bar(HW_DMB, HW_ISH, HW_BAR_LD);
	bar(HW_DMB, HW_NSH, HW_BAR_FULL);
	put(1, leaf(9, 0));
	hw_do_drain(0, 1); /* drainable: first store of 0, store of 1 */
	hw_run_on(1);
	assert_int_equal(get(0), 0);
	assert_int_equal(get(1), leaf(9, 0));
	hw_do_drain(0, 1);
	assert_int_equal(get(0), leaf(7, 0));
	hw_do_drain(0, 0);
	assert_int_equal(get(0), leaf(8, 0));
}

/*
 *	dsb ld, dmb: nothing drains;  dsb nshst: the own walker only;  dsb ishst: everybody
 */
static void pend_barriers(void **state)
{
	(void)state;
	put(0, leaf(7, 0));
	bar(HW_DSB, HW_ISH, HW_BAR_LD);
	bar(HW_DMB, HW_SY, HW_BAR_FULL);
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	bar(HW_DSB, HW_NSH, HW_BAR_ST);
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	bar(HW_ISB, HW_SY, HW_BAR_FULL);
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_OK);
	assert_int_equal(touch(1, 0, false, HW_XLATE_FRESH).fault, HW_FAULT_TRANSLATION);
	bar(ISH_ST);
	assert_int_equal(touch(1, 0, false, HW_XLATE_FRESH).fault, HW_OK);
}

/* A full set makes room by draining its oldest; a release drains what came before it. */
static void pend_cap_and_release(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PEND_MAX + 1; i++)
		put(i % 16, leaf(7 + i, 0));
	hw_run_on(1);
	assert_int_equal(get(0), leaf(7, 0));
	hw_run_on(0);
	hw_store(T.pt + 1, 0, HW_RELEASE, HERE);
	hw_run_on(1);
	assert_int_equal(get(0), leaf(7 + PEND_MAX, 0));
	assert_int_not_equal(get(1), 0);
}

/* An atomic acts at once, after own stores to its entry and those that a DMB orders before it. */
static void pend_atomics(void **state)
{
	(void)state;
	put(0, leaf(7, 0));
	put(1, leaf(8, 0));
	assert_int_equal(hw_xchg(T.pt, leaf(9, 0), HW_RELAXED, HERE), leaf(7, 0));
	hw_run_on(1);
	assert_int_equal(get(0), leaf(9, 0));
	assert_int_equal(get(1), 0);
	hw_run_on(0);
	bar(HW_DMB, HW_ISH, HW_BAR_ST);
	assert_int_equal(hw_cmpxchg(T.pt + 2, 5, 6, HW_RELAXED, HERE), 0);
	hw_run_on(1);
	assert_int_equal(get(1), leaf(8, 0));
}

/* Unlock publishes to the next holder, and to nobody before that. */
static void pend_lock_handover(void **state)
{
	(void)state;
	hw_lock(3, HERE);
	put(0, leaf(7, 0));
	hw_unlock(3, HERE);
	hw_run_on(1);
	assert_int_equal(get(0), 0);
	hw_lock(3, HERE);
	assert_int_equal(get(0), leaf(7, 0));
	hw_might_sleep(HERE);
	expect(HW_F_CONTEXT);
	hw_unlock(3, HERE);
	hw_might_sleep(HERE);
	assert_int_equal(T.nfound, 0);
	hw_unlock(3, HERE);
	expect(HW_F_LOCK);
}

/* reversed: stores gather, then the newest of the oldest group drains at each later step. */
static void pend_reversed(void **state)
{
	(void)state;
	T.cfg.drain = HW_DRAIN_REVERSED;
	machine();
	put(0, leaf(7, 0));
	put(1, leaf(8, 0));
	get(5);
	assert_int_equal(coh_read((uint32_t)(T.pt - hw_m.mem)), 0);
	assert_int_equal(coh_read((uint32_t)(T.pt + 1 - hw_m.mem)), leaf(8, 0));
	get(5);
	assert_int_equal(coh_read((uint32_t)(T.pt - hw_m.mem)), leaf(7, 0));
}

/*
 * clear_page is plain stores: a walker of another CPU reads poison through a table linked too early.
 *
 *	alloc, clear, link   without a barrier, drained in reverse
 */
static void pend_clear_page(void **state)
{
	uint64_t *t;

	(void)state;
	t = hw_table_alloc(3, HERE);
	hw_clear_page(t, HERE);
	assert_int_equal(hw_load(t + 3, HW_RELAXED, HERE), 0);
	hw_store(T.pmd + 2, hw_table_pa(t) | 3, HW_RELAXED, HERE);
	hw_do_drain(0, 1);
	assert_int_equal(touch(1, 32, false, HW_XLATE_FRESH).fault, HW_FAULT_TRANSLATION);
	expect(HW_F_POISON_WALK);
	hw_do_drain(0, -1);
	assert_int_equal(touch(1, 32, false, HW_XLATE_FRESH).fault, HW_FAULT_TRANSLATION);
	assert_int_equal(T.nfound, 0);
}

/* hw_peek_run is hw_peek for each entry, whatever is pending where. */
static void peek_run(void **state)
{
	uint64_t out[16];

	(void)state;
	hw_setup_write(T.pt + 3, leaf(3, 0));
	for (unsigned round = 0; round < 3; round++) {
		put(2 + round, leaf(20 + round, 0));
		hw_run_on(1);
		put(3, leaf(30 + round, 0));
		hw_run_on(0);
		if (round == 2)
			hw_clear_page(T.pt, HERE);
		hw_peek_run(T.pt, 16, out);
		for (unsigned i = 0; i < 16; i++)
			assert_int_equal(out[i], hw_peek(T.pt + i));
	}
}

/* The own walker may miss pending stores, but never sees a newer group without an older one. */
static void own_walker(void **state)
{
	uint64_t *t = hw_setup_table(3);

	(void)state;
	hw_store(t, leaf(7, 0), HW_RELAXED, HERE);
	hw_store(T.pmd + 2, hw_table_pa(t) | 3, HW_RELAXED, HERE);
	hw.cfg.xlate = HW_XLATE_ALTERNATE;
	for (unsigned k = 0; k < 3; k++) { /* memory; the link without the leaf; both */
		struct hw_access a = {.va = va_of(32)};

		hw_do_access(&a);
		assert_int_equal(a.fault, k == 2 ? HW_OK : HW_FAULT_TRANSLATION);
		assert_int_equal(a.level, k == 0 ? 2 : 3);
	}
	machine();
	t = hw_setup_table(3);
	hw_store(t, leaf(7, 0), HW_RELAXED, HERE);
	bar(HW_DMB, HW_ISH, HW_BAR_ST);
	hw_store(T.pmd + 2, hw_table_pa(t) | 3, HW_RELAXED, HERE);
	hw.cfg.xlate = HW_XLATE_ALTERNATE;
	for (unsigned k = 0; k < 6; k++) {
		struct hw_access a = {.va = va_of(32)};

		hw_do_access(&a);
		assert_true(a.fault == HW_OK || a.level == 2);
	}
}

/* ---- TLB maintenance ---- */

/*
 *	mem|V..|  ->  mem|...|  tlb|V..|     no DSB before the TLBI: V survives, store or atomic
 */
static void tlbi_needs_dsb_before(void **state)
{
	(void)state;
	for (int atomic = 0; atomic < 2; atomic++) {
		machine();
		hw_setup_write(T.pt, leaf(7, 0));
		if (atomic)
			hw_xchg(T.pt, 0, HW_ACQ_REL, HERE);
		else
			put(0, 0);
		hw_tlbi(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 0), HERE);
		bar(ISH_FULL);
		assert_true(reaches(1, 0, 7));
		flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 0));
		assert_false(reaches(1, 0, 7));
	}
}

/* What another CPU replaced is covered after any DSB of this one, its own stores only after one for stores. */
static void tlbi_dsb_kinds_before(void **state)
{
	(void)state;
	hw_setup_write(T.pt, leaf(7, 0));
	hw_setup_write(T.pt + 1, leaf(8, 0));
	hw_xchg(T.pt, 0, HW_RELAXED, HERE);
	hw_run_on(1);
	hw_xchg(T.pt + 1, 0, HW_RELAXED, HERE);
	bar(HW_DSB, HW_ISH, HW_BAR_LD);
	hw_tlbi(HW_TLBI_VMALLE1 | HW_TLBI_IS, 0, HERE);
	bar(ISH_FULL);
	assert_false(reaches(0, 0, 7));
	assert_true(reaches(0, 1, 8));
	bar(HW_DSB, HW_NSH, HW_BAR_ST); /* not wide enough for a broadcast */
	machine();
	hw_setup_write(T.pt, leaf(7, 0));
	hw_xchg(T.pt, 0, HW_RELAXED, HERE);
	bar(HW_DSB, HW_NSH, HW_BAR_ST);
	hw_tlbi(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 0), HERE);
	hw_tlbi(HW_TLBI_VALE1, xt_va(0, 0), HERE);
	bar(ISH_FULL);
	assert_false(reaches(0, 0, 7));
	assert_true(reaches(1, 0, 7));
}

/*
 *	dsb; tlbi; {nothing | dsb st | dsb ld | dmb | dsb nsh}: not complete.   dsb ish: complete
 */
static void tlbi_completion(void **state)
{
	(void)state;
	hw_setup_write(T.pt, leaf(7, 0));
	put(0, 0);
	bar(ISH_ST);
	hw_tlbi(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, ttl3()), HERE);
	assert_true(reaches(1, 0, 7));
	bar(ISH_ST);
	bar(HW_DSB, HW_SY, HW_BAR_LD);
	bar(HW_DMB, HW_SY, HW_BAR_FULL);
	bar(HW_DSB, HW_NSH, HW_BAR_FULL);
	assert_true(reaches(1, 0, 7));
	hw_run_on(1);
	bar(ISH_FULL); /* of another CPU */
	assert_true(reaches(1, 0, 7));
	hw_run_on(0);
	bar(ISH_FULL);
	assert_false(reaches(1, 0, 7));
	assert_false(reaches(0, 0, 7));
}

/* An entry that came back and was replaced again after the TLBI is not covered by it. */
static void tlbi_value_returns(void **state)
{
	(void)state;
	hw_setup_write(T.pt, leaf(7, 0));
	hw_xchg(T.pt, 0, HW_RELAXED, HERE);
	bar(ISH_ST);
	hw_tlbi(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 0), HERE);
	hw_xchg(T.pt, leaf(7, 0), HW_RELAXED, HERE);
	hw_xchg(T.pt, 0, HW_RELAXED, HERE);
	bar(ISH_FULL);
	assert_true(reaches(1, 0, 7));
}

/*
 *	tlbi vale1 (local) on cpu0:   cpu0|.|   cpu1|V|
 */
static void tlbi_local(void **state)
{
	(void)state;
	hw_setup_write(T.pt, leaf(7, 0));
	put(0, 0);
	flush(HW_TLBI_VALE1, xt_va(0, 0));
	assert_false(reaches(0, 0, 7));
	assert_true(reaches(1, 0, 7));
	machine();
	hw_setup_write(T.pt, leaf(7, 0));
	put(0, 0);
	bar(HW_DSB, HW_ISH, HW_BAR_ST);
	hw_tlbi(HW_TLBI_VAAE1, xt_va(0, 0), HERE);
	bar(HW_DSB, HW_NSH, HW_BAR_FULL);
	assert_false(reaches(0, 0, 7));
}

/* ASIDs: another one does not match a non-global entry; VAA and global do. */
static void tlbi_asid(void **state)
{
	const uint64_t other = 9ull << 48;

	(void)state;
	hw_setup_write(T.pt, leaf(7, 0));
	hw_setup_write(T.pt + 1, leaf(8, 0) & ~HW_D_NG);
	put(0, 0);
	put(1, 0);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, other | va_of(0) >> 12);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, other | va_of(1) >> 12);
	flush(HW_TLBI_ASIDE1 | HW_TLBI_IS, other);
	assert_true(reaches(1, 0, 7));
	assert_false(reaches(1, 1, 8));
	flush(HW_TLBI_VAALE1 | HW_TLBI_IS, other | va_of(0) >> 12);
	assert_false(reaches(1, 0, 7));
	machine();
	hw_setup_write(T.pt, leaf(7, 0));
	hw_setup_write(T.pt + 1, leaf(8, 0) & ~HW_D_NG);
	put(0, 0);
	put(1, 0);
	flush(HW_TLBI_ASIDE1 | HW_TLBI_IS, (uint64_t)ASID << 48);
	assert_false(reaches(1, 0, 7));
	assert_true(reaches(1, 1, 8));
}

/* TTL: level 3 of the right granule removes; level 2, or another granule, need not; without FEAT_TTL ignored. */
static void tlbi_ttl(void **state)
{
	(void)state;
	hw_setup_write(T.pt, leaf(7, 0));
	put(0, 0);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, hw.geo->tg << 2 | 2u));
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 3u << 2 | 3u));
	assert_true(reaches(1, 0, 7));
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 3)); /* 0b0011: no hint */
	assert_false(reaches(1, 0, 7));
	T.cfg.ttl = false;
	machine();
	hw_setup_write(T.pt, leaf(7, 0));
	put(0, 0);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, hw.geo->tg << 2 | 2u));
	assert_false(reaches(1, 0, 7));
}

/*
 *	mem|VVVVVVVV|  range of 4 pages from 2:  tlb|VV....VV|    scale 0, num 1: (1 + 1) * 2 pages
 */
static void tlbi_range(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		hw_setup_write(T.pt + i, leaf(100 + i, 0));
	for (unsigned i = 0; i < 8; i++)
		put(i, 0);
	flush(HW_TLBI_RVALE1 | HW_TLBI_IS, xt_range(2, 1, 0, 3, 3)); /* wrong granule */
	flush(HW_TLBI_RVALE1 | HW_TLBI_IS, xt_range(2, 1, 0, 2, 1)); /* level 2, misaligned base */
	for (unsigned i = 0; i < 8; i++)
		assert_true(reaches(1, i, 100 + i));
	flush(HW_TLBI_RVALE1 | HW_TLBI_IS, xt_range(2, 1, 0, 3, 1));
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(reaches(1, i, 100 + i), i < 2 || i >= 6);
	flush(HW_TLBI_RVAAE1 | HW_TLBI_IS, xt_range(0, 0, 1, 0, 1)); /* 64 pages */
	for (unsigned i = 0; i < 8; i++)
		assert_false(reaches(1, i, 100 + i));
}

static jmp_buf bug_jmp;

static void on_bug(const char *what, const char *fn, int line)
{
	(void)fn;
	(void)line;
	assert_string_equal(what, "undefined TLBI");
	longjmp(bug_jmp, 1);
}

static void tlbi_undefined(void **state)
{
	(void)state;
	T.cfg.tlbirange = false;
	machine();
	hw.on_bug = on_bug;
	if (!setjmp(bug_jmp)) {
		hw_tlbi(HW_TLBI_RVALE1 | HW_TLBI_IS, xt_range(0, 0, 0, 0, 1), HERE);
		fail();
	}
	hw.on_bug = NULL;
}

/*
 *	mem|CCCC|  ->  mem|....|  tlb|CCCC|     one page's TLBI removes the block entry
 */
static void tlbi_contiguous(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		hw_setup_write(T.pt + i, leaf(16 + i, HW_D_CONT));
	hw_xchg(T.pt + 1, 0, HW_RELAXED, HERE);
	for (unsigned i = 0; i < 4; i++)
		assert_true(reaches(1, i, 16 + i));
	for (unsigned i = 0; i < 4; i++)
		put(i, 0);
	bar(ISH_ST);
	for (unsigned i = 0; i < 4; i++)
		assert_true(reaches(1, i, 16 + i));
	assert_int_equal(hw_stale_count(va_of(2)), 1);
	/* The bit is a hint: entries may have been cached one by one, and each has to go. */
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, ttl3()));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(reaches(1, i, 16 + i), i > 0);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(3, ttl3()));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(reaches(1, i, 16 + i), i == 1 || i == 2);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(1, ttl3()));
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(2, ttl3()));
	for (unsigned i = 0; i < 4; i++)
		assert_false(reaches(1, i, 16 + i));
	assert_int_equal(hw_stale_count(va_of(2)), 0);
}

/*
 *	mem|C.CC|   after the flush of 1: entry 1 is still translated by a TLB filled from a neighbour
 */
static void cont_sibling_fill(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		hw_setup_write(T.pt + i, leaf(16 + i, HW_D_CONT));
	hw_xchg(T.pt + 1, 0, HW_RELAXED, HERE);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(1, 0));
	assert_true(reaches(1, 1, 17));
	assert_int_equal(touch(1, 1, false, HW_XLATE_FRESH).fault, HW_FAULT_TRANSLATION);
	assert_true(touch(1, 1, false, HW_XLATE_STALE).stale);
}

/* A misaligned contiguous entry has two meanings: its own address, and the block's with the low bits of the VA. */
static void cont_misaligned(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		hw_setup_write(T.pt + i, leaf(17 + i, HW_D_CONT));
	assert_true(reaches(1, 0, 16));
	assert_int_equal(touch(1, 0, false, HW_XLATE_FRESH).pa, 17ull << hw.geo->page_shift);
}

/* ---- early walks ---- */

/*
 *	mem|.| -> mem|V|   dsb: cpu0 and cpu1 may fault still, each until its own ISB
 */
static void early_until_isb(void **state)
{
	(void)state;
	T.cfg.early = true;
	machine();
	put(0, leaf(7, 0));
	bar(ISH_FULL);
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	assert_true(touch(1, 0, false, HW_XLATE_STALE).stale);
	assert_int_equal(touch(1, 0, false, HW_XLATE_FRESH).fault, HW_OK);
	bar(HW_ISB, HW_SY, HW_BAR_FULL);
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_OK);
	assert_int_equal(touch(1, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	hw_do_context_sync(1);
	assert_int_equal(touch(1, 0, false, HW_XLATE_STALE).fault, HW_OK);
	T.cfg.ets2 = true;
	machine();
	put(0, leaf(7, 0));
	bar(ISH_FULL);
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_OK);
	assert_int_equal(touch(1, 0, false, HW_XLATE_STALE).fault, HW_OK);
}

/* A completed broadcast ends early walks elsewhere; the issuer's own last until its ISB. */
static void early_and_tlbi(void **state)
{
	(void)state;
	T.cfg.early = true;
	machine();
	hw_setup_write(T.pt, leaf(7, 0));
	put(0, 0);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 0));
	assert_false(reaches(1, 0, 7));
	assert_true(reaches(0, 0, 7));
	bar(HW_ISB, HW_SY, HW_BAR_FULL);
	assert_false(reaches(0, 0, 7));
}

/* The issuer's early walks do not outlive a table: after the completed non-leaf TLBI it may be freed at once. */
static void early_and_free(void **state)
{
	(void)state;
	T.cfg.early = true;
	machine();
	hw_setup_write(T.pt, leaf(7, 0));
	hw_store(T.pmd, 0, HW_RELAXED, HERE);
	flush(HW_TLBI_VAE1 | HW_TLBI_IS, xt_va(0, 0));
	hw_table_free(T.pt, HERE);
	assert_int_equal(touch(1, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	assert_true(reaches(0, 0, 7)); /* what its walk found before; no walk enters the table */
	bar(HW_ISB, HW_SY, HW_BAR_FULL);
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	expect(HW_F_NONE);
}

/* ---- access flag and dirty state ---- */

static void updater_config(unsigned upd)
{
	memset(T.cfg.update, (int)upd, sizeof(T.cfg.update));
	machine();
}

/* Modes: AF=0 faults, or is set; a clean entry faults, or becomes dirty; never an invalid one. */
static void update_modes(void **state)
{
	struct hw_access a;

	(void)state;
	for (unsigned upd = HW_UPD_NONE; upd <= HW_UPD_AF_DIRTY; upd++) {
		updater_config(upd);
		hw_setup_write(T.pt, leaf(7, CLEAN) & ~HW_D_AF);
		hw_setup_write(T.pt + 1, (leaf(8, CLEAN) & ~HW_D_AF) ^ HW_D_VALID);
		a = touch(0, 0, false, HW_XLATE_FRESH);
		assert_int_equal(a.fault, upd ? HW_OK : HW_FAULT_AF);
		assert_int_equal(a.set_af, upd != HW_UPD_NONE);
		assert_int_equal(a.recorded, upd != HW_UPD_NONE);
		assert_int_equal(get(0) & HW_D_AF, upd ? HW_D_AF : 0);
		assert_true(get(0) & HW_D_RDONLY);
		a = touch(0, 0, true, HW_XLATE_FRESH);
		assert_int_equal(a.fault, upd == 0 ? HW_FAULT_AF : upd == 1 ? HW_FAULT_PERMISSION : HW_OK);
		assert_int_equal(a.set_dirty, upd == HW_UPD_AF_DIRTY);
		assert_int_equal(get(0) & HW_D_RDONLY, upd == HW_UPD_AF_DIRTY ? 0 : HW_D_RDONLY);
		assert_int_equal(touch(0, 1, true, HW_XLATE_FRESH).fault, HW_FAULT_TRANSLATION);
		assert_false(hw_do_spurious_af(0, va_of(1)));
		assert_int_equal(get(1), (leaf(8, CLEAN) & ~HW_D_AF) ^ HW_D_VALID);
		assert_int_equal(T.nfound, 0);
	}
}

static void update_spurious_af(void **state)
{
	(void)state;
	updater_config(HW_UPD_AF);
	hw_setup_write(T.pt, leaf(7, CLEAN) & ~HW_D_AF);
	assert_true(hw_do_spurious_af(1, va_of(0)));
	assert_int_equal(get(0), leaf(7, CLEAN));
	assert_false(hw_do_spurious_af(1, va_of(0)));
}

/*
 *	mem|cccc|  a store to page 1 makes entry {1 | 0 | 3} dirty, by the pick; SMMU: the accessed one
 */
static void update_picks(void **state)
{
	static const struct {
		enum hw_pickmode pick;
		unsigned agent, entry;
	} rows[] = {
		{HW_PICK_ACCESSED, 0, 1}, {HW_PICK_FIRST, 0, 0}, {HW_PICK_LAST, 0, 3}, {HW_PICK_FIRST, HW_SMMU, 1}};

	(void)state;
	for (unsigned r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct hw_access a;

		T.cfg.smmu = true;
		T.cfg.pick = (uint8_t)rows[r].pick;
		updater_config(HW_UPD_AF_DIRTY);
		for (unsigned i = 0; i < 4; i++)
			hw_setup_write(T.pt + i, leaf(16 + i, HW_D_CONT | CLEAN) & ~HW_D_AF);
		a = touch(rows[r].agent, 1, true, HW_XLATE_FRESH);
		assert_int_equal(a.fault, HW_OK);
		assert_int_equal(a.pa, 17ull << hw.geo->page_shift);
		assert_true(a.recorded && a.recorded_dirty);
		for (unsigned i = 0; i < 4; i++) {
			const uint64_t want = i == rows[r].entry ? HW_D_AF : HW_D_RDONLY;

			assert_int_equal(get(i) & (HW_D_AF | HW_D_RDONLY), want);
		}
	}
}

/*
 *	tlb|v|  mem|V'|: a store through the cached clean value acts on the descriptor that is there now
 */
static void update_against_changed(void **state)
{
	struct hw_access a;

	(void)state;
	updater_config(HW_UPD_AF_DIRTY);
	hw_setup_write(T.pt, leaf(7, CLEAN));
	hw_xchg(T.pt, 0, HW_RELAXED, HERE);
	a = touch(1, 0, true, HW_XLATE_STALE);
	assert_int_equal(a.fault, HW_FAULT_TRANSLATION);
	assert_int_equal(get(0), 0);
	hw_xchg(T.pt, leaf(9, CLEAN), HW_RELAXED, HERE);
	T.nfound = 0;
	a = touch(1, 0, true, HW_XLATE_STALE);
	assert_int_equal(a.fault, HW_OK);
	assert_int_equal(a.pa, 9ull << hw.geo->page_shift);
	assert_int_equal(get(0), leaf(9, HW_D_DBM));
	assert_int_equal(touch(1, 0, false, HW_XLATE_STALE).pa, 7ull << hw.geo->page_shift);
}

/* A cached dirty entry serves stores after it was cleaned and leaves no trace; after the flush it cannot. */
static void update_stale_dirty(void **state)
{
	struct hw_access a;

	(void)state;
	updater_config(HW_UPD_AF_DIRTY);
	hw_setup_write(T.pt, leaf(7, HW_D_DBM));
	hw_xchg(T.pt, leaf(7, CLEAN), HW_RELAXED, HERE);
	a = touch(1, 0, true, HW_XLATE_STALE);
	assert_int_equal(a.fault, HW_OK);
	assert_true(a.recorded);
	assert_false(a.recorded_dirty);
	assert_false(a.set_dirty);
	assert_int_equal(get(0), leaf(7, CLEAN));
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 0));
	a = touch(1, 0, true, HW_XLATE_STALE);
	assert_true(a.set_dirty);
	assert_true(a.recorded_dirty);
}

/* CPU 1 cannot update: after CPU 0 made the entry dirty, a clean copy may make CPU 1 fault until it is flushed. */
static void update_mixed_cpus(void **state)
{
	(void)state;
	T.cfg.update[0] = HW_UPD_AF_DIRTY;
	machine();
	hw_setup_write(T.pt, leaf(7, CLEAN));
	assert_true(touch(0, 0, true, HW_XLATE_FRESH).set_dirty);
	assert_int_equal(touch(0, 0, true, HW_XLATE_STALE).fault, HW_OK);
	assert_int_equal(touch(1, 0, true, HW_XLATE_STALE).fault, HW_FAULT_PERMISSION);
	assert_int_equal(touch(1, 0, true, HW_XLATE_FRESH).fault, HW_OK);
	hw_run_on(1);
	flush(HW_TLBI_VALE1, xt_va(0, 0));
	assert_int_equal(touch(1, 0, true, HW_XLATE_STALE).fault, HW_OK);
}

/* a->fresh walks coherent memory whatever is cached or pending. */
static void access_fresh(void **state)
{
	struct hw_access a = {.va = va_of(0), .fresh = true};

	(void)state;
	hw_setup_write(T.pt, leaf(7, 0));
	hw_xchg(T.pt, 0, HW_RELAXED, HERE);
	put(0, leaf(8, 0));
	hw.cfg.xlate = HW_XLATE_STALE;
	hw_do_access(&a);
	assert_int_equal(a.fault, HW_FAULT_TRANSLATION);
	assert_int_equal(hw_m.cpu[0].npend, 1);
}

/* ---- break-before-make ---- */

/* Replaces entry 0 = `old` by `v`, with a proper break and flush in between if asked. */
static enum hw_finding bbm_case(unsigned bbml, uint64_t old, uint64_t v, bool brk)
{
	T.cfg.bbml = (uint8_t)bbml;
	machine();
	hw_setup_write(T.pt, old);
	if (brk) {
		hw_xchg(T.pt, 0, HW_RELAXED, "breaker", 1);
		flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 0));
	}
	hw_xchg(T.pt, v, HW_RELAXED, "maker", 1);
	assert_true(!T.nfound || !strcmp(T.fn, "maker"));
	return T.found;
}

static void bbm_one_entry(void **state)
{
	const uint64_t sw = 1ull << 55;

	(void)state;
	for (unsigned l = 0; l < 4; l++) {
		const uint64_t v = leaf(16, 0), sh = 3ull << 8;

		assert_int_equal(bbm_case(l, v, leaf(17, 0), false), HW_F_BBM_OA);
		assert_int_equal(bbm_case(l, v, leaf(17, 0), true), HW_F_NONE);
		assert_int_equal(bbm_case(l, v, v | 1ull << 2, false), HW_F_BBM_OA);
		assert_int_equal(bbm_case(l, v, v & ~sh, false), HW_F_BBM_OA);
		assert_int_equal(bbm_case(l, v, v & ~HW_D_NG, false), HW_F_BBM_OA);
		assert_int_equal(bbm_case(l, v & ~HW_D_NG, v, false), HW_F_NONE);
		assert_int_equal(bbm_case(l, v, v | CLEAN | sw | HW_D_UXN, false), HW_F_NONE);
		assert_int_equal(bbm_case(l, v | CLEAN, v & ~HW_D_AF, false), HW_F_NONE);
		assert_int_equal(bbm_case(l, v & ~HW_D_AF, leaf(17, 0), false), HW_F_NONE);
		assert_int_equal(bbm_case(l, v, v | HW_D_CONT, false), l ? HW_F_NONE : HW_F_BBM_CONT);
		assert_int_equal(bbm_case(l, v | HW_D_CONT, v, false), l ? HW_F_NONE : HW_F_BBM_CONT);
		assert_int_equal(bbm_case(l, v | HW_D_CONT, leaf(17, 0), false), HW_F_BBM_OA);
	}
}

/* valid -> 0 -> another address without a TLBI in between is as bad as without the break */
static void bbm_break_without_flush(void **state)
{
	(void)state;
	hw_setup_write(T.pt, leaf(16, 0));
	hw_xchg(T.pt, 0, HW_RELAXED, HERE);
	hw_xchg(T.pt, leaf(17, 0), HW_RELAXED, HERE);
	expect(HW_F_BBM_OA);
}

/*
 *	|....| -> |C...| -> |CC..| -> |CCCC|       fine, in any order of draining
 *	|CCCC| -> |C.CC|                           fine: a break in progress
 *	|C.CC| -> |CVCC|                           a page beside its own block
 */
static void bbm_blocks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		put(i, leaf(16 + i, HW_D_CONT));
	while (hw_do_drain(0, 1))
		;
	assert_int_equal(T.nfound, 0);
	hw_xchg(T.pt + 1, 0, HW_RELAXED, HERE);
	assert_int_equal(T.nfound, 0);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(1, 0));
	hw_xchg(T.pt + 1, leaf(17, 0), HW_RELAXED, HERE);
	expect(HW_F_BBM_CONT);
	hw_xchg(T.pt + 1, 0, HW_RELAXED, HERE);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(1, 0));
	hw_xchg(T.pt + 1, leaf(99, 0), HW_RELAXED, HERE);
	expect(HW_F_BBM_OA);
}

/*
 *	tlb|VVVV| mem|....| -> |C...|   pages not flushed before the fold: contiguous class, and only below level 1
 *	                        |C...| -> |Cx..|  entries of a run that disagree
 */
static void bbm_fold(void **state)
{
	(void)state;
	for (unsigned l = 0; l < 2; l++) {
		T.cfg.bbml = (uint8_t)l;
		machine();
		hw_setup_write(T.pt + 3, leaf(19, 0));
		hw_xchg(T.pt + 3, 0, HW_RELAXED, HERE);
		hw_xchg(T.pt, leaf(16, HW_D_CONT), HW_RELAXED, HERE);
		expect(l ? HW_F_NONE : HW_F_BBM_CONT);
	}
	machine();
	hw_xchg(T.pt, leaf(16, HW_D_CONT), HW_RELAXED, HERE);
	hw_xchg(T.pt + 1, leaf(33, HW_D_CONT), HW_RELAXED, HERE);
	expect(HW_F_BBM_OA);
	machine(); /* misaligned: each entry of the run stands for another block */
	for (unsigned i = 0; i < 4; i++)
		hw_xchg(T.pt + i, leaf(17 + i, HW_D_CONT), HW_RELAXED, HERE);
	expect(HW_F_BBM_OA);
}

/* ---- walk caches and the lifetime of tables ---- */

/*
 *	pmd|T| -> pmd|.|   leaf-only TLBI: the table is still walked, and freeing it is a finding
 */
static void walk_cache(void **state)
{
	(void)state;
	for (unsigned op = HW_TLBI_VAE1; op <= HW_TLBI_VALE1; op++) {
		machine();
		hw_setup_write(T.pt, leaf(7, 0));
		hw_store(T.pmd, 0, HW_RELAXED, HERE);
		flush(op | HW_TLBI_IS, xt_va(0, 0));
		assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault,
				 op == HW_TLBI_VALE1 ? HW_OK : HW_FAULT_TRANSLATION);
		hw_table_free(T.pt, HERE);
		expect(op == HW_TLBI_VALE1 ? HW_F_FREE_REACHABLE : HW_F_NONE);
		assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
		expect(op == HW_TLBI_VALE1 ? HW_F_FREED_WALK : HW_F_NONE);
	}
}

/* A level hint promises nothing for tables; a table that only a walk cache reaches is still cached from. */
static void walk_cache_hint(void **state)
{
	(void)state;
	hw_setup_write(T.pt, leaf(7, 0));
	hw_xchg(T.pmd, 0, HW_RELAXED, HERE);
	flush(HW_TLBI_VAE1 | HW_TLBI_IS, xt_va(0, ttl3()));
	assert_true(reaches(1, 0, 7));
	hw_xchg(T.pt, leaf(8, 0), HW_RELAXED, HERE);
	T.nfound = 0;
	assert_true(reaches(1, 0, 8));
	flush(HW_TLBI_VAE1 | HW_TLBI_IS, xt_va(0, 0));
	assert_false(reaches(1, 0, 8));
	/* unlinked for everybody: what is written there now is never cached */
	hw_xchg(T.pt, 0, HW_RELAXED, HERE);
	hw_xchg(T.pmd, hw_table_pa(T.pt) | 3, HW_RELAXED, HERE);
	assert_false(reaches(1, 0, 8));
}

static void lifetime(void **state)
{
	uint64_t *t, own = 3;

	(void)state;
	hw_table_free(T.pt, HERE);
	expect(HW_F_FREE_REACHABLE);
	t = hw_table_alloc(3, HERE);
	assert_true(hw_in_table(t));
	assert_false(hw_in_table(t + 16));
	hw_xchg(T.pmd + 3, hw_table_pa(t) | 3, HW_RELAXED, HERE);
	assert_int_equal(touch(0, 48, false, HW_XLATE_FRESH).fault, HW_FAULT_TRANSLATION);
	expect(HW_F_POISON_WALK);
	assert_true(hw_load(t + 2, HW_RELAXED, HERE) & HW_D_VALID);
	assert_int_not_equal(hw_load(t + 2, HW_RELAXED, HERE), hw_load(t + 3, HW_RELAXED, HERE));
	hw_store(t + 16, 1, HW_RELAXED, HERE);
	expect(HW_F_OUTSIDE);
	hw_xchg(T.pmd + 3, 0, HW_RELAXED, HERE);
	flush(HW_TLBI_VMALLE1 | HW_TLBI_IS, 0);
	hw_table_free(t, HERE);
	expect(HW_F_NONE);
	hw_table_free(t, HERE);
	expect(HW_F_DOUBLE_FREE);
	hw_store(t, 1, HW_RELAXED, HERE);
	expect(HW_F_FREED_STORE);
	assert_true(hw_load(t, HW_RELAXED, HERE) & HW_D_VALID);
	hw_store(&own, 4, HW_RELAXED, HERE);
	assert_int_equal(hw_xchg(&own, 5, HW_RELAXED, HERE), 4);
	assert_int_equal(hw_cmpxchg(&own, 5, 6, HW_RELAXED, HERE), 5);
	assert_int_equal(hw_load(&own, HW_RELAXED, HERE), 6);
	expect(HW_F_NONE);
}

/* Poison differs between allocated and freed, and from frame to frame; frames are re-used as late as possible. */
static void frames(void **state)
{
	uint64_t *a = hw_table_alloc(3, HERE), *b, n = 0, live, dead;

	(void)state;
	live = hw_load(a, HW_RELAXED, HERE);
	hw_table_free(a, HERE);
	dead = hw_load(a, HW_RELAXED, HERE);
	assert_int_not_equal(live, dead);
	b = hw_table_alloc(3, HERE);
	assert_ptr_not_equal(a, b);
	assert_int_not_equal(live, hw_load(b, HW_RELAXED, HERE));
	assert_ptr_equal(hw_table_va(hw_table_pa(b)), b);
	assert_int_not_equal(hw_table_pa(b), 0);
	while (hw_table_alloc(3, HERE))
		n++;
	assert_int_equal(n, HW_MAX_FRAMES - 1 - 5);
	T.cfg.alloc_fails = true;
	machine();
	for (n = 0; n < 40 && hw_table_alloc(3, HERE); n++)
		;
	assert_true(n < 20);
}

/* ---- SMMU ---- */

/*
 *	smmu tlb|V|   broadcasts reach it only with BTM; a notifier does, over the range and after a DSB
 */
static void smmu(void **state)
{
	(void)state;
	for (unsigned btm = 0; btm < 2; btm++) {
		T.cfg.smmu = true;
		T.cfg.smmu_btm = btm;
		machine();
		hw_setup_write(T.pt, leaf(7, 0));
		hw_xchg(T.pt, 0, HW_RELAXED, HERE);
		hw_notify_secondary(ASID, 0, va_of(1), HERE); /* no DSB yet */
		assert_true(reaches(HW_SMMU, 0, 7));
		flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 0));
		assert_int_equal(reaches(HW_SMMU, 0, 7), !btm);
		hw_notify_secondary(ASID, va_of(1), va_of(2), HERE);
		hw_notify_secondary(ASID + 1, 0, va_of(1), HERE);
		assert_int_equal(reaches(HW_SMMU, 0, 7), !btm);
		hw_notify_secondary(ASID, 0, va_of(1), HERE);
		assert_false(reaches(HW_SMMU, 0, 7));
	}
}

/* ---- steps, reset, determinism ---- */

static void on_step(enum hw_class c, const void *p, const char *fn, int line)
{
	(void)fn;
	(void)line;
	T.steps++;
	if (c == HW_C_ATOMIC)
		assert_int_equal(coh_read((uint32_t)((const uint64_t *)p - hw_m.mem)), 0); /* not yet in effect */
}

static void steps(void **state)
{
	(void)state;
	hw.on_step = on_step;
	hw_xchg(T.pt, 5, HW_RELAXED, HERE);
	get(0);
	put(1, 2);
	bar(ISH_FULL);
	hw_tlbi(HW_TLBI_VMALLE1, 0, HERE);
	hw.on_step = NULL;
	assert_int_equal(T.steps, 5);
	assert_int_equal(hw.step, 5);
	assert_int_equal(hw.n[HW_C_ATOMIC] + hw.n[HW_C_LOAD] + hw.n[HW_C_STORE], 3);
	assert_int_equal(hw.n[HW_C_BARRIER] + hw.n[HW_C_TLBI], 2);
	assert_int_equal(hw.n[HW_C_ANY], 5);
}

/* Something of everything, by a stateless sequence. Returns the hash of what it did. */
static uint64_t churn(unsigned seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15ull + 1;
	uint64_t *t;

	machine();
	for (unsigned i = 0; i < 400; i++) {
		unsigned slot, page;
		uint64_t v;

		x = x * 6364136223846793005ull + 1442695040888963407ull;
		slot = (unsigned)(x >> 33) & 7;
		page = (unsigned)(x >> 36) % hw_m.nentries;
		v = (x >> 60) ? leaf(512 + page, x >> 50 & 1 ? HW_D_CONT | CLEAN : CLEAN) : 0;
		hw_run_on(x >> 45 & 1);
		hw.pick_salt = i;
		switch (slot) {
		case 0:
		case 1:
			hw_store((x >> 46 & 1 ? T.pt : T.pt2) + page, v, HW_RELAXED, HERE);
			break;
		case 2:
			hw_xchg(T.pt + page, v, HW_ACQ_REL, HERE);
			break;
		case 3:
			bar((enum hw_barrier_kind)(x >> 40) % 3, (enum hw_domain)((x >> 42) % 4),
			    (enum hw_access_type)((x >> 44) % 3));
			break;
		case 4:
			hw_tlbi((x >> 40 & 1 ? HW_TLBI_IS : 0) | (unsigned)(x >> 41) % 6, xt_va(page, 0), HERE);
			break;
		case 5:
			t = hw_table_alloc(3, HERE);
			if (t && (x >> 40 & 1))
				hw_clear_page(t, HERE);
			if (t)
				hw_table_free(t, HERE);
			break;
		default:
			touch((x >> 40 & 3) == 3 ? HW_SMMU : (unsigned)(x >> 40) & 1, page, x >> 43 & 1,
			      (enum hw_xlate)((x >> 47) % HW_NXLATE));
		}
	}
	return hw_state_hash();
}

static void reset_hash(void **state)
{
	(void)state;
	for (unsigned g = 0; g < HW_NGEO; g++) {
		for (unsigned d = 0; d < HW_NDRAIN; d++) {
			uint64_t pristine, first;

			memset(&T.cfg, 0, sizeof(T.cfg));
			T.cfg = (struct hw_config){.geo = (enum hw_geo_id)g,
						   .ncpu = 2,
						   .update = {2, 1, 0, 0, 2},
						   .smmu = true,
						   .drain = (uint8_t)d,
						   .early = true,
						   .bbml = 3,
						   .pick = HW_PICK_HASHED};
			hw_reset(&T.cfg);
			pristine = hw_state_hash();
			first = churn(g);
			assert_int_not_equal(first, pristine);
			hw_reset(&T.cfg);
			assert_int_equal(hw_state_hash(), pristine);
			churn(g + 100);
			assert_int_equal(churn(g), first);
			T.cfg.geo = (enum hw_geo_id)((g + 1) % HW_NGEO); /* reset from another geometry */
			churn(7);
			T.cfg.geo = (enum hw_geo_id)g;
			hw_reset(&T.cfg);
			assert_int_equal(hw_state_hash(), pristine);
			for (uint64_t i = 0; i < ARENA_BYTES / 8; i += 97)
				assert_int_equal(hw_m.mem[i], 0);
		}
	}
}

/* More stale values than the list holds: the oldest are forgotten and counted. */
static void stale_overflow(void **state)
{
	(void)state;
	T.cfg.geo = HW_GEO_4K;
	machine();
	for (unsigned i = 0; i < 512; i++)
		hw_setup_write(T.pt + i, leaf(0x1000 + i, 0));
	for (unsigned i = 0; i < 8; i++)
		hw_setup_write(T.pt2 + i, leaf(0x2000 + i, 0));
	for (unsigned i = 0; i < 512; i++)
		hw_xchg(T.pt + i, 0, HW_RELAXED, HERE);
	assert_int_equal(hw.stale_overflow, 0);
	for (unsigned i = 0; i < 8; i++)
		hw_xchg(T.pt2 + i, 0, HW_RELAXED, HERE);
	assert_int_equal(hw.stale_overflow, 512 + 8 - STALE_MAX);
	assert_false(reaches(0, 0, 0x1000));
	assert_true(reaches(0, 511, 0x1000 + 511));
	flush(HW_TLBI_VMALLE1 | HW_TLBI_IS, 0);
	assert_int_equal(hw_m.nstale, 0);
}

/* Every geometry walks to the same places and folds at its own block size. */
static void geometries(void **state)
{
	(void)state;
	for (unsigned g = 0; g < HW_NGEO; g++) {
		unsigned n;

		T.cfg.geo = (enum hw_geo_id)g;
		machine();
		n = hw_m.ncont;
		for (unsigned i = 0; i < n; i++)
			put(n + i, leaf(4 * n + i, HW_D_CONT));
		bar(ISH_FULL);
		expect(HW_F_NONE);
		assert_ptr_equal(hw_leaf_slot(T.root, va_of(n)), T.pt + n);
		assert_ptr_equal(hw_leaf_slot(T.root, va_of(hw_m.nentries + 3)), T.pt2 + 3);
		for (unsigned i = 0; i < n; i++)
			put(n + i, 0);
		bar(ISH_FULL);
		for (unsigned i = 0; i < n; i++)
			assert_true(reaches(1, n + i, 4 * n + i));
		flush(HW_TLBI_RVALE1 | HW_TLBI_IS,
		      xt_range(n, n > 64 ? n / 64 - 1 : n / 2 - 1, n > 64, 3, hw.geo->tg));
		assert_int_equal(hw_m.nstale, 0);
	}
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(hw_tlbi_str(HW_TLBI_VALE1 | HW_TLBI_IS), "vale1is");
	assert_string_equal(hw_tlbi_str(HW_TLBI_RVAALE1), "rvaale1");
	for (unsigned f = 0; f < HW_NFINDING; f++)
		assert_non_null(hw_finding_str((enum hw_finding)f));
	for (unsigned f = 0; f <= HW_FAULT_ABORT; f++)
		assert_non_null(hw_fault_str((enum hw_fault)f));
}

/* ---- several address spaces ---- */

struct space {
	uint64_t *root, *pmd, *pt;
};

/* A chain of tables for the first pages of a space, as exec and fork make one: at any time, without steps. */
static struct space space_make(void)
{
	struct space s = {0};
	uint64_t *up = NULL, *t;

	for (unsigned level = 4u - hw.geo->levels; level <= 3; level++) {
		t = hw_setup_table(level);
		assert_non_null(t);
		if (up)
			hw_setup_write(up, hw_table_pa(t) | 3);
		else
			s.root = t;
		s.pmd = level == 2 ? t : s.pmd;
		up = s.pt = t;
	}
	return s;
}

static void clear(uint64_t *p)
{
	hw_xchg(p, 0, HW_RELAXED, HERE);
}

static uint64_t xt_asid(unsigned asid, unsigned page)
{
	return (uint64_t)asid << 48 | va_of(page) >> 12;
}

/*
 *	cpu0: ASID 1, page 0 -> 7     tlb|1:7|     VALE1IS of ASID 1 leaves 2:8 alone
 *	cpu1: ASID 2, page 0 -> 8     tlb|2:8|     and nobody uses the other's
 */
static void space_tags(void **state)
{
	struct space b;

	(void)state;
	b = space_make();
	hw_set_context(1, b.root, 2);
	hw_setup_write(T.pt, leaf(7, 0));
	hw_setup_write(b.pt, leaf(8, 0));
	clear(T.pt);
	clear(b.pt);
	assert_true(reaches(0, 0, 7));
	assert_true(reaches(1, 0, 8));
	hw_set_context(0, b.root, 2); /* it never ran there before */
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	hw_set_context(0, T.root, ASID);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_asid(1, 0));
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	assert_true(reaches(1, 0, 8));
	flush(HW_TLBI_ASIDE1 | HW_TLBI_IS, xt_asid(1, 0));
	assert_true(reaches(1, 0, 8));
	flush(HW_TLBI_ASIDE1 | HW_TLBI_IS, xt_asid(2, 0));
	assert_int_equal(touch(1, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	assert_int_equal(T.nfound, 0);
}

/*
 *	cpu0 in 1, then in 2; cpu1 in none replaces 1's entry     back in 1, cpu0 still has the old one
 */
static void space_outlives_switch(void **state)
{
	struct space b;

	(void)state;
	b = space_make();
	hw_set_context(1, NULL, 0);
	hw_setup_write(T.pt, leaf(7, 0));
	get(0);
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_OK);
	hw_set_context(0, b.root, 2);
	hw_run_on(1);
	clear(T.pt);
	bar(ISH_ST);
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	assert_int_equal(touch(1, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION); /* no context */
	hw_set_context(0, NULL, ASID);
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	hw_set_context(0, T.root, ASID);
	assert_true(reaches(0, 0, 7));
	hw_xchg(T.pt, leaf(9, 0), HW_RELAXED, HERE);
	expect(HW_F_BBM_OA);
}

/* A space that nobody ever ran in: its entries change as they like, and no one holds an old one. */
static void space_unused(void **state)
{
	struct space b;

	(void)state;
	get(0);
	b = space_make();
	hw_xchg(b.pt, leaf(7, 0), HW_RELAXED, HERE);
	hw_xchg(b.pt, leaf(8, HW_D_CONT), HW_RELAXED, HERE);
	clear(b.pt);
	hw_xchg(b.pt, leaf(9, 0), HW_RELAXED, HERE);
	assert_int_equal(T.nfound, 0);
	assert_int_equal(hw_m.nstale, 0);
	hw_set_context(1, b.root, 2);
	assert_int_equal(touch(1, 0, false, HW_XLATE_STALE).pa, 9ull << hw.geo->page_shift);
	clear(b.pt);
	assert_true(reaches(1, 0, 9));
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
}

/* A switch is a context synchronisation: early walks are over; loading the same context again is nothing. */
static void space_switch_syncs(void **state)
{
	struct space b;

	(void)state;
	T.cfg.early = true;
	machine();
	b = space_make();
	hw_xchg(T.pt, leaf(7, 0), HW_RELAXED, HERE);
	bar(ISH_ST);
	hw_set_context(0, T.root, ASID);
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	hw_set_context(0, b.root, 2);
	hw_xchg(T.pt + 1, leaf(8, 0), HW_RELAXED, HERE); /* cpu1 alone may be walking there */
	hw_set_context(0, T.root, ASID);
	assert_int_equal(touch(0, 0, false, HW_XLATE_STALE).fault, HW_OK);
	assert_int_equal(touch(0, 1, false, HW_XLATE_STALE).fault, HW_OK);
	assert_int_equal(touch(1, 1, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
}

/*
 *	exit of ASID 2:  pmd|T| -> |.|, leaf-only TLBI, table freed
 *
 *	tlb|2:T|  the table while ASID 2 lives: reachable.  Retired: reachable while a lazy CPU has it loaded, else not.
 */
static void space_lazy_tlb(void **state)
{
	static const struct {
		bool retire, lazy;
		unsigned op;
		enum hw_finding want;
	} rows[] = {
		{false, true, HW_TLBI_VALE1, HW_F_FREE_REACHABLE},
		{false, false, HW_TLBI_VALE1, HW_F_FREE_REACHABLE},
		{true, true, HW_TLBI_VALE1, HW_F_FREE_REACHABLE},
		{true, false, HW_TLBI_VALE1, HW_F_NONE},
		{true, true, HW_TLBI_VAE1, HW_F_NONE},
		{false, true, HW_TLBI_VAE1, HW_F_NONE},
	};

	(void)state;
	for (unsigned r = 0; r < 6; r++)
		for (unsigned when = 0; when < 3; when++) {
			struct space b;

			machine();
			b = space_make();
			hw_set_context(1, b.root, 2);
			if (when == 0 && rows[r].retire)
				hw_retire_asid(2);
			clear(b.pmd);
			if (when == 1 && rows[r].retire)
				hw_retire_asid(2);
			flush(rows[r].op | HW_TLBI_IS, xt_asid(2, 0));
			if (!rows[r].lazy)
				hw_set_context(1, T.root, ASID);
			if (when == 2 && rows[r].retire)
				hw_retire_asid(2);
			hw_table_free(b.pt, HERE);
			expect(rows[r].want);
		}
}

/* The same frame again, as another space's root; T.nfound is as it was. */
static void root_again(uint64_t *root)
{
	uint64_t *t;

	while ((t = hw_setup_table(4u - hw.geo->levels)) != root) {
		assert_non_null(t);
		hw_table_free(t, HERE);
	}
}

/*
 * Retired and loaded nowhere: nobody walks there again, so entries change, and tables go, in any order. Retired or not,
 * its frames serve a later space that knows nothing of it.
 */
static void space_retired(void **state)
{
	(void)state;
	for (unsigned retire = 0; retire < 2; retire++) {
		struct space b;

		machine();
		b = space_make();
		hw_set_context(1, b.root, 2);
		hw_set_context(1, T.root, ASID);
		hw_setup_write(b.pt, leaf(7, 0));
		if (retire) {
			hw_retire_asid(2);
			clear(b.pt);
			hw_xchg(b.pt, leaf(8, 0), HW_RELAXED, HERE);
			clear(b.pmd);
			hw_table_free(b.pt, HERE);
			hw_table_free(b.pmd, HERE); /* still linked */
		}
		hw_table_free(b.root, HERE);
		expect(HW_F_NONE);
		root_again(b.root);
		hw_set_context(0, b.root, 3);
		hw_setup_write(b.root, leaf(0, 0) & ~HW_D_TABLE);
		clear(b.root);
		assert_true(reaches(0, 5, 5));
		hw_set_context(1, b.root, 3);
		assert_int_equal(touch(1, 5, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	}
}

/* A root goes only when nobody has it loaded; neither does the kernel's. */
static void space_free_root(void **state)
{
	struct space b, k;

	(void)state;
	b = space_make();
	k = space_make();
	hw_set_context(1, b.root, 2);
	hw_set_kernel_root(k.root);
	hw_setup_write(b.root, 0);
	hw_table_free(b.root, HERE);
	expect(HW_F_FREE_REACHABLE);
	machine();
	b = space_make();
	hw_set_context(1, b.root, 2);
	hw_retire_asid(2);
	hw_setup_write(b.root, 0);
	hw_set_context(1, T.root, ASID);
	hw_table_free(b.root, HERE);
	expect(HW_F_NONE);
	k = space_make();
	hw_set_kernel_root(k.root);
	hw_table_free(k.root, HERE);
	expect(HW_F_FREE_REACHABLE);
}

/* ---- pages given back ---- */

static enum hw_finding page_free(uint64_t pfn)
{
	const enum hw_finding was = T.found;
	enum hw_finding f;

	assert_int_equal(was, HW_F_NONE);
	hw_page_free(pfn << hw.geo->page_shift, "freer", 1);
	f = T.found;
	assert_true(f == HW_F_NONE || !strcmp(T.fn, "freer"));
	T.nfound = 0;
	T.found = HW_F_NONE;
	return f;
}

/*
 *	mem|V| -> |.|  tlb|V|   page free: reachable until the TLBI completes; AF=0 is never cached
 */
static void page_free_flush(void **state)
{
	(void)state;
	hw_setup_write(T.pt, leaf(7, 0));
	hw_setup_write(T.pt + 1, leaf(8, 0) & ~HW_D_AF);
	clear(T.pt);
	clear(T.pt + 1);
	assert_int_equal(page_free(7), HW_F_PAGE_REACHABLE);
	assert_int_equal(page_free(8), HW_F_NONE);
	assert_int_equal(page_free(6), HW_F_NONE);
	bar(ISH_ST);
	hw_tlbi(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 0), HERE);
	assert_int_equal(page_free(7), HW_F_PAGE_REACHABLE);
	bar(ISH_FULL);
	assert_int_equal(page_free(7), HW_F_NONE);
	put(2, leaf(9, 0)); /* a plain store still on its way */
	bar(ISH_ST);
	put(2, 0);
	assert_int_equal(page_free(9), HW_F_PAGE_REACHABLE);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(2, 0));
	assert_int_equal(page_free(9), HW_F_NONE);
}

/*
 *	tlb|CCCC|, then one page of it flushed: that one is free;   tlb|block|: all its pages are reachable
 */
static void page_free_sizes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		hw_setup_write(T.pt + i, leaf(16 + i, HW_D_CONT));
	for (unsigned i = 0; i < 4; i++)
		clear(T.pt + i);
	assert_int_equal(page_free(19), HW_F_PAGE_REACHABLE);
	assert_int_equal(page_free(20), HW_F_NONE);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(3, 0));
	assert_int_equal(page_free(19), HW_F_NONE);
	assert_int_equal(page_free(18), HW_F_PAGE_REACHABLE);
	hw_setup_write(T.pmd + 2, (leaf(64, 0) & ~HW_D_TABLE));
	clear(T.pmd + 2);
	assert_int_equal(page_free(63), HW_F_NONE);
	assert_int_equal(page_free(64), HW_F_PAGE_REACHABLE);
	assert_int_equal(page_free(79), HW_F_PAGE_REACHABLE);
	assert_int_equal(page_free(80), HW_F_NONE);
}

/*
 *	tlb|CCCC| of cpus and SMMU, broadcast of page 3, notifier of page 2 or 3
 *
 * An SMMU that does not listen loses what notifiers name, and nothing else; one that listens, both.
 */
static void page_free_smmu(void **state)
{
	(void)state;
	for (unsigned btm = 0; btm < 2; btm++) {
		T.cfg.smmu = true;
		T.cfg.smmu_btm = btm;
		machine();
		for (unsigned i = 0; i < 4; i++)
			hw_setup_write(T.pt + i, leaf(16 + i, HW_D_CONT));
		for (unsigned i = 0; i < 4; i++)
			clear(T.pt + i);
		flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(3, 0));
		assert_false(reaches(0, 3, 19));
		assert_int_equal(reaches(HW_SMMU, 3, 19), !btm);
		assert_int_equal(page_free(19), btm ? HW_F_NONE : HW_F_PAGE_REACHABLE);
		hw_notify_secondary(ASID, va_of(3), va_of(4), HERE);
		assert_false(reaches(HW_SMMU, 3, 19));
		assert_true(reaches(HW_SMMU, 2, 18));
		assert_int_equal(page_free(19), HW_F_NONE);
		hw_notify_secondary(ASID, va_of(2), va_of(3), HERE);
		assert_false(reaches(HW_SMMU, 2, 18));
		assert_true(reaches(0, 2, 18));
		assert_int_equal(page_free(18), HW_F_PAGE_REACHABLE);
		flush(HW_TLBI_ASIDE1 | HW_TLBI_IS, xt_va(0, 0));
		assert_int_equal(reaches(HW_SMMU, 1, 17), !btm);
		hw_notify_secondary(ASID, 0, va_of(2), HERE);
		assert_int_equal(page_free(17), HW_F_NONE);
		assert_int_equal(hw_m.nstale, 0);
	}
}

/* Leaves of a retired ASID reach nothing, whenever they were replaced; global ones reach it from everywhere. */
static void page_free_retired(void **state)
{
	struct space b;

	(void)state;
	b = space_make();
	hw_set_context(1, b.root, 2);
	for (unsigned i = 0; i < 4; i++)
		hw_setup_write(b.pt + i, leaf(7 + i, 0) & ~(i >= 2 ? HW_D_NG : 0));
	clear(b.pt);
	clear(b.pt + 3);
	assert_int_equal(page_free(7), HW_F_PAGE_REACHABLE);
	hw_retire_asid(2);
	assert_int_equal(page_free(7), HW_F_NONE);
	clear(b.pt + 1);
	clear(b.pt + 2);
	assert_int_equal(page_free(8), HW_F_NONE);
	assert_int_equal(page_free(9), HW_F_PAGE_REACHABLE);
	assert_int_equal(page_free(10), HW_F_PAGE_REACHABLE);
}

/* ---- the kernel's half ---- */

/* A page of the kernel's half, sign-extended as TTBR1 wants it. */
static uint64_t kva_of(unsigned page)
{
	const unsigned bits = hw.geo->page_shift + hw.geo->levels * hw.geo->table_bits;

	return ~0ull << (bits < 48 ? bits : 48) | va_of(page);
}

static uint64_t kleaf(uint64_t pfn, uint64_t bits)
{
	return (leaf(pfn, bits) & ~(HW_D_USER | HW_D_NG)) | HW_D_UXN;
}

static struct hw_access ktouch(unsigned cpu, unsigned page, bool write, enum hw_xlate how)
{
	struct hw_access a = {.agent = (uint8_t)cpu, .write = write, .priv = true, .va = kva_of(page)};

	hw.cfg.xlate = (uint8_t)how;
	hw_do_access(&a);
	return a;
}

static struct space kernel_make(void)
{
	const struct space k = space_make();

	hw_set_kernel_root(k.root);
	return k;
}

/*
 *	Who may do what:           kernel leaf          user leaf, by the kernel
 *	  kernel  read, write      ok, RDONLY faults    ok (PAN is not modelled)
 *	  user                     permission fault     ok
 */
static void kernel_permissions(void **state)
{
	struct hw_access a;
	struct space k;

	(void)state;
	updater_config(HW_UPD_AF_DIRTY);
	k = kernel_make();
	hw_setup_write(k.pt, kleaf(7, 0));
	hw_setup_write(k.pt + 1, kleaf(8, HW_D_RDONLY));
	hw_setup_write(k.pt + 2, kleaf(9, CLEAN) & ~HW_D_AF);
	hw_setup_write(T.pt, leaf(5, 0));
	for (unsigned how = 0; how < HW_NXLATE; how++) {
		a = ktouch(0, 0, true, how);
		assert_int_equal(a.fault, HW_OK);
		assert_int_equal(a.pa, 7ull << hw.geo->page_shift);
		assert_ptr_equal(a.slot, k.pt);
		assert_int_equal(ktouch(1, 1, false, how).fault, HW_OK);
		assert_int_equal(ktouch(1, 1, true, how).fault, HW_FAULT_PERMISSION);
		assert_int_equal(ktouch(1, 3, false, how).fault, HW_FAULT_TRANSLATION);
		a = (struct hw_access){.va = kva_of(0)};
		hw_do_access(&a);
		assert_int_equal(a.fault, HW_FAULT_PERMISSION);
		a = (struct hw_access){.va = va_of(0), .priv = true};
		hw_do_access(&a);
		assert_int_equal(a.pa, 5ull << hw.geo->page_shift);
	}
	a = ktouch(1, 2, true, HW_XLATE_FRESH);
	assert_true(a.set_af && a.set_dirty);
	assert_int_equal(get(0), leaf(5, 0));
	assert_int_equal(hw_load(k.pt + 2, HW_RELAXED, HERE), kleaf(9, HW_D_DBM));
	a = (struct hw_access){.agent = HW_SMMU, .va = kva_of(0), .priv = true};
	hw_do_access(&a);
	assert_int_equal(a.fault, HW_FAULT_TRANSLATION);
}

static uint64_t kxt_range(unsigned page)
{
	return (uint64_t)hw.geo->tg << 46 | (kva_of(page) >> hw.geo->page_shift & ((1ull << 37) - 1));
}

/*
 * Page 0 of both halves replaced:   tlb|u:7 k:8|   each operand reaches its own half, in every geometry
 */
static void kernel_tlbi(void **state)
{
	static const struct {
		unsigned op;
		bool range, user, hit;
	} rows[] = {
		{HW_TLBI_VALE1, false, false, true},   {HW_TLBI_VAE1, false, false, true},
		{HW_TLBI_VAALE1, false, false, true},  {HW_TLBI_VAAE1, false, false, true},
		{HW_TLBI_RVALE1, true, false, true},   {HW_TLBI_RVAE1, true, false, true},
		{HW_TLBI_RVAALE1, true, false, true},  {HW_TLBI_RVAAE1, true, false, true},
		{HW_TLBI_VAALE1, false, true, false},  {HW_TLBI_RVAALE1, true, true, false},
		{HW_TLBI_ASIDE1, false, false, false}, {HW_TLBI_VMALLE1, false, false, true},
	};

	(void)state;
	for (unsigned g = 0; g < HW_NGEO; g++)
		for (unsigned r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
			uint64_t xt;
			struct space k;

			T.cfg.geo = (enum hw_geo_id)g;
			machine();
			k = kernel_make();
			hw_setup_write(T.pt, leaf(7, 0));
			hw_setup_write(k.pt, kleaf(8, 0));
			clear(T.pt);
			clear(k.pt);
			xt = kva_of(0) >> 12 & ((1ull << 44) - 1);
			if (rows[r].user)
				xt = rows[r].range ? xt_range(0, 0, 0, 0, hw.geo->tg) : xt_va(0, 0);
			else if (rows[r].range)
				xt = kxt_range(0);
			assert_true(reaches(1, 0, 7));
			assert_int_equal(ktouch(1, 0, false, HW_XLATE_STALE).pa, 8ull << hw.geo->page_shift);
			flush(rows[r].op | HW_TLBI_IS, xt);
			assert_int_equal(ktouch(1, 0, false, HW_XLATE_STALE).fault == HW_OK, !rows[r].hit);
			assert_int_equal(reaches(1, 0, 7), !rows[r].user && rows[r].op != HW_TLBI_VMALLE1);
		}
}

/* A kernel table: no operation by ASID promises to forget it, one for all ASIDs that is not leaf-only does. */
static void kernel_walk_cache(void **state)
{
	static const struct {
		unsigned op;
		bool range;
		enum hw_finding want;
	} rows[] = {
		{HW_TLBI_VAE1, false, HW_F_FREE_REACHABLE},
		{HW_TLBI_VAALE1, false, HW_F_FREE_REACHABLE},
		{HW_TLBI_VAAE1, false, HW_F_NONE},
		{HW_TLBI_RVAE1, true, HW_F_FREE_REACHABLE},
		{HW_TLBI_RVAALE1, true, HW_F_FREE_REACHABLE},
		{HW_TLBI_RVAAE1, true, HW_F_NONE},
		{HW_TLBI_VMALLE1, false, HW_F_NONE},
	};

	(void)state;
	for (unsigned g = 0; g < HW_NGEO; g++)
		for (unsigned r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
			struct space k;

			T.cfg.geo = (enum hw_geo_id)g;
			machine();
			k = kernel_make();
			clear(k.pmd);
			flush(rows[r].op | HW_TLBI_IS,
			      rows[r].range ? kxt_range(0) : kva_of(0) >> 12 & ((1ull << 44) - 1));
			hw_table_free(k.pt, HERE);
			expect(rows[r].want);
		}
}

/*
 *	cpu0: set kernel page; dsb; [isb]      cpu1: access, told by a plain store
 *
 * A fault is possible from a walk that began early: on cpu0 without ISB; on cpu1 until it synchronises, unless the
 * address came from a load, or after a broadcast TLBI. Never with FEAT_ETS2.
 */
static void kernel_early(void **state)
{
	struct hw_access a;
	struct space k;

	(void)state;
	for (unsigned ets2 = 0; ets2 < 2; ets2++) {
		const enum hw_fault early = ets2 ? HW_OK : HW_FAULT_TRANSLATION;

		T.cfg.early = true;
		T.cfg.ets2 = ets2;
		machine();
		k = kernel_make();
		hw_store(k.pt, kleaf(7, 0), HW_RELAXED, HERE);
		bar(ISH_ST);
		assert_int_equal(ktouch(0, 0, false, HW_XLATE_STALE).fault, early);
		assert_int_equal(ktouch(1, 0, false, HW_XLATE_STALE).fault, early);
		a = (struct hw_access){.agent = 1, .priv = true, .dep = true, .va = kva_of(0)};
		hw_do_access(&a);
		assert_int_equal(a.fault, HW_OK);
		a = (struct hw_access){.agent = 1, .priv = true, .fresh = true, .va = kva_of(0)};
		hw_do_access(&a);
		assert_int_equal(a.fault, HW_OK);
		bar(HW_ISB, HW_SY, HW_BAR_FULL);
		assert_int_equal(ktouch(0, 0, false, HW_XLATE_STALE).fault, HW_OK);
		assert_int_equal(ktouch(1, 0, false, HW_XLATE_STALE).fault, early);
		hw_do_context_sync(1);
		assert_int_equal(ktouch(1, 0, false, HW_XLATE_STALE).fault, HW_OK);
	}
	T.cfg.ets2 = false;
	machine();
	k = kernel_make();
	hw_store(k.pt, kleaf(7, 0), HW_RELAXED, HERE);
	flush(HW_TLBI_VAALE1 | HW_TLBI_IS, kva_of(0) >> 12 & ((1ull << 44) - 1));
	assert_int_equal(ktouch(0, 0, false, HW_XLATE_STALE).fault, HW_FAULT_TRANSLATION);
	assert_int_equal(ktouch(1, 0, false, HW_XLATE_STALE).fault, HW_OK);
	hw_store(k.pt, 0, HW_RELAXED, HERE); /* dep forbids early walks, not what a TLB holds */
	bar(ISH_ST);
	a = (struct hw_access){.agent = 1, .priv = true, .dep = true, .va = kva_of(0)};
	hw_do_access(&a);
	assert_int_equal(a.pa, 7ull << hw.geo->page_shift);
}

/* ---- conflicts and blocks ---- */

/* Page 0 from `old` to `v` by "maker", then an access; what the access reports. */
static enum hw_finding conflict_case(unsigned bbml, uint64_t old, uint64_t v, unsigned page, enum hw_xlate how)
{
	T.cfg.bbml = (uint8_t)bbml;
	machine();
	hw_setup_write(T.pt, old);
	hw_xchg(T.pt, v, HW_RELAXED, "maker", 1);
	T.nfound = 0;
	T.found = HW_F_NONE;
	touch(1, page, false, how);
	assert_true(!T.nfound || !strcmp(T.fn, "maker"));
	return T.found;
}

/*
 *	tlb|V|  mem|C|  access: levels 0 to 2 may abort, whatever the rule says of the store; permissions never do
 */
static void conflict_levels(void **state)
{
	const uint64_t v = leaf(16, 0);

	(void)state;
	for (unsigned l = 0; l < 4; l++) {
		const enum hw_finding want = l < 3 ? HW_F_BBM_CONFLICT : HW_F_NONE;

		assert_int_equal(conflict_case(l, v, leaf(17, 0), 0, HW_XLATE_STALE), want);
		assert_int_equal(conflict_case(l, v, v | 1ull << 2, 0, HW_XLATE_STALE), want);
		assert_int_equal(conflict_case(l, v, v | HW_D_CONT, 0, HW_XLATE_STALE), want);
		assert_int_equal(conflict_case(l, v | HW_D_CONT, v, 0, HW_XLATE_STALE), want);
		assert_int_equal(conflict_case(l, v, v | CLEAN | HW_D_UXN | 1ull << 55, 0, HW_XLATE_STALE),
				 HW_F_NONE);
		assert_int_equal(conflict_case(l, v, 0, 0, HW_XLATE_STALE), HW_F_NONE);
		assert_int_equal(conflict_case(l, v, leaf(17, 0) & ~HW_D_AF, 0, HW_XLATE_STALE), HW_F_NONE);
		assert_int_equal(conflict_case(l, 0, v, 0, HW_XLATE_STALE), HW_F_NONE);
		assert_int_equal(conflict_case(l, v & ~HW_D_AF, leaf(17, 0), 0, HW_XLATE_STALE), HW_F_NONE);
		assert_int_equal(conflict_case(l, v, v | HW_D_CONT, 0, HW_XLATE_FRESH), HW_F_NONE);
	}
}

/*
 *	tlb|VVVV| -> |CCCC| in place, then TLBI of pages: no conflict once a page's own is gone;
 *	tlb|C..C| left page by page: a page beside its old block has no size to disagree about
 */
static void conflict_contiguous(void **state)
{
	(void)state;
	T.cfg.bbml = 2;
	machine();
	for (unsigned i = 0; i < 4; i++)
		hw_setup_write(T.pt + i, leaf(16 + i, 0));
	for (unsigned i = 0; i < 4; i++)
		hw_xchg(T.pt + i, leaf(16 + i, HW_D_CONT), HW_RELAXED, i == 3 ? "last" : "fold", 1);
	assert_int_equal(T.nfound, 0);
	touch(0, 3, false, HW_XLATE_STALE);
	assert_string_equal(T.fn, "last");
	expect(HW_F_BBM_CONFLICT);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(3, 0));
	touch(0, 3, false, HW_XLATE_STALE);
	expect(HW_F_NONE);
	machine();
	for (unsigned i = 0; i < 4; i++)
		hw_setup_write(T.pt + i, leaf(16 + i, HW_D_CONT));
	for (unsigned i = 0; i < 4; i++)
		clear(T.pt + i);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 0));
	for (unsigned i = 0; i < 4; i++)
		hw_xchg(T.pt + i, leaf(16 + i, 0), HW_RELAXED, HERE);
	assert_true(reaches(0, 2, 18));
	expect(HW_F_NONE);
}

/* Two cached values that disagree, while memory has none: the older one is blamed. */
static void conflict_two_cached(void **state)
{
	(void)state;
	T.cfg.bbml = 1;
	machine();
	hw_setup_write(T.pt, leaf(16, 0));
	hw_xchg(T.pt, leaf(16, HW_D_CONT), HW_RELAXED, "first", 1);
	hw_xchg(T.pt, 0, HW_RELAXED, "second", 1);
	assert_int_equal(T.nfound, 0);
	touch(1, 0, false, HW_XLATE_STALE);
	assert_string_equal(T.fn, "first");
	expect(HW_F_BBM_CONFLICT);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(3, 0)); /* what is left of the newer one is cached page by page */
	touch(1, 0, false, HW_XLATE_STALE);
	expect(HW_F_NONE);
}

/* What only an early walk holds is in no TLB: the issuer before its ISB uses it, and nothing conflicts. */
static void conflict_not_early(void **state)
{
	(void)state;
	T.cfg.early = true;
	machine();
	hw_setup_write(T.pt, leaf(16, 0));
	clear(T.pt);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 0));
	hw_xchg(T.pt, leaf(17, 0), HW_RELAXED, HERE);
	assert_true(reaches(0, 0, 16));
	expect(HW_F_NONE);
}

/*
 *	pmd|B| -> pmd|T|, pt|VVVV...| of the same pages: a split of a kernel block
 *
 *	levels 0, 1: the store breaks the rule; 1, 2: an access may abort; 3: fine, the block serves until its TLBI
 */
static void block_split(void **state)
{
	struct hw_access a;
	uint64_t *t;

	(void)state;
	for (unsigned g = 0; g < HW_NGEO; g++)
		for (unsigned l = 0; l < 4; l++) {
			const uint64_t base = 1ull << hw_geos[g].table_bits;
			struct space k;

			T.cfg.geo = (enum hw_geo_id)g;
			T.cfg.bbml = (uint8_t)l;
			machine();
			k = kernel_make();
			hw_setup_write(k.pmd, kleaf(base, 0) & ~HW_D_TABLE);
			t = hw_setup_table(3);
			for (unsigned i = 0; i < base; i++)
				hw_setup_write(t + i, kleaf(base + i, 0));
			a = ktouch(0, 5, true, HW_XLATE_STALE);
			assert_int_equal(a.fault, HW_OK);
			assert_int_equal(a.level, 2);
			assert_int_equal(a.pa, (base + 5) << hw.geo->page_shift);
			hw_xchg(k.pmd, hw_table_pa(t) | 3, HW_RELAXED, "split", 1);
			expect(l > 1 ? HW_F_NONE : HW_F_BBM_CONT);
			a = ktouch(0, 5, true, HW_XLATE_STALE);
			assert_int_equal(a.pa, (base + 5) << hw.geo->page_shift);
			assert_int_equal(a.level, 2);
			expect(l < 3 ? HW_F_BBM_CONFLICT : HW_F_NONE);
			flush(HW_TLBI_VAALE1 | HW_TLBI_IS, kva_of(9) >> 12 & ((1ull << 44) - 1));
			a = ktouch(0, 5, true, HW_XLATE_STALE);
			assert_int_equal(a.level, 3);
			assert_int_equal(a.pa, (base + 5) << hw.geo->page_shift);
			expect(HW_F_NONE);
		}
}

/* ---- five levels: 52-bit addresses, TCR_EL1.DS = 1 ---- */

enum { FIVE_ROOT = 9, FIVE_LOW = 3 };

static uint64_t *five[5]; /* tables of levels -1 to 3 */

/*
 *	VA, 4K:  55  51..48   47..39     38..30   29..21   20..12
 *	          1   -1: 9    0: last    1: 3     2: 3     3: page
 */
static uint64_t five_va(unsigned page)
{
	uint64_t va = (uint64_t)FIVE_ROOT << level_shift(-1) | (uint64_t)(hw_m.nentries - 1) << level_shift(0);

	va |= (uint64_t)FIVE_LOW << level_shift(1) | (uint64_t)FIVE_LOW << level_shift(2);
	return ~0ull << (level_shift(-1) + (hw.cfg.geo == HW_GEO_4K ? 4 : hw_m.table_bits)) | va |
	       (uint64_t)page << hw.geo->page_shift;
}

static uint64_t *five_entry(int level)
{
	const unsigned i = level < 0 ? FIVE_ROOT : level == 0 ? hw_m.nentries - 1 : level < 3 ? FIVE_LOW : 0;

	return five[level + 1] + i;
}

static void five_make(enum hw_geo_id g)
{
	T.cfg.geo = g;
	machine();
	for (int level = -1; level <= 3; level++) {
		five[level + 1] = hw_setup_table(level);
		if (level >= 0)
			hw_setup_write(five_entry(level - 1), hw_table_pa(five[level + 1]) | 3);
	}
	hw_set_kernel_root(five[0]);
}

/* Bits [9:8], which would be SH with DS = 0, are clear. */
static uint64_t fleaf(uint64_t pfn)
{
	return kleaf(pfn, 0) & ~D_SH;
}

static struct hw_access ftouch(unsigned cpu, uint64_t va, enum hw_xlate how)
{
	struct hw_access a = {.agent = (uint8_t)cpu, .priv = true, .va = va};

	hw.cfg.xlate = (uint8_t)how;
	hw_do_access(&a);
	return a;
}

static uint64_t fxt(uint64_t va, unsigned ttl)
{
	return (uint64_t)ttl << 44 | (va >> 12 & ((1ull << 44) - 1));
}

/* The walk begins at level -1, in the kernel's half alone; a fault says where it ended; bits above 51 are a copy of 55. */
static void five_walk(void **state)
{
	struct hw_access a;

	(void)state;
	for (unsigned g = HW_GEO_SMALL; g <= HW_GEO_4K; g++) {
		five_make((enum hw_geo_id)g);
		hw_setup_write(five[4] + 5, fleaf(7));
		hw_setup_write(T.pt, leaf(8, 0) & ~D_SH);
		for (unsigned how = 0; how < HW_NXLATE; how++) {
			a = ftouch(1, five_va(5), how);
			assert_int_equal(a.fault, HW_OK);
			assert_int_equal(a.level, 3);
			assert_int_equal(a.pa, 7ull << hw.geo->page_shift);
			assert_ptr_equal(a.slot, five[4] + 5);
			assert_true(reaches(0, 0, 8));
			assert_int_equal(ftouch(0, five_va(5) & ~(1ull << 52), how).fault, HW_OK);
			a = ftouch(0, five_va(5) ^ 1ull << level_shift(-1), how);
			assert_int_equal(a.fault, HW_FAULT_TRANSLATION);
			assert_int_equal(a.level, -1);
		}
		for (int level = 3; level >= -1; level--) {
			hw_setup_write(level == 3 ? five[4] + 5 : five_entry(level), 0);
			a = ftouch(0, five_va(5), HW_XLATE_FRESH);
			assert_int_equal(a.fault, HW_FAULT_TRANSLATION);
			assert_int_equal(a.level, level);
		}
		expect(HW_F_NONE);
	}
}

/*
 *	bits  49:48  9:8       DS = 0  software, SH      DS = 1  OA[49:48], OA[51:50], in both halves
 *	bits  1:0 = 0b01       level 0: a block          level -1: nothing
 */
static void five_descriptor(void **state)
{
	const uint64_t page = 7ull << 12;
	struct hw_access a;
	struct space k;

	(void)state;
	T.cfg.geo = HW_GEO_4K;
	machine();
	k = kernel_make();
	hw_setup_write(k.pt, kleaf(7, 3ull << 48));
	hw_setup_write(T.pt, leaf(7, 0));
	assert_int_equal(ktouch(0, 0, false, HW_XLATE_FRESH).pa, page);
	assert_int_equal(touch(0, 0, false, HW_XLATE_FRESH).pa, page);
	five_make(HW_GEO_4K);
	hw_setup_write(T.pt, leaf(7, 0));
	assert_int_equal(touch(0, 0, false, HW_XLATE_FRESH).pa, page | 3ull << 50);
	hw_setup_write(five[4], fleaf(7) | 1ull << 8);
	assert_int_equal(ftouch(0, five_va(0), HW_XLATE_FRESH).pa, page | 1ull << 50);
	hw_setup_write(five[4], fleaf(7) | 1ull << 49);
	assert_int_equal(ftouch(0, five_va(0), HW_XLATE_FRESH).pa, page | 1ull << 49);
	hw_setup_write(five[4], fleaf(7));
	hw_xchg(five[4], fleaf(7) | 2ull << 8, HW_RELAXED, HERE); /* another address, live */
	expect(HW_F_BBM_OA);
	hw_setup_write(five_entry(2), *five_entry(2) | 3ull << 8);
	assert_int_equal(ftouch(0, five_va(0), HW_XLATE_FRESH).fault, HW_FAULT_TRANSLATION);
	expect(HW_F_FREED_WALK); /* no table memory there */
	five_make(HW_GEO_4K);
	hw_setup_write(five_entry(0), (fleaf(1ull << 27) & ~HW_D_TABLE));
	a = ftouch(0, five_va(5), HW_XLATE_FRESH);
	assert_int_equal(a.level, 0);
	assert_int_equal(a.pa, 1ull << 39 | (five_va(5) & ((1ull << 39) - 1) & ~0xfffull));
	hw_setup_write(five_entry(-1), (fleaf(1ull << 36) & ~HW_D_TABLE));
	a = ftouch(0, five_va(5), HW_XLATE_FRESH);
	assert_int_equal(a.fault, HW_FAULT_TRANSLATION);
	assert_int_equal(a.level, -1);
}

/* TTL 0b0100 is level 0 where DS is 1, and no hint elsewhere; nothing names level -1, which has no leaf. */
static void five_ttl(void **state)
{
	(void)state;
	for (unsigned ttl = 0; ttl < 8; ttl++) {
		const uint64_t va = (five_make(HW_GEO_4K), five_va(5));

		hw_setup_write(five_entry(0), (fleaf(1ull << 27) & ~HW_D_TABLE));
		clear(five_entry(0));
		flush(HW_TLBI_VAALE1 | HW_TLBI_IS, fxt(va, ttl));
		assert_int_equal(ftouch(1, va, HW_XLATE_STALE).fault == HW_OK, ttl > 4);
		five_make(HW_GEO_4K);
		hw_setup_write(five[4] + 5, fleaf(7));
		clear(five[4] + 5);
		flush(HW_TLBI_VAALE1 | HW_TLBI_IS, fxt(va, ttl));
		assert_int_equal(ftouch(1, va, HW_XLATE_STALE).fault == HW_OK, ttl >= 4 && ttl != 7);
	}
	machine();
	hw_setup_write(T.pt, leaf(7, 0));
	put(0, 0);
	flush(HW_TLBI_VALE1 | HW_TLBI_IS, xt_va(0, 4));
	assert_false(reaches(1, 0, 7));
}

/* mem|..VVVV..|, the V's 64 KiB each; a range from the second on: the base counts those, whatever the granule is. */
static void five_range(void **state)
{
	const unsigned unit = 16; /* pages */
	uint64_t base, ttl;

	(void)state;
	for (unsigned in_pages = 0; in_pages < 2; in_pages++)
		for (unsigned level = 0; level < 4; level++) {
			five_make(HW_GEO_4K);
			base = five_va(unit) >> (in_pages ? 12 : 16) & ((1ull << 37) - 1);
			ttl = (uint64_t)level << 37;
			for (unsigned i = 0; i < 4; i++)
				hw_setup_write(five[4] + i * unit, fleaf(100 + i));
			for (unsigned i = 0; i < 4; i++)
				clear(five[4] + i * unit);
			/* (15 + 1) * 2 pages: two units */
			flush(HW_TLBI_RVAALE1 | HW_TLBI_IS, 1ull << 46 | 15ull << 39 | ttl | base);
			for (unsigned i = 0; i < 4; i++)
				assert_int_equal(ftouch(1, five_va(i * unit), HW_XLATE_STALE).fault == HW_OK,
						 in_pages || (level && level < 3) || i == 0 || i == 3);
		}
}

/*
 *	-1|T| -> -1|.|    the walk goes on from the cached entry, or from those below it, until a TLBI without a hint that
 *	                  is not leaf-only. That of another address of the entry leaves those below, which lead elsewhere.
 */
static void five_walk_cache(void **state)
{
	static const struct {
		unsigned op, ttl;
		int64_t off;
		bool top, below; /* still cached */
	} rows[] = {
		{HW_TLBI_VAALE1, 0, 0, true, true},
		{HW_TLBI_VAAE1, 4, 0, true, true},
		{HW_TLBI_VAAE1, 7, 0, true, true},
		{HW_TLBI_VAAE1, 0, 0, false, false},
		{HW_TLBI_VAAE1, 0, -(1ll << 47), false, true},
		{HW_TLBI_VAAE1, 0, 1ll << 48, true, true},
		{HW_TLBI_VAE1, 0, 0, true, true},
		{HW_TLBI_VMALLE1, 0, 0, false, false},
	};

	(void)state;
	for (unsigned r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		five_make(HW_GEO_4K);
		clear(five_entry(-1));
		flush(rows[r].op | HW_TLBI_IS, fxt(five_va(0) + (uint64_t)rows[r].off, rows[r].ttl));
		hw_setup_write(five[4] + 1, fleaf(8));
		assert_int_equal(ftouch(1, five_va(1), HW_XLATE_STALE).fault == HW_OK, rows[r].below);
		expect(HW_F_NONE);
		hw_table_free(five[1], HERE);
		expect(rows[r].top ? HW_F_FREE_REACHABLE : HW_F_NONE);
		hw_table_free(five[2], HERE);
		expect(rows[r].below ? HW_F_FREE_REACHABLE : HW_F_NONE);
	}
}

/* After a reset addresses and descriptors are as before. */
static void five_reset(void **state)
{
	uint64_t before, canon;

	(void)state;
	T.cfg.geo = HW_GEO_4K;
	machine();
	before = hw_state_hash();
	canon = hw_canon_hash();
	five_make(HW_GEO_4K);
	hw_setup_write(five[4], fleaf(7));
	clear(five_entry(-1));
	assert_int_not_equal(hw_canon_hash(), canon);
	machine();
	assert_int_equal(hw_state_hash(), before);
	assert_int_equal(hw_canon_hash(), canon);
	hw_setup_write(T.pt, leaf(7, 3ull << 48));
	assert_true(reaches(0, 0, 7));
}

/* New state leaves no trace after a reset, and shows in the hashes before. */
static void reset_spaces(void **state)
{
	uint64_t before, canon;
	struct space b;

	(void)state;
	machine();
	before = hw_state_hash();
	canon = hw_canon_hash();
	b = space_make();
	hw_set_kernel_root(space_make().root);
	hw_set_context(1, b.root, 2);
	hw_setup_write(b.pt, leaf(7, 0));
	clear(b.pt);
	assert_int_not_equal(hw_canon_hash(), canon);
	canon = hw_canon_hash();
	hw_set_context(1, T.root, ASID);
	assert_int_not_equal(hw_canon_hash(), canon);
	canon = hw_canon_hash();
	hw_retire_asid(2);
	assert_int_not_equal(hw_canon_hash(), canon);
	hw_set_current(0, &T);
	hw_set_current(1, state);
	assert_ptr_equal(hw_current(), &T);
	hw_run_on(1);
	assert_ptr_equal(hw_hooks.current(), state);
	machine();
	assert_null(hw_current());
	assert_int_equal(hw_state_hash(), before);
	for (unsigned l = 0; l < 4; l++) {
		T.cfg.bbml = (uint8_t)l;
		machine();
		assert_int_equal(hw_feature(HW_FEAT_BBML2), l >= 2);
		assert_int_equal(hw_feature(HW_FEAT_BBML2_NOABORT), l == 3);
	}
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

static const struct CMUnitTest unit_tests[] = {
	TEST(pend_visibility),
	TEST(pend_dmb_order),
	TEST(pend_same_slot),
	TEST(pend_barriers),
	TEST(pend_cap_and_release),
	TEST(pend_atomics),
	TEST(pend_lock_handover),
	TEST(pend_reversed),
	TEST(pend_clear_page),
	TEST(own_walker),
	TEST(peek_run),
	TEST(tlbi_needs_dsb_before),
	TEST(tlbi_dsb_kinds_before),
	TEST(tlbi_completion),
	TEST(tlbi_value_returns),
	TEST(tlbi_local),
	TEST(tlbi_asid),
	TEST(tlbi_ttl),
	TEST(tlbi_range),
	TEST(tlbi_undefined),
	TEST(tlbi_contiguous),
	TEST(cont_sibling_fill),
	TEST(cont_misaligned),
	TEST(early_until_isb),
	TEST(early_and_tlbi),
	TEST(early_and_free),
	TEST(update_modes),
	TEST(update_spurious_af),
	TEST(update_picks),
	TEST(update_against_changed),
	TEST(update_stale_dirty),
	TEST(update_mixed_cpus),
	TEST(access_fresh),
	TEST(bbm_one_entry),
	TEST(bbm_break_without_flush),
	TEST(bbm_blocks),
	TEST(bbm_fold),
	TEST(walk_cache),
	TEST(walk_cache_hint),
	TEST(lifetime),
	TEST(frames),
	TEST(smmu),
	TEST(steps),
	TEST(reset_hash),
	TEST(stale_overflow),
	TEST(geometries),
	TEST(names),
	TEST(space_tags),
	TEST(space_outlives_switch),
	TEST(space_unused),
	TEST(space_switch_syncs),
	TEST(space_lazy_tlb),
	TEST(space_retired),
	TEST(space_free_root),
	TEST(page_free_flush),
	TEST(page_free_sizes),
	TEST(page_free_smmu),
	TEST(page_free_retired),
	TEST(kernel_permissions),
	TEST(kernel_tlbi),
	TEST(kernel_walk_cache),
	TEST(kernel_early),
	TEST(conflict_levels),
	TEST(conflict_contiguous),
	TEST(conflict_two_cached),
	TEST(conflict_not_early),
	TEST(block_split),
	TEST(five_walk),
	TEST(five_descriptor),
	TEST(five_ttl),
	TEST(five_range),
	TEST(five_walk_cache),
	TEST(five_reset),
	TEST(reset_spaces),
};

int main(void)
{
	hw_init();
	return cmocka_run_group_tests_name("hw", unit_tests, NULL, NULL) ? 1 : 0;
}
