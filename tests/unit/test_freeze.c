/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of spaces that are frozen at a fork and thawed later. Processes fork here, with what the
 * library's handlers do around it.
 */
/* WRAP: openat open fallocate mmap mprotect pwrite pread fstat shmget madvise */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "os/directory.h"
#include "os/holders.h"
#include "os/late_unmap.h"
#include "os/threads.h"
#include "space/address_map.h"
#include "space/freeze.h"
#include "space/snapshot.h"
#include "space/thaw.h"
#include "store/file_space.h"
#include "store/file_store.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define CHUNK   SPACE_CHUNK
#define SKIPPED 77
#define OWNER   (ADDRESS_MAP_FIRST_OWNER + 2u)
#define BLOCKS  4

#define FILE_OVERHEAD ((size_t)64 << 10)

/* What a child ends with when something is not as it should be. */
#define NEED(condition)    \
    do {                   \
        if (!(condition))  \
            die(__LINE__); \
    } while (0)

/* The thread sanitizer takes mapping memory anew for writing to it, and has a thread of its own. */
#ifdef __SANITIZE_THREAD__
#    define SANITIZED true
#else
#    define SANITIZED false
#endif

static struct space *space;
static ucontext_t on_stack, beside_stack;
static struct leftovers before;
static char dir_path[TEST_DIR_PATH_SIZE];
static char *blocks[BLOCKS];
static struct fault create_fault;   /* of openat(2) */
static struct fault open_fault;     /* of open(2) */
static struct fault allocate_fault; /* of fallocate(2) */
static struct fault list_fault;     /* of mmap(2) of anonymous memory */
static struct fault private_fault;  /* of private mappings of files */
static struct fault shared_fault;   /* of shared ones */
static struct fault protect_fault;
static struct fault write_fault;
static struct fault read_fault;
static struct fault stat_fault;
static struct fault holders_fault;
static struct fault advise_fault;

int __real_openat(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_mprotect(void *addr, size_t size, int protection);
int __wrap_mprotect(void *addr, size_t size, int protection);
ssize_t __real_pwrite(int fd, const void *buffer, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *buffer, size_t size, off_t offset);
ssize_t __real_pread(int fd, void *buffer, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t offset);
int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
int __real_shmget(key_t key, size_t size, int flags);
int __wrap_shmget(key_t key, size_t size, int flags);
int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);

int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    return fault_hits(&create_fault) ? -1 : __real_openat(dirfd, path, flags, mode);
}

int __wrap_open(const char *path, int flags, ...)
{
    return fault_hits(&open_fault) ? -1 : __real_open(path, flags);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    return fault_hits(&allocate_fault) ? -1 : __real_fallocate(fd, mode, offset, size);
}

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    struct fault *fault = fd < 0                       ? &list_fault
                          : (flags & MAP_PRIVATE) != 0 ? &private_fault
                                                       : &shared_fault;

    return fault_hits(fault) ? MAP_FAILED : __real_mmap(addr, size, protection, flags, fd, offset);
}

int __wrap_mprotect(void *addr, size_t size, int protection)
{
    return fault_hits(&protect_fault) ? -1 : __real_mprotect(addr, size, protection);
}

ssize_t __wrap_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    return fault_hits(&write_fault) ? -1 : __real_pwrite(fd, buffer, size, offset);
}

ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t offset)
{
    return fault_hits(&read_fault) ? -1 : __real_pread(fd, buffer, size, offset);
}

int __wrap_fstat(int fd, struct stat *status)
{
    return fault_hits(&stat_fault) ? -1 : __real_fstat(fd, status);
}

int __wrap_shmget(key_t key, size_t size, int flags)
{
    return fault_hits(&holders_fault) ? -1 : __real_shmget(key, size, flags);
}

int __wrap_madvise(void *addr, size_t size, int advice)
{
    return fault_hits(&advise_fault) ? -1 : __real_madvise(addr, size, advice);
}

static void clear_faults(void)
{
    create_fault = open_fault = allocate_fault = list_fault = (struct fault){0};
    private_fault = shared_fault = protect_fault = write_fault = (struct fault){0};
    read_fault = stat_fault = holders_fault = advise_fault = (struct fault){0};
}

static void die(int line)
{
    dprintf(STDERR_FILENO, "line %d\n", line);
    _exit(1);
}

static size_t size_of(size_t i)
{
    return i % 2 == 0 ? 3 * space->page : 2 * CHUNK + space->page;
}

static void fill(char with)
{
    for (size_t i = 0; i < BLOCKS; i++)
        memset(blocks[i], with + (int)i, size_of(i));
}

static bool is_filled(char with)
{
    for (size_t i = 0; i < BLOCKS; i++)
        for (size_t k = 0; k < size_of(i); k++)
            if (blocks[i][k] != with + (int)i)
                return false;
    return true;
}

