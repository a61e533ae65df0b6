/* SPDX-License-Identifier: BSD-2-Clause */
/* Properties of memory in a file of a directory, found out by experiment. */
#include "tool/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB          ((size_t)1 << 20)
#define HUGE_PAGE    (2 * MIB)
#define MOST         (64 * MIB)
#define LEAST        HUGE_PAGE
#define SHARE        4 /* at most one part of so many of the free space is used */
#define COPY_SECONDS 0.5
#define LINE_SIZE    256
#define OWNER_ONLY   0600
#define EXTENTS      32         /* requested at once */
#define ZEROES       (MIB / 16) /* written at once */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static long count_faults(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

static int make_file(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, OWNER_ONLY);
    char *name;

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd >= 0 ? fd : -errno;
    if (asprintf(&name, "%s/memkind-check.XXXXXX", dir) < 0)
        return -ENOMEM;
    fd = mkostemp(name, O_CLOEXEC);
    int err = -errno;
    if (fd >= 0)
        unlink(name);
    free(name);
    return fd >= 0 ? fd : err;
}

/* Also tries madvise(2), as heaps do if a filter of system calls forbids fallocate(2). */
static enum place_answer can_punch(int fd, char *base)
{
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)HUGE_PAGE) == 0 ||
                   madvise(base, HUGE_PAGE, MADV_REMOVE) == 0
               ? PLACE_YES
               : PLACE_NO;
}

/* Counts 2 MiB-aligned physical extents. */
static size_t count_pieces(const struct fiemap_extent *extent)
{
    uint64_t begin = (extent->fe_logical + HUGE_PAGE - 1) / HUGE_PAGE;
    uint64_t end = (extent->fe_logical + extent->fe_length) / HUGE_PAGE;
    bool fits = extent->fe_physical % HUGE_PAGE == extent->fe_logical % HUGE_PAGE;

    return fits && end > begin ? end - begin : 0;
}

/* Returns whether most of the file's pieces of 2 MiB are aligned. */
static enum place_answer is_aligned(int fd, size_t size)
{
    union {
        struct fiemap map;
        char room[sizeof(struct fiemap) + EXTENTS * sizeof(struct fiemap_extent)];
    } query;
    size_t pieces = 0;

    for (uint64_t start = 0; start < size;) {
        query.map = (struct fiemap){
            .fm_start = start, .fm_length = size - start, .fm_extent_count = EXTENTS};
        if (ioctl(fd, FS_IOC_FIEMAP, &query.map) != 0 || query.map.fm_mapped_extents == 0)
            return PLACE_UNKNOWN;
        for (uint32_t i = 0; i < query.map.fm_mapped_extents; i++) {
            const struct fiemap_extent *extent = &query.map.fm_extents[i];

            if ((extent->fe_flags & (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC)) != 0)
                return PLACE_UNKNOWN;
            pieces += count_pieces(extent);
            start = extent->fe_logical + extent->fe_length;
        }
    }
    return pieces > size / HUGE_PAGE / 2 ? PLACE_YES : PLACE_NO;
}

/* Maps the file at a multiple of 2 MiB. The process ends with the mapping in place. */
static char *map_file(int fd, size_t size)
{
    char *base = mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED)
        return NULL;
    base += HUGE_PAGE - (uintptr_t)base % HUGE_PAGE;
    base = mmap(base, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    if (base == MAP_FAILED)
        return NULL;
    (void)madvise(base, size, MADV_HUGEPAGE);
    return base;
}

/* Returns the bytes of files that are mapped by pages of 2 MiB, DAX excepted. */
static size_t count_huge(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[LINE_SIZE];
    size_t kib = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "ShmemPmdMapped:", strlen("ShmemPmdMapped:")) == 0 ||
            strncmp(line, "FilePmdMapped:", strlen("FilePmdMapped:")) == 0)
            kib += strtoul(strchr(line, ':') + 1, NULL, 10);
    if (file != NULL)
        fclose(file);
    return kib << 10;
}

/* Returns half of the faults that pages of the system's own size, which varies, would take. */
static size_t most_faults(size_t size)
{
    return size / 2 / (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * Returns whether most of it is mapped by large pages. For DAX there is no count, but few faults.
 */
static bool is_huge(const struct place *place, size_t size, long faults)
{
    return place->map_sync == PLACE_YES ? (size_t)faults <= most_faults(size)
                                        : count_huge() >= size / 2;
}

static void time_first_touch(struct place *place, char *base, size_t size)
{
    long faults = count_faults();
    double start = now();

    memset(base, 1, size);
    double seconds = now() - start;
    faults = count_faults() - faults;
    place->touch = (double)size / seconds;
    place->huge = is_huge(place, size, faults) ? PLACE_YES : PLACE_NO;
}

static void time_copies(struct place *place, char *base, size_t size)
{
    char *source = malloc(size);
    size_t copied = 0;
    double seconds;

    if (source == NULL)
        return;
    memset(source, 2, size);
    double start = now();
    do {
        memcpy(base, source, size);
        /* Keeps the compiler from removing all copies but one. */
        __asm__ volatile("" ::"r"(base) : "memory");
        copied += size;
        seconds = now() - start;
    } while (seconds < COPY_SECONDS);
    place->copy = (double)copied / seconds;
    free(source);
}

/* Returns 0 or an errno. */
static int write_zeroes(int fd, size_t at, size_t size)
{
    static const char zeroes[ZEROES];

    for (size_t end = at + size; at < end;) {
        size_t rest = end - at < sizeof(zeroes) ? end - at : sizeof(zeroes);
        ssize_t written = pwrite(fd, zeroes, rest, (off_t)at);

        if (written <= 0)
            return errno;
        at += (size_t)written;
    }
    return 0;
}

/* In pieces of 2 MiB, as heaps do: for larger requests, ext4 may allocate unaligned extents. */
static int take_space(int fd, size_t size)
{
    int err = 0;

    for (size_t at = 0; at < size && err == 0; at += HUGE_PAGE) {
        err = posix_fallocate(fd, (off_t)at, (off_t)HUGE_PAGE);
        if (err == EPERM || err == ENOSYS)
            err = write_zeroes(fd, at, HUGE_PAGE);
    }
    return -err;
}

static int measure_file(struct place *place, int fd, enum place_answer *aligned)
{
    size_t size = place->available / SHARE < MOST ? place->available / SHARE : MOST;

    size -= size % HUGE_PAGE;
    if (size < LEAST)
        return -ENOSPC;
    /* Recently deleted space is free only after the journal is written, and would be missed. */
    if (place->map_sync == PLACE_YES)
        (void)fsync(fd);
    int err = take_space(fd, size);
    if (err != 0)
        return err;
    *aligned = is_aligned(fd, size);
    char *base = map_file(fd, size);
    if (base == NULL)
        return -errno;
    time_first_touch(place, base, size);
    time_copies(place, base, size);
    place->punch = can_punch(fd, base);
    munmap(base, size);
    return 0;
}

int measure_place(struct place *place, enum place_answer *aligned)
{
    int fd = make_file(place->path);

    if (fd < 0)
        return fd;
    int err = measure_file(place, fd, aligned);
    close(fd);
    return err;
}
