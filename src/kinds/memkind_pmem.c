/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds whose memory lies in a file or a DAX device: memkind_pmem(3). */
#include "memkind/internal/memkind_pmem.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "heap/heap.h"
#include "kinds/arena_kind.h"
#include "kinds/fork.h"
#include "kinds/kind_ops.h"
#include "kinds/kind_registry.h"
#include "kinds/memkind_pmem_internal.h"
#include "kinds/pmem_device.h"
#include "os/dax_probe.h"
#include "os/directory.h"
#include "space/range.h"
#include "space/snapshot.h"
#include "space/space.h"
#include "store/file_store.h"
#include "util/env.h"
#include "util/log.h"

/* A PMEM kind's priv is its space, which begins with what programs may read. */
#define SAME_PLACE(public_member, member)                                                          \
    _Static_assert(offsetof(struct memkind_pmem, public_member) == offsetof(struct space, member), \
                   #public_member " is not where programs look for it")
SAME_PLACE(fd, fd);
SAME_PLACE(offset, offset);
SAME_PLACE(max_size, max_size);
SAME_PLACE(pmem_lock, lock);
SAME_PLACE(current_size, held);
SAME_PLACE(dir, path);
_Static_assert(MEMKIND_PMEM_CHUNK_SIZE == SPACE_CHUNK, "a chunk is a chunk");

struct memkind_ops MEMKIND_PMEM_OPS =
    KIND_OPS(memkind_arena, .create = memkind_pmem_create, .destroy = memkind_pmem_destroy,
             .mmap = memkind_pmem_mmap, .get_mmap_flags = memkind_pmem_get_mmap_flags,
             .get_arena = memkind_thread_get_arena, .finalize = memkind_pmem_destroy,
             .update_memory_usage_policy = memkind_arena_update_memory_usage_policy);

/* -- Operations -------------------------------------------------------------------------------- */

static int create_over(struct memkind *kind, struct memkind_ops *ops, const char *name,
                       struct space *(*new_space)(unsigned owner))
{
    int status = memkind_default_create(kind, ops, name);

    if (status != MEMKIND_SUCCESS)
        return status;
    if (kind_registry_add(kind) != 0)
        return MEMKIND_ERROR_TOOMANY;
    status = MEMKIND_ERROR_MALLOC;
    struct space *space = new_space(kind_registry_owner(kind));
    if (space == NULL)
        goto leave_registry;
    kind->priv = space;
    status = arena_kind_attach(kind, space, NULL);
    if (status == MEMKIND_SUCCESS)
        return status;
    kind->priv = NULL;
    space_destroy(space);
leave_registry:
    kind_registry_remove(kind);
    return status;
}

int memkind_pmem_create(struct memkind *kind, struct memkind_ops *ops, const char *name)
{
    return create_over(kind, ops, name, file_store_create);
}

int memkind_pmem_destroy(struct memkind *kind)
{
    arena_kind_detach(kind);
    space_destroy(kind->priv);
    kind->priv = NULL;
    kind_registry_remove(kind);
    return memkind_default_destroy(kind);
}

/* New address space for size bytes, and the file space. */
static int map_file(struct space *space, size_t size, void **mapped)
{
    /* What can never be had must not use up addresses. */
    if (size > space_capacity(space, size) || !space_has_room(space, size))
        return -ENOMEM;
    int err = space_reserve(space, size, SPACE_CHUNK, mapped);
    if (err != 0)
        return err;
    err = space_commit(space, *mapped, (size + space->page - 1) & ~(space->page - 1));
    if (err != 0)
        space_return(space, *mapped);
    return err;
}

/*
 * Pages of the device, which is mapped already; of what was in them before, nothing must be seen.
 */
static int map_device(struct space *space, size_t size, void **mapped)
{
    if (size == 0)
        return -EINVAL;
    if (size > space->max_size)
        return -ENOMEM;
    size = (size + space->page - 1) & ~(space->page - 1);
    *mapped = range_alloc(space->range, size, SPACE_CHUNK);
    if (*mapped == NULL)
        return -ENOMEM;
    memset(*mapped, 0, size);
    return 0;
}

void *memkind_pmem_mmap(struct memkind *kind, void *addr, size_t size)
{
    arena_kind_ready(kind);
    struct space *space = kind->priv;
    int saved_errno = errno;
    void *mapped;
    int err;

    (void)addr;
    if (kind->heap != NULL && heap_is_inherited(kind->heap))
        err = -ENOMEM; /* and what is there is the parent's */
    else
        err = space->range != NULL ? map_device(space, size, &mapped)
                                   : map_file(space, size, &mapped);
    /* Whatever the system said: there is no space. */
    if (err != 0 && err != -EINVAL && err != -EBADF)
        err = -ENOMEM;
    errno = err != 0 ? -err : saved_errno;
    return err != 0 ? MAP_FAILED : mapped;
}

int memkind_pmem_get_mmap_flags(struct memkind *kind, int *flags)
{
    (void)kind;
    if (flags == NULL)
        return MEMKIND_ERROR_INVALID;
    *flags = MAP_SHARED;
    return MEMKIND_SUCCESS;
}

int memkind_pmem_validate_dir(const char *dir)
{
    switch (dax_probe(dir)) {
    case DAX_PROBE_SYNC:
        return MEMKIND_SUCCESS;
    case DAX_PROBE_NO_SYNC:
        log_info("%s: MAP_SYNC is refused (%s)", dir, strerrordesc_np(errno));
        return MEMKIND_ERROR_MMAP;
    default:
        log_error("%s: no file can be made (%s)", dir != NULL ? dir : "no directory",
                  strerrordesc_np(errno));
        return MEMKIND_ERROR_RUNTIME;
    }
}

/* -- Kinds that the program makes -------------------------------------------------------------- */

/*
 * Rounds max_size up to a chunk; beyond the last chunk, to 0, which is no limit. -EINVAL where it
 * is too small.
 */
static int round_max_size(size_t *max_size)
{
    if (*max_size == 0)
        return 0;
    if (*max_size < MEMKIND_PMEM_MIN_SIZE)
        return -EINVAL;
    *max_size = (*max_size + SPACE_CHUNK - 1) & ~(SPACE_CHUNK - 1);
    return 0;
}

static void explain_directory(const char *dir, int err)
{
    log_error("no file can be made in %s (%s)", dir != NULL ? dir : "no directory",
              strerrordesc_np(-err));
}

/* What children are to have of the kind: what the program says, or else the environment. */
static int choose_fork_mode(struct memkind_config *config)
{
    const char *text = env_get("MEMKIND_PMEM_FORK");

    if (config->has_fork)
        return config->fork >= MEMKIND_FORK_SHARE && config->fork < MEMKIND_FORK_MODE_MAX_VALUE
                   ? MEMKIND_SUCCESS
                   : MEMKIND_ERROR_INVALID;
    if (text == NULL || strcmp(text, "share") == 0)
        config->fork = MEMKIND_FORK_SHARE;
    else if (strcmp(text, "snapshot") == 0)
        config->fork = MEMKIND_FORK_SNAPSHOT;
    else
        return MEMKIND_ERROR_ENVIRON;
    return MEMKIND_SUCCESS;
}

/* Without the handlers, a child would go on in its parent's file as if it were its own. */
static int prepare_for_forks(void)
{
    int err = fork_install();

    if (err == 0)
        return MEMKIND_SUCCESS;
    log_error("no memory for what is to be done at a fork");
    errno = -err;
    return MEMKIND_ERROR_MALLOC;
}

int memkind_pmem_configure(struct memkind *kind, const struct memkind_config *config)
{
    struct space *space = kind->priv;

    space->prefault = config->prefault;
    return config->policy == MEMKIND_MEM_USAGE_POLICY_DEFAULT ||
                   memkind_arena_update_memory_usage_policy(kind, config->policy) == MEMKIND_SUCCESS
               ? MEMKIND_SUCCESS
               : MEMKIND_ERROR_RUNTIME;
}

/* Gives a new kind its file, its limit and what else was configured. */
static int open_in_directory(struct memkind *kind, const struct memkind_config *config, void *place)
{
    struct directory *directory = place;
    struct space *space = kind->priv;

    space->max_size = config->pmem_size;
    arena_kind_limit(kind, space->max_size);
    int status = memkind_pmem_configure(kind, config);
    if (status != MEMKIND_SUCCESS)
        return status;
    int err = file_store_open(space, directory);
    if (err != 0) {
        explain_directory(directory_path(directory), err);
        errno = -err;
        return MEMKIND_ERROR_INVALID;
    }
    if (config->fork == MEMKIND_FORK_SNAPSHOT)
        space_snapshot_enable(space);
    return MEMKIND_SUCCESS;
}

int memkind_pmem_make(struct space *(*new_space)(unsigned owner), memkind_pmem_open *open,
                      const struct memkind_config *config, void *place, memkind_t *kind)
{
    struct memkind *made = calloc(1, sizeof(*made));

    if (made == NULL)
        return MEMKIND_ERROR_MALLOC;
    int status = create_over(made, &MEMKIND_PMEM_OPS, "memkind_pmem", new_space);
    if (status != MEMKIND_SUCCESS)
        goto free_kind;
    status = open(made, config, place);
    if (status != MEMKIND_SUCCESS)
        goto destroy;
    *kind = made;
    return status;

destroy:;
    int saved_errno = errno;
    memkind_pmem_destroy(made);
    errno = saved_errno;
free_kind:
    free(made);
    return status;
}

int memkind_pmem_new(const struct memkind_config *wanted, memkind_t *kind)
{
    struct memkind_config config = *wanted;
    struct directory *directory;

    if (config.policy < MEMKIND_MEM_USAGE_POLICY_DEFAULT ||
        config.policy >= MEMKIND_MEM_USAGE_POLICY_MAX_VALUE ||
        round_max_size(&config.pmem_size) != 0) {
        log_error("no kind has a size of %zu and policy %d", config.pmem_size, (int)config.policy);
        errno = EINVAL;
        return MEMKIND_ERROR_INVALID;
    }
    int status = choose_fork_mode(&config);
    if (status != MEMKIND_SUCCESS) {
        log_error(status == MEMKIND_ERROR_ENVIRON
                      ? "MEMKIND_PMEM_FORK is neither share nor snapshot"
                      : "there is no such fork mode");
        errno = EINVAL;
        return status;
    }
    status = prepare_for_forks();
    if (status != MEMKIND_SUCCESS)
        return status;
    int err = directory_open(config.pmem_dir, &directory);
    if (err == -ENOTDIR)
        return pmem_device_new(&config, kind);
    if (err != 0) {
        explain_directory(config.pmem_dir, err);
        errno = -err;
        return MEMKIND_ERROR_INVALID;
    }
    status = memkind_pmem_make(file_store_create, open_in_directory, &config, directory, kind);
    if (status != MEMKIND_SUCCESS)
        directory_close(directory);
    return status;
}

ssize_t memkind_pmem_capacity(struct memkind *kind)
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
