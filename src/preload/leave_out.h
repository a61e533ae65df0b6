/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_PRELOAD_EXCEPT: excluded programs, and the programs that they start. */
#pragma once

#include <stdbool.h>

/*
 * Returns whether the program is excluded, and then removes the library from LD_PRELOAD. Before
 * threads start.
 */
bool leave_out(void);
