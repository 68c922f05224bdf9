/* SPDX-License-Identifier: GPL-2.0-only */
/* Contiguous runs of kernel mappings (opt_kernel.c); nr entries, aligned, values as on the seam. */
#ifndef IMPL_OPT_KERNEL_H
#define IMPL_OPT_KERNEL_H

#include <stdint.h>

#include "seam.h"

void set_huge_pte_at(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t val, unsigned nr);
uint64_t huge_ptep_get_and_clear(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);

#endif
