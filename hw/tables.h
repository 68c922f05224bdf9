/* SPDX-License-Identifier: GPL-2.0-only */
/* What a driver asks about tables by their place in memory, and the waiting that hook_mmu.h offers to it. */
#ifndef HW_TABLES_H
#define HW_TABLES_H

#include "hw.h"

/* At hw_cpu_relax(): the driver lets others go on. At hw_rcu(). NULL: nobody cares. */
extern void (*hw_on_relax)(const char *fn, int line);
extern void (*hw_on_rcu)(bool reading);

bool hw_ttbr1_reserved(unsigned cpu);
void hw_get_context(unsigned agent, void **root, unsigned *asid);
/* Is the frame a table that some root reaches by coherent memory or by what is cached? What it translates first. */
bool hw_table_where(unsigned frame, uint64_t *va, unsigned *level);

#endif
