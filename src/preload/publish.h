/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_PRELOAD_PUBLISH: the numbers of a running process, for memkind-pmem(1). */
#pragma once

#include <stdbool.h>

/*
 * Begins to publish: a thread brings the numbers up to date each second. The kind is there. False
 * where that cannot be, with a message as of settings_read().
 */
bool publish_start(char *message);
