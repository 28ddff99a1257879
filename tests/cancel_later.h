/* A call that another thread cancels while it runs, and the processor's time that it takes from then on. */
#ifndef TESTS_CANCEL_LATER_H
#define TESTS_CANCEL_LATER_H

#include "check.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

/* Seconds of a processor from the cancel until the call ends; not those of sanitizers and of emulated processors. */
#if defined(__x86_64__) && defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) &&                        \
    !defined(__SANITIZE_THREAD__)
#define HEEDED_S 0.1
#else
#define HEEDED_S 2.0
#endif

/* Beside other work a call may end before the thread that cancels it runs: then it is tried again, and cancelled sooner. */
#define CANCEL_TRIES 40
static inline unsigned cancel_sooner(unsigned us, unsigned try)
{
    return us >> (try < 8 ? try : 8);
}

typedef struct cancel_later {
    sib_cancel *cancel;
    pthread_t thread;
    clockid_t clock; /* of the thread that runs */
    double at;       /* that thread's time of a processor when it was cancelled */
    unsigned us;
} cancel_later;

static inline double cancel_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void *cancel_later_run(void *context)
{
    cancel_later *l = context;
    usleep(l->us);
    l->at = cancel_clock(l->clock);
    sib_cancel_set(l->cancel);
    return NULL;
}

/* Sets l->cancel after so many microseconds; cancel_later_end must follow in the same thread. */
static inline void cancel_later_begin(cancel_later *l, unsigned us)
{
    sib_error err = SIB_ERROR_INIT;
    *l = (cancel_later){.us = us};
    CHECK_OK(sib_cancel_create(&l->cancel, &err), err);
    assert_int_equal(pthread_getcpuclockid(pthread_self(), &l->clock), 0);
    assert_int_equal(pthread_create(&l->thread, NULL, cancel_later_run, l), 0);
}

/* Returns the seconds of a processor that this thread took since the cancel. */
static inline double cancel_later_end(cancel_later *l)
{
    const double end = cancel_clock(l->clock);
    pthread_join(l->thread, NULL);
    sib_cancel_free(&l->cancel);
    return end - l->at;
}

#endif