static void *reserve(size_t size)
{
    void *addr;

    assert_int_equal(space_reserve(space, size, CHUNK, &addr), 0);
    return addr;
}

static int setup(void **state)
{
    struct directory *directory;

    (void)state;
    clear_faults();
    test_dir_make(dir_path);
    leftovers_take(&before, dir_path);
    space = file_store_create(OWNER);
    assert_non_null(space);
    assert_int_equal(directory_open(dir_path, &directory), 0);
    assert_int_equal(file_store_open(space, directory), 0);
    space_snapshot_enable(space, false);
    atomic_store(&space->exact, true);
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = reserve(3 * CHUNK);
        assert_int_equal(space_commit(space, blocks[i], size_of(i)), 0);
    }
    fill('a');
    clear_faults();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clear_faults();
    space_destroy(space);
    leftovers_check(&before);
    test_dir_remove(dir_path);
    return 0;
}

/* -- Forks ------------------------------------------------------------------------------------- */

static pid_t fork_space(void)
{
    space_snapshot_hold(space);
    space_snapshot_begin(space);
    freeze_forget_maps();
    pid_t child = fork();
    if (child == 0) {
        clear_faults();
        holders_after_fork();
        late_unmap_after_fork();
        threads_after_fork();
        thaw_after_fork();
    }
    space_snapshot_end(space, child == 0);
    if (child == 0)
        space_adopt(space);
    return child;
}

static void check_child(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* For one process or thread to wait for another. */
struct gate {
    int ends[2];
};

static struct gate gate_new(void)
{
    struct gate gate;

    assert_int_equal(pipe(gate.ends), 0);
    return gate;
}

static void gate_open(const struct gate *gate)
{
    NEED(write(gate->ends[1], "", 1) == 1);
}

static void gate_wait(const struct gate *gate)
{
    char byte;

    NEED(read(gate->ends[0], &byte, 1) == 1);
}

static void gate_close(const struct gate *gate)
{
    close(gate->ends[0]);
    close(gate->ends[1]);
}

/* In a process whose file is its alone: it holds what is accounted for. */
static void check_account(void)
{
    assert_in_range(file_space_held(space->fd), space_held(space),
                    space_held(space) + FILE_OVERHEAD);
}

static void check_thawed(void)
{
    assert_int_equal(atomic_load(&space->frozen), 0);
    assert_null(space->holders);
    check_account();
}

/* The file has what the blocks have. */
static void check_file(void)
{
    static char text[2 * SPACE_CHUNK + 65536];

    for (size_t i = 0; i < BLOCKS; i++) {
        off_t offset = (off_t)(i * 3 * CHUNK);

        assert_int_equal(__real_pread(space->fd, text, size_of(i), offset), size_of(i));
        assert_memory_equal(text, blocks[i], size_of(i));
    }
}

static void each_has_the_moment_of_the_fork(void **state)
{
    struct gate changed = gate_new();
    struct gate seen = gate_new();

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        gate_wait(&changed);
        NEED(is_filled('a'));
        fill('c');
        gate_open(&seen);
        NEED(is_filled('c'));
        _exit(0);
    }
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_COPY);
    assert_true(is_filled('a'));
    fill('b');
    gate_open(&changed);
    gate_wait(&seen);
    assert_true(is_filled('b'));
    check_child(child);
    assert_true(is_filled('b'));
    thaw_all(space, true);
    check_thawed();
    assert_true(is_filled('b'));
    check_file();
    gate_close(&changed);
    gate_close(&seen);
}

/* No file, no space, and the number of maps that it takes to tell frozen chunks from others. */
static void a_fork_copies_nothing(void **state)
{
    size_t held = file_space_held(space->fd);
    size_t maps = count_maps();

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        NEED(space->fd == -1 && atomic_load(&space->lacks_file));
        NEED(create_fault.calls == 0 && write_fault.calls == 0);
        _exit(0);
    }
    assert_int_equal(create_fault.calls, 0);
    assert_int_equal(write_fault.calls, 0);
    assert_int_equal(file_space_held(space->fd), held);
    /* Four blocks, two of them in one chunk, and the segment of shared memory. */
    assert_in_range(count_maps(), maps, maps + 9);
    check_child(child);
    thaw_all(space, true);
    assert_int_equal(count_maps(), maps);
    check_thawed();
}

static void a_further_fork_finds_chunks_frozen(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        fill((char)('a' + i));
        pid_t child = fork_space();
        if (child == 0) {
            NEED(is_filled((char)('a' + i)));
            fill('z');
            _exit(0);
        }
        assert_int_equal(holders_fault.calls, 1);
        assert_int_equal(open_fault.calls, 1);
        check_child(child);
        assert_true(is_filled((char)('a' + i)));
    }
}

