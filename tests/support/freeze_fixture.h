/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A space over a file, with blocks, that forks freeze. Processes fork here, with what the library's
 * handlers do around a fork. Each system call of freezing and thawing can fail. Include once.
 */
/* WRAP: openat open fallocate mmap mprotect pwrite pread fstat shmget madvise ioctl */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/directory.h"
#include "os/holders.h"
#include "os/late_unmap.h"
#include "os/threads.h"
#include "space/address_map.h"
#include "space/freeze.h"
#include "space/freeze_maps.h"
#include "space/snapshot.h"
#include "space/space.h"
#include "space/thaw.h"
#include "store/file_store.h"
#include "support/faults.h"
#include "support/gate.h"
#include "support/leftovers.h"

#define CHUNK         SPACE_CHUNK
#define SKIPPED       77
#define OWNER         (ADDRESS_MAP_FIRST_OWNER + 2u)
#define BLOCKS        4
#define FILE_OVERHEAD ((size_t)64 << 10)
/* For children: ends the process with an error if the condition is false. */
#define NEED(condition)    \
    do {                   \
        if (!(condition))  \
            die(__LINE__); \
    } while (0)

int __real_openat(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_mprotect(void *addr, size_t size, int protection);
int __wrap_mprotect(void *addr, size_t size, int protection);
ssize_t __real_pwrite(int fd, const void *buffer, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *buffer, size_t size, off_t offset);
ssize_t __real_pread(int fd, void *buffer, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t offset);
int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
int __real_shmget(key_t key, size_t size, int flags);
int __wrap_shmget(key_t key, size_t size, int flags);
int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

/* -- Set-up ------------------------------------------------------------------------------------ */

/* The thread sanitizer reports a new mapping as a write, and has a thread of its own. */
#ifdef __SANITIZE_THREAD__
#    define SANITIZED true
#else
#    define SANITIZED false
#endif

static struct space *space;
static struct leftovers before;
static char dir_path[TEST_DIR_PATH_SIZE];
static char *blocks[BLOCKS];
static struct fault create_fault;   /* of openat(2) */
static struct fault open_fault;     /* of open(2) */
static struct fault allocate_fault; /* of fallocate(2) */
static struct fault list_fault;     /* of mmap(2) of anonymous memory */
static struct fault private_fault;  /* of private mappings of files */
static struct fault shared_fault;   /* of shared ones */
static struct fault protect_fault;
static struct fault write_fault;
static struct fault read_fault;
static void (*write_hook)(void); /* after each pwrite(2) */
static struct fault stat_fault;
static struct fault holders_fault;
static struct fault advise_fault;
static struct fault map_fault;                 /* of queries of maps by ioctl(2) */
static enum freeze_maps_detail fork_used_maps; /* which maps the last fork has read */

int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    return fault_hits(&create_fault) ? -1 : __real_openat(dirfd, path, flags, mode);
}

int __wrap_open(const char *path, int flags, ...)
{
    return fault_hits(&open_fault) ? -1 : __real_open(path, flags);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    return fault_hits(&allocate_fault) ? -1 : __real_fallocate(fd, mode, offset, size);
}

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    struct fault *fault = fd < 0                       ? &list_fault
                          : (flags & MAP_PRIVATE) != 0 ? &private_fault
                                                       : &shared_fault;

    return fault_hits(fault) ? MAP_FAILED : __real_mmap(addr, size, protection, flags, fd, offset);
}

int __wrap_mprotect(void *addr, size_t size, int protection)
{
    return fault_hits(&protect_fault) ? -1 : __real_mprotect(addr, size, protection);
}

ssize_t __wrap_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    ssize_t written = fault_hits(&write_fault) ? -1 : __real_pwrite(fd, buffer, size, offset);

    if (write_hook != NULL)
        write_hook();
    return written;
}

ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t offset)
{
    return fault_hits(&read_fault) ? -1 : __real_pread(fd, buffer, size, offset);
}

int __wrap_fstat(int fd, struct stat *status)
{
    return fault_hits(&stat_fault) ? -1 : __real_fstat(fd, status);
}

int __wrap_shmget(key_t key, size_t size, int flags)
{
    return fault_hits(&holders_fault) ? -1 : __real_shmget(key, size, flags);
}

int __wrap_madvise(void *addr, size_t size, int advice)
{
    return fault_hits(&advise_fault) ? -1 : __real_madvise(addr, size, advice);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list list;

    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    return fault_hits(&map_fault) ? -1 : __real_ioctl(fd, request, argument);
}

static inline void clear_faults(void)
{
    write_hook = NULL;
    create_fault = open_fault = allocate_fault = list_fault = (struct fault){0};
    private_fault = shared_fault = protect_fault = write_fault = (struct fault){0};
    read_fault = stat_fault = holders_fault = advise_fault = (struct fault){0};
    map_fault = (struct fault){0};
}

