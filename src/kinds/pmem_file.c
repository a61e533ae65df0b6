/* SPDX-License-Identifier: BSD-2-Clause */
/* PMEM kinds whose memory lies in a nameless file of a directory. */
#include "kinds/pmem_file.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "kinds/arena_kind.h"
#include "kinds/pmem_create.h"
#include "os/directory.h"
#include "space/snapshot.h"
#include "space/space.h"
#include "space/thaw.h"
#include "store/file_store.h"
#include "util/align.h"
#include "util/errno_text.h"
#include "util/log.h"

/* -- Operations -------------------------------------------------------------------------------- */

/* Takes address space and file space. */
static int map(struct space *space, size_t size, void **mapped)
{
    /* A request that cannot succeed must not use up address space. */
    if (size > space_capacity(space, size) || !space_has_room(space, size))
        return -ENOMEM;
    int err = space_reserve(space, size, SPACE_CHUNK, mapped);
    if (err != 0)
        return err;
    err = space_commit(space, *mapped, align_up(size, space->page));
    if (err != 0)
        space_return(space, *mapped);
    return err;
}

/* max_size, or the size of the file system where that is 0. */
static ssize_t capacity(struct memkind *kind)
{
    const struct space *space = kind->priv;
    size_t bytes = space->max_size;

    if (bytes == 0) {
        int err = file_store_file_system(space, &bytes);

        if (err != 0) {
            errno = -err;
            return -1;
        }
    }
    return bytes <= SSIZE_MAX ? (ssize_t)bytes : SSIZE_MAX;
}

/* -- Creation ---------------------------------------------------------------------------------- */

int pmem_file_refuse(const char *dir, int err)
{
    log_error("no file can be made in %s (%s)", dir != NULL ? dir : "no directory",
              errno_text(-err));
    errno = -err;
    return MEMKIND_ERROR_INVALID;
}

/* Gives a new kind its limit, its settings and its file. */
static int open_in_directory(struct memkind *kind, const struct memkind_config *config,
                             void *memory)
{
    struct directory *directory = memory;
    struct space *space = kind->priv;

    space->max_size = config->pmem_size;
    arena_kind_limit(kind, space->max_size);
    int status = pmem_create_configure(kind, config);
    if (status != MEMKIND_SUCCESS)
        return status;
    int err = file_store_open(space, directory);
    if (err != 0)
        return pmem_file_refuse(directory_path(directory), err);
    if (config->fork != MEMKIND_FORK_SHARE) {
        thaw_configure();
        space_snapshot_enable(space, config->fork == MEMKIND_FORK_COPY);
    }
    return MEMKIND_SUCCESS;
}

const struct pmem_place pmem_file = {
    .class = {.capacity = capacity, .map = map},
    .create = file_store_create,
    .open = open_in_directory,
};

int pmem_file_new(const struct memkind_config *config, struct directory *directory, memkind_t *kind)
{
    int status = pmem_create_in(&pmem_file, config, directory, kind);

    if (status != MEMKIND_SUCCESS)
        directory_close(directory);
    return status;
}
