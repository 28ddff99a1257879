#include "server/http/work.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define READERS     2
#define READ_QUEUE  1024
#define MAX_THREADS 1024

typedef struct task {
    void (*run)(void *item);
    void *item;
} task;

typedef struct queue {
    pthread_mutex_t lock;
    pthread_cond_t added;
    task *tasks; /* (capacity) a ring: n from first */
    unsigned capacity, first, n, running, n_threads, max_waiting;
    bool closed;
    pthread_t *threads; /* (n_threads) */
} queue;

struct work {
    queue lanes[N_LANES]; /* LANE_LOOP is empty */
};

static void *serve(void *argument)
{
    queue *q = argument;
    pthread_mutex_lock(&q->lock);
    for (;;) {
        while (!q->n && !q->closed)
            pthread_cond_wait(&q->added, &q->lock);
        if (!q->n)
            break;
        task t = q->tasks[q->first];
        q->first = (q->first + 1) % q->capacity;
        q->n--;
        q->running++;
        pthread_mutex_unlock(&q->lock);
        t.run(t.item);
        pthread_mutex_lock(&q->lock);
        q->running--;
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

static bool queue_create(queue *q, unsigned threads, unsigned max_waiting)
{
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->added, NULL);
    q->max_waiting = max_waiting;
    q->capacity = max_waiting + threads;
    q->tasks = calloc(q->capacity, sizeof *q->tasks);
    q->threads = calloc(threads, sizeof *q->threads);
    if (!q->tasks || !q->threads)
        return false;
    while (q->n_threads < threads && !pthread_create(&q->threads[q->n_threads], NULL, serve, q))
        q->n_threads++;
    return q->n_threads > 0;
}

static void queue_close(queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->added);
    pthread_mutex_unlock(&q->lock);
}

static void queue_free(queue *q)
{
    queue_close(q);
    for (unsigned i = 0; i < q->n_threads; i++)
        pthread_join(q->threads[i], NULL);
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->added);
    free(q->tasks);
    free(q->threads);
}

sib_code work_create(unsigned jobs, unsigned texts, unsigned queue_length, work **out, sib_error *err)
{
    work *w = calloc(1, sizeof *w);
    bool made = w && jobs <= MAX_THREADS && texts <= MAX_THREADS;
    if (w) { /* all of them, for work_free */
        made = queue_create(&w->lanes[LANE_READ], READERS, READ_QUEUE) && made;
        made = queue_create(&w->lanes[LANE_WRITE], jobs, queue_length) && made;
        made = queue_create(&w->lanes[LANE_TEXT], texts, queue_length) && made;
    }
    if (made) {
        *out = w;
        return SIB_OK;
    }
    work_free(&w);
    err->code = SIB_ERR_MEMORY;
    snprintf(err->message, sizeof err->message, "the server's threads could not be started");
    return err->code;
}

/* The lock is held. */
static bool has_room(const queue *q)
{
    return !q->closed && q->n + q->running < q->n_threads + q->max_waiting;
}

bool work_add(work *w, work_lane lane, void (*run)(void *item), void *item)
{
    queue *q = &w->lanes[lane];
    pthread_mutex_lock(&q->lock);
    bool takes = has_room(q);
    if (takes) {
        q->tasks[(q->first + q->n++) % q->capacity] = (task){run, item};
        pthread_cond_signal(&q->added);
    }
    pthread_mutex_unlock(&q->lock);
    return takes;
}

void work_load(work *w, unsigned *waiting, unsigned *running)
{
    *waiting = *running = 0;
    for (int lane = LANE_WRITE; lane < N_LANES; lane++) {
        queue *q = &w->lanes[lane];
        pthread_mutex_lock(&q->lock);
        *waiting += q->n;
        *running += q->running;
        pthread_mutex_unlock(&q->lock);
    }
}

bool work_takes(work *w, work_lane lane)
{
    queue *q = &w->lanes[lane];
    pthread_mutex_lock(&q->lock);
    bool takes = has_room(q);
    pthread_mutex_unlock(&q->lock);
    return takes;
}

void work_close(work *w)
{
    for (int lane = LANE_READ; lane < N_LANES; lane++)
        queue_close(&w->lanes[lane]);
}

void work_free(work **w)
{
    if (!w || !*w)
        return;
    for (int lane = LANE_READ; lane < N_LANES; lane++)
        queue_free(&(*w)->lanes[lane]);
    free(*w);
    *w = NULL;
}
