#include <sibyl/timing.h>

#include <time.h>

uint64_t sib_time_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

sib_timer sib_timer_start(void)
{
    return (sib_timer){.start_ns = sib_time_ns()};
}

double sib_timer_seconds(const sib_timer *timer)
{
    return (double)(sib_time_ns() - timer->start_ns) * 1e-9;
}
