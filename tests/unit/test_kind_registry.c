/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the table of kinds: partitions are unique and reused, and each address leads to its
 * kind.
 */
/* WRAP: jemalloc_ctl_arena_of jemalloc_ctl_arena_destroy */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <jemalloc/jemalloc.h>

#include "heap/jemalloc_ctl.h"
#include "kinds/kind_registry.h"
#include "kinds/static_kinds.h"
#include "memkind.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"
#include "space/address_map.h"
#include "support/anonymous_extent.h"

#define FIRST   ((unsigned)MEMKIND_NUM_BASE_KIND)
#define END     (FIRST + MEMKIND_MAX_KIND)
#define GRANULE ADDRESS_MAP_GRANULE
#define THREADS 4
#define ROUNDS  2000
#define LIVES   100

static atomic_uint lookups; /* calls of jemalloc that acquire a global lock */
static void (*during_destroy)(void);

int __real_jemalloc_ctl_arena_of(const void *ptr, unsigned *arena);
int __wrap_jemalloc_ctl_arena_of(const void *ptr, unsigned *arena);
void __real_jemalloc_ctl_arena_destroy(unsigned arena);
void __wrap_jemalloc_ctl_arena_destroy(unsigned arena);

int __wrap_jemalloc_ctl_arena_of(const void *ptr, unsigned *arena)
{
    lookups++;
    return __real_jemalloc_ctl_arena_of(ptr, arena);
}

void __wrap_jemalloc_ctl_arena_destroy(unsigned arena)
{
    if (during_destroy != NULL)
        during_destroy();
    __real_jemalloc_ctl_arena_destroy(arena);
}

static int setup(void **state)
{
    (void)state;
    lookups = 0;
    during_destroy = NULL;
    return 0;
}

/* -- Partitions -------------------------------------------------------------------------------- */

static void static_kinds_have_their_partitions(void **state)
{
    (void)state;
    assert_ptr_equal(kind_registry_get(MEMKIND_PARTITION_DEFAULT), MEMKIND_DEFAULT);
    assert_ptr_equal(kind_registry_get(MEMKIND_PARTITION_REGULAR), MEMKIND_REGULAR);
    assert_true(kind_registry_is_static(MEMKIND_DEFAULT));
    assert_true(kind_registry_is_static(MEMKIND_REGULAR));
    for (unsigned i = 0; i < MEMKIND_NUM_BASE_KIND; i++) {
        assert_non_null(kind_registry_get(i));
        assert_int_equal(kind_registry_get(i)->partition, i);
        assert_true(kind_registry_is_static(kind_registry_get(i)));
    }
    for (unsigned i = MEMKIND_NUM_BASE_KIND; i < END; i++)
        assert_null(kind_registry_get(i));
}

