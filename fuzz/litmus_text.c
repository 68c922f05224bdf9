// SPDX-License-Identifier: GPL-2.0-only
/*
 * The text form of litmus tests (docs/litmus.md).
 *
 * Property: a file is read as a whole or refused with file, line and what was expected; nothing in it is skipped
 * but comments and the lines that only explain (about, note, source, relation).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/litmus.h"

#define PFN0 0x400ull

static const char var_names[LIT_VARS + 1] = "xyzawf";
static const char *const fault_names[] = {"no", "Translation", "AF", "Permission", "Abort"};

struct reader {
	struct lit_test *t;
	const char *path, *p; /* the rest of the line */
	unsigned line;
	int thread; /* whose steps come, -1 none */
	char *err;
	size_t n;
	bool bad;
};

__attribute__((format(printf, 2, 3))) static bool fail(struct reader *r, const char *fmt, ...)
{
	va_list ap;
	int k;

	if (r->bad)
		return false;
	r->bad = true;
	k = snprintf(r->err, r->n, "%s:%u: ", r->path, r->line);
	va_start(ap, fmt);
	if (k > 0 && (size_t)k < r->n)
		vsnprintf(r->err + k, r->n - (size_t)k, fmt, ap);
	va_end(ap);
	return false;
}

static void blanks(struct reader *r)
{
	while (*r->p == ' ' || *r->p == '\t')
		r->p++;
}

/* Takes `s` if it comes next; a word must end there. */
static bool take(struct reader *r, const char *s)
{
	const size_t n = strlen(s);
	const char last = s[n - 1];
	const bool word = (last >= 'a' && last <= 'z') || (last >= '0' && last <= '9');
	char next;

	blanks(r);
	if (strncmp(r->p, s, n) != 0)
		return false;
	next = r->p[n];
	if (word && ((next >= 'a' && next <= 'z') || (next >= '0' && next <= '9') || next == '-'))
		return false;
	r->p += n;
	return true;
}

static bool need(struct reader *r, const char *s)
{
	return take(r, s) || fail(r, "expected '%s' at '%.20s'", s, r->p);
}

static bool number(struct reader *r, uint64_t *v)
{
	char *end;

	blanks(r);
	if (*r->p < '0' || *r->p > '9')
		return fail(r, "expected a number at '%.20s'", r->p);
	*v = strtoull(r->p, &end, 0);
	r->p = end;
	return true;
}

static bool below(struct reader *r, uint64_t limit, unsigned *v)
{
	uint64_t x;

	*v = 0;
	if (!number(r, &x))
		return false;
	if (x >= limit)
		return fail(r, "%llu: below %llu expected", (unsigned long long)x, (unsigned long long)limit);
	*v = (unsigned)x;
	return true;
}

static bool offset(struct reader *r, unsigned *off)
{
	*off = 0;
	if (*r->p != '+')
		return true;
	r->p++;
	return below(r, LIT_PAGES, off);
}

/* x, y+3 */
static bool page(struct reader *r, struct lit_page *pg)
{
	const char *v;
	unsigned off;

	blanks(r);
	v = *r->p ? strchr(var_names, *r->p) : NULL;
	if (!v)
		return fail(r, "expected a page, one of %s, at '%.20s'", var_names, r->p);
	pg->var = (uint8_t)(v - var_names);
	r->p++;
	if (!offset(r, &off))
		return false;
	pg->off = (uint8_t)off;
	return true;
}

/* Px, P3+1 */
static bool phys(struct reader *r, unsigned *ph)
{
	const char *v;
	unsigned off, area;

	if (!need(r, "P"))
		return false;
	v = *r->p ? strchr(var_names, *r->p) : NULL;
	if (v)
		area = (unsigned)(v - var_names);
	else if (*r->p >= '0' && *r->p <= '9')
		area = LIT_VARS + (unsigned)(*r->p - '0');
	else
		return fail(r, "expected a physical page such as Px at 'P%.20s'", r->p);
	r->p++;
	if (!offset(r, &off))
		return false;
	*ph = area * LIT_PAGES + off;
	return true;
}

