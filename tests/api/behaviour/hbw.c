/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions about memory of high bandwidth: hbwmalloc(3), the kinds, and lists of nodes. */
#include "behaviour.h"

#include <hbwmalloc.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* From memkind_hbw(3), whose header the distribution does not install. */
int memkind_hbw_check_available(struct memkind *kind);
int memkind_hbw_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                   unsigned long maxnode);
int memkind_hbw_all_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                       unsigned long maxnode);

/* -- Answers ----------------------------------------------------------------------------------- */

static void say_kind_of(void *block)
{
    static const struct {
        const char *name;
        memkind_t *kind;
    } kinds[] = {
        {"DEFAULT", &MEMKIND_DEFAULT},
        {"HBW", &MEMKIND_HBW},
        {"HBW_ALL", &MEMKIND_HBW_ALL},
        {"HBW_PREFERRED", &MEMKIND_HBW_PREFERRED},
        {"HBW_INTERLEAVE", &MEMKIND_HBW_INTERLEAVE},
    };
    memkind_t kind = memkind_detect_kind(block);

    if (block == NULL) {
        say("%s", errno == ENOMEM ? "ENOMEM" : "NULL");
        return;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kind == *kinds[i].kind)
            say("%s", kinds[i].name);
}

static void say_error(int error)
{
    say("%s", error == 0 ? "0" : error > 0 ? strerrorname_np(error) : "-1");
}

/* -- Questions --------------------------------------------------------------------------------- */

static void available(void)
{
    static memkind_t *const kinds[] = {
        &MEMKIND_HBW,
        &MEMKIND_HBW_ALL,
        &MEMKIND_HBW_PREFERRED,
        &MEMKIND_HBW_INTERLEAVE,
    };

    say_error(hbw_check_available());
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        say_status(memkind_check_available(*kinds[i]));
    say_status(memkind_hbw_check_available(MEMKIND_HBW));
}

static void nodes(void)
{
    unsigned long mask[2] = {0, 0};

    say_status(memkind_hbw_get_mbind_nodemask(MEMKIND_HBW, mask, 128));
    say("%lx", mask[0]);
    mask[0] = 0;
    say_status(memkind_hbw_all_get_mbind_nodemask(MEMKIND_HBW_ALL, mask, 128));
    say("%lx", mask[0]);
}

static void blocks(void)
{
    static memkind_t *const kinds[] = {&MEMKIND_HBW, &MEMKIND_HBW_ALL, &MEMKIND_HBW_PREFERRED,
                                       &MEMKIND_HBW_INTERLEAVE};
    void *block = NULL;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        errno = 0;
        say_kind_of(memkind_malloc(*kinds[i], SMALL));
        errno = 0;
        say_kind_of(memkind_malloc(*kinds[i], 0));
        errno = 0;
        say_kind_of(memkind_calloc(*kinds[i], 1, 10 * MIB));
        say_error(memkind_posix_memalign(*kinds[i], &block, 64, SMALL));
    }
}

static void capacities(void)
{
    say("%d", memkind_get_capacity(MEMKIND_HBW) > 0);
    say("%d", memkind_get_capacity(MEMKIND_HBW_ALL) > 0);
    say("%d", memkind_get_capacity(MEMKIND_HBW_PREFERRED) > 0);
    say("%d", memkind_get_capacity(MEMKIND_HBW_INTERLEAVE) > 0);
}

static void created_kinds(void)
{
    static const memkind_policy_t policies[] = {
        MEMKIND_POLICY_BIND_LOCAL, MEMKIND_POLICY_BIND_ALL, MEMKIND_POLICY_PREFERRED_LOCAL,
        MEMKIND_POLICY_INTERLEAVE_LOCAL, MEMKIND_POLICY_INTERLEAVE_ALL};

    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        memkind_t kind = NULL;
        int status = memkind_create_kind(MEMKIND_MEMTYPE_HIGH_BANDWIDTH, policies[i],
                                         (memkind_bits_t)0, &kind);

        say_status(status);
        if (status == MEMKIND_SUCCESS) {
            say_kind_of(memkind_malloc(kind, SMALL));
            say_status(memkind_destroy_kind(kind));
        }
    }
}

