/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a directory lies in a file system on persistent memory (DAX), or is a DAX device. */
#pragma once

enum dax_probe_result {
    DAX_PROBE_SYNC,    /* mmap(2) accepts MAP_SYNC: stores reach the medium without msync(2) */
    DAX_PROBE_NO_SYNC, /* a file can be made, but mmap(2) refuses MAP_SYNC */
    DAX_PROBE_NO_FILE, /* no directory in which a file can be made, and no device */
};

/*
 * Maps a nameless file in the directory, or the device, with MAP_SYNC; leaves nothing behind. errno
 * is that of the call that failed (EINVAL where path is NULL); kept with DAX_PROBE_SYNC. Safe from
 * any thread, no cancellation point.
 */
enum dax_probe_result dax_probe(const char *path);
