/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared maps of the process. */
#include "space/freeze_maps.h"

#include <errno.h>

#include "os/map_query.h"
#include "os/vm.h"
#include "space/address_map.h"

#define MAPS_MOST ((size_t)65536)

/* Where the process may have no more addresses (RLIMIT_AS). */
#define MAPS_FEW ((size_t)512)

/* Behind the list: the kernel returns no more text at a time. */
#define BUFFER_SIZE ((size_t)4096)

struct freeze_maps freeze_maps FORK_DATA;

static size_t list_size(size_t most)
{
    return most * sizeof(struct process_map);
}

static bool allocate_list(size_t most)
{
    freeze_maps.list = vm_alloc(list_size(most) + BUFFER_SIZE);
    freeze_maps.most = most;
    return freeze_maps.list != NULL;
}

void freeze_maps_forget(void)
{
    if (freeze_maps.list == NULL)
        return;
    (void)vm_unmap(freeze_maps.list, list_size(freeze_maps.most) + BUFFER_SIZE);
    freeze_maps = (struct freeze_maps){0};
}

static void add_map(const struct process_map *map)
{
    freeze_maps.has_transfers |= process_map_is_for_transfers(map);
    if (map->is_shared && freeze_maps.count < freeze_maps.most)
        freeze_maps.list[freeze_maps.count++] = *map;
}

static void add_map_of_text(void *arg, const struct process_map *map)
{
    (void)arg;
    add_map(map);
}

/*
 * Whether the map may be of another file than a space's. What the program has mapped over a part of
 * its blocks does not begin with a chunk.
 */
static bool may_be_foreign(const struct process_map *map)
{
    return map->start % SPACE_CHUNK != 0 ||
           address_map_owner((void *)map->start) == ADDRESS_MAP_NONE;
}

static void empty_list(enum freeze_maps_detail detail)
{
    freeze_maps.count = 0;
    freeze_maps.has_transfers = false;
    freeze_maps.detail = detail;
}

static int fill_from_text(enum freeze_maps_detail detail)
{
    char *buffer = (char *)freeze_maps.list + list_size(freeze_maps.most);

    empty_list(detail);
    return process_maps_read(detail == MAPS_EFFECTS, buffer, BUFFER_SIZE, add_map_of_text, NULL);
}

static int fill_by_queries(void)
{
    static const struct map_query_visitor visitor = {may_be_foreign, add_map};

    empty_list(MAPS_WRITABLE);
    return map_query_each(&visitor);
}

static int fill(enum freeze_maps_detail detail)
{
    int err = detail == MAPS_WRITABLE ? fill_by_queries() : fill_from_text(detail);

    if (err == -EOPNOTSUPP)
        err = fill_from_text(MAPS_ALL);
    if (err == 0 && freeze_maps.count == freeze_maps.most)
        err = -E2BIG;
    /* The kernel would write to the file's pages that it holds, unseen by the process. */
    if (err == 0 && freeze_maps.has_transfers)
        err = -EOPNOTSUPP;
    return err;
}

/* One query for all maps, so that each needs its own only where there may be locked pages. */
static bool find_locked(void)
{
    const struct freeze_maps *maps = &freeze_maps;

    if (maps->count == 0)
        return false;
    uintptr_t first = maps->list[0].start;
    return page_effects_are_locked((void *)first, maps->list[maps->count - 1].end - first);
}

/* The middle of the list is not in use yet. */
static void query_future(size_t page)
{
    char *middle = (char *)freeze_maps.list + list_size(freeze_maps.most) / 2;

    freeze_maps.future = page_effects_future_of(align_ptr_down(middle, page), page);
}

static int begin_list(const struct space *space)
{
    if (freeze_maps.list != NULL)
        return 0;
    if (!allocate_list(MAPS_MOST) && !allocate_list(MAPS_FEW))
        return -errno;
    query_future(space->page);
    return 0;
}

int freeze_maps_read(const struct space *space, enum freeze_maps_detail detail)
{
    if (freeze_maps.list != NULL && freeze_maps.detail >= detail)
        return 0;
    int err = begin_list(space);
    if (err == 0)
        err = fill(detail);
    if (err == 0)
        freeze_maps.has_locked = find_locked();
    else
        freeze_maps_forget();
    return err;
}

size_t freeze_maps_find(uintptr_t address)
{
    return process_maps_find(freeze_maps.list, freeze_maps.count, address);
}

uint64_t freeze_maps_file_of(const struct space *space)
{
    if (freeze_maps.detail == MAPS_WRITABLE) {
        const struct descriptor_file *file = space->store->file(space);

        return map_query_file(file->device, file->inode);
    }
    uintptr_t page = (uintptr_t)space->store->known_page(space);
    size_t i = freeze_maps_find(page);

    return i < freeze_maps.count && freeze_maps.list[i].start <= page ? freeze_maps.list[i].file
                                                                      : 0;
}
