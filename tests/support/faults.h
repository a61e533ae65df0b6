/* SPDX-License-Identifier: BSD-2-Clause */
/* Failures on demand, for the functions that a test replaces with --wrap. */
#pragma once

#include <errno.h>
#include <limits.h>
#include <stdbool.h>

#define FAULT_ALWAYS UINT_MAX

struct fault {
    int error;      /* errno of the calls that fail */
    unsigned skip;  /* calls that work before */
    unsigned times; /* calls that fail then */
    unsigned calls; /* seen so far */
};

/* Makes the next so many calls fail with the error. */
static inline void fault_set(struct fault *fault, int error, unsigned times)
{
    *fault = (struct fault){.error = error, .times = times};
}

/* Whether this call is to fail; then errno is set. */
static inline bool fault_hits(struct fault *fault)
{
    fault->calls++;
    if (fault->calls <= fault->skip || fault->calls - fault->skip > fault->times)
        return false;
    errno = fault->error;
    return true;
}
