/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks: one step each, counted and offered to the schedule before it takes effect.
 *
 * Property: an implementation changes the machine only here; a store that hits no live table entry is a finding
 * and has no effect; memory outside the arena is the implementation's own and is accessed as it is.
 */
#include <stdlib.h>
#include "hook_mmu.h"
#include "internal.h"

enum { PICK_ALLOC_FAIL = 16 };

static inline bool is_calm(enum hw_class c, const void *p)
{
	if (!(hw.calm >> c & 1) || unlikely(hw.step > hw.calm_until))
		return false;
	return (c != HW_C_STORE && c != HW_C_ATOMIC) || (uintptr_t)p - hw.own < hw.own_bytes;
}

static inline void step(enum hw_class c, const void *p, const char *fn, int line)
{
	hw.step++;
	hw.n[HW_C_ANY]++;
	hw.n[c]++;
	if (!is_calm(c, p) && hw.on_step)
		hw.on_step(c, p, fn, line);
	/* A plain store is no occasion, so that several gather and their order can be reversed. */
	if (unlikely(hw_m.npend) && hw.cfg.drain == HW_DRAIN_REVERSED && c != HW_C_STORE)
		pend_drain_newest();
}

static inline uint64_t arena_off(const void *p)
{
	return (uintptr_t)p - (uintptr_t)hw_m.mem;
}

static inline bool loc_live(uint32_t loc, uint64_t off)
{
	return (loc & (HW_MAX_TABLE - 1)) < hw_m.limit[loc >> LOC_BITS] && !(off & 7);
}

static __attribute__((noinline)) void bad_store(uint32_t loc, const char *fn, int line)
{
	look_refused = loc_ptr(loc);
	hw_find(frame_of(loc)->state == FRAME_FREED ? HW_F_FREED_STORE : HW_F_OUTSIDE, fn, line);
}

/* A store through a temporary mapping. */
static enum alias_result alias_of(void **p, const char *fn, int line)
{
	const void *at = *p;
	const enum alias_result r = alias_resolve(&at, true, fn, line);

	*p = (void *)(uintptr_t)at;
	return r;
}

static __attribute__((noinline)) void trace(int kind, const void *p, uint64_t old, uint64_t val, uint64_t cmp,
					    bool ok, const char *fn, int line)
{
	const struct hw_trace t = {.kind = kind,
				   .cpu = hw.cpu,
				   .step = hw.step,
				   .p = p,
				   .old = old,
				   .val = val,
				   .cmp = cmp,
				   .ok = ok,
				   .fn = fn,
				   .line = line};

	hw.trace(&t);
}

static __attribute__((noinline)) uint64_t own_forward(uint32_t loc)
{
	struct hw_cpu *c = &hw_m.cpu[hw.cpu];
	uint64_t v;

	return pend_forward(c, loc, &v, false, NULL) ? v : coh_read(loc);
}

/* What the running CPU's own load returns. */
static inline uint64_t own_read(uint32_t loc)
{
	return unlikely(hw_m.npend) ? own_forward(loc) : coh_read(loc);
}

uint64_t hw_load(const void *p, enum hw_order o, const char *fn, int line)
{
	uint64_t off, v;

	(void)o; /* loads execute in order */
	step(HW_C_LOAD, p, fn, line);
	off = arena_off(p);
	if (unlikely(off >= ARENA_BYTES)) {
		const enum alias_result r = alias_resolve(&p, false, fn, line);

		if (r != ALIAS_TABLE)
			return r == ALIAS_NONE ? *(const uint64_t *)p : 0;
		off = arena_off(p);
	}
	v = own_read((uint32_t)(off >> 3));
	if (unlikely(hw.trace != NULL))
		trace(HW_T_LOAD, p, v, v, 0, true, fn, line);
	return v;
}

/* Before something that is visible at once: a release waits for all, anything else for what a DMB ordered. */
static void order_before(enum hw_order o)
{
	if (o == HW_RELEASE || o == HW_ACQ_REL)
		pend_drain_all(hw.cpu);
	else
		pend_drain_older(hw.cpu);
}

