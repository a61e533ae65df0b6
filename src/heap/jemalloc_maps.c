/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's own mappings get no transparent huge pages, of which the first write to each mapping
 * would take 2 MiB where jemalloc uses some KiB. In each process, jemalloc creates one mapping when
 * it starts, and one for the data of threads; metadata_hooks.c maps the metadata of arenas.
 *
 * The libraries are linked with --wrap=mmap, so that calls of jemalloc and of the library come
 * here. Blocks of the program lie in mappings whose addresses the library chose: addr is not NULL.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "heap/fork_gate.h"
#include "heap/jemalloc_start.h"
#include "os/vm.h"
#include "util/align.h"

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);

/* Whether the calling thread is inside jemalloc. */
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

        /* A kernel without huge pages rejects the advice, and does not need it. */
        (void)vm_use_small_pages(mapped, size);
        errno = saved_errno;
    }
    return mapped;
}
