/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of a space: its descriptor, and the page that stays mapped. */
#include "store/file_space.h"

#include <errno.h>

#include "os/tmpfile.h"
#include "os/vm.h"
#include "util/log.h"

int file_space_pin(struct file_space *file_space, int fd)
{
    return vm_map_file(&file_space->pin, file_space->space.page, VM_NONE, fd, 0);
}

/* Logs once that the descriptor is gone. */
static void report_lost(struct file_space *file_space)
{
    if (!atomic_exchange(&file_space->lost, true))
        log_error("%s: the file's descriptor is gone, and the file cannot be opened again",
                  file_space->space.path);
}

/* Opens the file again, and puts its number in the place of the one that was lost. */
static int open_again(struct file_space *file_space, int lost)
{
    struct space *space = &file_space->space;
    int fd = descriptor_open_mapped(file_space->pin, space->page, &file_space->file);

    if (fd < 0) {
        report_lost(file_space);
        return -EBADF;
    }
    if (__atomic_compare_exchange_n(&space->fd, &lost, fd, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        atomic_store(&file_space->lost, false);
        return fd;
    }
    /* Another thread was quicker. */
    descriptor_close(fd, &file_space->file);
    return lost;
}

int file_space_fd(struct file_space *file_space)
{
    int fd = __atomic_load_n(&file_space->space.fd, __ATOMIC_ACQUIRE);

    if (fd < 0)
        return -EBADF;
    return descriptor_is(fd, &file_space->file) ? fd : open_again(file_space, fd);
}

int file_space_known_fd(const struct file_space *file_space)
{
    int fd = __atomic_load_n(&file_space->space.fd, __ATOMIC_ACQUIRE);

    return descriptor_is(fd, &file_space->file) ? fd : -EBADF;
}

void file_space_check_file_system(struct file_space *file_space, int fd)
{
    file_space->in_memory = tmpfile_in_memory(fd);
    file_space->faults_reserve = tmpfile_faults_reserve(fd);
    file_space->space.chunk_steps = !file_space->in_memory;
}

void file_space_close_spare(struct file_space *file_space)
{
    descriptor_close(file_space->spare_fd, &file_space->file);
    file_space->spare_fd = -1;
}

void file_space_close(struct file_space *file_space)
{
    descriptor_close(file_space->space.fd, &file_space->file);
    descriptor_close(file_space->spare_fd, &file_space->file);
    file_space->space.fd = -1;
    file_space->spare_fd = -1;
}
