/* SPDX-License-Identifier: BSD-2-Clause */
/* The players of an input's operations: threads in turns, or at once. */
#include "fuzz/players.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "fuzz/operations.h"

#define PLAYERS 4u
#define BOXES   16u
#define SHARED  (MODEL_OWN + MODEL_SHARED) /* lower slots are shared by threads at once */

static struct model_world worlds[PLAYERS];

static void start(pthread_t *thread, void *(*function)(void *), void *argument)
{
    MODEL_CHECK(pthread_create(thread, NULL, function, argument) == 0, "no thread");
}

void players_clear(struct model_world *world)
{
    questions_reset(world);
    model_check_all(world);
    for (unsigned slot = MODEL_OWN; slot < MODEL_SLOTS; slot++)
        if (world->kinds[slot].handle != NULL)
            kinds_destroy(world, slot);
    while (world->count != 0)
        operations_free(world, world->blocks[world->count - 1], 0);
    for (unsigned slot = 0; slot < MODEL_OWN; slot++)
        memkind_set_allow_zero_allocs(world->kinds[slot].handle, false);
    model_check_statistics(world);
}

/* -- In turns ---------------------------------------------------------------------------------- */

struct seat {
    struct table *table;
    unsigned number;
    pthread_t thread;
    bool taken;
    bool leave; /* the thread is to end */
    sem_t called;
};

/* Only the player whose turn it is may access this. */
struct table {
    struct model_world *world;
    const uint8_t *records;
    size_t left; /* records */
    struct seat seats[PLAYERS];
};

static void *sit(void *argument);

static void give_turn(struct table *table, unsigned number)
{
    struct seat *seat = &table->seats[number];

    table->world->thread = number;
    if (!seat->taken) {
        seat->taken = true;
        start(&seat->thread, sit, seat);
    }
    sem_post(&seat->called);
}

static void end_seat(struct seat *seat)
{
    if (!seat->taken || seat->number == 0)
        return;
    seat->leave = true;
    sem_post(&seat->called);
    pthread_join(seat->thread, NULL);
    seat->leave = false;
    seat->taken = false;
}

static struct input_record next_record(struct table *table)
{
    struct input_record record = input_record(table->records);

    table->records += INPUT_RECORD;
    table->left--;
    return record;
}

/* Performs records until it is another player's turn (false) or none is left (true). */
static bool play(struct table *table, unsigned me)
{
    while (table->left != 0) {
        struct input_record record = next_record(table);
        unsigned other = record.a % PLAYERS;

        switch (operation_of(record.operation)) {
        case OPERATION_take_turn:
            if (other == me)
                break;
            give_turn(table, other);
            return false;
        case OPERATION_end_thread:
            if (other != me)
                end_seat(&table->seats[other]);
            break;
        default:
            operation_run(table->world, &record);
        }
    }
    return true;
}

static void wait_for_turn(struct seat *seat)
{
    while (sem_wait(&seat->called) != 0)
        continue;
}

static void *sit(void *argument)
{
    struct seat *seat = argument;

    for (;;) {
        wait_for_turn(seat);
        if (seat->leave)
            return NULL;
        if (play(seat->table, seat->number))
            give_turn(seat->table, 0);
    }
}

unsigned long players_in_turns(const uint8_t *records, size_t count, const char *dir)
{
    struct model_world *world = &worlds[0];
    struct table table = {.world = world, .records = records, .left = count};

    model_begin(world, dir, true);
    for (unsigned i = 0; i < PLAYERS; i++) {
        table.seats[i].table = &table;
        table.seats[i].number = i;
        table.seats[i].taken = i == 0;
        sem_init(&table.seats[i].called, 0, 0);
    }
    while (!play(&table, 0))
        wait_for_turn(&table.seats[0]);
    /* Threads end before or after their kinds: caches are flushed in two ways. */
    for (unsigned i = 1; i < PLAYERS; i++)
        if ((count + i) % 2 != 0)
            end_seat(&table.seats[i]);
    players_clear(world);
    for (unsigned i = 0; i < PLAYERS; i++) {
        end_seat(&table.seats[i]);
        sem_destroy(&table.seats[i].called);
    }
    model_end(world);
    return world->calls;
}