static void default_policy(void)
{
    void *block = NULL;

    say("%d", hbw_get_policy());
    say("%p", hbw_malloc(0));
    say("%p", hbw_calloc(0, SMALL));
    say_kind_of(hbw_malloc(SMALL));
    say_kind_of(hbw_calloc(3, SMALL));
    say_error(hbw_posix_memalign(&block, 64, SMALL));
    say_kind_of(block);
    say_error(hbw_posix_memalign(&block, 3, SMALL));
    say_error(hbw_posix_memalign(&block, 64, 0));
    say("%p", block);
    say_kind_of(hbw_realloc(NULL, SMALL));
    block = hbw_realloc(hbw_malloc(SMALL), 10 * MIB);
    say_kind_of(block);
    say("%s", hbw_malloc_usable_size(block) >= 10 * MIB ? "size" : "no size");
    say("%p", hbw_realloc(block, 0));
    say("%zu", hbw_malloc_usable_size(NULL));
    hbw_free(NULL);
}

static void set_policy_once(void)
{
    say_error(hbw_set_policy((hbw_policy_t)0));
    say_error(hbw_set_policy((hbw_policy_t)5));
    say("%d", hbw_get_policy());
    say_error(hbw_set_policy(HBW_POLICY_BIND_ALL));
    say_error(hbw_set_policy(HBW_POLICY_BIND_ALL));
    say_error(hbw_set_policy(HBW_POLICY_BIND));
    say_error(hbw_set_policy((hbw_policy_t)5));
    say("%d", hbw_get_policy());
}

static void set_policy_after_use(void)
{
    say("%p", hbw_malloc(0));
    say_error(hbw_set_policy(HBW_POLICY_BIND));
    say("%d", hbw_get_policy());
}

static void set_policy_after_a_question(void)
{
    hbw_free(NULL);
    (void)hbw_check_available();
    (void)hbw_malloc_usable_size(NULL);
    say_error(hbw_set_policy(HBW_POLICY_BIND));
    say("%d", hbw_get_policy());
}

static void set_policy_after_a_wrong_alignment(void)
{
    void *block = NULL;

    say_error(hbw_posix_memalign(&block, 3, SMALL));
    say_error(hbw_set_policy(HBW_POLICY_BIND));
}

static void page_sizes_of(hbw_policy_t policy)
{
    static const size_t sizes[] = {SMALL, GIB, 0};

    say_error(hbw_set_policy(policy));
    for (int pagesize = HBW_PAGESIZE_4KB; pagesize < HBW_PAGESIZE_MAX_VALUE; pagesize++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            void *block = NULL;

            /* Another program may have reserved huge pages. */
            if (pagesize == HBW_PAGESIZE_2MB && policy != HBW_POLICY_INTERLEAVE && sizes[i] != 0)
                continue;
            say_error(hbw_posix_memalign_psize(&block, 64, sizes[i], (hbw_pagesize_t)pagesize));
        }
}

static void page_sizes_bind(void)
{
    page_sizes_of(HBW_POLICY_BIND);
}

static void page_sizes_preferred(void)
{
    page_sizes_of(HBW_POLICY_PREFERRED);
}

static void page_sizes_interleave(void)
{
    page_sizes_of(HBW_POLICY_INTERLEAVE);
}

static void kinds_of_policy(hbw_policy_t policy)
{
    say_error(hbw_set_policy(policy));
    errno = 0;
    say_kind_of(hbw_malloc(SMALL));
}

static void policy_bind(void)
{
    kinds_of_policy(HBW_POLICY_BIND);
}

static void policy_bind_all(void)
{
    kinds_of_policy(HBW_POLICY_BIND_ALL);
}

static void policy_interleave(void)
{
    kinds_of_policy(HBW_POLICY_INTERLEAVE);
}

static void verify(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *range = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    say_error(hbw_verify_memory_region(NULL, page, 0));
    say_error(hbw_verify_memory_region(range, 0, 0));
    say_error(hbw_verify_memory_region(range, page, 2));
    say_error(hbw_verify_memory_region(range, 16 * page, 0));
    range[3 * page] = 'x';
    say_error(hbw_verify_memory_region(range + 3 * page + 5, 10, 0));
    say_error(hbw_verify_memory_region(range + 3 * page + 5, page, 0));
    say_error(hbw_verify_memory_region(range, 16 * page, HBW_TOUCH_PAGES));
    say_error(hbw_verify_memory_region(range + 1, 16 * page - 1, 0));
    say("%c", range[3 * page]);
    munmap(range + 15 * page, page);
    say_error(hbw_verify_memory_region(range, 16 * page, 0));
}