/* pte(x), pte2(x), pte1(x) */
static bool take_slot(struct reader *r, struct lit_slot *s)
{
	if (take(r, "pte(") || take(r, "pte3("))
		s->level = 3;
	else if (take(r, "pte2("))
		s->level = 2;
	else if (take(r, "pte1("))
		s->level = 1;
	else
		return false;
	return page(r, &s->page) && need(r, ")");
}

/* A table of the page: what an entry of `level` has to hold to reach it. */
static uint64_t table_value(struct lit_slot s)
{
	unsigned frame = LIT_PT + s.page.var;

	if (s.level == 1)
		frame = s.page.var ? LIT_PMD : LIT_PMD_X;
	return (uint64_t)frame << HW_FRAME_SHIFT | HW_D_TABLE | HW_D_VALID;
}

static bool set(uint64_t *v, uint64_t bits, bool on)
{
	*v = on ? *v | bits : *v & ~bits;
	return true;
}

static bool field(struct reader *r, uint64_t *v)
{
	static const struct {
		const char *name;
		uint64_t bits;
		bool inverted;
	} flags[] = {{"valid", HW_D_VALID, false}, {"af", HW_D_AF, false},     {"w", HW_D_RDONLY, true},
		     {"dbm", HW_D_DBM, false},	   {"cont", HW_D_CONT, false}, {"ng", HW_D_NG, false},
		     {"user", HW_D_USER, false},   {"block", HW_D_TABLE, true}};
	unsigned x;

	if (take(r, "oa:")) {
		if (!phys(r, &x))
			return false;
		*v = (*v & ~HW_D_OA) | (PFN0 + x) << 12;
		return true;
	}
	if (take(r, "attr:"))
		return below(r, 8, &x) && set(v, HW_D_ATTRIDX, false) && set(v, (uint64_t)x << 2, true);
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (!take(r, flags[i].name))
			continue;
		return need(r, ":") && below(r, 2, &x) && set(v, flags[i].bits, x != flags[i].inverted);
	}
	return fail(r, "expected a descriptor field at '%.20s'", r->p);
}

static bool descriptor(struct reader *r, struct lit_slot s, uint64_t *v)
{
	*v = 0;
	if (take(r, "none"))
		return true;
	if (take(r, "table")) {
		*v = table_value(s);
		return s.level < 3 || fail(r, "a level-3 entry points to no table");
	}
	*v = PFN0 << 12 | HW_D_VALID | HW_D_TABLE | HW_D_AF | HW_D_USER | HW_D_NG | 3ull << 8;
	if (!need(r, "{"))
		return false;
	while (!take(r, "}"))
		if (!field(r, v) || (!take(r, ",") && *r->p != '}' && !fail(r, "expected ',' or '}'")))
			return false;
	if (*v & HW_D_CONT)
		r->t->cont = true;
	return true;
}

/* ---- set-up ---- */

static bool add_slot(struct reader *r, struct lit_slot s, uint64_t v)
{
	struct lit_test *t = r->t;
	unsigned i = 0;

	while (i < t->nslot && (t->slot[i].at.level != s.level || t->slot[i].at.page.var != s.page.var ||
				t->slot[i].at.page.off != s.page.off))
		i++;
	if (i == LIT_SLOTS)
		return fail(r, "more than %d descriptors", LIT_SLOTS);
	if (i == t->nslot)
		t->nslot++;
	t->slot[i].at = s;
	t->slot[i].val = v;
	return true;
}

