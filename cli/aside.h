/* Outputs that belong together: written into a folder aside, beside where they will be, and renamed at the end. */
#ifndef CLI_ASIDE_H
#define CLI_ASIDE_H

#include <dirent.h>
#include <stdbool.h>

/* Nothing is allocated between cli_aside_begin and cli_aside_end, so that want of memory leaves nothing behind. */
typedef struct cli_aside {
    char *folder; /* where the outputs go */
    char *aside;  /* where they are written */
    char *path;   /* of the first output in `aside` */
    int to;       /* folder, opened */
    DIR *files;   /* of aside; NULL: it was not made */
} cli_aside;

/* Makes the folder for `out` and what stands beside it. False where that fails, with a line on stderr. a: cli_aside_end(a). */
bool cli_aside_begin(cli_aside *a, const char *out);
/* Renames all files into the folder. False where that fails; those renamed before are there, errno says why. */
bool cli_aside_commit(cli_aside *a);
/* Takes the folder aside out of a path or message, in place. */
void cli_aside_clean(const cli_aside *a, char *text);
/* Removes the folder aside and what is still in it. */
void cli_aside_end(cli_aside *a);

#endif
