/* Cancels after some time of the processor: others on a busy machine do not count. */
#include "fuzz.h"

#include <signal.h>
#include <time.h>

static sib_cancel *volatile running;
static timer_t timer;

static void on_time(int number)
{
    (void)number;
    if (running)
        sib_cancel_set(running);
}

static void arm(long ms)
{
    const struct itimerspec when = {.it_value = {ms / 1000, ms % 1000 * 1000000}};
    timer_settime(timer, 0, &when, NULL);
}

sib_cancel *fuzz_cancel_begin(void)
{
    static int made;
    sib_cancel *c = NULL;
    if (!made) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
        const struct sigaction action = {.sa_handler = on_time, .sa_flags = SA_RESTART};
        if (sigaction(SIGRTMIN, &action, NULL) || timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer))
            fuzz_fail("no timer");
        made = 1;
    }
    if (sib_cancel_create(&c, NULL) != SIB_OK)
        fuzz_fail("no memory for a cancel");
    running = c;
    arm(FUZZ_CANCEL_MS);
    return c;
}

void fuzz_cancel_end(sib_cancel **cancel)
{
    arm(0);
    running = NULL;
    sib_cancel_free(cancel);
}
