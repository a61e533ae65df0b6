/* SPDX-License-Identifier: BSD-2-Clause */
/* Moments at which no thread of the program runs but the calling one. */
#include "os/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/thread_signal.h"

/* The links of /proc/self/task are its threads, "." and "..". */
#define LINKS_BESIDE 2

/* What a thread uses of its stack during the moment, and its thread-local data, end within that. */
#define NEAR ((uintptr_t)256 << 10)

/* The library's own threads. */
#define OWN_MOST 8

/* New threads of threads that still run are looked for so often. */
#define ROUNDS 8

#define TEXT_SIZE 2048

/* So often the status of a thread is read. */
#define TRIES 50u

static atomic_int own_threads[OWN_MOST]; /* their ids; 0: none */
static _Thread_local bool is_own;

static pid_t own_id(void)
{
    return (pid_t)syscall(SYS_gettid);
}

void threads_enter(void)
{
    is_own = true;
    for (size_t i = 0; i < OWN_MOST; i++) {
        int none = 0;

        if (atomic_compare_exchange_strong(&own_threads[i], &none, own_id()))
            return;
    }
}

void threads_leave(void)
{
    for (size_t i = 0; i < OWN_MOST; i++) {
        int id = own_id();

        atomic_compare_exchange_strong(&own_threads[i], &id, 0);
    }
    is_own = false;
}

void threads_after_fork(void)
{
    for (size_t i = 0; i < OWN_MOST; i++)
        atomic_store(&own_threads[i], 0);
    if (is_own)
        threads_enter();
}

static bool is_librarys(pid_t thread)
{
    for (size_t i = 0; i < OWN_MOST; i++)
        if (atomic_load(&own_threads[i]) == thread)
            return true;
    return false;
}

/*
 * An own thread that begins or ends is taken for one of the program's for a moment. While this is
 * the program's only thread, no other comes.
 */
static bool is_only_thread(void)
{
    struct stat status;
    nlink_t own = 0;

    for (size_t i = 0; i < OWN_MOST; i++)
        own += atomic_load(&own_threads[i]) != 0;
    return !is_own && stat("/proc/self/task", &status) == 0 &&
           status.st_nlink == LINKS_BESIDE + own + 1;
}

/* -- Where a thread is ------------------------------------------------------------------------- */

/* Reads a file of the thread, with a 0 behind it. */
static bool read_file(pid_t thread, const char *name, char text[TEXT_SIZE])
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/task/%d/%s", (int)thread, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, text, TEXT_SIZE - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

static const char *find_line(const char *text, const char *name)
{
    const char *line = strstr(text, name);

    return line != NULL ? line + strlen(name) : "";
}

/* Whether the thread takes signals: it is not stopped. */
static bool is_alive(char state)
{
    return state == 'R' || state == 'S' || state == 'D';
}

/*
 * Whether the thread will take the signal. One that runs and blocks it may be leaving the handler
 * of the last moment.
 */
static bool takes_signal(pid_t thread, int number)
{
    const struct timespec pause = {.tv_nsec = 200000};
    char text[TEXT_SIZE];
    char state = 'R';

    for (unsigned i = 0; i < TRIES && state == 'R'; i++) {
        if (!read_file(thread, "status", text))
            return false;
        state = *find_line(text, "\nState:\t");
        unsigned long long blocked = strtoull(find_line(text, "\nSigBlk:\t"), NULL, 16);
        if ((blocked >> (number - 1) & 1) == 0)
            return is_alive(state);
        nanosleep(&pause, NULL);
    }
    return false;
}

/* "running", or the number of the call, its six arguments, the stack and the next instruction. */
static bool read_place(const char *text, struct thread_place *place)
{
    enum { FIELDS = 9 };
    uintptr_t fields[FIELDS] = {0};
    const char *next = text;
    char *end = NULL;

    place->call = -1;
    if (strncmp(text, "running", strlen("running")) == 0)
        return true;
    for (size_t i = 0; i < FIELDS; i++, next = end) {
        fields[i] = i == 0 ? (uintptr_t)strtol(next, &end, 10) : strtoull(next, &end, 16);
        if (end == next)
            return false;
    }
    *place = (struct thread_place){
        .call = (long)fields[0],
        .first_argument = fields[1],
        .stack = fields[FIELDS - 2],
        .next = fields[FIELDS - 1],
    };
    return thread_signal_repeats(place->call);
}

