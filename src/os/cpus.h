/* SPDX-License-Identifier: BSD-2-Clause */
/* The processors that the process may run on. */
#pragma once

/*
 * Returns the number of processors; CPU_SETSIZE (1,024) or more if there are too many to count.
 * Thread-safe.
 */
unsigned cpus_usable(void);
