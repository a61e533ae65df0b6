/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's mallctl(3) and its relatives, for programs that query or purge their heap. Names that
 * are meaningful for this heap are supported. Others result in ENOENT, as names that jemalloc does
 * not have.
 *
 * The heap is one arena with index 0. Numbers are those of the kind and of libc's heap together, as
 * of the last write to "epoch". Numbers of size classes, and of the arena beyond what it maps, are
 * the kind's, which libmemkind has by the same names.
 *
 * A MIB is the index of a control, followed by a number for each further part of the name. A part
 * that is a number is the arena's index; other parts are 0.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memkind/internal/memkind_arena.h"
#include "preload/preload.h"
#include "preload/utilization.h"
#include "preload/whole_heap.h"

EXPORT int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
EXPORT int mallctlnametomib(const char *name, size_t *mib, size_t *mib_length);
EXPORT int mallctlbymib(const size_t *mib, size_t mib_length, void *old, size_t *old_size,
                        void *new, size_t new_size);
EXPORT void malloc_stats_print(void (*write_cb)(void *, const char *), void *opaque,
                               const char *options);

#define VERSION    "5.3.0-0-memkind" /* the jemalloc behind the heap */
#define ARENAS     1u
#define ALL_ARENAS 4096u /* MALLCTL_ARENAS_ALL of jemalloc/jemalloc.h */
#define PARTS      6     /* most parts of a name, */
#define NAME_SIZE  96    /* and its size with all numbers */
#define DECAY_MS   ((ssize_t)10000)

/* -- What is read ------------------------------------------------------------------------------ */

/* The value of a control, of jemalloc's type. */
union value {
    const char *text;
    uint64_t number64;
    size_t size;
    ssize_t signed_size;
    unsigned number;
    bool flag;
};

static void get_version(union value *value)
{
    value->text = VERSION;
}

static void get_epoch(union value *value)
{
    value->number64 = whole_heap_epoch();
}

static int set_epoch(const union value *value)
{
    (void)value;
    whole_heap_refresh();
    return 0;
}

static void get_allocated(union value *value)
{
    value->size = whole_heap_numbers().allocated;
}

static void get_active(union value *value)
{
    value->size = whole_heap_numbers().active;
}

static void get_resident(union value *value)
{
    value->size = whole_heap_numbers().resident;
}

static void get_mapped(union value *value)
{
    value->size = whole_heap_numbers().mapped;
}

static void get_nothing(union value *value)
{
    value->size = 0;
}

static void get_true(union value *value)
{
    value->flag = true;
}

static void get_false(union value *value)
{
    value->flag = false;
}

static void get_arenas(union value *value)
{
    value->number = ARENAS;
}

static void get_arena(union value *value)
{
    value->number = 0;
}

static void get_quantum(union value *value)
{
    value->size = PRELOAD_LEAST_BLOCK;
}

static void get_decay(union value *value)
{
    value->signed_size = DECAY_MS;
}

/* -- What is done ------------------------------------------------------------------------------ */

static int purge(const union value *value)
{
    (void)value;
    whole_heap_purge();
    return 0;
}

/* For actions that the heap takes by itself, at a time that it chooses. */
static int leave_to_heap(const union value *value)
{
    (void)value;
    return 0;
}

static atomic_bool background;

static void get_background(union value *value)
{
    value->flag = atomic_load(&background);
}

/*
 * libmemkind's idle thread already does what jemalloc's background threads would do. With these,
 * each fork would wait for all of their locks.
 */
static int set_background(const union value *value)
{
    atomic_store(&background, value->flag);
    return 0;
}

/* -- The controls ------------------------------------------------------------------------------ */

#define SIZE_OF(member) sizeof(((union value *)NULL)->member)

#define CONTROL(text, member, getter, setter)                                     \
    {                                                                             \
        .name = (text), .size = SIZE_OF(member), .get = (getter), .set = (setter) \
    }
#define ACTION(text, setter)            \
    {                                   \
        .name = (text), .set = (setter) \
    }
#define QUESTION(text, asker)                       \
    {                                               \
        .name = (text), .query_membarrier = (asker) \
    }
#define NUMBER(text)                  \
    {                                 \
        .name = (text), .kinds = true \
    }

