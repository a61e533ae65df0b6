/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plugin that allocates when it is loaded, frees when it is unloaded, returns blocks to its host,
 * and uses blocks around a fork.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GREETING_SIZE 100
#define SPARE_SIZE    ((size_t)50000)

char *plugin_greet(const char *name);
pid_t *plugin_mark(void);

static char *greeting;
static void *spare;
static pid_t *mark;

static void before_fork(void)
{
    free(spare);
    spare = NULL;
}

static void in_child(void)
{
    if (mark != NULL)
        *mark = getpid();
}

__attribute__((constructor)) static void load(void)
{
    greeting = strdup("hello");
    if (pthread_atfork(before_fork, NULL, in_child) != 0)
        abort();
}

__attribute__((destructor)) static void unload(void)
{
    free(greeting);
    free(spare);
    free(mark);
}

__attribute__((visibility("default"))) char *plugin_greet(const char *name)
{
    char *text = malloc(GREETING_SIZE);

    if (text != NULL)
        snprintf(text, GREETING_SIZE, "%s %s", greeting, name);
    return text;
}

/* A block to which the child of a fork writes its process id. */
__attribute__((visibility("default"))) pid_t *plugin_mark(void)
{
    spare = malloc(SPARE_SIZE);
    mark = calloc(1, sizeof(*mark));
    return mark;
}
