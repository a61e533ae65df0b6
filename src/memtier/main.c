/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memtier(1): runs a program on libmemtier.so.0, in DRAM and in the memory of DAX devices in
 * system-ram mode. Options, texts and exit statuses are memkind 1.14's.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "memkind.h"
#include "tool/preloading.h"

#define LIBRARY       "libmemtier.so.0"
#define LARGEST_SHARE 16u /* of the default ratio */

static const char help[] =
    "memtier runs an unmodified program with its malloc on tiers of memory. Use it as a prefix:\n"
    "    memtier [options] program [args]\n"
    "Options:\n"
    "    -r/--ratio      bytes in DRAM and in the memory of DAX devices, with a colon between\n"
    "                    them: 1:3 is three there for each in DRAM. By default as much of each\n"
    "                    as this system has.\n"
    "    -t/--threshold  sizes from which on blocks go there, see libmemtier(7)\n"
    "    -v/--verbose    says what libmemtier is told\n"
    "    -h/--help       this text\n"
    "The exit status is the program's, or 1 where memtier fails.\n";

struct ratio {
    unsigned long dram, far;
};

static bool verbose;

static bool fail(const char *text)
{
    fprintf(stderr, "memtier: %s\n", text);
    return false;
}

/* -- The ratio --------------------------------------------------------------------------------- */

static bool read_share(const char *text, char **end, unsigned long *share)
{
    errno = 0;
    *share = strtoul(text, end, 0);
    return (errno == 0 && *share <= LONG_MAX) ||
           fail("the number to --ratio doesn't seem to be plausible.");
}

static bool read_ratio(const char *text, struct ratio *ratio)
{
    char *end;

    if (!read_share(text, &end, &ratio->dram))
        return false;
    if (*end != ':')
        return fail("--ratio must have a colon between values.");
    if (!read_share(end + 1, &end, &ratio->far))
        return false;
    return *end == '\0' || fail("--ratio must have exactly two values in this version of memtier.");
}

/* Approximates the ratio of two sizes by small numbers. */
static struct ratio ratio_of(double dram, double far)
{
    double larger = dram > far ? dram : far;
    double smaller = dram > far ? far : dram;
    unsigned long best[2] = {1, 1};
    double least = larger;

    for (unsigned share = 1; share <= LARGEST_SHARE; share++) {
        unsigned long other = (unsigned long)(larger / smaller * share + 0.5);
        double error = larger / smaller - (double)other / share;

        error = error < 0 ? -error : error;
        if (error < least) {
            least = error;
            best[0] = other;
            best[1] = share;
        }
    }
    return dram > far ? (struct ratio){best[0], best[1]} : (struct ratio){best[1], best[0]};
}

static bool installed_ratio(struct ratio *ratio)
{
    ssize_t dram = memkind_get_capacity(MEMKIND_REGULAR);
    ssize_t far = memkind_get_capacity(MEMKIND_DAX_KMEM);

    if (verbose)
        fprintf(stderr, "Installed capacities: %zd:%zd\n", dram, far);
    if (dram <= 0 || far <= 0)
        return fail("there appears to be no KMEM_DAX devices installed in this system.");
    *ratio = ratio_of((double)dram, (double)far);
    if (verbose)
        fprintf(stderr, "Using ratio of DRAM:KMEM_DAX %lu:%lu\n", ratio->dram, ratio->far);
    return true;
}

/* -- What libmemtier is told ------------------------------------------------------------------- */

static bool set(const char *name, const char *value)
{
    if (verbose)
        fprintf(stderr, "setting %s=%s\n", name, value);
    return setenv(name, value, 1) == 0 || fail("out of memory");
}

/* Sets libmemtier's environment. False: an error was printed. */
static bool set_tiers(const struct ratio *ratio, const char *thresholds)
{
    const char *policy = thresholds != NULL ? "DYNAMIC_THRESHOLD" : "STATIC_RATIO";
    char *tiers;
    int length;

    if (ratio->far == 0)
        length = asprintf(&tiers, "KIND:DRAM,RATIO:1;POLICY:%s", policy);
    else if (ratio->dram == 0)
        length = asprintf(&tiers, "KIND:KMEM_DAX,RATIO:1;POLICY:%s", policy);
    else
        length = asprintf(&tiers, "KIND:DRAM,RATIO:%lu;KIND:KMEM_DAX,RATIO:%lu;POLICY:%s",
                          ratio->dram, ratio->far, policy);
    if (length < 0)
        return fail("out of memory");
    bool done = set("MEMKIND_MEM_TIERS", tiers);
    free(tiers);
    return done && (thresholds == NULL || set("MEMKIND_MEM_THRESHOLDS", thresholds));
}

static bool set_preload(void)
{
    char path[PATH_MAX];

    if (preloading_find(LIBRARY, path) != 0)
        return fail(LIBRARY " is neither beside this program nor in " TOOL_LIBRARY_DIR ".");
    switch (preloading_add(path)) {
    case 0:
        break;
    case -EINVAL:
        return fail("there is a space or a colon in the path of " LIBRARY ".");
    default:
        return fail("out of memory");
    }
    if (verbose)
        fprintf(stderr, "setting LD_PRELOAD=%s\n", getenv("LD_PRELOAD"));
    return true;
}

/* ---------------------------------------------------------------------------------------------- */

struct wishes {
    struct ratio ratio;
    bool has_ratio;
    const char *thresholds; /* NULL: none */
};

/* False: the exit status is *status. */
static bool read_options(int argc, char **argv, struct wishes *wishes, int *status)
{
    static const struct option options[] = {{"ratio", required_argument, NULL, 'r'},
                                            {"threshold", required_argument, NULL, 't'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;

    *status = EXIT_FAILURE;
    while ((option = getopt_long(argc, argv, "+r:t:vh", options, NULL)) != -1)
        switch (option) {
        case 'r':
            wishes->has_ratio = true;
            if (!read_ratio(optarg, &wishes->ratio))
                return false;
            break;
        case 't':
            wishes->thresholds = optarg;
            break;
        case 'v':
            verbose = true;
            break;
        case 'h':
            *status = EXIT_SUCCESS;
            __attribute__((fallthrough));
        default:
            fputs(help, stdout);
            return false;
        }
    return true;
}

static bool check(const struct wishes *wishes)
{
    if (wishes->ratio.dram == 0 && wishes->ratio.far == 0)
        return fail("empty ratio would disallow using any memory.");
    if (wishes->thresholds != NULL && (wishes->ratio.dram == 0 || wishes->ratio.far == 0))
        return fail("--threshold requires multiple tiers with non-zero ratios.");
    return true;
}

int main(int argc, char **argv)
{
    struct wishes wishes = {0};
    int status;

    if (!read_options(argc, argv, &wishes, &status))
        return status;
    if (!wishes.has_ratio && !installed_ratio(&wishes.ratio))
        return EXIT_FAILURE;
    if (!check(&wishes))
        return EXIT_FAILURE;
    if (optind == argc) {
        fputs("Usage: memtier [options] command [args]\n", stderr);
        fputs(help, stdout);
        return EXIT_FAILURE;
    }
    if (!set_preload() || !set_tiers(&wishes.ratio, wishes.thresholds))
        return EXIT_FAILURE;
    execvp(argv[optind], argv + optind);
    fprintf(stderr, "memtier: couldn't exec ｢%s｣: %s\n", argv[optind], strerror(errno));
    return EXIT_FAILURE;
}
