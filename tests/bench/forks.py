#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a fork costs a program whose heap lies in a file, beside libc's malloc.

usage: forks.py LIBRARY PRELOAD-LIBRARY PROGRAM [--directory DIR]... [--sizes MIB,MIB...]
                [--rounds N] [--subshells N] [--svg FILE] [--test]

PROGRAM is build/release/tests/bench/fork. Prints tables in Markdown of the least of some rounds in
turns: the pause of fork(2), the parent's writes to a tenth of its pages while the child lives, the
file space that a child needs which has done nothing yet, and malloc_trim(3) after its end, which
thaws; subshells of bash; and what each of 100 kinds adds. --svg draws the pause against the heap's
size in the first directory.

--test: measures small heaps once, and exits with 1 where a child needs file space or what is thawed
stays in DRAM. Times are not judged.
"""

import argparse
import math
import os
import resource
import subprocess
import sys
import time

from svg import Picture

MODES = {
    "libc": "#475569",
    "frozen": "#0f766e",
    "copy": "#c2410c",
}
BLOCKS_KIB = (64, 4)
DESCRIPTORS = 4096
# Beyond that, in MiB, a process has more DRAM than its stack, its libraries and metadata need.
OWN_MEMORY = 12


def environment(mode, arguments, directory):
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LD_PRELOAD", "MEMKIND_PRELOAD", "MEMKIND_PMEM"))
    }
    if mode != "libc":
        env.update(
            LD_PRELOAD=arguments.preload,
            MEMKIND_PRELOAD_DIR=directory,
            MEMKIND_PRELOAD_STRICT="1",
        )
    if mode == "copy":
        env["MEMKIND_PMEM_FORK"] = "copy"
    return env


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def run(command, env):
    """The numbers that the program prints, by name."""
    output = subprocess.run(
        command, env=env, check=True, stdout=subprocess.PIPE, preexec_fn=limit_descriptors
    ).stdout.decode("ascii")
    return {name: float(value) for name, value in map(str.split, output.splitlines())}


def least(results):
    return {name: min(result[name] for result in results) for name in results[0]}


def measure(arguments, directory, size, kib):
    """The least of each number, for each mode; the modes take turns."""
    results = {mode: [] for mode in MODES}
    for _ in range(arguments.rounds):
        for mode in MODES:
            results[mode].append(
                run(
                    [arguments.program, str(size), str(kib)],
                    environment(mode, arguments, directory),
                )
            )
    return {mode: least(result) for mode, result in results.items()}


def subshells(arguments, directory):
    """Seconds of a bash with so many subshells, for each mode but the copy."""
    script = f"for ((i = 0; i < {arguments.subshells}; i++)); do (:); done"
    best = {}
    for _ in range(arguments.rounds):
        for mode in ("libc", "frozen"):
            begin = time.monotonic()
            subprocess.run(
                ["bash", "-c", script],
                env=environment(mode, arguments, directory),
                check=True,
            )
            best[mode] = min(best.get(mode, 1e9), time.monotonic() - begin)
    return best


def kinds(arguments, directory):
    env = environment("libc", arguments, directory)
    env["MEMKIND_LIBRARY"] = arguments.library
    command = [arguments.program, "--kinds", "100", directory]
    return least([run(command, env) for _ in range(arguments.rounds)])


def file_system(directory):
    output = subprocess.run(
        ["stat", "-f", "-c", "%T", directory], check=True, stdout=subprocess.PIPE
    ).stdout.decode("ascii")
    return output.strip().replace("ext2/ext3", "ext4")


# -- Tables and picture ----------------------------------------------------------------------------


def show(value):
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def print_heaps(arguments, directory):
    """Prints a row for each heap. Returns the pauses by size of block, mode and size of heap."""
    pauses = {kib: {mode: {} for mode in MODES} for kib in BLOCKS_KIB}
    print(
        f"\n{file_system(directory)}\n\n"
        "| heap, blocks | pause: libc | frozen | copy | writes: libc | frozen "
        "| file space: frozen | copy | thaw |\n|---|---|---|---|---|---|---|---|---|"
    )
    for kib in BLOCKS_KIB:
        for size in arguments.sizes:
            results = measure(arguments, directory, size, kib)
            for mode in MODES:
                pauses[kib][mode][size] = results[mode]["pause"]
            libc, frozen, copy = (results[mode] for mode in MODES)
            print(
                f"| {size} MiB, {kib} KiB | "
                + " | ".join(show(result["pause"]) for result in (libc, frozen, copy))
                + f" | {show(libc['writes'])} | {show(frozen['writes'])}"
                f" | {frozen['space']:.0f} | {copy['space']:.0f} | {show(frozen['thaw'])} |",
                flush=True,
            )
            if arguments.test:
                check(size, frozen, copy)
    return pauses


def check(size, frozen, copy):
    if frozen["space"] != 0 or copy["space"] < size:
        sys.exit(f"FAILED: file space of a child: {frozen['space']} MiB, copy {copy['space']}")
    if frozen["private"] < size / 10 or frozen["thawed"] > OWN_MEMORY:
        sys.exit(f"FAILED: DRAM: {frozen['private']} MiB, {frozen['thawed']} when thawed")


def print_others(arguments):
    print("\n| | file system | libc | here |\n|---|---|---|---|")
    for directory in arguments.directory:
        name = file_system(directory)
        seconds = subshells(arguments, directory)
        print(
            f"| {arguments.subshells} subshells of bash, s | {name} | {seconds['libc']:.2f} "
            f"| {seconds['frozen']:.2f}, {seconds['frozen'] / seconds['libc']:.2f} times |",
            flush=True,
        )
        added = kinds(arguments, directory)
        print(
            f"| each of 100 used kinds, first and later forks, µs | {name} | "
            f"| {added['first']:.1f}, {added['later']:.1f} |",
            flush=True,
        )


def draw(pauses, sizes, where, path):
    """Lines on two logarithmic axes: the size of the heap, and the pause in ms."""
    width, height, left, top, gap = 420, 300, 70, 60, 90
    decades = (0.1, 1, 10, 100, 1000, 10000)
    picture = Picture(
        2 * width + left + gap + 110, height + top + 60, "Drawn by tests/bench/forks.py."
    )
    picture.text(
        left, 24, f"Pause of fork(2) by the size of the heap, on {where}, in ms", font_size=15
    )

    def y_of(value):
        share = math.log(max(value, decades[0]) / decades[0]) / math.log(decades[-1] / decades[0])
        return top + height * (1 - share)

    for panel, (kib, modes) in enumerate(pauses.items()):
        x0 = left + panel * (width + gap)
        step = width / max(len(sizes) - 1, 1)
        picture.text(x0, top - 12, f"blocks of {kib} KiB")
        for decade in decades:
            y = y_of(decade)
            picture.grid_line(x0, x0 + width, f"{y:.1f}")
            picture.text(x0 - 6, f"{y + 4:.1f}", f"{decade:g}", text_anchor="end")
        for i, size in enumerate(sizes):
            picture.text(
                f"{x0 + i * step:.1f}", top + height + 18, f"{size} MiB", text_anchor="middle"
            )
        for mode, colour in MODES.items():
            points = [
                f"{x0 + i * step:.1f},{y_of(modes[mode][size]):.1f}"
                for i, size in enumerate(sizes)
            ]
            last = y_of(modes[mode][sizes[-1]])
            picture.curve(points, colour)
            picture.text(x0 + width + 6, f"{last + 4:.1f}", mode, fill=colour)
    picture.write(path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", type=os.path.abspath)
    parser.add_argument("preload", type=os.path.abspath)
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("--directory", action="append", type=os.path.abspath)
    parser.add_argument("--sizes", default="16,64,256,1024")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--subshells", type=int, default=1000)
    parser.add_argument("--svg")
    parser.add_argument("--test", action="store_true")
    arguments = parser.parse_args()
    arguments.directory = arguments.directory or [os.environ.get("MEMKIND_TEST_DIR", "/dev/shm")]
    arguments.sizes = [int(size) for size in arguments.sizes.split(",")]
    if arguments.test:
        arguments.sizes, arguments.rounds, arguments.subshells = [16, 64], 1, 10
    pauses = [print_heaps(arguments, directory) for directory in arguments.directory]
    print_others(arguments)
    if arguments.svg:
        draw(pauses[0], arguments.sizes, file_system(arguments.directory[0]), arguments.svg)


main()
