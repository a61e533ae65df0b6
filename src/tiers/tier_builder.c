/* SPDX-License-Identifier: BSD-2-Clause */
/* The builder of a memory of several kinds. */
#include "tiers/tier_builder.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "memkind/internal/memkind_private.h"
#include "util/log.h"

/* Defaults of the first threshold, as in memkind. Each further threshold is a step higher. */
#define THRESHOLD_VALUE ((size_t)1024)
#define THRESHOLD_MIN   ((size_t)512)
#define THRESHOLD_MAX   ((size_t)1535)
#define THRESHOLD_STEP  ((size_t)1024)

#define CHECK_COUNT 20u
#define TRIGGER     0.02f
#define DEGREE      0.15f

#define SETTINGS_PREFIX   "policy.dynamic_threshold."
#define THRESHOLDS_PREFIX "thresholds["

/* -- Life -------------------------------------------------------------------------------------- */

struct memtier_builder *tier_builder_create(memtier_policy_t policy)
{
    if ((int)policy < 0 || policy >= MEMTIER_POLICY_MAX_VALUE) {
        log_error("there is no memtier policy %d", (int)policy);
        errno = EINVAL;
        return NULL;
    }
    struct memtier_builder *builder = calloc(1, sizeof(*builder));
    if (builder == NULL)
        return NULL;
    builder->policy = policy;
    builder->settings =
        (struct tier_settings){.check_count = CHECK_COUNT, .trigger = TRIGGER, .degree = DEGREE};
    return builder;
}

void tier_builder_destroy(struct memtier_builder *builder)
{
    if (builder == NULL)
        return;
    free(builder->tiers);
    free(builder->thresholds);
    free(builder);
}

/* Replaces the array by a copy with room for one more element. */
static int grow_array(void **array, size_t count, size_t element)
{
    void *grown = malloc((count + 1) * element);

    if (grown == NULL)
        return -ENOMEM;
    if (count != 0)
        memcpy(grown, *array, count * element);
    free(*array);
    *array = grown;
    return 0;
}

/* Makes room for one more tier and threshold. */
static int grow(struct memtier_builder *builder)
{
    int err = grow_array((void **)&builder->tiers, builder->count, sizeof(*builder->tiers));

    if (err == 0)
        err =
            grow_array((void **)&builder->thresholds, builder->count, sizeof(*builder->thresholds));
    return err;
}

int tier_builder_add(struct memtier_builder *builder, struct memkind *kind, unsigned ratio)
{
    if (kind == NULL) {
        log_error("a tier needs a kind");
        return -EINVAL;
    }
    for (size_t i = 0; i < builder->count; i++)
        if (builder->tiers[i].kind == kind) {
            log_error("kind %s is in the builder already", kind->name);
            return -EEXIST;
        }
    int err = grow(builder);
    if (err != 0)
        return err;
    size_t raise = builder->count * THRESHOLD_STEP;
    builder->tiers[builder->count] = (struct tier){.kind = kind, .ratio = ratio};
    struct tier_threshold *threshold = &builder->thresholds[builder->count];
    atomic_init(&threshold->value, THRESHOLD_VALUE + raise);
    threshold->min = THRESHOLD_MIN + raise;
    threshold->max = THRESHOLD_MAX + raise;
    builder->count++;
    return 0;
}

/* -- Settings ---------------------------------------------------------------------------------- */

/* text is as "0].val". */
static int set_threshold(struct memtier_builder *builder, const char *text, const void *value)
{
    char *end;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    unsigned long index = strtoul(text, &end, 10);
    if (index >= builder->count || index + 1 >= builder->count || strncmp(end, "].", 2) != 0)
        return -EINVAL;
    struct tier_threshold *threshold = &builder->thresholds[index];
    size_t size;
    memcpy(&size, value, sizeof(size));
    if (strcmp(end + 2, "val") == 0)
        atomic_store_explicit(&threshold->value, size, memory_order_relaxed);
    else if (strcmp(end + 2, "min") == 0)
        threshold->min = size;
    else if (strcmp(end + 2, "max") == 0)
        threshold->max = size;
    else
        return -EINVAL;
    return 0;
}

