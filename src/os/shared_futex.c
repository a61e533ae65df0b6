/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that wait for a futex which is not private to the process. */
#include "os/shared_futex.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The stack of a thread may be small. */
#define LIST_SIZE 1024
#define TEXT_SIZE 256

/* An entry of getdents64(2). */
struct entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

/* Reads "NUMBER ARGUMENT ARGUMENT ...", which is the system call that the thread waits in. */
static bool read_call(int directory, const char *thread, char text[TEXT_SIZE])
{
    char path[64];

    snprintf(path, sizeof(path), "%s/syscall", thread);
    int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, text, TEXT_SIZE - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

static bool waits(unsigned long operation)
{
    unsigned long command = operation & (unsigned long)FUTEX_CMD_MASK;

    return (operation & FUTEX_PRIVATE_FLAG) == 0 &&
           (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET);
}

/* The futex that is not private and that the thread waits for; NULL: none. */
static const void *waited_for(int directory, const char *thread)
{
    char text[TEXT_SIZE];
    char *next = text;

    /* The call of a thread that runs is "running". */
    if (!read_call(directory, thread, text) || strtol(text, &next, 10) != SYS_futex || next == text)
        return NULL;
    uintptr_t addr = strtoul(next, &next, 16);
    return waits(strtoul(next, &next, 16)) ? (const void *)addr : NULL;
}

static void visit_listed(int directory, const char *list, long size,
                         void (*visit)(const void *addr))
{
    pid_t own = (pid_t)syscall(SYS_gettid);

    for (long at = 0; at < size;) {
        const struct entry *entry = (const void *)(list + at);
        pid_t thread = (pid_t)strtol(entry->name, NULL, 10);
        const void *addr = thread > 0 && thread != own ? waited_for(directory, entry->name) : NULL;

        if (addr != NULL)
            visit(addr);
        at += entry->size;
    }
}

void shared_futex_each_waited(void (*visit)(const void *addr))
{
    _Alignas(struct entry) char list[LIST_SIZE];
    int saved_errno = errno;
    int directory = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long size;

    if (directory < 0) {
        errno = saved_errno;
        return;
    }
    while ((size = syscall(SYS_getdents64, directory, list, sizeof(list))) > 0)
        visit_listed(directory, list, size, visit);
    close(directory);
    errno = saved_errno;
}

int shared_futex_wake(int fd, off_t offset)
{
    int saved_errno = errno;
    off_t page = (off_t)sysconf(_SC_PAGESIZE);
    off_t start = offset & ~(page - 1);
    char *mapped = mmap(NULL, (size_t)page, PROT_READ, MAP_SHARED, fd, start);
    int err = mapped == MAP_FAILED ? -errno : 0;

    if (err == 0) {
        (void)syscall(SYS_futex, mapped + (offset - start), FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
        (void)munmap(mapped, (size_t)page);
    }
    errno = saved_errno;
    return err;
}
