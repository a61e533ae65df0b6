/* SPDX-License-Identifier: BSD-2-Clause */
/* Collects a text that arrives in pieces. */
#include "util/text_buffer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_SIZE ((size_t)256 << 10)

static bool grow(struct text_buffer *buffer, size_t needed)
{
    size_t size = buffer->size != 0 ? buffer->size : FIRST_SIZE;
    void *text;

    while (size < needed)
        size *= 2;
    if (buffer->text == NULL)
        text = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else
        text = mremap(buffer->text, buffer->size, size, MREMAP_MAYMOVE);
    if (text == MAP_FAILED)
        return false;
    buffer->text = text;
    buffer->size = size;
    return true;
}

void text_buffer_add(struct text_buffer *buffer, const char *piece)
{
    size_t length = strlen(piece) + 1;
    int saved_errno = errno;

    if (!buffer->lost && buffer->size - buffer->used < length)
        buffer->lost = !grow(buffer, buffer->used + length);
    errno = saved_errno;
    if (buffer->lost)
        return;
    memcpy(buffer->text + buffer->used, piece, length);
    buffer->used += length;
}

void text_buffer_replay(const struct text_buffer *buffer, void (*write)(void *, const char *),
                        void *opaque)
{
    for (size_t at = 0; at < buffer->used; at += strlen(buffer->text + at) + 1)
        write(opaque, buffer->text + at);
}

void text_buffer_end(struct text_buffer *buffer)
{
    int saved_errno = errno;

    if (buffer->text != NULL)
        munmap(buffer->text, buffer->size);
    errno = saved_errno;
    *buffer = (struct text_buffer){0};
}
