/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds whose memory lies in a file or a DAX device: memkind_pmem(3). */
#include "memkind/internal/memkind_pmem.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "kinds/arena_kind.h"
#include "kinds/kind_ops.h"
#include "kinds/kind_registry.h"
#include "kinds/pmem_create.h"
#include "os/dax_probe.h"
#include "space/space.h"
#include "util/errno_text.h"
#include "util/log.h"

/* The priv of a PMEM kind is its space, which begins with the members of struct memkind_pmem. */
#define SAME_PLACE(public_member, member)                                                          \
    _Static_assert(offsetof(struct memkind_pmem, public_member) == offsetof(struct space, member), \
                   #public_member " has another offset than in struct memkind_pmem")
SAME_PLACE(fd, fd);
SAME_PLACE(offset, offset);
SAME_PLACE(max_size, max_size);
SAME_PLACE(pmem_lock, lock);
SAME_PLACE(current_size, held);
SAME_PLACE(dir, path);
_Static_assert(MEMKIND_PMEM_CHUNK_SIZE == SPACE_CHUNK, "the public size of a chunk differs");

struct memkind_ops MEMKIND_PMEM_OPS =
    KIND_OPS(memkind_arena, .create = memkind_pmem_create, .destroy = memkind_pmem_destroy,
             .mmap = memkind_pmem_mmap, .get_mmap_flags = memkind_pmem_get_mmap_flags,
             .get_arena = memkind_thread_get_arena, .finalize = memkind_pmem_destroy,
             .update_memory_usage_policy = memkind_arena_update_memory_usage_policy);

int memkind_pmem_create(struct memkind *kind, struct memkind_ops *ops, const char *name)
{
    return arena_kind_create(kind, ops, name, &pmem_file.class, pmem_file.create);
}

int memkind_pmem_destroy(struct memkind *kind)
{
    return arena_kind_destroy(kind);
}

void *memkind_pmem_mmap(struct memkind *kind, void *addr, size_t size)
{
    arena_kind_ready(kind);
    struct space *space = kind->priv;
    int saved_errno = errno;
    void *mapped;
    int err;

    (void)addr;
    if (kind->heap != NULL && heap_is_inherited(kind->heap))
        err = -ENOMEM; /* the space is an ancestor's */
    else
        err = kind_registry_class(kind)->map(space, size, &mapped);
    /* The manual page has no other errors. */
    if (err != 0 && err != -EINVAL && err != -EBADF)
        err = -ENOMEM;
    errno = err != 0 ? -err : saved_errno;
    return err != 0 ? MAP_FAILED : mapped;
}

int memkind_pmem_get_mmap_flags(struct memkind *kind, int *flags)
{
    (void)kind;
    if (flags == NULL)
        return MEMKIND_ERROR_INVALID;
    *flags = MAP_SHARED;
    return MEMKIND_SUCCESS;
}

int memkind_pmem_validate_dir(const char *dir)
{
    switch (dax_probe(dir)) {
    case DAX_PROBE_SYNC:
        return MEMKIND_SUCCESS;
    case DAX_PROBE_NO_SYNC:
        log_info("%s: MAP_SYNC is refused (%s)", dir, errno_text(errno));
        return MEMKIND_ERROR_MMAP;
    default:
        log_error("%s: no file can be made (%s)", dir != NULL ? dir : "no directory",
                  errno_text(errno));
        return MEMKIND_ERROR_RUNTIME;
    }
}
