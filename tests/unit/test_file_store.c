/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of spaces over a file: who owns the directory, what is mapped, and the error of each
 * failing system call.
 */
/* WRAP: openat open fallocate fstatvfs madvise ftruncate fstatfs fstat */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/directory.h"
#include "os/memory_room.h"
#include "os/tmpfile.h"
#include "space/address_map.h"
#include "store/file_space.h"
#include "store/file_store.h"
#include "support/fake_calloc.h"
#include "support/fake_mmap.h"
#include "support/fake_mutex.h"
#include "support/faults.h"
#include "support/leftovers.h"
#include "support/page_size.h"

#define CHUNK SPACE_CHUNK
#define OWNER (ADDRESS_MAP_FIRST_OWNER + 2u)

static struct space *space;
static struct directory *directory;
static struct leftovers before;
static char dir_path[TEST_DIR_PATH_SIZE];
static struct fault openat_fault;
static struct fault allocate_fault;
static struct fault remove_fault; /* of a hole made through the mapping */
static struct fault punch_fault;  /* of a hole made through the descriptor */
static struct fault fstatvfs_fault;
static struct fault populate_fault;
static struct fault extend_fault;
static struct fault fstatfs_fault;
static struct fault fstat_fault;
static struct fault again_fault; /* of open(2) when the file is reopened */
static bool pretend_tmpfs;       /* fstatfs(2) returns tmpfs */
static bool populates_in_vain;   /* madvise(2) succeeds without effect for MADV_POPULATE_WRITE, */
static bool ignores_advice;      /* and for all advice */
static const struct statvfs *fake_statvfs;

int __real_openat(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __real_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs);
int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_fstatvfs(int fd, struct statvfs *fs);
int __wrap_fstatvfs(int fd, struct statvfs *fs);

int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    return fault_hits(&openat_fault) ? -1 : __real_openat(dirfd, path, flags, mode);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    bool punches = (mode & FALLOC_FL_PUNCH_HOLE) != 0;

    return fault_hits(punches ? &punch_fault : &allocate_fault)
               ? -1
               : __real_fallocate(fd, mode, offset, size);
}

int __wrap_madvise(void *addr, size_t size, int advice)
{
    if (advice == MADV_POPULATE_WRITE && fault_hits(&populate_fault))
        return -1;
    if (advice == MADV_REMOVE && fault_hits(&remove_fault))
        return -1;
    if ((advice == MADV_POPULATE_WRITE && populates_in_vain) || ignores_advice)
        return 0;
    return __real_madvise(addr, size, advice);
}

int __wrap_ftruncate(int fd, off_t size)
{
    return fault_hits(&extend_fault) ? -1 : __real_ftruncate(fd, size);
}

int __wrap_fstatfs(int fd, struct statfs *fs)
{
    if (fault_hits(&fstatfs_fault))
        return -1;
    int result = __real_fstatfs(fd, fs);
    if (pretend_tmpfs)
        fs->f_type = TMPFS_MAGIC;
    return result;
}

int __wrap_fstat(int fd, struct stat *status)
{
    return fault_hits(&fstat_fault) ? -1 : __real_fstat(fd, status);
}

int __wrap_open(const char *path, int flags, ...)
{
    if ((flags & O_PATH) == 0 && fault_hits(&again_fault))
        return -1;
    return __real_open(path, flags);
}

int __wrap_fstatvfs(int fd, struct statvfs *fs)
{
    if (fault_hits(&fstatvfs_fault))
        return -1;
    if (fake_statvfs == NULL)
        return __real_fstatvfs(fd, fs);
    *fs = *fake_statvfs;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    openat_fault = allocate_fault = remove_fault = punch_fault = file_map_fault = fstatvfs_fault =
        (struct fault){0};
    populate_fault = extend_fault = fstatfs_fault = (struct fault){0};
    fstat_fault = again_fault = calloc_fault = mutex_fault = (struct fault){0};
    pretend_tmpfs = true;
    populates_in_vain = false;
    fake_statvfs = NULL;
    test_dir_make(dir_path);
    leftovers_take(&before, dir_path);
    space = file_store_create(OWNER);
    assert_non_null(space);
    return directory_open(dir_path, &directory);
}

static int teardown(void **state)
{
    (void)state;
    space_destroy(space);
    leftovers_check(&before);
    test_dir_remove(dir_path);
    return 0;
}

static void open_file(void)
{
    assert_int_equal(file_store_open(space, directory), 0);
}

