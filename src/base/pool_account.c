#include "base/pool_account.h"

#include <math.h>

/* A level is left once it has lost DEBT_LIMIT, which is some slices of a scheduler, against the level below.
   It is tried again after a rest of REST_TIMES that loss, doubled with each try that fails, so that trying
   costs a few hundredths at most. A level that gains builds up credit, so that a single interruption does not
   end it; levels above the second are tried from one that has gained. */
#define DEBT_LIMIT     6e6
#define CREDIT_LIMIT   20e6
#define LOSS_LIMIT     5e6 /* counted of one window: a long interruption is rarely the workers' fault */
#define REST_TIMES     60.0
#define REST_TIMES_MAX 240.0
/* Rates are means over about this time. The rate of the level below is an old measurement, and moves towards
   that of one thread on a quiet machine: a rate that was measured when the machine was busier is in the end
   measured again. */
#define RATE_TIME  40e6
#define STALE_TIME 3e9
/* What one thread gets of a busy machine differs by about this factor from one tenth of a second to the next.
   A level must gain that much against a rate below that of a quiet machine. */
#define MARGIN 1.25

void pool_account_init(pool_account *a, unsigned threads)
{
    *a = (pool_account){.threads = threads, .rest_times = REST_TIMES};
    for (int i = 0; i < POOL_LEVELS; i++)
        a->rates[i] = 1;
    while (1U << a->level < threads)
        a->level++;
}

/* What the window's work would have taken one thread that is never interrupted. Time that the caller was
   interrupted is taken to lie in its pieces, which then were as much shorter in truth, and with them those of
   the workers. */
static double work_done(const pool_window *w)
{
    double lost = fmax(w->wall - w->cpu - w->slept, 0);
    double true_share = w->pieces > lost ? 1 - lost / w->pieces : 0;
    return fmax(w->cpu - w->spun, 0) + w->helped * true_share;
}

unsigned pool_account_add(pool_account *a, const pool_window *w)
{
    double work = work_done(w), wall = fmin(w->wall, work + LOSS_LIMIT), *rate = &a->rates[a->level];
    *rate += (work / wall - *rate) * fmin(wall / RATE_TIME, 1);
    if (a->level > 0) {
        double *below = rate - 1;
        a->debt = fmax(a->debt + wall - work / fmax(*below, fmin(*below * MARGIN, 1)), -CREDIT_LIMIT);
        *below += (1 - *below) * fmin(wall / STALE_TIME, 1);
    }
    if (a->debt <= -DEBT_LIMIT)
        a->rest_times = REST_TIMES;
    a->rest -= wall;
    if (a->level > 0 && a->debt > DEBT_LIMIT) {
        a->rest = a->debt * a->rest_times;
        a->rest_times = fmin(a->rest_times * 2, REST_TIMES_MAX);
        a->debt = 0;
        a->level--;
    } else if (a->rest <= 0 && 1U << a->level < a->threads && (a->level == 0 || a->debt <= -DEBT_LIMIT)) {
        a->debt = 0;
        a->level++;
    }
    return 1U << a->level < a->threads ? 1U << a->level : a->threads;
}
