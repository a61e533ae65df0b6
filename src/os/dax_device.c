/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DAX devices (/dev/daxX.Y): persistent or CXL memory as a character device, without a file system.
 */
#include "os/dax_device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "os/libdaxctl.h"
#include "util/bits.h"
#include "util/cancel.h"

/* The path of the region's alignment is the longest that is read. */
#define DAX_DEVICE_SYSFS_SIZE    sizeof("/sys/dev/char/4294967295:4294967295/../dax_region/align")
#define DAX_DEVICE_NUMBER_SIZE   32 /* of a number as text */
#define DAX_DEVICE_SUBSYSTEM     "dax"
#define DAX_DEVICE_MEMORY_DRIVER "kmem"

/* -- sysfs ------------------------------------------------------------------------------------- */

static void dax_device_sysfs_path(dev_t number, const char *entry, char path[DAX_DEVICE_SYSFS_SIZE])
{
    snprintf(path, DAX_DEVICE_SYSFS_SIZE, "/sys/dev/char/%u:%u%s", major(number), minor(number),
             entry);
}

/* Reads the last part of the name that a link in sysfs leads to. */
static int dax_device_link(dev_t number, const char *entry, char name[DAX_DEVICE_NAME_SIZE])
{
    char path[DAX_DEVICE_SYSFS_SIZE];
    char target[PATH_MAX];

    dax_device_sysfs_path(number, entry, path);
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    if (length < 0)
        return -errno;
    target[length] = '\0';
    const char *slash = strrchr(target, '/');
    const char *last = slash == NULL ? target : slash + 1;
    if (strlen(last) >= DAX_DEVICE_NAME_SIZE)
        return -ENAMETOOLONG;
    memcpy(name, last, strlen(last) + 1);
    return 0;
}

static bool dax_device_link_is(dev_t number, const char *entry, const char *expected)
{
    char name[DAX_DEVICE_NAME_SIZE];

    return dax_device_link(number, entry, name) == 0 && strcmp(name, expected) == 0;
}

