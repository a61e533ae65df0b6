/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program like those of users, written for hbwmalloc.h of memkind 1.14. It calls all functions
 * and prints their results, so that two libraries can be compared.
 */
#include <errno.h>
#include <hbwmalloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 1000
#define PAGE   4096

static void say(const char *what, long long value)
{
    printf("%-60s %lld\n", what, value);
}

static bool is_filled(const char *block, size_t size, char with)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != with)
            return false;
    return true;
}

static void blocks(void)
{
    char *block[BLOCKS];
    long long good = 0;

    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = i % 2 == 0 ? hbw_malloc(i + 1) : hbw_calloc(i + 1, 1);
        good += block[i] != NULL && (i % 2 == 0 || is_filled(block[i], i + 1, 0)) &&
                hbw_malloc_usable_size(block[i]) >= i + 1;
        if (block[i] != NULL)
            memset(block[i], (int)(i % 100), i + 1);
    }
    say("blocks", good);
    good = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = hbw_realloc(block[i], 5 * (i + 1));
        good += block[i] != NULL && is_filled(block[i], i + 1, (char)(i % 100));
    }
    say("blocks that have grown and kept what was in them", good);
    for (size_t i = 0; i < BLOCKS; i++)
        hbw_free(block[i]);
}

static void aligned(void)
{
    void *block = NULL;

    say("posix_memalign", hbw_posix_memalign(&block, 256, 1000));
    say("is aligned", (uintptr_t)block % 256 == 0);
    hbw_free(block);
    say("posix_memalign, wrong alignment", hbw_posix_memalign(&block, 3, 1000) == EINVAL);
    say("posix_memalign_psize, 4 KiB",
        hbw_posix_memalign_psize(&block, 64, 2 * PAGE, HBW_PAGESIZE_4KB));
    hbw_free(block);
}

static void regions(void)
{
    static char own[PAGE];
    char *block = hbw_malloc(PAGE << 4);

    say("verify, touched", hbw_verify_memory_region(block, PAGE << 4, HBW_TOUCH_PAGES));
    say("verify", hbw_verify_memory_region(block, PAGE << 4, 0));
    say("verify, NULL", hbw_verify_memory_region(NULL, PAGE, 0) == EINVAL);
    say("verify, wrong flags", hbw_verify_memory_region(own, PAGE, ~HBW_TOUCH_PAGES) == EINVAL);
    hbw_free(block);
}

int main(void)
{
    say("check_available", hbw_check_available());
    say("get_policy", hbw_get_policy());
    say("set_policy, no such", hbw_set_policy((hbw_policy_t)9) == EINVAL);
    say("set_policy", hbw_set_policy(HBW_POLICY_BIND_ALL));
    say("get_policy, set", hbw_get_policy());
    say("set_policy, again", hbw_set_policy(HBW_POLICY_PREFERRED) == EPERM);
    blocks();
    aligned();
    regions();
    return 0;
}
