/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory a kind could ever hold. */
#pragma once

#include "memkind/internal/memkind_private.h"

/* Bytes, or -1 where it is not known. */
ssize_t capacity_of_kind(struct memkind *kind);
