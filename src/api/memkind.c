/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of memkind(3): they check arguments and call the kind's operations. */
#include "memkind.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/jemalloc_ctl.h"
#include "kinds/arena_kind.h"
#include "kinds/capacity.h"
#include "kinds/create_kind.h"
#include "kinds/fork_snapshot.h"
#include "kinds/kind_registry.h"
#include "kinds/memkind_arena_fast.h"
#include "kinds/memkind_default_internal.h"
#include "kinds/memkind_fixed_internal.h"
#include "kinds/node_kind.h"
#include "kinds/pmem_create.h"
#include "kinds/stats.h"
#include "kinds/usage.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"
#include "memkind/internal/memkind_private.h"
#include "space/address_map.h"
#include "util/error.h"
#include "util/hot.h"

#define VERSION_MAJOR 1
#define VERSION_MINOR 14
#define VERSION_PATCH 0

/*
 * The tables of addresses are mapped at once, so that a limit of addresses which the program sets
 * for itself afterwards (RLIMIT_AS) leaves room for them. If that fails, the first block tries
 * again.
 */
__attribute__((constructor)) static void init_library(void)
{
    (void)address_map_begin_at_load();
    memkind_default_init_once();
}

int memkind_get_version(void)
{
    return VERSION_MAJOR * 1000000 + VERSION_MINOR * 1000 + VERSION_PATCH;
}

void memkind_error_message(int err, char *msg, size_t size)
{
    error_message(err, msg, size);
}

/* -- Kinds ------------------------------------------------------------------------------------- */

static int invalid(void)
{
    errno = EINVAL;
    return MEMKIND_ERROR_INVALID;
}

int memkind_create_pmem(const char *dir, size_t max_size, memkind_t *kind)
{
    if (kind == NULL)
        return invalid();
    return pmem_create(&(struct memkind_config){.pmem_dir = dir, .pmem_size = max_size}, kind);
}

int memkind_create_pmem_with_config(struct memkind_config *cfg, memkind_t *kind)
{
    if (cfg == NULL || kind == NULL)
        return invalid();
    return pmem_create(cfg, kind);
}

int memkind_create_fixed(void *addr, size_t size, memkind_t *kind)
{
    return kind != NULL ? memkind_fixed_new(addr, size, kind) : invalid();
}

int memkind_create_kind(memkind_memtype_t memtype_flags, memkind_policy_t policy,
                        memkind_bits_t flags, memkind_t *kind)
{
    return kind != NULL ? create_kind(memtype_flags, policy, flags, kind) : MEMKIND_ERROR_INVALID;
}

int memkind_destroy_kind(memkind_t kind)
{
    if (!kind_registry_contains(kind))
        return MEMKIND_ERROR_INVALID;
    if (kind_registry_is_static(kind))
        return MEMKIND_SUCCESS;
    int saved_errno = errno; /* the kernel may refuse advice about memory that is locked */
    int err = kind->ops->destroy(kind);
    free(kind);
    if (err == MEMKIND_SUCCESS)
        errno = saved_errno;
    return err;
}

int memkind_check_available(memkind_t kind)
{
    if (kind == NULL)
        return MEMKIND_ERROR_INVALID;
    return kind->ops->check_available != NULL ? kind->ops->check_available(kind) : MEMKIND_SUCCESS;
}

ssize_t memkind_get_capacity(memkind_t kind)
{
    if (kind == NULL) {
        errno = EINVAL;
        return -1;
    }
    return capacity_of_kind(kind);
}

int memkind_check_dax_path(const char *pmem_dir)
{
    return memkind_pmem_validate_dir(pmem_dir);
}

memkind_t memkind_detect_kind(void *ptr)
{
    return kind_registry_detect(ptr);
}

int memkind_get_kind_by_partition(int partition, memkind_t *kind)
{
    if (kind == NULL)
        return MEMKIND_ERROR_INVALID;
    bool exists = partition >= 0 && partition < MEMKIND_NUM_BASE_KIND + MEMKIND_MAX_KIND;

    *kind = exists ? kind_registry_get((unsigned)partition) : NULL;
    return *kind != NULL ? MEMKIND_SUCCESS : MEMKIND_ERROR_UNAVAILABLE;
}

void memkind_set_allow_zero_allocs(memkind_t kind, bool allow_zero_allocs)
{
    if (kind != NULL)
        kind->allow_zero_allocs = allow_zero_allocs;
}

