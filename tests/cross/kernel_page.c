/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library to preload, which makes programs believe that the kernel's pages are larger.
 *
 * With KERNEL_PAGE=n, sysconf(3) returns n. Files are extended to what is mapped of them: qemu-user
 * with another page size than the machine's (-p) refuses to map a file beyond its end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED long sysconf(int name)
{
    static long (*real)(int name);
    const char *page = name == _SC_PAGESIZE ? getenv("KERNEL_PAGE") : NULL;

    if (page != NULL)
        return strtol(page, NULL, 10);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "sysconf");
    return real(name);
}

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
