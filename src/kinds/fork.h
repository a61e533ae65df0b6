/* SPDX-License-Identifier: BSD-2-Clause */
/* The handlers of fork(2). */
#pragma once

/*
 * Registers the handlers, unless that was done when the library was loaded. 0 or -ENOMEM. Without
 * handlers a child would use inherited kinds as its own, so there must be no kind whose memory
 * processes share. Thread-safe.
 */
int fork_install(void);
