#include "server/runs/run.h"

#include "server/http/state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_VALUES 16384               /* of a run */
#define MAX_BYTES  (UINT64_C(1) << 30) /* that all runs keep together */
#define MAX_SPANS  65536               /* of a profile */
#define SPAN_BYTES 128                 /* about */

double run_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

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
    r->created = run_clock();
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

static void free_ports(run *r)
{
    for (size_t i = 0; i < r->n_ports; i++) {
        sib_tensor_free(&r->ports[i].tensor);
        free(r->ports[i].memory);
    }
    free(r->ports);
    r->ports = NULL;
    r->n_ports = 0;
    json_decref(r->request);
    r->request = NULL;
}

void run_free_inputs(run *r)
{
    for (size_t i = 0; i < r->n_inputs; i++)
        sib_value_free((sib_value **)(uintptr_t)&r->inputs[i].value);
    free(r->inputs);
    r->inputs = NULL;
    r->n_inputs = 0;
    free_ports(r);
    atomic_fetch_sub(&r->server->held_bytes, r->input_bytes);
    r->input_bytes = 0;
}

void run_release(run *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    for (size_t i = 0; i < r->n_values; i++)
        free_value(&r->values[i]);
    atomic_fetch_sub(&r->server->kept_bytes, r->bytes);
    free(r->values);
    run_free_inputs(r);
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

run *run_hold(run *r)
{
    if (r)
        atomic_fetch_add(&r->refs, 1);
    return r;
}

static bool copy_names(run_names *to, const run_names *from)
{
    to->items = calloc(from->n + 1, sizeof *to->items);
    for (size_t i = 0; to->items && i < from->n && (to->items[i] = strdup(from->items[i])); i++)
        to->n++;
    return to->n == from->n;
}

static bool copy_text(char **to, const char *from)
{
    return !from || (*to = strdup(from));
}

static bool copy_inputs(run *to, const run *from)
{
    to->inputs = calloc(from->n_inputs + 1, sizeof *to->inputs);
    bool done = to->inputs;
    for (size_t i = 0; done && i < from->n_inputs; i++) {
        sib_value *shared = NULL; /* its elements, which are counted once */
        done = sib_value_copy(from->inputs[i].value, &shared, NULL) == SIB_OK;
        if (done)
            to->inputs[to->n_inputs++] = (sib_named_value){from->inputs[i].name, shared};
    }
    return done;
}

run *run_like(const run *r, const char *backends, bool oracle)
{
    run *made = run_create(r->server, served_hold(r->model));
    if (!made)
        return NULL;
    made->oracle = oracle;
    made->inside = r->inside;
    if (copy_text(&made->call, r->call) && copy_text(&made->backends, backends) &&
        copy_names(&made->outputs, &r->outputs) && copy_names(&made->keep, &r->keep) && copy_inputs(made, r))
        return made;
    run_release(made);
    return NULL;
}

/* ---- What it keeps ---- */

/* The caller holds the lock. */
static bool take_bytes(run *r, uint64_t bytes)
{
    atomic_ullong *total = &r->server->kept_bytes;
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
        atomic_fetch_sub(&r->server->kept_bytes, bytes);
    }
    pthread_mutex_unlock(&r->lock);
}

uint64_t run_begin_profile(run *r)
{
    if (!r->profile)
        return 0;
    atomic_ullong *total = &r->server->kept_bytes;
    uint64_t taken = MAX_SPANS * SPAN_BYTES, before = atomic_fetch_add(total, taken);
    if (before + taken > MAX_BYTES) {
        uint64_t left = before < MAX_BYTES ? MAX_BYTES - before : 0;
        atomic_fetch_sub(total, taken - left);
        taken = left;
    }
    sib_profile_limit(r->profile, (size_t)(taken / SPAN_BYTES));
    return taken;
}

void run_end_profile(run *r, uint64_t taken)
{
    uint64_t used = r->profile ? sib_profile_spans(r->profile, NULL) * SPAN_BYTES : 0;
    atomic_fetch_sub(&r->server->kept_bytes, taken - used);
    pthread_mutex_lock(&r->lock);
    r->bytes += used;
    pthread_mutex_unlock(&r->lock);
}
