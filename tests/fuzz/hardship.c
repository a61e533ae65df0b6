/* SPDX-License-Identifier: BSD-2-Clause */
/* Inputs whose second part a child process plays under adverse conditions. */
#include "fuzz/hardship.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz/operations.h"
#include "fuzz/players.h"
#include "support/call_filter.h"

#define PATIENCE_S   600 /* of the parent, before it kills a child that hangs */
#define NOBODY       65534
#define MOST_NUMBERS 64
#define FORKS        4
#define FIRST_OF_ALL 3 /* the first descriptor that is not a standard stream */
#define PARENTS_PART 4 /* one record of so many is the parent's */
#define GENERATIONS  2 /* of processes that fork on, after the first */
#define TEXT         "text of the program"

/* In the last round, the thread sanitizer has already forgotten the thread. */
#ifdef __SANITIZE_THREAD__
#    define ROUNDS (PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#else
#    define ROUNDS PTHREAD_DESTRUCTOR_ITERATIONS
#endif

static struct model_world world;

/* The records that remain to be played. */
struct part {
    const uint8_t *records;
    size_t count;
};

/* -- Play -------------------------------------------------------------------------------------- */

/*
 * Returns whether the operation's result depends on what fails here, or it belongs to players in
 * turns.
 */
static bool is_left_out(enum operation operation)
{
    switch (operation) {
    case OPERATION_create_wrongly:
    case OPERATION_ask_kind:
    case OPERATION_ask_library:
    case OPERATION_background:
    case OPERATION_limit_files:
    case OPERATION_take_turn:
    case OPERATION_end_thread:
    case OPERATION_hand_over:
        return true;
    default:
        return false;
    }
}

/* Plays `count` records, or as many as there are. Skips kinds that cannot be created. */
static void play(struct part *part, size_t count)
{
    for (; count != 0 && part->count != 0; count--) {
        struct input_record record = input_record(part->records);
        bool leave_out = world.in_hardship && is_left_out(operation_of(record.operation));

        part->records += INPUT_RECORD;
        part->count--;
        if (!leave_out && kinds_get(&world, input_slot(&record), record.b)->handle != NULL)
            operation_run(&world, &record);
    }
}

static void play_rest(struct part *part)
{
    play(part, part->count);
}

/* Marks the blocks of kinds in files, unless they are copied, as the parent's. */
static void note_lent(void)
{
    for (size_t i = 0; i < world.count; i++) {
        const struct model_kind *kind = &world.kinds[world.blocks[i]->slot];
        world.blocks[i]->lent = kind->sort == MODEL_PMEM && !kind->copied;
    }
}

/* Forgets blocks of the parent, which goes on and reuses their memory. */
static void forget_lent(void)
{
    for (size_t i = world.count; i-- > 0;)
        if (world.blocks[i]->lent) {
            struct model_block *block = world.blocks[i];
            model_detach(&world, block);
            free(block);
        }
}

/* -- System calls that fail -------------------------------------------------------------------- */

static void without_calls(struct part *part, unsigned number)
{
    static const struct call_filter_rule rules[] = {
        {.call = SYS_fallocate},  {.call = SYS_madvise},
        {.call = SYS_membarrier}, {.call = SYS_mbind},
        {.call = SYS_mincore},    {.call = SYS_memfd_create},
        {.call = SYS_ftruncate},  {.call = SYS_fstatfs},
        {.call = SYS_newfstatat}, {.call = SYS_openat},
        {.call = SYS_fcntl},      {.call = SYS_prlimit64},
        {.call = SYS_pwrite64},   {.call = SYS_lseek},
        {.call = SYS_mprotect},   {.call = SYS_mmap, .argument = 3, .masked = MAP_SHARED},
    };
    static const int errors[] = {EPERM, ENOSYS, ENOMEM, ENOSPC};
    enum { RULES = sizeof(rules) / sizeof(rules[0]) };
    struct call_filter_rule chosen[2] = {rules[number % RULES], rules[number / 7 % RULES]};

    chosen[0].error = chosen[1].error = errors[number / RULES % 4];
    if (!CALL_FILTER_SANITIZED)
        (void)call_filter_install(chosen, 1 + number % 2);
    play_rest(part);
}

