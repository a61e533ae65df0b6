/* SPDX-License-Identifier: BSD-2-Clause */
/* The numbers of a running process, in a nameless memory file. */
#include "preload/publish.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "os/descriptor.h"
#include "preload/descriptors.h"
#include "preload/numbers.h"
#include "preload/preload.h"
#include "preload/settings.h"
#include "util/errno_text.h"

static struct numbers_page *page;

/*
 * Called by one thread. The reader is another process, which compares the sequence before and
 * after.
 */
static void update(void)
{
    struct numbers numbers;

    numbers_take(&numbers);
    unsigned sequence = atomic_load_explicit(&page->sequence, memory_order_relaxed);
    atomic_store_explicit(&page->sequence, sequence + 1, memory_order_relaxed);
    /* The sequence must be odd before any number changes. */
    atomic_thread_fence(memory_order_release);
    page->numbers = numbers;
    atomic_store_explicit(&page->sequence, sequence + 2, memory_order_release);
}

static void *update_for_ever(void *unused)
{
    const struct timespec second = {.tv_sec = 1};

    /* Its own allocations are no part of the program's heap. */
    preload_set_thread(PRELOAD_BUSY);
    for (;;) {
        update();
        clock_nanosleep(CLOCK_MONOTONIC, 0, &second, NULL);
    }
    return unused;
}

/* Returns the file's descriptor, which stays open so that the file can be found; or -errno. */
static int make_page(void)
{
    int fd = memfd_create(NUMBERS_FILE, MFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    fd = descriptor_raise(fd);
    if (fd < 0)
        return fd;
    if (ftruncate(fd, sizeof(*page)) == 0) {
        page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (page != MAP_FAILED)
            return fd;
    }
    int err = -errno;
    close(fd);
    return err;
}

/* Blocks signals: the program's signals are for its own threads. */
static int start_thread(void)
{
    sigset_t all, before;
    pthread_t thread;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&thread, NULL, update_for_ever, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err == 0)
        pthread_detach(thread);
    return -err;
}

/* Describes the place of the heap: a word, or paths separated by colons. */
static void describe(char place[NUMBERS_DIRECTORY_SIZE])
{
    size_t used = 0;

    for (unsigned i = 0; i < preload.serving.count && used < NUMBERS_DIRECTORY_SIZE; i++) {
        memkind_t kind = preload.serving.kinds[i];
        const struct memkind_pmem *pmem = preload_file_of(kind);

        used += (size_t)snprintf(place + used, NUMBERS_DIRECTORY_SIZE - used, "%s%s",
                                 i != 0 ? ":" : "", pmem != NULL ? pmem->dir : kind->name);
    }
}

static int publish(void)
{
    int fd = make_page();

    if (fd < 0)
        return fd;
    page->version = NUMBERS_VERSION;
    page->process = (int32_t)getpid();
    describe(page->directory);
    update();
    int err = start_thread();
    if (err == 0) {
        descriptors_page = fd;
    } else {
        /* Readers would otherwise take numbers for current that never change. */
        munmap(page, sizeof(*page));
        close(fd);
    }
    return err;
}

bool publish_start(char *message)
{
    int err = publish();

    if (err != 0)
        snprintf(message, SETTINGS_MESSAGE_SIZE, "numbers cannot be published (%s)",
                 errno_text(-err));
    return err == 0;
}
