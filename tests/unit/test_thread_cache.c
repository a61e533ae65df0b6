/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the thread caches: a thread gets back the blocks that it freed, no block is lost or
 * allocated twice, whoever empties which cache, and no cache keeps blocks that it must not.
 *
 * The heap is fake and knows of each block whether it is out, that is, in a cache, in the transfer
 * cache, or held by the test. Blocks of all classes have the same small memory. The test controls
 * the time.
 */
/* WRAP: transfer_cache_insert clock_gettime syscall mmap munmap */
/* WRAP: pthread_setspecific late_key_create calloc */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "heap/block_source.h"
#include "heap/size_class.h"
#include "heap/thread_caches.h"
#include "heap/transfer_cache.h"
#include "os/mapping_cache.h"
#include "support/faults.h"
#include "util/late_key.h"

#define KIB                 ((size_t)1 << 10)
#define NUMBER              17u /* of the heap */
#define BLOCKS              ((size_t)32768)
#define BLOCK_SIZE          ((size_t)64)
#define BIN_BYTES           (64 * KIB) /* capacity of a bin, in bytes and in blocks */
#define BIN_BLOCKS          ((size_t)256)
#define TRANSFER_BLOCKS     ((size_t)512) /* blocks of a class in the transfer cache */
#define MANY                ((size_t)1024)
#define FEW                 ((size_t)8)
#define MAINTAIN_AFTER_POPS 2048u
/* pieces of a kind that are kept for later threads */
#define SPARES          ((size_t)MAPPING_CACHE_PIECES)
#define THREADS         ((size_t)40) /* more than there are spares */
#define SOME_SECONDS    1000
#define PATIENCE_NS     300000000L /* for a rival to return; it may not return at all */
#define NS_PER_SECOND   1000000000L
#define WORKERS         4
#define GENERATIONS     3
#define ROUNDS          60000
#define WORKER_BLOCKS   32
#define MAILBOXES       16
#define TORTURE_CLASSES 3
#define SCENARIO_SIZE   64
#define SEED            4711u

/* -- The heap ---------------------------------------------------------------------------------- */

struct heap {
    struct block_source source;
    size_t room;      /* blocks that may still go out */
    size_t out;       /* bytes of blocks that are out */
    size_t wanted;    /* by the last refill */
    unsigned refills; /* calls */
    unsigned flushes; /* calls with blocks */
    atomic_uint aged;
};

/* The state of a block. All but `held` is guarded by pool_lock while the block is not out. */
struct block_info {
    struct heap *out_of; /* NULL: not out */
    unsigned size_class;
    unsigned char tag; /* what the holder wrote into it */
    atomic_bool held;  /* by the test */
};

static unsigned char pool[BLOCKS][BLOCK_SIZE];
static struct block_info infos[BLOCKS];
static size_t unused[BLOCKS]; /* a stack */
static size_t unused_count;
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;

static char program[] = "test_thread_cache";
static struct heap heap;
static struct heap next_heap; /* gets the same number later */
static struct thread_caches caches;
static atomic_size_t held_bytes;
static atomic_size_t releases; /* reports to the heap while no lock was held */
static atomic_uint wrong;      /* checks that failed in any thread */
static atomic_long seconds;
static void (*during_refill)(void); /* called once, with the blocks on their way */
static void (*during_give)(void);   /* called once, before the transfer cache gets blocks */
static atomic_long pieces;          /* mapped and not unmapped */
static struct fault register_fault;
static struct fault barrier_fault;
static struct fault mmap_fault;
static struct fault specific_fault;
static struct fault key_fault;
static struct fault calloc_fault;

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
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

/* For threads and child processes, which cannot use cmocka's. */
#define CHECK(condition) check((condition), #condition, __LINE__)

static void check(bool condition, const char *text, int line)
{
    if (!condition && atomic_fetch_add(&wrong, 1) < FEW)
        print_error("line %d: not true: %s\n", line, text);
}

static struct block_info *info_of(const void *block)
{
    return &infos[((const unsigned char *)block - pool[0]) / (ptrdiff_t)BLOCK_SIZE];
}

static bool is_out(const void *block)
{
    pthread_mutex_lock(&pool_lock);
    bool out = info_of(block)->out_of != NULL;
    pthread_mutex_unlock(&pool_lock);
    return out;
}

static void *refill_one_locked(struct heap *from, unsigned size_class)
{
    if (from->room == 0 || unused_count == 0)
        return NULL;
    size_t index = unused[--unused_count];
    CHECK(infos[index].out_of == NULL);
    infos[index].out_of = from;
    infos[index].size_class = size_class;
    from->room--;
    from->out += size_class_size(size_class);
    return pool[index];
}

/* The source is the first member of its heap. */
static size_t refill(struct block_source *source, unsigned size_class, void **blocks, size_t wanted)
{
    struct heap *from = (struct heap *)source;
    size_t count;
    void (*action)(void) = during_refill;

    pthread_mutex_lock(&pool_lock);
    from->wanted = wanted;
    from->refills++;
    for (count = 0; count < wanted; count++) {
        blocks[count] = refill_one_locked(from, size_class);
        if (blocks[count] == NULL) {
            /* The rest of the array is undefined. */
            blocks[count] = &wrong;
            break;
        }
    }
    pthread_mutex_unlock(&pool_lock);
    if (action != NULL) {
        during_refill = NULL;
        action();
    }
    return count;
}

static void flush_one_locked(struct heap *to, void *block)
{
    struct block_info *info = info_of(block);

    CHECK(info->out_of == to);
    CHECK(!atomic_load(&info->held));
    to->room++;
    to->out -= size_class_size(info->size_class);
    info->out_of = NULL;
    unused[unused_count++] = (size_t)(info - infos);
}

static void flush(struct block_source *source, void *const *blocks, size_t count)
{
    struct heap *to = (struct heap *)source;

    if (count == 0)
        return;
    pthread_mutex_lock(&pool_lock);
    to->flushes++;
    for (size_t i = 0; i < count; i++)
        flush_one_locked(to, blocks[i]);
    pthread_mutex_unlock(&pool_lock);
}

