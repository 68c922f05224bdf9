// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: a real kernel loaded behind impl/seam.h does what a reader of contpte.c expects, call by call: when
 * it folds, unfolds, gathers and flushes, with how many steps and with which TLBI operand; and it never touches
 * table memory except through the hooks. The last is proved by the memory itself: what the kernel sees is a
 * PROT_NONE view, and only the stub machine below has the readable one.
 *
 * Usage: linux_seam_test SO...   (built by impl/linux/build.sh; `--bench SO` prints times instead)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "hw/hook.h"
#include "hw/hw.h"
#include "impl/seam.h"

/* ---- the stub machine: coherent, counts steps, runs one event before the n-th step of a class */

enum { ARENA = HW_MAX_FRAMES << HW_FRAME_SHIFT, MAX_TLBI = 256 };

static char *seen; /* what the implementation is given: no access */
static char *view; /* the same pages, readable */
static unsigned nload, nstore, natomic, ndsb, ndmb, nisb, nnotify, nwarn, nalloc;
static struct {
	unsigned op;
	uint64_t xt;
	const char *fn;
} tlbi[MAX_TLBI];
static unsigned ntlbi;
static unsigned tlbi_completed; /* how many a full DSB followed */
static bool feature[HW_FEAT_ETS2 + 1];
static const char *last_warn;
static jmp_buf on_bug;

static struct {
	unsigned countdown; /* fires before the atomic that makes this 0 */
	void (*run)(void *slot);
	void *slot;
} event;

static struct pt_task task; /* who runs; its flags are no table memory */

static uint64_t *at(const void *p)
{
	size_t off = (size_t)((const char *)p - seen);

	if (off >= ARENA || off % 8) {
		fprintf(stderr, "access outside table memory\n");
		abort();
	}
	return (uint64_t *)(void *)(view + off);
}

static uint64_t stub_load(const void *p, enum hw_order o, const char *fn, int line)
{
	(void)o, (void)fn, (void)line;
	if (p == &task.flags)
		return task.flags;
	nload++;
	return *at(p);
}

static void stub_store(void *p, uint64_t v, enum hw_order o, const char *fn, int line)
{
	(void)o, (void)fn, (void)line;
	nstore++;
	*at(p) = v;
}

static void atomic_step(void)
{
	natomic++;
	if (event.countdown && --event.countdown == 0)
		event.run(event.slot);
}

static uint64_t stub_xchg(void *p, uint64_t v, enum hw_order o, const char *fn, int line)
{
	uint64_t old;

	(void)o, (void)fn, (void)line;
	atomic_step();
	old = *at(p);
	*at(p) = v;
	return old;
}

static uint64_t stub_cmpxchg(void *p, uint64_t old, uint64_t n, enum hw_order o, const char *fn, int line)
{
	uint64_t was;

	(void)o, (void)fn, (void)line;
	atomic_step();
	was = *at(p);
	if (was == old)
		*at(p) = n;
	return was;
}

static uint64_t stub_fetch_or(void *p, uint64_t bits, enum hw_order o, const char *fn, int line)
{
	uint64_t *flags = p, old = *flags; /* of the task, not of a table */

	(void)o, (void)fn, (void)line;
	*flags |= bits;
	return old;
}

static uint64_t stub_fetch_andnot(void *p, uint64_t bits, enum hw_order o, const char *fn, int line)
{
	uint64_t *flags = p, old = *flags;

	(void)o, (void)fn, (void)line;
	*flags &= ~bits;
	return old;
}

static void *stub_current(void)
{
	return &task;
}

static void stub_clear_page(void *table, const char *fn, int line)
{
	(void)fn, (void)line;
	memset(at(table), 0, 1u << HW_FRAME_SHIFT);
}

static void stub_barrier(enum hw_barrier_kind k, enum hw_domain d, enum hw_access_type t, const char *fn, int line)
{
	(void)fn, (void)line;
	if (k == HW_DSB && d != HW_NSH && t == HW_BAR_FULL)
		tlbi_completed = ntlbi;
	*(k == HW_DSB ? &ndsb : k == HW_DMB ? &ndmb : &nisb) += 1;
}

static void stub_tlbi(unsigned op, uint64_t xt, const char *fn, int line)
{
	(void)line;
	tlbi[ntlbi % MAX_TLBI].op = op;
	tlbi[ntlbi % MAX_TLBI].xt = xt;
	tlbi[ntlbi++ % MAX_TLBI].fn = fn;
}

static void stub_notify(unsigned asid, uint64_t start, uint64_t end, const char *fn, int line)
{
	(void)asid, (void)start, (void)end, (void)fn, (void)line;
	nnotify++;
}

