/* SPDX-License-Identifier: BSD-2-Clause */
/* Every container of the standard library, also nested, with its elements in a PMEM kind. */
#include <algorithm>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <scoped_allocator>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "fixture.hpp"

using fixture::dir;
using fixture::holds;
using fixture::is_pmem;
using fixture::KIND_SIZE;
using fixture::kinds;
using libmemkind::pmem::allocator;

namespace
{

constexpr int COUNT = 1000;

using ints = allocator<int>;
using pairs = allocator<std::pair<const int, int>>;

template <class T> using vector = std::vector<T, allocator<T>>;
using string = std::basic_string<char, std::char_traits<char>, allocator<char>>;

ints make_kind()
{
    return ints(dir(), KIND_SIZE);
}

/* 0, 1, ... COUNT - 1 */
std::vector<int> numbers()
{
    std::vector<int> result;

    for (int i = 0; i < COUNT; i++)
        result.push_back(i);
    return result;
}

template <class Container> bool all_pmem(const Container &container)
{
    return std::all_of(container.begin(), container.end(),
                       [](const typename Container::value_type &each) { return is_pmem(&each); });
}

/* -- Sequences --------------------------------------------------------------------------------- */

/* Copies, moves and swaps, within one kind and between two. */
template <class Container> void check_transfers(const Container &filled)
{
    const std::vector<int> expected = numbers();
    const ints other = make_kind();

    Container copy(filled);
    CHECK(copy == filled && copy.get_allocator() == filled.get_allocator());
    Container elsewhere(filled, other);
    CHECK(elsewhere == filled && elsewhere.get_allocator() == other && all_pmem(elsewhere));

    /* An assignment keeps the kind of its target. */
    Container target(other);
    target = filled;
    CHECK(target == filled && target.get_allocator() == other);
    target = std::move(copy);
    CHECK(holds(target, expected) && target.get_allocator() == other);

    /* A moved-from container can be used. */
    Container moved(std::move(target));
    CHECK(holds(moved, expected) && moved.get_allocator() == other);
    target = filled;
    CHECK(target == filled && target.get_allocator() == other && all_pmem(target));
    Container moved_elsewhere(std::move(moved), filled.get_allocator());
    CHECK(holds(moved_elsewhere, expected));
    CHECK(moved_elsewhere.get_allocator() == filled.get_allocator());

    Container empty(filled.get_allocator());
    empty.swap(elsewhere);
    CHECK(elsewhere.begin() == elsewhere.end() && empty == filled);
    CHECK(elsewhere.get_allocator() == filled.get_allocator() && empty.get_allocator() == other);
    std::swap(empty, elsewhere);
    CHECK(elsewhere == filled && elsewhere.get_allocator() == other);
    CHECK(kinds() == 2);
}

template <class Container> void test_sequence()
{
    {
        const std::vector<int> expected = numbers();
        const ints kind = make_kind();
        Container container(kind);

        for (int i : expected)
            container.push_back(i);
        CHECK(holds(container, expected) && all_pmem(container));
        check_transfers(container);
        container.erase(std::find(container.begin(), container.end(), 1),
                        std::find(container.begin(), container.end(), COUNT - 1));
        CHECK(holds(container, {0, COUNT - 1}));
        container.insert(container.begin(), 5, 3);
        container.resize(6);
        CHECK(holds(container, {3, 3, 3, 3, 3, 0}));
        container.clear();
        CHECK(kinds() == 1);
    }
    CHECK(kinds() == 0);
}

void test_forward_list()
{
    const std::vector<int> expected = numbers();
    const ints kind = make_kind();
    std::forward_list<int, ints> list(kind);

    std::for_each(expected.rbegin(), expected.rend(), [&](int i) { list.push_front(i); });
    CHECK(holds(list, expected) && all_pmem(list));
    check_transfers(list);
    list.reverse();
    list.sort();
    list.remove_if([](int i) { return i > 1; });
    CHECK(holds(list, {0, 1}));
}

void test_list_splice()
{
    const ints kind = make_kind();
    std::list<int, ints> left({1, 3}, kind);
    std::list<int, ints> right({2, 4}, kind);

    left.merge(right);
    CHECK(holds(left, {1, 2, 3, 4}) && right.empty());
    right.splice(right.begin(), left, left.begin());
    CHECK(holds(left, {2, 3, 4}) && holds(right, {1}));
}

void test_string()
{
    const ints kind = make_kind();
    string text("short", kind);
    std::basic_string<wchar_t, std::char_traits<wchar_t>, allocator<wchar_t>> wide(kind);

    for (int i = 0; i < COUNT; i++)
        text += " longer";
    CHECK(is_pmem(text.data()) && text.size() == 5 + 7 * COUNT);
    string copy(text);
    CHECK(copy == text && copy.get_allocator() == kind);
    string moved(std::move(copy));
    copy = "again";
    CHECK(moved == text && copy == "again");
    CHECK((moved + copy).get_allocator() == kind);
    wide.assign(COUNT, L'w');
    CHECK(wide.size() == COUNT && is_pmem(wide.data()));
    text.clear();
    text.shrink_to_fit();
    CHECK(text.empty());
}

void test_vector_bool()
{
    const ints kind = make_kind();
    vector<bool> bits(kind);

    for (int i = 0; i < COUNT; i++)
        bits.push_back(i % 3 == 0);
    CHECK(std::count(bits.begin(), bits.end(), true) == (COUNT + 2) / 3);
}

/* -- Associative containers -------------------------------------------------------------------- */

template <class Container>
auto insert(Container &into, int value) -> decltype(into.insert(value), void())
{
    into.insert(value);
}

template <class Container>
auto insert(Container &into, int value)
    -> decltype(into.insert(typename Container::value_type(value, -value)), void())
{
    into.insert(typename Container::value_type(value, -value));
}

int key(int element)
{
    return element;
}

int key(const std::pair<const int, int> &element)
{
    CHECK(element.second == -element.first);
    return element.first;
}

/* Returns whether the sorted keys are 0 ... COUNT - 1, each `times` times. */
template <class Container> bool has_numbers(const Container &container, std::size_t times)
{
    std::vector<int> keys;

    for (const typename Container::value_type &each : container)
        keys.push_back(key(each));
    std::sort(keys.begin(), keys.end());
    if (keys.size() != COUNT * times)
        return false;
    for (std::size_t i = 0; i < keys.size(); i++) {
        if (keys[i] != int(i / times))
            return false;
    }
    return true;
}

/* times: how often a key is in the container after two insertions. */
template <class Container, std::size_t times> void test_associative()
{
    {
        const typename Container::allocator_type kind(make_kind());
        const typename Container::allocator_type other(make_kind());
        Container container(kind);

        for (int i = 0; i < 2 * COUNT; i++)
            insert(container, i % COUNT);
        CHECK(has_numbers(container, times) && all_pmem(container));
        CHECK(container.find(COUNT / 2) != container.end() && container.count(1) == times);

        Container copy(container);
        CHECK(copy == container && copy.get_allocator() == kind);
        Container elsewhere(container, other);
        CHECK(elsewhere == container && elsewhere.get_allocator() == other);
        Container moved(std::move(copy));
        CHECK(has_numbers(moved, times));
        copy.clear();
        insert(copy, 1);
        CHECK(copy.size() == 1);
        elsewhere = std::move(moved);
        CHECK(has_numbers(elsewhere, times) && elsewhere.get_allocator() == other);
        copy.swap(elsewhere);
        CHECK(has_numbers(copy, times) && elsewhere.size() == 1);
        CHECK(copy.get_allocator() == other && elsewhere.get_allocator() == kind);
        CHECK(container.erase(1) == times && container.size() == (COUNT - 1) * times);
        CHECK(kinds() == 2);
    }
    CHECK(kinds() == 0);
}

using less = std::less<int>;
using hash = std::hash<int>;
using equal = std::equal_to<int>;

using set = std::set<int, less, ints>;
using multiset = std::multiset<int, less, ints>;
using map = std::map<int, int, less, pairs>;
using multimap = std::multimap<int, int, less, pairs>;
using unordered_set = std::unordered_set<int, hash, equal, ints>;
using unordered_multiset = std::unordered_multiset<int, hash, equal, ints>;
using unordered_map = std::unordered_map<int, int, hash, equal, pairs>;
using unordered_multimap = std::unordered_multimap<int, int, hash, equal, pairs>;

/* -- Containers in containers ------------------------------------------------------------------ */

template <class T> using scoped = std::scoped_allocator_adaptor<allocator<T>>;

void test_vector_of_strings()
{
    {
        const ints kind = make_kind();
        std::vector<string, scoped<string>> texts{scoped<string>(kind)};

        for (int i = 0; i < COUNT; i++) {
            texts.emplace_back("a text that is too long to be kept within the string itself");
            CHECK(texts.back().get_allocator() == kind && is_pmem(texts.back().data()));
        }
        std::vector<string, scoped<string>> copy(texts);
        CHECK(copy == texts && is_pmem(copy[0].data()));
        std::vector<string, scoped<string>> moved(std::move(copy));
        moved.resize(COUNT + 10);
        CHECK(moved.back().get_allocator() == kind && kinds() == 1);
    }
    CHECK(kinds() == 0);
}

void test_map_of_vectors()
{
    using element = std::pair<const int, vector<int>>;
    using nested = std::map<int, vector<int>, less, scoped<element>>;
    {
        const ints kind = make_kind();
        nested lists{scoped<element>(kind)};

        for (int i = 0; i < COUNT; i++)
            lists[i % 10].push_back(i);
        CHECK(lists.size() == 10);
        for (const element &each : lists) {
            CHECK(each.second.size() == COUNT / 10);
            CHECK(is_pmem(each.second.data()) && each.second.get_allocator() == kind);
        }
        nested copy(lists);
        nested swapped{scoped<element>(make_kind())};
        swapped.swap(copy);
        CHECK(swapped == lists && copy.empty() && kinds() == 2);
    }
    CHECK(kinds() == 0);
}

struct tree {
    explicit tree(const allocator<tree> &kind) : children(kind)
    {
    }

