/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TLB maintenance: operands, coverage, completion.
 *
 * Property: an entry disappears only if the operand as encoded promises it (DDI 0487 C5.5, D8.14), the
 * replacement was ordered before the TLBI by a DSB of its CPU, and a full DSB of that CPU came after it.
 * Where the architecture promises nothing (a wrong hint, a misaligned base), nothing is removed.
 */
#include "internal.h"

struct operand {
	uint64_t start, end; /* [start, end) */
	uint16_t asid;
	bool all; /* no address */
	bool any_asid;
	bool leaf_only;
	bool global;  /* global leaves too */
	uint8_t hint; /* only entries of level hint - 1; 0: of any */
	bool nothing; /* the operand is wrong in a way that promises nothing */
};

/*
 * TTL[3:2] granule, TTL[1:0] level; 0b00xx is no hint (DDI 0487 C5.5, FEAT_TTL). With FEAT_LPA2, which is here where
 * DS is 1, 0b0100 names level 0 at 4K; elsewhere it is no hint either. Level -1 has no leaves and no name.
 */
static void decode_va(struct operand *o, uint64_t xt)
{
	const unsigned ttl = hw.cfg.ttl ? xt >> 44 & 15 : 0;

	o->start = va_canon(xt << 12) & ~((1ull << hw_m.page_shift) - 1);
	o->end = o->start + (1ull << hw_m.page_shift);
	if (ttl >> 2 && ((ttl & 3) || (hw_m.ds && hw.geo->tg == 1))) {
		o->hint = 1 + (ttl & 3);
		o->nothing = ttl >> 2 != hw.geo->tg;
	}
}

/*
 * FEAT_TLBIRANGE: [base, base + (NUM + 1) * 2^(5 * SCALE + 1) pages). A TG that is not the granule in use, or a
 * level hint whose entries the base is not aligned to, promises nothing.
 */
static void decode_range(struct operand *o, uint64_t xt)
{
	const unsigned scale = xt >> 44 & 3, num = xt >> 39 & 31, tg = xt >> 46 & 3, level = xt >> 37 & 3;
	const unsigned unit = hw_m.ds ? 16 : hw_m.page_shift, sign = hw_m.ds ? 52 : 48;

	o->start = (xt & ((1ull << 37) - 1)) << unit;
	/* BaseADDR is VA[48:12] at 4K, wider above: bit 48 is a copy of bit 55. With DS = 1 it is VA[52:16] at every
	 * granule, in units of 64 KiB, and bit 52 is that copy (DDI 0487 C5.5). */
	o->start = va_canon((o->start & ~VA_KERNEL) | (o->start >> sign & 1) << 55);
	o->end = o->start + ((num + 1ull) << (5 * scale + 1 + hw_m.page_shift));
	o->hint = level ? (uint8_t)(1 + level) : 0; /* levels 0 and -1 have no name in a range */
	o->nothing = tg != hw.geo->tg;
	if (level && o->start & ((1ull << level_shift((int)level)) - 1))
		o->nothing = true;
}

static struct operand decode(unsigned op, uint64_t xt)
{
	struct operand o = {.asid = (uint16_t)(xt >> 48), .global = true};

	switch (op) {
	case HW_TLBI_VMALLE1:
		o.all = o.any_asid = true;
		return o;
	case HW_TLBI_ASIDE1:
		o.all = true;
		o.global = false;
		return o;
	case HW_TLBI_VALE1:
	case HW_TLBI_VAALE1:
	case HW_TLBI_RVALE1:
	case HW_TLBI_RVAALE1:
		o.leaf_only = true;
		break;
	default:
		break;
	}
	o.any_asid = op == HW_TLBI_VAAE1 || op == HW_TLBI_VAALE1 || op == HW_TLBI_RVAAE1 || op == HW_TLBI_RVAALE1;
	if (op >= HW_TLBI_RVAE1)
		decode_range(&o, xt);
	else
		decode_va(&o, xt);
	return o;
}

static uint64_t entry_size(const struct hw_stale *e)
{
	return 1ull << (stale_cont(e) ? run_shift(stale_level(e)) : level_shift(stale_level(e)));
}

