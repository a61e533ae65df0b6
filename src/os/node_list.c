/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of NUMA nodes in text. */
#include "os/node_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A list that is being read. */
struct list {
    const char *text; /* the unread rest */
    const struct node_set *known;
    const struct node_set *allowed; /* NULL: numbers are those of nodes */
    struct node_set *set;
};

/* Reads a number, and spaces before it; -1 where there is none that can be a node. */
static int read_number(struct list *list)
{
    char *end;

    list->text += strspn(list->text, " ");
    if (*list->text < '0' || *list->text > '9')
        return -1;
    unsigned long number = strtoul(list->text, &end, 10);
    list->text = end;
    return number < NUMA_NUM_NODES ? (int)number : -1;
}

/* Returns the node of the number, or -1. */
static int node_of(const struct list *list, int number)
{
    if (list->allowed == NULL)
        return number;
    for (int node = 0; node < NUMA_NUM_NODES; node++)
        if (node_set_has(list->allowed, (unsigned)node) && number-- == 0)
            return node;
    return -1;
}

/* Adds the nodes of one item: "3" or "3-5". */
static int read_item(struct list *list)
{
    int first = read_number(list);
    int last = first;

    if (first >= 0 && *list->text == '-') {
        list->text++;
        last = read_number(list);
    }
    if (first < 0 || last < first)
        return -EINVAL;
    for (int number = first; number <= last; number++) {
        int node = node_of(list, number);

        if (node < 0 || !node_set_has(list->known, (unsigned)node))
            return -EINVAL;
        node_set_add(list->set, (unsigned)node);
    }
    return 0;
}

static int read_items(struct list *list)
{
    if (strcmp(list->text, "all") == 0) {
        *list->set = *list->known;
        return 0;
    }
    int err = read_item(list);
    while (err == 0 && *list->text == ',') {
        list->text++;
        err = read_item(list);
    }
    return err == 0 && *list->text != '\0' ? -EINVAL : err;
}

int node_list_parse(const char *text, const struct node_set *known, const struct node_set *allowed,
                    struct node_set *set)
{
    bool inverse = *text == '!';
    bool relative = text[inverse] == '+';
    struct list list = {
        .text = text + inverse + relative,
        .known = known,
        .allowed = relative ? allowed : NULL,
        .set = set,
    };

    *set = (struct node_set){{0}};
    int err = read_items(&list);
    for (size_t i = 0; inverse && i < sizeof(set->bits) / sizeof(set->bits[0]); i++)
        set->bits[i] = known->bits[i] & ~set->bits[i];
    if (err == 0 && node_set_is_empty(set))
        err = -EINVAL;
    if (err != 0)
        *set = (struct node_set){{0}};
    return err;
}
