/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the calls for address space: which maps are made, and that a failure leaves nothing. */
/* WRAP: mmap munmap mprotect madvise mremap mincore */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "os/vm.h"
#include "support/faults.h"

#define MIB       ((size_t)1 << 20)
#define SIZE      (3 * MIB)
#define ALIGNMENT (64 * MIB)

static struct fault mmap_fault, munmap_fault, mprotect_fault, madvise_fault, mremap_fault;
static struct fault mincore_fault;
static size_t mapped;   /* bytes mapped and not unmapped */
static size_t displace; /* added to the address that mmap(2) chooses */
static bool is_old;     /* the kernel treats MAP_FIXED_NOREPLACE as a hint */
static int last_advice;

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);
int __real_mprotect(void *addr, size_t size, int protection);
int __wrap_mprotect(void *addr, size_t size, int protection);
int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);
void *__real_mremap(void *old, size_t old_size, size_t size, int flags, void *addr);
void *__wrap_mremap(void *old, size_t old_size, size_t size, int flags, void *addr);
int __wrap_mincore(void *addr, size_t size, unsigned char *there);

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fault_hits(&mmap_fault))
        return MAP_FAILED;
    if (is_old && (flags & MAP_FIXED_NOREPLACE) != 0) {
        flags &= ~MAP_FIXED_NOREPLACE;
        addr = NULL;
    }
    char *base = __real_mmap(addr, size + displace, protection, flags, fd, offset);
    if (base == MAP_FAILED)
        return base;
    if (displace != 0)
        assert_int_equal(__real_munmap(base, displace), 0);
    if ((flags & MAP_FIXED) == 0)
        mapped += size;
    return base + displace;
}

int __wrap_munmap(void *addr, size_t size)
{
    if (fault_hits(&munmap_fault))
        return -1;
    mapped -= size;
    return __real_munmap(addr, size);
}

int __wrap_mprotect(void *addr, size_t size, int protection)
{
    return fault_hits(&mprotect_fault) ? -1 : __real_mprotect(addr, size, protection);
}

int __wrap_madvise(void *addr, size_t size, int advice)
{
    last_advice = advice;
    return fault_hits(&madvise_fault) ? -1 : __real_madvise(addr, size, advice);
}

void *__wrap_mremap(void *old, size_t old_size, size_t size, int flags, void *addr)
{
    return fault_hits(&mremap_fault) ? MAP_FAILED : __real_mremap(old, old_size, size, flags, addr);
}

/* Nothing is mapped there. */
int __wrap_mincore(void *addr, size_t size, unsigned char *there)
{
    (void)addr;
    assert_int_equal(size, 1);
    *there = 0;
    return fault_hits(&mincore_fault) ? -1 : 0;
}

static int setup(void **state)
{
    (void)state;
    mmap_fault = munmap_fault = mprotect_fault = madvise_fault = mremap_fault = (struct fault){0};
    mincore_fault = (struct fault){0};
    mapped = displace = 0;
    is_old = false;
    return 0;
}

static bool is_aligned(const void *addr, size_t alignment)
{
    return ((uintptr_t)addr & (alignment - 1)) == 0;
}

static bool is_zero(const char *memory, size_t size)
{
    return memory[0] == 0 && memcmp(memory, memory + 1, size - 1) == 0;
}

static void memory_is_zero_and_goes(void **state)
{
    char *memory = vm_alloc(SIZE);

    (void)state;
    assert_non_null(memory);
    assert_true(is_zero(memory, SIZE));
    memory[SIZE - 1] = 1;
    memory = vm_grow(memory, SIZE, 2 * SIZE);
    assert_non_null(memory);
    assert_int_equal(memory[SIZE - 1], 1);
    assert_true(is_zero(memory + SIZE, SIZE));
    assert_int_equal(vm_discard(memory, 2 * SIZE), 0);
    assert_true(is_zero(memory, 2 * SIZE));
    assert_int_equal(vm_unmap(memory, 2 * SIZE), 0);
}

/* With an aligned choice of the kernel, and with another. */
static void aligned_memory_leaves_nothing_beside(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)state;
    for (displace = 0; displace <= page; displace += page) {
        char *memory = vm_alloc_aligned(SIZE, ALIGNMENT);

        assert_non_null(memory);
        assert_true(is_aligned(memory, ALIGNMENT));
        memory[SIZE - 1] = 1;
        assert_int_equal(mapped, SIZE);
        assert_int_equal(vm_unmap(memory, SIZE), 0);
        char *reserved = vm_reserve_aligned(SIZE, ALIGNMENT);
        assert_true(is_aligned(reserved, ALIGNMENT));
        assert_int_equal(mapped, SIZE);
        assert_int_equal(vm_unmap(reserved, SIZE), 0);
    }
    /* A length that is not valid. */
    assert_null(vm_reserve_aligned(SIZE_MAX - MIB + 1, ALIGNMENT));
}

static void exact_reservation_has_no_byte_too_much(void **state)
{
    char *reserved = vm_reserve_exactly(SIZE, ALIGNMENT);

    (void)state;
    if (reserved != NULL) {
        assert_true(is_aligned(reserved, ALIGNMENT));
        assert_int_equal(mapped, SIZE);
        assert_int_equal(vm_unmap(reserved, SIZE), 0);
    }
    /* An old kernel makes the map elsewhere: that is a failure. */
    is_old = true;
    displace = (size_t)sysconf(_SC_PAGESIZE);
    assert_null(vm_reserve_exactly(SIZE, ALIGNMENT));
    assert_int_equal(mapped, 0);
}

