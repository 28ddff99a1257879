/* How many threads this process can run at a time. */
#ifndef BASE_PROCESSORS_H
#define BASE_PROCESSORS_H

/* Processors that the process may use: those of its affinity mask, and no more than its CPU quota (cgroup
   version 1 or 2) pays for, rounded up. At least 1. */
unsigned processors_usable(void);

/* The quota in processors, rounded up, of the cgroups that `list` (the text of /proc/self/cgroup) names and
   of their parents, below the folder `root` (/sys/fs/cgroup); 0 without a quota. */
unsigned processors_quota(const char *root, const char *list);

#endif
