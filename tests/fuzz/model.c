/* SPDX-License-Identifier: BSD-2-Clause */
/* The model's worlds and live blocks, with the blocks' contents. */
#include "fuzz/model.h"

#include <linux/magic.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "stress/pattern.h"

#define EDGE          ((size_t)64)  /* bytes at either end that are always written */
#define WHOLE_BELOW   ((size_t)512) /* blocks up to this size are always written whole */
#define WHOLE_AT_MOST (64 * KIB)
#define SAMPLES       ((size_t)3) /* pages of a large block that are written */

#define NATURAL ((size_t)16)
#define LEAST   ((size_t)8)

void model_begin(struct model_world *world, const char *dir, bool exact)
{
    struct statfs fs;

    memset(world, 0, offsetof(struct model_world, journal));
    journal_open(&world->journal);
    world->kinds[0] = (struct model_kind){.handle = MEMKIND_DEFAULT};
    world->kinds[1] = (struct model_kind){.handle = MEMKIND_REGULAR};
    world->dir = dir;
    world->most = MODEL_BLOCKS;
    world->exact = exact;
    world->tmpfs = statfs(dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

void model_end(struct model_world *world)
{
    MODEL_CHECK(world->count == 0 && world->tree == NULL, "the fuzzer has lost a block");
    journal_close(&world->journal);
}

void model_call(struct model_world *world, const char *call, int slot, const void *block,
                size_t number, size_t size)
{
    world->calls++;
    journal_call(&world->journal, (struct journal_entry){.call = call,
                                                         .thread = world->thread,
                                                         .kind = slot,
                                                         .block = block,
                                                         .alignment = number,
                                                         .size = size});
}

void model_return(struct model_world *world, const void *result)
{
    journal_return(&world->journal, result);
}

/* -- Contents ---------------------------------------------------------------------------------- */

/* A part of a block with a defined value. */
struct piece {
    size_t at;
    size_t size;
};

/* Returns the piece with this number; size 0: there is none. */
static struct piece piece_of(const struct model_block *block, size_t number)
{
    struct piece none = {0};

    if (block->whole)
        return number == 0 ? (struct piece){.size = block->size} : none;
    if (number == 0)
        return (struct piece){.size = EDGE};
    if (number == 1)
        return (struct piece){.at = block->size - EDGE, .size = EDGE};
    size_t pages = block->size / MODEL_PAGE;
    size_t samples = pages < SAMPLES ? pages : SAMPLES;
    if (number - 2 >= samples)
        return none;
    size_t at = (number - 2) * pages / samples * MODEL_PAGE + EDGE;
    return (struct piece){.at = at, .size = PATTERN_WORD};
}

/* Each piece starts its own pattern. */
static uint64_t piece_seed(const struct model_block *block, size_t at)
{
    return block->seed + at * UINT64_C(0x9e3779b97f4a7c15);
}

static void write_piece(char *bytes, size_t size, uint64_t seed)
{
    size_t at = 0;
    uint64_t word;

    for (; size - at >= PATTERN_WORD; at += PATTERN_WORD) {
        word = pattern_word(seed, at);
        memcpy(bytes + at, &word, PATTERN_WORD);
    }
    word = pattern_word(seed, at);
    memcpy(bytes + at, &word, size - at);
}

static void write_block(const struct model_block *block)
{
    struct piece piece;

    for (size_t i = 0; (piece = piece_of(block, i)).size != 0; i++)
        write_piece(block->address + piece.at, piece.size, piece_seed(block, piece.at));
}

bool model_has_contents(const struct model_block *block, const char *address, size_t size)
{
    struct piece piece;

    for (size_t i = 0; (piece = piece_of(block, i)).size != 0; i++) {
        if (piece.at >= size)
            continue;
        size_t kept = piece.size < size - piece.at ? piece.size : size - piece.at;
        if (!pattern_holds(address + piece.at, kept, piece_seed(block, piece.at)))
            return false;
    }
    return true;
}

static bool is_zero(const char *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Returns whether the block reads as zero: all of it, or the samples of a large block. */
static bool is_block_zero(const struct model_block *block, size_t size)
{
    struct piece piece;

    if (block->whole || size <= WHOLE_AT_MOST)
        return is_zero(block->address, size);
    for (size_t i = 0; (piece = piece_of(block, i)).size != 0; i++)
        if (piece.at + piece.size <= size && !is_zero(block->address + piece.at, piece.size))
            return false;
    return true;
}

/* -- Live blocks ------------------------------------------------------------------------------- */

/* Overlapping blocks compare as equal, so that the tree finds them. */
static int compare(const void *left, const void *right)
{
    const struct model_block *first = left;
    const struct model_block *second = right;

    if (first->address + first->size <= second->address)
        return -1;
    return second->address + second->size <= first->address;
}

void model_attach(struct model_world *world, struct model_block *block)
{
    struct model_block **found = tsearch(block, &world->tree, compare);

    MODEL_CHECK(found != NULL, "the fuzzer has no memory");
    MODEL_CHECK(*found == block, "block %p of %zu bytes overlaps block %p of %zu bytes of kind %u",
                (void *)block->address, block->size, (void *)(*found)->address, (*found)->size,
                (*found)->slot);
    MODEL_CHECK(world->count < MODEL_BLOCKS, "the fuzzer has too many blocks");
    block->index = (unsigned)world->count;
    world->blocks[world->count++] = block;
    world->bytes += block->size;
    if (block->mapped)
        world->kinds[block->slot].mapped += block->size;
    else
        world->kinds[block->slot].allocated += block->size;
}

void model_detach(struct model_world *world, struct model_block *block)
{
    tdelete(block, &world->tree, compare);
    world->blocks[block->index] = world->blocks[--world->count];
    world->blocks[block->index]->index = block->index;
    world->bytes -= block->size;
    if (block->mapped)
        world->kinds[block->slot].mapped -= block->size;
    else
        world->kinds[block->slot].allocated -= block->size;
}

static struct model_block *keep(struct model_world *world, const struct model_block *values)
{
    struct model_block *block = malloc(sizeof(*block));

    MODEL_CHECK(block != NULL, "the fuzzer has no memory");
    *block = *values;
    model_attach(world, block);
    write_block(block);
    return block;
}

struct model_block *model_add(struct model_world *world, unsigned slot, void *address, size_t size,
                              size_t alignment, bool zero, bool whole)
{
    size_t usable = memkind_malloc_usable_size(model_handle(world, slot), address);
    struct model_block block = {.address = address,
                                .size = usable,
                                .alignment = alignment,
                                .slot = slot,
                                .seed = pattern_random(&world->seed)};

    if (alignment == 0)
        block.alignment = usable >= NATURAL ? NATURAL : LEAST;
    MODEL_CHECK(usable >= size && usable >= LEAST, "usable size %zu", usable);
    MODEL_CHECK((uintptr_t)address % block.alignment == 0, "not aligned to %zu", block.alignment);
    block.whole = usable <= WHOLE_BELOW || (whole && usable <= WHOLE_AT_MOST);
    MODEL_CHECK(!zero || is_block_zero(&block, size), "not zero");
    return keep(world, &block);
}

void model_add_mapped(struct model_world *world, unsigned slot, void *address, size_t size)
{
    struct model_block block = {.address = address,
                                .size = (size + MODEL_PAGE - 1) & ~(MODEL_PAGE - 1),
                                .alignment = MEMKIND_PMEM_CHUNK_SIZE,
                                .slot = slot,
                                .seed = pattern_random(&world->seed),
                                .mapped = true};

    MODEL_CHECK((uintptr_t)address % block.alignment == 0, "not aligned to a chunk");
    MODEL_CHECK(is_block_zero(&block, block.size), "not zero");
    (void)keep(world, &block);
}

void *model_remove(struct model_world *world, struct model_block *block)
{
    char *address = block->address;

    model_check_block(world, block);
    model_detach(world, block);
    free(block);
    return address;
}

struct model_block *model_choose(const struct model_world *world, unsigned number)
{
    enum { TRIES = 4 };

    for (unsigned i = 0; i < TRIES && world->count != 0; i++) {
        struct model_block *block = world->blocks[(number + i) % world->count];

        if (!block->mapped)
            return block;
    }
    return NULL;
}

void model_check_block(const struct model_world *world, const struct model_block *block)
{
    memkind_t kind = model_handle(world, block->slot);

    MODEL_CHECK(model_has_contents(block, block->address, block->size),
                "block %p of %zu bytes was overwritten", (void *)block->address, block->size);
    MODEL_CHECK(memkind_detect_kind(block->address) == kind, "block %p is detected as %p, not %p",
                (void *)block->address, (void *)memkind_detect_kind(block->address), (void *)kind);
    MODEL_CHECK(block->mapped || memkind_malloc_usable_size(kind, block->address) == block->size,
                "block %p of %zu bytes has a usable size of %zu now", (void *)block->address,
                block->size, memkind_malloc_usable_size(kind, block->address));
}
