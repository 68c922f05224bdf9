// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory traces of valgrind's lackey as programs: faults, A/D bits and ageing where the accesses ask for them.
 *
 * Property: an access becomes an op or event only when it changes its page's entry (it faults, or hardware sets
 * access flag or dirty), so memory grows with the pages of the trace, not with its length.
 *
 * The trace must hold the system calls too (--trace-syscalls=yes): they tell what is mapped where. What was mapped
 * before the first of them (program, loader, stack) is learnt a block at a time from the first access. Every AGE
 * accesses the pages of the window are aged, as reclaim does, so that the pattern of accesses shows again.
 */
#include "import_priv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SHIFT 12
#define CACHE	   4096	      /* pages whose accesses are known to bring no news */
#define AGE	   (1u << 17) /* accesses between two scans of the accessed bits */
#define AFTER_MAX  3	      /* events behind one op */

enum { READ = 1, WRITE = 2, EXEC = 4 };

struct lackey {
	struct imp im;
	struct imp_mm *mm;
	struct {
		uint64_t page;
		uint32_t gen;
		uint8_t seen;
	} cache[CACHE];
	uint32_t gen; /* a system call or a scan makes all that was seen news again */
	unsigned since_age, scans;
	unsigned pid; /* of the first call: children of a fork are not traced */
};

/* ---- faults ---- */

/* An order-0 frame of its own, congruent with the page. `turn` makes it differ from what was there. */
static uint64_t lone_frame(uint64_t page, unsigned turn)
{
	return (uint64_t)(turn + 1) << 40 | page << 6 | page % IMP_BLOCK;
}

static bool absent(const struct imp_mm *mm, uint64_t page, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		const struct imp_page *pg = imp_page_find(mm, page + i);

		if (pg && pg->fl & IMP_P)
			return false;
	}
	return true;
}

/* alloc_anon_folio(): the largest order whose naturally aligned range lies in the area and is empty. */
static void fault_anon(struct lackey *x, struct imp_vma v, uint64_t page)
{
	for (unsigned nr = IMP_BLOCK;; nr = nr > 4 ? nr / 2 : 1) {
		const uint64_t s = page - page % nr;

		if (nr > 1 && (s < v.start || s + nr > v.end || !absent(x->mm, s, nr)))
			continue;
		imp_set(&x->im, x->mm, s, nr, s << 6 | s % IMP_BLOCK, v.fl | IMP_Y | IMP_D);
		return;
	}
}

/*
 * do_fault_around(): what the page cache has of the block. Odd blocks lie in one folio, even ones in two, of which
 * the one without the page is mapped old (arch_wants_old_prefaulted_pte).
 */
static void fault_around(struct lackey *x, struct imp_vma v, uint64_t page)
{
	const uint64_t b = page - page % IMP_BLOCK;
	const unsigned nr = b / IMP_BLOCK & 1 ? IMP_BLOCK : IMP_BLOCK / 2;

	for (uint64_t p = b; p < b + IMP_BLOCK; p++) {
		const uint64_t folio = p - p % nr;
		const bool young = folio == page - page % nr;

		if (p < v.start || p >= v.end || !absent(x->mm, p, 1))
			continue;
		imp_set(&x->im, x->mm, p, 1, folio << 6 | p % IMP_BLOCK,
			(uint8_t)((v.fl & ~IMP_W) | (young ? IMP_Y : 0)));
	}
}

static void touch(struct lackey *x, uint64_t page, bool write)
{
	struct imp_page *pg = imp_page_find(x->mm, page);

	imp_act(&x->im, x->mm, OP_touch, page, 1, write);
	if (pg)
		pg->fl |= (uint8_t)(IMP_Y | (write ? IMP_D : 0));
}

static void fault_missing(struct lackey *x, struct imp_vma v, uint64_t page, bool write)
{
	if (v.anon && write)
		fault_anon(x, v, page);
	else if (v.anon) /* the zero page */
		imp_set(&x->im, x->mm, page, 1, lone_frame(page, 0), (uint8_t)((v.fl & ~IMP_W) | IMP_Y | IMP_S));
	else if (write)
		imp_set(&x->im, x->mm, page, 1, lone_frame(page, 0), v.fl | IMP_Y | IMP_D);
	else
		fault_around(x, v, page);
	touch(x, page, write);
}