static void defaults(struct reader *r)
{
	struct lit_test *t = r->t;
	struct lit_slot s = {0};

	memset(t, 0, sizeof(*t));
	t->bbm = -1;
	t->cfg = (struct hw_config){.geo = HW_GEO_SMALL,
				    .early = true,
				    .late = true,
				    .ttl = true,
				    .tlbirange = true,
				    .drain = HW_DRAIN_LAZY};
	for (uint8_t v = 0; v < LIT_VARS; v++) {
		s.page.var = v;
		s.level = 1;
		if (v < 2)
			add_slot(r, s, table_value(s));
		s.level = 2;
		add_slot(r, s, table_value(s));
		s.level = 3;
		add_slot(r, s,
			 (PFN0 + v * 16u) << 12 | HW_D_VALID | HW_D_TABLE | HW_D_AF | HW_D_USER | HW_D_NG |
				 3ull << 8);
	}
}

static bool line_slot(struct reader *r)
{
	struct lit_slot s;
	uint64_t v;

	return take_slot(r, &s) && need(r, "=") && descriptor(r, s, &v) && add_slot(r, s, v);
}

static bool line_mem(struct reader *r)
{
	struct lit_test *t = r->t;
	unsigned ph;

	if (t->nmem == LIT_SLOTS)
		return fail(r, "more than %d lines of memory", LIT_SLOTS);
	if (!phys(r, &ph) || !need(r, ")") || !need(r, "=") || !number(r, &t->mem[t->nmem].val))
		return false;
	t->mem[t->nmem++].phys = (uint16_t)ph;
	return true;
}

static bool line_update(struct reader *r)
{
	unsigned from = 0, to = HW_MAX_AGENT, u;

	if (take(r, "smmu")) {
		from = HW_SMMU;
	} else if (take(r, "P")) {
		if (!below(r, HW_MAX_CPU, &from))
			return false;
		to = from + 1;
	}
	if (take(r, "none"))
		u = HW_UPD_NONE;
	else if (take(r, "af"))
		u = HW_UPD_AF;
	else if (take(r, "dirty"))
		u = HW_UPD_AF_DIRTY;
	else
		return fail(r, "expected none, af or dirty");
	for (unsigned a = from; a < to; a++)
		r->t->cfg.update[a] = (uint8_t)u;
	return true;
}

static bool line_smmu(struct reader *r)
{
	r->t->cfg.smmu_btm = take(r, "listens");
	return r->t->cfg.smmu_btm || need(r, "deaf");
}

static bool line_bbml(struct reader *r)
{
	unsigned v;

	if (!below(r, 4, &v))
		return false;
	r->t->cfg.bbml = (uint8_t)v;
	return true;
}

/* ---- threads ---- */

static bool line_thread(struct reader *r, unsigned agent)
{
	struct lit_test *t = r->t;

	if (!need(r, ":"))
		return false;
	for (unsigned i = 0; i < t->nthread; i++)
		if (t->agent[i] == agent)
			return fail(r, "this thread was there already");
	if (agent == HW_SMMU) {
		t->cfg.smmu = true;
	} else if (agent >= t->cfg.ncpu) {
		t->cfg.ncpu = (uint8_t)(agent + 1);
	}
	r->thread = (int)t->nthread;
	t->agent[t->nthread++] = (uint8_t)agent;
	return true;
}

static bool step_barrier(struct reader *r, struct lit_step *s)
{
	static const struct {
		const char *name;
		uint8_t dom;
	} doms[] = {{"ish", HW_ISH}, {"nsh", HW_NSH}, {"osh", HW_OSH}, {"sy", HW_SY}, {"st", HW_SY}, {"ld", HW_SY}};

	s->kind = LIT_BARRIER;
	blanks(r);
	for (unsigned i = 0; i < sizeof(doms) / sizeof(doms[0]); i++) {
		const char *p = r->p;

		if (strncmp(p, doms[i].name, strlen(doms[i].name)) != 0)
			continue;
		s->dom = doms[i].dom;
		r->p += i < 4 ? strlen(doms[i].name) : 0;
		s->type = take(r, "st") ? HW_BAR_ST : take(r, "ld") ? HW_BAR_LD : HW_BAR_FULL;
		return true;
	}
	return fail(r, "expected a barrier option at '%.20s'", r->p);
}

