/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pretends a kernel with larger pages, for tests that have sysconf in a WRAP line: sysconf returns
 * pretended_page. A multiple of a pretended page is also a multiple of the machine's own page, so
 * mappings, holes and files work.
 */
#pragma once

#include <unistd.h>

#define PAGE_SIZES                                    \
    {                                                 \
        (long)4 << 10, (long)16 << 10, (long)64 << 10 \
    }

static long pretended_page; /* 0: the machine's own */

long __real_sysconf(int name);
long __wrap_sysconf(int name);

long __wrap_sysconf(int name)
{
    return name == _SC_PAGESIZE && pretended_page != 0 ? pretended_page : __real_sysconf(name);
}
