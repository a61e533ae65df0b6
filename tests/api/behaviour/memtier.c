/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions about memtier: builders, settings, the choice of a tier, the counts. */
#include "behaviour.h"

#include <errno.h>
#include <memkind_memtier.h>
#include <stdint.h>

#define SETTING   "policy.dynamic_threshold."
#define THRESHOLD SETTING "thresholds[0]."
#define NEXT      SETTING "thresholds[1]."

/* -- Builders ---------------------------------------------------------------------------------- */

static struct memtier_builder *builder_of(memtier_policy_t policy, int tiers)
{
    struct memtier_builder *builder = memtier_builder_new(policy);

    if (tiers > 0)
        memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 1);
    if (tiers > 1)
        memtier_builder_add_tier(builder, MEMKIND_REGULAR, 4);
    if (tiers > 2)
        memtier_builder_add_tier(builder, MEMKIND_INTERLEAVE, 2);
    return builder;
}

static void say_memory(struct memtier_builder *builder)
{
    say("%s", memtier_builder_construct_memtier_memory(builder) != NULL ? "memory" : "none");
}

static void policies(void)
{
    for (int policy = -1; policy < 4; policy++)
        say("%s", memtier_builder_new((memtier_policy_t)policy) != NULL ? "builder" : "none");
}

static void add_tier(void)
{
    struct memtier_builder *builder = memtier_builder_new(MEMTIER_POLICY_STATIC_RATIO);

    say("%d", memtier_builder_add_tier(builder, NULL, 1));
    say("%d", memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 1));
    say("%d", memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 2));
    say("%d", memtier_builder_add_tier(builder, MEMKIND_REGULAR, 0));
}

static void few_tiers(void)
{
    for (int tiers = 0; tiers < 3; tiers++) {
        say_memory(builder_of(MEMTIER_POLICY_STATIC_RATIO, tiers));
        say_memory(builder_of(MEMTIER_POLICY_DYNAMIC_THRESHOLD, tiers));
    }
}

static void construct_twice(void)
{
    struct memtier_builder *builder = builder_of(MEMTIER_POLICY_STATIC_RATIO, 1);

    say_memory(builder);
    say("%d", memtier_builder_add_tier(builder, MEMKIND_REGULAR, 4));
    say_memory(builder);
}

/* -- Settings ---------------------------------------------------------------------------------- */

static void set_names(void)
{
    static const char *const names[] = {THRESHOLD "val",
                                        THRESHOLD "min",
                                        THRESHOLD "max",
                                        NEXT "val",
                                        SETTING "check_cnt",
                                        SETTING "trigger",
                                        SETTING "degree",
                                        THRESHOLD "foo",
                                        SETTING "thresholds[0]",
                                        SETTING "foo",
                                        "policy.foo",
                                        SETTING "thresholds[].val",
                                        SETTING "thresholds[x].val",
                                        SETTING "thresholds[-1].val",
                                        SETTING "check_cnt.x",
                                        ""};
    size_t value = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        say("%d",
            memtier_ctl_set(builder_of(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 2), names[i], &value));
}

static void set_on_static_ratio(void)
{
    float value = 0.1f;

    say("%d",
        memtier_ctl_set(builder_of(MEMTIER_POLICY_STATIC_RATIO, 2), SETTING "trigger", &value));
}

/* Tries values of one part of a threshold, with defaults for the others. */
static void try_values(int tiers, const char *name, const size_t *values)
{
    for (; *values != SIZE_MAX; values++) {
        struct memtier_builder *builder = builder_of(MEMTIER_POLICY_DYNAMIC_THRESHOLD, tiers);

        memtier_ctl_set(builder, name, values);
        say_memory(builder);
    }
}

static void threshold_values(void)
{
    try_values(2, THRESHOLD "val", (size_t[]){0, 512, 513, 1000, 1535, 1536, 5000, SIZE_MAX});
    try_values(2, THRESHOLD "min", (size_t[]){0, 1024, 1025, SIZE_MAX});
    try_values(2, THRESHOLD "max", (size_t[]){1023, 1024, 1 << 30, SIZE_MAX});
}

static void threshold_order(void)
{
    try_values(3, THRESHOLD "max", (size_t[]){1535, 1536, 1600, SIZE_MAX});
    try_values(3, NEXT "min", (size_t[]){1535, 1536, SIZE_MAX});
    try_values(3, NEXT "val", (size_t[]){1535, 2048, 2559, 2560, SIZE_MAX});
}

static void negative_settings(void)
{
    static const char *const names[] = {SETTING "trigger", SETTING "degree"};

    for (int i = 0; i < 2; i++)
        for (int value = -1; value < 2; value++) {
            struct memtier_builder *builder = builder_of(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 2);
            float number = (float)value;

            memtier_ctl_set(builder, names[i], &number);
            say_memory(builder);
        }
}

/* -- Allocation -------------------------------------------------------------------------------- */

static struct memtier_memory *memory_of(memtier_policy_t policy)
{
    return memtier_builder_construct_memtier_memory(builder_of(policy, 2));
}

static void refused_sizes(void)
{
    struct memtier_memory *memory = memory_of(MEMTIER_POLICY_STATIC_RATIO);

    errno = 0;
    say_block(memtier_malloc(memory, 0));
    say_block(memtier_malloc(memory, SIZE_MAX));
    say_block(memtier_calloc(memory, 0, 1));
    say_block(memtier_calloc(memory, SIZE_MAX / 2, 4));
    say_block(memtier_realloc(memory, NULL, 0));
    say("%zu", memtier_usable_size(NULL));
    say("%zu", memtier_kind_allocated_size(MEMKIND_DEFAULT));
}

