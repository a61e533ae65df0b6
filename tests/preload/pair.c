/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocates and frees a block of 64 bytes: pair TIMES. */
#include <stdlib.h>

int main(int argc, char **argv)
{
    long times = argc == 2 ? atol(argv[1]) : 0;

    for (long i = 0; i < times; i++) {
        void *block = malloc(64);

        __asm__ volatile("" : "+r"(block)::"memory");
        free(block);
    }
    return 0;
}
