# SPDX-License-Identifier: BSD-2-Clause
# Configure step of MEMKIND_JEMALLOC=bundled: choose compiler and flags, get the source, and add the
# command that builds it (build.cmake). Sets jemalloc_prefix and jemalloc_library.

include(CheckCCompilerFlag)
include(ProcessorCount)
include("${CMAKE_CURRENT_LIST_DIR}/fetch.cmake")

find_program(MEMKIND_MAKE NAMES gmake make)
mark_as_advanced(MEMKIND_MAKE)
if(NOT MEMKIND_MAKE)
    message(FATAL_ERROR "GNU make is needed to build jemalloc; install it or use "
                        "-DMEMKIND_JEMALLOC=system.")
endif()

# In a folder that several build trees share, all of them must come to the same library: gcc where
# there is one, because it knows TLS descriptors. A build tree of its own takes its own compiler.
set(jemalloc_cc "${CMAKE_C_COMPILER}")
cmake_path(IS_PREFIX CMAKE_BINARY_DIR "${jemalloc_dir}" NORMALIZE jemalloc_dir_is_own)
if(NOT jemalloc_dir_is_own AND NOT CMAKE_CROSSCOMPILING AND NOT CMAKE_C_COMPILER_ID STREQUAL "GNU")
    find_program(MEMKIND_GCC NAMES gcc)
    mark_as_advanced(MEMKIND_GCC)
    if(MEMKIND_GCC)
        set(jemalloc_cc "${MEMKIND_GCC}")
    endif()
endif()

# Of the project's flags only those that change the machine code's interface are jemalloc's too.
# -g1 instead of jemalloc's -g3: enough for backtraces, and a fraction of the size.
set(jemalloc_cflags -g1)
separate_arguments(project_cflags UNIX_COMMAND "${CMAKE_C_COMPILER_ARG1} ${CMAKE_C_FLAGS}")
foreach(flag IN LISTS project_cflags)
    if(flag MATCHES "^(-m|--target=|--sysroot=|-B)" AND NOT flag MATCHES "^-mtls-dialect=")
        list(APPEND jemalloc_cflags "${flag}")
    endif()
endforeach()
if(CMAKE_C_COMPILER_TARGET AND CMAKE_C_COMPILER_ID MATCHES "Clang"
   AND jemalloc_cc STREQUAL CMAKE_C_COMPILER)
    list(APPEND jemalloc_cflags "--target=${CMAKE_C_COMPILER_TARGET}")
endif()
if(CMAKE_SYSROOT)
    list(APPEND jemalloc_cflags "--sysroot=${CMAKE_SYSROOT}")
endif()

# TLS descriptors: as cheap as initial-exec when loaded at start, and dlopen still works.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    if(jemalloc_cc STREQUAL CMAKE_C_COMPILER)
        check_c_compiler_flag(-mtls-dialect=gnu2 MEMKIND_HAVE_TLS_GNU2)
        set(jemalloc_tls_gnu2 ${MEMKIND_HAVE_TLS_GNU2})
    else()
        execute_process(COMMAND "${jemalloc_cc}" -mtls-dialect=gnu2 -E -x c /dev/null
                        RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
        string(COMPARE EQUAL "${status}" 0 jemalloc_tls_gnu2)
    endif()
    if(jemalloc_tls_gnu2)
        list(APPEND jemalloc_cflags -mtls-dialect=gnu2)
    endif()
endif()

# Both sizes would else be those of the machine that builds: a large page is 1 GiB on some, and 512
# MiB where pages have 64 KiB, and jemalloc takes address space by it.
set(jemalloc_configure_args
    --with-jemalloc-prefix=jemk_
    --with-private-namespace=jemk_
    --without-export
    --disable-initial-exec-tls
    --disable-cxx
    --disable-cache-oblivious
    --disable-doc
    --with-lg-page=${MEMKIND_JEMALLOC_LG_PAGE}
    --with-lg-hugepage=21)
separate_arguments(further_args UNIX_COMMAND "${MEMKIND_JEMALLOC_CONFIGURE_ARGS}")
list(APPEND jemalloc_configure_args ${further_args})
if(CMAKE_CROSSCOMPILING)
    if(CMAKE_C_COMPILER_TARGET)
        set(host "${CMAKE_C_COMPILER_TARGET}")
    else()
        execute_process(COMMAND "${jemalloc_cc}" -dumpmachine OUTPUT_VARIABLE host
                        OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    endif()
    list(APPEND jemalloc_configure_args "--host=${host}")
endif()

memkind_jemalloc_identify_source("${MEMKIND_JEMALLOC_SOURCE}" jemalloc_source_id)

# One folder for each thing that can make the library another one. The C library is one of them,
# and has no mark where it is glibc.
set(jemalloc_libc "")
if(NOT MEMKIND_GLIBC)
    set(jemalloc_libc "|not glibc")
endif()
string(SHA256 jemalloc_key
       "${jemalloc_source_id}|${jemalloc_configure_args}|${jemalloc_cflags}|\
${jemalloc_redirected}|${jemalloc_removed_section}${jemalloc_libc}")
string(SUBSTRING "${jemalloc_key}" 0 12 jemalloc_key)
set(jemalloc_prefix
    "${jemalloc_dir}/${jemalloc_version}-${CMAKE_SYSTEM_PROCESSOR}-${jemalloc_key}")
set(jemalloc_library "${jemalloc_prefix}/lib/libjemalloc_pic.a")

memkind_jemalloc_fetch("${MEMKIND_JEMALLOC_SOURCE}" "${jemalloc_dir}" "${jemalloc_library}"
                       jemalloc_source)

ProcessorCount(jobs)
if(jobs EQUAL 0)
    set(jobs 1)
endif()

# Written to a file, because lists do not survive a command line.
set(jemalloc_settings "${CMAKE_CURRENT_BINARY_DIR}/settings.cmake")
file(CONFIGURE OUTPUT "${jemalloc_settings}" @ONLY CONTENT [[
set(SOURCE "@jemalloc_source@")
set(DIR "@jemalloc_dir@")
set(PREFIX "@jemalloc_prefix@")
set(CC "@jemalloc_cc@")
set(AR "@CMAKE_AR@")
set(OBJCOPY "@CMAKE_OBJCOPY@")
set(CFLAGS "@jemalloc_cflags@")
set(CONFIGURE_ARGS "@jemalloc_configure_args@")
set(MAKE "@MEMKIND_MAKE@")
set(REDIRECTED "@jemalloc_redirected@")
set(REMOVED_SECTION "@jemalloc_removed_section@")
set(JOBS "@jobs@")
set(VERSION "@jemalloc_version@")
]])

# Runs with every build, and does nothing where the library is there.
add_custom_target(memkind_jemalloc_build
    COMMAND "${CMAKE_COMMAND}" "-DSETTINGS=${jemalloc_settings}"
            -P "${CMAKE_CURRENT_LIST_DIR}/build.cmake"
    COMMENT "Checking for the private jemalloc"
    VERBATIM)

message(STATUS "jemalloc: private copy ${jemalloc_version} in ${jemalloc_prefix}")