/* -- The same with nodes listed ---------------------------------------------------------------- */

/* Runs the question in a new process with a variable set. */
static void with(const char *variable, const char *value, const char *name)
{
    setenv(variable, value, 1);
    execl("/proc/self/exe", program, dir, name, (char *)NULL);
}

/* No node has this bandwidth. */
#define NONE "MEMKIND_HBW_THRESHOLD", "4000000000"
#define LIST "MEMKIND_HBW_NODES"

#define DEFINE_WITH(name, question)  \
    static void name##_none(void)    \
    {                                \
        with(NONE, question);        \
    }                                \
    static void name##_0(void)       \
    {                                \
        with(LIST, "0", question);   \
    }                                \
    static void name##_wrong(void)   \
    {                                \
        with(LIST, "x", question);   \
    }                                \
    static void name##_missing(void) \
    {                                \
        with(LIST, "7", question);   \
    }
DEFINE_WITH(available, "hbw-available")
DEFINE_WITH(nodes, "hbw-nodes")
DEFINE_WITH(blocks, "hbw-blocks")
DEFINE_WITH(capacities, "hbw-capacities")
DEFINE_WITH(created_kinds, "hbw-created-kinds")
DEFINE_WITH(default_policy, "hbw-default-policy")
DEFINE_WITH(verify, "hbw-verify")
DEFINE_WITH(policy_bind, "hbw-policy-bind")
DEFINE_WITH(policy_bind_all, "hbw-policy-bind-all")
DEFINE_WITH(policy_interleave, "hbw-policy-interleave")
DEFINE_WITH(page_sizes_bind, "hbw-page-sizes-bind")
DEFINE_WITH(page_sizes_preferred, "hbw-page-sizes-preferred")
DEFINE_WITH(page_sizes_interleave, "hbw-page-sizes-interleave")

