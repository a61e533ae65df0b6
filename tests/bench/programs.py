# SPDX-License-Identifier: BSD-2-Clause
"""Processor time and DRAM of programs of others, on libc's malloc and on the preload library.

usage: programs.py PRELOAD-LIBRARY DIRECTORY [--rounds N] [--keys N] [--tbb PROGRAM]
                   [--source FOLDER] [--svg FILE]

The heaps lie in DIRECTORY, preferably a tmpfs or DAX. Prints a table in Markdown: the median of the
rounds' ratios of processor times, and the most anonymous memory that the program's processes had at
one time. --svg draws redis with DRAM and PMEM kept at 1:4, over time.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

from svg import Picture

SAMPLE_SECONDS = 0.02

SQL = """create table t(a integer primary key, b text, c real);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 1000000)
    insert into t select x, 'text ' || x * 7919 % 100003, x / 3.0 from n;
create index i on t(b);
select b, count(*) from t group by b order by 2 desc, 1 limit 1;
delete from t where a % 3 = 0; vacuum;"""

PYTHON = """import collections, json, random
random.seed(5)
for i in range(2):
    words = collections.Counter(
        str(random.randrange(1 << 14)) * random.randrange(1, 9) for i in range(500000)
    )
    tree = {str(i): [list(range(i % 50)), {'n': i, 't': 'x' * (i % 300)}] for i in range(60000)}
    assert json.loads(json.dumps(tree)) == tree"""


class Sampler(threading.Thread):
    """Looks at the memory of the processes of a session, until it is stopped."""

    def __init__(self, session):
        super().__init__(daemon=True)
        self.session = session
        self.begin = time.monotonic()
        self.samples = []  # seconds, bytes of anonymous memory, bytes of nameless files
        self.stopped = threading.Event()

    def processes(self):
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as stat:
                    if int(stat.read().rpartition(")")[2].split()[3]) == self.session:
                        yield name
            except OSError:
                pass

    def sample(self):
        anonymous = shared = 0
        for name in self.processes():
            try:
                with open(f"/proc/{name}/status", encoding="ascii", errors="replace") as status:
                    sizes = {
                        line.split(":")[0]: int(line.split()[1]) << 10
                        for line in status
                        if line.startswith("Rss")
                    }
            except (OSError, ValueError):
                continue
            anonymous += sizes.get("RssAnon", 0)
            shared += sizes.get("RssShmem", 0)
        self.samples.append((time.monotonic() - self.begin, anonymous, shared))

    def run(self):
        while not self.stopped.wait(SAMPLE_SECONDS):
            self.sample()

    def stop(self):
        self.stopped.set()
        self.join()
        return self.samples


def start(command, environment, **options):
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **options,
    )
    sampler = Sampler(process.pid)
    sampler.start()
    return process, sampler


def wait(process, command):
    """Seconds of processors, of its children too."""
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"failed: {command}")
    return usage.ru_utime + usage.ru_stime


def run(command, environment):
    """Seconds of processors, and samples."""
    process, sampler = start(command, environment)
    return wait(process, command), sampler.stop()


def redis(environment, keys):
    """The same of a redis-server that redis-benchmark fills and reads."""
    with tempfile.TemporaryDirectory() as folder:
        socket = os.path.join(folder, "socket")
        server, sampler = start(
            ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder],
            environment,
        )
        while (
            subprocess.run(["redis-cli", "-s", socket, "ping"], capture_output=True).stdout
            != b"PONG\n"
        ):
            if server.poll() is not None:
                raise SystemExit("redis-server does not start")
            time.sleep(0.05)
        for size in (16, 100, 1000):
            subprocess.run(
                [
                    "redis-benchmark",
                    "-s",
                    socket,
                    "-q",
                    "-n",
                    str(keys),
                    "-r",
                    str(keys),
                    "-d",
                    str(size),
                    "-P",
                    "16",
                    "-t",
                    "set,get,lpush,hset",
                ],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        server.terminate()
        return wait(server, "redis-server"), sampler.stop()


def programs(arguments):
    source = arguments.source
    flags = [
        "-std=gnu11",
        "-D_GNU_SOURCE",
        "-O2",
        "-g",
        f"-I{source}/src",
        f"-I{source}/include",
        "-c",
        "-o",
        "/dev/null",
    ]
    files = [
        f"{source}/src/{name}.c"
        for name in ("preload/interpose", "space/region", "space/space", "os/tmpfile")
    ]
    commands = {
        "sqlite3, 1 million rows in memory": ["sqlite3", ":memory:", SQL],
        "python3, its own allocator above": ["/usr/bin/python3", "-c", PYTHON],
        "python3, `PYTHONMALLOC=malloc`": [
            "env",
            "PYTHONMALLOC=malloc",
            "/usr/bin/python3",
            "-c",
            PYTHON,
        ],
        "gcc -O2, four sources of this library": [
            "sh",
            "-c",
            'for f; do gcc $FLAGS "$f" || exit 1; done',
            "sh",
            *files,
        ],
        "git log --stat -M, of this repository": [
            "git",
            "-C",
            source,
            "log",
            "--stat",
            "-M",
            "-C",
            "--all",
        ],
    }
    os.environ["FLAGS"] = " ".join(flags)
    if arguments.tbb:
        commands["TBB, 1 million strings in containers"] = [arguments.tbb, "1000000"]
    measures = {
        f"redis-server, {arguments.keys:,} keys": lambda environment: redis(
            environment, arguments.keys
        )
    }
    for name, command in commands.items():
        measures[name] = lambda environment, command=command: run(command, environment)
    return measures


def peak(samples, column=1):
    return max(sample[column] for sample in samples)


def mib(size):
    return f"{size / (1 << 20):.0f}"


def print_table(arguments, ours):
    print("| program | processor time / libc's | DRAM, libc | DRAM | in the file |")
    print("|---|---|---|---|---|")
    for name, measure in programs(arguments).items():
        ratios, before, after, file = [], 0, 0, 0
        for _ in range(arguments.rounds):
            libc_seconds, libc_samples = measure({})
            seconds, samples = measure(ours)
            ratios.append(seconds / libc_seconds)
            before = max(before, peak(libc_samples))
            after = max(after, peak(samples))
            file = max(file, peak(samples, 2))
        print(
            f"| {name} | {statistics.median(ratios):.2f} | {mib(before)} MiB | {mib(after)} MiB"
            f" | {mib(file)} MiB |",
            flush=True,
        )


def draw(samples, path):
    """Two areas, one on the other: DRAM below, PMEM above."""
    width, height, left, top = 640, 280, 60, 30
    samples = [sample for sample in samples if sample[1] > 0]
    end = samples[-1][0]
    most = max(dram + pmem for _, dram, pmem in samples)

    def points(values):
        return [
            f"{left + width * second / end:.1f},{top + height * (1 - value / most):.1f}"
            for second, value in values
        ]

    ground = [(second, 0) for second, _, _ in samples]
    dram = [(second, value) for second, value, _ in samples]
    both = [(second, low + high) for second, low, high in samples]
    picture = Picture(
        width + left + 20,
        height + top + 50,
        "Memory of redis-server at 1:4; drawn by tests/bench/programs.py.",
    )
    for lower, upper, colour in ((ground, dram, "#d95f02"), (dram, both, "#7570b3")):
        picture.area(points(upper) + points(lower)[::-1], colour)
    for i in range(5):
        y = top + height * (1 - i / 4)
        picture.grid_line(left, left + width, f"{y:.0f}")
        picture.text(left - 6, f"{y + 4:.0f}", mib(most * i / 4), text_anchor="end")
    for i in range(6):
        picture.text(
            f"{left + width * i / 5:.0f}",
            top + height + 18,
            f"{end * i / 5:.0f}",
            text_anchor="middle",
        )
    picture.text(left + width / 2, top + height + 38, "seconds", text_anchor="middle")
    picture.text(
        left,
        18,
        'MiB of redis-server under redis-benchmark: <tspan fill="#d95f02">DRAM</tspan> and '
        '<tspan fill="#7570b3">PMEM</tspan> at 1:4',
    )
    picture.write(path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", type=os.path.abspath)
    parser.add_argument("directory", type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keys", type=int, default=200000, help="of redis")
    parser.add_argument("--tbb")
    parser.add_argument(
        "--source",
        default=os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
    )
    parser.add_argument("--svg")
    arguments = parser.parse_args()
    ours = {
        "LD_PRELOAD": arguments.library,
        "MEMKIND_PRELOAD_DIR": arguments.directory,
        "MEMKIND_PRELOAD_STRICT": "1",
    }
    if not shutil.which("redis-server"):
        raise SystemExit("redis-server is missing; tests/install-deps test installs what is needed")
    if arguments.rounds > 0:
        print_table(arguments, ours)
    if arguments.svg:
        _, samples = redis({**ours, "MEMKIND_PRELOAD_RATIO": "1:4"}, arguments.keys)
        draw(samples, arguments.svg)


main()
