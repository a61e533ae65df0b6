/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory that processes can still get. The kernel ends a process that takes more by a file in
 * memory, instead of refusing the request.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether the machine, and each control group (cgroups(7), version 1 or 2) that the process is in,
 * has `size` bytes of memory and swap: free, or used for the contents of files that the kernel can
 * drop. True where the kernel does not tell. `root` is "", or the folder in which a test has its
 * /proc and /sys. Control groups are searched below /sys/fs/cgroup. errno is kept. Thread-safe.
 * Takes some 20 to 100 us.
 */
bool memory_room_has(const char *root, size_t size);

/* Returns the bytes of memory and swap of the machine, in use or not; SIZE_MAX: unknown. */
size_t memory_room_total(void);
