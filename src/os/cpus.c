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
    /* That is what the kernel says where the set is too small for its processors. */
    if (errno == EINVAL)
        return CPU_SETSIZE;
    /* A container's filter. This opens files, and does not know of affinity. */
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}
