/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fixed sequence of calls of nearly all of the public interface, on two kinds in one directory.
 */
#include "faults/workload.h"

#include <memkind/internal/memkind_pmem.h>

#include <errno.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults/calls.h"
#include "stress/pattern.h"
#include "support/leftovers.h"

#define KIB        ((size_t)1 << 10)
#define MIB        ((size_t)1 << 20)
#define MAX_SIZE   (32 * MIB)
#define MAPPED     MIB
#define ALIGNMENT  (2 * MIB)
#define TEXT_SIZE  1024
#define ALL_MARKED (16 * KIB) /* blocks up to this size are filled */
#define MARKS      (64 * KIB) /* others have marks only: faults cost most of the time */

/* Initial sizes of the blocks. The last ones are not allocated by malloc. */
static const size_t sizes[WORKLOAD_BLOCKS] = {
    8,        8,         100,       100,       1000, 1000,
    4 * KIB,  14 * KIB,  20 * KIB,  300 * KIB, MIB,  2 * MIB + 256 * KIB,
    5000,     100 * KIB, 700 * KIB, 100 * KIB, 200,  10 * KIB,
    40 * KIB, 60,
};

enum { FIRST_OF_FORK = 7, FIRST_CALLOC = 12, FIRST_MEMALIGN = 14, FIRST_OF_THREAD = 16 };

void workload_wrong(const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    dprintf(STDERR_FILENO, "WRONG: %s\n", text);
    _exit(WORKLOAD_FAILED);
}

/* -- Results ----------------------------------------------------------------------------------- */

static void check_status(const struct workload *workload, const char *what, int status)
{
    if (status == MEMKIND_SUCCESS)
        return;
    if (!workload->may_fail)
        workload_wrong("%s: status %d where nothing fails", what, status);
    switch (status) {
    case MEMKIND_ERROR_MALLOC:
    case MEMKIND_ERROR_INVALID:
    case MEMKIND_ERROR_ARENAS_CREATE:
    case MEMKIND_ERROR_OPERATION_FAILED:
    case MEMKIND_ERROR_RUNTIME:
        return;
    default:
        workload_wrong("%s: status %d", what, status);
    }
}

/* Checks that the result is a block, or NULL with ENOMEM. */
static void check_block(const struct workload *workload, const char *what, const void *block)
{
    if (block != NULL)
        return;
    if (errno != ENOMEM)
        workload_wrong("%s: NULL with errno %d", what, errno);
    if (!workload->may_fail)
        workload_wrong("%s: NULL where nothing fails", what);
}

/* -- Contents ---------------------------------------------------------------------------------- */

static size_t distance(size_t size)
{
    return size <= ALL_MARKED ? PATTERN_WORD : MARKS;
}

static void mark(const struct workload_block *block)
{
    uint64_t seed = pattern_seed(block->address, block->size);

    for (size_t at = 0; at + PATTERN_WORD <= block->size; at += distance(block->size)) {
        uint64_t word = pattern_word(seed, at);

        memcpy(block->address + at, &word, PATTERN_WORD);
    }
}

/*
 * Returns whether the first size bytes still have the marks of `marked`, from which the block may
 * have moved.
 */
static bool is_marked(const struct workload_block *marked, const char *address, size_t size)
{
    uint64_t seed = pattern_seed(marked->address, marked->size);
    uint64_t word;

    for (size_t at = 0; at + PATTERN_WORD <= size; at += distance(marked->size)) {
        memcpy(&word, address + at, PATTERN_WORD);
        if (word != pattern_word(seed, at))
            return false;
    }
    return true;
}

static void check_contents(const struct workload *workload)
{
    for (size_t k = 0; k < WORKLOAD_KINDS; k++)
        for (size_t i = 0; i < WORKLOAD_BLOCKS; i++) {
            const struct workload_block *block = &workload->blocks[k][i];

            if (block->address != NULL && !is_marked(block, block->address, block->size))
                workload_wrong("block %zu of kind %zu has other contents", i, k);
        }
}

/* -- Blocks ------------------------------------------------------------------------------------ */

static char *make_aligned(const struct workload *workload, memkind_t kind, size_t size)
{
    void *block = NULL;

    errno = 0;
    int err = WATCHED(memkind_posix_memalign(kind, &block, ALIGNMENT, size));
    if (errno != 0 || (err != 0 && err != ENOMEM))
        workload_wrong("posix_memalign: result %d, errno %d", err, errno);
    if (err != 0)
        block = NULL;
    errno = err;
    check_block(workload, "posix_memalign", block);
    if ((uintptr_t)block % ALIGNMENT != 0)
        workload_wrong("posix_memalign: not aligned");
    return block;
}

