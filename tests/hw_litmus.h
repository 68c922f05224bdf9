/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A tiny explorer for two-thread page-table litmus rows.
 *
 * Property: every interleaving of the threads, every drain of a pending store, every way an access can be
 * served and every speculative AF update (a few a run) is tried; a Forbidden outcome is never reached and an
 * Allowed one is reached at least once.
 *
 * The notation is that of the rows: steps "store pte(x) {oa:Py}", "A: r1 = load [x]", "tlbi vaae1is x",
 * "dsb ish", separated by ';'. Virtual page v maps physical page Pv by default. The labelled access A stops its
 * thread when it faults.
 */
#ifndef TESTS_HW_LITMUS_H
#define TESTS_HW_LITMUS_H

#include <stdio.h>
#include <string.h>

struct lit_row {
	const char *name, *update; /* "none", "HA", "HD" */
	const char *pte, *mem;	   /* "x={oa:Px,valid:0};a={oa:Px}", "Py=1" */
	const char *thread[2], *cond;
	bool allowed, allowed_ets2;
};

enum lit_kind {
	LIT_NOP,
	LIT_STPTE,
	LIT_LDPTE,
	LIT_SWAP,
	LIT_CAS,
	LIT_LINK,
	LIT_LOAD,
	LIT_STORE,
	LIT_BAR,
	LIT_TLBI
};

struct lit_step {
	enum lit_kind kind;
	bool label, release;
	unsigned page, reg;
	uint64_t val, cmp;
	enum hw_barrier_kind bar;
	enum hw_access_type type;
	unsigned tlbi;
};

#define LIT_STEPS 12
#define LIT_PAGES 6
#define LIT_DEPTH 256
static const char lit_names[LIT_PAGES + 1] = "xyzaw-";

static struct {
	uint8_t c[LIT_DEPTH], n[LIT_DEPTH];
	unsigned len, pos;
} lit_dfs;

/* The state of one run. */
static struct {
	struct lit_step step[2][LIT_STEPS];
	unsigned nstep[2], pc[2];
	uint64_t reg[2][10], mem[LIT_PAGES];
	enum hw_fault fault;
	unsigned fault_level, spurious;
	uint64_t *pt, *pmd;
} lit;

static unsigned lit_choose(unsigned n)
{
	if (n < 2)
		return 0;
	if (lit_dfs.pos == lit_dfs.len) {
		assert_true(lit_dfs.len < LIT_DEPTH);
		lit_dfs.c[lit_dfs.len] = 0;
		lit_dfs.n[lit_dfs.len++] = (uint8_t)n;
	}
	return lit_dfs.c[lit_dfs.pos++];
}

/* The next path, depth first; false after the last. */
static bool lit_next(void)
{
	lit_dfs.len = lit_dfs.pos;
	while (lit_dfs.len && lit_dfs.c[lit_dfs.len - 1] + 1 >= lit_dfs.n[lit_dfs.len - 1])
		lit_dfs.len--;
	lit_dfs.pos = 0;
	if (!lit_dfs.len)
		return false;
	lit_dfs.c[lit_dfs.len - 1]++;
	return true;
}

static unsigned lit_page(char c)
{
	const char *p = strchr(lit_names, c);

	assert_non_null(p);
	return (unsigned)(p - lit_names);
}

static uint64_t lit_pfn(unsigned page)
{
	return 0x400 + page;
}

/* "{oa:Px,valid:0,af:0,w:0,dbm:1}" to a descriptor. */
static uint64_t lit_desc(const char *s)
{
	uint64_t v = HW_D_VALID | HW_D_TABLE | HW_D_AF | HW_D_USER | HW_D_NG | 3ull << 8;
	const char *end = strchr(s, '}');
	const char *oa = strstr(s, "oa:P");

	assert_non_null(end);
	assert_non_null(oa);
	v |= lit_pfn(lit_page(oa[4])) << 12;
	for (const char *p = s; p < end; p++) {
		if (!strncmp(p, "valid:0", 7))
			v &= ~HW_D_VALID;
		if (!strncmp(p, "af:0", 4))
			v &= ~HW_D_AF;
		if (!strncmp(p, "w:0", 3))
			v |= HW_D_RDONLY;
		if (!strncmp(p, "dbm:1", 5))
			v |= HW_D_DBM;
	}
	return v;
}

