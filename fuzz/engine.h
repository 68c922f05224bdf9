/* SPDX-License-Identifier: GPL-2.0-only */
/* What both engines' shims share: one input in, one execution, a finding reported. See engine.c. */
#ifndef FUZZ_ENGINE_H
#define FUZZ_ENGINE_H

#include <stddef.h>
#include <stdint.h>

/* Edges seen so far, where the engine itself does not say; may be NULL. */
extern unsigned (*engine_cov)(void);
/* Once, before the first input; reads the environment. */
void engine_init(void);
/* Runs one input; exec_features has its state features afterwards. */
void engine_one(const uint8_t *data, size_t size);

#endif
