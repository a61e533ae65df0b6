/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces whose store is a range of a DAX device. */
#include "store/device_store.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os/dax_device.h"
#include "os/dax_range.h"
#include "os/descriptor.h"
#include "os/vm.h"
#include "space/address_map.h"
#include "space/range.h"
#include "space/segment.h"
#include "util/lock.h"

struct device_space {
    struct space space;
    struct range range;
    struct dax_device device;
    struct descriptor_file file; /* the space's fd, unless the program has closed that */
};

static struct device_space *device_space_of(const struct space *space)
{
    return (struct device_space *)((char *)space - offsetof(struct device_space, space));
}

/* Returns the first address from addr on at which the device can be mapped. */
static char *align(const struct device_space *device_space, char *addr)
{
    return align_ptr_up(addr, device_space->device.alignment);
}

/* Maps the whole range of the device. The rest of the segment stays reserved. */
static int device_store_map(struct space *space, void *addr, size_t size, off_t offset)
{
    void *base = align(device_space_of(space), addr);
    int err = vm_map_file(&base, space->max_size, VM_WRITE, space->fd, offset);

    (void)size;
    if (err == 0 && space->prefault)
        (void)vm_populate(base, space->max_size);
    return err;
}

static void device_store_close(struct space *space)
{
    descriptor_close(space->fd, &device_space_of(space)->file);
    space->fd = -1;
}

static void device_store_destroy(struct space *space)
{
    space_fini(space);
    device_store_close(space);
    free(device_space_of(space));
}

static int device_store_renew(const struct space *inherited, struct space **fresh)
{
    struct space *space = device_store_create(inherited->owner);

    if (space == NULL)
        return -ENOMEM;
    space->prefault = inherited->prefault;
    int err = device_store_open(space, inherited->path, &device_space_of(inherited)->device,
                                inherited->max_size);
    if (err != 0) {
        space_destroy(space);
        return err;
    }
    *fresh = space;
    return 0;
}

static const struct store_ops device_store = {
    .is_shared = true,
    .destroy = device_store_destroy,
    .map = device_store_map,
    .renew = device_store_renew,
    .close = device_store_close,
};

struct space *device_store_create(unsigned owner)
{
    struct device_space *device_space = calloc(1, sizeof(*device_space));

    if (device_space == NULL)
        return NULL;
    if (space_init(&device_space->space, &device_store, 0, owner) != 0) {
        free(device_space);
        return NULL;
    }
    range_init(&device_space->range, &device_space->space);
    return &device_space->space;
}

/* Copies the path into the space's metadata. */
static int keep_path(struct space *space, const char *path)
{
    size_t size = strlen(path) + 1;

    space->path = metadata_take(&space->metadata, size);
    if (space->path == NULL)
        return -ENOMEM;
    memcpy(space->path, path, size);
    return 0;
}

static int map_locked(struct device_space *device_space)
{
    struct space *space = &device_space->space;
    size_t alignment = device_space->device.alignment;
    size_t slack = alignment > ADDRESS_MAP_GRANULE ? alignment - ADDRESS_MAP_GRANULE : 0;
    int err = 0;
    struct segment *segment =
        segment_new(space, space->max_size + slack, ADDRESS_MAP_GRANULE, &err);

    if (segment == NULL)
        return err;
    segment->next = NULL;
    atomic_store(&space->segments, segment);
    return range_open(&device_space->range, align(device_space, segment->base), space->max_size);
}

int device_store_open(struct space *space, const char *path, const struct dax_device *device,
                      size_t size)
{
    struct device_space *device_space = device_space_of(space);
    struct dax_range range;
    int err = keep_path(space, path);

    if (err == 0)
        err = dax_range_take(path, device, size, &range);
    if (err != 0)
        return err;
    device_space->device = *device;
    space->fd = range.fd;
    device_space->file = range.file;
    space->offset = range.offset;
    space->max_size = size;
    lock_acquire(&space->lock, LOCK_SPACE);
    err = map_locked(device_space);
    lock_release(&space->lock);
    return err;
}
