/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the unit that sees kernel headers (glue.c) and the one that sees the seam's table (entry.c).
 *
 * Property: plain integers and pointers only, so that neither side's headers can disturb the other's.
 */
#ifndef LX_GLUE_H
#define LX_GLUE_H

#include <stdbool.h>
#include <stdint.h>

struct hw_hooks;
struct pt_env;

int lx_init(const struct hw_hooks *hooks);
void lx_reset(const struct pt_env *env);
uint64_t lx_entry_read(uint64_t raw);
uint64_t lx_entry_make(uint64_t val);
void lx_set_ptes(uint64_t addr, uint64_t *ptep, uint64_t val, unsigned nr);
uint64_t lx_ptep_get(uint64_t addr, uint64_t *ptep);
uint64_t lx_ptep_get_lockless(uint64_t addr, uint64_t *ptep);
uint64_t lx_ptep_get_and_clear(uint64_t addr, uint64_t *ptep);
uint64_t lx_get_and_clear_full_ptes(uint64_t addr, uint64_t *ptep, unsigned nr, int full);
void lx_clear_full_ptes(uint64_t addr, uint64_t *ptep, unsigned nr, int full);
void lx_wrprotect_ptes(uint64_t addr, uint64_t *ptep, unsigned nr);
int lx_ptep_set_access_flags(uint64_t addr, uint64_t *ptep, uint64_t entry, int dirty);
int lx_ptep_test_and_clear_young(uint64_t addr, uint64_t *ptep);
int lx_ptep_clear_flush_young(uint64_t addr, uint64_t *ptep);
void lx_clear_young_dirty_ptes(uint64_t addr, uint64_t *ptep, unsigned nr, unsigned cydp);
uint64_t lx_ptep_clear_flush(uint64_t addr, uint64_t *ptep);
void lx_flush_tlb_range(uint64_t start, uint64_t end, bool last_level);
int lx_pte_alloc(uint64_t addr, uint64_t *pmdp);
void lx_pte_free_tlb(uint64_t addr, uint64_t *pmdp);

#endif
