/* SPDX-License-Identifier: BSD-2-Clause */
/* File space that cannot be allocated, and holes that cannot be made, on demand. Include once. */
/* WRAP: madvise fallocate */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "support/faults.h"

static struct fault allocate_fault;
static struct fault punch_fault;

int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    bool punches = (mode & FALLOC_FL_PUNCH_HOLE) != 0;

    /* A hole that could not be made through the mapping cannot be made otherwise. */
    if (punches && punch_fault.times > 0) {
        errno = punch_fault.error;
        return -1;
    }
    return !punches && fault_hits_if_set(&allocate_fault)
               ? -1
               : __real_fallocate(fd, mode, offset, size);
}

int __wrap_madvise(void *addr, size_t size, int advice)
{
    return advice == MADV_REMOVE && fault_hits_if_set(&punch_fault)
               ? -1
               : __real_madvise(addr, size, advice);
}
