// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest program that shows each mistake of publication, by hand.
 *
 * Property: with the bug the program has exactly that signature, and without it none. Built with PTDIFF_BUGS.
 */
#include "kernel_pictures.h"

static const struct picture {
	const char *bug, *sig, *hdr, *ops;
} pictures[] = {
	{"publish-missing-isb", "access/set_ptes/spurious-kernel-fault", UNKIND,
	 "kset cpu=0 page=0.0\nkaccess cpu=0 page=0.0\n"},
	/* FEAT_ETS2: a fault comes from a walk made now. */
	{"publish-missing-isb", "", ETS2, "kset cpu=0 page=0.0\nkaccess cpu=0 page=0.0\n"},
	/* Another CPU, told by a plain store: a fault that might be ignored, if a walk found the page then. */
	{"publish-missing-dsb", "access/set_ptes/not-published", UNKIND,
	 "kset cpu=0 page=0.0\nkaccess cpu=1 page=0.0\n"},
	/* Told by a lock: that orders the stores as well. */
	{"publish-missing-dsb", "", UNKIND, "kset cpu=0 page=0.0\nkaccess cpu=1 page=0.0 handover=release\n"},
	{"publish-wrong-domain", "access/set_ptes/spurious-kernel-fault", ETS2,
	 "kset cpu=0 page=0.0\nkaccess cpu=1 page=0.0\n"},
	{"barrier-before-store", "access/set_ptes/spurious-kernel-fault", UNKIND,
	 "kset cpu=0 page=0.0\nkaccess cpu=0 page=0.0\n"},
	{"lazy-batches-in-irq", "access/set_ptes/spurious-kernel-fault", UNKIND,
	 "lazy cpu=0 verb=enter\nkset cpu=0 page=0.0\n  store#1: irq agent=0 page=0.1 bare\n"},
	{"lazy-batches-bh-off", "access/set_ptes/spurious-kernel-fault", UNKIND,
	 "lazy cpu=0 verb=enter\nkset cpu=0 page=0.0 in=bhoff\n"},
	{"lazy-inner-leave-no-flush", "access/arch_leave_lazy_mmu_mode/spurious-kernel-fault", UNKIND,
	 "lazy cpu=0 verb=enter\nkmap cpu=0 page=0.0 nr=1\nkaccess cpu=0 page=0.0\n"},
	{"lazy-pause-no-flush", "access/lazy_mmu_mode_pause/spurious-kernel-fault", UNKIND,
	 "lazy cpu=0 verb=enter\nkset cpu=0 page=0.0\nlazy cpu=0 verb=pause\nkaccess cpu=0 page=0.0\n"},
	/* The switch has a DSB; what is missing is the ISB. */
	{"pending-lost-at-switch", "access/set_ptes/spurious-kernel-fault", UNKIND,
	 "lazy cpu=0 verb=enter\nkset cpu=0 page=0.0\nkswitch cpu=0\nlazy cpu=0 verb=leave\nkaccess cpu=0 "
	 "page=0.0\n"},
	{"pending-wrong-task", "access/arch_leave_lazy_mmu_mode/spurious-kernel-fault", UNKIND,
	 "kswitch cpu=1 to=1\nlazy cpu=0 verb=enter\nkset cpu=0 page=0.0\nlazy cpu=0 verb=leave\nkaccess cpu=0 "
	 "page=0.0\n"},
	{"kernel-store-bypasses-queue", "access/set_huge_pte_at/spurious-kernel-fault", UNKIND,
	 "kmap cpu=0 page=0.0 nr=4 in=hardirq cont\n"},
	{"kernel-flush-local", "access/flush_tlb_kernel_range/stale-after-flush", ETS2,
	 "kset cpu=0 page=0.0\nkunmap cpu=0 page=0.0 nr=1\nkaccess cpu=1 page=0.0\n"},
	{"kunmap-no-flush", "access/kunmap/stale-after-flush", UNKIND,
	 "kset cpu=0 page=0.0\nkunmap cpu=0 page=0.0 nr=1\nkaccess cpu=0 page=0.0\n"},
	{"kprotect-no-flush", "access/kprotect/stale-after-flush", UNKIND,
	 "kset cpu=0 page=0.0\nkprotect cpu=0 page=0.0 nr=1 perm=ro\nkaccess cpu=0 page=0.0 write\n"},
	{"kmap-error-leaves-lazy", "context/kmap/unbalanced-lazy", UNKIND,
	 "kset cpu=0 page=0.1\nkmap cpu=0 page=0.0 nr=2\n"},
};

static void test_pictures(void **s)
{
	(void)s;
	for (unsigned i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
		const struct picture *p = &pictures[i];

		assert_int_equal(bug_select(p->bug), 0);
		run_text(&impl_opt, p->hdr, p->ops);
		pt_bug_on = -1;
		if (strcmp(o.sig, p->sig) != 0)
			fail_msg("%s: '%s', not '%s'\n%s", p->bug, o.sig, p->sig, p->ops);
		run_text(&impl_opt, p->hdr, p->ops);
		assert_string_equal(o.sig, "");
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(test_pictures)};

	exec_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
