/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Level 3 descriptors as arm64 Linux 6.12 lays them out: pure helpers on values.
 *
 * Property: entry -> descriptor -> entry is the identity for every seam value, and dirty state survives every
 * helper except pte_mkclean(). Nothing here touches table memory.
 *
 * Dirty and writable are encoded so that hardware can manage dirty state (FEAT_HAFDBS, DDI 0487 D8.5.6):
 *
 *	dirty writable | RDONLY WRITE(=DBM) DIRTY(software)
 *	  0      0     |   1       0         0
 *	  0      1     |   1       1         0      a store makes hardware clear RDONLY
 *	  1      0     |   1       0         1
 *	  1      1     |   0       1         any
 */
#ifndef IMPL_OPT_PTE_H
#define IMPL_OPT_PTE_H

#include <stdbool.h>
#include <stdint.h>

#include "bug.h"
#include "seam.h"

/* Descriptor fields (DDI 0487 D8.3.2); bits 55 and up are software's. */
#define PTE_VALID	    (1ull << 0)
#define PTE_TYPE_PAGE	    (3ull << 0)
#define PTE_USER	    (1ull << 6) /* AP[1] */
#define PTE_RDONLY	    (1ull << 7) /* AP[2] */
#define PTE_SHARED	    (3ull << 8) /* SH: inner shareable; with TCR_EL1.DS = 1 output address [51:50] instead */
#define PTE_AF		    (1ull << 10)
#define PTE_NG		    (1ull << 11)
#define PTE_PRESENT_INVALID PTE_NG /* with VALID clear: present for software, no use to hardware */
#define PTE_ADDR	    0x0000fffffffff000ull
#define PTE_WRITE	    (1ull << 51) /* DBM: software may write, hardware may clear RDONLY */
#define PTE_CONT	    (1ull << 52)
#define PTE_PXN		    (1ull << 53)
#define PTE_UXN		    (1ull << 54)
#define PTE_DIRTY	    (1ull << 55)
#define PTE_SPECIAL	    (1ull << 56)
#define PMD_TYPE_TABLE	    (3ull << 0)

/* Facts of the present execution (struct pt_env). */
struct opt_env {
	unsigned page_shift, table_bits, cont_bits;
	bool lpa2; /* lpa2_is_enabled(): TCR_EL1.DS, which five levels need */
	const struct pt_folio *folios;
	unsigned nfolios;
};
extern struct opt_env opt_env;

/* The kernel's geometry constants, here known only at run time. */
#define PAGE_SHIFT    (opt_env.page_shift)
#define PAGE_SIZE     (1ull << PAGE_SHIFT)
#define PMD_SHIFT     (PAGE_SHIFT + opt_env.table_bits)
#define PMD_SIZE      (1ull << PMD_SHIFT)
#define CONT_PTES     (1u << opt_env.cont_bits)
#define CONT_PTE_SIZE (PAGE_SIZE << opt_env.cont_bits)
#define CONT_PTE_MASK (~(CONT_PTE_SIZE - 1))
#define OPT_MAX_CONT  128 /* entries of the longest contiguous run: 16K granule */

static inline bool pte_valid(uint64_t pte)
{
	return pte & PTE_VALID;
}

static inline bool pte_present_invalid(uint64_t pte)
{
	return (pte & (PTE_VALID | PTE_PRESENT_INVALID)) == PTE_PRESENT_INVALID;
}

/* Maps a page as far as software is concerned; pte_valid() says whether hardware may use it. */
static inline bool pte_present(uint64_t pte)
{
	return pte_valid(pte) || pte_present_invalid(pte);
}

/* A kernel mapping: all of them forbid execution by users, which no user mapping without PTE_USER here does. */
static inline bool pte_valid_not_user(uint64_t pte)
{
	return (pte & (PTE_VALID | PTE_USER | PTE_UXN)) == (PTE_VALID | PTE_UXN);
}

static inline bool mm_is_user(const struct pt_mm *mm)
{
	return mm->id != PT_MM_KERNEL;
}

static inline bool pte_cont(uint64_t pte)
{
	return pte & PTE_CONT;
}

static inline bool pte_valid_cont(uint64_t pte)
{
	return pte_valid(pte) && pte_cont(pte);
}

