/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of what a program has set for its pages by madvise(2), mlock(2), mlockall(2) and mbind(2):
 * how much of that is left in parent and child after a fork, and in the parent after thawing.
 */
/* WRAP: syscall */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/memory_policy.h"
#include "os/page_effects.h"
#include "os/process_maps.h"
#include "space/thaw.h"
#include "store/file_space.h"
#include "support/freeze_fixture.h"

/* To lock all memory takes more than there is: the sanitizer has mapped terabytes. */
#ifdef __SANITIZE_ADDRESS__
#    define CAN_LOCK_ALL false
#else
#    define CAN_LOCK_ALL true
#endif

static struct fault lock_fault;     /* of mlock2(2) */
static struct fault policy_fault;   /* of mbind(2) */
static struct fault query_fault;    /* of get_mempolicy(2) */
static struct fault lock_all_fault; /* of mlockall(2) */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
    long arguments[6];
    va_list list;

    va_start(list, number);
    for (size_t i = 0; i < 6; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    if ((number == SYS_mlock2 && fault_hits(&lock_fault)) ||
        (number == SYS_mlockall && fault_hits(&lock_all_fault)) ||
        (number == SYS_mbind && fault_hits(&policy_fault)) ||
        (number == SYS_get_mempolicy && fault_hits(&query_fault)))
        return -1;
    return __real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3],
                          arguments[4], arguments[5]);
}

/* Sanitizers replace libc's functions by others without effect. */
static int lock_pages(const void *addr, size_t size)
{
    return (int)__real_syscall(SYS_mlock, addr, size);
}

static int lock_all(int flags)
{
    return (int)__real_syscall(SYS_mlockall, flags);
}

static int unlock_all(void)
{
    return (int)__real_syscall(SYS_munlockall);
}

static int setup_effects(void **state)
{
    lock_fault = policy_fault = query_fault = lock_all_fault = (struct fault){0};
    return setup(state);
}

#define TEST_EFFECTS(test) cmocka_unit_test_setup_teardown(test, setup_effects, teardown)

/* -- Advice and locks -------------------------------------------------------------------------- */

struct query {
    const char *addr;
    unsigned effects;
};

static void find(void *arg, const struct process_map *map)
{
    struct query *query = arg;

    if (map->start <= (uintptr_t)query->addr && (uintptr_t)query->addr < map->end)
        query->effects = map->effects;
}

static unsigned effects_of(const char *addr)
{
    struct query query = {.addr = addr};
    char buffer[1024];

    NEED(process_maps_read(true, buffer, sizeof(buffer), find, &query) == 0);
    return query.effects;
}

static bool has(const char *addr, unsigned effects)
{
    return (effects_of(addr) & effects) == effects;
}

static void check_child_and_thaw(pid_t child)
{
    if (child == 0)
        _exit(0);
    check_child(child);
    thaw_all(space, true);
    assert_int_equal(atomic_load(&space->frozen), 0);
}

static const struct {
    int advice;
    unsigned effect;
} advices[] = {
    {MADV_DONTDUMP, PROCESS_MAP_NO_DUMP},
    {MADV_NOHUGEPAGE, PROCESS_MAP_NO_HUGE_PAGES},
    {MADV_RANDOM, PROCESS_MAP_RANDOM},
    {MADV_SEQUENTIAL, PROCESS_MAP_SEQUENTIAL},
};
#define ADVICES (sizeof(advices) / sizeof(advices[0]))

/* Each advice is for another page, and the page behind has none. */
static void check_advice(void)
{
    for (size_t i = 0; i < ADVICES; i++) {
        const char *page = blocks[1] + 2 * i * space->page;

        NEED(has(page, advices[i].effect));
        if (advices[i].effect != PROCESS_MAP_RANDOM)
            NEED(!has(page + space->page, advices[i].effect));
    }
}

static void advise_all(void)
{
    for (size_t i = 0; i < ADVICES; i++)
        assert_int_equal(madvise(blocks[1] + 2 * i * space->page, space->page, advices[i].advice),
                         0);
}

