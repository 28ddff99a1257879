/* The queue of sequences that wait for a step, and the thread that runs the steps. */
#include "batch/batch.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/cancel.h"
#include "base/error.h"
#include "batch/kept.h"
#include "batch/stepper.h"

#include <sibyl/timing.h>

#include <pthread.h>
#include <string.h>
#include <time.h>

#define MAX_SEQUENCES   64
#define USUAL_SEQUENCES 16
#define USUAL_TOKENS    64
#define TOKENS_ALONE    512       /* of a prompt that nobody waits behind */
#define LOOK_NS         20000000u /* between two looks at a cancellation */
#define MIN_PATIENCE_NS 200000u
#define MAX_PATIENCE_NS 20000000u

typedef enum sequence_state {
    SEQUENCE_IDLE,    /* its owner has it */
    SEQUENCE_WAITING, /* in the queue */
    SEQUENCE_RUNNING, /* in the step that runs */
} sequence_state;

struct sequence {
    batcher *b;
    cache *c;
    int64_t *read; /* (n_read) tokens that it was fed, those of the cache first */
    size_t n_read, read_capacity;
    sequence_state state;
    pthread_cond_t done; /* it is idle again */
    sequence *next;      /* in the queue */
    /* Idle, but expected back soon: it was in a step, and its owner chooses the next token. */
    bool expected;
    bool left;      /* its owner has gone while a step ran, which frees it */
    bool abandoned; /* the feed was cancelled while a step ran */
    /* The feed, owned by the sequence: n tokens of which `fed` are computed, and m rows of logits, the first
       `given` filled. */
    int64_t *tokens;
    size_t *at; /* (m) ascending */
    size_t n, fed, m, given;
    size_t takes;       /* tokens in the step that runs */
    sib_tensor *logits; /* NULL before the first rows */
    sib_code code;
    sib_error err;
};

struct batcher {
    stepper *d;
    size_t max_sequences, max_tokens;
    pthread_t worker;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t arrived; /* a sequence waits, has left or is expected no more; the batch ends */
    bool ending;
    sequence *first, *last; /* of the queue */
    size_t n_waiting, n_expected, n_sequences;
    sequence *expects[MAX_SEQUENCES]; /* (n_expected) */
    kept_caches *kept;                /* of sequences that have left */
    uint64_t step_ns;                 /* of the last step */
    uint64_t steps, tokens;
    size_t most;
};

/* ---- The queue; the lock is held ----------------------------------------------------------------------- */

static void add_waiting(batcher *b, sequence *s)
{
    s->state = SEQUENCE_WAITING;
    s->next = NULL;
    if (b->last)
        b->last->next = s;
    else
        b->first = s;
    b->last = s;
    b->n_waiting++;
}

static void remove_waiting(batcher *b, const sequence *s)
{
    sequence **at = &b->first, *before = NULL;
    while (*at != s) {
        before = *at;
        at = &before->next;
    }
    *at = s->next;
    if (b->last == s)
        b->last = before;
    b->n_waiting--;
}

static void expect(batcher *b, sequence *s)
{
    if (b->n_expected < MAX_SEQUENCES) {
        s->expected = true;
        b->expects[b->n_expected++] = s;
    }
}

static void expect_no_more(batcher *b, sequence *s)
{
    for (size_t i = 0; s->expected && i < b->n_expected; i++)
        if (b->expects[i] == s)
            b->expects[i] = b->expects[--b->n_expected];
    s->expected = false;
}

static void drop_feed(sequence *s)
{
    mem_free(s->tokens);
    mem_free(s->at);
    sib_tensor_free(&s->logits);
    s->tokens = NULL;
    s->at = NULL;
}

static void free_sequence(sequence *s)
{
    drop_feed(s);
    if (s->c && s->c->length)
        kept_give(s->b->kept, &s->c, &s->read);
    cache_free(&s->c, stepper_layers(s->b->d, NULL));
    mem_free(s->read);
    pthread_cond_destroy(&s->done);
    s->b->n_sequences--;
    mem_free(s);
}

static void sleep_until(pthread_cond_t *c, pthread_mutex_t *lock, uint64_t ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t at = (uint64_t)until.tv_nsec + ns;
    until.tv_sec += (time_t)(at / 1000000000u);
    until.tv_nsec = (long)(at % 1000000000u);
    pthread_cond_timedwait(c, lock, &until);
}

