#include "runs.h"

#include "folders.h"
#include "live.h"
#include "run_job.h"
#include "server_inner.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_VALUES 16384               /* of a run */
#define MAX_BYTES  (UINT64_C(1) << 30) /* that all runs keep together */
#define MAX_SPANS  65536               /* of a profile */
#define SPAN_BYTES 128                 /* about */

struct runs {
    struct server *server;
    pthread_mutex_t lock;
    run *all[MAX_RUNS]; /* in the order in which they began */
    size_t n;
    uint64_t last_number;
    atomic_ullong bytes;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- One run ---- */

run *run_create(struct server *s, served *model)
{
    run *r = calloc(1, sizeof *r);
    if (!r || sib_cancel_create(&r->cancel, NULL) != SIB_OK) {
        free(r);
        catalog_release(model);
        return NULL;
    }
    r->server = s;
    r->model = model;
    r->created = now();
    atomic_init(&r->refs, 1);
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

static void free_names(run_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->items[i]);
    free(names->items);
}

static void free_value(run_value *v)
{
    free(v->name);
    free(v->node);
    free(v->op_type);
    sib_value_free(&v->value);
}

static uint64_t bytes_of(const sib_value *v)
{
    const sib_tensor *t = sib_value_tensor(v);
    uint64_t n = t ? (sib_tensor_count(t) * sib_dtype_bits(sib_tensor_dtype(t)) + 7) / 8 : 0;
    for (size_t i = 0; !t && i < sib_value_count(v); i++)
        n += bytes_of(sib_value_item(v, i));
    return n;
}

sib_code run_count_input(run *r, const char *name, uint64_t bytes, sib_error *err)
{
    uint64_t held = atomic_fetch_add(&r->server->held_bytes, bytes);
    r->input_bytes += bytes;
    if (held + bytes > r->server->options.max_bodies)
        return server_fail(err, SIB_ERR_MEMORY,
                           "the server has too little memory for the input '%.80s'; try again soon", name);
    return SIB_OK;
}

sib_code run_add_input(run *r, const char *name, sib_value *value, sib_error *err)
{
    r->inputs[r->n_inputs++] = (sib_named_value){name, value};
    return run_count_input(r, name, bytes_of(value), err);
}

static void free_inputs(run *r)
{
    for (size_t i = 0; i < r->n_inputs; i++)
        sib_value_free((sib_value **)(uintptr_t)&r->inputs[i].value);
    free(r->inputs);
    r->inputs = NULL;
    r->n_inputs = 0;
    run_ports_free(r);
    atomic_fetch_sub(&r->server->held_bytes, r->input_bytes);
    r->input_bytes = 0;
}

void run_release(run *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    for (size_t i = 0; i < r->n_values; i++)
        free_value(&r->values[i]);
    if (r->server->runs)
        atomic_fetch_sub(&r->server->runs->bytes, r->bytes);
    free(r->values);
    free_inputs(r);
    free_names(&r->outputs);
    free_names(&r->keep);
    free(r->call);
    free(r->backends);
    json_decref(r->results);
    sib_profile_free(&r->profile);
    catalog_release(r->model);
    sib_cancel_free(&r->cancel);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static run *hold(run *r)
{
    if (r)
        atomic_fetch_add(&r->refs, 1);
    return r;
}

/* ---- What it keeps ---- */

/* The caller holds the lock. */
static bool take_bytes(run *r, uint64_t bytes)
{
    atomic_ullong *total = &r->server->runs->bytes;
    if (atomic_fetch_add(total, bytes) + bytes > MAX_BYTES) {
        atomic_fetch_sub(total, bytes);
        return false;
    }
    r->bytes += bytes;
    return true;
}

/* Room for one more of (bytes); false where limits or memory forbid it. Only the run's thread adds. The caller holds the
   lock. */
static bool reserve(run *r, uint64_t bytes)
{
    if (r->n_values == MAX_VALUES)
        return false;
    if (r->n_values == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 16;
        run_value *more = realloc(r->values, capacity * sizeof *more);
        if (!more)
            return false;
        r->values = more;
        r->capacity = capacity;
    }
    return take_bytes(r, bytes);
}

sib_code run_take_bytes(run *r, uint64_t bytes, sib_error *err)
{
    pthread_mutex_lock(&r->lock);
    bool taken = take_bytes(r, bytes);
    pthread_mutex_unlock(&r->lock);
    return taken ? SIB_OK
                 : server_fail(err, SIB_ERR_SIZE, "the runs keep as much as they may: delete some of them");
}

/* A copy of the event's value with its digest; returns false where memory fails. */
static bool copy_value(const sib_tap_event *e, run_value *v)
{
    *v = (run_value){
        .name = strdup(e->name), .node = strdup(e->node), .op_type = strdup(e->op_type), .milli = e->milli};
    if (v->name && v->node && v->op_type && sib_value_clone(e->value, &v->value, NULL) == SIB_OK &&
        sib_digest_of(v->value, NULL, &v->digest, NULL) == SIB_OK)
        return true;
    free_value(v);
    return false;
}

/* Whether a value of this name, kept as it was computed, is the output: it is listed once. The caller holds the lock. */
static bool mark_output(run *r, const char *name)
{
    size_t i = r->n_values;
    while (i && (strcmp(r->values[i - 1].name, name) != 0 || r->values[i - 1].output))
        i--;
    if (i)
        r->values[i - 1].output = ++r->n_outputs;
    return i;
}

/* The copy is made without the lock: readers wait for nothing long. */
void run_keep(run *r, const sib_tap_event *e, bool output)
{
    uint64_t bytes = bytes_of(e->value) + sizeof(run_value);
    run_value v;
    pthread_mutex_lock(&r->lock);
    bool there = output && mark_output(r, e->name), kept = !there && reserve(r, bytes);
    pthread_mutex_unlock(&r->lock);
    if (there)
        return;
    bool copied = kept && copy_value(e, &v);
    pthread_mutex_lock(&r->lock);
    if (copied) {
        v.output = output ? ++r->n_outputs : 0;
        r->values[r->n_values++] = v;
    } else
        r->dropped++;
    if (kept && !copied) {
        r->bytes -= bytes;
        atomic_fetch_sub(&r->server->runs->bytes, bytes);
    }
    pthread_mutex_unlock(&r->lock);
}

static sib_code on_value(void *context, const sib_tap_event *e, sib_error *err)
{
    run *r = context;
    (void)err;
    run_keep(r, e, false);
    return SIB_OK;
}

/* Takes room for a profile, as much as there is; end_profile gives back what was not used. */
static uint64_t begin_profile(run *r)
{
    if (!r->profile)
        return 0;
    atomic_ullong *total = &r->server->runs->bytes;
    uint64_t taken = MAX_SPANS * SPAN_BYTES, before = atomic_fetch_add(total, taken);
    if (before + taken > MAX_BYTES) {
        uint64_t left = before < MAX_BYTES ? MAX_BYTES - before : 0;
        atomic_fetch_sub(total, taken - left);
        taken = left;
    }
    sib_profile_limit(r->profile, (size_t)(taken / SPAN_BYTES));
    return taken;
}

static void end_profile(run *r, uint64_t taken)
{
    uint64_t used = r->profile ? sib_profile_spans(r->profile, NULL) * SPAN_BYTES : 0;
    atomic_fetch_sub(&r->server->runs->bytes, taken - used);
    pthread_mutex_lock(&r->lock);
    r->bytes += used;
    pthread_mutex_unlock(&r->lock);
}

/* ---- Running ---- */

/* Runs with the outputs of (n) names, and keeps these. */
static sib_code run_session(run *r, sib_session *session, sib_error *err)
{
    sib_model_info info;
    sib_model_get_info(sib_session_model(session), &info);
    size_t n = r->outputs.n ? r->outputs.n : info.n_outputs;
    sib_value **out = calloc(n + 1, sizeof(sib_value *));
    if (!out)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    sib_run_options o = {.tap = r->keep.n ? on_value : NULL,
                         .tap_context = r,
                         .tap_names = (const char *const *)r->keep.items,
                         .n_taps = r->keep.n,
                         .tap_inside = r->inside,
                         .profile = r->profile,
                         .cancel = r->cancel};
    live_run *l = live_begin(r->server->live, r, session);
    sib_code code = sib_session_run(session, r->n_inputs, r->inputs, r->outputs.n,
                                    (const char *const *)r->outputs.items, out, &o, err);
    live_end(&l);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        sib_value_info v = {.name = ""};
        sib_model_output(sib_session_model(session), i, &v);
        sib_tap_event e = {
            .name = r->outputs.n ? r->outputs.items[i] : v.name, .node = "", .op_type = "", .value = out[i]};
        run_keep(r, &e, true);
    }
    for (size_t i = 0; i < n; i++)
        sib_value_free(&out[i]);
    free(out);
    return code;
}

static sib_code run_graph(run *r, sib_error *err)
{
    sib_session *session;
    sib_code code = served_session(r->model, r->call, r->backends, r->oracle, &session, err);
    return code == SIB_OK ? run_session(r, session, err) : code;
}

static void execute(void *item)
{
    run *r = item;
    sib_error err = SIB_ERROR_INIT;
    pthread_mutex_lock(&r->lock);
    r->started = now();
    r->state = RUN_RUNNING;
    pthread_mutex_unlock(&r->lock);
    live_state(r->server->live, r);
    uint64_t taken = begin_profile(r);
    sib_code code = r->is_job ? run_job(r, &err) : run_graph(r, &err);
    end_profile(r, taken);
    if (code == SIB_ERR_CANCELLED && atomic_load(&r->timed_out)) {
        err = (sib_error)SIB_ERROR_INIT;
        server_fail(&err, SIB_ERR_VALUE, "the run took longer than %g s", r->server->options.time_limit);
        code = err.code;
    }
    folders_cut(r->server->folders, err.message);
    free_inputs(r);
    pthread_mutex_lock(&r->lock);
    r->state = code == SIB_OK ? RUN_DONE : code == SIB_ERR_CANCELLED ? RUN_CANCELLED : RUN_FAILED;
    r->error = err;
    r->ended = now();
    pthread_mutex_unlock(&r->lock);
    live_state(r->server->live, r);
    run_release(r);
}

/* ---- All runs ---- */

runs *runs_create(struct server *s)
{
    runs *all = calloc(1, sizeof *all);
    if (all) {
        all->server = s;
        pthread_mutex_init(&all->lock, NULL);
    }
    return all;
}

void runs_free(runs **all)
{
    if (!*all)
        return;
    for (size_t i = 0; i < (*all)->n; i++)
        run_release((*all)->all[i]);
    pthread_mutex_destroy(&(*all)->lock);
    free(*all);
    *all = NULL;
}

/* Whether the run has ended, and when it began to run. */
static bool has_ended(run *r, double *started)
{
    pthread_mutex_lock(&r->lock);
    bool ended = r->state > RUN_RUNNING;
    *started = r->started;
    pthread_mutex_unlock(&r->lock);
    return ended;
}

void runs_tick(runs *all, bool every)
{
    double at = now(), started;
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < all->n; i++) {
        run *r = all->all[i];
        bool ended = has_ended(r, &started), over = started && at - started > all->server->options.time_limit;
        if (ended || !(over || every))
            continue;
        atomic_store(&r->timed_out, over);
        sib_cancel_set(r->cancel);
    }
    pthread_mutex_unlock(&all->lock);
}

