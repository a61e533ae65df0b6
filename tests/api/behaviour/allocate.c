/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions about blocks. */
#include "behaviour.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

/* -- Allocate ---------------------------------------------------------------------------------- */

static void zero_sizes(void)
{
    memkind_t kind = make_kind(0);
    void *aligned = &kind;

    say("%p", memkind_malloc(kind, 0));
    say("%p", memkind_calloc(kind, 0, SMALL));
    say("%p", memkind_calloc(kind, SMALL, 0));
    say("%d", memkind_posix_memalign(kind, &aligned, SMALL, 0));
    say("%p", aligned);
}

static void calloc_overflow(void)
{
    say_block(memkind_calloc(make_kind(0), SIZE_MAX / 2 + 2, 2));
}

static void alignment_is_wrong(void)
{
    memkind_t kind = make_kind(0);
    void *block = NULL;

    say("%s", strerrorname_np(memkind_posix_memalign(kind, &block, 3 * sizeof(void *), SMALL)));
    say("%s", strerrorname_np(memkind_posix_memalign(kind, &block, sizeof(void *) / 2, SMALL)));
    say("%s", strerrorname_np(memkind_posix_memalign(kind, &block, 0, SMALL)));
    say_errno();
}

static void aligned_without_space(void)
{
    memkind_t kind = make_kind(16 * MIB);
    void *block = NULL;

    say("%s", strerrorname_np(memkind_posix_memalign(kind, &block, SMALL, GIB)));
    say_errno();
}

static void say_aligned(memkind_t kind, size_t alignment, size_t size)
{
    void *block = &block;

    say("%s", strerrorname_np(memkind_posix_memalign(kind, &block, alignment, size)));
    say("%s", block == &block ? "unchanged" : block == NULL ? "NULL" : "a block");
}

static void aligned_fails(void)
{
    memkind_t kind = make_kind(16 * MIB);

    say_aligned(kind, 24, SMALL);
    say_aligned(kind, 0, SMALL);
    say_aligned(kind, SMALL, GIB);
    say_aligned(MEMKIND_REGULAR, 24, SMALL);
    say_aligned(MEMKIND_REGULAR, SMALL, SIZE_MAX);
}

static void aligned_fails_default(void)
{
    say_aligned(MEMKIND_DEFAULT, 24, SMALL);
    say_aligned(MEMKIND_DEFAULT, SMALL, SIZE_MAX);
}

static void aligned_wrongly_no_size(void)
{
    say_aligned(MEMKIND_REGULAR, 3, 0);
    say_aligned(MEMKIND_DEFAULT, 3, 0);
}

static void alignments(void)
{
    memkind_t kind = make_kind(0);
    size_t alignment = sizeof(void *);

    for (; alignment <= GIB; alignment *= 2) {
        void *block = NULL;

        if (memkind_posix_memalign(kind, &block, alignment, SMALL) != 0 ||
            ((uintptr_t)block & (alignment - 1)) != 0)
            break;
        memkind_free(kind, block);
    }
    say("%s", alignment > GIB ? "all to 1 GiB" : "not all");
}

static void realloc_edges(void)
{
    memkind_t kind = make_kind(0);
    void *block = memkind_realloc(kind, NULL, SMALL);

    say("%s", block != NULL ? "a block" : "NULL");
    say("%p", memkind_realloc(kind, block, 0));
}

static void realloc_fails(void)
{
    memkind_t kind = make_kind(16 * MIB);
    char *block = memkind_malloc(kind, SMALL);

    memset(block, 'x', SMALL);
    errno = 0;
    say_block(memkind_realloc(kind, block, GIB));
    say("%s", block[0] == 'x' && block[SMALL - 1] == 'x' ? "old block as it was" : "damaged");
}

static void no_space(void)
{
    static const size_t sizes[] = {32 * MIB, GIB, SIZE_MAX / 2, SIZE_MAX - KIB, SIZE_MAX};
    memkind_t kind = make_kind(16 * MIB);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        errno = 0;
        say_block(memkind_malloc(kind, sizes[i]));
    }
    say_block(memkind_malloc(kind, SMALL));
}

static void filled(void)
{
    memkind_t kind = make_kind(16 * MIB);
    size_t bytes = 0;
    void *block;

    while ((block = memkind_malloc(kind, KIB)) != NULL)
        bytes += KIB;
    say_errno();
    say("%s", bytes >= 15 * MIB ? "15 MiB or more" : "less than 15 MiB");
}

/* Blocks of whole pages fill a kind to the last page. */
static void filled_with_pages(void)
{
    static const size_t sizes[] = {4 * KIB, 8 * KIB};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memkind_t kind = make_kind(16 * MIB);
        size_t bytes = 0;

        while (memkind_malloc(kind, sizes[i]) != NULL)
            bytes += sizes[i];
        say("%zu", bytes);
    }
}

static void null_is_freed(void)
{
    memkind_free(make_kind(0), NULL);
    memkind_free(NULL, NULL);
    say("nothing");
}

static void kind_is_found(void)
{
    memkind_t kind = make_kind(0);
    void *block = memkind_malloc(kind, SMALL);

    say("%s", memkind_malloc_usable_size(NULL, block) >= SMALL ? "size" : "no size");
    block = memkind_realloc(NULL, block, MIB);
    say("%s", block != NULL && memkind_detect_kind(block) == kind ? "the same kind" : "another");
    memkind_free(NULL, block);
}

