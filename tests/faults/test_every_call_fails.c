/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every call that the library makes of libc and the kernel fails, one after the other.
 *
 * A workload is run once to count the calls of each function. Then it is run once for each call, in
 * a process of its own, and that call fails, with each error that it may return:
 *
 *    once             this call alone
 *    for a while      this call and all later ones of the function, up to a point in the life
 *    for good         this call and all later ones, until the kinds have been destroyed
 *
 * Each life has four steps: create kinds and use them (calls fail); the same again (no call fails
 * and no request may be refused; left out for good); free and destroy everything (calls fail); a
 * second life without failures. Afterwards nothing may be left of both lives. The library ends no
 * process and prints nothing.
 *
 * The sweep is repeated with processes that fork, where calls fail in parent and child.
 *
 * The first sweep is run on a file system that can do everything, and again with a pretended one
 * that has neither nameless files nor fallocate(2).
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults/calls.h"
#include "faults/workload.h"
#include "support/leftovers.h"

#define MIB           ((size_t)1 << 20)
#define CPU_SECONDS   30         /* limit of one case, which needs a few hundredths */
#define VIRTUAL_SLACK (32 * MIB) /* for arenas, which are created when threads meet */
#define KEY_BLOCKS    1          /* of libc, for values of keys whose numbers are far apart */
#define TEXT_SIZE     4096
#define COMPLAINTS    25

enum duration { ONCE, FOR_A_WHILE, FOR_GOOD, DURATIONS };

static const char *const duration_names[DURATIONS] = {"once", "for a while", "for good"};

/* Result of a life without failures: what remains, and the calls made. */
struct reference {
    unsigned long seen[CALL_COUNT];
    long blocks;
    size_t virtual_size;
};

/* State that all processes of the test share. */
static struct shared {
    struct reference reference;
    unsigned long seen_in_child[CALL_COUNT];
    atomic_size_t cases[CALL_COUNT];
    atomic_size_t complaints;
} * shared;

static bool forking; /* true: the processes of this sweep fork, and do little else */
static struct leftovers before;
static char dir[TEST_DIR_PATH_SIZE];

static size_t virtual_size(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    if (file == NULL || fscanf(file, "%lu", &pages) != 1)
        workload_wrong("statm");
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Removes files whose unlinkat(2) was made to fail. */
static void remove_kept_names(void)
{
    DIR *entries = opendir(dir);
    struct dirent *entry;

    if (entries == NULL)
        workload_wrong("%s", dir);
    while ((entry = readdir(entries)) != NULL)
        if (strncmp(entry->d_name, ".memkind-", strlen(".memkind-")) == 0)
            unlinkat(dirfd(entries), entry->d_name, 0);
    closedir(entries);
}

/* -- Lives ------------------------------------------------------------------------------------- */

static void do_all(struct workload *workload)
{
    workload_open(workload);
    if (forking)
        workload_fork(workload);
    else
        workload_use(workload);
}

static void live_in_peace(struct workload *workload)
{
    workload->may_fail = false;
    do_all(workload);
}

static void live_and_fail(struct workload *workload, enum duration duration)
{
    workload->may_fail = true;
    calls_turn(true);
    do_all(workload);
    if (duration == FOR_GOOD)
        return;
    calls_turn(false);
    bool over = duration == FOR_A_WHILE && calls_failed() != 0;
    live_in_peace(workload);
    workload->may_fail = true;
    calls_turn(!over);
}

static void live(const struct calls_plan *plan, enum duration duration)
{
    struct workload workload = {.dir = dir, .seen_in_child = shared->seen_in_child};

    calls_begin(plan);
    live_and_fail(&workload, duration);
    workload_empty(&workload);
    workload_close(&workload);
    calls_turn(false);
    /* The failing call may be in the child. */
    if (plan->first != 0 && calls_failed() == 0 && duration != FOR_GOOD && !forking)
        workload_wrong("this call is not made");
    calls_unmap_refused();
    if (calls_kept_name())
        remove_kept_names();
    live_in_peace(&workload);
    workload_empty(&workload);
    workload_close(&workload);
}

static void check_end(void)
{
    long lost = calls_blocks() - shared->reference.blocks;

    leftovers_check(&before);
    if (lost > (calls_failed_of(CALL_pthread_key_create) ? KEY_BLOCKS : 0))
        workload_wrong("%ld blocks of DRAM are lost", lost);
    if (virtual_size() > shared->reference.virtual_size + VIRTUAL_SLACK)
        workload_wrong("%zu bytes of addresses are lost",
                       virtual_size() - shared->reference.virtual_size);
}

static void limit_processor_time(void)
{
    const struct rlimit limit = {.rlim_cur = CPU_SECONDS, .rlim_max = CPU_SECONDS};

    setrlimit(RLIMIT_CPU, &limit);
}

/* Calls of the process, or of its child if the child has made more. */
static unsigned long seen_by_either(enum call call)
{
    unsigned long seen = calls_seen(call);
    unsigned long in_child = shared->seen_in_child[call];

    return in_child > seen ? in_child : seen;
}

static void run_child(const struct calls_plan *plan, enum duration duration)
{
    limit_processor_time();
    leftovers_take(&before, dir);
    live(plan, duration);
    if (plan->first != 0) {
        check_end();
    } else {
        for (enum call call = 0; call < CALL_COUNT; call++)
            shared->reference.seen[call] = seen_by_either(call);
        shared->reference.blocks = calls_blocks();
        shared->reference.virtual_size = virtual_size();
        leftovers_check(&before);
    }
    _exit(0);
}

/* -- Cases ------------------------------------------------------------------------------------- */

static size_t workers;
static size_t worker; /* index of this process */

/* Reads the descriptor to its end. The text is truncated to the buffer and terminated. */
static void read_all(int fd, char text[TEXT_SIZE])
{
    size_t used = 0;
    char byte;

    while (read(fd, &byte, 1) == 1)
        if (used + 1 < TEXT_SIZE)
            text[used++] = byte;
    text[used] = '\0';
}

static void complain(const struct calls_plan *plan, enum duration duration, const char *text,
                     int status)
{
    size_t before_this = atomic_fetch_add(&shared->complaints, 1);

    if (before_this >= COMPLAINTS)
        return;
    fprintf(stderr, "%s%s call %lu fails with %s %s: ", calls_poor ? "poor file system: " : "",
            calls_names[plan->call], plan->first, strerrorname_np(plan->error),
            duration_names[duration]);
    if (WIFSIGNALED(status))
        fprintf(stderr, "ended by signal %d. ", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0 && text[0] == '\0')
        fprintf(stderr, "ended with status %d. ", WEXITSTATUS(status));
    fprintf(stderr, "%s\n", text);
    if (before_this + 1 == COMPLAINTS)
        fprintf(stderr, "and so on\n");
}

static void run_case(const struct calls_plan *plan, enum duration duration)
{
    char text[TEXT_SIZE];
    int ends[2];
    int status;

    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) != 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        if (dup2(ends[1], STDERR_FILENO) < 0)
            abort();
        close(ends[1]);
        run_child(plan, duration);
    }
    close(ends[1]);
    read_all(ends[0], text);
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child)
        abort();
    atomic_fetch_add(&shared->cases[plan->call], plan->first != 0);
    if (status != 0 || text[0] != '\0')
        complain(plan, duration, text, status);
}