static void age(struct block_source *source)
{
    atomic_fetch_add(&((struct heap *)source)->aged, 1);
}

static void released(struct block_source *source, size_t bytes)
{
    (void)source;
    atomic_fetch_add(&releases, bytes);
}

size_t __wrap_transfer_cache_insert(struct transfer_cache *transfer_cache, unsigned size_class,
                                    void *const *blocks, size_t count)
{
    void (*action)(void) = during_give;

    if (count != 0 && action != NULL) {
        during_give = NULL;
        action();
    }
    return __real_transfer_cache_insert(transfer_cache, size_class, blocks, count);
}

/* -- The system -------------------------------------------------------------------------------- */

/* fault_hits() is not thread-safe: called only if a failure is set. */
static bool hits(struct fault *fault)
{
    return fault->times > 0 && fault_hits(fault);
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
    if (hits(is_barrier ? &barrier_fault : &register_fault))
        return -1;
    return __real_syscall(number, command, flags, cpu);
}

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (hits(&mmap_fault))
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
    return hits(&specific_fault) ? specific_fault.error : __real_pthread_setspecific(key, value);
}

int __wrap_late_key_create(enum late_key which, pthread_key_t *key, void (*destructor)(void *))
{
    return hits(&key_fault) ? key_fault.error : __real_late_key_create(which, key, destructor);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return hits(&calloc_fault) ? NULL : __real_calloc(count, size);
}

/* -- What the test holds ----------------------------------------------------------------------- */

static void *note_taken(void *block, unsigned size_class)
{
    if (block == NULL)
        return NULL;
    CHECK(info_of(block)->out_of != NULL);
    CHECK(info_of(block)->size_class == size_class);
    CHECK(!atomic_exchange(&info_of(block)->held, true));
    atomic_fetch_add(&held_bytes, size_class_size(size_class));
    return block;
}

static void note_given(void *block)
{
    CHECK(atomic_exchange(&info_of(block)->held, false));
    atomic_fetch_sub(&held_bytes, size_class_size(info_of(block)->size_class));
}

/* As heap_alloc() and heap_free() use the caches. */
static void *take(unsigned size_class)
{
    void *block = thread_cache_pop(NUMBER, size_class);

    if (block == NULL)
        block = thread_caches_alloc(&caches, size_class);
    return note_taken(block, size_class);
}

static void give(void *block)
{
    unsigned size_class = info_of(block)->size_class;

    note_given(block);
    if (!thread_cache_push(NUMBER, size_class, block))
        thread_caches_free(&caches, size_class, block);
}

static void take_many(unsigned size_class, void **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        blocks[i] = take(size_class);
        CHECK(blocks[i] != NULL);
    }
}

static void give_many(void **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        give(blocks[i]);
}

static struct cache_bin *own_bin(unsigned size_class)
{
    return &thread_own.caches[NUMBER]->bins[size_class];
}

static size_t own_count(unsigned size_class)
{
    return (size_t)(own_bin(size_class)->top - own_bin(size_class)->base);
}

/* Checks that each block that is out is held by the test or counted in the caches. */
static void nothing_is_lost(void)
{
    assert_int_equal(thread_caches_bytes(&caches), heap.out - held_bytes);
}

static void nothing_is_kept(void)
{
    nothing_is_lost();
    assert_int_equal(heap.out, held_bytes);
}

/* Threads that have ended have left their blocks to others. */
static void nothing_is_kept_by_ended_threads(void)
{
    nothing_is_lost();
    thread_caches_reclaim(&caches);
    nothing_is_kept();
}

/* -- Other threads ----------------------------------------------------------------------------- */

/* A thread that runs tasks one after another. Static, because a failing test leaves it behind. */
struct worker {
    pthread_t thread;
    sem_t go;
    sem_t done;
    void (*task)(void *arg); /* NULL: end */
    void *arg;
    bool alive;
};

static struct worker workers[THREADS];

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;

    for (;;) {
        wait_for(&worker->go);
        if (worker->task == NULL)
            return NULL;
        worker->task(worker->arg);
        sem_post(&worker->done);
    }
}

/* There are no more than THREADS at a time. */
static struct worker *worker_start(void)
{
    struct worker *worker = workers;

    while (worker->alive)
        worker++;
    CHECK(sem_init(&worker->go, 0, 0) == 0);
    CHECK(sem_init(&worker->done, 0, 0) == 0);
    CHECK(pthread_create(&worker->thread, NULL, worker_main, worker) == 0);
    worker->alive = true;
    return worker;
}

static void worker_tell(struct worker *worker, void (*task)(void *arg), void *arg)
{
    worker->task = task;
    worker->arg = arg;
    sem_post(&worker->go);
}

static void worker_do(struct worker *worker, void (*task)(void *arg), void *arg)
{
    worker_tell(worker, task, arg);
    wait_for(&worker->done);
}

static void worker_end(struct worker *worker)
{
    worker_tell(worker, NULL, NULL);
    CHECK(pthread_join(worker->thread, NULL) == 0);
    sem_destroy(&worker->go);
    sem_destroy(&worker->done);
    worker->alive = false;
}

/* -- Fixture ----------------------------------------------------------------------------------- */

static void reset_heap(struct heap *which)
{
    *which = (struct heap){
        .source = {.refill = refill, .flush = flush, .released = released, .age = age},
        .room = SIZE_MAX / 2,
    };
}

/* Resets the pool: no block is out. */
static void reset_pool(void)
{
    unused_count = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        infos[i].out_of = NULL;
        atomic_store(&infos[i].held, false);
        unused[unused_count++] = i;
    }
    atomic_store(&held_bytes, 0);
}

static void reset(void)
{
    reset_heap(&heap);
    reset_heap(&next_heap);
    reset_pool();
    register_fault = barrier_fault = mmap_fault = specific_fault = key_fault = calloc_fault =
        (struct fault){0};
    during_refill = NULL;
    during_give = NULL;
    atomic_store(&wrong, 0);
    atomic_store(&seconds, SOME_SECONDS);
}

