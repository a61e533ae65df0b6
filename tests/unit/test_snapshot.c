/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the copy of a space for the child of a fork. No process forks here: space_snapshot_end()
 * does in this process what it would do in the child or the parent.
 */
/* WRAP: openat fallocate ftruncate pwrite mmap mprotect memfd_create fstat fstatfs */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/directory.h"
#include "space/address_map.h"
#include "space/snapshot.h"
#include "store/file_space.h"
#include "store/file_store.h"
#include "support/faults.h"
#include "support/leftovers.h"
#include "util/lock.h"

#define CHUNK  SPACE_CHUNK
#define OWNER  (ADDRESS_MAP_FIRST_OWNER + 2u)
#define BLOCKS 4

#define FILE_OVERHEAD ((size_t)64 << 10)

static struct space *space;
static struct leftovers before;
static char dir_path[TEST_DIR_PATH_SIZE];
static char *blocks[BLOCKS];
static struct fault openat_fault;
static struct fault allocate_fault;
static struct fault extend_fault;
static struct fault write_fault;
static struct fault memory_fault; /* of memfd_create(2) */
static struct fault size_fault;   /* of fstat(2) */
static struct fault map_fault;
static struct fault bar_fault;     /* of mprotect(2) */
static struct fault replace_fault; /* of maps that replace others */
static size_t short_write;         /* most bytes of one write; 0: all */
static bool pretend_disk;          /* fstatfs(2) returns a disk's file system */

int __real_openat(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
ssize_t __real_pwrite(int fd, const void *buffer, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *buffer, size_t size, off_t offset);
void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_mprotect(void *addr, size_t size, int protection);
int __wrap_mprotect(void *addr, size_t size, int protection);
int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
int __real_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs);

int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    return fault_hits(&openat_fault) ? -1 : __real_openat(dirfd, path, flags, mode);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    return fault_hits(&allocate_fault) ? -1 : __real_fallocate(fd, mode, offset, size);
}

int __wrap_ftruncate(int fd, off_t size)
{
    return fault_hits(&extend_fault) ? -1 : __real_ftruncate(fd, size);
}

ssize_t __wrap_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    if (fault_hits(&write_fault))
        return write_fault.error == 0 ? 0 : -1;
    return __real_pwrite(fd, buffer, short_write != 0 && size > short_write ? short_write : size,
                         offset);
}

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fd >= 0 && fault_hits(&map_fault))
        return MAP_FAILED;
    if (fd < 0 && (flags & MAP_FIXED) != 0 && fault_hits(&replace_fault))
        return MAP_FAILED;
    return __real_mmap(addr, size, protection, flags, fd, offset);
}

int __wrap_mprotect(void *addr, size_t size, int protection)
{
    return fault_hits(&bar_fault) ? -1 : __real_mprotect(addr, size, protection);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
    return fault_hits(&memory_fault) ? -1 : __real_memfd_create(name, flags);
}

int __wrap_fstat(int fd, struct stat *status)
{
    return fault_hits(&size_fault) ? -1 : __real_fstat(fd, status);
}

int __wrap_fstatfs(int fd, struct statfs *fs)
{
    int result = __real_fstatfs(fd, fs);

    if (pretend_disk)
        fs->f_type = 0;
    return result;
}

static void clear_faults(void)
{
    openat_fault = allocate_fault = extend_fault = (struct fault){0};
    write_fault = map_fault = bar_fault = replace_fault = (struct fault){0};
    memory_fault = size_fault = (struct fault){0};
    short_write = 0;
}

static size_t size_of(size_t i)
{
    return i % 2 == 0 ? 3 * space->page : 2 * CHUNK + space->page;
}

/* Allocates blocks in regions of their own. The odd ones have a hole. */
static void make_blocks(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        void *addr;

        assert_int_equal(space_reserve(space, 3 * CHUNK, CHUNK, &addr), 0);
        assert_int_equal(space_commit(space, addr, size_of(i)), 0);
        memset(addr, 'a' + (int)i, size_of(i));
        if (i % 2 == 1)
            assert_int_equal(space_decommit(space, (char *)addr + CHUNK, 5 * space->page), 0);
        blocks[i] = addr;
    }
}

