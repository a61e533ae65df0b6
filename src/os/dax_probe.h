/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a directory lies in a file system on persistent memory (DAX), or is a DAX device. */
#pragma once

enum dax_probe_result {
    DAX_PROBE_SYNC,    /* MAP_SYNC is honoured: stores reach the medium without msync(2) */
    DAX_PROBE_NO_SYNC, /* a file can be made, but mmap(2) refuses MAP_SYNC */
    DAX_PROBE_NO_FILE, /* no directory in which a file of one page can be made, and no device */
};

/*
 * Asks mmap(2) with a nameless file in the directory, or with the device; nothing stays behind.
 * With the last two results errno is that of the call that failed (EINVAL where path is NULL), else
 * it is kept. Safe from any thread, no cancellation point.
 */
enum dax_probe_result dax_probe(const char *path);
