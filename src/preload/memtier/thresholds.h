/* SPDX-License-Identifier: BSD-2-Clause */
/* The thresholds of MEMKIND_MEM_THRESHOLDS: libmemtier(7). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "memkind_memtier.h"

/*
 * Sets the thresholds of the builder, which has `most`, from the text. False, with a message:
 * invalid. The builder itself checks that they agree.
 */
bool thresholds_set(struct memtier_builder *builder, const char *text, size_t most);
