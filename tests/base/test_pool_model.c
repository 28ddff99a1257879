/* Searches all interleavings of the protocol of base/pool.c, with a caller, two workers and several runs:
   every piece is done once, with the description of its own run and while the run lasts, nothing deadlocks,
   and no worker misses a call or outlives the pool. Memory is sequentially consistent here. The same search
   must find a fault in each variant that has one. */
#include "check.h"

#define WORKERS 2
#define THREADS (WORKERS + 1) /* thread 0 is the caller */
#define RUNS    3

static const uint8_t pieces_of[RUNS] = {2, 3, 2};

typedef enum variant {
    CORRECT,
    TAKES_UNCHECKED,      /* the swap takes a piece of whichever run there is */
    NO_RUN_NUMBER,        /* the ticket holds the pieces left alone */
    READS_EARLY,          /* the description is read before the ticket */
    TICKET_EARLY,         /* the ticket is set before the description */
    UNDONE_LATE,          /* the pieces to be done are counted after the ticket is set */
    COUNTS_EARLY,         /* a piece counts as done before its task */
    NO_WAIT,              /* the caller does not wait for pieces of workers */
    CALLER_SLEEPS_LATE,   /* the caller says that it sleeps after it has looked */
    SIGNALS_UNLOCKED,     /* the last piece is signalled without the lock */
    WORKER_SLEEPS_LATE,   /* a worker says that it sleeps after it has looked */
    WAKES_UNLOCKED,       /* a worker is woken without its lock */
    FREES_WITHOUT_JOINING /* the pool is freed when the workers have been told to stop */
} variant;

enum step {
    /* Taking pieces: READ_TICKET .. SIGNAL. */
    READ_TICKET,
    READ_TASK,
    READ_PAST,
    SWAP,
    TASK,
    COUNT,
    LOOK_FOR_CALLER,
    LOCK_CALLER,
    SIGNAL,
    /* The caller. */
    WRITE_TASK,
    WRITE_PAST,
    WRITE_UNDONE,
    WRITE_TICKET,
    WAKE_LOOK,
    WAKE_LOCK,
    WAKE,
    WAIT,
    WAIT_LOCK,
    WAIT_SET,
    WAIT_CHECK,
    WAIT_BEGIN,
    WAITING,
    WAIT_AGAIN,
    WAIT_END,
    STOP,
    JOIN,
    FREED,
    /* A worker. */
    TOP,
    SLEEP_LOCK,
    SLEEP_SET,
    SLEEP_CHECK,
    SLEEP_STOPS,
    SLEEP_TICKET,
    SLEEP_BEGIN,
    SLEEPING,
    SLEEP_AGAIN,
    SLEEP_END,
    ENDED
};

typedef struct actor {
    uint8_t at;
    uint8_t run, left;  /* the ticket that was read */
    uint8_t task, past; /* the description that was read, as the number of its run */
} actor;

typedef struct snapshot {
    actor threads[THREADS];
    uint8_t run, left, task, past, undone; /* shared */
    uint8_t stops, caller_sleeps, lock;    /* lock: 0 or its owner + 1 */
    uint8_t sleeps[WORKERS], locks[WORKERS];
    uint8_t now;        /* the caller's run; RUNS: it stops */
    uint8_t waking;     /* the worker that it wakes */
    uint8_t done[RUNS]; /* bits */
} snapshot;

typedef struct search {
    variant variant;
    snapshot *states; /* in order of discovery */
    size_t n, size;
    uint32_t *table;
    size_t slots;
    const char *fault;
} search;

CHECK_UNWATCHED static void add(search *s, const snapshot *next)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < sizeof *next; i++)
        hash = (hash ^ ((const uint8_t *)next)[i]) * 1099511628211u;
    size_t slot = (hash ^ hash >> 29) & (s->slots - 1);
    for (; s->table[slot]; slot = (slot + 1) & (s->slots - 1))
        if (!memcmp(&s->states[s->table[slot] - 1], next, sizeof *next))
            return;
    assert_true(s->n < s->size);
    s->states[s->n++] = *next;
    s->table[slot] = (uint32_t)s->n;
}

