/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocator itself: its types, its errors, and the lifetime of its kind. The functions of
 * memkind.h that create and destroy kinds are replaced by ones that count and can fail.
 */
#include <dlfcn.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "fixture.hpp"

using fixture::dir;
using fixture::KIND_SIZE;
using fixture::kinds;
using fixture::MIB;
using libmemkind::allocation_policy;
using libmemkind::pmem::allocator;

/* -- Functions of memkind.h in front of the real ones ------------------------------------------ */

namespace
{

struct {
    int configs;              /* live configurations */
    int created;              /* kinds created */
    int destroyed;            /* kinds destroyed */
    bool config_fails;        /* memkind_config_new() */
    int create_error;         /* unless MEMKIND_SUCCESS: the result of creating a kind */
    allocation_policy policy; /* of the last configuration */
} calls;

std::atomic<std::size_t> allocations; /* live blocks of operator new */
bool new_fails;

template <class Function> Function *real(const char *name)
{
    return reinterpret_cast<Function *>(dlsym(RTLD_NEXT, name));
}

/* Resets the counts, and lets all calls succeed. */
void reset_calls()
{
    calls = {};
}

} // namespace

extern "C" {

struct memkind_config *memkind_config_new(void)
{
    if (calls.config_fails)
        return nullptr;
    calls.configs++;
    return real<decltype(memkind_config_new)>("memkind_config_new")();
}

void memkind_config_delete(struct memkind_config *config)
{
    calls.configs--;
    real<decltype(memkind_config_delete)>("memkind_config_delete")(config);
}

void memkind_config_set_memory_usage_policy(struct memkind_config *config,
                                            memkind_mem_usage_policy policy)
{
    calls.policy = static_cast<allocation_policy>(policy);
    real<decltype(memkind_config_set_memory_usage_policy)>(
        "memkind_config_set_memory_usage_policy")(config, policy);
}

int memkind_create_pmem_with_config(struct memkind_config *config, memkind_t *kind)
{
    if (calls.create_error != MEMKIND_SUCCESS)
        return calls.create_error;
    const int error = real<decltype(memkind_create_pmem_with_config)>(
        "memkind_create_pmem_with_config")(config, kind);
    if (error == MEMKIND_SUCCESS)
        calls.created++;
    return error;
}

int memkind_destroy_kind(memkind_t kind)
{
    calls.destroyed++;
    return real<decltype(memkind_destroy_kind)>("memkind_destroy_kind")(kind);
}
}

/* Not inlined: gcc would warn of new without delete. */
__attribute__((noinline)) void *operator new(std::size_t size)
{
    void *block = new_fails ? nullptr : std::malloc(size == 0 ? 1 : size);

    if (block == nullptr)
        throw std::bad_alloc();
    allocations++;
    return block;
}

__attribute__((noinline)) void operator delete(void *block) noexcept
{
    if (block != nullptr)
        allocations--;
    std::free(block);
}

void operator delete(void *block, std::size_t) noexcept
{
    operator delete(block);
}

