/* SPDX-License-Identifier: BSD-2-Clause */
/* No kind can be created on a DAX device in system-ram mode. Usage: test_no_device DEVICE */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "stress/kinds.h"

static const char *device;

static void test_refused(void **state)
{
    memkind_t kind = NULL;

    (void)state;
    assert_int_equal(memkind_create_pmem(device, 0, &kind), MEMKIND_ERROR_UNAVAILABLE);
    assert_int_equal(errno, ENXIO);
    assert_null(kind);
    assert_int_equal(memkind_check_dax_path(device), MEMKIND_ERROR_RUNTIME);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused)};

    if (argc != 2) {
        fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
        return EXIT_FAILURE;
    }
    device = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
