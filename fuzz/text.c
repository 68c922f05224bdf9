// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs as text, for people: one header setting, op or event a line.
 *
 * Property: parse(print(p)) == p for every normalized program; what the parser accepts it took literally (it
 * repairs nothing), and what it rejects costs one line that names the place and the way out.
 *
 *	ptdiff 1
 *	geometry 4k
 *	cpus 2
 *	update af+dirty			# comments begin with '#' and a blank
 *	set_ptes cpu=0 page=0.0 nr=16 folio=2 write young
 *	  atomic#2: write agent=1 page=0.3
 *
 * Settings at their default are left out; `end:` has no ordinal. A '#' inside a word is not a comment.
 */
#include "prog.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "hw/hw.h"

#define TEXT_VERSION   1
#define TEXT_MAX_BYTES (1u << 20)
#define MAX_WORDS      64 /* ops_off may name every op */

/* ---- print ---- */

static void print_hdr(const struct prog_hdr *h, FILE *f)
{
	for (unsigned i = 0; i < HDR_NKEYS; i++) {
		const struct hdr_key *k = &hdr_keys[i];
		const unsigned v = hdr_get(h, k);
		const bool odd = k->at == offsetof(struct prog_hdr, update_odd);

		if (odd ? v != h->update : v != 0)
			fprintf(f, "%s %s\n", k->key, k->words[v]);
	}
	if (h->salt)
		fprintf(f, "salt %u\n", h->salt);
}

static void print_mask(const char *key, uint64_t mask, const struct op_desc *d, unsigned n, FILE *f)
{
	if (!mask)
		return;
	fputs(key, f);
	for (unsigned i = 0; i < n; i++)
		if (mask >> i & 1)
			fprintf(f, " %s", d[i].name);
	fputc('\n', f);
}

__attribute__((format(printf, 4, 5))) static void add(char *buf, size_t cap, size_t *n, const char *fmt, ...)
{
	va_list ap;
	int k;

	va_start(ap, fmt);
	k = vsnprintf(*n < cap ? buf + *n : NULL, *n < cap ? cap - *n : 0, fmt, ap);
	va_end(ap);
	if (k > 0)
		*n += (size_t)k;
}

int prog_print_rec(const struct prog *p, const struct rec *r, char *buf, size_t cap)
{
	const struct op_desc *d = rec_desc(r);
	size_t n = 0;

	(void)p;
	if (cap)
		buf[0] = '\0';
	if (r->is_event && r->anchor == HW_C_OTHER)
		add(buf, cap, &n, "end: ");
	else if (r->is_event)
		add(buf, cap, &n, "%s#%u: ", prog_anchors[r->anchor], r->nr);
	if (r->is_event && r->cpu == HW_SMMU)
		add(buf, cap, &n, "%s agent=smmu", d->name);
	else
		add(buf, cap, &n, "%s %s=%u", d->name, r->is_event ? "agent" : "cpu", r->cpu);
	if (d->args & A_PAGE)
		add(buf, cap, &n, " page=%u.%u", r->block, r->off);
	if (!r->is_event && d->args & A_NR)
		add(buf, cap, &n, " nr=%u", r->nr);
	for (const struct op_field *f = d->field; f < d->field + OP_MAX_FIELDS && f->name; f++) {
		const unsigned v = rec_field(r, f);

		if (f->words)
			add(buf, cap, &n, " %s=%s", f->name, f->words[v]);
		else if (v && f->bits == 1)
			add(buf, cap, &n, " %s", f->name);
		else if (v)
			add(buf, cap, &n, " %s=%u", f->name, v);
	}
	if (r->salt)
		add(buf, cap, &n, " salt=%u", r->salt);
	return (int)n;
}

void prog_print(const struct prog *p, FILE *f)
{
	char buf[256];

	fprintf(f, "ptdiff %d\n", TEXT_VERSION);
	print_hdr(&p->h, f);
	print_mask("ops_off", p->h.ops_off, op_descs, OP_NKINDS, f);
	print_mask("evs_off", p->h.evs_off, ev_descs, EV_NKINDS, f);
	for (unsigned i = 0; i < p->n; i++) {
		prog_print_rec(p, &p->r[i], buf, sizeof(buf));
		fprintf(f, "%s%s\n", p->r[i].is_event ? "  " : "", buf);
	}
}

