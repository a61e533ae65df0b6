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

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "memkind.h"

#ifdef __has_include
#    if __has_include(<sys/single_threaded.h>)
#        include <sys/single_threaded.h>
#        define LIBMEMKIND_PMEM_SINGLE_THREADED (__libc_single_threaded)
#    endif
#endif
#ifndef LIBMEMKIND_PMEM_SINGLE_THREADED
#    define LIBMEMKIND_PMEM_SINGLE_THREADED (false)
#endif

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
    /* Throws std::invalid_argument for MEMKIND_ERROR_INVALID, else std::runtime_error. */
    pmem_kind(const char *dir, std::size_t max_size, allocation_policy policy)
    {
        struct memkind_config *config = memkind_config_new();

        if (config == nullptr)
            fail(MEMKIND_ERROR_MALLOC);
        memkind_config_set_path(config, dir);
        memkind_config_set_size(config, max_size);
        memkind_config_set_memory_usage_policy(config,
                                               static_cast<memkind_mem_usage_policy>(policy));
        const int error = memkind_create_pmem_with_config(config, &kind_);
        memkind_config_delete(config);
        if (error != MEMKIND_SUCCESS)
            fail(error);
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
    [[noreturn]] static void fail(int error)
    {
        char reason[MEMKIND_ERROR_MESSAGE_SIZE];

        memkind_error_message(error, reason, sizeof(reason));
        const std::string text =
            std::string("pmem::allocator: ") + reason + "; error code: " + std::to_string(error);
        if (error == MEMKIND_ERROR_INVALID)
            throw std::invalid_argument(text);
        throw std::runtime_error(text);
    }

    memkind_t kind_ = nullptr;
};

/* Threads are numbered from 1 in the order of their first call. */
inline std::size_t thread_number() noexcept
{
    static std::atomic<std::size_t> last(0);
    static thread_local std::size_t number = 0;

    if (number == 0)
        number = last.fetch_add(1, std::memory_order_relaxed) + 1;
    return number;
}

/*
 * A Resource with a count of its holders that is spread over stripes, each on cache lines of its
 * own.
 *
 * A holder is counted in the stripe of the thread that made it, and knows that stripe, wherever it
 * goes. So the count of a stripe is exact and never negative, and the resource lives while any of
 * the counts is not zero. To look at all of them whenever one becomes zero would be slow, and so
 * would be a common count of the stripes in use, for a thread that makes and drops one holder after
 * another. Instead, stripes are watched or not, and `units_` counts what keeps the resource alive:
 *
 *   watched     a unit for the stripe while its count is not zero
 *   unwatched   a unit for the stripe all the time, so that its count comes and goes for nothing
 *
 *   from                        to                          who
 *   watched, 0                  unwatched, 1 (unit taken)   join(), for the first holder
 *   unwatched, n > 0            watched, n                  join(), for the stripe that it copies
 *                                                           from; leave()
 *   unwatched, 0                watched, 0 (unit dropped)   leave()
 *   watched, 1                  watched, 0 (unit dropped)   release(), which calls leave()
 *   any other n                 n + 1, n - 1                acquire(), release()
 *
 * leave() turns stripes into watched ones until it meets one that has holders, and only then drops
 * the unit of its own stripe. Who drops the last unit deletes the whole.
 *
 * Not too early. A stripe that has holders has a unit: join() takes it before it counts the holder,
 * and it is dropped by a release() or leave() that saw the count at zero. Copying needs a living
 * holder, so units are taken (or taken and given back, where another thread was faster) only while
 * units_ is not zero: once it is, it stays so, and exactly one call has seen it become zero. That
 * call is the last to touch the object: all others touch it only while they own or copy a holder
 * or, in leave(), before they drop a unit.
 *
 * Not too late. All operations on a stripe's state are sequentially consistent, so take them in
 * that order, and suppose that no holder is left. Only join() makes a stripe unwatched, and it
 * copies from a stripe that is watched and has a holder at that time. Let the last such join() be J
 * (the first stripe is watched; where there is no J, let J be the construction). The stripe it
 * copied from became zero after J, watched; so some release() of a watched stripe to zero came
 * after J. The leave() of the last of these met no stripe with holders: it would have left that
 * stripe watched, to become zero later still. So it turned every stripe into a watched one, none
 * was made unwatched again, and as no stripe has holders, no stripe has a unit: whoever dropped the
 * last one deleted the object.
 *
 * Cost. To copy or drop a holder is one atomic operation on a cache line that no other thread
 * writes (unless there are more threads than stripes, or it drops what another one made), and a
 * plain one while the process has one thread. A thread's first copy takes a unit. A stripe that is
 * watched (at first, the one that the resource was made in) and loses its last holder looks at up
 * to all others. A resource takes STRIPES * 128 bytes of DRAM.
 */
