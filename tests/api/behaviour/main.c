/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a program can observe of the library, a question for each case: `behaviour DIRECTORY CASE`.
 *
 * Uses only the interface of memkind 1.14, so that the program runs on either library. Prints the
 * answer on one line. Without a case, prints all cases with the answers of this library.
 */
#include "behaviour.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_UNIT 512

const char *program;
const char *dir;
static char answer[ANSWER_SIZE];

void say(const char *format, ...)
{
    size_t used = strlen(answer);
    va_list args;

    if (used != 0 && used + 2 < sizeof(answer)) {
        memcpy(answer + used, ", ", sizeof(", "));
        used += 2;
    }
    va_start(args, format);
    vsnprintf(answer + used, sizeof(answer) - used, format, args);
    va_end(args);
}

void say_status(int status)
{
    static const struct {
        int status;
        const char *name;
    } names[] = {
        {MEMKIND_SUCCESS, "SUCCESS"},
        {MEMKIND_ERROR_UNAVAILABLE, "UNAVAILABLE"},
        {MEMKIND_ERROR_INVALID, "INVALID"},
        {MEMKIND_ERROR_TOOMANY, "TOOMANY"},
        {MEMKIND_ERROR_MALLOC, "MALLOC"},
        {MEMKIND_ERROR_ENVIRON, "ENVIRON"},
        {MEMKIND_ERROR_RUNTIME, "RUNTIME"},
        {MEMKIND_ERROR_MMAP, "MMAP"},
        {MEMKIND_ERROR_ARENAS_CREATE, "ARENAS_CREATE"},
        {MEMKIND_ERROR_OPERATION_FAILED, "OPERATION_FAILED"},
        {MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, "MEMTYPE_NOT_AVAILABLE"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].status == status) {
            say("%s", names[i].name);
            return;
        }
    say("%d", status);
}

void say_errno(void)
{
    say("%s", errno != 0 ? strerrorname_np(errno) : "errno untouched");
}

void say_block(const void *block)
{
    if (block != NULL) {
        say("a block");
    } else {
        say("NULL");
        say_errno();
    }
}

memkind_t make_kind(size_t max_size)
{
    memkind_t kind = NULL;

    if (memkind_create_pmem(dir, max_size, &kind) != MEMKIND_SUCCESS)
        say("no kind");
    errno = 0;
    return kind;
}

memkind_t make_configured(size_t size, memkind_mem_usage_policy policy, int *status)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = UNTOUCHED;

    memkind_config_set_path(config, dir);
    memkind_config_set_size(config, size);
    memkind_config_set_memory_usage_policy(config, policy);
    *status = memkind_create_pmem_with_config(config, &kind);
    memkind_config_delete(config);
    errno = 0;
    return kind;
}

unsigned count_descriptors(int *last)
{
    DIR *descriptors = opendir("/proc/self/fd");
    const struct dirent *entry;
    unsigned count = 0;

    *last = -1;
    while ((entry = readdir(descriptors)) != NULL) {
        char target[PATH_MAX] = "";

        count++;
        if (readlinkat(dirfd(descriptors), entry->d_name, target, sizeof(target) - 1) > 0 &&
            strstr(target, " (deleted)") != NULL)
            *last = (int)strtol(entry->d_name, NULL, 10);
    }
    closedir(descriptors);
    return count;
}

size_t file_space(void)
{
    struct stat status;
    int fd;

    (void)count_descriptors(&fd);
    return fd >= 0 && fstat(fd, &status) == 0 ? (size_t)status.st_blocks * BLOCK_UNIT : SIZE_MAX;
}

/* -- All --------------------------------------------------------------------------------------- */

static const struct question *const questions[] = {
    create_questions, allocate_questions, report_questions, memtier_questions,
    hbw_questions,    lives_questions,    places_questions,
};

static void answer_one(const struct question *question)
{
    question->run();
    puts(answer);
    fflush(stdout);
    _exit(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
    const char *wanted = argc == 3 ? argv[2] : NULL;

    program = argv[0];
    dir = argv[1];
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
        for (const struct question *question = questions[i]; question->name != NULL; question++)
            if (wanted == NULL && question->answer != NULL)
                printf("%s: %s\n", question->name, question->answer);
            else if (wanted != NULL && strcmp(question->name, wanted) == 0)
                answer_one(question);
    return wanted == NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}
