/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Conditions that must hold, checked while the program runs.
 *
 * INVARIANT(condition) ends the process with a line on stderr where the condition is false. Builds
 * with MEMKIND_INVARIANTS (debug and sanitizers) check; others compile the condition, so that it
 * cannot rot, and do not evaluate it.
 */
#pragma once

#ifdef MEMKIND_INVARIANTS
#    define INVARIANT(condition) \
        ((condition) ? (void)0 : invariant_failed(#condition, __FILE__, __LINE__))
#else
#    define INVARIANT(condition) ((void)(0 && (condition)))
#endif

/* Writes what failed to stderr and calls abort(3). Async-signal-safe. */
_Noreturn void invariant_failed(const char *condition, const char *file, int line);
