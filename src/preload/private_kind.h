/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds in private memory of the process, of which the child of a fork has the kernel's copy: on
 * nodes, or where the process's memory is anyhow.
 *
 * MEMKIND_DEFAULT would do for the latter, but for each block that is freed, libc's too, jemalloc
 * would have to be asked whether it is one of that kind's.
 */
#pragma once

#include <stdbool.h>

#include "memkind.h"

#define PRIVATE_KIND_NODES     2048 /* that there can be */
#define PRIVATE_KIND_WORD_BITS (8 * sizeof(unsigned long))

struct private_kind_place {
    int mode;         /* MPOL_* of mbind(2) */
    bool small_pages; /* no transparent huge ones */
    unsigned long nodes[PRIVATE_KIND_NODES / PRIVATE_KIND_WORD_BITS];
};

/*
 * Makes a kind that gives blocks of size 0, on nodes, or, NULL, on any. The result is a status of
 * libmemkind's.
 */
int private_kind_make(const char *name, const struct private_kind_place *place, memkind_t *kind);
