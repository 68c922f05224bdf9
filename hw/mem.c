/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Table frames and coherent memory.
 *
 * Property: a location that nobody wrote since its frame was allocated or freed reads as a plausible valid
 * descriptor, so reading it is never harmless; a replaced value that a walker could have reached is never lost
 * before the stale list has seen it; reset costs what was touched and leaves no trace.
 */
#include <string.h>
#include <sys/mman.h>
#include "internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define ARENA_ADDR 0x200000000000ull /* clear of every sanitizer's shadow */
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

struct hw_machine hw;
struct hw_priv hw_m;

/* Frames are addressed by offset, so that an arena elsewhere changes no result. */
void hw_init(void)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	const uint64_t align = 1ull << HW_FRAME_SHIFT;
	struct hw_config cfg = {.ncpu = 1};
	void *p;

	if (hw_m.mem)
		return;
	p = mmap((void *)ARENA_ADDR, ARENA_BYTES, prot, flags | MAP_FIXED_NOREPLACE, -1, 0);
	if (p == MAP_FAILED || (uintptr_t)p % align) {
		p = mmap(NULL, ARENA_BYTES + align, prot, flags, -1, 0);
		if (p == MAP_FAILED)
			__builtin_trap();
		p = (void *)(((uintptr_t)p + align - 1) & ~(uintptr_t)(align - 1));
	}
	hw_m.mem = p;
	hw_reset(&cfg);
}

/* Forgets the contents of a frame: the memory under every materialized line becomes zero again. */
static void frame_wipe(uint32_t frame)
{
	for (unsigned w = 0; w << (LINE_BITS + 6) < hw_m.nentries; w++) {
		uint64_t *map = &hw_m.map[frame * MAP_WORDS + w];

		while (*map) {
			const unsigned line = w * 64 + (unsigned)__builtin_ctzll(*map);
			const uint32_t loc = frame << LOC_BITS | line << LINE_BITS;
			struct hw_block *b = block_of(loc);

			*map &= *map - 1;
			memset(loc_ptr(loc), 0, 64);
			memset(b, 0, sizeof(*b));
			if (hw_m.cont_bits < LINE_BITS)
				memset(b + 1, 0, sizeof(*b));
		}
	}
}

/* The format of descriptors and range operands, of both halves. */
static void set_ds(bool ds)
{
	hw_m.ds = ds;
	hw_m.oa_mask = (ds ? HW_D_OA | 3ull << 48 : HW_D_OA) & ~((1ull << hw_m.page_shift) - 1);
	hw_m.oa_high = ds ? 3ull << 50 : 0;
}

static void geo_unpack(const struct hw_geo *g)
{
	hw_m.page_shift = g->page_shift;
	hw_m.table_bits = g->table_bits;
	hw_m.cont_bits = g->cont_bits;
	hw_m.root_level = 4 - g->levels;
	hw_m.nentries = 1u << g->table_bits;
	hw_m.ncont = 1u << g->cont_bits;
	memset(hw_m.run_bits, 0, sizeof(hw_m.run_bits));
	hw_m.run_bits[3 + 1] = g->cont_bits;
	hw_m.run_bits[2 + 1] = g->cont2_bits;
	for (unsigned i = 0; i < NLEVELS; i++)
		hw_m.shift[i] = g->page_shift + (NLEVELS - 1 - i) * g->table_bits;
	set_ds(false);
	hw_m.block_low = hw_m.oa_mask & ((1ull << block_shift()) - 1);
	hw_m.kernel_low = VA_LOW;
	if (g->page_shift + g->levels * g->table_bits < 48)
		hw_m.kernel_low = (1ull << (g->page_shift + g->levels * g->table_bits)) - 1;
	hw_m.norm_mask = (hw_m.oa_mask & ~hw_m.block_low) | HW_D_ATTRIDX | D_SH | HW_D_NG;
}

static void cpu_reset(struct hw_cpu *c)
{
	pend_reset(c);
	c->group = 0;
	memset(c->dsb_st, 0, sizeof(c->dsb_st));
	memset(c->dsb_all, 0, sizeof(c->dsb_all));
	c->nlocks = c->nmarked = 0;
}

