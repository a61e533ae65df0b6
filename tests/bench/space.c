/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much of a kind's file space blocks can use, and how much DRAM the heap needs for managing
 * them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

#define SPACE_FILL_SIZE   2196
#define SPACE_REFILL_SIZE 700
#define SPACE_SMALL       64
#define SPACE_PAGE        4096
#define SPACE_MANAGED     ((size_t)1 << 30)
#define SPACE_PERCENT     100.0
#define SPACE_LINE        256
#define SPACE_KIB_PER_MIB 1024.0
#define SPACE_NUMBER_BASE 10

/* A live block. The list lies in the blocks, and needs no other memory. */
struct space_block {
    struct space_block *next;
};

/* Allocates blocks until no space is left. Returns their usable bytes, and the list of them. */
static size_t space_fill_with(const struct heap *heap, size_t size, struct space_block **list)
{
    struct space_block *block;
    size_t usable = 0;

    *list = NULL;
    while ((block = heap_try_malloc(heap, size)) != NULL) {
        usable += heap->kind_usable_size(heap->kind, block);
        block->next = *list;
        *list = block;
    }
    return usable;
}

static void space_report_unusable(const struct run *run, size_t usable)
{
    double share = (double)usable / (double)run->description.max_size;

    run_report(run, 0, SPACE_PERCENT * (1 - share));
}

void space_fill(struct run *run)
{
    struct space_block *list;

    space_report_unusable(run, space_fill_with(&run->heap, SPACE_FILL_SIZE, &list));
}

void space_refill(struct run *run)
{
    struct space_block *list;

    space_fill_with(&run->heap, SPACE_FILL_SIZE, &list);
    while (list != NULL) {
        struct space_block *next = list->next;

        heap_free(&run->heap, list);
        list = next;
    }
    space_report_unusable(run, space_fill_with(&run->heap, SPACE_REFILL_SIZE, &list));
}

/* Returns the process's private DRAM (RssAnon) in KiB. A kind's file does not count. */
static double space_anonymous_kib(void)
{
    static const char label[] = "RssAnon:";
    char line[SPACE_LINE];
    unsigned long kib = 0;
    FILE *status = fopen("/proc/self/status", "re");

    if (status == NULL) {
        perror("/proc/self/status");
        exit(EXIT_FAILURE);
    }
    while (fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, label, sizeof(label) - 1) == 0)
            kib = strtoul(line + sizeof(label) - 1, NULL, SPACE_NUMBER_BASE);
    }
    fclose(status);
    return (double)kib;
}

static void space_metadata(struct run *run, size_t size)
{
    double before = space_anonymous_kib();

    for (size_t i = 0; i < SPACE_MANAGED / size; i++)
        *(char *)heap_malloc(&run->heap, size) = 1;
    run_report(run, 0, (space_anonymous_kib() - before) / SPACE_KIB_PER_MIB);
}

void space_metadata_small(struct run *run)
{
    space_metadata(run, SPACE_SMALL);
}

void space_metadata_page(struct run *run)
{
    space_metadata(run, SPACE_PAGE);
}
