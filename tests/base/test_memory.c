/* What memory is left, as files of a machine tell that stand below a folder. */
#include "../folder.h"
#include "base/memory.h"

#define GIB (UINT64_C(1) << 30)

static void put(const char *path, const char *text)
{
    char full[400], command[500];
    snprintf(full, sizeof full, "%s%s", folder, path);
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", full);
    assert_int_equal(system(command), 0);
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

TEST(room_of_machine_and_groups)
{
    assert_true(memory_room(folder) == UINT64_MAX);
    put("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:    8388608 kB\n");
    assert_int_equal(memory_room(folder), 8 * GIB);
    put("/proc/self/status", "Name:\tsibyl\nVmRSS:\t5 kB\nRssAnon:\t 1048576 kB\n");
    assert_int_equal(memory_room(folder), 9 * GIB);
    /* no limit of the group itself, 4 GiB of the one around it: 3 are used, 1 of them for files */
    put("/proc/self/cgroup", "1:name=systemd:/\n0::/outer/inner\n");
    put("/sys/fs/cgroup/outer/inner/memory.max", "max\n");
    put("/sys/fs/cgroup/outer/memory.max", "4294967296\n");
    put("/sys/fs/cgroup/outer/memory.current", "3221225472\n");
    put("/sys/fs/cgroup/outer/memory.stat", "anon 2147483648\nfile 1073741824\ninactive_file 1073741824\n");
    assert_int_equal(memory_room(folder), 2 * GIB + GIB);
    /* a group of version 1 that is full */
    put("/proc/self/cgroup", "4:memory:/a\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "2000\n");
    assert_int_equal(memory_room(folder), GIB);
    /* 250 bytes are left where 1,750 of 2,000 hold files that make room, none where more are used than allowed */
    put("/sys/fs/cgroup/memory/memory.stat", "cache 9\ntotal_inactive_file 1250\n");
    assert_int_equal(memory_room(folder), GIB + 250);
    put("/sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file 5000\n"); /* more than is used: nothing is */
    assert_int_equal(memory_room(folder), GIB + 1000);
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "none\n"); /* a number that is none limits nothing */
    assert_int_equal(memory_room(folder), 9 * GIB);
    put("/proc/self/status", "Name:\tsibyl\n");
    assert_int_equal(memory_room(folder), 8 * GIB);
}

TEST_FIXTURE(make_folder, drop_folder)