static char *committed(size_t size)
{
    void *addr;

    assert_int_equal(space_reserve(space, size, CHUNK, &addr), 0);
    assert_int_equal(space_commit(space, addr, size), 0);
    return addr;
}

static void space_that_cannot_be_made_is_null(void **state)
{
    (void)state;
    fault_set(&calloc_fault, ENOMEM, 1);
    assert_null(file_store_create(OWNER));
    for (unsigned lock = 0; lock < 2; lock++) {
        mutex_fault = (struct fault){.error = EAGAIN, .skip = lock, .times = 1};
        assert_null(file_store_create(OWNER));
    }
    directory_close(directory);
}

static void opened_space_owns_file_and_directory(void **state)
{
    (void)state;
    open_file();
    assert_true(space->fd >= 0);
    assert_ptr_equal(file_space_of(space)->directory, directory);
    assert_string_equal(space->path, dir_path);
    assert_int_equal(file_space_held(space->fd), 0);
}

static void directory_stays_the_callers_on_failure(void **state)
{
    (void)state;
    fault_set(&openat_fault, EMFILE, FAULT_ALWAYS);
    assert_int_equal(file_store_open(space, directory), -EMFILE);
    assert_int_equal(space->fd, -1);
    assert_null(file_space_of(space)->directory);
    assert_null(space->path);
    /* If the space had not closed it, this would be one close too many. */
    directory_close(directory);
}

/* A file that cannot be identified or mapped could not be told from others. */
static void file_that_cannot_be_known_is_not_opened(void **state)
{
    (void)state;
    /* The first call queries the directory. */
    fstat_fault = (struct fault){.error = EIO, .skip = 1, .times = 1};
    assert_int_equal(file_store_open(space, directory), -EIO);
    fault_set(&file_map_fault, ENODEV, 1);
    assert_int_equal(file_store_open(space, directory), -ENODEV);
    assert_int_equal(space->fd, -1);
    assert_null(file_space_of(space)->directory);
    directory_close(directory);
}

static void segment_is_the_file(void **state)
{
    char byte;

    (void)state;
    open_file();
    char *addr = committed(2 * CHUNK);
    addr[CHUNK + 5] = 'x';
    assert_int_equal(pread(space->fd, &byte, 1, (off_t)CHUNK + 5), 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(file_space_held(space->fd), 2 * CHUNK);
    assert_int_equal(space_decommit(space, addr + CHUNK, CHUNK), 0);
    assert_int_equal(file_space_held(space->fd), CHUNK);
    assert_int_equal(pread(space->fd, &byte, 1, (off_t)CHUNK + 5), 1);
    assert_int_equal(byte, 0);
}

static void without_a_file_nothing_is_mapped(void **state)
{
    void *addr;

    (void)state;
    assert_int_equal(space_reserve(space, 1, 1, &addr), -EBADF);
    directory_close(directory);
}

static void errors_are_those_of_the_calls(void **state)
{
    void *addr;

    (void)state;
    open_file();
    fault_set(&file_map_fault, EPERM, 1);
    assert_int_equal(space_reserve(space, 1, 1, &addr), -EPERM);
    char *block = committed(CHUNK);
    fault_set(&remove_fault, EACCES, 1);
    fault_set(&punch_fault, ENOSYS, 1);
    assert_int_equal(space_decommit(space, block, CHUNK), -EOPNOTSUPP);
    assert_int_equal(space_reserve(space, CHUNK, CHUNK, &addr), 0);
    fault_set(&populate_fault, EINVAL, FAULT_ALWAYS);
    fault_set(&allocate_fault, EDQUOT, FAULT_ALWAYS);
    assert_int_equal(space_commit(space, addr, CHUNK), -EDQUOT);
    assert_int_equal(space_held(space), CHUNK);
}

/* As under a filter of system calls that refuses fallocate(2). */
static void space_comes_and_goes_without_fallocate(void **state)
{
    static const int errors[] = {ENOSYS, EPERM};

    (void)state;
    open_file();
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_set(&allocate_fault, errors[i], FAULT_ALWAYS);
        fault_set(&punch_fault, errors[i], FAULT_ALWAYS);
        fault_set(&populate_fault, EINVAL, FAULT_ALWAYS);
        char *addr = committed(2 * CHUNK);
        assert_int_equal(file_space_held(space->fd), 2 * CHUNK);
        memset(addr, 'x', 2 * CHUNK);
        assert_int_equal(space_decommit(space, addr, 2 * CHUNK), 0);
        assert_int_equal(file_space_held(space->fd), 0);
        assert_int_equal(space_commit(space, addr, CHUNK), 0);
        assert_int_equal(addr[0], 0);
        assert_int_equal(addr[CHUNK - 1], 0);
        assert_int_equal(space_decommit(space, addr, CHUNK), 0);
    }
    assert_int_equal(space_held(space), 0);
}