/* A part "#" is an arena's index, and "%" that of a size class. */
static const struct control {
    const char *name;
    size_t size; /* of the value; 0: no value */
    void (*get)(union value *value);
    int (*set)(
        const union value *value); /* 0 or an error number; without a value, performs the action */
    int (*query_membarrier)(void *old, const size_t *old_size, const void *new, size_t new_size);
    bool kinds; /* the number is libmemkind's */
} controls[] = {
    CONTROL("version", text, get_version, NULL),
    CONTROL("epoch", number64, get_epoch, set_epoch),
    CONTROL("background_thread", flag, get_background, set_background),
    CONTROL("config.stats", flag, get_true, NULL),
    CONTROL("config.prof", flag, get_false, NULL),
    CONTROL("opt.background_thread", flag, get_false, NULL),
    CONTROL("opt.prof", flag, get_false, NULL),
    CONTROL("opt.narenas", number, get_arenas, NULL),
    CONTROL("thread.arena", number, get_arena, NULL),
    CONTROL("thread.tcache.enabled", flag, get_true, NULL),
    ACTION("thread.tcache.flush", leave_to_heap),
    ACTION("thread.idle", leave_to_heap),
    CONTROL("arenas.narenas", number, get_arenas, NULL),
    NUMBER("arenas.page"),
    CONTROL("arenas.quantum", size, get_quantum, NULL),
    CONTROL("arenas.dirty_decay_ms", signed_size, get_decay, NULL),
    CONTROL("arenas.muzzy_decay_ms", signed_size, get_nothing, NULL),
    ACTION("arena.#.purge", purge),
    ACTION("arena.#.decay", leave_to_heap),
    CONTROL("arena.#.dirty_decay_ms", signed_size, get_decay, NULL),
    CONTROL("arena.#.muzzy_decay_ms", signed_size, get_nothing, NULL),
    CONTROL("stats.allocated", size, get_allocated, NULL),
    CONTROL("stats.active", size, get_active, NULL),
    CONTROL("stats.resident", size, get_resident, NULL),
    CONTROL("stats.mapped", size, get_mapped, NULL),
    CONTROL("stats.retained", size, get_nothing, NULL),
    CONTROL("stats.arenas.#.resident", size, get_resident, NULL),
    CONTROL("stats.arenas.#.mapped", size, get_mapped, NULL),
    QUESTION("experimental.utilization.query", utilization_query),
    QUESTION("experimental.utilization.batch_query", utilization_batch_query),
    NUMBER("arenas.nbins"),
    NUMBER("arenas.nlextents"),
    NUMBER("arenas.bin.%.size"),
    NUMBER("arenas.bin.%.nregs"),
    NUMBER("arenas.bin.%.slab_size"),
    NUMBER("arenas.bin.%.nshards"),
    NUMBER("arenas.lextent.%.size"),
    NUMBER("stats.metadata"),
    NUMBER("stats.arenas.#.pactive"),
    NUMBER("stats.arenas.#.pdirty"),
    NUMBER("stats.arenas.#.pmuzzy"),
    NUMBER("stats.arenas.#.small.allocated"),
    NUMBER("stats.arenas.#.small.nmalloc"),
    NUMBER("stats.arenas.#.small.ndalloc"),
    NUMBER("stats.arenas.#.large.allocated"),
    NUMBER("stats.arenas.#.large.nmalloc"),
    NUMBER("stats.arenas.#.large.ndalloc"),
    NUMBER("stats.arenas.#.bins.%.nmalloc"),
    NUMBER("stats.arenas.#.bins.%.ndalloc"),
    NUMBER("stats.arenas.#.bins.%.curregs"),
    NUMBER("stats.arenas.#.bins.%.nslabs"),
    NUMBER("stats.arenas.#.bins.%.curslabs"),
    NUMBER("stats.arenas.#.bins.%.nonfull_slabs"),
    NUMBER("stats.arenas.#.lextents.%.nmalloc"),
    NUMBER("stats.arenas.#.lextents.%.ndalloc"),
    NUMBER("stats.arenas.#.lextents.%.curlextents"),
};

#define CONTROLS (sizeof(controls) / sizeof(controls[0]))

/*
 * Returns whether the index is an arena, or stands for all: ALL_ARENAS or, as in older jemallocs,
 * the index after the last one.
 */
static bool is_arena(size_t arena)
{
    return arena <= ARENAS || arena == ALL_ARENAS;
}

/*
 * Compares a part of the name at *name with one of a control's. If they match, advances *name past
 * the part and its separator, and *number is the part of the MIB.
 */
static bool is_part(const char **name, const char *part, size_t length, size_t *number)
{
    const char *end = *name + strcspn(*name, ".");

    *number = 0;
    if (*part == '#' || *part == '%') {
        char *behind;
        if (**name < '0' || **name > '9')
            return false;
        *number = strtoul(*name, &behind, 10);
        if (behind != end)
            return false;
    } else if ((size_t)(end - *name) != length || memcmp(*name, part, length) != 0) {
        return false;
    }
    *name = *end != '\0' ? end + 1 : end;
    return true;
}

/* Returns the number of parts of the MIB; 0: not this control's name. */
static size_t match(const char *name, size_t index, size_t mib[PARTS])
{
    const char *part = controls[index].name;
    size_t parts = 0;

    while (*part != '\0' && *name != '\0' && parts < PARTS) {
        size_t length = strcspn(part, ".");
        if (!is_part(&name, part, length, &mib[parts++]))
            return 0;
        part += part[length] != '\0' ? length + 1 : length;
    }
    mib[0] = index;
    return *part == '\0' && *name == '\0' ? parts : 0;
}

