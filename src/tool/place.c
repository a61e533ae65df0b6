/* SPDX-License-Identifier: BSD-2-Clause */
/* Properties of a directory or a DAX device as a place for a PMEM kind. */
#include "tool/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "memkind.h"
#include "os/statx.h"
#include "tool/measure.h"

#define SECTOR    ((size_t)512)
#define HUGE_PAGE ((size_t)2 << 20)
#define DECIMAL   10

#define DEVICE_PREFIX    "/dev/dax"
#define REASON_PIECES    "the free space is in small pieces"
#define ADVICE_DIRECTORY "Name a directory, or a device such as /dev/dax0.0."
#define ADVICE_DEVDAX                                                                    \
    "If it is used as system RAM, \"daxctl reconfigure-device --mode=devdax\" gives it " \
    "back; \"daxctl list\" shows what devices there are."

static void __attribute__((format(printf, 2, 3))) write_text(char *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, PLACE_TEXT_SIZE, format, arguments);
    va_end(arguments);
}

/* -- What the kernel says ---------------------------------------------------------------------- */

static bool is_listed(const char *list, const char *option)
{
    size_t length = strlen(option);

    for (const char *at = strstr(list, option); at != NULL; at = strstr(at + 1, option))
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/*
 * Appends the options of the file system that the mount does not have. The mount alone decides
 * whether it is writable.
 */
static void add_options(struct place *place, char *options)
{
    char *state = NULL;

    for (char *option = strtok_r(options, ",", &state); option != NULL;
         option = strtok_r(NULL, ",", &state)) {
        size_t used = strlen(place->options);

        if (strcmp(option, "rw") != 0 && strcmp(option, "ro") != 0 &&
            !is_listed(place->options, option))
            snprintf(place->options + used, PLACE_TEXT_SIZE - used, ",%s", option);
    }
}

/* Parses a line of mountinfo, see proc(5), if it describes the mount of this number. */
static bool read_mount(const char *line, unsigned long long mount, struct place *place)
{
    char own[PLACE_TEXT_SIZE];
    char super[PLACE_TEXT_SIZE];
    const char *rest = strstr(line, " - ");

    if (rest == NULL || strtoull(line, NULL, DECIMAL) != mount ||
        sscanf(line, "%*s %*s %*s %*s %*s %80s", own) != 1 ||
        sscanf(rest, " - %80s %80s %80s", place->type, place->source, super) != 3)
        return false;
    write_text(place->options, "%s", own);
    add_options(place, super);
    return true;
}

static void find_mount(struct place *place)
{
    struct statx status;
    char *line = NULL;
    size_t room = 0;
    FILE *file;

    if (statx(AT_FDCWD, place->path, 0, STATX_MNT_ID, &status) != 0 ||
        (status.stx_mask & STATX_MNT_ID) == 0)
        return;
    file = fopen("/proc/self/mountinfo", "re");
    if (file == NULL)
        return;
    while (getline(&line, &room, file) > 0 && !read_mount(line, status.stx_mnt_id, place))
        ;
    free(line);
    fclose(file);
}

static void find_space(struct place *place)
{
    struct statvfs space;

    if (statvfs(place->path, &space) != 0)
        return;
    place->size = (size_t)space.f_blocks * space.f_frsize;
    place->available = (size_t)space.f_bavail * space.f_frsize;
    place->block = space.f_bsize;
}

/* -- What follows from it ---------------------------------------------------------------------- */

static bool has_option(const struct place *place, const char *option)
{
    return strstr(place->options, option) != NULL;
}

/* Returns the number after an option such as ",stripe="; 0: not given. */
static size_t option_number(const struct place *place, const char *option)
{
    const char *text = strstr(place->options, option);

    return text != NULL ? strtoul(text + strlen(option), NULL, DECIMAL) : 0;
}

/*
 * Returns whether mkfs was told to begin files at multiples of 2 MiB: ext4's stripe, XFS's stripe
 * unit.
 */
static bool is_made_for_huge_pages(const struct place *place)
{
    size_t stripe =
        option_number(place, ",stripe=") * place->block + option_number(place, ",sunit=") * SECTOR;

    return stripe != 0 && stripe % HUGE_PAGE == 0;
}

static void explain_small_pages(struct place *place, dev_t device, enum place_answer aligned)
{
    long long start = 0;

    if (strcmp(place->type, "tmpfs") == 0)
        write_text(place->reason, "%s",
                   has_option(place, "huge=") ? "the kernel had no large page free"
                                              : "mounted without huge=");
    else if (place->map_sync != PLACE_YES)
        write_text(place->reason, "without DAX, the pages are those of the page cache");
    else if (device_files_number("block", device, "start", &start) &&
             (size_t)start * SECTOR % HUGE_PAGE != 0)
        write_text(place->reason, "the partition does not begin at a multiple of 2 MiB");
    else if (aligned == PLACE_NO && is_made_for_huge_pages(place))
        write_text(place->reason, REASON_PIECES);
    else if (aligned == PLACE_NO)
        write_text(place->reason, "mkfs was not told to begin files at multiples of 2 MiB");
    else
        write_text(place->reason, "the device may not be aligned to 2 MiB");
}

static void advise_dax(struct place *place)
{
    if (place->huge == PLACE_YES)
        write_text(place->advice, "No action needed.");
    else if (strcmp(place->reason, REASON_PIECES) == 0)
        write_text(place->advice,
                   "For pages of 2 MiB, delete files that lie between the pieces, or make "
                   "the file system anew with the same options.");
    else if (strcmp(place->type, "ext4") == 0 && place->block != 0)
        write_text(place->advice,
                   "For pages of 2 MiB, make the file system with \"mkfs.ext4 -E "
                   "stride=%zu,stripe_width=%zu\" on an aligned partition.",
                   HUGE_PAGE / place->block, HUGE_PAGE / place->block);
    else if (strcmp(place->type, "xfs") == 0)
        write_text(place->advice,
                   "For pages of 2 MiB, make the file system with \"mkfs.xfs -d su=2m,sw=1\" "
                   "on an aligned partition.");
    else
        write_text(place->advice, "It works, with pages of %ld KiB.", sysconf(_SC_PAGESIZE) >> 10);
}

static void advise_no_dax(struct place *place)
{
    bool tmpfs = strcmp(place->type, "tmpfs") == 0;

    if (tmpfs && place->huge != PLACE_YES)
        write_text(place->advice,
                   "This is DRAM, fine for a trial. For pages of 2 MiB, mount it with "
                   "\"-o remount,huge=advise\".");
    else if (tmpfs)
        write_text(place->advice, "This is DRAM, fine for a trial.");
    else if (strstr(place->source, "/pmem") != NULL)
        write_text(place->advice, "The device can do DAX: mount it with \"-o dax=always\".");
    else
        write_text(place->advice,
                   "Memory here is DRAM that is written to a disk. Use a file system on "
                   "persistent or CXL memory, mounted with \"-o dax=always\", or a tmpfs.");
}

/* -- The examination --------------------------------------------------------------------------- */

/* Returns 0 if a kind can be created and used, otherwise the errno, and sets the reason. */
static int try_kind(struct place *place)
{
    char text[MEMKIND_ERROR_MESSAGE_SIZE];
    memkind_t kind;

    errno = 0;
    int err = memkind_create_pmem(place->path, MEMKIND_PMEM_MIN_SIZE, &kind);
    if (err != MEMKIND_SUCCESS) {
        int error = errno != 0 ? errno : EINVAL;

        memkind_error_message(err, text, sizeof(text));
        write_text(place->reason, "%s", errno != 0 ? strerror(error) : text);
        return error;
    }
    void *block = memkind_malloc(kind, 1);
    if (block == NULL)
        write_text(place->reason, "%s", strerror(ENOSPC));
    memkind_destroy_kind(kind);
    return block == NULL ? ENOSPC : 0;
}

static void examine_directory(struct place *place, dev_t device)
{
    enum place_answer aligned = PLACE_UNKNOWN;

    find_mount(place);
    find_space(place);
    place->node = device_files_node("block", device);
    if (try_kind(place) != 0) {
        write_text(place->advice,
                   "Name a directory in which you may create files and which has 2 MiB free.");
        return;
    }
    place->map_sync = memkind_check_dax_path(place->path) == MEMKIND_SUCCESS ? PLACE_YES : PLACE_NO;
    place->verdict = place->map_sync == PLACE_YES ? PLACE_DAX : PLACE_WORKS;
    int err = measure_place(place, &aligned);
    if (err != 0)
        write_text(place->reason, "not measured: %s", strerror(-err));
    else if (place->huge != PLACE_YES)
        explain_small_pages(place, device, aligned);
    if (place->verdict == PLACE_DAX)
        advise_dax(place);
    else
        advise_no_dax(place);
}

/* Returns the advice if no kind can be created on the device. */
static const char *device_remedy(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return "You may not read and write the device: run this as another user, or change its "
               "permissions.";
    case EBUSY:
        return "Wait until the programs that have kinds on it end (fuser names them), or name "
               "another device.";
    default:
        return ADVICE_DEVDAX;
    }
}

