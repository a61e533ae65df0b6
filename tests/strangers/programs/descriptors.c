/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: a program that requests the descriptor number of the heap's file gets "Device or resource
 * busy", and its output is written into the heap.
 *
 * Usage: descriptors CASE. MEMKIND_PRELOAD_DIR is the directory of the heap's file.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS     2000
#define BLOCK_SIZE ((size_t)4096)
#define BIG        ((size_t)12 << 20)
#define LINE       "a line of the program's\n"
#define NUMBERS    2048
#define LINES      500

/* Missing in some libcs' headers. */
int close_range(unsigned first, unsigned last, int flags);
void closefrom(int first);

static unsigned char *blocks[BLOCKS];
static long open_max;   /* what sysconf(3) returns for descriptors; 0: the true number */
static int report = -1; /* where failures are printed: the standard streams may be closed */

#define NEED(condition)                                                                   \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            int error = errno;                                                            \
            dprintf(report >= 0 ? report : STDERR_FILENO, "line %d: %s (%s)\n", __LINE__, \
                    #condition, strerror(error));                                         \
            _exit(1);                                                                     \
        }                                                                                 \
    } while (0)

/* The preload library finds this function before libc's. */
long sysconf(int name)
{
    struct rlimit limit;

    if (name == _SC_OPEN_MAX)
        return open_max != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0 ? open_max
                                                                      : (long)limit.rlim_cur;
    return name == _SC_PAGESIZE ? (long)getauxval(AT_PAGESZ) : -1;
}

/* -- The heap ---------------------------------------------------------------------------------- */

/* Returns the descriptor of the heap's file. */
static int number_of_heap(void)
{
    const char *place = getenv("MEMKIND_PRELOAD_DIR");

    NEED(place != NULL);
    for (int fd = 0; fd < NUMBERS; fd++) {
        char link[64];
        char target[4096];

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, target, sizeof(target) - 1);
        if (length < 0)
            continue;
        target[length] = '\0';
        if (strncmp(target, place, strlen(place)) == 0 && strstr(target, "(deleted)") != NULL)
            return fd;
    }
    return -1;
}

static void fill_blocks(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_SIZE);
        NEED(blocks[i] != NULL);
        memset(blocks[i], i, BLOCK_SIZE);
    }
}

static void check_blocks(void)
{
    for (int i = 0; i < BLOCKS; i++)
        for (size_t at = 0; at < BLOCK_SIZE; at++)
            NEED(blocks[i][at] == (unsigned char)i);
}

/* Checks that the heap is intact and can grow. */
static void check_heap(void)
{
    check_blocks();
    unsigned char *big = malloc(BIG);
    NEED(big != NULL);
    memset(big, 7, BIG);
    free(big);
    for (int i = 0; i < BLOCKS; i += 50) {
        free(blocks[i]);
        blocks[i] = malloc(BLOCK_SIZE);
        NEED(blocks[i] != NULL);
        memset(blocks[i], i, BLOCK_SIZE);
    }
    check_blocks();
}

static void check_child(void)
{
    int status;
    pid_t child = fork();

    NEED(child >= 0);
    if (child == 0) {
        check_heap();
        _exit(0);
    }
    NEED(waitpid(child, &status, 0) == child);
    NEED(status == 0);
    check_heap();
}

/*
 * Opens a file of the program with that number, or the lowest, and checks that only the program's
 * line is in it.
 */
static int own_file(int number)
{
    int fd = memfd_create("program", MFD_CLOEXEC);

    NEED(fd >= 0);
    if (number >= 0 && number != fd) {
        NEED(dup2(fd, number) == number);
        NEED(close(fd) == 0);
        fd = number;
    }
    NEED(write(fd, LINE, strlen(LINE)) == (ssize_t)strlen(LINE));
    return fd;
}

static void check_own_file(int fd)
{
    struct stat status;
    char text[sizeof(LINE)] = "";

    NEED(fstat(fd, &status) == 0);
    NEED(status.st_size == (off_t)strlen(LINE));
    NEED(pread(fd, text, strlen(LINE), 0) == (ssize_t)strlen(LINE));
    NEED(strcmp(text, LINE) == 0);
}

/* -- Cases ------------------------------------------------------------------------------------- */

/* Started with closed streams: what is printed goes nowhere, and not into the heap. */
static void streams(void)
{
    report = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    fill_blocks();
    NEED(number_of_heap() > STDERR_FILENO);
    for (int i = 0; i < LINES; i++) {
        (void)!write(STDIN_FILENO, LINE, strlen(LINE));
        (void)!write(STDOUT_FILENO, LINE, strlen(LINE));
        (void)!write(STDERR_FILENO, LINE, strlen(LINE));
        fprintf(stdout, "%s", LINE);
        fflush(stdout);
    }
    check_heap();
    check_child();
}