void hw_store(void *p, uint64_t v, enum hw_order o, const char *fn, int line)
{
	uint64_t off, old = 0;
	uint32_t loc;

	step(HW_C_STORE, p, fn, line);
	off = arena_off(p);
	loc = (uint32_t)(off >> 3);
	if (unlikely(off >= ARENA_BYTES)) {
		const enum alias_result r = alias_of(&p, fn, line);

		if (r == ALIAS_NONE) {
			order_before(o);
			*(uint64_t *)p = v;
		}
		if (r != ALIAS_TABLE)
			return;
		off = arena_off(p);
		loc = (uint32_t)(off >> 3);
	}
	if (unlikely(!loc_live(loc, off))) {
		bad_store(loc, fn, line);
		return;
	}
	if (unlikely(hw.trace != NULL))
		old = own_read(loc);
	if (likely(hw.cfg.drain == HW_DRAIN_EAGER)) {
		if (unlikely(hw_m.npend))
			pend_drain_all(hw.cpu);
		mem_write(loc, v, hw.cpu, fn, line);
	} else {
		if (o == HW_RELEASE || o == HW_ACQ_REL)
			pend_drain_all(hw.cpu);
		pend_add(hw.cpu, loc, v, false, fn, line);
	}
	if (unlikely(hw.trace != NULL))
		trace(HW_T_STORE, p, old, v, 0, true, fn, line);
}

/* Atomics act on coherent memory, after the own stores that must come before. */
static inline void order_atomic(uint32_t loc, enum hw_order o)
{
	if (likely(!(hw_m.npend | hw_m.nlate)))
		return;
	order_before(o);
	pend_drain_loc(hw.cpu, loc);
	late_force(loc);
}

uint64_t hw_xchg(void *p, uint64_t v, enum hw_order o, const char *fn, int line)
{
	uint64_t off, old;
	uint32_t loc;

	step(HW_C_ATOMIC, p, fn, line);
	off = arena_off(p);
	loc = (uint32_t)(off >> 3);
	if (unlikely(off >= ARENA_BYTES)) {
		const enum alias_result r = alias_of(&p, fn, line);

		if (r == ALIAS_NONE) {
			order_before(o);
			old = *(uint64_t *)p;
			*(uint64_t *)p = v;
			return old;
		}
		if (r != ALIAS_TABLE)
			return 0;
		off = arena_off(p);
		loc = (uint32_t)(off >> 3);
	}
	if (unlikely(!loc_live(loc, off))) {
		bad_store(loc, fn, line);
		return coh_read(loc);
	}
	order_atomic(loc, o);
	old = coh_read(loc);
	mem_write(loc, v, hw.cpu, fn, line);
	if (unlikely(hw.trace != NULL))
		trace(HW_T_XCHG, p, old, v, 0, true, fn, line);
	return old;
}

uint64_t hw_cmpxchg(void *p, uint64_t old, uint64_t n, enum hw_order o, const char *fn, int line)
{
	uint64_t off, cur;
	uint32_t loc;

	step(HW_C_ATOMIC, p, fn, line);
	off = arena_off(p);
	loc = (uint32_t)(off >> 3);
	if (unlikely(off >= ARENA_BYTES)) {
		const enum alias_result r = alias_of(&p, fn, line);

		if (r == ALIAS_NONE) {
			order_before(o);
			cur = *(uint64_t *)p;
			if (cur == old)
				*(uint64_t *)p = n;
			return cur;
		}
		if (r != ALIAS_TABLE)
			return 0;
		off = arena_off(p);
		loc = (uint32_t)(off >> 3);
	}
	if (unlikely(!loc_live(loc, off))) {
		bad_store(loc, fn, line);
		return coh_read(loc);
	}
	order_atomic(loc, o);
	cur = coh_read(loc);
	if (cur == old)
		mem_write(loc, n, hw.cpu, fn, line);
	if (unlikely(hw.trace != NULL))
		trace(HW_T_CMPXCHG, p, cur, n, old, cur == old, fn, line);
	return cur;
}

