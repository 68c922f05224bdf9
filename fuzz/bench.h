/* SPDX-License-Identifier: GPL-2.0-only */
/* Parts of `bench` (bench.c, bench_cost.c, bench_create.c, bench_split.c). Each prints its table and returns an exit status. */
#ifndef FUZZ_BENCH_H
#define FUZZ_BENCH_H

#include "impl/seam.h"

int bench_teardown(const struct pt_impl *impl);
int bench_lazy(void);
int bench_create(void);
int bench_split(void);

#endif