/* ---- parse ---- */

struct word {
	const char *s;
	size_t n;
};

struct parser {
	struct prog *p;
	const char *name;
	unsigned line;
	char *err;
	size_t errcap;
	uint32_t keys;		 /* header keys seen, as bits */
	bool versioned, in_body; /* first word seen; header closed by the first op */
};

/* Beside the table's keys in parser.keys. */
enum { KEY_SALT = HDR_NKEYS, KEY_OPS_OFF, KEY_EVS_OFF };

__attribute__((format(printf, 2, 3))) static int fail(struct parser *c, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!c->errcap)
		return -1;
	if (c->line)
		n = snprintf(c->err, c->errcap, "%s:%u: ", c->name, c->line);
	else
		n = snprintf(c->err, c->errcap, "%s: ", c->name);
	if (n > 0 && (size_t)n < c->errcap) {
		va_start(ap, fmt);
		vsnprintf(c->err + n, c->errcap - (size_t)n, fmt, ap);
		va_end(ap);
	}
	/* One printable line whatever the input held. */
	for (char *s = c->err; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
	return -1;
}

#define W(w) (int)((w).n > 40 ? 40 : (w).n), (w).s

static bool word_is(struct word w, const char *s)
{
	return strlen(s) == w.n && !memcmp(s, w.s, w.n);
}

static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\v' || ch == '\f';
}

/* Splits at blanks, drops the comment. Returns the number of words, -1 if there are too many. */
static int split(const char *s, size_t n, struct word *w)
{
	size_t i = 0;
	int k = 0;

	for (;;) {
		size_t from;

		while (i < n && is_blank(s[i]))
			i++;
		if (i == n || (s[i] == '#' && (!k || i + 1 == n || is_blank(s[i + 1]))))
			return k;
		if (k == MAX_WORDS)
			return -1;
		for (from = i; i < n && !is_blank(s[i]);)
			i++;
		w[k++] = (struct word){s + from, i - from};
	}
}

/* Decimal, no sign, no blanks. */
static bool number(struct word w, uint32_t *v)
{
	uint64_t x = 0;

	if (!w.n || w.n > 10)
		return false;
	for (size_t i = 0; i < w.n; i++) {
		if (w.s[i] < '0' || w.s[i] > '9')
			return false;
		x = x * 10 + (uint64_t)(w.s[i] - '0');
	}
	*v = (uint32_t)x;
	return x <= UINT32_MAX;
}

static int find_desc(struct word w, const struct op_desc *d, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (word_is(w, d[i].name))
			return (int)i;
	return -1;
}

/* "a, b or c" */
static void list_words(char *buf, size_t cap, const char *const *w)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned i = 0; w[i]; i++)
		add(buf, cap, &n, "%s%s", i == 0 ? "" : w[i + 1] ? ", " : " or ", w[i]);
}

static int parse_setting(struct parser *c, const struct hdr_key *k, struct word w)
{
	char list[128];

	for (unsigned v = 0; v < k->n; v++)
		if (word_is(w, k->words[v])) {
			hdr_set(&c->p->h, k, v);
			return 0;
		}
	list_words(list, sizeof(list), k->words);
	return fail(c, "bad %s '%.*s'; use %s", k->key, W(w), list);
}

static int parse_mask(struct parser *c, const struct word *w, int n, const struct op_desc *d, unsigned nd,
		      uint64_t *mask)
{
	for (int i = 1; i < n; i++) {
		const int k = find_desc(w[i], d, nd);

		if (k < 0)
			return fail(c, "unknown name '%.*s' in %.*s; 'ptdiff ops' lists them", W(w[i]), W(w[0]));
		*mask |= 1ull << k;
	}
	return 0;
}

