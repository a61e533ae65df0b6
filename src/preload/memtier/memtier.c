/* SPDX-License-Identifier: BSD-2-Clause */
/* libmemtier.so.0: the process's malloc on tiers, by the functions of libmemtier(3). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/library.h"
#include "preload/memtier/log.h"
#include "preload/memtier/tiers.h"

static struct tiers tiers;

/* -- The functions of libmemtier(3) ------------------------------------------------------------ */

static void *tiers_malloc(size_t size)
{
    return memtier_malloc(tiers.memory, size);
}

static void *tiers_calloc(size_t size)
{
    return memtier_calloc(tiers.memory, 1, size);
}

static void *tiers_memalign(size_t alignment, size_t size)
{
    void *block = NULL;

    return memtier_posix_memalign(tiers.memory, &block, alignment, size) == 0 ? block : NULL;
}

static void *tiers_realloc(memkind_t kind, void *ptr, size_t size)
{
    (void)kind;
    return memtier_realloc(tiers.memory, ptr, size);
}

static void tiers_free(memkind_t kind, void *ptr)
{
    (void)kind;
    memtier_free(ptr);
}

/* -- The fast way ------------------------------------------------------------------------------ */

/* Allocates from the kind whose turn it is. */
static void *fast_malloc(memkind_t own, size_t size)
{
    (void)own;
    return memtier_malloc(tiers.memory, size);
}

static void *fast_calloc(memkind_t own, size_t num, size_t size)
{
    (void)own;
    return memtier_calloc(tiers.memory, num, size);
}

/* Makes libmemkind do now, for all kinds, what it does when a thread first uses a kind. */
static void begin_thread(void)
{
    for (unsigned i = 0; i < tiers.count; i++) {
        void *block = memtier_kind_malloc(tiers.kinds[i], 1);

        if (block != NULL)
            memtier_kind_free(tiers.kinds[i], block);
    }
}

/* ---------------------------------------------------------------------------------------------- */

static bool read_settings(struct settings *settings, char *message)
{
    (void)settings;
    message[0] = '\0';
    if (!log_start())
        return false;
    log_info("Memkind memtier lib loaded!");
    return true;
}

static bool make(struct settings *settings, struct serving *serving, char *message)
{
    const char *text = secure_getenv("MEMKIND_MEM_TIERS");

    (void)settings;
    message[0] = '\0';
    if (text == NULL)
        log_error("Missing MEMKIND_MEM_TIERS env var");
    if (text == NULL || !tiers_make(text, secure_getenv("MEMKIND_MEM_THRESHOLDS"), &tiers))
        return false;
    *serving = (struct serving){
        .count = tiers.count,
        .fast_malloc = fast_malloc,
        .fast_calloc = fast_calloc,
        .fast_free = tiers_free,
        .fast_frees_all = true,
        .begin_thread = begin_thread,
        .malloc = tiers_malloc,
        .calloc = tiers_calloc,
        .memalign = tiers_memalign,
        .realloc = tiers_realloc,
        .free = tiers_free,
        .malloc_uncached = tiers_malloc,
        .free_uncached = tiers_free,
    };
    memcpy(serving->kinds, tiers.kinds, sizeof(tiers.kinds));
    return true;
}

/* As in memkind: a process does not run without the requested tiers. */
static void complain(const struct settings *settings, const char *message, bool serving)
{
    (void)settings;
    if (message[0] != '\0')
        log_error("%s", message);
    if (!serving)
        abort();
}

const struct library library = {
    .name = "libmemtier",
    .read = read_settings,
    .make = make,
    .complain = complain,
};
