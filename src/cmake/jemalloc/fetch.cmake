# SPDX-License-Identifier: BSD-2-Clause
# Gets jemalloc's source: what the builder names, or the distribution's source package by apt-get.
# apt-get is given state folders of its own and a deb-src copy of the system's source lists, so it
# needs no root and changes nothing on the system.
#
# Uses jemalloc_version and jemalloc_sha256 of the including scope.

# Ends the configuration: one sentence, with the ways out.
function(memkind_jemalloc_source_error WHY)
    message(FATAL_ERROR
            "No source of jemalloc ${jemalloc_version}: ${WHY}; name a copy with "
            "-DMEMKIND_JEMALLOC_SOURCE=<jemalloc-${jemalloc_version}.tar.bz2 or its unpacked "
            "folder>, or link the distribution's library with -DMEMKIND_JEMALLOC=system.")
endfunction()

# Checks the source that the builder names ("": none) and sets OUT_ID to what tells it from others.
# A tarball must be the pinned one; a folder is taken as it is.
function(memkind_jemalloc_identify_source SOURCE OUT_ID)
    if(SOURCE STREQUAL "")
        set(id "${jemalloc_sha256}")
    elseif(IS_DIRECTORY "${SOURCE}")
        if(NOT EXISTS "${SOURCE}/configure")
            memkind_jemalloc_source_error("the folder ${SOURCE} has no configure script")
        endif()
        set(id "${SOURCE}")
    elseif(EXISTS "${SOURCE}")
        file(SHA256 "${SOURCE}" id)
        if(NOT id STREQUAL jemalloc_sha256)
            memkind_jemalloc_source_error(
                "${SOURCE} has the SHA-256 ${id} where ${jemalloc_sha256} is expected")
        endif()
    else()
        memkind_jemalloc_source_error("there is no ${SOURCE}")
    endif()
    set(${OUT_ID} "${id}" PARENT_SCOPE)
endfunction()

# Sets OUT_SOURCE to a tarball or folder: SOURCE, or DIR's tarball, which is downloaded unless it or
# what it is for (LIBRARY) is there.
function(memkind_jemalloc_fetch SOURCE DIR LIBRARY OUT_SOURCE)
    if(NOT SOURCE STREQUAL "")
        set(${OUT_SOURCE} "${SOURCE}" PARENT_SCOPE)
        return()
    endif()

    set(tarball "${DIR}/jemalloc_${jemalloc_version}.orig.tar.bz2")
    set(${OUT_SOURCE} "${tarball}" PARENT_SCOPE)
    memkind_jemalloc_has_tarball("${tarball}" found)
    if(found OR EXISTS "${LIBRARY}")
        return()
    endif()

    file(MAKE_DIRECTORY "${DIR}")
    file(LOCK "${DIR}/fetch.lock" GUARD FUNCTION TIMEOUT 900)
    memkind_jemalloc_has_tarball("${tarball}" found)
    if(found)
        return()
    endif()

    message(STATUS "jemalloc: getting the distribution's source package")
    set(work "${DIR}/fetch")
    file(REMOVE_RECURSE "${work}")
    memkind_jemalloc_apt_get_source("${work}" why)
    set(fetched "${work}/source/jemalloc_${jemalloc_version}.orig.tar.bz2")
    if(why STREQUAL "")
        file(SHA256 "${fetched}" sha256)
        if(sha256 STREQUAL jemalloc_sha256)
            file(RENAME "${fetched}" "${tarball}")
        else()
            string(CONCAT why "the tarball of the distribution's source package has the SHA-256 "
                          "${sha256} where ${jemalloc_sha256} is expected")
        endif()
    endif()
    file(REMOVE_RECURSE "${work}")
    if(NOT why STREQUAL "")
        memkind_jemalloc_source_error("${why}")
    endif()
endfunction()

# OUT_FOUND: whether TARBALL is there and is the pinned one.
function(memkind_jemalloc_has_tarball TARBALL OUT_FOUND)
    set(found FALSE)
    if(EXISTS "${TARBALL}")
        file(SHA256 "${TARBALL}" sha256)
        string(COMPARE EQUAL "${sha256}" "${jemalloc_sha256}" found)
    endif()
    set(${OUT_FOUND} ${found} PARENT_SCOPE)
endfunction()

