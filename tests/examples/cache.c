/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cache of values by key, like those in front of a database: cache [OPTION]... [DIR]
 *
 * The index is in DRAM, because each look-up reads it. Of the values, one byte is in DRAM for every
 * RATIO bytes in a PMEM kind in DIR. When the kind is full, the least recently used values are
 * dropped until the new value fits. The program runs a load of gets and puts. It compares every
 * value that it finds with what was stored, and at the end accounts for every byte.
 */
#include <memkind.h>

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_DIR        "/dev/shm"
#define DEFAULT_KEYS       100000ul
#define DEFAULT_OPERATIONS 2000000ul
#define DEFAULT_MIB        64ul
#define DEFAULT_RATIO      8ul
#define DECIMAL            10
#define MIB                ((size_t)1 << 20)
#define VALUE_LEAST        ((size_t)16)
#define VALUE_MOST         ((size_t)8192)
#define PUTS_IN_EIGHT      3 /* of eight operations, so many are puts */
#define HASH_FACTOR        UINT64_C(0x9e3779b97f4a7c15)

enum { EXIT_USAGE = 2 };

struct entry {
    struct entry *chain; /* next of the bucket */
    struct entry *newer; /* in the order of use */
    struct entry *older;
    uint64_t key;
    uint64_t version; /* the value is computed from key and version, for the check */
    memkind_t kind;   /* of the value */
    unsigned char *value;
    size_t size;
};

struct cache {
    struct entry **buckets; /* the table has a power of two of them */
    size_t mask;
    struct entry *newest;
    struct entry *oldest;
    size_t entries;
    size_t dram_bytes; /* of values, by usable size */
    size_t pmem_bytes;
    size_t ratio;
    memkind_t pmem;
};

/* -- Values ------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * HASH_FACTOR;
    return x ^ x >> 29;
}

static size_t value_size(uint64_t key, uint64_t version)
{
    /* Mostly small values. */
    size_t most = VALUE_LEAST << mix(key ^ version << 1) % 10;

    return most < VALUE_MOST ? most + version % most : VALUE_MOST;
}

static unsigned char value_byte(uint64_t key, uint64_t version, size_t at)
{
    return (unsigned char)(mix(key + version * HASH_FACTOR) + at);
}

static void value_write(struct entry *entry)
{
    for (size_t i = 0; i < entry->size; i++)
        entry->value[i] = value_byte(entry->key, entry->version, i);
}

static bool value_is_right(const struct entry *entry)
{
    for (size_t i = 0; i < entry->size; i++)
        if (entry->value[i] != value_byte(entry->key, entry->version, i))
            return false;
    return memkind_detect_kind(entry->value) == entry->kind;
}

/* -- Index ------------------------------------------------------------------------------------- */

static struct entry **bucket_of(const struct cache *cache, uint64_t key)
{
    return &cache->buckets[mix(key) & cache->mask];
}

static struct entry *find(const struct cache *cache, uint64_t key)
{
    struct entry *entry = *bucket_of(cache, key);

    while (entry != NULL && entry->key != key)
        entry = entry->chain;
    return entry;
}

