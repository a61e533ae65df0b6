/* SPDX-License-Identifier: BSD-2-Clause */
/* The builder of a memory of several kinds: libmemtier(3). */
#pragma once

#include <stddef.h>

#include "tiers/tier_memory.h"

struct memtier_builder {
    memtier_policy_t policy;
    struct tier_settings settings;
    size_t count; /* of tiers; one more than thresholds in use */
    struct tier *tiers;
    struct tier_threshold *thresholds;
};

/*
 * A builder without tiers and with the default settings, for tier_builder_destroy(). NULL with
 * errno ENOMEM or EINVAL: no such policy.
 */
struct memtier_builder *tier_builder_create(memtier_policy_t policy);
void tier_builder_destroy(struct memtier_builder *builder);

/* 0; -EINVAL where the kind is NULL, -EEXIST where the builder has it, -ENOMEM. */
int tier_builder_add(struct memtier_builder *builder, struct memkind *kind, unsigned ratio);

/*
 * Sets the setting with this name of memtier_ctl_set() to *value: a size_t for a part of a
 * threshold, an unsigned int for check_cnt, a float for trigger and degree. 0; -EINVAL where the
 * policy has no such setting, or the builder no such threshold. tier_builder_construct() checks the
 * values.
 */
int tier_builder_set(struct memtier_builder *builder, const char *name, const void *value);

/*
 * A memory with the tiers and settings of the builder, for tier_memory_destroy(). NULL with errno
 * ENOMEM, or EINVAL: too few tiers for the policy, or values that contradict each other.
 */
struct memtier_memory *tier_builder_construct(const struct memtier_builder *builder);
void tier_memory_destroy(struct memtier_memory *memory);
