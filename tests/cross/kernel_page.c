/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library to preload, which makes programs believe that the kernel's pages are larger.
 *
 * With KERNEL_PAGE=n, sysconf(3) returns n, and /proc/self/pagemap has an entry for n bytes, which
 * is that of a private page if one of the machine's pages is private. Files are extended to what is
 * mapped of them: qemu-user with another page size than the machine's (-p) refuses to map a file
 * beyond its end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

static long real_sysconf(int name)
{
    static long (*real)(int name);

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "sysconf");
    return real(name);
}

/* 0: the machine's. */
static long wanted_page(void)
{
    const char *page = getenv("KERNEL_PAGE");

    return page != NULL ? strtol(page, NULL, 10) : 0;
}

EXPORTED long sysconf(int name)
{
    long page = name == _SC_PAGESIZE ? wanted_page() : 0;

    return page != 0 ? page : real_sysconf(name);
}

/* -- The page map ------------------------------------------------------------------------------ */

#define ENTRY       sizeof(uint64_t)
#define PER_PAGE    16                  /* of the machine's pages, at most */
#define PRESENT     (UINT64_C(3) << 62) /* or swapped */
#define OF_THE_FILE (UINT64_C(1) << 61)

static ssize_t real_pread(int fd, void *buffer, size_t size, off_t offset)
{
    static ssize_t (*real)(int fd, void *buffer, size_t size, off_t offset);

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "pread");
    return real(fd, buffer, size, offset);
}

static bool is_pagemap(int fd)
{
    char link[sizeof("/proc/self/fd/") + 12];
    char path[64];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    path[length > 0 ? length : 0] = '\0';
    return strncmp(path, "/proc/", 6) == 0 && strstr(path, "/pagemap") != NULL;
}

/* Reads the entry of a large page. */
static bool read_entry(int fd, size_t number, size_t pages, uint64_t *entry)
{
    uint64_t entries[PER_PAGE];
    size_t size = pages * ENTRY;

    if (real_pread(fd, entries, size, (off_t)(number * size)) != (ssize_t)size)
        return false;
    *entry = entries[0];
    for (size_t i = 0; i < pages; i++)
        if ((entries[i] & PRESENT) != 0 && (entries[i] & OF_THE_FILE) == 0)
            *entry = entries[i];
    return true;
}

EXPORTED ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    size_t pages = (size_t)(wanted_page() / real_sysconf(_SC_PAGESIZE));

    if (pages < 2 || pages > PER_PAGE || !is_pagemap(fd))
        return real_pread(fd, buffer, size, offset);
    for (size_t i = 0; i < size / ENTRY; i++)
        if (!read_entry(fd, (size_t)offset / ENTRY + i, pages, (uint64_t *)buffer + i))
            return -1;
    return (ssize_t)(size / ENTRY * ENTRY);
}

/* As pread(), compiled with _FORTIFY_SOURCE. */
EXPORTED ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t buffer_size)
{
    if (size > buffer_size)
        abort();
    return pread(fd, buffer, size, offset);
}

/* -- Files ------------------------------------------------------------------------------------- */

static bool is_longer(int fd, off_t end)
{
    struct stat status;

    return fstat(fd, &status) == 0 && status.st_size >= end;
}

EXPORTED void *mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    static void *(*real)(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
    off_t end = offset + (off_t)size;

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "mmap");
    if (fd >= 0 && (flags & MAP_SHARED) != 0 && getenv("QEMU_PAGESIZE") != NULL &&
        !is_longer(fd, end))
        (void)!ftruncate(fd, end);
    return real(addr, size, protection, flags, fd, offset);
}
