/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program asks of a memory of several kinds, before the memory is made: libmemtier(3). */
#pragma once

#include <stddef.h>

#include "tiers/tier_memory.h"

struct memtier_builder {
    memtier_policy_t policy;
    struct tier_settings settings;
    size_t count; /* of tiers; there is one threshold less */
    struct tier *tiers;
    struct tier_threshold *thresholds;
};

/*
 * A builder without tiers and with the default settings, for tier_builder_destroy(). NULL: no
 * memory, or (errno EINVAL) there is no such policy.
 */
struct memtier_builder *tier_builder_create(memtier_policy_t policy);
void tier_builder_destroy(struct memtier_builder *builder);

/* 0; -EINVAL where the kind is NULL, -EEXIST where the builder has it, -ENOMEM. */
int tier_builder_add(struct memtier_builder *builder, struct memkind *kind, unsigned ratio);

/*
 * Sets what memtier_ctl_set() calls `name` to what value points to: a size_t for the parts of a
 * threshold, an unsigned int for check_cnt, a float for trigger and degree. 0; -EINVAL where the
 * policy has nothing of that name, or not so many thresholds. Whether values fit each other is
 * looked at when the memory is made.
 */
int tier_builder_set(struct memtier_builder *builder, const char *name, const void *value);

/*
 * A memory as the builder says, for tier_memory_destroy(). NULL with errno EINVAL (no tiers, too
 * few for the policy, values that do not fit each other) or ENOMEM.
 */
struct memtier_memory *tier_builder_construct(const struct memtier_builder *builder);
void tier_memory_destroy(struct memtier_memory *memory);
