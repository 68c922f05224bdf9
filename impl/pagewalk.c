// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page walks, as mm/pagewalk.c does them.
 *
 * Property: callbacks come in ascending order without overlap, each entry before what is below it and each hole once; an
 * entry is looked at again only when its callback asks for it, or when the table below it went away before it could be
 * locked, and then this level alone is done again. No table is read that could have been freed.
 */
#include <stddef.h>

#include "../hw/hook_mmu.h"
#include "pagewalk.h"

uint64_t *table_below(uint64_t v)
{
	return hw_table_va(v & PTE_ADDR & ~(PAGE_SIZE - 1));
}

static uint64_t next_edge(uint64_t addr, uint64_t end, unsigned level)
{
	const uint64_t size = 1ull << level_shift(level), next = (addr & ~(size - 1)) + size;

	return next - 1 < end - 1 ? next : end;
}

static int call_hole(struct pt_walk *w, uint64_t addr, uint64_t next, unsigned level)
{
	return w->ops->hole ? w->ops->hole(addr, next, (int)level, w) : 0;
}

static int walk_ptes(struct pt_walk *w, uint64_t *table, uint64_t addr, uint64_t end)
{
	int err = 0;

	for (uint64_t *p = entry_of(table, addr, 3), next; addr < end && !err; addr = next, p++) {
		next = next_edge(addr, end, 3);
		do {
			w->action = PT_ACTION_SUBTREE;
			if (!hw_load(p, HW_RELAXED, __func__, __LINE__))
				err = call_hole(w, addr, next, 3) * !BUG(walk_hole_error_lost);
			else if (w->ops->entry[3])
				err = w->ops->entry[3](p, addr, next, w);
		} while (!err && w->action == PT_ACTION_AGAIN && !BUG(walk_again_ignored));
	}
	w->action = PT_ACTION_SUBTREE;
	return err;
}

static void ptl_lock(uint64_t *ptl)
{
	while (hw_cmpxchg(ptl, 0, 1, HW_ACQUIRE, __func__, __LINE__))
		hw_cpu_relax(__func__, __LINE__);
}

/*
 * pte_offset_map_lock(): the table below may go away at any time until its lock is held. Freeing waits for readers, so
 * the entry that led here is read, and after the lock is taken read again.
 */
static uint64_t *map_lock(struct pt_walk *w, uint64_t *pmdp, uint64_t seen)
{
	uint64_t pmd;

	if (BUG(walk_freed_table)) {
		ptl_lock(w->ptl);
		return table_below(seen);
	}
	hw_rcu(true, __func__, __LINE__);
	pmd = hw_load(pmdp, HW_RELAXED, __func__, __LINE__);
	if (entry_table(pmd, 2) &&
	    !(BUG(walk_again_when_locked) && hw_load(w->ptl, HW_RELAXED, __func__, __LINE__))) {
		ptl_lock(w->ptl);
		if (hw_load(pmdp, HW_RELAXED, __func__, __LINE__) == pmd)
			return table_below(pmd);
		hw_store(w->ptl, 0, HW_RELEASE, __func__, __LINE__);
	}
	hw_rcu(false, __func__, __LINE__);
	while (BUG(walk_waits_for_table) && hw_load(pmdp, HW_RELAXED, __func__, __LINE__) != seen)
		hw_cpu_relax(__func__, __LINE__);
	return NULL;
}

static int walk_pte_range(struct pt_walk *w, uint64_t *pmdp, uint64_t pmd, uint64_t addr, uint64_t end)
{
	uint64_t *table;
	int err;

	if (!w->ptl) /* lockless: the caller keeps the tables */
		return walk_ptes(w, table_below(pmd), addr, end);
	table = map_lock(w, pmdp, pmd);
	if (!table) {
		w->action = PT_ACTION_AGAIN;
		return 0;
	}
	err = walk_ptes(w, table, addr, end);
	hw_store(w->ptl, 0, HW_RELEASE, __func__, __LINE__);
	hw_rcu(false, __func__, __LINE__);
	return err;
}

static int walk_table(struct pt_walk *w, uint64_t *table, unsigned level, uint64_t addr, uint64_t end);

/* One attempt at an entry; w->action says whether another has to follow. */
static int walk_entry(struct pt_walk *w, uint64_t *p, unsigned level, uint64_t addr, uint64_t next)
{
	uint64_t v = hw_load(p, HW_RELAXED, __func__, __LINE__);
	int err;

	if (!BUG(walk_stale_action))
		w->action = PT_ACTION_SUBTREE;
	if (!v)
		return call_hole(w, addr, next, level);
	w->action = PT_ACTION_SUBTREE;
	if (w->ops->entry[level]) {
		err = w->ops->entry[level](p, addr, next, w);
		if (BUG(walk_post_after_skip) && !err && w->action == PT_ACTION_CONTINUE && w->ops->post[level])
			return w->ops->post[level](p, addr, next, w);
		if (err || w->action != PT_ACTION_SUBTREE)
			return err;
		v = hw_load(p, HW_RELAXED, __func__, __LINE__); /* it may have been split, */
		if (!v) {					/* or have gone */
			w->action = PT_ACTION_AGAIN;
			return 0;
		}
	}
	if (BUG(walk_block_as_table) ? !pte_present(v) : !entry_table(v, level))
		return 0;
	if (level == 2)
		err = walk_pte_range(w, p, v, addr, next);
	else
		err = walk_table(w, table_below(v), level + 1, addr, next);
	if (err || w->action == PT_ACTION_AGAIN)
		return err;
	if (!w->ops->post[level] || (BUG(walk_post_forgotten) && level == 2 && w->ptl))
		return 0;
	return w->ops->post[level](p, addr, next, w);
}

static int walk_table(struct pt_walk *w, uint64_t *table, unsigned level, uint64_t addr, uint64_t end)
{
	int err = 0;

	for (uint64_t *p = entry_of(table, addr, level), next; addr < end && !err; addr = next, p++) {
		next = next_edge(addr, BUG(walk_past_end) ? ~0ull : end, level);
		do
			err = walk_entry(w, p, level, addr, next);
		while (!err && w->action == PT_ACTION_AGAIN &&
		       (!BUG(walk_stale_action) || level < 2 || hw_load(p, HW_RELAXED, __func__, __LINE__)));
	}
	return err;
}

int walk_page_range(struct pt_walk *walk, uint64_t start, uint64_t end)
{
	return walk_table(walk, split_env.pgdir, 4 - split_env.levels, start, end);
}
