/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * BUG(name): is the planted bug `name` on?
 *
 * Property: in a production build it is the constant 0, so the object contains nothing of any bug; with
 * -DPTDIFF_BUGS it compares pt_bug_on with the bug's place in bugs.def, which the catalogue is made from too.
 */
#ifndef IMPL_BUG_H
#define IMPL_BUG_H

#include "seam.h"

enum pt_bug_id {
#define PT_BUG(id, name, what, from, signature, also)	       PT_BUG_##id,
#define PT_BUG_IN(impl, id, name, what, from, signature, also) PT_BUG_##id,
#include "bugs.def"
	PT_NBUG
};

/* A hazard of lazy MMU mode, also with the bug that makes them all at once. */
#define HAZARD_BUG(id) (BUG(id) || BUG(hazard_everywhere))

#ifdef PTDIFF_BUGS
#define BUG(id) __builtin_expect(pt_bug_on == (int)PT_BUG_##id, 0)
#else
#define BUG(id) ((void)PT_BUG_##id, 0)
#endif

#endif
