/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that copy, pass and drop allocators: the shared resource is destroyed once, after the
 * last holder is gone and before the last drop returns.
 */
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "fixture.hpp"

using fixture::dir;
using fixture::KIND_SIZE;
using fixture::kinds;
using libmemkind::pmem::allocator;

namespace
{

constexpr unsigned THREADS = 4;

template <class Function> void in_threads(const Function &function)
{
    std::vector<std::thread> threads;

    for (unsigned i = 0; i < THREADS; i++)
        threads.emplace_back(function, i);
    for (std::thread &thread : threads)
        thread.join();
}

/* -- The count alone, with few stripes, so that threads meet ----------------------------------- */

std::atomic<int> alive;
std::atomic<int> ended;

struct resource {
    resource()
    {
        alive++;
    }

    ~resource()
    {
        intact = false;
        alive--;
        ended++;
    }

    bool intact = true;
};

template <std::size_t STRIPES> class holder
{
    using shared = libmemkind::internal::shared_by_stripes<resource, STRIPES>;

  public:
    holder() : stripe_(shared::make())
    {
    }

    holder(const holder &other) : stripe_(shared::stripe::acquire(other.stripe_))
    {
    }

    ~holder()
    {
        shared::stripe::release(stripe_);
    }

    holder &operator=(const holder &) = delete;

    bool intact() const
    {
        return stripe_->resource().intact;
    }

  private:
    typename shared::stripe *stripe_;
};

/* A place where threads leave holders for each other. */
template <class Holder> class exchange
{
  public:
    void put(std::unique_ptr<Holder> &holder)
    {
        std::lock_guard<std::mutex> guard(lock_);
        holder_.swap(holder);
    }

    std::unique_ptr<Holder> copy()
    {
        std::lock_guard<std::mutex> guard(lock_);
        return std::unique_ptr<Holder>(holder_ ? new Holder(*holder_) : nullptr);
    }

  private:
    std::mutex lock_;
    std::unique_ptr<Holder> holder_;
};

/* Random copies, drops and passes, in a thread that begins with one holder and ends with none. */
template <class Holder>
bool use_holders(unsigned seed, std::unique_ptr<Holder> first,
                 std::vector<exchange<Holder>> &places)
{
    constexpr std::size_t MOST = 5;
    std::minstd_rand random(seed + 1);
    std::vector<std::unique_ptr<Holder>> mine;
    bool intact = true;

    mine.push_back(std::move(first));
    for (int step = 0; step < 200 && !mine.empty(); step++) {
        const std::size_t at = random() % mine.size();
        exchange<Holder> &place = places[random() % places.size()];

        switch (random() % 7) {
        case 0:
        case 1:
        case 2:
            mine.emplace_back(new Holder(*mine[at]));
            break;
        case 3:
            place.put(mine[at]);
            break;
        case 4:
            mine[at] = place.copy();
            break;
        default:
            mine[at].reset();
        }
        if (mine[at] == nullptr || mine.size() > MOST) {
            mine[at].swap(mine.back());
            mine.pop_back();
        }
        for (const std::unique_ptr<Holder> &each : mine)
            intact = intact && each->intact();
    }
    return intact;
}

template <std::size_t STRIPES> void test_count()
{
    using some = holder<STRIPES>;

    ended = 0;
    for (int round = 0; round < 200; round++) {
        {
            std::vector<exchange<some>> places(2);
            std::vector<std::unique_ptr<some>> first(THREADS);
            std::atomic<bool> intact(true);

            first[0].reset(new some);
            for (unsigned i = 1; i < THREADS; i++)
                first[i].reset(new some(*first[i - 1]));
            in_threads([&](unsigned i) {
                if (!use_holders<some>(unsigned(round) * THREADS + i, std::move(first[i]), places))
                    intact = false;
            });
            CHECK(intact);
        }
        CHECK(alive == 0 && ended == round + 1);
    }
}

/* Every thread drops its holder at the same time: one of them destroys the resource. */
template <std::size_t STRIPES> void test_race_for_the_last()
{
    using some = holder<STRIPES>;
    constexpr int ROUNDS = 300;

    ended = 0;
    for (int round = 0; round < ROUNDS; round++) {
        std::unique_ptr<some> first(new some);
        std::vector<std::unique_ptr<some>> given(THREADS);
        std::atomic<unsigned> ready(0);

        for (std::unique_ptr<some> &each : given)
            each.reset(new some(*first));
        first.reset();
        in_threads([&](unsigned i) {
            ready++;
            while (ready < THREADS)
                std::this_thread::yield();
            some own(*given[i]);
            given[i].reset();
        });
        CHECK(alive == 0 && ended == round + 1);
    }
}

/* A thread whose holders are counted in a chosen stripe. */
class worker
{
  public:
    worker(std::size_t stripe, std::size_t stripes)
    {
        do {
            if (thread_.joinable())
                thread_.join();
            state_ = NEW;
            thread_ = std::thread([this, stripe, stripes] { serve(stripe, stripes); });
            wait_for_change(NEW);
        } while (state_ == REFUSED);
    }

    ~worker()
    {
        state_ = END;
        thread_.join();
    }

    worker(const worker &) = delete;
    worker &operator=(const worker &) = delete;

    /* The job must live until finish(). */
    void start(const std::function<void()> &job)
    {
        job_ = &job;
        state_ = BUSY;
    }

    void finish()
    {
        wait_for_change(BUSY);
    }

    void run(const std::function<void()> &job)
    {
        start(job);
        finish();
    }

