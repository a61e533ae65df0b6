/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for the records of one space: a bump allocator over anonymous blocks. */
#include "space/metadata.h"

#include <stdint.h>
#include <string.h>

#include "os/mapping_cache.h"
#include "os/vm.h"
#include "util/align.h"

/* Most spaces take one block. */
static struct mapping_cache spare_blocks = MAPPING_CACHE_INITIALIZER;

struct metadata_block {
    struct metadata_block *next;
    size_t size; /* bytes of the whole mapping */
};

static struct metadata_block *new_block(size_t payload)
{
    size_t header = align_up(sizeof(struct metadata_block), METADATA_ALIGNMENT);
    size_t size = align_up(header + payload, METADATA_BLOCK);
    struct metadata_block *block =
        size == METADATA_BLOCK ? mapping_cache_take(&spare_blocks, size) : vm_alloc(size);

    if (block != NULL)
        block->size = size;
    return block;
}

/* `used`: the bytes that may not be zero, as all of a cached block must be. */
static void free_block(struct metadata_block *block, size_t used)
{
    size_t size = block->size;

    if (size == METADATA_BLOCK) {
        memset(block, 0, used);
        mapping_cache_put(&spare_blocks, block, size);
    } else {
        (void)vm_unmap(block, size);
    }
}

void *metadata_take(struct metadata *metadata, size_t size)
{
    size_t header = align_up(sizeof(struct metadata_block), METADATA_ALIGNMENT);

    if (size > SIZE_MAX / 2)
        return NULL;
    size = align_up(size, METADATA_ALIGNMENT);
    if (metadata->blocks == NULL || metadata->blocks->size - metadata->used < size) {
        struct metadata_block *block = new_block(size);

        if (block == NULL)
            return NULL;
        block->next = metadata->blocks;
        metadata->blocks = block;
        metadata->used = header;
    }
    void *piece = (char *)metadata->blocks + metadata->used;
    metadata->used += size;
    return piece;
}

void metadata_release(struct metadata *metadata)
{
    while (metadata->blocks != NULL) {
        struct metadata_block *block = metadata->blocks;

        metadata->blocks = block->next;
        free_block(block, metadata->used);
        metadata->used = METADATA_BLOCK;
    }
    metadata->used = 0;
}

void metadata_after_fork(void)
{
    mapping_cache_after_fork(&spare_blocks);
}
