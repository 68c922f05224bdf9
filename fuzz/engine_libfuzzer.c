// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer's shim. OSS-Fuzz and ClusterFuzzLite link this one too.
 *
 * Property: what the engine sees beside edge coverage is exactly the state features of the last execution; a disk that
 * fills up costs no input that was written before.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fuzz/engine.h"
#include "fuzz/exec.h"

/* libFuzzer removes an input before it writes the shorter one that replaces it, and does not look whether the
 * write succeeds. This definition comes before the C library's. */
int unlink(const char *path)
{
	struct statvfs fs;
	struct stat sb;

	if (!stat(path, &sb) && sb.st_size && !statvfs(path, &fs) && fs.f_blocks &&
	    fs.f_bavail * fs.f_frsize < 1u << 20) {
		errno = ENOSPC;
		return -1;
	}
	return unlinkat(AT_FDCWD, path, 0);
}

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
