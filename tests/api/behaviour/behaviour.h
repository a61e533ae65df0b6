/* SPDX-License-Identifier: BSD-2-Clause */
/* What the questions to both libraries share: how an answer is said, and how kinds are made. */
#pragma once

#include <memkind.h>

#include <stddef.h>

#define KIB         ((size_t)1 << 10)
#define MIB         ((size_t)1 << 20)
#define GIB         ((size_t)1 << 30)
#define SMALL       ((size_t)64)
#define UNTOUCHED   ((memkind_t)0x5a5a)
#define ANSWER_SIZE 256

struct question {
    const char *name;
    void (*query_membarrier)(void);
    const char *answer; /* of this library; NULL: asked by other questions only */
};

/* Each ends with one without a name. */
extern const struct question create_questions[];
extern const struct question allocate_questions[];
extern const struct question report_questions[];
extern const struct question memtier_questions[];
extern const struct question hbw_questions[];

extern const char *program;
extern const char *dir;

/* Adds to the answer. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

void say_status(int status);

void say_errno(void);

/* NULL and errno, or that there is a block. */
void say_block(const void *block);

memkind_t make_kind(size_t max_size);

memkind_t make_configured(size_t size, memkind_mem_usage_policy policy, int *status);

/* How many descriptors are open; *last is that of a file without a name, or -1. */
unsigned count_descriptors(int *last);

/* File space of the last file without a name. */
size_t file_space(void);
