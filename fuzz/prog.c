// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs as bytes.
 *
 * Property: every byte string decodes to a program that is in range for its geometry; on such programs encode
 * and decode are inverse; normalization is idempotent; no encoded program is mistaken for text.
 *
 * Header bytes: 0-2 the small settings, bit by bit as in hdr_keys; 3-5 and 12-15 ops_off, 6 evs_off (little endian
 * masks); 7 zero; 8-11 salt (little endian).
 * Record bytes: 0 kind, bit 7 set for an event; 1 cpu or agent (bits 0-2), anchor (3-5), block (6-7);
 * 2 off; 3 nr - 1 (event: ordinal - 1); 4 a; 5 b; 6 salt; 7 zero.
 *
 * Text detection relies on bits 4-5 of byte 0 never being 3 and on byte 7: see prog_is_text.
 */
#include "prog.h"

#include <string.h>

#include "hw/hw.h"

/* Words of W() fields; they end at NULL. */
static const char *const words_in[] = {"task", "hardirq", "softirq", "bhoff", NULL};
static const char *const words_perm[] = {"ro", "rw", "x", "nx", NULL};
static const char *const words_verb[] = {"enter", "leave", "flush", "pause", "resume", NULL};
static const char *const words_to[] = {"parent", "child", "lazy", NULL};
static const char *const words_spot[] = {
	"tables", "pud",	   "cont-block", "block", "block-ro", "block-invalid", "cont", "cont-ro",
	"pages",  "pages-invalid", "hole",	 "text",  "vmalloc",  "vmalloc-huge",  "walk", NULL};
static const char *const words_setmem[] = {"ro",    "rw",      "x",	   "nx",       "rox",
					   "valid", "invalid", "dinvalid", "ddefault", NULL};
static const char *const words_handover[] = {"plain", "same", "release", "dep", NULL};

/* A field of F(), B() or W() in ops.def. */
#define F(name, byte, shift, bits)	  {#name, byte, shift, bits, NULL},
#define B(name, byte, shift)		  {#name, byte, shift, 1, NULL},
#define W(name, byte, shift, bits, words) {#name, byte, shift, bits, words_##words},
const struct op_desc op_descs[OP_NKINDS] = {
#define OP(name, weight, args, fields, help) {#name, help, weight, args, {fields}},
#include "ops.def"
};
const struct op_desc ev_descs[EV_NKINDS] = {
#define EV(name, weight, args, fields, help) {#name, help, weight, args, {fields}},
#include "ops.def"
};
#undef F
#undef B
#undef W

/* Bits of b << 8 | a that the fields of a kind define; all others are zero in a normalized record. */
#define F(name, byte, shift, bits)	  | (((1u << (bits)) - 1) << ((shift) + 8 * (byte)))
#define B(name, byte, shift)		  F(name, byte, shift, 1)
#define W(name, byte, shift, bits, words) F(name, byte, shift, bits)
static const uint16_t op_masks[OP_NKINDS] = {
#define OP(name, weight, args, fields, help) 0 fields,
#include "ops.def"
};
static const uint16_t ev_masks[EV_NKINDS] = {
#define EV(name, weight, args, fields, help) 0 fields,
#include "ops.def"
};
#undef F
#undef B
#undef W

/* Which kinds have fields of words at all. */
#define F(name, byte, shift, bits)
#define B(name, byte, shift)
#define W(name, byte, shift, bits, words) || 1
static const bool op_words[OP_NKINDS] = {
#define OP(name, weight, args, fields, help) 0 fields,
#include "ops.def"
};
static const bool ev_words[EV_NKINDS] = {
#define EV(name, weight, args, fields, help) 0 fields,
#include "ops.def"
};
#undef F
#undef B
#undef W

_Static_assert(OP_NKINDS <= 56, "ops_off has 56 bits");
_Static_assert(EV_NKINDS <= 8, "evs_off has 8 bits");
_Static_assert(HW_NCLASS <= 8, "an anchor has 3 bits");
_Static_assert(HW_NGEO == 4 && HW_MAX_CPU == 4, "two header bits each");

