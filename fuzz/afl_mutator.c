// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mutators as an AFL++ custom mutator library.
 *
 * Property: AFL++ mutates with the same code as libFuzzer; every buffer stays ours and is at most
 * PROG_MAX_BYTES; trimming removes whole ops with their events.
 *
 * Debian ships no afl-fuzz.h: the prototypes are those of AFL++ 4.x's custom mutator ABI.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog.h"

#define API __attribute__((visibility("default")))
API void *afl_custom_init(void *afl, unsigned seed);
API void afl_custom_deinit(void *data);
API size_t afl_custom_fuzz(void *data, uint8_t *buf, size_t size, uint8_t **out, uint8_t *add, size_t add_size,
			   size_t max);
API const char *afl_custom_describe(void *data, size_t max);
API int32_t afl_custom_init_trim(void *data, uint8_t *buf, size_t size);
API size_t afl_custom_trim(void *data, uint8_t **out);
API int32_t afl_custom_post_trim(void *data, uint8_t success);

struct mutator {
	uint32_t seed, calls;
	uint8_t out[PROG_MAX_BYTES];
	/* trimming: the program so far, and the op that the next step drops, counted from the end */
	struct prog trimmed, tried;
	unsigned left, step;
};

void *afl_custom_init(void *afl, unsigned seed)
{
	(void)afl;
	struct mutator *m = calloc(1, sizeof(*m));
	if (m)
		m->seed = seed;
	return m;
}

void afl_custom_deinit(void *data)
{
	free(data);
}

/* A stateless stream: seed and number of the call (the finalizer of splitmix32). */
static uint32_t next(struct mutator *m)
{
	uint32_t x = m->seed + 0x9e3779b9u * ++m->calls;
	x = (x ^ (x >> 16)) * 0x21f0aaadu;
	x = (x ^ (x >> 15)) * 0x735a2d97u;
	return x ^ (x >> 15);
}

size_t afl_custom_fuzz(void *data, uint8_t *buf, size_t size, uint8_t **out, uint8_t *add, size_t add_size,
		       size_t max)
{
	struct mutator *m = data;
	uint32_t r = next(m);

	if (max > PROG_MAX_BYTES)
		max = PROG_MAX_BYTES;
	if (size > max)
		size = max;
	*out = m->out;
	if (add && add_size && (r & 7) == 0) {
		size_t n = mut_crossover(buf, size, add, add_size, m->out, max, next(m));
		if (n)
			return n;
	}
	memcpy(m->out, buf, size);
	return mut_mutate(m->out, size, max, next(m));
}

const char *afl_custom_describe(void *data, size_t max)
{
	(void)data;
	(void)max;
	return "ptdiff";
}

/* One step an op: drop it, the last first. */
int32_t afl_custom_init_trim(void *data, uint8_t *buf, size_t size)
{
	struct mutator *m = data;
	prog_decode(&m->trimmed, buf, size);
	m->left = m->trimmed.n;
	m->step = 0;
	return (int32_t)m->left;
}

size_t afl_custom_trim(void *data, uint8_t **out)
{
	struct mutator *m = data;
	struct prog *t = &m->tried;
	unsigned at = m->left - 1 - m->step, gone = 1;

	*t = m->trimmed;
	*out = m->out;
	if (at < t->n) {
		if (!t->r[at].is_event)
			while (at + gone < t->n && t->r[at + gone].is_event)
				gone++;
		memmove(&t->r[at], &t->r[at + gone], (t->n - at - gone) * sizeof(t->r[0]));
		t->n -= gone;
	}
	return prog_encode(t, m->out);
}

int32_t afl_custom_post_trim(void *data, uint8_t success)
{
	struct mutator *m = data;
	if (success)
		m->trimmed = m->tried;
	return (int32_t)++m->step;
}
