/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages of this process are private copies: /proc/self/pagemap, proc_pid_pagemap(5).
 *
 * Thread-safe. The functions may change errno.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns a descriptor for the other functions, or -errno. */
int pagemap_open(void);

/* Does nothing if pagemap is negative. */
void pagemap_close(int pagemap);

/*
 * Reads the entries of `count` pages of the kernel's size `page` from addr on. If the entries
 * cannot be read, or pagemap is negative, all pages count as private.
 */
void pagemap_read(int pagemap, const void *addr, size_t page, size_t count, uint64_t *entries);

/* Whether the page is a copy of this process, in memory or in swap. */
bool pagemap_is_private(uint64_t entry);