template <class Resource, std::size_t STRIPES> class shared_by_stripes
{
    static constexpr std::size_t CACHE_LINE = 64;
    static constexpr std::uintptr_t WATCHED = 1; /* a bit of a stripe's state */
    static constexpr std::uintptr_t HOLDER = 2;  /* each holder in a stripe's state */

  public:
    /* What a holder has: a stripe, where it is counted. */
    class stripe
    {
      public:
        const Resource &resource() const noexcept
        {
            return owner_->resource_;
        }

        /* Counts one more holder beside the one that has `held`: what the new one has. */
        static stripe *acquire(stripe *held) noexcept
        {
            stripe *own = &held->owner_->stripes_[thread_number() % STRIPES];
            std::uintptr_t state = own->state_.load(std::memory_order_relaxed);

            for (;;) {
                if (state == WATCHED) {
                    if (held->owner_->join(held, own))
                        return own;
                    state = own->state_.load(std::memory_order_relaxed);
                } else if (LIBMEMKIND_PMEM_SINGLE_THREADED) {
                    own->state_.store(state + HOLDER, std::memory_order_relaxed);
                    return own;
                } else if (own->state_.compare_exchange_weak(state, state + HOLDER)) {
                    return own;
                }
            }
        }

        /* Counts one holder less, the one that has `held`. */
        static void release(stripe *held) noexcept
        {
            std::uintptr_t before;

            if (LIBMEMKIND_PMEM_SINGLE_THREADED) {
                before = held->state_.load(std::memory_order_relaxed);
                held->state_.store(before - HOLDER, std::memory_order_relaxed);
            } else {
                before = held->state_.fetch_sub(HOLDER);
            }
            if (before == (WATCHED | HOLDER))
                held->owner_->leave();
        }

      private:
        friend class shared_by_stripes;

        std::atomic<std::uintptr_t> state_{WATCHED};
        char apart_[CACHE_LINE - sizeof(std::atomic<std::uintptr_t>)];
        shared_by_stripes *owner_; /* never changes, read by threads that do not write state_ */
        char apart_too_[CACHE_LINE - sizeof(void *)];
    };

    /* Makes the resource from the arguments: what its first holder has. */
    template <class... Args> static stripe *make(Args &&...args)
    {
        shared_by_stripes *shared = new shared_by_stripes(std::forward<Args>(args)...);
        stripe *own = &shared->stripes_[thread_number() % STRIPES];

        own->state_.store(WATCHED | HOLDER, std::memory_order_relaxed);
        return own;
    }

    shared_by_stripes(const shared_by_stripes &) = delete;
    shared_by_stripes &operator=(const shared_by_stripes &) = delete;

  private:
    template <class... Args>
    explicit shared_by_stripes(Args &&...args) : resource_(std::forward<Args>(args)...)
    {
        for (stripe &each : stripes_)
            each.owner_ = this;
    }

    ~shared_by_stripes() = default;

    /* Counts the first holder in `own`, unless that is no longer watched and empty. */
    __attribute__((noinline)) bool join(stripe *held, stripe *own) noexcept
    {
        std::uintptr_t expected = WATCHED;

        units_.fetch_add(1);
        if ((held->state_.load() & WATCHED) == 0)
            held->state_.fetch_or(WATCHED);
        if (own->state_.compare_exchange_strong(expected, HOLDER))
            return true;
        units_.fetch_sub(1);
        return false;
    }

    /* Finds a stripe to watch instead of one that has lost its last holder, whose unit it drops. */
    __attribute__((noinline)) void leave() noexcept
    {
        for (stripe &each : stripes_) {
            if (watch(each))
                break;
        }
        if (units_.fetch_sub(1) == 1)
            delete this;
    }

    /* Makes a stripe a watched one; whether it has holders. */
    bool watch(stripe &candidate) noexcept
    {
        if (candidate.state_.load() == WATCHED)
            return false;
        const std::uintptr_t before = candidate.state_.fetch_or(WATCHED);
        if (before == 0)
            units_.fetch_sub(1);
        return before >= HOLDER;
    }

    const Resource resource_; /* read by all threads, so not beside the first stripe */
    char apart_[CACHE_LINE];
    stripe stripes_[STRIPES];
    std::atomic<std::size_t> units_{1};
};

} // namespace internal

