/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a directory lies in a file system on persistent memory (DAX), or is a DAX device. */
#include "os/dax_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/dax_device.h"
#include "os/directory.h"
#include "os/tmpfile.h"
#include "util/cancel.h"

/* Maps `size` bytes of the file with MAP_SYNC, and unmaps them: 0 or -errno of mmap(2). */
static int dax_probe_map(int fd, size_t size)
{
    /* Plain MAP_SHARED would accept the flag and ignore it. */
    const int flags = MAP_SHARED_VALIDATE | MAP_SYNC;
    void *addr = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

    if (addr == MAP_FAILED)
        return -errno;
    munmap(addr, size);
    return 0;
}

/*
 * The same with an empty file. A mapping may be longer than its file, so that a full file system
 * has a result, too.
 */
static int dax_probe_file(int fd, enum dax_probe_result *result)
{
    int error = dax_probe_map(fd, (size_t)sysconf(_SC_PAGESIZE));

    *result = error == 0 ? DAX_PROBE_SYNC : DAX_PROBE_NO_SYNC;
    return error;
}

/* The same with a DAX device. Ranges of other holders are not touched. */
static int dax_probe_device(const char *path, enum dax_probe_result *result)
{
    struct dax_device device;
    int error = dax_device_query(path, &device);

    if (error != 0)
        return error == -ENODEV ? -ENOTDIR : error;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    error = dax_probe_map(fd, device.alignment);
    *result = error == 0 ? DAX_PROBE_SYNC : DAX_PROBE_NO_SYNC;
    close(fd);
    return error;
}

/* As dax_probe(), but returns 0 or -errno. *result is untouched where no file can be made. */
static int dax_probe_directory(const char *path, enum dax_probe_result *result)
{
    struct directory *dir;
    int error = directory_open(path, &dir);
    int fd;

    if (error == -ENOTDIR)
        return dax_probe_device(path, result);
    if (error != 0)
        return error;
    fd = tmpfile_create(dir);
    if (fd < 0) {
        error = fd;
        goto close_directory;
    }
    error = dax_probe_file(fd, result);
    close(fd);
close_directory:
    directory_close(dir);
    return error;
}

enum dax_probe_result dax_probe(const char *path)
{
    enum dax_probe_result result = DAX_PROBE_NO_FILE;
    int saved_errno = errno;
    int cancel = cancel_hold();
    int error = dax_probe_directory(path, &result);

    cancel_restore(cancel);
    errno = error == 0 ? saved_errno : -error;
    return result;
}
