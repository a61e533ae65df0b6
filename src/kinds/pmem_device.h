/* SPDX-License-Identifier: BSD-2-Clause */
/* PMEM kinds whose memory is a DAX device instead of a file. */
#pragma once

#include "memkind/internal/memkind_private.h"

/*
 * As memkind_pmem_new() where the path is no directory; policy and size are those that a kind can
 * have. MEMKIND_ERROR_INVALID with errno ENOTDIR (it is no DAX device either), EINVAL (the device
 * is smaller than the kind is to be), EOPNOTSUPP (children are to get a copy), or EACCES and others
 * of open(2); MEMKIND_ERROR_UNAVAILABLE with EBUSY (others have the range) or ENXIO (it is used as
 * system RAM, or has no driver).
 */
int pmem_device_new(const struct memkind_config *config, memkind_t *kind);
