/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds in private memory on nodes that the process chooses. The child of a fork has the kernel's
 * copy.
 */
#pragma once

#include <stdbool.h>

#include "memkind.h"

#define PRIVATE_KIND_NODES     2048 /* most nodes */
#define PRIVATE_KIND_WORD_BITS (8 * sizeof(unsigned long))

struct private_kind_place {
    int mode;         /* MPOL_* of mbind(2) */
    bool small_pages; /* no transparent huge ones */
    unsigned long nodes[PRIVATE_KIND_NODES / PRIVATE_KIND_WORD_BITS];
};

/*
 * Creates a kind on the nodes of *place that allows blocks of size 0. Returns MEMKIND_SUCCESS or a
 * MEMKIND_ERROR_*.
 */
int private_kind_make(const char *name, const struct private_kind_place *place, memkind_t *kind);
