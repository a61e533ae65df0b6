/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces in anonymous memory, placed by the operations of their kind. */
#pragma once

#include "memkind/internal/memkind_private.h"

struct store_ops;

/*
 * the store of the kind's space, whose store_arg is the kind: huge pages
 * where its mmap flags say so.
 */
const struct store_ops *anonymous_store_of(struct memkind *kind);