static int set(struct memtier_builder *builder, const char *name, const void *value)
{
    if (strncmp(name, THRESHOLDS_PREFIX, strlen(THRESHOLDS_PREFIX)) == 0)
        return set_threshold(builder, name + strlen(THRESHOLDS_PREFIX), value);
    if (strcmp(name, "check_cnt") == 0)
        memcpy(&builder->settings.check_count, value, sizeof(builder->settings.check_count));
    else if (strcmp(name, "trigger") == 0)
        memcpy(&builder->settings.trigger, value, sizeof(builder->settings.trigger));
    else if (strcmp(name, "degree") == 0)
        memcpy(&builder->settings.degree, value, sizeof(builder->settings.degree));
    else
        return -EINVAL;
    return 0;
}

int tier_builder_set(struct memtier_builder *builder, const char *name, const void *value)
{
    int err = -EINVAL;

    if (builder->policy == MEMTIER_POLICY_DYNAMIC_THRESHOLD && name != NULL && value != NULL &&
        strncmp(name, SETTINGS_PREFIX, strlen(SETTINGS_PREFIX)) == 0)
        err = set(builder, name + strlen(SETTINGS_PREFIX), value);
    if (err != 0)
        log_error("memtier has no setting %s", name != NULL ? name : "without a name");
    return err;
}

/* -- Memories ---------------------------------------------------------------------------------- */

static bool are_ordered(const struct memtier_builder *builder)
{
    for (size_t i = 0; i + 1 < builder->count; i++) {
        const struct tier_threshold *threshold = &builder->thresholds[i];
        size_t value = atomic_load_explicit(&threshold->value, memory_order_relaxed);

        if (threshold->min > value || value > threshold->max) {
            log_error("threshold %zu: %zu is not between %zu and %zu", i, value, threshold->min,
                      threshold->max);
            return false;
        }
        if (i + 2 < builder->count && threshold->max > threshold[1].min) {
            log_error("threshold %zu can be higher than the next one: %zu, %zu", i, threshold->max,
                      threshold[1].min);
            return false;
        }
    }
    return true;
}

static bool is_valid(const struct memtier_builder *builder)
{
    size_t least = builder->policy == MEMTIER_POLICY_DYNAMIC_THRESHOLD ? 2 : 1;

    if (builder->count < least) {
        log_error("%zu tiers are too few for the policy", builder->count);
        return false;
    }
    if (builder->policy != MEMTIER_POLICY_DYNAMIC_THRESHOLD)
        return true;
    /* False also for NaN. */
    if (!(builder->settings.trigger >= 0) || !(builder->settings.degree >= 0)) {
        log_error("trigger and degree of memtier are numbers from 0");
        return false;
    }
    return are_ordered(builder);
}

/* One block has the memory, its thresholds and its tiers. */
static struct memtier_memory *copy(const struct memtier_builder *builder)
{
    static _Atomic uint64_t last_number;
    size_t tiers = builder->count * sizeof(*builder->tiers);
    size_t thresholds = builder->count * sizeof(*builder->thresholds);
    struct memtier_memory *memory = malloc(sizeof(*memory) + thresholds + tiers);

    if (memory == NULL)
        return NULL;
    memory->number = atomic_fetch_add(&last_number, 1) + 1;
    memory->ratio_number =
        builder->policy == MEMTIER_POLICY_STATIC_RATIO ? memory->number : TIER_MEMORY_NO_RATIO;
    memory->turn = offsetof(struct tier_counts, turns) +
                   memory->number % TIER_TURNS * sizeof(struct tier_turn);
    memory->policy = builder->policy;
    memory->settings = builder->settings;
    atomic_init(&memory->is_used, false);
    memory->count = builder->count;
    memory->thresholds = (struct tier_threshold *)(memory + 1);
    memory->tiers = (struct tier *)(memory->thresholds + builder->count);
    memcpy(memory->thresholds, builder->thresholds, thresholds);
    memcpy(memory->tiers, builder->tiers, tiers);
    return memory;
}

struct memtier_memory *tier_builder_construct(const struct memtier_builder *builder)
{
    if (!is_valid(builder)) {
        errno = EINVAL;
        return NULL;
    }
    return copy(builder);
}

void tier_memory_destroy(struct memtier_memory *memory)
{
    free(memory);
}
