/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of spaces: address space, file space, the limit, and what remains when a system call fails.
 *
 * Most tests use a fake store, of which each call can fail. The others use a file in the test
 * directory, whose blocks must equal the space's account (on tmpfs to the byte).
 */
/* WRAP: mmap munmap madvise fallocate pthread_mutex_init pthread_mutex_lock */
/* WRAP: mapping_cache_find mapping_cache_take mapping_cache_put sysconf */
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
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/directory.h"
#include "space/address_map.h"
#include "space/region.h"
#include "space/space.h"
#include "store/file_store.h"
#include "support/fake_mmap.h"
#include "support/fake_mutex.h"
#include "support/faults.h"
#include "support/leftovers.h"
#include "support/no_mapping_cache.h"
#include "support/page_size.h"

#define CHUNK        SPACE_CHUNK
#define GRANULE      ADDRESS_MAP_GRANULE
#define MIB          ((size_t)1 << 20)
#define GIB          ((size_t)1 << 30)
#define OWNER        (ADDRESS_MAP_FIRST_OWNER + 5u)
#define THREADS      4
#define ROUNDS       2000
#define MODEL_ROUNDS 3000
#define REGIONS      6
#define MANY_REGIONS 5000
#define SEED         42u
#define RETRIES      50
#define STORE_PAGES  (GIB / 4096)

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
static struct fault allocate_fault;
static struct fault punch_fault;

int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);
int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);

static bool hits(struct fault *fault)
{
    return fault->times > 0 && fault_hits(fault);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    bool punches = (mode & FALLOC_FL_PUNCH_HOLE) != 0;

    /* A hole that could not be made through the mapping cannot be made otherwise. */
    if (punches && punch_fault.times > 0) {
        errno = punch_fault.error;
        return -1;
    }
    return !punches && hits(&allocate_fault) ? -1 : __real_fallocate(fd, mode, offset, size);
}

int __wrap_madvise(void *addr, size_t size, int advice)
{
    return advice == MADV_REMOVE && hits(&punch_fault) ? -1 : __real_madvise(addr, size, advice);
}

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

static int fake_map(struct space *of, void *addr, size_t size, off_t offset)
{
    (void)of;
    (void)addr;
    (void)size;
    (void)offset;
    return hits(&map_fault) ? -map_fault.error : 0;
}

/* Adds pages to the store or removes them. Returns the bytes that the store then holds. */
static size_t store_write(off_t offset, size_t size, bool value)
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

static int fake_commit(struct space *of, void *addr, off_t offset, size_t size)
{
    (void)addr;
    atomic_fetch_add(&store_calls, 1);
    if (hits(&commit_fault))
        return -commit_fault.error;
    size_t now = store_write(offset, size, true);
    if (of->max_size != 0 && now > of->max_size)
        limit_was_passed = true;
    return 0;
}

static void (*during_release)(void);

