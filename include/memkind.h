/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Heaps in memory of a chosen kind: the public interface, described in memkind(3).
 *
 * All sizes are in bytes. Every function is thread-safe, except that a configuration belongs to one
 * thread at a time, and a kind must not be used while it is destroyed. Functions that return int
 * return MEMKIND_SUCCESS or a negative MEMKIND_ERROR_*, unless stated otherwise. Functions of the
 * heap return NULL with errno ENOMEM if there is no space.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#ifndef MEMKIND_MALLOC_USABLE_SIZE_CONST
#    define MEMKIND_MALLOC_USABLE_SIZE_CONST
#endif

/* Types of memory: flags for memkind_create_kind(). */
typedef enum memkind_memtype_t {
    MEMKIND_MEMTYPE_DEFAULT = 1ull << 0,
    MEMKIND_MEMTYPE_HIGH_BANDWIDTH = 1ull << 1
} memkind_memtype_t;

/* How pages are placed on the nodes of a memory type. */
typedef enum memkind_policy_t {
    MEMKIND_POLICY_BIND_LOCAL = 0,
    MEMKIND_POLICY_BIND_ALL,
    MEMKIND_POLICY_PREFERRED_LOCAL,
    MEMKIND_POLICY_INTERLEAVE_LOCAL,
    MEMKIND_POLICY_INTERLEAVE_ALL,
    MEMKIND_POLICY_MAX_VALUE
} memkind_policy_t;

/* Flags; the low eight bits hold the binary logarithm of a page size. */
typedef enum memkind_bits_t { MEMKIND_MASK_PAGE_SIZE_2MB = 21ull } memkind_bits_t;

typedef struct memkind *memkind_t;

enum memkind_const {
    MEMKIND_MAX_KIND = 512,                  /* most kinds of a program at one time */
    MEMKIND_ERROR_MESSAGE_SIZE = 128,        /* bytes that are enough for any error message */
    MEMKIND_PMEM_MIN_SIZE = 16 * 1024 * 1024 /* the least max_size other than 0 of a PMEM kind */
};

/* Results of functions. memkind_error_message() returns their texts. */
enum {
    MEMKIND_SUCCESS = 0,
    MEMKIND_ERROR_UNAVAILABLE = -1, /* this kind of memory is not available */
    MEMKIND_ERROR_MBIND = -2,       /* mbind(2) failed */
    MEMKIND_ERROR_MMAP = -3,        /* mmap(2) failed, or refused MAP_SYNC */
    MEMKIND_ERROR_MALLOC = -6,      /* no DRAM for the library's own data */
    MEMKIND_ERROR_ENVIRON = -12,    /* a MEMKIND_* environment variable has an invalid value */
    MEMKIND_ERROR_INVALID = -13,    /* an argument is invalid; errno may have the reason */
    MEMKIND_ERROR_TOOMANY = -15,    /* MEMKIND_MAX_KIND kinds exist already */
    MEMKIND_ERROR_BADOPS = -17,     /* a kind's operations are incomplete */
    MEMKIND_ERROR_HUGETLB = -18,    /* no huge pages */
    MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE = -20, /* no memory of this type */
    MEMKIND_ERROR_OPERATION_FAILED = -21,      /* the kind does not allow this */
    MEMKIND_ERROR_ARENAS_CREATE = -22,         /* no jemalloc arena could be created */
    MEMKIND_ERROR_RUNTIME = -255               /* anything else */
};

/* When freed memory goes back to the system. */
typedef enum memkind_mem_usage_policy {
    MEMKIND_MEM_USAGE_POLICY_DEFAULT = 0,      /* after ten seconds without use */
    MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE = 1, /* before free returns */
    MEMKIND_MEM_USAGE_POLICY_MAX_VALUE
} memkind_mem_usage_policy;

/* The statistics of memkind_get_stat(), in bytes. */
typedef enum memkind_stat_type {
    MEMKIND_STAT_TYPE_RESIDENT =
        0, /* upper bound of resident memory: active, dirty and metadata pages */
    MEMKIND_STAT_TYPE_ACTIVE = 1,    /* pages that hold at least one block */
    MEMKIND_STAT_TYPE_ALLOCATED = 2, /* usable sizes of live blocks */
    MEMKIND_STAT_TYPE_MAX_VALUE
} memkind_stat_type;

/*
 * An addition of this library: what the child of a fork(2) has of a PMEM kind. In all modes, the
 * child cannot change its parent's kind, except by writing to shared blocks.
 */