/* do_wp_page(): zero page, file page and, by turns, what a fork shares are copied; the rest is made writable. */
static void fault_write(struct lackey *x, struct imp_vma v, struct imp_page *pg, uint64_t page)
{
	if (pg->fl & IMP_S || !v.anon || (pg->fl & IMP_C && page & 1)) {
		imp_act(&x->im, x->mm, OP_ptep_clear_flush, page, 1, 0);
		imp_set(&x->im, x->mm, page, 1, lone_frame(page, 1 + x->gen), v.fl | IMP_Y | IMP_D);
	} else {
		imp_act(&x->im, x->mm, OP_ptep_set_access_flags, page, 1, 7);
		pg->fl &= (uint8_t)~IMP_C;
	}
	touch(x, page, true);
}

/* ---- accesses ---- */

/* An access happened, so the area allows it: what no call told is learnt, at most a block at a time. */
static struct imp_vma learn(struct lackey *x, uint64_t page, unsigned how)
{
	const struct imp_vma *v = imp_vma_find(x->mm, page);
	const uint8_t need = (uint8_t)(IMP_P | (how & WRITE ? IMP_W : 0) | (how & EXEC ? IMP_X : 0));
	uint64_t s = page - page % IMP_BLOCK, e = s + IMP_BLOCK;
	struct imp_vma was = {0};

	if (v && (v->fl & need) == need)
		return *v;
	if (v) {
		was = *v;
		s = s > v->start ? s : v->start;
		e = e < v->end ? e : v->end;
		imp_vma_cut(&x->im, x->mm, s, e);
	} else {
		while (s < page && imp_vma_find(x->mm, s))
			s++;
		for (uint64_t p = page + 1; p < e; p++)
			if (imp_vma_find(x->mm, p))
				e = p;
		was.anon = how & WRITE;
	}
	was = (struct imp_vma){s, e, was.fl | need, was.anon};
	imp_vma_add(&x->im, x->mm, was);
	return was;
}

/* Hardware sets a bit: an event of the other CPU behind the op that has just been, or an access of this one. */
static void set_bits(struct lackey *x, struct imp_page *pg, uint64_t page, bool write)
{
	const struct prog *p = &x->mm->p;
	unsigned after = 0;

	while (after < p->n && p->r[p->n - 1 - after].is_event)
		after++;
	if (after < AFTER_MAX && imp_event(&x->im, x->mm, write ? EV_write : EV_read, page))
		pg->fl |= (uint8_t)(IMP_Y | (write ? IMP_D : 0));
	else
		touch(x, page, write);
}

/* False when the entry stays as it is. */
static bool news(struct lackey *x, uint64_t page, unsigned how)
{
	const struct imp_vma v = learn(x, page, how);
	const bool write = how & WRITE;
	struct imp_page *pg = imp_page_find(x->mm, page);

	if (!pg || !(pg->fl & IMP_P))
		fault_missing(x, v, page, write);
	else if (write && !(pg->fl & IMP_W))
		fault_write(x, v, pg, page);
	else if (!(pg->fl & IMP_Y) || (write && !(pg->fl & IMP_D)))
		set_bits(x, pg, page, write);
	else
		return false;
	return true;
}

static bool access_page(struct lackey *x, uint64_t page, unsigned how)
{
	const unsigned i = page % CACHE;

	if (x->cache[i].page == page && x->cache[i].gen == x->gen && (x->cache[i].seen & how) == how)
		return false;
	if (x->cache[i].page != page || x->cache[i].gen != x->gen)
		x->cache[i].seen = 0;
	x->cache[i].page = page;
	x->cache[i].gen = x->gen;
	x->cache[i].seen |= (uint8_t)how;
	return news(x, page, how);
}

/* ---- ageing ---- */

/* Ages what the window shows of one block: the first two and the last entry of each folio. */
static void age_block(struct lackey *x, struct imp_block *b, enum op_kind kind)
{
	for (unsigned i = 0, n; i < IMP_BLOCK; i += n) {
		const struct imp_page *pg = &b->pg[i];

		for (n = 1; pg->live && i + n < IMP_BLOCK && pg[n].live && pg[n].folio == pg->folio;)
			n++;
		if (!pg->live || b->slot < 0)
			continue;
		for (unsigned k = 0; k < n; k++)
			if (k < 2 || k == n - 1)
				imp_act(&x->im, x->mm, kind, b->no * IMP_BLOCK + i + k, 1, 0);
		if (n == IMP_BLOCK) /* folded: one op ages it all */
			for (unsigned k = 0; k < IMP_BLOCK; k++)
				b->pg[k].fl &= (uint8_t)~IMP_Y;
	}
}