static int fake_release(struct space *of, void *addr, off_t offset, size_t size)
{
    (void)of;
    (void)addr;
    atomic_fetch_add(&store_calls, 1);
    if (during_release != NULL)
        during_release();
    if (hits(&release_fault))
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

static size_t fake_longest(const struct space *of)
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

/* -- Fixture ----------------------------------------------------------------------------------- */

static void reset(void)
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

static int setup_fake(void **state)
{
    (void)state;
    reset();
    space = &fake_space;
    assert_int_equal(space_init(space, &fake_store, 0, OWNER), 0);
    space->first_step = CHUNK;
    return 0;
}

static int setup_file(void **state)
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

static int teardown(void **state)
{
    (void)state;
    space_destroy(space);
    assert_int_equal(mapped, 0);
    leftovers_check(&before);
    test_dir_remove(dir_path);
    return 0;
}

/* Disk file systems may round; tmpfs does not. */
static bool on_tmpfs(void)
{
    struct statfs fs;

    assert_int_equal(fstatfs(space->fd, &fs), 0);
    return fs.f_type == TMPFS_MAGIC;
}

static char *reserve(size_t size, size_t alignment)
{
    void *addr = NULL;

    assert_int_equal(space_reserve(space, size, alignment, &addr), 0);
    assert_non_null(addr);
    return addr;
}

static void commit(char *addr, size_t size)
{
    assert_int_equal(space_commit(space, addr, size), 0);
}

static void decommit(char *addr, size_t size)
{
    assert_int_equal(space_decommit(space, addr, size), 0);
}

static bool is_zero(const char *addr, size_t size)
{
    for (size_t at = 0; at < size; at++)
        if (addr[at] != 0)
            return false;
    return true;
}

/* -- Life -------------------------------------------------------------------------------------- */

static void new_space_has_nothing(void **state)
{
    (void)state;
    assert_int_equal(space->fd, -1);
    assert_int_equal(space->offset, 0);
    assert_null(space->path);
    assert_null(space_directory(space));
    assert_int_equal(space_held(space), 0);
    assert_int_equal(mapped, 0);
    assert_int_equal(space_trim(space), 0);
}

static void no_lock_is_an_error(void **state)
{
    struct space other;

    (void)state;
    fault_set(&mutex_fault, EAGAIN, 1);
    assert_int_equal(space_init(&other, &fake_store, 0, OWNER), -EAGAIN);
}

static void destroy_gives_everything_back(void **state)
{
    char *addr = reserve(3 * CHUNK, CHUNK);
    int fd = space->fd;

    (void)state;
    commit(addr, 3 * CHUNK);
    memset(addr, 1, 3 * CHUNK);
    reserve(GIB, GIB);
    space_destroy(space);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(address_map_owner(addr), ADDRESS_MAP_NONE);
    assert_int_equal(mapped, 0);
    leftovers_check(&before);
    test_dir_remove(dir_path);
    setup_file(state);
}

/* -- Address space ----------------------------------------------------------------------------- */

static void reserve_takes_no_store(void **state)
{
    (void)state;
    reserve(GIB, CHUNK);
    assert_int_equal(space_held(space), 0);
    assert_int_equal(store_calls, 0);
}

static void regions_are_aligned_owned_and_apart(void **state)
{
    const size_t sizes[] = {1, 4096, CHUNK, CHUNK + 1, 3 * CHUNK, GRANULE, GRANULE + CHUNK};

    (void)state;
    for (size_t alignment = 1; alignment <= GIB; alignment *= 4)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            char *addr = reserve(sizes[i], alignment);

            assert_int_equal((uintptr_t)addr % CHUNK, 0);
            assert_int_equal((uintptr_t)addr % alignment, 0);
            assert_int_equal(address_map_owner(addr), OWNER);
            assert_int_equal(address_map_owner(addr + sizes[i] - 1), OWNER);
            assert_true(space_is_region_start(space, addr));
            if (sizes[i] > CHUNK)
                assert_false(space_is_region_start(space, addr + CHUNK));
            assert_false(space_is_region_start(space, addr + 1));
        }
}

static int compare_regions(const void *a, const void *b)
{
    const struct region *left = *(struct region *const *)a;
    const struct region *right = *(struct region *const *)b;

    return left->base < right->base ? -1 : left->base > right->base;
}

static void regions_do_not_overlap(void **state)
{
    static struct region *regions[ROUNDS];
    unsigned seed = SEED;
    size_t count = 0;

    (void)state;
    for (int i = 0; i < ROUNDS; i++)
        reserve(1 + (size_t)rand_r(&seed) % (8 * CHUNK), CHUNK << rand_r(&seed) % 7);
    for (struct region *region = space->regions; region != NULL; region = region->next)
        regions[count++] = region;
    assert_int_equal(count, ROUNDS);
    qsort(regions, count, sizeof(regions[0]), compare_regions);
    for (size_t i = 0; i + 1 < count; i++) {
        size_t size = regions[i]->pages * page;

        assert_true(regions[i]->base + size <= regions[i + 1]->base);
        assert_int_equal((size_t)regions[i]->offset % CHUNK, 0);
    }
}

/* The range map changes while the space's lock is held: debug builds check the lock order. */
static void few_addresses_are_used(void **state)
{
    (void)state;
    largest = SPACE_CHUNK;
    char *first = reserve(CHUNK, CHUNK);
    char *second = reserve(CHUNK, CHUNK);
    commit(first, CHUNK);
    commit(second, page);
    assert_true(space_contains(space, first) && space_contains(space, second));
    decommit(first, CHUNK);
    space_return(space, second);
    largest = 0;
}

