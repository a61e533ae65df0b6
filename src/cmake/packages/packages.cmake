# SPDX-License-Identifier: BSD-2-Clause
# Debian packages, made by `cpack` in the build folder: runtime, development, documentation. They
# take the place of the distribution's libmemkind0, libmemkind-progs and libmemkind-dev.

set(CPACK_GENERATOR DEB)
# The interface's version first, so that a newer package is greater than all older ones and
# satisfies what asks for memkind; the library's own version behind it.
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}+pmem${MEMKIND_LIBRARY_VERSION}")
set(CPACK_PACKAGE_VENDOR "libmemkind")
set(CPACK_PACKAGE_CONTACT "libmemkind <root@localhost>" CACHE STRING "Maintainer of the packages")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_COMPONENTS_ALL runtime development documentation)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1 CACHE STRING "Revision of the packages")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_CURRENT_LIST_DIR}/compress.cmake")
set(package_dir "${CMAKE_CURRENT_BINARY_DIR}/packages")

# -- runtime ---------------------------------------------------------------------------------------

# The versions in Provides are the interface's: programs and packages ask for those.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libmemkind-pmem0)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION
"Stands in for libmemkind0 in programs that use its PMEM, fixed, huge page,
interleaved, default and NUMA node kinds, of hbwmalloc.h, and of
memkind_memtier.h, and for libmemtier.so.0, which serves malloc from tiers.")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONFLICTS "libmemkind0, libmemkind-progs")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_REPLACES "libmemkind0, libmemkind-progs")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_PROVIDES
    "libmemkind0 (= ${PROJECT_VERSION}), libmemkind-progs (= ${PROJECT_VERSION})")

find_program(MEMKIND_DPKG_SHLIBDEPS dpkg-shlibdeps)
mark_as_advanced(MEMKIND_DPKG_SHLIBDEPS)
# Loaded by dlopen, for DAX devices only, which dpkg-shlibdeps does not see.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS libdaxctl1)
if(MEMKIND_DPKG_SHLIBDEPS)
    set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
else()
    string(APPEND CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS ", libc6")
endif()

# deb-symbols(5): all that the library exports, without versions, as memkind's.
file(STRINGS src/api/libmemkind.map names REGEX "^ +[A-Za-z0-9_]+;")
list(TRANSFORM names REPLACE "[ ;]" "")
list(SORT names)
list(TRANSFORM names REPLACE "(.+)" " \\1@Base ${PROJECT_VERSION}")
list(JOIN names "\n" names)
file(WRITE "${package_dir}/symbols"
     "libmemkind.so.0 ${CPACK_DEBIAN_RUNTIME_PACKAGE_NAME} #MINVER#\n${names}\n")
# What a program may be linked with these for, of all that they stand in for.
set(memtier calloc free je_calloc je_free je_malloc je_malloc_usable_size je_posix_memalign
    je_realloc malloc malloc_usable_size posix_memalign realloc)
set(autohbw disableAutoHBW enableAutoHBW)
foreach(library IN ITEMS memtier autohbw)
    list(TRANSFORM ${library} REPLACE "(.+)" " \\1@Base ${PROJECT_VERSION}")
    list(JOIN ${library} "\n" names)
    file(APPEND "${package_dir}/symbols"
         "lib${library}.so.0 ${CPACK_DEBIAN_RUNTIME_PACKAGE_NAME} #MINVER#\n${names}\n")
endforeach()
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA "${package_dir}/symbols")

# -- development -----------------------------------------------------------------------------------

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libmemkind-pmem-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
"Headers, the static library, and files for pkg-config and CMake.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_CONFLICTS libmemkind-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_REPLACES libmemkind-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_PROVIDES "libmemkind-dev (= ${PROJECT_VERSION})")
string(CONCAT CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${CPACK_DEBIAN_RUNTIME_PACKAGE_NAME} "
       "(= ${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS libmemkind-pmem-doc)

# -- documentation ---------------------------------------------------------------------------------

set(CPACK_DEBIAN_DOCUMENTATION_PACKAGE_NAME libmemkind-pmem-doc)
set(CPACK_DEBIAN_DOCUMENTATION_PACKAGE_SECTION doc)
set(CPACK_DEBIAN_DOCUMENTATION_PACKAGE_ARCHITECTURE all)
set(CPACK_COMPONENT_DOCUMENTATION_DESCRIPTION "Manual pages, and programs as examples.")
# memkind's libmemkind-dev has manual pages of the same names; the package that
# provides it here has not.
set(CPACK_DEBIAN_DOCUMENTATION_PACKAGE_CONFLICTS
    "libmemkind-dev (<< ${PROJECT_VERSION}), libmemkind-dev (>> ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DOCUMENTATION_PACKAGE_REPLACES libmemkind-dev)

# -- what only packages have -----------------------------------------------------------------------

foreach(component IN ITEMS RUNTIME DEVELOPMENT DOCUMENTATION)
    string(TOLOWER "${component}" name)
    install(FILES LICENSE RENAME copyright COMPONENT ${name} EXCLUDE_FROM_ALL
            DESTINATION "share/doc/${CPACK_DEBIAN_${component}_PACKAGE_NAME}")
endforeach()
set(doc_dir "share/doc/${CPACK_DEBIAN_DOCUMENTATION_PACKAGE_NAME}")
install(FILES README.md DESTINATION "${doc_dir}" COMPONENT documentation EXCLUDE_FROM_ALL)
install(DIRECTORY tests/examples DESTINATION "${doc_dir}" COMPONENT documentation EXCLUDE_FROM_ALL
        FILES_MATCHING REGEX "\\.(c|cpp|py|rs)$")

include(CPack)