static int start(struct heap *of)
{
    int err = thread_caches_init(&caches, &of->source, NUMBER);

    /* The first maintenance is due as late as any other. */
    if (err == 0)
        atomic_store(&caches.maintained, atomic_load(&seconds));
    return err;
}

static int setup(void **state)
{
    (void)state;
    reset();
    return start(&heap);
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        if (workers[i].alive)
            worker_end(&workers[i]);
    thread_caches_destroy(&caches);
    assert_int_equal(wrong, 0);
    return 0;
}

/* -- What workers do --------------------------------------------------------------------------- */

/* Blocks for a worker, or from it. */
struct handful {
    unsigned size_class;
    size_t count;
    void *blocks[BIN_BLOCKS];
};

static void do_take(void *arg)
{
    struct handful *handful = arg;

    for (size_t i = 0; i < handful->count; i++)
        handful->blocks[i] = take(handful->size_class);
}

static void do_give(void *arg)
{
    struct handful *handful = arg;

    give_many(handful->blocks, handful->count);
}

/* Leaves the worker with a cache of so many blocks, which *handful lists. */
static void worker_caches(struct worker *worker, struct handful *handful)
{
    worker_do(worker, do_take, handful);
    worker_do(worker, do_give, handful);
    for (size_t i = 0; i < handful->count; i++)
        CHECK(is_out(handful->blocks[i]));
}

static size_t out_of(const struct handful *handful)
{
    size_t count = 0;

    for (size_t i = 0; i < handful->count; i++)
        count += is_out(handful->blocks[i]);
    return count;
}

/* -- A rival, that does something in the middle of what the caller does ------------------------ */

static struct worker *rival;
static void (*rival_task)(void *arg);
static bool rival_is_back;

/* The rival may have to wait for the caller, which is assumed after a while. */
static void start_rival(void)
{
    struct timespec until;
    int err;

    worker_tell(rival, rival_task, NULL);
    __real_clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += PATIENCE_NS;
    until.tv_sec += until.tv_nsec / NS_PER_SECOND;
    until.tv_nsec %= NS_PER_SECOND;
    do
        err = sem_timedwait(&rival->done, &until);
    while (err != 0 && errno == EINTR);
    rival_is_back = err == 0;
}

static void finish_rival(void)
{
    if (!rival_is_back)
        wait_for(&rival->done);
    worker_end(rival);
}

static void do_reclaim(void *arg)
{
    (void)arg;
    thread_caches_reclaim(&caches);
}

static void do_starve(void *arg)
{
    (void)arg;
    thread_caches_turn_off(&caches, THREAD_CACHES_STARVED);
    thread_caches_reclaim(&caches);
}

static void prepare_rival(void (*task)(void *arg))
{
    rival_task = task;
    rival_is_back = true;
    rival = worker_start();
}

/* -- Fresh processes --------------------------------------------------------------------------- */

/* Runs the scenario of that name, see main(), in a new program: a fork would inherit state. */
static void in_new_process(const char *scenario)
{
    char name[SCENARIO_SIZE];
    char *argv[] = {program, name, NULL};
    int status;
    pid_t pid;

    snprintf(name, sizeof(name), "%s", scenario);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, EXIT_SUCCESS);
}

static void fail_to_make_key(void)
{
    fault_set(&key_fault, EAGAIN, 1);
    key_fault.skip = 1; /* the fork gate's */
    CHECK(start(&heap) == -EAGAIN);
    CHECK(key_fault.calls == 2);
    /* Until a key can be created. */
    CHECK(start(&heap) == 0);
}

static void key_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    in_new_process("fail_to_make_key");
}

static void use_without_memory(void)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[FEW];

    take_many(c, blocks, FEW);
    CHECK(heap.out == held_bytes);
    give_many(blocks, FEW);
    CHECK(heap.out == 0);
    CHECK(thread_caches_bytes(&caches) == 0);
    thread_caches_reclaim(&caches);
    CHECK(mmap_fault.calls > mmap_fault.skip);
}

static void run_out_of_memory(void)
{
    CHECK(start(&heap) == 0);
    /* Not even for the table. */
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    use_without_memory();
    CHECK(pieces == 0);
    /* For the table only. */
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    mmap_fault.skip = 1;
    use_without_memory();
    CHECK(pieces == 1);
    /* Once there is memory, the thread gets a cache. */
    fault_set(&mmap_fault, 0, 0);
    give(take(size_class_of(BLOCK_SIZE)));
    CHECK(thread_caches_bytes(&caches) == heap.out && heap.out > 0);
}

static void without_memory_for_caches_blocks_go_straight(void **state)
{
    (void)state;
    in_new_process("run_out_of_memory");
}

/* A reclaim empties the thread's own cache, and leaves the caches of others as they are. */
static void reclaim_own_only(void)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    struct handful handful = {.size_class = c, .count = FEW};
    struct worker *worker = worker_start();

    worker_caches(worker, &handful);
    void *own = take(c);
    give(own);
    thread_caches_reclaim(&caches);
    CHECK(!is_out(own));
    CHECK(out_of(&handful) == handful.count);
    CHECK(thread_caches_bytes(&caches) == heap.out);
    /* The worker still has its blocks. */
    unsigned refills = heap.refills;
    worker_do(worker, do_take, &handful);
    CHECK(heap.refills == refills);
    worker_do(worker, do_give, &handful);
    worker_end(worker);
    thread_caches_reclaim(&caches);
    CHECK(heap.out == 0);
}

static void have_no_membarrier(void)
{
    fault_set(&register_fault, ENOSYS, FAULT_ALWAYS);
    CHECK(start(&heap) == 0);
    CHECK(register_fault.calls > 0);
    reclaim_own_only();
}

static void kernel_without_membarrier_is_no_error(void **state)
{
    (void)state;
    in_new_process("have_no_membarrier");
}

/* -- A thread and its bins --------------------------------------------------------------------- */

static void newest_block_comes_again_first(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *a = take(c);
    void *b = take(c);

    (void)state;
    give(a);
    give(b);
    unsigned refills = heap.refills;
    unsigned flushes = heap.flushes;
    assert_ptr_equal(take(c), b);
    assert_ptr_equal(take(c), a);
    assert_int_equal(heap.refills, refills);
    assert_int_equal(heap.flushes, flushes);
    nothing_is_lost();
}

