/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded before the library: makes one of the library's calls fail, which FAILING names. Calls
 * that programs make as well fail only for the library's memory file, thread and fork handlers, and
 * for libc's own data.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

/* The dynamic linker's symbol for pthread_atfork(3). */
EXPORTED int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                               void *library);

EXPORTED int memkind_arena_open_view(void *kind, void *view, uint64_t layout);

static struct stat memory_file; /* identifies the file, whose descriptor gets another number */

static bool fails(const char *name)
{
    const char *failing = getenv("FAILING");

    return failing != NULL && strcmp(failing, name) == 0;
}

static bool is_memory_file(int fd)
{
    struct stat status;

    return memory_file.st_ino != 0 && fd >= 0 && fstat(fd, &status) == 0 &&
           status.st_dev == memory_file.st_dev && status.st_ino == memory_file.st_ino;
}

static bool is_of_preload(const void *address)
{
    Dl_info info;

    return dladdr(address, &info) != 0 && strstr(info.dli_fname, "memkind-preload") != NULL;
}

EXPORTED int memfd_create(const char *name, unsigned flags)
{
    int (*real)(const char *, unsigned);

    *(void **)&real = dlsym(RTLD_NEXT, "memfd_create");
    if (fails("memfd_create")) {
        errno = EMFILE;
        return -1;
    }
    int fd = real(name, flags);
    (void)fstat(fd, &memory_file);
    return fd;
}

EXPORTED int ftruncate(int fd, off_t size)
{
    int (*real)(int, off_t);

    *(void **)&real = dlsym(RTLD_NEXT, "ftruncate");
    if (fails("ftruncate") && is_memory_file(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, size);
}

EXPORTED void *mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *(*real)(void *, size_t, int, int, int, off_t);

    *(void **)&real = dlsym(RTLD_NEXT, "mmap");
    if (fails("mmap") && is_memory_file(fd)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return real(addr, size, protection, flags, fd, offset);
}

static bool is_of_libc(const void *address)
{
    Dl_info info;

    return dladdr(address, &info) != 0 && strstr(info.dli_fname, "libc.so") != NULL;
}

EXPORTED int mprotect(void *addr, size_t size, int protection)
{
    int (*real)(void *, size_t, int);

    *(void **)&real = dlsym(RTLD_NEXT, "mprotect");
    if (fails("mprotect") && is_of_libc(addr)) {
        errno = EACCES;
        return -1;
    }
    return real(addr, size, protection);
}

/* As another build of libmemkind. */
int memkind_arena_open_view(void *kind, void *view, uint64_t layout)
{
    int (*real)(void *, void *, uint64_t);

    *(void **)&real = dlsym(RTLD_NEXT, "memkind_arena_open_view");
    return real(kind, view, fails("layout") ? layout + 1 : layout);
}

EXPORTED int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                            void *(*start)(void *), void *argument)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (is_of_preload(__builtin_return_address(0)) && fails("pthread_create"))
        return EAGAIN;
    return real(thread, attributes, start, argument);
}

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                      void *library)
{
    int (*real)(void (*)(void), void (*)(void), void (*)(void), void *);

    *(void **)&real = dlsym(RTLD_NEXT, "__register_atfork");
    if (is_of_preload(library) && fails("pthread_atfork"))
        return ENOMEM;
    return real(prepare, parent, child, library);
}
