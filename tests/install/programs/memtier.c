/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program like those of users, written for memkind_memtier.h of memkind 1.14. It calls all
 * functions and prints their results, so that two libraries can be compared. Usage: memtier
 * DIRECTORY
 */
#include <memkind.h>
#include <memkind_memtier.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 1000

static void say(const char *what, long long value)
{
    printf("%-60s %lld\n", what, value);
}

static long long allocated(memkind_t pmem)
{
    return (long long)(memtier_kind_allocated_size(MEMKIND_DEFAULT) +
                       memtier_kind_allocated_size(pmem));
}

static struct memtier_memory *build(memtier_policy_t policy, memkind_t pmem)
{
    struct memtier_builder *builder = memtier_builder_new(policy);
    float trigger = 0.1f;

    say("add_tier", memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 1));
    say("add_tier", memtier_builder_add_tier(builder, pmem, 4));
    say("add_tier, twice", memtier_builder_add_tier(builder, pmem, 4));
    say("ctl_set", memtier_ctl_set(builder, "policy.dynamic_threshold.trigger", &trigger));
    struct memtier_memory *memory = memtier_builder_construct_memtier_memory(builder);
    memtier_builder_delete(builder);
    say("a memory", memory != NULL);
    return memory;
}

static void use(struct memtier_memory *memory, memkind_t pmem)
{
    char *block[BLOCKS];
    long long good = 0, sizes = 0;

    for (size_t i = 0; i < BLOCKS; i++) {
        void *aligned = NULL;

        if (i % 3 == 0)
            block[i] = memtier_malloc(memory, i + 1);
        else if (i % 3 == 1)
            block[i] = memtier_calloc(memory, 1, i + 1);
        else
            block[i] = memtier_posix_memalign(memory, &aligned, 64, i + 1) == 0 ? aligned : NULL;
        good += block[i] != NULL && memtier_usable_size(block[i]) >= i + 1;
        if (block[i] != NULL)
            memset(block[i], (int)(i % 100), i + 1);
    }
    say("blocks", good);
    good = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = memtier_realloc(memory, block[i], 2 * (i + 1));
        good += block[i] != NULL && block[i][i] == (char)(i % 100);
        sizes += (long long)memtier_usable_size(block[i]);
    }
    say("blocks that have grown", good);
    say("all are counted", allocated(pmem) == sizes);
    for (size_t i = 0; i < BLOCKS; i++)
        memtier_free(block[i]);
    say("bytes counted at the end", allocated(pmem));
}

static void use_kind(memkind_t pmem)
{
    void *aligned = NULL;
    char *block = memtier_kind_malloc(pmem, 100);
    char *zeroed = memtier_kind_calloc(pmem, 10, 10);

    block = memtier_kind_realloc(pmem, block, 1000);
    say("kind_posix_memalign", memtier_kind_posix_memalign(pmem, &aligned, 128, 100));
    say("of the kind", memkind_detect_kind(block) == pmem && memkind_detect_kind(zeroed) == pmem);
    say("allocated", allocated(pmem) > 0);
    memtier_kind_free(pmem, block);
    memtier_kind_free(NULL, zeroed);
    memtier_kind_free(pmem, aligned);
    say("allocated at the end", allocated(pmem));
}

int main(int argc, char **argv)
{
    memkind_t pmem;

    if (argc != 2 || memkind_create_pmem(argv[1], 0, &pmem) != MEMKIND_SUCCESS)
        return EXIT_FAILURE;
    for (int policy = 0; policy < MEMTIER_POLICY_MAX_VALUE; policy++) {
        struct memtier_memory *memory = build((memtier_policy_t)policy, pmem);

        use(memory, pmem);
        memtier_delete_memtier_memory(memory);
    }
    use_kind(pmem);
    return memkind_destroy_kind(pmem);
}