  private:
    enum state { NEW, REFUSED, IDLE, BUSY, END };

    void wait_for_change(state from) const
    {
        while (state_ == from)
            std::this_thread::yield();
    }

    void serve(std::size_t stripe, std::size_t stripes)
    {
        if (libmemkind::internal::thread_number() % stripes != stripe) {
            state_ = REFUSED;
            return;
        }
        state_ = IDLE;
        for (;;) {
            wait_for_change(IDLE);
            if (state_ == END)
                return;
            (*job_)();
            state_ = IDLE;
        }
    }

    std::atomic<int> state_{NEW};
    const std::function<void()> *job_ = nullptr;
    std::thread thread_;
};

/* Brings two threads to the same point at about the same time, with varying delays. */
class meeting
{
  public:
    void meet(int delay)
    {
        arrived_++;
        for (int spins = 0; arrived_ < 2; spins++) {
            /* The other thread may have no processor. */
            if (spins >= SPINS)
                std::this_thread::yield();
        }
        for (volatile int i = 0; i < delay;)
            i = i + 1;
    }

  private:
    static constexpr int SPINS = 10000;

    std::atomic<int> arrived_{0};
};

constexpr int MEETINGS = 3000;
constexpr int DELAYS = 100;

/* Two threads at once put the first holder into the stripe that they share. */
void test_race_to_be_first()
{
    using some = holder<2>;
    worker owner(0, 2);
    worker left(1, 2);
    worker right(1, 2);

    ended = 0;
    for (int round = 0; round < MEETINGS; round++) {
        std::unique_ptr<some> first;
        meeting place;

        owner.run([&] { first.reset(new some); });
        const std::function<void()> copy = [&] {
            place.meet(0);
            some own(*first);
        };
        left.start(copy);
        right.start(copy);
        left.finish();
        right.finish();
        owner.run([&] { first.reset(); });
        CHECK(alive == 0 && ended == round + 1);
    }
}

/*
 * One thread drops the holder in the only watched stripe, and searches for another stripe to watch.
 * Meanwhile a holder moves from a stripe that is searched late to one that has been searched.
 */
void test_move_behind_the_search()
{
    constexpr std::size_t STRIPES = 128;
    using some = holder<STRIPES>;
    worker watched(STRIPES / 2, STRIPES);
    worker late(STRIPES - 1, STRIPES);
    worker early(0, STRIPES);

    ended = 0;
    for (int round = 0; round < MEETINGS; round++) {
        std::unique_ptr<some> first;
        std::unique_ptr<some> second;
        meeting place;

        watched.run([&] { first.reset(new some); });
        late.run([&] { second.reset(new some(*first)); });
        const std::function<void()> drop = [&] {
            place.meet(DELAYS / 2);
            first.reset();
        };
        const std::function<void()> move = [&] {
            place.meet(round % DELAYS);
            some own(*second);
            second.reset();
        };
        watched.start(drop);
        early.start(move);
        watched.finish();
        early.finish();
        CHECK(alive == 0 && ended == round + 1);
    }
}

/* -- Allocators -------------------------------------------------------------------------------- */

void test_containers_in_threads()
{
    {
        std::unique_ptr<allocator<int>> kind(new allocator<int>(dir(), KIND_SIZE));
        std::vector<std::unique_ptr<allocator<int>>> given;
        std::atomic<bool> right(true);

        for (unsigned i = 0; i < THREADS; i++)
            given.emplace_back(new allocator<int>(*kind));
        kind.reset();
        in_threads([&](unsigned i) {
            for (int round = 0; round < 200; round++) {
                std::vector<int, allocator<int>> numbers(*given[i]);
                std::vector<long, allocator<long>> more(numbers.get_allocator());

                for (int k = 0; k < round; k++) {
                    numbers.push_back(k);
                    more.push_back(k + 1);
                }
                std::vector<int, allocator<int>> copy(numbers);
                for (std::size_t k = 0; k < copy.size(); k++) {
                    if (copy[k] != int(k) || more[k] != long(k + 1))
                        right = false;
                }
            }
            given[i].reset();
        });
        CHECK(right);
    }
    CHECK(kinds() == 0);
}

/* A container that one thread fills, another copies and a third frees. */
void test_handed_over()
{
    using container = std::vector<int, allocator<int>>;
    std::unique_ptr<container> original;
    std::unique_ptr<container> copy;

    std::thread([&] {
        original.reset(new container(1000, 7, allocator<int>(dir(), KIND_SIZE)));
    }).join();
    CHECK(kinds() == 1);
    std::thread([&] { copy.reset(new container(*original)); }).join();
    CHECK(*copy == *original);
    std::thread([&] { original.reset(); }).join();
    CHECK(kinds() == 1 && fixture::holds(*copy, std::vector<int>(1000, 7)));
    std::thread([&] { copy.reset(); }).join();
    CHECK(kinds() == 0);
}

} // namespace

int main()
{
    return fixture::run({
        {"count, 1 stripe", test_count<1>},
        {"count, 2 stripes", test_count<2>},
        {"count, 3 stripes", test_count<3>},
        {"count, 128 stripes", test_count<128>},
        {"race, 2 stripes", test_race_for_the_last<2>},
        {"race, 128 stripes", test_race_for_the_last<128>},
        {"race to be first", test_race_to_be_first},
        {"move behind the search", test_move_behind_the_search},
        {"containers in threads", test_containers_in_threads},
        {"handed over", test_handed_over},
    });
}
