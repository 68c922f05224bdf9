/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stacks to run tasks on: a task can stop at any machine step and go on later.
 *
 * Property: a switch saves and restores exactly the callee-saved state; a fiber that is abandoned can be set
 * up again at no cost; nothing is allocated after the first fiber_init of a fiber.
 */
#ifndef FUZZ_FIBER_H
#define FUZZ_FIBER_H

#include <stddef.h>

struct fiber {
	void *sp;
	char *stack; /* NULL: the thread's own stack */
	size_t size;
	const void *asan_lo; /* bounds as AddressSanitizer wants them */
	size_t asan_size;
	void *asan_fake;
	void (*fn)(void *);
	void *arg;
};

/* `fn` runs at the first switch to `f` and must never return. */
void fiber_init(struct fiber *f, void (*fn)(void *), void *arg);
/* Goes on in `to`; returns when something switches back to `from`. */
void fiber_switch(struct fiber *from, struct fiber *to);

#endif
