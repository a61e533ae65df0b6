/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind-pmem run: starts a program with the preload library, and sets the library's variables. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/preloading.h"
#include "tool/tool.h"

#define LIBRARY "libmemkind-preload.so"

static const char help[] =
    "usage: " TOOL_NAME " run [OPTION...] -- COMMAND [ARGUMENT...]\n"
    "\n"
    "Runs the command with its heap, the memory of malloc, in a file in a directory, or on memory "
    "nodes\n"
    "(NUMA nodes). Each option sets an environment variable, which error messages name: --size "
    "sets\n"
    "MEMKIND_PRELOAD_SIZE.\n"
    "\n"
    "The place of the heap, one of:\n"
    "  --dir DIRECTORY    in a file in this directory, or on a DAX device such as /dev/dax0.0; if "
    "given\n"
    "                     more than once, each thread uses the nearest one\n"
    "  --nodes LIST       on these memory nodes, such as 1 or 0,2-3\n"
    "  --kind KIND        in a kind of memkind(3), such as hbw, dax-kmem or highest-capacity\n"
    "\n"
    "Options:\n"
    "  --policy POLICY    with --nodes: bind (the default), preferred, interleave or weighted\n"
    "  --size SIZE        limit of the file space, such as 512M or 4G; 0, the default: no limit\n"
    "  --min SIZE         keeps blocks smaller than SIZE in DRAM\n"
    "  --max SIZE         keeps blocks larger than SIZE in DRAM\n"
    "  --ratio A:B        keeps A bytes in DRAM for B bytes in the place; larger blocks leave DRAM "
    "first\n"
    "  --after SIZE       keeps the first requests of each process, SIZE bytes in all, in DRAM: no "
    "heap\n"
    "                     in short processes\n"
    "  --except NAMES     excludes programs, and all that they start, such as man,ssh\n"
    "  --fallback WHERE   when the file is full: dram (the default) uses DRAM, fail returns NULL\n"
    "  --stats FILE       writes statistics as JSON when a process exits; %p stands for the "
    "process id\n"
    "  --publish          lets \"" TOOL_NAME " stats\" read the statistics of the running process\n"
    "  --help             prints this text\n"
    "\n"
    "Examples:\n"
    "  " TOOL_NAME " run --dir /mnt/pmem -- redis-server\n"
    "  " TOOL_NAME " run --nodes 2-3 --ratio 1:4 -- redis-server\n"
    "  " TOOL_NAME " run --dir /mnt/pmem --ratio 1:4 --stats "
    "/tmp/heap.%p.json -- ./program\n"
    "\n"
    "Exit status: that of the command; 125 "
    "if " TOOL_NAME " or the library fails, 126 if the command\n"
    "cannot be run, 127 if it is not found.\n";

/* Each option's value is the environment variable that it sets. */
static const struct {
    const char *option, *variable;
} variables[] = {
    {"dir", "MEMKIND_PRELOAD_DIR"},           {"nodes", "MEMKIND_PRELOAD_NODES"},
    {"kind", "MEMKIND_PRELOAD_KIND"},         {"policy", "MEMKIND_PRELOAD_POLICY"},
    {"size", "MEMKIND_PRELOAD_SIZE"},         {"min", "MEMKIND_PRELOAD_MIN"},
    {"max", "MEMKIND_PRELOAD_MAX"},           {"ratio", "MEMKIND_PRELOAD_RATIO"},
    {"fallback", "MEMKIND_PRELOAD_FALLBACK"}, {"stats", "MEMKIND_PRELOAD_STATS"},
    {"except", "MEMKIND_PRELOAD_EXCEPT"},     {"after", "MEMKIND_PRELOAD_AFTER"},
};

#define PLACES 3 /* the first of these: the place of the heap */

#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

enum { OPTION_VARIABLE = 1, OPTION_PUBLISH, OPTION_HELP };

#define OPTIONS (VARIABLES + 3) /* with a terminator */

/* Options for getopt_long(3). */
static void make_options(struct option options[OPTIONS])
{
    memset(options, 0, OPTIONS * sizeof(*options));
    for (size_t i = 0; i < VARIABLES; i++)
        options[i] = (struct option){variables[i].option, required_argument, NULL, OPTION_VARIABLE};
    options[VARIABLES] = (struct option){"publish", no_argument, NULL, OPTION_PUBLISH};
    options[VARIABLES + 1] = (struct option){"help", no_argument, NULL, OPTION_HELP};
}

/* An option overrides the environment; several directories add up. */
static bool set_variable(int index, const char *value, bool *requested)
{
    const char *name = variables[index].variable;
    char *list = NULL;

    for (int i = 0; index < PLACES && !*requested && i < PLACES; i++)
        unsetenv(variables[i].variable);
    *requested = *requested || index < PLACES;
    if (index == 0 && getenv(name) != NULL && asprintf(&list, "%s:%s", getenv(name), value) < 0)
        return false;
    bool set = setenv(name, list != NULL ? list : value, 1) == 0;
    free(list);
    return set;
}

