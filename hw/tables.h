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

/* --- For a drawing: nothing of this is a step, and nothing changes. */

struct hw_frame_look {
	uint16_t asid;	/* of the root that it is, was or is below */
	int8_t level;	/* that it was allocated as */
	bool live;	/* else it has been freed */
	bool cleared;	/* what nobody has written since reads as zero, else as poison */
	const char *fn; /* who allocated or freed it */
	int line;
};
/* False: the frame has never been a table. */
bool hw_look_frame(unsigned frame, struct hw_frame_look *out);
/* The value that all observers without stores of their own read. */
uint64_t hw_coherent(const void *p);
/* Is it what memory holds that nobody has written? */
bool hw_is_poison(uint64_t v);
/* What `cpu` has stored there, if others may not see it yet. */
bool hw_look_pending(unsigned cpu, const void *p, uint64_t *v);
/* What hardware has promised to make of the entry (config.late). */
bool hw_look_late(const void *p, unsigned *agent, uint64_t *v);

/* A replaced value that agents may still use: from their TLBs (or walk caches), or by a walk that began early. */
struct hw_cached {
	uint64_t va, val; /* first address that it translates; descriptor */
	unsigned n;	  /* entries of the run that are left, or 1 */
	unsigned asid;	  /* of the root; HW_ASID_KERNEL */
	int8_t level;
	uint8_t tlb, early; /* sets of agents */
	bool run;
	bool ending; /* a TLBI that covers it has been issued, and has not completed */
};
#define HW_ASID_KERNEL 0xffffu
/* The next from *at on (begin with 0); false: none left. */
bool hw_look_cached(unsigned *at, struct hw_cached *c);
/* The address as struct hw_cached has it. */
uint64_t hw_canon_va(uint64_t va);
/* TTBR1's table, or NULL. */
const void *hw_kernel_table(void);
/* What the latest store or access that was refused was about: the place of the store, the entry of the slot that it went
 * through; NULL: a null pointer. */
const void *hw_refused(void);

#endif
