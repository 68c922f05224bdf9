/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What both importers share: a picture of each traced address space, and the window that shows parts of it.
 *
 * Property: an op of a program acts on pages that this program has mapped before, with the batch borders,
 * the alignment and the physical contiguity of the trace.
 *
 * The window has four blocks, a real address space many: a block of the trace is *bound* to a slot while the
 * current program uses it. Binding maps what the picture says is present there; a program that is full, or
 * that runs out of slots, is cut, and the next begins with nothing bound.
 */
#ifndef FUZZ_IMPORT_PRIV_H
#define FUZZ_IMPORT_PRIV_H

#include <stdint.h>
#include <zlib.h>

#include "import.h"
#include "prog.h"

#define IMP_BLOCK 16 /* pages of a contiguous block: traces and their programs have 4K pages */

/* The low five are byte b of a set_ptes record (ops.def). */
enum {
	IMP_W = 1,
	IMP_Y = 2,
	IMP_D = 4,
	IMP_X = 8,
	IMP_S = 16,
	IMP_P = 32,
	IMP_C = 64, /* a fork shares it */
	IMP_N = 128 /* PROT_NONE: present, for nobody */
};
#define IMP_FLAGS 31

struct imp_page {
	uint64_t pfn;
	uint8_t fl;	      /* IMP_*: what the traced address space has here */
	uint8_t folio, shift; /* what the program mapped here, while live */
	bool kept;	      /* removed without a flush: it may only come back as it was */
	bool live;	      /* the current program maps it */
};

struct imp_block {
	struct imp_block *next;
	uint64_t no; /* page / IMP_BLOCK */
	int slot;    /* -1: not bound */
	struct imp_page pg[IMP_BLOCK];
};

struct imp_vma {
	uint64_t start, end; /* pages */
	uint8_t fl;	     /* IMP_P if accessible, IMP_W, IMP_X */
	bool anon;
};

#define IMP_HASH 256

struct imp_mm {
	struct imp_mm *next;
	uint64_t id;
	struct imp_block *hash[IMP_HASH];
	struct imp_block *slot[PROG_BLOCKS];
	unsigned used[PROG_BLOCKS]; /* when a slot was last used, in records of the program */
	struct prog p;
	unsigned call;		   /* first record of the current imp_act(): older ones are not extended */
	unsigned long first, last; /* trace lines of the program */
	uint8_t cpu;
	bool torn;		 /* the program contains a full=1 teardown */
	bool forked, child_runs; /* the program has a child that lives; on the other CPU */
	struct imp_mm *parent;	 /* whose fork made it */
	struct imp_vma *vma;	 /* strace only */
	unsigned nvma, capvma;
	uint64_t brk;
	unsigned users;
	bool cow;  /* a fork's child: what it inherited is write-protected */
	bool lazy; /* the trace has accesses: a page appears, and is used, when the trace says so */
	char comm[32];
};

struct imp_cand; /* a finished program that waits for the choice at the end */

struct imp {
	struct import_stats *st;
	const char *path, *outdir;
	char *err;
	size_t errcap;
	const char *file; /* path without folders */
	char base[64];	  /* and without suffixes: names the programs */
	gzFile in;
	char line[4096];
	struct imp_mm *mms;
	struct imp_cand *cand;
	unsigned ncand, capcand;
	uint8_t seen[8192]; /* bit set: features of all candidates so far */
	uint8_t update;	    /* enum hw_update of the traced machine */
	char phase[32];
	const char *kind; /* "strace", "ftrace" */
	bool nomem;
};

/* Start and end of an import; imp_close chooses, writes, frees, and returns what the importer returns. */
int imp_open(struct imp *im, const char *kind, const char *path, const char *outdir, struct import_stats *st,
	     char *err, size_t errcap);
char *imp_getline(struct imp *im); /* NULL at the end; the rest of an overlong line is dropped */
void imp_skip(struct imp *im);
int imp_close(struct imp *im, const char *hint);

struct imp_mm *imp_mm_get(struct imp *im, uint64_t id); /* makes it if need be; NULL when out of memory */
struct imp_block *imp_block_find(const struct imp_mm *mm, uint64_t no);
struct imp_block *imp_block_get(struct imp *im, struct imp_mm *mm, uint64_t no);
struct imp_page *imp_page_find(const struct imp_mm *mm, uint64_t page);
void imp_mm_clear(struct imp *im, struct imp_mm *mm); /* cuts the program, forgets all pages */

/* The picture changes (no op yet): nr pages from `page` become present with pfn.. and flags. */
void imp_set(struct imp *im, struct imp_mm *mm, uint64_t page, unsigned nr, uint64_t pfn, uint8_t fl);
/* The pages of the range that are not known to be present become so: the trace shows an op on them. */
void imp_assume(struct imp *im, struct imp_mm *mm, uint64_t page, unsigned nr, uint64_t pfn, uint8_t fl);
/* Binds the range and applies `kind` with byte b to what is mapped of it, a batch a folio. */
void imp_act(struct imp *im, struct imp_mm *mm, enum op_kind kind, uint64_t page, unsigned nr, uint8_t b);
/* Moves mapped pages, as they are. False, nothing done: the window cannot show both places so. */
bool imp_move(struct imp *im, struct imp_mm *mm, uint64_t from, uint64_t to, unsigned nr);
/* The program's process forks; the child runs on the other CPU and writes to one of the pages, the parent to another. */
void imp_fork(struct imp *im, struct imp_mm *mm);
/* The fault at the swap entry that this page has become. */
void imp_swap_in(struct imp *im, struct imp_mm *mm, uint64_t page);
/* The child leaves its address space. */
void imp_child_exit(struct imp *im, struct imp_mm *parent);
/* Only binds: maps what is present and not yet mapped. */
void imp_show(struct imp *im, struct imp_mm *mm, uint64_t page, unsigned nr);
/* A place where the trace has a natural border: cuts the program if it is long enough. */
void imp_border(struct imp *im, struct imp_mm *mm);
void imp_cut(struct imp *im, struct imp_mm *mm);
/* An access by the other CPU once the program's last op is done. False when the program does not map the page, or
 * has no room: nothing was added. */
bool imp_event(struct imp *im, struct imp_mm *mm, enum ev_kind kind, uint64_t page);

/* ---- system calls, in import_strace.c ---- */

#define IMP_NARGS 7

const struct imp_vma *imp_vma_find(const struct imp_mm *mm, uint64_t page);
void imp_vma_add(struct imp *im, struct imp_mm *mm, struct imp_vma v);
/* Removes [s, e) from all areas; what was there first is returned (all-zero if nothing). */
struct imp_vma imp_vma_cut(struct imp *im, struct imp_mm *mm, uint64_t s, uint64_t e);
/* A memory system call that succeeded, its arguments as strace prints them. False when it is another call. */
bool imp_memory_call(struct imp *im, struct imp_mm *mm, const char *name, char *const *arg, unsigned narg,
		     int64_t ret);
void imp_protect_for_copy(struct imp *im, struct imp_mm *mm); /* fork, the parent's side */
void imp_exit(struct imp *im, struct imp_mm *mm);	      /* the last user leaves: all is torn down, full=1 */
void imp_name(struct imp_mm *mm, const char *path);

#endif