/* A part has its own number, and its blocks belong to the kind. */
static void parts_are_the_kinds(void **state)
{
    static struct memkind parts[KIND_REGISTRY_PARTS + 1];
    unsigned granule;

    (void)state;
    for (unsigned i = 0; i < KIND_REGISTRY_PARTS; i++) {
        assert_int_equal(kind_registry_add_part(&parts[i], MEMKIND_HBW), 0);
        assert_int_equal(parts[i].partition, END + i);
        assert_false(kind_registry_is_static(&parts[i]));
    }
    assert_int_equal(kind_registry_add_part(&parts[KIND_REGISTRY_PARTS], MEMKIND_HBW), -ENFILE);
    void *block =
        mmap(NULL, 2 * GRANULE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(block, MAP_FAILED);
    char *base = (char *)block + (-(uintptr_t)block & (GRANULE - 1));
    granule = kind_registry_owner(&parts[3]);
    assert_int_equal(address_map_open(base, GRANULE), 0);
    address_map_set(base, GRANULE, granule);
    assert_ptr_equal(kind_registry_kind_of(base), &parts[3]);
    assert_ptr_equal(kind_registry_detect(base), MEMKIND_HBW);
    address_map_set(base, GRANULE, ADDRESS_MAP_NONE);
    assert_int_equal(munmap(block, 2 * GRANULE), 0);
    for (unsigned i = 0; i < KIND_REGISTRY_PARTS; i++)
        kind_registry_remove(&parts[i]);
    assert_null(kind_registry_get(END));
}

static void static_kinds_cannot_be_removed(void **state)
{
    (void)state;
    kind_registry_remove(MEMKIND_DEFAULT);
    kind_registry_remove(MEMKIND_REGULAR);
    assert_true(kind_registry_has(MEMKIND_DEFAULT));
    assert_true(kind_registry_has(MEMKIND_REGULAR));
}

static void numbers_that_are_no_partition_have_no_kind(void **state)
{
    (void)state;
    assert_null(kind_registry_get(END));
    assert_null(kind_registry_get(END + KIND_REGISTRY_PARTS));
    assert_null(kind_registry_get(UINT32_MAX));
}

static void all_partitions_can_be_had(void **state)
{
    static struct memkind kinds[MEMKIND_MAX_KIND];
    static bool taken[END];
    struct memkind more = {0};

    (void)state;
    memset(taken, 0, sizeof(taken));
    for (int i = 0; i < MEMKIND_MAX_KIND; i++) {
        assert_int_equal(kind_registry_add(&kinds[i], NULL), 0);
        assert_in_range(kinds[i].partition, FIRST, END - 1);
        assert_false(taken[kinds[i].partition]);
        taken[kinds[i].partition] = true;
        assert_ptr_equal(kind_registry_get(kinds[i].partition), &kinds[i]);
        assert_true(kind_registry_has(&kinds[i]));
        assert_false(kind_registry_is_static(&kinds[i]));
    }
    assert_int_equal(kind_registry_add(&more, NULL), -ENFILE);
    assert_false(kind_registry_has(&more));
    kind_registry_remove(&kinds[7]);
    assert_false(kind_registry_has(&kinds[7]));
    assert_int_equal(kind_registry_add(&more, NULL), 0);
    assert_int_equal(more.partition, kinds[7].partition);
    /* Removing an old kind does not remove its successor. */
    kind_registry_remove(&kinds[7]);
    assert_true(kind_registry_has(&more));
    kind_registry_remove(&more);
    for (int i = 0; i < MEMKIND_MAX_KIND; i++)
        kind_registry_remove(&kinds[i]);
    for (unsigned i = FIRST; i < END; i++)
        assert_null(kind_registry_get(i));
}

static atomic_uint clashes;

static void *add_and_remove(void *arg)
{
    struct memkind kinds[3] = {{0}};

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct memkind *kind = &kinds[i % 3];

        if (kind_registry_has(kind))
            kind_registry_remove(kind);
        else
            clashes += kind_registry_add(kind, NULL) != 0 || !kind_registry_has(kind);
        for (int j = 0; j < 3; j++)
            clashes += kinds[j].partition != 0 && kinds[j].partition < FIRST;
    }
    for (int i = 0; i < 3; i++)
        kind_registry_remove(&kinds[i]);
    return NULL;
}

static void threads_never_share_a_partition(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    clashes = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_and_remove, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(clashes, 0);
    for (unsigned i = FIRST; i < END; i++)
        assert_null(kind_registry_get(i));
}

static void owners_of_addresses_are_unique(void **state)
{
    struct memkind kind = {.partition = END - 1};

    (void)state;
    assert_true(kind_registry_owner(MEMKIND_DEFAULT) >= ADDRESS_MAP_FIRST_OWNER);
    assert_true(kind_registry_owner(&kind) <= UINT16_MAX);
    assert_int_not_equal(kind_registry_owner(MEMKIND_DEFAULT),
                         kind_registry_owner(MEMKIND_REGULAR));
}

/* -- From an address to a kind ----------------------------------------------------------------- */

static struct memkind *new_kind(struct memkind_ops *ops, extent_hooks_t *hooks)
{
    struct memkind *kind = calloc(1, sizeof(*kind));

    assert_non_null(kind);
    assert_int_equal(memkind_default_create(kind, ops, "test"), MEMKIND_SUCCESS);
    assert_int_equal(memkind_arena_create_map(kind, hooks), MEMKIND_SUCCESS);
    return kind;
}

static void destroy(struct memkind *kind)
{
    assert_int_equal(memkind_arena_destroy(kind), MEMKIND_SUCCESS);
    free(kind);
}

static void address_of_nobody_has_no_kind(void **state)
{
    int local;

    (void)state;
    assert_null(kind_registry_detect(NULL));
    assert_null(kind_registry_detect(&local));
    assert_null(kind_registry_detect((const void *)1));
    assert_null(kind_registry_detect((const void *)UINTPTR_MAX));
    assert_null(kind_registry_detect(&lookups));
}