static void classes_have_bins_of_their_own(void **state)
{
    void *blocks[SIZE_CLASS_LIMIT];

    (void)state;
    for (unsigned c = 1; c <= size_class_count; c++)
        assert_non_null(blocks[c] = take(c));
    for (unsigned c = 1; c <= size_class_count; c++)
        give(blocks[c]);
    nothing_is_lost();
    unsigned refills = heap.refills;
    for (unsigned c = size_class_count; c > 0; c--)
        assert_ptr_equal(take(c), blocks[c]);
    assert_int_equal(heap.refills, refills);
}

static void batches_grow_with_use(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    size_t before = 0;
    size_t first = 0;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        unsigned refills = heap.refills;
        assert_non_null(take(c));
        if (heap.refills == refills)
            continue;
        if (first == 0)
            first = heap.wanted;
        assert_true(heap.wanted >= before);
        before = heap.wanted;
    }
    assert_in_range(first, 1, FEW);
    assert_int_equal(before, BIN_BLOCKS / 2);
    nothing_is_lost();
}

static size_t capacity(unsigned size_class)
{
    size_t blocks = BIN_BYTES / size_class_size(size_class);

    return blocks < BIN_BLOCKS ? blocks : BIN_BLOCKS;
}

static void bins_are_bounded(void **state)
{
    static void *blocks[MANY];

    (void)state;
    for (unsigned c = 1; c <= size_class_count; c++) {
        take_many(c, blocks, MANY);
        assert_true(own_count(c) <= capacity(c) / 2);
        for (size_t i = 0; i < MANY; i++) {
            give(blocks[i]);
            assert_true(own_count(c) <= capacity(c));
        }
        nothing_is_lost();
        thread_caches_reclaim(&caches);
        nothing_is_kept();
    }
}

static void bin_that_runs_full_grows_first(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[BIN_BLOCKS];

    (void)state;
    take_many(c, blocks, BIN_BLOCKS);
    /* A new cache begins small. */
    thread_caches_reclaim(&caches);
    assert_int_equal(own_count(c), 0);
    unsigned flushes = heap.flushes;
    give_many(blocks, BIN_BLOCKS);
    assert_int_equal(own_count(c), BIN_BLOCKS);
    assert_int_equal(heap.flushes, flushes);
    assert_int_equal(transfer_cache_bytes(caches.transfer_cache), 0);
}

/* Fills the bin. blocks[0] is the oldest block in it. */
static void fill_bin(unsigned size_class, void **blocks)
{
    take_many(size_class, blocks, BIN_BLOCKS);
    thread_caches_reclaim(&caches);
    give_many(blocks, BIN_BLOCKS);
    assert_int_equal(own_count(size_class), BIN_BLOCKS);
}

static void oldest_half_goes_to_the_transfer_cache(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[BIN_BLOCKS];
    struct handful handful = {.size_class = c, .count = BIN_BLOCKS / 2};
    struct worker *worker = worker_start();

    (void)state;
    void *one_more = take(c);
    fill_bin(c, blocks);
    unsigned flushes = heap.flushes;
    give(one_more);
    assert_int_equal(own_count(c), BIN_BLOCKS / 2 + 1);
    assert_int_equal(transfer_cache_bytes(caches.transfer_cache),
                     BIN_BLOCKS / 2 * size_class_size(c));
    assert_int_equal(heap.flushes, flushes);
    nothing_is_lost();
    /* Another thread finds them there before it calls the heap. */
    unsigned refills = heap.refills;
    worker_do(worker, do_take, &handful);
    assert_int_equal(heap.refills, refills);
    for (size_t i = 0; i < BIN_BLOCKS / 2; i++)
        assert_true(info_of(blocks[i])->held);
    worker_do(worker, do_give, &handful);
    worker_end(worker);
}

static void what_the_transfer_cache_has_no_room_for_goes_to_the_heap(void **state)
{
    static void *blocks[2 * MANY];
    unsigned c = size_class_of(BLOCK_SIZE);

    (void)state;
    take_many(c, blocks, 2 * MANY);
    give_many(blocks, 2 * MANY);
    assert_int_equal(transfer_cache_bytes(caches.transfer_cache),
                     TRANSFER_BLOCKS * size_class_size(c));
    assert_true(own_count(c) <= BIN_BLOCKS);
    assert_int_equal(heap.out, (TRANSFER_BLOCKS + own_count(c)) * size_class_size(c));
    nothing_is_lost();
}

static void null_means_that_there_is_no_space(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[FEW];

    (void)state;
    heap.room = FEW;
    take_many(c, blocks, FEW);
    assert_null(take(c));
    assert_null(take(c + 1));
    give(blocks[0]);
    assert_ptr_equal(take(c), blocks[0]);
    assert_null(take(c));
    nothing_is_kept();
}

static void heap_without_a_number_has_no_caches(void **state)
{
    struct thread_caches none;
    unsigned c = size_class_of(BLOCK_SIZE);

    (void)state;
    assert_int_equal(thread_caches_init(&none, &next_heap.source, 0), 0);
    for (size_t i = 0; i < FEW; i++) {
        assert_null(thread_cache_pop(0, c));
        void *block = thread_caches_alloc(&none, c);
        assert_non_null(block);
        assert_int_equal(next_heap.out, size_class_size(c));
        assert_false(thread_cache_push(0, c, block));
        thread_caches_free(&none, c, block);
        assert_int_equal(next_heap.out, 0);
    }
    thread_caches_reclaim(&none);
    assert_int_equal(thread_caches_bytes(&none), 0);
    thread_caches_destroy(&none);
}

static void heap_without_memory_for_a_transfer_cache_is_not_made(void **state)
{
    struct thread_caches none;

    (void)state;
    fault_set(&calloc_fault, ENOMEM, 1);
    assert_int_equal(thread_caches_init(&none, &next_heap.source, NUMBER + 1), -ENOMEM);
    assert_true(calloc_fault.calls > 0);
}

/* -- Emptying the caches of others ------------------------------------------------------------- */

