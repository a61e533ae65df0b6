/* SPDX-License-Identifier: BSD-2-Clause */
/* The processors that the process may run on. */
#include "os/cpus.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

unsigned cpus_usable(void)
{
    cpu_set_t cpus;

    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        return (unsigned)CPU_COUNT(&cpus);
    /* The set is too small for the processors of the kernel. */
    if (errno == EINVAL)
        return CPU_SETSIZE;
    /* A filter of system calls. sysconf(3) opens files, and ignores affinity. */
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}
