/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The layout of a kind and of its operations, for programs that build their own kinds from the
 * operations of memkind_arena(3), memkind_default(3) and memkind_pmem(3).
 *
 * The layout is memkind 1.14's, with additional members at the end. A struct memkind that is not
 * created by memkind_create_*() must be zeroed before its create operation is called.
 */
#pragma once

#include "memkind.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

enum {
    MEMKIND_NAME_LENGTH_PRIV = 64 /* size of a kind's name, with its terminator */
};

/*
 * The operations of a kind. The functions of memkind(3) call the operation of the same name; its
 * contract is theirs. mmap, mbind, madvise and the get_ operations serve the kind's own arenas, and
 * return what the functions of memkind_default(3) return. The library does not call init_once and
 * finalize, which programs of memkind 1.14 may call. NULL: the kind has no such operation.
 */
struct memkind_ops {
    int (*create)(struct memkind *kind, struct memkind_ops *ops, const char *name);
    int (*destroy)(struct memkind *kind);
    void *(*malloc)(struct memkind *kind, size_t size);
    void *(*calloc)(struct memkind *kind, size_t num, size_t size);
    int (*posix_memalign)(struct memkind *kind, void **memptr, size_t alignment, size_t size);
    void *(*realloc)(struct memkind *kind, void *ptr, size_t size);
    void (*free)(struct memkind *kind, void *ptr);
    void *(*mmap)(struct memkind *kind, void *addr, size_t size);
    int (*mbind)(struct memkind *kind, void *ptr, size_t size);
    int (*madvise)(struct memkind *kind, void *addr, size_t size);
    int (*get_mmap_flags)(struct memkind *kind, int *flags);
    int (*get_mbind_mode)(struct memkind *kind, int *mode);
    int (*get_mbind_nodemask)(struct memkind *kind, unsigned long *nodemask, unsigned long maxnode);
    int (*get_arena)(struct memkind *kind, unsigned int *arena, size_t size);
    int (*check_available)(struct memkind *kind);
    void (*init_once)(void);
    int (*finalize)(struct memkind *kind);
    size_t (*malloc_usable_size)(struct memkind *kind, void *ptr);
    int (*update_memory_usage_policy)(struct memkind *kind, memkind_mem_usage_policy policy);
    int (*get_stat)(memkind_t kind, memkind_stat_type stat, size_t *value);
    void *(*defrag_reallocate)(struct memkind *kind, void *ptr);
};

struct memkind {
    struct memkind_ops *ops;
    unsigned int partition; /* slot in the table of kinds */
    char name[MEMKIND_NAME_LENGTH_PRIV];
    pthread_once_t init_once;
    unsigned int arena_map_len;  /* entries of arena_map; a power of two */
    unsigned int *arena_map;     /* jemalloc arena of each entry */
    pthread_key_t arena_key;     /* unused */
    void *priv;                  /* state of the kind's own operations */
    unsigned int arena_map_mask; /* arena_map_len - 1 */
    unsigned int arena_zero;     /* the first arena of the kind */
    struct heap *heap;           /* NULL: the kind has no arenas of its own */
    bool allow_zero_allocs;
};

struct memkind_config {
    const char *pmem_dir; /* borrowed */
    size_t pmem_size;
    memkind_mem_usage_policy policy;
    bool prefault; /* this and what follows: additions of this library */
    bool has_fork; /* false: the environment decides */
    memkind_fork_mode fork;
};

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
