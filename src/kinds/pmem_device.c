/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PMEM kinds whose memory is a DAX device instead of a file.
 *
 * A kind has a range of max_size bytes of the device for itself during its whole life. One arena
 * hands out all pages, since pages that one arena keeps are not available to another.
 */
#include "kinds/pmem_device.h"

#include <errno.h>
#include <string.h>

#include "kinds/arena_kind.h"
#include "kinds/pmem_create.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_pmem.h"
#include "os/dax_device.h"
#include "space/range.h"
#include "space/space.h"
#include "store/device_store.h"
#include "util/align.h"
#include "util/errno_text.h"
#include "util/log.h"

static int refuse(int status, int error)
{
    errno = error;
    return status;
}

/*
 * Returns the size of the range for max_size, a multiple of a chunk and of the device's alignment.
 * 0: the device or max_size is too small.
 */
static size_t size_of_range(const struct dax_device *device, size_t max_size)
{
    size_t unit = device->alignment > SPACE_CHUNK ? device->alignment : SPACE_CHUNK;

    if (max_size > device->size)
        return 0;
    size_t size = max_size != 0 ? (max_size + unit - 1) / unit * unit : device->size / unit * unit;
    return size >= MEMKIND_PMEM_MIN_SIZE && size <= device->size ? size : 0;
}

/* Checks that a kind can be created on the device, and stores the size of its range. */
static int check_device(const struct memkind_config *config, struct dax_device *device,
                        size_t *size)
{
    const char *path = config->pmem_dir;
    int err = dax_device_query(path, device);

    if (err == -ENODEV || err == -ENOTDIR) {
        log_error("%s is neither a directory nor a DAX device", path);
        return refuse(MEMKIND_ERROR_INVALID, ENOTDIR);
    }
    if (err != 0) {
        log_error("the DAX device %s cannot be queried (%s)", path, errno_text(-err));
        return refuse(MEMKIND_ERROR_INVALID, -err);
    }
    if (config->fork != MEMKIND_FORK_SHARE) {
        log_error("%s (%s): children get no copies of kinds on devices", path, device->name);
        return refuse(MEMKIND_ERROR_INVALID, EOPNOTSUPP);
    }
    if (device->system_ram) {
        log_error("%s (%s) is used as system RAM, on node %d: MEMKIND_DAX_KMEM allocates from it",
                  path, device->name, device->target_node);
        return refuse(MEMKIND_ERROR_UNAVAILABLE, ENXIO);
    }
    *size = size_of_range(device, config->pmem_size);
    if (*size == 0) {
        log_error("%s (%s) has %zu bytes, alignment %zu: too small for a kind of %zu", path,
                  device->name, device->size, device->alignment,
                  config->pmem_size != 0 ? config->pmem_size : MEMKIND_PMEM_MIN_SIZE);
        return refuse(MEMKIND_ERROR_INVALID, EINVAL);
    }
    return MEMKIND_SUCCESS;
}

static int status_of_range(const char *path, const struct dax_device *device, size_t size, int err)
{
    switch (err) {
    case -EBUSY:
        log_error("%s (%s) has no free range of %zu bytes", path, device->name, size);
        return MEMKIND_ERROR_UNAVAILABLE;
    case -ENXIO:
        log_error("%s (%s) has no driver, or is used as system RAM", path, device->name);
        return MEMKIND_ERROR_UNAVAILABLE;
    default:
        log_error("%s (%s) cannot be mapped (%s)", path, device->name, errno_text(-err));
        return MEMKIND_ERROR_INVALID;
    }
}

/* A device, and the size of the range of a kind. */
struct share {
    struct dax_device device;
    size_t size;
};

static int open_on_device(struct memkind *kind, const struct memkind_config *config, void *memory)
{
    const struct share *share = memory;

    arena_kind_use_one(kind);
    int status = pmem_create_configure(kind, config);
    if (status != MEMKIND_SUCCESS)
        return status;
    int err = device_store_open(kind->priv, config->pmem_dir, &share->device, share->size);
    return err == 0
               ? MEMKIND_SUCCESS
               : refuse(status_of_range(config->pmem_dir, &share->device, share->size, err), -err);
}

/* The pages may have the contents of an earlier user of the device. */
static int map(struct space *space, size_t size, void **mapped)
{
    if (size == 0)
        return -EINVAL;
    if (size > space->max_size)
        return -ENOMEM;
    size = align_up(size, space->page);
    *mapped = range_alloc(space->range, size, SPACE_CHUNK);
    if (*mapped == NULL)
        return -ENOMEM;
    memset(*mapped, 0, size);
    return 0;
}

static ssize_t capacity(struct memkind *kind)
{
    return (ssize_t)((const struct space *)kind->priv)->max_size;
}

static const struct pmem_place on_device = {
    .class = {.capacity = capacity, .map = map},
    .create = device_store_create,
    .open = open_on_device,
};

int pmem_device_new(const struct memkind_config *config, memkind_t *kind)
{
    struct share share;
    int status = check_device(config, &share.device, &share.size);

    return status == MEMKIND_SUCCESS ? pmem_create_in(&on_device, config, &share, kind) : status;
}
