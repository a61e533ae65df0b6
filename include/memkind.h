/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Heaps in memory of a chosen kind: the public interface, described in memkind(3).
 *
 * All sizes are in bytes. Every function is safe to call from several threads at once, except that
 * a configuration belongs to one thread at a time and a kind must not be used while it is
 * destroyed. Functions that return int give MEMKIND_SUCCESS or a negative MEMKIND_ERROR_*, unless
 * they say otherwise. Functions of the heap give NULL with errno ENOMEM when there is no space.
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

/* How pages are placed among the nodes of a memory type. */
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
    MEMKIND_MAX_KIND = 512,                  /* kinds that a program can have made at one time */
    MEMKIND_ERROR_MESSAGE_SIZE = 128,        /* bytes that hold any error message */
    MEMKIND_PMEM_MIN_SIZE = 16 * 1024 * 1024 /* the least max_size other than 0 of a PMEM kind */
};

/* What functions return. memkind_error_message() turns these into text. */
enum {
    MEMKIND_SUCCESS = 0,
    MEMKIND_ERROR_UNAVAILABLE = -1,            /* this kind of memory is not on this machine */
    MEMKIND_ERROR_MBIND = -2,                  /* mbind(2) failed */
    MEMKIND_ERROR_MMAP = -3,                   /* mmap(2) failed, or refused MAP_SYNC */
    MEMKIND_ERROR_MALLOC = -6,                 /* no DRAM for the library's own data */
    MEMKIND_ERROR_ENVIRON = -12,               /* a MEMKIND_* environment variable makes no sense */
    MEMKIND_ERROR_INVALID = -13,               /* an argument is wrong; errno may tell more */
    MEMKIND_ERROR_TOOMANY = -15,               /* MEMKIND_MAX_KIND kinds exist already */
    MEMKIND_ERROR_BADOPS = -17,                /* a kind's operations are incomplete */
    MEMKIND_ERROR_HUGETLB = -18,               /* no huge pages */
    MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE = -20, /* no memory of this type */
    MEMKIND_ERROR_OPERATION_FAILED = -21,      /* the kind does not allow this */
    MEMKIND_ERROR_ARENAS_CREATE = -22,         /* not one jemalloc arena could be had */
    MEMKIND_ERROR_RUNTIME = -255               /* anything else */
};

/* When memory that was freed goes back to the system. */
typedef enum memkind_mem_usage_policy {
    MEMKIND_MEM_USAGE_POLICY_DEFAULT = 0,      /* after ten seconds without use */
    MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE = 1, /* before free returns */
    MEMKIND_MEM_USAGE_POLICY_MAX_VALUE
} memkind_mem_usage_policy;

/* What memkind_get_stat() counts, in bytes. */
typedef enum memkind_stat_type {
    MEMKIND_STAT_TYPE_RESIDENT =
        0,                        /* most that can be in memory: active, dirty and metadata pages */
    MEMKIND_STAT_TYPE_ACTIVE = 1, /* pages that hold at least one block */
    MEMKIND_STAT_TYPE_ALLOCATED = 2, /* usable sizes of the blocks handed out */
    MEMKIND_STAT_TYPE_MAX_VALUE
} memkind_stat_type;

/*
 * An addition of this library: what the child of a fork(2) has of a PMEM kind. Either way, nothing
 * that it does changes its parent's kind, but for writing to shared blocks.
 */
typedef enum memkind_fork_mode {
    MEMKIND_FORK_SHARE = 0,    /* the parent's blocks, shared; the child's own lie in a new file */
    MEMKIND_FORK_SNAPSHOT = 1, /* a copy of the kind as it was at the fork: of what is written to */
    MEMKIND_FORK_COPY = 2,     /* the same, made as a whole at the fork, in another file */
    MEMKIND_FORK_MODE_MAX_VALUE
} memkind_fork_mode;

/* An addition of this library: what became of a kind's copy at the last fork(2). */
typedef enum memkind_snapshot {
    MEMKIND_SNAPSHOT_NONE = 0, /* there was no fork, or no copy was wanted */
    MEMKIND_SNAPSHOT_COPY = 1, /* the child has one */
    MEMKIND_SNAPSHOT_FAILED =
        2 /* it could not be made: the child must not touch the parent's blocks */
} memkind_snapshot;

/* Options of memkind_stats_print(); add them with "|". */
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

/* A configuration with no path, size 0 and the default policy; NULL with errno ENOMEM. */
struct memkind_config *memkind_config_new(void);

/* Frees a configuration; NULL is allowed. Kinds that were made from it are not touched. */
void memkind_config_delete(struct memkind_config *cfg);

