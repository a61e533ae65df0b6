/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memkind 1.14's interface to memory of high bandwidth, described in hbwmalloc(3): blocks by a
 * policy of the process instead of by kinds.
 */
#pragma once

#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* The policy for new blocks. */
typedef enum {
    HBW_POLICY_BIND = 1,       /* on the nodes of high bandwidth that are nearest to the thread */
    HBW_POLICY_PREFERRED = 2,  /* the same, or elsewhere if there is no room; the default */
    HBW_POLICY_INTERLEAVE = 3, /* on all nodes of high bandwidth in turn, page by page */
    HBW_POLICY_BIND_ALL = 4, /* on any of them; the kernel chooses the nearest at the first touch */
} hbw_policy_t;

typedef enum {
    HBW_PAGESIZE_4KB = 1,
    HBW_PAGESIZE_2MB = 2,
    HBW_PAGESIZE_1GB_STRICT = 3, /* the size must be a multiple of 1 GiB */
    HBW_PAGESIZE_1GB = 4,
    HBW_PAGESIZE_MAX_VALUE
} hbw_pagesize_t;

/* Flags of hbw_verify_memory_region(). */
enum {
    HBW_TOUCH_PAGES = (1 << 0), /* allocate missing pages first */
};

/* The policy can be set once, before the first block is requested. 0, EPERM, or EINVAL. */
hbw_policy_t hbw_get_policy(void);
int hbw_set_policy(hbw_policy_t mode);

/* 0, or ENODEV: there is no memory of high bandwidth. */
int hbw_check_available(void);

/* 0: all pages are on nodes of high bandwidth. -1: a page is not. EINVAL or EFAULT. */
int hbw_verify_memory_region(void *addr, size_t size, int flags);

/* As the functions of malloc(3). A size of 0 results in NULL. */
void *hbw_malloc(size_t size);
void *hbw_calloc(size_t num, size_t size);
int hbw_posix_memalign(void **memptr, size_t alignment, size_t size);
int hbw_posix_memalign_psize(void **memptr, size_t alignment, size_t size, hbw_pagesize_t pagesize);
void *hbw_realloc(void *ptr, size_t size);
void hbw_free(void *ptr);
size_t hbw_malloc_usable_size(void *ptr);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
