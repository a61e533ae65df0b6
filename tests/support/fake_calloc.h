/* SPDX-License-Identifier: BSD-2-Clause */
/* calloc(3) that fails on demand. Include once. */
/* WRAP: calloc */
#pragma once

#include <stddef.h>

#include "support/faults.h"

static struct fault calloc_fault;

void *__real_calloc(size_t num, size_t size);
void *__wrap_calloc(size_t num, size_t size);

void *__wrap_calloc(size_t num, size_t size)
{
    return fault_hits(&calloc_fault) ? NULL : __real_calloc(num, size);
}
