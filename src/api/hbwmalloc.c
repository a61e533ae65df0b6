/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of hbwmalloc(3): blocks of the kind of the process's policy. */
#include "hbwmalloc.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kinds/node_choice.h"
#include "memkind.h"
#include "memkind/internal/memkind_default.h"
#include "memkind/internal/memkind_hbw.h"
#include "os/vm.h"
#include "util/align.h"
#include "util/lock.h"

#define GIB           ((size_t)1 << 30)
#define PAGES_AT_ONCE 128
#define UNKNOWN_NODE  (-1)

/* -- Policy ------------------------------------------------------------------------------------ */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static hbw_policy_t policy = HBW_POLICY_PREFERRED; /* guarded by lock until it is fixed */
static atomic_bool is_fixed;                       /* by hbw_set_policy(), or by the first block */

hbw_policy_t hbw_get_policy(void)
{
    return __atomic_load_n(&policy, __ATOMIC_RELAXED);
}

static int set_policy_locked(hbw_policy_t mode)
{
    if (atomic_load(&is_fixed))
        return mode == policy ? 0 : EPERM;
    __atomic_store_n(&policy, mode, __ATOMIC_RELAXED);
    atomic_store(&is_fixed, true);
    return 0;
}

int hbw_set_policy(hbw_policy_t mode)
{
    switch (mode) {
    case HBW_POLICY_BIND:
    case HBW_POLICY_PREFERRED:
    case HBW_POLICY_INTERLEAVE:
    case HBW_POLICY_BIND_ALL:
        break;
    default:
        return EINVAL;
    }
    lock_acquire(&lock, LOCK_HBW_POLICY);
    int err = set_policy_locked(mode);
    lock_release(&lock);
    return err;
}

static hbw_policy_t fixed_policy(void)
{
    if (__builtin_expect(!atomic_load_explicit(&is_fixed, memory_order_acquire), 0)) {
        lock_acquire(&lock, LOCK_HBW_POLICY);
        atomic_store(&is_fixed, true);
        lock_release(&lock);
    }
    return policy;
}

int hbw_check_available(void)
{
    return memkind_check_available(MEMKIND_HBW) == MEMKIND_SUCCESS ? 0 : ENODEV;
}

/* -- Kinds ------------------------------------------------------------------------------------- */

/* The kind of a policy that prefers such memory: chosen once, the same for all blocks. */
static memkind_t preferred;

static void find_preferred(void)
{
    preferred = hbw_check_available() == 0 ? MEMKIND_HBW_PREFERRED : MEMKIND_DEFAULT;
}

/* Returns the kind of the policy. From now on the policy cannot change. */
static memkind_t usual_kind(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    switch (fixed_policy()) {
    case HBW_POLICY_BIND:
        return MEMKIND_HBW;
    case HBW_POLICY_BIND_ALL:
        return MEMKIND_HBW_ALL;
    case HBW_POLICY_INTERLEAVE:
        return MEMKIND_HBW_INTERLEAVE;
    default:
        pthread_once(&once, find_preferred);
        return preferred;
    }
}

/* Returns the kind of huge pages of 2 MiB; NULL: the policy has none. */
static memkind_t huge_kind(void)
{
    switch (fixed_policy()) {
    case HBW_POLICY_BIND:
        return MEMKIND_HBW_HUGETLB;
    case HBW_POLICY_BIND_ALL:
        return MEMKIND_HBW_ALL_HUGETLB;
    case HBW_POLICY_INTERLEAVE:
        return NULL;
    default:
        return usual_kind() == MEMKIND_DEFAULT ? MEMKIND_HUGETLB : MEMKIND_HBW_PREFERRED_HUGETLB;
    }
}

/* The same with pages of 1 GiB. */
static memkind_t gigantic_kind(void)
{
    switch (fixed_policy()) {
    case HBW_POLICY_INTERLEAVE:
        return NULL;
    case HBW_POLICY_PREFERRED:
        return usual_kind() == MEMKIND_DEFAULT ? MEMKIND_GBTLB : MEMKIND_HBW_PREFERRED_GBTLB;
    default:
        return MEMKIND_HBW_GBTLB;
    }
}

