// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: each planted bug of creation is found by a program of one or two calls, with a signature that its row in
 * bugs.def names, and the same program says nothing of the right code. Built with PTDIFF_BUGS.
 */
#include "bugtest.h"

static const struct bug_case cases[] = {
	{"table-linked-before-clear", "ptdiff 1\n"
				      "cpus 2\n"
				      "create_map cpu=0 page=0.0 nr=1\n"
				      "  tlbi#1: read agent=1 page=0.0\n"},
	{"table-entries-late", "ptdiff 1\n"
			       "cpus 2\n"
			       "drain lazy\n"
			       "create_map cpu=0 page=0.0 nr=1\n"
			       "  end: write agent=1 page=0.0\n"},
	{"fixmap-use-after-clear", "ptdiff 1\n"
				   "create_map cpu=0 page=0.0 nr=1\n"},
	{"fixmap-slot-reused-without-clear", "ptdiff 1\n"
					     "create_map cpu=0 page=0.0 nr=2 unit=2 noblock\n"},
	{"folded-slot-pointer-advance", "ptdiff 1\n"
					"create_map cpu=0 page=0.0 nr=1\n"},
	{"folded-slot-pointer-advance", "ptdiff 1\n" /* four levels: the P4D's alone is folded */
					"geometry 4k\n"
					"create_map cpu=0 page=0.0 nr=1\n"},
	{"index-not-masked", "ptdiff 1\n" /* into the table of level 0 */
			     "create_boot cpu=0 levels=4\n"
			     "create_map cpu=0 page=0.0 nr=1\n"},
	{"table-linked-before-clear", "ptdiff 1\n" /* the same */
				      "cpus 2\n"
				      "create_boot cpu=0 levels=4\n"
				      "create_map cpu=0 page=0.0 nr=1\n"
				      "  tlbi#1: read agent=1 page=0.0\n"},
	{"lpa2-shareability-in-entry", "ptdiff 1\n"
				       "create_boot cpu=0 levels=4\n"
				       "create_map cpu=0 page=0.0 nr=1\n"},
	{"lpa2-range-base-in-pages", "ptdiff 1\n"
				     "cpus 2\n"
				     "xlate stale\n"
				     "tlbirange on\n"
				     "create_boot cpu=0 levels=4\n"
				     "create_map cpu=0 page=0.0 nr=2\n"
				     "create_perm cpu=0 page=0.0 nr=2 ro\n"
				     "create_access cpu=1 page=0.0 write\n"},
	{"index-not-masked", "ptdiff 1\n"
			     "create_map cpu=0 page=0.0 nr=1\n"},
	{"cont-across-hole", "ptdiff 1\n"
			     "create_map cpu=0 page=0.0 nr=1\n"},
	{"cont-misaligned", "ptdiff 1\n"
			    "create_map cpu=0 page=0.0 nr=1 unit=2 shift=1\n"},
	{"cont-beside-noncont", "ptdiff 1\n"
				"bbml 1\n"
				"create_map cpu=0 page=0.1 nr=1\n"
				"create_map cpu=0 page=0.0 nr=4 exec\n"},
	{"live-change-beyond-permissions", "ptdiff 1\n"
					   "create_map cpu=0 page=0.0 nr=1\n"
					   "create_map cpu=0 page=0.0 nr=1 shift=1\n"},
	{"must-refuse-served", "ptdiff 1\n"
			       "create_map cpu=0 page=0.0 nr=1\n"
			       "create_map cpu=0 page=0.0 nr=1 unit=4\n"},
	{"alloc-failure-leaks-slot", "ptdiff 1\n"
				     "alloc_fails on\n"
				     "create_map cpu=0 page=0.0 nr=1 unit=4 noblock\n"},
	{"table-alloc-before-look", "ptdiff 1\n"
				    "create_map cpu=0 page=0.0 nr=1\n"
				    "create_map cpu=0 page=0.1 nr=1\n"},
	{"block-change-refused", "ptdiff 1\n"
				 "create_map cpu=0 page=0.0 nr=1 unit=2\n"
				 "create_perm cpu=0 page=0.0 nr=16 ro\n"},
	{"create-failure-frees-linked", "ptdiff 1\n"
					"alloc_fails on\n"
					"create_map cpu=0 page=0.0 nr=1 unit=4 noblock\n"},
	{"fixmap-set-unpublished", "ptdiff 1\n"
				   "drain lazy\n"
				   "xlate stale\n"
				   "create_map cpu=0 page=0.0 nr=1\n"},
	{"fixmap-clear-no-flush", "ptdiff 1\n"
				  "create_map cpu=0 page=0.0 nr=1 unit=3 noblock\n"},
	{"refusal-too-late", "ptdiff 1\n"
			     "create_map cpu=0 page=0.0 nr=4 ro\n"
			     "create_map cpu=0 page=0.0 nr=1 unit=1\n"},
	{"create-never-cont", "ptdiff 1\n"
			      "create_map cpu=0 page=0.0 nr=4\n"},
	{"create-nocont-ignored", "ptdiff 1\n"
				  "create_map cpu=0 page=0.0 nr=4 nocont\n"},
	{"create-never-block", "ptdiff 1\n"
			       "create_map cpu=0 page=0.0 nr=1 unit=2\n"},
	{"create-noblock-ignored", "ptdiff 1\n"
				   "create_map cpu=0 page=0.0 nr=1 unit=2 noblock\n"},
	{"create-page-too-few", "ptdiff 1\n"
				"create_map cpu=0 page=0.0 nr=1\n"},
	{"create-page-too-many", "ptdiff 1\n"
				 "create_map cpu=0 page=0.0 nr=1\n"},
	{"create-wrong-type", "ptdiff 1\n"
			      "create_map cpu=0 page=0.0 nr=1\n"},
	{"redundant-clear", "ptdiff 1\n"
			    "create_map cpu=0 page=0.0 nr=1\n"},
	{"table-clear-not-ordered", "ptdiff 1\n"
				    "cpus 2\n"
				    "drain lazy\n"
				    "create_map cpu=0 page=0.0 nr=1\n"
				    "create_map cpu=0 page=1.0 nr=1 at=2\n"
				    "  barrier#5: read agent=1 page=0.0 pick=2\n"},
	{"table-remapped-per-run", "ptdiff 1\n"
				   "create_map cpu=0 page=0.0 nr=2 unit=1\n"},
	{"create-barrier-per-entry", "ptdiff 1\n"
				     "create_map cpu=0 page=0.0 nr=1\n"},
};

BUGTEST_MAIN