/* -- Pages that come and go -------------------------------------------------------------------- */

/* Each process commits in the same frozen chunk, and in chunks of its own. */
static void commit_in_both(void **state)
{
    struct gate written = gate_new();

    (void)state;
    pid_t child = fork_space();
    char *page = blocks[0] + 5 * space->page;
    char *large = reserve(2 * CHUNK);
    NEED(space_commit(space, page, 2 * space->page) == 0);
    NEED(space_commit(space, large, 2 * CHUNK) == 0);
    for (size_t i = 0; i < 2 * space->page; i++)
        NEED(page[i] == 0);
    for (size_t i = 0; i < 2 * CHUNK; i += 512)
        NEED(large[i] == 0);
    memset(page, child == 0 ? 'C' : 'P', 2 * space->page);
    memset(large, child == 0 ? 'C' : 'P', 2 * CHUNK);
    if (child == 0) {
        gate_open(&written);
        NEED(!atomic_load(&space->lacks_file) && space->fd >= 0);
        NEED(space_decommit(space, large, CHUNK) == 0);
        NEED(space_commit(space, large, CHUNK) == 0);
        NEED(large[0] == 0 && large[CHUNK] == 'C' && page[0] == 'C');
        NEED(is_filled('a'));
        space_destroy(space);
        _exit(0);
    }
    gate_wait(&written);
    assert_int_equal(page[0], 'P');
    assert_int_equal(large[2 * CHUNK - 1], 'P');
    check_child(child);
    assert_int_equal(page[space->page], 'P');
    thaw_all(space, true);
    check_thawed();
    assert_int_equal(page[space->page], 'P');
    assert_int_equal(large[CHUNK], 'P');
    gate_close(&written);
}

/* What one process frees is there in the other, and reads as zero when it is committed again. */
static void decommit_in_both(void **state)
{
    struct gate gone = gate_new();
    struct gate checked = gate_new();

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        gate_wait(&gone);
        NEED(is_filled('a'));
        size_t before_that = space_held(space);
        NEED(space_decommit(space, blocks[1], size_of(1)) == 0);
        /* Whole chunks of an ancestor's file are held no longer. */
        NEED(space_held(space) <= before_that - 2 * CHUNK);
        NEED(space_commit(space, blocks[1], size_of(1)) == 0);
        for (size_t i = 0; i < size_of(1); i++)
            NEED(blocks[1][i] == 0);
        memset(blocks[1], 'x', size_of(1));
        gate_open(&checked);
        _exit(0);
    }
    size_t held = space_held(space);
    blocks[1][7] = 'w';
    assert_int_equal(space_decommit(space, blocks[1], size_of(1)), 0);
    assert_int_equal(space_held(space), held);
    assert_true(atomic_load(&space->stale) >= size_of(1));
    gate_open(&gone);
    gate_wait(&checked);
    assert_int_equal(space_commit(space, blocks[1] + space->page, CHUNK), 0);
    for (size_t i = 0; i < CHUNK; i++)
        assert_int_equal(blocks[1][space->page + i], 0);
    check_child(child);
    thaw_all(space, true);
    check_thawed();
    assert_int_equal(atomic_load(&space->stale), 0);
    gate_close(&gone);
    gate_close(&checked);
}

static void a_child_that_frees_all_holds_nothing(void **state)
{
    (void)state;
    for (int has_file = 0; has_file < 2; has_file++) {
        pid_t child = fork_space();
        if (child == 0) {
            char *own = reserve(CHUNK);

            if (has_file != 0)
                NEED(space_commit(space, own, CHUNK) == 0);
            for (size_t i = 0; i < BLOCKS; i++)
                NEED(space_decommit(space, blocks[i], size_of(i)) == 0);
            space_trim(space);
            NEED(space_held(space) == (has_file != 0 ? CHUNK : 0));
            NEED(atomic_load(&space->frozen) == 0);
            for (size_t i = 0; i < BLOCKS; i++)
                NEED(space_commit(space, blocks[i], size_of(i)) == 0 && blocks[i][5] == 0);
            fill('z');
            NEED(is_filled('z'));
            NEED(file_space_held(space->fd) >= space_held(space));
            _exit(0);
        }
        check_child(child);
        assert_true(is_filled('a'));
    }
}

/* -- Generations ------------------------------------------------------------------------------- */

/* Each writes, commits and forks; each sees what its parent had. */
static void live(unsigned depth)
{
    char *own = reserve(CHUNK);
    int status = 0;

    NEED(space_commit(space, own, CHUNK) == 0);
    memset(own, 'A' + (int)depth % 26, CHUNK);
    fill((char)('a' + depth % 20));
    pid_t child = fork_space();
    NEED(child >= 0);
    NEED(atomic_load(&space->snapshot) == SPACE_SNAPSHOT_COPY);
    NEED(is_filled((char)('a' + depth % 20)) && own[77] == 'A' + (int)depth % 26);
    if (child == 0) {
        if (depth != 0)
            live(depth - 1);
        _exit(0);
    }
    fill('Z');
    memset(own, 0, CHUNK);
    NEED(waitpid(child, &status, 0) == child && status == 0);
    NEED(is_filled('Z'));
    thaw_all(space, true);
    NEED(is_filled('Z'));
}