static void advice_stays(void **state)
{
    (void)state;
    advise_all();
    check_advice();
    pid_t child = fork_space();
    check_advice();
    if (child != 0)
        fill('b');
    check_child_and_thaw(child);
    check_advice();
    assert_true(is_filled('b'));
    check_file();
}

static void advice_for_frozen_pages_stays(void **state)
{
    (void)state;
    freeze_and_write();
    advise_all();
    thaw_all(space, true);
    check_thawed();
    check_advice();
    assert_true(is_filled('b'));
}

/* Pages that are large by the program's advice: only a file system not in memory can tell. */
static void huge_pages_stay(void **state)
{
    (void)state;
    if (file_space_of(space)->in_memory) {
        assert_true(has(blocks[1], PROCESS_MAP_HUGE_PAGES));
    } else if (madvise(blocks[1], space->page, MADV_HUGEPAGE) == 0) {
        check_child_and_thaw(fork_space());
    }
    check_child_and_thaw(fork_space());
    if (file_space_of(space)->in_memory)
        assert_true(has(blocks[1], PROCESS_MAP_HUGE_PAGES));
    else
        assert_int_equal(has(blocks[1], PROCESS_MAP_HUGE_PAGES),
                         madvise(blocks[1], space->page, MADV_HUGEPAGE) == 0);
}

static void advice_that_fails_is_lost(void **state)
{
    (void)state;
    advise_all();
    fault_set(&advise_fault, ENOMEM, FAULT_ALWAYS);
    pid_t child = fork_space();
    assert_false(child != 0 && has(blocks[1], PROCESS_MAP_NO_DUMP));
    check_child_and_thaw(child);
    clear_faults();
    assert_true(is_filled('a'));
}

static size_t private_bytes(void)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    uintptr_t base = (uintptr_t)blocks[0];
    unsigned long first = 0, end = 0, size;
    size_t sum = 0;
    char line[512];

    while (fgets(line, sizeof(line), maps) != NULL)
        if (sscanf(line, "Anonymous: %lu kB", &size) == 1)
            sum += first >= base && end <= base + BLOCKS * 3 * CHUNK ? size << 10 : 0;
        else if (sscanf(line, "%lx-%lx ", &first, &end) != 2)
            continue;
    fclose(maps);
    return sum;
}

static bool is_mapped(const char *page)
{
    unsigned char present;

    return mincore((void *)page, space->page, &present) == 0;
}

static void check_child_lacks(char *page, char with)
{
    pid_t child = fork_space();
    if (child == 0) {
        NEED(!is_mapped(page));
        NEED(page[-1] == with && page[space->page] == with);
        page[-1] = 'c';
        _exit(0);
    }
    assert_true(has(page, PROCESS_MAP_NO_FORK));
    assert_false(has(page + space->page, PROCESS_MAP_NO_FORK));
    page[0] = 'p';
    check_child(child);
}

/*
 * The child lacks the pages, as it does with libc. In the parent they stay the file's: a device may
 * write to them.
 */
static void pages_without_fork(void **state)
{
    char *page = blocks[1] + 4 * space->page;
    char byte;

    (void)state;
    assert_int_equal(madvise(page, space->page, MADV_DONTFORK), 0);
    for (int i = 0; i < 2; i++) {
        check_child_lacks(page, 'b');
        assert_int_equal(private_bytes(), 0);
        assert_int_equal(__real_pread(space->fd, &byte, 1, page - blocks[0]), 1);
        assert_int_equal(byte, 'p');
        check_child_lacks(page, 'b');
        thaw_all(space, true);
        check_thawed();
        assert_true(has(page, PROCESS_MAP_NO_FORK));
    }
    /* Later children have the pages. */
    check_child_lacks(page, 'b');
    assert_int_equal(madvise(page, space->page, MADV_DOFORK), 0);
    pid_t child = fork_space();
    if (child == 0) {
        NEED(page[0] == 'p');
        page[0] = 'c';
        _exit(0);
    }
    check_child(child);
    assert_int_equal(page[0], 'p');
    page[0] = 'b';
    assert_true(is_filled('a'));
    thaw_all(space, true);
    check_thawed();
}

/* -- A block that fills a map ------------------------------------------------------------------ */

#define LARGE ADDRESS_MAP_GRANULE

