/* SPDX-License-Identifier: BSD-2-Clause */
/* membarrier(2): a barrier that one thread makes for all threads of the process. */
#include "os/membarrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool query_membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

void membarrier_prepare(void)
{
    (void)query_membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

bool membarrier(void)
{
    return query_membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) ||
           (query_membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) &&
            query_membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
}
