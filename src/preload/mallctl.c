/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's mallctl(3) and its relatives, for programs that query or purge their heap. Names that
 * are meaningful for this heap are supported: see mallctl_controls.h. Others result in ENOENT, as
 * names that jemalloc does not have.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "memkind/internal/memkind_arena.h"
#include "preload/mallctl_controls.h"
#include "preload/mallctl_names.h"
#include "preload/preload.h"
#include "preload/whole_heap.h"

EXPORT int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
EXPORT int mallctlnametomib(const char *name, size_t *mib, size_t *mib_length);
EXPORT int mallctlbymib(const size_t *mib, size_t mib_length, void *old, size_t *old_size,
                        void *new, size_t new_size);
EXPORT void malloc_stats_print(void (*write_cb)(void *, const char *), void *opaque,
                               const char *options);

/* Copies the value, or as much of it as there is room for. */
static int copy_value(const void *value, size_t value_size, void *old, size_t *old_size)
{
    size_t size = *old_size < value_size ? *old_size : value_size;
    bool fits = *old_size == value_size;

    memcpy(old, value, size);
    *old_size = size;
    return fits ? 0 : EINVAL;
}

static int read_control(const struct mallctl_control *control, void *old, size_t *old_size)
{
    union mallctl_value value = {0};

    if (control->get == NULL)
        return EPERM;
    control->get(&value);
    return copy_value(&value, control->size, old, old_size);
}

/* Of an arena: the sum over all kinds. Otherwise the number is the same for all kinds. */
static int number_of_kinds(const char *name, uint64_t *value, size_t *size)
{
    bool of_arena = strncmp(name, "stats.arenas.", sizeof("stats.arenas.") - 1) == 0;
    uint64_t more = 0;
    int err = memkind_arena_get_number(preload_kind(), name, value, size);

    for (unsigned i = 1; err == MEMKIND_SUCCESS && of_arena && i < preload.serving.count; i++) {
        err = memkind_arena_get_number(preload.serving.kinds[i], name, &more, size);
        *value += more;
    }
    return err;
}

/* Refreshes the kinds' numbers when those of the whole heap are refreshed. */
static int read_number(const size_t *mib, size_t parts, void *old, size_t *old_size)
{
    char name[MALLCTL_NAME_SIZE];
    uint64_t value;
    size_t size;
    unsigned char before = preload_self.state;

    (void)whole_heap_numbers();
    mallctl_name_write(mib, parts, name);
    preload_set_thread(PRELOAD_BUSY);
    int err = number_of_kinds(name, &value, &size);
    preload_set_thread(before);
    if (err != MEMKIND_SUCCESS)
        return ENOENT;
    uint32_t narrow = (uint32_t)value;
    return size == sizeof(narrow) ? copy_value(&narrow, sizeof(narrow), old, old_size)
                                  : copy_value(&value, sizeof(value), old, old_size);
}

static int write_control(const struct mallctl_control *control, const void *new, size_t new_size)
{
    union mallctl_value value = {0};

    if (control->set == NULL)
        return EPERM;
    if (new_size != control->size || (new_size != 0 && new == NULL))
        return EINVAL;
    if (new_size != 0)
        memcpy(&value, new, new_size);
    return control->set(&value);
}

static int call(const size_t *mib, size_t parts, void *old, size_t *old_size, void *new,
                size_t new_size)
{
    const struct mallctl_control *control = &mallctl_controls[mib[0]];
    int err = 0;

    if (!mallctl_name_has_arena(mib, parts))
        return EFAULT;
    if (control->query != NULL)
        return control->query(old, old_size, new, new_size);
    if (control->is_of_kinds && new != NULL)
        return EPERM;
    if (control->is_of_kinds)
        return old != NULL && old_size != NULL ? read_number(mib, parts, old, old_size) : 0;
    /*
     * The new value is set first, as in jemalloc: a caller that writes the epoch reads the new one.
     */
    if (control->size == 0)
        return old == NULL && new == NULL ? control->set(NULL) : EPERM;
    if (new != NULL)
        err = write_control(control, new, new_size);
    if (err == 0 && old != NULL && old_size != NULL)
        err = read_control(control, old, old_size);
    return err;
}

int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size)
{
    __typeof__(mallctl) *next = PRELOAD_NEXT(mallctl);
    size_t mib[MALLCTL_PARTS];

    if (next != NULL)
        return next(name, old, old_size, new, new_size);
    size_t parts = mallctl_name_find(name, mib);
    return parts != 0 ? call(mib, parts, old, old_size, new, new_size) : ENOENT;
}

int mallctlnametomib(const char *name, size_t *mib, size_t *mib_length)
{
    __typeof__(mallctlnametomib) *next = PRELOAD_NEXT(mallctlnametomib);
    size_t own[MALLCTL_PARTS];

    if (next != NULL)
        return next(name, mib, mib_length);
    size_t parts = mallctl_name_find(name, own);
    if (parts == 0)
        return ENOENT;
    if (*mib_length < parts)
        parts = *mib_length;
    memcpy(mib, own, parts * sizeof(*mib));
    *mib_length = parts;
    return 0;
}

int mallctlbymib(const size_t *mib, size_t mib_length, void *old, size_t *old_size, void *new,
                 size_t new_size)
{
    __typeof__(mallctlbymib) *next = PRELOAD_NEXT(mallctlbymib);

    if (next != NULL)
        return next(mib, mib_length, old, old_size, new, new_size);
    if (!mallctl_name_is_mib(mib, mib_length))
        return ENOENT;
    return call(mib, mib_length, old, old_size, new, new_size);
}

static void print_to_stderr(void *unused, const char *text)
{
    (void)unused;
    (void)!write(STDERR_FILENO, text, strlen(text));
}

/* Maps the letters of jemalloc(3) to memkind(3)'s bits. */
static memkind_stat_print_opt print_options(const char *letters)
{
    static const char known[] = "Jgmdablxe";
    unsigned options = 0;

    for (; letters != NULL && *letters != '\0'; letters++) {
        const char *letter = strchr(known, *letters);
        options |= letter != NULL ? 1u << (letter - known) : 0;
    }
    return (memkind_stat_print_opt)options;
}

void malloc_stats_print(void (*write_cb)(void *, const char *), void *opaque, const char *options)
{
    __typeof__(malloc_stats_print) *next = PRELOAD_NEXT(malloc_stats_print);

    if (next != NULL) {
        next(write_cb, opaque, options);
        return;
    }
    if (write_cb == NULL)
        write_cb = print_to_stderr;
    if (preload_kind_for_request() == NULL) {
        write_cb(opaque, "libc's malloc is used\n");
        return;
    }
    (void)memkind_stats_print(write_cb, opaque, print_options(options));
}
