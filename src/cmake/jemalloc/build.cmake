# SPDX-License-Identifier: BSD-2-Clause
# Build step of MEMKIND_JEMALLOC=bundled, run as cmake -DSETTINGS=<file> -P build.cmake.
# Builds in a folder of its own and moves header and library to PREFIX, the library last; whoever
# waited for the lock finds them there.

include("${SETTINGS}")

set(library "${PREFIX}/lib/libjemalloc_pic.a")
if(EXISTS "${library}")
    return()
endif()
file(LOCK "${DIR}/build.lock" TIMEOUT 1800)
if(EXISTS "${library}")
    return()
endif()
if(NOT EXISTS "${SOURCE}")
    message(FATAL_ERROR "jemalloc's source ${SOURCE} is gone: run cmake again to get it.")
endif()
message(STATUS "Building jemalloc ${VERSION} (about a minute, once)")

set(work "${PREFIX}.build")
set(log "${PREFIX}.log")
# jemalloc's makefile does not quote the names of its folders.
if(NOT work MATCHES "^[-A-Za-z0-9_./+@]+$")
    execute_process(COMMAND mktemp -d /tmp/jemalloc.XXXXXX OUTPUT_VARIABLE work
                    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endif()
file(REMOVE_RECURSE "${work}")
file(MAKE_DIRECTORY "${work}/build")

# Runs a step in the build folder and ends with its output where it fails.
function(run_step NAME)
    execute_process(COMMAND ${ARGN} WORKING_DIRECTORY "${work}/build" RESULT_VARIABLE status
                    OUTPUT_VARIABLE output ERROR_VARIABLE output)
    file(APPEND "${log}" "== ${NAME}\n${output}\n")
    if(NOT status EQUAL 0)
        message("${output}")
        message(FATAL_ERROR "jemalloc: ${NAME} failed (${status}); the log is ${log}")
    endif()
endfunction()

file(WRITE "${log}" "")
if(IS_DIRECTORY "${SOURCE}")
    set(source "${work}/source")
    file(COPY "${SOURCE}/" DESTINATION "${source}")
else()
    file(ARCHIVE_EXTRACT INPUT "${SOURCE}" DESTINATION "${work}/source")
    file(GLOB source LIST_DIRECTORIES TRUE "${work}/source/*")
endif()

# The flags and the job server of the make that runs us are not for jemalloc's.
foreach(variable IN ITEMS MAKEFLAGS MFLAGS MAKELEVEL CFLAGS CPPFLAGS CXXFLAGS LDFLAGS EXTRA_CFLAGS)
    unset(ENV{${variable}})
endforeach()
list(JOIN CFLAGS " " extra_cflags)
# No folder of the build machine in the debug information.
string(APPEND extra_cflags
       " -ffile-prefix-map=${work}/build=. -ffile-prefix-map=${source}=jemalloc")
if(AR)
    set(ENV{AR} "${AR}")
endif()
run_step(configure "${source}/configure" ${CONFIGURE_ARGS} "CC=${CC}"
         "EXTRA_CFLAGS=${extra_cflags}")
run_step(make "${MAKE}" "-j${JOBS}" build_lib_static)

foreach(function IN LISTS REDIRECTED)
    list(APPEND redirections "--redefine-sym=${function}=jemk_${function}")
endforeach()
run_step(objcopy "${OBJCOPY}" ${redirections} "--remove-section=${REMOVED_SECTION}"
         lib/libjemalloc_pic.a)

file(MAKE_DIRECTORY "${PREFIX}/include/jemalloc" "${PREFIX}/lib")
file(COPY "${work}/build/include/jemalloc/jemalloc.h" DESTINATION "${PREFIX}/include/jemalloc")
# The work folder may be on another file system; the library appears whole.
file(COPY_FILE "${work}/build/lib/libjemalloc_pic.a" "${library}.new")
file(RENAME "${library}.new" "${library}")
file(REMOVE_RECURSE "${work}")
file(REMOVE "${log}")