/* state: true if the file is to look like one on a disk. */
static int setup(void **state)
{
    struct directory *directory;

    clear_faults();
    pretend_disk = *state != NULL;
    test_dir_make(dir_path);
    leftovers_take(&before, dir_path);
    space = file_store_create(OWNER);
    assert_non_null(space);
    space->always_copies = true;
    assert_int_equal(directory_open(dir_path, &directory), 0);
    assert_int_equal(file_store_open(space, directory), 0);
    make_blocks();
    pretend_disk = false;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clear_faults();
    space_destroy(space);
    leftovers_check(&before);
    test_dir_remove(dir_path);
    return 0;
}

static bool is_as_made(size_t i)
{
    char *at = blocks[i];
    char *end = at + size_of(i);

    for (; at < end; at++) {
        size_t offset = (size_t)(at - blocks[i]);
        bool hole = i % 2 == 1 && offset >= CHUNK && offset < CHUNK + 5 * space->page;

        if (!hole && *at != 'a' + (int)i)
            return false;
    }
    return true;
}

/* Checks that the file holds what is accounted for, and the file system's extents. */
static void check_account(void)
{
    assert_in_range(file_space_held(space->fd), space_held(space),
                    space_held(space) + FILE_OVERHEAD);
}

/* Checks that pages can be committed and released, and that the account is right. */
static void check_use(void)
{
    for (size_t hole = 1; hole < BLOCKS; hole += 2) {
        assert_int_equal(space_commit(space, blocks[hole] + CHUNK, 5 * space->page), 0);
        for (size_t i = 0; i < 5 * space->page; i++)
            assert_int_equal(blocks[hole][CHUNK + i], 0);
    }
    check_account();
    space_trim(space);
    check_account();
    for (size_t i = 0; i < BLOCKS; i++)
        assert_int_equal(space_decommit(space, blocks[i], size_of(i)), 0);
    assert_int_equal(space_held(space), 0);
    check_account();
}

static void child_has_a_copy(void **state)
{
    int original = dup(space->fd);
    size_t held = space_held(space);
    char byte = 0;

    (void)state;
    assert_false(space_snapshot_is_enabled(space));
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    space_snapshot_end(space, true);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_COPY);
    assert_true(space->copied);
    assert_int_equal(space_held(space), held);
    check_account();
    for (size_t i = 0; i < BLOCKS; i++)
        assert_true(is_as_made(i));
    blocks[0][0] = 'x';
    assert_int_equal(pread(original, &byte, 1, 0), 1);
    assert_int_equal(byte, 'a');
    close(original);
    check_use();
}

static void parent_keeps_its_own(void **state)
{
    int fd = space->fd;

    (void)state;
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    space_snapshot_end(space, false);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_COPY);
    assert_false(space->copied);
    assert_int_equal(space->fd, fd);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_true(is_as_made(i));
    check_use();
}

/* A space for which copies were enabled since the first call: its locks are not held. */
static void enabled_during_a_fork(void **state)
{
    (void)state;
    assert_int_equal(lock_depth, 0);
    space_snapshot_begin(space);
    assert_int_equal(lock_depth, 0);
    assert_false(space_snapshot_is_made(space));
    space_snapshot_end(space, false);
    assert_int_equal(lock_depth, 0);
    space_snapshot_end(space, true);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_NONE);
    check_use();
}

static void writes_in_pieces(void **state)
{
    (void)state;
    short_write = 5000;
    write_fault = (struct fault){.error = EINTR, .skip = 3, .times = 4};
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    space_snapshot_end(space, true);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_COPY);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_true(is_as_made(i));
    check_use();
}

/* Returns the status of a child that reads one of its parent's blocks. */
static int status_of_reader(void)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        _exit(*(volatile char *)blocks[0]);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* -- Copies in DRAM ---------------------------------------------------------------------------- */

