/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Measures which share of a heap is mapped by PMD entries: prints a line of a table, and fails
 * below a limit.
 *
 * Usage: pmd_share DIR small|large TITLE [LEAST-PERCENT]
 *
 * For DAX neither smaps nor Rss shows the size of entries, but page faults do: each maps 512 pages
 * or one. If first touches of N pages take F faults, (N - F) / 511 of the faults mapped PMD
 * entries. The program alternates between allocating and touching, and counts faults only while
 * touching, so that metadata does not count.
 */
#include <memkind.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MIB           ((size_t)1 << 20)
#define PAGE          ((size_t)4096)
#define PAGES_OF_PMD  512
#define HEAP_SIZE     (256 * MIB)
#define BATCH_SIZE    (2 * MIB)
#define SMALLEST      64
#define MOST_OF_BATCH (BATCH_SIZE / SMALLEST)
#define PERCENT       100.0

struct block {
    char *address;
    size_t size;
};

static long count_faults(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

/* Returns sizes of 64 to 4,096 bytes, or of 1 to 16 MiB. */
static size_t next_size(uint64_t *random, int large)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    size_t draw = (size_t)(*random >> 33);

    return large ? MIB << draw % 5 : SMALLEST + draw % (PAGE - SMALLEST + 1);
}

/* The pages of the heap, estimated by the sum of the blocks' sizes: the heap is dense. */
struct census {
    size_t bytes;
    long faults;
};

static int run_batch(memkind_t kind, uint64_t *random, int large, struct census *census)
{
    static struct block blocks[MOST_OF_BATCH];
    size_t count = 0;

    for (size_t bytes = 0; bytes < BATCH_SIZE; count++) {
        struct block *block = &blocks[count];

        block->size = next_size(random, large);
        block->address = memkind_malloc(kind, block->size);
        if (block->address == NULL)
            return -1;
        block->size = memkind_malloc_usable_size(kind, block->address);
        bytes += block->size;
    }
    long before = count_faults();
    for (size_t i = 0; i < count; i++) {
        memset(blocks[i].address, 1, blocks[i].size);
        census->bytes += blocks[i].size;
    }
    census->faults += count_faults() - before;
    return 0;
}

static int measure(const char *dir, int large, struct census *census)
{
    uint64_t random = 1;
    memkind_t kind;

    if (memkind_create_pmem(dir, 0, &kind) != MEMKIND_SUCCESS)
        return -1;
    while (census->bytes < HEAP_SIZE) {
        if (run_batch(kind, &random, large, census) != 0)
            return -1;
    }
    return memkind_destroy_kind(kind);
}

int main(int argc, char **argv)
{
    struct census census = {0};

    if (argc < 4) {
        fprintf(stderr, "usage: %s DIR small|large TITLE [LEAST-PERCENT]\n", argv[0]);
        return EXIT_FAILURE;
    }
    /* The first faults of counting and of the table itself. */
    count_faults();
    if (measure(argv[1], strcmp(argv[2], "large") == 0, &census) != 0) {
        perror(argv[1]);
        return EXIT_FAILURE;
    }
    double pages = (double)census.bytes / (double)PAGE;
    double by_pmd = (pages - (double)census.faults) / (PAGES_OF_PMD - 1) * PAGES_OF_PMD;
    double share = by_pmd < 0 ? 0 : by_pmd / pages * PERCENT;
    printf("%-40s %-5s %4zu MiB %6ld faults %6.1f %% by PMD\n", argv[3], argv[2],
           census.bytes / MIB, census.faults, share);
    if (argc > 4 && share < strtod(argv[4], NULL)) {
        printf("that is less than %s %%\n", argv[4]);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