static void children_of_children(void **state)
{
    int status;

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        live(SPACE_FILES_MOST + 4);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(is_filled('a'));
    thaw_all(space, true);
    check_thawed();
}

/* -- What the program has done to its pages ---------------------------------------------------- */

static int protection_of(const char *addr)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], letters[5] = "";
    unsigned long first, end;
    int protection = -1;

    while (protection < 0 && fgets(line, sizeof(line), maps) != NULL)
        if (sscanf(line, "%lx-%lx %4s", &first, &end, letters) == 3 && (uintptr_t)addr >= first &&
            (uintptr_t)addr < end)
            protection = (letters[0] == 'r' ? PROT_READ : 0) |
                         (letters[1] == 'w' ? PROT_WRITE : 0) | (letters[2] == 'x' ? PROT_EXEC : 0);
    fclose(maps);
    return protection;
}

static void check_protections(void)
{
    static const int protections[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};

    for (size_t i = 0; i < 3; i++)
        NEED(protection_of(blocks[1] + i * space->page) == protections[i]);
}

static void protections_stay(void **state)
{
    (void)state;
    NEED(mprotect(blocks[1], space->page, PROT_NONE) == 0);
    NEED(mprotect(blocks[1] + space->page, space->page, PROT_READ) == 0);
    pid_t child = fork_space();
    check_protections();
    blocks[1][2 * space->page] = 'w';
    /* Private, and then not to be read. */
    memset(blocks[3], 'y', space->page);
    NEED(mprotect(blocks[3], space->page, PROT_NONE) == 0);
    if (child == 0)
        _exit(0);
    check_child(child);
    thaw_all(space, true);
    check_protections();
    assert_int_equal(protection_of(blocks[3]), PROT_NONE);
    assert_int_equal(atomic_load(&space->frozen), 0);
    NEED(mprotect(blocks[1], 2 * space->page, PROT_READ | PROT_WRITE) == 0);
    NEED(mprotect(blocks[3], space->page, PROT_READ | PROT_WRITE) == 0);
    assert_int_equal(blocks[1][0], 'b');
    assert_int_equal(blocks[3][0], 'y');
    assert_int_equal(blocks[1][2 * space->page], 'w');
}

