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
struct pt_mm;
struct pt_gather;

int lx_init(const struct hw_hooks *hooks);
void lx_reset(const struct pt_env *env);
uint64_t lx_entry_read(uint64_t raw);
uint64_t lx_entry_make(uint64_t val);
void lx_set_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t val, unsigned nr);
uint64_t lx_ptep_get(uint64_t addr, uint64_t *ptep);
uint64_t lx_ptep_get_lockless(uint64_t addr, uint64_t *ptep);
uint64_t lx_ptep_get_and_clear(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep);
uint64_t lx_get_and_clear_full_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr, int full);
void lx_clear_full_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr, int full);
void lx_wrprotect_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
int lx_ptep_set_access_flags(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t entry, int dirty);
int lx_ptep_test_and_clear_young(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep);
int lx_ptep_clear_flush_young(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep);
void lx_clear_young_dirty_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr, unsigned cydp);
uint64_t lx_ptep_clear_flush(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep);
void lx_flush_tlb_range(const struct pt_mm *mm, uint64_t start, uint64_t end, bool last_level);
uint64_t lx_modify_prot_start_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
void lx_modify_prot_commit_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, uint64_t old, uint64_t val,
				unsigned nr);
void lx_flush_tlb_mm(const struct pt_mm *mm);
void lx_tlb_flush(const struct pt_mm *mm, const struct pt_gather *g);
void lx_arch_tlbbatch_add_pending(const struct pt_mm *mm, uint64_t start, uint64_t end);
void lx_arch_tlbbatch_flush(void);
void lx_arch_flush_tlb_batched_pending(const struct pt_mm *mm);
void lx_flush_tlb_kernel_range(uint64_t start, uint64_t end);
int lx_test_and_clear_young_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
int lx_clear_flush_young_ptes(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep, unsigned nr);
void lx_flush_tlb_fix_spurious_fault(const struct pt_mm *mm, uint64_t addr, uint64_t *ptep);
void lx_lazy_enter(void);
void lx_lazy_leave(void);
void lx_lazy_flush(void);
void lx_lazy_pause(void);
void lx_lazy_resume(void);
int lx_pte_alloc(const struct pt_mm *mm, uint64_t addr, uint64_t *pmdp);
void lx_pmd_clear(uint64_t *pmdp);

#endif