/* Takes run i out of the list. The caller holds the lock and gets the list's reference. */
static run *take_out(runs *all, size_t i)
{
    run *r = all->all[i];
    memmove(&all->all[i], &all->all[i + 1], (--all->n - i) * sizeof(run *));
    return r;
}

sib_code runs_start(runs *all, run *r, sib_error *err)
{
    run *gone = NULL;
    double started;
    sib_code code = SIB_OK;
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; all->n == MAX_RUNS && i < all->n; i++)
        if (has_ended(all->all[i], &started))
            gone = take_out(all, i);
    if (all->n == MAX_RUNS)
        code = server_fail(err, SIB_ERR_SIZE, "%d runs wait or go on, as many as may be", MAX_RUNS);
    else {
        r->number = ++all->last_number;
        if (work_add(all->server->work, LANE_WRITE, execute, hold(r)))
            all->all[all->n++] = hold(r);
        else {
            run_release(r);
            code =
                server_fail(err, SIB_ERR_SIZE, "the server has as many requests as it takes; try again soon");
        }
    }
    pthread_mutex_unlock(&all->lock);
    run_release(gone);
    if (code == SIB_OK)
        live_state(all->server->live, r);
    return code;
}

/* The place of run "r12", all->n where there is none. The caller holds the lock. */
static size_t find(runs *all, const char *id)
{
    size_t i = 0, digits = strlen(id) > 1 ? strlen(id) - 1 : 0;
    bool good =
        id[0] == 'r' && digits && digits < 19 && strspn(id + 1, "0123456789") == digits && id[1] != '0';
    uint64_t number = good ? strtoull(id + 1, NULL, 10) : 0;
    while (i < all->n && all->all[i]->number != number)
        i++;
    return i;
}

run *runs_hold(runs *all, const char *id)
{
    pthread_mutex_lock(&all->lock);
    size_t i = find(all, id);
    run *r = i < all->n ? hold(all->all[i]) : NULL;
    pthread_mutex_unlock(&all->lock);
    return r;
}

run *runs_hold_at(runs *all, size_t i)
{
    pthread_mutex_lock(&all->lock);
    run *r = i < all->n ? hold(all->all[all->n - 1 - i]) : NULL;
    pthread_mutex_unlock(&all->lock);
    return r;
}

void runs_forget(runs *all, run *r)
{
    run *gone = NULL;
    sib_cancel_set(r->cancel);
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < all->n && !gone; i++)
        if (all->all[i] == r)
            gone = take_out(all, i);
    pthread_mutex_unlock(&all->lock);
    run_release(gone);
}