static void reclaim_empties_all_caches_and_the_transfer_cache(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    struct handful handfuls[2] = {{.size_class = c, .count = FEW},
                                  {.size_class = size_class_count, .count = 2}};
    struct worker *pair[2] = {worker_start(), worker_start()};
    void *blocks[BIN_BLOCKS];

    (void)state;
    for (int i = 0; i < 2; i++) {
        worker_caches(pair[i], &handfuls[i]);
    }
    void *one_more = take(c);
    fill_bin(c, blocks);
    give(one_more);
    for (int i = 0; i < 2; i++)
        worker_caches(pair[i], &handfuls[i]);
    assert_true(transfer_cache_bytes(caches.transfer_cache) > 0);
    assert_true(own_count(c) > 0);
    nothing_is_lost();
    thread_caches_reclaim(&caches);
    assert_int_equal(heap.out, 0);
    assert_int_equal(thread_caches_bytes(&caches), 0);
    /* All caches work as before. */
    for (int i = 0; i < 2; i++) {
        worker_caches(pair[i], &handfuls[i]);
        worker_end(pair[i]);
    }
    give(take(c));
    assert_true(own_count(c) > 0);
    nothing_is_lost();
}

static void one_heap_is_reclaimed(void **state)
{
    struct thread_caches others;
    unsigned c = size_class_of(BLOCK_SIZE);

    (void)state;
    assert_int_equal(thread_caches_init(&others, &next_heap.source, NUMBER + 1), 0);
    void *block = thread_caches_alloc(&others, c);
    thread_caches_free(&others, c, block);
    give(take(c));
    size_t out = next_heap.out;
    assert_true(out > 0);
    thread_caches_reclaim(&caches);
    nothing_is_kept();
    assert_int_equal(next_heap.out, out);
    assert_int_equal(thread_caches_bytes(&others), out);
    assert_ptr_equal(thread_cache_pop(NUMBER + 1, c), block);
    thread_caches_destroy(&others);
}

static void do_open_slowly(void *arg)
{
    struct handful *handful = arg;
    void *block = handful->blocks[0];
    unsigned c = handful->size_class;

    CHECK(thread_cache_pop(NUMBER, c) == NULL);
    CHECK(!thread_cache_push(NUMBER, c, block));
    CHECK(!thread_cache_push(NUMBER, c, block));
    /* The slow path opens the fast one. */
    give(block);
    CHECK(thread_cache_pop(NUMBER, c) == block);
    CHECK(thread_cache_push(NUMBER, c, block));
}

static void emptied_cache_is_closed_until_the_slow_way(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    worker_caches(worker, &handful);
    worker_do(worker, do_take, &handful);
    thread_caches_reclaim(&caches);
    worker_do(worker, do_open_slowly, &handful);
    nothing_is_lost();
    worker_end(worker);
}

static void membarrier_that_fails_spares_the_others(void **state)
{
    (void)state;
    fault_set(&barrier_fault, EPERM, FAULT_ALWAYS);
    reclaim_own_only();
    assert_true(barrier_fault.calls > 0);
}

static void do_be_busy(void *arg)
{
    atomic_store(&thread_own.caches[NUMBER]->busy, *(bool *)arg);
}

/* As an owner that is interrupted on its fast path for a long time. */
static void cache_in_use_is_left_alone(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();
    bool busy = true;

    (void)state;
    worker_caches(worker, &handful);
    worker_do(worker, do_be_busy, &busy);
    thread_caches_reclaim(&caches);
    assert_int_equal(out_of(&handful), handful.count);
    nothing_is_lost();
    busy = false;
    worker_do(worker, do_be_busy, &busy);
    thread_caches_reclaim(&caches);
    nothing_is_kept();
    worker_end(worker);
}

/* A bin that is emptied while its owner refills a large batch must not be overfilled. */
static void bin_emptied_during_a_refill_keeps_its_bounds(void **state)
{
    static void *blocks[MANY];
    unsigned c = size_class_of(BLOCK_SIZE);
    size_t count = 0;

    (void)state;
    while (heap.wanted < BIN_BLOCKS / 2 || own_count(c) != 0) {
        assert_true(count < MANY);
        blocks[count++] = take(c);
    }
    prepare_rival(do_reclaim);
    during_refill = start_rival;
    assert_true(count < MANY);
    blocks[count++] = take(c);
    assert_null(during_refill);
    finish_rival();
    nothing_is_lost();
    assert_true(own_bin(c)->top <= own_bin(c)->end);
    give_many(blocks, count);
    assert_true(own_count(c) <= BIN_BLOCKS);
    nothing_is_lost();
}

/*
 * Blocks that a thread has in its hands during another's reclaim must not end in the transfer
 * cache, where the reclaim has already searched.
 */
static void overflow_on_its_way_is_not_hidden_from_a_reclaim(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[BIN_BLOCKS];

    (void)state;
    void *one_more = take(c);
    fill_bin(c, blocks);
    prepare_rival(do_starve);
    during_give = start_rival;
    give(one_more);
    assert_null(during_give);
    finish_rival();
    nothing_is_kept();
}

static void refill_on_its_way_is_not_kept_when_off(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);

    (void)state;
    prepare_rival(do_starve);
    during_refill = start_rival;
    assert_non_null(take(c));
    assert_null(during_refill);
    finish_rival();
    assert_int_equal(heap.out, size_class_size(c));
    nothing_is_kept();
}

/* A reclaim closes the worker's cache and cannot empty it. Then there is no space. */
static void own_blocks_are_found(struct worker *worker, struct handful *handful)
{
    thread_caches_turn_off(&caches, THREAD_CACHES_STARVED);
    thread_caches_reclaim(&caches);
    assert_int_equal(out_of(handful), handful->count);
    heap.room = 0;
    handful->blocks[0] = NULL;
    handful->count = 1;
    worker_do(worker, do_take, handful);
    assert_non_null(handful->blocks[0]);
    nothing_is_lost();
}

static void own_blocks_are_found_without_membarrier(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    worker_caches(worker, &handful);
    fault_set(&barrier_fault, ENOSYS, FAULT_ALWAYS);
    own_blocks_are_found(worker, &handful);
    worker_end(worker);
}

