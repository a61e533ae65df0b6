/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An allocator for containers of the C++ standard library whose memory is an area that the program
 * brings along: a fixed kind of memkind(3). Described in fixedallocator(3). C++11 or later; calls
 * the functions of memkind.h only.
 *
 * Every copy of an allocator, whatever its value type, shares the kind that the first one made. The
 * kind is destroyed when the last copy dies; then the area is the program's again.
 */
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <string>

#include "memkind.h"
#include "memkind/internal/memkind_cpp.h"

namespace libmemkind
{
namespace fixed
{
/*
 * An inline namespace, because the allocator of memkind 1.14 has the same name and another layout:
 * code that was compiled with its header must not find these functions under the same symbols.
 */
inline namespace striped
{
namespace internal
{

/* A fixed kind, destroyed with the object. */
class fixed_kind
{
  public:
    explicit fixed_kind(void *addr, std::size_t size)
    {
        const int error = memkind_create_fixed(addr, size, &kind_);

        if (error != MEMKIND_SUCCESS)
            libmemkind::internal::fail_to_create("fixed::allocator", error);
    }

    ~fixed_kind()
    {
        memkind_destroy_kind(kind_);
    }

    fixed_kind(const fixed_kind &) = delete;
    fixed_kind &operator=(const fixed_kind &) = delete;

    memkind_t get() const noexcept
    {
        return kind_;
    }

  private:
    memkind_t kind_ = nullptr;
};

} // namespace internal

/*
 * The allocator. Satisfies the standard's Cpp17Allocator. Copies, also those for other value types,
 * compare equal and may be used by any number of threads at once; one object may be read by many.
 */
template <typename T> class allocator : public libmemkind::internal::allocator_base<T>
{
  public:
    template <class U> struct rebind {
        using other = allocator<U>;
    };

    /*
     * Makes a fixed kind: as memkind_create_fixed(). Throws std::invalid_argument for
     * MEMKIND_ERROR_INVALID, std::runtime_error for other errors, std::bad_alloc without DRAM.
     */
    explicit allocator(void *addr, std::size_t size) : holder_(holder::make(addr, size))
    {
    }

    /* A copy shares the kind. */
    allocator(const allocator &other) noexcept = default;
    allocator &operator=(const allocator &other) noexcept = default;

    template <typename U> allocator(const allocator<U> &other) noexcept : holder_(other.holder_)
    {
    }

    template <typename U> allocator &operator=(const allocator<U> &other) noexcept
    {
        holder_ = other.holder_;
        return *this;
    }

    friend void swap(allocator &left, allocator &right) noexcept
    {
        swap(left.holder_, right.holder_);
    }

    /*
     * Memory for n objects, aligned for them. Throws std::bad_alloc where there is no space or n is
     * 0, std::bad_array_new_length where no address space could hold them.
     */
    T *allocate(std::size_t n) const
    {
        return libmemkind::internal::allocate<T>(holder_.get(), n);
    }

    /* Frees what allocate() of an equal allocator gave. */
    void deallocate(T *p, std::size_t) const noexcept
    {
        memkind_free(holder_.get(), static_cast<void *>(p));
    }

    allocator select_on_container_copy_construction() const noexcept
    {
        return *this;
    }

    template <typename U, typename V>
    friend bool operator==(const allocator<U> &left, const allocator<V> &right) noexcept;

  private:
    template <typename U> friend class allocator;

    using holder = libmemkind::internal::kind_holder<internal::fixed_kind>;

    holder holder_;
};

/* Whether memory from one can be freed by the other: they share one kind. */
template <typename U, typename V>
bool operator==(const allocator<U> &left, const allocator<V> &right) noexcept
{
    return left.holder_.get() == right.holder_.get();
}

template <typename U, typename V>
bool operator!=(const allocator<U> &left, const allocator<V> &right) noexcept
{
    return !(left == right);
}

} // namespace striped
} // namespace fixed
} // namespace libmemkind
