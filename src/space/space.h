/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address space and the file space of one kind: 2 MiB chunks, their offsets, the limit, the
 * accounting.
 *
 *    segment   address space taken from the kernel at once, mapped over the store from an
 *              offset on; at least one granule of the address map, each as large as all before it
 *              together, so that terabytes need a few dozen maps; given back with the space
 *    region    what one call of space_reserve() hands out: whole chunks of a segment, to one arena
 *    page      is in one of four states:
 *
 *              empty   no file space
 *              ahead   committed along with others around it, not handed out
 *              used    committed and handed out
 *              stale   handed back, but the store did not take it: it has its old contents
 *
 *              empty --commit--> used      empty --commit of a page near by--> ahead
 *              ahead --commit--> used      ahead --trim, or no page of its chunk is used--> empty
 *              used --decommit--> empty    and reads as zero when it is committed again
 *              used --decommit--> ahead    where the store could not give back part of a large page
 *              used --decommit--> stale    where it failed to give it back: an error of the disk,
 *                                          no room to note a hole, locked pages
 *              stale --trim, or a later decommit near by--> empty
 *              stale --commit--> used      after its store was taken again, and set to zero
 *
 * Address and offset are congruent modulo a chunk, so that one PMD entry can map a chunk on DAX.
 * File space is committed before it is touched, so a full file system is an error here and never a
 * SIGBUS.
 *
 * Locks (util/lock.h): `lock` guards segments and regions being made; each region has a lock of its
 * own for the states of its pages, held while the store is asked, and `extend_lock` guards
 * the length of the file. A region belongs to one arena, so arenas meet only at the atomic counter
 * of bytes held and, in the kernel, at the file's inode: with many processors that is where commits
 * wait, and why they are made a chunk or more at a time.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "space/metadata.h"
#include "util/align.h"

#define SPACE_CHUNK_SHIFT LARGE_PAGE_SHIFT
#define SPACE_CHUNK       LARGE_PAGE
#define SPACE_CHUNK_PAGES ((size_t)512) /* most in a chunk */

struct directory;
struct range;
struct region;
struct segment;
struct space;

/* What a store's memory comes from: what one store releases, a store of an equal source can get. */
struct store_source {
    const void *pool; /* NULL: the file system of `device` */
    dev_t device;
};

/*
 * The operations of a store. The functions get the space that the store's own struct embeds.
 * offset and size are multiples of a page. Functions of type int return 0 or -errno.
 */
struct store_ops {
    /* The child of a fork has the parent's store, not a copy of it. */
    bool is_shared;

    /* Ends a space that the store's create function has made: space_fini(), what the store has
     * beside, and the memory. */
    void (*destroy)(struct space *space);

    /* Replaces the reservation [addr, addr + size) by the store from offset on. No store is used up
     * yet; a store that cannot be read before it is committed need not be accessible: see
     * segment_open(). */
    int (*map)(struct space *space, void *addr, size_t size, off_t offset);

    /*
     * Makes the range, mapped at addr, safe to touch. On failure it may be so in part: release()
     * then undoes it. A store that deals in whole chunks may hold more of them than was requested,
     * and sets space->whole_chunks.
     */
    int (*commit)(struct space *space, void *addr, off_t offset, size_t size);

    /* Gives the store of the range back; it reads as zero afterwards. -EOPNOTSUPP where that cannot
     * be done. */
    int (*release)(struct space *space, void *addr, off_t offset, size_t size);

    /*
     * Which pages of a released range within one chunk are held nevertheless, since they are part
     * of a large page that could not be split: kept[i] is not 0 for these, and they read as zero.
     * False where there are none. NULL where that cannot be.
     */
    bool (*kept)(const struct space *space, off_t offset, size_t size, unsigned char *kept);

    /* -- Forks: NULL where is_shared is false -- */

    /* In the child: makes *fresh an empty space like `inherited` over a store of the child's own,
     * for space_destroy(). */
    int (*renew)(const struct space *inherited, struct space **fresh);

    /* In the child: closes the descriptors of an ancestor's store. What is mapped stays mapped. */
    void (*close)(struct space *space);

    /* -- Copies for children: NULL where a store has none -- */

    /* After each fork, and before the first: keeps a descriptor ready for the next one, if it
     * can. */
    void (*keep_spare)(struct space *space);

    /* Gives that up. Whether a descriptor is free now. */
    bool (*use_spare)(struct space *space);

    /* Before the fork: makes a copy of the store and of what it holds. On failure nothing is left.
     * No page changes its state meanwhile. */
    int (*copy)(struct space *space);

