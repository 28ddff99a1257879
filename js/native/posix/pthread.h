/* POSIX threads where there is one thread: locks are free, and no second thread can be started. */
#ifndef SIBYL_POSIX_PTHREAD_H
#define SIBYL_POSIX_PTHREAD_H

#include <errno.h>
#include <time.h>

typedef struct pthread_attr pthread_attr_t;
typedef struct pthread_mutexattr pthread_mutexattr_t;
typedef int pthread_t, pthread_once_t, pthread_condattr_t;
typedef struct pthread_mutex {
    int locked;
} pthread_mutex_t;
typedef struct pthread_cond {
    int unused;
} pthread_cond_t;

#define PTHREAD_MUTEX_INITIALIZER                                                                            \
    {                                                                                                        \
        0                                                                                                    \
    }
#define PTHREAD_COND_INITIALIZER                                                                             \
    {                                                                                                        \
        0                                                                                                    \
    }
#define PTHREAD_ONCE_INIT 0

static inline pthread_t pthread_self(void)
{
    return 1;
}

static inline int pthread_equal(pthread_t a, pthread_t b)
{
    return a == b;
}

static inline int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *context)
{
    (void)t, (void)a, (void)run, (void)context;
    return EAGAIN;
}

static inline int pthread_join(pthread_t t, void **result)
{
    (void)t, (void)result;
    return ESRCH;
}

static inline int pthread_once(pthread_once_t *done, void (*run)(void))
{
    if (!*done)
        run();
    *done = 1;
    return 0;
}

static inline int pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a)
{
    (void)a;
    m->locked = 0;
    return 0;
}

static inline int pthread_mutex_trylock(pthread_mutex_t *m)
{
    if (m->locked)
        return EBUSY;
    m->locked = 1;
    return 0;
}

/* A second lock would wait for ever: it ends the program instead. */
static inline int pthread_mutex_lock(pthread_mutex_t *m)
{
    if (m->locked)
        __builtin_trap();
    m->locked = 1;
    return 0;
}

static inline int pthread_mutex_unlock(pthread_mutex_t *m)
{
    m->locked = 0;
    return 0;
}

static inline int pthread_mutex_destroy(pthread_mutex_t *m)
{
    (void)m;
    return 0;
}

static inline int pthread_condattr_init(pthread_condattr_t *a)
{
    *a = 0;
    return 0;
}

static inline int pthread_condattr_setclock(pthread_condattr_t *a, clockid_t clock)
{
    (void)a, (void)clock;
    return 0;
}

static inline int pthread_condattr_destroy(pthread_condattr_t *a)
{
    (void)a;
    return 0;
}

static inline int pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a)
{
    (void)a;
    c->unused = 0;
    return 0;
}

static inline int pthread_cond_destroy(pthread_cond_t *c)
{
    (void)c;
    return 0;
}

static inline int pthread_cond_signal(pthread_cond_t *c)
{
    (void)c;
    return 0;
}

static inline int pthread_cond_broadcast(pthread_cond_t *c)
{
    (void)c;
    return 0;
}

/* Nobody is there who could signal. */
static inline int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    (void)c, (void)m;
    __builtin_trap();
}

static inline int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
    (void)until;
    return pthread_cond_wait(c, m);
}

/* Signals, which there are none of. */
typedef int sigset_t;
#define SIG_SETMASK 0

static inline int sigfillset(sigset_t *s)
{
    *s = 0;
    return 0;
}

static inline int pthread_sigmask(int how, const sigset_t *s, sigset_t *before)
{
    (void)how, (void)s, (void)before;
    return 0;
}

#endif