/* -- Descriptors ------------------------------------------------------------------------------- */

static size_t list_numbers(int *numbers)
{
    DIR *folder = opendir("/proc/self/fd");
    const struct dirent *entry;
    size_t count = 0;

    if (folder == NULL)
        return 0;
    while ((entry = readdir(folder)) != NULL && count < MOST_NUMBERS)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) >= FIRST_OF_ALL &&
            atoi(entry->d_name) != dirfd(folder))
            numbers[count++] = atoi(entry->d_name);
    closedir(folder);
    return count;
}

/* Files of the program get all of the library's descriptor numbers, or some. */
static void with_descriptors_taken(struct part *part, unsigned number)
{
    int numbers[MOST_NUMBERS];
    size_t count = list_numbers(numbers);
    char text[sizeof(TEXT)];
    struct stat status;

    for (size_t i = 0; i < count; i++)
        close(numbers[i]);
    int own = memfd_create("fuzz", MFD_CLOEXEC);
    MODEL_CHECK(own >= 0 && write(own, TEXT, sizeof(TEXT)) == sizeof(TEXT), "no file");
    for (size_t i = 0; i < count; i++)
        if (numbers[i] != own && (number + i) % 3 != 0)
            MODEL_CHECK(dup2(own, numbers[i]) == numbers[i], "no number");
    play_rest(part);
    MODEL_CHECK(fstat(own, &status) == 0 && status.st_size == sizeof(TEXT) &&
                    pread(own, text, sizeof(text), 0) == sizeof(text) &&
                    memcmp(text, TEXT, sizeof(TEXT)) == 0,
                "the program's file was changed");
}

static void without_descriptors(struct part *part, unsigned number)
{
    struct rlimit limit = {.rlim_cur = FIRST_OF_ALL + number % 4, .rlim_max = 1024};

    (void)setrlimit(RLIMIT_NOFILE, &limit);
    play_rest(part);
}

/* -- Rights ------------------------------------------------------------------------------------ */

static void without_rights(struct part *part, unsigned number)
{
    (void)number;
    if (geteuid() == 0)
        MODEL_CHECK(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
                        setresuid(NOBODY, NOBODY, NOBODY) == 0,
                    "rights are kept");
    play_rest(part);
}

/* -- Destructors ------------------------------------------------------------------------------- */

struct ending {
    struct part *part;
    pthread_key_t key;
    unsigned rounds;
    size_t at_once;
};

static void play_in_destructor(void *value)
{
    struct ending *ending = value;

    play(ending->part, ending->at_once);
    if (++ending->rounds < ROUNDS)
        pthread_setspecific(ending->key, ending);
}

static void *end_at_once(void *value)
{
    struct ending *ending = value;

    /* Otherwise the thread first uses the library in its last destructor. */
    if (ending->at_once % 2 != 0)
        play(ending->part, ending->at_once);
    pthread_setspecific(ending->key, ending);
    return NULL;
}

static void in_destructors(struct part *part, unsigned number)
{
    struct ending ending = {.part = part, .at_once = 1 + number % 8};
    pthread_t thread;

    MODEL_CHECK(pthread_key_create(&ending.key, play_in_destructor) == 0, "no key");
    while (part->count != 0) {
        ending.rounds = 0;
        MODEL_CHECK(pthread_create(&thread, NULL, end_at_once, &ending) == 0, "no thread");
        pthread_join(thread, NULL);
        /* Few records, because threads are expensive. */
        play(part, 200);
    }
}

/* -- Reports beside forks ---------------------------------------------------------------------- */

static atomic_bool stop;

static void ignore_text(void *opaque, const char *text)
{
    (void)opaque;
    (void)text;
}

static void *report_on(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop))
        (void)memkind_stats_print(ignore_text, NULL, MEMKIND_STAT_PRINT_JSON_FORMAT);
    return NULL;
}

static void clear(void);

/* Waits for the child, and fails unless it ends successfully. */
static void wait_for(pid_t child)
{
    int status = 0;

    MODEL_CHECK(child > 0 && waitpid(child, &status, 0) == child, "no child");
    MODEL_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                "a child in hardship ended with status %#x", (unsigned)status);
}