/* What the program has mapped into its block is shared with the child as it wanted it. */
static void own_mappings_stay(void **state)
{
    int fd = memfd_create("program", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(ftruncate(fd, (off_t)space->page), 0);
    char *page =
        __real_mmap(blocks[1], space->page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    assert_ptr_equal(page, blocks[1]);
    pid_t child = fork_space();
    if (child == 0) {
        page[0] = 'C';
        blocks[1][space->page] = 'C';
        _exit(0);
    }
    check_child(child);
    assert_int_equal(page[0], 'C');
    assert_int_equal(blocks[1][space->page], 'b');
    thaw_all(space, true);
    assert_int_equal(page[0], 'C');
    page[0] = 'P';
    char byte;
    assert_int_equal(__real_pread(fd, &byte, 1, 0), 1);
    assert_int_equal(byte, 'P');
    close(fd);
}

/* -- Calls that fail --------------------------------------------------------------------------- */

/* A fork for which nothing, or not all, can be frozen gets a copy; the next one can do without. */
static void check_copy_instead(struct fault *fault, int error, unsigned skip)
{
    clear_faults();
    *fault = (struct fault){.error = error, .skip = skip, .times = FAULT_ALWAYS};
    pid_t child = fork_space();
    if (child == 0) {
        NEED(atomic_load(&space->frozen) == 0 && !atomic_load(&space->lacks_file));
        NEED(is_filled('a'));
        fill('c');
        _exit(0);
    }
    clear_faults();
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_COPY);
    assert_false(space->is_frozen);
    check_child(child);
    assert_true(is_filled('a'));
    child = fork_space();
    if (child == 0) {
        NEED(is_filled('a'));
        fill('c');
        _exit(0);
    }
    assert_true(space->is_frozen);
    check_child(child);
    assert_true(is_filled('a'));
    thaw_all(space, true);
    check_thawed();
}

static void calls_that_freezing_needs(void **state)
{
    (void)state;
    check_copy_instead(&open_fault, EACCES, 0);
    check_copy_instead(&open_fault, ENOENT, 0);
    check_copy_instead(&list_fault, ENOMEM, 0);
    check_copy_instead(&holders_fault, ENOSPC, 0);
    check_copy_instead(&holders_fault, ENOSYS, 0);
    check_copy_instead(&private_fault, ENOMEM, 0);
    check_copy_instead(&private_fault, ENOMEM, 2);
}

/* The kernel may write to the program's memory while no thread does. */
static void no_freezing_beside_transfers(void **state)
{
    aio_context_t context = 0;

    (void)state;
    if (syscall(SYS_io_setup, 4, &context) != 0)
        skip();
    pid_t child = fork_space();
    if (child == 0) {
        NEED(is_filled('a') && !atomic_load(&space->lacks_file));
        _exit(0);
    }
    assert_false(space->is_frozen);
    assert_int_equal(atomic_load(&space->frozen), 0);
    check_child(child);
    assert_int_equal(syscall(SYS_io_destroy, context), 0);
    /* Nor is anything thawed. */
    child = fork_space();
    if (child == 0)
        _exit(0);
    check_child(child);
    assert_true(space->is_frozen);
    fill('b');
    context = 0;
    assert_int_equal(syscall(SYS_io_setup, 4, &context), 0);
    thaw_all(space, true);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    assert_int_equal(syscall(SYS_io_destroy, context), 0);
    thaw_all(space, true);
    check_thawed();
    assert_true(is_filled('b'));
}

static void spare_number_serves_the_list(void **state)
{
    (void)state;
    fault_set(&open_fault, EMFILE, 1);
    pid_t child = fork_space();
    if (child == 0) {
        char *own = reserve(CHUNK);

        NEED(is_filled('a') && file_space_of(space)->spare_fd >= 0);
        fault_set(&create_fault, EMFILE, 1);
        NEED(space_commit(space, own, CHUNK) == 0);
        NEED(file_space_of(space)->spare_fd >= 0 &&
             descriptor_is(file_space_of(space)->spare_fd, &file_space_of(space)->file));
        _exit(0);
    }
    assert_true(space->is_frozen);
    assert_true(file_space_of(space)->spare_fd >= 0);
    check_child(child);
}

/* A child's first commit outside of what it has inherited. */
static void calls_that_the_childs_file_needs(void **state)
{
    static const struct {
        struct fault *fault;
        int error;
        unsigned skip;
    } cases[] = {
        {&create_fault, ENOSPC, 0},  {&create_fault, EMFILE, 0}, {&stat_fault, EIO, 1},
        {&shared_fault, ENOMEM, 0},  {&shared_fault, ENOMEM, 1}, {&shared_fault, ENOMEM, 3},
        {&protect_fault, ENOMEM, 0},
    };

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        char *own = reserve(CHUNK);

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            *cases[i].fault = (struct fault){
                .error = cases[i].error, .skip = cases[i].skip, .times = FAULT_ALWAYS};
            NEED(space_commit(space, own, CHUNK) != 0);
            NEED(atomic_load(&space->lacks_file));
            clear_faults();
        }
        NEED(space_commit(space, own, CHUNK) == 0);
        memset(own, 1, CHUNK);
        NEED(is_filled('a'));
        fill('c');
        NEED(is_filled('c'));
        space_destroy(space);
        _exit(0);
    }
    check_child(child);
    assert_true(is_filled('a'));
}

/* Where no file can be made any more, the child's is in DRAM. */
static void a_child_without_the_directory(void **state)
{
    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        char *own = reserve(CHUNK);

        fault_set(&create_fault, EACCES, FAULT_ALWAYS);
        NEED(space_commit(space, own, CHUNK) == 0);
        NEED(file_space_of(space)->in_memory);
        memset(own, 1, CHUNK);
        NEED(is_filled('a'));
        _exit(0);
    }
    check_child(child);
}

static void commits_in_frozen_chunks_fail(void **state)
{
    char *page = blocks[0] + 5 * space->page;
    struct gate end = gate_new();

    (void)state;
    pid_t child = fork_space();
    size_t held = space_held(space);
    fault_set(&allocate_fault, ENOSPC, FAULT_ALWAYS);
    NEED(space_commit(space, page, space->page) == -ENOSPC);
    NEED(space_held(space) == held);
    fault_set(&allocate_fault, EOPNOTSUPP, FAULT_ALWAYS);
    fault_set(&advise_fault, EFAULT, FAULT_ALWAYS);
    NEED(space_commit(space, page, space->page) == -ENOSPC);
    NEED(space_held(space) == held);
    /* Or else the page is there by being written to. */
    advise_fault = (struct fault){0};
    NEED(space_commit(space, page, space->page) == 0);
    NEED(page[0] == 0);
    page[0] = 'x';
    clear_faults();
    if (child == 0) {
        gate_wait(&end);
        _exit(0);
    }
    gate_open(&end);
    check_child(child);
    gate_close(&end);
    assert_int_equal(page[0], 'x');
    thaw_all(space, true);
    assert_int_equal(page[0], 'x');
}