/* ---- Steps --------------------------------------------------------------------------------------------- */

/* Waits for a sequence, then a moment for those that are expected: who was in the last step is in the next
   one too, unless its owner takes longer, for whom nobody waits a second time. Returns false when the batch
   ends. */
static bool gather(batcher *b)
{
    while (!b->n_waiting && !b->ending)
        pthread_cond_wait(&b->arrived, &b->lock);
    uint64_t patience = b->step_ns / 2, began = sib_time_ns(), gone;
    patience = patience < MIN_PATIENCE_NS ? MIN_PATIENCE_NS : patience;
    patience = patience > MAX_PATIENCE_NS ? MAX_PATIENCE_NS : patience;
    while (b->n_expected && b->n_waiting < b->max_sequences && !b->ending &&
           (gone = sib_time_ns() - began) < patience)
        sleep_until(&b->arrived, &b->lock, patience - gone);
    while (b->n_expected)
        expect_no_more(b, b->expects[0]);
    return !b->ending;
}

/* Takes sequences from the queue: a token of each, and of prompts as many as there is room for. */
static size_t take_sequences(batcher *b, sequence **taken)
{
    size_t n = 0, room = b->n_waiting > 1 ? b->max_tokens : TOKENS_ALONE;
    while (b->first && n < b->max_sequences) {
        taken[n] = b->first;
        remove_waiting(b, b->first);
        taken[n]->state = SEQUENCE_RUNNING;
        taken[n++]->takes = 1;
    }
    room = room > n ? room - n : 0;
    for (size_t i = 0; i < n && room; i++) {
        size_t more = taken[i]->n - taken[i]->fed - 1;
        more = more < room ? more : room;
        taken[i]->takes += more;
        room -= more;
    }
    return n;
}

/* What of s's feed is in this step. at: (s->m) for the rows. */
static stepper_part part_of(const sequence *s, size_t *at)
{
    stepper_part p = {.c = s->c, .tokens = s->tokens + s->fed, .n = s->takes, .at = at};
    while (s->given + p.m < s->m && s->at[s->given + p.m] < s->fed + s->takes) {
        at[p.m] = s->at[s->given + p.m] - s->fed;
        p.m++;
    }
    return p;
}

/* Takes what the step gave s. */
static void take_rows(sequence *s, const stepper_part *p, size_t n_vocab)
{
    const int64_t dims[] = {1, (int64_t)s->m, (int64_t)n_vocab};
    s->fed += p->n;
    if (p->m && !s->logits)
        s->code = sib_tensor_create(SIB_F32, 3, dims, &s->logits, &s->err);
    if (p->m && s->code == SIB_OK)
        memcpy((float *)sib_tensor_data(s->logits) + s->given * n_vocab, p->logits,
               p->m * n_vocab * sizeof(float));
    s->given += p->m;
}

/* Computes them together; where that fails each alone, since the fault may be one's. */
static void step(batcher *b, size_t n, sequence **taken)
{
    stepper_part parts[MAX_SEQUENCES] = {{0}};
    sib_error err = SIB_ERROR_INIT;
    sib_value *values = NULL;
    size_t n_vocab = 0, rows = 0, *at;
    for (size_t i = 0; i < n; i++)
        rows += taken[i]->m;
    at = mem_alloc(rows + 1, sizeof *at);
    for (size_t i = 0, row = 0; at && i < n; row += taken[i++]->m)
        parts[i] = part_of(taken[i], at + row);
    sib_code code = at ? stepper_step(b->d, n, parts, &values, &n_vocab, &err)
                       : err_memory(&err, rows * sizeof *at, "a step");
    for (size_t i = 0; i < n; i++)
        if (code == SIB_OK)
            take_rows(taken[i], &parts[i], n_vocab);
        else if (n == 1 || !at) {
            taken[i]->code = code;
            taken[i]->err = err;
        }
    sib_value_free(&values);
    mem_free(at);
    for (size_t i = 0; code != SIB_OK && n > 1 && at && i < n; i++)
        step(b, 1, &taken[i]);
}

static void finish(batcher *b, size_t n, sequence **taken)
{
    for (size_t i = 0; i < n; i++) {
        sequence *s = taken[i];
        if (s->left)
            free_sequence(s);
        else if (!s->abandoned && s->code == SIB_OK && s->fed < s->n)
            add_waiting(b, s);
        else {
            s->state = SEQUENCE_IDLE;
            if (!s->abandoned && s->code == SIB_OK)
                expect(b, s);
            pthread_cond_signal(&s->done);
        }
    }
    pthread_cond_signal(&b->arrived);
}

