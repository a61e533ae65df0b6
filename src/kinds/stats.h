/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters of kinds and of the library, and the report on them. */
#pragma once

#include "heap/jemalloc_ctl.h"
#include "memkind.h"

/* Stores the counter `stat` in *value. MEMKIND_ERROR_INVALID for an unknown counter. */
int stats_select(const struct jemalloc_stats *stats, memkind_stat_type stat, size_t *value);

/* The same for the whole library; also MEMKIND_ERROR_RUNTIME. Thread-safe. */
int stats_of_library(memkind_stat_type stat, size_t *value);

/* As memkind_stats_print(). */
int stats_print(void (*write_cb)(void *, const char *), void *opaque, unsigned options);
