/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forks of frozen kinds, for a chosen time: threads allocate, free, resize and write while children
 * are forked, which check that every byte is as at the fork, do the same, and fork again, three
 * generations deep. Children end in all ways, some before their own children. Meanwhile the parent
 * thaws, by memkind_purge() and by itself, threads that never pause check that none of their writes
 * is lost, and the file system is full now and then.
 *
 * Usage: soak_forks DIR SECONDS. Fills the file system of DIR, which should be a small one used for
 * nothing else. Prints counts of what was done. Exits with 1 if a byte was wrong or file space was
 * lost.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "stress/forked_blocks.h"
#include "stress/soak.h"

#define TABLES       4 /* a thread for each */
#define WRITERS      2
#define WORDS        ((size_t)32 << 10) /* of each writer's block */
#define STRIDE       64                 /* of these words */
#define DEEPEST      3                  /* generation */
#define PROCESSES    8                  /* at most, besides the first one */
#define CHILD_WORK   600                /* operations, at most, between two decisions of a child */
#define CHILD_ROUNDS 4
#define CHILD_LIMIT  240 /* seconds */
#define FORK_PAUSE   6   /* milliseconds, at most */
#define PURGE_PAUSE  30
#define SOME_TRIES   20  /* to thaw beside threads */
#define LAST_TRIES   600 /* when no other thread is left, unless one is just ending */
#define FULL_FOR     10
#define FREE_FOR     400
#define ALONE_EVERY  20 /* forks */
#define FILLER_STEP  ((off_t)1 << 20)

/* In memory that all processes share. */
struct totals {
    atomic_int processes;
    atomic_ulong forks, checks, refusals, operations, thaws, thaws_failed, without_copy, killed;
};

static struct totals *totals;
static const char *dir;
static atomic_bool stop;
static struct blocks_table tables[TABLES];
static pthread_rwlock_t
    at_work; /* by readers, each of one table, whose blocks may differ from it */

/* -- Children ---------------------------------------------------------------------------------- */

static void add_counts(void)
{
    for (size_t i = 0; i < TABLES; i++) {
        atomic_fetch_add(&totals->checks, tables[i].checks);
        atomic_fetch_add(&totals->refusals, tables[i].refusals);
        tables[i].checks = tables[i].refusals = 0;
    }
}

static void forget_kinds_without_copy(void)
{
    for (size_t i = 0; i < BLOCKS_KINDS; i++) {
        if (memkind_get_snapshot(blocks_kinds[i]) != MEMKIND_SNAPSHOT_FAILED)
            continue;
        atomic_fetch_add(&totals->without_copy, 1);
        for (size_t j = 0; j < TABLES; j++)
            blocks_forget(&tables[j], blocks_kinds[i]);
    }
}

static void check_all(void)
{
    for (size_t i = 0; i < TABLES; i++)
        blocks_check(&tables[i]);
}

static void work_as_child(unsigned *seed)
{
    int most = rand_r(seed) % CHILD_WORK;

    for (int i = 0; i < most; i++)
        blocks_operate(&tables[rand_r(seed) % TABLES]);
    atomic_fetch_add(&totals->operations, (unsigned long)most);
}

static void check_status(int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        atomic_fetch_add(&totals->killed, 1);
    else
        CHECK(status == 0, "a child ended with %#x", (unsigned)status);
    atomic_fetch_sub(&totals->processes, 1);
}

static void wait_for(pid_t child)
{
    int status;
    pid_t waited;

    while ((waited = waitpid(child, &status, 0)) < 0 && errno == EINTR)
        ;
    CHECK(waited == child, "errno %d", errno);
    check_status(status);
}

/* Ends the process in one of many ways. */
_Noreturn static void end_child(unsigned *seed)
{
    switch (rand_r(seed) % 6) {
    case 0:
        for (size_t i = 0; i < TABLES; i++)
            blocks_free(&tables[i]);
        for (size_t i = 0; i < BLOCKS_KINDS; i++)
            CHECK(memkind_purge(blocks_kinds[i]) == MEMKIND_SUCCESS, "purge");
        break;
    case 1:
        for (size_t i = 0; i < BLOCKS_KINDS; i++)
            CHECK(memkind_destroy_kind(blocks_kinds[i]) == MEMKIND_SUCCESS, "an inherited kind");
        memset(tables, 0, sizeof(tables));
        break;
    case 2:
        add_counts();
        execl("/bin/true", "true", (char *)NULL);
        CHECK(false, "no /bin/true: errno %d", errno);
    case 3:
        add_counts();
        raise(SIGKILL);
        break;
    default:
        check_all();
    }
    add_counts();
    _exit(0);
}

