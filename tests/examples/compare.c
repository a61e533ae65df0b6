/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same job on libc's malloc and on a file, side by side: compare [OPTION]...
 *
 * The job is a cache as web servers have: an index in DRAM, which each request reads, and values of
 * 64 bytes to 8 KiB. The cache is filled, serves requests, of which one in ten replaces a value,
 * and is emptied. Each job is a process of its own. Every value that is read is compared with what
 * was stored. The jobs differ only in where values are allocated.
 */
#include <memkind.h>

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <mntent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB                ((size_t)1 << 20)
#define GIB                ((size_t)1 << 30)
#define KIB_SHIFT          10
#define SECTOR             ((size_t)512)
#define LEAST_MIB          16ul
#define SMALL_MIB          32ul   /* by default on the smallest machine */
#define LARGE_MIB          2048ul /* by default on a large one ... */
#define DISK_MIB           1024ul /* ... if the file is written to a disk */
#define MOST_MIB           (1ul << 20)
#define MEMORY_SHARE       4 /* by default a job takes a quarter of the available memory */
#define SPACE_SHARE        2 /* and of the free space in the directory */
#define SPACE_EXTRA        4 /* as blocks, values take up to a quarter more */
#define DECIMAL            10
#define REQUESTS_PER_VALUE 4
#define MOST_REQUESTS      1000000000ul
#define VALUE_LEAST        ((size_t)64)
#define VALUE_DOUBLINGS    7
#define VALUE_MEAN         ((size_t)1741)
#define WORD               sizeof(uint64_t)
#define SETS_IN            10u /* one request in so many replaces a value */
#define HOT_HALVINGS       6u
#define HASH_FACTOR        UINT64_C(0x9e3779b97f4a7c15)
#define CLOCK_MASK         UINT64_C(1023) /* the clock is read once in so many steps */
#define PROGRESS_SECONDS   0.2
#define QUARTERS           4u
#define PERCENT            100u
#define LINE_SIZE          256
#define TEXT_SIZE          32
#define TMPFS_TYPE         0x01021994 /* statfs(2) */

enum { EXIT_USAGE = 2 };

/* What a job sends to its parent. */
struct result {
    double fill_seconds;
    double serve_seconds;
    uint64_t checksum; /* of all values that were read */
    size_t wrong;      /* values that differ from what was stored */
    size_t dram;       /* private memory of the process after all requests */
    size_t file;       /* space of the file at the same time */
    size_t dram_left;  /* private memory after all values were freed */
    size_t file_left;
};

enum { LIBC, FILE_HEAP, JOBS };

struct plan {
    const char *dir;
    const char *svg; /* NULL: no drawing */
    unsigned long mib;
    unsigned long requests;
};