void hw_reset(const struct hw_config *cfg)
{
	for (uint32_t i = 1; i < hw_m.frame_top; i++) {
		frame_wipe(i); /* still with the old geometry's blocks */
		memset(&hw_m.frame[i], 0, sizeof(hw_m.frame[i]));
		hw_m.limit[i] = 0;
	}
	hw.cfg = *cfg;
	if (hw.cfg.geo >= HW_NGEO)
		hw.cfg.geo = HW_GEO_SMALL;
	if (!hw.cfg.ncpu || hw.cfg.ncpu > HW_MAX_CPU)
		hw.cfg.ncpu = hw.cfg.ncpu ? HW_MAX_CPU : 1;
	hw.geo = &hw_geos[hw.cfg.geo];
	geo_unpack(hw.geo);
	hw_m.agents = ((1u << hw.cfg.ncpu) - 1) | (hw.cfg.smmu ? 1u << HW_SMMU : 0);
	hw.step = 0;
	hw.cpu = 0;
	hw.pick_salt = 0;
	hw.stale_overflow = 0;
	hw.nclears = 0;
	memset(hw.n, 0, sizeof(hw.n));
	hw_m.frame_top = hw_m.frame_rotor = 1;
	hw_m.epoch = 1;
	hw_m.tick = hw_m.seq = 0;
	hw_m.npend = hw_m.nlate = 0;
	hw_m.pick_last = hw_m.pick_ord = hw_m.alt = 0;
	memset(hw_m.walked, 0, sizeof(hw_m.walked));
	memset(hw_m.served, 0, sizeof(hw_m.served));
	memset(hw_m.ctx, 0, sizeof(hw_m.ctx));
	memset(hw_m.current, 0, sizeof(hw_m.current));
	hw_m.kernel_root = 0;
	hw_m.reserved = hw_m.flushed = 0;
	hw_m.alias_va = 0;
	hw_m.alias_ptep = NULL;
	memset(hw_m.lock, 0, sizeof(hw_m.lock));
	for (unsigned c = 0; c < HW_MAX_CPU; c++)
		cpu_reset(&hw_m.cpu[c]);
	stale_reset();
}

static __attribute__((noinline)) void line_fill(struct hw_frame *f, uint32_t loc)
{
	const uint32_t first = loc & ~7u;

	if (f->state != FRAME_LIVE || !f->zero) /* else it is: a wipe leaves zeros */
		for (uint32_t l = first; l < first + 8; l++)
			hw_m.mem[l] = frame_synth(f, l);
	hw_m.map[loc >> (LINE_BITS + 6)] |= 1ull << (loc >> LINE_BITS & 63);
}

static inline void line_touch(struct hw_frame *f, uint32_t loc)
{
	if (unlikely(!line_is_real(loc)))
		line_fill(f, loc);
}

/* A chain of parents longer than the levels is a table linked into itself: unreachable from a root. */
static bool resolve(struct hw_frame *f, unsigned depth)
{
	struct hw_frame *up;

	if (f->epoch == hw_m.epoch)
		return f->reach;
	f->reach = false;
	if (f->is_root) {
		f->va = f->asid == ASID_KERNEL ? VA_KERNEL : 0;
		f->home = (uint8_t)(f - hw_m.frame);
		f->reach = f->users != 0;
	} else if (f->parent != LOC_NONE && (f->nlink || f->nstale) && depth < 4) {
		up = frame_of(f->parent);
		/* A table that only a cached descriptor reaches keeps the place it was last linked at. */
		if (up->state == FRAME_LIVE && up->level < 3 && (resolve(up, depth + 1) || f->nstale)) {
			f->va = up->va + ((uint64_t)(f->parent & (HW_MAX_TABLE - 1)) << level_shift(up->level));
			f->asid = up->asid;
			f->home = up->home;
			f->reach = true;
		}
	}
	f->epoch = hw_m.epoch;
	return f->reach;
}

bool frame_resolve(struct hw_frame *f)
{
	return likely(f->epoch == hw_m.epoch) ? f->reach : resolve(f, 0);
}

