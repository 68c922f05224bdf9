// SPDX-License-Identifier: GPL-2.0-only
/*
 * AFL++'s shim: persistent mode and shared-memory input come from its driver (afl-clang-fast -fsanitize=fuzzer).
 *
 * Property: the state features of an execution reach AFL++ as edges of their own, and nothing stays set for the
 * next execution.
 */
#include <string.h>

#include "fuzz/engine.h"
#include "fuzz/exec.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* AFL++'s runtime: gives each guard a place in the coverage map; counts a hit of one. */
void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop);
void __sanitizer_cov_trace_pc_guard(uint32_t *guard);

static uint32_t guards[EXEC_NFEATURES];
static uint8_t features[EXEC_NFEATURES] __attribute__((aligned(8)));

__attribute__((constructor)) static void guards_register(void)
{
	__sanitizer_cov_trace_pc_guard_init(guards, guards + EXEC_NFEATURES);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	engine_init();
	exec_features = features;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	engine_one(data, size);
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
