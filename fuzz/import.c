// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the importers share: input, the picture of the address spaces, the window, the choice and the files.
 *
 * Property: an op acts on pages that its program mapped before, in batches of one folio and one table; the
 * files written are the shortest prefix of a greedy cover: each shows something that no earlier one shows.
 */
#include "import_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hw/hw.h"

#define KEEP_MAX     64 /* files an import writes at most */
#define PROG_OPS_MAX 24 /* a program is cut before an op that would begin beyond this */
#define PROG_OPS_END 12 /* ... and at a border from here on */
#define PROG_OPS_MIN 4	/* shorter ones are not kept */
#define FEATURES     65536

struct imp_cand {
	uint8_t *bytes; /* encoded program */
	size_t size;
	unsigned long first, last;
	char comm[32], phase[32];
	uint8_t drawn; /* chosen */
	unsigned nfeat;
	uint16_t feat[3 * PROG_MAX_RECS];
};

/* ---- input ---- */

volatile sig_atomic_t import_fd = -1;

int import_make_dir(const char *path)
{
	char buf[4096];
	struct stat sb;

	if (strlen(path) >= sizeof(buf)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(buf, path);
	for (char *s = buf + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		(void)mkdir(buf, 0777); /* the last one tells */
		*s = '/';
	}
	if (mkdir(buf, 0777) && errno != EEXIST)
		return -1;
	if (stat(buf, &sb))
		return -1;
	errno = ENOTDIR;
	return S_ISDIR(sb.st_mode) ? 0 : -1;
}

/* "traces/sort.strace.gz" -> "sort" */
static void base_name(struct imp *im)
{
	static const char *const drop[] = {".gz", ".txt", ".log", ".strace", ".trace", ".ftrace", ".lackey"};
	const char *s = strrchr(im->path, '/');
	size_t n;

	im->file = !strcmp(im->path, "-") ? "stdin" : s ? s + 1 : im->path;
	snprintf(im->base, sizeof(im->base), "%s", im->file);
	n = strlen(im->base);
	for (unsigned i = 0; i < 2 * sizeof(drop) / sizeof(*drop); i++) {
		const char *d = drop[i % (sizeof(drop) / sizeof(*drop))];
		const size_t k = strlen(d);

		if (n > k && !strcmp(im->base + n - k, d))
			im->base[n -= k] = '\0';
	}
}

/* A FIFO by its descriptor, so that its reader can be told to stop. */
static gzFile open_input(const char *path)
{
	struct stat sb;
	gzFile in;

	if (!strcmp(path, "-"))
		return gzdopen(dup(STDIN_FILENO), "rb");
	if (stat(path, &sb) || !S_ISFIFO(sb.st_mode))
		return gzopen(path, "rb");
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	in = fd < 0 ? NULL : gzdopen(fd, "rb");
	if (in)
		import_fd = fd;
	else if (fd >= 0)
		close(fd);
	return in;
}

int imp_open(struct imp *im, const char *kind, const char *path, const char *outdir, struct import_stats *st,
	     char *err, size_t errcap)
{
	memset(im, 0, sizeof(*im));
	memset(st, 0, sizeof(*st));
	im->st = st;
	im->kind = kind;
	im->path = path;
	im->outdir = outdir;
	im->err = err;
	im->errcap = errcap;
	im->update = HW_UPD_AF_DIRTY;
	err[0] = '\0';
	base_name(im);
	errno = 0;
	im->in = open_input(path);
	if (!im->in) {
		snprintf(err, errcap, "%s: cannot open: %s; give the name of a readable trace", path,
			 strerror(errno));
		return -1;
	}
	if (import_make_dir(outdir)) {
		snprintf(err, errcap, "%s: cannot create the output folder: %s; choose another with -o", outdir,
			 strerror(errno));
		import_fd = -1;
		gzclose(im->in);
		return -1;
	}
	(void)gzbuffer(im->in, 1u << 17);
	return 0;
}

char *imp_getline(struct imp *im)
{
	size_t n;

	if (im->nomem || !gzgets(im->in, im->line, sizeof(im->line)))
		return NULL;
	im->st->lines++;
	n = strlen(im->line);
	if (n && im->line[n - 1] == '\n') {
		im->line[n - 1] = '\0';
	} else {
		int c;

		do
			c = gzgetc(im->in);
		while (c >= 0 && c != '\n');
	}
	return im->line;
}

void imp_skip(struct imp *im)
{
	char *d = im->st->sample;

	if (im->st->skipped++ || d[0])
		return;
	for (const char *s = im->line; *s && d < im->st->sample + sizeof(im->st->sample) - 1; s++)
		*d++ = *s >= ' ' && *s < 0x7f ? *s : '?';
	*d = '\0';
}

/* ---- the picture ---- */

struct imp_mm *imp_mm_get(struct imp *im, uint64_t id)
{
	struct imp_mm *mm;

	for (mm = im->mms; mm; mm = mm->next)
		if (mm->id == id)
			return mm;
	mm = calloc(1, sizeof(*mm));
	if (!mm) {
		im->nomem = true;
		return NULL;
	}
	mm->id = id;
	mm->next = im->mms;
	im->mms = mm;
	return mm;
}

static unsigned block_hash(uint64_t no)
{
	return (unsigned)((no * 0x9e3779b97f4a7c15ull) >> 56) % IMP_HASH;
}

struct imp_block *imp_block_find(const struct imp_mm *mm, uint64_t no)
{
	struct imp_block *b = mm->hash[block_hash(no)];

	while (b && b->no != no)
		b = b->next;
	return b;
}

struct imp_block *imp_block_get(struct imp *im, struct imp_mm *mm, uint64_t no)
{
	struct imp_block *b = imp_block_find(mm, no);

	if (b)
		return b;
	b = calloc(1, sizeof(*b));
	if (!b) {
		im->nomem = true;
		return NULL;
	}
	b->no = no;
	b->slot = -1;
	b->next = mm->hash[block_hash(no)];
	mm->hash[block_hash(no)] = b;
	return b;
}

struct imp_page *imp_page_find(const struct imp_mm *mm, uint64_t page)
{
	struct imp_block *b = imp_block_find(mm, page / IMP_BLOCK);

	return b ? &b->pg[page % IMP_BLOCK] : NULL;
}

void imp_mm_clear(struct imp *im, struct imp_mm *mm)
{
	imp_cut(im, mm);
	for (unsigned i = 0; i < IMP_HASH; i++) {
		while (mm->hash[i]) {
			struct imp_block *b = mm->hash[i];

			mm->hash[i] = b->next;
			free(b);
		}
	}
}

void imp_assume(struct imp *im, struct imp_mm *mm, uint64_t page, unsigned nr, uint64_t pfn, uint8_t fl)
{
	for (unsigned i = 0; i < nr; i++) {
		struct imp_block *b = imp_block_get(im, mm, (page + i) / IMP_BLOCK);
		struct imp_page *pg;

		if (!b)
			return;
		pg = &b->pg[(page + i) % IMP_BLOCK];
		if (pg->fl & IMP_P)
			continue;
		pg->fl = (uint8_t)(fl | IMP_P);
		pg->pfn = pfn + i;
	}
}

void imp_set(struct imp *im, struct imp_mm *mm, uint64_t page, unsigned nr, uint64_t pfn, uint8_t fl)
{
	for (unsigned i = 0; i < nr; i++) {
		const struct imp_page *pg = imp_page_find(mm, page + i);

		if (pg && pg->live) /* the trace did not show who removed it */
			imp_act(im, mm, OP_clear_full_ptes, page + i, nr - i, 0);
	}
	for (unsigned i = 0; i < nr; i++) {
		struct imp_page *pg = imp_page_find(mm, page + i);

		if (pg)
			pg->fl = 0;
	}
	imp_assume(im, mm, page, nr, pfn, fl);
}

/* ---- finished programs ---- */

static void feature(struct imp *im, struct imp_cand *c, unsigned a, unsigned b, unsigned d, bool *fresh)
{
	const uint64_t h = ((uint64_t)a << 40 ^ (uint64_t)b << 20 ^ d) * 0x9e3779b97f4a7c15ull;
	const uint16_t f = (uint16_t)(h >> 48);

	for (unsigned i = 0; i < c->nfeat; i++)
		if (c->feat[i] == f)
			return;
	c->feat[c->nfeat++] = f;
	if (!(im->seen[f / 8] >> f % 8 & 1))
		*fresh = true;
	im->seen[f / 8] |= (uint8_t)(1u << f % 8);
}

/* Where a batch lies in its block: that decides what folds and unfolds. */
static unsigned rec_shape(const struct rec *r)
{
	if (r->off + r->nr > IMP_BLOCK)
		return 5;
	if (r->nr == IMP_BLOCK)
		return 4;
	return (r->off == 0) * 1u + (r->off + r->nr == IMP_BLOCK) * 2u;
}

/* What a program shows: each op with its shape and flags, and what came before it on its block (2 deep). */
static bool find_features(struct imp *im, struct imp_cand *c, const struct prog *p)
{
	unsigned prev[PROG_BLOCKS] = {0}, prev2[PROG_BLOCKS] = {0};
	bool fresh = false;

	for (unsigned i = 0; i < p->n; i++) {
		const struct rec *r = &p->r[i];
		const unsigned k = (r->kind + 1u + (r->is_event ? 64u : 0)) * 8 + rec_shape(r);

		feature(im, c, k, r->a, r->b, &fresh);
		feature(im, c, k, prev[r->block], 0x10000, &fresh);
		feature(im, c, k, prev[r->block], 0x20000 | prev2[r->block], &fresh);
		prev2[r->block] = prev[r->block];
		prev[r->block] = k;
	}
	return fresh;
}

/* Personalities follow from the place in the trace: seeds should not all run on the same machine. */
static void fill_header(const struct imp *im, const struct imp_mm *mm, struct prog *p)
{
	const unsigned v = (unsigned)mm->first;

	p->h.geo = HW_GEO_4K;
	p->h.ncpu = 2;
	p->h.update = p->h.update_odd = im->update;
	p->h.ttl = p->h.tlbirange = v & 1;
	p->h.drain = (uint8_t)(v / 2 % HW_NDRAIN);
	p->h.xlate = (uint8_t)(v / 6 % HW_NXLATE);
	p->h.pick = (uint8_t)(v / 24 % HW_NPICK);
	p->h.salt = v;
	prog_normalize(p);
}

static void keep_program(struct imp *im, struct imp_mm *mm)
{
	struct imp_cand *c;

	if (im->ncand == im->capcand) {
		const unsigned cap = im->capcand ? im->capcand * 2 : 64;

		c = realloc(im->cand, cap * sizeof(*c));
		if (!c) {
			im->nomem = true;
			return;
		}
		im->cand = c;
		im->capcand = cap;
	}
	c = &im->cand[im->ncand];
	memset(c, 0, sizeof(*c));
	fill_header(im, mm, &mm->p);
	if (!find_features(im, c, &mm->p)) {
		im->st->dropped++;
		return;
	}
	c->bytes = malloc(PROG_MAX_BYTES);
	if (!c->bytes) {
		im->nomem = true;
		return;
	}
	c->size = prog_encode(&mm->p, c->bytes);
	c->first = mm->first;
	c->last = mm->last;
	snprintf(c->comm, sizeof(c->comm), "%s", mm->comm);
	snprintf(c->phase, sizeof(c->phase), "%s", im->phase);
	im->ncand++;
}

/* A program that only maps and touches proves little. */
static bool worth_keeping(const struct prog *p)
{
	unsigned other = 0;

	for (unsigned i = 0; i < p->n; i++)
		other += !p->r[i].is_event && p->r[i].kind != OP_set_ptes && p->r[i].kind != OP_touch;
	return p->n >= PROG_OPS_MIN && other;
}

void imp_cut(struct imp *im, struct imp_mm *mm)
{
	if (worth_keeping(&mm->p))
		keep_program(im, mm);
	for (unsigned s = 0; s < PROG_BLOCKS; s++) {
		struct imp_block *b = mm->slot[s];

		if (!b)
			continue;
		for (unsigned i = 0; i < IMP_BLOCK; i++)
			b->pg[i].live = b->pg[i].kept = false;
		b->slot = -1;
		mm->slot[s] = NULL;
	}
	memset(&mm->p, 0, sizeof(mm->p));
	mm->call = 0;
	mm->torn = mm->forked = mm->child_runs = false;
}

void imp_border(struct imp *im, struct imp_mm *mm)
{
	if (mm->p.n >= PROG_OPS_END)
		imp_cut(im, mm);
}

/* ---- the window ---- */

/* A system call on a range: it makes its batches itself. */
static bool is_range(unsigned kind)
{
	return kind == OP_zap || kind == OP_mprotect || kind == OP_madvise_cold || kind == OP_madvise_free ||
	       kind == OP_swap_out;
}

/* A batch that continues the record before it into the next block of the same table is one batch. */
static bool extend_rec(struct imp_mm *mm, const struct rec *r)
{
	struct rec *l = mm->p.n > mm->call ? &mm->p.r[mm->p.n - 1] : NULL;
	const struct imp_page *to, *from;

	if (!l || l->is_event || l->kind != r->kind || l->a != r->a || l->b != r->b || l->cpu != r->cpu)
		return false;
	if (r->off || l->block & 1 || l->block + 1 != r->block || l->off + l->nr != IMP_BLOCK)
		return false;
	if (is_range(r->kind)) {
		l->nr = (uint16_t)(l->nr + r->nr);
		return true;
	}
	from = &mm->slot[l->block]->pg[IMP_BLOCK - 1];
	to = &mm->slot[r->block]->pg[0];
	if (from->folio != to->folio || from->shift != to->shift || (to->folio != 2 && to->folio < 9))
		return false;
	l->nr = (uint16_t)(l->nr + r->nr);
	return true;
}

static void emit(struct imp *im, struct imp_mm *mm, struct rec r)
{
	struct prog *p = &mm->p;

	if (!p->n)
		mm->first = im->st->lines;
	mm->last = im->st->lines;
	mm->used[r.block] = p->n;
	if (!(op_descs[r.kind].args & A_NR))
		r.nr = 1;
	r.cpu = mm->cpu;
	if (op_descs[r.kind].args & A_NR && extend_rec(mm, &r))
		return;
	if (p->n < PROG_MAX_RECS)
		p->r[p->n++] = r;
}

/*
 * The folio that shows a run with its real alignment (prog.h and docs/import.md list the folios). A run that
 * is congruent with its VA goes to a folio of about its size; any other to the order 9 folio, shifted.
 */
static void pick_folio(const struct imp_block *b, unsigned off, unsigned nr, struct imp_page *pg)
{
	static const uint8_t whole[PROG_BLOCKS] = {0, 1, 2, 2}, quarter[4] = {3, 9, 4, 10};
	const unsigned mis = (unsigned)(pg->pfn - off) % IMP_BLOCK;

	pg->shift = 0;
	if (mis) {
		pg->folio = 10;
		pg->shift = (uint8_t)(mis & 3 ? mis & 3 : 2);
	} else if (nr == IMP_BLOCK) {
		pg->folio = whole[b->slot];
	} else if (nr == 8 && off % 8 == 0) {
		pg->folio = off ? 4 : 3;
	} else if (nr == 4 && off % 4 == 0) {
		pg->folio = quarter[off / 4];
	} else if (nr == 2 && off % 2 == 0) {
		pg->folio = 11;
	} else if (nr == 1) {
		pg->folio = (uint8_t)(5 + off % 4);
	} else {
		pg->folio = 9;
	}
}

/* Maps what is present in the bound block and not yet mapped: runs of consecutive frames and equal flags. */
static void map_block(struct imp *im, struct imp_mm *mm, struct imp_block *b)
{
	for (unsigned i = 0, n; i < IMP_BLOCK; i += n) {
		struct imp_page *pg = &b->pg[i];

		n = 1;
		if (!(pg->fl & IMP_P) || pg->live || pg->fl & IMP_N)
			continue;
		while (!pg->kept && i + n < IMP_BLOCK && pg[n].fl == pg->fl && !pg[n].live && !pg[n].kept &&
		       pg[n].pfn == pg->pfn + n)
			n++;
		if (!pg->kept)
			pick_folio(b, i, n, pg);
		for (unsigned k = 0; k < n; k++) {
			pg[k].folio = pg->folio;
			pg[k].shift = pg->shift;
			pg[k].live = true;
			pg[k].kept = false;
		}
		emit(im, mm,
		     (struct rec){.kind = OP_set_ptes,
				  .block = (uint8_t)b->slot,
				  .off = (uint8_t)i,
				  .nr = (uint16_t)n,
				  .a = (uint8_t)(pg->folio | pg->shift << 4),
				  .b = pg->fl & IMP_FLAGS});
	}
}

static bool any_live(const struct imp_block *b)
{
	for (unsigned i = 0; i < IMP_BLOCK; i++)
		if (b->pg[i].live)
			return true;
	return false;
}

/* ---- ops ---- */

static bool op_removes(enum op_kind kind)
{
	return kind == OP_ptep_get_and_clear || kind == OP_ptep_get_and_clear_full ||
	       kind == OP_get_and_clear_full_ptes || kind == OP_clear_full_ptes || kind == OP_ptep_clear_flush ||
	       kind == OP_zap || kind == OP_swap_out;
}

/* Removals that take noflush and full. */
static bool op_takes_full(enum op_kind kind)
{
	return op_removes(kind) && kind != OP_ptep_clear_flush && kind != OP_zap && kind != OP_swap_out;
}

/* What the op does to the picture. */
static void change_page(struct imp_page *pg, enum op_kind kind, uint8_t b)
{
	if (op_removes(kind)) {
		pg->fl = 0;
		pg->live = false;
		pg->kept = b & 1 && op_takes_full(kind);
	} else if (kind == OP_mprotect) {
		pg->fl &= (uint8_t) ~(IMP_W | IMP_X | IMP_N);
		pg->fl |= (uint8_t)(b & 4 ? IMP_N : (b & 1 ? IMP_W : 0) | (b & 2 ? IMP_X : 0));
	} else if (kind == OP_madvise_free) {
		pg->fl &= (uint8_t) ~(IMP_Y | IMP_D);
	} else if (kind == OP_madvise_cold) {
		pg->fl &= (uint8_t)~IMP_Y;
	} else if (kind == OP_wrprotect_ptes) {
		pg->fl &= (uint8_t)~IMP_W;
	} else if (kind == OP_ptep_set_access_flags) {
		pg->fl |= b & (IMP_W | IMP_Y | IMP_D);
	} else if (kind == OP_clear_young_dirty_ptes) {
		pg->fl &= (uint8_t) ~((b & 1 ? IMP_Y : 0) | (b & 2 ? IMP_D : 0));
	} else if (kind == OP_ptep_test_and_clear_young || kind == OP_ptep_clear_flush_young) {
		pg->fl &= (uint8_t)~IMP_Y;
	}
}

/* Applies the op to what is mapped of [off, end) of a bound block: a record a folio. */
static void act_block(struct imp *im, struct imp_mm *mm, enum op_kind kind, struct imp_block *b, unsigned off,
		      unsigned end, uint8_t arg)
{
	const bool batch = op_descs[kind].args & A_NR;

	if (kind == OP_free_table && !any_live(b) && !(mm->slot[b->slot ^ 1] && any_live(mm->slot[b->slot ^ 1])))
		emit(im, mm, (struct rec){.kind = kind, .block = (uint8_t)b->slot});
	if (kind == OP_set_marker) {
		if (!b->pg[off].live)
			emit(im, mm,
			     (struct rec){.kind = kind, .block = (uint8_t)b->slot, .off = (uint8_t)off, .a = arg});
		return;
	}
	for (unsigned n; off < end; off += n) {
		struct imp_page *pg = &b->pg[off];

		n = 1;
		if (!pg->live)
			continue;
		while (batch && off + n < end && pg[n].live &&
		       (is_range(kind) || (pg[n].folio == pg->folio && pg[n].shift == pg->shift)))
			n++;
		emit(im, mm,
		     (struct rec){.kind = kind,
				  .block = (uint8_t)b->slot,
				  .off = (uint8_t)off,
				  .nr = (uint16_t)n,
				  .b = arg});
		for (unsigned k = 0; k < n; k++)
			change_page(&pg[k], kind, arg);
	}
}

bool imp_event(struct imp *im, struct imp_mm *mm, enum ev_kind kind, uint64_t page)
{
	const struct imp_block *b = imp_block_find(mm, page / IMP_BLOCK);
	struct prog *p = &mm->p;

	if (!b || b->slot < 0 || !b->pg[page % IMP_BLOCK].live || mm->torn || !p->n || p->n >= PROG_OPS_MAX)
		return false;
	mm->last = im->st->lines;
	mm->used[b->slot] = p->n;
	p->r[p->n++] = (struct rec){.is_event = 1,
				    .kind = (uint8_t)kind,
				    .cpu = mm->cpu ^ 1,
				    .anchor = HW_C_OTHER,
				    .block = (uint8_t)b->slot,
				    .off = (uint8_t)(page % IMP_BLOCK),
				    .nr = 1};
	return true;
}

/* Takes a block out of its slot: the program unmaps what it still maps there, the traced process does not. */
static void unbind(struct imp *im, struct imp_mm *mm, unsigned s)
{
	struct imp_block *b = mm->slot[s];
	uint8_t fl[IMP_BLOCK];

	for (unsigned i = 0; i < IMP_BLOCK; i++)
		fl[i] = b->pg[i].fl;
	mm->call = mm->p.n;
	act_block(im, mm, OP_clear_full_ptes, b, 0, IMP_BLOCK, mm->torn ? 2 : 0);
	for (unsigned i = 0; i < IMP_BLOCK; i++)
		b->pg[i].fl = fl[i];
	for (unsigned i = 0; i < IMP_BLOCK; i++)
		b->pg[i].kept = false;
	b->slot = -1;
	mm->slot[s] = NULL;
}

/*
 * A slot for the block: the one of its address if it can be had, so that neighbours stay neighbours, else a
 * free one, else the least recently used one. `fixed` is bound in the same call and stays.
 */
static unsigned find_slot(struct imp_mm *mm, uint64_t no, const struct imp_block *fixed)
{
	const unsigned want = no % PROG_BLOCKS;
	unsigned lru = want;

	if (!mm->slot[want] || !any_live(mm->slot[want]))
		return want;
	for (unsigned s = 0; s < PROG_BLOCKS; s++)
		if (!mm->slot[s])
			return s;
	for (unsigned s = 0; s < PROG_BLOCKS; s++)
		if (mm->slot[s] != fixed && (mm->slot[lru] == fixed || mm->used[s] < mm->used[lru]))
			lru = s;
	return lru;
}

static struct imp_block *bind(struct imp *im, struct imp_mm *mm, uint64_t no, const struct imp_block *fixed)
{
	struct imp_block *b = imp_block_get(im, mm, no);

	if (!b)
		return NULL;
	if (b->slot < 0) {
		unsigned s = find_slot(mm, no, fixed);

		if (mm->slot[s] && any_live(mm->slot[s]) && mm->p.n >= PROG_OPS_END && !fixed) {
			imp_cut(im, mm);
			s = find_slot(mm, no, fixed);
		}
		if (mm->slot[s])
			unbind(im, mm, s);
		mm->slot[s] = b;
		b->slot = (int)s;
	}
	map_block(im, mm, b);
	return b;
}

/* After a full=1 teardown the address space has no users: only more teardown may follow. */
static bool after_teardown(enum op_kind kind, uint8_t b)
{
	return op_takes_full(kind) && b & 2;
}

static void act_pair(struct imp *im, struct imp_mm *mm, enum op_kind kind, uint64_t page, unsigned nr, uint8_t b)
{
	const unsigned off = (unsigned)(page % IMP_BLOCK), end = off + nr;
	struct imp_block *lo, *hi = NULL;

	mm->call = mm->p.n;
	lo = bind(im, mm, page / IMP_BLOCK, NULL);
	if (lo && end > IMP_BLOCK)
		hi = bind(im, mm, page / IMP_BLOCK + 1, lo);
	if (!lo || (end > IMP_BLOCK && !hi) || kind == OP_NKINDS)
		return;
	mm->call = mm->p.n;
	act_block(im, mm, kind, lo, off, end < IMP_BLOCK ? end : IMP_BLOCK, b);
	if (hi)
		act_block(im, mm, kind, hi, 0, end - IMP_BLOCK, b);
	if (after_teardown(kind, b))
		mm->torn = true;
}

void imp_act(struct imp *im, struct imp_mm *mm, enum op_kind kind, uint64_t page, unsigned nr, uint8_t b)
{
	while (nr) {
		const unsigned room = 2 * IMP_BLOCK - (unsigned)(page % (2 * IMP_BLOCK));
		const unsigned n = nr < room ? nr : room;

		const bool tears = kind != OP_NKINDS && after_teardown(kind, b);

		if (mm->torn ? !tears : mm->p.n >= PROG_OPS_MAX - 4 && kind != OP_NKINDS && !tears)
			imp_cut(im, mm);
		act_pair(im, mm, kind, page, n, b);
		page += n;
		nr -= n;
	}
}

void imp_show(struct imp *im, struct imp_mm *mm, uint64_t page, unsigned nr)
{
	imp_act(im, mm, OP_NKINDS, page, nr, 0);
}

/* ---- callers that are more than an op on a range ---- */

static bool can_move(const struct imp_page *from, const struct imp_page *to, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (!from[i].live || to[i].live || to[i].fl & IMP_P)
			return false;
	return true;
}

bool imp_move(struct imp *im, struct imp_mm *mm, uint64_t from, uint64_t to, unsigned nr)
{
	const unsigned off = (unsigned)(from % IMP_BLOCK), toff = (unsigned)(to % IMP_BLOCK);
	struct imp_block *a, *b;

	if (off + nr > IMP_BLOCK || toff + nr > IMP_BLOCK || from / IMP_BLOCK == to / IMP_BLOCK)
		return false;
	if (mm->torn || mm->p.n >= PROG_OPS_MAX - 4)
		imp_cut(im, mm);
	mm->call = mm->p.n;
	a = bind(im, mm, from / IMP_BLOCK, NULL);
	b = a ? bind(im, mm, to / IMP_BLOCK, a) : NULL;
	if (!b || a->slot < 0 || !can_move(a->pg + off, b->pg + toff, nr))
		return false;
	mm->call = mm->p.n;
	emit(im, mm,
	     (struct rec){.kind = OP_mremap,
			  .block = (uint8_t)a->slot,
			  .off = (uint8_t)off,
			  .nr = (uint16_t)nr,
			  .a = (uint8_t)b->slot,
			  .b = (uint8_t)toff});
	for (unsigned i = 0; i < nr; i++) {
		b->pg[toff + i] = a->pg[off + i];
		a->pg[off + i] = (struct imp_page){0};
	}
	return true;
}

void imp_swap_in(struct imp *im, struct imp_mm *mm, uint64_t page)
{
	const struct imp_vma *v = imp_vma_find(mm, page);
	struct imp_block *b = imp_block_find(mm, page / IMP_BLOCK);
	const unsigned off = (unsigned)(page % IMP_BLOCK);
	struct imp_page *pg;

	if (!b || b->slot < 0 || b->pg[off].live || !v)
		return;
	pg = &b->pg[off];
	*pg = (struct imp_page){.pfn = page << 6 | off, .fl = (uint8_t)(v->fl | IMP_Y), .live = true};
	pg->folio = (uint8_t)(5 + off % 4);
	mm->call = mm->p.n;
	emit(im, mm,
	     (struct rec){.kind = OP_swap_in,
			  .block = (uint8_t)b->slot,
			  .off = (uint8_t)off,
			  .nr = 1,
			  .a = pg->folio,
			  .b = pg->fl & IMP_W});
}

/* An op on no page. */
static void emit_plain(struct imp *im, struct imp_mm *mm, enum op_kind kind, bool other, uint8_t a, uint8_t b)
{
	const uint8_t cpu = mm->cpu;

	mm->cpu ^= other;
	emit(im, mm, (struct rec){.kind = (uint8_t)kind, .nr = 1, .a = a, .b = b});
	mm->cpu = cpu;
}

/* A write to the page after a fork, by the parent or, on the other CPU, by the child. */
static void write_shared(struct imp *im, struct imp_mm *mm, struct imp_block *b, unsigned off, bool child,
			 bool reuse)
{
	struct imp_page *pg = &b->pg[off];
	const uint8_t cpu = mm->cpu, folio = (uint8_t)(5 + off % 4);

	mm->cpu ^= child;
	mm->call = mm->p.n;
	emit(im, mm,
	     (struct rec){.kind = OP_cow,
			  .block = (uint8_t)b->slot,
			  .off = (uint8_t)off,
			  .nr = 1,
			  .a = folio,
			  .b = reuse});
	mm->cpu = cpu;
	if (child)
		return;
	pg->fl |= IMP_W | IMP_Y | IMP_D;
	if (reuse)
		return;
	pg->folio = folio;
	pg->shift = 0;
	pg->pfn = (b->no * IMP_BLOCK + off) << 6 | off;
}

static struct imp_block *forked_block(struct imp_mm *mm, unsigned *off, unsigned *n)
{
	struct imp_block *hit = NULL;

	*n = 0;
	for (unsigned s = 0; s < PROG_BLOCKS; s++)
		for (unsigned i = 0; mm->slot[s] && i < IMP_BLOCK; i++) {
			struct imp_page *pg = &mm->slot[s]->pg[i];

			if (!pg->live || !(pg->fl & IMP_W))
				continue;
			pg->fl &= (uint8_t)~IMP_W;
			if (pg->fl & (IMP_S | IMP_N) || *n == 2 || (hit && hit != mm->slot[s]))
				continue;
			hit = mm->slot[s];
			off[(*n)++] = i;
		}
	return hit;
}

void imp_fork(struct imp *im, struct imp_mm *mm)
{
	unsigned off[2], n;
	struct imp_block *b;

	if (mm->torn || mm->p.n + 8 > PROG_OPS_MAX)
		return;
	if (mm->forked) /* a program has one child at a time */
		imp_child_exit(im, mm);
	emit_plain(im, mm, OP_fork, false, 0, 0);
	mm->forked = true;
	b = forked_block(mm, off, &n);
	if (!b || mm->lazy) /* a trace of accesses tells who writes what */
		return;
	emit_plain(im, mm, OP_switch, true, 1, 0);
	mm->child_runs = true;
	write_shared(im, mm, b, off[0], true, false);
	if (n == 2)
		write_shared(im, mm, b, off[1], false, false);
	write_shared(im, mm, b, off[0], false, true);
}

void imp_child_exit(struct imp *im, struct imp_mm *parent)
{
	if (!parent->forked || parent->torn || parent->p.n + 2 > PROG_MAX_RECS)
		return;
	parent->call = parent->p.n;
	emit_plain(im, parent, OP_exit, true, 0, im->st->lines & 1);
	if (parent->child_runs)
		emit_plain(im, parent, OP_switch, true, 0, 0);
	parent->forked = parent->child_runs = false;
}

/* ---- the files ---- */

static unsigned gain(const struct imp_cand *c, const uint8_t *have)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->nfeat; i++)
		n += !(have[c->feat[i] / 8] >> c->feat[i] % 8 & 1);
	return n;
}

