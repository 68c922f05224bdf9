// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pictures of kernel mappings on the executor: what is published to whom, when, and what moves with a task.
 *
 * Property: correct implementations agree on every one of them, in all forms of lazy mode; where a fault is legal the
 * legal difference is counted, where it is not none is. What is missing in wrong ones is in kernel_bugtest.c.
 */
#include "kernel_pictures.h"

static const struct pt_impl *const impls[] = {&impl_opt,    &impl_opt_v1,   &impl_opt_v2,
					      &impl_opt_v3, &impl_opt_none, &impl_deferred};
#define NIMPLS (sizeof(impls) / sizeof(impls[0]))

static void agree(const char *hdr, const char *ops)
{
	for (unsigned i = 0; i < NIMPLS; i++) {
		run_text(impls[i], hdr, ops);
		if (o.sig[0])
			fail_msg("%s: %s: %s\n%s", impls[i]->name, o.sig, o.detail, ops);
	}
}

/* Another CPU that was told by a plain store may walk early, once; not when the address depends on what it was told, nor
 * after an exception, nor with FEAT_ETS2. */
static void test_handover(void **s)
{
	(void)s;
	agree(UNKIND, "kset cpu=0 page=0.0\nkaccess cpu=0 page=0.0\n");
	assert_int_equal(hits[REF_K_L_IGNORED_FAULT], 0);
	agree(UNKIND, "kset cpu=0 page=0.0\nkaccess cpu=1 page=0.0\n");
	assert_int_equal(hits[REF_K_L_IGNORED_FAULT], 1);
	agree(UNKIND, "kset cpu=0 page=0.0\nkaccess cpu=1 page=0.0\nkaccess cpu=1 page=0.0\n");
	assert_int_equal(hits[REF_K_L_IGNORED_FAULT], 1);
	agree(UNKIND, "kset cpu=0 page=0.0\nkaccess cpu=1 page=0.0 handover=dep\n");
	assert_int_equal(hits[REF_K_L_IGNORED_FAULT], 0);
	agree(UNKIND, "kset cpu=0 page=0.0\n  end: sync agent=1\nkaccess cpu=1 page=0.0\n");
	assert_int_equal(hits[REF_K_L_IGNORED_FAULT], 0);
	agree(ETS2, "kset cpu=0 page=0.0\nkaccess cpu=1 page=0.0\n");
	assert_int_equal(hits[REF_K_L_IGNORED_FAULT], 0);
	/* A lock orders the stores, and synchronises nothing. */
	agree(UNKIND, "kset cpu=0 page=0.0\nkaccess cpu=1 page=0.0 handover=release\n");
	assert_int_equal(hits[REF_K_L_IGNORED_FAULT], 1);
}

/* Published at the leave, not before: nobody uses it until then. */
static void test_section(void **s)
{
	(void)s;
	agree(UNKIND, "lazy cpu=0 verb=enter\nkset cpu=0 page=0.0\nkset cpu=0 page=0.1\nlazy cpu=0 verb=leave\n"
		      "kaccess cpu=0 page=0.0\nkaccess cpu=0 page=0.1 write\n");
	assert_int_equal(hits[REF_K_L_IGNORED_FAULT], 0);
	agree(UNKIND, "lazy cpu=0 verb=enter\nkset cpu=0 page=0.0\nlazy cpu=0 verb=flush\nkaccess cpu=0 page=0.0\n"
		      "kset cpu=0 page=0.1\nlazy cpu=0 verb=leave\nkaccess cpu=0 page=0.1\n");
	/* Never left: the end of the program does. */
	agree(UNKIND, "lazy cpu=0 verb=enter\nkset cpu=0 page=0.0\n");
}

static void test_nesting(void **s)
{
	(void)s;
	agree(UNKIND, "lazy cpu=0 verb=enter\nkset cpu=0 page=0.0\nlazy cpu=0 verb=enter\nkset cpu=0 page=0.1\n"
		      "lazy cpu=0 verb=leave\nkaccess cpu=0 page=0.0\nkset cpu=0 page=0.2\nlazy cpu=0 verb=leave\n"
		      "kaccess cpu=0 page=0.2\n");
	agree(UNKIND,
	      "lazy cpu=0 verb=enter\nkmap cpu=0 page=0.0 nr=16\nkaccess cpu=0 page=0.0\nkaccess cpu=0 page=3.3\n");
}

static void test_pause(void **s)
{
	(void)s;
	agree(UNKIND,
	      "lazy cpu=0 verb=enter\nkset cpu=0 page=0.0\nlazy cpu=0 verb=pause\nkaccess cpu=0 page=0.0\n"
	      "lazy cpu=0 verb=enter\nkset cpu=0 page=0.1\nkaccess cpu=0 page=0.1\nlazy cpu=0 verb=leave\n"
	      "lazy cpu=0 verb=resume\nkset cpu=0 page=0.2\nlazy cpu=0 verb=leave\nkaccess cpu=0 page=0.2\n");
}

