#include "server/models/model_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILES 1000
#define MAX_SEEN  20000 /* entries of folders that are looked at */
#define MAX_DEPTH 4
#define MAX_PATH  1024

typedef struct listing {
    json_t *files;
    size_t seen;
} listing;

static bool is_model(const char *name)
{
    static const char *const ends[] = {".onnx", ".job.json"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n > strlen(ends[i]) && !strcmp(name + n - strlen(ends[i]), ends[i]))
            return true;
    return false;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* Adds what is in the folder (at) of the name `path` (""  or "a/b/"). */
static void list(listing *l, int at, const char *path, unsigned depth)
{
    struct dirent **entries = NULL;
    int n = scandirat(at, ".", &entries, is_shown, by_name);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        char full[MAX_PATH];
        struct stat s;
        bool looked = l->seen++ < MAX_SEEN && json_array_size(l->files) < MAX_FILES &&
                      snprintf(full, sizeof full, "%s%s", path, name) < (int)sizeof full - 1 &&
                      !fstatat(at, name, &s, AT_SYMLINK_NOFOLLOW);
        if (looked && S_ISREG(s.st_mode) && is_model(name))
            json_array_append_new(l->files,
                                  json_pack("{s:s, s:I}", "file", full, "bytes", (json_int_t)s.st_size));
        else if (looked && S_ISDIR(s.st_mode) && depth < MAX_DEPTH) {
            int inner = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            strcat(full, "/");
            if (inner >= 0) {
                list(l, inner, full, depth + 1);
                close(inner);
            }
        }
        free(entries[i]);
    }
    free(entries);
}

json_t *model_files(const char *folder)
{
    listing l = {json_array(), 0};
    int at = folder && l.files ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (at >= 0) {
        list(&l, at, "", 0);
        close(at);
    }
    return l.files;
}