/* As under qemu-user. Released memory must read as zero. */
static void space_goes_where_advice_is_ignored(void **state)
{
    (void)state;
    open_file();
    ignores_advice = true;
    char *addr = committed(2 * CHUNK);
    memset(addr, 'x', 2 * CHUNK);
    assert_int_equal(space_decommit(space, addr, 2 * CHUNK), 0);
    assert_int_equal(file_space_held(space->fd), 0);
    assert_int_equal(space_commit(space, addr, CHUNK), 0);
    assert_int_equal(addr[0], 0);
    assert_int_equal(addr[CHUNK - 1], 0);
    assert_int_equal(space_decommit(space, addr, CHUNK), 0);
    ignores_advice = false;
}

/* -- Descriptors that the program has closed --------------------------------------------------- */

/* Gives the space's descriptor number to a file of the program. */
static int take_number(void)
{
    int fd = memfd_create("program", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "text", 4, 0), 4);
    assert_int_equal(dup2(fd, space->fd), space->fd);
    close(fd);
    return space->fd;
}

/* The program's file is unchanged and open. */
static void check_untouched(int fd)
{
    struct stat status;
    char text[4];

    assert_int_equal(__real_fstat(fd, &status), 0);
    assert_int_equal(status.st_size, 4);
    assert_int_equal(pread(fd, text, 4, 0), 4);
    assert_memory_equal(text, "text", 4);
    assert_int_equal(close(fd), 0);
}

static void file_is_opened_again(void **state)
{
    (void)state;
    open_file();
    char *addr = committed(CHUNK);
    addr[0] = 'x';
    int taken = take_number();
    if (file_space_fd(file_space_of(space)) < 0) {
        check_untouched(taken);
        skip();
    }
    assert_int_not_equal(space->fd, taken);
    char *more = committed(3 * CHUNK);
    more[3 * CHUNK - 1] = 'y';
    assert_int_equal(file_space_held(space->fd), 4 * CHUNK);
    assert_int_equal(space_decommit(space, more, 3 * CHUNK), 0);
    assert_int_equal(file_space_held(space->fd), CHUNK);
    assert_int_equal(addr[0], 'x');
    check_untouched(taken);
}

/* Before anything is mapped except the page that identifies the file. */
static void file_without_a_segment_is_opened_again(void **state)
{
    (void)state;
    open_file();
    int taken = take_number();
    if (file_space_fd(file_space_of(space)) < 0) {
        check_untouched(taken);
        skip();
    }
    committed(CHUNK)[0] = 'x';
    assert_int_equal(file_space_held(space->fd), CHUNK);
    check_untouched(taken);
}

/* Without the privilege to reopen: pages within the file's length can be committed and released. */
static void use_without_descriptor(bool in_memory)
{
    void *more;

    pretend_tmpfs = in_memory;
    open_file();
    file_space_of(space)->faults_reserve = true;
    char *addr = committed(4 * CHUNK);
    size_t held = file_space_held(space->fd);
    int watch = dup(space->fd);
    addr[0] = 'x';
    assert_int_equal(space_decommit(space, addr + CHUNK, CHUNK), 0);
    int taken = take_number();
    fault_set(&again_fault, EPERM, FAULT_ALWAYS);
    assert_int_equal(space_decommit(space, addr + 2 * CHUNK, CHUNK), 0);
    assert_int_equal(file_space_held(watch), held - 2 * CHUNK);
    assert_int_equal(space_commit(space, addr + CHUNK, CHUNK), 0);
    assert_int_equal(file_space_held(watch), held - CHUNK);
    assert_int_equal(addr[CHUNK], 0);
    assert_int_equal(addr[0], 'x');
    assert_int_equal(space_reserve(space, CHUNK, CHUNK, &more), 0);
    assert_int_equal(space_commit(space, more, CHUNK), -ENOSPC);
    assert_int_equal(space_reserve(space, (size_t)1 << 40, CHUNK, &more), -ENOMEM);
    assert_int_equal(space_held(space), 3 * CHUNK);
    assert_int_equal(file_space_held(watch), held - CHUNK);
    check_untouched(taken);
    close(watch);
}