static struct imp_cand *draw(struct imp *im, uint8_t *have)
{
	struct imp_cand *best = NULL;
	unsigned top = 0;

	for (unsigned i = 0; i < im->ncand; i++) {
		const unsigned g = im->cand[i].drawn ? 0 : gain(&im->cand[i], have);

		if (g > top) {
			top = g;
			best = &im->cand[i];
		}
	}
	for (unsigned i = 0; best && i < best->nfeat; i++)
		have[best->feat[i] / 8] |= (uint8_t)(1u << best->feat[i] % 8);
	if (best)
		best->drawn = 1;
	return best;
}

/* The comment goes below the first line: that one makes a file text whatever its name is. */
static int print_with_note(const struct imp *im, const struct imp_cand *c, const struct prog *p, FILE *f)
{
	char *text = NULL;
	const char *rest;
	size_t n = 0;
	FILE *m = open_memstream(&text, &n);

	if (!m)
		return -1;
	prog_print(p, m);
	if (fclose(m)) {
		free(text);
		return -1;
	}
	rest = strchr(text, '\n');
	rest = rest ? rest + 1 : text + n;
	fwrite(text, 1, (size_t)(rest - text), f);
	fprintf(f, "# %s%s%s%s%s, lines %lu-%lu of %s\n", im->kind, c->comm[0] ? " of " : "", c->comm,
		c->phase[0] ? ", phase " : "", c->phase, c->first, c->last, im->file);
	fputs(rest, f);
	free(text);
	return ferror(f) ? -1 : 0;
}

