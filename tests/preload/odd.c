/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that uses malloc in odd ways, for tests of the preload library: odd CASE. It uses
 * libmemkind only to find a block's heap.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#include "check.h"
#include "interrupting_forks.h"

#define KIB         ((size_t)1 << 10)
#define MIB         ((size_t)1 << 20)
#define EARLY_SIZE  ((size_t)1000)
#define EARLY_KEYS  40 /* more than fit into libc's descriptor of a thread */
#define THREADS     8
#define ROUNDS      20000
#define FULL_BLOCKS 64

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Hides from the compiler where a block comes from. */
static void *opaque(void *ptr)
{
    __asm__ volatile("" : "+r"(ptr)::"memory");
    return ptr;
}

/* Returns whether the block is in a kind; false without the library. */
static bool in_kind(void *ptr)
{
    void *(*detect)(void *);

    *(void **)&detect = dlsym(RTLD_DEFAULT, "memkind_detect_kind");
    return detect != NULL && detect(ptr) != NULL;
}

static void fill(void *ptr, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)ptr)[i] = (unsigned char)(i * 7 + 3);
}

static bool is_filled(const void *ptr, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)ptr)[i] != (unsigned char)(i * 7 + 3))
            return false;
    return true;
}

/* -- Before main() ----------------------------------------------------------------------------- */

static void *early[3];    /* allocated before the constructor of any library */
static void *constructed; /* allocated in a constructor of the program */

/* Also creates keys, so that pthread_setspecific() must allocate for the libraries' keys. */
static void begin_early(void)
{
    pthread_key_t key;

    for (int i = 0; i < EARLY_KEYS; i++)
        (void)pthread_key_create(&key, NULL);
    for (size_t i = 0; i < COUNT_OF(early); i++) {
        early[i] = malloc(EARLY_SIZE);
        fill(early[i], EARLY_SIZE);
    }
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit)(void) = begin_early;

__attribute__((constructor)) static void construct(void)
{
    constructed = malloc(EARLY_SIZE);
    fill(constructed, EARLY_SIZE);
}

static void case_before(void)
{
    CHECK(!in_kind(early[0]) && in_kind(constructed));
    CHECK(malloc_usable_size(early[0]) >= EARLY_SIZE);
    free(early[0]);
    early[1] = realloc(early[1], 2 * EARLY_SIZE);
    CHECK(in_kind(early[1]) && is_filled(early[1], EARLY_SIZE));
    free(early[1]);
    early[2] = realloc(early[2], EARLY_SIZE / 2);
    CHECK(is_filled(early[2], EARLY_SIZE / 2));
    free(early[2]);
    CHECK(is_filled(constructed, EARLY_SIZE));
    free(constructed);
}

/* -- At exit ----------------------------------------------------------------------------------- */

static void *last;

static void at_exit(void)
{
    last = realloc(last, 3 * KIB);
    CHECK(is_filled(last, KIB));
}

__attribute__((destructor)) static void destruct(void)
{
    if (last == NULL)
        return;
    void *block = malloc(KIB);
    CHECK(block != NULL && in_kind(block));
    free(block);
    free(last);
    printf("destroyed\n");
}

static void case_exit(void)
{
    last = malloc(KIB);
    fill(last, KIB);
    CHECK(atexit(at_exit) == 0);
}

/* -- The functions ----------------------------------------------------------------------------- */

/* From C23. Where libc lacks them, the preload library defines them. */
extern void free_sized(void *ptr, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *ptr, size_t alignment, size_t size) __attribute__((weak));

