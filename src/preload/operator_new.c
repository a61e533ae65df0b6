/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All forms of C++'s operators new and delete. The C++ runtime's own operators call malloc and free
 * too, but an allocator with which the program is linked may define operators that do not.
 *
 * A program may replace some of them. The others then call the program's, as the standard requires:
 * so every call of one operator by another, of malloc and of free, goes through the symbol table.
 *
 * If malloc has no block, the runtime's own operator takes over: it tries again, calls the handler
 * of std::set_new_handler() and throws, or catches, which C cannot. Exceptions pass through this
 * file, which is therefore compiled with -fexceptions.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "preload/preload.h"
#include "util/hot.h"

typedef size_t align_val;
typedef const void *nothrow; /* a reference to std::nothrow */

/*
 * A function of this file under its name in the C++ ABI: nw is new, na new[], m a size; dl and da
 * are delete.
 */
#define OPERATOR(symbol) __asm__(symbol) __attribute__((visibility("default")))

void *new_one(size_t size) OPERATOR("_Znwm");
void *new_array(size_t size) OPERATOR("_Znam");
void *new_aligned(size_t size, align_val alignment) OPERATOR("_ZnwmSt11align_val_t");
void *new_aligned_array(size_t size, align_val alignment) OPERATOR("_ZnamSt11align_val_t");

void *new_nothrow(size_t size, nothrow tag) OPERATOR("_ZnwmRKSt9nothrow_t");
void *new_array_nothrow(size_t size, nothrow tag) OPERATOR("_ZnamRKSt9nothrow_t");
void *new_aligned_nothrow(size_t size, align_val alignment, nothrow tag)
    OPERATOR("_ZnwmSt11align_val_tRKSt9nothrow_t");
void *new_aligned_array_nothrow(size_t size, align_val alignment, nothrow tag)
    OPERATOR("_ZnamSt11align_val_tRKSt9nothrow_t");

void delete_one(void *ptr) OPERATOR("_ZdlPv");
void delete_array(void *ptr) OPERATOR("_ZdaPv");
void delete_sized(void *ptr, size_t size) OPERATOR("_ZdlPvm");
void delete_array_sized(void *ptr, size_t size) OPERATOR("_ZdaPvm");
void delete_nothrow(void *ptr, nothrow tag) OPERATOR("_ZdlPvRKSt9nothrow_t");
void delete_array_nothrow(void *ptr, nothrow tag) OPERATOR("_ZdaPvRKSt9nothrow_t");

void delete_aligned(void *ptr, align_val alignment) OPERATOR("_ZdlPvSt11align_val_t");
void delete_aligned_array(void *ptr, align_val alignment) OPERATOR("_ZdaPvSt11align_val_t");
void delete_aligned_sized(void *ptr, size_t size, align_val alignment)
    OPERATOR("_ZdlPvmSt11align_val_t");
void delete_aligned_array_sized(void *ptr, size_t size, align_val alignment)
    OPERATOR("_ZdaPvmSt11align_val_t");
void delete_aligned_nothrow(void *ptr, align_val alignment, nothrow tag)
    OPERATOR("_ZdlPvSt11align_val_tRKSt9nothrow_t");
void delete_aligned_array_nothrow(void *ptr, align_val alignment, nothrow tag)
    OPERATOR("_ZdaPvSt11align_val_tRKSt9nothrow_t");

/* -- What the process has ---------------------------------------------------------------------- */

/*
 * The functions that the process uses: the linker fills the fields. Volatile, because a compiler
 * might assume the values.
 */
static const volatile struct {
    __typeof__(new_one) *one, *array;
    __typeof__(new_aligned) *aligned, *aligned_array;
    __typeof__(delete_one) *delete_one, *delete_array;
    __typeof__(delete_aligned) *delete_aligned, *delete_aligned_array;
} process = {new_one,    new_array,    new_aligned,    new_aligned_array,
             delete_one, delete_array, delete_aligned, delete_aligned_array};

/* The functions of this library, even if the process uses those of another. */
static __typeof__(new_one) own_one __attribute__((alias("_Znwm")));
static __typeof__(new_array) own_array __attribute__((alias("_Znam")));
static __typeof__(new_aligned) own_aligned __attribute__((alias("_ZnwmSt11align_val_t")));
static __typeof__(new_aligned) own_aligned_array __attribute__((alias("_ZnamSt11align_val_t")));

/* -- The C++ runtime --------------------------------------------------------------------------- */

static void *find_in_library(const char *library, const char *name)
{
    void *handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);

    if (handle == NULL)
        return NULL;
    void *found = dlsym(handle, name);
    /* The caller of an operator keeps the library loaded. */
    dlclose(handle);
    return found;
}

/*
 * Not the next function in line, which may belong to the allocator with which the program is
 * linked.
 */
static void *find_in_runtime(const char *name)
{
    static const char *const libraries[] = {"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"};
    void *found = NULL;

    for (size_t i = 0; found == NULL && i < sizeof(libraries) / sizeof(libraries[0]); i++)
        found = find_in_library(libraries[i], name);
    return found != NULL ? found : dlsym(RTLD_NEXT, name);
}

/*
 * Returns the runtime's function of that name, which is searched once. NULL: there is no runtime.
 */