static pid_t fork_child(unsigned generation, unsigned *seed);

_Noreturn static void live_as_child(unsigned generation, unsigned seed)
{
    int rounds = rand_r(&seed) % CHILD_ROUNDS;
    pid_t child = 0;

    alarm(CHILD_LIMIT);
    forget_kinds_without_copy();
    check_all();
    for (int i = 0; i < rounds; i++) {
        work_as_child(&seed);
        if (generation < DEEPEST && child == 0 && rand_r(&seed) % 3 == 0)
            child = fork_child(generation + 1, &seed);
        if (rand_r(&seed) % 4 == 0)
            (void)memkind_purge(blocks_kinds[rand_r(&seed) % BLOCKS_KINDS]);
    }
    /* Otherwise the child belongs to the first process, and this one ends before it. */
    if (child > 0 && rand_r(&seed) % 2 == 0)
        wait_for(child);
    if (rand_r(&seed) % 2 == 0)
        work_as_child(&seed);
    end_child(&seed);
}

/* All tables are at rest. 0 where there are enough processes. */
static pid_t fork_child(unsigned generation, unsigned *seed)
{
    unsigned child_seed = (unsigned)rand_r(seed);

    if (atomic_fetch_add(&totals->processes, 1) >= PROCESSES) {
        atomic_fetch_sub(&totals->processes, 1);
        return 0;
    }
    add_counts();
    pid_t child = fork();
    CHECK(child >= 0, "errno %d", errno);
    if (child == 0)
        live_as_child(generation, child_seed);
    atomic_fetch_add(&totals->forks, 1);
    return child;
}

/* -- The first process ------------------------------------------------------------------------- */

/* Also processes whose parents have ended. */
static void reap(int flags)
{
    int status;
    pid_t child;

    while ((child = waitpid(-1, &status, flags)) > 0)
        check_status(status);
    CHECK(child == 0 || errno == ECHILD, "errno %d", errno);
}

static void note_frozen(void *argument, const char *report)
{
    *(bool *)argument |= strstr(report, ", frozen: ") != NULL;
}

static bool is_frozen(void)
{
    bool frozen = false;

    (void)memkind_stats_print(note_frozen, &frozen, 0);
    return frozen;
}

/* Without another process everything can be thawed, but on a busy machine not at the first try. */
static bool thaw(unsigned tries, unsigned *seed)
{
    for (unsigned i = 0; i < tries && is_frozen(); i++) {
        for (size_t j = 0; j < BLOCKS_KINDS; j++)
            CHECK(memkind_purge(blocks_kinds[j]) == MEMKIND_SUCCESS, "purge");
        pause_for(PURGE_PAUSE, seed);
    }
    return !is_frozen();
}

static void thaw_alone(unsigned *seed)
{
    reap(0);
    atomic_fetch_add(thaw(SOME_TRIES, seed) ? &totals->thaws : &totals->thaws_failed, 1);
    pthread_rwlock_wrlock(&at_work);
    check_all();
    pthread_rwlock_unlock(&at_work);
}

static void *fork_children(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;

    for (unsigned i = 1; !atomic_load(&stop); i++) {
        pthread_rwlock_wrlock(&at_work);
        (void)fork_child(1, &seed);
        pthread_rwlock_unlock(&at_work);
        reap(WNOHANG);
        if (i % ALONE_EVERY == 0)
            thaw_alone(&seed);
        pause_for(FORK_PAUSE, &seed);
    }
    return NULL;
}

static void *work(void *argument)
{
    size_t i = (uintptr_t)argument % TABLES;
    unsigned long done = 0;

    for (; !atomic_load(&stop); done++) {
        pthread_rwlock_rdlock(&at_work);
        blocks_operate(&tables[i]);
        pthread_rwlock_unlock(&at_work);
    }
    atomic_fetch_add(&totals->operations, done);
    return NULL;
}

