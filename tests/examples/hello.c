/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest program that stores something in a PMEM kind: hello [DIR] */
#include <memkind.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "/dev/shm";
    const size_t size = 64;
    memkind_t kind;
    int err = memkind_create_pmem(dir, MEMKIND_PMEM_MIN_SIZE, &kind);

    if (err != MEMKIND_SUCCESS) {
        char message[MEMKIND_ERROR_MESSAGE_SIZE];

        memkind_error_message(err, message, sizeof(message));
        fprintf(stderr, "hello: no kind in %s: %s\n", dir, message);
        return 1;
    }
    char *text = memkind_malloc(kind, size);
    if (text == NULL) {
        perror("hello");
        memkind_destroy_kind(kind);
        return 1;
    }
    snprintf(text, size, "Hello from %s!", dir);
    puts(text);
    memkind_free(kind, text);
    memkind_destroy_kind(kind);
    return 0;
}
