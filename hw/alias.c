/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Aliases: pointers into temporary mappings of tables (fixmap slots).
 *
 * Property: such a pointer means whatever the slot's virtual address translates to at each access through it, with
 * whatever this CPU may still have cached (DDI 0487 D8.14): it is never worth more than the mapping. Through an empty
 * slot, through what is left of the slot's last page, or before the slot's entry is published, the access is a finding
 * and has no effect.
 *
 * Slot i lies at a host address of its own, which holds nothing; only hooks give it a meaning.
 */
#include <sys/mman.h>
#include "internal.h"

#define ALIAS_ADDR  0x280000000000ull
#define ALIAS_BYTES ((uint64_t)HW_ALIAS_SLOTS << HW_FRAME_SHIFT)
#define NULL_BYTES  (1ull << 20) /* a null pointer, indexed */

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static uintptr_t alias_base; /* host address of slot 0; the same for all executions */

static void alias_init(void)
{
	void *p;

	if (alias_base)
		return;
	p = mmap((void *)ALIAS_ADDR, ALIAS_BYTES, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (p == MAP_FAILED)
		p = mmap(NULL, ALIAS_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		__builtin_trap();
	alias_base = (uintptr_t)p;
}

void hw_alias_setup(uint64_t va, const uint64_t *ptep)
{
	alias_init();
	hw_m.alias_va = va;
	hw_m.alias_ptep = ptep;
}

void *hw_alias_ptr(unsigned slot)
{
	return (void *)(alias_base + ((uintptr_t)(slot % HW_ALIAS_SLOTS) << HW_FRAME_SHIFT));
}

static enum alias_result refuse(enum hw_finding f, const char *fn, int line)
{
	hw_find(f, fn, line);
	return ALIAS_REFUSED;
}

static inline uint64_t slot_peek(const uint64_t *p)
{
	const uint32_t loc = (uint32_t)(p - hw_m.mem);

	return hw_m.pending[loc >> LOC_BITS] ? hw_peek(p) : coh_read(loc);
}

enum alias_result alias_resolve(const void **p, bool write, const char *fn, int line)
{
	const uint64_t off = (uintptr_t)*p - alias_base, slot = off >> HW_FRAME_SHIFT;
	const uint64_t in = off & ((1ull << HW_FRAME_SHIFT) - 1);
	struct hw_access a = {.agent = hw.cpu, .priv = true};
	uint64_t now;

	look_refused = NULL;
	if ((uintptr_t)*p < NULL_BYTES)
		return refuse(HW_F_FIXMAP_EMPTY, fn, line);
	if (!alias_base || off >= ALIAS_BYTES)
		return ALIAS_NONE;
	look_refused = hw_m.alias_ptep + slot + (in >> hw_m.page_shift);
	/* An index beyond the page runs into the next slot's page. */
	a.va = hw_m.alias_va + ((slot + (in >> hw_m.page_shift)) << hw_m.page_shift);
	now = slot_peek(hw_m.alias_ptep + slot + (in >> hw_m.page_shift));
	if (!hw_m.alias_va || !(now & HW_D_VALID))
		return refuse(HW_F_FIXMAP_EMPTY, fn, line);
	hw_do_access(&a);
	if (a.fault != HW_OK)
		return refuse(HW_F_FIXMAP_UNPUBLISHED, fn, line);
	if (a.pa != desc_oa(now) || (write && (a.desc & HW_D_RDONLY)))
		return refuse(HW_F_FIXMAP_STALE, fn, line);
	*p = (const char *)hw_m.mem + a.pa + (in & ((1ull << hw_m.page_shift) - 1));
	return (a.pa >> HW_FRAME_SHIFT) < HW_MAX_FRAMES ? ALIAS_TABLE : refuse(HW_F_OUTSIDE, fn, line);
}

unsigned hw_next_entry(const void *table, unsigned i)
{
	const uint32_t first = (uint32_t)((const uint64_t *)table - hw_m.mem);

	for (; i < hw_m.nentries; i = (i | 7) + 1)
		if (hw_m.pending[first >> LOC_BITS] || line_is_real(first + i))
			return i;
	return hw_m.nentries;
}

unsigned hw_live_tables(void)
{
	unsigned n = 0;

	for (uint32_t i = 1; i < hw_m.frame_top; i++)
		n += hw_m.frame[i].state == FRAME_LIVE;
	return n;
}
