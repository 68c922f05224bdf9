/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs on kernel mappings as text, for kernel_test.c and kernel_bugtest.c. */
#ifndef TESTS_KERNEL_PICTURES_H
#define TESTS_KERNEL_PICTURES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz/exec_internal.h"

/* Early walks, stores that drain when forced, the stalest translation: what a missing barrier needs. */
#define UNKIND "ptdiff 1\ncpus 2\nearly on\ndrain lazy\nxlate stale\n"
#define ETS2   "ptdiff 1\ncpus 2\nets2 on\ndrain lazy\nxlate stale\n"

static struct outcome o;
static uint64_t hits[REF_K_NLEGAL]; /* legal differences of the last program */

static inline const char *run_text(const struct pt_impl *impl, const char *hdr, const char *ops)
{
	static struct prog p;
	char text[4096], err[256] = "";
	const int n = snprintf(text, sizeof(text), "%s%s", hdr, ops);

	if (prog_parse(&p, "test", text, (size_t)n, err, sizeof(err)))
		fail_msg("%s", err);
	memcpy(hits, ex.kernel.ref.legal, sizeof(hits));
	exec_run(&p, impl, &o);
	for (unsigned i = 0; i < REF_K_NLEGAL; i++)
		hits[i] = ex.kernel.ref.legal[i] - hits[i];
	return o.sig;
}

#endif