/* The directory of the kind's file, or a DAX device. The string is borrowed until the kind has been
 * created. */
void memkind_config_set_path(struct memkind_config *cfg, const char *pmem_dir);

/* The kind's max_size, as for memkind_create_pmem(). */
void memkind_config_set_size(struct memkind_config *cfg, size_t pmem_size);

/* The kind's policy; checked when the kind is created. */
void memkind_config_set_memory_usage_policy(struct memkind_config *cfg,
                                            memkind_mem_usage_policy policy);

/*
 * An addition of this library: with true, memory of the kind is mapped when its file
 * space is taken, so that no page fault comes with its first use. Allocations that
 * take file space take longer.
 */
void memkind_config_set_prefault(struct memkind_config *cfg, bool prefault);

/*
 * An addition of this library: what children have of the kind; checked when the kind is created.
 * Where this is not called, MEMKIND_PMEM_FORK in the environment says it: "share", "snapshot" or
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
 * Memory of the NUMA nodes that DAX devices in system-ram mode are, or that MEMKIND_DAX_KMEM_NODES
 * lists: of the closest one, of all, of the closest as long as it has some, of all in turn.
 */
extern memkind_t MEMKIND_DAX_KMEM;
extern memkind_t MEMKIND_DAX_KMEM_ALL;
extern memkind_t MEMKIND_DAX_KMEM_PREFERRED;
extern memkind_t MEMKIND_DAX_KMEM_INTERLEAVE;

/* Memory of the largest NUMA nodes: of all nodes, and of those that belong to the processor. */
extern memkind_t MEMKIND_HIGHEST_CAPACITY;
extern memkind_t MEMKIND_HIGHEST_CAPACITY_PREFERRED;
extern memkind_t MEMKIND_HIGHEST_CAPACITY_LOCAL;
extern memkind_t MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED;

/*
 * Kinds for memory that this version does not know: memkind_check_available() gives an error, and
 * every allocation fails with ENOMEM.
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
 * Makes a kind whose blocks lie in a nameless temporary file in the directory dir. No file space is
 * taken yet. max_size 0 means that the file system alone limits the kind; another size is rounded
 * up to a multiple of 2 MiB and must be at least MEMKIND_PMEM_MIN_SIZE. On failure *kind is not
 * written, errno is that of the failing call, and nothing is left behind.
 *
 * An addition of this library: dir may be a DAX device such as /dev/dax0.0. The kind then has a
 * range of it to itself, of max_size rounded up to the device's alignment, or all of it for 0.
 *
 * Errors: MEMKIND_ERROR_INVALID (arguments; the directory or device cannot be used),
 * MEMKIND_ERROR_UNAVAILABLE (others have the range of the device, or it is used as system RAM),
 * MEMKIND_ERROR_TOOMANY, MEMKIND_ERROR_MALLOC, MEMKIND_ERROR_ENVIRON, MEMKIND_ERROR_ARENAS_CREATE.
 */
int memkind_create_pmem(const char *dir, size_t max_size, memkind_t *kind);

/* The same, with all parameters from cfg. A policy that does not exist is MEMKIND_ERROR_INVALID. */
int memkind_create_pmem_with_config(struct memkind_config *cfg, memkind_t *kind);

/*
 * Makes a kind whose blocks lie in the memory [addr, addr + size), which the program has mapped,
 * readable and writable, and keeps so until the kind is destroyed. Any alignment will do; whole
 * pages of the area are used, whatever stands in them, and nothing outside is touched. While the
 * kind lives, the program writes into the area through blocks of the kind only.
 *
 * Errors: MEMKIND_ERROR_INVALID (a NULL, a size of 0 or past the last address),
 * MEMKIND_ERROR_TOOMANY, MEMKIND_ERROR_MALLOC, MEMKIND_ERROR_ENVIRON, MEMKIND_ERROR_ARENAS_CREATE;
 * *kind is not written then.
 */
int memkind_create_fixed(void *addr, size_t size, memkind_t *kind);

/*
 * Finds the kind of the library for memory of these types, placed by this policy, in pages of this
 * size (0: the usual one). PREFERRED_LOCAL falls back on MEMKIND_DEFAULT. Each success is to be
 * matched by a memkind_destroy_kind(), which does nothing to the kind or its blocks.
 *
 * Errors: MEMKIND_ERROR_INVALID (there is no such combination, or kind is NULL),
 * MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE; *kind is not written then.
 */
int memkind_create_kind(memkind_memtype_t memtype_flags, memkind_policy_t policy,
                        memkind_bits_t flags, memkind_t *kind);

