# SPDX-License-Identifier: BSD-2-Clause
"""The report is JSON, and its section on kinds says what was done to them, as the system sees it.

Environment: MEMKIND_SO, MEMKIND_TEST_DIR (optional).
"""
import ctypes
import json
import os
import sys
import tempfile

MIB = 1 << 20
CHUNK = 2 * MIB
JSON_FORMAT = 1
CONSERVATIVE = 1

pointer = ctypes.c_void_p
size_t = ctypes.c_size_t
callback = ctypes.CFUNCTYPE(None, pointer, ctypes.c_char_p)


class Pmem(ctypes.Structure):
    """The beginning of struct memkind_pmem."""

    _fields_ = [("fd", ctypes.c_int)]


class Kind(ctypes.Structure):
    """The beginning of struct memkind."""

    _fields_ = [
        ("ops", pointer),
        ("partition", ctypes.c_uint),
        ("name", ctypes.c_char * 64),
        ("init_once", ctypes.c_int),
        ("arena_map_len", ctypes.c_uint),
        ("arena_map", pointer),
        ("arena_key", ctypes.c_uint),
        ("priv", ctypes.POINTER(Pmem)),
    ]


def load():
    library = ctypes.CDLL(os.environ["MEMKIND_SO"])
    kind = ctypes.POINTER(Kind)
    signatures = {
        "memkind_create_pmem": (ctypes.c_int, [ctypes.c_char_p, size_t, ctypes.POINTER(kind)]),
        "memkind_destroy_kind": (ctypes.c_int, [kind]),
        "memkind_malloc": (pointer, [kind, size_t]),
        "memkind_free": (None, [kind, pointer]),
        "memkind_stats_print": (ctypes.c_int, [callback, pointer, ctypes.c_int]),
        "memkind_config_new": (pointer, []),
        "memkind_config_delete": (None, [pointer]),
        "memkind_config_set_path": (None, [pointer, ctypes.c_char_p]),
        "memkind_config_set_size": (None, [pointer, size_t]),
        "memkind_config_set_memory_usage_policy": (None, [pointer, ctypes.c_int]),
        "memkind_create_pmem_with_config": (ctypes.c_int, [pointer, ctypes.POINTER(kind)]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def create(library, directory, size):
    """A kind whose file space comes back at once."""
    kind = ctypes.POINTER(Kind)()
    config = library.memkind_config_new()
    path = os.fsencode(directory)
    library.memkind_config_set_path(config, path)
    library.memkind_config_set_size(config, size)
    library.memkind_config_set_memory_usage_policy(config, CONSERVATIVE)
    assert library.memkind_create_pmem_with_config(config, ctypes.byref(kind)) == 0
    library.memkind_config_delete(config)
    return kind


def report(library, options):
    pieces = []
    write = callback(lambda opaque, text: pieces.append(text))
    assert library.memkind_stats_print(write, None, options) == 0
    return b"".join(pieces).decode("utf-8")


def figures(library):
    """The section on kinds of the report in JSON, by partition."""
    whole = json.loads(report(library, JSON_FORMAT))
    assert set(whole) == {"memkind", "jemalloc"}, set(whole)
    assert whole["jemalloc"]["version"].startswith("5."), whole["jemalloc"]["version"]
    return {kind["partition"]: kind for kind in whole["memkind"]["kinds"]}


def maps_of(fd):
    status = os.fstat(fd)
    count = 0
    with open("/proc/self/maps", errors="replace") as maps:
        for line in maps:
            addresses, access, _, device, inode = line.split()[:5]
            start, end = (int(part, 16) for part in addresses.split("-"))
            # The page by which the library recognises its file.
            if access == "---s" and end - start == os.sysconf("SC_PAGESIZE"):
                continue
            major, minor = (int(part, 16) for part in device.split(":"))
            count += os.makedev(major, minor) == status.st_dev and int(inode) == status.st_ino
    return count


def check_now(kind, figure):
    """What can be seen at any time."""
    fd = kind.contents.priv.contents.fd
    assert figure["held"] <= figure["peak"]
    assert figure["held"] <= figure["chunks"] * CHUNK
    assert figure["vmas"] == maps_of(fd), (figure["vmas"], maps_of(fd))
    # File systems such as ext4 count blocks for metadata.
    blocks = os.fstat(fd).st_blocks * 512
    assert figure["held"] <= blocks <= figure["held"] + MIB, (figure["held"], blocks)


def check_life(library, directory):
    size = 32 * MIB
    kind = create(library, directory, size)
    partition = kind.contents.partition
    figure = figures(library)[partition]
    assert figure["directory"] == os.fsencode(directory).decode(errors="replace")
    assert figure["name"] == kind.contents.name.decode()
    assert figure["max_size"] == size
    zero = ("held", "peak", "vmas", "chunks", "frozen", "cached", "purges", "retries")
    assert all(figure[name] == 0 for name in zero), figure

    block = library.memkind_malloc(kind, 10 * MIB)
    assert block
    full = figures(library)[partition]
    check_now(kind, full)
    assert full["held"] >= 10 * MIB and full["chunks"] >= 5 and full["vmas"] >= 1, full
    assert full["purges"] == 0 and full["retries"] == 0, full

    library.memkind_free(kind, block)
    empty = figures(library)[partition]
    check_now(kind, empty)
    assert empty["held"] <= full["held"] - 10 * MIB, empty
    assert empty["peak"] == full["peak"] and empty["chunks"] <= full["chunks"] - 5, empty
    assert empty["purges"] >= 1 and empty["retries"] == 0, empty

    # A block that fits only after unused memory was given back, or not at all.
    assert library.memkind_malloc(kind, 24 * MIB)
    assert not library.memkind_malloc(kind, 16 * MIB)
    short = figures(library)[partition]
    check_now(kind, short)
    assert short["retries"] == 1, short
    assert 24 * MIB <= short["peak"] <= size, short

    other = figures(library)
    assert library.memkind_destroy_kind(kind) == 0
    del other[partition]
    assert figures(library).keys() == other.keys()


def check_frozen(library, directory):
    """After a fork, the chunks in use are frozen until they are thawed."""
    os.environ["MEMKIND_PMEM_FORK"] = "snapshot"
    kind = create(library, directory, 64 * MIB)
    del os.environ["MEMKIND_PMEM_FORK"]
    partition = kind.contents.partition
    assert library.memkind_malloc(kind, 10 * MIB)
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    frozen = figures(library)[partition]
    assert frozen["frozen"] == frozen["chunks"] * CHUNK, frozen
    assert f", frozen: {frozen['frozen']}\n" in report(library, 0)
    assert library.memkind_purge(kind) == 0
    thawed = figures(library)[partition]
    assert thawed["frozen"] == 0, thawed
    assert library.memkind_destroy_kind(kind) == 0


def check_caches(library, directory):
    """Under the default policy, threads keep what they free."""
    kind = ctypes.POINTER(Kind)()
    assert library.memkind_create_pmem(os.fsencode(directory), 0, ctypes.byref(kind)) == 0
    blocks = [library.memkind_malloc(kind, 100) for _ in range(10)]
    before = figures(library)[kind.contents.partition]["cached"]
    for block in blocks:
        library.memkind_free(kind, block)
    after = figures(library)[kind.contents.partition]
    check_now(kind, after)
    assert after["cached"] >= before + 10 * 100, (before, after["cached"])
    assert after["max_size"] == 0
    text = report(library, 0)
    section = text[text.index("Begin memkind statistics"):]
    assert f"Kind {kind.contents.partition} " in section
    assert f"{after['held']} held, {after['peak']} at most, limit 0" in section, section
    assert f"cached by threads: {after['cached']}\n" in section, section
    assert library.memkind_destroy_kind(kind) == 0


def main():
    base = os.environ.get("MEMKIND_TEST_DIR", "/dev/shm")
    if not os.access(base, os.W_OK):
        base = tempfile.gettempdir()
    library = load()
    assert figures(library) == {}
    with tempfile.TemporaryDirectory(dir=base) as directory:
        check_caches(library, directory)
        check_frozen(library, directory)
        # Names of directories need not be valid text.
        for name in (b"plain", b'"quoted\\\n"', b"\xff\xc3\xa4\x01", b"x" * 255):
            path = os.path.join(os.fsencode(directory), name)
            os.mkdir(path)
            check_life(library, os.fsdecode(path))
            os.rmdir(path)
    print("the report says what kinds do")


if __name__ == "__main__":
    sys.exit(main())
