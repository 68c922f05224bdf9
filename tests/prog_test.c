// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property: what prog.h promises of programs, on 100,000 random byte strings and 100,000 generated and mutated
 * programs: every byte string decodes, normalization is idempotent, bytes and text round-trip, mutators emit
 * what the decoder takes, within the engine's limit, and the same again for the same seed; malformed text costs
 * one line that says where and what to do.
 *
 * Links: fuzz/{prog,text,mutate}.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fuzz/prog.h"
#include "hw/hw.h"

enum { ROUNDS = 100000 };

static uint64_t rng;

static uint32_t rnd(void)
{
	rng = rng * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(rng >> 32);
}

static void assert_legal(const struct prog *p)
{
	const unsigned cont = prog_cont(&p->h);

	assert_true(p->n <= PROG_MAX_RECS);
	assert_in_range(p->h.ncpu, 1, HW_MAX_CPU);
	assert_true(p->h.geo < HW_NGEO && p->h.update <= HW_UPD_AF_DIRTY && p->h.update_odd <= p->h.update);
	assert_true(p->h.drain < HW_NDRAIN && p->h.xlate < HW_NXLATE && p->h.pick < HW_NPICK && p->h.bbml <= 3);
	assert_true(p->n == 0 || !p->r[0].is_event);
	for (unsigned i = 0; i < p->n; i++) {
		const struct rec *r = &p->r[i];

		assert_true(r->block < PROG_BLOCKS && r->off < cont && r->nr >= 1 && r->nr <= 256);
		assert_true(r->kind < (r->is_event ? (int)EV_NKINDS : (int)OP_NKINDS));
		assert_true(r->cpu < p->h.ncpu || (r->is_event && r->cpu == HW_SMMU && p->h.smmu));
	}
}

/* All properties of a normalized program. `text` costs ten times the rest. */
static void check(const struct prog *p, bool text)
{
	static struct prog q;
	static uint8_t buf[PROG_MAX_BYTES], again[PROG_MAX_BYTES];
	size_t n = prog_encode(p, buf);

	assert_legal(p);
	assert_int_equal(n, PROG_HDR_BYTES + p->n * PROG_REC_BYTES);
	assert_false(prog_is_text(buf, n));
	prog_decode(&q, buf, n);
	assert_true(prog_equal(p, &q));
	assert_int_equal(prog_encode(&q, again), n);
	assert_memory_equal(buf, again, n);
	prog_normalize(&q);
	assert_true(prog_equal(p, &q));
	if (text) {
		static char t[65536], err[256];
		FILE *f = fmemopen(t, sizeof(t), "w");

		prog_print(p, f);
		fclose(f);
		memset(&q, 0xa5, sizeof(q));
		if (prog_parse(&q, "t", t, strlen(t), err, sizeof(err)))
			fail_msg("%s\n%s", err, t);
		if (!prog_equal(p, &q))
			fail_msg("text differs:\n%s", t);
		assert_true(prog_is_text((const uint8_t *)t, strlen(t)));
	}
}

static void random_bytes(void **state)
{
	static struct prog p;
	uint8_t buf[400];

	(void)state;
	for (unsigned k = 0; k < ROUNDS; k++) {
		const size_t n = rnd() % (k % 16 ? 120 : sizeof(buf));

		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)rnd();
		memset(&p, 0xa5, sizeof(p));
		prog_decode(&p, buf, n);
		check(&p, k % 8 == 0);
	}
}

static void long_bytes(void **state)
{
	static uint8_t buf[PROG_MAX_BYTES + 4096];
	static struct prog p;

	(void)state;
	for (unsigned k = 0; k < 200; k++) {
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = (uint8_t)rnd();
		prog_decode(&p, buf, sizeof(buf));
		check(&p, true);
	}
	memset(buf, 0xff, sizeof(buf)); /* events only: all orphans */
	prog_decode(&p, buf, sizeof(buf));
	assert_int_equal(p.n, 0);
	prog_decode(&p, NULL, 0);
	assert_int_equal(p.n, 0);
	assert_int_equal(p.h.ncpu, 1);
}

/* decode(encode(p)) for structs that were never normalized. */
static void wild_structs(void **state)
{
	static struct prog p, q;

	(void)state;
	for (unsigned k = 0; k < 2000; k++) {
		for (size_t i = 0; i < sizeof(p); i++)
			((uint8_t *)&p)[i] = (uint8_t)rnd();
		p.n = rnd() % 300;
		prog_normalize(&p);
		q = p;
		prog_normalize(&q);
		assert_true(prog_equal(&p, &q));
		check(&p, true);
	}
}