static void lit_parse_barrier(struct lit_step *t, const char *s)
{
	t->kind = LIT_BAR;
	t->bar = !strncmp(s, "dsb", 3) ? HW_DSB : !strncmp(s, "dmb", 3) ? HW_DMB : HW_ISB;
	t->type = strstr(s, "ld") ? HW_BAR_LD : strstr(s, "ishst") || strstr(s, " st") ? HW_BAR_ST : HW_BAR_FULL;
}

static void lit_parse_tlbi(struct lit_step *t, const char *s)
{
	static const struct {
		const char *name;
		unsigned op;
	} ops[] = {{"vmalle1is", HW_TLBI_VMALLE1 | HW_TLBI_IS},
		   {"vaae1is", HW_TLBI_VAAE1 | HW_TLBI_IS},
		   {"vaae1", HW_TLBI_VAAE1},
		   {"vae1is", HW_TLBI_VAE1 | HW_TLBI_IS},
		   {"vae1", HW_TLBI_VAE1}};

	t->kind = LIT_TLBI;
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (!strncmp(s, ops[i].name, strlen(ops[i].name))) {
			t->tlbi = ops[i].op;
			s += strlen(ops[i].name);
			t->page = *s == ' ' ? lit_page(s[1]) : 0;
			return;
		}
	}
	fail_msg("unknown TLBI %s", s);
}

static void lit_parse_memory(struct lit_step *t, const char *s)
{
	const char *pte = strstr(s, "pte"), *page = pte ? strchr(pte, '(') : strchr(s, '[');
	const char *d = strchr(s, '{');

	t->page = lit_page(page[1]);
	t->release = !strncmp(s, "store-rel", 9);
	if (strstr(s, "table")) {
		t->kind = LIT_LINK;
		return;
	}
	if (!strncmp(s, "swap", 4) || !strncmp(s, "cas", 3)) {
		t->kind = s[0] == 's' ? LIT_SWAP : LIT_CAS;
		t->val = t->cmp = lit_desc(d);
		if (t->kind == LIT_CAS)
			t->val = lit_desc(strchr(d + 1, '{'));
		return;
	}
	if (s[0] == 'l')
		t->kind = pte ? LIT_LDPTE : LIT_LOAD;
	else
		t->kind = pte ? LIT_STPTE : LIT_STORE;
	if (t->kind == LIT_STPTE)
		t->val = lit_desc(d);
	if (t->kind == LIT_STORE)
		t->val = (uint64_t)(strchr(s, ']')[2] - '0');
}

static void lit_parse_step(struct lit_step *t, const char *s)
{
	memset(t, 0, sizeof(*t));
	t->label = !strncmp(s, "A: ", 3);
	if (s[1] == ':')
		s += 3;
	if (s[0] == 'r' && s[2] == ' ') {
		t->reg = (unsigned)(s[1] - '0');
		s += 5; /* "r1 = " */
	}
	if (!strncmp(s, "nop", 3))
		t->kind = LIT_NOP;
	else if (!strncmp(s, "dsb", 3) || !strncmp(s, "dmb", 3) || !strncmp(s, "isb", 3))
		lit_parse_barrier(t, s);
	else if (!strncmp(s, "tlbi ", 5))
		lit_parse_tlbi(t, s + 5);
	else
		lit_parse_memory(t, s);
}

