// SPDX-License-Identifier: GPL-2.0-only
/*
 * strace logs as programs: what an arm64 kernel with large folios would do for these system calls.
 *
 * Property: each memory system call that succeeded appears as the page-table ops its kernel path would
 * issue, on pages that are congruent with the real ones modulo a contiguous block; the log holds no accesses, so
 * pages count as touched when they are mapped.
 *
 * A range of more than four blocks stands for itself by its first two and its last two blocks: those in
 * between are all alike.
 */
#include "import_priv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SHIFT 12
#define PIDS	   1024
#define MAX_VMAS   65536

/* A process or thread of the log. */
struct task {
	unsigned pid;
	struct imp_mm *mm;
	char *pending; /* the first half of an unfinished call */
};

struct strace {
	struct imp im;
	struct task task[PIDS];
	unsigned ntask;
	uint64_t next_mm;
};

struct call {
	struct task *t; /* process calls only */
	struct imp_mm *mm;
	const char *name;
	char *arg[IMP_NARGS];
	unsigned narg;
	int64_t ret;
};

struct part {
	uint64_t page;
	unsigned nr;
};

/* ---- the address space ---- */

static uint64_t up(uint64_t bytes)
{
	return (bytes + (1u << PAGE_SHIFT) - 1) >> PAGE_SHIFT;
}

const struct imp_vma *imp_vma_find(const struct imp_mm *mm, uint64_t page)
{
	for (unsigned i = 0; i < mm->nvma; i++)
		if (mm->vma[i].start <= page && page < mm->vma[i].end)
			return &mm->vma[i];
	return NULL;
}

void imp_vma_add(struct imp *im, struct imp_mm *mm, struct imp_vma v)
{
	if (v.start >= v.end || mm->nvma == MAX_VMAS)
		return;
	for (unsigned i = 0; i < mm->nvma; i++) {
		struct imp_vma *o = &mm->vma[i];

		if (o->fl != v.fl || o->anon != v.anon || (o->end != v.start && v.end != o->start))
			continue;
		o->start = o->start < v.start ? o->start : v.start;
		o->end = o->end > v.end ? o->end : v.end;
		return;
	}
	if (mm->nvma == mm->capvma) {
		const unsigned cap = mm->capvma ? 2 * mm->capvma : 64;
		struct imp_vma *n = realloc(mm->vma, cap * sizeof(*n));

		if (!n) {
			im->nomem = true;
			return;
		}
		mm->vma = n;
		mm->capvma = cap;
	}
	mm->vma[mm->nvma++] = v;
}

struct imp_vma imp_vma_cut(struct imp *im, struct imp_mm *mm, uint64_t s, uint64_t e)
{
	struct imp_vma was = {0};

	for (unsigned i = mm->nvma; i-- > 0;) {
		const struct imp_vma v = mm->vma[i];

		if (v.end <= s || e <= v.start)
			continue;
		was = v;
		mm->vma[i] = mm->vma[--mm->nvma];
		imp_vma_add(im, mm, (struct imp_vma){v.start, s, v.fl, v.anon});
		imp_vma_add(im, mm, (struct imp_vma){e, v.end, v.fl, v.anon});
	}
	return was;
}

/* The blocks that stand for [s, e), as at most two stretches. */
static unsigned range_parts(uint64_t s, uint64_t e, struct part *part)
{
	const uint64_t first = s / IMP_BLOCK, last = (e - 1) / IMP_BLOCK;

	if (s >= e)
		return 0;
	if (last - first < PROG_BLOCKS) {
		part[0] = (struct part){s, (unsigned)(e - s)};
		return 1;
	}
	part[0] = (struct part){s, (unsigned)((first + 2) * IMP_BLOCK - s)};
	part[1] = (struct part){(last - 1) * IMP_BLOCK, (unsigned)(e - (last - 1) * IMP_BLOCK)};
	return 2;
}

/*
 * What a fault puts on a page: a naturally aligned large folio where the area covers the whole block, single
 * unrelated frames in an area's small rest, a part of some larger folio in a longer rest.
 */
