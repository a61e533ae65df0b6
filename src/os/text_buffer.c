/* SPDX-License-Identifier: BSD-2-Clause */
/* Collects a text that arrives in pieces. */
#include "os/text_buffer.h"

#include <errno.h>
#include <string.h>

#include "os/vm.h"

#define FIRST_SIZE ((size_t)256 << 10)

static bool grow(struct text_buffer *buffer, size_t needed)
{
    size_t size = buffer->size != 0 ? buffer->size : FIRST_SIZE;

    while (size < needed)
        size *= 2;
    void *text = buffer->text == NULL ? vm_alloc(size) : vm_grow(buffer->text, buffer->size, size);
    if (text == NULL)
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

void text_buffer_fini(struct text_buffer *buffer)
{
    int saved_errno = errno;

    if (buffer->text != NULL)
        (void)vm_unmap(buffer->text, buffer->size);
    errno = saved_errno;
    *buffer = (struct text_buffer){0};
}
