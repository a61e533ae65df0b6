#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counts the page faults of `true` with the library and with the preload library, beyond libc's.

Usage: start.py LIBRARY PRELOAD. The kernel counts (getrusage(2)); the least of several runs is
taken. Exits with 1 where a count is beyond its limit.
"""
import os
import shutil
import sys

RUNS = 9
# Beyond those of the same run without the library.
LIMITS = {"the library": 32, "the preload library": 41}


def faults(program, preload, directory):
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("LD_", "MEMKIND_"))}
    if preload:
        env.update(LD_PRELOAD=preload, MEMKIND_PRELOAD_DIR=directory, MEMKIND_PRELOAD_STRICT="1")
    counts = []
    for _ in range(RUNS):
        child = os.posix_spawn(program, [program], env)
        _, status, usage = os.wait4(child, 0)
        if status != 0:
            sys.exit(f"{program} with {preload}: status {status}")
        counts.append(usage.ru_minflt)
    return min(counts)


def main():
    library, preload = sys.argv[1:3]
    directory = os.environ.get("MEMKIND_TEST_DIR", "/dev/shm")
    program = shutil.which("true")
    alone = faults(program, None, directory)
    print(f"libc alone: {alone} page faults")
    failures = 0
    for (what, limit), path in zip(LIMITS.items(), (library, preload)):
        beyond = faults(program, path, directory) - alone
        print(f"{what}: {beyond} more, at most {limit}")
        failures += not 0 < beyond <= limit
    return failures != 0


sys.exit(main())