/* Prints a message to standard error. Returns EXIT_FAILURE. */
static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *format, ...)
{
    va_list arguments;

    fputs("compare: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return EXIT_FAILURE;
}

/* -- Progress ---------------------------------------------------------------------------------- */

/* On a terminal, one line that is rewritten; elsewhere, a line for each quarter. */
struct progress {
    const char *job;
    const char *step;
    uint64_t total;
    double shown; /* the time of the last output */
    unsigned quarter;
    bool terminal;
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void progress_begin(struct progress *progress, const char *step, uint64_t total)
{
    progress->step = step;
    progress->total = total;
    progress->quarter = 0;
    progress->shown = now();
}

static void progress_show(struct progress *progress, uint64_t done)
{
    unsigned percent = (unsigned)(done * PERCENT / progress->total);

    if (progress->terminal) {
        if (done != progress->total && now() - progress->shown < PROGRESS_SECONDS)
            return;
        fprintf(stderr, "\r\033[K%s: %s, %u %%", progress->job, progress->step, percent);
        progress->shown = now();
    } else if (percent * QUARTERS / PERCENT > progress->quarter) {
        progress->quarter = percent * QUARTERS / PERCENT;
        fprintf(stderr, "%s: %s, %u %%\n", progress->job, progress->step, percent);
    }
}

static void progress_end(const struct progress *progress)
{
    if (progress->terminal)
        fputs("\r\033[K", stderr);
}

/* -- The cache --------------------------------------------------------------------------------- */

struct slot {
    uint64_t *value; /* the first word is the seed of the others */
    size_t size;
};

/* The index is an array by key, from libc. Values are from libc if kind is NULL. */
struct cache {
    struct slot *slots;
    size_t keys;
    memkind_t kind;
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * HASH_FACTOR;
    return x ^ x >> 29;
}

/* Whole words. All powers of two are equally frequent. */
static size_t value_size(uint64_t seed)
{
    size_t least = VALUE_LEAST << seed % VALUE_DOUBLINGS;

    return (least + (seed >> 32) % least) / WORD * WORD;
}

static void value_release(const struct cache *cache, struct slot *slot)
{
    if (cache->kind != NULL)
        memkind_free(cache->kind, slot->value);
    else
        free(slot->value);
    slot->value = NULL;
}

/* Replaces the value, if there is one. False: there is no memory. */
static bool cache_set(struct cache *cache, size_t key, uint64_t seed)
{
    struct slot *slot = &cache->slots[key];

    value_release(cache, slot);
    slot->size = value_size(seed);
    slot->value =
        cache->kind != NULL ? memkind_malloc(cache->kind, slot->size) : malloc(slot->size);
    if (slot->value == NULL)
        return false;
    for (size_t i = 0; i < slot->size / WORD; i++)
        slot->value[i] = seed + i;
    return true;
}

/* Reads all of the value. False: it differs from what was stored. */
static bool cache_get(const struct cache *cache, size_t key, uint64_t *checksum)
{
    const struct slot *slot = &cache->slots[key];
    uint64_t seed = slot->value[0];
    uint64_t differing = slot->size ^ value_size(seed);

    for (size_t i = 0; i < slot->size / WORD; i++)
        differing |= slot->value[i] ^ (seed + i);
    *checksum = mix(*checksum ^ seed);
    return differing == 0;
}

static bool cache_fill(struct cache *cache, struct progress *progress)
{
    progress_begin(progress, "filling", cache->keys);
    for (size_t key = 0; key < cache->keys; key++) {
        if (!cache_set(cache, key, mix(key + 1)))
            return false;
        if ((key & CLOCK_MASK) == 0 || key + 1 == cache->keys)
            progress_show(progress, key + 1);
    }
    return true;
}

/* Half of the requests are for any key, a quarter for the first half of the keys, and so on. */
static size_t choose_key(uint64_t number, size_t keys)
{
    size_t range = keys >> (unsigned)__builtin_ctzll(number | UINT64_C(1) << HOT_HALVINGS);

    return mix(number) % (range != 0 ? range : 1);
}

static bool cache_serve(struct cache *cache, uint64_t requests, struct progress *progress,
                        struct result *result)
{
    progress_begin(progress, "serving", requests);
    for (uint64_t i = 1; i <= requests; i++) {
        uint64_t number = mix(i * HASH_FACTOR);
        size_t key = choose_key(number, cache->keys);

        if ((number >> 32) % SETS_IN != 0)
            result->wrong += !cache_get(cache, key, &result->checksum);
        else if (!cache_set(cache, key, number))
            return false;
        if ((i & CLOCK_MASK) == 0 || i == requests)
            progress_show(progress, i);
    }
    return true;
}

/* Frees everything, and returns unused memory to the file system and the kernel. */
static void cache_empty(struct cache *cache)
{
    for (size_t key = 0; key < cache->keys; key++)
        value_release(cache, &cache->slots[key]);
    free(cache->slots);
    cache->slots = NULL;
    if (cache->kind != NULL)
        memkind_purge(cache->kind);
    malloc_trim(0);
}

/* -- What the kernel counts -------------------------------------------------------------------- */

/* Returns the value of a name such as "RssAnon:" in a file of /proc, in bytes; 0: not found. */
static size_t read_kib(const char *path, const char *name)
{
    FILE *file = fopen(path, "re");
    char line[LINE_SIZE];
    size_t kib = 0;

    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtoul(line + strlen(name), NULL, DECIMAL);
    fclose(file);
    return kib << KIB_SHIFT;
}

static size_t count_dram(void)
{
    return read_kib("/proc/self/status", "RssAnon:");
}

/* Returns the space of the nameless files that this process has open: the heap's. */
static size_t count_file(void)
{
    DIR *fds = opendir("/proc/self/fd");
    const struct dirent *entry;
    struct stat status;
    size_t bytes = 0;

    if (fds == NULL)
        return 0;
    while ((entry = readdir(fds)) != NULL)
        if (fstat(atoi(entry->d_name), &status) == 0 && S_ISREG(status.st_mode) &&
            status.st_nlink == 0)
            bytes += (size_t)status.st_blocks * SECTOR;
    closedir(fds);
    return bytes;
}

/* -- A job ------------------------------------------------------------------------------------- */

static int job_serve(struct cache *cache, const struct plan *plan, struct progress *progress,
                     struct result *result)
{
    double start = now();
    bool filled = cache_fill(cache, progress);
    double full = now();

    result->fill_seconds = full - start;
    bool served = filled && cache_serve(cache, plan->requests, progress, result);
    result->serve_seconds = now() - full;
    progress_end(progress);
    if (served)
        return EXIT_SUCCESS;
    return cache->kind != NULL ? fail("no room is left in %s; a smaller --size may fit", plan->dir)
                               : fail("no memory is left; a smaller --size may fit");
}

static int job_run(int job, const struct plan *plan, struct result *result)
{
    struct cache cache = {.keys = plan->mib * MIB / VALUE_MEAN};
    struct progress progress = {.job = job == LIBC ? "libc's malloc" : "heap in the file",
                                .terminal = isatty(STDERR_FILENO) != 0};

    if (job == FILE_HEAP && memkind_create_pmem(plan->dir, 0, &cache.kind) != MEMKIND_SUCCESS)
        return fail("no heap can be made in %s: %s", plan->dir, strerror(errno));
    cache.slots = calloc(cache.keys, sizeof(*cache.slots));
    if (cache.slots == NULL)
        return fail("no memory for the index; a smaller --size may fit");
    int status = job_serve(&cache, plan, &progress, result);
    if (status != EXIT_SUCCESS)
        return status;
    result->dram = count_dram();
    result->file = count_file();
    cache_empty(&cache);
    result->dram_left = count_dram();
    result->file_left = count_file();
    return EXIT_SUCCESS;
}

static int wait_for(pid_t child, int job)
{
    int status;

    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return fail("waitpid: %s", strerror(errno));
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    return fail("the job on %s was ended by signal %d%s",
                job == LIBC ? "libc's malloc" : "the file", WTERMSIG(status),
                WTERMSIG(status) == SIGKILL ? ", for want of memory? A smaller --size may do" : "");
}

/*
 * Starts a job in a child, which ends with its parent. Its file has no name and disappears with it.
 */
static int job_start(int job, const struct plan *plan, struct result *result)
{
    pid_t parent = getpid();
    int ends[2];

    if (pipe(ends) != 0)
        return fail("pipe: %s", strerror(errno));
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        return fail("fork: %s", strerror(errno));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int status = getppid() == parent ? job_run(job, plan, result) : EXIT_FAILURE;
        if (status == EXIT_SUCCESS &&
            write(ends[1], result, sizeof(*result)) != (ssize_t)sizeof(*result))
            status = fail("no result: %s", strerror(errno));
        _exit(status);
    }
    close(ends[1]);
    int status = wait_for(child, job);
    if (status == EXIT_SUCCESS &&
        read(ends[0], result, sizeof(*result)) != (ssize_t)sizeof(*result))
        status = fail("the job ended without a result");
    close(ends[0]);
    return status;
}

/* -- Where, and how much ----------------------------------------------------------------------- */

static size_t free_space(const char *dir)
{
    struct statvfs space;

    return statvfs(dir, &space) == 0 ? (size_t)space.f_bavail * space.f_frsize : 0;
}

/* Finds a writable mounted file system with DAX and writes its path. False: there is none. */
static bool find_dax(char path[LINE_SIZE])
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    const struct mntent *mount;
    bool found = false;

    while (!found && mounts != NULL && (mount = getmntent(mounts)) != NULL)
        if (hasmntopt(mount, "dax") != NULL && access(mount->mnt_dir, W_OK | X_OK) == 0 &&
            memkind_check_dax_path(mount->mnt_dir) == MEMKIND_SUCCESS)
            found = snprintf(path, LINE_SIZE, "%s", mount->mnt_dir) < LINE_SIZE;
    if (mounts != NULL)
        endmntent(mounts);
    return found;
}