static void lit_parse_thread(unsigned th, const char *s)
{
	char buf[128];

	lit.nstep[th] = 0;
	while (s && *s) {
		const char *end = strchr(s, ';');
		const size_t n = end ? (size_t)(end - s) : strlen(s);

		assert_true(n < sizeof(buf));
		memcpy(buf, s, n);
		buf[n] = 0;
		assert_true(lit.nstep[th] < LIT_STEPS);
		lit_parse_step(&lit.step[th][lit.nstep[th]++], buf);
		for (s = end ? end + 1 : NULL; s && *s == ' '; s++)
			;
	}
}

static uint64_t lit_va(unsigned page)
{
	return (uint64_t)page << 12;
}

/* Machine and tables of a row. With pte2 the level-3 table starts unlinked: rows about table publication. */
static void lit_setup(const struct lit_row *r, bool ets2)
{
	const unsigned upd = !strcmp(r->update, "none") ? HW_UPD_NONE
			     : strstr(r->update, "HD")	? HW_UPD_AF_DIRTY
							: HW_UPD_AF;
	const struct hw_config cfg = {.geo = HW_GEO_SMALL,
				      .ncpu = 2,
				      .update = {(uint8_t)upd, (uint8_t)upd},
				      .ets2 = ets2,
				      .early = true,
				      .drain = HW_DRAIN_LAZY,
				      .xlate = HW_XLATE_ALTERNATE};
	const bool unlinked = strstr(r->pte, "pte2") != NULL;
	uint64_t *root;

	hw_reset(&cfg);
	root = hw_setup_table(1);
	lit.pmd = hw_setup_table(2);
	lit.pt = hw_setup_table(3);
	hw_setup_write(root, hw_table_pa(lit.pmd) | 3);
	if (!unlinked)
		hw_setup_write(lit.pmd, hw_table_pa(lit.pt) | 3);
	for (unsigned p = 0; p < LIT_PAGES && !unlinked; p++) {
		char pat[4] = {lit_names[p], '=', '{', 0};
		const char *s = strstr(r->pte, pat);

		hw_setup_write(lit.pt + p, s ? lit_desc(s + 2) : lit_desc("{oa:Px}") + (lit_va(p)));
	}
	memset(lit.mem, 0, sizeof(lit.mem));
	for (const char *s = r->mem; s && (s = strchr(s, 'P')); s++)
		lit.mem[lit_page(s[1])] = (uint64_t)(s[3] - '0');
	memset(lit.reg, 0, sizeof(lit.reg));
	lit.pc[0] = lit.pc[1] = lit.spurious = 0;
	lit.fault = HW_OK;
	hw_set_context(0, root, 1);
	hw_set_context(1, root, 1);
}

static void lit_access(unsigned th, const struct lit_step *t)
{
	struct hw_access a = {.agent = (uint8_t)th, .write = t->kind == LIT_STORE, .va = lit_va(t->page)};
	const unsigned k = lit_choose(16); /* narrowed to what there was */

	hw_m.alt = k;
	hw_do_access(&a);
	if (lit_dfs.pos)
		lit_dfs.n[lit_dfs.pos - 1] = (uint8_t)hw_m.ncand;
	if (a.fault != HW_OK) {
		if (t->label) {
			lit.fault = a.fault;
			lit.fault_level = a.level;
		}
		lit.pc[th] = lit.nstep[th];
		return;
	}
	if (a.write)
		lit.mem[(a.pa >> 12) - 0x400] = t->val;
	else
		lit.reg[th][t->reg] = lit.mem[(a.pa >> 12) - 0x400];
}

