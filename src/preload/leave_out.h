/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_PRELOAD_EXCEPT: excluded programs, and the programs that they start. */
#pragma once

#include <stdbool.h>

/*
 * Returns whether the program is excluded, and then removes the library from LD_PRELOAD. Before
 * threads start.
 */
bool leave_out(void);

/*
 * Removes the library from LD_PRELOAD of the programs that this one executes from now on. Changes
 * the variable's text in place, makes no system call and allocates nothing.
 */
void leave_out_children(void);
