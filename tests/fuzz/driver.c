/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fuzzer without a fuzzing engine.
 *
 *    test_fuzz FILE|FOLDER...   replays inputs: all files of a folder
 *    test_fuzz                  makes random inputs and performs them
 *
 * FUZZ_SECONDS (60; at most 3600) limits the time, or FUZZ_INPUTS the number of inputs. FUZZ_SEED
 * (1) selects the inputs. An input that fails is written to a file in the current folder. State
 * that the library keeps between inputs, such as the caches of MEMKIND_REGULAR, depends on all
 * earlier inputs: to reproduce it, repeat the run with the same FUZZ_SEED and FUZZ_INPUTS.
 *
 * Each random input has habits, because otherwise all inputs would be alike: it omits some
 * operations and repeats others often, prefers some kinds, and requests a few sizes again and
 * again.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/input.h"
#include "fuzz/journal.h"
#include "fuzz/operations.h"
#include "fuzz/target.h"
#include "stress/parameters.h"
#include "stress/pattern.h"

static uint8_t input[INPUT_LARGEST];
static size_t input_length;
static char crash_file[64];

/* -- Failures ---------------------------------------------------------------------------------- */

/* Not async-signal-safe, but mostly works in a process that has crashed. */
static void on_crash(int number)
{
    signal(number, SIG_DFL);
    if (number != SIGABRT)
        journal_print_all();
    if (crash_file[0] != '\0') {
        int file = open(crash_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (file >= 0 && write(file, input, input_length) == (ssize_t)input_length)
            fprintf(stderr, "signal %d; the input is in %s\n", number, crash_file);
    }
    raise(number);
}

static void catch_crashes(void)
{
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGXFSZ};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        signal(signals[i], on_crash);
}

/* -- Replay ------------------------------------------------------------------------------------ */

static void replay_file(int dirfd, const char *name)
{
    int file = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    ssize_t length = file >= 0 ? read(file, input, sizeof(input)) : -1;

    if (length < 0) {
        perror(name);
        exit(EXIT_FAILURE);
    }
    close(file);
    input_length = (size_t)length;
    LLVMFuzzerTestOneInput(input, input_length);
}

static unsigned long replay(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    unsigned long count = 0;

    if (folder == NULL) {
        replay_file(AT_FDCWD, path);
        return 1;
    }
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.') {
            replay_file(dirfd(folder), entry->d_name);
            count++;
        }
    closedir(folder);
    return count;
}

/* -- Random inputs ----------------------------------------------------------------------------- */

#define SIZES 4u

struct habits {
    unsigned weights[OPERATION_COUNT];
    unsigned sum; /* of the weights */
    uint16_t sizes[SIZES];
    unsigned own_size; /* out of 4: how often a size is none of the preferred ones */
    uint8_t who_mask;  /* bits of `who` that vary */
    uint8_t who;       /* the constant bits */
};

static unsigned base_weight(unsigned operation)
{
    unsigned end = operation + 1 < OPERATION_COUNT ? operation_byte(operation + 1) : UINT8_MAX + 1u;

    return end - operation_byte(operation);
}

static struct habits make_habits(uint64_t *random)
{
    static const unsigned factors[] = {0, 1, 1, 1, 1, 4};
    struct habits habits = {.own_size = (unsigned)(pattern_random(random) % 5)};

    for (unsigned i = 0; i < OPERATION_COUNT; i++) {
        size_t factor = pattern_random(random) % (sizeof(factors) / sizeof(factors[0]));

        habits.weights[i] = base_weight(i) * factors[factor];
        habits.sum += habits.weights[i];
    }
    /* Without any operation, the sum of the weights would be 0. */
    habits.weights[OPERATION_malloc]++;
    habits.sum++;
    for (unsigned i = 0; i < SIZES; i++)
        habits.sizes[i] = (uint16_t)pattern_random(random);
    habits.who = (uint8_t)pattern_random(random);
    habits.who_mask = (uint8_t)(pattern_random(random) | 0xf8);
    return habits;
}

static uint8_t choose_operation(const struct habits *habits, uint64_t number)
{
    unsigned operation = 0;
    unsigned at = (unsigned)(number % habits->sum);

    while (at >= habits->weights[operation])
        at -= habits->weights[operation++];
    return operation_byte(operation);
}

static void make_record(const struct habits *habits, uint64_t *random, uint8_t *bytes)
{
    uint64_t number = pattern_random(random);
    uint16_t size = (uint16_t)(number >> 16);

    if (number % 4 >= habits->own_size)
        size = habits->sizes[number / 4 % SIZES];
    bytes[0] = choose_operation(habits, number >> 48);
    bytes[1] = (uint8_t)((habits->who & ~habits->who_mask) | (number >> 8 & habits->who_mask));
    bytes[2] = (uint8_t)size;
    bytes[3] = (uint8_t)(size >> 8);
    bytes[4] = (uint8_t)(number >> 32);
    bytes[5] = (uint8_t)(number >> 40);
}

static void make_input(uint64_t seed)
{
    uint64_t random = pattern_mix(seed);
    struct habits habits = make_habits(&random);
    size_t most = (INPUT_LARGEST - INPUT_HEADER) / INPUT_RECORD;
    size_t records = 1 + pattern_random(&random) % most;

    input[0] = (uint8_t)pattern_random(&random);
    input[1] = (uint8_t)pattern_random(&random);
    for (size_t i = 0; i < records; i++)
        make_record(&habits, &random, input + INPUT_HEADER + i * INPUT_RECORD);
    input_length = INPUT_HEADER + records * INPUT_RECORD;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static unsigned long fuzz(double seconds, size_t inputs, size_t seed)
{
    double end = now() + seconds;
    unsigned long count;

    for (count = 0; inputs != 0 ? count < inputs : now() < end; count++) {
        snprintf(crash_file, sizeof(crash_file), "fuzz-crash-%zu-%lu", seed, count);
        make_input(((uint64_t)seed << 32) + count);
        LLVMFuzzerTestOneInput(input, input_length);
    }
    return count;
}

int main(int argc, char **argv)
{
    double start = now();
    unsigned long inputs = 0;

    catch_crashes();
    if (argc > 1)
        for (int i = 1; i < argc; i++)
            inputs += replay(argv[i]);
    else
        inputs = fuzz((double)parameter("FUZZ_SECONDS", 60), parameter("FUZZ_INPUTS", 0),
                      parameter("FUZZ_SEED", 1));
    double seconds = now() - start;
    printf("%lu inputs, %lu calls in %.1f s: %.0f calls a second\n", inputs, target_calls(),
           seconds, (double)target_calls() / seconds);
    return EXIT_SUCCESS;
}
