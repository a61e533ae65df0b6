/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on blocks: allocate, resize, free, defragment. */
#include "fuzz/operations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <memkind/internal/memkind_arena.h>
#include <memkind/internal/memkind_default.h>

#define TOUCHED       7777 /* a value that no call gives errno */
#define EXHAUST_COUNT 64u

/* -- Requests ---------------------------------------------------------------------------------- */

/* Returns a size that the machine has memory for, or that no machine has. */
static size_t affordable(const struct model_world *world, size_t size)
{
    if (size >= MODEL_NEVER_FIT)
        return size;
    if (world->count >= world->most - 1 || world->bytes + size > MODEL_BYTES)
        size %= KIB;
    return size;
}

/* Frees blocks above the model's own limit. */
static void make_room(struct model_world *world, unsigned number)
{
    while (world->count >= world->most - 1) {
        struct model_block *block = model_choose(world, number);

        MODEL_CHECK(block != NULL, "the fuzzer's blocks are all mapped");
        operations_free(world, block, 0);
    }
}

struct request {
    unsigned slot;
    size_t size;
    size_t alignment; /* 0: the natural one */
    bool zero;
    bool whole;
};

/* Adds the block that a request returned, or checks that there is a reason for NULL. */
static void received(struct model_world *world, const struct request *request, void *address,
                     int error)
{
    struct model_kind *kind = &world->kinds[request->slot];

    model_return(world, address);
    if (address != NULL) {
        MODEL_CHECK(request->size != 0 || kind->zero_allocs, "a block of size 0");
        MODEL_CHECK(error == TOUCHED, "errno became %d without an error", error);
        (void)model_add(world, request->slot, address, request->size, request->alignment,
                        request->zero, request->whole);
    } else if (request->size != 0 || kind->zero_allocs) {
        MODEL_CHECK(error == ENOMEM, "NULL with errno %d", error);
        model_check_refusal(world, kind, request->size, request->alignment);
    }
    model_check_kind(world, kind);
}

/* Makes the request of a record, on a kind that exists. */
static struct request prepare(struct model_world *world, const struct input_record *record)
{
    struct request request = {.slot = input_slot(record), .whole = input_flag(record, 4)};
    const struct model_kind *kind = kinds_get(world, request.slot, record->b);

    make_room(world, record->b);
    request.size = affordable(world, input_size(record->a, kind->max_size));
    return request;
}

static void operation_malloc(struct model_world *world, const struct input_record *record)
{
    struct request request = prepare(world, record);
    bool by_realloc = input_flag(record, 0) && input_flag(record, 1);
    memkind_t kind = model_handle(world, request.slot);

    model_call(world, by_realloc ? "realloc of NULL" : "malloc", (int)request.slot, NULL, 0,
               request.size);
    errno = TOUCHED;
    void *address =
        by_realloc ? memkind_realloc(kind, NULL, request.size) : memkind_malloc(kind, request.size);
    received(world, &request, address, errno);
}

/* Returns numbers of elements, for products that overflow and those that do not. */
static size_t elements(uint16_t number)
{
    static const size_t counts[] = {0, SIZE_MAX, SIZE_MAX / 2 + 1, (size_t)1 << 32};

    if (number % 64 == 0)
        return counts[number / 64 % (sizeof(counts) / sizeof(counts[0]))];
    return 1 + number % 7;
}

static void operation_calloc(struct model_world *world, const struct input_record *record)
{
    struct request request = prepare(world, record);
    size_t count = elements(record->b);
    size_t size = request.size;

    request.zero = true;
    if (__builtin_mul_overflow(count, size, &request.size))
        request.size = SIZE_MAX;
    request.size = affordable(world, request.size);
    if (request.size != SIZE_MAX && count != 0)
        size = request.size / count;
    if (request.size != SIZE_MAX)
        request.size = count * size;
    model_call(world, "calloc", (int)request.slot, NULL, count, size);
    errno = TOUCHED;
    void *address = memkind_calloc(model_handle(world, request.slot), count, size);
    received(world, &request, address, errno);
}

