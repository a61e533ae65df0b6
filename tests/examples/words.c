/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts the words of a text: words [--libc] [--top N] FILE [DIR]
 *
 * All memory that grows with the text (hash table, entries, words) lies in a PMEM kind in DIR, or
 * with --libc in libc's heap: the two differ only in struct heap. The text is read in pieces, so it
 * may be larger than the memory, or a pipe.
 */
#include <memkind.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_DIR   "/dev/shm"
#define DEFAULT_TOP   10
#define DECIMAL       10
#define PIECE_SIZE    ((size_t)1 << 20)
#define FIRST_BUCKETS ((size_t)1024)
#define FIRST_LETTERS ((size_t)64)
#define HASH_START    UINT64_C(0xcbf29ce484222325) /* FNV-1a */
#define HASH_FACTOR   UINT64_C(0x100000001b3)
#define TO_LOWER_CASE ('a' - 'A')

enum { EXIT_USAGE = 2 };

/* -- Heaps ------------------------------------------------------------------------------------- */

/* Where memory comes from. alloc returns zeroed bytes, or NULL with errno. */
struct heap {
    void *(*alloc)(struct heap *heap, size_t size);
    void (*release)(struct heap *heap, void *ptr);
    bool (*owns)(struct heap *heap, void *ptr);
    memkind_t kind; /* NULL: libc's heap */
};

static void *libc_alloc(struct heap *heap, size_t size)
{
    (void)heap;
    return calloc(1, size);
}

static void libc_release(struct heap *heap, void *ptr)
{
    (void)heap;
    free(ptr);
}

static bool libc_owns(struct heap *heap, void *ptr)
{
    (void)heap;
    return memkind_detect_kind(ptr) == NULL;
}

static void *pmem_alloc(struct heap *heap, size_t size)
{
    return memkind_calloc(heap->kind, 1, size);
}

static void pmem_release(struct heap *heap, void *ptr)
{
    memkind_free(heap->kind, ptr);
}

static bool pmem_owns(struct heap *heap, void *ptr)
{
    return memkind_detect_kind(ptr) == heap->kind;
}

static int heap_open(struct heap *heap, const char *dir)
{
    *heap = (struct heap){libc_alloc, libc_release, libc_owns, NULL};
    if (dir == NULL)
        return 0;
    *heap = (struct heap){pmem_alloc, pmem_release, pmem_owns, NULL};
    int err = memkind_create_pmem(dir, 0, &heap->kind);
    if (err != MEMKIND_SUCCESS) {
        char message[MEMKIND_ERROR_MESSAGE_SIZE];
        int reason = errno;

        memkind_error_message(err, message, sizeof(message));
        fprintf(stderr, "words: no kind in %s: %s (%s)\n", dir, message, strerror(reason));
        return -1;
    }
    return 0;
}

static void heap_close(struct heap *heap)
{
    if (heap->kind != NULL)
        memkind_destroy_kind(heap->kind);
}

static void heap_report(const struct heap *heap)
{
    size_t allocated;
    size_t active;
    size_t resident;

    if (heap->kind == NULL)
        return;
    if (memkind_update_cached_stats() != MEMKIND_SUCCESS ||
        memkind_get_stat(heap->kind, MEMKIND_STAT_TYPE_ALLOCATED, &allocated) != MEMKIND_SUCCESS ||
        memkind_get_stat(heap->kind, MEMKIND_STAT_TYPE_ACTIVE, &active) != MEMKIND_SUCCESS ||
        memkind_get_stat(heap->kind, MEMKIND_STAT_TYPE_RESIDENT, &resident) != MEMKIND_SUCCESS) {
        fprintf(stderr, "words: no statistics of the kind\n");
        return;
    }
    fprintf(stderr, "words: kind: allocated %zu, active %zu, resident %zu, capacity %zd bytes\n",
            allocated, active, resident, memkind_get_capacity(heap->kind));
}

/* -- Table ------------------------------------------------------------------------------------- */

struct entry {
    struct entry *next; /* in the same bucket */
    uint64_t hash;
    uint64_t count;
    size_t length;
    char *text; /* terminated */
};

struct table {
    struct heap *heap;
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t entry_count;
    uint64_t total;
};

