/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A C++ program that is linked with another allocator. Report: it got operator new from that
 * allocator, and free() from the preload library. Usage: operators all | full | replaced. Prints
 * how many blocks were in a kind.
 */
#include <dlfcn.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace
{

enum { SIZE = 1000, ALIGNMENT = 256, TOO_MANY = 1000 };
constexpr std::size_t MIB = std::size_t{1} << 20;
const std::align_val_t alignment{ALIGNMENT};
const volatile std::size_t everything = SIZE_MAX - 1;
int in_kind_count;

void check(bool holds, const char *what)
{
    if (holds)
        return;
    std::fprintf(stderr, "operators: not so: %s\n", what);
    _exit(1);
}

/* Hides a call that the compiler would optimise away. */
void *opaque(void *ptr)
{
    asm volatile("" : "+r"(ptr) : : "memory");
    return ptr;
}

void *look_at(void *ptr, std::size_t size)
{
    using detect_function = void *(void *);
    static detect_function *detect =
        reinterpret_cast<detect_function *>(dlsym(RTLD_DEFAULT, "memkind_detect_kind"));

    check(ptr != nullptr, "there is a block");
    std::memset(opaque(ptr), 'x', size);
    in_kind_count += detect != nullptr && detect(ptr) != nullptr;
    return ptr;
}

void *look_at_aligned(void *ptr, std::size_t size)
{
    check(reinterpret_cast<std::uintptr_t>(ptr) % ALIGNMENT == 0, "it is aligned");
    return look_at(ptr, size);
}

void all_forms()
{
    ::operator delete(look_at(::operator new(SIZE), SIZE));
    ::operator delete (look_at(::operator new(SIZE), SIZE), std::size_t{SIZE});
    ::operator delete[](look_at(::operator new[](SIZE), SIZE));
    ::operator delete[](look_at(::operator new[](SIZE), SIZE), std::size_t{SIZE});
    ::operator delete(look_at(::operator new(SIZE, std::nothrow), SIZE), std::nothrow);
    ::operator delete[](look_at(::operator new[](SIZE, std::nothrow), SIZE), std::nothrow);
    ::operator delete(look_at_aligned(::operator new(SIZE, alignment), SIZE), alignment);
    ::operator delete (look_at_aligned(::operator new(SIZE, alignment), SIZE), std::size_t{SIZE},
                       alignment);
    ::operator delete[](look_at_aligned(::operator new[](SIZE, alignment), SIZE), alignment);
    ::operator delete[](look_at_aligned(::operator new[](SIZE, alignment), SIZE), std::size_t{SIZE},
                        alignment);
    ::operator delete(look_at_aligned(::operator new(SIZE, alignment, std::nothrow), SIZE),
                      alignment, std::nothrow);
    ::operator delete[](look_at_aligned(::operator new[](SIZE, alignment, std::nothrow), SIZE),
                        alignment, std::nothrow);
    ::operator delete(look_at(::operator new(0), 0));
    std::free(look_at(::operator new(SIZE), SIZE));
    ::operator delete(look_at(std::malloc(SIZE), SIZE));
    std::vector<std::string> texts(100, std::string(100, 'y'));
    check(texts.back().size() == 100, "containers work");
    in_kind_count = in_kind_count == 15 ? in_kind_count : -in_kind_count;
}

template <class Function> bool throws(Function function)
{
    try {
        function();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

void *reserve[TOO_MANY];
std::size_t reserved;
int handled;

/* The first call frees memory, the second one gives up. */
void handler()
{
    if (handled++ == 0) {
        ::operator delete(reserve[--reserved]);
        return;
    }
    throw std::bad_alloc();
}

/* A full heap: the heap is small, and does not fall back to DRAM. */
void full()
{
    while (reserved < TOO_MANY) {
        void *block = ::operator new(MIB, std::nothrow);
        if (block == nullptr)
            break;
        reserve[reserved++] = block;
    }
    check(reserved > 2 && reserved < TOO_MANY, "the heap becomes full, and new (nothrow) NULL");
    check(throws([] { opaque(::operator new(MIB)); }), "new throws");
    check(throws([] { opaque(::operator new[](MIB)); }), "new[] throws");
    check(throws([] { opaque(::operator new(MIB, alignment)); }), "aligned new throws");
    check(throws([] { opaque(::operator new(everything)); }), "new of everything throws");
    check(throws([] { opaque(::operator new(everything, alignment)); }), "aligned too");
    check(::operator new[](MIB, std::nothrow) == nullptr, "new[] (nothrow) is NULL");
    check(::operator new(MIB, alignment, std::nothrow) == nullptr, "aligned new (nothrow) is NULL");
    std::set_new_handler(handler);
    void *block = ::operator new(MIB);
    check(handled == 1 && block != nullptr, "the handler makes room");
    check(throws([] { opaque(::operator new(MIB)); }), "the handler throws");
    check(::operator new(MIB, std::nothrow) == nullptr, "what the handler throws is caught");
    ::operator delete(block);
    while (reserved > 0)
        ::operator delete(reserve[--reserved]);
}

} // namespace

#ifdef REPLACED
/* The program's own operators, which all other forms must call. */
#    ifndef __clang__
#        pragma GCC diagnostic ignored "-Wsized-deallocation"
#    endif
namespace
{
int news, deletes;
}

__attribute__((visibility("default"))) void *operator new(std::size_t size)
{
    news++;
    if (void *block = std::malloc(size + 1))
        return block;
    throw std::bad_alloc();
}

__attribute__((visibility("default"))) void operator delete(void *ptr) noexcept
{
    deletes++;
    std::free(ptr);
}

namespace
{
void replaced()
{
    news = deletes = 0;
    ::operator delete(look_at(::operator new(SIZE), SIZE));
    ::operator delete[](look_at(::operator new[](SIZE), SIZE));
    ::operator delete (look_at(::operator new(SIZE), SIZE), std::size_t{SIZE});
    ::operator delete[](look_at(::operator new[](SIZE), SIZE), std::size_t{SIZE});
    ::operator delete(look_at(::operator new(SIZE, std::nothrow), SIZE), std::nothrow);
    ::operator delete[](look_at(::operator new[](SIZE, std::nothrow), SIZE), std::nothrow);
    check(news == 6, "each form of new calls the program's");
    check(deletes == 6, "each form of delete calls the program's");
    check(::operator new(everything, std::nothrow) == nullptr, "what it throws is caught");
}
} // namespace
#else
namespace
{
void replaced()
{
}
} // namespace
#endif

int main(int argc, char **argv)
{
    const char *name = argc == 2 ? argv[1] : "";

    if (std::strcmp(name, "all") == 0)
        all_forms();
    else if (std::strcmp(name, "full") == 0)
        full();
    else if (std::strcmp(name, "replaced") == 0)
        replaced();
    else
        return 2;
    std::printf("%d\n", in_kind_count);
    return 0;
}