/* Reads the number in a file of sysfs. */
static int dax_device_number(dev_t number, const char *entry, long long *value)
{
    char path[DAX_DEVICE_SYSFS_SIZE];
    char text[DAX_DEVICE_NUMBER_SIZE];
    char *end;

    dax_device_sysfs_path(number, entry, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    int error = length < 0 ? -errno : 0;
    close(fd);
    if (error != 0)
        return error;
    text[length] = '\0';
    *value = strtoll(text, &end, 10);
    return end == text ? -ENXIO : 0;
}

static int dax_device_query_sysfs(dev_t number, struct dax_device *device)
{
    struct dax_device found = {0};
    long long alignment = 0;
    long long node = DAX_DEVICE_NO_NODE;
    long long size = 0;
    int error = dax_device_link(number, "", found.name);

    if (error == 0)
        error = dax_device_number(number, "/size", &size);
    /* Kernels before 5.10 have the alignment of the region alone. */
    if (error == 0 && dax_device_number(number, "/align", &alignment) != 0)
        error = dax_device_number(number, "/../dax_region/align", &alignment);
    if (error == 0 && (size <= 0 || alignment <= 0))
        error = -ENXIO;
    if (error != 0)
        return error;
    (void)dax_device_number(number, "/target_node", &node);
    found.size = (size_t)size;
    found.alignment = (size_t)alignment;
    found.target_node = node < 0 || node > INT_MAX ? DAX_DEVICE_NO_NODE : (int)node;
    *device = found;
    return 0;
}

/* -- libdaxctl --------------------------------------------------------------------------------- */

static bool dax_device_has_number(const struct libdaxctl *daxctl, struct daxctl_dev *dev,
                                  dev_t number)
{
    return daxctl->dev_get_major(dev) == (int)major(number) &&
           daxctl->dev_get_minor(dev) == (int)minor(number);
}

/*
 * Returns the device after dev, in its region or a later one, or the first for NULL; NULL at the
 * end.
 */
static struct daxctl_dev *dax_device_next(const struct libdaxctl *daxctl,
                                          struct daxctl_region **region, struct daxctl_dev *dev)
{
    dev = dev == NULL ? NULL : daxctl->dev_get_next(dev);
    while (dev == NULL) {
        *region = *region == NULL ? daxctl->region_get_first(daxctl->context)
                                  : daxctl->region_get_next(*region);
        if (*region == NULL)
            return NULL;
        dev = daxctl->dev_get_first(*region);
    }
    return dev;
}

static int dax_device_describe(const struct libdaxctl *daxctl, struct daxctl_region *region,
                               struct daxctl_dev *dev, struct dax_device *device)
{
    const char *name = daxctl->dev_get_devname(dev);
    struct dax_device found = {
        .size = daxctl->dev_get_size(dev),
        .alignment = daxctl->dev_get_align(dev),
        .target_node = daxctl->dev_get_target_node(dev),
    };

    if (found.alignment == 0)
        found.alignment = daxctl->region_get_align(region);
    if (found.alignment == 0 || found.alignment == ULONG_MAX || found.size == 0)
        return -ENXIO;
    if (strlen(name) >= sizeof(found.name))
        return -ENAMETOOLONG;
    memcpy(found.name, name, strlen(name) + 1);
    if (found.target_node < 0)
        found.target_node = DAX_DEVICE_NO_NODE;
    *device = found;
    return 0;
}

static int dax_device_query_daxctl(dev_t number, struct dax_device *device)
{
    struct daxctl_region *region = NULL;
    struct daxctl_dev *dev = NULL;
    struct libdaxctl daxctl;
    int error = libdaxctl_open(&daxctl);

    if (error != 0)
        return error;
    do
        dev = dax_device_next(&daxctl, &region, dev);
    while (dev != NULL && !dax_device_has_number(&daxctl, dev, number));
    error = dev == NULL ? -ENXIO : dax_device_describe(&daxctl, region, dev, device);
    libdaxctl_close(&daxctl);
    return error;
}

/*
 * Returns the node of the memory that the device lends to the kernel; DAX_DEVICE_NO_NODE if the
 * kernel does not use that memory.
 */
static int dax_device_memory_node(const struct libdaxctl *daxctl, struct daxctl_dev *dev)
{
    int device_major = daxctl->dev_get_major(dev);
    int device_minor = daxctl->dev_get_minor(dev);

    if (device_major < 0 || device_minor < 0)
        return DAX_DEVICE_NO_NODE;
    dev_t number = makedev((unsigned)device_major, (unsigned)device_minor);
    return dax_device_link_is(number, "/driver", DAX_DEVICE_MEMORY_DRIVER)
               ? daxctl->dev_get_target_node(dev)
               : DAX_DEVICE_NO_NODE;
}

static int dax_device_memory_nodes_held(unsigned long *mask, unsigned long maxnode)
{
    struct daxctl_region *region = NULL;
    struct daxctl_dev *dev = NULL;
    struct libdaxctl daxctl;
    int error = libdaxctl_open(&daxctl);

    if (error != 0)
        return error;
    while ((dev = dax_device_next(&daxctl, &region, dev)) != NULL) {
        int node = dax_device_memory_node(&daxctl, dev);

        if (node >= 0 && (unsigned long)node < maxnode)
            bits_add(mask, (size_t)node);
    }
    libdaxctl_close(&daxctl);
    return 0;
}

int dax_device_memory_nodes(unsigned long *mask, unsigned long maxnode)
{
    int cancel = cancel_hold();
    int error = dax_device_memory_nodes_held(mask, maxnode);

    cancel_restore(cancel);
    return error;
}

/* -- Queries ----------------------------------------------------------------------------------- */

static int dax_device_describe_number(dev_t number, struct dax_device *device)
{
    int error = dax_device_query_daxctl(number, device);

    if (error != 0 && dax_device_query_sysfs(number, device) == 0)
        error = 0;
    if (error == 0)
        device->system_ram = dax_device_link_is(number, "/driver", DAX_DEVICE_MEMORY_DRIVER);
    return error;
}

int dax_device_query(const char *path, struct dax_device *device)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return -errno;
    if (!S_ISCHR(status.st_mode) ||
        !dax_device_link_is(status.st_rdev, "/subsystem", DAX_DEVICE_SUBSYSTEM))
        return -ENODEV;
    int cancel = cancel_hold();
    int error = dax_device_describe_number(status.st_rdev, device);
    cancel_restore(cancel);
    return error;
}
