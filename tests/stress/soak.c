/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All features at once, for a chosen time: threads that allocate from all kinds, one of them under
 * a filter of system calls and one without rights to the files; short-lived kinds; kinds whose
 * descriptor is closed by the program; threads that allocate in their last destructors; reports;
 * forks in both modes; a file system that is full half of the time; and signals.
 *
 * Usage: soak DIR SECONDS. Fills the file system of DIR, which should be a small one used for
 * nothing else. Prints counts of what was done. Exits with 1 if a block was damaged or a byte of
 * file space was lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../support/call_filter.h"
#include "soak.h"

#define THREADS      12
#define NOBODY       65534
#define POPULATE     0x10u /* the bit of MADV_POPULATE_WRITE that tells it from all other advice */
#define TEXT         "not of the kind"
#define SLOTS        400
#define KINDS        4
#define FORK_BLOCKS  200
#define FILLER_STEP  ((off_t)1 << 20)
#define FULL_FOR     20 /* milliseconds, at most */
#define FREE_FOR     200
#define FORK_PAUSE   20
#define SIGNAL_EVERY 2000 /* microseconds */
#define CHILD_LIMIT  120  /* seconds */

struct block {
    unsigned char *ptr;
    size_t size;
    unsigned char fill;
};

static const char *dir;
static memkind_t kinds[KINDS];
static atomic_bool stop;
static atomic_ulong operations, refusals, kinds_made, forks, copies, copies_failed, times_full;
static atomic_ulong signals_seen, lives, reports, descriptors_taken;
static pthread_key_t late;
static atomic_size_t peak;

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add_explicit(&signals_seen, 1, memory_order_relaxed);
}

/* -- Blocks ------------------------------------------------------------------------------------ */

static void note_peak(void)
{
    size_t held = 0;

    for (size_t i = 0; i < KINDS; i++)
        held += account_of(kinds[i]);
    size_t seen = atomic_load(&peak);
    while (held > seen && !atomic_compare_exchange_weak(&peak, &seen, held))
        ;
}

static void fill(struct block *block, size_t from)
{
    if (from < block->size)
        memset(block->ptr + from, block->fill, block->size - from);
}

static void check_filled(const struct block *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        CHECK(block->ptr[i] == block->fill, "byte %zu of a block of %zu is %d, not %d", i,
              block->size, block->ptr[i], block->fill);
}

static size_t random_size(unsigned *seed)
{
    int kind_of_size = rand_r(seed) % 1000;

    if (kind_of_size < 3)
        return MIB + (size_t)rand_r(seed) % (3 * MIB);
    if (kind_of_size < 50)
        return (size_t)1 + (size_t)rand_r(seed) % (200 << 10);
    return (size_t)1 + (size_t)rand_r(seed) % 2000;
}

static void release_record(struct block *block, unsigned *seed)
{
    if (block->ptr == NULL)
        return;
    check_filled(block, block->size);
    memkind_free(rand_r(seed) % 2 == 0 ? NULL : memkind_detect_kind(block->ptr), block->ptr);
    block->ptr = NULL;
}

static unsigned char *new_block(memkind_t kind, size_t size, unsigned *seed)
{
    void *block = NULL;

    switch (rand_r(seed) % 8) {
    case 0:
        block = memkind_calloc(kind, 1, size);
        for (size_t i = 0; block != NULL && i < size; i++)
            CHECK(((unsigned char *)block)[i] == 0, "calloc of %zu: byte %zu", size, i);
        return block;
    case 1:
        return memkind_posix_memalign(kind, &block, (size_t)16 << rand_r(seed) % 10, size) == 0
                   ? block
                   : NULL;
    default:
        return memkind_malloc(kind, size);
    }
}

static void replace(struct block *block, unsigned *seed)
{
    release_record(block, seed);
    block->size = random_size(seed);
    block->fill = (unsigned char)rand_r(seed);
    block->ptr = new_block(kinds[rand_r(seed) % KINDS], block->size, seed);
    if (block->ptr != NULL)
        fill(block, 0);
    else
        atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
}

static void resize(struct block *block, unsigned *seed)
{
    size_t size = random_size(seed);

    if (block->ptr == NULL)
        return;
    unsigned char *moved = memkind_realloc(memkind_detect_kind(block->ptr), block->ptr, size);
    if (moved == NULL) {
        atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
        return;
    }
    size_t old_size = block->size;
    block->ptr = moved;
    block->size = size;
    check_filled(block, old_size < size ? old_size : size);
    fill(block, old_size);
}