static void *stub_table_alloc(unsigned level, const char *fn, int line)
{
	char *table = seen + (20u << HW_FRAME_SHIFT);

	(void)level, (void)fn, (void)line;
	nalloc++;
	memset(at(table), 0xa5, 1u << HW_FRAME_SHIFT);
	return table;
}

static void stub_table_free(void *table, const char *fn, int line)
{
	(void)table, (void)fn, (void)line;
	nalloc--;
}

static uint64_t stub_table_pa(const void *table)
{
	return (uint64_t)((const char *)table - seen);
}

static void *stub_table_va(uint64_t pa)
{
	return seen + pa;
}

static bool stub_feature(enum hw_feature f)
{
	return feature[f];
}

static void stub_lock(unsigned id, const char *fn, int line)
{
	(void)id, (void)fn, (void)line;
}

static void stub_might_sleep(const char *fn, int line)
{
	(void)fn, (void)line;
}

static void stub_warn(const char *what, const char *fn, int line)
{
	(void)fn, (void)line;
	nwarn++;
	last_warn = what;
}

static void stub_bug(const char *what, const char *fn, int line)
{
	(void)fn, (void)line;
	last_warn = what;
	longjmp(on_bug, 1);
}

static const struct hw_hooks stub = {
	.abi = HW_HOOKS_ABI,
	.load = stub_load,
	.store = stub_store,
	.xchg = stub_xchg,
	.cmpxchg = stub_cmpxchg,
	.fetch_or = stub_fetch_or,
	.fetch_andnot = stub_fetch_andnot,
	.current = stub_current,
	.clear_page = stub_clear_page,
	.barrier = stub_barrier,
	.tlbi = stub_tlbi,
	.notify_secondary = stub_notify,
	.table_alloc = stub_table_alloc,
	.table_free = stub_table_free,
	.table_pa = stub_table_pa,
	.table_va = stub_table_va,
	.feature = stub_feature,
	.lock = stub_lock,
	.unlock = stub_lock,
	.might_sleep = stub_might_sleep,
	.warn = stub_warn,
	.bug = stub_bug,
};

static void stub_map(void)
{
	int fd = memfd_create("tables", 0);

	if (fd < 0 || ftruncate(fd, ARENA))
		abort();
	seen = mmap(NULL, ARENA, PROT_NONE, MAP_SHARED, fd, 0);
	view = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (seen == MAP_FAILED || view == MAP_FAILED)
		abort();
	close(fd);
}

static void steps_clear(void)
{
	nload = nstore = natomic = ndsb = ndmb = nisb = nnotify = nwarn = ntlbi = tlbi_completed = 0;
}

/* ---- expectations: always compiled in, both values printed */

static unsigned passed, failed;

static void expect(const char *file, int line, const char *what, uint64_t got, uint64_t want)
{
	if (got == want) {
		passed++;
		return;
	}
	failed++;
	fprintf(stderr, "%s:%d: %s: got %#llx, want %#llx\n", file, line, what, (unsigned long long)got,
		(unsigned long long)want);
}
#define EXPECT(got, want) expect(__FILE__, __LINE__, #got, (uint64_t)(got), (uint64_t)(want))

/* ---- the implementation under test and one user table */

enum { FIRST_PFN = 0x80000, ASID = 0x42 };
#define VA 0x40000000ull /* aligned for every granule */
static const struct pt_impl *im;
static struct pt_folio folio[4];
static struct pt_mm mm, kernel;
static struct pt_env env;
static unsigned C;	/* entries of a contiguous run */
static uint64_t P;	/* page size */
static uint64_t *table; /* as the implementation sees it */

static uint64_t raw(unsigned i)
{
	return *at(table + i);
}

static uint64_t va(unsigned i)
{
	return VA + i * P;
}

static uint64_t present(unsigned page, uint64_t flags)
{
	return PT_MAKE(FIRST_PFN + page, PT_PRESENT | flags);
}

/* Hardware writes through a DBM descriptor: clears RDONLY (DDI 0487 D8.4). */
static void hw_dirty(void *slot)
{
	*at(slot) &= ~HW_D_RDONLY;
}

static unsigned cont_count(unsigned i, unsigned n)
{
	unsigned c = 0;

	for (unsigned k = i; k < i + n; k++)
		c += (raw(k) & HW_D_CONT) != 0;
	return c;
}

/* Four folios of one contiguous run each: pages 0..C-1, C..2C-1, ... */
static void fresh(void)
{
	memset(view, 0, 4u << HW_FRAME_SHIFT);
	memset(feature, 0, sizeof(feature));
	for (unsigned i = 0; i < 4; i++)
		folio[i] = (struct pt_folio){FIRST_PFN + i * C, env.cont_bits};
	im->reset(&env);
	steps_clear();
}

static void folded(uint64_t flags)
{
	fresh();
	im->set_ptes(&mm, VA, table, present(0, flags), C);
	steps_clear();
}

