/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address space and the file space of one kind: 2 MiB chunks, their offsets, the limit, the
 * accounting.
 *
 *    segment   address space that is reserved at once and mapped over the store from an offset on:
 *              at least one granule of the address map. Each segment is as large as all before it
 *              together, so that terabytes need a few dozen maps. Unmapped with the space.
 *    region    the whole chunks of a segment that one call of space_reserve() hands out to an arena
 *    page      in one of four states:
 *
 *              empty   no file space
 *              ahead   committed together with pages around it, not handed out
 *              used    committed and handed out
 *              stale   handed back, but not released by the store: it has its old contents
 *
 *              empty --commit--> used      empty --commit of a page near by--> ahead
 *              ahead --commit--> used      ahead --trim, or no page of its chunk is used--> empty
 *              used --decommit--> empty    and reads as zero when it is committed again
 *              used --decommit--> ahead    the store could not release a part of a large page
 *              used --decommit--> stale    the release failed: an error of the disk, no room to
 *                                          record a hole, locked pages
 *              stale --trim, or a later decommit near by--> empty
 *              stale --commit--> used      committed again by the store, and set to zero
 *
 * Address and offset are congruent modulo a chunk, so that one PMD entry can map a chunk on DAX.
 * File space is committed before any access, so a full file system is an error and never a SIGBUS.
 *
 * Locks (util/lock.h): `lock` guards the creation of segments and regions. Each region has a lock
 * for the states of its pages, held during calls of the store. A region belongs to one arena, so
 * arenas share only the atomic counter of bytes held and, in the kernel, the file's inode. With
 * many processors, commits wait for the inode, and therefore take a chunk or more at a time.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "os/descriptor.h"
#include "space/metadata.h"
#include "util/align.h"

#define SPACE_CHUNK_SHIFT LARGE_PAGE_SHIFT
#define SPACE_CHUNK       LARGE_PAGE
#define SPACE_CHUNK_PAGES ((size_t)512) /* of a chunk, at most */

struct directory;
struct process_map;
struct range;
struct region;
struct segment;
struct space;

