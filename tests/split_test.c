/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Property: `opt` splits every shape of leaf, changes permissions, repaints with any number of CPUs and walks while
 * tables go, and nobody can tell; the specification of walks names what a walk does wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz/exec.h"
#include "ref/ksplit.h"

/* Runs a text; all ops take effect, nothing is found. */
static void runs(const char *text, unsigned effective)
{
	static struct prog p;
	struct outcome o;
	char err[200];

	assert_int_equal(prog_parse(&p, "text", text, strlen(text), err, sizeof(err)), 0);
	exec_run(&p, &impl_opt, &o);
	assert_string_equal(o.sig, "");
	assert_int_equal(o.effective, effective);
}

static void splits(void **state)
{
	(void)state;
	runs("ptdiff 1\nbbml 2-noabort\nsplit cpu=0 page=0.1 nr=1 spot=pud\nsplit cpu=0 page=0.1 nr=1 "
	     "spot=cont-block\n"
	     "split cpu=0 page=0.1 nr=3 spot=cont\nsplit cpu=0 page=1.1 nr=2 spot=block-invalid\n"
	     "split cpu=0 page=0.3 nr=1 spot=tables\n",
	     5);
}

static void permissions(void **state)
{
	(void)state;
	runs("ptdiff 1\ncpus 2\nbbml 2-noabort\nset_memory cpu=0 page=0.1 nr=2 spot=vmalloc what=rox\n"
	     "set_memory cpu=1 page=0.1 nr=2 spot=vmalloc-huge what=ro\n"
	     "set_memory cpu=0 page=0.2 nr=5 spot=block-ro what=invalid\n",
	     3);
}

static void repaints(void **state)
{
	(void)state;
	runs("ptdiff 1\ncpus 4\nbbml 2-noabort\nrepaint cpu=0 lack=7\n", 4);
	runs("ptdiff 1\ncpus 3\nbbml 2-noabort\ndrain lazy\nrepaint cpu=1 lack=3 salt=9\n", 3);
}

static void walks(void **state)
{
	(void)state;
	runs("ptdiff 1\ncpus 2\nwalk cpu=0 page=0.0 nr=4 spot=walk\n  any#7: park agent=0\nwalk_free cpu=1\n", 2);
}

static void walk_contract(void **state)
{
	struct ref_ks_walk w;

	(void)state;
	ref_ks_walk_begin(&w, 0x1000, 0x3000, false);
	assert_null(ref_ks_walk_entry(&w, 2, 0x1000, 0x3000, false, 0));
	assert_null(ref_ks_walk_entry(&w, 3, 0x1000, 0x2000, true, 0));
	assert_string_equal(ref_ks_walk_entry(&w, 3, 0x1000, 0x2000, true, 0), "visited-twice");
	assert_string_equal(ref_ks_walk_post(&w, 2, 0x1000, 0x3000), "skipped");
	assert_null(ref_ks_walk_hole(&w, 3, 0x2000, 0x3000));
	assert_string_equal(ref_ks_walk_end(&w, 0, 0), "post-missing");
	assert_null(ref_ks_walk_post(&w, 2, 0x1000, 0x3000));
	assert_string_equal(ref_ks_walk_post(&w, 2, 0x1000, 0x3000), "post-unexpected");
	assert_null(ref_ks_walk_end(&w, 0, 0));
	ref_ks_walk_begin(&w, 0x1000, 0x3000, true);
	assert_null(ref_ks_walk_entry(&w, 2, 0x1000, 0x3000, false, 3));
	assert_string_equal(ref_ks_walk_entry(&w, 2, 0x1000, 0x3000, false, 3), "visited-twice");
	assert_null(ref_ks_walk_entry(&w, 2, 0x1000, 0x3000, false, 5)); /* its table went and came back */
	assert_null(ref_ks_walk_hole(&w, 2, 0x1000, 0x3000));		 /* and went for good */
	assert_null(ref_ks_walk_end(&w, 0, 0));
	ref_ks_walk_begin(&w, 0x1000, 0x3000, false);
	assert_null(ref_ks_walk_entry(&w, 2, 0x1000, 0x2000, false, 0));
	assert_null(ref_ks_walk_hole(&w, 3, 0x1000, 0x2000));
	assert_string_equal(ref_ks_walk_entry(&w, 2, 0x2000, 0x3000, true, 0), "post-missing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits), cmocka_unit_test(permissions),   cmocka_unit_test(repaints),
		cmocka_unit_test(walks),  cmocka_unit_test(walk_contract),
	};

	exec_init();
	if (impl_opt.init)
		impl_opt.init(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