/* Returns 0 to continue, otherwise an exit status, -1 for success. */
static int read_options(int argc, char **argv)
{
    struct option options[OPTIONS];
    bool requested = false;
    int index;

    make_options(options);
    for (;;)
        switch (getopt_long(argc, argv, "+", options, &index)) {
        case -1:
            return 0;
        case OPTION_VARIABLE:
            if (!set_variable(index, optarg, &requested))
                return tool_error("no memory");
            break;
        case OPTION_PUBLISH:
            if (setenv("MEMKIND_PRELOAD_PUBLISH", "1", 1) != 0)
                return tool_error("no memory");
            break;
        case OPTION_HELP:
            fputs(help, stdout);
            return -1;
        default:
            return tool_error("try \"" TOOL_NAME " run --help\"");
        }
}

/* Appends a path to a list separated by colons. NULL: no memory. */
static char *append(char *list, const char *path)
{
    char *longer = NULL;

    if (asprintf(&longer, "%s%s%s", list, *list != '\0' ? ":" : "", path) < 0)
        longer = NULL;
    free(list);
    return longer;
}

/* Makes names separated by colons absolute. NULL, with a message: failure. */
static char *absolute_list(char *names)
{
    char *list = strdup("");
    char path[PATH_MAX];
    char *name;

    while (list != NULL && (name = strsep(&names, ":")) != NULL) {
        if (*name != '/' && realpath(name, path) == NULL) {
            (void)tool_error("the directory %s cannot be used: %s", name, strerror(errno));
            free(list);
            return NULL;
        }
        list = append(list, *name != '/' ? path : name);
    }
    if (list == NULL)
        (void)tool_error("no memory");
    return list;
}

/* Children that change their directory must find the same directories or devices. */
static int fix_directory(void)
{
    const char *dir = getenv("MEMKIND_PRELOAD_DIR");
    char path[PATH_MAX];

    if (getenv("MEMKIND_PRELOAD_NODES") != NULL || getenv("MEMKIND_PRELOAD_KIND") != NULL)
        return 0;
    if (dir == NULL || *dir == '\0')
        return tool_error("the heap has no place; name a directory, such as --dir /mnt/pmem");
    /* An existing name with a colon is a single name. */
    if (strchr(dir, ':') == NULL || access(dir, F_OK) == 0) {
        if (*dir == '/')
            return 0;
        if (realpath(dir, path) == NULL)
            return tool_error("the directory %s cannot be used: %s", dir, strerror(errno));
        return setenv("MEMKIND_PRELOAD_DIR", path, 1) != 0 ? tool_error("no memory") : 0;
    }
    char *names = strdup(dir);
    char *list = names != NULL ? absolute_list(names) : NULL;
    int status = list == NULL                                  ? EXIT_USAGE
                 : setenv("MEMKIND_PRELOAD_DIR", list, 1) != 0 ? tool_error("no memory")
                                                               : 0;
    free(names);
    free(list);
    return status;
}

/* The same for the file of statistics, which need not exist. */
static int fix_stats(void)
{
    const char *name = getenv("MEMKIND_PRELOAD_STATS");
    char cwd[PATH_MAX];
    char *path;

    if (name == NULL || *name == '\0' || *name == '/')
        return 0;
    if (getcwd(cwd, sizeof(cwd)) == NULL)
        return tool_error("the file %s cannot be used: there is no working directory (%s)", name,
                          strerror(errno));
    if (strstr(cwd, "%p") != NULL)
        return tool_error(
            "the file %s cannot be used: %%p in the working directory %s would become "
            "the process id",
            name, cwd);
    if (asprintf(&path, "%s/%s", cwd, name) < 0 || setenv("MEMKIND_PRELOAD_STATS", path, 1) != 0)
        return tool_error("no memory");
    free(path);
    return 0;
}

static int preload(void)
{
    char path[PATH_MAX];

    if (preloading_find(LIBRARY, path) != 0)
        return tool_error(LIBRARY " is neither beside this program nor in " TOOL_LIBRARY_DIR
                                  "; install it there");
    switch (preloading_add(path)) {
    case 0:
        return 0;
    case -EINVAL:
        return tool_error("%s cannot be preloaded: there is a space or a colon in its path", path);
    default:
        return tool_error("no memory");
    }
}

int run_main(int argc, char **argv)
{
    int status = read_options(argc, argv);

    if (status != 0)
        return status < 0 ? 0 : status;
    if (optind == argc)
        return tool_error("a command to run is missing; try \"" TOOL_NAME " run --help\"");
    status = fix_directory();
    if (status == 0)
        status = fix_stats();
    if (status != 0)
        return status;
    status = preload();
    if (status != 0)
        return status;
    if (setenv("MEMKIND_PRELOAD_STRICT", "1", 1) != 0)
        return tool_error("no memory");
    execvp(argv[optind], argv + optind);
    status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
    (void)tool_error("%s cannot be run: %s", argv[optind], strerror(errno));
    return status;
}