/* -- Threads ----------------------------------------------------------------------------------- */

static void *work(void *argument)
{
    struct block *blocks = calloc(SLOTS, sizeof(*blocks));
    unsigned seed = (unsigned)(uintptr_t)argument;

    CHECK(blocks != NULL, "no memory");
    for (unsigned long i = 0; !atomic_load(&stop); i++) {
        struct block *block = &blocks[rand_r(&seed) % SLOTS];

        if (rand_r(&seed) % 5 == 0)
            resize(block, &seed);
        else
            replace(block, &seed);
        atomic_fetch_add_explicit(&operations, 1, memory_order_relaxed);
        if (i % 1000 == 0)
            note_peak();
    }
    for (size_t i = 0; i < SLOTS; i++)
        release_record(&blocks[i], &seed);
    free(blocks);
    return NULL;
}

/* Creates and destroys short-lived kinds. */
static void *come_and_go(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;

    while (!atomic_load(&stop)) {
        struct block blocks[20] = {0};
        memkind_t kind = make_kind(dir, rand_r(&seed) % 2 == 0 ? 0 : 16 * MIB,
                                   (memkind_mem_usage_policy)(rand_r(&seed) % 2),
                                   (memkind_fork_mode)(rand_r(&seed) % 2));

        if (kind == NULL) {
            atomic_fetch_add(&refusals, 1);
            continue;
        }
        for (size_t i = 0; i < 20; i++) {
            blocks[i] = (struct block){.size = random_size(&seed), .fill = (unsigned char)i};
            blocks[i].ptr = memkind_malloc(kind, blocks[i].size);
            if (blocks[i].ptr != NULL)
                fill(&blocks[i], 0);
        }
        for (size_t i = 0; i < 20; i += 2)
            release_record(&blocks[i], &seed);
        CHECK(memkind_destroy_kind(kind) == MEMKIND_SUCCESS, "a kind");
        atomic_fetch_add(&kinds_made, 1);
    }
    return NULL;
}

/* As in a container, where file space must be allocated and released without the usual calls. */
static void *work_under_filter(void *argument)
{
    static const struct call_filter_rule rules[] = {
        {SYS_fallocate, 0, 0, EPERM},
        {SYS_madvise, 2, POPULATE, EINVAL},
        {SYS_membarrier, 0, 0, ENOSYS},
    };

    if (!call_filter_install(rules, sizeof(rules) / sizeof(rules[0])))
        fprintf(stderr, "without a filter of system calls\n");
    return work(argument);
}

/* As in a daemon that has changed its user. This thread only: libc's setuid() would change all. */
static void *work_without_rights(void *argument)
{
    if (geteuid() == 0)
        CHECK(syscall(SYS_setresuid, -1, NOBODY, -1) == 0, "errno %d", errno);
    return work(argument);
}

/* What a thread uses in its destructors. */
struct life {
    struct block block;
    unsigned seed;
    int rounds; /* of destructors so far */
    int first;  /* the round in which the destructor first uses a kind */
};

static void end_life(void *argument)
{
    struct life *life = argument;

    release_record(&life->block, &life->seed);
    if (++life->rounds >= life->first)
        replace(&life->block, &life->seed);
    if (life->rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        CHECK(pthread_setspecific(late, life) == 0, "no memory");
        return;
    }
    release_record(&life->block, &life->seed);
    free(life);
}

static void *live(void *argument)
{
    CHECK(pthread_setspecific(late, argument) == 0, "no memory");
    return NULL;
}

/* Runs threads that use kinds in their destructors, some of them in the last round only. */
static void *end_late(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;

    while (!atomic_load(&stop)) {
        struct life *life = calloc(1, sizeof(*life));
        pthread_t thread;

        CHECK(life != NULL, "no memory");
        life->seed = (unsigned)rand_r(&seed);
        life->first = 1 + rand_r(&seed) % PTHREAD_DESTRUCTOR_ITERATIONS;
        CHECK(pthread_create(&thread, NULL, live, life) == 0, "no thread");
        pthread_join(thread, NULL);
        atomic_fetch_add(&lives, 1);
    }
    return NULL;
}

static void count_text(void *argument, const char *text)
{
    *(size_t *)argument += strlen(text);
}

