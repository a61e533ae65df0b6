# SPDX-License-Identifier: BSD-2-Clause
# A page for each function that a manual page of section 3 names, which sends man(1) to that page.

set(link_dir "${CMAKE_CURRENT_BINARY_DIR}/manual_links")
file(REMOVE_RECURSE "${link_dir}")

set(linked "")
foreach(page IN LISTS man_pages)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${page}")
    get_filename_component(target "${page}" NAME)
    file(STRINGS "${page}" names REGEX "^\\.Nm (memkind|memtier|hbw)_[a-z0-9_]+")
    foreach(name IN LISTS names)
        string(REGEX REPLACE "^\\.Nm ([a-z]+_[a-z0-9_]+).*$" "\\1" name "${name}")
        # One that has a page is not linked to another; of two pages that name it, the first has it.
        if(EXISTS "${PROJECT_SOURCE_DIR}/man/${name}.3" OR "${name}" IN_LIST linked)
            continue()
        endif()
        list(APPEND linked "${name}")
        file(WRITE "${link_dir}/${name}.3" ".so man3/${target}\n")
    endforeach()
endforeach()
install(DIRECTORY "${link_dir}/" DESTINATION "${CMAKE_INSTALL_MANDIR}/man3"
        COMPONENT documentation)
