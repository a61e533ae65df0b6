/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tiers of MEMKIND_MEM_TIERS:
 *
 *    KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:/mnt/pmem,RATIO:4;POLICY:STATIC_RATIO
 *
 * Accepts what memkind's own library accepts, with the same messages: what is invalid, then the
 * part of the text, then the whole.
 */
#include "preload/memtier/tiers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "preload/file_kind.h"
#include "preload/memtier/log.h"
#include "preload/memtier/parse.h"
#include "preload/memtier/thresholds.h"
#include "util/errno_text.h"

enum request_kind { NO_KIND, DRAM, KMEM_DAX, FS_DAX };

static const char *const kind_names[] = {
    [DRAM] = "DRAM", [KMEM_DAX] = "KMEM_DAX", [FS_DAX] = "FS_DAX"};

/* One tier, as described by a part of the text. */
struct request {
    enum request_kind kind;
    const char *path;
    size_t limit;
    bool limited;
    unsigned ratio; /* 0: not given */
};

/* -- One tier ---------------------------------------------------------------------------------- */

/* Checks that a parameter has a value, and is given for the first time. */
static bool is_first(const char *name, bool before, const char *value)
{
    if (before)
        log_error("%s param already defined", name);
    else if (value == NULL)
        log_error("%s param not found", name);
    return !before && value != NULL;
}

static bool take_kind(struct request *request, const char *value)
{
    if (!is_first("KIND", request->kind != NO_KIND, value))
        return false;
    for (unsigned kind = DRAM; kind <= FS_DAX; kind++)
        if (strcmp(value, kind_names[kind]) == 0)
            request->kind = (enum request_kind)kind;
    if (request->kind == NO_KIND)
        log_error("Unsupported kind: %s", value);
    return request->kind != NO_KIND;
}

static bool take_path(struct request *request, const char *value)
{
    if (!is_first("PATH", request->path != NULL, value))
        return false;
    request->path = value;
    return true;
}

static bool take_limit(struct request *request, const char *value)
{
    if (request->limited) {
        log_error("PMEM_SIZE_LIMIT param already defined");
        return false;
    }
    request->limited = true;
    return parse_bytes(value, &request->limit);
}

static bool take_ratio(struct request *request, const char *value)
{
    if (request->ratio != 0) {
        log_error("RATIO param already defined");
        return false;
    }
    return parse_ratio(value, &request->ratio);
}

static bool take(struct request *request, const char *name, const char *value)
{
    if (strcmp(name, "KIND") == 0)
        return take_kind(request, value);
    if (strcmp(name, "PATH") == 0)
        return take_path(request, value);
    if (strcmp(name, "PMEM_SIZE_LIMIT") == 0)
        return take_limit(request, value);
    if (strcmp(name, "RATIO") == 0)
        return take_ratio(request, value);
    log_error("Invalid parameter: %s", name);
    return false;
}

static bool is_whole(const struct request *request)
{
    bool file = request->kind == FS_DAX;

    if (!file && request->path != NULL)
        log_error("PATH param can be defined only for FS_DAX kind");
    else if (!file && request->limited)
        log_error("PMEM_SIZE_LIMIT param can be defined only for FS_DAX kind");
    else if (request->kind == NO_KIND)
        log_error("KIND param not found");
    else if (request->ratio == 0)
        log_error("RATIO param not found");
    else if (file && request->path == NULL)
        log_error("PATH param (required for FS_DAX) not found");
    else
        return true;
    return false;
}

static bool make_file(const struct request *request, memkind_t *kind)
{
    const char *reason;

    if (memkind_check_dax_path(request->path) != MEMKIND_SUCCESS)
        log_info("%s don't point to DAX device", request->path);
    if (file_kind_make(request->path, request->limit, kind, &reason))
        return true;
    log_error("No memory in PATH %s: %s", request->path, reason);
    return false;
}

static bool make_node_kind(memkind_t *kind)
{
    void *block = memkind_malloc(MEMKIND_DAX_KMEM, 1);

    if (block == NULL) {
        log_error("Allocation to DAX KMEM nodes failed!");
        return false;
    }
    memkind_free(MEMKIND_DAX_KMEM, block);
    *kind = MEMKIND_DAX_KMEM;
    return true;
}

static bool make_kind(const struct request *request, memkind_t *kind)
{
    switch (request->kind) {
    case FS_DAX:
        return make_file(request, kind);
    case KMEM_DAX:
        return make_node_kind(kind);
    default:
        *kind = MEMKIND_DEFAULT;
        return true;
    }
}