/* With few addresses left, there is no room for a margin. */
static void aligned_memory_needs_no_margin(void **state)
{
    (void)state;
    displace = (size_t)sysconf(_SC_PAGESIZE);
    mmap_fault = (struct fault){.error = ENOMEM, .skip = 1, .times = 1};
    char *memory = vm_alloc_aligned(SIZE, ALIGNMENT);
    assert_int_equal(mmap_fault.calls, 4);
    assert_null(memory); /* this kernel maps beside the requested address */
    displace = 0;
    assert_int_equal(mapped, 0);
    mmap_fault = (struct fault){.error = ENOMEM, .skip = 1, .times = 1};
    memory = vm_alloc_aligned(SIZE + ALIGNMENT / 2, 16 * ALIGNMENT);
    if (memory == NULL)
        skip(); /* there are other maps at that place */
    assert_true(is_aligned(memory, ALIGNMENT));
    memory[0] = memory[SIZE + ALIGNMENT / 2 - 1] = 1;
    assert_int_equal(mapped, SIZE + ALIGNMENT / 2);
    assert_int_equal(vm_unmap(memory, SIZE + ALIGNMENT / 2), 0);
}

static void maps_take_the_place_of_others(void **state)
{
    void *place = vm_reserve(NULL, SIZE);
    void *const before = place;
    int fd = memfd_create("vm", MFD_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    assert_int_equal(vm_map_file(&place, SIZE, VM_WRITE, fd, 0), 0);
    assert_ptr_equal(place, before);
    assert_int_equal(vm_populate(place, SIZE), 0);
    ((char *)place)[0] = 'x';
    char byte = 0;
    assert_int_equal(pread(fd, &byte, 1, 0), 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(vm_map_anonymous(&place, SIZE, VM_WRITE, MAP_PRIVATE), 0);
    assert_ptr_equal(place, before);
    assert_true(is_zero(place, SIZE));
    assert_int_equal(vm_protect(place, SIZE, VM_READ), 0);
    assert_int_equal(vm_reserve_over(place, SIZE), 0);
    void *other = vm_alloc(SIZE);
    ((char *)other)[0] = 'y';
    assert_int_equal(vm_move(other, SIZE, place), 0);
    assert_int_equal(((char *)place)[0], 'y');
    close(fd);
    assert_int_equal(vm_unmap(place, SIZE), 0);
}

static void failures_are_those_of_the_calls(void **state)
{
    char *memory = vm_alloc(SIZE);
    void *place = NULL;

    (void)state;
    mmap_fault = (struct fault){.error = ENOMEM, .times = FAULT_ALWAYS};
    assert_null(vm_alloc(SIZE));
    assert_null(vm_alloc_aligned(SIZE, ALIGNMENT));
    assert_null(vm_reserve(NULL, SIZE));
    assert_null(vm_reserve_aligned(SIZE, ALIGNMENT));
    assert_null(vm_reserve_exactly(SIZE, ALIGNMENT));
    assert_int_equal(vm_reserve_over(memory, SIZE), -ENOMEM);
    assert_int_equal(vm_map_anonymous(&place, SIZE, VM_WRITE, MAP_PRIVATE), -ENOMEM);
    assert_int_equal(vm_map_file(&place, SIZE, VM_WRITE, 0, 0), -ENOMEM);
    assert_null(place);
    assert_int_equal(mapped, SIZE);
    fault_set(&mprotect_fault, EACCES, 1);
    assert_int_equal(vm_protect(memory, SIZE, VM_NONE), -EACCES);
    fault_set(&mremap_fault, EFAULT, 2);
    assert_null(vm_grow(memory, SIZE, 2 * SIZE));
    assert_int_equal(vm_move(memory, SIZE, memory + 2 * SIZE), -EFAULT);
    fault_set(&madvise_fault, EINVAL, 3);
    assert_int_equal(vm_populate(memory, SIZE), -EINVAL);
    assert_int_equal(vm_discard(memory, SIZE), -EINVAL);
    assert_int_equal(vm_use_small_pages(memory, SIZE), -EINVAL);
    assert_int_equal(last_advice, MADV_NOHUGEPAGE);
    fault_set(&munmap_fault, ENOMEM, 1);
    assert_int_equal(vm_unmap(memory, SIZE), -ENOMEM);
    assert_int_equal(vm_unmap(memory, SIZE), 0);
}

/* The second of two maps fails: the first is unmapped. */
static void second_map_fails(void **state)
{
    (void)state;
    displace = (size_t)sysconf(_SC_PAGESIZE);
    mmap_fault = (struct fault){.error = ENOMEM, .skip = 1, .times = 1};
    assert_null(vm_alloc_aligned(SIZE, ALIGNMENT));
    mmap_fault = (struct fault){.error = EEXIST, .skip = 1, .times = 1};
    assert_null(vm_reserve_exactly(SIZE, ALIGNMENT));
    assert_int_equal(mapped, 0);
}

static void only_the_kernel_knows_what_is_missing(void **state)
{
    char *memory = vm_alloc(SIZE);

    (void)state;
    assert_true(vm_is_missing(memory));
    fault_set(&mincore_fault, EPERM, 1);
    assert_false(vm_is_missing(memory));
    assert_int_equal(vm_unmap(memory, SIZE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(memory_is_zero_and_goes, setup),
        cmocka_unit_test_setup(aligned_memory_leaves_nothing_beside, setup),
        cmocka_unit_test_setup(exact_reservation_has_no_byte_too_much, setup),
        cmocka_unit_test_setup(aligned_memory_needs_no_margin, setup),
        cmocka_unit_test_setup(maps_take_the_place_of_others, setup),
        cmocka_unit_test_setup(failures_are_those_of_the_calls, setup),
        cmocka_unit_test_setup(second_map_fails, setup),
        cmocka_unit_test_setup(only_the_kernel_knows_what_is_missing, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