static void fill_page(const struct imp_mm *mm, struct imp_page *pg, uint64_t page, const struct imp_vma *v)
{
	const uint64_t b = page / IMP_BLOCK * IMP_BLOCK;
	const uint64_t s = v->start > b ? v->start : b, e = v->end < b + IMP_BLOCK ? v->end : b + IMP_BLOCK;
	const bool write = v->fl & IMP_W;

	pg->pfn = e - s > 2 ? page : (page << 6) | page % IMP_BLOCK;
	pg->fl = (uint8_t)(v->fl | IMP_Y | (write ? IMP_D : 0));
	if (mm->cow)
		pg->fl &= (uint8_t)~IMP_W;
}

/* The pages of the parts are present from now on, wherever an accessible area lies. */
static void populate(struct imp *im, struct imp_mm *mm, uint64_t s, uint64_t e)
{
	struct part part[2];
	const unsigned n = range_parts(s, e, part);

	for (unsigned i = 0; i < n; i++) {
		for (uint64_t p = part[i].page; p < part[i].page + part[i].nr; p++) {
			const struct imp_vma *v = imp_vma_find(mm, p);
			struct imp_block *b = imp_block_get(im, mm, p / IMP_BLOCK);

			if (b && v && v->fl & IMP_P && !(b->pg[p % IMP_BLOCK].fl & IMP_P))
				fill_page(mm, &b->pg[p % IMP_BLOCK], p, v);
		}
	}
}

/* Blocks of the range that no call has shown yet are filled: their program has used them by now. */
static void populate_new(struct imp *im, struct imp_mm *mm, uint64_t s, uint64_t e)
{
	struct part part[2];
	const unsigned n = mm->lazy ? 0 : range_parts(s, e, part);

	for (unsigned i = 0; i < n; i++) {
		const uint64_t end = (part[i].page + part[i].nr - 1) / IMP_BLOCK;

		for (uint64_t b = part[i].page / IMP_BLOCK; b <= end; b++)
			if (!imp_block_find(mm, b))
				populate(im, mm, b * IMP_BLOCK, (b + 1) * IMP_BLOCK);
	}
}

static void act(struct imp *im, struct imp_mm *mm, enum op_kind kind, uint64_t s, uint64_t e, uint8_t b)
{
	struct part part[2];
	const unsigned n = range_parts(s, e, part);

	for (unsigned i = 0; i < n; i++)
		imp_act(im, mm, kind, part[i].page, part[i].nr, b);
}

/* Pages of the range that the parts leave out vanish too. */
static void forget(struct imp_mm *mm, uint64_t s, uint64_t e)
{
	for (unsigned i = 0; i < IMP_HASH; i++)
		for (struct imp_block *b = mm->hash[i]; b; b = b->next)
			for (unsigned k = 0; k < IMP_BLOCK; k++)
				if (b->no * IMP_BLOCK + k >= s && b->no * IMP_BLOCK + k < e && !b->pg[k].live)
					b->pg[k].fl = 0;
}

static bool any_present(const struct imp_mm *mm, uint64_t s, uint64_t e)
{
	for (unsigned i = 0; i < IMP_HASH; i++)
		for (const struct imp_block *b = mm->hash[i]; b; b = b->next)
			for (unsigned k = 0; k < IMP_BLOCK; k++)
				if (b->no * IMP_BLOCK + k >= s && b->no * IMP_BLOCK + k < e && b->pg[k].fl)
					return true;
	return false;
}

/* ---- system calls ---- */

static uint64_t num(const struct call *c, unsigned i)
{
	return i < c->narg && strncmp(c->arg[i], "NULL", 4) ? strtoull(c->arg[i], NULL, 0) : 0;
}

static bool has(const struct call *c, unsigned i, const char *word)
{
	return i < c->narg && strstr(c->arg[i], word);
}

static uint8_t prot_flags(const struct call *c, unsigned i)
{
	const bool w = has(c, i, "PROT_WRITE"), x = has(c, i, "PROT_EXEC");

	return (uint8_t)((w || x || has(c, i, "PROT_READ") ? IMP_P : 0) | (w ? IMP_W : 0) | (x ? IMP_X : 0));
}

/* Unmaps by `kind`. */
static void unmap_by(struct imp *im, struct imp_mm *mm, enum op_kind kind, uint64_t s, uint64_t e)
{
	const struct imp_vma *v = imp_vma_find(mm, s);
	const uint8_t arg = kind == OP_zap && v && !v->anon;

	if (any_present(mm, s, e))
		act(im, mm, kind, s, e, arg);
	for (unsigned i = 0; i < PROG_BLOCKS; i++) { /* what the program shows of the range's middle */
		const uint64_t b = mm->slot[i] ? mm->slot[i]->no * IMP_BLOCK : e;

		if (b > s && b + IMP_BLOCK <= e)
			imp_act(im, mm, kind, b, IMP_BLOCK, arg);
	}
	forget(mm, s, e);
}

