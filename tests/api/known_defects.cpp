// SPDX-License-Identifier: BSD-2-Clause
// Whether threads that copy a pmem::allocator write to the same cache line:
// `known_defects_cxx DIRECTORY`.
//
// What an allocator shares with its copies lies in memory from operator new, which is looked at
// before and after a thread has made a copy. Exits as known_defects.c does.
#include <pmem_allocator.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <set>
#include <thread>

using allocator = libmemkind::pmem::allocator<int>;

namespace
{
constexpr std::size_t memory_size = 1 << 20;
constexpr std::size_t line_size = 64;

alignas(4096) char memory[memory_size];
std::size_t memory_used;
bool from_memory;

void *take(std::size_t size, std::size_t alignment)
{
    memory_used = (memory_used + alignment - 1) / alignment * alignment;
    void *block = memory + memory_used;
    memory_used += size;
    if (memory_used > memory_size)
        std::abort();
    return block;
}

// Returns the cache lines that change when a thread copies the allocator and keeps the copy.
std::set<std::size_t> lines_of_a_copy(const allocator &original)
{
    static char before[memory_size];
    std::set<std::size_t> lines;

    std::thread([&] {
        // The first copies of a thread may change more lines.
        for (int i = 0; i < 3; i++)
            allocator another(original);
        std::memcpy(before, memory, memory_size);
        allocator copy(original);
        for (std::size_t i = 0; i < memory_size; i++)
            if (memory[i] != before[i])
                lines.insert(i / line_size);
    }).join();
    return lines;
}
} // namespace

void *operator new(std::size_t size)
{
    if (from_memory)
        return take(size, line_size);
    void *block = std::malloc(size);
    if (block == nullptr)
        throw std::bad_alloc();
    return block;
}

void operator delete(void *block) noexcept
{
    if (static_cast<char *>(block) < memory || static_cast<char *>(block) >= memory + memory_size)
        std::free(block);
}

void operator delete(void *block, std::size_t) noexcept
{
    operator delete(block);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    from_memory = true;
    allocator original(argv[1], 0);
    from_memory = false;
    const std::set<std::size_t> first = lines_of_a_copy(original);
    for (std::size_t line : lines_of_a_copy(original))
        if (first.count(line) != 0) {
            std::puts("two threads that copy an allocator write to one cache line");
            return 1;
        }
    return first.empty() ? 2 : 0;
}
