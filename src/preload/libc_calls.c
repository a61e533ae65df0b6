/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libc's own calls of malloc: libc calls by pointers that the loader has filled in, of which some
 * are in pages that the loader has made read-only. The relocations of libc tell where they are.
 */
#include "preload/libc_calls.h"

#include <gnu/libc-version.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload/callers.h"

#if defined(__x86_64__)
#    define IS_POINTER_TO_FUNCTION(type) \
        ((type) == R_X86_64_GLOB_DAT || (type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_64)
#elif defined(__aarch64__)
#    define IS_POINTER_TO_FUNCTION(type) \
        ((type) == R_AARCH64_GLOB_DAT || (type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_ABS64)
#else
#    define IS_POINTER_TO_FUNCTION(type) false
#endif

struct object {
    uintptr_t base;
    struct callers_code code;
    uintptr_t protected_first, protected_end; /* read-only since the relocation */
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Rela) * relocations[2];
    size_t bytes[2];
};

/* A pointer to be replaced. */
struct function {
    const char *name;
    uintptr_t before, after;
    bool found;
};

/* The loader adds the base to the addresses of the dynamic section, or does not. */
static uintptr_t absolute(const struct object *object, uintptr_t address)
{
    return address < object->base ? object->base + address : address;
}

static void read_entry(struct object *object, const ElfW(Dyn) * entry)
{
    uintptr_t address = absolute(object, entry->d_un.d_ptr);

    switch (entry->d_tag) {
    case DT_SYMTAB:
        object->symbols = (const ElfW(Sym) *)address;
        break;
    case DT_STRTAB:
        object->names = (const char *)address;
        break;
    case DT_RELA:
        object->relocations[0] = (const ElfW(Rela) *)address;
        break;
    case DT_RELASZ:
        object->bytes[0] = entry->d_un.d_val;
        break;
    case DT_JMPREL:
        object->relocations[1] = (const ElfW(Rela) *)address;
        break;
    case DT_PLTRELSZ:
        object->bytes[1] = entry->d_un.d_val;
        break;
    default:
        break;
    }
}

/* Reads the object that contains object->code. */
static int read_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct object *object = argument;
    const ElfW(Dyn) *dynamic = NULL;
    bool is_it = false;

    (void)size;
    object->base = info->dlpi_addr;
    object->protected_first = object->protected_end = 0;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t first = info->dlpi_addr + segment->p_vaddr;

        is_it = is_it || (segment->p_type == PT_LOAD && first == object->code.first);
        if (segment->p_type == PT_DYNAMIC)
            dynamic = (const ElfW(Dyn) *)first;
        if (segment->p_type == PT_GNU_RELRO) {
            object->protected_first = first;
            object->protected_end = first + segment->p_memsz;
        }
    }
    if (!is_it)
        return 0;
    for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++)
        read_entry(object, dynamic);
    return 1;
}

/* The pages that the loader makes read-only are those that lie wholly in the segment. */
static bool write_pointer(const struct object *object, uintptr_t *pointer, uintptr_t value)
{
    uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t page = (uintptr_t)pointer & ~(size - 1);
    bool is_protected = (uintptr_t)pointer >= (object->protected_first & ~(size - 1)) &&
                        (uintptr_t)pointer < (object->protected_end & ~(size - 1));

    if (is_protected && mprotect((void *)page, size, PROT_READ | PROT_WRITE) != 0)
        return false;
    __atomic_store_n(pointer, value, __ATOMIC_RELAXED);
    if (is_protected)
        (void)mprotect((void *)page, size, PROT_READ);
    return true;
}

/* A pointer that is not used yet leads to the loader, by code of the object. */
static bool replace(const struct object *object, uintptr_t *pointer, struct function *function)
{
    uintptr_t value = __atomic_load_n(pointer, __ATOMIC_RELAXED);

    if (value != function->before && !callers_include(&object->code, (const void *)value))
        return false;
    function->found = true;
    return write_pointer(object, pointer, function->after);
}

/* False: a pointer to one of the functions was not replaced. */
static bool replace_all(const struct object *object, const ElfW(Rela) * relocations, size_t bytes,
                        struct function *functions, size_t count)
{
    for (size_t i = 0; i < bytes / sizeof(*relocations); i++) {
        const ElfW(Rela) *relocation = &relocations[i];
        size_t symbol = ELF64_R_SYM(relocation->r_info);

        if (symbol == 0 || !IS_POINTER_TO_FUNCTION(ELF64_R_TYPE(relocation->r_info)))
            continue;
        const char *name = object->names + object->symbols[symbol].st_name;
        for (size_t f = 0; f < count; f++)
            if (strcmp(name, functions[f].name) == 0 &&
                !replace(object, (uintptr_t *)(object->base + relocation->r_offset), &functions[f]))
                return false;
    }
    return true;
}

bool libc_calls_redirect(const struct libc_calls *calls)
{
    struct function functions[] = {
        {"malloc", (uintptr_t)malloc, (uintptr_t)calls->malloc, false},
        {"calloc", (uintptr_t)calloc, (uintptr_t)calls->calloc, false},
        {"realloc", (uintptr_t)realloc, (uintptr_t)calls->realloc, false},
    };
    size_t count = sizeof(functions) / sizeof(functions[0]);
    struct object libc = {.code = callers_find((uintptr_t)gnu_get_libc_version)};

    /* With a static libc, which has no such pointers, malloc is in the same object. */
    if (callers_include(&libc.code, (const void *)(uintptr_t)libc_calls_redirect) ||
        dl_iterate_phdr(read_object, &libc) == 0 || libc.symbols == NULL || libc.names == NULL)
        return false;
    for (size_t i = 0; i < 2; i++)
        if (libc.relocations[i] != NULL &&
            !replace_all(&libc, libc.relocations[i], libc.bytes[i], functions, count))
            return false;
    return functions[0].found && functions[1].found && functions[2].found;
}
