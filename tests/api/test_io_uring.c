/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * io_uring(7) on blocks of a kind: reads and writes, into registered and other buffers, also around
 * a fork. Without liburing.
 */
#include "api/fixture.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define ENTRIES 8
#define SIZE    (MIB + 100)
#define PART    (64 * KIB)

/* -- A ring ------------------------------------------------------------------------------------ */

struct ring {
    int fd;
    struct io_uring_params params;
    char *queues;
    size_t queues_size;
    struct io_uring_sqe *entries;
};

static size_t larger(size_t one, size_t other)
{
    return one > other ? one : other;
}

/* Skips the test where io_uring is missing, or refused to this process. */
static struct ring ring_open(void)
{
    struct ring ring = {0};

    ring.fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &ring.params);
    if (ring.fd < 0)
        skip();
    assert_true((ring.params.features & IORING_FEAT_SINGLE_MMAP) != 0);
    ring.queues_size =
        larger(ring.params.sq_off.array + ring.params.sq_entries * sizeof(unsigned),
               ring.params.cq_off.cqes + ring.params.cq_entries * sizeof(struct io_uring_cqe));
    ring.queues = mmap(NULL, ring.queues_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                       ring.fd, IORING_OFF_SQ_RING);
    assert_true(ring.queues != MAP_FAILED);
    ring.entries =
        mmap(NULL, ring.params.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
    assert_true(ring.entries != MAP_FAILED);
    return ring;
}

static void ring_close(struct ring *ring)
{
    munmap(ring->entries, ring->params.sq_entries * sizeof(struct io_uring_sqe));
    munmap(ring->queues, ring->queues_size);
    close(ring->fd);
}

static atomic_uint *at(const struct ring *ring, unsigned offset)
{
    return (atomic_uint *)(void *)(ring->queues + offset);
}

/* Performs one operation on a part of the file, waits for it, and returns its result. */
static int perform(struct ring *ring, unsigned char code, int file, char *buffer, size_t size,
                   size_t offset)
{
    unsigned tail = atomic_load(at(ring, ring->params.sq_off.tail));
    unsigned index = tail & *(unsigned *)(void *)(ring->queues + ring->params.sq_off.ring_mask);

    ring->entries[index] = (struct io_uring_sqe){
        .opcode = code,
        .fd = file,
        .off = offset,
        .addr = (uintptr_t)buffer,
        .len = (unsigned)size,
    };
    atomic_store(at(ring, ring->params.sq_off.array) + index, index);
    atomic_store(at(ring, ring->params.sq_off.tail), tail + 1);
    assert_int_equal(syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0),
                     1);
    unsigned head = atomic_load(at(ring, ring->params.cq_off.head));
    unsigned mask = *(unsigned *)(void *)(ring->queues + ring->params.cq_off.ring_mask);
    const struct io_uring_cqe *done = (void *)(ring->queues + ring->params.cq_off.cqes);
    int result = done[head & mask].res;
    atomic_store(at(ring, ring->params.cq_off.head), head + 1);
    return result;
}

/* Performs the whole operation in parts, since each may be short. */
static void perform_all(struct ring *ring, unsigned char code, int file, char *buffer)
{
    for (size_t done = 0; done < SIZE; done += PART) {
        size_t size = SIZE - done < PART ? SIZE - done : PART;
        assert_int_equal(perform(ring, code, file, buffer + done, size, done), size);
    }
}

static int register_block(const struct ring *ring, char *block)
{
    struct iovec buffer = {.iov_base = block, .iov_len = SIZE};

    return syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, &buffer, 1) == 0
               ? 0
               : errno;
}

/* -- Blocks and files -------------------------------------------------------------------------- */

/* Creates a file in memory with the contents that fixture_fill() gives a block. */
static int file_with(unsigned seed)
{
    static char contents[SIZE];
    int file = memfd_create("io_uring", MFD_CLOEXEC);

    assert_true(file >= 0);
    fixture_fill(contents, SIZE, seed);
    assert_int_equal(write(file, contents, SIZE), SIZE);
    return file;
}

