/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The body of the allocators in pmem_allocator.h, fixed_allocator.h, memkind_allocator.h and
 * memkind_memory_resource.h. Not an interface for programs. C++11 or later.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "memkind.h"
#include "memkind/internal/memkind_cpp_throw.h"

namespace libmemkind
{
namespace internal
{

/* Returns a block of the kind. Throws std::bad_alloc. */
inline void *allocate_block(memkind_t kind, std::size_t bytes, std::size_t alignment)
{
    void *block = nullptr;

    if (alignment <= alignof(std::max_align_t))
        block = memkind_malloc(kind, bytes);
    else if (memkind_posix_memalign(kind, &block, alignment, bytes) != 0)
        block = nullptr;
    if (block == nullptr)
        fail_with(std::bad_alloc());
    return block;
}

/* The handle of an allocator whose kind outlives its blocks. */
class borrowed_kind
{
  public:
    explicit borrowed_kind(memkind_t kind) noexcept : kind_(kind)
    {
    }

    memkind_t get() const noexcept
    {
        return kind_;
    }

  private:
    memkind_t kind_;
};

/*
 * The class template Allocator without its constructors. Satisfies the standard's Cpp17Allocator. A
 * Handle is copied and swapped without exceptions, and its get() returns the kind. Allocators of
 * one kind compare equal, whatever their value types.
 *
 * Different allocators may be used by any number of threads at once. Several threads may read one
 * allocator, if Handle allows this.
 */
template <template <typename> class Allocator, typename T, class Handle> class basic_allocator
{
  public:
    using value_type = T;
    using pointer = T *;
    using const_pointer = const T *;
    using reference = typename std::add_lvalue_reference<T>::type;
    using const_reference = typename std::add_lvalue_reference<const T>::type;
    using size_type = std::size_t;
    using difference_type = std::ptrdiff_t;

    /* Elements stay in their container's kind, except that a swap swaps the kinds. */
    using propagate_on_container_copy_assignment = std::false_type;
    using propagate_on_container_move_assignment = std::false_type;
    using propagate_on_container_swap = std::true_type;
    using is_always_equal = std::false_type;

    template <class U> struct rebind {
        using other = Allocator<U>;
    };

    template <typename U>
    basic_allocator(const Allocator<U> &other) noexcept : handle_(other.handle_)
    {
    }

    template <typename U> Allocator<T> &operator=(const Allocator<U> &other) noexcept
    {
        handle_ = other.handle_;
        return static_cast<Allocator<T> &>(*this);
    }

    friend void swap(Allocator<T> &left, Allocator<T> &right) noexcept
    {
        using std::swap;
        swap(left.handle_, right.handle_);
    }

    /*
     * Returns memory for n objects, aligned for them. Throws std::bad_alloc if there is no space or
     * n is 0, std::bad_array_new_length if no address space could hold the objects.
     */
    T *allocate(std::size_t n) const
    {
        if (n > SIZE_MAX / sizeof(T))
            fail_with(std::bad_array_new_length());
        return static_cast<T *>(allocate_block(handle_.get(), n * sizeof(T), alignof(T)));
    }

    /* Frees a block that allocate() of an equal allocator returned. */
    void deallocate(T *p, std::size_t) const noexcept
    {
        memkind_free(handle_.get(), static_cast<void *>(p));
    }

    template <class U, class... Args> void construct(U *p, Args &&...args) const
    {
        ::new (const_cast<void *>(static_cast<const volatile void *>(p)))
            U(std::forward<Args>(args)...);
    }

    template <class U> void destroy(U *p) const
    {
        p->~U();
    }

    Allocator<T> select_on_container_copy_construction() const noexcept
    {
        return static_cast<const Allocator<T> &>(*this);
    }

  protected:
    explicit basic_allocator(Handle handle) noexcept : handle_(std::move(handle))
    {
    }

    memkind_t kind() const noexcept
    {
        return handle_.get();
    }

  private:
    template <template <typename> class, typename, class> friend class basic_allocator;
    template <template <typename> class A, typename U, typename V, class H>
    friend bool operator==(const basic_allocator<A, U, H> &left,
                           const basic_allocator<A, V, H> &right) noexcept;

    Handle handle_;
};

/* Returns whether memory of one allocator can be freed by the other. */
template <template <typename> class A, typename U, typename V, class H>
bool operator==(const basic_allocator<A, U, H> &left,
                const basic_allocator<A, V, H> &right) noexcept
{
    return left.handle_.get() == right.handle_.get();
}

template <template <typename> class A, typename U, typename V, class H>
bool operator!=(const basic_allocator<A, U, H> &left,
                const basic_allocator<A, V, H> &right) noexcept
{
    return !(left == right);
}

} // namespace internal
} // namespace libmemkind