static inline bool pte_young(uint64_t pte)
{
	return pte & PTE_AF;
}

static inline bool pte_write(uint64_t pte)
{
	return pte & PTE_WRITE;
}

static inline bool pte_special(uint64_t pte)
{
	return pte & PTE_SPECIAL;
}

static inline bool pte_hw_dirty(uint64_t pte)
{
	return pte_write(pte) && !(pte & PTE_RDONLY);
}

static inline bool pte_dirty(uint64_t pte)
{
	return (pte & PTE_DIRTY) || pte_hw_dirty(pte);
}

static inline uint64_t pte_mkyoung(uint64_t pte)
{
	return pte | PTE_AF;
}

static inline uint64_t pte_mkold(uint64_t pte)
{
	return pte & ~PTE_AF;
}

static inline uint64_t pte_mkdirty(uint64_t pte)
{
	pte |= PTE_DIRTY;
	return pte_write(pte) ? pte & ~PTE_RDONLY : pte;
}

static inline uint64_t pte_mkclean(uint64_t pte)
{
	return (pte & ~PTE_DIRTY) | PTE_RDONLY;
}

/* Without WRITE a cleared RDONLY no longer says dirty: move that to the software bit first. */
static inline uint64_t pte_wrprotect(uint64_t pte)
{
	if (pte_hw_dirty(pte) && !BUG(wrprotect_loses_dirty))
		pte |= PTE_DIRTY;
	return (pte & ~PTE_WRITE) | PTE_RDONLY;
}

static inline uint64_t pte_mkinvalid(uint64_t pte)
{
	return (pte | PTE_PRESENT_INVALID) & ~PTE_VALID;
}

/* The permissions of `prot` on the page, access and dirty state of `pte`. What hardware noted as dirty moves to the
 * software bit first, and back when the new permissions let hardware manage it. */
static inline uint64_t pte_modify(uint64_t pte, uint64_t prot)
{
	const uint64_t mask =
		PTE_USER | PTE_PXN | PTE_UXN | PTE_RDONLY | PTE_PRESENT_INVALID | PTE_VALID | PTE_WRITE;

	if (pte_hw_dirty(pte))
		pte |= PTE_DIRTY;
	pte = (pte & ~mask) | (pte_mkclean(prot) & mask);
	return pte & PTE_DIRTY ? pte_mkdirty(pte) : pte;
}

static inline uint64_t pte_mkcont(uint64_t pte)
{
	return pte | PTE_CONT;
}

static inline uint64_t pte_mknoncont(uint64_t pte)
{
	return pte & ~PTE_CONT;
}

static inline uint64_t pte_pfn(uint64_t pte)
{
	return (pte & PTE_ADDR) >> PAGE_SHIFT;
}

static inline uint64_t pte_pgprot(uint64_t pte)
{
	return pte & ~PTE_ADDR;
}

static inline uint64_t pfn_pte(uint64_t pfn, uint64_t prot)
{
	return ((pfn << PAGE_SHIFT) & PTE_ADDR) | prot;
}

static inline uint64_t pte_advance_pfn(uint64_t pte, uint64_t nr)
{
	return pfn_pte(pte_pfn(pte) + nr, pte_pgprot(pte));
}

/* The protection that all entries of a contiguous run must share: all but access and dirty state. */
static inline uint64_t pte_common_prot(uint64_t pte)
{
	return pte_pgprot(pte_mkold(pte_mkclean(pte)));
}

/* OR the access and dirty state of `from` into `to`: a run has one state, the OR of its descriptors. */
static inline uint64_t pte_gather(uint64_t to, uint64_t from)
{
	if (pte_dirty(from))
		to = pte_mkdirty(to);
	if (pte_young(from))
		to = pte_mkyoung(to);
	return to;
}

/* Does `pte` by itself already grant all that `entry` asks for? RDONLY works inversely: clear is more. */
static inline bool pte_satisfies(uint64_t pte, uint64_t entry)
{
	if (entry & ~pte & (PTE_AF | PTE_WRITE))
		return false;
	if (pte & ~entry & PTE_RDONLY && !BUG(access_flags_ignores_rdonly))
		return false;
	return pte_dirty(pte) || !pte_dirty(entry) || BUG(access_flags_ignores_rdonly);
}

