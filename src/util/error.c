/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts of the error codes that public functions return. */
#include "util/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "memkind.h"

#define ERROR_TABLE(X)                                                                          \
    X(MEMKIND_SUCCESS, "the operation succeeded")                                               \
    X(MEMKIND_ERROR_UNAVAILABLE, "this kind of memory is not available on this system")         \
    X(MEMKIND_ERROR_MBIND, "binding memory to NUMA nodes failed")                               \
    X(MEMKIND_ERROR_MMAP, "mapping memory failed")                                              \
    X(MEMKIND_ERROR_MALLOC, "no memory for the library's own data")                             \
    X(MEMKIND_ERROR_ENVIRON, "an environment variable has an invalid value")                    \
    X(MEMKIND_ERROR_INVALID, "an argument is invalid")                                          \
    X(MEMKIND_ERROR_TOOMANY, "the largest number of kinds exists already")                      \
    X(MEMKIND_ERROR_BADOPS, "the operations of the kind are incomplete or do not match")        \
    X(MEMKIND_ERROR_HUGETLB, "no huge pages of this size are available")                        \
    X(MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, "this type of memory does not exist on this system") \
    X(MEMKIND_ERROR_OPERATION_FAILED, "the operation is not possible here, or failed")          \
    X(MEMKIND_ERROR_ARENAS_CREATE, "no arena could be created for the kind")                    \
    X(MEMKIND_ERROR_RUNTIME, "an unexpected failure")                                           \
    X(EINVAL, "the alignment is not a power of two, or is less than a pointer's size")          \
    X(ENOMEM, "no memory of this kind is left")

/* memkind's messages begin with this prefix, and programs recognise them by it. */
#define ERROR_PREFIX         "<memkind> "
#define ERROR_UNDEFINED_TEXT ERROR_PREFIX "Undefined error number: %d"

#define ERROR_CHECK_SIZE(code, text)                                        \
    _Static_assert(sizeof(ERROR_PREFIX text) <= MEMKIND_ERROR_MESSAGE_SIZE, \
                   "the text of " #code " is too long");
ERROR_TABLE(ERROR_CHECK_SIZE)

const char *error_text(int error)
{
#define ERROR_CASE(code, text) \
    case code:                 \
        return ERROR_PREFIX text;
    switch (error) {
        ERROR_TABLE(ERROR_CASE)
    default:
        return NULL;
    }
#undef ERROR_CASE
}

void error_message(int error, char *msg, size_t size)
{
    char undefined[sizeof(ERROR_UNDEFINED_TEXT) + sizeof("-2147483648")];
    const char *text = error_text(error);
    size_t length;

    if (msg == NULL || size == 0)
        return;
    if (text == NULL) {
        int saved_errno = errno;

        snprintf(undefined, sizeof(undefined), ERROR_UNDEFINED_TEXT, error);
        errno = saved_errno;
        text = undefined;
    }
    length = strnlen(text, size - 1);
    memcpy(msg, text, length);
    msg[length] = '\0';
}
