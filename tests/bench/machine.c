/* SPDX-License-Identifier: BSD-2-Clause */
/* Queries the kernel for a description of the machine. */
#include "machine.h"

#include <gnu/libc-version.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define MACHINE_XFS_MAGIC 0x58465342

/* Returns the processor's name from the kernel, or the architecture if there is none. */
static void machine_processor_name(char name[MACHINE_TEXT_SIZE], const char *architecture)
{
    static const char label[] = "model name";
    char line[MACHINE_TEXT_SIZE];
    FILE *info = fopen("/proc/cpuinfo", "re");

    snprintf(name, MACHINE_TEXT_SIZE, "%s", architecture);
    if (info == NULL)
        return;
    while (fgets(line, sizeof(line), info) != NULL) {
        char *colon = strchr(line, ':');

        if (colon == NULL || strncmp(line, label, sizeof(label) - 1) != 0)
            continue;
        colon += strspn(colon, ": \t");
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(name, MACHINE_TEXT_SIZE, "%s", colon);
        break;
    }
    fclose(info);
}

static const char *machine_file_system_name(const char *dir)
{
    struct statfs fs;

    if (statfs(dir, &fs) != 0)
        return "unknown file system";
    switch (fs.f_type) {
    case TMPFS_MAGIC:
        return "tmpfs";
    case EXT4_SUPER_MAGIC:
        return "ext4";
    case MACHINE_XFS_MAGIC:
        return "xfs";
    case BTRFS_SUPER_MAGIC:
        return "btrfs";
    case OVERLAYFS_SUPER_MAGIC:
        return "overlayfs";
    default:
        return "file system";
    }
}

void machine_describe(struct machine *machine, const char *dir)
{
    char name[MACHINE_TEXT_SIZE];
    struct utsname kernel;
    struct tm day;
    time_t now = time(NULL);

    uname(&kernel);
    machine_processor_name(name, kernel.machine);
    snprintf(machine->processor, MACHINE_TEXT_SIZE, "%.200s, %ld cores", name,
             sysconf(_SC_NPROCESSORS_ONLN));
    snprintf(machine->system, MACHINE_TEXT_SIZE, "%s %.100s %.50s, glibc %.32s", kernel.sysname,
             kernel.release, kernel.machine, gnu_get_libc_version());
    snprintf(machine->file_system, MACHINE_TEXT_SIZE, "%s at %.200s", machine_file_system_name(dir),
             dir);
    localtime_r(&now, &day);
    strftime(machine->date, MACHINE_TEXT_SIZE, "%Y-%m-%d", &day);
}
