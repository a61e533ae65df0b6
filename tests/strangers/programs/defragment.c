/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that defragments its heap as databases do that are made for jemalloc. Report: no block
 * was worth moving on the preload library.
 *
 * It calls jemalloc's functions to query how full the slabs of its blocks are, and moves those out
 * of slabs that are emptier than the average of the non-full slabs. Prints what the heap held
 * before and after. Exits with 77 if the process has no such functions.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jemalloc.h"

#define BLOCKS     ((size_t)200000)
#define LEAST      ((size_t)32)
#define SPREAD     ((size_t)600)
#define KEEP       8u /* one block of so many is kept */
#define BATCH      64
#define PASSES     20
#define BINS       64u
#define NO_CACHE   0x100 /* MALLOCX_TCACHE_NONE */
#define ALL_ARENAS 4096  /* MALLCTL_ARENAS_ALL */

static struct {
    void *(*mallocx)(size_t, int);
    void (*sdallocx)(void *, size_t, int);
    int (*mallctl)(const char *, void *, size_t *, void *, size_t);
    int (*mallctlnametomib)(const char *, size_t *, size_t *);
    int (*mallctlbymib)(const size_t *, size_t, void *, size_t *, void *, size_t);
} je;

/* -- Numbers ----------------------------------------------------------------------------------- */

static size_t number(const char *name)
{
    size_t value = 0;
    size_t size = sizeof(value);

    CHECK(je.mallctl(name, &value, &size, NULL, 0) == 0);
    return value;
}

static uint32_t narrow_number(const char *name)
{
    uint32_t value = 0;
    size_t size = sizeof(value);

    CHECK(je.mallctl(name, &value, &size, NULL, 0) == 0);
    return value;
}

static void refresh(void)
{
    uint64_t epoch = 1;
    size_t size = sizeof(epoch);

    CHECK(je.mallctl("epoch", &epoch, &size, &epoch, sizeof(epoch)) == 0);
}

/* The non-full slabs of one size class, and the blocks that they hold. */
static struct bin {
    size_t size, blocks;
    size_t with_room, used;
} bins[BINS];
static unsigned bin_count;

/*
 * Queries through a MIB whose last component but one is replaced, as programs do for many queries.
 */
static size_t of_bin(const char *name, unsigned bin)
{
    size_t mib[8];
    size_t parts = 8;
    size_t value = 0;
    size_t size = sizeof(value);

    CHECK(je.mallctlnametomib(name, mib, &parts) == 0);
    mib[parts - 2] = bin;
    CHECK(je.mallctlbymib(mib, parts, &value, &size, NULL, 0) == 0);
    return value;
}

static void look_at_classes(void)
{
    char name[64];

    bin_count = narrow_number("arenas.nbins");
    CHECK(bin_count > 10 && bin_count <= BINS);
    for (unsigned i = 0; i < bin_count; i++) {
        bins[i].size = of_bin("arenas.bin.0.size", i);
        snprintf(name, sizeof(name), "arenas.bin.%u.nregs", i);
        bins[i].blocks = narrow_number(name);
        CHECK(i == 0 || bins[i].size > bins[i - 1].size);
        CHECK(of_bin("arenas.bin.0.slab_size", i) == bins[i].size * bins[i].blocks);
    }
}

static void look_at_slabs(void)
{
    refresh();
    for (unsigned i = 0; i < bin_count; i++) {
        size_t slabs = of_bin("stats.arenas.4096.bins.0.curslabs", i);
        size_t used = of_bin("stats.arenas.4096.bins.0.curregs", i);
        bins[i].with_room = of_bin("stats.arenas.4096.bins.0.nonfull_slabs", i);
        CHECK(bins[i].with_room <= slabs && used <= slabs * bins[i].blocks);
        /* The slab that is being filled is not counted as full or non-full. */
        size_t full = (slabs - bins[i].with_room) * bins[i].blocks;
        bins[i].used = used > full ? used - full : 0;
    }
}

static struct bin *bin_of(size_t size)
{
    for (unsigned i = 0; i < bin_count; i++)
        if (bins[i].size == size)
            return &bins[i];
    return NULL;
}

/* -- Blocks ------------------------------------------------------------------------------------ */

static struct block {
    unsigned char *address;
    size_t size;
} blocks[BLOCKS];
static size_t count;

static unsigned next_random(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 32);
}

