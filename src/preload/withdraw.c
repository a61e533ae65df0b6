/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds that stop to serve, because a filter of system calls is about to be installed. */
#include "preload/withdraw.h"

#include <malloc.h>

#include "preload/preload.h"
#include "preload/report.h"
#include "util/alone.h"

atomic_bool withdraw_done;

/* What FAST threads call; other threads check preload_is_withdrawn(). */
struct fast_path {
    void *(*malloc)(size_t size, void *(*otherwise)(size_t size), memkind_t own);
    void *(*serving_malloc)(memkind_t own, size_t size);
    void *(*serving_calloc)(memkind_t own, size_t num, size_t size);
};

static struct fast_path used;

static void set_fast_path(const struct fast_path *path)
{
    __atomic_store_n(&preload.malloc, path->malloc, __ATOMIC_RELAXED);
    __atomic_store_n(&preload.serving.fast_malloc, path->serving_malloc, __ATOMIC_RELAXED);
    __atomic_store_n(&preload.serving.fast_calloc, path->serving_calloc, __ATOMIC_RELAXED);
}

/* The thread is FAST no more. */
static void *no_block(memkind_t own, size_t size)
{
    (void)own;
    (void)size;
    preload_set_thread(PRELOAD_COLD);
    return NULL;
}

static void *no_zeroed_block(memkind_t own, size_t num, size_t size)
{
    return no_block(own, num * size);
}

static void *no_block_or(size_t size, void *(*otherwise)(size_t size), memkind_t own)
{
    (void)no_block(own, size);
    return otherwise(size);
}

void preload_withdraw(void)
{
    static const struct fast_path none = {no_block_or, no_block, no_zeroed_block};
    int expected = PRELOAD_WAITING;

    report_now();
    /* The end of a thread flushes its caches. With these empty, no memory is released then. */
    if (!process_is_alone() && preload_kind() != NULL)
        (void)malloc_trim(0);
    (void)atomic_compare_exchange_strong(&preload_waiting, &expected, PRELOAD_MADE);
    atomic_store(&withdraw_done, true);
    if (preload_kind() == NULL)
        return;
    used = (struct fast_path){preload.malloc, preload.serving.fast_malloc,
                              preload.serving.fast_calloc};
    if (used.serving_malloc != NULL)
        set_fast_path(&none);
    preload_set_thread(PRELOAD_COLD);
}

void preload_return(void)
{
    int expected = PRELOAD_MADE;

    if (preload_kind() == NULL)
        (void)atomic_compare_exchange_strong(&preload_waiting, &expected, PRELOAD_WAITING);
    else if (used.serving_malloc != NULL)
        set_fast_path(&used);
    atomic_store(&withdraw_done, false);
}