/*
 * Where a store's memory comes from: a store of an equal source can get what this store releases.
 */
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

    /* Destroys a space that the store's create function has made: the space, the store's own
     * members, and the memory of both. */
    void (*destroy)(struct space *space);

    /* Maps the store from offset on in place of the reservation [addr, addr + size). Takes no
     * memory yet. The range need not be accessible before segment_open(). */
    int (*map)(struct space *space, void *addr, size_t size, off_t offset);

    /*
     * Takes the memory of the range, mapped at addr, so that an access cannot fail. After a
     * failure, release() undoes what was taken. A store that takes whole chunks for a part sets
     * space->whole_chunks.
     */
    int (*commit)(struct space *space, void *addr, off_t offset, size_t size);

    /* Releases the memory of the range, which reads as zero afterwards. -EOPNOTSUPP where the store
     * can never do so. */
    int (*release)(struct space *space, void *addr, off_t offset, size_t size);

    /*
     * Finds the pages of a released range within one chunk that the store still holds, since the
     * kernel could not split a large page: kept[i] is not 0 for these, and they read as zero. False
     * where there are none. NULL where there are never any.
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

    /* Closes the spare descriptor. Returns whether a descriptor is free now. */
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
     * Maps the range, mapped at addr, anew with the protection and the effects of `like`: what
     * this process writes from now on is its own, and what it reads is the store's until then.
     */
    int (*freeze)(struct space *space, void *addr, off_t offset, size_t size,
                  const struct process_map *like);

    /*
     * Maps the range as before freeze(), with the protection and the effects of `like`. What the
     * process has written is lost.
     */
    int (*thaw)(struct space *space, void *addr, off_t offset, size_t size,
                const struct process_map *like);

    /* A page of the store that is always mapped, its file, and its descriptor, or -errno. */
    const void *(*known_page)(const struct space *space);
    const struct descriptor_file *(*file)(const struct space *space);

    /* Whether the page has a policy of mbind(2) that a new mapping would not have. */
    bool (*has_policy)(const struct space *space, void *addr);
    int (*descriptor)(struct space *space);

    /*
     * In the child: leaves the store's file to the parent. Chunks may be frozen over that file: it
     * gets the number space->file_number, which is then increased.
     */
    void (*leave_file)(struct space *space);

    /*
     * In a child that has no file yet: if no other process has the parent's file any more, the
     * file becomes the space's own. The caller holds all locks of the space. 0, -EBUSY where others
     * have the file, or another -errno. On error nothing has changed.
     */
    int (*take_over)(struct space *space);

    /* Closes the files of ancestors: no chunk is frozen over any of them. */
    void (*forget_files)(struct space *space);

    /* commit() for a range that is frozen over the file of that number. */
    int (*commit_frozen)(struct space *space, unsigned number, void *addr, off_t offset,
                         size_t size);

    /*
     * Maps the chunk at addr over the space's own file. The chunk is frozen over an ancestor's
     * file, and no page of the chunk is used; afterwards, all are empty.
     */
    int (*thaw_unused)(struct space *space, void *addr);

    /* -- Queries: NULL, or -ENODATA, where the store has no answer -- */

    /* How large the store could get, for *size. */
    int (*capacity)(const struct space *space, size_t *size);

    /*
     * How much more could be committed at this moment, at most, for *size. -ENODATA also where the
     * answer costs more than an attempt to commit `needed` bytes.
     */
    int (*room)(const struct space *space, size_t needed, size_t *size);

    /* How much the store holds, for *bytes. NULL where no other process can fill the store. */
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
    size_t max_size;      /* most bytes held; 0: no limit */
    pthread_mutex_t lock; /* see above */
    size_t held;          /* bytes committed; changed by atomic operations */
    char *path;           /* of a PMEM kind's directory or device, NULL while there is none */

    const struct store_ops *store;
    struct range *range; /* where the space is a range (range.h); NULL: it has regions */
    unsigned owner;      /* in the address map */
    size_t page;         /* bytes */
    bool prefault;       /* a commit also fills the page tables */
    bool chunk_steps;    /* commits are of whole chunks, which suit the store best */
    size_t first_step;   /* bytes of the first commits; later ones take half of what is held or
                            more, up to a chunk */

    atomic_bool snapshots; /* children get a copy; set when the space has its file */
    bool always_copies;    /* each fork copies the whole store: nothing is frozen */
    bool in_fork;        /* takes part in the present fork; stays set after a fork of one thread */
    bool is_frozen;      /* the same, where nothing had to be copied */
    unsigned generation; /* fork_generation, when the space was made */
    bool copied;         /* in a child: the store is a copy, which no other process has */
    atomic_int snapshot; /* enum space_snapshot: of the last fork */

    unsigned file_number;   /* of the own file among those over which chunks are frozen */
    atomic_bool lacks_file; /* in a child: the own file is made when it is first needed */
    bool is_partly_frozen;  /* frozen chunks have parts that are mapped shared */
    atomic_size_t frozen;   /* bytes of chunks that are frozen, over any file */
    _Atomic(struct holders *) holders; /* of the own file, if chunks are frozen over it; NULL */

    atomic_bool exact;   /* commit only what is requested, not whole chunks */
    atomic_uint in_need; /* threads that found no room: nothing is committed ahead meanwhile */
    atomic_bool closing; /* about to be destroyed: a decommit fails at once */
    atomic_bool cannot_release; /* release() has returned -EOPNOTSUPP */
    atomic_bool whole_chunks;   /* commit() takes whole chunks, set by the store */
    atomic_size_t ahead;        /* bytes in pages of state ahead or stale */
    atomic_size_t stale;        /* of these, in stale ones */
    atomic_size_t surplus_kept; /* bytes that surplus_release() could not give back */
    atomic_size_t peak;         /* most bytes that were ever held */
    atomic_ulong purges;        /* successful releases */
    size_t reserved;            /* bytes of all segments; guarded by lock */

    _Atomic(struct segment *) segments; /* newest first, never taken off; read without the lock */
    _Atomic(struct region *) regions;   /* the same */
    struct region *spare;               /* returned by space_return(); guarded by lock */
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

