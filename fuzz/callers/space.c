/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address spaces come to CPUs and go: context switch, lazy TLB, exit.
 *
 * Property: when an address space is torn down its pages are given back although leaves of its dead ASID may stay
 * cached, for nobody asks for them again; its tables only after whatever leads to them is invalidated, since a CPU that
 * runs a kernel thread on them still walks; its top table when no CPU has it loaded.
 */
#include "callers.h"

#include <stddef.h>

static bool root_is_loaded(const void *root)
{
	for (unsigned c = 0; c < ex.p->h.ncpu; c++)
		if (ex.cpu_root[c] == root)
			return true;
	return false;
}

/* The last reference goes with the CPU that switches away last [finish_task_switch(), mmdrop(), pgd_free()]. */
static void drop_roots(void)
{
	for (unsigned i = 0; i < HW_MAX_CPU && !ex.stop; i++) {
		void *root = ex.dead_root[i];

		if (!root || (root_is_loaded(root) && !BUG(exit_root_under_lazy)))
			continue;
		ex.dead_root[i] = NULL;
		hw_table_free(root, "pgd_free", __LINE__);
	}
}

int run_switch(const struct rec *r, struct rec *eff)
{
	static const int8_t space[] = {0, 1, EX_NOBODY, 0};
	const int to = space[r->a & 3], was = ex.cpu_space[r->cpu];

	*eff = *r;
	if (to == was || (to == 1 && (!ex.space[1].alive || ex.lock[EX_LOCK_MM + 1].owner >= 0)))
		return 0; /* nobody runs in a child that is being made */
	exec_cpu_switch(r->cpu, to);
	drop_roots();
	return 1;
}

static uint64_t *table_below(uint64_t *slot)
{
	return hw_table_va(hw_peek(slot) & HW_D_OA);
}

/* Tables above level 3 but the top one, the lowest first [free_pgd_range()]. */
static void free_upper(struct gather *g, struct space *sp)
{
	const unsigned root_level = 4 - ex.geo->levels, mask = (1u << ex.geo->table_bits) - 1;
	uint64_t *slot[2] = {NULL, NULL}, *table = sp->pt.root;
	unsigned n = 0;

	for (unsigned l = root_level; l < 2; l++) {
		slot[n] = table + (ex.va >> (ex.geo->page_shift + (3 - l) * ex.geo->table_bits) & mask);
		table = table_below(slot[n++]);
	}
	while (n--) {
		table = table_below(slot[n]);
		hw_store(slot[n], 0, HW_RELAXED, "pud_clear", __LINE__);
		gather_table(g, table, 0);
	}
}

static void keep_root(void *root)
{
	unsigned i = 0;

	while (i < HW_MAX_CPU - 1 && ex.dead_root[i])
		i++;
	ex.dead_root[i] = root;
}

void space_teardown(struct space *sp, bool single, const char *fn)
{
	struct space *self = ex.sp;
	struct gather g;

	ex_use(sp);
	seam_mmap_lock(false);
	gather_start(&g, true, fn);
	g.all = true;
	g.single = single && ex.impl->ptep_get_and_clear_full;
	for (unsigned t = 0; t < REF_TABLES && !ex.stop; t++)
		if (sp->leaf[t])
			zap_pte_range(&g, t * 2 * ex.cont, (t + 1) * 2 * ex.cont);
	for (unsigned t = 0; t < REF_TABLES && !ex.stop; t++)
		free_table_of(&g, t);
	free_upper(&g, sp);
	gather_finish(&g);
	seam_mmap_unlock(false);
	exec_space_gone(sp);
	keep_root(sp->pt.root);
	ex_use(self);
	drop_roots();
}

/* CPUs that only have it loaded go on in the first address space, those of tasks inside an op excepted. */
static void switch_away(const struct space *sp)
{
	for (unsigned c = 0; c < ex.p->h.ncpu; c++)
		if (ex.cpu_space[c] < 0 && ex.cpu_root[c] == sp->pt.root)
			exec_cpu_switch(c, 0);
}

int run_exit(const struct rec *r, struct rec *eff)
{
	struct space *sp = &ex.space[1];

	*eff = *r;
	if (!ex.impl->pmd_clear || !ex.impl->tlb_flush || !ex.impl->get_and_clear_full_ptes)
		return -1;
	if (!sp->alive)
		return 0;
	ex_use(sp);
	seam_mmap_lock(false); /* whoever makes it is its user too */
	seam_mmap_unlock(false);
	ex_use(ex.space);
	exec_wait_for_others(sp);
	if (!sp->alive)
		return 0;
	exec_space_retire(sp);
	if (r->b & 2)
		switch_away(sp);
	space_teardown(sp, r->b & 1, "exit");
	return 1;
}
