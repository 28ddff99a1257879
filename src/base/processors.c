#include "base/processors.h"

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define LIST_SIZE 16384 /* of /proc/self/cgroup; a longer list is cut, and the rest ignored */

/* Reads the start of a file as a string; false if it cannot be read. */
static bool read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t n = fread(text, 1, size - 1, file);
    fclose(file);
    text[n] = '\0';
    return n > 0;
}

/* The file `name` of a cgroup as a number; NaN where there is none ("max" among them). */
static double read_number(const char *folder, const char *name)
{
    char path[PATH_SIZE], text[64], *end;
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path || !read_text(path, text, sizeof text))
        return NAN;
    double value = (double)strtoll(text, &end, 10);
    return end == text ? NAN : value;
}

/* Processors that one cgroup pays for; INFINITY without a quota. */
static double quota_of(const char *folder)
{
    char path[PATH_SIZE], text[64];
    long long quota, period;
    int length =
        snprintf(path, sizeof path, "%s/cpu.max", folder); /* version 2: "QUOTA PERIOD" or "max PERIOD" */
    if (length < 0 || (size_t)length >= sizeof path)
        return INFINITY;
    if (read_text(path, text, sizeof text))
        return sscanf(text, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0
                   ? (double)quota / (double)period
                   : INFINITY;
    double of = read_number(folder, "cpu.cfs_quota_us"), per = read_number(folder, "cpu.cfs_period_us");
    return of > 0 && per > 0 ? of / per : INFINITY;
}

/* The smallest quota of root/base/path and its parents, up to root/base. */
static double quota_above(const char *root, const char *base, const char *path)
{
    char folder[PATH_SIZE];
    int top = snprintf(folder, sizeof folder, "%s%s", root, base);
    int length = snprintf(folder, sizeof folder, "%s%s%s", root, base, path);
    if (top < 0 || length < 0 || (size_t)length >= sizeof folder)
        return INFINITY;
    double least = quota_of(folder);
    while (length > top) {
        while (length > top && folder[--length] != '/') {
        }
        folder[length] = '\0';
        least = fmin(least, quota_of(folder));
    }
    return least;
}

/* True if a comma-separated list of controllers names cpu. */
static bool names_cpu(const char *list)
{
    for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (!strncmp(at, "cpu", 3) && (at[3] == ',' || !at[3]))
            return true;
    return false;
}

unsigned processors_quota(const char *root, const char *list)
{
    double least = INFINITY;
    char line[PATH_SIZE];
    for (const char *at = list; *at;) {
        size_t length = strcspn(at, "\n");
        snprintf(line, sizeof line, "%.*s", (int)(length < sizeof line ? length : sizeof line - 1), at);
        at += length + (at[length] == '\n');
        /* "ID:CONTROLLERS:PATH"; version 2 has one line, "0::PATH" */
        char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        controllers++;
        if (!*controllers)
            least = fmin(least, quota_above(root, "", path));
        else if (names_cpu(controllers))
            least =
                fmin(least, fmin(quota_above(root, "/cpu", path), quota_above(root, "/cpu,cpuacct", path)));
    }
    return least < 1e6 ? (unsigned)ceil(least) : 0;
}

unsigned processors_usable(void)
{
    unsigned n = 1;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) {
        n = (unsigned)CPU_COUNT(&set);
    } else {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        n = online > 0 ? (unsigned)online : 1;
    }
    char list[LIST_SIZE];
    unsigned quota =
        read_text("/proc/self/cgroup", list, sizeof list) ? processors_quota("/sys/fs/cgroup", list) : 0;
    return quota && quota < n ? quota : n;
}
