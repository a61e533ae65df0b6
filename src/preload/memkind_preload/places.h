/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The place of the heap, from MEMKIND_PRELOAD_DIR, _NODES and _KIND. Each function creates the heap
 * of its text and fills in how it serves, or returns false with a message as of settings_read().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "preload/serving.h"

/*
 * A file in the directory, or a device. If the text is neither, it is a list separated by colons: a
 * heap in each. Each may use `size` bytes, 0: no limit.
 */
bool places_in_directories(const char *text, size_t size, struct serving *serving, char *message);

/* Private memory on the nodes of a list such as 0,2-3. policy NULL: "bind". */
bool places_on_nodes(const char *list, const char *policy, struct serving *serving, char *message);

/* A kind of the library by its name without "memkind_", with dashes. */
bool places_of_kind(const char *name, struct serving *serving, char *message);
