#include "watch.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static char doing[4800];
static bool active, ending;
static double began, began_wall;
static sib_cancel *running;

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Signal-safe: calls nothing but write. */
static void say(const char *why)
{
    if (write(2, why, strlen(why)) < 0 || write(2, doing, strlen(doing)) < 0 || write(2, "\n", 1) < 0)
        _exit(4);
}

static void on_signal(int number)
{
    say("died at ");
    signal(number, SIG_DFL);
    raise(number);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* Read by the sanitizers before main. They report and then abort, so that the file is named. An allocation
   that they refuse is an ordinary failure; one that they grant must not use up the machine's memory. */
#define VISIBLE __attribute__((visibility("default")))
VISIBLE const char *__asan_default_options(void);
VISIBLE const char *__asan_default_options(void)
{
    return "abort_on_error=1:allocator_may_return_null=1:max_allocation_size_mb=2048:hard_rss_limit_mb=6000";
}
VISIBLE const char *__ubsan_default_options(void);
VISIBLE const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}
static const int deaths[] = {SIGABRT}; /* the sanitizers handle the other signals */
#else
static const int deaths[] = {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL};
#endif

static void *watch(void *unused)
{
    (void)unused;
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    bool over = false;
    while (!over) {
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&lock);
        double spent = now(CLOCK_PROCESS_CPUTIME_ID) - began,
               wall = (now(CLOCK_MONOTONIC) - began_wall) / WATCH_WALL;
        spent = wall > spent ? wall : spent;
        if (active && running && spent > WATCH_SECONDS / 2)
            sib_cancel_set(running);
        if (active && spent > WATCH_SECONDS) {
            say(running ? "takes too long, though cancelled: " : "takes too long: ");
            /* A core dump shows where it is. */
            signal(SIGABRT, SIG_DFL);
            abort();
        }
        over = ending;
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

void watch_start(void)
{
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++)
        signal(deaths[i], on_signal);
    assert_int_equal(pthread_create(&thread, NULL, watch, NULL), 0);
}

void watch_stop(void)
{
    pthread_mutex_lock(&lock);
    ending = true;
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
}

void watch_begin(const char *format, ...)
{
    va_list list;
    pthread_mutex_lock(&lock);
    va_start(list, format);
    vsnprintf(doing, sizeof doing, format, list);
    va_end(list);
    began = now(CLOCK_PROCESS_CPUTIME_ID);
    began_wall = now(CLOCK_MONOTONIC);
    active = true;
    pthread_mutex_unlock(&lock);
}

double watch_end(void)
{
    pthread_mutex_lock(&lock);
    active = false;
    double seconds = now(CLOCK_PROCESS_CPUTIME_ID) - began;
    pthread_mutex_unlock(&lock);
    return seconds;
}

void watch_cancel(sib_cancel *c)
{
    pthread_mutex_lock(&lock);
    running = c;
    pthread_mutex_unlock(&lock);
}

const char *watch_doing(void)
{
    return doing;
}
