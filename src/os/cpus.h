/* SPDX-License-Identifier: BSD-2-Clause */
/* The processors that the process may run on. */
#pragma once

/* Returns their number; CPU_SETSIZE (1,024) or more where there are too many to count.
 * Thread-safe. */
unsigned cpus_usable(void);
