#include "base/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool cgroup_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, size - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

typedef struct visit {
    const char *mount;
    void (*each)(void *context, const char *folder);
    void *context;
} visit;

/* The groups from mount/base/path up to mount/base. A path that is too long is none. */
static void visit_above(const visit *v, const char *base, const char *path)
{
    char folder[CGROUP_PATH];
    int top = snprintf(folder, sizeof folder, "%s%s%s", v->mount, *base ? "/" : "", base);
    int length = snprintf(folder, sizeof folder, "%s%s%s%s", v->mount, *base ? "/" : "", base, path);
    if (top < 0 || length < 0 || (size_t)length >= sizeof folder)
        return;
    v->each(v->context, folder);
    while (length > top) {
        while (length > top && folder[--length] != '/') {
        }
        folder[length] = '\0';
        v->each(v->context, folder);
    }
}

/* Whether a list of controllers with commas between them names one. */
static bool names(const char *list, const char *controller)
{
    const size_t n = strlen(controller);
    for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (!strncmp(at, controller, n) && (at[n] == ',' || !at[n]))
            return true;
    return false;
}

/* Controllers that version 1 has mounted together, in whatever order a process's list names them. */
#define TOGETHER "cpu,cpuacct"

void cgroup_each(const char *mount, const char *list, const char *controller,
                 void (*each)(void *context, const char *folder), void *context)
{
    const visit v = {mount, each, context};
    char line[CGROUP_PATH];
    for (const char *at = list; *at;) {
        const size_t length = strcspn(at, "\n");
        snprintf(line, sizeof line, "%.*s", (int)(length < sizeof line ? length : sizeof line - 1), at);
        at += length + (at[length] == '\n');
        /* "ID:CONTROLLERS:PATH"; version 2 has one line, "0::PATH" */
        char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        controllers++;
        if (!*controllers)
            visit_above(&v, "", path);
        else if (names(controllers, controller)) {
            visit_above(&v, controller, path);
            if (names(TOGETHER, controller))
                visit_above(&v, TOGETHER, path);
        }
    }
}
