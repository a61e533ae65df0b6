/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds that are part of the library. */
#pragma once

#include "memkind/internal/memkind_private.h"

extern struct memkind static_kind_default;
extern struct memkind static_kind_regular;
extern struct memkind static_kind_hugetlb;
extern struct memkind static_kind_interleave;