static void mutants(void **state)
{
	static uint8_t buf[PROG_MAX_BYTES], prev[PROG_MAX_BYTES], copy[PROG_MAX_BYTES], out[PROG_MAX_BYTES];
	static struct prog p;
	size_t n = 0, pn = 0, sum = 0;

	(void)state;
	for (unsigned k = 0; k < ROUNDS; k++) {
		const size_t max = k % 5 == 0 ? PROG_HDR_BYTES + rnd() % 200 : sizeof(buf);
		const uint32_t seed = rnd();
		size_t m;

		if (k % 100 == 0) {
			mut_generate(&p, 1 + rnd() % 20, seed);
			check(&p, true);
			n = prog_encode(&p, buf);
		}
		memcpy(copy, buf, n);
		m = mut_mutate(copy, n, max, seed);
		memcpy(out, buf, n);
		assert_int_equal(mut_mutate(out, n, max, seed), m);
		assert_memory_equal(out, copy, m);
		assert_true(m <= max && (max >= n || m <= n));
		prog_decode(&p, copy, m);
		check(&p, k % 8 == 0);
		assert_int_equal(prog_encode(&p, out), m);
		assert_memory_equal(out, copy, m);
		sum += prog_count_ops(&p);

		m = mut_crossover(copy, m, prev, pn, out, max, seed);
		assert_true(m <= max);
		prog_decode(&p, out, m);
		check(&p, k % 8 == 1);
		assert_int_equal(prog_encode(&p, prev), m);
		assert_memory_equal(prev, out, m);

		pn = n;
		memcpy(prev, buf, n);
		n = mut_mutate(buf, n, sizeof(buf), seed ^ 1);
	}
	/* Programs stay short. */
	assert_true(sum / ROUNDS <= 20);
}

static void mutator_limits(void **state)
{
	uint8_t buf[PROG_MAX_BYTES];
	struct prog p;

	(void)state;
	for (uint32_t seed = 0; seed < 3000; seed++) {
		memset(buf, 0x5a, sizeof(buf));
		const size_t max = seed % 60, n = mut_mutate(buf, 0, max, seed);

		assert_true(n <= max);
		assert_true(max < PROG_HDR_BYTES ? n == 0 : n >= PROG_HDR_BYTES);
		for (size_t i = max; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 0x5a);
	}
	/* A full program shrinks when asked to, and is not grown past the limit. */
	for (uint32_t seed = 0; seed < 300; seed++) {
		size_t n;

		mut_generate(&p, 120, seed);
		n = prog_encode(&p, buf);
		assert_true(mut_mutate(buf, n, n - 8, seed) < n);
	}
}

/* Mutators take text seeds as they lie in the corpus. */
static void mutate_text(void **state)
{
	static const char text[] = "# seed\nptdiff 1\ngeometry 4k\nset_ptes cpu=0 page=1.0 nr=16 folio=2 write\n";
	unsigned kept = 0;

	(void)state;
	for (uint32_t seed = 0; seed < 1000; seed++) {
		uint8_t buf[PROG_MAX_BYTES];
		struct prog p;
		size_t n;

		memcpy(buf, text, sizeof(text) - 1);
		n = mut_mutate(buf, sizeof(text) - 1, sizeof(buf), seed);
		prog_decode(&p, buf, n);
		check(&p, true);
		kept += p.h.geo == HW_GEO_4K && p.n && p.r[0].kind == OP_set_ptes;
	}
	assert_true(kept > 500);
}