/* Requests low numbers by name, and the number of the heap's file. */
static void replace(void)
{
    fill_blocks();
    for (int fd = 3; fd < 20; fd++) {
        int own = own_file(fd);
        check_heap();
        check_own_file(own);
    }
    for (int i = 0; i < 5; i++) {
        int number = number_of_heap();
        NEED(number > 2);
        int own = i % 2 == 0 ? own_file(number) : own_file(-1);
        if (i % 2 != 0)
            NEED(dup3(own, number, O_CLOEXEC) == number);
        check_child();
        check_own_file(number);
        NEED(close(number) == 0);
        check_heap();
    }
    /* Calls that must fail: the number stays as free as it seemed. */
    int number = number_of_heap();
    NEED(dup2(NUMBERS - 1, number) == -1 && errno == EBADF);
    number = number_of_heap();
    NEED(dup3(0, number, -1) == -1 && errno == EINVAL);
    NEED(dup2(number_of_heap(), number_of_heap()) == number_of_heap());
    check_child();
}

/* Closes all descriptors, in every way. */
static void close_all(void)
{
    report = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    fill_blocks();
    NEED(report < 20);
    for (int way = 0; way < 3; way++) {
        if (way == 0)
            for (int fd = 20; fd < NUMBERS; fd++)
                NEED(close(fd) == 0 || errno == EBADF);
        else if (way == 1)
            closefrom(20);
        else
            NEED(close_range(20, ~0u, 0) == 0);
        for (int fd = 3; fd < 10; fd++)
            close(fd);
        int own[20];
        for (int i = 0; i < 20; i++)
            own[i] = own_file(-1);
        check_child();
        for (int i = 0; i < 20; i++) {
            check_own_file(own[i]);
            NEED(close(own[i]) == 0);
        }
    }
}

/* As close_all(), by system calls that no library can intercept. */
static void close_unseen(void)
{
    report = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    fill_blocks();
    int number = number_of_heap();
    for (int fd = 3; fd < NUMBERS; fd++)
        if (fd != report)
            syscall(SYS_close, fd);
    int own = memfd_create("program", MFD_CLOEXEC);
    NEED(write(own, LINE, strlen(LINE)) == (ssize_t)strlen(LINE));
    NEED(syscall(SYS_dup3, own, number, 0) == number);
    check_blocks();
    /* There may be no more memory, but no block is damaged. */
    for (int i = 0; i < BLOCKS; i += 2) {
        free(blocks[i]);
        blocks[i] = malloc(BLOCK_SIZE);
        if (blocks[i] == NULL)
            blocks[i] =
                mmap(NULL, BLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(blocks[i], i, BLOCK_SIZE);
    }
    free(malloc(BIG));
    check_blocks();
    check_own_file(own);
    check_own_file(number);
}

/* A child that shares the parent's memory changes its own descriptors. */
static void borrowed_memory(void)
{
    int status;

    fill_blocks();
    int number = number_of_heap();
    int own = own_file(-1);
    pid_t child = vfork();
    NEED(child >= 0);
    if (child == 0) {
        (void)dup2(own, number);
        (void)close(number);
        closefrom(own + 1);
        _exit(0);
    }
    NEED(waitpid(child, &status, 0) == child);
    NEED(status == 0);
    NEED(number_of_heap() == number);
    check_heap();
    check_child();
    check_own_file(own);
}

/* All numbers are used: the program gets the error. */
static void no_number(void)
{
    struct rlimit limit = {.rlim_cur = NUMBERS, .rlim_max = NUMBERS};

    fill_blocks();
    int number = number_of_heap();
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    while (dup(STDIN_FILENO) >= 0)
        ;
    NEED(dup2(STDIN_FILENO, number) == -1 && errno == EMFILE);
    check_heap();
    for (int i = 0; i < 3; i++)
        check_child();
}

/* Counts close(2) and dup2(2) in this process, as other libraries' wrappers would. */
static void wrapped(void)
{
    fill_blocks();
    int own = own_file(-1);
    for (int i = 0; i < 10; i++) {
        NEED(dup2(own, number_of_heap()) >= 0);
        NEED(dup2(own, 9) == 9);
        NEED(close(9) == 0);
    }
    check_own_file(own);
    check_child();
}

/* A kernel without close_range(2), and a limit of 10^9: closing each number would take minutes. */
static void old_kernel(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    open_max = 1000000000;
    fill_blocks();
    NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        _exit(77);
    for (int fd = 3; fd < NUMBERS / 4; fd += 7)
        (void)dup2(STDERR_FILENO, fd);
    int kept = fcntl(STDERR_FILENO, F_DUPFD, 3);
    errno = ENOENT;
    closefrom(kept + 1);
    NEED(errno == ENOENT);
    for (int fd = kept + 1; fd < NUMBERS; fd++)
        NEED(close(fd) == -1 && errno == EBADF);
    NEED(fcntl(kept, F_GETFD) >= 0);
    check_child();
}

/* -- Running them ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"streams", streams},           {"replace", replace},          {"close-all", close_all},
    {"close-unseen", close_unseen}, {"borrowed", borrowed_memory}, {"no-number", no_number},
    {"old-kernel", old_kernel},     {"wrapped", wrapped},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++)
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run();
            return 0;
        }
    return 2;
}
