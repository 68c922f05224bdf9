/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The layout of the seam's tables and environments, as one number.
 *
 * Property: a loaded implementation that was built with other tables is refused before one of them is used. It exports the number
 * as `const uint32_t pt_layout`; one that exports none is taken at its word.
 */
#ifndef IMPL_LAYOUT_H
#define IMPL_LAYOUT_H

#include "seam.h"
#include "seam_split.h"

#define PT_LAYOUT_ADD(sum, type) ((sum)*31u + (uint32_t)sizeof(struct type))
#define PT_LAYOUT                                                                                                  \
	PT_LAYOUT_ADD(PT_LAYOUT_ADD(PT_LAYOUT_ADD(PT_LAYOUT_ADD(PT_LAYOUT_ADD(PT_LAYOUT_ADD(0u, pt_impl), pt_env), \
								pt_mmu),                                           \
						  pt_mmu_env),                                                     \
				    pt_split),                                                                     \
		      pt_split_env)

#endif
