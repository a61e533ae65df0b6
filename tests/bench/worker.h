/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that runs one workload once on one heap, and prints "metric value" lines.
 *
 * bench --worker --workload NAME [--kind] [--provider FILE] [--dir DIR] [--threads N]
 *       [--seconds S | --operations N] [--max-size BYTES]
 *
 * It also prints "space-calls" and "peak" of the whole process.
 */
#pragma once

/* main() after "--worker". Returns the exit status. */
int worker_main(int argc, char **argv);