static int find_key(struct word w)
{
	for (unsigned i = 0; i < HDR_NKEYS; i++)
		if (word_is(w, hdr_keys[i].key))
			return (int)i;
	return word_is(w, "salt")      ? KEY_SALT
	       : word_is(w, "ops_off") ? KEY_OPS_OFF
	       : word_is(w, "evs_off") ? KEY_EVS_OFF
				       : -1;
}

static int parse_hdr_line(struct parser *c, int key, const struct word *w, int n)
{
	uint64_t mask = 0;
	int rc;

	if (c->in_body)
		return fail(c, "'%.*s' after the first op; header lines come first", W(w[0]));
	if (c->keys >> key & 1)
		return fail(c, "second '%.*s'; give it once", W(w[0]));
	c->keys |= 1u << key;
	if (n < 2)
		return fail(c, "'%.*s' without a value", W(w[0]));
	if (key == KEY_OPS_OFF)
		return parse_mask(c, w, n, op_descs, OP_NKINDS, &c->p->h.ops_off);
	if (key == KEY_EVS_OFF) {
		rc = parse_mask(c, w, n, ev_descs, EV_NKINDS, &mask);
		c->p->h.evs_off = (uint8_t)mask;
		return rc;
	}
	if (n > 2)
		return fail(c, "'%.*s' takes one value; comments begin with '# '", W(w[0]));
	if (key != KEY_SALT)
		return parse_setting(c, &hdr_keys[key], w[1]);
	if (!number(w[1], &c->p->h.salt))
		return fail(c, "salt '%.*s' is no number from 0 to 4294967295", W(w[1]));
	return 0;
}

static bool key_seen(const struct parser *c, size_t at)
{
	for (unsigned i = 0; i < HDR_NKEYS; i++)
		if (hdr_keys[i].at == at)
			return c->keys >> i & 1;
	return false;
}

/* The header is complete: settings that contradict each other are errors, not repaired. */
static int close_hdr(struct parser *c)
{
	struct prog_hdr *h = &c->p->h;

	c->in_body = true;
	if (!key_seen(c, offsetof(struct prog_hdr, update_odd)))
		h->update_odd = h->update;
	if (h->update_odd > h->update)
		return fail(c, "'update_odd' above 'update'; CPUs 1 and 3 may only have less");
	if (h->update_odd != h->update && h->ncpu == 1)
		return fail(c, "'update_odd' without a CPU 1; add 'cpus 2'");
	if (h->smmu_btm && !h->smmu)
		return fail(c, "'smmu_btm' without an SMMU; add 'smmu plain', 'smmu af' or 'smmu af+dirty'");
	if (h->early && h->ets2)
		return fail(c, "'early' with 'ets2'; early walks do not exist under FEAT_ETS2");
	return 0;
}

static int parse_page(struct parser *c, struct rec *r, struct word v)
{
	const char *dot = memchr(v.s, '.', v.n);
	const unsigned cont = prog_cont(&c->p->h);
	struct word b = {v.s, dot ? (size_t)(dot - v.s) : 0}, o = {dot, 0};
	uint32_t block, off;

	if (dot)
		o = (struct word){dot + 1, v.n - b.n - 1};
	if (!dot || !number(b, &block) || !number(o, &off))
		return fail(c, "bad page '%.*s'; write page=BLOCK.OFFSET", W(v));
	if (block >= PROG_BLOCKS || off >= cont)
		return fail(c, "page=%.*s out of range; geometry %s has blocks 0..%d of entries 0..%u", W(v),
			    prog_geo_name(c->p->h.geo), PROG_BLOCKS - 1, cont - 1);
	r->block = (uint8_t)block;
	r->off = (uint8_t)off;
	return 0;
}

