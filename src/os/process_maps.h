/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory maps (VMAs) of this process, as the kernel counts them. */
#pragma once

#include <stdint.h>

/*
 * Calls visit() with the first address of each map. Allocates no memory. A map that comes or
 * goes meanwhile may be missed. 0, or -errno of open(2) or read(2): then maps may be missing.
 */
int process_maps_each(void (*visit)(void *arg, uintptr_t start), void *arg);
