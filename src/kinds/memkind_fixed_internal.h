/* SPDX-License-Identifier: BSD-2-Clause */
/* Creation of fixed kinds. */
#pragma once

#include "memkind/internal/memkind_fixed.h"

/* As memkind_create_fixed(). */
int memkind_fixed_new(void *addr, size_t size, memkind_t *kind);