/* Returns a block that has a segment for itself: the program's advice leaves no edge in its map. */
static char *large_block(void)
{
    char *block = reserve(LARGE);

    assert_int_equal(space_commit(space, block, LARGE), 0);
    block[0] = 'f';
    block[LARGE - 1] = 'l';
    return block;
}

static bool all_has(const char *block, unsigned effect)
{
    return has(block, effect) && has(block + LARGE / 2, effect) && has(block + LARGE - 1, effect);
}

static void advice_on_a_block_that_fills_a_map_stays(void **state)
{
    char *block = large_block();

    (void)state;
    assert_int_equal(madvise(block, LARGE, MADV_DONTDUMP), 0);
    pid_t child = fork_space();
    NEED(all_has(block, PROCESS_MAP_NO_DUMP));
    block[0] = 'w';
    check_child_and_thaw(child);
    assert_true(all_has(block, PROCESS_MAP_NO_DUMP));
    /* Of frozen pages. */
    child = fork_space();
    if (child != 0)
        assert_int_equal(madvise(block, LARGE, MADV_DODUMP), 0);
    if (child != 0)
        assert_int_equal(madvise(block, LARGE, MADV_SEQUENTIAL), 0);
    check_child_and_thaw(child);
    assert_true(all_has(block, PROCESS_MAP_SEQUENTIAL));
    assert_false(has(block, PROCESS_MAP_NO_DUMP));
    assert_true(block[0] == 'w' && block[LARGE - 1] == 'l');
}

static void a_block_that_fills_a_map_without_fork(void **state)
{
    char *block = large_block();

    (void)state;
    assert_int_equal(madvise(block, LARGE, MADV_DONTFORK), 0);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork_space();
        if (child == 0) {
            NEED(!is_mapped(block) && !is_mapped(block + LARGE - space->page));
            NEED(is_filled('a'));
            _exit(0);
        }
        check_child_and_thaw(child);
        assert_true(all_has(block, PROCESS_MAP_NO_FORK));
    }
    assert_true(block[0] == 'f' && block[LARGE - 1] == 'l');
}

/* -- Locks ------------------------------------------------------------------------------------- */

static void locks_stay(void **state)
{
    (void)state;
    assert_int_equal(lock_pages(blocks[1] + space->page, 2 * space->page), 0);
    pid_t child = fork_space();
    /* A child does not inherit locks. */
    NEED(has(blocks[1] + space->page, PROCESS_MAP_LOCKED) == (child != 0));
    if (child != 0) {
        assert_int_equal(private_bytes(), 0);
        assert_false(has(blocks[1], PROCESS_MAP_LOCKED));
        blocks[1][space->page] = 'w';
        assert_int_equal(private_bytes(), space->page);
    }
    check_child_and_thaw(child);
    assert_true(has(blocks[1] + space->page, PROCESS_MAP_LOCKED));
    assert_true(has(blocks[1] + 2 * space->page, PROCESS_MAP_LOCKED));
    assert_false(has(blocks[1] + 3 * space->page, PROCESS_MAP_LOCKED));
    assert_int_equal(blocks[1][space->page], 'w');
}

static void find_map_of(void *arg, const struct process_map *map)
{
    struct process_map *wanted = arg;

    if (map->start <= (uintptr_t)blocks[1] && (uintptr_t)blocks[1] < map->end)
        *wanted = *map;
}

static struct process_map whole_map(void)
{
    struct process_map map = {0};

    NEED(process_maps_each(find_map_of, &map) == 0);
    return map;
}

/* Nothing but the lock tells that the program has set anything. */
static void locks_of_whole_maps_stay(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct process_map map = whole_map();

        assert_int_equal(lock_pages((const void *)map.start, map.end - map.start), 0);
        pid_t child = fork_space();
        NEED(child == 0 || has(blocks[1], PROCESS_MAP_LOCKED));
        check_child_and_thaw(child);
        assert_true(has(blocks[1], PROCESS_MAP_LOCKED));
    }
}

