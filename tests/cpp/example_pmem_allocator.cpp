/* SPDX-License-Identifier: BSD-2-Clause */
/* The example of pmemallocator(3). */
#include <pmem_allocator.h>

#include <iostream>
#include <map>
#include <scoped_allocator>
#include <string>
#include <vector>

template <typename T> using pmem = libmemkind::pmem::allocator<T>;
using text = std::basic_string<char, std::char_traits<char>, pmem<char>>;
using texts = std::vector<text, std::scoped_allocator_adaptor<pmem<text>>>;

int main(int argc, char *argv[])
{
    const char *dir = argc > 1 ? argv[1] : "/dev/shm";

    try {
        pmem<int> kind(dir, 64 << 20);

        std::vector<int, pmem<int>> numbers(kind);
        for (int i = 1; i <= 100; i++)
            numbers.push_back(i * i);

        // The texts lie in the same kind as the vector that contains them.
        texts lines{pmem<text>(kind)};
        lines.emplace_back("a text in ");
        lines.back() += dir;

        std::cout << numbers.back() << ": " << lines.back() << '\n';
    } catch (const std::exception &error) {
        std::cerr << dir << ": " << error.what() << '\n';
        return 1;
    }
    return 0;
}