static void many_regions_are_few_maps(void **state)
{
    size_t maps = count_maps();

    (void)state;
    for (int i = 0; i < MANY_REGIONS; i++)
        reserve(CHUNK, CHUNK);
    assert_true(count_maps() - maps < 40);
}

static void impossible_reservations_are_refused(void **state)
{
    void *addr = &space;

    (void)state;
    assert_int_equal(space_reserve(space, 0, CHUNK, &addr), -EINVAL);
    assert_int_equal(space_reserve(space, SIZE_MAX, CHUNK, &addr), -ENOMEM);
    assert_int_equal(space_reserve(space, SIZE_MAX / 2, CHUNK, &addr), -ENOMEM);
    assert_int_equal(space_reserve(space, (size_t)1 << 48, CHUNK, &addr), -ENOMEM);
    assert_int_equal(space_reserve(space, 1, (size_t)1 << 63, &addr), -ENOMEM);
    assert_int_equal(space_reserve(space, 1, (size_t)1 << 61, &addr), -ENOMEM);
    assert_int_equal(mapped, 0);
    reserve(1, 1);
}

static void no_addresses_is_enomem(void **state)
{
    void *addr;

    (void)state;
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    assert_int_equal(space_reserve(space, 1, 1, &addr), -ENOMEM);
    assert_int_equal(mapped, 0);
    fault_set(&mmap_fault, 0, 0);
    reserve(1, 1);
}

/* Each anonymous map of a first reservation fails in turn. */
static void no_memory_for_records_is_enomem(void **state)
{
    void *addr;
    unsigned n = 0;
    int err;

    do {
        fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
        mmap_fault.skip = n++;
        err = space_reserve(space, GIB, 1, &addr);
        assert_true(err == 0 || err == -ENOMEM);
        fault_set(&mmap_fault, 0, 0);
        teardown(state);
        setup_fake(state);
    } while (err != 0);
    assert_true(n >= 3);
}

static void no_lock_for_a_region_is_enomem(void **state)
{
    void *addr;

    (void)state;
    fault_set(&mutex_fault, ENOMEM, 1);
    assert_int_equal(space_reserve(space, 1, 1, &addr), -ENOMEM);
    fault_set(&mutex_fault, 0, 0);
    assert_true(space_is_region_start(space, reserve(1, 1)));
}

static void store_that_cannot_be_mapped_is_its_error(void **state)
{
    void *addr;

    (void)state;
    fault_set(&file_map_fault, ENODEV, 1);
    assert_int_equal(space_reserve(space, 1, 1, &addr), -ENODEV);
    assert_null(space->segments);
    assert_int_equal(space->offset, 0);
    reserve(1, 1);
}

static void no_file_is_ebadf(void **state)
{
    struct space *other = file_store_create(OWNER);
    void *addr;
    size_t mapped_once = 0;

    (void)state;
    assert_non_null(other);
    for (int i = 0; i < RETRIES; i++) {
        assert_int_equal(space_reserve(other, 1, 1, &addr), -EBADF);
        if (i == 0)
            mapped_once = mapped;
    }
    size_t mapped_often = mapped;
    space_destroy(other);
    assert_int_equal(mapped_often, mapped_once);
}

static void regions_end_where_the_store_must(void **state)
{
    void *addr;

    (void)state;
    assert_int_equal(space_longest(space), SIZE_MAX);
    space->store = &short_store;
    assert_int_equal(space_longest(space), GRANULE - CHUNK / 2);
    assert_int_equal(space_reserve(space, GRANULE, CHUNK, &addr), -EFBIG);
    assert_int_equal(mapped, 0);
    char *first = reserve(GRANULE - CHUNK, CHUNK);
    assert_int_equal(space_reserve(space, CHUNK / 2 + page, CHUNK, &addr), -EFBIG);
    assert_ptr_equal(reserve(CHUNK / 2, CHUNK), first + GRANULE - CHUNK);
    assert_int_equal(space_reserve(space, page, CHUNK, &addr), -EFBIG);
    assert_int_equal(space->reserved, GRANULE);
}

