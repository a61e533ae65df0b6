/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on kinds: create them in all ways, destroy them, change their settings, map memory. */
#include "fuzz/operations.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <memkind/internal/memkind_arena.h>
#include <memkind/internal/memkind_default.h>

#define MAPPED_AT_MOST (8 * MIB) /* of a kind: no operation unmaps them */
#define FILLED_AT_MOST (32 * MIB)
#define NOT_TOUCHED    ((memkind_t)&not_a_kind)

static char not_a_kind;

/* -- Make -------------------------------------------------------------------------------------- */

static size_t round_up(size_t max_size)
{
    return (max_size + MEMKIND_PMEM_CHUNK_SIZE - 1) & ~(size_t)(MEMKIND_PMEM_CHUNK_SIZE - 1);
}

static int create_with_config(const char *dir, size_t max_size, memkind_mem_usage_policy policy,
                              bool copied, memkind_t *kind)
{
    struct memkind_config *config = memkind_config_new();

    MODEL_CHECK(config != NULL, "no configuration");
    memkind_config_set_path(config, dir);
    memkind_config_set_size(config, max_size);
    memkind_config_set_memory_usage_policy(config, policy);
    memkind_config_set_fork(config, copied ? MEMKIND_FORK_SNAPSHOT : MEMKIND_FORK_SHARE);
    int status = memkind_create_pmem_with_config(config, kind);
    memkind_config_delete(config);
    return status;
}

static void create_pmem(struct model_world *world, unsigned slot, uint16_t number)
{
    static const size_t sizes[] = {16 * MIB, 16 * MIB + 1, 20 * MIB, 32 * MIB, 64 * MIB,
                                   0,        17 * MIB,     0};
    struct model_kind *kind = &world->kinds[slot];
    size_t max_size = sizes[number % (sizeof(sizes) / sizeof(sizes[0]))];
    unsigned policy = (number >> 3 & 3) == 0;
    bool configured = policy != MEMKIND_MEM_USAGE_POLICY_DEFAULT || (number >> 8 & 1) != 0;

    *kind = (struct model_kind){.sort = MODEL_PMEM,
                                .max_size = round_up(max_size),
                                .copied = configured && (number >> 9 & 1) != 0,
                                .whole_slabs = world->file_limit,
                                .conservative = policy == MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE};
    model_call(world, configured ? "create_pmem_with_config" : "create_pmem", (int)slot, NULL,
               policy, max_size);
    int status = configured
                     ? create_with_config(world->dir, max_size, policy, kind->copied, &kind->handle)
                     : memkind_create_pmem(world->dir, max_size, &kind->handle);
    if (status != MEMKIND_SUCCESS && world->in_hardship) {
        kind->handle = NULL;
        return;
    }
    MODEL_CHECK(status == MEMKIND_SUCCESS && kind->handle != NULL, "create: %d", status);
    MODEL_CHECK(model_pmem(kind)->current_size == 0, "a new kind holds file space");
}

static struct memkind_ops *arena_ops(bool one_arena)
{
    static struct memkind_ops sets[2];
    struct memkind_ops *ops = &sets[one_arena];

    /* Any thread may write the table first: all write the same values. */
    if (__atomic_load_n(&ops->destroy, __ATOMIC_ACQUIRE) == NULL) {
        static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

        pthread_mutex_lock(&lock);
        if (ops->destroy == NULL) {
            struct memkind_ops made = MEMKIND_REGULAR_OPS;

            made.destroy = NULL;
            if (one_arena)
                made.get_arena = memkind_bijective_get_arena;
            *ops = made;
            __atomic_store_n(&ops->destroy, memkind_arena_destroy, __ATOMIC_RELEASE);
        }
        pthread_mutex_unlock(&lock);
    }
    return ops;
}

