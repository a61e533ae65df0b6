/* SPDX-License-Identifier: BSD-2-Clause */
/* The library's data of the calling thread. */
#include "heap/thread_own.h"

struct thread_own_near thread_own_near;

#if defined(THREAD_OWN_HAS_NEAR)
static ptrdiff_t offset_here(void)
{
    uintptr_t thread_pointer;

    __asm__("mov %%fs:0, %0" : "=r"(thread_pointer));
    return (ptrdiff_t)((uintptr_t)&thread_own - thread_pointer);
}

/*
 * Whether the offset is that of all threads. The second word of the variable's TLS descriptor is
 * then the offset itself, else a pointer ("Thread-Local Storage Descriptors for IA32 and
 * AMD64/EM64T"). Where the static library is part of the program, the linker replaces the address
 * of the descriptor by the offset.
 */
static bool is_of_all_threads(ptrdiff_t offset)
{
    const ptrdiff_t *descriptor;

    __asm__("leaq thread_own@tlsdesc(%%rip), %%rax" : "=a"(descriptor));
    return (ptrdiff_t)descriptor == offset || descriptor[1] == offset;
}

bool thread_own_find(size_t sizes)
{
    ptrdiff_t offset = offset_here();

    if (!is_of_all_threads(offset))
        return false;
    thread_own_near.offset = offset;
    __atomic_store_n(&thread_own_near.sizes, sizes, __ATOMIC_RELEASE);
    return true;
}
#else
/* Other builds use the compiler's way to the data. */
bool thread_own_find(size_t sizes)
{
    __atomic_store_n(&thread_own_near.sizes, sizes, __ATOMIC_RELEASE);
    return true;
}
#endif

void thread_own_open_free_at(uintptr_t end)
{
    if (__atomic_load_n(&thread_own_near.sizes, __ATOMIC_RELAXED) != 0)
        __atomic_store_n(&thread_own_near.blocks, end, __ATOMIC_RELEASE);
}