CHECK_UNWATCHED static void check(search *s, bool holds, const char *fault)
{
    if (!holds && !s->fault)
        s->fault = fault;
}

/* Takes a lock; false where another thread has it. */
CHECK_UNWATCHED static bool take(uint8_t *lock, int thread)
{
    if (*lock)
        return false;
    *lock = (uint8_t)(thread + 1);
    return true;
}

CHECK_UNWATCHED static uint8_t after_taking(int i)
{
    return i ? TOP : WAIT;
}

/* One step of a thread that takes pieces; false where it cannot go on. */
CHECK_UNWATCHED static bool step_taking(search *s, snapshot *n, int i)
{
    actor *t = &n->threads[i];
    variant v = s->variant;
    switch (t->at) {
    case READ_TICKET:
        t->run = n->run;
        t->left = n->left;
        t->at = t->left ? v == READS_EARLY ? SWAP : READ_TASK : after_taking(i);
        return true;
    case READ_TASK:
        t->task = n->task;
        t->at = READ_PAST;
        return true;
    case READ_PAST:
        t->past = n->past;
        t->at = v == READS_EARLY ? READ_TICKET : SWAP;
        return true;
    case SWAP: {
        bool same = n->left == t->left && (n->run == t->run || v == NO_RUN_NUMBER);
        if (v == TAKES_UNCHECKED && n->left)
            same = true;
        t->run = n->run;
        t->left = n->left;
        t->at = same ? v == COUNTS_EARLY ? COUNT : TASK : t->left ? READ_TASK : after_taking(i);
        if (same)
            n->left--;
        return true;
    }
    case TASK: {
        unsigned piece = (unsigned)pieces_of[t->run] - t->left;
        check(s, t->task == t->run && t->past == t->run, "a piece with the description of another run");
        check(s, n->now == t->run, "a piece after the end of its run");
        check(s, piece < pieces_of[t->run] && !(n->done[t->run] >> piece & 1), "a piece done twice");
        n->done[t->run] |= (uint8_t)(1U << piece);
        t->task = t->past = 0;
        t->at = v == COUNTS_EARLY ? READ_TICKET : COUNT;
        return true;
    }
    case COUNT:
        n->undone--;
        t->at = v == COUNTS_EARLY ? TASK : n->undone ? READ_TICKET : LOOK_FOR_CALLER;
        return true;
    case LOOK_FOR_CALLER:
        t->at = n->caller_sleeps ? LOCK_CALLER : READ_TICKET;
        return true;
    case LOCK_CALLER:
        if (v != SIGNALS_UNLOCKED && !take(&n->lock, i))
            return false;
        t->at = SIGNAL;
        return true;
    case SIGNAL:
        n->caller_sleeps = 0;
        if (n->threads[0].at == WAITING)
            n->threads[0].at = WAIT_AGAIN;
        if (v != SIGNALS_UNLOCKED)
            n->lock = 0;
        t->at = READ_TICKET;
        return true;
    default:
        return false;
    }
}

/* The caller goes on to wake the next worker that the run has a piece for, or all where it stops. */
CHECK_UNWATCHED static void wake_next(search *s, snapshot *n, unsigned next)
{
    actor *t = &n->threads[0];
    bool stopping = n->now == RUNS;
    n->waking = (uint8_t)next;
    if (next < WORKERS && (stopping || next + 1 < pieces_of[n->now]))
        t->at = WAKE_LOOK;
    else if (stopping)
        t->at = s->variant == FREES_WITHOUT_JOINING ? FREED : JOIN;
    else
        t->at = s->variant == READS_EARLY ? READ_TASK : READ_TICKET;
}

