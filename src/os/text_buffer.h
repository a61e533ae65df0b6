/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Collects a text that arrives in pieces. The memory is mapped, outside any heap, so that a report
 * on a heap does not change that heap.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct text_buffer {
    char *text; /* the pieces in sequence, each with its NUL; NULL: none yet */
    size_t used;
    size_t size;
    bool lost; /* true: memory for a piece could not be mapped */
};

/* Appends a piece. errno is kept. On failure sets `lost`. */
void text_buffer_add(struct text_buffer *buffer, const char *piece);

/* Calls write with each piece in turn. */
void text_buffer_replay(const struct text_buffer *buffer, void (*write)(void *, const char *),
                        void *opaque);

/* Unmaps the memory and resets the buffer. errno is kept. */
void text_buffer_fini(struct text_buffer *buffer);