static void *in_runtime(_Atomic(void *) *cache, const char *name)
{
    void *found = atomic_load_explicit(cache, memory_order_relaxed);

    if (found == NULL) {
        found = find_in_runtime(name);
        atomic_store_explicit(cache, found, memory_order_relaxed);
    }
    return found;
}

/* Calls it as the function that contains this: RUNTIME(new_one, "_Znwm", (size)). */
#define RUNTIME(function, name, arguments)                \
    __extension__({                                       \
        static _Atomic(void *) cache;                     \
        __typeof__(function) *in_library;                 \
        *(void **)&in_library = in_runtime(&cache, name); \
        in_library != NULL ? in_library arguments : NULL; \
    })

/* -- new --------------------------------------------------------------------------------------- */

static inline void *get(size_t size)
{
    return malloc(size != 0 ? size : 1);
}

/* An invalid alignment is left to the runtime. */
static void *get_aligned(size_t size, align_val alignment)
{
    size_t rounded;

    if (alignment < sizeof(void *))
        alignment = sizeof(void *);
    if ((alignment & (alignment - 1)) != 0 ||
        __builtin_add_overflow(size != 0 ? size : 1, alignment - 1, &rounded))
        return NULL;
    return aligned_alloc(alignment, rounded & ~(alignment - 1));
}

static __attribute__((noinline)) void *new_otherwise(size_t size)
{
    void *block = get(size);

    return LIKELY(block != NULL) ? block : RUNTIME(new_one, "_Znwm", (size));
}

/* A thread has a view only where malloc and free of the process are this library's. */

HOT_FUNCTION void *new_one(size_t size)
{
    void *block = thread_view_pop(&preload_self.view, size);

    return LIKELY(block != NULL) ? block : new_otherwise(size);
}

void *new_array(size_t size)
{
    return process.one(size);
}

void *new_aligned(size_t size, align_val alignment)
{
    void *block = get_aligned(size, alignment);

    return LIKELY(block != NULL) ? block
                                 : RUNTIME(new_aligned, "_ZnwmSt11align_val_t", (size, alignment));
}

void *new_aligned_array(size_t size, align_val alignment)
{
    return process.aligned(size, alignment);
}

/* The program's operators may throw, and the runtime catches. */

void *new_nothrow(size_t size, nothrow tag)
{
    void *block = process.one == own_one ? get(size) : NULL;

    return LIKELY(block != NULL) ? block : RUNTIME(new_nothrow, "_ZnwmRKSt9nothrow_t", (size, tag));
}

void *new_array_nothrow(size_t size, nothrow tag)
{
    void *block = process.one == own_one && process.array == own_array ? get(size) : NULL;

    return LIKELY(block != NULL) ? block
                                 : RUNTIME(new_array_nothrow, "_ZnamRKSt9nothrow_t", (size, tag));
}

void *new_aligned_nothrow(size_t size, align_val alignment, nothrow tag)
{
    void *block = process.aligned == own_aligned ? get_aligned(size, alignment) : NULL;

    return LIKELY(block != NULL)
               ? block
               : RUNTIME(new_aligned_nothrow, "_ZnwmSt11align_val_tRKSt9nothrow_t",
                         (size, alignment, tag));
}

void *new_aligned_array_nothrow(size_t size, align_val alignment, nothrow tag)
{
    bool is_own = process.aligned == own_aligned && process.aligned_array == own_aligned_array;
    void *block = is_own ? get_aligned(size, alignment) : NULL;

    return LIKELY(block != NULL)
               ? block
               : RUNTIME(new_aligned_array_nothrow, "_ZnamSt11align_val_tRKSt9nothrow_t",
                         (size, alignment, tag));
}

/* -- delete ------------------------------------------------------------------------------------ */

HOT_FUNCTION void delete_one(void *ptr)
{
    if (UNLIKELY(!thread_view_push(&preload_self.view, ptr)))
        free(ptr);
}

void delete_array(void *ptr)
{
    process.delete_one(ptr);
}

void delete_sized(void *ptr, size_t size)
{
    (void)size;
    process.delete_one(ptr);
}

void delete_array_sized(void *ptr, size_t size)
{
    (void)size;
    process.delete_array(ptr);
}

void delete_nothrow(void *ptr, nothrow tag)
{
    (void)tag;
    process.delete_one(ptr);
}

void delete_array_nothrow(void *ptr, nothrow tag)
{
    (void)tag;
    process.delete_array(ptr);
}

void delete_aligned(void *ptr, align_val alignment)
{
    (void)alignment;
    free(ptr);
}

void delete_aligned_array(void *ptr, align_val alignment)
{
    process.delete_aligned(ptr, alignment);
}

void delete_aligned_sized(void *ptr, size_t size, align_val alignment)
{
    (void)size;
    process.delete_aligned(ptr, alignment);
}

void delete_aligned_array_sized(void *ptr, size_t size, align_val alignment)
{
    (void)size;
    process.delete_aligned_array(ptr, alignment);
}

void delete_aligned_nothrow(void *ptr, align_val alignment, nothrow tag)
{
    (void)tag;
    process.delete_aligned(ptr, alignment);
}

void delete_aligned_array_nothrow(void *ptr, align_val alignment, nothrow tag)
{
    (void)tag;
    process.delete_aligned_array(ptr, alignment);
}