/* Returns the kind with pages of this size; NULL: the policy has none, or the size is invalid. */
static memkind_t kind_with(hbw_pagesize_t pagesize, size_t size)
{
    switch (pagesize) {
    case HBW_PAGESIZE_4KB:
        return usual_kind();
    case HBW_PAGESIZE_2MB:
        return huge_kind();
    case HBW_PAGESIZE_1GB_STRICT:
        return size % GIB == 0 ? gigantic_kind() : NULL;
    case HBW_PAGESIZE_1GB:
        return gigantic_kind();
    default:
        return NULL;
    }
}

/* -- Blocks ------------------------------------------------------------------------------------ */

void *hbw_malloc(size_t size)
{
    return memkind_malloc(usual_kind(), size);
}

void *hbw_calloc(size_t num, size_t size)
{
    return memkind_calloc(usual_kind(), num, size);
}

int hbw_posix_memalign(void **memptr, size_t alignment, size_t size)
{
    return memkind_posix_memalign(usual_kind(), memptr, alignment, size);
}

int hbw_posix_memalign_psize(void **memptr, size_t alignment, size_t size, hbw_pagesize_t pagesize)
{
    memkind_t kind = kind_with(pagesize, size);

    (void)fixed_policy();
    return kind != NULL ? memkind_posix_memalign(kind, memptr, alignment, size) : EINVAL;
}

void *hbw_realloc(void *ptr, size_t size)
{
    return memkind_realloc(usual_kind(), ptr, size);
}

void hbw_free(void *ptr)
{
    memkind_free(NULL, ptr);
}

size_t hbw_malloc_usable_size(void *ptr)
{
    return memkind_malloc_usable_size(NULL, ptr);
}

/* -- Verifying --------------------------------------------------------------------------------- */

/*
 * Checks that the nodes of all pages from `page` on, at most PAGES_AT_ONCE, are in the set: 0, -1,
 * EFAULT.
 */
static int verify_pages(uintptr_t page, size_t count, size_t page_size, const struct node_set *set)
{
    void *pages[PAGES_AT_ONCE];
    int nodes[PAGES_AT_ONCE];

    for (size_t i = 0; i < count; i++) {
        /* Addresses in a range of the caller. NOLINTNEXTLINE(performance-no-int-to-ptr) */
        pages[i] = (void *)(page + i * page_size);
        nodes[i] = UNKNOWN_NODE;
    }
    /* Without target nodes, the call returns where the pages are. */
    if (syscall(SYS_move_pages, 0, count, pages, NULL, nodes, 0) < 0)
        return EFAULT;
    for (size_t i = 0; i < count; i++)
        if (nodes[i] < 0 || !node_set_has(set, (unsigned)nodes[i]))
            return -1;
    return 0;
}

/*
 * Allocates pages as a write would, without changing what another thread writes. The kernel reports
 * addresses where that is not possible. Before Linux 5.14, and if a filter of system calls forbids
 * the call, such an address raises a signal.
 */
static int touch(uintptr_t page, size_t count, size_t page_size)
{
    /* As above. NOLINTNEXTLINE(performance-no-int-to-ptr) */
    int err = vm_populate((void *)page, count * page_size);
    if (err == 0)
        return 0;
    if (err != -EINVAL && err != -EPERM && err != -ENOSYS)
        return EFAULT;
    for (; count != 0; count--, page += page_size)
        /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
        (void)__atomic_fetch_or((unsigned char *)page, 0, __ATOMIC_RELAXED);
    return 0;
}

static int verify(void *addr, size_t size, int flags)
{
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t page = align_down((uintptr_t)addr, page_size);
    size_t left = ((uintptr_t)addr + size - 1 - page) / page_size + 1;
    int result = 0;

    if ((flags & HBW_TOUCH_PAGES) != 0)
        result = touch(page, left, page_size);
    while (left != 0 && result == 0) {
        size_t count = left < PAGES_AT_ONCE ? left : PAGES_AT_ONCE;

        result = verify_pages(page, count, page_size, &node_choice_nodes()->hbw);
        page += count * page_size;
        left -= count;
    }
    return result;
}

int hbw_verify_memory_region(void *addr, size_t size, int flags)
{
    int saved_errno = errno;

    if (addr == NULL || size == 0 || (flags & ~HBW_TOUCH_PAGES) != 0)
        return EINVAL;
    if (size - 1 > UINTPTR_MAX - (uintptr_t)addr)
        return EFAULT;
    int result = verify(addr, size, flags);
    errno = saved_errno;
    return result;
}
