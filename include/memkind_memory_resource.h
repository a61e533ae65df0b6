/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Containers of the C++ standard library in any kind of memkind(3), which the program creates and
 * destroys: an allocator, and, from C++17 on, a std::pmr::memory_resource. memkind 1.14 does not
 * have this header. Described in memkindallocator(3).
 */
#pragma once

#include <cstddef>

#include "memkind.h"
#include "memkind/internal/memkind_cpp.h"

#if __cplusplus >= 201703L && __has_include(<memory_resource>)
#    include <memory_resource>
#    define LIBMEMKIND_HAS_MEMORY_RESOURCE 1
#endif

namespace libmemkind
{

/*
 * An allocator that borrows a kind: the kind must outlive everything that was allocated from it.
 * Allocators of one kind compare equal, whatever their value types.
 */
template <typename T>
class kind_allocator : public internal::basic_allocator<kind_allocator, T, internal::borrowed_kind>
{
    using body = internal::basic_allocator<libmemkind::kind_allocator, T, internal::borrowed_kind>;

  public:
    using body::body;
    using body::operator=;
    using body::kind;

    /* borrowed must not be NULL. */
    explicit kind_allocator(memkind_t borrowed) noexcept : body(internal::borrowed_kind(borrowed))
    {
    }
};

#ifdef LIBMEMKIND_HAS_MEMORY_RESOURCE
/*
 * A memory resource that borrows a kind, which must outlive it. Resources of one kind are equal
 * (without run-time type information, only a resource and itself). 0 bytes result in a block of the
 * smallest size, as the standard requires.
 */
class memory_resource : public std::pmr::memory_resource
{
  public:
    /* kind must not be NULL. */
    explicit memory_resource(memkind_t kind) noexcept : kind_(kind)
    {
    }

    memory_resource(const memory_resource &) = delete;
    memory_resource &operator=(const memory_resource &) = delete;

    memkind_t kind() const noexcept
    {
        return kind_;
    }

  private:
    void *do_allocate(std::size_t bytes, std::size_t alignment) override
    {
        /* Blocks are aligned to their size, up to the largest fundamental alignment. */
        return internal::allocate_block(kind_, bytes < alignment ? alignment : bytes, alignment);
    }

    void do_deallocate(void *block, std::size_t, std::size_t) override
    {
        memkind_free(kind_, block);
    }

    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
#    if defined(__cpp_rtti) || defined(__GXX_RTTI)
        const memory_resource *same = dynamic_cast<const memory_resource *>(&other);

        return same != nullptr && same->kind_ == kind_;
#    else
        return this == &other;
#    endif
    }

    memkind_t kind_;
};
#endif

} // namespace libmemkind
