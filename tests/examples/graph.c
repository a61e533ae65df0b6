/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Breadth-first search in a graph that is larger than its DRAM budget: graph [OPTION]... [DIR]
 *
 * The edges, which are most of the graph, are in a PMEM kind in DIR. What the search writes all the
 * time (levels and queues) is in DRAM. RLIMIT_DATA limits the program's private memory to the
 * budget: with --libc, the edges come from libc's heap and do not fit. At the end the levels are
 * checked on every edge.
 */
#include <memkind.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define DEFAULT_DIR    "/dev/shm"
#define DEFAULT_NODES  1000000ul
#define DEFAULT_DEGREE 16ul
#define DEFAULT_MIB    32ul
#define DECIMAL        10
#define MIB            ((size_t)1 << 20)
#define KIB_PER_MIB    1024ul
#define HASH_FACTOR    UINT64_C(0x9e3779b97f4a7c15)
#define UNREACHED      UINT32_MAX
#define LOCALITY       1000 /* of two edges, one ends within so many nodes */

enum { EXIT_USAGE = 2 };

struct options {
    unsigned long nodes;
    unsigned long degree; /* most edges that begin at a node */
    unsigned long mib;    /* DRAM budget */
    bool libc;
    const char *dir;
};

/* Where the edges of a node end. Each node has its own array, as in a graph that changes. */
struct graph {
    memkind_t kind; /* NULL: the C library's heap */
    uint32_t nodes;
    uint32_t **targets; /* the first element of each array is its length */
    uint64_t edges;
};

/* -- Memory ------------------------------------------------------------------------------------ */

static void *edges_alloc(const struct graph *graph, size_t size)
{
    return graph->kind != NULL ? memkind_malloc(graph->kind, size) : malloc(size);
}

static void edges_free(const struct graph *graph, void *ptr)
{
    if (graph->kind != NULL)
        memkind_free(graph->kind, ptr);
    else
        free(ptr);
}

/* Returns the private memory in use, in MiB; 0: unknown. */
static unsigned long private_mib(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    unsigned long kib = 0;
    char line[256];

    while (status != NULL && kib == 0 && fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "VmData:", strlen("VmData:")) == 0)
            kib = strtoul(line + strlen("VmData:"), NULL, DECIMAL);
    if (status != NULL)
        fclose(status);
    return kib / KIB_PER_MIB;
}

/* Limits private memory to mib above what is in use now. */
static bool limit_dram(unsigned long mib)
{
    struct rlimit limit;
    rlim_t most = (private_mib() + mib) * MIB;

    if (getrlimit(RLIMIT_DATA, &limit) != 0)
        return false;
    limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
    return setrlimit(RLIMIT_DATA, &limit) == 0;
}

/* -- Graph ------------------------------------------------------------------------------------- */

static uint64_t random_of(uint64_t x)
{
    x = (x + 1) * HASH_FACTOR;
    x = (x ^ x >> 32) * HASH_FACTOR;
    return x ^ x >> 29;
}

static uint32_t choose_target(const struct graph *graph, uint32_t node, uint64_t number)
{
    uint64_t random = random_of(number);

    if ((random & 1) != 0)
        return (uint32_t)((node + (random >> 1) % LOCALITY) % graph->nodes);
    return (uint32_t)((random >> 1) % graph->nodes);
}

static bool add_node(struct graph *graph, uint32_t node, unsigned long degree)
{
    uint32_t count = (uint32_t)(random_of(node) % (degree + 1));
    uint32_t *targets = edges_alloc(graph, (count + (size_t)1) * sizeof(*targets));

    if (targets == NULL)
        return false;
    targets[0] = count;
    for (uint32_t i = 1; i <= count; i++)
        targets[i] = choose_target(graph, node, (uint64_t)node * (degree + 1) + i);
    graph->targets[node] = targets;
    graph->edges += count;
    return true;
}

static void graph_free(struct graph *graph)
{
    for (uint32_t i = 0; graph->targets != NULL && i < graph->nodes; i++)
        if (graph->targets[i] != NULL)
            edges_free(graph, graph->targets[i]);
    edges_free(graph, graph->targets);
    if (graph->kind != NULL)
        memkind_destroy_kind(graph->kind);
}

static bool graph_make(struct graph *graph, const struct options *options)
{
    size_t size = options->nodes * sizeof(*graph->targets);

    *graph = (struct graph){.nodes = (uint32_t)options->nodes};
    if (!options->libc && memkind_create_pmem(options->dir, 0, &graph->kind) != MEMKIND_SUCCESS) {
        fprintf(stderr, "graph: no kind in %s: %s\n", options->dir, strerror(errno));
        return false;
    }
    graph->targets = edges_alloc(graph, size);
    bool made = graph->targets != NULL;
    if (made)
        memset(graph->targets, 0, size);
    for (uint32_t i = 0; made && i < graph->nodes; i++)
        made = add_node(graph, i, options->degree);
    if (!made) {
        fprintf(stderr, "graph: the edges do not fit: %" PRIu64 " of them are there\n",
                graph->edges);
        graph_free(graph);
    }
    return made;
}