/* In the child of a fork: initializes the locks of a space whose memory is the child's own. */
void space_adopt(struct space *space);

/*
 * In the child of a fork: removes the page map's bytes for an ancestor's space, so that caches do
 * not take its blocks, and closes its file. The blocks can be read and written as before.
 */
void space_retire(struct space *space);

/* In the child of a fork: whether the store of an inherited space is still the ancestor's. */
static inline bool space_is_shared(const struct space *space)
{
    return space->store->is_shared && !space->copied;
}

/*
 * Whether the store is this process's. A signal handler that has interrupted an operation may have
 * forked: the child that goes on with the operation must leave its parent's store alone.
 */
bool space_has_own_store(const struct space *space);

/* Whether addr lies in the space. Thread-safe. */
bool space_contains(const struct space *space, const void *addr);

/*
 * Stores in *addr the address of a new region: whole chunks for size bytes, all pages empty,
 * aligned to the larger of alignment (a power of two) and a chunk. -ENOMEM where there is no
 * address space, -EFBIG where the store must not become so long, -EBADF where the space needs a
 * file and has none, -EINVAL for size 0. Thread-safe.
 */
int space_reserve(struct space *space, size_t size, size_t alignment, void **addr);

/* Takes back the region at addr, whose pages are all empty, for the next space_reserve(). A large
 * segment without other regions is unmapped. Thread-safe. */
void space_return(struct space *space, void *addr);

/*
 * Makes the pages of a range within one region, none of which is used, used; they read as zero.
 * -ENOMEM where max_size does not allow that or the store is a parent's, or an error of the store:
 * then nothing has changed. Thread-safe.
 */
int space_commit(struct space *space, void *addr, size_t size);

/*
 * Makes the used pages of a range within one region empty, or stale where the store cannot release
 * them now. -EOPNOTSUPP where the store never releases: then the pages stay used, with their
 * contents. Thread-safe.
 */
int space_decommit(struct space *space, void *addr, size_t size);

/* Makes all pages that are ahead or stale empty; returns the bytes released. Thread-safe. */
size_t space_trim(struct space *space);

/* The same with stale pages alone, in each region up to the first that fails again. Thread-safe. */
void space_retry(struct space *space);

/* Whether a region begins at addr, an address in a region of the space. */
bool space_is_region_start(const struct space *space, const void *addr);

/*
 * Returns the most that the space could hold if it were empty, SIZE_MAX where that is unknown. The
 * store is queried only where `needed` is so large that a query costs little beside an attempt.
 */
size_t space_capacity(const struct space *space, size_t needed);

/* Whether each of the spaces can get what the other releases. */
bool space_shares_store(const struct space *one, const struct space *other);

/* Returns the directory of the space's file; NULL: none. The reference stays the space's. */
struct directory *space_directory(const struct space *space);

/* Returns the offset from which on nothing can be committed at present; SIZE_MAX: none. */
size_t space_longest(const struct space *space);

/*
 * Whether it may be possible to commit `size` more bytes: false where the limit or the store is
 * certain to fail. Pages that are ahead count as free. The store is queried only where the answer
 * costs less than an attempt. Thread-safe.
 */
bool space_has_room(const struct space *space, size_t size);

/* Returns the bytes held. */
size_t space_held(const struct space *space);

/* Returns the number of chunks with committed pages. Reads the state of each page. Thread-safe. */
size_t space_chunks(const struct space *space);
