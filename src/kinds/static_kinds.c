/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds that are part of the library, and their public names. */
#include "kinds/static_kinds.h"

/* A kind gets its heap when a thread first allocates from it. */
#define DEFINE_STATIC_KIND(NAME, LOWER, ...)   \
    struct memkind static_kind_##LOWER = {     \
        .ops = &MEMKIND_##NAME##_OPS,          \
        .partition = MEMKIND_PARTITION_##NAME, \
        .name = "memkind_" #LOWER,             \
        .init_once = PTHREAD_ONCE_INIT,        \
    };                                         \
    memkind_t MEMKIND_##NAME = &static_kind_##LOWER;
STATIC_KINDS(DEFINE_STATIC_KIND)