static void counted(memkind_t kind)
{
    say("%zu", memtier_kind_allocated_size(kind));
}

static void counts(void)
{
    void *block = memtier_kind_malloc(MEMKIND_DEFAULT, 100);

    counted(MEMKIND_DEFAULT);
    block = memtier_kind_realloc(MEMKIND_DEFAULT, block, 5000);
    counted(MEMKIND_DEFAULT);
    (void)memtier_kind_realloc(MEMKIND_DEFAULT, block, 0);
    counted(MEMKIND_DEFAULT);
    block = memtier_kind_calloc(MEMKIND_REGULAR, 10, 10);
    counted(MEMKIND_REGULAR);
    memtier_free(block);
    counted(MEMKIND_REGULAR);
    (void)memtier_kind_posix_memalign(MEMKIND_REGULAR, &block, 64, 100);
    counted(MEMKIND_REGULAR);
    memtier_kind_free(MEMKIND_REGULAR, block);
    counted(MEMKIND_REGULAR);
    memtier_free(memkind_malloc(MEMKIND_REGULAR, 100));
    memtier_free(NULL);
}

static void failed_realloc(void)
{
    void *block = memtier_kind_malloc(MEMKIND_DEFAULT, 100);

    say("%s", memtier_kind_realloc(MEMKIND_DEFAULT, block, SIZE_MAX / 4) == NULL ? "NULL" : "?");
    counted(MEMKIND_DEFAULT);
}

static void say_kind(const void *block)
{
    say("%s", memkind_detect_kind((void *)block) == MEMKIND_DEFAULT ? "first" : "second");
}

/* Blocks large enough that memkind checks the ratio at each one. */
static void static_ratio(void)
{
    struct memtier_memory *memory = memory_of(MEMTIER_POLICY_STATIC_RATIO);

    for (int i = 0; i < 10; i++)
        say_kind(memtier_malloc(memory, 100000));
}

static void thresholds_by_size(void)
{
    struct memtier_memory *memory = memory_of(MEMTIER_POLICY_DYNAMIC_THRESHOLD);

    say_kind(memtier_malloc(memory, 1));
    say_kind(memtier_malloc(memory, 1023));
    say_kind(memtier_malloc(memory, 1024));
}

/* The ratio is checked after 20 allocations, whatever the tiers have before. */
static void threshold_at_first(void)
{
    (void)memtier_kind_malloc(MEMKIND_DEFAULT, MIB);
    (void)memtier_kind_malloc(MEMKIND_REGULAR, MIB);
    thresholds_by_size();
}

static void calloc_threshold(void)
{
    say_kind(memtier_calloc(memory_of(MEMTIER_POLICY_DYNAMIC_THRESHOLD), 3, 1000));
}

/* Four to one in the long run, for sizes on both sides of the threshold. */
static void dynamic_ratio(void)
{
    struct memtier_memory *memory = memory_of(MEMTIER_POLICY_DYNAMIC_THRESHOLD);

    for (unsigned i = 0; i < 20000; i++)
        (void)memtier_malloc(memory, 1 + i * 37 % 2000);
    double ratio = (double)memtier_kind_allocated_size(MEMKIND_REGULAR) /
                   (double)memtier_kind_allocated_size(MEMKIND_DEFAULT);
    say("%s", ratio > 3.8 && ratio < 4.2 ? "in the ratio" : "not in the ratio");
}

static void realloc_stays(void)
{
    struct memtier_memory *memory = memory_of(MEMTIER_POLICY_STATIC_RATIO);
    void *first = memtier_malloc(memory, 100000);
    void *second = memtier_malloc(memory, 100000);

    say_kind(memtier_realloc(memory, first, 900000));
    say_kind(memtier_realloc(memory, second, 900000));
    say_block(memtier_realloc(memory, memtier_realloc(memory, NULL, 100), 0));
}

const struct question memtier_questions[] = {
    {"memtier-policies", policies, "none, builder, builder, none, none"},
    {"memtier-add-tier", add_tier, "-1, 0, -1, 0"},
    {"memtier-few-tiers", few_tiers, "none, none, memory, none, memory, memory"},
    {"memtier-construct-twice", construct_twice, "memory, 0, memory"},
    {"memtier-set-names", set_names, "0, 0, 0, -1, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1, -1"},
    {"memtier-set-on-static-ratio", set_on_static_ratio, "-1"},
    {"memtier-threshold-values", threshold_values,
     "none, memory, memory, memory, memory, none, none, memory, memory, none, none, memory, "
     "memory"},
    {"memtier-threshold-order", threshold_order,
     "memory, memory, none, memory, memory, none, memory, memory, none"},
    {"memtier-negative-settings", negative_settings, "none, memory, memory, none, memory, memory"},
    {"memtier-refused-sizes", refused_sizes,
     "NULL, errno untouched, NULL, ENOMEM, NULL, ENOMEM, NULL, ENOMEM, NULL, ENOMEM, 0, 0"},
    {"memtier-counts", counts, "112, 5120, 0, 112, 0, 128, 0"},
    {"memtier-failed-realloc", failed_realloc, "NULL, 112"},
    {"memtier-static-ratio", static_ratio,
     "first, second, second, second, second, first, second, second, second, second"},
    {"memtier-thresholds-by-size", thresholds_by_size, "first, first, second"},
    {"memtier-threshold-at-first", threshold_at_first, "first, first, second"},
    {"memtier-calloc-threshold", calloc_threshold, "second"},
    {"memtier-dynamic-ratio", dynamic_ratio, "in the ratio"},
    {"memtier-realloc-stays", realloc_stays, "first, second, NULL, errno untouched"},
    {NULL, NULL, NULL},
};
