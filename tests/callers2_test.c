// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callers that change what is mapped: mprotect, NUMA hints, mremap, madvise, reclaim, migration.
 *
 * Property: on the built-in implementation each leaves the entries that its kernel function leaves, drawn as replay
 * draws them, and a race that is legal is no finding.
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

#define HEADER "ptdiff 1\ncpus 2\nupdate af+dirty\nxlate stale\n"

/* What replay prints of a program that must agree. */
static char *replayed(const char *ops)
{
	static struct prog p;
	struct outcome o;
	char text[2048], err[256], *out = NULL;
	size_t len;
	FILE *f;

	snprintf(text, sizeof(text), HEADER "%s", ops);
	if (prog_parse(&p, "test", text, strlen(text), err, sizeof(err)))
		fail_msg("%s", err);
	f = open_memstream(&out, &len);
	exec_replay(&p, &impl_opt, &o, f, true);
	fclose(f);
	if (o.sig[0] || o.skipped)
		fail_msg("%s\n%s\n%u skipped", out, o.sig, o.skipped);
	return out;
}

/* The pictures (or other lines) occur in this order; "!": the rest of it does not occur after the one before. */
static void check(const char *ops, const char *const *lines)
{
	char *out = replayed(ops), *at = out;

	for (; *lines; lines++) {
		const bool absent = **lines == '!';
		char *hit = strstr(at, *lines + absent);

		if (absent ? hit != NULL : !hit) {
			fputs(out, stderr);
			fail_msg("%s: %s", absent ? "found" : "not found", *lines + absent);
		}
		at = absent ? at : hit + strlen(*lines);
	}
	free(out);
}
#define CHECK(ops, ...) check(ops, (const char *const[]){__VA_ARGS__, NULL})
#define TABLE(s)	"table " s

static void test_mprotect(void **state)
{
	(void)state;
	/* A whole run stays folded and is flushed once; a part is unfolded. */
	CHECK("set_ptes cpu=0 page=0.0 nr=4 folio=1 write young dirty\n"
	      "mprotect cpu=0 page=0.0 nr=4\n",
	      TABLE("[DDDD]"), "op 1", "-> none", TABLE("[DDDD]"), "tlbi", "dsb ish ");
	CHECK("set_ptes cpu=0 page=0.0 nr=4 folio=1 write young dirty\n"
	      "mprotect cpu=0 page=0.1 nr=2\n",
	      TABLE("[DDDD]"), "op 1", TABLE("|D..D|"), TABLE("|DDDD|"));
	/* What hardware recorded just before the removal is kept, and software's dirty bit holds it. */
	CHECK("set_ptes cpu=0 page=0.0 nr=1 folio=5 write\n"
	      "mprotect cpu=0 page=0.0 nr=1\n  atomic#1: write agent=1 page=0.0\n",
	      "op 1", "sets dirty", "ro AF dirty");
}

static void test_protnone(void **state)
{
	(void)state;
	/* Present to software; a fault makes it valid again and flushes nothing. */
	CHECK("set_ptes cpu=0 page=0.0 nr=1 folio=5 write young\n"
	      "numa cpu=0 page=0.0 nr=1\n"
	      "numa_fault cpu=0 page=0.0 write\n",
	      "op 1", "tlbi", "op 2", "!tlbi");
	CHECK("set_ptes cpu=0 page=0.0 nr=1 folio=5 young\n"
	      "mprotect cpu=0 page=0.0 nr=1 none\n"
	      "mprotect cpu=0 page=0.0 nr=1 exec\n",
	      "op 2", "!tlbi");
	/* Not yet flushed and folded before: the single entry waits for it. */
	CHECK("set_ptes cpu=0 page=0.0 nr=4 folio=1 young\n"
	      "numa cpu=0 page=0.0 nr=4\n  barrier#1: park agent=0\n"
	      "numa_fault cpu=1 page=0.1\n",
	      "preempted here", "op 3", "tlbi", "spec |");
}