typedef enum memkind_fork_mode {
    MEMKIND_FORK_SHARE = 0,    /* the parent's blocks, shared; the child's own lie in a new file */
    MEMKIND_FORK_SNAPSHOT = 1, /* a copy of the kind at the fork, page by page when written */
    MEMKIND_FORK_COPY = 2,     /* a complete copy, made at the fork in another file */
    MEMKIND_FORK_MODE_MAX_VALUE
} memkind_fork_mode;

/* An addition of this library: the result of copying a kind at the last fork(2). */
typedef enum memkind_snapshot {
    MEMKIND_SNAPSHOT_NONE = 0, /* there was no fork, or the kind is not copied */
    MEMKIND_SNAPSHOT_COPY = 1, /* the child has a copy */
    MEMKIND_SNAPSHOT_FAILED =
        2 /* no copy could be made: the child must not touch the parent's blocks */
} memkind_snapshot;

/* Options of memkind_stats_print(), combined with "|". */
typedef enum memkind_stat_print_opt {
    MEMKIND_STAT_PRINT_ALL = 0,
    MEMKIND_STAT_PRINT_JSON_FORMAT = 1U << 0,
    MEMKIND_STAT_PRINT_OMIT_GENERAL = 1U << 1,
    MEMKIND_STAT_PRINT_OMIT_MERGED_ARENA = 1U << 2,
    MEMKIND_STAT_PRINT_OMIT_DESTROYED_MERGED_ARENA = 1U << 3,
    MEMKIND_STAT_PRINT_OMIT_PER_ARENA = 1U << 4,
    MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_BINS = 1U << 5,
    MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_LARGE = 1U << 6,
    MEMKIND_STAT_PRINT_OMIT_MUTEX = 1U << 7,
    MEMKIND_STAT_PRINT_OMIT_EXTENT = 1U << 8
} memkind_stat_print_opt;

/* -- Configurations ---------------------------------------------------------------------------- */

struct memkind_config;

/* Returns a configuration with no path, size 0 and the default policy; NULL with errno ENOMEM. */
struct memkind_config *memkind_config_new(void);

/* Frees a configuration. NULL is allowed. Kinds that were created from it are not affected. */
void memkind_config_delete(struct memkind_config *cfg);

/*
 * Sets the directory of the kind's file, or a DAX device. The string is borrowed until the kind has
 * been created.
 */
void memkind_config_set_path(struct memkind_config *cfg, const char *pmem_dir);

/* Sets the kind's max_size, as for memkind_create_pmem(). */
void memkind_config_set_size(struct memkind_config *cfg, size_t pmem_size);

/* Sets the kind's policy, which is checked when the kind is created. */
void memkind_config_set_memory_usage_policy(struct memkind_config *cfg,
                                            memkind_mem_usage_policy policy);

/*
 * An addition of this library. true: the kernel maps memory of the kind when its file space is
 * allocated, so that the first use causes no page fault. Allocations of file space take longer.
 */
void memkind_config_set_prefault(struct memkind_config *cfg, bool prefault);

/*
 * An addition of this library: sets what children have of the kind; checked when the kind is
 * created. Without this call, MEMKIND_PMEM_FORK in the environment decides: "share", "snapshot" or
 * "copy".
 */
void memkind_config_set_fork(struct memkind_config *cfg, memkind_fork_mode mode);

/* -- Kinds ------------------------------------------------------------------------------------- */

/* The process's own memory, in a heap of this library. */
extern memkind_t MEMKIND_DEFAULT;

/* Memory of the NUMA nodes that have processors. */
extern memkind_t MEMKIND_REGULAR;

/* Huge pages of 2 MiB from the kernel's pool. */
extern memkind_t MEMKIND_HUGETLB;

/* Pages spread over all NUMA nodes. */
extern memkind_t MEMKIND_INTERLEAVE;

/*
 * Memory of the NUMA nodes of DAX devices in system-ram mode, or of those that
 * MEMKIND_DAX_KMEM_NODES lists: of the nearest node, of all, of the nearest while it has room, of
 * all in turn.
 */
extern memkind_t MEMKIND_DAX_KMEM;
extern memkind_t MEMKIND_DAX_KMEM_ALL;
extern memkind_t MEMKIND_DAX_KMEM_PREFERRED;
extern memkind_t MEMKIND_DAX_KMEM_INTERLEAVE;

/* Memory of the largest NUMA nodes: of all nodes, and of those nearest to the processor. */
extern memkind_t MEMKIND_HIGHEST_CAPACITY;
extern memkind_t MEMKIND_HIGHEST_CAPACITY_PREFERRED;
extern memkind_t MEMKIND_HIGHEST_CAPACITY_LOCAL;
extern memkind_t MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED;

