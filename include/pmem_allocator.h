/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An allocator for containers of the C++ standard library in a PMEM kind of memkind(3), described
 * in pmemallocator(3). C++11 or later; calls only functions of memkind.h.
 *
 * Every copy of an allocator, whatever its value type, shares the kind that the first one created.
 * The destruction of the last copy destroys the kind. Containers copy their allocator very often,
 * so the count of copies is spread over many cache lines: see internal::shared_by_stripes.
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
/* The memory usage policies of memkind.h. */
enum class allocation_policy {
    DEFAULT = MEMKIND_MEM_USAGE_POLICY_DEFAULT,
    CONSERVATIVE = MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE,
    MAX
};

namespace pmem
{
/*
 * An inline namespace, because the allocator of memkind 1.14 has the same name and another layout:
 * code that was compiled with its header must not find these functions under the same symbols.
 */
inline namespace striped
{
namespace internal
{

class pmem_kind : public libmemkind::internal::owned_kind
{
  public:
    explicit pmem_kind(const char *dir, std::size_t max_size, allocation_policy policy)
        : owned_kind(create(dir, max_size, policy))
    {
    }

  private:
    static memkind_t create(const char *dir, std::size_t max_size, allocation_policy policy)
    {
        memkind_t kind = nullptr;
        struct memkind_config *config = memkind_config_new();

        if (config == nullptr)
            libmemkind::internal::fail_to_create("pmem::allocator", MEMKIND_ERROR_MALLOC);
        memkind_config_set_path(config, dir);
        memkind_config_set_size(config, max_size);
        memkind_config_set_memory_usage_policy(config,
                                               static_cast<memkind_mem_usage_policy>(policy));
        const int error = memkind_create_pmem_with_config(config, &kind);
        memkind_config_delete(config);
        if (error != MEMKIND_SUCCESS)
            libmemkind::internal::fail_to_create("pmem::allocator", error);
        return kind;
    }
};

using pmem_holder = libmemkind::internal::kind_holder<pmem_kind>;

} // namespace internal

/*
 * The allocator. Copies, including those for other value types, may be used by any number of
 * threads at once. Several threads may read one object.
 */
template <typename T>
class allocator : public libmemkind::internal::basic_allocator<allocator, T, internal::pmem_holder>
{
    using body =
        libmemkind::internal::basic_allocator<striped::allocator, T, internal::pmem_holder>;

  public:
    using body::body;
    using body::operator=;

    /*
     * Creates a PMEM kind as memkind_create_pmem_with_config() does. Throws std::invalid_argument
     * for MEMKIND_ERROR_INVALID, std::runtime_error for other errors, std::bad_alloc without DRAM.
     */
    explicit allocator(const char *dir, std::size_t max_size,
                       allocation_policy policy = allocation_policy::DEFAULT)
        : body(internal::pmem_holder::make(dir, max_size, policy))
    {
    }

    explicit allocator(const std::string &dir, std::size_t max_size,
                       allocation_policy policy = allocation_policy::DEFAULT)
        : allocator(dir.c_str(), max_size, policy)
    {
    }
};

} // namespace striped
} // namespace pmem
} // namespace libmemkind