static struct hw_frame *table_target(uint64_t v, int level)
{
	const uint64_t frame = desc_oa(v) >> HW_FRAME_SHIFT;

	if (!desc_is_table(v, level) || !frame || frame >= HW_MAX_FRAMES)
		return NULL;
	return &hw_m.frame[frame];
}

static void link_change(uint32_t loc, int level, uint64_t old, uint64_t v, const char *fn, int line)
{
	struct hw_frame *was = table_target(old, level), *is = table_target(v, level);

	if (!was && !is)
		return;
	if (was && was->nlink)
		was->nlink--;
	if (is) {
		is->nlink++;
		is->parent = loc;
		is->link_fn = fn;
		is->link_line = line;
	}
	hw_m.epoch++;
}

static void block_leave(uint32_t loc, uint64_t old)
{
	struct hw_block *b = block_of(loc);

	if (!desc_is_leaf(old, 3) || desc_is_poison(old))
		return;
	if (old & HW_D_CONT)
		b->ncont--;
	else
		b->nsingle--;
}

static void block_enter(uint32_t loc, uint64_t v)
{
	struct hw_block *b = block_of(loc);
	bool misaligned;
	uint64_t norm;

	if (!desc_is_leaf(v, 3) || desc_is_poison(v))
		return;
	if (!(v & HW_D_CONT)) {
		b->nsingle++;
		return;
	}
	norm = bbm_norm(loc, v, &misaligned);
	if (!b->ncont++) {
		b->norm = norm;
		b->mixed = misaligned;
	} else if (b->norm != norm || misaligned) {
		b->mixed = true;
	}
}

/* Stores without looking at consequences for caches; returns the old value. */
static uint64_t mem_put(struct hw_frame *f, uint32_t loc, uint64_t v, const char *fn, int line)
{
	uint64_t old;

	block_touch(loc);
	line_touch(f, loc);
	old = hw_m.mem[loc];
	hw_m.mem[loc] = v;
	if (f->level < 3)
		link_change(loc, f->level, old, v, fn, line);
	return old;
}

/*
 * Can `v` be seen at a glance to break no rule: nothing stale near it, and its block empty or of one kind with
 * it? The first entry of a run looks closer, for the whole block.
 */
static inline bool leaf_is_plain(uint32_t loc, const struct hw_frame *f, uint64_t v)
{
	const uint64_t va = f->va + ((uint64_t)(loc & (HW_MAX_TABLE - 1)) << hw_m.page_shift);
	const struct hw_block *b = block_of(loc);
	bool misaligned;

	if (hw_m.nstale &&
	    (hw_m.head[STALE_UP] & hw_m.head[stale_bucket_page(va)] & hw_m.head[stale_bucket_block(va)]) != NIL)
		return false;
	if (!(v & HW_D_CONT))
		return !b->ncont;
	return b->ncont && !b->nsingle && !b->mixed && bbm_norm(loc, v, &misaligned) == b->norm && !misaligned;
}

/* Bits of a valid leaf that decide what it translates to; a change of others concerns neither the block counts nor
 * the break-before-make rules, which the old value has already met. */
#define D_MEANING (HW_D_OA | HW_D_ATTRIDX | D_SH | HW_D_NG | HW_D_CONT | HW_D_TABLE | HW_D_VALID)

static void mem_write3(struct hw_frame *f, uint32_t loc, uint64_t v, unsigned writer, const char *fn, int line)
{
	uint64_t old;
	bool other;

	block_touch(loc);
	line_touch(f, loc);
	old = hw_m.mem[loc];
	if (old == v)
		return;
	hw_m.mem[loc] = v;
	other = ((old ^ v) & D_MEANING) != 0;
	if (other && (old & HW_D_VALID))
		block_leave(loc, old);
	if (frame_resolve(f)) {
		if ((old & HW_D_VALID) || hw.cfg.early) {
			hw_m.by = (struct hw_place){fn, line};
			stale_replaced(loc, f, old, writer, hw_m.agents);
		}
		if (other && (v & HW_D_VALID) && !leaf_is_plain(loc, f, v))
			bbm_check(loc, f, v, fn, line);
	}
	if (other && (v & HW_D_VALID))
		block_enter(loc, v);
}

