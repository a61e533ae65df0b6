/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind-pmem check: a table, or JSON, on places for PMEM kinds. */
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/place.h"
#include "tool/tool.h"

#define GIGA      1e9
#define TEXT_SIZE 32
#define STEP      1024.0

static const char help[] =
    "usage: " TOOL_NAME " check [--json] PATH...\n"
    "\n"
    "Tells what heaps in these directories or DAX devices would have; takes about a second for "
    "each.\n"
    "\n"
    "  DAX      memory is used in place (MAP_SYNC is granted)\n"
    "  holes    what is freed goes back to the file system\n"
    "  2 MiB    most of the memory is mapped by pages of 2 MiB\n"
    "  touch    bandwidth of writing for the first time, in GB/s\n"
    "  copy     bandwidth of copying to memory that is there, in GB/s\n"
    "\n"
    "  --json   for programs: sizes in bytes, bandwidth in bytes a second, null where unknown\n"
    "  --help   this text\n"
    "\n"
    "Exit status: 0 where all of them have DAX, 1 where one works without, 2 where one is of no "
    "use.\n";

/* -- For people -------------------------------------------------------------------------------- */

static const char *word(enum place_answer answer)
{
    static const char *const words[] = {"?", "no", "yes"};

    return words[answer];
}

/* Three figures and a unit. */
static const char *print_size(char text[TEXT_SIZE], size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)size;
    size_t unit = 0;

    for (; value >= STEP && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        value /= STEP;
    snprintf(text, TEXT_SIZE, size == 0 ? "?" : "%.*f %s", value < 10 ? 1 : 0, value, units[unit]);
    return text;
}

static const char *print_rate(char text[TEXT_SIZE], double rate)
{
    snprintf(text, TEXT_SIZE, rate > 0 ? "%.2f" : "?", rate / GIGA);
    return text;
}

static const char *print_node(char text[TEXT_SIZE], int node)
{
    snprintf(text, TEXT_SIZE, node != PLACE_NO_NODE ? "%d" : "?", node);
    return text;
}

static void print_row(const struct place *place, int width)
{
    char size[TEXT_SIZE], available[TEXT_SIZE], touch[TEXT_SIZE], copy[TEXT_SIZE], node[TEXT_SIZE];

    printf("%-*s  %-8.8s  %-3s  %-5s  %-5s  %4s  %8s  %8s  %5s  %5s\n", width, place->path,
           place->type[0] != '\0' ? place->type : "?", word(place->map_sync), word(place->punch),
           word(place->huge), print_node(node, place->node), print_size(size, place->size),
           print_size(available, place->available), print_rate(touch, place->touch),
           print_rate(copy, place->copy));
}

static void print_verdict(const struct place *place, bool colours)
{
    static const struct {
        const char *colour, *text;
    } verdicts[] = {
        {"\033[32m", "DAX"}, {"\033[33m", "works, without DAX"}, {"\033[31m", "of no use"}};
    bool reason = place->reason[0] != '\0';
    const char *about = place->verdict == PLACE_USELESS || place->huge == PLACE_UNKNOWN
                            ? ""
                            : "no pages of 2 MiB: ";

    printf("%s: %s%s%s%s%s%s%s. %s\n", place->path, colours ? verdicts[place->verdict].colour : "",
           verdicts[place->verdict].text, colours ? "\033[0m" : "", reason ? " (" : "",
           reason ? about : "", place->reason, reason ? ")" : "", place->advice);
}

static void print_table(const struct place *places, size_t count)
{
    bool colours = isatty(STDOUT_FILENO) != 0 && getenv("NO_COLOR") == NULL;
    int width = (int)strlen("path");

    for (size_t i = 0; i < count; i++)
        if ((int)strlen(places[i].path) > width)
            width = (int)strlen(places[i].path);
    printf("%-*s  type      DAX  holes  2 MiB  node      size      free  touch   copy\n", width,
           "path");
    for (size_t i = 0; i < count; i++)
        print_row(&places[i], width);
    putchar('\n');
    for (size_t i = 0; i < count; i++)
        print_verdict(&places[i], colours);
}

/* -- For programs ------------------------------------------------------------------------------ */

static void print_text(const char *name, const char *text)
{
    printf("    \"%s\": \"", name);
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < ' ')
            printf("\\u%04x", (unsigned)(unsigned char)*text);
        else
            putchar(*text);
    printf("\",\n");
}

static void print_answer(const char *name, enum place_answer answer)
{
    static const char *const words[] = {"null", "false", "true"};

    printf("    \"%s\": %s,\n", name, words[answer]);
}

static void print_number(const char *name, double number, bool known, const char *end)
{
    if (known)
        printf("    \"%s\": %.0f%s\n", name, number, end);
    else
        printf("    \"%s\": null%s\n", name, end);
}

static void print_json(const struct place *place, const char *separator)
{
    static const char *const verdicts[] = {"dax", "works", "useless"};

    printf("  {\n");
    print_text("path", place->path);
    print_text("verdict", verdicts[place->verdict]);
    print_text("type", place->type);
    print_text("options", place->options);
    print_text("source", place->source);
    print_answer("map_sync", place->map_sync);
    print_answer("hole_punching", place->punch);
    print_answer("huge_pages", place->huge);
    print_text("reason", place->reason);
    print_text("advice", place->advice);
    print_number("numa_node", place->node, place->node != PLACE_NO_NODE, ",");
    print_number("size", (double)place->size, place->size != 0, ",");
    print_number("free", (double)place->available, place->size != 0, ",");
    print_number("first_touch_bandwidth", place->touch, place->touch > 0, ",");
    print_number("copy_bandwidth", place->copy, place->copy > 0, "");
    printf("  }%s\n", separator);
}

/* -- The command ------------------------------------------------------------------------------- */

static int check_places(char **paths, size_t count, bool json)
{
    struct place *places = calloc(count, sizeof(*places));
    int status = PLACE_DAX;

    if (places == NULL)
        return tool_error("no memory");
    /* A limit to the size of files is then an error like others. */
    signal(SIGXFSZ, SIG_IGN);
    /* What children would have is no matter here, and not all values do everywhere. */
    unsetenv("MEMKIND_PMEM_FORK");
    for (size_t i = 0; i < count; i++) {
        place_examine(paths[i], &places[i]);
        if ((int)places[i].verdict > status)
            status = (int)places[i].verdict;
    }
    if (json) {
        printf("[\n");
        for (size_t i = 0; i < count; i++)
            print_json(&places[i], i + 1 < count ? "," : "");
        printf("]\n");
    } else {
        print_table(places, count);
    }
    free(places);
    return status;
}

int check_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    bool json = false;

    for (;;)
        switch (getopt_long(argc, argv, "", options, NULL)) {
        case -1:
            if (optind == argc)
                return tool_error("no path is given; name a directory, such as /mnt/pmem");
            return check_places(argv + optind, (size_t)(argc - optind), json);
        case 'j':
            json = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return tool_error("try \"" TOOL_NAME " check --help\"");
        }
}
