/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of DAX devices, with fake stat(2), readlink(2), files, and a fake libdaxctl of two regions.
 */
/* WRAP: open stat readlink libdaxctl_open libdaxctl_close */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "os/dax_device.h"
#include "os/libdaxctl.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define GIB         ((size_t)1 << 30)
#define MIB         ((size_t)1 << 20)
#define MAJOR       252
#define DEVICE_PATH "/dev/dax1.1"
#define DAX_LINK    "../../../../../../bus/dax"
#define CLASS_LINK  "../../../../../../class/dax"
#define DEVICES     2
#define REGIONS     2
#define SYSFS       "/sys/dev/char/252:11"

struct daxctl_dev {
    const char *name;
    int major;
    int minor;
    unsigned long long size;
    unsigned long align;
    int target_node;
    struct daxctl_dev *next;
};

struct daxctl_region {
    unsigned long align;
    struct daxctl_dev *devices;
    struct daxctl_region *next;
};

struct daxctl_ctx {
    struct daxctl_region *regions;
};

static struct daxctl_dev devices[REGIONS][DEVICES];
static struct daxctl_region regions[REGIONS];
static struct daxctl_ctx context;
static struct leftovers before;
static struct fault open_fault;
static struct fault stat_fault;
static struct fault readlink_fault;
static unsigned contexts; /* live */
static const char *link_target;
static const char *driver;
static struct fault read_fault;

/* Files of sysfs. NULL: the file does not exist. */
static struct {
    const char *path;
    const char *text;
} sysfs[] = {
    {SYSFS "/size", NULL},
    {SYSFS "/align", NULL},
    {SYSFS "/../dax_region/align", NULL},
    {SYSFS "/target_node", NULL},
};
enum { SIZE, ALIGN, REGION_ALIGN, TARGET_NODE, ATTRIBUTES };

static struct stat fake_status;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_stat(const char *path, struct stat *status);
int __wrap_stat(const char *path, struct stat *status);
ssize_t __real_readlink(const char *path, char *target, size_t size);
ssize_t __wrap_readlink(const char *path, char *target, size_t size);
int __wrap_libdaxctl_open(struct libdaxctl *daxctl);
void __wrap_libdaxctl_close(struct libdaxctl *daxctl);

int __wrap_stat(const char *path, struct stat *status)
{
    if (fault_hits(&stat_fault))
        return -1;
    if (strcmp(path, DEVICE_PATH) != 0)
        return __real_stat(path, status);
    *status = fake_status;
    return 0;
}

static const char *target_of(const char *path)
{
    char device[TEST_DIR_PATH_SIZE];

    snprintf(device, sizeof(device), "/sys/dev/char/%u:%u", major(fake_status.st_rdev),
             minor(fake_status.st_rdev));
    assert_int_equal(strncmp(path, device, strlen(device)), 0);
    path += strlen(device);
    if (*path == '\0')
        return "../../devices/platform/hmem.0/dax1.1";
    if (strcmp(path, "/driver") == 0)
        return driver;
    assert_string_equal(path, "/subsystem");
    return link_target;
}

ssize_t __wrap_readlink(const char *path, char *target, size_t size)
{
    if (fault_hits(&readlink_fault))
        return -1;
    if (link_target == NULL)
        return __real_readlink(path, target, size);
    const char *found = target_of(path);
    if (found == NULL) {
        errno = ENOENT;
        return -1;
    }
    size_t length = strlen(found) < size ? strlen(found) : size;
    memcpy(target, found, length);
    return (ssize_t)length;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;

    va_start(arguments, flags);
    int mode = va_arg(arguments, int);
    va_end(arguments);
    if (strncmp(path, "/sys/dev/char/", strlen("/sys/dev/char/")) != 0)
        return __real_open(path, flags, mode);
    for (int i = 0; i < ATTRIBUTES; i++) {
        if (strcmp(path, sysfs[i].path) != 0 || sysfs[i].text == NULL)
            continue;
        /* A write-only descriptor cannot be read. */
        if (fault_hits(&read_fault))
            return __real_open("/dev/null", O_WRONLY | O_CLOEXEC, 0);
        int fd = memfd_create("sysfs", MFD_CLOEXEC);
        assert_int_equal(write(fd, sysfs[i].text, strlen(sysfs[i].text)), strlen(sysfs[i].text));
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return fd;
    }
    errno = ENOENT;
    return -1;
}

