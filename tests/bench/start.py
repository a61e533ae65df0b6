#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counts the page faults of short processes with the library, beyond those without.

Usage: start.py LIBRARY PRELOAD PAIR. PAIR allocates and frees as many blocks as its argument says.
The kernel counts (getrusage(2)); the least of several runs is taken. Exits with 1 where a count is
beyond its limit.
"""
import os
import shutil
import sys

RUNS = 9


def faults(command, environment):
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("LD_", "MEMKIND_"))}
    env.update(environment)
    counts = []
    for _ in range(RUNS):
        child = os.posix_spawn(command[0], command, env)
        _, status, usage = os.wait4(child, 0)
        if status != 0:
            sys.exit(f"{command} with {environment}: status {status}")
        counts.append(usage.ru_minflt)
    return min(counts)


def main():
    library, preload, pair = sys.argv[1:4]
    directory = os.environ.get("MEMKIND_TEST_DIR", "/dev/shm")
    true = [shutil.which("true")]
    one = [pair, "1"]
    heap = {"LD_PRELOAD": preload, "MEMKIND_PRELOAD_DIR": directory, "MEMKIND_PRELOAD_STRICT": "1"}
    cases = (
        ("true with the library", true, {"LD_PRELOAD": library}, 32),
        ("true with the preload library", true, heap, 41),
        ("a block of the heap", one, heap, 185),
        ("a block before the heap", one, {**heap, "MEMKIND_PRELOAD_AFTER": "4K"}, 46),
    )
    failures = 0
    for what, command, environment, limit in cases:
        beyond = faults(command, environment) - faults(command, {})
        print(f"{what}: {beyond} more page faults than without, at most {limit}")
        failures += not 0 < beyond <= limit
    return failures != 0


sys.exit(main())