static const char *const words_geo[] = {"small", "4k", "16k", "64k", NULL};
static const char *const words_cpus[] = {"1", "2", "3", "4", NULL};
static const char *const words_update[] = {"none", "af", "af+dirty", NULL};
static const char *const words_smmu[] = {"none", "plain", "af", "af+dirty", NULL};
static const char *const words_switch[] = {"off", "on", NULL};
static const char *const words_bbml[] = {"0", "1", "2", "2-noabort", NULL};
static const char *const words_drain[] = {"eager", "lazy", "reversed", NULL};
static const char *const words_xlate[] = {"fresh", "stale", "alternate", "hashed", NULL};
static const char *const words_pick[] = {"accessed", "first", "last", "hashed", NULL};
const char *const prog_anchors[] = {"any", "load", "store", "atomic", "barrier", "tlbi", "end", NULL};

#define NWORDS(w) (sizeof(w) / sizeof((w)[0]) - 1)
#define AT(f)	  offsetof(struct prog_hdr, f)
#define KEY(k, f, base, by, sh, w, help)                                                                           \
	{                                                                                                          \
		k, help, AT(f), base, by, sh, NWORDS(w) > 2 ? 2 : 1, w, NWORDS(w)                                  \
	}
const struct hdr_key hdr_keys[HDR_NKEYS] = {
	KEY("geometry", geo, 0, 0, 0, words_geo, "page size and table shape"),
	KEY("cpus", ncpu, 1, 0, 2, words_cpus, "number of CPUs"),
	KEY("update", update, 0, 0, 4, words_update, "what hardware updates in descriptors (FEAT_HAFDBS)"),
	KEY("update_odd", update_odd, 0, 0, 6, words_update,
	    "the same on CPUs 1 and 3, if lower (default: as update)"),
	KEY("smmu", smmu, 0, 1, 0, words_smmu, "an SMMU walks too; plain: it updates nothing"),
	KEY("smmu_btm", smmu_btm, 0, 1, 2, words_switch, "the SMMU listens to broadcast TLBIs"),
	KEY("ets2", ets2, 0, 1, 3, words_switch, "FEAT_ETS2"),
	KEY("ttl", ttl, 0, 1, 4, words_switch, "FEAT_TTL"),
	KEY("tlbirange", tlbirange, 0, 1, 5, words_switch, "FEAT_TLBIRANGE"),
	KEY("early", early, 0, 1, 6, words_switch, "accesses may use early walks (not with ets2)"),
	KEY("alloc_fails", alloc_fails, 0, 1, 7, words_switch, "some table allocations fail"),
	KEY("bbml", bbml, 0, 2, 0, words_bbml, "FEAT_BBM level"),
	KEY("drain", drain, 0, 2, 2, words_drain, "when pending stores become visible"),
	KEY("xlate", xlate, 0, 2, 4, words_xlate, "which cached or current translation an access uses"),
	KEY("pick", pick, 0, 2, 6, words_pick, "entry of a contiguous block that hardware updates"),
};

const char *prog_geo_name(unsigned geo)
{
	return geo < HW_NGEO ? words_geo[geo] : "?";
}

static unsigned geo_cont(unsigned geo)
{
	static const uint8_t cont[HW_NGEO] = {4, 16, 128, 32};

	return cont[geo % HW_NGEO];
}

unsigned prog_cont(const struct prog_hdr *h)
{
	return geo_cont(h->geo);
}

static void normalize_hdr(struct prog_hdr *h)
{
	for (unsigned i = 0; i < HDR_NKEYS; i++) {
		const unsigned v = hdr_get(h, &hdr_keys[i]);

		if (v >= hdr_keys[i].n)
			hdr_set(h, &hdr_keys[i], v % hdr_keys[i].n);
	}
	if (h->ncpu == 1 || h->update_odd > h->update)
		h->update_odd = h->update;
	if (!h->smmu)
		h->smmu_btm = 0;
	if (h->ets2)
		h->early = 0;
	h->ops_off &= (1ull << OP_NKINDS) - 1;
	h->evs_off &= (1u << EV_NKINDS) - 1;
}