/* Returns a DAX file system, or /dev/shm, or /tmp if /dev/shm is small, as in containers. */
static const char *choose_dir(void)
{
    static char path[LINE_SIZE];
    size_t shm = access("/dev/shm", W_OK | X_OK) == 0 ? free_space("/dev/shm") : 0;

    if (find_dax(path))
        return path;
    return shm >= GIB || shm >= free_space("/tmp") ? "/dev/shm" : "/tmp";
}

static size_t read_bytes(const char *path)
{
    FILE *file = fopen(path, "re");
    unsigned long long bytes = 0;
    bool found = file != NULL && fscanf(file, "%llu", &bytes) == 1;

    if (file != NULL)
        fclose(file);
    return found ? (size_t)bytes : SIZE_MAX;
}

/* Returns the memory that the machine, or this program's container, has available. */
static size_t available_memory(void)
{
    static const char *const limits[][2] = {
        {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes",
         "/sys/fs/cgroup/memory/memory.usage_in_bytes"}};
    size_t memory = read_kib("/proc/meminfo", "MemAvailable:");

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        size_t limit = read_bytes(limits[i][0]);
        size_t used = read_bytes(limits[i][1]);

        size_t left = used < limit ? limit - used : 0;

        if (limit != SIZE_MAX && used != SIZE_MAX && left < memory)
            memory = left;
    }
    return memory;
}

