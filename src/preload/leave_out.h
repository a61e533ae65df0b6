/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_PRELOAD_EXCEPT: programs that are left out, with what they start. */
#pragma once

#include <stdbool.h>

/*
 * Whether the program is one of them; then the library is out of LD_PRELOAD. Before threads begin.
 */
bool leave_out(void);