static unsigned count_words(const char *const *w)
{
	unsigned n = 0;

	while (w[n])
		n++;
	return n;
}

/* A value that has no word becomes one that has. */
static void normalize_words(struct rec *r)
{
	const struct op_desc *d = rec_desc(r);

	for (unsigned i = 0; i < OP_MAX_FIELDS && d->field[i].name; i++)
		if (d->field[i].words)
			rec_set_field(r, &d->field[i], rec_field(r, &d->field[i]) % count_words(d->field[i].words));
}

static void normalize_rec(const struct prog_hdr *h, struct rec *r)
{
	unsigned args, mask;

	r->is_event = !!r->is_event;
	if (r->is_event) {
		r->kind %= EV_NKINDS;
		args = ev_descs[r->kind].args | A_NR;
		mask = ev_masks[r->kind];
		r->anchor %= HW_NCLASS;
		if (r->anchor == HW_C_OTHER) /* an op ends once */
			r->nr = 1;
		if (r->cpu >= h->ncpu && (r->cpu != HW_SMMU || !h->smmu))
			r->cpu %= h->ncpu;
	} else {
		r->kind %= OP_NKINDS;
		args = op_descs[r->kind].args;
		mask = op_masks[r->kind];
		r->anchor = 0;
		if (r->cpu >= h->ncpu)
			r->cpu %= h->ncpu;
	}
	r->block = args & A_PAGE ? r->block % PROG_BLOCKS : 0;
	r->off = args & A_PAGE ? r->off & (geo_cont(h->geo) - 1) : 0;
	if (!(args & A_NR) || r->nr < 1)
		r->nr = 1;
	if (r->nr > 256)
		r->nr = 256;
	r->a &= mask;
	r->b &= mask >> 8;
	if (r->is_event ? ev_words[r->kind] : op_words[r->kind])
		normalize_words(r);
}

void prog_normalize(struct prog *p)
{
	unsigned orphans = 0;

	normalize_hdr(&p->h);
	if (p->n > PROG_MAX_RECS)
		p->n = PROG_MAX_RECS;
	while (orphans < p->n && p->r[orphans].is_event)
		orphans++;
	prog_cut(p, 0, orphans);
	for (unsigned i = 0; i < p->n; i++)
		normalize_rec(&p->h, &p->r[i]);
}

static uint32_t get_le(const uint8_t *b, unsigned n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | b[n];
	return v;
}

static void put_le(uint8_t *b, unsigned n, uint32_t v)
{
	for (unsigned i = 0; i < n; i++, v >>= 8)
		b[i] = (uint8_t)v;
}

void prog_decode(struct prog *p, const uint8_t *data, size_t size)
{
	uint8_t hdr[PROG_HDR_BYTES] = {0};
	size_t n = size > PROG_HDR_BYTES ? (size - PROG_HDR_BYTES) / PROG_REC_BYTES : 0;

	if (size)
		memcpy(hdr, data, size < sizeof(hdr) ? size : sizeof(hdr));
	memset(&p->h, 0, sizeof(p->h));
	for (unsigned i = 0; i < HDR_NKEYS; i++) {
		const struct hdr_key *k = &hdr_keys[i];

		hdr_set(&p->h, k, (hdr[k->byte] >> k->shift) & ((1u << k->bits) - 1));
	}
	p->h.ops_off = get_le(hdr + 3, 3) | (uint64_t)get_le(hdr + 12, 4) << 24;
	p->h.evs_off = hdr[6];
	p->h.salt = get_le(hdr + 8, 4);
	/* The cut at PROG_MAX_RECS comes first: records behind it never reach back over dropped orphans. */
	p->n = n < PROG_MAX_RECS ? (unsigned)n : PROG_MAX_RECS;
	for (unsigned i = 0; i < p->n; i++) {
		const uint8_t *b = data + PROG_HDR_BYTES + (size_t)i * PROG_REC_BYTES;

		p->r[i] = (struct rec){.is_event = b[0] >> 7,
				       .kind = b[0] & 0x7f,
				       .cpu = b[1] & 7,
				       .anchor = b[1] >> 3 & 7,
				       .block = b[1] >> 6,
				       .off = b[2],
				       .nr = (uint16_t)(b[3] + 1),
				       .a = b[4],
				       .b = b[5],
				       .salt = b[6]};
	}
	prog_normalize(p);
}

