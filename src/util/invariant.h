/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Conditions that must hold, checked at run time.
 *
 * INVARIANT(condition) prints a line to stderr and aborts if the condition is false. Builds with
 * MEMKIND_INVARIANTS (debug and sanitizers) check. Other builds compile the condition, so that it
 * stays valid code, but do not evaluate it.
 */
#pragma once

#ifdef MEMKIND_INVARIANTS
#    define INVARIANT(condition) \
        ((condition) ? (void)0 : invariant_failed(#condition, __FILE__, __LINE__))
#else
#    define INVARIANT(condition) ((void)(0 && (condition)))
#endif

/* Writes the condition and its place to stderr and calls abort(3). Async-signal-safe. */
_Noreturn void invariant_failed(const char *condition, const char *file, int line);
