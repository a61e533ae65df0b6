/* SPDX-License-Identifier: BSD-2-Clause */
/* The section of the report on kinds whose memory lies in files. */
#include "kinds/stats_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kinds/kind_registry.h"
#include "kinds/usage.h"
#include "os/directory.h"
#include "os/process_maps.h"
#include "util/json.h"

#define LINE_SIZE 256

/* Number of maps of each kind's memory. */
struct maps {
    bool known;
    unsigned counts[KIND_REGISTRY_PARTITIONS];
};

static void count_map(void *arg, const struct process_map *map)
{
    struct maps *maps = arg;
    /* An address that the kernel named. NOLINTNEXTLINE(performance-no-int-to-ptr) */
    const void *start = (const void *)map->start;
    unsigned partition = address_map_owner(start) - ADDRESS_MAP_FIRST_OWNER;

    if (partition < KIND_REGISTRY_PARTITIONS)
        maps->counts[partition]++;
}

/* -- Writing ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void put(const struct stats_report *report,
                                                      const char *format, ...)
{
    char line[LINE_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    report->write(report->opaque, line);
}

/* Writes text of any bytes as the inside of a JSON string. */
static void put_escaped(const struct stats_report *report, const char *text)
{
    char piece[LINE_SIZE];

    while (*text != '\0') {
        text = json_escape(piece, sizeof(piece), text);
        report->write(report->opaque, piece);
    }
}

static const char *directory_of(const struct usage *usage)
{
    return usage->directory != NULL ? directory_path(usage->directory) : "";
}

static void put_kind_json(const struct stats_report *report, const struct usage *usage,
                          unsigned partition, const struct maps *maps)
{
    put(report, "\t\t\t{\n\t\t\t\t\"partition\": %u,\n\t\t\t\t\"name\": \"", partition);
    put_escaped(report, usage->name);
    put(report, "\",\n\t\t\t\t\"directory\": \"");
    put_escaped(report, directory_of(usage));
    put(report, "\",\n\t\t\t\t\"max_size\": %zu,\n\t\t\t\t\"held\": %zu,\n\t\t\t\t\"peak\": %zu,\n",
        usage->max_size, usage->held, usage->peak);
    if (maps->known)
        put(report, "\t\t\t\t\"vmas\": %u,\n", maps->counts[partition]);
    put(report, "\t\t\t\t\"chunks\": %zu,\n\t\t\t\t\"frozen\": %zu,\n", usage->chunks,
        usage->frozen);
    put(report, "\t\t\t\t\"cached\": %zu,\n", usage->cached);
    put(report, "\t\t\t\t\"purges\": %lu,\n\t\t\t\t\"retries\": %lu\n\t\t\t}", usage->purges,
        usage->retries);
}

static void put_kind_text(const struct stats_report *report, const struct usage *usage,
                          unsigned partition, const struct maps *maps)
{
    put(report, "Kind %u \"", partition);
    put_escaped(report, usage->name);
    put(report, "\" in \"");
    put_escaped(report, directory_of(usage));
    put(report, "\":\n  file space: %zu held, %zu at most, limit %zu\n", usage->held, usage->peak,
        usage->max_size);
    put(report, "  chunks: %zu", usage->chunks);
    if (maps->known)
        put(report, ", VMAs: %u", maps->counts[partition]);
    if (usage->frozen != 0)
        put(report, ", frozen: %zu", usage->frozen);
    put(report, "\n  cached by threads: %zu\n  purges: %lu, retries: %lu\n", usage->cached,
        usage->purges, usage->retries);
}

static void put_kinds(const struct stats_report *report)
{
    struct maps maps = {0};
    struct usage usage;
    const char *separator = "";

    maps.known = process_maps_each(count_map, &maps) == 0;
    for (unsigned i = 0; i < KIND_REGISTRY_PARTITIONS; i++) {
        if (!usage_get(i, &usage))
            continue;
        if (report->json) {
            put(report, "%s", separator);
            put_kind_json(report, &usage, i, &maps);
        } else {
            put_kind_text(report, &usage, i, &maps);
        }
        separator = ",\n";
        directory_close(usage.directory);
    }
}

/* -- The section ------------------------------------------------------------------------------- */

/* Writes the section, once. In JSON the section begins the object of the whole report. */
static void begin(struct stats_report *report)
{
    if (report->begun)
        return;
    report->begun = true;
    put(report, "%s",
        report->json ? "{\n\t\"memkind\": {\n\t\t\"kinds\": [\n"
                     : "___ Begin memkind statistics ___\n");
    put_kinds(report);
    put(report, "%s", report->json ? "\n\t\t]\n\t}" : "--- End memkind statistics ---\n");
}

void stats_report_jemalloc(void *arg, const char *text)
{
    struct stats_report *report = arg;

    if (report->json && !report->begun) {
        text = strchr(text, '{');
        if (text == NULL)
            return;
        begin(report);
        put(report, ",");
        text++;
    }
    begin(report);
    report->write(report->opaque, text);
}

void stats_report_end(struct stats_report *report)
{
    if (report->begun)
        return;
    begin(report);
    if (report->json)
        put(report, "\n}\n");
}