/*
 * Memory of high bandwidth or low latency; see memkind(3), NODES. Where there is none,
 * memkind_check_available() returns an error, and every allocation fails with ENOMEM.
 */
extern memkind_t MEMKIND_HBW;
extern memkind_t MEMKIND_HBW_ALL;
extern memkind_t MEMKIND_HBW_HUGETLB;
extern memkind_t MEMKIND_HBW_ALL_HUGETLB;
extern memkind_t MEMKIND_HBW_PREFERRED;
extern memkind_t MEMKIND_HBW_PREFERRED_HUGETLB;
extern memkind_t MEMKIND_HBW_INTERLEAVE;
extern memkind_t MEMKIND_LOWEST_LATENCY_LOCAL;
extern memkind_t MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED;
extern memkind_t MEMKIND_HIGHEST_BANDWIDTH_LOCAL;
extern memkind_t MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED;

#include "memkind_deprecated.h"

/*
 * Creates a kind whose blocks lie in a nameless file in the directory dir. No file space is
 * allocated yet. With max_size 0, only the file system limits the kind. Another size is rounded up
 * to a multiple of 2 MiB, and must be at least MEMKIND_PMEM_MIN_SIZE. On failure *kind is not
 * written, errno is that of the failed call, and nothing is left behind.
 *
 * An addition of this library: dir may be a DAX device such as /dev/dax0.0. The kind then has a
 * range of the device to itself, of max_size rounded up to the device's alignment, or the whole
 * device for 0.
 *
 * Errors: MEMKIND_ERROR_INVALID (arguments; the directory or device cannot be used),
 * MEMKIND_ERROR_UNAVAILABLE (others use the range of the device, or it is used as system RAM),
 * MEMKIND_ERROR_TOOMANY, MEMKIND_ERROR_MALLOC, MEMKIND_ERROR_ENVIRON, MEMKIND_ERROR_ARENAS_CREATE.
 */
int memkind_create_pmem(const char *dir, size_t max_size, memkind_t *kind);

/*
 * As memkind_create_pmem(), with the parameters in cfg. Returns MEMKIND_ERROR_INVALID for an
 * unknown policy.
 */
int memkind_create_pmem_with_config(struct memkind_config *cfg, memkind_t *kind);

/*
 * Creates a kind whose blocks lie in the memory [addr, addr + size). The program has mapped this
 * memory, readable and writable, and keeps the mapping until the kind is destroyed. The area may
 * have any alignment and contents. Its whole pages are used, and nothing outside is touched. While
 * the kind exists, the program must write into the area only through blocks of the kind.
 *
 * Errors: MEMKIND_ERROR_INVALID (addr is NULL and size is not 0, or the area would pass the last
 * address), MEMKIND_ERROR_TOOMANY, MEMKIND_ERROR_MALLOC, MEMKIND_ERROR_ENVIRON,
 * MEMKIND_ERROR_ARENAS_CREATE.
 * On failure *kind is not written.
 */
int memkind_create_fixed(void *addr, size_t size, memkind_t *kind);

/*
 * Stores the kind of the library with these types of memory, this policy and this page size (0: the
 * usual one). If a kind of PREFERRED_LOCAL is not available, stores MEMKIND_DEFAULT.
 * memkind_destroy_kind() has no effect on the kind.
 *
 * Errors: MEMKIND_ERROR_INVALID (no such combination, or kind is NULL),
 * MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE. On failure *kind is not written.
 */
int memkind_create_kind(memkind_memtype_t memtype_flags, memkind_policy_t policy,
                        memkind_bits_t flags, memkind_t *kind);

/*
 * Releases everything that the kind holds: memory, file space, descriptors, address space. Blocks
 * of the kind must not be used any more. Has no effect on kinds of the library, and returns
 * MEMKIND_SUCCESS for them. NULL, or a kind that has been destroyed: MEMKIND_ERROR_INVALID, unless
 * a new kind has the same address.
 */
int memkind_destroy_kind(memkind_t kind);

/*
 * Returns MEMKIND_SUCCESS if allocations from the kind are possible, or an error code, such as
 * MEMKIND_ERROR_UNAVAILABLE.
 */
int memkind_check_available(memkind_t kind);

/*
 * Returns the maximum size of the kind in bytes: the max_size of a PMEM kind, or the size of the
 * file system if that is 0; the memory of the nodes for kinds of the library; -1 on error.
 */
ssize_t memkind_get_capacity(memkind_t kind);

/* Returns the kind of the block at ptr. NULL: ptr is NULL, or not an address of this library. */
memkind_t memkind_detect_kind(void *ptr);