static inline void die(int line)
{
    dprintf(STDERR_FILENO, "line %d\n", line);
    _exit(1);
}

static inline size_t size_of(size_t i)
{
    return i % 2 == 0 ? 3 * space->page : 2 * CHUNK + space->page;
}

static inline void fill(char with)
{
    for (size_t i = 0; i < BLOCKS; i++)
        memset(blocks[i], with + (int)i, size_of(i));
}

static inline bool is_filled(char with)
{
    for (size_t i = 0; i < BLOCKS; i++)
        for (size_t k = 0; k < size_of(i); k++)
            if (blocks[i][k] != with + (int)i)
                return false;
    return true;
}

static inline void *reserve(size_t size)
{
    void *addr;

    assert_int_equal(space_reserve(space, size, CHUNK, &addr), 0);
    return addr;
}

static inline int setup(void **state)
{
    struct directory *directory;

    (void)state;
    clear_faults();
    test_dir_make(dir_path);
    leftovers_take(&before, dir_path);
    space = file_store_create(OWNER);
    assert_non_null(space);
    assert_int_equal(directory_open(dir_path, &directory), 0);
    assert_int_equal(file_store_open(space, directory), 0);
    space_snapshot_enable(space, false);
    atomic_store(&space->exact, true);
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = reserve(3 * CHUNK);
        assert_int_equal(space_commit(space, blocks[i], size_of(i)), 0);
    }
    fill('a');
    clear_faults();
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    clear_faults();
    space_destroy(space);
    leftovers_check(&before);
    test_dir_remove(dir_path);
    return 0;
}

/* -- Forks ------------------------------------------------------------------------------------- */

static inline pid_t fork_space(void)
{
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    fork_used_maps = freeze_maps.detail;
    freeze_maps_forget();
    pid_t child = fork();
    if (child == 0) {
        clear_faults();
        holders_after_fork();
        late_unmap_after_fork();
        threads_after_fork();
        thaw_after_fork();
    }
    space_snapshot_end(space, child == 0);
    if (child == 0)
        space_adopt(space);
    return child;
}

static inline void check_child(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Whether this kernel finds maps by queries (Linux 6.11). */
static inline bool has_queries(void)
{
    pid_t child = fork_space();

    if (child == 0)
        _exit(0);
    check_child(child);
    bool has = fork_used_maps == MAPS_WRITABLE;
    thaw_all(space, true);
    return has;
}

/* How often a fork opens the list of maps if the program has set nothing. */
static inline unsigned opens_of_plain_list(void)
{
    return has_queries() ? 1 : 2;
}

/* In a process whose file is its alone: it holds what is accounted for. */
static inline void check_account(void)
{
    assert_in_range(file_space_held(space->fd), space_held(space),
                    space_held(space) + FILE_OVERHEAD);
}

static inline void check_thawed(void)
{
    assert_int_equal(atomic_load(&space->frozen), 0);
    assert_null(space->holders);
    check_account();
}

/* The file has what the blocks have. */
static inline void check_file(void)
{
    static char text[2 * SPACE_CHUNK + 65536];

    for (size_t i = 0; i < BLOCKS; i++) {
        off_t offset = (off_t)(i * 3 * CHUNK);

        assert_int_equal(__real_pread(space->fd, text, size_of(i), offset), size_of(i));
        assert_memory_equal(text, blocks[i], size_of(i));
    }
}

static inline int protection_of(const char *addr)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], letters[5] = "";
    unsigned long first, end;
    int protection = -1;

    while (protection < 0 && fgets(line, sizeof(line), maps) != NULL)
        if (sscanf(line, "%lx-%lx %4s", &first, &end, letters) == 3 && (uintptr_t)addr >= first &&
            (uintptr_t)addr < end)
            protection = (letters[0] == 'r' ? PROT_READ : 0) |
                         (letters[1] == 'w' ? PROT_WRITE : 0) | (letters[2] == 'x' ? PROT_EXEC : 0);
    fclose(maps);
    return protection;
}

static inline void freeze_and_write(void)
{
    pid_t child = fork_space();

    if (child == 0)
        _exit(0);
    check_child(child);
    fill('b');
}

/* What cannot be written or mapped stays frozen, and nothing is lost. */
static inline void check_stays_frozen(struct fault *fault, int error, unsigned skip)
{
    clear_faults();
    freeze_and_write();
    *fault = (struct fault){.error = error, .skip = skip, .times = FAULT_ALWAYS};
    thaw_all(space, true);
    clear_faults();
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    assert_true(is_filled('b'));
    fill('c');
    thaw_all(space, true);
    check_thawed();
    assert_true(is_filled('c'));
    check_file();
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