static bool tlbi_op(struct reader *r, unsigned *op)
{
	for (*op = 0; *op < 2u * HW_TLBI_NOPS; ++*op) {
		const unsigned o = *op / 2 | (*op & 1 ? 0u : (unsigned)HW_TLBI_IS);

		if (take(r, hw_tlbi_str(o))) {
			*op = o;
			return true;
		}
	}
	return fail(r, "expected a TLBI instruction at '%.20s'", r->p);
}

/* tlbi rvale1is x scale=0 num=1 asid=1 ttl=3 tg=1 */
static bool step_tlbi(struct reader *r, struct lit_step *s)
{
	unsigned op, asid = 1, ttl = 0, tg = 1, scale = 0, num = 0, base;
	uint64_t at;

	s->kind = LIT_TLBI;
	if (!tlbi_op(r, &op))
		return false;
	base = op & ~(unsigned)HW_TLBI_IS;
	if (base >= HW_TLBI_VAE1 && !page(r, &s->slot.page))
		return false;
	for (bool ok = true; ok;) {
		if (take(r, "asid="))
			ok = below(r, 1 << 16, &asid);
		else if (take(r, "ttl="))
			ok = below(r, 4, &ttl);
		else if (take(r, "tg="))
			ok = below(r, 4, &tg);
		else if (take(r, "scale="))
			ok = below(r, 4, &scale);
		else if (take(r, "num="))
			ok = below(r, 32, &num);
		else
			break;
	}
	at = lit_va(s->slot.page) >> 12;
	s->val = op;
	s->cmp = (uint64_t)asid << 48 | at;
	if (base >= HW_TLBI_RVAE1)
		s->cmp |= (uint64_t)tg << 46 | (uint64_t)scale << 44 | (uint64_t)num << 39 | (uint64_t)ttl << 37;
	else if (ttl)
		s->cmp |= (uint64_t)(tg << 2 | ttl) << 44;
	return !r->bad;
}

static bool step_place(struct reader *r, struct lit_step *s, enum lit_kind pte, enum lit_kind data)
{
	if (take(r, "[")) {
		s->kind = (uint8_t)data;
		s->slot.level = 3;
		return page(r, &s->slot.page) && need(r, "]");
	}
	s->kind = (uint8_t)pte;
	return take_slot(r, &s->slot) || fail(r, "expected [page] or pte(page) at '%.20s'", r->p);
}

/* -acq -rel -acqrel */
static bool take_order(struct reader *r, const char *name, struct lit_step *s)
{
	static const char *const suffix[] = {"-acqrel", "-acq", "-rel", ""};
	static const uint8_t order[] = {HW_ACQ_REL, HW_ACQUIRE, HW_RELEASE, HW_RELAXED};
	char word[24];

	for (unsigned i = 0; i < 4; i++) {
		snprintf(word, sizeof(word), "%s%s", name, suffix[i]);
		if (take(r, word)) {
			s->order = order[i];
			return true;
		}
	}
	return false;
}

static bool step_memory(struct reader *r, struct lit_step *s)
{
	if (take_order(r, "load", s)) {
		s->plain = s->order == HW_RELAXED;
		return step_place(r, s, LIT_LOAD_PTE, LIT_LOAD);
	}
	if (take_order(r, "store", s)) {
		if (!step_place(r, s, LIT_STORE_PTE, LIT_STORE))
			return false;
		return s->kind == LIT_STORE ? number(r, &s->val) : descriptor(r, s->slot, &s->val);
	}
	if (take_order(r, "swap", s)) {
		s->kind = LIT_SWAP;
		return take_slot(r, &s->slot) && descriptor(r, s->slot, &s->val);
	}
	if (take_order(r, "cas", s)) {
		s->kind = LIT_CAS;
		return take_slot(r, &s->slot) && descriptor(r, s->slot, &s->cmp) && descriptor(r, s->slot, &s->val);
	}
	return fail(r, "expected an instruction at '%.20s'", r->p);
}