static int parse_cpu(struct parser *c, struct rec *r, struct word v)
{
	const struct prog_hdr *h = &c->p->h;
	const char *key = r->is_event ? "agent" : "cpu";
	uint32_t cpu;

	if (r->is_event && word_is(v, "smmu")) {
		r->cpu = HW_SMMU;
		return h->smmu ? 0 : fail(c, "agent=smmu without an SMMU; add 'smmu plain' to the header");
	}
	if (!number(v, &cpu) || cpu >= h->ncpu)
		return fail(c, "%s=%.*s out of range; the program has CPUs 0..%u ('cpus' in the header)", key, W(v),
			    h->ncpu - 1u);
	r->cpu = (uint8_t)cpu;
	return 0;
}

static int parse_ranged(struct parser *c, const char *key, struct word v, uint32_t lo, uint32_t hi, uint32_t *out)
{
	if (!number(v, out) || *out < lo || *out > hi)
		return fail(c, "%s=%.*s out of range; use %u..%u", key, W(v), lo, hi);
	return 0;
}

static int bad_arg(struct parser *c, const struct rec *r, struct word w)
{
	const struct op_desc *d = rec_desc(r);
	char list[160];
	size_t n = 0;

	add(list, sizeof(list), &n, "%s", r->is_event ? "agent=" : "cpu=");
	if (d->args & A_PAGE)
		add(list, sizeof(list), &n, " page=");
	if (!r->is_event && d->args & A_NR)
		add(list, sizeof(list), &n, " nr=");
	for (const struct op_field *f = d->field; f < d->field + OP_MAX_FIELDS && f->name; f++)
		add(list, sizeof(list), &n, " %s%s", f->name, f->bits > 1 ? "=" : "");
	return fail(c, "%s does not take '%.*s'; it takes %s salt=", d->name, W(w), list);
}

static int parse_word(struct parser *c, const struct op_field *f, struct word v, uint32_t *out)
{
	char list[128];
	size_t n = 0;

	list[0] = '\0';
	for (*out = 0; f->words[*out]; ++*out) {
		if (word_is(v, f->words[*out]))
			return 0;
		add(list, sizeof(list), &n, " %s", f->words[*out]);
	}
	return fail(c, "%s=%.*s: use one of%s", f->name, W(v), list);
}

/* A field of the op's own. `eq`: given with a value. */
static int parse_field(struct parser *c, struct rec *r, struct word w, struct word key, struct word v, bool eq,
		       uint32_t *seen)
{
	const struct op_desc *d = rec_desc(r);
	uint32_t x = 1;

	for (unsigned i = 0; i < OP_MAX_FIELDS && d->field[i].name; i++) {
		const struct op_field *f = &d->field[i];

		if (!word_is(key, f->name))
			continue;
		if (eq && f->bits == 1)
			return fail(c, "'%.*s': %s is a flag; write the bare word or leave it out", W(w), f->name);
		if (!eq && f->bits > 1)
			return fail(c, "%s without a value; write %s=0..%u", f->name, f->name, (1u << f->bits) - 1);
		if (*seen & 1u << (8 + i))
			return fail(c, "second '%s'; give it once", f->name);
		*seen |= 1u << (8 + i);
		if (eq &&
		    (f->words ? parse_word(c, f, v, &x) : parse_ranged(c, f->name, v, 0, (1u << f->bits) - 1, &x)))
			return -1;
		rec_set_field(r, f, x);
		return 0;
	}
	return bad_arg(c, r, w);
}

enum { SEEN_CPU = 1, SEEN_PAGE = 2, SEEN_NR = 4, SEEN_SALT = 8 };