static char *make_zero(const struct workload *workload, memkind_t kind, size_t size)
{
    errno = 0;
    char *block = WATCHED(memkind_calloc(kind, size / 4, 4));
    check_block(workload, "calloc", block);
    if (block != NULL && (block[0] != 0 || memcmp(block, block + 1, size - 1) != 0))
        workload_wrong("calloc: not zero");
    return block;
}

static void make_block(struct workload *workload, size_t k, size_t i)
{
    memkind_t kind = workload->kinds[k];
    struct workload_block *block = &workload->blocks[k][i];

    if (block->address != NULL)
        return;
    block->size = sizes[i];
    if (i >= FIRST_CALLOC && i < FIRST_MEMALIGN) {
        block->address = make_zero(workload, kind, sizes[i]);
    } else if (i >= FIRST_MEMALIGN && i < FIRST_OF_THREAD) {
        block->address = make_aligned(workload, kind, sizes[i]);
    } else {
        errno = 0;
        block->address = WATCHED(memkind_malloc(kind, sizes[i]));
        check_block(workload, "malloc", block->address);
    }
    if (block->address == NULL)
        return;
    if (WATCHED(memkind_detect_kind(block->address)) != kind)
        workload_wrong("detect_kind: block %zu is not of its kind", i);
    mark(block);
}

static void free_block(struct workload *workload, size_t k, size_t i)
{
    struct workload_block *block = &workload->blocks[k][i];

    calls_watched = true;
    memkind_free(i % 2 == 0 ? workload->kinds[k] : NULL, block->address);
    calls_watched = false;
    block->address = NULL;
}

static void resize_block(struct workload *workload, size_t k, size_t i, size_t size)
{
    struct workload_block *block = &workload->blocks[k][i];
    struct workload_block old = *block;

    if (block->address == NULL)
        return;
    errno = 0;
    char *moved = WATCHED(memkind_realloc(workload->kinds[k], block->address, size));
    check_block(workload, "realloc", moved);
    if (moved == NULL)
        return;
    if (!is_marked(&old, moved, old.size < size ? old.size : size))
        workload_wrong("realloc: contents are lost");
    *block = (struct workload_block){.address = moved, .size = size};
    mark(block);
}

static void defragment(struct workload *workload, size_t k)
{
    for (size_t i = 0; i < WORKLOAD_BLOCKS; i++) {
        struct workload_block *block = &workload->blocks[k][i];
        struct workload_block old = *block;

        if (block->address == NULL)
            continue;
        char *moved = WATCHED(memkind_defrag_reallocate(workload->kinds[k], block->address));
        if (moved == NULL)
            continue;
        if (!is_marked(&old, moved, old.size))
            workload_wrong("defrag_reallocate: contents are lost");
        block->address = moved;
        mark(block);
    }
}

/* -- Another thread ---------------------------------------------------------------------------- */

static void *run_thread(void *argument)
{
    struct workload *workload = argument;

    for (size_t k = 0; k < WORKLOAD_KINDS; k++)
        for (size_t i = FIRST_OF_THREAD; i < WORKLOAD_BLOCKS && workload->kinds[k] != NULL; i++) {
            make_block(workload, k, i);
            if (i % 2 == 0)
                free_block(workload, k, i);
        }
    /* The destructors of the thread run inside the library. */
    calls_watched = true;
    return NULL;
}

static void use_by_thread(struct workload *workload)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, run_thread, workload) != 0 || pthread_join(thread, NULL) != 0)
        workload_wrong("no thread");
}

/* -- Queries of kinds -------------------------------------------------------------------------- */

static size_t allocated_in(const struct workload *workload, size_t k)
{
    size_t sum = 0;

    for (size_t i = 0; i < WORKLOAD_BLOCKS; i++) {
        char *address = workload->blocks[k][i].address;

        sum += address != NULL ? memkind_malloc_usable_size(workload->kinds[k], address) : 0;
    }
    return sum;
}

