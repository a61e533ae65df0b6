# SPDX-License-Identifier: BSD-2-Clause
# Toolchain file for 64-bit Arm Linux with Debian's cross compiler. MEMKIND_SYSROOT in the
# environment is a folder with the other libraries, which tests/cross/run makes.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
# Without a C++ compiler, C++ programs are not built.
find_program(MEMKIND_CROSS_CXX aarch64-linux-gnu-g++)
mark_as_advanced(MEMKIND_CROSS_CXX)
set(CMAKE_CXX_COMPILER "")
if(MEMKIND_CROSS_CXX)
    set(CMAKE_CXX_COMPILER "${MEMKIND_CROSS_CXX}")
endif()
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# Programs come from the build machine; libraries, headers and packages from the target.
set(CMAKE_FIND_ROOT_PATH "$ENV{MEMKIND_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} "$ENV{MEMKIND_SYSROOT}")
set(ENV{PKG_CONFIG_LIBDIR} "$ENV{MEMKIND_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig")
set(library_folders "$ENV{MEMKIND_SYSROOT}/usr/lib/aarch64-linux-gnu")
string(APPEND library_folders ":$ENV{MEMKIND_SYSROOT}/lib/aarch64-linux-gnu")
# Dependencies of those libraries.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,${library_folders}")

# ctest runs programs under qemu-user.
find_program(MEMKIND_QEMU NAMES qemu-aarch64 qemu-aarch64-static)
mark_as_advanced(MEMKIND_QEMU)
if(MEMKIND_QEMU)
    set(CMAKE_CROSSCOMPILING_EMULATOR
        "${MEMKIND_QEMU};-L;/usr/aarch64-linux-gnu;-E;LD_LIBRARY_PATH=${library_folders}")
endif()