/* In passing: the batched removal in its two shapes, by turns. */
static void unmap(struct imp *im, struct imp_mm *mm, uint64_t s, uint64_t e)
{
	unmap_by(im, mm, im->st->lines & 1 ? OP_get_and_clear_full_ptes : OP_clear_full_ptes, s, e);
}

static void fault_in(struct imp *im, struct imp_mm *mm, uint64_t s, uint64_t e)
{
	struct part part[2];
	const unsigned n = range_parts(s, e, part);

	if (mm->lazy)
		return;
	populate(im, mm, s, e);
	for (unsigned i = 0; i < n; i++) {
		imp_show(im, mm, part[i].page, part[i].nr);
		imp_act(im, mm, OP_touch, i ? part[i].page + part[i].nr - 1 : part[i].page, 1, 1);
	}
}

static void map(struct imp *im, struct imp_mm *mm, struct imp_vma v)
{
	unmap(im, mm, v.start, v.end); /* MAP_FIXED over something; usually nothing is there */
	imp_vma_cut(im, mm, v.start, v.end);
	imp_vma_add(im, mm, v);
	if (v.fl & IMP_W && v.anon)
		fault_in(im, mm, v.start, v.end);
}

static void sys_mmap(struct imp *im, const struct call *c)
{
	const uint64_t s = (uint64_t)c->ret >> PAGE_SHIFT;
	const bool anon = has(c, 3, "MAP_ANON");

	map(im, c->mm, (struct imp_vma){s, s + up(num(c, 1)), prot_flags(c, 2), anon});
}

static void sys_munmap(struct imp *im, const struct call *c)
{
	const uint64_t s = num(c, 0) >> PAGE_SHIFT, e = s + up(num(c, 1));

	populate_new(im, c->mm, s, e);
	unmap_by(im, c->mm, OP_zap, s, e);
	imp_vma_cut(im, c->mm, s, e);
	/* free_pgtables(): a table of which nothing is left. */
	if (e - s >= IMP_BLOCK && imp_block_find(c->mm, s / IMP_BLOCK) &&
	    imp_block_find(c->mm, s / IMP_BLOCK)->slot >= 0)
		imp_act(im, c->mm, OP_free_table, s, 1, 0);
}

static void sys_brk(struct imp *im, const struct call *c)
{
	struct imp_mm *mm = c->mm;
	const uint64_t new = up((uint64_t)c->ret), old = mm->brk ? mm->brk : new;

	if (new > old) {
		map(im, mm, (struct imp_vma){old, new, IMP_P | IMP_W, true});
	} else if (new < old) {
		unmap(im, mm, new, old);
		imp_vma_cut(im, mm, new, old);
	}
	mm->brk = new;
}

/* Gained write permission: the first pages of each part are written. What mprotect left read-only, since it may be
 * shared, is upgraded by the fault. */
static void upgrade(struct imp *im, struct imp_mm *mm, uint64_t s, uint64_t e)
{
	struct part part[2];
	const unsigned n = mm->lazy ? 0 : range_parts(s, e, part);

	for (unsigned i = 0; i < n; i++) {
		if (im->st->lines & 1)
			imp_act(im, mm, OP_ptep_set_access_flags, part[i].page, part[i].nr > 1 ? 2 : 1, 7);
		imp_act(im, mm, OP_touch, part[i].page, 1, 1);
	}
}

static void sys_mprotect(struct imp *im, const struct call *c)
{
	struct imp_mm *mm = c->mm;
	const uint64_t s = num(c, 0) >> PAGE_SHIFT, e = s + up(num(c, 1));
	const uint8_t fl = prot_flags(c, 2);
	struct imp_vma was;

	populate_new(im, mm, s, e);
	was = imp_vma_cut(im, mm, s, e);
	imp_vma_add(im, mm, (struct imp_vma){s, e, fl, was.anon});
	/* Where writes come to be allowed in a trace of accesses, the next one takes the fault. */
	if (!mm->lazy || !(fl & IMP_W) || !(was.fl & IMP_P))
		act(im, mm, OP_mprotect, s, e,
		    (uint8_t)(!(fl & IMP_P) ? 4 : (fl & IMP_W ? 1 : 0) | (fl & IMP_X ? 2 : 0)));
	if (fl & IMP_W && !(was.fl & IMP_P) && was.anon)
		fault_in(im, mm, s, e);
	else if (fl & IMP_W && !(was.fl & IMP_W))
		upgrade(im, mm, s, e);
}

