/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap that a worker measures: libc's functions, or a PMEM kind of a libmemkind.
 *
 * LD_PRELOAD loads either library at the start, as if the program had been linked with it, and the
 * functions are found by name. Every call costs the same test and one indirect call, whatever the
 * heap.
 */
#pragma once

#include <memkind.h>

#include <stdbool.h>
#include <stddef.h>

struct heap {
    memkind_t kind; /* NULL: libc's functions, otherwise those named kind_... */
    void *(*malloc)(size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    void *(*kind_malloc)(memkind_t, size_t);
    void *(*kind_realloc)(memkind_t, void *, size_t);
    void (*kind_free)(memkind_t, void *);
    size_t (*kind_usable_size)(memkind_t, void *);
    memkind_t (*kind_detect)(void *);
    int (*kind_create)(struct memkind_config *, memkind_t *);
    int (*kind_destroy)(memkind_t);
    struct memkind_config *config; /* argument of kind_create() */
};

/* Parameters of heap_open(). */
struct heap_description {
    bool kind;            /* true: a kind; false: libc's functions */
    bool is_default;      /* true: the kind is MEMKIND_DEFAULT */
    const char *provider; /* file that must define the functions; NULL: any */
    const char *dir;      /* of the kind; borrowed while the heap is used */
    size_t max_size;      /* of the kind */
    memkind_mem_usage_policy policy;
};

/* Opens the heap, or ends the program with a message on stderr. */
void heap_open(struct heap *heap, const struct heap_description *description);

/* Creates another kind like that of heap_open(), or ends the program. */
memkind_t heap_create_kind(const struct heap *heap);

/* Returns how often the process has called fallocate(2) or posix_fallocate(3). */
unsigned long heap_space_calls(void);

/* Ends the program after a failed allocation. */
_Noreturn void heap_exhausted(void);

static inline void *heap_try_malloc(const struct heap *heap, size_t size)
{
    return heap->kind != NULL ? heap->kind_malloc(heap->kind, size) : heap->malloc(size);
}

static inline void *heap_malloc(const struct heap *heap, size_t size)
{
    void *block = heap_try_malloc(heap, size);

    if (__builtin_expect(block == NULL, 0))
        heap_exhausted();
    return block;
}

static inline void *heap_realloc(const struct heap *heap, void *block, size_t size)
{
    void *moved = heap->kind != NULL ? heap->kind_realloc(heap->kind, block, size)
                                     : heap->realloc(block, size);

    if (__builtin_expect(moved == NULL, 0))
        heap_exhausted();
    return moved;
}

static inline void heap_free(const struct heap *heap, void *block)
{
    if (heap->kind != NULL)
        heap->kind_free(heap->kind, block);
    else
        heap->free(block);
}