/*
 * Non-present values: bits 0 and 11 (present-invalid) clear, and payload bits 0..3 exactly where a descriptor keeps AF, software dirty,
 * DBM and RDONLY, as the type and offset of a swap entry do; the rest from bit 12. So code that asks such an
 * entry whether it is young or dirty gets a wrong answer that can be seen.
 */
#define SWP_LOW_BITS   4
#define SWP_HIGH_SHIFT 12
#define SWP_HIGH_MASK  ((1ull << 36) - 1)

static inline uint64_t swp_encode(uint64_t payload)
{
	static const uint64_t low[SWP_LOW_BITS] = {PTE_AF, PTE_DIRTY, PTE_WRITE, PTE_RDONLY};
	uint64_t pte = ((payload >> SWP_LOW_BITS) & SWP_HIGH_MASK) << SWP_HIGH_SHIFT;

	for (unsigned i = 0; i < SWP_LOW_BITS; i++)
		if (payload >> i & 1)
			pte |= low[i];
	return pte;
}

static inline uint64_t swp_decode(uint64_t pte)
{
	uint64_t payload = (pte >> SWP_HIGH_SHIFT & SWP_HIGH_MASK) << SWP_LOW_BITS;

	return payload | (pte & PTE_AF ? 1 : 0) | (pte & PTE_DIRTY ? 2 : 0) | (pte & PTE_WRITE ? 4 : 0) |
	       (pte & PTE_RDONLY ? 8 : 0);
}

/* With 52-bit output addresses TCR_EL1 says how memory is shared, and SH is part of the address (DDI 0487 D8.3.1). */
static inline uint64_t pte_maybe_shared(void)
{
	return opt_env.lpa2 ? 0 : PTE_SHARED;
}

/* Kernel mappings are dirty from the start: no fault handler would make them writable later. */
static inline uint64_t entry_make_kernel(uint64_t val)
{
	uint64_t pte = PTE_TYPE_PAGE | pte_maybe_shared() | PTE_RDONLY | PTE_AF | PTE_UXN;

	pte |= val & PT_WRITE ? PTE_WRITE : 0;
	pte |= val & PT_EXEC ? 0 : PTE_PXN;
	return pte_mkdirty(pte);
}

static inline uint64_t entry_make_user(uint64_t val)
{
	uint64_t pte = PTE_TYPE_PAGE | PTE_USER | PTE_RDONLY | pte_maybe_shared() | PTE_NG | PTE_PXN;

	pte |= val & PT_WRITE ? PTE_WRITE : 0;
	pte |= val & PT_YOUNG ? PTE_AF : 0;
	pte |= val & PT_EXEC ? 0 : PTE_UXN;
	return val & PT_DIRTY ? pte_mkdirty(pte) : pte;
}

static inline uint64_t entry_make(uint64_t val)
{
	uint64_t pte;

	if (!(val & PT_PRESENT))
		return swp_encode(PT_PFN(val));
	pte = pfn_pte(PT_PFN(val), val & PT_KERNEL ? entry_make_kernel(val) : entry_make_user(val));
	pte |= val & PT_SPECIAL ? PTE_SPECIAL : 0;
	return val & PT_PROTNONE ? pte_mkinvalid(pte) : pte;
}

static inline uint64_t entry_read(uint64_t pte)
{
	uint64_t flags = PT_PRESENT, nx = PTE_UXN;

	if (!pte_present(pte))
		return PT_MAKE(swp_decode(pte), 0);
	if (!(pte & PTE_USER)) {
		flags |= PT_KERNEL;
		nx = PTE_PXN;
	}
	flags |= pte_valid(pte) ? 0 : PT_PROTNONE;
	flags |= pte_write(pte) ? PT_WRITE : 0;
	flags |= pte_young(pte) ? PT_YOUNG : 0;
	flags |= pte_dirty(pte) ? PT_DIRTY : 0;
	flags |= pte_special(pte) ? PT_SPECIAL : 0;
	flags |= pte & nx ? 0 : PT_EXEC;
	return PT_MAKE(pte_pfn(pte), flags);
}

#endif