static void block_leads_to_its_kind(void **state)
{
    struct memkind *kind = new_kind(&MEMKIND_REGULAR_OPS, NULL);
    char *block = memkind_malloc(kind, 100);
    void *of_default = memkind_malloc(MEMKIND_DEFAULT, 100);

    (void)state;
    assert_non_null(block);
    lookups = 0;
    assert_ptr_equal(kind_registry_kind_of(block), kind);
    assert_ptr_equal(kind_registry_detect(block), kind);
    assert_ptr_equal(kind_registry_detect(block + 99), kind);
    assert_ptr_equal(kind_registry_kind_of(of_default), MEMKIND_DEFAULT);
    /* While all heaps own whole granules, freeing acquires no lock. */
    assert_int_equal(lookups, 0);
    assert_ptr_equal(kind_registry_detect(of_default), MEMKIND_DEFAULT);
    memkind_free(MEMKIND_DEFAULT, of_default);
    destroy(kind);
    assert_null(kind_registry_detect(block));
}

static void *foreign_alloc(extent_hooks_t *hooks, void *addr, size_t size, size_t alignment,
                           bool *zero, bool *commit, unsigned arena)
{
    (void)hooks;
    (void)arena;
    if (addr != NULL)
        return NULL;
    *zero = true;
    *commit = true;
    return anonymous_extent(size, alignment);
}

static extent_hooks_t foreign_hooks = {.alloc = foreign_alloc};

static void block_from_hooks_leads_to_its_kind(void **state)
{
    struct memkind *kind = new_kind(&MEMKIND_REGULAR_OPS, &foreign_hooks);
    struct memkind *other = new_kind(&MEMKIND_REGULAR_OPS, &foreign_hooks);
    void *block = memkind_malloc(kind, 100);
    void *large = memkind_malloc(other, GRANULE);
    void *of_default = memkind_malloc(MEMKIND_DEFAULT, 100);

    (void)state;
    assert_ptr_equal(kind_registry_kind_of(block), kind);
    assert_ptr_equal(kind_registry_detect(block), kind);
    assert_ptr_equal(kind_registry_kind_of(large), other);
    assert_ptr_equal(kind_registry_detect(large), other);
    assert_ptr_equal(kind_registry_kind_of(of_default), MEMKIND_DEFAULT);
    memkind_free(NULL, block);
    memkind_free(NULL, of_default);
    memkind_free(NULL, large);
    destroy(kind);
    destroy(other);
    lookups = 0;
    of_default = memkind_malloc(MEMKIND_DEFAULT, 100);
    assert_ptr_equal(kind_registry_kind_of(of_default), MEMKIND_DEFAULT);
    assert_int_equal(lookups, 0);
    memkind_free(NULL, of_default);
}

/* -- While kinds come and go ------------------------------------------------------------------- */

static atomic_bool done;
static void *sought;

static void *detect_all_the_time(void *arg)
{
    size_t wrong = 0;

    (void)arg;
    while (!done)
        wrong += kind_registry_detect(sought) != MEMKIND_DEFAULT;
    return (void *)wrong;
}

static void detecting_is_safe_while_kinds_end(void **state)
{
    pthread_t thread;
    void *wrong;

    (void)state;
    sought = memkind_malloc(MEMKIND_DEFAULT, 100);
    done = false;
    assert_int_equal(pthread_create(&thread, NULL, detect_all_the_time, NULL), 0);
    for (int i = 0; i < LIVES; i++) {
        struct memkind *kind = new_kind(&MEMKIND_REGULAR_OPS, i % 2 == 0 ? NULL : &foreign_hooks);

        memkind_free(kind, memkind_malloc(kind, 100));
        destroy(kind);
    }
    done = true;
    assert_int_equal(pthread_join(thread, &wrong), 0);
    assert_null(wrong);
    memkind_free(NULL, sought);
}

static void detect_now(void)
{
    assert_ptr_equal(kind_registry_detect(sought), MEMKIND_DEFAULT);
}

static void detecting_works_while_a_heap_is_taken_apart(void **state)
{
    struct memkind *kind = new_kind(&MEMKIND_REGULAR_OPS, NULL);

    (void)state;
    memkind_free(kind, memkind_malloc(kind, 100));
    sought = memkind_malloc(MEMKIND_DEFAULT, 100);
    during_destroy = detect_now;
    destroy(kind);
    during_destroy = NULL;
    memkind_free(NULL, sought);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(static_kinds_have_their_partitions),
        TEST(parts_are_the_kinds),
        TEST(static_kinds_cannot_be_removed),
        TEST(numbers_that_are_no_partition_have_no_kind),
        TEST(all_partitions_can_be_had),
        TEST(threads_never_share_a_partition),
        TEST(owners_of_addresses_are_unique),
        TEST(address_of_nobody_has_no_kind),
        TEST(block_leads_to_its_kind),
        TEST(block_from_hooks_leads_to_its_kind),
        TEST(detecting_is_safe_while_kinds_end),
        TEST(detecting_works_while_a_heap_is_taken_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
