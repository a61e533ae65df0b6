/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmap(2) and munmap(2) that count bytes and fail on demand. Include once. Thread-safe but for
 * changes of the faults.
 */
/* WRAP: mmap munmap */
#pragma once

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "support/faults.h"

static struct fault mmap_fault;     /* of anonymous maps */
static struct fault file_map_fault; /* of maps of files */
static struct fault munmap_fault;
static size_t largest;       /* most bytes of a map without access; 0: any */
static atomic_size_t mapped; /* bytes of maps without MAP_FIXED, less those unmapped */

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fault_hits((flags & MAP_ANONYMOUS) != 0 ? &mmap_fault : &file_map_fault))
        return MAP_FAILED;
    if (largest != 0 && protection == PROT_NONE && size > largest) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *memory = __real_mmap(addr, size, protection, flags, fd, offset);
    if (memory != MAP_FAILED && (flags & MAP_FIXED) == 0)
        atomic_fetch_add(&mapped, size);
    return memory;
}

int __wrap_munmap(void *addr, size_t size)
{
    if (fault_hits(&munmap_fault))
        return -1;
    int result = __real_munmap(addr, size);
    if (result == 0)
        atomic_fetch_sub(&mapped, size);
    return result;
}
