// SPDX-License-Identifier: BSD-2-Clause
// A C++ allocator over hbwmalloc(3), source compatible with that of memkind 1.14: hbwallocator(3).
#pragma once

#include <hbwmalloc.h>

#include <cstddef>
#include <new>

#include "memkind/internal/memkind_cpp_throw.h"

namespace hbw
{

template <class T> class allocator
{
  public:
    typedef std::size_t size_type;
    typedef std::ptrdiff_t difference_type;
    typedef T *pointer;
    typedef const T *const_pointer;
    typedef T &reference;
    typedef const T &const_reference;
    typedef T value_type;

    template <class U> struct rebind {
        typedef hbw::allocator<U> other;
    };

    allocator() LIBMEMKIND_NOEXCEPT
    {
    }
    allocator(const allocator &) LIBMEMKIND_NOEXCEPT
    {
    }
    template <class U> allocator(const allocator<U> &) LIBMEMKIND_NOEXCEPT
    {
    }
    ~allocator() LIBMEMKIND_NOEXCEPT
    {
    }

    pointer address(reference x) const
    {
        return &x;
    }
    const_pointer address(const_reference x) const
    {
        return &x;
    }

    // Throws std::bad_alloc if there is no memory.
    pointer allocate(size_type n, const void * = 0)
    {
        if (n > max_size())
            libmemkind::internal::fail_with(std::bad_alloc());
        // A block of 1 byte for 0 elements, because hbw_malloc(0) returns NULL.
        void *block = hbw_malloc(n != 0 ? n * sizeof(T) : 1);
        if (block == 0)
            libmemkind::internal::fail_with(std::bad_alloc());
        return static_cast<pointer>(block);
    }

    void deallocate(pointer p, size_type)
    {
        hbw_free(p);
    }

    size_type max_size() const LIBMEMKIND_NOEXCEPT
    {
        return static_cast<size_type>(-1) / sizeof(T);
    }

    void construct(pointer p, const_reference value)
    {
        ::new (static_cast<void *>(p)) T(value);
    }
    void destroy(pointer p)
    {
        p->~T();
    }
};

template <class T, class U> bool operator==(const allocator<T> &, const allocator<U> &)
{
    return true;
}

template <class T, class U> bool operator!=(const allocator<T> &, const allocator<U> &)
{
    return false;
}

} // namespace hbw
