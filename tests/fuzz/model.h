/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the library should be like: every kind and every live block, and the checks that compare
 * the two.
 *
 *    world     what one player knows and alone may change: kinds in slots, live blocks, a journal.
 *              Operations in turns have one world, whichever thread makes them; threads that run
 *              at once have one each, and hand each other blocks of the kinds that they share
 *    kind      slots below MODEL_OWN are kinds of the library; the others are made and destroyed
 *    block     address, usable size, and the seed of its contents: its first and last bytes and a
 *              word in some of its pages, or all of it, follow from the seed
 *
 * A check that fails ends the process; see journal.h.
 */
#pragma once

#include <memkind.h>
#include <memkind/internal/memkind_pmem.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuzz/journal.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

#define MODEL_SLOTS     6 /* of kinds */
#define MODEL_OWN       2 /* the first slot of kinds that can be made and destroyed */
#define MODEL_SHARED    2 /* of those, kinds that threads share when they run at once */
#define MODEL_BLOCKS    4096
#define MODEL_BYTES     (192 * MIB) /* most bytes in live blocks of one world, about */
#define MODEL_PAGE      ((size_t)4096)
#define MODEL_NEVER_FIT ((size_t)1 << 46) /* no request of such a size can be satisfied */

enum model_sort {
    MODEL_STATIC,   /* of the library */
    MODEL_PMEM,     /* by memkind_create_pmem() or ..._with_config() */
    MODEL_FILELESS, /* by memkind_pmem_create(): allocates nothing */
    MODEL_ARENA,    /* by memkind_arena_create() */
};

struct model_kind {
    memkind_t handle; /* NULL: the slot is empty */
    enum model_sort sort;
    size_t max_size;   /* as rounded; 0: no limit */
    size_t allocated;  /* usable bytes of this world's blocks */
    size_t mapped;     /* bytes from memkind_pmem_mmap() */
    bool conservative; /* the policy, where it is known */
    bool zero_allocs;  /* requests of size 0 are allowed */
    bool shared;       /* other worlds have it too */
    bool copied;       /* children get a copy of it */
};

struct model_block {
    char *address;
    size_t size; /* usable, and all of it is used */
    size_t alignment;
    uint64_t seed;
    unsigned slot;  /* of the kind */
    unsigned index; /* in the world's array */
    bool whole;     /* every byte has its value, not only samples */
    bool mapped;    /* from memkind_pmem_mmap(): cannot be freed */
    bool lent;      /* the parent's: can be read and freed, and is never written */
};

struct model_world {
    struct model_kind kinds[MODEL_SLOTS];
    struct model_block *blocks[MODEL_BLOCKS];
    size_t count;        /* of blocks */
    size_t most;         /* of them */
    size_t bytes;        /* in them */
    void *tree;          /* the same blocks by address, for tsearch(3) */
    uint64_t seed;       /* of the next block */
    unsigned thread;     /* who is at work */
    bool exact;          /* nobody else uses the library */
    bool in_hardship;    /* whatever needs the kernel or rights may fail; see hardship.h */
    bool file_limit;     /* RLIMIT_FSIZE is low */
    bool background;     /* jemalloc's threads run */
    const char *dir;     /* where files are made */
    bool tmpfs;          /* it counts blocks exactly */
    unsigned long calls; /* made so far */
    struct journal journal;
};

/* An empty world with the kinds of the library, and its end: no kind and no block is left. */
void model_begin(struct model_world *world, const char *dir, bool exact);
void model_end(struct model_world *world);

/* Calls and what they return, for the journal. */
void model_call(struct model_world *world, const char *call, int slot, const void *block,
                size_t number, size_t size);
void model_return(struct model_world *world, const void *result);

#define MODEL_CHECK(condition, ...)    \
    do {                               \
        if (!(condition))              \
            journal_fail(__VA_ARGS__); \
    } while (0)

/* -- Blocks ------------------------------------------------------------------------------------ */

/*
 * A block that the library has handed out for a request of `size` bytes: checks address, alignment,
 * usable size and kind and that it overlaps no other block, fills it, and keeps it in mind. zero:
 * checks that its first `size` bytes are zero.
 */
struct model_block *model_add(struct model_world *world, unsigned slot, void *address, size_t size,
                              size_t alignment, bool zero, bool whole);

/* The same for memory from memkind_pmem_mmap(). */
void model_add_mapped(struct model_world *world, unsigned slot, void *address, size_t size);

/* Takes the block out; the library may free it then. Returns its address. */
void *model_remove(struct model_world *world, struct model_block *block);

/* Takes the block out and puts it into another world, as it is. */
void model_detach(struct model_world *world, struct model_block *block);
void model_attach(struct model_world *world, struct model_block *block);

/* A block that may be freed or resized, chosen by a number; NULL where there is none. */
struct model_block *model_choose(const struct model_world *world, unsigned number);

/* Checks that the block is as it was left. */
void model_check_block(const struct model_world *world, const struct model_block *block);

/* Whether the first `size` bytes at address are what the block had there. */
bool model_has_contents(const struct model_block *block, const char *address, size_t size);

/* -- Kinds ------------------------------------------------------------------------------------- */

/* Checks what costs little: the file space of the kind. */
void model_check_kind(const struct model_world *world, const struct model_kind *kind);

/* Checks the statistics of all kinds. */
void model_check_statistics(struct model_world *world);

/* Checks every block and kind. */
void model_check_all(struct model_world *world);

/* Checks that the library had to refuse a request. */
void model_check_refusal(struct model_world *world, const struct model_kind *kind, size_t size,
                         size_t alignment);

static inline struct memkind_pmem *model_pmem(const struct model_kind *kind)
{
    return kind->handle->priv;
}

/* A slot's kind as an argument: NULL where it is empty. */
static inline memkind_t model_handle(const struct model_world *world, unsigned slot)
{
    return world->kinds[slot].handle;
}