static int write_file(struct imp *im, const struct imp_cand *c, unsigned no)
{
	struct prog p;
	char name[4096];
	FILE *f;
	int bad, e;

	prog_decode(&p, c->bytes, c->size);
	bad = snprintf(name, sizeof(name), "%s/%s-%03u.pt", im->outdir, im->base, no) >= (int)sizeof(name);
	errno = ENAMETOOLONG;
	f = bad ? NULL : fopen(name, "w");
	bad = !f || print_with_note(im, c, &p, f);
	e = errno;
	if (f && fclose(f)) {
		if (!bad)
			e = errno;
		bad = 1;
	}
	if (!bad) {
		im->st->programs++;
		im->st->ops += p.n;
		return 0;
	}
	if (f)
		(void)unlink(name); /* no half program stays */
	snprintf(im->err, im->errcap,
		 "%s: cannot write: %s; %lu programs before it are complete; free space or use -o", name,
		 strerror(e), im->st->programs);
	return -1;
}

static int write_all(struct imp *im)
{
	static uint8_t have[FEATURES / 8];
	struct imp_cand *c;
	unsigned n = 0;

	memset(have, 0, sizeof(have));
	while (n < KEEP_MAX && (c = draw(im, have)))
		if (write_file(im, c, ++n))
			return -1;
	im->st->dropped += im->ncand - n;
	return 0;
}