const struct question hbw_questions[] = {
    {"hbw-available", available, NULL},
    {"hbw-nodes", nodes, NULL},
    {"hbw-blocks", blocks, NULL},
    {"hbw-capacities", capacities, NULL},
    {"hbw-created-kinds", created_kinds, NULL},
    {"hbw-default-policy", default_policy, NULL},
    {"hbw-verify", verify, NULL},
    {"hbw-policy-bind", policy_bind, NULL},
    {"hbw-policy-bind-all", policy_bind_all, NULL},
    {"hbw-policy-interleave", policy_interleave, NULL},
    {"hbw-page-sizes-bind", page_sizes_bind, NULL},
    {"hbw-page-sizes-preferred", page_sizes_preferred, NULL},
    {"hbw-page-sizes-interleave", page_sizes_interleave, NULL},
    {"hbw-set-policy-once", set_policy_once, "EINVAL, EINVAL, 2, 0, 0, EPERM, EINVAL, 4"},
    {"hbw-set-policy-after-use", set_policy_after_use, "(nil), EPERM, 2"},
    {"hbw-set-policy-after-a-question", set_policy_after_a_question, "0, 1"},
    {"hbw-set-policy-after-a-wrong-alignment", set_policy_after_a_wrong_alignment, "EINVAL, EPERM"},
    {"hbw-available-none", available_none,
     "ENODEV, MEMTYPE_NOT_AVAILABLE, MEMTYPE_NOT_AVAILABLE, MEMTYPE_NOT_AVAILABLE, "
     "MEMTYPE_NOT_AVAILABLE, MEMTYPE_NOT_AVAILABLE"},
    {"hbw-available-0", available_0, "0, SUCCESS, SUCCESS, SUCCESS, SUCCESS, SUCCESS"},
    {"hbw-available-wrong", available_wrong, "ENODEV, ENVIRON, ENVIRON, ENVIRON, ENVIRON, ENVIRON"},
    {"hbw-available-missing", available_missing,
     "ENODEV, ENVIRON, ENVIRON, ENVIRON, ENVIRON, ENVIRON"},
    {"hbw-nodes-none", nodes_none, "MEMTYPE_NOT_AVAILABLE, 0, MEMTYPE_NOT_AVAILABLE, 0"},
    {"hbw-nodes-0", nodes_0, "SUCCESS, 1, SUCCESS, 1"},
    {"hbw-nodes-wrong", nodes_wrong, "ENVIRON, 0, ENVIRON, 0"},
    {"hbw-nodes-missing", nodes_missing, "ENVIRON, 0, ENVIRON, 0"},
    {"hbw-blocks-none", blocks_none,
     "ENOMEM, NULL, ENOMEM, ENOMEM, ENOMEM, NULL, ENOMEM, ENOMEM, ENOMEM, NULL, ENOMEM, ENOMEM, "
     "ENOMEM, NULL, ENOMEM, ENOMEM"},
    {"hbw-blocks-0", blocks_0,
     "HBW, NULL, HBW, 0, HBW_ALL, NULL, HBW_ALL, 0, HBW_PREFERRED, NULL, HBW_PREFERRED, 0, "
     "HBW_INTERLEAVE, NULL, HBW_INTERLEAVE, 0"},
    {"hbw-blocks-wrong", blocks_wrong,
     "ENOMEM, NULL, ENOMEM, ENOMEM, ENOMEM, NULL, ENOMEM, ENOMEM, ENOMEM, NULL, ENOMEM, ENOMEM, "
     "ENOMEM, NULL, ENOMEM, ENOMEM"},
    {"hbw-blocks-missing", blocks_missing,
     "ENOMEM, NULL, ENOMEM, ENOMEM, ENOMEM, NULL, ENOMEM, ENOMEM, ENOMEM, NULL, ENOMEM, ENOMEM, "
     "ENOMEM, NULL, ENOMEM, ENOMEM"},
    {"hbw-capacities-none", capacities_none, "0, 0, 0, 0"},
    {"hbw-capacities-0", capacities_0, "1, 1, 0, 1"},
    {"hbw-capacities-wrong", capacities_wrong, "0, 0, 0, 0"},
    {"hbw-capacities-missing", capacities_missing, "0, 0, 0, 0"},
    {"hbw-created-kinds-none", created_kinds_none,
     "MEMTYPE_NOT_AVAILABLE, MEMTYPE_NOT_AVAILABLE, SUCCESS, DEFAULT, SUCCESS, INVALID, "
     "MEMTYPE_NOT_AVAILABLE"},
    {"hbw-created-kinds-0", created_kinds_0,
     "SUCCESS, HBW, SUCCESS, SUCCESS, HBW_ALL, SUCCESS, SUCCESS, HBW_PREFERRED, SUCCESS, INVALID, "
     "SUCCESS, HBW_INTERLEAVE, SUCCESS"},
    {"hbw-created-kinds-wrong", created_kinds_wrong,
     "MEMTYPE_NOT_AVAILABLE, MEMTYPE_NOT_AVAILABLE, SUCCESS, DEFAULT, SUCCESS, INVALID, "
     "MEMTYPE_NOT_AVAILABLE"},
    {"hbw-created-kinds-missing", created_kinds_missing,
     "MEMTYPE_NOT_AVAILABLE, MEMTYPE_NOT_AVAILABLE, SUCCESS, DEFAULT, SUCCESS, INVALID, "
     "MEMTYPE_NOT_AVAILABLE"},
    {"hbw-default-policy-none", default_policy_none,
     "2, (nil), (nil), DEFAULT, DEFAULT, 0, DEFAULT, EINVAL, 0, (nil), DEFAULT, DEFAULT, size, "
     "(nil), 0"},
    {"hbw-default-policy-0", default_policy_0,
     "2, (nil), (nil), HBW_PREFERRED, HBW_PREFERRED, 0, HBW_PREFERRED, EINVAL, 0, (nil), "
     "HBW_PREFERRED, HBW_PREFERRED, size, (nil), 0"},
    {"hbw-default-policy-wrong", default_policy_wrong,
     "2, (nil), (nil), DEFAULT, DEFAULT, 0, DEFAULT, EINVAL, 0, (nil), DEFAULT, DEFAULT, size, "
     "(nil), 0"},
    {"hbw-default-policy-missing", default_policy_missing,
     "2, (nil), (nil), DEFAULT, DEFAULT, 0, DEFAULT, EINVAL, 0, (nil), DEFAULT, DEFAULT, size, "
     "(nil), 0"},
    {"hbw-verify-none", verify_none, "EINVAL, EINVAL, EINVAL, -1, -1, -1, -1, -1, x, -1"},
    {"hbw-verify-0", verify_0, "EINVAL, EINVAL, EINVAL, -1, 0, -1, 0, 0, x, -1"},
    {"hbw-verify-wrong", verify_wrong, "EINVAL, EINVAL, EINVAL, -1, -1, -1, -1, -1, x, -1"},
    {"hbw-verify-missing", verify_missing, "EINVAL, EINVAL, EINVAL, -1, -1, -1, -1, -1, x, -1"},
    {"hbw-policy-bind-none", policy_bind_none, "0, ENOMEM"},
    {"hbw-policy-bind-0", policy_bind_0, "0, HBW"},
    {"hbw-policy-bind-wrong", policy_bind_wrong, "0, ENOMEM"},
    {"hbw-policy-bind-missing", policy_bind_missing, "0, ENOMEM"},
    {"hbw-policy-bind-all-none", policy_bind_all_none, "0, ENOMEM"},
    {"hbw-policy-bind-all-0", policy_bind_all_0, "0, HBW_ALL"},
    {"hbw-policy-bind-all-wrong", policy_bind_all_wrong, "0, ENOMEM"},
    {"hbw-policy-bind-all-missing", policy_bind_all_missing, "0, ENOMEM"},
    {"hbw-policy-interleave-none", policy_interleave_none, "0, ENOMEM"},
    {"hbw-policy-interleave-0", policy_interleave_0, "0, HBW_INTERLEAVE"},
    {"hbw-policy-interleave-wrong", policy_interleave_wrong, "0, ENOMEM"},
    {"hbw-policy-interleave-missing", policy_interleave_missing, "0, ENOMEM"},
    {"hbw-page-sizes-bind-none", page_sizes_bind_none,
     "0, ENOMEM, ENOMEM, 0, 0, EINVAL, ENOMEM, 0, ENOMEM, ENOMEM, 0"},
    {"hbw-page-sizes-bind-0", page_sizes_bind_0,
     "0, 0, 0, 0, 0, EINVAL, ENOMEM, 0, ENOMEM, ENOMEM, 0"},
    {"hbw-page-sizes-bind-wrong", page_sizes_bind_wrong,
     "0, ENOMEM, ENOMEM, 0, 0, EINVAL, ENOMEM, 0, ENOMEM, ENOMEM, 0"},
    {"hbw-page-sizes-bind-missing", page_sizes_bind_missing,
     "0, ENOMEM, ENOMEM, 0, 0, EINVAL, ENOMEM, 0, ENOMEM, ENOMEM, 0"},
    {"hbw-page-sizes-preferred-none", page_sizes_preferred_none,
     "0, 0, 0, 0, 0, EINVAL, ENOMEM, 0, ENOMEM, ENOMEM, 0"},
    {"hbw-page-sizes-preferred-0", page_sizes_preferred_0,
     "0, 0, 0, 0, 0, EINVAL, ENOMEM, 0, ENOMEM, ENOMEM, 0"},
    {"hbw-page-sizes-preferred-wrong", page_sizes_preferred_wrong,
     "0, 0, 0, 0, 0, EINVAL, ENOMEM, 0, ENOMEM, ENOMEM, 0"},
    {"hbw-page-sizes-preferred-missing", page_sizes_preferred_missing,
     "0, 0, 0, 0, 0, EINVAL, ENOMEM, 0, ENOMEM, ENOMEM, 0"},
    {"hbw-page-sizes-interleave-none", page_sizes_interleave_none,
     "0, ENOMEM, ENOMEM, 0, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, "
     "EINVAL"},
    {"hbw-page-sizes-interleave-0", page_sizes_interleave_0,
     "0, 0, 0, 0, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL"},
    {"hbw-page-sizes-interleave-wrong", page_sizes_interleave_wrong,
     "0, ENOMEM, ENOMEM, 0, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, "
     "EINVAL"},
    {"hbw-page-sizes-interleave-missing", page_sizes_interleave_missing,
     "0, ENOMEM, ENOMEM, 0, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, "
     "EINVAL"},
    {NULL, NULL, NULL},
};
