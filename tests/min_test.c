// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: whatever noise surrounds it, the minimizer brings a planted cause down to the known shortest
 * program, keeps its signature, banks every other one, and its result passes its own check of 1-minimality.
 *
 * The executor is a fake: a predicate over the program stands for the machine. Links: fuzz/{min,prog,text,mutate}.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz/exec.h"
#include "hw/hw.h"

/* ---- the fake executor ---- */

static bool (*plant)(const struct prog *p);
static bool (*decoy)(const struct prog *p); /* another signature, which wins */
static bool clips;
static uint64_t executed;

void exec_run(struct prog *p, const struct pt_impl *impl, struct outcome *o)
{
	struct prog q = *p;

	(void)impl;
	executed++;
	prog_normalize(p);
	/* The caller hands over normalized programs. */
	assert_true(prog_equal(p, &q));
	memset(o, 0, sizeof(*o));
	o->steps = 100;
	o->op = p->n;
	if (decoy && decoy(p))
		strcpy(o->sig, "state/other/thing");
	else if (plant(p))
		strcpy(o->sig, "ad/op/lost");
}

void exec_effective(struct prog *p)
{
	const unsigned cont = prog_cont(&p->h);

	for (unsigned i = 0; i < p->n && clips; i++)
		if (!p->r[i].is_event && p->r[i].off + p->r[i].nr > cont)
			p->r[i].nr = (uint16_t)(cont - p->r[i].off);
}

/* ---- helpers for predicates ---- */

/* The next op of a kind from record i on, or p->n. */
static unsigned op_of(const struct prog *p, unsigned kind, unsigned i)
{
	while (i < p->n && (p->r[i].is_event || p->r[i].kind != kind))
		i++;
	return i;
}

/* ---- helpers for checks ---- */

static void parse(struct prog *p, const char *text)
{
	char err[256];

	if (prog_parse(p, "test", text, strlen(text), err, sizeof(err)))
		fail_msg("%s", err);
}

static unsigned banked;

static void bank(void *ctx, const struct prog *p, const struct outcome *o)
{
	assert_ptr_equal(ctx, &banked);
	assert_string_equal(o->sig, "state/other/thing");
	assert_true(decoy(p));
	banked++;
}

static void expect(struct prog *p, const char *want)
{
	static char got[65536];
	static struct prog q;
	uint64_t n;
	FILE *f;

	assert_true(plant(p));
	executed = 0;
	n = min_program(p, NULL, "ad/op/lost", bank, &banked);
	assert_int_equal(n, executed);
	f = fmemopen(got, sizeof(got), "w");
	prog_print(p, f);
	fclose(f);
	assert_string_equal(got, want);
	assert_true(min_is_minimal(p, NULL, "ad/op/lost"));
	assert_false(min_is_minimal(p, NULL, "ad/op/else"));
	q = *p; /* minimizing again changes nothing */
	min_program(&q, NULL, "ad/op/lost", NULL, NULL);
	assert_true(prog_equal(p, &q));
}

/* The planted text among random records, in a random header; the plant must still hold. */
static bool with_noise(struct prog *p, const char *text, uint32_t seed)
{
	static struct prog cause;
	const struct prog_hdr zero = {.ncpu = 1};
	unsigned at = 0;

	parse(&cause, text);
	mut_generate(p, 16, seed);
	prog_set_geo(p, cause.h.geo);
	if (memcmp(&cause.h, &zero, sizeof(zero))) /* what the cause says of the header counts */
		for (unsigned i = 0; i < HDR_NKEYS; i++)
			if (hdr_get(&cause.h, &hdr_keys[i]))
				hdr_set(&p->h, &hdr_keys[i], hdr_get(&cause.h, &hdr_keys[i]));
	for (unsigned i = 0; i < cause.n;) {
		const unsigned end = prog_op_end(&cause, i);

		for (unsigned k = (seed >> i) % 4; k && at < p->n; k--)
			at = prog_op_end(p, at);
		prog_insert(p, at, &cause.r[i], end - i);
		at += end - i;
		i = end;
	}
	prog_normalize(p);
	return plant(p);
}

