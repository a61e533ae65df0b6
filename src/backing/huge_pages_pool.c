/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's pool of huge pages of 2 MiB, as sysfs shows it. */
#include "backing/huge_pages_pool.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/cancel.h"

#define FOLDER    "hugepages/hugepages-2048kB/"
#define POOL      FOLDER "nr_hugepages"
#define SYSTEM    "/sys/kernel/mm/"
#define PATH_SIZE 128
#define TEXT_SIZE 32

/* The number that a file holds, 0 where there is no such file. */
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

size_t huge_pages_pool_size(const unsigned long *mask, unsigned long maxnode)
{
    enum { BITS = sizeof(*mask) * CHAR_BIT };
    size_t pages = 0;

    if (mask == NULL)
        return read_number(SYSTEM POOL);
    for (unsigned long node = 0; node < maxnode; node++) {
        char path[PATH_SIZE];

        if ((mask[node / BITS] >> node % BITS & 1) == 0)
            continue;
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%lu/" POOL, node);
        pages += read_number(path);
    }
    return pages;
}

size_t huge_pages_pool_free(void)
{
    size_t most = read_number(SYSTEM FOLDER "nr_overcommit_hugepages");
    size_t taken = read_number(SYSTEM FOLDER "surplus_hugepages");
    size_t free_pages = read_number(SYSTEM FOLDER "free_hugepages");

    return free_pages + (most > taken ? most - taken : 0);
}