static size_t find(const char *name, size_t mib[PARTS])
{
    size_t parts = 0;

    for (size_t i = 0; parts == 0 && i < CONTROLS; i++)
        parts = match(name, i, mib);
    return parts;
}

/* Returns whether the arena that the MIB names, if any, exists. */
static bool has_arena(const size_t *mib, size_t parts)
{
    const char *part = controls[mib[0]].name;

    for (size_t i = 0; i < parts; i++) {
        if (*part == '#' && !is_arena(mib[i]))
            return false;
        part += strcspn(part, ".");
        part += *part != '\0';
    }
    return true;
}

/* -- Calls ------------------------------------------------------------------------------------- */

/* Copies the value, or as much of it as there is room for. */
static int hand_out(const void *value, size_t value_size, void *old, size_t *old_size)
{
    size_t size = *old_size < value_size ? *old_size : value_size;
    bool fits = *old_size == value_size;

    memcpy(old, value, size);
    *old_size = size;
    return fits ? 0 : EINVAL;
}

static int read_control(const struct control *control, void *old, size_t *old_size)
{
    union value value = {0};

    if (control->get == NULL)
        return EPERM;
    control->get(&value);
    return hand_out(&value, control->size, old, old_size);
}

/* Writes the name of the MIB. */
static void spell(const size_t *mib, size_t parts, char name[NAME_SIZE])
{
    const char *part = controls[mib[0]].name;
    size_t used = 0;

    for (size_t i = 0; i < parts; i++) {
        size_t length = strcspn(part, ".");
        const char *dot = i + 1 < parts ? "." : "";

        if (*part == '#') /* the index of the only arena, or of all */
            used += (size_t)snprintf(name + used, NAME_SIZE - used, "0%s", dot);
        else if (*part == '%')
            used += (size_t)snprintf(name + used, NAME_SIZE - used, "%zu%s", mib[i], dot);
        else
            used +=
                (size_t)snprintf(name + used, NAME_SIZE - used, "%.*s%s", (int)length, part, dot);
        part += part[length] != '\0' ? length + 1 : length;
    }
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
    char name[NAME_SIZE];
    uint64_t value;
    size_t size;
    unsigned char before = preload_self.state;

    (void)whole_heap_numbers();
    spell(mib, parts, name);
    preload_set_thread(PRELOAD_BUSY);
    int err = number_of_kinds(name, &value, &size);
    preload_set_thread(before);
    if (err != MEMKIND_SUCCESS)
        return ENOENT;
    uint32_t narrow = (uint32_t)value;
    return size == sizeof(narrow) ? hand_out(&narrow, sizeof(narrow), old, old_size)
                                  : hand_out(&value, sizeof(value), old, old_size);
}

static int write_control(const struct control *control, const void *new, size_t new_size)
{
    union value value = {0};

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
    const struct control *control = &controls[mib[0]];
    int err = 0;

    if (!has_arena(mib, parts))
        return EFAULT;
    if (control->query_membarrier != NULL)
        return control->query_membarrier(old, old_size, new, new_size);
    if (control->kinds && new != NULL)
        return EPERM;
    if (control->kinds)
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
    size_t mib[PARTS];

    if (next != NULL)
        return next(name, old, old_size, new, new_size);
    size_t parts = find(name, mib);
    return parts != 0 ? call(mib, parts, old, old_size, new, new_size) : ENOENT;
}

int mallctlnametomib(const char *name, size_t *mib, size_t *mib_length)
{
    __typeof__(mallctlnametomib) *next = PRELOAD_NEXT(mallctlnametomib);
    size_t own[PARTS];

    if (next != NULL)
        return next(name, mib, mib_length);
    size_t parts = find(name, own);
    if (parts == 0)
        return ENOENT;
    if (*mib_length < parts)
        parts = *mib_length;
    memcpy(mib, own, parts * sizeof(*mib));
    *mib_length = parts;
    return 0;
}

/* Returns the number of parts of a control's name. */
static size_t count_parts(const char *name)
{
    size_t parts = 1;

    for (; *name != '\0'; name++)
        parts += *name == '.';
    return parts;
}

int mallctlbymib(const size_t *mib, size_t mib_length, void *old, size_t *old_size, void *new,
                 size_t new_size)
{
    __typeof__(mallctlbymib) *next = PRELOAD_NEXT(mallctlbymib);

    if (next != NULL)
        return next(mib, mib_length, old, old_size, new, new_size);
    if (mib_length == 0 || mib[0] >= CONTROLS || mib_length != count_parts(controls[mib[0]].name))
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
    if (preload_kind() == NULL) {
        write_cb(opaque, "libc's malloc is used\n");
        return;
    }
    (void)memkind_stats_print(write_cb, opaque, print_options(options));
}
