#include "aside.h"

#include "files.h"
#include "messages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The current one, which a command that ends by exit() also removes. */
static cli_aside *begun;

static void end_begun(void)
{
    if (begun)
        cli_aside_end(begun);
}

bool cli_aside_begin(cli_aside *a, const char *out)
{
    const char *slash = strrchr(out, '/'), *name = slash ? slash + 1 : out;
    *a = (cli_aside){.folder = file_folder(out), .to = -1};
    a->aside = cli_format("%s/.%s.%ld.part", a->folder, name, (long)getpid());
    a->path = cli_format("%s/%s", a->aside, name);
    a->to = open(a->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool made = a->to >= 0 && mkdir(a->aside, 0777) == 0;
    if (made && atexit(end_begun) == 0 && (a->files = opendir(a->aside))) {
        begun = a;
        return true;
    }
    cli_fail("%s: cannot be written: %s", out, strerror(errno));
    if (made)
        rmdir(a->aside);
    return false;
}

/* The next file of the folder aside, or NULL. */
static const char *next(const cli_aside *a)
{
    struct dirent *e;
    do
        e = readdir(a->files);
    while (e && (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")));
    return e ? e->d_name : NULL;
}

bool cli_aside_commit(cli_aside *a)
{
    rewinddir(a->files);
    for (const char *name = next(a); name; name = next(a))
        if (renameat(dirfd(a->files), name, a->to, name) != 0)
            return false;
    return true;
}

void cli_aside_clean(const cli_aside *a, char *text)
{
    const size_t keep = strcmp(a->folder, ".") ? strlen(a->folder) + 1 : 0, n = strlen(a->aside) + 1;
    for (char *at = strstr(text, a->aside); at && strlen(at) >= n; at = strstr(at, a->aside))
        memmove(at + keep, at + n, strlen(at + n) + 1);
}

void cli_aside_end(cli_aside *a)
{
    if (a->files) {
        rewinddir(a->files);
        for (const char *name = next(a); name; name = next(a))
            unlinkat(dirfd(a->files), name, 0);
        closedir(a->files);
        rmdir(a->aside);
    }
    if (a->to >= 0)
        close(a->to);
    free(a->folder);
    free(a->aside);
    free(a->path);
    *a = (cli_aside){.to = -1};
    begun = NULL;
}
