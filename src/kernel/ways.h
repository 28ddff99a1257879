/* Measures ways to compute the same. */
#ifndef KERNEL_WAYS_H
#define KERNEL_WAYS_H

#include <stddef.h>

#define WAYS_MAX 16

/* Runs each of n ways in turn, so that a disturbance affects all, for 4 ms each or 12 times, whichever is less, and at
   least three times: the first run finds cold caches and memory that was never touched. seconds: (n) those of the fastest run. n <= WAYS_MAX. */
void ways_time(size_t n, void (*run)(void *context, size_t way), void *context, double *seconds);

/* Numbers of one magnitude, -1 to 1, the same ones in every process. */
void ways_numbers(float *x, size_t n);

#endif