/* Every op, every event, every field and every geometry is generated. */
static void generator_covers(void **state)
{
	static unsigned ops[OP_NKINDS], evs[EV_NKINDS], anchors[HW_NCLASS], geos[HW_NGEO], whole, cross, all;
	static struct prog p;

	(void)state;
	for (uint32_t seed = 0; seed < 4000; seed++) {
		mut_generate(&p, 12, seed);
		assert_true(prog_count_ops(&p) <= 12);
		geos[p.h.geo]++;
		for (unsigned i = 0; i < p.n; i++) {
			const struct rec *r = &p.r[i];
			const unsigned cont = prog_cont(&p.h);

			if (r->is_event) {
				evs[r->kind]++;
				anchors[r->anchor]++;
				continue;
			}
			ops[r->kind]++;
			if (!(op_descs[r->kind].args & A_NR))
				continue;
			all++;
			whole += r->off == 0 && r->nr % cont == 0;
			cross += r->off && r->off + r->nr > cont;
		}
	}
	for (unsigned i = 0; i < OP_NKINDS; i++)
		assert_true(ops[i] > 100);
	for (unsigned i = 0; i < EV_NKINDS; i++)
		assert_true(evs[i] > 100);
	for (unsigned i = 0; i < HW_NCLASS; i++)
		assert_true(anchors[i] > 100);
	assert_in_range(geos[HW_GEO_SMALL], 1800, 2200);
	assert_in_range(geos[HW_GEO_4K], 1000, 1400);
	assert_in_range(geos[HW_GEO_16K], 220, 420);
	assert_in_range(geos[HW_GEO_64K], 360, 600);
	assert_true(whole * 3 >= all); /* one range in three is whole blocks */
	assert_true(cross * 10 >= all);
}

/*
 * small  |....|  ->  4k  |................|
 *         0  3            0              15		distances from the nearest edge stay
 */
static void change_geometry(void **state)
{
	static const struct {
		uint8_t off;
		uint16_t nr;
		uint8_t off4k;
		uint16_t nr4k;
	} t[] = {{0, 4, 0, 16}, {3, 1, 15, 1}, {3, 2, 15, 2}, {0, 8, 0, 32},
		 {1, 1, 1, 13}, {0, 1, 0, 1},  {2, 2, 14, 2}};
	struct prog p = {.h = {.ncpu = 1}, .n = 1};

	(void)state;
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		p.h.geo = HW_GEO_SMALL;
		p.r[0] = (struct rec){.kind = OP_set_ptes, .off = t[i].off, .nr = t[i].nr};
		prog_set_geo(&p, HW_GEO_4K);
		assert_int_equal(p.r[0].off, t[i].off4k);
		assert_int_equal(p.r[0].nr, t[i].nr4k);
		prog_set_geo(&p, HW_GEO_SMALL);
		assert_int_equal(p.r[0].off, t[i].off);
		assert_int_equal(p.r[0].nr, t[i].nr);
	}
}

static void text_form(void **state)
{
	static const char text[] =
		"# any comment\r\n\nptdiff 1\n"
		"geometry 4k\t# the usual\n"
		"cpus 2\nupdate af+dirty\nsmmu plain\nsalt 4294967295\nops_off touch free_table\n"
		"set_ptes cpu=0 page=0.0 nr=16 folio=2 write young\n"
		"    atomic#2: write agent=1 page=0.3 xlate=2 salt=9 #\n"
		"  end: age agent=smmu page=3.15\n"
		"ptep_get nr=1 page=0.1\n";
	static const char canon[] = "ptdiff 1\ngeometry 4k\ncpus 2\nupdate af+dirty\nsmmu plain\nsalt 4294967295\n"
				    "ops_off touch free_table\n"
				    "set_ptes cpu=0 page=0.0 nr=16 folio=2 write young\n"
				    "  atomic#2: write agent=1 page=0.3 xlate=2 salt=9\n"
				    "  end: age agent=smmu page=3.15\n"
				    "ptep_get cpu=0 page=0.1\n";
	static char out[1024];
	struct prog p;
	char err[256];
	FILE *f;

	(void)state;
	assert_int_equal(prog_parse(&p, "x", text, sizeof(text) - 1, err, sizeof(err)), -1);
	assert_string_equal(err, "x:13: ptep_get does not take 'nr=1'; it takes cpu= page= salt=");
	f = fmemopen(out, sizeof(out), "w");
	if (prog_parse(&p, "x", canon, sizeof(canon) - 1, err, sizeof(err)))
		fail_msg("%s", err);
	prog_print(&p, f);
	fclose(f);
	assert_string_equal(out, canon);
	assert_int_equal(p.h.update_odd, HW_UPD_AF_DIRTY); /* follows update unless given */
	assert_int_equal(prog_print_rec(&p, &p.r[1], out, 8),
			 strlen("atomic#2: write agent=1 page=0.3 xlate=2 salt=9"));
	assert_string_equal(out, "atomic#");
}
#define TEN "a a a a a a a a a a "