/* -- No caches --------------------------------------------------------------------------------- */

/* The heap is told without any lock held, so that it can check for unused memory. */
static void heap_is_told_what_it_gets_back(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[BIN_BLOCKS + 1];

    (void)state;
    take_many(c, blocks, BIN_BLOCKS + 1);
    size_t before = atomic_load(&releases);
    give_many(blocks, BIN_BLOCKS + 1);
    assert_true(atomic_load(&releases) > before);
    void *block = take(c);
    thread_caches_turn_off(&caches, THREAD_CACHES_POLICY);
    thread_caches_reclaim(&caches);
    before = atomic_load(&releases);
    give(block);
    assert_int_equal(atomic_load(&releases), before + size_class_size(c));
    thread_caches_turn_on(&caches, THREAD_CACHES_POLICY);
}

static void while_off_nothing_is_kept(void **state)
{
    const unsigned reasons[] = {THREAD_CACHES_POLICY, THREAD_CACHES_STARVED};
    unsigned c = size_class_of(BLOCK_SIZE);
    struct handful handful = {.size_class = c, .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    for (int i = 0; i < 2; i++) {
        worker_caches(worker, &handful);
        give(take(c));
        assert_false(thread_caches_are_off(&caches, reasons[i]));
        thread_caches_turn_off(&caches, reasons[i]);
        assert_true(thread_caches_are_off(&caches, reasons[i]));
        assert_false(thread_caches_are_off(&caches, reasons[1 - i]));
        /* Its contents stay until they are reclaimed. */
        assert_true(thread_caches_bytes(&caches) > 0);
        thread_caches_reclaim(&caches);
        nothing_is_kept();
        worker_do(worker, do_take, &handful);
        nothing_is_kept();
        worker_do(worker, do_give, &handful);
        nothing_is_kept();
        void *own = take(c);
        nothing_is_kept();
        give(own);
        assert_int_equal(heap.out, 0);
        thread_caches_turn_on(&caches, reasons[i]);
        worker_caches(worker, &handful);
        give(take(c));
        assert_true(own_count(c) > 0);
        nothing_is_lost();
    }
    worker_end(worker);
}

static void one_reason_is_enough(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);

    (void)state;
    thread_caches_turn_off(&caches, THREAD_CACHES_POLICY);
    thread_caches_turn_off(&caches, THREAD_CACHES_STARVED);
    thread_caches_turn_on(&caches, THREAD_CACHES_STARVED);
    give(take(c));
    nothing_is_kept();
    thread_caches_turn_off(&caches, THREAD_CACHES_STARVED);
    thread_caches_turn_on(&caches, THREAD_CACHES_POLICY);
    give(take(c));
    nothing_is_kept();
    thread_caches_turn_on(&caches, THREAD_CACHES_STARVED);
    give(take(c));
    assert_true(thread_caches_bytes(&caches) > 0);
    nothing_is_lost();
}

static void thread_that_comes_while_off_has_a_cache_later(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    thread_caches_turn_off(&caches, THREAD_CACHES_POLICY);
    worker_do(worker, do_take, &handful);
    worker_do(worker, do_give, &handful);
    assert_int_equal(heap.out, 0);
    thread_caches_turn_on(&caches, THREAD_CACHES_POLICY);
    worker_caches(worker, &handful);
    nothing_is_lost();
    worker_end(worker);
    nothing_is_kept_by_ended_threads();
}

/* -- Ends -------------------------------------------------------------------------------------- */

static void thread_leaves_its_blocks_to_others(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();
    struct worker *heir = worker_start();

    (void)state;
    worker_caches(worker, &handful);
    unsigned flushes = heap.flushes;
    worker_end(worker);
    assert_int_equal(heap.flushes, flushes);
    nothing_is_lost();
    unsigned refills = heap.refills;
    worker_do(heir, do_take, &handful);
    assert_int_equal(heap.refills, refills);
    worker_do(heir, do_give, &handful);
    worker_end(heir);
    nothing_is_kept_by_ended_threads();
}

static void thread_that_ends_while_off_leaves_nothing(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    worker_caches(worker, &handful);
    thread_caches_turn_off(&caches, THREAD_CACHES_POLICY);
    worker_end(worker);
    nothing_is_kept();
}

static pthread_key_t late_key;
static unsigned late_calls;

/* Called in each round of destructors. From the second on, the thread's caches have ended. */
static void use_late(void *block)
{
    late_calls++;
    if (late_calls == 1) {
        CHECK(__real_pthread_setspecific(late_key, block) == 0);
        return;
    }
    give(block);
    give(take(size_class_of(BLOCK_SIZE)));
}

static void do_prepare_late(void *arg)
{
    (void)arg;
    CHECK(__real_pthread_setspecific(late_key, take(size_class_of(BLOCK_SIZE))) == 0);
}

static void late_destructors_lose_nothing(void **state)
{
    struct worker *worker = worker_start();

    (void)state;
    late_calls = 0;
    assert_int_equal(pthread_key_create(&late_key, use_late), 0);
    worker_do(worker, do_prepare_late, NULL);
    worker_end(worker);
    assert_int_equal(pthread_key_delete(late_key), 0);
    assert_int_equal(late_calls, 2);
    assert_int_equal(held_bytes, 0);
    nothing_is_kept_by_ended_threads();
}

static void do_take_of_next(void *arg)
{
    struct handful *handful = arg;

    do_take(handful);
    for (size_t i = 0; i < handful->count; i++)
        CHECK(info_of(handful->blocks[i])->out_of == &next_heap);
}

