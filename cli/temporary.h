/* Folders for files that the program needs while it runs. */
#ifndef CLI_TEMPORARY_H
#define CLI_TEMPORARY_H

/* A new folder in $TMPDIR or /tmp, removed with all that is in it when the program ends. Owned by the caller;
   NULL, with a line on stderr, where there can be none. */
char *temporary_folder(void);

#endif