static void case_family(void)
{
    char *text = NULL;
    void *zero = opaque(malloc(0));
    void *another = opaque(malloc(0));

    CHECK(zero != NULL && another != NULL && zero != another);
    free(zero);
    free(another);
    free(NULL);
    CHECK(malloc_usable_size(NULL) == 0);
    text = strdup("a text");
    CHECK(in_kind(text) && strcmp(text, "a text") == 0);
    CHECK(free_sized != NULL && free_aligned_sized != NULL);
    free_sized(text, 7);
    text = strndup("a text", 3);
    CHECK(in_kind(text) && strcmp(text, "a t") == 0);
    free(text);
    wchar_t *wide = wcsdup(L"a text");
    CHECK(in_kind(wide) && wcscmp(wide, L"a text") == 0);
    free(wide);
    /* A block that libc returns stays in libc's heap, until the program resizes it. */
    CHECK(asprintf(&text, "%0200d", 5) == 200 && !in_kind(text));
    CHECK(malloc_usable_size(text) >= 201);
    text = realloc(text, 1000);
    CHECK(in_kind(text) && text[198] == '0' && text[199] == '5' && text[200] == '\0');
    errno = 42;
    free(text);
    CHECK(errno == 42);

    void *dirty = malloc(5000);
    fill(dirty, 5000);
    free(opaque(dirty));
    unsigned char *clean = calloc(50, 100);
    CHECK(in_kind(clean));
    for (size_t i = 0; i < 5000; i++)
        CHECK(clean[i] == 0);
    free(clean);

    volatile size_t huge = SIZE_MAX;
    errno = 0;
    CHECK(calloc(huge / 2, 4) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(reallocarray(NULL, huge / 2, 4) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(malloc(huge) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(pvalloc(huge) == NULL && errno == ENOMEM);

    void *block = reallocarray(NULL, 10, 100);
    fill(block, 1000);
    CHECK(realloc(block, huge / 2) == NULL && is_filled(block, 1000));
    CHECK(realloc(opaque(block), 0) == NULL);
}

static void case_aligned(void)
{
    for (size_t alignment = sizeof(void *); alignment <= 4 * MIB; alignment *= 2)
        for (size_t size = 1; size <= 100 * KIB; size = size * 3 + 1) {
            void *blocks[3] = {memalign(alignment, size), aligned_alloc(alignment, size), NULL};

            errno = 42;
            CHECK(posix_memalign(&blocks[2], alignment, size) == 0 && errno == 42);
            for (size_t i = 0; i < COUNT_OF(blocks); i++) {
                CHECK(blocks[i] != NULL && (uintptr_t)blocks[i] % alignment == 0);
                CHECK(in_kind(blocks[i]) && malloc_usable_size(blocks[i]) >= size);
                memset(blocks[i], 1, size);
            }
            free_aligned_sized(blocks[0], alignment, size);
            free(blocks[1]);
            free(blocks[2]);
        }

    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *paged = valloc(100);
    CHECK(in_kind(paged) && (uintptr_t)paged % page == 0);
    free(paged);
    paged = pvalloc(page + 1);
    CHECK((uintptr_t)paged % page == 0 && malloc_usable_size(paged) >= 2 * page);
    free(paged);

    void *untouched = &page;
    volatile size_t odd = 24;
    CHECK(posix_memalign(&untouched, odd, 8) == EINVAL && untouched == &page);
    odd = 2;
    CHECK(posix_memalign(&untouched, odd, 8) == EINVAL && untouched == &page);
    odd = 1;
    void *small = memalign(odd, 100);
    CHECK(small != NULL);
    free(small);
}

/* With MIN=1000 and MAX=100000. */
static void case_sides(void)
{
    static const struct {
        size_t size;
        bool in_kind;
    } steps[] = {{10, false},   {1000, true},   {999, false},    {5000, true},
                 {60000, true}, {100000, true}, {100001, false}, {MIB, false},
                 {2000, true},  {1500, true},   {50, false}};
    size_t kept = 10;
    void *block = malloc(10);

    fill(block, 10);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        block = realloc(block, steps[i].size);
        CHECK(in_kind(block) == steps[i].in_kind);
        kept = kept < steps[i].size ? kept : steps[i].size;
        CHECK(is_filled(block, kept));
        kept = steps[i].size;
        fill(block, kept);
        void *zeroed = calloc(1, steps[i].size);
        CHECK(in_kind(zeroed) == steps[i].in_kind);
        free(zeroed);
        void *aligned = memalign(64, steps[i].size);
        CHECK(in_kind(aligned) == steps[i].in_kind);
        free(aligned);
    }
    free(block);
}

/* -- Full -------------------------------------------------------------------------------------- */

/* With SIZE=16M: requests four times as much, and counts the blocks in the kind and the NULLs. */
static void take_all(void **blocks, size_t *ours, size_t *none)
{
    *ours = *none = 0;
    for (size_t i = 0; i < FULL_BLOCKS; i++) {
        errno = 0;
        blocks[i] = malloc(MIB);
        CHECK(blocks[i] != NULL || errno == ENOMEM);
        *none += blocks[i] == NULL;
        *ours += in_kind(blocks[i]);
        if (blocks[i] != NULL)
            fill(blocks[i], MIB);
    }
}

static void free_all(void **blocks)
{
    for (size_t i = 0; i < FULL_BLOCKS; i++) {
        CHECK(blocks[i] == NULL || is_filled(blocks[i], MIB));
        free(blocks[i]);
    }
}

static void *first_in_thread(void *size)
{
    return opaque(malloc(*(size_t *)size));
}

static void *of_new_thread(size_t size)
{
    pthread_t thread;
    void *block;

    CHECK(pthread_create(&thread, NULL, first_in_thread, &size) == 0);
    CHECK(pthread_join(thread, &block) == 0);
    return block;
}

static void full(bool falls_back)
{
    void *blocks[FULL_BLOCKS];
    size_t ours, none;

    take_all(blocks, &ours, &none);
    CHECK(ours > 8 && ours <= 16 && none == (falls_back ? 0 : FULL_BLOCKS - ours));
    void *block = of_new_thread(MIB);
    CHECK(falls_back ? block != NULL && !in_kind(block) : block == NULL);
    free(block);
    /* A block that cannot grow in place. */
    block = realloc(blocks[0], 8 * MIB);
    CHECK(falls_back ? block != NULL && !in_kind(block) : block == NULL);
    CHECK(is_filled(block != NULL ? block : blocks[0], MIB));
    blocks[0] = block != NULL ? block : blocks[0];
    free_all(blocks);
    take_all(blocks, &ours, &none);
    CHECK(ours > 8);
    free_all(blocks);
}

/* Blocks of libc's heap that belong into the kind once they shrink, while the kind is full. */
static void case_shrink(void)
{
    void *blocks[FULL_BLOCKS];
    size_t ours, none;
    void *large = malloc(8 * MIB);

    CHECK(large != NULL && !in_kind(large));
    fill(large, MIB);
    take_all(blocks, &ours, &none);
    CHECK(none > 0);
    large = realloc(large, MIB);
    CHECK(large != NULL && !in_kind(large) && is_filled(large, MIB));
    free_all(blocks);
    large = realloc(large, MIB + 1);
    CHECK(in_kind(large) && is_filled(large, MIB));
    free(large);
}

static void case_full_dram(void)
{
    full(true);
}

static void case_full_fail(void)
{
    full(false);
}

/* -- Threads ----------------------------------------------------------------------------------- */

static void *_Atomic mailbox[1024];

static void *work(void *seed)
{
    unsigned random = (unsigned)(uintptr_t)seed;

    for (int i = 0; i < ROUNDS; i++) {
        random = random * 1103515245 + 12345;
        size_t size = 16 + (random >> 8) % 3000;
        void *block = (random >> 4) % 2 == 0 ? malloc(size) : calloc(1, size);
        CHECK(block != NULL);
        memcpy(block, &size, sizeof(size));
        size_t *other = __atomic_exchange_n((void **)&mailbox[(random >> 16) % COUNT_OF(mailbox)],
                                            block, __ATOMIC_ACQ_REL);
        if (other == NULL)
            continue;
        CHECK(malloc_usable_size(other) >= *other);
        size = *other;
        other = realloc(other, size + 100);
        CHECK(other != NULL && *other == size);
        free(other);
    }
    return NULL;
}

static void *first_free(void *block)
{
    free(block);
    return NULL;
}

static void *first_realloc(void *block)
{
    return opaque(realloc(block, 9000));
}

static void *first_calloc(void *block)
{
    free(block);
    return opaque(calloc(3, 3000));
}

static void *first_memalign(void *block)
{
    free(block);
    return opaque(memalign(64, 3000));
}

/* The first call of a thread may be any function. */
static void first_calls(void)
{
    static void *(*const calls[])(void *) = {first_free, first_realloc, first_calloc,
                                             first_memalign};

    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        pthread_t thread;
        void *block = malloc(100);

        CHECK(pthread_create(&thread, NULL, calls[i], block) == 0);
        CHECK(pthread_join(thread, &block) == 0);
        if (i == 0)
            CHECK(block == NULL);
        else if (calls[i] == first_realloc && getenv("MEMKIND_PRELOAD_RATIO") != NULL)
            CHECK(block != NULL); /* in the same heap as before, whichever that is */
        else
            CHECK(in_kind(block));
        free(block);
    }
}

static void case_threads(void)
{
    pthread_t threads[THREADS];

    first_calls();
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(mailbox); i++)
        free(mailbox[i]);
}

