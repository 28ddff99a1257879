#include "server/runs/peaks.h"

#include <pthread.h>
#include <stdlib.h>

/* Bursts of some milliseconds, of which the best counts: long enough that some fall between other work. */
#define SECONDS 0.5

struct peaks {
    unsigned threads;
    pthread_mutex_t lock; /* held while it is measured */
    bool known;
    sib_peak found;
};

peaks *peaks_create(unsigned threads)
{
    peaks *p = calloc(1, sizeof *p);
    if (p) {
        p->threads = threads;
        pthread_mutex_init(&p->lock, NULL);
    }
    return p;
}

void peaks_free(peaks **p)
{
    if (!*p)
        return;
    pthread_mutex_destroy(&(*p)->lock);
    free(*p);
    *p = NULL;
}

static sib_code measure(unsigned threads, sib_peak *out, sib_error *err)
{
    sib_pool *pool;
    sib_code code = sib_pool_create(threads, &pool, err);
    if (code != SIB_OK)
        return code;
    code = sib_measure_peak(pool, SECONDS, out, err);
    sib_pool_free(&pool);
    return code;
}

sib_code peaks_get(peaks *p, sib_peak *out, sib_error *err)
{
    pthread_mutex_lock(&p->lock);
    sib_code code = p->known ? SIB_OK : measure(p->threads, &p->found, err);
    p->known = code == SIB_OK;
    *out = p->found;
    pthread_mutex_unlock(&p->lock);
    return code;
}
