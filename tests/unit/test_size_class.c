/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of size classes: they are jemalloc's, and a jemalloc with other classes is refused. */
/* WRAP: jemalloc_block_class_size */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jemalloc/jemalloc.h>

#include "heap/jemalloc_block.h"
#include "heap/jemalloc_start.h"
#include "heap/size_class.h"

#define NAME_SIZE 16

static size_t (*pretended)(size_t size); /* NULL: jemalloc's */
static unsigned questions;

size_t __real_jemalloc_block_class_size(size_t size);
size_t __wrap_jemalloc_block_class_size(size_t size);

size_t __wrap_jemalloc_block_class_size(size_t size)
{
    questions++;
    return pretended != NULL ? pretended(size) : __real_jemalloc_block_class_size(size);
}

/* -- Classes that do not fit ------------------------------------------------------------------- */

static size_t quanta(size_t size)
{
    return (size + SIZE_CLASS_QUANTUM - 1) / SIZE_CLASS_QUANTUM * SIZE_CLASS_QUANTUM;
}

static size_t none(size_t size)
{
    (void)size;
    return 0;
}

static size_t too_small(size_t size)
{
    return size == 1 ? SIZE_CLASS_QUANTUM : size - 1;
}

static size_t too_large(size_t size)
{
    return size > SIZE_CLASS_LARGEST / 2 ? 2 * SIZE_CLASS_LARGEST : SIZE_CLASS_LARGEST / 2;
}

static size_t not_quanta(size_t size)
{
    return quanta(size) + SIZE_CLASS_QUANTUM / 2;
}

static const struct {
    const char *name;
    size_t (*classes)(size_t size);
} misfits[] = {
    {"none", none},           {"too small", too_small},
    {"too large", too_large}, {"not quanta", not_quanta},
    {"too many", quanta},
};

/* Returns whether size_class_init() refuses the classes, each time it is called. */
static bool is_turned_down(const char *name)
{
    for (size_t i = 0; i < sizeof(misfits) / sizeof(misfits[0]); i++)
        if (strcmp(name, misfits[i].name) == 0) {
            pretended = misfits[i].classes;
            return size_class_init() == -ENOTSUP && size_class_init() == -ENOTSUP && questions != 0;
        }
    return false;
}

/* In processes of their own, because size_class_init() queries jemalloc once. */
static void classes_that_do_not_fit_are_turned_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(misfits) / sizeof(misfits[0]); i++) {
        char program[] = "test_size_class";
        char name[NAME_SIZE];
        char *argv[] = {program, name, NULL};
        int status;
        pid_t pid;

        snprintf(name, sizeof(name), "%s", misfits[i].name);
        assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, EXIT_SUCCESS);
    }
}

/* -- jemalloc's -------------------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    return size_class_init();
}

static void jemalloc_is_asked_once(void **state)
{
    unsigned before = questions;

    (void)state;
    assert_true(before > 0);
    assert_int_equal(size_class_init(), 0);
    assert_int_equal(questions, before);
}

static void every_size_has_the_class_that_jemalloc_gives_it(void **state)
{
    (void)state;
    for (size_t size = 1; size <= SIZE_CLASS_LARGEST; size++) {
        unsigned size_class = size_class_of(size);

        assert_in_range(size_class, 1, size_class_count);
        assert_int_equal(size_class_size(size_class), jemk_nallocx(size, 0));
    }
}

static void classes_are_in_order_of_size(void **state)
{
    size_t before = 0;

    (void)state;
    assert_in_range(size_class_count, 1, SIZE_CLASS_LIMIT - 1);
    for (unsigned c = 1; c <= size_class_count; c++) {
        size_t size = size_class_size(c);

        assert_true(size > before);
        assert_int_equal(size % SIZE_CLASS_QUANTUM, 0);
        /* The smallest and the largest request of the class. */
        assert_int_equal(size_class_of(before + 1), c);
        assert_int_equal(size_class_of(size), c);
        before = size;
    }
    assert_int_equal(before, SIZE_CLASS_LARGEST);
}

static void a_least_block_replaces_smaller_classes(void **state)
{
    (void)state;
    for (size_t least = 1; least <= SIZE_CLASS_LEAST_MOST; least++) {
        size_class_set_least(least);
        for (size_t size = 1; size <= SIZE_CLASS_LARGEST; size++)
            assert_int_equal(size_class_size(size_class_of(size)),
                             jemk_nallocx(size < least ? least : size, 0));
        /* Blocks of smaller classes keep theirs. */
        for (unsigned c = 1; c <= size_class_count; c++)
            assert_int_equal(size_class_of_block(size_class_size(c)), c);
    }
    size_class_set_least(1);
    assert_int_equal(size_class_of(1), 1);
}

static void blocks_have_the_size_of_their_class(void **state)
{
    (void)state;
    for (unsigned c = 1; c <= size_class_count; c++) {
        void *block = jemk_mallocx(size_class_size(c), 0);

        assert_non_null(block);
        assert_int_equal(jemalloc_block_size(block), size_class_size(c));
        jemk_dallocx(block, 0);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return is_turned_down(argv[1]) ? EXIT_SUCCESS : EXIT_FAILURE;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_that_do_not_fit_are_turned_down),
        cmocka_unit_test_setup(jemalloc_is_asked_once, setup),
        cmocka_unit_test_setup(every_size_has_the_class_that_jemalloc_gives_it, setup),
        cmocka_unit_test_setup(classes_are_in_order_of_size, setup),
        cmocka_unit_test_setup(a_least_block_replaces_smaller_classes, setup),
        cmocka_unit_test_setup(blocks_have_the_size_of_their_class, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