static bool step_body(struct reader *r, struct lit_step *s)
{
	unsigned n;

	if (take(r, "nop"))
		return true;
	if (take(r, "isb")) {
		s->kind = LIT_BARRIER;
		s->bar = HW_ISB;
		return true;
	}
	if (take(r, "eret") || take(r, "svc")) {
		s->kind = LIT_SYNC;
		return true;
	}
	if (take(r, "switch")) {
		s->kind = LIT_SWITCH;
		return true;
	}
	if (take(r, "dsb") || take(r, "dmb")) {
		s->bar = r->p[-2] == 's' ? HW_DSB : HW_DMB;
		return step_barrier(r, s);
	}
	if (take(r, "tlbi"))
		return step_tlbi(r, s);
	if (take(r, "notify")) {
		s->kind = LIT_NOTIFY;
		if (!page(r, &s->slot.page) || !need(r, "pages=") || !below(r, LIT_PAGES + 1, &n))
			return false;
		s->val = n;
		return true;
	}
	return step_memory(r, s);
}

static bool line_step(struct reader *r)
{
	struct lit_test *t = r->t;
	struct lit_step *s;
	unsigned reg;

	if (r->thread < 0)
		return fail(r, "an instruction before any thread (P0:)");
	if (t->nstep[r->thread] == LIT_STEPS)
		return fail(r, "more than %d instructions", LIT_STEPS);
	s = &t->step[r->thread][t->nstep[r->thread]++];
	memset(s, 0, sizeof(*s));
	s->slot.level = 3;
	s->label = -1;
	blanks(r);
	if (r->p[0] >= 'A' && r->p[0] < 'A' + LIT_LABELS && r->p[1] == ':') {
		s->label = (int8_t)(r->p[0] - 'A');
		r->p += 2;
	}
	blanks(r);
	if (r->p[0] == 'r' && r->p[1] >= '0' && r->p[1] <= '9') {
		r->p++;
		if (!below(r, LIT_REGS, &reg) || !need(r, "="))
			return false;
		s->reg = (uint8_t)reg;
	}
	if (!step_body(r, s))
		return false;
	if (t->agent[r->thread] == HW_SMMU && s->kind != LIT_LOAD && s->kind != LIT_STORE)
		return fail(r, "the SMMU only loads and stores");
	return true;
}

/* ---- the question ---- */

static bool add_key(struct reader *r, const struct lit_key *k, uint8_t *at)
{
	struct lit_test *t = r->t;

	for (*at = 0; *at < t->nkey; ++*at)
		if (!memcmp(&t->key[*at], k, sizeof(*k)))
			return true;
	if (t->nkey == LIT_KEYS)
		return fail(r, "more than %d different things are asked about", LIT_KEYS);
	t->key[t->nkey++] = *k;
	return true;
}

static bool key_register(struct reader *r, struct lit_key *k)
{
	unsigned agent = HW_SMMU, reg, th = 0;

	if (!take(r, "smmu") && (!need(r, "P") || !below(r, HW_MAX_CPU, &agent)))
		return false;
	if (r->p[0] != '.' || r->p[1] != 'r')
		return fail(r, "expected a register such as P0.r1 at '%.20s'", r->p);
	r->p += 2;
	if (!below(r, LIT_REGS, &reg))
		return false;
	while (th < r->t->nthread && r->t->agent[th] != agent)
		th++;
	if (th == r->t->nthread)
		return fail(r, "a register of a thread that is not there");
	k->kind = LIT_REG;
	k->thread = (uint8_t)th;
	k->reg = (uint8_t)reg;
	return true;
}

static bool key_finding(struct reader *r, struct lit_key *k)
{
	k->kind = LIT_FINDING;
	for (unsigned f = 1; f < HW_NFINDING; f++) {
		if (take(r, hw_finding_str((enum hw_finding)f))) {
			k->reg = (uint8_t)f;
			return need(r, ")");
		}
	}
	return fail(r, "expected the name of a finding at '%.20s'", r->p);
}