static void *report(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;

    while (!atomic_load(&stop)) {
        size_t length = 0;

        (void)memkind_stats_print(count_text, &length, MEMKIND_STAT_PRINT_JSON_FORMAT);
        CHECK(length > 0, "an empty report");
        atomic_fetch_add(&reports, 1);
        pause_for(FORK_PAUSE, &seed);
    }
    return NULL;
}

/* Uses a kind whose descriptor is closed while it has some blocks. */
static void use_without_descriptor(memkind_t kind, int own, unsigned *seed)
{
    struct block blocks[20] = {0};
    int fd = ((struct memkind_pmem *)kind->priv)->fd;

    for (size_t i = 0; i < 20; i++) {
        if (i == 10)
            CHECK(dup2(own, fd) == fd, "errno %d", errno);
        blocks[i] = (struct block){.size = random_size(seed), .fill = (unsigned char)i};
        blocks[i].ptr = memkind_malloc(kind, blocks[i].size);
        if (blocks[i].ptr != NULL)
            fill(&blocks[i], 0);
    }
    for (size_t i = 0; i < 20; i++)
        release_record(&blocks[i], seed);
    (void)memkind_purge(kind);
    CHECK(memkind_destroy_kind(kind) == MEMKIND_SUCCESS, "a kind");
    CHECK(fcntl(fd, F_GETFD) >= 0, "the kind has closed what was not its own");
    close(fd);
}

/* As a program that closes all descriptors and opens its own files, which get the same numbers. */
static void *take_descriptors(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    char text[sizeof(TEXT)];
    struct stat status;
    int own = memfd_create("own", MFD_CLOEXEC);

    CHECK(own >= 0 && write(own, TEXT, sizeof(TEXT)) == sizeof(TEXT), "errno %d", errno);
    while (!atomic_load(&stop)) {
        memkind_t kind = make_kind(dir, 0, MEMKIND_MEM_USAGE_POLICY_DEFAULT, MEMKIND_FORK_SHARE);

        if (kind == NULL)
            continue;
        use_without_descriptor(kind, own, &seed);
        CHECK(fstat(own, &status) == 0 && status.st_size == sizeof(TEXT), "the file has grown");
        CHECK(pread(own, text, sizeof(text), 0) == sizeof(text) && strcmp(text, TEXT) == 0,
              "the file has become \"%.15s\"", text);
        atomic_fetch_add(&descriptors_taken, 1);
    }
    close(own);
    return NULL;
}

/*
 * In a child: uses the kinds, and does not read the parent's blocks of kinds that are not copied.
 */
static void live_as_child(struct block *blocks, unsigned seed)
{
    alarm(CHILD_LIMIT);
    for (size_t i = 0; i < FORK_BLOCKS; i++) {
        memkind_t kind = kinds[i % KINDS];

        if (blocks[i].ptr != NULL && memkind_get_snapshot(kind) != MEMKIND_SNAPSHOT_FAILED)
            check_filled(&blocks[i], blocks[i].size);
        struct block own = {.size = random_size(&seed), .fill = (unsigned char)~i};
        own.ptr = memkind_malloc(kind, own.size);
        if (own.ptr != NULL)
            fill(&own, 0);
        if (blocks[i].ptr != NULL && i % 3 == 0)
            memkind_free(kind, blocks[i].ptr);
        release_record(&own, &seed);
    }
    for (size_t i = 0; i < KINDS; i += 2)
        CHECK(memkind_destroy_kind(kinds[i]) == MEMKIND_SUCCESS, "an inherited kind");
    _exit(0);
}

static void *fork_children(void *argument)
{
    static struct block blocks[FORK_BLOCKS];
    unsigned seed = (unsigned)(uintptr_t)argument;

    while (!atomic_load(&stop)) {
        for (size_t i = 0; i < FORK_BLOCKS; i++) {
            release_record(&blocks[i], &seed);
            blocks[i] = (struct block){.size = random_size(&seed) % 5000 + 1,
                                       .fill = (unsigned char)rand_r(&seed)};
            blocks[i].ptr = memkind_malloc(kinds[i % KINDS], blocks[i].size);
            if (blocks[i].ptr != NULL)
                fill(&blocks[i], 0);
        }
        pid_t child = fork();
        if (child == 0)
            live_as_child(blocks, seed);
        int status = 0;
        if (child > 0) {
            while (waitpid(child, &status, 0) < 0)
                CHECK(errno == EINTR, "errno %d", errno);
            CHECK(status == 0, "a child ended with %#x", (unsigned)status);
            atomic_fetch_add(&forks, 1);
            bool copied = memkind_get_snapshot(kinds[KINDS - 1]) == MEMKIND_SNAPSHOT_COPY;
            atomic_fetch_add(copied ? &copies : &copies_failed, 1);
        }
        pause_for(FORK_PAUSE, &seed);
    }
    for (size_t i = 0; i < FORK_BLOCKS; i++)
        release_record(&blocks[i], &seed);
    return NULL;
}