/* Swapped out; the first page comes back. */
static void page_out(struct imp *im, struct imp_mm *mm, uint64_t s, uint64_t e)
{
	const unsigned nr = e - s < 2 ? 1 : 2;

	imp_show(im, mm, s, nr);
	imp_act(im, mm, OP_swap_out, s, nr, im->st->lines & 1 ? 2 : 0);
	imp_swap_in(im, mm, s);
}

static void sys_madvise(struct imp *im, const struct call *c)
{
	struct imp_mm *mm = c->mm;
	const uint64_t s = num(c, 0) >> PAGE_SHIFT, e = s + up(num(c, 1));
	const bool free_ = has(c, 2, "MADV_FREE"), cold = has(c, 2, "MADV_COLD"), out = has(c, 2, "MADV_PAGEOUT");

	if (!free_ && !cold && !out && !has(c, 2, "MADV_DONTNEED"))
		return;
	populate_new(im, mm, s, e);
	if (free_) {
		act(im, mm, OP_madvise_free, s, e, 0);
	} else if (cold) {
		act(im, mm, OP_madvise_cold, s, e, 0);
	} else if (out) {
		page_out(im, mm, s, e);
	} else {
		unmap_by(im, mm, OP_zap, s, e);
	}
}

/* Moves one stretch of pages that exist: cleared here, set there, same frames. */
static void move_pages(struct imp *im, struct imp_mm *mm, uint64_t from, uint64_t to, unsigned nr,
		       enum op_kind kind)
{
	struct imp_page was[IMP_BLOCK];

	if (kind != OP_ptep_get_and_clear && imp_move(im, mm, from, to, nr))
		return;
	for (unsigned i = 0; i < nr; i++) {
		const struct imp_page *pg = imp_page_find(mm, from + i);

		was[i] = pg ? *pg : (struct imp_page){0};
	}
	imp_act(im, mm, kind, from, nr, 0);
	for (unsigned i = 0; i < nr; i++)
		if (was[i].fl & IMP_P)
			imp_set(im, mm, to + i, 1, was[i].pfn, was[i].fl);
	imp_show(im, mm, to, nr);
}

/* move_ptes(): page by page for the first few of each part, then in one batch a block. */
static void move_part(struct imp *im, struct imp_mm *mm, struct part p, int64_t by)
{
	for (unsigned i = 0, n; i < p.nr; i += n) {
		const uint64_t from = p.page + i;
		const unsigned room = IMP_BLOCK - (unsigned)((from + (uint64_t)by) % IMP_BLOCK);

		n = i < 3 ? 1 : IMP_BLOCK - (unsigned)(from % IMP_BLOCK);
		if (n > p.nr - i)
			n = p.nr - i;
		n = n < room ? n : room;
		move_pages(im, mm, from, (uint64_t)((int64_t)from + by), n,
			   n == 1 ? OP_ptep_get_and_clear : OP_get_and_clear_full_ptes);
	}
}

static void sys_mremap(struct imp *im, const struct call *c)
{
	struct imp_mm *mm = c->mm;
	const uint64_t s = num(c, 0) >> PAGE_SHIFT, e = s + up(num(c, 1)), to = (uint64_t)c->ret >> PAGE_SHIFT;
	const uint64_t n = up(num(c, 2)), keep = n < e - s ? n : e - s;
	struct part part[2];
	struct imp_vma was;

	populate_new(im, mm, s, e);
	if (s + keep < e)
		unmap(im, mm, s + keep, e);
	was = imp_vma_cut(im, mm, s, e);
	imp_vma_cut(im, mm, to, to + n);
	imp_vma_add(im, mm, (struct imp_vma){to, to + n, was.fl, was.anon});
	if (to != s) {
		const unsigned k = range_parts(s, s + keep, part);

		for (unsigned i = 0; i < k; i++)
			move_part(im, mm, part[i], (int64_t)to - (int64_t)s);
		forget(mm, s, e);
	}
	if (was.fl & IMP_W && was.anon && n > keep)
		fault_in(im, mm, to + keep, to + n);
}

/* ---- processes ---- */