CHECK_UNWATCHED static bool step_waking(search *s, snapshot *n)
{
    actor *t = &n->threads[0];
    uint8_t w = n->waking;
    switch (t->at) {
    case WAKE_LOOK:
        if (n->sleeps[w])
            t->at = WAKE_LOCK;
        else
            wake_next(s, n, w + 1U);
        return true;
    case WAKE_LOCK:
        if (s->variant != WAKES_UNLOCKED && !take(&n->locks[w], 0))
            return false;
        t->at = WAKE;
        return true;
    case WAKE:
        n->sleeps[w] = 0;
        if (n->threads[w + 1].at == SLEEPING)
            n->threads[w + 1].at = SLEEP_AGAIN;
        if (s->variant != WAKES_UNLOCKED)
            n->locks[w] = 0;
        wake_next(s, n, w + 1U);
        return true;
    default:
        return false;
    }
}

CHECK_UNWATCHED static bool step_writing(search *s, snapshot *n)
{
    actor *t = &n->threads[0];
    variant v = s->variant;
    switch (t->at) {
    case WRITE_TASK:
        n->task = n->now;
        t->at = WRITE_PAST;
        return true;
    case WRITE_PAST:
        n->past = n->now;
        t->at = v == TICKET_EARLY ? WAKE_LOOK : v == UNDONE_LATE ? WRITE_TICKET : WRITE_UNDONE;
        break;
    case WRITE_UNDONE:
        n->undone = pieces_of[n->now];
        t->at = v == UNDONE_LATE ? WAKE_LOOK : WRITE_TICKET;
        break;
    case WRITE_TICKET:
        n->run = n->now;
        n->left = pieces_of[n->now];
        t->at = v == TICKET_EARLY ? WRITE_TASK : v == UNDONE_LATE ? WRITE_UNDONE : WAKE_LOOK;
        break;
    default:
        return false;
    }
    if (t->at == WAKE_LOOK)
        wake_next(s, n, 0);
    return true;
}

CHECK_UNWATCHED static void begin_run(search *s, snapshot *n)
{
    n->threads[0].at = n->now == RUNS ? STOP : s->variant == TICKET_EARLY ? WRITE_UNDONE : WRITE_TASK;
}

CHECK_UNWATCHED static bool step_waiting(search *s, snapshot *n)
{
    actor *t = &n->threads[0];
    bool late = s->variant == CALLER_SLEEPS_LATE;
    switch (t->at) {
    case WAIT: /* it looks, or has looked for long enough */
        t->at = WAIT_LOCK;
        if (n->undone && s->variant != NO_WAIT)
            return true;
        check(s, n->done[n->now] == (1U << pieces_of[n->now]) - 1, "a run that ends before its pieces");
        n->now++;
        begin_run(s, n);
        return true;
    case WAIT_LOCK:
        if (!take(&n->lock, 0))
            return false;
        t->at = late ? WAIT_CHECK : WAIT_SET;
        return true;
    case WAIT_SET:
        n->caller_sleeps = 1;
        t->at = late ? WAIT_BEGIN : WAIT_CHECK;
        return true;
    case WAIT_CHECK:
        t->at = !n->undone ? WAIT_END : late ? WAIT_SET : n->caller_sleeps ? WAIT_BEGIN : WAIT_END;
        return true;
    case WAIT_BEGIN:
        n->lock = 0;
        t->at = WAITING;
        return true;
    case WAIT_AGAIN:
        if (!take(&n->lock, 0))
            return false;
        t->at = WAIT_CHECK;
        return true;
    case WAIT_END:
        n->caller_sleeps = 0;
        n->lock = 0;
        t->at = WAIT;
        return true;
    case STOP:
        n->stops = 1;
        wake_next(s, n, 0);
        return true;
    case JOIN:
        for (int i = 1; i < THREADS; i++)
            if (n->threads[i].at != ENDED)
                return false;
        t->at = FREED;
        return true;
    default:
        return false;
    }
}

