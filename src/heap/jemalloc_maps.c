/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What jemalloc maps for itself, in pages of their own size: where large pages are made unasked
 * (transparent_hugepage=always), the first touch of each map would take 2 MiB for the sake of some
 * KiB. That is a map that jemalloc makes when it starts, and one for threads' data, in each
 * process; what arenas need for themselves comes from metadata_hooks.c.
 *
 * The libraries are linked with --wrap=mmap: jemalloc's calls, like the library's, come here.
 * Blocks of the program lie in maps that the library has made at addresses of its own choice.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "heap/fork_gate.h"
#include "heap/jemalloc_start.h"

#define LARGE_PAGE ((size_t)2 << 20)

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);

static bool is_for_itself(void)
{
    return fork_gate_thread.depth != 0 || !jemalloc_start_is_done();
}

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *mapped = __real_mmap(addr, size, protection, flags, fd, offset);

    if (mapped != MAP_FAILED && addr == NULL && size >= LARGE_PAGE &&
        protection == (PROT_READ | PROT_WRITE) &&
        (flags & ~MAP_NORESERVE) == (MAP_PRIVATE | MAP_ANONYMOUS) && is_for_itself()) {
        int saved_errno = errno;

        /* A kernel without large pages knows no such advice, and needs none. */
        (void)madvise(mapped, size, MADV_NOHUGEPAGE);
        errno = saved_errno;
    }
    return mapped;
}
