/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of the library that a user can name. */
#pragma once

#include "memkind.h"

/* Finds a kind by its name in programs, "MEMKIND_HBW_ALL". NULL: there is none. */
memkind_t named_kinds_find(const char *name);

/* Finds a kind by its name on command lines, "hbw-all". */
memkind_t named_kinds_find_short(const char *name);
