/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds that programs may name, and that this library does not have. */
#pragma once

#include "memkind/internal/memkind_private.h"

/* The one in this partition; NULL. */
struct memkind *unavailable_kind(unsigned partition);
