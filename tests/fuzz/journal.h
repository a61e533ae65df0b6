/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records the last operations of each player in a ring. The ring holds values, and is turned into
 * text only when a check fails, because text would cost more than the operations.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_ENTRIES 512

/* One call. Its arguments are recorded before the call, so that a crash in the call shows them. */
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

/* FUZZ_LOG=1: every operation is printed after its end. */
extern bool journal_verbose;

/* Add the journal to those that are printed when a check fails, and remove it. */
void journal_open(struct journal *journal);
void journal_close(struct journal *journal);

/* Records a call that is about to be made. */
void journal_call(struct journal *journal, struct journal_entry entry);

/* Records the result of the last call. */
void journal_return(struct journal *journal, const void *result);

void journal_print_all(void);

/* Prints the message, the journals and how to replay them, and aborts. */
__attribute__((format(printf, 1, 2), noreturn, cold)) void journal_fail(const char *format, ...);
