// SPDX-License-Identifier: BSD-2-Clause
// Objects that live in a kind before main() and after it, and at both ends of threads.
//
// The first object of all makes the kind, and is the last to go. Static and thread-local objects
// allocate from it in their constructors and free in their destructors; those of the threads, and
// of the program's end, allocate as well.
#include <memkind.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <unistd.h>
#include <vector>

namespace
{
constexpr int rounds = 50;
constexpr int threads = 8;

const char *directory()
{
    const char *wanted = std::getenv("MEMKIND_TEST_DIR");

    if (wanted != nullptr)
        return wanted;
    return access("/dev/shm/.", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

// _Exit: no destructor may hide the failure.
void expect(bool condition, const char *what)
{
    if (condition)
        return;
    std::fprintf(stderr, "not so: %s\n", what);
    _exit(EXIT_FAILURE);
}

struct kind_owner {
    kind_owner()
    {
        expect(memkind_create_pmem(directory(), 0, &kind) == MEMKIND_SUCCESS, "a kind is made");
    }

    ~kind_owner()
    {
        std::size_t allocated = 1;

        expect(memkind_update_cached_stats() == MEMKIND_SUCCESS, "statistics");
        expect(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &allocated) == MEMKIND_SUCCESS,
               "statistics");
        expect(allocated == 0, "all blocks were freed");
        expect(memkind_destroy_kind(kind) == MEMKIND_SUCCESS, "the kind is destroyed");
    }

    kind_owner(const kind_owner &) = delete;
    kind_owner &operator=(const kind_owner &) = delete;

    memkind_t kind = nullptr;
};

kind_owner owner;
std::atomic<int> destroyed(0);

// A block of the kind, filled with one byte.
class block
{
  public:
    block(std::size_t size, int byte) : size_(size), byte_(byte)
    {
        bytes_ = static_cast<unsigned char *>(memkind_malloc(owner.kind, size));
        expect(bytes_ != nullptr, "there is space");
        std::memset(bytes_, byte, size);
    }

    ~block()
    {
        for (std::size_t i = 0; i < size_; i++)
            expect(bytes_[i] == byte_, "a block keeps its contents");
        memkind_free(nullptr, bytes_);
    }

    block(const block &) = delete;
    block &operator=(const block &) = delete;

  private:
    unsigned char *bytes_;
    std::size_t size_;
    int byte_;
};

// A block whose destructor also allocates and frees.
class restless
{
  public:
    explicit restless(int byte) : small_(100, byte), large_(300000, byte), byte_(byte)
    {
    }

    ~restless()
    {
        for (std::size_t size = 8; size < 1000000; size *= 10)
            block another(size, byte_ + 1);
        destroyed++;
    }

    restless(const restless &) = delete;
    restless &operator=(const restless &) = delete;

    void touch()
    {
    }

  private:
    block small_;
    block large_;
    int byte_;
};

restless before_main(1);
thread_local restless of_thread(2);

// Destroyed before the objects above, in reverse order: before the kind, but after main().
struct last_words {
    ~last_words()
    {
        std::thread([] { of_thread.touch(); }).join();
    }
} last;
} // namespace

int main()
{
    static restless in_main(3);

    of_thread.touch();
    for (int i = 0; i < rounds; i++) {
        std::vector<std::thread> running;

        for (int j = 0; j < threads; j++)
            running.emplace_back([] {
                static thread_local restless inner(4);
                of_thread.touch();
            });
        for (std::thread &thread : running)
            thread.join();
    }
    expect(destroyed == 2 * rounds * threads, "each thread's objects have ended");
    return EXIT_SUCCESS;
}
