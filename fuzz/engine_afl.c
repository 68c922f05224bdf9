// SPDX-License-Identifier: GPL-2.0-only
/*
 * AFL++'s shim: persistent mode and shared-memory input come from its driver (afl-clang-fast -fsanitize=fuzzer).
 *
 * Property: the state features of an execution reach AFL++ as edges of their own, and nothing stays set for the
 * next execution; no process outlives afl-fuzz.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "fuzz/engine.h"
#include "fuzz/exec.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* AFL++'s runtime: gives each guard a place in the coverage map; counts a hit of one. */
void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop);
void __sanitizer_cov_trace_pc_guard(uint32_t *guard);

/* Its coverage map of this execution, and how much of it is in use. */
extern uint8_t *__afl_area_ptr;
extern uint32_t __afl_final_loc;

enum { MAX_MAP = 1 << 16 };
static uint8_t edges[MAX_MAP]; /* union over all executions */
static uint32_t guards[EXEC_NFEATURES];
static uint8_t features[EXEC_NFEATURES] __attribute__((aligned(8)));

__attribute__((constructor)) static void guards_register(void)
{
	__sanitizer_cov_trace_pc_guard_init(guards, guards + EXEC_NFEATURES);
}

/* afl-fuzz tells its coverage at the end only. Called before the state features are added to the map. */
static void edges_merge(void)
{
	const uint8_t *restrict map = __afl_area_ptr;
	uint32_t n = __afl_final_loc + 1 < MAX_MAP ? __afl_final_loc + 1 : MAX_MAP;
	for (uint32_t i = 0; i < n; i++)
		edges[i] |= map[i];
}

static unsigned edges_count(void)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < MAX_MAP; i++)
		n += edges[i] != 0;
	return n;
}

/* In persistent mode a child stops itself between two inputs. When the fork server is killed then, the child would
 * stay for ever, stopped, and keep every pipe that it has inherited open. */
static void die_with_fork_server(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	pthread_atfork(NULL, NULL, die_with_fork_server);
	engine_init();
	engine_cov = edges_count;
	exec_features = features;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	engine_one(data, size);
	edges_merge();
	for (unsigned i = 0; i < EXEC_NFEATURES; i += 8) {
		uint64_t word;
		memcpy(&word, features + i, 8);
		for (unsigned k = i; word; k++, word >>= 8)
			if (word & 0xff)
				__sanitizer_cov_trace_pc_guard(&guards[k]);
	}
	memset(features, 0, sizeof(features));
	return 0;
}
