/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes that the functions of memtier have allocated from each kind. */
#include "kinds/tier_counts.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/vm.h"
#include "util/fork_generation.h"

/* Threads that one search checks by a system call: as costly as a new record. */
#define THREADS_CHECKED 8

/* The thread has released its record, or can have none. */
static _Thread_local bool has_none;

static _Atomic(struct tier_counts *) records;

/* Counts of all threads without a record. */
static _Atomic long shared_bytes[KIND_REGISTRY_PARTITIONS];

static pthread_key_t end_key;
static bool has_end_key;

static uint64_t owner_of_generation(pid_t thread)
{
    return (uint64_t)fork_generation << 32 | (uint32_t)thread;
}

static uint64_t this_thread(void)
{
    return owner_of_generation((pid_t)syscall(SYS_gettid));
}

/*
 * The thread sanitizer must see this function: only its store orders the accesses of the next
 * owner.
 */
static void release_record(void *value)
{
    struct tier_counts *record = value;

    thread_own.counts = NULL;
    has_none = true;
    atomic_store_explicit(&record->owner, 0, memory_order_release);
}

static void make_end_key(void)
{
    has_end_key = pthread_key_create(&end_key, release_record) == 0;
}

/* -- Getting a record -------------------------------------------------------------------------- */

static bool take(struct tier_counts *record, uint64_t from)
{
    return atomic_compare_exchange_strong_explicit(&record->owner, &from, this_thread(),
                                                   memory_order_acquire, memory_order_relaxed);
}

/* Whether the owner is a thread of an ancestor process, or has ended. */
static bool is_gone(uint64_t owner)
{
    pid_t thread = (pid_t)(uint32_t)owner;

    return owner != owner_of_generation(thread) ||
           (syscall(SYS_tgkill, getpid(), thread, 0) != 0 && errno == ESRCH);
}

static struct tier_counts *find_free(void)
{
    struct tier_counts *record = atomic_load_explicit(&records, memory_order_acquire);

    for (; record != NULL; record = record->next)
        if (atomic_load_explicit(&record->owner, memory_order_relaxed) == 0 && take(record, 0))
            return record;
    return NULL;
}

static struct tier_counts *find_abandoned(void)
{
    struct tier_counts *record = atomic_load_explicit(&records, memory_order_acquire);

    for (unsigned i = 0; record != NULL && i < THREADS_CHECKED; record = record->next, i++) {
        uint64_t owner = atomic_load_explicit(&record->owner, memory_order_relaxed);

        if (owner != 0 && is_gone(owner) && take(record, owner))
            return record;
    }
    return NULL;
}

static struct tier_counts *make_record(void)
{
    struct tier_counts *record = vm_alloc(sizeof(*record));

    if (record == NULL)
        return NULL;
    atomic_init(&record->owner, this_thread());
    record->next = atomic_load_explicit(&records, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&records, &record->next, record,
                                                  memory_order_release, memory_order_relaxed))
        ;
    return record;
}

static struct tier_counts *find_or_make(void)
{
    struct tier_counts *record = find_free();

    if (record == NULL)
        record = find_abandoned();
    return record != NULL ? record : make_record();
}

static void forget_turns(struct tier_counts *record)
{
    for (size_t i = 0; i < TIER_TURNS; i++)
        record->turns[i].memory = 0;
}

struct tier_counts *tier_counts_get(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int saved_errno = errno;

    if (thread_own.counts != NULL || has_none)
        return thread_own.counts;
    pthread_once(&once, make_end_key);
    struct tier_counts *record = has_end_key ? find_or_make() : NULL;
    if (record != NULL && pthread_setspecific(end_key, record) != 0) {
        release_record(record);
        record = NULL;
    }
    if (record != NULL)
        forget_turns(record);
    has_none = record == NULL;
    thread_own.counts = record;
    errno = saved_errno;
    return record;
}

void tier_counts_after_fork(void)
{
    if (thread_own.counts != NULL)
        atomic_store(&thread_own.counts->owner, this_thread());
}

/* -- Counting ---------------------------------------------------------------------------------- */

void tier_counts_add_shared(unsigned partition, long bytes)
{
    atomic_fetch_add_explicit(&shared_bytes[partition], bytes, memory_order_relaxed);
}

long tier_counts_total(unsigned partition)
{
    const struct tier_counts *record = atomic_load_explicit(&records, memory_order_acquire);
    long total = atomic_load_explicit(&shared_bytes[partition], memory_order_relaxed);

    for (; record != NULL; record = record->next)
        total += atomic_load_explicit(&record->bytes[ADDRESS_MAP_FIRST_OWNER + partition],
                                      memory_order_relaxed);
    return total;
}

void tier_counts_forget(unsigned partition)
{
    tier_counts_add_shared(partition, -tier_counts_total(partition));
}
