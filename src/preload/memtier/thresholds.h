/* SPDX-License-Identifier: BSD-2-Clause */
/* The thresholds that MEMKIND_MEM_THRESHOLDS asks for: libmemtier(7). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "memkind_memtier.h"

/*
 * Sets those of the builder, which has `most` of them, as the text says. False: what is wrong was
 * said. Whether they fit each other, the builder finds out.
 */
bool thresholds_set(struct memtier_builder *builder, const char *text, size_t most);
