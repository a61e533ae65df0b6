/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_config: the settings of a kind that is to be created. */
#include <stdlib.h>

#include "memkind/internal/memkind_private.h"

struct memkind_config *memkind_config_new(void)
{
    /* All defaults are zero: no path, no limit, the default policy, no prefaulting. */
    return calloc(1, sizeof(struct memkind_config));
}

void memkind_config_delete(struct memkind_config *cfg)
{
    free(cfg);
}

void memkind_config_set_path(struct memkind_config *cfg, const char *pmem_dir)
{
    if (cfg != NULL)
        cfg->pmem_dir = pmem_dir;
}

void memkind_config_set_size(struct memkind_config *cfg, size_t pmem_size)
{
    if (cfg != NULL)
        cfg->pmem_size = pmem_size;
}

void memkind_config_set_memory_usage_policy(struct memkind_config *cfg,
                                            memkind_mem_usage_policy policy)
{
    if (cfg != NULL)
        cfg->policy = policy;
}

void memkind_config_set_prefault(struct memkind_config *cfg, bool prefault)
{
    if (cfg != NULL)
        cfg->prefault = prefault;
}

void memkind_config_set_fork(struct memkind_config *cfg, memkind_fork_mode mode)
{
    if (cfg == NULL)
        return;
    cfg->has_fork = true;
    cfg->fork = mode;
}