static void returned_region_is_used_again(void **state)
{
    char *addr = reserve(4 * CHUNK, CHUNK);
    off_t offset = space->offset;

    (void)state;
    commit(addr, 4 * CHUNK);
    decommit(addr, 4 * CHUNK);
    space_return(space, addr);
    assert_ptr_equal(reserve(3 * CHUNK, CHUNK), addr);
    assert_int_equal(space->offset, offset);
    commit(addr, 3 * CHUNK);
    decommit(addr, 3 * CHUNK);
    assert_int_equal(space_held(space), 0);
    assert_true(reserve(4 * CHUNK, CHUNK) != addr);
}

static void returned_region_is_not_wasted_or_misaligned(void **state)
{
    char *large = reserve(64 * CHUNK, CHUNK);
    char *small = reserve(CHUNK, CHUNK);

    (void)state;
    space_return(space, large);
    space_return(space, small);
    assert_true(reserve(2 * CHUNK, CHUNK) != large);
    assert_true(reserve(CHUNK, GIB) != small || (uintptr_t)small % GIB == 0);
    /* An address in `large` may happen to have this alignment, and be reused. */
    if ((-(uintptr_t)large & (GIB - 1)) >= 64 * CHUNK)
        assert_ptr_equal(reserve(64 * CHUNK, CHUNK), large);
    /* A page would waste most of `small`. */
    assert_true(reserve(page, CHUNK) != small);
}

/* -- File space -------------------------------------------------------------------------------- */

static void commit_takes_a_chunk(void **state)
{
    char *addr = reserve(2 * CHUNK, CHUNK);

    (void)state;
    commit(addr + page, page);
    assert_int_equal(space_held(space), CHUNK);
    commit(addr + 2 * page, page);
    assert_int_equal(store_calls, 1);
    assert_int_equal(space_trim(space), CHUNK - 2 * page);
    assert_int_equal(space_held(space), 2 * page);
    assert_int_equal(space_trim(space), 0);
}

static void new_space_begins_in_steps_below_a_chunk(void **state)
{
    struct space other;
    void *addr;

    (void)state;
    assert_int_equal(space_init(&other, &fake_store, 0, OWNER), 0);
    assert_true(other.first_step >= page && other.first_step <= CHUNK);
    assert_int_equal(other.first_step & (other.first_step - 1), 0);
    assert_int_equal(space_reserve(&other, CHUNK, CHUNK, &addr), 0);
    assert_int_equal(space_commit(&other, addr, page), 0);
    assert_int_equal(space_held(&other), other.first_step);
    assert_int_equal(space_decommit(&other, addr, page), 0);
    assert_int_equal(space_held(&other), 0);
    space_fini(&other);
}

static void exact_space_commits_what_is_asked_for(void **state)
{
    char *addr = reserve(2 * CHUNK, CHUNK);

    (void)state;
    space->exact = true;
    commit(addr + page, page);
    assert_int_equal(space_held(space), page);
    assert_int_equal(space_trim(space), 0);
}

static void peak_chunks_and_purges_are_counted(void **state)
{
    char *addr = reserve(4 * CHUNK + page, CHUNK);
    char *other = reserve(CHUNK, CHUNK);

    (void)state;
    space->exact = true;
    assert_int_equal(space_chunks(space), 0);
    assert_int_equal(space->peak, 0);
    /* The end of one chunk, a whole one, the beginning of the next; and the last, which is cut. */
    commit(addr + CHUNK - page, CHUNK + 2 * page);
    commit(addr + 4 * CHUNK, page);
    commit(other, page);
    assert_int_equal(space_chunks(space), 5);
    size_t most = space_held(space);
    assert_int_equal(most, CHUNK + 4 * page);
    assert_int_equal(space->peak, most);
    assert_int_equal(space->purges, 0);

    decommit(addr + CHUNK - page, CHUNK + page);
    assert_int_equal(space_chunks(space), 3);
    assert_int_equal(space->purges, 1);
    commit(addr, 3 * page);
    assert_int_equal(space->peak, most);
    /* Failed commits and releases do not count. */
    fault_set(&release_fault, EIO, 1);
    assert_int_equal(space_decommit(space, addr, page), 0);
    assert_int_equal(space->purges, 1);
    space->max_size = 2 * CHUNK;
    assert_int_equal(space_commit(space, addr + 2 * CHUNK + page, 2 * CHUNK - page), -ENOMEM);
    assert_int_equal(space->peak, most);
}

