/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text that comes in pieces and is kept until it can be handed on: in memory of its own, outside
 * any heap, so that a report on a heap does not change it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct text_buffer {
    char *text; /* the pieces one after the other, each with its NUL; NULL: none yet */
    size_t used;
    size_t size;
    bool lost; /* there was no memory for a piece */
};

/* Appends a piece. errno is kept. */
void text_buffer_add(struct text_buffer *buffer, const char *piece);

/* Calls write with each piece in turn. */
void text_buffer_replay(const struct text_buffer *buffer, void (*write)(void *, const char *),
                        void *opaque);

/* Gives the memory back. errno is kept. */
void text_buffer_end(struct text_buffer *buffer);
