/* SPDX-License-Identifier: BSD-2-Clause */
/* PMEM kinds whose memory is a DAX device instead of a file. */
#pragma once

#include "memkind/internal/memkind_private.h"

/*
 * As pmem_create(), for a path that is no directory. The configuration is valid, except that the
 * device may be too small for it.
 *
 *    MEMKIND_ERROR_INVALID      ENOTDIR: no DAX device; EINVAL: the device is smaller than the
 * kind; EOPNOTSUPP: fork mode snapshot; EACCES and others of open(2) MEMKIND_ERROR_UNAVAILABLE
 * EBUSY: other kinds or processes have the range; ENXIO: the device is used as system RAM, or has
 * no driver
 */
int pmem_device_new(const struct memkind_config *config, memkind_t *kind);
