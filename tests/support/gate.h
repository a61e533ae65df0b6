/* SPDX-License-Identifier: BSD-2-Clause */
/* A gate: one process or thread waits until another opens it. A failure ends the process. */
#pragma once

#include <unistd.h>

#include "support/check.h"

struct gate {
    int ends[2];
};

static inline struct gate gate_new(void)
{
    struct gate gate;

    CHECK(pipe(gate.ends) == 0);
    return gate;
}

/* Lets one wait pass. */
static inline void gate_open(const struct gate *gate)
{
    CHECK(write(gate->ends[1], "", 1) == 1);
}

static inline void gate_wait(const struct gate *gate)
{
    char byte;

    CHECK(read(gate->ends[0], &byte, 1) == 1);
}

static inline void gate_close(const struct gate *gate)
{
    close(gate->ends[0]);
    close(gate->ends[1]);
}
