/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared by the tests of pmem_allocator.h: checks that throw, a directory for each test, and a
 * count of the kinds in that directory.
 *
 * Every test runs twice: in a process that has had only one thread, for which the header has a path
 * of its own, and in one that has had more.
 */
#pragma once

#include <dirent.h>
#include <unistd.h>

#include <climits>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "pmem_allocator.h"

extern "C" {
#include "support/leftovers.h"
}

namespace fixture
{

constexpr std::size_t MIB = std::size_t(1) << 20;
constexpr std::size_t KIND_SIZE = 64 * MIB;

/* The directory of the current test. */
inline std::string &dir()
{
    static std::string path;

    return path;
}

class failed_check : public std::runtime_error
{
  public:
    failed_check(const char *file, int line, const char *text)
        : std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + text)
    {
    }
};

#define CHECK(condition)                                                 \
    do {                                                                 \
        if (!(condition))                                                \
            throw fixture::failed_check(__FILE__, __LINE__, #condition); \
    } while (0)

#define CHECK_THROWS(expression, type)                                                     \
    do {                                                                                   \
        bool thrown = false;                                                               \
        try {                                                                              \
            static_cast<void>(expression);                                                 \
        } catch (const type &) {                                                           \
            thrown = true;                                                                 \
        }                                                                                  \
        if (!thrown)                                                                       \
            throw fixture::failed_check(__FILE__, __LINE__, #expression " throws " #type); \
    } while (0)

/* Returns the number of PMEM kinds in the test's directory, by their descriptors. */
inline std::size_t kinds()
{
    DIR *descriptors = opendir("/proc/self/fd");
    std::size_t found = 0;

    CHECK(descriptors != nullptr);
    while (const struct dirent *entry = readdir(descriptors)) {
        char target[PATH_MAX];
        const ssize_t length =
            readlinkat(dirfd(descriptors), entry->d_name, target, sizeof(target));

        if (length > 0 &&
            std::string(target, std::size_t(length)).compare(0, dir().size() + 1, dir() + "/") == 0)
            found++;
    }
    closedir(descriptors);
    return found;
}

/* Returns whether the block lies in a PMEM kind. */
inline bool is_pmem(const void *block)
{
    const memkind_t kind = memkind_detect_kind(const_cast<void *>(block));

    return kind != nullptr && kind != MEMKIND_DEFAULT && kind != MEMKIND_REGULAR;
}

struct test {
    const char *name;
    void (*run)();
};

/* Runs a test in its own directory, and checks that nothing is left behind. */
inline bool passes(const test &each)
{
    static struct leftovers before;
    char path[TEST_DIR_PATH_SIZE];
    bool passed = true;

    dir() = test_dir_make(path);
    leftovers_take(&before, path);
    try {
        each.run();
    } catch (const std::exception &error) {
        std::printf("FAILED: %s: %s\n", each.name, error.what());
        passed = false;
    }
    if (passed)
        leftovers_check(&before);
    test_dir_remove(path);
    return passed;
}

/* Threads that exist while others run. */
class idle_thread
{
  public:
    idle_thread() : thread_([this] { wait(); })
    {
    }

    ~idle_thread()
    {
        {
            std::lock_guard<std::mutex> guard(lock_);
            end_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }

    idle_thread(const idle_thread &) = delete;
    idle_thread &operator=(const idle_thread &) = delete;

  private:
    void wait()
    {
        std::unique_lock<std::mutex> guard(lock_);
        changed_.wait(guard, [this] { return end_; });
    }

    std::mutex lock_;
    std::condition_variable changed_;
    bool end_ = false;
    std::thread thread_;
};

/* Returns the exit status of a test program. */
inline int run(const std::vector<test> &tests)
{
    std::size_t failures = 0;

    for (const test &each : tests)
        failures += passes(each) ? 0 : 1;
    {
        idle_thread other;

        for (const test &each : tests)
            failures += passes(each) ? 0 : 1;
    }
    std::printf("%zu tests, %zu failures\n", 2 * tests.size(), failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Returns whether the range has these elements, in this order. */
template <class Range> bool holds(const Range &range, const std::vector<int> &elements)
{
    return std::vector<int>(range.begin(), range.end()) == elements;
}

} // namespace fixture
