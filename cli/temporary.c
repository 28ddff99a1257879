#include "temporary.h"

#include "messages.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FOLDERS 8

static char *folders[MAX_FOLDERS];
static size_t n_folders;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    remove(path);
    return 0;
}

static void remove_all(void)
{
    for (size_t i = 0; i < n_folders; i++) {
        nftw(folders[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(folders[i]);
    }
    n_folders = 0;
}

char *temporary_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *path = cli_format("%s/sibyl-XXXXXX", base && *base ? base : "/tmp");
    bool room = n_folders < MAX_FOLDERS && (n_folders || atexit(remove_all) == 0);
    if (!room || !mkdtemp(path)) {
        cli_fail("%s: a temporary folder cannot be made: %s", path, room ? strerror(errno) : "too many");
        free(path);
        return NULL;
    }
    folders[n_folders++] = cli_format("%s", path);
    return path;
}
