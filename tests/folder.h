/* A temporary folder for the files of a test program: make_folder before its tests, drop_folder after
   them. */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

#include "check.h"

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

#endif
