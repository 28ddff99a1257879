/* A temporary folder for the files of a test program: make_folder before its tests, drop_folder after
   them. */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

#include "check.h"

#include <dirent.h>

static char folder[] = "/tmp/sibyl-test-XXXXXX";

static inline int make_folder(void)
{
    return mkdtemp(folder) ? 0 : -1;
}

static inline int drop_folder(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* The path of a file in it; the last eight are valid. */
static inline const char *in_folder(const char *name)
{
    static char paths[8][300];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline size_t files_in_folder(void)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(d);
    return n;
}

#endif
