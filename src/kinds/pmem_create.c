/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds as memkind_create_pmem() makes them: the configuration is checked, and the path decides
 * whether the memory is a file or a DAX device. */
#include <errno.h>
#include <string.h>

#include "kinds/fork.h"
#include "kinds/memkind_pmem_internal.h"
#include "kinds/pmem_device.h"
#include "kinds/pmem_file.h"
#include "os/directory.h"
#include "space/space.h"
#include "util/align.h"
#include "util/env.h"
#include "util/log.h"

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
    *max_size = align_up(*max_size, SPACE_CHUNK);
    return 0;
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
    log_error(status == MEMKIND_ERROR_ENVIRON ? "MEMKIND_PMEM_FORK is neither share nor snapshot"
                                              : "the fork mode is unknown");
    errno = EINVAL;
    return status;
}

int memkind_pmem_new(const struct memkind_config *config, memkind_t *kind)
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
