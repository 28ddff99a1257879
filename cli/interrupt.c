#include "interrupt.h"

#include "messages.h"

#include <signal.h>

/* Global, since a signal handler has no context. */
static sib_cancel *interrupted;
static struct sigaction before;

static void on_interrupt(int signal)
{
    (void)signal;
    sib_cancel_set(interrupted);
}

const sib_cancel *interrupt_begin(void)
{
    sib_error err = SIB_ERROR_INIT;
    if (sib_cancel_create(&interrupted, &err) != SIB_OK) {
        cli_fail("%s", err.message);
        return NULL;
    }
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, &before);
    return interrupted;
}

void interrupt_end(void)
{
    sigaction(SIGINT, &before, NULL);
    sib_cancel_free(&interrupted);
}