/* ---- tests */

static void test_entry(void)
{
	static const uint64_t payload[] = {1, 0x1f, 0x20, 0xabcdef, 1ull << 47, (1ull << 51) - 1};

	for (uint64_t f = 0; f < 256; f += 2)
		for (uint64_t pfn = FIRST_PFN; pfn < FIRST_PFN + 3; pfn++) {
			uint64_t v = PT_MAKE(pfn, PT_PRESENT | f);

			if (f & PT_KERNEL && f & PT_PROTNONE)
				continue; /* the kernel has none, and could not tell it from PAGE_NONE */
			if (f & PT_KERNEL)
				v |= PT_YOUNG | PT_DIRTY;
			EXPECT(im->entry_read(im->entry_make(v)), v);
			EXPECT(im->entry_make(v) & (HW_D_VALID | HW_D_CONT), f & PT_PROTNONE ? 0 : HW_D_VALID);
		}
	EXPECT(im->entry_make(0), 0);
	EXPECT(im->entry_read(0), 0);
	for (unsigned i = 0; i < sizeof(payload) / sizeof(payload[0]); i++) {
		EXPECT(im->entry_read(im->entry_make(PT_MAKE(payload[i], 0))), PT_MAKE(payload[i], 0));
		EXPECT(im->entry_make(PT_MAKE(payload[i], 0)) & HW_D_VALID, 0);
	}
	/* Writable and clean is DBM with RDONLY set; AF only if young. */
	EXPECT(im->entry_make(present(0, PT_WRITE)) & (HW_D_RDONLY | HW_D_DBM | HW_D_AF), HW_D_RDONLY | HW_D_DBM);
	EXPECT(im->entry_make(present(0, PT_WRITE | PT_DIRTY)) & HW_D_RDONLY, 0);
}

static void test_set_folds(void)
{
	/* |................| -> |CCCCCCCCCCCCCCCC| without a flush: nothing was mapped */
	fresh();
	im->set_ptes(&mm, VA, table, present(0, PT_WRITE | PT_YOUNG), C);
	EXPECT(cont_count(0, C), C);
	EXPECT(nstore, C);
	EXPECT(ntlbi, 0);
	EXPECT(nwarn, 0);
	EXPECT(im->ptep_get(va(C - 1), table + C - 1), present(C - 1, PT_WRITE | PT_YOUNG));
	/* two and a half runs */
	fresh();
	im->set_ptes(&mm, VA, table, present(0, PT_YOUNG), C);
	im->set_ptes(&mm, va(C), table + C, present(C, PT_YOUNG), C / 2);
	EXPECT(cont_count(0, 2 * C), C);
}

static void test_gather(void)
{
	/* |CCCCCDCC| hardware dirties one entry: every page of the block is dirty */
	unsigned k = C / 2;

	folded(PT_WRITE | PT_YOUNG);
	hw_dirty(table + k);
	EXPECT(im->ptep_get(VA, table) & PT_DIRTY, PT_DIRTY);
	/* 7.x stops when it has found both, young in the first. */
	EXPECT(nload, im->profile.young_batched ? k + 2 : C + 1);
	EXPECT(im->ptep_get_lockless(va(C - 1), table + C - 1) & PT_DIRTY, PT_DIRTY);
	EXPECT(im->entry_read(raw(0)) & PT_DIRTY, 0);
	EXPECT(im->get_and_clear_full_ptes(&mm, VA, table, C, 0), present(0, PT_WRITE | PT_YOUNG | PT_DIRTY));
	EXPECT(raw(0) | raw(C - 1), 0);
	EXPECT(ntlbi, 0);
}

static void test_partial_wrprotect(void)
{
	/* |CCCCCCCC| -> |wRRwwwww| */
	folded(PT_WRITE | PT_YOUNG);
	hw_dirty(table + C - 1);
	im->wrprotect_ptes(&mm, va(1), table + 1, 2);
	EXPECT(cont_count(0, C), 0);
	EXPECT(im->entry_read(raw(1)), present(1, PT_YOUNG | PT_DIRTY));
	EXPECT(im->entry_read(raw(2)), present(2, PT_YOUNG | PT_DIRTY));
	EXPECT(im->entry_read(raw(3)), present(3, PT_WRITE | PT_YOUNG | PT_DIRTY));
	EXPECT(natomic, C + 2);
	EXPECT(nstore, C);
	EXPECT(ntlbi, C);
	EXPECT(tlbi_completed, C);
	EXPECT(nnotify, 1);
	/* whole block: stays folded */
	folded(PT_WRITE | PT_YOUNG);
	im->wrprotect_ptes(&mm, VA, table, C);
	EXPECT(cont_count(0, C), C);
	EXPECT(ntlbi, 0);
}