static void *work(void *argument)
{
    batcher *b = argument;
    sequence *taken[MAX_SEQUENCES];
    pthread_mutex_lock(&b->lock);
    while (gather(b)) {
        size_t n = take_sequences(b, taken);
        pthread_mutex_unlock(&b->lock);
        uint64_t began = sib_time_ns();
        step(b, n, taken);
        uint64_t took = sib_time_ns() - began;
        pthread_mutex_lock(&b->lock);
        b->step_ns = took;
        b->steps++;
        b->most = n > b->most ? n : b->most;
        for (size_t i = 0; i < n; i++)
            b->tokens += taken[i]->takes;
        finish(b, n, taken);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* ---- Batches ------------------------------------------------------------------------------------------- */

static void cond_create(pthread_cond_t *c)
{
    pthread_condattr_t how;
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_cond_init(c, &how);
    pthread_condattr_destroy(&how);
}

sib_code batch_create(const rows_source *source, const sib_batch_options *options,
                      const sib_session_options *sessions, batcher **out, sib_error *err)
{
    batcher *b = *out = mem_calloc(1, sizeof *b);
    if (!b)
        return err_memory(err, sizeof *b, "a batch");
    pthread_mutex_init(&b->lock, NULL);
    cond_create(&b->arrived);
    b->max_sequences = options && options->max_sequences ? options->max_sequences : USUAL_SEQUENCES;
    b->max_tokens = options && options->max_tokens ? options->max_tokens : USUAL_TOKENS;
    const rows_layer *layers = NULL;
    sib_code code = stepper_create(source, sessions, &b->d, err);
    const size_t n_layers = code == SIB_OK ? stepper_layers(b->d, &layers) : 0;
    if (code == SIB_OK)
        code = kept_create(options ? options->prefix_bytes : 0, layers, n_layers, &b->kept, err);
    if (code == SIB_OK && b->max_sequences > MAX_SEQUENCES)
        code = err_set(err, SIB_ERR_ARGUMENT, "a batch has at most %d sequences", MAX_SEQUENCES);
    if (code == SIB_OK && !(b->started = !pthread_create(&b->worker, NULL, work, b)))
        code = err_set(err, SIB_ERR_MEMORY, "the thread of a batch could not be started");
    if (code != SIB_OK)
        batch_free(out);
    return code;
}

void batch_free(batcher **b)
{
    if (!b || !*b)
        return;
    pthread_mutex_lock(&(*b)->lock);
    (*b)->ending = true;
    pthread_cond_signal(&(*b)->arrived);
    pthread_mutex_unlock(&(*b)->lock);
    if ((*b)->started)
        pthread_join((*b)->worker, NULL);
    SIB_ASSERT(!(*b)->n_sequences);
    kept_free(&(*b)->kept);
    stepper_free(&(*b)->d);
    pthread_cond_destroy(&(*b)->arrived);
    pthread_mutex_destroy(&(*b)->lock);
    mem_free(*b);
    *b = NULL;
}

void batch_count(batcher *b, sib_batch_info *out)
{
    pthread_mutex_lock(&b->lock);
    out->max_sequences = (unsigned)b->max_sequences;
    out->steps = b->steps;
    out->tokens = b->tokens;
    out->largest = b->most;
    kept_count(b->kept, &out->kept, &out->kept_bytes, &out->reused);
    pthread_mutex_unlock(&b->lock);
}

/* ---- Sequences ----------------------------------------------------------------------------------------- */

sib_code batch_join(batcher *b, sequence **out, sib_error *err)
{
    sequence *s = *out = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a sequence");
    s->b = b;
    cond_create(&s->done);
    sib_code code = cache_create(stepper_layers(b->d, NULL), &s->c, err);
    pthread_mutex_lock(&b->lock);
    b->n_sequences++;
    if (code != SIB_OK) {
        free_sequence(s);
        *out = NULL;
    }
    pthread_mutex_unlock(&b->lock);
    return code;
}

void sequence_leave(sequence **at)
{
    sequence *s = at ? *at : NULL;
    if (!s)
        return;
    *at = NULL;
    batcher *b = s->b;
    pthread_mutex_lock(&b->lock);
    expect_no_more(b, s);
    if (s->state == SEQUENCE_RUNNING)
        s->left = true; /* the worker frees it */
    else
        free_sequence(s);
    pthread_cond_signal(&b->arrived);
    pthread_mutex_unlock(&b->lock);
}

void sequence_rewind(sequence *s)
{
    pthread_mutex_lock(&s->b->lock);
    if (s->state == SEQUENCE_IDLE)
        s->c->length = 0;
    pthread_mutex_unlock(&s->b->lock);
}

/* The rows `at` counted from the beginning, which must ascend. */
static sib_code take_feed(sequence *s, const int64_t *tokens, size_t n, const int64_t *at, size_t m,
                          sib_error *err)
{
    drop_feed(s);
    s->tokens = mem_alloc(n + 1, sizeof *s->tokens);
    s->at = mem_alloc(m + 1, sizeof *s->at);
    if (!s->tokens || !s->at)
        return err_memory(err, n * sizeof *s->tokens, "the tokens of a sequence");
    memcpy(s->tokens, tokens, n * sizeof *s->tokens);
    for (size_t i = 0; i < m; i++) {
        int64_t row = at[i] < 0 ? at[i] + (int64_t)n : at[i];
        if (row < 0 || row >= (int64_t)n || (i && (size_t)row < s->at[i - 1]))
            return err_set(err, SIB_ERR_ARGUMENT, "row %lld of %zu tokens is out of range or out of order",
                           (long long)at[i], n);
        s->at[i] = (size_t)row;
    }
    s->n_read = s->c->length; /* behind them are those of a feed that failed */
    sib_code code = ARRAY_RESERVE(s->read, s->read_capacity, s->n_read + n, "the tokens of a sequence", err);
    if (code != SIB_OK)
        return code;
    memcpy(s->read + s->n_read, tokens, n * sizeof *tokens);
    s->n_read += n;
    s->n = n;
    s->m = m;
    s->fed = s->given = 0;
    s->code = SIB_OK;
    s->err = (sib_error)SIB_ERROR_INIT;
    return SIB_OK;
}

/* Waits until s is idle again. Returns false where it is cancelled before. The lock is held. */
static bool wait_idle(sequence *s, const sib_cancel *cancel)
{
    while (s->state != SEQUENCE_IDLE && !cancel_is_set(cancel))
        sleep_until(&s->done, &s->b->lock, LOOK_NS);
    if (s->state == SEQUENCE_IDLE)
        return true;
    s->abandoned = true;
    if (s->state == SEQUENCE_WAITING) {
        remove_waiting(s->b, s);
        s->state = SEQUENCE_IDLE;
    }
    return false;
}

sib_code sequence_feed(sequence *s, const int64_t *tokens, size_t n, const int64_t *at, size_t m,
                       const sib_cancel *cancel, sib_value **logits, sib_error *err)
{
    batcher *b = s->b;
    sib_tensor *made = NULL;
    *logits = NULL;
    if (!n || !m)
        return err_set(err, SIB_ERR_ARGUMENT, "there are no %s", n ? "rows" : "tokens");
    pthread_mutex_lock(&b->lock);
    sib_code code = s->abandoned ? err_set(err, SIB_ERR_CANCELLED, "the sequence was cancelled")
                                 : take_feed(s, tokens, n, at, m, err);
    expect_no_more(b, s);
    if (code == SIB_OK && !s->c->length) /* tokens whose logits are wanted are read */
        s->fed = kept_take(b->kept, s->tokens, s->at[0], &s->c);
    if (code == SIB_OK) {
        add_waiting(b, s);
        if (b->n_waiting == 1 || !b->n_expected || b->n_waiting >= b->max_sequences)
            pthread_cond_signal(&b->arrived); /* otherwise the worker would wait on */
        if (!wait_idle(s, cancel))
            code = err_set(err, SIB_ERR_CANCELLED, "the sequence was cancelled");
        else if ((code = s->code) != SIB_OK)
            err_set(err, code, "%s", s->err.message);
        else {
            made = s->logits;
            s->logits = NULL;
        }
    }
    pthread_mutex_unlock(&b->lock);
    if (code == SIB_OK)
        code = sib_value_from_tensor(made, logits, err);
    sib_tensor_free(&made);
    return code;
}