static void what_others_have_ahead_is_taken_at_the_limit(void **state)
{
    char *first = reserve(CHUNK, CHUNK);
    char *second = reserve(CHUNK, CHUNK);
    char *third = reserve(CHUNK, CHUNK);

    (void)state;
    space->max_size = 2 * CHUNK;
    commit(first, page);
    commit(second, page);
    assert_int_equal(space_held(space), 2 * CHUNK);
    commit(third, CHUNK);
    assert_int_equal(space_held(space), CHUNK + 2 * page);
    assert_int_equal(space_commit(space, first + page, CHUNK - page), -ENOMEM);
    assert_int_equal(space_held(space), CHUNK + 2 * page);
    commit(first + page, CHUNK - 2 * page);
    assert_int_equal(space_held(space), 2 * CHUNK);
    assert_int_equal(space_commit(space, second + page, page), -ENOMEM);
    assert_false(limit_was_passed);
}

static void block_of_max_size_fits(void **state)
{
    char *small = reserve(CHUNK, CHUNK);
    char *large = reserve(8 * CHUNK, CHUNK);

    (void)state;
    space->max_size = 8 * CHUNK;
    commit(small, page);
    assert_int_equal(space_commit(space, large, 8 * CHUNK), -ENOMEM);
    decommit(small, page);
    assert_int_equal(space_held(space), 0);
    commit(large, 8 * CHUNK);
    assert_int_equal(space_held(space), space->max_size);
}

static void full_space_is_known_without_trying(void **state)
{
    void *addr;

    (void)state;
    assert_true(space_has_room(space, SIZE_MAX));
    space->max_size = 2 * CHUNK;
    assert_false(space_has_room(space, 2 * CHUNK + 1));
    assert_true(space_has_room(space, 2 * CHUNK));
    assert_int_equal(space_reserve(space, 2 * CHUNK, CHUNK, &addr), 0);
    assert_int_equal(space_commit(space, addr, space->page), 0);
    /* The rest of the committed pages is ahead of need. */
    assert_true(space_has_room(space, CHUNK));
    assert_false(space_has_room(space, 2 * CHUNK));
    assert_int_equal(space_commit(space, (char *)addr + space->page, 2 * CHUNK - space->page), 0);
    assert_false(space_has_room(space, 1));
}

static void full_store_is_its_error(void **state)
{
    char *addr = reserve(2 * CHUNK, CHUNK);

    (void)state;
    commit(addr, page);
    fault_set(&commit_fault, ENOSPC, FAULT_ALWAYS);
    assert_int_equal(space_commit(space, addr + CHUNK, page), -ENOSPC);
    /* Pages that were ahead were released before the last attempt. */
    assert_int_equal(space_held(space), page);
    assert_int_equal(space->ahead, 0);
    assert_int_equal(store_held, page);
}

static void released_store_is_needed_first(void **state)
{
    char *addr = reserve(CHUNK, CHUNK);

    (void)state;
    commit(addr, page);
    fault_set(&release_fault, EIO, FAULT_ALWAYS);
    assert_int_equal(space_decommit(space, addr, page), 0);
    assert_int_equal(space_held(space), CHUNK);
    assert_int_equal(space_trim(space), 0);
    space_retry(space);
    assert_int_equal(space_held(space), CHUNK);
    fault_set(&release_fault, 0, 0);
    space_retry(space);
    assert_int_equal(space_held(space), 0);
    assert_int_equal(space->stale, 0);
}

static void later_decommit_takes_what_failed_with_it(void **state)
{
    char *addr = reserve(CHUNK, CHUNK);
    char *other = reserve(CHUNK, CHUNK);

    (void)state;
    commit(addr, 2 * page);
    commit(other, page);
    fault_set(&release_fault, EIO, 1);
    assert_int_equal(space_decommit(space, addr, 2 * page), 0);
    assert_int_equal(space->stale, CHUNK);
    decommit(other, page);
    assert_int_equal(space->stale, 0);
    assert_int_equal(space_held(space), 0);
}