static bool is_tmpfs(const char *dir)
{
    struct statfs status;

    return statfs(dir, &status) == 0 && status.f_type == TMPFS_TYPE;
}

static bool is_dax(const char *dir)
{
    return memkind_check_dax_path(dir) == MEMKIND_SUCCESS;
}

static unsigned long choose_mib(const char *dir)
{
    size_t memory = available_memory() / MEMORY_SHARE / MIB;
    size_t space = free_space(dir) / SPACE_SHARE / MIB;
    size_t most = is_tmpfs(dir) || is_dax(dir) ? LARGE_MIB : DISK_MIB;
    size_t mib = memory < space ? memory : space;

    if (mib > most)
        mib = most;
    return mib > SMALL_MIB ? mib : SMALL_MIB;
}

/* Checks that the directory and the memory suffice, or prints why not. */
static int check_room(const struct plan *plan)
{
    struct stat status;
    size_t needed = plan->mib + plan->mib / SPACE_EXTRA;

    if (stat(plan->dir, &status) != 0)
        return fail("%s: %s", plan->dir, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return fail("%s is not a directory", plan->dir);
    if (access(plan->dir, W_OK | X_OK) != 0)
        return fail("no file can be made in %s: %s", plan->dir, strerror(errno));
    if (free_space(plan->dir) / MIB < needed)
        return fail("%s has %zu MiB free, and --size %lu needs %zu MiB; name another directory or "
                    "a smaller size",
                    plan->dir, free_space(plan->dir) / MIB, plan->mib, needed);
    if (available_memory() / MIB < needed)
        return fail(
            "%zu MiB of memory are available, and --size %lu needs %zu MiB; name a smaller size",
            available_memory() / MIB, plan->mib, needed);
    return EXIT_SUCCESS;
}

static int check_svg(const char *path)
{
    struct stat status;
    char *dir = strdup(path);
    char *slash = dir != NULL ? strrchr(dir, '/') : NULL;
    int error = 0;

    if (stat(path, &status) == 0) {
        error = access(path, W_OK) == 0 ? 0 : errno;
        error = S_ISDIR(status.st_mode) ? EISDIR : error;
    } else if (slash == NULL) {
        error = access(".", W_OK) == 0 ? 0 : errno;
    } else {
        slash[slash == dir] = '\0';
        error = access(dir, W_OK) == 0 ? 0 : errno;
    }
    free(dir);
    return error == 0 ? EXIT_SUCCESS : fail("%s cannot be written: %s", path, strerror(error));
}

/* -- The table --------------------------------------------------------------------------------- */

struct row {
    const char *title;
    const char *unit;
    double values[JOBS];
};

enum { ROWS = 7 };

static void make_rows(const struct plan *plan, const struct result results[JOBS],
                      struct row rows[ROWS])
{
    static const char *const titles[ROWS][2] = {
        {"time to fill", "s"},        {"time to serve", "s"},
        {"requests a second", ""},    {"DRAM", "MiB"},
        {"space in the file", "MiB"}, {"DRAM when emptied", "MiB"},
        {"file when emptied", "MiB"}};

    for (int i = 0; i < ROWS; i++)
        rows[i] = (struct row){.title = titles[i][0], .unit = titles[i][1]};
    for (int job = 0; job < JOBS; job++) {
        const struct result *result = &results[job];
        const double values[ROWS] = {result->fill_seconds,
                                     result->serve_seconds,
                                     (double)plan->requests / result->serve_seconds,
                                     (double)result->dram / (double)MIB,
                                     (double)result->file / (double)MIB,
                                     (double)result->dram_left / (double)MIB,
                                     (double)result->file_left / (double)MIB};

        for (int i = 0; i < ROWS; i++)
            rows[i].values[job] = values[i];
    }
}

static const char *print_value(char text[TEXT_SIZE], const struct row *row, int job)
{
    bool seconds = strcmp(row->unit, "s") == 0;

    snprintf(text, TEXT_SIZE, "%.*f%s%s", seconds ? 2 : 0, row->values[job],
             row->unit[0] != '\0' ? " " : "", row->unit);
    return text;
}

static void print_table(const struct plan *plan, const struct row rows[ROWS])
{
    char libc[TEXT_SIZE];
    char file[TEXT_SIZE];

    printf("\n%-20s %16s %20s\n", "", "libc's malloc", "heap in the file");
    for (int i = 0; i < ROWS; i++)
        printf("%-20s %16s %20s\n", rows[i].title, print_value(libc, &rows[i], LIBC),
               print_value(file, &rows[i], FILE_HEAP));
    printf("\nBoth jobs read the same values, and none was wrong. The file in %s is gone.\n",
           plan->dir);
    if (is_dax(plan->dir))
        puts("The directory has DAX: the file's memory is the device's, and no DRAM.");
    else if (is_tmpfs(plan->dir))
        puts("The directory is a tmpfs, so the file is in DRAM, too; on a DAX file system it is on "
             "the device.");
    else
        puts("The directory has no DAX, so the kernel keeps the file in its page cache and writes "
             "it to the disk.");
    puts("Another directory: --dir DIR.");
}

/* -- The drawing ------------------------------------------------------------------------------- */

#define SVG_WIDTH   760
#define SVG_HEAD    92
#define SVG_GROUP   54
#define SVG_BAR     18
#define SVG_LEFT    170
#define SVG_LONGEST 440.0

static void draw_bar(FILE *file, const struct row *row, int job, int y)
{
    static const char *const colours[JOBS] = {"#9aa5b1", "#2f7ebc"};
    double most =
        row->values[LIBC] > row->values[FILE_HEAP] ? row->values[LIBC] : row->values[FILE_HEAP];
    double length = most > 0 ? row->values[job] / most * SVG_LONGEST : 0;
    char text[TEXT_SIZE];

    fprintf(file,
            "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n"
            "<text x=\"%.1f\" y=\"%d\">%s</text>\n",
            SVG_LEFT, y, length, SVG_BAR, colours[job], SVG_LEFT + length + 6, y + SVG_BAR - 4,
            print_value(text, row, job));
}

static void draw(FILE *file, const struct plan *plan, const struct row rows[ROWS])
{
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "font-family=\"sans-serif\" font-size=\"13\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<text x=\"16\" y=\"28\" font-size=\"17\">A cache of %lu MiB, %lu requests</text>\n"
            "<rect x=\"16\" y=\"46\" width=\"12\" height=\"12\" fill=\"#9aa5b1\"/>\n"
            "<text x=\"34\" y=\"57\">on libc's malloc</text>\n"
            "<rect x=\"160\" y=\"46\" width=\"12\" height=\"12\" fill=\"#2f7ebc\"/>\n"
            "<text x=\"178\" y=\"57\">values on a heap in a file (%s)</text>\n",
            SVG_WIDTH, SVG_HEAD + ROWS * SVG_GROUP, plan->mib, plan->requests,
            is_dax(plan->dir)     ? "DAX"
            : is_tmpfs(plan->dir) ? "tmpfs"
                                  : "page cache");
    for (int i = 0; i < ROWS; i++) {
        int y = SVG_HEAD + i * SVG_GROUP;

        fprintf(file, "<text x=\"16\" y=\"%d\">%s</text>\n", y + SVG_BAR, rows[i].title);
        draw_bar(file, &rows[i], LIBC, y);
        draw_bar(file, &rows[i], FILE_HEAP, y + SVG_BAR + 2);
    }
    fputs("</svg>\n", file);
}