void mem_write(uint32_t loc, uint64_t v, unsigned writer, const char *fn, int line)
{
	struct hw_frame *f = frame_of(loc), *was, *is;
	uint64_t old;
	bool reach;

	if (likely(f->level == 3)) {
		mem_write3(f, loc, v, writer, fn, line);
		return;
	}
	reach = frame_resolve(f); /* before: whoever could walk here could cache the old value */
	old = mem_put(f, loc, v, fn, line);
	was = table_target(old, f->level);
	is = table_target(v, f->level);
	if (old == v || !reach)
		return;
	hw_m.by = (struct hw_place){fn, line};
	stale_replaced(loc, f, old, writer, hw_m.agents);
	if (was)
		stale_unlinked((uint32_t)(was - hw_m.frame), writer);
	if (!(v & HW_D_VALID))
		return;
	bbm_check(loc, f, v, fn, line);
	if (is && frame_resolve(is))
		bbm_check_table(is, (uint32_t)(is - hw_m.frame), fn, line);
}

/*
 * A hardware update replaces AF=0 (never cached; an early walk of it matters to an agent that takes AF faults)
 * or clean by dirty. A TLB that keeps the clean value differs from one that walks again only for agents that
 * cannot update dirty state themselves: an updating agent must look at the current descriptor before its store
 * (DDI 0487 D8.5.4), and reads translate alike. So the clean value is kept for the others alone.
 */
void mem_update_now(uint32_t loc, uint64_t v, unsigned agent)
{
	struct hw_frame *f = frame_of(loc);
	const bool reach = frame_resolve(f);
	const uint64_t old = mem_put(f, loc, v, "hardware", 0);
	unsigned mask = 0;

	if (f->level == 3) {
		block_leave(loc, old);
		block_enter(loc, v);
	}
	for (unsigned a = 0; a < HW_MAX_AGENT; a++)
		if (hw.cfg.update[a] != HW_UPD_AF_DIRTY)
			mask |= 1u << a;
	mask &= hw_m.agents;
	hw_m.by = (struct hw_place){"hardware", 0};
	if (reach && mask)
		stale_replaced(loc, f, old, agent, mask);
}

void mem_update(uint32_t loc, uint64_t v, unsigned agent)
{
	if (unlikely(hw.cfg.late) && agent < HW_MAX_CPU)
		late_add(loc, v, agent);
	else
		mem_update_now(loc, v, agent);
}

/* Every entry that was there leaves, as if overwritten with zero. */
static void frame_drop_entries(struct hw_frame *f, uint32_t frame, unsigned writer, bool cached)
{
	frame_touch(frame);
	for (unsigned w = 0; w << (LINE_BITS + 6) < hw_m.nentries; w++) {
		for (uint64_t m = hw_m.map[frame * MAP_WORDS + w]; m; m &= m - 1) {
			const unsigned line = w * 64 + (unsigned)__builtin_ctzll(m);
			const uint32_t first = frame << LOC_BITS | line << LINE_BITS;

			for (uint32_t loc = first; loc < first + 8; loc++) {
				const uint64_t old = hw_m.mem[loc];

				if (cached && old)
					stale_replaced(loc, f, old, writer, hw_m.agents);
				if (f->level < 3)
					link_change(loc, f->level, old, 0, NULL, 0);
			}
		}
	}
	frame_wipe(frame);
}

void mem_clear(uint32_t loc, unsigned writer, const char *fn, int line)
{
	struct hw_frame *f = frame_of(loc);

	hw_m.by = (struct hw_place){fn, line};
	frame_drop_entries(f, loc >> LOC_BITS, writer, frame_resolve(f));
	f->zero = true;
}