/* A descriptor that the program has closed, of the child's or of its parent's file. */
static void frozen_files_without_descriptor(void **state)
{
    char *page = blocks[0] + 5 * space->page;

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        close(file_space_of(space)->older[0].fd);
        NEED(space_commit(space, page, space->page) == 0);
        memset(page, 1, space->page);
        NEED(is_filled('a'));
        _exit(0);
    }
    check_child(child);
}

/* -- Thawing ----------------------------------------------------------------------------------- */

static void freeze_and_write(void)
{
    pid_t child = fork_space();

    if (child == 0)
        _exit(0);
    check_child(child);
    fill('b');
}

/* What cannot be written or mapped stays frozen, and nothing is lost. */
static void check_stays_frozen(struct fault *fault, int error, unsigned skip)
{
    clear_faults();
    freeze_and_write();
    *fault = (struct fault){.error = error, .skip = skip, .times = FAULT_ALWAYS};
    thaw_all(space, true);
    clear_faults();
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    assert_true(is_filled('b'));
    fill('c');
    thaw_all(space, true);
    check_thawed();
    assert_true(is_filled('c'));
    check_file();
}

static void calls_that_thawing_needs(void **state)
{
    (void)state;
    check_stays_frozen(&write_fault, EIO, 0);
    check_stays_frozen(&write_fault, ENOSPC, 1);
    check_stays_frozen(&shared_fault, ENOMEM, 0);
    check_stays_frozen(&shared_fault, ENOMEM, 1);
    check_stays_frozen(&open_fault, EACCES, 1);
}

static void protections_of_a_thaw_that_fails(void **state)
{
    (void)state;
    freeze_and_write();
    NEED(mprotect(blocks[1], space->page, PROT_NONE) == 0);
    fault_set(&write_fault, EIO, FAULT_ALWAYS);
    thaw_all(space, true);
    assert_int_equal(protection_of(blocks[1]), PROT_NONE);
    clear_faults();
    fault_set(&protect_fault, ENOMEM, 1);
    thaw_all(space, true);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    thaw_all(space, true);
    assert_int_equal(atomic_load(&space->frozen), 0);
    assert_int_equal(protection_of(blocks[1]), PROT_NONE);
    NEED(mprotect(blocks[1], space->page, PROT_READ | PROT_WRITE) == 0);
    assert_true(is_filled('b'));
}

/* Without a page map all is written. */
static void thaw_without_a_page_map(void **state)
{
    (void)state;
    freeze_and_write();
    fault_set(&open_fault, EACCES, 1);
    thaw_all(space, true);
    check_thawed();
    freeze_and_write();
    fault_set(&read_fault, EIO, FAULT_ALWAYS);
    thaw_all(space, true);
    check_thawed();
    assert_true(is_filled('b'));
    check_file();
}

/* Only what was written to is written to the file. */
static void thaw_writes_what_has_changed(void **state)
{
    (void)state;
    pid_t child = fork_space();
    if (child == 0)
        _exit(0);
    check_child(child);
    blocks[1][CHUNK] = 'w';
    thaw_all(space, true);
    check_thawed();
    assert_int_equal(write_fault.calls, 1);
    assert_int_equal(blocks[1][CHUNK], 'w');
    check_file();
}

/* A thread that cannot be stopped: an interruption would be seen. */
static void *write_much(void *pipe_end)
{
    enum { SIZE = 1 << 20 };
    static char bytes[SIZE];

    NEED(write(*(int *)pipe_end, bytes, SIZE) == SIZE);
    return NULL;
}

static void wait_until_full(int pipe_end)
{
    enum { ROOM = 65536 };
    int size = 0;

    while (size < ROOM)
        assert_int_equal(ioctl(pipe_end, FIONREAD, &size), 0);
    usleep(10000);
}

static void *wait_at_gate(void *gate)
{
    gate_wait(gate);
    return NULL;
}

static void not_while_others_could_write(void **state)
{
    struct gate end = gate_new();
    pthread_t thread;
    char bytes[4096];
    int ends[2];

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        gate_wait(&end);
        _exit(0);
    }
    fill('b');
    thaw_all(space, true);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    gate_open(&end);
    check_child(child);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_much, &ends[1]), 0);
    wait_until_full(ends[0]);
    thaw_all(space, true);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    for (size_t size = 0; size < 1 << 20;)
        size += (size_t)read(ends[0], bytes, sizeof(bytes));
    pthread_join(thread, NULL);
    close(ends[0]);
    close(ends[1]);
    for (int i = 0; i < 1000 && atomic_load(&space->frozen) != 0; i++) {
        thaw_all(space, true);
        usleep(1000);
    }
    check_thawed();
    assert_true(is_filled('b'));
    gate_close(&end);
}