/* Whether the input ended well. Damage is a warning when something was read before it. */
static int check_input(struct imp *im)
{
	int e = Z_OK;
	const char *why = gzerror(im->in, &e);

	if (e == Z_OK || e == Z_STREAM_END)
		return 0;
	if ((e == Z_BUF_ERROR || e == Z_DATA_ERROR) && im->st->lines) {
		im->st->truncated = true;
		return 0;
	}
	if (e == Z_ERRNO)
		why = strerror(errno);
	snprintf(im->err, im->errcap, "%s: cannot read: %s; give a plain or gzip-compressed trace", im->path, why);
	return -1;
}

static void free_all(struct imp *im)
{
	for (unsigned i = 0; i < im->ncand; i++)
		free(im->cand[i].bytes);
	free(im->cand);
	while (im->mms) {
		struct imp_mm *mm = im->mms;

		im->mms = mm->next;
		imp_mm_clear(im, mm); /* keeps nothing: the programs are cut by now */
		free(mm->vma);
		free(mm);
	}
	import_fd = -1;
	gzclose(im->in);
}

static int finish(struct imp *im, const char *hint)
{
	const struct import_stats *st = im->st;

	if (check_input(im))
		return -1;
	if (im->nomem) {
		snprintf(im->err, im->errcap, "%s: out of memory at line %lu; import a part of the trace", im->path,
			 st->lines);
		return -1;
	}
	if (!st->used) {
		snprintf(im->err, im->errcap, "%s: none of %lu lines is a %s event that can be used; %s", im->path,
			 st->lines, im->kind, hint);
		return -1;
	}
	if (write_all(im))
		return -1;
	if (st->truncated)
		snprintf(im->err, im->errcap,
			 "%s: truncated trace after %lu lines; kept the %lu programs before it", im->path,
			 st->lines, st->programs);
	else if (!st->programs)
		snprintf(im->err, im->errcap, "%s: %lu lines used, but too few for a program; %s", im->path,
			 st->used, hint);
	return 0;
}

int imp_close(struct imp *im, const char *hint)
{
	int ret;

	for (struct imp_mm *mm = im->mms; mm; mm = mm->next)
		imp_cut(im, mm);
	ret = finish(im, hint);
	free_all(im);
	return ret;
}
