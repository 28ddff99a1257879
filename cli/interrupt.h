/* Ctrl-C or SIGTERM cancels the work, so that the program can clean up and report. */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <sibyl/sibyl.h>

/* Returns a flag that the first such signal sets from now on; the next one ends the process. NULL, with a
   line on stderr, on failure. Calls nest: all get the same flag, which the last interrupt_end ends. */
const sib_cancel *interrupt_begin(void);
/* The same without a flag, for interrupt_came alone. */
void interrupt_watch(void);
/* Ends either. */
void interrupt_end(void);
/* Whether a signal has come while one was on. */
bool interrupt_came(void);

#endif