static void without_descriptor_in_memory(void **state)
{
    (void)state;
    use_without_descriptor(true);
}

static void without_descriptor_elsewhere(void **state)
{
    (void)state;
    use_without_descriptor(false);
}

/* Where a page fault does not allocate file space for good, nothing more can be committed. */
static void without_descriptor_and_faults(void **state)
{
    (void)state;
    open_file();
    file_space_of(space)->faults_reserve = false;
    char *addr = committed(CHUNK);
    assert_int_equal(space_decommit(space, addr, CHUNK), 0);
    int taken = take_number();
    fault_set(&again_fault, EPERM, FAULT_ALWAYS);
    assert_int_equal(space_commit(space, addr, CHUNK), -ENOSPC);
    assert_int_equal(space_held(space), 0);
    check_untouched(taken);
}

/* Locked pages can be released only through the descriptor. */
static void locked_pages_need_the_descriptor(void **state)
{
    (void)state;
    open_file();
    char *addr = committed(2 * CHUNK);
    fault_set(&remove_fault, EINVAL, FAULT_ALWAYS);
    assert_int_equal(space_decommit(space, addr, CHUNK), 0);
    int taken = take_number();
    fault_set(&again_fault, EPERM, FAULT_ALWAYS);
    assert_int_equal(space_decommit(space, addr + CHUNK, CHUNK), 0);
    assert_int_equal(space_held(space), CHUNK);
    assert_int_equal(punch_fault.calls, 1);
    check_untouched(taken);
}

static void capacity_needs_no_descriptor(void **state)
{
    size_t bytes = 0;
    size_t again = 0;

    (void)state;
    assert_int_equal(file_store_file_system(space, &bytes), -EBADF);
    open_file();
    assert_int_equal(file_store_file_system(space, &bytes), 0);
    int taken = take_number();
    assert_int_equal(file_store_file_system(space, &again), 0);
    assert_int_equal(again, bytes);
    check_untouched(taken);
}

/* -- Files in memory --------------------------------------------------------------------------- */

/* Bytes of files that are mapped and in this process's page tables. */
static size_t resident(void)
{
    unsigned long pages[3] = {0};
    FILE *file = fopen("/proc/self/statm", "re");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu %lu", &pages[0], &pages[1], &pages[2]), 3);
    fclose(file);
    return pages[2] * space->page;
}

static char *reserved(size_t size)
{
    void *addr;

    assert_int_equal(space_reserve(space, size, CHUNK, &addr), 0);
    return addr;
}

/* One page is populated, to check whether it comes as a large one. */
static void small_pages_are_allocated(void **state)
{
    const size_t page = space->page;

    (void)state;
    space->exact = true;
    open_file();
    char *addr = reserved(4 * CHUNK);
    assert_int_equal(space_commit(space, addr + page, 3 * CHUNK), 0);
    assert_int_equal(populate_fault.calls, 1);
    assert_int_equal(allocate_fault.calls, 3); /* the two chunks, the parts before and after them */
    assert_int_equal(file_space_held(space->fd), 3 * CHUNK);
    assert_int_equal(space_commit(space, addr, page), 0);
    assert_int_equal(populate_fault.calls, 1);
    assert_int_equal(file_space_held(space->fd), space_held(space));
}

/* Nothing is mapped before it is touched, and it is no SIGBUS then. */
static void committed_chunks_are_not_resident(void **state)
{
    (void)state;
    open_file();
    size_t earlier = resident();
    char *addr = committed(16 * CHUNK);
    assert_true(resident() < earlier + CHUNK);
    for (size_t i = 0; i < 16; i++)
        addr[i * CHUNK] = 'x';
    assert_int_equal(file_space_held(space->fd), 16 * CHUNK);
}

static void large_pages_are_populated(void **state)
{
    const size_t page = space->page;

    (void)state;
    space->exact = true;
    open_file();
    file_space_of(space)->large_pages = true;
    char *addr = reserved(4 * CHUNK);
    assert_int_equal(space_commit(space, addr + page, 3 * CHUNK), 0);
    assert_int_equal(populate_fault.calls, 1);
    assert_int_equal(allocate_fault.calls, 2);
    assert_int_equal(file_space_held(space->fd), 3 * CHUNK);
}

/* A filter of system calls. */
static void without_fallocate_chunks_are_populated(void **state)
{
    (void)state;
    open_file();
    fault_set(&allocate_fault, EOPNOTSUPP, FAULT_ALWAYS);
    committed(2 * CHUNK);
    assert_true(populate_fault.calls > 0);
    assert_int_equal(file_space_held(space->fd), 2 * CHUNK);
}