/* With RATIO=1:4: blocks of one size, and of many, keep to the ratio. */
static void keep_ratio(size_t smallest, size_t largest, size_t total)
{
    enum { MOST = 1 << 17 };
    static void *blocks[MOST];
    size_t bytes[2] = {0, 0};
    size_t count = 0;
    unsigned random = 1;

    for (; bytes[0] + bytes[1] < total && count < MOST; count++) {
        random = random * 1103515245 + 12345;
        blocks[count] = malloc(smallest + (random >> 8) % (largest - smallest + 1));
        CHECK(blocks[count] != NULL);
        bytes[in_kind(blocks[count])] += malloc_usable_size(blocks[count]);
    }
    size_t percent = 100 * bytes[1] / (bytes[0] + bytes[1]);
    printf("%zu to %zu bytes: %zu %% in the kind\n", smallest, largest, percent);
    CHECK(percent >= 75 && percent <= 85);
    while (count > 0)
        free(blocks[--count]);
}

static void case_ratio(void)
{
    keep_ratio(64, 64, 4 * MIB);
    keep_ratio(10, 5000, 32 * MIB);
    keep_ratio(100 * KIB, 100 * KIB, 64 * MIB);
    keep_ratio(MIB, MIB, 256 * MIB);
}

/* -- Plugins ----------------------------------------------------------------------------------- */

