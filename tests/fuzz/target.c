/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model-based fuzzer of the public interface: bytes become calls, and a model of all kinds and
 * live blocks predicts their results.
 *
 *    input.h       from bytes to records of six bytes
 *    players.h     threads that perform the records, in turns or at once
 *    hardship.h    a child process that performs them while system calls fail, and more;
 *                 children that perform them beside their parents
 *    operations.h  the calls of each operation
 *    model.h       the model of the library
 *    journal.h     what is printed when a check fails
 *
 * Three programs have this entry: test_fuzz (driver.c; any compiler, no coverage), and the
 * libFuzzer and AFL++ programs that tests/fuzz/run builds. All of them replay the files that they
 * are given.
 *
 * MEMKIND_TEST_DIR: the directory of the kinds' files. FUZZ_LOG=1: prints every operation.
 */
#include "fuzz/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fuzz/hardship.h"
#include "fuzz/input.h"
#include "fuzz/journal.h"
#include "fuzz/players.h"
#include "support/leftovers.h"

/* Checking for leftovers takes as long as some hundred operations. */
#define INPUTS_PER_LOOK 16

/* Threads run at once in one input of so many. */
#define AT_ONCE 4

/* One input of sixteen has a part for a child process, and one has many children. */
#define HARDSHIP_FROM 0xf0
#define FORKS_FROM    0xe0

static unsigned long calls;

unsigned long target_calls(void)
{
    return calls;
}

static const char *prepare(void)
{
    static const char *dir;

    if (dir == NULL) {
        dir = test_dir();
        journal_verbose = getenv("FUZZ_LOG") != NULL;
        /* A failed assertion of a helper ends the process as a failed check does. */
        setenv("CMOCKA_TEST_ABORT", "1", 1);
    }
    return dir;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct leftovers before;
    static unsigned inputs;
    const char *dir = prepare();
    bool scan = inputs++ % INPUTS_PER_LOOK == 0;

    if (size < INPUT_HEADER)
        return 0;
    if (size > INPUT_LARGEST)
        size = INPUT_LARGEST;
    const uint8_t *records = data + INPUT_HEADER;
    size_t count = (size - INPUT_HEADER) / INPUT_RECORD;
    if (scan)
        leftovers_take(&before, NULL);
    if (data[0] >= HARDSHIP_FROM)
        calls += hardship_play(records, count, dir, data[1]);
    else if (data[0] >= FORKS_FROM)
        calls += hardship_fork(records, count, dir, data[1]);
    else if (data[0] % AT_ONCE == 0)
        calls += players_at_once(records, count, dir, data[1]);
    else
        calls += players_in_turns(records, count, dir);
    if (scan)
        leftovers_check(&before);
    return 0;
}
