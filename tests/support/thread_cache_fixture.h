/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thread caches over a fake source of blocks. The test controls the time, and can make system calls
 * fail. Include once. alloc_block() and free_block() use the caches as heap_alloc() and heap_free()
 * do.
 */
/* WRAP: transfer_cache_insert clock_gettime syscall mmap munmap pthread_setspecific */
/* WRAP: late_key_create */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "heap/owned_cache.h"
#include "heap/size_class.h"
#include "heap/thread_caches.h"
#include "support/check.h"
#include "support/fake_block_source.h"
#include "support/fake_calloc.h"
#include "support/faults.h"
#include "support/worker.h"
#include "util/late_key.h"

#define NUMBER       17u           /* of the heap */
#define BATCH        ((size_t)128) /* most blocks that enter or leave a bin at once */
#define MANY         ((size_t)1024)
#define FEW          ((size_t)8)
#define SOME_SECONDS 1000

size_t __real_transfer_cache_insert(struct transfer_cache *transfer_cache, unsigned size_class,
                                    void *const *blocks, size_t count);
size_t __wrap_transfer_cache_insert(struct transfer_cache *transfer_cache, unsigned size_class,
                                    void *const *blocks, size_t count);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
int __real_late_key_create(enum late_key which, pthread_key_t *key, void (*destructor)(void *));
int __wrap_late_key_create(enum late_key which, pthread_key_t *key, void (*destructor)(void *));

/* -- The system -------------------------------------------------------------------------------- */

static struct heap heap;
static struct heap next_heap; /* gets the same number later */
static struct thread_caches caches;
static atomic_long seconds;
static void (*during_insert)(void); /* called once, before the transfer cache gets blocks */
static atomic_long pieces;          /* mapped and not unmapped */
static struct fault register_fault;
static struct fault barrier_fault;
static struct fault mmap_fault;
static struct fault specific_fault;
static struct fault key_fault;

size_t __wrap_transfer_cache_insert(struct transfer_cache *transfer_cache, unsigned size_class,
                                    void *const *blocks, size_t count)
{
    void (*action)(void) = during_insert;

    if (count != 0 && action != NULL) {
        during_insert = NULL;
        action();
    }
    return __real_transfer_cache_insert(transfer_cache, size_class, blocks, count);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_MONOTONIC_COARSE)
        return __real_clock_gettime(clock, now);
    *now = (struct timespec){.tv_sec = atomic_load(&seconds)};
    return 0;
}

long __wrap_syscall(long number, ...)
{
    va_list args;

    va_start(args, number);
    int command = va_arg(args, int);
    int flags = va_arg(args, int);
    int cpu = va_arg(args, int);
    va_end(args);
    CHECK(number == SYS_membarrier);
    bool is_barrier = command == MEMBARRIER_CMD_PRIVATE_EXPEDITED;
    if (fault_hits_if_set(is_barrier ? &barrier_fault : &register_fault))
        return -1;
    return __real_syscall(number, command, flags, cpu);
}

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fault_hits_if_set(&mmap_fault))
        return MAP_FAILED;
    void *memory = __real_mmap(addr, size, protection, flags, fd, offset);
    if (memory != MAP_FAILED)
        atomic_fetch_add(&pieces, 1);
    return memory;
}

int __wrap_munmap(void *addr, size_t size)
{
    atomic_fetch_sub(&pieces, 1);
    return __real_munmap(addr, size);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    return fault_hits_if_set(&specific_fault) ? specific_fault.error
                                              : __real_pthread_setspecific(key, value);
}

int __wrap_late_key_create(enum late_key which, pthread_key_t *key, void (*destructor)(void *))
{
    return fault_hits_if_set(&key_fault) ? key_fault.error
                                         : __real_late_key_create(which, key, destructor);
}

/* -- What the test holds ----------------------------------------------------------------------- */

static inline void *record_held(void *block, unsigned size_class)
{
    if (block == NULL)
        return NULL;
    CHECK(info_of(block)->out_of != NULL);
    CHECK(info_of(block)->size_class == size_class);
    CHECK(!atomic_exchange(&info_of(block)->held, true));
    atomic_fetch_add(&held_bytes, size_class_size(size_class));
    return block;
}

static inline void record_freed(void *block)
{
    CHECK(atomic_exchange(&info_of(block)->held, false));
    atomic_fetch_sub(&held_bytes, size_class_size(info_of(block)->size_class));
}

/* As heap_alloc() and heap_free() use the caches. */
static inline void *alloc_block(unsigned size_class)
{
    void *block = thread_cache_pop(NUMBER, size_class);

    if (block == NULL)
        block = thread_caches_alloc(&caches, size_class);
    return record_held(block, size_class);
}

