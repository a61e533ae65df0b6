/* SPDX-License-Identifier: BSD-2-Clause */
/* Queries of the process's mappings. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>

/* Returns the page size of the mapping at the address, in bytes, from /proc/self/smaps. */
static inline size_t page_size_at(const void *address)
{
    char line[512];
    FILE *file = fopen("/proc/self/smaps", "re");
    unsigned long start, end, kib = 0;
    bool found = false;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            found = (uintptr_t)address >= start && (uintptr_t)address < end;
        if (found && sscanf(line, "KernelPageSize: %lu kB", &kib) == 1)
            break;
    }
    fclose(file);
    return kib << 10;
}
