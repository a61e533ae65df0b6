/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks for the children of forks. */
#include "heap/child_needs.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "heap/fork_gate.h"
#include "heap/size_class.h"
#include "heap/thread_caches.h"
#include "os/vm.h"
#include "util/fork_generation.h"

/* Most empty bins that a child records: a child that needs more is a process like any other. */
#define RECORDED_MOST 8u

/* Blocks of larger classes are seldom needed, and take much memory. */
#define LARGEST ((size_t)1024)

/* In memory that parents and children share. */
struct needs {
    _Atomic uint8_t missed[SIZE_CLASS_LIMIT];
};

static struct needs *needs FORK_DATA; /* NULL before the first fork */
unsigned child_needs_left FORK_DATA;

void child_needs_record_now(unsigned size_class)
{
    child_needs_left--;
    if (needs != NULL && size_class_size(size_class) <= LARGEST)
        atomic_store_explicit(&needs->missed[size_class], 1, memory_order_relaxed);
}

/* Fills the bins of recorded classes. A class without blocks is not tried again. */
static void fill_cache(struct thread_caches *caches)
{
    unsigned last = size_class_of(LARGEST);

    for (unsigned c = 1; c <= last; c++)
        if (atomic_load_explicit(&needs->missed[c], memory_order_relaxed) != 0 &&
            !thread_caches_fill(caches, c))
            atomic_store_explicit(&needs->missed[c], 0, memory_order_relaxed);
}

void child_needs_fill(struct thread_caches *caches)
{
    void *page = NULL;
    int saved_errno = errno;

    if (needs == NULL)
        needs = vm_map_anonymous(&page, sizeof(*needs), VM_WRITE, MAP_SHARED) == 0 ? page : NULL;
    else if (!fork_gate_is_inside())
        fill_cache(caches);
    errno = saved_errno;
}

void child_needs_begin(bool has_one_thread)
{
    child_needs_left = has_one_thread ? RECORDED_MOST : 0;
}
