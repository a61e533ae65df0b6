/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the questions to both libraries: printing answers and creating kinds. */
#pragma once

#include <memkind.h>

#include <stdbool.h>
#include <stddef.h>

#define KIB         ((size_t)1 << 10)
#define MIB         ((size_t)1 << 20)
#define GIB         ((size_t)1 << 30)
#define SMALL       ((size_t)64)
#define UNTOUCHED   ((memkind_t)0x5a5a)
#define ANSWER_SIZE 256

struct question {
    const char *name;
    void (*run)(void);
    const char *answer; /* of this library; NULL: this question is only a part of others */
};

/* Each array ends with a question without a name. */
extern const struct question create_questions[];
extern const struct question allocate_questions[];
extern const struct question report_questions[];
extern const struct question memtier_questions[];
extern const struct question hbw_questions[];
extern const struct question lives_questions[];
extern const struct question places_questions[];

extern const char *program;
extern const char *dir;

/* Appends to the answer. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

void say_status(int status);

void say_errno(void);

/* Appends that there is a block, or NULL and errno. */
void say_block(const void *block);

memkind_t make_kind(size_t max_size);

memkind_t make_configured(size_t size, memkind_mem_usage_policy policy, int *status);

/* Returns the number of open descriptors. Sets *last to that of a file without a name, or -1. */
unsigned count_descriptors(int *last);

/* Returns the file space of the last file without a name. */
size_t file_space(void);
