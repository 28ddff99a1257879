/* CPU quotas in folders made like those of control groups. */
#include "base/processors.h"
#include "check.h"

#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/sibyl-cgroup-XXXXXX";

/* Writes root/path, and the folders that it lies in. */
static void put(const char *path, const char *text)
{
    char name[512];
    snprintf(name, sizeof name, "%s/%s", root, path);
    for (char *at = name + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(name, 0700);
        *at = '/';
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_root(void)
{
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

TEST(version_2)
{
    put("two/cpu.max", "200000 100000\n");
    put("two/inner/cpu.max", "max 100000\n");
    put("half/cpu.max", "50000 100000\n");
    put("more/cpu.max", "250000 100000\n");
    put("more/less/cpu.max", "110000 100000\n");
    put("more/less/none/cgroup.procs", "1\n");
    put("bare/cpu.max", "max 100000\n");
    put("least/cpu.max", "1 100000\n");
    put("odd_period/cpu.max", "3 1\n");
    assert_int_equal(processors_quota(root, "0::/least\n"), 1);
    assert_int_equal(processors_quota(root, "0::/odd_period\n"), 3);
    assert_int_equal(processors_quota(root, "0::/two\n"), 2);
    assert_int_equal(processors_quota(root, "0::/two"), 2);
    assert_int_equal(processors_quota(root, "0::/two/inner\n"), 2); /* a parent's holds */
    assert_int_equal(processors_quota(root, "0::/half\n"), 1);
    assert_int_equal(processors_quota(root, "0::/more\n"), 3);
    assert_int_equal(processors_quota(root, "0::/more/less\n"), 2);
    assert_int_equal(processors_quota(root, "0::/more/less/none\n"), 2);
    assert_int_equal(processors_quota(root, "0::/bare\n"), 0);
    assert_int_equal(processors_quota(root, "0::/no/such/group\n"), 0);
    assert_int_equal(processors_quota(root, "0::/two/deeper/not/there\n"), 2);
    assert_int_equal(processors_quota(root, "0::/\n"), 0);
    put("cpu.max", "400000 100000\n"); /* a container sees its own group as the root */
    assert_int_equal(processors_quota(root, "0::/\n"), 4);
    assert_int_equal(processors_quota(root, "0::/../..\n"), 4);
    put("cpu.max", "max 100000\n");
}

TEST(version_1)
{
    put("cpu/three/cpu.cfs_quota_us", "300000\n");
    put("cpu/three/cpu.cfs_period_us", "100000\n");
    put("cpu/three/inner/cpu.cfs_quota_us", "-1\n");
    put("cpu/three/inner/cpu.cfs_period_us", "100000\n");
    put("cpu,cpuacct/one/cpu.cfs_quota_us", "25000\n");
    put("cpu,cpuacct/one/cpu.cfs_period_us", "50000\n");
    put("cpu/least/cpu.cfs_quota_us", "1\n");
    put("cpu/least/cpu.cfs_period_us", "1\n");
    assert_int_equal(processors_quota(root, "3:cpu:/least\n"), 1);
    assert_int_equal(processors_quota(root, "3:cpu:/three\n"), 3);
    assert_int_equal(processors_quota(root, "3:cpu:/three/inner\n"), 3);
    assert_int_equal(processors_quota(root, "4:memory:/three\n3:cpu,cpuacct:/one\n"), 1);
    assert_int_equal(processors_quota(root, "3:cpuacct,cpu:/one\n"), 1);
    assert_int_equal(processors_quota(root, "3:cpuset:/three\n2:cpuacct:/one\n"), 0);
    assert_int_equal(processors_quota(root, "12:cpu:/three\n0::/two\n"),
                     2); /* both versions mounted: the smaller */
}

TEST(unreadable)
{
    static const char *const texts[] = {"",
                                        "\n",
                                        "max",
                                        "0 100000",
                                        "-5 100000",
                                        "100000",
                                        "1000 0",
                                        "x y",
                                        "100000 -1",
                                        "nan nan",
                                        "99999999999999999999 1",
                                        "max max",
                                        "\x01\xff",
                                        "1e5 100000"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put("odd/cpu.max", texts[i]);
        assert_int_equal(processors_quota(root, "0::/odd\n"), 0);
    }
    put("cpu/odd/cpu.cfs_quota_us", "100000\n"); /* no period */
    assert_int_equal(processors_quota(root, "1:cpu:/odd\n"), 0);
    put("cpu/odd/cpu.cfs_period_us", "0\n");
    assert_int_equal(processors_quota(root, "1:cpu:/odd\n"), 0);
    static const char *const lists[] = {
        "", "\n\n", "0", "0:", "0::", "::", ":::::", "0:cpu", "garbage\n0:\n"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        assert_int_equal(processors_quota(root, lists[i]), 0);
}

TEST(long_lists)
{
    size_t size = 1 << 20;
    char *list = malloc(size + 1);
    assert_non_null(list);
    memset(list, 'a', size);
    list[size] = '\0';
    assert_int_equal(processors_quota(root, list), 0);
    memcpy(list, "0::/", 4); /* one path of a million bytes */
    assert_int_equal(processors_quota(root, list), 0);
    for (size_t i = 4; i < size; i++)
        list[i] = "/two"[i % 4];
    assert_int_equal(processors_quota(root, list), 0);
    for (size_t i = 0; i < size; i++)
        list[i] = "9:x:/\n"[i % 6];
    memcpy(list + size - 10, "\n0::/two\n\n", 10);
    assert_int_equal(processors_quota(root, list), 2);
    free(list);
}

TEST(this_machine)
{
    unsigned n = processors_usable();
    assert_in_range(n, 1, 100000);
}

TEST_FIXTURE(make_root, remove_root)
