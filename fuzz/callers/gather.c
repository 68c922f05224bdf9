/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gathering what a removal owes, as mm/mmu_gather.c does.
 *
 * Property: a page is given back only after the flush of the entries that mapped it; a table only after what leads to
 * it is invalidated too and lockless readers have left; a gather that overlaps another in its address space flushes
 * everything, since it may have met entries that the other one cleared and has not flushed yet.
 */
#include "callers.h"

void gather_start(struct gather *g, bool fullmm, const char *fn)
{
	g->g = (struct pt_gather){.start = ~0ull, .fullmm = fullmm};
	g->npages = g->ntables = 0;
	g->fn = fn;
	g->exit = fullmm;
	g->all = g->file = g->single = g->nested = false;
	ex.sp->gathers++;
}

static void gather_range(struct gather *g, uint64_t start, uint64_t end)
{
	if (start < g->g.start)
		g->g.start = start;
	if (end > g->g.end)
		g->g.end = end;
}

void gather_entries(struct gather *g, unsigned page, unsigned nr)
{
	gather_range(g, ex_addr(page), ex_addr(page + nr));
	g->g.cleared_ptes = true;
}

void gather_page(struct gather *g, unsigned page, uint64_t pfn)
{
	if (g->npages == GATHER_PAGES)
		gather_flush(g);
	g->page[g->npages].page = page;
	g->page[g->npages].when = ex.sp->mm.now;
	g->page[g->npages++].pfn = pfn;
}

void gather_table(struct gather *g, void *table, unsigned page)
{
	gather_range(g, ex_addr(page), ex_addr(page + 1));
	g->g.freed_tables = true;
	g->table[g->ntables++] = table;
}

bool page_is_mapped(uint64_t pfn)
{
	for (unsigned i = 0; i < EX_SPACES; i++) {
		const struct ref_mm *mm = &ex.space[i].mm;

		if (!ex.space[i].alive && !ex.space[i].dying)
			continue;
		for (unsigned p = 0; (p = ref_next(mm->present, p, mm->npages)) < mm->npages; p++)
			if (ref_now(mm, p)->val.pfn == pfn)
				return true;
	}
	return false;
}

bool page_is_held(uint64_t pfn, unsigned page, uint32_t removed)
{
	for (unsigned i = 0; i < EX_SPACES; i++)
		for (unsigned p = 0; ex.space[i].alive && p < ex.space[i].mm.npages; p++)
			if (ref_lingers_at(&ex.space[i].mm, p, pfn,
					   &ex.space[i] == ex.sp && p == page ? removed : 0))
				return true;
	return false;
}

void page_free(uint64_t pfn, unsigned page, uint32_t removed, const char *fn)
{
	if (!hw_page_reachable(pfn << ex.geo->page_shift) || page_is_mapped(pfn) ||
	    page_is_held(pfn, page, removed))
		return;
	ex.out->page = (int)page;
	ex_finding("lifetime", fn, "page-reachable",
		   "page %u.%u: pfn %#llx is given back while a cached translation leads there", page / ex.cont,
		   page % ex.cont, (unsigned long long)pfn);
}

/* Readers that run with interrupts off are waited for in hw_table_free() [tlb_remove_table()]. */
static void table_free(void *table)
{
	void (*wait)(void) = hw.on_free;

	if (BUG(table_freed_under_reader))
		hw.on_free = NULL;
	hw_table_free(table, "free_pgtables", __LINE__);
	hw.on_free = wait;
}

static void gather_free_pages(struct gather *g)
{
	for (unsigned i = 0; i < g->npages && !ex.stop; i++)
		page_free(g->page[i].pfn, g->page[i].page, g->page[i].when, g->fn);
	g->npages = 0;
}

static void gather_free_tables(struct gather *g)
{
	for (unsigned i = 0; i < g->ntables && !ex.stop; i++)
		table_free(g->table[i]);
	g->ntables = 0;
}

static bool gather_forgets(const struct gather *g)
{
	if (g->exit)
		return BUG(exit_no_table_flush);
	return BUG(zap_no_gathered_flush) && ex.cur->op.r->kind == OP_zap;
}

void gather_flush_tlb(struct gather *g)
{
	if (g->g.end && !gather_forgets(g))
		seam_tlb_flush(&g->g);
	g->g = (struct pt_gather){.start = ~0ull, .fullmm = g->g.fullmm};
}

void gather_flush(struct gather *g)
{
	if (BUG(pages_freed_before_flush))
		gather_free_pages(g);
	if (BUG(table_freed_early))
		gather_free_tables(g);
	gather_flush_tlb(g);
	gather_free_pages(g);
	gather_free_tables(g);
}

void gather_finish(struct gather *g)
{
	g->nested = ex.sp->gathers > 1 && !g->g.fullmm; /* mm_tlb_flush_nested() */
	g->before = ex.sp->mm.now + 1;
	if (g->nested && !BUG(gather_nested_ignored))
		g->g = (struct pt_gather){.fullmm = true, .freed_tables = true, .end = ~0ull};
	gather_flush(g);
	ex.sp->gathers--;
}
