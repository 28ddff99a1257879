/* Outputs that belong together: written into a temporary folder inside their own, and renamed at the end. */
#ifndef CLI_ASIDE_H
#define CLI_ASIDE_H

#include <dirent.h>
#include <stdbool.h>

/* Nothing is allocated between cli_aside_begin and cli_aside_end, so that a failing allocation leaves no
   temporary files. */
typedef struct cli_aside {
    char *folder; /* where the outputs go */
    char *aside;  /* where they are written */
    char *path;   /* of the first output in `aside` */
    int to;       /* folder, opened */
    DIR *files;   /* of aside; NULL: not created */
} cli_aside;

/* Makes the temporary folder for `out` and the files written with it. Returns false, with a line on stderr,
   on failure. The caller calls cli_aside_end(a). */
bool cli_aside_begin(cli_aside *a, const char *out);
/* Renames all files into the folder. Returns false, with errno set, on failure; files renamed before stay. */
bool cli_aside_commit(cli_aside *a);
/* Removes the temporary folder's name from a path or message, in place. */
void cli_aside_clean(const cli_aside *a, char *text);
/* Removes the temporary folder and the files still in it. */
void cli_aside_end(cli_aside *a);

#endif
