/* The official models on this machine: those in $SIBYL_DATA, else those of Debian's libonnx-testdata. */
#ifndef TESTS_ONNX_CASES_H
#define TESTS_ONNX_CASES_H

#include "check.h"

#include <glob.h>

typedef struct case_list {
    glob_t found;
    size_t n;
    char **paths; /* (n), of files named model.onnx */
} case_list;

static inline case_list cases_find(void)
{
    static const char *const below[] = {"onnx-conformance/*/*/model.onnx", "real-models/*/model.onnx"};
    case_list list = {.n = 0};
    const char *data = check_data_folder();
    char pattern[4400];
    int flags = 0;
    for (size_t i = 0; data && i < 2; i++) {
        snprintf(pattern, sizeof pattern, "%s/%s", data, below[i]);
        if (glob(pattern, flags, NULL, &list.found) == 0)
            flags = GLOB_APPEND;
    }
    if (!flags && glob("/usr/share/libonnx-testdata/data/*/*/model.onnx", 0, NULL, &list.found) == 0)
        flags = GLOB_APPEND;
    list.n = flags ? list.found.gl_pathc : 0;
    list.paths = list.found.gl_pathv;
    return list;
}

static inline void cases_free(case_list *list)
{
    if (list->n)
        globfree(&list->found);
    list->n = 0;
}

#endif