static void a_lock_that_fails_is_lost(void **state)
{
    (void)state;
    assert_int_equal(lock_pages(blocks[1] + space->page, space->page), 0);
    fault_set(&lock_fault, EAGAIN, 1);
    pid_t child = fork_space();
    NEED(child == 0 || !has(blocks[1] + space->page, PROCESS_MAP_LOCKED));
    check_child_and_thaw(child);
    assert_true(is_filled('a'));
}

/* All memory is locked, and new memory as `flags` say. No page is copied before it is written. */
static void check_lock_all(int flags)
{
    bool has_current = (flags & MCL_CURRENT) != 0;

    assert_int_equal(lock_all(flags), 0);
    pid_t child = fork_space();
    if (child != 0) {
        assert_int_equal(private_bytes(), 0);
        assert_int_equal(has(blocks[1], PROCESS_MAP_LOCKED), has_current);
        assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_COPY);
        assert_int_not_equal(atomic_load(&space->frozen), 0);
        fill('b');
    }
    check_child_and_thaw(child);
    assert_int_equal(has(blocks[1], PROCESS_MAP_LOCKED), has_current);
    assert_true(is_filled('b'));
    check_file();
    fill('a');
    char *fresh =
        __real_mmap(NULL, space->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(page_effects_future_of(fresh, space->page),
                     (flags & MCL_FUTURE) == 0    ? FUTURE_UNLOCKED
                     : (flags & MCL_ONFAULT) == 0 ? FUTURE_LOCKED
                                                  : FUTURE_LOCKED_ON_FAULT);
    munmap(fresh, space->page);
    assert_int_equal(unlock_all(), 0);
}

static void all_memory_is_locked(void **state)
{
    (void)state;
    if (!CAN_LOCK_ALL)
        skip();
    check_lock_all(MCL_CURRENT);
    check_lock_all(MCL_FUTURE);
    check_lock_all(MCL_CURRENT | MCL_FUTURE);
    check_lock_all(MCL_FUTURE | MCL_ONFAULT);
    check_lock_all(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

/* Where mlockall(2) is refused, the child gets a copy, and the chunks stay frozen. */
static void locking_on_fault_is_refused(void **state)
{
    (void)state;
    if (!CAN_LOCK_ALL)
        skip();
    assert_int_equal(lock_all(MCL_FUTURE), 0);
    fault_set(&lock_all_fault, EPERM, FAULT_ALWAYS);
    pid_t child = fork_space();
    NEED(is_filled('a'));
    if (child == 0)
        _exit(0);
    assert_true(create_fault.calls != 0);
    check_child(child);
    lock_all_fault = (struct fault){0};
    unlock_all();
    assert_int_equal(lock_all(MCL_CURRENT | MCL_FUTURE), 0);
    freeze_and_write();
    fault_set(&lock_all_fault, EPERM, FAULT_ALWAYS);
    thaw_all(space, true);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    lock_all_fault = (struct fault){0};
    thaw_all(space, true);
    assert_int_equal(atomic_load(&space->frozen), 0);
    assert_true(is_filled('b'));
    unlock_all();
}

/* -- Policies ---------------------------------------------------------------------------------- */

static int mode_of(const char *addr)
{
    struct memory_policy policy;

    NEED(memory_policy_of((void *)addr, &policy) == 0);
    return policy.mode;
}

static void policies_stay(void **state)
{
    unsigned long node = 1;

    (void)state;
    if (!memory_policy_exists())
        skip();
    assert_int_equal(memory_policy_bind(blocks[1] + space->page, space->page, MPOL_BIND, &node, 1),
                     0);
    pid_t child = fork_space();
    NEED(mode_of(blocks[1] + space->page) == MPOL_BIND);
    NEED(mode_of(blocks[1]) == MPOL_DEFAULT);
    check_child_and_thaw(child);
    assert_int_equal(mode_of(blocks[1] + space->page), MPOL_BIND);
    assert_int_equal(mode_of(blocks[1] + 2 * space->page), MPOL_DEFAULT);
}

static void policies_of_whole_maps_stay(void **state)
{
    unsigned long node = 1;

    (void)state;
    if (!memory_policy_exists())
        skip();
    struct process_map map = whole_map();
    assert_int_equal(
        memory_policy_bind((void *)map.start, map.end - map.start, MPOL_BIND, &node, 1), 0);
    pid_t child = fork_space();
    NEED(mode_of(blocks[1]) == MPOL_BIND);
    /* A file in memory keeps the policy itself: no effects are read for that. */
    NEED((fork_used_maps == MAPS_EFFECTS) == !file_space_of(space)->in_memory);
    check_child_and_thaw(child);
    assert_int_equal(mode_of(blocks[1]), MPOL_BIND);
}

/* A file in memory keeps the policy itself. */
static void policies_that_fail_are_lost(void **state)
{
    struct fault *const faults[] = {&query_fault, &policy_fault};
    unsigned long node = 1;

    (void)state;
    if (!memory_policy_exists() || file_space_of(space)->in_memory)
        skip();
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(memory_policy_bind(blocks[1], space->page, MPOL_BIND, &node, 1), 0);
        fault_set(faults[i], EPERM, FAULT_ALWAYS);
        pid_t child = fork_space();
        *faults[i] = (struct fault){0};
        NEED(mode_of(blocks[1]) == MPOL_DEFAULT);
        check_child_and_thaw(child);
    }
}

/* -- The list of effects ----------------------------------------------------------------------- */

/* Only where a map has an edge that is not the library's, or pages are locked. */
static void read_only_when_needed(void **state)
{
    unsigned opens = opens_of_plain_list();

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        open_fault.calls = 0;
        pid_t child = fork_space();
        if (child == 0)
            _exit(0);
        assert_int_equal(open_fault.calls, opens + i);
        check_child(child);
        open_fault.calls = 0;
        thaw_all(space, true);
        check_thawed();
        assert_int_equal(madvise(blocks[1], space->page, MADV_DONTDUMP), 0);
    }
}

