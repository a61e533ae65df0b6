/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap in files: in one directory, or in several, over which threads are distributed.
 *
 * A thread uses the directory whose device is nearest to the processor on which the thread first
 * allocates. Processors are distributed evenly over directories that are equally near, or over all
 * if sysfs does not have the node of each device. A block's kind is found by its address, whichever
 * thread frees it.
 *
 * A thread whose directory is full uses the next one that has room, and comes back when it has
 * freed enough of its own, or when the other is full as well.
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memkind/internal/memkind_arena.h"
#include "os/node_files.h"
#include "preload/device_files.h"
#include "preload/file_kind.h"
#include "preload/full.h"
#include "preload/memkind_preload/places.h"
#include "preload/preload.h"
#include "preload/settings.h"

#define NOWHERE   UINT8_MAX /* distance from an unknown node */
#define COME_BACK FULL_CHECK_AFTER_BYTES
#define SEPARATOR ':'
#define ALL_OF(n) ((1u << (n)) - 1)

_Static_assert(SERVING_MOST_KINDS < 8 * sizeof(unsigned), "a set of directories is an unsigned");

static unsigned count;
/* Directories that are nearest to processors of the node: a set of numbers. */
static unsigned nearest[NUMA_NUM_NODES];

/*
 * Of the calling thread, if its directory was full: its former kind, and how much it has freed
 * there.
 */
static _Thread_local memkind_t left;
static _Thread_local size_t freed;

/* -- The nearest ------------------------------------------------------------------------------- */

static int node_of(const char *directory)
{
    struct stat status;

    if (stat(directory, &status) != 0)
        return DEVICE_FILES_NO_NODE;
    return S_ISCHR(status.st_mode) ? device_files_node("char", status.st_rdev)
                                   : device_files_node("block", status.st_dev);
}

static unsigned nearest_to(unsigned from, const struct node_set *online, const int *nodes)
{
    uint8_t distances[NUMA_NUM_NODES];
    uint8_t least = NOWHERE;
    unsigned set = 0;

    memset(distances, NOWHERE, sizeof(distances));
    node_files_distances(NODE_FILES_ROOT, from, online, distances);
    for (unsigned i = 0; i < count; i++)
        if (distances[nodes[i]] < least)
            least = distances[nodes[i]];
    for (unsigned i = 0; i < count; i++)
        if (distances[nodes[i]] == least)
            set |= 1u << i;
    return set;
}

static void find_nearest(char **directories)
{
    struct node_set online = node_files_online(NODE_FILES_ROOT);
    int nodes[SERVING_MOST_KINDS] = {0};
    bool known = true;

    for (unsigned i = 0; directories[i] != NULL; i++) {
        nodes[i] = node_of(directories[i]);
        known = known && nodes[i] >= 0 && nodes[i] < NUMA_NUM_NODES;
    }
    for (unsigned node = 0; node < NUMA_NUM_NODES; node++)
        nearest[node] =
            known && node_set_has(&online, node) ? nearest_to(node, &online, nodes) : ALL_OF(count);
}

/* Processors take turns among the nearest directories. */
static memkind_t choose(void)
{
    unsigned cpu = 0;
    unsigned node = 0;

    (void)syscall(SYS_getcpu, &cpu, &node, NULL);
    unsigned set = node < NUMA_NUM_NODES ? nearest[node] : ALL_OF(count);
    for (unsigned turn = cpu % (unsigned)__builtin_popcount(set); turn > 0; turn--)
        set &= set - 1;
    return preload.serving.kinds[__builtin_ctz(set)];
}

/* -- Several ----------------------------------------------------------------------------------- */

static void come_back(void)
{
    preload_self.own = left;
    left = NULL;
}

/* Calls the thread's own kind and, if that is full, the others in turn. */
static void *take_from_any(void *(*allocate)(memkind_t kind, size_t alignment, size_t size),
                           size_t alignment, size_t size)
{
    memkind_t own = preload_self.own != NULL ? preload_self.own : choose();
    void *block = allocate(own, alignment, size);

    for (unsigned i = 0; block == NULL && i < count; i++) {
        memkind_t other = preload.serving.kinds[i];

        block = other != own ? allocate(other, alignment, size) : NULL;
        if (block == NULL)
            continue;
        left = other == left ? NULL : left != NULL ? left : own;
        freed = 0;
        own = other;
    }
    preload_self.own = own;
    return block;
}

