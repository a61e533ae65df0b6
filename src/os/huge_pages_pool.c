/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's pools of huge pages, as sysfs shows them. */
#include "os/huge_pages_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/vm.h"
#include "util/bits.h"
#include "util/cancel.h"

#define FOLDER    "hugepages/hugepages-2048kB/"
#define GIGANTIC  "hugepages/hugepages-1048576kB/"
#define POOL      "nr_hugepages"
#define SYSTEM    "/sys/kernel/mm/"
#define PATH_SIZE 128
#define TEXT_SIZE 32

/* Reads the number in a file; 0 where there is no such file. */
static size_t read_number(const char *path)
{
    char text[TEXT_SIZE] = "";
    int state = cancel_hold();
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        ssize_t length = read(fd, text, sizeof(text) - 1);

        text[length > 0 ? length : 0] = '\0';
        close(fd);
    }
    cancel_restore(state);
    return strtoul(text, NULL, 10);
}

/* Returns the pages of the pool that has this folder. */
static size_t pool_size(const char *folder, const unsigned long *mask, unsigned long maxnode)
{
    char path[PATH_SIZE];
    size_t pages = 0;

    if (mask == NULL) {
        snprintf(path, sizeof(path), SYSTEM "%s" POOL, folder);
        return read_number(path);
    }
    for (unsigned long node = 0; node < maxnode; node++) {
        if (!bits_has(mask, node))
            continue;
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%lu/%s" POOL, node, folder);
        pages += read_number(path);
    }
    return pages;
}

size_t huge_pages_pool_size(const unsigned long *mask, unsigned long maxnode)
{
    return pool_size(FOLDER, mask, maxnode);
}

size_t huge_pages_pool_size_gigantic(const unsigned long *mask, unsigned long maxnode)
{
    return pool_size(GIGANTIC, mask, maxnode);
}

size_t huge_pages_pool_free(void)
{
    size_t most = read_number(SYSTEM FOLDER "nr_overcommit_hugepages");
    size_t taken = read_number(SYSTEM FOLDER "surplus_hugepages");
    size_t free_pages = read_number(SYSTEM FOLDER "free_hugepages");

    return free_pages + (most > taken ? most - taken : 0);
}

/* A private map of huge pages has a reservation in the pool. */
bool huge_pages_pool_is_empty(void)
{
    int saved_errno = errno;
    void *page = NULL;
    int err = vm_map_anonymous(&page, HUGE_PAGES_POOL_PAGE, VM_WRITE,
                               MAP_PRIVATE | MAP_HUGETLB | MAP_HUGE_2MB);

    if (err == 0)
        (void)vm_unmap(page, HUGE_PAGES_POOL_PAGE);
    errno = saved_errno;
    return err != 0;
}