/* Threads have caches of a heap that has ended. One of them uses its successor, one does not. */
static void cache_of_an_ended_heap_never_reaches_the_next(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    struct handful handfuls[2] = {{.size_class = c, .count = FEW}, {.size_class = c, .count = FEW}};
    struct worker *pair[2] = {worker_start(), worker_start()};

    (void)state;
    for (int i = 0; i < 2; i++) {
        worker_caches(pair[i], &handfuls[i]);
    }
    give(take(c));
    unsigned flushes = heap.flushes;
    thread_caches_destroy(&caches);
    assert_int_equal(heap.flushes, flushes);
    reset_pool();
    assert_int_equal(start(&next_heap), 0);
    assert_int_equal(thread_caches_bytes(&caches), 0);
    worker_do(pair[0], do_take_of_next, &handfuls[0]);
    worker_do(pair[0], do_give, &handfuls[0]);
    assert_int_equal(thread_caches_bytes(&caches), next_heap.out);
    thread_caches_reclaim(&caches);
    assert_int_equal(next_heap.out, 0);
    void *own = take(c);
    assert_ptr_equal(info_of(own)->out_of, &next_heap);
    give(own);
    for (int i = 0; i < 2; i++)
        worker_end(pair[i]);
    assert_int_equal(thread_caches_bytes(&caches), next_heap.out);
    assert_int_equal(heap.flushes, flushes);
}

/* -- Time -------------------------------------------------------------------------------------- */

/* Lets a second pass, and takes the slow path. */
static void scan(void)
{
    unsigned c = size_class_count;
    unsigned aged = heap.aged;

    atomic_fetch_add(&seconds, 1);
    void *block = note_taken(thread_caches_alloc(&caches, c), c);
    assert_int_equal(heap.aged, aged + 1);
    note_given(block);
    thread_caches_free(&caches, c, block);
    /* Once a second is enough. */
    assert_int_equal(heap.aged, aged + 1);
}

static void idle_caches_are_emptied(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    struct handful handfuls[2] = {{.size_class = c, .count = FEW}, {.size_class = c, .count = FEW}};
    struct handful one = {.size_class = c, .count = 1};
    struct worker *pair[2] = {worker_start(), worker_start()};

    (void)state;
    for (int i = 0; i < 2; i++) {
        worker_caches(pair[i], &handfuls[i]);
    }
    scan();
    assert_int_equal(out_of(&handfuls[0]), FEW);
    assert_int_equal(out_of(&handfuls[1]), FEW);
    /* One thread is active, the other is not. */
    worker_do(pair[1], do_take, &one);
    scan();
    assert_int_equal(out_of(&handfuls[0]), 0);
    assert_int_equal(out_of(&handfuls[1]), FEW);
    nothing_is_lost();
    worker_do(pair[1], do_give, &one);
    /* The idle thread can go on as before. */
    worker_caches(pair[0], &handfuls[0]);
    for (int i = 0; i < 2; i++)
        worker_end(pair[i]);
    nothing_is_lost();
}

static void unused_transfer_cache_is_emptied(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[BIN_BLOCKS];

    (void)state;
    void *one_more = take(c);
    fill_bin(c, blocks);
    give(one_more);
    size_t bytes = transfer_cache_bytes(caches.transfer_cache);
    scan();
    assert_int_equal(transfer_cache_bytes(caches.transfer_cache), bytes);
    scan();
    assert_int_equal(transfer_cache_bytes(caches.transfer_cache), 0);
    assert_false(is_out(blocks[0]));
    nothing_is_lost();
}

static void idle_caches_stay_without_membarrier(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    worker_caches(worker, &handful);
    fault_set(&barrier_fault, EPERM, FAULT_ALWAYS);
    scan();
    scan();
    assert_true(barrier_fault.calls > 0);
    assert_int_equal(out_of(&handful), FEW);
    unsigned refills = heap.refills;
    worker_do(worker, do_take, &handful);
    assert_int_equal(heap.refills, refills);
    worker_do(worker, do_give, &handful);
    worker_end(worker);
}

static void fast_way_is_left_once_in_a_while(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    unsigned pops = 0;

    (void)state;
    give(take(c));
    for (unsigned i = 0; i < 2 * MAINTAIN_AFTER_POPS; i++)
        give(take(c));
    /* No time has passed. */
    assert_int_equal(heap.aged, 0);
    atomic_fetch_add(&seconds, 1);
    while (heap.aged == 0 && pops <= 2 * MAINTAIN_AFTER_POPS) {
        give(take(c));
        pops++;
    }
    assert_int_equal(heap.aged, 1);
    assert_true(pops <= MAINTAIN_AFTER_POPS + 1);
    nothing_is_lost();
}

/* -- Memory of the caches ---------------------------------------------------------------------- */

static void thread_without_a_destructor_has_no_cache(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    long before = pieces;
    fault_set(&specific_fault, ENOMEM, FAULT_ALWAYS);
    worker_do(worker, do_take, &handful);
    nothing_is_kept();
    worker_do(worker, do_give, &handful);
    assert_int_equal(heap.out, 0);
    assert_true(specific_fault.calls > 0);
    assert_true(pieces <= before);
    /* Later the thread may get one. */
    fault_set(&specific_fault, 0, 0);
    worker_caches(worker, &handful);
    nothing_is_lost();
    worker_end(worker);
    nothing_is_kept_by_ended_threads();
}

static void start_threads_with_caches(void)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = 1};

    for (size_t i = 0; i < THREADS; i++) {
        worker_caches(worker_start(), &handful);
    }
}

static void memory_of_ended_threads_is_used_again(void **state)
{

    (void)state;
    thread_caches_destroy(&caches);
    assert_int_equal(start(&heap), 0);
    give(take(size_class_of(BLOCK_SIZE)));
    for (int round = 0; round < 2; round++) {
        start_threads_with_caches();
        assert_true(pieces >= (long)(2 * THREADS));
        long before = pieces;
        for (size_t i = 0; i < THREADS; i++)
            worker_end(&workers[i]);
        /* Some of it is kept, and the rest is unmapped. */
        assert_int_equal(before - pieces, 2 * (THREADS - SPARES));
        nothing_is_lost();
    }
}

static void memory_of_ended_heaps_is_used_again(void **state)
{
    (void)state;
    give(take(size_class_of(BLOCK_SIZE)));
    long before = pieces;
    for (size_t i = 0; i < 2 * SPARES; i++) {
        thread_caches_destroy(&caches);
        reset_pool();
        reset_heap(&heap);
        assert_int_equal(start(&heap), 0);
        give(take(size_class_of(BLOCK_SIZE)));
        nothing_is_lost();
    }
    assert_int_equal(pieces, before);
}

