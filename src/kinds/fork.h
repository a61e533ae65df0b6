/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens to the kinds when the process forks. */
#pragma once

/*
 * Registers the handlers, unless the library has done so when it was loaded. 0, or -ENOMEM: then a
 * child would take what it inherits for its own, and there must be no kind that processes share.
 * Thread-safe.
 */
int fork_install(void);
