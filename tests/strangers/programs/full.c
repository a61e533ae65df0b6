/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Continues to allocate and free in threads when its heap is full, and prints how often the library
 * searched everywhere for room. Usage: full OPERATIONS MOST THREADS
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define BLOCKS   40000
#define THREADS  8
#define SMALLEST 16
#define RANGE    2000

static unsigned long retries;

struct player {
    pthread_t thread;
    unsigned random;
    long operations;
    void *blocks[BLOCKS];
};

static struct player players[THREADS];
static pthread_barrier_t all_are_full;

/* Parses the library's report on its kinds. */
static void find_retries(void *opaque, const char *text)
{
    const char *found = strstr(text, "retries: ");

    (void)opaque;
    if (found != NULL)
        retries += strtoul(found + strlen("retries: "), NULL, 10);
}

static unsigned next_random(struct player *player)
{
    player->random = player->random * 1103515245 + 12345;
    return player->random >> 8;
}

static void *new_block(struct player *player)
{
    void *block = malloc(SMALLEST + next_random(player) % RANGE);

    CHECK(block != NULL);
    return block;
}

static void replace(struct player *player)
{
    size_t i = next_random(player) % BLOCKS;

    free(player->blocks[i]);
    player->blocks[i] = new_block(player);
}

static void count_retries(void)
{
    int (*print)(void (*)(void *, const char *), void *, int);

    *(void **)&print = dlsym(RTLD_DEFAULT, "memkind_stats_print");
    CHECK(print != NULL);
    retries = 0;
    print(find_retries, NULL, 0);
}

static void *play(void *argument)
{
    struct player *player = argument;

    for (size_t i = 0; i < BLOCKS; i++)
        player->blocks[i] = new_block(player);
    pthread_barrier_wait(&all_are_full);
    pthread_barrier_wait(&all_are_full);
    for (long i = player->operations; i > 0; i--)
        replace(player);
    pthread_barrier_wait(&all_are_full);
    return NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc == 4);
    long threads = atol(argv[3]);
    CHECK(threads >= 1 && threads <= THREADS);
    pthread_barrier_init(&all_are_full, NULL, (unsigned)threads + 1);
    for (long i = 0; i < threads; i++) {
        players[i].random = (unsigned)i + 1;
        players[i].operations = atol(argv[1]) / threads;
        CHECK(pthread_create(&players[i].thread, NULL, play, &players[i]) == 0);
    }
    pthread_barrier_wait(&all_are_full);
    count_retries();
    unsigned long before = retries;
    pthread_barrier_wait(&all_are_full);
    pthread_barrier_wait(&all_are_full);
    count_retries();
    for (long i = 0; i < threads; i++)
        pthread_join(players[i].thread, NULL);
    printf("looked for room %lu times\n", retries - before);
    CHECK(retries - before <= strtoul(argv[2], NULL, 10));
    return EXIT_SUCCESS;
}
