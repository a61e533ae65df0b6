/* SPDX-License-Identifier: BSD-2-Clause */
/* libdaxctl, loaded at the first query of a DAX device. */
#include "os/libdaxctl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>

#include "util/log.h"

#define LIBDAXCTL_SO "libdaxctl.so.1"

/* Replaces the function by which libdaxctl prints its errors. */
static void libdaxctl_log_nothing(struct daxctl_ctx *context, int priority, const char *file,
                                  int line, const char *function, const char *format,
                                  va_list arguments)
{
    (void)context;
    (void)priority;
    (void)file;
    (void)line;
    (void)function;
    (void)format;
    (void)arguments;
}

static bool libdaxctl_find_functions(struct libdaxctl *daxctl)
{
    /* POSIX's way to make a function pointer of what dlsym(3) returns. */
#define LIBDAXCTL_FIND(name)                                          \
    *(void **)&daxctl->name = dlsym(daxctl->handle, "daxctl_" #name); \
    if (daxctl->name == NULL)                                         \
        return false;
    LIBDAXCTL_FUNCTIONS(LIBDAXCTL_FIND)
#undef LIBDAXCTL_FIND
    return true;
}

static void libdaxctl_unload(const struct libdaxctl *daxctl)
{
    if (daxctl->handle != NULL)
        dlclose(daxctl->handle);
}

int libdaxctl_open(struct libdaxctl *daxctl)
{
    daxctl->handle = dlopen(LIBDAXCTL_SO, RTLD_NOW | RTLD_LOCAL);
    if (daxctl->handle == NULL || !libdaxctl_find_functions(daxctl)) {
        /* The C library keeps the text of dlerror() for each thread. */
        /* NOLINTNEXTLINE(concurrency-mt-unsafe) */
        log_error("DAX devices are found through sysfs only: %s", dlerror());
        libdaxctl_unload(daxctl);
        return -ENOSYS;
    }
    int error = daxctl->new (&daxctl->context);
    if (error != 0)
        libdaxctl_unload(daxctl);
    else
        daxctl->set_log_fn(daxctl->context, libdaxctl_log_nothing);
    return error;
}

void libdaxctl_close(struct libdaxctl *daxctl)
{
    daxctl->unref(daxctl->context);
    libdaxctl_unload(daxctl);
}