static bool key(struct reader *r, struct lit_key *k)
{
	unsigned v;

	memset(k, 0, sizeof(*k));
	if (take(r, "finding("))
		return key_finding(r, k);
	if (take(r, "fault(") || take(r, "level(")) {
		k->kind = r->p[-6] == 'f' ? LIT_FAULT : LIT_LEVEL;
		if (*r->p < 'A' || *r->p >= 'A' + LIT_LABELS)
			return fail(r, "expected a label");
		k->reg = (uint8_t)(*r->p++ - 'A');
		return need(r, ")");
	}
	if (take(r, "mem(")) {
		k->kind = LIT_MEM;
		if (!phys(r, &v))
			return false;
		k->phys = (uint16_t)v;
		return need(r, ")");
	}
	k->kind = LIT_PTE;
	return take_slot(r, &k->slot) || key_register(r, k);
}

static bool key_val(struct reader *r, const struct lit_key *k, uint64_t *v)
{
	blanks(r);
	if (k->kind == LIT_FAULT) {
		for (*v = 0; *v < 5; ++*v)
			if (take(r, fault_names[*v]))
				return true;
		return fail(r, "expected a kind of fault at '%.20s'", r->p);
	}
	if (k->kind == LIT_FINDING && take(r, "no")) {
		*v = 0;
		return true;
	}
	if (k->kind == LIT_FINDING && take(r, "yes")) {
		*v = 1;
		return true;
	}
	if (*r->p >= '0' && *r->p <= '9')
		return number(r, v);
	return descriptor(r, k->slot, v);
}

static bool add_op(struct reader *r, struct lit_op o)
{
	if (r->t->ncode == LIT_CODE)
		return fail(r, "the question is too long");
	r->t->code[r->t->ncode++] = o;
	return true;
}

static bool cond_or(struct reader *r, unsigned depth);

static bool cond_term(struct reader *r, unsigned depth)
{
	struct lit_op o = {.op = LIT_C_TERM};
	struct lit_key k;

	if (depth > 8)
		return fail(r, "nested too deeply");
	if (take(r, "!"))
		return cond_term(r, depth + 1) && add_op(r, (struct lit_op){.op = LIT_C_NOT});
	if (take(r, "("))
		return cond_or(r, depth + 1) && need(r, ")");
	if (!key(r, &k) || !add_key(r, &k, &o.key))
		return false;
	if (take(r, "=="))
		return key_val(r, &k, &o.val) && add_op(r, o);
	o.nonzero = true;
	return add_op(r, o);
}

static bool cond_and(struct reader *r, unsigned depth)
{
	if (!cond_term(r, depth))
		return false;
	while (take(r, "&&"))
		if (!cond_term(r, depth) || !add_op(r, (struct lit_op){.op = LIT_C_AND}))
			return false;
	return true;
}

static bool cond_or(struct reader *r, unsigned depth)
{
	if (!cond_and(r, depth))
		return false;
	while (take(r, "||"))
		if (!cond_and(r, depth) || !add_op(r, (struct lit_op){.op = LIT_C_OR}))
			return false;
	return true;
}

static bool verdict(struct reader *r, enum lit_verdict *v)
{
	*v = take(r, "allowed") ? LIT_ALLOWED : take(r, "forbidden") ? LIT_FORBIDDEN : LIT_UNKNOWN;
	return *v != LIT_UNKNOWN || need(r, "unknown");
}

static bool line_expect(struct reader *r)
{
	enum lit_verdict *e = r->t->expect;

	if (!verdict(r, &e[0]))
		return false;
	e[1] = e[0];
	return !take(r, "ets2") || verdict(r, &e[1]);
}

