/* SPDX-License-Identifier: BSD-2-Clause */
/* The tiers of MEMKIND_MEM_TIERS: libmemtier(7). */
#pragma once

#include <stdbool.h>

#include "memkind_memtier.h"
#include "preload/serving.h"

struct tiers {
    struct memtier_memory *memory;
    memkind_t kinds[SERVING_MOST_KINDS];
    unsigned count;
};

/*
 * Creates the kinds, and the memory of them, that the two texts describe; `thresholds` may be NULL.
 * False, with messages: invalid.
 */
bool tiers_make(const char *text, const char *thresholds, struct tiers *tiers);