/* Removes a file that could not be written completely, unless it is a device. */
static int write_svg(const struct plan *plan, const struct row rows[ROWS])
{
    FILE *file = fopen(plan->svg, "we");
    struct stat status;

    if (file == NULL)
        return fail("%s cannot be written: %s", plan->svg, strerror(errno));
    bool regular = fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode);
    draw(file, plan, rows);
    bool written = ferror(file) == 0;
    if (fclose(file) != 0 || !written) {
        int error = errno;

        if (regular)
            unlink(plan->svg);
        return fail("%s cannot be written: %s", plan->svg, strerror(error));
    }
    printf("The drawing is in %s.\n", plan->svg);
    return EXIT_SUCCESS;
}

/* -- The comparison ---------------------------------------------------------------------------- */

static int report(const struct plan *plan, const struct result results[JOBS])
{
    struct row rows[ROWS];

    if (results[LIBC].wrong != 0 || results[FILE_HEAP].wrong != 0)
        return fail("wrong values: %zu on libc's malloc, %zu in the file", results[LIBC].wrong,
                    results[FILE_HEAP].wrong);
    if (results[LIBC].checksum != results[FILE_HEAP].checksum)
        return fail("the two jobs read different values");
    make_rows(plan, results, rows);
    print_table(plan, rows);
    int status = plan->svg != NULL ? write_svg(plan, rows) : EXIT_SUCCESS;
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        return fail("the result cannot be written: %s", strerror(errno));
    return status;
}

