/* The control groups (Linux, version 1 and 2) that limit this process. */
#ifndef BASE_CGROUP_H
#define BASE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#define CGROUP_PATH 4096
#define CGROUP_LIST 16384 /* of /proc/self/cgroup; a longer list is cut, and the rest ignored */

/* Reads the start of a file as a string. Returns false where it cannot be read or is empty. */
bool cgroup_read(const char *path, char *text, size_t size);

/* Calls `each` with the folder of each group that limits `controller` ("cpu"): those that `list` (the text of
   /proc/self/cgroup) names, and the groups around them up to the mount, below `mount` (/sys/fs/cgroup). In a container a
   path may not be that of the mount, whose root is the group then. */
void cgroup_each(const char *mount, const char *list, const char *controller,
                 void (*each)(void *context, const char *folder), void *context);

#endif
