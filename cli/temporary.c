#include "temporary.h"

#include "aside.h"
#include "messages.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FOLDERS 8
#define NAME        "sibyl-temporary-" /* what follows is random */

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

/* Removes the folders that processes of this user left when they were ended. */
static void remove_left(const char *base)
{
    DIR *all = opendir(base);
    const struct dirent *e;
    while (all && (e = readdir(all))) {
        struct stat st;
        if (strncmp(e->d_name, NAME, sizeof NAME - 1) || strlen(e->d_name) != sizeof NAME - 1 + 6)
            continue;
        char *path = cli_format("%s/%s", base, e->d_name);
        const int left = cli_aside_open_left(path);
        if (left >= 0 && fstat(left, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid())
            nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        if (left >= 0)
            close(left);
        free(path);
    }
    if (all)
        closedir(all);
}

/* The lock is held until the process ends. */
static bool make_folder(char *path)
{
    const int fd = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return fd >= 0 && cli_aside_lock(fd, path, true);
}

char *temporary_folder(void)
{
    const char *set = getenv("TMPDIR"), *base = set && *set ? set : "/tmp";
    char *path = cli_format("%s/" NAME "XXXXXX", base);
    bool room = n_folders < MAX_FOLDERS && (n_folders || atexit(remove_all) == 0);
    if (!n_folders)
        remove_left(base);
    if (!room || !make_folder(path)) {
        cli_fail("%s: a temporary folder cannot be made: %s", path, room ? strerror(errno) : "too many");
        free(path);
        return NULL;
    }
    folders[n_folders++] = cli_format("%s", path);
    return path;
}