static void test_mremap(void **state)
{
	(void)state;
	/* One by one, access and dirty state move along, the old place is flushed under the lock. */
	CHECK("set_ptes cpu=0 page=0.0 nr=2 folio=2 write young dirty\n"
	      "set_marker cpu=0 page=0.2 payload=5\n"
	      "mremap cpu=0 page=0.0 nr=3 toblock=2\n",
	      "op 2", "block 0  table |.Dm.|", "block 2  table |D...|", "block 0  table |..m.|",
	      "block 2  table |DD..|", "block 2  table |DDm.|", "tlbi", "dsb ish", "unlock");
	/* To where a block becomes complete it folds. */
	CHECK("set_ptes cpu=0 page=0.0 nr=4 folio=1 write young dirty\n"
	      "mremap cpu=0 page=0.0 nr=4 toblock=1\n",
	      "op 1", "block 1  table [DDDD]");
}

static void test_madvise(void **state)
{
	(void)state;
	CHECK("set_ptes cpu=0 page=0.0 nr=4 folio=1 write young dirty\n"
	      "madvise_free cpu=0 page=0.0 nr=4\n",
	      "op 1", TABLE("[oooo]"), "tlbi");
	/* Of a part of a folio nothing goes. */
	CHECK("set_ptes cpu=0 page=0.0 nr=4 folio=1 write young dirty\n"
	      "madvise_free cpu=0 page=0.1 nr=2\n",
	      "op 1", "!tlbi");
	CHECK("set_ptes cpu=0 page=0.0 nr=4 folio=1 write young dirty\n"
	      "madvise_cold cpu=0 page=0.0 nr=4\n"
	      "young_ptes cpu=0 page=0.0 nr=4 flush\n",
	      "op 1", "rw dirty CONT", TABLE("[DDDD]"), "tlbi", "op 2", "!tlbi");
}

static void test_swap(void **state)
{
	(void)state;
	/* Two folios are unmapped, then one DSB waits for both. */
	CHECK("set_ptes cpu=0 page=0.0 nr=2 folio=2 young\n"
	      "set_ptes cpu=0 page=0.2 nr=1 folio=5 young\n"
	      "swap_out cpu=0 page=0.0 nr=3 batch\n"
	      "swap_in cpu=0 page=0.0 nr=2 folio=2 write\n",
	      "op 2", TABLE("|..a.|"), "dsb ishst", TABLE("|mma.|"), "dsb ishst", TABLE("|mmm.|"), "dsb ish ",
	      "op 3", TABLE("|DDm.|"));
	/* Whoever relies on the gap completes it: with a flush of its own, then the batch's wait. */
	CHECK("set_ptes cpu=0 page=0.0 nr=1 folio=5 young\n"
	      "swap_out cpu=0 page=0.0 nr=1 batch\n  barrier#2: park agent=0\n"
	      "madvise_free cpu=1 page=0.0 nr=1\n  end: read agent=1 page=0.0\n",
	      "preempted here", "op 3", "aside1is", "-> none", "translation-fault", "goes on",
	      "arch_tlbbatch_flush");
}

static void test_migrate(void **state)
{
	(void)state;
	/* The new page's entry says what the old one said. */
	CHECK("set_ptes cpu=0 page=0.0 nr=1 folio=5 write young dirty\n"
	      "migrate cpu=0 page=0.0 nr=1 folio=6\n",
	      "op 1", TABLE("|m...|"), TABLE("|D...|"));
	/* Somebody dropped the migration entry meanwhile: nothing comes back. */
	CHECK("set_ptes cpu=0 page=0.0 nr=1 folio=5 young\n"
	      "migrate cpu=0 page=0.0 nr=1 folio=6 batch\n  barrier#2: park agent=0\n"
	      "zap cpu=1 page=0.0 nr=1\n",
	      "preempted here", "-> none", "goes on", "!table |o", "!table |a");
}

static int setup(void **state)
{
	(void)state;
	exec_init();
	return impl_opt.init(&hw_hooks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mprotect), cmocka_unit_test(test_protnone), cmocka_unit_test(test_mremap),
		cmocka_unit_test(test_madvise),	 cmocka_unit_test(test_swap),	  cmocka_unit_test(test_migrate),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
