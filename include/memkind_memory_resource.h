/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Containers of the C++ standard library in any kind of memkind(3), which the program makes and
 * destroys itself: an allocator, and, from C++17 on, a std::pmr::memory_resource. memkind 1.14 does
 * not have this header. Described in memkindallocator(3).
 */
#pragma once

#include <cstddef>
#include <new>

#include "memkind.h"
#include "memkind/internal/memkind_cpp.h"

#if __cplusplus >= 201703L && __has_include(<memory_resource>)
#    include <memory_resource>
#    define LIBMEMKIND_HAS_MEMORY_RESOURCE 1
#endif

namespace libmemkind
{

/*
 * An allocator that borrows a kind: the kind lives as long as anything that was allocated from it.
 * Allocators of one kind compare equal, whatever their value types.
 */
template <typename T> class kind_allocator : public internal::allocator_base<T>
{
  public:
    template <class U> struct rebind {
        using other = kind_allocator<U>;
    };

    /* kind is not NULL. */
    explicit kind_allocator(memkind_t kind) noexcept : kind_(kind)
    {
    }

    template <typename U>
    kind_allocator(const kind_allocator<U> &other) noexcept : kind_(other.kind())
    {
    }

    memkind_t kind() const noexcept
    {
        return kind_;
    }

    /*
     * Memory for n objects, aligned for them. Throws std::bad_alloc where there is no space or n is
     * 0, std::bad_array_new_length where no address space could hold them.
     */
    T *allocate(std::size_t n) const
    {
        return internal::allocate<T>(kind_, n);
    }

    /* Frees what allocate() of an equal allocator gave. */
    void deallocate(T *p, std::size_t) const noexcept
    {
        memkind_free(kind_, static_cast<void *>(p));
    }

  private:
    memkind_t kind_;
};

template <typename U, typename V>
bool operator==(const kind_allocator<U> &left, const kind_allocator<V> &right) noexcept
{
    return left.kind() == right.kind();
}

template <typename U, typename V>
bool operator!=(const kind_allocator<U> &left, const kind_allocator<V> &right) noexcept
{
    return !(left == right);
}

#ifdef LIBMEMKIND_HAS_MEMORY_RESOURCE
/*
 * A memory resource that borrows a kind, which outlives it. Resources of one kind are equal. 0
 * bytes are a block of the least size, as the standard wants.
 */
class memory_resource : public std::pmr::memory_resource
{
  public:
    /* kind is not NULL. */
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
        void *block = nullptr;

        /* Blocks are aligned to their size, up to what the greatest fundamental type needs. */
        if (bytes < alignment)
            bytes = alignment;
        if (alignment <= alignof(std::max_align_t))
            block = memkind_malloc(kind_, bytes);
        else if (memkind_posix_memalign(kind_, &block, alignment, bytes) != 0)
            block = nullptr;
        if (block == nullptr)
            throw std::bad_alloc();
        return block;
    }

    void do_deallocate(void *block, std::size_t, std::size_t) override
    {
        memkind_free(kind_, block);
    }

    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
        const memory_resource *same = dynamic_cast<const memory_resource *>(&other);

        return same != nullptr && same->kind_ == kind_;
    }

    memkind_t kind_;
};
#endif

} // namespace libmemkind