static void test_race_dirty(void)
{
	/* the walker dirties the entry between the load and the cmpxchg */
	fresh();
	im->set_ptes(&mm, VA, table, present(0, PT_WRITE | PT_YOUNG), 1);
	event.countdown = 1;
	event.run = hw_dirty;
	event.slot = table;
	im->wrprotect_ptes(&mm, VA, table, 1);
	EXPECT(im->ptep_get(VA, table), present(0, PT_YOUNG | PT_DIRTY));
}

static void test_refold(void)
{
	/* one page a call: the last one folds the block */
	fresh();
	for (unsigned i = 0; i < C; i++) {
		EXPECT(cont_count(0, C), 0);
		im->set_ptes(&mm, va(i), table + i, present(i, PT_WRITE | PT_YOUNG), 1);
	}
	EXPECT(cont_count(0, C), C);
	EXPECT(tlbi_completed, C);
	/* never across folios, at a misaligned pfn, or for special mappings */
	fresh();
	folio[0].order = env.cont_bits - 1;
	im->reset(&env);
	for (unsigned i = 0; i < C; i++)
		im->set_ptes(&mm, va(i), table + i, present(i, PT_YOUNG), 1);
	EXPECT(cont_count(0, C), 0);
	fresh();
	for (unsigned i = 0; i < C; i++)
		im->set_ptes(&mm, va(i), table + i, present(i + 1, PT_YOUNG), 1);
	EXPECT(cont_count(0, C), 0);
	for (unsigned i = 0; i < C; i++)
		im->set_ptes(&mm, va(C + i), table + C + i, present(C + i, PT_YOUNG | PT_SPECIAL), 1);
	EXPECT(cont_count(C, C), 0);
	/* a page that no folio describes */
	for (unsigned i = 0; i < C; i++)
		im->set_ptes(&mm, va(2 * C + i), table + 2 * C + i, present((1u << 20) + i, PT_YOUNG), 1);
	EXPECT(cont_count(2 * C, C), 0);
}

static void test_access_flags(void)
{
	uint64_t entry = present(0, PT_WRITE | PT_YOUNG | PT_DIRTY);

	/* A sibling is dirty: the gathered view says nothing to do, a walker without hardware update disagrees. */
	folded(PT_WRITE | PT_YOUNG);
	hw_dirty(table + C - 1);
	EXPECT(im->ptep_set_access_flags(&mm, VA, table, entry, 1), 1);
	EXPECT(raw(0) & HW_D_RDONLY, 0);
	EXPECT(cont_count(0, C), C);
	EXPECT(ntlbi, C);
	EXPECT(tlbi[0].op, HW_TLBI_VALE1 | (im->profile.relax_flush_local ? 0 : HW_TLBI_IS));
	EXPECT(tlbi_completed, im->profile.relax_flush_local ? 0 : C);
	EXPECT(im->ptep_set_access_flags(&mm, VA, table, entry, 1), 0);
	/* gaining write for one page unfolds */
	folded(PT_YOUNG);
	EXPECT(im->ptep_set_access_flags(&mm, VA, table, entry, 1), 1);
	EXPECT(cont_count(0, C), 0);
	EXPECT(im->entry_read(raw(0)), entry);
	EXPECT(im->entry_read(raw(1)), present(1, PT_YOUNG));
}

static void test_young(void)
{
	folded(PT_WRITE | PT_YOUNG);
	EXPECT(im->ptep_test_and_clear_young(&mm, va(1), table + 1), 1);
	EXPECT(im->ptep_test_and_clear_young(&mm, va(2), table + 2), 0);
	EXPECT(ntlbi, 0);
	folded(PT_WRITE | PT_YOUNG);
	EXPECT(im->ptep_clear_flush_young(&mm, va(1), table + 1), 1);
	EXPECT(ntlbi, C);
	EXPECT(tlbi_completed, 0);
	/* |CCCCCCYY|YYCCCCCC|: both blocks are widened, both stay folded */
	folded(PT_WRITE | PT_YOUNG | PT_DIRTY);
	im->set_ptes(&mm, va(C), table + C, present(C, PT_WRITE | PT_YOUNG | PT_DIRTY), C);
	im->clear_young_dirty_ptes(&mm, va(C - 2), table + C - 2, 4, PT_CYDP_YOUNG | PT_CYDP_DIRTY);
	EXPECT(im->entry_read(raw(0)), present(0, PT_WRITE));
	EXPECT(im->entry_read(raw(2 * C - 1)), present(2 * C - 1, PT_WRITE));
	EXPECT(cont_count(0, 2 * C), 2 * C);
}