/* final [base|ets2] KEY=VALUE ...: every key of the question once. */
static bool line_final(struct reader *r)
{
	struct lit_test *t = r->t;
	struct lit_final *f = &t->final[t->nfinal];
	unsigned given = 0;
	struct lit_key k;
	uint8_t at;

	if (t->nfinal == LIT_FINALS)
		return fail(r, "more than %d final states", LIT_FINALS);
	t->nfinal++;
	f->in[0] = !take(r, "ets2");
	f->in[1] = !f->in[0] || !take(r, "base");
	for (blanks(r); *r->p; blanks(r)) {
		const unsigned keys = t->nkey;

		if (!key(r, &k) || !need(r, "=") || !add_key(r, &k, &at))
			return false;
		if (t->nkey != keys)
			return fail(r, "a final state names what the question does not");
		if (!key_val(r, &k, &f->v[at]))
			return false;
		given |= 1u << at;
	}
	return given == (1u << t->nkey) - 1 || fail(r, "a final state must name all that the question names");
}

/* ---- lines ---- */

static bool copy(struct reader *r, char *to, size_t n)
{
	blanks(r);
	if (strlen(r->p) >= n)
		return fail(r, "longer than %zu characters", n - 1);
	memcpy(to, r->p, strlen(r->p) + 1);
	r->p += strlen(r->p);
	return true;
}

static bool explains(struct reader *r)
{
	static const char *const words[] = {"about", "note", "source", "relation", "law"};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (take(r, words[i])) {
			r->p += strlen(r->p);
			return true;
		}
	}
	return false;
}

static bool thread_name(struct reader *r, unsigned *agent)
{
	if (r->p[0] == 'P' && r->p[1] >= '0' && r->p[1] < '0' + HW_MAX_CPU && r->p[2] == ':') {
		*agent = (unsigned)(r->p[1] - '0');
		r->p += 2;
		return true;
	}
	*agent = HW_SMMU;
	if (strncmp(r->p, "smmu:", 5) != 0)
		return false;
	r->p += 4;
	return true;
}

static bool directive(struct reader *r)
{
	unsigned agent;

	if (thread_name(r, &agent))
		return line_thread(r, agent);
	if (explains(r))
		return true;
	if (take(r, "test"))
		return copy(r, r->t->name, sizeof(r->t->name));
	if (take(r, "oracle"))
		return copy(r, r->t->oracle, sizeof(r->t->oracle));
	if (take(r, "except"))
		return copy(r, r->t->why, sizeof(r->t->why));
	if (!strncmp(r->p, "pte", 3))
		return line_slot(r);
	if (take(r, "mem("))
		return line_mem(r);
	if (take(r, "update"))
		return line_update(r);
	if (take(r, "smmu"))
		return line_smmu(r);
	if (take(r, "bbml"))
		return line_bbml(r);
	if (take(r, "ask"))
		return cond_or(r, 0);
	if (take(r, "expect"))
		return line_expect(r);
	if (take(r, "final"))
		return line_final(r);
	if (take(r, "bbm")) {
		r->t->bbm = take(r, "yes");
		return r->t->bbm || need(r, "no");
	}
	return fail(r, "unknown line '%.20s'", r->p);
}

/* A line that starts with white space is an instruction of the current thread. */
static bool read_line(struct reader *r, char *line)
{
	const bool step = *line == ' ' || *line == '\t';

	line[strcspn(line, "\r\n")] = 0;
	r->p = line;
	blanks(r);
	if (!*r->p || *r->p == '#')
		return true;
	if (step ? !line_step(r) : !directive(r))
		return false;
	blanks(r);
	return !*r->p || fail(r, "what is '%.20s' here?", r->p);
}

