// SPDX-License-Identifier: BSD-2-Clause
// Threads of TBB that fill containers, for tests of the preload library: tbb ITEMS.
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <tbb/blocked_range.h>
#include <tbb/concurrent_hash_map.h>
#include <tbb/concurrent_vector.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_sort.h>

int main(int argc, char **argv)
{
    const size_t items = argc == 2 ? std::strtoul(argv[1], nullptr, 10) : 1000;
    tbb::concurrent_hash_map<std::string, std::unique_ptr<uint64_t>> table;
    tbb::concurrent_vector<std::string> texts;

    tbb::parallel_for(tbb::blocked_range<size_t>(0, items), [&](const auto &range) {
        std::map<size_t, std::vector<char>> scratch;
        for (size_t i = range.begin(); i != range.end(); i++) {
            scratch[i % 100].assign(i % 500, 'x');
            std::string key =
                "a key that is too long to be kept in the string " + std::to_string(i / 2);
            decltype(table)::accessor entry;
            if (table.insert(entry, key))
                entry->second = std::make_unique<uint64_t>(0);
            *entry->second += i;
            texts.push_back(key);
        }
    });
    tbb::parallel_sort(texts.begin(), texts.end());

    uint64_t sum = 0;
    uint64_t hash = 0;
    for (const auto &entry : table)
        sum += *entry.second;
    for (const auto &text : texts)
        hash = hash * 31 + std::hash<std::string>()(text);
    std::cout << table.size() << ' ' << sum << ' ' << hash << '\n';
    return table.size() == (items + 1) / 2 ? 0 : 1;
}
