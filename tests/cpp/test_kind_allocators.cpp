/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of fixed_allocator.h, memkind_allocator.h and memkind_memory_resource.h: where the memory
 * of containers lies, which allocators are equal, what is thrown, and how long a kind lives.
 */
#include "fixture.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <scoped_allocator>
#include <set>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "fixed_allocator.h"
#include "memkind_allocator.h"
#include "memkind_memory_resource.h"

#if defined(__has_include)
#    if __has_include(<boost/container/flat_map.hpp>)
#        include <boost/container/flat_map.hpp>
#        include <boost/container/vector.hpp>
#        define HAS_BOOST 1
#    endif
#    if __has_include(<tbb/concurrent_vector.h>) && defined(TEST_TBB)
#        include <tbb/concurrent_hash_map.h>
#        include <tbb/concurrent_vector.h>
#        define HAS_TBB 1
#    endif
#endif

namespace
{

using fixture::MIB;

template <typename T> using fixed = libmemkind::fixed::allocator<T>;
template <typename T> using of_library = libmemkind::static_kind::allocator<T>;
template <typename T> using borrowed = libmemkind::kind_allocator<T>;

/* Memory for fixed kinds. */
class area
{
  public:
    explicit area(std::size_t size = 8 * MIB) : memory_(size, '\x5a')
    {
    }

    char *begin()
    {
        return memory_.data();
    }

    std::size_t size() const
    {
        return memory_.size();
    }

    bool has(const void *block) const
    {
        const std::less<const char *> before;
        const char *byte = static_cast<const char *>(block);

        return !before(byte, memory_.data()) && before(byte, memory_.data() + memory_.size());
    }

  private:
    std::vector<char> memory_;
};

/* A fixed kind that the program creates itself. */
class own_kind
{
  public:
    own_kind()
    {
        CHECK(memkind_create_fixed(memory.begin(), memory.size(), &kind) == MEMKIND_SUCCESS);
    }

    ~own_kind()
    {
        memkind_destroy_kind(kind);
    }

    own_kind(const own_kind &) = delete;
    own_kind &operator=(const own_kind &) = delete;

