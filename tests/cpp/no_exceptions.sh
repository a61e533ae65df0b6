#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A program that is compiled without exceptions and without run-time type information uses all
# allocators. A failure, which would be an exception, ends the program by SIGABRT.
#
# Environment: MEMKIND_SO, MEMKIND_SOURCE_DIR, CXX, MEMKIND_TEST_DIR (optional).

set -euo pipefail
. "$(dirname "$0")/../support/work_folder.bash"

cat >"$work/program.cpp" <<'END'
#include <map>
#include <vector>

#include <fixed_allocator.h>
#include <hbw_allocator.h>
#include <memkind_allocator.h>
#include <memkind_memory_resource.h>
#include <pmem_allocator.h>

template <class Allocator> static void use(const Allocator &allocator)
{
    std::vector<int, Allocator> numbers(allocator);

    for (int i = 0; i < 10000; i++)
        numbers.push_back(i);
}

int main(int argc, char **argv)
{
    static char area[1 << 20];
    libmemkind::pmem::allocator<int> pmem(argv[1], argc > 2 ? 1 : 0);
    libmemkind::memory_resource resource(MEMKIND_REGULAR);

    use(pmem);
    use(libmemkind::fixed::allocator<int>(area, sizeof(area)));
    use(libmemkind::static_kind::allocator<int>(libmemkind::kinds::REGULAR));
    use(libmemkind::kind_allocator<int>(MEMKIND_REGULAR));
    use(hbw::allocator<int>());
    std::pmr::vector<int> numbers(1000, &resource);
    return resource.is_equal(resource) && resource != *std::pmr::new_delete_resource() ? 0 : 1;
}
END
"${CXX:-c++}" -std=c++17 -fno-exceptions -fno-rtti -I"$MEMKIND_SOURCE_DIR/include" \
    "$work/program.cpp" "$MEMKIND_SO" -Wl,-rpath,"$(dirname "$MEMKIND_SO")" -o "$work/program"
"$work/program" "$work"
status=0
(ulimit -c 0 && exec "$work/program" "$work" fail) 2>/dev/null || status=$?
[ "$status" -eq 134 ] || {
    echo "a directory that cannot be used: status $status, not that of SIGABRT"
    exit 1
}
