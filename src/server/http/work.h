/* Worker threads behind bounded queues, one per lane: answers that only read never wait for those that compute. */
#ifndef SIB_SERVER_WORK_H
#define SIB_SERVER_WORK_H

#include <sibyl/base.h>

typedef enum work_lane {
    LANE_LOOP,  /* the event loop's own thread: what takes microseconds */
    LANE_READ,  /* what reads models and results */
    LANE_WRITE, /* what opens models and computes */
    LANE_TEXT,  /* what generates text: many at once, since sequences of one model share its steps */
    N_LANES
} work_lane;

typedef struct work work;

/* jobs, texts: threads of LANE_WRITE and LANE_TEXT; queue: waiting items of either. */
sib_code work_create(unsigned jobs, unsigned texts, unsigned queue, work **out, sib_error *err);

/* Adds an item. Returns false where the lane's queue is full, or after work_close. Thread-safe. */
bool work_add(work *w, work_lane lane, void (*run)(void *item), void *item);

/* Items that wait, and that run, of the lanes that compute. Thread-safe. */
void work_load(work *w, unsigned *waiting, unsigned *running);
/* Whether a lane's queue takes another item. Thread-safe. */
bool work_takes(work *w, work_lane lane);

/* Takes no more items; those added run to their end, for which work_free waits. */
void work_close(work *w);
void work_free(work **w);

#endif
