/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of text that is kept in pieces: all pieces are kept, or the loss is recorded. */
/* WRAP: mremap */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "os/text_buffer.h"
#include "support/fake_mmap.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define PIECES     10000
#define PIECE_SIZE 64

static struct fault mmap_fault, mremap_fault;
static size_t seen;

void *__real_mremap(void *address, size_t old_size, size_t size, int flags);
void *__wrap_mremap(void *address, size_t old_size, size_t size, int flags);

void *__wrap_mremap(void *address, size_t old_size, size_t size, int flags)
{
    return fault_hits(&mremap_fault) ? MAP_FAILED : __real_mremap(address, old_size, size, flags);
}

/* The thread sanitizer maps memory all the time: then the number is meaningless. */
static size_t maps_in_use(void)
{
#ifdef __SANITIZE_THREAD__
    return 0;
#else
    return count_maps();
#endif
}

static int setup(void **state)
{
    (void)state;
    mmap_fault = mremap_fault = (struct fault){0};
    seen = 0;
    return 0;
}

static const char *piece(size_t i)
{
    static char text[PIECE_SIZE];

    snprintf(text, sizeof(text), "piece %zu of a text that is to be kept\n", i);
    return i % 7 == 0 ? "" : text;
}

static void check_piece(void *opaque, const char *text)
{
    assert_ptr_equal(opaque, &seen);
    assert_string_equal(text, piece(seen++));
}

static void fill(struct text_buffer *buffer)
{
    for (size_t i = 0; i < PIECES; i++) {
        errno = EDOM;
        text_buffer_add(buffer, piece(i));
        assert_int_equal(errno, EDOM);
    }
}

static void pieces_come_back_in_order(void **state)
{
    struct text_buffer buffer = {0};
    size_t maps = maps_in_use();

    (void)state;
    fill(&buffer);
    assert_false(buffer.lost);
    assert_true(mremap_fault.calls != 0);
    text_buffer_replay(&buffer, check_piece, &seen);
    assert_int_equal(seen, PIECES);
    text_buffer_fini(&buffer);
    assert_null(buffer.text);
    assert_int_equal(maps_in_use(), maps);
}

static void check_loss(void)
{
    struct text_buffer buffer = {0};
    size_t maps = maps_in_use();

    fill(&buffer);
    assert_true(buffer.lost);
    text_buffer_fini(&buffer);
    assert_int_equal(maps_in_use(), maps);
}

static void without_memory_the_text_is_lost(void **state)
{
    (void)state;
    fault_set(&mmap_fault, ENOMEM, 1);
    check_loss();
    fault_set(&mremap_fault, ENOMEM, 1);
    check_loss();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(pieces_come_back_in_order, setup),
        cmocka_unit_test_setup(without_memory_the_text_is_lost, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
