/* Programs that the command starts and whose output it reads. */
#ifndef CLI_CHILD_H
#define CLI_CHILD_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* Starts a program, looked for in $PATH, whose standard output is *out. quiet: its standard error is
   discarded. Returns false where it cannot be started. */
bool child_start(const char *program, char *const argv[], bool quiet, FILE **out, pid_t *pid);
/* Closes `out` and waits; where a signal has come (interrupt.h), ends the program first. Returns the status of waitpid, -1 where that fails. */
int child_end(FILE *out, pid_t pid);

#endif
