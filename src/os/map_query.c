/* SPDX-License-Identifier: BSD-2-Clause */
/* The ioctl PROCMAP_QUERY. */
#include "os/map_query.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/cancel.h"

/* -- As in linux/fs.h, which many systems have from an older kernel ---------------------------- */

struct query {
    uint64_t size; /* of this struct */
    uint64_t flags;
    uint64_t address;
    uint64_t start;
    uint64_t end;
    uint64_t map_flags;
    uint64_t page_size;
    uint64_t offset;
    uint64_t inode;
    uint32_t device_major;
    uint32_t device_minor;
    uint32_t name_size; /* in: of the buffer; out: of the name; 0: no name */
    uint32_t build_id_size;
    uint64_t name;
    uint64_t build_id;
};

_Static_assert(sizeof(struct query) == 104, "the kernel's struct procmap_query");

#define PROCMAP_QUERY_IOCTL _IOWR('f', 17, struct query)

enum {
    QUERY_READABLE = 1,
    QUERY_WRITABLE = 2,
    QUERY_EXECUTABLE = 4,
    QUERY_SHARED = 8,
    QUERY_COVERING_OR_NEXT = 16,
};

/* ---------------------------------------------------------------------------------------------- */

/* The stack of a thread may be small. */
#define NAME_SIZE 512

/* A number made of the numbers of a device and an inode. */
#define FILE_FACTOR 1099511628211u

static uint64_t file_of(uint64_t major_number, uint64_t minor_number, uint64_t inode)
{
    return (major_number << 32 | minor_number) * FILE_FACTOR + inode;
}

uint64_t map_query_file(dev_t device, ino_t inode)
{
    return file_of(major(device), minor(device), inode);
}

/*
 * Finds the first shared and writable map that ends behind the address. name: NULL, or room for
 * NAME_SIZE bytes.
 */
static int find_map(int fd, uint64_t address, struct query *query, char *name)
{
    *query = (struct query){
        .size = sizeof(*query),
        .flags = QUERY_COVERING_OR_NEXT | QUERY_SHARED | QUERY_WRITABLE,
        .address = address,
        .name_size = name != NULL ? NAME_SIZE : 0,
        .name = (uintptr_t)name,
    };
    return ioctl(fd, PROCMAP_QUERY_IOCTL, query) == 0 ? 0 : -errno;
}

/* Adds the path of the map, if the map is still there, and the path is not too long. */
static void add_path(int fd, struct process_map *map)
{
    struct query query;
    char name[NAME_SIZE] = "";

    if (find_map(fd, map->start, &query, name) == 0 && query.start == map->start)
        (void)memccpy(map->path, name, 0, PROCESS_MAP_PATH - 1);
}

static struct process_map map_of(const struct query *query)
{
    uint64_t flags = query->map_flags;

    return (struct process_map){
        .start = query->start,
        .end = query->end,
        .protection = ((flags & QUERY_READABLE) != 0 ? PROT_READ : 0) |
                      ((flags & QUERY_WRITABLE) != 0 ? PROT_WRITE : 0) |
                      ((flags & QUERY_EXECUTABLE) != 0 ? PROT_EXEC : 0),
        .is_shared = true,
        .file = file_of(query->device_major, query->device_minor, query->inode),
    };
}

/* The kernel has no map behind the last one: -ENOENT. */
static int visit_each(int fd, const struct map_query_visitor *visitor)
{
    struct query query = {0};
    int err;

    while ((err = find_map(fd, query.end, &query, NULL)) == 0) {
        struct process_map map = map_of(&query);

        if (visitor->needs_path(&map))
            add_path(fd, &map);
        visitor->visit(&map);
    }
    return err == -ENOENT ? 0 : -EOPNOTSUPP;
}

int map_query_each(const struct map_query_visitor *visitor)
{
    int state = cancel_hold();
    int saved_errno = errno;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    int err = fd >= 0 ? visit_each(fd, visitor) : -errno;

    if (fd >= 0)
        close(fd);
    errno = saved_errno;
    cancel_restore(state);
    return err;
}