static void case_dlopen(void)
{
    for (int i = 0; i < 10; i++) {
        void *plugin = dlopen(getenv("ODD_PLUGIN"), RTLD_NOW | RTLD_LOCAL);
        CHECK(plugin != NULL);
        char *(*greet)(const char *);
        *(void **)&greet = dlsym(plugin, "plugin_greet");
        char *text = greet("you");
        CHECK(in_kind(text) && strcmp(text, "hello you") == 0);
        CHECK(dlclose(plugin) == 0);
        free(text);
    }
    CHECK(dlopen("/nonexistent.so", RTLD_NOW) == NULL && dlerror() != NULL);
}

/* -- Descriptors ------------------------------------------------------------------------------- */

/* Opens a file for every free descriptor, and writes to all. */
static size_t open_all(int *files, size_t most)
{
    size_t count = 0;

    for (; count < most && (files[count] = dup(fileno(tmpfile()))) >= 0; count++)
        CHECK(write(files[count], "a text", 6) == 6);
    return count;
}

static void use_much(void)
{
    void *blocks[8];

    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = malloc((2 + i) * MIB);
        CHECK(in_kind(blocks[i]));
        fill(blocks[i], (2 + i) * MIB);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        CHECK(is_filled(blocks[i], (2 + i) * MIB));
        free(blocks[i]);
    }
}

/*
 * A program that closes all descriptors, and opens files of its own, keeps its heap and its files.
 */
static void case_descriptors(void)
{
    enum { MOST = 64 };
    int files[MOST];
    char text[16];

    for (int fd = 3; fd < MOST; fd++)
        close(fd);
    closefrom(3);
    CHECK(close_range(3, ~0U, 0) == 0);
    for (int fd = 3; fd < MOST; fd++)
        CHECK((fd % 2 == 0 ? dup2(2, fd) : dup3(2, fd, 0)) == fd);
    closefrom(3);
    size_t count = open_all(files, COUNT_OF(files));
    use_much();
    for (size_t i = 0; i < count; i++) {
        CHECK(lseek(files[i], 0, SEEK_END) == 6);
        CHECK(pread(files[i], text, sizeof(text), 0) == 6 && memcmp(text, "a text", 6) == 0);
        CHECK(close(files[i]) == 0 && close(files[i]) == -1 && errno == EBADF);
    }
}

/* -- Processes --------------------------------------------------------------------------------- */

static int status_of(pid_t child)
{
    int status = -1;

    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return status;
}

static void case_fork(void)
{
    void *block = malloc(KIB);

    fill(block, KIB);
    pid_t child = fork();
    if (child == 0) {
        void *own = malloc(KIB);
        CHECK(own != NULL && in_kind(own) && is_filled(block, KIB));
        fill(own, KIB);
        block = realloc(block, 5 * KIB);
        CHECK(in_kind(block) && is_filled(block, KIB));
        free(block);
        free(own);
        CHECK(pthread_atfork(NULL, NULL, NULL) == 0);
        case_threads();
        _exit(0);
    }
    CHECK(status_of(child) == 0 && is_filled(block, KIB));
    free(block);
}

static void case_fork_in_handler(void)
{
    const struct interrupted_heap heap = {
        .alloc = malloc, .release = free, .forks = 60, .largest_log2 = 18};

    CHECK(in_kind(opaque(malloc(1))));
    CHECK(interrupt_by_forks(&heap));
}