/* -- At once ----------------------------------------------------------------------------------- */

/* Blocks on their way from one thread to another. */
static _Atomic(struct model_block *) boxes[BOXES];

struct player {
    pthread_t thread;
    pthread_barrier_t *start;
    struct model_world *world;
    const uint8_t *records;
    size_t count;
};

static void hand_over(struct model_world *world, const struct input_record *record)
{
    struct model_block *block = model_choose(world, record->b);

    if (block != NULL && block->slot >= SHARED)
        block = NULL;
    if (block != NULL)
        model_detach(world, block);
    block = atomic_exchange(&boxes[record->a % BOXES], block);
    if (block == NULL)
        return;
    model_check_block(world, block);
    model_attach(world, block);
}

static void *run(void *argument)
{
    struct player *player = argument;
    struct model_world *world = player->world;

    pthread_barrier_wait(player->start);
    for (size_t i = 0; i < player->count; i++) {
        struct input_record record = input_record(player->records + i * INPUT_RECORD);
        enum operation operation = operation_of(record.operation);

        if (operation == OPERATION_hand_over)
            hand_over(world, &record);
        else if (operation < OPERATION_ALONE)
            operation_run(world, &record);
    }
    for (unsigned slot = SHARED; slot < MODEL_SLOTS; slot++)
        if (world->kinds[slot].handle != NULL)
            kinds_destroy(world, slot);
    return NULL;
}

/* Adds another world's blocks, or those in the boxes, to the world. */
static void take_over(struct model_world *world, struct model_world *other)
{
    while (other->count != 0) {
        struct model_block *block = other->blocks[other->count - 1];

        model_detach(other, block);
        model_attach(world, block);
    }
    world->calls += other->calls;
    model_end(other);
}

static void empty_boxes(struct model_world *world)
{
    for (unsigned i = 0; i < BOXES; i++) {
        struct model_block *block = atomic_exchange(&boxes[i], NULL);

        if (block != NULL)
            model_attach(world, block);
    }
}

/* No kind is shared any more. Their policy is what the last player has set. */
static void be_alone(struct model_world *world)
{
    for (unsigned slot = MODEL_OWN; slot < SHARED; slot++) {
        world->kinds[slot].shared = false;
        world->kinds[slot].conservative = false;
    }
    world->exact = true;
}

static void share_kinds(struct model_world *world, unsigned number)
{
    for (unsigned i = 0; i < MODEL_SHARED; i++)
        kinds_get(world, MODEL_OWN + i, (uint16_t)((number >> 2 | 0x20) + i * 11))->shared = true;
}

/* Divides the records into parts of the same size. */
static void deal(struct player *players, unsigned threads, const uint8_t *records, size_t count)
{
    for (unsigned i = 0; i < threads; i++) {
        size_t first = count * i / threads;

        players[i].world = &worlds[i];
        players[i].records = records + first * INPUT_RECORD;
        players[i].count = count * (i + 1) / threads - first;
    }
}

unsigned long players_at_once(const uint8_t *records, size_t count, const char *dir,
                              unsigned number)
{
    unsigned threads = 2 + number % (PLAYERS - 1);
    struct player players[PLAYERS] = {0};
    pthread_barrier_t barrier;

    deal(players, threads, records, count);
    pthread_barrier_init(&barrier, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        model_begin(&worlds[i], dir, false);
        worlds[i].thread = i;
        worlds[i].most = MODEL_BLOCKS / PLAYERS - BOXES;
        worlds[i].seed = i;
    }
    share_kinds(&worlds[0], number);
    for (unsigned i = 0; i < threads; i++) {
        for (unsigned slot = MODEL_OWN; slot < SHARED; slot++)
            worlds[i].kinds[slot] = worlds[0].kinds[slot];
        players[i].start = &barrier;
        start(&players[i].thread, run, &players[i]);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(players[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
    worlds[0].most = MODEL_BLOCKS;
    for (unsigned i = 1; i < threads; i++)
        take_over(&worlds[0], &worlds[i]);
    empty_boxes(&worlds[0]);
    be_alone(&worlds[0]);
    players_clear(&worlds[0]);
    model_end(&worlds[0]);
    return worlds[0].calls;
}
