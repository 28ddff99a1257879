/* Memory of the process, from /proc where available. getrusage is the fallback for the peak, since its
   figure survives exec: a small program started by a large one would report the large one's peak. */
#include "base/memory.h"

#include "base/cgroup.h"

#include <sibyl/timing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Returns the second number of /proc/self/statm: resident pages. */
static uint64_t resident_now(void)
{
    char text[256], *rest;
    if (!cgroup_read("/proc/self/statm", text, sizeof text))
        return 0;
    strtoull(text, &rest, 10);
    return strtoull(rest, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t peak_resident(void)
{
    char text[4096];
    const char *line = cgroup_read("/proc/self/status", text, sizeof text) ? strstr(text, "\nVmHWM:") : NULL;
    if (line)
        return strtoull(line + strlen("\nVmHWM:"), NULL, 10) * 1024;
#if defined(__wasi__) /* its rusage has times alone */
    return 0;
#else
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
#endif
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

/* Reads the number that follows `label` at the beginning of a line of folder/name; "" is the file's first. Returns false
   where there is none, such as "max". */
static bool read_number(const char *folder, const char *name, const char *label, uint64_t *out)
{
    char full[CGROUP_PATH], text[4096], *end;
    const int length = snprintf(full, sizeof full, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof full || !cgroup_read(full, text, sizeof text))
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
    const char *limit, *used;
    const char *cached; /* in memory.stat: pages of files not used lately, which make room */
} group_files[] = {
    {"memory.max", "memory.current", "inactive_file "},
    {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "},
};

/* What a group has left; `least` stays where it has no limit. */
static void take_left(void *least, const char *folder)
{
    uint64_t limit, used, cached, *out = least;
    for (size_t i = 0; i < sizeof group_files / sizeof *group_files; i++) {
        const struct group_files *g = &group_files[i];
        if (!read_number(folder, g->limit, "", &limit) || !read_number(folder, g->used, "", &used))
            continue;
        if (read_number(folder, "memory.stat", g->cached, &cached))
            used = used > cached ? used - cached : 0;
        const uint64_t left = limit > used ? limit - used : 0;
        *out = left < *out ? left : *out;
    }
}

uint64_t memory_room(const char *root)
{
    uint64_t least = UINT64_MAX, kilobytes = 0;
    char path[CGROUP_PATH], list[CGROUP_LIST];
    if (read_number(root, "proc/meminfo", "MemAvailable:", &kilobytes))
        least = kilobytes * 1024;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (cgroup_read(path, list, sizeof list)) {
        snprintf(path, sizeof path, "%s/sys/fs/cgroup", root);
        cgroup_each(path, list, "memory", take_left, &least);
    }
    if (least == UINT64_MAX || !read_number(root, "proc/self/status", "RssAnon:", &kilobytes))
        return least;
    return least + kilobytes * 1024;
}
