/* Ctrl-C ends the work with what is done so far put in order, not the program. */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <sibyl/sibyl.h>

/* A flag that Ctrl-C sets from now on; NULL, with a line on stderr, where it cannot be had. One at a time. */
const sib_cancel *interrupt_begin(void);
void interrupt_end(void);

#endif
