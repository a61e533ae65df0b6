/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzzer has done: the last operations of each player, kept in a ring as they are and
 * turned into text only when a check fails, since text would cost more than the operations.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_ENTRIES 512

/* One call, its arguments noted before it is made, so that a crash in it shows them. */
struct journal_entry {
    const char *call;  /* a string literal */
    unsigned thread;   /* who called */
    int kind;          /* slot of the kind; -1: NULL or none */
    size_t size;       /* arguments that are sizes, in the order of the call */
    size_t alignment;  /* or the number of elements, or another number */
    const void *block; /* the argument that is an address */
    const void *result;
    bool returned;
};

struct journal {
    struct journal *next; /* of all journals */
    unsigned long count;  /* entries ever written; the newest is at (count - 1) % JOURNAL_ENTRIES */
    struct journal_entry entries[JOURNAL_ENTRIES];
};

/* FUZZ_LOG=1: every operation is printed when it is done. */
extern bool journal_verbose;

/* Makes the journal one of those that are printed when a check fails, and the other way round. */
void journal_open(struct journal *journal);
void journal_close(struct journal *journal);

/* Notes a call that is about to be made. */
void journal_call(struct journal *journal, struct journal_entry entry);

/* Notes what it returned. */
void journal_return(struct journal *journal, const void *result);

/* Prints all journals to standard error. */
void journal_print_all(void);

/* Prints what is wrong, the journals and how to replay them, and aborts. */
__attribute__((format(printf, 1, 2), noreturn, cold)) void journal_fail(const char *format, ...);
