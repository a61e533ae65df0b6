/* SPDX-License-Identifier: BSD-2-Clause */
/* DAX devices (/dev/daxX.Y): persistent or CXL memory as a character device, without a file system.
 */
#include "backing/dax_device.h"

#include <daxctl/libdaxctl.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DAX_DEVICE_SUBSYSTEM_FORMAT "/sys/dev/char/%u:%u/subsystem"
#define DAX_DEVICE_SUBSYSTEM_SIZE   sizeof("/sys/dev/char/4294967295:4294967295/subsystem")
#define DAX_DEVICE_SUBSYSTEM        "dax"

/* Whether the kernel counts the character device among the DAX devices. */
static bool dax_device_is_dax(dev_t number)
{
    char path[DAX_DEVICE_SUBSYSTEM_SIZE];
    char target[PATH_MAX];
    const char *name;
    ssize_t length;

    snprintf(path, sizeof(path), DAX_DEVICE_SUBSYSTEM_FORMAT, major(number), minor(number));
    length = readlink(path, target, sizeof(target) - 1);
    if (length < 0)
        return false;
    target[length] = '\0';
    name = strrchr(target, '/');
    return strcmp(name == NULL ? target : name + 1, DAX_DEVICE_SUBSYSTEM) == 0;
}

/* libdaxctl prints its errors by itself, but this library is to be silent. */
static void dax_device_log_nothing(struct daxctl_ctx *context, int priority, const char *file,
                                   int line, const char *function, const char *format,
                                   va_list arguments)
{
    (void)context;
    (void)priority;
    (void)file;
    (void)line;
    (void)function;
    (void)format;
    (void)arguments;
}

static bool dax_device_has_number(struct daxctl_dev *dev, dev_t number)
{
    return daxctl_dev_get_major(dev) == (int)major(number) &&
           daxctl_dev_get_minor(dev) == (int)minor(number);
}

/* The device of that number and the region it is cut from, or NULL. Both belong to the context. */
static struct daxctl_dev *dax_device_find(struct daxctl_ctx *context, dev_t number,
                                          struct daxctl_region **region)
{
    struct daxctl_dev *dev;

    daxctl_region_foreach(context, *region)
    {
        daxctl_dev_foreach(*region, dev)
        {
            if (dax_device_has_number(dev, number))
                return dev;
        }
    }
    return NULL;
}

static int dax_device_describe(struct daxctl_region *region, struct daxctl_dev *dev,
                               struct dax_device *device)
{
    const char *name = daxctl_dev_get_devname(dev);
    struct dax_device found = {
        .size = daxctl_dev_get_size(dev),
        .alignment = daxctl_dev_get_align(dev),
        .target_node = daxctl_dev_get_target_node(dev),
    };

    /* Kernels before 5.10 tell the alignment of the region only. */
    if (found.alignment == 0)
        found.alignment = daxctl_region_get_align(region);
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

static int dax_device_ask(dev_t number, struct dax_device *device)
{
    struct daxctl_region *region;
    struct daxctl_ctx *context;
    struct daxctl_dev *dev;
    int error = daxctl_new(&context);

    if (error != 0)
        return error;
    daxctl_set_log_fn(context, dax_device_log_nothing);
    dev = dax_device_find(context, number, &region);
    error = dev == NULL ? -ENXIO : dax_device_describe(region, dev, device);
    daxctl_unref(context);
    return error;
}

int dax_device_query(const char *path, struct dax_device *device)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return -errno;
    if (!S_ISCHR(status.st_mode) || !dax_device_is_dax(status.st_rdev))
        return -ENODEV;
    return dax_device_ask(status.st_rdev, device);
}
