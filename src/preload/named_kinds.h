/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of the library that a user can name. */
#pragma once

#include "memkind.h"

/* By the name that programs know: "MEMKIND_HBW_ALL". NULL: there is none. */
memkind_t named_kinds_find(const char *name);

/* By the name for command lines: "hbw-all". */
memkind_t named_kinds_find_short(const char *name);
