/* SPDX-License-Identifier: BSD-2-Clause */
/* All kinds by their partition, and from an address to its kind. */
#include "kinds/kind_registry.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "heap/heap.h"
#include "heap/heap_stats.h"
#include "heap/jemalloc_ctl.h"
#include "kinds/static_kinds.h"
#include "kinds/tier_counts.h"
#include "os/directory.h"
#include "space/range_map.h"
#include "space/space.h"
#include "util/lock.h"

#define PARTITIONS KIND_REGISTRY_PARTITIONS

/* Held to change the table, and to use the heap of a kind that another thread may destroy. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct memkind *) kinds[PARTITIONS] = {
#define ENTER_KIND(NAME, LOWER, ...) [MEMKIND_PARTITION_##NAME] = &static_kind_##LOWER,
    STATIC_KINDS(ENTER_KIND)};

/* Kinds whose blocks lie in granules that the address map calls mixed, beside the default heap. */
static atomic_int mixed_kinds;

/* The kinds that parts are of. */
static struct memkind *kinds_of_parts[KIND_REGISTRY_PARTS];

/* Gives the kind a partition from `first` up to `end`. */
static int add_locked(struct memkind *kind, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++)
        if (atomic_load_explicit(&kinds[i], memory_order_relaxed) == NULL) {
            kind->partition = i;
            atomic_store_explicit(&kinds[i], kind, memory_order_release);
            return 0;
        }
    return -ENFILE;
}

int kind_registry_add(struct memkind *kind)
{
    lock_acquire(&lock, LOCK_REGISTRY);
    int err = add_locked(kind, MEMKIND_NUM_BASE_KIND, KIND_REGISTRY_FIRST_PART);
    lock_release(&lock);
    return err;
}

int kind_registry_add_part(struct memkind *part, struct memkind *kind)
{
    lock_acquire(&lock, LOCK_REGISTRY);
    int err = add_locked(part, KIND_REGISTRY_FIRST_PART, PARTITIONS);
    /* Read for blocks only, of which there are none yet. */
    if (err == 0)
        kinds_of_parts[part->partition - KIND_REGISTRY_FIRST_PART] = kind;
    lock_release(&lock);
    return err;
}

struct memkind *kind_registry_whole(struct memkind *kind)
{
    return kind->partition < KIND_REGISTRY_FIRST_PART
               ? kind
               : kinds_of_parts[kind->partition - KIND_REGISTRY_FIRST_PART];
}

void kind_registry_remove(struct memkind *kind)
{
    if (kind_registry_is_static(kind))
        return;
    /* With the lock: whoever holds it may be looking at the kind, which can be freed after this. */
    lock_acquire(&lock, LOCK_REGISTRY);
    if (kind_registry_has(kind)) {
        tier_counts_forget(kind->partition);
        atomic_store_explicit(&kinds[kind->partition], NULL, memory_order_release);
    }
    lock_release(&lock);
}

bool kind_registry_has(const struct memkind *kind)
{
    return kind_registry_get(kind->partition) == kind;
}

bool kind_registry_is_static(const struct memkind *kind)
{
    return kind->partition < MEMKIND_NUM_BASE_KIND && kind_registry_has(kind);
}

struct memkind *kind_registry_get(unsigned partition)
{
    return partition < PARTITIONS ? atomic_load_explicit(&kinds[partition], memory_order_acquire)
                                  : NULL;
}

void kind_registry_count_mixed(int change)
{
    atomic_fetch_add(&mixed_kinds, change);
}

/* A kind of the library gets its heap while others look. */
static struct heap *heap_of(const struct memkind *kind)
{
    return __atomic_load_n(&kind->heap, __ATOMIC_ACQUIRE);
}

/* The heap of a partition's kind, NULL where there is none; the lock is held while it is used. */
static struct heap *heap_at(unsigned partition)
{
    const struct memkind *kind = kind_registry_get(partition);

    return kind != NULL ? heap_of(kind) : NULL;
}

/* The kind whose arena this is: one of the program's hooks, or else the default heap. */
static struct memkind *kind_of_arena(unsigned arena)
{
    struct memkind *found = &static_kind_default;

    lock_acquire(&lock, LOCK_REGISTRY);
    for (unsigned i = 0; i < PARTITIONS; i++) {
        const struct heap *heap = heap_at(i);

        if (heap != NULL && arena_set_has(&heap->arenas, arena))
            found = kind_registry_get(i);
    }
    lock_release(&lock);
    return found;
}

