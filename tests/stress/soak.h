/* SPDX-License-Identifier: BSD-2-Clause */
/* What the soak programs share: checks, kinds, and queries of their files. */
#pragma once

#include <memkind.h>
#include <memkind/internal/memkind_pmem.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB             ((size_t)1 << 20)
#define SOAK_STAT_BLOCK 512
#define SOAK_NS_PER_MS  1000000L

/* Ends the process if the condition does not hold. In a child, ends the child. */
#define CHECK(condition, ...)                                               \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                   \
            fputc('\n', stderr);                                            \
            _exit(1);                                                       \
        }                                                                   \
    } while (0)

/* Sleeps for 1 to `most` milliseconds, or until a signal comes. */
static inline void pause_for(unsigned most, unsigned *seed)
{
    struct timespec time = {.tv_nsec = SOAK_NS_PER_MS * (1 + rand_r(seed) % (int)most)};

    (void)nanosleep(&time, NULL);
}

/* NULL: the kind cannot be created. */
static inline memkind_t make_kind(const char *dir, size_t max_size, memkind_mem_usage_policy policy,
                                  memkind_fork_mode mode)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    memkind_config_set_path(config, dir);
    memkind_config_set_size(config, max_size);
    memkind_config_set_memory_usage_policy(config, policy);
    memkind_config_set_fork(config, mode);
    int status = memkind_create_pmem_with_config(config, &kind);
    memkind_config_delete(config);
    return status == MEMKIND_SUCCESS ? kind : NULL;
}

static inline size_t account_of(memkind_t kind)
{
    return __atomic_load_n(&((struct memkind_pmem *)kind->priv)->current_size, __ATOMIC_RELAXED);
}

static inline size_t file_space_of(memkind_t kind)
{
    struct stat status;

    CHECK(fstat(((struct memkind_pmem *)kind->priv)->fd, &status) == 0, "errno %d", errno);
    return (size_t)status.st_blocks * SOAK_STAT_BLOCK;
}

/* Destroys a kind without blocks. Returns the bytes that it still held, or its file. */
static inline size_t bytes_lost_by(memkind_t kind)
{
    size_t allocated = 1;

    CHECK(memkind_purge(kind) == MEMKIND_SUCCESS, "purge");
    CHECK(memkind_update_cached_stats() == MEMKIND_SUCCESS, "statistics");
    CHECK(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &allocated) == 0, "a number");
    CHECK(allocated == 0, "%zu bytes in no block", allocated);
    size_t lost = file_space_of(kind) + account_of(kind);
    CHECK(memkind_destroy_kind(kind) == MEMKIND_SUCCESS, "a kind");
    return lost;
}