static void closing_space_releases_nothing(void **state)
{
    char *addr = reserve(CHUNK, CHUNK);

    (void)state;
    commit(addr, CHUNK);
    store_calls = 0;
    space->closing = true;
    assert_int_equal(space_decommit(space, addr, CHUNK), -EOPNOTSUPP);
    assert_int_equal(store_calls, 0);
}

static void committed_pages_are_zero_again(void **state)
{
    char *addr = reserve(2 * CHUNK, CHUNK);

    (void)state;
    commit(addr, 2 * CHUNK);
    assert_true(is_zero(addr, 2 * CHUNK));
    memset(addr, 1, 2 * CHUNK);
    decommit(addr + page, CHUNK);
    commit(addr + page, CHUNK);
    assert_true(is_zero(addr + page, CHUNK));
    assert_int_equal(addr[page - 1], 1);
    assert_int_equal(addr[CHUNK + page], 1);
}

static void store_without_holes_keeps_the_pages(void **state)
{
    char *addr = reserve(CHUNK, CHUNK);

    (void)state;
    commit(addr, page);
    memset(addr, 1, page);
    fault_set(&punch_fault, EOPNOTSUPP, FAULT_ALWAYS);
    assert_int_equal(space_decommit(space, addr, page), -EOPNOTSUPP);
    assert_int_equal(addr[0], 1);
    assert_int_equal(space_decommit(space, addr, page), -EOPNOTSUPP);
    assert_int_equal(space_trim(space), 0);
    /* One call was enough. */
    assert_int_equal(punch_fault.calls, 1);
    assert_int_equal(file_space_held(space->fd), CHUNK);
    assert_int_equal(space_held(space), CHUNK);
    commit(addr + page, page);
}

/* A commit of two runs around a used one, where the n-th fallocate(2) and all after it fail. */
static void full_file_system_changes_nothing(void **state)
{
    bool failed = true;

    for (unsigned n = 0; failed; n++) {
        char *addr = reserve(2 * CHUNK, CHUNK);

        space->exact = true;
        commit(addr + 10 * page, page);
        commit(addr + 20 * page, page);
        fault_set(&allocate_fault, ENOSPC, FAULT_ALWAYS);
        allocate_fault.skip = n;
        space->exact = false;
        int err = space_commit(space, addr + 11 * page, 9 * page);
        failed = err != 0;
        if (failed) {
            assert_int_equal(err, -ENOSPC);
            assert_int_equal(space_held(space), 2 * page);
            assert_int_equal(space->ahead, 0);
        }
        assert_int_equal(file_space_held(space->fd), space_held(space));
        assert_true(n < 20);
        teardown(state);
        setup_file(state);
    }
}

/* -- At random --------------------------------------------------------------------------------- */

struct model {
    char *addr;
    size_t pages;
    bool used[8 * CHUNK / 4096];
};

static void model_write(struct model *model, size_t first, size_t count, bool value)
{
    for (size_t i = first; i < first + count; i++) {
        model->used[i] = value;
        if (value)
            model->addr[i * page] = (char)(i % 100 + 1);
    }
}

/* Returns how many pages from `first` on, up to `wanted`, are in the same state. */
static size_t model_run(const struct model *model, size_t first, size_t wanted)
{
    size_t count = 1;

    while (count < wanted && first + count < model->pages &&
           model->used[first + count] == model->used[first])
        count++;
    return count;
}

static void model_step(struct model *model, unsigned *seed)
{
    size_t first = (size_t)rand_r(seed) % model->pages;
    size_t count = model_run(model, first, 1 + (size_t)rand_r(seed) % 300);
    char *addr = model->addr + first * page;

    if (model->used[first]) {
        for (size_t i = first; i < first + count; i++)
            assert_int_equal(model->addr[i * page], (char)(i % 100 + 1));
        if (space_decommit(space, addr, count * page) == 0)
            model_write(model, first, count, false);
    } else if (space_commit(space, addr, count * page) == 0) {
        for (size_t i = first; i < first + count; i++)
            assert_int_equal(model->addr[i * page], 0);
        model_write(model, first, count, true);
    }
}

static size_t model_used(const struct model *models)
{
    size_t used = 0;

    for (size_t i = 0; i < REGIONS; i++)
        for (size_t at = 0; at < models[i].pages; at++)
            used += models[i].used[at];
    return used * page;
}