static void a_list_that_cannot_be_read(void **state)
{
    unsigned opens = opens_of_plain_list();

    (void)state;
    assert_int_equal(madvise(blocks[1], space->page, MADV_DONTDUMP), 0);
    /* The next file that is opened is the list. The spare number does not help here. */
    open_fault = (struct fault){.error = EMFILE, .skip = opens, .times = FAULT_ALWAYS};
    pid_t child = fork_space();
    NEED(is_filled('a'));
    if (child == 0)
        _exit(0);
    check_child(child);
    assert_int_equal(atomic_load(&space->frozen), 0);
    /* A kernel without the list. */
    open_fault = (struct fault){.error = ENOENT, .skip = opens, .times = 1};
    child = fork_space();
    if (child == 0)
        _exit(0);
    check_child(child);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    assert_false(has(blocks[1], PROCESS_MAP_NO_DUMP));
    assert_int_equal(madvise(blocks[1], space->page, MADV_DONTDUMP), 0);
    /* pagemap, the stopped threads and maps come before it. */
    for (unsigned before_it = 0; before_it < 8; before_it++) {
        open_fault = (struct fault){.error = EMFILE, .skip = before_it, .times = 1};
        thaw_all(space, true);
        NEED(is_filled('a'));
    }
    clear_faults();
    thaw_all(space, true);
    check_thawed();
}

int main(void)
{
    /* Its own thread cannot be stopped. */
    if (SANITIZED)
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        TEST_EFFECTS(advice_stays),
        TEST_EFFECTS(advice_for_frozen_pages_stays),
        TEST_EFFECTS(huge_pages_stay),
        TEST_EFFECTS(pages_without_fork),
        TEST_EFFECTS(advice_on_a_block_that_fills_a_map_stays),
        TEST_EFFECTS(a_block_that_fills_a_map_without_fork),
        TEST_EFFECTS(locks_of_whole_maps_stay),
        TEST_EFFECTS(policies_of_whole_maps_stay),
        TEST_EFFECTS(advice_that_fails_is_lost),
        TEST_EFFECTS(locks_stay),
        TEST_EFFECTS(a_lock_that_fails_is_lost),
        TEST_EFFECTS(all_memory_is_locked),
        TEST_EFFECTS(locking_on_fault_is_refused),
        TEST_EFFECTS(policies_stay),
        TEST_EFFECTS(policies_that_fail_are_lost),
        TEST_EFFECTS(read_only_when_needed),
        TEST_EFFECTS(a_list_that_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