/* -- Threads that write ------------------------------------------------------------------------ */

#define WRITERS      4
#define WRITER_WORDS 2048 /* in pages of its own */

static atomic_bool over;
static atomic_ulong writes;
static int pipes[2];
static int sockets[2];
static int epoll;

/* Ways to write a number to memory. */
static void store_number(unsigned *at, unsigned number)
{
    *(volatile unsigned *)at = number;
}

static void read_number(unsigned *at, unsigned number)
{
    NEED(write(pipes[1], &number, sizeof(number)) == sizeof(number));
    NEED(read(pipes[0], at, sizeof(number)) == sizeof(number));
}

static void receive_number(unsigned *at, unsigned number)
{
    NEED(send(sockets[1], &number, sizeof(number), 0) == sizeof(number));
    NEED(recv(sockets[0], at, sizeof(number), 0) == sizeof(number));
}

/* epoll_wait(2) writes the number as the data of its event. */
static void wait_for_number(unsigned *at, unsigned number)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = number};
    struct epoll_event *result = (void *)at;

    NEED(epoll_ctl(epoll, EPOLL_CTL_MOD, sockets[1], &event) == 0);
    NEED(epoll_wait(epoll, result, 1, -1) == 1);
    NEED(result->data.u32 == number);
}

static void thaw_until_done(void)
{
    for (int i = 0; i < 1000 && atomic_load(&space->frozen) != 0; i++) {
        thaw_all(space, true);
        usleep(1000);
    }
}

struct writer {
    void (*write_number)(unsigned *at, unsigned number);
    unsigned *words;
    size_t step;  /* words between two numbers */
    size_t place; /* of the number, from there on */
};

static void *write_numbers(void *argument)
{
    const struct writer *writer = argument;
    unsigned expected[WRITER_WORDS] = {0};
    unsigned number = 1;

    while (!atomic_load(&over))
        for (size_t i = 0; i < WRITER_WORDS; i += writer->step, number++) {
            unsigned *at = writer->words + i;

            if (expected[i] != 0)
                NEED(at[writer->place] == expected[i]);
            writer->write_number(at, number);
            expected[i] = number;
            atomic_fetch_add(&writes, 1);
        }
    return NULL;
}

/* Nothing that a thread writes is lost, however it is written, and no call fails. */
static void threads_that_write(void **state)
{
    struct writer writers[WRITERS] = {
        {.write_number = store_number, .step = 1},
        {.write_number = read_number, .step = 8},
        {.write_number = receive_number, .step = 8},
        {.write_number = wait_for_number, .step = 8, .place = 1},
    };
    pthread_t threads[WRITERS];
    unsigned thaws = 0;

    (void)state;
    struct epoll_event event = {.events = EPOLLOUT};
    assert_int_equal(pipe(pipes) | socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[1], &event), 0);
    atomic_store(&over, false);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].words = (unsigned *)(void *)(blocks[1] + i * 16 * 4096);
        assert_int_equal(pthread_create(&threads[i], NULL, write_numbers, &writers[i]), 0);
    }
    for (int i = 0; i < 150; i++) {
        pid_t child = fork_space();
        if (child == 0)
            _exit(0);
        check_child(child);
        blocks[0][0] = (char)i;
        thaw_all(space, true);
        thaws += atomic_load(&space->frozen) == 0;
        assert_int_equal(blocks[0][0], (char)i);
        if (i % 3 == 0)
            usleep(1000);
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    print_message("%lu writes, thawed %u of 150 times\n", atomic_load(&writes), thaws);
    /* A busy machine may not stop all threads in time; but it does when there are no others. */
    thaw_until_done();
    check_thawed();
    close(pipes[0]);
    close(pipes[1]);
    close(sockets[0]);
    close(sockets[1]);
    close(epoll);
}

/* The stack that this runs on lies in a frozen chunk: others are thawed, and it goes on. */
static void thaw_on_stack(void)
{
    volatile unsigned sum = 0;

    for (volatile unsigned i = 0; i < 100; i++) {
        thaw_all(space, true);
        sum = sum + i;
    }
    NEED(sum == 99 * 50);
    swapcontext(&on_stack, &beside_stack);
}

static void a_stack_in_the_space(void **state)
{
    enum { STACK_SIZE = 1 << 20 };

    (void)state;
    char *stack = reserve(2 * CHUNK);
    assert_int_equal(space_commit(space, stack, 2 * CHUNK), 0);
    memset(stack, 's', 2 * CHUNK);
    freeze_and_write();
    getcontext(&on_stack);
    on_stack.uc_stack.ss_sp = stack + CHUNK / 2;
    on_stack.uc_stack.ss_size = STACK_SIZE;
    on_stack.uc_link = NULL;
    makecontext(&on_stack, thaw_on_stack, 0);
    swapcontext(&beside_stack, &on_stack);
    assert_in_range(atomic_load(&space->frozen), CHUNK, 2 * CHUNK);
    assert_true(is_filled('b'));
    thaw_all(space, true);
    check_thawed();
    assert_int_equal(stack[0], 's');
}