CHECK_UNWATCHED static bool step_sleeping(search *s, snapshot *n, int i)
{
    actor *t = &n->threads[i];
    uint8_t *sleeps = &n->sleeps[i - 1], *lock = &n->locks[i - 1];
    bool late = s->variant == WORKER_SLEEPS_LATE;
    switch (t->at) {
    case SLEEP_LOCK:
        if (!take(lock, i))
            return false;
        t->at = late ? SLEEP_STOPS : SLEEP_SET;
        return true;
    case SLEEP_SET:
        *sleeps = 1;
        t->at = late ? SLEEP_BEGIN : SLEEP_CHECK;
        return true;
    case SLEEP_CHECK:
        t->at = *sleeps ? SLEEP_STOPS : SLEEP_END;
        return true;
    case SLEEP_STOPS:
        t->at = n->stops ? SLEEP_END : SLEEP_TICKET;
        return true;
    case SLEEP_TICKET:
        t->at = n->left ? SLEEP_END : late && !*sleeps ? SLEEP_SET : SLEEP_BEGIN;
        return true;
    case SLEEP_BEGIN:
        *lock = 0;
        t->at = SLEEPING;
        return true;
    case SLEEP_AGAIN:
        if (!take(lock, i))
            return false;
        t->at = SLEEP_CHECK;
        return true;
    case SLEEP_END:
        *sleeps = 0;
        *lock = 0;
        t->at = s->variant == READS_EARLY ? READ_TASK : READ_TICKET;
        return true;
    default:
        return false;
    }
}

/* Adds the states that follow from one step of thread i; false where it cannot go on. */
CHECK_UNWATCHED static bool step(search *s, const snapshot *from, int i)
{
    snapshot n = *from;
    actor *t = &n.threads[i];
    if (t->at == TOP) { /* it sees a run, or has looked for long enough */
        check(s, n.threads[0].at != FREED, "a worker that outlives the pool");
        t->at = n.stops ? ENDED : SLEEP_LOCK;
        add(s, &n);
        n = *from;
        t->at = s->variant == READS_EARLY ? READ_TASK : READ_TICKET;
        if (n.left)
            add(s, &n);
        return true;
    }
    if (!(step_taking(s, &n, i) || (i > 0 && step_sleeping(s, &n, i)) ||
          (i == 0 && (step_writing(s, &n) || step_waking(s, &n) || step_waiting(s, &n)))))
        return false;
    check(s, i == 0 || n.threads[0].at != FREED, "a worker that outlives the pool");
    add(s, &n);
    return true;
}

/* A worker sleeps on although the caller has called it. */
CHECK_UNWATCHED static bool misses_call(const snapshot *n)
{
    const actor *caller = &n->threads[0];
    bool woken = n->now < RUNS && (caller->at < WRITE_TASK || (caller->at >= WAIT && caller->at < STOP));
    for (unsigned i = 0; i < WORKERS && woken; i++)
        if (i + 1U < pieces_of[n->now] && n->threads[i + 1].at == SLEEPING && n->left && n->sleeps[i])
            return true;
    return false;
}

CHECK_UNWATCHED static const char *search_all(variant v, size_t *n_states)
{
    search s = {.variant = v, .size = (size_t)1 << 22, .slots = (size_t)1 << 23};
    s.states = malloc(s.size * sizeof *s.states);
    s.table = calloc(s.slots, sizeof *s.table);
    assert_true(s.states && s.table);
    snapshot first = {0};
    for (int i = 1; i < THREADS; i++)
        first.threads[i].at = TOP;
    begin_run(&s, &first);
    add(&s, &first);
    for (size_t at = 0; at < s.n && !s.fault; at++) {
        const snapshot from = s.states[at];
        bool moves = from.threads[0].at == FREED;
        check(&s, !misses_call(&from), "a worker that missed its call");
        for (int i = 0; i < THREADS; i++)
            moves |= step(&s, &from, i);
        check(&s, moves, "a deadlock");
    }
    *n_states = s.n;
    free(s.states);
    free(s.table);
    return s.fault;
}

TEST(all_interleavings)
{
    size_t n;
    const char *fault = search_all(CORRECT, &n);
    if (fault)
        fail_msg("%s", fault);
    assert_true(n > 100000); /* the search got around */
}

TEST(variants_with_a_fault)
{
    for (variant v = CORRECT + 1; v <= FREES_WITHOUT_JOINING; v++) {
        size_t n;
        const char *fault = search_all(v, &n);
        if (fault)
            print_message("variant %d: %s, after %zu states\n", (int)v, fault, n);
        else
            fail_msg("no fault is found in variant %d", (int)v);
    }
}