static void test_clear_flush(void)
{
	folded(PT_WRITE | PT_YOUNG);
	EXPECT(im->ptep_clear_flush(&mm, VA, table), present(0, PT_WRITE | PT_YOUNG));
	EXPECT(raw(0), 0);
	EXPECT(ntlbi, C + 1); /* unfold, then the page */
	EXPECT(tlbi_completed, C + 1);
	steps_clear();
	EXPECT(im->ptep_clear_flush(&mm, VA, table), 0);
	EXPECT(ntlbi, 0); /* none was not accessible */
}

static void test_flush(void)
{
	unsigned tg = env.page_shift == 12 ? 1 : env.page_shift == 14 ? 2 : 3;

	fresh();
	im->flush_tlb_range(&mm, VA, va(2), true);
	EXPECT(ntlbi, 2);
	EXPECT(tlbi[1].op, HW_TLBI_VALE1 | HW_TLBI_IS);
	EXPECT(tlbi[1].xt, (uint64_t)ASID << 48 | va(1) >> 12);
	EXPECT(ndsb, 2);
	steps_clear();
	feature[HW_FEAT_TTL] = true;
	im->flush_tlb_range(&mm, VA, va(1), true);
	EXPECT(tlbi[0].xt, (uint64_t)ASID << 48 | (uint64_t)(tg << 2 | 3) << 44 | VA >> 12);
	im->flush_tlb_range(&mm, VA, va(1), false);
	EXPECT(tlbi[1].op, HW_TLBI_VAE1 | HW_TLBI_IS);
	EXPECT(tlbi[1].xt, (uint64_t)ASID << 48 | VA >> 12);
	steps_clear();
	feature[HW_FEAT_TLBIRANGE] = true;
	im->flush_tlb_range(&mm, VA, va(C), true);
	EXPECT(ntlbi, 1);
	EXPECT(tlbi[0].op, HW_TLBI_RVALE1 | HW_TLBI_IS);
	EXPECT(tlbi[0].xt >> 37 & 3, 3);
	EXPECT(tlbi[0].xt >> 46 & 3, tg);
	EXPECT(tlbi[0].xt & ((1ull << 37) - 1), VA >> env.page_shift);
	/* the function that issued it, as each tree calls it */
	EXPECT(!strcmp(tlbi[0].fn, im->profile.young_batched ? "rvale1is" : "__flush_tlb_range_nosync"), 1);
}

static void test_protnone(void)
{
	uint64_t v = present(0, PT_PROTNONE | PT_YOUNG | PT_DIRTY);

	/* |nnnnnnnn| no block, though aligned; present all the same */
	fresh();
	im->set_ptes(&mm, VA, table, v, C);
	EXPECT(raw(0) & HW_D_VALID, 0);
	EXPECT(im->ptep_get(va(1), table + 1), present(1, PT_PROTNONE | PT_YOUNG | PT_DIRTY));
	/* crashes/: trees before "restrict transparent contpte mappings to valid PTEs" mark them all the same */
	if (cont_count(0, C))
		return;
	EXPECT(im->ptep_test_and_clear_young(&mm, VA, table), 1);
	EXPECT(im->get_and_clear_full_ptes(&mm, VA, table, C, 0), v);
	EXPECT(raw(0) | raw(C - 1), 0);
}

static void test_kernel_entries(void)
{
	uint64_t v = present(0, PT_KERNEL | PT_WRITE | PT_YOUNG | PT_DIRTY);

	fresh();
	im->set_ptes(&kernel, VA, table, v, C);
	EXPECT(cont_count(0, C), 0);
	EXPECT(raw(0) & (HW_D_NG | HW_D_USER), 0);
	EXPECT(nisb, im->profile.lazy ? 1 : C); /* 6.12: published one by one */
	EXPECT(ndsb, im->profile.lazy ? 1 : C);
	EXPECT(im->ptep_get(VA, table), v);
	EXPECT(im->ptep_get_and_clear(&kernel, VA, table), v);
	steps_clear();
	im->flush_tlb_kernel_range(VA, va(2));
	EXPECT(tlbi[0].op, HW_TLBI_VAALE1 | HW_TLBI_IS);
	EXPECT(ntlbi, 2 * P >> 12 >> (env.page_shift - 12));
	EXPECT(tlbi_completed, ntlbi);
}