static struct daxctl_region *region_get_first(struct daxctl_ctx *ctx)
{
    return ctx->regions;
}

static struct daxctl_region *region_get_next(struct daxctl_region *region)
{
    return region->next;
}

static unsigned long region_get_align(struct daxctl_region *region)
{
    return region->align;
}

static struct daxctl_dev *dev_get_first(struct daxctl_region *region)
{
    return region->devices;
}

static struct daxctl_dev *dev_get_next(struct daxctl_dev *dev)
{
    return dev->next;
}

static int dev_get_major(struct daxctl_dev *dev)
{
    return dev->major;
}

static int dev_get_minor(struct daxctl_dev *dev)
{
    return dev->minor;
}

static const char *dev_get_devname(struct daxctl_dev *dev)
{
    return dev->name;
}

static unsigned long long dev_get_size(struct daxctl_dev *dev)
{
    return dev->size;
}

static unsigned long dev_get_align(struct daxctl_dev *dev)
{
    return dev->align;
}

static int dev_get_target_node(struct daxctl_dev *dev)
{
    return dev->target_node;
}

int __wrap_libdaxctl_open(struct libdaxctl *daxctl)
{
    if (fault_hits(&open_fault))
        return -open_fault.error;
    contexts++;
    *daxctl = (struct libdaxctl){
        .context = &context,
        .region_get_first = region_get_first,
        .region_get_next = region_get_next,
        .region_get_align = region_get_align,
        .dev_get_first = dev_get_first,
        .dev_get_next = dev_get_next,
        .dev_get_major = dev_get_major,
        .dev_get_minor = dev_get_minor,
        .dev_get_devname = dev_get_devname,
        .dev_get_size = dev_get_size,
        .dev_get_align = dev_get_align,
        .dev_get_target_node = dev_get_target_node,
    };
    return 0;
}

void __wrap_libdaxctl_close(struct libdaxctl *daxctl)
{
    assert_ptr_equal(daxctl->context, &context);
    contexts--;
}

/* Two regions with two devices each: dax0.0 (minor 0), dax0.1 (10), dax1.0 (1), dax1.1 (11). */
static int setup(void **state)
{
    static const char *const names[REGIONS][DEVICES] = {{"dax0.0", "dax0.1"}, {"dax1.0", "dax1.1"}};

    (void)state;
    for (int i = 0; i < REGIONS; i++) {
        for (int j = 0; j < DEVICES; j++) {
            devices[i][j] = (struct daxctl_dev){
                .name = names[i][j],
                .major = MAJOR,
                .minor = 10 * j + i,
                .size = GIB * (size_t)(10 * i + j + 1),
                .align = 2 * MIB,
                .target_node = 2 * i + j,
                .next = j + 1 < DEVICES ? &devices[i][j + 1] : NULL,
            };
        }
        regions[i] = (struct daxctl_region){
            .align = GIB,
            .devices = devices[i],
            .next = i + 1 < REGIONS ? &regions[i + 1] : NULL,
        };
    }
    context.regions = regions;
    open_fault = stat_fault = readlink_fault = read_fault = (struct fault){0};
    link_target = DAX_LINK;
    driver = "../../../../bus/dax/drivers/device_dax";
    for (int i = 0; i < ATTRIBUTES; i++)
        sysfs[i].text = NULL;
    fake_status = (struct stat){.st_mode = S_IFCHR | 0600, .st_rdev = makedev(MAJOR, 11)};
    contexts = 0;
    leftovers_take(&before, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(contexts, 0);
    leftovers_check(&before);
    return 0;
}

static void check_refused(const char *path, int error)
{
    struct dax_device device = {.name = "untouched", .size = 1, .alignment = 2, .target_node = 3};

    assert_int_equal(dax_device_query(path, &device), error);
    assert_string_equal(device.name, "untouched");
    assert_int_equal(device.size, 1);
    assert_int_equal(device.alignment, 2);
    assert_int_equal(device.target_node, 3);
    assert_int_equal(contexts, 0);
}

static void test_query(void **state)
{
    struct dax_device device;

    (void)state;
    assert_int_equal(dax_device_query(DEVICE_PATH, &device), 0);
    assert_string_equal(device.name, "dax1.1");
    assert_int_equal(device.size, 12 * GIB);
    assert_int_equal(device.alignment, 2 * MIB);
    assert_int_equal(device.target_node, 3);
    assert_false(device.system_ram);
}

static void test_system_ram(void **state)
{
    struct dax_device device;

    (void)state;
    driver = "../../../../bus/dax/drivers/kmem";
    assert_int_equal(dax_device_query(DEVICE_PATH, &device), 0);
    assert_true(device.system_ram);
    driver = NULL;
    assert_int_equal(dax_device_query(DEVICE_PATH, &device), 0);
    assert_false(device.system_ram);
    driver = "kmem-or-another-with-a-name-that-is-too-long";
    assert_int_equal(dax_device_query(DEVICE_PATH, &device), 0);
    assert_false(device.system_ram);
}

static void test_every_device_is_found_by_its_number(void **state)
{
    (void)state;
    for (int i = 0; i < REGIONS; i++) {
        for (int j = 0; j < DEVICES; j++) {
            struct dax_device device;

            fake_status.st_rdev = makedev(MAJOR, (unsigned)devices[i][j].minor);
            assert_int_equal(dax_device_query(DEVICE_PATH, &device), 0);
            assert_string_equal(device.name, devices[i][j].name);
        }
    }
}

static void test_other_places_in_sysfs(void **state)
{
    struct dax_device device;

    (void)state;
    link_target = CLASS_LINK;
    assert_int_equal(dax_device_query(DEVICE_PATH, &device), 0);
    link_target = "dax";
    assert_int_equal(dax_device_query(DEVICE_PATH, &device), 0);
}

static void test_other_subsystems(void **state)
{
    static const char *const links[] = {
        "../../class/mem", "../../bus/daxx", "../../bus/ndax", "../../dax/other", "", "/"};

    (void)state;
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        link_target = links[i];
        check_refused(DEVICE_PATH, -ENODEV);
    }
    assert_int_equal(open_fault.calls, 0);
}