static int table_grow(struct table *table)
{
    size_t count = table->bucket_count == 0 ? FIRST_BUCKETS : 2 * table->bucket_count;
    struct entry **buckets = table->heap->alloc(table->heap, count * sizeof(struct entry *));

    if (buckets == NULL)
        return -1;
    for (size_t i = 0; i < table->bucket_count; i++) {
        while (table->buckets[i] != NULL) {
            struct entry *entry = table->buckets[i];

            table->buckets[i] = entry->next;
            entry->next = buckets[entry->hash & (count - 1)];
            buckets[entry->hash & (count - 1)] = entry;
        }
    }
    table->heap->release(table->heap, table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
    return 0;
}

static struct entry *table_insert(struct table *table, const char *text, size_t length,
                                  uint64_t hash)
{
    struct heap *heap = table->heap;

    if (table->entry_count >= table->bucket_count && table_grow(table) != 0)
        return NULL;
    struct entry *entry = heap->alloc(heap, sizeof(*entry));
    if (entry == NULL)
        return NULL;
    entry->text = heap->alloc(heap, length + 1);
    if (entry->text == NULL) {
        heap->release(heap, entry);
        return NULL;
    }
    memcpy(entry->text, text, length);
    entry->length = length;
    entry->hash = hash;
    entry->next = table->buckets[hash & (table->bucket_count - 1)];
    table->buckets[hash & (table->bucket_count - 1)] = entry;
    table->entry_count++;
    return entry;
}

static int table_count(struct table *table, const char *text, size_t length, uint64_t hash)
{
    struct entry *entry =
        table->bucket_count == 0 ? NULL : table->buckets[hash & (table->bucket_count - 1)];

    while (entry != NULL && (entry->hash != hash || entry->length != length ||
                             memcmp(entry->text, text, length) != 0))
        entry = entry->next;
    if (entry == NULL)
        entry = table_insert(table, text, length, hash);
    if (entry == NULL)
        return -1;
    entry->count++;
    table->total++;
    return 0;
}

/* Returns whether every piece of the table lies in the heap. */
static bool table_is_in_heap(const struct table *table)
{
    struct heap *heap = table->heap;

    if (table->buckets != NULL && !heap->owns(heap, table->buckets))
        return false;
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct entry *entry = table->buckets[i]; entry != NULL; entry = entry->next)
            if (!heap->owns(heap, entry) || !heap->owns(heap, entry->text))
                return false;
    return true;
}

static void table_free(struct table *table)
{
    for (size_t i = 0; i < table->bucket_count; i++) {
        while (table->buckets[i] != NULL) {
            struct entry *entry = table->buckets[i];

            table->buckets[i] = entry->next;
            table->heap->release(table->heap, entry->text);
            table->heap->release(table->heap, entry);
        }
    }
    table->heap->release(table->heap, table->buckets);
}

/* -- Text -------------------------------------------------------------------------------------- */

/* The word being read. */
struct word {
    struct heap *heap;
    char *letters;
    size_t length;
    size_t capacity;
    uint64_t hash;
};

static int word_grow(struct word *word)
{
    size_t capacity = word->capacity == 0 ? FIRST_LETTERS : 2 * word->capacity;
    char *letters = word->heap->alloc(word->heap, capacity);

    if (letters == NULL)
        return -1;
    if (word->length != 0)
        memcpy(letters, word->letters, word->length);
    word->heap->release(word->heap, word->letters);
    word->letters = letters;
    word->capacity = capacity;
    return 0;
}

static int word_add(struct word *word, char letter)
{
    if (word->length == word->capacity && word_grow(word) != 0)
        return -1;
    word->letters[word->length++] = letter;
    word->hash = (word->hash ^ (unsigned char)letter) * HASH_FACTOR;
    return 0;
}

static int word_end(struct word *word, struct table *table)
{
    int err = 0;

    if (word->length != 0)
        err = table_count(table, word->letters, word->length, word->hash);
    word->length = 0;
    word->hash = HASH_START;
    return err;
}

/* Returns the letter in lower case; 0: not a letter. Independent of the locale. */
static char lower_letter(char character)
{
    if (character >= 'a' && character <= 'z')
        return character;
    if (character >= 'A' && character <= 'Z')
        return (char)(character + TO_LOWER_CASE);
    return 0;
}

static int count_piece(struct table *table, struct word *word, const char *piece, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char letter = lower_letter(piece[i]);

        if ((letter != 0 ? word_add(word, letter) : word_end(word, table)) != 0)
            return -1;
    }
    return 0;
}

static int count_text(struct table *table, int fd)
{
    static char piece[PIECE_SIZE];
    struct word word = {.heap = table->heap, .hash = HASH_START};
    int err = 0;
    ssize_t size;

    do {
        size = read(fd, piece, sizeof(piece));
        if (size > 0)
            err = count_piece(table, &word, piece, (size_t)size);
    } while (err == 0 && (size > 0 || (size < 0 && errno == EINTR)));
    if (err == 0)
        err = size < 0 ? -1 : word_end(&word, table);
    int reason = errno;
    table->heap->release(table->heap, word.letters);
    errno = reason;
    return err;
}