    area memory;
    memkind_t kind = nullptr;
};

/* -- What holds for all of them ---------------------------------------------------------------- */

/* Checks containers of the library; `is_there` returns whether a block is where it should be. */
template <template <typename> class Allocator, class Check>
void check_containers(const Allocator<int> &allocator, const Check &is_there)
{
    using text = std::basic_string<char, std::char_traits<char>, Allocator<char>>;
    using texts = std::vector<text, std::scoped_allocator_adaptor<Allocator<text>>>;
    using pair = std::pair<const int, int>;

    std::vector<int, Allocator<int>> numbers(allocator);
    std::list<int, Allocator<int>> list(allocator);
    std::deque<int, Allocator<int>> deque(allocator);
    std::set<int, std::less<int>, Allocator<int>> set(std::less<int>{}, allocator);
    std::map<int, int, std::less<int>, Allocator<pair>> map(std::less<int>{},
                                                            Allocator<pair>(allocator));
    std::unordered_map<int, int, std::hash<int>, std::equal_to<int>, Allocator<pair>> table(
        8, std::hash<int>(), std::equal_to<int>(), Allocator<pair>(allocator));

    for (int i = 0; i < 1000; i++) {
        numbers.push_back(i);
        list.push_back(i);
        deque.push_back(i);
        set.insert(i);
        map[i] = i;
        table[i] = i;
    }
    CHECK(is_there(numbers.data()) && is_there(&list.back()) && is_there(&deque.back()));
    CHECK(is_there(&*set.begin()) && is_there(&map[7]) && is_there(&table[7]));
    int sum = 0;
    for (int i = 0; i < 1000; i++)
        sum += numbers[std::size_t(i)] + deque[std::size_t(i)] + map[i] + table[i] - 4 * i;
    CHECK(sum == 0 && list.size() == 1000 && set.size() == 1000);

    texts lines{Allocator<text>(allocator)};
    for (int i = 0; i < 100; i++) {
        lines.emplace_back("a text that is too long to lie within its own object");
        lines.back() += std::to_string(i).c_str();
    }
    for (const text &line : lines)
        CHECK(is_there(line.data()));
    CHECK(lines[42].compare(lines[42].size() - 2, 2, "42") == 0);

    auto copy = numbers;
    CHECK(copy == numbers && copy.get_allocator() == allocator && is_there(copy.data()));
    auto moved = std::move(copy);
    CHECK(moved == numbers && is_there(moved.data()));
    moved.swap(numbers);
    CHECK(moved == numbers);
}

struct alignas(256) wide {
    char bytes[256];
};

template <template <typename> class Allocator> void check_allocator(const Allocator<int> &allocator)
{
    Allocator<wide> wides(allocator);
    Allocator<char> chars(allocator);

    static_assert(
        std::is_same<typename std::allocator_traits<Allocator<int>>::template rebind_alloc<char>,
                     Allocator<char>>::value,
        "rebind");
    wide *block = wides.allocate(3);
    CHECK(reinterpret_cast<std::uintptr_t>(block) % alignof(wide) == 0);
    wides.deallocate(block, 3);
    CHECK_THROWS(allocator.allocate(0), std::bad_alloc);
    CHECK_THROWS(allocator.allocate(SIZE_MAX / sizeof(int)), std::bad_alloc);
    CHECK_THROWS(allocator.allocate(SIZE_MAX / sizeof(int) + 2), std::bad_array_new_length);
    CHECK_THROWS(wides.allocate(SIZE_MAX / 2), std::bad_array_new_length);
    CHECK(chars == allocator && !(chars != allocator));
    chars = allocator;
    chars.deallocate(chars.allocate(100), 100);
    std::string *text = Allocator<std::string>(allocator).allocate(1);
    allocator.construct(text, "a text");
    CHECK(*text == "a text");
    allocator.destroy(text);
    Allocator<std::string>(allocator).deallocate(text, 1);
}

/* -- fixed::allocator -------------------------------------------------------------------------- */

void test_fixed()
{
    area memory;
    area other;

    {
        fixed<int> allocator(memory.begin(), memory.size());
        fixed<int> another(other.begin(), other.size());

        check_allocator<fixed>(allocator);
        check_containers<fixed>(allocator, [&](const void *p) { return memory.has(p); });
        CHECK(allocator != another);
        swap(allocator, another);
        int *block = allocator.allocate(1);
        CHECK(other.has(block));
        allocator.deallocate(block, 1);
        another = allocator;
        CHECK(allocator == another);
    }
    /* The kinds are destroyed, and the memory belongs to none. */
    CHECK(memkind_detect_kind(memory.begin() + MIB) == nullptr);
    CHECK(memkind_detect_kind(other.begin() + MIB) == nullptr);
}

void test_fixed_lives_as_long_as_its_last_copy()
{
    area memory;
    std::vector<int, fixed<int>> *numbers =
        new std::vector<int, fixed<int>>(fixed<int>(memory.begin(), memory.size()));

    numbers->assign(1000, 7);
    CHECK(memory.has(numbers->data()) && numbers->back() == 7);
    CHECK(memkind_detect_kind(numbers->data()) != nullptr);
    delete numbers;
    CHECK(memkind_detect_kind(memory.begin() + MIB) == nullptr);
}

void test_fixed_that_cannot_be()
{
    area memory(MIB);

    CHECK_THROWS(fixed<int>(nullptr, MIB), std::invalid_argument);
    fixed<int> empty(memory.begin() + 1, 0);
    CHECK_THROWS(empty.allocate(1), std::bad_alloc);
    fixed<char> allocator(memory.begin(), memory.size());
    CHECK_THROWS(allocator.allocate(2 * MIB), std::bad_alloc);
    char *block = allocator.allocate(MIB / 2);
    allocator.deallocate(block, MIB / 2);
}

/* -- static_kind::allocator -------------------------------------------------------------------- */

void test_kinds_of_the_library()
{
    const struct {
        libmemkind::kinds kind;
        memkind_t handle;
    } kinds[] = {{libmemkind::kinds::DEFAULT, MEMKIND_DEFAULT},
                 {libmemkind::kinds::REGULAR, MEMKIND_REGULAR},
                 {libmemkind::kinds::INTERLEAVE, MEMKIND_INTERLEAVE}};

    for (const auto &each : kinds) {
        const memkind_t handle = each.handle;
        const of_library<int> allocator(each.kind);

        check_allocator<of_library>(allocator);
        check_containers<of_library>(allocator, [handle](const void *p) {
            return memkind_detect_kind(const_cast<void *>(p)) == handle;
        });
    }
    CHECK(of_library<int>(libmemkind::kinds::DEFAULT) !=
          of_library<int>(libmemkind::kinds::REGULAR));
}

void test_kinds_that_are_not_available()
{
    for (int i = 0; i <= int(libmemkind::kinds::HIGHEST_BANDWIDTH_LOCAL_PREFERRED); i++) {
        const auto kind = libmemkind::kinds(i);
        const of_library<int> allocator(kind);

        if (kind == libmemkind::kinds::HBW || kind == libmemkind::kinds::DAX_KMEM)
            CHECK_THROWS(allocator.allocate(1), std::bad_alloc);
    }
    CHECK_THROWS(of_library<int>(libmemkind::kinds(99)), std::runtime_error);
}

/* -- kind_allocator, memory_resource ----------------------------------------------------------- */

void test_borrowed_kind()
{
    own_kind own;
    const borrowed<int> allocator(own.kind);

    check_allocator<borrowed>(allocator);
    check_containers<borrowed>(allocator, [&](const void *p) { return own.memory.has(p); });
    CHECK(allocator.kind() == own.kind);
    CHECK(allocator != borrowed<char>(MEMKIND_DEFAULT));
}

#ifdef LIBMEMKIND_HAS_MEMORY_RESOURCE
void test_memory_resource()
{
    own_kind own;
    libmemkind::memory_resource resource(own.kind);
    libmemkind::memory_resource same(own.kind);
    libmemkind::memory_resource other(MEMKIND_DEFAULT);

    {
        std::pmr::vector<std::pmr::string> lines(&resource);
        for (int i = 0; i < 1000; i++)
            lines.emplace_back("a text that is too long to lie within its own object");
        CHECK(own.memory.has(lines.data()) && own.memory.has(lines.back().data()));
        std::pmr::map<int, std::pmr::string> map(&resource);
        map.emplace(1, lines.back());
        CHECK(own.memory.has(map.at(1).data()));
    }
    CHECK(resource == same && resource != other);
    CHECK(resource != *std::pmr::new_delete_resource());
    CHECK(resource.kind() == own.kind);
    for (std::size_t alignment = 1; alignment <= MIB; alignment *= 2) {
        void *block = resource.allocate(100, alignment);
        CHECK(reinterpret_cast<std::uintptr_t>(block) % alignment == 0);
        same.deallocate(block, 100, alignment);
    }
    for (std::size_t size = 0; size <= 40; size++) {
        for (std::size_t alignment = 1; alignment <= 64; alignment *= 2) {
            void *blocks[5];
            for (void *&block : blocks) {
                block = resource.allocate(size, alignment);
                CHECK(reinterpret_cast<std::uintptr_t>(block) % alignment == 0);
            }
            for (void *block : blocks)
                resource.deallocate(block, size, alignment);
        }
    }
    void *empty = resource.allocate(0);
    CHECK(empty != nullptr && own.memory.has(empty));
    resource.deallocate(empty, 0);
    CHECK_THROWS(resource.allocate(2 * own.memory.size()), std::bad_alloc);
    volatile std::size_t too_large = SIZE_MAX; /* volatile: compilers warn of the constant */
    CHECK_THROWS(resource.allocate(too_large, 4096), std::bad_alloc);
}
#endif

/* -- Containers of others ---------------------------------------------------------------------- */

#ifdef HAS_BOOST
void test_boost_containers()
{
    area memory;
    const fixed<int> allocator(memory.begin(), memory.size());
    boost::container::vector<int, fixed<int>> numbers(allocator);
    boost::container::flat_map<int, int, std::less<int>, fixed<std::pair<int, int>>> map(
        std::less<int>{}, fixed<std::pair<int, int>>(allocator));

    for (int i = 0; i < 1000; i++) {
        numbers.push_back(i);
        map[i] = i;
    }
    CHECK(numbers[999] == 999 && memory.has(numbers.data()));
    CHECK(map[999] == 999 && memory.has(&map[7]));
}
#endif

#ifdef HAS_TBB
void test_tbb_containers()
{
    area memory;
    const fixed<int> allocator(memory.begin(), memory.size());
    using pair = std::pair<const int, int>;
    tbb::concurrent_vector<int, fixed<int>> numbers(allocator);
    tbb::concurrent_hash_map<int, int, tbb::tbb_hash_compare<int>, fixed<pair>> map{
        fixed<pair>(allocator)};
    std::vector<std::thread> threads;

    for (int thread = 0; thread < 4; thread++)
        threads.emplace_back([&, thread] {
            for (int i = 0; i < 1000; i++) {
                numbers.push_back(i);
                map.insert({thread * 1000 + i, i});
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    CHECK(numbers.size() == 4000 && map.size() == 4000);
    for (const int &number : numbers)
        CHECK(memory.has(&number));
    CHECK(memory.has(&*map.begin()));
}
#endif

} // namespace

int main()
{
    return fixture::run({
        {"fixed", test_fixed},
        {"fixed lives as long as its last copy", test_fixed_lives_as_long_as_its_last_copy},
        {"fixed that cannot be", test_fixed_that_cannot_be},
        {"kinds of the library", test_kinds_of_the_library},
        {"kinds that are not available", test_kinds_that_are_not_available},
        {"borrowed kind", test_borrowed_kind},
#ifdef LIBMEMKIND_HAS_MEMORY_RESOURCE
        {"memory resource", test_memory_resource},
#endif
#ifdef HAS_BOOST
        {"boost containers", test_boost_containers},
#endif
#ifdef HAS_TBB
        {"tbb containers", test_tbb_containers},
#endif
    });
}
