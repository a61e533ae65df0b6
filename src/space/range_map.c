/* SPDX-License-Identifier: BSD-2-Clause */
/* The ranges of memory that programs pass to kinds. */
#include "space/range_map.h"

#include <errno.h>
#include <pthread.h>

#include "space/address_map.h"
#include "space/page_map.h"
#include "util/lock.h"

struct entry {
    _Atomic uintptr_t base;
    _Atomic uintptr_t end; /* 0 while the entry is not in use; written last, and cleared first */
    atomic_uint owner;
    _Atomic(_Atomic uint8_t *) classes;
};

static struct entry entries[RANGE_MAP_ENTRIES];
static atomic_size_t entries_used; /* no entry from here on is in use; grows only */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* held to change entries */

static int add_locked(uintptr_t base, size_t size, unsigned owner, _Atomic uint8_t *classes)
{
    for (size_t i = 0; i < RANGE_MAP_ENTRIES; i++) {
        struct entry *entry = &entries[i];

        if (atomic_load(&entry->end) != 0)
            continue;
        atomic_store(&entry->base, base);
        atomic_store(&entry->owner, owner);
        atomic_store(&entry->classes, classes);
        atomic_store(&entry->end, base + size);
        if (i >= atomic_load(&entries_used))
            atomic_store(&entries_used, i + 1);
        return 0;
    }
    return -ENFILE;
}

int range_map_add(const void *base, size_t size, unsigned owner, _Atomic uint8_t *classes)
{
    uintptr_t last = (uintptr_t)base + size - 1;

    if (last < (uintptr_t)base || last >> ADDRESS_MAP_BITS != 0)
        return -EINVAL;
    lock_acquire(&lock, LOCK_RANGE_MAP);
    int err = address_map_mark_ranges(base, size);
    if (err == 0)
        err = add_locked((uintptr_t)base, size, owner, classes);
    lock_release(&lock);
    return err;
}

void range_map_remove(const void *base, unsigned owner)
{
    lock_acquire(&lock, LOCK_RANGE_MAP);
    for (size_t i = 0; i < atomic_load(&entries_used); i++)
        if (atomic_load(&entries[i].base) == (uintptr_t)base &&
            atomic_load(&entries[i].owner) == owner)
            atomic_store(&entries[i].end, 0);
    lock_release(&lock);
}

void range_map_after_fork(void)
{
    (void)lock_init(&lock);
}

/* Returns the smallest range that ptr lies in; NULL. */
static struct entry *find(const void *ptr)
{
    struct entry *found = NULL;
    uintptr_t smallest = UINTPTR_MAX;
    size_t used = atomic_load_explicit(&entries_used, memory_order_acquire);

    for (size_t i = 0; i < used; i++) {
        uintptr_t end = atomic_load_explicit(&entries[i].end, memory_order_acquire);
        uintptr_t base = atomic_load_explicit(&entries[i].base, memory_order_relaxed);

        if ((uintptr_t)ptr >= base && (uintptr_t)ptr < end && end - base < smallest) {
            found = &entries[i];
            smallest = end - base;
        }
    }
    return found;
}

unsigned range_map_owner(const void *ptr)
{
    const struct entry *entry = find(ptr);

    if (entry != NULL)
        return atomic_load_explicit(&entry->owner, memory_order_relaxed);
    return atomic_load_explicit(ADDRESS_MAP_ENTRY(beside, ptr), memory_order_acquire);
}

_Atomic uint8_t *range_map_class_at(const void *ptr)
{
    struct entry *entry = find(ptr);

    if (entry == NULL)
        return NULL;
    uintptr_t base = atomic_load_explicit(&entry->base, memory_order_relaxed);
    return atomic_load_explicit(&entry->classes, memory_order_relaxed) +
           (((uintptr_t)ptr - base) >> PAGE_MAP_PAGE_SHIFT);
}