/* What all bit atomics are: read, change by `set` and `clear`, write, at once. */
static uint64_t fetch_bits(void *p, uint64_t set, uint64_t clear, enum hw_order o, const char *fn, int line)
{
	uint64_t off, old;
	uint32_t loc;

	step(HW_C_ATOMIC, p, fn, line);
	off = arena_off(p);
	loc = (uint32_t)(off >> 3);
	if (unlikely(off >= ARENA_BYTES)) {
		const enum alias_result r = alias_of(&p, fn, line);

		if (r == ALIAS_NONE) {
			order_before(o);
			old = *(uint64_t *)p;
			*(uint64_t *)p = (old | set) & ~clear;
			return old;
		}
		if (r != ALIAS_TABLE)
			return 0;
		off = arena_off(p);
		loc = (uint32_t)(off >> 3);
	}
	if (unlikely(!loc_live(loc, off))) {
		bad_store(loc, fn, line);
		return coh_read(loc);
	}
	order_atomic(loc, o);
	old = coh_read(loc);
	mem_write(loc, (old | set) & ~clear, hw.cpu, fn, line);
	if (unlikely(hw.trace != NULL))
		trace(HW_T_XCHG, p, old, (old | set) & ~clear, 0, true, fn, line);
	return old;
}

uint64_t hw_fetch_or(void *p, uint64_t bits, enum hw_order o, const char *fn, int line)
{
	return fetch_bits(p, bits, 0, o, fn, line);
}

uint64_t hw_fetch_andnot(void *p, uint64_t bits, enum hw_order o, const char *fn, int line)
{
	return fetch_bits(p, 0, bits, o, fn, line);
}

void hw_queued(void *p, const char *fn, int line)
{
	if (hw.on_queued)
		hw.on_queued(p, fn, line);
}

void hw_executed(void *p)
{
	if (hw.on_executed)
		hw.on_executed(p);
}

/* Plain stores like any other: pending until ordered, as a whole. */
void hw_clear_page(void *table, const char *fn, int line)
{
	uint64_t off;
	uint32_t loc;

	step(HW_C_STORE, table, fn, line);
	hw.nclears++;
	if (arena_off(table) >= ARENA_BYTES && alias_of(&table, fn, line) == ALIAS_REFUSED)
		return;
	off = arena_off(table) & ~((1ull << HW_FRAME_SHIFT) - 1);
	loc = (uint32_t)(off >> 3);
	if (off >= ARENA_BYTES || !loc_live(loc, 0)) {
		if (off < ARENA_BYTES)
			bad_store(loc, fn, line);
		else
			hw_find(HW_F_OUTSIDE, fn, line);
		return;
	}
	if (hw.cfg.drain == HW_DRAIN_EAGER) {
		pend_drain_all(hw.cpu);
		mem_clear(loc, hw.cpu, fn, line);
	} else {
		pend_add(hw.cpu, loc, 0, true, fn, line);
	}
	if (hw.trace)
		trace(HW_T_CLEAR, table, 0, 0, 0, true, fn, line);
}

/*
 * DSB (DDI 0487 B2.3.11): of its own stores it waits only when told to wait for stores; TLBIs are completed by
 * the full form alone. NSH reaches no other observer: only the own walker must see the stores then.
 */