static void test_modify_prot(void)
{
	uint64_t old;

	/* |CCCCCDCC|: one page a call before 7.x, which unfolds; the race is with the first atomic */
	folded(PT_WRITE);
	event.countdown = 1;
	event.run = hw_dirty;
	event.slot = table + C - 1;
	old = im->modify_prot_start_ptes(&mm, VA, table, C);
	EXPECT(old & PT_DIRTY, PT_DIRTY);
	EXPECT(raw(0) | raw(C - 1), 0);
	im->modify_prot_commit_ptes(&mm, VA, table, old, present(0, 0), C);
	EXPECT(im->ptep_get(va(1), table + 1), present(1, PT_DIRTY));
	EXPECT(cont_count(0, C), C);
	/* PROT_NONE and back: dirty and writable is writable at once */
	old = im->modify_prot_start_ptes(&mm, va(1), table + 1, 1);
	im->modify_prot_commit_ptes(&mm, va(1), table + 1, old, present(1, PT_PROTNONE), 1);
	EXPECT(im->ptep_get(va(1), table + 1), present(1, PT_PROTNONE | PT_DIRTY));
	old = im->modify_prot_start_ptes(&mm, va(1), table + 1, 1);
	im->modify_prot_commit_ptes(&mm, va(1), table + 1, old, present(1, PT_WRITE), 1);
	EXPECT(im->ptep_get(va(1), table + 1), present(1, PT_WRITE | PT_DIRTY));
	EXPECT(raw(1) & HW_D_RDONLY, 0);
}

static void test_gather_flush(void)
{
	struct pt_gather g = {VA, va(2), false, false, true};

	fresh();
	feature[HW_FEAT_TTL] = true;
	im->tlb_flush(&mm, &g);
	EXPECT(ntlbi, 2);
	EXPECT(tlbi[0].op, HW_TLBI_VALE1 | HW_TLBI_IS);
	EXPECT(tlbi[0].xt >> 44 & 3, 3);
	EXPECT(tlbi_completed, 2);
	steps_clear();
	g.freed_tables = true;
	im->tlb_flush(&mm, &g);
	EXPECT(ntlbi, 2);
	EXPECT(tlbi[0].op, HW_TLBI_VAE1 | HW_TLBI_IS);
	EXPECT(tlbi[0].xt >> 44 & 15, 0);
	steps_clear();
	g.cleared_ptes = false;
	g.end = VA + (P << env.table_bits);
	im->tlb_flush(&mm, &g);
	EXPECT(ntlbi, 1); /* one table */
	EXPECT(tlbi[0].op, HW_TLBI_VAE1 | HW_TLBI_IS);
	steps_clear();
	g.fullmm = true;
	im->tlb_flush(&mm, &g);
	EXPECT(ntlbi, 1);
	EXPECT(tlbi[0].op, HW_TLBI_ASIDE1 | HW_TLBI_IS);
	EXPECT(tlbi[0].xt >> 48, ASID);
	g.freed_tables = false;
	im->tlb_flush(&mm, &g);
	EXPECT(ntlbi, 1);
	/* Another address space, made during the execution. */
	steps_clear();
	im->flush_tlb_mm(&(struct pt_mm){PT_MM_CHILD, ASID + 1, seen});
	EXPECT(tlbi[0].xt >> 48, ASID + 1);
	EXPECT(tlbi_completed, 1);
}

/* 6.12 tells secondary TLBs of each page, 7.x of the range. */
static void test_batched_unmap(void)
{
	fresh();
	im->arch_tlbbatch_add_pending(&mm, VA, va(3));
	EXPECT(ntlbi, 3);
	EXPECT(tlbi_completed, 0);
	EXPECT(nnotify, im->profile.young_batched ? 1 : 3);
	im->arch_tlbbatch_flush();
	EXPECT(tlbi_completed, 3);
	steps_clear();
	im->arch_flush_tlb_batched_pending(&mm);
	EXPECT(ntlbi, 1);
	EXPECT(tlbi[0].op, HW_TLBI_ASIDE1 | HW_TLBI_IS);
	EXPECT(tlbi_completed, 1);
}

/* Batched ageing: the whole runs that the range touches, one flush that is not waited for. */
static void test_young_batch(void)
{
	if (!im->test_and_clear_young_ptes)
		return;
	folded(PT_WRITE | PT_YOUNG);
	EXPECT(im->test_and_clear_young_ptes(&mm, va(1), table + 1, 2), 1);
	EXPECT(raw(0) & HW_D_AF, 0);
	EXPECT(raw(C - 1) & HW_D_AF, 0);
	EXPECT(ntlbi, 0);
	folded(PT_WRITE | PT_YOUNG);
	EXPECT(im->clear_flush_young_ptes(&mm, va(1), table + 1, 1), 1);
	EXPECT(ntlbi, C);
	EXPECT(tlbi_completed, 0);
	EXPECT(cont_count(0, C), C);
	EXPECT(im->clear_flush_young_ptes(&mm, va(1), table + 1, 1), 0);
	EXPECT(ntlbi, C);
}

