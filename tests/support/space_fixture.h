/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A space for a test: over a fake store, of which each call can fail, or over a file in the test
 * directory, whose blocks must equal the space's account (on tmpfs to the byte). Include once.
 */
/* WRAP: pthread_mutex_lock */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/directory.h"
#include "space/address_map.h"
#include "space/space.h"
#include "store/file_store.h"
#include "support/fake_file_space.h"
#include "support/fake_mmap.h"
#include "support/fake_mutex.h"
#include "support/faults.h"
#include "support/leftovers.h"
#include "support/no_mapping_cache.h"

#define CHUNK       SPACE_CHUNK
#define GRANULE     ADDRESS_MAP_GRANULE
#define GIB         ((size_t)1 << 30)
#define OWNER       (ADDRESS_MAP_FIRST_OWNER + 5u)
#define ROUNDS      2000
#define SEED        42u
#define STORE_PAGES (GIB / 4096)

/* -- System calls ------------------------------------------------------------------------------ */

static struct space fake_space;
static struct space *space;
static size_t page;
static struct leftovers before;
static char dir_path[TEST_DIR_PATH_SIZE];

static bool store[STORE_PAGES];  /* pages of the fake store, each used under its region's lock */
static atomic_size_t store_held; /* bytes of the fake store */
static atomic_bool limit_was_passed; /* the store held more than max_size */
static atomic_uint store_calls;
static struct fault map_fault;
static struct fault commit_fault;
static struct fault release_fault;

int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);

static _Thread_local pthread_mutex_t
    *awaited_lock; /* `waiting` is posted before this thread acquires it */
static sem_t waiting;

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
    if (awaited_lock != NULL && lock == awaited_lock) {
        awaited_lock = NULL;
        sem_post(&waiting);
    }
    return __real_pthread_mutex_lock(lock);
}

/* -- The fake store ---------------------------------------------------------------------------- */

static inline int fake_map(struct space *of, void *addr, size_t size, off_t offset)
{
    (void)of;
    (void)addr;
    (void)size;
    (void)offset;
    return fault_hits_if_set(&map_fault) ? -map_fault.error : 0;
}

/* Adds pages to the store or removes them. Returns the bytes that the store then holds. */
static inline size_t store_write(off_t offset, size_t size, bool value)
{
    size_t first = (size_t)offset / page;
    size_t changed = 0;

    assert_true(first + size / page <= STORE_PAGES);
    for (size_t i = first; i < first + size / page; i++) {
        changed += store[i] != value;
        store[i] = value;
    }
    return value ? atomic_fetch_add(&store_held, changed * page) + changed * page
                 : atomic_fetch_sub(&store_held, changed * page) - changed * page;
}

static inline int fake_commit(struct space *of, void *addr, off_t offset, size_t size)
{
    (void)addr;
    atomic_fetch_add(&store_calls, 1);
    if (fault_hits_if_set(&commit_fault))
        return -commit_fault.error;
    size_t now = store_write(offset, size, true);
    if (of->max_size != 0 && now > of->max_size)
        limit_was_passed = true;
    return 0;
}

static void (*during_release)(void);

static inline int fake_release(struct space *of, void *addr, off_t offset, size_t size)
{
    (void)of;
    (void)addr;
    atomic_fetch_add(&store_calls, 1);
    if (during_release != NULL)
        during_release();
    if (fault_hits_if_set(&release_fault))
        return -release_fault.error;
    store_write(offset, size, false);
    return 0;
}

static const struct store_ops fake_store = {
    .destroy = space_fini,
    .map = fake_map,
    .commit = fake_commit,
    .release = fake_release,
};

static inline size_t fake_longest(const struct space *of)
{
    (void)of;
    return GRANULE - CHUNK / 2;
}

/* A store with a limited length. */
static const struct store_ops short_store = {
    .destroy = space_fini,
    .map = fake_map,
    .commit = fake_commit,
    .release = fake_release,
    .longest = fake_longest,
};

/* -- Set-up ------------------------------------------------------------------------------------ */

static inline void reset(void)
{
    map_fault = commit_fault = release_fault = mmap_fault = file_map_fault = (struct fault){0};
    allocate_fault = punch_fault = mutex_fault = (struct fault){0};
    mapped = 0;
    memset(store, 0, sizeof(store));
    store_held = 0;
    limit_was_passed = false;
    store_calls = 0;
    during_release = NULL;
    page = (size_t)sysconf(_SC_PAGESIZE);
    test_dir_make(dir_path);
    leftovers_take(&before, dir_path);
}

static inline int setup_fake(void **state)
{
    (void)state;
    reset();
    space = &fake_space;
    assert_int_equal(space_init(space, &fake_store, 0, OWNER), 0);
    space->first_step = CHUNK;
    return 0;
}

static inline int setup_file(void **state)
{
    struct directory *directory;

    (void)state;
    reset();
    space = file_store_create(OWNER);
    assert_non_null(space);
    assert_int_equal(directory_open(dir_path, &directory), 0);
    assert_int_equal(file_store_open(space, directory), 0);
    space->first_step = CHUNK;
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    space_destroy(space);
    assert_int_equal(mapped, 0);
    leftovers_check(&before);
    test_dir_remove(dir_path);
    return 0;
}

/* Disk file systems may round; tmpfs does not. */
static inline bool on_tmpfs(void)
{
    struct statfs fs;

    assert_int_equal(fstatfs(space->fd, &fs), 0);
    return fs.f_type == TMPFS_MAGIC;
}

static inline char *reserve(size_t size, size_t alignment)
{
    void *addr = NULL;

    assert_int_equal(space_reserve(space, size, alignment, &addr), 0);
    assert_non_null(addr);
    return addr;
}

static inline void commit(char *addr, size_t size)
{
    assert_int_equal(space_commit(space, addr, size), 0);
}

static inline void decommit(char *addr, size_t size)
{
    assert_int_equal(space_decommit(space, addr, size), 0);
}

static inline bool is_zero(const char *addr, size_t size)
{
    for (size_t at = 0; at < size; at++)
        if (addr[at] != 0)
            return false;
    return true;
}
