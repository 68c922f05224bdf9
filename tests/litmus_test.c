/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine against every litmus test of tests/litmus/, and the runner against itself.
 *
 * Property: no outcome beyond what an oracle allows, every one it allows reached, without and with FEAT_ETS2; the
 * exploration that skips states met before finds what the one that skips none finds; a file with a mistake is
 * refused with its line.
 */
#include <sys/types.h>
#include <fts.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fuzz/litmus.h"

static struct lit_test t;
static struct lit_result r, all;
static unsigned ntests, nagree, nwithout, nexcept, listed, found, compared;

static void one(bool ets2)
{
	enum lit_judgement j;

	litmus_reduction = true;
	litmus_explore(&t, ets2, &r);
	j = litmus_judge(&t, ets2, &r);
	if (j == LIT_DISAGREES)
		fail_msg("%s%s: %s, %u final states beyond the oracle's", t.name, ets2 ? " (ets2)" : "",
			 r.reached ? "reached" : "not reached", r.outside);
	nagree += j == LIT_AGREES;
	nwithout += j == LIT_NO_ORACLE;
	nexcept += j == LIT_EXCEPTION;
	listed += r.listed;
	found += r.found;
}

/* Same outcomes with no state skipped, where that ends soon. */
static void compare(bool ets2)
{
	litmus_reduction = false;
	litmus_explore(&t, ets2, &all);
	litmus_reduction = true;
	if (all.incomplete)
		return;
	compared++;
	assert_int_equal(all.noutcome, r.noutcome);
	assert_int_equal(all.reached, r.reached);
	assert_int_equal(all.bbm, r.bbm);
	for (unsigned i = 0; i < all.noutcome; i++) {
		unsigned k = 0;

		while (k < r.noutcome && memcmp(all.outcome[i].v, r.outcome[k].v, sizeof(r.outcome[k].v)) != 0)
			k++;
		assert_int_not_equal(k, r.noutcome);
	}
}

static void directory(void **state)
{
	static char root[] = "tests/litmus";
	char *paths[] = {root, NULL}, err[256];
	FTS *fts = fts_open(paths, FTS_NOCHDIR | FTS_LOGICAL, NULL);
	FTSENT *e;

	(void)state;
	assert_non_null(fts);
	while ((e = fts_read(fts))) {
		if (e->fts_info != FTS_F || !strstr(e->fts_name, ".litmus"))
			continue;
		if (litmus_read(&t, e->fts_path, err, sizeof(err)))
			fail_msg("%s", err);
		ntests++;
		for (int ets2 = 0; ets2 < 2; ets2++) {
			one(ets2);
			compare(ets2);
		}
	}
	fts_close(fts);
	print_message("%u tests: %u agree, %u without an oracle, %u exceptions; final states %u of %u; "
		      "%u compared with the exploration that skips nothing\n",
		      ntests, nagree, nwithout, nexcept, found, listed, compared);
	assert_true(ntests > 200);
	assert_int_equal(found, listed);
	assert_true(compared > ntests);
}

static int read_text(const char *text, char *err, size_t n)
{
	char path[] = "/tmp/litmus-XXXXXX";
	const int fd = mkstemp(path);
	int ret;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	ret = litmus_read(&t, path, err, n);
	unlink(path);
	return ret;
}

static void mistakes(void **state)
{
	static const struct {
		const char *text, *err;
	} bad[] = {
		{"test a\nP0:\n\tfence\nask fault(A)\n", ":3: expected an instruction"},
		{"test a\nP0:\n\tload [q]\nask fault(A)\n", ":3: expected a page"},
		{"test a\nP0:\n\tstore pte(x) {oa:Px,vaild:0}\nask fault(A)\n", ":3: expected a descriptor field"},
		{"test a\n\tnop\nP0:\nask fault(A)\n", ":2: an instruction before any thread"},
		{"test a\nP0:\n\tnop\nask P1.r1==1\n", ":4: a register of a thread that is not there"},
		{"test a\nP0:\n\tnop\nask fault(A) &&\n", ":4: expected"},
		{"test a\nP0:\n\tnop\nask fault(A) nonsense\n", ":4: what is"},
		{"test a\nP0:\n\tnop\nask fault(A)\nexpect maybe\n", ":5: expected 'unknown'"},
		{"test a\nP0:\n\tnop\nask fault(A)\nfinal mem(Px)=1\n", ":5: a final state names"},
		{"test a\nP0:\n\ttlbi vaex x\nask fault(A)\n", ":3: expected a TLBI"},
		{"test a\nP0:\n\tdsb foo\nask fault(A)\n", ":3: expected a barrier option"},
		{"test a\nP0:\n\tnop\n", "incomplete"},
		{"test a\nsmmu:\n\tisb\nask fault(A)\n", ":3: the SMMU"},
		{"test a\nwhatever\n", ":2: unknown line"},
	};
	char err[256];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(read_text(bad[i].text, err, sizeof(err)), -1);
		if (!strstr(err, bad[i].err))
			fail_msg("'%s' does not say '%s'", err, bad[i].err);
	}
	assert_int_equal(litmus_read(&t, "/nonexistent", err, sizeof(err)), -1);
}

/* The judgement itself: what is forbidden and reached, or allowed and not, is a disagreement. */
static void judgement(void **state)
{
	static const char text[] = "test a\npte(x) = none\nP0:\n\tA: r1 = load [x]\nask %s\nexpect %s\n%s";
	static const struct {
		const char *ask, *expect, *more;
		enum lit_judgement want;
	} rows[] = {
		{"fault(A)", "allowed", "", LIT_AGREES},
		{"fault(A)", "forbidden", "", LIT_DISAGREES},
		{"!fault(A)", "forbidden", "", LIT_AGREES},
		{"!fault(A)", "allowed", "", LIT_DISAGREES},
		{"!fault(A)", "allowed", "except why not\n", LIT_EXCEPTION},
		{"fault(A)", "unknown", "", LIT_NO_ORACLE},
		{"fault(A)", "allowed", "final fault(A)=Translation\nfinal fault(A)=AF\n", LIT_AGREES},
		{"fault(A)", "allowed", "final fault(A)=AF\n", LIT_DISAGREES},
		{"fault(A)", "allowed", "bbm yes\n", LIT_DISAGREES},
	};
	char buf[512], err[256];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(buf, sizeof(buf), text, rows[i].ask, rows[i].expect, rows[i].more);
		assert_int_equal(read_text(buf, err, sizeof(err)), 0);
		litmus_explore(&t, false, &r);
		assert_int_equal(litmus_judge(&t, false, &r), rows[i].want);
	}
	assert_string_equal(litmus_key_str(&t.key[0]), "fault(A)");
	assert_string_equal(litmus_value_str(&t.key[0], HW_FAULT_TRANSLATION), "Translation");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes),
		cmocka_unit_test(judgement),
		cmocka_unit_test(directory),
	};

	return cmocka_run_group_tests_name("litmus", tests, NULL, NULL) ? 1 : 0;
}
