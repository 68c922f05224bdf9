// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer's shim. OSS-Fuzz and ClusterFuzzLite link this one too.
 *
 * Property: what the engine sees beside edge coverage is exactly the state features of the last execution.
 */
#include "fuzz/engine.h"
#include "fuzz/exec.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb, uint8_t *out, size_t max,
				 unsigned seed);

/* libFuzzer clears and reads this section around each execution. Without `used` the linker drops it. */
__attribute__((used, section("__libfuzzer_extra_counters"))) static uint8_t extra_counters[EXEC_NFEATURES];
_Static_assert(EXEC_NFEATURES % 8 == 0, "libFuzzer reads words");

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	engine_init();
	exec_features = extra_counters;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	engine_one(data, size);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	return mut_mutate(data, size < max_size ? size : max_size, max_size, seed);
}

/* With both callbacks defined libFuzzer splits its calls half and half: decline seven of eight. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb, uint8_t *out, size_t max,
				 unsigned seed)
{
	if (seed & 7)
		return 0;
	return mut_crossover(a, na, b, nb, out, max, seed >> 3);
}
