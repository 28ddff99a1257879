/* Invariants: readings hold the processor time used since the start, so the share between any two is a
   difference, and dropping some leaves the others valid. The array is full only after the last reading.
   Everything but `joined` is guarded by the lock. */
#include <sibyl/timing.h>

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define MONITOR_MIN_INTERVAL 0.001
/* Longer intervals are reduced to this, so that deadlines fit 64 bits of nanoseconds. */
#define MONITOR_MAX_INTERVAL 1e9

typedef struct {
    double seconds, cpu_seconds; /* since the monitor began */
    uint64_t resident, allocated;
} reading;

struct sib_monitor {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* signalled to stop early */
    bool stop, joined;
    double interval;
    uint64_t start_ns, cpu_start_ns;
    size_t capacity, n;
    reading *readings; /* (capacity) */
};

static uint64_t cpu_time_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static void take_reading(sib_monitor *m)
{
    sib_memory memory;
    sib_alloc_counters counters;
    sib_memory_usage(&memory);
    sib_alloc_counters_get(&counters);
    m->readings[m->n++] = (reading){.seconds = (double)(sib_time_ns() - m->start_ns) * 1e-9,
                                    .cpu_seconds = (double)(cpu_time_ns() - m->cpu_start_ns) * 1e-9,
                                    .resident = memory.resident,
                                    .allocated = counters.bytes_current};
}

/* Keeps readings 1, 3, 5, ..., which lie on the grid of the doubled interval. */
static void halve(sib_monitor *m)
{
    for (size_t i = 0; i < m->n / 2; i++)
        m->readings[i] = m->readings[2 * i + 1];
    m->n /= 2;
    m->interval = fmin(2 * m->interval, MONITOR_MAX_INTERVAL);
}

static struct timespec time_after(uint64_t start_ns, double seconds)
{
    uint64_t ns = start_ns + (uint64_t)(seconds * 1e9);
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

static void *watch(void *context)
{
    sib_monitor *m = context;
    double due = 0; /* when the last reading was due, in seconds since the start */
    pthread_mutex_lock(&m->lock);
    while (!m->stop) {
        struct timespec deadline = time_after(m->start_ns, due + m->interval);
        int woken = 0;
        while (!m->stop && woken == 0)
            woken = pthread_cond_timedwait(&m->wake, &m->lock, &deadline);
        if (m->stop)
            break;
        due += m->interval;
        take_reading(m);
        if (m->n == m->capacity) {
            if (m->n % 2)
                due -= m->interval; /* the newest reading is dropped too */
            halve(m);
        }
        /* A process that was suspended continues on the grid instead of catching up. */
        double now = (double)(sib_time_ns() - m->start_ns) * 1e-9;
        if (now > due + m->interval)
            due += floor((now - due) / m->interval) * m->interval;
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

/* Deadlines of the condition are on the clock of sib_time_ns. */
static int init_wake(sib_monitor *m)
{
    pthread_condattr_t monotonic;
    int failed = pthread_condattr_init(&monotonic);
    if (failed)
        return failed;
    failed = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    if (!failed)
        failed = pthread_cond_init(&m->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return failed;
}

/* The monitor's thread handles no signals of the process. */
static int start_thread(sib_monitor *m)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&m->thread, NULL, watch, m);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

sib_code sib_monitor_start(double interval, size_t capacity, sib_monitor **out, sib_error *err)
{
    *out = NULL;
    if (!isfinite(interval) || interval < MONITOR_MIN_INTERVAL)
        return err_set(err, SIB_ERR_ARGUMENT, "interval of the monitor is %g s, expected at least %g s",
                       interval, MONITOR_MIN_INTERVAL);
    if (capacity < 2)
        return err_set(err, SIB_ERR_ARGUMENT, "capacity of the monitor is %zu, expected at least 2",
                       capacity);
    sib_monitor *m = mem_calloc(1, sizeof *m);
    if (!m)
        return err_memory(err, sizeof *m, "a monitor");
    m->readings = mem_alloc(capacity, sizeof *m->readings);
    if (!m->readings) {
        mem_free(m);
        return err_set(err, SIB_ERR_MEMORY, "no memory for %zu readings of a monitor", capacity);
    }
    m->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    m->interval = fmin(interval, MONITOR_MAX_INTERVAL);
    m->capacity = capacity;
    m->start_ns = sib_time_ns();
    m->cpu_start_ns = cpu_time_ns();
    int failed = init_wake(m);
    if (!failed) {
        failed = start_thread(m);
        if (failed)
            pthread_cond_destroy(&m->wake);
    }
    if (failed) {
        mem_free(m->readings);
        mem_free(m);
        return err_set(err, SIB_ERR_UNSUPPORTED, "the monitor's thread could not be started: %s",
                       strerror(failed));
    }
    *out = m;
    return SIB_OK;
}

void sib_monitor_stop(sib_monitor *monitor)
{
    if (!monitor || monitor->joined)
        return;
    pthread_mutex_lock(&monitor->lock);
    monitor->stop = true;
    pthread_cond_signal(&monitor->wake);
    pthread_mutex_unlock(&monitor->lock);
    pthread_join(monitor->thread, NULL);
    monitor->joined = true;
    pthread_mutex_lock(&monitor->lock);
    take_reading(monitor);
    pthread_mutex_unlock(&monitor->lock);
}

size_t sib_monitor_samples(sib_monitor *monitor, sib_monitor_sample *samples, size_t max)
{
    pthread_mutex_lock(&monitor->lock);
    size_t n = monitor->n;
    reading before = {0};
    for (size_t i = 0; i < n && i < max; i++) {
        reading r = monitor->readings[i];
        double seconds = r.seconds - before.seconds;
        samples[i] =
            (sib_monitor_sample){.seconds = r.seconds,
                                 .cpu = seconds > 0 ? (r.cpu_seconds - before.cpu_seconds) / seconds : 0,
                                 .resident = r.resident,
                                 .allocated = r.allocated};
        before = r;
    }
    pthread_mutex_unlock(&monitor->lock);
    return n;
}

void sib_monitor_free(sib_monitor **monitor)
{
    if (!monitor || !*monitor)
        return;
    sib_monitor_stop(*monitor);
    pthread_cond_destroy(&(*monitor)->wake);
    pthread_mutex_destroy(&(*monitor)->lock);
    mem_free((*monitor)->readings);
    mem_free(*monitor);
    *monitor = NULL;
}
