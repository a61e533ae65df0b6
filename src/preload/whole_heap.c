/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds and libc's heap as one. */
#include "preload/whole_heap.h"

#include <malloc.h>
#include <pthread.h>

#include "preload/numbers.h"
#include "preload/preload.h"
#include "util/lock.h"

/* Guards the numbers and the epoch. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct whole_heap heap;
static uint64_t epoch;

void whole_heap_begin_child(void)
{
    (void)lock_init(&lock);
}

/* Calls of libmemkind may make it allocate. */
static void take_numbers(struct numbers *numbers)
{
    unsigned char before = preload_self.state;

    preload_set_thread(PRELOAD_BUSY);
    if (preload_kind_for_request() != NULL) {
        numbers_take(numbers);
    } else {
        struct mallinfo2 info = mallinfo2();
        *numbers = (struct numbers){
            .libc_resident = info.arena + info.hblkhd,
            .libc_allocated = info.uordblks + info.hblkhd,
        };
    }
    preload_set_thread(before);
}

static void refresh_locked(void)
{
    struct numbers numbers;

    take_numbers(&numbers);
    heap = (struct whole_heap){
        .allocated = numbers.allocated + numbers.libc_allocated,
        .active = numbers.active + numbers.libc_resident,
        .resident = numbers.resident + numbers.libc_resident,
        .mapped = numbers.file_space + numbers.libc_resident,
    };
    epoch++;
}

void whole_heap_refresh(void)
{
    lock_acquire(&lock, LOCK_WHOLE_HEAP);
    refresh_locked();
    lock_release(&lock);
}

struct whole_heap whole_heap_numbers(void)
{
    lock_acquire(&lock, LOCK_WHOLE_HEAP);
    if (epoch == 0)
        refresh_locked();
    struct whole_heap copy = heap;
    lock_release(&lock);
    return copy;
}

uint64_t whole_heap_epoch(void)
{
    lock_acquire(&lock, LOCK_WHOLE_HEAP);
    uint64_t now = epoch;
    lock_release(&lock);
    return now;
}

void whole_heap_purge(void)
{
    unsigned char before = preload_self.state;

    preload_set_thread(PRELOAD_BUSY);
    for (unsigned i = 0; preload_kind() != NULL && i < preload.serving.count; i++)
        (void)memkind_purge(preload.serving.kinds[i]);
    preload_set_thread(before);
}