static void random_operations_agree_with_the_file(void **state)
{
    static struct model models[REGIONS];
    unsigned seed = SEED;
    bool exactly = on_tmpfs();

    (void)state;
    memset(models, 0, sizeof(models));
    space->max_size = 16 * CHUNK;
    for (size_t i = 0; i < REGIONS; i++) {
        models[i].pages = 1 + (size_t)rand_r(&seed) % (8 * CHUNK / page);
        models[i].addr = reserve(models[i].pages * page, CHUNK);
    }
    for (int i = 0; i < MODEL_ROUNDS; i++) {
        if (rand_r(&seed) % 100 == 0)
            space->exact = rand_r(&seed) % 2 == 0;
        if (rand_r(&seed) % 200 == 0)
            space_trim(space);
        if (rand_r(&seed) % 200 == 0)
            space->first_step = CHUNK >> rand_r(&seed) % (page > CHUNK >> 8 ? 6 : 9);
        /* Some calls of each sort fail. */
        fault_set(&allocate_fault, ENOSPC, rand_r(&seed) % 16 == 0);
        fault_set(&punch_fault, EIO, allocate_fault.times == 0 && rand_r(&seed) % 16 == 0);
        model_step(&models[(size_t)rand_r(&seed) % REGIONS], &seed);
        assert_true(space_held(space) <= space->max_size);
        assert_int_equal(space_held(space) - space->ahead, model_used(models));
        if (exactly)
            assert_int_equal(file_space_held(space->fd), space_held(space));
    }
    fault_set(&punch_fault, 0, 0);
    space_trim(space);
    assert_int_equal(space_held(space), model_used(models));
}

/* -- Threads ----------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    unsigned seed;
    char *addr;
    size_t failures;
};

static void run_workers(struct worker *workers, void *(*run)(void *), size_t size)
{
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.seed = SEED + i, .addr = reserve(size, CHUNK)};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

static void *commit_and_decommit(void *arg)
{
    struct worker *worker = arg;
    bool used[4] = {false};

    for (int i = 0; i < ROUNDS; i++) {
        size_t at = (size_t)rand_r(&worker->seed) % 4;
        char *addr = worker->addr + at * CHUNK;

        if (used[at])
            used[at] = space_decommit(space, addr, CHUNK) != 0;
        else
            used[at] = space_commit(space, addr, CHUNK) == 0;
        worker->failures += !used[at];
        if (space_held(space) > space->max_size)
            limit_was_passed = true;
    }
    return NULL;
}

static void threads_never_pass_the_limit(void **state)
{
    struct worker workers[THREADS];

    (void)state;
    space->max_size = 5 * CHUNK;
    run_workers(workers, commit_and_decommit, 4 * CHUNK);
    assert_false(limit_was_passed);
    assert_int_equal(space_held(space), store_held);
    assert_int_equal(space->ahead, 0);
}

static void *reserve_commit_return(void *arg)
{
    struct worker *worker = arg;

    for (int i = 0; i < ROUNDS / 10; i++) {
        size_t size = (1 + (size_t)rand_r(&worker->seed) % 4) * CHUNK;
        void *addr;

        if (space_reserve(space, size, CHUNK, &addr) != 0) {
            worker->failures++;
            continue;
        }
        if (space_commit(space, addr, page) == 0) {
            memset(addr, 1, page);
            worker->failures += space_decommit(space, addr, page) != 0;
        }
        space_trim(space);
        space_return(space, addr);
    }
    return NULL;
}

static void threads_share_the_file(void **state)
{
    struct worker workers[THREADS];

    (void)state;
    space->max_size = 16 * CHUNK;
    run_workers(workers, reserve_commit_return, CHUNK);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].failures, 0);
    assert_int_equal(space_held(space), 0);
    assert_int_equal(file_space_held(space->fd), 0);
}

/* One page of each thread is far below the limit, whatever other threads have ahead. */
static void *commit_one_page(void *arg)
{
    struct worker *worker = arg;

    for (int i = 0; i < ROUNDS; i++)
        if (space_commit(space, worker->addr, page) != 0 ||
            space_decommit(space, worker->addr, page) != 0)
            worker->failures++;
    return NULL;
}

