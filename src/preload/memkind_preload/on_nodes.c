/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap in private memory on certain NUMA nodes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/memory_policy.h"
#include "os/node_files.h"
#include "os/node_list.h"
#include "preload/memkind_preload/places.h"
#include "preload/private_kind.h"
#include "preload/settings.h"
#include "util/errno_text.h"

/* Missing in some headers: from Linux 5.15 and Linux 6.9. */
#define PREFERRED_MANY      5
#define WEIGHTED_INTERLEAVE 6

static const struct policy {
    const char *name;
    int mode;
    int instead;        /* the mode on kernels without this one; otherwise the same */
    bool spreads_pages; /* no large pages, each of which would be on one node */
} policies[] = {
    {"bind", MPOL_BIND, MPOL_BIND, false},
    {"preferred", PREFERRED_MANY, MPOL_PREFERRED, false},
    {"interleave", MPOL_INTERLEAVE, MPOL_INTERLEAVE, true},
    {"weighted", WEIGHTED_INTERLEAVE, WEIGHTED_INTERLEAVE, true},
};

#define POLICIES (sizeof(policies) / sizeof(policies[0]))

static const struct policy *find_policy(const char *name)
{
    for (size_t i = 0; i < POLICIES; i++)
        if (name == NULL || strcmp(policies[i].name, name) == 0)
            return &policies[i];
    return NULL;
}

/* Returns the nodes that have memory and that the process may use. */
static struct node_set nodes_with_memory(void)
{
    struct node_set nodes = node_files_online(NODE_FILES_ROOT);
    struct node_set memory = {{0}};

    for (unsigned node = 0; node < NUMA_NUM_NODES; node++)
        if (node_set_has(&nodes, node) && node_files_memory(NODE_FILES_ROOT, node) != 0)
            node_set_add(&memory, node);
    return memory;
}

static struct node_set nodes_allowed(void)
{
    struct node_set nodes;

    (void)memory_policy_allowed(nodes.bits, NUMA_NUM_NODES);
    return nodes;
}

/* Tries whether the kernel binds a page like this: 0 or -errno. */
static int try_place(const struct private_kind_place *place)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return -errno;
    int err = memory_policy_bind(page, size, place->mode, place->nodes, PRIVATE_KIND_NODES);
    munmap(page, size);
    return err;
}

static bool choose_mode(const struct policy *policy, struct private_kind_place *place,
                        const char *list, char *message)
{
    place->mode = policy->mode;
    int err = try_place(place);
    if (err == -EINVAL && policy->instead != policy->mode) {
        place->mode = policy->instead;
        err = try_place(place);
    }
    if (err == 0)
        return true;
    if (err == -EINVAL && policy->mode == WEIGHTED_INTERLEAVE)
        snprintf(message, SETTINGS_MESSAGE_SIZE,
                 "MEMKIND_PRELOAD_POLICY=weighted needs Linux 6.9 or later");
    else
        snprintf(message, SETTINGS_MESSAGE_SIZE, "no heap on MEMKIND_PRELOAD_NODES=%.64s (%s)",
                 list, errno_text(-err));
    return false;
}

bool places_on_nodes(const char *list, const char *policy_name, struct serving *serving,
                     char *message)
{
    const struct policy *policy = find_policy(policy_name);
    struct node_set known = nodes_with_memory();
    struct node_set allowed = nodes_allowed();
    struct private_kind_place place = {0};
    struct node_set nodes;
    memkind_t kind;

    if (policy == NULL)
        return settings_invalid(message, "MEMKIND_PRELOAD_POLICY",
                                "\"bind\", \"preferred\", \"interleave\" or \"weighted\"");
    if (node_list_parse(list, &known, &allowed, &nodes) != 0)
        return settings_invalid(message, "MEMKIND_PRELOAD_NODES",
                                "a list of nodes that have memory, such as 1 or 0,2-3");
    memcpy(place.nodes, nodes.bits, sizeof(place.nodes));
    place.small_pages = policy->spreads_pages;
    if (!choose_mode(policy, &place, list, message))
        return false;
    if (private_kind_make("memkind_nodes", &place, &kind) != MEMKIND_SUCCESS) {
        snprintf(message, SETTINGS_MESSAGE_SIZE, "no memory");
        return false;
    }
    *serving = serving_by_kind(kind);
    return true;
}