static void *allocate_any(memkind_t kind, size_t alignment, size_t size)
{
    (void)alignment;
    return memkind_malloc(kind, size);
}

static void *allocate_zero(memkind_t kind, size_t alignment, size_t size)
{
    (void)alignment;
    return memkind_calloc(kind, 1, size);
}

static void *allocate_aligned(memkind_t kind, size_t alignment, size_t size)
{
    void *block = NULL;

    return memkind_posix_memalign(kind, &block, alignment, size) == 0 ? block : NULL;
}

static void *allocate_uncached(memkind_t kind, size_t alignment, size_t size)
{
    (void)alignment;
    return memkind_arena_malloc_uncached(kind, size);
}

static void *several_malloc(size_t size)
{
    return take_from_any(allocate_any, 0, size);
}

static void *several_calloc(size_t size)
{
    return take_from_any(allocate_zero, 0, size);
}

static void *several_memalign(size_t alignment, size_t size)
{
    return take_from_any(allocate_aligned, alignment, size);
}

static void *several_malloc_uncached(size_t size)
{
    return take_from_any(allocate_uncached, 0, size);
}

static void count_freed(memkind_t kind, void *ptr)
{
    if (kind != left)
        return;
    freed += memkind_malloc_usable_size(kind, ptr);
    if (freed >= COME_BACK)
        come_back();
}

static void several_free(memkind_t kind, void *ptr)
{
    count_freed(kind, ptr);
    memkind_free(kind, ptr);
}

static void several_free_uncached(memkind_t kind, void *ptr)
{
    count_freed(kind, ptr);
    memkind_arena_free_uncached(kind, ptr);
}

/* -- Making them ------------------------------------------------------------------------------- */

static bool make_one(const char *directory, size_t size, memkind_t *kind, char *message)
{
    const char *reason;

    if (file_kind_make(directory, size, kind, &reason))
        return true;
    snprintf(message, SETTINGS_MESSAGE_SIZE, "no heap in MEMKIND_PRELOAD_DIR=%.256s (%s)",
             directory, reason);
    return false;
}

static bool make_several(char **directories, size_t size, struct serving *serving, char *message)
{
    *serving = (struct serving){
        .malloc = several_malloc,
        .calloc = several_calloc,
        .memalign = several_memalign,
        .realloc = memkind_realloc,
        .free = several_free,
        .malloc_uncached = several_malloc_uncached,
        .free_uncached = several_free_uncached,
    };
    for (unsigned i = 0; directories[i] != NULL; i++) {
        if (!make_one(directories[i], size, &serving->kinds[i], message)) {
            while (serving->count > 0)
                memkind_destroy_kind(serving->kinds[--serving->count]);
            return false;
        }
        serving->count++;
    }
    serving_be_fast(serving, serving->kinds[0]);
    find_nearest(directories);
    return true;
}

/* Splits the list in place. 0: there are too many names, or one is empty. */
static unsigned split(char *list, char **directories)
{
    const char separator[] = {SEPARATOR, '\0'};
    unsigned names = 0;
    char *name;

    while ((name = strsep(&list, separator)) != NULL) {
        if (*name == '\0' || names == SERVING_MOST_KINDS)
            return 0;
        directories[names++] = name;
    }
    return names;
}

static bool make_listed(const char *text, size_t size, struct serving *serving, char *message)
{
    char *directories[SERVING_MOST_KINDS + 1] = {NULL};
    char *list = strdup(text);
    bool made = false;

    count = list != NULL ? split(list, directories) : 0;
    if (count != 0)
        made = make_several(directories, size, serving, message);
    else
        settings_invalid(message, "MEMKIND_PRELOAD_DIR",
                         "a list of up to 16 directories with colons between them");
    free(list);
    return made;
}

bool places_in_directories(const char *text, size_t size, struct serving *serving, char *message)
{
    memkind_t kind;

    /* An existing name with a colon is a single name. */
    if (strchr(text, SEPARATOR) != NULL && access(text, F_OK) != 0)
        return make_listed(text, size, serving, message);
    if (!make_one(text, size, &kind, message))
        return false;
    *serving = serving_by_kind(kind);
    return true;
}
