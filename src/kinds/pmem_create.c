/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Creation of PMEM kinds: the configuration is checked, and the path decides whether the memory is
 * a file or a DAX device.
 */
#include "kinds/pmem_create.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kinds/arena_kind.h"
#include "kinds/fork.h"
#include "kinds/pmem_device.h"
#include "kinds/pmem_file.h"
#include "os/directory.h"
#include "space/space.h"
#include "util/align.h"
#include "util/env.h"
#include "util/log.h"

/*
 * Rounds max_size up to a chunk. Near SIZE_MAX the result is 0: no limit. -EINVAL where max_size is
 * too small.
 */
static int round_max_size(size_t *max_size)
{
    if (*max_size == 0)
        return 0;
    if (*max_size < MEMKIND_PMEM_MIN_SIZE)
        return -EINVAL;
    *max_size = align_up(*max_size, SPACE_CHUNK);
    return 0;
}

/* The fork mode comes from the program, else from the environment. */
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
    else if (strcmp(text, "copy") == 0)
        config->fork = MEMKIND_FORK_COPY;
    else
        return MEMKIND_ERROR_ENVIRON;
    return MEMKIND_SUCCESS;
}

/* Without fork handlers, a child would allocate in its parent's file. */
static int prepare_for_forks(void)
{
    int err = fork_install();

    if (err == 0)
        return MEMKIND_SUCCESS;
    log_error("no memory for the fork handlers");
    errno = -err;
    return MEMKIND_ERROR_MALLOC;
}

/* Checks the configuration, and completes it with defaults. */
static int complete(struct memkind_config *config)
{
    if (config->policy < MEMKIND_MEM_USAGE_POLICY_DEFAULT ||
        config->policy >= MEMKIND_MEM_USAGE_POLICY_MAX_VALUE ||
        round_max_size(&config->pmem_size) != 0) {
        log_error("no kind has a size of %zu and policy %d", config->pmem_size,
                  (int)config->policy);
        errno = EINVAL;
        return MEMKIND_ERROR_INVALID;
    }
    int status = choose_fork_mode(config);
    if (status == MEMKIND_SUCCESS)
        return status;
    log_error(status == MEMKIND_ERROR_ENVIRON
                  ? "MEMKIND_PMEM_FORK is neither share nor snapshot nor copy"
                  : "the fork mode is unknown");
    errno = EINVAL;
    return status;
}

int pmem_create(const struct memkind_config *config, memkind_t *kind)
{
    struct memkind_config completed = *config;
    struct directory *directory;
    int status = complete(&completed);

    if (status == MEMKIND_SUCCESS)
        status = prepare_for_forks();
    if (status != MEMKIND_SUCCESS)
        return status;
    int err = directory_open(config->pmem_dir, &directory);
    if (err == -ENOTDIR)
        return pmem_device_new(&completed, kind);
    if (err != 0)
        return pmem_file_refuse(config->pmem_dir, err);
    return pmem_file_new(&completed, directory, kind);
}

/* -- For the places ---------------------------------------------------------------------------- */

int pmem_create_configure(struct memkind *kind, const struct memkind_config *config)
{
    struct space *space = kind->priv;

    space->prefault = config->prefault;
    return config->policy == MEMKIND_MEM_USAGE_POLICY_DEFAULT ||
                   memkind_arena_update_memory_usage_policy(kind, config->policy) == MEMKIND_SUCCESS
               ? MEMKIND_SUCCESS
               : MEMKIND_ERROR_RUNTIME;
}

int pmem_create_in(const struct pmem_place *place, const struct memkind_config *config,
                   void *memory, memkind_t *kind)
{
    struct memkind *made = calloc(1, sizeof(*made));

    if (made == NULL)
        return MEMKIND_ERROR_MALLOC;
    int status =
        arena_kind_create(made, &MEMKIND_PMEM_OPS, "memkind_pmem", &place->class, place->create);
    if (status != MEMKIND_SUCCESS)
        goto free_kind;
    status = place->open(made, config, memory);
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
