/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared by tests of processes that fork: blocks that parent and child check.
 *
 * A child fails by exiting with the number of the line of the failed check, modulo 255.
 */
#pragma once

#include "api/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/single_threaded.h>

#include "support/gate.h"

#define BLOCKS      2000
#define LINE_STATUS ((__LINE__ - 1) % 255 + 1)

/* In a child: ends the process if the condition does not hold. */
#define EXPECT(condition)       \
    do {                        \
        if (!(condition))       \
            _exit(LINE_STATUS); \
    } while (0)

/*
 * For tests of what only processes with one thread are promised. The thread sanitizer has a thread
 * of its own.
 */
static inline void skip_if_not_alone(void)
{
#ifdef __SANITIZE_THREAD__
    skip();
#endif
    if (!__libc_single_threaded)
        skip();
}

static char *blocks[BLOCKS];

static inline size_t size_of(size_t i)
{
    return i % 100 == 0 ? 100 * KIB : 16 + i % 3000;
}

static inline void fill_blocks(memkind_t kind)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, size_of(i));
        assert_non_null(blocks[i]);
        fixture_fill(blocks[i], size_of(i), (unsigned)i);
    }
}

static inline bool are_blocks_filled(void)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (!fixture_is_filled(blocks[i], size_of(i), (unsigned)i))
            return false;
    return true;
}

static inline void free_blocks(memkind_t kind)
{
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(i % 2 == 0 ? kind : NULL, blocks[i]);
}

/* Allocates, checks that no two blocks overlap, and frees. */
static inline void use(memkind_t kind)
{
    static char *own[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++) {
        own[i] = memkind_malloc(kind, size_of(i));
        EXPECT(own[i] != NULL);
        fixture_fill(own[i], size_of(i), (unsigned)i + BLOCKS);
    }
    EXPECT(are_blocks_filled());
    for (size_t i = 0; i < BLOCKS; i++) {
        EXPECT(fixture_is_filled(own[i], size_of(i), (unsigned)i + BLOCKS));
        EXPECT(memkind_detect_kind(own[i]) == kind);
        memkind_free(i % 2 == 0 ? kind : NULL, own[i]);
    }
}

/* -- Threads that are busy when the process forks ---------------------------------------------- */

#define BUSY_THREADS 4
#define BUSY_FORKS   12

struct busy_threads {
    memkind_t kind;
    atomic_bool stop;
    pthread_t threads[BUSY_THREADS];
};

/* Allocates and frees, and creates kinds. */
static inline void *be_busy(void *argument)
{
    struct busy_threads *busy = argument;
    static _Thread_local char *own[100];
    unsigned seed = 1;

    while (!atomic_load(&busy->stop)) {
        size_t i = (size_t)rand_r(&seed) % COUNT_OF(own);

        memkind_free(rand_r(&seed) % 2 == 0 ? busy->kind : NULL, own[i]);
        own[i] = memkind_malloc(busy->kind, (size_t)16 << rand_r(&seed) % 16);
        if (own[i] != NULL)
            own[i][0] = 1;
        if (seed % 512 == 0) {
            memkind_t another = NULL;

            if (memkind_create_pmem(fixture_dir, 0, &another) == MEMKIND_SUCCESS) {
                memkind_free(another, memkind_malloc(another, 100));
                memkind_destroy_kind(another);
            }
        }
    }
    for (size_t i = 0; i < COUNT_OF(own); i++)
        memkind_free(busy->kind, own[i]);
    return NULL;
}

/* Returns false if the threads cannot be started. */
static inline bool busy_threads_start(struct busy_threads *busy, memkind_t kind)
{
    busy->kind = kind;
    atomic_init(&busy->stop, false);
    for (size_t i = 0; i < BUSY_THREADS; i++)
        if (pthread_create(&busy->threads[i], NULL, be_busy, busy) != 0)
            return false;
    return true;
}

static inline void busy_threads_stop(struct busy_threads *busy)
{
    atomic_store(&busy->stop, true);
    for (size_t i = 0; i < BUSY_THREADS; i++)
        pthread_join(busy->threads[i], NULL);
}

/* Forks repeatedly while threads are busy. Each child calls `live` and destroys the kind. */
static inline void fork_among_busy_threads(memkind_t kind, void (*live)(memkind_t kind))
{
    struct busy_threads busy;

    assert_true(busy_threads_start(&busy, kind));
    for (int i = 0; i < BUSY_FORKS; i++) {
        pid_t child = fixture_fork();

        if (child == 0) {
            /* Ends a child that waits for a lock which no thread will release. */
            alarm(60);
            live(kind);
            EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
            _exit(0);
        }
        int status = fixture_wait(child);
        if (status != 0)
            fail_msg("child %d failed at a line that is %d modulo 255", i, status);
    }
    busy_threads_stop(&busy);
    assert_true(are_blocks_filled());
}
