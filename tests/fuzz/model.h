/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model of the library: every kind and every live block, and the checks that compare the library
 * with the model.
 *
 *    world     what one player knows and alone may change: kinds in slots, live blocks, a journal.
 *              Operations in turns have one world, whichever thread makes them. Threads that run
 *              at once have one each, and exchange blocks of the kinds that they share
 *    kind      slots below MODEL_OWN are kinds of the library; the others are created and destroyed
 *    block     address, usable size, and the seed of its contents, from which follow its first and
 *              last bytes and a word in some of its pages, or all of the block
 *
 * A failed check ends the process; see journal.h.
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
#define MODEL_OWN       2 /* the first slot of kinds that can be created and destroyed */
#define MODEL_SHARED    2 /* of those, kinds that threads share when they run at once */
#define MODEL_BLOCKS    4096
#define MODEL_BYTES     (192 * MIB) /* approximate limit of bytes in live blocks of one world */
#define MODEL_PAGE      ((size_t)4096)
#define MODEL_NEVER_FIT ((size_t)1 << 46) /* no request of this size can succeed */

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
    bool shared;       /* other worlds have the kind too */
    bool copied;       /* children get a copy of it */
    bool whole_slabs;  /* blocks of whole pages share slabs: made while RLIMIT_FSIZE was low */
};

struct model_block {
    char *address;
    size_t size; /* usable, and all of it is used */
    size_t alignment;
    uint64_t seed;
    unsigned slot;  /* of the kind */
    unsigned index; /* in the world's array */
    bool whole;     /* every byte has a value, not only samples */
    bool mapped;    /* from memkind_pmem_mmap(): cannot be freed */
    bool lent;      /* the parent's: can be read and freed, and is never written */
};

struct model_world {
    struct model_kind kinds[MODEL_SLOTS];
    struct model_block *blocks[MODEL_BLOCKS];
    size_t count;        /* of blocks */
    size_t most;         /* the largest number so far */
    size_t bytes;        /* in them */
    void *tree;          /* the same blocks by address, for tsearch(3) */
    uint64_t seed;       /* of the next block */
    unsigned thread;     /* the thread that is playing */
    bool exact;          /* no other player uses the library */
    bool in_hardship;    /* calls that need the kernel or privileges may fail; see hardship.h */
    bool file_limit;     /* RLIMIT_FSIZE is low */
    bool background;     /* jemalloc's background threads run */
    const char *dir;     /* the directory of the files */
    bool tmpfs;          /* the directory is on tmpfs, which counts blocks exactly */
    unsigned long calls; /* made so far */
    struct journal journal;
};

/* Make an empty world with the kinds of the library, and end a world without kinds and blocks. */
void model_begin(struct model_world *world, const char *dir, bool exact);
void model_end(struct model_world *world);

/* Record calls and their results in the journal. */
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
 * Adds a block that the library has returned for a request of `size` bytes. Checks its address,
 * alignment, usable size and kind, and that it overlaps no other block, and fills it. zero: also
 * checks that its first `size` bytes are zero.
 */
struct model_block *model_add(struct model_world *world, unsigned slot, void *address, size_t size,
                              size_t alignment, bool zero, bool whole);

/* Adds memory from memkind_pmem_mmap(). */
void model_add_mapped(struct model_world *world, unsigned slot, void *address, size_t size);

/* Removes the block from the model. The library may then free it. Returns its address. */
void *model_remove(struct model_world *world, struct model_block *block);

/* Removes the block from its world, and adds it to another one, unchanged. */
void model_detach(struct model_world *world, struct model_block *block);
void model_attach(struct model_world *world, struct model_block *block);

/* Returns a block that may be freed or resized, selected by a number; NULL: there is none. */
struct model_block *model_choose(const struct model_world *world, unsigned number);

/* Checks that the block has the contents that were written. */
void model_check_block(const struct model_world *world, const struct model_block *block);

/* Returns whether the first `size` bytes at address are those that the block has there. */
bool model_has_contents(const struct model_block *block, const char *address, size_t size);

/* -- Kinds ------------------------------------------------------------------------------------- */

/* Checks the file space of the kind, which is cheap. */
void model_check_kind(const struct model_world *world, const struct model_kind *kind);

void model_check_statistics(struct model_world *world);

void model_check_all(struct model_world *world);

/* Checks that the library had to refuse a request. */
void model_check_refusal(struct model_world *world, const struct model_kind *kind, size_t size,
                         size_t alignment);

static inline struct memkind_pmem *model_pmem(const struct model_kind *kind)
{
    return kind->handle->priv;
}

/* Returns a slot's kind as an argument: NULL if the slot is empty. */
static inline memkind_t model_handle(const struct model_world *world, unsigned slot)
{
    return world->kinds[slot].handle;
}
