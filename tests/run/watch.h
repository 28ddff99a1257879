/* Watches work on one file after another: names the file if the program crashes or takes too long. */
#ifndef TESTS_RUN_WATCH_H
#define TESTS_RUN_WATCH_H

#include "check.h"
#include <sibyl/session.h>

/* CPU seconds that one file may take; a run is cancelled after half of them. Other programs on the machine do
   not count; a program that sleeps is found by wall time, after WATCH_WALL times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WATCH_SECONDS 20.0
#else
#define WATCH_SECONDS 2.0
#endif
#define WATCH_WALL 20

void watch_start(void);
void watch_stop(void);
void watch_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* CPU seconds since watch_begin. */
double watch_end(void);
/* The current run, cancelled in time; NULL: none. */
void watch_cancel(sib_cancel *c);
/* The text given to watch_begin. */
const char *watch_doing(void);

#endif
