/* SPDX-License-Identifier: BSD-2-Clause */
/* Advice for madvise(2) that the C library's headers may not know yet. */
#pragma once

#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#    define MADV_POPULATE_WRITE 23 /* since Linux 5.14; glibc 2.35 */
#endif