/* Creates a kind from the operations of a manual page. */
static void create_by_operation(struct model_world *world, unsigned slot, uint16_t number)
{
    struct model_kind *kind = &world->kinds[slot];
    bool fileless = (number & 3) == 0;
    int status;

    *kind = (struct model_kind){.sort = fileless ? MODEL_FILELESS : MODEL_ARENA};
    /* memkind_destroy_kind() frees it. */
    kind->handle = calloc(1, sizeof(*kind->handle));
    MODEL_CHECK(kind->handle != NULL, "the fuzzer has no memory");
    model_call(world, fileless ? "pmem_create" : "arena_create", (int)slot, NULL, 0, 0);
    if (fileless)
        status = memkind_pmem_create(kind->handle, &MEMKIND_PMEM_OPS, "fuzz");
    else
        status = memkind_arena_create(kind->handle, arena_ops((number & 4) != 0), "fuzz");
    if (status != MEMKIND_SUCCESS && world->in_hardship) {
        free(kind->handle);
        kind->handle = NULL;
        return;
    }
    MODEL_CHECK(status == MEMKIND_SUCCESS, "create: %d", status);
}

struct model_kind *kinds_get(struct model_world *world, unsigned slot, uint16_t number)
{
    struct model_kind *kind = &world->kinds[slot];

    if (kind->handle != NULL)
        return kind;
    if ((number >> 5 & 7) == 0)
        create_by_operation(world, slot, number);
    else
        create_pmem(world, slot, number);
    model_return(world, kind->handle);
    if (kind->handle == NULL)
        return kind;
    MODEL_CHECK(kind->handle->partition >= MEMKIND_NUM_BASE_KIND, "partition %u",
                kind->handle->partition);
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        MODEL_CHECK(i == slot || world->kinds[i].handle == NULL ||
                        world->kinds[i].handle->partition != kind->handle->partition,
                    "two kinds with partition %u", kind->handle->partition);
    return kind;
}

void operation_create(struct model_world *world, const struct input_record *record)
{
    (void)kinds_get(world, input_slot(record), record->a);
}

/* -- Destroy ----------------------------------------------------------------------------------- */

static void forget_blocks(struct model_world *world, unsigned slot)
{
    size_t i = 0;

    while (i < world->count)
        if (world->blocks[i]->slot == slot)
            (void)model_remove(world, world->blocks[i]);
        else
            i++;
}

void kinds_destroy(struct model_world *world, unsigned slot)
{
    struct model_kind *kind = &world->kinds[slot];

    forget_blocks(world, slot);
    model_call(world, "destroy_kind", (int)slot, kind->handle, 0, 0);
    int status = memkind_destroy_kind(kind->handle);
    model_return(world, NULL);
    MODEL_CHECK(status == MEMKIND_SUCCESS, "destroy: %d", status);
    *kind = (struct model_kind){0};
}

void operation_destroy(struct model_world *world, const struct input_record *record)
{
    unsigned slot = input_slot(record);
    const struct model_kind *kind = &world->kinds[slot];

    if (slot < MODEL_OWN) {
        model_call(world, "destroy_kind", (int)slot, kind->handle, 0, 0);
        MODEL_CHECK(memkind_destroy_kind(kind->handle) == MEMKIND_SUCCESS,
                    "a kind of the library was not left alone");
        MODEL_CHECK(memkind_destroy_kind(NULL) == MEMKIND_ERROR_INVALID, "no kind was destroyed");
        model_return(world, NULL);
    } else if (kind->handle != NULL && !kind->shared) {
        kinds_destroy(world, slot);
    }
}

/* -- Requests that must fail ------------------------------------------------------------------- */

void operation_create_wrongly(struct model_world *world, const struct input_record *record)
{
    static const struct {
        const char *dir; /* "": the player's own directory */
        size_t max_size;
        int policy;
    } wrong[] = {
        {NULL, 0, 0},
        {"", 1, 0},
        {"", MEMKIND_PMEM_MIN_SIZE - 1, 0},
        {"", MEMKIND_PMEM_CHUNK_SIZE, 0},
        {"", MEMKIND_PMEM_MIN_SIZE, MEMKIND_MEM_USAGE_POLICY_MAX_VALUE},
        {"", 0, -1},
        {"/dev/null", 0, 0},
        {"/there is/no such directory", MEMKIND_PMEM_MIN_SIZE, 0},
        {"/proc/self", MEMKIND_PMEM_MIN_SIZE, 0},
        {"/dev/shm/\377/../..", 0, 1},
    };
    size_t which = record->a % (sizeof(wrong) / sizeof(wrong[0]));
    const char *dir = wrong[which].dir;
    memkind_t kind = NOT_TOUCHED;
    int status;

    if (dir != NULL && dir[0] == '\0')
        dir = world->dir;
    model_call(world, "create with something wrong", -1, NULL, which, wrong[which].max_size);
    if (wrong[which].policy == 0 && input_flag(record, 0))
        status = memkind_create_pmem(dir, wrong[which].max_size, &kind);
    else
        status = create_with_config(dir, wrong[which].max_size,
                                    (memkind_mem_usage_policy)wrong[which].policy, false, &kind);
    MODEL_CHECK(status == MEMKIND_ERROR_INVALID && kind == NOT_TOUCHED, "%d and %p", status,
                (void *)kind);
    MODEL_CHECK(memkind_create_pmem(world->dir, 0, NULL) == MEMKIND_ERROR_INVALID, "no kind");
    MODEL_CHECK(memkind_create_pmem_with_config(NULL, &kind) == MEMKIND_ERROR_INVALID,
                "no configuration");
    model_return(world, NULL);
}