static void check_statistics(const struct workload *workload, size_t k)
{
    size_t value = 0;
    int status = WATCHED(memkind_get_stat(workload->kinds[k], MEMKIND_STAT_TYPE_ALLOCATED, &value));

    check_status(workload, "get_stat", status);
    if (!workload->may_fail && value != allocated_in(workload, k))
        workload_wrong("get_stat: %zu bytes allocated in kind %zu instead of %zu", value, k,
                       allocated_in(workload, k));
}

/* Checks that the library's account of file space equals the file system's, which must be tmpfs. */
static void check_account(const struct workload *workload)
{
    struct statfs fs;

    for (size_t k = 0; k < WORKLOAD_KINDS; k++) {
        if (workload->kinds[k] == NULL)
            continue;
        const struct memkind_pmem *pmem = workload->kinds[k]->priv;
        size_t held = file_space_held(pmem->fd);

        if (fstatfs(pmem->fd, &fs) != 0 || fs.f_type != TMPFS_MAGIC)
            continue;
        if (held < pmem->current_size ||
            (held > pmem->current_size && !calls_kept_space() && !workload->may_be_frozen))
            workload_wrong("kind %zu counts %zu bytes, its file has %zu", k, pmem->current_size,
                           held);
    }
}

static void count_text(void *count, const char *text)
{
    *(size_t *)count += strlen(text);
}

static void ask_library(const struct workload *workload)
{
    size_t length = 0;
    size_t value;

    check_status(workload, "update_cached_stats", WATCHED(memkind_update_cached_stats()));
    check_status(workload, "get_stat",
                 WATCHED(memkind_get_stat(NULL, MEMKIND_STAT_TYPE_RESIDENT, &value)));
    check_status(
        workload, "stats_print",
        WATCHED(memkind_stats_print(count_text, &length, MEMKIND_STAT_PRINT_OMIT_PER_ARENA)));
    int dax = WATCHED(memkind_check_dax_path(workload->dir));
    if (dax != MEMKIND_ERROR_MMAP)
        check_status(workload, "check_dax_path", dax);
}

static void ask_kind(const struct workload *workload, size_t k)
{
    memkind_t kind = workload->kinds[k];

    check_statistics(workload, k);
    if (WATCHED(memkind_get_capacity(kind)) < (ssize_t)MAX_SIZE && !workload->may_fail)
        workload_wrong("get_capacity");
    errno = 0;
    char *mapped = WATCHED(memkind_pmem_mmap(kind, NULL, MAPPED));
    check_block(workload, "pmem_mmap", mapped == MAP_FAILED ? NULL : mapped);
    for (size_t at = 0; mapped != MAP_FAILED && at < MAPPED; at += MARKS)
        mapped[at] = 1;
}

/* -- The whole --------------------------------------------------------------------------------- */

static void open_conservative(struct workload *workload, memkind_t *kind)
{
    errno = 0;
    struct memkind_config *config = WATCHED(memkind_config_new());
    check_block(workload, "config_new", config);
    if (config == NULL)
        return;
    memkind_config_set_path(config, workload->dir);
    memkind_config_set_size(config, 0);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    memkind_config_set_fork(config, MEMKIND_FORK_SNAPSHOT);
    check_status(workload, "create_pmem_with_config",
                 WATCHED(memkind_create_pmem_with_config(config, kind)));
    calls_watched = true;
    memkind_config_delete(config);
    calls_watched = false;
}

void workload_open(struct workload *workload)
{
    if (workload->kinds[0] == NULL)
        open_conservative(workload, &workload->kinds[0]);
    if (workload->kinds[1] == NULL)
        check_status(workload, "create_pmem",
                     WATCHED(memkind_create_pmem(workload->dir, MAX_SIZE, &workload->kinds[1])));
    check_account(workload);
}

static void use_kind(struct workload *workload, size_t k)
{
    for (size_t i = 0; i < FIRST_OF_THREAD; i++)
        make_block(workload, k, i);
    resize_block(workload, k, 2, 5000);
    resize_block(workload, k, 2, MIB + MIB / 2);
    resize_block(workload, k, 11, MIB / 2);
    for (size_t i = 1; i < FIRST_OF_THREAD; i += 2)
        free_block(workload, k, i);
    make_block(workload, k, 5);
    make_block(workload, k, 9);
}

