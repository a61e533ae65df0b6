/* SPDX-License-Identifier: BSD-2-Clause */
/* The address space of the process, as the kernel maps it. */
#include "os/vm.h"
#include "util/align.h"

#include <errno.h>
#include <stdint.h>
#include <sys/resource.h>

#define PRIVATE   (MAP_PRIVATE | MAP_ANONYMOUS)
#define RESERVING (PRIVATE | MAP_NORESERVE)

static void *map_anywhere(void *hint, size_t size, enum vm_access access, int flags)
{
    void *mapped = mmap(hint, size, (int)access, flags, -1, 0);

    return mapped == MAP_FAILED ? NULL : mapped;
}

/*
 * Maps too much, and trims it.
 *
 *    |<- head ->|<-------- size -------->|<- tail ->|
 *    mapped     base
 */
static void *map_and_trim(size_t size, size_t alignment, enum vm_access access)
{
    size_t length = size + alignment;
    char *mapped = length < size ? NULL : map_anywhere(NULL, length, access, RESERVING);

    if (mapped == NULL)
        return NULL;
    size_t head = align_rest((uintptr_t)mapped, alignment);
    char *base = mapped + head;
    if (head != 0)
        munmap(mapped, head);
    munmap(base + size, alignment - head);
    return base;
}

/*
 * Maps no more than needed, right below where the kernel would map: for a process with hardly any
 * addresses left. NULL where the addresses there are in use.
 */
static void *map_exactly(size_t size, size_t alignment, enum vm_access access)
{
    char *probe = map_anywhere(NULL, size, VM_NONE, RESERVING);

    if (probe == NULL)
        return NULL;
    munmap(probe, size);
    size_t beyond = (uintptr_t)probe & (alignment - 1);
    /* No comparison of a pointer with NULL, which a compiler may leave out after a subtraction. */
    if (beyond == (uintptr_t)probe)
        return NULL;
    char *base = probe - beyond;
    char *reserved = map_anywhere(base, size, access, RESERVING | MAP_FIXED_NOREPLACE);
    if (reserved == NULL || reserved == base)
        return reserved;
    /* A kernel before 4.17 takes the address for a hint. */
    munmap(reserved, size);
    return NULL;
}

/* -- Memory ------------------------------------------------------------------------------------ */

void *vm_alloc(size_t size)
{
    return map_anywhere(NULL, size, VM_WRITE, PRIVATE);
}

void *vm_alloc_aligned(size_t size, size_t alignment)
{
    void *mapped = map_anywhere(NULL, size, VM_WRITE, RESERVING);

    /* Since Linux 6.7, a mapping of at least a large page is aligned to large pages. */
    if (mapped == NULL || is_aligned_ptr(mapped, alignment))
        return mapped;
    munmap(mapped, size);
    mapped = map_and_trim(size, alignment, VM_WRITE);
    return mapped != NULL ? mapped : map_exactly(size, alignment, VM_WRITE);
}

void *vm_grow(void *addr, size_t size, size_t new_size)
{
    void *mapped = mremap(addr, size, new_size, MREMAP_MAYMOVE);

    return mapped == MAP_FAILED ? NULL : mapped;
}

/* Cold, so that a process which only loads the library has no page fault for them. */
static __attribute__((cold)) int map(void **addr, size_t size, enum vm_access access, int flags,
                                     int fd, off_t offset)
{
    int fixed = *addr != NULL ? MAP_FIXED : 0;
    void *mapped = mmap(*addr, size, (int)access, flags | fixed, fd, offset);

    if (mapped == MAP_FAILED)
        return -errno;
    *addr = mapped;
    return 0;
}

__attribute__((cold)) int vm_map_anonymous(void **addr, size_t size, enum vm_access access,
                                           int flags)
{
    return map(addr, size, access, MAP_ANONYMOUS | flags, -1, 0);
}

int vm_map_file(void **addr, size_t size, enum vm_access access, int fd, off_t offset)
{
    return map(addr, size, access, MAP_SHARED | MAP_NORESERVE, fd, offset);
}

int vm_unmap(void *addr, size_t size)
{
    return munmap(addr, size) == 0 ? 0 : -errno;
}

/* -- Addresses --------------------------------------------------------------------------------- */

bool vm_has_limit(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

void *vm_reserve(void *hint, size_t size)
{
    return map_anywhere(hint, size, VM_NONE, RESERVING);
}

void *vm_reserve_aligned(size_t size, size_t alignment)
{
    return map_and_trim(size, alignment, VM_NONE);
}

void *vm_reserve_exactly(size_t size, size_t alignment)
{
    return map_exactly(size, alignment, VM_NONE);
}

int vm_reserve_over(void *addr, size_t size)
{
    return vm_map_anonymous(&addr, size, VM_NONE, RESERVING);
}

/* -- Pages ------------------------------------------------------------------------------------- */

int vm_protect(void *addr, size_t size, enum vm_access access)
{
    return mprotect(addr, size, (int)access) == 0 ? 0 : -errno;
}

int vm_populate(void *addr, size_t size)
{
    return madvise(addr, size, MADV_POPULATE_WRITE) == 0 ? 0 : -errno;
}

int vm_discard(void *addr, size_t size)
{
    return madvise(addr, size, MADV_DONTNEED) == 0 ? 0 : -errno;
}

int vm_move(void *addr, size_t size, void *to)
{
    return mremap(addr, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED ? -errno : 0;
}

int vm_use_small_pages(void *addr, size_t size)
{
    return madvise(addr, size, MADV_NOHUGEPAGE) == 0 ? 0 : -errno;
}

bool vm_is_missing(void *addr)
{
    unsigned char there = 0;

    return mincore(addr, 1, &there) == 0 && (there & 1) == 0;
}