#define P   "ptdiff 1\n"
#define SET "set_ptes page=0.0\n"
static const struct {
	const char *text, *err;
} bad[] = {
	{"", "f:1: no ptdiff program; the first word of the text form is 'ptdiff'"},
	{"# only\n\n", "f:2: no ptdiff program; the first word of the text form is 'ptdiff'"},
	{"ptdif 1\n", "f:1: no ptdiff program; the first word of the text form is 'ptdiff'"},
	{"ptdiff\n", "f:1: unknown version of the text form; the first line is 'ptdiff 1'"},
	{"ptdiff 2\n", "f:1: unknown version of the text form; the first line is 'ptdiff 1'"},
	{P "geometry huge\n", "f:2: bad geometry 'huge'; use small, 4k, 16k or 64k"},
	{P "geometry\n", "f:2: 'geometry' without a value"},
	{P "geometry 4k\ngeometry 4k\n", "f:3: second 'geometry'; give it once"},
	{P "geometry 4k #x\n", "f:2: 'geometry' takes one value; comments begin with '# '"},
	{P "geomtry 4k\n", "f:2: unknown header key 'geomtry'; known: geometry, cpus, update, update_odd, smmu, "
			   "smmu_btm, ets2, ttl, tlbirange, early, alloc_fails, bbml, drain, xlate, pick, salt, "
			   "ops_off, evs_off"},
	{P SET "cpus 2\n", "f:3: 'cpus' after the first op; header lines come first"},
	{P "cpus 5\n", "f:2: bad cpus '5'; use 1, 2, 3 or 4"},
	{P "salt x\n", "f:2: salt 'x' is no number from 0 to 4294967295"},
	{P "salt 4294967296\n", "f:2: salt '4294967296' is no number from 0 to 4294967295"},
	{P "ops_off set_pte\n", "f:2: unknown name 'set_pte' in ops_off; 'ptdiff ops' lists them"},
	{P "smmu_btm on\n" SET, "f:3: 'smmu_btm' without an SMMU; add 'smmu plain', 'smmu af' or 'smmu af+dirty'"},
	{P "cpus 2\nupdate af\nupdate_odd af+dirty\n",
	 "f:4: 'update_odd' above 'update'; CPUs 1 and 3 may only have less"},
	{P "update af\nupdate_odd none\n", "f:3: 'update_odd' without a CPU 1; add 'cpus 2'"},
	{P "ets2 on\nearly on\n", "f:3: 'early' with 'ets2'; early walks do not exist under FEAT_ETS2"},
	{P "set_pte page=0.0\n", "f:2: unknown op 'set_pte'; 'ptdiff ops' lists them"},
	{P "\n" SET "frob\n", "f:4: unknown op 'frob'; 'ptdiff ops' lists them"},
	{P "set_ptes\n", "f:2: set_ptes without a page; write page=BLOCK.OFFSET"},
	{P "set_ptes page=0\n", "f:2: bad page '0'; write page=BLOCK.OFFSET"},
	{P "set_ptes page=0.\n", "f:2: bad page '0.'; write page=BLOCK.OFFSET"},
	{P "set_ptes page=-1.0\n", "f:2: bad page '-1.0'; write page=BLOCK.OFFSET"},
	{P "set_ptes page=0.4\n", "f:2: page=0.4 out of range; geometry small has blocks 0..3 of entries 0..3"},
	{P "set_ptes page=4.0\n", "f:2: page=4.0 out of range; geometry small has blocks 0..3 of entries 0..3"},
	{P "set_ptes page=0.0 page=0.1\n", "f:2: second 'page'; give it once"},
	{P "set_ptes page=0.0 nr=0\n", "f:2: nr=0 out of range; use 1..256"},
	{P "set_ptes page=0.0 nr=257\n", "f:2: nr=257 out of range; use 1..256"},
	{P "set_ptes page=0.0 nr=99999999999999999999\n", "f:2: nr=99999999999999999999 out of range; use 1..256"},
	{P "set_ptes page=0.0 cpu=1\n",
	 "f:2: cpu=1 out of range; the program has CPUs 0..0 ('cpus' in the header)"},
	{P "set_ptes page=0.0 folio=16\n", "f:2: folio=16 out of range; use 0..15"},
	{P "set_ptes page=0.0 folio\n", "f:2: folio without a value; write folio=0..15"},
	{P "set_ptes page=0.0 write=1\n", "f:2: 'write=1': write is a flag; write the bare word or leave it out"},
	{P "set_ptes page=0.0 write write\n", "f:2: second 'write'; give it once"},
	{P "set_ptes page=0.0 salt=256\n", "f:2: salt=256 out of range; use 0..255"},
	{P "ptep_get page=0.0 write\n", "f:2: ptep_get does not take 'write'; it takes cpu= page= salt="},
	{P "touch page=0.0 =\n", "f:2: touch does not take '='; it takes cpu= page= write smmu salt="},
	{P "  any#1: write page=0.0\n", "f:2: event before the first op; put it after the op it belongs to"},
	{P SET "atom#1: write page=0.0\n",
	 "f:3: unknown anchor 'atom'; use any, load, store, atomic, barrier, tlbi or end"},
	{P SET "atomic#0: write page=0.0\n", "f:3: ordinal '0' out of range; use 1..256"},
	{P SET "atomic#257: write page=0.0\n", "f:3: ordinal '257' out of range; use 1..256"},
	{P SET "atomic#: write page=0.0\n", "f:3: ordinal '' out of range; use 1..256"},
	{P SET "end#1: write page=0.0\n", "f:3: 'end' has no ordinal; write 'end:'"},
	{P SET ":\n", "f:3: unknown anchor ''; use any, load, store, atomic, barrier, tlbi or end"},
	{P SET "any#1:\n", "f:3: anchor without an event; 'ptdiff ops' lists them"},
	{P SET "any#1: touch page=0.0\n", "f:3: unknown event 'touch'; 'ptdiff ops' lists them"},
	{P SET "any#1: write agent=1 page=0.0\n",
	 "f:3: agent=1 out of range; the program has CPUs 0..0 ('cpus' in the header)"},
	{P SET "any#1: write agent=smmu page=0.0\n",
	 "f:3: agent=smmu without an SMMU; add 'smmu plain' to the header"},
	{P SET "any#1: write\n", "f:3: write without a page; write page=BLOCK.OFFSET"},
	{P SET "any#1: park page=0.0\n", "f:3: park does not take 'page=0.0'; it takes agent= salt="},
	{P SET TEN TEN TEN TEN TEN TEN "a a a a a\n", "f:3: too many words; one op or event a line"},
	{P "f\x01\x1b[31m page=0.0\n", "f:2: unknown op 'f??[31m'; 'ptdiff ops' lists them"},
};