static void setup(bool (*f)(const struct prog *))
{
	plant = f;
	decoy = NULL;
	clips = false;
	banked = 0;
}

/* ---- one cause after the other ---- */

/* A write-protect after a map of at least two pages, with a write by another agent at its 2nd atomic. */
static bool race(const struct prog *p)
{
	for (unsigned s = op_of(p, OP_set_ptes, 0); s < p->n; s = op_of(p, OP_set_ptes, s + 1)) {
		if (p->r[s].nr < 2 || !(p->r[s].b & 1))
			continue;
		for (unsigned w = op_of(p, OP_wrprotect_ptes, s); w < p->n; w = op_of(p, OP_wrprotect_ptes, w + 1))
			for (unsigned e = w + 1; e < prog_op_end(p, w); e++)
				if (p->r[e].kind == EV_write && p->r[e].anchor == HW_C_ATOMIC && p->r[e].nr == 2 &&
				    p->r[e].cpu != p->r[w].cpu)
					return true;
	}
	return false;
}

static void finds_race(void **state)
{
	static struct prog p;
	unsigned tried = 0;

	(void)state;
	setup(race);
	for (uint32_t seed = 1; seed < 60; seed++) {
		if (!with_noise(&p,
				"ptdiff 1\ngeometry 4k\ncpus 4\nupdate af+dirty\nsalt 7\n"
				"set_ptes cpu=1 page=2.3 nr=9 folio=3 write young\n"
				"wrprotect_ptes cpu=2 page=2.3 nr=4\n  atomic#2: write agent=3 page=2.5 xlate=1\n",
				seed))
			continue;
		tried++;
		expect(&p, "ptdiff 1\ncpus 2\nset_ptes cpu=0 page=0.0 nr=2 write\n"
			   "wrprotect_ptes cpu=0 page=0.0 nr=1\n  atomic#2: write agent=1 page=0.0\n");
	}
	assert_true(tried > 50);
}

/* Two ops on the same page, of which neither may move alone, in one block, not at its edges. */
static bool same_page(const struct prog *p)
{
	for (unsigned s = op_of(p, OP_ptep_get, 0); s < p->n; s = op_of(p, OP_ptep_get, s + 1))
		for (unsigned t = op_of(p, OP_touch, s); t < p->n; t = op_of(p, OP_touch, t + 1))
			if (p->r[s].block == p->r[t].block && p->r[s].off == p->r[t].off &&
			    p->r[s].cpu == p->r[t].cpu)
				return true;
	return false;
}

static void moves_together(void **state)
{
	static struct prog p;

	(void)state;
	setup(same_page);
	for (uint32_t seed = 1; seed < 40; seed++) {
		assert_true(with_noise(&p,
				       "ptdiff 1\ngeometry 64k\ncpus 4\nptep_get cpu=3 page=2.29\n"
				       "touch cpu=3 page=2.29 write\n",
				       seed));
		expect(&p, "ptdiff 1\nptep_get cpu=0 page=0.0\ntouch cpu=0 page=0.0\n");
	}
}

/* Both or neither of a pair: no single drop works. */
static bool paired(const struct prog *p)
{
	unsigned n = 0;

	for (unsigned i = op_of(p, OP_set_marker, 0); i < p->n; i = op_of(p, OP_set_marker, i + 1))
		n++;
	return n % 2 == 0 && op_of(p, OP_free_table, 0) < p->n;
}

static void drops_pairs(void **state)
{
	static struct prog p;

	(void)state;
	setup(paired);
	parse(&p, "ptdiff 1\nset_marker cpu=0 page=0.0\nset_marker cpu=0 page=0.1 payload=3\n"
		  "free_table cpu=0 page=3.2\n");
	expect(&p, "ptdiff 1\nfree_table cpu=0 page=0.0\n");
}

