/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address space of the process, as the kernel maps it: one contract for each system call.
 *
 * Addresses and sizes are multiples of a page, alignments powers of two. Functions of type int
 * return 0 or -errno. errno may change. All are thread-safe, and none is a cancellation point.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

#ifndef MADV_POPULATE_WRITE
#    define MADV_POPULATE_WRITE 23 /* since Linux 5.14; glibc 2.35 */
#endif

enum vm_access {
    VM_NONE = PROT_NONE,
    VM_READ = PROT_READ,
    VM_WRITE = PROT_READ | PROT_WRITE,
};

/* -- Memory ------------------------------------------------------------------------------------ */

/* Private memory, all zero, to be read and written. NULL with errno. */
void *vm_alloc(size_t size);

/* The same, aligned, and without a part in what the kernel counts as promised (MAP_NORESERVE). */
void *vm_alloc_aligned(size_t size, size_t alignment);

/*
 * Makes memory of vm_alloc() larger, at any address; what is added is zero. NULL with errno, and
 * the memory stays as it is.
 */
void *vm_grow(void *addr, size_t size, size_t new_size);

/*
 * Maps memory with these flags of mmap(2) and MAP_ANONYMOUS: in place of what is mapped at *addr,
 * or anywhere for *addr where that is NULL. Where the first fails, nothing may be mapped there any
 * longer.
 */
int vm_map_anonymous(void **addr, size_t size, enum vm_access access, int flags);

/* The same with a file, mapped shared from offset on. */
int vm_map_file(void **addr, size_t size, enum vm_access access, int fd, off_t offset);

/*
 * Ends all maps of the range. Part of a map may need one map more: -ENOMEM where there are too many
 * (vm.max_map_count).
 */
int vm_unmap(void *addr, size_t size);

/* -- Addresses --------------------------------------------------------------------------------- */

/*
 * Addresses without memory, which no access reaches and which only RLIMIT_AS counts: at the hint
 * where it is free, else anywhere. NULL.
 */
void *vm_reserve(void *hint, size_t size);

/* The same, aligned: reserved too long, then trimmed. */
void *vm_reserve_aligned(size_t size, size_t alignment);

/*
 * The same without a byte too much, for a process that may have few addresses: where the kernel
 * would put the size, rounded down. NULL also where something else is there.
 */
void *vm_reserve_exactly(size_t size, size_t alignment);

/* Replaces what is mapped in the range by a reservation. */
int vm_reserve_over(void *addr, size_t size);

/* -- Pages ------------------------------------------------------------------------------------- */

/* Sets the access to a range that is mapped as a whole. */
int vm_protect(void *addr, size_t size, enum vm_access access);

/*
 * Takes the memory of all pages of the range, and fills the page tables. -EINVAL before Linux 5.14;
 * -EFAULT where an access would be a SIGBUS. Pages before the one that fails may be there.
 */
int vm_populate(void *addr, size_t size);

/* Gives back the memory of private pages, which read as zero then. */
int vm_discard(void *addr, size_t size);

/*
 * Moves the map at addr, with its pages, in place of what is mapped at `to`. Before Linux 5.16 huge
 * pages cannot be moved.
 */
int vm_move(void *addr, size_t size, void *to);

/* Lets the range have no transparent huge pages. -EINVAL from kernels without them, too. */
int vm_use_small_pages(void *addr, size_t size);

/*
 * Whether it is certain that there is no memory at addr. The kernel may not allow the question, or
 * tell a process that has given up its user id that all pages are there.
 */
bool vm_is_missing(void *addr);