/* -- Random operations ------------------------------------------------------------------------- */

static _Atomic(void *) mailboxes[MAILBOXES];
static atomic_bool stop;

static void *take_tagged(unsigned size_class, unsigned char tag)
{
    void *block = take(size_class);

    CHECK(block != NULL);
    if (block != NULL) {
        memset(block, tag, BLOCK_SIZE);
        info_of(block)->tag = tag;
    }
    return block;
}

static void give_tagged(void *block)
{
    unsigned char expected[BLOCK_SIZE];

    memset(expected, info_of(block)->tag, BLOCK_SIZE);
    CHECK(memcmp(block, expected, BLOCK_SIZE) == 0);
    memset(block, 0, BLOCK_SIZE);
    give(block);
}

static unsigned torture_class(unsigned number)
{
    const unsigned classes[TORTURE_CLASSES] = {1, size_class_of(BLOCK_SIZE), size_class_count};

    return classes[number % TORTURE_CLASSES];
}

/* Allocates, frees, and exchanges blocks with other threads through the mailboxes. */
static void *work(void *arg)
{
    void *blocks[WORKER_BLOCKS] = {NULL};
    unsigned seed = SEED + *(unsigned *)arg;

    for (int i = 0; i < ROUNDS; i++) {
        void **slot = &blocks[(size_t)rand_r(&seed) % WORKER_BLOCKS];
        unsigned chance = (unsigned)rand_r(&seed);

        if (chance % 4 == 0) {
            *slot = atomic_exchange(&mailboxes[chance / 4 % MAILBOXES], *slot);
        } else if (*slot == NULL) {
            *slot = take_tagged(torture_class(chance), (unsigned char)chance);
        } else {
            give_tagged(*slot);
            *slot = NULL;
        }
    }
    for (size_t i = 0; i < WORKER_BLOCKS; i++)
        if (blocks[i] != NULL)
            give_tagged(blocks[i]);
    return NULL;
}

static void *reclaim_all_the_time(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        thread_caches_reclaim(&caches);
        sched_yield();
    }
    return NULL;
}

static void *change_all_the_time(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        thread_caches_turn_off(&caches, THREAD_CACHES_POLICY);
        sched_yield();
        thread_caches_turn_on(&caches, THREAD_CACHES_POLICY);
        (void)thread_caches_bytes(&caches);
        for (size_t i = 0; i < FEW; i++)
            sched_yield();
        atomic_fetch_add(&seconds, 1);
    }
    return NULL;
}

static void run_workers(void)
{
    pthread_t threads[WORKERS];
    unsigned numbers[WORKERS];

    for (unsigned i = 0; i < WORKERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void threads_do_each_other_no_harm(void **state)
{
    pthread_t reclaimer;
    pthread_t changer;

    (void)state;
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&reclaimer, NULL, reclaim_all_the_time, NULL), 0);
    assert_int_equal(pthread_create(&changer, NULL, change_all_the_time, NULL), 0);
    for (int i = 0; i < GENERATIONS; i++)
        run_workers();
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(reclaimer, NULL), 0);
    assert_int_equal(pthread_join(changer, NULL), 0);
    for (size_t i = 0; i < MAILBOXES; i++) {
        void *block = atomic_exchange(&mailboxes[i], NULL);
        if (block != NULL)
            give_tagged(block);
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(held_bytes, 0);
    nothing_is_lost();
    thread_caches_reclaim(&caches);
    assert_int_equal(heap.out, 0);
}

static int run_scenario(const char *name)
{
    const struct {
        const char *name;
        void (*run)(void);
    } scenarios[] = {
        {"fail_to_make_key", fail_to_make_key},
        {"run_out_of_memory", run_out_of_memory},
        {"have_no_membarrier", have_no_membarrier},
    };

    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
        if (strcmp(name, scenarios[i].name) == 0) {
            reset();
            scenarios[i].run();
            return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return run_scenario(argv[1]);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_that_cannot_be_made_is_an_error),
        cmocka_unit_test(without_memory_for_caches_blocks_go_straight),
        cmocka_unit_test(kernel_without_membarrier_is_no_error),
        TEST(newest_block_comes_again_first),
        TEST(classes_have_bins_of_their_own),
        TEST(batches_grow_with_use),
        TEST(bins_are_bounded),
        TEST(bin_that_runs_full_grows_first),
        TEST(oldest_half_goes_to_the_transfer_cache),
        TEST(what_the_transfer_cache_has_no_room_for_goes_to_the_heap),
        TEST(null_means_that_there_is_no_space),
        TEST(heap_without_a_number_has_no_caches),
        TEST(heap_without_memory_for_a_transfer_cache_is_not_made),
        TEST(reclaim_empties_all_caches_and_the_transfer_cache),
        TEST(one_heap_is_reclaimed),
        TEST(emptied_cache_is_closed_until_the_slow_way),
        TEST(membarrier_that_fails_spares_the_others),
        TEST(cache_in_use_is_left_alone),
        TEST(bin_emptied_during_a_refill_keeps_its_bounds),
        TEST(overflow_on_its_way_is_not_hidden_from_a_reclaim),
        TEST(refill_on_its_way_is_not_kept_when_off),
        TEST(own_blocks_are_found_without_membarrier),
        TEST(heap_is_told_what_it_gets_back),
        TEST(while_off_nothing_is_kept),
        TEST(one_reason_is_enough),
        TEST(thread_that_comes_while_off_has_a_cache_later),
        TEST(thread_leaves_its_blocks_to_others),
        TEST(thread_that_ends_while_off_leaves_nothing),
        TEST(late_destructors_lose_nothing),
        TEST(cache_of_an_ended_heap_never_reaches_the_next),
        TEST(idle_caches_are_emptied),
        TEST(unused_transfer_cache_is_emptied),
        TEST(idle_caches_stay_without_membarrier),
        TEST(fast_way_is_left_once_in_a_while),
        TEST(thread_without_a_destructor_has_no_cache),
        TEST(memory_of_ended_threads_is_used_again),
        TEST(memory_of_ended_heaps_is_used_again),
        TEST(threads_do_each_other_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