static void fill(void)
{
    for (count = 0; count < BLOCKS; count++) {
        struct block *block = &blocks[count];
        block->size = LEAST + next_random() % SPREAD;
        block->address = malloc(block->size);
        CHECK(block->address != NULL);
        memset(block->address, (int)(count % 251), block->size);
    }
}

/*
 * Frees all but one of KEEP blocks, which keep their places in the array: the index gives the
 * contents.
 */
static void free_most(void)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (next_random() % KEEP != 0) {
            free(blocks[i].address);
            blocks[i].address = NULL;
        }
}

static void check_blocks(void)
{
    for (size_t i = 0; i < BLOCKS; i++)
        for (size_t j = 0; blocks[i].address != NULL && j < blocks[i].size; j++)
            CHECK(blocks[i].address[j] == i % 251);
}

/* -- Moving ------------------------------------------------------------------------------------ */

static void move(struct block *block)
{
    unsigned char *moved = je.mallocx(block->size, NO_CACHE);

    CHECK(moved != NULL);
    memcpy(moved, block->address, block->size);
    je.sdallocx(block->address, block->size, NO_CACHE);
    block->address = moved;
}

/* The result of batch_query for one block. */
struct slab {
    size_t free, blocks, size;
};

static bool is_worth_moving(const struct slab *slab)
{
    if (slab->blocks <= 1 || slab->free == 0)
        return false;
    const struct bin *bin = bin_of(slab->size / slab->blocks);
    CHECK(bin != NULL && bin->blocks == slab->blocks);
    return (slab->blocks - slab->free) * bin->with_room <= bin->used;
}

static size_t move_batch(struct block *const *batch, size_t size)
{
    static size_t mib[3];
    static size_t parts;
    void *addresses[BATCH];
    struct slab slabs[BATCH];
    size_t bytes = size * sizeof(slabs[0]);
    size_t moved = 0;

    if (parts == 0) {
        parts = 3;
        CHECK(je.mallctlnametomib("experimental.utilization.batch_query", mib, &parts) == 0);
    }
    for (size_t i = 0; i < size; i++)
        addresses[i] = batch[i]->address;
    CHECK(je.mallctlbymib(mib, parts, slabs, &bytes, addresses, size * sizeof(addresses[0])) == 0);
    for (size_t i = 0; i < size; i++)
        if (is_worth_moving(&slabs[i])) {
            move(batch[i]);
            moved++;
        }
    return moved;
}

static size_t move_all(void)
{
    struct block *batch[BATCH];
    size_t in_batch = 0;
    size_t moved = 0;

    look_at_slabs();
    for (size_t i = 0; i < BLOCKS; i++) {
        if (blocks[i].address != NULL)
            batch[in_batch++] = &blocks[i];
        if (in_batch == BATCH) {
            moved += move_batch(batch, in_batch);
            in_batch = 0;
        }
    }
    return moved + (in_batch != 0 ? move_batch(batch, in_batch) : 0);
}

/* -- What the heap holds ----------------------------------------------------------------------- */

struct held {
    size_t allocated, active, resident, mapped;
};

static struct held take_numbers(void)
{
    CHECK(je.mallctl("arena.4096.purge", NULL, NULL, NULL, 0) == 0);
    refresh();
    return (struct held){number("stats.allocated"), number("stats.active"),
                         number("stats.resident"), number("stats.mapped")};
}

static void print(const char *when, const struct held *held)
{
    printf("%s: allocated %zu, active %zu, resident %zu, mapped %zu\n", when, held->allocated,
           held->active, held->resident, held->mapped);
}

int main(void)
{
    find(&je.mallocx, "mallocx");
    find(&je.sdallocx, "sdallocx");
    find(&je.mallctl, "mallctl");
    find(&je.mallctlnametomib, "mallctlnametomib");
    find(&je.mallctlbymib, "mallctlbymib");
    look_at_classes();
    fill();
    free_most();
    struct held before = take_numbers();
    print("before", &before);
    size_t moved = 1;
    unsigned passes;
    size_t all = 0;
    for (passes = 0; moved != 0 && passes < PASSES; passes++)
        all += moved = move_all();
    struct held after = take_numbers();
    print("after", &after);
    printf("moved %zu blocks in %u passes\n", all, passes);
    check_blocks();
    CHECK(all > BLOCKS / KEEP / 2);
    CHECK(after.active < before.active / 2 && after.resident < before.resident / 2);
    return 0;
}