    /* In the parent: closes the copy, if there is one, and prepares for the next. */
    void (*drop_copy)(struct space *space);

    /* In the child: the copy takes the store's place, and is not mapped yet. */
    int (*adopt_copy)(struct space *space);

    /* -- Frozen chunks, see freeze.h: NULL where a store has none -- */

    /*
     * Maps the range, mapped at addr, anew with this protection of mmap(2): what this process
     * writes from now on is its own, and what it reads is the store's until then.
     */
    int (*freeze)(struct space *space, void *addr, off_t offset, size_t size, int protection);

    /* Maps the range as it was before. What the process has written is lost. */
    int (*thaw)(struct space *space, void *addr, off_t offset, size_t size, int protection);

    /* A page of the store that is always mapped, and its descriptor, or -errno. */
    const void *(*known_page)(const struct space *space);
    int (*descriptor)(struct space *space);

    /* In the child: the store is the parent's. Chunks may be frozen over its file, which gets the
     * number space->file_number; then that is the next. */
    void (*leave_file)(struct space *space);

    /* No chunk is frozen any more over an ancestor's file. */
    void (*forget_files)(struct space *space);

    /* commit() for a range that is frozen over the file of that number. */
    int (*commit_frozen)(struct space *space, unsigned number, void *addr, off_t offset,
                         size_t size);

    /*
     * A chunk that is frozen over an ancestor's file, and of which no page is used, is frozen no
     * longer; it is empty.
     */
    int (*thaw_unused)(struct space *space, void *addr);

    /* -- Queries: NULL where the store cannot tell, or -ENODATA -- */

    /* How large the store could get, for *size. */
    int (*capacity)(const struct space *space, size_t *size);

    /*
     * How much more could be committed at this moment, at most, for *size. -ENODATA also where the
     * answer costs more than an attempt to commit `needed` bytes.
     */
    int (*room)(const struct space *space, size_t needed, size_t *size);

    /* How much the store holds for the space, for *bytes. NULL where nobody else can fill it. */
    int (*holds)(const struct space *space, size_t *bytes);

    /* The offset from which on nothing can be committed at present. */
    size_t (*longest)(const struct space *space);

    /* What the store's memory comes from, for *source. */
    int (*source)(const struct space *space, struct store_source *source);

    /* The directory that the store's file was made in; NULL while there is none. */
    struct directory *(*directory)(const struct space *space);
};

/* Files that the chunks of a space can be frozen over: a generation of forks adds one. */
#define SPACE_FILES_MOST 16u

/* A space, which the struct of a store embeds. */
struct space {
    /* These six are struct memkind_pmem, which programs may read. */
    int fd;               /* of a PMEM kind's store; -1 while there is none */
    off_t offset;         /* of the next segment; guarded by lock */
    size_t max_size;      /* most bytes held; 0: no limit of ours */
    pthread_mutex_t lock; /* see above */
    size_t held;          /* bytes committed; changed by atomic operations */
    char *path;           /* of a PMEM kind's directory or device, NULL while there is none */

    const struct store_ops *store;
    struct range *range; /* where the space is a range (range.h); NULL: it has regions */
    unsigned owner;      /* in the address map */
    size_t page;         /* bytes */
    bool prefault;       /* no page fault is to come after a commit */
    bool chunk_steps;    /* the store commits whole chunks best: no smaller step is taken */
    size_t first_step; /* bytes committed at once at first; then as many as are held, to a chunk */

    atomic_bool snapshots; /* children get a copy; set when the space has its file */
    bool always_copies;    /* of the whole store, at each fork: nothing is frozen */
    bool in_fork;          /* between space_snapshot_begin() and its end */
    bool is_frozen;        /* the same, where nothing had to be copied */
    bool copied;           /* this is the child's: no other process has its store */
    atomic_int snapshot;   /* enum space_snapshot: of the last fork */

    unsigned file_number;    /* of the own file among those over which chunks are frozen */
    atomic_bool lacks_file;  /* in a child: the own file is made when it is first needed */
    bool is_partly_frozen;   /* a freeze has failed half-way */
    atomic_size_t frozen;    /* bytes of chunks that are frozen, over any file */
    struct holders *holders; /* of the own file, if chunks are frozen over it; NULL */