static void test_other_files(void **state)
{
    (void)state;
    link_target = NULL;
    check_refused("/", -ENODEV);
    check_refused("/proc/self/exe", -ENODEV);
    check_refused("/dev/null", -ENODEV);
    check_refused("/dev/missing", -ENOENT);
    link_target = DAX_LINK;
    fake_status.st_mode = S_IFBLK | 0600;
    check_refused(DEVICE_PATH, -ENODEV);
    assert_int_equal(open_fault.calls, 0);
}

static void test_failures(void **state)
{
    (void)state;
    fault_set(&stat_fault, EACCES, 1);
    check_refused(DEVICE_PATH, -EACCES);
    fault_set(&readlink_fault, ENOENT, 1);
    check_refused(DEVICE_PATH, -ENODEV);
    fault_set(&open_fault, ENOMEM, 1);
    check_refused(DEVICE_PATH, -ENOMEM);
    fault_set(&open_fault, ENOSYS, 1);
    check_refused(DEVICE_PATH, -ENOSYS);
}

static void test_libdaxctl_does_not_know_it(void **state)
{
    (void)state;
    fake_status.st_rdev = makedev(MAJOR, 12);
    check_refused(DEVICE_PATH, -ENXIO);
    fake_status.st_rdev = makedev(MAJOR + 1, 11);
    check_refused(DEVICE_PATH, -ENXIO);
    context.regions = NULL;
    check_refused(DEVICE_PATH, -ENXIO);
}

static void test_alignment_of_the_region(void **state)
{
    struct dax_device device;

    (void)state;
    devices[1][1].align = 0;
    assert_int_equal(dax_device_query(DEVICE_PATH, &device), 0);
    assert_int_equal(device.alignment, GIB);
    regions[1].align = ULONG_MAX; /* libdaxctl's value if it cannot read the alignment */
    check_refused(DEVICE_PATH, -ENXIO);
    regions[1].align = 0;
    check_refused(DEVICE_PATH, -ENXIO);
}

static void test_odd_devices(void **state)
{
    char name[DAX_DEVICE_NAME_SIZE + 1];
    struct dax_device device;

    (void)state;
    devices[1][1].target_node = -EINVAL;
    assert_int_equal(dax_device_query(DEVICE_PATH, &device), 0);
    assert_int_equal(device.target_node, DAX_DEVICE_NO_NODE);

    memset(name, 'x', sizeof(name));
    devices[1][1].name = name;
    name[DAX_DEVICE_NAME_SIZE - 1] = '\0';
    assert_int_equal(dax_device_query(DEVICE_PATH, &device), 0);
    assert_string_equal(device.name, name);
    name[DAX_DEVICE_NAME_SIZE - 1] = 'x';
    name[DAX_DEVICE_NAME_SIZE] = '\0';
    check_refused(DEVICE_PATH, -ENAMETOOLONG);

    devices[1][1].size = 0;
    check_refused(DEVICE_PATH, -ENXIO);
}

