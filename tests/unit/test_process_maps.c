/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the list of memory maps: where each begins, read in pieces of any size, and failures. */
/* WRAP: open read */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/process_maps.h"
#include "support/leftovers.h"

#define MAPS 4

static const char *pretended; /* text of the list; NULL: the kernel's */
static size_t piece_size;
static int open_error;
static bool lacks_smaps;
static int read_error;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);

int __wrap_open(const char *path, int flags, ...)
{
    if (open_error != 0) {
        errno = open_error;
        return -1;
    }
    if (lacks_smaps && strcmp(path, "/proc/self/smaps") == 0) {
        errno = ENOENT;
        return -1;
    }
    return __real_open(path, flags);
}

ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
    if (read_error != 0) {
        errno = read_error;
        return -1;
    }
    if (pretended == NULL)
        return __real_read(fd, buffer, size);
    size_t left = strlen(pretended);
    if (size > piece_size)
        size = piece_size;
    if (size > left)
        size = left;
    memcpy(buffer, pretended, size);
    pretended += size;
    return (ssize_t)size;
}

static int setup(void **state)
{
    (void)state;
    pretended = NULL;
    open_error = 0;
    lacks_smaps = false;
    read_error = 0;
    return 0;
}

struct seen {
    unsigned count;
    struct process_map maps[MAPS];
};

static void see(void *arg, const struct process_map *map)
{
    struct seen *seen = arg;

    if (seen->count < MAPS)
        seen->maps[seen->count] = *map;
    seen->count++;
}

/* Two maps of one file, and two of others. */
static void maps_of_a_file_are_known(void **state)
{
    static const char text[] = "1000-2000 rw-s 00000000 00:1b 12 /a\n"
                               "3000-4000 rw-p 00000000 00:1b 12 /a (deleted)\n"
                               "5000-6000 rw-p 00000000 00:1b 13 /a\n"
                               "7000-8000 rw-p 00000000 00:1c 12 /a\n";
    struct seen seen = {0};

    (void)state;
    piece_size = sizeof(text);
    pretended = text;
    assert_int_equal(process_maps_each(see, &seen), 0);
    assert_true(seen.maps[0].file == seen.maps[1].file);
    assert_true(seen.maps[0].file != seen.maps[2].file);
    assert_true(seen.maps[0].file != seen.maps[3].file);
    assert_false(process_map_is_for_transfers(&seen.maps[0]));
}

static void maps_for_transfers_are_known(void **state)
{
    static const char text[] = "1000-2000 rw-s 00000000 00:0e 12 anon_inode:[io_uring]\n"
                               "3000-4000 rw-s 00000000 00:11 12 /[aio] (deleted)\n"
                               "5000-6000 rw-s 00000000 00:06 13 /dev/infiniband/uverbs0\n"
                               "7000-8000 rw-p 00000000 00:1c 12 anon_inode:[eventfd]\n";
    struct seen seen = {0};

    (void)state;
    piece_size = sizeof(text);
    pretended = text;
    assert_int_equal(process_maps_each(see, &seen), 0);
    for (unsigned i = 0; i < MAPS; i++)
        assert_int_equal(process_map_is_for_transfers(&seen.maps[i]), i < MAPS - 1);
}

/* In pieces of any size; each effect is of its own map. */
static void effects_are_read(void **state)
{
    static const char text[] = "1000-2000 rw-s 00000000 00:0e 12                 /a\n"
                               "Size:                  4 kB\n"
                               "Locked:                4 kB\n"
                               "THPeligible:           0\n"
                               "VmFlags: rd wr sh mr mw me ms lo sr nh lf \n"
                               "3000-4000 rw-p 00000000 00:00 0 \n"
                               "Size:                  4 kB\n"
                               "VmFlags: rd wr mr mw me dd hg rr \n"
                               "5000-6000 ---p 00000000 00:00 0                  [heap]\n"
                               "VmFlags: mr mw me ac \n";
    static const unsigned effects[] = {
        PROCESS_MAP_KNOWN | PROCESS_MAP_LOCKED | PROCESS_MAP_SEQUENTIAL | PROCESS_MAP_NO_HUGE_PAGES,
        PROCESS_MAP_KNOWN | PROCESS_MAP_NO_DUMP | PROCESS_MAP_HUGE_PAGES | PROCESS_MAP_RANDOM,
        PROCESS_MAP_KNOWN,
    };
    char buffer[sizeof(text)];

    (void)state;
    for (piece_size = 1; piece_size < sizeof(text); piece_size++) {
        struct seen seen = {0};

        pretended = text;
        assert_int_equal(process_maps_read(true, buffer, sizeof(buffer), see, &seen), 0);
        assert_int_equal(seen.count, 3);
        for (unsigned i = 0; i < seen.count; i++)
            assert_int_equal(seen.maps[i].effects, effects[i]);
        assert_true(seen.maps[2].start == 0x5000 && seen.maps[2].protection == PROT_NONE);
        assert_string_equal(seen.maps[0].path, "/a");
    }
}

