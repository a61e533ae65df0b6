# SPDX-License-Identifier: BSD-2-Clause
# XFS with DAX, made as recommended, and times beside memkind's. boots/ext4.sh lists the tests that
# are not run.
#
# QEMU: -m 2G
# KERNEL: memmap=640M!1G
# SECONDS: 300

modprobe -a nd_pmem nd_e820 xfs
make_xfs "$(device pmem 640)" /mnt
export MEMKIND_TEST_DIR=/mnt
export STRESS_BLOCKS=8000 STRESS_FORKS=30 STRESS_ROUNDS=3 STRESS_SECONDS=3

run compare /tests/guest/compare /mnt
run api/test_create
run api/test_io_uring
run api/test_policy
run api/test_stats
run stress/test_lifecycle
run stress/test_many_blocks
run stress/test_threads
run unit/test_freeze
run unit/test_freeze_failures
run unit/test_take_over
run unit/test_thaw
run fork fork_pause /mnt 128
