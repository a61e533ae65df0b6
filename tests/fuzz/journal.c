/* SPDX-License-Identifier: BSD-2-Clause */
/* Records and prints the fuzzer's last operations. */
#include "fuzz/journal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

bool journal_verbose;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct journal *journals; /* guarded by lock */

void journal_open(struct journal *journal)
{
    journal->count = 0;
    pthread_mutex_lock(&lock);
    journal->next = journals;
    journals = journal;
    pthread_mutex_unlock(&lock);
}

void journal_close(struct journal *journal)
{
    struct journal **link = &journals;

    pthread_mutex_lock(&lock);
    while (*link != journal)
        link = &(*link)->next;
    *link = journal->next;
    pthread_mutex_unlock(&lock);
}

static void print_entry(unsigned long number, const struct journal_entry *entry)
{
    fprintf(stderr, "%6lu thread %u %s", number, entry->thread, entry->call);
    if (entry->kind >= 0)
        fprintf(stderr, " kind %d", entry->kind);
    if (entry->block != NULL)
        fprintf(stderr, " block %p", entry->block);
    if (entry->alignment != 0)
        fprintf(stderr, " number %#zx", entry->alignment);
    fprintf(stderr, " size %#zx", entry->size);
    if (entry->returned)
        fprintf(stderr, " = %p\n", entry->result);
    else
        fprintf(stderr, " ...\n");
}

void journal_call(struct journal *journal, struct journal_entry entry)
{
    journal->entries[journal->count++ % JOURNAL_ENTRIES] = entry;
}

void journal_return(struct journal *journal, const void *result)
{
    struct journal_entry *entry = &journal->entries[(journal->count - 1) % JOURNAL_ENTRIES];

    entry->result = result;
    entry->returned = true;
    if (journal_verbose)
        print_entry(journal->count, entry);
}

static void print(const struct journal *journal)
{
    unsigned long first = journal->count > JOURNAL_ENTRIES ? journal->count - JOURNAL_ENTRIES : 0;

    fputs("operations of one player, the newest last:\n", stderr);
    for (unsigned long i = first; i < journal->count; i++)
        print_entry(i + 1, &journal->entries[i % JOURNAL_ENTRIES]);
}

/* The output may go to a file, and an operation may have lowered RLIMIT_FSIZE. */
static void lift_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_FSIZE, &limit);
    }
}

/* Takes no lock: called in a process whose state cannot be trusted. */
void journal_print_all(void)
{
    lift_file_limit();
    for (const struct journal *journal = journals; journal != NULL; journal = journal->next)
        print(journal);
}

void journal_fail(const char *format, ...)
{
    va_list arguments;

    /* Never released: a thread that fails later waits here for the end of the process. */
    pthread_mutex_lock(&lock);
    journal_print_all();
    fputs("FUZZ: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("\nTo replay: give the input's file to the fuzzer; FUZZ_LOG=1 prints every operation.\n",
          stderr);
    abort();
}