/* The file only grows: committing pages before its end must not truncate it. */
static void file_is_never_cut(void **state)
{
    (void)state;
    space->exact = true;
    open_file();
    char *addr = reserved(8 * CHUNK);
    assert_int_equal(space_commit(space, addr + 6 * CHUNK, space->page), 0);
    addr[6 * CHUNK] = 'x';
    assert_int_equal(space_commit(space, addr, CHUNK), 0);
    assert_int_equal(space_commit(space, addr + 2 * CHUNK, CHUNK), 0);
    assert_int_equal(addr[6 * CHUNK], 'x');
    assert_int_equal(extend_fault.calls, 1);
    assert_int_equal(file_space_held(space->fd), 2 * CHUNK + space->page);
}

static void populating_that_finds_no_space_leaves_none_taken(void **state)
{
    static const struct {
        int error, result;
    } cases[] = {{EFAULT, -ENOSPC}, {ENOMEM, -ENOMEM}, {EHWPOISON, -EHWPOISON}};

    (void)state;
    open_file();
    file_space_of(space)->large_pages = true;
    char *addr = reserved(3 * CHUNK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fault_set(&populate_fault, cases[i].error, FAULT_ALWAYS);
        assert_int_equal(space_commit(space, addr, 3 * CHUNK), cases[i].result);
        assert_int_equal(file_space_held(space->fd), 0);
        assert_int_equal(space_held(space), 0);
    }
    fault_set(&populate_fault, 0, 0);
    assert_int_equal(space_commit(space, addr, 3 * CHUNK), 0);
    assert_int_equal(file_space_held(space->fd), 3 * CHUNK);
}

static void kernel_that_cannot_populate_allocates(void **state)
{
    (void)state;
    open_file();
    file_space_of(space)->large_pages = true;
    fault_set(&populate_fault, EINVAL, FAULT_ALWAYS);
    committed(2 * CHUNK);
    assert_int_equal(file_space_held(space->fd), 2 * CHUNK);
}

/*
 * As under qemu-user: touching memory without file space would raise SIGBUS on a full file system.
 */
static void emulator_that_ignores_advice_allocates(void **state)
{
    (void)state;
    open_file();
    populates_in_vain = true;
    committed(2 * CHUNK);
    assert_int_equal(file_space_held(space->fd), 2 * CHUNK);
    char *block = committed(3 * CHUNK);
    assert_int_equal(file_space_held(space->fd), 5 * CHUNK);
    assert_int_equal(space_decommit(space, block, 3 * CHUNK), 0);
    assert_int_equal(file_space_held(space->fd), 2 * CHUNK);
}

static void file_that_cannot_grow_is_an_error(void **state)
{
    (void)state;
    open_file();
    char *addr = reserved(2 * CHUNK);
    fault_set(&extend_fault, EINTR, 3);
    assert_int_equal(space_commit(space, addr, CHUNK), 0);
    assert_int_equal(extend_fault.calls, 4);
    fault_set(&extend_fault, EFBIG, FAULT_ALWAYS);
    assert_int_equal(space_commit(space, addr + CHUNK, CHUNK), -EFBIG);
    assert_int_equal(file_space_held(space->fd), CHUNK);
    fault_set(&extend_fault, 0, 0);
    assert_int_equal(space_commit(space, addr + CHUNK, CHUNK), 0);
}

/* So that a fork, which freezes whole chunks, need not lengthen the file. */
static void file_ends_with_a_chunk_where_it_can(void **state)
{
    (void)state;
    space->exact = true;
    open_file();
    char *addr = reserved(2 * CHUNK);
    assert_int_equal(space_commit(space, addr, space->page), 0);
    assert_int_equal(file_space_of(space)->file_size, CHUNK);
    assert_int_equal(file_space_held(space->fd), space->page);
    fault_set(&extend_fault, EFBIG, 1);
    assert_int_equal(space_commit(space, addr + CHUNK, space->page), 0);
    assert_int_equal(extend_fault.calls, 2);
    assert_int_equal(file_space_of(space)->file_size, CHUNK + space->page);
}

static void other_file_systems_allocate(void **state)
{
    (void)state;
    fault_set(&fstatfs_fault, EIO, 1);
    open_file();
    assert_false(file_space_of(space)->in_memory);
    committed(2 * CHUNK);
    assert_int_equal(populate_fault.calls, 0);
    assert_int_equal(extend_fault.calls, 0);
}

