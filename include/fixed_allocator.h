/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An allocator for containers of the C++ standard library in an area that the program provides: a
 * fixed kind of memkind(3). Described in fixedallocator(3). C++11 or later; calls only functions of
 * memkind.h.
 *
 * Every copy of an allocator, whatever its value type, shares the kind that the first one created.
 * The destruction of the last copy destroys the kind. Then the program may use the area again.
 */
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <string>

#include "memkind.h"
#include "memkind/internal/memkind_cpp.h"
#include "memkind/internal/memkind_cpp_shared.h"

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

class fixed_kind : public libmemkind::internal::owned_kind
{
  public:
    explicit fixed_kind(void *addr, std::size_t size) : owned_kind(create(addr, size))
    {
    }

  private:
    static memkind_t create(void *addr, std::size_t size)
    {
        memkind_t kind = nullptr;
        const int error = memkind_create_fixed(addr, size, &kind);

        if (error != MEMKIND_SUCCESS)
            libmemkind::internal::fail_to_create("fixed::allocator", error);
        return kind;
    }
};

using fixed_holder = libmemkind::internal::kind_holder<fixed_kind>;

} // namespace internal

/*
 * The allocator. Copies, including those for other value types, may be used by any number of
 * threads at once. Several threads may read one object.
 */
template <typename T>
class allocator : public libmemkind::internal::basic_allocator<allocator, T, internal::fixed_holder>
{
    using body =
        libmemkind::internal::basic_allocator<striped::allocator, T, internal::fixed_holder>;

  public:
    using body::body;
    using body::operator=;

    /*
     * Creates a fixed kind as memkind_create_fixed() does. Throws std::invalid_argument for
     * MEMKIND_ERROR_INVALID, std::runtime_error for other errors, std::bad_alloc without DRAM.
     */
    explicit allocator(void *addr, std::size_t size)
        : body(internal::fixed_holder::make(addr, size))
    {
    }
};

} // namespace striped
} // namespace fixed
} // namespace libmemkind
