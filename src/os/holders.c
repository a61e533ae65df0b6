/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of processes that share memory since a fork. */
#include "os/holders.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>

#include "util/lock.h"

/* A process that drops privileges must still be able to read the count. */
#define READABLE (S_IRUSR | S_IRGRP | S_IROTH)

struct holders {
    void *attached;
    int id;        /* of the segment */
    unsigned uses; /* 0: this element of `sets` is unused */
};

static struct holders sets[HOLDERS_MOST];
static struct holders *own;                              /* the set that begins with this process */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */

static struct holders *find_unused(void)
{
    for (size_t i = 0; i < HOLDERS_MOST; i++)
        if (sets[i].uses == 0)
            return &sets[i];
    return NULL;
}

/* Whether shmctl(2) is permitted: a filter of system calls may allow shmget(2) alone. */
static bool can_remove(void)
{
    return shmctl(-1, IPC_RMID, NULL) == 0 || errno == EINVAL;
}

/* Returns 0, or -errno without a segment left behind. */
static int attach(struct holders *holders)
{
    if (!can_remove())
        return -errno;
    int id = shmget(IPC_PRIVATE, 1, IPC_CREAT | READABLE);

    if (id < 0)
        return -errno;
    void *attached = shmat(id, NULL, SHM_RDONLY);
    int err = (intptr_t)attached == -1 ? -errno : 0;
    (void)shmctl(id, IPC_RMID, NULL);
    if (err == 0)
        *holders = (struct holders){.id = id, .attached = attached};
    return err;
}

/* Returns a new set. NULL: *err is -errno. */
static struct holders *begin(int *err)
{
    struct holders *holders = find_unused();

    *err = holders == NULL ? -ENFILE : attach(holders);
    return *err == 0 ? holders : NULL;
}

struct holders *holders_get(int *err)
{
    int saved_errno = errno;

    lock_acquire(&lock, LOCK_HOLDERS);
    *err = 0;
    if (own == NULL)
        own = begin(err);
    struct holders *holders = own;
    if (holders != NULL)
        holders->uses++;
    lock_release(&lock);
    errno = saved_errno;
    return holders;
}

static void leave(struct holders *holders)
{
    (void)shmdt(holders->attached);
    if (own == holders)
        own = NULL;
}

void holders_put(struct holders *holders)
{
    int saved_errno = errno;

    lock_acquire(&lock, LOCK_HOLDERS);
    if (--holders->uses == 0)
        leave(holders);
    lock_release(&lock);
    errno = saved_errno;
}

bool holders_are_one(const struct holders *holders)
{
    struct shmid_ds status;
    int saved_errno = errno;
    bool one = shmctl(holders->id, IPC_STAT, &status) == 0 && status.shm_nattch == 1;

    errno = saved_errno;
    return one;
}

void holders_after_fork(void)
{
    (void)lock_init(&lock);
    own = NULL;
}
