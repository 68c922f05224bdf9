/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seam, downwards, for code that takes the kernel's own map apart: translation registers, and waiting.
 *
 * Property: as hook.h: each call is a step and carries its place; struct hw_hooks has them for loaded implementations.
 */
#ifndef HW_HOOK_MMU_H
#define HW_HOOK_MMU_H

#include "hook.h"

/*
 * TTBR1 of this CPU: the kernel's half as everywhere, or reserved: it leads nowhere, so that the kernel's half
 * translates by nothing but what the TLB holds. Includes the ISB that makes it take effect.
 */
void hw_write_ttbr1(bool reserved, const char *fn, int line);
/* TTBR0 of this CPU: a table for the user's half, and the ASID. Includes the ISB. */
void hw_write_ttbr0(void *root, unsigned asid, const char *fn, int line);
/* Nothing to do until another CPU does something (WFE, YIELD): the schedule lets others go on. */
void hw_cpu_relax(const char *fn, int line);
/* Readers that keep tables from being freed (interrupts off, rcu_read_lock()). */
void hw_rcu(bool reading, const char *fn, int line);

#endif