/* By and by, as pages come and go, and not at once after a fork. */
static void commits_thaw(void **state)
{
    char *page = blocks[0] + 5 * space->page;

    (void)state;
    freeze_and_write();
    thaw_before_fork();
    assert_int_equal(space_commit(space, page, space->page), 0);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    for (int i = 0; i < 100 && space->holders != NULL; i++) {
        usleep(50000);
        assert_int_equal(space_decommit(space, page, space->page), 0);
        assert_int_equal(space_commit(space, page, space->page), 0);
    }
    check_thawed();
    assert_true(is_filled('b'));
    check_file();
}

static void come_and_go(unsigned times)
{
    char *page = blocks[0] + 5 * space->page;

    assert_int_equal(space_commit(space, page, space->page), 0);
    for (unsigned i = 0; i < times && space->holders != NULL; i++) {
        usleep(50000);
        assert_int_equal(space_decommit(space, page, space->page), 0);
        assert_int_equal(space_commit(space, page, space->page), 0);
    }
}

/* With another thread, that waits. */
static void commits_thaw_beside_threads(void **state)
{
    struct gate end = gate_new();
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wait_at_gate, &end), 0);
    freeze_and_write();
    come_and_go(200);
    gate_open(&end);
    pthread_join(thread, NULL);
    gate_close(&end);
    check_thawed();
    assert_true(is_filled('b'));
    check_file();
}

static void only_by_request(void **state)
{
    (void)state;
    assert_int_equal(setenv("MEMKIND_PMEM_THAW", "manual", 1), 0);
    thaw_configure();
    freeze_and_write();
    assert_false(thaw_is_due(space));
    come_and_go(30);
    thaw_all(space, false);
    assert_false(thaw_in_background(space));
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    assert_int_equal(setenv("MEMKIND_PMEM_THAW", "auto", 1), 0);
    thaw_configure();
    assert_true(thaw_is_due(space));
    while (thaw_in_background(space))
        ;
    check_thawed();
    /* Anything else is ignored. */
    assert_int_equal(setenv("MEMKIND_PMEM_THAW", "never", 1), 0);
    thaw_configure();
    freeze_and_write();
    assert_true(thaw_is_due(space));
    unsetenv("MEMKIND_PMEM_THAW");
    thaw_all(space, true);
    check_thawed();
}

static void many_runs_take_few_maps(void **state)
{
    enum { RUNS = 1400 };
    static char *pages[RUNS];

    (void)state;
    size_t maps = count_maps();
    for (size_t i = 0; i < RUNS; i++) {
        pages[i] = reserve(2 * CHUNK);
        assert_int_equal(space_commit(space, pages[i], space->page), 0);
        pages[i][0] = (char)i;
    }
    pid_t child = fork_space();
    if (child == 0) {
        for (size_t i = 0; i < RUNS; i++) {
            NEED(pages[i][0] == (char)i);
            pages[i][0] = 'c';
        }
        _exit(0);
    }
    assert_in_range(count_maps(), maps, maps + 100);
    check_child(child);
    for (size_t i = 0; i < RUNS; i++)
        assert_int_equal(pages[i][0], (char)i);
    thaw_all(space, true);
    check_thawed();
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    /* Its own thread cannot be stopped. */
    if (SANITIZED)
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        TEST(each_has_the_moment_of_the_fork),
        TEST(a_fork_copies_nothing),
        TEST(a_further_fork_finds_chunks_frozen),
        TEST(commit_in_both),
        TEST(decommit_in_both),
        TEST(a_child_that_frees_all_holds_nothing),
        TEST(children_of_children),
        TEST(protections_stay),
        TEST(own_mappings_stay),
        TEST(calls_that_freezing_needs),
        TEST(no_freezing_beside_transfers),
        TEST(spare_number_serves_the_list),
        TEST(calls_that_the_childs_file_needs),
        TEST(a_child_without_the_directory),
        TEST(commits_in_frozen_chunks_fail),
        TEST(frozen_files_without_descriptor),
        TEST(calls_that_thawing_needs),
        TEST(protections_of_a_thaw_that_fails),
        TEST(thaw_without_a_page_map),
        TEST(thaw_writes_what_has_changed),
        TEST(not_while_others_could_write),
        TEST(threads_that_write),
        TEST(a_stack_in_the_space),
        TEST(commits_thaw),
        TEST(commits_thaw_beside_threads),
        TEST(only_by_request),
        TEST(many_runs_take_few_maps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
