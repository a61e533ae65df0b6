/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind-pmem check: the memory nodes, as a table and in JSON. */
#include "tool/check_nodes.h"

#include <stdio.h>

#include "tool/nodes.h"
#include "tool/output.h"

/* -- For people -------------------------------------------------------------------------------- */

static const char *kinds(const struct memory_node *node)
{
    if (node->high_bandwidth)
        return node->dax_kmem ? "hbw,dax-kmem" : "hbw";
    return node->dax_kmem ? "dax-kmem" : "-";
}

static const char *number_or_unknown(char text[OUTPUT_TEXT_SIZE], unsigned number)
{
    snprintf(text, OUTPUT_TEXT_SIZE, number != 0 ? "%u" : "?", number);
    return text;
}

static void print_head(const struct nodes *nodes)
{
    char text[OUTPUT_TEXT_SIZE];

    printf("node      size      free    read   write    ns");
    for (unsigned other = 0; other < NODES_MOST; other++)
        if (nodes->processors[other]) {
            snprintf(text, sizeof(text), "to %u", other);
            printf("  %5s", text);
        }
    printf("  kinds         processors\n");
}

static void print_row(const struct nodes *nodes, unsigned number, const struct memory_node *node)
{
    char size[OUTPUT_TEXT_SIZE], available[OUTPUT_TEXT_SIZE], read[OUTPUT_TEXT_SIZE];
    char write[OUTPUT_TEXT_SIZE], latency[OUTPUT_TEXT_SIZE], distance[OUTPUT_TEXT_SIZE];

    printf("%4u  %8s  %8s  %6s  %6s  %4s", number, output_size(size, node->size, node->size != 0),
           output_size(available, node->available, node->size != 0),
           output_rate(read, node->read.bandwidth), output_rate(write, node->write.bandwidth),
           number_or_unknown(latency, node->read.latency));
    for (unsigned other = 0; other < NODES_MOST; other++)
        if (nodes->processors[other])
            printf("  %5s", number_or_unknown(distance, node->distances[other]));
    printf("  %-12s  %s\n", kinds(node), node->processors[0] != '\0' ? node->processors : "-");
}

void check_nodes_table(const struct nodes *nodes)
{
    bool any = false, known = true;

    print_head(nodes);
    for (unsigned number = 0; number < NODES_MOST; number++)
        if (nodes->memory[number]) {
            struct memory_node node;

            nodes_describe(nodes, number, &node);
            print_row(nodes, number, &node);
            any = true;
            known = known && node.read.bandwidth > 0 && node.read.latency != 0;
        }
    if (!any)
        printf("\nThe kernel tells of no memory nodes (NUMA).\n");
    else if (!known)
        printf("\nThe firmware does not tell how fast all of the memory is (HMAT).\n");
}

/* -- For programs ------------------------------------------------------------------------------ */

static void print_distances(const struct memory_node *node)
{
    const char *separator = "";

    output_json_name("distances");
    putchar('{');
    for (unsigned other = 0; other < NODES_MOST; other++)
        if (node->distances[other] != 0) {
            printf("%s\"%u\": %u", separator, other, node->distances[other]);
            separator = ", ";
        }
    putchar('}');
}

static void print_initiators(const struct memory_node *node)
{
    const char *separator = "";

    output_json_name("initiators");
    putchar('[');
    for (unsigned other = 0; other < NODES_MOST; other++)
        if (node->initiators[other]) {
            printf("%s%u", separator, other);
            separator = ", ";
        }
    putchar(']');
}

static void print_rate(const char *bandwidth, const char *latency, const struct node_rate *rate)
{
    output_json_number(bandwidth, rate->bandwidth, rate->bandwidth > 0);
    output_json_number(latency, rate->latency, rate->latency != 0);
}

static void print_object(unsigned number, const struct memory_node *node)
{
    output_json_begin_object();
    output_json_number("node", number, true);
    output_json_number("size", (double)node->size, node->size != 0);
    output_json_number("free", (double)node->available, node->size != 0);
    output_json_truth("has_processors", node->processors[0] != '\0', true);
    output_json_text("processors", node->processors);
    output_json_truth("high_bandwidth", node->high_bandwidth, true);
    output_json_truth("dax_kmem", node->dax_kmem, true);
    print_rate("read_bandwidth", "read_latency", &node->read);
    print_rate("write_bandwidth", "write_latency", &node->write);
    print_distances(node);
    print_initiators(node);
    output_json_end_object();
}

void check_nodes_json(const struct nodes *nodes)
{
    for (unsigned number = 0; number < NODES_MOST; number++)
        if (nodes->memory[number]) {
            struct memory_node node;

            nodes_describe(nodes, number, &node);
            print_object(number, &node);
        }
}