namespace
{

/* -- Types ------------------------------------------------------------------------------------- */

struct incomplete;
using ints = allocator<int>;
using traits = std::allocator_traits<ints>;

static_assert(std::is_same<ints::value_type, int>::value, "");
static_assert(std::is_same<ints::pointer, int *>::value, "");
static_assert(std::is_same<ints::const_pointer, const int *>::value, "");
static_assert(std::is_same<ints::reference, int &>::value, "");
static_assert(std::is_same<ints::const_reference, const int &>::value, "");
static_assert(std::is_same<ints::size_type, std::size_t>::value, "");
static_assert(std::is_same<ints::difference_type, std::ptrdiff_t>::value, "");
static_assert(std::is_same<ints::rebind<long>::other, allocator<long>>::value, "");
static_assert(std::is_same<traits::rebind_alloc<long>, allocator<long>>::value, "");
static_assert(!traits::propagate_on_container_copy_assignment::value, "");
static_assert(!traits::propagate_on_container_move_assignment::value, "");
static_assert(traits::propagate_on_container_swap::value, "");
static_assert(!ints::is_always_equal::value, "");

static_assert(!std::is_default_constructible<ints>::value, "");
static_assert(std::is_nothrow_copy_constructible<ints>::value, "");
static_assert(std::is_nothrow_move_constructible<ints>::value, "");
static_assert(std::is_nothrow_copy_assignable<ints>::value, "");
static_assert(std::is_nothrow_move_assignable<ints>::value, "");
static_assert(std::is_nothrow_destructible<ints>::value, "");
static_assert(std::is_nothrow_constructible<ints, const allocator<long> &>::value, "");
static_assert(std::is_nothrow_constructible<ints, allocator<long> &&>::value, "");
static_assert(std::is_nothrow_assignable<ints &, const allocator<long> &>::value, "");
static_assert(std::is_nothrow_assignable<ints &, allocator<long> &&>::value, "");
static_assert(std::is_convertible<allocator<long>, ints>::value, "");
static_assert(std::is_constructible<ints, const std::string &, std::size_t>::value, "");
static_assert(
    std::is_constructible<ints, const char *, std::size_t, libmemkind::allocation_policy>::value,
    "");

static_assert(noexcept(std::declval<ints &>() == std::declval<allocator<long> &>()), "");
static_assert(sizeof(allocator<incomplete>) == sizeof(void *), "");
static_assert(std::is_void<allocator<void>::value_type>::value, "");
static_assert(int(allocation_policy::DEFAULT) == MEMKIND_MEM_USAGE_POLICY_DEFAULT, "");
static_assert(int(allocation_policy::CONSERVATIVE) == MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE, "");
static_assert(int(allocation_policy::MAX) == MEMKIND_MEM_USAGE_POLICY_MAX_VALUE, "");

/* A braced argument finds no constructor: all of them are explicit. */
template <class T> void takes(T);
template <class T, class = decltype(takes<T>({std::declval<const char *>(), std::size_t(0)}))>
std::true_type from_braces(int);
template <class T> std::false_type from_braces(...);
static_assert(!decltype(from_braces<ints>(0))::value, "");

/* -- Construction ------------------------------------------------------------------------------ */

void test_constructors()
{
    const char *path = dir().c_str();

    {
        ints plain(path, KIND_SIZE);
        CHECK(calls.policy == allocation_policy::DEFAULT);
        ints string(dir(), KIND_SIZE);
        CHECK(calls.policy == allocation_policy::DEFAULT);
        ints policy(path, KIND_SIZE, allocation_policy::CONSERVATIVE);
        CHECK(calls.policy == allocation_policy::CONSERVATIVE);
        ints unlimited(dir(), 0, allocation_policy::DEFAULT);
        CHECK(calls.policy == allocation_policy::DEFAULT);
        CHECK(kinds() == 4 && calls.configs == 0);
        CHECK(plain != string && string != policy && policy != unlimited);
    }
    CHECK(kinds() == 0 && calls.created == 4 && calls.destroyed == 4);
}

void test_wrong_arguments()
{
    const std::size_t before = allocations;

    CHECK_THROWS(ints("/nowhere/at/all", KIND_SIZE), std::invalid_argument);
    CHECK_THROWS(ints(dir(), MEMKIND_PMEM_MIN_SIZE - 1), std::invalid_argument);
    CHECK_THROWS(ints(static_cast<const char *>(nullptr), KIND_SIZE), std::invalid_argument);
    CHECK_THROWS(ints(dir(), KIND_SIZE, allocation_policy::MAX), std::invalid_argument);
    CHECK_THROWS(ints(dir(), KIND_SIZE, allocation_policy(-1)), std::invalid_argument);
    CHECK(kinds() == 0 && calls.configs == 0 && allocations == before);
}

void test_message_of_an_error()
{
    char reason[MEMKIND_ERROR_MESSAGE_SIZE];
    std::string text;

    calls.create_error = MEMKIND_ERROR_TOOMANY;
    try {
        ints none(dir(), KIND_SIZE);
    } catch (const std::runtime_error &error) {
        text = error.what();
    }
    memkind_error_message(MEMKIND_ERROR_TOOMANY, reason, sizeof(reason));
    CHECK(text.find(reason) != std::string::npos);
    CHECK(text.find("error code: " + std::to_string(MEMKIND_ERROR_TOOMANY)) != std::string::npos);
}

void test_failing_calls()
{
    const std::size_t before = allocations;

    calls.config_fails = true;
    CHECK_THROWS(ints(dir(), KIND_SIZE), std::runtime_error);
    calls.config_fails = false;
    for (int error : {int(MEMKIND_ERROR_TOOMANY), int(MEMKIND_ERROR_MALLOC),
                      int(MEMKIND_ERROR_ARENAS_CREATE), int(MEMKIND_ERROR_ENVIRON)}) {
        calls.create_error = error;
        CHECK_THROWS(ints(dir(), KIND_SIZE), std::runtime_error);
    }
    calls.create_error = MEMKIND_SUCCESS;
    new_fails = true;
    bool thrown = false;
    try {
        ints none(dir().c_str(), KIND_SIZE);
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    new_fails = false;
    CHECK(thrown);
    CHECK(kinds() == 0 && calls.created == calls.destroyed && calls.configs == 0);
    CHECK(allocations == before);
}

/* -- Memory ------------------------------------------------------------------------------------ */

void test_blocks()
{
    const ints constant(dir(), KIND_SIZE);
    int *block = constant.allocate(1000);

    CHECK(fixture::is_pmem(block));
    for (int i = 0; i < 1000; i++)
        constant.construct(block + i, i);
    CHECK(block[0] == 0 && block[999] == 999);
    constant.destroy(block);
    constant.deallocate(block, 1000);

    const allocator<std::string> strings(constant);
    std::string *string = strings.allocate(1);
    strings.construct(string, std::size_t(100), 'x');
    CHECK(*string == std::string(100, 'x'));
    strings.destroy(string);
    strings.deallocate(string, 1);
}

void test_too_many_objects()
{
    struct large {
        char bytes[4096];
    };
    ints small(dir(), KIND_SIZE);
    allocator<large> others(small);
    const std::size_t most = std::numeric_limits<std::size_t>::max();

    CHECK_THROWS(small.allocate(most), std::bad_array_new_length);
    CHECK_THROWS(small.allocate(most / sizeof(int) + 1), std::bad_array_new_length);
    /* These sizes would wrap around to a small block. */
    CHECK_THROWS(others.allocate(most / sizeof(large) + 2), std::bad_array_new_length);
    CHECK_THROWS(small.allocate(most / sizeof(int)), std::bad_alloc);
    CHECK_THROWS(others.allocate(KIND_SIZE), std::bad_alloc);
    CHECK_THROWS(small.allocate(0), std::bad_alloc);
}

void fill(const allocator<char> &bytes, std::vector<char *> &blocks)
{
    for (;;) {
        blocks.push_back(bytes.allocate(MIB));
        CHECK(blocks.size() <= MEMKIND_PMEM_MIN_SIZE / MIB);
    }
}

void test_no_space()
{
    allocator<char> bytes(dir(), MEMKIND_PMEM_MIN_SIZE);
    std::vector<char *> blocks;

    CHECK_THROWS(fill(bytes, blocks), std::bad_alloc);
    CHECK(!blocks.empty());
    bytes.deallocate(blocks.back(), MIB);
    blocks.back() = bytes.allocate(MIB);
    for (char *block : blocks)
        bytes.deallocate(block, MIB);
}

template <std::size_t ALIGNMENT> void check_alignment(const ints &some)
{
    struct alignas(ALIGNMENT) aligned {
        char byte;
    };
    std::vector<aligned, allocator<aligned>> objects(some);

    for (int i = 0; i < 100; i++) {
        objects.push_back(aligned{char(i)});
        CHECK(reinterpret_cast<std::uintptr_t>(objects.data()) % ALIGNMENT == 0);
    }
    CHECK(objects[99].byte == 99);
    CHECK_THROWS(allocator<aligned>(some).allocate(KIND_SIZE), std::bad_alloc);
    CHECK_THROWS(allocator<aligned>(some).allocate(SIZE_MAX), std::bad_alloc);
}

void test_alignment()
{
    ints some(dir(), KIND_SIZE);

    check_alignment<1>(some);
    check_alignment<alignof(std::max_align_t)>(some);
    check_alignment<64>(some);
    check_alignment<4096>(some);
}

/* -- How long the kind lives ------------------------------------------------------------------- */

void test_last_copy()
{
    std::unique_ptr<ints> first(new ints(dir(), KIND_SIZE));
    std::unique_ptr<allocator<long>> second(new allocator<long>(*first));
    std::unique_ptr<ints> third(new ints(*second));
    int *block = first->allocate(1);

    *block = 7;
    CHECK(*first == *second && *second == *third && !(*first != *third));
    first.reset();
    CHECK(kinds() == 1 && calls.destroyed == 0);
    second.reset();
    CHECK(kinds() == 1 && *block == 7);
    third->deallocate(block, 1);
    third.reset();
    CHECK(kinds() == 0 && calls.destroyed == 1);
}

void test_moved_from()
{
    {
        ints source(dir(), KIND_SIZE);
        ints target(std::move(source));
        allocator<long> converted(std::move(target));

        /* The standard: a move leaves the allocator unchanged. */
        /* NOLINTNEXTLINE(bugprone-use-after-move) */
        CHECK(source == target && target == converted);
        source.deallocate(target.allocate(1), 1);
    }
    CHECK(kinds() == 0 && calls.destroyed == 1);
}

void test_assignment()
{
    ints left(dir(), KIND_SIZE);
    {
        ints right(dir(), KIND_SIZE);
        const ints &same = left;

        CHECK(left != right && kinds() == 2);
        left = same;
        CHECK(kinds() == 2);
        left = right;
        CHECK(left == right && kinds() == 1);
        left = allocator<long>(left);
        CHECK(kinds() == 1);
        allocator<long> other(dir(), KIND_SIZE);
        left = other;
        CHECK(kinds() == 2);
        left = std::move(right);
        CHECK(left == right && left != other); /* NOLINT(bugprone-use-after-move) */
    }
    CHECK(kinds() == 1 && calls.destroyed == 2);
    left.deallocate(left.allocate(1), 1);
}

void test_swap()
{
    ints left(dir(), KIND_SIZE);
    ints right(dir(), KIND_SIZE);
    const ints left_before(left);
    const ints right_before(right);

    swap(left, right);
    CHECK(left == right_before && right == left_before);
    std::swap(left, right);
    CHECK(left == left_before && right == right_before);
    CHECK(kinds() == 2 && calls.destroyed == 0);
}

void test_container_outlives_allocator()
{
    {
        std::unique_ptr<ints> source(new ints(dir(), KIND_SIZE));
        std::vector<int, ints> numbers(*source);
        std::map<int, int, std::less<int>, allocator<std::pair<const int, int>>> map(*source);

        source.reset();
        for (int i = 0; i < 1000; i++) {
            numbers.push_back(i);
            map[i] = i;
        }
        CHECK(kinds() == 1 && fixture::is_pmem(numbers.data()) && map.size() == 1000);
        CHECK(numbers.get_allocator() == map.get_allocator());
    }
    CHECK(kinds() == 0 && calls.destroyed == 1);
}

void test_copies_made_by_other_threads()
{
    std::unique_ptr<ints> first(new ints(dir(), KIND_SIZE));
    std::vector<ints> copies;

    for (int i = 0; i < 300; i++) {
        /* Each thread copies the copy of the thread before. More threads than stripes. */
        std::thread([&] { copies.push_back(copies.empty() ? *first : copies.back()); }).join();
    }
    first.reset();
    CHECK(kinds() == 1);
    while (copies.size() > 1) {
        copies.erase(copies.begin());
        CHECK(calls.destroyed == 0);
    }
    CHECK(kinds() == 1);
    std::thread([&] { copies.clear(); }).join();
    CHECK(kinds() == 0 && calls.destroyed == 1);
}

void test_many_kinds()
{
    for (int i = 0; i < 100; i++) {
        ints one(dir(), KIND_SIZE);
        ints copy(one);
        CHECK(kinds() == 1);
    }
    CHECK(kinds() == 0 && calls.created == 100 && calls.destroyed == 100);
}

template <void (*test)()> void with_calls()
{
    reset_calls();
    test();
    CHECK(calls.created == calls.destroyed && calls.configs == 0);
}

} // namespace

int main()
{
    return fixture::run({
        {"test_constructors", with_calls<test_constructors>},
        {"test_wrong_arguments", with_calls<test_wrong_arguments>},
        {"test_message_of_an_error", with_calls<test_message_of_an_error>},
        {"test_failing_calls", with_calls<test_failing_calls>},
        {"test_blocks", with_calls<test_blocks>},
        {"test_too_many_objects", with_calls<test_too_many_objects>},
        {"test_no_space", with_calls<test_no_space>},
        {"test_alignment", with_calls<test_alignment>},
        {"test_last_copy", with_calls<test_last_copy>},
        {"test_moved_from", with_calls<test_moved_from>},
        {"test_assignment", with_calls<test_assignment>},
        {"test_swap", with_calls<test_swap>},
        {"test_container_outlives_allocator", with_calls<test_container_outlives_allocator>},
        {"test_copies_made_by_other_threads", with_calls<test_copies_made_by_other_threads>},
        {"test_many_kinds", with_calls<test_many_kinds>},
    });
}
