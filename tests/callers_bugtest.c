// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: each planted bug of a caller is found by the shortest program that shows it, with a signature that its row of
 * bugs.def names, and the same program agrees without it. Built with PTDIFF_BUGS.
 */
#include "bugtest.h"

#define ONE  "ptdiff 1\nset_ptes cpu=0 page=0.0 "
#define TWO  "ptdiff 1\ncpus 2\nxlate stale\nset_ptes cpu=0 page=0.0 "
#define FORK "nr=4 folio=2 write young dirty\nfork cpu=0\n"

/* mprotect, mremap, madvise, reclaim and migration */
#define HEADER	"ptdiff 1\ncpus 2\nupdate af+dirty\nxlate stale\n"
#define MAPPED	"set_ptes cpu=0 page=0.0 nr=1 folio=5 write young\n"
#define AT_END	"  end: read agent=1 page=0.0\n"
#define PREEMPT "  barrier#2: park agent=0\n"

static const struct bug_case cases[] = {
	{"zap-no-gathered-flush", ONE "nr=1 young\nzap cpu=0 page=0.0 nr=1\n"},
	{"pages-freed-before-flush", ONE "nr=1 young\nzap cpu=0 page=0.0 nr=1\n"},
	{"zap-dirty-flush-late",
	 TWO "nr=1 write young dirty\nzap cpu=0 page=0.0 nr=1 file\n  barrier#1: write agent=1 page=0.0\n"},
	{"gather-nested-ignored", TWO "nr=1 write young dirty\nzap cpu=0 page=0.0 nr=1\n  barrier#1: park agent=0\n"
				      "zap cpu=1 page=0.0 nr=1\ntouch cpu=1 page=0.0 write\n"},
	{"table-freed-early", "ptdiff 1\nfree_table cpu=0 page=0.0\n"},
	{"table-freed-under-reader",
	 "ptdiff 1\ncpus 2\ngup_fast cpu=1 page=0.0\n  load#2: park agent=0\nfree_table cpu=0 page=0.0\n"},
	{"exit-no-table-flush", "ptdiff 1\nfork cpu=0\nswitch cpu=0 to=child\nexit cpu=0\n"},
	{"exit-root-under-lazy", "ptdiff 1\nfork cpu=0\nswitch cpu=0 to=child\nexit cpu=0\n"},
	{"tlb-flush-ignores-freed-tables", "ptdiff 1\nfork cpu=0\nswitch cpu=0 to=child\nexit cpu=0\n"},
	{"fork-no-flush", TWO FORK "  end: write agent=0 page=0.0\n"},
	{"fork-wrprotect-first-only", ONE FORK},
	{"fork-child-dirty-wrong", ONE FORK},
	{"fork-parent-dirty-lost", ONE FORK},
	{"cow-set-before-flush", ONE "nr=1 young\ncow cpu=0 page=0.0\n"},
	{"unlock-before-visible",
	 "ptdiff 1\ncpus 2\ndrain lazy\nset_ptes cpu=0 page=0.0 nr=1\ncow cpu=0 page=0.0\ntouch cpu=1 page=0.0\n"},
	{"gup-no-recheck", TWO "nr=1\ngup_fast cpu=0 page=0.0\n  atomic#1: park agent=0\n"
			       "ptep_get_and_clear cpu=1 page=0.0\n"},
	{"protect-no-flush",
	 HEADER "set_ptes cpu=0 page=0.0 nr=1 folio=5 write young dirty\nmprotect cpu=0 page=0.0 nr=1\n"
		"  end: write agent=1 page=0.0\n"},
	{"protect-commit-stale-value",
	 HEADER MAPPED "mprotect cpu=0 page=0.0 nr=1\n  atomic#1: write agent=1 page=0.0\n"},
	{"protnone-flushless-when-valid", HEADER MAPPED "mprotect cpu=0 page=0.0 nr=1 none\n" AT_END},
	{"numa-hint-as-none", HEADER MAPPED "numa cpu=0 page=0.0 nr=1\nnuma_fault cpu=0 page=0.0\n"},
	{"mremap-no-flush", HEADER MAPPED "mremap cpu=0 page=0.0 nr=1 toblock=1\n" AT_END},
	{"mremap-flush-after-unlock",
	 HEADER MAPPED "mremap cpu=0 page=0.0 nr=1 toblock=1\n  barrier#1: read agent=1 page=0.0\n"},
	{"batched-pending-not-completed",
	 HEADER MAPPED "swap_out cpu=0 page=0.0 nr=1 batch\n" PREEMPT "madvise_free cpu=1 page=0.0 nr=1\n" AT_END},
	{"batched-pending-not-completed",
	 HEADER MAPPED "swap_out cpu=0 page=0.0 nr=1 batch\n" PREEMPT "zap cpu=1 page=0.0 nr=1\n" AT_END},
	{"madvise-free-neighbours",
	 HEADER "set_ptes cpu=0 page=0.0 nr=4 folio=1 write young dirty\nmadvise_free cpu=0 page=0.1 nr=2\n"},
	{"swap-out-clear-after-read",
	 HEADER MAPPED "swap_out cpu=0 page=0.0 nr=1 batch\n  atomic#1: write agent=1 page=0.0\n"},
	{"swap-out-write-before-flush",
	 HEADER "set_ptes cpu=0 page=0.0 nr=1 folio=5 write young dirty\nswap_out cpu=0 page=0.0 nr=1 batch\n"},
	{"swap-out-freed-before-flush", HEADER MAPPED "swap_out cpu=0 page=0.0 nr=1 batch\n"},
	{"migrate-drops-dirty",
	 HEADER "set_ptes cpu=0 page=0.0 nr=1 folio=5 write young dirty\nmigrate cpu=0 page=0.0 nr=1 folio=6\n"},
};

BUGTEST_MAIN