static void take_from_order(struct cache *cache, struct entry *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void put_newest(struct cache *cache, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static size_t *bytes_of(struct cache *cache, memkind_t kind)
{
    return kind == cache->pmem ? &cache->pmem_bytes : &cache->dram_bytes;
}

static void drop(struct cache *cache, struct entry *entry)
{
    struct entry **link = bucket_of(cache, entry->key);

    while (*link != entry)
        link = &(*link)->chain;
    *link = entry->chain;
    take_from_order(cache, entry);
    *bytes_of(cache, entry->kind) -= memkind_malloc_usable_size(entry->kind, entry->value);
    memkind_free(entry->kind, entry->value);
    free(entry);
    cache->entries--;
}

/* -- Cache ------------------------------------------------------------------------------------- */

static bool cache_open(struct cache *cache, size_t keys, size_t bytes, size_t ratio,
                       const char *dir)
{
    size_t buckets = 1;

    while (buckets < keys)
        buckets *= 2;
    *cache = (struct cache){.mask = buckets - 1, .ratio = ratio};
    cache->buckets = calloc(buckets, sizeof(*cache->buckets));
    if (cache->buckets == NULL) {
        fprintf(stderr, "cache: no memory for the index\n");
        return false;
    }
    int err = memkind_create_pmem(dir, bytes, &cache->pmem);
    if (err != MEMKIND_SUCCESS) {
        fprintf(stderr, "cache: no kind of %zu bytes in %s: %s\n", bytes, dir, strerror(errno));
        free(cache->buckets);
        return false;
    }
    return true;
}

/* Returns where the next value goes to keep the ratio. */
static memkind_t kind_for(const struct cache *cache, size_t size)
{
    return (cache->dram_bytes + size) * cache->ratio <= cache->pmem_bytes ? MEMKIND_DEFAULT
                                                                          : cache->pmem;
}

/*
 * Allocates memory for the value, and drops the least recently used values for it. False: it does
 * not fit.
 */
static bool find_room(struct cache *cache, struct entry *entry)
{
    for (;;) {
        entry->kind = kind_for(cache, entry->size);
        entry->value = memkind_malloc(entry->kind, entry->size);
        if (entry->value != NULL)
            break;
        if (cache->oldest == NULL)
            return false;
        drop(cache, cache->oldest);
    }
    *bytes_of(cache, entry->kind) += memkind_malloc_usable_size(entry->kind, entry->value);
    return true;
}

static bool cache_put(struct cache *cache, uint64_t key, uint64_t version)
{
    struct entry *entry = find(cache, key);

    if (entry != NULL)
        drop(cache, entry);
    entry = malloc(sizeof(*entry));
    if (entry == NULL)
        return false;
    *entry = (struct entry){.key = key, .version = version, .size = value_size(key, version)};
    if (!find_room(cache, entry)) {
        free(entry);
        return false;
    }
    value_write(entry);
    struct entry **bucket = bucket_of(cache, key);
    entry->chain = *bucket;
    *bucket = entry;
    put_newest(cache, entry);
    cache->entries++;
    return true;
}

static const struct entry *cache_get(struct cache *cache, uint64_t key)
{
    struct entry *entry = find(cache, key);

    if (entry != NULL) {
        take_from_order(cache, entry);
        put_newest(cache, entry);
    }
    return entry;
}

/* Returns whether both sums equal the entries', and every value is there. */
static bool cache_is_consistent(const struct cache *cache)
{
    size_t dram = 0;
    size_t pmem = 0;
    size_t entries = 0;

    for (struct entry *entry = cache->newest; entry != NULL; entry = entry->older) {
        size_t bytes = memkind_malloc_usable_size(entry->kind, entry->value);

        if (find(cache, entry->key) != entry || !value_is_right(entry))
            return false;
        *(entry->kind == cache->pmem ? &pmem : &dram) += bytes;
        entries++;
    }
    return dram == cache->dram_bytes && pmem == cache->pmem_bytes && entries == cache->entries;
}

/* Drops everything. Returns whether nothing is left in the kind. */
static bool cache_close(struct cache *cache)
{
    size_t allocated = 1;

    while (cache->oldest != NULL)
        drop(cache, cache->oldest);
    bool empty =
        memkind_update_cached_stats() == MEMKIND_SUCCESS &&
        memkind_get_stat(cache->pmem, MEMKIND_STAT_TYPE_ALLOCATED, &allocated) == MEMKIND_SUCCESS &&
        allocated == 0 && cache->pmem_bytes == 0 && cache->dram_bytes == 0;
    free(cache->buckets);
    return memkind_destroy_kind(cache->pmem) == MEMKIND_SUCCESS && empty;
}

/* -- Load -------------------------------------------------------------------------------------- */

struct load {
    unsigned long keys;
    unsigned long operations;
    unsigned long mib;
    unsigned long ratio;
};

/* Half of the operations use any key, a quarter the first half of the keys, and so on. */
static uint64_t choose_key(uint64_t number, unsigned long keys)
{
    uint64_t halvings = (uint64_t)__builtin_ctzll(number | UINT64_C(1) << 10);
    uint64_t range = keys >> halvings;

    return mix(number) % (range != 0 ? range : 1);
}

/* Returns how many values were wrong or did not fit. */
static unsigned long run(struct cache *cache, const struct load *load)
{
    unsigned long hits = 0;
    unsigned long gets = 0;
    unsigned long wrong = 0;

    for (uint64_t i = 1; i <= load->operations; i++) {
        uint64_t number = mix(i * HASH_FACTOR);
        uint64_t key = choose_key(number, load->keys);
        bool puts = number >> 32 & 1 ? (number >> 33 & 3) < PUTS_IN_EIGHT : false;

        if (puts) {
            wrong += !cache_put(cache, key, i);
            continue;
        }
        const struct entry *entry = cache_get(cache, key);
        gets++;
        hits += entry != NULL;
        wrong += entry != NULL && !value_is_right(entry);
        /* A missing value is fetched from the database. */
        if (entry == NULL)
            wrong += !cache_put(cache, key, i);
    }
    printf("%lu gets, %.1f %% of them found; %zu values: %zu bytes in DRAM, %zu in PMEM\n", gets,
           gets != 0 ? 100.0 * (double)hits / (double)gets : 0.0, cache->entries, cache->dram_bytes,
           cache->pmem_bytes);
    return wrong;
}

/* Dropped values reduce the PMEM bytes, so DRAM may exceed the ratio for a while. */
static bool ratio_is_kept(const struct cache *cache)
{
    return cache->dram_bytes <= 2 * (cache->pmem_bytes / cache->ratio + VALUE_MOST);
}

static int run_and_check(const struct load *load, const char *dir)
{
    struct cache cache;

    if (!cache_open(&cache, load->keys, load->mib * MIB, load->ratio, dir))
        return EXIT_FAILURE;
    unsigned long wrong = run(&cache, load);
    bool consistent = cache_is_consistent(&cache) && ratio_is_kept(&cache);
    bool empty = cache_close(&cache);
    if (wrong != 0 || !consistent || !empty) {
        fprintf(stderr, "cache: %lu wrong values%s%s\n", wrong, consistent ? "" : ", wrong account",
                empty ? "" : ", not empty at the end");
        return EXIT_FAILURE;
    }
    puts("all values were right");
    return EXIT_SUCCESS;
}

/* -- Command line ------------------------------------------------------------------------------ */

static void print_usage(FILE *stream)
{
    fprintf(stream,
            "usage: cache [OPTION]... [DIR]\n"
            "Runs gets and puts on a cache whose index is in DRAM, and whose values are in a PMEM\n"
            "kind in DIR (%s), but for some in DRAM.\n"
            "  --keys N        different keys (%lu)\n"
            "  --operations N  gets and puts (%lu)\n"
            "  --mib N         largest size of the kind, 16 or more (%lu)\n"
            "  --ratio N       bytes of values in PMEM for each in DRAM (%lu)\n",
            DEFAULT_DIR, DEFAULT_KEYS, DEFAULT_OPERATIONS, DEFAULT_MIB, DEFAULT_RATIO);
}

static bool parse(const char *text, unsigned long *number)
{
    char *end;

    errno = 0;
    *number = strtoul(text, &end, DECIMAL);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-' && *number != 0 &&
           *number <= UINT32_MAX;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"keys", required_argument, NULL, 'k'}, {"operations", required_argument, NULL, 'o'},
        {"mib", required_argument, NULL, 'm'},  {"ratio", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0},
    };
    struct load load = {DEFAULT_KEYS, DEFAULT_OPERATIONS, DEFAULT_MIB, DEFAULT_RATIO};
    bool valid = true;
    int option;

    while (valid && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            print_usage(stdout);
            return EXIT_SUCCESS;
        }
        valid = (option == 'k' && parse(optarg, &load.keys)) ||
                (option == 'o' && parse(optarg, &load.operations)) ||
                (option == 'm' && parse(optarg, &load.mib)) ||
                (option == 'r' && parse(optarg, &load.ratio));
    }
    if (!valid || argc - optind > 1) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    return run_and_check(&load, optind < argc ? argv[optind] : DEFAULT_DIR);
}
