/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of blocks whose every byte is known. */
#include "stress/forked_blocks.h"

#include <string.h>
#include <sys/mman.h>

#include "stress/pattern.h"
#include "stress/soak.h"

#define SIZE_MOST ((size_t)3 << 20)
#define TEXT_SIZE (2 * SIZE_MOST)

memkind_t blocks_kinds[BLOCKS_KINDS];

static unsigned char text[TEXT_SIZE];
static int text_fd; /* a file with the same text */

void blocks_init(void)
{
    uint64_t state = 0;

    for (size_t at = 0; at < TEXT_SIZE; at += PATTERN_WORD) {
        uint64_t word = pattern_random(&state);

        memcpy(text + at, &word, PATTERN_WORD);
    }
    text_fd = memfd_create("text", MFD_CLOEXEC);
    CHECK(text_fd >= 0 && write(text_fd, text, TEXT_SIZE) == (ssize_t)TEXT_SIZE, "errno %d", errno);
}

static size_t below(struct blocks_table *table, size_t limit)
{
    return (size_t)rand_r(&table->seed) % limit;
}

static size_t random_size(struct blocks_table *table)
{
    size_t sort = below(table, 200);

    if (sort == 0)
        return MIB + below(table, SIZE_MOST - MIB);
    if (sort < 20)
        return 1 + below(table, (size_t)200 << 10);
    if (sort < 60)
        return 1 + below(table, (size_t)16 << 10);
    return 1 + below(table, 2000);
}

/* -- Contents ---------------------------------------------------------------------------------- */

/* Writes the text from `from` on. */
static void write_text(struct blocks_table *table, unsigned char *to, size_t from, size_t size)
{
    if (below(table, 4) != 0)
        memcpy(to, text + from, size);
    else
        CHECK(pread(text_fd, to, size, (off_t)from) == (ssize_t)size, "errno %d", errno);
}

static void write_tail(struct blocks_table *table, struct blocks_block *block, size_t cut)
{
    size_t size = block->size - cut;

    block->cut = cut;
    block->tail = below(table, TEXT_SIZE - size);
    write_text(table, block->ptr + cut, block->tail, size);
}

static void write_all(struct blocks_table *table, struct blocks_block *block)
{
    block->cut = block->size;
    block->head = below(table, TEXT_SIZE - block->size);
    write_text(table, block->ptr, block->head, block->size);
}

/* Writes the end of the block anew, if the beginning is one part. */
static void rewrite(struct blocks_table *table, struct blocks_block *block)
{
    size_t cut = below(table, block->size);

    if (cut == 0 || cut > block->cut)
        write_all(table, block);
    else
        write_tail(table, block, cut);
}

static void check_part(const struct blocks_block *block, size_t from, size_t to, size_t at)
{
    if (from >= to || memcmp(block->ptr + from, text + at, to - from) == 0)
        return;
    size_t i = from;

    while (block->ptr[i] == text[at + i - from])
        i++;
    CHECK(false,
          "process %d: byte %zu of block %p of %zu bytes, parts at 0 and %zu, is %#x and not %#x",
          (int)getpid(), i, (void *)block->ptr, block->size, block->cut, block->ptr[i],
          text[at + i - from]);
}

/* Checks the first `size` bytes. */
static void check(struct blocks_table *table, const struct blocks_block *block, size_t size)
{
    check_part(block, 0, size < block->cut ? size : block->cut, block->head);
    check_part(block, block->cut, size, block->tail);
    table->checks++;
}

/* -- Operations -------------------------------------------------------------------------------- */

static void release(struct blocks_table *table, struct blocks_block *block)
{
    check(table, block, block->size);
    memkind_free(below(table, 2) == 0 ? NULL : memkind_detect_kind(block->ptr), block->ptr);
    block->ptr = NULL;
}

static void allocate(struct blocks_table *table, struct blocks_block *block)
{
    block->size = random_size(table);
    block->ptr = memkind_malloc(blocks_kinds[below(table, BLOCKS_KINDS)], block->size);
    if (block->ptr != NULL)
        write_all(table, block);
    else
        table->refusals++;
}

static void resize(struct blocks_table *table, struct blocks_block *block)
{
    size_t old_size = block->size;
    size_t size = random_size(table);
    unsigned char *moved = memkind_realloc(memkind_detect_kind(block->ptr), block->ptr, size);

    if (moved == NULL) {
        table->refusals++;
        check(table, block, old_size);
        return;
    }
    block->ptr = moved;
    check(table, block, size < old_size ? size : old_size);
    block->size = size;
    if (size > old_size)
        write_all(table, block);
    else if (block->cut > size)
        block->cut = size;
}

static void move(struct blocks_table *table, struct blocks_block *block)
{
    unsigned char *moved = memkind_defrag_reallocate(memkind_detect_kind(block->ptr), block->ptr);

    if (moved != NULL)
        block->ptr = moved;
    check(table, block, block->size);
}

void blocks_operate(struct blocks_table *table)
{
    struct blocks_block *block = &table->blocks[below(table, BLOCKS_SLOTS)];
    size_t choice = below(table, 16);

    if (block->ptr == NULL)
        allocate(table, block);
    else if (choice < 5)
        release(table, block);
    else if (choice < 8)
        resize(table, block);
    else if (choice == 8)
        move(table, block);
    else
        rewrite(table, block);
}

/* -- All of a table ---------------------------------------------------------------------------- */

void blocks_check(struct blocks_table *table)
{
    for (size_t i = 0; i < BLOCKS_SLOTS; i++)
        if (table->blocks[i].ptr != NULL)
            check(table, &table->blocks[i], table->blocks[i].size);
}

void blocks_free(struct blocks_table *table)
{
    for (size_t i = 0; i < BLOCKS_SLOTS; i++)
        if (table->blocks[i].ptr != NULL)
            release(table, &table->blocks[i]);
}

void blocks_forget(struct blocks_table *table, memkind_t kind)
{
    for (size_t i = 0; i < BLOCKS_SLOTS; i++)
        if (table->blocks[i].ptr != NULL && memkind_detect_kind(table->blocks[i].ptr) == kind)
            table->blocks[i].ptr = NULL;
}
