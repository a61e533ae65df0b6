/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of views, by which another library has the fast paths of malloc and free compiled in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap/thread_view.h"
#include "memkind.h"
#include "memkind/internal/memkind_arena.h"
#include "support/check.h"
#include "support/leftovers.h"

#define SIZE ((size_t)100)
#define MANY 1000

static memkind_t kind;
static _Thread_local struct thread_view view;

static memkind_t create(void)
{
    memkind_t created;

    assert_int_equal(memkind_create_pmem(test_dir(), 0, &created), MEMKIND_SUCCESS);
    memkind_free(created, memkind_malloc(created, SIZE));
    return created;
}

static void open_limits(void)
{
    view.sizes = view.open_sizes;
    view.blocks = view.open_blocks;
}

static void open_view(memkind_t of)
{
    assert_int_equal(memkind_arena_open_view(of, &view, thread_view_layout()), MEMKIND_SUCCESS);
    assert_int_equal(view.sizes, 0);
    assert_int_equal(view.blocks, 0);
    open_limits();
}

static int setup(void **state)
{
    (void)state;
    kind = create();
    open_view(kind);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return memkind_destroy_kind(kind);
}

static void blocks_come_and_go(void **state)
{
    void *block = memkind_malloc(kind, SIZE);

    (void)state;
    assert_true(thread_view_push(&view, block));
    assert_ptr_equal(thread_view_pop(&view, SIZE), block);
    memkind_free(kind, block);
    assert_ptr_equal(memkind_malloc(kind, SIZE), block);
    memkind_free(kind, block);
    assert_int_equal(view.class_sizes[view.classes[(SIZE - 1) / SIZE_CLASS_QUANTUM]],
                     memkind_malloc_usable_size(kind, block));
}

static void requests_without_a_class(void **state)
{
    int foreign;

    (void)state;
    assert_null(thread_view_pop(&view, 0));
    assert_null(thread_view_pop(&view, SIZE_CLASS_LARGEST + 1));
    assert_null(thread_view_pop(&view, SIZE_MAX));
    assert_false(thread_view_push(&view, NULL));
    assert_false(thread_view_push(&view, &foreign));
    assert_false(thread_view_push(&view, (void *)UINTPTR_MAX));
    void *large = memkind_malloc(kind, 2 * SIZE_CLASS_LARGEST);
    assert_false(thread_view_push(&view, large));
    memkind_free(kind, large);
}

static void blocks_of_all_classes_are_aligned(void **state)
{
    enum { BLOCKS = 20 };
    size_t found = 0;

    (void)state;
    for (size_t alignment = sizeof(void *); alignment <= PAGE_MAP_PAGE; alignment *= 2)
        for (size_t size = 1; size <= SIZE_CLASS_LARGEST; size += size / 3 + 1) {
            void *blocks[BLOCKS];
            size_t count = 0;

            memkind_free(kind, memkind_malloc(kind, (size + alignment - 1) & ~(alignment - 1)));
            while (count < BLOCKS) {
                void *block = thread_view_pop_aligned(&view, size, alignment);
                if (block == NULL)
                    break;
                assert_int_equal((uintptr_t)block % alignment, 0);
                assert_true(memkind_malloc_usable_size(kind, block) >= size);
                blocks[count++] = block;
            }
            found += count;
            while (count > 0)
                memkind_free(kind, blocks[--count]);
        }
    assert_true(found > MANY);
    assert_null(thread_view_pop_aligned(&view, 1, 2 * PAGE_MAP_PAGE));
    assert_null(thread_view_pop_aligned(&view, 0, 64));
    assert_null(thread_view_pop_aligned(&view, SIZE_MAX, 64));
    assert_null(thread_view_pop_aligned(&view, SIZE_CLASS_LARGEST + 1, 64));
}

static void usable_sizes(void **state)
{
    int foreign;

    (void)state;
    for (size_t size = 1; size <= 2 * SIZE_CLASS_LARGEST; size += size / 3 + 1) {
        void *block = memkind_malloc(kind, size);
        size_t usable = thread_view_usable_size(&view, block);

        assert_true(usable == memkind_malloc_usable_size(kind, block) ||
                    (usable == 0 && size > SIZE_CLASS_LARGEST));
        memkind_free(kind, block);
    }
    assert_int_equal(thread_view_usable_size(&view, NULL), 0);
    assert_int_equal(thread_view_usable_size(&view, &foreign), 0);
}

static void limits_close_a_view(void **state)
{
    void *block = memkind_malloc(kind, SIZE);

    (void)state;
    view.blocks = 0;
    assert_false(thread_view_push(&view, block));
    view.blocks = view.open_blocks;
    assert_true(thread_view_push(&view, block));
    view.sizes = 0;
    assert_null(thread_view_pop(&view, SIZE));
    view.sizes = view.open_sizes;
    assert_ptr_equal(thread_view_pop(&view, SIZE), block);
    memkind_free(kind, block);
}

