/* SPDX-License-Identifier: BSD-2-Clause */
/* The processors that the process may run on. */
#include "backing/cpus.h"

#include <sched.h>

unsigned cpus_usable(void)
{
    cpu_set_t cpus;

    /* sysconf(3) would open files, and does not know of affinity. */
    if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
        return CPU_SETSIZE;
    return (unsigned)CPU_COUNT(&cpus);
}
