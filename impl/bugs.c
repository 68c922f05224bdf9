// SPDX-License-Identifier: GPL-2.0-only
/*
 * The catalogue of planted bugs.
 *
 * Property: one row of bugs.def is one bug, named alike here and in BUG(); production builds have the list
 * but nothing that could switch a bug on.
 */
#include <stddef.h>

#include "bug.h"

#ifdef PTDIFF_BUGS
int pt_bug_on = -1;
#endif

const struct pt_bug pt_bugs[] = {
#define PT_BUG(id, name, what, from, signature, also)	       {name, what, from, signature, also, "opt"},
#define PT_BUG_IN(impl, id, name, what, from, signature, also) {name, what, from, signature, also, impl},
#include "bugs.def"
};

const unsigned pt_nbugs = PT_NBUG;

_Static_assert(sizeof(pt_bugs) / sizeof(pt_bugs[0]) == PT_NBUG, "one enum member a row");