/* The least recently used frame first, so that use after free stays visible. */
static uint32_t frame_take(int level, bool zero, const char *fn, int line)
{
	struct hw_frame *f;
	uint32_t i = hw_m.frame_rotor;

	for (unsigned n = 1; n < HW_MAX_FRAMES; n++, i = i + 1 < HW_MAX_FRAMES ? i + 1 : 1) {
		f = &hw_m.frame[i];
		if (f->state == FRAME_LIVE)
			continue;
		/* Its lines were wiped when it was freed. Whatever still points to it points to the new table. */
		f->is_root = f->retired = false;
		f->users = 0;
		f->state = FRAME_LIVE;
		frame_touch(i);
		hw_m.limit[i] = (uint16_t)hw_m.nentries;
		f->level = (int8_t)level;
		f->zero = zero;
		f->fn = fn;
		f->line = line;
		hw_m.frame_rotor = i + 1 < HW_MAX_FRAMES ? i + 1 : 1;
		if (hw_m.frame_top <= i)
			hw_m.frame_top = i + 1;
		hw_m.epoch++;
		return i;
	}
	return 0;
}

void *mem_alloc(int level, bool zero, const char *fn, int line)
{
	const uint32_t i = frame_take(level, zero, fn, line);

	return i ? loc_ptr(i << LOC_BITS) : NULL;
}

static bool frame_is_context(uint32_t i)
{
	if (hw_m.kernel_root == i)
		return true;
	for (unsigned a = 0; a < HW_MAX_AGENT; a++)
		if (hw_m.ctx[a].root == i)
			return true;
	return false;
}

/* The allocator orders its users, so stores to the page that are still pending are over by then. */
void mem_free(uint32_t i, const char *fn, int line)
{
	struct hw_frame *f = &hw_m.frame[i];

	if (f->state != FRAME_LIVE) {
		hw_find(f->state == FRAME_FREED ? HW_F_DOUBLE_FREE : HW_F_OUTSIDE, fn, line);
		return;
	}
	pend_drain_frame(i);
	late_force_frame(i);
	if (f->nstale || (f->nlink && frame_resolve(f)) || frame_is_context(i))
		hw_find(HW_F_FREE_REACHABLE, fn, line);
	frame_drop_entries(f, i, 0, false);
	f->state = FRAME_FREED;
	hw_m.limit[i] = 0;
	f->zero = false;
	f->fn = fn;
	f->line = line;
	hw_m.epoch++;
}

void *hw_setup_table(int level)
{
	return mem_alloc(level, true, "setup", 0);
}

void hw_setup_write(void *p, uint64_t v)
{
	const uint32_t loc = (uint32_t)((uint64_t *)p - hw_m.mem);
	struct hw_frame *f = frame_of(loc);
	const uint64_t old = mem_put(f, loc, v, "setup", 0);

	if (f->level == 3) {
		block_leave(loc, old);
		block_enter(loc, v);
	}
}

/* Agents that have this ASID loaded now. */
static unsigned asid_loaded(unsigned asid)
{
	unsigned mask = 0;

	for (unsigned a = 0; a < HW_MAX_AGENT; a++)
		if (hw_m.ctx[a].root && hw_m.ctx[a].asid == asid)
			mask |= 1u << a;
	return mask;
}

/* Of a retired ASID only those matter that can still walk its tables. */
void hw_retire_asid(unsigned asid)
{
	const unsigned loaded = asid_loaded(asid);

	for (uint32_t i = 1; i < hw_m.frame_top; i++) {
		struct hw_frame *f = &hw_m.frame[i];

		if (!f->is_root || f->asid != asid)
			continue;
		f->retired = true;
		f->users = (uint8_t)loaded;
	}
	stale_retire(asid, loaded);
	hw_m.epoch++;
}

/*
 * What an agent cached of a root outlives a switch to another; one that never had the root holds nothing of it. Writing TTBR0 needs an ISB (`cpu_do_switch_mm()`), a context synchronisation.
 */
void hw_set_context(unsigned agent, void *root, unsigned asid)
{
	const uint32_t i = root ? (uint32_t)(((uint64_t *)root - hw_m.mem) >> LOC_BITS) : 0;
	const struct hw_agent_ctx was = hw_m.ctx[agent];

	hw_m.ctx[agent].root = i;
	hw_m.ctx[agent].asid = (uint16_t)asid;
	if (i) {
		struct hw_frame *f = &hw_m.frame[i];

		f->retired &= f->is_root && f->asid == asid;
		f->is_root = true;
		f->asid = (uint16_t)asid;
		f->users |= (uint8_t)(1u << agent);
	}
	hw_m.epoch++;
	if (was.root == i && was.asid == asid)
		return;
	if (was.root && hw_m.frame[was.root].retired)
		hw_retire_asid(was.asid);
	if (agent < HW_MAX_CPU && hw.step)
		hw_do_context_sync(agent);
}

