# SPDX-License-Identifier: BSD-2-Clause
# Run by cpack on the files of a package: manual pages are compressed, as Debian's are.

find_program(gzip gzip REQUIRED)
file(GLOB_RECURSE pages "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*")
list(FILTER pages INCLUDE REGEX "/man/man[1-9]/[^/]*\\.[1-9]$")
if(pages)
    # -n: no times, so that the same pages make the same package.
    execute_process(COMMAND "${gzip}" -9 -n -f ${pages} COMMAND_ERROR_IS_FATAL ANY)
endif()