static void check_is_in_dram(void)
{
    char link[32];
    char target[64] = "";

    snprintf(link, sizeof(link), "/proc/self/fd/%d", space->fd);
    assert_true(readlink(link, target, sizeof(target) - 1) > 0);
    assert_non_null(strstr(target, "/memfd:memkind"));
    assert_int_equal(fcntl(space->fd, F_GETFD), FD_CLOEXEC);
    assert_true(file_space_of(space)->in_memory);
    assert_false(space->chunk_steps);
}

/* The child of a process that can create no files in the directory, and that child's child. */
static void copy_where_no_file_can_be_made(void **state)
{
    static const int errors[] = {EACCES, EPERM, EROFS, ENOENT, ENOTDIR, ESTALE};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_set(&openat_fault, errors[i], FAULT_ALWAYS);
        space_snapshot_hold(space);
        space_snapshot_begin(space);
        space_snapshot_end(space, true);
        assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_COPY);
        assert_true(space->copied);
        check_is_in_dram();
        check_account();
        /* In the middle of the file, which is not truncated. */
        assert_int_equal(space_commit(space, blocks[1] + CHUNK, 5 * space->page), 0);
        assert_int_equal(space_decommit(space, blocks[1] + CHUNK, 5 * space->page), 0);
        for (size_t k = 0; k < BLOCKS; k++)
            assert_true(is_as_made(k));
    }
    check_use();
    make_blocks();
    /* And beyond its end. */
    check_account();
    clear_faults();
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    space_snapshot_end(space, true);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_COPY);
    assert_int_equal(memory_fault.calls, 0);
    for (size_t k = 0; k < BLOCKS; k++)
        assert_true(is_as_made(k));
    check_use();
}

/* Checks the result of a failure with this fault, which the parent does not notice. */
static void check_failure(struct fault *fault, int error, unsigned skip)
{
    clear_faults();
    *fault = (struct fault){.error = error, .skip = skip, .times = FAULT_ALWAYS};
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_FAILED);
    space_snapshot_end(space, false);
    clear_faults();
    for (size_t i = 0; i < BLOCKS; i++)
        assert_true(is_as_made(i));
    assert_false(space->copied);
}

static void each_call_fails(void **state)
{
    (void)state;
    check_failure(&openat_fault, EMFILE, 0);
    check_failure(&allocate_fault, ENOSPC, 0);
    check_failure(&allocate_fault, EDQUOT, 2);
    check_failure(&write_fault, EIO, 0);
    check_failure(&write_fault, ENOSPC, 3);
    /* A write of 0 bytes. */
    check_failure(&write_fault, 0, 1);
    if (file_space_of(space)->file_size != 0)
        check_failure(&extend_fault, EFBIG, 0);
    check_use();
}

/* Without space or a descriptor, no copy in memory is tried. */
static void failures_that_memory_does_not_cure(void **state)
{
    static const int errors[] = {ENOSPC, EDQUOT, EMFILE, ENFILE};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_set(&openat_fault, errors[i], FAULT_ALWAYS);
        space_snapshot_hold(space);
        space_snapshot_begin(space);
        assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_FAILED);
        space_snapshot_end(space, false);
        assert_int_equal(memory_fault.calls, 0);
    }
    fault_set(&openat_fault, EACCES, FAULT_ALWAYS);
    /* The spare descriptor does not help either. */
    fault_set(&memory_fault, EMFILE, 2);
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_FAILED);
    space_snapshot_end(space, false);
    assert_int_equal(memory_fault.calls, 2);
    check_use();
}