/* A spurious fault on this CPU: its own stale entry goes, nobody else's, and nobody else is told. */
static void test_spurious(void)
{
	if (!im->flush_tlb_fix_spurious_fault)
		return;
	fresh();
	im->flush_tlb_fix_spurious_fault(&mm, va(1), table + 1);
	EXPECT(ntlbi, 1);
	EXPECT(tlbi[0].op, HW_TLBI_VALE1);
	EXPECT(nnotify, 0);
	EXPECT(ndsb, 2);
}

/* Barriers of kernel mappings wait for the end of a section, of the inner one too; not in a pause or an interrupt. */
static void test_lazy(void)
{
	uint64_t v = present(0, PT_KERNEL | PT_WRITE | PT_YOUNG | PT_DIRTY);

	if (im->profile.lazy != PT_LAZY_COUNTER)
		return;
	task = (struct pt_task){0};
	fresh();
	im->arch_enter_lazy_mmu_mode();
	im->set_ptes(&kernel, VA, table, v, 1);
	EXPECT(nisb, 0);
	im->arch_enter_lazy_mmu_mode();
	im->arch_leave_lazy_mmu_mode();
	EXPECT(nisb, 1);
	im->set_ptes(&kernel, va(1), table + 1, v, 1);
	EXPECT(nisb, 1); /* the outer section goes on */
	task.preempt_count = PT_HARDIRQ_OFFSET;
	im->set_ptes(&kernel, va(2), table + 2, v, 1);
	EXPECT(nisb, 2);
	task.preempt_count = 0;
	im->lazy_mmu_mode_pause();
	EXPECT(nisb, 3);
	im->set_ptes(&kernel, va(3), table + 3, v, 1);
	EXPECT(nisb, 4);
	im->lazy_mmu_mode_resume();
	im->set_ptes(&kernel, va(4), table + 4, v, 1);
	EXPECT(nisb, 4);
	im->arch_leave_lazy_mmu_mode();
	EXPECT(nisb, 5);
	EXPECT(task.flags, 0);
	EXPECT(nwarn, 0);
}

static void test_tables(void)
{
	uint64_t *pmd = table + 7;

	fresh();
	EXPECT(im->pte_alloc(&mm, VA, pmd), 0);
	EXPECT(nalloc, 1);
	EXPECT(*at(pmd) & 3, 3);
	EXPECT(*at(pmd) & HW_D_OA, 20u << HW_FRAME_SHIFT);
	EXPECT(*at(seen + (20u << HW_FRAME_SHIFT)), 0);
	EXPECT(ndmb, 1);
	steps_clear();
	im->pmd_clear(pmd);
	nalloc--; /* freeing is the caller's */
	EXPECT(*at(pmd), 0);
	EXPECT(nstore, 1);
	EXPECT(ntlbi, 0);
}

static void test_assertions(void)
{
	struct pt_env other;

	/* CONFIG_DEBUG_VM: overwriting a writable clean entry may lose the hardware's dirty bit. */
	fresh();
	im->set_ptes(&mm, VA, table, present(0, PT_WRITE | PT_YOUNG), 1);
	im->set_ptes(&mm, VA, table, present(1, PT_WRITE | PT_YOUNG), 1);
	EXPECT(nwarn >= 1, 1);
	/* The wrong granule is a BUG, not a silent misreading. */
	other = env;
	other.cont_bits++;
	last_warn = NULL;
	if (!setjmp(on_bug))
		im->reset(&other);
	EXPECT(last_warn != NULL, 1);
}

/* Random calls within the contract: every op leaves pfn and permissions of all other pages alone. */
static void test_random(void)
{
	uint64_t want[64] = {0}; /* seam value without A/D */
	uint64_t rng = 88172645463325252ull;
	unsigned n = C < 16 ? 4 * C : 4 * 16;

	fresh();
	folio[0].order = env.cont_bits + 2;
	env.nfolios = 1;
	im->reset(&env);
	for (unsigned step = 0; step < 20000; step++) {
		rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
		unsigned i = rng % n;
		unsigned nr = rng & 1024 ? C < n ? C : n : 1 + (rng >> 12) % 5;

		if (rng & 2048 && C < n)
			i = i / C * C;
		if (i + nr > n)
			nr = n - i;
		switch ((rng >> 16) % 3) {
		case 0:
			im->clear_full_ptes(&mm, va(i), table + i, nr, 0);
			im->set_ptes(&mm, va(i), table + i, present(i, PT_WRITE | PT_YOUNG), nr);
			for (unsigned k = i; k < i + nr; k++)
				want[k] = present(k, PT_WRITE);
			break;
		case 1:
			im->clear_full_ptes(&mm, va(i), table + i, nr, 0);
			memset(&want[i], 0, nr * sizeof(want[0]));
			break;
		default:
			for (nr = 0; i + nr < n && want[i + nr] && nr < C; nr++)
				want[i + nr] &= ~PT_WRITE;
			if (nr)
				im->wrprotect_ptes(&mm, va(i), table + i, nr);
		}
		for (unsigned k = 0; k < n; k++)
			if ((im->entry_read(raw(k)) & ~(PT_YOUNG | PT_DIRTY)) != want[k]) {
				EXPECT(im->entry_read(raw(k)), want[k]);
				step = ~0u - 1;
				break;
			}
	}
	env.nfolios = 4;
	passed++;
}

