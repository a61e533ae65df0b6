/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds in a file or on a device, for the process's malloc. */
#include "preload/file_kind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "util/errno_text.h"

#define LEAST_DESCRIPTORS 16 /* a lower limit: no kind */

static bool children_get_copies(const char *dir)
{
    struct stat status;

    return secure_getenv("MEMKIND_PMEM_FORK") == NULL &&
           (stat(dir, &status) != 0 || !S_ISCHR(status.st_mode));
}

/*
 * A kind keeps two descriptors. A process with a very low limit needs all of them, and libc's
 * malloc needs none.
 */
static bool has_descriptors(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= LEAST_DESCRIPTORS;
}

static int create(const char *dir, size_t size, memkind_t *kind)
{
    struct memkind_config *config = memkind_config_new();

    if (config == NULL)
        return MEMKIND_ERROR_MALLOC;
    memkind_config_set_path(config, dir);
    memkind_config_set_size(config, size);
    if (children_get_copies(dir))
        memkind_config_set_fork(config, MEMKIND_FORK_SNAPSHOT);
    int err = memkind_create_pmem_with_config(config, kind);
    int saved_errno = errno;
    memkind_config_delete(config);
    errno = saved_errno;
    return err;
}

bool file_kind_make(const char *dir, size_t size, memkind_t *kind, const char **reason)
{
    static char text[MEMKIND_ERROR_MESSAGE_SIZE];

    if (!has_descriptors()) {
        *reason = errno_text(EMFILE);
        return false;
    }
    errno = 0;
    int err = create(dir, size, kind);
    if (err == MEMKIND_SUCCESS) {
        memkind_set_allow_zero_allocs(*kind, true);
        return true;
    }
    memkind_error_message(err, text, sizeof(text));
    *reason = errno != 0 ? errno_text(errno) : text;
    return false;
}
