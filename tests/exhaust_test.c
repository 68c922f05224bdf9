/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exhaustive exploration covers what it says: letters are legal as written, equal hashes mean equal futures, a
 * stopped search resumed is the search that was never stopped, and a named core is clean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fuzz/exhaust.h"
#include "hw/hw.h"

static const struct pt_impl *impl;
static struct exh_result result;
static struct exh_alphabet abc;

static uint32_t header(const char *name)
{
	for (unsigned i = 0; i < exh_nvariants; i++)
		if (!strcmp(exh_variants[i].name, name))
			return 1u << i;
	fail_msg("no header %s", name);
	return 0;
}

static struct exh_opts bounds(const char *core, unsigned ops, unsigned events, uint32_t variants)
{
	struct exh_opts o = {.impl = impl, .ops = ops, .pages = 4, .events = events, .variants = variants};

	o.memory = 256u << 20;
	assert_int_equal(exh_core_find(&o.core, core), 0);
	return o;
}

static void check_clean(const struct exh_opts *o, unsigned records)
{
	exh_run(o, &result);
	if (result.end == EXH_FOUND) {
		prog_print(&result.found, stderr);
		fail_msg("%s", result.outcome.sig);
	}
	assert_int_equal(result.end, EXH_COMPLETE);
	assert_int_equal(result.complete, records);
}

/* Map, read, write-protect and remove: every order of three, and two with an event anywhere. */
static void base_core_is_clean(void **state)
{
	const uint32_t some = header("dirty") | header("lazy-stale") | header("first");
	struct exh_opts o = bounds("base", 3, 0, (1u << exh_nvariants) - 1);

	(void)state;
	check_clean(&o, 3);
	assert_true(result.equivalent > 0);
	o = bounds("base", 2, 1, some);
	check_clean(&o, 3);
	o = bounds("contpte", 2, 0, (1u << exh_nvariants) - 1);
	check_clean(&o, 2);
}

/* --- letters */

static uint8_t legal[EXH_LETTERS];

