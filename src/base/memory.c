/* Memory of the process, from /proc where available. getrusage is the fallback for the peak, since its
   figure survives exec: a small program started by a large one would report the large one's peak. */
#include <sibyl/timing.h>

#include <fcntl.h>
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

static uint64_t resident_most(void)
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
    out->resident_peak = resident_most();
    /* The kernel updates the two separately and with delay. */
    if (out->resident_peak < out->resident)
        out->resident_peak = out->resident;
}
