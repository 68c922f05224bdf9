// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: each planted bug of splits, permission changes, repainting and walks is found by a program of one to three ops,
 * with a signature that its row in bugs.def names, and the same program says nothing of the right code. Built with PTDIFF_BUGS.
 */
#include "bugtest.h"

static const struct bug_case cases[] = {
	{"split-gate-this-cpu", "ptdiff 1\n"
				"cpus 2\n"
				"bbml 2-noabort\n"
				"split cpu=0 page=0.1 nr=1 spot=block\n"
				"repaint cpu=0 lack=1 level=1\n"},
	{"split-gate-aborts", "ptdiff 1\n"
			      "cpus 2\n"
			      "bbml 2-noabort\n"
			      "split cpu=0 page=0.1 nr=1 spot=block\n"
			      "  end: read agent=1 page=0.0 xlate=2\n"
			      "repaint cpu=0 lack=1\n"},
	{"split-alloc-before-look", "ptdiff 1\n"
				    "bbml 2-noabort\n"
				    "split cpu=0 page=0.0 nr=1 spot=block unit=3\n"},
	{"split-failure-frees-linked", "ptdiff 1\n"
				       "alloc_fails on\n"
				       "bbml 2-noabort\n"
				       "salt 3267030098\n"
				       "split cpu=0 page=0.0 nr=1 spot=tables\n"},
	{"walk-again-when-locked", "ptdiff 1\n"
				   "cpus 2\n"
				   "walk_free cpu=0\n"
				   "  store#1: park agent=0\n"
				   "walk cpu=1 page=0.0 nr=1 spot=walk\n"},
	{"walk-waits-for-table", "ptdiff 1\n"
				 "cpus 2\n"
				 "walk cpu=0 page=0.0 nr=1 spot=walk\n"
				 "  any#7: park agent=0\n"
				 "walk_free cpu=1\n"},
	{"walk-hole-error-lost", "ptdiff 1\n"
				 "walk cpu=0 page=0.0 nr=16 spot=walk end=1 late\n"},
	{"walk-post-forgotten", "ptdiff 1\n"
				"walk cpu=0 page=0.0 nr=1 spot=walk\n"},
	{"setmem-rox-x-first", "ptdiff 1\n"
			       "set_memory cpu=0 page=0.0 nr=1 spot=vmalloc what=rox\n"},
	{"setmem-rox-alias-last", "ptdiff 1\n"
				  "set_memory cpu=0 page=0.0 nr=1 spot=vmalloc what=rox\n"},
	{"setmem-nx-no-flush", "ptdiff 1\n"
			       "set_memory cpu=0 page=0.0 nr=1 spot=vmalloc what=x\n"
			       "set_memory cpu=0 page=0.0 nr=1 spot=vmalloc what=nx\n"
			       "  end: read agent=0 page=0.0 xlate=2 fetch\n"},
	{"split-link-before-fill", "ptdiff 1\n"
				   "bbml 2-noabort\n"
				   "repaint cpu=0\n"},
	{"split-fill-unordered", "ptdiff 1\n"
				 "bbml 2-noabort\n"
				 "drain reversed\n"
				 "xlate hashed\n"
				 "split cpu=0 page=0.0 nr=1 spot=tables salt=1\n"},
	{"split-wrong-side", "ptdiff 1\n"
			     "bbml 2-noabort\n"
			     "split cpu=0 page=0.0 nr=1 spot=tables\n"},
	{"split-wrong-oa", "ptdiff 1\n"
			   "bbml 2-noabort\n"
			   "repaint cpu=0\n"},
	{"split-wrong-permission", "ptdiff 1\n"
				   "bbml 2-noabort\n"
				   "split cpu=0 page=0.0 nr=1 spot=tables\n"},
	{"split-invalid-to-valid", "ptdiff 1\n"
				   "bbml 2-noabort\n"
				   "set_memory cpu=0 page=0.0 nr=1 spot=block-invalid what=valid\n"},
	{"split-failure-ignored", "ptdiff 1\n"
				  "alloc_fails on\n"
				  "bbml 2-noabort\n"
				  "set_memory cpu=0 page=0.0 nr=1 spot=pud what=invalid salt=71\n"},
	{"setmem-rox-ignores-error", "ptdiff 1\n"
				     "alloc_fails on\n"
				     "bbml 2-noabort\n"
				     "set_memory cpu=0 page=0.0 nr=1 spot=vmalloc what=rox salt=135\n"},
	{"setmem-no-flush", "ptdiff 1\n"
			    "xlate stale\n"
			    "set_memory cpu=0 page=0.0 nr=1 spot=pud what=invalid\n"},
	{"setmem-accepts-huge", "ptdiff 1\n"
				"bbml 2-noabort\n"
				"set_memory cpu=0 page=0.0 nr=1 spot=vmalloc-huge what=ro\n"},
	{"setmem-forgets-alias", "ptdiff 1\n"
				 "set_memory cpu=0 page=0.0 nr=1 spot=vmalloc what=rox\n"},
	{"split-sleeps-in-atomic", "ptdiff 1\n"
				   "bbml 2-noabort\n"
				   "split cpu=0 page=0.0 nr=1 spot=pages atomic\n"},
	{"split-range-keeps-runs", "ptdiff 1\n"
				   "bbml 2-noabort\n"
				   "repaint cpu=0\n"},
	{"walk-again-ignored", "ptdiff 1\n"
			       "walk cpu=0 page=0.0 nr=1 spot=tables again=3\n"},
	{"walk-past-end", "ptdiff 1\n"
			  "walk cpu=0 page=0.0 nr=1 spot=tables\n"},
	{"walk-post-after-skip", "ptdiff 1\n"
				 "walk cpu=0 page=0.0 nr=1 spot=tables skip=1\n"},
	{"walk-stale-action", "ptdiff 1\n"
			      "cpus 2\n"
			      "walk cpu=0 page=0.0 nr=1 spot=walk\n"
			      "  atomic#1: park agent=0\n"
			      "walk_free cpu=1\n"},
	{"walk-block-as-table", "ptdiff 1\n"
				"bbml 2-noabort\n"
				"walk cpu=0 page=0.0 nr=1 spot=cont-block\n"},
	{"walk-freed-table", "ptdiff 1\n"
			     "cpus 2\n"
			     "walk cpu=0 page=0.0 nr=1 spot=walk\n"
			     "  atomic#1: park agent=0\n"
			     "walk_free cpu=1\n"},
	{"split-while-secondary-on-old-map", "ptdiff 1\n"
					     "cpus 3\n"
					     "bbml 2-noabort\n"
					     "repaint cpu=0 lack=1 level=1 salt=10\n"},
	{"release-before-split-complete", "ptdiff 1\n"
					  "cpus 2\n"
					  "bbml 2-noabort\n"
					  "repaint cpu=0 lack=1 level=1\n"},
	{"secondary-no-local-flush", "ptdiff 1\n"
				     "cpus 2\n"
				     "bbml 2-noabort\n"
				     "repaint cpu=0 lack=1 level=1\n"},
	{"repaint-error-no-release", "ptdiff 1\n"
				     "cpus 2\n"
				     "alloc_fails on\n"
				     "bbml 2-noabort\n"
				     "repaint cpu=0\n"},
	{"repaint-sleeps-in-atomic", "ptdiff 1\n"
				     "bbml 2-noabort\n"
				     "repaint cpu=0\n"},
	{"repaint-flag-not-in-idmap", "ptdiff 1\n"
				      "cpus 2\n"
				      "bbml 2-noabort\n"
				      "repaint cpu=0\n"},
	{"split-loses-cont", "ptdiff 1\n"
			     "bbml 2-noabort\n"
			     "split cpu=0 page=0.0 nr=1 spot=tables\n"},
	{"kernel-alias-split", "ptdiff 1\n"
			       "bbml 2-noabort\n"
			       "repaint cpu=0\n"},
	{"split-barrier-per-entry", "ptdiff 1\n"
				    "bbml 2-noabort\n"
				    "split cpu=0 page=0.0 nr=1 spot=tables\n"},
	{"split-needless-flush", "ptdiff 1\n"
				 "bbml 2-noabort\n"
				 "split cpu=0 page=0.0 nr=1 spot=tables\n"},
	{"split-at-edge", "ptdiff 1\n"
			  "bbml 2-noabort\n"
			  "set_memory cpu=0 page=1.2 nr=2 spot=block from=2 what=valid\n"},
	{"setmem-flush-per-page", "ptdiff 1\n"
				  "set_memory cpu=0 page=0.0 nr=1 spot=vmalloc what=ro\n"},
	{"repaint-flush-per-page", "ptdiff 1\n"
				   "bbml 2-noabort\n"
				   "repaint cpu=0\n"},
};

BUGTEST_MAIN
