# SPDX-License-Identifier: BSD-2-Clause
"""A program that knows nothing of the library loads it at run time, uses it, and lets it go.

Environment: MEMKIND_SO, MEMKIND_TEST_DIR (optional).
"""
import _ctypes
import ctypes
import os
import sys
import tempfile
import threading

PATH = os.environ["MEMKIND_SO"]
DIRECTORY = os.environ.get("MEMKIND_TEST_DIR", "/dev/shm")
if not os.access(DIRECTORY, os.W_OK):
    DIRECTORY = tempfile.gettempdir()
MIB = 1 << 20

pointer = ctypes.c_void_p
size_t = ctypes.c_size_t


def load():
    library = ctypes.CDLL(PATH)
    signatures = {
        "memkind_create_pmem": (ctypes.c_int, [ctypes.c_char_p, size_t, ctypes.POINTER(pointer)]),
        "memkind_destroy_kind": (ctypes.c_int, [pointer]),
        "memkind_malloc": (pointer, [pointer, size_t]),
        "memkind_calloc": (pointer, [pointer, size_t, size_t]),
        "memkind_free": (None, [pointer, pointer]),
        "memkind_detect_kind": (pointer, [pointer]),
        "memkind_malloc_usable_size": (size_t, [pointer, pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def descriptors():
    names = os.listdir("/proc/self/fd")
    return sorted((name, link(name)) for name in names if link(name))


def link(name):
    try:
        return os.readlink("/proc/self/fd/" + name)
    except OSError:  # the descriptor of the listing itself
        return None


def mapped():
    with open("/proc/self/maps") as maps:
        return [line for line in maps if "libmemkind" in line]


def kind_of_memory(library):
    kind = pointer()
    assert library.memkind_create_pmem(DIRECTORY.encode(), 16 * MIB, ctypes.byref(kind)) == 0
    return kind


def use(library, kind):
    block = library.memkind_malloc(kind, MIB)
    assert block
    ctypes.memset(block, 0x5A, MIB)
    assert ctypes.string_at(block, MIB) == b"\x5a" * MIB
    assert library.memkind_detect_kind(block) == kind.value
    assert library.memkind_malloc_usable_size(kind, block) >= MIB
    library.memkind_free(kind, block)
    block = library.memkind_calloc(kind, 10, 100)
    assert ctypes.string_at(block, 1000) == bytes(1000)
    library.memkind_free(None, block)


def run_threads(library, kind, count):
    failures = []

    def work():
        try:
            for _ in range(20):
                use(library, kind)
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


HEAP = (
    "malloc", "calloc", "realloc", "free", "posix_memalign", "aligned_alloc", "malloc_usable_size"
)


def heap_of_process():
    """Where the process finds its heap: in libc, or, in some programs, in stubs of its own."""
    process = ctypes.CDLL(None)
    return {name: ctypes.cast(getattr(process, name), pointer).value for name in HEAP}


def check_libc_is_untouched(library, heap):
    """The process finds its heap where it did before, and that heap is not the library's."""
    libc = ctypes.CDLL("libc.so.6")
    libc.malloc.restype = pointer
    libc.malloc.argtypes = [size_t]
    libc.free.argtypes = [pointer]
    assert heap_of_process() == heap
    for size in (1, 100, 5000, MIB, 100 * MIB):
        block = libc.malloc(size)
        assert block
        assert library.memkind_detect_kind(block) is None
        libc.free(block)
    for name in HEAP:
        # dlsym on the library finds libc's function: the library defines none of its own.
        in_library = ctypes.cast(getattr(library, name), pointer).value
        assert in_library in (ctypes.cast(getattr(libc, name), pointer).value, heap[name]), name


def main():
    before = descriptors()
    heap = heap_of_process()
    held = []

    for _ in range(3):
        library = load()
        kind = kind_of_memory(library)
        use(library, kind)
        run_threads(library, kind, 4)
        check_libc_is_untouched(library, heap)
        assert library.memkind_destroy_kind(kind) == 0
        assert descriptors() == before

        # A thread that has used the library ends after dlclose.
        kind = kind_of_memory(library)
        used = threading.Event()
        end = threading.Event()

        def outlive():
            use(library, kind)
            used.set()
            end.wait()

        thread = threading.Thread(target=outlive)
        thread.start()
        used.wait()
        assert library.memkind_destroy_kind(kind) == 0
        _ctypes.dlclose(library._handle)
        end.set()
        thread.join()
        held.append(library)
        assert mapped(), "the library can be unloaded"
    assert descriptors() == before
    print("loaded, used and closed", len(held), "times")


if __name__ == "__main__":
    sys.exit(main())
