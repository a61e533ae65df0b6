/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pretends a kernel with larger pages: sysconf(3) returns pretended_page. A multiple of a pretended
 * page is also a multiple of the machine's own page, so mappings, holes and files work. Include
 * once.
 */
/* WRAP: sysconf */
#pragma once

#include <stddef.h>
#include <unistd.h>

static long pretended_page; /* 0: the machine's own */

long __real_sysconf(int name);
long __wrap_sysconf(int name);

long __wrap_sysconf(int name)
{
    return name == _SC_PAGESIZE && pretended_page != 0 ? pretended_page : __real_sysconf(name);
}

/*
 * Calls run() for each page size of kernels, from the machine's own on, until a call returns a
 * number other than 0. Returns that number, or 0.
 */
static inline int on_each_page_size(int (*run)(void))
{
    static const long sizes[] = {(long)4 << 10, (long)16 << 10, (long)64 << 10};
    int failed = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && failed == 0; i++) {
        pretended_page = sizes[i];
        if (pretended_page >= __real_sysconf(_SC_PAGESIZE))
            failed = run();
    }
    return failed;
}