static int compare(struct plan *plan)
{
    struct result results[JOBS] = {0};

    if (plan->dir == NULL)
        plan->dir = choose_dir();
    if (plan->mib == 0)
        plan->mib = choose_mib(plan->dir);
    if (plan->requests == 0)
        plan->requests = plan->mib * MIB / VALUE_MEAN * REQUESTS_PER_VALUE;
    if (check_room(plan) != EXIT_SUCCESS ||
        (plan->svg != NULL && check_svg(plan->svg) != EXIT_SUCCESS))
        return EXIT_FAILURE;
    printf("A cache of %lu MiB, %zu values, %lu requests; the file is in %s.\n", plan->mib,
           plan->mib * MIB / VALUE_MEAN, plan->requests, plan->dir);
    for (int job = 0; job < JOBS; job++)
        if (job_start(job, plan, &results[job]) != EXIT_SUCCESS)
            return EXIT_FAILURE;
    return report(plan, results);
}

/* -- Command line ------------------------------------------------------------------------------ */

static const char help[] =
    "usage: compare [--dir DIR] [--size MIB] [--requests N] [--svg FILE]\n"
    "\n"
    "Runs the same job twice, and shows both side by side: a cache whose values are allocated by\n"
    "libc's malloc, and one whose values are on a heap in a file, which this library makes. The\n"
    "index is in DRAM in both.\n"
    "\n"
    "  --dir DIR      where the file lies; by default a DAX file system, /dev/shm or /tmp\n"
    "  --size MIB     bytes of values; by default a quarter of the memory that is available, half\n"
    "                 of what is free in DIR, at most 2048, and 1024 where DIR is on a disk\n"
    "  --requests N   how many are served; by default four for each value\n"
    "  --svg FILE     draws the result as well\n"
    "  --help         this text\n"
    "\n"
    "Nothing is left in DIR, also if the program is interrupted.\n"
    "Exit status: 0; 1 where something failed; 2 for a wrong command line.\n";

static bool parse(const char *text, unsigned long least, unsigned long most, unsigned long *number)
{
    char *end;

    errno = 0;
    *number = strtoul(text, &end, DECIMAL);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && *number >= least &&
           *number <= most;
}

static int wrong_use(const char *message, const char *argument)
{
    fprintf(stderr, "compare: %s%s\nTry \"compare --help\".\n", message, argument);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"dir", required_argument, NULL, 'd'},      {"size", required_argument, NULL, 'm'},
        {"requests", required_argument, NULL, 'r'}, {"svg", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    struct plan plan = {0};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h')
            return fputs(help, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (option == '?') {
            fputs("Try \"compare --help\".\n", stderr); /* after getopt's own message */
            return EXIT_USAGE;
        }
        if (option == 'm' && !parse(optarg, LEAST_MIB, MOST_MIB, &plan.mib))
            return wrong_use("--size takes a number of MiB from 16 to 1048576, not ", optarg);
        if (option == 'r' && !parse(optarg, 1, MOST_REQUESTS, &plan.requests))
            return wrong_use("--requests takes a number from 1 to 1000000000, not ", optarg);
        if (option == 'd')
            plan.dir = optarg;
        if (option == 's')
            plan.svg = optarg;
    }
    if (optind < argc)
        return wrong_use("too many arguments: ", argv[optind]);
    return compare(&plan);
}