/* -- Settings and mapping ---------------------------------------------------------------------- */

void operation_set_policy(struct model_world *world, const struct input_record *record)
{
    unsigned slot = input_slot(record);
    struct model_kind *kind = &world->kinds[slot];
    unsigned policy = record->a % 3;

    if (slot < MODEL_OWN || kind->handle == NULL)
        return;
    model_call(world, "arena_update_memory_usage_policy", (int)slot, NULL, policy, 0);
    int status = memkind_arena_update_memory_usage_policy(kind->handle, policy);
    model_return(world, NULL);
    if (policy == MEMKIND_MEM_USAGE_POLICY_MAX_VALUE) {
        MODEL_CHECK(status == MEMKIND_ERROR_INVALID, "a policy that is none: %d", status);
        return;
    }
    if (status != MEMKIND_SUCCESS && world->in_hardship)
        return;
    MODEL_CHECK(status == MEMKIND_SUCCESS, "policy: %d", status);
    kind->conservative = policy == MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE;
    model_check_kind(world, kind);
}

void operation_allow_zero_allocs(struct model_world *world, const struct input_record *record)
{
    unsigned slot = input_slot(record);
    struct model_kind *kind = kinds_get(world, slot, record->b);

    kind->zero_allocs = record->a % 2 != 0;
    model_call(world, "set_allow_zero_allocs", (int)slot, NULL, kind->zero_allocs, 0);
    memkind_set_allow_zero_allocs(kind->handle, kind->zero_allocs);
    model_return(world, NULL);
}

/*
 * Returns a size that fills the kind up to less than 2 MiB: small blocks alone would never reach
 * the limit.
 */
static size_t size_to_fill(const struct model_kind *kind, uint16_t number)
{
    size_t held = __atomic_load_n(&model_pmem(kind)->current_size, __ATOMIC_RELAXED);
    size_t rest = (1 + number % 64u) * 8 * MODEL_PAGE;

    if (kind->max_size > FILLED_AT_MOST || held + rest >= kind->max_size)
        return 0;
    return kind->max_size - held - rest;
}

void operation_map(struct model_world *world, const struct input_record *record)
{
    unsigned slot = input_slot(record);
    const struct model_kind *kind = kinds_get(world, slot, record->b);
    size_t size = input_size(record->a, kind->max_size);

    if (slot < MODEL_OWN || kind->sort == MODEL_ARENA || world->count >= world->most - 1)
        return;
    if (size < MODEL_NEVER_FIT && kind->mapped + size > MAPPED_AT_MOST)
        size %= 2 * MODEL_PAGE;
    if (input_flag(record, 1) && kind->sort == MODEL_PMEM && kind->mapped <= MAPPED_AT_MOST)
        size = size_to_fill(kind, record->b);
    model_call(world, "pmem_mmap", (int)slot, NULL, 0, size);
    errno = 0;
    void *address = memkind_pmem_mmap(kind->handle, input_flag(record, 0) ? world : NULL, size);
    int error = errno;
    model_return(world, address);
    if (address != MAP_FAILED)
        model_add_mapped(world, slot, address, size);
    else if (!world->in_hardship)
        MODEL_CHECK(error == (size == 0 ? EINVAL : ENOMEM) ||
                        (error == EBADF && kind->sort == MODEL_FILELESS),
                    "MAP_FAILED with errno %d", error);
    model_check_kind(world, kind);
}
