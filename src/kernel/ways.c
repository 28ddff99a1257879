#include "kernel/ways.h"

#include "base/assert.h"

#include <math.h>
#include <sibyl/timing.h>

#define SECONDS  0.004
#define MIN_RUNS 3
#define MAX_RUNS 12

void ways_time(size_t n, void (*run)(void *context, size_t way), void *context, double *seconds)
{
    double all[WAYS_MAX] = {0};
    SIB_ASSERT(n <= WAYS_MAX);
    for (size_t i = 0; i < n; i++)
        seconds[i] = INFINITY;
    for (int round = 0; round < MAX_RUNS; round++)
        for (size_t i = 0; i < n; i++) {
            if (all[i] >= SECONDS && round >= MIN_RUNS)
                continue;
            sib_timer timer = sib_timer_start();
            run(context, i);
            double took = sib_timer_seconds(&timer);
            seconds[i] = fmin(seconds[i], took);
            all[i] += took;
        }
}

void ways_numbers(float *x, size_t n)
{
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
    }
}
