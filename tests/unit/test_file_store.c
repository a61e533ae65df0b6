/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of spaces over a file: who owns the directory, what is mapped, and the error of each
 * failing system call.
 */
#include "support/file_store_fixture.h"

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

/* -- Capacity ---------------------------------------------------------------------------------- */

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
        TEST(capacity_is_that_of_the_file_system),
        TEST(file_system_without_a_size_limits_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return on_each_page_size(run);
}