static void dsb(enum hw_domain d, enum hw_access_type t)
{
	struct hw_cpu *c = &hw_m.cpu[hw.cpu];
	const bool ish = d != HW_NSH;

	if (t != HW_BAR_LD && c->npend) {
		if (ish)
			pend_drain_all(hw.cpu);
		else
			pend_mark_nsh(hw.cpu);
	}
	if (t == HW_BAR_FULL && ish && unlikely(hw_m.nlate))
		late_force_cpu(hw.cpu);
	hw_m.tick++;
	for (unsigned i = 0; i <= ish; i++) {
		c->dsb_all[i] = hw_m.tick;
		if (t != HW_BAR_LD)
			c->dsb_st[i] = hw_m.tick;
	}
	if (t == HW_BAR_FULL && c->nmarked)
		tlbi_complete(hw.cpu, ish);
	if (t == HW_BAR_FULL && unlikely(hw_m.flushed >> hw.cpu & 1))
		kernel_forgotten(hw.cpu);
}

void hw_barrier(enum hw_barrier_kind k, enum hw_domain d, enum hw_access_type t, const char *fn, int line)
{
	step(HW_C_BARRIER, NULL, fn, line);
	switch (k) {
	case HW_DSB:
		hw.n[HW_N_DSB]++;
		dsb(d, t);
		break;
	case HW_DMB:
		if (t != HW_BAR_LD && d != HW_NSH)
			hw_m.cpu[hw.cpu].group++;
		break;
	case HW_ISB:
		hw.n[HW_N_ISB]++;
		hw_do_context_sync(hw.cpu);
		break;
	}
	if (unlikely(hw.trace != NULL))
		trace(HW_T_BARRIER, NULL, k, d, t, true, fn, line);
}

void hw_tlbi(unsigned op, uint64_t xt, const char *fn, int line)
{
	step(HW_C_TLBI, NULL, fn, line);
	hw.n[HW_N_WIDE] += (op & ~(unsigned)HW_TLBI_IS) <= HW_TLBI_ASIDE1;
	tlbi_issue(hw.cpu, op, xt, fn, line);
	if (unlikely(hw.trace != NULL))
		trace(HW_T_TLBI, NULL, op, xt, 0, true, fn, line);
}

void hw_notify_secondary(unsigned asid, uint64_t start, uint64_t end, const char *fn, int line)
{
	step(HW_C_TLBI, NULL, fn, line);
	hw.n[HW_N_NOTIFY]++;
	if (hw.cfg.smmu)
		tlbi_notify(hw.cpu, asid, start, end);
	if (unlikely(hw.trace != NULL))
		trace(HW_T_NOTIFY, NULL, start, end, asid, true, fn, line);
}

void *hw_table_alloc(unsigned level, const char *fn, int line)
{
	void *p = NULL;

	step(HW_C_OTHER, NULL, fn, line);
	if (!hw.cfg.alloc_fails || hw_pick(PICK_ALLOC_FAIL, 4))
		p = mem_alloc((int)(level & 3), false, fn, line);
	if (hw.trace)
		trace(HW_T_ALLOC, p, 0, level, 0, p != NULL, fn, line);
	return p;
}

void hw_table_free(void *table, const char *fn, int line)
{
	uint64_t off;

	step(HW_C_OTHER, table, fn, line);
	if (hw.on_free)
		hw.on_free();
	off = arena_off(table);
	if (off >= ARENA_BYTES || off < 1ull << HW_FRAME_SHIFT)
		hw_find(HW_F_OUTSIDE, fn, line);
	else
		mem_free((uint32_t)(off >> HW_FRAME_SHIFT), fn, line);
	if (hw.trace)
		trace(HW_T_FREE, table, 0, 0, 0, true, fn, line);
}

uint64_t hw_table_pa(const void *table)
{
	return arena_off(table);
}

void *hw_table_va(uint64_t pa)
{
	return (void *)((uintptr_t)hw_m.mem + pa);
}

