/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kind that lives as long as any of its holders, for the allocators of pmem_allocator.h and
 * fixed_allocator.h. Not an interface for programs. C++11 or later.
 */
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "memkind.h"
#include "memkind/internal/memkind_cpp_throw.h"

#ifdef __has_include
#    if __has_include(<sys/single_threaded.h>)
#        include <sys/single_threaded.h>
#        define LIBMEMKIND_SINGLE_THREADED (__libc_single_threaded)
#    endif
#endif
#ifndef LIBMEMKIND_SINGLE_THREADED
#    define LIBMEMKIND_SINGLE_THREADED (false)
#endif

namespace libmemkind
{
namespace internal
{

/* Throws std::invalid_argument for MEMKIND_ERROR_INVALID, otherwise std::runtime_error. */
[[noreturn]] inline void fail_to_create(const char *allocator, int error)
{
    char reason[MEMKIND_ERROR_MESSAGE_SIZE];

    memkind_error_message(error, reason, sizeof(reason));
    const std::string text =
        std::string(allocator) + ": " + reason + "; error code: " + std::to_string(error);
    if (error == MEMKIND_ERROR_INVALID)
        fail_with(std::invalid_argument(text));
    fail_with(std::runtime_error(text));
}

/* A kind that is destroyed with the object. */
class owned_kind
{
  public:
    ~owned_kind()
    {
        memkind_destroy_kind(kind_);
    }

    owned_kind(const owned_kind &) = delete;
    owned_kind &operator=(const owned_kind &) = delete;

    memkind_t get() const noexcept
    {
        return kind_;
    }

  protected:
    explicit owned_kind(memkind_t kind) noexcept : kind_(kind)
    {
    }

  private:
    memkind_t kind_;
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
    /* The state of a holder: the stripe in which it is counted. */
    class stripe
    {
      public:
        const Resource &resource() const noexcept
        {
            return owner_->resource_;
        }

        /* Counts one more holder beside the one with `held`. Returns the new holder's stripe. */
        static stripe *acquire(stripe *held) noexcept
        {
            stripe *own = &held->owner_->stripes_[thread_number() % STRIPES];
            std::uintptr_t state = own->state_.load(std::memory_order_relaxed);

            for (;;) {
                if (state == WATCHED) {
                    if (held->owner_->join(held, own))
                        return own;
                    state = own->state_.load(std::memory_order_relaxed);
                } else if (LIBMEMKIND_SINGLE_THREADED) {
                    own->state_.store(state + HOLDER, std::memory_order_relaxed);
                    return own;
                } else if (own->state_.compare_exchange_weak(state, state + HOLDER)) {
                    return own;
                }
            }
        }

        /* Removes the holder with `held` from the count. */
        static void release(stripe *held) noexcept
        {
            std::uintptr_t before;

            if (LIBMEMKIND_SINGLE_THREADED) {
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

    /* Creates the resource from the arguments. Returns the first holder's stripe. */
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

    /* Counts the first holder in `own`. False: `own` is no longer watched and empty. */
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

    /*
     * Finds a stripe to watch instead of the one that has lost its last holder, and drops that
     * one's unit.
     */
    __attribute__((noinline)) void leave() noexcept
    {
        for (stripe &each : stripes_) {
            if (watch(each))
                break;
        }
        if (units_.fetch_sub(1) == 1)
            delete this;
    }

    /* Makes a stripe watched. Returns whether it has holders. */
    bool watch(stripe &candidate) noexcept
    {
        if (candidate.state_.load() == WATCHED)
            return false;
        const std::uintptr_t before = candidate.state_.fetch_or(WATCHED);
        if (before == 0)
            units_.fetch_sub(1);
        return before >= HOLDER;
    }

    const Resource
        resource_; /* read by all threads, so on another cache line than the first stripe */
    char apart_[CACHE_LINE];
    stripe stripes_[STRIPES];
    std::atomic<std::size_t> units_{1};
};

/*
 * One holder of a Kind, which lives as long as any of them. A copy shares the kind, and so does a
 * moved-from object, which the standard requires to be unchanged.
 */
template <class Kind> class kind_holder
{
  public:
    template <class... Args> static kind_holder make(Args &&...args)
    {
        return kind_holder(shared::make(std::forward<Args>(args)...));
    }

    kind_holder(const kind_holder &other) noexcept : share_(share::acquire(other.share_))
    {
    }

    ~kind_holder()
    {
        share::release(share_);
    }

    kind_holder &operator=(const kind_holder &other) noexcept
    {
        if (get() != other.get()) {
            share *former = share_;
            share_ = share::acquire(other.share_);
            share::release(former);
        }
        return *this;
    }

    friend void swap(kind_holder &left, kind_holder &right) noexcept
    {
        std::swap(left.share_, right.share_);
    }

    memkind_t get() const noexcept
    {
        return share_->resource().get();
    }

  private:
    /* With a thread on each, enough for the largest machines with PMEM or CXL memory. */
    static constexpr std::size_t STRIPES = 128;

    using shared = shared_by_stripes<Kind, STRIPES>;
    using share = typename shared::stripe;

    explicit kind_holder(share *first) noexcept : share_(first)
    {
    }

    share *share_;
};

} // namespace internal
} // namespace libmemkind

#undef LIBMEMKIND_SINGLE_THREADED