/* Memory without a file system: a kind may use all of it, and no measurement writes to it. */
static void examine_device(struct place *place, dev_t device)
{
    long long size, alignment = 0;
    int error = try_kind(place);

    if (error == ENOTDIR) {
        write_text(place->advice, ADVICE_DIRECTORY);
        return;
    }
    write_text(place->type, "devdax");
    place->node = device_files_node("char", device);
    if (device_files_number("char", device, "size", &size) && size > 0)
        place->size = (size_t)size;
    if (device_files_number("char", device, "align", &alignment))
        place->huge = (size_t)alignment >= HUGE_PAGE ? PLACE_YES : PLACE_NO;
    if (error != 0) {
        write_text(place->advice, "%s", device_remedy(error));
        return;
    }
    place->verdict = PLACE_DAX;
    place->map_sync = memkind_check_dax_path(place->path) == MEMKIND_SUCCESS ? PLACE_YES : PLACE_NO;
    place->punch = PLACE_NO;
    place->available = place->size;
    if (place->huge == PLACE_NO) {
        write_text(place->reason, "the device's alignment is %lld bytes", alignment);
        write_text(place->advice, "Make the device with an alignment of 2 MiB (daxctl or ndctl "
                                  "create-namespace, --align=2M).");
    } else {
        write_text(place->advice,
                   "No action needed: a kind takes as much of the device as its limit "
                   "states, or all of it.");
    }
}

/* The path does not exist. A device that is used as memory has no file. */
static const char *missing_remedy(const char *path)
{
    return strncmp(path, DEVICE_PREFIX, strlen(DEVICE_PREFIX)) == 0
               ? ADVICE_DEVDAX
               : "Name an existing directory, or a device such as /dev/dax0.0.";
}

void place_examine(const char *path, struct place *place)
{
    struct stat status;

    *place = (struct place){.path = path, .verdict = PLACE_USELESS, .node = PLACE_NO_NODE};
    if (stat(path, &status) != 0) {
        write_text(place->reason, "%s", strerror(errno));
        write_text(place->advice, "%s", missing_remedy(path));
    } else if (S_ISCHR(status.st_mode)) {
        examine_device(place, status.st_rdev);
    } else if (S_ISDIR(status.st_mode)) {
        examine_directory(place, status.st_dev);
    } else {
        write_text(place->reason, "%s", strerror(ENOTDIR));
        write_text(place->advice, ADVICE_DIRECTORY);
    }
}