static void fail_call(enum call call, unsigned long number)
{
    for (const int *error = calls_errors[call]; *error != 0; error++)
        for (enum duration duration = ONCE; duration < DURATIONS; duration++) {
            /*
             * A call that is interrupted for ever never ends, and a missing mutex does not depend
             * on time.
             */
            if (duration != ONCE && (*error == EINTR || call == CALL_pthread_mutex_init))
                continue;
            run_case(&(struct calls_plan){.call = call,
                                          .first = number,
                                          .times = duration == ONCE ? 1 : ULONG_MAX,
                                          .error = *error},
                     duration);
        }
}

/* Returns whether the function is called differently on a poor file system. */
static bool differs_where_poor(enum call call)
{
    return call == CALL_openat || call == CALL_unlinkat || call == CALL_fallocate ||
           call == CALL_pwrite || call == CALL_getrandom;
}

/* Runs this worker's share of the cases. */
static void work(void)
{
    size_t turn = 0;

    for (enum call call = 0; call < CALL_COUNT; call++)
        for (unsigned long i = 1; i <= shared->reference.seen[call]; i++)
            if (turn++ % workers == worker && (!calls_poor || differs_where_poor(call)))
                fail_call(call, i);
}

/*
 * Starts processes, because each case waits for a process of its own. Each has its own directory.
 */
static void work_together(void)
{
    int status;

    fflush(NULL);
    for (worker = 0; worker < workers; worker++)
        if (fork() == 0) {
            test_dir_make(dir);
            work();
            test_dir_remove(dir);
            _exit(0);
        }
    while (wait(&status) > 0)
        if (status != 0)
            atomic_fetch_add(&shared->complaints, 1);
}

static size_t report(void)
{
    size_t cases = 0;

    for (enum call call = 0; call < CALL_COUNT; call++) {
        printf("%s: %lu calls, %zu cases\n", calls_names[call], shared->reference.seen[call],
               atomic_load(&shared->cases[call]));
        cases += atomic_exchange(&shared->cases[call], 0);
    }
    return cases;
}

static size_t sweep(bool poor, bool forks)
{
    calls_poor = poor;
    forking = forks;
    test_dir_make(dir);
    run_case(&(struct calls_plan){0}, FOR_A_WHILE);
    test_dir_remove(dir);
    printf("-- on %s file system%s\n", poor ? "a poor" : "an able", forks ? ", with children" : "");
    if (atomic_load(&shared->complaints) == 0)
        work_together();
    return report();
}

int main(void)
{
    size_t cases = 0;

    /* The idle thread, and libc's arena for it, would change the addresses in use. */
    setenv("MEMKIND_IDLE_THREAD", "0", 1);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return EXIT_FAILURE;
    workers = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    cases += sweep(false, false);
    cases += sweep(true, false);
    cases += sweep(false, true);
    printf("%zu cases\n", cases);
    return atomic_load(&shared->complaints) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
