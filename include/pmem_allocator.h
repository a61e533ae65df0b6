/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An allocator for containers of the C++ standard library whose memory is a PMEM kind of
 * memkind(3); described in pmemallocator(3). C++11 or later; calls the functions of memkind.h only.
 *
 * Every copy of an allocator, whatever its value type, shares the kind that the first one made. The
 * kind is destroyed when the last copy dies. Containers copy their allocator all the time, so the
 * count of copies is spread over many cache lines: see internal::shared_by_stripes.
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

/* A PMEM kind, destroyed with the object. */
class pmem_kind
{
  public:
    explicit pmem_kind(const char *dir, std::size_t max_size, allocation_policy policy)
    {
        struct memkind_config *config = memkind_config_new();

        if (config == nullptr)
            libmemkind::internal::fail_to_create("pmem::allocator", MEMKIND_ERROR_MALLOC);
        memkind_config_set_path(config, dir);
        memkind_config_set_size(config, max_size);
        memkind_config_set_memory_usage_policy(config,
                                               static_cast<memkind_mem_usage_policy>(policy));
        const int error = memkind_create_pmem_with_config(config, &kind_);
        memkind_config_delete(config);
        if (error != MEMKIND_SUCCESS)
            libmemkind::internal::fail_to_create("pmem::allocator", error);
    }

    ~pmem_kind()
    {
        memkind_destroy_kind(kind_);
    }

    pmem_kind(const pmem_kind &) = delete;
    pmem_kind &operator=(const pmem_kind &) = delete;

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
     * Makes a PMEM kind: as memkind_create_pmem_with_config(). Throws std::invalid_argument for
     * MEMKIND_ERROR_INVALID, std::runtime_error for other errors, std::bad_alloc without DRAM.
     */
    explicit allocator(const char *dir, std::size_t max_size)
        : allocator(dir, max_size, allocation_policy::DEFAULT)
    {
    }

    explicit allocator(const std::string &dir, std::size_t max_size)
        : allocator(dir.c_str(), max_size, allocation_policy::DEFAULT)
    {
    }

    explicit allocator(const char *dir, std::size_t max_size, allocation_policy alloc_policy)
        : holder_(holder::make(dir, max_size, alloc_policy))
    {
    }

    explicit allocator(const std::string &dir, std::size_t max_size, allocation_policy alloc_policy)
        : allocator(dir.c_str(), max_size, alloc_policy)
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

    using holder = libmemkind::internal::kind_holder<internal::pmem_kind>;

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
} // namespace pmem
} // namespace libmemkind