static void parse_errors(void **state)
{
	static char big[PROG_MAX_RECS * 32 + 64];
	struct prog p;
	char err[512];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err[0] = '\0';
		if (!prog_parse(&p, "f", bad[i].text, strlen(bad[i].text), err, sizeof(err)))
			fail_msg("accepted: %s", bad[i].text);
		assert_string_equal(err, bad[i].err);
		assert_int_equal(prog_parse(&p, "f", bad[i].text, strlen(bad[i].text), err, 10), -1);
		assert_int_equal(prog_parse(&p, "f", bad[i].text, strlen(bad[i].text), NULL, 0), -1);
	}
	assert_int_equal(prog_parse(&p, "f", P "set_\0ptes", sizeof(P) - 1 + 9, err, sizeof(err)), -1);
	assert_string_equal(err, "f:2: NUL byte in text; the file is damaged or not text");
	strcpy(big, P);
	for (unsigned i = 0; i <= PROG_MAX_RECS; i++)
		strcat(big, SET);
	assert_int_equal(prog_parse(&p, "f", big, strlen(big), err, sizeof(err)), -1);
	assert_string_equal(err, "f:258: too many ops and events; a program has at most 256");
}

/* Damaged text is rejected or accepted, never a crash; what is accepted is in range. */
static void parse_noise(void **state)
{
	static char text[65536];
	struct prog p;
	char err[256];
	unsigned good = 0;

	(void)state;
	for (unsigned k = 0; k < 20000; k++) {
		FILE *f = fmemopen(text, sizeof(text), "w");
		size_t n;

		mut_generate(&p, 4, k);
		prog_print(&p, f);
		fclose(f);
		n = strlen(text);
		for (unsigned j = rnd() % 4; j; j--)
			text[rnd() % n] = rnd() % 2 ? (char)rnd() : " .=#:\n019"[rnd() % 9];
		if (prog_parse(&p, "f", text, rnd() % 4 ? n : rnd() % n, err, sizeof(err))) {
			assert_null(strchr(err, '\n'));
			assert_true(!strncmp(err, "f:", 2));
			continue;
		}
		good++;
		check(&p, true);
	}
	assert_true(good > 1000);
}

