/* SPDX-License-Identifier: BSD-2-Clause */
/* A mount namespace for one test process. */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <unistd.h>

/* Moves the process into a new mount namespace. False with errno: not permitted. */
static inline bool own_mounts(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}
