/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Geometries, names, and the one source of choices.
 *
 * Property: a choice that no event makes is a function of the program's salts and of how many choices of this
 * op came before: never of a clock, an address or a global step.
 */
#include "internal.h"

const struct hw_geo hw_geos[HW_NGEO] = {
	[HW_GEO_SMALL] = {"small", 12, 4, 3, 2, 1, 2},
	[HW_GEO_4K] = {"4k", 12, 9, 4, 4, 1, 4},
	[HW_GEO_16K] = {"16k", 14, 11, 4, 7, 2, 5},
	[HW_GEO_64K] = {"64k", 16, 13, 3, 5, 3, 5},
};

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

uint32_t hw_pick(unsigned what, uint32_t n)
{
	uint64_t x;

	if (hw_m.pick_last != hw.pick_salt) {
		hw_m.pick_last = hw.pick_salt;
		hw_m.pick_ord = 0;
	}
	x = mix(((uint64_t)hw.cfg.salt << 32 | hw.pick_salt) + 0x9e3779b97f4a7c15ull);
	x = mix(x + ((uint64_t)what << 32 | ++hw_m.pick_ord));
	return (uint32_t)((x >> 32) % n);
}

const char *hw_finding_str(enum hw_finding f)
{
	static const char *const names[HW_NFINDING] = {
		[HW_F_NONE] = "none",
		[HW_F_BBM_OA] = "oa-change",
		[HW_F_BBM_CONFLICT] = "conflict",
		[HW_F_BBM_CONT] = "cont-change",
		[HW_F_OUTSIDE] = "store-outside",
		[HW_F_FREED_STORE] = "freed-store",
		[HW_F_FREED_WALK] = "freed-walk",
		[HW_F_POISON_WALK] = "poison-walk",
		[HW_F_FREE_REACHABLE] = "free-reachable",
		[HW_F_DOUBLE_FREE] = "double-free",
		[HW_F_PAGE_REACHABLE] = "page-reachable",
		[HW_F_FIXMAP_EMPTY] = "empty-slot",
		[HW_F_FIXMAP_STALE] = "stale-slot",
		[HW_F_FIXMAP_UNPUBLISHED] = "unpublished-slot",
		[HW_F_CONTEXT] = "sleep-in-atomic",
		[HW_F_LOCK] = "unlock-unheld",
		[HW_F_WARN] = "warn",
		[HW_F_BUG] = "bug",
	};

	return f < HW_NFINDING ? names[f] : "unknown";
}

const char *hw_fault_str(enum hw_fault f)
{
	switch (f) {
	case HW_OK:
		return "ok";
	case HW_FAULT_TRANSLATION:
		return "translation-fault";
	case HW_FAULT_AF:
		return "af-fault";
	case HW_FAULT_PERMISSION:
		return "permission-fault";
	case HW_FAULT_ABORT:
		return "abort";
	}
	return "unknown";
}

const char *hw_tlbi_str(unsigned op)
{
	static const char *const local[HW_TLBI_NOPS] = {
		[HW_TLBI_VMALLE1] = "vmalle1", [HW_TLBI_ASIDE1] = "aside1", [HW_TLBI_VAE1] = "vae1",
		[HW_TLBI_VALE1] = "vale1",     [HW_TLBI_VAAE1] = "vaae1",   [HW_TLBI_VAALE1] = "vaale1",
		[HW_TLBI_RVAE1] = "rvae1",     [HW_TLBI_RVALE1] = "rvale1", [HW_TLBI_RVAAE1] = "rvaae1",
		[HW_TLBI_RVAALE1] = "rvaale1",
	};
	static const char *const broadcast[HW_TLBI_NOPS] = {
		[HW_TLBI_VMALLE1] = "vmalle1is", [HW_TLBI_ASIDE1] = "aside1is", [HW_TLBI_VAE1] = "vae1is",
		[HW_TLBI_VALE1] = "vale1is",	 [HW_TLBI_VAAE1] = "vaae1is",	[HW_TLBI_VAALE1] = "vaale1is",
		[HW_TLBI_RVAE1] = "rvae1is",	 [HW_TLBI_RVALE1] = "rvale1is", [HW_TLBI_RVAAE1] = "rvaae1is",
		[HW_TLBI_RVAALE1] = "rvaale1is",
	};
	const unsigned base = op & ~(unsigned)HW_TLBI_IS;

	if (base >= HW_TLBI_NOPS)
		return "undefined";
	return op & HW_TLBI_IS ? broadcast[base] : local[base];
}
