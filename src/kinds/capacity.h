/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory a kind could ever hold. */
#pragma once

#include "memkind/internal/memkind_private.h"

/* As memkind_get_capacity(), which says what counts for which kind. Thread-safe. */
ssize_t capacity_of_kind(struct memkind *kind);