static void text_detection(void **state)
{
	static const char *const yes[] = {"ptdiff", "ptdiff 1", "# x\n\n \tptdiff 1\n", "#\nptdiff\n",
					  "ptdiff\r\n"};
	static const char *const no[] = {"", "#", "ptdif", "ptdiffs 1", "# ptdiff 1", "x ptdiff"};
	uint8_t hdr[24] = "ptdiff\n";
	struct prog p;

	(void)state;
	for (unsigned i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		assert_true(prog_is_text((const uint8_t *)yes[i], strlen(yes[i])));
	for (unsigned i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_false(prog_is_text((const uint8_t *)no[i], strlen(no[i])));
	assert_false(prog_is_text((const uint8_t *)"ptdiff\0", 7));
	/* Bytes that look like text change when they go through the codec. */
	prog_decode(&p, hdr, sizeof(hdr));
	prog_encode(&p, hdr);
	assert_false(prog_is_text(hdr, sizeof(hdr)));
	memcpy(hdr, "\nptdiff\n", 8);
	prog_decode(&p, hdr, sizeof(hdr));
	prog_encode(&p, hdr);
	assert_false(prog_is_text(hdr, sizeof(hdr)));
}

static void put_file(const char *path, const void *data, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void read_files(void **state)
{
	char dir[] = "/tmp/prog_test.XXXXXX", path[64], err[256], want[256];
	struct prog p;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a", dir);
	assert_int_equal(prog_read_file(&p, path, err, sizeof(err)), -1);
	snprintf(want, sizeof(want), "%s: cannot open: No such file or directory", path);
	assert_string_equal(err, want);
	assert_int_equal(prog_read_file(&p, dir, err, sizeof(err)), -1);
	snprintf(want, sizeof(want), "%s: cannot read: Is a directory", dir);
	assert_string_equal(err, want);
	put_file(path, P SET, sizeof(P SET) - 1);
	assert_int_equal(prog_read_file(&p, path, err, sizeof(err)), 0);
	assert_int_equal(p.n, 1);
	put_file(path, "\1\2\3", 3); /* bytes: always a program */
	assert_int_equal(prog_read_file(&p, path, err, sizeof(err)), 0);
	assert_int_equal(p.n, 0);
	unlink(path);
	snprintf(path, sizeof(path), "%s/b.pt", dir);
	put_file(path, "\1\2\3", 3);
	assert_int_equal(prog_read_file(&p, path, err, sizeof(err)), -1);
	snprintf(want, sizeof(want), "%s:1: no ptdiff program; the first word of the text form is 'ptdiff'", path);
	assert_string_equal(err, want);
	unlink(path);
	rmdir(dir);
}

static void tables(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_NCLASS; i++)
		assert_non_null(prog_anchors[i]);
	assert_null(prog_anchors[HW_NCLASS]);
	for (unsigned i = 0; i < HDR_NKEYS; i++) {
		assert_non_null(hdr_keys[i].key);
		assert_true(hdr_keys[i].n <= 1u << hdr_keys[i].bits);
	}
	for (unsigned i = 0; i < OP_NKINDS; i++) {
		unsigned used[2] = {0, 0};

		for (const struct op_field *f = op_descs[i].field; f->name; f++) {
			const unsigned mask = ((1u << f->bits) - 1) << f->shift;

			assert_true(mask <= 0xff);
			assert_int_equal(used[f->byte] & mask, 0);
			used[f->byte] |= mask;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),	   cmocka_unit_test(random_bytes),
		cmocka_unit_test(long_bytes),	   cmocka_unit_test(wild_structs),
		cmocka_unit_test(mutants),	   cmocka_unit_test(mutator_limits),
		cmocka_unit_test(mutate_text),	   cmocka_unit_test(generator_covers),
		cmocka_unit_test(change_geometry), cmocka_unit_test(text_form),
		cmocka_unit_test(parse_errors),	   cmocka_unit_test(parse_noise),
		cmocka_unit_test(text_detection),  cmocka_unit_test(read_files),
	};

	rng = 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