static struct task *task_find(struct strace *x, unsigned pid)
{
	for (unsigned i = 0; i < x->ntask; i++)
		if (x->task[i].pid == pid)
			return &x->task[i];
	return NULL;
}

static void task_drop(struct strace *x, struct task *t)
{
	free(t->pending);
	*t = x->task[--x->ntask];
}

/* A child begins: in its parent's address space, or in a copy of it whose pages are write-protected. */
static void inherit(struct strace *x, struct task *t, struct imp_mm *from, const char *how)
{
	struct imp_mm *mm = t->mm;

	if (strstr(how, "CLONE_VM") || !strncmp(how, "vfork", 5)) {
		t->mm = from;
		if (!strstr(how, "CLONE_THREAD"))
			from->users++; /* vfork: until exec or exit */
		return;
	}
	for (unsigned i = 0; i < from->nvma; i++)
		imp_vma_add(&x->im, mm, from->vma[i]);
	mm->brk = from->brk;
	mm->cow = true;
	mm->parent = from;
	memcpy(mm->comm, from->comm, sizeof(mm->comm));
}

static bool forks(const char *call)
{
	return !strncmp(call, "clone", 5) || !strncmp(call, "fork", 4) || !strncmp(call, "vfork", 5);
}

/* A new task takes after the one whose fork is unfinished, if there is one: children often speak first. */
static struct task *task_get(struct strace *x, unsigned pid)
{
	struct task *t = task_find(x, pid);
	unsigned n = x->ntask;

	if (t)
		return t;
	if (n == PIDS) {
		task_drop(x, &x->task[0]);
		n--;
	}
	t = &x->task[n];
	*t = (struct task){.pid = pid, .mm = imp_mm_get(&x->im, ++x->next_mm)};
	if (!t->mm)
		return NULL;
	x->ntask++;
	t->mm->users = 1;
	t->mm->cpu = n & 1;
	for (unsigned i = 0; i < n; i++)
		if (x->task[i].pending && forks(x->task[i].pending)) {
			inherit(x, t, x->task[i].mm, x->task[i].pending);
			break;
		}
	return t;
}

void imp_name(struct imp_mm *mm, const char *path)
{
	const char *s = strrchr(path, '/');
	size_t n = 0;

	s = s ? s + 1 : path + (*path == '"');
	for (; s[n] && s[n] != '"' && n < sizeof(mm->comm) - 1; n++)
		mm->comm[n] = isgraph((unsigned char)s[n]) ? s[n] : '?';
	mm->comm[n] = '\0';
}

/* A forked child ends, or begins another program. */
static void leave_parent(struct strace *x, struct imp_mm *mm)
{
	if (mm->parent)
		imp_child_exit(&x->im, mm->parent);
	mm->parent = NULL;
}

static void sys_execve(struct strace *x, const struct call *c)
{
	struct imp_mm *mm = c->t->mm;

	if (mm->users > 1) { /* a vfork child leaves its parent's address space */
		mm->users--;
		mm = c->t->mm = imp_mm_get(&x->im, ++x->next_mm);
		if (!mm)
			return;
		mm->users = 1;
	}
	imp_mm_clear(&x->im, mm);
	leave_parent(x, mm);
	mm->nvma = 0;
	mm->brk = 0;
	mm->cow = false;
	mm->cpu = x->next_mm & 1;
	if (c->narg)
		imp_name(mm, c->arg[0]);
}

/* Something to show at fork or exit: what the program has bound, or else the first writable areas. */
static unsigned pick_blocks(struct imp *im, struct imp_mm *mm, uint64_t *no)
{
	unsigned n = 0;

	for (unsigned s = 0; s < PROG_BLOCKS; s++)
		if (mm->slot[s])
			no[n++] = mm->slot[s]->no;
	for (unsigned i = 0; n < 2 && i < mm->nvma; i++) {
		if (!(mm->vma[i].fl & IMP_W))
			continue;
		no[n++] = mm->vma[i].start / IMP_BLOCK;
		populate_new(im, mm, mm->vma[i].start, mm->vma[i].start + 1);
	}
	return n;
}

/* fork: the writable pages of both become read-only, then both write again. */
void imp_protect_for_copy(struct imp *im, struct imp_mm *mm)
{
	uint64_t no[PROG_BLOCKS];
	unsigned n;

	if (mm->p.n > 10) /* room for what the two do */
		imp_cut(im, mm);
	n = pick_blocks(im, mm, no);
	for (unsigned i = 0; i < n; i++)
		imp_show(im, mm, no[i] * IMP_BLOCK, IMP_BLOCK);
	imp_fork(im, mm);
}

