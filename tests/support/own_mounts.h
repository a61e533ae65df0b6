/* SPDX-License-Identifier: BSD-2-Clause */
/* Mounts that no other process sees. */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <unistd.h>

/* Gives the process a mount namespace of its own. False, with errno, where it may not have one. */
static inline bool own_mounts(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}