/*
 * Gives back everything that the kind holds: memory, file space, descriptors, address space. Blocks
 * of the kind must not be used any more. A kind that is part of the library and does not come from
 * memkind_create_kind(): MEMKIND_ERROR_OPERATION_FAILED. NULL: MEMKIND_ERROR_INVALID.
 */
int memkind_destroy_kind(memkind_t kind);

/* MEMKIND_SUCCESS where the kind can be allocated from, MEMKIND_ERROR_UNAVAILABLE where not. */
int memkind_check_available(memkind_t kind);

/*
 * Most bytes that the kind could ever hold: max_size of a PMEM kind, the size of the file system
 * where that is 0, the memory of the nodes for the kinds of the library; -1 on error.
 */
ssize_t memkind_get_capacity(memkind_t kind);

/* The kind of the block at ptr. NULL for NULL and for memory that is not of this library. */
memkind_t memkind_detect_kind(void *ptr);

/*
 * Whether a PMEM kind in pmem_dir, a directory or a DAX device, would have DAX, that is, whether
 * mmap(2) grants MAP_SYNC there: MEMKIND_SUCCESS; MEMKIND_ERROR_MMAP where it does not;
 * MEMKIND_ERROR_RUNTIME where no file can be made.
 */
int memkind_check_dax_path(const char *pmem_dir);

/* -- Heap -------------------------------------------------------------------------------------- */

/*
 * As malloc(3), calloc(3), realloc(3), posix_memalign(3), free(3) and malloc_usable_size(3), in
 * memory of the kind. Requests of size 0 give NULL, unless memkind_set_allow_zero_allocs() says
 * otherwise.
 */
void *memkind_malloc(memkind_t kind, size_t size);
void *memkind_calloc(memkind_t kind, size_t num, size_t size);

/*
 * kind may be NULL where ptr is not: then it is found from ptr. NULL for both: NULL, errno EINVAL.
 * size 0 frees ptr and gives NULL.
 */
void *memkind_realloc(memkind_t kind, void *ptr, size_t size);

/* Returns 0, EINVAL or ENOMEM (positive, as POSIX has it); errno is not changed. */
int memkind_posix_memalign(memkind_t kind, void **memptr, size_t alignment, size_t size);

/* kind may be NULL: then it is found from ptr. ptr may be NULL: nothing happens. */
void memkind_free(memkind_t kind, void *ptr);

/* kind may be NULL. 0 for a NULL ptr. */
size_t memkind_malloc_usable_size(memkind_t kind, MEMKIND_MALLOC_USABLE_SIZE_CONST void *ptr);

/*
 * Moves the block where that helps against fragmentation: the new address, and ptr is freed; or
 * NULL, and ptr stays as it was. kind may be NULL.
 */
void *memkind_defrag_reallocate(memkind_t kind, void *ptr);

/*
 * Whether requests of size 0 from this kind give a block of the smallest size (true) or NULL
 * (false, as at first). To be set before other threads use the kind.
 */
void memkind_set_allow_zero_allocs(memkind_t kind, bool allow_zero_allocs);

/* -- Statistics and settings ------------------------------------------------------------------- */

/* Brings the numbers that memkind_get_stat() reads up to date. */
int memkind_update_cached_stats(void);

/*
 * Stores a statistic of the kind in *value, in bytes, as of the last memkind_update_cached_stats().
 * A NULL kind means the whole library. MEMKIND_ERROR_INVALID for an unknown stat or a NULL value.
 */
int memkind_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value);

/*
 * Passes a report on the whole library to write_cb, piece by piece; to stderr where write_cb is
 * NULL. MEMKIND_ERROR_INVALID for unknown bits in opts.
 */
int memkind_stats_print(void (*write_cb)(void *, const char *), void *cbopaque,
                        memkind_stat_print_opt opts);

/*
 * An addition of this library: gives back now what the kind holds and no block uses: file space,
 * for a PMEM kind, without waiting for decay. Caches of all threads are emptied first. Thread-safe.
 * A NULL kind is MEMKIND_ERROR_INVALID.
 */
int memkind_purge(memkind_t kind);

/*
 * An addition of this library: what became of the kind's copy at the last fork(2), in the parent as
 * in the child. Never fails; errno is not changed.
 */
memkind_snapshot memkind_get_snapshot(memkind_t kind);

/* Turns on or off the threads that give memory back in the background. */
int memkind_set_bg_threads(bool state);

/* 1000000 * major + 1000 * minor + patch of the interface: 1014000. */
#ifdef __cplusplus
int memkind_get_version();
#else
int memkind_get_version(void);
#endif

/* Stores the text for an error number, cut to size bytes and always terminated. */
void memkind_error_message(int err, char *msg, size_t size);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