static void lit_exec(unsigned th)
{
	const struct lit_step *t = &lit.step[th][lit.pc[th]++];
	uint64_t *slot = &lit.pt[t->page];

	hw_run_on(th);
	switch (t->kind) {
	case LIT_NOP:
		break;
	case LIT_STPTE:
		hw_store(slot, t->val, t->release ? HW_RELEASE : HW_RELAXED, __func__, __LINE__);
		break;
	case LIT_LINK:
		hw_store(lit.pmd, hw_table_pa(lit.pt) | 3, HW_RELAXED, __func__, __LINE__);
		break;
	case LIT_LDPTE:
		lit.reg[th][t->reg] = hw_load(slot, HW_RELAXED, __func__, __LINE__);
		break;
	case LIT_SWAP:
		lit.reg[th][t->reg] = hw_xchg(slot, t->val, HW_RELAXED, __func__, __LINE__);
		break;
	case LIT_CAS:
		lit.reg[th][t->reg] = hw_cmpxchg(slot, t->cmp, t->val, HW_RELAXED, __func__, __LINE__);
		break;
	case LIT_BAR:
		hw_barrier(t->bar, HW_ISH, t->type, __func__, __LINE__);
		break;
	case LIT_TLBI:
		hw_tlbi(t->tlbi, 1ull << 48 | lit_va(t->page) >> 12, __func__, __LINE__);
		break;
	case LIT_LOAD:
	case LIT_STORE:
		lit_access(th, t);
		break;
	}
}

/* One path: threads, drains and speculative AF updates in the order the search asks for. */
static void lit_run(const struct lit_row *r, bool ets2)
{
	lit_setup(r, ets2);
	for (;;) {
		const unsigned t0 = lit.pc[0] < lit.nstep[0], t1 = lit.pc[1] < lit.nstep[1];
		const unsigned d0 = hw_m.cpu[0].npend, d1 = hw_m.cpu[1].npend;
		const unsigned af = hw.cfg.update[0] && lit.spurious < 2;
		unsigned k;

		if (!t0 && !t1 && (!af || !lit_choose(2)))
			break;
		k = lit_choose(t0 + t1 + d0 + d1 + af);
		if (k < t0 + t1) {
			lit_exec(k < t0 ? 0 : 1);
		} else if ((k -= t0 + t1) < d0) {
			hw_do_drain(0, (int)k);
		} else if ((k -= d0) < d1) {
			hw_do_drain(1, (int)k);
		} else {
			lit.spurious += hw_do_spurious_af(0, lit_va(0)) && (t0 || t1) ? 1 : 2;
		}
	}
	hw_do_drain(0, -1);
	hw_do_drain(1, -1);
}

static uint64_t lit_value(const char *s)
{
	return *s == '{' ? lit_desc(s) : (uint64_t)(*s - '0');
}

static bool lit_term(const char *s)
{
	if (*s == '!')
		return !lit_term(s + 1);
	if (!strncmp(s, "fault(A) at level ", 18))
		return lit.fault != HW_OK && lit.fault_level == (unsigned)(s[18] - '0');
	if (!strncmp(s, "fault(A)==", 10))
		return lit.fault == (s[10] == 'T'   ? HW_FAULT_TRANSLATION
				     : s[10] == 'P' ? HW_FAULT_PERMISSION
				     : s[10] == 'A' ? HW_FAULT_AF
						    : HW_OK);
	if (!strncmp(s, "fault(A)", 8))
		return lit.fault != HW_OK;
	if (!strncmp(s, "mem(P", 5))
		return lit.mem[lit_page(s[5])] == lit_value(s + 9);
	if (!strncmp(s, "pte(", 4))
		return hw_peek(&lit.pt[lit_page(s[4])]) == lit_value(s + 8);
	assert_int_equal(s[0], 'P');
	return lit.reg[s[1] - '0'][s[4] - '0'] == lit_value(s + 7);
}

static bool lit_cond(const char *s)
{
	for (;;) {
		if (!lit_term(s))
			return false;
		s = strstr(s, " && ");
		if (!s)
			return true;
		s += 4;
	}
}

/* Number of runs that reached the row's outcome; the number of all runs in *runs. */
static unsigned long lit_explore(const struct lit_row *r, bool ets2, unsigned long *runs)
{
	unsigned long hits = 0;

	lit_parse_thread(0, r->thread[0]);
	lit_parse_thread(1, r->thread[1]);
	lit_dfs.len = lit_dfs.pos = 0;
	*runs = 0;
	do {
		lit_run(r, ets2);
		++*runs;
		hits += lit_cond(r->cond);
	} while (lit_next());
	return hits;
}

#endif
