/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind-pmem: examines places for PMEM kinds, and runs programs on them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memkind.h"
#include "tool/tool.h"

#define VERSION_MAJOR 1000000 /* the parts of memkind_get_version() */
#define VERSION_MINOR 1000

static const struct {
    const char *name;
    char *title; /* begins the messages of getopt_long(3) */
    int (*run)(int argc, char **argv);
} commands[] = {
    {"check", (char[]){TOOL_NAME " check"}, check_main},
    {"run", (char[]){TOOL_NAME " run"}, run_main},
    {"stats", (char[]){TOOL_NAME " stats"}, stats_main},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char help[] =
    "usage: " TOOL_NAME " COMMAND [ARGUMENT...]\n"
    "\n"
    "Runs unchanged programs with their heap, the memory of malloc, in a file on persistent or "
    "CXL\n"
    "memory or on chosen memory nodes, and examines places for such heaps.\n"
    "\n"
    "  check [PATH...]           prints what a heap in each directory would have\n"
    "  check --nodes             lists the memory nodes\n"
    "  run [OPTION...] -- COMMAND [ARGUMENT...]\n"
    "                            runs a program with its heap in a directory or on memory nodes\n"
    "  stats PID                 prints what a running program uses\n"
    "  --version                 prints the version of the library and that of its interface\n"
    "  --help                    prints this text\n"
    "\n"
    "Examples:\n"
    "  " TOOL_NAME " check /mnt/pmem /dev/shm\n"
    "  " TOOL_NAME " run --dir /mnt/pmem -- redis-server\n"
    "  " TOOL_NAME " run --dir /mnt/pmem --publish -- redis-server &\n"
    "  " TOOL_NAME " stats $(pidof redis-server)\n"
    "\n"
    "\"" TOOL_NAME " COMMAND --help\" describes a command, and " TOOL_NAME "(1) all of them.\n";

int tool_error(const char *format, ...)
{
    va_list arguments;

    fputs(TOOL_NAME ": ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

/* The version of the interface is that of the loaded library. */
static void print_version(void)
{
    int version = memkind_get_version();

    printf(TOOL_NAME " " TOOL_VERSION ", with the interface of memkind %d.%d.%d\n",
           version / VERSION_MAJOR, version / VERSION_MINOR % VERSION_MINOR,
           version % VERSION_MINOR);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0) {
            argv[1] = commands[i].title;
            return commands[i].run(argc - 1, argv + 1);
        }
    if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        print_version();
        return 0;
    }
    if (*name == '\0')
        return tool_error("a command is missing; try \"" TOOL_NAME " --help\"");
    return tool_error("there is no command \"%s\"; try \"" TOOL_NAME " --help\"", name);
}