static void age(struct lackey *x)
{
	const enum op_kind kind = x->scans++ & 1 ? OP_ptep_clear_flush_young : OP_ptep_test_and_clear_young;
	struct imp_mm *mm = x->mm;

	for (unsigned s = 0; s < PROG_BLOCKS; s++)
		if (mm->slot[s])
			age_block(x, mm->slot[s], kind);
	for (unsigned i = 0; i < IMP_HASH; i++)
		for (struct imp_block *b = mm->hash[i]; b; b = b->next)
			for (unsigned k = 0; k < IMP_BLOCK; k++)
				if (!b->pg[k].live)
					b->pg[k].fl &= (uint8_t)~IMP_Y;
	x->since_age = 0;
	x->gen++;
}

/* ---- system calls: "SYSCALL[12,1](9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> [pre-success] Success(0x4835000)" */

static char *prot_word(const char *arg)
{
	static char words[8][48];
	const unsigned v = (unsigned)strtoul(arg, NULL, 0) & 7;

	snprintf(words[v], sizeof(words[v]), "PROT_NONE%s%s%s", v & 1 ? "|PROT_READ" : "",
		 v & 2 ? "|PROT_WRITE" : "", v & 4 ? "|PROT_EXEC" : "");
	return words[v];
}

/* Numbers to the words that strace prints; only those that the importer asks for. */
static void name_args(const char *name, char **arg, unsigned narg)
{
	static char anon[] = "MAP_ANONYMOUS", none[] = "0", dont[] = "MADV_DONTNEED", freed[] = "MADV_FREE",
		    cold[] = "MADV_COLD", out[] = "MADV_PAGEOUT";
	const bool map = !strncmp(name, "mmap", 4);

	if (narg > 2 && !strcmp(name, "madvise")) {
		const unsigned long v = strtoul(arg[2], NULL, 0);

		arg[2] = v == 4 ? dont : v == 8 ? freed : v == 20 ? cold : v == 21 ? out : none;
	}
	if (narg > 2 && (map || !strcmp(name, "mprotect")))
		arg[2] = prot_word(arg[2]);
	if (narg > 3 && map)
		arg[3] = strtoul(arg[3], NULL, 0) & 0x20 ? anon : none; /* MAP_ANONYMOUS: so nearly everywhere */
}

static unsigned split_args(char *s, char **arg)
{
	unsigned n = 0;

	for (char *t = strtok(s, ", ()"); t && n < IMP_NARGS; t = strtok(NULL, ", ()"))
		arg[n++] = t;
	return n;
}

/* What a fork's parent has is shared: writable pages lose that, and the next write is a fault. */
static void fork_parent(struct lackey *x)
{
	imp_protect_for_copy(&x->im, x->mm);
	for (unsigned i = 0; i < IMP_HASH; i++)
		for (struct imp_block *b = x->mm->hash[i]; b; b = b->next)
			for (unsigned k = 0; k < IMP_BLOCK; k++)
				if (b->pg[k].fl & IMP_P && (!b->pg[k].live || !(b->pg[k].fl & IMP_W)))
					b->pg[k].fl = (uint8_t)((b->pg[k].fl & ~IMP_W) | IMP_C);
}

static bool memory_call(struct lackey *x, const char *name, char *args, const char *result)
{
	static const char *const names[] = {"mmap", "mmap2", "munmap", "brk", "mprotect", "madvise", "mremap"};
	char *arg[IMP_NARGS];

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(name, names[i]))
			continue;
		const int64_t ret = (int64_t)strtoull(result, NULL, 0);
		const unsigned n = split_args(args, arg);

		name_args(name, arg, n);
		return imp_memory_call(&x->im, x->mm, name, arg, n, ret);
	}
	return false;
}

static bool run_call(struct lackey *x, const char *name, char *args, const char *rest)
{
	const char *ok = strstr(rest, "Success(");

	if (!strcmp(name, "exit_group")) {
		imp_exit(&x->im, x->mm);
		return true;
	}
	if (strstr(rest, "created child") && strstr(rest, "fork")) {
		fork_parent(x);
		return true;
	}
	if (!ok && (strcmp(name, "madvise") || !strstr(rest, "[async]"))) /* that one is done when it begins */
		return false;
	return memory_call(x, name, args, ok ? ok + 8 : "0");
}

