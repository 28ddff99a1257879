/* Ctrl-C cancels the work, so that the program can clean up and report. */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <sibyl/sibyl.h>

/* Returns a flag that Ctrl-C sets from now on; NULL, with a line on stderr, on failure. One at a time. */
const sib_cancel *interrupt_begin(void);
void interrupt_end(void);

#endif