# Writes a deb-src copy of the system's own source lists to the folder PARTS.
function(memkind_jemalloc_copy_source_lists APT_CONFIG PARTS)
    set(list_file /etc/apt/sources.list)
    set(list_parts /etc/apt/sources.list.d)
    execute_process(COMMAND "${APT_CONFIG}" shell L Dir::Etc::sourcelist/f P Dir::Etc::sourceparts/d
                    OUTPUT_VARIABLE names ERROR_QUIET)
    if(names MATCHES "L='([^']+)'")
        set(list_file "${CMAKE_MATCH_1}")
    endif()
    if(names MATCHES "P='([^']+)'")
        set(list_parts "${CMAKE_MATCH_1}")
    endif()

    file(MAKE_DIRECTORY "${PARTS}")
    file(GLOB deb822 "${list_parts}/*.sources")
    foreach(file IN LISTS deb822)
        file(READ "${file}" text)
        string(REGEX REPLACE "(^|\n)[Tt]ypes:[^\n]*" "\\1Types: deb-src" text "${text}")
        get_filename_component(name "${file}" NAME)
        file(WRITE "${PARTS}/${name}" "${text}")
    endforeach()

    file(GLOB one_line "${list_parts}/*.list")
    foreach(file IN LISTS list_file one_line)
        if(EXISTS "${file}")
            file(READ "${file}" text)
            # A disc would have apt-get ask for it.
            string(REGEX REPLACE "(^|\n)[^\n]*cdrom:[^\n]*" "\\1" text "${text}")
            string(REGEX REPLACE "(^|\n)[ \t]*deb[ \t]+" "\\1deb-src " text "${text}")
            get_filename_component(name "${file}" NAME_WLE)
            file(WRITE "${PARTS}/${name}.list" "${text}")
        endif()
    endforeach()
endfunction()

# Downloads the source package to WORK/source. OUT_WHY: "" or the reason why it could not.
function(memkind_jemalloc_apt_get_source WORK OUT_WHY)
    find_program(MEMKIND_APT_GET apt-get)
    find_program(MEMKIND_APT_CACHE apt-cache)
    find_program(MEMKIND_APT_CONFIG apt-config)
    mark_as_advanced(MEMKIND_APT_GET MEMKIND_APT_CACHE MEMKIND_APT_CONFIG)
    if(NOT MEMKIND_APT_GET OR NOT MEMKIND_APT_CACHE OR NOT MEMKIND_APT_CONFIG)
        set(${OUT_WHY} "this system has no apt-get to download it with" PARENT_SCOPE)
        return()
    endif()

    file(MAKE_DIRECTORY "${WORK}/lists/partial" "${WORK}/cache/archives/partial" "${WORK}/source")
    memkind_jemalloc_copy_source_lists("${MEMKIND_APT_CONFIG}" "${WORK}/parts")
    # The system's hooks clean the system's caches: not ours to run. Root's apt-get would download
    # as another user, who cannot write here.
    file(WRITE "${WORK}/apt.conf" "#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User \"root\";
Acquire::Retries \"2\";
Acquire::http::Timeout \"60\";
Acquire::https::Timeout \"60\";
Dir::State::Lists \"${WORK}/lists\";
Dir::Cache \"${WORK}/cache\";
Dir::Cache::pkgcache \"\";
Dir::Cache::srcpkgcache \"\";
Dir::Etc::SourceList \"/dev/null\";
Dir::Etc::SourceParts \"${WORK}/parts\";
")

    # A third party's list may well have no source packages: what counts is whether jemalloc comes.
    execute_process(COMMAND "${MEMKIND_APT_GET}" -qq -c "${WORK}/apt.conf" update
                    OUTPUT_VARIABLE update_output ERROR_VARIABLE update_output)
    execute_process(COMMAND "${MEMKIND_APT_CACHE}" -c "${WORK}/apt.conf" showsrc --only-source
                            jemalloc
                    OUTPUT_VARIABLE records ERROR_QUIET)
    string(REPLACE "." "\\." version_regex "${jemalloc_version}")
    if(NOT records MATCHES "(^|\n)Version: (${version_regex}-[^ \n]+)")
        memkind_jemalloc_apt_error("${update_output}" hint)
        set(${OUT_WHY} "the distribution's source lists offer none${hint}" PARENT_SCOPE)
        return()
    endif()
    execute_process(COMMAND "${MEMKIND_APT_GET}" -qq -c "${WORK}/apt.conf" source --only-source
                            --tar-only --download-only "jemalloc=${CMAKE_MATCH_2}"
                    WORKING_DIRECTORY "${WORK}/source"
                    OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT EXISTS "${WORK}/source/jemalloc_${jemalloc_version}.orig.tar.bz2")
        memkind_jemalloc_apt_error("${output}" hint)
        set(${OUT_WHY} "its source package could not be downloaded${hint}" PARENT_SCOPE)
        return()
    endif()
    set(${OUT_WHY} "" PARENT_SCOPE)
endfunction()

# OUT_HINT: " (apt-get: <first error in OUTPUT>)", or "" where there is none.
function(memkind_jemalloc_apt_error OUTPUT OUT_HINT)
    set(hint "")
    if(OUTPUT MATCHES "(^|\n)[EW]: ([^\n]+)")
        string(STRIP "${CMAKE_MATCH_2}" line)
        set(hint " (apt-get: ${line})")
    endif()
    set(${OUT_HINT} "${hint}" PARENT_SCOPE)
endfunction()
