/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memkind 1.14's interface to memory of high bandwidth, described in hbwmalloc(3): blocks by a
 * policy of the process instead of by kinds.
 *
 * Sizes and alignments are in bytes. All functions are thread-safe. Functions that return an error
 * number return 0 on success, and keep errno.
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
    HBW_POLICY_BIND_ALL = 4 /* on any of them; the kernel chooses the nearest at the first touch */
} hbw_policy_t;

/* The size of the pages of a block, for hbw_posix_memalign_psize(). */
typedef enum {
    HBW_PAGESIZE_4KB = 1, /* the system's pages */
    HBW_PAGESIZE_2MB = 2,
    HBW_PAGESIZE_1GB_STRICT = 3, /* the size must be a multiple of 1 GiB */
    HBW_PAGESIZE_1GB = 4,
    HBW_PAGESIZE_MAX_VALUE
} hbw_pagesize_t;

/* Flags of hbw_verify_memory_region(). */
enum {
    HBW_TOUCH_PAGES = (1 << 0) /* first allocates missing pages; contents do not change */
};

/* Returns the policy of the process. */
hbw_policy_t hbw_get_policy(void);

/*
 * Sets the policy, once, before the first block is requested. Setting the same policy again has no
 * effect. EPERM: another policy was set, or a block was requested. EINVAL: no such policy.
 */
int hbw_set_policy(hbw_policy_t mode);

/* ENODEV: there is no memory of high bandwidth, or MEMKIND_HBW_NODES is invalid. */
int hbw_check_available(void);

/*
 * Checks that all pages of the `size` bytes at addr are on nodes of high bandwidth. flags: 0 or
 * HBW_TOUCH_PAGES. -1: a page is not there, or missing. EINVAL: addr is NULL, size is 0, or a flag
 * is unknown. EFAULT: the program has no memory at an address of the range.
 */
int hbw_verify_memory_region(void *addr, size_t size, int flags);

/*
 * Allocate as malloc(3), calloc(3) and realloc(3) do, by the policy. NULL: errno is ENOMEM. A size
 * of 0 also results in NULL, and hbw_realloc() then frees the block.
 */
void *hbw_malloc(size_t size);
void *hbw_calloc(size_t num, size_t size);
void *hbw_realloc(void *ptr, size_t size);

/*
 * Stores a block in *memptr. alignment: a power of two and a multiple of sizeof(void *). EINVAL:
 * the alignment is invalid. ENOMEM: no memory. On failure *memptr is NULL or unchanged.
 */
int hbw_posix_memalign(void **memptr, size_t alignment, size_t size);

/*
 * The same with pages of a size. EINVAL also: the policy does not support the page size, or size is
 * not a multiple of 1 GiB for HBW_PAGESIZE_1GB_STRICT.
 */
int hbw_posix_memalign_psize(void **memptr, size_t alignment, size_t size, hbw_pagesize_t pagesize);

/* Frees a block of this header. NULL is allowed. */
void hbw_free(void *ptr);

/* Returns the usable bytes of a block of this header, at least the requested size; 0 for NULL. */
size_t hbw_malloc_usable_size(void *ptr);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