/* -- Search ------------------------------------------------------------------------------------ */

struct search {
    uint32_t *levels; /* steps from node 0 */
    uint32_t *queue;
    uint32_t queued;
    uint32_t depth;
};

static void visit(const struct graph *graph, struct search *search, uint32_t node)
{
    const uint32_t *targets = graph->targets[node];

    for (uint32_t i = 1; i <= targets[0]; i++)
        if (search->levels[targets[i]] == UNREACHED) {
            search->levels[targets[i]] = search->levels[node] + 1;
            search->queue[search->queued++] = targets[i];
        }
}

static bool search_run(const struct graph *graph, struct search *search)
{
    size_t size = graph->nodes * sizeof(*search->levels);

    *search = (struct search){.levels = malloc(size), .queue = malloc(size)};
    if (search->levels == NULL || search->queue == NULL) {
        fprintf(stderr, "graph: no DRAM for the search\n");
        return false;
    }
    memset(search->levels, 0xff, size);
    search->levels[0] = 0;
    search->queue[search->queued++] = 0;
    for (uint32_t i = 0; i < search->queued; i++)
        visit(graph, search, search->queue[i]);
    search->depth = search->levels[search->queue[search->queued - 1]];
    return true;
}

/*
 * Checks that no edge leads more than one level down, and that an edge from the level above leads
 * to every reached node but the first: then levels are the fewest steps. The queue is free, and
 * marks the nodes for which such an edge was found.
 */
static bool search_is_right(const struct graph *graph, struct search *search)
{
    uint32_t *confirmed = search->queue;
    uint32_t count = 1;

    memset(confirmed, 0, graph->nodes * sizeof(*confirmed));
    for (uint32_t node = 0; node < graph->nodes; node++) {
        uint32_t level = search->levels[node];
        const uint32_t *targets = graph->targets[node];

        if (targets[0] != 0 && graph->kind != NULL &&
            memkind_detect_kind(graph->targets[node]) != graph->kind)
            return false;
        for (uint32_t i = 1; level != UNREACHED && i <= targets[0]; i++) {
            uint32_t next = search->levels[targets[i]];

            if (next > level + 1)
                return false;
            if (next == level + 1 && confirmed[targets[i]]++ == 0)
                count++;
        }
    }
    return count == search->queued;
}

static int run(const struct options *options)
{
    struct graph graph;
    struct search search;
    int status = EXIT_FAILURE;

    if (!limit_dram(options->mib)) {
        fprintf(stderr, "graph: RLIMIT_DATA: %s\n", strerror(errno));
        return status;
    }
    if (!graph_make(&graph, options))
        return status;
    uint64_t mib = graph.edges * sizeof(uint32_t) / MIB;
    printf("%" PRIu32 " nodes, %" PRIu64 " edges of %" PRIu64 " MiB, with %lu MiB of DRAM\n",
           graph.nodes, graph.edges, mib, options->mib);
    bool found = search_run(&graph, &search);
    if (found)
        printf("%" PRIu32 " nodes reached in %" PRIu32 " steps\n", search.queued, search.depth);
    if (found && search_is_right(&graph, &search))
        status = EXIT_SUCCESS;
    else if (found)
        fprintf(stderr, "graph: the search is wrong\n");
    free(search.levels);
    free(search.queue);
    graph_free(&graph);
    return status;
}

/* -- Command line ------------------------------------------------------------------------------ */

static void print_usage(FILE *stream)
{
    fprintf(stream,
            "usage: graph [OPTION]... [DIR]\n"
            "Searches a graph whose edges are in a PMEM kind in DIR (%s).\n"
            "  --nodes N   of the graph (%lu)\n"
            "  --degree N  most edges that begin at a node (%lu)\n"
            "  --dram MIB  private memory that the program may take (%lu)\n"
            "  --libc      edges in the C library's heap\n",
            DEFAULT_DIR, DEFAULT_NODES, DEFAULT_DEGREE, DEFAULT_MIB);
}

static bool parse(const char *text, unsigned long most, unsigned long *number)
{
    char *end;

    errno = 0;
    *number = strtoul(text, &end, DECIMAL);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-' && *number != 0 &&
           *number <= most;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"nodes", required_argument, NULL, 'n'}, {"degree", required_argument, NULL, 'd'},
        {"dram", required_argument, NULL, 'm'},  {"libc", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
    };
    struct options options = {DEFAULT_NODES, DEFAULT_DEGREE, DEFAULT_MIB, false, DEFAULT_DIR};
    bool valid = true;
    int option;

    while (valid && (option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'h') {
            print_usage(stdout);
            return EXIT_SUCCESS;
        }
        if (option == 'l')
            options.libc = true;
        else
            valid = (option == 'n' && parse(optarg, UINT32_MAX - 1, &options.nodes)) ||
                    (option == 'd' && parse(optarg, UINT16_MAX, &options.degree)) ||
                    (option == 'm' && parse(optarg, UINT32_MAX, &options.mib));
    }
    if (!valid || argc - optind > 1) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (optind < argc)
        options.dir = argv[optind];
    return run(&options);
}
