/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the heap lies: what MEMKIND_PRELOAD_DIR, _NODES and _KIND ask for. Each function makes the
 * heap that its text asks for and says how it serves, or is false with a message as of
 * settings_read().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "preload/serving.h"

/*
 * A file in the directory, or a device; or, where the text is none but a list of them with colons
 * between, in each. Each may take `size` bytes, 0: no limit.
 */
bool places_in_directories(const char *text, size_t size, struct serving *serving, char *message);

/* Private memory on the nodes of a list such as 0,2-3; policy is NULL for "bind". */
bool places_on_nodes(const char *list, const char *policy, struct serving *serving, char *message);

/* A kind of the library by its name without "memkind_", with dashes. */
bool places_of_kind(const char *name, struct serving *serving, char *message);