bool hw_feature(enum hw_feature f)
{
	switch (f) {
	case HW_FEAT_HAFDBS_AF:
		return hw.cfg.update[hw.cpu] >= HW_UPD_AF;
	case HW_FEAT_HAFDBS_DBM:
		return hw.cfg.update[hw.cpu] >= HW_UPD_AF_DIRTY;
	case HW_FEAT_TTL:
		return hw.cfg.ttl;
	case HW_FEAT_TLBIRANGE:
		return hw.cfg.tlbirange;
	case HW_FEAT_BBML2:
		return hw_bbml_of(CPUS_MASK) >= 2;
	case HW_FEAT_BBML2_NOABORT:
		return hw_bbml_of(CPUS_MASK) >= 3;
	case HW_FEAT_BBML2_NOABORT_CPU:
		return hw_bbml(hw.cpu) >= 3;
	case HW_FEAT_ETS2:
		return hw.cfg.ets2;
	}
	return false;
}

void *hw_current(void)
{
	return hw_m.current[hw.cpu];
}

/* Acquiring a lock that another CPU released publishes the releaser's stores. */
void hw_lock(unsigned id, const char *fn, int line)
{
	const unsigned l = id % LOCK_MAX;
	int last;

	step(HW_C_OTHER, NULL, fn, line);
	last = hw_m.lock[l].last - 1;
	if (last >= 0 && last != hw.cpu)
		pend_drain_all((unsigned)last);
	hw_m.lock[l].held = (int8_t)(hw.cpu + 1);
	hw_m.cpu[hw.cpu].nlocks++;
	if (hw.trace)
		trace(HW_T_LOCK, NULL, 0, id, 0, true, fn, line);
}

void hw_unlock(unsigned id, const char *fn, int line)
{
	const unsigned l = id % LOCK_MAX;
	int holder;

	step(HW_C_OTHER, NULL, fn, line);
	holder = hw_m.lock[l].held - 1;
	if (holder < 0) {
		hw_find(HW_F_LOCK, fn, line);
	} else {
		hw_m.cpu[holder].nlocks--;
		hw_m.lock[l].held = 0;
		hw_m.lock[l].last = (int8_t)(hw.cpu + 1);
	}
	if (hw.trace)
		trace(HW_T_UNLOCK, NULL, 0, id, 0, holder >= 0, fn, line);
}

void hw_unlock_early(unsigned id, const char *fn, int line)
{
	hw_unlock(id, fn, line);
	hw_m.lock[id % LOCK_MAX].last = 0;
}

void hw_might_sleep(const char *fn, int line)
{
	step(HW_C_OTHER, NULL, fn, line);
	if (hw_m.cpu[hw.cpu].nlocks)
		hw_find(HW_F_CONTEXT, fn, line);
}

void hw_warn(const char *what, const char *fn, int line)
{
	(void)what;
	hw_find(HW_F_WARN, fn, line);
}

_Noreturn void hw_bug(const char *what, const char *fn, int line)
{
	if (hw.on_bug)
		hw.on_bug(what, fn, line);
	abort();
}

void hw_run_on(unsigned cpu)
{
	hw.cpu = (uint8_t)cpu;
}

const struct hw_hooks hw_hooks = {
	.abi = HW_HOOKS_ABI,
	.load = hw_load,
	.store = hw_store,
	.xchg = hw_xchg,
	.cmpxchg = hw_cmpxchg,
	.fetch_or = hw_fetch_or,
	.fetch_andnot = hw_fetch_andnot,
	.clear_page = hw_clear_page,
	.barrier = hw_barrier,
	.tlbi = hw_tlbi,
	.notify_secondary = hw_notify_secondary,
	.table_alloc = hw_table_alloc,
	.table_free = hw_table_free,
	.table_pa = hw_table_pa,
	.table_va = hw_table_va,
	.feature = hw_feature,
	.current = hw_current,
	.queued = hw_queued,
	.executed = hw_executed,
	.lock = hw_lock,
	.unlock = hw_unlock,
	.might_sleep = hw_might_sleep,
	.warn = hw_warn,
	.bug = hw_bug,
	.alias_ptr = hw_alias_ptr,
	.write_ttbr1 = hw_write_ttbr1,
	.write_ttbr0 = hw_write_ttbr0,
	.cpu_relax = hw_cpu_relax,
	.rcu = hw_rcu,
};
