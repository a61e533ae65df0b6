/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An allocator for containers of the C++ standard library in one of the library's kinds, described
 * in memkindallocator(3). C++11 or later; calls only functions of memkind.h.
 */
#pragma once

#include <cmath>
#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "memkind.h"
#include "memkind/internal/memkind_cpp.h"

namespace libmemkind
{
/* The kinds of memkind.h. */
enum class kinds {
    DEFAULT = 0,
    HUGETLB = 1,
    INTERLEAVE = 2,
    HBW = 3,
    HBW_ALL = 4,
    HBW_HUGETLB = 5,
    HBW_ALL_HUGETLB = 6,
    HBW_PREFERRED = 7,
    HBW_PREFERRED_HUGETLB = 8,
    HBW_INTERLEAVE = 9,
    REGULAR = 10,
    DAX_KMEM = 11,
    DAX_KMEM_ALL = 12,
    DAX_KMEM_PREFERRED = 13,
    DAX_KMEM_INTERLEAVE = 14,
    HIGHEST_CAPACITY = 15,
    HIGHEST_CAPACITY_PREFERRED = 16,
    HIGHEST_CAPACITY_LOCAL = 17,
    HIGHEST_CAPACITY_LOCAL_PREFERRED = 18,
    LOWEST_LATENCY_LOCAL = 19,
    LOWEST_LATENCY_LOCAL_PREFERRED = 20,
    HIGHEST_BANDWIDTH_LOCAL = 21,
    HIGHEST_BANDWIDTH_LOCAL_PREFERRED = 22
};

namespace static_kind
{
/*
 * An inline namespace, as in pmem_allocator.h: the class of memkind 1.14 has the same name, and
 * other functions.
 */
inline namespace plain
{
namespace internal
{

/* Throws std::runtime_error for an invalid value. */
inline memkind_t kind_of(kinds kind)
{
    switch (kind) {
    case kinds::DEFAULT:
        return MEMKIND_DEFAULT;
    case kinds::HUGETLB:
        return MEMKIND_HUGETLB;
    case kinds::INTERLEAVE:
        return MEMKIND_INTERLEAVE;
    case kinds::HBW:
        return MEMKIND_HBW;
    case kinds::HBW_ALL:
        return MEMKIND_HBW_ALL;
    case kinds::HBW_HUGETLB:
        return MEMKIND_HBW_HUGETLB;
    case kinds::HBW_ALL_HUGETLB:
        return MEMKIND_HBW_ALL_HUGETLB;
    case kinds::HBW_PREFERRED:
        return MEMKIND_HBW_PREFERRED;
    case kinds::HBW_PREFERRED_HUGETLB:
        return MEMKIND_HBW_PREFERRED_HUGETLB;
    case kinds::HBW_INTERLEAVE:
        return MEMKIND_HBW_INTERLEAVE;
    case kinds::REGULAR:
        return MEMKIND_REGULAR;
    case kinds::DAX_KMEM:
        return MEMKIND_DAX_KMEM;
    case kinds::DAX_KMEM_ALL:
        return MEMKIND_DAX_KMEM_ALL;
    case kinds::DAX_KMEM_PREFERRED:
        return MEMKIND_DAX_KMEM_PREFERRED;
    case kinds::DAX_KMEM_INTERLEAVE:
        return MEMKIND_DAX_KMEM_INTERLEAVE;
    case kinds::HIGHEST_CAPACITY:
        return MEMKIND_HIGHEST_CAPACITY;
    case kinds::HIGHEST_CAPACITY_PREFERRED:
        return MEMKIND_HIGHEST_CAPACITY_PREFERRED;
    case kinds::HIGHEST_CAPACITY_LOCAL:
        return MEMKIND_HIGHEST_CAPACITY_LOCAL;
    case kinds::HIGHEST_CAPACITY_LOCAL_PREFERRED:
        return MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED;
    case kinds::LOWEST_LATENCY_LOCAL:
        return MEMKIND_LOWEST_LATENCY_LOCAL;
    case kinds::LOWEST_LATENCY_LOCAL_PREFERRED:
        return MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED;
    case kinds::HIGHEST_BANDWIDTH_LOCAL:
        return MEMKIND_HIGHEST_BANDWIDTH_LOCAL;
    case kinds::HIGHEST_BANDWIDTH_LOCAL_PREFERRED:
        return MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED;
    }
    libmemkind::internal::fail_with(std::runtime_error("Unknown libmemkind::kinds"));
}

} // namespace internal

/* The allocator. Allocators of one kind compare equal, whatever their value types. */
template <typename T>
class allocator : public libmemkind::internal::basic_allocator<allocator, T,
                                                               libmemkind::internal::borrowed_kind>
{
    using handle = libmemkind::internal::borrowed_kind;
    using body = libmemkind::internal::basic_allocator<plain::allocator, T, handle>;

  public:
    using body::body;
    using body::operator=;

    /* Throws std::runtime_error for an invalid value. */
    explicit allocator(libmemkind::kinds kind) : body(handle(internal::kind_of(kind)))
    {
    }
};

} // namespace plain
} // namespace static_kind
} // namespace libmemkind
