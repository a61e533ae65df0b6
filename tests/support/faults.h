/* SPDX-License-Identifier: BSD-2-Clause */
/* Injected failures for functions that a test replaces with --wrap. */
#pragma once

#include <errno.h>
#include <limits.h>
#include <stdbool.h>

#define FAULT_ALWAYS UINT_MAX

struct fault {
    int error;      /* errno of the calls that fail */
    unsigned skip;  /* calls that succeed first */
    unsigned times; /* calls that then fail */
    unsigned calls; /* calls so far */
};

/* Makes the next `times` calls fail with the error. */
static inline void fault_set(struct fault *fault, int error, unsigned times)
{
    *fault = (struct fault){.error = error, .times = times};
}

/* Returns whether this call is to fail, and sets errno if so. */
static inline bool fault_hits(struct fault *fault)
{
    unsigned call = __atomic_add_fetch(&fault->calls, 1, __ATOMIC_RELAXED);

    if (call <= fault->skip || call - fault->skip > fault->times)
        return false;
    errno = fault->error;
    return true;
}

/* The same, but calls are counted only while failures are set. */
static inline bool fault_hits_if_set(struct fault *fault)
{
    return fault->times > 0 && fault_hits(fault);
}
