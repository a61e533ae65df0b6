/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks of jemalloc's arenas. */
#include "heap/jemalloc_block.h"

#include <jemalloc/jemalloc.h>

#include "heap/fork_gate.h"
#include "heap/jemalloc_control.h"
#include "util/invariant.h"

/* MALLOCX_ARENA(arena), which for half of all arenas shifts into an int's sign; and no cache. */
static int arena_flags(unsigned arena)
{
    return (int)((unsigned)MALLOCX_ARENA(0) * (arena + 1)) | MALLOCX_TCACHE_NONE;
}

/*
 * In a thread that jemalloc has ended, mallocx returns blocks of arena 0, whatever the flags say,
 * and rallocx obeys them: so a block of arena 0 is moved. rallocx moves a block only into another
 * class, so the block begins in a class that `size` is not of.
 */
static __attribute__((noinline)) void *alloc_after_end(size_t size, int flags)
{
    size_t smallest = jemk_nallocx(1, 0);
    size_t begin = size > smallest ? smallest : smallest + 1;
    void *block = jemk_mallocx(begin, MALLOCX_TCACHE_NONE | (flags & MALLOCX_ZERO));
    void *moved = block != NULL ? jemk_rallocx(block, size, flags) : NULL;

    if (moved == NULL && block != NULL)
        jemk_dallocx(block, MALLOCX_TCACHE_NONE);
    return moved;
}

void *jemalloc_block_alloc(unsigned arena, size_t size, size_t alignment, bool zero)
{
    int flags = arena_flags(arena);

    if (alignment != 0)
        flags |= MALLOCX_ALIGN(alignment);
    if (zero)
        flags |= MALLOCX_ZERO;
    struct fork_gate_thread *self = fork_gate_enter();
    void *block = __builtin_expect(self->has_left_jemalloc, 0) ? alloc_after_end(size, flags)
                                                               : jemk_mallocx(size, flags);
    fork_gate_leave(self);
    return block;
}

size_t jemalloc_block_alloc_many(unsigned arena, size_t size, void **blocks, size_t count)
{
    int flags = arena_flags(arena);
    size_t done = 0;

    struct fork_gate_thread *self = fork_gate_enter();
    for (; done < count; done++) {
        blocks[done] = __builtin_expect(self->has_left_jemalloc, 0) ? alloc_after_end(size, flags)
                                                                    : jemk_mallocx(size, flags);
        if (blocks[done] == NULL)
            break;
    }
    fork_gate_leave(self);
    return done;
}

size_t jemalloc_block_alloc_slabs(unsigned arena, size_t size, void **blocks, size_t count)
{
    static struct jemalloc_control batch_alloc = {.name = "experimental.batch_alloc"};
    /* The structure that experimental.batch_alloc reads. */
    struct {
        void **blocks;
        size_t count;
        size_t size;
        int flags;
    } batch = {.blocks = blocks, .count = count, .size = size, .flags = arena_flags(arena)};
    size_t done = 0;
    size_t done_size = sizeof(done);

    /* In such a thread, the blocks would be of arena 0. */
    if (fork_gate_thread.has_left_jemalloc)
        return 0;
    int err = jemalloc_control_call(&batch_alloc, &done, &done_size, &batch, sizeof(batch));
    return err == 0 ? done : 0;
}

void *jemalloc_block_realloc(unsigned arena, void *ptr, size_t size)
{
    struct fork_gate_thread *self = fork_gate_enter();
    void *block = jemk_rallocx(ptr, size, arena_flags(arena));
    fork_gate_leave(self);
    return block;
}

void jemalloc_block_free(void *ptr)
{
    struct fork_gate_thread *self = fork_gate_enter();
    jemk_dallocx(ptr, MALLOCX_TCACHE_NONE);
    fork_gate_leave(self);
}

void jemalloc_block_free_many(void *const *blocks, size_t count, size_t size)
{
    struct fork_gate_thread *self = fork_gate_enter();
    for (size_t i = 0; i < count; i++) {
        INVARIANT(jemk_sallocx(blocks[i], 0) == size);
        /* With the size, jemalloc does not search for it. */
        jemk_sdallocx(blocks[i], size, MALLOCX_TCACHE_NONE);
    }
    fork_gate_leave(self);
}

size_t jemalloc_block_size(const void *ptr)
{
    struct fork_gate_thread *self = fork_gate_enter();
    size_t size = jemk_sallocx(ptr, 0);
    fork_gate_leave(self);
    return size;
}

size_t jemalloc_block_class_size(size_t size)
{
    struct fork_gate_thread *self = fork_gate_enter();
    size_t usable = jemk_nallocx(size, 0);
    fork_gate_leave(self);
    return usable;
}