static void prefault_populates_what_was_allocated(void **state)
{
    (void)state;
    fault_set(&fstatfs_fault, EIO, 1);
    space->prefault = true;
    open_file();
    committed(2 * CHUNK);
    assert_int_equal(populate_fault.calls, 1);
    /* The file space is allocated, so the commit succeeds: populating is optional. */
    fault_set(&populate_fault, ENOMEM, FAULT_ALWAYS);
    committed(2 * CHUNK);
    assert_int_equal(populate_fault.calls, 1);
    assert_int_equal(file_space_held(space->fd), 4 * CHUNK);
}

static void capacity_is_that_of_the_file_system(void **state)
{
    struct statvfs fs;
    size_t size = 7;

    (void)state;
    assert_int_equal(space->store->capacity(space, &size), -EBADF);
    open_file();
    assert_int_equal(statvfs(dir_path, &fs), 0);
    assert_int_equal(space->store->capacity(space, &size), 0);
    if (file_space_of(space)->in_memory && fs.f_blocks * fs.f_frsize > memory_room_total())
        assert_int_equal(size, memory_room_total());
    else
        assert_int_equal(size, fs.f_blocks * fs.f_frsize);
    assert_int_equal(space->store->room(space, SIZE_MAX, &size), 0);
    assert_true(size <= fs.f_blocks * fs.f_frsize);
    fault_set(&fstatvfs_fault, EIO, 1);
    assert_int_equal(space->store->room(space, SIZE_MAX, &size), -EIO);
    assert_false(space_has_room(space, SIZE_MAX / 2));
    fault_set(&fstatvfs_fault, EIO, 1);
    assert_int_equal(space->store->capacity(space, &size), -EIO);
}

static void file_system_without_a_size_limits_nothing(void **state)
{
    const struct statvfs unlimited = {.f_frsize = 4096};
    size_t size;

    (void)state;
    open_file();
    fake_statvfs = &unlimited;
    /* A file in memory holds no more than that. */
    file_space_of(space)->in_memory = true;
    assert_int_equal(space_capacity(space, SIZE_MAX / 2), memory_room_total());
    assert_false(space_has_room(space, memory_room_total() + 1));
    assert_true(space_has_room(space, memory_room_total()));
    file_space_of(space)->in_memory = false;
    assert_true(space->store->capacity(space, &size) < 0);
    assert_true(space_capacity(space, SIZE_MAX / 2) == SIZE_MAX);
    assert_true(space_has_room(space, SIZE_MAX / 2));
    fake_statvfs = NULL;
    assert_true(space_capacity(space, SIZE_MAX / 2) < SIZE_MAX);
    space->max_size = CHUNK;
    assert_int_equal(space_capacity(space, SIZE_MAX / 2), CHUNK);
    assert_int_equal(space_capacity(space, 1), CHUNK);
}

static int run(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(space_that_cannot_be_made_is_null),
        TEST(opened_space_owns_file_and_directory),
        TEST(directory_stays_the_callers_on_failure),
        TEST(segment_is_the_file),
        TEST(without_a_file_nothing_is_mapped),
        TEST(errors_are_those_of_the_calls),
        TEST(space_comes_and_goes_without_fallocate),
        TEST(space_goes_where_advice_is_ignored),
        TEST(file_that_cannot_be_known_is_not_opened),
        TEST(file_is_opened_again),
        TEST(file_without_a_segment_is_opened_again),
        TEST(without_descriptor_in_memory),
        TEST(without_descriptor_elsewhere),
        TEST(without_descriptor_and_faults),
        TEST(locked_pages_need_the_descriptor),
        TEST(capacity_needs_no_descriptor),
        TEST(small_pages_are_allocated),
        TEST(committed_chunks_are_not_resident),
        TEST(large_pages_are_populated),
        TEST(without_fallocate_chunks_are_populated),
        TEST(file_is_never_cut),
        TEST(populating_that_finds_no_space_leaves_none_taken),
        TEST(kernel_that_cannot_populate_allocates),
        TEST(emulator_that_ignores_advice_allocates),
        TEST(file_that_cannot_grow_is_an_error),
        TEST(file_ends_with_a_chunk_where_it_can),
        TEST(other_file_systems_allocate),
        TEST(prefault_populates_what_was_allocated),
        TEST(capacity_is_that_of_the_file_system),
        TEST(file_system_without_a_size_limits_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return on_each_page_size(run);
}
