/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Translation registers as software writes them, and what the driver asks of tables by their place.
 *
 * Property: a CPU whose TTBR1 is reserved walks nothing of the kernel's half, but uses what its TLB may hold of it until
 * it has invalidated everything there and waited (DDI 0487 D8.14); from then on it can hold nothing of what is in the
 * tables, so what becomes of them does not concern it until TTBR1 is written back.
 */
#include "hook_mmu.h"
#include "internal.h"
#include "tables.h"

void (*hw_on_relax)(const char *fn, int line);
void (*hw_on_rcu)(bool reading);

static void step(enum hw_class c, const char *fn, int line)
{
	hw.step++;
	hw.n[HW_C_ANY]++;
	hw.n[c]++;
	if (hw.on_step)
		hw.on_step(c, NULL, fn, line);
}

static struct hw_frame *kernel_frame(void)
{
	return &hw_m.frame[hw_m.kernel_root];
}

void kernel_forgotten(unsigned cpu)
{
	const uint8_t bit = (uint8_t)(1u << cpu);

	hw_m.flushed &= (uint8_t)~bit;
	if (!(hw_m.reserved & bit) || !hw_m.kernel_root)
		return;
	kernel_frame()->users &= (uint8_t)~bit;
	hw_m.epoch++;
}

void hw_write_ttbr1(bool reserved, const char *fn, int line)
{
	const uint8_t bit = (uint8_t)(1u << hw.cpu);

	step(HW_C_OTHER, fn, line);
	if (reserved) {
		hw_m.reserved |= bit;
	} else {
		hw_m.reserved &= (uint8_t)~bit;
		hw_m.flushed &= (uint8_t)~bit;
		if (hw_m.kernel_root)
			kernel_frame()->users |= bit;
	}
	hw_m.epoch++;
	hw_do_context_sync(hw.cpu);
}

void hw_write_ttbr0(void *root, unsigned asid, const char *fn, int line)
{
	step(HW_C_OTHER, fn, line);
	hw_set_context(hw.cpu, root, asid);
}

void hw_cpu_relax(const char *fn, int line)
{
	step(HW_C_OTHER, fn, line);
	if (hw_on_relax)
		hw_on_relax(fn, line);
}

void hw_rcu(bool reading, const char *fn, int line)
{
	if (hw_on_rcu)
		hw_on_rcu(reading);
	step(HW_C_OTHER, fn, line);
}

bool hw_ttbr1_reserved(unsigned cpu)
{
	return hw_m.reserved >> cpu & 1;
}

bool hw_table_where(unsigned frame, uint64_t *va, unsigned *level)
{
	struct hw_frame *f = &hw_m.frame[frame];

	if (frame >= HW_MAX_FRAMES || f->state != FRAME_LIVE || !frame_resolve(f))
		return false;
	*va = f->va;
	*level = f->level;
	return true;
}

void hw_get_context(unsigned agent, void **root, unsigned *asid)
{
	*root = hw_m.ctx[agent].root ? loc_ptr(hw_m.ctx[agent].root << LOC_BITS) : NULL;
	*asid = hw_m.ctx[agent].asid;
}
