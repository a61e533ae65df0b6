/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces in anonymous memory, placed by the operations of their kind. */
#pragma once

#include "memkind/internal/memkind_private.h"

struct space_backing;

/*
 * The backing of the kind's space, whose backing_arg is the kind: huge pages
 * where its mmap flags say so.
 */
const struct space_backing *anonymous_backing_of(struct memkind *kind);
