# SPDX-License-Identifier: BSD-2-Clause
"""Arrays in a PMEM kind from Python, through ctypes: records.py [DIR]

A table of numbered records lies in the file of a kind; Python sees it as memory, without copies.
The library is found as libmemkind.so.0, or where MEMKIND_SO says.
"""
import ctypes
import os
import struct
import sys

RECORD = struct.Struct("<QdI12x")  # number, value, checksum
RECORDS = 100_000

_lib = ctypes.CDLL(os.environ.get("MEMKIND_SO", "libmemkind.so.0"), use_errno=True)
_pointer, _size = ctypes.c_void_p, ctypes.c_size_t
for _name, _result, _arguments in (
    ("memkind_create_pmem", ctypes.c_int, [ctypes.c_char_p, _size, ctypes.POINTER(_pointer)]),
    ("memkind_destroy_kind", ctypes.c_int, [_pointer]),
    ("memkind_calloc", _pointer, [_pointer, _size, _size]),
    ("memkind_realloc", _pointer, [_pointer, _pointer, _size]),
    ("memkind_free", None, [_pointer, _pointer]),
    ("memkind_detect_kind", _pointer, [_pointer]),
    ("memkind_update_cached_stats", ctypes.c_int, []),
    ("memkind_get_stat", ctypes.c_int, [_pointer, ctypes.c_int, ctypes.POINTER(_size)]),
):
    getattr(_lib, _name).restype = _result
    getattr(_lib, _name).argtypes = _arguments

STAT_ALLOCATED = 2


class Kind:
    """A heap in a nameless file in a directory: with Kind(directory) as kind: ..."""

    def __init__(self, directory, max_size=0):
        self._kind = _pointer()
        status = _lib.memkind_create_pmem(
            os.fsencode(directory), max_size, ctypes.byref(self._kind)
        )
        if status != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _lib.memkind_destroy_kind(self._kind)

    def allocated(self):
        value = _size()
        assert _lib.memkind_update_cached_stats() == 0
        assert _lib.memkind_get_stat(self._kind, STAT_ALLOCATED, ctypes.byref(value)) == 0
        return value.value

    def owns(self, address):
        return _lib.memkind_detect_kind(address) == self._kind.value

    def calloc(self, size):
        return self._checked(_lib.memkind_calloc(self._kind, 1, size))

    def realloc(self, address, size):
        return self._checked(_lib.memkind_realloc(self._kind, address, size))

    def free(self, address):
        _lib.memkind_free(self._kind, address)

    @staticmethod
    def _checked(address):
        if address is None:
            raise MemoryError(os.strerror(ctypes.get_errno()))
        return address


class Table:
    """Records in a kind, which grows as they are appended."""

    def __init__(self, kind):
        self._kind = kind
        self._size = 1024 * RECORD.size
        self._address = kind.calloc(self._size)
        self._count = 0

    def close(self):
        self._kind.free(self._address)

    def __len__(self):
        return self._count

    def _memory(self):
        """The block as a buffer of Python's; not to be used after the next append."""
        return (ctypes.c_char * self._size).from_address(self._address)

    def append(self, number, value):
        if (self._count + 1) * RECORD.size > self._size:
            self._size *= 2
            self._address = self._kind.realloc(self._address, self._size)
        offset = self._count * RECORD.size
        RECORD.pack_into(self._memory(), offset, number, value, checksum(number, value))
        self._count += 1

    def __iter__(self):
        view = memoryview(self._memory())[: self._count * RECORD.size]
        return RECORD.iter_unpack(view)

    def address(self):
        return self._address


def checksum(number, value):
    return (number * 2654435761 + int(value)) & 0xFFFFFFFF


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else "/dev/shm"
    with Kind(directory) as kind:
        table = Table(kind)
        for number in range(RECORDS):
            table.append(number, number / 2)
        assert len(table) == RECORDS
        assert kind.owns(table.address()) and not kind.owns(id(table))
        assert kind.allocated() >= RECORDS * RECORD.size
        for expected, (number, value, check) in enumerate(table):
            assert number == expected and value == number / 2, (expected, number, value)
            assert check == checksum(number, value)
        table.close()
        assert kind.allocated() == 0
        try:
            kind.calloc(1 << 62)
        except MemoryError:
            pass
        else:
            raise AssertionError("more memory than there are addresses")
    print(f"{RECORDS} records were right")


if __name__ == "__main__":
    sys.exit(main())