static void operation_memalign(struct model_world *world, const struct input_record *record)
{
    struct request request = prepare(world, record);
    const struct model_kind *kind = &world->kinds[request.slot];
    void *unchanged = &request;
    void *after_failure = kind->handle == MEMKIND_DEFAULT ? unchanged : NULL;
    void *address = unchanged;

    request.alignment = input_alignment(record->b);
    bool valid =
        request.alignment >= sizeof(void *) && (request.alignment & (request.alignment - 1)) == 0;
    model_call(world, "posix_memalign", (int)request.slot, NULL, request.alignment, request.size);
    errno = TOUCHED;
    int error = memkind_posix_memalign(kind->handle, &address, request.alignment, request.size);
    MODEL_CHECK(errno == TOUCHED, "posix_memalign changed errno to %d", errno);
    if (!valid) {
        model_return(world, NULL);
        MODEL_CHECK(error == EINVAL && address == after_failure, "%d for an alignment", error);
    } else if (error != 0) {
        MODEL_CHECK(address == after_failure, "posix_memalign failed and stored another address");
        received(world, &request, NULL, error);
    } else {
        MODEL_CHECK(address != unchanged, "posix_memalign stored nothing");
        MODEL_CHECK(address != NULL || (request.size == 0 && !kind->zero_allocs),
                    "posix_memalign stored NULL");
        received(world, &request, address, TOUCHED);
    }
}

/* Allocates blocks of one size until no space is left. */
static void operation_exhaust(struct model_world *world, const struct input_record *record)
{
    struct request request = prepare(world, record);
    size_t count = world->count;

    for (unsigned i = 0; i < EXHAUST_COUNT && world->count == count + i; i++) {
        request.size = affordable(world, request.size);
        make_room(world, record->b);
        model_call(world, "malloc", (int)request.slot, NULL, 0, request.size);
        errno = TOUCHED;
        void *address = memkind_malloc(model_handle(world, request.slot), request.size);
        received(world, &request, address, errno);
    }
}

/* -- Blocks ------------------------------------------------------------------------------------ */

/* Returns, by a number, the kind's handle or another one that functions accept for its blocks. */
static memkind_t some_handle(const struct model_world *world, unsigned slot, unsigned way,
                             int *named)
{
    *named = (int)slot;
    if (way % 4 == 1)
        *named = -1;
    else if (way % 4 == 2)
        *named = 0;
    return *named < 0 ? NULL : model_handle(world, (unsigned)*named);
}

void operations_free(struct model_world *world, struct model_block *block, unsigned way)
{
    unsigned slot = block->slot;
    void *address = model_remove(world, block);
    int named;
    memkind_t kind = some_handle(world, slot, way, &named);

    model_call(world, "free", named, address, 0, 0);
    errno = TOUCHED;
    if (way == 7)
        memkind_arena_free_with_kind_detect(address);
    else
        memkind_free(kind, address);
    MODEL_CHECK(errno == TOUCHED, "free changed errno to %d", errno);
    model_return(world, NULL);
    model_check_kind(world, &world->kinds[slot]);
}

static void operation_free(struct model_world *world, const struct input_record *record)
{
    struct model_block *block = model_choose(world, record->b);

    if (block != NULL) {
        operations_free(world, block, record->who >> 3 & 7);
        return;
    }
    model_call(world, "free of NULL", -1, NULL, 0, 0);
    memkind_free(model_handle(world, input_slot(record)), NULL);
    model_return(world, NULL);
}

/* Frees some of all blocks, or all of one kind. */
static void operation_free_many(struct model_world *world, const struct input_record *record)
{
    unsigned slot = input_slot(record);
    bool of_kind = input_flag(record, 0);
    size_t i = 0;

    while (i < world->count) {
        struct model_block *block = world->blocks[i];
        bool chosen = of_kind ? block->slot == slot : (block->seed & 3) < (record->a & 3);

        if (chosen && !block->mapped)
            operations_free(world, block, 0);
        else
            i++;
    }
}

static void free_by_realloc(struct model_world *world, struct model_block *block, unsigned way)
{
    unsigned slot = block->slot;
    void *address = model_remove(world, block);
    int named;
    memkind_t kind = some_handle(world, slot, way, &named);

    model_call(world, "realloc to 0", named, address, 0, 0);
    void *result = memkind_realloc(kind, address, 0);
    model_return(world, result);
    MODEL_CHECK(result == NULL, "realloc to 0 returned a block");
    model_check_kind(world, &world->kinds[slot]);
}

/* The block has moved, or has another size at the same address. */
static void replace(struct model_world *world, struct model_block *block, void *address,
                    const struct request *request)
{
    size_t kept = request->size < block->size ? request->size : block->size;

    MODEL_CHECK(model_has_contents(block, address, kept), "%zu bytes were not kept", kept);
    model_detach(world, block);
    (void)model_add(world, request->slot, address, request->size, request->alignment, false,
                    request->whole);
    free(block);
}

