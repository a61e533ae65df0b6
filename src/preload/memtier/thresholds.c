/* SPDX-License-Identifier: BSD-2-Clause */
/* The thresholds of MEMKIND_MEM_THRESHOLDS: INIT_VAL:64,MIN_VAL:1,MAX_VAL:10000;... */
#include "preload/memtier/thresholds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/memtier/log.h"
#include "preload/memtier/parse.h"

#define NAME_SIZE 80

static const struct {
    const char *name;       /* in the text */
    const char *short_name; /* in messages */
    const char *property;
} parameters[] = {
    {"INIT_VAL", "VAL", "val"},
    {"MIN_VAL", "MIN", "min"},
    {"MAX_VAL", "MAX", "max"},
};

#define PARAMETERS (sizeof(parameters) / sizeof(parameters[0]))

/* Returns the index of the parameter; PARAMETERS: unknown. */
static size_t find(const char *name)
{
    size_t i = 0;

    while (i < PARAMETERS && strcmp(parameters[i].name, name) != 0)
        i++;
    if (i == PARAMETERS)
        log_error("Invalid parameter: %s", name);
    return i;
}

static bool set(struct memtier_builder *builder, size_t number, size_t parameter, const char *text)
{
    char name[NAME_SIZE];
    size_t value;

    if (!parse_bytes(text, &value)) {
        log_error("Failed to parse value: %s", text != NULL ? text : "");
        return false;
    }
    snprintf(name, sizeof(name), "policy.dynamic_threshold.thresholds[%zu].%s", number,
             parameters[parameter].property);
    return memtier_ctl_set(builder, name, &value) == 0;
}

static bool set_one(struct memtier_builder *builder, size_t number, char *text)
{
    bool seen[PARAMETERS] = {false};
    char *name, *value;

    while (parse_pair(&text, &name, &value)) {
        size_t parameter = find(name);

        if (parameter == PARAMETERS)
            return false;
        if (seen[parameter]) {
            log_error("%s defined twice", parameters[parameter].short_name);
            return false;
        }
        seen[parameter] = true;
        if (!set(builder, number, parameter, value))
            return false;
    }
    return true;
}

/* Modifies the list. */
static bool set_all(struct memtier_builder *builder, char *list)
{
    char *state = NULL;
    size_t number = 0;

    for (char *item = strtok_r(list, ";", &state); item != NULL;
         item = strtok_r(NULL, ";", &state)) {
        char *whole = strdup(item);
        bool done = whole != NULL && set_one(builder, number++, item);

        if (!done)
            log_error("Failed to parse threshold: %s", whole != NULL ? whole : "");
        free(whole);
        if (!done)
            return false;
    }
    return true;
}

bool thresholds_set(struct memtier_builder *builder, const char *text, size_t most)
{
    if (most != 0 && *text == '\0') {
        log_error("No valid thresholds found in: %s", text);
        return false;
    }
    if (parse_count(text) > most) {
        log_error("Too many thresholds defined");
        return false;
    }
    char *list = strdup(text);
    bool done = list != NULL && set_all(builder, list);
    free(list);
    return done;
}
