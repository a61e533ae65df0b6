// SPDX-License-Identifier: BSD-2-Clause
// How the C++ headers report failures. Not an interface for programs. C++98 or later.
#pragma once

#include <cstdlib>

// C++98 has no noexcept, and later standards deprecate what C++98 has.
#if __cplusplus >= 201103L
#    define LIBMEMKIND_NOEXCEPT noexcept
#else
#    define LIBMEMKIND_NOEXCEPT throw()
#endif

namespace libmemkind
{
namespace internal
{

// Throws the exception. In a program that is compiled without exceptions, ends the process, as the
// standard library does there.
template <class Exception>
__attribute__((noreturn)) inline void fail_with(const Exception &exception)
{
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
    throw exception;
#else
    (void)exception;
    std::abort();
#endif
}

} // namespace internal
} // namespace libmemkind