/* A library's fork handlers, registered before there was a kind. */
static void case_fork_handlers(void)
{
    pid_t *(*plugin_mark)(void);

    *(void **)&plugin_mark = dlsym(RTLD_DEFAULT, "plugin_mark");
    CHECK(plugin_mark != NULL);
    pid_t *mark = plugin_mark();
    CHECK(in_kind(mark));
    pid_t child = fork();
    if (child == 0) {
        CHECK(*mark == getpid());
        _exit(0);
    }
    CHECK(status_of(child) == 0 && *mark == 0);
}

/* A program that has a kind of its own: libmemkind allocates while it holds its locks. */
static void case_fork_api(void)
{
    int (*create)(const char *, size_t, void **);
    void *(*kind_malloc)(void *, size_t);
    void *kind;

    *(void **)&create = dlsym(RTLD_DEFAULT, "memkind_create_pmem");
    *(void **)&kind_malloc = dlsym(RTLD_DEFAULT, "memkind_malloc");
    CHECK(create != NULL && kind_malloc != NULL);
    CHECK(create(getenv("MEMKIND_PRELOAD_DIR"), 0, &kind) == 0 && kind_malloc(kind, KIB) != NULL);
    free(opaque(malloc(1)));
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        CHECK(kind_malloc(kind, KIB) != NULL);
        CHECK(in_kind(opaque(malloc(1))));
        _exit(0);
    }
    CHECK(status_of(child) == 0);
}

/*
 * Memory that libc has allocated for a thread, and changes in the child before fork handlers run.
 */
static struct {
    pthread_barrier_t barrier;
    pthread_key_t keys[40]; /* libc's descriptor of a thread has room for 32 */
    FILE *stream;
} held;

static void *hold(void *value)
{
    CHECK(pthread_setspecific(held.keys[COUNT_OF(held.keys) - 1], value) == 0);
    flockfile(held.stream);
    pthread_barrier_wait(&held.barrier);
    pthread_barrier_wait(&held.barrier);
    CHECK(pthread_getspecific(held.keys[COUNT_OF(held.keys) - 1]) == value);
    funlockfile(held.stream);
    return NULL;
}

static void case_fork_libc(void)
{
    pthread_t thread;

    free(opaque(malloc(1)));
    held.stream = fopen("/dev/null", "we");
    CHECK(held.stream != NULL && pthread_barrier_init(&held.barrier, NULL, 2) == 0);
    for (size_t i = 0; i < COUNT_OF(held.keys); i++)
        CHECK(pthread_key_create(&held.keys[i], NULL) == 0);
    CHECK(pthread_create(&thread, NULL, hold, &held) == 0);
    pthread_barrier_wait(&held.barrier);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    CHECK(status_of(child) == 0 && ftrylockfile(held.stream) != 0);
    pthread_barrier_wait(&held.barrier);
    CHECK(pthread_join(thread, NULL) == 0);
    fclose(held.stream);
}

/* What libc allocates for itself, in a thread that has blocks of the kind. */
static void *use_libc(void *round)
{
    size_t size = 8;
    char *line = malloc(size);
    char *text;

    fill(line, size);
    CHECK(in_kind(line));
    FILE *stream = fopen("/dev/zero", "re");
    CHECK(stream != NULL && !in_kind(stream));
    /* The stream resizes the program's block. */
    errno = 0;
    FILE *letters = fmemopen((char[]){"a line of some length\n"}, 22, "r");
    CHECK(letters != NULL && !in_kind(letters));
    CHECK(getline(&line, &size, letters) == 22 && size >= 23 && !in_kind(line));
    CHECK(strcmp(line, "a line of some length\n") == 0);
    free(line);
    fclose(letters);
    CHECK(asprintf(&text, "%d", 5) == 1 && !in_kind(text));
    text = realloc(text, 1);
    CHECK(strcmp(text, "5") == 0 || text[0] == '5');
    free(text);
    CHECK(setvbuf(stream, NULL, _IOFBF, 0) == 0 && fgetc(stream) == 0);
    fclose(stream);
    return round;
}

/* The kernel does not write for a process to a page that the process may not write to. */
static bool is_writable(char *page)
{
    const struct iovec it = {.iov_base = page, .iov_len = 1};

    return process_vm_writev(getpid(), &it, 1, &it, 1, 0) == 1;
}