static bool file_has(int file, unsigned seed)
{
    static char contents[SIZE];

    return pread(file, contents, SIZE, 0) == SIZE && fixture_is_filled(contents, SIZE, seed);
}

static bool is_in_memory(memkind_t kind)
{
    struct statfs fs;

    assert_int_equal(fstatfs(fixture_fd(kind), &fs), 0);
    return fs.f_type == TMPFS_MAGIC;
}

/* Reads a file into the block, and writes the block to the file. */
static void read_and_write(struct ring *ring, bool registered, char *block, unsigned seed)
{
    int file = file_with(seed);

    perform_all(ring, registered ? IORING_OP_READ_FIXED : IORING_OP_READ, file, block);
    assert_true(fixture_is_filled(block, SIZE, seed));
    fixture_fill(block, SIZE, seed + 1);
    perform_all(ring, registered ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE, file, block);
    assert_true(file_has(file, seed + 1));
    close(file);
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void test_blocks_that_are_not_registered(void **state)
{
    struct ring ring = ring_open();
    char *block = memkind_malloc(*state, SIZE);

    assert_non_null(block);
    for (unsigned i = 0; i < 3; i++)
        read_and_write(&ring, false, block, 10 * i);
    memkind_free(*state, block);
    ring_close(&ring);
}

/* On a disk, and on persistent memory behind a file system, the kernel may refuse to pin pages. */
static void test_blocks_that_are_registered(void **state)
{
    struct ring ring = ring_open();
    char *block = memkind_malloc(*state, SIZE);

    assert_non_null(block);
    int err = register_block(&ring, block);
    if (err == 0)
        for (unsigned i = 0; i < 3; i++)
            read_and_write(&ring, true, block, 10 * i);
    else
        assert_true(!is_in_memory(*state) && (err == EOPNOTSUPP || err == EFAULT));
    print_message("registering a block: %s\n", err == 0 ? "works" : strerror(err));
    ring_close(&ring);
    memkind_free(*state, block);
}

/* io_uring works on the child's own blocks and on its copies. */
static void live_as_child(memkind_t kind, char *block, bool copied)
{
    struct ring ring = ring_open();
    char *own = memkind_malloc(kind, SIZE);

    if (own == NULL || !fixture_is_filled(block, SIZE, 5))
        _exit(1);
    read_and_write(&ring, false, own, 50);
    if (copied)
        read_and_write(&ring, false, block, 70);
    ring_close(&ring);
    _exit(0);
}

static void fork_with_registered_block(memkind_t kind, bool copied)
{
    struct ring ring = ring_open();
    char *block = memkind_malloc(kind, SIZE);

    assert_non_null(block);
    fixture_fill(block, SIZE, 5);
    bool registered = register_block(&ring, block) == 0;
    pid_t child = fixture_fork();
    if (child == 0)
        live_as_child(kind, block, copied);
    assert_int_equal(fixture_wait(child), 0);
    assert_true(fixture_is_filled(block, SIZE, 5));
    /* Pages that were pinned before the fork are still the block's. */
    read_and_write(&ring, registered, block, 30);
    read_and_write(&ring, false, block, 40);
    ring_close(&ring);
    memkind_free(kind, block);
}

static void test_fork(void **state)
{
    fork_with_registered_block(*state, false);
}

static void test_fork_with_a_copy(void **state)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind;

    (void)state;
    assert_non_null(config);
    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_fork(config, MEMKIND_FORK_SNAPSHOT);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_SUCCESS);
    memkind_config_delete(config);
    fork_with_registered_block(kind, true);
    fixture_destroy(kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST_ON_PMEM(test_blocks_that_are_not_registered),
        FIXTURE_TEST_ON_PMEM(test_blocks_that_are_registered),
        FIXTURE_TEST_ON_PMEM(test_fork),
        FIXTURE_TEST(test_fork_with_a_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
