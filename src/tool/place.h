/* SPDX-License-Identifier: BSD-2-Clause */
/* Properties of a directory or a DAX device as a place for a PMEM kind. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "preload/device_files.h"

#define PLACE_TEXT_SIZE 192
#define PLACE_NO_NODE   DEVICE_FILES_NO_NODE

enum place_answer { PLACE_UNKNOWN, PLACE_NO, PLACE_YES };

/* Also the exit status. */
enum place_verdict { PLACE_DAX, PLACE_WORKS, PLACE_USELESS };

struct place {
    const char *path; /* borrowed */
    enum place_verdict verdict;
    char type[PLACE_TEXT_SIZE];    /* of the file system, or "devdax"; empty: unknown */
    char options[PLACE_TEXT_SIZE]; /* of the mount and its file system */
    char source[PLACE_TEXT_SIZE];  /* what is mounted */
    enum place_answer map_sync;    /* MAP_SYNC is accepted */
    enum place_answer punch;       /* holes can be punched */
    enum place_answer huge;        /* most memory is mapped by pages of 2 MiB */
    char reason[PLACE_TEXT_SIZE];  /* why there are few, or why no kind can be created */
    char advice[PLACE_TEXT_SIZE];  /* one sentence */
    int node;                      /* NUMA node; PLACE_NO_NODE: unknown */
    size_t size, available;        /* bytes; a size of 0: unknown */
    size_t block;                  /* of the file system, bytes; 0: unknown */
    double touch, copy;            /* bytes a second; 0: not measured */
};

/* Examines the place, for about a second. Nothing stays there. A device is not written to. */
void place_examine(const char *path, struct place *place);
