/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_PRELOAD_PUBLISH: the numbers of a running process, for memkind-pmem(1). */
#pragma once

#include <stdbool.h>

/*
 * Starts publishing: a thread updates the numbers each second. The kind must exist. False, with a
 * message as of settings_read(): failure.
 */
bool publish_start(char *message);
