/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Times on DAX as ratios of this library's to memkind 1.14's, in one start of the guest. Usage:
 * compare DIR
 *
 * The program runs itself with both libraries in turn. "compare DIR one" prints the times of the
 * library that it is started with. Nothing is asserted: an emulated processor has no caches.
 */
#include <memkind.h>

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PEER_DIR        "/peer" /* where pack.sh puts memkind's library */
#define PEER            PEER_DIR "/libmemkind.so.0"
#define MIB             ((size_t)1 << 20)
#define PAGE            ((size_t)4096)
#define ROUNDS          3
#define FIRST_TOUCH     (64 * MIB)
#define SMALL_SLOTS     1024
#define SMALL_RUNS      200000
#define SMALL_MOST      1008
#define LARGE_SIZE      (4 * MIB)
#define LARGE_RUNS      50
#define NANOSECONDS     1e9
#define TEST_SKIPPED    77
#define EXEC_FAILED     127
#define WORKLOADS       3
#define MULTIPLIER      UINT64_C(6364136223846793005)
#define INCREMENT       UINT64_C(1442695040888963407)
#define UNUSABLE_RESULT (-1)

static const char *const names[WORKLOADS] = {
    "first touch of 64 MiB in one block, a page",
    "small blocks of 8 to 1,008 bytes, each replaced",
    "4 MiB allocated, touched, freed",
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * NANOSECONDS + (double)time.tv_nsec;
}

/* Returns a block with a byte written to each page. Ends the program on failure. */
static char *touched(memkind_t kind, size_t size)
{
    char *block = memkind_malloc(kind, size);

    if (block == NULL) {
        perror("memkind_malloc");
        exit(EXIT_FAILURE);
    }
    for (size_t at = 0; at < size; at += PAGE)
        block[at] = 1;
    return block;
}

static double time_first_touch(memkind_t kind)
{
    const size_t pages = FIRST_TOUCH / PAGE;
    double begin = now();

    memkind_free(kind, touched(kind, FIRST_TOUCH));
    return (now() - begin) / (double)pages;
}

static double time_small(memkind_t kind)
{
    static char *slots[SMALL_SLOTS];
    uint64_t random = 1;
    double begin = now();

    for (size_t i = 0; i < SMALL_RUNS; i++) {
        random = random * MULTIPLIER + INCREMENT;
        char **slot = &slots[i % SMALL_SLOTS];

        memkind_free(kind, *slot);
        *slot = touched(kind, sizeof(void *) + (random >> 33) % (SMALL_MOST - sizeof(void *)));
    }
    return (now() - begin) / SMALL_RUNS;
}

static double time_large(memkind_t kind)
{
    double begin = now();

    for (size_t i = 0; i < LARGE_RUNS; i++)
        memkind_free(kind, touched(kind, LARGE_SIZE));
    return (now() - begin) / LARGE_RUNS;
}

static int print_times(const char *dir)
{
    static double (*const workloads[WORKLOADS])(memkind_t) = {time_first_touch, time_small,
                                                              time_large};

    for (size_t i = 0; i < WORKLOADS; i++) {
        memkind_t kind;

        if (memkind_create_pmem(dir, 0, &kind) != MEMKIND_SUCCESS) {
            perror(dir);
            return EXIT_FAILURE;
        }
        printf("%.0f ", workloads[i](kind));
        memkind_destroy_kind(kind);
    }
    return EXIT_SUCCESS;
}

/* -- Both -------------------------------------------------------------------------------------- */

/*
 * Runs the program with the library in the directory (NULL: this library), and keeps the lower
 * times.
 */
static int lower_times(char *program, char *dir, const char *library_dir, double times[WORKLOADS])
{
    char *const argv[] = {program, dir, "one", NULL};
    char text[BUFSIZ] = "";
    int ends[2];
    int status;

    if (pipe(ends) != 0)
        return UNUSABLE_RESULT;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        if (library_dir != NULL)
            setenv("LD_LIBRARY_PATH", library_dir, 1);
        execv(program, argv);
        _exit(EXEC_FAILED);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0 || length <= 0)
        return UNUSABLE_RESULT;
    char *at = text;
    for (size_t i = 0; i < WORKLOADS; i++) {
        double time = strtod(at, &at);

        if (times[i] == 0 || time < times[i])
            times[i] = time;
    }
    return 0;
}

int main(int argc, char **argv)
{
    double ours[WORKLOADS] = {0};
    double theirs[WORKLOADS] = {0};

    if (argc == 3)
        return print_times(argv[1]);
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIR\n", argv[0]);
        return EXIT_FAILURE;
    }
    if (access(PEER, R_OK) != 0) {
        puts("memkind itself (Debian: libmemkind0) was not there when the guest was made");
        return TEST_SKIPPED;
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        if (lower_times(argv[0], argv[1], NULL, ours) != 0 ||
            lower_times(argv[0], argv[1], PEER_DIR, theirs) != 0)
            return EXIT_FAILURE;
    }
    for (size_t i = 0; i < WORKLOADS; i++)
        printf("%-50s %9.0f ns, memkind 1.14 %9.0f ns, ratio %.2f\n", names[i], ours[i], theirs[i],
               ours[i] / theirs[i]);
    return EXIT_SUCCESS;
}
