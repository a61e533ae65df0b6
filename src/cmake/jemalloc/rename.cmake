# SPDX-License-Identifier: BSD-2-Clause
# Build step of MEMKIND_JEMALLOC=system: copies the archive INPUT to OUTPUT and puts jemk_ before
# each public name that it defines, and before the names of REDIRECTED, which it calls; and removes
# a section. Run as cmake -DNM= -DOBJCOPY= -DINPUT= -DOUTPUT= -DREDIRECTED= -DREMOVED_SECTION= -P
# rename.cmake.

execute_process(COMMAND "${NM}" -g --defined-only "${INPUT}" OUTPUT_VARIABLE symbols ERROR_QUIET
                COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[0-9a-f]+ [A-Za-z] [^\n]+" symbols "${symbols}")
set(renames "")
foreach(symbol IN LISTS symbols)
    string(REGEX REPLACE "^[0-9a-f]+ [A-Za-z] " "" name "${symbol}")
    if(NOT name MATCHES "^(je_|DW\\.ref\\.)")
        string(APPEND renames "${name} jemk_${name}\n")
    endif()
endforeach()
foreach(name IN LISTS REDIRECTED)
    string(APPEND renames "${name} jemk_${name}\n")
endforeach()

get_filename_component(folder "${OUTPUT}" DIRECTORY)
file(MAKE_DIRECTORY "${folder}")
file(WRITE "${OUTPUT}.names" "${renames}")
execute_process(COMMAND "${OBJCOPY}" "--redefine-syms=${OUTPUT}.names"
                        "--remove-section=${REMOVED_SECTION}" "${INPUT}" "${OUTPUT}.new"
                COMMAND_ERROR_IS_FATAL ANY)
file(RENAME "${OUTPUT}.new" "${OUTPUT}")