static int parse_arg(struct parser *c, struct rec *r, struct word w, uint32_t *seen)
{
	const unsigned args = rec_desc(r)->args;
	const char *eq = memchr(w.s, '=', w.n);
	const struct word key = {w.s, eq ? (size_t)(eq - w.s) : w.n};
	const struct word v = {eq ? eq + 1 : w.s + w.n, eq ? w.n - key.n - 1 : 0};
	uint32_t bit = 0, x = 0;
	int rc;

	if (eq && word_is(key, r->is_event ? "agent" : "cpu"))
		bit = SEEN_CPU;
	else if (eq && args & A_PAGE && word_is(key, "page"))
		bit = SEEN_PAGE;
	else if (eq && args & A_NR && !r->is_event && word_is(key, "nr"))
		bit = SEEN_NR;
	else if (eq && word_is(key, "salt"))
		bit = SEEN_SALT;
	else
		return parse_field(c, r, w, key, v, eq, seen);
	if (*seen & bit)
		return fail(c, "second '%.*s'; give it once", W(key));
	*seen |= bit;
	if (bit == SEEN_CPU)
		return parse_cpu(c, r, v);
	if (bit == SEEN_PAGE)
		return parse_page(c, r, v);
	if (bit == SEEN_NR) {
		rc = parse_ranged(c, "nr", v, 1, 256, &x);
		r->nr = (uint16_t)x;
		return rc;
	}
	rc = parse_ranged(c, "salt", v, 0, 255, &x);
	r->salt = (uint8_t)x;
	return rc;
}

/* `w` = "class#ordinal:" */
static int parse_anchor(struct parser *c, struct rec *r, struct word w)
{
	struct word cls = {w.s, w.n - 1}, ord = {NULL, 0};
	const char *hash = memchr(w.s, '#', w.n);
	char list[96];
	uint32_t n = 1;

	if (hash) {
		cls.n = (size_t)(hash - w.s);
		ord = (struct word){hash + 1, w.n - cls.n - 2};
	}
	for (r->anchor = 0; prog_anchors[r->anchor]; r->anchor++)
		if (word_is(cls, prog_anchors[r->anchor]))
			break;
	if (!prog_anchors[r->anchor]) {
		list_words(list, sizeof(list), prog_anchors);
		return fail(c, "unknown anchor '%.*s'; use %s", W(cls), list);
	}
	if (hash && r->anchor == HW_C_OTHER)
		return fail(c, "'end' has no ordinal; write 'end:'");
	if (hash && (!number(ord, &n) || n < 1 || n > 256))
		return fail(c, "ordinal '%.*s' out of range; use 1..256", W(ord));
	r->nr = (uint16_t)n;
	return 0;
}

static int parse_rec(struct parser *c, const struct word *w, int n)
{
	struct rec r = {.nr = 1, .is_event = w[0].s[w[0].n - 1] == ':'};
	const char *what = r.is_event ? "event" : "op";
	uint32_t seen = 0;
	int kind, i = r.is_event;

	if (!c->in_body && close_hdr(c))
		return -1;
	if (r.is_event && !c->p->n)
		return fail(c, "event before the first op; put it after the op it belongs to");
	if (r.is_event && parse_anchor(c, &r, w[0]))
		return -1;
	if (i == n)
		return fail(c, "anchor without an event; 'ptdiff ops' lists them");
	kind = r.is_event ? find_desc(w[i], ev_descs, EV_NKINDS) : find_desc(w[i], op_descs, OP_NKINDS);
	if (kind < 0)
		return fail(c, "unknown %s '%.*s'; 'ptdiff ops' lists them", what, W(w[i]));
	r.kind = (uint8_t)kind;
	while (++i < n)
		if (parse_arg(c, &r, w[i], &seen))
			return -1;
	if (rec_desc(&r)->args & A_PAGE && !(seen & SEEN_PAGE))
		return fail(c, "%s without a page; write page=BLOCK.OFFSET", rec_desc(&r)->name);
	if (c->p->n == PROG_MAX_RECS)
		return fail(c, "too many ops and events; a program has at most %d", PROG_MAX_RECS);
	c->p->r[c->p->n++] = r;
	return 0;
}

/* A line that could be a header line, although its key is unknown: "word value", no '='. */
static bool looks_like_hdr(const struct parser *c, const struct word *w, int n)
{
	return !c->in_body && n == 2 && !memchr(w[1].s, '=', w[1].n) && w[0].s[w[0].n - 1] != ':' &&
	       find_desc(w[0], op_descs, OP_NKINDS) < 0;
}

static int unknown_key(struct parser *c, struct word w)
{
	char list[256];
	size_t n = 0;

	for (unsigned i = 0; i < HDR_NKEYS; i++)
		add(list, sizeof(list), &n, "%s, ", hdr_keys[i].key);
	return fail(c, "unknown header key '%.*s'; known: %ssalt, ops_off, evs_off", W(w), list);
}