static void sys_clone(struct strace *x, const struct call *c)
{
	const bool vfork = !strcmp(c->name, "vfork"), vm = has(c, 0, "CLONE_VM") || has(c, 1, "CLONE_VM");
	const bool thread = has(c, 0, "CLONE_THREAD") || has(c, 1, "CLONE_THREAD");
	struct imp_mm *mm = c->t->mm;
	struct task *t;

	if (!vm && !vfork)
		imp_protect_for_copy(&x->im, mm);
	if (task_find(x, (unsigned)c->ret))
		return;
	t = task_get(x, (unsigned)c->ret);
	if (t)
		inherit(x, t, mm, thread ? "CLONE_VM|CLONE_THREAD" : vm ? "CLONE_VM" : c->name);
}

/* exit_mmap() tears everything down with full=1. */
void imp_exit(struct imp *im, struct imp_mm *mm)
{
	uint64_t no[PROG_BLOCKS];
	const unsigned n = pick_blocks(im, mm, no);

	for (unsigned i = 0; i < 2 * n; i++) /* twice: showing may have cut the program */
		imp_show(im, mm, no[i % n] * IMP_BLOCK, IMP_BLOCK);
	if (n > 1) /* one block goes entry by entry, as in kernels without the batch */
		imp_act(im, mm, OP_ptep_get_and_clear_full, no[1] * IMP_BLOCK, IMP_BLOCK, 2);
	for (unsigned i = 0; i < n; i++)
		imp_act(im, mm, OP_get_and_clear_full_ptes, no[i] * IMP_BLOCK, IMP_BLOCK, 2);
	imp_mm_clear(im, mm);
	mm->nvma = 0;
}

static void sys_exit_group(struct strace *x, const struct call *c)
{
	struct imp_mm *mm = c->t->mm;

	if (mm->users > 1) { /* a vfork child that did not exec */
		mm->users--;
		return;
	}
	imp_exit(&x->im, mm);
	leave_parent(x, mm);
}

/* ---- lines ---- */

typedef void (*handler)(struct imp *im, const struct call *c);

static bool run_memory(struct imp *im, const struct call *c)
{
	static const struct {
		const char *name;
		handler fn;
	} tab[] = {{"mmap", sys_mmap},	       {"mmap2", sys_mmap},	 {"munmap", sys_munmap}, {"brk", sys_brk},
		   {"mprotect", sys_mprotect}, {"madvise", sys_madvise}, {"mremap", sys_mremap}};

	for (unsigned i = 0; i < sizeof(tab) / sizeof(*tab); i++) {
		if (strcmp(c->name, tab[i].name))
			continue;
		tab[i].fn(im, c);
		imp_border(im, c->mm);
		return true;
	}
	return false;
}

bool imp_memory_call(struct imp *im, struct imp_mm *mm, const char *name, char *const *arg, unsigned narg,
		     int64_t ret)
{
	struct call c = {.mm = mm, .name = name, .ret = ret};

	for (; c.narg < narg && c.narg < IMP_NARGS; c.narg++)
		c.arg[c.narg] = arg[c.narg];
	return run_memory(im, &c);
}

static void run_call(struct strace *x, const struct call *c)
{
	const char *n = c->name;

	if (!strcmp(n, "exit_group")) {
		sys_exit_group(x, c);
	} else if (c->ret < 0 && c->ret > -4096) { /* a failed call (an address may look negative: vsyscall) */
		x->im.st->noted++;
		return;
	} else if (!strcmp(n, "execve") || !strcmp(n, "execveat")) {
		sys_execve(x, c);
	} else if (!strcmp(n, "clone") || !strcmp(n, "clone3") || !strcmp(n, "fork") || !strcmp(n, "vfork")) {
		if (c->ret > 0)
			sys_clone(x, c);
	} else if (!run_memory(&x->im, c)) {
		x->im.st->noted++;
		return;
	}
	x->im.st->used++;
}

