/* Outputs that belong together: written into a temporary folder inside their own, and renamed at the end. */
#ifndef CLI_ASIDE_H
#define CLI_ASIDE_H

#include <dirent.h>
#include <stdbool.h>

/* Attempts at finding a free temporary name. */
#define CLI_ASIDE_TRIES 1000

/* Locks a file or folder that is written aside; the lock ends with the process. Returns true if nobody else has it
   and `path` is still its name, and `unknown` where the file system has no locks. */
bool cli_aside_lock(int fd, const char *path, bool unknown);
/* Opens what a process that was ended left as `path`, a name of this program's; -1 where there is none. */
int cli_aside_open_left(const char *path);

/* Nothing is allocated between cli_aside_begin and cli_aside_end, so that a failing allocation leaves no
   temporary files. */
typedef struct cli_aside {
    char *folder; /* where the outputs go */
    char *aside;  /* where they are written */
    char *path;   /* of the first output in `aside` */
    int to;       /* folder, opened */
    DIR *files;   /* of aside; NULL: not created */
} cli_aside;

/* Makes the temporary folder for `out`, in the place of one that was left, and the files written with it. Returns false, with a line on stderr,
   on failure. The caller calls cli_aside_end(a). */
bool cli_aside_begin(cli_aside *a, const char *out);
/* Renames all files into the folder. Returns false, with errno set, on failure; files renamed before stay. */
bool cli_aside_commit(cli_aside *a);
/* Removes the temporary folder's name from a path or message, in place. */
void cli_aside_clean(const cli_aside *a, char *text);
/* Removes the temporary folder and the files still in it. */
void cli_aside_end(cli_aside *a);

#endif