static int parse_line(struct parser *c, const char *s, size_t len)
{
	struct word w[MAX_WORDS];
	const int n = split(s, len, w);
	int key;

	if (n < 0)
		return fail(c, "too many words; one op or event a line");
	if (!n)
		return 0;
	if (!c->versioned) {
		if (!word_is(w[0], "ptdiff"))
			return fail(c, "no ptdiff program; the first word of the text form is 'ptdiff'");
		if (n != 2 || !word_is(w[1], "1"))
			return fail(c, "unknown version of the text form; the first line is 'ptdiff %d'",
				    TEXT_VERSION);
		c->versioned = true;
		return 0;
	}
	key = find_key(w[0]);
	if (key >= 0)
		return parse_hdr_line(c, key, w, n);
	if (looks_like_hdr(c, w, n))
		return unknown_key(c, w[0]);
	return parse_rec(c, w, n);
}

int prog_parse(struct prog *p, const char *name, const char *text, size_t len, char *err, size_t errcap)
{
	struct parser c = {.p = p, .name = name, .err = err, .errcap = errcap};
	const char *s = text, *end = text + len;

	memset(&p->h, 0, sizeof(p->h));
	p->h.ncpu = 1;
	p->n = 0;
	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		const char *stop = nl ? nl : end;

		c.line++;
		if (memchr(s, '\0', (size_t)(stop - s)))
			return fail(&c, "NUL byte in text; the file is damaged or not text");
		if (parse_line(&c, s, (size_t)(stop - s)))
			return -1;
		s = stop + 1;
	}
	if (!c.versioned) {
		c.line = c.line ? c.line : 1;
		return fail(&c, "no ptdiff program; the first word of the text form is 'ptdiff'");
	}
	return c.in_body ? 0 : close_hdr(&c);
}

/*
 * "ptdiff" and a blank or the end, after any empty and comment lines. No encoded program is taken for text: the
 * word cannot begin at byte 0 ('p' would be update mode 3, which does not exist), and byte 7 is zero, which no
 * line before the word, the word, or what must follow it may contain.
 */
bool prog_is_text(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data, *end = s + size;

	while (s < end) {
		while (s < end && (is_blank(*s) || *s == '\n'))
			s++;
		if (s == end || *s != '#')
			break;
		while (s < end && *s && *s != '\n')
			s++;
	}
	if (end - s < 6 || memcmp(s, "ptdiff", 6))
		return false;
	return end - s == 6 || is_blank(s[6]) || s[6] == '\n';
}

static bool named_pt(const char *path)
{
	const size_t n = strlen(path);

	return n >= 3 && !strcmp(path + n - 3, ".pt");
}

static int read_into(struct prog *p, const char *path, FILE *f, char *buf, struct parser *c)
{
	const size_t n = fread(buf, 1, TEXT_MAX_BYTES, f);

	if (ferror(f))
		return fail(c, "cannot read: %s", strerror(errno));
	if (named_pt(path) || prog_is_text((const uint8_t *)buf, n)) {
		if (n == TEXT_MAX_BYTES)
			return fail(c, "longer than %u bytes; no program is", TEXT_MAX_BYTES - 1);
		return prog_parse(p, path, buf, n, c->err, c->errcap);
	}
	prog_decode(p, (const uint8_t *)buf, n);
	return 0;
}

int prog_read_file(struct prog *p, const char *path, char *err, size_t errcap)
{
	struct parser c = {.name = path, .err = err, .errcap = errcap};
	FILE *f = fopen(path, "rb");
	char *buf;
	int rc;

	if (!f)
		return fail(&c, "cannot open: %s", strerror(errno));
	buf = malloc(TEXT_MAX_BYTES);
	rc = buf ? read_into(p, path, f, buf, &c) : fail(&c, "cannot read: %s", strerror(ENOMEM));
	free(buf);
	fclose(f);
	return rc;
}