    std::vector<tree, allocator<tree>> children;
};

void test_incomplete_type()
{
    {
        tree root{allocator<tree>(make_kind())};

        for (int i = 0; i < 10; i++) {
            root.children.emplace_back(root.children.get_allocator());
            root.children.back().children.emplace_back(root.children.get_allocator());
        }
        CHECK(is_pmem(&root.children[9].children[0]));
    }
    CHECK(kinds() == 0);
}

void fill(vector<int> &numbers)
{
    for (;;)
        numbers.push_back(int(numbers.size()));
}

void test_full_kind()
{
    const ints kind(dir(), MEMKIND_PMEM_MIN_SIZE);
    vector<int> many(kind);

    CHECK_THROWS(fill(many), std::bad_alloc);
    CHECK(!many.empty());
    CHECK(many.size() * sizeof(int) <= MEMKIND_PMEM_MIN_SIZE);
    for (std::size_t i = 0; i < many.size(); i++)
        CHECK(many[i] == int(i));
    CHECK_THROWS(many.reserve(many.max_size()), std::bad_alloc);
    CHECK_THROWS(many.reserve(many.max_size() + 1), std::length_error);
}

} // namespace

int main()
{
    return fixture::run({
        {"vector", test_sequence<vector<int>>},
        {"list", test_sequence<std::list<int, ints>>},
        {"deque", test_sequence<std::deque<int, ints>>},
        {"forward_list", test_forward_list},
        {"list, splice", test_list_splice},
        {"string", test_string},
        {"vector of bool", test_vector_bool},
        {"set", test_associative<set, 1>},
        {"multiset", test_associative<multiset, 2>},
        {"map", test_associative<map, 1>},
        {"multimap", test_associative<multimap, 2>},
        {"unordered_set", test_associative<unordered_set, 1>},
        {"unordered_multiset", test_associative<unordered_multiset, 2>},
        {"unordered_map", test_associative<unordered_map, 1>},
        {"unordered_multimap", test_associative<unordered_multimap, 2>},
        {"vector of strings", test_vector_of_strings},
        {"map of vectors", test_map_of_vectors},
        {"incomplete type", test_incomplete_type},
        {"full kind", test_full_kind},
    });
}