static void beside_reports(struct part *part, unsigned number)
{
    pthread_t reporter;

    (void)number;
    MODEL_CHECK(pthread_create(&reporter, NULL, report_on, NULL) == 0, "no thread");
    for (size_t i = 0; i < FORKS; i++) {
        struct part slice = {part->records, part->count / FORKS};
        pid_t child = fork();

        if (child == 0) {
            alarm(PATIENCE_S);
            note_lent();
            forget_lent();
            play_rest(&slice);
            clear();
            _exit(0);
        }
        play(part, part->count / FORKS);
        wait_for(child);
    }
    play_rest(part);
    atomic_store(&stop, true);
    pthread_join(reporter, NULL);
}

/* -- All --------------------------------------------------------------------------------------- */

static void (*const hardships[])(struct part *part, unsigned number) = {
    without_calls,  with_descriptors_taken, without_calls, without_descriptors,
    without_rights, in_destructors,         without_calls, beside_reports,
};

static void clear(void)
{
    players_clear(&world);
    model_end(&world);
}

static void live(struct part *part, unsigned number)
{
    enum { HARDSHIPS = sizeof(hardships) / sizeof(hardships[0]) };

    alarm(PATIENCE_S);
    world.in_hardship = true;
    world.exact = false;
    note_lent();
    hardships[number % HARDSHIPS](part, number / HARDSHIPS);
    clear();
}

/* -- Forks of forks ---------------------------------------------------------------------------- */

/* When the child is gone, what was frozen for it is in its file again, and the account is exact. */
static void thaw_kinds(void)
{
    for (unsigned slot = 0; slot < MODEL_SLOTS; slot++)
        if (world.kinds[slot].handle != NULL && world.kinds[slot].copied)
            (void)memkind_purge(world.kinds[slot].handle);
}

static void fork_on(struct part *part, unsigned generation, unsigned number);

/* In a child: kinds with a copy have every byte as at the fork, and so has its own child's. */
_Noreturn static void live_on(struct part *part, unsigned generation, unsigned number)
{
    alarm(PATIENCE_S);
    note_lent();
    forget_lent();
    model_check_all(&world);
    fork_on(part, generation, number);
    clear();
    _exit(0);
}

/*
 * Plays the records in parts, each beside a child that plays them too. The process waits for the
 * child before its part or after it.
 */
static void fork_on(struct part *part, unsigned generation, unsigned number)
{
    for (unsigned i = 0; i < FORKS && part->count != 0; i++) {
        struct part slice = {part->records, part->count / (FORKS - i)};
        pid_t child = generation < GENERATIONS ? fork() : 0;
        bool first = (number >> i & 1) != 0;

        if (child == 0 && generation < GENERATIONS)
            live_on(&slice, generation + 1, number >> 1);
        if (child != 0 && first)
            wait_for(child);
        play(part, slice.count);
        if (child != 0 && !first)
            wait_for(child);
        if ((number >> (FORKS + i) & 1) != 0)
            thaw_kinds();
    }
}

unsigned long hardship_fork(const uint8_t *records, size_t count, const char *dir, unsigned number)
{
    struct part part = {.records = records, .count = count};

    model_begin(&world, dir, true);
    play(&part, count / PARENTS_PART);
    questions_reset(&world);
    world.exact = false;
    world.in_hardship = true;
    model_call(&world, "forks", -1, NULL, number, part.count);
    fork_on(&part, 0, number);
    thaw_kinds();
    world.exact = true;
    world.in_hardship = false;
    clear();
    return world.calls;
}

/* -- A child in hardship ----------------------------------------------------------------------- */

unsigned long hardship_play(const uint8_t *records, size_t count, const char *dir, unsigned number)
{
    struct part part = {.records = records, .count = count};

    model_begin(&world, dir, true);
    play(&part, count / PARENTS_PART);
    questions_reset(&world);
    model_call(&world, "fork", -1, NULL, number, part.count);
    pid_t child = fork();
    if (child == 0) {
        live(&part, number);
        _exit(0);
    }
    wait_for(child);
    thaw_kinds();
    clear();
    return world.calls;
}
