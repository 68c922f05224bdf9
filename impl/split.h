/* SPDX-License-Identifier: GPL-2.0-only */
/* Splitting leaves of the kernel's map, and what is built on it. See seam_split.h. */
#ifndef IMPL_SPLIT_H
#define IMPL_SPLIT_H

#include "seam_split.h"

extern const struct pt_split split_opt;

int split_kernel_leaf_mapping(uint64_t start, uint64_t end);
int range_split_to_ptes(uint64_t start, uint64_t end, bool atomic);
int set_memory(unsigned what, uint64_t addr, unsigned numpages);
int linear_map_split_to_ptes(unsigned cpu);
void repaint_prepare(void);

#endif
