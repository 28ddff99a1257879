#include "base/processors.h"

#include "base/cgroup.h"

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The file `name` of a cgroup as a number; NaN where there is none ("max" among them). */
static double read_number(const char *folder, const char *name)
{
    char path[CGROUP_PATH], text[64], *end;
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path || !cgroup_read(path, text, sizeof text))
        return NAN;
    double value = (double)strtoll(text, &end, 10);
    return end == text ? NAN : value;
}

/* Processors that one cgroup pays for; INFINITY without a quota. */
static double quota_of(const char *folder)
{
    char path[CGROUP_PATH], text[64];
    long long quota, period;
    int length =
        snprintf(path, sizeof path, "%s/cpu.max", folder); /* version 2: "QUOTA PERIOD" or "max PERIOD" */
    if (length < 0 || (size_t)length >= sizeof path)
        return INFINITY;
    if (cgroup_read(path, text, sizeof text))
        return sscanf(text, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0
                   ? (double)quota / (double)period
                   : INFINITY;
    double of = read_number(folder, "cpu.cfs_quota_us"), per = read_number(folder, "cpu.cfs_period_us");
    return of > 0 && per > 0 ? of / per : INFINITY;
}

static void take_quota(void *least, const char *folder)
{
    *(double *)least = fmin(*(double *)least, quota_of(folder));
}

unsigned processors_quota(const char *root, const char *list)
{
    double least = INFINITY;
    cgroup_each(root, list, "cpu", take_quota, &least);
    return least < 1e6 ? (unsigned)ceil(least) : 0;
}

unsigned processors_usable(void)
{
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = online > 0 ? (unsigned)online : 1;
#if defined(CPU_COUNT) /* not on WASI */
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        n = (unsigned)CPU_COUNT(&set);
#endif
    char list[CGROUP_LIST];
    unsigned quota =
        cgroup_read("/proc/self/cgroup", list, sizeof list) ? processors_quota("/sys/fs/cgroup", list) : 0;
    return quota && quota < n ? quota : n;
}