/* Splits "a, {b, c}, "d"" at the top level, in place. Returns the place after the closing parenthesis. */
static char *split_args(char *s, struct call *c)
{
	unsigned depth = 0;
	bool quoted = false;

	c->narg = 0;
	c->arg[c->narg++] = s;
	for (; *s; s++) {
		if (*s == '"')
			quoted = !quoted;
		else if (*s == '\\' && quoted && s[1])
			s++;
		if (quoted)
			continue;
		if (*s == ')' && !depth) {
			*s = '\0';
			return s + 1;
		}
		if (strchr("([{", *s))
			depth++;
		else if (strchr(")]}", *s) && depth)
			depth--;
		if (*s != ',' || depth || c->narg == IMP_NARGS)
			continue;
		*s = '\0';
		c->arg[c->narg++] = s + 1 + (s[1] == ' ');
	}
	return NULL;
}

static bool is_name(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '_')
			return false;
	return n && !isdigit((unsigned char)s[0]);
}

/* "mmap(NULL, ...) = 0x7f..." */
static void parse_call(struct strace *x, struct task *t, char *s)
{
	struct call c = {.t = t, .mm = t->mm, .name = s};
	char *p = strchr(s, '(');

	if (!p || !is_name(s, (size_t)(p - s))) {
		imp_skip(&x->im);
		return;
	}
	*p = '\0';
	s = split_args(p + 1, &c);
	s = s ? strstr(s, "= ") : NULL;
	if (!s) {
		*p = '(';
		imp_skip(&x->im);
		return;
	}
	c.ret = s[2] == '?' ? 0 : s[2] == '-' ? strtoll(s + 2, NULL, 0) : (int64_t)strtoull(s + 2, NULL, 0);
	run_call(x, &c);
}

/* "<... mmap resumed>NULL, 4096) = 0x7f..": the second half of a call */
static void resume_call(struct strace *x, struct task *t, char *s)
{
	char *rest = strstr(s, "resumed>");
	char both[2 * sizeof(x->im.line)];

	if (!rest || !t->pending) {
		imp_skip(&x->im);
		return;
	}
	snprintf(both, sizeof(both), "%s%s", t->pending, rest + 8);
	free(t->pending);
	t->pending = NULL;
	parse_call(x, t, both);
}

/* Skips "[pid 12] ", "12 ", and a time stamp in any of strace's forms. */
static char *skip_prefix(char *s, unsigned *pid)
{
	char *e;

	*pid = 0;
	s += strspn(s, " \t");
	if (!strncmp(s, "[pid", 4)) {
		*pid = (unsigned)strtoul(s + 4, &e, 10);
		s = *e == ']' ? e + 1 : s;
	} else {
		const unsigned long v = strtoul(s, &e, 10);

		if (e > s && *e == ' ') {
			*pid = (unsigned)v;
			s = e;
		}
	}
	s += strspn(s, " \t");
	if (isdigit((unsigned char)*s)) {
		s += strspn(s, "0123456789:.");
		s += strspn(s, " \t");
	}
	return s;
}

static void parse_line(struct strace *x, char *s)
{
	struct task *t;
	unsigned pid;
	char *cut;

	s = skip_prefix(s, &pid);
	if (!strncmp(s, "+++", 3) && (t = task_find(x, pid)))
		task_drop(x, t);
	if (!strncmp(s, "---", 3) || !strncmp(s, "+++", 3) || !strncmp(s, "strace:", 7) || !*s) {
		x->im.st->noted++;
		return;
	}
	t = task_get(x, pid);
	if (!t)
		return; /* out of memory: imp_close tells */
	cut = strstr(s, " <unfinished ...>");
	if (cut) {
		*cut = '\0';
		free(t->pending);
		t->pending = strdup(s);
		x->im.st->noted++;
	} else if (!strncmp(s, "<... ", 5)) {
		resume_call(x, t, s);
	} else {
		parse_call(x, t, s);
	}
}

int import_strace(const char *path, const char *outdir, struct import_stats *st, char *err, size_t errcap)
{
	struct strace *x = calloc(1, sizeof(*x));
	char *s;
	int ret;

	if (!x) {
		snprintf(err, errcap, "%s: out of memory; nothing was read", path);
		return -1;
	}
	ret = imp_open(&x->im, "strace", path, outdir, st, err, errcap);
	if (!ret) {
		while ((s = imp_getline(&x->im)))
			parse_line(x, s);
		ret = imp_close(&x->im, "record with: strace -f -e trace=memory,process -o FILE COMMAND");
	}
	for (unsigned i = 0; i < x->ntask; i++)
		free(x->task[i].pending);
	free(x);
	return ret;
}
