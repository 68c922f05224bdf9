/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FUZZ_BENCH_CREATE_H
#define FUZZ_BENCH_CREATE_H

/* The cost of creating a linear map, printed. 0: done. */
int bench_create(void);

#endif
