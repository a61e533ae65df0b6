/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memkind-hbw-nodes and memkind-auto-dax-kmem-nodes: print NUMA nodes for numactl --membind, with
 * memkind 1.14's options and exit statuses. The build selects the program (NODES_*).
 */
#include <stdio.h>
#include <string.h>

#include "memkind.h"
#include "memkind/internal/memkind_dax_kmem.h"
#include "memkind/internal/memkind_hbw.h"

#define MOST_NODES 2048
#define WORD_BITS  (8 * sizeof(unsigned long))

enum { INVALID_ARGUMENT = 2 };

static int print_help(void)
{
    puts("usage: " NODES_NAME " [-h | --help]\n"
         "Prints the NUMA nodes " NODES_WHAT ", with commas between them, as numactl --membind\n"
         "takes them. The exit status is 0, " NODES_STATUS
         " where there are none, or 2 for a wrong argument.");
    return NODES_HELP;
}

static void print_nodes(const unsigned long *nodes)
{
    const char *separator = "";

    for (unsigned node = 0; node < MOST_NODES; node++)
        if ((nodes[node / WORD_BITS] >> node % WORD_BITS & 1) != 0) {
            printf("%s%u", separator, node);
            separator = ",";
        }
    putchar('\n');
}

int main(int argc, char **argv)
{
    unsigned long nodes[MOST_NODES / WORD_BITS] = {0};

    if (argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0))
        return print_help();
    if (argc > 1) {
        printf("ERROR: Unknown option %s. More info with \"%s --help\".\n", argv[1], argv[0]);
        return INVALID_ARGUMENT;
    }
    if (NODES_GET(NULL, nodes, MOST_NODES) != MEMKIND_SUCCESS)
        return NODES_STATUS[0] - '0';
    print_nodes(nodes);
    return fflush(stdout) == 0 ? 0 : NODES_STATUS[0] - '0';
}
