/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces whose store is a range of a DAX device. */
#include "store/device_store.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "os/dax_device.h"
#include "os/dax_range.h"
#include "os/madvise.h"
#include "space/address_map.h"
#include "space/range.h"
#include "space/segment.h"
#include "util/lock.h"

struct device_space {
    struct range range; /* first: it is a space, of which this file alone knows that it is more */
    struct dax_device device;
};

/* The first address in a segment that the device can be mapped at. */
static char *align(const struct device_space *device_space, char *addr)
{
    return addr + (-(uintptr_t)addr & (device_space->device.alignment - 1));
}

/* The rest of the segment stays reserved. */
static int device_store_map(struct space *space, void *addr, size_t size, off_t offset)
{
    char *base = align((const struct device_space *)space, addr);

    (void)size;
    if (mmap(base, space->max_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, space->fd,
             offset) == MAP_FAILED)
        return -errno;
    if (space->prefault)
        (void)madvise(base, space->max_size, MADV_POPULATE_WRITE);
    return 0;
}

static int device_store_renew(const struct space *inherited, struct space **fresh)
{
    const struct device_space *old = (const struct device_space *)inherited;
    struct space *space = device_store_new(inherited->owner);

    if (space == NULL)
        return -ENOMEM;
    space->prefault = inherited->prefault;
    int err = device_store_open(space, inherited->path, &old->device, inherited->max_size);
    if (err != 0) {
        space_fini(space);
        free(space);
        return err;
    }
    *fresh = space;
    return 0;
}

static const struct store_ops device_store = {
    .map = device_store_map,
    .renew = device_store_renew,
};

struct space *device_store_new(unsigned owner)
{
    struct device_space *device_space = calloc(1, sizeof(*device_space));

    if (device_space == NULL)
        return NULL;
    if (range_init(&device_space->range, owner) != 0) {
        free(device_space);
        return NULL;
    }
    device_space->range.space.store = &device_store;
    return &device_space->range.space;
}

/* The path as the space's own. */
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
    struct space *space = &device_space->range.space;
    size_t alignment = device_space->device.alignment;
    size_t slack = alignment > ADDRESS_MAP_GRANULE ? alignment - ADDRESS_MAP_GRANULE : 0;
    int err = 0;
    struct segment *segment =
        segment_new(space, space->max_size + slack, ADDRESS_MAP_GRANULE, &err);

    if (segment == NULL)
        return err;
    segment->next = NULL;
    atomic_store(&space->segments, segment);
    return range_open_segment(&device_space->range, align(device_space, segment->base),
                              space->max_size);
}

int device_store_open(struct space *space, const char *path, const struct dax_device *device,
                      size_t size)
{
    struct device_space *device_space = (struct device_space *)space;
    struct dax_range range;
    int err = keep_path(space, path);

    if (err == 0)
        err = dax_range_take(path, device, size, &range);
    if (err != 0)
        return err;
    device_space->device = *device;
    space->fd = range.fd;
    space->file = range.file;
    space->offset = range.offset;
    space->max_size = size;
    lock_acquire(&space->lock, LOCK_SPACE);
    err = map_locked(device_space);
    lock_release(&space->lock);
    return err;
}
