# SPDX-License-Identifier: BSD-2-Clause
# Configure step of MEMKIND_JEMALLOC=system: the distribution's libjemalloc_pic.a. Its public names
# (malloc, free, mallctl ...) are renamed to jemk_*, as in the private copy: otherwise our calls of
# free() would reach jemalloc with blocks that the C library's strdup() or opendir() took from its
# own heap. Sets jemalloc_prefix and jemalloc_library.

find_library(MEMKIND_JEMALLOC_PIC NAMES libjemalloc_pic.a)
find_path(MEMKIND_JEMALLOC_INCLUDE NAMES jemalloc/jemalloc.h)
mark_as_advanced(MEMKIND_JEMALLOC_PIC MEMKIND_JEMALLOC_INCLUDE)
if(NOT MEMKIND_JEMALLOC_PIC OR NOT MEMKIND_JEMALLOC_INCLUDE)
    message(FATAL_ERROR "MEMKIND_JEMALLOC=system needs libjemalloc_pic.a and jemalloc/jemalloc.h "
                        "(Debian: libjemalloc-dev); install them, or use "
                        "-DMEMKIND_JEMALLOC=bundled.")
endif()
file(STRINGS "${MEMKIND_JEMALLOC_INCLUDE}/jemalloc/jemalloc.h" found
     REGEX "^#[ \t]*define[ \t]+JEMALLOC_VERSION[ \t]+\"5\\.3\\.")
if(NOT found)
    message(FATAL_ERROR "MEMKIND_JEMALLOC=system needs jemalloc 5.3, and "
                        "${MEMKIND_JEMALLOC_INCLUDE}/jemalloc/jemalloc.h is another version; use "
                        "-DMEMKIND_JEMALLOC=bundled.")
endif()

set(jemalloc_prefix "${CMAKE_BINARY_DIR}/jemalloc-system")
set(jemalloc_library "${jemalloc_prefix}/lib/libjemalloc_pic.a")

# jemalloc's header calls everything je_<name> and, unless told not to, renames that to <name>.
file(CONFIGURE OUTPUT "${jemalloc_prefix}/include/jemalloc/jemalloc.h" @ONLY CONTENT [[
/* The distribution's jemalloc.h with the names of the renamed library. */
#pragma once
#define JEMALLOC_NO_RENAME
#define je_malloc_conf jemk_malloc_conf
#define je_malloc_message jemk_malloc_message
#define je_malloc_stats_print jemk_malloc_stats_print
#define je_malloc_usable_size jemk_malloc_usable_size
#define je_mallctl jemk_mallctl
#define je_mallctlnametomib jemk_mallctlnametomib
#define je_mallctlbymib jemk_mallctlbymib
#define je_malloc jemk_malloc
#define je_calloc jemk_calloc
#define je_realloc jemk_realloc
#define je_free jemk_free
#define je_posix_memalign jemk_posix_memalign
#define je_aligned_alloc jemk_aligned_alloc
#define je_memalign jemk_memalign
#define je_valloc jemk_valloc
#define je_mallocx jemk_mallocx
#define je_rallocx jemk_rallocx
#define je_xallocx jemk_xallocx
#define je_sallocx jemk_sallocx
#define je_dallocx jemk_dallocx
#define je_sdallocx jemk_sdallocx
#define je_nallocx jemk_nallocx
#include "@MEMKIND_JEMALLOC_INCLUDE@/jemalloc/jemalloc.h"
]])

add_custom_command(
    OUTPUT "${jemalloc_library}"
    COMMAND "${CMAKE_COMMAND}" "-DNM=${CMAKE_NM}" "-DOBJCOPY=${CMAKE_OBJCOPY}"
            "-DINPUT=${MEMKIND_JEMALLOC_PIC}" "-DOUTPUT=${jemalloc_library}"
            "-DREDIRECTED=${jemalloc_redirected}"
            "-DREMOVED_SECTION=${jemalloc_removed_section}"
            -P "${CMAKE_CURRENT_LIST_DIR}/rename.cmake"
    DEPENDS "${MEMKIND_JEMALLOC_PIC}" "${CMAKE_CURRENT_LIST_DIR}/rename.cmake"
    COMMENT "Renaming the symbols of ${MEMKIND_JEMALLOC_PIC}"
    VERBATIM)
add_custom_target(memkind_jemalloc_build DEPENDS "${jemalloc_library}")

message(STATUS "jemalloc: ${MEMKIND_JEMALLOC_PIC} (MEMKIND_JEMALLOC=system)")
message(WARNING "MEMKIND_JEMALLOC=system is second best: a library built this way can be linked or "
                "preloaded but not loaded with dlopen (its static TLS does not fit); and where it "
                "was built with cache_oblivious, large blocks take a page more, so that a kind "
                "cannot hold one block of its whole max_size.")