static inline void free_block(void *block)
{
    unsigned size_class = info_of(block)->size_class;

    record_freed(block);
    if (!thread_cache_push(NUMBER, size_class, block))
        thread_caches_free(&caches, size_class, block);
}

static inline void alloc_blocks(unsigned size_class, void **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        blocks[i] = alloc_block(size_class);
        CHECK(blocks[i] != NULL);
    }
}

static inline void free_blocks(void **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free_block(blocks[i]);
}

static inline struct cache_bin *own_bin(unsigned size_class)
{
    return &thread_own.caches[NUMBER]->bins[size_class];
}

static inline size_t own_count(unsigned size_class)
{
    return cache_bin_count(own_bin(size_class));
}

/* Checks that each block that is out is held by the test or counted in the caches. */
static inline void nothing_is_lost(void)
{
    assert_int_equal(thread_caches_bytes(&caches), heap.out - held_bytes);
}

static inline void nothing_is_kept(void)
{
    nothing_is_lost();
    assert_int_equal(heap.out, held_bytes);
}

/* Threads that have ended have left their blocks to others. */
static inline void nothing_is_kept_by_ended_threads(void)
{
    nothing_is_lost();
    thread_caches_reclaim(&caches);
    nothing_is_kept();
}

/* -- Set-up ------------------------------------------------------------------------------------ */

static inline void reset(void)
{
    reset_heap(&heap);
    reset_heap(&next_heap);
    reset_pool();
    register_fault = barrier_fault = mmap_fault = specific_fault = key_fault = calloc_fault =
        (struct fault){0};
    during_refill = NULL;
    during_insert = NULL;
    atomic_store(&seconds, SOME_SECONDS);
}

static inline int start(struct heap *of)
{
    int err = thread_caches_init(&caches, &of->source, NUMBER);

    /* The first maintenance is due as late as any other. */
    if (err == 0)
        atomic_store(&caches.maintained, atomic_load(&seconds));
    return err;
}

static inline int setup(void **state)
{
    (void)state;
    reset();
    return start(&heap);
}

static inline int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORKERS_MOST; i++)
        if (workers[i].alive)
            worker_end(&workers[i]);
    thread_caches_destroy(&caches);
    return 0;
}

/* -- What workers do --------------------------------------------------------------------------- */

/* Blocks for a worker, or from it. */
struct handful {
    unsigned size_class;
    size_t count;
    void *blocks[CACHE_BIN_BLOCKS];
};

static inline void do_alloc(void *arg)
{
    struct handful *handful = arg;

    for (size_t i = 0; i < handful->count; i++)
        handful->blocks[i] = alloc_block(handful->size_class);
}

static inline void do_free(void *arg)
{
    struct handful *handful = arg;

    free_blocks(handful->blocks, handful->count);
}

/* Leaves the worker with a cache of so many blocks, which *handful lists. */
static inline void worker_caches(struct worker *worker, struct handful *handful)
{
    worker_do(worker, do_alloc, handful);
    worker_do(worker, do_free, handful);
    for (size_t i = 0; i < handful->count; i++)
        CHECK(is_out(handful->blocks[i]));
}

static inline size_t out_of(const struct handful *handful)
{
    size_t count = 0;

    for (size_t i = 0; i < handful->count; i++)
        count += is_out(handful->blocks[i]);
    return count;
}

/* A reclaim empties the thread's own cache, and leaves the caches of others as they are. */
static inline void reclaim_own_only(void)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    struct handful handful = {.size_class = c, .count = FEW};
    struct worker *worker = worker_start();

    worker_caches(worker, &handful);
    void *own = alloc_block(c);
    free_block(own);
    thread_caches_reclaim(&caches);
    CHECK(!is_out(own));
    CHECK(out_of(&handful) == handful.count);
    CHECK(thread_caches_bytes(&caches) == heap.out);
    /* The worker still has its blocks. */
    unsigned refills = heap.refills;
    worker_do(worker, do_alloc, &handful);
    CHECK(heap.refills == refills);
    worker_do(worker, do_free, &handful);
    worker_end(worker);
    thread_caches_reclaim(&caches);
    CHECK(heap.out == 0);
}

/* Fills the bin. blocks[0] is the oldest block in it. */
static inline void fill_bin(unsigned size_class, void **blocks)
{
    alloc_blocks(size_class, blocks, CACHE_BIN_BLOCKS);
    thread_caches_reclaim(&caches);
    free_blocks(blocks, CACHE_BIN_BLOCKS);
    assert_int_equal(own_count(size_class), CACHE_BIN_BLOCKS);
}
