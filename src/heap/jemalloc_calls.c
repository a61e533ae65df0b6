/* SPDX-License-Identifier: BSD-2-Clause */
/* What jemalloc calls instead of functions of libc. */
#include "heap/jemalloc_calls.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "heap/jemalloc_fork.h"
#include "os/vm.h"
#include "util/align.h"

void *jemk_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int jemk_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int jemk_pthread_key_create(pthread_key_t *key, void (*destructor)(void *value));

/* -- Addresses --------------------------------------------------------------------------------- */

/*
 * jemalloc's start takes one block of a large page, aligned to its size, and writes to the first
 * pages of it. Before that, jemalloc maps and unmaps single pages, to test the kernel.
 */
#define PAGE         ((size_t)1 << MEMKIND_JEMALLOC_LG_PAGE)
#define WRITTEN      ((size_t)240 * 1024)
#define SINGLE_PAGES 4

static char *block;
static char *pages;       /* the next single page */
static size_t pages_size; /* from there on */

/* One call allocates the range's pages, where the kernel can, rather than a fault each. */
static int reserve_block(void)
{
    block = vm_alloc_aligned(LARGE_PAGE, LARGE_PAGE);
    if (block == NULL)
        return -ENOMEM;
    (void)vm_use_small_pages(block, LARGE_PAGE);
    (void)vm_populate(block, align_up(WRITTEN, PAGE));
    return 0;
}

static int reserve_addresses(void)
{
    int err = reserve_block();

    if (err != 0)
        return err;
    pages = vm_alloc(SINGLE_PAGES * PAGE);
    if (pages != NULL) {
        pages_size = SINGLE_PAGES * PAGE;
        return 0;
    }
    (void)vm_unmap(block, LARGE_PAGE);
    block = NULL;
    return -ENOMEM;
}

static void release_addresses(void)
{
    if (block != NULL)
        (void)vm_unmap(block, LARGE_PAGE);
    if (pages_size != 0)
        (void)vm_unmap(pages, pages_size);
    block = NULL;
    pages_size = 0;
}

/* Returns reserved addresses; NULL: none fit. */
static void *take_reserved(size_t size)
{
    void *taken = NULL;

    if (size == LARGE_PAGE) {
        taken = block;
        block = NULL;
    } else if (size <= pages_size) {
        taken = pages;
        pages += size;
        pages_size -= size;
    }
    return taken;
}

/*
 * jemalloc's own mappings get no transparent huge pages, of which the first write to each mapping
 * would take 2 MiB where jemalloc uses some KiB. In each process, jemalloc creates one mapping when
 * it starts, and one for the data of threads; metadata_hooks.c maps the metadata of arenas.
 */
static void *map(size_t size, int protection, int flags)
{
    void *mapped = mmap(NULL, size, protection, flags, -1, 0);
    int saved_errno = errno;

    /* A kernel without huge pages rejects the advice, and does not need it. */
    if (mapped != MAP_FAILED && size >= LARGE_PAGE)
        (void)vm_use_small_pages(mapped, size);
    errno = saved_errno;
    return mapped;
}

void *jemk_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (addr != NULL || fd != -1)
        return mmap(addr, size, protection, flags, fd, offset);
    void *reserved = protection == (PROT_READ | PROT_WRITE) ? take_reserved(size) : NULL;
    return reserved != NULL ? reserved : map(size, protection, flags);
}

/* -- Handlers and keys ------------------------------------------------------------------------- */

int jemk_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    jemalloc_fork_set_handlers(prepare, parent, child);
    return 0;
}

int jemk_pthread_key_create(pthread_key_t *key, void (*destructor)(void *value))
{
    return jemalloc_fork_create_key(key, destructor);
}

/* -------------------------------------------------------------------------------------------- */

int jemalloc_calls_reserve(void)
{
    int err = reserve_addresses();

    if (err != 0)
        return err;
    err = -jemalloc_fork_reserve_key();
    if (err != 0)
        release_addresses();
    return err;
}

void jemalloc_calls_release(void)
{
    release_addresses();
}