void hw_set_kernel_root(void *root)
{
	const uint32_t i = root ? (uint32_t)(((uint64_t *)root - hw_m.mem) >> LOC_BITS) : 0;

	hw_m.kernel_root = i;
	if (i) {
		const int level = hw_m.frame[i].level;
		const unsigned bits = level_shift(level) + hw_m.table_bits;
		const uint64_t most = level < 0 ? VA_WIDE : VA_LOW;

		hw_m.kernel_low = bits < 52 ? ((1ull << bits) - 1) & most : most;
		set_ds(level < 0);
		hw_m.frame[i].is_root = true;
		hw_m.frame[i].asid = ASID_KERNEL;
		hw_m.frame[i].users = (uint8_t)((1u << hw.cfg.ncpu) - 1);
	}
	hw_m.epoch++;
}

void hw_set_current(unsigned cpu, void *task)
{
	hw_m.current[cpu] = task;
}

/* Is a store on its way that ends a mapping of the page? Until then every walker may fetch it. */
static bool page_in_pending(uint64_t pa)
{
	for (unsigned c = 0; hw_m.npend && c < hw.cfg.ncpu; c++) {
		struct hw_cpu *cpu = &hw_m.cpu[c];

		for (unsigned i = 0; i < cpu->npend; i++) {
			const struct hw_pend *p = pend_of(cpu) + i;
			const struct hw_frame *f = frame_of(p->loc);
			const uint64_t old = coh_read(p->loc);

			if (!p->clear && f->level == 3 && desc_is_leaf(old, 3) && (old & HW_D_AF) &&
			    !desc_is_poison(old) && desc_oa(old) == pa && p->val != old)
				return true;
		}
	}
	return false;
}

bool hw_page_reachable(uint64_t pa)
{
	pa &= ~((1ull << hw_m.page_shift) - 1);
	return stale_reaches_page(pa) || page_in_pending(pa);
}

void hw_page_free(uint64_t pa, const char *fn, int line)
{
	if (hw_page_reachable(pa))
		hw_find(HW_F_PAGE_REACHABLE, fn, line);
}

bool hw_in_table(const void *p)
{
	const uint64_t off = (uintptr_t)p - (uintptr_t)hw_m.mem;
	const uint32_t loc = (uint32_t)(off >> 3);

	return off < ARENA_BYTES && frame_of(loc)->state == FRAME_LIVE &&
	       (loc & (HW_MAX_TABLE - 1)) < hw_m.nentries;
}

/* The newest of all pending stores, else memory. */
uint64_t hw_peek(const void *p)
{
	const uint64_t off = (uintptr_t)p - (uintptr_t)hw_m.mem;
	const uint32_t loc = (uint32_t)(off >> 3);
	const struct hw_pend *best = NULL;

	if (off >= ARENA_BYTES)
		return *(const uint64_t *)p;
	for (unsigned c = 0; hw_m.pending[loc >> LOC_BITS] && c < hw.cfg.ncpu; c++) {
		struct hw_cpu *cpu = &hw_m.cpu[c];

		if (!pend_maybe(cpu, loc))
			continue;
		for (unsigned i = cpu->npend; i-- > 0;) {
			const struct hw_pend *q = pend_of(cpu) + i;

			if (q->clear ? q->loc >> LOC_BITS != loc >> LOC_BITS : q->loc != loc)
				continue;
			if (!best || q->seq > best->seq)
				best = q;
			break;
		}
	}
	return best ? best->val : coh_read(loc);
}