/* A dirty page, by an access or from the start. */
static bool dirty(const struct prog *p)
{
	for (unsigned s = op_of(p, OP_set_ptes, 0); s < p->n; s = op_of(p, OP_set_ptes, s + 1)) {
		const unsigned c = op_of(p, OP_clear_full_ptes, s), t = op_of(p, OP_touch, s);

		if (c < p->n && (p->r[s].b & 4 || (t < c && p->r[t].b & 1)))
			return true;
	}
	return false;
}

static void trades_a_record_for_a_flag(void **state)
{
	static struct prog p;

	(void)state;
	setup(dirty);
	parse(&p, "ptdiff 1\nset_ptes cpu=0 page=0.0 nr=4 write\ntouch cpu=0 page=0.1 write\n"
		  "clear_full_ptes cpu=0 page=0.0 nr=4 noflush\n");
	expect(&p, "ptdiff 1\nset_ptes cpu=0 page=0.0 nr=1 dirty\nclear_full_ptes cpu=0 page=0.0 nr=1\n");
}

/* One personality needs the other. */
static bool late(const struct prog *p)
{
	return !p->h.drain == !p->h.xlate && op_of(p, OP_touch, 0) < p->n;
}

static void header_pairs(void **state)
{
	static struct prog p;

	(void)state;
	setup(late);
	parse(&p, "ptdiff 1\ngeometry 16k\ncpus 3\nupdate af+dirty\nupdate_odd af\nsmmu af\nsmmu_btm on\nttl on\n"
		  "bbml 2-noabort\ndrain reversed\nxlate hashed\ntouch cpu=2 page=3.127 smmu salt=3\n");
	expect(&p, "ptdiff 1\ntouch cpu=0 page=0.0\n");
}

/* The op runs clipped to its block: its text must say so. */
static bool clipped(const struct prog *p)
{
	const unsigned s = op_of(p, OP_set_ptes, 0);

	return s < p->n && p->r[s].off + p->r[s].nr >= 4 && p->r[s].off <= 1;
}

static void writes_effective_arguments(void **state)
{
	static struct prog p;

	(void)state;
	setup(clipped);
	clips = true;
	parse(&p, "ptdiff 1\nset_ptes cpu=0 page=1.1 nr=200 folio=3\n");
	expect(&p, "ptdiff 1\nset_ptes cpu=0 page=0.1 nr=3\n");
}

/* A late step of "any" class reads worse than the 3rd store. */
static bool third_store(const struct prog *p)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->r[i].is_event && p->r[i].kind == EV_drain &&
		    ((p->r[i].anchor == HW_C_ANY && p->r[i].nr == 7) ||
		     (p->r[i].anchor == HW_C_STORE && p->r[i].nr == 3)))
			return true;
	return false;
}

static void prefers_readable_anchors(void **state)
{
	static struct prog p;

	(void)state;
	setup(third_store);
	parse(&p, "ptdiff 1\nset_ptes cpu=0 page=1.1 nr=200 folio=3\n  any#7: drain agent=0 which=5\n");
	expect(&p, "ptdiff 1\nset_ptes cpu=0 page=0.0 nr=1\n  store#3: drain agent=0\n");
}

/* The event matters, its op does not. */
static bool event_only(const struct prog *p)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->r[i].is_event && p->r[i].kind == EV_park && op_of(p, OP_ptep_get, 0) < i)
			return true;
	return false;
}

static void moves_events_to_other_ops(void **state)
{
	static struct prog p;

	(void)state;
	setup(event_only);
	parse(&p, "ptdiff 1\ncpus 2\nptep_get cpu=1 page=0.0\nset_ptes cpu=0 page=1.1 nr=2\n"
		  "  barrier#2: park agent=1\nset_ptes cpu=0 page=0.0\n");
	expect(&p, "ptdiff 1\nptep_get cpu=0 page=0.0\n  end: park agent=0\n");
}