/* Any overlap removes a block (DDI 0487 D8.14.3: the whole entry goes). Of a contiguous run see trim(). */
static bool operand_matches(const struct operand *o, const struct hw_stale *e)
{
	const bool table = desc_is_table(e->val, stale_level(e));

	if (!o->all && (e->va >= o->end || o->start >= e->va + entry_size(e)))
		return false;
	if (!o->any_asid && stale_asid(e) != o->asid &&
	    (table || (e->val & HW_D_NG) || !(e->val & HW_D_VALID) || !o->global))
		return false;
	if (!o->global && !table && (e->val & (HW_D_NG | HW_D_VALID)) == HW_D_VALID)
		return false;
	if (table)
		return !o->leaf_only && !o->hint; /* a hint describes leaves: it promises nothing for tables */
	return !o->hint || stale_level(e) == o->hint - 1;
}

/*
 * The old value was visible to this CPU's TLBI only if a DSB stood between the two. For its own stores and
 * atomics that DSB must wait for stores; for what others wrote any kind will do.
 */
static bool covered(const struct hw_stale *e, unsigned cpu, bool ish)
{
	const struct hw_cpu *c = &hw_m.cpu[cpu];

	return e->tick <= (e->writer == cpu ? c->dsb_st[ish] : c->dsb_all[ish]);
}

static bool left_nothing(const struct hw_stale *e, unsigned agent)
{
	const uint8_t lo = e->plo[agent], hi = e->phi[agent];

	if (agent == HW_SMMU)
		return lo >= hi;
	return (lo > e->lo ? lo : e->lo) >= (hi < e->hi ? hi : e->hi);
}

/*
 * The contiguous bit is a hint: what was filled from a run may sit in the TLB page by page, and a TLBI of one page
 * leaves the others (DDI 0487 D8.7.1). What is left is kept as one interval; of two the upper one is forgotten.
 * True if nothing is left.
 */
static bool trim(struct hw_stale *e, const struct operand *o, unsigned agent)
{
	uint8_t *lo = &e->plo[agent], *hi = &e->phi[agent];
	const unsigned unit = level_shift(stale_level(e));
	const uint64_t size = entry_size(e), round = (1ull << unit) - 1;
	unsigned a = 0, b = run_entries(stale_level(e));

	if (!o->all && o->start > e->va)
		a = (unsigned)((o->start - e->va) >> unit);
	if (!o->all && o->end < e->va + size)
		b = (unsigned)((o->end - e->va + round) >> unit);
	if (a <= *lo)
		*lo = b > *lo ? (uint8_t)b : *lo;
	else if (a < *hi)
		*hi = (uint8_t)a;
	return left_nothing(e, agent);
}

typedef void (*entry_fn)(uint16_t i, const struct operand *o, unsigned cpu, bool ish);

static void mark(uint16_t i, const struct operand *o, unsigned cpu, bool ish)
{
	struct hw_stale *e = &hw_m.stale[i];
	struct hw_cpu *c = &hw_m.cpu[cpu];

	if (!covered(e, cpu, ish))
		return;
	if (stale_cont(e))
		trim(e, o, cpu);
	if (!((e->kill_b | e->kill_l) >> cpu & 1)) {
		if (c->nmarked < STALE_MAX)
			c->marked[c->nmarked] = i;
		c->nmarked++;
	}
	if (ish)
		e->kill_b |= (uint8_t)(1u << cpu);
	else
		e->kill_l |= (uint8_t)(1u << cpu);
}

static void unsmmu(uint16_t i, const struct operand *o, unsigned cpu, bool ish)
{
	struct hw_stale *e = &hw_m.stale[i];

	if (covered(e, cpu, ish) && (!stale_cont(e) || trim(e, o, HW_SMMU)))
		stale_drop(e, 1u << HW_SMMU, 0);
}

static void each_in(unsigned bucket, const struct operand *o, entry_fn fn, unsigned cpu, bool ish)
{
	uint16_t next;

	for (uint16_t i = hw_m.head[bucket]; i != NIL; i = next) {
		next = hw_m.stale[i].next;
		if (operand_matches(o, &hw_m.stale[i]))
			fn(i, o, cpu, ish);
	}
}

static void each_match(const struct operand *o, entry_fn fn, unsigned cpu, bool ish)
{
	const uint64_t pages = (o->end - o->start) >> hw_m.page_shift;
	uint16_t next;

	if (o->nothing || !hw_m.nstale)
		return;
	if (o->all || pages >= hw_m.nstale || pages >= STALE_HASH / 2) {
		for (uint16_t i = hw_m.oldest; i != NIL; i = next) {
			next = hw_m.stale[i].newer;
			if (operand_matches(o, &hw_m.stale[i]))
				fn(i, o, cpu, ish);
		}
		return;
	}
	each_in(STALE_UP, o, fn, cpu, ish);
	for (uint64_t va = o->start; va < o->end; va += 1ull << hw_m.page_shift)
		each_in(stale_bucket_page(va), o, fn, cpu, ish);
	for (uint64_t va = o->start & ~((1ull << block_shift()) - 1); va < o->end; va += 1ull << block_shift())
		each_in(stale_bucket_block(va), o, fn, cpu, ish);
}

