/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds of huge pages of 1 GiB.
 *
 * Each block is a map of its own. The pages are taken before the block is returned, and released
 * when the program frees the block. So these kinds have no heap; a table has the size of each
 * block.
 */
#include <errno.h>
#include <linux/mman.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "kinds/kind_class.h"
#include "kinds/kind_registry.h"
#include "kinds/memkind_default_internal.h"
#include "kinds/node_kind.h"
#include "kinds/static_kinds.h"
#include "kinds/stats.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"
#include "memkind/internal/memkind_hbw.h"
#include "os/huge_pages_pool.h"
#include "os/vm.h"
#include "space/address_map.h"
#include "util/align.h"
#include "util/log.h"

#define PAGE         HUGE_PAGES_POOL_GIGANTIC
#define PAGE_SHIFT   30
#define ADDRESS_BITS 48 /* mmap(2) returns no higher address without a hint */
#define FIRST_KIND   MEMKIND_PARTITION_HBW_GBTLB
#define KINDS        3

/* Number of pages of the block that begins at this multiple of a page; 0: none begins there. */
static _Atomic uint32_t pages_at[(size_t)1 << (ADDRESS_BITS - PAGE_SHIFT)];

/* Bytes in blocks of each kind. */
static atomic_size_t held[KINDS];

_Static_assert(MEMKIND_PARTITION_HBW_PREFERRED_GBTLB == FIRST_KIND + 1 &&
                   MEMKIND_PARTITION_GBTLB == FIRST_KIND + 2,
               "the kinds are in a row");

static bool is_covered(const char *base, size_t size)
{
    return (((uintptr_t)base + size - 1) >> ADDRESS_BITS) == 0;
}

static _Atomic uint32_t *entry_of(const void *block)
{
    return &pages_at[(uintptr_t)block >> PAGE_SHIFT];
}

/* The size of the block at ptr in bytes; 0 where ptr is no block of these kinds. */
static size_t size_of(const void *ptr)
{
    if ((uintptr_t)ptr % PAGE != 0 || !is_covered(ptr, 1))
        return 0;
    return (size_t)atomic_load(entry_of(ptr)) << PAGE_SHIFT;
}

/* The size rounded up to pages, for 0 one page; 0 where the result would overflow. */
static size_t rounded(size_t size)
{
    if (size == 0)
        return PAGE;
    return align_up(size, PAGE);
}

/* -- Blocks ------------------------------------------------------------------------------------ */

/*
 * mmap(2) fails where all nodes together have too few pages. But the kind's nodes may have too few,
 * and then an access would raise SIGBUS. So all pages are taken at once.
 */
static bool populate(struct memkind *kind, void *base, size_t size)
{
    if (kind->ops->mbind != NULL && kind->ops->mbind(kind, base, size) != MEMKIND_SUCCESS)
        return false;
    int err = vm_populate(base, size);
    if (err == 0)
        return true;
    if (err == -EINVAL)
        log_error("huge pages cannot be allocated safely: this kernel has no MADV_POPULATE_WRITE");
    return false;
}

/* Maps size bytes, a multiple of a page, and takes the pages; NULL. */
static void *map(struct memkind *kind, size_t size)
{
    void *base = NULL;

    if (vm_map_anonymous(&base, size, VM_WRITE, MAP_PRIVATE | MAP_HUGETLB | MAP_HUGE_1GB) != 0)
        return NULL;
    if (is_covered(base, size) && populate(kind, base, size) && address_map_open(base, size) == 0)
        return base;
    (void)vm_unmap(base, size);
    return NULL;
}

/* On success errno is kept. NULL with errno ENOMEM. */
static void *allocate(struct memkind *kind, size_t size)
{
    int saved_errno = errno;
    size_t bytes = rounded(size);
    void *base = bytes != 0 ? map(kind, bytes) : NULL;

    if (base == NULL) {
        node_choice_refresh();
        errno = ENOMEM;
        return NULL;
    }
    atomic_fetch_add(&held[kind->partition - FIRST_KIND], bytes);
    atomic_store(entry_of(base), (uint32_t)(bytes >> PAGE_SHIFT));
    address_map_set(base, bytes, kind_registry_owner(kind));
    errno = saved_errno;
    return base;
}

/* Releases the block except for its first `keep` bytes, a multiple of a page. errno is kept. */
static void cut(const struct memkind *kind, char *block, size_t keep)
{
    size_t bytes = size_of(block) - keep;
    int saved_errno = errno;

    atomic_store(entry_of(block), (uint32_t)(keep >> PAGE_SHIFT));
    address_map_set(block + keep, bytes, ADDRESS_MAP_NONE);
    atomic_fetch_sub(&held[kind->partition - FIRST_KIND], bytes);
    (void)vm_unmap(block + keep, bytes);
    errno = saved_errno;
}

static void *gbtlb_malloc(struct memkind *kind, size_t size)
{
    return memkind_default_refuses(kind, size) ? NULL : allocate(kind, size);
}

static void *gbtlb_calloc(struct memkind *kind, size_t num, size_t size)
{
    size_t bytes;

    if (memkind_default_refuses(kind, num) || memkind_default_refuses(kind, size))
        return NULL;
    /* Fresh pages are zero. */
    return allocate(kind, __builtin_mul_overflow(num, size, &bytes) ? SIZE_MAX : bytes);
}

static void *gbtlb_aligned_alloc(struct memkind *kind, size_t size, size_t alignment)
{
    return alignment <= PAGE ? allocate(kind, size) : NULL;
}