/* Interrupts, and whoever has bottom halves off, use at once what they map, whatever the task they interrupt is in. */
static void test_interrupts(void **s)
{
	static const char *const in[] = {"hardirq", "softirq", "bhoff"};
	char ops[256];

	(void)s;
	for (unsigned i = 0; i < 3; i++) {
		snprintf(ops, sizeof(ops),
			 "lazy cpu=0 verb=enter\nkset cpu=0 page=0.0\nkmap cpu=0 page=0.1 nr=3 in=%s\n"
			 "kset cpu=0 page=1.0 in=%s\nlazy cpu=0 verb=leave\nkaccess cpu=0 page=0.0\n",
			 in[i], in[i]);
		agree(UNKIND, ops);
	}
	for (unsigned i = 1; i < 12; i++) {
		snprintf(ops, sizeof(ops),
			 "lazy cpu=0 verb=enter\nkmap cpu=0 page=0.0 nr=2\n  any#%u: irq agent=0 page=0.2%s%s\n"
			 "lazy cpu=0 verb=leave\nkaccess cpu=0 page=0.1\n",
			 i, i & 1 ? " soft" : "", i & 2 ? " bare" : "");
		agree(UNKIND, ops);
	}
}

/* What a user op has begun an interrupt does not see. */
static void test_interrupted_user(void **s)
{
	(void)s;
	agree(UNKIND, "set_ptes cpu=0 page=0.0 nr=4 write young\n  store#2: irq agent=0 page=0.0\n"
		      "wrprotect_ptes cpu=0 page=0.1 nr=1\n  tlbi#1: irq agent=0 page=0.0 bare\n"
		      "touch cpu=0 page=0.1 write\n");
}

/* The flag is the task's: it leaves on another CPU, which then finds the page; with a switch in between, or one in the
 * middle of a call, which says nothing of the ISB to either. */
static void test_switches(void **s)
{
	char ops[256];

	(void)s;
	agree(UNKIND, "lazy cpu=0 verb=enter\nkset cpu=0 page=0.0\nkswitch cpu=0\nlazy cpu=0 verb=leave\n"
		      "kaccess cpu=0 page=0.0\n");
	assert_int_equal(hits[REF_K_L_IGNORED_FAULT], 0);
	agree(UNKIND, "lazy cpu=0 verb=enter\nkset cpu=0 page=0.0\nkswitch cpu=0 to=1\nlazy cpu=1 verb=leave\n"
		      "kaccess cpu=1 page=0.0\n");
	for (unsigned i = 1; i < 5; i++) {
		snprintf(ops, sizeof(ops), "kset cpu=0 page=0.0\n  any#%u: move agent=1\nkaccess cpu=1 page=0.0\n",
			 i);
		agree(UNKIND, ops);
	}
	run_text(&impl_opt, UNKIND, "kset cpu=0 page=0.0\n  barrier#2: move agent=1\nkaccess cpu=1 page=0.0\n");
	assert_string_equal(o.sig, "");
	assert_int_equal(hits[REF_K_L_MIGRATED], 1);
}

/* Permissions, removal, and the same address again. */
static void test_life(void **s)
{
	(void)s;
	agree(UNKIND,
	      "kmap cpu=0 page=0.0 nr=4 cont\nkaccess cpu=1 page=0.1 write\nkunmap cpu=1 page=0.0 nr=4\n"
	      "kaccess cpu=0 page=0.1\nkmap cpu=0 page=0.0 nr=4 pfn=1\nkaccess cpu=1 page=0.1\n"
	      "kprotect cpu=0 page=0.0 nr=4 perm=ro\nkaccess cpu=1 page=0.1 write\n"
	      "kprotect cpu=0 page=0.0 nr=4 perm=x\nkaccess cpu=1 page=0.1 exec\n"
	      "kunmap cpu=0 page=0.0 nr=4 noflush\nkaccess cpu=1 page=0.1\nkmap cpu=0 page=0.0 nr=4 pfn=2\n");
	assert_true(hits[REF_K_L_BEFORE_FLUSH]);
}

/* vmap meets a page that is there: it returns early, and has left what it entered. */
static void test_error(void **s)
{
	(void)s;
	agree(UNKIND, "kset cpu=0 page=0.2\nkmap cpu=0 page=0.0 nr=4\nkaccess cpu=0 page=0.1\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handover),   cmocka_unit_test(test_section),
		cmocka_unit_test(test_nesting),	   cmocka_unit_test(test_pause),
		cmocka_unit_test(test_interrupts), cmocka_unit_test(test_interrupted_user),
		cmocka_unit_test(test_switches),   cmocka_unit_test(test_life),
		cmocka_unit_test(test_error),
	};

	exec_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
