/* Watches over work on one file after another: says which one it was when the program dies or takes too long. */
#ifndef TESTS_RUN_WATCH_H
#define TESTS_RUN_WATCH_H

#include "check.h"
#include <sibyl/session.h>

/* Seconds of the processor that one file may take; half of it before a run is cancelled. Other programs on the machine
   do not count; one that sleeps is found out by the clock on the wall, after WATCH_WALL times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WATCH_SECONDS 20.0
#else
#define WATCH_SECONDS 2.0
#endif
#define WATCH_WALL 20

void watch_start(void);
void watch_stop(void);
void watch_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Seconds of the processor since watch_begin. */
double watch_end(void);
/* What runs now, cancelled in time; NULL: nothing. */
void watch_cancel(sib_cancel *c);
/* The words of watch_begin. */
const char *watch_doing(void);

#endif