/* Values of the kernel, used where libdaxctl has none. */
static void set_sysfs(const char *size, const char *align, const char *region, const char *node)
{
    sysfs[SIZE].text = size;
    sysfs[ALIGN].text = align;
    sysfs[REGION_ALIGN].text = region;
    sysfs[TARGET_NODE].text = node;
}

static void check_sysfs(size_t size, size_t alignment, int node)
{
    struct dax_device device;

    assert_int_equal(dax_device_query(DEVICE_PATH, &device), 0);
    assert_string_equal(device.name, "dax1.1");
    assert_int_equal(device.size, size);
    assert_int_equal(device.alignment, alignment);
    assert_int_equal(device.target_node, node);
}

static void test_sysfs(void **state)
{
    (void)state;
    context.regions = NULL;
    set_sysfs("268435456\n", "2097152\n", "4096\n", "1\n");
    check_sysfs(256 * MIB, 2 * MIB, 1);
    set_sysfs("268435456\n", NULL, "1073741824\n", NULL);
    check_sysfs(256 * MIB, GIB, DAX_DEVICE_NO_NODE);
    set_sysfs("268435456", "4096", NULL, "-1\n");
    check_sysfs(256 * MIB, 4096, DAX_DEVICE_NO_NODE);
    fault_set(&open_fault, ENOMEM, 1);
    check_sysfs(256 * MIB, 4096, DAX_DEVICE_NO_NODE);
}

static void test_odd_sysfs(void **state)
{
    (void)state;
    context.regions = NULL;
    set_sysfs("0\n", "2097152\n", NULL, NULL);
    check_refused(DEVICE_PATH, -ENXIO);
    set_sysfs("2097152\n", "0\n", NULL, NULL);
    check_refused(DEVICE_PATH, -ENXIO);
    set_sysfs("", "2097152\n", NULL, NULL);
    check_refused(DEVICE_PATH, -ENXIO);
    set_sysfs("2097152\n", NULL, NULL, NULL);
    check_refused(DEVICE_PATH, -ENXIO);
    set_sysfs("2097152\n", "4096\n", NULL, NULL);
    fault_set(&read_fault, 0, 1);
    check_refused(DEVICE_PATH, -ENXIO);
}

/* Devices that the kernel uses as memory. target_of() has the places of the others. */
static void test_memory_nodes(void **state)
{
    unsigned long mask[2] = {0};

    (void)state;
    regions[0].next = NULL;
    devices[0][0].next = NULL;
    fake_status.st_rdev = makedev(MAJOR, 0);
    devices[0][0].target_node = 3;
    assert_int_equal(dax_device_memory_nodes(mask, 128), 0);
    assert_int_equal(mask[0], 0);
    driver = "../../../../bus/dax/drivers/kmem";
    assert_int_equal(dax_device_memory_nodes(mask, 128), 0);
    assert_int_equal(mask[0], 1ul << 3);
    devices[0][0].target_node = 70;
    assert_int_equal(dax_device_memory_nodes(mask, 128), 0);
    assert_int_equal(mask[1], 1ul << (70 - 64));
    mask[1] = 0;
    assert_int_equal(dax_device_memory_nodes(mask, 70), 0);
    devices[0][0].target_node = -1;
    assert_int_equal(dax_device_memory_nodes(mask, 128), 0);
    devices[0][0].target_node = 5;
    devices[0][0].minor = -1;
    assert_int_equal(dax_device_memory_nodes(mask, 128), 0);
    assert_int_equal(mask[0], 1ul << 3);
    assert_int_equal(mask[1], 0);
    fault_set(&open_fault, ENOMEM, 1);
    assert_int_equal(dax_device_memory_nodes(mask, 128), -ENOMEM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_query),
        TEST(test_every_device_is_found_by_its_number),
        TEST(test_other_places_in_sysfs),
        TEST(test_other_subsystems),
        TEST(test_other_files),
        TEST(test_failures),
        TEST(test_libdaxctl_does_not_know_it),
        TEST(test_alignment_of_the_region),
        TEST(test_odd_devices),
        TEST(test_system_ram),
        TEST(test_sysfs),
        TEST(test_odd_sysfs),
        TEST(test_memory_nodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
