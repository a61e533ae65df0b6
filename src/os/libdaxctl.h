/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libdaxctl, loaded when a DAX device is asked for: linked, it would bring itself and five more
 * libraries, libcrypto among them, to every start of a program, which takes longer than the start
 * of the C library and of this one together.
 */
#pragma once

#include <daxctl/libdaxctl.h>

/* The functions that are used, by their names without "daxctl_". */
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
 * Loads the library and makes a context, which prints nothing. The caller gives both back with
 * libdaxctl_close(). 0, or, with nothing to be given back: -ENOSYS (it is not installed, or lacks a
 * function), or what daxctl_new() says. Safe from any thread; the caller holds cancellation back.
 */
int libdaxctl_open(struct libdaxctl *daxctl);

void libdaxctl_close(struct libdaxctl *daxctl);