/* Fills the file system and frees it again. */
static void *fill_file_system(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    CHECK(fd >= 0, "errno %d", errno);
    while (!atomic_load(&stop)) {
        off_t end = 0;

        while (fallocate(fd, 0, end, FILLER_STEP) == 0 || errno == EINTR)
            end += FILLER_STEP;
        while (fallocate(fd, 0, end, 4096) == 0 || errno == EINTR)
            end += 4096;
        atomic_fetch_add(&times_full, 1);
        pause_for(FULL_FOR, &seed);
        CHECK(ftruncate(fd, 0) == 0, "errno %d", errno);
        pause_for(FREE_FOR, &seed);
    }
    close(fd);
    return NULL;
}

/* -- The whole --------------------------------------------------------------------------------- */

static void run(unsigned seconds)
{
    void *(*const actors[THREADS])(void *) = {
        work,        work,     work,   work,          work_under_filter, work_without_rights,
        come_and_go, end_late, report, fork_children, fill_file_system,  take_descriptors,
    };
    pthread_t threads[THREADS];
    size_t count = 0;

    for (; count < THREADS; count++)
        CHECK(pthread_create(&threads[count], NULL, actors[count],
                             (void *)(uintptr_t)(count + 1)) == 0,
              "no thread");
    time_t end = time(NULL) + (time_t)seconds;
    while (time(NULL) < end) {
        struct timespec second = {.tv_sec = 1};

        (void)nanosleep(&second, NULL);
    }
    atomic_store(&stop, true);
    while (count > 0)
        pthread_join(threads[--count], NULL);
}

/*
 * Returns the bytes that kinds without blocks still hold, or that the file system counts in excess.
 */
static size_t bytes_lost(void)
{
    size_t lost = 0;

    for (size_t i = 0; i < KINDS; i++)
        lost += bytes_lost_by(kinds[i]);
    return lost;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct itimerval every = {.it_interval = {.tv_usec = SIGNAL_EVERY},
                              .it_value = {.tv_usec = SIGNAL_EVERY}};
    struct itimerval never = {0};

    if (argc != 3) {
        fprintf(stderr, "Usage: %s DIR SECONDS\n", argv[0]);
        return 2;
    }
    dir = argv[1];
    kinds[0] = make_kind(dir, 0, MEMKIND_MEM_USAGE_POLICY_DEFAULT, MEMKIND_FORK_SHARE);
    kinds[1] = make_kind(dir, 32 * MIB, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE, MEMKIND_FORK_SHARE);
    kinds[2] = make_kind(dir, 16 * MIB, MEMKIND_MEM_USAGE_POLICY_DEFAULT, MEMKIND_FORK_SHARE);
    kinds[3] = make_kind(dir, 0, MEMKIND_MEM_USAGE_POLICY_DEFAULT, MEMKIND_FORK_SNAPSHOT);
    for (size_t i = 0; i < KINDS; i++)
        CHECK(kinds[i] != NULL, "no kind in %s", dir);
    CHECK(pthread_key_create(&late, end_life) == 0, "no key");
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &every, NULL) == 0,
          "no timer");
    run((unsigned)strtoul(argv[2], NULL, 10));
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0, "the timer stays");
    size_t lost = bytes_lost();
    printf("%lu operations, %lu refused; file system full %lu times; %lu signals\n"
           "%lu kinds made and destroyed; %lu forks, %lu copies, %lu copies refused\n"
           "%lu threads with late destructors, %lu reports, %lu descriptors taken\n"
           "at most %zu MiB held; %zu bytes lost\n",
           operations, refusals, times_full, signals_seen, kinds_made, forks, copies, copies_failed,
           lives, reports, descriptors_taken, peak / MIB, lost);
    return lost == 0 ? 0 : 1;
}
