/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocates and frees a block of 64 bytes TIMES times: tiers DIRECTORY HOW TIMES. HOW is "kind"
 * (memkind_malloc), "counted" (memtier_kind_malloc), or "ratio" or "threshold" (a memory of two
 * kinds).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memkind.h"
#include "memkind_memtier.h"

static void by_kind(memkind_t kind, long times)
{
    for (long i = 0; i < times; i++)
        memkind_free(kind, memkind_malloc(kind, 64));
}

static void by_counted_kind(memkind_t kind, long times)
{
    for (long i = 0; i < times; i++)
        memtier_free(memtier_kind_malloc(kind, 64));
}

static void by_tiers(struct memtier_memory *memory, long times)
{
    for (long i = 0; i < times; i++)
        memtier_free(memtier_malloc(memory, 64));
}

static struct memtier_memory *make_memory(memtier_policy_t policy, memkind_t first,
                                          memkind_t second)
{
    struct memtier_builder *builder = memtier_builder_new(policy);

    if (builder == NULL || memtier_builder_add_tier(builder, first, 1) != 0 ||
        memtier_builder_add_tier(builder, second, 4) != 0)
        return NULL;
    struct memtier_memory *memory = memtier_builder_construct_memtier_memory(builder);
    memtier_builder_delete(builder);
    return memory;
}

int main(int argc, char **argv)
{
    memkind_t first, second;

    if (argc != 4 || memkind_create_pmem(argv[1], 0, &first) != MEMKIND_SUCCESS ||
        memkind_create_pmem(argv[1], 0, &second) != MEMKIND_SUCCESS)
        return EXIT_FAILURE;
    long times = strtol(argv[3], NULL, 10);
    if (strcmp(argv[2], "kind") == 0) {
        by_kind(first, times);
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[2], "counted") == 0) {
        by_counted_kind(first, times);
        return EXIT_SUCCESS;
    }
    struct memtier_memory *memory =
        make_memory(strcmp(argv[2], "ratio") == 0 ? MEMTIER_POLICY_STATIC_RATIO
                                                  : MEMTIER_POLICY_DYNAMIC_THRESHOLD,
                    first, second);
    if (memory == NULL)
        return EXIT_FAILURE;
    by_tiers(memory, times);
    return EXIT_SUCCESS;
}
