/* SPDX-License-Identifier: BSD-2-Clause */
/* The fuzzer's entry point for libFuzzer and AFL++. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Performs the input. Returns 0, or does not return if a check fails. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns the number of public calls made. */
unsigned long target_calls(void);