static void maps_are_read_without_effects_where_there_is_no_smaps(void **state)
{
    static const char text[] = "1000-2000 rw-s 00000000 00:0e 12                 /a\n"
                               "3000-4000 rw-p 00000000 00:00 0 \n";
    struct seen seen = {0};
    char buffer[sizeof(text)];

    (void)state;
    lacks_smaps = true;
    piece_size = sizeof(text);
    pretended = text;
    assert_int_equal(process_maps_read(true, buffer, sizeof(buffer), see, &seen), 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.maps[0].effects, 0);
    assert_true(seen.maps[1].start == 0x3000);
}

static void each_map_is_seen_once_in_pieces_of_any_size(void **state)
{
    static const char text[] =
        "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/a-b c\n"
        "7f0a1b2c3000-7f0a1b2c4000 rw-s 00000000 00:00 0 \n"
        "7fffb2c0d000-7fffb2c2e000 ---s 00000000 00:1b 14861      /dev/shm/memkind-test-D6aKrp "
        "(deleted)\n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";

    static const struct process_map expected[MAPS] = {
        {0x400000, 0x452000, PROT_READ | PROT_EXEC, false, 0, "/usr/bin/a-b c", 0},
        {0x7f0a1b2c3000, 0x7f0a1b2c4000, PROT_READ | PROT_WRITE, true, 0, "", 0},
        {0x7fffb2c0d000, 0x7fffb2c2e000, PROT_NONE, true, 0, "/dev/shm/memkind-test-D", 0},
        {0xffffffffff600000, 0xffffffffff601000, PROT_EXEC, false, 0, "[vsyscall]", 0},
    };

    (void)state;
    for (piece_size = 1; piece_size < sizeof(text); piece_size++) {
        struct seen seen = {0};

        pretended = text;
        assert_int_equal(process_maps_each(see, &seen), 0);
        assert_int_equal(seen.count, MAPS);
        for (unsigned i = 0; i < MAPS; i++) {
            assert_true(seen.maps[i].start == expected[i].start);
            assert_true(seen.maps[i].end == expected[i].end);
            assert_int_equal(seen.maps[i].protection, expected[i].protection);
            assert_int_equal(seen.maps[i].is_shared, expected[i].is_shared);
            assert_string_equal(seen.maps[i].path, expected[i].path);
        }
    }
}

struct wanted {
    uintptr_t start;
    unsigned count;
};

static void look_for(void *arg, const struct process_map *map)
{
    struct wanted *wanted = arg;

    wanted->count += map->start == wanted->start;
}

static void own_map_is_there(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 3 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(pages != MAP_FAILED);
    /* A map with other rights than its neighbours cannot be merged with them. */
    assert_int_equal(mprotect(pages + page, page, PROT_READ | PROT_WRITE), 0);
    struct wanted wanted = {.start = (uintptr_t)pages + page};
    assert_int_equal(process_maps_each(look_for, &wanted), 0);
    assert_int_equal(wanted.count, 1);
    assert_int_equal(munmap(pages, 3 * page), 0);
    wanted.count = 0;
    assert_int_equal(process_maps_each(look_for, &wanted), 0);
    assert_int_equal(wanted.count, 0);
}

static void failures_are_reported_and_leave_nothing(void **state)
{
    struct seen seen = {0};
    struct leftovers before;
    char dir[TEST_DIR_PATH_SIZE];

    (void)state;
    test_dir_make(dir);
    leftovers_take(&before, dir);
    open_error = EMFILE;
    assert_int_equal(process_maps_each(see, &seen), -EMFILE);
    open_error = 0;
    read_error = EIO;
    assert_int_equal(process_maps_each(see, &seen), -EIO);
    read_error = 0;
    assert_int_equal(seen.count, 0);
    leftovers_check(&before);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_map_is_seen_once_in_pieces_of_any_size, setup),
        cmocka_unit_test_setup(maps_of_a_file_are_known, setup),
        cmocka_unit_test_setup(maps_for_transfers_are_known, setup),
        cmocka_unit_test_setup(effects_are_read, setup),
        cmocka_unit_test_setup(maps_are_read_without_effects_where_there_is_no_smaps, setup),
        cmocka_unit_test_setup(own_map_is_there, setup),
        cmocka_unit_test_setup(failures_are_reported_and_leave_nothing, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