static void resize(struct model_world *world, struct model_block *block, size_t size, unsigned way)
{
    struct request request = {.slot = block->slot, .size = size, .whole = way >= 4};
    const struct model_kind *kind = &world->kinds[block->slot];
    int named;
    memkind_t handle = some_handle(world, block->slot, way, &named);

    model_check_block(world, block);
    /* The block would stay where it is, and the model would write to it. */
    if (block->lent && size <= block->size)
        return;
    model_call(world, "realloc", named, block->address, 0, size);
    errno = TOUCHED;
    void *address = way == 7 ? memkind_arena_realloc_with_kind_detect(block->address, size)
                             : memkind_realloc(handle, block->address, size);
    int error = errno;
    model_return(world, address);
    if (address != NULL) {
        MODEL_CHECK(error == TOUCHED, "errno became %d without an error", error);
        replace(world, block, address, &request);
    } else {
        MODEL_CHECK(error == ENOMEM, "NULL with errno %d", error);
        MODEL_CHECK(size > block->size, "a block was not shrunk");
        model_check_refusal(world, kind, size, 0);
        model_check_block(world, block);
    }
    model_check_kind(world, kind);
}

static void operation_realloc(struct model_world *world, const struct input_record *record)
{
    struct model_block *block = model_choose(world, record->b);
    unsigned way = record->who >> 3 & 7;

    if (block == NULL)
        return;
    size_t size = affordable(world, input_size(record->a, world->kinds[block->slot].max_size));
    /* In half of the cases a size near the block's. */
    if (input_flag(record, 4) && size < MODEL_NEVER_FIT)
        size = block->size / 2 + size % (block->size + 1);
    if (size == 0)
        free_by_realloc(world, block, way);
    else
        resize(world, block, size, way);
}

static void operation_defragment(struct model_world *world, const struct input_record *record)
{
    struct model_block *block = model_choose(world, record->b);
    int named;

    if (block == NULL)
        return;
    struct request request = {.slot = block->slot,
                              .size = block->size,
                              .alignment = block->alignment,
                              .whole = block->whole};
    memkind_t kind = some_handle(world, block->slot, input_flag(record, 0), &named);
    model_check_block(world, block);
    model_call(world, "defrag_reallocate", named, block->address, 0, 0);
    errno = TOUCHED;
    void *address = memkind_defrag_reallocate(kind, block->address);
    MODEL_CHECK(errno == TOUCHED, "errno became %d", errno);
    model_return(world, address);
    if (address != NULL) {
        MODEL_CHECK(address != block->address, "moved to where it was");
        MODEL_CHECK(memkind_malloc_usable_size(kind, address) == request.size,
                    "another size after it was moved");
        replace(world, block, address, &request);
    } else {
        model_check_block(world, block);
    }
    model_check_kind(world, &world->kinds[request.slot]);
}

static void operation_look_at(struct model_world *world, const struct input_record *record)
{
    struct model_block *block = model_choose(world, record->b);

    if (block == NULL)
        return;
    model_call(world, "malloc_usable_size", -1, block->address, 0, 0);
    model_check_block(world, block);
    MODEL_CHECK(memkind_malloc_usable_size(NULL, block->address) == block->size,
                "another usable size without a kind");
    MODEL_CHECK(memkind_arena_detect_kind(block->address) == model_handle(world, block->slot),
                "another kind");
    model_return(world, NULL);
}

static void operation_check_all(struct model_world *world, const struct input_record *record)
{
    model_call(world, "update_cached_stats, get_stat", -1, NULL, 0, world->count);
    if (record->b % 4 == 0)
        model_check_all(world);
    else
        model_check_statistics(world);
    model_return(world, NULL);
}

/* -- All --------------------------------------------------------------------------------------- */

/* players.c handles these operations before they are run. */
static void operation_nothing(struct model_world *world, const struct input_record *record)
{
    (void)world;
    (void)record;
}

#define operation_hand_over  operation_nothing
#define operation_take_turn  operation_nothing
#define operation_end_thread operation_nothing

#define X(name, weight) weight,
static const unsigned weights[] = {OPERATIONS(X)};
#undef X

#define X(name, weight) operation_##name,
static void (*const functions[])(struct model_world *,
                                 const struct input_record *) = {OPERATIONS(X)};
#undef X

#define X(name, weight) +weight
_Static_assert(OPERATIONS(X) == UINT8_MAX + 1, "every byte is an operation");
#undef X

uint8_t operation_byte(enum operation operation)
{
    unsigned byte = 0;

    for (unsigned i = 0; i < operation; i++)
        byte += weights[i];
    return (uint8_t)byte;
}

enum operation operation_of(uint8_t byte)
{
    unsigned operation = 0;
    unsigned end = weights[0];

    while (byte >= end)
        end += weights[++operation];
    return (enum operation)operation;
}

void operation_run(struct model_world *world, const struct input_record *record)
{
    functions[operation_of(record->operation)](world, record);
}