/* ---- bench: the same calls as notes on real kernels use, hooks included */

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define BENCH(name, n, body)                                                                                       \
	do {                                                                                                       \
		double t0 = now_ns();                                                                              \
		for (long b = 0; b < (n); b++) {                                                                   \
			body;                                                                                      \
		}                                                                                                  \
		printf("  %-44s %8.1f ns\n", name, (now_ns() - t0) / (n));                                         \
	} while (0)

static void bench(void)
{
	uint64_t v = present(0, PT_WRITE | PT_YOUNG);
	long n = 200000;

	printf("%s\n", im->name);
	fresh();
	BENCH("reset, same folios", n, im->reset(&env));
	BENCH("set_ptes(C) + get_and_clear_full_ptes(C)", n, im->set_ptes(&mm, VA, table, v, C);
	      im->get_and_clear_full_ptes(&mm, VA, table, C, 0));
	im->set_ptes(&mm, VA, table, v, C);
	BENCH("ptep_get, folded", n, im->ptep_get(VA, table));
	BENCH("ptep_get_lockless, folded", n, im->ptep_get_lockless(VA, table));
	BENCH("wrprotect_ptes(C)", n, im->wrprotect_ptes(&mm, VA, table, C));
	BENCH("ptep_test_and_clear_young, folded", n, im->ptep_test_and_clear_young(&mm, VA, table));
	im->clear_full_ptes(&mm, VA, table, C, 0);
	BENCH("set_ptes(1) + ptep_get_and_clear", n, im->set_ptes(&mm, VA, table, v, 1);
	      im->ptep_get_and_clear(&mm, VA, table));
	BENCH("fold on last, unfold on first, clear", n / 10,
	      for (unsigned i = 0; i < C; i++)
		      im->set_ptes(&mm, va(i), table + i, present(i, PT_WRITE | PT_YOUNG), 1);
	      im->ptep_get_and_clear(&mm, VA, table); im->clear_full_ptes(&mm, va(1), table + 1, C - 1, 0));
}

static bool load(const char *so)
{
	static const unsigned geo[HW_NGEO][4] = {
		[HW_GEO_SMALL] = {12, 4, 3, 2},
		[HW_GEO_4K] = {12, 9, 3, 4},
		[HW_GEO_16K] = {14, 11, 3, 7},
		[HW_GEO_64K] = {16, 13, 3, 5},
	};
	void *h = dlopen(so, RTLD_NOW | RTLD_LOCAL);
	struct hw_hooks old = stub;

	im = h ? dlsym(h, "pt_impl") : NULL;
	if (!im) {
		fprintf(stderr, "%s\n", dlerror());
		return false;
	}
	old.abi++;
	EXPECT(im->init(&old), -1);
	EXPECT(im->init(&stub), 0);
	for (unsigned g = 0; g < HW_NGEO; g++)
		if (im->geometries == 1u << g)
			env = (struct pt_env){geo[g][0], geo[g][1], geo[g][2], geo[g][3], &mm, &kernel, folio, 4};
	mm = (struct pt_mm){PT_MM_FIRST, ASID, seen};
	kernel = (struct pt_mm){PT_MM_KERNEL, 0, seen};
	C = 1u << env.cont_bits;
	P = 1ull << env.page_shift;
	table = (uint64_t *)(void *)(seen + (1u << HW_FRAME_SHIFT));
	return env.page_shift != 0;
}

int main(int argc, char **argv)
{
	bool timed = argc > 1 && !strcmp(argv[1], "--bench");

	if (argc < 2 + timed) {
		fprintf(stderr, "usage: linux_seam_test [--bench] SO...\n");
		return 64;
	}
	stub_map();
	for (int i = 1 + timed; i < argc; i++) {
		if (!load(argv[i]))
			return 65;
		if (timed) {
			bench();
			continue;
		}
		test_entry();
		test_set_folds();
		test_gather();
		test_partial_wrprotect();
		test_race_dirty();
		test_refold();
		test_access_flags();
		test_young();
		test_clear_flush();
		test_flush();
		test_protnone();
		test_kernel_entries();
		test_modify_prot();
		test_gather_flush();
		test_batched_unmap();
		test_young_batch();
		test_spurious();
		test_lazy();
		test_tables();
		test_assertions();
		test_random();
		printf("%s: %u passed, %u failed\n", im->name, passed, failed);
	}
	return failed != 0;
}
