/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds that are created, used by several threads and destroyed leave nothing behind.
 *
 * STRESS_ROUNDS (300).
 */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress/kinds.h"
#include "stress/parameters.h"
#include "stress/pattern.h"

#define THREADS       4
#define BLOCKS        64
#define LARGEST       (64 * (size_t)1024)
#define WARM_UP       20
#define VIRTUAL_SLACK (32 * MIB) /* two kinds of memkind 1.14 lose more */
#define MAPS_SLACK    16
#define LINE_SIZE     256

struct use {
    pthread_t thread;
    memkind_t kind;
    uint64_t random;
    bool failed;
};

static size_t virtual_size(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[LINE_SIZE];
    size_t kib = 0;

    assert_non_null(status);
    while (fgets(line, sizeof(line), status) != NULL)
        if (sscanf(line, "VmSize: %zu kB", &kib) == 1)
            break;
    fclose(status);
    assert_true(kib != 0);
    return kib << 10;
}

static void *use_kind(void *argument)
{
    struct use *use = argument;
    char *blocks[BLOCKS];
    size_t sizes[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++) {
        sizes[i] = 1 + pattern_random(&use->random) % LARGEST;
        blocks[i] = memkind_malloc(use->kind, sizes[i]);
        if (blocks[i] == NULL) {
            use->failed = true;
            return NULL;
        }
        pattern_fill(blocks[i], sizes[i]);
    }
    /* A quarter of the blocks is freed by the kind's destruction. */
    for (size_t i = 0; i < BLOCKS; i++) {
        use->failed |= !pattern_holds(blocks[i], sizes[i], pattern_seed(blocks[i], sizes[i]));
        if (i % 4 != 0)
            memkind_free(use->kind, blocks[i]);
    }
    return NULL;
}

static void live_once(size_t round)
{
    memkind_t kind = make_kind(round % 2 == 0 ? 0 : 64 * MIB,
                               round % 3 == 0 ? MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE
                                              : MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    struct use uses[THREADS];

    for (size_t i = 0; i < THREADS; i++) {
        uses[i] = (struct use){.kind = kind, .random = round * THREADS + i};
        assert_int_equal(pthread_create(&uses[i].thread, NULL, use_kind, &uses[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(uses[i].thread, NULL), 0);
        assert_false(uses[i].failed);
    }
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

static void test_come_and_go(void **state)
{
    static struct leftovers before;
    size_t rounds = parameter("STRESS_ROUNDS", 300);

    (void)state;
    /* The first kinds create what libc and jemalloc keep for the life of the process. */
    for (size_t i = 0; i < WARM_UP; i++)
        live_once(i);
    leftovers_take(&before, NULL);
    size_t virtual_before = virtual_size();
    size_t maps_before = count_maps();
    for (size_t i = 0; i < rounds; i++)
        live_once(i);
    size_t virtual_after = virtual_size();
    size_t maps_after = count_maps();
    printf("%zu kinds: virtual size %zu, then %zu; maps %zu, then %zu\n", rounds, virtual_before,
           virtual_after, maps_before, maps_after);
    leftovers_check(&before);
    assert_true(virtual_after <= virtual_before + VIRTUAL_SLACK);
    assert_true(maps_after <= maps_before + MAPS_SLACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_come_and_go),
    };

    /* libc's heap reserves 64 MiB of addresses for each thread that contends. */
    mallopt(M_ARENA_MAX, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
