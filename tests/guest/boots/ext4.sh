# SPDX-License-Identifier: BSD-2-Clause
# ext4 with DAX on emulated persistent memory, made as recommended: tests of api and short ones of
# stress.
#
# Not run here or on XFS, because emulation is ten to thirty times slower: test_limits and
# test_lifecycle (minutes; the boot "full" and stress/test_lifecycle cover them), test_environment,
# test_realloc and test_arena_operations (20 to 50 s, independent of the file system), test_policy
# on ext4 (45 s; run on XFS), test_first_call and test_layout (no file system). test_many_kinds and
# test_large_blocks need more than a GiB; scripts need Python or bash.
#
# QEMU: -m 2G
# KERNEL: memmap=512M!1G
# SECONDS: 300

modprobe -a nd_pmem nd_e820
make_ext4 "$(device pmem 512)" /mnt
export MEMKIND_TEST_DIR=/mnt
export STRESS_BLOCKS=8000 STRESS_FORKS=30 STRESS_ROUNDS=3 STRESS_SECONDS=3

run api/test_allocate
run api/test_create
run api/test_destroy
run api/test_detect_kind
run api/test_io_uring
run api/test_pmem_operations
run api/test_stats
run stress/test_lifecycle
run stress/test_many_blocks
run stress/test_memory_maps
run stress/test_scarcity
run stress/test_threads
run unit/test_freeze
run unit/test_freeze_failures
run unit/test_take_over
run unit/test_thaw
run fork fork_pause /mnt 128