static void child_without_a_copy_reads_nothing(void **state)
{
    (void)state;
    fault_set(&openat_fault, EMFILE, FAULT_ALWAYS);
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    space_snapshot_end(space, true);
    assert_false(space->copied);
    int status = status_of_reader();
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* The copy exists, but cannot be mapped. */
static void copy_that_cannot_be_mapped(void **state)
{
    (void)state;
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_COPY);
    fault_set(&map_fault, ENOMEM, FAULT_ALWAYS);
    space_snapshot_end(space, true);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_FAILED);
    assert_false(space->copied);
    int status = status_of_reader();
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* If no other number is free, the copy gets the spare one. */
static void spare_number_is_the_copys(void **state)
{
    (void)state;
    assert_int_equal(file_space_of(space)->spare_fd, -1);
    space_snapshot_enable(space, true);
    int spare = file_space_of(space)->spare_fd;
    assert_true(spare > STDERR_FILENO && spare != space->fd);
    fault_set(&openat_fault, EMFILE, 1);
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_COPY);
    assert_int_equal(file_space_of(space)->spare_fd, -1);
    space_snapshot_end(space, false);
    assert_int_equal(file_space_of(space)->spare_fd, spare);
    /* In the child, the spare number belongs to the copy. */
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    space_snapshot_end(space, true);
    assert_true(descriptor_is(file_space_of(space)->spare_fd, &file_space_of(space)->copy));
    /* The program has closed all descriptors, and its own files have the numbers. */
    int own = memfd_create("program", MFD_CLOEXEC);
    int taken = file_space_of(space)->spare_fd;
    assert_int_equal(dup2(own, taken), taken);
    fault_set(&openat_fault, EMFILE, FAULT_ALWAYS);
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_FAILED);
    space_snapshot_end(space, false);
    assert_true(fcntl(taken, F_GETFD) >= 0);
    assert_int_not_equal(file_space_of(space)->spare_fd, taken);
    close(taken);
    close(own);
}

/* The length of the copy is unknown too. */
static void copy_that_cannot_be_measured(void **state)
{
    (void)state;
    fault_set(&openat_fault, EACCES, FAULT_ALWAYS);
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    fault_set(&size_fault, EIO, FAULT_ALWAYS);
    space_snapshot_end(space, true);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_FAILED);
    int status = status_of_reader();
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/*
 * A child without a copy whose protection cannot be changed: the blocks are barred in another way.
 */
static void access_that_cannot_be_barred(void **state)
{
    (void)state;
    fault_set(&openat_fault, EMFILE, FAULT_ALWAYS);
    fault_set(&bar_fault, ENOMEM, FAULT_ALWAYS);
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    space_snapshot_end(space, true);
    assert_true(bar_fault.calls > 0);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_FAILED);
    assert_false(space->copied);
    int status = status_of_reader();
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* Without that other way, the child ends before it can read. */
static void access_that_nothing_bars(void **state)
{
    int status;

    (void)state;
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        fault_set(&map_fault, ENOMEM, FAULT_ALWAYS);
        fault_set(&bar_fault, ENOMEM, FAULT_ALWAYS);
        fault_set(&replace_fault, ENOMEM, FAULT_ALWAYS);
        space_snapshot_end(space, true);
        _exit(0);
    }
    space_snapshot_end(space, false);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_true(is_as_made(i));
    check_use();
}

/* A store that does not support copies. */
static void store_without_copies(void **state)
{
    static struct store_ops store;

    (void)state;
    store = *space->store;
    store.copy = NULL;
    space->store = &store;
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    space_snapshot_end(space, false);
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_FAILED);
    check_use();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(child_has_a_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(parent_keeps_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(enabled_during_a_fork, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_where_no_file_can_be_made, setup, teardown),
        {"copy_where_no_file_can_be_made, on disk", copy_where_no_file_can_be_made, setup, teardown,
         &pretend_disk},
        cmocka_unit_test_setup_teardown(each_call_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_that_memory_does_not_cure, setup, teardown),
        cmocka_unit_test_setup_teardown(child_without_a_copy_reads_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_that_cannot_be_mapped, setup, teardown),
        cmocka_unit_test_setup_teardown(spare_number_is_the_copys, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_that_cannot_be_measured, setup, teardown),
        cmocka_unit_test_setup_teardown(access_that_cannot_be_barred, setup, teardown),
        cmocka_unit_test_setup_teardown(access_that_nothing_bars, setup, teardown),
        cmocka_unit_test_setup_teardown(store_without_copies, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