static void realloc_of_nothing(void)
{
    say_block(memkind_realloc(NULL, NULL, SMALL));
}

static void realloc_with_another_kind(void)
{
    memkind_t kind = make_kind(0);
    memkind_t other = make_kind(0);
    void *block = memkind_realloc(other, memkind_malloc(kind, SMALL), MIB);

    say("%s", memkind_detect_kind(block) == kind ? "its kind" : "the other kind");
}

static void free_with_another_kind(void)
{
    memkind_t kind = make_kind(0);

    memkind_free(make_kind(0), memkind_malloc(kind, SMALL));
    memkind_free(MEMKIND_DEFAULT, memkind_malloc(kind, MIB));
    memkind_free(kind, memkind_malloc(MEMKIND_DEFAULT, SMALL));
    say_block(memkind_malloc(kind, SMALL));
}

static void detect_within_block(void)
{
    memkind_t kind = make_kind(0);
    char *block = memkind_malloc(kind, MIB);

    say("%s", memkind_detect_kind(block + 1) == kind ? "the kind" : "another");
    say("%s", memkind_detect_kind(block + MIB / 2) == kind ? "the kind" : "another");
}

static void detect(void)
{
    memkind_t kind = make_kind(0);

    say("%s", memkind_detect_kind(memkind_malloc(kind, SMALL)) == kind ? "the kind" : "another");
    say("%s", memkind_detect_kind(memkind_malloc(MEMKIND_DEFAULT, SMALL)) == MEMKIND_DEFAULT
                  ? "MEMKIND_DEFAULT"
                  : "another");
}

static void detect_null(void)
{
    say("%s", memkind_detect_kind(NULL) == NULL ? "NULL" : "a kind");
}

static void detect_foreign(void)
{
    int local = 0;

    make_kind(0);
    say("%s", memkind_detect_kind(&local) == NULL ? "NULL" : "a kind");
}

static void usable_size_of_null(void)
{
    say("%zu", memkind_malloc_usable_size(make_kind(0), NULL));
}

/* Programs and prefetchers rely on blocks being adjacent. */
static void fresh_blocks(void)
{
    enum { BLOCKS = 200 };
    static const size_t sizes[] = {16, SMALL, 112, KIB, 3 * KIB, 4 * KIB};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memkind_t kind = make_kind(0);
        size_t neighbours = 0;
        char *last = memkind_malloc(kind, sizes[i]);

        for (int n = 1; n < BLOCKS; n++) {
            char *next = memkind_malloc(kind, sizes[i]);

            neighbours += next == last + memkind_malloc_usable_size(kind, last);
            last = next;
        }
        say("%s", neighbours >= BLOCKS * 9 / 10 ? "ascend" : "do not ascend");
    }
}

static memkind_t shared_kind;

static void *free_it(void *block)
{
    memkind_free(shared_kind, block);
    return NULL;
}

static void free_in_other_thread(void)
{
    pthread_t thread;

    shared_kind = make_kind(0);
    pthread_create(&thread, NULL, free_it, memkind_malloc(shared_kind, SMALL));
    pthread_join(thread, NULL);
    say_block(memkind_malloc(shared_kind, SMALL));
}

const struct question allocate_questions[] = {
    {"zero-sizes", zero_sizes, "(nil), (nil), (nil), 0, (nil)"},
    {"calloc-overflow", calloc_overflow, "NULL, ENOMEM"},
    {"alignment-is-wrong", alignment_is_wrong, "EINVAL, EINVAL, EINVAL, errno untouched"},
    {"aligned-without-space", aligned_without_space, "ENOMEM, errno untouched"},
    {"aligned-fails", aligned_fails,
     "EINVAL, NULL, EINVAL, NULL, ENOMEM, NULL, EINVAL, NULL, ENOMEM, NULL"},
    {"aligned-fails-default", aligned_fails_default, "EINVAL, unchanged, ENOMEM, unchanged"},
    {"aligned-wrongly-no-size", aligned_wrongly_no_size, "EINVAL, NULL, EINVAL, unchanged"},
    {"alignments", alignments, "all to 1 GiB"},
    {"realloc-edges", realloc_edges, "a block, (nil)"},
    {"realloc-fails", realloc_fails, "NULL, ENOMEM, old block as it was"},
    {"no-space", no_space,
     "NULL, ENOMEM, NULL, ENOMEM, NULL, ENOMEM, NULL, ENOMEM, NULL, ENOMEM, a block"},
    {"filled", filled, "ENOMEM, 15 MiB or more"},
    {"filled-with-pages", filled_with_pages, "16777216, 16777216"},
    {"null-is-freed", null_is_freed, "nothing"},
    {"kind-is-found", kind_is_found, "size, the same kind"},
    {"realloc-of-nothing", realloc_of_nothing, "NULL, EINVAL"},
    {"realloc-with-another-kind", realloc_with_another_kind, "its kind"},
    {"free-with-another-kind", free_with_another_kind, "a block"},
    {"detect-within-block", detect_within_block, "the kind, the kind"},
    {"detect", detect, "the kind, MEMKIND_DEFAULT"},
    {"detect-null", detect_null, "NULL"},
    {"detect-foreign", detect_foreign, "NULL"},
    {"usable-size-of-null", usable_size_of_null, "0"},
    {"fresh-blocks", fresh_blocks, "ascend, ascend, ascend, ascend, ascend, ascend"},
    {"free-in-other-thread", free_in_other_thread, "a block"},
    {NULL, NULL, NULL},
};
