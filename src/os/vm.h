/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address space of the process, as the kernel maps it: one contract for each system call.
 *
 * Addresses and sizes are in bytes, and multiples of a page; alignments are powers of two.
 * Functions of type int return 0 or -errno, and functions that return an address return NULL on
 * error. errno may change. All are thread-safe, and none is a cancellation point.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

#ifndef MADV_POPULATE_WRITE
#    define MADV_POPULATE_WRITE 23 /* since Linux 5.14; glibc 2.35 */
#endif
#ifndef MADV_COLLAPSE
#    define MADV_COLLAPSE 25 /* since Linux 6.1; glibc 2.37 */
#endif

enum vm_access {
    VM_NONE = PROT_NONE,
    VM_READ = PROT_READ,
    VM_WRITE = PROT_READ | PROT_WRITE,
};

/* -- Memory ------------------------------------------------------------------------------------ */

/* Maps private memory, readable and writable, which reads as zero. NULL with errno. */
void *vm_alloc(size_t size);

/* The same, aligned, and not counted as committed by the kernel (MAP_NORESERVE). */
void *vm_alloc_aligned(size_t size, size_t alignment);

/*
 * Enlarges memory of vm_alloc(), and may move it. The new part reads as zero. NULL with errno: the
 * memory is unchanged.
 */
void *vm_grow(void *addr, size_t size, size_t new_size);

/*
 * Maps memory with these flags of mmap(2) and MAP_ANONYMOUS. Replaces the maps at *addr, or, if
 * *addr is NULL, stores an address of the kernel's choice there. On error, the maps at *addr may be
 * gone.
 */
int vm_map_anonymous(void **addr, size_t size, enum vm_access access, int flags);

/* The same with a file, mapped shared from offset on. */
int vm_map_file(void **addr, size_t size, enum vm_access access, int fd, off_t offset);

/*
 * Unmaps the range. To unmap the middle of a map needs one map more: -ENOMEM if the process has too
 * many (vm.max_map_count).
 */
int vm_unmap(void *addr, size_t size);

/* -- Addresses --------------------------------------------------------------------------------- */

/* Whether the process has a limit of addresses (RLIMIT_AS). */
bool vm_has_limit(void);

/*
 * Reserves addresses: a map without access, which only RLIMIT_AS counts. At the hint if the
 * addresses there are free, otherwise anywhere.
 */
void *vm_reserve(void *hint, size_t size);

/* The same, aligned. Reserves more than the size, and unmaps the rest. */
void *vm_reserve_aligned(size_t size, size_t alignment);

/*
 * The same without a larger reservation meanwhile, for a process that may have few addresses. Tries
 * only the address that the kernel chooses for the size, rounded down to the alignment. NULL: the
 * addresses there are not free.
 */
void *vm_reserve_exactly(size_t size, size_t alignment);

/* Replaces the maps of the range by a reservation. */
int vm_reserve_over(void *addr, size_t size);

/* -- Pages ------------------------------------------------------------------------------------- */

/* Sets the access to a range that is mapped as a whole. */
int vm_protect(void *addr, size_t size, enum vm_access access);

/*
 * Allocates all missing pages of the range, as writes to them would. -EINVAL before Linux 5.14;
 * -EFAULT where a write would raise SIGBUS. On error, pages of the range may have been allocated.
 */
int vm_populate(void *addr, size_t size);

/* Releases private pages, which read as zero afterwards. */
int vm_discard(void *addr, size_t size);

/*
 * Moves the map at addr, with its pages, to `to`, and replaces the maps there. Before Linux 5.16,
 * huge pages cannot be moved.
 */
int vm_move(void *addr, size_t size, void *to);

/* Disables transparent huge pages in the range. -EINVAL also from kernels without such pages. */
int vm_use_small_pages(void *addr, size_t size);

/*
 * Returns whether the page at addr is certainly missing. False if the kernel does not permit the
 * query (mincore(2)), or reports all pages as present, as to a process that has changed its user
 * id.
 */
bool vm_is_missing(void *addr);
