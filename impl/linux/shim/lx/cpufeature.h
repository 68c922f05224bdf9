/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for asm/{cpufeature,cpucaps,alternative,sysreg,mte,por,proc-fns}.h.
 *
 * Property: one binary serves every feature mix: where the kernel patches an alternative at boot, this asks the
 * machine at run time. A capability that the machine does not model reads as absent.
 */
#ifndef LX_CPUFEATURE_H
#define LX_CPUFEATURE_H

enum lx_cap {
	ARM64_ALWAYS_BOOT,
	ARM64_HAS_ARMv8_4_TTL,
	ARM64_HAS_TLB_RANGE,
	ARM64_HAS_BBML2_NOABORT,
	ARM64_HAS_VA52,
	ARM64_UNMAP_KERNEL_AT_EL0,
	ARM64_WORKAROUND_REPEAT_TLBI,
	ARM64_WORKAROUND_2645198,
	ARM64_HAS_STAGE2_FWB,
};

static inline bool lx_has_cap(enum lx_cap cap)
{
	switch (cap) {
	case ARM64_ALWAYS_BOOT:
		return true;
	case ARM64_HAS_ARMv8_4_TTL:
		return lx_hooks->feature(HW_FEAT_TTL);
	case ARM64_HAS_TLB_RANGE:
		return lx_hooks->feature(HW_FEAT_TLBIRANGE);
	case ARM64_HAS_BBML2_NOABORT:
		return lx_hooks->feature(HW_FEAT_BBML2_NOABORT);
	case ARM64_HAS_VA52:
	case ARM64_UNMAP_KERNEL_AT_EL0:
	case ARM64_WORKAROUND_REPEAT_TLBI:
	case ARM64_WORKAROUND_2645198:
	case ARM64_HAS_STAGE2_FWB:
		return false;
	}
	return false;
}

#define cpus_have_final_cap(cap)	  lx_has_cap(cap)
#define cpus_have_cap(cap)		  lx_has_cap(cap)
#define alternative_has_cap_likely(cap)	  lx_has_cap(cap)
#define alternative_has_cap_unlikely(cap) lx_has_cap(cap)
#define system_supports_tlb_range()	  lx_has_cap(ARM64_HAS_TLB_RANGE)
#define system_supports_bbml2_noabort()	  lx_has_cap(ARM64_HAS_BBML2_NOABORT)
#define arm64_kernel_unmapped_at_el0()	  lx_has_cap(ARM64_UNMAP_KERNEL_AT_EL0)
#define cpu_has_hw_af()			  lx_hooks->feature(HW_FEAT_HAFDBS_AF)
#define system_supports_haft()		  false
#define system_supports_bti_kernel()	  false
#define is_realm_world()		  false

/* Memory tagging and permission overlays: absent, so what they guard is never reached. */
#define system_supports_mte()	       false
#define mte_sync_tags(pte, nr)	       BUILD_BUG()
#define system_supports_poe()	       false
#define read_sysreg_s(reg)	       0ul
#define por_elx_allows_read(por, key)  ((void)(por), (void)(key), true)
#define por_elx_allows_write(por, key) ((void)(por), (void)(key), true)
#define por_elx_allows_exec(por, key)  ((void)(por), (void)(key), true)

#endif
