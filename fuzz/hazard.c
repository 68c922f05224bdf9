/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * See hazard.h. The implementation says what it has queued and executed; the checked seam knows the caller's place.
 *
 * Property: the table of queued stores is exact: an entry is in it from hw_queued() to the hw_executed() of that store.
 */
#include "hazard.h"

#include <string.h>

#include "exec_internal.h"

#define QUEUED_MAX  1024
#define HAZARDS_MAX 256

static struct {
	const void *p;
	struct code_place at;
	uint8_t task;
} queued[QUEUED_MAX];
unsigned hazard_queued;

static bool collecting, flushing;
static struct hazard found[HAZARDS_MAX];
static unsigned nfound;

static void on_queued(void *p, const char *fn, int line)
{
	(void)fn; /* arch code: the caller's place says more */
	(void)line;
	if (!ex.cur || hazard_queued == QUEUED_MAX)
		return;
	hw.calm = 0;
	queued[hazard_queued].p = p;
	queued[hazard_queued].at = ex.cur->op.at;
	queued[hazard_queued++].task = (uint8_t)(ex.cur - ex.task);
}

/* Stores are executed in order: of several to one entry the oldest. */
static void on_executed(void *p)
{
	for (unsigned i = 0; i < hazard_queued; i++) {
		if (queued[i].p != p)
			continue;
		memmove(&queued[i], &queued[i + 1], (hazard_queued - i - 1) * sizeof(queued[0]));
		hazard_queued--;
		return;
	}
}

void hazard_init(void)
{
	hw.on_queued = on_queued;
	hw.on_executed = on_executed;
}

void hazard_reset(void)
{
	hazard_queued = 0;
	flushing = false;
}

void hazard_collect(bool on)
{
	collecting = on;
	nfound = 0;
}

unsigned hazard_list(const struct hazard **list)
{
	*list = found;
	return nfound;
}

static bool same_place(const struct code_place *a, const struct code_place *b)
{
	return a->line == b->line && !strcmp(a->fn, b->fn) && !strcmp(a->file, b->file);
}

static void note(const struct code_place *store, const struct code_place *read)
{
	for (unsigned i = 0; i < nfound; i++) {
		if (same_place(&found[i].store, store) && same_place(&found[i].read, read)) {
			found[i].count++;
			return;
		}
	}
	if (nfound < HAZARDS_MAX)
		found[nfound++] = (struct hazard){.store = *store, .read = *read, .count = 1};
}

/* The newest store to it that is queued, or -1. */
static int find(const void *p, unsigned task)
{
	for (unsigned i = hazard_queued; i-- > 0;)
		if (queued[i].p == p && queued[i].task == task)
			return (int)i;
	return -1;
}

void hazard_load(const void *p)
{
	const struct code_place *read = &ex.cur->op.at;
	const int i = find(p, (unsigned)(ex.cur - ex.task));
	struct code_place store;

	if (i < 0 || flushing)
		return;
	store = queued[i].at;
	if (collecting) {
		note(&store, read);
		flushing = true;
		ex.impl->arch_flush_lazy_mmu_mode();
		flushing = false;
		return;
	}
	ex_finding("hazard", read->fn, store.fn,
		   "%s (%s:%d) reads an entry that %s (%s:%d) has set in lazy mode: arch_flush_lazy_mmu_mode() is "
		   "missing",
		   read->fn, read->file, read->line, store.fn, store.file, store.line);
}

bool hazard_pending(const uint64_t *p, unsigned n)
{
	for (unsigned i = 0; i < hazard_queued; i++)
		if ((const uint64_t *)queued[i].p >= p && (const uint64_t *)queued[i].p < p + n)
			return true;
	return false;
}
