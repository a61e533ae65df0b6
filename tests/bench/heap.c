/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the functions of the heap to measure, and counts the calls for file space.
 *
 * fallocate(), posix_fallocate() and madvise() are defined here and exported, so that a libmemkind
 * calls these instead of libc's.
 */
#include "heap.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HEAP_EXPORTED __attribute__((visibility("default")))

static atomic_ulong space_calls;

/*
 * <fcntl.h> may declare these with hidden or default visibility, depending on the compiler's
 * options.
 */
HEAP_EXPORTED int fallocate(int fd, int mode, off_t offset, off_t size)
{
    atomic_fetch_add(&space_calls, 1);
    return (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

HEAP_EXPORTED int posix_fallocate(int fd, off_t offset, off_t size)
{
    return fallocate(fd, 0, offset, size) == 0 ? 0 : errno;
}

HEAP_EXPORTED int madvise(void *addr, size_t size, int advice)
{
    if (advice == MADV_POPULATE_WRITE)
        atomic_fetch_add(&space_calls, 1);
    return (int)syscall(SYS_madvise, addr, size, advice);
}

unsigned long heap_space_calls(void)
{
    return atomic_load(&space_calls);
}

_Noreturn void heap_exhausted(void)
{
    fprintf(stderr, "an allocation failed\n");
    exit(EXIT_FAILURE);
}

/* Stores the address of a function in *(a pointer to a function) at slot. */
static void heap_look_up(const char *name, void *slot)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);

    if (symbol == NULL) {
        fprintf(stderr, "no function %s\n", name);
        exit(EXIT_FAILURE);
    }
    memcpy(slot, &symbol, sizeof(symbol));
}

/* The loader only warns of a library that it cannot preload: check here. */
static void heap_check_provider(const char *function, const char *provider)
{
    char wanted[PATH_MAX];
    char found[PATH_MAX];
    Dl_info info;

    if (provider == NULL)
        return;
    if (dladdr(dlsym(RTLD_DEFAULT, function), &info) == 0 ||
        realpath(info.dli_fname, found) == NULL || realpath(provider, wanted) == NULL ||
        strcmp(found, wanted) != 0) {
        fprintf(stderr, "%s() does not come from %s\n", function, provider);
        exit(EXIT_FAILURE);
    }
}

static void heap_open_kind(struct heap *heap, const struct heap_description *description)
{
    struct memkind_config *(*config_new)(void);
    void (*set_path)(struct memkind_config *, const char *);
    void (*set_size)(struct memkind_config *, size_t);
    void (*set_policy)(struct memkind_config *, memkind_mem_usage_policy);

    heap_look_up("memkind_malloc", &heap->kind_malloc);
    heap_look_up("memkind_realloc", &heap->kind_realloc);
    heap_look_up("memkind_free", &heap->kind_free);
    heap_look_up("memkind_malloc_usable_size", &heap->kind_usable_size);
    heap_look_up("memkind_detect_kind", &heap->kind_detect);
    heap_look_up("memkind_create_pmem_with_config", &heap->kind_create);
    heap_look_up("memkind_destroy_kind", &heap->kind_destroy);
    heap_look_up("memkind_config_new", &config_new);
    heap_look_up("memkind_config_set_path", &set_path);
    heap_look_up("memkind_config_set_size", &set_size);
    heap_look_up("memkind_config_set_memory_usage_policy", &set_policy);
    heap_check_provider("memkind_malloc", description->provider);

    heap->config = config_new();
    if (heap->config == NULL)
        heap_exhausted();
    set_path(heap->config, description->dir);
    set_size(heap->config, description->max_size);
    set_policy(heap->config, description->policy);
    if (description->is_default) {
        memkind_t *kind;

        heap_look_up("MEMKIND_DEFAULT", &kind);
        heap->kind = *kind;
    } else {
        heap->kind = heap_create_kind(heap);
    }
}

void heap_open(struct heap *heap, const struct heap_description *description)
{
    memset(heap, 0, sizeof(*heap));
    heap_look_up("malloc", &heap->malloc);
    heap_look_up("realloc", &heap->realloc);
    heap_look_up("free", &heap->free);
    if (description->kind)
        heap_open_kind(heap, description);
    else
        heap_check_provider("malloc", description->provider);
}

memkind_t heap_create_kind(const struct heap *heap)
{
    memkind_t kind;
    int error = heap->kind_create(heap->config, &kind);

    if (error != MEMKIND_SUCCESS) {
        fprintf(stderr, "a kind could not be made: error %d\n", error);
        exit(EXIT_FAILURE);
    }
    return kind;
}