size_t prog_encode(const struct prog *p, uint8_t *out)
{
	uint8_t *b = out + PROG_HDR_BYTES;

	memset(out, 0, PROG_HDR_BYTES);
	for (unsigned i = 0; i < HDR_NKEYS; i++) {
		const struct hdr_key *k = &hdr_keys[i];

		out[k->byte] |= (uint8_t)(hdr_get(&p->h, k) << k->shift);
	}
	put_le(out + 3, 3, (uint32_t)p->h.ops_off);
	put_le(out + 12, 4, (uint32_t)(p->h.ops_off >> 24));
	out[6] = p->h.evs_off;
	put_le(out + 8, 4, p->h.salt);
	for (unsigned i = 0; i < p->n; i++, b += PROG_REC_BYTES) {
		const struct rec *r = &p->r[i];

		b[0] = (uint8_t)(r->is_event << 7 | r->kind);
		b[1] = (uint8_t)(r->cpu | r->anchor << 3 | r->block << 6);
		b[2] = r->off;
		b[3] = (uint8_t)(r->nr - 1);
		b[4] = r->a;
		b[5] = r->b;
		b[6] = r->salt;
		b[7] = 0;
	}
	return (size_t)(b - out);
}

bool prog_equal(const struct prog *p, const struct prog *q)
{
	uint8_t a[PROG_MAX_BYTES], b[PROG_MAX_BYTES];
	size_t n;

	if (p->n != q->n)
		return false;
	n = prog_encode(p, a);
	return prog_encode(q, b) == n && !memcmp(a, b, n);
}

/* Position x (entries from a block's start) at the same distance from the nearest block edge. Monotone. */
static unsigned map_edge(unsigned x, unsigned from, unsigned to)
{
	const unsigned base = x / from * to, m = x % from;

	if (m < from / 2)
		return base + (m < to / 2 ? m : to / 2);
	return base + to - (from - m < to / 2 ? from - m : to / 2);
}

void prog_set_geo(struct prog *p, unsigned geo)
{
	const unsigned from = geo_cont(p->h.geo), to = geo_cont(geo);

	p->h.geo = (uint8_t)geo;
	for (unsigned i = 0; i < p->n; i++) {
		struct rec *r = &p->r[i];
		const unsigned end = map_edge(r->off + r->nr, from, to);

		r->off = (uint8_t)map_edge(r->off, from, to);
		if (!r->is_event)
			r->nr = end <= r->off + 1u ? 1 : (uint16_t)(end - r->off);
	}
	prog_normalize(p);
}

unsigned prog_op_end(const struct prog *p, unsigned i)
{
	for (i++; i < p->n && p->r[i].is_event;)
		i++;
	return i;
}

unsigned prog_count_ops(const struct prog *p)
{
	unsigned ops = 0;

	for (unsigned i = 0; i < p->n; i++)
		ops += !p->r[i].is_event;
	return ops;
}

void prog_cut(struct prog *p, unsigned i, unsigned j)
{
	if (i == j)
		return;
	memmove(&p->r[i], &p->r[j], (p->n - j) * sizeof(p->r[0]));
	p->n -= j - i;
}

int prog_insert(struct prog *p, unsigned i, const struct rec *r, unsigned n)
{
	if (p->n + n > PROG_MAX_RECS)
		return -1;
	memmove(&p->r[i + n], &p->r[i], (p->n - i) * sizeof(p->r[0]));
	memcpy(&p->r[i], r, n * sizeof(*r));
	p->n += n;
	return 0;
}