/* Writes without a pause, also while another thread forks or thaws. */
static void *write_on(void *argument)
{
    memkind_t kind = blocks_kinds[(uintptr_t)argument % BLOCKS_KINDS];
    volatile uint64_t *words = memkind_calloc(kind, WORDS, sizeof(*words));

    CHECK(words != NULL, "no memory");
    for (uint64_t round = 0; !atomic_load(&stop); round++)
        for (size_t i = 0; i < WORDS; i += STRIDE) {
            CHECK(words[i] == round, "word %zu is %lu, not %lu", i, words[i], round);
            words[i] = round + 1;
        }
    memkind_free(kind, (void *)words);
    return NULL;
}

static void *purge(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;

    while (!atomic_load(&stop)) {
        CHECK(memkind_purge(blocks_kinds[rand_r(&seed) % BLOCKS_KINDS]) == MEMKIND_SUCCESS,
              "purge");
        pause_for(PURGE_PAUSE, &seed);
    }
    return NULL;
}

/* Fills the file system and frees it again. */
static void *fill_file_system(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    CHECK(fd >= 0, "errno %d", errno);
    while (!atomic_load(&stop)) {
        pause_for(FREE_FOR, &seed);
        for (off_t end = 0; fallocate(fd, 0, end, FILLER_STEP) == 0; end += FILLER_STEP)
            ;
        pause_for(FULL_FOR, &seed);
        CHECK(ftruncate(fd, 0) == 0, "errno %d", errno);
    }
    close(fd);
    return NULL;
}

/* -- The whole --------------------------------------------------------------------------------- */

static void run(unsigned seconds)
{
    void *(*const actors[])(void *) = {
        work, work, work, work, write_on, write_on, fork_children, purge, fill_file_system,
    };
    enum { ACTORS = sizeof(actors) / sizeof(actors[0]) };
    pthread_t threads[ACTORS];
    struct timespec rest = {.tv_sec = (time_t)seconds};

    _Static_assert(TABLES == 4 && WRITERS == 2, "as many actors");
    for (size_t i = 0; i < ACTORS; i++)
        CHECK(pthread_create(&threads[i], NULL, actors[i], (void *)i) == 0, "no thread");
    while (nanosleep(&rest, &rest) != 0)
        ;
    atomic_store(&stop, true);
    for (size_t i = 0; i < ACTORS; i++)
        pthread_join(threads[i], NULL);
    reap(0);
}

static void begin(void)
{
    pthread_rwlockattr_t writers_first;

    pthread_rwlockattr_init(&writers_first);
    pthread_rwlockattr_setkind_np(&writers_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&at_work, &writers_first);
    totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(totals != MAP_FAILED, "errno %d", errno);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "errno %d", errno);
    blocks_init();
    blocks_kinds[0] = make_kind(dir, 0, MEMKIND_MEM_USAGE_POLICY_DEFAULT, MEMKIND_FORK_SNAPSHOT);
    blocks_kinds[1] =
        make_kind(dir, 0, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE, MEMKIND_FORK_SNAPSHOT);
    blocks_kinds[2] =
        make_kind(dir, 16 * MIB, MEMKIND_MEM_USAGE_POLICY_DEFAULT, MEMKIND_FORK_SNAPSHOT);
    for (size_t i = 0; i < BLOCKS_KINDS; i++)
        CHECK(blocks_kinds[i] != NULL, "no kind in %s", dir);
    for (size_t i = 0; i < TABLES; i++)
        tables[i].seed = (unsigned)i;
}

int main(int argc, char **argv)
{
    size_t lost = 0;

    if (argc != 3) {
        fprintf(stderr, "Usage: %s DIR SECONDS\n", argv[0]);
        return 2;
    }
    dir = argv[1];
    begin();
    run((unsigned)strtoul(argv[2], NULL, 10));
    for (size_t i = 0; i < TABLES; i++)
        blocks_free(&tables[i]);
    add_counts();
    CHECK(thaw(LAST_TRIES, &tables[0].seed), "something stays frozen");
    for (size_t i = 0; i < BLOCKS_KINDS; i++)
        lost += bytes_lost_by(blocks_kinds[i]);
    printf("%lu forks, %lu blocks checked, %lu operations, %lu refused\n"
           "%lu of %lu times all was thawed beside threads, %lu kinds without a copy, %lu children "
           "killed\n"
           "%zu bytes lost\n",
           totals->forks, totals->checks, totals->operations, totals->refusals, totals->thaws,
           totals->thaws + totals->thaws_failed, totals->without_copy, totals->killed, lost);
    return lost == 0 ? 0 : 1;
}
