/* SPDX-License-Identifier: BSD-2-Clause */
/* The start of jemalloc: its settings, and whether it works on this kernel. */
#include "heap/jemalloc_start.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include <jemalloc/jemalloc.h>

#include "heap/jemalloc_block.h"
#include "heap/jemalloc_calls.h"
#include "heap/page_blocks.h"
#include "os/vm.h"
#include "space/address_map.h"
#include "util/lock.h"
#include "util/log.h"

/* As jemalloc was built. */
#define JEMALLOC_PAGE ((size_t)1 << MEMKIND_JEMALLOC_LG_PAGE)

/*
 * narenas: all blocks lie in arenas that heaps create. jemalloc needs one of its own; the default
 * is four for each processor.
 * oversize_threshold: a large extent that is freed is kept for the decay time like any other.
 * max_background_threads: an upper bound; the number is set when the threads are started.
 * tcache: threads have no caches of jemalloc's.
 * lg_extent_max_active_fit: a free extent of any size serves a request. By default, an extent that
 * is more than 64 times as large waits for the decay time, and a program that fills and empties a
 * kind takes fresh file space each time.
 * slab_sizes: slabs of four pages where one page of 4 KiB would do, since each slab has a record of
 * 128 bytes in DRAM: 10 MiB instead of 34 for each GiB of 64-byte blocks. It also takes some 4,000
 * instructions to make, which few blocks would share. More pages would be pieces of different age
 * when they are free, in which larger blocks leave a rest that nothing fits. Larger pages need
 * none. page_blocks.h returns the pages of single blocks of whole pages.
 */
#if MEMKIND_JEMALLOC_LG_PAGE < 14
#    define SLAB_SIZES                                                             \
        ",slab_sizes:64-64:4|128-128:4|256-256:4|512-512:4|1024-1024:4|2048-2048:" \
        "4|" PAGE_BLOCKS_SLAB_SIZES
#else
#    define SLAB_SIZES ""
#endif
#define ANY_FIT ",lg_extent_max_active_fit:48"
#define SETTINGS \
    "narenas:1,oversize_threshold:0,max_background_threads:16,tcache:false" ANY_FIT SLAB_SIZES

extern const char *jemk_malloc_conf;
const char *jemk_malloc_conf = SETTINGS;

/*
 * What neither JEMK_MALLOC_CONF in the environment nor /etc/jemk_malloc.conf may change: without
 * retain, jemalloc requests each extent by its size, which the extent hooks refuse.
 */
extern const char *jemk_malloc_conf_2_conf_harder;
const char *jemk_malloc_conf_2_conf_harder = "retain:true";

static void log_message(void *opaque, const char *text)
{
    (void)opaque;
    log_error("%s", text);
}

static int check_page_size(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (page <= JEMALLOC_PAGE)
        return 0;
    log_error(
        "this library is built for pages of up to %zu bytes, and this kernel's have %zu: build "
        "it with cmake -DMEMKIND_JEMALLOC_LG_PAGE=%d",
        JEMALLOC_PAGE, page, __builtin_ctzl(page));
    return -ENOTSUP;
}

/* 0 or -ENOTSUP. */
static int start(void)
{
    /* jemalloc's messages go to the log, not to the program's standard error. */
    jemk_malloc_message = log_message;
    int saved_errno = errno; /* jemalloc sets errno when it reads its settings */
    bool works = jemalloc_block_class_size(1) != 0;
    jemalloc_calls_release();
    errno = saved_errno;
    if (works)
        return 0;
    log_error("jemalloc does not start");
    return -ENOTSUP;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool done;
static int result; /* another thread that started jemalloc after a failure would wait for ever */

static int start_locked(void)
{
    if (atomic_load_explicit(&done, memory_order_relaxed))
        return result;
    int err = check_page_size();
    if (err == 0 && vm_has_limit())
        address_map_free_spare();
    if (err == 0)
        err = jemalloc_calls_reserve();
    if (err != 0)
        return err;
    result = start();
    atomic_store_explicit(&done, true, memory_order_release);
    return result;
}

int jemalloc_start(void)
{
    if (atomic_load_explicit(&done, memory_order_acquire))
        return result;
    lock_acquire(&lock, LOCK_JEMALLOC_START);
    int err = start_locked();
    lock_release(&lock);
    return err;
}

void jemalloc_start_hold(void)
{
    lock_acquire(&lock, LOCK_JEMALLOC_START);
}

void jemalloc_start_release(void)
{
    lock_release(&lock);
}
