/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls tcmalloc's or mimalloc's own functions on blocks of the preload library's malloc. Report:
 * such programs crashed. Usage: other_calls tcmalloc|mimalloc, with that library in the process.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define SIZE      ((size_t)1000)
#define ALIGNMENT ((size_t)4096)
#define BLOCKS    1000

static void *find(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);

    if (found == NULL) {
        fprintf(stderr, "other_calls: no %s\n", name);
        _exit(1);
    }
    return found;
}

/* The function of that name, cast to the type. */
#define CALL(type, name) ((type)(uintptr_t)find(#name))

typedef void *alloc(size_t);
typedef void take(void *);
typedef void *resize(void *, size_t);
typedef size_t size_of(const void *);

static bool in_kind(void *ptr)
{
    return CALL(void *(*)(void *), memkind_detect_kind)(ptr) != NULL;
}

static char *filled(size_t size)
{
    char *block = malloc(size);

    CHECK(block != NULL && in_kind(block));
    return memset(block, 'x', size);
}

static bool is(const char *block, char letter, size_t from, size_t to)
{
    while (from < to && block[from] == letter)
        from++;
    return from >= to;
}

/* -- tcmalloc ---------------------------------------------------------------------------------- */

static size_t property(const char *name)
{
    size_t value = 0;

    CHECK(CALL(int (*)(const char *, size_t *), MallocExtension_GetNumericProperty)(name, &value) ==
          1);
    return value;
}

static void tcmalloc(void)
{
    static char *blocks[BLOCKS];

    CALL(take *, tc_free)(filled(SIZE));
    CALL(take *, tc_cfree)(filled(SIZE));
    CALL(take *, tc_delete)(filled(SIZE));
    CALL(void (*)(void *, size_t), tc_free_sized)(filled(SIZE), SIZE);
    CALL(void (*)(void *, size_t), tc_deletearray_sized)(filled(SIZE), SIZE);
    CALL(take *, tc_free)(NULL);
    char *block = CALL(alloc *, tc_malloc)(SIZE);
    CHECK(in_kind(block));
    free(block);
    /* The allocator's operators allocate from its own heap. */
    free(CALL(alloc *, tc_new)(SIZE));
    CALL(take *, tc_delete)(CALL(alloc *, tc_new)(SIZE));
    CHECK(realloc(CALL(alloc *, tc_new)(SIZE), 2 * SIZE) != NULL);
    CHECK(malloc_usable_size(CALL(alloc *, tc_new)(SIZE)) >= SIZE);
    block = CALL(resize *, tc_realloc)(filled(SIZE), 100 * SIZE);
    CHECK(is(block, 'x', 0, SIZE));
    CHECK(CALL(size_t(*)(void *), tc_malloc_size)(block) == malloc_usable_size(block));
    CHECK(CALL(size_of *, MallocExtension_GetAllocatedSize)(block) == malloc_usable_size(block));
    CHECK(CALL(int (*)(const void *), MallocExtension_GetOwnership)(block) == 1);
    free(block);
    size_t before = property("generic.current_allocated_bytes");
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = filled(20 * SIZE);
    CHECK(property("generic.current_allocated_bytes") >= before + BLOCKS * 20 * SIZE);
    size_t size = property("generic.heap_size");
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    CALL(void (*)(void), MallocExtension_ReleaseFreeMemory)();
    CHECK(property("generic.heap_size") < size);
}

/* -- mimalloc ---------------------------------------------------------------------------------- */

static void mimalloc_sizes(void)
{
    char *block = CALL(resize *, mi_realloc)(filled(SIZE), 100 * SIZE);

    CHECK(is(block, 'x', 0, SIZE) && in_kind(block));
    CHECK(CALL(size_of *, mi_usable_size)(block) == malloc_usable_size(block));
    CHECK(CALL(resize *, mi_expand)(block, SIZE) == block);
    free(block);
    block = filled(SIZE);
    size_t usable = malloc_usable_size(block);
    block = CALL(resize *, mi_rezalloc)(block, 100 * SIZE);
    CHECK(is(block, 'x', 0, SIZE) && is(block, 0, usable, 100 * SIZE));
    block = CALL(void *(*)(void *, size_t, size_t), mi_realloc_aligned)(block, 2 * SIZE, ALIGNMENT);
    CHECK((uintptr_t)block % ALIGNMENT == 0 && is(block, 'x', 0, SIZE));
    block = CALL(void *(*)(void *, size_t, size_t, size_t), mi_realloc_aligned_at)(block, 3 * SIZE,
                                                                                   ALIGNMENT, 64);
    CHECK(((uintptr_t)block + 64) % ALIGNMENT == 0 && is(block, 'x', 0, SIZE));
    CALL(take *, mi_free)(block);
    CHECK(CALL(void *(*)(void *, size_t, size_t), mi_reallocn)(NULL, SIZE_MAX, 2) == NULL);
}

static void mimalloc(void)
{
    CALL(take *, mi_free)(filled(SIZE));
    CALL(void (*)(void *, size_t), mi_free_size)(filled(SIZE), SIZE);
    CALL(take *, mi_free)(NULL);
    char *block = CALL(alloc *, mi_malloc)(SIZE);
    CHECK(in_kind(block) && CALL(bool (*)(const void *), mi_is_in_heap_region)(block));
    free(block);
    block = CALL(alloc *, mi_zalloc)(SIZE);
    CHECK(is(block, 0, 0, SIZE));
    CALL(take *, mi_free)(block);
    free(CALL(char *(*)(const char *), mi_strdup)("text"));
    mimalloc_sizes();

    /* The allocator's heaps stay its own. */
    void *heap = CALL(void *(*)(void), mi_heap_new)();
    block = CALL(void *(*)(void *, size_t), mi_heap_malloc)(heap, SIZE);
    CHECK(!in_kind(block));
    memset(block, 'y', SIZE);
    block = CALL(void *(*)(void *, void *, size_t), mi_heap_realloc)(heap, block, 50 * SIZE);
    CHECK(is(block, 'y', 0, SIZE));
    free(block);
    CALL(take *, mi_free)(CALL(void *(*)(void *, size_t), mi_heap_malloc)(heap, SIZE));
    block = CALL(void *(*)(void *, void *, size_t), mi_heap_realloc)(heap, filled(SIZE), 50 * SIZE);
    CHECK(is(block, 'x', 0, SIZE));
    CHECK(!CALL(bool (*)(void *, const void *), mi_heap_contains_block)(heap, block));
    CALL(take *, mi_free)(block);
    CALL(void (*)(void *), mi_heap_destroy)(heap);
    CALL(void (*)(bool), mi_collect)(true);
}

int main(int argc, char **argv)
{
    const char *name = argc == 2 ? argv[1] : "";

    if (strcmp(name, "tcmalloc") == 0)
        tcmalloc();
    else if (strcmp(name, "mimalloc") == 0)
        mimalloc();
    else
        return 2;
    return 0;
}
