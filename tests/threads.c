#include "threads.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_uint n_started;

unsigned threads_started(void)
{
    return atomic_load(&n_started);
}

int __real_pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                          void *(*run)(void *), void *restrict argument);
int __wrap_pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                          void *(*run)(void *), void *restrict argument);

/* Weak, since a test may have its own. */
__attribute__((weak)) int __wrap_pthread_create(pthread_t *restrict thread,
                                                const pthread_attr_t *restrict attributes,
                                                void *(*run)(void *), void *restrict argument)
{
    atomic_fetch_add(&n_started, 1);
    return __real_pthread_create(thread, attributes, run, argument);
}
