/* SPDX-License-Identifier: BSD-2-Clause */
/* The fuzzer's entry, as libFuzzer and AFL++ know it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Performs the input; returns 0, or does not return because a check has failed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Public calls made so far. */
unsigned long target_calls(void);
