/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The controls of mallctl(3) that are meaningful for this heap: a table of names with what reads
 * and writes their values.
 *
 * The heap is one arena with index 0. Values are those of the kinds and of libc's heap together, as
 * of the last write to "epoch". Numbers of size classes, and of the arena beyond what it maps, are
 * the kinds', which libmemkind has by the same names.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MALLCTL_ARENAS 1u

/* The value of a control, of jemalloc's type. */
union mallctl_value {
    const char *text;
    uint64_t number64;
    size_t size;
    ssize_t signed_size;
    unsigned number;
    bool flag;
};

/*
 * A control has a value, or is an action, or a query with arguments of its own, or a number of
 * libmemkind's. All functions are thread-safe.
 */
struct mallctl_control {
    const char *name; /* a part "#" is an arena's index, and "%" that of a size class */
    size_t size;      /* of the value in bytes; 0: no value */
    void (*get)(union mallctl_value *value); /* NULL: the value cannot be read */
    /* Returns 0 or an error number. NULL: the value cannot be written. An action gets NULL. */
    int (*set)(const union mallctl_value *value);
    /* The arguments and error numbers of mallctl(3). */
    int (*query)(void *old, const size_t *old_size, const void *new, size_t new_size);
    bool is_of_kinds; /* the number is libmemkind's */
};

extern const struct mallctl_control mallctl_controls[];
extern const size_t mallctl_control_count;
