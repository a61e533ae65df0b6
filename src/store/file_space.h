/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The space of the file store, for the files that implement the store.
 *
 * The program may close the file's descriptor. Maps of the file stay, and space is released through
 * them in any case. To take space, the file is opened again where the process has the privilege
 * (os/descriptor.h). Without the privilege, pages within the length of the file are populated,
 * which takes their space as well; no space can be taken beyond.
 */
#pragma once

#include <stddef.h>

#include "os/descriptor.h"
#include "space/space.h"

/* A file of an ancestor's, over which chunks of the space are frozen. */
struct older_file {
    int fd; /* -1: none */
    struct descriptor_file file;
    void *pin;
    size_t size; /* bytes that the file certainly has */
    struct holders *holders;
};

struct file_space {
    struct space space;            /* fd: the file's */
    struct directory *directory;   /* where the file was made; NULL while there is no file */
    struct descriptor_file file;   /* what fd stands for, unless the program has closed it */
    void *pin;                     /* a page of the file that stays mapped; NULL: none */
    atomic_bool lost;              /* fd is closed, and the file cannot be opened again */
    bool in_memory;                /* the file system keeps the file in memory */
    bool faults_reserve;           /* tmpfile_faults_reserve() */
    atomic_bool large_pages;       /* the file may have to split pages to release a part */
    atomic_bool cannot_populate;   /* memory does not come by populating the mapping */
    atomic_uint checks;            /* made for these two, so far */
    atomic_uint collapse_pause;    /* commits until the next attempt to collapse */
    atomic_uint collapse_failures; /* the pause after the last failure; 0 after a success */
    pthread_mutex_t extend_lock;   /* guards file_size */
    size_t file_size;              /* bytes; of a file in memory or with frozen chunks, else 0 */
    int spare_fd;                  /* another descriptor of the file for a fork, -1: none */
    int copy_fd;                   /* the copy's, during a fork; -1: none */
    struct descriptor_file copy;   /* what copy_fd stands for */
    struct older_file older[SPACE_FILES_MOST]; /* by number; those before the space's own file */
};

static inline struct file_space *file_space_of(const struct space *space)
{
    return (struct file_space *)((char *)space - offsetof(struct file_space, space));
}

/*
 * Returns the descriptor of the file. Where the program has closed the descriptor, the file is
 * opened again, and space.fd is the new descriptor. -EBADF where that fails, and where there is no
 * file. Thread-safe.
 */
int file_space_fd(struct file_space *file_space);

/*
 * Returns the descriptor of the file. -EBADF: the program has closed the descriptor, or there is no
 * file. Thread-safe.
 */
int file_space_known_fd(const struct file_space *file_space);

/*
 * Maps a page of the file for the life of the space, in place of the page of an earlier file. While
 * the page is mapped, no other file can get the number of the inode, and the file can be opened
 * again, even before a segment is mapped. 0 or -errno.
 */
int file_space_pin(struct file_space *file_space, int fd);

/* Records the properties of the file system of fd. */
void file_space_check_file_system(struct file_space *file_space, int fd);

/* Closes the descriptors, or the spare one. */
void file_space_close(struct file_space *file_space);
void file_space_close_spare(struct file_space *file_space);

/* Lengthens the file to `end` bytes, if possible. */
void file_space_lengthen(struct file_space *file_space, int fd, size_t end);

/* Creates a nameless file for a child of this process. Returns its descriptor or -errno. */
int file_space_create_like(const struct file_space *file_space);

/*
 * In the child of a fork, before a commit outside frozen chunks: creates the space's own file,
 * unless the space has one. Until then, an ancestor's file is mapped there, which the child must
 * not write to. 0 or -errno. Thread-safe.
 */
int file_space_need_file(struct file_space *file_space);

/* The operations of the store that take space, in file_commit.c. */
int file_store_commit(struct space *space, void *addr, off_t offset, size_t size);

/* Operations of the store for frozen chunks, in file_freeze.c; contracts in struct store_ops. */
const void *file_store_known_page(const struct space *space);
const struct descriptor_file *file_store_file(const struct space *space);
bool file_store_has_policy(const struct space *space, void *addr);
int file_store_descriptor(struct space *space);
int file_store_freeze(struct space *space, void *addr, off_t offset, size_t size,
                      const struct process_map *like);
int file_store_thaw(struct space *space, void *addr, off_t offset, size_t size,
                    const struct process_map *like);
void file_store_leave_file(struct space *space);
int file_store_take_over(struct space *space);
void file_store_forget_files(struct space *space);
int file_store_commit_frozen(struct space *space, unsigned number, void *addr, off_t offset,
                             size_t size);
int file_store_thaw_unused(struct space *space, void *addr);

/* The operations of the store for forks, in file_copy.c; contracts in struct store_ops. */
void file_store_keep_spare(struct space *space);
bool file_store_use_spare(struct space *space);
int file_store_copy(struct space *space);
void file_store_drop_copy(struct space *space);
int file_store_adopt_copy(struct space *space);
