#include "interrupt.h"

#include "messages.h"

#include <signal.h>

/* Global, since a signal handler has no context. */
static sib_cancel *interrupted;
static volatile sig_atomic_t came;
static int begun; /* calls of interrupt_begin that have not ended: the first has the flag for all */

#define N_SIGNALS 2
static const int signals[N_SIGNALS] = {SIGINT, SIGTERM};
static struct sigaction before[N_SIGNALS];

static void on_interrupt(int signal)
{
    (void)signal;
    came = true;
    if (interrupted)
        sib_cancel_set(interrupted);
}

void interrupt_watch(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    for (size_t i = 0; i < N_SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
}

const sib_cancel *interrupt_begin(void)
{
    sib_error err = SIB_ERROR_INIT;
    if (begun) {
        begun++;
        return interrupted;
    }
    if (sib_cancel_create(&interrupted, &err) != SIB_OK) {
        cli_fail("%s", err.message);
        return NULL;
    }
    interrupt_watch();
    begun = 1;
    return interrupted;
}

void interrupt_end(void)
{
    if (begun > 1) {
        begun--;
        return;
    }
    begun = 0;
    for (size_t i = 0; i < N_SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    sib_cancel_free(&interrupted);
}

bool interrupt_came(void)
{
    return came;
}
