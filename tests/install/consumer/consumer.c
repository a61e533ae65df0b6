/* SPDX-License-Identifier: BSD-2-Clause */
/* A program outside the tree: creates a PMEM kind in the given directory and uses it. */
#include <memkind.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIR\n", argv[0]);
        return 2;
    }

    memkind_t kind = NULL;
    int err = memkind_create_pmem(argv[1], MEMKIND_PMEM_MIN_SIZE, &kind);
    if (err) {
        char text[MEMKIND_ERROR_MESSAGE_SIZE];
        memkind_error_message(err, text, sizeof(text));
        fprintf(stderr, "memkind_create_pmem: %s\n", text);
        return 1;
    }

    static const char message[] = "allocated from a file";
    char *block = memkind_malloc(kind, sizeof(message));
    if (!block || memkind_detect_kind(block) != kind) {
        fprintf(stderr, "memkind_malloc: no block of the kind\n");
        return 1;
    }
    memcpy(block, message, sizeof(message));
    int same = strcmp(block, message) == 0;
    memkind_free(kind, block);

    err = memkind_destroy_kind(kind);
    if (err) {
        fprintf(stderr, "memkind_destroy_kind: %d\n", err);
        return 1;
    }
    return same ? 0 : 1;
}
