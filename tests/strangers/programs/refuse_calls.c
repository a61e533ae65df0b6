/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Executes a command under a filter of system calls, as container engines and man(1) do.
 *
 * Usage: refuse_calls EPERM|ENOSYS|kill CALL[,CALL...] COMMAND... Exits with 77 if filters are not
 * supported.
 */
#include <stdio.h>
#include <string.h>

#include "../../support/call_filter.h"

#define CALL(name)        \
    {                     \
#        name, SYS_##name \
    }

static const struct {
    const char *name;
    long number;
} calls[] = {
    CALL(fallocate),    CALL(membarrier), CALL(mbind),       CALL(get_mempolicy),
    CALL(memfd_create), CALL(madvise),    CALL(getrandom),   CALL(statx),
    CALL(mincore),      CALL(fstatfs),    CALL(close_range), CALL(sched_getaffinity),
    CALL(prlimit64),
};

static long number_of(const char *name)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (strcmp(name, calls[i].name) == 0)
            return calls[i].number;
    return -1;
}

static int answer_of(const char *text)
{
    if (strcmp(text, "kill") == 0)
        return CALL_FILTER_KILL;
    return strcmp(text, "EPERM") == 0 ? EPERM : ENOSYS;
}

int main(int argc, char **argv)
{
    struct call_filter_rule rules[CALL_FILTER_MOST];
    size_t count = 0;

    if (argc < 4)
        return 2;
    for (char *name = strtok(argv[2], ","); name != NULL; name = strtok(NULL, ",")) {
        long number = number_of(name);

        if (number < 0 || count == CALL_FILTER_MOST)
            return 2;
        rules[count++] = (struct call_filter_rule){.call = number, .error = answer_of(argv[1])};
    }
    if (!call_filter_install(rules, count))
        return 77;
    execvp(argv[3], argv + 3);
    return 127;
}
