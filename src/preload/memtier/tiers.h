/* SPDX-License-Identifier: BSD-2-Clause */
/* The tiers that MEMKIND_MEM_TIERS asks for: libmemtier(7). */
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
 * Makes the kinds, and the memory of them, that the two texts ask for; `thresholds` may be NULL.
 * False: what is wrong was said, line by line.
 */
bool tiers_make(const char *text, const char *thresholds, struct tiers *tiers);
