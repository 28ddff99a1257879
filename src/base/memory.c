/* Memory of the process, from /proc where available. getrusage is the fallback for the peak, since its
   figure survives exec: a small program started by a large one would report the large one's peak. */
#include "base/memory.h"

#include <sibyl/timing.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Reads the first bytes of a text file, NUL-terminated. Returns false where it cannot be read. */
static bool read_text(const char *path, char *text, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, bytes - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* Returns the second number of /proc/self/statm: resident pages. */
static uint64_t resident_now(void)
{
    char text[256], *rest;
    if (!read_text("/proc/self/statm", text, sizeof text))
        return 0;
    strtoull(text, &rest, 10);
    return strtoull(rest, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t peak_resident(void)
{
    char text[4096];
    const char *line = read_text("/proc/self/status", text, sizeof text) ? strstr(text, "\nVmHWM:") : NULL;
    if (line)
        return strtoull(line + strlen("\nVmHWM:"), NULL, 10) * 1024;
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

void sib_memory_usage(sib_memory *out)
{
    out->resident = resident_now();
    out->resident_peak = peak_resident();
    /* The kernel updates the two separately and with delay. */
    if (out->resident_peak < out->resident)
        out->resident_peak = out->resident;
}

/* ---- What is left ------------------------------------------------------------------------------------- */

#define PATH_BYTES 1200

/* Reads the number that follows `label` at the beginning of a line; "" is the file's first. Returns false
   where there is none, such as "max". */
static bool read_number(const char *root, const char *path, const char *label, uint64_t *out)
{
    char full[PATH_BYTES], text[4096], *end;
    snprintf(full, sizeof full, "%s%s", root, path);
    if (!read_text(full, text, sizeof text))
        return false;
    for (const char *line = text; line; line = (line = strchr(line, '\n')) ? line + 1 : NULL)
        if (!strncmp(line, label, strlen(label))) {
            *out = strtoull(line + strlen(label), &end, 10);
            return end != line + strlen(label);
        }
    return false;
}

/* The files of a control group: of version 2, and of version 1. */
static const struct group_files {
    const char *mount, *mark; /* mark: before the group's path in /proc/self/cgroup */
    const char *limit, *used;
    const char *cached; /* in memory.stat: pages of files not used lately, which make room */
} group_files[] = {
    {"/sys/fs/cgroup", "0::", "memory.max", "memory.current", "inactive_file "},
    {"/sys/fs/cgroup/memory", ":memory:", "memory.limit_in_bytes", "memory.usage_in_bytes",
     "total_inactive_file "},
};

/* What a group has left; UINT64_MAX where it has no limit. */
static uint64_t left_in_group(const char *root, const struct group_files *g, const char *group)
{
    char path[PATH_BYTES];
    uint64_t limit, used, cached;
    snprintf(path, sizeof path, "%s%s/%s", g->mount, group, g->limit);
    if (!read_number(root, path, "", &limit))
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s%s/%s", g->mount, group, g->used);
    if (!read_number(root, path, "", &used))
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s%s/memory.stat", g->mount, group);
    if (read_number(root, path, g->cached, &cached))
        used = used > cached ? used - cached : 0;
    return limit > used ? limit - used : 0;
}

/* The minimum over the process's group and those around it. In a container its path may not be that of the
   mount, whose root is the group then. */
static uint64_t left_in_groups(const char *root, const struct group_files *g)
{
    char path[PATH_BYTES], text[4096];
    uint64_t least = UINT64_MAX;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    char *group = read_text(path, text, sizeof text) ? strstr(text, g->mark) : NULL;
    if (!group)
        return least;
    group += strlen(g->mark);
    group[strcspn(group, "\n")] = '\0';
    for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
        *end = '\0';
        uint64_t left = left_in_group(root, g, group);
        least = left < least ? left : least;
    }
    return least;
}

uint64_t memory_room(const char *root)
{
    uint64_t least = UINT64_MAX, kilobytes = 0;
    if (read_number(root, "/proc/meminfo", "MemAvailable:", &kilobytes))
        least = kilobytes * 1024;
    for (size_t i = 0; i < sizeof group_files / sizeof *group_files; i++) {
        uint64_t left = left_in_groups(root, &group_files[i]);
        least = left < least ? left : least;
    }
    if (least == UINT64_MAX || !read_number(root, "/proc/self/status", "RssAnon:", &kilobytes))
        return least;
    return least + kilobytes * 1024;
}
