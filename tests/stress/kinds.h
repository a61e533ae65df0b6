/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds for stress tests, and queries of their files. */
#pragma once

#include <memkind.h>
#include <memkind/internal/memkind_pmem.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "support/leftovers.h"

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* Creates a kind in test_dir(), or fails the test. */
static inline memkind_t make_kind(size_t max_size, memkind_mem_usage_policy policy)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    assert_non_null(config);
    memkind_config_set_path(config, test_dir());
    memkind_config_set_size(config, max_size);
    memkind_config_set_memory_usage_policy(config, policy);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_SUCCESS);
    memkind_config_delete(config);
    return kind;
}

static inline int kind_fd(memkind_t kind)
{
    return ((const struct memkind_pmem *)kind->priv)->fd;
}

/* Bytes of file space that the kind holds. */
static inline size_t kind_space_held(memkind_t kind)
{
    return file_space_held(kind_fd(kind));
}

/* The apparent size of the kind's file. */
static inline size_t kind_apparent_size(memkind_t kind)
{
    struct stat status;

    assert_int_equal(fstat(kind_fd(kind), &status), 0);
    return (size_t)status.st_size;
}
