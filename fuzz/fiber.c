/* SPDX-License-Identifier: GPL-2.0-only */
/* Property: see fiber.h. A switch is about 2 ns: no system call, no signal mask. */
#include "fiber.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define FIBER_STACK (64 * 1024)
#define FIBER_GUARD 4096

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#endif

#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

/* Saves callee-saved registers on the stack at *save, switches to `load`. */
void fiber_swap(void **save, void *load);
void fiber_first(void);

#if defined(__x86_64__)
__asm__(".text\n.globl fiber_swap\n.type fiber_swap,@function\nfiber_swap:\n"
	"	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp,(%rdi)\n	mov %rsi,%rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	pop %rbp\n"
	"	pop %rcx\n	jmp *%rcx\n.size fiber_swap,.-fiber_swap\n"
	".globl fiber_first\n.type fiber_first,@function\nfiber_first:\n"
	"	mov %rbx,%rdi\n	call fiber_enter\n	ud2\n.size fiber_first,.-fiber_first\n");
enum { SAVED_WORDS = 7, ARG_WORD = 4, PC_WORD = 6 };
#elif defined(__aarch64__)
__asm__(".text\n.globl fiber_swap\n.type fiber_swap,%function\nfiber_swap:\n"
	"	sub sp,sp,#160\n	stp x19,x20,[sp,#0]\n	stp x21,x22,[sp,#16]\n	stp x23,x24,[sp,#32]\n"
	"	stp x25,x26,[sp,#48]\n	stp x27,x28,[sp,#64]\n	stp x29,x30,[sp,#80]\n"
	"	stp d8,d9,[sp,#96]\n	stp d10,d11,[sp,#112]\n	stp d12,d13,[sp,#128]\n	stp d14,d15,[sp,#144]\n"
	"	mov x9,sp\n	str x9,[x0]\n	mov sp,x1\n"
	"	ldp x19,x20,[sp,#0]\n	ldp x21,x22,[sp,#16]\n	ldp x23,x24,[sp,#32]\n"
	"	ldp x25,x26,[sp,#48]\n	ldp x27,x28,[sp,#64]\n	ldp x29,x30,[sp,#80]\n"
	"	ldp d8,d9,[sp,#96]\n	ldp d10,d11,[sp,#112]\n	ldp d12,d13,[sp,#128]\n	ldp d14,d15,[sp,#144]\n"
	"	add sp,sp,#160\n	br x30\n.size fiber_swap,.-fiber_swap\n"
	".globl fiber_first\n.type fiber_first,%function\nfiber_first:\n"
	"	mov x0,x19\n	bl fiber_enter\n	brk #0\n.size fiber_first,.-fiber_first\n");
enum { SAVED_WORDS = 20, ARG_WORD = 0, PC_WORD = 11 };
#else
#error "fiber_swap is written for x86-64 and aarch64"
#endif

_Noreturn void fiber_enter(struct fiber *f);

static void asan_arrived(struct fiber *me, struct fiber *from)
{
#ifdef FIBER_ASAN
	const void *lo;
	size_t size;

	__sanitizer_finish_switch_fiber(me->asan_fake, &lo, &size);
	if (from && !from->stack) {
		from->asan_lo = lo;
		from->asan_size = size;
	}
#else
	(void)me;
	(void)from;
#endif
}

static struct fiber *leaving; /* who switched last: AddressSanitizer tells its bounds on arrival */

_Noreturn void fiber_enter(struct fiber *f)
{
	asan_arrived(f, leaving);
	f->fn(f->arg);
	abort();
}

static void map_stack(struct fiber *f)
{
	char *m = mmap(NULL, FIBER_STACK + FIBER_GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED || mprotect(m, FIBER_GUARD, PROT_NONE)) {
		perror("ptdiff: cannot map a task stack");
		exit(70);
	}
	f->stack = m + FIBER_GUARD;
	f->size = FIBER_STACK;
}

void fiber_init(struct fiber *f, void (*fn)(void *), void *arg)
{
	uintptr_t *sp;

	if (!f->stack)
		map_stack(f);
#ifdef FIBER_ASAN
	__asan_unpoison_memory_region(f->stack, f->size);
	f->asan_fake = NULL;
#endif
	f->asan_lo = f->stack;
	f->asan_size = f->size;
	f->fn = fn;
	f->arg = arg;
	/* After the pops sp is 16-byte aligned, as the ABI wants it before the call in fiber_first. */
	sp = (uintptr_t *)(void *)(f->stack + f->size) - 4;
	sp -= SAVED_WORDS;
	for (int i = 0; i < SAVED_WORDS; i++)
		sp[i] = 0;
	sp[ARG_WORD] = (uintptr_t)f;
	sp[PC_WORD] = (uintptr_t)fiber_first;
	f->sp = sp;
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	leaving = from;
#ifdef FIBER_ASAN
	__sanitizer_start_switch_fiber(&from->asan_fake, to->asan_lo, to->asan_size);
#endif
	fiber_swap(&from->sp, to->sp);
	asan_arrived(from, leaving);
}
