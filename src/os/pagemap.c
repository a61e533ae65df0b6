/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages of this process are private copies. */
#include "os/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Of an entry. */
#define PAGEMAP_PRESENT ((uint64_t)1 << 63)
#define PAGEMAP_SWAPPED ((uint64_t)1 << 62)
#define PAGEMAP_OF_FILE ((uint64_t)1 << 61)

int pagemap_open(void)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    return fd >= 0 ? fd : -errno;
}

void pagemap_close(int pagemap)
{
    if (pagemap >= 0)
        close(pagemap);
}

void pagemap_read(int pagemap, const void *addr, size_t page, size_t count, uint64_t *entries)
{
    size_t size = count * sizeof(entries[0]);
    off_t offset = (off_t)((uintptr_t)addr / page * sizeof(entries[0]));

    if (pagemap >= 0 && pread(pagemap, entries, size, offset) == (ssize_t)size)
        return;
    for (size_t i = 0; i < count; i++)
        entries[i] = PAGEMAP_PRESENT;
}

bool pagemap_is_private(uint64_t entry)
{
    return (entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) != 0 && (entry & PAGEMAP_OF_FILE) == 0;
}