static void note_legal(void)
{
	for (unsigned i = 0; i < abc.nop; i++)
		legal[i] = exh_legal(&abc.op[i].r);
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* A program of n random letters, legal or not. */
static void babble(struct prog *p, unsigned n, uint32_t *seed)
{
	p->h = exh_variants[next(seed) % exh_nvariants].h;
	p->n = 0;
	while (n--)
		p->r[p->n++] = abc.op[next(seed) % abc.nop].r;
}

/* What is called legal runs as written, and only that. */
static void letters_run_as_written(void **state)
{
	struct exh_opts o = bounds("full", 3, 0, 1);
	struct outcome out;
	struct prog p, q;
	uint32_t seed = 7;

	(void)state;
	exh_spell(&o, &abc);
	assert_true(abc.nop < EXH_LETTERS);
	for (unsigned i = 0; i < 3000; i++) {
		unsigned l;

		babble(&p, 1 + i % 4, &seed);
		exec_at_end = note_legal;
		exec_run(&p, impl, &out);
		exec_at_end = NULL;
		l = next(&seed) % abc.nop;
		p.r[p.n++] = abc.op[l].r;
		exec_run(&p, impl, &out);
		q = p;
		exec_effective(&q);
		if (legal[l])
			assert_memory_equal(&q.r[p.n - 1], &p.r[p.n - 1], sizeof(p.r[0]));
	}
}

/* --- the hash */

static uint64_t now_hash;

static void note_hash(void)
{
	now_hash = exh_state_hash();
}

#define NSEEN 4096
static struct {
	uint64_t hash;
	struct prog p;
} seen[NSEEN];

static void same_future(const struct prog *a, const struct prog *b, uint32_t *seed)
{
	struct outcome oa, ob;
	struct prog x = *a, y = *b;
	uint64_t ha;

	for (unsigned k = 0; k < 3; k++) {
		struct rec r = abc.op[next(seed) % abc.nop].r;

		r.cpu = next(seed) % 2;
		x.r[x.n++] = y.r[y.n++] = r;
		r = abc.ev[next(seed) % abc.nev].r;
		if (r.kind == EV_park)
			continue;
		r.anchor = next(seed) % 2 ? HW_C_ANY : HW_C_OTHER;
		r.nr = (uint16_t)(r.anchor == HW_C_ANY ? 1 + next(seed) % 12 : 1);
		x.r[x.n++] = y.r[y.n++] = r;
	}
	exec_at_end = note_hash;
	now_hash = 1;
	exec_run(&x, impl, &oa);
	ha = now_hash;
	now_hash = 1;
	exec_run(&y, impl, &ob);
	exec_at_end = NULL;
	if (strcmp(oa.sig, ob.sig) || ha != now_hash) {
		prog_print(&x, stderr);
		prog_print(&y, stderr);
		fail_msg("two futures of one hash: %s, %s", oa.sig, ob.sig);
	}
}

/* Two programs that end in one state go on alike, whatever comes. */
static void equal_hash_means_equal_future(void **state)
{
	struct exh_opts o = bounds("full", 3, 1, 1);
	struct outcome out;
	struct prog p;
	uint32_t seed = 11;
	unsigned pairs = 0;

	(void)state;
	exh_spell(&o, &abc);
	for (unsigned i = 0; i < 40000; i++) {
		uint64_t h;

		babble(&p, 1 + i % 4, &seed);
		exec_at_end = note_hash;
		exec_run(&p, impl, &out);
		exec_at_end = NULL;
		if (out.sig[0])
			continue;
		exec_effective(&p);
		h = now_hash ^ (uint64_t)p.h.update << 60 ^ (uint64_t)p.h.xlate << 56 ^ (uint64_t)p.h.drain << 52 ^
		    (uint64_t)p.h.pick << 48 ^ (uint64_t)p.h.smmu << 44 ^ (uint64_t)p.h.bbml << 40 ^
		    (uint64_t)p.h.ttl << 36 ^ (uint64_t)p.h.tlbirange << 32 ^ (uint64_t)p.h.early << 28 ^
		    (uint64_t)p.h.update_odd << 24;
		if (seen[h % NSEEN].hash == h && !prog_equal(&p, &seen[h % NSEEN].p)) {
			same_future(&p, &seen[h % NSEEN].p, &seed);
			pairs++;
		}
		seen[h % NSEEN].hash = h;
		seen[h % NSEEN].p = p;
	}
	assert_true(pairs > 200);
}

/* --- stop and resume */

static void resumed_search_is_the_search(void **state)
{
	struct exh_opts o = bounds("base", 2, 1, header("dirty") | header("plain"));
	char file[] = "/tmp/ptdiff-exhaust-XXXXXX";
	struct exh_result whole;
	unsigned stops = 0;

	(void)state;
	exh_run(&o, &whole);
	assert_int_equal(whole.end, EXH_COMPLETE);
	close(mkstemp(file));
	unlink(file);
	o.resume = file;
	o.seconds = 1e-9; /* stops after each state */
	do {
		exh_run(&o, &result);
		if (stops == 3)
			o.seconds = 0.02;
	} while (result.end == EXH_STOPPED && ++stops < 100000);
	unlink(file);
	assert_true(stops > 3);
	assert_int_equal(result.end, EXH_COMPLETE);
	assert_int_equal(result.runs, whole.runs);
	assert_int_equal(result.states, whole.states);
	assert_int_equal(result.equivalent, whole.equivalent);
	assert_int_equal(result.complete, whole.complete);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_core_is_clean),
		cmocka_unit_test(letters_run_as_written),
		cmocka_unit_test(equal_hash_means_equal_future),
		cmocka_unit_test(resumed_search_is_the_search),
	};
	char err[256];

	exec_init();
	impl = impl_find("opt", err, sizeof(err));
	if (!impl) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