static bool find_place(pid_t thread, int number, struct thread_place *place)
{
    char text[TEXT_SIZE];

    return takes_signal(thread, number) && read_file(thread, "syscall", text) &&
           read_place(text, place);
}

/* -- All threads ------------------------------------------------------------------------------- */

struct directory_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

/* Those that have got the signal in this moment. */
static pid_t signalled[THREAD_SIGNAL_MOST];
static unsigned signalled_count;

static bool is_signalled(pid_t thread)
{
    for (unsigned i = 0; i < signalled_count; i++)
        if (signalled[i] == thread)
            return true;
    return false;
}

/* False where the thread cannot be stopped. */
static bool signal_thread(pid_t thread, int number)
{
    struct thread_place place;

    if (signalled_count == THREAD_SIGNAL_MOST || !find_place(thread, number, &place))
        return false;
    if (thread_signal_send(thread, signalled_count, &place) != 0)
        return false;
    signalled[signalled_count++] = thread;
    return true;
}

static bool signal_listed(const char *list, size_t size, int number)
{
    size_t at = 0;

    while (at < size) {
        const struct directory_entry *entry = (const void *)(list + at);
        pid_t thread = (pid_t)strtol(entry->name, NULL, 10);

        at += entry->size;
        if (thread > 0 && thread != own_id() && !is_librarys(thread) && !is_signalled(thread) &&
            !signal_thread(thread, number))
            return false;
    }
    return true;
}

/* Sends the signal to each thread that has not got it; without memory, as opendir(3) needs. */
static bool signal_new_threads(int number)
{
    _Alignas(struct directory_entry) char list[TEXT_SIZE];
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool can = fd >= 0;
    long size = 1;

    while (can && size > 0) {
        size = syscall(SYS_getdents64, fd, list, sizeof(list));
        can = size >= 0 && signal_listed(list, (size_t)size, number);
    }
    if (fd >= 0)
        close(fd);
    return can;
}

/* Until there are no threads but those that wait. */
static bool signal_all(int number)
{
    signalled_count = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned before = signalled_count;

        if (!signal_new_threads(number) || !thread_signal_wait(signalled_count))
            return false;
        if (signalled_count == before)
            return true;
    }
    return false;
}

static bool stop_others(struct threads_stop *stop)
{
    int number = thread_signal_prepare();

    if (number == 0)
        return false;
    thread_signal_begin();
    if (signal_all(number)) {
        stop->others = signalled_count;
        return true;
    }
    thread_signal_end();
    return false;
}

/* -- The moment -------------------------------------------------------------------------------- */

bool threads_stop(struct threads_stop *stop, bool others)
{
    sigset_t all;
    int saved_errno = errno;

    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &stop->mask) != 0)
        return false;
    stop->others = 0;
    stop->stack = (uintptr_t)__builtin_frame_address(0);
    stop->local = (uintptr_t)&errno;
    bool stopped = is_only_thread() || (others && stop_others(stop));
    if (!stopped)
        (void)pthread_sigmask(SIG_SETMASK, &stop->mask, NULL);
    errno = saved_errno;
    return stopped;
}

void threads_continue(const struct threads_stop *stop)
{
    if (stop->others != 0)
        thread_signal_end();
    (void)pthread_sigmask(SIG_SETMASK, &stop->mask, NULL);
}

static bool is_near(uintptr_t address, uintptr_t first, uintptr_t end)
{
    return address + NEAR >= first && address <= end + NEAR;
}

bool threads_use(const struct threads_stop *stop, const char *addr, size_t size)
{
    uintptr_t first = (uintptr_t)addr;

    return is_near(stop->stack, first, first + size) || is_near(stop->local, first, first + size) ||
           thread_signal_is_near(stop->others, first, first + size, NEAR);
}