void kind_registry_update_stats(void)
{
    lock_acquire(&lock, LOCK_REGISTRY);
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct heap *heap = heap_at(i);

        if (heap != NULL && !heap_is_inherited(heap))
            heap_stats_update(heap);
    }
    lock_release(&lock);
}

size_t kind_registry_cached_bytes(void)
{
    size_t bytes = 0;

    lock_acquire(&lock, LOCK_REGISTRY);
    for (unsigned i = 0; i < PARTITIONS; i++) {
        const struct heap *heap = heap_at(i);

        if (heap != NULL && !heap_is_inherited(heap))
            bytes += atomic_load(&heap->cached_bytes);
    }
    lock_release(&lock);
    return bytes;
}

static void read_usage(const struct memkind *kind, const struct heap *heap,
                       struct kind_usage *usage)
{
    const struct space *space = heap->space;

    memcpy(usage->name, kind->name, sizeof(usage->name));
    struct directory *directory = space_directory(space);

    usage->directory = directory != NULL ? directory_ref(directory) : NULL;
    usage->max_size = space->max_size;
    usage->held = space_held(space);
    usage->peak = atomic_load(&space->peak);
    usage->chunks = space_chunks(space);
    usage->cached = atomic_load(&heap->cached_bytes);
    usage->purges = atomic_load(&space->purges);
    usage->retries = atomic_load(&heap->shortage.retries);
}

bool kind_registry_usage(unsigned partition, struct kind_usage *usage)
{
    lock_acquire(&lock, LOCK_REGISTRY);
    const struct heap *heap = heap_at(partition);
    bool found = heap != NULL && !heap_is_inherited(heap) && heap->space != NULL &&
                 __atomic_load_n(&heap->space->fd, __ATOMIC_ACQUIRE) >= 0;
    if (found)
        read_usage(kind_registry_get(partition), heap, usage);
    lock_release(&lock);
    return found;
}

struct heap *kind_registry_take_heap(struct memkind *kind)
{
    lock_acquire(&lock, LOCK_REGISTRY);
    struct heap *heap = heap_of(kind);
    __atomic_store_n(&kind->heap, NULL, __ATOMIC_RELEASE);
    lock_release(&lock);
    return heap;
}

void kind_registry_before_fork(void)
{
    lock_acquire(&lock, LOCK_REGISTRY);
}

void kind_registry_after_fork(void)
{
    lock_release(&lock);
}

static unsigned owner_of(const void *ptr)
{
    unsigned owner = address_map_owner(ptr);

    return __builtin_expect(owner == ADDRESS_MAP_RANGES, 0) ? range_map_owner(ptr) : owner;
}

struct memkind *kind_registry_kind_of(const void *ptr)
{
    unsigned owner = owner_of(ptr);
    unsigned arena;

    if (owner >= ADDRESS_MAP_FIRST_OWNER)
        return kind_registry_get(owner - ADDRESS_MAP_FIRST_OWNER);
    if (atomic_load_explicit(&mixed_kinds, memory_order_relaxed) == 0)
        return &static_kind_default;
    return jemalloc_ctl_arena_of(ptr, &arena) == 0 ? kind_of_arena(arena) : &static_kind_default;
}

/* Apart, so that the usual way needs no stack frame. */
static __attribute__((noinline)) struct memkind *detect_in_mixed(const void *ptr)
{
    unsigned owner = owner_of(ptr);
    unsigned arena;

    if (owner >= ADDRESS_MAP_FIRST_OWNER)
        return kind_registry_get(owner - ADDRESS_MAP_FIRST_OWNER);
    /* jemalloc may be asked only where it has had memory nearby, or it follows a pointer that is
     * not there. */
    if (owner == ADDRESS_MAP_NONE || jemalloc_ctl_arena_of(ptr, &arena) != 0)
        return NULL;
    return kind_of_arena(arena);
}

struct memkind *kind_registry_detect(const void *ptr)
{
    unsigned owner = address_map_owner(ptr);

    /* Owners are partitions of kinds that have memory: no need to look for others. */
    if (__builtin_expect(owner >= ADDRESS_MAP_FIRST_OWNER, 1)) {
        unsigned partition = owner - ADDRESS_MAP_FIRST_OWNER;

        if (__builtin_expect(partition >= KIND_REGISTRY_FIRST_PART, 0))
            return kinds_of_parts[partition - KIND_REGISTRY_FIRST_PART];
        return atomic_load_explicit(&kinds[partition], memory_order_acquire);
    }
    return owner == ADDRESS_MAP_NONE ? NULL : detect_in_mixed(ptr);
}