/* Fewer than three ops: another bug shows. */
static bool many(const struct prog *p)
{
	return p->n >= 3;
}
static bool few(const struct prog *p)
{
	return p->n && p->n < 3;
}

static void banks_other_signatures(void **state)
{
	static struct prog p;

	(void)state;
	setup(many);
	decoy = few;
	mut_generate(&p, 20, 5);
	p.h.geo = 0;
	assert_true(p.n > 3);
	min_program(&p, NULL, "ad/op/lost", bank, &banked);
	assert_int_equal(p.n, 3);
	assert_true(min_is_minimal(&p, NULL, "ad/op/lost"));
	assert_true(banked > 0);
}

static bool never(const struct prog *p)
{
	(void)p;
	return false;
}

static void leaves_what_does_not_reproduce(void **state)
{
	static struct prog p, q;

	(void)state;
	setup(never);
	mut_generate(&p, 20, 5);
	q = p;
	assert_int_equal(min_program(&p, NULL, "ad/op/lost", NULL, NULL), 1);
	assert_true(prog_equal(&p, &q));
	assert_false(min_is_minimal(&p, NULL, "ad/op/lost"));
}

/* 1-minimality notices each kind of change that is still possible. */
static bool any_touch(const struct prog *p)
{
	return op_of(p, OP_touch, 0) < p->n;
}

static void check_rejects(void **state)
{
	static const char *const less_than_minimal[] = {
		"geometry 4k\ntouch cpu=0 page=0.0\n",
		"cpus 2\ntouch cpu=0 page=0.0\n",
		"salt 1\ntouch cpu=0 page=0.0\n",
		"ops_off touch\ntouch cpu=0 page=0.0\n",
		"update af\ntouch cpu=0 page=0.0\n",
		"touch cpu=0 page=0.1\n",
		"touch cpu=0 page=1.0\n",
		"touch cpu=0 page=0.0 write\n",
		"touch cpu=0 page=0.0 salt=1\n",
		"touch cpu=0 page=0.0\n  end: age agent=0 page=0.0\n",
		"touch cpu=0 page=0.0\ntouch cpu=0 page=0.0\n",
	};
	static struct prog p;
	char text[256];

	(void)state;
	setup(any_touch);
	parse(&p, "ptdiff 1\ntouch cpu=0 page=0.0\n");
	assert_true(min_is_minimal(&p, NULL, "ad/op/lost"));
	for (unsigned i = 0; i < sizeof(less_than_minimal) / sizeof(less_than_minimal[0]); i++) {
		snprintf(text, sizeof(text), "ptdiff 1\n%s", less_than_minimal[i]);
		parse(&p, text);
		if (min_is_minimal(&p, NULL, "ad/op/lost"))
			fail_msg("called minimal: %s", text);
		expect(&p, "ptdiff 1\ntouch cpu=0 page=0.0\n");
	}
}

/* A full program with one cause costs a bounded number of executions. */
static void long_program(void **state)
{
	static struct prog p;

	(void)state;
	setup(any_touch);
	mut_generate(&p, 200, 11);
	p.n = p.n < PROG_MAX_RECS - 1 ? p.n : PROG_MAX_RECS - 1;
	p.r[p.n++] = (struct rec){.kind = OP_touch, .nr = 1, .block = 3, .off = 2};
	prog_normalize(&p);
	expect(&p, "ptdiff 1\ntouch cpu=0 page=0.0\n");
	assert_true(executed < 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_race),
		cmocka_unit_test(moves_together),
		cmocka_unit_test(drops_pairs),
		cmocka_unit_test(trades_a_record_for_a_flag),
		cmocka_unit_test(header_pairs),
		cmocka_unit_test(writes_effective_arguments),
		cmocka_unit_test(prefers_readable_anchors),
		cmocka_unit_test(moves_events_to_other_ops),
		cmocka_unit_test(banks_other_signatures),
		cmocka_unit_test(leaves_what_does_not_reproduce),
		cmocka_unit_test(check_rejects),
		cmocka_unit_test(long_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