/* The newest pending store to each location wins; few are pending, so they are laid over the coherent values. */
static void peek_pending(uint32_t loc, unsigned n, uint64_t *out)
{
	uint64_t seq[HW_MAX_TABLE / 64];

	memset(seq, 0, n * sizeof(seq[0]));
	for (unsigned c = 0; c < hw.cfg.ncpu; c++) {
		struct hw_cpu *cpu = &hw_m.cpu[c];

		for (unsigned i = 0; i < cpu->npend; i++) {
			const struct hw_pend *q = pend_of(cpu) + i;
			const uint32_t at = q->loc - loc;

			if (!q->clear && at < n && q->seq > seq[at]) {
				seq[at] = q->seq;
				out[at] = q->val;
			}
		}
	}
}

bool hw_touched(const uint64_t *p)
{
	const uint32_t loc = (uint32_t)(((uintptr_t)p - (uintptr_t)hw_m.mem) >> 3);
	const unsigned block = (loc & (HW_MAX_TABLE - 1)) >> hw_m.cont_bits;
	uint64_t *word = &hw_m.touched[loc >> LOC_BITS][block / 64], bit = 1ull << (block % 64);
	const bool was = *word & bit;

	*word &= ~bit;
	return was;
}

bool hw_table_touched(const uint64_t *table)
{
	uint64_t *words = hw_m.touched[(uint32_t)(((uintptr_t)table - (uintptr_t)hw_m.mem) >> 3) >> LOC_BITS],
		 any = 0;

	for (unsigned w = 0; w < MAX_BLOCKS / 64; w++) {
		any |= words[w];
		words[w] = 0;
	}
	return any;
}

/* Entries of one line, which is real as a whole or not. */
static void peek_line(uint32_t loc, unsigned n, uint64_t *out)
{
	if (likely(line_is_real(loc))) {
		memcpy(out, loc_ptr(loc), n * sizeof(*out));
		return;
	}
	for (unsigned i = 0; i < n; i++)
		out[i] = frame_synth(frame_of(loc), loc + i);
}

void hw_peek_run(const uint64_t *p, unsigned n, uint64_t *out)
{
	const uint32_t loc = (uint32_t)(((uintptr_t)p - (uintptr_t)hw_m.mem) >> 3);
	const unsigned pending = hw_m.pending[loc >> LOC_BITS];
	bool clears = false;

	for (unsigned c = 0; pending && c < hw.cfg.ncpu; c++)
		clears |= hw_m.cpu[c].clears[loc >> LOC_BITS] != 0;
	if (unlikely(clears)) {
		for (unsigned i = 0; i < n; i++)
			out[i] = hw_peek(p + i);
		return;
	}
	for (unsigned i = 0, len; i < n; i += len) {
		len = 8 - ((loc + i) & 7);
		if (len > n - i)
			len = n - i;
		peek_line(loc + i, len, out + i);
	}
	if (unlikely(pending))
		peek_pending(loc, n, out);
}

const uint64_t *hw_view_run(const uint64_t *p, unsigned n, uint64_t *buf)
{
	const uint32_t loc = (uint32_t)(((uintptr_t)p - (uintptr_t)hw_m.mem) >> 3), last = loc + n - 1;
	const uint64_t lines = hw_m.map[loc >> (LINE_BITS + 6)] >> (loc >> LINE_BITS & 63);
	const unsigned want = (last >> LINE_BITS) - (loc >> LINE_BITS) + 1;

	if (likely(!hw_m.pending[loc >> LOC_BITS] &&
		   !(~lines & ((1ull << want) - 1)))) /* a block lies in one word of the map */
		return p;
	hw_peek_run(p, n, buf);
	return buf;
}

static uint64_t hash_frames(uint64_t h)
{
	for (uint32_t i = 1; i < hw_m.frame_top; i++) {
		const struct hw_frame *f = &hw_m.frame[i];
		const uint64_t head[] = {f->state,  f->level,  f->zero, f->is_root, f->nlink,
					 f->nstale, f->parent, f->asid, f->retired, f->users};

		h = XXH3_64bits_withSeed(head, sizeof(head), h);
		for (uint32_t l = 0; l < hw_m.nentries; l += 8)
			if (line_is_real(i << LOC_BITS | l))
				h = XXH3_64bits_withSeed(loc_ptr(i << LOC_BITS | l), 64, h + l);
	}
	return h;
}

