/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Large pages for a file in memory whose tmpfs was mounted without them. madvise(2) with
 * MADV_COLLAPSE replaces what a large page's range of the file holds by a large page, whatever the
 * mount and the system's setting say, unless that is "deny" (shmem_enabled). An empty range is
 * rejected, so one small page is allocated first in each.
 */
#include <errno.h>

#include "os/tmpfile.h"
#include "os/vm.h"
#include "util/align.h"

static int allocate_first_pages(int fd, off_t offset, size_t size)
{
    int error = 0;

    for (size_t at = 0; at < size && error == 0; at += LARGE_PAGE)
        error = tmpfile_allocate(fd, offset + (off_t)at, COLLAPSE_SMALL_PAGE);
    return error;
}

/* The kernel maps the large pages, too. They count as used memory from their first use on. */
int tmpfile_collapse(int fd, void *addr, off_t offset, size_t size)
{
    int saved_errno = errno;
    int error = allocate_first_pages(fd, offset, size);

    if (error == 0 && madvise(addr, size, MADV_COLLAPSE) != 0)
        error = -errno;
    (void)madvise(addr, size, MADV_DONTNEED);
    errno = saved_errno;
    return error;
}
