/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind-pmem check: tables, or JSON, on places for PMEM kinds and on memory nodes. */
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/check_nodes.h"
#include "tool/nodes.h"
#include "tool/output.h"
#include "tool/place.h"
#include "tool/tool.h"

static const char help[] =
    "usage: " TOOL_NAME " check [--json] [--nodes] [PATH...]\n"
    "\n"
    "Prints what a heap in each directory, or on each DAX device, would have. This takes about a "
    "second\n"
    "for each path. Without a path, and with --nodes, lists the memory nodes (NUMA nodes).\n"
    "\n"
    "Columns for a path:\n"
    "  DAX      direct access: the device's memory is mapped, without a page cache (MAP_SYNC)\n"
    "  holes    freed memory goes back to the file system\n"
    "  2 MiB    most of the memory is mapped by pages of 2 MiB\n"
    "  node     the memory node of the device\n"
    "  touch    bandwidth of the first write to memory, in GB/s\n"
    "  copy     bandwidth of copying to memory that was written before, in GB/s\n"
    "\n"
    "Columns for a memory node:\n"
    "  read, write, ns\n"
    "           bandwidth in GB/s, and latency of reading, for the nearest processors, as the "
    "firmware\n"
    "           states them (HMAT)\n"
    "  to N     distance to the processors of node N, 10 for the node itself\n"
    "  kinds    hbw: counts as high bandwidth memory; dax-kmem: is the memory of a DAX device\n"
    "\n"
    "Options:\n"
    "  --nodes  lists the memory nodes, after the paths\n"
    "  --json   prints JSON: sizes in bytes, bandwidths in bytes per second, null where unknown\n"
    "  --help   prints this text\n"
    "\n"
    "Examples:\n"
    "  " TOOL_NAME " check /mnt/pmem /dev/shm\n"
    "  " TOOL_NAME " check --nodes\n"
    "  " TOOL_NAME " check --json /mnt/pmem\n"
    "\n"
    "Exit status: 0 if all paths have DAX, 1 if a path works without DAX, 2 if a path cannot be "
    "used or\n"
    "there are no memory nodes to list.\n";

/* -- For people -------------------------------------------------------------------------------- */

static const char *word(enum place_answer answer)
{
    static const char *const words[] = {"?", "no", "yes"};

    return words[answer];
}

static const char *print_node(char text[OUTPUT_TEXT_SIZE], int node)
{
    snprintf(text, OUTPUT_TEXT_SIZE, node != PLACE_NO_NODE ? "%d" : "?", node);
    return text;
}

static void print_row(const struct place *place, int width)
{
    char size[OUTPUT_TEXT_SIZE], available[OUTPUT_TEXT_SIZE], node[OUTPUT_TEXT_SIZE];
    char touch[OUTPUT_TEXT_SIZE], copy[OUTPUT_TEXT_SIZE];
    bool known = place->size != 0;

    printf("%-*s  %-8.8s  %-3s  %-5s  %-5s  %4s  %8s  %8s  %5s  %5s\n", width, place->path,
           place->type[0] != '\0' ? place->type : "?", word(place->map_sync), word(place->punch),
           word(place->huge), print_node(node, place->node), output_size(size, place->size, known),
           output_size(available, place->available, known), output_rate(touch, place->touch),
           output_rate(copy, place->copy));
}

static void print_verdict(const struct place *place, bool colours)
{
    static const struct {
        const char *colour, *text;
    } verdicts[] = {
        {"\033[32m", "DAX"}, {"\033[33m", "works, without DAX"}, {"\033[31m", "cannot be used"}};
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

static void print_answer(const char *name, enum place_answer answer)
{
    output_json_truth(name, answer == PLACE_YES, answer != PLACE_UNKNOWN);
}

static void print_json(const struct place *place)
{
    static const char *const verdicts[] = {"dax", "works", "useless"};

    output_json_begin_object();
    output_json_text("path", place->path);
    output_json_text("verdict", verdicts[place->verdict]);
    output_json_text("type", place->type);
    output_json_text("options", place->options);
    output_json_text("source", place->source);
    print_answer("map_sync", place->map_sync);
    print_answer("hole_punching", place->punch);
    print_answer("huge_pages", place->huge);
    output_json_text("reason", place->reason);
    output_json_text("advice", place->advice);
    output_json_number("numa_node", place->node, place->node != PLACE_NO_NODE);
    output_json_number("size", (double)place->size, place->size != 0);
    output_json_number("free", (double)place->available, place->size != 0);
    output_json_number("first_touch_bandwidth", place->touch, place->touch > 0);
    output_json_number("copy_bandwidth", place->copy, place->copy > 0);
    output_json_end_object();
}

/* -- The command ------------------------------------------------------------------------------- */

static void print_all(const struct place *places, size_t count, const struct nodes *nodes,
                      bool json)
{
    if (json) {
        output_json_begin();
        for (size_t i = 0; i < count; i++)
            print_json(&places[i]);
        if (nodes != NULL)
            check_nodes_json(nodes);
        output_json_end();
        return;
    }
    if (count != 0)
        print_table(places, count);
    if (count != 0 && nodes != NULL)
        putchar('\n');
    if (nodes != NULL)
        check_nodes_table(nodes);
}

/* Returns the worst verdict. */
static int examine(char **paths, struct place *places, size_t count)
{
    int status = PLACE_DAX;

    /* Exceeding a limit of the file size is then an error like others. */
    signal(SIGXFSZ, SIG_IGN);
    /* The fork mode does not matter here, and devices do not accept all values. */
    unsetenv("MEMKIND_PMEM_FORK");
    for (size_t i = 0; i < count; i++) {
        place_examine(paths[i], &places[i]);
        if ((int)places[i].verdict > status)
            status = (int)places[i].verdict;
    }
    return status;
}

static int check(char **paths, size_t count, bool list_nodes, bool json)
{
    struct place *places = calloc(count + 1, sizeof(*places));
    struct nodes nodes;

    if (places == NULL)
        return tool_error("no memory");
    int status = examine(paths, places, count);
    if (list_nodes && !nodes_find(&nodes))
        status = PLACE_USELESS;
    print_all(places, count, list_nodes ? &nodes : NULL, json);
    free(places);
    return status;
}

int check_main(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"nodes", no_argument, NULL, 'n'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    bool json = false, nodes = false;

    for (;;)
        switch (getopt_long(argc, argv, "", options, NULL)) {
        case -1:
            return check(argv + optind, (size_t)(argc - optind), nodes || optind == argc, json);
        case 'j':
            json = true;
            break;
        case 'n':
            nodes = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return tool_error("try \"" TOOL_NAME " check --help\"");
        }
}