void tlbi_issue(unsigned cpu, unsigned op, uint64_t xt, const char *fn, int line)
{
	const unsigned base = op & ~(unsigned)HW_TLBI_IS;
	struct operand o;

	if (base >= HW_TLBI_NOPS || (base >= HW_TLBI_RVAE1 && !hw.cfg.tlbirange))
		hw_bug("undefined TLBI", fn, line);
	if (unlikely(hw_m.reserved >> cpu & 1) && base == HW_TLBI_VMALLE1)
		hw_m.flushed |= (uint8_t)(1u << cpu);
	o = decode(base, xt);
	each_match(&o, mark, cpu, op & HW_TLBI_IS);
}

/* What a completed broadcast leaves of a run: to all CPUs, and to an SMMU that listens. */
static void run_shrink(struct hw_stale *e, unsigned cpu)
{
	uint8_t *lo = &e->plo[HW_SMMU], *hi = &e->phi[HW_SMMU];

	e->lo = e->plo[cpu] > e->lo ? e->plo[cpu] : e->lo;
	e->hi = e->phi[cpu] < e->hi ? e->phi[cpu] : e->hi;
	if (!hw.cfg.smmu_btm)
		return;
	*lo = e->lo > *lo ? e->lo : *lo;
	*hi = e->hi < *hi ? e->hi : *hi;
	if (*lo >= *hi)
		stale_drop(e, 1u << HW_SMMU, 0); /* the CPUs still hold it */
}

/*
 * Completion of a broadcast also waits for accesses that other CPUs made with the dropped values, and so for
 * their early walks; the issuer's own early translations stay until its context synchronisation (DDI 0487
 * D8.14.5). A table descriptor is different: a walk under way is over by then and no new one starts from it.
 */
static void complete_entry(struct hw_stale *e, unsigned cpu, bool ish)
{
	const unsigned all = CPUS_MASK | (hw.cfg.smmu_btm ? 1u << HW_SMMU : 0), own = 1u << cpu;
	const bool broadcast = ish && e->kill_b >> cpu & 1, local = e->kill_l >> cpu & 1;
	const bool table = desc_is_table(e->val, stale_level(e));

	if (local || broadcast)
		e->kill_l &= (uint8_t)~own;
	if (stale_cont(e) && !left_nothing(e, cpu)) {
		if (broadcast) {
			e->kill_b &= (uint8_t)~own;
			run_shrink(e, cpu);
		}
		return;
	}
	if (broadcast) {
		e->kill_b &= (uint8_t)~own;
		stale_drop(e, all, table ? CPUS_MASK : CPUS_MASK & ~own);
	} else if (local) {
		stale_drop(e, own, table ? own : 0);
	}
}

void tlbi_complete(unsigned cpu, bool ish)
{
	struct hw_cpu *c = &hw_m.cpu[cpu];
	const bool scan = c->nmarked > STALE_MAX;
	const unsigned n = scan ? hw_m.stale_top : c->nmarked;
	unsigned kept = 0;

	for (unsigned k = 0; k < n; k++) {
		const uint16_t i = scan ? (uint16_t)k : c->marked[k];
		struct hw_stale *e = &hw_m.stale[i];

		if (!e->live || !((e->kill_b | e->kill_l) >> cpu & 1))
			continue;
		complete_entry(e, cpu, ish);
		if (e->live && (e->kill_b >> cpu & 1)) /* a DSB NSH does not complete a broadcast */
			c->marked[kept++] = i;
	}
	c->nmarked = kept;
}

/* mmu_notifier_arch_invalidate_secondary_tlbs: a command queue that waits for its own completion. */
void tlbi_notify(unsigned cpu, unsigned asid, uint64_t start, uint64_t end)
{
	const uint64_t page = (1ull << hw_m.page_shift) - 1;
	const struct operand o = {
		.start = start & VA_LOW & ~page,
		.end = ((end - 1) & VA_LOW & ~page) + page + 1,
		.asid = (uint16_t)asid,
		.global = true,
		.nothing = end <= start,
	};

	each_match(&o, unsmmu, cpu, true);
}
