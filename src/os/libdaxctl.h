/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libdaxctl, loaded at the first query of a DAX device. If it were linked, each start of a program
 * would load libdaxctl and five more libraries, libcrypto among them. That takes longer than the
 * start of the C library and of this library together.
 */
#pragma once

#include <daxctl/libdaxctl.h>

/* The functions that are called, by their names without "daxctl_". */
#define LIBDAXCTL_FUNCTIONS(DO) \
    DO(new)                     \
    DO(unref)                   \
    DO(set_log_fn)              \
    DO(region_get_first)        \
    DO(region_get_next)         \
    DO(region_get_align)        \
    DO(dev_get_first)           \
    DO(dev_get_next)            \
    DO(dev_get_major)           \
    DO(dev_get_minor)           \
    DO(dev_get_devname)         \
    DO(dev_get_size)            \
    DO(dev_get_align)           \
    DO(dev_get_target_node)

struct libdaxctl {
    void *handle; /* of dlopen(3) */
    struct daxctl_ctx *context;
/* A name, not an expression. NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define LIBDAXCTL_MEMBER(name) __typeof__(daxctl_##name) *name;
    LIBDAXCTL_FUNCTIONS(LIBDAXCTL_MEMBER)
#undef LIBDAXCTL_MEMBER
};

/*
 * Loads the library and makes a context, which prints nothing; libdaxctl_close() ends both. 0, or
 * an error after which nothing is left: -ENOSYS (the library is not installed, or lacks a
 * function), or an error of daxctl_new(). Thread-safe; the caller holds cancellation back.
 */
int libdaxctl_open(struct libdaxctl *daxctl);

/* Ends the context and unloads the library. */
void libdaxctl_close(struct libdaxctl *daxctl);
