/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel maps of `opt` (mmu.c): what its files share. */
#ifndef IMPL_MMU_H
#define IMPL_MMU_H

#include <stdbool.h>
#include <stdint.h>

#include "seam_mmu.h"

enum mmu_design { MMU_FINAL, MMU_REMAP, MMU_OPS };

struct mmu_state {
	struct pt_mmu_env env;
	enum mmu_design design;
	bool busy; /* inside __create_pgd_mapping() */
	bool left; /* a slot that a planted bug has left set */
};
extern struct mmu_state mmu;

/* log2 bytes of one entry of a table, folded levels included. */
unsigned mmu_shift(enum pt_fixmap k);
/* Barriers after entries of the kernel's tables. */
void mmu_publish(const char *fn);

#endif