static bool parse_tier(char *text, struct request *request)
{
    char *name, *value;

    while (parse_pair(&text, &name, &value))
        if (!take(request, name, value))
            return false;
    return is_whole(request);
}

/* -- All --------------------------------------------------------------------------------------- */

/* The memory that the parts of the text describe. */
struct plan {
    struct tiers *tiers;
    unsigned ratios[SERVING_MOST_KINDS];
    memtier_policy_t policy;
};

static bool add_tier(char *text, struct plan *plan)
{
    struct tiers *tiers = plan->tiers;
    struct request request = {0};
    /* The parser modifies the text. */
    char *whole = strdup(text);

    if (whole == NULL || tiers->count == SERVING_MOST_KINDS) {
        log_error("Failed to add tier: no room for another");
        free(whole);
        return false;
    }
    bool made = parse_tier(text, &request) && make_kind(&request, &tiers->kinds[tiers->count]);
    if (made)
        plan->ratios[tiers->count++] = request.ratio;
    else
        log_error("Failed to parse query: %s", whole);
    free(whole);
    return made;
}

static bool parse_policy(char *text, memtier_policy_t *policy)
{
    char *name, *value;

    if (!parse_pair(&text, &name, &value) || strcmp(name, "POLICY") != 0) {
        log_error("Missing POLICY parameter in the query: %s", name != NULL ? name : "");
        return false;
    }
    /* No parameter follows, so a comma belongs to the value. */
    if (value != NULL && text != NULL && *text != '\0')
        value[strlen(value)] = ',';
    if (value != NULL && strcmp(value, "STATIC_RATIO") == 0) {
        *policy = MEMTIER_POLICY_STATIC_RATIO;
    } else if (value != NULL && strcmp(value, "DYNAMIC_THRESHOLD") == 0) {
        *policy = MEMTIER_POLICY_DYNAMIC_THRESHOLD;
    } else {
        log_error("Unknown policy: %s", value != NULL ? value : "");
        return false;
    }
    return true;
}

/* Parses the list, which is modified: tiers, followed by the policy. */
static bool parse_list(char *list, struct plan *plan)
{
    size_t count = parse_count(list);
    char *state = NULL;
    char *item = strtok_r(list, ";", &state);

    for (size_t i = 1; i < count && item != NULL; i++) {
        if (!add_tier(item, plan))
            return false;
        item = strtok_r(NULL, ";", &state);
    }
    if (item == NULL) {
        log_error("Missing POLICY parameter in the query: ");
        return false;
    }
    return parse_policy(item, &plan->policy);
}

static bool parse(const char *text, struct plan *plan)
{
    if (strspn(text, ";") == strlen(text)) {
        log_error("No valid query found in: %s", text);
        return false;
    }
    if (parse_count(text) < 2) {
        log_error("Too low number of queries in configuration string: %s", text);
        return false;
    }
    char *list = strdup(text);
    bool parsed = list != NULL && parse_list(list, plan);
    free(list);
    return parsed;
}

static bool build(struct memtier_builder *builder, const struct plan *plan, const char *thresholds)
{
    struct tiers *tiers = plan->tiers;

    for (unsigned i = 0; i < tiers->count; i++)
        if (memtier_builder_add_tier(builder, tiers->kinds[i], plan->ratios[i]) != 0) {
            log_error("Failed to add tier %u: %s", i + 1, errno_text(errno));
            return false;
        }
    if (thresholds != NULL && plan->policy != MEMTIER_POLICY_DYNAMIC_THRESHOLD) {
        log_error(
            "MEMKIND_MEM_THRESHOLDS env var could be used only with DYNAMIC_THRESHOLD policy");
        return false;
    }
    if (thresholds != NULL && !thresholds_set(builder, thresholds, tiers->count - 1))
        return false;
    tiers->memory = memtier_builder_construct_memtier_memory(builder);
    if (tiers->memory == NULL)
        log_error("No memory of these tiers: %s", errno_text(errno));
    return tiers->memory != NULL;
}

static bool make(const struct plan *plan, const char *thresholds)
{
    struct memtier_builder *builder = memtier_builder_new(plan->policy);
    bool made = builder != NULL && build(builder, plan, thresholds);

    memtier_builder_delete(builder);
    return made;
}

bool tiers_make(const char *text, const char *thresholds, struct tiers *tiers)
{
    struct plan plan = {.tiers = tiers};

    *tiers = (struct tiers){0};
    if (parse(text, &plan) && make(&plan, thresholds))
        return true;
    log_error("Error with parsing MEMKIND_MEM_TIERS");
    return false;
}