/* -- Heap -------------------------------------------------------------------------------------- */

/* Returns the kind, or the kind of ptr. NULL: neither is known. */
static inline struct memkind *kind_or_found(struct memkind *kind, const void *ptr)
{
    if (__builtin_expect(kind != NULL, 1))
        return kind;
    return ptr != NULL ? kind_registry_kind_of(ptr) : NULL;
}

static void *no_kind(void)
{
    errno = EINVAL;
    return NULL;
}

static __attribute__((noinline)) void *malloc_by_kind(memkind_t kind, size_t size)
{
    return kind != NULL ? kind->ops->malloc(kind, size) : no_kind();
}

HOT_FUNCTION void *memkind_malloc(memkind_t kind, size_t size)
{
    void *block = __builtin_expect(kind != NULL, 1) ? memkind_arena_pop(kind, size) : NULL;

    return __builtin_expect(block != NULL, 1) ? block : malloc_by_kind(kind, size);
}

void *memkind_calloc(memkind_t kind, size_t num, size_t size)
{
    return kind != NULL ? kind->ops->calloc(kind, num, size) : no_kind();
}

int memkind_posix_memalign(memkind_t kind, void **memptr, size_t alignment, size_t size)
{
    if (kind == NULL || memptr == NULL)
        return EINVAL;
    return kind->ops->posix_memalign(kind, memptr, alignment, size);
}

void *memkind_realloc(memkind_t kind, void *ptr, size_t size)
{
    kind = kind_or_found(kind, ptr);
    return kind != NULL ? kind->ops->realloc(kind, ptr, size) : no_kind();
}

static __attribute__((noinline)) void free_by_kind(memkind_t kind, void *ptr)
{
    if (kind != NULL)
        kind->ops->free(kind, ptr);
    else
        memkind_arena_free_with_kind_detect(ptr);
}

HOT_FUNCTION void memkind_free(memkind_t kind, void *ptr)
{
    if (__builtin_expect(!memkind_arena_push(ptr), 0))
        free_by_kind(kind, ptr);
}

size_t memkind_malloc_usable_size(memkind_t kind, void *ptr)
{
    if (ptr == NULL)
        return 0;
    kind = kind_or_found(kind, ptr);
    return kind->ops->malloc_usable_size(kind, ptr);
}

void *memkind_defrag_reallocate(memkind_t kind, void *ptr)
{
    if (ptr == NULL)
        return NULL;
    kind = kind_or_found(kind, ptr);
    return kind->ops->defrag_reallocate != NULL ? kind->ops->defrag_reallocate(kind, ptr) : NULL;
}

/* -- Statistics and settings ------------------------------------------------------------------- */

int memkind_update_cached_stats(void)
{
    usage_settle();
    int err = jemalloc_ctl_update_stats();

    /* After it: what the idle thread takes out of caches meanwhile is subtracted from nothing. */
    usage_update();
    return err == 0 ? MEMKIND_SUCCESS : MEMKIND_ERROR_OPERATION_FAILED;
}

int memkind_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value)
{
    if (value == NULL)
        return MEMKIND_ERROR_INVALID;
    if (kind == NULL)
        return stats_of_library(stat, value);
    return kind->ops->get_stat != NULL ? kind->ops->get_stat(kind, stat, value)
                                       : MEMKIND_ERROR_OPERATION_FAILED;
}

int memkind_stats_print(void (*write_cb)(void *, const char *), void *cbopaque,
                        memkind_stat_print_opt opts)
{
    return stats_print(write_cb, cbopaque, opts);
}

int memkind_purge(memkind_t kind)
{
    if (kind == NULL)
        return MEMKIND_ERROR_INVALID;
    node_kind_purge(kind);
    return MEMKIND_SUCCESS;
}

int memkind_thaw(memkind_t kind)
{
    if (kind == NULL)
        return MEMKIND_ERROR_INVALID;
    return arena_kind_thaw(kind) ? MEMKIND_SUCCESS : MEMKIND_ERROR_OPERATION_FAILED;
}

memkind_snapshot memkind_get_snapshot(memkind_t kind)
{
    return kind != NULL ? fork_snapshot_of(kind) : MEMKIND_SNAPSHOT_NONE;
}

int memkind_set_bg_threads(bool state)
{
    return memkind_default_set_background_threads(state) == 0 ? MEMKIND_SUCCESS
                                                              : MEMKIND_ERROR_OPERATION_FAILED;
}