static uint64_t hash_cpus(uint64_t h)
{
	for (unsigned n = 0; n < HW_MAX_CPU; n++) {
		struct hw_cpu *c = &hw_m.cpu[n];
		const uint64_t head[] = {c->npend,	c->nclear,     c->group,  c->dsb_st[0], c->dsb_st[1],
					 c->dsb_all[0], c->dsb_all[1], c->nlocks, c->nmarked,	hw_m.nearly[n]};

		h = XXH3_64bits_withSeed(head, sizeof(head), h);
		h = XXH3_64bits_withSeed(c->cnt, sizeof(c->cnt), h);
		for (unsigned i = 0; i < c->npend; i++) {
			const struct hw_pend *p = pend_of(c) + i;
			const uint64_t rec[] = {p->val, p->seq, p->loc, p->group, p->own, p->clear};

			h = XXH3_64bits_withSeed(rec, sizeof(rec), h);
		}
	}
	return h;
}

static uint64_t hash_stale(uint64_t h)
{
	for (unsigned i = hw_m.oldest; i != NIL; i = hw_m.stale[i].newer) {
		const struct hw_stale *e = &hw_m.stale[i];
		const uint64_t rec[] = {e->va,	       e->val, e->tick,	 e->loc,    stale_asid(e), stale_level(e),
					stale_cont(e), e->tlb, e->early, e->kill_b, e->kill_l,	   e->writer};

		h = stale_cont(e) ? h * 31 + (e->lo | (uint64_t)e->hi << 8) : h; /* of others they mean nothing */
		h = XXH3_64bits_withSeed(rec, sizeof(rec), h);
	}
	return XXH3_64bits_withSeed(hw_m.head, sizeof(hw_m.head), h + hw_m.nstale);
}

static uint64_t hash_cfg(void)
{
	const struct hw_config *c = &hw.cfg;
	const uint64_t rec[] = {c->geo,	      c->ncpu,	    c->update[0],   c->update[1], c->update[2],
				c->update[3], c->update[4], c->smmu,	    c->smmu_btm,  c->ets2,
				c->ttl,	      c->tlbirange, c->bbml,	    c->drain,	  c->xlate,
				c->pick,      c->early,	    c->alloc_fails, c->salt,	  c->late};

	return XXH3_64bits_withSeed(c->bbml_less, sizeof(c->bbml_less), XXH3_64bits(rec, sizeof(rec)));
}

/* Everything but host pointers (callbacks, places to blame). The arena is hashed where lines are real; that the
 * rest is zero is the wipe's promise, checked here for the frames in use. */
uint64_t hw_state_hash(void)
{
	const uint64_t head[] = {hw.step,	 hw.cpu,	   hw.pick_salt,    hw.stale_overflow,
				 hw_m.frame_top, hw_m.frame_rotor, hw_m.tick,	    hw_m.seq,
				 hw_m.npend,	 hw_m.nlate,	   hw_m.pick_last,  hw_m.pick_ord,
				 hw_m.alt,	 hw_m.page_shift,  hw_m.table_bits, hw_m.cont_bits};
	uint64_t h = hash_cfg();

	h = XXH3_64bits_withSeed(head, sizeof(head), h);
	h = XXH3_64bits_withSeed(hw.n, sizeof(hw.n), h);
	for (unsigned a = 0; a < HW_MAX_AGENT; a++)
		h = h * 31 + ((uint64_t)hw_m.ctx[a].root << 16 | hw_m.ctx[a].asid);
	for (unsigned c = 0; c < HW_MAX_CPU; c++)
		h = h * 31 + (hw_m.current[c] != NULL);
	h = h * 31 + hw_m.kernel_root;
	h = (h * 31 + hw_m.reserved) * 31 + hw_m.flushed;
	h = XXH3_64bits_withSeed(hw_m.lock, sizeof(hw_m.lock), h);
	h = XXH3_64bits_withSeed(hw_m.block, hw_m.frame_top * sizeof(hw_m.block[0]), h);
	h = hash_frames(h);
	h = hash_cpus(h);
	return hash_stale(h);
}
