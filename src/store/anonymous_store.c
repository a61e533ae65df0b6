/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces in anonymous memory, placed by the operations of their kind. */
#include "store/anonymous_store.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "os/memory_room.h"
#include "space/segment.h"
#include "store/huge_page_store.h"

static struct anonymous_space *anonymous_space_of(const struct space *space)
{
    return (struct anonymous_space *)((char *)space - offsetof(struct anonymous_space, space));
}

/* As vm_map_anonymous(), with the kind's flags and further ones. */
static int map_with(struct memkind *kind, void **addr, size_t size, enum vm_access access,
                    int further)
{
    struct memkind_ops *ops = kind->ops;
    int flags = MAP_PRIVATE;

    if (ops->get_mmap_flags != NULL && ops->get_mmap_flags(kind, &flags) != MEMKIND_SUCCESS)
        return -EINVAL;
    return vm_map_anonymous(addr, size, access, flags | further);
}

int anonymous_store_bind(struct memkind *kind, void *addr, size_t size)
{
    struct memkind_ops *ops = kind->ops;

    /* Operations of a program may fail without errno. */
    if (ops->madvise != NULL && ops->madvise(kind, addr, size) != MEMKIND_SUCCESS)
        return -ENOMEM;
    int err = ops->mbind != NULL ? ops->mbind(kind, addr, size) : MEMKIND_SUCCESS;
    /* On a kernel without nodes, all memory is on the right node. */
    return err == MEMKIND_SUCCESS || err == MEMKIND_ERROR_UNAVAILABLE ? 0 : -ENOMEM;
}

int anonymous_store_place(struct space *space, void *addr, size_t size, enum vm_access access)
{
    struct memkind *kind = anonymous_space_of(space)->kind;
    int err = map_with(kind, &addr, size, access, MAP_NORESERVE);

    return err == 0 ? anonymous_store_bind(kind, addr, size) : err;
}

/* A private map of huge pages without MAP_NORESERVE has a reservation in the pool. */
int anonymous_store_claim(struct space *space, size_t size, void **addr)
{
    struct memkind *kind = anonymous_space_of(space)->kind;

    *addr = NULL;
    int err = map_with(kind, addr, size, VM_WRITE, 0);
    if (err != 0)
        return err;
    err = anonymous_store_bind(kind, *addr, size);
    if (err != 0)
        (void)vm_unmap(*addr, size);
    return err;
}

/* RLIMIT_DATA counts writable memory alone, so anonymous_commit() makes the memory writable. */
static int anonymous_map(struct space *space, void *addr, size_t size, off_t offset)
{
    (void)offset;
    return anonymous_store_place(space, addr, size, VM_NONE);
}

static int anonymous_commit(struct space *space, void *addr, off_t offset, size_t size)
{
    (void)offset;
    return segment_open(space, addr, size);
}

static int anonymous_release(struct space *space, void *addr, off_t offset, size_t size)
{
    (void)space;
    (void)offset;
    return vm_discard(addr, size);
}

/*
 * Unless vm.overcommit_memory is 1, the kernel rejects a map of more than all memory and swap, and
 * malloc(3) fails. The kernel does not count reserved addresses, so a heap has to query the limit.
 */
static int memory_if_counted(const struct space *space, size_t *size)
{
    size_t memory = memory_room_total();
    int saved_errno = errno;

    (void)space;
    if (memory > SIZE_MAX - SPACE_CHUNK)
        return -ENODATA;
    void *more = vm_alloc(memory + SPACE_CHUNK);
    errno = saved_errno;
    if (more != NULL) {
        (void)vm_unmap(more, memory + SPACE_CHUNK);
        return -ENODATA;
    }
    *size = memory;
    return 0;
}

/* All processes can get the memory. */
static int system_memory(const struct space *space, struct store_source *source)
{
    static const char memory;

    (void)space;
    *source = (struct store_source){.pool = &memory};
    return 0;
}

void anonymous_store_destroy(struct space *space)
{
    space_fini(space);
    free(anonymous_space_of(space));
}

static const struct store_ops anonymous_store = {
    .destroy = anonymous_store_destroy,
    .map = anonymous_map,
    .commit = anonymous_commit,
    .release = anonymous_release,
    .capacity = memory_if_counted,
    .source = system_memory,
};

static const struct store_ops *store_of(struct memkind *kind)
{
    int flags = 0;

    if (kind->ops->get_mmap_flags != NULL)
        (void)kind->ops->get_mmap_flags(kind, &flags);
    return (flags & MAP_HUGETLB) != 0 ? &huge_page_store : &anonymous_store;
}

struct space *anonymous_store_create(struct memkind *kind, unsigned owner)
{
    struct anonymous_space *anonymous_space = calloc(1, sizeof(*anonymous_space));

    if (anonymous_space == NULL)
        return NULL;
    if (space_init(&anonymous_space->space, store_of(kind), 0, owner) != 0) {
        free(anonymous_space);
        return NULL;
    }
    anonymous_space->kind = kind;
    return &anonymous_space->space;
}