static void other_layouts_are_refused(void **state)
{
    struct thread_view before = view;

    (void)state;
    assert_int_equal(memkind_arena_open_view(kind, &view, thread_view_layout() + 1),
                     MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_open_view(NULL, &view, thread_view_layout()),
                     MEMKIND_ERROR_INVALID);
    struct memkind without_heap = {0};
    assert_int_equal(memkind_arena_open_view(&without_heap, &view, thread_view_layout()),
                     MEMKIND_ERROR_INVALID);
    assert_memory_equal(&view, &before, sizeof(view));
}

/* A block goes to the cache of its own kind. */
static void blocks_of_another_kind(void **state)
{
    memkind_t other = create();
    void *block = memkind_malloc(other, SIZE);

    (void)state;
    assert_true(thread_view_push(&view, block));
    void *ours = thread_view_pop(&view, SIZE);
    assert_ptr_not_equal(ours, block);
    assert_ptr_equal(memkind_malloc(other, SIZE), block);
    open_view(other);
    assert_true(thread_view_push(&view, ours));
    assert_true(thread_view_push(&view, block));
    assert_ptr_equal(thread_view_pop(&view, SIZE), block);
    memkind_free(other, block);
    memkind_destroy_kind(other);
}

static void a_destroyed_kind(void **state)
{
    memkind_t other = create();
    void *block = memkind_malloc(other, SIZE);

    (void)state;
    open_view(other);
    assert_true(thread_view_push(&view, block));
    assert_int_equal(memkind_destroy_kind(other), MEMKIND_SUCCESS);
    assert_null(thread_view_pop(&view, SIZE));
}

static void a_kind_without_caches(void **state)
{
    void *block = memkind_malloc(kind, SIZE);

    (void)state;
    struct memkind_config *config = memkind_config_new();
    memkind_t conservative;
    memkind_config_set_path(config, test_dir());
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    assert_int_equal(memkind_create_pmem_with_config(config, &conservative), MEMKIND_SUCCESS);
    memkind_config_delete(config);
    void *exact = memkind_malloc(conservative, SIZE);
    assert_false(thread_view_push(&view, exact));
    memkind_free(conservative, exact);
    memkind_destroy_kind(conservative);
    memkind_free(kind, block);
}

/* -- Threads ----------------------------------------------------------------------------------- */

static pthread_key_t key;
static unsigned rounds;

/* In the second round the library's own destructor has run. */
static void end(void *value)
{
    if (++rounds == 1) {
        pthread_setspecific(key, value);
        return;
    }
    CHECK(thread_view_pop(&view, SIZE) == NULL);
    CHECK(!thread_view_push(&view, value));
    void *block = memkind_malloc(kind, SIZE);
    CHECK(block != NULL);
    CHECK(thread_view_push(&view, block));
    CHECK(thread_view_pop(&view, SIZE) == block);
    memkind_free(kind, block);
    memkind_free(kind, value);
}

/* The view is opened before the thread has a cache, and is used until after its end. */
static void *use_in_thread(void *nothing)
{
    CHECK(memkind_arena_open_view(kind, &view, thread_view_layout()) == MEMKIND_SUCCESS);
    open_limits();
    CHECK(thread_view_pop(&view, SIZE) == NULL);
    void *block = memkind_malloc(kind, SIZE);
    CHECK(thread_view_push(&view, block));
    CHECK(thread_view_pop(&view, SIZE) == block);
    pthread_setspecific(key, block);
    return nothing;
}

static void a_thread_begins_and_ends(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_key_create(&key, end), 0);
    for (int i = 0; i < MANY / 10; i++) {
        rounds = 0;
        assert_int_equal(pthread_create(&thread, NULL, use_in_thread, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(rounds, 2);
    }
    pthread_key_delete(key);
}

/* -- Forks ------------------------------------------------------------------------------------- */

/* The parent's blocks stay the parent's, before and after the kind gets a file of the child's. */
static void use_in_child(void *inherited)
{
    CHECK(thread_view_pop(&view, SIZE) == NULL);
    CHECK(!thread_view_push(&view, inherited));
    void *own = memkind_malloc(kind, SIZE);
    CHECK(own != NULL && own != inherited);
    CHECK(thread_view_push(&view, own));
    CHECK(thread_view_pop(&view, SIZE) == own);
    (void)thread_view_push(&view, inherited);
    for (int i = 0; i < MANY; i++) {
        void *block = thread_view_pop(&view, SIZE);
        CHECK(block != inherited);
        if (block == NULL)
            CHECK(memkind_malloc(kind, SIZE) != inherited);
    }
}

static void a_child(void **state)
{
    void *block = memkind_malloc(kind, SIZE);
    int status = 1;

    (void)state;
    memset(block, 'p', SIZE);
    pid_t child = fork();
    if (child == 0) {
        use_in_child(block);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(((char *)block)[SIZE - 1], 'p');
    memkind_free(kind, block);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blocks_of_all_classes_are_aligned),
        TEST(usable_sizes),
        TEST(blocks_come_and_go),
        TEST(requests_without_a_class),
        TEST(limits_close_a_view),
        TEST(other_layouts_are_refused),
        TEST(blocks_of_another_kind),
        TEST(a_destroyed_kind),
        TEST(a_kind_without_caches),
        TEST(a_thread_begins_and_ends),
        TEST(a_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
