/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migration, as try_to_migrate_one() and remove_migration_pte() do it.
 *
 * Property: while a page is copied nobody uses it, and the entry that replaces its own has the same permissions and
 * tells at least as much about access and dirty state.
 */
#include "entries.h"

#define MIGRATE_MAX 16 /* pages of one record */

/* A migration entry: the page, and what its entry was like [make_writable_migration_entry() and the like]. */
#define MIG_TAG	   (1ull << 39)
#define MIG_FLAGS  5
#define MIG_PFN(p) (((p) & ~MIG_TAG) >> MIG_FLAGS)

static const uint64_t mig_flag[MIG_FLAGS] = {PT_YOUNG, PT_DIRTY, PT_WRITE, PT_EXEC, PT_PROTNONE};

static uint64_t mig_make(uint64_t val)
{
	uint64_t p = MIG_TAG | PT_PFN(val) << MIG_FLAGS;

	for (unsigned i = 0; i < MIG_FLAGS; i++)
		p |= val & mig_flag[i] ? 1ull << i : 0;
	return p;
}

/* The entry of the new page. */
static uint64_t mig_restore(uint64_t payload, uint64_t pfn)
{
	uint64_t flags = PT_PRESENT;

	for (unsigned i = 0; i < MIG_FLAGS; i++)
		flags |= payload >> i & 1 ? mig_flag[i] : 0;
	if (BUG(migrate_drops_dirty))
		flags &= ~(uint64_t)PT_DIRTY;
	return PT_MAKE(pfn, flags);
}

struct migration {
	unsigned page, nr;
	uint64_t pfn;
	uint64_t old[MIGRATE_MAX]; /* what the removals returned */
	uint32_t when, added;
};

/* try_to_migrate_one(), under the lock. */
static void unmap(struct migration *m, bool batch)
{
	const uint32_t since = ex.sp->mm.now;

	for (unsigned i = 0; i < m->nr && !ex.stop; i++) {
		const unsigned p = m->page + i;

		m->old[i] = batch ? take_ptes(p, 1) : take_and_flush(p);
		put_payload(p, mig_make(m->old[i]), "migrate");
	}
	m->when = ex.sp->mm.now;
	m->added = batch ? batch_add(m->page, m->nr, since) : 0;
}

static void check_kept(const struct migration *m, unsigned i, uint64_t val)
{
	if (!(m->old[i] & PT_DIRTY) || val & PT_DIRTY)
		return;
	ex.out->page = (int)(m->page + i);
	ex_finding("ad", "migrate", "dirty-lost", "page %u.%u was dirty, and its new page is mapped clean",
		   (m->page + i) / ex.cont, (m->page + i) % ex.cont);
}

/* remove_migration_pte(): where the migration entry still is. */
static void remap(const struct migration *m, unsigned id, uint64_t pfn)
{
	seam_lock(m->page);
	for (unsigned i = 0; i < m->nr && !ex.stop; i++) {
		const unsigned p = m->page + i;
		const uint64_t payload = mig_make(m->old[i]);
		uint64_t val;

		if (!ex_ptep(p) || ref_in_teardown(&ex.sp->mm, p) || seam_ptep_get(p) != payload << 12)
			continue;
		val = mig_restore(payload, pfn + i);
		flush_old(p, 1);
		put_ptes(p, 1, val, id, "migrate");
		check_kept(m, i, val);
	}
	seam_unlock(m->page);
}

/* Another folio than that of the pages, with room for some of them. */
static unsigned new_folio(const struct rec *r, struct batch *b, uint64_t *pfn)
{
	unsigned id = (r->a & 15) % EX_FOLIOS, off, room;

	if (id == b->val.folio)
		id = (id + 1) % EX_FOLIOS;
	off = folio_page_for(data_folio(id), b->page, r->a >> 4 & 3);
	room = (1u << data_folio(id)->order) - off;
	b->nr = b->nr < room ? b->nr : room;
	b->nr = b->nr < MIGRATE_MAX ? b->nr : MIGRATE_MAX;
	*pfn = data_folio(id)->pfn + off;
	return id;
}

static void move_page(const struct migration *m, unsigned id, uint64_t pfn)
{
	if (m->added)
		batch_flush(m->page, m->nr, m->added);
	/* The copy: nobody may write to the page from here on, so it might as well be free. */
	for (unsigned i = 0; i < m->nr && !ex.stop; i++)
		page_free(m->pfn + i, m->page + i, m->when, "move_to_new_folio");
	if (!ex.stop)
		remap(m, id, pfn);
}

int run_migrate(const struct rec *r, struct rec *eff)
{
	struct ref_op op = {.nr = 1};
	struct migration m;
	struct batch b;
	unsigned id;
	uint64_t pfn;

	if (!ex.impl->arch_tlbbatch_add_pending || !ex.impl->arch_tlbbatch_flush || !ex.impl->ptep_clear_flush)
		return -1;
	rmap_space(r->b & 1);
	if (!prepare(&op, r, ref_clip_get_and_clear_full_ptes, eff))
		return 0;
	if (!batch_at(&b, op.page, op.page + op.nr) || !batch_is_normal(&b)) {
		seam_unlock(op.page);
		return 0;
	}
	id = new_folio(r, &b, &pfn);
	write_back(eff, r, b.page, b.nr);
	m = (struct migration){.page = b.page, .nr = b.nr, .pfn = b.val.pfn};
	unmap(&m, r->b & 2);
	seam_unlock(op.page);
	move_page(&m, id, pfn);
	return 1;
}