static int gbtlb_posix_memalign(struct memkind *kind, void **memptr, size_t alignment, size_t size)
{
    return memkind_default_align_or_null(kind, memptr, alignment, size, gbtlb_aligned_alloc);
}

static void gbtlb_free(struct memkind *kind, void *ptr)
{
    (void)kind;
    if (size_of(ptr) != 0)
        cut(kind_registry_kind_of(ptr), ptr, 0);
    else
        memkind_arena_free(NULL, ptr);
}

static void *move(struct memkind *owner, void *ptr, size_t size)
{
    void *block = allocate(owner, size);

    if (block == NULL)
        return NULL;
    memcpy(block, ptr, size_of(ptr));
    gbtlb_free(owner, ptr);
    return block;
}

/* A block of another kind stays in that kind. */
static void *gbtlb_realloc(struct memkind *kind, void *ptr, size_t size)
{
    if (ptr == NULL)
        return gbtlb_malloc(kind, size);
    size_t before = size_of(ptr);
    if (before == 0)
        return memkind_arena_realloc_with_kind_detect(ptr, size);
    if (size == 0) {
        gbtlb_free(kind, ptr);
        return NULL;
    }
    size_t bytes = rounded(size);
    struct memkind *owner = kind_registry_kind_of(ptr);
    if (bytes == 0 || bytes > before)
        return move(owner, ptr, size);
    if (bytes < before)
        cut(owner, ptr, bytes);
    return ptr;
}

static size_t gbtlb_usable_size(struct memkind *kind, void *ptr)
{
    size_t size = size_of(ptr);

    return size != 0 ? size : memkind_default_malloc_usable_size(kind, ptr);
}

/* -- Queries ----------------------------------------------------------------------------------- */

/* The nodes that the kind is bound to; *mask is NULL for a kind of all nodes. */
static int nodes_of(struct memkind *kind, struct node_set *nodes, const unsigned long **mask)
{
    *mask = NULL;
    if (kind->ops->get_mbind_nodemask == NULL)
        return MEMKIND_SUCCESS;
    *nodes = (struct node_set){{0}};
    *mask = nodes->bits;
    return kind->ops->get_mbind_nodemask(kind, nodes->bits, NUMA_NUM_NODES);
}

static int gbtlb_check_available(struct memkind *kind)
{
    const unsigned long *mask;
    struct node_set nodes;

    /* As in memkind: the lack of pages on all nodes is the first error. */
    if (huge_pages_pool_size_gigantic(NULL, 0) == 0)
        return MEMKIND_ERROR_HUGETLB;
    node_choice_refresh();
    int status = nodes_of(kind, &nodes, &mask);
    if (status == MEMKIND_SUCCESS && huge_pages_pool_size_gigantic(mask, NUMA_NUM_NODES) == 0)
        status = MEMKIND_ERROR_HUGETLB;
    return status;
}

static ssize_t gbtlb_capacity(struct memkind *kind)
{
    const unsigned long *mask;
    struct node_set nodes;

    if (nodes_of(kind, &nodes, &mask) != MEMKIND_SUCCESS) {
        errno = ENODEV;
        return -1;
    }
    return (ssize_t)(huge_pages_pool_size_gigantic(mask, NUMA_NUM_NODES) << PAGE_SHIFT);
}

const struct kind_class kind_class_gbtlb = {.capacity = gbtlb_capacity};

static int gbtlb_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value)
{
    size_t bytes = atomic_load(&held[kind->partition - FIRST_KIND]);
    struct jemalloc_stats stats = {.resident = bytes, .active = bytes, .allocated = bytes};

    return stats_select(&stats, stat, value);
}

/* Freed pages go back at once under each policy. */
static int gbtlb_update_policy(struct memkind *kind, memkind_mem_usage_policy policy)
{
    (void)policy;
    return kind->ops->check_available(kind);
}

/* A program cannot create further kinds with these operations. */
static int no_kind(struct memkind *kind, struct memkind_ops *ops, const char *name)
{
    (void)kind;
    (void)ops;
    (void)name;
    return MEMKIND_ERROR_HUGETLB;
}

/* -- The kinds --------------------------------------------------------------------------------- */

/* Without get_arena: a kind with that operation gets a heap. */
#define GBTLB_OPS(bind, mode, nodemask)                                                           \
    {                                                                                             \
        .create = no_kind, .destroy = memkind_default_destroy, .malloc = gbtlb_malloc,            \
        .calloc = gbtlb_calloc, .posix_memalign = gbtlb_posix_memalign, .realloc = gbtlb_realloc, \
        .free = gbtlb_free, .mbind = (bind), .get_mbind_mode = (mode),                            \
        .get_mbind_nodemask = (nodemask), .check_available = gbtlb_check_available,               \
        .init_once = memkind_default_init_once, .finalize = memkind_default_destroy,              \
        .malloc_usable_size = gbtlb_usable_size,                                                  \
        .update_memory_usage_policy = gbtlb_update_policy, .get_stat = gbtlb_get_stat             \
    }

struct memkind_ops MEMKIND_GBTLB_OPS = GBTLB_OPS(NULL, NULL, NULL);
struct memkind_ops MEMKIND_HBW_GBTLB_OPS =
    GBTLB_OPS(node_kind_mbind, memkind_default_get_mbind_mode, memkind_hbw_get_mbind_nodemask);
struct memkind_ops MEMKIND_HBW_PREFERRED_GBTLB_OPS =
    GBTLB_OPS(node_kind_mbind, memkind_preferred_get_mbind_mode, memkind_hbw_get_mbind_nodemask);