static void use_static_kinds(const struct workload *workload)
{
    memkind_t kinds[] = {MEMKIND_DEFAULT, MEMKIND_REGULAR};

    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
        for (size_t size = 100; size <= MIB; size *= 100) {
            errno = 0;
            char *block = WATCHED(memkind_malloc(kinds[k], size));
            check_block(workload, "malloc of a static kind", block);
            if (block != NULL)
                block[0] = block[size - 1] = 1;
            calls_watched = true;
            memkind_free(NULL, block);
            calls_watched = false;
        }
}

void workload_use(struct workload *workload)
{
    for (size_t k = 0; k < WORKLOAD_KINDS; k++)
        if (workload->kinds[k] != NULL)
            use_kind(workload, k);
    use_by_thread(workload);
    ask_library(workload);
    for (size_t k = 0; k < WORKLOAD_KINDS; k++)
        if (workload->kinds[k] != NULL) {
            defragment(workload, k);
            ask_kind(workload, k);
        }
    use_static_kinds(workload);
    check_contents(workload);
    check_account(workload);
}

/*
 * A request that was refused is refused again for 10 ms, unless a block is freed: heap/shortage.c.
 */
#define REFUSALS_US 20000

/* The child of a fork uses the kinds that it has inherited. */
static _Noreturn void live_as_child(struct workload *workload)
{
    for (size_t k = 0; k < WORKLOAD_KINDS; k++) {
        if (workload->kinds[k] == NULL)
            continue;
        make_block(workload, k, FIRST_OF_FORK);
        free_block(workload, k, 0);
    }
    calls_turn(false);
    for (enum call call = 0; call < CALL_COUNT; call++)
        if (workload->seen_in_child[call] < calls_seen(call))
            workload->seen_in_child[call] = calls_seen(call);
    usleep(REFUSALS_US);
    for (size_t k = 0; k < WORKLOAD_KINDS; k++) {
        memkind_t kind = workload->kinds[k];

        if (kind == NULL)
            continue;
        /* A file that could not be lengthened before the fork stays short while it is shared. */
        workload->may_fail = k == 0 && calls_failed_of(CALL_ftruncate);
        make_block(workload, k, FIRST_OF_FORK);
        make_block(workload, k, FIRST_OF_FORK + 1);
        for (size_t i = 1; i < FIRST_OF_FORK; i++) {
            const struct workload_block *block = &workload->blocks[k][i];

            if (block->address != NULL && memkind_get_snapshot(kind) != MEMKIND_SNAPSHOT_FAILED &&
                !is_marked(block, block->address, block->size))
                workload_wrong("block %zu of kind %zu has other contents in a child", i, k);
        }
        if (memkind_destroy_kind(kind) != MEMKIND_SUCCESS)
            workload_wrong("destroy_kind in a child");
    }
    _exit(0);
}

/* A child took space in the file that both read. A purge returns it, unless a call fails. */
static void thaw(struct workload *workload)
{
    workload->may_be_frozen = true;
    if (workload->kinds[0] == NULL)
        return;
    int status = WATCHED(memkind_purge(workload->kinds[0]));
    check_status(workload, "purge", status);
    if (!workload->may_fail)
        workload->may_be_frozen = false;
}

void workload_fork(struct workload *workload)
{
    int status = 0;

    for (size_t k = 0; k < WORKLOAD_KINDS; k++)
        for (size_t i = 0; i < FIRST_OF_FORK && workload->kinds[k] != NULL; i++)
            make_block(workload, k, i);
    pid_t child = WATCHED(fork());
    if (child == 0)
        live_as_child(workload);
    if (child < 0 || waitpid(child, &status, 0) != child)
        workload_wrong("no child");
    if (status != 0)
        workload_wrong("a child ended with %#x", (unsigned)status);
    check_contents(workload);
    thaw(workload);
    check_contents(workload);
    check_account(workload);
}

void workload_empty(struct workload *workload)
{
    for (size_t k = 0; k < WORKLOAD_KINDS; k++)
        for (size_t i = 0; i < WORKLOAD_BLOCKS; i++)
            if (workload->blocks[k][i].address != NULL)
                free_block(workload, k, i);
    check_account(workload);
}

void workload_close(struct workload *workload)
{
    check_contents(workload);
    for (size_t k = 0; k < WORKLOAD_KINDS; k++) {
        memkind_t kind = workload->kinds[k];

        if (kind != NULL && WATCHED(memkind_destroy_kind(kind)) != MEMKIND_SUCCESS)
            workload_wrong("destroy_kind");
        workload->kinds[k] = NULL;
    }
    memset(workload->blocks, 0, sizeof(workload->blocks));
}