    atomic_bool exact;          /* commit only what is requested, not whole chunks */
    atomic_uint in_need;        /* threads that found no room: nothing is committed ahead then */
    atomic_bool closing;        /* about to be destroyed: decommit fails at once */
    atomic_bool cannot_release; /* release() has returned -EOPNOTSUPP */
    atomic_bool whole_chunks;   /* commit() takes whole chunks, set by the store */
    atomic_size_t ahead;        /* bytes in pages of state ahead or stale */
    atomic_size_t stale;        /* of these, in stale ones */
    atomic_size_t surplus_kept; /* bytes that surplus_release() could not give back */
    atomic_size_t peak;         /* most bytes that were ever held */
    atomic_ulong purges;        /* how often the store was given something back */
    size_t reserved;            /* bytes of all segments; guarded by lock */

    _Atomic(struct segment *) segments; /* newest first, never taken off; read without the lock */
    _Atomic(struct region *) regions;   /* the same */
    struct region *spare;               /* handed back; guarded by lock */
    struct metadata metadata;           /* of segments and regions; guarded by lock */
};

/*
 * Makes *space an empty space. max_size is 0 or a multiple of a chunk, owner the space's number in
 * the address map. 0, or -errno where there can be no lock.
 */
int space_init(struct space *space, const struct store_ops *store, size_t max_size, unsigned owner);

/*
 * Gives back address space, metadata and locks, for the store's destroy(). No other thread uses the
 * space any more.
 */
void space_fini(struct space *space);

/* Ends a space that the create function of a store has made, and its store. NULL is allowed. */
void space_destroy(struct space *space);

/* In the child of a fork: makes a space whose memory is the child's own usable again. */
void space_adopt(struct space *space);

/*
 * In the child of a fork: takes the size classes away from the blocks of an ancestor's space, so
 * that they are seen to be others', and closes its file. They can be read and written as before.
 */
void space_retire(struct space *space);

/* In the child of a fork: whether the space that it has inherited is still its ancestor's. */
static inline bool space_is_shared(const struct space *space)
{
    return space->store->is_shared && !space->copied;
}

/* Whether addr lies in the space. Thread-safe. */
bool space_contains(const struct space *space, const void *addr);

/*
 * Address space for size bytes, all pages empty, in chunks of its own: aligned to the larger of
 * alignment (a power of two) and a chunk. -ENOMEM where there is none, -EFBIG where the store must
 * not become so long, -EBADF where the space needs a file and has none, -EINVAL for size 0. The
 * kernel gets it back when the space is destroyed. Thread-safe.
 */
int space_reserve(struct space *space, size_t size, size_t alignment, void **addr);

/* Takes back address space that space_reserve() gave at addr, for its next caller; all pages are
 * empty. A large segment of which nothing else is in use goes back to the kernel. Thread-safe. */
void space_return(struct space *space, void *addr);

/*
 * Makes the pages of a range within one region used; they read as zero. None of them is used
 * before. -ENOMEM where max_size does not allow it, else what the store says; then nothing
 * has changed. Thread-safe.
 */
int space_commit(struct space *space, void *addr, size_t size);

/*
 * Makes the used pages of a range within one region empty, or stale where the store does
 * not give them back now. -EOPNOTSUPP where it never does: then they stay used, with their
 * contents. Thread-safe.
 */
int space_decommit(struct space *space, void *addr, size_t size);

/* Makes all pages that are ahead or stale empty; returns how many bytes that gave back.
 * Thread-safe. */
size_t space_trim(struct space *space);

/* The same with stale pages alone, up to the first of each region that fails again. Thread-safe. */
void space_retry(struct space *space);

/* Whether a region begins at addr, an address in a region of the space. */
bool space_is_region_start(const struct space *space, const void *addr);

/*
 * How much the space could hold if it were empty, as far as that can be told without effort: the
 * file system is asked only where `needed` is so large that this costs less than trying.
 */
size_t space_capacity(const struct space *space, size_t needed);

/* Whether what one of them gives back can be had by the other. */
bool space_shares_store(const struct space *one, const struct space *other);

/* The directory of the space's file; NULL where there is none. The reference stays the space's. */
struct directory *space_directory(const struct space *space);

/* The offset from which on nothing can be committed at present; SIZE_MAX where there is none. */
size_t space_longest(const struct space *space);

/*
 * Whether it may be possible to commit `size` more bytes: false where the limit or the store is
 * certain to refuse. Pages that are ahead count as free. The store is queried only where the answer
 * costs less than an attempt. Thread-safe.
 */
bool space_has_room(const struct space *space, size_t size);

/* Bytes held. */
size_t space_held(const struct space *space);

/* Chunks in which anything is held. Looks at every page's state. Thread-safe. */
size_t space_chunks(const struct space *space);