/* -- Result ------------------------------------------------------------------------------------ */

/* Orders by frequency, then alphabetically. */
static int compare_entries(const void *left_side, const void *right_side)
{
    const struct entry *left = *(struct entry *const *)left_side;
    const struct entry *right = *(struct entry *const *)right_side;

    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return strcmp(left->text, right->text);
}

static struct entry **sorted_entries(const struct table *table)
{
    struct entry **sorted =
        table->heap->alloc(table->heap, (table->entry_count + 1) * sizeof(struct entry *));
    size_t used = 0;

    if (sorted == NULL)
        return NULL;
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct entry *entry = table->buckets[i]; entry != NULL; entry = entry->next)
            sorted[used++] = entry;
    qsort(sorted, used, sizeof(struct entry *), compare_entries);
    return sorted;
}

static int print_result(const struct table *table, size_t top)
{
    struct entry **sorted = sorted_entries(table);

    if (sorted == NULL)
        return -1;
    for (size_t i = 0; i < top && i < table->entry_count; i++)
        printf("%" PRIu64 " %s\n", sorted[i]->count, sorted[i]->text);
    printf("%zu distinct words\n%" PRIu64 " words\n", table->entry_count, table->total);
    table->heap->release(table->heap, sorted);
    return fflush(stdout) == 0 && ferror(stdout) == 0 ? 0 : -1;
}

static int count_and_print(struct heap *heap, int fd, const char *file, size_t top)
{
    struct table table = {.heap = heap};
    int status = EXIT_FAILURE;

    if (count_text(&table, fd) != 0)
        fprintf(stderr, "words: %s: %s\n", file, strerror(errno));
    else if (!table_is_in_heap(&table))
        fprintf(stderr, "words: a part of the table is not in the kind\n");
    else if (print_result(&table, top) != 0)
        fprintf(stderr, "words: no result: %s\n", strerror(errno));
    else
        status = EXIT_SUCCESS;
    heap_report(heap);
    table_free(&table);
    return status;
}

/* -- Command line ------------------------------------------------------------------------------ */

static const char help[] =
    "usage: words [--libc] [--top N] FILE [DIR]\n"
    "\n"
    "Counts the words of FILE. A word is a run of the letters A to Z; capital letters count as "
    "small ones.\n"
    "Prints the most frequent words, the number of distinct words and the number of words. "
    "Everything that\n"
    "grows with the text is kept in a PMEM kind in DIR (default " DEFAULT_DIR
    "), whose statistics go to\n"
    "standard error.\n"
    "\n"
    "  --libc    keep it on the C library's heap instead\n"
    "  --top N   print the N most frequent words (default 10)\n"
    "  --help    print this\n"
    "\n"
    "Exit status: 0; 1 where something failed; 2 for a wrong command line.\n";

struct arguments {
    const char *file;
    const char *dir; /* NULL: libc's heap */
    size_t top;
};

static int usage_error(const char *message, const char *argument)
{
    fprintf(stderr, "words: %s%s\nTry \"words --help\".\n", message, argument);
    return EXIT_USAGE;
}

static bool parse_count(const char *text, size_t *count)
{
    char *end;

    errno = 0;
    *count = strtoul(text, &end, DECIMAL);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

/* Returns -1 to continue, otherwise the exit status. */
static int parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"libc", no_argument, NULL, 'l'},
        {"top", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool libc = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h')
            return fputs(help, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (option == 't' && !parse_count(optarg, &arguments->top))
            return usage_error("not a number of words: ", optarg);
        if (option == '?')
            return usage_error("wrong option", "");
        libc |= option == 'l';
    }
    if (optind == argc)
        return usage_error("no file", "");
    if (argc - optind > 2)
        return usage_error("too many arguments: ", argv[optind + 2]);
    arguments->file = argv[optind];
    arguments->dir = argc - optind > 1 ? argv[optind + 1] : DEFAULT_DIR;
    if (libc)
        arguments->dir = NULL;
    return -1;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.top = DEFAULT_TOP};
    struct heap heap;
    int status = parse(argc, argv, &arguments);

    if (status != -1)
        return status;
    int fd = open(arguments.file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "words: %s: %s\n", arguments.file, strerror(errno));
        return EXIT_FAILURE;
    }
    status = EXIT_FAILURE;
    if (heap_open(&heap, arguments.dir) == 0) {
        status = count_and_print(&heap, fd, arguments.file, arguments.top);
        heap_close(&heap);
    }
    close(fd);
    return status;
}
