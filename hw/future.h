/* SPDX-License-Identifier: GPL-2.0-only */
/* What exhaustive exploration of the fuzzer's programs asks of the machine; see future.c for the property. */
#ifndef HW_FUTURE_H
#define HW_FUTURE_H

#include <stdbool.h>
#include <stdint.h>

/* Equal hashes between two ops: every later sequence of calls is answered alike. */
uint64_t hw_future_hash(void);
/* Has any CPU stores that others do not see yet? */
bool hw_any_pending(void);

#endif