/* False: not understood. */
static bool parse_call(struct lackey *x, char *s)
{
	unsigned pid, tid;
	int n = 0;
	char *name, *args, *end;

	if (sscanf(s, "SYSCALL[%u,%u](%*[ 0-9])%n", &pid, &tid, &n) != 2 || !n)
		return false;
	if (!x->pid)
		x->pid = pid;
	name = s + n + strspn(s + n, " ");
	if (!strncmp(name, "...", 3) || pid != x->pid) {
		x->im.st->noted++;
		return true;
	}
	name += strncmp(name, "sys_", 4) ? 0 : 4;
	args = strchr(name, '(');
	end = args ? strrchr(args, ')') : NULL;
	if (!args)
		return false;
	if (strstr(args, " )"))
		end = strstr(args, " )");
	name[strcspn(name, " (")] = '\0';
	if (end)
		*end++ = '\0';
	x->mm->cpu = (tid + 1) & 1;
	if (run_call(x, name, args + 1, end ? end : "")) {
		x->im.st->used++;
		x->gen++;
	} else {
		x->im.st->noted++;
	}
	return true;
}

/* ---- lines ---- */

/* " S 1ffefffe7c,8" */
static bool parse_access(struct lackey *x, const char *s)
{
	const unsigned how = s[0] == 'I'		  ? EXEC | READ
			     : s[1] == 'L'		  ? READ
			     : s[1] == 'S' || s[1] == 'M' ? READ | WRITE
							  : 0;
	uint64_t at = 0, size = 0;
	bool changed;

	if (!how || (s[0] != 'I' && s[0] != ' ') || s[2 - (s[0] == 'I')] != ' ')
		return false;
	for (s += 2; *s == ' '; s++)
		;
	if (!isxdigit((unsigned char)*s))
		return false;
	for (; isxdigit((unsigned char)*s); s++)
		at = at << 4 | (unsigned)(*s <= '9' ? *s - '0' : (*s | 32) - 'a' + 10);
	if (*s++ != ',')
		return false;
	for (; isdigit((unsigned char)*s) && size < 4096; s++)
		size = size * 10 + (unsigned)(*s - '0');
	if (!size || *s || at > UINT64_MAX >> 8)
		return false;
	changed = access_page(x, at >> PAGE_SHIFT, how);
	if ((at + size - 1) >> PAGE_SHIFT != at >> PAGE_SHIFT)
		changed |= access_page(x, (at + size - 1) >> PAGE_SHIFT, how);
	if (changed)
		x->im.st->used++;
	else
		x->im.st->noted++;
	if (++x->since_age >= AGE)
		age(x);
	return true;
}

static bool parse_line(struct lackey *x, char *s)
{
	const char *command;

	if ((s[0] == 'I' || s[0] == ' ') && parse_access(x, s))
		return true;
	if (!strncmp(s, "SYSCALL[", 8))
		return parse_call(x, s);
	if (*s && strncmp(s, "==", 2) && strncmp(s, "--", 2) && strncmp(s, " --> ", 5))
		return false;
	command = strstr(s, "== Command: ");
	if (command) {
		s[strcspn(s + (command + 12 - s), " ") + (size_t)(command + 12 - s)] = '\0';
		imp_name(x->mm, command + 12);
	}
	x->im.st->noted++;
	return true;
}

int import_lackey(const char *path, const char *outdir, struct import_stats *st, char *err, size_t errcap)
{
	struct lackey *x = calloc(1, sizeof(*x));
	char *s;
	int ret;

	if (!x) {
		snprintf(err, errcap, "%s: out of memory; nothing was read", path);
		return -1;
	}
	ret = imp_open(&x->im, "lackey", path, outdir, st, err, errcap);
	if (!ret) {
		x->gen = 1;
		x->mm = imp_mm_get(&x->im, 1);
		if (x->mm)
			x->mm->lazy = true;
		while (x->mm && (s = imp_getline(&x->im)))
			if (!parse_line(x, s))
				imp_skip(&x->im);
		ret = imp_close(&x->im, "record with: ptdiff record --accesses -o DIR -- COMMAND");
	}
	free(x);
	return ret;
}
