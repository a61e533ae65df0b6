/* SPDX-License-Identifier: BSD-2-Clause */
/* All heaps of the process. */
#include "heap/heap_list.h"

#include <pthread.h>
#include <stddef.h>

#include "heap/heap.h"
#include "util/lock.h"

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t visitor_left = PTHREAD_COND_INITIALIZER;
static struct heap *first;

static void add_locked(struct heap *heap)
{
    heap->entry = (struct heap_list_entry){.next = first, .link = &first};
    if (first != NULL)
        first->entry.link = &heap->entry.next;
    first = heap;
}

void heap_list_add(struct heap *heap)
{
    lock_acquire(&list_lock, LOCK_HEAP_LIST);
    add_locked(heap);
    lock_release(&list_lock);
}

static void remove_locked(struct heap *heap)
{
    struct heap_list_entry *entry = &heap->entry;

    entry->leaving = true;
    while (entry->visitors != 0)
        pthread_cond_wait(&visitor_left, &list_lock);
    *entry->link = entry->next;
    if (entry->next != NULL)
        entry->next->entry.link = entry->link;
}

void heap_list_remove(struct heap *heap)
{
    lock_acquire(&list_lock, LOCK_HEAP_LIST);
    remove_locked(heap);
    lock_release(&list_lock);
}

static bool visit_unlocked(struct heap *heap, bool (*visit)(struct heap *heap, void *argument),
                           void *argument)
{
    heap->entry.visitors++;
    lock_release(&list_lock);
    bool stop = visit(heap, argument);
    lock_acquire(&list_lock, LOCK_HEAP_LIST);
    if (--heap->entry.visitors == 0 && heap->entry.leaving)
        pthread_cond_broadcast(&visitor_left);
    return stop;
}

bool heap_list_visit(bool (*visit)(struct heap *heap, void *argument), void *argument)
{
    bool stop = false;

    lock_acquire(&list_lock, LOCK_HEAP_LIST);
    for (struct heap *heap = first; heap != NULL && !stop; heap = heap->entry.next)
        if (!heap->entry.leaving)
            stop = visit_unlocked(heap, visit, argument);
    lock_release(&list_lock);
    return stop;
}

void heap_list_before_fork(void)
{
    lock_acquire(&list_lock, LOCK_HEAP_LIST);
}

void heap_list_after_fork(bool child)
{
    if (child) {
        /* The visitors, and the threads that waited for them, are the parent's. */
        for (struct heap *heap = first; heap != NULL; heap = heap->entry.next) {
            heap->entry.visitors = 0;
            heap->entry.leaving = false;
        }
        pthread_cond_init(&visitor_left, NULL);
    }
    lock_release(&list_lock);
}
