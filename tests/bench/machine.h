/* SPDX-License-Identifier: BSD-2-Clause */
/* A description of the machine that a benchmark ran on. */
#pragma once

#define MACHINE_TEXT_SIZE 256

struct machine {
    char processor[MACHINE_TEXT_SIZE];   /* "Name, 2 cores" */
    char system[MACHINE_TEXT_SIZE];      /* "Linux 6.1.0 x86_64, glibc 2.36" */
    char file_system[MACHINE_TEXT_SIZE]; /* "tmpfs at /dev/shm" */
    char date[MACHINE_TEXT_SIZE];        /* "2024-05-01" */
};

/* Fills in the description. dir: the directory of the kinds' files. */
void machine_describe(struct machine *machine, const char *dir);
