/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of all kinds, and the way from an address to its kind. */
#include "kinds/kind_registry.h"

#include <errno.h>
#include <stdatomic.h>

#include "heap/heap.h"
#include "heap/jemalloc_ctl.h"
#include "kinds/kind_class.h"
#include "kinds/static_kinds.h"
#include "kinds/tier_counts.h"
#include "space/range_map.h"
#include "util/invariant.h"
#include "util/lock.h"

#define PARTITIONS KIND_REGISTRY_PARTITIONS

/* Held to change the table, and to use the heap of a kind that another thread may destroy. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct memkind *) kinds[PARTITIONS] = {
#define ENTER_KIND(NAME, LOWER, ...) [MEMKIND_PARTITION_##NAME] = &static_kind_##LOWER,
    STATIC_KINDS(ENTER_KIND)};

/* NULL: kind_class_bound. Written before the entry of `kinds`. */
static const struct kind_class *classes[PARTITIONS] = {
#define ENTER_CLASS(NAME, LOWER, CLASS) [MEMKIND_PARTITION_##NAME] = &kind_class_##CLASS,
    STATIC_OTHER_KINDS(ENTER_CLASS)};

/*
 * The number of kinds whose memory comes from hooks of the program. The address map does not
 * distinguish their blocks from those of the default heap.
 */
static atomic_int mixed_kinds;

/* The kind of each part. */
static struct memkind *kinds_of_parts[KIND_REGISTRY_PARTS];

/* Other threads may read the heap while the kind gets one. */
static struct heap *heap_of(const struct memkind *kind)
{
    return __atomic_load_n(&kind->heap, __ATOMIC_ACQUIRE);
}

/* Each kind has the number of its partition. */
static bool is_valid_locked(void)
{
    for (unsigned i = 0; i < PARTITIONS; i++) {
        const struct memkind *kind = atomic_load_explicit(&kinds[i], memory_order_relaxed);

        if (kind != NULL && kind->partition != i)
            return false;
    }
    return true;
}

/* Gives the kind a partition from `first` up to `end`. */
static int add_locked(struct memkind *kind, const struct kind_class *class, unsigned first,
                      unsigned end)
{
    for (unsigned i = first; i < end; i++)
        if (atomic_load_explicit(&kinds[i], memory_order_relaxed) == NULL) {
            kind->partition = i;
            classes[i] = class;
            atomic_store_explicit(&kinds[i], kind, memory_order_release);
            INVARIANT(is_valid_locked());
            return 0;
        }
    return -ENFILE;
}

int kind_registry_add(struct memkind *kind, const struct kind_class *class)
{
    lock_acquire(&lock, LOCK_REGISTRY);
    int err = add_locked(kind, class, MEMKIND_NUM_BASE_KIND, KIND_REGISTRY_FIRST_PART);
    lock_release(&lock);
    return err;
}

int kind_registry_add_part(struct memkind *part, struct memkind *kind)
{
    lock_acquire(&lock, LOCK_REGISTRY);
    int err = add_locked(part, NULL, KIND_REGISTRY_FIRST_PART, PARTITIONS);
    /* Only threads that have a block of the part read the entry, and there is no block yet. */
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
    /* A visitor may use the kind until the lock is free. The caller frees the kind after this. */
    lock_acquire(&lock, LOCK_REGISTRY);
    if (kind_registry_has(kind)) {
        INVARIANT(heap_of(kind) == NULL);
        tier_counts_forget(kind->partition);
        atomic_store_explicit(&kinds[kind->partition], NULL, memory_order_release);
    }
    lock_release(&lock);
}

bool kind_registry_has(const struct memkind *kind)
{
    return kind_registry_get(kind->partition) == kind;
}

bool kind_registry_contains(const struct memkind *kind)
{
    for (unsigned i = 0; kind != NULL && i < KIND_REGISTRY_FIRST_PART; i++)
        if (atomic_load_explicit(&kinds[i], memory_order_acquire) == kind)
            return true;
    return false;
}

bool kind_registry_is_static(const struct memkind *kind)
{
    return kind->partition < MEMKIND_NUM_BASE_KIND && kind_registry_has(kind);
}

const struct kind_class *kind_registry_class(const struct memkind *kind)
{
    const struct kind_class *class = kind_registry_has(kind) ? classes[kind->partition] : NULL;

    return class != NULL ? class : &kind_class_bound;
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

static void visit_locked(unsigned partition, kind_registry_visit *visit, void *arg)
{
    struct memkind *kind = kind_registry_get(partition);
    struct heap *heap = kind != NULL ? heap_of(kind) : NULL;

    if (heap != NULL)
        visit(kind, heap, arg);
}

void kind_registry_visit_heap(unsigned partition, kind_registry_visit *visit, void *arg)
{
    lock_acquire(&lock, LOCK_REGISTRY);
    visit_locked(partition, visit, arg);
    lock_release(&lock);
}

void kind_registry_each_heap(kind_registry_visit *visit, void *arg)
{
    lock_acquire(&lock, LOCK_REGISTRY);
    for (unsigned i = 0; i < PARTITIONS; i++)
        visit_locked(i, visit, arg);
    lock_release(&lock);
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

struct arena_search {
    unsigned arena;
    struct memkind *found;
};

static void check_arena(struct memkind *kind, struct heap *heap, void *arg)
{
    struct arena_search *search = arg;

    if (arena_set_has(&heap->arenas, search->arena))
        search->found = kind;
}

/* The kind that has the arena: one with hooks of the program, or else the default kind. */
static struct memkind *kind_of_arena(unsigned arena)
{
    struct arena_search search = {.arena = arena, .found = &static_kind_default};

    kind_registry_each_heap(check_arena, &search);
    return search.found;
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

/* Not inlined, so that the caller needs no stack frame. */
static __attribute__((noinline)) struct memkind *detect_in_mixed(const void *ptr)
{
    unsigned owner = owner_of(ptr);
    unsigned arena;

    if (owner >= ADDRESS_MAP_FIRST_OWNER)
        return kind_registry_get(owner - ADDRESS_MAP_FIRST_OWNER);
    /* jemalloc_ctl_arena_of() crashes for an address in a GiB where jemalloc never had memory. */
    if (owner == ADDRESS_MAP_NONE || jemalloc_ctl_arena_of(ptr, &arena) != 0)
        return NULL;
    return kind_of_arena(arena);
}

struct memkind *kind_registry_detect(const void *ptr)
{
    unsigned owner = address_map_owner(ptr);

    /* Such an owner is the partition of a kind with memory: its entry is valid. */
    if (__builtin_expect(owner >= ADDRESS_MAP_FIRST_OWNER, 1)) {
        unsigned partition = owner - ADDRESS_MAP_FIRST_OWNER;

        if (__builtin_expect(partition >= KIND_REGISTRY_FIRST_PART, 0))
            return kinds_of_parts[partition - KIND_REGISTRY_FIRST_PART];
        return atomic_load_explicit(&kinds[partition], memory_order_acquire);
    }
    return owner == ADDRESS_MAP_NONE ? NULL : detect_in_mixed(ptr);
}
