/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs: what the engines mutate, people read and crashes/ keeps.
 *
 * Property: every byte string decodes to a valid program (repair, never reject); encode and decode are
 * inverse on programs; parse(print(p)) == p; normalization is idempotent.
 *
 * Bytes: a header of 16, then records of 8. A record is an op, or an event that belongs to the op before it
 * and fires at an anchor: the ordinal-th step of a class of that op, at its end if it has fewer. Events before
 * the first op are dropped by the decoder.
 */
#ifndef FUZZ_PROG_H
#define FUZZ_PROG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PROG_MAX_RECS  256
#define PROG_HDR_BYTES 16
#define PROG_REC_BYTES 8
#define PROG_MAX_BYTES (PROG_HDR_BYTES + PROG_MAX_RECS * PROG_REC_BYTES)
#define PROG_BLOCKS    4 /* contiguous blocks in the window: 0,1 end one level-3 table, 2,3 begin the next */

enum {
	A_PAGE = 1,
	A_NR = 2,
	A_KERNEL = 4,			      /* by the kernel, on its own mappings */
	A_KTHREAD = 8,			      /* also on a CPU that runs no user now */
	A_KMAP = 16,			      /* on the kernel's map as a whole (callers/kmap.h) */
	A_SPLIT = 32,			      /* on the linear map (callers/split.h) */
	A_HALF = A_KERNEL | A_KMAP | A_SPLIT, /* uses the kernel's half, which has one root: see kernel_half() */
};

enum op_kind {
#define OP(name, weight, args, fields, help) OP_##name,
#include "ops.def"
	OP_NKINDS
};
enum ev_kind {
#define EV(name, weight, args, fields, help) EV_##name,
#include "ops.def"
	EV_NKINDS
};

/* A named value in byte a (0) or b (1) of a record. bits == 1 prints as a bare flag word; with `words` the value is one
 * of those. */
struct op_field {
	const char *name;
	uint8_t byte, shift, bits;
	const char *const *words;
};
#define OP_MAX_FIELDS 9 /* and one that ends them */
struct op_desc {
	const char *name, *help;
	uint8_t weight;			      /* relative frequency in generation */
	uint8_t args;			      /* A_PAGE | A_NR */
	struct op_field field[OP_MAX_FIELDS]; /* ends at name == NULL */
};
extern const struct op_desc op_descs[OP_NKINDS];
extern const struct op_desc ev_descs[EV_NKINDS];

struct rec {
	uint8_t is_event;
	uint8_t kind;	    /* enum op_kind or ev_kind */
	uint8_t cpu;	    /* op: CPU 0..ncpu-1; event: agent 0..4 (4 = SMMU) */
	uint8_t anchor;	    /* event: enum hw_class; HW_C_OTHER stands for "end" */
	uint8_t block, off; /* page: contiguous block 0..3 and entry in it */
	uint16_t nr;  /* op: batch length 1..256; event: ordinal 1..256 ("before its nr-th step of the class") */
	uint8_t a, b; /* named values */
	uint8_t salt; /* decides this record's stateless picks */
};

/* Header, decoded; each in its legal range (see the masks in prog.c). Text: one "key value" a line. */
struct prog_hdr {
	uint8_t geo;	    /* enum hw_geo_id */
	uint8_t ncpu;	    /* 1..4 */
	uint8_t update;	    /* CPUs: enum hw_update */
	uint8_t update_odd; /* CPUs 1 and 3, if lower */
	uint8_t smmu;	    /* 0 none, 1..3: present with update mode smmu - 1 */
	uint8_t smmu_btm;
	uint8_t ets2, ttl, tlbirange, early;
	uint8_t bbml;		    /* 0..3 */
	uint8_t drain, xlate, pick; /* personalities */
	uint8_t alloc_fails;
	uint64_t ops_off; /* swarm: ops the mutator does not add (bit = op_kind), 56 bits */
	uint8_t evs_off;
	uint32_t salt;
};

struct prog {
	struct prog_hdr h;
	unsigned n;
	struct rec r[PROG_MAX_RECS];
};

