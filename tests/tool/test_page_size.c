/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind-pmem check with fake kernels and file systems of other page sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "memkind.h"
#include "tool/place.h"

#define KIB 1024L
#define GIB ((size_t)1 << 30)

static long page;             /* of the kernel */
static unsigned long block;   /* of the file system */
static long faults;           /* page faults of touching the probe, 64 MiB */
static const char *file_type; /* as /proc/self/mountinfo names the file system */
static const char *dir;

/* -- The fake place ---------------------------------------------------------------------------- */

int __wrap_memkind_create_pmem(const char *path, size_t max_size, memkind_t *kind);
void *__wrap_memkind_malloc(memkind_t kind, size_t size);
int __wrap_memkind_destroy_kind(memkind_t kind);
int __wrap_memkind_check_dax_path(const char *path);
long __wrap_sysconf(int name);
int __wrap_getrusage(int who, struct rusage *usage);
int __wrap_statvfs(const char *path, struct statvfs *space);
FILE *__wrap_fopen(const char *path, const char *mode);
long __real_sysconf(int name);
FILE *__real_fopen(const char *path, const char *mode);

int __wrap_memkind_create_pmem(const char *path, size_t max_size, memkind_t *kind)
{
    (void)path;
    (void)max_size;
    *kind = NULL;
    return MEMKIND_SUCCESS;
}

void *__wrap_memkind_malloc(memkind_t kind, size_t size)
{
    static char byte;

    (void)kind;
    (void)size;
    return &byte;
}

int __wrap_memkind_destroy_kind(memkind_t kind)
{
    (void)kind;
    return MEMKIND_SUCCESS;
}

int __wrap_memkind_check_dax_path(const char *path)
{
    (void)path;
    return MEMKIND_SUCCESS;
}

long __wrap_sysconf(int name)
{
    return name == _SC_PAGESIZE ? page : __real_sysconf(name);
}

int __wrap_getrusage(int who, struct rusage *usage)
{
    static long count;

    (void)who;
    count += faults;
    *usage = (struct rusage){.ru_minflt = count};
    return 0;
}

int __wrap_statvfs(const char *path, struct statvfs *space)
{
    (void)path;
    *space = (struct statvfs){.f_bsize = block, .f_frsize = block};
    space->f_blocks = space->f_bavail = GIB / block;
    return 0;
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
    static char line[128];
    struct statx status;

    if (strcmp(path, "/proc/self/mountinfo") != 0)
        return __real_fopen(path, mode);
    assert_int_equal(statx(AT_FDCWD, dir, 0, STATX_MNT_ID, &status), 0);
    int length = snprintf(line, sizeof(line), "%llu 1 0:1 / / rw,stripe=1 - %s /dev/pmem0 rw\n",
                          (unsigned long long)status.stx_mnt_id, file_type);
    return fmemopen(line, (size_t)length, "r");
}

static struct place examine(long of_page, unsigned long of_block, long of_faults, const char *type)
{
    struct place place;

    page = of_page;
    block = of_block;
    faults = of_faults;
    file_type = type;
    place_examine(dir, &place);
    assert_int_equal(place.verdict, PLACE_DAX);
    return place;
}

/* -- Tests ------------------------------------------------------------------------------------- */

/* 64 MiB have 16,384 pages of 4 KiB, 1,024 of 64 KiB, and 32 of 2 MiB. */
static void half_of_the_pages_decides(void **state)
{
    (void)state;
    assert_int_equal(examine(4 * KIB, 4096, 8000, "other").huge, PLACE_YES);
    assert_int_equal(examine(4 * KIB, 4096, 8400, "other").huge, PLACE_NO);
    assert_int_equal(examine(64 * KIB, 65536, 500, "other").huge, PLACE_YES);
    assert_int_equal(examine(64 * KIB, 65536, 1024, "other").huge, PLACE_NO);
}

static void advice_names_the_size(void **state)
{
    (void)state;
    struct place place = examine(16 * KIB, 16384, 5000, "other");
    assert_string_equal(place.advice, "It works, with pages of 16 KiB.");
    place = examine(4 * KIB, 4096, 16384, "ext4");
    assert_non_null(strstr(place.advice, "stride=512,stripe_width=512\""));
    place = examine(64 * KIB, 65536, 1024, "ext4");
    assert_non_null(strstr(place.advice, "stride=32,stripe_width=32\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_of_the_pages_decides),
        cmocka_unit_test(advice_names_the_size),
    };

    dir = getenv("MEMKIND_TEST_DIR");
    if (dir == NULL)
        dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
