/* Decides how many threads of a pool to use. On a busy machine a worker may lose its processor in the middle
   of a piece, and the caller then waits for milliseconds: more threads can be slower than one. */
#ifndef BASE_POOL_ACCOUNT_H
#define BASE_POOL_ACCOUNT_H

#define POOL_MAX_THREADS 1024
#define POOL_LEVELS      11 /* 1, 2, 4 .. POOL_MAX_THREADS threads */

/* A stretch of the calling thread's time, in nanoseconds. */
typedef struct pool_window {
    double wall, cpu; /* cpu: the caller's processor time */
    double pieces;    /* in pieces of its own */
    double helped; /* what the pieces that workers did would have taken the caller, at the pace of its own */
    double spun, slept; /* waiting for pieces of workers */
} pool_window;

typedef struct pool_account {
    unsigned threads, level;   /* of the pool; threads in use: 2^level, at most `threads` */
    double rates[POOL_LEVELS]; /* work done per time at each level; 1: one thread that is never interrupted */
    double debt;               /* time lost against the level below, in nanoseconds; negative: gained */
    double rest;               /* time until the level above is tried */
    double rest_times;         /* rest for each nanosecond that a failed try has cost */
} pool_account;

void pool_account_init(pool_account *a, unsigned threads);
/* Adds a window; the return value is the number of threads to use from now on. */
unsigned pool_account_add(pool_account *a, const pool_window *w);

#endif
