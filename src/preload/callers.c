/* SPDX-License-Identifier: BSD-2-Clause */
/* The callers of malloc: the code of an object. */
#include "preload/callers.h"

#include <link.h>
#include <stddef.h>

struct wanted {
    uintptr_t inside;
    struct callers_code *code;
};

static int check_object(struct dl_phdr_info *object, size_t size, void *argument)
{
    const struct wanted *wanted = argument;

    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        const struct callers_code code = {
            .first = object->dlpi_addr + segment->p_vaddr,
            .length = segment->p_memsz,
        };

        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0 &&
            wanted->inside - code.first < code.length) {
            *wanted->code = code;
            return 1;
        }
    }
    return 0;
}

struct callers_code callers_find(uintptr_t inside)
{
    struct callers_code code = {0};

    dl_iterate_phdr(check_object, &(struct wanted){.inside = inside, .code = &code});
    return code;
}

struct pair {
    uintptr_t address, other;
};

static bool has(const struct dl_phdr_info *object, uintptr_t address)
{
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];

        if (segment->p_type == PT_LOAD &&
            address - (object->dlpi_addr + segment->p_vaddr) < segment->p_memsz)
            return true;
    }
    return false;
}

static int has_both(struct dl_phdr_info *object, size_t size, void *argument)
{
    const struct pair *pair = argument;

    (void)size;
    return has(object, pair->address) && has(object, pair->other);
}

bool callers_are_in_one(uintptr_t address, uintptr_t other)
{
    return dl_iterate_phdr(has_both, &(struct pair){address, other}) != 0;
}