/* One header setting with a small range: its word in text, its place in struct prog_hdr and in the bytes.
 * Value 0 is the benign default (stored as `base` in the struct) and is not printed. */
struct hdr_key {
	const char *key, *help;
	uint8_t at;		   /* offset in struct prog_hdr */
	uint8_t base;		   /* value in the struct when the coded value is 0 */
	uint8_t byte, shift, bits; /* place in the encoded header */
	const char *const *words;  /* text of each coded value; ends at NULL */
	uint8_t n;		   /* number of words */
};
#define HDR_NKEYS 15
extern const struct hdr_key hdr_keys[HDR_NKEYS];
extern const char *const prog_anchors[]; /* words of enum hw_class */

static inline uint8_t hdr_get(const struct prog_hdr *h, const struct hdr_key *k)
{
	return (uint8_t)(((const uint8_t *)h)[k->at] - k->base);
}
static inline void hdr_set(struct prog_hdr *h, const struct hdr_key *k, unsigned v)
{
	((uint8_t *)h)[k->at] = (uint8_t)(v + k->base);
}

/* Always succeeds. */
void prog_decode(struct prog *p, const uint8_t *data, size_t size);
/* Returns the number of bytes, at most PROG_MAX_BYTES; `cap` must be at least that. */
size_t prog_encode(const struct prog *p, uint8_t *out);
/* Brings every field into range for the header's geometry and drops orphan events. Idempotent. */
void prog_normalize(struct prog *p);
/* Same header and records (both normalized). */
bool prog_equal(const struct prog *p, const struct prog *q);
/* Changes the geometry and keeps each record's relation to block edges. Normalizes. */
void prog_set_geo(struct prog *p, unsigned geo);
/* Index after the last event of the op at record i. */
unsigned prog_op_end(const struct prog *p, unsigned i);
unsigned prog_count_ops(const struct prog *p);
/* Removes records [i, j); inserts a copy of `n` records before i (0 on success, -1 if it would not fit). */
void prog_cut(struct prog *p, unsigned i, unsigned j);
int prog_insert(struct prog *p, unsigned i, const struct rec *r, unsigned n);
static inline unsigned rec_field(const struct rec *r, const struct op_field *f)
{
	return ((f->byte ? r->b : r->a) >> f->shift) & ((1u << f->bits) - 1);
}
static inline void rec_set_field(struct rec *r, const struct op_field *f, unsigned v)
{
	const unsigned mask = ((1u << f->bits) - 1) << f->shift;
	uint8_t *byte = f->byte ? &r->b : &r->a;

	*byte = (uint8_t)((*byte & ~mask) | ((v << f->shift) & mask));
}
static inline const struct op_desc *rec_desc(const struct rec *r)
{
	return r->is_event ? &ev_descs[r->kind] : &op_descs[r->kind];
}

/* Text form. First word "ptdiff". '#' starts a comment at the start of a line or between blanks. */
void prog_print(const struct prog *p, FILE *f);
/* One record as text without newline, into buf. */
int prog_print_rec(const struct prog *p, const struct rec *r, char *buf, size_t cap);
/* 0, or -1 with one line "NAME:LINE: what is wrong; what to do" in err. */
int prog_parse(struct prog *p, const char *name, const char *text, size_t len, char *err, size_t errcap);
/* Either form (text if its first word is "ptdiff" or the file is named .pt): 0, or -1 with err filled. */
int prog_read_file(struct prog *p, const char *path, char *err, size_t errcap);
bool prog_is_text(const uint8_t *data, size_t size);
const char *prog_geo_name(unsigned geo);
unsigned prog_cont(const struct prog_hdr *h); /* entries of a contiguous block: 4, 16, 128, 32 */

/* Structured mutation (one source for both engines). rnd: the engine's seed. In place; returns the new size. */
size_t mut_mutate(uint8_t *data, size_t size, size_t max_size, uint32_t seed);
size_t mut_crossover(const uint8_t *a, size_t na, const uint8_t *b, size_t nb, uint8_t *out, size_t max,
		     uint32_t seed);
/* A fresh random program of about n ops (for generation-only campaigns, benches and tests). */
void mut_generate(struct prog *p, unsigned nops, uint32_t seed);

#endif