static void threads_are_not_refused_for_what_is_ahead(void **state)
{
    struct worker workers[THREADS];

    (void)state;
    space->max_size = 2 * CHUNK;
    run_workers(workers, commit_one_page, CHUNK);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].failures, 0);
}

static char *wanted;               /* by the second thread */
static pthread_mutex_t *held_lock; /* of the region that is being trimmed */
static pthread_t second;
static int second_err;

static void *commit_while_another_trims(void *arg)
{
    (void)arg;
    awaited_lock = held_lock;
    second_err = space_commit(space, wanted, page);
    if (awaited_lock != NULL)
        sem_post(&waiting);
    return NULL;
}

/*
 * Called while pages that are ahead are being released: another thread reaches the limit too, and
 * waits for this one.
 */
static void start_second(void)
{
    during_release = NULL;
    assert_int_equal(pthread_create(&second, NULL, commit_while_another_trims, NULL), 0);
    while (sem_wait(&waiting) != 0)
        continue;
}

static void space_that_another_thread_trims_is_used(void **state)
{
    char *ahead = reserve(CHUNK, CHUNK);
    char *other = reserve(CHUNK, CHUNK);

    (void)state;
    wanted = reserve(CHUNK, CHUNK);
    for (struct region *region = space->regions; region != NULL; region = region->next)
        if (region->base == ahead)
            held_lock = &region->lock;
    assert_int_equal(sem_init(&waiting, 0, 0), 0);
    space->max_size = CHUNK;
    commit(ahead, page);
    during_release = start_second;
    commit(other, page);
    assert_int_equal(pthread_join(second, NULL), 0);
    sem_destroy(&waiting);
    assert_int_equal(second_err, 0);
}

int main(void)
{
    /* The address map's tables are mapped once in a process. */
    if (address_map_open(NULL, 0) != 0)
        return 1;
#define FAKE(name) cmocka_unit_test_setup_teardown(name, setup_fake, teardown)
#define REAL(name) cmocka_unit_test_setup_teardown(name, setup_file, teardown)
    const struct CMUnitTest tests[] = {
        FAKE(new_space_has_nothing),
        FAKE(no_lock_is_an_error),
        REAL(destroy_gives_everything_back),
        FAKE(reserve_takes_no_store),
        FAKE(regions_are_aligned_owned_and_apart),
        FAKE(regions_do_not_overlap),
        REAL(many_regions_are_few_maps),
        FAKE(few_addresses_are_used),
        FAKE(impossible_reservations_are_refused),
        FAKE(no_addresses_is_enomem),
        FAKE(no_memory_for_records_is_enomem),
        FAKE(no_lock_for_a_region_is_enomem),
        REAL(store_that_cannot_be_mapped_is_its_error),
        FAKE(no_file_is_ebadf),
        FAKE(regions_end_where_the_store_must),
        FAKE(returned_region_is_used_again),
        FAKE(returned_region_is_not_wasted_or_misaligned),
        FAKE(commit_takes_a_chunk),
        FAKE(new_space_begins_in_steps_below_a_chunk),
        FAKE(exact_space_commits_what_is_asked_for),
        FAKE(peak_chunks_and_purges_are_counted),
        FAKE(what_others_have_ahead_is_taken_at_the_limit),
        FAKE(block_of_max_size_fits),
        FAKE(full_space_is_known_without_trying),
        FAKE(full_store_is_its_error),
        FAKE(released_store_is_needed_first),
        FAKE(later_decommit_takes_what_failed_with_it),
        FAKE(closing_space_releases_nothing),
        REAL(committed_pages_are_zero_again),
        REAL(store_without_holes_keeps_the_pages),
        REAL(full_file_system_changes_nothing),
        REAL(random_operations_agree_with_the_file),
        FAKE(threads_never_pass_the_limit),
        REAL(threads_share_the_file),
        FAKE(threads_are_not_refused_for_what_is_ahead),
        FAKE(space_that_another_thread_trims_is_used),
    };

    static const long page_sizes[] = PAGE_SIZES;
    int failed = 0;

    for (size_t i = 0; i < sizeof(page_sizes) / sizeof(page_sizes[0]) && failed == 0; i++) {
        pretended_page = page_sizes[i];
        if (pretended_page >= __real_sysconf(_SC_PAGESIZE))
            failed = cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