/* Of a library, what the loader protects after the relocation. */
static int check_protection(struct dl_phdr_info *object, size_t size, void *name)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size;
    for (int i = 0; i < object->dlpi_phnum && strstr(object->dlpi_name, name) != NULL; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t first = object->dlpi_addr + segment->p_vaddr;
        uintptr_t end = (first + segment->p_memsz) & ~(page - 1);

        if (segment->p_type != PT_GNU_RELRO)
            continue;
        for (uintptr_t at = first & ~(page - 1); at < end; at += page)
            CHECK(!is_writable((char *)at));
        return end > first ? 1 : 0;
    }
    return 0;
}

static void case_libc_calls(void)
{
    char written = 1;
    pthread_t thread;

    for (intptr_t round = 0; round < 3; round++) {
        CHECK(use_libc((void *)round) == (void *)round);
        CHECK(pthread_create(&thread, NULL, use_libc, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    if (is_writable(&written))
        CHECK(dl_iterate_phdr(check_protection, "/libc.so") == 1);
}

static void *fork_and_wait(void *unused)
{
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();

        if (child == 0) {
            /* The child's first call takes the slow path, which creates a file. */
            free(malloc(100));
            _exit(0);
        }
        CHECK(status_of(child) == 0);
    }
    return unused;
}

/* Forks while other threads allocate. */
static void case_fork_threads(void)
{
    pthread_t threads[3];

    CHECK(pthread_create(&threads[0], NULL, work, (void *)1) == 0);
    CHECK(pthread_create(&threads[1], NULL, work, (void *)2) == 0);
    CHECK(pthread_create(&threads[2], NULL, fork_and_wait, NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

/* Prints the process id of a child, which lives until the end of its input. */
static void case_child(void)
{
    char byte;
    pid_t child = fork();

    if (child == 0) {
        pause();
        _exit(1);
    }
    printf("%d\n", (int)child);
    fclose(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(WIFSIGNALED(status_of(child)));
}

static void case_exec(void)
{
    pid_t child = vfork();

    if (child == 0) {
        execl("/proc/self/exe", "odd", "before", NULL);
        _exit(1);
    }
    CHECK(status_of(child) == 0);
    fflush(stdout);
    CHECK(execl("/proc/self/exe", "odd", "family", NULL) == 0);
}

/* -- Choice of the heap ------------------------------------------------------------------------ */

/* Checks that no block is in a kind. */
/* Blocks that grow and shrink by all steps between some sizes keep their contents. */
static void case_resize(void)
{
    static const size_t sizes[] = {1,    16,       17,    100,      112,   113,   1000,   4 * KIB,
                                   5000, 16 * KIB, 30000, 32 * KIB, 32769, 40000, 100000, 3 * MIB};

    for (size_t i = 0; i < COUNT_OF(sizes) * COUNT_OF(sizes); i++) {
        size_t from = sizes[i / COUNT_OF(sizes)];
        size_t to = sizes[i % COUNT_OF(sizes)];
        size_t least = from < to ? from : to;
        unsigned char *block = malloc(from);

        fill(block, from);
        block = realloc(block, to);
        CHECK(in_kind(block) && is_filled(block, least) && malloc_usable_size(block) >= to);
        fill(block, to);
        void *other = malloc(to);
        CHECK(other != block);
        memset(other, 0, to);
        CHECK(is_filled(block, to));
        free(other);
        CHECK(realloc(block, to) == block);
        free(block);
    }
}

static void case_libc(void)
{
    void *block = malloc(100);

    CHECK(!in_kind(block));
    free(block);
}

/* Checks that a block is in a kind, and that memory was used. */
static void case_kind(void)
{
    void *block = malloc(3 * MIB);

    CHECK(in_kind(block));
    memset(block, 1, 3 * MIB);
    free(opaque(block));
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"before", case_before},
    {"exit", case_exit},
    {"family", case_family},
    {"aligned", case_aligned},
    {"sides", case_sides},
    {"full-dram", case_full_dram},
    {"full-fail", case_full_fail},
    {"shrink", case_shrink},
    {"threads", case_threads},
    {"ratio", case_ratio},
    {"dlopen", case_dlopen},
    {"descriptors", case_descriptors},
    {"fork", case_fork},
    {"fork-in-handler", case_fork_in_handler},
    {"fork-api", case_fork_api},
    {"fork-handlers", case_fork_handlers},
    {"fork-libc", case_fork_libc},
    {"fork-threads", case_fork_threads},
    {"exec", case_exec},
    {"child", case_child},
    {"libc", case_libc},
    {"kind", case_kind},
    {"libc-calls", case_libc_calls},
    {"resize", case_resize},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < COUNT_OF(cases); i++)
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
    fprintf(stderr, "usage: odd CASE\n");
    return 2;
}