/*
 * The allocator. Satisfies the standard's Cpp17Allocator. Copies, also those for other value types,
 * compare equal and may be used by any number of threads at once; one object may be read by many.
 */
template <typename T> class allocator
{
  public:
    using value_type = T;
    using pointer = T *;
    using const_pointer = const T *;
    using reference = typename std::add_lvalue_reference<T>::type;
    using const_reference = typename std::add_lvalue_reference<const T>::type;
    using size_type = std::size_t;
    using difference_type = std::ptrdiff_t;

    /* Elements stay in the kind that their container was made with; a swap takes the kind along. */
    using propagate_on_container_copy_assignment = std::false_type;
    using propagate_on_container_move_assignment = std::false_type;
    using propagate_on_container_swap = std::true_type;
    using is_always_equal = std::false_type;

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
        : share_(shared_kind::make(dir, max_size, alloc_policy))
    {
    }

    explicit allocator(const std::string &dir, std::size_t max_size, allocation_policy alloc_policy)
        : allocator(dir.c_str(), max_size, alloc_policy)
    {
    }

    /* A copy shares the kind. So does the source of a move: the standard wants it unchanged. */
    allocator(const allocator &other) noexcept : share_(share::acquire(other.share_))
    {
    }

    template <typename U>
    allocator(const allocator<U> &other) noexcept : share_(share::acquire(other.share_))
    {
    }

    ~allocator()
    {
        share::release(share_);
    }

    allocator &operator=(const allocator &other) noexcept
    {
        assign(other);
        return *this;
    }

    template <typename U> allocator &operator=(const allocator<U> &other) noexcept
    {
        assign(other);
        return *this;
    }

    friend void swap(allocator &left, allocator &right) noexcept
    {
        std::swap(left.share_, right.share_);
    }

    /*
     * Memory for n objects, aligned for them. Throws std::bad_alloc where there is no space or n is
     * 0, std::bad_array_new_length where no address space could hold them.
     */
    pointer allocate(size_type n) const
    {
        if (n > SIZE_MAX / sizeof(T))
            throw std::bad_array_new_length();
        void *block = get_block(n * sizeof(T));
        if (block == nullptr)
            throw std::bad_alloc();
        return static_cast<pointer>(block);
    }

    /* Frees what allocate() of an equal allocator gave. */
    void deallocate(pointer p, size_type) const noexcept
    {
        memkind_free(kind(), static_cast<void *>(p));
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

    allocator select_on_container_copy_construction() const noexcept
    {
        return *this;
    }

    template <typename U, typename V>
    friend bool operator==(const allocator<U> &left, const allocator<V> &right) noexcept;

  private:
    template <typename U> friend class allocator;

    /* With one thread on each, enough for the largest machines that have PMEM or CXL memory. */
    static constexpr std::size_t STRIPES = 128;

    using shared_kind = internal::shared_by_stripes<internal::pmem_kind, STRIPES>;
    using share = typename shared_kind::stripe;

    memkind_t kind() const noexcept
    {
        return share_->resource().get();
    }

    void *get_block(std::size_t size) const noexcept
    {
        void *block = nullptr;

        if (alignof(T) <= alignof(std::max_align_t))
            return memkind_malloc(kind(), size);
        if (memkind_posix_memalign(kind(), &block, alignof(T), size) != 0)
            return nullptr;
        return block;
    }

    template <typename U> void assign(const allocator<U> &other) noexcept
    {
        if (kind() == other.kind())
            return;
        share *former = share_;
        share_ = share::acquire(other.share_);
        share::release(former);
    }

    share *share_;
};

/* Whether memory from one can be freed by the other: they share one kind. */
template <typename U, typename V>
bool operator==(const allocator<U> &left, const allocator<V> &right) noexcept
{
    return left.kind() == right.kind();
}

template <typename U, typename V>
bool operator!=(const allocator<U> &left, const allocator<V> &right) noexcept
{
    return !(left == right);
}

} // namespace striped
} // namespace pmem
} // namespace libmemkind

#undef LIBMEMKIND_PMEM_SINGLE_THREADED