int litmus_read(struct lit_test *t, const char *path, char *err, size_t n)
{
	struct reader r = {.t = t, .path = path, .thread = -1, .err = err, .n = n};
	FILE *f = fopen(path, "r");
	char line[512];

	if (!f) {
		snprintf(err, n, "%s: cannot read: %s", path, strerror(errno));
		return -1;
	}
	defaults(&r);
	while (!r.bad && fgets(line, sizeof(line), f)) {
		r.line++;
		if (!strchr(line, '\n') && !feof(f))
			fail(&r, "the line is too long");
		else
			read_line(&r, line);
	}
	if (!r.bad && ferror(f))
		fail(&r, "cannot read");
	fclose(f);
	if (!t->nthread || !t->ncode || !t->name[0])
		fail(&r, "incomplete: a test has a name, threads and a question (ask)");
	if (!t->cfg.ncpu)
		t->cfg.ncpu = 1;
	return r.bad ? -1 : 0;
}

/* ---- printing ---- */

static char *text(void)
{
	static char buf[4][96];
	static unsigned i;

	return buf[i++ % 4];
}

enum { TEXT = 96 };

static const char *page_str(struct lit_page p)
{
	char *s = text();

	if (p.off)
		snprintf(s, TEXT, "%c+%u", var_names[p.var], p.off);
	else
		snprintf(s, TEXT, "%c", var_names[p.var]);
	return s;
}

static void phys_str(char *s, size_t n, unsigned ph)
{
	const unsigned area = ph / LIT_PAGES, off = ph % LIT_PAGES;
	int k;

	if (area < LIT_VARS)
		k = snprintf(s, n, "P%c", var_names[area]);
	else
		k = snprintf(s, n, "P%u", area - LIT_VARS);
	if (off)
		snprintf(s + k, n - (size_t)k, "+%u", off);
}

const char *litmus_key_str(const struct lit_key *k)
{
	char *s = text(), ph[16];

	switch ((enum lit_key_kind)k->kind) {
	case LIT_FAULT:
		snprintf(s, TEXT, "fault(%c)", 'A' + k->reg);
		break;
	case LIT_LEVEL:
		snprintf(s, TEXT, "level(%c)", 'A' + k->reg);
		break;
	case LIT_REG:
		snprintf(s, TEXT, "P%u.r%u", k->thread, k->reg);
		break;
	case LIT_MEM:
		phys_str(ph, sizeof(ph), k->phys);
		snprintf(s, TEXT, "mem(%s)", ph);
		break;
	case LIT_PTE:
		if (k->slot.level == 3)
			snprintf(s, TEXT, "pte(%s)", page_str(k->slot.page));
		else
			snprintf(s, TEXT, "pte%u(%s)", k->slot.level, page_str(k->slot.page));
		break;
	case LIT_FINDING:
		snprintf(s, TEXT, "finding(%s)", hw_finding_str((enum hw_finding)k->reg));
		break;
	}
	return s;
}

static const char *descriptor_str(uint64_t v)
{
	char *s = text(), oa[16];
	const uint64_t pfn = ((v & HW_D_OA) >> 12) - PFN0;

	if (pfn >= LIT_PHYS * LIT_PAGES) {
		snprintf(s, TEXT, "%s", (v & 3) == 3 ? "table" : "none");
		return s;
	}
	phys_str(oa, sizeof(oa), (unsigned)pfn);
	snprintf(s, TEXT, "{oa:%s%s%s%s%s%s%s%s}", oa, v & HW_D_VALID ? "" : ",valid:0", v & HW_D_AF ? "" : ",af:0",
		 v & HW_D_RDONLY ? ",w:0" : "", v & HW_D_DBM ? ",dbm:1" : "", v & HW_D_CONT ? ",cont:1" : "",
		 v & HW_D_NG ? "" : ",ng:0", v & HW_D_TABLE ? "" : ",block:1");
	return s;
}

const char *litmus_value_str(const struct lit_key *k, uint64_t v)
{
	char *s;

	if (k->kind == LIT_FAULT)
		return v < 5 ? fault_names[v] : "?";
	if (k->kind == LIT_FINDING)
		return v ? "yes" : "no";
	if (k->kind == LIT_PTE || v >= PFN0 << 12)
		return descriptor_str(v);
	s = text();
	snprintf(s, TEXT, "%llu", (unsigned long long)v);
	return s;
}
