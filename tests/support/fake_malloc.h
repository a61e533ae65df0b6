/* SPDX-License-Identifier: BSD-2-Clause */
/* malloc(3) that fails on demand. Include once. */
/* WRAP: malloc */
#pragma once

#include <stddef.h>

#include "support/faults.h"

static struct fault malloc_fault;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    return fault_hits(&malloc_fault) ? NULL : __real_malloc(size);
}