/*
 * Checks whether a PMEM kind in pmem_dir, a directory or a DAX device, would have DAX, that is,
 * whether mmap(2) accepts MAP_SYNC there. MEMKIND_ERROR_MMAP: it does not. MEMKIND_ERROR_RUNTIME:
 * no file can be created.
 */
int memkind_check_dax_path(const char *pmem_dir);

/* -- Heap -------------------------------------------------------------------------------------- */

/*
 * As malloc(3), calloc(3), realloc(3), posix_memalign(3), free(3) and malloc_usable_size(3), in
 * memory of the kind. Requests of size 0 result in NULL, unless memkind_set_allow_zero_allocs()
 * allows them.
 */
void *memkind_malloc(memkind_t kind, size_t size);
void *memkind_calloc(memkind_t kind, size_t num, size_t size);

/*
 * kind may be NULL if ptr is not: the kind is then found from ptr. Both NULL: returns NULL with
 * errno EINVAL. Size 0 frees ptr and returns NULL.
 */
void *memkind_realloc(memkind_t kind, void *ptr, size_t size);

/*
 * Returns 0, EINVAL or ENOMEM (positive, as in POSIX); errno is kept. On failure *memptr is set to
 * NULL; for MEMKIND_DEFAULT, *memptr stays as it was.
 */
int memkind_posix_memalign(memkind_t kind, void **memptr, size_t alignment, size_t size);

/* kind may be NULL: the kind is then found from ptr. No effect if ptr is NULL. */
void memkind_free(memkind_t kind, void *ptr);

/* kind may be NULL. Returns 0 for a NULL ptr. */
size_t memkind_malloc_usable_size(memkind_t kind, MEMKIND_MALLOC_USABLE_SIZE_CONST void *ptr);

/*
 * Moves the block if this reduces fragmentation: returns the new address, and frees ptr. NULL: ptr
 * was not moved. kind may be NULL.
 */
void *memkind_defrag_reallocate(memkind_t kind, void *ptr);

/*
 * Sets whether requests of size 0 from this kind result in a block of the smallest size (true) or
 * NULL (false, the default). Call before other threads use the kind.
 */
void memkind_set_allow_zero_allocs(memkind_t kind, bool allow_zero_allocs);

/* -- Statistics and settings ------------------------------------------------------------------- */

/*
 * Updates the statistics that memkind_get_stat() returns. Free blocks in the calling thread's cache
 * and in those of ended threads leave the cache, so that they count nowhere.
 */
int memkind_update_cached_stats(void);

/*
 * Stores a statistic of the kind in *value, in bytes, as of the last memkind_update_cached_stats().
 * A NULL kind means the whole library. MEMKIND_ERROR_INVALID: unknown stat, or NULL value.
 */
int memkind_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value);

/*
 * Passes a report on the whole library to write_cb, piece by piece, or writes it to stderr if
 * write_cb is NULL. MEMKIND_ERROR_INVALID: unknown bits in opts.
 */
int memkind_stats_print(void (*write_cb)(void *, const char *), void *cbopaque,
                        memkind_stat_print_opt opts);

/*
 * An addition of this library: releases the unused memory of the kind at once, without waiting for
 * decay; file space, for a PMEM kind. The caches of all threads are emptied first. Thread-safe.
 * MEMKIND_ERROR_INVALID: kind is NULL.
 */
int memkind_purge(memkind_t kind);

/*
 * An addition of this library, for processes whose threads it cannot stop: returns the pages that
 * the process has written to since a fork, in a kind with MEMKIND_FORK_SNAPSHOT, from DRAM to the
 * file. The caller ensures that no other thread allocates from the kind, frees its blocks or writes
 * to them meanwhile, by itself or in a system call; otherwise writes may be lost.
 * MEMKIND_ERROR_OPERATION_FAILED: pages are left, because another process still shares the file or
 * a system call failed. MEMKIND_ERROR_INVALID: kind is NULL.
 */
int memkind_thaw(memkind_t kind);

/*
 * An addition of this library: returns the result of copying the kind at the last fork(2), in the
 * parent and the child. Never fails; errno is kept.
 */
memkind_snapshot memkind_get_snapshot(memkind_t kind);

/* Turns jemalloc's background threads on or off, which release unused memory. */
int memkind_set_bg_threads(bool state);

/* Returns 1000000 * major + 1000 * minor + patch of the interface: 1014000. */
#ifdef __cplusplus
int memkind_get_version();
#else
int memkind_get_version(void);
#endif

/* Stores the text of an error code, truncated to size bytes and always terminated. */
void memkind_error_message(int err, char *msg, size_t size);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
